//! What Go's own context tests check, checked of this crate: one module for each function, named as in Go, its file above
//! the first of them. The behaviours are Go's, the code is not.
//!
//! Three of Go's have no body here. Two because the compiler does their work: a key that cannot be compared, and a context
//! made from none (TestWithValueChecksKey, TestInvalidDerivedFail); TestAllocs because it is in `context.rs`, where allocations
//! are counted. The first two are `compile_fail` examples in the docs of `with_value` and `Context`. Where Go tests a context type of the user's own, the twin
//! here is a user's type around a context.

#![cfg(feature = "rt")]

mod common;

use common::waker::{blocks, now};
use common::{Place, Rng, Tally, everywhere, watch};
use gochan::context::{Context, Key};
use gochan::{CancelHandle, ContextError, select, try_select};
use std::sync::Arc;
use std::time::{Duration, Instant};

const SHORT: Duration = Duration::from_millis(20);
const NEVER: Duration = Duration::from_secs(6 * 3600);

/// What Go's tests ask in passing: not ended, by either question, and nothing to receive.
#[track_caller]
fn assert_alive(ctx: &Context) {
    assert_eq!(ctx.err(), None, "{ctx}");
    assert!(ctx.cause().is_none(), "{ctx}");
    blocks(ctx.done());
}

#[track_caller]
fn assert_ended(ctx: &Context, error: ContextError) {
    assert_eq!(ctx.err(), Some(error), "{ctx}");
    assert_eq!(now(ctx.done()), error, "{ctx}");
    assert!(ctx.cause().is_some(), "{ctx}");
}

struct Key1;
struct Key2;
impl Key for Key1 {
    type Value = String;
}
impl Key for Key2 {
    type Value = String;
}

/// A context type of the user's own, as Go's `otherContext` and `customContext`: it is a context, and passes for one.
struct Other(Context);

impl std::ops::Deref for Other {
    type Target = Context;
    fn deref(&self) -> &Context {
        &self.0
    }
}

// src/context/x_test.go
mod background {
    use super::*;

    #[test]
    fn never_ends_and_says_its_name() {
        let ctx = Context::background();
        assert_alive(&ctx);
        assert_eq!(ctx.to_string(), "context.Background");
        assert_eq!(ctx.deadline(), None);
    }
}

mod todo {
    use super::*;

    #[test]
    fn never_ends_and_says_its_name() {
        let ctx = Context::todo();
        assert_alive(&ctx);
        assert_eq!(ctx.to_string(), "context.TODO");
    }
}

mod with_cancel {
    use super::*;

    async fn body(place: Place) {
        let (first, cancel) = Context::background().with_cancel();
        let other = Other(first.clone());
        let (second, _second) = other.with_cancel();
        let all = [first, other.0, second];
        let waiting: Vec<_> = all
            .iter()
            .map(|ctx| {
                assert_alive(ctx);
                let ctx = ctx.clone();
                place.go(async move { ctx.done().await })
            })
            .collect();
        cancel.cancel();
        for (ctx, waiting) in all.iter().zip(waiting) {
            assert_ended(ctx, ContextError::Canceled);
            assert_eq!(waiting.join().await, ContextError::Canceled);
        }
    }

    everywhere!(body);
}

/// Ends at its deadline, and not before.
async fn ends_at_its_deadline(ctx: Context, begin: Instant) {
    assert_eq!(ctx.done().await, ContextError::DeadlineExceeded);
    assert!(Instant::now() >= ctx.deadline().unwrap());
    assert!(ctx.deadline().unwrap() >= begin);
    assert_ended(&ctx, ContextError::DeadlineExceeded);
}

mod deadline {
    use super::*;

