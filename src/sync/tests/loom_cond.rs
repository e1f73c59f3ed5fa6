//! Models of the condition variable: signal v drop, signal v wait, broadcast v wait.

use ::loom::thread;

use super::{Cond, CondFuture, Mutex};
use crate::shim::{Arc, model_with};
use crate::wait::loom_models::{Count, block_on, poll};

type Shared = Arc<(Mutex<u32>, Cond)>;

fn shared() -> Shared {
    Arc::new((Mutex::new(0), Cond::new()))
}

type Wait<'a> = std::pin::Pin<Box<CondFuture<'a, u32>>>;

/// A wait that is in the queue.
fn waiting(shared: &Shared) -> (Wait<'_>, std::sync::Arc<Count>, std::task::Waker) {
    let (count, waker) = Count::new();
    let guard = shared.0.try_lock().expect("free");
    let mut wait = Box::pin(shared.1.wait(guard));
    assert!(poll(wait.as_mut(), &waker).is_pending());
    (wait, count, waker)
}

/// Whoever waits while the flag is down does not miss the signal that it is up.
#[test]
fn loom_cond_signal_v_wait() {
    model_with(2, || {
        let shared = shared();
        let other = shared.clone();
        let setter = thread::spawn(move || {
            *block_on(other.0.lock()) = 1;
            other.1.notify_one();
        });
        let mut guard = block_on(shared.0.lock());
        while *guard == 0 {
            guard = block_on(shared.1.wait(guard));
        }
        drop(guard);
        setter.join().unwrap();
    });
}

/// The first of two waiters goes away while one signal comes: the second has it.
#[test]
fn loom_cond_signal_v_drop() {
    model_with(3, || {
        let shared = shared();
        let (first, ..) = waiting(&shared);
        let (mut second, count, waker) = waiting(&shared);
        let other = shared.clone();
        let peer = thread::spawn(move || other.1.notify_one());
        drop(first);
        peer.join().unwrap();
        assert_eq!(count.get(), 1, "the signal is lost");
        assert!(poll(second.as_mut(), &waker).is_ready());
    });
}

/// The same, of one that has looked and cannot have its mutex again yet.
#[test]
fn loom_cond_relock_v_drop() {
    model_with(2, || {
        let shared = shared();
        let (mut first, _, waker) = waiting(&shared);
        let (mut second, count, its) = waiting(&shared);
        shared.1.notify_one();
        let held = shared.0.try_lock().expect("free");
        assert!(poll(first.as_mut(), &waker).is_pending());
        let other = shared.clone();
        let peer = thread::spawn(move || {
            let _ = other.0.try_lock();
            other.1.notify_one();
        });
        drop(held);
        drop(first);
        peer.join().unwrap();
        assert_eq!(count.get(), 1);
        assert!(poll(second.as_mut(), &its).is_ready());
    });
}

#[test]
fn loom_cond_broadcast_v_drop() {
    model_with(3, || {
        let shared = shared();
        let (first, ..) = waiting(&shared);
        let (mut second, count, waker) = waiting(&shared);
        let other = shared.clone();
        let peer = thread::spawn(move || other.1.notify_all());
        drop(first);
        peer.join().unwrap();
        assert_eq!(count.get(), 1);
        assert!(poll(second.as_mut(), &waker).is_ready());
        assert_eq!(shared.1.waiters(), 0);
    });
}
