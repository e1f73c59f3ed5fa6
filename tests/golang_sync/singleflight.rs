//! golang.org/x/sync/singleflight/singleflight_test.go
//!
//! Not here: DoChan, whose twin is `gochan::go(flights.run(..))`, and `runtime.Goexit`.

use crate::common::waker::{counting, poll_once, poll_with};
use crate::common::{Place, Tally, everywhere, watch};
use gochan::sync::SingleFlight;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::{Arc, LazyLock};
use std::task::Poll;

// TestDo
mod test_do {
    use super::*;

    async fn one_call(_: Place) {
        let flights = SingleFlight::new();
        assert_eq!(flights.run("key", async { "bar" }).await, "bar");
        assert!(flights.is_empty());
        assert_eq!(flights.run("key", async { "baz" }).await, "baz");
    }

    everywhere!(one_call);
}

// TestDoErr
#[test]
fn test_do_err() {
    let flights = SingleFlight::<_, Result<(), &str>>::new();
    let failed = gochan::block_on(flights.run("key", async { Err("some error") }));
    assert_eq!(failed, Err("some error"));
}

// TestDoDupSuppress
mod test_do_dup_suppress {
    use super::*;

    const N: usize = 10;

    async fn one_works_for_all(place: Place) {
        let flights = Arc::new(SingleFlight::new());
        let (calls, waiting) = (Tally::default(), Tally::default());
        let (give, work) = gochan::chan::<&str>(1);
        let (done, all) = gochan::chan(N);
        for _ in 0..N {
            let (flights, calls, work) = (flights.clone(), calls.clone(), work.clone());
            let (waiting, done) = (waiting.clone(), done.clone());
            place.go(async move {
                waiting.add(1);
                let worked = flights.run("key", async move {
                    calls.add(1);
                    work.recv().await.unwrap()
                });
                assert_eq!(worked.await, "bar");
                done.send(()).await.unwrap();
            });
        }
        place
            .until(|| waiting.get() == N && flights.len() == 1)
            .await;
        give.send("bar").await.unwrap();
        // Who came late works for itself.
        for _ in 0..N {
            if let Ok(()) = all.try_recv() {
                continue;
            }
            gochan::select! {
                r = all.recv() => r.unwrap(),
                r = give.send("bar") => { r.unwrap(); all.recv().await.unwrap() }
            }
        }
        let calls = calls.get();
        assert!(calls > 0 && calls <= N, "number of calls = {calls}");
        assert!(flights.is_empty());
    }

    everywhere!(one_works_for_all);

    /// Poll by poll, where it is certain who comes when.
    #[test]
    fn exactly_one() {
        let flights = SingleFlight::new();
        let (give, work) = gochan::chan::<u8>(0);
        let calls = Tally::default();
        let call = || {
            let (work, calls) = (work.clone(), calls.clone());
            Box::pin(flights.run(1, async move {
                calls.add(1);
                work.recv().await.unwrap()
            }))
        };
        let mut all: Vec<_> = (0..5).map(|_| call()).collect();
        assert!(flights.is_empty(), "nothing happens before the first poll");
        assert!(
            all.iter_mut()
                .all(|one| poll_once(one.as_mut()).is_pending())
        );
        assert_eq!((flights.len(), calls.get()), (1, 1));
        give.try_send(9).unwrap();
        assert!(
            all.iter_mut()
                .all(|one| poll_once(one.as_mut()) == Poll::Ready(9))
        );
        assert_eq!((flights.len(), calls.get()), (0, 1));
    }
}

// TestDo, TestDoDupSuppress: whether it was shared is the third result.
mod shared {
    use super::*;

