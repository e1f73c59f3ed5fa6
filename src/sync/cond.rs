//! A condition variable, after Go's `sync.Cond`: waits for a signal with the mutex unlocked meanwhile.
//!
//! What it is not: a memory of signals. A signal that nobody waits for is gone; what is waited for is in the mutex.
//!
//! 1. A waiter is in the queue before its mutex is unlocked (Go's ticket): a signal sent after that cannot miss it.
//! 2. Signals are served first in, first out. Nobody wakes without one.
//! 3. A signal for one that is not used, because the wait is dropped before it has the mutex again, goes to the next.
//! 4. `waiting` is the length of the queue whenever the lock is free.
//!
//! ```text
//! wait      guard   signal       relock     what drop does
//! Fresh     Some    unlinked     None       unlocks
//! Waiting   None    linked       None       leaves the queue, or passes the signal on
//! Signalled None    -            Some       leaves the mutex's queue, and passes the signal on
//! Over      None    -            over       nothing
//! ```

use std::fmt;
use std::future::Future;
use std::panic::Location;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use pin_project_lite::pin_project;

use super::mutex::{LockFuture, Mutex, MutexGuard};
use crate::hook::{Kind, ObjId};
use crate::shim::{AtomicUsize, Ordering::*, const_fn};
use crate::wait::lock::Object;
use crate::wait::op::{Look, Op, Park};
use crate::wait::parker;
use crate::wait::queue::Queue;
use crate::wait::reason::WaitReason;
use crate::wait::waiter::How;
use crate::wait::wakes::Wakes;

type Site = &'static Location<'static>;

/// A place to wait until what a [`Mutex`] guards has changed.
///
/// Follows Go's `sync.Cond` (`src/sync/cond.go` and the notify list in `src/runtime/sema.go`): waiters are signalled in the
/// order in which they began to wait, nobody wakes without a signal, and a signal that nobody waits for is lost.
/// A channel is often the simpler way.
///
/// ```
/// use gochan::go;
/// use gochan::sync::{Cond, Mutex};
/// use std::collections::VecDeque;
///
/// static JOBS: Mutex<VecDeque<u32>> = Mutex::new(VecDeque::new());
/// static CHANGED: Cond = Cond::new();
///
/// gochan::run(async {
///     let worker = go(async {
///         let mut jobs = CHANGED.wait_while(JOBS.lock().await, |jobs| jobs.is_empty()).await;
///         jobs.pop_front()
///     });
///     JOBS.lock().await.push_back(7);
///     CHANGED.notify_one();
///     assert_eq!(worker.await.unwrap(), Some(7));
/// });
/// ```
pub struct Cond {
    object: Object<Waiters>,
    waiting: AtomicUsize,
}

/// What the object's lock guards.
#[derive(Debug)]
struct Waiters {
    queue: Queue<Signal>,
}

/// What a waiter was sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Signal {
    /// It is for one waiter: must be passed on if it is not used.
    #[default]
    One,
    /// Everybody has it.
    All,
}

impl Cond {
    const_fn! {
        /// A condition variable that nobody waits on.
        #[track_caller]
        pub fn new() -> Cond {
            let waiters = Waiters { queue: Queue::new() };
            Cond {
                object: Object::new(waiters, Kind::Cond, Location::caller()),
                waiting: AtomicUsize::new(0),
            }
        }
    }

    /// Unlocks the mutex, waits for a signal, and locks the mutex again.
    ///
    /// What is waited for has to be looked at again then: another task may have locked the mutex in between.
    /// [`wait_while`](Self::wait_while) does that. In [`select!`](crate::select!) write `fut(cond.wait(guard))`.
    ///
    /// ```
    /// # gochan::run(async {
    /// use gochan::{go, sync::{Cond, Mutex}};
    /// use std::sync::Arc;
    ///
    /// let shared = Arc::new((Mutex::new(false), Cond::new()));
    /// let other = shared.clone();
    /// let waiter = go(async move {
    ///     let mut ready = other.0.lock().await;
    ///     while !*ready {
    ///         ready = other.1.wait(ready).await;
    ///     }
    /// });
    /// *shared.0.lock().await = true;
    /// shared.1.notify_all();
    /// waiter.await.unwrap();
    /// # });
    /// ```
    ///
    /// # Cancellation
    /// Safe at any time. Dropped, it leaves the mutex unlocked; a signal that it was sent for itself alone goes to the
    /// next waiter.
    #[track_caller]
    pub fn wait<'a, T: ?Sized>(&'a self, guard: MutexGuard<'a, T>) -> CondFuture<'a, T> {
        CondFuture::new(self, guard, Location::caller())
    }

