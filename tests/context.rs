//! Contexts beyond what Go's tests ask: depth and width, poll by poll, strange wakers, panics, leaks, what is lost when an
//! operation's context ends, what dumps and errors say, sizes and allocations.

#![cfg(feature = "rt")]

mod common;

use common::alloc::{self, Counting};
use common::value::Mint;
use common::waker::{Hooked, blocks, counting, hooked, in_place, now, poll_once, poll_with};
use common::{Rng, Tally, watch};
use gochan::context::{Context, Key};
use gochan::diag::dump;
use gochan::hook::{Kind, WaitReason};
use gochan::sync::Barrier;
use gochan::time::Timer;
use gochan::{
    CancelHandle, ContextError, RecvContextError, Runtime, SendContextError, chan, go, select,
    sleep_ctx, task,
};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::task::Poll;
use std::thread;
use std::time::{Duration, Instant};

#[global_allocator]
static COUNTING: Counting = Counting;

const CANCELED: Option<ContextError> = Some(ContextError::Canceled);
const HOUR: Duration = Duration::from_secs(3600);

fn cancellable() -> (Context, CancelHandle) {
    Context::background().with_cancel()
}

mod depth {
    use super::*;

    const DEEP: usize = 1_000_000;

    /// On a stack that a recursion of a few hundred would overflow.
    fn on_a_small_stack(f: impl FnOnce() + Send + 'static) {
        let small = thread::Builder::new().stack_size(64 << 10);
        small.spawn(f).unwrap().join().unwrap();
    }

    #[test]
    fn a_million_below_each_other_end_and_go() {
        watch(|| {
            on_a_small_stack(|| {
                let (root, cancel) = cancellable();
                let mut last = root.clone();
                for _ in 0..DEEP {
                    last = last.with_cancel().0;
                }
                cancel.cancel();
                assert_eq!(last.err(), CANCELED);
                assert_eq!(last.cancellation().unwrap().context, root.id());
                drop(root);
                drop(last); // All of them, from the bottom.
                drop(cancel);
            });
        });
    }

    #[test]
    fn a_million_that_nobody_cancels_go() {
        watch(|| {
            on_a_small_stack(|| {
                let mut last = Context::background();
                for _ in 0..DEEP {
                    last = last.with_cancel().0;
                }
                drop(last);
            });
        });
    }

    #[test]
    fn a_million_values_go() {
        struct Depth;
        impl Key for Depth {
            type Value = usize;
        }
        watch(|| {
            on_a_small_stack(|| {
                let mut last = Context::background();
                for n in 0..DEEP {
                    last = last.with_value::<Depth>(n);
                }
                assert_eq!(last.value::<Depth>(), Some(&(DEEP - 1)));
                let (one, two) = (last.clone(), last);
                let other = thread::spawn(move || drop(one));
                drop(two);
                other.join().unwrap();
            });
        });
    }
}

mod width {
    use super::*;

    #[test]
    fn ten_thousand_children_come_go_and_end() {
        let (root, cancel) = cancellable();
        let mut rng = Rng::new(7);
        let mut children: Vec<_> = (0..10_000).map(|_| root.with_cancel().0).collect();
        assert_eq!(root.child_count(), 10_000);
        for left in (5_000..10_000).rev() {
            children.swap_remove(rng.below(left + 1));
            assert_eq!(root.child_count(), left);
        }
        let (counts, waker) = counting();
        let mut waiting: Vec<_> = children
            .iter()
            .map(|child| Box::pin(child.done()))
            .collect();
        for done in &mut waiting {
            assert!(poll_with(done.as_mut(), &waker).is_pending());
        }
        cancel.cancel();
        assert_eq!(counts.wakes(), 5_000);
        assert!(children.iter().all(|child| child.err() == CANCELED));
        assert_eq!(root.child_count(), 0);
        drop(waiting);
        drop(waker);
        assert_eq!(counts.alive(), 0, "no waker is kept");
    }

    /// Trees that are made, cancelled and dropped by several threads at once, from several places.
    #[test]
    fn trees_change_while_they_end() {
        watch(|| {
            for seed in 0..30 {
                let (root, cancel) = cancellable();
                let threads: Vec<_> = (0..4)
                    .map(|n| {
                        let root = root.clone();
                        thread::spawn(move || {
                            let mut rng = Rng::new(seed * 4 + n);
                            let mut all = vec![cancellable_below(&root)];
                            for _ in 0..500 {
                                let at = rng.below(all.len());
                                match rng.below(4) {
                                    0 | 1 => {
                                        let child = cancellable_below(&all[at].0);
                                        all.push(child);
                                    }
                                    2 => all[at].1.cancel(),
                                    _ if all.len() > 1 => drop(all.swap_remove(at)),
                                    _ => {}
                                }
                            }
                            all
                        })
                    })
                    .collect();
                thread::yield_now();
                cancel.cancel();
                for thread in threads {
                    let all = thread.join().unwrap();
                    assert!(all.iter().all(|(ctx, _)| ctx.err() == CANCELED));
                }
                assert_eq!(root.child_count(), 0);
            }
        });
    }

