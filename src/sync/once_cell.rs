//! `OnceCell`: a value that is initialised once, by a future that may fail, panic or be dropped.
//!
//! What it is not: `Once`, which has no value, though it is one of these inside; nor the initialisation as it runs, which
//! is in `once_cell/init.rs`.
//!
//! ```text
//! running  value   meaning                                     who leaves it
//! false    -       nobody initialises it                       a turn is taken -> running; `set` -> value
//! true     -       whoever has the `Turn` initialises it       Turn filled -> value; Turn dropped -> next in turnq, or false
//! -        there   it is there, for good                       `take`, which has the cell to itself
//! ```
//! Invariants
//! 1. `turnq` has waiters only while `running`; `waitq`, of those who only wait for the value, also when nobody tries.
//! 2. There is one `Turn` while `running`, or one that was given and not collected. It is passed on under the lock, so
//!    nobody overtakes those who wait for it.
//! 3. The value is written by the owner of the turn, or under the lock while nobody has it, before those who wait are told.
//! 4. A reader takes no lock: the value is in a cell of its own, of which a look is one Acquire load.

mod init;

use std::fmt;
use std::future::Future;
use std::panic::Location;
use std::sync::OnceLock;
use std::task::Poll;

use crate::error::SetError;
use crate::hook::{Kind, ObjId};
use crate::shim::const_fn;
use crate::wait::case::{Arm, Lent, OpCase};
use crate::wait::lock::Object;
use crate::wait::op::{Look, Op, Park};
use crate::wait::queue::Queue;
use crate::wait::reason::WaitReason;
use crate::wait::waiter::How;
use crate::wait::{parker, wakes::Wakes};
use init::{Entry, TurnOp, there};

pub(super) use init::{CellRef, Init};
pub use init::{GetOrInit, GetOrTryInit};

type Site = &'static Location<'static>;

/// A value that is initialised once, by whoever comes first; all others wait for it. As the standard library's `OnceLock`,
/// for initialisers that are futures. Follows Go's `sync.OnceValue` (src/sync/oncefunc.go), but for one thing: if the
/// initialiser panics, fails or is dropped, the next one in the queue tries.
///
/// Reading a value that is there is one load. A [dump](crate::diag::dump) shows for everybody who waits which task
/// initialises the cell, since when and from which line.
///
/// ```
/// use gochan::sync::OnceCell;
///
/// static CONFIG: OnceCell<String> = OnceCell::new();
///
/// async fn config() -> &'static str {
///     CONFIG.get_or_init(|| async { "loaded".to_string() }).await
/// }
///
/// gochan::run(async {
///     assert_eq!(CONFIG.get(), None);
///     assert_eq!(config().await, "loaded");
///     assert_eq!(CONFIG.get().unwrap(), "loaded");
/// });
/// ```
pub struct OnceCell<T> {
    value: OnceLock<T>,
    object: Object<Inner>,
}

/// What lies under the lock.
#[derive(Debug)]
pub struct Inner {
    running: bool,
    turnq: Queue<()>,
    waitq: Queue<()>,
}

impl<T> OnceCell<T> {
    const_fn! {
        /// A cell without a value.
        #[must_use]
        #[track_caller]
        pub fn new() -> OnceCell<T> {
            OnceCell {
                value: OnceLock::new(),
                object: Object::new(Inner::new(), Kind::Once, Location::caller()),
            }
        }
    }

    /// A cell that is a part of something that was made at `made`.
    pub(super) fn made_at(made: Site) -> OnceCell<T> {
        OnceCell {
            value: OnceLock::new(),
            object: Object::new(Inner::new(), Kind::Once, made),
        }
    }

    /// The value, if it is there. Never waits.
    #[inline]
    pub fn get(&self) -> Option<&T> {
        self.value.get()
    }

    /// Whether the value is there.
    #[inline]
    pub fn is_initialized(&self) -> bool {
        self.get().is_some()
    }

    /// The value, for who has the cell to himself.
    pub fn get_mut(&mut self) -> Option<&mut T> {
        self.value.get_mut()
    }

    /// Takes the value out; the cell is as new.
    pub fn take(&mut self) -> Option<T> {
        // Who still has the turn or a place in a queue was leaked: nobody else borrows the cell.
        *self.object.lock() = Inner::new();
        self.value.take()
    }

    /// The value, without the cell.
    pub fn into_inner(self) -> Option<T> {
        self.value.into_inner()
    }

    /// Gives the cell its value, without a wait.
    ///
    /// ```
    /// let cell = gochan::sync::OnceCell::new();
    /// assert!(cell.set(1).is_ok());
    /// let refused = cell.set(2).unwrap_err();
    /// assert!(refused.is_set());
    /// assert_eq!(refused.into_inner(), 2);
    /// ```
    ///
    /// # Errors
    /// It has one, or somebody initialises it at this moment; the new value comes back.
    pub fn set(&self, value: T) -> Result<(), SetError<T>> {
        let mut wakes = Wakes::new();
        let mut inner = self.object.lock();
        if inner.running {
            return Err(SetError::Initializing(value));
        }
        if let Err(value) = self.value.set(value) {
            return Err(SetError::Set(value));
        }
        inner.end(&mut wakes);
        drop(inner);
        wakes.fire();
        Ok(())
    }

