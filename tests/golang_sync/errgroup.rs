//! golang.org/x/sync/errgroup/errgroup_test.go

use crate::common::waker::poll_once;
use crate::common::{Place, Tally, everywhere, watch};
use gochan::sync::ErrGroup;
use gochan::{Context, ContextError};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::task::{self, Poll};

// TestZeroGroup: the first error that was returned comes out of each wait, others never.
mod test_zero_group {
    use super::*;

    async fn first_error(_: Place) {
        let cases: [&[Result<(), &str>]; 4] = [
            &[],
            &[Ok(())],
            &[Err("errgroup_test: 1")],
            &[Err("errgroup_test: 1"), Ok(()), Err("errgroup_test: 2")],
        ];
        for case in cases {
            let group = ErrGroup::new();
            let mut first = Ok(());
            for result in case.iter().copied() {
                group.go(async move { result }).await;
                first = first.and(result);
                // Unlike Go's, the error is given out once: it is moved.
                let ended = group.wait().await;
                assert_eq!(ended, result);
            }
            assert_eq!(group.wait().await, Ok(()));
            for result in case.iter().copied() {
                let (go_on, order) = gochan::chan::<()>(0);
                let before = group.count();
                assert_eq!(before, 0);
                group
                    .go(async move {
                        _ = order.recv().await;
                        result
                    })
                    .await;
                drop(go_on);
                assert_eq!(group.wait().await, result);
            }
        }
    }

    everywhere!(first_error);

    /// Of several tasks the first to fail counts, whoever was spawned first.
    #[test]
    fn the_first_to_fail() {
        watch(|| {
            let group = ErrGroup::new();
            let (go_on, order) = gochan::chan::<()>(0);
            group.go_blocking(async move {
                _ = order.recv().await;
                Err("later")
            });
            group.go_blocking(async { Err("first") });
            while group.count() > 1 {
                std::thread::yield_now();
            }
            drop(go_on);
            assert_eq!(group.wait_blocking(), Err("first"));
            assert_eq!(group.wait_blocking(), Ok(()));
        });
    }
}

// TestWithContext
mod test_with_context {
    use super::*;

    async fn ends_with_the_group(_: Place) {
        let cases: [(&[Result<(), &str>], _); 3] = [
            (&[], Ok(())),
            (&[Ok(())], Ok(())),
            (&[Ok(()), Err("doomed")], Err("doomed")),
        ];
        for (results, want) in cases {
            let (group, ctx) = ErrGroup::with_context(&Context::background());
            for result in results.iter().copied() {
                group.go(async move { result }).await;
            }
            assert_eq!(group.wait().await, want);
            assert_eq!(
                ctx.err(),
                Some(ContextError::Canceled),
                "ctx.Done() is closed"
            );
        }
    }

    everywhere!(ends_with_the_group);

    /// The others are told while they run.
    async fn the_first_error_ends_the_others(_: Place) {
        let (group, ctx) = ErrGroup::with_context(&Context::background());
        for _ in 0..3 {
            let ctx = ctx.clone();
            group
                .go(async move {
                    assert_eq!(ctx.done().await, ContextError::Canceled);
                    Err("told")
                })
                .await;
        }
        group.go(async { Err("doomed") }).await;
        assert_eq!(group.wait().await, Err("doomed"));
    }

    mod while_they_run {
        use super::*;
        everywhere!(the_first_error_ends_the_others);
    }

    /// The parent's end is the group's.
    #[test]
    fn below_its_parent() {
        let (parent, cancel) = Context::background().with_cancel();
        let (group, ctx) = ErrGroup::<&str>::with_context(&parent);
        cancel.cancel();
        assert!(ctx.is_done());
        assert_eq!(group.wait_blocking(), Ok(()));
    }

    #[test]
    fn the_last_handle() {
        let (group, ctx) = ErrGroup::<&str>::with_context(&Context::background());
        let other = group.clone();
        drop(group);
        assert!(!ctx.is_done());
        drop(other);
        assert!(ctx.is_done());
    }
}

// TestTryGo
mod test_try_go {
    use super::*;

