//! `RwMutex`, poll by poll: who is let in, who is woken and in what order; every future dropped, leaked or lost in a
//! select at every state; wakers that use the mutex; panics; auto traits and sizes.

#![cfg(feature = "rt")]

mod common;

use common::waker::{Armed, Hooked, counting, hooked, now, poll_once, poll_with};
use common::{Place, everywhere, watch};
use gochan::sync::rwmutex::*;
use gochan::{chan, select};
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use tokio_test::task::{Spawn, spawn};
use tokio_test::{assert_pending, assert_ready};

/// A mutex whose holders are its own affair.
fn mutex() -> RwMutex<u32> {
    RwMutex::new(7)
}

#[track_caller]
fn parked<F: Future>(f: F) -> Spawn<F> {
    let mut f = spawn(f);
    assert!(f.poll().is_pending());
    f
}

#[track_caller]
fn assert_free<T>(mutex: &RwMutex<T>) {
    assert_eq!(
        {
            let s = mutex.stats();
            (s.readers, s.writer, s.waiting_readers, s.waiting_writers)
        },
        (0, false, 0, 0)
    );
    assert!(mutex.try_write().is_some());
    assert!(mutex.try_read().is_some());
}

mod rules {
    use super::*;

    static IN_A_CONSTANT: RwMutex<u32> = RwMutex::new(1);

    #[test]
    fn it_can_be_made_in_a_constant() {
        *IN_A_CONSTANT.write_blocking() += 1;
        assert_eq!(*IN_A_CONSTANT.read_blocking(), 2);
        assert_ne!(IN_A_CONSTANT.id(), RwMutex::new(()).id());
    }

    #[test]
    fn nothing_happens_before_the_first_poll() {
        let m = mutex();
        let (r, w) = (m.read(), m.write());
        assert_free(&m);
        drop((r, w));
        assert_free(&m);
    }

    #[test]
    fn readers_share_and_a_writer_is_alone() {
        let m = mutex();
        let readers: Vec<_> = (0..10).map(|_| now(m.read())).collect();
        assert_eq!(m.stats().readers, 10);
        assert!(m.try_write().is_none());
        drop(readers);
        let w = now(m.write());
        assert!(m.try_read().is_none() && m.try_write().is_none());
        drop(w);
        assert_free(&m);
    }

    #[test]
    fn a_waiting_writer_holds_off_new_readers() {
        let m = mutex();
        let first = now(m.read());
        let mut w = parked(m.write());
        assert!(m.try_read().is_none());
        let mut late = parked(m.read());
        drop(first);
        assert!(w.is_woken() && !late.is_woken());
        let writing = assert_ready!(w.poll());
        assert_pending!(late.poll());
        drop(writing);
        assert!(late.is_woken());
        drop(assert_ready!(late.poll()));
        assert_free(&m);
    }

    #[test]
    fn readers_of_a_write_run_before_the_next_writer() {
        let m = mutex();
        let writing = now(m.write());
        let mut next = parked(m.write());
        let mut readers: Vec<_> = (0..3).map(|_| parked(m.read())).collect();
        drop(writing);
        assert!(readers.iter().all(|r| r.is_woken()));
        let mut guards: Vec<_> = readers
            .iter_mut()
            .map(|r| assert_ready!(r.poll()))
            .collect();
        assert_pending!(next.poll());
        while let Some(guard) = guards.pop() {
            assert_pending!(next.poll());
            drop(guard);
        }
        assert!(next.is_woken());
        drop(assert_ready!(next.poll()));
        assert_free(&m);
    }

    #[test]
    fn writers_are_served_in_order() {
        let m = mutex();
        let mut held = Some(now(m.write()));
        let mut waiting: Vec<_> = (0..4).map(|_| parked(m.write())).collect();
        for i in 0..4 {
            assert!(waiting[i..].iter().all(|w| !w.is_woken()));
            drop(held.take());
            held = Some(assert_ready!(waiting[i].poll()));
        }
        drop(held);
        assert_free(&m);
    }