    /// Somebody else is at work below: whoever has cancelled a context finds all below it ended, or ends it.
    #[test]
    fn all_has_ended_when_a_cancel_returns() {
        watch(|| {
            for round in 0..20 {
                let (root, cancel_root) = cancellable();
                let (middle, cancel_middle) = root.with_cancel();
                let below: Vec<_> = (0..20_000).map(|_| middle.with_cancel().0).collect();
                let other = {
                    let cancel = cancel_middle.clone();
                    thread::spawn(move || cancel.cancel())
                };
                while !middle.is_done() {
                    std::hint::spin_loop();
                }
                match round % 2 {
                    0 => cancel_root.cancel(),
                    _ => cancel_middle.cancel(),
                }
                let alive = below.iter().rev().filter(|ctx| !ctx.is_done()).count();
                other.join().unwrap();
                assert_eq!(alive, 0);
            }
        });
    }

    fn cancellable_below(ctx: &Context) -> (Context, CancelHandle) {
        ctx.with_cancel()
    }
}

mod poll_by_poll {
    use super::*;

    #[test]
    fn the_end_wakes_once_and_stays() {
        let (ctx, cancel) = cancellable();
        let (counts, waker) = counting();
        let mut done = pin!(ctx.done());
        assert_eq!(counts.alive(), 1, "nothing happens before the first poll");
        assert!(poll_with(done.as_mut(), &waker).is_pending());
        assert_eq!(counts.alive(), 2);
        cancel.cancel();
        cancel.cancel();
        assert_eq!((counts.wakes(), counts.alive()), (1, 1));
        let end = poll_with(done, &waker);
        assert_eq!(end, Poll::Ready(ContextError::Canceled));
        assert_eq!(now(ctx.done()), ContextError::Canceled, "and again");
    }

    /// Polled again it keeps one waker, and only the newest is woken.
    #[test]
    fn a_poll_without_news() {
        let (ctx, cancel) = cancellable();
        let (first, w1) = counting();
        let (second, w2) = counting();
        let mut done = pin!(ctx.done());
        for _ in 0..100 {
            assert!(poll_with(done.as_mut(), &w1).is_pending());
        }
        assert_eq!(first.alive(), 2);
        assert!(poll_with(done.as_mut(), &w2).is_pending());
        assert_eq!(first.alive(), 1);
        cancel.cancel();
        assert_eq!((first.wakes(), second.wakes()), (0, 1));
    }

    /// Whoever is woken sees the whole subtree ended, in whatever order its contexts were made.
    #[test]
    fn who_is_woken_sees_all_ended() {
        let (root, cancel) = cancellable();
        let (child, _) = root.with_cancel();
        let (below, _) = child.with_cancel();
        let (sibling, _) = root.with_cancel();
        let all = Arc::new([root.clone(), child, below, sibling]);
        let seen = Tally::default();
        let waker = hooked(&Arc::new(Hooked {
            on_wake: Some(Box::new({
                let (all, seen) = (all.clone(), seen.clone());
                move || {
                    seen.add(all.iter().filter(|ctx| ctx.is_done()).count());
                }
            })),
            ..Hooked::default()
        }));
        let mut first = pin!(root.done());
        let mut last = pin!(all[2].done());
        assert!(poll_with(last.as_mut(), &waker).is_pending());
        assert!(poll_with(first.as_mut(), &waker).is_pending());
        cancel.cancel();
        assert_eq!(seen.get(), 8);
    }

    #[test]
    fn dropped_it_leaves_the_queue() {
        let (ctx, cancel) = cancellable();
        let (counts, waker) = counting();
        {
            let mut done = pin!(ctx.done());
            assert!(poll_with(done.as_mut(), &waker).is_pending());
        }
        assert_eq!(counts.alive(), 1);
        cancel.cancel();
        assert_eq!(counts.wakes(), 0);
    }

    #[test]
    fn run_polls_the_future_first() {
        let (ctx, cancel) = cancellable();
        let (counts, waker) = counting();
        let (tx, rx) = chan(1);
        let mut run = pin!(ctx.run(rx.recv()));
        assert!(poll_with(run.as_mut(), &waker).is_pending());
        tx.try_send(7).unwrap();
        cancel.cancel();
        assert_eq!(counts.wakes(), 2);
        assert_eq!(poll_with(run, &waker), Poll::Ready(Ok(Ok(7))));
        assert_eq!(now(ctx.run(async { 8 })), Ok(8), "also when it has ended");
        let never = ctx.run(std::future::pending::<()>());
        assert_eq!(now(never), Err(ContextError::Canceled));
    }
}

mod operations {
    use super::*;

