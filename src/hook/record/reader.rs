//! What a record says, read by anybody at any time: a copy that is consistent in itself.
//!
//! What it is not: a writer. It waits for nobody, and gives up after [`TRIES`].

use super::super::words::{Ordering, fence};
use super::super::{ArmNote, ObjId, type_name::TypeName};
use super::{ARMS, ENDED, IDLE, Record, Site, State};
use crate::wait::reason::WaitReason;

use Ordering::{Acquire, Relaxed};

/// How often a reader tries before it gives up on a wait's fields.
const TRIES: usize = if cfg!(gochan_loom) { 1 } else { 4 };

/// A copy of a record, consistent in itself.
#[derive(Clone, Debug)]
pub(crate) struct Snapshot {
    pub(crate) id: ObjId,
    pub(crate) spawned: Option<Site>,
    pub(crate) spawned_at: u64,
    pub(crate) parent: ObjId,
    pub(crate) type_name: Option<&'static str>,
    pub(crate) runtime: u32,
    pub(crate) state: State,
    pub(crate) polls: u64,
    /// It has a name, or labels.
    pub(crate) named: bool,
    pub(crate) woken_by: ObjId,
    /// Only when it waits.
    pub(crate) wait: Option<WaitSnapshot>,
    /// Only when it is runnable: since when, in ticks; to about a poll of whoever made it so.
    pub(crate) runnable_since: Option<u64>,
    /// Only when it runs: what it waited for last, and where.
    pub(crate) after: Option<(ObjId, Site)>,
    /// The task waited anew in each of our tries: it is alive, and what it waits for is left out.
    pub(crate) unstable: bool,
}

/// What a record said of a wait.
#[derive(Clone, Debug)]
pub(crate) struct WaitSnapshot {
    pub(crate) reason: WaitReason,
    pub(crate) object: ObjId,
    pub(crate) made: Option<Site>,
    pub(crate) site: Option<Site>,
    pub(crate) since: u64,
    /// It is no sign of trouble, however long it takes.
    pub(crate) idle: bool,
    /// How many arms a select has; the first [`ARMS`] are in `arms`. Most waits have none, and copies of them are small.
    pub(crate) arm_count: u16,
    pub(crate) arms: Vec<ArmNote>,
}

impl Snapshot {
    /// With no time before its birth: stamps are about right only, and those of two threads may differ.
    fn since_birth(mut self) -> Snapshot {
        let born = self.spawned_at;
        if let Some(wait) = &mut self.wait {
            wait.since = wait.since.max(born);
        }
        self.runnable_since = self.runnable_since.map(|since| since.max(born));
        self
    }
}

impl Record {
    /// What the record says, with no time before its birth; `None` when it is free. Takes at most a fixed number of tries.
    pub(crate) fn snapshot(&self) -> Option<Snapshot> {
        let mut last = None;
        for _ in 0..TRIES {
            // ORDERING: pairs with the Release in `born`: the fields below are at least those of this id.
            let id = self.id.load(Acquire);
            if id == 0 {
                return None;
            }
            let seen = self.identity(id);
            // ORDERING: pairs with `end`.
            let seq = self.seq.load(Acquire);
            let word = self.word.load(Relaxed);
            let since = self.since.load(Relaxed);
            let state = State::from_number(word as u8);
            let wait = self.read_wait(word, since);
            // After `seq`: the poll that recorded this wait is among them.
            let polls = self.polls();
            let after = self.read_after();
            // ORDERING: pairs with the fences in `begin` and `born`: if a field was of a later wait or a later life,
            // the loads below see that one's `seq` or 0 for the `id`.
            fence(Acquire);
            if self.id.load(Relaxed) != id {
                continue;
            }
            let torn = is_torn(state, since);
            if seq.is_multiple_of(2) && self.seq.load(Relaxed) == seq && !torn {
                let seen = Snapshot {
                    state,
                    wait,
                    polls,
                    runnable_since: (state == State::Runnable).then_some(since & !ENDED),
                    after: after.filter(|_| state == State::Running),
                    unstable: false,
                    ..seen
                };
                return (state != State::Free).then(|| seen.since_birth());
            }
            last = Some(seen);
        }
        last
    }

    /// The part of a snapshot that the id vouches for.
    fn identity(&self, id: u64) -> Snapshot {
        Snapshot {
            id: ObjId::from_raw(id),
            spawned: self.spawned.load(),
            spawned_at: self.spawned_at.load(Relaxed),
            parent: ObjId::from_raw(self.parent.load(Relaxed)),
            type_name: self.type_name.load().map(TypeName::as_str),
            runtime: self.runtime.load(Relaxed),
            state: State::Running,
            polls: self.polls(),
            named: self.is_named(),
            woken_by: ObjId::from_raw(self.woken_by.load(Relaxed)),
            wait: None,
            runnable_since: None,
            after: None,
            unstable: true,
        }
    }
}

/// Whether `since` is of another state than this one: it was just changing.
fn is_torn(state: State, since: u64) -> bool {
    let ended = since & ENDED != 0;
    match state {
        State::Waiting => ended,
        State::Runnable => !ended,
        State::Free | State::Idle | State::Running => false,
    }
}

impl Record {
    /// The wait that goes with `word`; `seq` tells whether it does.
    fn read_wait(&self, word: u32, since: u64) -> Option<WaitSnapshot> {
        if word as u8 != State::Waiting as u8 {
            return None;
        }
        let reason = WaitReason::from_number(((word & !IDLE) >> 8) as u8)?;
        let arm_count = (word >> 16) as u16;
        let object = ObjId::from_raw(self.object.load(Relaxed));
        let made = self.made.load();
        Some(WaitSnapshot {
            reason,
            object,
            made,
            site: self.site.load(),
            since,
            idle: word & IDLE != 0,
            arm_count,
            arms: self.read_arms(arm_count.into(), object, made),
        })
    }

    /// The wait that is over: its fields stay behind.
    fn read_after(&self) -> Option<(ObjId, Site)> {
        let site = self.site.load()?;
        Some((ObjId::from_raw(self.object.load(Relaxed)), site))
    }

    fn read_arms(&self, count: usize, object: ObjId, made: Option<Site>) -> Vec<ArmNote> {
        let reasons = self.arm_reasons.load(Relaxed);
        let arm = |i: usize| {
            let (object, made) = match i.checked_sub(1) {
                None => (object, made),
                Some(i) => (
                    ObjId::from_raw(self.arm_objects[i].load(Relaxed)),
                    self.arm_made[i].load(),
                ),
            };
            Some(ArmNote {
                reason: WaitReason::from_number((reasons >> (8 * i)) as u8)?,
                object,
                made,
                site: self.arm_sites[i].load()?,
            })
        };
        (0..count.min(ARMS)).filter_map(arm).collect()
    }
}
