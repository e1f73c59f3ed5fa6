//! The look at all records from which a dump is made.
//!
//! 1. No task is polled, stopped, locked or made to allocate: records are read as they are (`hook::record`).
//! 2. A task that lives from the beginning of the look to its end is in the dump exactly once. One that begins or ends
//!    meanwhile may be missing.
//! 3. Each task is shown as it was at one moment, but not all of them at the same moment.

use std::cmp::Reverse;
use std::panic::Location;
use std::sync::Arc;
use std::time::{Instant, SystemTime};

use super::ids::Ids;
use super::{
    Again, Arm, Buffer, Dump, Group, Holder, Object, Queued, RegionInfo, TaskInfo, TaskState,
    Verdict, Wait,
};
use crate::clock;
use crate::hook::holder::{self, Holding};
use crate::hook::record::{Snapshot, State, WaitSnapshot};
use crate::hook::{
    ArmNote, Kind, ObjId, WaitReason, counted, label, listed, long, object, region, registry,
};
use crate::wait::IdleOk;

type Site = &'static Location<'static>;

/// Looks at every task of every runtime, and at every thread inside a blocking wait of this crate.
///
/// Nothing is stopped or polled for it, and nobody notices: it may be called at any time, from anywhere, also when all
/// workers are stuck. It costs a few microseconds a task, all of them the caller's (`cargo bench --bench dump`).
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
    let mut seen = Vec::with_capacity(registry::places());
    registry::for_each(|record| seen.extend(record.snapshot()));
    let known = Known::new(&seen, clock::ticks());
    let tasks = known.tasks(&seen);
    let objects = known.listed();
    Dump {
        taken,
        verdicts: Verdict::find(&tasks, &objects),
        groups: Group::all(&tasks),
        tasks,
        objects,
        took: begin.elapsed(),
    }
}

/// Marks the waits of a future as no sign of trouble, however long they take: a dump does not list them, and they are never
/// among the oldest waits. Operations have it as a method.
///
/// ```
/// use gochan::{chan, diag, select};
///
/// # gochan::run(async {
/// let (jobs, rx) = chan::<u64>(1);
/// let (quit, quitting) = chan::<()>(0);
/// # jobs.send(3).await.unwrap();
/// let next = diag::idle_ok(async {
///     select! {
///         job = rx.recv() => job.ok(),
///         _ = quitting.recv() => None,
///     }
/// });
/// assert_eq!(next.await, Some(3));
/// # drop(quit);
/// # });
/// ```
pub fn idle_ok<F: Future>(future: F) -> IdleOk<F> {
    IdleOk::new(future)
}

/// What the looks at all records say together.
struct Known {
    now: u64,
    /// Where in `objects` each is.
    places: Ids<u32>,
    objects: Vec<Arc<Object>>,
    /// Of each task those that it is in.
    regions: Ids<Vec<region::Seen>>,
}

/// An object of which more and more becomes known.
#[derive(Default)]
struct Draft {
    made: Option<Site>,
    holders: Vec<Holder>,
    waiters: usize,
    queue: Vec<Queued>,
    buffer: Option<Buffer>,
}

/// All drafts, in the order in which they were begun: a small map is looked up faster than one of drafts.
#[derive(Default)]
struct Drafts {
    places: Ids<u32>,
    drafts: Vec<(ObjId, Draft)>,
}

impl Drafts {
    fn of(&mut self, id: ObjId) -> &mut Draft {
        let new = self.drafts.len();
        let place = *self.places.entry(id).or_insert(new as u32) as usize;
        if place == new {
            self.drafts.push((id, Draft::default()));
        }
        &mut self.drafts[place].1
    }
}

