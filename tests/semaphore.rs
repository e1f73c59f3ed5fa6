//! `Semaphore`, poll by poll: who is served and woken; every future dropped or lost in a select at every state, with the
//! permits counted; permits split, merged and forgotten; the close; wakers that use the semaphore; facts of types.

#![cfg(feature = "rt")]

mod common;

use common::waker::{Armed, counting, now, poll_once, poll_with};
use common::{Place, everywhere, watch};
use gochan::sync::semaphore::*;
use gochan::{AcquireError, TryAcquireError, chan, select};
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::Arc;
use tokio_test::task::{Spawn, spawn};
use tokio_test::{assert_pending, assert_ready_err, assert_ready_ok};

#[track_caller]
fn parked<F: Future>(f: F) -> Spawn<F> {
    let mut f = spawn(f);
    assert!(f.poll().is_pending());
    f
}

/// All permits are there, nobody waits, and no mark is left.
#[track_caller]
fn assert_whole(s: &Semaphore, size: usize) {
    let stats = s.stats();
    assert_eq!(
        (stats.size, stats.available, stats.waiting),
        (size, size, 0)
    );
    assert!(s.try_acquire_many(size).is_ok());
}

mod rules {
    use super::*;

    static IN_A_CONSTANT: Semaphore = Semaphore::new(3);

    #[test]
    fn it_can_be_made_in_a_constant() {
        let permit = IN_A_CONSTANT.acquire_many_blocking(2).unwrap();
        assert_eq!((permit.count(), IN_A_CONSTANT.available()), (2, 1));
        assert!(std::ptr::eq(permit.semaphore(), &IN_A_CONSTANT));
    }

    #[test]
    fn nothing_happens_before_the_first_poll() {
        let s = Semaphore::new(1);
        let wish = s.acquire();
        assert_whole(&s, 1);
        drop(wish);
        assert_whole(&s, 1);
    }

    #[test]
    fn first_come_first_served() {
        let s = Semaphore::new(3);
        let held = now(s.acquire_many(3)).unwrap();
        let mut two = parked(s.acquire_many(2));
        let mut one = parked(s.acquire());
        let mut three = parked(s.acquire_many(3));
        drop(held);
        assert!(two.is_woken() && one.is_woken() && !three.is_woken());
        let two = assert_ready_ok!(two.poll());
        let one = assert_ready_ok!(one.poll());
        assert_pending!(three.poll());
        drop(two);
        assert_eq!(s.try_acquire().unwrap_err(), TryAcquireError::NoPermits);
        drop(one);
        drop(assert_ready_ok!(three.poll()));
        drop(three);
        assert_whole(&s, 3);
    }

    #[test]
    fn a_wish_for_none() {
        let s = Semaphore::new(0);
        assert_eq!(now(s.acquire_many(0)).unwrap().count(), 0);
        let s = Semaphore::new(1);
        let held = now(s.acquire()).unwrap();
        let one = parked(s.acquire());
        let mut none = parked(s.acquire_many(0));
        drop(one);
        drop(assert_ready_ok!(none.poll()));
        drop((none, held));
        assert_whole(&s, 1);
    }

    #[test]
    fn a_wish_for_too_many() {
        let s = Semaphore::new(2);
        assert_eq!(now(s.acquire_many(3)).unwrap_err(), AcquireError::TooMany);
        let all = s.try_acquire_many(2).unwrap();
        assert_eq!(now(s.acquire_many(3)).unwrap_err(), AcquireError::TooMany);
        assert_eq!(
            s.acquire_many_blocking(3).unwrap_err(),
            AcquireError::TooMany
        );
        let out = now(async {
            select! {
                p = s.acquire_many(3) => p.map(|p| p.count()),
                default => Ok(0),
            }
        });
        assert_eq!(out, Err(AcquireError::TooMany));
        drop(all);
        assert_eq!(
            s.try_acquire_many(usize::MAX).unwrap_err(),
            TryAcquireError::NoPermits
        );
        s.add_permits(1);
        drop(now(s.acquire_many(3)).unwrap());
        assert_whole(&s, 3);
    }

