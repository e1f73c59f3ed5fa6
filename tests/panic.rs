//! Panics in code that is not ours: in `T::drop`, in the bodies and operands of a select, in tasks. What panicked comes
//! out where it should, and every other value is still dropped exactly once.

#![cfg(feature = "rt")]

mod common;

use common::value::{Coin, Mint};
use common::waker::{now, poll_once};
use common::watch;
use gochan::{Receiver, RecvError, Sender, chan, fut, select, select_blocking, unbounded};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use tokio_test::{assert_pending, assert_ready, assert_ready_ok, task};

/// A value whose drop panics if it is armed. The coin in it is dropped either way.
struct Bomb {
    coin: Coin,
    armed: bool,
}

impl Bomb {
    fn new(mint: &Mint, armed: bool) -> Bomb {
        Bomb {
            coin: mint.make(),
            armed,
        }
    }
}

impl std::fmt::Debug for Bomb {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.coin.fmt(f)
    }
}

impl Drop for Bomb {
    fn drop(&mut self) {
        if self.armed {
            // Without the hook's message: it is expected.
            resume_unwind(Box::new(Boom(self.coin.n())));
        }
    }
}

#[derive(Debug, PartialEq)]
struct Boom(usize);

/// The number of the bomb that went off in `f`.
#[track_caller]
fn boom<T>(f: impl FnOnce() -> T) -> usize {
    match catch_unwind(AssertUnwindSafe(f)) {
        Ok(_) => panic!("nothing went off"),
        Err(panic) => panic.downcast::<Boom>().expect("another panic").0,
    }
}

/// A channel with `n` values of which the `bad`-th is armed.
fn filled(cap: Option<usize>, n: usize, bad: usize) -> (Mint, Sender<Bomb>, Receiver<Bomb>) {
    let mint = Mint::new();
    let (tx, rx) = cap.map_or_else(unbounded, chan);
    for i in 0..n {
        tx.try_send(Bomb::new(&mint, i == bad)).ok().unwrap();
    }
    (mint, tx, rx)
}

mod in_drop {
    use super::*;

    #[test]
    fn of_the_channel() {
        for cap in [Some(5), Some(8), None] {
            for bad in 0..5 {
                for senders_first in [false, true] {
                    let (mint, tx, rx) = filled(cap, 5, bad);
                    let n = boom(|| {
                        if senders_first {
                            drop(tx);
                            drop(rx);
                        } else {
                            drop(rx);
                            drop(tx);
                        }
                    });
                    assert_eq!(n, bad);
                    mint.assert_all_dropped_once();
                }
            }
        }
    }

    /// A ring that has wrapped around.
    #[test]
    fn of_a_wrapped_buffer() {
        let (mint, tx, rx) = filled(Some(4), 4, usize::MAX);
        for _ in 0..3 {
            drop(rx.try_recv().ok().unwrap());
        }
        for i in 0..3 {
            tx.try_send(Bomb::new(&mint, i == 1)).ok().unwrap();
        }
        assert_eq!(boom(|| drop((tx, rx))), 5);
        mint.assert_all_dropped_once();
    }

    #[test]
    fn of_a_received_value() {
        let (mint, tx, rx) = filled(Some(3), 3, 1);
        drop(rx.try_recv());
        assert_eq!(boom(|| drop(rx.try_recv())), 1);
        tx.try_send(Bomb::new(&mint, false)).ok().unwrap();
        assert_eq!(rx.len(), 2);
        drop((tx, rx));
        mint.assert_all_dropped_once();
    }

    #[test]
    fn of_a_drain() {
        let (mint, tx, rx) = filled(Some(4), 4, 2);
        assert_eq!(boom(|| rx.drain().for_each(drop)), 2);
        drop((tx, rx));
        mint.assert_all_dropped_once();
    }

