//! The status record: what one task (or one waiting thread) is doing, readable by anybody at any time.
//!
//! What it is not: part of the task. Records live in chunks that are never unmapped ([`super::registry`]) and hold
//! integers and `&'static` data only, so a reader needs no lock, stops nobody and can never dangle.
//!
//! ```text
//! state      meaning                                        who writes it
//! FREE       the record belongs to nobody (id is 0)         registry, `finish`
//! IDLE       a thread between two waits                     the thread
//! RUNNABLE   woken or spawned, in a run queue               whoever made it runnable
//! RUNNING    being polled                                   the worker
//! WAITING    its last poll recorded a wait                  its own poll
//! ```
//!
//! 1. One writer at a time: the owner of the task's ACTIVE bit, who got it by an acquiring step from the one before, or
//!    the thread itself. Writers therefore load their own fields relaxed and never need a locked instruction.
//! 2. `seq` is odd while the fields of a wait (`object made site since`, the arms, and `word` becoming WAITING) are
//!    being written. Who sees WAITING and the same even `seq` before and after has the fields of one single wait.
//! 3. `id` guards the fields written at birth in the same way: it is 0 while they change, and is never given twice.
//! 4. `word`, `polls` and `woken_by` also change outside of that, each in one store: a snapshot may show a wait
//!    together with the waker that is just ending it, but never without the poll that began it. `word` leaves WAITING
//!    in such a single store, which needs no `seq`: the wait's fields simply stay behind, and tell of a task that runs
//!    what it waited for last.
//! 5. The first arm of a select keeps its object in the record's own fields; only its site and reason are apart.
//!
//! ORDERING pairs, writer to reader: `seq` odd, then fence Release, then the fields / the fields, then fence Acquire,
//! then `seq` again: who saw a field of the next wait sees its odd `seq`. `seq` even stored Release / loaded Acquire: who
//! sees it sees all fields. The same holds for `id` as 0 and as the new one. On x86-64 all of these are plain moves.
#![allow(unsafe_code)]

use std::array;
use std::panic::Location;
use std::ptr::NonNull;

use super::object::ObjId;
use super::words::{AtomicPtr, AtomicU32, AtomicU64, Ordering, fence};
use super::{ArmNote, Note};
use crate::shim::const_fn;
use crate::wait::reason::WaitReason;

use Ordering::{Acquire, Relaxed, Release};

/// Arms of a select that are recorded; of further ones only the number is.
pub(crate) const ARMS: usize = 4;
/// In `polls`.
const NAMED: u64 = 1 << 63;
/// How often a reader tries before it gives up on a wait's fields.
const TRIES: usize = if cfg!(gochan_loom) { 1 } else { 4 };

type Site = &'static Location<'static>;

/// What a task or thread is doing. The numbers are those of `word`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum State {
    Free = 0,
    Idle = 1,
    Runnable = 2,
    Running = 3,
    Waiting = 4,
}

/// The status of one task or thread: one cache line that changes all the time and two that do not.
#[derive(Debug)]
#[repr(C, align(64))]
pub(crate) struct Record {
    // The hot line.
    seq: AtomicU32,
    /// state, reason << 8, number of arms << 16
    word: AtomicU32,
    /// Polls, and in the top bit whether there is a name, or are labels.
    polls: AtomicU64,
    object: AtomicU64,
    made: StaticRef<Location<'static>>,
    site: StaticRef<Location<'static>>,
    since: AtomicU64,
    woken_by: AtomicU64,
    id: AtomicU64,
    // Written at birth.
    spawned_at: AtomicU64,
    spawned: StaticRef<Location<'static>>,
    parent: AtomicU64,
    type_name: StaticRef<TypeName>,
    runtime: AtomicU32,
    /// Written by selects: a byte an arm.
    arm_reasons: AtomicU32,
    /// The runtime's own pointer to the task, while it is not done.
    bound: AtomicPtr<()>,
    // Written by selects.
    arm_sites: [StaticRef<Location<'static>>; ARMS],
    arm_objects: [AtomicU64; ARMS - 1],
    arm_made: [StaticRef<Location<'static>>; ARMS - 1],
}

/// What is known of a task when it is spawned.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Birth<'a> {
    pub(crate) id: ObjId,
    pub(crate) name: Option<&'a str>,
    pub(crate) site: Option<Site>,
    pub(crate) parent: ObjId,
    pub(crate) runtime: u32,
    pub(crate) type_name: Option<&'static TypeName>,
}

/// A type's name behind a thin pointer, so that it fits one word.
#[derive(Debug)]
pub(crate) struct TypeName(fn() -> &'static str);

impl TypeName {
    pub(crate) const fn of<T: ?Sized>() -> &'static TypeName {
        trait Named {
            const NAME: &'static TypeName;
        }
        impl<T: ?Sized> Named for T {
            const NAME: &'static TypeName = &TypeName(std::any::type_name::<T>);
        }
        T::NAME
    }

    pub(crate) fn as_str(&self) -> &'static str {
        (self.0)()
    }
}

