//! The global queue: what comes from outside of the workers, and what did not fit into a ring.
//!
//! What it is not: fast. Workers look at it when their own queue is empty and every 61st tick, and take a batch.
//!
//! 1. `len` is the list's length whenever nobody holds the lock: looking whether there is work takes no lock.
//! 2. Once closed it takes no new tasks any more. Woken ones it always takes: whoever woke one holds it and has nobody
//!    else to give it to.
//!
//! ORDERING: a push is published by the lock for those who pop. For those who only look at `len` before they sleep, the
//! pusher's fence in [`Idle::wake_one`](super::idle::Idle::wake_one) is the other half of the sleeper's.

use std::collections::VecDeque;

use super::queue::Local;
use crate::shim::{AtomicUsize, Mutex, MutexGuard, Ordering::Relaxed};
use crate::task::Runnable;

/// Room that is kept when the queue runs empty; a burst's room is given back.
const KEPT: usize = 1024;

pub(super) struct Inject {
    len: AtomicUsize,
    state: Mutex<State>,
}

struct State {
    tasks: VecDeque<Runnable>,
    closed: bool,
    spawned: u64,
}

impl Inject {
    pub(super) fn new() -> Inject {
        Inject {
            len: AtomicUsize::new(0),
            state: Mutex::new(State {
                tasks: VecDeque::new(),
                closed: false,
                spawned: 0,
            }),
        }
    }

    pub(super) fn len(&self) -> usize {
        self.len.load(Relaxed)
    }

    pub(super) fn push(&self, task: Runnable) {
        let mut state = self.state.lock();
        state.tasks.push_back(task);
        self.publish(&state);
    }

    /// Takes a task that has never run, unless this is closed. `admit` runs under the lock, before anybody sees the task.
    pub(super) fn push_new(
        &self,
        task: Runnable,
        admit: impl FnOnce(&Runnable),
    ) -> Result<(), Runnable> {
        let mut state = self.state.lock();
        if state.closed {
            return Err(task);
        }
        admit(&task);
        state.spawned += 1;
        state.tasks.push_back(task);
        self.publish(&state);
        Ok(())
    }

    pub(super) fn extend(&self, tasks: impl Iterator<Item = Runnable>) {
        let mut state = self.state.lock();
        state.tasks.extend(tasks);
        self.publish(&state);
    }

    pub(super) fn pop(&self) -> Option<Runnable> {
        if self.len() == 0 {
            return None;
        }
        let mut state = self.state.lock();
        let task = state.tasks.pop_front();
        self.publish(&state);
        task
    }

    /// Takes as many as `share` says of the number that there are: one to run, the others into `ring`, which has room.
    pub(super) fn pop_batch(
        &self,
        ring: &mut Local,
        share: impl FnOnce(usize) -> usize,
    ) -> Option<Runnable> {
        if self.len() == 0 {
            return None;
        }
        let mut state = self.state.lock();
        let share = share(state.tasks.len());
        let first = state.tasks.pop_front();
        for _ in 1..share {
            let Some(task) = state.tasks.pop_front() else {
                break;
            };
            ring.push(task, |_| {
                unreachable!("the ring has room for half of itself")
            });
        }
        self.publish(&state);
        let burst = state.trim();
        drop(state);
        drop(burst);
        first
    }

    pub(super) fn close(&self) {
        self.state.lock().closed = true;
    }

    /// New tasks that came this way.
    pub(super) fn spawned(&self) -> u64 {
        self.state.lock().spawned
    }

    /// Invariant 1.
    fn publish(&self, state: &MutexGuard<'_, State>) {
        self.len.store(state.tasks.len(), Relaxed);
    }
}

impl State {
    /// The room of a burst that is over.
    fn trim(&mut self) -> Option<VecDeque<Runnable>> {
        let over = self.tasks.is_empty() && self.tasks.capacity() > KEPT;
        over.then(|| std::mem::take(&mut self.tasks))
    }
}
