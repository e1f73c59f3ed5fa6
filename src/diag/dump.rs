//! The dump as a value.
//!
//! What it is not: the look at the records (`look`), what follows from it (`verdict`, `group`), or a text.

use std::panic::Location;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use super::{Group, Object, Verdict};
use crate::hook::{Kind, LongPoll, ObjId, WaitReason};

type Site = &'static Location<'static>;

/// What all tasks, and all threads inside a blocking wait of this crate, did at the moment of a [`dump`](super::dump).
///
/// Its `Display` is for people: what is known to be wrong first, then the waits by place, then the tasks with the longest
/// waits first, in the form of Go's goroutine dumps, and what is waited for. With the feature `diag`, `to_json` gives it for
/// programs.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Dump {
    /// When it was taken.
    pub taken: SystemTime,
    /// How long that took.
    pub took: Duration,
    /// What is known to stand in the way, worst first.
    pub verdicts: Vec<Verdict>,
    /// The waits by place, most first.
    pub groups: Vec<Group>,
    /// The tasks and waiting threads: longest waits first, then those that can run, then those that run.
    pub tasks: Vec<TaskInfo>,
    /// What is waited for or held, and channels that have been waited for: longest queue first. Without tasks, timers and
    /// sockets, which say no more than the waits do.
    pub objects: Vec<Arc<Object>>,
}

/// What one task, or one thread inside a blocking wait, was doing.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct TaskInfo {
    /// Its tag. Of the kind [`Kind::Thread`] for a thread.
    pub id: ObjId,
    /// The name it was given.
    pub name: Option<Arc<str>>,
    /// What it was doing.
    pub state: TaskState,
    /// For what it waits, if it does.
    pub wait: Option<Wait>,
    /// The poll that it has been in for too long, if it is: more than 10 ms, as the runtime's monitor saw.
    pub long_poll: Option<LongPoll>,
    /// For how long it has been in a run queue, if it is, in nanoseconds; to about a poll of whoever put it there.
    pub runnable_ns: Option<u64>,
    /// Where it was spawned; `None` for threads.
    pub spawned: Option<Site>,
    /// The task that spawned it; `None` if that was no task.
    pub parent: Option<ObjId>,
    /// How long ago it was spawned, in nanoseconds.
    pub age_ns: u64,
    /// The type of its future; `None` for threads.
    pub type_name: Option<&'static str>,
    /// The number of its runtime; 0 for threads.
    pub runtime: u32,
    /// How often it was polled.
    pub polls: u64,
    /// The task that woke it last; `None` if it never was woken, or from outside of tasks.
    pub woken_by: Option<ObjId>,
    /// The regions that it is in (`region!`), the outermost first.
    pub regions: Vec<RegionInfo>,
    /// Its labels ([`label`](crate::diag::label)), keys and values.
    pub labels: Vec<(Arc<str>, Arc<str>)>,
    /// It went on to a new wait in each of several looks, so that what it waited for is left out. It is certainly not
    /// stuck.
    pub unstable: bool,
}

/// A region that a task is in.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct RegionInfo {
    /// Its name.
    pub name: &'static str,
    /// Where it began.
    pub site: Option<Site>,
    /// How long ago, in nanoseconds.
    pub since_ns: u64,
}

/// What a task was doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TaskState {
    /// It was being polled.
    Running,
    /// It was in a run queue.
    Runnable,
    /// It waited; [`TaskInfo::wait`] says for what.
    Waiting,
}

impl TaskState {
    /// The state in Go's word: `running`, `runnable` or `waiting`.
    ///
    /// ```
    /// assert_eq!(gochan::diag::TaskState::Running.as_str(), "running");
    /// ```
    pub const fn as_str(self) -> &'static str {
        match self {
            TaskState::Running => "running",
            TaskState::Runnable => "runnable",
            TaskState::Waiting => "waiting",
        }
    }
}

/// A wait.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Wait {
    /// Why.
    pub reason: WaitReason,
    /// How long already, in nanoseconds.
    pub waited_ns: u64,
    /// On what; `None` for selects, see `arms`, and for what has no object.
    pub object: Option<Arc<Object>>,
    /// Where the operation was called; `None` for foreign futures.
    pub site: Option<Site>,
    /// The first four arms of a select.
    pub arms: Vec<Arm>,
    /// How many arms there are in all.
    pub arm_count: usize,
    /// It waits for a lock that it has acquired itself, and that has not been given back.
    pub again: Option<Again>,
    /// It was marked as no sign of trouble, however long it takes: it waits for work.
    pub idle: bool,
}

/// The hold of who waits for what it has acquired itself: it waits for ever, unless it has given the guard to somebody else,
/// which is not known.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Again {
    /// Where it acquired what it waits for.
    pub site: Option<Site>,
    /// It asks to read what it has acquired already. If it still reads that works, unless a writer has come in between.
    pub reads: bool,
    /// Those writers, in the order in which they came.
    pub behind: Vec<ObjId>,
}

/// One arm of a select that waits.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Arm {
    /// What the arm waits for; for channels also the direction.
    pub reason: WaitReason,
    /// On what.
    pub object: Option<Arc<Object>>,
    /// Where the arm's operation was called; `None` for an arm that is not there (`Option::None`).
    pub site: Option<Site>,
}

impl Dump {
    /// The task or thread with this tag.
    ///
    /// ```
    /// gochan::run(async {
    ///     let me = gochan::task::current().unwrap().id();
    ///     let dump = gochan::diag::dump();
    ///     assert_eq!(dump.task(me).unwrap().state.as_str(), "running");
    /// });
    /// ```
    pub fn task(&self, id: ObjId) -> Option<&TaskInfo> {
        self.tasks.iter().find(|task| task.id == id)
    }

    /// The object with this tag, if it is among [`objects`](Dump::objects).
    ///
    /// ```
    /// gochan::run(async {
    ///     let (tx, rx) = gochan::chan::<u8>(3);
    ///     let id = tx.id();
    ///     let receiver = gochan::go(async move { rx.recv().await });
    ///     let object = loop {
    ///         gochan::yield_now().await;
    ///         if let Some(object) = gochan::diag::dump().object(id) {
    ///             break object.clone();
    ///         }
    ///     };
    ///     assert_eq!(object.buffer.unwrap().capacity, Some(3));
    ///     # tx.send(1).await.unwrap();
    ///     # receiver.await.unwrap().unwrap();
    /// });
    /// ```
    pub fn object(&self, id: ObjId) -> Option<&Object> {
        let mut objects = self.objects.iter();
        objects
            .find(|object| object.id == id)
            .map(|object| &**object)
    }
}

impl TaskInfo {
    /// Whether this is a plain thread inside a blocking wait, not a task.
    ///
    /// ```
    /// gochan::run(async {
    ///     let me = gochan::task::current().unwrap().id();
    ///     assert!(!gochan::diag::dump().task(me).unwrap().is_thread());
    /// });
    /// ```
    pub fn is_thread(&self) -> bool {
        self.id.kind() == Kind::Thread
    }

    /// How long it has waited; 0 if it does not.
    pub(super) fn waited(&self) -> u64 {
        self.wait.as_ref().map_or(0, |wait| wait.waited_ns)
    }
}
