//! The task cell: one allocation that holds the header, then the future, then its output.
//!
//! What it is not: a decision. Who may do what is said by the flags in [`state`](super::state); this file does what the
//! state's actions ask for, and holds all pointer work of tasks.
//!
//! ```text
//! Cell   | header                                                            | stage              |
//!        | state  vtable  sched  record  owed  join slot                      | future, or output  |
//! ```
//!
//! Who may touch what:
//! * `state`, and the words that never change after birth (`vtable sched record`): everybody with a reference. `sched` may be
//!   followed by the holder of ACTIVE only, before the task is DONE: the scheduler outlives its last task and no more.
//!   So may `record`, which is somebody else's once the task is DONE.
//! * `owed`: the thread that polls the task, while it polls it; otherwise the holder of ACTIVE.
//! * `join`: while JOIN_WAKER is clear it is empty and the handle's. While it is set it is filled, nobody writes it, and the
//!   handle may look at it; the worker that sets DONE takes what is in it, by reading alone.
//! * `stage`: the holder of ACTIVE before DONE; then the handle, if JOIN was set at that moment.
//!
//! 1. A reference to the header never lives across a change after which the cell may be freed by somebody else.
//! 2. Foreign code (poll, drops, wakers) runs without a `&mut` to anything of the cell but the future itself, and its
//!    panics are caught whenever a worker runs it.
#![allow(unsafe_code)]

use std::any::Any;
use std::future::Future;
use std::marker::PhantomData;
use std::mem::{ManuallyDrop, MaybeUninit};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::ptr::NonNull;
use std::task::{Context, Poll, Waker};

use super::join::JoinError;
use super::joint::Joint;
use super::state::{EndPoll, Finish, State, Wake};
use super::waker;
use crate::clock;
use crate::hook::current::Entered;
use crate::hook::record::Record;
use crate::hook::{self, Exit, ObjId, current, registry};
use crate::shim::{Arc, Tracked, UnsafeCell};

/// What every task has, whatever its future. Its address is the task's address.
#[repr(C)]
pub(crate) struct Header {
    pub(super) state: State,
    pub(super) vtable: &'static Vtable,
    sched: *const (),
    record: &'static Record,
    /// References made less those dropped in the current poll, to be settled at its end.
    owed: UnsafeCell<isize>,
    pub(super) join: UnsafeCell<MaybeUninit<Waker>>,
    _freed: Tracked,
}

#[repr(C)]
struct Cell<F: Future, S> {
    header: Header,
    stage: UnsafeCell<Stage<F>>,
    sched: PhantomData<*const S>,
}

/// The future until it is finished, the output from then on. Who drops what is known from the state.
union Stage<F: Future> {
    future: ManuallyDrop<F>,
    output: ManuallyDrop<Output<F>>,
}

type Output<F> = Result<<F as Future>::Output, JoinError>;

pub(super) struct Vtable {
    /// Polls or cancels the future.
    poll: unsafe fn(Ptr, &mut Context<'_>) -> Polled,
    /// Moves the output out to the place given.
    pub(super) take_output: unsafe fn(Ptr, *mut ()),
    drop_output: unsafe fn(Ptr),
    dealloc: unsafe fn(Ptr),
    schedule: unsafe fn(Ptr, Runnable, Place),
    finished: unsafe fn(Ptr),
}

pub(super) type Ptr = NonNull<Header>;

/// What the poll of the future said. Unless it is Pending, the future is gone and the output is in its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Polled {
    Pending,
    Value,
    Panicked,
    Cancelled,
}

/// Where a task goes that becomes runnable on a worker of its own scheduler.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// Next: what woke it is hot in the cache and usually about to wait.
    Next,
    /// Behind everybody who is there, quietly: a joiner takes the place of the child that has just ended, and its other
    /// children may still be queued.
    Behind,
    /// Behind everybody who is there, for any worker: an aborted task.
    Tail,
}

/// What tasks are queued on.
pub(crate) trait Schedule: Sized + Send + Sync + 'static {
    /// Queues the task if this thread is a worker of `this`, which is alive; else gives it back.
    fn local(this: *const Self, task: Runnable, place: Place) -> Result<(), Runnable>;

    /// Queues the task from anywhere else.
    fn remote(this: Arc<Self>, task: Runnable);

    /// One of its tasks is done, in a moment: nobody has been told yet.
    fn finished(&self);
}

/// A task in somebody's hands: its ACTIVE flag. Must end in [`run`](Self::run) or [`cancel`](Self::cancel), else the task
/// never runs again.
#[derive(Debug)]
#[repr(transparent)]
#[must_use]
pub(crate) struct Runnable(Ptr);

