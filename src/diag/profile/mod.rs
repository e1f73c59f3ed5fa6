//! Profiles: where tasks are and where time goes, in pprof's format.
//!
//! | profile | says | costs while it is not taken |
//! |---|---|---|
//! | [`goroutine`] | what every task does at this moment | nothing |
//! | [`wall`] | where tasks spend their time, waiting included | nothing |
//!
//! A [`Profile`] is a value: sum it up, or with the feature `diag` write it for `go tool pprof` and all who read its format.
//!
//! ```
//! use gochan::{chan, diag::profile, go};
//!
//! gochan::run(async {
//!     let (_tx, rx) = chan::<u64>(0);
//!     let waiter = go(async move { rx.recv().await });
//!     while profile::goroutine().total_of("goroutine", |sample| sample.has("wait_reason", "chan receive")) == 0 {
//!         gochan::yield_now().await;
//!     }
//!     waiter.abort();
//! });
//! ```
//!
//! A stack is leaf first: the place of the operation that waits, the [regions](crate::diag::region) that the task is in, the task's
//! function at the place where the task was spawned, then the function of the task that spawned it, at the place where that one was spawned, and so on as far as those
//! tasks are still there. In Rust a place has no function's name, so the leaf is named by what it does and where:
//! `chan receive at src/main.rs:20`.
// What it is not: a recorder. What is here looks at the records of `hook`, as a dump does. `value` is the profile, `pprof`
// writes it, `lineage` knows who spawned whom, `look` is one look at all records, and each profile has its file.

mod goroutine;
mod lineage;
mod look;
#[cfg(feature = "diag")]
mod pprof;
mod value;
mod wall;

pub use self::goroutine::goroutine;
pub use self::value::{Frame, Label, LabelValue, Profile, Sample, ValueType};
pub use self::wall::wall;
