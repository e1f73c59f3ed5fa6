//! E03: reader-writer locks. One operation is one lock, access and unlock.

use super::share;
use crate::executor::{Executor, Gochan, Smol, Tokio, on};
use crate::measure::Spent;
use crate::registry::{ONE, Registry, TWO};
use std::future::{Future, ready};
use std::ops::{Deref, DerefMut};
use std::sync::Arc;
use std::time::Instant;

const TASKS: u64 = 8;

/// A reader-writer lock around a number, as a peer.
trait Lock: 'static {
    type RwLock: Default + Send + Sync + 'static;
    type Read<'a>: Deref<Target = u64> + Send;
    type Write<'a>: DerefMut<Target = u64> + Send;

    fn read(lock: &Self::RwLock) -> impl Future<Output = Self::Read<'_>> + Send;
    fn write(lock: &Self::RwLock) -> impl Future<Output = Self::Write<'_>> + Send;
}

struct GochanRwMutex;
struct TokioRwLock;
struct AsyncLock;
struct ParkingLotInTask;

macro_rules! lock {
    ($peer:ident: $($path:ident)::+, $($wrap:path)?) => {
        lock!($peer: $($path)::+, RwLock, RwLockReadGuard, RwLockWriteGuard, $($wrap)?);
    };
    ($peer:ident: $($path:ident)::+, $lock:ident, $read:ident, $write:ident, $($wrap:path)?) => {
        impl Lock for $peer {
            type RwLock = $($path)::+::$lock<u64>;
            type Read<'a> = $($path)::+::$read<'a, u64>;
            type Write<'a> = $($path)::+::$write<'a, u64>;

            fn read(lock: &Self::RwLock) -> impl Future<Output = Self::Read<'_>> + Send {
                $($wrap)?(lock.read())
            }
            fn write(lock: &Self::RwLock) -> impl Future<Output = Self::Write<'_>> + Send {
                $($wrap)?(lock.write())
            }
        }
    };
}
lock!(GochanRwMutex: gochan::sync, RwMutex, RwMutexReadGuard, RwMutexWriteGuard,);
lock!(TokioRwLock: tokio::sync,);
lock!(AsyncLock: async_lock,);
lock!(ParkingLotInTask: parking_lot, ready);

pub fn register(rows: &mut Registry) {
    enter::<Gochan, GochanRwMutex>(rows, "gochan");
    enter::<Tokio, TokioRwLock>(rows, "tokio");
    enter::<Tokio, AsyncLock>(rows, "async-lock");
    enter::<Smol, AsyncLock>(rows, "async-lock@smol");
    enter::<Tokio, ParkingLotInTask>(rows, "parking_lot-in-task");
}

fn enter<E: Executor, L: Lock>(rows: &mut Registry, peer: &'static str) {
    rows.repeated(
        "E03_rwmutex_read_uncontended",
        peer,
        ONE,
        on::<E, _, _>(read_uncontended::<L>),
    );
    rows.repeated(
        "E03_rwmutex_90_10_8tasks",
        peer,
        TWO,
        on::<E, _, _>(nine_reads_a_write::<E, L>),
    );
}

async fn read_uncontended<L: Lock>(n: u64) -> Spent {
    let lock = L::RwLock::default();
    *L::write(&lock).await = 1;
    let mut sum = 0;
    let start = Instant::now();
    for _ in 0..n {
        sum += *L::read(&lock).await;
    }
    let spent = Spent::since(start, n);
    assert_eq!(sum, n);
    spent
}

async fn nine_reads_a_write<E: Executor, L: Lock>(n: u64) -> Spent {
    let each = share(n, TASKS).max(10);
    let lock = Arc::new(L::RwLock::default());
    let start = Instant::now();
    let mut joins = Vec::new();
    for _ in 0..TASKS {
        let lock = lock.clone();
        joins.push(E::spawn(async move {
            let mut seen = 0;
            for i in 0..each {
                if i % 10 == 0 {
                    *L::write(&lock).await += 1;
                } else {
                    seen = seen.max(*L::read(&lock).await);
                }
            }
            seen
        }));
    }
    let mut seen = 0;
    for join in joins {
        seen = seen.max(join.await);
    }
    let spent = Spent::since(start, each * TASKS);
    let writes = TASKS * each.div_ceil(10);
    assert_eq!(*L::read(&lock).await, writes);
    assert!(0 < seen && seen <= writes);
    spent
}