    #[test]
    fn as_many_as_the_limit() {
        watch(|| {
            let group = ErrGroup::<()>::new();
            group.set_limit(42);
            let (go_on, order) = gochan::chan::<()>(0);
            let task = || {
                let order = order.clone();
                async move {
                    _ = order.recv().await;
                    Ok(())
                }
            };
            for n in 0..42 {
                assert!(
                    group.try_go(task()).is_ok(),
                    "TryGo should succeed but got fail at {n}-th call"
                );
            }
            assert!(
                group.try_go(task()).is_err(),
                "TryGo is expected to fail but succeeded"
            );
            drop(go_on);
            group.wait_blocking().unwrap();
            assert!(group.try_go(async { Ok(()) }).is_ok());
            group.wait_blocking().unwrap();

            // Switch to 1.
            group.set_limit(1);
            let (go_on, order) = gochan::chan::<()>(0);
            let first = async move {
                _ = order.recv().await;
                Ok(())
            };
            assert!(group.try_go(first).is_ok());
            assert!(group.try_go(async { Ok(()) }).is_err());
            drop(go_on);
            group.wait_blocking().unwrap();

            // Block all calls.
            group.set_limit(0);
            for _ in 0..1 << 10 {
                assert!(group.try_go(async { Ok(()) }).is_err());
            }
            assert!(poll_once(pin!(group.go(async { Ok(()) }))).is_pending());
            group.wait_blocking().unwrap();
        });
    }
}

// TestGoLimit
mod test_go_limit {
    use super::*;

    const LIMIT: usize = 10;

    async fn never_more_than_the_limit(place: Place) {
        let group = ErrGroup::<String>::new();
        group.set_limit(LIMIT);
        let active = Tally::default();
        for _ in 0..=1 << 10 {
            let (active, inside) = (active.clone(), place.clone());
            let one = async move {
                let now = active.add(1);
                if now > LIMIT {
                    return Err(format!("saw {now} active goroutines; want <= {LIMIT}"));
                }
                gochan::yield_now().await;
                drop(inside);
                // One less.
                active.add(usize::MAX);
                Ok(())
            };
            group.go(one).await;
        }
        assert_eq!(group.wait().await, Ok(()));
        assert_eq!(active.get(), 0);
    }

    everywhere!(never_more_than_the_limit);

    /// A task counts from its spawn, and so it is the limit of then that holds.
    #[test]
    fn holds_for_who_was_made_before_and_is_spawned_after() {
        let group = ErrGroup::<&str>::new();
        let mut go = pin!(group.go(async { Ok(()) }));
        group.set_limit(0);
        assert!(poll_once(go.as_mut()).is_pending());
        assert_eq!(group.count(), 0);
    }

    #[test]
    fn is_not_changed_while_tasks_run() {
        let group = ErrGroup::<()>::new();
        let (go_on, order) = gochan::chan::<()>(0);
        group.go_blocking(async move {
            _ = order.recv().await;
            Ok(())
        });
        let changed = catch_unwind(AssertUnwindSafe(|| group.set_limit(2)));
        let words = *changed.unwrap_err().downcast::<String>().unwrap();
        assert_eq!(
            words,
            "errgroup: modify limit while 1 goroutines in the group are still active"
        );
        drop(go_on);
        group.wait_blocking().unwrap();
        group.set_limit(2);
        group.set_limit(None);
    }
}

// TestCancelCause
mod test_cancel_cause {
    use super::*;

    #[test]
    fn the_error_is_the_cause() {
        let (group, ctx) = ErrGroup::with_context(&Context::background());
        let line = line!() + 1;
        group.go_blocking(async { Err("group_test: doomed") });
        assert_eq!(group.wait_blocking(), Err("group_test: doomed"));
        assert_eq!(ctx.cause().unwrap().to_string(), "group_test: doomed");
        // Who ended it: the line that spawned the task that failed.
        let site = ctx.cancellation().unwrap().site;
        assert_eq!((site.file(), site.line()), (file!(), line));
    }

    /// As Go's: the cause is the error itself.
    #[test]
    fn of_its_type() {
        use std::io::{Error, ErrorKind};
        use std::sync::Arc;
        let share = |error: &Arc<Error>| error.clone();
        let (group, ctx) = ErrGroup::with_context_cause(&Context::background(), share);
        group.go_blocking(async { Err(Arc::new(Error::from(ErrorKind::NotFound))) });
        let error = group.wait_blocking().unwrap_err();
        let cause = ctx.cause().unwrap();
        assert!(Arc::ptr_eq(
            cause.downcast_ref::<Arc<Error>>().unwrap(),
            &error
        ));
    }

    #[test]
    fn no_error_is_no_cause() {
        let (group, ctx) = ErrGroup::<&str>::with_context(&Context::background());
        group.go_blocking(async { Ok(()) });
        group.wait_blocking().unwrap();
        assert_eq!(ctx.cause().unwrap().to_string(), "context canceled");
    }
}

// Ours: a panic comes out of the wait, where Go's ends the program.
mod panics {
    use super::*;

