//! The workers' slots as everybody sees them: queues and counters, which may become more while the runtime runs.
//!
//! What it is not: who holds a slot. The owner's half of one is its [`Core`](super::core::Core).
//!
//! ```text
//! room 0   1     2           3                     Room k has 2^k places, so that nothing ever moves, and a look
//!      [0] [1 2] [3 4 5 6] [7 8 9 10 11 12 13 14]  at a slot takes no lock.
//! ```
//!
//! 1. Slots are made in their order and never unmade: who has seen one may keep on looking at it.
//! 2. `workers` is how many there are to be, `span` how many are looked at: beyond it no slot has a core with a thread, and no task
//!    is queued. Both change under the lock of [`threads`](super::threads) only, and `workers <= span`.

use std::sync::OnceLock;

use crossbeam_utils::CachePadded;

use super::counters::Counters;
use super::idle::MAX_WORKERS;
use super::queue::{Local, Queue, queue};
use crate::shim::{Arc, AtomicUsize, Ordering::Relaxed, has_heavy_barrier};

const ROOMS: usize = (MAX_WORKERS + 1).ilog2() as usize;

pub(super) struct Slots {
    rooms: [OnceLock<Box<[OnceLock<Slot>]>>; ROOMS],
    workers: AtomicUsize,
    span: AtomicUsize,
}

pub(super) struct Slot {
    pub(super) queue: Arc<Queue>,
    pub(super) counters: CachePadded<Counters>,
}

impl Slots {
    /// The slots of so many workers, and their owners' ends.
    pub(super) fn new(workers: usize) -> (Slots, Vec<Local>) {
        let slots = Slots {
            rooms: [const { OnceLock::new() }; ROOMS],
            workers: AtomicUsize::new(workers),
            span: AtomicUsize::new(workers),
        };
        // Thieves who come later have to be announced to an owner that pops without looking out for them.
        let alone = workers == 1 && has_heavy_barrier();
        let locals = (0..workers).map(|slot| slots.make(slot, alone)).collect();
        (slots, locals)
    }

    /// Makes this slot, which there was not.
    pub(super) fn make(&self, slot: usize, alone: bool) -> Local {
        let (room, place) = place(slot);
        let room =
            self.rooms[room].get_or_init(|| (0..1 << room).map(|_| OnceLock::new()).collect());
        let (queue, local) = queue(alone);
        let counters = CachePadded::new(Counters::new());
        let made = room[place].set(Slot { queue, counters });
        assert!(made.is_ok(), "a slot is made once");
        local
    }

    fn get(&self, slot: usize) -> Option<&Slot> {
        let (room, place) = place(slot);
        self.rooms.get(room)?.get()?[place].get()
    }

    /// A slot that there is.
    pub(super) fn at(&self, slot: usize) -> &Slot {
        self.get(slot).expect("it was made")
    }

    pub(super) fn is_made(&self, slot: usize) -> bool {
        self.get(slot).is_some()
    }

    /// All that were ever made.
    pub(super) fn made(&self) -> impl Iterator<Item = &Slot> {
        (0..).map_while(|slot| self.get(slot))
    }

    /// Those where there may be work, from the one with that number around.
    pub(super) fn from(&self, first: usize) -> impl Iterator<Item = (usize, &Slot)> {
        let span = self.span();
        let around = (first..span).chain(0..first);
        around.map(|slot| (slot, self.at(slot)))
    }

    pub(super) fn workers(&self) -> usize {
        self.workers.load(Relaxed)
    }

    pub(super) fn span(&self) -> usize {
        self.span.load(Relaxed)
    }

    /// Invariant 2 is the caller's.
    pub(super) fn set(&self, workers: usize, span: usize) {
        debug_assert!(workers <= span);
        self.span.store(span, Relaxed);
        self.workers.store(workers, Relaxed);
    }
}

/// Its room, and its place there.
fn place(slot: usize) -> (usize, usize) {
    let room = (slot + 1).ilog2() as usize;
    (room, slot + 1 - (1 << room))
}

#[cfg(test)]
mod tests;