    /// As of Go's mutex among writers: who is woken may find that a newcomer was faster, and keeps its place.
    #[test]
    fn a_newcomer_may_be_faster_than_a_woken_writer() {
        let m = mutex();
        let held = now(m.write());
        let (mut a, mut b) = (parked(m.write()), parked(m.write()));
        drop(held);
        assert!(a.is_woken() && !b.is_woken());
        let newcomer = m.try_write().unwrap();
        assert_pending!(a.poll());
        assert!(!a.is_woken());
        let mut c = parked(m.write());
        drop(newcomer);
        assert!(a.is_woken() && !b.is_woken());
        let reader = m.try_read().unwrap();
        assert_pending!(a.poll());
        assert!(m.try_read().is_none(), "now it is next");
        drop(reader);
        drop(assert_ready!(a.poll()));
        for next in [&mut b, &mut c] {
            assert!(next.is_woken());
            drop(assert_ready!(next.poll()));
        }
        drop((a, b, c));
        assert_free(&m);
    }

    /// A woken writer that leaves passes it on, and one that nobody polls is not waited for until it has its turn.
    #[test]
    fn a_woken_writer_that_leaves_wakes_the_next() {
        let m = mutex();
        let held = now(m.write());
        let a = parked(m.write());
        let mut b = parked(m.write());
        drop(held);
        drop(m.try_write().unwrap());
        assert!(a.is_woken() && !b.is_woken());
        drop(a);
        assert!(b.is_woken());
        drop(assert_ready!(b.poll()));
        drop(b);
        assert_free(&m);
    }

    #[test]
    fn downgrade_lets_readers_in_and_no_writer() {
        let m = mutex();
        let mut writing = now(m.write());
        *writing = 8;
        let mut w = parked(m.write());
        let mut r = parked(m.read());
        let reading = RwMutexWriteGuard::downgrade(writing);
        assert!(r.is_woken());
        assert_pending!(w.poll());
        let other = assert_ready!(r.poll());
        assert_eq!((*reading, *other), (8, 8));
        assert!(m.try_read().is_none(), "a writer waits");
        drop((reading, other));
        drop(assert_ready!(w.poll()));
        assert_free(&m);
    }

    #[test]
    fn mapped_guards_hold_the_mutex() {
        let m = RwMutex::new((1, [2, 3]));
        let part = RwMutexWriteGuard::map(now(m.write()), |v| &mut v.1);
        let mut last = MappedRwMutexWriteGuard::map(part, |v| &mut v[1]);
        *last += 1;
        assert!(m.try_read().is_none());
        drop(last);
        let part = RwMutexReadGuard::map(now(m.read()), |v| &v.1[..]);
        assert_eq!(*part, [2, 4]);
        assert!(m.try_read().is_some() && m.try_write().is_none());
        drop(part);
        assert_free(&m);
    }

    #[test]
    fn owned_guards_keep_the_mutex() {
        let m = Arc::new(RwMutex::new((1, "one".to_owned())));
        let mut w = now(m.clone().write_owned());
        w.0 = 2;
        assert!(m.clone().try_read_owned().is_err() && m.clone().try_write_owned().is_err());
        let mut waits = parked(m.clone().read_owned());
        let r = OwnedRwMutexWriteGuard::downgrade(w);
        let other = assert_ready!(waits.poll());
        drop(waits);
        assert!(Arc::ptr_eq(OwnedRwMutexReadGuard::mutex(&r), &m));
        let word = OwnedRwMutexReadGuard::map(r, |v| v.1.as_str());
        assert_eq!((other.0, &*word), (2, "one"));
        let left = Arc::strong_count(&m);
        assert_eq!(left, 3);
        drop(m);
        drop(other);
        assert_eq!(&*word, "one");
    }

    #[test]
    fn owned_mapped_writers() {
        let m = Arc::new(RwMutex::new((1, 2)));
        let part = OwnedRwMutexWriteGuard::map(m.clone().try_write_owned().unwrap(), |v| &mut v.1);
        let mut part = OwnedMappedRwMutexWriteGuard::map(part, |v| v);
        *part += 1;
        assert!(m.try_read().is_none());
        drop(part);
        assert_eq!(*m.try_read().unwrap(), (1, 3));
        assert_eq!(Arc::try_unwrap(m).unwrap().into_inner(), (1, 3));
    }