    /// Waits for signals until `condition` is false: at once, if it is.
    ///
    /// ```
    /// # gochan::run(async {
    /// use gochan::sync::{Cond, Mutex};
    ///
    /// let (full, changed) = (Mutex::new(false), Cond::new());
    /// let guard = changed.wait_while(full.lock().await, |full| *full).await;
    /// assert!(!*guard);
    /// # });
    /// ```
    ///
    /// # Cancellation
    /// As of [`wait`](Self::wait).
    ///
    /// # Panics
    /// If `condition` does; the mutex is unlocked then.
    #[track_caller]
    pub fn wait_while<'a, T: ?Sized, F: FnMut(&mut T) -> bool>(
        &'a self,
        guard: MutexGuard<'a, T>,
        condition: F,
    ) -> CondWhileFuture<'a, T, F> {
        let site = Location::caller();
        CondWhileFuture {
            wait: CondFuture::new(self, guard, site),
            condition,
        }
    }

    /// As [`wait`](Self::wait), blocking this thread meanwhile. Not for tasks: it would block their worker.
    ///
    /// ```
    /// use gochan::sync::{Cond, Mutex};
    ///
    /// let (ready, changed) = (Mutex::new(false), Cond::new());
    /// std::thread::scope(|s| {
    ///     s.spawn(|| {
    ///         *ready.lock_blocking() = true;
    ///         changed.notify_one();
    ///     });
    ///     let mut guard = ready.lock_blocking();
    ///     while !*guard {
    ///         guard = changed.wait_blocking(guard);
    ///     }
    /// });
    /// ```
    #[track_caller]
    pub fn wait_blocking<'a, T: ?Sized>(&'a self, guard: MutexGuard<'a, T>) -> MutexGuard<'a, T> {
        parker::block_on(self.wait(guard))
    }

    /// Wakes the one that waits for longest. The caller may hold the mutex, but need not.
    ///
    /// Takes no lock when nobody waits.
    pub fn notify_one(&self) {
        if self.has_waiters() {
            let mut wakes = Wakes::new();
            self.signal(&mut self.object.lock(), &mut wakes);
            wakes.fire();
        }
    }

    /// Wakes all who wait at this moment. The caller may hold the mutex, but need not.
    ///
    /// Takes no lock when nobody waits.
    pub fn notify_all(&self) {
        if self.has_waiters() {
            let mut wakes = Wakes::new();
            self.broadcast(&mut self.object.lock(), &mut wakes);
            wakes.fire();
        }
    }

    /// How many wait at this moment.
    pub fn waiters(&self) -> usize {
        self.waiting.load(Relaxed)
    }

    /// Gives it a name, which dumps and reports show.
    #[must_use]
    pub fn named(self, name: &str) -> Self {
        self.object.tag().set_name(name);
        self
    }

    /// Its name.
    pub fn name(&self) -> Option<Arc<str>> {
        self.object.tag().name()
    }

    /// Its number, as dumps and hooks show it.
    pub fn id(&self) -> ObjId {
        self.object.id()
    }

    fn has_waiters(&self) -> bool {
        // ORDERING: Relaxed: whoever began to wait for a change did so with the mutex locked, and whoever made the change
        // has had it since: that order carries the count along.
        self.waiting.load(Relaxed) > 0
    }

    fn signal(&self, waiters: &mut Waiters, wakes: &mut Wakes) {
        if let Some(mut first) = waiters.queue.pop_claim() {
            *first.payload() = Signal::One;
            first.complete(How::Given, wakes);
        }
        self.count(waiters);
    }

    fn broadcast(&self, waiters: &mut Waiters, wakes: &mut Wakes) {
        while let Some(mut waiter) = waiters.queue.pop_claim() {
            *waiter.payload() = Signal::All;
            waiter.complete(How::Given, wakes);
        }
        self.count(waiters);
    }

    fn count(&self, waiters: &Waiters) {
        self.waiting.store(waiters.queue.len(), Relaxed);
    }
}

impl Default for Cond {
    #[track_caller]
    fn default() -> Self {
        Cond::new()
    }
}

impl fmt::Debug for Cond {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = f.debug_struct("Cond");
        out.field("id", &self.id());
        if let Some(name) = self.name() {
            out.field("name", &name);
        }
        out.field("waiters", &self.waiters()).finish()
    }
}

/// Waits for a signal.
#[derive(Clone, Copy)]
struct CondOp<'a> {
    cond: &'a Cond,
    site: Site,
}

impl Op for CondOp<'_> {
    type Inner = Waiters;
    type Payload = Signal;
    type Output = Signal;
    const REASON: WaitReason = WaitReason::CondWait;

    fn object(&self) -> &Object<Waiters> {
        &self.cond.object
    }

    fn site(&self) -> Site {
        self.site
    }

    fn queue<'q>(&self, waiters: &'q mut Waiters) -> &'q mut Queue<Signal> {
        &mut waiters.queue
    }

    fn look(&self) -> (bool, Look) {
        (false, Look::default())
    }

    fn changed(&self, waiters: &mut Waiters) {
        self.cond.count(waiters);
    }

    fn attempt(&self, _: &mut Waiters, _: &mut Signal, _: &mut Wakes) -> Poll<Signal> {
        // There is nothing to be had but by waiting.
        Poll::Pending
    }

    fn collect(&self, signal: &mut Signal, _: How) -> Signal {
        *signal
    }

    fn abandon(&self, waiters: &mut Waiters, signal: &mut Signal, wakes: &mut Wakes) {
        if *signal == Signal::One {
            self.cond.signal(waiters, wakes);
        }
    }
}

