//! Models of the read-write mutex: readers, writers, those who leave while they are served, and the way down.
//!
//! The value is a cell that loom watches: whoever writes beside anybody else, or reads what is not yet written, is caught.

#![allow(unsafe_code)]

use std::pin::pin;
use std::task::Poll;

use ::loom::thread;

use super::{RwMutex, RwMutexWriteGuard};
use crate::shim::{Arc, LONG, UnsafeCell, model};
use crate::wait::loom_models::{Count, block_on, poll};

struct Value(UnsafeCell<u32>);

// SAFETY: the mutex under test keeps writers apart from everybody; loom checks that it does.
unsafe impl Sync for Value {}

impl Value {
    fn get(&self) -> u32 {
        // SAFETY: a read guard is held.
        self.0.with(|value| unsafe { *value })
    }
    fn add(&mut self, n: u32) {
        // SAFETY: a write guard is held.
        self.0.with_mut(|value| unsafe { *value += n })
    }
}

type Toy = Arc<RwMutex<Value>>;

fn toy() -> Toy {
    Arc::new(RwMutex::new(Value(UnsafeCell::new(0))))
}

fn write(toy: &Toy) {
    block_on(toy.write()).add(1);
}

fn read(toy: &Toy) -> u32 {
    block_on(toy.read()).get()
}

fn go(toy: &Toy, f: impl FnOnce(&Toy) + 'static) -> thread::JoinHandle<()> {
    let toy = toy.clone();
    thread::spawn(move || f(&toy))
}

/// Nobody holds it, nobody waits, and no mark is left.
fn assert_free(toy: &Toy, value: u32) {
    assert_eq!(
        toy.try_write().expect("free").0.with(|v| {
            // SAFETY: a write guard is held.
            unsafe { *v }
        }),
        value
    );
    assert!(toy.try_read().is_some());
}

#[test]
fn loom_rwmutex_a_writer_and_readers() {
    model(|| {
        let toy = toy();
        let writer = go(&toy, write);
        let reader = go(&toy, |toy| assert!(read(toy) <= 2));
        let seen = read(&toy);
        assert!(seen <= 1);
        writer.join().unwrap();
        reader.join().unwrap();
        assert_free(&toy, 1);
    });
}

#[test]
fn loom_rwmutex_two_writers_and_a_reader() {
    model(|| {
        let toy = toy();
        let writer = go(&toy, write);
        let reader = go(&toy, |toy| assert!(read(toy) <= 2));
        write(&toy);
        writer.join().unwrap();
        reader.join().unwrap();
        assert_free(&toy, 2);
    });
}

#[test]
fn loom_rwmutex_the_last_reader_leaves_as_the_writer_does() {
    model(|| {
        let toy = toy();
        let first = toy.try_read().unwrap();
        let writer = go(&toy, |toy| {
            let (_, waker) = Count::new();
            let mut wish = pin!(toy.write());
            if let Poll::Ready(mut guard) = poll(wish.as_mut(), &waker) {
                guard.add(1);
            }
        });
        let reader = go(&toy, |toy| assert!(read(toy) <= 2));
        drop(first);
        writer.join().unwrap();
        reader.join().unwrap();
        let value = read(&toy);
        assert_free(&toy, value);
    });
}

#[test]
fn loom_rwmutex_a_write_given_to_one_that_leaves() {
    model(|| {
        let toy = toy();
        let mut held = toy.try_write().unwrap();
        let leaver = go(&toy, |toy| {
            let (_, waker) = Count::new();
            let mut wish = pin!(toy.write());
            if let Poll::Ready(mut guard) = poll(wish.as_mut(), &waker) {
                guard.add(10);
            }
        });
        let writer = go(&toy, write);
        held.add(1);
        drop(held);
        leaver.join().unwrap();
        writer.join().unwrap();
        let value = read(&toy);
        assert!(value == 2 || value == 12, "{value}");
        assert_free(&toy, value);
    });
}

#[test]
fn loom_rwmutex_a_read_given_to_one_that_leaves() {
    model(|| {
        let toy = toy();
        let mut held = toy.try_write().unwrap();
        let leaver = go(&toy, |toy| {
            let (_, waker) = Count::new();
            let mut wish = pin!(toy.read());
            drop(poll(wish.as_mut(), &waker));
        });
        let writer = go(&toy, write);
        held.add(1);
        drop(held);
        leaver.join().unwrap();
        writer.join().unwrap();
        assert_free(&toy, 2);
    });
}

#[test]
fn loom_rwmutex_downgrade_beside_a_reader() {
    model(|| {
        let toy = toy();
        let held = toy.try_write().unwrap();
        let reader = go(&toy, |toy| assert!(read(toy) <= 1));
        drop(held);
        let mut writing = block_on(toy.write());
        writing.add(1);
        let reading = RwMutexWriteGuard::downgrade(writing);
        assert_eq!(reading.get(), 1);
        drop(reading);
        reader.join().unwrap();
        assert_free(&toy, 1);
    });
}

#[test]
fn loom_rwmutex_downgrade_beside_a_writer() {
    model(|| {
        let toy = toy();
        let mut writing = toy.try_write().unwrap();
        let writer = go(&toy, write);
        writing.add(1);
        let reading = RwMutexWriteGuard::downgrade(writing);
        assert_eq!(reading.get(), 1);
        drop(reading);
        writer.join().unwrap();
        assert_free(&toy, 2);
    });
}

/// Whoever unlocks finds that the first writer has waited for too long: it is next.
#[test]
fn loom_rwmutex_long_waits() {
    model(|| {
        LONG.set(true);
        let toy = toy();
        let writer = go(&toy, write);
        let other = go(&toy, write);
        write(&toy);
        writer.join().unwrap();
        other.join().unwrap();
        LONG.set(false);
        assert_free(&toy, 3);
    });
}

/// One that was woken to look for itself goes away instead, and a newcomer is faster than the next.
#[test]
fn loom_rwmutex_a_nudged_writer_leaves() {
    model(|| {
        let toy = toy();
        let mut held = toy.try_write().unwrap();
        let (_, waker) = Count::new();
        let mut wish = Box::pin(toy.write());
        assert!(poll(wish.as_mut(), &waker).is_pending());
        held.add(1);
        let writer = go(&toy, write);
        drop(held);
        let mut value = 2;
        if let Some(mut guard) = toy.try_write() {
            guard.add(1);
            value += 1;
        }
        drop(wish);
        write(&toy);
        writer.join().unwrap();
        assert_free(&toy, value + 1);
    });
}