    #[test]
    fn values_without_a_size() {
        let m: Arc<RwMutex<[u8]>> = Arc::new(RwMutex::new([1, 2, 3]));
        now(m.write())[0] = 9;
        assert_eq!(*now(m.read()), [9, 2, 3]);
        assert_eq!(now(m.clone().read_owned()).len(), 3);
        let s: Box<RwMutex<dyn std::fmt::Debug>> = Box::new(RwMutex::new(1));
        assert_eq!(format!("{:?}", now(s.read())), "1");
    }

    #[test]
    fn names_and_debug() {
        let mut m = RwMutex::from(5).named("limits");
        assert_eq!(m.name().as_deref(), Some("limits"));
        let text = format!("{m:?}");
        assert!(
            text.contains("limits") && text.contains("value: 5"),
            "{text}"
        );
        let w = now(m.write());
        assert!(format!("{m:?}").contains("<locked>"));
        assert_eq!(format!("{w} {w:?}"), "5 5");
        drop(w);
        *m.get_mut() = 6;
        assert_eq!(m.into_inner(), 6);
    }

    #[test]
    fn waits_are_counted() {
        let m = mutex();
        let w = now(m.write());
        let (mut a, mut b) = (parked(m.read()), parked(m.write()));
        drop(w);
        drop(assert_ready!(a.poll()));
        drop(assert_ready!(b.poll()));
        let stats = m.stats();
        assert_eq!((stats.read_waits, stats.write_waits), (1, 1));
        assert_eq!(stats.wait_times.count(), 2);
        let w = now(m.write());
        drop(parked(m.read()));
        drop(w);
        assert_eq!(m.stats().wait_times.count(), 2, "it has left unserved");
    }
}

mod cancel {
    use super::*;

    #[test]
    fn a_waiting_writer_that_leaves_lets_readers_go_on() {
        let m = mutex();
        let reading = now(m.read());
        let w = parked(m.write());
        let mut waiting: Vec<_> = (0..3).map(|_| parked(m.read())).collect();
        drop(w);
        assert!(waiting.iter().all(|r| r.is_woken()));
        waiting
            .iter_mut()
            .for_each(|r| drop(assert_ready!(r.poll())));
        assert!(m.try_read().is_some(), "nobody waits any more");
        drop(reading);
        assert_free(&m);
    }

    #[test]
    fn one_of_two_waiting_writers_leaves() {
        for gone in 0..2 {
            let m = mutex();
            let reading = now(m.read());
            let mut writers = [Some(parked(m.write())), Some(parked(m.write()))];
            let mut r = parked(m.read());
            writers[gone] = None;
            assert!(!r.is_woken(), "the other writer still waits");
            drop(reading);
            let mut other = writers[1 - gone].take().unwrap();
            drop(assert_ready!(other.poll()));
            drop(assert_ready!(r.poll()));
            drop((other, r));
            assert_free(&m);
        }
    }

    #[test]
    fn a_given_write_goes_to_the_next() {
        let m = mutex();
        let held = now(m.write());
        let a = parked(m.write());
        let mut b = parked(m.write());
        drop(held);
        assert!(a.is_woken() && !b.is_woken());
        drop(a);
        assert!(b.is_woken());
        drop(assert_ready!(b.poll()));
        assert_free(&m);
    }

    #[test]
    fn a_given_write_goes_to_readers_first() {
        let m = mutex();
        let reading = now(m.read());
        let a = parked(m.write());
        let mut b = parked(m.write());
        let mut r = parked(m.read());
        drop(reading);
        assert!(a.is_woken());
        drop(a);
        assert!(r.is_woken());
        assert_pending!(b.poll());
        drop(assert_ready!(r.poll()));
        assert!(b.is_woken());
        drop(assert_ready!(b.poll()));
        assert_free(&m);
    }

    #[test]
    fn the_last_given_read_goes_to_the_writer() {
        let m = mutex();
        let held = now(m.write());
        let (r1, r2) = (parked(m.read()), parked(m.read()));
        let mut w = parked(m.write());
        drop(held);
        assert_pending!(w.poll());
        drop(r1);
        assert!(!w.is_woken());
        drop(r2);
        assert!(w.is_woken());
        drop(assert_ready!(w.poll()));
        assert_free(&m);
    }

