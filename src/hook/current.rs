//! Who runs on this thread right now: the task being polled, or the thread itself inside a `.wait()`.
//!
//! What it is not: an owner. It holds copies of pointers that are only compared, and a record that is never unmapped.
//!
//! 1. The slot is set for exactly as long as one poll runs; a poll inside a poll, and a thread's wait inside one, put
//!    the outer one back.
//! 2. `data` and `vtable` are those of the waker that the running poll was given; they are compared, never followed.
//! 3. The slot has no destructor and a constant first value, so reading it is one load relative to the thread's base
//!    and works until the thread's last instruction.

use std::cell::Cell;
use std::marker::PhantomData;
use std::panic::Location;
use std::ptr;
use std::task::{RawWakerVTable, Waker};

use super::object::{Kind, ObjId};
use super::record::{Birth, Record, State};
use super::registry;
use super::{ArmNote, Note, PARK, WaitReason};
use crate::clock;
use crate::shim::thread_local;

/// A budget that never ends: for threads, and for tasks of other executors. Negative, as a signed number.
pub(crate) const UNLIMITED: u32 = u32::MAX;
/// Operations between two looks at the clock in a time slice.
const SLICE_BUDGET: u32 = 128;

/// The one that runs: what to compare wakers with, and where its status goes.
#[derive(Clone, Copy, Debug)]
struct Current {
    data: *const (),
    vtable: *const RawWakerVTable,
    record: Option<&'static Record>,
}

impl Current {
    const NOBODY: Current = Current {
        data: ptr::null(),
        vtable: ptr::null(),
        record: None,
    };
}

struct Slot {
    current: Cell<Current>,
    budget: Cell<u32>,
    /// Until when a used-up budget is filled up again, in ticks.
    slice_end: Cell<u64>,
    yielded: Cell<bool>,
    /// The raw id of the task that is ending here.
    ended: Cell<u64>,
}

thread_local! {
    static SLOT: Slot = const {
        Slot {
            current: Cell::new(Current::NOBODY),
            budget: Cell::new(UNLIMITED),
            slice_end: Cell::new(0),
            yielded: Cell::new(false),
            ended: Cell::new(0),
        }
    };
}

// === for executors ===

/// Begins a poll: the task whose waker has this data and vtable runs here until the guard is dropped. Its record says
/// so. The one before comes back then; the budget is the executor's business ([`new_slice`]) and stays.
#[inline]
pub(crate) fn enter(
    data: *const (),
    vtable: *const RawWakerVTable,
    record: &'static Record,
) -> Entered {
    record.start_poll();
    let current = Current {
        data,
        vtable,
        record: Some(record),
    };
    SLOT.with(|slot| Entered {
        outer: slot.current.replace(current),
        yielded: slot.yielded.replace(false),
        not_send: PhantomData,
    })
}

/// One poll. Puts the outer one back when dropped.
#[must_use = "the one that runs changes back when this is dropped"]
#[derive(Debug)]
pub(crate) struct Entered {
    outer: Current,
    yielded: bool,
    /// The slot is that of this thread.
    not_send: PhantomData<*const ()>,
}

impl Entered {
    /// Ends a poll that said Pending, before the task is given up: whether it gave way and is to be queued behind the
    /// others. A poll that neither gave way nor recorded a wait waits for something that we do not know.
    #[inline]
    pub(crate) fn end(self) -> bool {
        let yielded = SLOT.with(|slot| slot.yielded.get());
        if let Some(record) = record() {
            if yielded {
                record.requeued(clock::recent());
            } else if !record.is_parked() {
                record.park_foreign(super::stamp());
            }
        }
        yielded
    }

    /// The task has ended, and may lose its record and its memory before the guard goes: its waker is nobody's own any
    /// more, but what still happens, such as waking who waited for its end, happens in its name.
    pub(crate) fn exit(&self) {
        SLOT.with(|slot| {
            slot.ended.set(task_id());
            slot.current.set(Current::NOBODY);
        });
    }
}

