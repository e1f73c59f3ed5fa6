//! One look at all tasks, as the numbers that rules ask for.
//!
//! What it is not: a dump. It keeps sums and the longest of each kind, and names nobody else.

use std::collections::{HashMap, VecDeque};
use std::panic::Location;

use super::rule::Subject;
use crate::clock;
use crate::diag::latency::{self, Latencies, Recording};
use crate::diag::look::is_idle;
use crate::hook::holder;
use crate::hook::record::{Snapshot, WaitSnapshot};
use crate::hook::{Kind, ObjId, WaitReason, long, registry};
use crate::sync::Histogram;

type Site = &'static Location<'static>;

/// Looks that growth is looked for in, at most.
const KEPT: usize = 64;

/// What one look showed. Times in nanoseconds.
#[derive(Clone, Debug, Default)]
pub(super) struct Observed {
    pub(super) tasks: u64,
    pub(super) oldest: HashMap<WaitReason, u64>,
    /// The one that has been runnable for longest.
    pub(super) runnable: Option<(Subject, u64)>,
    pub(super) scheduling_p99_ns: u64,
    pub(super) long_polls: Vec<(Subject, u64)>,
    /// What others wait for.
    pub(super) held: Vec<(Subject, u64)>,
    pub(super) full: Vec<(Subject, u64)>,
    /// Living tasks by the place where they were spawned: this look first, then the ones before.
    pub(super) spawned: VecDeque<HashMap<Site, u64>>,
}

/// The looks so far, as far as the next one needs them.
pub(super) struct Looks {
    latency: Option<(Recording, Latencies)>,
    spawned: VecDeque<HashMap<Site, u64>>,
}

impl Looks {
    pub(super) fn new(latency: bool) -> Looks {
        let begin = || (latency::record(), latency::latencies());
        Looks {
            latency: latency.then(begin),
            spawned: VecDeque::new(),
        }
    }

    pub(super) fn look(&mut self) -> Observed {
        let mut sums = Sums::new();
        registry::for_each(|record| {
            if let Some(seen) = record.snapshot() {
                sums.add(&seen);
            }
        });
        let mut seen = sums.observed();
        seen.scheduling_p99_ns = self.scheduling_p99();
        self.spawned.push_front(std::mem::take(&mut sums.spawned));
        self.spawned.truncate(KEPT);
        seen.spawned.clone_from(&self.spawned);
        seen
    }

    fn scheduling_p99(&mut self) -> u64 {
        let Some((_, before)) = &mut self.latency else {
            return 0;
        };
        let now = latency::latencies();
        let p99 = now.scheduling.times.since(&before.scheduling.times);
        *before = now;
        nanos(&p99)
    }
}

fn nanos(times: &Histogram) -> u64 {
    u64::try_from(times.quantile(0.99).as_nanos()).unwrap_or(u64::MAX)
}

impl Observed {
    /// By how much each place has grown over the last `looks` looks, if it did at each.
    pub(super) fn growth(&self, looks: u32) -> Vec<(Subject, u64)> {
        let looks = (looks as usize).min(KEPT - 1);
        let Some(now) = self.spawned.front().filter(|_| self.spawned.len() > looks) else {
            return Vec::new();
        };
        let grown = |site: &Site| {
            let at = |look: &HashMap<Site, u64>| look.get(site).copied().unwrap_or(0);
            let counts: Vec<_> = self.spawned.iter().take(looks + 1).map(at).collect();
            let grows = counts.windows(2).all(|pair| pair[0] > pair[1]);
            grows.then(|| counts[0] - counts[looks])
        };
        let places = now.keys();
        places
            .filter_map(|site| Some((Subject::Spawned(site), grown(site)?)))
            .collect()
    }
}

/// What is summed up while one looks.
struct Sums {
    now: u64,
    seen: Observed,
    spawned: HashMap<Site, u64>,
    /// The longest wait to send, by channel.
    full: HashMap<ObjId, u64>,
    wanted: HashMap<ObjId, ()>,
}

impl Sums {
    fn new() -> Sums {
        Sums {
            now: clock::ticks(),
            seen: Observed::default(),
            spawned: HashMap::new(),
            full: HashMap::new(),
            wanted: HashMap::new(),
        }
    }

    fn age(&self, since: u64) -> u64 {
        clock::ticks_to_ns(self.now.saturating_sub(since))
    }

    fn add(&mut self, seen: &Snapshot) {
        if seen.id.kind() == Kind::Task {
            self.seen.tasks += 1;
        }
        if let Some(site) = seen.spawned {
            *self.spawned.entry(site).or_default() += 1;
        }
        if let Some(since) = seen.runnable_since {
            let waits = (Subject::Task(seen.id), self.age(since));
            let longest = self.seen.runnable.get_or_insert(waits);
            if waits.1 > longest.1 {
                *longest = waits;
            }
        }
        if let Some(poll) = long::of(seen) {
            let poll = (Subject::Task(seen.id), poll.lasted_ns);
            self.seen.long_polls.push(poll);
        }
        if let Some(wait) = &seen.wait {
            self.add_wait(wait);
        }
    }

    fn add_wait(&mut self, wait: &WaitSnapshot) {
        if is_idle(wait) {
            return;
        }
        let age = self.age(wait.since);
        let oldest = self.seen.oldest.entry(wait.reason).or_default();
        *oldest = age.max(*oldest);
        self.add_part(wait.reason, wait.object, age);
        for arm in wait.arms.iter() {
            self.add_part(arm.reason, arm.object, age);
        }
    }

    fn add_part(&mut self, reason: WaitReason, object: ObjId, age: u64) {
        self.wanted.insert(object, ());
        if reason == WaitReason::ChanSend {
            let longest = self.full.entry(object).or_default();
            *longest = age.max(*longest);
        }
    }

    fn observed(&mut self) -> Observed {
        let mut held: HashMap<ObjId, u64> = HashMap::new();
        for holding in holder::all() {
            let is_lock = matches!(
                holding.what.kind(),
                Kind::Mutex | Kind::RwMutex | Kind::Semaphore
            );
            if is_lock && self.wanted.contains_key(&holding.what) {
                let age = self.age(holding.since);
                let longest = held.entry(holding.what).or_default();
                *longest = age.max(*longest);
            }
        }
        let objects = |all: HashMap<ObjId, u64>| {
            let all = all.into_iter();
            all.map(|(id, ns)| (Subject::Object(id), ns)).collect()
        };
        Observed {
            held: objects(held),
            full: objects(std::mem::take(&mut self.full)),
            ..std::mem::take(&mut self.seen)
        }
    }
}
