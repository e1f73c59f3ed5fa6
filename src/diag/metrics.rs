//! Every number as OpenMetrics, for Prometheus and whatever reads its format.
//!
//! ```
//! let text = gochan::diag::metrics::text();
//! assert!(text.contains("# TYPE gochan_oldest_runnable_seconds gauge"));
//! assert!(text.ends_with("# EOF\n"));
//! ```
//!
//! What is named after tasks, reasons and places is labelled with them, never with single tasks or objects: the number of
//! lines does not grow with the load. Numbers of the runtime are those of the one that the caller runs in, else of the
//! default one.
//!
//! | here | Go's `runtime/metrics` |
//! |---|---|
//! | `gochan_tasks` | `/sched/goroutines:goroutines`; by state `/sched/goroutines/{running,runnable,waiting}:goroutines` |
//! | `gochan_oldest_wait_seconds` | - |
//! | `gochan_scheduling_latency_seconds` | `/sched/latencies:seconds` |
//! | `gochan_first_run_seconds`, `gochan_lock_wake_seconds`, `gochan_poll_seconds` | - |
//! | `gochan_long_polls` | - |
//! | `gochan_workers` | `/sched/gomaxprocs:threads` |
//! | `gochan_threads` | `/sched/threads/total:threads` |
//! | `gochan_worker_*`, `gochan_timers`, `gochan_timer_lateness_seconds`, `gochan_global_queue_tasks` | - |
//!
//! Histograms of latency have something in them only while latencies are [recorded](super::latency::record).
// `encode` is how a number is written; here is which numbers there are.

use std::collections::BTreeMap;
use std::fmt;
use std::panic::Location;
use std::time::Duration;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, text::encode};
use prometheus_client::registry::Registry;

use self::encode::Numbers;
use super::latency;
use super::look::is_idle;
use crate::clock;
use crate::hook::record::State;
use crate::hook::registry;
#[cfg(feature = "rt")]
use crate::rt::{RuntimeMetrics, WorkerMetrics};

mod encode;

type Site = Option<&'static Location<'static>>;

/// All numbers in OpenMetrics' text format.
pub fn text() -> String {
    let mut registry = Registry::default();
    registry.register_collector(Box::new(All));
    let mut text = String::new();
    // Only a writer can fail, and a string does not.
    let _ = encode(&mut text, &registry);
    text
}

/// All numbers, for a [`Registry`] that has others as well.
///
/// ```
/// let mut registry = prometheus_client::registry::Registry::default();
/// registry.register_collector(Box::new(gochan::diag::metrics::All));
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct All;

impl Collector for All {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let mut numbers = Numbers(encoder);
        tasks(&mut numbers)?;
        latencies(&mut numbers)?;
        #[cfg(feature = "rt")]
        if let Some(runtime) = crate::rt::metrics() {
            self::runtime(&mut numbers, &runtime)?;
            workers(&mut numbers, &runtime.workers)?;
        }
        Ok(())
    }
}

fn tasks(numbers: &mut Numbers<'_>) -> fmt::Result {
    let mut counts: BTreeMap<(&str, &str), u64> = BTreeMap::new();
    let mut oldest: BTreeMap<&str, u64> = BTreeMap::new();
    let mut runnable = 0;
    let now = clock::ticks();
    registry::for_each(|record| {
        let Some(seen) = record.snapshot() else {
            return;
        };
        let age = |since: u64| clock::ticks_to_ns(now.saturating_sub(since));
        let reason = seen.wait.as_ref().map_or("", |wait| wait.reason.as_str());
        let state = match seen.state {
            State::Free | State::Idle => return,
            State::Runnable => "runnable",
            State::Running => "running",
            State::Waiting => "waiting",
        };
        *counts.entry((state, reason)).or_default() += 1;
        runnable = seen.runnable_since.map_or(0, age).max(runnable);
        if let Some(wait) = seen.wait.filter(|wait| !is_idle(wait)) {
            let oldest = oldest.entry(reason).or_default();
            *oldest = age(wait.since).max(*oldest);
        }
    });
    let counts = counts.iter().map(|((state, reason), count)| {
        let labels = vec![("state", *state), ("reason", *reason)];
        (labels, *count as f64)
    });
    let help = "Tasks, and threads inside a blocking wait";
    numbers.gauges("gochan_tasks", help, counts)?;
    let oldest = oldest
        .iter()
        .map(|(reason, ns)| (vec![("reason", *reason)], seconds(*ns)));
    let help = "The longest wait right now, without those marked as idle";
    numbers.gauges("gochan_oldest_wait_seconds", help, oldest)?;
    let help = "For how long the task has waited for a worker that has waited longest for one";
    numbers.gauge("gochan_oldest_runnable_seconds", help, seconds(runnable))
}

