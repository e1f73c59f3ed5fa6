//! The core: a worker's slot as its owner has it, Go's P. A run queue, a tick, a time slice.
//!
//! What it is not: a thread. It moves to another one when the one that holds it blocks, or stays in one poll for too long
//! ([`seat`](super::seat)); one thread at a time has it.
//!
//! 1. Nothing foreign runs in here.
//! 2. Only [`worker`](super::worker) decides what comes next; this says what the slot has.

use super::counters::Tally;
use super::queue::Local;
use super::shared::Shared;
use crate::clock;
use crate::hook::current;
use crate::hook::record::Record;
use crate::shim::{RING, spin_loop};
use crate::task::Runnable;
use crate::util::rng;

/// At the latest after so many polls a worker looks at what it else only looks at when it has nothing to do. As in Go.
const FAIRNESS: u64 = 61;
/// The same while polls are as long as a time slice.
const LONG_FAIRNESS: u64 = 4;
/// The longest a pair of tasks may go on waking each other before others have their turn.
const SLICE_NS: u64 = 200_000;
/// The looks of a searching worker are 3 microseconds apart.
const LOOKS_IN_SLICE: u64 = 64;

/// A worker's slot.
pub(super) struct Core {
    pub(super) slot: usize,
    pub(super) local: Local,
    /// What it has done. Its polls are the tick of this core.
    pub(super) tally: Tally,
    /// The tick at which timers and the global queue have their turn, and after how many ticks the next time.
    pub(super) tend_at: u64,
    stride: u64,
    /// When they last had, in ticks of the clock.
    tended: u64,
    /// The tick at which the global queue goes first.
    global_at: u64,
    /// The length of a time slice, in ticks.
    slice: u64,
    pub(super) searching: bool,
    /// Its last search found something.
    pub(super) hopeful: bool,
}

impl Core {
    pub(super) fn new(slot: usize, local: Local) -> Core {
        const SAMPLE: u64 = 1 << 20;
        let mut tally = Tally::default();
        tally.wake();
        Core {
            slot,
            local,
            tally,
            tend_at: 0,
            stride: 1,
            tended: 0,
            global_at: 0,
            slice: SLICE_NS * SAMPLE / clock::ticks_to_ns(SAMPLE).max(1),
            searching: false,
            hopeful: false,
        }
    }

    /// The next task of this slot, or a batch of the global queue.
    #[inline(always)]
    pub(super) fn next(&mut self, shared: &Shared) -> Option<Runnable> {
        if self.tally.polls == self.global_at {
            self.global_at += FAIRNESS;
            if let Some(task) = shared.inject.pop() {
                self.new_slice();
                return Some(task);
            }
        }
        if let Some(task) = self.local.take_next() {
            if !current::slice_is_over() {
                self.tally.next_hits += 1;
                return Some(task);
            }
            self.push_back(shared, task);
        }
        let task = self.local.pop().or_else(|| self.take_global(shared))?;
        self.new_slice();
        Some(task)
    }

    /// Sets the next time that its worker tends to others: twice as far off as the last, unless that turned out to be a time slice.
    pub(super) fn tend_later(&mut self, shared: &Shared) {
        let now = clock::ticks();
        let long = now.saturating_sub(self.tended) >= self.slice;
        self.stride = if long {
            1
        } else {
            (2 * self.stride).min(FAIRNESS)
        };
        if long {
            // It gets one task for so many polls, however long they are; and what threads without a core wake lies there.
            self.global_at = self.global_at.min(self.tally.polls + LONG_FAIRNESS);
        }
        self.tend_at = self.tally.polls + self.stride;
        self.tended = now;
        self.show(shared);
    }

    /// Shows its counts to others.
    pub(super) fn show(&self, shared: &Shared) {
        shared.slots.at(self.slot).counters.show(&self.tally);
    }

    /// The clock is not read for it: the last wait that began on this thread did.
    pub(super) fn new_slice(&self) {
        current::new_slice(clock::recent().saturating_add(self.slice));
    }

    /// A fair share of the global queue: one to run, the rest to the ring, which is empty.
    pub(super) fn take_global(&mut self, shared: &Shared) -> Option<Runnable> {
        let workers = shared.workers();
        let share = |len: usize| (len / workers + 1).min(RING / 2);
        shared.inject.pop_batch(&mut self.local, share)
    }

    /// To the end of the ring, without posting work.
    #[inline]
    pub(super) fn push_back(&mut self, shared: &Shared, task: Runnable) {
        let tally = &mut self.tally;
        self.local.push(task, |spilled| {
            tally.overflows += 1;
            shared.inject.extend(spilled);
        });
    }

    /// To the end of the ring, for anybody.
    #[inline]
    pub(super) fn post(&mut self, shared: &Shared, task: Runnable) {
        self.push_back(shared, task);
        if shared.workers() > 1 {
            shared.idle.wake_one();
        }
    }

    /// Half of somebody's ring, or a share of the global queue.
    pub(super) fn steal(&mut self, shared: &Shared) -> Option<(Runnable, Option<usize>)> {
        let start = rng::below(shared.slots.span() as u32) as usize;
        for (victim, slot) in shared.slots.from(start) {
            if let Some(task) = self.local.steal_from(&slot.queue) {
                self.tally.steals += 1;
                return Some((task, Some(victim)));
            }
        }
        Some((self.take_global(shared)?, None))
    }

    /// Lets some microseconds pass between two looks at the others. Who takes a task the moment it is queued gets one at a
    /// time, and a producer woken that soon finds room for one value; a little later there is a batch of each. Go's thieves
    /// wait as long before they take a `runnext`.
    pub(super) fn stay_away(&self) {
        let until = clock::ticks().saturating_add(self.slice / LOOKS_IN_SLICE);
        while clock::ticks() < until {
            spin_loop();
        }
    }

    /// All tasks of a slot that nobody works any more.
    pub(super) fn drain(&mut self) -> impl Iterator<Item = Runnable> {
        std::iter::from_fn(|| self.local.take_next().or_else(|| self.local.pop()))
    }

    /// Whom its worker polls, or polled last.
    pub(super) fn polled(&self) -> Option<&'static Record> {
        self.local.polled()
    }

    pub(super) fn slot(&self) -> usize {
        self.slot
    }

    /// It no longer counts as searching. Whether it did.
    pub(super) fn stop_searching(&mut self) -> bool {
        std::mem::take(&mut self.searching)
    }

    /// Its worker does not go on. Whether it counts as searching; it no longer does.
    pub(super) fn end(&mut self, shared: &Shared) -> bool {
        self.local.clear_polled();
        self.tally.sleep();
        self.show(shared);
        std::mem::take(&mut self.searching)
    }

    /// It goes on, after an [`end`](Self::end).
    pub(super) fn begin(&mut self) {
        self.tally.wake();
    }

    pub(super) fn has_work(&self) -> bool {
        self.local.len() > 0 || self.local.has_next()
    }

    /// `None`: there is work after all. Else whether it counts as searching; it no longer does.
    pub(super) fn start_sleep(&mut self) -> Option<bool> {
        if self.has_work() {
            return None;
        }
        self.local.clear_polled();
        Some(std::mem::take(&mut self.searching))
    }
}
