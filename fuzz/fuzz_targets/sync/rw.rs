//! A mutex for readers and writers, poll by poll, against an exact model of its rules.
//!
//! 1. Who comes has it at once if nobody is in the way, and no queued writer is *next*.
//! 2. A writer that finds readers, when it comes or when it looks again, makes the first queued writer next. The last
//!    reader that leaves hands over to it.
//! 3. When a writer leaves, all queued readers have it. The first queued writer is *nudged*: woken once, not served; it
//!    has the mutex if it finds it free at its poll, and a newcomer may be before it. One that is still on its way is
//!    not woken again. But one that has waited for a millisecond, or stands in several queues, is next instead: it is
//!    served as soon as the mutex is free.
//! 4. When the nudged one leaves, the writer behind it is next. When the last queued writer leaves, the readers go.
//!
//! Time counts in rule 3 only. Where a script comes so close to the millisecond that either may be right, it ends.

use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use arbitrary::Arbitrary;
use gochan::sync::rwmutex::{OwnedRwMutexReadGuard, OwnedRwMutexWriteGuard};
use gochan::sync::{RwMutex, RwMutexReadGuard, RwMutexWriteGuard};
use gochan::{Receiver, Sender, chan, select};

use crate::{ACTORS, Bell};

#[derive(Arbitrary, Debug)]
pub enum Step {
    Start {
        actor: u8,
        want: Want,
        how: How,
    },
    Try {
        actor: u8,
        want: Want,
        owned: bool,
    },
    Poll {
        actor: u8,
        fresh_waker: bool,
    },
    /// An operation in mid-wait, or what it has got.
    Drop {
        actor: u8,
    },
    Downgrade {
        actor: u8,
    },
    /// The other arm of its select.
    Elsewhere {
        actor: u8,
    },
    /// A select that does not wait.
    Glance {
        want: Want,
    },
    /// Long enough for the waiters to starve; seldom, since it takes its time.
    Pass {
        seldom: u8,
    },
}

#[derive(Arbitrary, Clone, Copy, Debug, PartialEq)]
pub enum Want {
    Read,
    Write,
}

#[derive(Arbitrary, Clone, Copy, Debug, PartialEq)]
pub enum How {
    Plain,
    Owned,
    /// Beside another arm.
    Select,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Doing {
    Nothing,
    Waiting(Want),
    /// Handed over, not polled since.
    Served(Want),
    Has(Want),
    /// The other arm of its select has won, and it has not been polled since; its place may still be in the queue.
    Won(Want),
}

/// An instant, as far as can be told from outside: between these two.
type Span = (Instant, Instant);

/// Whether the millisecond was over; `None` if that cannot be told.
fn is_late(since: Span, now: Span) -> Option<bool> {
    match (now.1 - since.0, now.0 - since.1) {
        (most, _) if most < Duration::from_micros(900) => Some(false),
        (_, least) if least > Duration::from_micros(1_100) => Some(true),
        _ => None,
    }
}

// ---- the model

struct Model {
    doing: [Doing; ACTORS],
    how: [How; ACTORS],
    since: [Option<Span>; ACTORS],
    /// Those that have a place in a queue.
    queue: VecDeque<usize>,
    readers: usize,
    writing: bool,
    /// The first queued writer is next.
    next: bool,
    /// The first queued writer was woken to look for itself, and has not looked; when.
    nudged: Option<Span>,
    /// Of the step that is being made.
    now: Span,
    /// Too close to the millisecond.
    doubtful: bool,
}

impl Model {
    fn is_free(&self, want: Want) -> bool {
        let shut = want == Want::Write && self.readers > 0;
        !self.writing && !shut && !self.next
    }

    /// The first place of that queue.
    fn first(&self, want: Want) -> Option<usize> {
        let wants = |a: &usize| match self.doing[*a] {
            Doing::Waiting(w) | Doing::Won(w) => w == want,
            _ => false,
        };
        self.queue.iter().copied().find(wants)
    }

    /// Serves the first of that queue who still waits.
    fn serve_first(&mut self, want: Want) -> bool {
        while let Some(actor) = self.first(want) {
            self.queue.retain(|a| *a != actor);
            if self.doing[actor] == Doing::Waiting(want) {
                self.doing[actor] = Doing::Served(want);
                self.take(want);
                return true;
            }
        }
        false
    }

    fn take(&mut self, want: Want) {
        match want {
            Want::Read => self.readers += 1,
            Want::Write => self.writing = true,
        }
    }

