//! What a dump knows for certain to stand in the way, told before everything else.
//!
//! What it is not: a search for deadlocks. Each verdict follows from what a few records say, and says which.
//!
//! A wait that is marked as idle is no trouble, and neither is a wait for a point in time, which comes by itself. Who waits for
//! somebody who waits is left out as well: the other one says more.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::panic::Location;
use std::sync::Arc;

use super::group::{Alike, Likes};
use super::ids::{IdSet, Ids};
use super::words::{At, Count, Time, Who, crowd};
use super::{Holder, Object, Queued, TaskInfo, Wait};
use crate::hook::{Kind, ObjId, WaitClass, WaitReason};

mod words;

pub(super) use self::words::fill;
use self::words::{at, held, named, queue, since, waits, who};

type Site = &'static Location<'static>;

/// Shorter waits are no news: as long as a poll that the monitor calls long.
const LONG_NS: u64 = 10_000_000;
/// The oldest waits that are told.
const OLDEST: usize = 3;
/// So many different tasks have left others behind that it is a habit.
const HABIT: usize = 3;
/// The waiters that are named.
const NAMED: usize = 4;

/// One thing that is known to stand in the way.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Verdict {
    /// What sort of thing it is.
    pub kind: VerdictKind,
    /// The task, thread or object that it is about.
    pub subject: ObjId,
    /// The line to look at first.
    pub site: Option<Site>,
    /// For how long it has been so, in nanoseconds.
    pub lasted_ns: u64,
    /// In words: the finding, then what it follows from.
    pub lines: Vec<String>,
}

/// What sort of [`Verdict`] it is. All of these are exact: they say what is so, not what it may mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum VerdictKind {
    /// Who waits for a lock holds it already.
    OwnLock,
    /// A lock is waited for, and the task or thread that acquired it is gone.
    HolderGone,
    /// A lock is waited for, and its holder waits itself, and has for more than 10 ms.
    HolderWaits,
    /// A task keeps a worker to itself.
    LongPoll,
    /// Senders wait because nobody receives, for more than 10 ms.
    SendersWait,
    /// Tasks wait for nothing but ticks, and those that spawned them, three or more, have all ended.
    LeftTicking,
    /// One of the longest waits of which nothing else is known.
    OldWait,
}

impl VerdictKind {
    /// The kind in one word, as JSON has it.
    ///
    /// ```
    /// assert_eq!(gochan::diag::VerdictKind::HolderWaits.as_str(), "holder_waits");
    /// ```
    pub const fn as_str(self) -> &'static str {
        match self {
            VerdictKind::OwnLock => "own_lock",
            VerdictKind::HolderGone => "holder_gone",
            VerdictKind::HolderWaits => "holder_waits",
            VerdictKind::LongPoll => "long_poll",
            VerdictKind::SendersWait => "senders_wait",
            VerdictKind::LeftTicking => "left_ticking",
            VerdictKind::OldWait => "old_wait",
        }
    }
}

impl Verdict {
    /// All there are, worst first. `tasks` has the longest waits first.
    pub(super) fn find(tasks: &[TaskInfo], objects: &[Arc<Object>]) -> Vec<Verdict> {
        let by_id = tasks.iter().map(|task| (task.id, task)).collect();
        let mut court = Court {
            tasks: by_id,
            told: IdSet::default(),
            verdicts: Vec::new(),
        };
        tasks.iter().for_each(|task| court.own_lock(task));
        objects.iter().for_each(|object| court.lock(object));
        tasks.iter().for_each(|task| court.long_poll(task));
        objects.iter().for_each(|object| court.senders(object));
        court.left_ticking(tasks);
        court.old_waits(tasks);
        // Of a chain of locks first the one at whose end nobody waits for a lock.
        court.verdicts.sort_by_key(|(rank, verdict)| {
            (
                verdict.kind,
                *rank,
                u64::MAX - verdict.lasted_ns,
                verdict.subject,
            )
        });
        court
            .verdicts
            .into_iter()
            .map(|(_, verdict)| verdict)
            .collect()
    }
}

struct Court<'a> {
    tasks: Ids<&'a TaskInfo>,
    /// Tasks and objects of which a verdict tells.
    told: IdSet,
    verdicts: Vec<(u8, Verdict)>,
}

impl<'a> Court<'a> {
    fn wait_of(&self, id: ObjId) -> Option<(&'a TaskInfo, &'a Wait)> {
        let task = *self.tasks.get(&id)?;
        Some((task, task.wait.as_ref()?))
    }

    fn own_lock(&mut self, task: &TaskInfo) {
        let Some(wait) = &task.wait else { return };
        let (Some(again), Some(lock)) = (&wait.again, &wait.object) else {
            return;
        };
        let who = Who(task.id, task.name.as_deref());
        let mut line = format!("{who} waits for {}", named(lock));
        line.push_str(match again.reads {
            true => ", which it has acquired to read itself",
            false => ", which it has acquired itself",
        });
        at(&mut line, again.site);
        line.push_str(&waits("; waits", wait));
        self.told.extend([task.id, lock.id]);
        let lines = vec![line];
        self.tell(
            0,
            VerdictKind::OwnLock,
            task.id,
            wait.site,
            wait.waited_ns,
            lines,
        );
    }

