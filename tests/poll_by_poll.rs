//! Poll by poll: who is woken, in what order and by which poll. One thread, no executor, so every step is the test's own.
//!
//! What happens when a future is dropped between two polls is `cancel.rs`.

#![cfg(feature = "rt")]

mod common;

use common::waker::{counting, now, poll_with};
use gochan::{
    Receiver, RecvError, SendError, Sender, TryRecvError, TrySendError, chan, never, select,
    unbounded,
};
use std::pin::pin;
use tokio_test::{assert_pending, assert_ready, assert_ready_eq, assert_ready_ok, task};

mod receive {
    use super::*;

    #[test]
    fn ready_at_first_poll() {
        let (tx, rx) = chan(1);
        tx.try_send(5).unwrap();
        let mut r = task::spawn(rx.recv());
        assert_ready_eq!(r.poll(), Ok(5));
        assert!(!r.is_woken());
    }

    #[test]
    fn nothing_happens_before_the_first_poll() {
        let (tx, rx) = chan::<u8>(1);
        let r = rx.recv();
        tx.try_send(1).unwrap();
        assert_eq!(rx.len(), 1);
        assert_eq!(
            now(rx.recv()),
            Ok(1),
            "an unpolled receive stands in no queue"
        );
        drop(r);
    }

    #[test]
    fn a_send_wakes_once() {
        for cap in [0, 1] {
            let (tx, rx) = chan(cap);
            let mut r = task::spawn(rx.recv());
            assert_pending!(r.poll());
            assert!(!r.is_woken());
            tx.try_send(1).unwrap();
            assert!(r.is_woken());
            assert_ready_eq!(r.poll(), Ok(1));
        }
    }

    /// The value is the waiter's from the moment of the send: nobody who comes later can have it.
    #[test]
    fn no_barging_past_a_waiting_receiver() {
        for cap in [0, 1, 3] {
            let (tx, rx) = chan(cap);
            let mut waiting = task::spawn(rx.recv());
            assert_pending!(waiting.poll());
            tx.try_send(1).unwrap();
            assert_eq!(rx.try_recv(), Err(TryRecvError::Empty));
            assert_eq!(rx.len(), 0);
            let mut late = task::spawn(rx.recv());
            assert_pending!(late.poll());
            assert_ready_eq!(waiting.poll(), Ok(1));
            tx.try_send(2).unwrap();
            assert_ready_eq!(late.poll(), Ok(2));
        }
    }

    #[test]
    fn waiters_are_served_in_order() {
        for cap in [0, 2] {
            let (tx, rx) = chan(cap);
            let mut waiting: Vec<_> = (0..5).map(|_| task::spawn(rx.recv())).collect();
            for r in &mut waiting {
                assert_pending!(r.poll());
            }
            for i in 0..5 {
                tx.try_send(i).unwrap();
                let woken: Vec<_> = waiting.iter().map(|r| r.is_woken()).collect();
                assert_eq!(woken.iter().filter(|w| **w).count(), i + 1);
                assert!(woken[..=i].iter().all(|w| *w), "{woken:?}");
            }
            // Collected in another order than given.
            for (i, r) in waiting.iter_mut().enumerate().rev() {
                assert_ready_eq!(r.poll(), Ok(i));
            }
        }
    }

    #[test]
    fn a_poll_without_news_stays_in_place() {
        let (tx, rx) = chan(0);
        let mut a = task::spawn(rx.recv());
        let mut b = task::spawn(rx.recv());
        assert_pending!(a.poll());
        assert_pending!(b.poll());
        assert_pending!(a.poll());
        tx.try_send(1).unwrap();
        assert!(a.is_woken() && !b.is_woken());
        tx.try_send(2).unwrap();
        assert_ready_eq!(a.poll(), Ok(1));
        assert_ready_eq!(b.poll(), Ok(2));
    }

