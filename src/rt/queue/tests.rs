//! Models of the run queue: every task that goes in comes out once, whoever takes it and however full the ring is.

use std::future::pending;
use std::panic::Location;
use std::sync::atomic::Ordering::SeqCst;

use super::*;
use crate::rt::seat::Seat;
use crate::shim::{Mutex, model, thread, try_heavy_barrier};
use crate::task::{JoinHandle, Place, Schedule, Spawn, spawn};

/// Nobody wakes these tasks: they are numbers that get lost or doubled, or not.
struct Nowhere(Mutex<Vec<Runnable>>);

impl Schedule for Nowhere {
    fn local(_: *const Self, task: Runnable, _: Place) -> Result<(), Runnable> {
        Err(task)
    }
    fn remote(this: Arc<Self>, task: Runnable) {
        this.0.lock().push(task);
    }
    fn finished(&self) {}
}

struct Bench {
    sched: Arc<Nowhere>,
    handles: Vec<JoinHandle<()>>,
}

impl Bench {
    fn new() -> Bench {
        Bench {
            sched: Arc::new(Nowhere(Mutex::new(Vec::new()))),
            handles: Vec::new(),
        }
    }

    fn task(&mut self) -> Runnable {
        let spawned = Spawn::new(Location::caller());
        let (task, handle) = spawn(pending(), Arc::as_ptr(&self.sched), spawned);
        self.handles.push(handle);
        task
    }

    /// Pushes a new task. What did not fit, if so.
    fn push(&mut self, local: &mut Local) -> Option<Vec<Runnable>> {
        let mut spilled = None;
        local.push(self.task(), |tasks| spilled = Some(tasks.collect()));
        spilled
    }
}

fn number(task: &Runnable) -> u64 {
    task.record().id().number()
}

/// Ends the task and says which one it was.
fn end(task: Runnable) -> u64 {
    let number = number(&task);
    task.cancel();
    number
}

fn end_all(tasks: Vec<Runnable>) -> Vec<u64> {
    tasks.into_iter().map(end).collect()
}

fn drain(local: &mut Local) -> Vec<u64> {
    std::iter::from_fn(|| local.take_next().or_else(|| local.pop()))
        .map(end)
        .collect()
}

/// All of these tasks, and each once.
fn check(bench: &Bench, mut seen: Vec<u64>) {
    seen.sort_unstable();
    let mut all: Vec<u64> = bench.handles.iter().map(|h| h.id().number()).collect();
    all.sort_unstable();
    assert_eq!(seen, all);
}

#[test]
fn a_queue_is_first_in_first_out() {
    let mut bench = Bench::new();
    let (queue, mut local) = queue(false);
    for _ in 0..3 * CAP {
        assert!(bench.push(&mut local).is_none());
        assert!(bench.push(&mut local).is_none());
        assert_eq!(queue.len(), 2);
        let first = bench.handles[bench.handles.len() - 2].id().number();
        assert_eq!(end(local.pop().unwrap()), first);
        end(local.pop().unwrap());
    }
    assert!(local.pop().is_none());
}

#[test]
fn a_full_ring_gives_its_older_half_away() {
    let mut bench = Bench::new();
    let (_, mut local) = queue(false);
    for _ in 0..CAP {
        assert!(bench.push(&mut local).is_none());
    }
    let list = bench.push(&mut local).expect("it is full");
    assert_eq!(list.len(), CAP / 2 + 1);
    let ids: Vec<u64> = bench.handles.iter().map(|h| h.id().number()).collect();
    let given = end_all(list);
    assert_eq!(given[..CAP / 2], ids[..CAP / 2]);
    assert_eq!(given[CAP / 2], ids[CAP]);
    assert_eq!(drain(&mut local), ids[CAP / 2..CAP]);
}

#[test]
fn a_thief_takes_the_older_half_rounded_up() {
    for len in 1..=CAP.min(7) {
        let mut bench = Bench::new();
        let (victim, mut local) = queue(false);
        let (_, mut thief) = queue(false);
        for _ in 0..len {
            assert!(bench.push(&mut local).is_none());
        }
        let ids: Vec<u64> = bench.handles.iter().map(|h| h.id().number()).collect();
        let mut stolen = vec![end(thief.steal_from(&victim).unwrap())];
        stolen.extend(drain(&mut thief));
        let half = len - len / 2;
        assert_eq!(stolen, ids[..half]);
        assert_eq!(drain(&mut local), ids[half..]);
        assert!(thief.steal_from(&victim).is_none());
    }
}