    /// Close itself drops nothing that is buffered, and whoever waits has its value back.
    #[test]
    fn at_close() {
        let (mint, tx, rx) = filled(Some(1), 1, 0);
        let mut waiting: Vec<_> = (0..3)
            .map(|i| Box::pin(tx.send(Bomb::new(&mint, i == 1))))
            .collect();
        for s in &mut waiting {
            assert!(poll_once(s.as_mut()).is_pending());
        }
        assert!(rx.close());
        assert_eq!(mint.live(), 4);
        // The second goes off when its future is dropped with the value still in it.
        let n = boom(|| waiting.into_iter().for_each(drop));
        assert_eq!(n, 2);
        assert_eq!(mint.live(), 1);
        assert_eq!(boom(|| drop(rx.try_recv())), 0);
        mint.assert_all_dropped_once();
    }

    #[test]
    fn of_a_dropped_send() {
        let (mint, tx, rx) = filled(Some(1), 1, usize::MAX);
        assert_eq!(boom(|| drop(tx.send(Bomb::new(&mint, true)))), 1);
        let mut parked = Box::pin(tx.send(Bomb::new(&mint, true)));
        assert!(poll_once(parked.as_mut()).is_pending());
        assert_eq!(boom(move || drop(parked)), 2);
        drop(rx.try_recv());
        assert!(rx.is_empty(), "no trace of the dropped ones");
        tx.try_send(Bomb::new(&mint, false)).ok().unwrap();
        drop((tx, rx));
        mint.assert_all_dropped_once();
    }

    #[test]
    fn of_a_losing_send_arm() {
        let mint = Mint::new();
        let (tx, rx) = chan::<Bomb>(0);
        let (ready, other) = chan::<u8>(2);
        ready.try_send(1).unwrap();
        let n = boom(|| {
            now(async {
                select! {
                    _ = tx.send(Bomb::new(&mint, true)) => {}
                    v = other.recv() => assert_eq!(v, Ok(1)),
                }
            })
        });
        assert_eq!(n, 0);
        // The same when it had to wait first.
        let mut s = task::spawn(async {
            select! {
                _ = tx.send(Bomb::new(&mint, true)) => {}
                v = other.recv() => assert_eq!(v, Ok(2)),
                _ = tx.send(Bomb::new(&mint, false)) => {}
            }
        });
        assert_pending!(s.poll());
        ready.try_send(2).unwrap();
        assert_eq!(boom(|| _ = s.poll()), 1);
        drop(s);
        mint.assert_all_dropped_once();
        // Both channels are as they were.
        let mut r = task::spawn(rx.recv());
        assert_pending!(r.poll());
        tx.try_send(Bomb::new(&mint, false)).ok().unwrap();
        drop(assert_ready_ok!(r.poll()));
        let mut r = task::spawn(other.recv());
        assert_pending!(r.poll());
        ready.try_send(3).unwrap();
        assert_eq!(assert_ready!(r.poll()), Ok(3));
        drop(r);
        mint.assert_all_dropped_once();
    }

    #[test]
    fn of_a_losing_arm_of_a_thread() {
        watch(|| {
            let mint = Mint::new();
            let (tx, _rx) = chan::<Bomb>(0);
            let (ready, other) = chan::<u8>(1);
            ready.try_send(1).unwrap();
            let n = boom(|| {
                select_blocking! {
                    _ = tx.send(Bomb::new(&mint, true)) => {}
                    v = other.recv() => assert_eq!(v, Ok(1)),
                }
            });
            assert_eq!(n, 0);
            mint.assert_all_dropped_once();
        });
    }

    /// A value that was given to a future nobody polls again, with nobody left to take it.
    #[test]
    fn of_a_given_value() {
        for cap in [0, 2] {
            let (mint, tx, rx) = filled(Some(cap), 0, 0);
            let mut r = Box::pin(rx.recv());
            assert!(poll_once(r.as_mut()).is_pending());
            tx.try_send(Bomb::new(&mint, true)).ok().unwrap();
            drop(r);
            assert_eq!(mint.live(), 1, "it went back");
            assert_eq!(boom(|| drop((rx, tx))), 0);
            mint.assert_all_dropped_once();
        }
    }

