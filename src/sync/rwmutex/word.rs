//! The state of a read-write mutex in one word: who holds it, and whether somebody is queued.
//!
//! What it is not: a queue. Whoever finds somebody queued and has to do with it goes to the queues, under their lock.
//!
//! ```text
//! bits     name      meaning                                              who changes it
//! 0        WRITER    held to write                                        who takes or releases it; a peer that hands over
//! 1        NEXT      the first queued writer is next: nobody passes it    holder of the queues' lock
//! 2        READERS   readers are queued                                   holder of the queues' lock
//! 3        WRITERS   writers are queued                                   holder of the queues' lock
//! 4        NUDGED    the first queued writer was woken to look for itself holder of the queues' lock
//! 8..=31   count     how many hold it to read                             readers that come and go; a peer that hands over
//! 32..     epoch     how often it was taken; wraps                        who takes it
//! ```
//! Invariants
//! 1. WRITER implies no NEXT, and no count but of readers that came late: they add themselves and then see that they may
//!    not. They do not look at the value, and leave at once; one that was the last does what the last reader does.
//! 2. While NEXT is set nobody takes the mutex but under the queues' lock, so that what becomes free is handed over.
//! 3. A queue that is not empty implies its bit, whenever the queues' lock is free. The bits alone may be leftovers; the
//!    next who comes with that lock clears them.
//!
//! Ordering pairs: every release of the mutex (Release) -> every taking of it (Acquire). Releases and takings are
//! read-modify-writes, so a chain of readers that leave is one release sequence, and whoever comes after the last of
//! them has seen them all.

use crate::shim::{AtomicU64, Ordering::*, const_fn};
use crate::wait::op::Look;

const WRITER: u64 = 1;
const NEXT: u64 = 1 << 1;
const READERS: u64 = 1 << 2;
const WRITERS: u64 = 1 << 3;
const NUDGED: u64 = 1 << 4;
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
    /// The writer has not left yet: it may if the one that was nudged was so a moment ago, else it has to hand over.
    Watched,
}

impl Seen {
    #[inline(always)]
    pub(super) fn is_writer(self) -> bool {
        self.0 & WRITER != 0
    }

    /// Whether the first queued writer is next.
    #[inline(always)]
    pub(super) fn is_next(self) -> bool {
        self.0 & NEXT != 0
    }

    pub(super) fn is_nudged(self) -> bool {
        self.0 & NUDGED != 0
    }

    /// Whether a reader that nobody waits before may come in.
    #[inline(always)]
    pub(super) fn is_open(self) -> bool {
        self.has_room() && !self.is_next()
    }

