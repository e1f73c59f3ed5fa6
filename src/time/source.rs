//! The source of ticks: what a [`Timer`](super::Timer) and a [`Ticker`](super::Ticker) are made of.
//!
//! It is not a channel, and nothing happens in it at the moment when it is due: a moment that has passed and that nobody
//! has taken *is* the tick that waits to be received. So there is nothing that could be stale after a stop or a reset, and
//! a source that nobody waits for costs the driver nothing. Go (`src/runtime/time.go`) comes to the same since 1.23 by
//! keeping a timer out of its heap while no goroutine is blocked on the timer's channel.
//!
//! Invariants
//! 1. `when` is the only truth. A tick is taken by moving it on, under the lock: each is taken once.
//! 2. While somebody waits and `when` is a moment, `armed` is there and is for that moment or an earlier one, or a `fire`
//!    is on its way to the lock. A `fire` wakes whoever waits if the moment has come, else it arms again.
//! 3. Waiters stand in the order in which they began to wait. All of them are woken, in that order; the first to look has
//!    the tick, and the others keep their places. So nobody who waits on a ticker can be passed by for ever, and a
//!    waiter that is dropped after it was woken takes nothing with it.
//! 4. The driver's lock may be taken under this one, never the other way round. No waker is cloned, woken or dropped
//!    under either.

use super::alarm::Site;
use super::current;
use super::driver::{Action, Entry, Fire};
use crate::hook::{Kind, ObjId};
use crate::shim::{Mutex, MutexGuard};
use crate::wait::waiter::Slot;
use crate::wait::wakes::Wakes;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// The next tick.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum When {
    /// Stopped, or received.
    Unset,
    At(Instant),
    /// Further away than an [`Instant`] can say.
    Never,
}

impl When {
    fn after(duration: Duration) -> When {
        current::now()
            .checked_add(duration)
            .map_or(When::Never, When::At)
    }
}

/// The tick after `due`, seen at `now`: in phase with it, and past `now`.
pub(super) fn next_tick(due: Instant, period: Duration, now: Instant) -> Option<Instant> {
    // Go: next = when + period * (1 + late / period); without the product, which may overflow.
    let late = now.saturating_duration_since(due).as_nanos() % period.as_nanos();
    let late = Duration::new((late / 1_000_000_000) as u64, (late % 1_000_000_000) as u32);
    now.max(due).checked_add(period - late)
}

/// What a timer and those who wait for it share.
pub(super) struct Source {
    id: ObjId,
    made: Site,
    state: Mutex<State>,
}

struct State {
    when: When,
    period: Option<Duration>,
    /// Counts takes, stops and resets.
    version: u64,
    armed: Option<(Instant, Entry)>,
    waiters: Vec<Waiting>,
    next_ticket: u64,
}

struct Waiting {
    ticket: u64,
    slot: Slot,
}

/// A tick that was taken, and what is needed to give it back.
#[derive(Debug)]
#[must_use]
pub(super) struct Taken {
    pub(super) at: Instant,
    version: u64,
}

impl Source {
    pub(super) fn new(after: Duration, period: Option<Duration>, made: Site) -> Arc<Source> {
        Arc::new(Source {
            id: ObjId::fresh(Kind::Timer),
            made,
            state: Mutex::new(State {
                when: When::after(after),
                period,
                version: 0,
                armed: None,
                waiters: Vec::new(),
                next_ticket: 0,
            }),
        })
    }

    pub(super) fn id(&self) -> ObjId {
        self.id
    }

    pub(super) fn made(&self) -> Site {
        self.made
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        match self.state.lock().when {
            When::At(at) => Some(at),
            When::Unset | When::Never => None,
        }
    }

    /// Sets the next tick; says whether there was one to come, or one that nobody had taken.
    pub(super) fn reset(self: &Arc<Self>, after: Duration, period: Option<Duration>) -> bool {
        let when = When::after(after);
        let mut state = self.state.lock();
        let pending = state.set(when);
        state.period = period;
        self.arm_for_waiters(&mut state);
        pending
    }

    pub(super) fn stop(&self) -> bool {
        let mut state = self.state.lock();
        let pending = state.set(When::Unset);
        let armed = state.armed.take();
        drop(state);
        drop(armed);
        pending
    }

