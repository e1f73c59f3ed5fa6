//! src/sync/once_test.go, src/sync/oncefunc_test.go
//!
//! Not here: what Go's tests say of `runtime.Goexit`, of tracebacks and of the collector.

use crate::common::{Place, Tally, everywhere};
use gochan::sync::{Once, OnceCell};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

// TestOnce
mod test_once {
    use super::*;

    const N: usize = 10;

    async fn run(place: Place) {
        let (once, calls) = (Arc::new(Once::new()), Tally::default());
        let (done, all) = gochan::chan(0);
        for _ in 0..N {
            let (once, calls, done) = (once.clone(), calls.clone(), done.clone());
            let inside = place.clone();
            place.go(async move {
                let ours = calls.clone();
                once.call_once(|| async move {
                    inside.pause().await;
                    ours.add(1);
                })
                .await;
                assert_eq!(calls.get(), 1, "once failed inside run");
                done.send(()).await.unwrap();
            });
        }
        for _ in 0..N {
            all.recv().await.unwrap();
        }
        assert_eq!(calls.get(), 1, "once failed outside run");
    }

    everywhere!(run);
}

// TestOncePanic: in Go a call that panics counts as done. Here the next one tries.
mod test_once_panic {
    use super::*;

    #[test]
    fn the_next_one_tries() {
        let once = Once::new();
        let failed = catch_unwind(AssertUnwindSafe(|| {
            once.call_once_blocking(|| panic!("failed"));
        }));
        assert!(failed.is_err());
        assert!(!once.is_completed());
        let calls = Tally::default();
        once.call_once_blocking(|| _ = calls.add(1));
        once.call_once_blocking(|| panic!("Once.Do called twice"));
        assert_eq!(calls.get(), 1);
    }

    async fn in_a_future(_: Place) {
        let once = Arc::new(Once::new());
        let first = once.clone();
        let failed =
            gochan::go(async move { first.call_once(|| async { panic!("failed") }).await });
        assert!(failed.await.unwrap_err().is_panic());
        let calls = Tally::default();
        once.call_once(|| async { _ = calls.add(1) }).await;
        assert_eq!(calls.get(), 1);
    }

    everywhere!(in_a_future);
}

// TestOnceValue, TestOnceValues: the same function is called once, every call has its value.
mod test_once_value {
    use super::*;

    async fn one_call_one_value(_: Place) {
        let (cell, calls) = (OnceCell::new(), Tally::default());
        for _ in 0..10 {
            let value = cell.get_or_init(|| async { calls.add(1) }).await;
            assert_eq!(*value, 1);
        }
        assert_eq!(calls.get(), 1);
    }

    everywhere!(one_call_one_value);

    #[test]
    fn for_threads() {
        let (cell, calls) = (OnceCell::new(), Tally::default());
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| assert_eq!(*cell.get_or_init_blocking(|| calls.add(1)), 1));
            }
        });
        assert_eq!(calls.get(), 1);
    }
}

// TestOnceFunc, TestOnceValue, TestOnceFuncPanic, TestOnceValuePanic, TestOnceFuncPanicNested
mod test_once_func {
    use super::*;
    use crate::common::waker::{counting, poll_once, poll_with};
    use gochan::sync::{OnceFunc, OnceValue};

    async fn is_called_once(_: Place) {
        let calls = Tally::default();
        let func = OnceFunc::new(|| async { _ = calls.add(1) });
        assert!(!func.is_completed());
        for _ in 0..10 {
            func.call().await;
        }
        let value = OnceValue::new(|| async { calls.add(1) });
        for _ in 0..10 {
            assert_eq!(*value.get().await, 2);
        }
        assert!(func.is_completed() && value.is_completed());
        assert_eq!(calls.get(), 2);
    }

    everywhere!(is_called_once);

    #[test]
    fn by_one_of_many_threads() {
        let calls = Tally::default();
        let value = OnceValue::new(|| async { calls.add(1) });
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| assert_eq!(*value.get_blocking(), 1));
            }
        });
        assert_eq!(calls.get(), 1);
    }

    fn panic_of<R>(f: impl FnOnce() -> R) -> String {
        let panic = catch_unwind(AssertUnwindSafe(f)).err().expect("it panics");
        match panic.downcast::<String>() {
            Ok(text) => *text,
            Err(panic) => (*panic.downcast::<&str>().unwrap()).to_owned(),
        }
    }

    /// Every call panics, and the function is called once all the same: the function itself, and its future.
    #[test]
    fn every_call_panics() {
        let calls = Tally::default();
        for early in [true, false] {
            let before = calls.get();
            let func = OnceFunc::new(|| {
                calls.add(1);
                if early {
                    panic!("x")
                }
                async { panic!("x") }
            });
            assert_eq!(panic_of(|| func.call_blocking()), "x");
            let text = "sync: the function of a OnceValue panicked: x";
            for _ in 0..2 {
                assert_eq!(panic_of(|| func.call_blocking()), text);
            }
            assert_eq!(calls.get(), before + 1);
        }
    }

    /// Ours: a call that is dropped lets the next one begin anew.
    #[test]
    fn a_dropped_call_is_no_call() {
        let calls = Tally::default();
        let (go_on, order) = gochan::chan::<()>(1);
        let value = OnceValue::new(|| async {
            let call = calls.add(1);
            order.recv().await.unwrap();
            call
        });
        let (mut first, mut second) = (Box::pin(value.get()), Box::pin(value.get()));
        assert!(poll_once(first.as_mut()).is_pending());
        let (woken, waker) = counting();
        assert!(poll_with(second.as_mut(), &waker).is_pending());
        drop(first);
        assert_eq!((woken.wakes(), calls.get()), (1, 1));
        assert!(poll_with(second.as_mut(), &waker).is_pending());
        go_on.try_send(()).unwrap();
        assert_eq!(woken.wakes(), 2);
        let ready = poll_with(second.as_mut(), &waker);
        assert!(ready.is_ready() && *value.get_blocking() == 2);
    }
}
