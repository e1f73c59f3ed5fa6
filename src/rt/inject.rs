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

use crate::shim::{AtomicUsize, Mutex, MutexGuard, Ordering::Relaxed};
use crate::task::{Runnable, TaskList};

pub(super) struct Inject {
    len: AtomicUsize,
    state: Mutex<State>,
}

struct State {
    list: TaskList,
    closed: bool,
    spawned: u64,
}

impl Inject {
    pub(super) fn new() -> Inject {
        Inject {
            len: AtomicUsize::new(0),
            state: Mutex::new(State {
                list: TaskList::new(),
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
        state.list.push_back(task);
        self.publish(state);
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
        state.list.push_back(task);
        self.publish(state);
        Ok(())
    }

    pub(super) fn append(&self, tasks: TaskList) {
        let mut state = self.state.lock();
        state.list.append(tasks);
        self.publish(state);
    }

    pub(super) fn pop(&self) -> Option<Runnable> {
        self.pop_batch(|_| 1).pop_front()
    }

    /// Takes as many as `share` says of the number that there are.
    pub(super) fn pop_batch(&self, share: impl FnOnce(usize) -> usize) -> TaskList {
        let mut batch = TaskList::new();
        if self.len() == 0 {
            return batch;
        }
        let mut state = self.state.lock();
        for _ in 0..share(state.list.len()) {
            let Some(task) = state.list.pop_front() else {
                break;
            };
            batch.push_back(task);
        }
        self.publish(state);
        batch
    }

    pub(super) fn close(&self) {
        self.state.lock().closed = true;
    }

    /// New tasks that came this way.
    pub(super) fn spawned(&self) -> u64 {
        self.state.lock().spawned
    }

    /// Invariant 1.
    fn publish(&self, state: MutexGuard<'_, State>) {
        self.len.store(state.list.len(), Relaxed);
    }
}