    #[test]
    fn owned_futures_too() {
        let m = Arc::new(mutex());
        let held = now(m.clone().write_owned());
        let (r, w) = (
            parked(m.clone().read_owned()),
            parked(m.clone().write_owned()),
        );
        let given = parked(m.clone().write_owned());
        drop(held);
        drop((r, w, given));
        assert_free(&m);
        assert_eq!(Arc::strong_count(&m), 1);
    }

    #[test]
    fn in_any_order_at_any_state() {
        // Bits: which of six waiters leave before the holder, and which after it has handed over.
        for script in 0..3_u32.pow(6) {
            let m = mutex();
            let held = now(m.write());
            let fate = |i: u32| script / 3_u32.pow(i) % 3;
            let mut reads: Vec<_> = (0..3).map(|_| Some(parked(m.read()))).collect();
            let mut writes: Vec<_> = (0..3).map(|_| Some(parked(m.write()))).collect();
            for now in [1, 2] {
                for i in 0..3 {
                    if fate(2 * i) == now {
                        reads[i as usize] = None;
                    }
                    if fate(2 * i + 1) == now {
                        writes[i as usize] = None;
                    }
                }
                if now == 1 {
                    drop(m.try_read());
                }
            }
            drop(held);
            for r in reads.iter_mut().flatten() {
                drop(assert_ready!(r.poll()));
            }
            for w in writes.iter_mut().flatten() {
                drop(assert_ready!(w.poll()));
            }
            drop((reads, writes));
            assert_free(&m);
        }
    }

    /// Go's fatal error of a double unlock has no like; a guard that is forgotten holds for ever, and no more.
    #[test]
    fn forgotten_guards_hold_for_ever() {
        let m = mutex();
        std::mem::forget(now(m.read()));
        assert!(m.try_write().is_none() && m.try_read().is_some());
        let m = mutex();
        std::mem::forget(now(m.write()));
        assert!(m.try_read().is_none());
    }

    #[test]
    fn a_forgotten_future_stays_in_its_turn() {
        let m: &'static _ = Box::leak(Box::new(mutex()));
        let held = now(m.read());
        let f: &'static mut _ = Box::leak(Box::new(m.write()));
        let mut f = std::pin::Pin::static_mut(f);
        assert!(poll_once(f.as_mut()).is_pending());
        drop(held);
        // It has been given the mutex and is never polled again: nobody else gets it, and the dump could say who.
        assert!(m.try_read().is_none());
        assert!(poll_once(f).is_ready());
    }

    async fn storm(place: Place) {
        let m = Arc::new(RwMutex::new(0_u64));
        let tasks: Vec<_> = (0..8)
            .map(|seed| {
                let (m, p) = (m.clone(), place.clone());
                place.go(async move {
                    let mut rng = common::Rng::new(seed);
                    let mut written = 0;
                    for _ in 0..500 {
                        let patience = rng.below(3);
                        let mut f = Box::pin(m.write());
                        let mut r = Box::pin(m.read());
                        let mut got = None;
                        for _ in 0..patience {
                            if let Poll::Ready(g) = futures::poll!(&mut f) {
                                got = Some(g);
                                break;
                            }
                            p.pause().await;
                        }
                        match got {
                            Some(mut g) => {
                                *g += 1;
                                written += 1;
                            }
                            None => {
                                drop(f);
                                if rng.below(2) == 0 {
                                    drop(r.await);
                                } else {
                                    let _ = futures::poll!(&mut r);
                                }
                            }
                        }
                    }
                    written
                })
            })
            .collect();
        let mut sum = 0;
        for t in tasks {
            sum += t.join().await;
        }
        assert_eq!(*m.try_read().unwrap(), sum);
        assert_free(&m);
    }
    everywhere!(storm);
}

mod in_select {
    use super::*;

    #[test]
    fn a_lock_is_an_arm() {
        let m = mutex();
        let (_tx, rx) = chan::<u8>(0);
        now(async {
            let won = select! {
                g = m.write() => *g,
                _ = rx.recv() => 0,
            };
            assert_eq!(won, 7);
        });
        assert_free(&m);
    }

