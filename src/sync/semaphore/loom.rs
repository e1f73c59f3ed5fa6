//! Models of the semaphore: those who come and go, one who leaves as it is served, and the close.

use std::pin::pin;

use ::loom::thread;

use super::Semaphore;
use crate::error::AcquireError;
use crate::shim::{Arc, model};
use crate::wait::loom_models::{Count, block_on, poll};

fn go(s: &Arc<Semaphore>, f: impl FnOnce(&Semaphore) + 'static) -> thread::JoinHandle<()> {
    let s = s.clone();
    thread::spawn(move || f(&s))
}

fn assert_whole(s: &Semaphore, size: usize) {
    assert_eq!(s.available(), size);
    assert!(s.try_acquire_many(size).is_ok(), "no mark is left");
}

#[test]
fn loom_semaphore_one_permit_for_three() {
    model(|| {
        let s = Arc::new(Semaphore::new(1));
        let others = [0, 1].map(|_| go(&s, |s| drop(block_on(s.acquire()))));
        drop(block_on(s.acquire()));
        for other in others {
            other.join().unwrap();
        }
        assert_whole(&s, 1);
    });
}

#[test]
fn loom_semaphore_a_grant_to_one_that_leaves() {
    model(|| {
        let s = Arc::new(Semaphore::new(1));
        let held = s.try_acquire().unwrap();
        let leaver = go(&s, |s| {
            let (_, waker) = Count::new();
            let mut wish = pin!(s.acquire());
            drop(poll(wish.as_mut(), &waker));
        });
        let next = go(&s, |s| drop(block_on(s.acquire())));
        drop(held);
        leaver.join().unwrap();
        next.join().unwrap();
        assert_whole(&s, 1);
    });
}

/// A permit is there all the time, but the first in the queue wants two: only when it goes may the next one have it.
#[test]
fn loom_semaphore_many_in_front_of_one_leaves() {
    model(|| {
        let s = Arc::new(Semaphore::new(2));
        let held = s.try_acquire().unwrap();
        let (_, waker) = Count::new();
        let mut wish = Box::pin(s.acquire_many(2));
        assert!(poll(wish.as_mut(), &waker).is_pending());
        let next = go(&s, |s| drop(block_on(s.acquire())));
        drop(wish);
        next.join().unwrap();
        drop(held);
        assert_whole(&s, 2);
    });
}

#[test]
fn loom_semaphore_two_give_back_for_one_that_wants_both() {
    model(|| {
        let s = Arc::new(Semaphore::new(2));
        let held = s.try_acquire().unwrap();
        let other = go(&s, |s| drop(block_on(s.acquire())));
        let both = go(&s, |s| drop(block_on(s.acquire_many(2))));
        drop(held);
        other.join().unwrap();
        both.join().unwrap();
        assert_whole(&s, 2);
    });
}

#[test]
fn loom_semaphore_close_beside_a_wait_and_a_release() {
    model(|| {
        let s = Arc::new(Semaphore::new(1));
        let held = s.try_acquire().unwrap();
        let waiter = go(&s, |s| match block_on(s.acquire()) {
            Ok(permit) => drop(permit),
            Err(why) => assert_eq!(why, AcquireError::Closed),
        });
        let closer = go(&s, |s| assert!(s.close()));
        drop(held);
        waiter.join().unwrap();
        closer.join().unwrap();
        assert_eq!(s.available(), 1);
        assert!(s.try_acquire().is_err());
    });
}
