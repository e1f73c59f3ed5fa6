//! The read-write mutex without its value: the word, the two queues, and who goes on when somebody leaves.
//!
//! What it is not: generic. What waits, and what a guard gives access to, is in `ops.rs` and `guard.rs`.
//!
//! Invariants, true whenever the queues' lock is free and nobody is between leaving and handing over
//! 1. A queued reader implies a writer: one that holds the mutex, or one that is queued too.
//! 2. A queued writer implies a holder.
//! 3. Who leaves hands over before it goes its way: a writer to all queued readers, or if there are none to the first
//!    queued writer; the last reader to the first queued writer. So readers and writers take turns: a reader waits for
//!    one writer, a writer for the writers before it and for the readers between them.

use std::panic::Location;

use super::word::{Left, Seen, Word};
use crate::hook::Kind;
use crate::hook::holder::Hold;
use crate::shim::const_fn;
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
}

impl Queues {
    fn are_empty(&self) -> bool {
        self.readers.is_empty() && self.writers.is_empty()
    }
}

/// A read-write mutex of nothing.
#[derive(Debug)]
pub(super) struct Raw {
    word: Word,
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
            };
            Raw {
                word: Word::new(),
                queues: Object::new(queues, Kind::RwMutex, made),
            }
        }
    }

    #[inline(always)]
    pub(super) fn word(&self) -> Seen {
        self.word.load()
    }

    // ---- plain ways

    /// Takes it to read, unless there is a writer or somebody seems to be queued.
    #[inline(always)]
    pub(super) fn try_read(&self, site: Site) -> Option<Hold> {
        let taken = self.word.try_read();
        taken.then(|| Hold::acquired(self.queues.id(), site))
    }

    /// Takes it to write if it is free and nobody seems to be queued.
    #[inline(always)]
    pub(super) fn try_write(&self, site: Site) -> Option<Hold> {
        let taken = self.word.try_write();
        taken.then(|| Hold::acquired(self.queues.id(), site))
    }

    #[inline(always)]
    pub(super) fn end_read(&self, note: Hold) {
        note.released();
        if self.word.end_read() == Left::ToQueue {
            self.hand_over();
        }
    }

    #[inline(always)]
    pub(super) fn end_write(&self, note: Hold) {
        note.released();
        if self.word.end_write() == Left::ToQueue {
            self.end_write_queued();
        }
    }

    /// The writer becomes a reader. Readers that wait come along; a writer that waits has its turn after them.
    pub(super) fn downgrade(&self) {
        let mut wakes = Wakes::new();
        let mut queues = self.queues.lock();
        self.word.downgrade();
        self.give_to_readers(&mut queues, &mut wakes);
        self.settle(&mut queues, &mut wakes);
        drop(queues);
        wakes.fire();
    }

    /// Removes the mark that somebody is queued if nobody is: a select leaves it that looked and went. False: there was
    /// none.
    #[cold]
    #[inline(never)]
    pub(super) fn unmark(&self) -> bool {
        let queues = self.queues.lock();
        let leftover = self.word().is_queued() && queues.are_empty();
        if leftover {
            self.word.clear_queued();
        }
        leftover
    }

    // ---- with the queues

    /// The last reader has left while somebody was queued.
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
    fn end_write_queued(&self) {
        let mut wakes = Wakes::new();
        let mut queues = self.queues.lock();
        self.end_write_locked(&mut queues, &mut wakes);
        drop(queues);
        wakes.fire();
    }

    pub(super) fn read_attempt(&self, queues: &Queues, site: Site, wish: &mut Wish) -> bool {
        let taken = self.word.read_or_queue(queues.are_empty());
        self.note(taken, site, wish);
        taken
    }

    pub(super) fn write_attempt(&self, queues: &Queues, site: Site, wish: &mut Wish) -> bool {
        let taken = self.word.write_or_queue(queues.are_empty());
        self.note(taken, site, wish);
        taken
    }

    /// Notes who holds it, or will.
    fn note(&self, taken: bool, site: Site, wish: &mut Wish) {
        let id = self.queues.id();
        *wish = match taken {
            true => Wish::acquired(id, site),
            false => Wish::wanted(id, site),
        };
    }

    /// A reader leaves, under the lock: one that was given what it does not want any more.
    pub(super) fn end_read_locked(&self, queues: &mut Queues, wakes: &mut Wakes) {
        match self.word.end_read() {
            Left::ToQueue => self.settle(queues, wakes),
            Left::Done => {}
        }
    }

    /// The writer leaves, under the lock.
    pub(super) fn end_write_locked(&self, queues: &mut Queues, wakes: &mut Wakes) {
        self.word.end_write_queued();
        self.give_to_readers(queues, wakes);
        self.settle(queues, wakes);
    }

    /// Restores the invariants: what is free goes to who has waited for it.
    pub(super) fn settle(&self, queues: &mut Queues, wakes: &mut Wakes) {
        if self.word.settle().is_free() {
            self.give_to_writer(queues, wakes);
        }
        if queues.writers.is_empty() {
            self.give_to_readers(queues, wakes);
        }
        if queues.are_empty() {
            self.word.clear_queued();
        }
    }

    fn give_to_writer(&self, queues: &mut Queues, wakes: &mut Wakes) {
        if let Some(mut first) = queues.writers.pop_claim() {
            self.word.give_write();
            first.payload().granted();
            first.complete(How::Given, wakes);
        }
    }

    /// All of them, unless there is a writer.
    fn give_to_readers(&self, queues: &mut Queues, wakes: &mut Wakes) {
        while self.word.settle().has_room()
            && let Some(mut next) = queues.readers.pop_claim()
        {
            self.word.give_read();
            next.payload().granted();
            next.complete(How::Given, wakes);
        }
    }
}
