//! Models of sleeping and waking: work that was posted is found, or the model deadlocks with everybody asleep.

use super::*;
use crate::shim::{AtomicBool, AtomicUsize, model, thread, yield_now};

/// A runtime without tasks: work is a number, as `Inject` and the rings show it to whoever looks.
struct House {
    idle: Idle,
    work: AtomicUsize,
    done: AtomicUsize,
    closing: AtomicBool,
    /// How many workers there are to be.
    workers: AtomicUsize,
}

impl House {
    fn new(workers: usize) -> Arc<House> {
        Arc::new(House {
            idle: Idle::new(workers),
            work: AtomicUsize::new(0),
            done: AtomicUsize::new(0),
            closing: AtomicBool::new(false),
            workers: AtomicUsize::new(workers),
        })
    }

    fn post(&self) {
        self.work.fetch_add(1, Relaxed);
        self.idle.wake_one();
    }

    fn take(&self) -> bool {
        let less = |work: usize| work.checked_sub(1);
        self.work.fetch_update(Relaxed, Relaxed, less).is_ok()
    }

    fn has_work(&self) -> bool {
        self.work.load(Relaxed) > 0
    }

    fn is_surplus(&self, slot: usize) -> bool {
        slot >= self.workers.load(Relaxed)
    }

    /// As `Threads::lay_down`, with a task in hand or none.
    fn lay_down(&self, slot: usize, searching: bool, tasks: usize) {
        self.work.fetch_add(tasks, Relaxed);
        self.idle.retire(slot, searching);
        if self.has_work() {
            self.idle.wake_one();
        }
    }

    /// The worker's loop, as in `Worker::run`, until so much work is done in all.
    fn work_until(&self, slot: usize, enough: usize) {
        let parker = Parker::new();
        let mut searching = false;
        while !self.closing.load(Relaxed) {
            if self.is_surplus(slot) {
                return self.lay_down(slot, searching, 0);
            }
            if self.take() {
                if searching {
                    searching = false;
                    if self.idle.end_search() && self.has_work() {
                        self.idle.wake_one();
                    }
                }
                if self.done.fetch_add(1, AcqRel) + 1 == enough {
                    self.closing.store(true, SeqCst);
                    self.idle.wake_all();
                }
                continue;
            }
            if !searching && self.idle.start_search() {
                searching = true;
                continue;
            }
            self.idle.sleep(slot, &parker, searching);
            searching = true;
            loop {
                let over = self.closing.load(SeqCst) || self.is_surplus(slot);
                let stir = over || self.has_work();
                if stir && self.idle.leave(slot) {
                    break;
                }
                if parker.park(None) {
                    break;
                }
            }
        }
    }
}

#[test]
fn loom_one_worker_sleeps_v_post() {
    model(|| {
        let house = House::new(1);
        let worker = Arc::clone(&house);
        let working = thread::spawn(move || worker.work_until(0, 1));
        house.post();
        working.join().unwrap();
        assert_eq!(house.done.load(SeqCst), 1);
    });
}

#[test]
fn loom_one_worker_sleeps_v_two_posts() {
    model(|| {
        let house = House::new(1);
        let worker = Arc::clone(&house);
        let working = thread::spawn(move || worker.work_until(0, 2));
        house.post();
        house.post();
        working.join().unwrap();
        assert_eq!(house.done.load(SeqCst), 2);
    });
}

/// The first may stop searching with the first piece of work in hand, just as the second piece is posted and nobody is
/// woken for it because somebody searches.
#[test]
fn loom_two_workers_v_post() {
    model(|| {
        let house = House::new(2);
        let workers: Vec<_> = (0..2)
            .map(|slot| {
                let house = Arc::clone(&house);
                thread::spawn(move || house.work_until(slot, 1))
            })
            .collect();
        house.post();
        for worker in workers {
            worker.join().unwrap();
        }
        assert_eq!(house.done.load(SeqCst), 1);
    });
}

/// One worker stays in its task until another one has done the second piece: somebody must be awake for that.
#[test]
fn loom_the_last_searcher_wakes_another() {
    model(|| {
        let house = House::new(2);
        assert!(house.idle.start_search());
        let busy = Arc::clone(&house);
        let stuck = thread::spawn(move || {
            // It searches, finds one piece, and is in a poll for as long as the other is not done.
            while !busy.take() {
                yield_now();
            }
            if busy.idle.end_search() && busy.has_work() {
                busy.idle.wake_one();
            }
            while busy.done.load(SeqCst) == 0 {
                yield_now();
            }
        });
        let other = Arc::clone(&house);
        let working = thread::spawn(move || other.work_until(1, 1));
        house.post();
        house.post();
        stuck.join().unwrap();
        working.join().unwrap();
    });
}

/// There are to be fewer while one of the two goes to sleep, and there is work: if that one was woken for it, it retires and the
/// other does it.
#[test]
fn loom_shrink_v_post_and_sleep() {
    model(|| {
        let house = House::new(2);
        let workers: Vec<_> = (0..2)
            .map(|slot| {
                let house = Arc::clone(&house);
                thread::spawn(move || house.work_until(slot, 1))
            })
            .collect();
        house.workers.store(1, Relaxed);
        house.idle.oust(1);
        house.post();
        for worker in workers {
            worker.join().unwrap();
        }
        assert_eq!(house.done.load(SeqCst), 1);
    });
}

