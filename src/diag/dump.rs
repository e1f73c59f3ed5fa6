//! The dump as a value: one look at every record.
//!
//! 1. No task is polled, stopped, locked or made to allocate: records are read as they are (`hook::record`).
//! 2. A task that lives from the beginning of the look to its end is in the dump exactly once. One that begins or ends
//!    meanwhile may be missing.
//! 3. Each task is shown as it was at one moment, but not all of them at the same moment.

use std::collections::HashMap;
use std::panic::Location;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use crate::clock;
use crate::hook::holder::{self, Holding};
use crate::hook::record::{Snapshot, State, WaitSnapshot};
use crate::hook::{
    ArmNote, Kind, LongPoll, ObjId, WaitReason, counted, label, long, object, region, registry,
};

type Site = &'static Location<'static>;

/// What all tasks, and all threads inside a blocking wait of this crate, did at the moment of a [`dump`].
///
/// Its `Display` is for people: the longest waits first, in the form of Go's goroutine dumps, and what waits alike in one
/// paragraph if it is more than eight. With the feature `diag`, `to_json` gives it for programs.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Dump {
    /// When it was taken.
    pub taken: SystemTime,
    /// How long that took.
    pub took: Duration,
    /// The tasks and waiting threads: longest waits first, then those that can run, then those that run.
    pub tasks: Vec<TaskInfo>,
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
    /// The regions that it is in ([`region!`](crate::diag::region)), the outermost first.
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
    pub object: Option<Object>,
    /// Where the operation was called; `None` for foreign futures.
    pub site: Option<Site>,
    /// The first four arms of a select.
    pub arms: Vec<Arm>,
    /// How many arms there are in all.
    pub arm_count: usize,
    /// It waits for a lock that it has acquired itself, and that has not been given back.
    pub again: Option<Again>,
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
    pub object: Option<Object>,
    /// Where the arm's operation was called; `None` for an arm that is not there (`Option::None`).
    pub site: Option<Site>,
}

/// Something that is waited for.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Object {
    /// Its tag, which has its kind.
    pub id: ObjId,
    /// The name it was given.
    pub name: Option<Arc<str>>,
    /// Where it was made; of a task, where it was spawned.
    pub made: Option<Site>,
    /// Who holds it, longest first: of locks and permits. Of a wait group: who has not finished, as far as it was not
    /// counted by hand.
    pub holders: Vec<Holder>,
    /// Of a wait group: how many have not finished.
    pub count: Option<usize>,
    /// How many of the dump's tasks and threads wait for it.
    pub waiters: usize,
    /// How it works at the moment, where that is not as always: `starving` of a mutex that hands over instead of
    /// letting newcomers in.
    pub mode: Option<&'static str>,
}

/// Somebody who holds something that others wait for.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Holder {
    /// The task that acquired it, or the thread. [`ObjId::NONE`]: a thread that was about to end.
    pub id: ObjId,
    /// The name of that task or thread.
    pub name: Option<Arc<str>>,
    /// Whether that task or thread is gone, and has left what it held to somebody else or to nobody.
    pub gone: bool,
    /// Where it was acquired.
    pub site: Option<Site>,
    /// How long ago, in nanoseconds.
    pub held_ns: u64,
}

/// Looks at every task of every runtime, and at every thread inside a blocking wait of this crate.
///
/// Nothing is stopped or polled for it, and nobody notices: it may be called at any time, from anywhere, also when all
/// workers are stuck. It costs some hundred nanoseconds a task, all of them the caller's.
///
/// Each task is shown as it was at one moment while the dump was taken, but that moment differs from task to task: two
/// that pass a value between them may both seem to wait, or both to run. Tasks that began or ended meanwhile may be
/// missing; all others are there, once.
///
/// # Examples
///
/// ```
/// gochan::run(async {
///     let sleeper = gochan::task::Builder::new().name("sleeper");
///     sleeper.go(gochan::sleep(std::time::Duration::from_secs(60)));
///     gochan::yield_now().await;
///     print!("{}", gochan::diag::dump());
/// });
/// ```
pub fn dump() -> Dump {
    let taken = SystemTime::now();
    let begin = Instant::now();
    let mut seen = Vec::new();
    registry::for_each(|record| seen.extend(record.snapshot()));
    let now = clock::ticks();
    let known = Known::new(&seen, now);
    let mut tasks: Vec<_> = seen
        .iter()
        .filter_map(|seen| TaskInfo::new(seen, &known))
        .collect();
    tasks.sort_by_key(TaskInfo::rank);
    Dump {
        taken,
        took: begin.elapsed(),
        tasks,
    }
}

/// What the looks at all records say together.
struct Known {
    now: u64,
    /// Tasks and threads that are there, and where tasks were spawned.
    alive: HashMap<ObjId, Option<Site>>,
    holdings: HashMap<ObjId, Vec<Holding>>,
    /// Of each task those that it is in.
    regions: HashMap<ObjId, Vec<region::Seen>>,
    waiters: HashMap<ObjId, usize>,
    /// Who waits to write, and since when.
    writers: HashMap<ObjId, Vec<(u64, ObjId)>>,
}

