//! Wakes that the monitor has found and left for a worker: those that call what is not ours.
//!
//! What it is not: a queue of tasks. A woken task of this runtime is queued at once.
//!
//! 1. `some` says whether there are any, once `put` or `take` is through: a worker that looks for work finds it.
//! 2. Nothing foreign runs in here. Each is taken out by itself: what it calls may wait for what the next one wakes.

use std::collections::VecDeque;

use crate::shim::{AtomicBool, Mutex, Ordering::*};
use crate::wait::wakes::Wakes;

pub(super) struct Left {
    some: AtomicBool,
    wakes: Mutex<VecDeque<Wakes>>,
}

impl Left {
    pub(super) fn new() -> Left {
        Left {
            some: AtomicBool::new(false),
            wakes: Mutex::new(VecDeque::new()),
        }
    }

    #[inline]
    pub(super) fn is_some(&self) -> bool {
        self.some.load(Relaxed)
    }

    /// The caller wakes a worker.
    pub(super) fn put(&self, wakes: Wakes) {
        let mut all = self.wakes.lock();
        all.push_back(wakes);
        // ORDERING: Relaxed: the fence of the caller's `Idle::wake_one` pairs with a sleeper's second look.
        self.some.store(true, Relaxed);
    }

    /// The oldest, to be fired. Who sees that there are more wakes a worker for them first.
    pub(super) fn take(&self) -> Option<Wakes> {
        let mut all = self.wakes.lock();
        let first = all.pop_front();
        self.some.store(!all.is_empty(), Relaxed);
        first
    }
}