    #[test]
    fn of_many() {
        let (mint, tx, rx) = filled(Some(4), 4, 2);
        let mut got = Vec::new();
        assert_eq!(now(rx.recv_many(&mut got, 10)), 4);
        assert_eq!(boom(|| drop(got)), 2);
        drop((tx, rx));
        mint.assert_all_dropped_once();
    }
}

mod in_select {
    use super::*;

    /// A panic in a body: the arm has had its effect, the others none.
    #[test]
    fn body() {
        let mint = Mint::new();
        let (tx, rx) = chan::<Bomb>(1);
        let (other_tx, other) = chan::<u8>(1);
        other_tx.try_send(1).unwrap();
        let n = boom(|| {
            now(async {
                select! {
                    _ = rx.recv() => {}
                    v = other.recv() => resume_unwind(Box::new(Boom(v.unwrap().into()))),
                }
            })
        });
        assert_eq!(n, 1);
        assert!(other.is_empty());
        tx.try_send(Bomb::new(&mint, false)).ok().unwrap();
        assert_eq!(rx.len(), 1, "no receive was left behind");
        drop((tx, rx));
        mint.assert_all_dropped_once();
    }

    /// A panic in an operand: those evaluated before it are dropped, those after it never were.
    #[test]
    fn operand() {
        let mint = Mint::new();
        let (tx, rx) = chan::<Bomb>(1);
        let fails = || -> chan::RecvFuture<'_, Bomb> { resume_unwind(Box::new(Boom(7))) };
        let n = boom(|| {
            now(async {
                select! {
                    _ = tx.send(Bomb::new(&mint, false)) => {}
                    _ = fails() => {}
                    _ = tx.send(Bomb::new(&mint, false)) => {}
                }
            })
        });
        assert_eq!(n, 7);
        assert_eq!(mint.made(), 1);
        assert!(rx.is_empty());
        mint.assert_all_dropped_once();
    }

    /// A panic in a foreign future of an arm.
    #[test]
    fn foreign_future() {
        let (tx, rx) = chan::<u8>(0);
        let mut calls = 0;
        let mut s = Box::pin(async {
            select! {
                _ = rx.recv() => {}
                _ = fut(std::future::poll_fn(|_| -> std::task::Poll<()> {
                    calls += 1;
                    if calls > 1 {
                        resume_unwind(Box::new(Boom(calls)));
                    }
                    std::task::Poll::Pending
                })) => {}
            }
        });
        assert!(poll_once(s.as_mut()).is_pending());
        assert_eq!(boom(|| poll_once(s.as_mut())), 2);
        drop(s);
        assert!(
            tx.try_send(1).is_err(),
            "its other arm still stands in the queue"
        );
        let mut r = task::spawn(rx.recv());
        assert_pending!(r.poll());
        tx.try_send(2).unwrap();
        assert_eq!(assert_ready!(r.poll()), Ok(2));
    }
}

mod in_tasks {
    use super::*;

    /// A panic ends its task, comes out of the handle, and the values the task held are dropped.
    #[test]
    fn comes_out_of_the_handle() {
        watch(|| {
            let rt = gochan::Runtime::builder().workers(2).build().unwrap();
            let mint = Mint::new();
            let (tx, rx) = chan::<Coin>(1);
            let held = mint.make();
            let handle = rt.go(async move {
                let coin = rx.recv().await.unwrap();
                let n = coin.n() + held.n();
                resume_unwind(Box::new(Boom(n)));
            });
            tx.send_blocking(mint.make()).unwrap();
            let error = handle.wait().unwrap_err();
            assert!(error.is_panic() && !error.is_cancelled());
            assert!(!error.to_string().is_empty());
            assert_eq!(*error.into_panic().downcast::<Boom>().unwrap(), Boom(1));
            // Its receiver went with it.
            assert!(tx.is_closed());
            rt.shutdown();
            mint.assert_all_dropped_once();
        });
    }

