//! A seat: where a thread keeps the core that it works with, and where another thread may take it away at any moment.
//!
//! What it is not: a lock. The owner, who borrows its core some times a poll, pays two plain stores and a plain load for it, as
//! for a `RefCell`; all of the cost is the taker's.
//!
//! ```text
//!   owner (borrow)            taker (take)
//!   busy := 1                 item := null (swap)
//!   light barrier             heavy barrier
//!   look at item              wait until busy is 0
//!   busy := 0 (Release)       the item is the taker's
//! ```
//!
//! 1. Only the owner stores `busy`, and fills `item`. Who swaps the item out has it: the owner for itself, or a taker.
//! 2. The owner follows the item's pointer only while `busy` is 1, and only if it saw the item after `busy` was. The two barriers
//!    are one pair (`shim::heavy_barrier`): either the owner sees null, or the taker sees 1 and waits.
//! 3. A borrow is short and nothing foreign runs in it, so the taker's wait is short.
//! 4. Where there is no heavy barrier nothing is ever taken: the owner alone gives its core away.
//!
//! ORDERING pairs: `item` filled Release by the owner / swapped Acquire: the taker sees what was put in. `busy` stored 0 Release
//! by the owner / loaded Acquire by the taker: it sees what the owner did to the item in its last borrow.
#![allow(unsafe_code)]

use std::marker::PhantomData;
use std::ops::{Deref, DerefMut};
use std::ptr::{self, NonNull};

use crossbeam_utils::CachePadded;

use crate::shim::{
    Arc, AtomicPtr, AtomicU32, Ordering, heavy_barrier, light_barrier, owned_u32,
    try_heavy_barrier, yield_now,
};
use Ordering::{AcqRel, Acquire, Relaxed, Release};

struct Place<T> {
    item: AtomicPtr<T>,
    busy: AtomicU32,
    /// Which item it is, for takers: see [`Seat::put`].
    label: AtomicU32,
    /// Odd while the owner is inside a call that may block: see [`Seat::enter_call`].
    calls: AtomicU32,
    /// The item is the place's.
    owns: PhantomData<Box<T>>,
}

// SAFETY: an item that is Send goes from thread to thread, and only one of them has it at a time (invariants 1 and 2).
unsafe impl<T: Send> Send for Place<T> {}
// SAFETY: as above.
unsafe impl<T: Send> Sync for Place<T> {}

impl<T> Drop for Place<T> {
    fn drop(&mut self) {
        let raw = self.item.swap(ptr::null_mut(), AcqRel);
        // SAFETY: nobody refers to the place any more, so what is in it is its own.
        drop(unsafe { boxed(raw) });
    }
}

/// # Safety
/// The caller has just taken `raw` out of a place.
unsafe fn boxed<T>(raw: *mut T) -> Option<Box<T>> {
    // SAFETY: it was put in by `put`, from a box.
    NonNull::new(raw).map(|raw| unsafe { Box::from_raw(raw.as_ptr()) })
}

/// The owner's end. It stays on the owner's thread.
pub(super) struct Seat<T> {
    place: Arc<CachePadded<Place<T>>>,
    owners: PhantomData<*const ()>,
}

/// The end of those who may take the item away.
pub(super) struct Taker<T>(Arc<CachePadded<Place<T>>>);

impl<T> Clone for Taker<T> {
    fn clone(&self) -> Self {
        Taker(Arc::clone(&self.0))
    }
}

// === impl Seat ===

impl<T> Seat<T> {
    /// Empty.
    pub(super) fn new() -> Seat<T> {
        Seat {
            place: Arc::new(CachePadded::new(Place {
                item: AtomicPtr::new(ptr::null_mut()),
                busy: AtomicU32::new(0),
                label: AtomicU32::new(u32::MAX),
                calls: AtomicU32::new(0),
                owns: PhantomData,
            })),
            owners: PhantomData,
        }
    }

    pub(super) fn taker(&self) -> Taker<T> {
        Taker(Arc::clone(&self.place))
    }