// === the writer ===

impl Record {
    pub(super) fn new() -> Record {
        Record {
            seq: AtomicU32::new(0),
            word: AtomicU32::new(word(State::Free, 0, 0)),
            polls: AtomicU64::new(0),
            object: AtomicU64::new(0),
            made: StaticRef::new(),
            site: StaticRef::new(),
            since: AtomicU64::new(0),
            woken_by: AtomicU64::new(0),
            id: AtomicU64::new(0),
            spawned_at: AtomicU64::new(0),
            spawned: StaticRef::new(),
            parent: AtomicU64::new(0),
            type_name: StaticRef::new(),
            runtime: AtomicU32::new(0),
            arm_reasons: AtomicU32::new(0),
            bound: AtomicPtr::new(std::ptr::null_mut()),
            arm_sites: array::from_fn(|_| StaticRef::new()),
            arm_objects: array::from_fn(|_| AtomicU64::new(0)),
            arm_made: array::from_fn(|_| StaticRef::new()),
        }
    }

    /// A task begins, runnable; `now` in ticks.
    pub(crate) fn spawned(&self, birth: &Birth<'_>, now: u64) {
        self.born(birth, now, State::Runnable);
    }

    /// A thread takes the record for its waits.
    pub(crate) fn spawned_thread(&self, birth: &Birth<'_>, now: u64) {
        self.born(birth, now, State::Idle);
    }

    fn born(&self, birth: &Birth<'_>, now: u64, state: State) {
        debug_assert!(!birth.id.is_none());
        debug_assert_eq!(self.id.load(Relaxed), 0, "the record is taken");
        // ORDERING: who reads a field below already sees that `id` is not the one it read before.
        fence(Release);
        self.spawned_at.store(now, Relaxed);
        self.spawned.store(birth.site);
        self.parent.store(birth.parent.raw(), Relaxed);
        self.type_name.store(birth.type_name);
        self.runtime.store(birth.runtime, Relaxed);
        self.bound.store(std::ptr::null_mut(), Relaxed);
        let named = if birth.name.is_some() { NAMED } else { 0 };
        self.polls.store(named, Relaxed);
        self.woken_by.store(0, Relaxed);
        self.word.store(word(state, 0, 0), Relaxed);
        if let Some(name) = birth.name {
            super::object::set_name(birth.id, name);
        }
        // ORDERING: who sees the new `id` sees everything above.
        self.id.store(birth.id.raw(), Release);
    }

    /// Begins a poll.
    #[inline]
    pub(crate) fn start_poll(&self) {
        self.word.store(word(State::Running, 0, 0), Relaxed);
        // ORDERING: Relaxed: this thread is the only writer.
        let polls = self.polls.load(Relaxed);
        self.polls.store(polls.wrapping_add(1), Relaxed);
    }

    /// Queued anew by its own worker, woken by nobody else.
    #[inline]
    pub(crate) fn requeued(&self) {
        self.word.store(word(State::Runnable, 0, 0), Relaxed);
    }

    /// A thread's wait is over, and it does again what it did `before`: nothing, or a poll.
    #[inline]
    pub(crate) fn resumed(&self, before: State) {
        let state = match before {
            State::Idle => State::Idle,
            _ => State::Running,
        };
        self.word.store(word(state, 0, 0), Relaxed);
    }

    /// The poll that runs is about to say Pending, because of `note`. Of several in one poll the last one stands.
    #[inline]
    pub(crate) fn park(&self, note: &Note) {
        let seq = self.begin();
        self.object.store(note.object.raw(), Relaxed);
        self.made.store(note.made);
        self.site.store(Some(note.site));
        self.since.store(note.since, Relaxed);
        self.word
            .store(word(State::Waiting, note.reason as u8, 0), Relaxed);
        self.end(seq);
    }

    /// As [`park`](Self::park), for a wait that any of `arms` ends.
    pub(crate) fn park_select(&self, note: &Note, arms: &[ArmNote]) {
        let seq = self.begin();
        self.site.store(Some(note.site));
        self.since.store(note.since, Relaxed);
        let first = arms.first();
        let object = first.map_or(note.object, |arm| arm.object);
        self.object.store(object.raw(), Relaxed);
        self.made.store(first.map_or(note.made, |arm| arm.made));
        let mut reasons = 0;
        for (i, arm) in arms.iter().take(ARMS).enumerate() {
            reasons |= u32::from(arm.reason as u8) << (8 * i);
            self.arm_sites[i].store(Some(arm.site));
            if i > 0 {
                self.arm_objects[i - 1].store(arm.object.raw(), Relaxed);
                self.arm_made[i - 1].store(arm.made);
            }
        }
        self.arm_reasons.store(reasons, Relaxed);
        let count = u16::try_from(arms.len()).unwrap_or(u16::MAX);
        self.word
            .store(word(State::Waiting, note.reason as u8, count), Relaxed);
        self.end(seq);
    }

