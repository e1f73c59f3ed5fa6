//! The state of a read-write mutex in one word: who holds it, and whether somebody is queued.
//!
//! What it is not: a queue. Whoever finds `QUEUED` goes to the queues, under their lock.
//!
//! ```text
//! bits     name      meaning                                              who changes it
//! 0        WRITER    held to write                                        who takes or releases it; a peer that hands over
//! 1        QUEUED    somebody is, or was a moment ago, in a queue         holder of the queues' lock
//! 8..=31   READERS   how many hold it to read                             readers that come and go; a peer that hands over
//! 32..     EPOCH     how often it was taken; wraps                        who takes it
//! ```
//! Invariants
//! 1. WRITER implies no READERS, and READERS imply no WRITER.
//! 2. While QUEUED is set nobody takes the mutex but under the queues' lock, so that what becomes free is handed over.
//! 3. A queue that is not empty implies QUEUED, whenever the queues' lock is free. QUEUED alone may be a leftover; the
//!    next who comes with that lock clears it.
//!
//! Ordering pairs: every release of the mutex (Release) -> every taking of it (Acquire). Releases and takings are
//! read-modify-writes, so a chain of readers that leave is one release sequence, and whoever comes after the last of
//! them has seen them all.

use crate::shim::{AtomicU64, Ordering::*, const_fn, spin_loop};
use crate::wait::op::Look;

const WRITER: u64 = 1;
const QUEUED: u64 = 1 << 1;
const READER: u64 = 1 << 8;
const EPOCH: u64 = 1 << 32;

/// As many readers as there may be; leaves room for those that ask at the same time.
const MAX_READERS: u64 = 1 << 23;

/// The word.
#[derive(Debug)]
pub(super) struct Word(AtomicU64);

/// A look at the word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Seen(u64);

/// What who left has to do.
#[must_use]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Left {
    /// Nothing.
    Done,
    /// To see who is queued.
    ToQueue,
}

impl Seen {
    #[inline(always)]
    pub(super) fn is_writer(self) -> bool {
        self.0 & WRITER != 0
    }

    #[inline(always)]
    pub(super) fn is_queued(self) -> bool {
        self.0 & QUEUED != 0
    }

    #[inline(always)]
    pub(super) fn readers(self) -> u64 {
        (self.0 & (EPOCH - 1)) / READER
    }

    /// Whether one more reader may join those that are there.
    #[inline(always)]
    pub(super) fn has_room(self) -> bool {
        !self.is_writer() && self.readers() < MAX_READERS
    }

    #[inline(always)]
    pub(super) fn is_free(self) -> bool {
        !self.is_writer() && self.readers() == 0
    }

    /// For a select, which compares looks: the epoch tells that it was free in between.
    pub(super) fn look(self) -> Look {
        Look((self.0 >> 32) as usize, self.0 as u32 as usize, 0)
    }

    #[inline(always)]
    fn with_reader(self) -> Seen {
        Seen(self.0.wrapping_add(EPOCH + READER))
    }

    #[inline(always)]
    fn with_writer(self) -> Seen {
        Seen(self.0.wrapping_add(EPOCH + WRITER))
    }
}

impl Word {
    const_fn! {
        pub(super) fn new() -> Word {
            Word(AtomicU64::new(0))
        }
    }

    #[inline(always)]
    pub(super) fn load(&self) -> Seen {
        // ORDERING: Relaxed: what is seen decides only whether to try, or is told as a number.
        Seen(self.0.load(Relaxed))
    }

    #[inline(always)]
    fn change(&self, seen: Seen, next: Seen) -> Result<(), Seen> {
        // ORDERING: Acquire pairs with the Release of whoever left last.
        self.0
            .compare_exchange(seen.0, next.0, Acquire, Relaxed)
            .map(drop)
            .map_err(Seen)
    }

    // ---- without the queues' lock

    /// Takes it to read, unless there is a writer or somebody is queued.
    #[inline(always)]
    pub(super) fn try_read(&self) -> bool {
        let seen = self.load();
        if seen.is_queued() || !seen.has_room() {
            return false;
        }
        self.change(seen, seen.with_reader()).is_ok() || self.try_read_again()
    }