    fn begin(&mut self, actor: usize, want: Want) {
        match self.is_free(want) {
            true => {
                self.take(want);
                self.doing[actor] = Doing::Served(want);
            }
            false => {
                self.next |= want == Want::Write && !self.writing;
                self.doing[actor] = Doing::Waiting(want);
                self.queue.push_back(actor);
            }
        }
    }

    /// A waiter is polled: if it is the nudged one, it looks.
    fn look(&mut self, actor: usize) {
        let nudged = self.nudged.is_some() && self.first(Want::Write) == Some(actor);
        if !nudged {
            return;
        }
        self.nudged = None;
        match !self.writing && self.readers == 0 {
            true => self.serve_nudged(),
            false => self.next |= !self.writing,
        }
    }

    fn serve_nudged(&mut self) {
        assert!(self.serve_first(Want::Write));
        self.next = false;
    }

    fn readers_go(&mut self) {
        while self.serve_first(Want::Read) {}
    }

    fn writer_goes(&mut self) {
        if self.serve_first(Want::Write) {
            self.nudged = None;
        }
        self.next = false;
    }

    fn end_read(&mut self) {
        self.readers -= 1;
        if self.readers == 0 && self.next {
            self.writer_goes();
            self.last_writer_left();
        }
    }

    /// By a guard that is dropped: if the nudged one is on its way and nobody else is concerned, it just leaves.
    fn drop_write(&mut self) {
        if let Some(since) = self.nudged
            && self.first(Want::Read).is_none()
            && !self.late(since)
        {
            self.writing = false;
            return;
        }
        self.end_write();
    }

    fn late(&mut self, since: Span) -> bool {
        let late = is_late(since, self.now);
        self.doubtful |= late.is_none();
        late.unwrap_or(false)
    }

    fn end_write(&mut self) {
        self.writing = false;
        self.after_write();
    }

    fn after_write(&mut self) {
        self.readers_go();
        let Some(first) = self.first(Want::Write) else {
            return;
        };
        let since = self.since[first].expect("it waits");
        if self.how[first] == How::Select || self.late(since) {
            self.next = true;
            if self.readers == 0 {
                self.writer_goes();
            }
        } else {
            self.nudged.get_or_insert(self.now);
        }
    }

    fn last_writer_left(&mut self) {
        if self.first(Want::Write).is_none() {
            (self.next, self.nudged) = (false, None);
            if !self.writing {
                self.readers_go();
            }
        }
    }

    /// A place is given up.
    fn unqueue(&mut self, actor: usize) {
        let first = self.first(Want::Write);
        let before = self.queue.len();
        self.queue.retain(|a| *a != actor);
        self.doing[actor] = Doing::Nothing;
        if self.queue.len() == before {
            return;
        }
        if first == Some(actor) && self.nudged.take().is_some() && !self.writing {
            self.next = true;
            if self.readers == 0 {
                self.writer_goes();
            }
        }
        self.last_writer_left();
    }

    fn leave(&mut self, actor: usize) {
        match self.doing[actor] {
            Doing::Nothing => {}
            Doing::Served(Want::Write) => self.end_write(),
            Doing::Has(Want::Write) => self.drop_write(),
            Doing::Served(Want::Read) | Doing::Has(Want::Read) => self.end_read(),
            Doing::Waiting(_) | Doing::Won(_) => self.unqueue(actor),
        }
        self.doing[actor] = Doing::Nothing;
    }

    /// What the header of the code promises at any time.
    fn check(&self) {
        assert!(!self.writing || self.readers == 0);
        let (reader, writer) = (self.first(Want::Read), self.first(Want::Write));
        assert!(reader.is_none() || self.writing || self.next && writer.is_some());
        let held = self.writing || self.readers > 0;
        assert!(writer.is_none() || held || self.nudged.is_some());
        assert!(writer.is_some() || self.nudged.is_none() && !self.next);
    }
}

// ---- the real thing

#[allow(dead_code)] // held, not looked at
enum Got<'a> {
    Read(RwMutexReadGuard<'a, u32>),
    Write(RwMutexWriteGuard<'a, u32>),
    OwnedRead(OwnedRwMutexReadGuard<u32>),
    OwnedWrite(OwnedRwMutexWriteGuard<u32>),
    Elsewhere,
}

impl Got<'_> {
    fn check(&mut self, value: &mut u32) -> Option<Want> {
        match self {
            Got::Read(guard) => assert_eq!(**guard, *value),
            Got::OwnedRead(guard) => assert_eq!(**guard, *value),
            Got::Write(guard) => count(guard, value),
            Got::OwnedWrite(guard) => count(guard, value),
            Got::Elsewhere => return None,
        }
        Some(match self {
            Got::Write(_) | Got::OwnedWrite(_) => Want::Write,
            _ => Want::Read,
        })
    }

    fn downgraded(self) -> Self {
        match self {
            Got::Write(guard) => Got::Read(RwMutexWriteGuard::downgrade(guard)),
            Got::OwnedWrite(guard) => Got::OwnedRead(OwnedRwMutexWriteGuard::downgrade(guard)),
            other => other,
        }
    }
}

fn count(real: &mut u32, value: &mut u32) {
    assert_eq!(*real, *value, "somebody else was at it");
    *real += 1;
    *value += 1;
}

type Op<'a> = Pin<Box<dyn Future<Output = Got<'a>> + 'a>>;

#[derive(Default)]
struct Real<'a> {
    op: Option<Op<'a>>,
    got: Option<Got<'a>>,
    gate: Option<Sender<()>>,
    bell: Option<Arc<Bell>>,
    heard: usize,
}

