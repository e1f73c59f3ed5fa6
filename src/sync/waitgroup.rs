//! `WaitGroup`: waits until a group of tasks or threads is done (Go's sync/waitgroup.go).
//!
//! What it is not: an owner of tasks. It counts; who has been counted and not left is in `hook::holder`, for the dump.
//!
//! ```text
//! WaitGroup (handle) -> Arc<Group> { state: counter and a bit, object: queue of those who wait }  <- Token, by Arc
//! ```
//! Invariants
//! 1. Everybody who is queued was queued while the counter was above 0, and is let go by the change that brings it to 0:
//!    under the queue's lock, in one hold (rule R6), first in, first out.
//! 2. A change takes no lock unless it brings the counter to 0 while somebody waits.
//! 3. The group is made at the first use of its handle, so that a handle can be a `static`.

mod state;
mod token;

use std::fmt;
use std::panic::Location;
use std::sync::{Arc, OnceLock, Weak};
use std::task::Poll;

use super::named::named_future;
use crate::hook::{Kind, ObjId, counted};
use crate::wait::lock::Object;
use crate::wait::op::{Look, Op};
use crate::wait::queue::Queue;
use crate::wait::reason::WaitReason;
use crate::wait::waiter::How;
use crate::wait::wakes::Wakes;
use state::{Change, Refused, State};

pub use token::Token;

type Site = &'static Location<'static>;

const NEGATIVE: &str = "sync: negative WaitGroup counter";
const OVERFLOW: &str = "sync: WaitGroup counter overflow";
const MISUSE: &str = "sync: WaitGroup misuse: Add called concurrently with Wait";
const REUSED: &str = "sync: WaitGroup is reused before previous Wait has returned";

/// Waits for a group of tasks or threads to finish. Follows Go's `sync.WaitGroup` (src/sync/waitgroup.go).
///
/// The group counts its members. [`go`](Self::go) spawns a task that is one, a [`Token`] is one for as long as it lives,
/// [`add`](Self::add) and [`done`](Self::done) count by hand, as in Go. [`wait`](Self::wait) is over when nobody is left.
/// A [dump](crate::diag::dump) shows for everybody who waits which tasks and which tokens have not finished.
///
/// A clone is another handle of the same group. A group can be a `static`. It may be waited for by many, and be used again
/// when all of them have returned.
///
/// ```
/// use gochan::sync::WaitGroup;
/// use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
///
/// static DONE: AtomicU32 = AtomicU32::new(0);
///
/// gochan::run(async {
///     let wg = WaitGroup::new();
///     for _ in 0..3 {
///         wg.go(async { DONE.fetch_add(1, Relaxed) });
///     }
///     wg.wait().await;
///     assert_eq!(DONE.load(Relaxed), 3);
/// });
/// ```
///
/// For threads, and for what is no task:
///
/// ```
/// let wg = gochan::sync::WaitGroup::new();
/// let token = wg.token();
/// std::thread::spawn(move || {
///     println!("working");
///     drop(token);
/// });
/// wg.wait_blocking();
/// ```
pub struct WaitGroup {
    group: OnceLock<Arc<Group>>,
    made: Site,
}

/// What the handles of one group share.
pub(crate) struct Group {
    state: State,
    object: Object<Inner>,
}

/// What lies under the lock.
#[derive(Debug)]
pub struct Inner {
    queue: Queue<()>,
    waits: u64,
}

/// Numbers of a group at one moment, from [`WaitGroup::stats`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct WaitGroupStats {
    /// Members that have not finished.
    pub count: usize,
    /// Those who wait, at this moment.
    pub waiting: usize,
    /// Waits that could not be over at once, since the group was made.
    pub waits: u64,
}

impl WaitGroup {
    /// A group that nobody is in.
    ///
    /// ```
    /// use gochan::sync::WaitGroup;
    ///
    /// static REQUESTS: WaitGroup = WaitGroup::new();
    /// assert_eq!(REQUESTS.count(), 0);
    /// ```
    #[must_use]
    #[track_caller]
    pub const fn new() -> WaitGroup {
        WaitGroup {
            group: OnceLock::new(),
            made: Location::caller(),
        }
    }

    #[inline]
    fn group(&self) -> &Arc<Group> {
        match self.group.get() {
            Some(group) => group,
            None => self.make(),
        }
    }

    #[cold]
    fn make(&self) -> &Arc<Group> {
        self.group.get_or_init(|| {
            let group = Arc::new(Group::new(self.made));
            let weak = Arc::downgrade(&group);
            counted::enter(group.object.id(), weak as Weak<dyn counted::Counted>);
            group
        })
    }

