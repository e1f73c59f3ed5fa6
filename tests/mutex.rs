//! `sync::Mutex` poll by poll: who is woken, who gets it, what a cancelled wait leaves behind, hostile wakers, panics,
//! arms of a select, and what the dump says.

#![cfg(feature = "rt")]

mod common;

use common::waker::{Hooked, counting, hooked, now, poll_once, poll_with};
use common::{Place, Rng, everywhere, watch};
use gochan::sync::mutex::{LockFuture, MutexMode};
use gochan::sync::{Mutex, MutexGuard};
use gochan::{diag, go, select, sleep, yield_now};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio_test::task::Spawn;
use tokio_test::{assert_pending, assert_ready, task};

/// Long enough for a waiter to be handed the mutex instead of being nudged.
fn let_them_starve() {
    let since = Instant::now();
    while since.elapsed() < Duration::from_millis(2) {
        std::hint::spin_loop();
    }
}

/// Runs a scene of normal mode again if it was held up for so long that its waiters may have starved.
fn briskly(scene: impl Fn()) {
    loop {
        let since = Instant::now();
        let played = catch_unwind(AssertUnwindSafe(&scene));
        if since.elapsed() < Duration::from_micros(900) {
            return played.unwrap_or_else(|panic| resume_unwind(panic));
        }
    }
}

type Wanted<'a> = Spawn<LockFuture<'a, ()>>;

/// Somebody has it, and two wait for it in this order.
fn held_and_wanted_by_two(mutex: &Mutex<()>) -> (MutexGuard<'_, ()>, Wanted<'_>, Wanted<'_>) {
    let guard = now(mutex.lock());
    let (mut first, mut second) = (task::spawn(mutex.lock()), task::spawn(mutex.lock()));
    assert_pending!(first.poll());
    assert_pending!(second.poll());
    (guard, first, second)
}

mod poll_by_poll {
    use super::*;

    #[test]
    fn a_free_mutex_is_had_at_once() {
        let mutex = Mutex::new(5);
        let guard = now(mutex.lock());
        assert_eq!(*guard, 5);
        assert!(mutex.is_locked() && mutex.try_lock().is_none());
        drop(guard);
        assert!(!mutex.is_locked());
    }

    #[test]
    fn nothing_happens_before_the_first_poll() {
        let mutex = Mutex::new(());
        let first = mutex.lock();
        assert!(!mutex.is_locked());
        let guard = now(mutex.lock());
        drop(first);
        assert!(mutex.stats().waiters.is_empty());
        drop(guard);
    }

    /// Normal mode: unlock wakes the first waiter and nobody else; it has the mutex when it looks.
    #[test]
    fn unlock_wakes_the_first_once() {
        briskly(|| {
            let mutex = Mutex::new(());
            let (guard, mut a, mut b) = held_and_wanted_by_two(&mutex);
            drop(guard);
            assert!(a.is_woken() && !b.is_woken());
            assert_eq!(
                mutex.stats().waiters.len(),
                2,
                "it stays until it has looked"
            );
            let guard = assert_ready!(a.poll());
            drop(guard);
            assert!(b.is_woken());
            drop(assert_ready!(b.poll()));
            let stats = mutex.stats();
            assert_eq!(stats.contended, 2);
            assert_eq!((stats.wait_times.count(), stats.hold_times.count()), (2, 2));
        });
    }

    /// Normal mode: a newcomer may be faster, and the one that was woken stays first.
    #[test]
    fn a_newcomer_may_be_faster() {
        briskly(|| {
            let mutex = Mutex::new(());
            let (guard, mut a, mut b) = held_and_wanted_by_two(&mutex);
            drop(guard);
            let newcomer = now(mutex.lock());
            assert!(a.is_woken());
            assert_pending!(a.poll());
            drop(newcomer);
            assert!(a.is_woken() && !b.is_woken(), "first come, first served");
            drop(assert_ready!(a.poll()));
            drop(assert_ready!(b.poll()));
        });
    }

    /// While one that was woken has not looked, nobody else is woken.
    #[test]
    fn one_at_a_time_is_woken() {
        briskly(|| {
            let mutex = Mutex::new(());
            let (guard, mut a, b) = held_and_wanted_by_two(&mutex);
            drop(guard);
            for _ in 0..5 {
                drop(mutex.try_lock().unwrap());
            }
            assert!(!b.is_woken());
            drop(assert_ready!(a.poll()));
            assert!(b.is_woken());
        });
    }