    /// The poll that runs said Pending and nothing else.
    #[cold]
    pub(crate) fn park_foreign(&self, now: u64) {
        let seq = self.begin();
        self.object.store(0, Relaxed);
        self.made.store(None);
        self.site.store(None);
        self.since.store(now, Relaxed);
        let reason = WaitReason::Foreign as u8;
        self.word.store(word(State::Waiting, reason, 0), Relaxed);
        self.end(seq);
    }

    /// How many polls have begun.
    pub(crate) fn polls(&self) -> u64 {
        self.polls.load(Relaxed) & !NAMED
    }

    /// For the owner, and for those who cannot act on a stale answer.
    #[inline]
    pub(crate) fn state(&self) -> State {
        State::from_number(self.word.load(Relaxed) as u8)
    }

    /// Whether the poll that runs has recorded a wait. For the owner.
    #[inline]
    pub(crate) fn is_parked(&self) -> bool {
        self.word.load(Relaxed) as u8 == State::Waiting as u8
    }

    /// Somebody puts the task into a run queue. To be called between winning that right and pushing it.
    #[inline]
    pub(crate) fn runnable(&self, woken_by: ObjId) {
        self.woken_by.store(woken_by.raw(), Relaxed);
        self.word.store(word(State::Runnable, 0, 0), Relaxed);
    }

    /// The end: the record is nobody's again and no reader lists it any more.
    pub(crate) fn finish(&self) {
        let id = ObjId::from_raw(self.id.load(Relaxed));
        self.id.store(0, Relaxed);
        self.word.store(word(State::Free, 0, 0), Relaxed);
        // Only the hot line is touched: the other two are still with the core on which the task was spawned.
        if self.polls.load(Relaxed) & NAMED != 0 {
            super::object::forget(id);
        }
    }

    /// There are labels to forget. For the owner.
    pub(crate) fn set_labeled(&self) {
        self.polls.fetch_or(NAMED, Relaxed);
    }

    /// Lets the runtime find the task from here, until [`finish`](Self::finish).
    #[inline]
    pub(crate) fn bind(&self, task: NonNull<()>) {
        // ORDERING: Release: who sees the task sees of which runtime it is, and all that its maker did.
        self.bound.store(task.as_ptr(), Release);
    }

    /// The task here, if it is one of `runtime`.
    pub(crate) fn bound(&self, runtime: u32) -> Option<NonNull<()>> {
        // ORDERING: as in `snapshot`: the same id before and after means one single life.
        let id = self.id.load(Acquire);
        let mine = id != 0 && self.runtime.load(Relaxed) == runtime;
        let task = NonNull::new(self.bound.load(Acquire));
        fence(Acquire);
        task.filter(|_| mine && self.id.load(Relaxed) == id)
    }

    /// Whose record it is. For the owner, and for those who cannot act on a stale answer.
    #[inline]
    pub(crate) fn id(&self) -> ObjId {
        ObjId::from_raw(self.id.load(Relaxed))
    }

    #[inline]
    fn begin(&self) -> u32 {
        let seq = self.seq.load(Relaxed);
        self.seq.store(seq.wrapping_add(1), Relaxed);
        // ORDERING: pairs with the reader's fence: who reads a field stored after this also reads the odd `seq`.
        fence(Release);
        seq
    }

    #[inline]
    fn end(&self, seq: u32) {
        // ORDERING: pairs with the reader's first load of `seq`, which then sees every field of this wait.
        self.seq.store(seq.wrapping_add(2), Release);
    }
}

const fn word(state: State, reason: u8, arms: u16) -> u32 {
    state as u32 | (reason as u32) << 8 | (arms as u32) << 16
}

// === the reader ===

/// A copy of a record, consistent in itself.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Snapshot {
    pub(crate) id: ObjId,
    pub(crate) spawned: Option<Site>,
    pub(crate) spawned_at: u64,
    pub(crate) parent: ObjId,
    pub(crate) type_name: Option<&'static str>,
    pub(crate) runtime: u32,
    pub(crate) state: State,
    pub(crate) polls: u64,
    pub(crate) woken_by: ObjId,
    /// Only when it waits.
    pub(crate) wait: Option<WaitSnapshot>,
    /// Only when it runs: what it waited for last, and where.
    pub(crate) after: Option<(ObjId, Site)>,
    /// The task waited anew in each of our tries: it is alive, and what it waits for is left out.
    pub(crate) unstable: bool,
}

