//! Cancellation: every public future dropped, aborted or leaked at every state, with the conservation law checked by
//! counting. Each value is in the channel, in a receiver's hand or in an error, and is dropped exactly once.
//!
//! A value that was given to a receiver whose future is then dropped goes to the next that waits and wakes it, else to
//! the front of the channel.

#![cfg(feature = "rt")]

mod common;

use common::value::{Coin, Mint};
use common::waker::{counting, now, poll_once, poll_with};
use common::{Place, Rng, Tally, everywhere, watch};
use gochan::{Receiver, RecvError, Sender, TryRecvError, TrySendError, chan, select, unbounded};
use std::mem::forget;
use std::pin::Pin;
use std::task::Poll;
use std::time::Duration;
use tokio_test::{assert_pending, assert_ready, assert_ready_ok, task};

/// A channel of any kind with the coins to send on it.
fn setup(cap: usize) -> (Mint, Sender<Coin>, Receiver<Coin>) {
    let (tx, rx) = chan(cap);
    (Mint::new(), tx, rx)
}

/// What is left in the channel, in its order.
fn rest(rx: &Receiver<Coin>) -> Vec<usize> {
    rx.try_iter().map(|c| c.n()).collect()
}

mod receive {
    use super::*;

    #[test]
    fn unpolled() {
        let (mint, tx, rx) = setup(1);
        tx.try_send(mint.make()).unwrap();
        drop(rx.recv());
        assert_eq!(rest(&rx), [0]);
    }

    #[test]
    fn parked() {
        let (mint, tx, rx) = setup(0);
        let mut r = task::spawn(rx.recv());
        assert_pending!(r.poll());
        drop(r);
        let refused = tx.try_send(mint.make());
        assert!(
            matches!(refused, Err(TrySendError::Full(_))),
            "nobody waits any more"
        );
        drop(refused);
        mint.assert_all_dropped_once();
    }

    #[test]
    fn parked_between_others() {
        let (mint, tx, rx) = setup(0);
        for gone in 0..3 {
            let mut waiting: Vec<_> = (0..3).map(|_| Some(task::spawn(rx.recv()))).collect();
            for r in waiting.iter_mut().flatten() {
                assert_pending!(r.poll());
            }
            waiting[gone] = None;
            for r in waiting.iter_mut().flatten() {
                tx.try_send(mint.make()).unwrap();
                assert!(r.is_woken());
                drop(assert_ready_ok!(r.poll()));
            }
            assert!(tx.try_send(mint.make()).is_err());
        }
        mint.assert_all_dropped_once();
    }

    /// Given and not collected, with another behind it: that one is woken and has the value.
    #[test]
    fn given_goes_to_the_next() {
        for cap in [0, 1, 3] {
            let (mint, tx, rx) = setup(cap);
            let mut a = task::spawn(rx.recv());
            let mut b = task::spawn(rx.recv());
            assert_pending!(a.poll());
            assert_pending!(b.poll());
            tx.try_send(mint.make()).unwrap();
            assert!(a.is_woken() && !b.is_woken());
            drop(a);
            assert!(b.is_woken(), "the next receiver is told");
            assert_eq!(assert_ready_ok!(b.poll()).n(), 0);
            assert_eq!(rest(&rx), [0; 0]);
            mint.assert_all_dropped_once();
        }
    }

    #[test]
    fn given_goes_along_a_row_and_then_to_the_front() {
        for cap in [0, 2] {
            let (mint, tx, rx) = setup(cap);
            let mut row: Vec<_> = (0..5).map(|_| task::spawn(rx.recv())).collect();
            for r in &mut row {
                assert_pending!(r.poll());
            }
            tx.try_send(mint.make()).unwrap();
            for r in row {
                assert!(r.is_woken());
                assert_eq!(mint.live(), 1);
            }
            assert_eq!(rest(&rx), [0]);
            mint.assert_all_dropped_once();
        }
    }

    /// Given and not collected, and nobody waits: it is in front of everything that was sent after it.
    #[test]
    fn given_goes_to_the_front() {
        for cap in 1..4 {
            let (mint, tx, rx) = setup(cap);
            let mut r = task::spawn(rx.recv());
            assert_pending!(r.poll());
            for _ in 0..=cap {
                tx.try_send(mint.make()).unwrap();
            }
            drop(r);
            assert!(matches!(
                tx.try_send(mint.make()),
                Err(TrySendError::Full(_))
            ));
            assert_eq!(rest(&rx), (0..=cap).collect::<Vec<_>>());
            tx.try_send(mint.make()).unwrap();
            assert_eq!(rest(&rx).len(), 1);
            mint.assert_all_dropped_once();
        }
    }

    #[test]
    fn given_goes_to_the_front_of_an_unbounded_channel() {
        let mint = Mint::new();
        let (tx, rx) = unbounded();
        let mut r = task::spawn(rx.recv());
        assert_pending!(r.poll());
        for _ in 0..100 {
            tx.try_send(mint.make()).unwrap();
        }
        drop(r);
        assert_eq!(rest(&rx), (0..100).collect::<Vec<_>>());
        mint.assert_all_dropped_once();
    }

