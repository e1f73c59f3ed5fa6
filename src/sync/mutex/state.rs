//! The word of a mutex: who may have it, and who has to be told.
//!
//! What it is not: the queue, or a decision. Each transition is one step of the table, and says what is to be done next.
//!
//! ```text
//! bit        meaning                                             set by                    cleared by
//! LOCKED     somebody holds it, or it is being handed over       whoever takes it          its holder
//! WAITERS    somebody waits, or is about to be queued            under the object's lock   under it
//! WOKEN      the first waiter was nudged and has not looked yet  under the object's lock   under it
//! STARVING   unlock hands over; newcomers do not take it         under the object's lock   under it
//! ```
//! As in Go's `internal/sync/mutex.go`, where the number of waiters stands in place of WAITERS.
//!
//! 1. Without LOCKED and STARVING anybody may take it by setting LOCKED.
//! 2. Who unlocks while WAITERS is set and WOKEN is not sees to the waiters; so whoever clears WOKEN does so in the same
//!    step in which it finds LOCKED set, or sees to the waiters itself.
//! 3. WOKEN and STARVING exclude each other.
//!
//! Ordering pair: `unlock`, `give_back` (Release) -> every step that sets LOCKED (Acquire): what the last holder wrote.

use crate::shim::{AtomicU32, Ordering::*, const_fn};

const LOCKED: u32 = 1;
const WAITERS: u32 = 2;
const WOKEN: u32 = 4;
const STARVING: u32 = 8;

/// The state word.
#[derive(Debug)]
pub(super) struct State(AtomicU32);

/// The word as it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Seen(u32);

/// What is to be done after an unlock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub(super) enum Unlocked {
    /// Nothing.
    Quiet,
    /// Somebody waits, or did.
    Watched(Seen),
}

/// What came of the look of a waiter that was nudged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub(super) enum Retried {
    Locked,
    /// Somebody else has it, and will see to the waiters when it unlocks.
    Stays,
}

impl Seen {
    pub(super) fn is_locked(self) -> bool {
        self.0 & LOCKED != 0
    }

    /// Whether newcomers may take it.
    pub(super) fn is_open(self) -> bool {
        self.0 & (LOCKED | STARVING) == 0
    }

    pub(super) fn has_waiters(self) -> bool {
        self.0 & WAITERS != 0
    }

    pub(super) fn is_woken(self) -> bool {
        self.0 & WOKEN != 0
    }

    pub(super) fn is_starving(self) -> bool {
        self.0 & STARVING != 0
    }

    pub(super) fn bits(self) -> u32 {
        self.0
    }
}

impl State {
    const_fn! {
        pub(super) fn new() -> State {
            State(AtomicU32::new(0))
        }
    }

    /// A hint, unless the object's lock is held: then only LOCKED may change.
    #[inline(always)]
    pub(super) fn load(&self) -> Seen {
        Seen(self.0.load(Relaxed))
    }

    // ---- anybody

    /// Takes it if nobody has it and nobody waits.
    #[inline(always)]
    #[must_use]
    pub(super) fn lock(&self) -> bool {
        // ORDERING: Acquire pairs with the Release of the last holder's `unlock`.
        self.load().0 == 0 && self.0.compare_exchange(0, LOCKED, Acquire, Relaxed).is_ok()
    }

    /// Takes it if nobody has it, ahead of those who wait.
    #[must_use]
    pub(super) fn barge(&self) -> bool {
        let mut now = self.load();
        while now.is_open() {
            // ORDERING: as in `lock`.
            match self
                .0
                .compare_exchange_weak(now.0, now.0 | LOCKED, Acquire, Relaxed)
            {
                Ok(_) => return true,
                Err(other) => now = Seen(other),
            }
        }
        false
    }

    /// For the holder.
    #[inline(always)]
    pub(super) fn unlock(&self) -> Unlocked {
        // ORDERING: Release publishes the hold to the next one's Acquire.
        match self.0.fetch_sub(LOCKED, Release) - LOCKED {
            0 => Unlocked::Quiet,
            left => Unlocked::Watched(Seen(left)),
        }
    }

    // ---- under the object's lock

    /// Takes it as a newcomer; else says that somebody waits, in the same step in which it is seen to be taken: whoever
    /// unlocks later sees that.
    #[must_use]
    pub(super) fn lock_or_wait(&self) -> bool {
        self.update(|now| match now.is_open() {
            true => (now.0 | LOCKED, true),
            false => (now.0 | WAITERS, false),
        })
    }

    /// Says that the first waiter is being nudged. False: somebody has it, and will see to the waiters.
    #[must_use]
    pub(super) fn nudge(&self) -> bool {
        self.update(|now| match now.is_open() {
            true => (now.0 | WOKEN, true),
            false => (now.0, false),
        })
    }

    /// The look of the waiter that was nudged; `starving`: it has waited for too long.
    pub(super) fn retry(&self, starving: bool) -> Retried {
        self.update(|now| match now.is_locked() {
            false => ((now.0 | LOCKED) & !WOKEN, Retried::Locked),
            true if starving => ((now.0 | STARVING) & !WOKEN, Retried::Stays),
            true => (now.0 & !WOKEN, Retried::Stays),
        })
    }

    /// Takes it for the first waiter, nudged or not. False: somebody has it.
    #[must_use]
    pub(super) fn take(&self) -> bool {
        self.update(|now| match now.is_locked() {
            true => (now.0, false),
            false => ((now.0 | LOCKED) & !WOKEN, true),
        })
    }

    /// Undoes a `take` that found nobody, or gives up what was handed over.
    pub(super) fn give_back(&self) {
        // ORDERING: Release: on the way from the last holder to the next.
        self.0.fetch_and(!LOCKED, Release);
    }

    /// The one that was nudged has left.
    pub(super) fn unwake(&self) {
        self.0.fetch_and(!WOKEN, Relaxed);
    }

    pub(super) fn set_starving(&self, on: bool) {
        match on {
            true => self.0.fetch_or(STARVING, Relaxed),
            false => self.0.fetch_and(!STARVING, Relaxed),
        };
    }

    /// Nobody waits. What it was.
    pub(super) fn calm(&self) -> Seen {
        Seen(self.0.fetch_and(LOCKED, Relaxed))
    }

    fn update<R>(&self, step: impl Fn(Seen) -> (u32, R)) -> R {
        let mut now = self.load();
        loop {
            let (next, out) = step(now);
            // ORDERING: Acquire where LOCKED is set, as in `lock`; Release keeps the chain from the last holder, and
            // makes a step that changes nothing a look at the newest word.
            match self.0.compare_exchange_weak(now.0, next, AcqRel, Relaxed) {
                Ok(_) => return out,
                Err(other) => now = Seen(other),
            }
        }
    }
}