/// A worker retires with a task in its queue that nobody else has seen.
#[test]
fn loom_retire_with_a_task_v_sleep() {
    for searching in [false, true] {
        model(move || {
            let house = House::new(2);
            if searching {
                assert!(house.idle.start_search());
            }
            let other = Arc::clone(&house);
            let working = thread::spawn(move || other.work_until(0, 1));
            house.lay_down(1, searching, 1);
            working.join().unwrap();
            assert_eq!(house.done.load(SeqCst), 1);
            assert_eq!(
                house.idle.awake_and_searching().0,
                usize::from(!house.idle.somebody_sleeps())
            );
        });
    }
}

#[test]
fn workers_come_and_retire() {
    let idle = Idle::new(1);
    let parkers: Vec<_> = (0..3).map(|_| Parker::new()).collect();
    idle.join();
    idle.join();
    assert_eq!(idle.awake_and_searching(), (3, 0));
    for slot in [2, 1, 0] {
        idle.sleep(slot, &parkers[slot], false);
    }
    assert!(idle.is_keeper(2));
    idle.oust(1);
    assert!(parkers[1].take() && parkers[2].take());
    assert!(!parkers[0].take(), "it stays, and is nudged");
    assert!(idle.is_keeper(0), "somebody has to be");
    assert_eq!(idle.awake_and_searching(), (2, 2), "they come to retire");
    idle.retire(1, true);
    idle.retire(2, true);
    assert!(idle.somebody_sleeps());
    assert_eq!(idle.awake_and_searching(), (0, 0));
    assert!(idle.leave_for_sockets(0));
    assert!(!idle.somebody_sleeps());
    idle.join();
    idle.sleep(1, &parkers[1], false);
    idle.retire(0, true);
    assert!(idle.is_keeper(1), "a keeper that retires has an heir");
}

#[test]
fn the_keeper_is_woken_last_and_has_an_heir() {
    let idle = Idle::new(3);
    let parkers: Vec<_> = (0..3).map(|_| Parker::new()).collect();
    for (slot, parker) in parkers.iter().enumerate() {
        idle.sleep(slot, parker, false);
    }
    assert!(idle.is_keeper(0));
    assert!(!idle.somebody_is_awake());
    idle.wake_one();
    assert!(parkers[2].take(), "the last that went to sleep");
    idle.wake_one();
    assert!(!parkers[1].take(), "one searches already");
    assert!(idle.end_search());
    assert!(idle.leave(0), "nobody has taken it out");
    assert!(idle.is_keeper(1), "the one that still sleeps");
    assert!(!idle.leave(0));
    assert!(idle.end_search());
    idle.wake_one();
    assert!(parkers[1].take());
    assert!(!idle.is_keeper(1));
}

#[test]
fn half_of_the_awake_may_search() {
    let idle = Idle::new(4);
    assert!(idle.start_search());
    assert!(idle.start_search());
    assert!(!idle.start_search());
    assert!(!idle.end_search());
    assert!(idle.end_search());
}

#[test]
fn a_keeper_that_leaves_for_sockets_is_keeper_until_it_is_relieved() {
    let idle = Idle::new(3);
    let parkers: Vec<_> = (0..3).map(|_| Parker::new()).collect();
    idle.sleep(0, &parkers[0], false);
    idle.sleep(1, &parkers[1], false);
    idle.sleep(2, &parkers[2], false);
    assert!(idle.leave_for_sockets(0));
    assert!(idle.is_keeper(0), "it will be back");
    idle.nudge_keeper(true);
    assert!(idle.is_keeper(0), "a worker sees to its timers itself");
    idle.relieve(1);
    assert!(idle.is_keeper(0), "that one is not the keeper");
    idle.relieve(0);
    assert!(idle.is_keeper(2), "somebody who sleeps");
    idle.relieve(2);
    assert!(idle.is_keeper(2), "asleep, it is where it should be");
    assert!(idle.leave_for_sockets(2));
    assert!(idle.keeper_is_awake());
    idle.nudge_keeper(false);
    assert!(idle.is_keeper(1), "a timer from outside must not wait");
    assert!(!idle.keeper_is_awake(), "it sleeps");
    idle.relieve_any();
    assert!(idle.is_keeper(1), "where it should be");
    assert!(idle.leave_for_sockets(1));
    assert!(!idle.keeper_is_awake(), "but there is nobody to relieve it");
    idle.relieve_any();
    idle.sleep(0, &parkers[0], false);
    assert!(idle.is_keeper(0), "there was nobody else");
}

/// A worker sets a timer while the keeper is awake, and goes to sleep: nobody else would look at it in time.
#[test]
fn who_goes_to_sleep_takes_over_from_a_keeper_that_is_awake() {
    let idle = Idle::new(3);
    let parkers: Vec<_> = (0..3).map(|_| Parker::new()).collect();
    idle.sleep(0, &parkers[0], false);
    assert!(idle.leave_for_sockets(0));
    idle.nudge_keeper(true);
    idle.sleep(1, &parkers[1], false);
    assert!(idle.is_keeper(1), "the one before is awake");
    idle.sleep(2, &parkers[2], false);
    idle.sleep(0, &parkers[0], false);
    assert!(idle.is_keeper(1), "one is enough");
}
