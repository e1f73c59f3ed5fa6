//! Facts that types and memory must keep: `Send`, `Sync` and `Unpin` of every public type, sizes, allocations per
//! operation, memory that is given back.

#![cfg(feature = "rt")]

mod common;

use common::alloc::{self, Counting};
use common::waker::{now, poll_once};
use common::watch;
use gochan::hook::{Events, Ready, Subscriber, subscribe};
use gochan::{chan, select, select_blocking, unbounded};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

#[global_allocator]
static COUNTING: Counting = Counting;

/// One test at a time, for some look at the memory of the whole process.
static ALONE: Mutex<()> = Mutex::new(());

fn alone(f: impl FnOnce() + Send + 'static) {
    watch(move || {
        let _guard = ALONE.lock().unwrap_or_else(|e| e.into_inner());
        f();
    });
}

mod auto_traits {
    use gochan::chan::*;
    use gochan::hook::{ObjId, Subscription};
    use gochan::task::{Builder, JoinError, JoinHandle};
    use gochan::time::*;
    use gochan::*;
    use static_assertions::{assert_impl_all, assert_not_impl_any};
    use std::cell::Cell;
    use std::panic::{RefUnwindSafe, UnwindSafe};
    use std::rc::Rc;
    use std::sync::MutexGuard;

    /// May move to another thread, may not be shared with one: what a channel has to cope with.
    type Mover = Cell<u8>;
    /// Bound to its thread.
    type Local = Rc<u8>;
    /// May be shared, may not move.
    type Stay = MutexGuard<'static, u8>;

    // Handles need that values may move, and only that.
    assert_impl_all!(Sender<Mover>: Send, Sync, Unpin, Clone, UnwindSafe, RefUnwindSafe);
    assert_impl_all!(Receiver<Mover>: Send, Sync, Unpin, Clone, UnwindSafe, RefUnwindSafe);
    assert_impl_all!(WeakSender<Mover>: Send, Sync, Unpin, Clone);
    assert_impl_all!(WeakReceiver<Mover>: Send, Sync, Unpin, Clone);
    assert_not_impl_any!(Sender<Local>: Send, Sync);
    assert_not_impl_any!(Receiver<Local>: Send, Sync);
    assert_not_impl_any!(WeakSender<Local>: Send, Sync);
    assert_not_impl_any!(WeakReceiver<Local>: Send, Sync);
    assert_not_impl_any!(Sender<Stay>: Send, Sync);
    assert_not_impl_any!(Receiver<Stay>: Send, Sync);

