//! The state of a semaphore in one word: how many permits are there, and whether somebody is queued.
//!
//! What it is not: a queue. Whoever finds `QUEUED` goes to the queue, under its lock.
//!
//! ```text
//! bits     name      meaning                                        who changes it
//! 0        CLOSED    nobody is let in any more                      holder of the queue's lock; never goes back
//! 1        QUEUED    somebody is, or was a moment ago, queued       holder of the queue's lock
//! 2..=49   PERMITS   how many are there to be taken                 who takes and who gives back; a peer that hands over
//! 50..     EPOCH     how often some were taken; wraps               who takes them
//! ```
//! Invariants
//! 1. While QUEUED is set nobody takes permits but under the queue's lock, so that they gather for the first in it.
//! 2. A queue that is not empty implies QUEUED, whenever the lock is free. QUEUED alone may be a leftover; the next who
//!    comes with that lock clears it.
//! 3. PERMITS and all that are out are never more than [`MAX`]: the sum only grows by `add`, which sees to it.
//!
//! Ordering pairs: who gives permits back (Release) -> who takes them (Acquire). All of them are read-modify-writes, so
//! who takes sees everybody who gave back before.

use crate::shim::{AtomicU64, Ordering::*, const_fn, spin_loop};
use crate::wait::op::Look;

const CLOSED: u64 = 1;
const QUEUED: u64 = 1 << 1;
const PERMIT: u64 = 1 << 2;
const EPOCH: u64 = 1 << 50;

/// As many permits as there may be.
pub(super) const MAX: u64 = (EPOCH / PERMIT) - 1;

/// The word.
#[derive(Debug)]
pub(super) struct Word(AtomicU64);

/// A look at the word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Seen(u64);

/// What became of a wish for permits.
#[must_use]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Took {
    /// They are taken.
    All,
    /// There are too few, or others wait for some.
    None,
    /// The semaphore is closed.
    Closed,
}

impl Seen {
    #[inline(always)]
    pub(super) fn is_closed(self) -> bool {
        self.0 & CLOSED != 0
    }

    #[inline(always)]
    pub(super) fn is_queued(self) -> bool {
        self.0 & QUEUED != 0
    }

    #[inline(always)]
    pub(super) fn permits(self) -> u64 {
        (self.0 & (EPOCH - 1)) / PERMIT
    }

    /// Whether one who comes may take `n`: they are there, nobody is queued and it is not closed.
    #[inline(always)]
    pub(super) fn may_take(self, n: u64) -> bool {
        self.0 & (CLOSED | QUEUED) == 0 && self.permits() >= n
    }

    /// For a select, which compares looks: the epoch tells that some were taken and given back in between.
    pub(super) fn look(self) -> Look {
        Look((self.0 >> 32) as usize, self.0 as u32 as usize, 0)
    }

    #[inline(always)]
    fn less(self, n: u64) -> Seen {
        Seen(self.0.wrapping_add(EPOCH) - n * PERMIT)
    }
}

impl Word {
    const_fn! {
        pub(super) fn new(permits: u64) -> Word {
            Word(AtomicU64::new(permits * PERMIT))
        }
    }

    #[inline(always)]
    pub(super) fn load(&self) -> Seen {
        // ORDERING: Relaxed: what is seen decides only whether to try, or is told as a number.
        Seen(self.0.load(Relaxed))
    }

    #[inline(always)]
    fn change(&self, seen: Seen, next: Seen) -> Result<(), Seen> {
        // ORDERING: Acquire pairs with the Release of those who gave back what we take.
        self.0
            .compare_exchange(seen.0, next.0, Acquire, Relaxed)
            .map(drop)
            .map_err(Seen)
    }

    // ---- without the queue's lock

    /// Takes `n`, which were there when it was `seen`, if they still are, nobody is queued and it is not closed.
    #[inline(always)]
    pub(super) fn try_take(&self, seen: Seen, n: u64) -> bool {
        self.change(seen, seen.less(n)).is_ok() || self.try_again(n)
    }

    /// Somebody else was faster, which need not mean that too few are left.
    #[cold]
    #[inline(never)]
    fn try_again(&self, n: u64) -> bool {
        loop {
            (0..8).for_each(|_| spin_loop());
            let seen = self.load();
            if !seen.may_take(n) {
                return false;
            }
            if self.change(seen, seen.less(n)).is_ok() {
                return true;
            }
        }
    }

    /// Gives `n` back. True: somebody is queued for them.
    #[must_use]
    #[inline(always)]
    pub(super) fn give(&self, n: u64) -> bool {
        // ORDERING: Release: who takes them sees what we did while we had them.
        Seen(self.0.fetch_add(n * PERMIT, Release)).is_queued()
    }

    // ---- under the queue's lock

    /// Takes `n` if they are there and nobody is queued; else marks that somebody is.
    pub(super) fn take_or_queue(&self, n: u64, nobody_queued: bool) -> Took {
        let mut seen = self.load();
        loop {
            if seen.is_closed() {
                return Took::Closed;
            }
            let takes = nobody_queued && seen.permits() >= n;
            // That they were taken means that nobody is queued: a leftover mark goes.
            let next = match takes {
                true => Seen(seen.less(n).0 & !QUEUED),
                false => Seen(seen.0 | QUEUED),
            };
            match self.change(seen, next) {
                Ok(()) if takes => return Took::All,
                Ok(()) => return Took::None,
                Err(now) => seen = now,
            }
        }
    }

    /// Takes `n`, which are there, for one of the queue.
    pub(super) fn hand_over(&self, n: u64) {
        debug_assert!(self.load().is_queued() && self.load().permits() >= n);
        // ORDERING: Acquire: who is handed them sees, through us, those who gave them back. Nobody else takes any while
        // QUEUED is set (invariant 1).
        self.0.fetch_add(EPOCH.wrapping_sub(n * PERMIT), Acquire);
    }

    /// False: it was closed.
    pub(super) fn close(&self) -> bool {
        // ORDERING: Relaxed: the mark publishes nothing; those who are queued are told under the lock.
        !Seen(self.0.fetch_or(CLOSED, Relaxed)).is_closed()
    }

    /// The queue is empty.
    pub(super) fn clear_queued(&self) {
        if self.load().is_queued() {
            // ORDERING: Relaxed: the mark publishes nothing; the queue is looked at under its lock.
            self.0.fetch_and(!QUEUED, Relaxed);
        }
    }
}
