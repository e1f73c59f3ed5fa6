//! E04: wait groups. One operation is one member that enters and leaves.

use super::share;
use crate::executor::{Executor, Gochan, Smol, Tokio, on, on_threads};
use crate::measure::Spent;
use crate::registry::{BOTH, ONE, Registry};
use crossfire::waitgroup::WaitGroupZero;
use gochan::sync::WaitGroup;
use std::hint::black_box;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Instant;
use tokio::task::JoinSet;
use tokio_util::task::TaskTracker;

/// Tasks a group waits for.
const MEMBERS: u64 = 1000;

pub fn register(rows: &mut Registry) {
    let spawned = "E04_waitgroup_1000_spawned";
    rows.repeated(spawned, "gochan", BOTH, on::<Gochan, _, _>(gochan));
    rows.repeated(
        spawned,
        "tokio-TaskTracker",
        BOTH,
        on::<Tokio, _, _>(task_tracker),
    );
    rows.repeated(spawned, "tokio-JoinSet", BOTH, on::<Tokio, _, _>(join_set));
    rows.repeated(
        spawned,
        "crossfire-wg",
        BOTH,
        on::<Tokio, _, _>(crossfire::<Tokio>),
    );
    rows.repeated(
        spawned,
        "crossfire-wg@smol",
        BOTH,
        on::<Smol, _, _>(crossfire::<Smol>),
    );
    rows.repeated(
        "E04_waitgroup_add_done",
        "gochan",
        ONE,
        on::<Gochan, _, _>(add_done),
    );
    rows.repeated(
        "E04_waitgroup_add_done",
        "tokio-TaskTracker",
        ONE,
        on::<Tokio, _, _>(add_done_task_tracker),
    );
    rows.repeated(
        "E04_waitgroup_add_done",
        "crossfire-wg",
        ONE,
        on_threads(add_done_crossfire),
    );
}

/// Members that have run in this process.
static ENTERED: AtomicU64 = AtomicU64::new(0);

async fn member() {
    ENTERED.fetch_add(1, Relaxed);
}

/// Groups of a thousand; each member counts itself, and all must have when the last wait is over.
macro_rules! groups {
    ($n:ident, $group:block) => {{
        let rounds = share($n, MEMBERS);
        let before = ENTERED.load(Relaxed);
        let start = Instant::now();
        for _ in 0..rounds $group
        let spent = Spent::since(start, rounds * MEMBERS);
        assert_eq!(ENTERED.load(Relaxed) - before, rounds * MEMBERS);
        spent
    }};
}

async fn gochan(n: u64) -> Spent {
    groups!(n, {
        let group = WaitGroup::new();
        for _ in 0..MEMBERS {
            group.go(member());
        }
        group.wait().await;
    })
}

async fn task_tracker(n: u64) -> Spent {
    groups!(n, {
        let tracker = TaskTracker::new();
        for _ in 0..MEMBERS {
            tracker.spawn(member());
        }
        tracker.close();
        tracker.wait().await;
    })
}

async fn join_set(n: u64) -> Spent {
    groups!(n, {
        let mut set = JoinSet::new();
        for _ in 0..MEMBERS {
            set.spawn(member());
        }
        while let Some(ended) = set.join_next().await {
            ended.expect("a member ends well");
        }
    })
}

async fn crossfire<E: Executor>(n: u64) -> Spent {
    groups!(n, {
        let mut group = WaitGroupZero::new(());
        for _ in 0..MEMBERS {
            let membership = group.add_guard();
            E::detach(E::spawn(async move {
                member().await;
                drop(membership);
            }));
        }
        // A shared borrow across the await would not be Send; an exclusive one is.
        let group = &mut group;
        group.wait_async().await;
    })
}

/// As in Go. A token does the same and is shown in dumps.
async fn add_done(n: u64) -> Spent {
    let group = WaitGroup::new();
    group.add(1);
    let start = Instant::now();
    for _ in 0..n {
        black_box(&group).add(1);
        black_box(&group).done();
    }
    let spent = Spent::since(start, n);
    assert_eq!(group.count(), 1);
    spent
}

async fn add_done_task_tracker(n: u64) -> Spent {
    let tracker = TaskTracker::new();
    let first = tracker.token();
    let start = Instant::now();
    for _ in 0..n {
        drop(black_box(tracker.token()));
    }
    let spent = Spent::since(start, n);
    assert_eq!(tracker.len(), 1);
    drop(first);
    spent
}

fn add_done_crossfire(n: u64) -> Spent {
    let group = WaitGroupZero::new(());
    let first = group.add_guard();
    let start = Instant::now();
    for _ in 0..n {
        drop(black_box(group.add_guard()));
    }
    let spent = Spent::since(start, n);
    drop(first);
    spent
}
