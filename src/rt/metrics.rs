//! A runtime in numbers, as a value.
//!
//! What it is not: one moment. The workers are not stopped for it; what a busy one shows is some polls old.

use std::panic::Location;
use std::time::Duration;

use super::counters::Tally;
use super::shared::Shared;
use super::slots::Slot;
use super::{Runtime, context, spawn};
use crate::sync::Histogram;

/// What a runtime has done and has to do: see [`Runtime::metrics`].
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct RuntimeMetrics {
    /// The workers: as many as there [are to be](Runtime::set_max_procs).
    pub workers: Vec<WorkerMetrics>,
    /// Workers that sleep.
    pub idle_workers: usize,
    /// Workers that have no task and look for one.
    pub searching_workers: usize,
    /// Threads: of workers, in blocking calls and long polls, and spare ones.
    pub threads: usize,
    /// Of these, the spare ones.
    pub spare_threads: usize,
    /// How many threads it may have.
    pub max_threads: usize,
    /// Tasks that are not done.
    pub tasks: usize,
    /// Tasks in the global queue.
    pub global_queue: usize,
    /// Timers that are pending.
    pub timers: usize,
    /// How late timers fired: from the moment that they were set to, to the moment that a worker looked.
    pub timer_lateness: Histogram,
    /// Why threads were started, as Go's profile `threadcreate`: the place of the blocking call, of the spawn of a task that
    /// would not end its poll, or `None` for the runtime itself; and how many there.
    pub threads_created: Vec<(Option<&'static Location<'static>>, u64)>,
}

/// What one worker has done and has to do: its slot, that is, whichever thread had it.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct WorkerMetrics {
    /// Polls begun.
    pub polls: u64,
    /// Of these, of a task that the one before had just woken or spawned: Go's `runnext`, tokio's LIFO slot.
    pub next_hits: u64,
    /// Polls that gave way to others: by `yield_now`, or with their budget used up.
    pub yields: u64,
    /// Times that it took tasks from another worker.
    pub steals: u64,
    /// Searches that found nothing anywhere.
    pub steal_misses: u64,
    /// Times that its queue was full and half of it went to the global queue.
    pub overflows: u64,
    /// Times that it went to sleep.
    pub parks: u64,
    /// Time awake.
    pub busy: Duration,
    /// Tasks in its queue, without the one that is to run next.
    pub queue: usize,
    /// Whether there is one that is to run next.
    pub has_next: bool,
}

impl WorkerMetrics {
    fn new(tally: &Tally, queue: usize, has_next: bool) -> WorkerMetrics {
        WorkerMetrics {
            polls: tally.polls,
            next_hits: tally.next_hits,
            yields: tally.yields,
            steals: tally.steals,
            steal_misses: tally.steal_misses,
            overflows: tally.overflows,
            parks: tally.parks,
            busy: Duration::from_nanos(tally.busy_ns()),
            queue,
            has_next,
        }
    }
}

pub(super) fn of(shared: &Shared) -> RuntimeMetrics {
    let worker = |slot: usize| {
        let Slot { queue, counters } = shared.slots.at(slot);
        WorkerMetrics::new(&counters.read(), queue.len(), queue.has_next())
    };
    let (awake, searching) = shared.idle.awake_and_searching();
    let threads = shared.threads.count();
    let workers: Vec<_> = (0..shared.workers()).map(worker).collect();
    RuntimeMetrics {
        idle_workers: workers.len().saturating_sub(awake),
        workers,
        searching_workers: searching,
        threads: threads.live,
        spare_threads: threads.spare,
        max_threads: threads.limit,
        tasks: shared.num_tasks(),
        global_queue: shared.inject.len(),
        timers: shared.driver.pending(),
        timer_lateness: shared.driver.lateness(),
        threads_created: threads.created,
    }
}

impl Runtime {
    /// The runtime in numbers: what its workers do, how long their queues are, how late its timers.
    ///
    /// Nobody is stopped for it. A busy worker shows its counts after 61 polls at most, and before it sleeps.
    ///
    /// ```
    /// let rt = gochan::Runtime::builder().workers(1).build()?;
    /// rt.block_on(gochan::sleep(std::time::Duration::from_millis(1)));
    /// let metrics = rt.metrics();
    /// assert_eq!(metrics.workers.len(), 1);
    /// assert_eq!(metrics.timer_lateness.count(), 1);
    /// # Ok::<(), gochan::BuildError>(())
    /// ```
    pub fn metrics(&self) -> RuntimeMetrics {
        of(self.shared())
    }
}

/// [`Runtime::metrics`] of this thread's runtime: the one whose task or `block_on` runs here, else the default one, if it has
/// been started.
///
/// ```
/// gochan::run(async {
///     let metrics = gochan::metrics().expect("we are in a runtime");
///     assert!(metrics.tasks >= 1);
/// });
/// ```
pub fn metrics() -> Option<RuntimeMetrics> {
    match context::shared() {
        Some(shared) => Some(of(&shared)),
        None => spawn::default_if_started().map(|shared| of(shared)),
    }
}