#[test]
fn the_next_one_goes_first() {
    let mut bench = Bench::new();
    for alone in [false, true] {
        let (queue, mut local) = queue(alone);
        let (first, second) = (bench.task(), bench.task());
        let ids = [number(&first), number(&second)];
        assert!(local.put_next(first).is_ok());
        let second = local.put_next(second).unwrap_err();
        let kicked = local.replace_next(second).unwrap();
        assert_eq!(end(kicked), ids[0]);
        assert!(queue.has_next());
        assert_eq!(end(local.take_next().unwrap()), ids[1]);
        assert!(local.take_next().is_none());
        assert!(queue.steal_next().is_none());
    }
}

/// Indices count on and on: their end is reached by none of the tests above.
#[test]
fn indices_wrap() {
    let mut bench = Bench::new();
    let (victim, mut local) = queue(false);
    let near_the_end = usize::MAX - 1;
    victim.ends.head.store(near_the_end, SeqCst);
    victim.ends.tail.store(near_the_end, SeqCst);
    let (_, mut thief) = queue(false);
    for _ in 0..CAP {
        assert!(bench.push(&mut local).is_none());
    }
    let mut seen = end_all(bench.push(&mut local).unwrap());
    assert!(bench.push(&mut local).is_none());
    seen.push(end(thief.steal_from(&victim).unwrap()));
    seen.extend(drain(&mut thief));
    seen.extend(drain(&mut local));
    check(&bench, seen);
}

/// A worker that retires gives all of its tasks away, while a thief is at them.
#[test]
fn loom_drain_v_steal() {
    model(|| {
        let mut bench = Bench::new();
        let (victim, mut local) = queue(false);
        assert!(bench.push(&mut local).is_none());
        assert!(bench.push(&mut local).is_none());
        assert!(local.put_next(bench.task()).is_ok());
        let stealing = thread::spawn(move || {
            let (_, mut thief) = queue(false);
            let first = thief.steal_from(&victim).map(end);
            let mut seen: Vec<u64> = first.into_iter().collect();
            seen.extend(drain(&mut thief));
            seen.extend(victim.steal_next().map(end));
            seen
        });
        let mut seen = drain(&mut local);
        seen.extend(stealing.join().unwrap());
        check(&bench, seen);
    });
}

/// The first thief comes to a queue whose owner did without locked instructions until then.
#[test]
fn loom_pop_alone_v_first_thief() {
    if !try_heavy_barrier() {
        return;
    }
    model(|| {
        let mut bench = Bench::new();
        let (victim, mut local) = queue(true);
        assert!(bench.push(&mut local).is_none());
        assert!(bench.push(&mut local).is_none());
        assert!(local.put_next(bench.task()).is_ok());
        let seat = Seat::new();
        seat.put(Box::new(local), 0);
        let taker = seat.taker();
        let stealing = thread::spawn(move || {
            victim.share();
            taker.outlast_borrow();
            let (_, mut thief) = queue(false);
            let mut seen: Vec<u64> = victim.steal_next().map(end).into_iter().collect();
            seen.extend(thief.steal_from(&victim).map(end));
            seen.extend(drain(&mut thief));
            seen
        });
        let mut seen = Vec::new();
        for _ in 0..2 {
            // One borrow, as in `Worker::next`.
            let task = seat
                .borrow()
                .and_then(|mut local| local.take_next().or_else(|| local.pop()));
            seen.extend(task.map(end));
        }
        seen.extend(stealing.join().unwrap());
        seen.extend(drain(&mut seat.take().unwrap()));
        check(&bench, seen);
    });
}

/// Who steals a task sees all of it.
#[test]
fn loom_push_v_steal() {
    model(|| {
        let mut bench = Bench::new();
        let (victim, mut local) = queue(false);
        let stealing = thread::spawn(move || {
            let (_, mut thief) = queue(false);
            thief.steal_from(&victim).map(end)
        });
        assert!(bench.push(&mut local).is_none());
        let mut seen: Vec<u64> = stealing.join().unwrap().into_iter().collect();
        seen.extend(drain(&mut local));
        check(&bench, seen);
    });
}

