//! The worker: what a thread does that holds one of the runtime's slots.
//!
//! What it is not: the slot. The slot is the [`Core`], Go's P: a run queue, a tick, a time slice. It moves to another thread
//! when the one that holds it blocks.
//!
//! The loop, as in Go's `schedule` and `findRunnable` (`src/runtime/proc.go`): every 61st tick, and sooner when polls are
//! long, timers, sockets and the global queue first; then `runnext`; the ring; a batch of the global queue; half of somebody's ring; sleep.
//!
//! 1. Nothing foreign runs while the core is borrowed.
//! 2. A task in `runnext` inherits the time slice of the one that woke it, so that a pair that wakes each other in turn
//!    gets no more than one slice before the ring has its turn.
//! 3. Whoever holds a core sees to it that the core goes on: it runs, sleeps as one of [`Idle`](super::idle)'s
//!    sleepers, is handed to another thread, or is retired at the end.
//! 4. Pushes that add to the number of runnable tasks which others may take post work (`Idle::wake_one`). A task that
//!    goes back to the ring while its worker looks for the next one, or a joiner that takes its finished child's place,
//!    adds nothing: the worker itself is about to look there.

use std::cell::RefCell;
use std::time::Instant;

use super::parker::Parker;
use super::queue::Local;
use super::shared::Shared;
use super::watch::Watch;
use crate::clock;
use crate::hook::current;
use crate::shim::{Arc, RING, spin_loop, yield_now};
use crate::task::{Outcome, Place, Runnable};
use crate::util::rng;
use crate::wait::wakes::Wakes;

/// At the latest after so many polls a worker looks at what it else only looks at when it has nothing to do. As in Go.
const FAIRNESS: u32 = 61;
/// The longest a pair of tasks may go on waking each other before others have their turn.
const SLICE_NS: u64 = 200_000;
/// How often a searching worker looks at everybody before it sleeps.
const SEARCHES: u32 = 4;
/// The looks of a searching worker are 3 microseconds apart.
const LOOKS_IN_SLICE: u64 = 64;
/// How often if its last search found something. Whoever makes many small tasks would else pay for waking a worker
/// after every few of them, which takes longer than to run them.
const PATIENCE: u32 = 12;

/// A worker's slot.
pub(super) struct Core {
    slot: usize,
    local: Local,
    tick: u32,
    /// The tick at which timers and the global queue have their turn, and after how many ticks the next time.
    tend_at: u32,
    stride: u32,
    /// When they last had, in ticks of the clock.
    tended: u64,
    /// The global queue goes first this time.
    global_first: bool,
    /// The length of a time slice, in ticks.
    slice: u64,
    searching: bool,
    /// Its last search found something.
    hopeful: bool,
}

/// A thread of the runtime, and its core while it holds one.
pub(super) struct Worker {
    shared: Arc<Shared>,
    core: RefCell<Option<Box<Core>>>,
    parker: Arc<Parker>,
}

// === impl Core ===

impl Core {
    pub(super) fn new(slot: usize, local: Local) -> Core {
        const SAMPLE: u64 = 1 << 20;
        Core {
            slot,
            local,
            tick: 0,
            tend_at: 0,
            stride: 1,
            tended: 0,
            global_first: false,
            slice: SLICE_NS * SAMPLE / clock::ticks_to_ns(SAMPLE).max(1),
            searching: false,
            hopeful: false,
        }
    }

    /// The next task of this slot, or a batch of the global queue.
    fn next(&mut self, shared: &Shared) -> Option<Runnable> {
        if self.tick.is_multiple_of(FAIRNESS)
            && let Some(task) = shared.inject.pop()
        {
            self.new_slice();
            return Some(task);
        }
        if let Some(task) = self.local.take_next() {
            if !current::slice_is_over() {
                return Some(task);
            }
            self.push_back(shared, task);
        }
        let task = self.local.pop().or_else(|| self.take_global(shared))?;
        self.new_slice();
        Some(task)
    }

    /// Sets the next time of [`Worker::tend`]: twice as far off as the last, unless that turned out to be a time slice.
    fn tend_later(&mut self) {
        let now = clock::ticks();
        let long = now.saturating_sub(self.tended) >= self.slice;
        self.stride = if long {
            1
        } else {
            (2 * self.stride).min(FAIRNESS)
        };
        self.tend_at = self.tick.wrapping_add(self.stride);
        self.tended = now;
        self.global_first = true;
    }

