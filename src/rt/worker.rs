//! The worker: what a thread does that holds one of the runtime's slots.
//!
//! What it is not: the slot. The slot is the [`Core`], Go's P. It moves to another thread when the one that holds it blocks, or stays
//! in one poll for too long ([`seat`](super::seat)).
//!
//! The loop, as in Go's `schedule` and `findRunnable` (`src/runtime/proc.go`): every 61st tick, and sooner when polls are
//! long, timers, sockets and the global queue first; then `runnext`; the ring; a batch of the global queue; half of somebody's ring; sleep.
//!
//! 1. Nothing foreign runs while the core is borrowed.
//! 2. A task in `runnext` inherits the time slice of the one that woke it, so that a pair that wakes each other in turn
//!    gets no more than one slice before the ring has its turn.
//! 3. Whoever holds a core sees to it that the core goes on: it runs, sleeps as one of [`Idle`](super::idle)'s
//!    sleepers, is handed to another thread, or is retired at the end. Between any two borrows it may be gone.
//! 4. Pushes that add to the number of runnable tasks which others may take post work (`Idle::wake_one`). A task that
//!    goes back to the ring while its worker looks for the next one, or a joiner that takes its finished child's place,
//!    adds nothing: the worker itself is about to look there.
//! 5. Foreign code outside of tasks, which is wakers and subscribers, runs in [`call_foreign`](Worker::call_foreign): it may take its
//!    time. The worker does not count as searching then, or who posts work meanwhile would rely on it; and the monitor sees a
//!    poll, of which it frees `runnext`, timers and in the end the whole core. So nothing that others wait for may be in the
//!    worker's own hands then: of timers and of what the monitor has left it takes one at a time.

use std::time::{Duration, Instant};

use super::core::Core;
use super::idle::Idle;
use super::parker::Parker;
use super::poller::Poller;
use super::seat::{Seat, Taker};
use super::shared::Shared;
use crate::clock;
use crate::hook::{self, current};
use crate::shim::{Arc, RING, yield_now};
use crate::task::{self, Outcome, Place, Runnable};
use crate::wait::wakes::Wakes;

/// How often a searching worker looks at everybody before it sleeps.
const SEARCHES: u32 = 4;
/// How often if its last search found something. Whoever makes many small tasks would else pay for waking a worker
/// after every few of them, which takes longer than to run them.
const PATIENCE: u32 = 12;

/// What a worker is to do next.
enum Next {
    Task(Runnable),
    /// What is due now and then: timers; the global queue comes next.
    Tend,
    Nothing,
    /// There is no core any more.
    Gone,
}

/// A thread of the runtime, and its core while it holds one.
pub(super) struct Worker {
    shared: Arc<Shared>,
    core: Seat<Core>,
    parker: Arc<Parker>,
}

// === impl Worker: the loop ===

impl Worker {
    pub(super) fn new(shared: Arc<Shared>) -> Worker {
        Worker {
            shared,
            core: Seat::new(),
            parker: Parker::new(),
        }
    }

    /// Runs tasks until the core has gone to another thread, is one too many, or the runtime closes.
    pub(super) fn run(&self) {
        if !self.goes_on() {
            return;
        }
        let _skipping = clock::skip_some();
        loop {
            match self.next() {
                Next::Task(task) => {
                    self.execute(task);
                    continue;
                }
                Next::Tend => {
                    clock::far();
                    self.fire_timers();
                    self.look_at_sockets(Poller::is_due);
                }
                Next::Nothing => match self.search() {
                    Some(task) => {
                        self.execute(task);
                        continue;
                    }
                    None => self.sleep(),
                },
                Next::Gone => return,
            }
            if !self.goes_on() {
                return;
            }
        }
    }

    fn goes_on(&self) -> bool {
        let core = self.core.borrow();
        !self.shared.is_closing() && core.is_some_and(|core| core.slot < self.shared.workers())
    }

    fn fire_timers(&self) {
        if let Some(at) = self.shared.driver.next() {
            let now = Instant::now();
            if at <= now {
                let mut before = None;
                let room = || self.room_for_woken(&mut before);
                let driver = &self.shared.driver;
                self.call_foreign(|| driver.fire_some(now, task::is_own_waker, room));
            }
        }
    }

    /// How many timers are to be fired next. Whom they wake should find room in the ring: what spills from it waits in the global
    /// queue, behind whatever the ring is given meanwhile. So once it is half full, others are not woken before some have run;
    /// timers that bring nothing to it are not held up. `before` is how full it was at the last question.
    fn room_for_woken(&self, before: &mut Option<usize>) -> usize {
        let Some(core) = self.core.borrow() else {
            return usize::MAX;
        };
        let len = core.local.len();
        let grew = before.replace(len).is_some_and(|before| len > before);
        match (RING / 2).saturating_sub(len) {
            0 if grew => 0,
            room => room.max(1),
        }
    }