impl Drop for Entered {
    #[inline]
    fn drop(&mut self) {
        SLOT.with(|slot| {
            slot.ended.set(0);
            slot.current.set(self.outer);
            slot.yielded.set(self.yielded);
        });
    }
}

/// Whether the task whose waker has this data is being polled here.
#[inline]
pub(crate) fn is_polling(data: *const ()) -> bool {
    SLOT.with(|slot| ptr::eq(slot.current.get().data, data))
}

/// How many operations the running slice may still do.
#[inline]
pub(crate) fn budget() -> u32 {
    SLOT.with(|slot| slot.budget.get())
}

/// Grants the running slice `operations`; [`UNLIMITED`] is without end.
#[cfg(test)]
pub(crate) fn set_budget(operations: u32) {
    SLOT.with(|slot| slot.budget.set(operations));
}

/// Begins a time slice: it is good for [`SLICE_BUDGET`] operations, and for more until `end`, in ticks.
#[inline]
pub(crate) fn new_slice(end: u64) {
    SLOT.with(|slot| {
        slot.budget.set(SLICE_BUDGET);
        slot.slice_end.set(end);
    });
}

/// Whether the slice's time was over when somebody last looked at the clock here, as every wait does that begins.
#[inline]
pub(crate) fn slice_is_over() -> bool {
    SLOT.with(|slot| clock::recent() >= slot.slice_end.get())
}

// === for operations ===

/// The time, in ticks, for a limit that a little later does as well. Whoever runs as a task looks at the clock now and
/// then, so that it needs no reading for it.
#[inline]
pub(crate) fn roughly_now() -> u64 {
    match record() {
        Some(_) => clock::recent(),
        None => clock::stamp(),
    }
}

/// The time, in ticks, at which somebody becomes runnable: exact while somebody listens to polls, else as far as known.
#[inline]
pub(crate) fn ready_time() -> u64 {
    match super::on(super::POLL_START) {
        true => clock::near(),
        false => roughly_now(),
    }
}

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
    SLOT.with(|slot| {
        let left = slot.budget.get();
        // One comparison for a task that has some left: no slice has as many as half of all numbers.
        match left as i32 {
            1.. => {
                slot.budget.set(left - 1);
                true
            }
            0 => slot.refill(),
            _ => true,
        }
    })
}

impl Slot {
    /// The operations of the slice are used up. If its time is not, it has some more: the clock is read only here.
    #[cold]
    fn refill(&self) -> bool {
        let goes_on = clock::ticks() < self.slice_end.get();
        if goes_on {
            self.budget.set(SLICE_BUDGET - 1);
        }
        goes_on
    }
}

/// The running poll gives way to others: it says Pending next, and is polled again after they had their turn.
pub(crate) fn yield_park(waker: &Waker) {
    if is_own_waker(waker) {
        // The executor asks for the mark at the end of the poll: no wake-up, so no locked instruction.
        SLOT.with(|slot| slot.yielded.set(true));
    } else {
        waker.wake_by_ref();
    }
}

/// The task that runs or ends here, or the thread if it is inside a `.wait()`; [`ObjId::NONE`] for anybody else.
#[inline]
pub(crate) fn id() -> ObjId {
    SLOT.with(|slot| match slot.current.get().record {
        Some(record) => record.id(),
        None => ObjId::from_raw(slot.ended.get()),
    })
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

/// As [`record`]; outside of tasks and waits, that of this thread.
pub(crate) fn record_or_thread() -> Option<&'static Record> {
    record().or_else(thread_record)
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
        // A copy, so that the caller's may stay in registers where nobody listens.
        let note = *note;
        super::subscriber::parked(&note, &[]);
    }
}

