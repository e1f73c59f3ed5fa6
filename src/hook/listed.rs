//! Objects that say of themselves how full they are and who has a handle: the way from a dump to those numbers.
//!
//! What it is not: an owner, or a price for objects that nobody ever waits for. An object enters at its first wait, and
//! leaves when it is dropped.
//!
//! 1. The object of an entry is alive: its [`Listing`] takes the entry out, under the shard's lock, before the object goes.
//! 2. `facts` is called under the shard's lock. It loads atomics, and does nothing else: no lock, nothing foreign.
//! 3. A reader keeps a shard's lock for [`CHUNK`] entries at a time: whoever begins its first wait meanwhile has the lock of
//!    its object.
#![allow(unsafe_code)]

use std::panic::Location;
use std::ptr::NonNull;
// Entries decide nothing in a model, so they are the real machine's under loom as well.
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

use ::parking_lot::Mutex;
use slab::Slab;

use super::object::ObjId;

const SHARDS: usize = 16;
/// Entries that are read in one hold of the lock.
const CHUNK: usize = 64;

/// What an object with a buffer and two sides says of itself.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Facts {
    pub(crate) id: ObjId,
    pub(crate) made: &'static Location<'static>,
    /// Values in it.
    pub(crate) len: usize,
    /// Values that fit; `None`: without limit.
    pub(crate) capacity: Option<usize>,
    pub(crate) senders: usize,
    pub(crate) receivers: usize,
    pub(crate) closed: bool,
}

/// Reads the facts of the object at this address.
pub(crate) type Read = unsafe fn(NonNull<()>) -> Facts;

struct Entry {
    object: NonNull<()>,
    read: Read,
}

// SAFETY: the pointer is only ever given to `read`, which may be called on any thread as long as the entry is there
// (promised by who calls `enter`).
unsafe impl Send for Entry {}

static ENTRIES: [Mutex<Slab<Entry>>; SHARDS] = [const { Mutex::new(Slab::new()) }; SHARDS];

/// An object's place in the list, inside of it: 0 while it has none, then shard and key. Must be the object's first field,
/// which is dropped first.
#[derive(Debug)]
pub(crate) struct Listing(AtomicU32);

impl Listing {
    pub(crate) const fn new() -> Listing {
        Listing(AtomicU32::new(0))
    }

    /// Enters the object, if it is not in yet. Not twice at the same time: under the object's lock.
    ///
    /// # Safety
    /// `object` stays where it is until this listing has been dropped; until then `read` may be called with it on any
    /// thread at any time.
    #[cold]
    pub(crate) unsafe fn enter(&self, id: ObjId, object: NonNull<()>, read: Read) {
        // ORDERING: Relaxed, also below: entered under the object's lock, and left by the one who drops it.
        if self.0.load(Relaxed) != 0 {
            return;
        }
        // Numbers come in blocks of 16 to a thread: threads stay apart.
        let shard = id.number() as usize / 16 % SHARDS;
        let mut entries = ENTRIES[shard].lock();
        let key = (entries.vacant_key() + 1) * SHARDS + shard;
        // More objects than that are not told of.
        if let Ok(key) = u32::try_from(key) {
            entries.insert(Entry { object, read });
            self.0.store(key, Relaxed);
        }
    }

    #[cold]
    fn leave(&self, key: usize) {
        ENTRIES[key % SHARDS].lock().remove(key / SHARDS - 1);
    }
}

impl Drop for Listing {
    #[inline]
    fn drop(&mut self) {
        match *self.0.get_mut() {
            0 => {}
            key => self.leave(key as usize),
        }
    }
}

/// Shows what all listed objects say. One that enters or goes meanwhile may be missing.
pub(crate) fn for_each(mut look: impl FnMut(Facts)) {
    for shard in &ENTRIES {
        let mut from = 0;
        while let Some(chunk) = read_chunk(shard, from) {
            chunk.into_iter().for_each(&mut look);
            from += CHUNK;
        }
    }
}

/// The facts of the entries at these keys; `None` behind the last one.
fn read_chunk(shard: &Mutex<Slab<Entry>>, from: usize) -> Option<Vec<Facts>> {
    // Before the lock.
    let mut facts = Vec::with_capacity(CHUNK);
    let entries = shard.lock();
    let keys = from..from + CHUNK;
    for entry in keys.filter_map(|key| entries.get(key)) {
        // SAFETY: the entry is there and we have the lock, so the object is alive, and its drop waits for the lock
        // (invariant 1); the rest was promised to `enter`.
        facts.push(unsafe { (entry.read)(entry.object) });
    }
    (from < entries.capacity()).then_some(facts)
}
