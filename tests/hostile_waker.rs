//! Wakers from hell. Whatever a waker does when it is woken, cloned or dropped - use the same channel, close it, drop its
//! last handle, let another thread use it and wait for that, or panic - nothing deadlocks and nothing is lost.
//!
//! Every misdeed at every event meets every scene: a scene parks an operation with the hostile waker and then does what
//! wakes it, replaces it or drops it. A waker called under a lock of the channel would hang its scene; the watchdog says so.

#![cfg(feature = "rt")]

mod common;

use common::value::{Coin, Mint};
use common::waker::{Action, Hooked, counting, hooked, now, poll_once, poll_with};
use common::watch;
use gochan::{Receiver, RecvError, Sender, WeakReceiver, WeakSender, chan, select};
use std::cell::Cell;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Poll, Waker};
use std::time::Duration;

/// What a scene has to play with.
struct Stage {
    mint: Mint,
    tx: Sender<Coin>,
    rx: Receiver<Coin>,
    /// The hostile one.
    waker: Waker,
}

impl Stage {
    fn coin(&self) -> Coin {
        self.mint.make()
    }

    /// Parks `f` with the hostile waker; the scene is over if its misdeed made the operation ready.
    fn park<F: Future>(&self, f: F) -> Option<Parked<F>> {
        let mut f = Parked::new(f);
        f.poll(&self.waker).is_none().then_some(f)
    }

    /// Fills the buffer, so that a send has to wait.
    fn fill(&self) {
        while self.tx.try_send(self.coin()).is_ok() {}
    }
}

/// An operation that may be polled too often.
struct Parked<F: Future> {
    f: Pin<Box<F>>,
    over: bool,
}

impl<F: Future> Parked<F> {
    fn new(f: F) -> Self {
        Parked {
            f: Box::pin(f),
            over: false,
        }
    }

    fn poll(&mut self, waker: &Waker) -> Option<F::Output> {
        if self.over {
            return None;
        }
        match poll_with(self.f.as_mut(), waker) {
            Poll::Pending => None,
            Poll::Ready(end) => {
                self.over = true;
                Some(end)
            }
        }
    }

    /// With a waker of no importance.
    fn poll_once(&mut self) -> Option<F::Output> {
        self.poll(Waker::noop())
    }
}

