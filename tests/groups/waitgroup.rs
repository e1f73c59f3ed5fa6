//! The wait group: dropped, leaked, selected, woken by the hostile.

use crate::common::waker::{Hooked, blocks, counting, hooked, now, poll_once, poll_with};
use crate::common::{Place, Rng, everywhere, watch};
use gochan::select;
use gochan::sync::WaitGroup;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::task::Poll;

#[test]
fn nobody_to_wait_for() {
    let wg = WaitGroup::new();
    now(wg.wait());
    wg.wait_blocking();
    wg.add(0);
    now(wg.wait());
}

#[test]
fn all_who_wait_are_woken_in_order_by_the_last() {
    let wg = WaitGroup::new();
    wg.add(2);
    let order = Arc::new(std::sync::Mutex::new(Vec::new()));
    let mut waits: Vec<_> = (0..4)
        .map(|n| {
            let order = order.clone();
            let waker = hooked(&Arc::new(Hooked {
                on_wake: Some(Box::new(move || order.lock().unwrap().push(n))),
                ..Hooked::default()
            }));
            let mut wait = Box::pin(wg.wait());
            assert!(poll_with(wait.as_mut(), &waker).is_pending());
            wait
        })
        .collect();
    assert_eq!((wg.stats().waiting, wg.stats().waits), (4, 4));
    wg.done();
    assert!(order.lock().unwrap().is_empty(), "one is left");
    wg.done();
    assert_eq!(*order.lock().unwrap(), [0, 1, 2, 3]);
    assert_eq!(wg.stats().waiting, 0);
    assert!(
        waits
            .iter_mut()
            .all(|wait| poll_once(wait.as_mut()).is_ready())
    );
}

#[test]
fn a_clone_and_a_static_are_the_same_group() {
    static WG: WaitGroup = WaitGroup::new();
    let clone = WG.clone();
    let token = clone.token();
    assert_eq!(WG.count(), 1);
    assert_eq!(WG.id(), clone.id());
    std::thread::scope(|scope| {
        scope.spawn(|| WG.wait_blocking());
        drop(token);
    });
}

/// Waits that are dropped before, while and after they are told, in every place of the row.
#[test]
fn dropped_anywhere() {
    for gone in 0..3 {
        for late in [false, true] {
            let wg = WaitGroup::new();
            wg.add(1);
            let mut waits: Vec<_> = (0..3).map(|_| Some(Box::pin(wg.wait()))).collect();
            for wait in waits.iter_mut().flatten() {
                assert!(poll_once(wait.as_mut()).is_pending());
            }
            if !late {
                waits[gone] = None;
                assert_eq!(wg.stats().waiting, 2);
            }
            wg.done();
            waits[gone] = None;
            for wait in waits.iter_mut().flatten() {
                assert!(poll_once(wait.as_mut()).is_ready());
            }
            now(wg.wait());
        }
    }
}

/// Those who waited have left: a next round may begin at once, and none of it is misuse.
#[test]
fn a_round_after_all_have_left() {
    let wg = WaitGroup::new();
    for _ in 0..3 {
        wg.add(1);
        blocks(wg.wait());
        wg.done();
        wg.add(1);
        wg.done();
        now(wg.wait());
    }
}

#[test]
fn a_token_leaves_however_it_goes() {
    let wg = WaitGroup::new();
    let panicked = catch_unwind(AssertUnwindSafe(|| {
        let _token = wg.token();
        panic!("of the member");
    }));
    assert!(panicked.is_err());
    assert_eq!(wg.count(), 0);
    let aborted = wg.go(std::future::pending::<()>());
    aborted.abort();
    wg.wait_blocking();
    assert!(aborted.wait().unwrap_err().is_cancelled());
    std::mem::forget(wg.token());
    assert_eq!(wg.count(), 1);
    blocks(wg.wait());
    wg.done();
    now(wg.wait());
}

/// A token's own leave is one too many: told, but not by a panic in a panic.
#[test]
fn a_token_that_was_counted_already() {
    let wg = WaitGroup::new();
    let token = wg.token();
    wg.done();
    assert!(catch_unwind(AssertUnwindSafe(|| drop(token))).is_err());
    let token = wg.token();
    wg.done();
    let panicked = catch_unwind(AssertUnwindSafe(move || {
        let _token = token;
        panic!("first");
    }));
    assert_eq!(*panicked.unwrap_err().downcast::<&str>().unwrap(), "first");
    assert_eq!(wg.count(), 0);
}

