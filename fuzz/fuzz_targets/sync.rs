//! Locks, conditions, semaphores and groups, poll by poll, against sequential models. Here are mutex and condition
//! variable; what hands over in order is in `sync/queued.rs`, the mutex for readers and writers in `sync/rw.rs`.
//!
//! Bytes become a script for a few actors, each with one operation at a time: lock, wait for a signal, try, give back,
//! drop in mid-wait, signal, broadcast. After each step the real objects must have done what the model allows.
//!
//! A mutex hands over after a millisecond and lets newcomers in before that, so the model of it does not say who has it
//! next, but what must hold in both modes:
//! 1. One actor at a time has it, and the value shows that nobody else had.
//! 2. Waiters have it in their order; a newcomer only while nobody has it.
//! 3. While nobody has it and somebody waits, the first waiter has been woken and not polled since.
//! 4. Whoever is woken has something to look at: it is the first waiter, or has had its signal.
//!
//! A condition variable is exact: signals go in the order of the waits, one that is dropped passes its signal on, a
//! broadcast reaches those who wait and is not passed on.

#![no_main]

#[path = "sync/queued.rs"]
mod queued;
#[path = "sync/rw.rs"]
mod rw;

use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::task::{Context, Poll, Wake, Waker};

use arbitrary::Arbitrary;
use gochan::select;
use gochan::sync::{Cond, Mutex, MutexGuard};
use libfuzzer_sys::fuzz_target;

const ACTORS: usize = 6;

#[derive(Arbitrary, Debug)]
enum Script {
    Locks(Vec<Step>),
    Queued(Vec<queued::Step>),
    Rw(Vec<rw::Step>),
}

#[derive(Arbitrary, Debug)]
enum Step {
    Lock {
        actor: u8,
        how: How,
    },
    /// With the guard that it has.
    Wait {
        actor: u8,
    },
    Try {
        actor: u8,
    },
    Poll {
        actor: u8,
        fresh_waker: bool,
    },
    /// Of an operation in mid-wait, or a guard.
    Drop {
        actor: u8,
    },
    NotifyOne,
    NotifyAll,
    /// Long enough for the waiters to starve; seldom, since it takes its time.
    Pass {
        seldom: u8,
    },
}

#[derive(Arbitrary, Clone, Copy, Debug, PartialEq)]
enum How {
    Plain,
    /// As one arm of a select, beside a mutex that is never free.
    Select,
    Owned,
}

// ---- the model

#[derive(Clone, Copy, Debug, PartialEq)]
enum Doing {
    Nothing,
    /// Waits for the mutex; after a signal if `owed` says of what kind.
    Locking {
        owed: Option<Signal>,
    },
    /// Waits for a signal.
    Waiting,
    /// Was sent one, and has not been polled since.
    Signalled(Signal),
    Holding,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Signal {
    One,
    All,
}

struct Model {
    doing: [Doing; ACTORS],
    /// Those who wait for the mutex, in their order.
    lockq: VecDeque<usize>,
    /// Those who wait for a signal.
    condq: VecDeque<usize>,
    value: u32,
}

impl Model {
    fn holder(&self) -> Option<usize> {
        self.doing.iter().position(|d| *d == Doing::Holding)
    }

    fn signal(&mut self) {
        if let Some(actor) = self.condq.pop_front() {
            self.doing[actor] = Doing::Signalled(Signal::One);
        }
    }

    /// The actor's operation is dropped.
    fn leave(&mut self, actor: usize) {
        self.lockq.retain(|a| *a != actor);
        self.condq.retain(|a| *a != actor);
        let was = std::mem::replace(&mut self.doing[actor], Doing::Nothing);
        if let Doing::Signalled(Signal::One)
        | Doing::Locking {
            owed: Some(Signal::One),
        } = was
        {
            self.signal();
        }
    }
}

// ---- the real thing

struct Bell(AtomicUsize);

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Relaxed);
    }
}

