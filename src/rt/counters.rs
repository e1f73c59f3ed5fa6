//! What a slot has done, in numbers, for whoever wants to look: metrics and the scheduler's trace.
//!
//! What it is not: exact at any moment. The owner counts for itself, in its core, and shows its counts now and then: each time that
//! it tends to timers, after 61 polls at most, and before it sleeps. Polls pay for plain additions.
//!
//! 1. Only the owner of the slot stores; everybody may load.

use crate::clock;
use crate::shim::{AtomicU64, Ordering::Relaxed};

macro_rules! counters {
    ($($(#[$doc:meta])* $name:ident,)*) => {
        /// The owner's counts.
        #[derive(Clone, Copy, Debug, Default)]
        pub(super) struct Tally {
            $($(#[$doc])* pub(super) $name: u64,)*
            /// When its worker woke, in ticks of the clock; 0 while it sleeps.
            awake_since: u64,
        }

        /// The counts as they were shown last.
        #[derive(Debug)]
        pub(super) struct Counters {
            $($name: AtomicU64,)*
            awake_since: AtomicU64,
        }

        impl Counters {
            pub(super) fn new() -> Counters {
                Counters {
                    $($name: AtomicU64::new(0),)*
                    awake_since: AtomicU64::new(0),
                }
            }

            /// For the owner.
            pub(super) fn show(&self, tally: &Tally) {
                $(self.$name.store(tally.$name, Relaxed);)*
                self.awake_since.store(tally.awake_since, Relaxed);
            }

            pub(super) fn read(&self) -> Tally {
                Tally {
                    $($name: self.$name.load(Relaxed),)*
                    awake_since: self.awake_since.load(Relaxed),
                }
            }
        }
    };
}

counters! {
    /// Polls begun.
    polls,
    /// Of these, of the task in `runnext`.
    next_hits,
    /// Polls that gave way: by `yield_now`, or with their budget used up.
    yields,
    /// Times that it took tasks from another ring.
    steals,
    /// Searches that found nothing.
    steal_misses,
    /// Times that its ring was full and half of it went to the global queue.
    overflows,
    /// Times that it went to sleep.
    parks,
    /// Awake, in ticks of the clock, without the time since it woke last.
    busy,
}

impl Tally {
    pub(super) fn wake(&mut self) {
        self.awake_since = clock::ticks();
    }

    pub(super) fn sleep(&mut self) {
        self.parks += 1;
        self.busy += clock::ticks().saturating_sub(self.awake_since);
        self.awake_since = 0;
    }

    /// Awake in all, in nanoseconds.
    pub(super) fn busy_ns(&self) -> u64 {
        let now = match self.awake_since {
            0 => 0,
            since => clock::ticks().saturating_sub(since),
        };
        clock::ticks_to_ns(self.busy + now)
    }
}
