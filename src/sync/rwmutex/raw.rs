//! The read-write mutex without its value: the word, the two queues, and who goes on when somebody leaves.
//!
//! What it is not: generic. What waits, and what a guard gives access to, is in `ops.rs` and `guard.rs`.
//!
//! *Next.* A writer that finds readers waits for them, and nobody passes it: the last reader hands the mutex over.
//!
//! *Nudged.* A writer that finds a writer is queued behind it, and that is all. When the mutex is given back all queued
//! readers have it, and the first queued writer is woken, while it stays queued, to look for itself: a newcomer, who is on
//! a processor already, may be faster. If the writer then finds readers it is next, and so it is when it has waited for
//! more than a millisecond; should it leave before it looks, the one behind it is. That is what Go's two parts come to, the mutex for writers and
//! the count of readers: readers and writers take turns, yet nobody has to wait for a task to be scheduled that has been
//! given the mutex and does not run yet.
//!
//! A writer that stands in several queues (a select) is never nudged, but handed the mutex over.
//!
//! Invariants, true whenever the queues' lock is free and nobody is between leaving and handing over
//! 1. A queued reader implies a writer, one that holds the mutex or one that is next, or that there is no room for more
//!    readers.
//! 2. A queued writer implies that somebody holds the mutex, or that the first of them is nudged.
//! 3. NUDGED is set exactly while the first queued writer is `nudged`; no other one is.

use std::panic::Location;

use super::word::{Left, Seen, Word};
use crate::clock;
use crate::hook::Kind;
use crate::hook::holder::{Hold, Runner};
use crate::shim::{self, AtomicU64, LOCK_TURNS, Ordering::Relaxed, const_fn, spin_loop};
use crate::sync::histogram::Histogram;
use crate::sync::wish::Wish;
use crate::wait::lock::Object;
use crate::wait::queue::Queue;
use crate::wait::waiter::How;
use crate::wait::wakes::Wakes;

pub(super) type Site = &'static Location<'static>;

/// Under the queues' lock.
#[derive(Debug)]
pub struct Queues {
    pub(super) readers: Queue<Wish>,
    pub(super) writers: Queue<Wish>,
    /// Reads and writes that had to wait.
    pub(super) read_waits: u64,
    pub(super) write_waits: u64,
    /// How long those took that have it.
    pub(super) wait_times: Histogram,
}

/// After so long a queued writer is next. As of Go's mutex.
const STARVING_NS: u64 = 1_000_000;
/// Pauses between two looks of one that hopes not to be queued.
const PAUSES: u32 = 48;

/// Looks of a writer that finds readers, of which it is not known whether they run: more of them in less time, for those
/// that run come and go, and one look in the gap between two is enough.
const READER_TURNS: u32 = 16;
const READER_PAUSES: u32 = 5;

fn is_long(ticks: u64) -> bool {
    shim::is_long(clock::ticks_to_ns_roughly(ticks), STARVING_NS)
}

/// Whoever has waited has it.
fn served(wish: &Wish, times: &mut Histogram) {
    let (since, now) = (wish.since(), clock::ticks());
    wish.granted(now);
    times.count_one(clock::ticks_to_ns(now.saturating_sub(since)));
}

/// A read-write mutex of nothing.
#[derive(Debug)]
pub(super) struct Raw {
    word: Word,
    /// The last one that took it to write.
    writer: Runner,
    /// When the nudged writer was nudged, in ticks.
    nudged_at: AtomicU64,
    pub(super) queues: Object<Queues>,
}

impl Raw {
    const_fn! {
        pub(super) fn new(made: Site) -> Raw {
            let queues = Queues {
                readers: Queue::new(),
                writers: Queue::new(),
                read_waits: 0,
                write_waits: 0,
                wait_times: Histogram::new(),
            };
            Raw {
                word: Word::new(),
                writer: Runner::new(),
                nudged_at: AtomicU64::new(0),
                queues: Object::new(queues, Kind::RwMutex, made),
            }
        }
    }

    #[inline(always)]
    pub(super) fn word(&self) -> Seen {
        self.word.load()
    }

    // ---- plain ways

    /// Takes it to read, unless there is a writer or one seems to be next.
    #[inline(always)]
    pub(super) fn try_read(&self, site: Site) -> Option<Hold> {
        // Who is not going to have it need not note anything.
        if !self.word.load().is_open() {
            return None;
        }
        Hold::if_taken(self.queues.id(), site, || {
            self.word.try_read() || self.come_late()
        })
    }