    /// Starvation mode: who has waited too long is handed the mutex; newcomers queue; the last waiter ends it.
    #[test]
    fn who_starves_is_handed_the_mutex() {
        let mutex = Mutex::new(());
        let (guard, mut a, mut b) = held_and_wanted_by_two(&mutex);
        let_them_starve();
        drop(guard);
        assert_eq!(mutex.stats().mode, MutexMode::Starving);
        assert!(a.is_woken() && mutex.is_locked(), "it is a's already");
        assert!(mutex.try_lock().is_none());
        let mut newcomer = task::spawn(mutex.lock());
        assert_pending!(newcomer.poll());
        let guard = assert_ready!(a.poll());
        drop(guard);
        assert!(mutex.is_locked() && b.is_woken() && !newcomer.is_woken());
        drop(assert_ready!(b.poll()));
        drop(assert_ready!(newcomer.poll()));
        let stats = mutex.stats();
        assert_eq!(stats.mode, MutexMode::Normal);
        assert_eq!(stats.mode_switches % 2, 0);
        assert!(stats.wait_max >= Duration::from_millis(2) && stats.wait_total >= stats.wait_max);
        assert!(stats.wait_times.quantile(1.0) >= Duration::from_millis(2));
        assert!(now(mutex.lock()).eq(&()));
    }

    /// A waiter that was woken long ago and never looked keeps nobody from being served.
    #[test]
    fn one_that_never_looks_is_handed_it_all_the_same() {
        let mutex = Mutex::new(());
        let guard = now(mutex.lock());
        let mut a = task::spawn(mutex.lock());
        assert_pending!(a.poll());
        drop(guard);
        let_them_starve();
        drop(mutex.try_lock().unwrap());
        assert!(mutex.is_locked(), "the newcomers have had their turn");
        drop(assert_ready!(a.poll()));
        assert!(!mutex.is_locked());
    }

    #[test]
    fn the_last_waker_given_is_woken() {
        let mutex = Mutex::new(());
        let guard = now(mutex.lock());
        let ((first, a), (second, b)) = (counting(), counting());
        let mut lock = pin!(mutex.lock());
        assert!(poll_with(lock.as_mut(), &a).is_pending());
        assert!(poll_with(lock.as_mut(), &b).is_pending());
        drop(guard);
        assert_eq!((first.wakes(), second.wakes()), (0, 1));
        assert!(poll_with(lock.as_mut(), &a).is_ready());
    }
}

mod cancel {
    use super::*;

    #[test]
    fn a_waiter_that_leaves_is_passed_over() {
        let mutex = Mutex::new(());
        for gone in 0..3 {
            let guard = now(mutex.lock());
            let mut waiting: Vec<_> = (0..3).map(|_| Some(task::spawn(mutex.lock()))).collect();
            for w in waiting.iter_mut().flatten() {
                assert_pending!(w.poll());
            }
            waiting[gone] = None;
            drop(guard);
            for w in waiting.iter_mut().flatten() {
                assert!(w.is_woken());
                drop(assert_ready!(w.poll()));
            }
            assert!(mutex.try_lock().is_some());
        }
    }

    /// Woken, not polled, dropped: the next is woken.
    #[test]
    fn a_nudge_is_passed_on() {
        let mutex = Mutex::new(());
        let (guard, a, mut b) = held_and_wanted_by_two(&mutex);
        drop(guard);
        assert!(a.is_woken());
        drop(a);
        assert!(b.is_woken());
        drop(assert_ready!(b.poll()));
    }

    /// Handed over, not polled, dropped: the next has it.
    #[test]
    fn what_was_handed_over_is_passed_on() {
        let mutex = Mutex::new(());
        let guard = now(mutex.lock());
        let mut row: Vec<_> = (0..4).map(|_| task::spawn(mutex.lock())).collect();
        for w in &mut row {
            assert_pending!(w.poll());
        }
        let_them_starve();
        drop(guard);
        for w in row {
            assert!(w.is_woken() && mutex.is_locked());
        }
        assert!(mutex.try_lock().is_some(), "nobody was left");
        assert_eq!(mutex.stats().mode, MutexMode::Normal);
    }

    /// The one that was woken leaves while a newcomer has the mutex: the newcomer's unlock wakes the next.
    #[test]
    fn a_nudge_is_passed_on_by_the_holder() {
        briskly(|| {
            let mutex = Mutex::new(());
            let (guard, a, mut b) = held_and_wanted_by_two(&mutex);
            drop(guard);
            let newcomer = now(mutex.lock());
            drop(a);
            assert!(!b.is_woken());
            drop(newcomer);
            assert!(b.is_woken());
            drop(assert_ready!(b.poll()));
        });
    }