impl Known {
    fn new(seen: &[Snapshot], now: u64) -> Known {
        let mut holdings: HashMap<ObjId, Vec<Holding>> = HashMap::new();
        let mut regions: HashMap<ObjId, Vec<region::Seen>> = HashMap::new();
        for held in holder::all() {
            match region::Seen::of(&held) {
                Some(region) => regions.entry(region.who).or_default().push(region),
                None => holdings.entry(held.what).or_default().push(held),
            }
        }
        let mut waiters = HashMap::new();
        let mut writers: HashMap<ObjId, Vec<_>> = HashMap::new();
        for (who, wait) in seen.iter().filter_map(|s| Some((s.id, s.wait.as_ref()?))) {
            if wait.reason == WaitReason::RwMutexWrite {
                writers
                    .entry(wait.object)
                    .or_default()
                    .push((wait.since, who));
            }
            let mut objects: Vec<_> = wait.arms.iter().flatten().map(|arm| arm.object).collect();
            objects.push(wait.object);
            objects.sort_unstable();
            objects.dedup();
            for object in objects {
                *waiters.entry(object).or_default() += 1;
            }
        }
        Known {
            now,
            alive: seen.iter().map(|seen| (seen.id, seen.spawned)).collect(),
            holdings,
            regions,
            waiters,
            writers,
        }
    }

    fn age(&self, since: u64) -> u64 {
        clock::ticks_to_ns(self.now.saturating_sub(since))
    }

    /// What there is to say of a wait for a lock that the one who waits has acquired before.
    fn again(&self, who: ObjId, wait: &WaitSnapshot) -> Option<Again> {
        let is_lock = matches!(wait.object.kind(), Kind::Mutex | Kind::RwMutex);
        let holdings = self.holdings.get(&wait.object).filter(|_| is_lock)?;
        let own = holdings.iter().find(|held| held.who == who)?;
        let mut writers = match wait.reason {
            WaitReason::RwMutexRead => self.writers.get(&wait.object).cloned(),
            _ => None,
        }
        .unwrap_or_default();
        writers.retain(|(since, _)| *since <= wait.since);
        writers.sort_unstable();
        Some(Again {
            site: own.site,
            reads: !writers.is_empty(),
            behind: writers.into_iter().map(|(_, writer)| writer).collect(),
        })
    }

    fn regions(&self, id: ObjId) -> Vec<RegionInfo> {
        let mut regions = self.regions.get(&id).cloned().unwrap_or_default();
        regions.sort_unstable_by_key(region::Seen::rank);
        let info = |seen: &region::Seen| RegionInfo {
            name: seen.name,
            site: seen.site,
            since_ns: self.age(seen.since),
        };
        regions.iter().map(info).collect()
    }

    fn holders(&self, id: ObjId) -> Vec<Holder> {
        let of = |held: &Holding| Holder {
            id: held.who,
            name: object::name(held.who),
            gone: !held.who.is_none() && !self.alive.contains_key(&held.who),
            site: held.site,
            held_ns: self.age(held.since),
        };
        let mut holders: Vec<_> = self
            .holdings
            .get(&id)
            .into_iter()
            .flatten()
            .map(of)
            .collect();
        holders.sort_by_key(|holder| std::cmp::Reverse(holder.held_ns));
        holders
    }
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

    /// `None` for a thread that is not inside a wait.
    fn new(seen: &Snapshot, known: &Known) -> Option<TaskInfo> {
        let state = match seen.state {
            State::Free | State::Idle => return None,
            State::Runnable => TaskState::Runnable,
            State::Running => TaskState::Running,
            State::Waiting => TaskState::Waiting,
        };
        let wait = seen.wait.as_ref();
        Some(TaskInfo {
            id: seen.id,
            name: object::name(seen.id),
            state,
            wait: wait.map(|wait| Wait::new(seen.id, wait, known)),
            long_poll: long::of(seen),
            runnable_ns: seen.runnable_since.map(|since| known.age(since)),
            spawned: seen.spawned,
            parent: some(seen.parent),
            age_ns: known.age(seen.spawned_at),
            type_name: seen.type_name,
            runtime: seen.runtime,
            polls: seen.polls,
            woken_by: some(seen.woken_by),
            regions: known.regions(seen.id),
            labels: label::of(seen.id),
            unstable: seen.unstable,
        })
    }

    /// Longest waits first.
    fn rank(&self) -> (u8, u64, ObjId) {
        let waited = self.wait.as_ref().map_or(0, |wait| wait.waited_ns);
        let class = match self.state {
            TaskState::Waiting => 0,
            TaskState::Runnable => 1,
            TaskState::Running => 2,
        };
        (class, u64::MAX - waited, self.id)
    }
}

impl Wait {
    fn new(who: ObjId, seen: &WaitSnapshot, known: &Known) -> Wait {
        let arm = |arm: &ArmNote| Arm {
            reason: arm.reason,
            object: Object::new(arm.object, arm.made, known),
            site: (arm.site != ArmNote::NIL.site).then_some(arm.site),
        };
        let whole = if seen.arm_count == 0 {
            Object::new(seen.object, seen.made, known)
        } else {
            None
        };
        Wait {
            reason: seen.reason,
            waited_ns: known.age(seen.since),
            object: whole,
            site: seen.site,
            arms: seen.arms.iter().flatten().map(arm).collect(),
            arm_count: seen.arm_count.into(),
            again: known.again(who, seen),
        }
    }
}

impl Object {
    fn new(id: ObjId, made: Option<Site>, known: &Known) -> Option<Object> {
        Some(Object {
            id: some(id)?,
            name: object::name(id),
            made: made.or_else(|| known.alive.get(&id).copied().flatten()),
            holders: known.holders(id),
            count: counted::count(id),
            waiters: known.waiters.get(&id).copied().unwrap_or(0),
            mode: object::mode(id),
        })
    }
}

fn some(id: ObjId) -> Option<ObjId> {
    (!id.is_none()).then_some(id)
}
