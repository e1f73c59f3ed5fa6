//! What all threads of one runtime share, and how tasks get into it and out of it.
//!
//! What it is not: a thread. Workers ([`worker`](super::worker)) and threads without a slot ([`threads`](super::threads)) come
//! and go.
//!
//! 1. It lives until its last task is done: tasks point to it without a reference of their own. The threads hold it up,
//!    the last one of which finishes all tasks before it goes ([`Shared::bury`]).
//! 2. Every task that is not done is bound to its record, which is how the last thread finds those that nobody queued.
//! 3. Once closed, the global queue takes no new tasks, and whoever tried to spawn one drops it.

use std::future::Future;

use super::core::Core;
use super::idle::Idle;
use super::inject::Inject;
use super::left::Left;
use super::poller::{Place, Poller};
use super::slots::Slots;
use super::threads::Threads;
use super::{blocking, context};
use crate::hook::registry;
use crate::shim::{Arc, AtomicBool, AtomicU64, Mutex, Ordering, yield_now};
use crate::task::{self, JoinHandle, Runnable, Schedule, Spawn};
use crate::time::Driver;
use crate::wait::parker;
use crate::wait::wakes::Wakes;
use Ordering::Relaxed;

pub(super) struct Shared {
    /// The number of this runtime in records, never given twice.
    pub(super) id: u32,
    pub(super) slots: Slots,
    pub(super) inject: Inject,
    pub(super) idle: Arc<Idle>,
    pub(super) driver: Arc<Driver>,
    pub(super) poller: Place,
    pub(super) left: Left,
    pub(super) threads: Threads,
    /// Who changes the number of workers.
    pub(super) resizing: Mutex<()>,
    closing: AtomicBool,
    /// Tasks finished by threads without a slot.
    finished: AtomicU64,
}

/// The next runtime's number. 0 is nobody's.
static NEXT_ID: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(1);

