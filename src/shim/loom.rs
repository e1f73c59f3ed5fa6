//! loom's machine: every access of an atomic or a cell is a point where the model may switch threads.

#![allow(unused_imports)]

pub(crate) use ::loom::cell::UnsafeCell;
pub(crate) use ::loom::hint::spin_loop;
pub(crate) use ::loom::sync::Arc;
pub(crate) use ::loom::sync::atomic::{
    AtomicBool, AtomicPtr, AtomicU8, AtomicU32, AtomicU64, AtomicUsize, Ordering, fence,
};
pub(crate) use ::loom::thread;
pub(crate) use ::loom::thread::yield_now;

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

/// Few places, so that a model sees the ring full, wrapped and stolen from.
pub(crate) const RING: usize = 4;

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
    let mut builder = ::loom::model::Builder::new();
    builder.preemption_bound = builder.preemption_bound.or(Some(2));
    builder.check(body);
}
