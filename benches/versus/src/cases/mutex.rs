//! E01, E02: mutexes. One operation is one lock, increment and unlock.

use super::share;
use crate::executor::{Executor, Gochan, Smol, Tokio, on, on_threads};
use crate::measure::Spent;
use crate::registry::{BOTH, ONE, Registry, TWO};
use std::future::{Future, ready};
use std::ops::DerefMut;
use std::sync::Arc;
use std::thread;
use std::time::Instant;

/// A mutex around a number, as a peer.
pub trait Lock: 'static {
    type Mutex: Default + Send + Sync + 'static;
    type Guard<'a>: DerefMut<Target = u64> + Send;

    fn lock(mutex: &Self::Mutex) -> impl Future<Output = Self::Guard<'_>> + Send;
}

/// A mutex for threads, as a peer.
pub trait ThreadLock: 'static {
    type Mutex: Default + Send + Sync + 'static;
    type Guard<'a>: DerefMut<Target = u64>;

    fn lock(mutex: &Self::Mutex) -> Self::Guard<'_>;
}

pub struct GochanMutex;
pub struct TokioMutex;
pub struct AsyncLock;
/// A blocking mutex used inside tasks: what tokio's documentation advises for sections without an await.
pub struct ParkingLotInTask;
pub struct ParkingLot;
pub struct Std;

impl Lock for GochanMutex {
    type Mutex = gochan::sync::Mutex<u64>;
    type Guard<'a> = gochan::sync::MutexGuard<'a, u64>;

    fn lock(mutex: &Self::Mutex) -> impl Future<Output = Self::Guard<'_>> + Send {
        mutex.lock()
    }
}

impl Lock for TokioMutex {
    type Mutex = tokio::sync::Mutex<u64>;
    type Guard<'a> = tokio::sync::MutexGuard<'a, u64>;

    fn lock(mutex: &Self::Mutex) -> impl Future<Output = Self::Guard<'_>> + Send {
        mutex.lock()
    }
}

impl Lock for AsyncLock {
    type Mutex = async_lock::Mutex<u64>;
    type Guard<'a> = async_lock::MutexGuard<'a, u64>;

    fn lock(mutex: &Self::Mutex) -> impl Future<Output = Self::Guard<'_>> + Send {
        mutex.lock()
    }
}

impl Lock for ParkingLotInTask {
    type Mutex = parking_lot::Mutex<u64>;
    type Guard<'a> = parking_lot::MutexGuard<'a, u64>;

    fn lock(mutex: &Self::Mutex) -> impl Future<Output = Self::Guard<'_>> + Send {
        ready(mutex.lock())
    }
}

impl ThreadLock for ParkingLot {
    type Mutex = parking_lot::Mutex<u64>;
    type Guard<'a> = parking_lot::MutexGuard<'a, u64>;

    fn lock(mutex: &Self::Mutex) -> Self::Guard<'_> {
        mutex.lock()
    }
}

impl ThreadLock for Std {
    type Mutex = std::sync::Mutex<u64>;
    type Guard<'a> = std::sync::MutexGuard<'a, u64>;

    fn lock(mutex: &Self::Mutex) -> Self::Guard<'_> {
        mutex.lock().expect("no holder panics")
    }
}

pub fn register(rows: &mut Registry) {
    enter::<Gochan, GochanMutex>(rows, "gochan");
    enter::<Tokio, TokioMutex>(rows, "tokio");
    enter::<Tokio, AsyncLock>(rows, "async-lock");
    enter::<Smol, AsyncLock>(rows, "async-lock@smol");
    enter::<Tokio, ParkingLotInTask>(rows, "parking_lot-in-task");
    enter_yielding::<Gochan, GochanMutex>(rows, "gochan");
    enter_yielding::<Tokio, TokioMutex>(rows, "tokio");
    enter_yielding::<Tokio, AsyncLock>(rows, "async-lock");
    enter_yielding::<Smol, AsyncLock>(rows, "async-lock@smol");
    enter_threads::<ParkingLot>(rows, "parking_lot-threads");
    enter_threads::<Std>(rows, "std-threads");
}