    /// The clock is not read for it: the last wait that began on this thread did.
    fn new_slice(&self) {
        current::new_slice(clock::recent().saturating_add(self.slice));
    }

    /// A fair share of the global queue: one to run, the rest to the ring, which is empty.
    fn take_global(&mut self, shared: &Shared) -> Option<Runnable> {
        let workers = shared.workers();
        let share = |len: usize| (len / workers + 1).min(RING / 2);
        shared.inject.pop_batch(&mut self.local, share)
    }

    /// To the end of the ring, without posting work.
    #[inline]
    fn push_back(&mut self, shared: &Shared, task: Runnable) {
        self.local
            .push(task, |spilled| shared.inject.extend(spilled));
    }

    /// To the end of the ring, for anybody.
    #[inline]
    fn post(&mut self, shared: &Shared, task: Runnable) {
        self.push_back(shared, task);
        if shared.workers() > 1 {
            shared.idle.wake_one();
        }
    }

    /// Half of somebody's ring, or a share of the global queue.
    fn steal(&mut self, shared: &Shared) -> Option<Runnable> {
        let queues = &shared.queues;
        let start = rng::below(queues.len() as u32) as usize;
        let (before, from) = queues.split_at(start);
        for victim in from.iter().chain(before) {
            if let Some(task) = self.local.steal_from(victim) {
                return Some(task);
            }
        }
        self.take_global(shared)
    }

    /// Lets some microseconds pass between two looks at the others. Who takes a task the moment it is queued gets one at a
    /// time, and a producer woken that soon finds room for one value; a little later there is a batch of each. Go's thieves
    /// wait as long before they take a `runnext`.
    fn stay_away(&self) {
        let until = clock::ticks().saturating_add(self.slice / LOOKS_IN_SLICE);
        while clock::ticks() < until {
            spin_loop();
        }
    }

    /// All tasks of a slot that nobody works any more.
    pub(super) fn drain(&mut self) -> impl Iterator<Item = Runnable> {
        std::iter::from_fn(|| self.local.take_next().or_else(|| self.local.pop()))
    }
}

// === impl Worker: the loop ===

impl Worker {
    pub(super) fn new(shared: Arc<Shared>, core: Box<Core>) -> Worker {
        Worker {
            shared,
            core: RefCell::new(Some(core)),
            parker: Parker::new(),
        }
    }

    /// Runs tasks until the core has gone to another thread or the runtime closes.
    pub(super) fn run(&self) {
        while self.tend() {
            if let Some(task) = self.next().or_else(|| self.search()) {
                self.execute(task);
                continue;
            }
            self.sleep();
            if !self.goes_on() {
                return;
            }
        }
    }

    /// What is due now and then. False: the loop is over.
    #[inline]
    fn tend(&self) -> bool {
        match &mut *self.core.borrow_mut() {
            None => return false,
            Some(core) if core.tick != core.tend_at => return true,
            Some(core) => core.tend_later(),
        }
        self.fire_timers();
        self.look_at_sockets();
        self.goes_on()
    }

    fn goes_on(&self) -> bool {
        !self.shared.is_closing() && self.has_core()
    }

    /// Foreign code runs here: wakers.
    fn fire_timers(&self) {
        if let Some(at) = self.shared.driver.next() {
            let now = Instant::now();
            if at <= now {
                self.shared.driver.fire_due(now);
            }
        }
    }

    /// Foreign code runs here: wakers. Nothing is foreign about a runtime without sockets.
    fn look_at_sockets(&self) {
        if let Some(poller) = self.shared.poller.get() {
            let mut wakes = Wakes::new();
            poller.try_collect(&mut wakes);
            wakes.fire();
        }
    }

    fn next(&self) -> Option<Runnable> {
        let mut core = self.core.borrow_mut();
        let core = core.as_mut()?;
        let task = core.next(&self.shared)?;
        self.take_up(core);
        Some(task)
    }

    fn take_up(&self, core: &mut Core) {
        if core.searching {
            self.end_search(core);
        }
        core.tick = core.tick.wrapping_add(1);
        core.local.set_tick(core.tick);
    }

