//! Time: sleeping, deadlines, timers and tickers.
// Inside: `heap` orders deadlines, `driver` is the timers of one runtime, `current` says whose driver serves a thread.
//
// An executor calls `driver` and `enter`; operations call `current::register`.

mod alarm;
mod channel;
mod current;
mod deadline;
mod driver;
mod heap;
mod sleep;
mod source;
mod tick;
mod ticker;
mod timeout;
mod timer;

pub use crate::error::Elapsed;
pub use channel::{after, tick};
pub use deadline::{RecvTimeoutFuture, SendTimeoutFuture};
pub use sleep::{Sleep, sleep, sleep_until};
pub use tick::TickFuture;
pub use ticker::Ticker;
pub use timeout::{Timeout, timeout, timeout_at};
pub use timer::Timer;

pub(crate) use current::{enter, set_default_provider};
pub(crate) use driver::Driver;

/// Plays bytes on the heap of timers and on an ordered map beside it. For the fuzzer.
#[cfg(fuzzing)]
#[doc(hidden)]
pub fn fuzz_heap(script: &[u8]) {
    heap::tests::play(script);
}

#[cfg(test)]
mod tests;