    #[test]
    fn is_said_to_all_who_have_it() {
        let flights = SingleFlight::new();
        let (give, work) = gochan::chan::<u8>(0);
        let alone = flights.run("key", async { 1 }).with_shared();
        assert_eq!(gochan::block_on(alone), (1, false));
        let mut first = Box::pin(
            flights
                .run("key", async { work.recv().await.unwrap() })
                .with_shared(),
        );
        let mut second = Box::pin(flights.run("key", async { 2 }).with_shared());
        let mut gone = Box::pin(flights.run("key", async { 3 }));
        assert!(poll_once(first.as_mut()).is_pending());
        assert!(poll_once(gone.as_mut()).is_pending());
        assert!(poll_once(second.as_mut()).is_pending());
        drop(gone);
        give.try_send(7).unwrap();
        assert_eq!(poll_once(first.as_mut()), Poll::Ready((7, true)));
        assert_eq!(poll_once(second.as_mut()), Poll::Ready((7, true)));
        assert!(flights.is_empty());
    }

    /// Who takes over the work of one that was dropped has it for itself.
    #[test]
    fn is_not_what_was_passed_on() {
        let flights = SingleFlight::new();
        let mut first = Box::pin(flights.run("key", std::future::pending()));
        let mut second = Box::pin(flights.run("key", async { 2 }).with_shared());
        assert!(poll_once(first.as_mut()).is_pending());
        assert!(poll_once(second.as_mut()).is_pending());
        drop(first);
        assert_eq!(poll_once(second.as_mut()), Poll::Ready((2, false)));
    }
}

// TestForget: the next call works anew, those that wait get the old value.
#[test]
fn test_forget() {
    let flights = SingleFlight::new();
    let (give, work) = gochan::chan::<&str>(0);
    let mut first = pin!(flights.run("key", async { work.recv().await.unwrap() }));
    let mut shares = pin!(flights.run("key", async { "not called" }));
    assert!(poll_once(first.as_mut()).is_pending());
    assert!(poll_once(shares.as_mut()).is_pending());
    flights.forget(&"key");
    assert!(flights.is_empty());
    let (give_second, work) = gochan::chan::<&str>(0);
    let mut second = pin!(flights.run("key", async { work.recv().await.unwrap() }));
    assert!(poll_once(second.as_mut()).is_pending());
    let mut third = pin!(flights.run("key", async { "not called" }));
    assert!(poll_once(third.as_mut()).is_pending());
    give.try_send("old").unwrap();
    assert_eq!(poll_once(first.as_mut()), Poll::Ready("old"));
    assert_eq!(poll_once(shares.as_mut()), Poll::Ready("old"));
    assert_eq!(flights.len(), 1, "the second is still under way");
    give_second.try_send("new").unwrap();
    assert_eq!(poll_once(second.as_mut()), Poll::Ready("new"));
    assert_eq!(poll_once(third.as_mut()), Poll::Ready("new"));
    assert!(flights.is_empty());
}

// TestPanicDo
mod test_panic_do {
    use super::*;

    fn panic_of<R>(f: impl FnOnce() -> R) -> String {
        let panic = catch_unwind(AssertUnwindSafe(f)).err().expect("it panics");
        match panic.downcast::<String>() {
            Ok(text) => *text,
            Err(panic) => (*panic.downcast::<&str>().unwrap()).to_owned(),
        }
    }

    #[test]
    fn comes_out_of_all() {
        let flights = SingleFlight::<_, u8>::new();
        let (give, work) = gochan::chan::<u8>(0);
        let mut first = Box::pin(flights.run("key", async {
            work.recv().await.unwrap();
            panic!("invalid memory address")
        }));
        let mut shares = Box::pin(flights.run("key", async { 1 }));
        assert!(poll_once(first.as_mut()).is_pending());
        let (woken, waker) = counting();
        assert!(poll_with(shares.as_mut(), &waker).is_pending());
        give.try_send(1).unwrap();
        let panicked = panic_of(|| poll_once(first.as_mut()));
        assert_eq!(panicked, "invalid memory address");
        assert_eq!(woken.wakes(), 1);
        let panicked = panic_of(|| poll_once(shares.as_mut()));
        let expected = "singleflight: the shared work panicked: invalid memory address";
        assert_eq!(panicked, expected);
        assert!(flights.is_empty());
        assert_eq!(flights.run_blocking("key", || 2), 2);
    }

