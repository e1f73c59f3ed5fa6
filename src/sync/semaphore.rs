//! A weighted semaphore, first come first served: after `golang.org/x/sync/semaphore`, with its permits as values.
//!
//! What it is not: a lock with an owner. Permits may be given back by anybody, in other portions than they were taken.
//!
//! | file | noun |
//! |---|---|
//! | `state.rs` | the word: how many permits are there, and how that changes |
//! | `ops.rs` | the futures |
//! | `permit.rs` | permits in hand |
//!
//! Invariants, true whenever the queue's lock is free and nobody is between giving back and handing over
//! 1. The first in the queue wants more permits than are there: nobody is served before it.
//! 2. `size` is the sum of the permits that are there, in hand and forgotten; `forgotten` is how many of them
//!    [`Semaphore::release`] may still give back.
//! 3. Closed implies an empty queue.

mod ops;
mod permit;
mod state;

use std::fmt;
use std::panic::Location;
use std::sync::Arc;

pub use ops::{AcquireFuture, OwnedAcquireFuture};
pub use permit::{OwnedSemaphorePermit, SemaphorePermit};

use crate::error::{AcquireError, TryAcquireError};
use crate::hook::holder::Hold;
use crate::hook::{self, Kind, ObjId};
use crate::shim::{AtomicU64, Ordering::Relaxed, const_fn};
use crate::sync::wish::Wish;
use crate::wait::lock::Object;
use crate::wait::queue::Queue;
use crate::wait::waiter::How;
use crate::wait::wakes::Wakes;
use ops::Ask;
use state::{MAX, Took, Word};

type Site = &'static Location<'static>;

/// A number of permits, of which each operation may take several.
///
/// Follows `golang.org/x/sync/semaphore`: whoever waits is served in order, so that a wish for many is not starved by
/// wishes for few; it holds them off until it has got its own. Permits are values that go back when they are dropped; a
/// future that is dropped gives back what it was already given.
///
/// A [dump](crate::diag::dump) shows who holds permits that others wait for, where they were acquired and since when.
///
/// # Examples
///
/// At most two downloads at a time:
///
/// ```
/// use gochan::sync::Semaphore;
/// use std::sync::Arc;
///
/// gochan::run(async {
///     let slots = Arc::new(Semaphore::new(2));
///     let downloads: Vec<_> = (0..5)
///         .map(|n| {
///             let slots = slots.clone();
///             gochan::go(async move {
///                 let _slot = slots.acquire().await.unwrap();
///                 n * n
///             })
///         })
///         .collect();
///     for (n, download) in downloads.into_iter().enumerate() {
///         assert_eq!(download.await.unwrap(), n * n);
///     }
/// });
/// ```
pub struct Semaphore {
    word: Word,
    /// Permits in all; changed under the queue's lock.
    size: AtomicU64,
    waiting: Object<Waiting>,
}

// A panic cannot leave it half-changed: no foreign code runs under its lock.
impl std::panic::UnwindSafe for Semaphore {}
impl std::panic::RefUnwindSafe for Semaphore {}

/// Under the queue's lock.
#[derive(Debug)]
pub struct Waiting {
    queue: Queue<Ask>,
    forgotten: u64,
    waits: u64,
}

/// What is known of a semaphore at one moment, from [`Semaphore::stats`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct SemaphoreStats {
    /// Permits in all.
    pub size: usize,
    /// Permits that are there to be acquired.
    pub available: usize,
    /// How many wait.
    pub waiting: usize,
    /// Acquisitions that had to wait since the semaphore was made.
    pub waits: u64,
}

impl Semaphore {
    /// As many permits as a semaphore may have.
    pub const MAX_PERMITS: usize = if usize::BITS < 64 {
        usize::MAX
    } else {
        MAX as usize
    };

