//! A semaphore and a group, poll by poll, against exact models: both hand over in order.

use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::task::{Context, Poll, Waker};

use arbitrary::Arbitrary;
use gochan::sync::{Semaphore, SemaphorePermit, WaitGroup};

use crate::{ACTORS, Bell};

const PERMITS: usize = 4;

#[derive(Arbitrary, Debug)]
pub enum Step {
    Start {
        actor: u8,
        want: Want,
    },
    Poll {
        actor: u8,
        fresh_waker: bool,
    },
    /// An operation in mid-wait, or what it has got.
    Drop {
        actor: u8,
    },
    Add,
    Done,
}

#[derive(Arbitrary, Clone, Copy, Debug, PartialEq)]
pub enum Want {
    Permits(u8),
    Zero,
}

impl Want {
    fn permits(self) -> usize {
        match self {
            Want::Permits(n) => 1 + usize::from(n) % PERMITS,
            _ => 0,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Doing {
    Nothing,
    Waiting(Want),
    /// Handed over, not polled since.
    Served(Want),
    Has(Want),
}

// ---- the model

struct Model {
    doing: [Doing; ACTORS],
    queue: VecDeque<usize>,
    permits: usize,
    count: usize,
}

impl Model {
    fn first(&self, wanted: impl Fn(Want) -> bool) -> Option<(usize, Want)> {
        let of = |a: &usize| match self.doing[*a] {
            Doing::Waiting(want) if wanted(want) => Some((*a, want)),
            _ => None,
        };
        self.queue.iter().find_map(of)
    }

    fn serve(&mut self, actor: usize, want: Want) {
        self.queue.retain(|a| *a != actor);
        self.doing[actor] = Doing::Served(want);
        self.take(want);
    }

    fn take(&mut self, want: Want) {
        match want {
            Want::Permits(_) => self.permits -= want.permits(),
            Want::Zero => {}
        }
    }

    /// Whether a newcomer has it at once.
    fn is_free(&self, want: Want) -> bool {
        let asked = |of: fn(Want) -> bool| self.first(of).is_some();
        match want {
            Want::Permits(_) => !asked(|w| w.permits() > 0) && self.permits >= want.permits(),
            Want::Zero => self.count == 0,
        }
    }

    fn permits_go(&mut self) {
        while let Some((actor, want)) = self.first(|w| w.permits() > 0)
            && want.permits() <= self.permits
        {
            self.serve(actor, want);
        }
    }

    /// Gives back what it had, or was handed.
    fn give_back(&mut self, want: Want) {
        match want {
            Want::Permits(_) => {
                self.permits += want.permits();
                self.permits_go();
            }
            Want::Zero => {}
        }
    }

    fn leave(&mut self, actor: usize) {
        self.queue.retain(|a| *a != actor);
        match std::mem::replace(&mut self.doing[actor], Doing::Nothing) {
            Doing::Nothing => {}
            Doing::Served(want) | Doing::Has(want) => self.give_back(want),
            Doing::Waiting(Want::Permits(_)) => self.permits_go(),
            Doing::Waiting(_) => {}
        }
    }

    fn done(&mut self) {
        self.count -= 1;
        while self.count == 0
            && let Some((actor, want)) = self.first(|w| w == Want::Zero)
        {
            self.serve(actor, want);
        }
    }
}

// ---- the real thing

#[allow(dead_code)] // held, not looked at
enum Got<'a> {
    Permits(SemaphorePermit<'a>),
    Zero,
}

#[derive(Default)]
struct Real<'a> {
    op: Option<Pin<Box<dyn Future<Output = Got<'a>> + 'a>>>,
    got: Option<Got<'a>>,
    bell: Option<Arc<Bell>>,
    heard: usize,
}

impl Real<'_> {
    fn rung(&self) -> usize {
        self.bell.as_ref().map_or(0, |bell| bell.0.load(Relaxed)) - self.heard
    }
}

struct World<'a> {
    sem: &'a Semaphore,
    group: &'a WaitGroup,
    model: Model,
    reals: [Real<'a>; ACTORS],
}

async fn get<'a>(sem: &'a Semaphore, group: &'a WaitGroup, want: Want) -> Got<'a> {
    match want {
        Want::Permits(_) => Got::Permits(sem.acquire_many(want.permits()).await.expect("open")),
        Want::Zero => {
            group.wait().await;
            Got::Zero
        }
    }
}

impl World<'_> {
    fn step(&mut self, step: &Step) {
        let index = |actor: &u8| usize::from(*actor) % ACTORS;
        match step {
            Step::Start { actor, want } => {
                let actor = index(actor);
                if self.model.doing[actor] == Doing::Nothing {
                    let op = Box::pin(get(self.sem, self.group, *want));
                    self.reals[actor] = Real {
                        op: Some(op),
                        ..Real::default()
                    };
                    let free = self.model.is_free(*want);
                    match free {
                        true => self.model.serve(actor, *want),
                        false => {
                            self.model.doing[actor] = Doing::Waiting(*want);
                            self.model.queue.push_back(actor);
                        }
                    }
                    self.poll(actor, true);
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
                self.model.leave(actor);
                self.reals[actor] = Real::default();
            }
            Step::Add => {
                // Not while somebody has been let go and has not looked: Go's "reused before previous Wait has returned".
                let reused = self.model.doing.contains(&Doing::Served(Want::Zero));
                if self.model.count < 3 && !reused {
                    self.model.count += 1;
                    self.group.add(1);
                }
            }
            Step::Done => {
                if self.model.count > 0 {
                    self.model.done();
                    self.group.done();
                }
            }
        }
    }

    fn poll(&mut self, actor: usize, fresh_waker: bool) {
        let real = &mut self.reals[actor];
        if fresh_waker || real.bell.is_none() {
            real.bell = Some(Arc::new(Bell(AtomicUsize::new(0))));
        }
        let bell = real.bell.clone().expect("just made");
        real.heard = bell.0.load(Relaxed);
        let op = real.op.as_mut().expect("an operation");
        let polled = op
            .as_mut()
            .poll(&mut Context::from_waker(&Waker::from(bell)));
        match (polled, self.model.doing[actor]) {
            (Poll::Ready(got), Doing::Served(want)) => {
                match &got {
                    Got::Permits(permit) => assert_eq!(permit.count(), want.permits()),
                    Got::Zero => {}
                }
                real.op = None;
                real.got = Some(got);
                self.model.doing[actor] = Doing::Has(want);
            }
            (Poll::Pending, Doing::Waiting(_)) => {}
            (polled, doing) => panic!("actor {actor}: ready {}, and {doing:?}", polled.is_ready()),
        }
    }

    fn check(&self) {
        assert_eq!(self.sem.available(), self.model.permits);
        assert_eq!(self.group.count(), self.model.count);
        for (actor, real) in self.reals.iter().enumerate() {
            let told = usize::from(matches!(self.model.doing[actor], Doing::Served(_)));
            assert_eq!(real.rung(), told, "wakes of actor {actor}");
        }
    }
}

pub fn run(script: &[Step]) {
    let (sem, group) = (Semaphore::new(PERMITS), WaitGroup::new());
    let mut world = World {
        sem: &sem,
        group: &group,
        model: Model {
            doing: [Doing::Nothing; ACTORS],
            queue: VecDeque::new(),
            permits: PERMITS,
            count: 0,
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
    assert_eq!(sem.available(), PERMITS);
}