    /// With capacity 0 the next receive takes the returned value first, before the sender that waits.
    #[test]
    fn given_comes_before_a_waiting_sender() {
        let (mint, tx, rx) = setup(0);
        let mut r = task::spawn(rx.recv());
        assert_pending!(r.poll());
        tx.try_send(mint.make()).unwrap();
        let mut s = task::spawn(tx.send(mint.make()));
        assert_pending!(s.poll());
        drop(r);
        assert!(!s.is_woken(), "its own value was not taken");
        assert_eq!(now(rx.recv()).unwrap(), 0);
        assert_pending!(s.poll());
        assert_eq!(now(rx.recv()).unwrap(), 1);
        assert!(s.is_woken());
        assert_ready_ok!(s.poll());
        mint.assert_all_dropped_once();
    }

    /// While a returned value is there a send of capacity 0 does not overtake it.
    #[test]
    fn returned_values_keep_their_order() {
        let (mint, tx, rx) = setup(0);
        let mut two: Vec<_> = (0..2).map(|_| task::spawn(rx.recv())).collect();
        for r in &mut two {
            assert_pending!(r.poll());
        }
        tx.try_send(mint.make()).unwrap();
        tx.try_send(mint.make()).unwrap();
        // The later value comes back first, then the earlier one, to the front.
        drop(two.pop());
        drop(two.pop());
        let mut s = task::spawn(tx.send(mint.make()));
        assert_pending!(s.poll());
        assert_eq!(rest(&rx), [0, 1, 2]);
        assert_ready_ok!(s.poll());
        mint.assert_all_dropped_once();
    }

    #[test]
    fn given_then_closed() {
        for cap in [0, 2] {
            let (mint, tx, rx) = setup(cap);
            let mut r = task::spawn(rx.recv());
            assert_pending!(r.poll());
            tx.try_send(mint.make()).unwrap();
            drop(tx);
            drop(r);
            assert_eq!(now(rx.recv()).unwrap(), 0);
            assert_eq!(now(rx.recv()), Err(RecvError));
        }
    }

    #[test]
    fn given_then_no_receiver_left() {
        for cap in [0, 2] {
            let (mint, tx, rx) = setup(cap);
            let mut r = task::spawn(rx.recv());
            assert_pending!(r.poll());
            tx.try_send(mint.make()).unwrap();
            drop(r);
            drop(rx);
            drop(tx);
            mint.assert_all_dropped_once();
        }
    }

    #[test]
    fn closed_and_not_collected() {
        let (mint, tx, rx) = setup(0);
        let mut r = task::spawn(rx.recv());
        assert_pending!(r.poll());
        tx.close();
        assert!(r.is_woken());
        drop(r);
        assert_eq!(now(rx.recv()), Err(RecvError));
        assert_eq!(mint.made(), 0);
    }

    #[test]
    fn the_waker_goes_with_the_future() {
        let (_tx, rx) = chan::<u8>(0);
        let (counts, waker) = counting();
        let mut r = Box::pin(rx.recv());
        assert_pending!(poll_with(r.as_mut(), &waker));
        drop(r);
        assert_eq!(counts.alive(), 1);
    }
}

mod send {
    use super::*;

    #[test]
    fn unpolled() {
        let (mint, tx, rx) = setup(1);
        drop(tx.send(mint.make()));
        mint.assert_all_dropped_once();
        assert!(rx.is_empty());
    }

    #[test]
    fn parked() {
        for cap in [0, 1] {
            let (mint, tx, rx) = setup(cap);
            for _ in 0..cap {
                tx.try_send(mint.make()).unwrap();
            }
            let mut s = task::spawn(tx.send(mint.make()));
            assert_pending!(s.poll());
            drop(s);
            assert_eq!(mint.drops_of(cap), 1);
            assert_eq!(rest(&rx).len(), cap);
            mint.assert_all_dropped_once();
        }
    }

    #[test]
    fn parked_between_others() {
        for gone in 0..3 {
            let (mint, tx, rx) = setup(0);
            let mut waiting: Vec<_> = (0..3)
                .map(|_| Some(task::spawn(tx.send(mint.make()))))
                .collect();
            for s in waiting.iter_mut().flatten() {
                assert_pending!(s.poll());
            }
            waiting[gone] = None;
            let expected: Vec<_> = (0..3).filter(|i| *i != gone).collect();
            assert_eq!(rest(&rx), expected);
            for s in waiting.iter_mut().flatten() {
                assert_ready_ok!(s.poll());
            }
            drop(waiting);
            mint.assert_all_dropped_once();
        }
    }

    /// Taken and not collected: the receiver has the value, the sender only misses the news.
    #[test]
    fn taken() {
        for cap in [0, 1] {
            let (mint, tx, rx) = setup(cap);
            for _ in 0..cap {
                tx.try_send(mint.make()).unwrap();
            }
            let mut s = task::spawn(tx.send(mint.make()));
            assert_pending!(s.poll());
            let first = rx.try_recv().unwrap();
            assert!(s.is_woken());
            drop(s);
            assert_eq!((first.n(), rest(&rx).len()), (0, cap));
            drop(first);
            mint.assert_all_dropped_once();
        }
    }

    #[test]
    fn closed_and_not_collected() {
        let (mint, tx, rx) = setup(0);
        let mut s = task::spawn(tx.send(mint.make()));
        assert_pending!(s.poll());
        drop(rx);
        assert!(s.is_woken());
        assert_eq!(mint.live(), 1, "its value is still its own");
        drop(s);
        mint.assert_all_dropped_once();
    }

    #[test]
    fn the_waker_goes_with_the_future() {
        let (tx, _rx) = chan::<u8>(0);
        let (counts, waker) = counting();
        let mut s = Box::pin(tx.send(1));
        assert_pending!(poll_with(s.as_mut(), &waker));
        drop(s);
        assert_eq!(counts.alive(), 1);
    }
}

