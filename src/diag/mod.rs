//! Diagnosis: what every task is doing right now.
//!
//! [`dump`] answers who waits, for what, since when, where in the source, and who woke it last. The answer is a value,
//! [`Dump`], that prints as text and, with the feature `diag`, as JSON. [`profile`] sums up, for `go tool pprof`.
//!
//! ```
//! use gochan::{chan, diag, go};
//!
//! gochan::run(async {
//!     let (tx, rx) = chan::<u64>(0);
//!     let rx = rx.named("orders");
//!     let stuck = go(async move { rx.recv().await });
//!
//!     // Another worker may be about to run it: look until it waits.
//!     let wait = loop {
//!         let dump = diag::dump();
//!         if let Some(wait) = &dump.task(stuck.id()).unwrap().wait {
//!             break wait.clone();
//!         }
//!         gochan::yield_now().await;
//!     };
//!     assert_eq!(wait.reason.as_str(), "chan receive");
//!     assert_eq!(wait.object.as_ref().unwrap().name.as_deref(), Some("orders"));
//!     println!("{}", diag::dump());
//!
//!     tx.send(1).await.unwrap();
//!     assert_eq!(stuck.await.unwrap(), Ok(1));
//! });
//! ```
// What it is not: a recorder. The recording goes on all the time, in the records of `hook`; here they are only read.
// `dump` reads, `text` and `json` print, `profile` sums up; `region` is what tasks say of themselves.
// `latency` is a recorder: how long tasks wait for a worker and keep it.

mod dump;
#[cfg(feature = "diag")]
mod json;
pub mod latency;
pub mod profile;
mod region;
mod text;

pub use self::dump::{
    Again, Arm, Dump, Holder, Object, RegionInfo, TaskInfo, TaskState, Wait, dump,
};
#[doc(hidden)]
pub use self::region::RegionName;
pub use self::region::{Region, label, region};
