//! Time: sleeping, time limits, timers and tickers.
//!
//! | to | use | Go |
//! |---|---|---|
//! | wait for a while | [`sleep`], [`sleep_until`] | `time.Sleep` |
//! | limit how long something may take | [`timeout`], [`timeout_at`] | `select` with `time.After` |
//! | limit how long a send or receive may wait | [`Sender::send_timeout`](crate::Sender::send_timeout), [`Receiver::recv_timeout`](crate::Receiver::recv_timeout), `_deadline` | the same |
//! | have a moment that can be moved or called off | [`Timer`] | `time.NewTimer` |
//! | do something every so often | [`Ticker`] | `time.NewTicker` |
//! | have either as a channel | [`after`], [`tick`] | `time.After`, `time.Tick` |
//!
//! All of them are arms of [`select!`](crate::select!) (the receive, where there is a channel). They work in tasks of this
//! runtime, in tasks of any other executor, and on plain threads by `.wait()`; outside of a runtime of this crate they
//! are served by the default one, or by a thread of their own while there is none.
//!
//! Nothing here completes early. How late it completes is up to the operating system and to what else there is to run.
//! Moments further away than an [`Instant`](std::time::Instant) can say never come, and nothing overflows on the way.
//!
//! ```
//! use gochan::time::{Ticker, Timer};
//! use gochan::{chan, select};
//! use std::time::Duration;
//!
//! gochan::block_on(async {
//!     let (tx, rx) = chan(1);
//!     let idle = Timer::new(Duration::from_millis(20));
//!     let ticker = Ticker::new(Duration::from_millis(1));
//!     let (mut sent, mut received) = (0, 0);
//!     loop {
//!         select! {
//!             _ = ticker.tick(), if sent < 3 => {
//!                 tx.send("beat").await.unwrap();
//!                 sent += 1;
//!             }
//!             beat = rx.recv() => {
//!                 assert_eq!(beat, Ok("beat"));
//!                 received += 1;
//!                 idle.reset(Duration::from_millis(5));
//!             }
//!             _ = idle.recv() => break,
//!         }
//!     }
//!     assert!(received <= sent);
//! });
//! ```
// Inside: `heap` orders deadlines, `driver` is the timers of one runtime, `current` says whose driver serves a thread.
// `alarm` is one deadline of one future: sleeps, time limits and operations with a deadline have one. `source` is what
// timers and tickers share, and `tick` is receiving from it.
//
// An executor calls `Driver` and `enter`; operations call `current::register`.

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

pub(crate) use current::{enter, now, register, set_default_provider};
pub(crate) use driver::{Action, Driver, Entry, Fire};
#[cfg(feature = "net")]
pub(crate) use sleep::sleep_at;

/// Plays bytes on the heap of timers and on an ordered map beside it. For the fuzzer.
#[cfg(fuzzing)]
#[doc(hidden)]
pub fn fuzz_heap(script: &[u8]) {
    heap::tests::play(script);
}

#[cfg(test)]
mod tests;