    /// It has been counted, but comes late.
    #[cold]
    #[inline(never)]
    fn come_late(&self) -> bool {
        let came = self.word.come_late();
        if came == Err(Left::ToQueue) {
            self.hand_over();
        }
        came.is_ok()
    }

    /// Takes it to write if it is free and no writer seems to be next.
    #[inline(always)]
    pub(super) fn try_write(&self, site: Site) -> Option<Hold> {
        let seen = self.word.load();
        if !seen.is_open_to_write() {
            return None;
        }
        Hold::if_taken(self.queues.id(), site, || {
            let taken = self.word.try_write(seen);
            if taken {
                self.writer.set();
            }
            taken
        })
    }

    #[inline(always)]
    fn writes(&self, site: Site) -> Hold {
        self.writer.set();
        Hold::acquired(self.queues.id(), site)
    }

    /// Looks for a moment whether the writer leaves that is on a processor: it will be done before we were queued and
    /// woken again.
    #[cold]
    #[inline(never)]
    pub(super) fn soon<H>(&self, attempt: impl Fn() -> Option<H>) -> Option<H> {
        let (mut turns, mut reader_turns) = (LOCK_TURNS, READER_TURNS.min(LOCK_TURNS));
        loop {
            let seen = self.word.load();
            let (left, pauses, may_end) = match seen.is_writer() {
                true => (&mut turns, PAUSES, self.writer.is_running()),
                false => (&mut reader_turns, READER_PAUSES, true),
            };
            if seen.is_next() || !may_end || *left == 0 {
                return None;
            }
            if let Some(hold) = attempt() {
                return Some(hold);
            }
            *left -= 1;
            (0..pauses).for_each(|_| spin_loop());
        }
    }

    #[inline(always)]
    pub(super) fn end_read(&self, note: Hold) {
        note.released();
        if self.word.end_read() != Left::Done {
            self.hand_over();
        }
    }

    #[inline(always)]
    pub(super) fn end_write(&self, note: Hold) {
        note.released();
        let left = self.word.end_write();
        if left != Left::Done {
            self.end_write_slow(left);
        }
    }

    /// The writer becomes a reader. Readers that wait come along; a writer that waits has its turn after them.
    pub(super) fn downgrade(&self) {
        let mut wakes = Wakes::new();
        let mut queues = self.queues.lock();
        self.word.downgrade();
        self.after_write(&mut queues, &mut wakes);
        drop(queues);
        wakes.fire();
    }

    /// Makes an attempt, and once more if what was in its way was a mark of somebody who has gone.
    #[inline]
    pub(super) fn or_unmarked<H>(&self, attempt: impl Fn() -> Option<H>) -> Option<H> {
        attempt().or_else(|| match self.word().is_next() && self.unmark() {
            true => attempt(),
            false => None,
        })
    }

    /// Removes marks that somebody is queued if nobody is: who looked and went, as a select does, leaves them. False: there
    /// was none that matters.
    #[cold]
    #[inline(never)]
    fn unmark(&self) -> bool {
        let queues = self.queues.lock();
        let leftover = self.word().is_next() && queues.writers.is_empty();
        self.sync(&queues);
        leftover
    }

    // ---- with the queues

    /// The last reader has left while a writer was queued.
    #[cold]
    #[inline(never)]
    fn hand_over(&self) {
        let mut wakes = Wakes::new();
        let mut queues = self.queues.lock();
        self.settle(&mut queues, &mut wakes);
        drop(queues);
        wakes.fire();
    }

    #[cold]
    #[inline(never)]
    fn end_write_slow(&self, left: Left) {
        if left == Left::Watched
            && !self.nudged_is_late()
            && self.word.end_write_watched() == Left::Done
        {
            return;
        }
        let mut wakes = Wakes::new();
        let mut queues = self.queues.lock();
        self.end_write_locked(&mut queues, &mut wakes);
        drop(queues);
        wakes.fire();
    }

    /// Whether the writer that was nudged was so too long ago.
    #[inline]
    fn nudged_is_late(&self) -> bool {
        // ORDERING: Relaxed: written before NUDGED was set, under the lock; an older value is one of an earlier nudge,
        // and then we look for nothing.
        is_long(clock::ticks().saturating_sub(self.nudged_at.load(Relaxed)))
    }

