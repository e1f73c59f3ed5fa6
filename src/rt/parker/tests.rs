//! Models of sleeping in the poller: no wake and no nudge is lost, whoever else looks into it meanwhile.

use super::*;
use crate::rt::idle::Idle;
use crate::rt::turn::Turn;
use crate::shim::{AtomicUsize, Condvar, Mutex, model, yield_now};

/// A poller: it waits for its interrupt, and whoever looks takes that.
struct Engine {
    /// As the poller's: one looks at a time.
    turn: Turn<()>,
    interrupted: Mutex<bool>,
    changed: Condvar,
}

impl Engine {
    fn new() -> Arc<Engine> {
        Arc::new(Engine {
            turn: Turn::new(()),
            interrupted: Mutex::new(false),
            changed: Condvar::new(),
        })
    }

    fn interrupt(this: &Arc<Self>) -> Interrupt {
        let engine = Arc::clone(this);
        Box::new(move || {
            *engine.interrupted.lock() = true;
            engine.changed.notify_one();
        })
    }

    fn wait(&self) {
        let mut interrupted = self.interrupted.lock();
        while !*interrupted {
            self.changed.wait(&mut interrupted);
        }
        *interrupted = false;
    }

    /// As `Poller::sleep`.
    fn sleep(this: &Arc<Self>, parker: &Parker) -> bool {
        let interrupt = || Engine::interrupt(this);
        parker.park_polling(&this.turn, Duration::ZERO, interrupt, |()| this.wait())
    }

    /// As `Poller::try_collect`, but one that waits for its turn: what it must not do is to look out of turn.
    fn look(&self) {
        while self
            .turn
            .try_with(|()| *self.interrupted.lock() = false)
            .is_none()
        {
            yield_now();
        }
    }
}

#[test]
fn loom_wake_v_sleep_in_the_poller() {
    model(|| {
        let (engine, parker) = (Engine::new(), Parker::new());
        let waker = Arc::clone(&parker);
        let waking = thread::spawn(move || waker.wake());
        while !Engine::sleep(&engine, &parker) {}
        waking.join().unwrap();
    });
}

/// Two workers, a piece of work in hand or not; they sleep as in `Worker::sleep_as`.
struct Pair {
    engine: Arc<Engine>,
    idle: Idle,
    work: AtomicUsize,
    done: AtomicUsize,
}

impl Pair {
    fn post(&self) {
        self.work.fetch_add(1, Relaxed);
        self.idle.wake_one();
    }

    fn is_over(&self) -> bool {
        self.done.load(Acquire) == 2
    }

    /// Goes to sleep, and does what there is to do when it gets up, until two pieces are done.
    fn sleep_and_work(&self, slot: usize) {
        let parker = Parker::new();
        let mut searching = false;
        while !self.is_over() {
            let less = |work: usize| work.checked_sub(1);
            if self.work.fetch_update(Relaxed, Relaxed, less).is_ok() {
                if std::mem::take(&mut searching)
                    && self.idle.end_search()
                    && self.work.load(Relaxed) > 0
                {
                    self.idle.wake_one();
                }
                if self.done.fetch_add(1, AcqRel) == 1 {
                    self.idle.wake_all();
                }
                continue;
            }
            self.idle.sleep(slot, &parker, searching);
            searching = true;
            loop {
                let keeper = self.idle.is_keeper(slot);
                let stir = self.is_over() || self.work.load(Relaxed) > 0;
                if stir && self.idle.leave(slot) {
                    break;
                }
                let woken = match keeper {
                    true => Engine::sleep(&self.engine, &parker),
                    false => parker.park(None),
                };
                if woken {
                    break;
                }
            }
        }
    }
}

/// A worker sees that it is the keeper, is woken, and finds the next keeper in the poller: it must not wait there for that one, who
/// waits for a socket, while it counts as the one that searches.
#[test]
fn loom_woken_on_the_way_to_the_poller_v_next_keeper() {
    model(|| {
        let pair = Arc::new(Pair {
            engine: Engine::new(),
            idle: Idle::new(2),
            work: AtomicUsize::new(0),
            done: AtomicUsize::new(0),
        });
        let workers: Vec<_> = (0..2)
            .map(|slot| {
                let pair = Arc::clone(&pair);
                thread::spawn(move || pair.sleep_and_work(slot))
            })
            .collect();
        pair.post();
        pair.post();
        for worker in workers {
            worker.join().unwrap();
        }
    });
}

/// The interrupt is for the one who sleeps, and another look must not swallow it.
#[test]
fn loom_wake_and_look_v_sleep_in_the_poller() {
    model(|| {
        let (engine, parker) = (Engine::new(), Parker::new());
        let (waker, theirs) = (Arc::clone(&parker), Arc::clone(&engine));
        let waking = thread::spawn(move || {
            waker.wake();
            theirs.look();
        });
        while !Engine::sleep(&engine, &parker) {}
        waking.join().unwrap();
    });
}

/// Nudged and then woken: it gets up.
#[test]
fn loom_nudge_and_wake_v_sleep_in_the_poller() {
    model(|| {
        let (engine, parker) = (Engine::new(), Parker::new());
        let waker = Arc::clone(&parker);
        let waking = thread::spawn(move || {
            waker.nudge();
            waker.wake();
        });
        while !Engine::sleep(&engine, &parker) {}
        waking.join().unwrap();
    });
}

/// A timer that is set while the keeper goes to sleep in the poller is seen: in the last look, or by a nudge.
#[test]
fn loom_timer_v_sleep_in_the_poller() {
    model(|| {
        let (engine, parker) = (Engine::new(), Parker::new());
        let idle = Arc::new(Idle::new(1));
        let earliest = Arc::new(AtomicUsize::new(0));
        let (setter, timers) = (Arc::clone(&idle), Arc::clone(&earliest));
        let setting = thread::spawn(move || {
            timers.store(1, Relaxed);
            setter.nudge_keeper(false);
        });
        idle.sleep(0, &parker, false);
        while earliest.load(Relaxed) == 0 || !idle.leave(0) {
            assert!(
                !Engine::sleep(&engine, &parker),
                "nobody wakes it, it is nudged"
            );
        }
        setting.join().unwrap();
    });
}

/// The first socket of a runtime: its keeper moves from the system's parking to the poller.
#[test]
fn loom_first_socket_v_sleep() {
    model(|| {
        let (engine, parker) = (Engine::new(), Parker::new());
        let idle = Arc::new(Idle::new(1));
        let made = Arc::new(AtomicUsize::new(0));
        let (maker, place) = (Arc::clone(&idle), Arc::clone(&made));
        let making = thread::spawn(move || {
            place.store(1, Relaxed);
            maker.nudge_keeper(false);
        });
        idle.sleep(0, &parker, false);
        while made.load(Relaxed) == 0 {
            parker.park(None);
        }
        making.join().unwrap();
        parker.nudge();
        assert!(
            !Engine::sleep(&engine, &parker),
            "it sleeps there from now on"
        );
    });
}

#[test]
fn loom_only_a_sleeper_in_the_poller_is_interrupted() {
    model(|| {
        let (engine, parker) = (Engine::new(), Parker::new());
        parker.nudge();
        parker.wake();
        parker.nudge();
        assert!(
            Engine::sleep(&engine, &parker),
            "woken before it slept, once"
        );
        assert!(!*engine.interrupted.lock());
        assert!(!parker.take());
    });
}
