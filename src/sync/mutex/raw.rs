//! The mutex without its value: lock, unlock, and who comes next. After Go's `internal/sync/mutex.go`.
//!
//! What it is not: generic, or a future. Futures and guards call it; the word is in `state.rs`.
//!
//! *Normal mode.* Unlock frees the mutex and nudges the first waiter: wakes it while it stays first in the queue. It takes
//! the mutex when it is polled, unless a newcomer, who is on a processor already, was faster; then it goes on waiting in
//! its place, which is Go's requeue at the front.
//!
//! *Starvation mode.* Once the first waiter has waited for more than a millisecond, unlock hands the mutex over to it, and
//! newcomers queue. It ends with a waiter that has waited for less, or is the last. Go notices when the nudged waiter finds
//! the mutex taken; here also whoever unlocks looks: a task may be nudged for long before its worker polls it.
//!
//! A waiter that stands in several queues (a select) is never nudged, but handed the mutex over.
//!
//! Invariants, true whenever the object's lock is free
//! 1. WAITERS is set while the queue is not empty.
//! 2. WOKEN is set exactly while the first waiter is `nudged`; no other one is.
//! 3. The mutex is free, or its holder will see to the waiters, or WOKEN is set, or the queue is empty.
//!
//! Who writes: `inner` whoever has the object's lock; `nudged_since` too, read by whoever unlocks; `holder` who acquires.

use std::panic::Location;

use super::late;
use super::state::{Retried, Seen, State, Unlocked};
use crate::clock;
use crate::hook::holder::{Hold, Runner};
use crate::hook::{Kind, ObjId};
use crate::shim::{self, AtomicU64, LOCK_TURNS, Ordering::*, const_fn, spin_loop};
use crate::sync::histogram::Histogram;
use crate::wait::lock::Object;
use crate::wait::queue::Queue;
use crate::wait::waiter::How;
use crate::wait::wakes::Wakes;

type Site = &'static Location<'static>;

/// After so long in the queue a waiter is handed the mutex. As in Go.
const STARVING_NS: u64 = 1_000_000;
/// Looks at the processor's pace between two looks at the word.
const PAUSES: u32 = 48;

/// A mutex that guards nothing by itself.
#[derive(Debug)]
pub(super) struct RawMutex {
    state: State,
    holder: Runner,
    nudged_since: AtomicU64,
    pub(super) object: Object<Inner>,
}

/// What the object's lock guards.
#[derive(Debug)]
pub struct Inner {
    pub(super) queue: Queue<LockSlot>,
    pub(super) counts: Counts,
}

/// What has happened to those who had to wait. Times in ticks.
#[derive(Clone, Debug)]
pub(super) struct Counts {
    pub(super) contended: u64,
    pub(super) wait_total: u64,
    pub(super) wait_max: u64,
    pub(super) hold_total: u64,
    pub(super) hold_max: u64,
    pub(super) waits: Histogram,
    pub(super) holds: Histogram,
    pub(super) switches: u64,
}

/// What a waiter brings along.
#[derive(Debug, Default)]
pub struct LockSlot {
    /// Wanted while it waits, held once the mutex was handed over.
    hold: Option<Hold>,
    nudged: bool,
}

impl LockSlot {
    pub(super) fn who(&self) -> ObjId {
        self.hold.map_or(ObjId::NONE, |hold| hold.who())
    }

    /// The hold that a peer has handed over.
    pub(super) fn take_hold(&mut self) -> Hold {
        self.hold.take().expect("what was given is held")
    }

    fn waited(&self, now: u64) -> u64 {
        let since = self.hold.map_or(now, |hold| hold.since());
        now.saturating_sub(since)
    }
}

impl Drop for LockSlot {
    #[inline(always)]
    fn drop(&mut self) {
        if let Some(hold) = self.hold {
            hold.given_up();
        }
    }
}

impl RawMutex {
    const_fn! {
        pub(super) fn new(made: Site) -> RawMutex {
            let inner = Inner {
                queue: Queue::new(),
                counts: Counts {
                    contended: 0,
                    wait_total: 0,
                    wait_max: 0,
                    hold_total: 0,
                    hold_max: 0,
                    waits: Histogram::new(),
                    holds: Histogram::new(),
                    switches: 0,
                },
            };
            RawMutex {
                state: State::new(),
                holder: Runner::new(),
                nudged_since: AtomicU64::new(0),
                object: Object::new(inner, Kind::Mutex, made),
            }
        }
    }

