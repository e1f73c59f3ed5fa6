//! The flight recorder, and what can be made of its recordings.
//!
//! A [`Recorder`] writes down what every task does, all the time, in a fixed amount of memory: spawn, poll, wait, wake-up, end, and
//! what the program says itself (`region!`, [`log`](crate::diag::log()), [`counter`](crate::diag::counter())).
//! Its [`snapshot`](Recorder::snapshot) is a [`Trace`], of which a program can read the events, and which, with the feature `diag`,
//! others can open: <https://ui.perfetto.dev> ([`Trace::to_perfetto`]) and `go tool trace` ([`Trace::to_go_trace`]).
//!
//! ```
//! use gochan::diag::trace::{Recorder, TraceWhat};
//!
//! let recorder = Recorder::start().unwrap();
//! gochan::run(async { gochan::yield_now().await });
//! let trace = recorder.snapshot();
//! let polls = trace.events().iter();
//! let polls = polls.filter(|event| matches!(event.what, TraceWhat::PollStart { .. }));
//! println!("{} polls in {:?}", polls.count(), trace.length());
//! ```
// Upwards: `ring` is memory, `event` what lies in it, `rings` whose it is, `recorder` and `log` write, `snapshot` reads it
// back into a `value`, `replay` makes sense of it, `names` has the words for it, the rest are formats.

mod event;
#[cfg(feature = "diag")]
mod gotrace;
mod log;
#[cfg(feature = "diag")]
mod names;
#[cfg(feature = "diag")]
mod perfetto;
mod recorder;
#[cfg(feature = "diag")]
mod replay;
mod ring;
mod rings;
mod snapshot;
mod trigger;
mod value;
mod waited;

#[cfg(all(test, gochan_loom))]
mod model;

pub(in crate::diag) use self::log::region;
pub use self::log::{counter, log};
pub use self::recorder::{Builder, Recorder, Status};
pub use self::trigger::Trigger;
pub use self::value::{Trace, TraceEvent, TraceWait, TraceWhat};

use std::panic::Location;

type Site = &'static Location<'static>;

/// The atomics that a ring is made of. Always the real machine's; the model compiles `ring.rs` a second time over loom's.
mod words {
    pub(super) use std::sync::atomic::{AtomicU64, Ordering, fence};
}
