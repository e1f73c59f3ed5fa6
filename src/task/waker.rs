//! The task's waker: a pointer to its header and four functions.
//!
//! What it is not: a queue. A wake that makes the task runnable hands it to the scheduler it was spawned on.
//!
//! 1. A waker is one reference in the task's count, or one of its `owed` references.
//! 2. Clones and drops inside the task's own poll go to `owed`, a plain number that the end of the poll settles: a wait
//!    that begins and one that ends there cost no locked instruction.
//! 3. Whoever gets `Push` from the state must push, and whoever gets `Free` must free; nothing of the cell is touched
//!    after either.
#![allow(unsafe_code)]

use std::mem::ManuallyDrop;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr::NonNull;
use std::task::{RawWaker, RawWakerVTable, Waker};

use super::raw::{self, Place, Ptr};
use super::state::Wake;
use crate::clock;
use crate::hook::{self, Note, Woken};

static VTABLE: RawWakerVTable = RawWakerVTable::new(clone, wake, wake_by_ref, drop_waker);

/// The waker that a poll is given: it holds no reference of its own, the poll's ACTIVE pins the cell.
pub(super) fn borrowed(task: Ptr) -> ManuallyDrop<Waker> {
    // SAFETY: the functions of VTABLE treat the pointer as this file says; that this one has no reference is made up
    // for by its never being dropped or woken by value.
    ManuallyDrop::new(unsafe { Waker::from_raw(raw_waker(task)) })
}

/// Wakes the one that waits for a task's end, on a thread that just finished that task.
pub(super) fn wake_joiner(joiner: Waker) {
    let Some(task) = of(&joiner) else {
        clock::far();
        let wake = AssertUnwindSafe(|| joiner.wake());
        return catch_unwind(wake).unwrap_or_else(raw::forget_panic);
    };
    if hook::on(hook::READY) {
        tell_ready(task);
    }
    std::mem::forget(joiner);
    // SAFETY: the reference was the forgotten waker's.
    unsafe { act(task, task.as_ref().state.wake_by_value(), Place::Behind) }
}

/// Whether it is a task's: to fire it runs nothing foreign.
#[cfg_attr(not(feature = "rt"), allow(dead_code))]
pub(crate) fn is_own_waker(waker: &Waker) -> bool {
    of(waker).is_some()
}

/// The task behind a waker of ours.
fn of(waker: &Waker) -> Option<Ptr> {
    let ours = std::ptr::eq(waker.vtable(), &VTABLE);
    ours.then(|| NonNull::new(waker.data().cast_mut().cast()))?
}

/// The event of a wait that a task's end has ended. The note is the one that the joiner left in its record.
#[cold]
fn tell_ready(joiner: Ptr) {
    // SAFETY: the caller holds a waker of it.
    let record = unsafe { raw::record_of(joiner) };
    let Some(seen) = record.and_then(|record| record.snapshot()) else {
        return;
    };
    let Some((wait, site)) = seen.wait.and_then(|wait| {
        let site = wait.site?;
        Some((wait, site))
    }) else {
        return;
    };
    let note = Note {
        task: seen.id.raw(),
        reason: wait.reason,
        object: wait.object,
        made: wait.made,
        site,
        since: wait.since,
    };
    let mut woken = Woken::new(note);
    woken.more.waiter = record;
    hook::ready(&woken);
}

fn raw_waker(task: Ptr) -> RawWaker {
    RawWaker::new(task.as_ptr().cast_const().cast(), &VTABLE)
}

/// # Safety
/// `data` is that of a waker of ours.
unsafe fn task_of(data: *const ()) -> Ptr {
    // SAFETY: it was made from a non-null pointer in `raw_waker`.
    unsafe { NonNull::new_unchecked(data.cast_mut().cast()) }
}

/// Does what the state asks for.
///
/// # Safety
/// The state said so to the caller, who touches the task no more.
unsafe fn act(task: Ptr, wake: Wake, place: Place) {
    match wake {
        // SAFETY: the state said Push.
        Wake::Push => unsafe { raw::push(task, place) },
        Wake::Nothing => {}
        // SAFETY: the state said Free.
        Wake::Free => unsafe { raw::dealloc(task) },
    }
}

/// # Safety
/// As for a waker's vtable: `data` belongs to a waker that is alive.
unsafe fn clone(data: *const ()) -> RawWaker {
    // SAFETY: the waker's reference pins the cell.
    unsafe {
        let task = task_of(data);
        if !raw::owe(task, 1) {
            task.as_ref().state.add_ref();
        }
        raw_waker(task)
    }
}

/// # Safety
/// As for `clone`; the waker is used up.
unsafe fn wake(data: *const ()) {
    // SAFETY: the waker's reference pins the cell up to the change.
    unsafe {
        let task = task_of(data);
        act(task, task.as_ref().state.wake_by_value(), Place::Next);
    }
}

/// # Safety
/// As for `clone`.
unsafe fn wake_by_ref(data: *const ()) {
    // SAFETY: the waker's reference pins the cell.
    unsafe {
        let task = task_of(data);
        act(task, task.as_ref().state.wake_by_ref(), Place::Next);
    }
}

/// # Safety
/// As for `clone`; the waker is used up.
unsafe fn drop_waker(data: *const ()) {
    // SAFETY: the waker's reference pins the cell up to the change.
    unsafe {
        let task = task_of(data);
        if !raw::owe(task, -1) && task.as_ref().state.drop_ref() {
            raw::dealloc(task);
        }
    }
}