    #[test]
    fn leaked_futures_and_guards_are_safe() {
        let mutex = Mutex::new(1);
        let guard = now(mutex.lock());
        let mut leaked = Box::pin(mutex.lock());
        assert!(poll_once(leaked.as_mut()).is_pending());
        std::mem::forget(leaked);
        drop(guard);
        // The mutex moves, and a dump looks for its holders.
        let moved = Box::new(mutex);
        let guard = moved.try_lock().unwrap();
        assert!(!diag::dump().to_string().is_empty());
        std::mem::forget(guard);
        assert!(moved.try_lock().is_none());
        assert_eq!(moved.stats().waiters.len(), 1);
    }

    /// Random drops at every state, on three executors: at the end the mutex is free and everybody was counted.
    async fn at_random(place: Place) {
        let mutex = Arc::new(Mutex::new(0usize));
        let rounds = place.scale(400, 60);
        let all: Vec<_> = (0..8)
            .map(|seed| {
                let (mutex, place2) = (mutex.clone(), place.clone());
                place.go(async move {
                    let (mut rng, mut had) = (Rng::new(seed), 0);
                    for _ in 0..rounds {
                        let mut lock = Box::pin(mutex.lock());
                        let polls = rng.below(4);
                        let mut guard = None;
                        for _ in 0..polls {
                            if guard.is_none() {
                                guard = futures::poll!(lock.as_mut()).map(Some).into_option();
                                place2.pause().await;
                            }
                        }
                        if rng.below(3) == 0 && guard.is_none() && polls > 0 {
                            guard = Some(lock.await);
                        }
                        if let Some(mut guard) = guard {
                            *guard += 1;
                            had += 1;
                        }
                    }
                    had
                })
            })
            .collect();
        let mut had = 0;
        for one in all {
            had += one.join().await;
        }
        assert_eq!(*mutex.lock().await, had);
        let stats = mutex.stats();
        assert!(!stats.locked && stats.waiters.is_empty() && stats.mode == MutexMode::Normal);
    }

    trait IntoOption<T> {
        fn into_option(self) -> Option<T>;
    }

    impl<T> IntoOption<T> for std::task::Poll<Option<T>> {
        fn into_option(self) -> Option<T> {
            match self {
                std::task::Poll::Ready(out) => out,
                std::task::Poll::Pending => None,
            }
        }
    }

    everywhere!(at_random);
}

mod hostile_wakers {
    use super::*;

    type Shared = Arc<Mutex<u32>>;
    type Act = fn(&Shared);

    const ACTS: [(&str, Act); 5] = [
        ("locks", |m| drop(m.try_lock())),
        ("waits and leaves", |m| {
            _ = poll_once(pin!(m.lock()));
        }),
        ("looks", |m| {
            assert!(!format!("{m:?}{:?}", m.stats()).is_empty());
        }),
        ("asks another thread", |m| {
            let m = m.clone();
            std::thread::spawn(move || drop(m.try_lock()))
                .join()
                .unwrap();
        }),
        ("panics", |_| {
            std::panic::resume_unwind(Box::new("the waker"))
        }),
    ];

    fn at(event: usize, mutex: &Shared, act: Act) -> std::task::Waker {
        let mutex = mutex.clone();
        let act: common::waker::Action = Box::new(move || act(&mutex));
        let mut it = Hooked::default();
        match event {
            0 => it.on_wake = Some(act),
            1 => it.on_clone = Some(act),
            _ => it.on_drop = Some(act),
        }
        hooked(&Arc::new(it))
    }

    type Scene = fn(&Shared, &std::task::Waker);

