//! The locks that somebody has waited for lately: of those the recorder tells who holds them.
//!
//! What it is not: complete. Two that fall on the same place push each other out.
//!
//! 1. A place is written by whoever begins to wait, and read by whoever releases; either is one word.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use crate::hook::{Kind, ObjId, Park};

const PLACES: usize = 1 << 10;

static WAITED: [AtomicU64; PLACES] = [const { AtomicU64::new(0) }; PLACES];

fn place(object: ObjId) -> &'static AtomicU64 {
    // Numbers come one after the other, and each kind counts for itself.
    let number = object.number() as usize + object.kind() as usize * (PLACES / 4 + 1);
    &WAITED[number % PLACES]
}

/// What is held by somebody while others wait.
pub(super) fn is_lock(object: ObjId) -> bool {
    let kind = object.kind();
    !object.is_none() && matches!(kind, Kind::Mutex | Kind::RwMutex | Kind::Semaphore)
}

/// Somebody waits.
#[inline]
pub(super) fn note(park: &Park<'_>) {
    note_one(park.object);
    for arm in park.arms {
        note_one(arm.object);
    }
}

#[inline]
fn note_one(object: ObjId) {
    if !is_lock(object) {
        return;
    }
    let place = place(object);
    // ORDERING: Relaxed: who misses it leaves one hold out.
    if place.load(Relaxed) != object.raw() {
        place.store(object.raw(), Relaxed);
    }
}

/// Whether somebody has waited for it lately.
pub(super) fn is_for(object: ObjId) -> bool {
    is_lock(object) && place(object).load(Relaxed) == object.raw()
}
