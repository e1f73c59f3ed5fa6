//! A recording as a value.
// Who is who is for the formats.
#![cfg_attr(not(feature = "diag"), allow(dead_code))]

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use super::Site;
use super::rings::Thread;
use crate::hook::{ObjId, WaitReason};

/// What was recorded: see [`Recorder::snapshot`](super::Recorder::snapshot).
#[derive(Clone, Debug)]
pub struct Trace {
    pub(super) taken: SystemTime,
    /// From the first moment to the last, in nanoseconds.
    pub(super) length_ns: u64,
    pub(super) events: Vec<TraceEvent>,
    pub(super) threads: Vec<Thread>,
    pub(super) tasks: HashMap<ObjId, TraceTask>,
    /// Names of objects.
    pub(super) names: HashMap<ObjId, Arc<str>>,
    /// What was held at the end, and others have waited for.
    pub(super) held: Vec<Held>,
}

/// A hold that goes on at the end of the trace.
#[derive(Clone, Copy, Debug)]
pub(super) struct Held {
    pub(super) object: ObjId,
    pub(super) who: ObjId,
    pub(super) site: Option<Site>,
    /// When it began; 0 if before the trace.
    pub(super) since_ns: u64,
}

/// Something that happened.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct TraceEvent {
    /// When, in nanoseconds since the trace's beginning.
    pub at_ns: u64,
    /// The number of the thread on which it happened; 0 for threads that had no memory of their own.
    pub thread: u64,
    /// What.
    pub what: TraceWhat,
}

/// What happened in a [`TraceEvent`].
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum TraceWhat {
    /// A task was spawned.
    #[non_exhaustive]
    Spawn {
        /// The task.
        task: ObjId,
        /// Who spawned it; none if it was no task.
        parent: ObjId,
    },
    /// A poll begins.
    #[non_exhaustive]
    PollStart {
        /// The task.
        task: ObjId,
        /// For how long it was runnable, in nanoseconds, if that is known.
        runnable_ns: Option<u64>,
        /// For what it had waited before; none if it is new, or had given way.
        after: Option<WaitReason>,
    },
    /// A poll is over.
    #[non_exhaustive]
    PollEnd {
        /// The task.
        task: ObjId,
        /// Whether it was the last one.
        done: bool,
    },
    /// A wait begins.
    #[non_exhaustive]
    Park {
        /// Who waits.
        task: ObjId,
        /// For what.
        wait: TraceWait,
        /// The first arms of a select.
        arms: Vec<TraceWait>,
    },
    /// A wait has ended.
    #[non_exhaustive]
    Ready {
        /// Who waited.
        task: ObjId,
        /// By whom; none if it was no task.
        by: ObjId,
        /// The wait.
        wait: TraceWait,
    },
    /// A task has ended.
    #[non_exhaustive]
    Exit {
        /// The task.
        task: ObjId,
        /// Whether in a panic.
        panicked: bool,
        /// Whether it was aborted.
        aborted: bool,
    },
    /// A poll has lasted for too long, and goes on.
    #[non_exhaustive]
    LongPoll {
        /// The task.
        task: ObjId,
        /// Where it called the operation that it waited for last.
        after: Option<Site>,
        /// For how long, in nanoseconds.
        lasted_ns: u64,
    },
    /// A region begins.
    #[non_exhaustive]
    RegionBegin {
        /// Whose.
        task: ObjId,
        /// Its name.
        name: &'static str,
        /// Where.
        site: Option<Site>,
    },
    /// A region is over.
    #[non_exhaustive]
    RegionEnd {
        /// Whose.
        task: ObjId,
        /// Its name.
        name: &'static str,
    },
    /// The program says something.
    #[non_exhaustive]
    Log {
        /// Who; none if it was no task.
        task: ObjId,
        /// Of what sort it is.
        category: &'static str,
        /// What.
        message: String,
    },
    /// A counter has a value.
    #[non_exhaustive]
    Counter {
        /// Which one.
        name: &'static str,
        /// The value.
        value: i64,
    },
    /// Somebody gives back what others have waited for: a lock, a permit.
    #[non_exhaustive]
    Hold {
        /// Who has acquired it, a task or a thread.
        task: ObjId,
        /// What it is.
        object: ObjId,
        /// Where it was acquired.
        site: Option<Site>,
        /// For how long it was held, in nanoseconds.
        held_ns: u64,
    },
    /// A worker took tasks out of another one's queue.
    #[non_exhaustive]
    Steal {
        /// The number of the worker.
        by: u64,
        /// The number of the other.
        from: u64,
        /// How many.
        tasks: u64,
    },
}

/// A wait, in a trace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TraceWait {
    /// Why.
    pub reason: WaitReason,
    /// For what; none for selects, and for what has no object.
    pub object: ObjId,
    /// Where that was made, if it is known.
    pub made: Option<Site>,
    /// Where the operation was called.
    pub site: Option<Site>,
}

/// What is known of a task.
#[derive(Clone, Debug, Default)]
pub(super) struct TraceTask {
    pub(super) name: Option<Arc<str>>,
    pub(super) site: Option<Site>,
    pub(super) type_name: Option<&'static str>,
    pub(super) labels: Vec<(Arc<str>, Arc<str>)>,
    /// Of one that lived at the end: what it did then.
    pub(super) last: Option<Last>,
    /// The regions that it was in at the end, the outermost first, and when they began: none if before the trace.
    pub(super) regions: Vec<(&'static str, Option<Site>, Option<u64>)>,
}

/// What a task did at the end of the trace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Last {
    Runnable,
    Running,
    Waiting(TraceWait),
}

impl Trace {
    /// What happened, in order.
    pub fn events(&self) -> &[TraceEvent] {
        &self.events
    }

    /// From its first moment to its last.
    pub fn length(&self) -> Duration {
        Duration::from_nanos(self.length_ns)
    }

    /// When it was taken, which is its last moment.
    pub fn taken(&self) -> SystemTime {
        self.taken
    }
}

impl TraceEvent {
    /// The task or thread that it is about; none for what is about nobody.
    pub fn task(&self) -> ObjId {
        match self.what {
            TraceWhat::Spawn { task, .. }
            | TraceWhat::PollStart { task, .. }
            | TraceWhat::PollEnd { task, .. }
            | TraceWhat::Park { task, .. }
            | TraceWhat::Ready { task, .. }
            | TraceWhat::Exit { task, .. }
            | TraceWhat::LongPoll { task, .. }
            | TraceWhat::RegionBegin { task, .. }
            | TraceWhat::RegionEnd { task, .. }
            | TraceWhat::Log { task, .. }
            | TraceWhat::Hold { task, .. } => task,
            TraceWhat::Counter { .. } | TraceWhat::Steal { .. } => ObjId::NONE,
        }
    }

    /// What a log says.
    pub fn message(&self) -> Option<&str> {
        match &self.what {
            TraceWhat::Log { message, .. } => Some(message),
            _ => None,
        }
    }
}