    #[test]
    fn values_come_back() {
        let (ctx, cancel) = cancellable();
        let (tx, rx) = chan::<String>(1);
        assert_eq!(now(tx.send_ctx("a".into(), &ctx)), Ok(()));
        let mut send = pin!(tx.send_ctx("b".into(), &ctx));
        assert!(poll_once(send.as_mut()).is_pending());
        let mut reserve = pin!(tx.reserve_ctx(&ctx));
        assert!(poll_once(reserve.as_mut()).is_pending());
        cancel.cancel();
        let back = SendContextError::Canceled("b".to_string());
        assert_eq!(poll_once(send), Poll::Ready(Err(back)));
        let Poll::Ready(Err(back)) = poll_once(reserve) else {
            panic!("a permit out of nowhere");
        };
        assert_eq!(back.context(), CANCELED);
        assert_eq!(now(rx.recv_ctx(&ctx)).unwrap(), "a");
        assert_eq!(now(rx.recv_ctx(&ctx)), Err(RecvContextError::Canceled));
        rx.close();
        assert_eq!(now(rx.recv_ctx(&ctx)), Err(RecvContextError::Closed));
        assert!(now(tx.send_ctx("c".into(), &ctx)).unwrap_err().is_closed());
        let error = now(tx.send_ctx("d".into(), &ctx)).unwrap_err();
        assert_eq!(error.into_inner(), "d");
    }

    /// What a peer has handed over before the end counts, and if nobody looks it goes back.
    #[test]
    fn a_hand_over_before_the_end_counts() {
        let (ctx, cancel) = cancellable();
        let (tx, rx) = chan(0);
        let mut recv = Box::pin(rx.recv_ctx(&ctx));
        assert!(poll_once(recv.as_mut()).is_pending());
        tx.try_send(1).unwrap();
        cancel.cancel();
        assert_eq!(poll_once(recv.as_mut()), Poll::Ready(Ok(1)));

        let (ctx, cancel) = cancellable();
        let mut recv = Box::pin(rx.recv_ctx(&ctx));
        assert!(poll_once(recv.as_mut()).is_pending());
        tx.try_send(2).unwrap();
        cancel.cancel();
        drop(recv);
        assert_eq!(rx.try_recv(), Ok(2));
    }

    /// The last one comes to a barrier, and the context ends, in the middle of a poll: it has been counted.
    #[test]
    fn a_barrier_counts_whom_it_lets_go() {
        let barrier = Arc::new(Barrier::new(2));
        let (ctx, cancel) = cancellable();
        let armed = Arc::new(AtomicBool::new(false));
        let waker = hooked(&Arc::new(Hooked {
            on_drop: Some(Box::new({
                let (barrier, armed) = (barrier.clone(), armed.clone());
                move || {
                    if armed.swap(false, SeqCst) {
                        assert!(barrier.wait_blocking().is_leader());
                        cancel.cancel();
                    }
                }
            })),
            ..Hooked::default()
        }));
        let mut wait = pin!(barrier.wait_ctx(&ctx));
        assert!(poll_with(wait.as_mut(), &waker).is_pending());
        armed.store(true, SeqCst);
        let Poll::Ready(Ok(went)) = poll_once(wait.as_mut()) else {
            panic!("the other one has gone on with it");
        };
        assert!(!went.is_leader());
        assert_eq!(barrier.stats().generation, 1);
        // One who gives up is not counted.
        let mut gone = pin!(barrier.wait_ctx(&ctx));
        assert_eq!(
            poll_once(gone.as_mut()),
            Poll::Ready(Err(ContextError::Canceled))
        );
        assert_eq!(barrier.stats().waiting, 0);
    }

    #[test]
    fn every_one_of_them() {
        watch(|| {
            gochan::run(async {
                let (ctx, cancel) = cancellable();
                let (tx, rx) = chan::<u8>(0);
                let timer = Timer::new(HOUR);
                let ticker = gochan::time::Ticker::new(HOUR);
                let mut sleeper = go(std::future::pending::<()>());
                let mut got = Vec::new();
                go(async move { cancel.cancel() }).await.unwrap();
                let ended = Err(ContextError::Canceled);
                assert_eq!(sleep_ctx(HOUR, &ctx).await, ended);
                let late = Instant::now() + HOUR;
                assert_eq!(gochan::sleep_until_ctx(late, &ctx).await, ended);
                assert_eq!(timer.recv_ctx(&ctx).await.map(drop), ended);
                assert_eq!(ticker.tick_ctx(&ctx).await.map(drop), ended);
                assert_eq!(tx.closed_ctx(&ctx).await, ended);
                assert_eq!(rx.recv_many_ctx(&mut got, 3, &ctx).await.map(drop), ended);
                assert_eq!(sleeper.join_ctx(&ctx).await.map(drop), ended);
                sleeper.abort();
                assert!(
                    sleeper
                        .join_ctx(&Context::background())
                        .await
                        .unwrap()
                        .is_err()
                );
            });
        });
    }