type Scene = (&'static str, fn(&Stage) -> Option<()>);

/// Scenes after which the channel must work as before, unless the misdeed closed it.
const SCENES: &[Scene] = &[
    ("receive, sent to", |s| {
        let mut r = s.park(s.rx.recv())?;
        drop(s.tx.try_send(s.coin()));
        drop(r.poll(&s.waker));
        Some(())
    }),
    ("receive, met by a send's poll", |s| {
        let mut r = s.park(s.rx.recv())?;
        drop(Parked::new(s.tx.send(s.coin())).poll_once());
        drop(r.poll_once());
        Some(())
    }),
    ("receive, polled with another waker", |s| {
        let mut r = s.park(s.rx.recv())?;
        drop(r.poll_once());
        drop(r.poll(&s.waker));
        drop(s.tx.try_send(s.coin()));
        Some(())
    }),
    ("receive, dropped", |s| {
        drop(s.park(s.rx.recv())?);
        Some(())
    }),
    ("receive, given and dropped with another behind it", |s| {
        let mut first = Parked::new(s.rx.recv());
        drop(first.poll_once());
        let second = s.park(s.rx.recv())?;
        drop(s.tx.try_send(s.coin()));
        drop(first);
        drop(second);
        Some(())
    }),
    ("receive of many", |s| {
        let mut got = Vec::new();
        let mut r = s.park(s.rx.recv_many(&mut got, 3))?;
        drop(s.tx.try_send(s.coin()));
        _ = r.poll(&s.waker);
        Some(())
    }),
    ("stream", |s| {
        let mut items = Box::pin(s.rx.stream());
        let mut next = s.park(futures::StreamExt::next(&mut items))?;
        drop(s.tx.try_send(s.coin()));
        drop(next.poll(&s.waker));
        Some(())
    }),
    ("send, received from", |s| {
        s.fill();
        let mut f = s.park(s.tx.send(s.coin()))?;
        drop(s.rx.try_recv());
        drop(f.poll(&s.waker));
        Some(())
    }),
    ("send, met by a receive of many", |s| {
        s.fill();
        let mut f = s.park(s.tx.send(s.coin()))?;
        _ = Parked::new(s.rx.recv_many(&mut Vec::new(), 8)).poll_once();
        drop(f.poll_once());
        Some(())
    }),
    ("send, drained", |s| {
        s.fill();
        let _f = s.park(s.tx.send(s.coin()))?;
        s.rx.drain().for_each(drop);
        Some(())
    }),
    ("send, polled with another waker", |s| {
        s.fill();
        let mut f = s.park(s.tx.send(s.coin()))?;
        drop(f.poll_once());
        drop(f.poll(&s.waker));
        drop(s.rx.try_recv());
        Some(())
    }),
    ("send, dropped", |s| {
        s.fill();
        drop(s.park(s.tx.send(s.coin()))?);
        Some(())
    }),
    ("reserve, granted", |s| {
        s.fill();
        let mut f = s.park(s.tx.reserve())?;
        drop(s.rx.try_recv());
        let mut r = Parked::new(s.rx.recv());
        drop(r.poll_once());
        if let Some(Ok(permit)) = f.poll(&s.waker) {
            drop(permit.send(s.coin()));
        }
        drop(r.poll_once());
        Some(())
    }),
    ("reserve, granted and dropped with a send behind it", |s| {
        s.fill();
        let mut first = Parked::new(s.tx.reserve());
        drop(first.poll_once());
        let behind = s.park(s.tx.send(s.coin()))?;
        drop(s.rx.try_recv());
        drop(first);
        drop(behind);
        Some(())
    }),
    ("select, either arm", |s| {
        let (other, quiet) = chan::<u8>(0);
        for by in 0..2 {
            let mut f = s.park(async {
                select! { _ = s.rx.recv() => {}, _ = quiet.recv() => {} }
            })?;
            match by {
                0 => drop(s.tx.try_send(s.coin())),
                _ => drop(other.try_send(1)),
            }
            _ = f.poll(&s.waker);
        }
        Some(())
    }),
    (
        "select that sends and receives, polled with another waker, dropped",
        |s| {
            let (_keep, quiet) = chan::<u8>(0);
            s.fill();
            let mut f = s.park(async {
                select! { _ = s.tx.send(s.coin()) => {}, _ = quiet.recv() => {} }
            })?;
            _ = f.poll_once();
            _ = f.poll(&s.waker);
            drop(f);
            let f = s.park(async {
                select! { _ = s.tx.send(s.coin()) => {}, _ = quiet.recv() => {} }
            })?;
            drop(s.rx.try_recv());
            drop(f);
            Some(())
        },
    ),
    ("select against select", |s| {
        let mut one = s.park(async {
            select! { _ = s.tx.send(s.coin()) => {}, _ = s.rx.recv() => {} }
        })?;
        let mut two = Parked::new(async {
            select! { _ = s.rx.recv() => {}, _ = s.tx.send(s.coin()) => {} }
        });
        _ = two.poll(&s.waker);
        _ = one.poll(&s.waker);
        Some(())
    }),
    ("closed, dropped", |s| {
        drop(s.park(s.tx.closed())?);
        Some(())
    }),
    ("receive with a limit of time, dropped", |s| {
        drop(s.park(s.rx.recv_timeout(Duration::from_secs(3600)))?);
        Some(())
    }),
];

/// Scenes that end the channel.
const LAST_SCENES: &[Scene] = &[
    ("receive, closed", |s| {
        let mut r = s.park(s.rx.recv())?;
        s.tx.close();
        drop(r.poll(&s.waker));
        Some(())
    }),
    ("send, closed", |s| {
        s.fill();
        let mut f = s.park(s.tx.send(s.coin()))?;
        s.rx.close();
        drop(f.poll(&s.waker));
        Some(())
    }),
    ("select, closed", |s| {
        s.fill();
        let (_keep, quiet) = chan::<u8>(0);
        let mut f = s.park(async {
            select! { _ = s.tx.send(s.coin()) => {}, _ = quiet.recv() => {} }
        })?;
        s.rx.close();
        _ = f.poll(&s.waker);
        Some(())
    }),
    ("all kinds at once, closed", |s| {
        s.fill();
        let _send = s.park(s.tx.send(s.coin()))?;
        let _reserve = s.park(s.tx.reserve())?;
        let _closed = s.park(s.tx.closed())?;
        s.tx.close();
        Some(())
    }),
    ("closed, closed", |s| {
        let mut f = s.park(s.tx.closed())?;
        s.rx.close();
        _ = f.poll(&s.waker);
        Some(())
    }),
];

/// What a waker can do.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Misdeed {
    Send,
    Receive,
    Park,
    Select,
    Look,
    Close,
    DropHandles,
    OtherThread,
    Panic,
}

