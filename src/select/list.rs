//! The dynamic twin of `select!`: a list of arms that is made at run time and waited for again and again. Go's
//! reflect.Select.
//!
//! What it is not: a queue of results. An arm that has won is gone from the list; an arm that has lost is as it was.
//!
//! Invariants
//! 1. Between two polls the core is parked only while a `Next` exists, or after one was leaked; whatever changes the
//!    list, or looks at it anew, leaves the queues first.
//! 2. The engine numbers the arms that are there, in the order of their indices. While the core is parked none comes or
//!    goes, so those numbers hold.
//! 3. Core and cases lie in boxes of their own: the list itself may move at any time.
//! 4. The vectors of a poll keep their room, so a wait allocates only when the list has grown.

use std::fmt;
use std::future::Future;
use std::marker::PhantomPinned;
use std::panic::Location;
use std::pin::Pin;
use std::task::{Context, Poll, Waker, ready};

use pin_project_lite::pin_project;

use super::look::Order;
use super::selectgo::{Core, Won};
use super::table::{Dyn, Place, Table};
use crate::wait::case::{Arm, Case, RawCase};
use crate::wait::op::Look;
use crate::wait::parker;

/// A list of operations of which one is waited for at a time: `select!` for a number of arms that is known only at run
/// time. Go's `reflect.Select` (reflect/value.go).
///
/// Each arm yields a `T`; [`push_map`](Self::push_map) brings different outputs under one type. The arm that wins is
/// taken out of the list; the others stay, with what they hold, and can be waited for again. The laws are those of
/// [`select!`](crate::select!).
///
/// An index names an arm until that arm wins or is removed. The next push gets the index that has become free last, so
/// a loop that puts a new arm in place of the one that has won keeps its indices:
///
/// ```
/// use gochan::{SelectList, chan};
///
/// # gochan::block_on(async {
/// let (senders, inputs): (Vec<_>, Vec<_>) = (0..3).map(|_| chan(1)).unzip();
/// for (n, tx) in senders.into_iter().enumerate() {
///     tx.send(n * 10).await.unwrap();
/// }
/// let mut list: SelectList<'_, _> = inputs.iter().map(|rx| rx.recv()).collect();
/// let mut sum = 0;
/// while !list.is_empty() {
///     let (i, value) = list.next().await;
///     if let Ok(value) = value {
///         assert_eq!(value, i * 10);
///         sum += value;
///         list.push(inputs[i].recv());
///     }
/// }
/// assert_eq!(sum, 30);
/// # });
/// ```
///
/// A list holds up to 65,535 arms. A push allocates the arm; a wait allocates nothing, but looks at every arm, as Go's
/// does.
pub struct SelectList<'a, T> {
    core: Box<Core>,
    entries: Vec<Option<Entry<'a, T>>>,
    /// Indices without an arm, the one that has become free last on top.
    free: Vec<u16>,
    order: Order,
    room: Room,
    /// A send has happened that nobody was told of; it wins when it is tried again.
    doubtful: bool,
}

type Entry<'a, T> = Pin<Box<dyn Mapped<T> + Send + 'a>>;

/// A case, and what becomes of its output.
trait Mapped<T> {
    fn case(self: Pin<&mut Self>) -> Dyn<'_>;
    fn take(self: Pin<&mut Self>) -> T;
}

pin_project! {
    struct Map<C, F> {
        #[pin]
        case: C,
        map: Option<F>,
    }
}

impl<T, C: Case, F: FnOnce(C::Output) -> T> Mapped<T> for Map<C, F> {
    fn case(self: Pin<&mut Self>) -> Dyn<'_> {
        self.project().case
    }

    fn take(self: Pin<&mut Self>) -> T {
        let this = self.project();
        let map = this.map.take().expect("an arm wins once");
        map(this.case.take())
    }
}

/// The vectors of a poll.
#[derive(Default)]
struct Room {
    /// Always empty; only its room is of use.
    cases: Vec<Pin<&'static mut (dyn RawCase + Send)>>,
    order: Vec<u16>,
    places: Vec<Place>,
    looks: Vec<Look>,
}

/// An empty vector of another type, in the same memory if the types have the same layout: collecting reuses it.
fn recycle<A, B>(mut room: Vec<A>) -> Vec<B> {
    room.clear();
    room.into_iter()
        .map(|_| unreachable!("the vector is empty"))
        .collect()
}

impl<'a, T> SelectList<'a, T> {
    /// How many arms fit.
    pub const MAX_ARMS: usize = u16::MAX as usize;

