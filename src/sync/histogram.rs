//! How often something took how long: a histogram whose buckets are at most an eighth of what they count.
//!
//! What it is not: shared. Whoever has the lock of the object that it belongs to counts in it; what users get is a copy.
//! [`Cells`] is the form that one thread counts in while others read.
//!
//! ```text
//! nanoseconds   0..8         8..16    16..32   ...   2^39..2^40    above: 18 minutes
//! buckets       one each     8        8        ...   8             in the last one
//! ```
//! 1. It is one pointer, and nothing until something was counted.
//! 2. Buckets follow each other without a gap: `low(bucket(ns)) <= ns < low(bucket(ns) + 1)`, but for the last one.

use std::fmt;
use std::ops::Range;
// Counts decide nothing in a model, so they are the real machine's under loom as well.
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

/// Buckets of an octave, as bits.
const BITS: u32 = 3;
const SUBS: u64 = 1 << BITS;
/// The last octave ends at 2^40 ns.
const BUCKETS: usize = (40 - BITS as usize + 1) * SUBS as usize;

/// How often something took how long, in buckets that are at most an eighth of the times that they count: of those that had
/// to wait, from [`Mutex::stats`](super::Mutex::stats) and [`RwMutex::stats`](super::RwMutex::stats), and of timers that fired late, from
/// `Runtime::metrics`.
///
/// ```
/// let mutex = gochan::sync::Mutex::new(());
/// drop(mutex.lock_blocking());
/// assert_eq!(mutex.stats().wait_times.count(), 0, "nobody had to wait");
/// ```
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Histogram {
    counts: Option<Box<[u64; BUCKETS]>>,
}

impl Histogram {
    pub(crate) const fn new() -> Histogram {
        Histogram { counts: None }
    }

    #[cold]
    pub(crate) fn count_one(&mut self, ns: u64) {
        self.counts_mut()[bucket(ns)] += 1;
    }

    fn counts_mut(&mut self) -> &mut [u64; BUCKETS] {
        self.counts.get_or_insert_with(|| Box::new([0; BUCKETS]))
    }

    /// Counts what `cells` have counted.
    pub(crate) fn add(&mut self, cells: &Cells) {
        let counts = self.counts_mut();
        for (count, cell) in counts.iter_mut().zip(&cells.0) {
            *count += cell.load(Relaxed);
        }
    }

    /// Counts what `other` has counted.
    pub(crate) fn merge(&mut self, other: &Histogram) {
        let Some(others) = &other.counts else { return };
        let counts = self.counts_mut();
        for (count, other) in counts.iter_mut().zip(others.iter()) {
            *count += other;
        }
    }

    /// What this one has counted and `before`, an earlier reading of the same, has not.
    pub(crate) fn since(&self, before: &Histogram) -> Histogram {
        let mut new = self.clone();
        if let (Some(counts), Some(old)) = (&mut new.counts, &before.counts) {
            for (count, old) in counts.iter_mut().zip(old.iter()) {
                *count = count.saturating_sub(*old);
            }
        }
        new
    }

    /// How many were counted.
    pub fn count(&self) -> u64 {
        self.buckets().map(|(_, count)| count).sum()
    }

    /// What was counted, shortest first: buckets that are not empty, and how many are in each. What took longer than 18
    /// minutes is in the last one.
    pub fn buckets(&self) -> impl Iterator<Item = (Range<Duration>, u64)> + '_ {
        let counts = self.counts.iter().flat_map(|counts| counts.iter());
        let filled = counts.enumerate().filter(|(_, count)| **count > 0);
        filled.map(|(n, count)| {
            let time = |n| Duration::from_nanos(low(n));
            (time(n)..time(n + 1), *count)
        })
    }

    /// So long or shorter did the share `q` of them take, 0.5 for half of them: the end of the bucket that it falls into.
    /// Zero if nothing was counted.
    pub fn quantile(&self, q: f64) -> Duration {
        let rank = (self.count() as f64 * q.clamp(0.0, 1.0)).ceil().max(1.0) as u64;
        let mut before = 0;
        let reached = self.buckets().find(|(_, count)| {
            before += count;
            before >= rank
        });
        reached.map_or(Duration::ZERO, |(times, _)| times.end)
    }
}

/// A histogram that one thread counts in, and others read.
pub(crate) struct Cells([AtomicU64; BUCKETS]);

impl Cells {
    pub(crate) const fn new() -> Cells {
        Cells([const { AtomicU64::new(0) }; BUCKETS])
    }

    /// For the one thread that counts.
    #[inline]
    pub(crate) fn count_one(&self, ns: u64) {
        let count = &self.0[bucket(ns)];
        // ORDERING: Relaxed, and no locked instruction: there is one writer, and each number stands for itself.
        count.store(count.load(Relaxed) + 1, Relaxed);
    }
}

/// Where a time is counted.
fn bucket(ns: u64) -> usize {
    if ns < SUBS {
        return ns as usize;
    }
    let octave = ns.ilog2();
    let sub = (ns >> (octave - BITS)) % SUBS;
    let at = u64::from(octave - BITS + 1) * SUBS + sub;
    (at as usize).min(BUCKETS - 1)
}

/// The shortest time of a bucket.
fn low(bucket: usize) -> u64 {
    let (octave, sub) = (bucket as u64 / SUBS, bucket as u64 % SUBS);
    match octave {
        0 => sub,
        _ => (SUBS + sub) << (octave - 1),
    }
}

impl fmt::Debug for Histogram {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = f.debug_struct("Histogram");
        out.field("count", &self.count());
        for (name, q) in [("half", 0.5), ("p90", 0.9), ("p99", 0.99), ("all", 1.0)] {
            out.field(name, &self.quantile(q));
        }
        out.finish()
    }
}

#[cfg(all(test, not(gochan_loom)))]
mod tests {
    use super::*;

    #[test]
    fn buckets_follow_each_other() {
        for n in 0..BUCKETS {
            assert_eq!(bucket(low(n)), n);
            assert_eq!(bucket(low(n + 1) - 1), n);
            assert!(low(n + 1) - low(n) <= (low(n) / SUBS).max(1), "an eighth");
        }
        assert_eq!(low(BUCKETS), 1 << 40);
        assert_eq!(bucket(u64::MAX), BUCKETS - 1);
    }

    #[test]
    fn quantiles() {
        let mut times = Histogram::new();
        assert_eq!((times.count(), times.quantile(0.5)), (0, Duration::ZERO));
        (0..90).for_each(|_| times.count_one(1_000));
        (0..10).for_each(|_| times.count_one(1_000_000));
        assert_eq!(times.count(), 100);
        let near = |time: Duration, ns: u64| (ns..=ns + ns / 8).contains(&(time.as_nanos() as u64));
        assert!(near(times.quantile(0.0), 1_000) && near(times.quantile(0.9), 1_000));
        assert!(near(times.quantile(0.91), 1_000_000) && near(times.quantile(1.0), 1_000_000));
        let all: Vec<_> = times.buckets().collect();
        assert_eq!(
            all.iter().map(|(_, count)| *count).collect::<Vec<_>>(),
            [90, 10]
        );
        assert!(all[0].0.contains(&Duration::from_nanos(1_000)));
    }
}