    #[test]
    fn the_newest_waker_is_woken() {
        let (tx, rx) = chan(0);
        let (old, old_waker) = counting();
        let (new, new_waker) = counting();
        let mut r = pin!(rx.recv());
        assert_pending!(poll_with(r.as_mut(), &old_waker));
        assert_pending!(poll_with(r.as_mut(), &new_waker));
        tx.try_send(1).unwrap();
        assert_eq!((old.wakes(), new.wakes()), (0, 1));
        assert_eq!(old.alive(), 1, "the replaced waker is let go");
        assert_ready_eq!(poll_with(r.as_mut(), &old_waker), Ok(1));
        assert_eq!(
            (old.alive(), new.alive()),
            (1, 1),
            "no waker outlives the wait"
        );
    }

    #[test]
    fn close_wakes_every_receiver() {
        let (tx, rx) = chan::<u8>(0);
        let mut waiting: Vec<_> = (0..4).map(|_| task::spawn(rx.recv())).collect();
        for r in &mut waiting {
            assert_pending!(r.poll());
        }
        assert!(tx.close());
        for r in &mut waiting {
            assert!(r.is_woken());
            assert_ready_eq!(r.poll(), Err(RecvError));
        }
    }

    #[test]
    fn the_last_sender_closes() {
        let (tx, rx) = chan::<u8>(1);
        let tx2 = tx.clone();
        let mut r = task::spawn(rx.recv());
        assert_pending!(r.poll());
        drop(tx);
        assert!(!r.is_woken());
        tx2.try_send(1).unwrap();
        drop(tx2);
        assert_ready_eq!(r.poll(), Ok(1));
        assert_eq!(now(rx.recv()), Err(RecvError));
        assert!(rx.is_closed());
    }

    /// A value given before the close is received after it, and not lost to it.
    #[test]
    fn given_then_closed() {
        let (tx, rx) = chan(0);
        let mut r = task::spawn(rx.recv());
        assert_pending!(r.poll());
        tx.try_send(1).unwrap();
        drop(tx);
        assert_ready_eq!(r.poll(), Ok(1));
    }
}

mod send {
    use super::*;

    #[test]
    fn nothing_happens_before_the_first_poll() {
        let (tx, rx) = chan(1);
        let s = tx.send(1);
        assert_eq!((tx.len(), rx.try_recv()), (0, Err(TryRecvError::Empty)));
        drop(s);
        assert_eq!(rx.len(), 0);
    }

    #[test]
    fn a_receive_wakes_the_sender() {
        let (tx, rx) = chan(0);
        let mut s = task::spawn(tx.send(1));
        assert_pending!(s.poll());
        assert_eq!(rx.try_recv(), Ok(1));
        assert!(s.is_woken());
        assert_ready_eq!(s.poll(), Ok(()));
    }

    /// The first sender's value enters the buffer in the step that takes the oldest out: order is kept, and there is never
    /// a free place for others while someone waits.
    #[test]
    fn a_receive_lets_the_first_sender_in() {
        let (tx, rx) = chan(2);
        tx.try_send(0).unwrap();
        tx.try_send(1).unwrap();
        let mut a = task::spawn(tx.send(2));
        let mut b = task::spawn(tx.send(3));
        assert_pending!(a.poll());
        assert_pending!(b.poll());
        assert_eq!(rx.try_recv(), Ok(0));
        assert!(a.is_woken() && !b.is_woken());
        assert_eq!(tx.try_send(9), Err(TrySendError::Full(9)));
        assert_eq!(rx.len(), 2);
        assert_ready_eq!(a.poll(), Ok(()));
        for expected in 1..4 {
            assert_eq!(rx.try_recv(), Ok(expected));
        }
        assert_ready_eq!(b.poll(), Ok(()));
    }

    #[test]
    fn no_barging_past_a_waiting_sender() {
        let (tx, rx) = chan(0);
        let mut first = task::spawn(tx.send(1));
        assert_pending!(first.poll());
        assert_eq!(tx.try_send(2), Err(TrySendError::Full(2)));
        let mut second = task::spawn(tx.send(2));
        assert_pending!(second.poll());
        assert_eq!(rx.try_recv(), Ok(1));
        assert_eq!(rx.try_recv(), Ok(2));
        assert_ready_ok!(first.poll());
        assert_ready_ok!(second.poll());
    }

