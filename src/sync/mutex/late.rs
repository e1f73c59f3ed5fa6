//! Whether the waiter that was nudged has waited for too long, asked at each unlock that passes it.
//!
//! What it is not: exact. To read the clock costs as much as to lock and unlock, so a thread that has just seen that its
//! unlocks come fast reads it at one in [`SKIPS`] only; those in between go by what it read last.
//!
//! 1. A thread skips readings only after two that were less than [`FAST_NS`] apart, and then at most [`SKIPS`]. Should its
//!    unlocks become slow meanwhile, it goes by what the monitor said, which looks every 10 ms.

use std::cell::Cell;

use super::raw::is_long;
use crate::clock;
use crate::shim::thread_local;

/// Unlocks without a reading, after which there is one.
const SKIPS: u8 = 16;
/// So close two readings are while unlocks come fast.
const FAST_NS: u64 = 20_000;

thread_local! {
    /// Unlocks until the next reading.
    static LEFT: Cell<u8> = const { Cell::new(0) };
}

/// Whether who has waited since then has done so for too long.
#[inline]
pub(super) fn is_late(since: u64) -> bool {
    let left = LEFT.with(Cell::get);
    let now = match left {
        0 => read(),
        _ => {
            LEFT.with(|cell| cell.set(left - 1));
            clock::roughly()
        }
    };
    is_long(now.saturating_sub(since))
}

#[inline(never)]
fn read() -> u64 {
    let before = clock::recent();
    let now = clock::ticks();
    let fast = clock::ticks_to_ns_roughly(now.saturating_sub(before)) < FAST_NS;
    LEFT.with(|cell| cell.set(if fast { SKIPS } else { 0 }));
    now
}

#[cfg(all(test, not(gochan_loom)))]
mod tests {
    use super::*;
    use std::time::{Duration, Instant};

    fn readings(of: u32) -> usize {
        let looks = (0..of).filter(|_| {
            let left = LEFT.with(Cell::get);
            is_late(clock::recent());
            left == 0
        });
        looks.count()
    }

    #[test]
    fn the_clock_is_read_now_and_then_while_unlocks_come_fast() {
        clock::ticks();
        LEFT.with(|left| left.set(0));
        // Some more than one in so many if this thread is kept from its processor.
        assert!(readings(10 * (u32::from(SKIPS) + 1)) < 100);
    }

    #[test]
    fn after_a_gap_it_is_read_each_time() {
        LEFT.with(|left| left.set(0));
        for _ in 0..3 {
            let until = Instant::now() + Duration::from_millis(2);
            let since = clock::ticks();
            while Instant::now() < until {
                std::hint::spin_loop();
            }
            assert!(is_late(since));
            assert_eq!(LEFT.with(Cell::get), 0);
        }
    }
}
