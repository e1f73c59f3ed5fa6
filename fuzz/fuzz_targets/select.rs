//! Channels and selects, poll by poll, against a model of Go's.
//!
//! Bytes become a script for a few actors over a few channels. Each actor runs one select at a time, of up to three
//! receives and three sends (any two of which may be on one channel), perhaps with a default, perhaps with its sends
//! lent by `&mut`. After each step the real channels must have done what the model allows: a select that can go on does
//! so, with an arm that was ready; one that cannot parks; whoever is served is woken exactly once; values arrive once
//! and in order; a value handed to an actor that is then dropped goes to the next receiver, else back to the front.

#![no_main]

use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::task::{Context, Poll, Wake, Waker};

use arbitrary::Arbitrary;
use gochan::{Receiver, Sender, chan, select};
use libfuzzer_sys::fuzz_target;

const ACTORS: usize = 5;

#[derive(Arbitrary, Debug)]
struct Script {
    /// Capacities, 0 to 3.
    caps: [u8; 3],
    steps: Vec<Step>,
}

#[derive(Arbitrary, Debug)]
enum Step {
    /// Starts a select. An arm is a channel, or none.
    Start {
        actor: u8,
        recvs: [Option<u8>; 3],
        sends: [Option<u8>; 3],
        how: How,
    },
    Poll {
        actor: u8,
        fresh_waker: bool,
    },
    Drop {
        actor: u8,
    },
    Close {
        chan: u8,
    },
}

#[derive(Arbitrary, Clone, Copy, Debug, PartialEq)]
enum How {
    Plain,
    Biased,
    Default,
    Lent,
}

/// What an actor's select came to.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Out {
    Recv(usize, Option<u32>),
    Sent(usize, bool),
    Default,
}

// ---- the model

#[derive(Default)]
struct Chan {
    cap: usize,
    closed: bool,
    buf: VecDeque<u32>,
    /// Values that came back, with the number of their hand-over.
    back: Vec<(usize, u32)>,
    handed: usize,
    recvq: VecDeque<usize>,
    sendq: VecDeque<usize>,
}

/// An actor that waits, or has been served and not polled since.
#[derive(Clone)]
struct Actor {
    value: u32,
    recvs: Vec<usize>,
    sends: Vec<usize>,
    /// The result, and the number of the hand-over for a value.
    served: Option<(Out, usize)>,
}

#[derive(Default)]
struct Model {
    chans: Vec<Chan>,
    actors: Vec<Option<Actor>>,
    /// Wakes that each actor must have had since it parked.
    woken: [usize; ACTORS],
}

impl Model {
    fn len(&self, c: usize) -> usize {
        self.chans[c].buf.len() + self.chans[c].back.len()
    }

    fn can_recv(&self, c: usize) -> bool {
        self.len(c) > 0 || !self.chans[c].sendq.is_empty() || self.chans[c].closed
    }

    fn can_send(&self, c: usize) -> bool {
        self.chans[c].closed || !self.chans[c].recvq.is_empty() || self.len(c) < self.chans[c].cap
    }

    fn can(&self, out: Out) -> bool {
        match out {
            Out::Recv(c, _) => self.can_recv(c),
            Out::Sent(c, _) => self.can_send(c),
            Out::Default => false,
        }
    }

    /// A waiting actor is served: out of all queues, to be woken.
    fn serve(&mut self, actor: usize, out: Out, number: usize) {
        for chan in &mut self.chans {
            chan.recvq.retain(|a| *a != actor);
            chan.sendq.retain(|a| *a != actor);
        }
        self.actors[actor].as_mut().unwrap().served = Some((out, number));
        self.woken[actor] += 1;
    }

    fn value_of(&self, actor: usize) -> u32 {
        self.actors[actor].as_ref().unwrap().value
    }

    fn send(&mut self, c: usize, value: u32) -> bool {
        if self.chans[c].closed {
            return false;
        }
        match self.chans[c].recvq.front() {
            Some(&actor) => self.hand_over(c, actor, value),
            None => self.chans[c].buf.push_back(value),
        }
        true
    }

    fn hand_over(&mut self, c: usize, actor: usize, value: u32) {
        self.chans[c].handed += 1;
        let number = self.chans[c].handed;
        self.serve(actor, Out::Recv(c, Some(value)), number);
    }