    pub(super) fn state(&self) -> Seen {
        self.state.load()
    }

    /// Those who wait, in their order, and the counts.
    pub(super) fn waiters(&self) -> (Vec<ObjId>, Counts) {
        // Room is made without the lock, as far as can be known.
        let mut waiters = Vec::with_capacity(self.object.lock().queue.len());
        let mut inner = self.object.lock();
        inner.queue.for_each(|slot| waiters.push(slot.who()));
        (waiters, inner.counts.clone())
    }

    // ---- to have it

    #[inline(always)]
    pub(super) fn lock(&self, site: Site) -> Option<Hold> {
        self.take(site, |state| state.lock() || state.barge())
    }

    #[inline(always)]
    pub(super) fn try_lock(&self, site: Site) -> Option<Hold> {
        self.take(site, |state| state.lock() || state.barge())
    }

    #[inline(always)]
    fn take(&self, site: Site, way: impl FnOnce(&State) -> bool) -> Option<Hold> {
        // Who is not going to have it need not note anything.
        if !self.state.load().is_open() {
            return None;
        }
        Hold::if_taken(self.object.id(), site, || {
            let taken = way(&self.state);
            if taken {
                self.holder.set();
            }
            taken
        })
    }

    #[inline(always)]
    fn acquired(&self, site: Site) -> Hold {
        self.holder.set();
        Hold::acquired(self.object.id(), site)
    }

    /// Looks for a moment whether it becomes free, as long as its holder is on a processor: it will be done before we
    /// were queued and woken again. Who has lost the race stays away for a while, so that two cores work in batches.
    #[cold]
    #[inline(never)]
    pub(super) fn spin(&self, site: Site) -> Option<Hold> {
        for _ in 0..LOCK_TURNS {
            let now = self.state.load();
            if now.is_starving() || now.is_locked() && !self.holder.is_running() {
                return None;
            }
            if now.is_open() && self.state.barge() {
                return Some(self.acquired(site));
            }
            (0..PAUSES).for_each(|_| spin_loop());
        }
        None
    }

    // ---- to wait for it, under the object's lock

    /// A newcomer's attempt. On failure it is as good as queued: whoever unlocks will see to the waiters.
    pub(super) fn attempt(&self, slot: &mut LockSlot, site: Site) -> Option<Hold> {
        if self.state.lock_or_wait() {
            return Some(self.acquired(site));
        }
        // Anew each time: it may be lent to a select, by another task, long after its last one.
        drop(std::mem::take(slot));
        slot.hold = Some(Hold::wanted(self.object.id(), site, clock::ticks()));
        None
    }

    /// The look of a waiter that is polled.
    pub(super) fn retry(&self, inner: &mut Inner, slot: &mut LockSlot) -> Option<Hold> {
        if !std::mem::take(&mut slot.nudged) {
            return None;
        }
        let now = clock::ticks();
        let waited = slot.waited(now);
        match self.state.retry(is_long(waited)) {
            Retried::Locked => {
                self.holder.set();
                inner.counts.waited(waited);
                let hold = slot.take_hold();
                hold.granted(now);
                Some(hold)
            }
            Retried::Stays => {
                if is_long(waited) {
                    self.switched(inner, Some("starving"));
                }
                None
            }
        }
    }

    /// A waiter was queued, or has left with the mutex.
    pub(super) fn changed(&self, inner: &mut Inner) {
        if inner.queue.is_empty() {
            self.calm(inner);
        }
    }

    /// A waiter has left without the mutex. If it was the nudged one, the next is.
    pub(super) fn left(&self, inner: &mut Inner, wakes: &mut Wakes) {
        let Some(mut first) = inner.queue.first() else {
            return self.calm(inner);
        };
        if self.state.load().is_woken() && !first.payload().nudged {
            self.state.unwake();
            self.wake_next(inner, wakes);
        }
    }