// SAFETY: only futures and outputs that are Send get into a cell, and ACTIVE, which this is, has one holder at a time.
unsafe impl Send for Runnable {}

/// What a poll led to.
#[derive(Debug)]
#[must_use]
pub(crate) enum Outcome {
    /// It waits, or is done. It is nobody's business here any more.
    Gone,
    /// It was woken in its poll.
    Again(Runnable),
    /// It gives way to the others.
    Yield(Runnable),
}

// === birth ===

/// A task that waits for its first poll, and its handle.
pub(super) fn cell<F, S>(
    future: F,
    sched: *const S,
    record: &'static Record,
) -> (Runnable, Joint<F::Output>)
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
    S: Schedule,
{
    let cell = Box::new(Cell::<F, S> {
        header: Header {
            state: State::new(true),
            vtable: Cell::<F, S>::VTABLE,
            sched: sched.cast(),
            record,
            owed: UnsafeCell::new(0),
            join: UnsafeCell::new(MaybeUninit::uninit()),
            _freed: Tracked::default(),
        },
        stage: UnsafeCell::new(Stage {
            future: ManuallyDrop::new(future),
        }),
        sched: PhantomData,
    });
    let task = NonNull::from(Box::leak(cell)).cast();
    // SAFETY: JOIN was set at birth, and F::Output is the output's type.
    (Runnable(task), unsafe { Joint::new(task) })
}

// === the typed part ===

impl<F, S> Cell<F, S>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
    S: Schedule,
{
    const VTABLE: &'static Vtable = &Vtable {
        poll: Self::poll,
        take_output: Self::take_output,
        drop_output: Self::drop_output,
        dealloc: Self::dealloc,
        schedule: Self::schedule,
        finished: Self::finished,
    };

    /// # Safety
    /// The caller holds ACTIVE, and the task is not DONE.
    unsafe fn poll(task: Ptr, cx: &mut Context<'_>) -> Polled {
        // SAFETY: the cell was made with this type, and ACTIVE pins it.
        let cell = unsafe { task.cast::<Self>().as_ref() };
        cell.stage.with_mut(|stage| {
            // SAFETY: ACTIVE before DONE: the stage is the caller's alone and holds the future, pinned by the heap.
            let mut future = unsafe { Pin::new_unchecked(&mut *(*stage).future) };
            let polled = if cell.header.state.snapshot().is_aborted() {
                Err(None)
            } else {
                match catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(cx))) {
                    Ok(Poll::Pending) => return Polled::Pending,
                    Ok(Poll::Ready(value)) => Ok(value),
                    Err(panic) => Err(Some(panic)),
                }
            };
            // SAFETY: as above; the output is written over it before anybody looks.
            let dropped = catch_unwind(AssertUnwindSafe(|| unsafe {
                ManuallyDrop::drop(&mut (*stage).future);
            }));
            let (says, output) = settle(polled, dropped, cell.header.record.id());
            // SAFETY: as above; the future that was here is dropped.
            unsafe { (*stage).output = ManuallyDrop::new(output) };
            says
        })
    }

    /// # Safety
    /// The output is there and the caller's, who never looks at it again.
    unsafe fn take_output(task: Ptr, to: *mut ()) {
        // SAFETY: the cell was made with this type, and the caller's reference pins it.
        let cell = unsafe { task.cast::<Self>().as_ref() };
        cell.stage.with_mut(|stage| {
            // SAFETY: the caller owns the output and names a place of its type.
            unsafe {
                let output = ManuallyDrop::take(&mut (*stage).output);
                to.cast::<Output<F>>().write(output);
            }
        });
    }

    /// # Safety
    /// As for `take_output`.
    unsafe fn drop_output(task: Ptr) {
        // SAFETY: the cell was made with this type, and the caller's reference pins it.
        let cell = unsafe { task.cast::<Self>().as_ref() };
        cell.stage.with_mut(|stage| {
            // SAFETY: the caller owns the output.
            unsafe { ManuallyDrop::drop(&mut (*stage).output) }
        });
    }

    /// # Safety
    /// Nobody else refers to the cell, the output is gone and the join slot is empty.
    unsafe fn dealloc(task: Ptr) {
        // SAFETY: it came from a Box of this type, and is nobody's any more.
        drop(unsafe { Box::from_raw(task.cast::<Self>().as_ptr()) });
    }

    /// # Safety
    /// `runnable` is this task, which is not DONE.
    unsafe fn schedule(task: Ptr, runnable: Runnable, place: Place) {
        // SAFETY: `runnable` pins the cell.
        let sched = unsafe { task.as_ref() }.sched.cast::<S>();
        if let Err(runnable) = S::local(sched, runnable, place) {
            // The scheduler waits for all of its tasks, so it lives as long as we hold one; from the moment we give the
            // task up, a reference of our own keeps it.
            // SAFETY: it is the pointer of an Arc of this type, alive for the reason above.
            let sched = unsafe {
                Arc::increment_strong_count(sched);
                Arc::from_raw(sched)
            };
            S::remote(sched, runnable);
        }
    }

    /// # Safety
    /// The caller holds ACTIVE, and the task is not DONE.
    unsafe fn finished(task: Ptr) {
        // SAFETY: the scheduler outlives its last task, and this one is not done.
        unsafe { (*task.as_ref().sched.cast::<S>()).finished() }
    }
}