    /// A wait for a signal leaves the queue at the end, the mutex stays unlocked, and its signal goes on.
    #[test]
    fn those_of_a_cond() {
        use gochan::sync::{Cond, Mutex};
        let (ctx, cancel) = cancellable();
        let (mutex, cond) = (Mutex::new(0), Cond::new());
        let mut signalled = pin!(cond.wait_ctx(now(mutex.lock()), &ctx));
        assert!(poll_once(signalled.as_mut()).is_pending());
        let mut waits = pin!(cond.wait_ctx(now(mutex.lock()), &ctx));
        assert!(poll_once(waits.as_mut()).is_pending());
        let mut next = pin!(cond.wait(now(mutex.lock())));
        assert!(poll_once(next.as_mut()).is_pending());
        cond.notify_one();
        let held = now(mutex.lock());
        assert!(
            poll_once(signalled.as_mut()).is_pending(),
            "the mutex is held"
        );
        cancel.cancel();
        let canceled = ContextError::Canceled;
        assert!(matches!(poll_once(waits), Poll::Ready(Err(error)) if error == canceled));
        assert_eq!(cond.waiters(), 1);
        assert!(matches!(poll_once(signalled), Poll::Ready(Err(error)) if error == canceled));
        assert_eq!(cond.waiters(), 0, "the signal has gone on");
        drop(held);
        drop(now(next));
        let ended = now(cond.wait_while_ctx(now(mutex.lock()), |n| *n == 0, &ctx));
        assert_eq!(ended.map(drop), Err(canceled));
        let at_once = now(cond.wait_while_ctx(now(mutex.lock()), |n| *n > 0, &ctx));
        assert_eq!(at_once.map(drop), Ok(()));
        assert!(!mutex.is_locked());
    }

    /// The locks and groups: withdrawn at the end, and whoever stands behind is served.
    #[test]
    fn those_of_sync() {
        use gochan::sync::{Barrier, Mutex, Once, OnceCell, RwMutex, Semaphore, WaitGroup};
        let (ctx, cancel) = cancellable();
        let (mutex, rw) = (Mutex::new(1), RwMutex::new(1));
        let (group, sema) = (WaitGroup::new(), Semaphore::new(1));
        let (cell, once, barrier) = (OnceCell::<u8>::new(), Once::new(), Barrier::new(2));
        let held = now(mutex.lock_ctx(&ctx)).unwrap();
        let permit = now(sema.acquire_ctx(&ctx)).unwrap();
        let read = now(rw.read_ctx(&ctx)).unwrap();
        let token = group.token();

        let mut lock = pin!(mutex.lock_ctx(&ctx));
        let mut write = pin!(rw.write_ctx(&ctx));
        let mut acquire = pin!(sema.acquire_many_ctx(1, &ctx));
        assert!(poll_once(lock.as_mut()).is_pending());
        assert!(poll_once(write.as_mut()).is_pending());
        assert!(poll_once(acquire.as_mut()).is_pending());
        cancel.cancel();
        let canceled = ContextError::Canceled;
        assert!(matches!(poll_once(lock), Poll::Ready(Err(error)) if error == canceled));
        assert!(matches!(poll_once(write), Poll::Ready(Err(error)) if error == canceled));
        assert!(matches!(poll_once(acquire), Poll::Ready(Err(error)) if error == canceled));
        assert_eq!(now(group.wait_ctx(&ctx)), Err(canceled));
        assert_eq!(now(barrier.wait_ctx(&ctx)).map(drop), Err(canceled));
        assert_eq!(now(cell.wait_ctx(&ctx)).map(drop), Err(canceled));
        assert_eq!(now(once.wait_ctx(&ctx)), Err(canceled));

        drop((held, permit, read, token));
        assert_eq!(*now(mutex.lock()), 1);
        assert_eq!(*now(rw.write()), 1);
        assert_eq!(now(group.wait_ctx(&ctx)), Ok(()), "tried once all the same");
        assert!(now(sema.acquire()).is_ok());
    }

    #[test]
    fn for_threads() {
        watch(|| {
            let (ctx, cancel) = cancellable();
            let (tx, rx) = chan::<u8>(0);
            let waiting = {
                let ctx = ctx.clone();
                thread::spawn(move || (rx.recv_ctx(&ctx).wait(), sleep_ctx(HOUR, &ctx).wait()))
            };
            tx.send_ctx(1, &ctx).wait().unwrap();
            cancel.cancel();
            let (got, slept) = waiting.join().unwrap();
            assert_eq!((got, slept), (Ok(1), Err(ContextError::Canceled)));
            assert!(tx.send_ctx(2, &ctx).wait().is_err());
        });
    }

