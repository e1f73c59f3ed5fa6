//! The profile `wall`: where tasks spend their time, waiting included. After fgprof, which does so for Go.
//!
//! What it is not: exact. It looks at all records many times a second and charges each task for the time between two looks
//! with what the second one shows.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use super::lineage::Lineages;
use super::look::{Doing, look};
use super::value::{Profile, Sample};
use crate::hook::{ObjId, current};

/// Looks at all tasks `hertz` times a second for `time`, and says where they spent it: running, in a run queue or waiting, and
/// where.
///
/// Two values: `samples/count`, and `time/nanoseconds`, in which a task that lives all the while has `time` in all. Labels as in
/// [`goroutine`](super::goroutine()), but without what is each task's own: `state`, `wait_reason`, `class`. The caller is left out.
///
/// Tasks do not notice, nor do they pay for it: a look costs the caller some hundred nanoseconds a task. Fgprof takes 99 Hz, so
/// as not to keep step with what happens every hundredth of a second. The caller's thread sleeps meanwhile; in a task of this
/// crate's executor another one takes over its worker.
///
/// # Panics
///
/// If `hertz` is 0.
///
/// ```
/// use gochan::{diag::profile, go, sleep};
/// use std::time::Duration;
///
/// let rt = gochan::Runtime::builder().workers(1).build()?;
/// let sleeper = rt.go(sleep(Duration::from_secs(60)));
/// let wall = profile::wall(Duration::from_millis(20), 100);
/// assert!(wall.total_of("time", |sample| sample.has("wait_reason", "sleep")) > 0);
/// sleeper.abort();
/// # Ok::<(), gochan::BuildError>(())
/// ```
pub fn wall(time: Duration, hertz: u32) -> Profile {
    assert!(hertz > 0, "a profile without looks");
    let me = current::id();
    let period = Duration::from_secs(1) / hertz;
    let mut profile = Profile::new(&[("samples", "count"), ("time", "nanoseconds")]);
    let mut sums = Sums::default();
    let begin = Instant::now();
    let mut last = begin;
    while last.duration_since(begin) < time {
        let due = (last + period).min(begin + time);
        aside(|| std::thread::sleep(due.saturating_duration_since(Instant::now())));
        let now = Instant::now();
        sums.add(now.duration_since(last), me);
        last = now;
    }
    profile.duration = last.duration_since(begin);
    profile.samples = sums.samples();
    profile
}

/// Sleeps without holding a worker up.
fn aside(sleep: impl FnOnce()) {
    #[cfg(feature = "rt")]
    crate::rt::blocking(sleep);
    #[cfg(not(feature = "rt"))]
    sleep();
}

/// What was seen so far.
#[derive(Default)]
struct Sums {
    lineages: Lineages,
    by_place: HashMap<Doing, (u64, Duration)>,
}

impl Sums {
    /// Charges what a look shows with the time since the last one.
    fn add(&mut self, time: Duration, me: ObjId) {
        for seen in look(&mut self.lineages, me) {
            let sum = self.by_place.entry(seen.doing()).or_default();
            sum.0 += 1;
            sum.1 += time;
        }
    }

    fn samples(&self) -> Vec<Sample> {
        let sample = |(doing, (count, time)): (&Doing, &(u64, Duration))| Sample {
            stack: doing.stack(&self.lineages),
            labels: doing.labels(),
            values: vec![*count, u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)],
        };
        self.by_place.iter().map(sample).collect()
    }
}