const MISDEEDS: [Misdeed; 9] = [
    Misdeed::Send,
    Misdeed::Receive,
    Misdeed::Park,
    Misdeed::Select,
    Misdeed::Look,
    Misdeed::Close,
    Misdeed::DropHandles,
    Misdeed::OtherThread,
    Misdeed::Panic,
];

#[derive(Clone, Copy, Debug, PartialEq)]
enum Event {
    Wake,
    Clone,
    Drop,
}

/// Handles that do not hold the channel open.
#[derive(Clone)]
struct Weak {
    tx: WeakSender<Coin>,
    rx: WeakReceiver<Coin>,
}

impl Weak {
    fn with(&self, f: impl FnOnce(Sender<Coin>, Receiver<Coin>)) {
        if let (Some(tx), Some(rx)) = (self.tx.upgrade(), self.rx.upgrade()) {
            f(tx, rx);
        }
    }
}

impl Misdeed {
    fn action(self, mint: &Mint, tx: &Sender<Coin>, rx: &Receiver<Coin>) -> Action {
        let mint = mint.clone();
        let weak = Weak {
            tx: tx.downgrade(),
            rx: rx.downgrade(),
        };
        match self {
            Misdeed::Send => Box::new(move || weak.with(|tx, _| drop(tx.try_send(mint.make())))),
            Misdeed::Receive => Box::new(move || weak.with(|_, rx| drop(rx.try_recv()))),
            Misdeed::Park => Box::new(move || {
                weak.with(|tx, rx| {
                    drop(poll_once(std::pin::pin!(rx.recv())));
                    drop(poll_once(std::pin::pin!(tx.send(mint.make()))));
                    drop(poll_once(std::pin::pin!(tx.reserve())));
                });
            }),
            Misdeed::Select => Box::new(move || {
                weak.with(|tx, rx| {
                    let select = async {
                        select! { _ = rx.recv() => {}, _ = tx.send(mint.make()) => {} }
                    };
                    _ = poll_once(std::pin::pin!(select));
                });
            }),
            Misdeed::Look => Box::new(move || {
                weak.with(|tx, rx| {
                    assert!(tx.len() <= 9 && !format!("{tx:?}{rx:?}{:?}", rx.stats()).is_empty());
                });
            }),
            Misdeed::Close => Box::new(move || weak.with(|tx, _| _ = tx.close())),
            Misdeed::DropHandles => {
                let held = Mutex::new(Some((tx.clone(), rx.clone())));
                Box::new(move || {
                    let handles = held.lock().unwrap().take();
                    drop(handles);
                })
            }
            Misdeed::OtherThread => Box::new(move || {
                weak.with(|tx, rx| {
                    let coin = mint.make();
                    let other =
                        std::thread::spawn(move || drop((tx.try_send(coin), rx.try_recv())));
                    other.join().unwrap();
                });
            }),
            Misdeed::Panic => Box::new(|| resume_unwind(Box::new("the waker"))),
        }
    }

    /// A waker that does it, once, at `event`.
    fn waker(self, event: Event, mint: &Mint, tx: &Sender<Coin>, rx: &Receiver<Coin>) -> Waker {
        at(event, self.action(mint, tx, rx))
    }
}

/// A waker that does `act`, once, at `event`.
fn at(event: Event, act: impl Fn() + Send + Sync + 'static) -> Waker {
    let done = AtomicBool::new(false);
    let once: Action = Box::new(move || {
        if !done.swap(true, Ordering::SeqCst) {
            DONE.set(DONE.get() + 1);
            act();
        }
    });
    let mut it = Hooked::default();
    match event {
        Event::Wake => it.on_wake = Some(once),
        Event::Clone => it.on_clone = Some(once),
        Event::Drop => it.on_drop = Some(once),
    }
    hooked(&Arc::new(it))
}

thread_local! {
    /// Misdeeds that were done, so that a test that never came to one is noticed.
    static DONE: Cell<usize> = const { Cell::new(0) };
}

/// The channel is whole: its buffer has all its room, and those who wait are served.
fn works(what: &str, cap: usize, tx: &Sender<Coin>, rx: &Receiver<Coin>, mint: &Mint) {
    rx.drain().for_each(drop);
    if tx.is_closed() {
        assert_eq!(now(rx.recv()), Err(RecvError), "{what}");
        return;
    }
    for round in 0..2 {
        for i in 0..cap {
            assert!(
                tx.try_send(mint.make()).is_ok(),
                "{what}: no room for {i}, round {round}"
            );
        }
        assert!(
            tx.try_send(mint.make()).is_err(),
            "{what}: someone still waits, round {round}"
        );
        assert_eq!(rx.drain().count(), cap, "{what}");
        let (woken, waker) = counting();
        let mut r = Box::pin(rx.recv());
        assert!(poll_with(r.as_mut(), &waker).is_pending(), "{what}");
        assert!(tx.try_send(mint.make()).is_ok(), "{what}");
        assert_eq!(woken.wakes(), 1, "{what}");
        assert!(poll_with(r.as_mut(), &waker).is_ready(), "{what}");
    }
}