    const SCENES: [(&str, Scene); 5] = [
        ("unlock", |m, waker| {
            let guard = m.try_lock().unwrap();
            let mut lock = Box::pin(m.lock());
            _ = poll_with(lock.as_mut(), waker);
            drop(guard);
            _ = poll_once(lock.as_mut());
        }),
        ("handed over", |m, waker| {
            let guard = m.try_lock().unwrap();
            let mut lock = Box::pin(m.lock());
            _ = poll_with(lock.as_mut(), waker);
            let_them_starve();
            drop(guard);
            drop(lock);
        }),
        ("dropped while waiting", |m, waker| {
            let _guard = m.try_lock().unwrap();
            let mut lock = Box::pin(m.lock());
            _ = poll_with(lock.as_mut(), waker);
        }),
        ("another waker", |m, waker| {
            let guard = m.try_lock().unwrap();
            let mut lock = Box::pin(m.lock());
            _ = poll_with(lock.as_mut(), waker);
            _ = poll_once(lock.as_mut());
            drop(guard);
        }),
        ("nudged and dropped with another behind it", |m, waker| {
            let guard = m.try_lock().unwrap();
            let mut first = Box::pin(m.lock());
            _ = poll_once(first.as_mut());
            let mut second = Box::pin(m.lock());
            _ = poll_with(second.as_mut(), waker);
            drop(guard);
            drop(first);
        }),
    ];

    #[test]
    fn every_misdeed_in_every_scene() {
        watch(|| {
            for (scene, play) in SCENES {
                for (misdeed, act) in ACTS {
                    for event in 0..3 {
                        let mutex: Shared = Arc::default();
                        let waker = at(event, &mutex, act);
                        _ = catch_unwind(AssertUnwindSafe(|| play(&mutex, &waker)));
                        _ = catch_unwind(AssertUnwindSafe(|| drop(waker)));
                        let free = mutex.try_lock().is_some();
                        assert!(free, "{scene}, {misdeed} at {event}: {:?}", mutex.stats());
                        assert!(mutex.stats().waiters.is_empty(), "{scene}, {misdeed}");
                    }
                }
            }
        });
    }
}

mod guards {
    use super::*;

    #[test]
    fn a_panic_unlocks_and_does_not_poison() {
        let mutex = Mutex::new(1);
        let caught = catch_unwind(AssertUnwindSafe(|| {
            let mut guard = mutex.try_lock().unwrap();
            *guard = 2;
            panic!("while it is locked");
        }));
        assert!(caught.is_err());
        assert_eq!(*mutex.try_lock().unwrap(), 2);
    }

    #[test]
    fn a_panic_while_mapping_unlocks() {
        let mutex = Mutex::new(1);
        let guard = mutex.try_lock().unwrap();
        let mapped = catch_unwind(AssertUnwindSafe(|| {
            MutexGuard::map(guard, |_| -> &mut u8 { panic!("no part") })
        }));
        assert!(mapped.is_err() && mutex.try_lock().is_some());
    }

    #[test]
    fn parts_of_the_value() {
        let mutex = Mutex::new((1, [2, 3]));
        let part = MutexGuard::map(mutex.try_lock().unwrap(), |v| &mut v.1);
        let mut one = gochan::sync::MappedMutexGuard::map(part, |v| &mut v[1]);
        *one = 9;
        assert!(mutex.try_lock().is_none());
        drop(one);
        let whole = MutexGuard::try_map(mutex.try_lock().unwrap(), |_| None::<&mut u8>);
        assert_eq!(*whole.unwrap_err(), (1, [2, 9]));
        let unsized_: &Mutex<dyn std::fmt::Debug> = &Mutex::new(7);
        assert_eq!(format!("{:?}", unsized_.try_lock().unwrap()), "7");
    }

    #[test]
    fn an_owned_guard_keeps_the_mutex_alive() {
        let mutex = Arc::new(Mutex::new(String::from("kept")));
        let guard = now(mutex.clone().lock_owned());
        assert!(mutex.clone().try_lock_owned().is_none());
        let mut waiting = task::spawn(mutex.clone().lock_owned());
        assert_pending!(waiting.poll());
        drop(mutex);
        assert_eq!(*guard, "kept");
        drop(guard);
        drop(assert_ready!(waiting.poll()));
    }

    #[test]
    fn debug_shows_the_value_or_that_it_is_locked() {
        let mutex = Mutex::new(5).named("five");
        let free = format!("{mutex:?}");
        assert!(
            free.contains("value: 5") && free.contains("\"five\""),
            "{free}"
        );
        let guard = mutex.try_lock().unwrap();
        assert!(format!("{mutex:?}").contains("<locked>"));
        assert_eq!(format!("{guard:?} {guard}"), "5 5");
    }
}

mod selects {
    use super::*;

    #[test]
    fn a_lock_is_an_arm() {
        gochan::run(async {
            let (mutex, other) = (Mutex::new(1), Mutex::new(2));
            let held = other.lock().await;
            let got = select! {
                g = mutex.lock() => *g,
                g = other.lock() => *g,
            };
            assert_eq!(got, 1);
            assert!(!mutex.is_locked() && other.stats().waiters.is_empty());
            let none = select! { _ = other.lock() => true, default => false };
            assert!(!none);
            drop(held);
        });
    }

