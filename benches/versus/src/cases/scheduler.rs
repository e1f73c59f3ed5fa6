//! D01-D05: the scheduler. One operation is one task spawned and joined, or one yield; skynet is a whole program.

use super::share;
use crate::channel::{Channel, ManySenders};
use crate::executor::{Executor, Gochan, Smol, Tokio};
use crate::measure::{Figure, Operation, Spent, percentile};
use crate::registry::{BOTH, ONE, Registry, TWO};
use std::future::Future;
use std::pin::Pin;
use std::thread;
use std::time::{Duration, Instant};

/// Tasks spawned before the first of them is joined.
const BATCH: u64 = 10_000;

/// Skynet: a tree of tasks, ten children each, this many leaves; what the leaves' numbers add up to.
const LEAVES: u64 = 100_000;
const LEAVES_SUM: u64 = 4_999_950_000;

const WAKES: usize = 150;

pub fn register(rows: &mut Registry) {
    executors!(enter_executor!(
        rows,
        repeated,
        "D01_spawn_join_batch10k",
        BOTH,
        spawn_batch()
    ));
    executors_of_one!(enter_executor!(
        rows,
        repeated,
        "D01_spawn_join_batch10k",
        ONE,
        spawn_batch()
    ));
    executors!(enter_executor!(
        rows,
        repeated,
        "D01_spawn_join_one",
        BOTH,
        spawn_one()
    ));
    executors_of_one!(enter_executor!(
        rows,
        repeated,
        "D01_spawn_join_one",
        ONE,
        spawn_one()
    ));
    executors!(enter_executor!(
        rows,
        repeated,
        "D02_yield_2tasks",
        BOTH,
        yields(2)
    ));
    executors_of_one!(enter_executor!(
        rows,
        repeated,
        "D02_yield_2tasks",
        ONE,
        yields(2)
    ));
    executors!(enter_executor!(
        rows,
        repeated,
        "D02_yield_1000tasks",
        BOTH,
        yields(1000)
    ));
    executors_of_one!(enter_executor!(
        rows,
        repeated,
        "D02_yield_1000tasks",
        ONE,
        yields(1000)
    ));
    rows.repeated(
        "D03_spawn_outside_batch10k",
        "gochan",
        BOTH,
        spawn_outside::<Gochan>,
    );
    rows.repeated(
        "D03_spawn_outside_batch10k",
        "tokio",
        BOTH,
        spawn_outside::<Tokio>,
    );
    rows.repeated(
        "D03_spawn_outside_batch10k",
        "smol",
        BOTH,
        spawn_outside::<Smol>,
    );
    executors!(enter_executor!(
        rows,
        whole,
        "D04_skynet100k_join",
        BOTH,
        skynet_join()
    ));
    mpsc!(enter!(
        rows,
        whole,
        "D04_skynet100k_chan",
        BOTH,
        skynet_channel()
    ));
    wake!(enter_figures!(rows, 5, "D05_wake_idle", TWO, wake_idle()));
}

async fn spawn_batch<E: Executor>(n: u64) -> Spent {
    let rounds = share(n, BATCH);
    let start = Instant::now();
    let mut joins = Vec::with_capacity(BATCH as usize);
    for _ in 0..rounds {
        joins.extend((0..BATCH).map(|_| E::spawn(async {})));
        for join in joins.drain(..) {
            join.await;
        }
    }
    Spent::since(start, rounds * BATCH)
}

async fn spawn_one<E: Executor>(n: u64) -> Spent {
    let start = Instant::now();
    for _ in 0..n {
        E::spawn(async {}).await;
    }
    Spent::since(start, n)
}

async fn yields<E: Executor>(n: u64, tasks: u64) -> Spent {
    let each = share(n, tasks);
    let start = Instant::now();
    let mut joins = Vec::new();
    for _ in 0..tasks {
        joins.push(E::spawn(async move {
            for _ in 0..each {
                E::yield_now().await;
            }
            each
        }));
    }
    let mut done = 0;
    for join in joins {
        done += join.await;
    }
    let spent = Spent::since(start, each * tasks);
    assert_eq!(done, each * tasks);
    spent
}

/// As `spawn_batch`, but from a thread that is no worker.
fn spawn_outside<E: Executor>(workers: usize) -> Operation {
    let executor = E::start(workers);
    let mut joins = Vec::with_capacity(BATCH as usize);
    Box::new(move |n| {
        let rounds = share(n, BATCH);
        let start = Instant::now();
        for _ in 0..rounds {
            joins.extend((0..BATCH).map(|_| executor.spawn_from_outside(async {})));
            for join in joins.drain(..) {
                executor.wait(join);
            }
        }
        Spent::since(start, rounds * BATCH)
    })
}

async fn skynet_join<E: Executor>(_: u64) -> Spent {
    let start = Instant::now();
    let sum = E::spawn(subtree_join::<E>(0, LEAVES)).await;
    let spent = Spent::since(start, 1);
    assert_eq!(sum, LEAVES_SUM);
    spent
}

fn subtree_join<E: Executor>(first: u64, leaves: u64) -> Pin<Box<dyn Future<Output = u64> + Send>> {
    Box::pin(async move {
        if leaves == 1 {
            return first;
        }
        let part = leaves / 10;
        let children: [_; 10] =
            std::array::from_fn(|i| E::spawn(subtree_join::<E>(first + i as u64 * part, part)));
        let mut sum = 0;
        for child in children {
            sum += child.await;
        }
        sum
    })
}

async fn skynet_channel<E: Executor, C: ManySenders>(_: u64) -> Spent {
    let start = Instant::now();
    let (tx, mut rx) = C::open::<u64>(1);
    E::detach(E::spawn(subtree_channel::<E, C>(tx, 0, LEAVES)));
    let sum = C::recv(&mut rx).await;
    let spent = Spent::since(start, 1);
    assert_eq!(sum, Some(LEAVES_SUM));
    spent
}

/// Children answer over a channel of ten, their parent over its own parent's.
fn subtree_channel<E: Executor, C: ManySenders>(
    mut up: C::Sender<u64>,
    first: u64,
    leaves: u64,
) -> Pin<Box<dyn Future<Output = ()> + Send>> {
    Box::pin(async move {
        if leaves == 1 {
            C::send(&mut up, first).await;
            return;
        }
        let part = leaves / 10;
        let (tx, mut rx) = C::open::<u64>(10);
        for i in 0..10 {
            E::detach(E::spawn(subtree_channel::<E, C>(
                C::another_sender(&tx),
                first + i * part,
                part,
            )));
        }
        let mut sum = 0;
        for _ in 0..10 {
            sum += C::recv(&mut rx).await.expect("open");
        }
        C::send(&mut up, sum).await;
    })
}

/// From a send by a thread that is no worker, after the workers have gone idle, to the task that receives.
async fn wake_idle<E: Executor, C: Channel>() -> Vec<Figure> {
    let (mut tx, mut rx) = C::open::<Instant>(16);
    let waker = thread::spawn(move || {
        for _ in 0..WAKES {
            thread::sleep(Duration::from_millis(2));
            assert!(C::try_send(&mut tx, Instant::now()));
        }
    });
    let mut late = Vec::new();
    while let Some(sent) = C::recv(&mut rx).await {
        late.push(sent.elapsed().as_nanos() as i64);
    }
    waker.join().expect("the waking thread ends well");
    assert_eq!(late.len(), WAKES);
    vec![
        Figure::new("p50", "ns", percentile(&mut late, 0.5)),
        Figure::new("p99", "ns", percentile(&mut late, 0.99)),
    ]
}
