//! Models of the wait protocol, over a toy object that holds values: a wait, and a peer that gives.
//!
//! What they are not: models of a channel. Those are in `chan/tests/loom.rs`, and build on what is true here.
//!
//! The shim lets loom see the end of a cell and of a waiter's word as a write, so a peer that touches a wait after its
//! DONE is caught as a race with the owner's free.

use std::collections::VecDeque;
use std::future::Future;
use std::panic::Location;
use std::pin::{Pin, pin};
use std::sync::Arc as StdArc;
use std::sync::atomic::{AtomicUsize as StdUsize, Ordering as Std};
use std::task::{Context, Poll, Wake, Waker};

use pin_project_lite::pin_project;

use ::loom::sync::Notify;
use ::loom::thread;

use super::lock::Object;
use super::op::{Look, Op, Park};
use super::parker;
use super::queue::Queue;
use super::reason::WaitReason;
use super::waiter::How;
use super::wakes::Wakes;
use crate::hook::Kind;
use crate::shim::{Arc, model_with};

// === tools for all models ===

/// A waker that counts. The count is no part of the model and orders nothing in it.
#[derive(Default)]
pub(crate) struct Count(StdUsize);

impl Count {
    pub(crate) fn new() -> (StdArc<Count>, Waker) {
        let count = StdArc::new(Count::default());
        (count.clone(), count.into())
    }
    pub(crate) fn get(&self) -> usize {
        self.0.load(Std::SeqCst)
    }
}

impl Wake for Count {
    fn wake(self: StdArc<Self>) {
        self.0.fetch_add(1, Std::SeqCst);
    }
}

/// A waker to wait for. Its wait may end for no reason, once.
#[derive(Default)]
struct Bell(Notify);

impl Wake for Bell {
    fn wake(self: StdArc<Self>) {
        self.0.notify();
    }
}

/// Drives a future to its end. If nobody wakes it, loom reports a deadlock.
pub(crate) fn block_on<F: Future>(future: F) -> F::Output {
    let bell = StdArc::new(Bell::default());
    let waker = bell.clone().into();
    let mut future = pin!(future);
    loop {
        if let Poll::Ready(out) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
            return out;
        }
        bell.0.wait();
    }
}

/// One poll.
pub(crate) fn poll<F: Future>(future: Pin<&mut F>, waker: &Waker) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(waker))
}

// === the toy ===

/// Values, and those who wait for one.
struct Spot {
    values: VecDeque<u32>,
    takers: Queue<Option<u32>>,
}

impl Spot {
    fn give(&mut self, value: u32, wakes: &mut Wakes) {
        let Some(mut taker) = self.takers.pop_claim() else {
            return self.values.push_back(value);
        };
        *taker.payload() = Some(value);
        taker.complete(How::Given, wakes);
    }
}

type Toy = Arc<Object<Spot>>;

fn toy() -> Toy {
    let spot = Spot {
        values: VecDeque::new(),
        takers: Queue::new(),
    };
    Arc::new(Object::new(spot, Kind::Chan, Location::caller()))
}

fn give(toy: &Toy, value: u32) {
    let mut wakes = Wakes::new();
    toy.lock().give(value, &mut wakes);
    wakes.fire();
}

#[derive(Clone)]
struct Take(Toy);

impl Op for Take {
    type Inner = Spot;
    type Payload = Option<u32>;
    type Output = u32;
    const REASON: WaitReason = WaitReason::ChanRecv;

    fn object(&self) -> &Object<Spot> {
        &self.0
    }
    fn site(&self) -> &'static Location<'static> {
        Location::caller()
    }
    fn queue<'q>(&self, spot: &'q mut Spot) -> &'q mut Queue<Option<u32>> {
        &mut spot.takers
    }
    fn look(&self) -> (bool, Look) {
        (true, Look::default())
    }
    fn changed(&self, _: &mut Spot) {}
    fn attempt(&self, spot: &mut Spot, _: &mut Option<u32>, _: &mut Wakes) -> Poll<u32> {
        spot.values.pop_front().map_or(Poll::Pending, Poll::Ready)
    }
    fn before_wait(&self, _: &mut Spot, _: &mut Wakes) {}
    fn collect(&self, payload: &mut Option<u32>, _: How) -> u32 {
        payload.take().expect("given")
    }
    fn abandon(&self, spot: &mut Spot, payload: &mut Option<u32>, wakes: &mut Wakes) {
        spot.give(payload.take().expect("given"), wakes);
    }
}

