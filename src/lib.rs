//! Go-style channels, `select!`, tasks and timers for Rust, on a small work-stealing executor that can always say who
//! waits, for what, since when and where.
//!
//! ```
//! use gochan::{chan, go, select};
//! use std::time::Duration;
//!
//! let total = gochan::run(async {
//!     let (tx, rx) = chan::<u64>(16);
//!     let adder = go(async move {
//!         let mut total = 0;
//!         loop {
//!             select! {
//!                 n = rx.recv() => match n { Ok(n) => total += n, Err(_) => return total },
//!                 default(Duration::from_secs(60)) => panic!("nobody sends"),
//!             }
//!         }
//!     });
//!     for n in 1..=100 {
//!         tx.send(n).await.unwrap();
//!     }
//!     drop(tx);
//!     adder.await.unwrap()
//! });
//! assert_eq!(total, 5050);
//! ```
//!
//! # Where things are
//!
//! | you want | look at |
//! |---|---|
//! | channels | [`chan()`], [`unbounded`], [`never()`], [`Sender`], [`Receiver`] |
//! | the first of several operations | [`select!`], [`select_blocking!`], [`select()`], [`SelectList`] |
//! | to wait for others | [`sync`]: [`WaitGroup`](sync::WaitGroup) |
//! | tasks | `go`, `run`, `block_on`, `JoinHandle`, `Runtime`, `task` |
//! | who may call a job off, and until when it may go on | [`Context`], [`context`] |
//! | locks | [`sync`] |
//! | time | `sleep`, `timeout`, `after`, `tick`, `time` |
//! | sockets, signals | `net`, `signal`, with the feature `net` |
//! | who waits for what | [`diag::dump`] |
//! | what happened just before now | [`diag::trace::Recorder`] |
//! | every wait and wake, as it happens | [`hook`] |
//!
//! Operations are futures that know nothing but the waker of whoever polls them: one channel serves tasks of this
//! executor, tasks of any other and, through `.wait()`, plain threads at the same time.
//!
//! # Features
//!
//! * `rt` (default): the executor, and everything that needs its clock.
//! * `diag` (default): the dump as JSON. The recording itself is always there.
//! * `net`: sockets, with `futures-io`'s traits. Unix only.
//! * `tokio-io`, `hyper`: the I/O traits of those on our sockets.
//! * `tracing`: spans of that crate as regions of tasks, its events in recordings.
//!
//! Without `rt` the channels and selects alone are left.
#![deny(unsafe_code)]
// Without the executor, what it calls of the lower floors has no caller.
#![cfg_attr(not(feature = "rt"), allow(dead_code, unused_imports))]

#[cfg(all(feature = "net", not(unix)))]
compile_error!("gochan: the feature `net` is for Unix");

pub mod chan;
mod clock;
#[cfg(feature = "rt")]
pub mod context;
pub mod diag;
mod error;
pub mod hook;
#[cfg(feature = "net")]
pub mod net;
#[cfg(feature = "rt")]
mod rt;
pub mod select;
mod shim;
#[cfg(feature = "net")]
pub mod signal;
pub mod sync;
#[cfg(feature = "rt")]
pub mod task;
#[cfg(feature = "rt")]
pub mod time;
mod util;
mod wait;

#[doc(hidden)]
pub mod __private {
    //! For the macros of this crate only.
    pub use crate::select::{Either, Nil, Select, SelectOr, at_most_32, ignore};
    #[cfg(feature = "rt")]
    pub use crate::time::sleep;
}

pub use chan::{Permit, Receiver, Sender, WeakReceiver, WeakSender, chan, never, unbounded};
#[cfg(feature = "rt")]
pub use context::{CancelCauseHandle, CancelHandle, Context, sleep_ctx, sleep_until_ctx};
pub use error::{
    AcquireError, AlreadyRecording, RecvError, RecvTimeoutError, SendError, SendTimeoutError,
    SetError, TryAcquireError, TryRecvError, TrySendError,
};
#[cfg(feature = "rt")]
pub use error::{BuildError, Cause, ContextError, Elapsed, RecvContextError, SendContextError};
#[cfg(feature = "rt")]
pub use rt::{
    Builder, Runtime, RuntimeMetrics, WorkerMetrics, YieldNow, block_on, blocking, go, max_procs,
    metrics, num_tasks, run, set_max_procs, yield_now,
};
pub use select::{
    Sel2, Sel3, Sel4, Sel5, Sel6, Sel7, Sel8, Sel9, Sel10, Sel11, Sel12, SelectList, fut, select,
    try_select,
};
#[cfg(feature = "rt")]
pub use task::{JoinError, JoinHandle};
#[cfg(feature = "rt")]
pub use time::{after, sleep, sleep_until, tick, timeout};
pub use wait::{Arm, IdleOk};

/// The README's tour, run as a test.
#[cfg(all(doctest, feature = "rt"))]
#[doc = include_str!("../README.md")]
struct Readme;