/// Plays one scene with one waker; a panic may come out only if the waker panics.
fn play(scene: &Scene, misdeed: Misdeed, event: Event, cap: usize, last: bool) {
    let what = format!("{misdeed:?} at {event:?}, capacity {cap}: {}", scene.0);
    let mint = Mint::new();
    let (tx, rx) = chan(cap);
    let waker = misdeed.waker(event, &mint, &tx, &rx);
    let kept = (!last).then(|| (tx.clone(), rx.clone()));
    let stage = Stage {
        mint: mint.clone(),
        tx,
        rx,
        waker,
    };
    let ended = catch_unwind(AssertUnwindSafe(|| {
        (scene.1)(&stage);
        drop(stage);
    }));
    if let Err(panic) = ended
        && (misdeed != Misdeed::Panic || panic.downcast_ref() != Some(&"the waker"))
    {
        eprintln!("{what}");
        resume_unwind(panic);
    }
    if let Some((tx, rx)) = kept {
        works(&what, cap, &tx, &rx, &mint);
    }
    let made = mint.made();
    for n in 0..made {
        assert_eq!(mint.drops_of(n), 1, "{what}: value {n} of {made}");
    }
}

fn play_all(event: Event) {
    for misdeed in MISDEEDS {
        watch(move || {
            for cap in [0, 1, 2] {
                for (scenes, last) in [(SCENES, false), (LAST_SCENES, true)] {
                    for scene in scenes {
                        play(scene, misdeed, event, cap, last);
                    }
                }
            }
            // Nearly every scene comes to every event.
            let done = DONE.get();
            assert!(
                done >= SCENES.len(),
                "{misdeed:?} was done only {done} times"
            );
        });
    }
}

#[test]
fn on_wake() {
    play_all(Event::Wake);
}

#[test]
fn on_clone() {
    play_all(Event::Clone);
}

#[test]
fn on_drop() {
    play_all(Event::Drop);
}

/// The last handle goes, and those who wait on the other side have a hostile waker that holds handles itself.
#[test]
fn last_handles() {
    for misdeed in MISDEEDS {
        watch(move || {
            for event in [Event::Wake, Event::Clone, Event::Drop] {
                for cap in [0, 1] {
                    for senders_go in [false, true] {
                        last_handle(misdeed, event, cap, senders_go);
                    }
                }
            }
        });
    }
}

fn last_handle(misdeed: Misdeed, event: Event, cap: usize, senders_go: bool) {
    let mint = Mint::new();
    let (tx, rx) = chan::<Coin>(cap);
    let waker = misdeed.waker(event, &mint, &tx, &rx);
    let ended = catch_unwind(AssertUnwindSafe(|| {
        if senders_go {
            let mut r = Parked::new(rx.recv());
            drop(r.poll(&waker));
            drop(tx);
            drop(r.poll(&waker));
        } else {
            while tx.try_send(mint.make()).is_ok() {}
            let mut s = Parked::new(tx.send(mint.make()));
            drop(s.poll(&waker));
            drop(rx);
            drop(s.poll(&waker));
        }
        drop(waker);
    }));
    if let Err(panic) = ended {
        assert_eq!(misdeed, Misdeed::Panic);
        assert_eq!(panic.downcast_ref(), Some(&"the waker"));
    }
    mint.assert_all_dropped_once();
}

/// A waker that panics when it is woken does not keep the news from the others, nor hit the one who woke it.
#[test]
fn panic_among_many() {
    watch(|| {
        for bad in 0..4 {
            let (tx, rx) = chan::<u8>(0);
            let mine = Arc::new(Hooked {
                on_wake: Some(Box::new(|| resume_unwind(Box::new("the waker")))),
                ..Hooked::default()
            });
            let mut waiting = Vec::new();
            for i in 0..4 {
                let (woken, waker) = counting();
                let waker = if i == bad { hooked(&mine) } else { waker };
                let mut r = Box::pin(rx.recv());
                assert!(poll_with(r.as_mut(), &waker).is_pending());
                waiting.push((r, woken));
            }
            let ended = catch_unwind(AssertUnwindSafe(|| _ = tx.close()));
            assert!(ended.is_ok(), "the closer has no part in it");
            assert!(tx.is_closed());
            for (i, (r, woken)) in waiting.iter_mut().enumerate() {
                assert!(
                    i == bad || woken.wakes() == 1,
                    "{i} sleeps because {bad} panicked"
                );
                assert_eq!(poll_once(r.as_mut()), Poll::Ready(Err(RecvError)));
            }
        }
    });
}