    #[test]
    fn the_newest_waker_is_woken() {
        let (tx, rx) = chan(0);
        let (old, old_waker) = counting();
        let (new, new_waker) = counting();
        let mut s = pin!(tx.send(1));
        assert_pending!(poll_with(s.as_mut(), &old_waker));
        assert_pending!(poll_with(s.as_mut(), &new_waker));
        assert_eq!(rx.try_recv(), Ok(1));
        assert_eq!((old.wakes(), new.wakes()), (0, 1));
        assert_ready_ok!(poll_with(s.as_mut(), &new_waker));
        assert_eq!((old.alive(), new.alive()), (1, 1));
    }

    #[test]
    fn close_gives_every_value_back() {
        let (tx, rx) = chan(1);
        tx.try_send(0).unwrap();
        let mut waiting: Vec<_> = (1..4).map(|i| task::spawn(tx.send(i))).collect();
        for s in &mut waiting {
            assert_pending!(s.poll());
        }
        assert!(rx.close());
        for (s, i) in waiting.iter_mut().zip(1..) {
            assert!(s.is_woken());
            assert_ready_eq!(s.poll(), Err(SendError(i)));
        }
        assert_eq!(rx.try_recv(), Ok(0), "what was in the buffer stays");
        assert_eq!(rx.try_recv(), Err(TryRecvError::Closed));
    }

    #[test]
    fn the_last_receiver_gives_every_value_back() {
        let (tx, rx) = chan(0);
        let rx2 = rx.clone();
        let mut s = task::spawn(tx.send(1));
        assert_pending!(s.poll());
        drop(rx);
        assert!(!s.is_woken());
        drop(rx2);
        assert!(s.is_woken());
        assert_ready_eq!(s.poll(), Err(SendError(1)));
        assert_eq!(tx.try_send(2), Err(TrySendError::Closed(2)));
        assert!(tx.is_closed());
    }

    #[test]
    fn unbounded_never_waits() {
        let (tx, rx) = unbounded();
        for i in 0..10_000 {
            assert_eq!(now(tx.send(i)), Ok(()));
        }
        for i in 0..10_000 {
            assert_eq!(rx.try_recv(), Ok(i));
        }
        let mut r = task::spawn(rx.recv());
        assert_pending!(r.poll());
        tx.try_send(1).unwrap();
        assert_ready_eq!(r.poll(), Ok(1));
    }
}

mod permits {
    use super::*;

    /// The value of a permit that found nobody is younger than one that comes back later but was handed out before.
    #[test]
    fn what_comes_back_keeps_its_order() {
        let (tx, rx) = chan(0);
        let (mut first, mut second) = (task::spawn(rx.recv()), task::spawn(rx.recv()));
        assert_pending!(first.poll());
        let permit = tx.try_reserve().unwrap();
        assert_pending!(second.poll());
        tx.try_send(1).unwrap();
        drop(second);
        permit.send(2).unwrap();
        drop(first);
        assert_eq!((rx.try_recv(), rx.try_recv()), (Ok(1), Ok(2)));
    }

    /// Where permits have taken all room, a value behind a wish for one is there to be received, before later ones.
    #[test]
    fn a_value_behind_a_wish_is_received() {
        let (tx, rx) = chan(1);
        let permit = tx.try_reserve().unwrap();
        let (mut wish, mut send) = (task::spawn(tx.reserve()), task::spawn(tx.send(1)));
        assert_pending!(wish.poll());
        assert_pending!(send.poll());
        assert!(tx.try_send(2).unwrap_err().is_full());
        assert_eq!(now(rx.recv()), Ok(1));
        assert_ready_ok!(send.poll());
        assert_pending!(wish.poll());
        drop(permit);
        let _permit = assert_ready_ok!(wish.poll());
    }

