//! The rings of all threads: each thread that has something to record takes one, and gives it back at its end.
//!
//! What it is not: the recorder. It hands out memory; what is in it is `event`'s, and when to record is `recorder`'s.
//!
//! ```text
//! a thread's own, from its first event on   <-- as it begins and ends -->  free: what was recorded stays readable
//! shared: for threads that find no free ring and no memory for a new one, one writer at a time
//! ```
//!
//! 1. A recording has a number, `RECORDING`, which is 0 while nobody records. A ring belongs to one recording; a thread that holds
//!    one of another recording gives it up at its next event.
//! 2. The memory of all rings of a recording together is bounded: beyond that threads share. A thread that shares does so until it
//!    ends.
//! 3. The first event of a thread in a ring is [`What::Thread`], so that a reader knows whose the rest is.
//! 4. Nothing but copying pointers happens under the lock of `RINGS`; rings are allocated and freed outside.
// Who is who is for the formats.
#![cfg_attr(not(feature = "diag"), allow(dead_code))]

use std::cell::RefCell;
use std::sync::Arc;
// Recordings are of the real machine, also under loom: the model of the ring has rings of its own.
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use ::parking_lot::Mutex;

use super::event::{Event, What};
use super::ring::{Copied, Ring, Words};
use crate::clock;

use Ordering::{Acquire, Relaxed, Release};

/// Of the threads that have ended this many are remembered.
const REMEMBERED: usize = 4096;

static RECORDING: AtomicU64 = AtomicU64::new(0);
/// Events that found the shared ring busy.
static DROPPED: AtomicU64 = AtomicU64::new(0);
static RINGS: Mutex<Rings> = Mutex::new(Rings::NONE);

/// A ring of a recording.
#[derive(Debug)]
pub(super) struct Held {
    ring: Ring,
    recording: u64,
    /// Whose it is, or was last.
    thread: AtomicU64,
    is_shared: bool,
    /// Of the shared one: somebody writes.
    busy: AtomicBool,
}

/// A thread that has recorded something.
#[derive(Clone, Debug)]
pub(super) struct Thread {
    pub(super) number: u64,
    pub(super) name: Option<Arc<str>>,
    /// The system's number of it, where the system tells.
    pub(super) tid: Option<u64>,
}

/// A ring's content, and whose it is up to the first [`What::Thread`] in it.
#[derive(Debug)]
pub(super) struct Part {
    pub(super) thread: u64,
    pub(super) copied: Copied,
}

#[derive(Debug)]
struct Rings {
    recording: u64,
    /// Slots of each ring.
    slots: usize,
    /// Bytes that all rings may have together.
    limit: u64,
    all: Vec<Arc<Held>>,
    free: Vec<Arc<Held>>,
    shared: Option<Arc<Held>>,
    threads: Vec<Thread>,
    /// Threads have numbers from 1; 0 is the shared ring's.
    last_thread: u64,
}

std::thread_local! {
    static MINE: Mine = const { Mine(RefCell::new(None)) };
}

/// A thread's ring. Given back when the thread ends.
struct Mine(RefCell<Option<Arc<Held>>>);

// === writing ===

/// Whether somebody records.
#[inline]
pub(super) fn are_on() -> bool {
    RECORDING.load(Relaxed) != 0
}

/// Writes one event, if somebody records.
#[inline(always)]
pub(super) fn write(event: Event) {
    let [a, b, c, d] = event.words();
    put(a, b, c, d);
}

/// One function for all events, which gets its words in registers.
#[inline(never)]
fn put(a: u64, b: u64, c: u64, d: u64) {
    let words = [a, b, c, d];
    let recording = RECORDING.load(Relaxed);
    let written = MINE.try_with(|mine| mine.write(recording, words));
    if written != Ok(true) {
        write_all(&[words]);
    }
}

/// Writes events that belong together, one after the other.
#[cold]
pub(super) fn write_all(events: &[Words]) {
    let recording = RECORDING.load(Relaxed);
    if recording == 0 {
        return;
    }
    let written = MINE.try_with(|mine| {
        if !mine.write_all(recording, events) {
            mine.first(recording, events);
        }
    });
    if written.is_err() {
        write_late(events);
    }
}

impl Mine {
    /// False: this thread has no ring of its own of this recording.
    #[inline(always)]
    fn write(&self, recording: u64, words: Words) -> bool {
        match &*self.0.borrow() {
            Some(held) if held.recording == recording && !held.is_shared => {
                held.ring.write(words);
                true
            }
            _ => false,
        }
    }

    /// False: this thread has no ring of this recording.
    fn write_all(&self, recording: u64, events: &[Words]) -> bool {
        match &*self.0.borrow() {
            Some(held) if held.recording == recording => {
                held.write_all(events);
                true
            }
            _ => false,
        }
    }

    /// The first events of this thread in this recording.
    #[cold]
    fn first(&self, recording: u64, events: &[Words]) {
        // Of another recording: freed without the lock.
        drop(self.0.take());
        if let Some(held) = take(recording) {
            self.0.borrow_mut().insert(held).write_all(events);
        }
    }
}

impl Drop for Mine {
    fn drop(&mut self) {
        let Some(held) = self.0.take() else {
            return;
        };
        let mut rings = RINGS.lock();
        if rings.recording == held.recording && !held.is_shared {
            rings.free.push(held);
        }
    }
}