mod permits {
    use super::*;

    #[test]
    fn reserve_unpolled_and_parked() {
        let (mint, tx, rx) = setup(1);
        drop(tx.reserve());
        tx.try_send(mint.make()).unwrap();
        let mut r = task::spawn(tx.reserve());
        assert_pending!(r.poll());
        drop(r);
        drop(rx.try_recv());
        tx.try_send(mint.make()).unwrap();
        assert_eq!(rest(&rx), [1]);
        mint.assert_all_dropped_once();
    }

    /// Granted and not collected: the room goes to the next that waits for it, else it is free.
    #[test]
    fn granted() {
        for next_is_send in [false, true] {
            let (mint, tx, rx) = setup(1);
            tx.try_send(mint.make()).unwrap();
            let mut granted = task::spawn(tx.reserve());
            assert_pending!(granted.poll());
            let mut next_reserve = task::spawn(tx.reserve());
            let mut next_send = task::spawn(tx.send(mint.make()));
            if next_is_send {
                assert_pending!(next_send.poll());
            } else {
                assert_pending!(next_reserve.poll());
            }
            drop(rx.try_recv().unwrap());
            assert!(granted.is_woken());
            drop(granted);
            if next_is_send {
                assert!(next_send.is_woken());
                assert_ready_ok!(next_send.poll());
                assert_eq!(rest(&rx), [1]);
            } else {
                assert!(next_reserve.is_woken());
                drop(assert_ready_ok!(next_reserve.poll()));
            }
            drop((next_send, next_reserve));
            tx.try_send(mint.make()).unwrap();
            drop((tx, rx));
            mint.assert_all_dropped_once();
        }
    }

    /// A receiver that waits for a permit's value, and a send behind that permit: when the permit is not wanted they meet.
    #[test]
    fn granted_on_the_strength_of_a_receiver() {
        for cap in [0, 1, 2] {
            let (mint, tx, rx) = setup(cap);
            let held: Vec<_> = (0..cap).map(|_| tx.try_reserve().unwrap()).collect();
            let mut granted = task::spawn(tx.reserve());
            let mut s = task::spawn(tx.send(mint.make()));
            assert_pending!(granted.poll());
            assert_pending!(s.poll());
            let mut r = task::spawn(rx.recv());
            if r.poll().is_pending() {
                drop(granted);
                assert!(
                    r.is_woken() && s.is_woken(),
                    "capacity {cap}: they sleep side by side"
                );
                drop(assert_ready_ok!(r.poll()));
            }
            assert_ready_ok!(s.poll());
            drop((s, r, held));
            mint.assert_all_dropped_once();
        }
    }

    /// The receiver that a permit was granted for goes away: the permits' values still fit, and none is lost.
    #[test]
    fn granted_and_the_receiver_leaves() {
        for cap in [0, 1, 2] {
            let (mint, tx, rx) = setup(cap);
            let held: Vec<_> = (0..cap).map(|_| tx.try_reserve().unwrap()).collect();
            let mut asked = task::spawn(tx.reserve());
            assert_pending!(asked.poll());
            let mut r = task::spawn(rx.recv());
            assert_pending!(r.poll());
            drop(r);
            let granted = asked.poll();
            let mut sent = 0;
            for permit in held {
                permit.send(mint.make()).unwrap();
                sent += 1;
            }
            if let Poll::Ready(permit) = granted {
                permit.unwrap().send(mint.make()).unwrap();
                sent += 1;
            }
            assert_eq!(rest(&rx), (0..sent).collect::<Vec<_>>(), "capacity {cap}");
            mint.assert_all_dropped_once();
        }
    }

    #[test]
    fn granted_of_a_rendezvous() {
        let (mint, tx, rx) = setup(0);
        let mut reserve = task::spawn(tx.reserve());
        assert_pending!(reserve.poll());
        let mut r = task::spawn(rx.recv());
        assert_pending!(r.poll());
        drop(reserve);
        let mut s = task::spawn(tx.send(mint.make()));
        assert_ready_ok!(s.poll());
        assert!(r.is_woken());
        drop(assert_ready_ok!(r.poll()));
        mint.assert_all_dropped_once();
    }

    #[test]
    fn a_permit_over_the_close() {
        let (mint, tx, rx) = setup(2);
        let permit = now(tx.reserve()).unwrap();
        let other = now(tx.reserve()).unwrap();
        rx.close();
        drop(other);
        drop(permit.send(mint.make()));
        // Sent by right of the permit or refused for the close: in neither case twice, or never, dropped.
        drop(rest(&rx));
        drop((tx, rx));
        mint.assert_all_dropped_once();
    }
}

mod others {
    use super::*;
    use futures::StreamExt;

    #[test]
    fn recv_many() {
        for cap in [0, 2] {
            let (mint, tx, rx) = setup(cap);
            let mut got = Vec::new();
            drop(rx.recv_many(&mut got, 4));
            let mut many = task::spawn(rx.recv_many(&mut got, 4));
            assert_pending!(many.poll());
            drop(many);
            let mut many = task::spawn(rx.recv_many(&mut got, 4));
            assert_pending!(many.poll());
            tx.try_send(mint.make()).unwrap();
            assert!(many.is_woken());
            let mut next = task::spawn(rx.recv());
            let waits = next.poll().is_pending();
            drop(many);
            assert_eq!(
                got.len(),
                0,
                "a dropped future puts nothing into the caller's list"
            );
            if waits {
                assert!(next.is_woken());
                drop(assert_ready_ok!(next.poll()));
            }
            drop(next);
            drop(rest(&rx));
            mint.assert_all_dropped_once();
        }
    }