    /// Counts `delta` members more, or less if it is negative. When nobody is left, all who wait go on.
    ///
    /// As in Go, members that come when nobody is in the group must be counted before the `wait` that is to wait for
    /// them: call `add` before the task is spawned, not in it.
    ///
    /// ```
    /// let wg = gochan::sync::WaitGroup::new();
    /// wg.add(2);
    /// wg.add(-1);
    /// wg.done();
    /// wg.wait_blocking();
    /// ```
    ///
    /// # Panics
    /// As Go's, and the group is as it was: "sync: negative WaitGroup counter" if more have left than came; "sync:
    /// WaitGroup misuse: Add called concurrently with Wait" if the last member has just left and those who wait for that
    /// have not been told yet. Also if there are more than `i32::MAX` members.
    #[track_caller]
    #[inline]
    pub fn add(&self, delta: isize) {
        self.group().add(delta as i64);
    }

    /// One member less. When nobody is left, all who wait go on.
    ///
    /// # Panics
    /// If nobody is in the group, with Go's words: "sync: negative WaitGroup counter".
    #[track_caller]
    #[inline]
    pub fn done(&self) {
        self.group().add(-1);
    }

    /// One member more, which leaves when the token is dropped: also when its task panics or is aborted.
    ///
    /// The dump shows this line, the task that made the token and how long ago, until it is dropped.
    ///
    /// # Panics
    /// As [`add`](Self::add).
    #[track_caller]
    pub fn token(&self) -> Token {
        Token::new(self.group().clone(), Location::caller())
    }

    /// A token for a task that is about to be spawned.
    #[track_caller]
    #[cfg_attr(not(feature = "rt"), allow(dead_code))]
    pub(crate) fn token_of(&self, task: ObjId, site: Site) -> Token {
        Token::for_task(self.group().clone(), task, site)
    }

    /// Where it was made.
    #[cfg_attr(not(feature = "rt"), allow(dead_code))]
    pub(super) fn made(&self) -> Site {
        self.made
    }

    #[cfg_attr(not(feature = "rt"), allow(dead_code))]
    pub(super) fn set_name(&self, name: &str) {
        self.group().object.tag().set_name(name);
    }

    /// Waits until nobody is left in the group.
    ///
    /// # Panics
    /// With Go's words "sync: WaitGroup is reused before previous Wait has returned", if the group has new members
    /// before this wait has seen the end of the old ones. So there may be many who wait, but a new round begins only when
    /// all of them have returned.
    ///
    /// # Cancellation
    /// Safe at any time.
    ///
    /// ```
    /// # gochan::block_on(async {
    /// use gochan::{select, sync::WaitGroup};
    /// use std::time::Duration;
    ///
    /// let wg = WaitGroup::new();
    /// let _straggler = wg.token();
    /// let in_time = select! {
    ///     _ = wg.wait() => true,
    ///     default(Duration::from_millis(5)) => false,
    /// };
    /// assert!(!in_time);
    /// # });
    /// ```
    #[track_caller]
    #[inline]
    pub fn wait(&self) -> WaitGroupFuture<'_> {
        WaitGroupFuture::new(WaitOp {
            group: self.group(),
            site: Location::caller(),
        })
    }

    /// Waits until nobody is left in the group, blocking this thread. Not for tasks: it would block their worker.
    ///
    /// # Panics
    /// As [`wait`](Self::wait).
    #[track_caller]
    pub fn wait_blocking(&self) {
        self.wait().wait();
    }

    /// The number of members that have not finished.
    pub fn count(&self) -> usize {
        self.group
            .get()
            .map_or(0, |group| group.state.counter() as usize)
    }

    /// What is going on in the group.
    ///
    /// ```
    /// let wg = gochan::sync::WaitGroup::new();
    /// let _one = wg.token();
    /// assert_eq!((wg.stats().count, wg.stats().waiting), (1, 0));
    /// ```
    pub fn stats(&self) -> WaitGroupStats {
        let group = self.group();
        let inner = group.object.lock();
        WaitGroupStats {
            count: group.state.counter() as usize,
            waiting: inner.queue.len(),
            waits: inner.waits,
        }
    }

    /// Gives the group a name, which dumps and reports show.
    #[must_use]
    pub fn named(self, name: &str) -> Self {
        self.set_name(name);
        self
    }

    /// The group's name.
    pub fn name(&self) -> Option<std::sync::Arc<str>> {
        self.group().object.tag().name()
    }

    /// The group's number, as dumps and hooks show it.
    pub fn id(&self) -> ObjId {
        self.group().object.id()
    }
}

impl Group {
    fn new(made: Site) -> Group {
        let inner = Inner {
            queue: Queue::new(),
            waits: 0,
        };
        Group {
            state: State::new(),
            object: Object::new(inner, Kind::WaitGroup, made),
        }
    }