/// The wait that the running poll has recorded is no sign of trouble, however long it takes. One that recorded none waits for
/// something foreign.
pub(crate) fn mark_idle() {
    let Some(record) = record() else { return };
    if !record.is_parked() {
        record.park_foreign(clock::ticks());
    }
    record.set_idle();
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

/// This thread waits, until the guard is dropped: in its own name, or in that of the task whose poll blocks it.
/// Operations have a budget without end.
pub(crate) fn enter_thread() -> Blocked {
    let outer = SLOT.with(|slot| slot.current.get());
    let record = outer.record.or_else(thread_record);
    let before = record.map_or(State::Idle, Record::state);
    SLOT.with(|slot| {
        // Its waker is the parker's, not the task's; nobody's until somebody says so.
        slot.current.set(Current {
            record,
            ..Current::NOBODY
        });
        Blocked {
            outer,
            record,
            before,
            budget: slot.budget.replace(UNLIMITED),
            yielded: slot.yielded.replace(false),
            not_send: PhantomData,
        }
    })
}

/// A thread's wait. Puts back what was before when dropped.
#[must_use = "the one that runs changes back when this is dropped"]
#[derive(Debug)]
pub(crate) struct Blocked {
    outer: Current,
    record: Option<&'static Record>,
    before: State,
    budget: u32,
    yielded: bool,
    /// The slot is that of this thread.
    not_send: PhantomData<*const ()>,
}

impl Blocked {
    /// Looks again whether the wait is over. A poll that blocks in its task's name is still the same poll: whoever watches for
    /// long ones goes by its number.
    pub(crate) fn start_poll(&self) {
        match self.record {
            Some(record) if self.outer.record.is_some() => record.resumed(State::Running),
            Some(record) => record.start_poll(),
            None => {}
        }
    }
}

impl Drop for Blocked {
    fn drop(&mut self) {
        SLOT.with(|slot| {
            slot.current.set(self.outer);
            slot.budget.set(self.budget);
            slot.yielded.set(self.yielded);
        });
        // It may have slept.
        clock::stale();
        if let Some(record) = self.record {
            record.resumed(self.before);
        }
    }
}

/// This thread, which polls no task, calls foreign code until the guard is dropped. For whoever watches for polls that do not end it is
/// one, by the number of polls in the thread's record; else the record says nothing of it.
pub(crate) fn call_foreign() -> InForeign {
    let record = thread_record();
    if let Some(record) = record {
        record.count_poll();
    }
    InForeign(record)
}

/// A call of foreign code, outside of tasks.
#[must_use = "the call lasts until this is dropped"]
#[derive(Debug)]
pub(crate) struct InForeign(Option<&'static Record>);

impl InForeign {
    /// That of the thread.
    pub(crate) fn record(&self) -> Option<&'static Record> {
        self.0
    }
}

impl Drop for InForeign {
    fn drop(&mut self) {
        if let Some(record) = self.0 {
            record.count_poll();
        }
    }
}

/// The poll that runs calls something at `site` that may block its thread, until the guard is dropped. For the record
/// only: nobody ends this wait, so it is no event. `None` when there is nothing to note.
pub(crate) fn enter_blocking(
    reason: WaitReason,
    site: &'static Location<'static>,
) -> Option<InBlocking> {
    // Of two futures in one task the other may have noted its wait, which says more once this call is over.
    let record = record().filter(|record| !record.is_parked())?;
    record.park(&Note {
        task: task_id(),
        reason,
        object: ObjId::NONE,
        made: None,
        site,
        since: clock::ticks(),
    });
    Some(InBlocking(record))
}

/// A call that may block. Puts the record back when dropped.
#[derive(Debug)]
pub(crate) struct InBlocking(&'static Record);

impl Drop for InBlocking {
    fn drop(&mut self) {
        clock::stale();
        self.0.resumed(State::Running);
    }
}

std::thread_local! {
    static THREAD: ThreadRecord = ThreadRecord::new();
}

/// A thread's record, from its first wait to its end.
struct ThreadRecord(&'static Record);

/// The record of this thread; `None` once the thread's own values are being dropped.
fn thread_record() -> Option<&'static Record> {
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

#[cfg(all(test, not(gochan_loom)))]
mod tests;