    #[test]
    fn closed() {
        let (_, tx, rx) = setup(0);
        drop(tx.closed());
        let mut a = task::spawn(tx.closed());
        let mut b = task::spawn(tx.closed());
        assert_pending!(a.poll());
        assert_pending!(b.poll());
        drop(a);
        drop(rx);
        assert!(b.is_woken());
        drop(b);
        now(tx.closed());
    }

    #[test]
    fn stream() {
        let (mint, tx, rx) = setup(1);
        {
            let mut items = Box::pin(rx.stream());
            let mut next = task::spawn(items.next());
            assert_pending!(next.poll());
            tx.try_send(mint.make()).unwrap();
            drop(next);
        }
        assert_eq!(
            rest(&rx),
            [0],
            "what the stream had and nobody took is still there"
        );
        mint.assert_all_dropped_once();
    }

    #[test]
    fn timed() {
        let (mint, tx, rx) = setup(0);
        let long = Duration::from_secs(3600);
        drop((rx.recv_timeout(long), tx.send_timeout(mint.make(), long)));
        let mut r = task::spawn(rx.recv_timeout(long));
        assert_pending!(r.poll());
        tx.try_send(mint.make()).unwrap();
        drop(r);
        assert_eq!(rest(&rx), [1]);
        let mut s = task::spawn(tx.send_timeout(mint.make(), long));
        assert_pending!(s.poll());
        drop(s);
        assert_eq!(rx.try_recv(), Err(TryRecvError::Empty));
        mint.assert_all_dropped_once();
    }

    #[test]
    fn timers() {
        let long = Duration::from_secs(3600);
        drop(gochan::sleep(long));
        let mut sleep = task::spawn(gochan::sleep(long));
        assert_pending!(sleep.poll());
        drop(sleep);
        let (mint, tx, rx) = setup(0);
        let mut limited = task::spawn(gochan::timeout(long, rx.recv()));
        assert_pending!(limited.poll());
        tx.try_send(mint.make()).unwrap();
        drop(limited);
        assert_eq!(rest(&rx), [0]);
        let timer = gochan::time::Timer::new(long);
        let mut fired = task::spawn(timer.recv());
        assert_pending!(fired.poll());
        drop(fired);
        assert!(timer.stop(), "it was still to fire");
        let ticker = gochan::time::Ticker::new(long);
        let mut tick = task::spawn(ticker.tick());
        assert_pending!(tick.poll());
        drop(tick);
    }

    #[test]
    fn join_handle() {
        watch(|| {
            let rt = gochan::Runtime::builder().workers(2).build().unwrap();
            let (tx, rx) = chan::<u8>(0);
            let (ended, end) = chan::<u8>(1);
            let handle = rt.go(async move {
                let v = rx.recv().await.unwrap();
                ended.send(v).await.unwrap();
            });
            // Dropped after it registered: the task goes on without it.
            let mut joining = Box::pin(handle);
            assert!(poll_once(joining.as_mut()).is_pending());
            drop(joining);
            tx.send_blocking(7).unwrap();
            assert_eq!(end.recv_blocking(), Ok(7));
            rt.shutdown();
        });
    }
}

mod selects {
    use super::*;

    /// Given by one arm's channel and not collected: as for a plain receive.
    #[test]
    fn given() {
        for cap in [0, 2] {
            for other_waits in [false, true] {
                let (mint, tx, rx) = setup(cap);
                let (_keep, quiet) = chan::<u8>(0);
                let mut s = task::spawn(async {
                    select! { v = rx.recv() => drop(v), _ = quiet.recv() => unreachable!() }
                });
                assert_pending!(s.poll());
                let mut next = task::spawn(rx.recv());
                if other_waits {
                    assert_pending!(next.poll());
                }
                tx.try_send(mint.make()).unwrap();
                assert!(s.is_woken());
                drop(s);
                assert_eq!(next.is_woken(), other_waits);
                assert_eq!(assert_ready_ok!(next.poll()).n(), 0);
                drop(next);
                assert_eq!(rx.try_recv(), Err(TryRecvError::Empty));
                mint.assert_all_dropped_once();
            }
        }
    }

    /// The next that waits may itself be a select, and a lost value may find it by either of two arms.
    #[test]
    fn given_goes_to_a_select() {
        let (mint, tx, rx) = setup(0);
        let (_keep, quiet) = chan::<u8>(0);
        let mut a = task::spawn(rx.recv());
        assert_pending!(a.poll());
        let mut s = task::spawn(async {
            select! { v = rx.recv() => v.unwrap(), v = rx.recv() => v.unwrap(), _ = quiet.recv() => unreachable!() }
        });
        assert_pending!(s.poll());
        tx.try_send(mint.make()).unwrap();
        drop(a);
        assert!(s.is_woken());
        drop(assert_ready!(s.poll()));
        drop(s);
        assert_eq!(rest(&rx), [0; 0]);
        mint.assert_all_dropped_once();
    }