pin_project! {
    /// A wait for a signal, made by [`Cond::wait`].
    ///
    /// # Cancellation
    /// Safe at any time. Dropped, it leaves the mutex unlocked; a signal that it was sent for itself alone goes to the
    /// next waiter.
    #[must_use = "futures do nothing unless awaited"]
    pub struct CondFuture<'a, T: ?Sized> {
        #[pin]
        signal: Park<CondOp<'a>>,
        #[pin]
        relock: Option<LockFuture<'a, T>>,
        guard: Option<MutexGuard<'a, T>>,
        mutex: &'a Mutex<T>,
        // A signal for one was taken, and has not been of use yet.
        owed: bool,
    }

    impl<T: ?Sized> PinnedDrop for CondFuture<'_, T> {
        fn drop(this: Pin<&mut Self>) {
            let this = this.project();
            if *this.owed {
                this.signal.op().cond.notify_one();
            }
        }
    }
}

impl<'a, T: ?Sized> CondFuture<'a, T> {
    fn new(cond: &'a Cond, guard: MutexGuard<'a, T>, site: Site) -> Self {
        CondFuture {
            signal: Park::new(CondOp { cond, site }, Signal::One),
            relock: None,
            mutex: MutexGuard::mutex(&guard),
            guard: Some(guard),
            owed: false,
        }
    }

    /// Blocks this thread until a signal has come and the mutex is locked. Not for tasks: it would block their worker.
    pub fn wait(self) -> MutexGuard<'a, T> {
        parker::block_on(self)
    }
}

impl<'a, T: ?Sized> Future for CondFuture<'a, T> {
    type Output = MutexGuard<'a, T>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<MutexGuard<'a, T>> {
        let mut this = self.project();
        if this.relock.is_none() {
            let signalled = this.signal.as_mut().poll(cx);
            // Not before it is in the queue: a slice that is used up may have kept it out.
            if !this.signal.is_fresh() {
                drop(this.guard.take());
            }
            *this.owed = ready!(signalled) == Signal::One;
            let site = this.signal.op().site;
            this.relock.set(Some(LockFuture::new(this.mutex, site)));
        }
        let relock = this.relock.as_pin_mut().expect("just made");
        let guard = ready!(relock.poll(cx));
        *this.owed = false;
        Poll::Ready(guard)
    }
}

impl<T: ?Sized> fmt::Debug for CondFuture<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.relock {
            Some(relock) => relock.fmt(f),
            None => self.signal.fmt(f),
        }
    }
}

pin_project! {
    /// Waits for signals while a condition holds, made by [`Cond::wait_while`].
    ///
    /// # Cancellation
    /// As of [`CondFuture`].
    #[must_use = "futures do nothing unless awaited"]
    pub struct CondWhileFuture<'a, T: ?Sized, F> {
        #[pin]
        wait: CondFuture<'a, T>,
        condition: F,
    }
}

impl<'a, T: ?Sized, F: FnMut(&mut T) -> bool> CondWhileFuture<'a, T, F> {
    /// Blocks this thread until the condition is false and the mutex is locked. Not for tasks: it would block their
    /// worker.
    pub fn wait(self) -> MutexGuard<'a, T> {
        parker::block_on(self)
    }
}

impl<'a, T: ?Sized, F: FnMut(&mut T) -> bool> Future for CondWhileFuture<'a, T, F> {
    type Output = MutexGuard<'a, T>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<MutexGuard<'a, T>> {
        let mut this = self.project();
        let CondOp { cond, site } = *this.wait.signal.op();
        // A guard that has not been given up yet: the first look, or one after a slice that was used up.
        let mut held = this.wait.as_mut().project().guard.take();
        loop {
            let mut guard = match held.take() {
                Some(guard) => guard,
                None => ready!(this.wait.as_mut().poll(cx)),
            };
            if !(this.condition)(&mut *guard) {
                return Poll::Ready(guard);
            }
            this.wait.set(CondFuture::new(cond, guard, site));
            let waited = this.wait.as_mut().poll(cx);
            held = Some(ready!(waited));
        }
    }
}

impl<T: ?Sized, F> fmt::Debug for CondWhileFuture<'_, T, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.wait.fmt(f)
    }
}

#[cfg(all(test, gochan_loom))]
#[path = "tests/loom_cond.rs"]
mod loom_models;