    /// A list without arms.
    #[track_caller]
    pub fn new() -> Self {
        SelectList {
            core: Box::new(Core::new(Order::Shuffled, false, Location::caller())),
            entries: Vec::new(),
            free: Vec::new(),
            order: Order::Shuffled,
            room: Room::default(),
            doubtful: false,
        }
    }

    /// Looks at the arms in the order of their indices, instead of a random one.
    #[must_use]
    pub fn biased(mut self) -> Self {
        self.order = Order::Written;
        self.core.set_biased();
        self
    }

    /// Adds an arm. Returns its index: the one that has become free last, else the next.
    ///
    /// Arms must be `Send`, so that a task may wait for the list.
    ///
    /// # Panics
    /// If the list is full, or the arm is `&mut` of an operation that has already completed.
    pub fn push<A>(&mut self, arm: A) -> usize
    where
        A: Arm<Output = T>,
        A::Case: Send + 'a,
    {
        self.push_map(arm, |output| output)
    }

    /// Adds an arm whose output is put through `map` when it wins. Returns its index, as [`push`](Self::push).
    ///
    /// ```
    /// use gochan::{SelectList, chan};
    /// use std::time::Duration;
    ///
    /// #[derive(Debug, PartialEq)]
    /// enum Event {
    ///     Line(String),
    ///     Sent,
    ///     Timeout,
    /// }
    ///
    /// # gochan::block_on(async {
    /// let (tx, rx) = chan::<String>(1);
    /// let mut list = SelectList::new();
    /// list.push_map(tx.send("hello".to_string()), |_| Event::Sent);
    /// list.push_map(rx.recv(), |line| Event::Line(line.unwrap()));
    /// list.push_map(gochan::sleep(Duration::from_secs(60)), |()| Event::Timeout);
    /// assert_eq!(list.next().await, (0, Event::Sent));
    /// assert_eq!(list.next().await, (1, Event::Line("hello".to_string())));
    /// assert_eq!(list.len(), 1);
    /// # });
    /// ```
    ///
    /// # Panics
    /// As [`push`](Self::push).
    pub fn push_map<A, F>(&mut self, arm: A, map: F) -> usize
    where
        A: Arm,
        A::Case: Send + 'a,
        F: FnOnce(A::Output) -> T + Send + 'a,
    {
        self.pause();
        let (case, map) = (arm.into_case(), Some(map));
        let entry: Entry<'a, T> = Box::pin(Map { case, map });
        if let Some(index) = self.free.pop() {
            let index = usize::from(index);
            self.entries[index] = Some(entry);
            return index;
        }
        let index = self.entries.len();
        assert!(
            index < Self::MAX_ARMS,
            "a `SelectList` has at most 65,535 arms"
        );
        self.entries.push(Some(entry));
        index
    }

    /// Drops an arm that is not wanted any more; it has not happened. False: there is none with this index.
    pub fn remove(&mut self, index: usize) -> bool {
        self.pause();
        self.entries.get(index).is_some_and(Option::is_some) && {
            drop(self.take_out(index));
            true
        }
    }

    /// Drops all arms.
    pub fn clear(&mut self) {
        self.pause();
        self.entries.clear();
        self.free.clear();
    }

    /// The number of arms.
    pub fn len(&self) -> usize {
        self.entries.len() - self.free.len()
    }

    /// Whether there is no arm.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Waits for the first arm that can go on, and takes it out of the list: its index and its output.
    ///
    /// Without arms it waits for ever, as Go's `reflect.Select` and `select {}`.
    ///
    /// # Cancellation
    /// Safe at any time, and all arms stay. What a peer had already given to one goes to the next who waits, else back to
    /// the front of the channel; a send that a receiver has already taken is what the next call returns.
    #[track_caller]
    // As `StreamExt::next`: what comes next is waited for, and there is no end.
    #[allow(clippy::should_implement_trait)]
    pub fn next(&mut self) -> Next<'_, 'a, T> {
        self.pause();
        self.core.renew(Location::caller());
        Next {
            list: self,
            pinned: PhantomPinned,
        }
    }

    /// As [`next`](Self::next), blocking this thread. Not for tasks: it would block their worker.
    #[track_caller]
    pub fn wait(&mut self) -> (usize, T) {
        self.next().wait()
    }

