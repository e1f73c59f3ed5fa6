//! E05: semaphores. One operation is one permit taken and given back.

use super::share;
use crate::executor::{Executor, Gochan, Smol, Tokio, on};
use crate::measure::Spent;
use crate::registry::{BOTH, ONE, Registry};
use std::future::Future;
use std::sync::Arc;
use std::time::Instant;

const PERMITS: usize = 4;
const TASKS: u64 = 8;

/// A semaphore as a peer.
trait Permits: 'static {
    type Semaphore: Send + Sync + 'static;
    /// What the peer's own future gives: an adapter around it would be measured as well.
    type Permit<'a>: Send;

    fn new(permits: usize) -> Self::Semaphore;
    fn acquire(semaphore: &Self::Semaphore) -> impl Future<Output = Self::Permit<'_>> + Send;
    fn try_acquire(semaphore: &Self::Semaphore) -> Option<Self::Permit<'_>>;
}

struct GochanSemaphore;
struct TokioSemaphore;
struct AsyncLock;

impl Permits for GochanSemaphore {
    type Semaphore = gochan::sync::Semaphore;
    type Permit<'a> = Result<gochan::sync::SemaphorePermit<'a>, gochan::AcquireError>;

    fn new(permits: usize) -> Self::Semaphore {
        gochan::sync::Semaphore::new(permits)
    }
    fn acquire(semaphore: &Self::Semaphore) -> impl Future<Output = Self::Permit<'_>> + Send {
        semaphore.acquire()
    }
    fn try_acquire(semaphore: &Self::Semaphore) -> Option<Self::Permit<'_>> {
        semaphore.try_acquire().ok().map(Ok)
    }
}

impl Permits for TokioSemaphore {
    type Semaphore = tokio::sync::Semaphore;
    type Permit<'a> = Result<tokio::sync::SemaphorePermit<'a>, tokio::sync::AcquireError>;

    fn new(permits: usize) -> Self::Semaphore {
        tokio::sync::Semaphore::new(permits)
    }
    fn acquire(semaphore: &Self::Semaphore) -> impl Future<Output = Self::Permit<'_>> + Send {
        semaphore.acquire()
    }
    fn try_acquire(semaphore: &Self::Semaphore) -> Option<Self::Permit<'_>> {
        semaphore.try_acquire().ok().map(Ok)
    }
}

impl Permits for AsyncLock {
    type Semaphore = async_lock::Semaphore;
    type Permit<'a> = async_lock::SemaphoreGuard<'a>;

    fn new(permits: usize) -> Self::Semaphore {
        async_lock::Semaphore::new(permits)
    }
    fn acquire(semaphore: &Self::Semaphore) -> impl Future<Output = Self::Permit<'_>> + Send {
        semaphore.acquire()
    }
    fn try_acquire(semaphore: &Self::Semaphore) -> Option<Self::Permit<'_>> {
        semaphore.try_acquire()
    }
}

pub fn register(rows: &mut Registry) {
    enter::<Gochan, GochanSemaphore>(rows, "gochan");
    enter::<Tokio, TokioSemaphore>(rows, "tokio");
    enter::<Tokio, AsyncLock>(rows, "async-lock");
    enter::<Smol, AsyncLock>(rows, "async-lock@smol");
}

fn enter<E: Executor, P: Permits>(rows: &mut Registry, peer: &'static str) {
    rows.repeated(
        "E05_sem_uncontended",
        peer,
        ONE,
        on::<E, _, _>(uncontended::<P>),
    );
    rows.repeated(
        "E05_sem_4of8_yield",
        peer,
        BOTH,
        on::<E, _, _>(contended::<E, P>),
    );
}

async fn uncontended<P: Permits>(n: u64) -> Spent {
    let semaphore = P::new(PERMITS);
    let start = Instant::now();
    for _ in 0..n {
        drop(P::acquire(&semaphore).await);
    }
    let spent = Spent::since(start, n);
    assert_all_back::<P>(&semaphore);
    spent
}

/// Eight tasks for four permits, each passing the worker on while it holds one.
async fn contended<E: Executor, P: Permits>(n: u64) -> Spent {
    let each = share(n, TASKS);
    let semaphore = Arc::new(P::new(PERMITS));
    let start = Instant::now();
    let mut joins = Vec::new();
    for _ in 0..TASKS {
        let semaphore = semaphore.clone();
        joins.push(E::spawn(async move {
            for _ in 0..each {
                let permit = P::acquire(&semaphore).await;
                E::yield_now().await;
                drop(permit);
            }
        }));
    }
    for join in joins {
        join.await;
    }
    let spent = Spent::since(start, each * TASKS);
    assert_all_back::<P>(&semaphore);
    spent
}

fn assert_all_back<P: Permits>(semaphore: &P::Semaphore) {
    let all: Vec<_> = (0..PERMITS).map(|_| P::try_acquire(semaphore)).collect();
    assert!(all.iter().all(Option::is_some), "a permit was lost");
    assert!(P::try_acquire(semaphore).is_none(), "a permit too many");
}
