//! `src/sync/cond_test.go`.
//!
//! `TestCondCopy` has no counterpart: what is waited on is borrowed, and does not move.

use crate::common::{Place, Tally, everywhere};
use gochan::chan;
use gochan::sync::{Cond, Mutex};
use std::sync::Arc;

fn shared<T>(value: T) -> Arc<(Mutex<T>, Cond)> {
    Arc::new((Mutex::new(value), Cond::new()))
}

/// One signal wakes one.
mod test_cond_signal {
    use super::*;

    async fn one_each(place: Place) {
        const N: usize = 2;
        let shared = shared(());
        let (running, is_running) = chan(N);
        let (awake, is_awake) = chan(N);
        for _ in 0..N {
            let (shared, running, awake) = (shared.clone(), running.clone(), awake.clone());
            place.go(async move {
                let guard = shared.0.lock().await;
                running.send(()).await.unwrap();
                let guard = shared.1.wait(guard).await;
                awake.send(()).await.unwrap();
                drop(guard);
            });
        }
        for _ in 0..N {
            is_running.recv().await.unwrap();
        }
        for _ in 0..N {
            assert!(is_awake.try_recv().is_err(), "one is not asleep");
            let guard = shared.0.lock().await;
            shared.1.notify_one();
            drop(guard);
            is_awake.recv().await.unwrap();
            assert!(is_awake.try_recv().is_err(), "too many are awake");
        }
        shared.1.notify_one();
    }

    everywhere!(one_each);
}

/// Waiters are woken in the order in which they began to wait.
mod test_cond_signal_generations {
    use super::*;

    async fn in_order(place: Place) {
        const N: usize = 100;
        let shared = shared(());
        let (running, is_running) = chan(N);
        let (awake, is_awake) = chan(N);
        for i in 0..N {
            let (its, running, awake) = (shared.clone(), running.clone(), awake.clone());
            place.go(async move {
                let guard = its.0.lock().await;
                running.send(()).await.unwrap();
                let guard = its.1.wait(guard).await;
                awake.send(i).await.unwrap();
                drop(guard);
            });
            if i > 0 {
                assert_eq!(is_awake.recv().await, Ok(i - 1));
            }
            is_running.recv().await.unwrap();
            let guard = shared.0.lock().await;
            shared.1.notify_one();
            drop(guard);
        }
        assert_eq!(is_awake.recv().await, Ok(N - 1));
    }

    everywhere!(in_order);
}

/// A broadcast wakes all, again and again.
mod test_cond_broadcast {
    use super::*;

    async fn everybody(place: Place) {
        let n = place.scale(200, 50);
        let shared = shared(false);
        let (running, is_running) = chan(n);
        let (awake, is_awake) = chan(n);
        let all: Vec<_> = (0..n)
            .map(|_| {
                let (shared, running, awake) = (shared.clone(), running.clone(), awake.clone());
                place.go(async move {
                    let mut exit = shared.0.lock().await;
                    while !*exit {
                        running.send(()).await.unwrap();
                        exit = shared.1.wait(exit).await;
                        awake.send(()).await.unwrap();
                    }
                })
            })
            .collect();
        for round in 0..n {
            for _ in 0..n {
                is_running.recv().await.unwrap();
            }
            let mut exit = shared.0.lock().await;
            assert!(is_awake.try_recv().is_err(), "one is not asleep");
            *exit = round == n - 1;
            shared.1.notify_all();
            drop(exit);
            for _ in 0..n {
                is_awake.recv().await.unwrap();
            }
        }
        assert!(is_running.try_recv().is_err(), "one did not exit");
        for one in all {
            one.join().await;
        }
        shared.1.notify_all();
    }

    everywhere!(everybody);
}

/// A waiter that comes later does not get the signal of one that waits already.
mod test_cond_signal_stealing {
    use super::*;

    async fn the_first_has_it(place: Place) {
        let signalled = Tally::default();
        for _ in 0..place.scale(1_000, 100) {
            let shared = shared(false);
            let (tell, told) = chan(0);
            let (first, counts) = (shared.clone(), signalled.clone());
            place.go(async move {
                let guard = first.0.lock().await;
                tell.send(()).await.unwrap();
                let guard = first.1.wait(guard).await;
                drop(guard);
                counts.add(1);
                tell.send(()).await.unwrap();
            });
            told.recv().await.unwrap();
            // It had the mutex when it told us: once we have it, it waits.
            drop(shared.0.lock().await);
            let other = shared.clone();
            place.go(async move { other.1.notify_all() });
            let second = shared.clone();
            let second = place.go(async move {
                let mut done = second.0.lock().await;
                while !*done {
                    done = second.1.wait(done).await;
                }
            });
            told.recv().await.unwrap();
            *shared.0.lock().await = true;
            shared.1.notify_all();
            second.join().await;
        }
    }

    everywhere!(the_first_has_it);
}
