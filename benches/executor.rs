//! What the executor costs by itself: `cargo bench --bench executor [-- FILTER]`. For profiling; the comparison with
//! others is `cargo versus`.
//!
//! Each line is the median of some rounds, in nanoseconds a unit: a yield, a task spawned and joined, a hop of a ping-pong.

use gochan::{Runtime, chan, go, yield_now};
use std::future::Future;
use std::time::Instant;

const ROUNDS: usize = 15;

/// The median time of one of `units`, in ns.
fn measure<F: Future<Output = ()> + Send + 'static>(
    rt: &Runtime,
    units: u64,
    job: impl Fn() -> F,
) -> f64 {
    let mut times: Vec<f64> = (0..ROUNDS)
        .map(|_| {
            let job = job();
            let timed = rt.go(async move {
                let start = Instant::now();
                job.await;
                start.elapsed()
            });
            timed.wait().unwrap().as_nanos() as f64 / units as f64
        })
        .collect();
    times.sort_by(f64::total_cmp);
    times[ROUNDS / 2]
}

async fn yields(tasks: u64, each: u64) {
    let storm = |_| {
        go(async move {
            for _ in 0..each {
                yield_now().await;
            }
        })
    };
    let handles: Vec<_> = (0..tasks).map(storm).collect();
    for handle in handles {
        handle.await.unwrap();
    }
}

async fn spawn_batch(tasks: usize) {
    let handles: Vec<_> = (0..tasks).map(|_| go(async {})).collect();
    for handle in handles {
        handle.await.unwrap();
    }
}

async fn spawn_one_by_one(tasks: u64) {
    for _ in 0..tasks {
        go(async {}).await.unwrap();
    }
}

async fn ping_pong(trips: u64) {
    let (to, at) = chan::<u64>(0);
    let (back, home) = chan::<u64>(0);
    let echo = go(async move {
        while let Ok(n) = at.recv().await {
            back.send(n).await.unwrap();
        }
    });
    for n in 0..trips {
        to.send(n).await.unwrap();
        assert_eq!(home.recv().await, Ok(n));
    }
    drop(to);
    echo.await.unwrap();
}

fn main() {
    let filter = std::env::args()
        .skip(1)
        .find(|arg| !arg.starts_with("--"))
        .unwrap_or_default();
    for workers in [1, 2] {
        let rt = Runtime::builder().workers(workers).build().unwrap();
        let show = |name: &str, run: &dyn Fn() -> f64| {
            let name = format!("{name} w{workers}");
            if name.contains(&filter) {
                println!("{name:24} {:8.1} ns", run());
            }
        };
        show("yield alone", &|| {
            measure(&rt, 100_000, || yields(1, 100_000))
        });
        show("yield 2 tasks", &|| {
            measure(&rt, 200_000, || yields(2, 100_000))
        });
        show("yield 1000 tasks", &|| {
            measure(&rt, 200_000, || yields(1000, 200))
        });
        show("spawn+join batch", &|| {
            measure(&rt, 10_000, || spawn_batch(10_000))
        });
        show("spawn+join one", &|| {
            measure(&rt, 20_000, || spawn_one_by_one(20_000))
        });
        show("ping-pong trip", &|| {
            measure(&rt, 50_000, || ping_pong(50_000))
        });
        show("spawn outside", &|| {
            let start = Instant::now();
            for _ in 0..10 {
                let handles: Vec<_> = (0..10_000).map(|_| rt.go(async {})).collect();
                handles
                    .into_iter()
                    .for_each(|handle| handle.wait().unwrap());
            }
            start.elapsed().as_nanos() as f64 / 100_000.0
        });
    }
}