async fn an_arm_of_a_select(place: Place) {
    let wg = WaitGroup::new();
    let token = wg.token();
    let (tx, rx) = gochan::chan(0);
    let (other, ends) = (wg.clone(), place.clone());
    place.go(async move {
        ends.until(|| other.stats().waiting > 0).await;
        tx.send(1).await.unwrap();
        ends.until(|| other.stats().waiting > 0).await;
        drop(token);
    });
    let mut wait = wg.wait();
    let mut seen = 0;
    loop {
        select! {
            _ = &mut wait => break,
            v = rx.recv() => match v { Ok(v) => seen += v, Err(_) => wg.wait().await },
        }
    }
    assert_eq!(seen, 1);
    select! {
        biased;
        _ = wg.wait() => {}
        default => panic!("nobody is left"),
    }
}

mod selected {
    use super::*;
    everywhere!(an_arm_of_a_select);
}

/// A select that looks and does not wait leaves nothing behind that a next round could stumble over.
#[test]
fn a_look_is_no_wait() {
    let wg = WaitGroup::new();
    wg.add(1);
    select_once(&wg, false);
    wg.done();
    wg.add(1);
    select_once(&wg, false);
    wg.done();
    select_once(&wg, true);
}

fn select_once(wg: &WaitGroup, over: bool) {
    let seen = gochan::block_on(async {
        select! { _ = wg.wait() => true, default => false }
    });
    assert_eq!(seen, over);
}

/// Wakers that use the group they are woken by, or panic: nobody is stranded.
#[test]
fn hostile_wakers() {
    watch(|| {
        let wg = WaitGroup::new();
        for panics in [false, true] {
            wg.add(1);
            let inner = wg.clone();
            let hostile = hooked(&Arc::new(Hooked {
                on_wake: Some(Box::new(move || {
                    assert_eq!(inner.count(), 0);
                    let _ = inner.stats();
                    drop(inner.wait());
                    assert!(!panics, "a hostile waker");
                })),
                ..Hooked::default()
            }));
            let (counts, waker) = counting();
            let (mut first, mut second) = (pin!(wg.wait()), pin!(wg.wait()));
            assert!(poll_with(first.as_mut(), &hostile).is_pending());
            assert!(poll_with(second.as_mut(), &waker).is_pending());
            wg.done();
            assert_eq!(counts.wakes(), 1);
            assert_eq!(poll_once(second), Poll::Ready(()));
            assert_eq!(poll_once(first), Poll::Ready(()));
        }
    });
}

/// Waker changes hands between tasks: the last one is woken.
#[test]
fn polled_by_another_task() {
    let wg = WaitGroup::new();
    let token = wg.token();
    let ((old, first), (new, second)) = (counting(), counting());
    let mut wait = pin!(wg.wait());
    assert!(poll_with(wait.as_mut(), &first).is_pending());
    assert!(poll_with(wait.as_mut(), &second).is_pending());
    token.done();
    assert_eq!((old.wakes(), new.wakes()), (0, 1));
    assert!(poll_once(wait).is_ready());
}

/// Rounds of members that come and go, waits that are given up at random, threads and tasks at once.
#[test]
fn hammer() {
    watch(|| {
        let wg = WaitGroup::new();
        let inside = Arc::new(AtomicUsize::new(0));
        let mut rng = Rng::new(7);
        for _ in 0..if cfg!(miri) { 5 } else { 300 } {
            let members = 1 + rng.below(4);
            for n in 0..members {
                let inside = inside.clone();
                inside.fetch_add(1, SeqCst);
                let turns = rng.below(3);
                let work = async move {
                    for _ in 0..turns {
                        gochan::yield_now().await;
                    }
                    inside.fetch_sub(1, SeqCst);
                };
                if n % 2 == 0 {
                    wg.go(work);
                } else {
                    let token = wg.token();
                    std::thread::spawn(move || {
                        gochan::block_on(work);
                        drop(token);
                    });
                }
            }
            for _ in 0..rng.below(3) {
                // Given up, perhaps after it was told.
                let _ = poll_once(pin!(wg.wait())).is_ready();
            }
            wg.wait_blocking();
            assert_eq!(inside.load(SeqCst), 0);
        }
    });
}
