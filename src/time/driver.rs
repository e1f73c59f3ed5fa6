//! The driver: all timers of one runtime, and who is to be told when they are due.
//!
//! It is not a thread and never sleeps. Somebody drives it: a worker asks [`Driver::next`] how long it may park and calls
//! [`Driver::fire_due`] when it comes back; [`Driver::set_unpark`] is how a timer that is earlier than all others gets a
//! parked worker to ask again.
//!
//! Invariants
//! 1. `earliest` is the heap's first deadline whenever nobody holds the lock; [`NEVER`] when there is none.
//! 2. No foreign code under the lock: wakers are cloned before it, woken and dropped after it, and a [`Fire`] runs after it.
//!    Only [`Fire::is_dead`] is called under it, and that is our own load of a flag.
//! 3. A timer leaves the heap once: by its deadline (then it is woken or fired), by its owner (then it is not), or by
//!    [`Driver::shut`] (then its owner is told to go to another driver). Whoever takes it out under the lock decides.
//! 4. Once `shut` is set nothing comes in any more.
//!
//! Who calls whom with which lock: a [`Timer`](super::Timer) registers and cancels while it holds its own lock, so its lock
//! comes before the driver's; a `Fire` runs with neither.

use super::heap::{Heap, Key};
use crate::shim::{Arc, AtomicU64, Mutex, MutexGuard, Ordering::Relaxed};
use crate::sync::Histogram;
use crate::wait::waiter::Slot;
use crate::wait::wakes::Wakes;
use std::fmt;
use std::sync::OnceLock;
use std::task::Waker;
use std::time::{Duration, Instant};

/// `earliest` when there is no timer. 584 years: a deadline beyond it is taken to be the moment before.
const NEVER: u64 = u64::MAX;

/// How many timers leave under one hold of the lock.
const BATCH: usize = 16;

/// Below this number of timers nobody looks for dead ones.
const SWEEP: usize = 64;

/// A timer that is more than a waker: it sends, and it may set itself again.
pub(crate) trait Fire: Send + Sync {
    /// Runs when the moment `due` has come, and before that when the driver is shut: look at the time, do what is due,
    /// register again for the rest.
    fn fire(self: std::sync::Arc<Self>, due: Instant, now: Instant);

    /// Nobody can see the effect any more. Asked under the driver's lock: a load, no more.
    fn is_dead(&self) -> bool {
        false
    }
}

/// What happens at the deadline.
pub(crate) enum Action {
    /// Somebody who waits is woken.
    Wake(Slot),
    Fire(std::sync::Arc<dyn Fire>),
}

impl Action {
    fn run(self, due: Instant, now: Instant) {
        match self {
            Action::Wake(mut slot) => {
                let mut wakes = Wakes::new();
                wakes.take(&mut slot);
                wakes.fire();
            }
            Action::Fire(fire) => fire.fire(due, now),
        }
    }

    /// Whether it runs nothing but our own code, and not much of that.
    fn is_quick(&self, is_own: impl Fn(&Waker) -> bool) -> bool {
        match self {
            Action::Wake(slot) => slot.is_silent(is_own),
            Action::Fire(_) => false,
        }
    }

    fn is_dead(&self) -> bool {
        matches!(self, Action::Fire(fire) if fire.is_dead())
    }
}

/// All timers of one runtime.
pub(crate) struct Driver {
    /// Deadlines are nanoseconds after this.
    epoch: Instant,
    earliest: AtomicU64,
    state: Mutex<State>,
    unpark: OnceLock<Box<dyn Fn() + Send + Sync>>,
    #[cfg(test)]
    hand: OnceLock<std::sync::Mutex<Instant>>,
}

struct State {
    heap: Heap<Action>,
    /// How late timers have fired.
    lateness: Histogram,
    /// So many timers, and dead ones are looked for.
    sweep_at: usize,
    shut: bool,
}

impl Driver {
    pub(crate) fn new() -> Arc<Driver> {
        Arc::new(Driver {
            epoch: Instant::now(),
            earliest: AtomicU64::new(NEVER),
            state: Mutex::new(State {
                heap: Heap::new(),
                lateness: Histogram::new(),
                sweep_at: SWEEP,
                shut: false,
            }),
            unpark: OnceLock::new(),
            #[cfg(test)]
            hand: OnceLock::new(),
        })
    }

    /// `unpark` is called, with none of the driver's locks held, whenever a timer comes that is earlier than all others,
    /// after [`next`](Self::next) has learned of it. It is set once; later calls change nothing.
    pub(crate) fn set_unpark(&self, unpark: Box<dyn Fn() + Send + Sync>) {
        let _ = self.unpark.set(unpark);
    }