    async fn body(_: Place) {
        let begin = Instant::now();
        let (ctx, _cancel) = Context::background().with_deadline(begin + SHORT);
        ends_at_its_deadline(ctx, begin + SHORT).await;

        let (ctx, _cancel) = Context::background().with_deadline(begin + 2 * SHORT);
        let other = Other(ctx);
        ends_at_its_deadline(other.0.clone(), begin).await;

        // A later deadline below does not move it.
        let (ctx, _cancel) = other.with_deadline(begin + NEVER);
        assert_ended(&ctx, ContextError::DeadlineExceeded);
        let (above, _above) = Context::background().with_deadline(Instant::now() + SHORT);
        let (below, _below) = above.with_deadline(Instant::now() + NEVER);
        assert_eq!(below.deadline(), above.deadline());
        ends_at_its_deadline(below, begin).await;
    }

    everywhere!(body);

    #[test]
    fn that_has_passed_ends_at_once() {
        let past = Instant::now() - Duration::from_secs(1);
        for deadline in [past, Instant::now()] {
            let (ctx, cancel) = Context::background().with_deadline(deadline);
            assert_ended(&ctx, ContextError::DeadlineExceeded);
            cancel.cancel();
            assert_ended(&ctx, ContextError::DeadlineExceeded);
        }
        assert_eq!(
            std::io::Error::from(ContextError::DeadlineExceeded).kind(),
            std::io::ErrorKind::TimedOut
        );
    }
}

mod timeout {
    use super::*;

    async fn body(_: Place) {
        let begin = Instant::now();
        let (ctx, _cancel) = Context::background().with_timeout(SHORT);
        ends_at_its_deadline(ctx, begin + SHORT).await;
        let (ctx, _cancel) = Context::background().with_timeout(SHORT);
        let (below, _below) = Other(ctx).with_timeout(NEVER);
        ends_at_its_deadline(below, begin).await;
    }

    everywhere!(body);

    #[test]
    fn of_zero_and_of_ever() {
        let (ctx, _cancel) = Context::background().with_timeout(Duration::ZERO);
        assert_ended(&ctx, ContextError::DeadlineExceeded);
        let (ctx, cancel) = Context::background().with_timeout(Duration::MAX);
        assert_eq!(ctx.deadline(), None);
        assert_alive(&ctx);
        // 400 years: further than timers are kept, and nothing overflows.
        let (ctx2, cancel2) = ctx.with_timeout(Duration::from_secs(400 * 365 * 86_400));
        assert_alive(&ctx2);
        cancel2.cancel();
        assert_ended(&ctx2, ContextError::Canceled);
        cancel.cancel();
        assert_ended(&ctx, ContextError::Canceled);
    }
}

mod canceled_timeout {
    use super::*;

    async fn body(_: Place) {
        let (ctx, _cancel) = Context::background().with_timeout(NEVER);
        let (below, cancel) = Other(ctx.clone()).with_timeout(NEVER);
        cancel.cancel();
        assert_eq!(below.done().await, ContextError::Canceled);
        assert_ended(&below, ContextError::Canceled);
        assert_alive(&ctx);
    }

    everywhere!(body);
}

mod values {
    use super::*;

    #[track_caller]
    fn check(ctx: &Context, first: Option<&str>, second: Option<&str>) {
        assert_eq!(ctx.value::<Key1>().map(String::as_str), first);
        assert_eq!(ctx.value::<Key2>().map(String::as_str), second);
    }

    #[test]
    fn the_last_of_a_key_counts() {
        let c0 = Context::background();
        check(&c0, None, None);
        let c1 = c0.with_value::<Key1>("c1k1".into());
        check(&c1, Some("c1k1"), None);
        let c2 = c1.with_value::<Key2>("c2k2".into());
        check(&c2, Some("c1k1"), Some("c2k2"));
        let (c3, cancel) = c2.with_cancel();
        let c3 = c3.with_value::<Key1>("c3k1".into());
        check(&c3, Some("c3k1"), Some("c2k2"));
        check(&c2, Some("c1k1"), Some("c2k2"));
        cancel.cancel();
        check(&c3, Some("c3k1"), Some("c2k2"));
        let (c4, _c4) = Other(c3).with_timeout(NEVER);
        check(&c4, Some("c3k1"), Some("c2k2"));
    }

