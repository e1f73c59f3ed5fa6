//! E06: how evenly a mutex serves eight tasks that want nothing else, for one second. E07: how long eight tasks wait for a
//! mutex that a ninth takes again and again, to keep it for a tenth of a millisecond.

use super::mutex::{
    AsyncLock, GochanMutex, Lock, ParkingLot, ParkingLotInTask, Std, ThreadLock, TokioMutex,
};
use crate::executor::{Executor, Gochan, Smol, Tokio, figures_on};
use crate::measure::Figure;
use crate::registry::{Registry, TWO};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

const TASKS: usize = 8;
const LASTING: Duration = Duration::from_secs(1);
const ROUNDS: u32 = 2;
/// How long the hog keeps the mutex.
const HOLD: Duration = Duration::from_micros(100);

/// What one of them got: how often, and after how long at worst.
#[derive(Clone, Copy, Default)]
struct Got {
    count: u64,
    worst: Duration,
}

impl Got {
    fn note(&mut self, waited: Duration) {
        self.count += 1;
        self.worst = self.worst.max(waited);
    }
}

pub fn register(rows: &mut Registry) {
    tiny::<Gochan, GochanMutex>(rows, "gochan");
    tiny::<Tokio, TokioMutex>(rows, "tokio");
    tiny::<Tokio, AsyncLock>(rows, "async-lock");
    tiny::<Smol, AsyncLock>(rows, "async-lock@smol");
    tiny::<Tokio, ParkingLotInTask>(rows, "parking_lot-in-task");
    rows.figures("E06_fair_tiny", "parking_lot-threads", TWO, ROUNDS, |_| {
        threads::<ParkingLot>()
    });
    rows.figures("E06_fair_tiny", "std-threads", TWO, ROUNDS, |_| {
        threads::<Std>()
    });
    yielding::<Gochan, GochanMutex>(rows, "gochan");
    yielding::<Tokio, TokioMutex>(rows, "tokio");
    yielding::<Tokio, AsyncLock>(rows, "async-lock");
    yielding::<Smol, AsyncLock>(rows, "async-lock@smol");
    hog::<Gochan, GochanMutex>(rows, "gochan");
    hog::<Tokio, TokioMutex>(rows, "tokio");
    hog::<Tokio, AsyncLock>(rows, "async-lock");
    hog::<Smol, AsyncLock>(rows, "async-lock@smol");
}

fn hog<E: Executor, L: Lock>(rows: &mut Registry, peer: &'static str) {
    rows.figures(
        "E07_hog_8waiters",
        peer,
        TWO,
        ROUNDS,
        figures_on::<E, _, _>(against_a_hog::<E, L>),
    );
}

/// What the waiters got. Between two locks each gives way; the hog only where its executor makes it.
async fn against_a_hog<E: Executor, L: Lock>() -> Vec<Figure> {
    let mutex = Arc::new(L::Mutex::default());
    let end = Instant::now() + LASTING;
    let hogged = mutex.clone();
    let hog = E::spawn(async move {
        while Instant::now() < end {
            let guard = L::lock(&hogged).await;
            let since = Instant::now();
            while since.elapsed() < HOLD {
                std::hint::spin_loop();
            }
            drop(guard);
        }
    });
    let mut joins = Vec::new();
    for _ in 0..TASKS {
        let mutex = mutex.clone();
        joins.push(E::spawn(async move {
            let mut got = Got::default();
            loop {
                E::yield_now().await;
                let asked = Instant::now();
                if asked > end {
                    return got;
                }
                let mut count = L::lock(&mutex).await;
                got.note(asked.elapsed());
                *count += 1;
            }
        }));
    }
    let mut all = Vec::new();
    for join in joins {
        all.push(join.await);
    }
    hog.await;
    let total = *L::lock(&mutex).await;
    figures(&all, total)
}

fn tiny<E: Executor, L: Lock>(rows: &mut Registry, peer: &'static str) {
    rows.figures(
        "E06_fair_tiny",
        peer,
        TWO,
        ROUNDS,
        figures_on::<E, _, _>(|| tasks::<E, L>(false)),
    );
}

fn yielding<E: Executor, L: Lock>(rows: &mut Registry, peer: &'static str) {
    rows.figures(
        "E06_fair_yield",
        peer,
        TWO,
        ROUNDS,
        figures_on::<E, _, _>(|| tasks::<E, L>(true)),
    );
}

async fn tasks<E: Executor, L: Lock>(yielding: bool) -> Vec<Figure> {
    let mutex = Arc::new(L::Mutex::default());
    let end = Instant::now() + LASTING;
    let mut joins = Vec::new();
    for _ in 0..TASKS {
        let mutex = mutex.clone();
        joins.push(E::spawn(async move {
            let mut got = Got::default();
            loop {
                let asked = Instant::now();
                if asked > end {
                    return got;
                }
                let mut count = L::lock(&mutex).await;
                got.note(asked.elapsed());
                *count += 1;
                if yielding {
                    E::yield_now().await;
                }
            }
        }));
    }
    let mut all = Vec::new();
    for join in joins {
        all.push(join.await);
    }
    let total = *L::lock(&mutex).await;
    figures(&all, total)
}

fn threads<L: ThreadLock>() -> Vec<Figure> {
    let mutex = L::Mutex::default();
    let end = Instant::now() + LASTING;
    let contend = || {
        let mut got = Got::default();
        loop {
            let asked = Instant::now();
            if asked > end {
                return got;
            }
            let mut count = L::lock(&mutex);
            got.note(asked.elapsed());
            *count += 1;
        }
    };
    let all: Vec<Got> = thread::scope(|s| {
        let threads: Vec<_> = (0..TASKS).map(|_| s.spawn(contend)).collect();
        threads
            .into_iter()
            .map(|t| t.join().expect("a thread ends well"))
            .collect()
    });
    let total = *L::lock(&mutex);
    figures(&all, total)
}

/// `max_wait`; `min_share`: the least served one's part of an even share; `cv`: the spread of the counts over their
/// mean; `acq_total`: acquisitions in all.
fn figures(all: &[Got], total: u64) -> Vec<Figure> {
    assert_eq!(all.iter().map(|g| g.count).sum::<u64>(), total);
    let worst = all.iter().map(|g| g.worst).max().unwrap_or_default();
    let least = all.iter().map(|g| g.count).min().unwrap_or_default();
    let mean = total as f64 / all.len() as f64;
    let variance = all
        .iter()
        .map(|g| (g.count as f64 - mean).powi(2))
        .sum::<f64>()
        / all.len() as f64;
    vec![
        Figure::new("max_wait", "us", worst.as_nanos() as f64 / 1e3),
        Figure::new("min_share", "%", 100.0 * least as f64 / mean),
        Figure::new("cv", "%", 100.0 * variance.sqrt() / mean),
        Figure::new(
            "acq_total",
            "k/s",
            total as f64 / LASTING.as_secs_f64() / 1e3,
        ),
    ]
}
