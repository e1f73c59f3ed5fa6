//! Statistics of contention: for each object and for each place where objects are made, how many had to wait, for how long, how many
//! stood in the queue, and who held it for how long.
//!
//! ```
//! use gochan::{diag::stats, go, sync::Mutex, yield_now};
//! use std::sync::Arc;
//!
//! let recording = stats::record();
//! gochan::run(async {
//!     let ledger = Arc::new(Mutex::new(0).named("ledger"));
//!     let held = ledger.lock().await;
//!     let theirs = Arc::clone(&ledger);
//!     let waits = go(async move { *theirs.lock().await += 1 });
//!     while ledger.stats().waiters.is_empty() {
//!         yield_now().await;
//!     }
//!     drop(held);
//!     waits.await.unwrap();
//! });
//! drop(recording);
//! let stats = stats::snapshot();
//! let ledger = &stats.objects.iter().find(|object| object.kind == gochan::hook::Kind::Mutex).unwrap();
//! assert!(ledger.contention.waits >= 1);
//! println!("{stats}");
//! ```
// `contention` is what is counted, `table` who has it, `recorder` listens, `snapshot` is the value, `text` prints it.

mod contention;
mod recorder;
mod snapshot;
mod table;
mod text;

pub use self::contention::{Contention, Holds};
pub use self::recorder::{Recording, record};
pub use self::snapshot::{By, ClassStats, ObjectStats, Stats, snapshot};
