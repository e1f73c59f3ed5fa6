//! Latencies: how long tasks wait for a worker, and how long they keep it.
//!
//! What it is not: a part of the scheduler. It listens at the waist, and while nobody [records](record) it is not there.
//!
//! 1. Each thread counts in cells of its own: a store for each number, no lock, nothing shared. They are never freed; those of
//!    a thread that has ended are the next one's, counts and all.
//! 2. What is read is the sum over all threads since the program began. Only differences of two readings belong to a time.
//! 3. Tasks that are runnable at the moment of a reading are counted in it as if they ran now: else a program in which
//!    nobody runs any more would look perfect.

use std::cell::Cell;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use ::parking_lot::Mutex;

use crate::clock;
use crate::hook::sink::{self, Begun, Place, Sink};
use crate::hook::{LONG_POLL, POLL_END, POLL_START};
use crate::hook::{LongPoll, ObjId, WaitClass, registry};
use crate::sync::Histogram;
use crate::sync::histogram::Cells;

mod heat;
mod sites;

pub use self::heat::{Second, seconds};
pub use self::sites::long_polls;

/// How long something took, of all the times that it happened.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Latency {
    /// How often it took how long.
    pub times: Histogram,
    /// All times together.
    pub total: Duration,
    /// The longest one.
    pub max: Duration,
}

/// What the scheduler's latencies were, from [`latencies`].
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Latencies {
    /// From runnable to running, of all tasks. Go: `/sched/latencies:seconds`.
    pub scheduling: Latency,
    /// From spawned to running for the first time; these are in `scheduling` too.
    pub first_run: Latency,
    /// From the end of a wait for a lock, a group or a semaphore to running; these are in `scheduling` too.
    pub lock_wake: Latency,
    /// From the beginning of a poll to its end.
    pub poll: Latency,
    /// Tasks that were runnable at the moment of the reading. They are counted in `scheduling` with the time so far.
    pub waiting: usize,
}

/// Records latencies until the [`Recording`] is dropped. There may be several recordings; they share what they see.
///
/// It costs two readings of the clock and some stores a poll, 20 to 40 ns.
///
/// ```
/// use gochan::{diag::latency, go};
///
/// let rt = gochan::Runtime::builder().workers(1).build()?;
/// let recording = latency::record();
/// let before = latency::latencies();
/// rt.block_on(async { go(async {}).await }).unwrap();
/// let after = latency::latencies();
/// assert!(after.first_run.times.count() > before.first_run.times.count());
/// assert!(after.poll.max >= before.poll.max);
/// drop(recording);
/// # Ok::<(), gochan::BuildError>(())
/// ```
#[must_use = "dropping the recording ends it"]
pub fn record() -> Recording {
    let mut recorders = RECORDERS.lock();
    *recorders += 1;
    if *recorders == 1 {
        sink::attach(Place::Latency, &Recorder, POLL_START | POLL_END | LONG_POLL);
        heat::begin();
    }
    Recording(())
}

/// Latencies are recorded as long as this lives. See [`record`].
#[derive(Debug)]
#[must_use = "dropping the recording ends it"]
pub struct Recording(());

impl Drop for Recording {
    fn drop(&mut self) {
        let mut recorders = RECORDERS.lock();
        *recorders -= 1;
        if *recorders == 0 {
            sink::attach(Place::Latency, &Recorder, 0);
            heat::end();
        }
    }
}

/// What was recorded since the program began, and what is still going on.
///
/// Nobody is stopped for it. See [`record`] for an example.
pub fn latencies() -> Latencies {
    let (mut all, waiting) = read();
    all.waiting = waiting.times.count() as usize;
    all.scheduling.add(&waiting);
    all
}

/// What was recorded, and apart from it those who wait right now.
fn read() -> (Latencies, Latency) {
    let mut all = Latencies::default();
    for own in OWNS.lock().all.iter() {
        let pairs = [
            (&mut all.scheduling, &own.scheduling),
            (&mut all.first_run, &own.first_run),
            (&mut all.lock_wake, &own.lock_wake),
            (&mut all.poll, &own.poll),
        ];
        pairs.into_iter().for_each(|(sum, own)| sum.add_own(own));
    }
    (all, waiting())
}

/// Those that are runnable right now, with their time so far.
fn waiting() -> Latency {
    let mut waiting = Latency::default();
    let now = clock::ticks();
    registry::for_each(|record| {
        let since = record.snapshot().and_then(|seen| seen.runnable_since);
        if let Some(since) = since {
            waiting.count_one(clock::ticks_to_ns(now.saturating_sub(since)));
        }
    });
    waiting
}