    /// The earliest deadline: one load.
    ///
    /// ORDERING: Relaxed, and so is the store in `publish`: it publishes nothing but itself. That no new deadline is missed
    /// is up to those who park: announce it, fence (SeqCst), ask here; and in `unpark`, which comes after the store:
    /// fence (SeqCst), look who has announced it. One of the two sees the other.
    pub(crate) fn next(&self) -> Option<Instant> {
        match self.earliest.load(Relaxed) {
            NEVER => None,
            tick => Some(self.moment(tick)),
        }
    }

    /// Fires every timer that is due at `now` and was there at the call; returns the deadline that is then the earliest.
    pub(crate) fn fire_due(&self, now: Instant) -> Option<Instant> {
        self.fire_some(now, |_| false, || usize::MAX)
    }

    /// As [`fire_due`](Self::fire_due), the earliest first, for as long as there is `room` for some more. `is_own` knows wakers that
    /// return at once. Any other code may take its time, or wait for what a later timer does: no timer is in our hands then.
    pub(crate) fn fire_some(
        &self,
        now: Instant,
        is_own: impl Fn(&Waker) -> bool,
        room: impl FnMut() -> usize,
    ) -> Option<Instant> {
        let tick = self.tick(now);
        if self.earliest.load(Relaxed) <= tick {
            self.fire_batches(now, tick, is_own, room);
        }
        self.next()
    }

    /// How many timers are pending.
    pub(crate) fn pending(&self) -> usize {
        self.state.lock().heap.len()
    }

    /// How late timers have fired: from their deadlines to the looks that found them due.
    pub(crate) fn lateness(&self) -> Histogram {
        self.state.lock().lateness.clone()
    }

    /// Takes no timers any more, and sends those that are there elsewhere: tasks are woken and register with another
    /// driver when they look again.
    pub(crate) fn shut(&self) {
        self.state.lock().shut = true;
        let now = Instant::now();
        while let Some((due, action)) = self.with(|s| s.heap.pop()) {
            action.run(self.moment(due), now);
        }
    }

    #[cold]
    fn fire_batches(
        &self,
        now: Instant,
        tick: u64,
        is_own: impl Fn(&Waker) -> bool,
        mut room: impl FnMut() -> usize,
    ) {
        // What the fired code registers waits for the next call, or a hostile waker could hold the worker here for good.
        let horizon = self.state.lock().heap.horizon();
        loop {
            let mut due = [const { None }; BATCH];
            let most = room().min(BATCH);
            self.with(|s| s.take_batch(&mut due[..most], tick, horizon, &is_own));
            if due[0].is_none() {
                return;
            }
            for (due, action) in due.into_iter().flatten() {
                action.run(self.moment(due), now);
            }
        }
    }

    /// Runs `f` under the lock and holds invariant 1.
    fn with<R>(&self, f: impl FnOnce(&mut State) -> R) -> R {
        let mut state = self.state.lock();
        let result = f(&mut state);
        self.publish(&state);
        result
    }

    /// Says whether the first deadline is now an earlier one.
    fn publish(&self, state: &MutexGuard<'_, State>) -> bool {
        let first = state.heap.first().unwrap_or(NEVER);
        // Only holders of the lock store: nobody comes in between.
        let before = self.earliest.load(Relaxed);
        if first != before {
            self.earliest.store(first, Relaxed);
        }
        first < before
    }

    fn tick(&self, at: Instant) -> u64 {
        let ns = at.saturating_duration_since(self.epoch).as_nanos();
        u64::try_from(ns).unwrap_or(NEVER).min(NEVER - 1)
    }

    fn moment(&self, tick: u64) -> Instant {
        let moment = self.epoch.checked_add(Duration::from_nanos(tick));
        moment.unwrap_or_else(far)
    }
}

/// A moment that nobody lives to see, where [`Instant`] ends before the 584 years do.
#[cold]
fn far() -> Instant {
    let now = Instant::now();
    let mut ahead = Duration::from_secs(1 << 62);
    loop {
        match now.checked_add(ahead) {
            Some(far) => return far,
            None => ahead /= 2,
        }
    }
}

impl fmt::Debug for Driver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let timers = self.state.try_lock().map(|s| s.heap.len());
        f.debug_struct("Driver")
            .field("next", &self.next())
            .field("timers", &timers)
            .finish()
    }
}

// === impl Entry ===

/// A timer's place with a driver. Dropping it takes the timer out.
pub(crate) struct Entry {
    driver: Arc<Driver>,
    /// `None`: known to have left the heap.
    key: Option<Key>,
}

