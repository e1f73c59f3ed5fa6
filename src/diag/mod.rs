//! Diagnosis: what every task is doing right now.
//!
//! [`dump`] answers who waits, for what, since when, where in the source, and who woke it last; and before all that, what is
//! known to stand in the way. The answer is a value, [`Dump`], that prints as text and, with the feature `diag`, as JSON.
//! [`profile`] sums up, for `go tool pprof`; [`stats`] counts who gets in whose way.
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
// `dump` and `object` are the value, `look` takes it, `group` and `verdict` say what follows, `text`, `json`, `go_text` and
// `dot` print, `quit` on a signal; `profile` sums up; `region` is what tasks say of themselves.
// `latency` is a recorder: how long tasks wait for a worker and keep it; `trace` is one of all that happens.
// `watch` compares numbers with limits.
// `stats` is one more: who has to wait for what, and how long.

mod dot;
mod dump;
mod go_text;
mod group;
mod ids;
#[cfg(feature = "diag")]
mod json;
pub mod latency;
mod look;
#[cfg(feature = "diag")]
pub mod metrics;
mod object;
pub mod profile;
#[cfg(all(feature = "diag", unix))]
mod quit;
mod region;
#[cfg(feature = "tracing")]
mod spans;
pub mod stats;
mod text;
pub mod trace;
mod verdict;
pub mod watch;
mod words;

pub use self::dump::{Again, Arm, Dump, RegionInfo, TaskInfo, TaskState, Wait};
pub use self::group::Group;
pub use self::look::{dump, idle_ok};
pub use self::object::{Buffer, Holder, Object, Queued};
pub use self::profile::rates::{set_block_profile_rate, set_mutex_profile_fraction};
#[cfg(all(feature = "diag", unix))]
pub use self::quit::install_signal_dump;
#[doc(hidden)]
pub use self::region::RegionName;
#[doc(inline)]
pub use self::region::region;
pub use self::region::{Region, label};
#[cfg(feature = "tracing")]
#[cfg_attr(docsrs, doc(cfg(feature = "tracing")))]
pub use self::spans::Spans;
pub use self::trace::{counter, log};
pub use self::verdict::{Verdict, VerdictKind};
