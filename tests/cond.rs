//! `sync::Cond` poll by poll: who is signalled, what a dropped wait does with its signal, hostile wakers, panics.

#![cfg(feature = "rt")]

mod common;

use common::waker::{Hooked, hooked, now, poll_once, poll_with};
use common::watch;
use gochan::sync::cond::CondFuture;
use gochan::sync::{Cond, Mutex};
use gochan::{diag, fut, go, select, yield_now};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::Arc;
use tokio_test::{assert_pending, assert_ready, task};

fn wait<'a>(mutex: &'a Mutex<u32>, cond: &'a Cond) -> task::Spawn<CondFuture<'a, u32>> {
    let mut wait = task::spawn(cond.wait(now(mutex.lock())));
    assert_pending!(wait.poll());
    assert!(!mutex.is_locked(), "the mutex is free while it waits");
    wait
}

#[test]
fn nothing_happens_before_the_first_poll() {
    let (mutex, cond) = (Mutex::new(0), Cond::new());
    let wait = cond.wait(now(mutex.lock()));
    assert!(mutex.is_locked() && cond.waiters() == 0);
    drop(wait);
    assert!(!mutex.is_locked());
}

#[test]
fn signals_go_in_order() {
    let (mutex, cond) = (Mutex::new(0), Cond::new());
    cond.notify_one();
    cond.notify_all();
    let mut all: Vec<_> = (0..4).map(|_| wait(&mutex, &cond)).collect();
    for i in 0..all.len() {
        cond.notify_one();
        assert!(all[i].is_woken() && all[i + 1..].iter().all(|w| !w.is_woken()));
        assert_eq!(cond.waiters(), 3 - i);
        drop(assert_ready!(all[i].poll()));
    }
}

#[test]
fn a_broadcast_is_for_those_who_wait() {
    let (mutex, cond) = (Mutex::new(0), Cond::new());
    let mut all: Vec<_> = (0..4).map(|_| wait(&mutex, &cond)).collect();
    cond.notify_all();
    let mut late = wait(&mutex, &cond);
    for one in &mut all {
        assert!(one.is_woken());
        drop(assert_ready!(one.poll()));
    }
    assert!(!late.is_woken());
    assert_pending!(late.poll());
}

/// The signal came while the mutex was held: it returns with the mutex, not before.
#[test]
fn a_signal_is_followed_by_the_mutex() {
    let (mutex, cond) = (Mutex::new(0), Cond::new());
    let mut one = wait(&mutex, &cond);
    let mut guard = now(mutex.lock());
    cond.notify_one();
    assert!(one.is_woken());
    assert_pending!(one.poll());
    *guard = 5;
    drop(guard);
    assert!(one.is_woken());
    assert_eq!(*assert_ready!(one.poll()), 5);
}

#[test]
fn a_dropped_wait_passes_its_signal_on() {
    let (mutex, cond) = (Mutex::new(0), Cond::new());
    let row: Vec<_> = (0..4).map(|_| wait(&mutex, &cond)).collect();
    cond.notify_one();
    for one in row {
        assert!(one.is_woken());
    }
    assert_eq!(cond.waiters(), 0);
}

#[test]
fn a_wait_dropped_on_its_way_to_the_mutex_passes_its_signal_on() {
    let (mutex, cond) = (Mutex::new(0), Cond::new());
    let (mut a, mut b) = (wait(&mutex, &cond), wait(&mutex, &cond));
    let guard = now(mutex.lock());
    cond.notify_one();
    assert_pending!(a.poll());
    assert!(!b.is_woken());
    drop(a);
    assert!(b.is_woken());
    drop(guard);
    drop(assert_ready!(b.poll()));
    assert!(mutex.try_lock().is_some());
}

#[test]
fn a_broadcast_is_not_passed_on() {
    let (mutex, cond) = (Mutex::new(0), Cond::new());
    let a = wait(&mutex, &cond);
    cond.notify_all();
    let mut b = wait(&mutex, &cond);
    drop(a);
    assert!(!b.is_woken());
    assert_pending!(b.poll());
}

