//! Profiles: where tasks are and where time goes, in pprof's format.
//!
//! | profile | says | costs while it is not taken |
//! |---|---|---|
//! | [`goroutine`] | what every task does at this moment | nothing |
//! | [`wall`] | where tasks spend their time, waiting included | nothing |
//! | `threadcreate` | what threads were started for | nothing |
//! | [`block`] | where tasks have waited for each other | nothing when [off](crate::diag::set_block_profile_rate) |
//! | [`mutex`] | whom they have waited for, who held locks for how long | nothing when [off](crate::diag::set_mutex_profile_fraction) |
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
//! A stack is leaf first: the place of the operation that waits, the regions (`diag::region!`) that the task is in, the task's
//! function at the place where the task was spawned, then the function of the task that spawned it, at the place where that one was spawned, and so on as far as those
//! tasks are still there. In Rust a place has no function's name, so the leaf is named by what it does and where:
//! `chan receive at src/main.rs:20`.
// `value` is the profile, `pprof` writes it. `goroutine` and `wall` look at the records of `hook`, as a dump does: `look` is one
// such look, `lineage` knows who spawned whom. `block` and `mutex` listen to events: `rates` switches them, `place` is what they sum up by,
// `table` where, `history` tells who a wait was due to, `living` what chain each task is the end of.

mod block;
mod goroutine;
mod history;
mod lineage;
mod living;
mod look;
mod mutex;
mod place;
#[cfg(feature = "diag")]
mod pprof;
pub(super) mod rates;
mod table;
#[cfg(feature = "rt")]
mod threads;
mod value;
mod wall;

pub use self::block::block;
pub use self::goroutine::goroutine;
pub(super) use self::living::{region_began, region_ended};
pub use self::mutex::mutex;
#[cfg(feature = "rt")]
pub use self::threads::threadcreate;
pub use self::value::{Frame, Label, LabelValue, Profile, Sample, ValueType};
pub use self::wall::wall;
