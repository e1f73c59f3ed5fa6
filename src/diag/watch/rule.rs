//! A rule: a number that is looked at, the limit at which it is raised, and the lower one at which it is cleared.
//!
//! What it is not: a state. The same rule says the same of the same look.

use std::fmt;
use std::panic::Location;
use std::time::Duration;

use super::observed::Observed;
use crate::hook::{ObjId, WaitReason};

/// What is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Measure {
    Tasks,
    OldestWait(Option<WaitReason>),
    Runnable,
    SchedulingP99,
    LongPoll,
    LockHeld,
    ChannelFull,
    /// Places that spawn, over so many looks.
    Growth(u32),
}

/// A number and its limits. See [`Watch`](super::Watch).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rule {
    pub(super) measure: Measure,
    /// Raised above it. Tasks, or nanoseconds.
    pub(super) raise: u64,
    /// Cleared at it and below.
    pub(super) clear: u64,
}

/// What a rule was broken by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Subject {
    /// All tasks together.
    Process,
    /// A task or a thread.
    Task(ObjId),
    /// A lock, a channel.
    Object(ObjId),
    /// All waits for one reason.
    Reason(WaitReason),
    /// The tasks that were spawned there.
    Spawned(&'static Location<'static>),
}

impl Rule {
    fn new(measure: Measure, raise: u64) -> Rule {
        // Four fifths: near the limit, and not so near that it goes to and fro.
        let clear = raise / 5 * 4;
        Rule {
            measure,
            raise,
            clear,
        }
    }

    fn time(measure: Measure, limit: Duration) -> Rule {
        Rule::new(measure, ns(limit))
    }

    /// More than `count` tasks are alive, in all runtimes together.
    pub fn tasks_above(count: u64) -> Rule {
        Rule::new(Measure::Tasks, count)
    }

    /// Some task, or thread, has waited for longer than `limit`, for whatever reason. Of each reason the longest wait counts.
    /// What waits for the world outside is left out, for it may last: sleeps, timers, sockets, foreign futures; and what was
    /// marked as [idle](crate::diag::idle_ok).
    pub fn wait_above(limit: Duration) -> Rule {
        Rule::time(Measure::OldestWait(None), limit)
    }

    /// As [`wait_above`](Self::wait_above), for one reason; whichever it is.
    pub fn wait_for_above(reason: WaitReason, limit: Duration) -> Rule {
        Rule::time(Measure::OldestWait(Some(reason)), limit)
    }

    /// Some task has been runnable for longer than `limit`, and no worker has taken it.
    pub fn runnable_above(limit: Duration) -> Rule {
        Rule::time(Measure::Runnable, limit)
    }

    /// Of the tasks that began to run since the last look, one in a hundred had been runnable for longer than `limit`. Those
    /// that are still waiting count as well. [Records](crate::diag::latency::record) latencies as long as the watch lives.
    pub fn scheduling_p99_above(limit: Duration) -> Rule {
        Rule::time(Measure::SchedulingP99, limit)
    }

    /// A poll has lasted for longer than `limit`, as a runtime's monitor saw it: limits below 10 ms mean 10 ms.
    pub fn long_poll_above(limit: Duration) -> Rule {
        Rule::time(Measure::LongPoll, limit)
    }

    /// A lock, or a permit of a semaphore, is held for longer than `limit`, and others wait for it.
    pub fn lock_held_above(limit: Duration) -> Rule {
        Rule::time(Measure::LockHeld, limit)
    }

    /// Somebody has waited for longer than `limit` to send on a channel: it is full, or nobody receives.
    pub fn channel_full_above(limit: Duration) -> Rule {
        Rule::time(Measure::ChannelFull, limit)
    }

    /// The number of living tasks that were spawned in one place has grown at each of the last `looks` looks, by more than
    /// `count` in all: a leak, or work that comes faster than it goes.
    ///
    /// # Panics
    ///
    /// If `looks` is 0.
    pub fn growth_above(count: u64, looks: u32) -> Rule {
        assert!(looks > 0, "growth needs looks to grow in");
        Rule::new(Measure::Growth(looks), count)
    }

    /// Clears it at `count` and below, instead of at four fifths of the limit: of [`tasks_above`](Self::tasks_above) and
    /// [`growth_above`](Self::growth_above). A `count` above the limit means the limit.
    pub fn until(self, count: u64) -> Rule {
        Rule {
            clear: count.min(self.raise),
            ..self
        }
    }

    /// Clears it at `limit` and below, instead of at four fifths of the limit: of rules about times.
    pub fn until_time(self, limit: Duration) -> Rule {
        self.until(ns(limit))
    }

    pub(super) fn wants_latency(&self) -> bool {
        self.measure == Measure::SchedulingP99
    }

    /// The number of each subject. One that is not in it has the number 0.
    pub(super) fn numbers(&self, seen: &Observed) -> Vec<(Subject, u64)> {
        match self.measure {
            Measure::Tasks => vec![(Subject::Process, seen.tasks)],
            Measure::Runnable => seen.runnable.into_iter().collect(),
            Measure::SchedulingP99 => vec![(Subject::Process, seen.scheduling_p99_ns)],
            Measure::LongPoll => seen.long_polls.clone(),
            Measure::LockHeld => seen.held.clone(),
            Measure::ChannelFull => seen.full.clone(),
            Measure::Growth(looks) => seen.growth(looks),
            Measure::OldestWait(only) => {
                let waits = seen.oldest.iter();
                let asked = |reason: WaitReason| match only {
                    Some(only) => reason == only,
                    None => !is_meant_to_last(reason),
                };
                let asked = waits.filter(|(reason, _)| asked(**reason));
                asked
                    .map(|(reason, ns)| (Subject::Reason(*reason), *ns))
                    .collect()
            }
        }
    }

    /// A number of it, in words.
    pub(super) fn words(&self, number: u64, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let time = Duration::from_nanos(number);
        match self.measure {
            Measure::Tasks => write!(f, "{number} tasks"),
            Measure::OldestWait(_) => write!(f, "a wait of {time:.1?}"),
            Measure::Runnable => write!(f, "runnable for {time:.1?}"),
            Measure::SchedulingP99 => write!(f, "p99 of scheduling {time:.1?}"),
            Measure::LongPoll => write!(f, "one poll for {time:.1?}"),
            Measure::LockHeld => write!(f, "held for {time:.1?} while others wait"),
            Measure::ChannelFull => write!(f, "full for {time:.1?}"),
            Measure::Growth(_) => write!(f, "grown by {number} tasks"),
        }
    }
}

/// Waits for the world outside.
fn is_meant_to_last(reason: WaitReason) -> bool {
    use WaitReason::{Foreign, IoWait, Sleep, Timer};
    matches!(reason, Sleep | Timer | IoWait | Foreign)
}

fn ns(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Subject::Process => write!(f, "all tasks"),
            Subject::Task(id) | Subject::Object(id) => match crate::hook::name(*id) {
                Some(name) => write!(f, "{id} {name:?}"),
                None => write!(f, "{id}"),
            },
            Subject::Reason(reason) => write!(f, "{reason}"),
            Subject::Spawned(site) => {
                write!(f, "tasks spawned at {}:{}", site.file(), site.line())
            }
        }
    }
}