    #[test]
    fn parked() {
        let (mint, tx, rx) = setup(0);
        let (tx2, rx2) = chan::<Coin>(0);
        let mut s = task::spawn(async {
            select! { _ = rx.recv() => {}, _ = tx2.send(mint.make()) => {} }
        });
        assert_pending!(s.poll());
        drop(s);
        mint.assert_all_dropped_once();
        assert!(tx.try_send(mint.make()).is_err());
        assert!(rx2.try_recv().is_err());
        mint.assert_all_dropped_once();
    }

    #[test]
    fn unpolled() {
        let (mint, tx, rx) = setup(1);
        drop(async {
            select! { _ = rx.recv() => {}, _ = tx.send(mint.make()) => {} }
        });
        assert!(rx.is_empty());
        mint.assert_all_dropped_once();
    }

    #[test]
    fn taken_and_closed() {
        for close in [false, true] {
            let (mint, tx, rx) = setup(0);
            let (_keep, quiet) = chan::<u8>(0);
            let mut s = task::spawn(async {
                select! { _ = tx.send(mint.make()) => {}, _ = quiet.recv() => unreachable!() }
            });
            assert_pending!(s.poll());
            let taken = if close {
                rx.close();
                None
            } else {
                rx.try_recv().ok()
            };
            assert!(s.is_woken());
            drop(s);
            assert_eq!(taken.is_some(), !close);
            drop(taken);
            mint.assert_all_dropped_once();
        }
    }

    #[test]
    fn granted_permit() {
        let (mint, tx, rx) = setup(1);
        let (_keep, quiet) = chan::<u8>(0);
        tx.try_send(mint.make()).unwrap();
        let mut s = task::spawn(async {
            select! { p = tx.reserve() => drop(p), _ = quiet.recv() => unreachable!() }
        });
        assert_pending!(s.poll());
        let mut next = task::spawn(tx.send(mint.make()));
        assert_pending!(next.poll());
        assert_eq!(rx.try_recv().unwrap(), 0);
        assert!(s.is_woken());
        drop(s);
        assert!(next.is_woken(), "the room goes on to the next");
        assert_ready_ok!(next.poll());
        assert_eq!(rest(&rx), [1]);
        mint.assert_all_dropped_once();
    }

    #[test]
    fn the_wakers_go_with_the_future() {
        let (_a, ra) = chan::<u8>(0);
        let (b, _rb) = chan::<u8>(0);
        let (counts, waker) = counting();
        let mut s = Box::pin(async {
            select! { _ = ra.recv() => {}, _ = b.send(1) => {} }
        });
        assert_pending!(poll_with(s.as_mut(), &waker));
        drop(s);
        assert_eq!(counts.alive(), 1);
    }
}

// Also of what has nothing to drop today.
#[allow(clippy::forget_non_drop)]
mod leaks {
    use super::*;

    /// Leaks a future that was polled once; what it stands in stays valid, for its memory is never given back.
    fn leak_polled<F: Future>(f: F) {
        let mut f = Box::pin(f);
        assert!(poll_once(f.as_mut()).is_pending());
        forget(f);
    }

    #[test]
    fn unpolled_futures() {
        let (mint, tx, rx) = setup(1);
        forget(tx.send(mint.make()));
        forget(rx.recv());
        forget(tx.reserve());
        forget(tx.closed());
        forget(rx.recv_many(&mut Vec::new(), 3));
        forget(gochan::sleep(Duration::from_secs(1)));
        forget(gochan::yield_now());
        tx.try_send(mint.make()).unwrap();
        assert_eq!(rest(&rx), [1]);
    }

    /// A leaked receiver may still be chosen, and then keeps what it was given; everything after it works.
    #[test]
    fn parked_receiver() {
        for cap in [0, 1] {
            let (mint, tx, rx) = setup(cap);
            leak_polled({
                let rx = rx.clone();
                async move { drop(rx.recv().await) }
            });
            let mut r = task::spawn(rx.recv());
            assert_pending!(r.poll());
            tx.try_send(mint.make()).unwrap();
            tx.try_send(mint.make()).unwrap();
            assert_eq!(assert_ready_ok!(r.poll()).n(), 1);
            drop(r);
            tx.close();
            assert_eq!(now(rx.recv()), Err(RecvError));
        }
    }

    #[test]
    fn parked_sender() {
        let (mint, tx, rx) = setup(0);
        leak_polled({
            let tx = tx.clone();
            let coin = mint.make();
            async move { tx.send(coin).await }
        });
        assert_eq!(
            rx.try_recv().unwrap(),
            0,
            "the leaked sender's value is taken as any other"
        );
        let mut s = task::spawn(tx.send(mint.make()));
        assert_pending!(s.poll());
        assert_eq!(rx.try_recv().unwrap(), 1);
        assert_ready_ok!(s.poll());
        mint.assert_all_dropped_once();
    }

    #[test]
    fn parked_select() {
        let (mint, tx, rx) = setup(0);
        let (tx2, rx2) = chan::<Coin>(0);
        leak_polled({
            let (rx, rx2) = (rx.clone(), rx2.clone());
            async move {
                select! { v = rx.recv() => drop(v), v = rx2.recv() => drop(v) }
            }
        });
        tx.try_send(mint.make()).unwrap();
        assert!(
            tx2.try_send(mint.make()).is_err(),
            "its other arm was claimed with the first"
        );
        let mut r = task::spawn(rx2.recv());
        assert_pending!(r.poll());
        tx2.try_send(mint.make()).unwrap();
        assert_ready_ok!(r.poll());
        drop(r);
        tx.close();
        tx2.close();
        assert!(now(rx.recv()).is_err() && now(rx2.recv()).is_err());
    }

