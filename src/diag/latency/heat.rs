//! The last ten minutes, second by second: how often a task waited for a worker for how long.
//!
//! What it is not: on anybody's way. A thread of its own wakes once a second and writes down what has come to the sums.
//!
//! 1. There is a column for each second in which the thread was awake in time; of several that it slept through there is one.
//! 2. `STOP` is the word by which the thread ends; it ends by itself, nobody waits for it.

use std::collections::VecDeque;
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread;
use std::time::{Duration, SystemTime};

use ::parking_lot::Mutex;

use crate::sync::Histogram;

/// Columns that are kept: ten minutes.
const COLUMNS: usize = 600;
/// 1 ns to 18 minutes.
const OCTAVES: usize = 41;

/// What happened in one second. See [`seconds`].
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Second {
    /// Its end.
    pub end: SystemTime,
    /// How often a task began to run after it had been runnable for 2^n ns and more, but less than 2^(n+1). Those that were
    /// still waiting at the second's end are counted in, in each second in which they wait.
    pub scheduling: [u64; OCTAVES],
    /// The same of the length of polls.
    pub poll: [u64; OCTAVES],
}

static SECONDS: Mutex<VecDeque<Second>> = Mutex::new(VecDeque::new());
static STOP: Mutex<Option<Sender<()>>> = Mutex::new(None);

/// The last seconds, at most 600, oldest first: a heat map's columns. There are some while latencies are
/// [recorded](super::record).
///
/// ```
/// use gochan::diag::latency;
///
/// for second in latency::seconds() {
///     println!("{:?}: {:?}", second.end, second.scheduling);
/// }
/// ```
pub fn seconds() -> Vec<Second> {
    SECONDS.lock().iter().cloned().collect()
}

/// From now on a column is written each second, if a thread can be had for it.
pub(super) fn begin() {
    let (stop, stopped) = mpsc::channel();
    let run = move || {
        let mut before = Sums::now();
        while stopped.recv_timeout(Duration::from_secs(1)) == Err(RecvTimeoutError::Timeout) {
            let now = Sums::now();
            keep(now.since(&before));
            before = now;
        }
    };
    let thread = thread::Builder::new().name("gochan-latency".into());
    // Without it there is no heat map; all else goes on.
    *STOP.lock() = thread.spawn(run).is_ok().then_some(stop);
}

/// No more columns.
pub(super) fn end() {
    // Its drop is the word.
    drop(STOP.lock().take());
}

fn keep(second: Second) {
    let mut seconds = SECONDS.lock();
    if seconds.len() == COLUMNS {
        seconds.pop_front();
    }
    seconds.push_back(second);
}

/// What was counted up to a moment. Those who wait at that moment are apart, for they are in the sums for one reading only.
struct Sums {
    scheduling: [u64; OCTAVES],
    poll: [u64; OCTAVES],
    waiting: [u64; OCTAVES],
}

impl Sums {
    fn now() -> Sums {
        let (sum, waiting) = super::read();
        Sums {
            scheduling: octaves(&sum.scheduling.times),
            poll: octaves(&sum.poll.times),
            waiting: octaves(&waiting.times),
        }
    }

    fn since(&self, before: &Sums) -> Second {
        let less = |now: &[u64; OCTAVES], then: &[u64; OCTAVES]| {
            std::array::from_fn(|n| now[n].saturating_sub(then[n]))
        };
        let mut scheduling: [u64; OCTAVES] = less(&self.scheduling, &before.scheduling);
        for (sum, waiting) in scheduling.iter_mut().zip(self.waiting) {
            *sum += waiting;
        }
        Second {
            end: SystemTime::now(),
            scheduling,
            poll: less(&self.poll, &before.poll),
        }
    }
}

fn octaves(times: &Histogram) -> [u64; OCTAVES] {
    let mut octaves = [0; OCTAVES];
    for (range, count) in times.buckets() {
        let ns = range.start.as_nanos().max(1);
        octaves[(ns.ilog2() as usize).min(OCTAVES - 1)] += count;
    }
    octaves
}