    /// Somebody waits for a lock: what does its holder do?
    fn lock(&mut self, lock: &Object) {
        let is_lock = matches!(lock.id.kind(), Kind::Mutex | Kind::RwMutex);
        if !is_lock || lock.queue.is_empty() || self.told.contains(&lock.id) {
            return;
        }
        if let Some(gone) = lock.holders.iter().find(|holder| holder.gone) {
            return self.holder_gone(lock, gone);
        }
        let holders = lock.holders.iter();
        let waiting = holders.filter_map(|holder| Some((holder, self.wait_of(holder.id)?)));
        let longest = waiting.max_by_key(|(_, (_, wait))| wait.waited_ns);
        if let Some((holder, (task, wait))) = longest
            && wait.waited_ns >= LONG_NS
        {
            self.holder_waits(lock, holder, task, wait);
        }
    }

    fn holder_gone(&mut self, lock: &Object, holder: &Holder) {
        let mut line = format!("{} is held by {}, which is gone", named(lock), who(holder));
        held(&mut line, holder);
        let lines = vec![line, queue(&lock.queue)];
        self.told.insert(lock.id);
        self.tell(
            0,
            VerdictKind::HolderGone,
            lock.id,
            holder.site,
            holder.held_ns,
            lines,
        );
    }

    fn holder_waits(&mut self, lock: &Object, holder: &Holder, task: &TaskInfo, wait: &Wait) {
        let mut line = format!("{} is held by {}", named(lock), who(holder));
        held(&mut line, holder);
        line.push_str(&waits(", which waits", wait));
        let lines = vec![line, queue(&lock.queue)];
        let for_lock = matches!(
            wait.reason,
            WaitReason::MutexLock | WaitReason::RwMutexRead | WaitReason::RwMutexWrite
        );
        self.told.extend([lock.id, task.id]);
        let (kind, lasted) = (VerdictKind::HolderWaits, wait.waited_ns);
        self.tell(for_lock.into(), kind, lock.id, wait.site, lasted, lines);
    }

    fn long_poll(&mut self, task: &TaskInfo) {
        let Some(poll) = &task.long_poll else { return };
        let mut line = format!(
            "{} has been in one poll for {}",
            Who(task.id, task.name.as_deref()),
            Time(poll.lasted_ns)
        );
        line.push_str(&since(poll));
        if let Some(site) = task.spawned {
            write!(line, "; spawned at {}", At(site)).ok();
        }
        let (kind, lasted) = (VerdictKind::LongPoll, poll.lasted_ns);
        self.tell(
            0,
            kind,
            task.id,
            poll.after.or(task.spawned),
            lasted,
            vec![line],
        );
    }

    /// Senders wait, and there are receivers who could help them, and do something else.
    fn senders(&mut self, chan: &Object) {
        let senders = || chan.waiting(WaitReason::ChanSend);
        let Some(first) = senders().find(|sender| self.only_sends(sender.id)) else {
            return;
        };
        if first.waited_ns < LONG_NS || chan.waiting(WaitReason::ChanRecv).next().is_some() {
            return;
        }
        let mut line = format!("nobody receives from {}", named(chan));
        let count = Count(senders().count(), "sender");
        write!(line, ": {count} waiting, {}", Time(first.waited_ns)).ok();
        at(&mut line, first.site);
        let mut lines = vec![line];
        if let Some(receiver) = senders().find_map(|sender| self.receiver(sender)) {
            lines.push(self.doing(receiver));
        }
        self.told.insert(chan.id);
        self.told.extend(senders().map(|sender| sender.id));
        let (kind, lasted) = (VerdictKind::SendersWait, first.waited_ns);
        self.tell(0, kind, chan.id, first.site, lasted, lines);
    }

    /// Whether it does nothing but wait to send: not in a select, which has other arms, and not at its ease.
    fn only_sends(&self, id: ObjId) -> bool {
        self.wait_of(id)
            .is_some_and(|(_, wait)| wait.reason == WaitReason::ChanSend && !wait.idle)
    }