    #[test]
    fn a_permit_is_room_that_is_kept() {
        let (tx, rx) = chan(1);
        let permit = now(tx.reserve()).unwrap();
        assert_eq!(tx.try_send(9), Err(TrySendError::Full(9)));
        assert_eq!(rx.try_recv(), Err(TryRecvError::Empty));
        permit.send(1).unwrap();
        assert_eq!(rx.try_recv(), Ok(1));
    }

    #[test]
    fn an_unused_permit_gives_its_room_to_the_next() {
        let (tx, rx) = chan(1);
        let permit = tx.try_reserve().unwrap();
        assert!(matches!(tx.try_reserve(), Err(TrySendError::Full(()))));
        let mut s = task::spawn(tx.send(2));
        let mut r = task::spawn(tx.reserve());
        assert_pending!(s.poll());
        assert_pending!(r.poll());
        drop(permit);
        assert!(s.is_woken() && !r.is_woken());
        assert_ready_ok!(s.poll());
        assert_eq!(rx.try_recv(), Ok(2));
        assert!(r.is_woken());
        assert_ready_ok!(r.poll()).send(3).unwrap();
        assert_eq!(rx.try_recv(), Ok(3));
    }

    #[test]
    fn a_permit_sends_to_a_waiting_receiver() {
        let (tx, rx) = chan(1);
        let permit = tx.try_reserve().unwrap();
        let mut r = task::spawn(rx.recv());
        assert_pending!(r.poll());
        permit.send(1).unwrap();
        assert!(r.is_woken());
        assert_ready_eq!(r.poll(), Ok(1));
        assert!(tx.try_reserve().is_ok(), "its room is free again");
    }

    /// A permit's value that goes straight to a receiver leaves its place in the buffer free for the next that waits.
    #[test]
    fn a_permit_that_needs_no_place_gives_it_on() {
        let (tx, rx) = chan(1);
        let permit = tx.try_reserve().unwrap();
        let mut r = task::spawn(rx.recv());
        assert_pending!(r.poll());
        let mut next = task::spawn(tx.reserve());
        assert_pending!(next.poll());
        permit.send(1).unwrap();
        assert_ready_eq!(r.poll(), Ok(1));
        assert!(next.is_woken());
        assert_ready_ok!(next.poll()).send(2).unwrap();
        assert_eq!(rx.try_recv(), Ok(2));
    }

    /// With no buffer a permit stands for one value; a receiver that waits shows there is someone to take it.
    #[test]
    fn rendezvous() {
        let (tx, rx) = chan::<u8>(0);
        assert!(matches!(tx.try_reserve(), Err(TrySendError::Full(()))));
        let mut reserve = task::spawn(tx.reserve());
        assert_pending!(reserve.poll());
        let mut r = task::spawn(rx.recv());
        assert_pending!(r.poll());
        assert!(reserve.is_woken());
        assert_ready_ok!(reserve.poll()).send(7).unwrap();
        assert!(r.is_woken());
        assert_ready_eq!(r.poll(), Ok(7));
    }

    #[test]
    fn closed() {
        let (tx, rx) = chan::<u8>(1);
        let held = tx.try_reserve().unwrap();
        let mut waiting = task::spawn(tx.reserve());
        assert_pending!(waiting.poll());
        rx.close();
        assert!(waiting.is_woken());
        assert!(matches!(assert_ready!(waiting.poll()), Err(SendError(()))));
        assert!(matches!(tx.try_reserve(), Err(TrySendError::Closed(()))));
        drop(held);
        assert_eq!(rx.try_recv(), Err(TryRecvError::Closed));
    }
}

mod many {
    use super::*;

