//! golang.org/x/sync/semaphore: semaphore_test.go.
//!
//! Where Go gives up a wait by its context, ours drops the future.

use crate::common::waker::now;
use crate::common::{Place, Rng, everywhere};
use gochan::sync::Semaphore;
use gochan::{AcquireError, TryAcquireError};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use tokio_test::task::spawn;
use tokio_test::{assert_pending, assert_ready_ok};

mod weighted {
    use super::*;

    /// Many of several weights at once; never more are out than there are.
    async fn body(place: Place) {
        const SIZE: usize = 8;
        let semaphore = Arc::new(Semaphore::new(SIZE));
        let out = Arc::new(AtomicUsize::new(0));
        let tasks: Vec<_> = (1..=SIZE)
            .flat_map(|weight| [weight; 2])
            .map(|weight| {
                let (semaphore, out, place) = (semaphore.clone(), out.clone(), place.clone());
                place.clone().go(async move {
                    for turn in 0..place.scale(300, 100) {
                        let permits = match turn % 4 {
                            0 => semaphore.try_acquire_many(weight).ok(),
                            _ => Some(semaphore.acquire_many(weight).await.unwrap()),
                        };
                        let Some(permits) = permits else { continue };
                        assert!(out.fetch_add(weight, SeqCst) + weight <= SIZE);
                        place.pause().await;
                        out.fetch_sub(weight, SeqCst);
                        drop(permits);
                    }
                })
            })
            .collect();
        for task in tasks {
            task.join().await;
        }
        let stats = semaphore.stats();
        assert_eq!((stats.available, stats.waiting), (SIZE, 0));
    }
    everywhere!(body);
}

mod weighted_panic {
    use super::*;

    #[test]
    fn released_more_than_held() {
        let semaphore = Semaphore::new(1);
        let end = catch_unwind(AssertUnwindSafe(|| semaphore.release(1)));
        let words = end.unwrap_err();
        assert_eq!(
            words.downcast_ref::<&str>(),
            Some(&"semaphore: released more than held")
        );
        let permit = semaphore.try_acquire().unwrap();
        assert!(
            catch_unwind(AssertUnwindSafe(|| semaphore.release(1))).is_err(),
            "a permit in somebody's hand is not to be released over its head"
        );
        permit.forget();
        semaphore.release(1);
        assert_eq!(semaphore.available(), 1);
    }
}

mod weighted_try_acquire {
    use super::*;

    #[test]
    fn as_long_as_there_are_some() {
        let semaphore = Semaphore::new(2);
        let tries: Vec<_> = (0..3).map(|_| semaphore.try_acquire()).collect();
        let went: Vec<_> = tries.iter().map(Result::is_ok).collect();
        assert_eq!(went, [true, true, false]);
        assert_eq!(tries[2].as_ref().unwrap_err(), &TryAcquireError::NoPermits);
        drop(tries);
        assert!(semaphore.try_acquire_many(2).is_ok());
    }
}

mod weighted_acquire {
    use super::*;

    #[test]
    fn as_long_as_there_are_some() {
        let semaphore = Semaphore::new(2);
        let (a, b) = (now(semaphore.acquire()), now(semaphore.acquire()));
        let mut c = spawn(semaphore.acquire());
        assert_pending!(c.poll());
        drop(a);
        let c = assert_ready_ok!(c.poll());
        assert_eq!(semaphore.available(), 0);
        drop((b, c));
        assert_eq!(semaphore.available(), 2);
    }
}

mod weighted_doesnt_block_if_too_big {
    use super::*;

    /// Go's waits, in no queue, for the end of its context; ours says so at once. Nobody else is held up.
    async fn body(place: Place) {
        const SIZE: usize = 2;
        let semaphore = Arc::new(Semaphore::new(SIZE));
        let refused = semaphore.acquire_many(SIZE + 1).await;
        assert_eq!(refused.unwrap_err(), AcquireError::TooMany);
        let tasks: Vec<_> = (0..SIZE)
            .map(|_| {
                let (semaphore, place) = (semaphore.clone(), place.clone());
                place.clone().go(async move {
                    for _ in 0..5 {
                        let _permit = semaphore.acquire().await.unwrap();
                        let refused = semaphore.acquire_many(SIZE + 1).await;
                        assert!(refused.is_err());
                        place.pause().await;
                    }
                })
            })
            .collect();
        for task in tasks {
            task.join().await;
        }
    }
    everywhere!(body);
}

mod large_acquire_doesnt_starve {
    use super::*;

    /// Somebody holds one permit at all times; who wants all of them gets them.
    async fn body(place: Place) {
        let n = place.scale(8, 4);
        let semaphore = Arc::new(Semaphore::new(n));
        let done = Arc::new(AtomicUsize::new(0));
        let mut hogs = Vec::new();
        let (all_in, count) = gochan::chan(n);
        for _ in 0..n {
            let (semaphore, done, all_in) = (semaphore.clone(), done.clone(), all_in.clone());
            let place = place.clone();
            hogs.push(place.clone().go(async move {
                let mut permit = semaphore.acquire().await.unwrap();
                all_in.send(()).await.unwrap();
                while done.load(SeqCst) == 0 {
                    place.pause().await;
                    drop(permit);
                    permit = semaphore.acquire().await.unwrap();
                }
                drop(permit);
            }));
        }
        for _ in 0..n {
            count.recv().await.unwrap();
        }
        let all = semaphore.acquire_many(n).await.unwrap();
        done.store(1, SeqCst);
        drop(all);
        for hog in hogs {
            hog.join().await;
        }
        assert_eq!(semaphore.available(), n);
    }
    everywhere!(body);
}

mod alloc_cancel_doesnt_starve {
    use super::*;

    /// A wish for few waits behind one for many, which gives up: the small one goes on.
    #[test]
    fn one_by_one() {
        for (large, small) in [(10, 1), (10, 5), (6, 2)] {
            let semaphore = Semaphore::new(10);
            let held = semaphore.try_acquire_many(5).unwrap();
            let mut big = spawn(semaphore.acquire_many(large));
            assert_pending!(big.poll());
            let mut little = spawn(semaphore.acquire_many(small));
            assert_pending!(little.poll());
            assert!(semaphore.try_acquire().is_err(), "nobody overtakes");
            drop(big);
            assert!(little.is_woken());
            drop(assert_ready_ok!(little.poll()));
            drop(held);
            assert_eq!(semaphore.available(), 10);
        }
    }

    async fn body(place: Place) {
        let semaphore = Arc::new(Semaphore::new(10));
        let tasks: Vec<_> = (0..8)
            .map(|seed| {
                let (semaphore, place) = (semaphore.clone(), place.clone());
                place.clone().go(async move {
                    let mut rng = Rng::new(seed);
                    for _ in 0..300 {
                        let mut wish = Box::pin(semaphore.acquire_many(1 + rng.below(10)));
                        for _ in 0..rng.below(3) {
                            if futures::poll!(&mut wish).is_ready() {
                                break;
                            }
                            place.pause().await;
                        }
                    }
                })
            })
            .collect();
        for task in tasks {
            task.join().await;
        }
        assert_eq!(semaphore.stats().available, 10);
    }
    everywhere!(body);
}
