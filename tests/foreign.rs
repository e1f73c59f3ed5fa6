//! One channel serves tasks of this runtime, tasks of tokio, an executor that knows neither, and plain threads, all at
//! once; nothing is lost and nothing is doubled.

#![cfg(feature = "rt")]

mod common;

use common::watch;
use gochan::{Receiver, Sender, chan, select, select_blocking, unbounded};
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::thread;
use std::time::Duration;

/// Everywhere that code can wait.
struct World {
    gochan: gochan::Runtime,
    tokio: tokio::runtime::Runtime,
}

impl World {
    fn new() -> World {
        World {
            gochan: gochan::Runtime::builder().workers(2).build().unwrap(),
            tokio: tokio::runtime::Builder::new_multi_thread()
                .worker_threads(2)
                .enable_time()
                .build()
                .unwrap(),
        }
    }

    /// Starts `f` in place `i` of four.
    fn start(&self, i: usize, f: impl Future<Output = ()> + Send + 'static) -> Ended {
        match i % 4 {
            0 => Ended::Gochan(self.gochan.go(f)),
            1 => Ended::Tokio(self.tokio.spawn(f)),
            2 => Ended::Thread(thread::spawn(|| gochan::block_on(f))),
            _ => Ended::Thread(thread::spawn(|| futures::executor::block_on(f))),
        }
    }

    fn join(&self, ended: Ended) {
        match ended {
            Ended::Gochan(h) => h.wait().unwrap(),
            Ended::Tokio(h) => self.tokio.block_on(h).unwrap(),
            Ended::Thread(h) => h.join().unwrap(),
        }
    }
}

/// Something started that will end.
enum Ended {
    Gochan(gochan::task::JoinHandle<()>),
    Tokio(tokio::task::JoinHandle<()>),
    Thread(thread::JoinHandle<()>),
}

/// Marks each number as it arrives, and fails at the second time.
#[derive(Clone)]
struct Arrivals(Arc<[AtomicU8]>);

impl Arrivals {
    fn new(n: usize) -> Arrivals {
        Arrivals((0..n).map(|_| AtomicU8::new(0)).collect())
    }

    fn mark(&self, i: usize) {
        assert_eq!(
            self.0[i].fetch_add(1, Ordering::SeqCst),
            0,
            "{i} came twice"
        );
    }

    fn assert_all(&self) {
        let lost = self
            .0
            .iter()
            .filter(|n| n.load(Ordering::SeqCst) == 0)
            .count();
        assert_eq!(lost, 0, "values are lost");
    }
}

const EACH: usize = 1_500;

/// Sends a range of numbers, by turns plainly, by select and by permit.
async fn send(tx: Sender<usize>, from: usize) {
    for i in from..from + EACH {
        match i % 3 {
            0 => tx.send(i).await.unwrap(),
            1 => select! { r = tx.send(i) => r.unwrap() },
            _ => tx.reserve().await.unwrap().send(i).unwrap(),
        }
    }
}

fn send_blocking(tx: &Sender<usize>, from: usize) {
    for i in from..from + EACH {
        match i % 3 {
            0 => tx.send_blocking(i).unwrap(),
            1 => select_blocking! { r = tx.send(i) => r.unwrap() },
            _ => tx.reserve().wait().unwrap().send(i).unwrap(),
        }
    }
}

async fn receive(rx: Receiver<usize>, seen: Arrivals) {
    for turn in 0.. {
        match turn % 3 {
            0 => match rx.recv().await {
                Ok(i) => seen.mark(i),
                Err(_) => return,
            },
            1 => select! {
                v = rx.recv() => match v {
                    Ok(i) => seen.mark(i),
                    Err(_) => return,
                }
            },
            _ => {
                let mut many = Vec::new();
                if rx.recv_many(&mut many, 3).await == 0 {
                    return;
                }
                many.into_iter().for_each(|i| seen.mark(i));
            }
        }
    }
}

fn receive_blocking(rx: Receiver<usize>, seen: &Arrivals) {
    for turn in 0.. {
        let v = match turn % 2 {
            0 => rx.recv_blocking(),
            _ => select_blocking! { v = rx.recv() => v },
        };
        match v {
            Ok(i) => seen.mark(i),
            Err(_) => return,
        }
    }
}