impl Latency {
    /// Of times that were counted elsewhere: their sum and their longest as well as the buckets tell.
    #[cfg(feature = "diag")]
    pub(super) fn of(times: Histogram) -> Latency {
        let each = times.buckets();
        let total = each.map(|(times, count)| times.start.as_secs_f64() * count as f64);
        let total = Duration::try_from_secs_f64(total.sum()).unwrap_or(Duration::MAX);
        let max = times.quantile(1.0);
        Latency { times, total, max }
    }

    fn count_one(&mut self, ns: u64) {
        self.times.count_one(ns);
        self.total += Duration::from_nanos(ns);
        self.max = self.max.max(Duration::from_nanos(ns));
    }

    fn add(&mut self, other: &Latency) {
        self.times.merge(&other.times);
        self.total += other.total;
        self.max = self.max.max(other.max);
    }

    fn add_own(&mut self, own: &Times) {
        self.times.add(&own.cells);
        self.total += Duration::from_nanos(own.total_ns.load(Relaxed));
        self.max = self.max.max(Duration::from_nanos(own.max_ns.load(Relaxed)));
    }
}

// === recording ===

/// What one thread has seen of one kind.
struct Times {
    cells: Cells,
    total_ns: AtomicU64,
    max_ns: AtomicU64,
}

/// What one thread has seen.
struct Own {
    scheduling: Times,
    first_run: Times,
    lock_wake: Times,
    poll: Times,
}

struct Owns {
    all: Vec<&'static Own>,
    free: Vec<&'static Own>,
}

static RECORDERS: Mutex<usize> = Mutex::new(0);
static OWNS: Mutex<Owns> = Mutex::new(Owns {
    all: Vec::new(),
    free: Vec::new(),
});

thread_local! {
    static OWN: Lent = Lent(Owns::lend());
    /// When the poll that runs here began, in ticks; 0: not known.
    static BEGAN: Cell<u64> = const { Cell::new(0) };
}

/// This thread's, until it ends.
struct Lent(&'static Own);

impl Drop for Lent {
    fn drop(&mut self) {
        OWNS.lock().free.push(self.0);
    }
}

impl Owns {
    fn lend() -> &'static Own {
        let mut owns = OWNS.lock();
        owns.free.pop().unwrap_or_else(|| {
            let own: &'static Own = Box::leak(Box::new(Own::new()));
            owns.all.push(own);
            own
        })
    }
}

impl Own {
    const fn new() -> Own {
        Own {
            scheduling: Times::new(),
            first_run: Times::new(),
            lock_wake: Times::new(),
            poll: Times::new(),
        }
    }
}

impl Times {
    const fn new() -> Times {
        Times {
            cells: Cells::new(),
            total_ns: AtomicU64::new(0),
            max_ns: AtomicU64::new(0),
        }
    }

    #[inline]
    fn count_one(&self, ns: u64) {
        self.cells.count_one(ns);
        // ORDERING: Relaxed, as in `Cells`: one writer.
        let total = self.total_ns.load(Relaxed).wrapping_add(ns);
        self.total_ns.store(total, Relaxed);
        if ns > self.max_ns.load(Relaxed) {
            self.max_ns.store(ns, Relaxed);
        }
    }
}

struct Recorder;

impl Sink for Recorder {
    fn poll_start(&self, event: &Begun, now: u64) {
        BEGAN.set(now);
        let Some(made) = event.ready else { return };
        let ns = clock::ticks_to_ns_roughly(now.saturating_sub(made.at));
        // Fails at the thread's end: nobody is polled there any more.
        let _ = OWN.try_with(|Lent(own)| {
            own.scheduling.count_one(ns);
            match made.after {
                Some(reason) if reason.class() == WaitClass::Sync => own.lock_wake.count_one(ns),
                None if event.record.polls() == 1 => own.first_run.count_one(ns),
                _ => {}
            }
        });
    }

    fn poll_end(&self, _: ObjId, _: bool, now: u64) {
        let began = BEGAN.take();
        if began == 0 {
            return;
        }
        let ns = clock::ticks_to_ns_roughly(now.saturating_sub(began));
        let _ = OWN.try_with(|Lent(own)| own.poll.count_one(ns));
    }

    fn long_poll(&self, event: &LongPoll, _: u64) {
        sites::count(event);
    }
}

#[cfg(all(test, not(gochan_loom)))]
mod tests;