    /// Senders and receivers whose contexts end all the time: each value is received once, or comes back.
    #[test]
    fn no_value_is_lost_or_doubled_at_an_end() {
        watch(|| {
            for cap in [0, 1, 3] {
                let mint = Mint::new();
                let rt = Runtime::builder().workers(2).build().unwrap();
                let (sent, received) = (Tally::default(), Tally::default());
                let (tx, rx) = chan(cap);
                let tasks: Vec<_> = (0..4)
                    .map(|n| {
                        let (tx, mint, sent) = (tx.clone(), mint.clone(), sent.clone());
                        rt.go(async move {
                            let mut rng = Rng::new(n + 1);
                            for _ in 0..1_000 {
                                let ctx = soon_ended(&mut rng);
                                match tx.send_ctx(mint.make(), &ctx).await {
                                    Ok(()) => drop(sent.add(1)),
                                    Err(error) => assert!(!error.is_closed()),
                                }
                            }
                        })
                    })
                    .collect();
                drop(tx);
                let receivers: Vec<_> = (0..4)
                    .map(|n| {
                        let (rx, received) = (rx.clone(), received.clone());
                        rt.go(async move {
                            let mut rng = Rng::new(100 + n);
                            loop {
                                let ctx = soon_ended(&mut rng);
                                match rx.recv_ctx(&ctx).await {
                                    Ok(_) => drop(received.add(1)),
                                    Err(RecvContextError::Closed) => return,
                                    Err(_) => gochan::yield_now().await,
                                }
                            }
                        })
                    })
                    .collect();
                for task in tasks.into_iter().chain(receivers) {
                    task.wait().unwrap();
                }
                assert_eq!(sent.get(), received.get());
            }
        });
    }

    /// A context that ends in a moment, or after some turns of somebody else.
    fn soon_ended(rng: &mut Rng) -> Context {
        let (ctx, cancel) = cancellable();
        match rng.below(3) {
            0 => cancel.cancel(),
            1 => drop(go(async move { cancel.cancel() })),
            _ => {
                return ctx
                    .with_timeout(Duration::from_micros(rng.below(50) as u64))
                    .0;
            }
        }
        ctx
    }
}

mod strange_wakers {
    use super::*;

    /// Whatever a waker does to the tree when it is woken, cloned or dropped.
    #[test]
    fn change_the_tree() {
        watch(|| {
            for misdeed in 0..5 {
                for event in 0..3 {
                    play(misdeed, event);
                }
            }
        });
    }

    fn play(misdeed: usize, event: usize) {
        let (root, cancel) = cancellable();
        let (child, cancel_child) = root.with_cancel();
        let others: Vec<_> = (0..3).map(|_| root.with_cancel()).collect();
        let kept = std::sync::Mutex::new(Some(others));
        let act: common::waker::Action = Box::new({
            let (root, child) = (root.clone(), child.clone());
            move || match misdeed {
                0 => drop(root.with_cancel().0.with_cancel()),
                1 => cancel_child.cancel(),
                2 => drop(kept.lock().unwrap().take()),
                3 => blocks_or_not(&root),
                _ => {
                    // A thread that needs every lock of the tree.
                    let (root, child) = (root.clone(), child.clone());
                    let other = thread::spawn(move || root.child_count() + child.child_count());
                    other.join().unwrap();
                }
            }
        });
        let mut hook = Hooked::default();
        match event {
            0 => hook.on_wake = Some(act),
            1 => hook.on_clone = Some(act),
            _ => hook.on_drop = Some(act),
        }
        let waker = hooked(&Arc::new(hook));
        let (counts, plain) = counting();
        {
            let mut at_root = pin!(root.done());
            let mut at_child = pin!(child.done());
            let mut quiet = pin!(child.done());
            let _ = poll_with(at_root.as_mut(), &waker);
            let waits = poll_with(at_child.as_mut(), &waker).is_pending();
            let parked = poll_with(quiet.as_mut(), &plain).is_pending();
            if waits {
                let _ = poll_with(at_child.as_mut(), &plain);
            }
            cancel.cancel();
            assert_eq!(root.err(), CANCELED);
            assert_eq!(child.err(), CANCELED);
            if parked {
                assert!(counts.wakes() >= 1);
            }
        }
        assert_eq!(root.child_count(), 0);
    }

    /// Two wakers one after the other at the same place, which only their clones tell apart.
    #[test]
    fn whose_clone_is_another_one() {
        let (ctx, cancel) = cancellable();
        let mut done = pin!(ctx.done());
        let (first, second) = (Arc::new(Hooked::default()), Arc::new(Hooked::default()));
        let mut place = Arc::clone(&first);
        assert!(in_place(&place, |waker| poll_with(done.as_mut(), waker)).is_pending());
        place.clone_from(&second);
        assert!(in_place(&place, |waker| poll_with(done.as_mut(), waker)).is_pending());
        cancel.cancel();
        assert_eq!((first.wakes(), second.wakes()), (0, 1));
    }