    /// The item, unless it has been taken away. One borrow at a time.
    #[inline]
    pub(super) fn borrow(&self) -> Option<Borrow<'_, T>> {
        let place = &**self.place;
        assert!(
            owned_u32(&place.busy) == 0,
            "the core is borrowed: foreign code ran where none may"
        );
        place.busy.store(1, Relaxed);
        // ORDERING: a taker that does not see `busy` has emptied the place before, and we see that.
        light_barrier();
        // Made before the look: its drop ends the borrow.
        let busy = Busy(&place.busy);
        // ORDERING: Relaxed: we filled it ourselves.
        let item = NonNull::new(place.item.load(Relaxed))?;
        Some(Borrow { item, _busy: busy })
    }

    /// Whether the item is here, at this moment.
    #[inline]
    pub(super) fn is_filled(&self) -> bool {
        !self.place.item.load(Relaxed).is_null()
    }

    /// Takes the item out, unless another has.
    pub(super) fn take(&self) -> Option<Box<T>> {
        debug_assert_eq!(owned_u32(&self.place.busy), 0);
        // ORDERING: Release for nobody: the item's next owner learns of it from us by other ways.
        let raw = self.place.item.swap(ptr::null_mut(), AcqRel);
        // SAFETY: we took it out, and have no borrow.
        unsafe { boxed(raw) }
    }

    /// Puts an item into the empty place. `label` is what takers tell it by.
    pub(super) fn put(&self, item: Box<T>, label: u32) {
        debug_assert!(!self.is_filled());
        self.place.label.store(label, Relaxed);
        // ORDERING: Release: a taker sees all of it, and its label.
        self.place.item.store(Box::into_raw(item), Release);
    }

    /// Says to takers that the owner calls something that may block, and has no use for its item until `leave_call`. False: it
    /// has said so already.
    pub(super) fn enter_call(&self) -> bool {
        let calls = owned_u32(&self.place.calls);
        self.place.calls.store(calls | 1, Relaxed);
        calls.is_multiple_of(2)
    }

    pub(super) fn leave_call(&self) {
        let calls = owned_u32(&self.place.calls);
        self.place.calls.store((calls | 1).wrapping_add(1), Relaxed);
    }
}

/// Ends a borrow when dropped.
struct Busy<'a>(&'a AtomicU32);

impl Drop for Busy<'_> {
    #[inline]
    fn drop(&mut self) {
        // ORDERING: Release: the taker that waits for it sees what we did to the item.
        self.0.store(0, Release);
    }
}

/// The owner's borrow of its item.
pub(super) struct Borrow<'a, T> {
    item: NonNull<T>,
    _busy: Busy<'a>,
}

impl<T> Deref for Borrow<'_, T> {
    type Target = T;
    #[inline]
    fn deref(&self) -> &T {
        // SAFETY: invariant 2, and there is only one borrow.
        unsafe { self.item.as_ref() }
    }
}

impl<T> DerefMut for Borrow<'_, T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: as above.
        unsafe { self.item.as_mut() }
    }
}

// === impl Taker ===

impl<T> Taker<T> {
    /// Takes the item away. `None`: it is not here, or cannot be taken on this machine.
    pub(super) fn take(&self) -> Option<Box<T>> {
        let place = &**self.0;
        // Before the swap: without the barrier it could be neither used nor put back.
        if !try_heavy_barrier() {
            return None;
        }
        // ORDERING: Acquire pairs with `put`.
        let raw = place.item.swap(ptr::null_mut(), AcqRel);
        if raw.is_null() {
            return None;
        }
        self.outlast_borrow();
        // SAFETY: we took it out, and by invariant 2 the owner no longer looks at it.
        unsafe { boxed(raw) }
    }

    /// Waits until the owner is done with a borrow, if it is in one. What the caller did before is seen in each later one. Only
    /// where [`try_heavy_barrier`] has just said that there is a barrier.
    pub(super) fn outlast_borrow(&self) {
        heavy_barrier();
        // ORDERING: Acquire pairs with the end of the owner's last borrow.
        while self.0.busy.load(Acquire) != 0 {
            yield_now();
        }
    }

    /// Whether the item with this label is here, at this moment.
    pub(super) fn holds(&self, label: u32) -> bool {
        self.label() == Some(label)
    }

    /// Whether the item of this slot is here, at this moment.
    pub(super) fn holds_slot(&self, slot: usize) -> bool {
        u32::try_from(slot).is_ok_and(|label| self.holds(label))
    }

    /// The label of the item that is here, at this moment.
    pub(super) fn label(&self) -> Option<u32> {
        let here = !self.0.item.load(Relaxed).is_null();
        here.then(|| self.0.label.load(Relaxed))
    }

    /// Whether this is the other end of that seat.
    pub(super) fn is_of(&self, seat: &Seat<T>) -> bool {
        Arc::ptr_eq(&self.0, &seat.place)
    }

    /// The number of the call that the owner is in: never the same for two calls in a row.
    pub(super) fn call(&self) -> Option<u32> {
        let calls = self.0.calls.load(Relaxed);
        (calls % 2 == 1).then_some(calls)
    }
}

#[cfg(test)]
mod tests;
