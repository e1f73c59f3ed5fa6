//! Where records live: in chunks that only ever grow, so that a dump walks all of them without a lock.
//!
//! What it is not: a list of tasks. It hands out places; a record says itself whether somebody is in it.
//!
//! ```text
//! FIRST -> chunk of 64 -> chunk of 128 -> ... -> chunk of 1024 -> chunk of 1024      never unmapped, never moved
//! free:  one stack per thread (no lock)  <-- BATCH at a time -->  one common stack (a lock)
//! ```
//!
//! 1. A record is in exactly one place: one of the stacks, or in the hands of its task.
//! 2. Chunks are appended under the common stack's lock; readers follow the `next` links without it.
//! 3. A thread that ends gives its stack back. Nothing foreign runs under the lock.

use std::cell::RefCell;
// Places decide nothing in a model: these are the real machine's under loom as well.
use std::sync::OnceLock;

use ::parking_lot::Mutex;

use super::record::Record;

/// Records that change hands between a thread and the common stack at once.
const BATCH: usize = 32;
const FIRST_CHUNK: usize = 64;
const LARGEST_CHUNK: usize = 1024;

struct Chunk {
    records: Box<[Record]>,
    next: OnceLock<&'static Chunk>,
}

struct Common {
    free: Vec<&'static Record>,
    last: Option<&'static Chunk>,
}

static FIRST: OnceLock<&'static Chunk> = OnceLock::new();
static COMMON: Mutex<Common> = Mutex::new(Common {
    free: Vec::new(),
    last: None,
});

thread_local! {
    static MINE: Stack = const { Stack(RefCell::new(Vec::new())) };
}

/// A thread's own free records.
struct Stack(RefCell<Vec<&'static Record>>);

/// A free record, for the caller alone.
pub(crate) fn acquire() -> &'static Record {
    MINE.try_with(|mine| {
        let mut free = mine.0.borrow_mut();
        free.pop().unwrap_or_else(|| refill(&mut free))
    })
    // The thread is ending and its stack is gone.
    .unwrap_or_else(|_| COMMON.lock().take())
}

/// Gives a record back whose task has ended. Any thread may.
pub(crate) fn release(record: &'static Record) {
    record.finish();
    let kept = MINE.try_with(|mine| {
        let mut free = mine.0.borrow_mut();
        free.push(record);
        if free.len() >= 2 * BATCH {
            spill(&mut free);
        }
    });
    if kept.is_err() {
        COMMON.lock().free.push(record);
    }
}

/// Shows every record there is to `look`, free ones too, oldest chunk first. Records added meanwhile may be missed.
pub(crate) fn for_each(mut look: impl FnMut(&'static Record)) {
    let mut chunk = FIRST.get();
    while let Some(&here) = chunk {
        here.records.iter().for_each(&mut look);
        chunk = here.next.get();
    }
}

/// How many records there are, free ones too.
pub(crate) fn places() -> usize {
    let mut places = 0;
    let mut chunk = FIRST.get();
    while let Some(&here) = chunk {
        places += here.records.len();
        chunk = here.next.get();
    }
    places
}

#[cold]
fn refill(free: &mut Vec<&'static Record>) -> &'static Record {
    let mut common = COMMON.lock();
    let record = common.take();
    let left = common.free.len().saturating_sub(BATCH - 1);
    free.extend(common.free.drain(left..));
    record
}

/// Gives the records away that have been free for longest.
#[cold]
fn spill(free: &mut Vec<&'static Record>) {
    COMMON.lock().free.extend(free.drain(..BATCH));
}

impl Common {
    fn take(&mut self) -> &'static Record {
        if self.free.is_empty() {
            self.grow();
        }
        self.free.pop().expect("a new chunk has records")
    }

    fn grow(&mut self) {
        let size = self.last.map_or(FIRST_CHUNK, |last| {
            (2 * last.records.len()).min(LARGEST_CHUNK)
        });
        let chunk: &'static Chunk = Box::leak(Box::new(Chunk {
            records: (0..size).map(|_| Record::new()).collect(),
            next: OnceLock::new(),
        }));
        let link = self.last.map_or(&FIRST, |last| &last.next);
        // Only the holder of the lock appends, so the link is still empty.
        let appended = link.set(chunk);
        debug_assert!(appended.is_ok());
        self.last = Some(chunk);
        self.free.extend(chunk.records.iter().rev());
    }
}

impl Drop for Stack {
    fn drop(&mut self) {
        COMMON.lock().free.append(self.0.get_mut());
    }
}

#[cfg(all(test, not(gochan_loom)))]
mod tests;
