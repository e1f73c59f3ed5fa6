//! Models of the cell: who has the turn, who gives it up, and who hears of it.

use std::future::{pending, ready};
use std::pin::pin;

use ::loom::thread;

use super::*;
use crate::shim::{Arc, model_with};
use crate::wait::loom_models::{Count, block_on, poll};

fn cell() -> Arc<OnceCell<u32>> {
    Arc::new(OnceCell::new())
}

/// Two initialise: one does, both have its value.
#[test]
fn loom_once_two_initialise() {
    model_with(3, || {
        let cell = cell();
        let other = {
            let cell = cell.clone();
            thread::spawn(move || *block_on(cell.get_or_init(|| ready(1))))
        };
        let mine = *block_on(cell.get_or_init(|| ready(2)));
        assert_eq!(other.join().unwrap(), mine);
        assert_eq!(cell.get(), Some(&mine));
    });
}

/// One gives up on its way while another waits for it: the other makes the value.
#[test]
fn loom_once_v_cancel() {
    model_with(3, || {
        let cell = cell();
        let other = {
            let cell = cell.clone();
            thread::spawn(move || {
                let (_, waker) = Count::new();
                let _ = poll(pin!(cell.get_or_init(pending)), &waker);
            })
        };
        assert_eq!(*block_on(cell.get_or_init(|| ready(2))), 2);
        other.join().unwrap();
        let inner = cell.object.lock();
        assert!(!inner.running && inner.turnq.is_empty());
    });
}

/// Whoever is given the turn and is dropped without having looked passes it on.
#[test]
fn loom_once_a_turn_that_is_not_wanted() {
    model_with(3, || {
        let cell = cell();
        let (_, first) = Count::new();
        let mut initialises = Box::pin(cell.get_or_init(pending));
        assert!(poll(initialises.as_mut(), &first).is_pending());
        let other = {
            let cell = cell.clone();
            thread::spawn(move || {
                let (count, waker) = Count::new();
                let mut waits = Box::pin(cell.get_or_init(|| ready(1)));
                if poll(waits.as_mut(), &waker).is_ready() {
                    return;
                }
                drop(waits);
                assert!(count.get() <= 1);
            })
        };
        drop(initialises);
        other.join().unwrap();
        let last = poll(pin!(cell.get_or_init(|| ready(2))), &first);
        assert!(last.is_ready(), "nobody has the turn");
    });
}

/// Who waits for the value hears of it, whoever sets it.
#[test]
fn loom_once_set_v_wait() {
    model_with(3, || {
        let cell = cell();
        let other = {
            let cell = cell.clone();
            thread::spawn(move || cell.set(5).is_ok())
        };
        assert_eq!(*block_on(cell.wait()), 5);
        assert!(other.join().unwrap());
    });
}

#[test]
fn loom_once_set_v_initialise() {
    model_with(3, || {
        let cell = cell();
        let other = {
            let cell = cell.clone();
            thread::spawn(move || cell.set(5).is_ok())
        };
        let value = *block_on(cell.get_or_init(|| ready(6)));
        let set = other.join().unwrap();
        assert_eq!(value, if set { 5 } else { 6 });
    });
}