    // Operations in progress: pinned, with their values.
    assert_impl_all!(SendFuture<'static, Mover>: Send);
    assert_impl_all!(RecvFuture<'static, Mover>: Send);
    assert_impl_all!(ReserveFuture<'static, Mover>: Send);
    assert_impl_all!(ClosedFuture<'static, Mover>: Send);
    assert_impl_all!(RecvManyFuture<'static, Mover>: Send);
    assert_impl_all!(RecvStream<'static, Mover>: Send);
    assert_not_impl_any!(SendFuture<'static, Local>: Send, Sync, Unpin);
    assert_not_impl_any!(RecvFuture<'static, Local>: Send, Sync, Unpin);
    assert_not_impl_any!(ReserveFuture<'static, Local>: Send, Sync, Unpin);
    assert_not_impl_any!(ClosedFuture<'static, Local>: Send, Sync, Unpin);
    assert_not_impl_any!(RecvManyFuture<'static, Local>: Send, Sync, Unpin);
    assert_not_impl_any!(RecvStream<'static, Local>: Send, Sync);
    assert_not_impl_any!(SendFuture<'static, Stay>: Send, Sync);
    assert_not_impl_any!(RecvFuture<'static, Stay>: Send, Sync);
    // Nobody may look at a `Cell` in an operation from two threads.
    assert_not_impl_any!(SendFuture<'static, Mover>: Unpin);
    assert_not_impl_any!(RecvFuture<'static, u8>: Unpin);

    assert_impl_all!(Permit<'static, Mover>: Send, Unpin);
    assert_not_impl_any!(Permit<'static, Local>: Send, Sync);
    assert_impl_all!(Iter<'static, Mover>: Send, Unpin);
    assert_impl_all!(IntoIter<Mover>: Send, Unpin);
    assert_impl_all!(Drain<'static, Mover>: Send, Unpin);
    assert_impl_all!(TryIter<'static, Mover>: Send, Unpin);
    assert_not_impl_any!(Iter<'static, Local>: Send, Sync);
    assert_not_impl_any!(IntoIter<Local>: Send, Sync);
    assert_not_impl_any!(Drain<'static, Local>: Send, Sync);
    assert_not_impl_any!(TryIter<'static, Local>: Send, Sync);

    // Errors are values with their value.
    assert_impl_all!(SendError<u8>: Send, Sync, Unpin, Copy, Eq, std::error::Error);
    assert_impl_all!(TrySendError<u8>: Send, Sync, Unpin, Copy, Eq, std::error::Error);
    assert_impl_all!(SendTimeoutError<u8>: Send, Sync, Unpin, Copy, Eq, std::error::Error);
    assert_impl_all!(RecvError: Send, Sync, Unpin, Copy, Eq, std::error::Error);
    assert_impl_all!(TryRecvError: Send, Sync, Unpin, Copy, Eq, std::error::Error);
    assert_impl_all!(RecvTimeoutError: Send, Sync, Unpin, Copy, Eq, std::error::Error);
    assert_impl_all!(Elapsed: Send, Sync, Unpin, Copy, Eq, std::error::Error);
    assert_impl_all!(JoinError: Send, Sync, Unpin, std::error::Error);
    assert_not_impl_any!(SendError<Local>: Send, Sync);
    assert_not_impl_any!(TrySendError<Local>: Send, Sync);

    // An error is one also for a value that can do nothing at all.
    struct Plain;
    assert_impl_all!(SendError<Plain>: std::error::Error);
    assert_impl_all!(TrySendError<Plain>: std::error::Error);
    assert_impl_all!(SendTimeoutError<Plain>: std::error::Error);

    // Tasks: a handle needs that the result may move.
    assert_impl_all!(JoinHandle<Mover>: Send, Sync, Unpin);
    assert_not_impl_any!(JoinHandle<Local>: Send, Sync);
    assert_impl_all!(Runtime: Send, Sync);
    assert_impl_all!(Builder: Send);
    assert_impl_all!(ObjId: Send, Sync, Copy, Eq, std::hash::Hash);
    assert_impl_all!(Subscription: Send, Sync);

    // Locks: a mutex needs that its value may move, and only that; a guard is as good as a reference to it.
    mod locks {
        use super::{Local, Mover, Stay};
        use gochan::sync::cond::*;
        use gochan::sync::mutex::*;
        use static_assertions::{assert_impl_all, assert_not_impl_any};
        use std::panic::{RefUnwindSafe, UnwindSafe};

        assert_impl_all!(Mutex<Mover>: Send, Sync, Unpin, UnwindSafe, RefUnwindSafe);
        assert_not_impl_any!(Mutex<Local>: Send, Sync);
        assert_not_impl_any!(Mutex<Stay>: Send, Sync);
        assert_impl_all!(MutexGuard<'static, Mover>: Send, Unpin);
        assert_impl_all!(MutexGuard<'static, u8>: Send, Sync, Unpin);
        assert_not_impl_any!(MutexGuard<'static, Mover>: Sync);
        assert_not_impl_any!(MutexGuard<'static, Local>: Send, Sync);
        assert_not_impl_any!(MutexGuard<'static, Stay>: Send);
        assert_impl_all!(MappedMutexGuard<'static, Mover>: Send, Unpin);
        assert_impl_all!(MappedMutexGuard<'static, u8>: Send, Sync, Unpin);
        assert_not_impl_any!(MappedMutexGuard<'static, Mover>: Sync);
        assert_not_impl_any!(MappedMutexGuard<'static, Local>: Send, Sync);
        assert_not_impl_any!(MappedMutexGuard<'static, Stay>: Send);
        assert_impl_all!(OwnedMutexGuard<Mover>: Send);
        assert_impl_all!(OwnedMutexGuard<u8>: Send, Sync);
        assert_not_impl_any!(OwnedMutexGuard<Mover>: Sync);
        assert_not_impl_any!(OwnedMutexGuard<Local>: Send, Sync);
        assert_not_impl_any!(OwnedMutexGuard<Stay>: Send);
        assert_impl_all!(Cond: Send, Sync, Unpin);
        assert_impl_all!(CondFuture<'static, Mover>: Send);
        assert_not_impl_any!(CondFuture<'static, Local>: Send, Sync, Unpin);
        assert_impl_all!(LockFuture<'static, Mover>: Send);
        assert_impl_all!(LockOwnedFuture<Mover>: Send);
        assert_not_impl_any!(LockFuture<'static, Local>: Send, Sync, Unpin);
        assert_not_impl_any!(LockOwnedFuture<Local>: Send, Sync, Unpin);
    }

    // Time.
    assert_impl_all!(Timer: Send, Sync, Unpin);
    assert_impl_all!(Ticker: Send, Sync, Unpin);
    assert_impl_all!(ChanStats: Send, Sync, Copy, Eq);

    /// Of futures without a name to write.
    #[test]
    fn of_futures() {
        fn send<T: Send>(_: &T) {}
        let d = std::time::Duration::from_secs(1);
        send(&sleep(d));
        send(&sleep_until(std::time::Instant::now()));
        send(&timeout(d, async {}));
        send(&yield_now());
        let timer = Timer::new(d);
        send(&timer.recv());
        let ticker = Ticker::new(d);
        send(&ticker.tick());
        let (tx, rx) = chan::<Mover>(0);
        send(&tx.send_timeout(Cell::new(1), d));
        send(&rx.recv_timeout(d));
        send(&tx.send_deadline(Cell::new(1), std::time::Instant::now()));
        send(&rx.recv_deadline(std::time::Instant::now()));
    }

    /// Everything public can be printed, also with values that cannot; and printing takes no lock it could wait for.
    #[test]
    fn debug() {
        struct Plain;
        let (tx, rx) = gochan::chan::<Plain>(1);
        let permit = tx.try_reserve().unwrap();
        let text = format!(
            "{tx:?} {rx:?} {:?} {:?} {:?} {:?} {:?} {:?} {permit:?}",
            tx.downgrade(),
            rx.downgrade(),
            tx.send(Plain),
            rx.recv(),
            tx.reserve(),
            tx.closed(),
        );
        assert!(text.contains("Sender") && text.contains("chan#"), "{text}");
        drop(permit);
        let (tx, rx) = (tx.named("orders"), rx);
        assert_eq!(rx.name().as_deref(), Some("orders"));
        assert!(format!("{tx:?}").contains("orders"));
        rx.close();
        let refused = tx.try_send(Plain).unwrap_err();
        assert_eq!(format!("{refused:?}"), "Closed(..)");
        assert_eq!(format!("{:?}", gochan::SendError(Plain)), "SendError(..)");
        for text in [
            gochan::SendError(Plain).to_string(),
            refused.to_string(),
            gochan::RecvError.to_string(),
            gochan::TryRecvError::Empty.to_string(),
            gochan::RecvTimeoutError::Timeout.to_string(),
        ] {
            assert!(
                text.starts_with(char::is_lowercase) && !text.ends_with('.'),
                "{text}"
            );
        }
    }
}

#[test]
fn sizes() {
    use gochan::*;
    let word = size_of::<usize>();
    assert_eq!(size_of::<Sender<[u64; 9]>>(), word);
    assert_eq!(size_of::<Receiver<[u64; 9]>>(), word);
    assert_eq!(size_of::<Option<Sender<u8>>>(), word);
    assert_eq!(size_of::<Option<Receiver<u8>>>(), word);
    assert_eq!(size_of::<WeakSender<u8>>(), word);
    assert_eq!(size_of::<WeakReceiver<u8>>(), word);
    assert_eq!(size_of::<Permit<'_, [u64; 9]>>(), word);
    assert_eq!(size_of::<SendError<[u64; 9]>>(), size_of::<[u64; 9]>());
    assert_eq!(size_of::<RecvError>(), 0);
    assert_eq!(size_of::<TryRecvError>(), 1);
    assert_eq!(size_of::<RecvTimeoutError>(), 1);
    assert_eq!(
        size_of::<JoinHandle<[u64; 9]>>(),
        size_of::<JoinHandle<u8>>()
    );
}

/// A task that waits for a channel: its cell, its place in the queue, its record and its share of every list, all in.
#[test]
fn parked_task() {
    alone(|| {
        const N: usize = 20_000;
        let rt = gochan::Runtime::builder().workers(2).build().unwrap();
        let (tx, rx) = chan::<u64>(0);
        let park = |n: usize| {
            let target = rx.stats().recv_waits + n as u64;
            for _ in 0..n {
                let rx = rx.clone();
                drop(rt.go(async move { _ = rx.recv().await }));
            }
            while rx.stats().recv_waits < target {
                std::thread::yield_now();
            }
        };
        // The first ones bring up the workers and the first chunk of everything.
        park(64);
        let before = alloc::held();
        park(N);
        let each = (alloc::held() - before) as f64 / N as f64;
        assert!(each <= 512.0, "a parked task takes {each:.0} bytes");
        tx.close();
        rt.shutdown();
    });
}

mod allocations {
    use super::*;

    /// Allocations of this thread in the second of two runs.
    fn after_warm_up(mut f: impl FnMut()) -> usize {
        f();
        let before = alloc::calls();
        f();
        alloc::calls() - before
    }

    const N: usize = 1_000;

    #[test]
    fn none_without_a_wait() {
        alone(|| {
            for cap in [1, 16] {
                let (tx, rx) = chan::<u64>(cap);
                let n = after_warm_up(|| {
                    for i in 0..N {
                        now(tx.send(i as u64)).unwrap();
                        now(rx.recv()).unwrap();
                        tx.try_send(1).unwrap();
                        rx.try_recv().unwrap();
                        now(tx.reserve()).unwrap().send(2).unwrap();
                        now(async {
                            select! { v = rx.recv() => v.unwrap(), default => 0 }
                        });
                        now(async {
                            select! { r = tx.send(1) => r.unwrap(), _ = rx.recv() => {} }
                        });
                        _ = rx.try_recv();
                    }
                });
                assert_eq!(n, 0, "capacity {cap}");
            }
        });
    }

    /// Waits, wakes, hand-overs, cancelled waits, selects that wait.
    #[test]
    fn none_with_a_wait() {
        alone(|| {
            for cap in [0, 1] {
                let (tx, rx) = chan::<u64>(cap);
                let (_keep, quiet) = chan::<u64>(0);
                let n = after_warm_up(|| {
                    for _ in 0..N {
                        {
                            let mut r = std::pin::pin!(rx.recv());
                            assert!(poll_once(r.as_mut()).is_pending());
                            tx.try_send(1).unwrap();
                            assert!(poll_once(r.as_mut()).is_ready());
                        }
                        {
                            let mut s = std::pin::pin!(async {
                                select! { v = rx.recv() => v, v = quiet.recv() => v }
                            });
                            assert!(poll_once(s.as_mut()).is_pending());
                            tx.try_send(1).unwrap();
                            assert!(poll_once(s.as_mut()).is_ready());
                        }
                        {
                            let mut r = std::pin::pin!(rx.recv());
                            assert!(poll_once(r.as_mut()).is_pending());
                        }
                        while tx.try_send(1).is_ok() {}
                        {
                            let mut s = std::pin::pin!(tx.send(2));
                            assert!(poll_once(s.as_mut()).is_pending());
                            rx.try_recv().unwrap();
                            assert!(poll_once(s.as_mut()).is_ready());
                        }
                        while rx.try_recv().is_ok() {}
                    }
                });
                assert_eq!(n, 0, "capacity {cap}");
            }
        });
    }

    /// Waits and wakes of which somebody is told.
    #[test]
    fn none_for_who_listens() {
        struct Told(AtomicUsize);
        impl Subscriber for Told {
            fn events(&self) -> Events {
                Events::PARK | Events::READY
            }
            fn on_ready(&self, _: &Ready) {
                self.0.fetch_add(1, Ordering::Relaxed);
            }
        }
        alone(|| {
            let told = Arc::new(Told(AtomicUsize::new(0)));
            let listening = subscribe(Arc::clone(&told));
            let (tx, rx) = chan::<u64>(0);
            let n = after_warm_up(|| {
                for _ in 0..N {
                    let mut r = std::pin::pin!(rx.recv());
                    assert!(poll_once(r.as_mut()).is_pending());
                    tx.try_send(1).unwrap();
                    assert!(poll_once(r.as_mut()).is_ready());
                }
            });
            drop(listening);
            assert_eq!(n, 0);
            assert_eq!(told.0.load(Ordering::Relaxed), 2 * N);
        });
    }

    /// A value that comes back to a channel of capacity 0, too, once the place for it is there.
    #[test]
    fn none_for_a_returned_value() {
        alone(|| {
            let (tx, rx) = chan::<u64>(0);
            let n = after_warm_up(|| {
                for _ in 0..N {
                    {
                        let mut r = std::pin::pin!(rx.recv());
                        assert!(poll_once(r.as_mut()).is_pending());
                        tx.try_send(1).unwrap();
                    }
                    rx.try_recv().unwrap();
                }
            });
            assert_eq!(n, 0);
        });
    }

    /// Two threads that block: neither allocates, whatever it waits in.
    #[test]
    fn none_on_threads() {
        alone(|| {
            let (tx, rx) = chan::<u64>(0);
            let (back, echo) = chan::<u64>(0);
            let other = std::thread::spawn(move || {
                let mut calls = 0;
                for i in 0..2 * N {
                    if i == N {
                        calls = alloc::calls();
                    }
                    let v = match i % 2 {
                        0 => rx.recv_blocking().unwrap(),
                        _ => {
                            select_blocking! { v = rx.recv() => v.unwrap(), _ = back.closed() => unreachable!() }
                        }
                    };
                    back.send_blocking(v).unwrap();
                }
                alloc::calls() - calls
            });
            let round = || {
                for i in 0..N {
                    tx.send_blocking(i as u64).unwrap();
                    assert_eq!(echo.recv_blocking(), Ok(i as u64));
                }
            };
            round();
            let before = alloc::calls();
            round();
            assert_eq!(alloc::calls() - before, 0);
            assert_eq!(other.join().unwrap(), 0);
        });
    }

    /// Tasks of a runtime: what the whole process does while two of them play ping-pong.
    #[test]
    fn none_between_tasks() {
        alone(|| {
            let rt = gochan::Runtime::builder().workers(2).build().unwrap();
            let counted = rt.block_on(async {
                let (tx, rx) = chan::<u64>(0);
                let (back, echo) = chan::<u64>(0);
                let pong = gochan::go(async move {
                    while let Ok(v) = rx.recv().await {
                        select! { r = back.send(v) => r.unwrap(), () = back.closed() => return }
                    }
                });
                let ping = gochan::go(async move {
                    let mut counted = 0;
                    for i in 0..20 * N {
                        if i == N {
                            counted = alloc::all_calls();
                        }
                        tx.send(i as u64).await.unwrap();
                        assert_eq!(echo.recv().await, Ok(i as u64));
                    }
                    alloc::all_calls() - counted
                });
                let counted = ping.await.unwrap();
                pong.await.unwrap();
                counted
            });
            rt.shutdown();
            // The harness's own threads may allocate now and then; 19,000 round trips do not.
            assert!(
                counted < 200,
                "{counted} allocations in {} round trips",
                19 * N
            );
        });
    }
}

mod given_back {
    use super::*;

    /// A burst in an unbounded channel costs memory only while it lasts.
    #[test]
    fn burst() {
        alone(|| {
            const N: usize = 300_000;
            let (tx, rx) = unbounded::<[u64; 4]>();
            tx.try_send([0; 4]).unwrap();
            rx.try_recv().unwrap();
            let before = alloc::bytes();
            for round in 0..3 {
                for i in 0..N {
                    tx.try_send([i as u64; 4]).unwrap();
                }
                assert!(alloc::bytes() - before >= (N * 32) as isize);
                match round {
                    0 => (0..N).for_each(|i| assert_eq!(rx.try_recv().unwrap()[0], i as u64)),
                    1 => assert_eq!(rx.drain().count(), N),
                    _ => {
                        let mut got = Vec::new();
                        while now(async {
                            select! { n = fut(rx.recv_many(&mut got, 1_000)) => n, default => 0 }
                        }) > 0
                        {
                            got.clear();
                        }
                    }
                }
                let left = alloc::bytes() - before;
                assert!(
                    left <= 64 << 10,
                    "{left} bytes are kept after round {round}"
                );
            }
        });
    }
    use gochan::fut;

    /// A burst of values that came back, and a burst of waiters, leave nothing either.
    #[test]
    fn waiters() {
        alone(|| {
            const N: usize = 10_000;
            let (tx, rx) = chan::<u64>(0);
            let turn = || {
                let mut waiting: Vec<_> = (0..N).map(|_| Box::pin(rx.recv())).collect();
                for r in &mut waiting {
                    assert!(poll_once(r.as_mut()).is_pending());
                }
                for i in 0..N {
                    tx.try_send(i as u64).unwrap();
                }
                drop(waiting);
                assert_eq!(rx.len(), N);
                assert!(rx.drain().eq(0..N as u64));
            };
            turn();
            let before = alloc::bytes();
            turn();
            assert!(alloc::bytes() - before <= 64, "each turn leaves something");
        });
    }

    /// Channels that come and go, with names, waits and values in them.
    #[test]
    fn channels() {
        alone(|| {
            let turn = || {
                for i in 0..2_000 {
                    let (tx, rx) = if i % 5 == 0 {
                        unbounded()
                    } else {
                        chan::<String>(i % 7)
                    };
                    let tx = tx.named("a name");
                    drop(poll_once(std::pin::pin!(tx.send(i.to_string()))));
                    drop(poll_once(std::pin::pin!(rx.recv())));
                    drop(tx.try_send("rest".into()));
                    drop(tx.downgrade());
                }
            };
            turn();
            let before = alloc::bytes();
            turn();
            let left = alloc::bytes() - before;
            assert!(
                left <= 4096,
                "{left} bytes are left behind by 2,000 channels"
            );
        });
    }

    /// Tasks that come and go, always as many at once: their cells are freed, their records used again.
    #[test]
    fn tasks() {
        alone(|| {
            const N: usize = 5_000;
            let rt = gochan::Runtime::builder().workers(2).build().unwrap();
            let turn = || {
                rt.block_on(async {
                    let (open, gate) = chan::<()>(0);
                    let all: Vec<_> = (0..N)
                        .map(|i| {
                            let gate = gate.clone();
                            gochan::go(async move {
                                gate.recv().await.unwrap_err();
                                i
                            })
                        })
                        .collect();
                    while gate.stats().recv_waits < N as u64 {
                        gochan::yield_now().await;
                    }
                    drop(open);
                    for (i, one) in all.into_iter().enumerate() {
                        assert_eq!(one.await.unwrap(), i);
                    }
                });
            };
            // Twice, for the lists of what is free grow with what is given back.
            turn();
            turn();
            let before = alloc::held();
            for _ in 0..4 {
                turn();
            }
            let left = alloc::held() - before;
            // Each thread keeps up to 64 free records: they may need one more chunk, of 192 KiB, and not one for each turn.
            assert!(
                left <= 256 << 10,
                "{left} bytes are left behind by {} tasks",
                4 * N
            );
            rt.shutdown();
        });
    }
}