    /// The drop of the waker that was queued panics: the next poll queues its own all the same.
    #[test]
    fn whose_drop_panics() {
        let (ctx, cancel) = cancellable();
        let mut done = pin!(ctx.done());
        let armed = Arc::new(AtomicBool::new(false));
        let first = Arc::new(Hooked {
            on_drop: Some(Box::new({
                let armed = armed.clone();
                move || assert!(!armed.swap(false, SeqCst), "dropped")
            })),
            ..Hooked::default()
        });
        let waker = hooked(&first);
        assert!(poll_with(done.as_mut(), &waker).is_pending());
        armed.store(true, SeqCst);
        let (second, other) = counting();
        let poll = std::panic::AssertUnwindSafe(|| poll_with(done.as_mut(), &other));
        assert!(std::panic::catch_unwind(poll).is_err());
        assert!(poll_with(done.as_mut(), &waker).is_pending());
        cancel.cancel();
        assert_eq!((first.wakes(), second.wakes()), (1, 0));
    }

    fn blocks_or_not(ctx: &Context) {
        let _ = poll_once(pin!(ctx.done()));
    }

    #[test]
    fn that_panic_keep_nobody_from_being_woken() {
        let (root, cancel) = cancellable();
        let children: Vec<_> = (0..10).map(|_| root.with_cancel().0).collect();
        let panicking = hooked(&Arc::new(Hooked {
            on_wake: Some(Box::new(|| panic!("woken"))),
            ..Hooked::default()
        }));
        let (counts, waker) = counting();
        let mut waiting: Vec<_> = children
            .iter()
            .map(|child| Box::pin(child.done()))
            .collect();
        for (n, done) in waiting.iter_mut().enumerate() {
            let waker = if n % 2 == 0 { &panicking } else { &waker };
            assert!(poll_with(done.as_mut(), waker).is_pending());
        }
        cancel.cancel();
        assert_eq!(counts.wakes(), 5);
        assert!(
            waiting
                .into_iter()
                .all(|done| now(done) == ContextError::Canceled)
        );
    }
}

mod panics_and_leaks {
    use super::*;

    #[test]
    fn a_function_that_panics_takes_nobody_along() {
        watch(|| {
            gochan::run(async {
                let (ctx, cancel) = cancellable();
                let (tx, rx) = chan(4);
                for n in 0..4 {
                    let tx = tx.clone();
                    let _stop = ctx.after_func(move || {
                        tx.try_send(n).unwrap();
                        if n % 2 == 0 {
                            panic!("function {n}");
                        }
                    });
                }
                cancel.cancel();
                let mut got = Vec::new();
                for _ in 0..4 {
                    got.push(rx.recv().await.unwrap());
                }
                got.sort_unstable();
                assert_eq!(got, [0, 1, 2, 3]);
            });
        });
    }

    /// The cause that a deadline would have had panics when it is dropped: the functions are called all the same.
    #[test]
    fn a_cause_that_panics_takes_no_function_along() {
        #[derive(Debug)]
        struct Bomb;
        impl std::fmt::Display for Bomb {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("bomb")
            }
        }
        impl std::error::Error for Bomb {}
        impl Drop for Bomb {
            fn drop(&mut self) {
                panic!("dropped");
            }
        }
        watch(|| {
            let (ctx, cancel) = Context::background().with_timeout_cause(HOUR, Bomb);
            let (tx, rx) = chan(1);
            let _stop = ctx.after_func(move || tx.try_send(1).unwrap());
            let cancelling = std::panic::AssertUnwindSafe(|| cancel.cancel());
            let _ = std::panic::catch_unwind(cancelling);
            assert_eq!(rx.recv_blocking(), Ok(1));
        });
    }

    /// A value, a cause and a function whose destructors use the tree and panic.
    #[test]
    fn destructors_that_panic() {
        struct Bomb(Context);
        impl Drop for Bomb {
            fn drop(&mut self) {
                assert!(!self.0.is_done());
                drop(self.0.with_cancel());
                if !thread::panicking() {
                    panic!("dropped");
                }
            }
        }
        struct Held;
        impl Key for Held {
            type Value = Bomb;
        }
        let (root, _cancel) = cancellable();
        let attempt = |f: &mut dyn FnMut()| {
            let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(f));
            assert!(outcome.is_err());
        };
        attempt(&mut || drop(root.with_value::<Held>(Bomb(root.clone()))));
        attempt(&mut || {
            let (child, _) = root.with_cancel();
            let bomb = Bomb(root.clone());
            let _stop = child.after_func(move || drop(bomb));
        });
        assert_eq!(root.child_count(), 0);
        let (child, cancel) = root.with_cancel();
        cancel.cancel();
        assert_eq!(child.err(), CANCELED);
    }

    /// Leaked, they hold nobody up.
    #[test]
    fn forgotten_waits_handles_and_guards() {
        let (root, cancel) = cancellable();
        let (child, child_handle) = root.with_cancel();
        let (counts, waker) = counting();
        let child: &'static Context = Box::leak(Box::new(child));
        let mut done = Box::pin(child.done());
        assert!(poll_with(done.as_mut(), &waker).is_pending());
        std::mem::forget(done);
        std::mem::forget(child_handle.drop_guard());
        cancel.cancel();
        assert_eq!(counts.wakes(), 1);
        assert_eq!(child.err(), CANCELED);
    }

    #[test]
    fn a_guard_cancels_and_a_disarmed_one_does_not() {
        let (ctx, cancel) = cancellable();
        let cancel = cancel.drop_guard().disarm();
        assert_eq!(ctx.err(), None);
        drop(cancel.drop_guard());
        let line = line!() - 1;
        assert_eq!(ctx.err(), CANCELED);
        assert_eq!(ctx.cancellation().unwrap().site.line(), line);
        // Dropping a handle cancels nothing.
        let (ctx, cancel) = cancellable();
        drop(cancel);
        assert_eq!(ctx.err(), None);
        blocks(ctx.done());
    }
}