    /// Takes the tick if it is due. Whoever had the place `ticket` leaves it then.
    pub(super) fn take(&self, ticket: &mut Option<u64>) -> Option<Taken> {
        let now = current::now();
        let mut state = self.state.lock();
        let taken = state.take(now)?;
        let left = state.leave(ticket);
        drop(state);
        drop(left);
        Some(taken)
    }

    /// Gives a tick back that nobody has seen, unless the source has gone on meanwhile.
    #[cold]
    pub(super) fn give_back(&self, taken: Taken) {
        let mut state = self.state.lock();
        if state.version == taken.version {
            state.when = When::At(taken.at);
            let mut wakes = state.wake_all();
            drop(state);
            wakes.fire();
        }
    }

    /// Waits at the place `ticket`, or at a new last one, to be woken when there may be something to take.
    pub(super) fn wait(self: &Arc<Self>, ticket: &mut Option<u64>, slot: Slot) {
        let mut state = self.state.lock();
        let old = state.enter(ticket, slot);
        self.arm_for_waiters(&mut state);
        drop(state);
        drop(old);
    }

    pub(super) fn leave(&self, ticket: &mut Option<u64>) {
        if ticket.is_some() {
            let left = self.state.lock().leave(ticket);
            drop(left);
        }
    }

    /// INVARIANT 2.
    fn arm_for_waiters(self: &Arc<Self>, state: &mut MutexGuard<'_, State>) {
        let When::At(at) = state.when else {
            return;
        };
        if state.waiters.is_empty() {
            return;
        }
        match &mut state.armed {
            Some((armed, _)) if *armed <= at => return,
            Some((armed, entry)) if entry.change(at) => {
                *armed = at;
                return;
            }
            _ => {}
        }
        // An entry that could not be changed has fired: what is replaced here is empty.
        let fire = Arc::clone(self);
        state.armed = Some((at, current::register(at, Action::Fire(fire))));
    }
}

impl Fire for Source {
    fn fire(self: Arc<Self>, _: Instant, now: Instant) {
        let mut state = self.state.lock();
        let fired = state.armed.take();
        let mut wakes = Wakes::new();
        if state.is_due(now) {
            wakes = state.wake_all();
        } else {
            self.arm_for_waiters(&mut state);
        }
        drop(state);
        drop(fired);
        wakes.fire();
    }
}

impl State {
    fn is_due(&self, now: Instant) -> bool {
        matches!(self.when, When::At(at) if at <= now)
    }

    fn set(&mut self, when: When) -> bool {
        self.version += 1;
        std::mem::replace(&mut self.when, when) != When::Unset
    }

    fn take(&mut self, now: Instant) -> Option<Taken> {
        let When::At(at) = self.when else {
            return None;
        };
        if at > now {
            return None;
        }
        let next = match self.period {
            None => When::Unset,
            Some(period) => next_tick(at, period, now).map_or(When::Never, When::At),
        };
        self.set(next);
        let version = self.version;
        Some(Taken { at, version })
    }

    /// What comes back is to be dropped without the lock.
    #[must_use]
    fn enter(&mut self, ticket: &mut Option<u64>, slot: Slot) -> Option<Slot> {
        if let Some(place) = self.place(*ticket) {
            return Some(std::mem::replace(&mut self.waiters[place].slot, slot));
        }
        let new = self.next_ticket;
        self.next_ticket += 1;
        *ticket = Some(new);
        self.waiters.push(Waiting { ticket: new, slot });
        None
    }

    /// What comes back is to be dropped without the lock.
    #[must_use]
    fn leave(&mut self, ticket: &mut Option<u64>) -> Option<Waiting> {
        let place = self.place(ticket.take())?;
        Some(self.waiters.remove(place))
    }

    fn place(&self, ticket: Option<u64>) -> Option<usize> {
        let ticket = ticket?;
        self.waiters
            .binary_search_by_key(&ticket, |waiting| waiting.ticket)
            .ok()
    }

    fn wake_all(&mut self) -> Wakes {
        let mut wakes = Wakes::new();
        for waiting in &mut self.waiters {
            wakes.take(&mut waiting.slot);
        }
        wakes
    }
}

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = f.debug_struct("Source");
        out.field("id", &self.id);
        match self.state.try_lock() {
            Some(state) => out
                .field("when", &state.when)
                .field("period", &state.period)
                .field("waiters", &state.waiters.len())
                .finish(),
            None => out.finish_non_exhaustive(),
        }
    }
}

#[cfg(test)]
mod tests;