    /// Two keys of one type of value are two keys, and a value may be a reference count.
    #[test]
    fn keys_are_types() {
        struct Shared;
        impl Key for Shared {
            type Value = Arc<str>;
        }
        let text: Arc<str> = "text".into();
        let ctx = Context::background().with_value::<Shared>(text.clone());
        let (below, _below) = ctx.with_cancel();
        assert!(Arc::ptr_eq(below.value::<Shared>().unwrap(), &text));
        drop((ctx, below));
        assert_eq!(Arc::strong_count(&text), 1);
    }
}

mod simultaneous_cancels {
    use super::*;

    /// A tree of twenty levels, five nodes wide, every one of which is cancelled by somebody else at the same time.
    async fn body(place: Place) {
        let (root, cancel) = Context::background().with_cancel();
        let mut all: Vec<(Context, CancelHandle)> = vec![(root, cancel)];
        let mut level = 0..1;
        for _ in 0..20 {
            let begin = all.len();
            for above in level {
                for _ in 0..if level_is_wide(begin) { 1 } else { 5 } {
                    let child = all[above].0.with_cancel();
                    all.push(child);
                }
            }
            level = begin..all.len();
        }
        let all = Arc::new(all);
        let handles = all.iter().map(|(_, cancel)| cancel.clone());
        for cancel in handles.collect::<Vec<_>>() {
            if place.scale(1, 0) == 1 {
                place.go(async move { cancel.cancel() });
            } else {
                std::thread::spawn(move || cancel.cancel());
            }
        }
        for (ctx, _) in all.iter() {
            assert_eq!(ctx.done().await, ContextError::Canceled);
        }
    }

    fn level_is_wide(nodes: usize) -> bool {
        nodes > 25
    }

    everywhere!(body);
}

mod interlocked_cancels {
    use super::*;

    /// Each cancels when the other has: nobody waits for ever.
    async fn body(place: Place) {
        let (parent, cancel_parent) = Context::background().with_cancel();
        let (child, cancel_child) = parent.with_cancel();
        let above = place.go({
            let parent = parent.clone();
            async move {
                parent.done().await;
                cancel_child.cancel();
            }
        });
        let below = place.go(async move {
            cancel_parent.cancel();
            child.done().await
        });
        assert_eq!(below.join().await, ContextError::Canceled);
        above.join().await;
    }

    everywhere!(body);
}

/// Random layers of contexts with and without cancel, values and timeouts, as Go's `testLayers`.
async fn layers(seed: u64, timeout: bool) {
    const MIN: usize = 30;
    let mut rng = Rng::new(seed);
    let mut ctx = Context::background();
    let mut cancels: Vec<CancelHandle> = Vec::new();
    let mut last = (None, None);
    for layer in 0..MIN + rng.below(MIN) {
        match rng.below(4) {
            0 => {
                let (next, cancel) = ctx.with_cancel();
                ctx = next;
                cancels.push(cancel);
            }
            1 => {
                let (next, cancel) = ctx.with_timeout(NEVER);
                ctx = next;
                cancels.push(cancel);
            }
            2 => {
                ctx = ctx.with_value::<Key1>(layer.to_string());
                last.0 = Some(layer.to_string());
            }
            _ => {
                ctx = ctx.with_value::<Key2>(layer.to_string());
                last.1 = Some(layer.to_string());
            }
        }
        assert_alive(&ctx);
    }
    let (before, cancel) = ctx.with_timeout(if timeout { SHORT } else { NEVER });
    let check = || {
        assert_eq!(before.value::<Key1>(), last.0.as_ref(), "seed {seed}");
        assert_eq!(before.value::<Key2>(), last.1.as_ref(), "seed {seed}");
    };
    check();
    let error = if timeout {
        ContextError::DeadlineExceeded
    } else {
        assert_alive(&before);
        match cancels.len() {
            0 => cancel.cancel(),
            n => cancels[rng.below(n)].cancel(),
        }
        ContextError::Canceled
    };
    assert_eq!(before.done().await, error, "seed {seed}");
    assert_ended(&before, error);
    check();
}

