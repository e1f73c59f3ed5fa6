//! Models of the seat: who has the item is alone with it, whoever takes it and whenever.

use super::*;
use crate::shim::{UnsafeCell, model, thread};

/// Every access is checked by loom: two at the same time, or one that does not see the other, end the model.
struct Counter(UnsafeCell<u32>);

impl Counter {
    fn add(&self) -> u32 {
        // SAFETY: the model fails if anybody else is here.
        self.0.with_mut(|n| unsafe {
            *n += 1;
            *n
        })
    }
}

fn item() -> Box<Counter> {
    Box::new(Counter(UnsafeCell::new(0)))
}

// SAFETY: the counter is a number; who may reach it is what the models ask.
unsafe impl Sync for Counter {}

#[test]
fn an_empty_seat_has_nothing() {
    let seat = Seat::new();
    assert!(seat.borrow().is_none());
    assert!(seat.take().is_none());
    assert!(seat.taker().take().is_none());
    seat.put(item(), 7);
    assert!(seat.taker().holds(7) && !seat.taker().holds(8));
    assert_eq!(seat.borrow().unwrap().add(), 1);
    assert_eq!(seat.take().unwrap().add(), 2);
    assert!(!seat.is_filled());
}

#[test]
fn calls_are_told_apart() {
    let seat: Seat<Counter> = Seat::new();
    let taker = seat.taker();
    assert_eq!(taker.call(), None);
    assert!(seat.enter_call());
    let first = taker.call().unwrap();
    assert!(!seat.enter_call());
    assert_eq!(taker.call(), Some(first), "a call inside a call is one");
    seat.leave_call();
    assert_eq!(taker.call(), None);
    assert!(seat.enter_call());
    assert_ne!(taker.call(), Some(first));
}

/// A task's poll uses the core while somebody takes it over; what was done in each borrow is seen by the next owner.
#[test]
fn loom_take_over_v_poll() {
    model(|| {
        let seat = Seat::new();
        seat.put(item(), 0);
        let taker = seat.taker();
        let taking = thread::spawn(move || taker.take().map(|item| item.add()));
        let mut used = 0;
        for _ in 0..2 {
            if let Some(core) = seat.borrow() {
                used = core.add();
            }
        }
        match taking.join().unwrap() {
            Some(taken) => {
                assert_eq!(taken, used + 1);
                assert!(!seat.is_filled());
            }
            None => unreachable!("it was there, and nobody else took it"),
        }
    });
}

/// The poll ends and its thread gives the core away itself, or goes to sleep with it: one of the two has it.
#[test]
fn loom_take_over_v_poll_end() {
    model(|| {
        let seat = Seat::new();
        seat.put(item(), 0);
        let taker = seat.taker();
        let taking = thread::spawn(move || taker.take().map(|item| item.add()).is_some());
        if let Some(core) = seat.borrow() {
            core.add();
        }
        let own = seat.take().map(|item| item.add()).is_some();
        assert!(own != taking.join().unwrap());
    });
}

/// A thread that lost its core gets another one while the taker is still at it.
#[test]
fn loom_take_over_v_next_core() {
    model(|| {
        let seat = Seat::new();
        seat.put(item(), 0);
        let taker = seat.taker();
        let taking = thread::spawn(move || taker.take().map(|item| item.add()));
        if seat.borrow().is_none() {
            seat.put(item(), 1);
            assert_eq!(seat.borrow().map(|core| core.add()), Some(1));
        }
        let used = taking.join().unwrap().expect("the first core was there");
        assert_eq!(used, 1);
    });
}

#[test]
fn loom_two_takers() {
    model(|| {
        let seat = Seat::new();
        seat.put(item(), 0);
        let (one, other) = (seat.taker(), seat.taker());
        let taking = thread::spawn(move || one.take().map(|item| item.add()).is_some());
        let taken = other.take().map(|item| item.add()).is_some();
        assert!(seat.borrow().is_none() || !taken);
        assert!(taken != taking.join().unwrap());
    });
}