    #[test]
    fn a_loser_leaves_no_trace() {
        let m = mutex();
        let held = now(m.write());
        let (tx, rx) = chan::<u8>(0);
        let mut s = spawn(async {
            select! {
                _ = m.read() => 'r',
                _ = m.write() => 'w',
                _ = rx.recv() => 'c',
            }
        });
        assert_pending!(s.poll());
        assert_eq!(m.stats().waiting_readers + m.stats().waiting_writers, 2);
        tx.try_send(1).unwrap();
        assert_eq!(assert_ready!(s.poll()), 'c');
        drop((s, held));
        assert_free(&m);
    }

    #[test]
    fn it_is_given_to_a_select() {
        for write in [false, true] {
            let m = mutex();
            let held = now(m.write());
            let (_tx, rx) = chan::<u8>(0);
            let mut s = spawn(async {
                select! {
                    _ = rx.recv() => unreachable!(),
                    g = m.read(), if !write => *g,
                    g = m.write(), if write => *g,
                }
            });
            assert_pending!(s.poll());
            drop(held);
            assert!(s.is_woken());
            assert_eq!(assert_ready!(s.poll()), 7);
            drop(s);
            assert_free(&m);
        }
    }

    #[test]
    fn given_and_dropped() {
        let m = mutex();
        let held = now(m.write());
        let (_tx, rx) = chan::<u8>(0);
        let mut s = spawn(async {
            select! {
                _ = rx.recv() => (),
                _ = m.write() => (),
            }
        });
        assert_pending!(s.poll());
        let mut next = parked(m.read());
        drop(held);
        drop(s);
        drop(assert_ready!(next.poll()));
        assert_free(&m);
    }

    #[test]
    fn default_and_borrowed() {
        let m = mutex();
        let held = now(m.read());
        now(async {
            let took = select! {
                _ = m.write() => true,
                default => false,
            };
            assert!(!took);
        });
        assert!(m.try_read().is_some(), "nobody waits");
        let (tx, rx) = chan::<u8>(1);
        tx.try_send(1).unwrap();
        let mut wish = m.write();
        now(async {
            select! {
                _ = &mut wish => unreachable!(),
                v = rx.recv() => assert_eq!(v, Ok(1)),
            }
        });
        drop(held);
        drop(now(wish));
        assert_free(&m);
    }

    /// Both sides of one mutex, and two selects that want the same two mutexes the other way round.
    async fn crossed(place: Place) {
        let (a, b) = (Arc::new(RwMutex::new(0)), Arc::new(RwMutex::new(0)));
        let tasks: Vec<_> = (0..4)
            .map(|i| {
                let (a, b) = match i % 2 {
                    0 => (a.clone(), b.clone()),
                    _ => (b.clone(), a.clone()),
                };
                let p = place.clone();
                place.go(async move {
                    for _ in 0..300 {
                        select! {
                            mut g = a.write() => { *g += 1; p.pause().await; }
                            mut g = b.write() => { *g += 1; p.pause().await; }
                            _ = b.read() => { p.pause().await; *b.write().await += 1; }
                        }
                    }
                })
            })
            .collect();
        for t in tasks {
            t.join().await;
        }
        let sum = *a.try_read().unwrap() + *b.try_read().unwrap();
        assert_eq!(sum, 1_200);
        assert_free(&a);
        assert_free(&b);
    }
    everywhere!(crossed);
}

mod hostile {
    use super::*;

