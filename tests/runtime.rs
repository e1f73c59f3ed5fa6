//! The executor as a whole: nothing is lost, nobody starves, nothing is left behind.

use gochan::{Runtime, block_on, blocking, go, yield_now};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::{Duration, Instant};

fn runtime(workers: usize) -> Runtime {
    Runtime::builder().workers(workers).build().unwrap()
}

#[test]
fn ten_thousand_tasks_chained() {
    fn link(n: usize) -> Pin<Box<dyn Future<Output = usize> + Send>> {
        Box::pin(async move {
            if n == 0 {
                return 0;
            }
            1 + go(link(n - 1)).await.unwrap()
        })
    }
    for workers in [1, 2, 4] {
        let rt = runtime(workers);
        assert_eq!(
            rt.block_on(async { go(link(10_000)).await.unwrap() }),
            10_000
        );
    }
}

#[test]
fn everybody_gets_its_turn() {
    for workers in [1, 2] {
        let rt = runtime(workers);
        let count = Arc::new(AtomicUsize::new(0));
        let tasks: Vec<_> = (0..100)
            .map(|_| {
                let count = Arc::clone(&count);
                rt.go(async move {
                    for _ in 0..1000 {
                        yield_now().await;
                        count.fetch_add(1, SeqCst);
                    }
                })
            })
            .collect();
        for task in tasks {
            task.wait().unwrap();
        }
        assert_eq!(count.load(SeqCst), 100_000);
    }
}

#[test]
fn a_blocked_task_holds_nobody_up() {
    let rt = runtime(1);
    let (tx, rx) = std::sync::mpsc::channel();
    let blocked = rt.go(async move { blocking(|| rx.recv().unwrap()) });
    let other = rt.go(async move { tx.send(7).unwrap() });
    other.wait().unwrap();
    assert_eq!(blocked.wait().unwrap(), 7);
    rt.shutdown();
}

#[test]
fn block_on_inside_a_task() {
    let rt = runtime(1);
    let out = rt.go(async { block_on(async { go(async { 3 }).await.unwrap() }) });
    assert_eq!(out.wait().unwrap(), 3);
}

#[test]
fn wakes_from_a_thread() {
    let rt = runtime(2);
    let started = Instant::now();
    let (tx, rx) = gochan::chan::<u32>(0);
    let sum = rt.go(async move {
        let mut sum = 0;
        while let Ok(n) = rx.recv().await {
            sum += n;
        }
        sum
    });
    for n in 0..1000 {
        tx.send_blocking(n).unwrap();
    }
    drop(tx);
    assert_eq!(sum.wait().unwrap(), 499_500);
    assert!(started.elapsed() < Duration::from_secs(60));
}

#[test]
fn shutdown_drops_every_task() {
    struct Count(Arc<AtomicUsize>);
    impl Drop for Count {
        fn drop(&mut self) {
            self.0.fetch_add(1, SeqCst);
        }
    }
    for workers in [1, 2] {
        let rt = runtime(workers);
        let drops = Arc::new(AtomicUsize::new(0));
        for _ in 0..1000 {
            let count = Count(Arc::clone(&drops));
            drop(rt.go(async move {
                let _count = count;
                std::future::pending::<()>().await;
            }));
        }
        rt.shutdown();
        assert_eq!(drops.load(SeqCst), 1000);
    }
}