mod layers_cancel {
    use super::*;

    async fn body(_: Place) {
        for seed in 0..30 {
            layers(seed, false).await;
        }
    }

    everywhere!(body);
}

mod layers_timeout {
    use super::*;

    async fn body(place: Place) {
        let all: Vec<_> = (0..10).map(|seed| place.go(layers(seed, true))).collect();
        for one in all {
            one.join().await;
        }
    }

    everywhere!(body);
}

mod with_cancel_canceled_parent {
    use super::*;

    #[test]
    fn is_born_ended() {
        let (parent, cancel) = Context::background().with_cancel_cause();
        cancel.cancel("parent went first");
        let (child, _child) = parent.with_cancel();
        let (limited, _limited) = parent.with_timeout(NEVER);
        let (below, _below) = child.with_cancel();
        for ctx in [child, limited, below] {
            assert_ended(&ctx, ContextError::Canceled);
            assert_eq!(ctx.cause().unwrap().to_string(), "parent went first");
        }
        assert_eq!(parent.child_count(), 0);
    }
}

mod with_cancel_simultaneously_canceled_parent {
    use super::*;

    async fn body(place: Place) {
        for _ in 0..100 {
            let (parent, cancel) = Context::background().with_cancel();
            let cancelling = place.go(async move { cancel.cancel() });
            let (child, _child) = parent.with_cancel();
            assert_eq!(child.done().await, ContextError::Canceled);
            cancelling.join().await;
        }
    }

    everywhere!(body);
}

mod cause {
    use super::*;

    const PARENT: &str = "parent cause";
    const CHILD: &str = "child cause";
    const TOO_SLOW: &str = "too slow";

    #[track_caller]
    fn check(ctx: &Context, error: Option<ContextError>, cause: Option<&str>) {
        assert_eq!(ctx.err(), error);
        assert_eq!(ctx.cause().map(|cause| cause.to_string()).as_deref(), cause);
    }

    const CANCELED: Option<ContextError> = Some(ContextError::Canceled);
    const EXCEEDED: Option<ContextError> = Some(ContextError::DeadlineExceeded);

    #[test]
    fn of_those_that_never_end() {
        check(&Context::background(), None, None);
        check(&Context::todo(), None, None);
    }

    #[test]
    fn with_cancel() {
        let (ctx, cancel) = Context::background().with_cancel();
        check(&ctx, None, None);
        cancel.cancel();
        check(&ctx, CANCELED, Some("context canceled"));
        let cause = ctx.cause().unwrap();
        assert_eq!(cause.downcast_ref(), Some(&ContextError::Canceled));
    }

    #[test]
    fn with_cancel_cause() {
        let (ctx, cancel) = Context::background().with_cancel_cause();
        check(&ctx, None, None);
        cancel.cancel(PARENT);
        cancel.cancel(CHILD);
        check(&ctx, CANCELED, Some(PARENT));
        let (ctx, cancel) = Context::background().with_cancel_cause();
        cancel.without_cause().cancel();
        check(&ctx, CANCELED, Some("context canceled"));
    }

    /// Whoever ended first says why, above and below.
    #[test]
    fn parent_and_child() {
        let (parent, cancel_parent) = Context::background().with_cancel_cause();
        let (child, cancel_child) = parent.with_cancel_cause();
        cancel_parent.cancel(PARENT);
        cancel_child.cancel(CHILD);
        check(&parent, CANCELED, Some(PARENT));
        check(&child, CANCELED, Some(PARENT));

        let (parent, cancel_parent) = Context::background().with_cancel_cause();
        let (child, cancel_child) = parent.with_cancel_cause();
        cancel_child.cancel(CHILD);
        cancel_parent.cancel(PARENT);
        check(&parent, CANCELED, Some(PARENT));
        check(&child, CANCELED, Some(CHILD));
    }