    #[test]
    fn takes_what_is_there_up_to_the_limit() {
        let (tx, rx) = chan(8);
        for i in 0..5 {
            tx.try_send(i).unwrap();
        }
        let mut got = Vec::new();
        assert_eq!(now(rx.recv_many(&mut got, 3)), 3);
        assert_eq!(now(rx.recv_many(&mut got, 100)), 2);
        assert_eq!(got, [0, 1, 2, 3, 4]);
        assert_eq!(now(rx.recv_many(&mut got, 0)), 0);
        let mut waiting = task::spawn(rx.recv_many(&mut got, 10));
        assert_pending!(waiting.poll());
        tx.try_send(5).unwrap();
        assert!(waiting.is_woken());
        assert_ready_eq!(waiting.poll(), 1);
        drop(waiting);
        tx.try_send(6).unwrap();
        drop(tx);
        assert_eq!(now(rx.recv_many(&mut got, 10)), 1);
        assert_eq!(now(rx.recv_many(&mut got, 10)), 0);
        assert_eq!(got, [0, 1, 2, 3, 4, 5, 6]);
    }

    /// Emptying a full buffer lets in as many of those who wait as there is room for, in their order.
    #[test]
    fn lets_waiting_senders_in() {
        let (tx, rx) = chan(2);
        tx.try_send(0).unwrap();
        tx.try_send(1).unwrap();
        let mut waiting: Vec<_> = (2..5).map(|i| task::spawn(tx.send(i))).collect();
        for s in &mut waiting {
            assert_pending!(s.poll());
        }
        let mut got = Vec::new();
        let n = now(rx.recv_many(&mut got, 2));
        assert_eq!((n, got.as_slice()), (2, &[0, 1][..]));
        let woken: Vec<_> = waiting.iter().map(|s| s.is_woken()).collect();
        assert_eq!(woken, [true, true, false]);
        while got.len() < 5 {
            assert!(now(rx.recv_many(&mut got, 10)) > 0);
        }
        assert_eq!(got, [0, 1, 2, 3, 4]);
        for s in &mut waiting {
            assert_ready_ok!(s.poll());
        }
    }

    #[test]
    fn meets_senders_without_a_buffer() {
        let (tx, rx) = chan(0);
        let mut a = task::spawn(tx.send(1));
        let mut b = task::spawn(tx.send(2));
        assert_pending!(a.poll());
        assert_pending!(b.poll());
        let mut got = Vec::new();
        while got.len() < 2 {
            assert!(now(rx.recv_many(&mut got, 10)) > 0);
        }
        assert_eq!(got, [1, 2]);
        assert_ready_ok!(a.poll());
        assert_ready_ok!(b.poll());
    }

    #[test]
    fn drain_and_try_iter_end_where_it_would_wait() {
        let (tx, rx) = chan(4);
        for i in 0..4 {
            tx.try_send(i).unwrap();
        }
        let mut s = task::spawn(tx.send(4));
        assert_pending!(s.poll());
        let mut got: Vec<_> = rx.try_iter().take(2).collect();
        got.extend(rx.drain());
        got.extend(rx.try_iter());
        assert_eq!(got, [0, 1, 2, 3, 4]);
        assert_ready_ok!(s.poll());
        assert!(!rx.is_closed());
    }
}

mod handles {
    use super::*;

    #[test]
    fn closed_future() {
        let (tx, rx) = chan::<u8>(1);
        let mut closed = task::spawn(tx.closed());
        let mut closed2 = task::spawn(tx.closed());
        assert_pending!(closed.poll());
        assert_pending!(closed2.poll());
        tx.try_send(1).unwrap();
        assert!(!closed.is_woken());
        let rx2 = rx.clone();
        drop(rx);
        assert!(!closed.is_woken());
        drop(rx2);
        assert!(closed.is_woken() && closed2.is_woken());
        assert_ready!(closed.poll());
        assert_ready!(closed2.poll());
        now(tx.closed());
    }

    #[test]
    fn closed_by_close() {
        let (tx, rx) = chan::<u8>(0);
        let mut closed = task::spawn(tx.closed());
        assert_pending!(closed.poll());
        rx.close();
        assert!(closed.is_woken());
        assert_ready!(closed.poll());
    }

