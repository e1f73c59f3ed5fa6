//! `src/sync/mutex_test.go`, and `sync.Mutex` in `src/internal/sync`.
//!
//! `TestMutexMisuse` has no counterpart: without a guard there is nothing to unlock, and with one it unlocks once.

use crate::common::{Place, Tally, everywhere};
use gochan::sync::Mutex;
use gochan::sync::mutex::MutexMode;
use std::sync::Arc;

/// `TestMutex`: ten goroutines lock and unlock, and try now and then.
mod test_mutex {
    use super::*;

    async fn hammer(place: Place) {
        let mutex = Arc::new(Mutex::new(0));
        let guard = mutex.lock().await;
        assert!(mutex.try_lock().is_none(), "it is locked");
        drop(guard);
        assert!(mutex.try_lock().is_some(), "it is free");
        let rounds = place.scale(1_000, 200);
        let (tried, hands) = (Tally::default(), 10);
        let all: Vec<_> = (0..hands)
            .map(|_| {
                let (mutex, tried) = (mutex.clone(), tried.clone());
                place.go(async move {
                    for i in 0..rounds {
                        if i % 3 == 0 && mutex.try_lock().map(|mut n| *n += 1).is_some() {
                            tried.add(1);
                        }
                        *mutex.lock().await += 1;
                    }
                })
            })
            .collect();
        for one in all {
            one.join().await;
        }
        let total = *mutex.lock().await;
        assert_eq!(total, hands * rounds + tried.get());
        let stats = mutex.stats();
        assert!(!stats.locked && stats.waiters.is_empty() && stats.mode == MutexMode::Normal);
    }

    everywhere!(hammer);
}

/// `TestMutexFairness`: a hog that has the mutex nearly all the time; the other one has it ten times all the same.
mod test_mutex_fairness {
    use super::*;
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::time::{Duration, Instant};

    /// `polite`: the hog gives way between two holds, where nobody makes it.
    async fn against_a_hog(place: Place, polite: bool) {
        let mutex = Arc::new(Mutex::new(0u64));
        let stop = Arc::new(AtomicBool::new(false));
        let (hog, its_stop, its_place) = (mutex.clone(), stop.clone(), place.clone());
        let hog = place.go(async move {
            while !its_stop.load(Ordering::Relaxed) {
                let mut n = hog.lock().await;
                let since = Instant::now();
                while since.elapsed() < Duration::from_micros(100) {
                    std::hint::spin_loop();
                }
                *n += 1;
                drop(n);
                if polite {
                    its_place.pause().await;
                }
            }
        });
        let its_place = place.clone();
        let other = place.go(async move {
            for _ in 0..10 {
                // Go sleeps here for as long as the hog holds on.
                its_place.pause().await;
                drop(mutex.lock().await);
            }
        });
        other.join().await;
        stop.store(true, Ordering::Relaxed);
        hog.join().await;
    }

    #[test]
    fn on_gochan() {
        Place::gochan(|place| against_a_hog(place, false));
    }

    /// A task there keeps its worker until it waits; nothing is taken from it.
    #[test]
    fn on_tokio() {
        Place::tokio(|place| against_a_hog(place, true));
    }

    #[test]
    fn on_threads() {
        Place::threads(|place| against_a_hog(place, false));
    }
}
