//! Models of a shared call: those who come together, one who comes as the work is done, and one who gives up.

use std::future::{pending, ready};
use std::pin::pin;
use std::sync::atomic::AtomicUsize as StdAtomicUsize;

use ::loom::thread;

use super::*;
use crate::shim::model_with;
use crate::wait::loom_models::{Count, block_on, poll};

type Flights = Arc<SingleFlight<u8, u32>>;

fn flights() -> Flights {
    Arc::new(SingleFlight::new())
}

/// Two come: they share one piece of work and both say so, or each does its own.
#[test]
fn loom_singleflight_leader_done_v_follower() {
    model_with(3, || {
        let (flights, works) = (flights(), Arc::new(StdAtomicUsize::new(0)));
        let call = |flights: Flights, works: Arc<StdAtomicUsize>| {
            let work = async move { works.fetch_add(1, Relaxed) as u32 };
            block_on(flights.run(1, work).with_shared())
        };
        let other = {
            let (flights, works) = (flights.clone(), works.clone());
            thread::spawn(move || call(flights, works))
        };
        let mine = call(flights.clone(), works.clone());
        let other = other.join().unwrap();
        match works.load(Relaxed) {
            1 => assert_eq!((mine, other), ((0, true), (0, true))),
            2 => assert!(mine.0 != other.0 && !mine.1 && !other.1),
            _ => unreachable!("two calls"),
        }
        assert!(flights.is_empty());
    });
}

/// One gives up its work, or its wait, while another one joins: that one has its value, and nothing stays behind.
#[test]
fn loom_singleflight_leader_dropped_v_follower() {
    model_with(3, || {
        let flights = flights();
        let other = {
            let flights = flights.clone();
            thread::spawn(move || {
                let (_, waker) = Count::new();
                let _ = poll(pin!(flights.run(1, pending())), &waker);
            })
        };
        assert_eq!(block_on(flights.run(1, ready(2))), 2);
        other.join().unwrap();
        assert!(flights.is_empty());
    });
}

/// The key is forgotten while one works and another one comes.
#[test]
fn loom_singleflight_forget_v_follower() {
    model_with(3, || {
        let flights = flights();
        let other = {
            let flights = flights.clone();
            thread::spawn(move || block_on(flights.run(1, ready(1))))
        };
        flights.forget(&1);
        let mine = block_on(flights.run(1, ready(2)));
        let other = other.join().unwrap();
        assert!(
            (mine, other) == (2, 1) || mine == other,
            "shared, or each its own"
        );
        assert!(flights.is_empty());
    });
}