    #[test]
    fn of_a_thread() {
        let flights = SingleFlight::<_, u8>::new();
        let panicked = panic_of(|| flights.run_blocking("key", || panic!("no")));
        assert_eq!(panicked, "no");
        assert!(flights.is_empty());
    }
}

// Ours: futures can be dropped.
mod dropped {
    use super::*;

    #[test]
    fn the_next_does_its_own_work() {
        let flights = SingleFlight::new();
        let (_give, work) = gochan::chan::<&str>(0);
        let held = Arc::new(());
        let inside = held.clone();
        let mut first = Box::pin(flights.run("key", async {
            let _inside = inside;
            work.recv().await.unwrap()
        }));
        let mut second = Box::pin(flights.run("key", async { "second" }));
        let mut third = Box::pin(flights.run("key", async { "third" }));
        assert!(poll_once(first.as_mut()).is_pending());
        let (woken, waker) = counting();
        assert!(poll_with(second.as_mut(), &waker).is_pending());
        assert!(poll_once(third.as_mut()).is_pending());
        drop(first);
        assert_eq!(Arc::strong_count(&held), 1, "its work is gone");
        assert_eq!(woken.wakes(), 1);
        assert_eq!(poll_once(second.as_mut()), Poll::Ready("second"));
        assert_eq!(poll_once(third.as_mut()), Poll::Ready("second"));
        assert!(flights.is_empty());
    }

    #[test]
    fn a_turn_that_is_not_wanted_goes_on() {
        let flights = SingleFlight::new();
        let (_give, work) = gochan::chan::<&str>(0);
        let mut first = Box::pin(flights.run("key", async { work.recv().await.unwrap() }));
        let mut rest: Vec<_> = (0..3)
            .map(|_| Box::pin(flights.run("key", async { "own" })))
            .collect();
        assert!(poll_once(first.as_mut()).is_pending());
        assert!(
            rest.iter_mut()
                .all(|one| poll_once(one.as_mut()).is_pending())
        );
        drop(first);
        // Given the turn, and dropped without having looked.
        drop(rest.remove(0));
        assert_eq!(poll_once(rest[0].as_mut()), Poll::Ready("own"));
        assert_eq!(poll_once(rest[1].as_mut()), Poll::Ready("own"));
    }

    #[test]
    fn the_last_one_leaves_nothing_behind() {
        let flights = SingleFlight::<u8, ()>::new();
        for _ in 0..3 {
            let mut calls: Vec<_> = (0..3)
                .map(|_| Box::pin(flights.run(1, std::future::pending())))
                .collect();
            for call in &mut calls {
                assert!(poll_once(call.as_mut()).is_pending());
            }
            assert_eq!(flights.len(), 1);
            calls.swap(0, 2);
            drop(calls);
            assert!(flights.is_empty());
        }
        drop(flights.run(1, async {}));
        assert!(flights.is_empty());
    }

    /// A key whose drop asks the flights.
    #[derive(Clone, PartialEq, Eq, Hash)]
    struct Asks(u8);

    static ASKED: LazyLock<SingleFlight<Asks, u8>> = LazyLock::new(SingleFlight::new);

    impl Drop for Asks {
        fn drop(&mut self) {
            let _ = ASKED.len();
        }
    }

    #[test]
    fn keys_are_dropped_without_the_lock() {
        watch(|| {
            let (give, work) = gochan::chan::<u8>(1);
            let mut first = Box::pin(ASKED.run(Asks(1), async { work.recv().await.unwrap() }));
            assert!(poll_once(first.as_mut()).is_pending());
            let mut second = Box::pin(ASKED.run(Asks(1), async { 2 }));
            assert!(poll_once(second.as_mut()).is_pending());
            ASKED.forget(&Asks(1));
            give.try_send(1).unwrap();
            assert_eq!(poll_once(first.as_mut()), Poll::Ready(1));
            assert_eq!(poll_once(second.as_mut()), Poll::Ready(1));
            drop(ASKED.run(Asks(1), async { 3 }));
            assert!(ASKED.is_empty());
        });
    }
}
