//! The handle's half of a task: waiting for its end, and who gets the output.
//!
//! What it is not: the handle that users see, which adds names and sites ([`join`](super::join)).
//!
//! 1. A Joint is the task's JOIN flag, which pins the cell; it gives it up when it has the output, or when it is dropped.
//! 2. The join slot is this half's to write only while JOIN_WAKER is clear and the task is not DONE. Every change of the
//!    slot is between two changes of the state word that say so; a waker is put in and then the state is looked at again
//!    (by [`State::set_join_waker`](super::state::State::set_join_waker)), so that an end in between is not missed.
#![allow(unsafe_code)]

use std::marker::PhantomData;
use std::mem::MaybeUninit;
use std::task::{Poll, Waker};

use super::join::JoinError;
use super::raw::{Header, Place, Ptr, dealloc, push};
use super::state::{DropJoin, Snapshot, Wake};

/// The handle's half of a task: its JOIN flag, until it has taken the output.
pub(super) struct Joint<T> {
    task: Option<Ptr>,
    output: PhantomData<T>,
}

// SAFETY: the handle takes or drops the output, nothing else of the task's type; state and record are made for sharing.
unsafe impl<T: Send> Send for Joint<T> {}
// SAFETY: by shared reference a handle only reads and changes the state word.
unsafe impl<T: Send> Sync for Joint<T> {}

impl<T> Joint<T> {
    /// # Safety
    /// The task's JOIN flag, which has no other owner, is set, and T is the type of its output.
    pub(super) unsafe fn new(task: Ptr) -> Joint<T> {
        Joint {
            task: Some(task),
            output: PhantomData,
        }
    }

    /// `None`: the output is out.
    fn header(&self) -> Option<&Header> {
        // SAFETY: JOIN, which self is, pins the cell; nobody makes a `&mut` to a header.
        self.task.map(|task| unsafe { task.as_ref() })
    }

    pub(super) fn is_done(&self) -> bool {
        self.header()
            .is_none_or(|header| header.state.snapshot().is_done())
    }

    pub(super) fn abort(&self) {
        if let Some(task) = self.task
            && self
                .header()
                .is_some_and(|header| header.state.abort() == Wake::Push)
        {
            // SAFETY: the state said so.
            unsafe { push(task, Place::Tail) }
        }
    }

    /// The output, or `waker` in the join slot.
    pub(super) fn poll(&mut self, waker: &Waker) -> Poll<Result<T, JoinError>> {
        if self.look(waker) {
            return Poll::Ready(self.take());
        }
        Poll::Pending
    }

    /// Whether the task is DONE; if not, `waker` is in the join slot.
    pub(super) fn look(&mut self, waker: &Waker) -> bool {
        let header = self
            .header()
            .expect("JoinHandle polled after it gave its result");
        let seen = header.state.snapshot();
        seen.is_done() || (!wakes(header, seen, waker) && !register(header, seen, waker.clone()))
    }

    /// Empties the join slot.
    pub(super) fn retire(&mut self) {
        self.header().map(unregister);
    }

    /// Takes the output of a task that is DONE, and lets go of the task.
    pub(super) fn take(&mut self) -> Result<T, JoinError> {
        let task = self.task.take().expect("it is still there");
        let mut output = MaybeUninit::<Result<T, JoinError>>::uninit();
        // SAFETY: JOIN pins the cell until the end of `let_go`. DONE with JOIN set: the output is ours, once, and T is its
        // type by construction.
        let output = unsafe {
            (task.as_ref().vtable.take_output)(task, output.as_mut_ptr().cast());
            output.assume_init()
        };
        let gone = let_go(task, true);
        debug_assert!(gone);
        output
    }
}

impl<T> Drop for Joint<T> {
    fn drop(&mut self) {
        let Some(task) = self.task else { return };
        if let Some(header) = self.header() {
            unregister(header);
        }
        if !let_go(task, false) {
            // A panic of the output's destructor is the dropper's.
            drop(self.take());
        }
    }
}

/// Whether the join slot holds `waker`.
fn wakes(header: &Header, seen: Snapshot, waker: &Waker) -> bool {
    // SAFETY: JOIN_WAKER was set, by this handle, which alone could clear it before DONE: the slot is filled, and nobody
    // writes it. After DONE it may name a waker that is gone, which is only compared.
    let same =
        |slot: *const MaybeUninit<Waker>| unsafe { (*slot).assume_init_ref().will_wake(waker) };
    seen.has_join_waker() && header.join.with(same)
}

/// Puts `waker` into the join slot. False: the task is DONE.
#[cold]
fn register(header: &Header, seen: Snapshot, waker: Waker) -> bool {
    if seen.has_join_waker() && !unregister(header) {
        return false;
    }
    header.join.with_mut(|slot| {
        // SAFETY: JOIN_WAKER is clear: the slot is empty and the handle's.
        unsafe { (*slot).write(waker) };
    });
    let registered = header.state.set_join_waker().is_ok();
    if !registered {
        drop(take_waker(header));
    }
    registered
}

/// Empties the join slot if it is filled. False: the task is DONE, and the slot not the handle's business any more.
fn unregister(header: &Header) -> bool {
    let seen = header.state.snapshot();
    if !seen.has_join_waker() {
        return !seen.is_done();
    }
    let ours = header.state.unset_join_waker().is_ok();
    if ours {
        drop(take_waker(header));
    }
    ours
}

/// What this handle has put into the join slot, which is its own again.
fn take_waker(header: &Header) -> Waker {
    // SAFETY: the callers filled it, and nobody else took it out: JOIN_WAKER is clear, and it was not set at DONE.
    header
        .join
        .with_mut(|slot| unsafe { (*slot).assume_init_read() })
}

/// Gives JOIN up, with the output `taken` or not. False: not given up, the output must be taken first.
fn let_go(task: Ptr, taken: bool) -> bool {
    // SAFETY: JOIN pins the cell up to the change.
    match unsafe { task.as_ref() }.state.drop_join(taken) {
        DropJoin::Output => return false,
        DropJoin::Kept => {}
        // SAFETY: the state says that nobody else refers to the cell.
        DropJoin::Free => unsafe { dealloc(task) },
    }
    true
}