enum Guard<'a> {
    Lent(MutexGuard<'a, u32>),
    Owned(gochan::sync::OwnedMutexGuard<u32>),
}

impl Guard<'_> {
    fn value(&mut self) -> &mut u32 {
        match self {
            Guard::Lent(guard) => guard,
            Guard::Owned(guard) => guard,
        }
    }
}

#[derive(Default)]
struct Real<'a> {
    op: Option<Pin<Box<dyn Future<Output = Guard<'a>> + 'a>>>,
    guard: Option<Guard<'a>>,
    bell: Option<Arc<Bell>>,
    /// Rings of the bell up to the last poll.
    heard: usize,
}

impl Real<'_> {
    fn rung(&self) -> usize {
        self.bell.as_ref().map_or(0, |bell| bell.0.load(Relaxed)) - self.heard
    }
}

struct World<'a> {
    mutex: &'a Arc<Mutex<u32>>,
    /// Somebody outside has it, always.
    taken: &'a Mutex<u32>,
    cond: &'a Cond,
    model: Model,
    reals: [Real<'a>; ACTORS],
}

async fn locked<'a>(mutex: &'a Arc<Mutex<u32>>, taken: &'a Mutex<u32>, how: How) -> Guard<'a> {
    match how {
        How::Plain => Guard::Lent(mutex.lock().await),
        How::Owned => Guard::Owned(mutex.clone().lock_owned().await),
        How::Select => select! {
            guard = mutex.lock() => Guard::Lent(guard),
            _ = taken.lock() => unreachable!("it is never free"),
        },
    }
}

impl<'a> World<'a> {
    fn step(&mut self, step: &Step) {
        let index = |actor: &u8| usize::from(*actor) % ACTORS;
        match step {
            Step::Lock { actor, how } => {
                let actor = index(actor);
                if self.model.doing[actor] == Doing::Nothing {
                    self.start(actor, Box::pin(locked(self.mutex, self.taken, *how)));
                    self.model.doing[actor] = Doing::Locking { owed: None };
                    self.poll(actor, true);
                }
            }
            Step::Wait { actor } => {
                let actor = index(actor);
                if let Some(Guard::Lent(guard)) = self.reals[actor].guard.take_if(Guard::is_lent) {
                    let cond = self.cond;
                    let wait = async move { Guard::Lent(cond.wait(guard).await) };
                    self.start(actor, Box::pin(wait));
                    self.model.doing[actor] = Doing::Waiting;
                    self.model.condq.push_back(actor);
                    self.poll(actor, false);
                }
            }
            Step::Try { actor } => {
                let actor = index(actor);
                if self.model.doing[actor] == Doing::Nothing
                    && let Some(guard) = self.mutex.try_lock()
                {
                    self.has(actor, Guard::Lent(guard));
                }
            }
            Step::Poll { actor, fresh_waker } => {
                let actor = index(actor);
                if self.reals[actor].op.is_some() {
                    self.poll(actor, *fresh_waker);
                }
            }
            Step::Drop { actor } => {
                let actor = index(actor);
                // The model first: what is passed on must be there when the wakers are counted.
                self.model.leave(actor);
                self.reals[actor] = Real::default();
            }
            Step::NotifyOne => {
                self.model.signal();
                self.cond.notify_one();
            }
            Step::NotifyAll => {
                while let Some(actor) = self.model.condq.pop_front() {
                    self.model.doing[actor] = Doing::Signalled(Signal::All);
                }
                self.cond.notify_all();
            }
            Step::Pass { seldom } if seldom % 16 > 0 => {}
            Step::Pass { .. } => std::thread::sleep(std::time::Duration::from_micros(1_100)),
        }
    }

    fn start(&mut self, actor: usize, op: Pin<Box<dyn Future<Output = Guard<'a>> + 'a>>) {
        self.reals[actor] = Real {
            op: Some(op),
            ..Real::default()
        };
    }

