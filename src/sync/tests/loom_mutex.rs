//! Models of the mutex: lock v unlock v park, nudge v cancel, hand-over v cancel, the ways into starvation mode and back.
//!
//! The value is loom's cell, so that two holders at once are caught as a race on it. Whether a wait is long is no matter
//! of time here: each model says it.

use std::pin::Pin;
use std::task::Poll;

use ::loom::cell::UnsafeCell;
use ::loom::thread;

use super::{LockFuture, Mutex, MutexGuard};
use crate::shim::{Arc, LONG, model_with};
use crate::wait::loom_models::{Count, block_on, poll};
use crate::wait::parker;

type Shared = Arc<Mutex<UnsafeCell<u32>>>;

fn shared() -> Shared {
    Arc::new(Mutex::new(UnsafeCell::new(0)))
}

fn add(guard: MutexGuard<'_, UnsafeCell<u32>>) {
    // SAFETY: the guard is the only way to the cell; loom checks just that.
    guard.with_mut(|n| unsafe { *n += 1 });
}

/// Nobody has it, nobody waits for it, and `n` have had it.
#[track_caller]
fn rests(mutex: &Shared, n: u32) {
    assert_eq!(mutex.raw.state().bits(), 0, "left behind");
    let guard = mutex.try_lock().expect("free");
    // SAFETY: as above.
    assert_eq!(guard.with(|n| unsafe { *n }), n);
}

/// Runs the model twice: with waits that are all short, and with waits that are all long.
fn both(preemptions: usize, body: fn()) {
    for long in [false, true] {
        LONG.set(long);
        model_with(preemptions, body);
    }
    LONG.set(false);
}

type Lock<'a> = Pin<Box<LockFuture<'a, UnsafeCell<u32>>>>;

fn start(mutex: &Shared) -> (Lock<'_>, Poll<MutexGuard<'_, UnsafeCell<u32>>>) {
    let (_, waker) = Count::new();
    let mut lock = Box::pin(mutex.lock());
    let polled = poll(lock.as_mut(), &waker);
    (lock, polled)
}

#[test]
fn loom_mutex_lock_v_unlock_v_park() {
    both(2, || {
        let mutex = shared();
        let others: Vec<_> = (0..2)
            .map(|_| {
                let mutex = mutex.clone();
                thread::spawn(move || add(block_on(mutex.lock())))
            })
            .collect();
        add(block_on(mutex.lock()));
        others.into_iter().for_each(|other| other.join().unwrap());
        rests(&mutex, 3);
    });
}

#[test]
fn loom_mutex_again_and_again() {
    both(2, || {
        let mutex = shared();
        let other = mutex.clone();
        let other = thread::spawn(move || {
            add(block_on(other.lock()));
            add(block_on(other.lock()));
        });
        add(block_on(mutex.lock()));
        add(block_on(mutex.lock()));
        other.join().unwrap();
        rests(&mutex, 4);
    });
}

#[test]
fn loom_mutex_threads() {
    both(2, || {
        let mutex = shared();
        let other = mutex.clone();
        let other = thread::spawn(move || add(parker::block_on(other.lock())));
        add(parker::block_on(mutex.lock()));
        other.join().unwrap();
        rests(&mutex, 2);
    });
}

#[test]
fn loom_mutex_try_lock_v_waiter() {
    both(2, || {
        let mutex = shared();
        let held = mutex.try_lock().unwrap();
        let other = mutex.clone();
        let waiter = thread::spawn(move || add(block_on(other.lock())));
        let other = mutex.clone();
        let barger = thread::spawn(move || other.try_lock().map(add).is_some());
        add(held);
        let barged = barger.join().unwrap();
        waiter.join().unwrap();
        rests(&mutex, 2 + u32::from(barged));
    });
}

/// The first of two waiters goes away while the mutex is given back: the second must get it.
#[test]
fn loom_mutex_cancel_v_unlock() {
    both(3, || {
        let mutex = shared();
        let held = mutex.try_lock().unwrap();
        let (first, polled) = start(&mutex);
        assert!(polled.is_pending());
        let (count, waker) = Count::new();
        let mut second = Box::pin(mutex.lock());
        assert!(poll(second.as_mut(), &waker).is_pending());
        let held = {
            // SAFETY: joined below, while the mutex is borrowed; only loom's `spawn` wants a longer life.
            unsafe {
                std::mem::transmute::<
                    MutexGuard<'_, UnsafeCell<u32>>,
                    MutexGuard<'static, UnsafeCell<u32>>,
                >(held)
            }
        };
        let peer = thread::spawn(move || add(held));
        drop(first);
        peer.join().unwrap();
        assert_eq!(count.get(), 1, "nobody was told");
        match poll(second.as_mut(), &waker) {
            Poll::Ready(guard) => add(guard),
            Poll::Pending => panic!("the mutex is free"),
        }
        drop(second);
        rests(&mutex, 2);
    });
}

/// The first waiter is nudged or has the mutex, and goes away with two others about.
#[test]
fn loom_mutex_cancel_after_unlock() {
    both(2, || {
        let mutex = shared();
        let held = mutex.try_lock().unwrap();
        let (first, polled) = start(&mutex);
        assert!(polled.is_pending());
        let other = mutex.clone();
        let second = thread::spawn(move || add(block_on(other.lock())));
        add(held);
        drop(first);
        second.join().unwrap();
        rests(&mutex, 2);
    });
}

/// A waiter that is polled with another waker while the mutex is given back: the last waker given is the one to wake, or
/// the poll has it.
#[test]
fn loom_mutex_repoll_v_unlock() {
    both(3, || {
        let mutex = shared();
        let held = mutex.try_lock().unwrap();
        let (mut first, polled) = start(&mutex);
        assert!(polled.is_pending());
        let (count, waker) = Count::new();
        let held = {
            // SAFETY: joined below, while the mutex is borrowed; only loom's `spawn` wants a longer life.
            unsafe {
                std::mem::transmute::<
                    MutexGuard<'_, UnsafeCell<u32>>,
                    MutexGuard<'static, UnsafeCell<u32>>,
                >(held)
            }
        };
        let peer = thread::spawn(move || add(held));
        let mut polled = poll(first.as_mut(), &waker);
        peer.join().unwrap();
        if polled.is_pending() {
            assert_eq!(count.get(), 1, "nobody was told");
            polled = poll(first.as_mut(), &waker);
        }
        match polled {
            Poll::Ready(guard) => add(guard),
            Poll::Pending => panic!("the mutex is free"),
        }
        drop(first);
        rests(&mutex, 2);
    });
}

/// One wait is long, the others are short: into starvation mode and back, with a newcomer.
#[test]
fn loom_mutex_mode_switch_v_newcomer() {
    model_with(2, || {
        LONG.set(true);
        let mutex = shared();
        let held = mutex.try_lock().unwrap();
        let other = mutex.clone();
        let waiter = thread::spawn(move || {
            add(block_on(other.lock()));
            LONG.set(false);
            add(block_on(other.lock()));
        });
        let other = mutex.clone();
        let newcomer = thread::spawn(move || add(block_on(other.lock())));
        add(held);
        waiter.join().unwrap();
        newcomer.join().unwrap();
        rests(&mutex, 4);
    });
    LONG.set(false);
}