    /// What a waker does with what it waits for.
    type Deed = (&'static str, fn(&Arc<RwMutex<u32>>));

    fn deeds() -> Vec<Deed> {
        vec![
            ("tries", |m| drop((m.try_read(), m.try_write()))),
            ("queues and leaves", |m| {
                let mut f = Box::pin(m.write());
                let _ = poll_once(f.as_mut());
                let mut f = Box::pin(m.read());
                let _ = poll_once(f.as_mut());
            }),
            ("asks in another thread", |m| {
                let m = m.clone();
                std::thread::spawn(move || m.stats()).join().unwrap();
            }),
            ("panics", |_| std::panic::panic_any("hostile")),
        ]
    }

    #[test]
    fn at_every_event() {
        watch(|| {
            for (name, deed) in deeds() {
                for event in 0..Armed::EVENTS {
                    let m = Arc::new(mutex());
                    let mine = m.clone();
                    let hostile = Armed::new(event, move || deed(&mine));
                    let _ = catch_unwind(AssertUnwindSafe(|| scene(&m, &hostile)));
                    hostile.disarm();
                    assert_eq!(m.stats().waiting_writers, 0, "{name} at {event}");
                    assert_free(&m);
                }
            }
        });
    }

    /// Parks, is polled anew, is woken and dropped, each time with a waker that may do something.
    fn scene(m: &Arc<RwMutex<u32>>, hostile: &Armed) {
        for write in [true, false] {
            for ending in 0..3 {
                let held = now(m.write());
                let mut r = Box::pin(m.read());
                let mut w = Box::pin(m.write());
                let mut poll = || match write {
                    true => poll_with(w.as_mut(), &hostile.waker).map(drop),
                    false => poll_with(r.as_mut(), &hostile.waker).map(drop),
                };
                hostile.arm();
                let _ = catch_unwind(AssertUnwindSafe(|| poll().is_ready()));
                hostile.arm();
                let _ = catch_unwind(AssertUnwindSafe(|| poll().is_ready()));
                hostile.arm();
                match ending {
                    0 => drop(catch_unwind(AssertUnwindSafe(|| drop(held)))),
                    1 => {
                        drop(r);
                        drop(w);
                        drop(held);
                    }
                    _ => {
                        drop(held);
                        drop(w);
                        drop(r);
                    }
                }
            }
        }
    }

    /// A writer's waker panics when the writer has just said that it comes.
    #[test]
    fn the_mark_of_who_never_queued_stops_nobody() {
        let m = Arc::new(mutex());
        let reading = now(m.read());
        let act: common::waker::Action = Box::new(|| std::panic::panic_any("hostile"));
        let waker = hooked(&Arc::new(Hooked {
            on_clone: Some(act),
            ..Hooked::default()
        }));
        let mark = || {
            let poll = AssertUnwindSafe(|| poll_with(pin!(m.write()), &waker).is_ready());
            assert!(catch_unwind(poll).is_err());
            assert_eq!(m.stats().waiting_writers, 0);
        };
        mark();
        drop(m.try_read().expect("nobody is in the way"));
        mark();
        drop(m.clone().try_read_owned().expect("nobody is in the way"));
        mark();
        drop(now(m.read()));
        mark();
        drop(reading);
        drop(m.try_write().expect("it is free"));
        drop(m.clone().try_write_owned().expect("it is free"));
        assert_free(&m);
    }

    #[test]
    fn no_waker_outlives_its_wait() {
        let m = mutex();
        let held = now(m.write());
        let (old, old_waker) = counting();
        let (new, new_waker) = counting();
        let mut f = pin!(m.read());
        assert_pending!(poll_with(f.as_mut(), &old_waker));
        assert_pending!(poll_with(f.as_mut(), &new_waker));
        drop(held);
        assert_eq!((old.wakes(), new.wakes()), (0, 1));
        drop(assert_ready!(poll_with(f.as_mut(), &old_waker)));
        assert_eq!((old.alive(), new.alive()), (1, 1));
    }
}

mod panics {
    use super::*;

    #[test]
    fn a_panic_gives_the_mutex_back() {
        let m = mutex();
        for write in [true, false] {
            let end = catch_unwind(AssertUnwindSafe(|| {
                let _guard = write.then(|| now(m.write()));
                let _other = (!write).then(|| now(m.read()));
                std::panic::panic_any("inside");
            }));
            assert!(end.is_err());
            assert_free(&m);
        }
        let end = catch_unwind(AssertUnwindSafe(|| {
            RwMutexWriteGuard::map(now(m.write()), |_| std::panic::panic_any("mapping"))
                as MappedRwMutexWriteGuard<'_, u32>
        }));
        assert!(end.is_err());
        assert_free(&m);
    }

    #[test]
    fn polled_too_often() {
        let m = mutex();
        let mut f = pin!(m.read());
        assert!(poll_once(f.as_mut()).is_ready());
        let again = catch_unwind(AssertUnwindSafe(|| poll_once(f.as_mut()).is_ready()));
        assert!(again.is_err());
        assert_free(&m);
    }
}

mod threads {
    use super::*;

