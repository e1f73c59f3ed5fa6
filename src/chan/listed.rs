//! What a channel shows to a dump, from its first wait on: the words of its gate, and how many handles it has.
//!
//! What it is not: the truth under the lock. Each number is one load of an atomic word.
#![allow(unsafe_code)]

use std::ptr::NonNull;

use super::HChan;
use crate::hook::listed::Facts;
use crate::shim::Ordering::Relaxed;

impl<T> HChan<T> {
    /// Somebody is about to wait here for the first time. Under the lock.
    #[cold]
    pub(super) fn list(&self) {
        let chan = NonNull::from(self).cast();
        // SAFETY: a channel lives in an `Arc`, which never moves it, and its listing is its first field, hence dropped
        // while all others are alive. `facts` of it only loads atomics and copies what never changes. The channel is not
        // `Unpin`, so that the `&mut` with which an `Arc` drops it does not claim to be the only way to it.
        unsafe { self.listing.enter(self.object.id(), chan, facts::<T>) }
    }
}

/// # Safety
/// `chan` is an `HChan<T>` that is alive.
unsafe fn facts<T>(chan: NonNull<()>) -> Facts {
    // SAFETY: promised by the caller; shared references to a channel are what its handles have.
    let chan = unsafe { chan.cast::<HChan<T>>().as_ref() };
    Facts {
        id: chan.object.id(),
        made: chan.object.made(),
        len: chan.gate.len(),
        capacity: chan.capacity(),
        // ORDERING: Relaxed, numbers that may be old when they are read.
        senders: chan.senders.load(Relaxed),
        receivers: chan.receivers.load(Relaxed),
        closed: chan.is_closed(),
    }
}