/// A value that was given stays given when the waker behind it panics.
#[test]
fn panic_after_the_hand_over() {
    watch(|| {
        let mint = Mint::new();
        let (tx, rx) = chan::<Coin>(0);
        let waker = Misdeed::Panic.waker(Event::Wake, &mint, &tx, &rx);
        let mut r = Box::pin(rx.recv());
        assert!(poll_with(r.as_mut(), &waker).is_pending());
        let ended = catch_unwind(AssertUnwindSafe(|| tx.try_send(mint.make())));
        assert!(ended.unwrap().is_ok(), "the sender has no part in it");
        match poll_once(r.as_mut()) {
            Poll::Ready(Ok(coin)) => assert_eq!(coin, 0),
            other => panic!("{other:?}"),
        }
        mint.assert_all_dropped_once();
    });
}

/// Wakers of those who wait for a task's end.
mod joining {
    use super::*;

    /// The waker of a joiner starts tasks, aborts one or joins another while its own task ends.
    #[test]
    fn reentrant() {
        watch(|| {
            for event in [Event::Wake, Event::Clone, Event::Drop] {
                let rt = gochan::Runtime::builder().workers(2).build().unwrap();
                let rt = Arc::new(rt);
                let (go, gate) = chan::<u8>(0);
                let mut handle = Box::pin(rt.go(async move { gate.recv().await.unwrap() }));
                let own = Arc::downgrade(&rt);
                let waker = at(event, move || {
                    if let Some(rt) = own.upgrade() {
                        let other = rt.go(std::future::pending::<()>());
                        other.abort();
                        drop(rt.go(async {}));
                        assert!(gochan::num_tasks() < 1_000_000);
                    }
                });
                assert!(poll_with(handle.as_mut(), &waker).is_pending());
                assert!(poll_once(handle.as_mut()).is_pending());
                assert!(poll_with(handle.as_mut(), &waker).is_pending());
                go.send_blocking(3).unwrap();
                let end = gochan::block_on(handle);
                assert_eq!(end.unwrap(), 3);
                drop(waker);
                // Wakers that were on another thread are done with the runtime soon; the last of us shuts it down.
                let mut rt = rt;
                loop {
                    match Arc::try_unwrap(rt) {
                        Ok(rt) => break rt.shutdown(),
                        Err(shared) => rt = shared,
                    }
                    std::thread::yield_now();
                }
            }
        });
    }

    /// A joiner's waker that panics does not take the worker with it: the runtime goes on.
    #[test]
    fn panicking() {
        watch(|| {
            let rt = gochan::Runtime::builder().workers(1).build().unwrap();
            for _ in 0..4 {
                let (go, gate) = chan::<u8>(0);
                let mut handle = Box::pin(rt.go(async move { gate.recv().await.unwrap() }));
                let waker = at(Event::Wake, || resume_unwind(Box::new("the waker")));
                assert!(poll_with(handle.as_mut(), &waker).is_pending());
                go.send_blocking(3).unwrap();
                // Another task of the only worker: it is still there.
                assert_eq!(rt.go(async { 5 }).wait().unwrap(), 5);
                assert_eq!(gochan::block_on(handle).unwrap(), 3);
            }
            rt.shutdown();
        });
    }
}

/// Wakers of those who sleep.
mod sleeping {
    use super::*;

    /// The timer's thread survives what a waker does there.
    #[test]
    fn survives() {
        watch(|| {
            let short = Duration::from_millis(1);
            let rt = gochan::Runtime::builder().workers(1).build().unwrap();
            rt.block_on(async {
                for panics in [false, true] {
                    let it = Arc::new(Hooked {
                        on_wake: Some(Box::new(move || {
                            // Sets and drops timers while one fires.
                            _ = poll_once(std::pin::pin!(gochan::sleep(Duration::from_secs(9))));
                            if panics {
                                resume_unwind(Box::new("the waker"));
                            }
                        })),
                        ..Hooked::default()
                    });
                    let mut hostile = Box::pin(gochan::sleep(short));
                    let polled = poll_with(hostile.as_mut(), &hooked(&it));
                    gochan::sleep(short * 3).await;
                    if polled.is_pending() {
                        while it.wakes() == 0 {
                            gochan::sleep(short).await;
                        }
                    }
                    assert!(poll_once(hostile.as_mut()).is_ready());
                }
            });
            rt.shutdown();
        });
    }
}