    #[test]
    fn tasks_and_threads_share_one() {
        watch(|| {
            let m = Arc::new(RwMutex::new(0));
            let other = m.clone();
            let thread = std::thread::spawn(move || {
                for _ in 0..1_000 {
                    *other.write_blocking() += 1;
                    assert!(*other.read_blocking() > 0);
                }
            });
            let mine = m.clone();
            gochan::run(async move {
                for _ in 0..1_000 {
                    *mine.write().await += 1;
                    gochan::yield_now().await;
                }
            });
            thread.join().unwrap();
            assert_eq!(*m.try_read().unwrap(), 2_000);
            assert_free(&m);
        });
    }
}

mod facts {
    use super::*;
    use static_assertions::{assert_impl_all, assert_not_impl_any};
    use std::cell::Cell;
    use std::panic::{RefUnwindSafe, UnwindSafe};
    use std::rc::Rc;

    type Stay = std::sync::MutexGuard<'static, u8>;

    assert_impl_all!(RwMutex<u8>: Send, Sync, Unpin, UnwindSafe, RefUnwindSafe);
    assert_impl_all!(RwMutex<Cell<u8>>: Send);
    assert_not_impl_any!(RwMutex<Cell<u8>>: Sync);
    assert_not_impl_any!(RwMutex<Rc<u8>>: Send, Sync);
    assert_not_impl_any!(RwMutex<Stay>: Send, Sync);