    #[test]
    fn counts() {
        let (tx, rx) = chan::<u8>(0);
        assert_eq!((tx.sender_count(), tx.receiver_count()), (1, 1));
        let (tx2, rx2, rx3) = (tx.clone(), rx.clone(), rx.clone());
        assert_eq!((rx.sender_count(), rx.receiver_count()), (2, 3));
        assert!(tx.same_channel(&tx2) && rx.same_channel(&rx2));
        let (other, _) = chan::<u8>(0);
        assert!(!tx.same_channel(&other));
        drop((tx2, rx2, rx3));
        assert_eq!((tx.sender_count(), tx.receiver_count()), (1, 1));
    }

    #[test]
    fn weak_handles_do_not_hold_a_channel_open() {
        let (tx, rx) = chan::<u8>(1);
        let (weak_tx, weak_rx) = (tx.downgrade(), rx.downgrade());
        assert_eq!((tx.sender_count(), tx.receiver_count()), (1, 1));
        let again: Sender<u8> = weak_tx.upgrade().unwrap();
        assert_eq!(tx.sender_count(), 2);
        again.try_send(1).unwrap();
        let mut closed = task::spawn(again.closed());
        assert_pending!(closed.poll());
        drop(rx);
        assert_ready!(closed.poll());
        assert!(
            weak_rx.upgrade().is_none(),
            "no receiver comes back after the last"
        );
        drop(closed);
        drop((tx, again));
        assert!(weak_tx.upgrade().is_none());
    }

    #[test]
    fn weak_receiver() {
        let (tx, rx) = chan::<u8>(1);
        let weak = rx.downgrade();
        let again: Receiver<u8> = weak.upgrade().unwrap();
        drop(rx);
        tx.try_send(4).unwrap();
        assert_eq!(again.try_recv(), Ok(4));
        let mut r = task::spawn(again.recv());
        assert_pending!(r.poll());
        let weak_tx = tx.downgrade();
        drop(tx);
        assert!(r.is_woken());
        assert_ready_eq!(r.poll(), Err(RecvError));
        assert!(weak_tx.upgrade().is_none());
    }

    #[test]
    fn never_is_never() {
        let rx = never::<u8>();
        let mut r = task::spawn(rx.recv());
        assert_pending!(r.poll());
        assert_eq!(rx.try_recv(), Err(TryRecvError::Empty));
        assert!(rx.is_empty() && !rx.is_closed());
        assert_pending!(r.poll());
    }

    #[test]
    fn stats_count_what_happened() {
        let (tx, rx) = chan::<u8>(1);
        tx.try_send(1).unwrap();
        let mut s = task::spawn(tx.send(2));
        assert_pending!(s.poll());
        assert_eq!(now(rx.recv()), Ok(1));
        assert_ready_ok!(s.poll());
        assert_eq!(now(rx.recv()), Ok(2));
        let mut r = task::spawn(rx.recv());
        assert_pending!(r.poll());
        tx.try_send(3).unwrap();
        assert_ready_eq!(r.poll(), Ok(3));
        let stats = rx.stats();
        assert_eq!((stats.len, stats.capacity), (0, Some(1)));
        assert_eq!((stats.sent, stats.received), (3, 3));
        assert_eq!((stats.send_waits, stats.recv_waits), (1, 1));
    }
}

mod stream {
    use super::*;
    use futures::StreamExt;

    #[test]
    fn items_then_end() {
        let (tx, rx) = chan(2);
        let mut items = Box::pin(rx.stream());
        let mut next = task::spawn(items.next());
        assert_pending!(next.poll());
        tx.try_send(1).unwrap();
        assert!(next.is_woken());
        assert_ready_eq!(next.poll(), Some(1));
        drop(next);
        tx.try_send(2).unwrap();
        drop(tx);
        assert_eq!(now(items.next()), Some(2));
        assert_eq!(now(items.next()), None);
        assert_eq!(now(items.next()), None);
    }

    #[test]
    fn iterators_that_block() {
        common::watch(|| {
            let (tx, rx) = chan(0);
            let sender =
                std::thread::spawn(move || (0..6).for_each(|i| tx.send_blocking(i).unwrap()));
            assert_eq!(rx.iter().take(2).collect::<Vec<_>>(), [0, 1]);
            assert_eq!((&rx).into_iter().take(2).collect::<Vec<_>>(), [2, 3]);
            assert_eq!(rx.into_iter().collect::<Vec<_>>(), [4, 5]);
            sender.join().unwrap();
        });
    }
}