    /// Takes out an arm that can go on now, if there is one.
    ///
    /// ```
    /// use gochan::{SelectList, chan};
    ///
    /// let (tx, rx) = chan(1);
    /// let mut list = SelectList::new();
    /// list.push(rx.recv());
    /// assert_eq!(list.try_next(), None);
    /// tx.try_send(7).unwrap();
    /// assert_eq!(list.try_next(), Some((0, Ok(7))));
    /// assert!(list.is_empty());
    /// ```
    pub fn try_next(&mut self) -> Option<(usize, T)> {
        self.pause();
        let mut cx = Context::from_waker(Waker::noop());
        let (order, doubtful) = (self.order, self.doubtful);
        let won = self.with_table(|_, table| {
            let won = table.try_each(order, doubtful, &mut cx);
            table.retire_all();
            won
        });
        self.doubtful &= won.is_some();
        won.map(|number| self.take(number))
    }

    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<(usize, T)> {
        let polled = self.with_table(|core, table| core.poll(table, cx));
        // In all queues means tried under all locks.
        self.doubtful &= !self.core.is_parked();
        match ready!(polled) {
            Won::Case(number) => Poll::Ready(self.take(number)),
            Won::Default => unreachable!("the list has no default"),
        }
    }

    /// The winner's index and output; `number` counts only the arms that are there.
    fn take(&mut self, number: usize) -> (usize, T) {
        let there = |(_, entry): &(usize, &Option<_>)| entry.is_some();
        let mut indices = self.entries.iter().enumerate().filter(there);
        let (index, _) = indices.nth(number).expect("the winner is in the list");
        // First out of the list: the arm's map is foreign code.
        let mut entry = self.take_out(index);
        (index, entry.as_mut().take())
    }

    fn take_out(&mut self, index: usize) -> Entry<'a, T> {
        let entry = self.entries[index].take().expect("an arm that is there");
        self.free.push(index as u16);
        entry
    }

    /// Leaves all queues, should a wait have been given up.
    fn pause(&mut self) {
        if self.core.is_parked() {
            self.doubtful |= self.with_table(|core, table| core.leave(table));
        }
    }

    fn with_table<R>(&mut self, f: impl FnOnce(&mut Core, &mut Table<'_, '_>) -> R) -> R {
        let room = &mut self.room;
        let mut cases: Vec<Dyn<'_>> = recycle(std::mem::take(&mut room.cases));
        let entries = self.entries.iter_mut().flatten();
        cases.extend(entries.map(|entry| entry.as_mut().case()));
        room.order.resize(cases.len(), 0);
        room.places.resize(cases.len(), Place::default());
        room.looks.resize(cases.len(), Look::default());
        let out = f(
            &mut self.core,
            &mut Table {
                cases: &mut cases,
                order: &mut room.order,
                places: &mut room.places,
                looks: &mut room.looks,
            },
        );
        room.cases = recycle(cases);
        out
    }
}

impl<T> Drop for SelectList<'_, T> {
    fn drop(&mut self) {
        self.pause();
    }
}

impl<T> Default for SelectList<'_, T> {
    #[track_caller]
    fn default() -> Self {
        Self::new()
    }
}

impl<'a, T, A> Extend<A> for SelectList<'a, T>
where
    A: Arm<Output = T>,
    A::Case: Send + 'a,
{
    fn extend<I: IntoIterator<Item = A>>(&mut self, arms: I) {
        for arm in arms {
            self.push(arm);
        }
    }
}

impl<'a, T, A> FromIterator<A> for SelectList<'a, T>
where
    A: Arm<Output = T>,
    A::Case: Send + 'a,
{
    #[track_caller]
    fn from_iter<I: IntoIterator<Item = A>>(arms: I) -> Self {
        let mut list = SelectList::new();
        list.extend(arms);
        list
    }
}

impl<T> fmt::Debug for SelectList<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SelectList")
            .field("arms", &self.len())
            .field("core", &self.core)
            .finish_non_exhaustive()
    }
}

pin_project! {
    /// A wait for one arm of a [`SelectList`], made by [`SelectList::next`].
    ///
    /// # Cancellation
    /// As for [`SelectList::next`].
    #[derive(Debug)]
    #[must_use = "futures do nothing unless awaited"]
    pub struct Next<'l, 'a, T> {
        list: &'l mut SelectList<'a, T>,
        #[pin]
        pinned: PhantomPinned,
    }

    impl<T> PinnedDrop for Next<'_, '_, T> {
        fn drop(this: Pin<&mut Self>) {
            this.project().list.pause();
        }
    }
}

impl<T> Next<'_, '_, T> {
    /// Blocks this thread until an arm wins. Not for tasks: it would block their worker.
    pub fn wait(self) -> (usize, T) {
        parker::block_on(self)
    }
}

impl<T> Future for Next<'_, '_, T> {
    type Output = (usize, T);

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<(usize, T)> {
        self.project().list.poll_next(cx)
    }
}

#[cfg(all(test, not(gochan_loom)))]
mod tests;