    /// The cause comes through layers that have none.
    #[test]
    fn through_values_and_plain_layers() {
        let (parent, cancel) = Context::background().with_cancel_cause();
        let (child, cancel_child) = parent.with_value::<Key1>("x".into()).with_cancel();
        let below = child.with_value::<Key2>("y".into());
        cancel.cancel(PARENT);
        cancel_child.cancel();
        check(&below, CANCELED, Some(PARENT));

        let (parent, cancel) = Context::background().with_cancel_cause();
        let (child, cancel_child) = parent.with_cancel();
        let (below, _below) = child.with_cancel_cause();
        cancel_child.cancel();
        cancel.cancel(PARENT);
        check(&child, CANCELED, Some("context canceled"));
        check(&below, CANCELED, Some("context canceled"));
    }

    #[test]
    fn with_timeout() {
        let (ctx, _cancel) = Context::background().with_timeout(Duration::ZERO);
        check(&ctx, EXCEEDED, Some("context deadline exceeded"));
        let (parent, _parent) = Context::background().with_timeout(NEVER);
        let (ctx, cancel) = parent.with_timeout(NEVER);
        cancel.cancel();
        check(&ctx, CANCELED, Some("context canceled"));
    }

    #[test]
    fn with_timeout_cause() {
        let (ctx, _cancel) = Context::background().with_timeout_cause(Duration::ZERO, TOO_SLOW);
        check(&ctx, EXCEEDED, Some(TOO_SLOW));
        let (ctx, _cancel) = Context::background().with_deadline_cause(Instant::now(), TOO_SLOW);
        check(&ctx, EXCEEDED, Some(TOO_SLOW));
        // The cause is the deadline's alone: a cancel has none.
        let (ctx, cancel) = Context::background().with_timeout_cause(NEVER, TOO_SLOW);
        cancel.cancel();
        check(&ctx, CANCELED, Some("context canceled"));
        // A deadline above that comes first has its own.
        let (parent, _p) = Context::background().with_timeout_cause(Duration::ZERO, PARENT);
        let (ctx, _cancel) = parent.with_timeout_cause(NEVER, TOO_SLOW);
        check(&ctx, EXCEEDED, Some(PARENT));
    }

    #[test]
    fn with_timeout_cause_that_goes_off() {
        watch(|| {
            let (ctx, _cancel) = Context::background().with_timeout_cause(SHORT, TOO_SLOW);
            let (below, _below) = ctx.with_cancel_cause();
            assert_eq!(below.done_blocking(), ContextError::DeadlineExceeded);
            check(&ctx, EXCEEDED, Some(TOO_SLOW));
            check(&below, EXCEEDED, Some(TOO_SLOW));
        });
    }

    #[test]
    fn without_cancel() {
        let (parent, cancel) = Context::background().with_cancel_cause();
        let free = parent.without_cancel();
        cancel.cancel(PARENT);
        check(&free, None, None);
        let (below, cancel) = free.with_cancel_cause();
        check(&below, None, None);
        cancel.cancel(CHILD);
        check(&below, CANCELED, Some(CHILD));
    }
}

mod cause_race {
    use super::*;

    /// Two cancel with a cause each: whoever sees the end sees one cause, and it stays.
    async fn body(place: Place) {
        for _ in 0..100 {
            let (ctx, cancel) = Context::background().with_cancel_cause();
            let other = cancel.clone();
            let one = place.go(async move { cancel.cancel("one") });
            let two = place.go(async move { other.cancel("two") });
            place.until(|| ctx.is_done()).await;
            let first = ctx.cause().unwrap().to_string();
            one.join().await;
            two.join().await;
            assert!(first == "one" || first == "two");
            assert_eq!(ctx.cause().unwrap().to_string(), first);
        }
    }