impl Known {
    fn new(seen: &[Snapshot], now: u64) -> Known {
        let mut drafts = Drafts::default();
        drafts.places.reserve(seen.len());
        listed::for_each(|facts| {
            let draft = drafts.of(facts.id);
            draft.made = Some(facts.made);
            draft.buffer = Some(Buffer {
                len: facts.len,
                capacity: facts.capacity,
                senders: facts.senders,
                receivers: facts.receivers,
                closed: facts.closed,
            });
        });
        for (who, wait) in seen.iter().filter_map(|s| Some((s.id, s.wait.as_ref()?))) {
            queue_up(&mut drafts, who, wait, now);
        }
        // Tasks and threads that are there, and where tasks were spawned.
        let alive = seen.iter().map(|seen| {
            let (spawned, born) = (seen.spawned, seen.spawned_at);
            (seen.id, Alive { spawned, born })
        });
        let alive: Ids<_> = alive.collect();
        let mut regions: Ids<Vec<region::Seen>> = Ids::default();
        for held in holder::all() {
            if let Some(region) = region::Seen::of(&held) {
                regions.entry(region.who).or_default().push(region);
                continue;
            }
            let holders = &mut drafts.of(held.what).holders;
            holders.push(Holder::new(&held, &alive, now));
        }
        let objects = drafts.drafts.into_iter();
        Known {
            now,
            places: drafts.places,
            objects: objects
                .map(|(id, draft)| Arc::new(Object::new(id, draft, &alive)))
                .collect(),
            regions,
        }
    }

    /// All tasks and waiting threads: longest waits first, then who can run, then who runs.
    fn tasks(&self, seen: &[Snapshot]) -> Vec<TaskInfo> {
        // What is put in order is small.
        let rank = |(at, seen): (usize, &Snapshot)| {
            let waited = seen.wait.as_ref().map_or(0, |wait| self.age(wait.since));
            let class = match seen.state {
                State::Waiting => 0,
                State::Runnable => 1,
                _ => 2_u8,
            };
            (class, Reverse(waited), seen.id, at)
        };
        let mut order: Vec<_> = seen.iter().enumerate().map(rank).collect();
        // Records lie about in the order in which tasks were spawned, and so most of it is there already: a sort that merges runs.
        order.sort();
        let mut tasks = Vec::with_capacity(order.len());
        let infos = order.iter().map(|(.., at)| TaskInfo::new(&seen[*at], self));
        tasks.extend(infos.flatten());
        tasks
    }

    fn age(&self, since: u64) -> u64 {
        age(self.now, since)
    }

    fn object(&self, id: ObjId) -> Option<Arc<Object>> {
        self.known_object(id).cloned()
    }

    fn known_object(&self, id: ObjId) -> Option<&Arc<Object>> {
        let place = *self.places.get(&id)?;
        self.objects.get(place as usize)
    }

    fn regions(&self, id: ObjId) -> Vec<RegionInfo> {
        let Some(regions) = self.regions.get(&id) else {
            return Vec::new();
        };
        let mut regions = regions.clone();
        regions.sort_unstable_by_key(region::Seen::rank);
        let info = |seen: &region::Seen| RegionInfo {
            name: seen.name,
            site: seen.site,
            since_ns: self.age(seen.since),
        };
        regions.iter().map(info).collect()
    }

    /// Those that have more to say than the waits for them.
    fn listed(self) -> Vec<Arc<Object>> {
        let tells = |object: &Arc<Object>| {
            !matches!(
                object.id.kind(),
                Kind::Task | Kind::Thread | Kind::Timer | Kind::Io
            )
        };
        let mut objects = self.objects;
        objects.retain(tells);
        objects.sort_by_cached_key(|object| {
            let longest = object.queue.first().map_or(0, |first| first.waited_ns);
            (Reverse(object.waiters), Reverse(longest), object.id)
        });
        objects
    }

    /// What there is to say of a wait for a lock that the one who waits has acquired before.
    fn again(&self, who: ObjId, wait: &WaitSnapshot) -> Option<Again> {
        if !matches!(wait.object.kind(), Kind::Mutex | Kind::RwMutex) {
            return None;
        }
        let lock = self.known_object(wait.object)?;
        let own = lock.holders.iter().find(|holder| holder.id == who)?;
        let waited = self.age(wait.since);
        let behind: Vec<_> = match wait.reason {
            WaitReason::RwMutexRead => lock
                .waiting(WaitReason::RwMutexWrite)
                .filter(|writer| writer.waited_ns >= waited)
                .map(|writer| writer.id)
                .collect(),
            _ => Vec::new(),
        };
        Some(Again {
            site: own.site,
            reads: !behind.is_empty(),
            behind,
        })
    }
}