fn enter<E: Executor, L: Lock>(rows: &mut Registry, peer: &'static str) {
    rows.repeated(
        "E01_mutex_uncontended",
        peer,
        ONE,
        on::<E, _, _>(uncontended::<L>),
    );
    rows.repeated(
        "E02_mutex_2tasks_tiny",
        peer,
        TWO,
        on::<E, _, _>(|n| contended::<E, L>(n, 2, false)),
    );
    rows.repeated(
        "E02_mutex_8tasks_tiny",
        peer,
        BOTH,
        on::<E, _, _>(|n| contended::<E, L>(n, 8, false)),
    );
    rows.repeated(
        "E02_mutex_64tasks_tiny",
        peer,
        BOTH,
        on::<E, _, _>(|n| contended::<E, L>(n, 64, false)),
    );
}

/// Those whose guard may be held across an await.
fn enter_yielding<E: Executor, L: Lock>(rows: &mut Registry, peer: &'static str) {
    rows.repeated(
        "E02_mutex_2tasks_yield",
        peer,
        TWO,
        on::<E, _, _>(|n| contended::<E, L>(n, 2, true)),
    );
    rows.repeated(
        "E02_mutex_8tasks_yield",
        peer,
        BOTH,
        on::<E, _, _>(|n| contended::<E, L>(n, 8, true)),
    );
    rows.repeated(
        "E02_mutex_64tasks_yield",
        peer,
        BOTH,
        on::<E, _, _>(|n| contended::<E, L>(n, 64, true)),
    );
}

fn enter_threads<L: ThreadLock>(rows: &mut Registry, peer: &'static str) {
    rows.repeated(
        "E02_mutex_2tasks_tiny",
        peer,
        TWO,
        on_threads(|n| contended_threads::<L>(n, 2)),
    );
    rows.repeated(
        "E02_mutex_8tasks_tiny",
        peer,
        TWO,
        on_threads(|n| contended_threads::<L>(n, 8)),
    );
    rows.repeated(
        "E02_mutex_64tasks_tiny",
        peer,
        TWO,
        on_threads(|n| contended_threads::<L>(n, 64)),
    );
}

async fn uncontended<L: Lock>(n: u64) -> Spent {
    let mutex = L::Mutex::default();
    let start = Instant::now();
    for _ in 0..n {
        *L::lock(&mutex).await += 1;
    }
    let spent = Spent::since(start, n);
    assert_eq!(*L::lock(&mutex).await, n);
    spent
}

/// Tasks that do nothing else; `yielding`: and pass the worker on while they hold the lock.
async fn contended<E: Executor, L: Lock>(n: u64, tasks: u64, yielding: bool) -> Spent {
    let each = share(n, tasks);
    let mutex = Arc::new(L::Mutex::default());
    let start = Instant::now();
    let mut joins = Vec::new();
    for _ in 0..tasks {
        let mutex = mutex.clone();
        joins.push(E::spawn(async move {
            for _ in 0..each {
                let mut count = L::lock(&mutex).await;
                *count += 1;
                if yielding {
                    E::yield_now().await;
                }
            }
        }));
    }
    for join in joins {
        join.await;
    }
    let spent = Spent::since(start, each * tasks);
    assert_eq!(*L::lock(&mutex).await, each * tasks);
    spent
}

fn contended_threads<L: ThreadLock>(n: u64, threads: u64) -> Spent {
    let each = share(n, threads);
    let mutex = L::Mutex::default();
    let start = Instant::now();
    thread::scope(|s| {
        for _ in 0..threads {
            s.spawn(|| (0..each).for_each(|_| *L::lock(&mutex) += 1));
        }
    });
    let spent = Spent::since(start, each * threads);
    assert_eq!(*L::lock(&mutex), each * threads);
    spent
}
