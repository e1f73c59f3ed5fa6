//! Holds, noted and read by hand.

use super::*;
use crate::hook::Kind;
use crate::hook::record::{Birth, Record};
use crate::hook::registry;
use std::thread;

#[track_caller]
fn here() -> Site {
    Location::caller()
}

fn holdings(id: ObjId) -> Vec<Holding> {
    all().into_iter().filter(|held| held.what == id).collect()
}

fn born() -> &'static Record {
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

/// Runs `body` as a poll of a task.
fn polled<R>(record: &'static Record, body: impl FnOnce() -> R) -> R {
    let waker = std::task::Waker::noop();
    let _running = current::enter(waker.data(), waker.vtable(), record);
    body()
}

#[test]
fn what_a_task_acquires_is_shown_until_it_is_released() {
    let (lock, task, site) = (ObjId::fresh(Kind::Mutex), born(), here());
    let hold = polled(task, || Hold::acquired(lock, site));
    let told = holdings(lock);
    assert_eq!(told.len(), 1);
    assert_eq!((told[0].who, told[0].site), (task.id(), Some(site)));
    // Not on the thread, and not in the poll, that acquired it.
    thread::spawn(move || hold.released()).join().unwrap();
    assert_eq!(holdings(lock), []);
}

#[test]
fn what_is_wanted_is_shown_when_it_is_granted() {
    let (lock, task) = (ObjId::fresh(Kind::Mutex), born());
    let hold = polled(task, || Hold::wanted(lock, here(), clock::ticks()));
    assert_eq!(holdings(lock), []);
    hold.granted(clock::ticks());
    assert_eq!(holdings(lock)[0].who, task.id());
    hold.released();
    let hold = polled(task, || Hold::wanted(lock, here(), clock::ticks()));
    hold.released();
    assert_eq!(holdings(lock), []);
}

#[test]
fn a_task_may_hold_a_lot() {
    let task = born();
    let locks: Vec<_> = (0..100).map(|_| ObjId::fresh(Kind::Mutex)).collect();
    for _ in 0..3 {
        let take = |id: &ObjId| Hold::acquired(*id, here());
        let holds: Vec<_> = polled(task, || locks.iter().map(take).collect());
        for id in &locks {
            assert_eq!(holdings(*id).len(), 1);
            assert_eq!(holdings(*id)[0].who, task.id());
        }
        holds.into_iter().for_each(Hold::released);
        for id in &locks {
            assert_eq!(holdings(*id), []);
        }
    }
}

/// What one thread takes and another releases goes round, and what threads leave behind is used again.
#[test]
fn slots_go_round() {
    let lock = ObjId::fresh(Kind::Mutex);
    for _ in 0..50 {
        let take = move || (0..100).map(|_| Hold::acquired(lock, here())).collect();
        let holds: Vec<Hold> = thread::spawn(take).join().unwrap();
        assert_eq!(holdings(lock).len(), 100);
        let release = move || holds.into_iter().for_each(Hold::released);
        thread::spawn(release).join().unwrap();
    }
    assert_eq!(holdings(lock), []);
    assert!(COMMON.lock().all.len() < 2_000);
}

/// Also of threads that never acquire anything.
#[test]
fn slots_come_back_from_threads_that_only_release() {
    let lock = ObjId::fresh(Kind::Mutex);
    for _ in 0..100 {
        let take = |_| Hold::acquired(lock, here());
        let holds: Vec<Hold> = (1..2 * BATCH).map(take).collect();
        let release = move || holds.into_iter().for_each(Hold::released);
        thread::spawn(release).join().unwrap();
    }
    assert!(COMMON.lock().all.len() < 2_000);
}

/// And of the last values of a thread, dropped when its list is gone.
#[test]
fn slots_come_back_from_the_end_of_a_thread() {
    struct Late(Vec<Hold>);
    impl Drop for Late {
        fn drop(&mut self) {
            self.0.drain(..).for_each(Hold::released);
        }
    }
    thread_local!(static LATE: Cell<Option<Late>> = const { Cell::new(None) });
    let lock = ObjId::fresh(Kind::Mutex);
    for _ in 0..100 {
        let take = move || (1..2 * BATCH).map(move |_| Hold::acquired(lock, here()));
        let body = move || LATE.with(|late| late.set(Some(Late(take().collect()))));
        thread::spawn(body).join().unwrap();
    }
    assert_eq!(holdings(lock), []);
    assert!(COMMON.lock().all.len() < 2_000);
}