type Panic = Box<dyn Any + Send>;

/// What comes out of a future that gave a value, panicked, or was cancelled (`Err(None)`), and was then dropped.
fn settle<T>(
    polled: Result<T, Option<Panic>>,
    dropped: Result<(), Panic>,
    id: ObjId,
) -> (Polled, Result<T, JoinError>) {
    let panic = match (polled, dropped) {
        (Ok(value), dropped) => {
            // The value is good; what the future's leftovers did has been through the panic hook.
            dropped.unwrap_or_else(forget_panic);
            return (Polled::Value, Ok(value));
        }
        (Err(None), Ok(())) => return (Polled::Cancelled, Err(JoinError::cancelled(id))),
        (Err(None), Err(panic)) => panic,
        (Err(Some(panic)), dropped) => {
            // The first panic is the one to tell of; both have been through the panic hook.
            dropped.unwrap_or_else(forget_panic);
            panic
        }
    };
    (Polled::Panicked, Err(JoinError::panic(id, panic)))
}

/// Drops what a panic carried, even if that panics again and again.
pub(super) fn forget_panic(panic: Panic) {
    if let Err(next) = catch_unwind(AssertUnwindSafe(|| drop(panic))) {
        std::mem::forget(next);
    }
}

// === impl Runnable ===

impl Runnable {
    /// The task as a number for queues; [`from_raw`](Self::from_raw) makes it a task again.
    pub(crate) fn into_raw(self) -> *mut Header {
        self.0.as_ptr()
    }

    /// # Safety
    /// `raw` comes from [`into_raw`](Self::into_raw), and is made a task again only once.
    pub(crate) unsafe fn from_raw(raw: NonNull<Header>) -> Runnable {
        Runnable(raw)
    }

    fn header(&self) -> &Header {
        // SAFETY: ACTIVE, which self is, pins the cell; nobody makes a `&mut` to a header.
        unsafe { self.0.as_ref() }
    }

    /// The task's status record.
    pub(crate) fn record(&self) -> &'static Record {
        self.header().record
    }

    /// Lets the runtime's end find the task through its record, wherever it is.
    pub(crate) fn bind(&self) {
        self.record().bind(self.0.cast());
    }

    /// Polls the task once on this thread.
    pub(crate) fn run(self) -> Outcome {
        let task = self.0;
        // SAFETY: `self` pins the cell until ACTIVE is given up in `finish` or `end_poll`; not used after those.
        let header = unsafe { task.as_ref() };
        let waker = waker::borrowed(task);
        // The poll itself writes over what made the task runnable.
        let made = hook::on(hook::POLL_START).then(|| header.record.made_runnable());
        let scope = current::enter(waker.data(), waker.vtable(), header.record);
        if made.is_some() {
            hook::poll_started(header.record, made);
        }
        // SAFETY: we hold ACTIVE, and a task that is DONE is in no queue.
        let polled = unsafe { (header.vtable.poll)(task, &mut Context::from_waker(&waker)) };
        if hook::on(hook::POLL_END) {
            hook::poll_ended(header.record.id(), polled != Polled::Pending);
        }
        if polled != Polled::Pending {
            finish(task, scope, polled);
            return Outcome::Gone;
        }
        if scope.end() {
            return Outcome::Yield(self);
        }
        match header.state.end_poll(take_owed(header)) {
            EndPoll::Idle => Outcome::Gone,
            EndPoll::Again => {
                header.record.requeued(current::roughly_now());
                Outcome::Again(self)
            }
        }
    }

    /// Drops the task's future on this thread and finishes the task as cancelled.
    pub(crate) fn cancel(self) {
        let wake = self.header().state.abort();
        debug_assert_eq!(wake, Wake::Nothing, "it was ACTIVE");
        let outcome = self.run();
        // Perhaps on a thread that polls nothing else.
        clock::far();
        debug_assert!(matches!(outcome, Outcome::Gone));
    }
}