/// What a record said of a wait.
#[derive(Clone, Copy, Debug)]
pub(crate) struct WaitSnapshot {
    pub(crate) reason: WaitReason,
    pub(crate) object: ObjId,
    pub(crate) made: Option<Site>,
    pub(crate) site: Option<Site>,
    pub(crate) since: u64,
    /// How many arms a select has; the first [`ARMS`] are in `arms`.
    pub(crate) arm_count: u16,
    pub(crate) arms: [Option<ArmNote>; ARMS],
}

impl Record {
    /// What the record says; `None` when it is free. Takes at most a fixed number of tries.
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
            let (state, wait) = self.read_wait();
            // After `seq`: the poll that recorded this wait is among them.
            let polls = self.polls();
            let after = self.read_after(seen.spawned_at);
            // ORDERING: pairs with the fences in `begin` and `born`: if a field was of a later wait or a later life,
            // the loads below see that one's `seq` or 0 for the `id`.
            fence(Acquire);
            if self.id.load(Relaxed) != id {
                continue;
            }
            if seq.is_multiple_of(2) && self.seq.load(Relaxed) == seq {
                return (state != State::Free).then_some(Snapshot {
                    state,
                    wait,
                    polls,
                    after: after.filter(|_| state == State::Running),
                    unstable: false,
                    ..seen
                });
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
            woken_by: ObjId::from_raw(self.woken_by.load(Relaxed)),
            wait: None,
            after: None,
            unstable: true,
        }
    }
}

impl Record {
    /// State and wait, of which `seq` tells whether they belong together.
    fn read_wait(&self) -> (State, Option<WaitSnapshot>) {
        let word = self.word.load(Relaxed);
        let state = State::from_number(word as u8);
        if state != State::Waiting {
            return (state, None);
        }
        let Some(reason) = WaitReason::from_number((word >> 8) as u8) else {
            return (state, None);
        };
        let arm_count = (word >> 16) as u16;
        let object = ObjId::from_raw(self.object.load(Relaxed));
        let made = self.made.load();
        let wait = WaitSnapshot {
            reason,
            object,
            made,
            site: self.site.load(),
            since: self.since.load(Relaxed),
            arm_count,
            arms: self.read_arms(arm_count.into(), object, made),
        };
        (state, Some(wait))
    }

    /// The wait that is over: its fields stay behind. Those that are older than the task are somebody else's.
    fn read_after(&self, spawned_at: u64) -> Option<(ObjId, Site)> {
        let own = self.since.load(Relaxed) > spawned_at;
        let site = self.site.load().filter(|_| own)?;
        Some((ObjId::from_raw(self.object.load(Relaxed)), site))
    }

    fn read_arms(
        &self,
        count: usize,
        object: ObjId,
        made: Option<Site>,
    ) -> [Option<ArmNote>; ARMS] {
        let mut arms = [None; ARMS];
        let reasons = self.arm_reasons.load(Relaxed);
        for (i, arm) in arms.iter_mut().take(count).enumerate() {
            let (object, made) = match i.checked_sub(1) {
                None => (object, made),
                Some(i) => (
                    ObjId::from_raw(self.arm_objects[i].load(Relaxed)),
                    self.arm_made[i].load(),
                ),
            };
            let reason = WaitReason::from_number((reasons >> (8 * i)) as u8);
            *arm = reason
                .zip(self.arm_sites[i].load())
                .map(|(reason, site)| ArmNote {
                    reason,
                    object,
                    made,
                    site,
                });
        }
        arms
    }
}

impl State {
    fn from_number(number: u8) -> State {
        match number {
            1 => State::Idle,
            2 => State::Runnable,
            3 => State::Running,
            4 => State::Waiting,
            _ => State::Free,
        }
    }
}

// === a reference in one word ===

/// An `Option<&'static T>` that can be stored and read at the same time.
#[derive(Debug)]
pub(super) struct StaticRef<T: 'static>(AtomicPtr<T>);

impl<T> StaticRef<T> {
    const_fn! {
        pub(super) fn new() -> Self {
            StaticRef(AtomicPtr::new(std::ptr::null_mut()))
        }
    }

    #[inline]
    pub(super) fn store(&self, value: Option<&'static T>) {
        let pointer = value.map_or(std::ptr::null(), |v| v as *const T);
        // ORDERING: Relaxed: what lies behind a `&'static` was complete before anybody could name it.
        self.0.store(pointer.cast_mut(), Relaxed);
    }

    #[inline]
    pub(super) fn load(&self) -> Option<&'static T> {
        // SAFETY: the only pointers ever stored are null and those of `&'static T` in `store`; nobody writes through
        // them.
        unsafe { self.0.load(Relaxed).as_ref() }
    }
}

#[cfg(all(test, not(gochan_loom)))]
mod tests;