pin_project! {
    struct Taking {
        #[pin]
        park: Park<Take>,
    }
}

fn take(toy: &Toy) -> Taking {
    let park = Park::new(Take(toy.clone()), None);
    Taking { park }
}

impl Future for Taking {
    type Output = u32;
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<u32> {
        self.project().park.poll(cx)
    }
}

// === the models ===

#[test]
fn loom_lock_excludes() {
    model_with(3, || {
        let toy = toy();
        let other = toy.clone();
        let thread = thread::spawn(move || other.lock().values.push_back(1));
        toy.lock().values.push_back(1);
        thread.join().unwrap();
        assert_eq!(toy.lock().values.len(), 2);
    });
}

#[test]
fn loom_claim_v_cancel() {
    model_with(3, || {
        let toy = toy();
        let other = toy.clone();
        let peer = thread::spawn(move || give(&other, 7));
        let (_, waker) = Count::new();
        let mut taking = Box::pin(take(&toy));
        let got = poll(taking.as_mut(), &waker).is_ready();
        drop(taking);
        peer.join().unwrap();
        let left = toy.lock().values.pop_front();
        assert_eq!(left, (!got).then_some(7));
    });
}

#[test]
fn loom_claim_v_cancel_with_output() {
    model_with(3, || {
        let toy = toy();
        let other = toy.clone();
        let peer = thread::spawn(move || give(&other, 7));
        let (_, waker) = Count::new();
        let mut taking = Box::pin(take(&toy));
        let got = match poll(taking.as_mut(), &waker) {
            Poll::Ready(value) => Some(value),
            Poll::Pending => taking.as_mut().project().park.cancel(),
        };
        drop(taking);
        peer.join().unwrap();
        let left = toy.lock().values.pop_front();
        assert_eq!(got.or(left), Some(7));
        assert!(got.is_none() || left.is_none());
    });
}

#[test]
fn loom_claim_v_repoll_with_a_new_waker() {
    model_with(3, || {
        let toy = toy();
        let other = toy.clone();
        let peer = thread::spawn(move || give(&other, 7));
        let ((_, first), (second_count, second)) = (Count::new(), Count::new());
        let mut taking = Box::pin(take(&toy));
        let mut seen = poll(taking.as_mut(), &first);
        if seen.is_pending() {
            seen = poll(taking.as_mut(), &second);
        }
        peer.join().unwrap();
        if seen.is_pending() {
            assert_eq!(
                second_count.get(),
                1,
                "the last waker given is the one to wake"
            );
            seen = poll(taking.as_mut(), &second);
        }
        assert_eq!(seen, Poll::Ready(7));
    });
}

#[test]
fn loom_done_v_free() {
    model_with(3, || {
        let toy = toy();
        let other = toy.clone();
        let peer = thread::spawn(move || give(&other, 7));
        // Freed as soon as DONE is read, which may be long before the peer fires, or unlocks.
        assert_eq!(block_on(take(&toy)), 7);
        peer.join().unwrap();
    });
}

#[test]
fn loom_parker_wake_v_sleep() {
    model_with(3, || {
        let toy = toy();
        let other = toy.clone();
        let peer = thread::spawn(move || give(&other, 7));
        assert_eq!(parker::block_on(take(&toy)), 7);
        peer.join().unwrap();
    });
}

#[test]
fn loom_parker_is_used_again() {
    model_with(2, || {
        let toy = toy();
        let other = toy.clone();
        let peer = thread::spawn(move || {
            give(&other, 1);
            give(&other, 2);
        });
        // A wake of the first wait may come as late as in the second.
        assert_eq!(parker::block_on(take(&toy)), 1);
        assert_eq!(parker::block_on(take(&toy)), 2);
        peer.join().unwrap();
    });
}