    /// Who let this sender go on the last time: it received then.
    fn receiver(&self, sender: &Queued) -> Option<&'a TaskInfo> {
        let woken_by = self.tasks.get(&sender.id)?.woken_by?;
        self.tasks.get(&woken_by).copied()
    }

    fn doing(&self, task: &TaskInfo) -> String {
        let who = Who(task.id, task.name.as_deref());
        let mut line = format!("the last to let a sender go on was {who}, which ");
        match &task.wait {
            Some(wait) => line.push_str(&waits("waits", wait)),
            None => write!(line, "is {}", task.state.as_str()).unwrap_or_default(),
        }
        line
    }

    /// Workers of tickers that nobody has stopped, by the places where they wait and were spawned.
    fn left_ticking(&mut self, tasks: &[TaskInfo]) {
        let mut left: HashMap<(Alike, Option<Site>), Vec<&TaskInfo>> = HashMap::new();
        for task in tasks.iter().filter(|task| self.is_left_ticking(task)) {
            if let Some(wait) = &task.wait {
                let place = (Alike::of(wait), task.spawned);
                left.entry(place).or_default().push(task);
            }
        }
        for tasks in left.values() {
            let spawners: IdSet = tasks.iter().filter_map(|task| task.parent).collect();
            if spawners.len() >= HABIT {
                self.habit(tasks, spawners.len());
            }
        }
    }

    fn is_left_ticking(&self, task: &TaskInfo) -> bool {
        let ticks = |wait: &Wait| wait.reason == WaitReason::Timer && !wait.idle;
        let gone = |spawner| !self.tasks.contains_key(&spawner);
        task.wait.as_ref().is_some_and(ticks) && task.parent.is_some_and(gone)
    }

    /// The same place has left tasks behind again and again. Not none.
    fn habit(&mut self, tasks: &[&TaskInfo], spawners: usize) {
        let Some(oldest) = tasks.iter().max_by_key(|task| task.age_ns) else {
            return;
        };
        let site = oldest.wait.as_ref().and_then(|wait| wait.site);
        let mut line = format!(
            "{} for nothing but ticks",
            match tasks.len() {
                1 => "1 task waits".to_owned(),
                n => format!("{n} tasks wait"),
            }
        );
        at(&mut line, site);
        write!(line, "; spawned").ok();
        at(&mut line, oldest.spawned);
        let ended = Count(spawners, "task");
        write!(
            line,
            " by {ended}, all of which have ended, the first {} ago",
            Time(oldest.age_ns)
        )
        .ok();
        self.told.extend(tasks.iter().map(|task| task.id));
        let kind = VerdictKind::LeftTicking;
        self.tell(0, kind, oldest.id, site, oldest.age_ns, vec![line]);
    }

    fn old_waits(&mut self, tasks: &[TaskInfo]) {
        let mut counts: Likes<(&TaskInfo, &Wait, usize, usize)> = Likes::default();
        let mut order = Vec::new();
        for task in tasks {
            let Some(wait) = task.wait.as_ref().filter(|wait| self.is_news(task, wait)) else {
                continue;
            };
            let alike = Alike::of(wait);
            let entry = counts.entry(alike).or_insert_with(|| {
                order.push(alike);
                (task, wait, 0, 0)
            });
            entry.2 += 1;
            entry.3 += usize::from(task.is_thread());
        }
        for alike in order.iter().take(OLDEST) {
            let (task, wait, count, threads) = counts[alike];
            self.old_wait(task, wait, count, threads);
        }
    }

    fn old_wait(&mut self, task: &TaskInfo, wait: &Wait, count: usize, threads: usize) {
        let who = Who(task.id, task.name.as_deref());
        let mut line = format!("a long wait: {who} waits{}", waits("", wait));
        if count > 1 {
            write!(line, "; {} wait there", crowd(count, threads)).ok();
        }
        let lines = vec![line];
        self.tell(
            0,
            VerdictKind::OldWait,
            task.id,
            wait.site,
            wait.waited_ns,
            lines,
        );
    }

    /// Whether this wait is long, and nothing says more about it than it does itself.
    fn is_news(&self, task: &TaskInfo, wait: &Wait) -> bool {
        let ends_by_itself = wait.reason.class() == WaitClass::Time
            || wait
                .arms
                .iter()
                .any(|arm| arm.reason.class() == WaitClass::Time);
        let told = |object: &Arc<Object>| self.told.contains(&object.id);
        let beside = wait
            .object
            .as_ref()
            .is_some_and(|object| told(object) || self.leads_on(object));
        let long = wait.waited_ns >= LONG_NS;
        long && !wait.idle && !ends_by_itself && !beside && !self.told.contains(&task.id)
    }

    /// Whether who waits for this waits for somebody who is there and has a wait or a poll of his own.
    fn leads_on(&self, object: &Object) -> bool {
        let waits = |id| self.wait_of(id).is_some();
        // Enough of them: with many readers there may be many waits for them as well.
        let mut holders = object.holders.iter().take(64);
        self.tasks.contains_key(&object.id) || holders.any(|holder| waits(holder.id))
    }

    fn tell(
        &mut self,
        rank: u8,
        kind: VerdictKind,
        subject: ObjId,
        site: Option<Site>,
        lasted_ns: u64,
        lines: Vec<String>,
    ) {
        let verdict = Verdict {
            kind,
            subject,
            site,
            lasted_ns,
            lines,
        };
        self.verdicts.push((rank, verdict));
    }
}
