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
//!    being written. Who sees WAITING and the same even `seq` before and after has the fields of one single wait, but for
//!    `since`: that also changes, in one store, when the wait ends, and then says so ([`ENDED`]). A WAITING with an ended
//!    `since`, or a RUNNABLE with one that is not, was read in the middle of that.
//! 3. `id` guards the fields written at birth in the same way: it is 0 while they change, and is never given twice.
//! 4. `word`, `polls` and `woken_by` also change outside of that, each in one store: a snapshot may show a wait
//!    together with the waker that is just ending it, but never without the poll that began it. `word` becomes
//!    RUNNING in such a single store, which needs no `seq`: the last wait's object and site simply stay behind, and tell of
//!    a task that runs what it waited for last.
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
use super::sink::Made;
use super::type_name::TypeName;
use super::words::{AtomicPtr, AtomicU32, AtomicU64, Ordering, fence};
use super::{ArmNote, Note, RECORDED};
use crate::shim::const_fn;
use crate::wait::reason::WaitReason;

use Ordering::{Acquire, Relaxed, Release};

pub(crate) use self::reader::{Snapshot, WaitSnapshot};

/// Arms of a select that are recorded; of further ones only the number is.
pub(crate) const ARMS: usize = 4;
/// In `word`: the wait is no sign of trouble.
const IDLE: u32 = 1 << 15;
/// In `polls`.
const NAMED: u64 = 1 << 63;
/// In `since`: the time at which the task became runnable, not at which it began to wait.
const ENDED: u64 = 1 << 63;

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
    /// state, reason << 8, idle << 15, number of arms << 16
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
        // What the one before waited for is not this one's past.
        self.site.store(None);
        self.since.store(now | ENDED, Relaxed);
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
        if RECORDED {
            self.count_poll();
        }
    }

    /// A poll of a thread that is no wait is told by this alone.
    pub(crate) fn count_poll(&self) {
        // ORDERING: Relaxed: this thread is the only writer.
        let polls = self.polls.load(Relaxed);
        self.polls.store(polls.wrapping_add(1), Relaxed);
    }

    /// Queued anew by its own worker, woken by nobody else; `now` in ticks.
    #[inline]
    pub(crate) fn requeued(&self, now: u64) {
        self.write_runnable(word(State::Runnable, 0, 0), now);
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
        if !RECORDED {
            return self.word.store(word(State::Waiting, 0, 0), Relaxed);
        }
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
        if !RECORDED {
            return self.park(note);
        }
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

    /// The wait that the running poll has recorded is no sign of trouble, however long it takes.
    pub(crate) fn set_idle(&self) {
        let word = self.word.load(Relaxed);
        if word as u8 == State::Waiting as u8 {
            self.word.store(word | IDLE, Relaxed);
        }
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

    /// Somebody puts the task into a run queue; `now` in ticks. To be called between winning that right and pushing it.
    #[inline]
    pub(crate) fn runnable(&self, woken_by: ObjId, now: u64) {
        if !RECORDED {
            return;
        }
        self.woken_by.store(woken_by.raw(), Relaxed);
        // The reason of the wait that is over stays, with a mark: it tells what the task is woken from.
        let old = self.word.load(Relaxed);
        let (waits, reason) = (old as u8 == State::Waiting as u8, (old >> 8) as u8);
        let after = if waits { (reason, 1) } else { (0, 0) };
        self.write_runnable(word(State::Runnable, after.0, after.1), now);
    }

    #[inline]
    fn write_runnable(&self, word: u32, now: u64) {
        if !RECORDED {
            return;
        }
        self.since.store(now | ENDED, Relaxed);
        // ORDERING: pairs with the reader's fence: who sees RUNNABLE mostly sees its time as well.
        self.word.store(word, Release);
    }

    /// How the task came to be runnable. For whoever is about to poll it.
    pub(crate) fn made_runnable(&self) -> Made {
        let word = self.word.load(Relaxed);
        let after = WaitReason::from_number((word >> 8) as u8);
        Made {
            at: self.since.load(Relaxed) & !ENDED,
            after: after.filter(|_| word >> 16 != 0),
        }
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

    /// Whether it has a name, or labels. For the owner.
    pub(crate) fn is_named(&self) -> bool {
        self.polls.load(Relaxed) & NAMED != 0
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

    /// The function of the task `id` and where it was spawned, if this is still its record.
    pub(crate) fn origin(&self, id: ObjId) -> Option<(Option<&'static str>, Option<Site>)> {
        // ORDERING: as in `snapshot`: the same id before and after means one single life.
        let before = self.id.load(Acquire);
        let origin = (self.type_name.load(), self.spawned.load());
        fence(Acquire);
        let same = before == id.raw() && self.id.load(Relaxed) == before;
        same.then(|| (origin.0.map(TypeName::as_str), origin.1))
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

// By its path: the model compiles this file a second time, from elsewhere.
#[path = "record/reader.rs"]
mod reader;
#[cfg(all(test, not(gochan_loom)))]
mod tests;