mod time {
    use super::*;

    /// A deadline set in a runtime that ends before it.
    #[test]
    fn a_deadline_outlives_its_runtime() {
        watch(|| {
            let rt = Runtime::builder().workers(1).build().unwrap();
            let short = Duration::from_millis(30);
            let (ctx, _cancel) =
                rt.block_on(async move { Context::background().with_timeout(short) });
            rt.shutdown();
            assert_eq!(ctx.done_blocking(), ContextError::DeadlineExceeded);
        });
    }

    /// Cancelled, dropped and let run out, at about the same time.
    #[test]
    fn deadlines_race_with_cancels_and_drops() {
        watch(|| {
            let rt = Runtime::builder().workers(2).build().unwrap();
            rt.block_on(async {
                for round in 0..500u64 {
                    let (ctx, cancel) =
                        Context::background().with_timeout(Duration::from_micros(round % 40));
                    let (below, _) = ctx.with_cancel();
                    let canceller = go(async move {
                        if round % 3 > 0 {
                            cancel.cancel();
                        }
                    });
                    drop(ctx);
                    if round % 2 == 0 {
                        let error = below.done().await;
                        assert!(round % 3 > 0 || error == ContextError::DeadlineExceeded);
                    }
                    drop(below);
                    canceller.await.unwrap();
                }
            });
        });
    }
}

mod told {
    use super::*;

    /// Which line, which task, and which context.
    #[test]
    fn who_ended_it_and_where() {
        watch(|| {
            gochan::run(async {
                let (root, cancel) = cancellable();
                let root = root.named("job");
                let (below, _) = root.with_cancel();
                let line = line!() + 1;
                let killer = go(async move { cancel.cancel() });
                let id = killer.id();
                killer.await.unwrap();
                let how = below.cancellation().unwrap();
                assert_eq!((how.context, how.task), (root.id(), Some(id)));
                assert_eq!((how.site.line(), how.site.file()), (line, file!()));
                let text = how.to_string();
                assert!(text.contains("context canceled; context#"), "{text}");
                assert!(text.contains("\"job\" at tests/context.rs:"), "{text}");
                assert!(text.contains(&format!("by {id}")), "{text}");

                let (ctx, _cancel) =
                    Context::background().with_timeout_cause(Duration::ZERO, "late");
                let how = ctx.cancellation().unwrap();
                assert_eq!(how.task, None);
                assert_eq!(how.site.line(), line!() - 3);
                assert!(
                    how.to_string()
                        .starts_with("context deadline exceeded: late; ")
                );
            });
        });
        let (ctx, cancel) = cancellable();
        cancel.cancel();
        assert_eq!(ctx.cancellation().unwrap().task, None, "by no task");
        assert_eq!(
            format!("{ctx:?}"),
            format!("Context({}, context canceled)", ctx.id())
        );
    }

    /// What the dump says of those who wait under a context.
    #[test]
    fn in_dumps() {
        watch(|| {
            let (ctx, cancel) = cancellable();
            let ctx = ctx.named("request");
            let id = ctx.id();
            assert_eq!(id.kind(), Kind::Context);
            let (_tx, rx) = chan::<u8>(0);
            let waits = {
                let ctx = ctx.clone();
                go(async move { ctx.done().await })
            };
            let runs = {
                let (ctx, rx) = (ctx.clone(), rx.clone());
                go(async move { rx.recv_ctx(&ctx).await.map(drop) })
            };
            let selects = go(async move {
                select! {
                    _ = rx.recv() => unreachable!(),
                    _ = ctx.done() => {}
                }
            });
            let seen = |id| loop {
                let wait = dump().task(id).and_then(|task| task.wait.clone());
                if let Some(wait) = wait {
                    return wait;
                }
                thread::yield_now();
            };
            let wait = seen(waits.id());
            assert_eq!(wait.reason, WaitReason::ContextDone);
            assert_eq!(wait.reason.as_str(), "context done");
            let object = wait.object.unwrap();
            assert_eq!((object.id, object.name.as_deref()), (id, Some("request")));
            assert_eq!(wait.site.unwrap().file(), file!());
            // The operation says more than the context beside it.
            assert_eq!(seen(runs.id()).reason, WaitReason::ChanRecv);
            let arms = seen(selects.id()).arms;
            assert_eq!(arms[1].reason, WaitReason::ContextDone);
            cancel.cancel();
            assert_eq!(waits.wait().unwrap(), ContextError::Canceled);
            assert_eq!(runs.wait().unwrap(), Err(RecvContextError::Canceled));
            selects.wait().unwrap();
        });
    }