    everywhere!(body);
}

mod without_cancel {
    use super::*;

    #[test]
    fn keeps_the_values_alone() {
        let (ctx, cancel) = Context::background().with_timeout(NEVER);
        let ctx = ctx.with_value::<Key1>("value".into());
        let free = ctx.without_cancel();
        cancel.cancel();
        assert_ended(&ctx, ContextError::Canceled);
        assert_alive(&free);
        assert_eq!(free.deadline(), None);
        assert_eq!(free.value::<Key1>().unwrap(), "value");
        assert_eq!(free.to_string(), "context.Background");
        let (below, cancel) = free.with_cancel();
        cancel.cancel();
        assert_ended(&below, ContextError::Canceled);
    }
}

mod custom_context_propagation {
    use super::*;

    /// A context of a user's own type ends what is made from it.
    #[test]
    fn ends_below() {
        let (inner, cancel) = Context::background().with_cancel_cause();
        let custom = Other(inner.with_value::<Key1>("custom".into()));
        let (child, _child) = custom.with_cancel();
        let (below, _below) = Other(child).with_timeout(NEVER);
        assert_alive(&below);
        cancel.cancel("from outside");
        assert_ended(&below, ContextError::Canceled);
        assert_eq!(below.value::<Key1>().unwrap(), "custom");
    }
}

mod custom_context_cause {
    use super::*;

    #[test]
    fn comes_through() {
        let (inner, cancel) = Context::background().with_cancel_cause();
        let (child, _child) = Other(inner).with_cancel_cause();
        let child = Other(child);
        cancel.cancel("from outside");
        assert_eq!(child.cause().unwrap().to_string(), "from outside");
    }
}

mod custom_context_goroutines {
    use super::*;

    /// However many layers, and of whatever type: no context has a task of its own. (Go starts a goroutine for each context
    /// whose `Done` it does not know.)
    #[test]
    fn there_are_none() {
        watch(|| {
            // Of its own: nobody else's tasks are counted.
            let rt = gochan::Runtime::builder().workers(1).build().unwrap();
            rt.block_on(async {
                let before = gochan::num_tasks();
                let mut layers = vec![Context::background().with_cancel()];
                for _ in 0..100 {
                    let above = Other(layers.last().unwrap().0.clone());
                    layers.push(above.with_timeout(NEVER));
                }
                assert_eq!(gochan::num_tasks(), before);
                layers[0].1.cancel();
                assert!(layers.last().unwrap().0.is_done());
                assert_eq!(gochan::num_tasks(), before);
            });
        });
    }
}

mod after_func_called_after_cancel {
    use super::*;

    async fn body(_: Place) {
        let (ctx, cancel) = Context::background().with_cancel();
        let (tx, rx) = gochan::chan(1);
        let stop = ctx.after_func(move || tx.try_send(()).unwrap());
        blocks(rx.recv());
        cancel.cancel();
        rx.recv().await.unwrap();
        assert!(!stop.stop());
    }

    everywhere!(body);
}

mod after_func_called_after_timeout {
    use super::*;

    async fn body(_: Place) {
        let (ctx, _cancel) = Context::background().with_timeout(SHORT);
        let (tx, rx) = gochan::chan(1);
        let stop = ctx.after_func(move || tx.try_send(()).unwrap());
        rx.recv().await.unwrap();
        assert!(!stop.stop());
    }

    everywhere!(body);
}

mod after_func_called_immediately {
    use super::*;

    async fn body(_: Place) {
        let (ctx, cancel) = Context::background().with_cancel();
        cancel.cancel();
        let (tx, rx) = gochan::chan(1);
        let stop = ctx.after_func(move || tx.try_send(()).unwrap());
        rx.recv().await.unwrap();
        assert!(!stop.stop());
    }

    everywhere!(body);
}