    /// What was handed over is not wanted any more.
    pub(super) fn abandon(&self, inner: &mut Inner, slot: &mut LockSlot, wakes: &mut Wakes) {
        drop(std::mem::take(slot));
        self.state.give_back();
        self.wake_next(inner, wakes);
    }

    // ---- to give it back

    #[inline(always)]
    pub(super) fn unlock(&self, hold: Hold) {
        let since = hold.since();
        hold.released();
        if let Unlocked::Watched(left) = self.state.unlock() {
            self.unlock_watched(left, since);
        }
    }

    /// Apart from what follows, for it comes with each unlock while somebody waits, and most often has nothing to do.
    #[inline(never)]
    fn unlock_watched(&self, left: Seen, since: u64) {
        if left.has_waiters() && (!left.is_woken() || self.nudged_is_late()) {
            self.unlock_slow(since);
        }
    }

    #[cold]
    #[inline(never)]
    fn unlock_slow(&self, since: u64) {
        let now = clock::ticks();
        let mut wakes = Wakes::new();
        let mut inner = self.object.lock();
        inner.counts.held(now.saturating_sub(since));
        self.wake_next(&mut inner, &mut wakes);
        drop(inner);
        wakes.fire();
    }

    /// Whether the waiter that was nudged has waited for so long that it must not be passed any more.
    #[inline]
    fn nudged_is_late(&self) -> bool {
        // ORDERING: Relaxed: written before WOKEN was set, under the lock; an older value is one of an earlier nudge,
        // and then we look for nothing.
        late::is_late(self.nudged_since.load(Relaxed))
    }

    /// Sees to the waiters, if the mutex is free: nudges the first, or hands over to it.
    fn wake_next(&self, inner: &mut Inner, wakes: &mut Wakes) {
        loop {
            let Some(mut first) = inner.queue.first() else {
                return self.calm(inner);
            };
            let starving = self.state.load().is_starving();
            let waited = first.payload().waited(clock::ticks());
            if !starving && !first.is_shared() && !is_long(waited) {
                // Nudged already, and now by this hold of the lock as well: once is enough.
                if !first.payload().nudged && self.state.nudge() {
                    let since = first.payload().hold.map_or(0, |hold| hold.since());
                    self.nudged_since.store(since, Relaxed);
                    first.payload().nudged = true;
                    first.nudge(wakes);
                }
                return;
            }
            if !self.state.take() || self.hand_over(inner, wakes) {
                return;
            }
            // All of them were selects that have gone elsewhere.
            self.state.give_back();
        }
    }

    /// Gives the mutex, which is locked, to the first waiter that can be claimed.
    fn hand_over(&self, inner: &mut Inner, wakes: &mut Wakes) -> bool {
        let Some(mut waiter) = inner.queue.pop_claim() else {
            return false;
        };
        let slot = waiter.payload();
        let now = clock::ticks();
        let waited = slot.waited(now);
        slot.nudged = false;
        if let Some(hold) = slot.hold {
            hold.granted(now);
        }
        waiter.complete(How::Given, wakes);
        inner.counts.waited(waited);
        if inner.queue.is_empty() {
            self.calm(inner);
        } else if self.state.load().is_starving() != is_long(waited) {
            self.state.set_starving(is_long(waited));
            self.switched(inner, is_long(waited).then_some("starving"));
        }
        true
    }

    fn calm(&self, inner: &mut Inner) {
        if self.state.calm().is_starving() {
            self.switched(inner, None);
        }
    }

    #[cold]
    fn switched(&self, inner: &mut Inner, mode: Option<&'static str>) {
        inner.counts.switches += 1;
        self.object.tag().set_mode(mode);
    }
}

impl Counts {
    fn waited(&mut self, ticks: u64) {
        self.contended += 1;
        self.wait_total += ticks;
        self.wait_max = self.wait_max.max(ticks);
        self.waits.count_one(clock::ticks_to_ns(ticks));
    }

    fn held(&mut self, ticks: u64) {
        self.hold_total += ticks;
        self.hold_max = self.hold_max.max(ticks);
        self.holds.count_one(clock::ticks_to_ns(ticks));
    }
}

pub(super) fn is_long(ticks: u64) -> bool {
    shim::is_long(clock::ticks_to_ns_roughly(ticks), STARVING_NS)
}