    /// Many panics, and both workers still work.
    #[test]
    fn the_runtime_goes_on() {
        watch(|| {
            let rt = gochan::Runtime::builder().workers(2).build().unwrap();
            rt.block_on(async {
                for i in 0..200 {
                    let bad = gochan::go(async move {
                        gochan::yield_now().await;
                        resume_unwind(Box::new(Boom(i)));
                    });
                    let good = gochan::go(async move {
                        gochan::yield_now().await;
                        i
                    });
                    assert_eq!(good.await.unwrap(), i);
                    let panic = bad.await.unwrap_err().into_panic();
                    assert_eq!(*panic.downcast::<Boom>().unwrap(), Boom(i));
                }
            });
            rt.shutdown();
        });
    }

    /// A result whose drop panics, of a task nobody joins, or that is thrown away with its handle.
    #[test]
    fn in_the_drop_of_a_result() {
        watch(|| {
            let rt = gochan::Runtime::builder().workers(1).build().unwrap();
            let mint = Mint::new();
            for joined in [false, true] {
                let bomb = Bomb::new(&mint, true);
                let (done, ended) = chan::<()>(0);
                let handle = rt.go(async move {
                    let _done = done;
                    bomb
                });
                assert_eq!(ended.recv_blocking(), Err(RecvError));
                if joined {
                    let value = handle.wait().unwrap();
                    assert_eq!(boom(|| drop(value)), 1);
                } else {
                    // It goes off here or on the worker, as the race between end and drop has it.
                    drop(catch_unwind(AssertUnwindSafe(|| drop(handle))));
                }
                assert_eq!(rt.go(async { 5 }).wait().unwrap(), 5);
            }
            rt.shutdown();
            mint.assert_all_dropped_once();
        });
    }

    /// A future whose drop panics when its task is aborted: its worker survives, everything else is dropped.
    #[test]
    fn in_the_drop_of_an_aborted_task() {
        watch(|| {
            let rt = gochan::Runtime::builder().workers(1).build().unwrap();
            let mint = Mint::new();
            let (never_sent, gate) = chan::<u8>(0);
            let (armed, plain) = (Bomb::new(&mint, true), Bomb::new(&mint, false));
            let handle = rt.go(async move {
                let _both = (plain, armed);
                _ = gate.recv().await;
            });
            // Runs after the first on the only worker: the first is parked or will see the abort at its start.
            rt.go(async {}).wait().unwrap();
            handle.abort();
            let error = handle.wait().unwrap_err();
            assert!(error.is_cancelled() || error.is_panic());
            assert_eq!(rt.go(async { 5 }).wait().unwrap(), 5);
            rt.shutdown();
            drop(never_sent);
            mint.assert_all_dropped_once();
        });
    }

    /// `run` and `block_on` let the panic of their own future out.
    #[test]
    fn block_on() {
        watch(|| {
            assert_eq!(
                boom(|| gochan::block_on(async { resume_unwind(Box::new(Boom(3))) })),
                3
            );
            assert_eq!(gochan::block_on(async { 4 }), 4);
            let rt = gochan::Runtime::builder().workers(1).build().unwrap();
            assert_eq!(
                boom(|| rt.block_on(async { resume_unwind(Box::new(Boom(5))) })),
                5
            );
            assert_eq!(rt.block_on(async { 6 }), 6);
            rt.shutdown();
        });
    }

    #[test]
    fn blocking() {
        watch(|| {
            let rt = gochan::Runtime::builder().workers(1).build().unwrap();
            rt.block_on(async {
                let bad = gochan::go(async {
                    gochan::blocking(|| resume_unwind(Box::new(Boom(9))));
                });
                let panic = bad.await.unwrap_err().into_panic();
                assert_eq!(*panic.downcast::<Boom>().unwrap(), Boom(9));
                assert_eq!(
                    gochan::go(async { gochan::blocking(|| 5) }).await.unwrap(),
                    5
                );
            });
            rt.shutdown();
        });
    }
}