    #[test]
    fn added_permits_serve_those_who_wait() {
        let s = Semaphore::new(1);
        let held = now(s.acquire()).unwrap();
        let mut a = parked(s.acquire());
        s.add_permits(1);
        drop(assert_ready_ok!(a.poll()));
        drop((a, held));
        assert_whole(&s, 2);
    }

    #[test]
    fn limits() {
        let s = Semaphore::new(Semaphore::MAX_PERMITS);
        assert_eq!(s.available(), Semaphore::MAX_PERMITS);
        let more = catch_unwind(AssertUnwindSafe(|| s.add_permits(1)));
        assert!(more.is_err());
        assert!(catch_unwind(|| Semaphore::new(Semaphore::MAX_PERMITS + 1)).is_err());
        drop(s.try_acquire_many(Semaphore::MAX_PERMITS).unwrap());
        assert_whole(&s, Semaphore::MAX_PERMITS);
    }

    #[test]
    fn split_and_merged() {
        let (s, other) = (Semaphore::new(5), Semaphore::new(1));
        let mut a = now(s.acquire_many(4)).unwrap();
        assert!(a.split(5).is_none());
        let mut b = a.split(3).unwrap();
        assert_eq!((a.count(), b.count()), (1, 3));
        drop(a);
        assert_eq!(s.available(), 2);
        b.merge(now(s.acquire()).unwrap());
        assert_eq!((b.count(), s.available()), (4, 1));
        let stranger = now(other.acquire()).unwrap();
        assert!(catch_unwind(AssertUnwindSafe(|| b.merge(stranger))).is_err());
        drop(b);
        assert_whole(&s, 5);
        assert_whole(&other, 1);
    }

    #[test]
    fn owned() {
        let s = Arc::new(Semaphore::new(3));
        let mut a = now(s.clone().acquire_many_owned(2)).unwrap();
        let b = a.split(1).unwrap();
        assert!(Arc::ptr_eq(b.semaphore(), &s));
        let c = s.clone().try_acquire_owned().unwrap();
        assert!(s.clone().try_acquire_many_owned(1).is_err());
        let mut d = parked(s.clone().acquire_owned());
        a.merge(b);
        drop(a);
        let d2 = assert_ready_ok!(d.poll());
        drop(d);
        c.forget();
        drop(d2);
        assert_eq!((s.available(), Arc::strong_count(&s)), (2, 1));
        s.release(1);
        assert_whole(&s, 3);
    }

    #[test]
    fn released_ones_serve_those_who_wait() {
        let s = Semaphore::new(2);
        now(s.acquire_many(2)).unwrap().forget();
        let mut a = parked(s.acquire());
        s.release(1);
        drop(assert_ready_ok!(a.poll()));
        drop(a);
        s.release(1);
        assert_whole(&s, 2);
    }

    #[test]
    fn close_tells_everybody() {
        let s = Semaphore::new(1);
        let held = now(s.acquire()).unwrap();
        let mut waiting = [parked(s.acquire()), parked(s.acquire())];
        assert!(s.close() && !s.close() && s.is_closed());
        for w in &mut waiting {
            assert!(w.is_woken());
            assert_eq!(assert_ready_err!(w.poll()), AcquireError::Closed);
        }
        assert_eq!(now(s.acquire()).unwrap_err(), AcquireError::Closed);
        assert_eq!(now(s.acquire_many(9)).unwrap_err(), AcquireError::Closed);
        assert_eq!(s.acquire_blocking().unwrap_err(), AcquireError::Closed);
        assert_eq!(s.try_acquire().unwrap_err(), TryAcquireError::Closed);
        drop(held);
        assert_eq!(s.available(), 1);
    }

    #[test]
    fn names_and_debug() {
        let s = Semaphore::new(2).named("slots");
        assert_eq!(s.name().as_deref(), Some("slots"));
        let text = format!("{s:?}");
        assert!(
            text.contains("slots") && text.contains("available: 2"),
            "{text}"
        );
        assert!(format!("{:?}", s.acquire()).contains("semacquire"));
    }
}

