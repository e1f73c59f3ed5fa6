//! Locks, groups and the other things of Go's `sync`: what tasks and threads agree by when they do not pass values.
//!
//! | you want | look at |
//! |---|---|
//! | to have something to yourself | [`Mutex`] |
//! | many to read or one to write | [`RwMutex`] |
//! | to wait until it has changed | [`Cond`] |
//! | so many at a time | [`Semaphore`] |
//! | to wait until others are done | [`WaitGroup`] |
//! | to do parts of a job, until the first error | `ErrGroup` |
//! | to share work that many want at once | [`SingleFlight`] |
//! | to do something once | [`Once`], [`OnceCell`], [`OnceFunc`], [`OnceValue`] |
//! | to go on together | [`Barrier`] |
//!
//! Everything here serves tasks of this runtime, tasks of any other executor and plain threads at the same time. Every
//! wait is a future that can be dropped at any await, an arm of [`select!`](crate::select!), and has a form for threads.
//! Who holds what is waited for is in the [dump](crate::diag::dump).
//!
//! ```
//! use gochan::{go, sync::Mutex};
//! use std::sync::Arc;
//!
//! gochan::run(async {
//!     let total = Arc::new(Mutex::new(0));
//!     let adders: Vec<_> = (1..=4)
//!         .map(|n| {
//!             let total = total.clone();
//!             go(async move { *total.lock().await += n })
//!         })
//!         .collect();
//!     for adder in adders {
//!         adder.await.unwrap();
//!     }
//!     assert_eq!(*total.lock().await, 10);
//! });
//! ```

mod around;
pub mod barrier;
pub mod cond;
#[cfg(feature = "rt")]
pub mod errgroup;
pub(crate) mod histogram;
pub mod mutex;
mod named;
pub mod once;
pub mod once_cell;
pub mod once_value;
pub mod rwmutex;
pub mod semaphore;
pub mod singleflight;
mod unlock;
pub mod waitgroup;
mod wish;

pub use barrier::Barrier;
pub use cond::Cond;
#[cfg(feature = "rt")]
pub use errgroup::ErrGroup;
pub use histogram::Histogram;
pub use mutex::{MappedMutexGuard, Mutex, MutexGuard, OwnedMutexGuard};
pub use once::Once;
pub use once_cell::OnceCell;
pub use once_value::{OnceFunc, OnceValue};
pub use rwmutex::{RwMutex, RwMutexReadGuard, RwMutexWriteGuard};
pub use semaphore::{OwnedSemaphorePermit, Semaphore, SemaphorePermit};
pub use singleflight::SingleFlight;
pub use waitgroup::WaitGroup;