    fn execute(&self, task: Runnable) {
        let (Outcome::Again(task) | Outcome::Yield(task)) = task.run() else {
            return;
        };
        match self.core.borrow_mut().as_mut() {
            Some(core) => core.push_back(&self.shared, task),
            None => self.push_remote(task),
        }
    }

    fn push_remote(&self, task: Runnable) {
        self.shared.inject.push(task);
        self.shared.idle.wake_one();
    }

    #[cold]
    fn search(&self) -> Option<Runnable> {
        let turns = self.start_search()?;
        for turn in 0..turns {
            if let Some(task) = self.steal() {
                return Some(task);
            }
            self.look_at_sockets();
            if let Some(task) = self.next() {
                return Some(task);
            }
            self.core.borrow().as_ref()?.stay_away();
            if turn >= SEARCHES {
                yield_now();
            }
        }
        self.core.borrow_mut().as_mut()?.hopeful = false;
        None
    }

    /// How many turns to search. `None`: enough others do.
    fn start_search(&self) -> Option<u32> {
        let mut core = self.core.borrow_mut();
        let core = core.as_mut()?;
        let alone = self.shared.workers() == 1;
        core.searching = core.searching || (!alone && self.shared.idle.start_search());
        let turns = if core.hopeful { PATIENCE } else { SEARCHES };
        (core.searching || alone).then_some(turns)
    }

    fn steal(&self) -> Option<Runnable> {
        let mut core = self.core.borrow_mut();
        let core = core.as_mut()?;
        let task = core.steal(&self.shared)?;
        core.new_slice();
        core.hopeful = true;
        self.take_up(core);
        Some(task)
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
        let Some((slot, searching)) = self.core.borrow_mut().as_mut().and_then(Core::start_sleep)
        else {
            return;
        };
        let shared = &*self.shared;
        shared.idle.sleep(slot, &self.parker, searching);
        let mut watch = Watch::new(slot);
        // Who waits for sockets. They are told when this worker is awake, or it might go on sleeping with their tasks.
        let mut wakes = Wakes::new();
        loop {
            let stir = shared.is_closing() || shared.has_work() || watch.is_due(shared);
            if (stir || !wakes.is_empty()) && shared.idle.leave(slot) {
                break;
            }
            let timeout = watch.timeout(shared);
            let poller = shared.poller.get();
            let woken = match poller.filter(|_| shared.idle.is_keeper(slot)) {
                Some(poller) => poller.sleep(&self.parker, timeout, &mut wakes),
                None => self.parker.park(timeout),
            };
            if woken {
                break;
            }
        }
        let stuck = watch.take_stuck(shared);
        if let Some(core) = self.core.borrow_mut().as_mut() {
            core.searching = true;
            if let Some(task) = stuck {
                core.push_back(shared, task);
            }
        }
        wakes.fire();
    }

    // === for the tasks that run here ===

    pub(super) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    pub(super) fn belongs_to(&self, shared: *const Shared) -> bool {
        std::ptr::eq(Arc::as_ptr(&self.shared), shared)
    }

    pub(super) fn has_core(&self) -> bool {
        self.core.borrow().is_some()
    }

    /// Queues a task that was woken here. Without a core it comes back.
    pub(super) fn push(&self, task: Runnable, place: Place) -> Result<(), Runnable> {
        let mut core = self.core.borrow_mut();
        let Some(core) = core.as_mut() else {
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
        let mut core = self.core.borrow_mut();
        let Some(core) = core.as_mut() else {
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
        let mut core = self.core.borrow_mut();
        core.as_mut()
            .map(|core| core.local.count_finished())
            .is_some()
    }

    pub(super) fn take_core(&self) -> Option<Box<Core>> {
        self.core.borrow_mut().take()
    }

    pub(super) fn put_core(&self, core: Box<Core>) {
        let before = self.core.borrow_mut().replace(core);
        debug_assert!(before.is_none());
    }

    pub(super) fn parker(&self) -> &Arc<Parker> {
        &self.parker
    }
}

impl Core {
    /// `None`: there is work after all. Else the slot, and whether it counts as searching; it no longer does.
    fn start_sleep(self: &mut Box<Self>) -> Option<(usize, bool)> {
        let idle = self.local.len() == 0 && !self.local.has_next();
        idle.then(|| (self.slot, std::mem::take(&mut self.searching)))
    }
}