    pub(super) fn read_attempt(&self, queues: &Queues, site: Site, wish: &mut Wish) -> bool {
        let taken = self.word.read_or_queue(queues.writers.is_empty());
        let id = self.queues.id();
        *wish = match taken {
            true => Wish::acquired(Hold::acquired(id, site)),
            false => Wish::wanted(id, site, clock::ticks()),
        };
        taken
    }

    pub(super) fn write_attempt(&self, queues: &Queues, site: Site, wish: &mut Wish) -> bool {
        let taken = self.word.write_or_queue(queues.writers.is_empty());
        *wish = match taken {
            true => Wish::acquired(self.writes(site)),
            false => Wish::wanted(self.queues.id(), site, clock::ticks()),
        };
        taken
    }

    /// The look of a writer that is polled while it is queued.
    pub(super) fn write_retry(&self, queues: &mut Queues, wish: &mut Wish) -> bool {
        let taken = wish.unnudge() && self.word.retry_write();
        if taken {
            self.writer.set();
            served(wish, &mut queues.wait_times);
        }
        taken
    }

    /// Who has it leaves, under the lock: one that was given what it does not want any more.
    pub(super) fn end_read_locked(&self, queues: &mut Queues, wakes: &mut Wakes) {
        if self.word.end_read() != Left::Done {
            self.settle(queues, wakes);
        }
    }

    pub(super) fn end_write_locked(&self, queues: &mut Queues, wakes: &mut Wakes) {
        self.word.end_write_queued();
        self.after_write(queues, wakes);
    }

    /// A waiter has left its queue unserved.
    pub(super) fn left(&self, queues: &mut Queues, wakes: &mut Wakes) {
        let first = queues.writers.first();
        if self.word().is_nudged() && !first.is_some_and(|mut first| first.payload().is_nudged()) {
            self.word.unnudge();
        }
        self.settle(queues, wakes);
    }

    /// The marks as the queues are.
    pub(super) fn sync(&self, queues: &Queues) {
        self.word
            .sync(queues.readers.is_empty(), queues.writers.is_empty());
    }

    /// A write is over, and the first queued writer is next for as long as we have the lock: readers first, and then
    /// that writer, in one of the two ways.
    fn after_write(&self, queues: &mut Queues, wakes: &mut Wakes) {
        self.give_to_readers(queues, wakes);
        if !self.nudge_first(queues, wakes) && self.word.settle().is_free() {
            self.give_to_writer(queues, wakes);
        }
        self.sync(queues);
    }

    /// Restores the invariants: what is free goes to who has waited for it.
    fn settle(&self, queues: &mut Queues, wakes: &mut Wakes) {
        let seen = self.word.settle();
        if !seen.is_nudged() && !queues.writers.is_empty() && self.word.keep_for_first() {
            if self.word.settle().is_free() {
                self.give_to_writer(queues, wakes);
            }
        } else if seen.is_next() && seen.is_free() {
            self.give_to_writer(queues, wakes);
        }
        if queues.writers.is_empty() {
            self.give_to_readers(queues, wakes);
        }
        self.sync(queues);
    }

    /// Lets newcomers in and wakes the first writer to see for itself, unless that has waited for too long or stands in
    /// several queues: then it stays next.
    fn nudge_first(&self, queues: &mut Queues, wakes: &mut Wakes) -> bool {
        let nudged = self.word().is_nudged();
        let Some(mut first) = queues.writers.first() else {
            return false;
        };
        let now = clock::ticks();
        if first.is_shared() || is_long(now.saturating_sub(first.payload().since())) {
            return false;
        }
        if !nudged {
            first.payload().nudge();
            first.nudge(wakes);
            self.nudged_at.store(now, Relaxed);
        }
        self.word.nudged();
        true
    }

    /// It is free, and the first writer is next.
    fn give_to_writer(&self, queues: &mut Queues, wakes: &mut Wakes) {
        if let Some(mut first) = queues.writers.pop_claim() {
            if first.payload().unnudge() {
                self.word.unnudge();
            }
            self.word.give_write();
            served(first.payload(), &mut queues.wait_times);
            first.complete(How::Given, wakes);
        }
    }

    /// All of them, unless there is a writer.
    fn give_to_readers(&self, queues: &mut Queues, wakes: &mut Wakes) {
        while self.word.settle().has_room()
            && let Some(mut next) = queues.readers.pop_claim()
        {
            self.word.give_read();
            served(next.payload(), &mut queues.wait_times);
            next.complete(How::Given, wakes);
        }
    }
}

#[cfg(all(test, not(gochan_loom)))]
mod tests;