    #[test]
    fn come_out_with_their_payload() {
        let (group, ctx) = ErrGroup::<&str>::with_context(&Context::background());
        group.go_blocking(async { panic!("of a part") });
        ctx.done_blocking();
        assert_eq!(ctx.cause().unwrap().to_string(), "of a part");
        // An error after it, and one before, count for less.
        group.go_blocking(async { Err("late") });
        let panicked = catch_unwind(AssertUnwindSafe(|| group.wait_blocking()));
        assert_eq!(
            *panicked.unwrap_err().downcast::<&str>().unwrap(),
            "of a part"
        );
        assert_eq!(group.wait_blocking(), Ok(()));
        group.go_blocking(async { Err("before") });
        while group.count() > 0 {
            std::thread::yield_now();
        }
        group.go_blocking(async { std::panic::panic_any(7_u8) });
        let panicked = catch_unwind(AssertUnwindSafe(|| group.wait_blocking()));
        assert_eq!(*panicked.unwrap_err().downcast::<u8>().unwrap(), 7);
        assert_eq!(group.wait_blocking(), Ok(()));
    }

    fn panic_of<E: std::fmt::Debug>(group: &ErrGroup<E>) -> &'static str {
        let panicked = catch_unwind(AssertUnwindSafe(|| group.wait_blocking()));
        *panicked.unwrap_err().downcast::<&str>().unwrap()
    }

    /// The words of an error are foreign code, too.
    #[test]
    fn of_the_words_of_an_error() {
        #[derive(Debug)]
        struct Mute;
        impl std::fmt::Display for Mute {
            fn fmt(&self, _: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                panic!("no words")
            }
        }
        let (group, ctx) = ErrGroup::with_context(&Context::background());
        group.go_blocking(async { Err(Mute) });
        assert_eq!(panic_of(&group), "no words");
        assert_eq!(ctx.cause().unwrap().to_string(), "no words");
        assert!(group.wait_blocking().is_ok());
    }

    /// What a task held may panic when it is dropped after the task has ended.
    #[test]
    fn of_a_drop_after_the_end() {
        struct Ready;
        impl Future for Ready {
            type Output = Result<(), &'static str>;
            fn poll(self: Pin<&mut Self>, _: &mut task::Context<'_>) -> Poll<Self::Output> {
                Poll::Ready(Err("failed"))
            }
        }
        impl Drop for Ready {
            fn drop(&mut self) {
                panic!("at the end");
            }
        }
        let group = ErrGroup::new();
        group.set_limit(1);
        group.go_blocking(Ready);
        assert_eq!(panic_of(&group), "at the end");
        assert!(group.try_go(async { Ok(()) }).is_ok());
        assert_eq!(group.wait_blocking(), Ok(()));
    }

    /// A slot is free again, whatever its task did.
    #[test]
    fn give_their_slot_back() {
        let group = ErrGroup::<&str>::new();
        group.set_limit(1);
        for _ in 0..3 {
            group.go_blocking(async { panic!("again") });
            group.go_blocking(async { Err("again") });
            let panicked = catch_unwind(AssertUnwindSafe(|| group.wait_blocking()));
            assert!(panicked.is_err());
        }
        assert!(group.try_go(async { Ok(()) }).is_ok());
        group.wait_blocking().unwrap();
    }

    #[test]
    fn a_runtime_that_was_shut_down() {
        let group = ErrGroup::<&str>::new();
        let rt = gochan::Runtime::builder().workers(1).build().unwrap();
        let inside = group.clone();
        rt.block_on(async move { inside.go(std::future::pending()).await });
        rt.shutdown();
        let panicked = catch_unwind(AssertUnwindSafe(|| group.wait_blocking()));
        let words = *panicked.unwrap_err().downcast::<&str>().unwrap();
        assert!(words.contains("shut down"), "{words}");
    }
}

// Ours: futures can be dropped.
mod dropped {
    use super::*;

    #[test]
    fn a_go_that_waits_spawns_nothing() {
        let group = ErrGroup::<()>::new();
        group.set_limit(1);
        let (go_on, order) = gochan::chan::<()>(0);
        group.go_blocking(async move {
            _ = order.recv().await;
            Ok(())
        });
        {
            let mut second = pin!(group.go(async { panic!("never spawned") }));
            assert!(poll_once(second.as_mut()).is_pending());
            drop(group.go(async { panic!("never spawned") }));
        }
        drop(go_on);
        group.wait_blocking().unwrap();
        // The slot is free.
        assert!(group.try_go(async { Ok(()) }).is_ok());
        group.wait_blocking().unwrap();
    }

    /// A wait that is dropped takes nothing along.
    #[test]
    fn a_wait() {
        let group = ErrGroup::new();
        let (go_on, order) = gochan::chan::<()>(0);
        group.go_blocking(async move {
            _ = order.recv().await;
            Err("kept")
        });
        assert!(poll_once(pin!(group.wait())).is_pending());
        drop(go_on);
        while group.count() > 0 {
            std::thread::yield_now();
        }
        drop(group.wait());
        assert_eq!(group.wait_blocking(), Err("kept"));
    }
}