mod after_func_not_called_after_stop {
    use super::*;

    async fn body(place: Place) {
        let (ctx, cancel) = Context::background().with_cancel();
        let (tx, rx) = gochan::chan::<()>(1);
        let stop = ctx.after_func(move || tx.try_send(()).unwrap());
        assert!(stop.stop());
        // The function is gone, and its sender with it.
        assert!(rx.recv().await.is_err());
        cancel.cancel();
        assert!(!stop.stop());
        place.pause().await;

        let (tx, rx) = gochan::chan::<()>(1);
        let stop = Context::background().after_func(move || tx.try_send(()).unwrap());
        assert!(stop.stop());
        assert!(!stop.stop());
        assert!(rx.recv().await.is_err());
    }

    everywhere!(body);
}

mod after_func_called_asynchronously {
    use super::*;

    /// The function runs in a task of its own: it may wait for what its canceller does next.
    async fn body(_: Place) {
        let (ctx, cancel) = Context::background().with_cancel();
        let (go_on, wait) = gochan::chan::<()>(0);
        let (tx, rx) = gochan::chan(1);
        let _stop = ctx.after_func(move || {
            gochan::blocking(|| wait.recv_blocking().unwrap());
            tx.try_send(()).unwrap();
        });
        cancel.cancel();
        go_on.send(()).await.unwrap();
        rx.recv().await.unwrap();
    }

    everywhere!(body);
}

mod context_err_done_race {
    use super::*;

    /// Whoever has seen the error finds `done` ready.
    async fn body(place: Place) {
        for _ in 0..100 {
            let (ctx, cancel) = Context::background().with_cancel();
            let cancelling = place.go(async move { cancel.cancel() });
            place.until(|| ctx.err().is_some()).await;
            assert_eq!(now(ctx.done()), ContextError::Canceled);
            let never = Context::background();
            assert!(try_select((ctx.done(), never.done())).is_some());
            cancelling.join().await;
        }
    }

    everywhere!(body);
}

// src/context/context_test.go
mod parent_finishes_child {
    use super::*;

    /// Cancelling a parent ends children of every sort, with and without values in between.
    #[test]
    fn at_once() {
        watch(|| {
            let (parent, cancel) = Context::background().with_cancel();
            let (cancel_child, stop) = parent.with_cancel();
            let value_child = parent.with_value::<Key1>("value".into());
            let (timer_child, stop_timer) = value_child.with_timeout(NEVER);
            let called = Tally::default();
            let (tx, rx) = gochan::chan::<()>(0);
            let _after = parent.after_func({
                let called = called.clone();
                move || {
                    called.add(1);
                    drop(tx);
                }
            });
            let all = [&parent, &cancel_child, &value_child, &timer_child];
            all.into_iter().for_each(assert_alive);
            assert_eq!(parent.child_count(), 2);
            assert_eq!(value_child.id(), parent.id());

            cancel.cancel();
            all.into_iter()
                .for_each(|ctx| assert_ended(ctx, ContextError::Canceled));
            assert_eq!(parent.child_count(), 0);
            stop.cancel();
            stop_timer.cancel();
            all.into_iter()
                .for_each(|ctx| assert_ended(ctx, ContextError::Canceled));
            assert!(rx.recv_blocking().is_err());
            assert_eq!(called.get(), 1);
            // What is made below now is born ended.
            let late = parent.with_value::<Key2>("late".into());
            assert_ended(&late, ContextError::Canceled);
            assert_ended(&parent.with_cancel().0, ContextError::Canceled);
        });
    }
}

mod child_finishes_first {
    use super::*;

    #[test]
    fn and_leaves_its_parent() {
        let (cancelable, _stop) = Context::background().with_cancel();
        for parent in [Context::background(), cancelable] {
            let (child, cancel) = parent.with_cancel();
            assert_alive(&child);
            assert_alive(&parent);
            assert_eq!(parent.child_count(), usize::from(!parent.id().is_none()));
            cancel.cancel();
            assert_eq!(parent.child_count(), 0);
            assert_ended(&child, ContextError::Canceled);
            assert_alive(&parent);
        }
    }
}

