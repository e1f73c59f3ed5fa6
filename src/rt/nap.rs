//! The monitor's sleep while all workers sleep: nobody needs watching, and an idle program burns nothing.
//!
//! What it is not: the workers' sleep, which is `idle`. The monitor takes no part in it; it only looks whether anybody is awake.
//!
//! 1. The monitor announces its nap, fences, and looks for somebody awake before it sleeps. Who wakes while all slept changes
//!    the count of those awake, fences, and looks for a nap. So one of them sees the other.
//! 2. A nap that is ended too often does no harm.

use std::time::Duration;

use super::parker::Parker;
use crate::shim::{Arc, AtomicBool, Mutex, Ordering, fence};
use Ordering::{Relaxed, SeqCst};

pub(super) struct Nap {
    deep: AtomicBool,
    /// It sleeps for longer than those like who need it soon.
    long: AtomicBool,
    monitor: Mutex<Option<Arc<Parker>>>,
}

impl Nap {
    pub(super) fn new() -> Nap {
        Nap {
            deep: AtomicBool::new(false),
            long: AtomicBool::new(false),
            monitor: Mutex::new(None),
        }
    }

    // === the monitor ===

    /// The calling thread is the monitor.
    pub(super) fn enter(&self, parker: &Arc<Parker>) {
        *self.monitor.lock() = Some(Arc::clone(parker));
    }

    /// Sleeps until somebody is awake who was not, unless somebody is.
    pub(super) fn deep(
        &self,
        parker: &Parker,
        timeout: Option<Duration>,
        is_awake: impl Fn() -> bool,
    ) {
        self.deep.store(true, Relaxed);
        // ORDERING: the sleeper's half of invariant 1.
        fence(SeqCst);
        if !is_awake() {
            parker.park(timeout);
        }
        self.deep.store(false, Relaxed);
    }

    /// Sleeps that long. A long sleep ends early if somebody [hurries](Self::hurry) it. True: so it did.
    pub(super) fn short(&self, parker: &Parker, time: Duration, is_long: bool) -> bool {
        self.long.store(is_long, Relaxed);
        parker.park(Some(time));
        is_long && !self.long.swap(false, Relaxed)
    }

    // === others ===

    /// Somebody is awake, and nobody was.
    pub(super) fn end(&self) {
        // ORDERING: the waker's half of invariant 1.
        fence(SeqCst);
        if self.deep.load(Relaxed) {
            self.nudge();
        }
    }

    /// Somebody wants to be looked at soon. It does not matter much if that is missed now and then.
    pub(super) fn hurry(&self) {
        if self.long.load(Relaxed) && self.long.swap(false, Relaxed) {
            self.nudge();
        }
    }

    /// The monitor is to look whether the runtime closes. It has been told so before.
    pub(super) fn end_for_good(&self) {
        self.nudge();
    }

    #[cold]
    fn nudge(&self) {
        let monitor = self.monitor.lock().clone();
        if let Some(monitor) = monitor {
            monitor.nudge();
        }
    }
}

#[cfg(test)]
mod tests;