    /// Whether a writer that nobody waits before may have it.
    #[inline(always)]
    pub(super) fn is_open_to_write(self) -> bool {
        self.is_free() && !self.is_next()
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

    /// Whether a reader that leaves may have to let another one in, which is queued because there was no room.
    fn makes_room(self) -> bool {
        self.0 & READERS != 0 && self.readers() >= MAX_READERS
    }

    /// What a reader has to do that left it so.
    #[inline(always)]
    fn less_a_reader(self) -> Left {
        // A writer that has it sees to the queues when it leaves.
        if self.0 & (READERS | WRITERS) == 0 || self.is_writer() {
            return Left::Done;
        }
        let last = self.readers() == 1 && self.0 & WRITERS != 0;
        // One that is nudged comes by itself, unless it has been and found us.
        let to_writer = last && (self.is_next() || !self.is_nudged());
        match to_writer || self.makes_room() {
            true => Left::ToQueue,
            false => Left::Done,
        }
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

    /// As if there were as many readers as may be, but one.
    #[cfg(all(test, not(gochan_loom)))]
    pub(super) fn crowd(&self) {
        self.0.store((MAX_READERS - 1) * READER, Relaxed);
    }

    // ---- without the queues' lock

    /// Takes it to read, unless there is a writer or one is next. False: it is so, which was seen late: the reader is
    /// counted, and [`come_late`](Self::come_late) says what becomes of it.
    #[inline(always)]
    pub(super) fn try_read(&self) -> bool {
        // An addition and no exchange: readers that come and go at the same time do not make each other fail.
        // ORDERING: Acquire pairs with the Release of the last writer.
        Seen(self.0.fetch_add(EPOCH + READER, Acquire)).is_open()
    }

    /// What becomes of a reader that came late and is counted: it is in if those have left who let nobody in; else it
    /// leaves.
    pub(super) fn come_late(&self) -> Result<(), Left> {
        // ORDERING: Acquire, here and below, as in `try_read`.
        let mut seen = Seen(self.0.load(Acquire));
        loop {
            if !seen.is_writer() && !seen.is_next() && seen.readers() <= MAX_READERS {
                // While it is counted no writer can come.
                return Ok(());
            }
            // ORDERING: Release: on the way from those who left before us to who is next.
            let less = seen.0 - READER;
            match self.0.compare_exchange(seen.0, less, Release, Acquire) {
                Ok(_) => return Err(seen.less_a_reader()),
                Err(now) => seen = Seen(now),
            }
        }
    }

    /// Takes it to write if it is open to a writer, as it was when it was `seen`.
    #[inline(always)]
    pub(super) fn try_write(&self, mut seen: Seen) -> bool {
        loop {
            match self.change(seen, seen.with_writer()) {
                Ok(()) => return true,
                Err(now) if now.is_open_to_write() => seen = now,
                Err(_) => return false,
            }
        }
    }

    /// A reader leaves.
    #[inline(always)]
    pub(super) fn end_read(&self) -> Left {
        // ORDERING: Release: the next writer sees that we are through with the value.
        let before = Seen(self.0.fetch_sub(READER, Release));
        debug_assert!(before.readers() > 0 && !before.is_writer());
        before.less_a_reader()
    }

    /// The writer leaves, if nobody is queued.
    #[inline(always)]
    pub(super) fn end_write(&self) -> Left {
        let seen = self.load();
        debug_assert!(seen.is_writer());
        if seen.0 & (READERS | WRITERS) == 0 {
            return self.leave_write(seen);
        }
        match seen.is_nudged() && seen.0 & READERS == 0 {
            true => Left::Watched,
            false => Left::ToQueue,
        }
    }

    /// The writer leaves, though one that was nudged has not come yet.
    pub(super) fn end_write_watched(&self) -> Left {
        let seen = self.load();
        match seen.is_nudged() && seen.0 & READERS == 0 {
            true => self.leave_write(seen),
            false => Left::ToQueue,
        }
    }

    #[inline(always)]
    fn leave_write(&self, seen: Seen) -> Left {
        // ORDERING: Release: whoever is next sees what we wrote. It can only fail because somebody has queued now, or
        // the nudged one has come.
        let left = self
            .0
            .compare_exchange(seen.0, seen.0 & !WRITER, Release, Relaxed);
        match left {
            Ok(_) => Left::Done,
            Err(_) => Left::ToQueue,
        }
    }

    // ---- under the queues' lock

    /// Takes it to read if there is no writer and none is next; else marks that a reader is queued.
    pub(super) fn read_or_queue(&self, no_writers: bool) -> bool {
        self.take_or_queue(
            |seen| match seen.has_room() && (no_writers || !seen.is_next()) {
                true => Ok(seen.with_reader()),
                false => Err(Seen(seen.0 | READERS)),
            },
        )
    }

    /// Takes it to write if it is free and no writer is next; else marks that a writer is queued, and if it is the
    /// readers that it waits for, that it is next.
    pub(super) fn write_or_queue(&self, no_writers: bool) -> bool {
        self.take_or_queue(|seen| {
            if seen.is_free() && (no_writers || !seen.is_next()) {
                return Ok(Seen(seen.with_writer().0 & !NEXT));
            }
            let next = if seen.is_writer() { 0 } else { NEXT };
            Err(Seen(seen.0 | WRITERS | next))
        })
    }

    /// The look of the first writer, which was nudged: takes it if it is free; if readers have it, it is next.
    pub(super) fn retry_write(&self) -> bool {
        self.take_or_queue(|seen| {
            let seen = Seen(seen.0 & !NUDGED);
            if seen.is_free() {
                return Ok(Seen(seen.with_writer().0 & !NEXT));
            }
            let next = if seen.is_writer() { 0 } else { NEXT };
            Err(Seen(seen.0 | next))
        })
    }

    fn take_or_queue(&self, to: impl Fn(Seen) -> Result<Seen, Seen>) -> bool {
        let mut seen = self.load();
        loop {
            let next = to(seen);
            match self.change(seen, next.unwrap_or_else(|queued| queued)) {
                Ok(()) => return next.is_ok(),
                Err(now) => seen = now,
            }
        }
    }

    /// Looks at who holds it, to hand it over.
    pub(super) fn settle(&self) -> Seen {
        // ORDERING: Acquire: who is handed what has become free sees, through us, what the last holders did.
        Seen(self.0.load(Acquire))
    }

    /// Hands it, free and kept for it, to the first writer of the queue.
    pub(super) fn give_write(&self) {
        debug_assert!(!self.load().is_writer() && self.load().is_next());
        // ORDERING: Acquire as in `settle`. Nobody else takes a free word with NEXT set (invariant 2).
        self.0.fetch_add(EPOCH + WRITER - NEXT, Acquire);
    }

    /// Hands it to a reader of the queue.
    pub(super) fn give_read(&self) {
        debug_assert!(!self.load().is_writer());
        // ORDERING: Acquire: the reader sees, through us, what the last writer did.
        self.0.fetch_add(EPOCH + READER, Acquire);
    }

    /// The writer becomes a reader. Nobody but queued readers comes in before it is settled who is next.
    pub(super) fn downgrade(&self) {
        debug_assert!(self.load().is_writer() && !self.load().is_next());
        // ORDERING: Release: readers that come from now on see what we wrote.
        self.0.fetch_add(EPOCH + READER + NEXT - WRITER, Release);
    }

    /// The writer leaves. Nobody but queued readers comes in before it is settled who is next.
    pub(super) fn end_write_queued(&self) {
        debug_assert!(self.load().is_writer() && !self.load().is_next());
        // ORDERING: Release: whoever is next sees what the writer wrote.
        self.0.fetch_add(NEXT - WRITER, Release);
    }

    /// The first writer has been, or will be, woken to look for itself; newcomers may be faster.
    pub(super) fn nudged(&self) {
        let mut seen = self.load();
        while let Err(now) = self.change(seen, Seen((seen.0 | NUDGED) & !NEXT)) {
            seen = now;
        }
    }

    /// The first writer is next again: nobody passes it. False: somebody holds it to write.
    pub(super) fn keep_for_first(&self) -> bool {
        self.take_or_queue(|seen| match seen.is_writer() {
            true => Err(seen),
            false => Ok(Seen(seen.0 | NEXT)),
        })
    }

    /// The nudged writer was given the mutex, or has left.
    pub(super) fn unnudge(&self) {
        // ORDERING: Relaxed: the mark publishes nothing.
        self.0.fetch_and(!NUDGED, Relaxed);
    }

    /// Brings the marks up to date.
    pub(super) fn sync(&self, no_readers: bool, no_writers: bool) {
        let gone = if no_readers { READERS } else { 0 }
            | if no_writers {
                WRITERS | NEXT | NUDGED
            } else {
                0
            };
        if self.load().0 & gone != 0 {
            // ORDERING: Relaxed: the marks publish nothing; queues are looked at under their lock.
            self.0.fetch_and(!gone, Relaxed);
        }
    }
}
