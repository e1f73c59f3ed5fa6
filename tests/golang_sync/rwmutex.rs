//! Go's src/sync/rwmutex_test.go.
//!
//! RUnlock and Unlock of what is not held, which Go ends the program for, cannot be written: a guard is the only way to
//! give a mutex back. `RLocker` has no meaning without an interface for locks.

use crate::common::{Place, everywhere};
use gochan::chan;
use gochan::sync::{RwMutex, RwMutexWriteGuard};
use std::sync::Arc;
use std::sync::atomic::{AtomicI32, Ordering::SeqCst};

mod parallel_readers {
    use super::*;

    /// Readers are in all at once: each tells that it is, and leaves only when all have.
    async fn readers(place: &Place, count: usize) {
        let mutex = Arc::new(RwMutex::new(()));
        let (locked, is_locked) = chan(0);
        let (unlock, may_unlock) = chan(0);
        let (done, is_done) = chan(0);
        for _ in 0..count {
            let (mutex, locked) = (mutex.clone(), locked.clone());
            let (may_unlock, done) = (may_unlock.clone(), done.clone());
            place.go(async move {
                let guard = mutex.read().await;
                locked.send(()).await.unwrap();
                may_unlock.recv().await.unwrap();
                drop(guard);
                done.send(()).await.unwrap();
            });
        }
        for _ in 0..count {
            is_locked.recv().await.unwrap();
        }
        assert_eq!(mutex.stats().readers, count);
        for _ in 0..count {
            unlock.send(()).await.unwrap();
        }
        for _ in 0..count {
            is_done.recv().await.unwrap();
        }
    }

    async fn body(place: Place) {
        for count in [1, 3, 4, place.scale(100, 10)] {
            readers(&place, count).await;
        }
    }
    everywhere!(body);
}

mod test_rwmutex {
    use super::*;

    /// What the holders count: one for each reader, 10,000 for a writer.
    #[derive(Default)]
    struct Activity(AtomicI32);

    impl Activity {
        async fn read(&self, place: &Place) {
            let n = self.0.fetch_add(1, SeqCst) + 1;
            assert!((1..10_000).contains(&n), "{n} while reading");
            place.pause().await;
            self.0.fetch_sub(1, SeqCst);
        }

        async fn write(&self, place: &Place) {
            let n = self.0.fetch_add(10_000, SeqCst) + 10_000;
            assert_eq!(n, 10_000, "somebody else while writing");
            place.pause().await;
            self.0.fetch_sub(10_000, SeqCst);
        }
    }

    async fn reader(place: Place, mutex: Arc<RwMutex<()>>, activity: Arc<Activity>, turns: usize) {
        for turn in 0..turns {
            let guard = match turn % 4 {
                0 => mutex.try_read(),
                _ => Some(mutex.read().await),
            };
            if guard.is_some() {
                activity.read(&place).await;
            }
        }
    }

    async fn writer(place: Place, mutex: Arc<RwMutex<()>>, activity: Arc<Activity>, turns: usize) {
        for turn in 0..turns {
            let guard = match turn % 4 {
                0 => mutex.try_write(),
                _ => Some(mutex.write().await),
            };
            let Some(guard) = guard else { continue };
            activity.write(&place).await;
            if turn % 3 == 0 {
                let reading = RwMutexWriteGuard::downgrade(guard);
                activity.read(&place).await;
                drop(reading);
            }
        }
    }

    async fn hammer(place: &Place, readers: usize, turns: usize) {
        let mutex = Arc::new(RwMutex::new(()));
        let activity = Arc::new(Activity::default());
        let with = |place: &Place| (place.clone(), mutex.clone(), activity.clone());
        let mut all = Vec::new();
        for first in [true, false] {
            let (p, m, a) = with(place);
            all.push(place.go(writer(p, m, a, turns)));
            for _ in 0..if first {
                readers / 2
            } else {
                readers - readers / 2
            } {
                let (p, m, a) = with(place);
                all.push(place.go(reader(p, m, a, turns)));
            }
        }
        for one in all {
            one.join().await;
        }
        let stats = mutex.stats();
        assert_eq!((stats.readers, stats.writer), (0, false));
        assert_eq!((stats.waiting_readers, stats.waiting_writers), (0, 0));
        assert!(mutex.try_write().is_some(), "free, and no mark is left");
    }

    async fn body(place: Place) {
        for readers in [1, 3, 5, 10] {
            hammer(&place, readers, place.scale(1_000, 200)).await;
        }
    }
    everywhere!(body);
}
