//! Models of the barrier: the last to come, those who leave, and the next generation.

use std::pin::pin;

use ::loom::thread;

use super::*;
use crate::shim::{Arc, model_with};
use crate::wait::loom_models::{Count, block_on, poll};

/// Two come twice; each time one is the leader.
#[test]
fn loom_barrier_two_generations() {
    model_with(3, || {
        let barrier = Arc::new(Barrier::new(2));
        let rounds = |barrier: &Barrier| [0; 2].map(|_| block_on(barrier.wait()).is_leader());
        let other = {
            let barrier = barrier.clone();
            thread::spawn(move || rounds(&barrier))
        };
        let mine = rounds(&barrier);
        let other = other.join().unwrap();
        assert!(mine.iter().zip(other).all(|(mine, other)| *mine != other));
        assert_eq!(barrier.object.lock().generation, 2);
    });
}

/// One comes and leaves while the second comes: either both took part, or neither did and the second waits.
#[test]
fn loom_barrier_v_cancel() {
    model_with(3, || {
        let barrier = Arc::new(Barrier::new(2));
        let other = {
            let barrier = barrier.clone();
            thread::spawn(move || {
                let (count, waker) = Count::new();
                let mut waiting = Box::pin(barrier.wait());
                let polled = poll(waiting.as_mut(), &waker);
                drop(waiting);
                (polled.is_ready(), count.get())
            })
        };
        let (_, waker) = Count::new();
        let mut waiting = pin!(barrier.wait());
        let first = poll(waiting.as_mut(), &waker);
        let (led, woken) = other.join().unwrap();
        let generation = barrier.object.lock().generation;
        if first.is_ready() {
            assert!(woken == 1 && !led && generation == 1);
        } else {
            assert_eq!(poll(waiting.as_mut(), &waker).is_ready(), led);
            assert_eq!(generation, u64::from(led));
        }
    });
}
