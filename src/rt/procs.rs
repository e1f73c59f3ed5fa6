//! How many workers there are, and how they become more or fewer while the runtime runs: Go's `GOMAXPROCS` (`procresize` in
//! `src/runtime/proc.go`).
//!
//! What it is not: a stop of the world. Go stops all goroutines for it; here everybody goes on:
//!
//! ```text
//! more     a slot that was laid down, or a new one, goes to a spare thread or to a new one
//! fewer    slots from the new number on are too many. Their workers notice before they sleep, when they look at timers (after 61
//!          polls at most), or when another thread takes them over; then the slot's tasks go to the global queue, the slot to the
//!          shelf and the thread to the spares ([`Threads::lay_down`]). Sleeping ones are woken for it.
//! ```
//! 1. One thread at a time changes the number.
//! 2. Whether a slot is too many is decided under the lock of [`threads`](super::threads): one that is wanted again before its worker
//!    noticed stays where it is.
//! 3. Timers and sockets are the runtime's, not a slot's: there is nothing to be moved but the role of the keeper.
//! 4. A queue that had no thieves is [shared](super::queue::Queue::share) before a second worker is there.

use std::io;

use super::builder::check;
use super::shared::Shared;
use super::threads::Threads;
use super::{Runtime, context, spawn};
use crate::error::BuildError;
use crate::shim::{Arc, try_heavy_barrier};

impl Runtime {
    /// Sets how many tasks run at the same time, and returns how many it were: Go's `GOMAXPROCS(n)`.
    ///
    /// Nobody is stopped for it, and no task is lost or waits longer: those of workers that are too many go on with the others.
    /// Such a worker ends after a poll that is running, at the latest after 61 short ones. Threads that are no longer needed end
    /// after ten seconds. Follows `procresize` in Go's `src/runtime/proc.go`.
    ///
    /// # Errors
    ///
    /// [`BuildError`] if the number is not one of workers: 0, where Go only tells the number that it is
    /// ([`workers`](Self::workers) does), or more than 32,767; nothing has changed then. If the system, or a runtime that is
    /// shutting down, has no thread for another worker, there are as many as it had threads for.
    ///
    /// # Examples
    ///
    /// ```
    /// use gochan::Runtime;
    ///
    /// let rt = Runtime::builder().workers(1).build()?;
    /// assert_eq!(rt.set_max_procs(4)?, 1);
    /// assert_eq!(rt.workers(), 4);
    /// assert_eq!(rt.set_max_procs(2)?, 4);
    /// assert!(rt.set_max_procs(0).is_err());
    /// assert_eq!(rt.workers(), 2);
    /// # Ok::<(), gochan::BuildError>(())
    /// ```
    pub fn set_max_procs(&self, workers: usize) -> Result<usize, BuildError> {
        set(self.shared(), workers)
    }
}

/// [`Runtime::set_max_procs`] of this thread's runtime: the one whose task or `block_on` runs here, else the default one, which
/// this starts if need be.
///
/// # Errors
///
/// As [`Runtime::set_max_procs`].
///
/// # Panics
///
/// Outside of any runtime, if the default runtime cannot be started.
///
/// ```
/// gochan::run(async {
///     let before = gochan::set_max_procs(3)?;
///     assert_eq!(gochan::max_procs(), 3);
///     assert_eq!(gochan::set_max_procs(before)?, 3);
///     Ok::<(), gochan::BuildError>(())
/// })?;
/// # Ok::<(), gochan::BuildError>(())
/// ```
pub fn set_max_procs(workers: usize) -> Result<usize, BuildError> {
    match context::shared() {
        Some(shared) => set(&shared, workers),
        None => set(spawn::default(), workers),
    }
}

/// The number of workers of this thread's runtime: how many tasks run at the same time. As Go's `GOMAXPROCS(0)`.
///
/// # Panics
///
/// Outside of any runtime, if the environment variable `GOCHAN_MAXPROCS` is no number of workers.
///
/// ```
/// let rt = gochan::Runtime::builder().workers(3).build()?;
/// assert_eq!(rt.block_on(async { gochan::max_procs() }), 3);
/// # Ok::<(), gochan::BuildError>(())
/// ```
pub fn max_procs() -> usize {
    match context::shared() {
        Some(shared) => shared.workers(),
        None => match spawn::default_if_started() {
            Some(shared) => shared.workers(),
            None => super::builder::default_workers().unwrap_or_else(|error| panic!("{error}")),
        },
    }
}

fn set(shared: &Arc<Shared>, workers: usize) -> Result<usize, BuildError> {
    let workers = check(workers)?;
    let _alone = shared.resizing.lock();
    let before = shared.workers();
    if workers < before {
        shared.threads.shrink(&shared.slots, workers);
        // Who falls asleep after this has seen the new number, through the sleepers' lock.
        shared.idle.oust(workers);
    }
    for _ in before..workers {
        grow(shared)?;
    }
    Ok(before)
}

/// One worker more.
fn grow(shared: &Arc<Shared>) -> Result<(), BuildError> {
    let first = &shared.slots.at(0).queue;
    if first.is_alone() {
        if !try_heavy_barrier() {
            let error = io::Error::other("the system no longer runs a barrier on all threads");
            return Err(BuildError::Thread(error));
        }
        first.share();
        shared.threads.outlast_borrows();
    }
    let grown = shared.threads.grow(&shared.slots, &shared.idle);
    let Some(core) = grown.map_err(BuildError::Thread)? else {
        return Ok(());
    };
    Threads::give(shared, core, None).map_err(|refused| {
        shared.threads.shrink(&shared.slots, shared.workers() - 1);
        // It comes back only if somebody wants it, and nobody else may change the number now.
        drop(shared.threads.lay_down(shared, refused.core));
        BuildError::Thread(refused.error)
    })
}