mod cancel_removes {
    use super::*;

    #[test]
    fn the_child_from_its_parent() {
        let (ctx, _cancel) = Context::background().with_cancel();
        let (child, cancel) = ctx.with_cancel();
        assert_eq!(ctx.child_count(), 1);
        cancel.cancel();
        assert_eq!(ctx.child_count(), 0);
        let (timed, cancel) = ctx.with_timeout(NEVER);
        assert_eq!(ctx.child_count(), 1);
        cancel.cancel();
        assert_eq!(ctx.child_count(), 0);
        drop((child, timed));
        // Dropping does the same, in any order.
        let mut children: Vec<_> = (0..3).map(|_| ctx.with_cancel()).collect();
        assert_eq!(ctx.child_count(), 3);
        children.remove(1);
        assert_eq!(ctx.child_count(), 2);
        children.remove(0);
        children.remove(0);
        assert_eq!(ctx.child_count(), 0);
    }
}

// src/context/afterfunc_test.go
mod custom_context_after_func {
    use super::*;

    /// Go lets a context type of the user's own serve those made from it by an `AfterFunc` method; the twin is a user's type
    /// that hands one context's end on to another.
    #[test]
    fn hands_the_end_on() {
        watch(|| {
            let (source, cancel_source) = Context::background().with_cancel_cause();
            let (custom, cancel) = Context::background().with_cancel_cause();
            let stop = source.after_func({
                let source = source.clone();
                move || cancel.cancel(source.cause().unwrap())
            });
            let (child, _child) = custom.with_cancel();
            cancel_source.cancel("from the source");
            assert_eq!(child.done_blocking(), ContextError::Canceled);
            assert_eq!(child.cause().unwrap().to_string(), "from the source");
            assert!(!stop.stop());
        });
    }
}

mod custom_context_after_func_no_cancel {
    use super::*;

    /// A source that never ends calls nobody.
    #[test]
    fn calls_nobody() {
        let (custom, cancel) = Context::background().with_cancel();
        let (source, _source) = Context::background().with_cancel();
        let stop = source.after_func(move || cancel.cancel());
        let (child, _child) = custom.with_cancel();
        assert_alive(&child);
        drop(source);
        assert!(stop.stop());
        assert_alive(&child);
    }
}

mod select_arm {
    use super::*;

    /// What every Go program does: a loop that works until its context has ended.
    async fn body(place: Place) {
        let (ctx, cancel) = Context::background().with_cancel();
        let (tx, rx) = gochan::chan(0);
        let worker = place.go(async move {
            let mut sum = 0;
            loop {
                select! {
                    n = rx.recv() => sum += n.unwrap(),
                    error = ctx.done() => return (sum, error),
                }
            }
        });
        for n in 1..=10 {
            tx.send(n).await.unwrap();
        }
        cancel.cancel();
        assert_eq!(worker.join().await, (55, ContextError::Canceled));
    }

    everywhere!(body);

    /// One future for many selects, and a context that never ends is Go's nil channel.
    #[test]
    fn lent_and_never() {
        watch(|| {
            gochan::block_on(async {
                let (ctx, cancel) = Context::background().with_cancel();
                let ever = Context::background();
                let (tx, rx) = gochan::chan(1);
                let mut done = ctx.done();
                let mut never = ever.done();
                for n in 0..3 {
                    tx.try_send(n).unwrap();
                    let got = select! {
                        v = rx.recv() => v.unwrap(),
                        _ = &mut done => unreachable!(),
                        _ = &mut never => unreachable!(),
                    };
                    assert_eq!(got, n);
                }
                cancel.cancel();
                assert_eq!(done.await, ContextError::Canceled);
                blocks(never);
            });
        });
    }
}