/// What has become of an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub(crate) enum Look {
    Waiting,
    /// It was taken out at its deadline.
    Fired,
    /// The driver has gone out of service: register elsewhere.
    Shut,
}

impl Entry {
    /// Registers `action` for `deadline`; gives it back when the driver is shut.
    pub(crate) fn new(
        driver: Arc<Driver>,
        deadline: Instant,
        action: Action,
    ) -> Result<Entry, Action> {
        let tick = driver.tick(deadline);
        let mut dead = Vec::new();
        let mut state = driver.state.lock();
        if state.shut {
            return Err(action);
        }
        if state.heap.len() >= state.sweep_at {
            state.sweep(&mut dead);
        }
        let key = state.heap.insert(tick, action);
        let earlier = driver.publish(&state);
        drop(state);
        drop(dead);
        if earlier {
            driver.unpark();
        }
        Ok(Entry {
            driver,
            key: Some(key),
        })
    }

    /// Looks what has become of the timer, and sees to it that `waker` is the one to be woken.
    pub(crate) fn look(&mut self, waker: &Waker) -> Look {
        let look = match self.try_look(waker) {
            Some(look) => look,
            None => self.look_with(waker.clone()),
        };
        if look != Look::Waiting {
            self.key = None;
        }
        look
    }

    /// `None`: the timer waits, with another waker.
    fn try_look(&self, waker: &Waker) -> Option<Look> {
        let mut state = self.driver.state.lock();
        match self.key.and_then(|key| state.heap.get_mut(key)) {
            None => Some(state.gone()),
            Some(Action::Wake(Slot { waker: old, .. }))
                if !old.as_ref().is_some_and(|old| old.will_wake(waker)) =>
            {
                None
            }
            Some(_) => Some(Look::Waiting),
        }
    }

    /// Puts another waker in, cloned without the lock; by now the timer may have fired.
    #[cold]
    fn look_with(&self, waker: Waker) -> Look {
        let mut other = Some(waker);
        let mut state = self.driver.state.lock();
        let look = match self.key.and_then(|key| state.heap.get_mut(key)) {
            None => state.gone(),
            Some(Action::Wake(slot)) => {
                std::mem::swap(&mut slot.waker, &mut other);
                Look::Waiting
            }
            Some(Action::Fire(_)) => Look::Waiting,
        };
        drop(state);
        drop(other); // The old waker, or the new one that came too late: with the lock released.
        look
    }

    /// Leaves the timer in the driver, for as long as it takes.
    pub(crate) fn detach(mut self) {
        self.key = None;
    }

    /// Moves the timer to another deadline. `false`: it has left the heap.
    pub(crate) fn change(&self, deadline: Instant) -> bool {
        let Some(key) = self.key else {
            return false;
        };
        let tick = self.driver.tick(deadline);
        let mut state = self.driver.state.lock();
        let here = state.heap.change(key, tick);
        let earlier = self.driver.publish(&state);
        drop(state);
        if earlier {
            self.driver.unpark();
        }
        here
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        if let Some(key) = self.key {
            let action = self.driver.with(|s| s.heap.remove(key));
            drop(action); // With the lock released: a waker's drop is foreign code.
        }
    }
}

impl fmt::Debug for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Entry").field(&self.key).finish()
    }
}

impl State {
    /// What is due, into `places`: quick ones, or a single other one.
    fn take_batch(
        &mut self,
        places: &mut [Option<(u64, Action)>],
        tick: u64,
        horizon: u64,
        is_own: impl Fn(&Waker) -> bool,
    ) {
        let mut alone = true;
        for place in places {
            let fits = |action: &Action| alone || action.is_quick(&is_own);
            *place = self.heap.pop_due_if(tick, horizon, fits);
            let Some((when, action)) = place else {
                return;
            };
            self.lateness.count_one(tick - *when);
            if !action.is_quick(&is_own) {
                return;
            }
            alone = false;
        }
    }

    fn gone(&self) -> Look {
        if self.shut { Look::Shut } else { Look::Fired }
    }

    /// Each sweep is paid for by the registrations since the last: as many as there were timers left then.
    #[cold]
    fn sweep(&mut self, dead: &mut Vec<Action>) {
        self.heap.sweep(Action::is_dead, dead);
        self.sweep_at = (2 * self.heap.len()).max(SWEEP);
    }
}

impl Driver {
    fn unpark(&self) {
        if let Some(unpark) = self.unpark.get() {
            unpark();
        }
    }
}

#[cfg(all(test, gochan_loom))]
mod loom;
#[cfg(test)]
pub(super) mod tests;