    #[track_caller]
    #[inline]
    fn add(&self, delta: i64) {
        match self.state.add(delta) {
            Ok(Change::Done) => {}
            Ok(Change::Release) => self.release(),
            Ok(Change::Busy) => self.add_busy(delta),
            Err(refused) => refuse(refused),
        }
    }

    /// A token is dropped. Were it counted already by a `done` too many, that is told, but not by a panic in a panic.
    fn leave(&self) {
        match self.state.add(-1) {
            Ok(Change::Release) => self.release(),
            Err(refused) if !std::thread::panicking() => refuse(refused),
            Ok(_) | Err(_) => {}
        }
    }

    /// The counter has come down to 0: lets those go who waited for that.
    #[cold]
    fn release(&self) {
        let mut wakes = Wakes::new();
        let mut inner = self.object.lock();
        if self.state.end_wait() {
            while let Some(waiter) = inner.queue.pop_claim() {
                waiter.complete(How::Given, &mut wakes);
            }
        }
        drop(inner);
        wakes.fire();
    }

    /// New members while the end of the old ones is being announced: no misuse only if nobody waits for that any more.
    #[cold]
    #[track_caller]
    fn add_busy(&self, delta: i64) {
        let inner = self.object.lock();
        // The place of a select that was won elsewhere may still be there: it waits for nothing.
        let nobody = inner.queue.live() == 0;
        let _ = nobody && self.state.end_wait();
        drop(inner);
        assert!(nobody, "{MISUSE}");
        self.add(delta);
    }
}

#[cold]
#[track_caller]
fn refuse(refused: Refused) -> ! {
    match refused {
        Refused::Negative => panic!("{NEGATIVE}"),
        Refused::Overflow => panic!("{OVERFLOW}"),
    }
}

/// Waits for the end of all members.
#[derive(Clone, Copy)]
pub struct WaitOp<'a> {
    group: &'a Group,
    site: Site,
}

impl Op for WaitOp<'_> {
    type Inner = Inner;
    type Payload = ();
    type Output = ();
    const REASON: WaitReason = WaitReason::WaitGroupWait;

    fn object(&self) -> &Object<Inner> {
        &self.group.object
    }

    fn site(&self) -> Site {
        self.site
    }

    fn queue<'q>(&self, inner: &'q mut Inner) -> &'q mut Queue<()> {
        &mut inner.queue
    }

    fn look(&self) -> (bool, Look) {
        self.group.state.look()
    }

    fn comes_unasked(&self) -> bool {
        true
    }

    fn attempt(&self, _: &mut Inner, _: &mut (), _: &mut Wakes) -> Poll<()> {
        match self.group.state.start_wait() {
            true => Poll::Pending,
            false => Poll::Ready(()),
        }
    }

    fn before_wait(&self, inner: &mut Inner, _: &mut Wakes) {
        inner.waits += 1;
    }

    fn collect(&self, _: &mut (), _: How) {
        assert!(self.group.state.is_zero(), "{REUSED} (at {})", self.site);
    }

    fn abandon(&self, _: &mut Inner, _: &mut (), _: &mut Wakes) {
        // Nothing was given but the news, which all others have too.
    }
}

named_future!(
    /// A wait for the end of a group, made by [`WaitGroup::wait`].
    ///
    /// # Cancellation
    /// Safe at any time.
    ///
    /// # Panics
    /// As [`WaitGroup::wait`].
    WaitGroupFuture,
    WaitOp,
    (),
    ()
);

impl Clone for WaitGroup {
    /// Another handle of the same group.
    fn clone(&self) -> Self {
        WaitGroup {
            group: OnceLock::from(self.group().clone()),
            made: self.made,
        }
    }
}

impl Default for WaitGroup {
    #[track_caller]
    fn default() -> Self {
        WaitGroup::new()
    }
}

impl counted::Counted for Group {
    fn count(&self) -> usize {
        self.state.counter() as usize
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        counted::leave(self.object.id());
    }
}

impl fmt::Debug for Group {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let id = self.object.id();
        let mut out = f.debug_struct("WaitGroup");
        out.field("id", &format_args!("{id}"));
        if let Some(name) = self.object.tag().name() {
            out.field("name", &name);
        }
        out.field("count", &self.state.counter())
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for WaitGroup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.group().fmt(f)
    }
}

// A panic cannot leave the group half-changed: no foreign code runs under its lock.
impl std::panic::UnwindSafe for WaitGroup {}
impl std::panic::RefUnwindSafe for WaitGroup {}
impl std::panic::RefUnwindSafe for Group {}

#[cfg(all(test, gochan_loom))]
#[path = "tests/loom_waitgroup.rs"]
mod loom_models;

#[cfg(all(test, not(gochan_loom)))]
#[path = "tests/waitgroup.rs"]
mod tests;
