//! The lock of a waitable object, and the object itself.
//!
//! What it is not: a lock for users, or for anything slow. A hold is a few dozen instructions: look at a queue, move
//! one value, link one node. No foreign code runs inside (rule R1).
//!
//! `ByteLock` is one byte: taken by a swap, given back by a plain store, so an uncontended pair costs one locked
//! instruction where a futex-based lock costs two (`unlock` there must find out whether somebody sleeps). The price is
//! that a waiter cannot sleep on it: it spins, then yields its thread, then naps.
//!
//! Invariants
//! 1. `inner` is touched only between `raw_lock` and `raw_unlock` of the same thread.
//!
//! Ordering pair: `raw_unlock` (Release) -> `raw_lock` (Acquire) for `inner`.

#![allow(unsafe_code)]

use std::marker::PhantomData;
use std::ops::{Deref, DerefMut};
use std::panic::Location;

use crate::hook::object::Tag;
use crate::hook::{Kind, ObjId};
use crate::shim::{AtomicBool, Ordering::*, UnsafeCell, const_fn, set};

/// A test-and-set lock of one byte.
#[derive(Debug)]
pub(crate) struct ByteLock(AtomicBool);

impl ByteLock {
    const_fn! {
        pub(crate) fn new() -> Self {
            ByteLock(AtomicBool::new(false))
        }
    }

    #[inline(always)]
    fn lock(&self) {
        if !self.try_lock() {
            self.lock_slow();
        }
    }

    #[inline(always)]
    fn try_lock(&self) -> bool {
        // ORDERING: Acquire sees everything the last holder wrote before its Release store in `unlock`.
        !set(&self.0, Acquire)
    }

    #[cold]
    #[inline(never)]
    fn lock_slow(&self) {
        let mut wait = Wait::new();
        loop {
            // ORDERING: Relaxed, only a hint that the swap is worth its cache line.
            if !self.0.load(Relaxed) && self.try_lock() {
                return;
            }
            wait.once();
        }
    }

    #[inline(always)]
    fn unlock(&self) {
        // ORDERING: Release publishes the hold's writes to the next holder's Acquire swap.
        self.0.store(false, Release);
    }
}

/// How a thread passes the time until a short critical section of another thread ends.
///
/// A hold is over in a moment, but on a busy object the next one on the same core follows as soon. Two cores that take
/// turns on every operation pay for moving a handful of cache lines each time; so who has lost the race stays away for
/// about as long as a hundred operations take, and both work in batches.
#[cfg(not(gochan_loom))]
struct Wait {
    turns: u32,
}

#[cfg(not(gochan_loom))]
impl Wait {
    /// Turns of staying away, for a microsecond or two each.
    const AWAY: u32 = 16;

    fn new() -> Self {
        Wait { turns: 0 }
    }

    fn once(&mut self) {
        self.turns += 1;
        match self.turns {
            1 => pause(32),
            2..=Self::AWAY => pause(64),
            // The holder has lost its CPU: after some turns give it a whole one, whatever the scheduling class.
            ..64 => crate::shim::yield_now(),
            _ => std::thread::sleep(std::time::Duration::from_micros(20)),
        }
    }
}

#[cfg(not(gochan_loom))]
fn pause(spins: u32) {
    (0..spins).for_each(|_| crate::shim::spin_loop());
}

#[cfg(gochan_loom)]
struct Wait;

#[cfg(gochan_loom)]
impl Wait {
    fn new() -> Self {
        Wait
    }
    fn once(&mut self) {
        crate::shim::yield_now();
    }
}

/// Something that can be waited for: a lock, what it guards, and who it is.
#[derive(Debug)]
pub struct Object<I> {
    lock: ByteLock,
    inner: UnsafeCell<I>,
    tag: Tag,
    made: &'static Location<'static>,
}

// SAFETY: `inner` is reached only under `lock` (invariant 1), which hands it from thread to thread as a whole; values
// of `T` inside cross threads that way, hence `I: Send`. `made` never changes, and a tag is one atomic word.
unsafe impl<I: Send> Sync for Object<I> {}
// SAFETY: moving the object moves `inner` with it.
unsafe impl<I: Send> Send for Object<I> {}

impl<I> Object<I> {
    const_fn! {
        pub(crate) fn new(inner: I, kind: Kind, made: &'static Location<'static>) -> Self {
            Object {
                lock: ByteLock::new(),
                inner: UnsafeCell::new(inner),
                tag: Tag::new(kind),
                made,
            }
        }
    }

    #[inline(always)]
    pub(crate) fn id(&self) -> ObjId {
        self.tag.id()
    }

    /// The tag itself, for its name and its mode.
    pub(crate) fn tag(&self) -> &Tag {
        &self.tag
    }

    pub(crate) fn made(&self) -> &'static Location<'static> {
        self.made
    }

    #[inline(always)]
    pub(crate) fn lock(&self) -> Locked<'_, I> {
        self.lock.lock();
        Locked {
            object: self,
            _not_send: PhantomData,
        }
    }

    /// Takes the lock without a guard, for a select that holds several; `raw_unlock` gives it back.
    pub(crate) fn raw_lock(&self) {
        self.lock.lock();
    }

    /// # Safety
    /// The calling thread holds the lock and keeps no reference into `inner`.
    #[inline(always)]
    pub(crate) unsafe fn raw_unlock(&self) {
        self.lock.unlock();
    }

    /// # Safety
    /// The calling thread holds the lock, by `raw_lock`, for as long as it uses the reference, and has no other one.
    #[inline(always)]
    #[allow(clippy::mut_from_ref)]
    pub(crate) unsafe fn inner(&self) -> &mut I {
        // SAFETY: invariant 1, promised by the caller.
        self.inner.with_mut(|inner| unsafe { &mut *inner })
    }
}

/// The lock of an object is held; the way to what it guards.
#[must_use]
pub(crate) struct Locked<'a, I> {
    object: &'a Object<I>,
    _not_send: PhantomData<*mut ()>,
}

impl<I> Deref for Locked<'_, I> {
    type Target = I;
    #[inline(always)]
    fn deref(&self) -> &I {
        // SAFETY: this guard is the proof of the lock; the shared borrow of the guard keeps `deref_mut` out.
        self.object.inner.with(|inner| unsafe { &*inner })
    }
}

impl<I> DerefMut for Locked<'_, I> {
    #[inline(always)]
    fn deref_mut(&mut self) -> &mut I {
        // SAFETY: this guard is the proof of the lock, borrowed exclusively.
        self.object.inner.with_mut(|inner| unsafe { &mut *inner })
    }
}

impl<I> Drop for Locked<'_, I> {
    #[inline(always)]
    fn drop(&mut self) {
        // SAFETY: the guard was made by `lock` on this thread (it is not Send) and its references have ended.
        unsafe { self.object.raw_unlock() }
    }
}