/// For a thread whose own values are gone.
#[cold]
fn write_late(events: &[Words]) {
    let shared = RINGS.lock().shared.clone();
    if let Some(held) = shared {
        held.write_all(events);
    }
}

impl Held {
    fn new(recording: u64, slots: usize, is_shared: bool) -> Arc<Held> {
        Arc::new(Held {
            ring: Ring::new(slots),
            recording,
            thread: AtomicU64::new(0),
            is_shared,
            busy: AtomicBool::new(false),
        })
    }

    fn write_all(&self, events: &[Words]) {
        match self.is_shared {
            false => events.iter().for_each(|words| self.ring.write(*words)),
            true => self.write_shared(events),
        }
    }

    #[cold]
    fn write_shared(&self, events: &[Words]) {
        // ORDERING: Acquire pairs with the Release below: the writer before has finished.
        if self.busy.swap(true, Acquire) {
            DROPPED.fetch_add(events.len() as u64, Relaxed);
            return;
        }
        events.iter().for_each(|words| self.ring.write(*words));
        self.busy.store(false, Release);
    }

    /// The ring is that of `thread` from now on, which calls.
    fn belongs_to(&self, thread: u64) {
        let before = self.thread.swap(thread, Relaxed);
        let mut event = Event::new(What::Thread, clock::ticks());
        (event.a, event.b) = (thread, before);
        self.ring.write(event.words());
    }
}

fn bytes_of(slots: usize) -> u64 {
    (slots * size_of::<Words>()) as u64
}

// === taking and giving back ===

/// A ring for this thread, or the shared one. `None`: the recording is over.
fn take(recording: u64) -> Option<Arc<Held>> {
    let name = std::thread::current().name().map(Arc::from);
    let tid = tid();
    let slots = RINGS.lock().slots;
    let mut fresh = None;
    loop {
        let mut rings = RINGS.lock();
        if rings.recording != recording {
            return None;
        }
        let held = match (rings.free.pop(), fresh.take()) {
            (Some(held), _) => held,
            // Others may have come first.
            _ if !rings.has_room() => return rings.shared.clone(),
            (None, Some(held)) => {
                rings.all.push(Arc::clone(&held));
                held
            }
            (None, None) => {
                drop(rings);
                fresh = Some(Held::new(recording, slots, false));
                continue;
            }
        };
        let number = rings.add_thread(name, tid);
        held.belongs_to(number);
        return Some(held);
    }
}

/// Linux names a thread's directory after its number.
fn tid() -> Option<u64> {
    let path = std::fs::read_link("/proc/thread-self").ok()?;
    path.file_name()?.to_str()?.parse().ok()
}

impl Rings {
    const NONE: Rings = Rings {
        recording: 0,
        slots: 0,
        limit: 0,
        all: Vec::new(),
        free: Vec::new(),
        shared: None,
        threads: Vec::new(),
        last_thread: 0,
    };

    fn has_room(&self) -> bool {
        bytes_of(self.slots) * (self.all.len() as u64 + 1) <= self.limit
    }

    fn add_thread(&mut self, name: Option<Arc<str>>, tid: Option<u64>) -> u64 {
        if self.threads.len() >= 2 * REMEMBERED {
            self.threads.drain(..REMEMBERED);
        }
        self.last_thread += 1;
        let number = self.last_thread;
        self.threads.push(Thread { number, name, tid });
        number
    }
}

// === recordings ===

/// Begins a recording whose rings have `slots` events each, and `limit` bytes together. False: one is under way.
pub(super) fn start(slots: usize, limit: u64) -> bool {
    static LAST: AtomicU64 = AtomicU64::new(0);
    let number = LAST.fetch_add(1, Relaxed) + 1;
    let shared = Held::new(number, slots, true);
    let mut rings = RINGS.lock();
    if rings.recording != 0 {
        return false;
    }
    *rings = Rings {
        recording: number,
        slots,
        limit,
        all: vec![Arc::clone(&shared)],
        shared: Some(shared),
        ..Rings::NONE
    };
    DROPPED.store(0, Relaxed);
    RECORDING.store(number, Relaxed);
    true
}

/// Ends the recording. Threads that took part keep their rings until they record again or end.
pub(super) fn stop() {
    RECORDING.store(0, Relaxed);
    let old = std::mem::replace(&mut *RINGS.lock(), Rings::NONE);
    drop(old);
}

/// What all rings hold.
pub(super) fn copy() -> (Vec<Part>, Vec<Thread>) {
    let (all, threads) = {
        let rings = RINGS.lock();
        (rings.all.clone(), rings.threads.clone())
    };
    let part = |held: &Arc<Held>| {
        // Before the copy: who takes the ring over meanwhile says so in it.
        let thread = held.thread.load(Relaxed);
        let copied = held.ring.copy();
        Part { thread, copied }
    };
    (all.iter().map(part).collect(), threads)
}

/// Events written, overwritten and dropped, and bytes held.
pub(super) fn counts() -> (u64, u64, u64, u64) {
    let all = RINGS.lock().all.clone();
    let counts = all.iter().map(|held| held.ring.counts());
    let (written, overwritten) = counts.fold((0, 0), |sum, one| (sum.0 + one.0, sum.1 + one.1));
    let bytes = all.iter().map(|held| bytes_of(held.ring.slots())).sum();
    (written, overwritten, DROPPED.load(Relaxed), bytes)
}