    /// Under a context that never ends a wait is that of the operation, and of nobody else.
    #[test]
    fn in_dumps_under_the_background() {
        watch(|| {
            let (_tx, rx) = chan::<u8>(0);
            let (receives, sleeps) = (
                go(async move { rx.recv_ctx(&Context::background()).await.map(drop) }),
                go(async { sleep_ctx(HOUR, &Context::todo()).await }),
            );
            let seen = |id| loop {
                let dump = dump();
                let wait = dump.task(id).and_then(|task| task.wait.clone());
                if let Some(wait) = wait {
                    return wait.reason;
                }
                thread::yield_now();
            };
            assert_eq!(seen(receives.id()), WaitReason::ChanRecv);
            assert_eq!(seen(sleeps.id()), WaitReason::Sleep);
            receives.abort();
            sleeps.abort();
        });
    }

    /// A name goes with its context.
    #[test]
    fn names() {
        let (ctx, _cancel) = cancellable();
        let ctx = ctx.named("short-lived");
        let id = ctx.id();
        assert_eq!(ctx.to_string(), format!("{id} \"short-lived\""));
        drop((ctx, _cancel));
        assert_eq!(gochan::hook::name(id), None);
        let ever = Context::background().named("nobody waits for it");
        assert_eq!((ever.name(), ever.id().is_none()), (None, true));
        let task = task::Builder::new().name("t").go(async {});
        task.wait().unwrap();
    }
}

mod sizes {
    use super::*;
    use gochan::context::*;
    use static_assertions::{assert_impl_all, assert_not_impl_any};
    use std::panic::{RefUnwindSafe, UnwindSafe};

    assert_impl_all!(Context: Send, Sync, Unpin, Clone, UnwindSafe, RefUnwindSafe);
    assert_impl_all!(CancelHandle: Send, Sync, Unpin, Clone, UnwindSafe, RefUnwindSafe);
    assert_impl_all!(CancelCauseHandle: Send, Sync, Unpin, Clone, UnwindSafe, RefUnwindSafe);
    assert_impl_all!(DropGuard: Send, Sync, Unpin);
    assert_impl_all!(AfterFunc: Send, Sync, Unpin);
    assert_impl_all!(Cancellation: Send, Sync, Unpin, Clone);
    assert_impl_all!(ContextError: Send, Sync, Unpin, Copy, Eq, std::hash::Hash, std::error::Error);
    assert_impl_all!(SendContextError<u8>: Send, Sync, Unpin, Copy, Eq, std::error::Error);
    assert_impl_all!(RecvContextError: Send, Sync, Unpin, Copy, Eq, std::error::Error);
    assert_impl_all!(DoneFuture<'static>: Send);
    assert_not_impl_any!(DoneFuture<'static>: Unpin);
    assert_impl_all!(Run<'static, gochan::time::Sleep>: Send);

    #[test]
    fn of_handles() {
        let word = size_of::<usize>();
        assert_eq!(size_of::<Context>(), 3 * word);
        assert_eq!(size_of::<CancelHandle>(), word);
        assert_eq!(size_of::<ContextError>(), 1);
        assert_eq!(size_of::<RecvContextError>(), 1);
    }

    /// Go's own ceilings (TestAllocs): WithValue 3, WithCancel with cancel and Done 5, WithTimeout with cancel 8, with its
    /// expiry 12. What is freed by the end is counted as well.
    #[test]
    fn allocations() {
        struct Number;
        impl Key for Number {
            type Value = u64;
        }
        fn count(mut f: impl FnMut()) -> usize {
            f();
            let before = alloc::calls();
            (0..10).for_each(|_| f());
            (alloc::calls() - before) / 10
        }
        let (root, _cancel) = cancellable();
        assert_eq!(count(|| drop(root.clone())), 0);
        assert_eq!(count(|| drop(root.with_value::<Number>(1))), 2);
        assert_eq!(count(|| drop(root.with_cancel())), 1);
        let cancelled = count(|| {
            let (ctx, cancel) = root.with_cancel();
            blocks(ctx.done());
            cancel.cancel();
            assert_eq!(now(ctx.done()), ContextError::Canceled);
        });
        assert_eq!(cancelled, 1);
        let timed = count(|| {
            let (ctx, cancel) = root.with_timeout(HOUR);
            cancel.cancel();
            assert!(ctx.is_done());
        });
        assert!(timed <= 5, "{timed}");
        assert_eq!(root.child_count(), 0);
    }
}