    fn recv(&mut self, c: usize) -> Option<u32> {
        let chan = &mut self.chans[c];
        let value = if chan.back.is_empty() {
            chan.buf.pop_front()
        } else {
            Some(chan.back.remove(0).1)
        };
        match (value, self.chans[c].sendq.front().copied()) {
            (Some(_), Some(actor)) if self.len(c) < self.chans[c].cap => {
                let moved = self.value_of(actor);
                self.chans[c].buf.push_back(moved);
                self.serve(actor, Out::Sent(c, true), 0);
                value
            }
            (None, Some(actor)) => {
                let value = self.value_of(actor);
                self.chans[c].handed += 0;
                self.serve(actor, Out::Sent(c, true), 0);
                Some(value)
            }
            _ => value,
        }
    }

    fn park(&mut self, actor: usize) {
        let arms = self.actors[actor].clone().unwrap();
        arms.recvs
            .iter()
            .for_each(|c| self.chans[*c].recvq.push_back(actor));
        arms.sends
            .iter()
            .for_each(|c| self.chans[*c].sendq.push_back(actor));
        self.woken[actor] = 0;
    }

    fn drop_actor(&mut self, actor: usize) {
        for chan in &mut self.chans {
            chan.recvq.retain(|a| *a != actor);
            chan.sendq.retain(|a| *a != actor);
        }
        let Some(gone) = self.actors[actor].take() else {
            return;
        };
        if let Some((Out::Recv(c, Some(value)), number)) = gone.served {
            match self.chans[c].recvq.front() {
                Some(&next) => self.hand_over(c, next, value),
                None => {
                    let at = self.chans[c].back.partition_point(|(n, _)| *n <= number);
                    self.chans[c].back.insert(at, (number, value));
                }
            }
        }
    }