    /// A waiting select is handed the mutex, once; another's win leaves no trace.
    #[test]
    fn a_waiting_select_is_served() {
        let (a, b) = (Mutex::new('a'), Mutex::new('b'));
        let (ga, gb) = (now(a.lock()), now(b.lock()));
        let mut both = task::spawn(async {
            select! { g = a.lock() => *g, g = b.lock() => *g }
        });
        assert_pending!(both.poll());
        let mut behind = task::spawn(b.lock());
        assert_pending!(behind.poll());
        drop(gb);
        assert!(both.is_woken() && !behind.is_woken() && b.is_locked());
        assert_eq!(assert_ready!(both.poll()), 'b');
        assert!(behind.is_woken(), "it has unlocked");
        drop(ga);
        assert!(a.try_lock().is_some() && a.stats().waiters.is_empty());
        drop(assert_ready!(behind.poll()));
    }

    #[test]
    fn a_select_that_is_dropped_passes_the_mutex_on() {
        let (a, b) = (Mutex::new(()), Mutex::new(()));
        let (ga, gb) = (now(a.lock()), now(b.lock()));
        let mut both = task::spawn(async {
            select! { _ = a.lock() => {}, _ = b.lock() => {} }
        });
        assert_pending!(both.poll());
        let mut behind = task::spawn(a.lock());
        assert_pending!(behind.poll());
        drop(ga);
        drop(both);
        assert!(behind.is_woken());
        drop(assert_ready!(behind.poll()));
        drop(gb);
        assert!(b.try_lock().is_some());
    }

    #[test]
    fn a_lent_lock_waits_again() {
        gochan::run(async {
            let mutex = Mutex::new(3);
            let held = mutex.lock().await;
            let mut lock = mutex.lock();
            for _ in 0..3 {
                let lost = select! {
                    _ = &mut lock => false,
                    _ = sleep(Duration::from_millis(1)) => true,
                };
                assert!(lost);
            }
            drop(held);
            assert_eq!(*lock.await, 3);
        });
    }
}

mod dump {
    use super::*;

    /// The dump names the lock, its holder, where it was acquired and who waits.
    #[test]
    fn says_who_holds_it() {
        watch(|| {
            gochan::run(async {
                let mutex = Arc::new(Mutex::new(()).named("ledger"));
                let (taken, line) = (mutex.lock().await, line!());
                let its = mutex.clone();
                let waiter = go(async move { drop(its.lock().await) });
                let wait = loop {
                    let dump = diag::dump();
                    let told = dump.task(waiter.id()).and_then(|task| task.wait.clone());
                    if let Some(wait) =
                        told.filter(|wait| wait.reason.as_str() == "sync.Mutex.Lock")
                    {
                        break wait;
                    }
                    yield_now().await;
                };
                let object = wait.object.unwrap();
                assert_eq!(object.name.as_deref(), Some("ledger"));
                assert_eq!((object.waiters, object.mode), (1, None));
                let holder = &object.holders[0];
                assert_eq!(object.holders.len(), 1);
                assert_eq!(holder.id, gochan::task::current().unwrap().id());
                assert_eq!(holder.site.unwrap().line(), line);
                assert_eq!(holder.site.unwrap().file(), file!());
                let stats = mutex.stats();
                assert_eq!(
                    (stats.holder, stats.waiters),
                    (holder.id, vec![waiter.id()])
                );
                let text = diag::dump().to_string();
                let said = format!("acquired at {}:{line}", file!());
                assert!(text.contains(&said), "{text}");
                drop(taken);
                waiter.await.unwrap();
            });
        });
    }

    /// What was handed over and not looked at yet is told of the one that it was handed to.
    #[test]
    fn says_who_was_handed_it() {
        let mutex = Arc::new(Mutex::new(()));
        gochan::run(async move {
            let me = gochan::task::current().unwrap().id();
            let guard = mutex.try_lock().unwrap();
            let mut lock = Box::pin(mutex.lock());
            assert!(futures::poll!(lock.as_mut()).is_pending());
            assert_eq!(mutex.stats().waiters, [me]);
            let_them_starve();
            drop(guard);
            let stats = mutex.stats();
            assert_eq!((stats.locked, stats.holder), (true, me));
        });
    }
}