    /// A leaked permit keeps its room for ever; the rest of the buffer goes on.
    #[test]
    fn permit() {
        let (mint, tx, rx) = setup(2);
        forget(now(tx.reserve()).unwrap());
        for i in 0..5 {
            tx.try_send(mint.make()).unwrap();
            assert!(tx.try_send(mint.make()).is_err());
            assert_eq!(rx.try_recv().unwrap(), 2 * i);
        }
        drop(tx);
        assert_eq!(now(rx.recv()), Err(RecvError));
        mint.assert_all_dropped_once();
    }

    #[test]
    fn parked_reserve_and_closed() {
        let (mint, tx, rx) = setup(1);
        tx.try_send(mint.make()).unwrap();
        let (t1, t2) = (tx.clone(), tx.clone());
        leak_polled(async move { drop(t1.reserve().await) });
        leak_polled(async move { t2.closed().await });
        assert_eq!(rx.try_recv().unwrap(), 0);
        // The room went to the leaked waiter. Closing still reaches everybody.
        let mut s = task::spawn(tx.send(mint.make()));
        let waits = s.poll().is_pending();
        rx.close();
        if waits {
            assert!(s.is_woken());
            drop(assert_ready!(s.poll()));
        }
        drop(s);
        now(tx.closed());
    }

    #[test]
    fn iterators_and_streams() {
        let (mint, tx, rx) = setup(3);
        for _ in 0..3 {
            tx.try_send(mint.make()).unwrap();
        }
        let mut drain = rx.drain();
        drop(drain.next());
        forget(drain);
        forget(rx.try_iter());
        forget(rx.iter());
        forget(rx.stream());
        tx.try_send(mint.make()).unwrap();
        let left = rest(&rx);
        assert_eq!(left.last(), Some(&3));
        assert!(left.is_sorted());
        mint.assert_all_dropped_once();
    }

    #[test]
    fn timers_and_handles() {
        watch(|| {
            let rt = gochan::Runtime::builder().workers(1).build().unwrap();
            rt.block_on(async {
                let soon = Duration::from_millis(1);
                leak_polled(gochan::sleep(soon));
                forget(gochan::time::Ticker::new(soon));
                forget(gochan::time::Timer::new(soon));
                let gone = gochan::time::Timer::new(soon);
                leak_polled(async move { gone.recv().await });
                forget(gochan::go(async {}));
                gochan::sleep(soon * 4).await;
            });
            rt.shutdown();
        });
    }
}

/// Random scripts against the law: any number of operations of every kind, polled, dropped and completed in any order.
mod scripts {
    use super::*;

    /// What an operation ends with.
    enum End {
        Got(Coin),
        GotMany(Vec<Coin>),
        Refused(Coin),
        Nothing,
    }