    fn close(&mut self, c: usize) {
        if std::mem::replace(&mut self.chans[c].closed, true) {
            return;
        }
        while let Some(&actor) = self.chans[c].recvq.front() {
            self.serve(actor, Out::Recv(c, None), 0);
        }
        while let Some(&actor) = self.chans[c].sendq.front() {
            self.serve(actor, Out::Sent(c, false), 0);
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

struct Real<'a> {
    select: Pin<Box<dyn Future<Output = Out> + 'a>>,
    bells: Vec<Arc<Bell>>,
    parked: bool,
}

type Pair = (Sender<u32>, Receiver<u32>);

/// The select of a start step.
async fn run(
    chans: &[Pair],
    recvs: [Option<usize>; 3],
    sends: [Option<usize>; 3],
    value: u32,
    how: How,
) -> Out {
    let [r0, r1, r2] = recvs.map(|c| c.map(|c| chans[c].1.recv()));
    let [mut s0, mut s1, mut s2] = sends.map(|c| c.map(|c| chans[c].0.send(value)));
    let got = |i: usize, v: Result<u32, gochan::RecvError>| Out::Recv(recvs[i].unwrap(), v.ok());
    let sent = |i: usize, r: Result<(), gochan::SendError<u32>>| {
        let ok = r.is_ok();
        assert!(
            r.map_or_else(|e| e.into_inner() == value, |()| true),
            "the value comes back"
        );
        Out::Sent(sends[i].unwrap(), ok)
    };
    match how {
        How::Plain => select! {
            v = r0 => got(0, v), v = r1 => got(1, v), v = r2 => got(2, v),
            r = s0 => sent(0, r), r = s1 => sent(1, r), r = s2 => sent(2, r),
        },
        How::Biased => select! {
            biased;
            r = s0 => sent(0, r), v = r0 => got(0, v), r = s1 => sent(1, r),
            v = r1 => got(1, v), r = s2 => sent(2, r), v = r2 => got(2, v),
        },
        How::Default => select! {
            v = r0 => got(0, v), v = r1 => got(1, v), v = r2 => got(2, v),
            r = s0 => sent(0, r), r = s1 => sent(1, r), r = s2 => sent(2, r),
            default => Out::Default,
        },
        How::Lent => {
            let (out, winner) = select! {
                r = s0.as_mut() => (sent(0, r), 0), r = s1.as_mut() => (sent(1, r), 1), r = s2.as_mut() => (sent(2, r), 2),
                v = r0 => (got(0, v), 3), v = r1 => (got(1, v), 3), v = r2 => (got(2, v), 3),
            };
            for (i, send) in [s0, s1, s2].into_iter().enumerate() {
                let kept = send.filter(|_| i != winner).map(|send| send.into_inner());
                assert!(
                    kept.is_none_or(|kept| kept == Some(value)),
                    "a lent send that lost keeps its value"
                );
            }
            out
        }
    }
}

fuzz_target!(|script: Script| {
    let caps = script.caps.map(|cap| usize::from(cap % 4));
    let chans: Vec<Pair> = caps.iter().map(|cap| chan(*cap)).collect();
    let mut model = Model {
        actors: vec![None; ACTORS],
        ..Model::default()
    };
    model.chans = caps
        .iter()
        .map(|cap| Chan {
            cap: *cap,
            ..Chan::default()
        })
        .collect();
    let mut reals: [Option<Real<'_>>; ACTORS] = Default::default();
    let pick = |c: &Option<u8>| c.map(|c| usize::from(c) % caps.len());
    let mut next = 0;
    for step in script.steps.iter().take(200) {
        match step {
            Step::Start {
                actor,
                recvs,
                sends,
                how,
            } => {
                let actor = usize::from(*actor) % ACTORS;
                if reals[actor].is_some() {
                    continue;
                }
                next += 1;
                let (recvs, sends) = (recvs.map(|c| pick(&c)), sends.map(|c| pick(&c)));
                model.actors[actor] = Some(Actor {
                    value: next,
                    recvs: recvs.iter().copied().flatten().collect(),
                    sends: sends.iter().copied().flatten().collect(),
                    served: None,
                });
                let select = Box::pin(run(&chans, recvs, sends, next, *how));
                reals[actor] = Some(Real {
                    select,
                    bells: Vec::new(),
                    parked: false,
                });
                poll(&mut model, &mut reals, actor, *how == How::Default, true);
            }
            Step::Poll { actor, fresh_waker } => {
                poll(
                    &mut model,
                    &mut reals,
                    usize::from(*actor) % ACTORS,
                    false,
                    *fresh_waker,
                );
            }
            Step::Drop { actor } => {
                let actor = usize::from(*actor) % ACTORS;
                reals[actor] = None;
                model.drop_actor(actor);
            }
            Step::Close { chan } => {
                let c = usize::from(*chan) % caps.len();
                assert_eq!(chans[c].0.close(), !model.chans[c].closed);
                model.close(c);
            }
        }
        check(&model, &reals, &chans);
    }
});

fn poll(
    model: &mut Model,
    reals: &mut [Option<Real<'_>>; ACTORS],
    actor: usize,
    default: bool,
    fresh: bool,
) {
    let Some(real) = &mut reals[actor] else {
        return;
    };
    if fresh || real.bells.is_empty() {
        real.bells.push(Arc::new(Bell(AtomicUsize::new(0))));
    }
    let waker = Waker::from(real.bells.last().unwrap().clone());
    let polled = real.select.as_mut().poll(&mut Context::from_waker(&waker));
    let Poll::Ready(out) = polled else {
        let arms = model.actors[actor].as_ref().unwrap();
        assert!(
            arms.served.is_none(),
            "actor {actor} was served and says Pending"
        );
        if !std::mem::replace(&mut real.parked, true) {
            assert!(!default, "a select with a default does not wait");
            let (recvs, sends) = (&arms.recvs, &arms.sends);
            assert!(
                !recvs.iter().any(|c| model.can_recv(*c))
                    && !sends.iter().any(|c| model.can_send(*c)),
                "it could go on"
            );
            model.park(actor);
        }
        return;
    };
    let was_parked = real.parked;
    reals[actor] = None;
    let arms = model.actors[actor].clone().unwrap();
    if was_parked {
        let (served, _) = arms.served.expect("it parked, and nobody has served it");
        assert_eq!(out, served);
    } else {
        let ready = arms.recvs.iter().any(|c| model.can_recv(*c))
            || arms.sends.iter().any(|c| model.can_send(*c));
        match out {
            Out::Default => assert!(default && !ready, "default although an arm was ready"),
            Out::Recv(c, value) => {
                assert!(
                    arms.recvs.contains(&c) && model.can(out),
                    "an arm that was not ready"
                );
                assert_eq!(value, model.recv(c));
            }
            Out::Sent(c, ok) => {
                assert!(
                    arms.sends.contains(&c) && model.can(out),
                    "an arm that was not ready"
                );
                assert_eq!(ok, model.send(c, arms.value));
            }
        }
    }
    model.actors[actor] = None;
}

/// Lengths, and who has been woken.
fn check(model: &Model, reals: &[Option<Real<'_>>; ACTORS], chans: &[Pair]) {
    for (c, (tx, rx)) in chans.iter().enumerate() {
        assert_eq!(rx.len(), model.len(c));
        assert_eq!(tx.is_closed(), model.chans[c].closed);
    }
    for (actor, real) in reals.iter().enumerate() {
        let Some(real) = real.as_ref().filter(|real| real.parked) else {
            continue;
        };
        let rung: usize = real.bells.iter().map(|bell| bell.0.load(Relaxed)).sum();
        assert_eq!(rung, model.woken[actor], "wakes of actor {actor}");
    }
}