fn take_owed(header: &Header) -> isize {
    // SAFETY: the caller is the one that polls the task, and no code of the task runs meanwhile.
    header
        .owed
        .with_mut(|owed| unsafe { std::mem::take(&mut *owed) })
}

/// The future is gone: sets DONE, wakes the joiner, frees what nobody refers to.
fn finish(task: Ptr, scope: Entered, polled: Polled) {
    // SAFETY: the caller holds ACTIVE until the change below that gives it up.
    let header = unsafe { task.as_ref() };
    if hook::on(hook::EXIT) {
        hook::exited(Exit {
            task: header.record.id(),
            panicked: polled == Polled::Panicked,
            aborted: polled == Polled::Cancelled,
        });
    }
    let mut output = header.state.snapshot().has_join();
    if !output {
        drop_output(header, task);
    }
    // Before the cell may go: its address may soon be another task's, which is not the one that runs here. The joiner is
    // still woken in this task's name.
    scope.exit();
    registry::release(header.record);
    // SAFETY: ACTIVE, and not DONE before the change below.
    unsafe { (header.vtable.finished)(task) };
    loop {
        match header.state.finish(take_owed(header), output) {
            Finish::DropOutput => {
                output = false;
                drop_output(header, task);
            }
            Finish::TakeWaker => {
                // SAFETY: JOIN_WAKER was set: the slot is filled, and what is in it is ours from now on. It is only read: the
                // handle may be comparing it with another waker.
                let joiner = header
                    .join
                    .with(|slot| unsafe { (*slot).assume_init_read() });
                if header.state.release() {
                    // SAFETY: the state says that nobody refers to the cell.
                    unsafe { dealloc(task) };
                }
                return waker::wake_joiner(joiner);
            }
            Finish::Kept => return,
            Finish::Free => {
                // SAFETY: the state says that nobody refers to the cell.
                return unsafe { dealloc(task) };
            }
        }
    }
}

/// For the worker that holds ACTIVE, once JOIN is seen clear: the output is then its own, and still there.
fn drop_output(header: &Header, task: Ptr) {
    clock::far();
    // SAFETY: JOIN is never set again.
    let drop = AssertUnwindSafe(|| unsafe { (header.vtable.drop_output)(task) });
    catch_unwind(drop).unwrap_or_else(forget_panic);
}

/// # Safety
/// The state said Free to the caller.
pub(super) unsafe fn dealloc(task: Ptr) {
    // SAFETY: Free: nobody else is there, so reading the vtable and freeing are ours.
    unsafe { (task.as_ref().vtable.dealloc)(task) }
}

/// Queues a task whose ACTIVE flag the caller has just set.
///
/// # Safety
/// The state said Push to the caller.
pub(super) unsafe fn push(task: Ptr, place: Place) {
    // SAFETY: ACTIVE pins the cell, and the task is not DONE.
    let header = unsafe { task.as_ref() };
    let by = ObjId::from_raw(current::task_id());
    header.record.runnable(by, current::ready_time());
    // SAFETY: as above.
    unsafe { (header.vtable.schedule)(task, Runnable(task), place) }
}

/// Adds to `owed` if the task is the one being polled on this thread.
///
/// # Safety
/// The caller has a reference to the task.
pub(super) unsafe fn owe(task: Ptr, refs: isize) -> bool {
    if !current::is_polling(task.as_ptr().cast_const().cast()) {
        return false;
    }
    // SAFETY: the reference pins the cell.
    let header = unsafe { task.as_ref() };
    // SAFETY: `owed` belongs to the thread that polls the task, this one, and nobody here keeps a reference to it.
    header.owed.with_mut(|owed| unsafe { *owed += refs });
    true
}

/// Takes hold of an idle task that is bound to its record, to cancel it. `None`: somebody else holds it, and is about to
/// queue it or to finish it.
///
/// Only for the last thread of a runtime, and for tasks bound to that one: such a task is not done and nobody else
/// finishes it, so the cell is there.
pub(crate) fn claim(task: NonNull<()>) -> Option<Runnable> {
    let task = task.cast::<Header>();
    // SAFETY: as said above; only `bind` makes such pointers.
    let wake = unsafe { task.as_ref() }.state.abort();
    (wake == Wake::Push).then_some(Runnable(task))
}

/// The task's number, name tag and wait, for the events. `None` once the task is DONE.
///
/// # Safety
/// The caller has a reference to the task.
pub(super) unsafe fn record_of(task: Ptr) -> Option<&'static Record> {
    // SAFETY: the reference pins the cell.
    let header = unsafe { task.as_ref() };
    (!header.state.snapshot().is_done()).then_some(header.record)
}
