//! loom's machine: every access of an atomic is a point where the model may switch threads, every access of a cell is
//! checked against all others, and so is the *end* of both, as a write: whoever still touches them then would touch freed
//! memory on the real machine.

#![allow(dead_code, unused_imports, unsafe_code)]

use std::mem::ManuallyDrop;
use std::ops::{Deref, DerefMut};

pub(crate) use ::loom::hint::spin_loop;
pub(crate) use ::loom::sync::Arc;
// Two whose end is not checked: loom offers no way to for the first, and the second is the parker's, which lies in std's
// `Arc`, as std's `Wake` wants it, and loom does not see the counts of that one.
pub(crate) use ::loom::sync::atomic::{AtomicBool, AtomicU8};
pub(crate) use ::loom::sync::atomic::{Ordering, fence};
pub(crate) use ::loom::thread;
pub(crate) use ::loom::thread::yield_now;

macro_rules! atomics {
    ($($name:ident $(<$T:ident>)? ($value:ty);)*) => {$(
        #[derive(Debug)]
        pub(crate) struct $name $(<$T>)? (::loom::sync::atomic::$name $(<$T>)?);

        impl $(<$T>)? $name $(<$T>)? {
            #[track_caller]
            pub(crate) fn new(value: $value) -> Self {
                Self(::loom::sync::atomic::$name::new(value))
            }
        }

        impl $(<$T>)? Deref for $name $(<$T>)? {
            type Target = ::loom::sync::atomic::$name $(<$T>)?;
            fn deref(&self) -> &Self::Target {
                &self.0
            }
        }

        impl $(<$T>)? DerefMut for $name $(<$T>)? {
            fn deref_mut(&mut self) -> &mut Self::Target {
                &mut self.0
            }
        }

        impl $(<$T>)? Drop for $name $(<$T>)? {
            fn drop(&mut self) {
                if !thread::panicking() {
                    self.0.with_mut(|_| ());
                }
            }
        }
    )*};
}

atomics! {
    AtomicU32(u32);
    AtomicU64(u64);
    AtomicUsize(usize);
    AtomicPtr<T>(*mut T);
}

/// A cell whose every access, and whose end, loom checks.
#[derive(Debug)]
pub(crate) struct UnsafeCell<T>(::loom::cell::UnsafeCell<T>);

impl<T> UnsafeCell<T> {
    #[track_caller]
    pub(crate) fn new(value: T) -> Self {
        UnsafeCell(::loom::cell::UnsafeCell::new(value))
    }
    #[track_caller]
    #[allow(unsafe_code)]
    pub(crate) fn into_inner(self) -> T {
        let this = ManuallyDrop::new(self);
        this.0.with_mut(|_| ());
        // SAFETY: `this` is never dropped, so the cell is read out once.
        unsafe { std::ptr::read(&this.0) }.into_inner()
    }
    #[track_caller]
    pub(crate) fn with<R>(&self, f: impl FnOnce(*const T) -> R) -> R {
        self.0.with(f)
    }
    #[track_caller]
    pub(crate) fn with_mut<R>(&self, f: impl FnOnce(*mut T) -> R) -> R {
        self.0.with_mut(f)
    }
}

impl<T> Drop for UnsafeCell<T> {
    fn drop(&mut self) {
        if !thread::panicking() {
            self.0.with_mut(|_| ());
        }
    }
}

pub(crate) type MutexGuard<'a, T> = ::loom::sync::MutexGuard<'a, T>;

/// loom's mutex with the face of parking_lot's.
#[derive(Debug, Default)]
pub(crate) struct Mutex<T>(::loom::sync::Mutex<T>);

impl<T> Mutex<T> {
    pub(crate) fn new(value: T) -> Self {
        Mutex(::loom::sync::Mutex::new(value))
    }
    pub(crate) fn lock(&self) -> MutexGuard<'_, T> {
        self.0.lock().unwrap()
    }
    pub(crate) fn try_lock(&self) -> Option<MutexGuard<'_, T>> {
        self.0.try_lock().ok()
    }
}

/// loom's condition variable with the face of parking_lot's. It knows no time.
#[derive(Debug, Default)]
pub(crate) struct Condvar(::loom::sync::Condvar);

impl Condvar {
    pub(crate) fn new() -> Self {
        Condvar(::loom::sync::Condvar::new())
    }
    pub(crate) fn wait<T>(&self, guard: &mut MutexGuard<'_, T>) {
        // loom's wait takes the guard by value; hand it over and put the new one in its place.
        replace_with(guard, |g| self.0.wait(g).unwrap());
    }
    pub(crate) fn notify_one(&self) -> bool {
        self.0.notify_one();
        true
    }
    pub(crate) fn notify_all(&self) -> usize {
        self.0.notify_all();
        0
    }
}

