//! Go-style channels, `select!`, tasks and timers for Rust, on a small work-stealing executor that can always say who
//! waits, for what, since when and where.
#![deny(unsafe_code)]

pub mod chan;
mod clock;
pub mod diag;
mod error;
pub mod hook;
#[cfg(feature = "rt")]
mod rt;
pub mod select;
mod shim;
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
pub use error::BuildError;
#[cfg(feature = "rt")]
pub use error::Elapsed;
pub use error::{
    RecvError, RecvTimeoutError, SendError, SendTimeoutError, TryRecvError, TrySendError,
};
#[cfg(feature = "rt")]
pub use rt::{
    Builder, Runtime, YieldNow, block_on, blocking, go, max_procs, num_tasks, run, yield_now,
};
pub use select::{
    Sel2, Sel3, Sel4, Sel5, Sel6, Sel7, Sel8, Sel9, Sel10, Sel11, Sel12, SelectList, fut, select,
    try_select,
};
#[cfg(feature = "rt")]
pub use task::{JoinError, JoinHandle};
#[cfg(feature = "rt")]
pub use time::{after, sleep, sleep_until, tick, timeout};
pub use wait::Arm;

/// The README's tour, run as a test.
#[cfg(all(doctest, feature = "rt"))]
#[doc = include_str!("../README.md")]
struct Readme;
