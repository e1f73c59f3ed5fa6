//! Who runs here, without an executor: polls begin and end by hand.

use super::*;
use crate::hook::WaitReason;
use std::panic::Location;
use std::sync::Arc;
use std::task::Wake;
use std::thread;

struct Nothing;

impl Wake for Nothing {
    fn wake(self: Arc<Self>) {}
}

fn waker() -> Waker {
    Waker::from(Arc::new(Nothing))
}

fn task() -> &'static Record {
    let record = registry::acquire();
    let birth = Birth {
        id: ObjId::fresh(Kind::Task),
        name: None,
        site: None,
        parent: ObjId::NONE,
        runtime: 0,
        type_name: None,
    };
    record.spawned(&birth, 0);
    record
}

fn poll(waker: &Waker, record: &'static Record) -> Entered {
    enter(waker.data(), waker.vtable(), record)
}

fn note() -> Note {
    Note {
        task: task_id(),
        reason: WaitReason::ChanRecv,
        object: ObjId::NONE,
        made: None,
        site: Location::caller(),
        since: 1,
    }
}

#[test]
fn outside_of_everything() {
    assert_eq!(task_id(), 0);
    assert!(record().is_none());
    assert!(!is_own_waker(&waker()));
    assert!(!is_own_waker(Waker::noop()));
    assert!((0..1_000).all(|_| spend_budget()));
    park(&note());
}

#[test]
fn a_poll_inside_a_poll_puts_the_outer_one_back() {
    let (outer, inner) = (waker(), waker());
    let (a, b) = (task(), task());
    let outer_poll = poll(&outer, a);
    assert!(is_own_waker(&outer) && !is_own_waker(&inner));
    assert!(is_polling(outer.data()));
    yield_park(&outer);
    let inner_poll = poll(&inner, b);
    assert_eq!(id(), b.id());
    assert!(is_own_waker(&inner) && !is_own_waker(&outer));
    assert!(!inner_poll.end(), "the outer one's mark");
    assert_eq!(id(), a.id());
    assert!(is_own_waker(&outer));
    assert!(outer_poll.end());
    assert_eq!(task_id(), 0);
    registry::release(a);
    registry::release(b);
}

#[test]
fn a_poll_says_in_the_record_how_it_ended() {
    let (waker, record) = (waker(), task());
    assert!(!poll(&waker, record).end());
    assert_eq!(record.state(), State::Waiting);
    let seen = record.snapshot().unwrap().wait.unwrap();
    assert_eq!(seen.reason, WaitReason::Foreign);

    let entered = poll(&waker, record);
    assert_eq!(record.state(), State::Running);
    assert!(!is_parked());
    park(&note());
    assert!(is_parked());
    assert!(!entered.end());
    let seen = record.snapshot().unwrap().wait.unwrap();
    assert_eq!(seen.reason, WaitReason::ChanRecv);

    let entered = poll(&waker, record);
    yield_park(&waker);
    assert!(entered.end());
    assert_eq!(record.state(), State::Runnable);
    registry::release(record);
}

#[test]
fn giving_way_with_a_foreign_waker_wakes_it() {
    struct Count(std::sync::atomic::AtomicU32);
    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        }
    }
    let count = Arc::new(Count(Default::default()));
    let (own, record) = (waker(), task());
    let entered = poll(&own, record);
    yield_park(&Waker::from(Arc::clone(&count)));
    assert!(!entered.end());
    assert_eq!(count.0.load(std::sync::atomic::Ordering::Relaxed), 1);
    registry::release(record);
}

#[test]
fn a_task_that_has_ended_acts_in_its_name_until_its_guard_goes() {
    let (waker, record) = (waker(), task());
    let ended = record.id();
    let entered = poll(&waker, record);
    entered.exit();
    registry::release(record);
    assert_eq!(id(), ended);
    assert!(!is_own_waker(&waker) && !is_polling(waker.data()));
    drop(entered);
    assert_eq!(task_id(), 0);
}

#[test]
fn a_slice_ends_and_polls_leave_its_rest_alone() {
    let (waker, record) = (waker(), task());
    set_budget(3);
    let entered = poll(&waker, record);
    assert!(spend_budget());
    {
        let _blocked = enter_thread();
        assert!((0..1_000).all(|_| spend_budget()));
    }
    assert_eq!(budget(), 2);
    drop(entered);
    assert_eq!(budget(), 2);
    assert!(spend_budget() && spend_budget());
    assert!(!spend_budget());
    set_budget(UNLIMITED);
    assert!(spend_budget());
    registry::release(record);
}

#[test]
fn a_thread_waits_in_its_own_name_until_its_end() {
    let run = || {
        let record = {
            let _blocked = enter_thread();
            park(&note());
            record().unwrap()
        };
        let seen = record.snapshot().unwrap();
        assert_eq!(seen.state, State::Idle);
        assert_eq!(seen.id.kind(), Kind::Thread);
        assert_eq!(
            crate::hook::object::name(seen.id).as_deref(),
            Some("worker-bee")
        );
        assert_eq!(task_id(), 0);
        let _again = enter_thread();
        assert_eq!(id(), seen.id);
        (seen.id, record)
    };
    let named = thread::Builder::new().name("worker-bee".into());
    let (id, record) = named.spawn(run).unwrap().join().unwrap();
    assert_ne!(record.id(), id);
    assert_eq!(crate::hook::object::name(id), None);
}

#[test]
fn a_thread_blocked_inside_a_poll_waits_in_the_tasks_name() {
    let (waker, record) = (waker(), task());
    let entered = poll(&waker, record);
    {
        let _blocked = enter_thread();
        assert!(!is_own_waker(&waker));
        assert_eq!(id(), record.id());
        park(&note());
        assert_eq!(record.state(), State::Waiting);
    }
    assert_eq!(record.state(), State::Running);
    assert!(is_own_waker(&waker));
    drop(entered);
    registry::release(record);
}

#[test]
fn a_wait_in_the_middle_of_a_threads_end_has_no_name() {
    struct Late;
    impl Drop for Late {
        fn drop(&mut self) {
            let _blocked = enter_thread();
            park(&note());
        }
    }
    thread_local!(static LATE: Late = const { Late });
    thread::spawn(|| {
        LATE.with(|_| ());
        drop(enter_thread());
    })
    .join()
    .unwrap();
}
