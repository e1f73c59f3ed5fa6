//! Cells: who initialises, what happens when it does not get to the end, and who hears of it.

use crate::common::value::{Coin, Mint};
use crate::common::waker::{Hooked, counting, hooked, now, poll_once, poll_with};
use crate::common::{Place, everywhere, watch};
use gochan::sync::{Once, OnceCell};
use gochan::{SetError, select};
use std::cell::Cell;
use std::future::{pending, ready};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;

#[test]
fn set_and_get() {
    let mut cell = OnceCell::new();
    assert!(cell.get().is_none() && cell.get_mut().is_none());
    cell.set(1).unwrap();
    assert_eq!(cell.set(2), Err(SetError::Set(2)));
    assert_eq!((cell.get(), now(cell.wait())), (Some(&1), &1));
    *cell.get_mut().unwrap() += 1;
    assert_eq!(cell.take(), Some(2));
    assert!(!cell.is_initialized());
    assert_eq!(now(cell.get_or_init(|| ready(3))), &3);
    assert_eq!(cell.into_inner(), Some(3));
    assert_eq!(OnceCell::from(4).get(), Some(&4));
}

#[test]
fn nothing_happens_before_the_first_poll() {
    let cell = OnceCell::new();
    let called = Cell::new(false);
    let unpolled = cell.get_or_init(|| {
        called.set(true);
        ready(1)
    });
    assert!(cell.set(2).is_ok());
    assert_eq!(now(unpolled), &2);
    assert!(!called.get());
}

#[test]
fn set_while_somebody_initialises() {
    let cell = OnceCell::new();
    let mut first = Box::pin(cell.get_or_init(pending));
    assert!(poll_once(first.as_mut()).is_pending());
    let refused = cell.set(1).unwrap_err();
    assert!(refused.is_initializing());
    drop(first);
    cell.set(refused.into_inner()).unwrap();
}

/// The initialiser is dropped, fails or panics: the first in the row has the turn, and only it is woken.
#[test]
fn the_turn_goes_along_the_row() {
    let cell = OnceCell::new();
    let mut first = Box::pin(cell.get_or_init(pending));
    assert!(poll_once(first.as_mut()).is_pending());
    let mut second = Box::pin(cell.get_or_try_init(|| ready(Err("second"))));
    let mut third = Box::pin(cell.get_or_init(|| async { panic!("third") }));
    let mut fourth = Box::pin(cell.get_or_init(|| ready(4)));
    let mut fifth = Box::pin(cell.get_or_init(|| ready(5)));
    let wakers: Vec<_> = (0..4).map(|_| counting()).collect();
    assert!(poll_with(second.as_mut(), &wakers[0].1).is_pending());
    assert!(poll_with(third.as_mut(), &wakers[1].1).is_pending());
    assert!(poll_with(fourth.as_mut(), &wakers[2].1).is_pending());
    assert!(poll_with(fifth.as_mut(), &wakers[3].1).is_pending());
    let woken = || {
        wakers
            .iter()
            .map(|(count, _)| count.wakes())
            .collect::<Vec<_>>()
    };
    drop(first);
    assert_eq!(woken(), [1, 0, 0, 0]);
    assert_eq!(poll_once(second.as_mut()), Poll::Ready(Err("second")));
    assert_eq!(woken(), [1, 1, 0, 0]);
    let panicked = catch_unwind(AssertUnwindSafe(|| poll_once(third.as_mut()).is_ready()));
    assert!(panicked.is_err());
    assert_eq!(woken(), [1, 1, 1, 0], "before the future is dropped");
    drop(third);
    assert_eq!(poll_once(fourth.as_mut()), Poll::Ready(&4));
    assert_eq!(woken(), [1, 1, 1, 1]);
    assert_eq!(poll_once(fifth.as_mut()), Poll::Ready(&4));
}

/// Given the turn and dropped without having looked.
#[test]
fn a_turn_that_is_not_wanted() {
    let cell = OnceCell::new();
    for others in 0..3 {
        let mut first = Box::pin(cell.get_or_init(pending::<u8>));
        assert!(poll_once(first.as_mut()).is_pending());
        let mut row: Vec<_> = (0..=others)
            .map(|_| Box::pin(cell.get_or_init(pending)))
            .collect();
        for one in &mut row {
            assert!(poll_once(one.as_mut()).is_pending());
        }
        drop(first);
        drop(row);
    }
    assert_eq!(now(cell.get_or_init(|| ready(7))), &7);
}

/// The closure panics before there is a future.
#[test]
fn a_closure_that_panics() {
    let cell = OnceCell::<u8>::new();
    let mut failed = Box::pin(cell.get_or_init(|| -> std::future::Ready<u8> { panic!("no") }));
    assert!(catch_unwind(AssertUnwindSafe(|| poll_once(failed.as_mut()).is_ready())).is_err());
    assert_eq!(now(cell.get_or_init(|| ready(1))), &1);
    let threads = OnceCell::<u8>::new();
    let failed = || threads.get_or_init_blocking(|| panic!("no"));
    assert!(catch_unwind(AssertUnwindSafe(failed)).is_err());
    assert_eq!(threads.get_or_try_init_blocking(|| Err("no")), Err("no"));
    assert_eq!(threads.get_or_init_blocking(|| 2), &2);
}