    /// One operation in the air.
    struct Flying<'a> {
        op: Pin<Box<dyn Future<Output = End> + 'a>>,
        kind: Kind,
        woken: std::sync::Arc<common::waker::Hooked>,
        waker: std::task::Waker,
        seen: usize,
        polled: bool,
    }

    #[derive(Clone, Copy, PartialEq, Debug)]
    enum Kind {
        Receive,
        Send,
        Reserve,
        Select,
    }

    impl Flying<'_> {
        /// Waits, and has not been told that it need not.
        fn sleeps(&self) -> bool {
            self.polled && self.woken.wakes() == self.seen
        }

        fn poll(&mut self) -> Option<End> {
            self.seen = self.woken.wakes();
            self.polled = true;
            match poll_with(self.op.as_mut(), &self.waker) {
                std::task::Poll::Ready(end) => Some(end),
                std::task::Poll::Pending => None,
            }
        }
    }

    fn got(r: Result<Coin, RecvError>) -> End {
        r.map_or(End::Nothing, End::Got)
    }

    fn sent(r: Result<(), gochan::SendError<Coin>>) -> End {
        r.map_or_else(|e| End::Refused(e.0), |()| End::Nothing)
    }

    /// A new operation of a random kind.
    fn launch<'a>(
        rng: &mut Rng,
        mint: &Mint,
        (tx, rx): (&'a Sender<Coin>, &'a Receiver<Coin>),
        quiet: &'a Receiver<u8>,
    ) -> Flying<'a> {
        let coin = || mint.make();
        let (kind, op): (Kind, Pin<Box<dyn Future<Output = End> + 'a>>) = match rng.below(9) {
            0 | 1 => (Kind::Receive, Box::pin(async move { got(rx.recv().await) })),
            2 | 3 => {
                let send = tx.send(coin());
                (Kind::Send, Box::pin(async move { sent(send.await) }))
            }
            4 => (
                Kind::Receive,
                Box::pin(async move {
                    let mut many = Vec::new();
                    rx.recv_many(&mut many, 3).await;
                    End::GotMany(many)
                }),
            ),
            5 => {
                let mint = mint.clone();
                let op = async move {
                    if let Ok(permit) = tx.reserve().await {
                        drop(permit.send(mint.make()));
                    }
                    End::Nothing
                };
                (Kind::Reserve, Box::pin(op))
            }
            6 => (
                Kind::Receive,
                Box::pin(async move {
                    select! { v = rx.recv() => got(v), _ = quiet.recv() => unreachable!() }
                }),
            ),
            7 => {
                let coin = coin();
                (
                    Kind::Send,
                    Box::pin(async move {
                        select! { r = tx.send(coin) => sent(r), _ = quiet.recv() => unreachable!() }
                    }),
                )
            }
            _ => {
                let coin = coin();
                (
                    Kind::Select,
                    Box::pin(async move {
                        select! { v = rx.recv() => got(v), r = tx.send(coin) => sent(r) }
                    }),
                )
            }
        };
        let (woken, waker) = counting();
        Flying {
            op,
            kind,
            woken,
            waker,
            seen: 0,
            polled: false,
        }
    }

    /// Nobody sleeps through what they wait for. A permit that was granted and is not yet seen has a claim on a place, at
    /// capacity 0 on a receiver.
    fn nobody_is_stranded(air: &[Flying<'_>], rx: &Receiver<Coin>, what: &str) {
        let sleeping = |kind| air.iter().filter(|f| f.kind == kind && f.sleeps()).count();
        let receivers = sleeping(Kind::Receive);
        let (sends, reserves) = (sleeping(Kind::Send), sleeping(Kind::Reserve));
        let granted = |f: &&Flying<'_>| f.kind == Kind::Reserve && f.polled && !f.sleeps();
        let permits = air.iter().filter(granted).count();
        let room = rx.capacity().unwrap_or(usize::MAX);
        let there = rx.len();
        assert!(
            receivers == 0 || there == 0,
            "{what}: {receivers} receivers sleep beside {there} values"
        );
        assert!(
            sends + reserves == 0 || there + permits >= room,
            "{what}: {sends} sends and {reserves} reserves sleep beside a free place"
        );
        let meet = match room {
            0 => receivers > permits && sends + reserves > 0,
            // A send may stand behind a reserve, which needs a place that a permit still has.
            _ => receivers > 0 && sends > 0 && (reserves == 0 || permits == 0),
        };
        assert!(
            !meet,
            "{what}: {sends} sends, {reserves} reserves and {receivers} receivers sleep side by side"
        );
    }

    fn script(seed: u64, cap: Option<usize>) {
        let what = format!("seed {seed}, capacity {cap:?}");
        let mut rng = Rng::new(seed);
        let mint = Mint::new();
        let (tx, rx) = cap.map_or_else(unbounded, chan);
        let (_keep, quiet) = chan::<u8>(0);
        let mut hand: Vec<End> = Vec::new();
        {
            let mut air: Vec<Flying<'_>> = Vec::new();
            for _ in 0..60 {
                let i = rng.below(air.len().max(1));
                match rng.below(10) {
                    0..4 => air.push(launch(&mut rng, &mint, (&tx, &rx), &quiet)),
                    4..8 if !air.is_empty() => {
                        if let Some(end) = air[i].poll() {
                            air.swap_remove(i);
                            hand.push(end);
                        }
                    }
                    8 if !air.is_empty() => drop(air.swap_remove(i)),
                    9 => hand.extend(rx.try_recv().map(End::Got)),
                    _ => drop(tx.try_send(mint.make())),
                }
                nobody_is_stranded(&air, &rx, &what);
            }
            if rng.below(2) == 0 {
                rx.close();
                assert!(
                    air.iter().all(|f| !f.sleeps()),
                    "{what}: someone sleeps through the close"
                );
                for mut f in air.drain(..) {
                    hand.extend(f.poll());
                }
            }
        }
        let mut held = Vec::new();
        for end in &hand {
            match end {
                End::Got(coin) | End::Refused(coin) => held.push(coin.n()),
                End::GotMany(many) => held.extend(many.iter().map(Coin::n)),
                End::Nothing => {}
            }
        }
        let left: Vec<Coin> = rx.drain().collect();
        assert_eq!(
            mint.live(),
            held.len() + left.len(),
            "{what}: a value is hidden somewhere"
        );
        assert!(
            tx.is_empty(),
            "{what}: the channel is empty and says {}",
            tx.len()
        );
        drop((left, hand, tx, rx));
        mint.assert_all_dropped_once();
    }

    #[test]
    fn random() {
        for seed in 1..1_500 {
            for cap in [Some(0), Some(1), Some(2), Some(5), None] {
                script(seed, cap);
            }
        }
    }
}

/// Tasks that are aborted at whatever await they are in.
mod abort {
    use super::*;

    /// Receives for ever, in one of several ways; what it has it puts into `took` without an await in between.
    async fn consume(way: usize, rx: Receiver<Coin>, took: Tally) {
        let (_keep, quiet) = chan::<u8>(0);
        loop {
            let coin = match way % 4 {
                0 => rx.recv().await,
                1 => select! { v = rx.recv() => v, _ = quiet.recv() => unreachable!() },
                2 => {
                    let mut many = Vec::new();
                    match rx.recv_many(&mut many, 4).await {
                        0 => Err(RecvError),
                        _ => {
                            took.add(many.len() - 1);
                            Ok(many.remove(0))
                        }
                    }
                }
                _ => match gochan::timeout(Duration::from_secs(600), rx.recv()).await {
                    Ok(v) => v,
                    Err(_) => unreachable!(),
                },
            };
            match coin {
                Ok(coin) => drop((took.add(1), coin)),
                Err(RecvError) => return,
            }
        }
    }