mod selects {
    use super::*;

    #[test]
    fn any_arm_wakes_and_the_others_are_left() {
        let (a, ra) = chan::<u8>(0);
        let (b, rb) = chan::<u8>(0);
        for winner in [0, 1] {
            let mut s = task::spawn(async {
                select! { v = ra.recv() => (0, v), v = rb.recv() => (1, v) }
            });
            assert_pending!(s.poll());
            let (win, lose) = if winner == 0 { (&a, &b) } else { (&b, &a) };
            win.try_send(7).unwrap();
            assert!(s.is_woken());
            // The other arm was claimed with it: its channel finds nobody, even before the select is polled.
            assert_eq!(lose.try_send(8), Err(TrySendError::Full(8)));
            assert_ready_eq!(s.poll(), (winner, Ok(7)));
            assert_eq!(win.try_send(9), Err(TrySendError::Full(9)));
        }
    }

    #[test]
    fn a_send_arm_gives_its_value_only_when_it_wins() {
        let (a, ra) = chan::<u8>(0);
        let (b, rb) = chan::<u8>(0);
        let mut s = task::spawn(async {
            select! { r = a.send(1) => (0, r), r = b.send(2) => (1, r) }
        });
        assert_pending!(s.poll());
        assert_eq!(rb.try_recv(), Ok(2));
        assert_eq!(ra.try_recv(), Err(TryRecvError::Empty));
        assert!(s.is_woken());
        assert_ready_eq!(s.poll(), (1, Ok(())));
        assert_eq!(ra.try_recv(), Err(TryRecvError::Empty));
    }

    /// Two selects that face each other meet in the poll of the second.
    #[test]
    fn select_meets_select() {
        let (a, ra) = chan::<u8>(0);
        let (b, rb) = chan::<u8>(0);
        let mut one = task::spawn(async {
            select! { r = a.send(1) => r.map(|()| 0), v = rb.recv() => Ok(v.unwrap()) }
        });
        let mut two = task::spawn(async {
            select! { r = b.send(2) => r.map(|()| 0), v = ra.recv() => Ok(v.unwrap()) }
        });
        assert_pending!(one.poll());
        let second = assert_ready!(two.poll()).unwrap();
        assert!(one.is_woken());
        let first = assert_ready!(one.poll()).unwrap();
        assert!(
            (first, second) == (0, 1) || (first, second) == (2, 0),
            "{first} {second}"
        );
    }

    #[test]
    fn keeps_its_place_among_the_waiting() {
        let (tx, rx) = chan::<u8>(0);
        let (_other, other) = chan::<u8>(0);
        let mut first = task::spawn(rx.recv());
        assert_pending!(first.poll());
        let mut s = task::spawn(async {
            select! { v = rx.recv() => v, v = other.recv() => v }
        });
        assert_pending!(s.poll());
        let mut last = task::spawn(rx.recv());
        assert_pending!(last.poll());
        assert_pending!(s.poll());
        for i in 1..4 {
            tx.try_send(i).unwrap();
        }
        assert_ready_eq!(first.poll(), Ok(1));
        assert_ready_eq!(s.poll(), Ok(2));
        assert_ready_eq!(last.poll(), Ok(3));
    }

    #[test]
    fn the_newest_waker_is_woken_for_any_arm() {
        let (a, ra) = chan::<u8>(0);
        let (b, rb) = chan::<u8>(0);
        for win in [&a, &b] {
            let (old, old_waker) = counting();
            let (new, new_waker) = counting();
            {
                let mut s = pin!(async {
                    select! { v = ra.recv() => v, v = rb.recv() => v }
                });
                assert_pending!(poll_with(s.as_mut(), &old_waker));
                assert_pending!(poll_with(s.as_mut(), &new_waker));
                win.try_send(1).unwrap();
                assert_eq!((old.wakes(), new.wakes()), (0, 1));
                assert_ready_eq!(poll_with(s.as_mut(), &new_waker), Ok(1));
            }
            assert_eq!(
                (old.alive(), new.alive()),
                (1, 1),
                "no waker outlives the wait"
            );
        }
    }

