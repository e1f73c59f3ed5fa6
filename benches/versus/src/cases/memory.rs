//! D06: what a parked task costs, in resident bytes and in the time to get there. Two hundred thousand tasks; those
//! that wait on a channel each hold an end of it.

use crate::channel::{ManyReceivers, ManySenders};
use crate::executor::Executor;
use crate::measure::Figure;
use crate::process::resident_bytes;
use crate::registry::{Registry, TWO};
use std::future::pending;
use std::mem::forget;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

const TASKS: u64 = 200_000;

pub fn register(rows: &mut Registry) {
    mpmc!(enter_figures!(
        rows,
        2,
        "D06_mem_recv_parked",
        TWO,
        receiving()
    ));
    sending_peers!(enter_figures!(
        rows,
        2,
        "D06_mem_send_parked",
        TWO,
        sending()
    ));
    executors!(enter_executor_figures!(
        rows,
        2,
        "D06_mem_bare",
        TWO,
        bare()
    ));
}

async fn receiving<E: Executor, C: ManyReceivers>() -> Vec<Figure> {
    let (tx, rx) = C::open::<u64>(1);
    let figures = park::<E>(|started| {
        let mut rx = C::another_receiver(&rx);
        E::detach(E::spawn(async move {
            started.fetch_add(1, Relaxed);
            C::recv(&mut rx).await;
        }));
    })
    .await;
    // Closing would wake them all.
    forget(tx);
    figures
}

async fn sending<E: Executor, C: ManySenders>() -> Vec<Figure> {
    let (mut tx, rx) = C::open::<u64>(1);
    assert!(C::try_send(&mut tx, 0));
    // A peer may hold more than its capacity.
    while C::try_send(&mut tx, 0) {}
    let figures = park::<E>(|started| {
        let mut tx = C::another_sender(&tx);
        E::detach(E::spawn(async move {
            started.fetch_add(1, Relaxed);
            C::send(&mut tx, 1).await;
        }));
    })
    .await;
    forget(rx);
    figures
}

async fn bare<E: Executor>() -> Vec<Figure> {
    park::<E>(|started| {
        E::detach(E::spawn(async move {
            started.fetch_add(1, Relaxed);
            pending::<()>().await;
        }));
    })
    .await
}

/// Spawns the tasks and waits until each has run for the first time, and a while for the last ones to park.
async fn park<E: Executor>(spawn: impl Fn(Arc<AtomicU64>)) -> Vec<Figure> {
    let started = Arc::new(AtomicU64::new(0));
    let before = resident_bytes();
    let start = Instant::now();
    for _ in 0..TASKS {
        spawn(started.clone());
    }
    while started.load(Relaxed) < TASKS {
        E::sleep(Duration::from_millis(5)).await;
    }
    let time = start.elapsed();
    E::sleep(Duration::from_millis(100)).await;
    let bytes = resident_bytes() - before;
    vec![
        Figure::new("bytes_per_task", "B", bytes / TASKS as f64),
        Figure::new(
            "spawn_ns_per_task",
            "ns",
            time.as_nanos() as f64 / TASKS as f64,
        ),
    ]
}
