//! Wakes that the monitor has found and left for a worker: those that call what is not ours.
//!
//! What it is not: a queue of tasks. A woken task of this runtime is queued at once.
//!
//! 1. `some` is set whenever there are any, once `put` is through: a worker that looks for work finds it.
//! 2. Nothing foreign runs under the lock.

use crate::shim::{AtomicBool, Mutex, Ordering::*};
use crate::wait::wakes::Wakes;

pub(super) struct Left {
    some: AtomicBool,
    wakes: Mutex<Vec<Wakes>>,
}

impl Left {
    pub(super) fn new() -> Left {
        Left {
            some: AtomicBool::new(false),
            wakes: Mutex::new(Vec::new()),
        }
    }

    #[inline]
    pub(super) fn is_some(&self) -> bool {
        self.some.load(Relaxed)
    }

    /// The caller wakes a worker.
    pub(super) fn put(&self, wakes: Wakes) {
        let mut all = self.wakes.lock();
        all.push(wakes);
        // ORDERING: Relaxed: the fence of the caller's `Idle::wake_one` pairs with a sleeper's second look.
        self.some.store(true, Relaxed);
    }

    /// Fires them all. What they do may take its time.
    pub(super) fn fire(&self) {
        let mut all = self.wakes.lock();
        self.some.store(false, Relaxed);
        let wakes = std::mem::take(&mut *all);
        drop(all);
        wakes.into_iter().for_each(|mut wakes| wakes.fire());
    }
}