    /// The value; if there is none, that of the future which `init` makes. If somebody initialises the cell already, waits
    /// for that.
    ///
    /// Do not initialise a cell from its own initialiser: it would wait for itself, as in Go.
    ///
    /// # Cancellation
    /// Safe at any time. Dropped while its future runs, that is dropped too, and the next who waits makes its own.
    ///
    /// # Panics
    /// If `init` or its future panics; the next who waits tries.
    ///
    /// ```
    /// # gochan::block_on(async {
    /// let cell = gochan::sync::OnceCell::new();
    /// assert_eq!(cell.get_or_init(|| async { 1 }).await, &1);
    /// assert_eq!(cell.get_or_init(|| async { 2 }).await, &1);
    /// # });
    /// ```
    #[track_caller]
    #[inline]
    pub fn get_or_init<F, Fut>(&self, init: F) -> GetOrInit<'_, T, F, Fut>
    where
        F: FnOnce() -> Fut,
        Fut: Future<Output = T>,
    {
        GetOrInit::new(self, init, Location::caller())
    }

    /// As [`get_or_init`](Self::get_or_init), with a future that may fail. The error goes to this caller; the next who
    /// waits tries.
    ///
    /// # Errors
    /// Those of the future.
    ///
    /// # Cancellation
    /// As [`get_or_init`](Self::get_or_init).
    ///
    /// ```
    /// # gochan::block_on(async {
    /// let cell = gochan::sync::OnceCell::new();
    /// assert_eq!(cell.get_or_try_init(|| async { Err("not yet") }).await, Err("not yet"));
    /// assert_eq!(cell.get_or_try_init(|| async { Ok::<_, &str>(2) }).await, Ok(&2));
    /// # });
    /// ```
    #[track_caller]
    #[inline]
    pub fn get_or_try_init<F, Fut, E>(&self, init: F) -> GetOrTryInit<'_, T, F, Fut>
    where
        F: FnOnce() -> Fut,
        Fut: Future<Output = Result<T, E>>,
    {
        GetOrTryInit::new(self, init, Location::caller())
    }

    /// As [`get_or_init`](Self::get_or_init), blocking this thread. Not for tasks: it would block their worker.
    ///
    /// # Panics
    /// If `init` panics; the next who waits tries.
    ///
    /// ```
    /// let cell = gochan::sync::OnceCell::new();
    /// assert_eq!(cell.get_or_init_blocking(|| 7), &7);
    /// ```
    #[track_caller]
    pub fn get_or_init_blocking(&self, init: impl FnOnce() -> T) -> &T {
        let init = || Ok::<T, std::convert::Infallible>(init());
        match self.get_or_try_init_blocking(init) {
            Ok(value) => value,
            Err(never) => match never {},
        }
    }

    /// As [`get_or_try_init`](Self::get_or_try_init), blocking this thread. Not for tasks: it would block their worker.
    ///
    /// # Errors
    /// Those of `init`.
    #[track_caller]
    pub fn get_or_try_init_blocking<E>(
        &self,
        init: impl FnOnce() -> Result<T, E>,
    ) -> Result<&T, E> {
        if let Some(value) = self.get() {
            return Ok(value);
        }
        let site = Location::caller();
        let mut turn = Park::new(TurnOp { cell: self, site }, ());
        let entry = match turn.at_once() {
            Some(entry) => entry,
            None => parker::block_on(Waiting { turn }),
        };
        if let Entry::Turn(turn) = entry {
            let turn = turn.noted(site);
            turn.fill(init()?);
        }
        Ok(there(self))
    }

    /// Waits until the value is there, whoever initialises it.
    ///
    /// # Cancellation
    /// Safe at any time.
    ///
    /// ```
    /// # gochan::run(async {
    /// static CELL: gochan::sync::OnceCell<u8> = gochan::sync::OnceCell::new();
    /// let waiting = gochan::go(async { *CELL.wait().await });
    /// CELL.set(9).unwrap();
    /// assert_eq!(waiting.await.unwrap(), 9);
    /// # });
    /// ```
    #[track_caller]
    pub fn wait(&self) -> OnceFuture<'_, T> {
        let site = Location::caller();
        OnceFuture {
            park: Park::new(ValueOp { cell: self, site }, ()),
        }
    }

    /// As [`wait`](Self::wait), blocking this thread. Not for tasks: it would block their worker.
    #[track_caller]
    pub fn wait_blocking(&self) -> &T {
        self.wait().wait()
    }

    /// Gives the cell a name, which dumps and reports show.
    #[must_use]
    pub fn named(self, name: &str) -> Self {
        self.object.tag().set_name(name);
        self
    }

    /// The cell's name.
    pub fn name(&self) -> Option<std::sync::Arc<str>> {
        self.object.tag().name()
    }

    /// The cell's number, as dumps and hooks show it.
    pub fn id(&self) -> ObjId {
        self.object.id()
    }
}