    fn look_at_sockets(&self, is_time: fn(&Poller) -> bool) {
        let mut wakes = Wakes::new();
        self.shared.look_at_sockets(is_time, &mut wakes);
        self.fire(&mut wakes);
        if self.shared.left.is_some() {
            self.fire_left();
        }
    }

    #[cold]
    fn fire_left(&self) {
        while let Some(mut wakes) = self.shared.left.take() {
            if self.shared.left.is_some() {
                self.shared.idle.wake_one();
            }
            self.call_foreign(|| wakes.fire());
        }
    }

    /// Wakes who waited for sockets.
    #[inline]
    fn fire(&self, wakes: &mut Wakes) {
        if wakes.are_silent(task::is_own_waker) {
            wakes.fire();
        } else {
            self.fire_foreign(wakes);
        }
    }

    /// Tasks first.
    #[cold]
    fn fire_foreign(&self, wakes: &mut Wakes) {
        let mut foreign = wakes.split_off(task::is_own_waker);
        self.call_foreign(|| {
            wakes.fire();
            foreign.fire();
        });
    }

    /// Outside of tasks. The core may be gone afterwards.
    fn call_foreign<R>(&self, call: impl FnOnce() -> R) -> R {
        let calling = current::call_foreign();
        if let Some(mut core) = self.core.borrow() {
            if core.searching {
                self.end_search(&mut core);
            }
            if let Some(thread) = calling.record() {
                core.local.set_polled(thread);
            }
        }
        call()
    }

    #[inline]
    fn next(&self) -> Next {
        let Some(mut core) = self.core.borrow() else {
            return Next::Gone;
        };
        let core = &mut *core;
        if core.tally.polls == core.tend_at {
            core.tend_later(&self.shared);
            return Next::Tend;
        }
        match core.next(&self.shared) {
            Some(task) => Next::Task(self.take_up(core, task)),
            None => Next::Nothing,
        }
    }

    /// The core is about to run `task`.
    #[inline]
    fn take_up(&self, core: &mut Core, task: Runnable) -> Runnable {
        if core.searching {
            self.end_search(core);
        }
        core.tally.polls += 1;
        core.local.set_polled(task.record());
        task
    }

    fn execute(&self, task: Runnable) {
        let (task, yields) = match task.run() {
            Outcome::Gone => return,
            Outcome::Again(task) => (task, 0),
            Outcome::Yield(task) => (task, 1),
        };
        match self.core.borrow() {
            Some(mut core) => {
                core.tally.yields += yields;
                core.push_back(&self.shared, task);
            }
            None => self.push_remote(task),
        }
    }

    fn push_remote(&self, task: Runnable) {
        self.shared.inject.push(task);
        self.shared.idle.wake_one();
    }

    #[cold]
    fn search(&self) -> Option<Runnable> {
        clock::far();
        let turns = self.start_search()?;
        for turn in 0..turns {
            if let Some(task) = self.steal() {
                return Some(task);
            }
            self.look_at_sockets(|_| true);
            if let Some(task) = self.take_own() {
                return Some(task);
            }
            self.core.borrow()?.stay_away();
            if turn >= SEARCHES {
                yield_now();
            }
        }
        let core = &mut *self.core.borrow()?;
        core.hopeful = false;
        core.tally.steal_misses += 1;
        None
    }

    /// How many turns to search. `None`: enough others do.
    fn start_search(&self) -> Option<u32> {
        let mut core = self.core.borrow()?;
        let alone = self.shared.workers() == 1;
        core.searching = core.searching || (!alone && self.shared.idle.start_search());
        let turns = if core.hopeful { PATIENCE } else { SEARCHES };
        (core.searching || alone).then_some(turns)
    }

    fn steal(&self) -> Option<Runnable> {
        let mut core = self.core.borrow()?;
        let (task, victim) = core.steal(&self.shared)?;
        core.new_slice();
        core.hopeful = true;
        let (slot, tasks) = (core.slot, 1 + core.local.len());
        let task = self.take_up(&mut core, task);
        drop(core);
        if let Some(victim) = victim
            && hook::on(hook::STEAL)
        {
            hook::stolen(slot, victim, tasks);
        }
        Some(task)
    }

    /// What sockets have brought to this worker's own queue.
    fn take_own(&self) -> Option<Runnable> {
        let core = &mut *self.core.borrow()?;
        let task = core.next(&self.shared)?;
        Some(self.take_up(core, task))
    }