    fn poll(&mut self, actor: usize, fresh_waker: bool) {
        let real = &mut self.reals[actor];
        if fresh_waker || real.bell.is_none() {
            real.bell = Some(Arc::new(Bell(AtomicUsize::new(0))));
        }
        let bell = real.bell.clone().expect("just made");
        real.heard = bell.0.load(Relaxed);
        let waker = Waker::from(bell);
        let op = real.op.as_mut().expect("an operation");
        let polled = op.as_mut().poll(&mut Context::from_waker(&waker));
        if let Doing::Signalled(signal) = self.model.doing[actor] {
            self.model.doing[actor] = Doing::Locking { owed: Some(signal) };
        }
        match polled {
            Poll::Ready(guard) => {
                assert!(
                    matches!(self.model.doing[actor], Doing::Locking { .. }),
                    "actor {actor} was not signalled"
                );
                if self.model.lockq.contains(&actor) {
                    let first = self.model.lockq.pop_front();
                    assert_eq!(first, Some(actor), "it was not its turn");
                }
                self.has(actor, guard);
            }
            Poll::Pending => match self.model.doing[actor] {
                Doing::Waiting => {}
                Doing::Locking { .. } if self.model.lockq.contains(&actor) => {}
                Doing::Locking { .. } => {
                    assert!(self.mutex.is_locked(), "it waits for a mutex that is free");
                    self.model.lockq.push_back(actor);
                }
                other => panic!("actor {actor} waits although it is {other:?}"),
            },
        }
    }

    fn has(&mut self, actor: usize, mut guard: Guard<'a>) {
        assert_eq!(self.model.holder(), None, "two at once");
        assert_eq!(*guard.value(), self.model.value, "somebody else was at it");
        self.model.value += 1;
        *guard.value() += 1;
        self.model.doing[actor] = Doing::Holding;
        self.reals[actor].op = None;
        self.reals[actor].guard = Some(guard);
    }

    fn check(&self) {
        assert_eq!(self.cond.waiters(), self.model.condq.len());
        let held = self.model.holder().is_some();
        assert!(!held || self.mutex.is_locked());
        if let Some(first) = self.model.lockq.front()
            && !held
        {
            assert!(self.reals[*first].rung() > 0, "nobody tells the first");
        }
        if self.model.lockq.is_empty() {
            assert_eq!(self.mutex.is_locked(), held);
        }
        for (actor, real) in self.reals.iter().enumerate() {
            let reason = match self.model.doing[actor] {
                Doing::Signalled(_) => {
                    assert_eq!(real.rung(), 1, "actor {actor} has a signal");
                    true
                }
                Doing::Locking { .. } => self.model.lockq.front() == Some(&actor),
                _ => false,
            };
            assert!(
                reason || real.rung() == 0,
                "actor {actor} was woken for nothing"
            );
            assert!(real.rung() <= 1, "actor {actor} was woken twice");
        }
    }
}

impl Guard<'_> {
    fn is_lent(&mut self) -> bool {
        matches!(self, Guard::Lent(_))
    }
}

fuzz_target!(|script: Script| match script {
    Script::Locks(script) => run(&script),
    Script::Queued(script) => queued::run(&script),
    Script::Rw(script) => rw::run(&script),
});

fn run(script: &[Step]) {
    let (mutex, taken) = (Arc::new(Mutex::new(0)), Mutex::new(0));
    let cond = Cond::new();
    let _outside = taken.try_lock();
    let mut world = World {
        mutex: &mutex,
        taken: &taken,
        cond: &cond,
        model: Model {
            doing: [Doing::Nothing; ACTORS],
            lockq: VecDeque::new(),
            condq: VecDeque::new(),
            value: 0,
        },
        reals: Default::default(),
    };
    for step in script.iter().take(200) {
        world.step(step);
        world.check();
    }
    for actor in 0..ACTORS {
        world.step(&Step::Drop { actor: actor as u8 });
        world.check();
    }
    drop(world);
    assert!(!mutex.is_locked() && mutex.stats().waiters.is_empty());
}