fn all_at_once((tx, rx): (Sender<usize>, Receiver<usize>)) {
    const SENDERS: usize = 5;
    let world = World::new();
    let seen = Arrivals::new(SENDERS * EACH);
    let mut all = Vec::new();
    for i in 0..4 {
        all.push(world.start(i, receive(rx.clone(), seen.clone())));
    }
    let theirs = seen.clone();
    all.push(Ended::Thread(thread::spawn(move || {
        receive_blocking(rx, &theirs)
    })));
    for i in 0..4 {
        all.push(world.start(i, send(tx.clone(), i * EACH)));
    }
    all.push(Ended::Thread(thread::spawn(move || {
        send_blocking(&tx, 4 * EACH)
    })));
    for one in all {
        world.join(one);
    }
    seen.assert_all();
    world.gochan.shutdown();
}

#[test]
fn rendezvous() {
    watch(|| all_at_once(chan(0)));
}

#[test]
fn one_place() {
    watch(|| all_at_once(chan(1)));
}

#[test]
fn buffered() {
    watch(|| all_at_once(chan(16)));
}

#[test]
fn without_limit() {
    watch(|| all_at_once(unbounded()));
}

/// A token goes round through every place, each waiting for the one before it.
#[test]
fn round_trip() {
    watch(|| {
        const PLACES: usize = 8;
        const ROUNDS: usize = 300;
        let world = World::new();
        let (first, mut before) = chan::<usize>(0);
        let mut all = Vec::new();
        for i in 0..PLACES {
            let (tx, rx) = chan(0);
            let from = std::mem::replace(&mut before, rx);
            all.push(world.start(i, async move {
                while let Ok(n) = from.recv().await {
                    tx.send(n + 1).await.unwrap();
                }
            }));
        }
        let mut token = 0;
        for _ in 0..ROUNDS {
            first.send_blocking(token).unwrap();
            token = before.recv_blocking().unwrap();
        }
        assert_eq!(token, PLACES * ROUNDS);
        drop(first);
        for one in all {
            world.join(one);
        }
        world.gochan.shutdown();
    });
}

/// Timers work wherever the operation waits.
#[test]
fn timers_everywhere() {
    watch(|| {
        let world = World::new();
        let all: Vec<_> = (0..4)
            .map(|i| {
                world.start(i, async {
                    let short = Duration::from_millis(2);
                    let (keep, rx) = chan::<u8>(0);
                    gochan::sleep(short).await;
                    assert!(gochan::timeout(short, rx.recv()).await.is_err());
                    assert!(rx.recv_timeout(short).await.unwrap_err().is_timeout());
                    let late = gochan::after(short);
                    select! {
                        _ = rx.recv() => unreachable!(),
                        at = late.recv() => _ = at.unwrap(),
                    }
                    let timed_out = select! {
                        _ = rx.recv() => unreachable!(),
                        default(short) => true,
                    };
                    assert!(timed_out);
                    let ticks = gochan::tick(short);
                    ticks.recv().await.unwrap();
                    ticks.recv().await.unwrap();
                    drop(keep);
                })
            })
            .collect();
        for one in all {
            world.join(one);
        }
        world.gochan.shutdown();
    });
}

/// A task of this runtime is joined from everywhere.
#[test]
fn joined_from_everywhere() {
    watch(|| {
        let world = World::new();
        let all: Vec<_> = (0..4)
            .map(|i| {
                let task = world.gochan.go(async move {
                    gochan::yield_now().await;
                    i
                });
                world.start(i, async move { assert_eq!(task.await.unwrap(), i) })
            })
            .collect();
        for one in all {
            world.join(one);
        }
        let task = world.gochan.go(async { 7 });
        assert_eq!(task.wait().unwrap(), 7);
        world.gochan.shutdown();
    });
}

/// Outside of any runtime, `go` starts its task on the default one.
#[test]
fn go_from_a_plain_thread() {
    watch(|| {
        let (tx, rx) = chan(0);
        let task = gochan::go(async move {
            for i in 0..10 {
                tx.send(i).await.unwrap();
            }
            "done"
        });
        assert_eq!(rx.iter().sum::<i32>(), 45);
        assert_eq!(task.wait().unwrap(), "done");
        assert!(gochan::max_procs() >= 1);
        let value = gochan::run(async { gochan::go(async { 5 }).await.unwrap() });
        assert_eq!(value, 5);
    });
}
