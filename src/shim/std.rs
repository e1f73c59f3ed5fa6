//! The real machine.

#![allow(unused_imports)]

use ::std::hash::{BuildHasher, RandomState};

pub(crate) use ::parking_lot::{Condvar, Mutex, MutexGuard};
pub(crate) use ::std::hint::spin_loop;
pub(crate) use ::std::sync::Arc;
pub(crate) use ::std::sync::atomic::{
    AtomicBool, AtomicPtr, AtomicU8, AtomicU32, AtomicU64, AtomicUsize, Ordering, fence,
};
pub(crate) use ::std::thread;
pub(crate) use ::std::thread::yield_now;
pub(crate) use ::std::thread_local;

/// A cell whose every access is a closure over the raw pointer; loom's twin checks them.
#[derive(Debug, Default)]
#[repr(transparent)]
pub(crate) struct UnsafeCell<T: ?Sized>(::std::cell::UnsafeCell<T>);

impl<T> UnsafeCell<T> {
    pub(crate) const fn new(value: T) -> Self {
        UnsafeCell(::std::cell::UnsafeCell::new(value))
    }
    pub(crate) fn into_inner(self) -> T {
        self.0.into_inner()
    }
}

impl<T: ?Sized> UnsafeCell<T> {
    #[inline(always)]
    pub(crate) fn with<R>(&self, f: impl FnOnce(*const T) -> R) -> R {
        f(self.0.get())
    }
    #[inline(always)]
    pub(crate) fn with_mut<R>(&self, f: impl FnOnce(*mut T) -> R) -> R {
        f(self.0.get())
    }
}

/// A constructor: constant on the real machine, where atomics are; loom's twin is not.
macro_rules! const_fn {
    ($(#[$meta:meta])* $vis:vis fn $($rest:tt)*) => {
        $(#[$meta])* $vis const fn $($rest)*
    };
}
pub(crate) use const_fn;

/// The value of a word that only the caller may store now, by a lock it holds or by its role.
#[inline(always)]
pub(crate) fn owned(word: &AtomicUsize) -> usize {
    word.load(Ordering::Relaxed)
}

/// The same.
#[inline(always)]
pub(crate) fn owned_u32(word: &AtomicU32) -> u32 {
    word.load(Ordering::Relaxed)
}

/// Places in a worker's ring: as in Go.
pub(crate) const RING: usize = 256;

/// Sets a flag and tells what it was.
#[inline(always)]
pub(crate) fn set(flag: &AtomicBool, order: Ordering) -> bool {
    flag.swap(true, order)
}

/// Parks this thread, at most for `timeout`.
pub(crate) fn park(timeout: Option<::std::time::Duration>) {
    match timeout {
        None => thread::park(),
        Some(timeout) => thread::park_timeout(timeout),
    }
}

/// Nothing here. In a model it is missed when what it is a part of is never freed.
#[derive(Debug, Default)]
pub(crate) struct Tracked {}

/// Runs a model's body some hundred times on real threads: what loom's twin does with all interleavings.
#[cfg(test)]
pub(crate) fn model(body: impl Fn() + Send + Sync + 'static) {
    for _ in 0..200 {
        body();
    }
}

/// Looks of a thread before it yields for the first time. Twice as many before the next time, and so on.
pub(crate) const SPINS: u32 = 20;
/// Yields before it sleeps.
pub(crate) const YIELDS: u32 = 5;
/// How often it looks before it is queued: after one microsecond, and twice the pause each time.
pub(crate) const LOOKS: u32 = 3;

/// How often a task looks whether a lock becomes free before it is queued: for some microseconds.
pub(crate) const LOCK_TURNS: u32 = 16;

/// Whether a wait is a long one.
#[inline(always)]
pub(crate) fn is_long(waited_ns: u64, limit_ns: u64) -> bool {
    waited_ns > limit_ns
}

/// A seed of random numbers.
#[cold]
pub(crate) fn entropy() -> u64 {
    // `RandomState` draws its keys from the operating system, and new ones for each thread.
    RandomState::new().hash_one(0x5EED_u64)
}