fn latencies(numbers: &mut Numbers<'_>) -> fmt::Result {
    let all = latency::latencies();
    let help = "From runnable to running; those who still wait are counted in";
    numbers.histogram("gochan_scheduling_latency_seconds", help, &all.scheduling)?;
    let help = "From spawned to running";
    numbers.histogram("gochan_first_run_seconds", help, &all.first_run)?;
    let help = "From the end of a wait for a lock to running";
    numbers.histogram("gochan_lock_wake_seconds", help, &all.lock_wake)?;
    numbers.histogram("gochan_poll_seconds", "The length of polls", &all.poll)?;
    let polls = latency::long_polls();
    let polls = polls.iter().map(|(site, count)| (at(*site), *count));
    let polls: Vec<_> = polls.collect();
    let help = "Polls of more than 10 ms, by the place of the spawn";
    let polls = polls
        .iter()
        .map(|(site, count)| (vec![("spawned", site.as_str())], *count as f64));
    numbers.counters("gochan_long_polls", help, polls)
}

#[cfg(feature = "rt")]
fn runtime(numbers: &mut Numbers<'_>, runtime: &RuntimeMetrics) -> fmt::Result {
    let all = runtime.workers.len();
    let busy = all.saturating_sub(runtime.idle_workers + runtime.searching_workers);
    let workers = [
        ("busy", busy),
        ("searching", runtime.searching_workers),
        ("idle", runtime.idle_workers),
    ];
    let workers = workers.map(|(state, count)| (vec![("state", state)], count as f64));
    numbers.gauges("gochan_workers", "Workers, by what they do", workers)?;
    let spare = runtime.spare_threads;
    let threads = [
        ("spare", spare),
        ("used", runtime.threads.saturating_sub(spare)),
    ];
    let threads = threads.map(|(state, count)| (vec![("state", state)], count as f64));
    let help = "Threads: of workers, in blocking calls and long polls, and spare ones";
    numbers.gauges("gochan_threads", help, threads)?;
    let created = runtime.threads_created.iter();
    let created: Vec<_> = created.map(|(site, count)| (at(*site), *count)).collect();
    let created = created
        .iter()
        .map(|(site, count)| (vec![("site", site.as_str())], *count as f64));
    let help = "Threads that were started, by the place that needed one";
    numbers.counters("gochan_threads_created", help, created)?;
    let queue = runtime.global_queue as f64;
    numbers.gauge(
        "gochan_global_queue_tasks",
        "Tasks in the global queue",
        queue,
    )?;
    let timers = runtime.timers as f64;
    numbers.gauge("gochan_timers", "Timers that are pending", timers)?;
    let help = "How late timers fired";
    let late = latency::Latency::of(runtime.timer_lateness.clone());
    numbers.histogram("gochan_timer_lateness_seconds", help, &late)
}

/// A number of a worker: its name, what it is, and how to get at it.
#[cfg(feature = "rt")]
type OfWorker = (&'static str, &'static str, fn(&WorkerMetrics) -> f64);

#[cfg(feature = "rt")]
const COUNTERS: [OfWorker; 8] = [
    ("gochan_worker_polls", "Polls", |w| w.polls as f64),
    ("gochan_worker_next_hits", "Polls of runnext", |w| {
        w.next_hits as f64
    }),
    ("gochan_worker_yields", "Polls that gave way", |w| {
        w.yields as f64
    }),
    ("gochan_worker_steals", "Steals", |w| w.steals as f64),
    (
        "gochan_worker_steal_misses",
        "Searches that found nothing",
        |w| w.steal_misses as f64,
    ),
    (
        "gochan_worker_overflows",
        "Times that the queue was full",
        |w| w.overflows as f64,
    ),
    ("gochan_worker_parks", "Times that it went to sleep", |w| {
        w.parks as f64
    }),
    ("gochan_worker_busy_seconds", "Time awake", |w| {
        w.busy.as_secs_f64()
    }),
];

#[cfg(feature = "rt")]
fn workers(numbers: &mut Numbers<'_>, workers: &[WorkerMetrics]) -> fmt::Result {
    let names: Vec<_> = (0..workers.len()).map(|n| n.to_string()).collect();
    let each = |get: fn(&WorkerMetrics) -> f64| {
        let workers = names.iter().zip(workers);
        workers.map(move |(name, worker)| (vec![("worker", name.as_str())], get(worker)))
    };
    for (name, help, get) in COUNTERS {
        numbers.counters(name, help, each(get))?;
    }
    let queue = |worker: &WorkerMetrics| (worker.queue + usize::from(worker.has_next)) as f64;
    let help = "Tasks in the queue, runnext among them";
    numbers.gauges("gochan_worker_queue_tasks", help, each(queue))
}

fn at(site: Site) -> String {
    site.map_or(String::new(), |site| {
        format!("{}:{}", site.file(), site.line())
    })
}

fn seconds(ns: u64) -> f64 {
    Duration::from_nanos(ns).as_secs_f64()
}

#[cfg(all(test, not(gochan_loom)))]
mod tests;
