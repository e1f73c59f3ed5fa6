//! Models of the wait group: the last member, those who wait, those who stop waiting and the next round.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::task::Poll;

use ::loom::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use ::loom::thread;

use super::*;
use crate::shim::{Arc, model_with};
use crate::wait::loom_models::{Count, block_on, poll};

fn group(members: i64) -> Arc<Group> {
    let group = Arc::new(Group::new(Location::caller()));
    group.add(members);
    group
}

fn wait(group: &Group) -> WaitGroupFuture<'_> {
    let site = Location::caller();
    WaitGroupFuture::new(WaitOp { group, site })
}

/// A member that says it is done on a thread of its own.
fn member(group: &Arc<Group>) -> thread::JoinHandle<()> {
    let group = group.clone();
    thread::spawn(move || group.add(-1))
}

/// Who has waited sees what every member did.
#[test]
fn loom_waitgroup_two_members_and_a_wait() {
    model_with(3, || {
        let group = group(2);
        let work = Arc::new([AtomicUsize::new(0), AtomicUsize::new(0)]);
        let members: Vec<_> = (0..2)
            .map(|n| {
                let (group, work) = (group.clone(), work.clone());
                thread::spawn(move || {
                    // Relaxed: it is the group that orders.
                    work[n].store(1, Relaxed);
                    group.add(-1);
                })
            })
            .collect();
        block_on(wait(&group));
        assert!(work.iter().all(|work| work.load(Relaxed) == 1));
        members.into_iter().for_each(|m| m.join().unwrap());
    });
}

/// A `done` too many, beside the one that is right and a wait: one of the two is refused, and the wait is over all the same.
#[test]
fn loom_waitgroup_a_done_too_many_and_a_wait() {
    model_with(3, || {
        let group = group(1);
        let done = |group: &Arc<Group>| {
            let group = group.clone();
            // Caught: the refusal is a panic, and what is asked is what it leaves behind.
            thread::spawn(move || catch_unwind(AssertUnwindSafe(|| group.add(-1))).is_ok())
        };
        let (one, other) = (done(&group), done(&group));
        block_on(wait(&group));
        assert!(one.join().unwrap() != other.join().unwrap());
        assert!(group.state.is_zero());
        assert_eq!(group.object.lock().queue.len(), 0);
    });
}

/// Two wait; the first is dropped, or not, while the last member leaves. Who stays hears of it.
fn two_waits(drop_first: bool) {
    model_with(3, move || {
        let group = group(1);
        let member = member(&group);
        let ((_, first), (count, second)) = (Count::new(), Count::new());
        let (mut goes, mut stays) = (Box::pin(wait(&group)), Box::pin(wait(&group)));
        let over = poll(goes.as_mut(), &first).is_ready();
        let pending = poll(stays.as_mut(), &second).is_pending();
        assert!(pending || !over || group.state.is_zero());
        if drop_first {
            drop(goes);
        }
        member.join().unwrap();
        if pending {
            assert_eq!(count.get(), 1);
            assert!(poll(stays.as_mut(), &second).is_ready());
        }
        assert_eq!(group.object.lock().queue.len(), 0);
    });
}

#[test]
fn loom_waitgroup_two_waits() {
    two_waits(false);
}

#[test]
fn loom_waitgroup_a_wait_that_is_dropped() {
    two_waits(true);
}

/// The next round begins when all have returned, and the word knows nothing of the last one.
#[test]
fn loom_waitgroup_reuse() {
    model_with(3, || {
        let group = group(1);
        for round in 0..2 {
            if round > 0 {
                group.add(1);
            }
            let member = member(&group);
            block_on(wait(&group));
            member.join().unwrap();
        }
    });
}

/// A wait that ends and a next round at once, without the first round's member being through with its `done`.
#[test]
fn loom_waitgroup_next_round_beside_the_last_done() {
    model_with(3, || {
        let group = group(1);
        let first = member(&group);
        block_on(wait(&group));
        group.add(2);
        group.add(-1);
        let (count, waker) = Count::new();
        let mut waiting = pin!(wait(&group));
        assert!(poll(waiting.as_mut(), &waker).is_pending());
        first.join().unwrap();
        assert_eq!(
            count.get(),
            0,
            "the end of the first round is not that of this one"
        );
        group.add(-1);
        assert!(poll(waiting, &waker).is_ready());
    });
}

/// Somebody has waited and left before: nobody waits, so new members may come at any time.
#[test]
fn loom_waitgroup_add_beside_the_last_done() {
    model_with(3, || {
        let group = group(1);
        let (_, waker) = Count::new();
        assert!(poll(pin!(wait(&group)), &waker).is_pending());
        let first = member(&group);
        group.add(1);
        assert!(!group.state.is_zero());
        let mut waiting = pin!(wait(&group));
        assert!(poll(waiting.as_mut(), &waker).is_pending());
        group.add(-1);
        first.join().unwrap();
        assert!(poll(waiting, &waker).is_ready());
    });
}

/// Members come while others leave and somebody waits for all: it wakes when the last is gone, not before.
#[test]
fn loom_waitgroup_add_v_wait_v_cancel() {
    model_with(2, || {
        let group = group(1);
        let adder = {
            let group = group.clone();
            thread::spawn(move || {
                group.add(1);
                group.add(-2);
            })
        };
        let (count, waker) = Count::new();
        {
            let mut waiting = pin!(wait(&group));
            let seen = poll(waiting.as_mut(), &waker);
            if seen.is_pending() && count.get() > 0 {
                assert_eq!(poll(waiting, &waker), Poll::Ready(()));
            }
        }
        block_on(wait(&group));
        assert!(group.state.is_zero());
        adder.join().unwrap();
    });
}