/// A constructor. Not constant: loom's atomics enter themselves in the model that runs.
macro_rules! const_fn {
    ($(#[$meta:meta])* $vis:vis fn $($rest:tt)*) => {
        $(#[$meta])* $vis fn $($rest)*
    };
}
pub(crate) use const_fn;

/// Few places, so that a model sees the ring full, wrapped and stolen from.
pub(crate) const RING: usize = 4;

/// The value of a word that only the caller may store now, which loom checks. It is no access of the model's: loom keeps
/// only the last access of each word, so that a storer's own load would hide that somebody else had looked before the
/// store, and the order "look, store" the other way round would never be tried.
#[track_caller]
pub(crate) fn owned(word: &AtomicUsize) -> usize {
    // SAFETY: loom's atomics are cells of its own; it panics should another thread be storing.
    unsafe { word.unsync_load() }
}

/// The same.
#[track_caller]
pub(crate) fn owned_u32(word: &AtomicU32) -> u32 {
    // SAFETY: as above.
    unsafe { word.unsync_load() }
}

/// The two barriers of `os.rs`, as what they stand for.
pub(crate) fn has_heavy_barrier() -> bool {
    true
}
pub(crate) fn try_heavy_barrier() -> bool {
    true
}
pub(crate) fn heavy_barrier() {
    fence(Ordering::SeqCst);
}
pub(crate) fn light_barrier() {
    fence(Ordering::SeqCst);
}

/// A thread, of which a model knows no time.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ThreadId;

impl ThreadId {
    pub(crate) fn current() -> Option<ThreadId> {
        None
    }
    pub(crate) fn cpu_time(self) -> Option<std::time::Duration> {
        None
    }
    pub(crate) fn wants_cpu(self) -> Option<bool> {
        None
    }
}

/// Sets a flag and tells what it was. A flag that is set already is left alone: loom does not know that nothing can come
/// between what a swap reads and what it writes, and might let a later clearing of the flag go before the swap for ever.
pub(crate) fn set(flag: &AtomicBool, order: Ordering) -> bool {
    flag.compare_exchange(false, true, order, Ordering::Relaxed)
        .is_err()
}

/// Parks this thread. A model knows no time: it must not need the timeout.
pub(crate) fn park(_timeout: Option<std::time::Duration>) {
    thread::park();
}

/// A part of something that is freed by hand: the model fails when that never happens.
#[derive(Debug)]
pub(crate) struct Tracked(::loom::alloc::Track<()>);

impl Default for Tracked {
    fn default() -> Tracked {
        Tracked(::loom::alloc::Track::new(()))
    }
}

/// Looks before a thread sleeps: what they see the look before the sleep sees as well.
pub(crate) const SPINS: u32 = 0;
/// Yields before it sleeps.
pub(crate) const YIELDS: u32 = 0;
/// How often it looks before it is queued, after twice the pause each time.
pub(crate) const LOOKS: u32 = 0;

/// How often a task looks whether a lock becomes free before it is queued.
pub(crate) const LOCK_TURNS: u32 = 0;

::std::thread_local! {
    /// Whether all waits of the models on this thread are long ones.
    pub(crate) static LONG: ::std::cell::Cell<bool> = const { ::std::cell::Cell::new(false) };
}

/// Whether a wait is a long one. A model knows no time: it says so beforehand.
pub(crate) fn is_long(_waited_ns: u64, _limit_ns: u64) -> bool {
    LONG.get()
}

/// A seed of random numbers. A model must take the same way each time.
pub(crate) fn entropy() -> u64 {
    0x5EED
}

#[allow(unsafe_code)]
fn replace_with<T>(slot: &mut T, f: impl FnOnce(T) -> T) {
    // SAFETY: the value read out is handed to `f`, whose result is written back before anybody else can look: `slot`
    // is borrowed exclusively, and a panic of `f` ends the whole model run.
    unsafe {
        let old = std::ptr::read(slot);
        std::ptr::write(slot, f(old));
    }
}

/// loom's thread-locals with std's constant form, which loom's own macro does not parse.
macro_rules! constant_thread_local {
    ($(#[$meta:meta])* $vis:vis static $name:ident: $type:ty = const $init:block $(;)?) => {
        ::loom::thread_local! { $(#[$meta])* $vis static $name: $type = $init }
    };
}
pub(crate) use constant_thread_local as thread_local;

/// Runs `body` in every interleaving with up to two preemptions, or as many as LOOM_MAX_PREEMPTIONS says.
#[cfg(test)]
pub(crate) fn model(body: impl Fn() + Send + Sync + 'static) {
    model_with(2, body);
}

/// As `model`, with another number of preemptions; `None` is without limit.
#[cfg(test)]
pub(crate) fn model_with(
    preemptions: impl Into<Option<usize>>,
    body: impl Fn() + Send + Sync + 'static,
) {
    let mut builder = ::loom::model::Builder::new();
    builder.preemption_bound = builder.preemption_bound.or(preemptions.into());
    builder.max_branches = 10_000;
    builder.check(body);
}