    /// Somebody else was faster: a reader's coming and going is no reason to wait.
    #[cold]
    #[inline(never)]
    fn try_read_again(&self) -> bool {
        loop {
            // Two cores that take turns pay with the way of a cache line each time; who stays away for a moment lets
            // the other one work in peace.
            (0..8).for_each(|_| spin_loop());
            let seen = self.load();
            if seen.is_queued() || !seen.has_room() {
                return false;
            }
            if self.change(seen, seen.with_reader()).is_ok() {
                return true;
            }
        }
    }

    /// Takes it to write, if it is free and nobody is queued.
    #[inline(always)]
    pub(super) fn try_write(&self) -> bool {
        let seen = self.load();
        seen.is_free() && !seen.is_queued() && self.change(seen, seen.with_writer()).is_ok()
    }

    /// A reader leaves.
    #[inline(always)]
    pub(super) fn end_read(&self) -> Left {
        // ORDERING: Release: the next writer sees that we are through with the value.
        let before = Seen(self.0.fetch_sub(READER, Release));
        debug_assert!(before.readers() > 0 && !before.is_writer());
        match before.is_queued() && before.readers() == 1 {
            true => Left::ToQueue,
            false => Left::Done,
        }
    }

    /// The writer leaves, if nobody is queued; else it has to do it under the queues' lock.
    #[inline(always)]
    pub(super) fn end_write(&self) -> Left {
        let seen = self.load();
        debug_assert!(seen.is_writer());
        if seen.is_queued() {
            return Left::ToQueue;
        }
        // ORDERING: Release: whoever is next sees what we wrote. It can only fail because somebody is queued now.
        let left = self
            .0
            .compare_exchange(seen.0, seen.0 & !WRITER, Release, Relaxed);
        match left {
            Ok(_) => Left::Done,
            Err(_) => Left::ToQueue,
        }
    }

    // ---- under the queues' lock

    /// Takes it to read if there is no writer and nobody is queued; else marks that somebody is.
    pub(super) fn read_or_queue(&self, nobody_queued: bool) -> bool {
        self.take_or_queue(|seen| (nobody_queued && seen.has_room()).then(|| seen.with_reader()))
    }

    /// Takes it to write if it is free and nobody is queued; else marks that somebody is.
    pub(super) fn write_or_queue(&self, nobody_queued: bool) -> bool {
        self.take_or_queue(|seen| (nobody_queued && seen.is_free()).then(|| seen.with_writer()))
    }

    fn take_or_queue(&self, take: impl Fn(Seen) -> Option<Seen>) -> bool {
        let mut seen = self.load();
        loop {
            let taken = take(seen);
            // That it was taken means that nobody is queued: a leftover mark goes.
            let next = taken.map_or(seen.0 | QUEUED, |next| next.0 & !QUEUED);
            match self.change(seen, Seen(next)) {
                Ok(()) => return taken.is_some(),
                Err(now) => seen = now,
            }
        }
    }

    /// Looks at who holds it, to hand it over.
    pub(super) fn settle(&self) -> Seen {
        // ORDERING: Acquire: who is handed what has become free sees, through us, what the last holders did.
        Seen(self.0.load(Acquire))
    }

    /// Hands it, free, to a writer of the queue.
    pub(super) fn give_write(&self) {
        debug_assert!(self.load().is_free() && self.load().is_queued());
        // ORDERING: Acquire as in `settle`. Nobody else takes a free word with QUEUED set (invariant 2).
        self.0.fetch_add(EPOCH + WRITER, Acquire);
    }

    /// Hands it to a reader of the queue.
    pub(super) fn give_read(&self) {
        debug_assert!(!self.load().is_writer() && self.load().is_queued());
        // ORDERING: Acquire: the reader sees, through us, what the last writer did.
        self.0.fetch_add(EPOCH + READER, Acquire);
    }

    /// The writer becomes a reader.
    pub(super) fn downgrade(&self) {
        debug_assert!(self.load().is_writer());
        // ORDERING: Release: readers that come from now on see what we wrote.
        self.0.fetch_add(EPOCH + READER - WRITER, Release);
    }

    /// The writer leaves; QUEUED keeps others away until it has been handed over.
    pub(super) fn end_write_queued(&self) {
        // ORDERING: Release: whoever is next sees what the writer wrote.
        let before = Seen(self.0.fetch_and(!WRITER, Release));
        debug_assert!(before.is_writer());
    }

    /// The queues are empty.
    pub(super) fn clear_queued(&self) {
        if self.load().is_queued() {
            // ORDERING: Relaxed: the mark publishes nothing; queues are looked at under their lock.
            self.0.fetch_and(!QUEUED, Relaxed);
        }
    }
}