#[test]
fn loom_put_next_v_late_steal() {
    model(|| {
        let mut bench = Bench::new();
        let (victim, mut local) = queue(false);
        let stealing = thread::spawn(move || victim.steal_next().map(end));
        assert!(local.put_next(bench.task()).is_ok());
        let mut seen: Vec<u64> = stealing.join().unwrap().into_iter().collect();
        seen.extend(drain(&mut local));
        check(&bench, seen);
    });
}

#[test]
fn loom_push_and_pop_v_steal() {
    model(|| {
        let mut bench = Bench::new();
        let (victim, mut local) = queue(false);
        assert!(bench.push(&mut local).is_none());
        assert!(bench.push(&mut local).is_none());
        let stealing = thread::spawn(move || {
            let (_, mut thief) = queue(false);
            let first = thief.steal_from(&victim).map(end);
            let mut seen: Vec<u64> = first.into_iter().collect();
            seen.extend(drain(&mut thief));
            seen
        });
        let mut seen: Vec<u64> = local.pop().map(end).into_iter().collect();
        assert!(bench.push(&mut local).is_none());
        seen.extend(drain(&mut local));
        seen.extend(stealing.join().unwrap());
        check(&bench, seen);
    });
}

#[test]
fn loom_two_thieves() {
    model(|| {
        let mut bench = Bench::new();
        let (victim, mut local) = queue(false);
        for _ in 0..3 {
            assert!(bench.push(&mut local).is_none());
        }
        let steal = |victim: Arc<Queue>| {
            move || {
                let (_, mut thief) = queue(false);
                let first = thief.steal_from(&victim).map(end);
                let mut seen: Vec<u64> = first.into_iter().collect();
                seen.extend(drain(&mut thief));
                seen
            }
        };
        let one = thread::spawn(steal(Arc::clone(&victim)));
        let other = thread::spawn(steal(victim));
        let mut seen: Vec<u64> = local.pop().map(end).into_iter().collect();
        seen.extend(one.join().unwrap());
        seen.extend(other.join().unwrap());
        seen.extend(drain(&mut local));
        check(&bench, seen);
    });
}

#[test]
fn loom_overflow_v_steal() {
    model(|| {
        let mut bench = Bench::new();
        let (victim, mut local) = queue(false);
        for _ in 0..CAP {
            assert!(bench.push(&mut local).is_none());
        }
        let stealing = thread::spawn(move || {
            let (_, mut thief) = queue(false);
            let first = thief.steal_from(&victim).map(end);
            let mut seen: Vec<u64> = first.into_iter().collect();
            seen.extend(drain(&mut thief));
            seen
        });
        let mut seen = bench.push(&mut local).map(end_all).unwrap_or_default();
        seen.extend(drain(&mut local));
        seen.extend(stealing.join().unwrap());
        check(&bench, seen);
    });
}

#[test]
fn loom_next_v_late_steal() {
    model(|| {
        let mut bench = Bench::new();
        let (victim, mut local) = queue(false);
        let (first, second, third) = (bench.task(), bench.task(), bench.task());
        assert!(local.put_next(first).is_ok());
        let stealing = thread::spawn(move || victim.steal_next().map(end));
        // A spawn kicks the one that was next, a wake does not.
        let mut seen: Vec<u64> = local.replace_next(second).map(end).into_iter().collect();
        seen.extend(local.put_next(third).err().map(end));
        seen.extend(drain(&mut local));
        seen.extend(stealing.join().unwrap());
        check(&bench, seen);
    });
}

#[test]
fn loom_take_next_v_late_steal() {
    model(|| {
        let mut bench = Bench::new();
        let (victim, mut local) = queue(false);
        let (first, second) = (bench.task(), bench.task());
        assert!(local.put_next(first).is_ok());
        let stealing = thread::spawn(move || victim.steal_next().map(end));
        let mut seen: Vec<u64> = local.take_next().map(end).into_iter().collect();
        assert!(local.put_next(second).is_ok(), "only we fill it");
        seen.extend(stealing.join().unwrap());
        seen.extend(drain(&mut local));
        check(&bench, seen);
    });
}