impl Shared {
    /// A runtime without threads, and the cores for them.
    #[expect(
        clippy::vec_box,
        reason = "a core moves from thread to thread in its box"
    )]
    pub(super) fn new(
        workers: usize,
        name: String,
        max_threads: Option<usize>,
    ) -> (Arc<Shared>, Vec<Box<Core>>) {
        let (slots, locals) = Slots::new(workers);
        parker::set_before_sleep(blocking::hand_off);
        crate::context::set_spawner(super::spawn::call);
        let idle = Arc::new(Idle::new(workers));
        let driver = Driver::new();
        let keeper = Arc::clone(&idle);
        driver.set_unpark(Box::new(move || {
            let by_worker =
                context::with(|worker| worker.is_some_and(|worker| worker.is_of(&keeper)));
            keeper.nudge_keeper(by_worker);
        }));
        let shared = Arc::new(Shared {
            id: NEXT_ID.fetch_add(1, std::sync::atomic::Ordering::Relaxed),
            slots,
            inject: Inject::new(),
            idle,
            driver,
            poller: Place::new(),
            left: Left::new(),
            threads: Threads::new(name, workers, max_threads),
            resizing: Mutex::new(()),
            closing: AtomicBool::new(false),
            finished: AtomicU64::new(0),
        });
        let cores = locals.into_iter().enumerate();
        let cores = cores
            .map(|(slot, local)| Box::new(Core::new(slot, local)))
            .collect();
        (shared, cores)
    }

    pub(super) fn workers(&self) -> usize {
        self.slots.workers()
    }

    /// Whether there is something that a searching worker would find.
    pub(super) fn has_work(&self) -> bool {
        self.inject.len() > 0
            || self.left.is_some()
            || self.slots.from(0).any(|(_, slot)| slot.queue.len() > 0)
    }

    /// Tasks that are not done. Exact while nobody spawns or finishes one.
    pub(super) fn num_tasks(&self) -> usize {
        let mut finished = self.finished.load(Relaxed);
        let mut spawned = 0;
        for slot in self.slots.made() {
            let (up, down) = slot.queue.counts();
            spawned += up;
            finished += down;
        }
        let tasks = (spawned + self.inject.spawned()).saturating_sub(finished);
        usize::try_from(tasks).unwrap_or(usize::MAX)
    }

    /// The runtime's poller, made now if there was none.
    #[cfg(feature = "net")]
    pub(super) fn poller(&self) -> std::io::Result<Arc<super::Poller>> {
        let (poller, new) = self.poller.get_or_make()?;
        if new {
            // It sleeps elsewhere.
            self.idle.nudge_keeper(false);
        }
        Ok(Arc::clone(poller))
    }

    /// Looks into the poller without waiting, if there is one and it is time.
    #[inline]
    pub(super) fn look_at_sockets(&self, is_time: fn(&Poller) -> bool, wakes: &mut Wakes) {
        if let Some(poller) = self.poller.get().filter(|poller| is_time(poller)) {
            poller.try_collect(wakes);
        }
    }

    // === spawning ===

    /// Makes a task of this runtime, to be queued by the caller.
    pub(super) fn make<F>(
        this: &Arc<Self>,
        future: F,
        mut spawn: Spawn<'_>,
    ) -> (Runnable, JoinHandle<F::Output>)
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        spawn.runtime = this.id;
        task::spawn(future, Arc::as_ptr(this), spawn)
    }

    /// Queues a new task from a thread that holds no slot of this runtime.
    pub(super) fn start(&self, task: Runnable) {
        match self.inject.push_new(task, Runnable::bind) {
            Ok(()) => self.idle.wake_one(),
            Err(task) => task.cancel(),
        }
    }

    // === the end ===

    pub(super) fn is_closing(&self) -> bool {
        self.closing.load(Relaxed)
    }

    /// Lets all threads come to their end.
    pub(super) fn close(&self) {
        self.inject.close();
        // Before the workers can know of it: the last one to leave must see that it has to bury.
        self.threads.close();
        // ORDERING: a worker that falls asleep after `wake_all` has looked sees it, through the sleepers' lock.
        self.closing.store(true, Relaxed);
        self.idle.wake_all();
        self.idle.nap.end_for_good();
    }

    /// The last thread's duty: finishes every task that is left, in its name.
    ///
    /// Tasks can be in a queue, idle, or in the hands of a waker on some foreign thread that is about to push them: then
    /// the record stays bound, and we come back until the push has arrived. A task that drops another's future or wakes
    /// one does so through the global queue, since this thread has no slot any more.
    pub(super) fn bury(&self) {
        self.driver.shut();
        if let Some(poller) = self.poller.get() {
            poller.shut();
        }
        let mut cores = self.threads.take_retired();
        loop {
            for core in &mut cores {
                core.drain().for_each(Runnable::cancel);
            }
            while let Some(task) = self.inject.pop() {
                task.cancel();
            }
            while let Some(mut wakes) = self.left.take() {
                wakes.fire();
            }
            if !self.claim_idle() {
                return;
            }
            yield_now();
        }
    }

    /// Cancels the idle tasks. Whether there was any task left.
    fn claim_idle(&self) -> bool {
        let mut left = false;
        registry::for_each(|record| {
            if let Some(task) = record.bound(self.id) {
                left = true;
                // It is bound to this runtime and only this thread finishes tasks now.
                if let Some(task) = task::claim(task) {
                    task.cancel();
                }
            }
        });
        left
    }
}

impl Schedule for Shared {
    fn local(this: *const Self, task: Runnable, place: task::Place) -> Result<(), Runnable> {
        context::with(|worker| match worker {
            Some(worker) if worker.belongs_to(this) => worker.push(task, place),
            _ => Err(task),
        })
    }

    fn remote(this: Arc<Self>, task: Runnable) {
        this.inject.push(task);
        this.idle.wake_one();
    }

    fn finished(&self) {
        let counted = context::with(|worker| {
            worker.is_some_and(|worker| worker.belongs_to(self) && worker.count_finished())
        });
        if !counted {
            self.finished.fetch_add(1, Relaxed);
        }
    }
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Runtime")
            .field("id", &self.id)
            .field("workers", &self.workers())
            .field("tasks", &self.num_tasks())
            .field("idle", &self.idle)
            .field("closing", &self.is_closing())
            .finish_non_exhaustive()
    }
}