fn age(now: u64, since: u64) -> u64 {
    clock::ticks_to_ns(now.saturating_sub(since))
}

/// Puts the one who waits into the queues of what it waits for.
fn queue_up(drafts: &mut Drafts, who: ObjId, wait: &WaitSnapshot, now: u64) {
    let mut enter = |id: ObjId, made, reason, site| {
        if id.is_none() {
            return;
        }
        let draft = drafts.of(id);
        draft.made = draft.made.or(made);
        // The arms of one select come one after the other.
        draft.waiters += usize::from(draft.queue.last().is_none_or(|last| last.id != who));
        // Most things are waited for by one.
        if draft.queue.is_empty() {
            draft.queue.reserve_exact(1);
        }
        draft.queue.push(Queued {
            id: who,
            reason,
            waited_ns: age(now, wait.since),
            site,
        });
    };
    if wait.arm_count == 0 {
        enter(wait.object, wait.made, wait.reason, wait.site);
    }
    for arm in wait.arms.iter() {
        enter(arm.object, arm.made, arm.reason, Some(arm.site));
    }
}

impl TaskInfo {
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
            name: seen.named.then(|| object::name(seen.id)).flatten(),
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
            labels: match seen.named {
                true => label::of(seen.id),
                false => Vec::new(),
            },
            unstable: seen.unstable,
        })
    }
}

impl Wait {
    fn new(who: ObjId, seen: &WaitSnapshot, known: &Known) -> Wait {
        let arm = |arm: &ArmNote| Arm {
            reason: arm.reason,
            object: known.object(arm.object),
            site: (arm.site != ArmNote::NIL.site).then_some(arm.site),
        };
        let whole = if seen.arm_count == 0 {
            known.object(seen.object)
        } else {
            None
        };
        Wait {
            reason: seen.reason,
            waited_ns: known.age(seen.since),
            object: whole,
            site: seen.site,
            arms: seen.arms.iter().map(arm).collect(),
            arm_count: seen.arm_count.into(),
            again: known.again(who, seen),
            idle: is_idle(seen),
        }
    }
}

/// Whether the wait was marked, or what it receives from; of a select, what one of its arms receives from.
pub(super) fn is_idle(seen: &WaitSnapshot) -> bool {
    let receives = |reason, object| reason == WaitReason::ChanRecv && object::is_idle(object);
    let mut arms = seen.arms.iter();
    seen.idle
        || receives(seen.reason, seen.object)
        || arms.any(|arm| receives(arm.reason, arm.object))
}

impl Object {
    fn new(id: ObjId, mut draft: Draft, alive: &Ids<Alive>) -> Object {
        draft.queue.sort_by_key(|queued| Reverse(queued.waited_ns));
        draft.holders.sort_by_key(|holder| Reverse(holder.held_ns));
        Object {
            id,
            name: object::name(id),
            made: draft.made.or_else(|| alive.get(&id)?.spawned),
            holders: draft.holders,
            count: (id.kind() == Kind::WaitGroup)
                .then(|| counted::count(id))
                .flatten(),
            waiters: draft.waiters,
            queue: draft.queue,
            mode: (id.kind() == Kind::Mutex)
                .then(|| object::mode(id))
                .flatten(),
            buffer: draft.buffer,
        }
    }
}

/// What a holder, or an object that is a task, is known by.
struct Alive {
    /// Where it was spawned.
    spawned: Option<Site>,
    /// When, in ticks.
    born: u64,
}

impl Holder {
    fn new(held: &Holding, alive: &Ids<Alive>, now: u64) -> Holder {
        let who = alive.get(&held.who);
        // Stamps are about right only: not from before the holder's birth.
        let since = who.map_or(held.since, |who| held.since.max(who.born));
        Holder {
            id: held.who,
            name: object::name(held.who),
            gone: !held.who.is_none() && who.is_none(),
            site: held.site,
            held_ns: age(now, since),
        }
    }
}

fn some(id: ObjId) -> Option<ObjId> {
    (!id.is_none()).then_some(id)
}
