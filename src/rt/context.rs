//! Which runtime this thread belongs to: the worker it is, or the runtime whose `block_on` it is in.
//!
//! 1. `WORKER` is set for exactly as long as [`enter_worker`] runs its closure, and points to what that borrows.
//! 2. `ENTERED` goes before `WORKER`: a worker's task that calls another runtime's `block_on` spawns there.
#![allow(unsafe_code)]

use std::cell::{Cell, RefCell};
use std::ptr;

use super::shared::Shared;
use super::worker::Worker;
use crate::shim::Arc;

// The threads of a whole runtime are not modelled, so these are the real machine's.
std::thread_local! {
    static WORKER: Cell<*const Worker> = const { Cell::new(ptr::null()) };
    static ENTERED: RefCell<Option<Arc<Shared>>> = const { RefCell::new(None) };
}

/// Shows `f` the worker that this thread is.
#[inline]
pub(super) fn with<R>(f: impl FnOnce(Option<&Worker>) -> R) -> R {
    let worker = WORKER.try_with(Cell::get).unwrap_or(ptr::null());
    // SAFETY: null, or what `enter_worker` borrows further up on this thread's stack; a Worker is never borrowed mutably.
    f(unsafe { worker.as_ref() })
}

/// Runs `f` as `worker`.
pub(super) fn enter_worker(worker: &Worker, f: impl FnOnce()) {
    struct Leave(*const Worker);
    impl Drop for Leave {
        fn drop(&mut self) {
            WORKER.with(|slot| slot.set(self.0));
        }
    }
    let _leave = Leave(WORKER.with(|slot| slot.replace(worker)));
    f();
}

/// Makes `shared` this thread's runtime until the guard is dropped.
pub(super) fn enter(shared: &Arc<Shared>) -> Entered {
    let shared = Some(Arc::clone(shared));
    Entered(ENTERED.with(|slot| slot.replace(shared)))
}

/// Puts the runtime before back.
#[must_use]
pub(super) struct Entered(Option<Arc<Shared>>);

impl Drop for Entered {
    fn drop(&mut self) {
        let before = self.0.take();
        let gone = ENTERED.with(|slot| slot.replace(before));
        drop(gone);
    }
}

/// The runtime that this thread has entered by `block_on`.
pub(super) fn entered() -> Option<Arc<Shared>> {
    // A thread that is ending has entered nothing.
    ENTERED
        .try_with(|slot| slot.borrow().clone())
        .ok()
        .flatten()
}

/// The runtime of this thread, if it has one.
pub(super) fn shared() -> Option<Arc<Shared>> {
    entered().or_else(|| with(|worker| worker.map(|worker| Arc::clone(worker.shared()))))
}