impl Real<'_> {
    fn rung(&self) -> usize {
        self.bell.as_ref().map_or(0, |bell| bell.0.load(Relaxed)) - self.heard
    }
}

struct World<'a> {
    rw: &'a Arc<RwMutex<u32>>,
    model: Model,
    reals: [Real<'a>; ACTORS],
    value: u32,
}

async fn get<'a>(rw: &'a Arc<RwMutex<u32>>, want: Want, how: How, gate: Receiver<()>) -> Got<'a> {
    match (want, how) {
        (Want::Read, How::Plain) => Got::Read(rw.read().await),
        (Want::Write, How::Plain) => Got::Write(rw.write().await),
        (Want::Read, How::Owned) => Got::OwnedRead(rw.clone().read_owned().await),
        (Want::Write, How::Owned) => Got::OwnedWrite(rw.clone().write_owned().await),
        (Want::Read, How::Select) => select! {
            guard = rw.read() => Got::Read(guard),
            _ = gate.recv() => Got::Elsewhere,
        },
        (Want::Write, How::Select) => select! {
            guard = rw.write() => Got::Write(guard),
            _ = gate.recv() => Got::Elsewhere,
        },
    }
}

fn attempt<'a>(rw: &'a Arc<RwMutex<u32>>, want: Want, owned: bool) -> Option<Got<'a>> {
    match (want, owned) {
        (Want::Read, false) => rw.try_read().map(Got::Read),
        (Want::Write, false) => rw.try_write().map(Got::Write),
        (Want::Read, true) => rw.clone().try_read_owned().ok().map(Got::OwnedRead),
        (Want::Write, true) => rw.clone().try_write_owned().ok().map(Got::OwnedWrite),
    }
}

fn glance(rw: &RwMutex<u32>, want: Want) -> bool {
    match want {
        Want::Read => gochan::select_blocking! { _ = rw.read() => true, default => false },
        Want::Write => gochan::select_blocking! { _ = rw.write() => true, default => false },
    }
}

impl<'a> World<'a> {
    fn step(&mut self, step: &Step) {
        let index = |actor: u8| usize::from(actor) % ACTORS;
        match *step {
            Step::Start { actor, want, how } => self.start(index(actor), want, how),
            Step::Try { actor, want, owned } => self.attempt(index(actor), want, owned),
            Step::Poll { actor, fresh_waker } => {
                if self.reals[index(actor)].op.is_some() {
                    self.poll(index(actor), fresh_waker);
                }
            }
            Step::Drop { actor } => {
                let real = std::mem::take(&mut self.reals[index(actor)]);
                self.timed(|_| drop(real));
                self.model.leave(index(actor));
            }
            Step::Downgrade { actor } => self.downgrade(index(actor)),
            Step::Elsewhere { actor } => {
                let actor = index(actor);
                if let (Doing::Waiting(want), Some(gate)) =
                    (self.model.doing[actor], &self.reals[actor].gate)
                {
                    gate.try_send(()).expect("it waits");
                    self.model.doing[actor] = Doing::Won(want);
                }
            }
            Step::Glance { want } => {
                let free = self.model.is_free(want);
                let got = self.timed(|world| glance(world.rw, want));
                assert_eq!(got, free, "a glance at {want:?}");
                if free {
                    self.model.take(want);
                    match want {
                        Want::Read => self.model.end_read(),
                        Want::Write => self.model.drop_write(),
                    }
                }
            }
            Step::Pass { seldom } if seldom % 16 > 0 => {}
            Step::Pass { .. } => std::thread::sleep(Duration::from_micros(1_300)),
        }
    }

    fn timed<R>(&mut self, f: impl FnOnce(&mut Self) -> R) -> R {
        let before = Instant::now();
        let result = f(self);
        self.model.now = (before, Instant::now());
        result
    }