    const_fn! {
        /// A semaphore with `permits` permits, all of them there.
        ///
        /// # Panics
        /// If these are more than [`MAX_PERMITS`](Self::MAX_PERMITS).
        #[track_caller]
        pub fn new(permits: usize) -> Self {
            assert!(permits <= Self::MAX_PERMITS, "semaphore: more than MAX_PERMITS");
            let waiting = Waiting {
                queue: Queue::new(),
                forgotten: 0,
                waits: 0,
            };
            Semaphore {
                word: Word::new(permits as u64),
                size: AtomicU64::new(permits as u64),
                waiting: Object::new(waiting, Kind::Semaphore, Location::caller()),
            }
        }
    }

    /// Gives the semaphore a name, which dumps and reports show.
    #[must_use]
    pub fn named(self, name: &str) -> Self {
        self.waiting.tag().set_name(name);
        self
    }

    /// The semaphore's name.
    pub fn name(&self) -> Option<Arc<str>> {
        self.waiting.tag().name()
    }

    /// The semaphore's number, as dumps and hooks show it.
    #[inline(always)]
    pub fn id(&self) -> ObjId {
        self.waiting.id()
    }

    /// Takes a permit; waits until one is there and everybody before is served.
    ///
    /// # Errors
    /// As of [`acquire_many`](Self::acquire_many).
    ///
    /// # Cancellation
    /// Safe at any time: a permit that was already given is given back.
    #[track_caller]
    #[inline(always)]
    pub fn acquire(&self) -> AcquireFuture<'_> {
        AcquireFuture::new(self, 1, Location::caller())
    }

    /// Takes `n` permits at once; waits until they are there and everybody before is served.
    ///
    /// ```
    /// # gochan::block_on(async {
    /// let memory = gochan::sync::Semaphore::new(1 << 20);
    /// let page = memory.acquire_many(4096).await.unwrap();
    /// assert_eq!(memory.available() + page.count(), 1 << 20);
    /// assert!(memory.acquire_many(2 << 20).await.is_err());
    /// # });
    /// ```
    ///
    /// # Errors
    /// The semaphore has fewer than `n` permits in all, so that there is nothing to wait for (where Go waits for the
    /// context's end to say so), or it is [closed](Self::close).
    ///
    /// # Cancellation
    /// Safe at any time: permits that were already given are given back. Those who wait behind it go on.
    #[track_caller]
    #[inline(always)]
    pub fn acquire_many(&self, n: usize) -> AcquireFuture<'_> {
        AcquireFuture::new(self, n, Location::caller())
    }

    /// As [`acquire`](Self::acquire), with a permit that keeps the semaphore alive and borrows nothing.
    ///
    /// # Errors
    /// As of [`acquire_many`](Self::acquire_many).
    ///
    /// # Cancellation
    /// As of [`acquire`](Self::acquire).
    #[track_caller]
    pub fn acquire_owned(self: Arc<Self>) -> OwnedAcquireFuture {
        OwnedAcquireFuture::new(self, 1, Location::caller())
    }

    /// As [`acquire_many`](Self::acquire_many), with permits that keep the semaphore alive and borrow nothing.
    ///
    /// # Errors
    /// As of [`acquire_many`](Self::acquire_many).
    ///
    /// # Cancellation
    /// As of [`acquire_many`](Self::acquire_many).
    #[track_caller]
    pub fn acquire_many_owned(self: Arc<Self>, n: usize) -> OwnedAcquireFuture {
        OwnedAcquireFuture::new(self, n, Location::caller())
    }

    /// As [`acquire`](Self::acquire), blocking this thread meanwhile. Not for tasks: it would block their worker.
    ///
    /// # Errors
    /// As of [`acquire_many`](Self::acquire_many).
    #[track_caller]
    pub fn acquire_blocking(&self) -> Result<SemaphorePermit<'_>, AcquireError> {
        self.acquire().wait()
    }

    /// As [`acquire_many`](Self::acquire_many), blocking this thread meanwhile. Not for tasks: it would block their
    /// worker.
    ///
    /// # Errors
    /// As of [`acquire_many`](Self::acquire_many).
    #[track_caller]
    pub fn acquire_many_blocking(&self, n: usize) -> Result<SemaphorePermit<'_>, AcquireError> {
        self.acquire_many(n).wait()
    }

    /// Takes a permit if one is there and nobody waits.
    ///
    /// # Errors
    /// None is there, somebody waits, or the semaphore is closed.
    #[track_caller]
    #[inline]
    pub fn try_acquire(&self) -> Result<SemaphorePermit<'_>, TryAcquireError> {
        self.try_acquire_many(1)
    }

    /// Takes `n` permits if they are there and nobody waits.
    ///
    /// # Errors
    /// They are not there, somebody waits, or the semaphore is closed.
    #[track_caller]
    #[inline]
    pub fn try_acquire_many(&self, n: usize) -> Result<SemaphorePermit<'_>, TryAcquireError> {
        let note = self.try_take(n as u64, Location::caller())?;
        Ok(SemaphorePermit::new(self, n as u64, note))
    }

    /// As [`try_acquire`](Self::try_acquire), with a permit that keeps the semaphore alive.
    ///
    /// # Errors
    /// As of [`try_acquire`](Self::try_acquire).
    #[track_caller]
    pub fn try_acquire_owned(self: Arc<Self>) -> Result<OwnedSemaphorePermit, TryAcquireError> {
        self.try_acquire_many_owned(1)
    }

    /// As [`try_acquire_many`](Self::try_acquire_many), with permits that keep the semaphore alive.
    ///
    /// # Errors
    /// As of [`try_acquire_many`](Self::try_acquire_many).
    #[track_caller]
    pub fn try_acquire_many_owned(
        self: Arc<Self>,
        n: usize,
    ) -> Result<OwnedSemaphorePermit, TryAcquireError> {
        let note = self.try_take(n as u64, Location::caller())?;
        Ok(OwnedSemaphorePermit::new(self, n as u64, note))
    }

    /// Gives `n` permits back that were [forgotten](SemaphorePermit::forget): Go's `Release`, for those who acquire in
    /// one place and release in another.
    ///
    /// ```
    /// let slots = gochan::sync::Semaphore::new(1);
    /// slots.try_acquire().unwrap().forget();
    /// assert_eq!(slots.available(), 0);
    /// slots.release(1);
    /// assert_eq!(slots.available(), 1);
    /// ```
    ///
    /// # Panics
    /// If fewer are out: "semaphore: released more than held".
    #[track_caller]
    pub fn release(&self, n: usize) {
        let n = n as u64;
        let mut wakes = Wakes::new();
        let mut waiting = self.waiting.lock();
        let Some(left) = waiting.forgotten.checked_sub(n) else {
            drop(waiting);
            panic!("semaphore: released more than held");
        };
        waiting.forgotten = left;
        self.give_locked(&mut waiting, n, &mut wakes);
        drop(waiting);
        wakes.fire();
    }

    /// Adds `n` permits to those that the semaphore has.
    ///
    /// # Panics
    /// If these would be more than [`MAX_PERMITS`](Self::MAX_PERMITS).
    #[track_caller]
    pub fn add_permits(&self, n: usize) {
        let mut wakes = Wakes::new();
        let mut waiting = self.waiting.lock();
        let size = self.size().saturating_add(n as u64);
        if size > Self::MAX_PERMITS as u64 {
            drop(waiting);
            panic!("semaphore: more than MAX_PERMITS");
        }
        // ORDERING: Relaxed: who asks for as many comes to the lock before it waits.
        self.size.store(size, Relaxed);
        self.give_locked(&mut waiting, n as u64, &mut wakes);
        drop(waiting);
        wakes.fire();
    }

    /// Lets nobody in any more: those who wait, and all who come, get an error. Permits may still be given back. False:
    /// it was closed before.
    pub fn close(&self) -> bool {
        let mut wakes = Wakes::new();
        let mut waiting = self.waiting.lock();
        let first = self.word.close();
        while let Some(next) = waiting.queue.pop_claim() {
            next.complete(How::Closed, &mut wakes);
        }
        self.word.clear_queued();
        drop(waiting);
        wakes.fire();
        first
    }

    /// Whether it is closed.
    pub fn is_closed(&self) -> bool {
        self.word.load().is_closed()
    }

    /// How many permits are there at this moment. Takes no lock.
    pub fn available(&self) -> usize {
        self.word.load().permits() as usize
    }

    /// Who waits, what is there, and how often somebody had to wait.
    pub fn stats(&self) -> SemaphoreStats {
        let waiting = self.waiting.lock();
        SemaphoreStats {
            size: self.size() as usize,
            available: self.available(),
            waiting: waiting.queue.len(),
            waits: waiting.waits,
        }
    }

    // ---- for operations and permits

    fn size(&self) -> u64 {
        self.size.load(Relaxed)
    }

    #[inline(always)]
    fn take(&self, n: u64, site: Site) -> Option<Hold> {
        // Who is not going to have them need not note anything.
        let seen = self.word.load();
        if !seen.may_take(n) {
            return None;
        }
        Hold::if_taken(self.id(), site, || self.word.try_take(seen, n))
    }

    #[inline(always)]
    fn try_take(&self, n: u64, site: Site) -> Result<Hold, TryAcquireError> {
        match self.take(n, site) {
            Some(note) => Ok(note),
            None => self.try_take_slow(n, site),
        }
    }

    /// Says why, or takes away a mark that somebody waits where nobody does: a select leaves it that looked and went.
    #[cold]
    #[inline(never)]
    fn try_take_slow(&self, n: u64, site: Site) -> Result<Hold, TryAcquireError> {
        let waiting = self.waiting.lock();
        if self.word.load().is_closed() {
            return Err(TryAcquireError::Closed);
        }
        if waiting.queue.is_empty() {
            self.word.clear_queued();
        }
        drop(waiting);
        self.take(n, site).ok_or(TryAcquireError::NoPermits)
    }

    /// Under the lock: takes permits, or makes the note of one who is going to wait for them.
    fn attempt(
        &self,
        waiting: &mut Waiting,
        n: u64,
        site: Site,
        ask: &mut Ask,
    ) -> Result<Took, AcquireError> {
        if n > self.size() && !self.word.load().is_closed() {
            return Err(AcquireError::TooMany);
        }
        let took = self.word.take_or_queue(n, waiting.queue.is_empty());
        ask.n = n;
        ask.wish = match took {
            Took::All => Wish::acquired(Hold::acquired(self.id(), site)),
            Took::None => Wish::wanted(self.id(), site, hook::stamp()),
            Took::Closed => Wish::default(),
        };
        Ok(took)
    }

    #[inline(always)]
    fn give(&self, n: u64) {
        if self.word.give(n) {
            self.hand_over();
        }
    }

    #[cold]
    #[inline(never)]
    fn hand_over(&self) {
        let mut wakes = Wakes::new();
        let mut waiting = self.waiting.lock();
        self.settle(&mut waiting, &mut wakes);
        drop(waiting);
        wakes.fire();
    }

    fn give_locked(&self, waiting: &mut Waiting, n: u64, wakes: &mut Wakes) {
        if self.word.give(n) {
            self.settle(waiting, wakes);
        }
    }

    /// Restores invariant 1: serves from the front as long as the permits last.
    fn settle(&self, waiting: &mut Waiting, wakes: &mut Wakes) {
        loop {
            let there = self.word.load().permits();
            let Some(mut first) = waiting.queue.pop_claim_if(|ask| ask.n <= there, false) else {
                break;
            };
            self.word.hand_over(first.payload().n);
            first.payload().wish.granted(hook::stamp());
            first.complete(How::Given, wakes);
        }
        if waiting.queue.is_empty() {
            self.word.clear_queued();
        }
    }

    #[cold]
    fn forget(&self, n: u64) {
        self.waiting.lock().forgotten += n;
    }
}

impl fmt::Debug for Semaphore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = f.debug_struct("Semaphore");
        out.field("id", &self.id());
        if let Some(name) = self.name() {
            out.field("name", &name);
        }
        out.field("available", &self.available())
            .field("closed", &self.is_closed())
            .finish_non_exhaustive()
    }
}

#[cfg(all(test, gochan_loom))]
#[path = "semaphore/loom.rs"]
mod loom_models;