/// The future of the one who gave up is gone before the next one's begins.
#[test]
fn never_two_at_a_time() {
    let (cell, mint) = (OnceCell::<usize>::new(), Mint::new());
    let work = || {
        let coin: Coin = mint.make();
        assert_eq!(mint.live(), 1, "two initialisers at once");
        async move {
            let _coin = coin;
            pending().await
        }
    };
    let mut first = Box::pin(cell.get_or_init(work));
    let mut second = Box::pin(cell.get_or_init(work));
    assert!(poll_once(first.as_mut()).is_pending());
    assert!(poll_once(second.as_mut()).is_pending());
    drop(first);
    assert!(poll_once(second.as_mut()).is_pending());
    drop(second);
    mint.assert_all_dropped_once();
}

/// The value is dropped once, with its cell; one that was refused comes back.
#[test]
fn values_are_dropped_once() {
    let mint = Mint::new();
    let cell = OnceCell::new();
    now(cell.get_or_init(|| ready(mint.make())));
    drop(cell.set(mint.make()).unwrap_err().into_inner());
    assert_eq!(mint.live(), 1);
    drop(cell);
    mint.assert_all_dropped_once();
}

/// Takes its time.
async fn work(place: Place, value: usize) -> usize {
    for _ in 0..3 {
        place.pause().await;
    }
    value
}

async fn many_at_once(place: Place) {
    let cell = Arc::new(OnceCell::<usize>::new());
    let (done, all) = gochan::chan(0);
    let n = place.scale(100, 10);
    for i in 0..n {
        let (cell, done, inside) = (cell.clone(), done.clone(), place.clone());
        place.go(async move {
            if i % 3 == 0 {
                // Gives up after a poll.
                select! { biased; _ = gochan::fut(cell.get_or_init(|| work(inside.clone(), i))) => {}, default => {} }
            }
            let value = *cell.get_or_init(|| work(inside.clone(), i)).await;
            done.send(value).await.unwrap();
        });
    }
    let first = all.recv().await.unwrap();
    for _ in 1..n {
        assert_eq!(all.recv().await, Ok(first));
    }
}

mod hammered {
    use super::*;
    everywhere!(many_at_once);
}

#[test]
fn wait_is_an_arm() {
    let cell = OnceCell::new();
    gochan::block_on(async {
        let mut wait = cell.wait();
        select! { _ = &mut wait => panic!("too early"), default => {} }
        cell.set(1).unwrap();
        select! { v = &mut wait => assert_eq!(*v, 1), default => panic!("it is there") }
        select! { v = cell.wait() => assert_eq!(*v, 1), default => panic!("it is there") }
    });
}

#[test]
fn once_waits_for_whoever_does_it() {
    let once = Arc::new(Once::new());
    let (woken, waker) = counting();
    let mut wait = pin!(once.wait());
    assert!(poll_with(wait.as_mut(), &waker).is_pending());
    let doer = once.clone();
    std::thread::spawn(move || doer.call_once_blocking(|| ()))
        .join()
        .unwrap();
    assert_eq!(woken.wakes(), 1);
    assert!(poll_once(wait).is_ready());
    once.wait_blocking();
}

/// A waker that asks the cell that woke it, or panics.
#[test]
fn hostile_wakers() {
    watch(|| {
        for panics in [false, true] {
            let cell = Arc::new(OnceCell::new());
            let inner = cell.clone();
            let hostile = hooked(&Arc::new(Hooked {
                on_wake: Some(Box::new(move || {
                    assert_eq!(now(inner.get_or_init(|| ready(2))), &1);
                    assert!(!panics, "a hostile waker");
                })),
                ..Hooked::default()
            }));
            let (counts, waker) = counting();
            let (mut first, mut second) = (pin!(cell.wait()), pin!(cell.wait()));
            assert!(poll_with(first.as_mut(), &hostile).is_pending());
            assert!(poll_with(second.as_mut(), &waker).is_pending());
            cell.set(1).unwrap();
            assert_eq!(counts.wakes(), 1);
            assert_eq!(poll_once(second), Poll::Ready(&1));
            assert_eq!(poll_once(first), Poll::Ready(&1));
        }
    });
}

/// Also when those who had the turn, and those who waited for it, were leaked.
#[test]
fn a_cell_that_was_taken_from_is_as_new() {
    let mut cell = OnceCell::new();
    for round in 0..2 {
        let mut runs = Box::pin(cell.get_or_init(pending::<u8>));
        let mut next = Box::pin(cell.get_or_init(pending::<u8>));
        let mut waits = Box::pin(cell.wait());
        assert!(poll_once(runs.as_mut()).is_pending());
        assert!(poll_once(next.as_mut()).is_pending());
        assert!(poll_once(waits.as_mut()).is_pending());
        std::mem::forget((runs, next, waits));
        assert_eq!(cell.set(1), Err(SetError::Initializing(1)));
        assert_eq!(cell.take(), None);
        let again = cell.get_or_init(|| ready(round));
        assert_eq!(now(again), &round);
        assert_eq!(cell.take(), Some(round));
    }
    cell.set(7).unwrap();
    assert_eq!(cell.get(), Some(&7));
}