    #[test]
    fn close_wakes_the_arm_with_an_error() {
        let (a, ra) = chan::<u8>(0);
        let (b, rb) = chan::<u8>(0);
        let mut s = task::spawn(async {
            select! { v = ra.recv() => v.map_err(|_| 0), r = b.send(1) => r.map(|()| 1).map_err(|e| e.0) }
        });
        assert_pending!(s.poll());
        rb.close();
        assert!(s.is_woken());
        assert_ready_eq!(s.poll(), Err(1));
        let mut s = task::spawn(async {
            select! { v = ra.recv() => v.is_err(), _ = never::<u8>().recv() => false }
        });
        assert_pending!(s.poll());
        drop(a);
        assert!(s.is_woken());
        assert_ready_eq!(s.poll(), true);
    }

    /// A permit arm that loses takes no room with it.
    #[test]
    fn reserve_arm() {
        let (tx, rx) = chan::<u8>(1);
        let (other, rother) = chan::<u8>(0);
        tx.try_send(0).unwrap();
        let mut s = task::spawn(async {
            select! {
                p = tx.reserve() => { p.unwrap().send(1).unwrap(); 'p' }
                _ = rother.recv() => 'o',
            }
        });
        assert_pending!(s.poll());
        other.try_send(1).unwrap();
        assert_ready_eq!(s.poll(), 'o');
        drop(s);
        assert_eq!(rx.try_recv(), Ok(0));
        tx.try_send(2).unwrap();
        let mut s = task::spawn(async {
            select! {
                p = tx.reserve() => { p.unwrap().send(3).unwrap(); 'p' }
                _ = rother.recv() => 'o',
            }
        });
        assert_pending!(s.poll());
        assert_eq!(rx.try_recv(), Ok(2));
        assert!(s.is_woken());
        assert_ready_eq!(s.poll(), 'p');
        assert_eq!(rx.try_recv(), Ok(3));
    }
}

mod blocking_forms {
    use super::*;
    use gochan::{RecvTimeoutError, SendTimeoutError};
    use std::time::{Duration, Instant};

    #[test]
    fn timeouts_give_the_value_back() {
        common::watch(|| {
            let (tx, rx) = chan::<u8>(0);
            let short = Duration::from_millis(1);
            assert_eq!(
                tx.send_timeout(1, short).wait(),
                Err(SendTimeoutError::Timeout(1))
            );
            assert_eq!(
                rx.recv_timeout(short).wait(),
                Err(RecvTimeoutError::Timeout)
            );
            let past = Instant::now();
            assert_eq!(
                tx.send_deadline(2, past).wait(),
                Err(SendTimeoutError::Timeout(2))
            );
            assert_eq!(
                rx.recv_deadline(past).wait(),
                Err(RecvTimeoutError::Timeout)
            );
            assert_eq!(rx.try_recv(), Err(TryRecvError::Empty), "no trace is left");
            rx.close();
            assert_eq!(
                tx.send_timeout(3, short).wait(),
                Err(SendTimeoutError::Closed(3))
            );
            assert_eq!(rx.recv_timeout(short).wait(), Err(RecvTimeoutError::Closed));
        });
    }

    /// A value that is there is taken even at a deadline that has passed.
    #[test]
    fn ready_beats_the_deadline() {
        common::watch(|| {
            let (tx, rx) = chan::<u8>(1);
            let past = Instant::now();
            assert_eq!(tx.send_deadline(1, past).wait(), Ok(()));
            assert_eq!(rx.recv_deadline(past).wait(), Ok(1));
            drop(tx);
            assert_eq!(
                rx.recv_timeout(Duration::MAX).wait(),
                Err(RecvTimeoutError::Closed)
            );
        });
    }
}