    fn start(&mut self, actor: usize, want: Want, how: How) {
        if self.model.doing[actor] != Doing::Nothing {
            return;
        }
        let (gate, opened) = chan(1);
        self.reals[actor] = Real {
            op: Some(Box::pin(get(self.rw, want, how, opened))),
            gate: (how == How::Select).then_some(gate),
            ..Real::default()
        };
        self.model.how[actor] = how;
        self.model.begin(actor, want);
        self.poll(actor, true);
        self.model.since[actor] = Some(self.model.now);
    }

    fn attempt(&mut self, actor: usize, want: Want, owned: bool) {
        if self.model.doing[actor] != Doing::Nothing {
            return;
        }
        let got = attempt(self.rw, want, owned);
        assert_eq!(got.is_some(), self.model.is_free(want), "a try to {want:?}");
        if let Some(mut got) = got {
            assert_eq!(got.check(&mut self.value), Some(want));
            self.model.take(want);
            self.model.doing[actor] = Doing::Has(want);
            self.reals[actor].got = Some(got);
        }
    }

    fn downgrade(&mut self, actor: usize) {
        if self.model.doing[actor] == Doing::Has(Want::Write) {
            let got = self.reals[actor].got.take().expect("it has it");
            let got = self.timed(|_| got.downgraded());
            self.reals[actor].got = Some(got);
            self.model.doing[actor] = Doing::Has(Want::Read);
            (self.model.writing, self.model.readers) = (false, 1);
            self.model.after_write();
        }
    }

    fn poll(&mut self, actor: usize, fresh_waker: bool) {
        let real = &mut self.reals[actor];
        if fresh_waker || real.bell.is_none() {
            real.bell = Some(Arc::new(Bell(AtomicUsize::new(0))));
        }
        let bell = real.bell.clone().expect("just made");
        real.heard = bell.0.load(Relaxed);
        let mut op = real.op.take().expect("an operation");
        let waker = Waker::from(bell);
        let polled = self.timed(|_| op.as_mut().poll(&mut Context::from_waker(&waker)));
        self.model.look(actor);
        match (polled, self.model.doing[actor]) {
            (Poll::Ready(mut got), Doing::Served(want)) => {
                assert_eq!(got.check(&mut self.value), Some(want));
                self.reals[actor].got = Some(got);
                self.model.doing[actor] = Doing::Has(want);
            }
            (Poll::Ready(Got::Elsewhere), Doing::Won(_)) => self.model.leave(actor),
            (Poll::Pending, Doing::Waiting(_)) => self.reals[actor].op = Some(op),
            (polled, doing) => panic!("actor {actor}: ready {}, and {doing:?}", polled.is_ready()),
        }
    }

    fn check(&self) {
        let model = &self.model;
        model.check();
        let stats = self.rw.stats();
        let queued = |want| {
            let wants = |a: &&usize| matches!(model.doing[**a], Doing::Waiting(w) | Doing::Won(w) if w == want);
            model.queue.iter().filter(wants).count()
        };
        assert_eq!(
            (stats.readers, stats.writer),
            (model.readers, model.writing)
        );
        assert_eq!(
            (stats.waiting_readers, stats.waiting_writers),
            (queued(Want::Read), queued(Want::Write))
        );
        let nudged = model.nudged.and_then(|_| model.first(Want::Write));
        for (actor, real) in self.reals.iter().enumerate() {
            let decided = matches!(model.doing[actor], Doing::Served(_) | Doing::Won(_));
            let told = usize::from(decided || nudged == Some(actor));
            assert_eq!(real.rung(), told, "wakes of actor {actor}");
        }
    }
}

pub fn run(script: &[Step]) {
    let rw = Arc::new(RwMutex::new(0));
    let now = Instant::now();
    let mut world = World {
        rw: &rw,
        model: Model {
            doing: [Doing::Nothing; ACTORS],
            how: [How::Plain; ACTORS],
            since: [None; ACTORS],
            queue: VecDeque::new(),
            readers: 0,
            writing: false,
            next: false,
            nudged: None,
            now: (now, now),
            doubtful: false,
        },
        reals: Default::default(),
        value: 0,
    };
    let drops = (0..ACTORS).map(|actor| Step::Drop { actor: actor as u8 });
    let drops: Vec<_> = drops.collect();
    for step in script.iter().take(200).chain(&drops) {
        world.step(step);
        if world.model.doubtful {
            break;
        }
        world.check();
    }
    drop(world);
    assert!(rw.try_write().is_some());
}