mod cancel {
    use super::*;

    #[test]
    fn a_grant_goes_to_the_next() {
        let s = Semaphore::new(2);
        let held = now(s.acquire_many(2)).unwrap();
        let a = parked(s.acquire_many(2));
        let mut b = parked(s.acquire());
        drop(held);
        assert!(a.is_woken() && !b.is_woken());
        drop(a);
        assert!(b.is_woken());
        drop(assert_ready_ok!(b.poll()));
        drop(b);
        assert_whole(&s, 2);
    }

    #[test]
    fn in_any_order_at_any_state() {
        for script in 0..3_u32.pow(5) {
            let s = Arc::new(Semaphore::new(3));
            let held = s.try_acquire_many(3).unwrap();
            let wants = [2, 1, 3, 1, 2];
            let mut all: Vec<_> = wants
                .iter()
                .map(|n| Some(parked(s.acquire_many(*n))))
                .collect();
            let leave = |all: &mut Vec<Option<_>>, now| {
                for (i, wish) in all.iter_mut().enumerate() {
                    if script / 3_u32.pow(i as u32) % 3 == now {
                        *wish = None;
                    }
                }
            };
            leave(&mut all, 1);
            drop(held);
            leave(&mut all, 2);
            for wish in all.iter_mut().flatten() {
                drop(assert_ready_ok!(wish.poll()));
            }
            drop(all);
            assert_whole(&s, 3);
        }
    }

    #[test]
    fn forgotten_futures_and_permits_keep_theirs() {
        let s: &'static Semaphore = Box::leak(Box::new(Semaphore::new(2)));
        std::mem::forget(now(s.acquire()).unwrap());
        let held = now(s.acquire()).unwrap();
        let f: &'static mut _ = Box::leak(Box::new(s.acquire()));
        let mut f = std::pin::Pin::static_mut(f);
        assert!(poll_once(f.as_mut()).is_pending());
        drop(held);
        assert!(s.try_acquire().is_err());
        assert!(poll_once(f).is_ready());
        assert_eq!(s.available(), 1);
    }

    async fn in_selects(place: Place) {
        let (a, b) = (Arc::new(Semaphore::new(2)), Arc::new(Semaphore::new(3)));
        let tasks: Vec<_> = (0..6)
            .map(|i| {
                let (a, b, place) = (a.clone(), b.clone(), place.clone());
                place.clone().go(async move {
                    for turn in 0..300 {
                        select! {
                            p = a.acquire_many(1 + i % 2) => { place.pause().await; drop(p); }
                            p = b.acquire_many(1 + turn % 3) => { place.pause().await; drop(p); }
                        }
                    }
                })
            })
            .collect();
        for task in tasks {
            task.join().await;
        }
        assert_whole(&a, 2);
        assert_whole(&b, 3);
    }
    everywhere!(in_selects);

    #[test]
    fn lost_borrowed_and_dropped_in_selects() {
        let s = Semaphore::new(1);
        let held = now(s.acquire()).unwrap();
        let (tx, rx) = chan::<u8>(1);
        tx.try_send(1).unwrap();
        let mut wish = s.acquire();
        now(async {
            select! {
                _ = &mut wish => unreachable!(),
                v = rx.recv() => assert_eq!(v, Ok(1)),
            }
        });
        let mut both = spawn(async {
            select! {
                _ = &mut wish => (),
                _ = rx.recv() => (),
            }
        });
        assert_pending!(both.poll());
        let mut next = parked(s.acquire());
        drop(held);
        assert!(both.is_woken() && !next.is_woken());
        drop(both);
        drop(assert_ready_ok!(next.poll()));
        drop(next);
        assert_whole(&s, 1);
    }
}

mod hostile {
    use super::*;