    /// Consumers come and are aborted all the time; in the end every value was taken by one of them or by the last.
    #[test]
    fn consumers() {
        watch(|| {
            for cap in [0, 1, 8] {
                let rt = gochan::Runtime::builder().workers(2).build().unwrap();
                let (mint, tx, rx) = setup(cap);
                let took = Tally::default();
                rt.block_on(async {
                    const N: usize = 20_000;
                    let coins = mint.clone();
                    let sender = gochan::go(async move {
                        for _ in 0..N {
                            tx.send(coins.make()).await.unwrap();
                        }
                    });
                    let mut way = 0;
                    while !sender.is_finished() {
                        let some: Vec<_> = (0..4)
                            .map(|i| gochan::go(consume(way + i, rx.clone(), took.clone())))
                            .collect();
                        way += 1;
                        for _ in 0..way % 5 {
                            gochan::yield_now().await;
                        }
                        for one in &some {
                            one.abort();
                        }
                        for one in some {
                            let end = one.await;
                            assert!(end.is_ok() || end.unwrap_err().is_cancelled());
                        }
                    }
                    sender.await.unwrap();
                    consume(0, rx, took.clone()).await;
                    assert_eq!(took.get(), N);
                });
                rt.shutdown();
                mint.assert_all_dropped_once();
            }
        });
    }

    /// Producers are aborted all the time; what they completed arrives, what they did not is dropped, once.
    #[test]
    fn producers() {
        watch(|| {
            for cap in [0, 1, 8] {
                let rt = gochan::Runtime::builder().workers(2).build().unwrap();
                let (mint, tx, rx) = setup(cap);
                let sent = Tally::default();
                rt.block_on(async {
                    let receiver = gochan::go(async move {
                        let mut n = 0;
                        while let Ok(coin) = rx.recv().await {
                            drop(coin);
                            n += 1;
                        }
                        n
                    });
                    for round in 0..1_500_usize {
                        let (tx, mint, sent) = (tx.clone(), mint.clone(), sent.clone());
                        let producer = gochan::go(async move {
                            loop {
                                let coin = mint.make();
                                match round % 3 {
                                    0 => tx.send(coin).await.unwrap(),
                                    1 => select! { r = tx.send(coin) => r.unwrap() },
                                    _ => tx.reserve().await.unwrap().send(coin).unwrap(),
                                }
                                sent.add(1);
                            }
                        });
                        for _ in 0..round % 4 {
                            gochan::yield_now().await;
                        }
                        producer.abort();
                        assert!(producer.await.unwrap_err().is_cancelled());
                    }
                    drop(tx);
                    let got: usize = receiver.await.unwrap();
                    // A send may be aborted after its value was taken and before it could count it.
                    assert!(
                        (sent.get()..=sent.get() + 1_500).contains(&got),
                        "{got} of {}",
                        sent.get()
                    );
                });
                rt.shutdown();
                mint.assert_all_dropped_once();
            }
        });
    }

    /// A runtime that goes away drops every parked task and with it every value in its hands.
    #[test]
    fn shutdown() {
        watch(|| {
            for _ in 0..50 {
                let rt = gochan::Runtime::builder().workers(2).build().unwrap();
                let (mint, tx, rx) = setup(0);
                let (full, filled) = chan::<Coin>(0);
                for i in 0..8 {
                    let (rx, full, coin) = (rx.clone(), full.clone(), mint.make());
                    drop(rt.go(async move {
                        match i % 2 {
                            0 => drop(rx.recv().await),
                            _ => drop(full.send(coin).await),
                        }
                    }));
                }
                tx.send_blocking(mint.make()).unwrap();
                rt.shutdown();
                assert!(tx.try_send(mint.make()).is_err() && filled.try_recv().is_err());
                drop((tx, rx, full, filled));
                mint.assert_all_dropped_once();
            }
        });
    }
}

/// The same by threads and tasks that drop their futures on their own.
mod racing {
    use super::*;

    /// Receivers that give up after every second poll race senders that never do: all is received.
    async fn impatient(place: Place) {
        for cap in [0, 1, 4] {
            let n = place.scale(10_000, 2_000);
            let (mint, tx, rx) = setup(cap);
            let took = Tally::default();
            let receivers: Vec<_> = (0..3)
                .map(|_| {
                    let (rx, took, place2) = (rx.clone(), took.clone(), place.clone());
                    place.go(async move {
                        loop {
                            let mut pending = false;
                            let coin = {
                                let mut r = Box::pin(rx.recv());
                                std::future::poll_fn(|cx| match r.as_mut().poll(cx) {
                                    std::task::Poll::Ready(end) => {
                                        std::task::Poll::Ready(Some(end))
                                    }
                                    std::task::Poll::Pending => {
                                        pending = true;
                                        std::task::Poll::Ready(None)
                                    }
                                })
                                .await
                            };
                            match coin {
                                Some(Ok(coin)) => drop((took.add(1), coin)),
                                Some(Err(RecvError)) => return,
                                None => place2.pause().await,
                            }
                        }
                    })
                })
                .collect();
            let senders: Vec<_> = (0..2)
                .map(|_| {
                    let (tx, mint) = (tx.clone(), mint.clone());
                    place.go(async move {
                        for _ in 0..n {
                            tx.send(mint.make()).await.unwrap();
                        }
                    })
                })
                .collect();
            drop(tx);
            for s in senders {
                s.join().await;
            }
            for r in receivers {
                r.join().await;
            }
            // A value may have come back to the channel after every receiver looked away for the last time; none is lost.
            drop(rx);
            assert_eq!(took.get(), 2 * n);
            mint.assert_all_dropped_once();
        }
    }
    everywhere!(impatient);
}