impl Inner {
    const fn new() -> Inner {
        Inner {
            running: false,
            turnq: Queue::new(),
            waitq: Queue::new(),
        }
    }

    /// The value is there: tells everybody, in one hold (rule R6).
    fn end(&mut self, wakes: &mut Wakes) {
        self.running = false;
        for queue in [&mut self.turnq, &mut self.waitq] {
            while let Some(waiter) = queue.pop_claim() {
                waiter.complete(How::Closed, wakes);
            }
        }
    }

    /// Whoever had the turn has it no more, and there is no value: it is the next one's.
    fn pass_turn(&mut self, wakes: &mut Wakes) {
        match self.turnq.pop_claim() {
            Some(next) => next.complete(How::Given, wakes),
            None => self.running = false,
        }
    }
}

pin_project_lite::pin_project! {
    /// The wait of a thread for its turn.
    struct Waiting<'a, T> {
        #[pin]
        turn: Park<TurnOp<&'a OnceCell<T>>>,
    }
}

impl<'a, T> Future for Waiting<'a, T> {
    type Output = Entry<&'a OnceCell<T>>;

    fn poll(self: std::pin::Pin<&mut Self>, cx: &mut std::task::Context<'_>) -> Poll<Self::Output> {
        self.project().turn.poll(cx)
    }
}

/// Waits for the value.
pub struct ValueOp<'a, T> {
    cell: &'a OnceCell<T>,
    site: Site,
}

impl<T> Clone for ValueOp<'_, T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for ValueOp<'_, T> {}

impl<'a, T> Op for ValueOp<'a, T> {
    type Inner = Inner;
    type Payload = ();
    type Output = &'a T;
    const REASON: WaitReason = WaitReason::Once;

    fn object(&self) -> &Object<Inner> {
        &self.cell.object
    }

    fn site(&self) -> Site {
        self.site
    }

    fn queue<'q>(&self, inner: &'q mut Inner) -> &'q mut Queue<()> {
        &mut inner.waitq
    }

    fn look(&self) -> (bool, Look) {
        let there = self.cell.is_initialized();
        (there, Look(there.into(), 0, 0))
    }

    fn attempt(&self, _: &mut Inner, _: &mut (), _: &mut Wakes) -> Poll<&'a T> {
        self.cell.get().map_or(Poll::Pending, Poll::Ready)
    }

    fn collect(&self, _: &mut (), _: How) -> &'a T {
        there(self.cell)
    }

    fn abandon(&self, _: &mut Inner, _: &mut (), _: &mut Wakes) {
        // The value stays; there is nothing to pass on.
    }
}

pin_project_lite::pin_project! {
    /// A wait for the value of a cell, made by [`OnceCell::wait`].
    ///
    /// # Cancellation
    /// Safe at any time.
    #[must_use = "futures do nothing unless awaited"]
    pub struct OnceFuture<'a, T> {
        #[pin]
        park: Park<ValueOp<'a, T>>,
    }
}

impl<'a, T> OnceFuture<'a, T> {
    /// Blocks this thread until the wait is over. Not for tasks: it would block their worker.
    pub fn wait(mut self) -> &'a T {
        match self.park.at_once() {
            Some(value) => value,
            None => parker::block_on(self),
        }
    }
}

impl<'a, T> Future for OnceFuture<'a, T> {
    type Output = &'a T;

    fn poll(self: std::pin::Pin<&mut Self>, cx: &mut std::task::Context<'_>) -> Poll<&'a T> {
        self.project().park.poll(cx)
    }
}

impl<'a, T> Arm for OnceFuture<'a, T> {
    type Output = &'a T;
    type Case = OpCase<ValueOp<'a, T>>;

    fn into_case(self) -> Self::Case {
        self.park.into_case()
    }
}

impl<'a, 'b, T> Arm for &'b mut OnceFuture<'a, T> {
    type Output = &'a T;
    type Case = Lent<'b, ValueOp<'a, T>>;

    fn into_case(self) -> Self::Case {
        (&mut self.park).into_case()
    }
}

impl<T> fmt::Debug for OnceFuture<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.park.fmt(f)
    }
}

impl<T> Default for OnceCell<T> {
    #[track_caller]
    fn default() -> Self {
        OnceCell::new()
    }
}

impl<T> From<T> for OnceCell<T> {
    #[track_caller]
    fn from(value: T) -> Self {
        let mut cell = OnceCell::new();
        cell.value = OnceLock::from(value);
        cell
    }
}

impl<T: fmt::Debug> fmt::Debug for OnceCell<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let id = self.object.id();
        let mut out = f.debug_struct("OnceCell");
        out.field("id", &format_args!("{id}"));
        if let Some(name) = self.object.tag().name() {
            out.field("name", &name);
        }
        match self.get() {
            Some(value) => out.field("value", value).finish(),
            None => out.finish_non_exhaustive(),
        }
    }
}

#[cfg(all(test, gochan_loom))]
#[path = "tests/loom_once.rs"]
mod loom_models;