    #[cold]
    fn end_search(&self, core: &mut Core) {
        core.searching = false;
        if self.shared.idle.end_search() && self.shared.has_work() {
            self.shared.idle.wake_one();
        }
    }

    /// Sleeps until there is something to do. The worker searches afterwards.
    #[cold]
    fn sleep(&self) {
        // Wakers may run in here, and find this slot ready to take tasks.
        self.fire_timers();
        // In hand meanwhile: a core whose worker sleeps is not to be taken over.
        let Some(mut core) = self.take_core() else {
            return;
        };
        // Who waits for sockets. They are told when this worker is awake, or it might go on sleeping with their tasks.
        let mut wakes = Wakes::new();
        if let Some(searching) = core.start_sleep() {
            core.tally.sleep();
            core.show(&self.shared);
            self.sleep_as(core.slot, searching, &mut wakes);
            core.tally.wake();
            clock::stale();
            core.searching = true;
        }
        self.put_core(core);
        self.fire(&mut wakes);
        // What has ended the sleep may be a timer: it comes before the search.
        self.fire_timers();
    }

    /// As one of the sleepers, until there is something to do.
    fn sleep_as(&self, slot: usize, searching: bool, wakes: &mut Wakes) {
        let shared = &*self.shared;
        shared.idle.sleep(slot, &self.parker, searching);
        loop {
            let keeper = shared.idle.is_keeper(slot);
            let timer = if keeper { self.time_to_timer() } else { None };
            let due = timer.is_some_and(|left| left.is_zero());
            let over = shared.is_closing() || slot >= shared.workers();
            let stir = over || shared.has_work() || due;
            if stir && shared.idle.leave(slot) {
                return;
            }
            if !wakes.is_empty() && shared.idle.leave_for_sockets(slot) {
                return;
            }
            let poller = shared.poller.get().filter(|_| keeper);
            let woken = match poller {
                Some(poller) => poller.sleep(&self.parker, timer, wakes),
                None => self.parker.park(timer),
            };
            if woken {
                return;
            }
        }
    }

    fn time_to_timer(&self) -> Option<Duration> {
        let at = self.shared.driver.next()?;
        Some(at.saturating_duration_since(Instant::now()))
    }

    // === for the tasks that run here ===

    pub(super) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    pub(super) fn belongs_to(&self, shared: *const Shared) -> bool {
        std::ptr::eq(Arc::as_ptr(&self.shared), shared)
    }

    /// Whether other tasks wait for this worker's slot; `None`: it has none.
    pub(super) fn is_wanted(&self) -> Option<bool> {
        let core = self.core.borrow()?;
        Some(core.has_work() || self.shared.inject.len() > 0)
    }

    /// Whether it works for the runtime whose sleepers these are: a worker of another one, and one without a core, does not.
    pub(super) fn is_of(&self, idle: &Arc<Idle>) -> bool {
        self.core.is_filled() && Arc::ptr_eq(&self.shared.idle, idle)
    }

    /// Queues a task that was woken here. Without a core it comes back.
    pub(super) fn push(&self, task: Runnable, place: Place) -> Result<(), Runnable> {
        let Some(mut core) = self.core.borrow() else {
            return Err(task);
        };
        match place {
            Place::Next => {
                if let Err(task) = core.local.put_next(task) {
                    core.post(&self.shared, task);
                }
            }
            Place::Behind => core.push_back(&self.shared, task),
            Place::Tail => core.post(&self.shared, task),
        }
        Ok(())
    }

    /// Queues a task that was spawned here: next, and the one that was next goes to the ring, for anybody. Without a core
    /// it comes back.
    pub(super) fn push_new(&self, task: Runnable) -> Result<(), Runnable> {
        let Some(mut core) = self.core.borrow() else {
            return Err(task);
        };
        task.bind();
        core.local.count_spawned();
        if let Some(before) = core.local.replace_next(task) {
            core.post(&self.shared, before);
        }
        Ok(())
    }

    /// False: not counted, there is no core.
    pub(super) fn count_finished(&self) -> bool {
        let core = self.core.borrow();
        core.map(|mut core| core.local.count_finished()).is_some()
    }

    pub(super) fn take_core(&self) -> Option<Box<Core>> {
        self.core.take()
    }

    pub(super) fn put_core(&self, core: Box<Core>) {
        let slot = core.slot as u32;
        self.core.put(core, slot);
    }

    /// For those who may take the core away.
    pub(super) fn taker(&self) -> Taker<Core> {
        self.core.taker()
    }

    pub(super) fn seat(&self) -> &Seat<Core> {
        &self.core
    }

    pub(super) fn parker(&self) -> &Arc<Parker> {
        &self.parker
    }
}