    assert_impl_all!(RwMutexReadGuard<'static, u8>: Send, Sync, Unpin);
    assert_impl_all!(RwMutexReadGuard<'static, Stay>: Send, Sync);
    assert_not_impl_any!(RwMutexReadGuard<'static, Cell<u8>>: Send, Sync);
    assert_impl_all!(RwMutexWriteGuard<'static, u8>: Send, Sync, Unpin);
    assert_not_impl_any!(RwMutexWriteGuard<'static, Cell<u8>>: Send, Sync);
    assert_not_impl_any!(RwMutexWriteGuard<'static, Stay>: Send);
    assert_impl_all!(MappedRwMutexWriteGuard<'static, Cell<u8>>: Send);
    assert_not_impl_any!(MappedRwMutexWriteGuard<'static, Cell<u8>>: Sync);
    assert_impl_all!(OwnedRwMutexReadGuard<u8>: Send, Sync);
    assert_not_impl_any!(OwnedRwMutexReadGuard<Cell<u8>, u8>: Send, Sync);
    assert_not_impl_any!(OwnedRwMutexReadGuard<Stay, u8>: Send, Sync);
    assert_impl_all!(OwnedRwMutexWriteGuard<u8>: Send, Sync);
    assert_not_impl_any!(OwnedRwMutexWriteGuard<Cell<u8>>: Send, Sync);
    assert_not_impl_any!(OwnedMappedRwMutexWriteGuard<Rc<u8>, u8>: Send, Sync);
    assert_not_impl_any!(OwnedMappedRwMutexWriteGuard<u8, Rc<u8>>: Send, Sync);

    assert_impl_all!(ReadFuture<'static, u8>: Send);
    assert_impl_all!(WriteFuture<'static, u8>: Send);
    assert_impl_all!(OwnedReadFuture<u8>: Send);
    assert_not_impl_any!(ReadFuture<'static, u8>: Unpin);
    assert_not_impl_any!(ReadFuture<'static, Rc<u8>>: Send);
    assert_not_impl_any!(WriteFuture<'static, Rc<u8>>: Send);
    assert_not_impl_any!(OwnedWriteFuture<Rc<u8>>: Send);

    #[test]
    fn sizes() {
        assert!(size_of::<RwMutex<()>>() <= 120);
        assert!(size_of::<RwMutexReadGuard<'_, u8>>() <= 24);
        assert!(size_of::<ReadFuture<'_, u8>>() <= 112);
    }
}

mod in_the_dump {
    use super::*;
    use gochan::diag::{Dump, Wait, dump};
    use gochan::hook::ObjId;
    use gochan::task::Builder;

    /// Looks until `id` waits.
    fn waiting(id: ObjId) -> (Dump, Wait) {
        loop {
            let dump = dump();
            let wait = dump.task(id).and_then(|task| task.wait.clone());
            if let Some(wait) = wait
                && wait.reason.as_str().starts_with("sync.RWMutex")
            {
                return (dump, wait);
            }
            std::thread::yield_now();
        }
    }

    /// Asks to read what it reads, with a writer in between.
    #[test]
    fn a_recursive_read_is_named() {
        watch(|| {
            let m = Arc::new(RwMutex::new(7).named("cache"));
            let (mine, (tx, rx)) = (m.clone(), chan::<()>(0));
            let acquired = line!() + 2;
            let reader = Builder::new().name("reader").go(async move {
                let first = mine.read().await;
                let _ = rx.recv().await;
                *first + *mine.read().await
            });
            while m.stats().readers == 0 {
                std::thread::yield_now();
            }
            let mine = m.clone();
            let writer = Builder::new().name("writer").go(async move {
                *mine.write().await += 1;
            });
            let (_, wait) = waiting(writer.id());
            let object = wait.object.unwrap();
            assert_eq!(object.holders.len(), 1);
            assert_eq!(object.holders[0].id, reader.id());
            assert_eq!(object.holders[0].site.unwrap().line(), acquired);
            assert!(wait.again.is_none());
            drop(tx);
            let (dump, wait) = waiting(reader.id());
            let again = wait.again.unwrap();
            assert!(again.reads);
            assert_eq!(again.behind, [writer.id()]);
            assert_eq!(again.site.unwrap().line(), acquired);
            let text = dump.to_string();
            let named = format!(
                "\ttask {} waits to read what it has acquired already at {}:{acquired}; writer task {} \"writer\" waits in between\n",
                reader.id().number(),
                file!(),
                writer.id().number()
            );
            assert!(text.contains(&named), "{text}");
            let on = format!("on {} \"cache\"", m.id());
            assert!(text.contains(&on), "{text}");
            writer.abort();
            assert_eq!(reader.wait().unwrap(), 14);
            drop(writer.wait());
            assert_free(&m);
        });
    }

    /// The guard has gone to another task: who acquired it is said to have done so, not to hold it.
    #[test]
    fn a_guard_that_was_given_away_was_acquired_all_the_same() {
        watch(|| {
            let m = Arc::new(mutex());
            let (tx, rx) = chan(1);
            let (go_on, wait) = chan::<()>(0);
            let keeper = gochan::go(async move {
                let _guard = rx.recv().await;
                let _ = wait.recv().await;
            });
            let mine = m.clone();
            let acquired = line!() + 2;
            let giver = gochan::go(async move {
                let guard = mine.clone().write_owned().await;
                tx.send(guard).await.ok();
                *mine.write().await
            });
            let (dump, wait) = waiting(giver.id());
            assert!(!wait.again.unwrap().reads);
            let (number, text) = (giver.id().number(), dump.to_string());
            let named = format!(
                "\ttask {number} waits for what it has acquired itself at {}:{acquired}\n",
                file!()
            );
            assert!(text.contains(&named), "{text}");
            drop(go_on);
            assert_eq!(giver.wait().unwrap(), 7);
            keeper.wait().unwrap();
            assert_free(&m);
        });
    }

    #[test]
    fn all_readers_are_named_and_threads_too() {
        watch(|| {
            let m = Arc::new(mutex());
            let here = line!() + 1;
            let mine = m.read_blocking();
            let other = m.clone();
            let reader = gochan::go(async move {
                let _held = other.read().await;
                gochan::never::<()>().recv().await
            });
            while m.stats().readers < 2 {
                std::thread::yield_now();
            }
            let other = m.clone();
            let writer = std::thread::spawn(move || drop(other.write_blocking()));
            let object = loop {
                let dump = dump();
                let waits = dump.tasks.iter().filter_map(|task| task.wait.as_ref());
                let mut on = waits.filter_map(|wait| wait.object.as_ref());
                if let Some(object) = on.find(|object| object.id == m.id()) {
                    break object.clone();
                }
                std::thread::yield_now();
            };
            assert_eq!((object.holders.len(), object.waiters), (2, 1));
            assert!(object.holders.iter().any(|h| h.id == reader.id()));
            assert!(
                object
                    .holders
                    .iter()
                    .any(|h| h.site.unwrap().line() == here)
            );
            reader.abort();
            drop(mine);
            writer.join().unwrap();
            assert_free(&m);
        });
    }
}