/// Also the near ones of a thread that ended while they were held.
#[test]
fn near_slots_come_back_when_their_thread_is_gone() {
    let lock = ObjId::fresh(Kind::Mutex);
    for _ in 0..1_000 {
        let take = move || [0; NEAR].map(|_| Hold::acquired(lock, here()));
        let holds = thread::spawn(take).join().unwrap();
        assert_eq!(holdings(lock).len(), NEAR);
        holds.into_iter().for_each(Hold::released);
        assert_eq!(holdings(lock), []);
    }
    assert!(COMMON.lock().all.len() < 2_000);
}

#[test]
fn the_slots_of_a_thread_are_used_again_in_any_order() {
    let (lock, task) = (ObjId::fresh(Kind::Mutex), born());
    let mut held = Vec::new();
    for round in 0..200 {
        held.push(polled(task, || Hold::acquired(lock, here())));
        if round % 3 == 0 {
            held.swap_remove(round % held.len()).released();
        }
        assert_eq!(holdings(lock).len(), held.len());
    }
    held.into_iter().for_each(Hold::released);
    assert_eq!(holdings(lock), []);
}

#[test]
fn what_was_not_taken_is_not_held() {
    let (lock, task) = (ObjId::fresh(Kind::Mutex), born());
    for taken in [false, true, false] {
        let hold = polled(task, || Hold::if_taken(lock, here(), || taken));
        assert_eq!(holdings(lock).len(), usize::from(taken));
        hold.into_iter().for_each(Hold::released);
    }
    assert_eq!(holdings(lock), []);
}

#[test]
fn a_thread_holds_under_its_own_name() {
    let lock = ObjId::fresh(Kind::Mutex);
    let body = move || {
        let hold = Hold::acquired(lock, here());
        let who = holdings(lock)[0].who;
        hold.released();
        who
    };
    let who = thread::spawn(body).join().unwrap();
    assert_eq!(who.kind(), Kind::Thread);
}

/// The record is another task's by then; the hold stays that of the one who is gone, and is no obstacle.
#[test]
fn a_leaked_hold_outlives_its_task_and_its_record() {
    let (lock, other) = (ObjId::fresh(Kind::Mutex), ObjId::fresh(Kind::Mutex));
    let task = born();
    let id = task.id();
    let hold = polled(task, || Hold::acquired(lock, here()));
    registry::release(task);
    assert_eq!(holdings(lock)[0].who, id);
    let next = born();
    let holds: Vec<_> = polled(next, || {
        (0..3).map(|_| Hold::acquired(other, here())).collect()
    });
    assert!(holdings(other).iter().all(|held| held.who == next.id()));
    assert_eq!(holdings(lock)[0].who, id);
    holds.into_iter().for_each(Hold::released);
    hold.released();
    assert_eq!(holdings(lock), []);
}

#[test]
fn readers_never_mix_two_holds() {
    use std::sync::atomic::AtomicBool;
    static STOP: AtomicBool = AtomicBool::new(false);
    let (one, two) = (ObjId::fresh(Kind::Mutex), ObjId::fresh(Kind::Mutex));
    let (at_one, at_two) = (here(), here());
    let reader = thread::spawn(move || {
        let mut seen = 0u32;
        while !STOP.load(Relaxed) {
            for held in all() {
                let site = held.site.unwrap();
                match held.what {
                    id if id == one => assert_eq!(site, at_one),
                    id if id == two => assert_eq!(site, at_two),
                    _ => continue,
                }
                seen += 1;
            }
        }
        seen
    });
    let task = born();
    polled(task, || {
        for _ in 0..200_000 {
            Hold::acquired(one, at_one).released();
            Hold::acquired(two, at_two).released();
        }
    });
    STOP.store(true, Relaxed);
    reader.join().unwrap();
}
