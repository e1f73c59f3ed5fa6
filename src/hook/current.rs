//! Who runs on this thread right now: the task being polled, or the thread itself inside a `.wait()`.
//!
//! What it is not: an owner. It holds copies of pointers that are only compared, and a record that is never unmapped.
//!
//! 1. The slot is set for exactly as long as one poll runs; a poll inside a poll ([`enter`]) puts the outer one back.
//! 2. `data` and `vtable` are those of the waker that the running poll was given; they are compared, never followed.
//! 3. The slot has no destructor and a constant first value, so reading it is one load relative to the thread's base
//!    and works until the thread's last instruction.

use std::marker::PhantomData;
use std::ptr;
use std::task::{RawWakerVTable, Waker};

use std::cell::Cell;

use super::object::{Kind, ObjId};
use super::record::{Birth, Record};
use super::registry;
use super::{ArmNote, Note, PARK};
use crate::clock;
use crate::shim::thread_local;

/// A budget that never ends: for threads, and for tasks of other executors.
pub(crate) const UNLIMITED: u32 = u32::MAX;

/// The one that runs: what to compare wakers with, and where its status goes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Current {
    pub(crate) data: *const (),
    pub(crate) vtable: *const RawWakerVTable,
    pub(crate) record: Option<&'static Record>,
}

impl Current {
    pub(crate) const NOBODY: Current = Current {
        data: ptr::null(),
        vtable: ptr::null(),
        record: None,
    };

    /// The one whose poll is given `waker`.
    pub(crate) fn of(waker: &Waker, record: Option<&'static Record>) -> Current {
        Current {
            data: waker.data(),
            vtable: waker.vtable(),
            record,
        }
    }
}

struct Slot {
    current: Cell<Current>,
    budget: Cell<u32>,
    yielded: Cell<bool>,
}

thread_local! {
    static SLOT: Slot = const {
        Slot {
            current: Cell::new(Current::NOBODY),
            budget: Cell::new(UNLIMITED),
            yielded: Cell::new(false),
        }
    };
}

// === for executors ===

/// Makes `current` the one that runs, with a budget without end, until the guard is dropped. The one before, its
/// budget and its yield mark come back then.
pub(crate) fn enter(current: Current) -> Entered {
    SLOT.with(|slot| Entered {
        current: slot.current.replace(current),
        budget: slot.budget.replace(UNLIMITED),
        yielded: slot.yielded.replace(false),
        not_send: PhantomData,
    })
}

/// Puts the outer one back when dropped.
#[must_use = "the one that runs changes back when this is dropped"]
#[derive(Debug)]
pub(crate) struct Entered {
    current: Current,
    budget: u32,
    yielded: bool,
    /// The slot is that of this thread.
    not_send: PhantomData<*const ()>,
}

impl Drop for Entered {
    fn drop(&mut self) {
        SLOT.with(|slot| {
            slot.current.set(self.current);
            slot.budget.set(self.budget);
            slot.yielded.set(self.yielded);
        });
    }
}

/// Makes `current` the one that runs and saves nothing: for a worker's loop, which has nobody outside of it.
/// [`clear`] ends it.
#[inline]
pub(crate) fn set(current: Current) {
    SLOT.with(|slot| slot.current.set(current));
}

/// Nobody runs any more.
#[inline]
pub(crate) fn clear() {
    SLOT.with(|slot| slot.current.set(Current::NOBODY));
}

/// How many operations the running slice may still do.
#[inline]
pub(crate) fn budget() -> u32 {
    SLOT.with(|slot| slot.budget.get())
}

/// Grants the running slice `operations`; [`UNLIMITED`] is without end.
#[inline]
pub(crate) fn set_budget(operations: u32) {
    SLOT.with(|slot| slot.budget.set(operations));
}

/// Marks that the running poll gives way, and is to be queued behind the others.
#[inline]
pub(crate) fn set_yielded() {
    SLOT.with(|slot| slot.yielded.set(true));
}

/// Whether the poll that just ended gave way; the mark is gone afterwards.
#[inline]
pub(crate) fn take_yielded() -> bool {
    SLOT.with(|slot| slot.yielded.replace(false))
}

// === for operations ===

/// Whether `waker` is the one that the running poll was given.
#[inline]
pub(crate) fn is_own_waker(waker: &Waker) -> bool {
    SLOT.with(|slot| {
        let current = slot.current.get();
        ptr::eq(waker.data(), current.data) && ptr::eq(waker.vtable(), current.vtable)
    })
}

/// Takes one operation from the slice. False: it is used up, and the caller wakes itself and says Pending.
#[inline]
pub(crate) fn spend_budget() -> bool {
    SLOT.with(|slot| match slot.budget.get() {
        0 => false,
        UNLIMITED => true,
        left => {
            slot.budget.set(left - 1);
            true
        }
    })
}

/// The task that runs here, or the thread if it is inside a `.wait()`; [`ObjId::NONE`] for anybody else.
#[inline]
pub(crate) fn id() -> ObjId {
    record().map_or(ObjId::NONE, Record::id)
}

/// [`id`] as the bare number that a [`Note`] carries: 0 outside of tasks and waits.
#[inline]
pub(crate) fn task_id() -> u64 {
    id().raw()
}

/// The record of the one that runs.
#[inline]
pub(crate) fn record() -> Option<&'static Record> {
    SLOT.with(|slot| slot.current.get().record)
}

/// Whether the running poll has recorded a wait already. For combinators that only want to record theirs if what they
/// hold said nothing.
#[inline]
pub(crate) fn is_parked() -> bool {
    record().is_some_and(Record::is_parked)
}

/// The running poll is about to say Pending because of `note`. No lock may be held: subscribers run here.
#[inline]
pub(crate) fn park(note: &Note) {
    if let Some(record) = record() {
        record.park(note);
    }
    if super::on(PARK) {
        super::subscriber::parked(note, &[]);
    }
}

/// As [`park`], for a wait that any of `arms` ends.
pub(crate) fn park_select(note: &Note, arms: &[ArmNote]) {
    if let Some(record) = record() {
        record.park_select(note, arms);
    }
    if super::on(PARK) {
        super::subscriber::parked(note, arms);
    }
}

// === threads ===

std::thread_local! {
    static THREAD: ThreadRecord = ThreadRecord::new();
}

/// A thread's record, from its first wait to its end.
struct ThreadRecord(&'static Record);

/// The record of this thread; `None` once the thread's own values are being dropped.
pub(crate) fn thread_record() -> Option<&'static Record> {
    THREAD.try_with(|thread| thread.0).ok()
}

impl ThreadRecord {
    #[cold]
    fn new() -> ThreadRecord {
        let record = registry::acquire();
        let thread = std::thread::current();
        let birth = Birth {
            id: ObjId::fresh(Kind::Thread),
            name: thread.name(),
            site: None,
            parent: ObjId::NONE,
            runtime: 0,
            type_name: None,
        };
        record.spawned_thread(&birth, clock::ticks());
        ThreadRecord(record)
    }
}

impl Drop for ThreadRecord {
    fn drop(&mut self) {
        registry::release(self.0);
    }
}
