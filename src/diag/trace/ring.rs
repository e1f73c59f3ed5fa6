//! The ring: the last events of one thread, in memory that is written over and over.
//!
//! What it is not: a queue. Nobody takes anything out; a reader copies what is there while the writer goes on, and leaves out
//! what was written over meanwhile.
//!
//! ```text
//! slots     4 words each; event n lies in slot n % slots
//! head      how many events were ever written; the writer may be writing event `head` at any moment
//! ```
//!
//! 1. One writer at a time: the thread that owns the ring, or who has claimed it (`rings`). Ownership passes under a lock.
//! 2. A copy holds the events `first..head` in order, each as it was written. Event n is valid as long as `head` is at most
//!    `n + slots - 1`: only then nobody has begun to write over it.
//!
//! ORDERING pairs, writer to reader: fence Release, then the words of event n / the words, then fence Acquire, then `head`:
//! who read a word of event n sees that `head` is at least n, and drops the event that lay there before. The words, then
//! `head` stored Release / `head` loaded Acquire, then the words: who sees the head sees the words. On x86-64 these are plain moves.

use super::words::{AtomicU64, Ordering, fence};

use Ordering::{Acquire, Relaxed, Release};

/// An event as it lies in a ring.
pub(super) type Words = [u64; 4];

#[derive(Debug)]
pub(super) struct Ring {
    slots: Box<[[AtomicU64; 4]]>,
    head: AtomicU64,
}

/// What a ring held.
#[derive(Debug)]
pub(super) struct Copied {
    /// The oldest first.
    pub(super) events: Vec<Words>,
    /// How many came before them, and are gone.
    pub(super) overwritten: u64,
}

impl Ring {
    /// `slots` is a power of two.
    pub(super) fn new(slots: usize) -> Ring {
        debug_assert!(slots.is_power_of_two());
        let slot = || std::array::from_fn(|_| AtomicU64::new(0));
        Ring {
            slots: (0..slots).map(|_| slot()).collect(),
            head: AtomicU64::new(0),
        }
    }

    /// For the writer.
    #[inline(always)]
    pub(super) fn write(&self, words: Words) {
        // ORDERING: Relaxed: the caller is the only writer.
        let head = self.head.load(Relaxed);
        // ORDERING: pairs with the fence in `copy`: who reads a word stored below sees at least this head.
        fence(Release);
        for (place, word) in self.slot(head).iter().zip(words) {
            place.store(word, Relaxed);
        }
        // ORDERING: pairs with the first load in `copy`: who sees this head sees the words.
        self.head.store(head + 1, Release);
    }

    /// What is there at this moment. Any thread may ask.
    pub(super) fn copy(&self) -> Copied {
        let slots = self.slots.len() as u64;
        // ORDERING: pairs with the Release in `write`.
        let end = self.head.load(Acquire);
        let first = end.saturating_sub(slots);
        let read = |n| self.slot(n).each_ref().map(|word| word.load(Relaxed));
        let mut events: Vec<Words> = (first..end).map(read).collect();
        // ORDERING: pairs with the fence in `write`.
        fence(Acquire);
        let head = self.head.load(Relaxed);
        let valid = (head + 1).saturating_sub(slots).clamp(first, end);
        events.drain(..(valid - first) as usize);
        Copied {
            events,
            overwritten: valid,
        }
    }

    /// Events ever written, and how many of these are gone.
    pub(super) fn counts(&self) -> (u64, u64) {
        let written = self.head.load(Relaxed);
        (written, written.saturating_sub(self.slots.len() as u64))
    }

    pub(super) fn slots(&self) -> usize {
        self.slots.len()
    }

    #[inline]
    fn slot(&self, n: u64) -> &[AtomicU64; 4] {
        // A power of two: the bits above the ring's length do not matter.
        &self.slots[n as usize & (self.slots.len() - 1)]
    }
}

#[cfg(all(test, not(gochan_loom)))]
mod tests;
