//! Models of selects: what two of them, or one and a peer, can do to each other.
//!
//! What they are not: models of a single wait (`wait/tests/loom.rs`) or of the channel (`chan/tests/loom.rs`).
//!
//! The poll order is as written here (`biased`) or pseudo-random and the same in each run of a model; what loom varies is
//! the order of the threads' steps.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use ::loom::thread;

use crate::shim::model_with;
use crate::wait::loom_models::{Count, block_on, poll};
use crate::{chan, fut, select};

/// Pending at its first poll, ready at every later one: a foreign future that its task wakes for.
struct Later(bool);

impl Future for Later {
    type Output = ();
    fn poll(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<()> {
        match std::mem::replace(&mut self.0, true) {
            true => Poll::Ready(()),
            false => Poll::Pending,
        }
    }
}

/// Each would send on one channel and receive on the other: they must meet on exactly one of them.
#[test]
fn loom_opposing_selects() {
    model_with(2, || {
        let ((tx1, rx1), (tx2, rx2)) = (chan::<u32>(0), chan::<u32>(0));
        // Handles of both sides stay here, so that nothing is closed.
        let keep = (tx1.clone(), rx1.clone(), tx2.clone(), rx2.clone());
        let other = thread::spawn(move || {
            block_on(async {
                select! { biased; r = tx2.send(2) => r.map(|()| 0).unwrap(), v = rx1.recv() => v.unwrap() }
            })
        });
        let mine = block_on(async {
            select! { biased; r = tx1.send(1) => r.map(|()| 0).unwrap(), v = rx2.recv() => v.unwrap() }
        });
        let theirs = other.join().unwrap();
        assert!(matches!((mine, theirs), (0, 1) | (2, 0)), "{mine} {theirs}");
        let (_, rx1, _, rx2) = &keep;
        assert!(
            rx1.try_recv().is_err() && rx2.try_recv().is_err(),
            "nothing is left"
        );
    });
}

/// Both would receive on both channels; one value comes.
#[test]
fn loom_two_selects_one_value() {
    model_with(2, || {
        let ((tx1, rx1), (tx2, rx2)) = (chan::<u32>(0), chan::<u32>(0));
        let (other1, other2) = (rx1.clone(), rx2.clone());
        let (_, waker) = Count::new();
        let mut mine = Box::pin(async {
            select! { v = rx1.recv() => v, v = rx2.recv() => v }
        });
        assert!(poll(mine.as_mut(), &waker).is_pending());
        let other = thread::spawn(move || {
            block_on(async {
                select! { biased; v = other2.recv() => v, v = other1.recv() => v }
            })
            .ok()
        });
        assert!(tx1.try_send(7).is_ok(), "somebody waits all the time");
        let first = poll(mine.as_mut(), &waker);
        assert_eq!(first, Poll::Ready(Ok(7)), "the one who came first");
        drop((tx1, tx2));
        assert_eq!(other.join().unwrap(), None);
    });
}

/// A select that waits on two channels; two peers want it at once. One gets it, the other's value stays.
#[test]
fn loom_two_peers_one_select() {
    model_with(2, || {
        let ((tx1, rx1), (tx2, rx2)) = (chan::<u32>(0), chan::<u32>(0));
        let (count, waker) = Count::new();
        let mut both = Box::pin(async {
            select! { v = rx1.recv() => v.unwrap(), v = rx2.recv() => v.unwrap() }
        });
        assert!(poll(both.as_mut(), &waker).is_pending());
        let keep = tx2.clone();
        let peer = thread::spawn(move || tx2.try_send(2).is_ok());
        let mine = tx1.try_send(1).is_ok();
        let theirs = peer.join().unwrap();
        assert!(mine != theirs, "exactly one is taken");
        assert_eq!(count.get(), 1);
        assert_eq!(
            poll(both.as_mut(), &waker),
            Poll::Ready(if mine { 1 } else { 2 })
        );
        drop(both);
        assert!(
            tx1.try_send(3).is_err() && keep.try_send(3).is_err(),
            "it stands in no queue any more"
        );
    });
}

/// Dropped in mid-wait while a peer gives: the value goes to the receiver behind, who is woken.
#[test]
fn loom_select_cancel_v_hand_off() {
    model_with(3, || {
        let ((tx, rx), (keep, never)) = (chan::<u32>(0), chan::<u32>(0));
        let ((_, leaves), (count, stays)) = (Count::new(), Count::new());
        let mut first = Box::pin(async {
            select! { v = rx.recv() => v, v = never.recv() => v }
        });
        let mut second = Box::pin(rx.recv());
        assert!(poll(first.as_mut(), &leaves).is_pending());
        assert!(poll(second.as_mut(), &stays).is_pending());
        // A close would tell the second one before the value comes back.
        let open = tx.clone();
        let sender = thread::spawn(move || tx.try_send(7).is_ok());
        drop(first);
        assert!(sender.join().unwrap(), "somebody waits all the time");
        assert_eq!(count.get(), 1);
        assert_eq!(poll(second.as_mut(), &stays), Poll::Ready(Ok(7)));
        drop((keep, open));
    });
}

/// Go's TestNonblockSelectRace: one of the two channels has a value at every instant, so the default cannot win.
#[test]
fn loom_default_is_one_instant() {
    model_with(3, || {
        let ((tx1, rx1), (tx2, rx2)) = (chan::<u32>(1), chan::<u32>(1));
        assert!(tx1.try_send(1).is_ok());
        let (taker1, taker2) = (rx1.clone(), rx2.clone());
        let looker = thread::spawn(move || {
            block_on(async {
                select! { biased; v = taker2.recv() => v.is_ok(), v = taker1.recv() => v.is_ok(), default => false }
            })
        });
        assert!(tx2.try_send(2).is_ok());
        let _ = rx1.try_recv();
        assert!(looker.join().unwrap(), "there was a value all the time");
        drop((tx1, tx2, rx2));
    });
}

/// The same channel twice: one value, one arm.
#[test]
fn loom_same_channel_twice() {
    model_with(3, || {
        let (tx, rx) = chan::<u32>(0);
        let keep = tx.clone();
        let sender = thread::spawn(move || tx.try_send(7).is_ok());
        let (_, waker) = Count::new();
        let mut twice = Box::pin(async {
            select! { v = rx.recv() => v, v = rx.recv() => v }
        });
        let first = poll(twice.as_mut(), &waker);
        if sender.join().unwrap() {
            let got = if first.is_ready() {
                first
            } else {
                poll(twice.as_mut(), &waker)
            };
            assert_eq!(got, Poll::Ready(Ok(7)));
        } else {
            assert!(first.is_pending());
        }
        drop(twice);
        assert!(keep.try_send(8).is_err(), "nothing is left in the queue");
    });
}

/// A foreign future becomes ready while a peer gives to the other arm: one of both is the result, and the value is in
/// the result or in the channel.
#[test]
fn loom_effectful_arm_v_claim() {
    model_with(3, || {
        let (tx, rx) = chan::<u32>(0);
        let (_, waker) = Count::new();
        let mut either = Box::pin(async {
            select! { biased; v = rx.recv() => v.ok(), _ = fut(Later(false)) => None }
        });
        assert!(poll(either.as_mut(), &waker).is_pending());
        let sender = thread::spawn(move || (tx.try_send(7).is_ok(), tx));
        let Poll::Ready(got) = poll(either.as_mut(), &waker) else {
            panic!("the foreign future is ready");
        };
        let (sent, tx) = sender.join().unwrap();
        assert_eq!(got, sent.then_some(7));
        drop(either);
        assert!(rx.is_empty() && tx.try_send(8).is_err());
    });
}

/// Closed while it is polled for the first time: told at once, or woken.
#[test]
fn loom_select_v_close() {
    model_with(3, || {
        let ((tx, rx), (_keep, never)) = (chan::<u32>(0), chan::<u32>(0));
        let closer = thread::spawn(move || drop(tx));
        let got = block_on(async {
            select! { v = never.recv() => v.is_err(), v = rx.recv() => v.is_err() }
        });
        assert!(got);
        closer.join().unwrap();
    });
}

/// Polled again with a new waker while a peer claims: the new one is woken, or the result is there.
#[test]
fn loom_select_new_waker_v_claim() {
    model_with(3, || {
        let ((tx, rx), (_keep, never)) = (chan::<u32>(0), chan::<u32>(0));
        let ((_, old), (count, new)) = (Count::new(), Count::new());
        let mut both = Box::pin(async {
            select! { v = never.recv() => v.ok(), v = rx.recv() => v.ok() }
        });
        assert!(poll(both.as_mut(), &old).is_pending());
        let sender = thread::spawn(move || (tx.try_send(7).is_ok(), tx));
        let first = poll(both.as_mut(), &new);
        let (sent, _tx) = sender.join().unwrap();
        assert!(sent, "somebody waits all the time");
        if first.is_pending() {
            assert_eq!(count.get(), 1);
            assert_eq!(poll(both.as_mut(), &new), Poll::Ready(Some(7)));
        } else {
            assert_eq!(first, Poll::Ready(Some(7)));
        }
    });
}