    /// What a waker does with what it waits for.
    type Deed = (&'static str, fn(&Arc<Semaphore>));

    fn deeds() -> Vec<Deed> {
        vec![
            ("tries", |s| drop((s.try_acquire(), s.stats()))),
            ("queues and leaves", |s| {
                let mut f = Box::pin(s.acquire_many(2));
                let _ = poll_once(f.as_mut());
            }),
            ("asks in another thread", |s| {
                let s = s.clone();
                std::thread::spawn(move || s.stats()).join().unwrap();
            }),
            ("panics", |_| std::panic::panic_any("hostile")),
        ]
    }

    #[test]
    fn at_every_event() {
        watch(|| {
            for (name, deed) in deeds() {
                for event in 0..Armed::EVENTS {
                    let s = Arc::new(Semaphore::new(2));
                    let mine = s.clone();
                    let hostile = Armed::new(event, move || deed(&mine));
                    for ending in 0..2 {
                        scene(&s, &hostile, ending);
                        hostile.disarm();
                        assert_eq!(s.stats().available, 2, "{name} at {event}");
                        assert_whole(&s, 2);
                    }
                }
            }
        });
    }

    fn scene(s: &Arc<Semaphore>, hostile: &Armed, ending: u32) {
        let held = s.try_acquire_many(2).unwrap();
        let mut f = Box::pin(s.acquire_many(2));
        let mut poll = || poll_with(f.as_mut(), &hostile.waker).is_ready();
        hostile.arm();
        let _ = catch_unwind(AssertUnwindSafe(&mut poll));
        hostile.arm();
        let _ = catch_unwind(AssertUnwindSafe(&mut poll));
        hostile.arm();
        let _ = catch_unwind(AssertUnwindSafe(|| match ending {
            0 => {
                drop(held);
                drop(f);
            }
            _ => {
                drop(f);
                drop(held);
            }
        }));
    }

    #[test]
    fn no_waker_outlives_its_wait() {
        let s = Semaphore::new(1);
        let held = now(s.acquire()).unwrap();
        let (old, old_waker) = counting();
        let (new, new_waker) = counting();
        let mut f = pin!(s.acquire());
        assert_pending!(poll_with(f.as_mut(), &old_waker));
        assert_pending!(poll_with(f.as_mut(), &new_waker));
        drop(held);
        assert_eq!((old.wakes(), new.wakes()), (0, 1));
        drop(assert_ready_ok!(poll_with(f.as_mut(), &old_waker)));
        assert_eq!((old.alive(), new.alive()), (1, 1));
    }
}

#[test]
fn a_panic_gives_permits_back() {
    let s = Semaphore::new(1);
    let end = catch_unwind(AssertUnwindSafe(|| {
        let _permit = now(s.acquire()).unwrap();
        std::panic::panic_any("inside");
    }));
    assert!(end.is_err());
    assert_whole(&s, 1);
}

#[test]
fn tasks_and_threads_share_one() {
    watch(|| {
        let s = Arc::new(Semaphore::new(2));
        let other = s.clone();
        let thread = std::thread::spawn(move || {
            for _ in 0..1_000 {
                drop(other.acquire_many_blocking(2).unwrap());
            }
        });
        let mine = s.clone();
        gochan::run(async move {
            for _ in 0..1_000 {
                let _permit = mine.acquire().await.unwrap();
                gochan::yield_now().await;
            }
        });
        thread.join().unwrap();
        assert_whole(&s, 2);
    });
}

mod facts {
    use super::*;
    use static_assertions::{assert_impl_all, assert_not_impl_any};
    use std::panic::{RefUnwindSafe, UnwindSafe};

    assert_impl_all!(Semaphore: Send, Sync, Unpin, UnwindSafe, RefUnwindSafe);
    assert_impl_all!(SemaphorePermit<'static>: Send, Sync, Unpin);
    assert_impl_all!(OwnedSemaphorePermit: Send, Sync, Unpin);
    assert_impl_all!(AcquireFuture<'static>: Send);
    assert_impl_all!(OwnedAcquireFuture: Send);
    assert_not_impl_any!(AcquireFuture<'static>: Unpin);

    #[test]
    fn sizes() {
        assert!(size_of::<Semaphore>() <= 88);
        assert_eq!(size_of::<SemaphorePermit<'_>>(), 24);
        assert!(size_of::<AcquireFuture<'_>>() <= 136);
    }
}