#[test]
fn wait_while_looks_first_and_after_each_signal() {
    let (mutex, cond) = (Mutex::new(0), Cond::new());
    let guard = now(cond.wait_while(now(mutex.lock()), |n| *n > 0));
    drop(guard);
    let mut two = task::spawn(cond.wait_while(now(mutex.lock()), |n| *n < 2));
    assert_pending!(two.poll());
    for n in 1..=2 {
        assert_pending!(two.poll());
        *now(mutex.lock()) = n;
        cond.notify_one();
        assert!(two.is_woken());
        if n < 2 {
            assert_pending!(two.poll());
            assert_eq!(cond.waiters(), 1);
        }
    }
    assert_eq!(*assert_ready!(two.poll()), 2);
}

#[test]
fn a_condition_that_panics_unlocks() {
    let (mutex, cond) = (Mutex::new(0), Cond::new());
    let wait = cond.wait_while(now(mutex.lock()), |_| panic!("no condition"));
    let caught = catch_unwind(AssertUnwindSafe(|| poll_once(pin!(wait)).is_ready()));
    assert!(caught.is_err() && mutex.try_lock().is_some());
}

#[test]
fn leaked_waits_are_safe() {
    let (mutex, cond) = (Mutex::new(0), Cond::new());
    let mut leaked = Box::pin(cond.wait(now(mutex.lock())));
    assert!(poll_once(leaked.as_mut()).is_pending());
    std::mem::forget(leaked);
    let mut one = wait(&mutex, &cond);
    cond.notify_all();
    drop(assert_ready!(one.poll()));
}

#[test]
fn hostile_wakers() {
    type Act = fn(&(Mutex<u32>, Cond));
    const ACTS: [Act; 4] = [
        |s| drop(s.0.try_lock()),
        |s| s.1.notify_all(),
        |s| {
            if let Some(guard) = s.0.try_lock() {
                _ = poll_once(pin!(s.1.wait(guard)));
            }
        },
        |_| std::panic::resume_unwind(Box::new("the waker")),
    ];
    watch(|| {
        for act in ACTS {
            for event in 0..3 {
                for scene in 0..4 {
                    let shared = Arc::new((Mutex::new(0), Cond::new()));
                    let its = shared.clone();
                    let act: common::waker::Action = Box::new(move || act(&its));
                    let mut it = Hooked::default();
                    match event {
                        0 => it.on_wake = Some(act),
                        1 => it.on_clone = Some(act),
                        _ => it.on_drop = Some(act),
                    }
                    let waker = hooked(&Arc::new(it));
                    _ = catch_unwind(AssertUnwindSafe(|| {
                        let mut wait = Box::pin(shared.1.wait(now(shared.0.lock())));
                        _ = poll_with(wait.as_mut(), &waker);
                        match scene {
                            0 => shared.1.notify_one(),
                            1 => shared.1.notify_all(),
                            2 => _ = poll_once(wait.as_mut()),
                            _ => {}
                        }
                    }));
                    _ = catch_unwind(AssertUnwindSafe(|| drop(waker)));
                    assert!(shared.0.try_lock().is_some(), "at {event}, scene {scene}");
                    assert_eq!(shared.1.waiters(), 0, "at {event}, scene {scene}");
                }
            }
        }
    });
}

#[test]
fn a_wait_in_a_select_and_in_the_dump() {
    watch(|| {
        gochan::run(async {
            let shared = Arc::new((Mutex::new(0), Cond::new().named("changed")));
            let its = shared.clone();
            let waiter = go(async move { *its.1.wait(its.0.lock().await).await });
            let wait = loop {
                let dump = diag::dump();
                let told = dump.task(waiter.id()).and_then(|task| task.wait.clone());
                if let Some(wait) = told.filter(|wait| wait.reason.as_str() == "sync.Cond.Wait") {
                    break wait;
                }
                yield_now().await;
            };
            assert_eq!(wait.object.unwrap().name.as_deref(), Some("changed"));
            *shared.0.lock().await = 3;
            shared.1.notify_one();
            assert_eq!(waiter.await.unwrap(), 3);

            let guard = shared.0.lock().await;
            let lost = select! {
                _ = fut(shared.1.wait(guard)) => false,
                _ = gochan::sleep(std::time::Duration::from_millis(1)) => true,
            };
            assert!(lost && shared.0.try_lock().is_some() && shared.1.waiters() == 0);
        });
    });
}
