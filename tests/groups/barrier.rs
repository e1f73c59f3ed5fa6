//! Barriers: generations, leaders, and those who leave before all have come.

use crate::common::waker::{counting, now, poll_once, poll_with};
use crate::common::{Place, Tally, everywhere, watch};
use gochan::select;
use gochan::sync::Barrier;
use std::sync::Arc;

#[test]
fn alone() {
    for n in [0, 1] {
        let barrier = Barrier::new(n);
        assert!(now(barrier.wait()).is_leader());
        assert!(barrier.wait_blocking().is_leader());
        assert_eq!(barrier.stats().generation, 2);
    }
}

#[test]
fn the_last_one_leads() {
    let barrier = Barrier::new(3);
    for generation in 0..3 {
        let ((one, first), (two, second)) = (counting(), counting());
        let (mut a, mut b) = (Box::pin(barrier.wait()), Box::pin(barrier.wait()));
        assert!(poll_with(a.as_mut(), &first).is_pending());
        assert!(poll_with(b.as_mut(), &second).is_pending());
        assert_eq!(barrier.stats().waiting, 2);
        assert_eq!(barrier.stats().generation, generation);
        assert!(now(barrier.wait()).is_leader());
        assert_eq!((one.wakes(), two.wakes()), (1, 1));
        for wait in [a, b] {
            assert!(!now(wait).is_leader());
        }
    }
}

/// Nobody of the next generation is taken for one of this: they come while those of this are not polled yet.
#[test]
fn generations_do_not_mix() {
    let barrier = Barrier::new(2);
    let mut first = Box::pin(barrier.wait());
    assert!(poll_once(first.as_mut()).is_pending());
    assert!(now(barrier.wait()).is_leader());
    let mut next = Box::pin(barrier.wait());
    assert!(poll_once(next.as_mut()).is_pending());
    assert!(!now(first).is_leader());
    assert!(poll_once(next.as_mut()).is_pending());
    assert!(now(barrier.wait()).is_leader());
    assert!(!now(next).is_leader());
}

#[test]
fn one_who_leaves_was_not_there() {
    let barrier = Barrier::new(2);
    for _ in 0..3 {
        let mut gone = Box::pin(barrier.wait());
        assert!(poll_once(gone.as_mut()).is_pending());
        drop(gone);
        assert_eq!(barrier.stats().waiting, 0);
    }
    let mut stays = Box::pin(barrier.wait());
    assert!(poll_once(stays.as_mut()).is_pending());
    assert!(now(barrier.wait()).is_leader());
    // Let go, and dropped without having looked: the others have gone on.
    drop(stays);
    let mut next = Box::pin(barrier.wait());
    assert!(poll_once(next.as_mut()).is_pending());
}

async fn phases(place: Place) {
    let (n, rounds) = (place.scale(8, 4), place.scale(50, 20));
    let (barrier, leaders, at) = (
        Arc::new(Barrier::new(n)),
        Tally::default(),
        Tally::default(),
    );
    let mut parts = Vec::new();
    for _ in 0..n {
        let (barrier, leaders, at) = (barrier.clone(), leaders.clone(), at.clone());
        parts.push(place.go(async move {
            for round in 1..=rounds {
                at.add(1);
                if barrier.wait().await.is_leader() {
                    leaders.add(1);
                }
                assert!(
                    at.get() >= round * n,
                    "somebody went on before all had come"
                );
                barrier.wait().await;
            }
        }));
    }
    for part in parts {
        part.join().await;
    }
    assert_eq!(leaders.get(), rounds);
    assert_eq!(barrier.stats().generation, 2 * rounds as u64);
}

mod everywhere_phases {
    use super::*;
    everywhere!(phases);
}

/// A select that was won elsewhere is not counted; one that waits is.
#[test]
fn arms() {
    watch(|| {
        let barrier = Barrier::new(2);
        let (tx, rx) = gochan::chan::<u8>(1);
        {
            let mut select = Box::pin(async {
                select! { _ = barrier.wait() => 0, v = rx.recv() => v.unwrap() }
            });
            assert!(poll_once(select.as_mut()).is_pending());
            tx.try_send(7).unwrap();
            // Won by the receive, and still queued: it has not come.
            let mut alone = Box::pin(barrier.wait());
            assert!(poll_once(alone.as_mut()).is_pending());
            assert_eq!(gochan::block_on(select), 7);
        }
        let mut select = Box::pin(async {
            select! { r = barrier.wait() => r.is_leader(), _ = rx.recv() => panic!("empty") }
        });
        assert!(poll_once(select.as_mut()).is_pending());
        assert!(now(barrier.wait()).is_leader());
        assert!(!gochan::block_on(select));
    });
}

/// A select that stands at the barrier twice is one.
#[test]
fn twice_is_once() {
    watch(|| {
        let barrier = Barrier::new(3);
        let mut select = Box::pin(async {
            select! { r = barrier.wait() => r, r = barrier.wait() => r }
        });
        assert!(poll_once(select.as_mut()).is_pending());
        assert_eq!(barrier.stats().waiting, 1);
        let mut second = Box::pin(barrier.wait());
        assert!(poll_once(second.as_mut()).is_pending());
        assert!(now(barrier.wait()).is_leader());
        assert!(!now(second).is_leader());
        assert!(!now(select).is_leader());
        assert_eq!(barrier.stats().waiting, 0);
    });
}
