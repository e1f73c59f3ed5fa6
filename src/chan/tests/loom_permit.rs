//! Models of permits: a place that is claimed, given up, used or lost to the close while others want it.
//!
//! What they are not: models of the channel without permits (`loom.rs`).

use ::loom::thread;

use super::Permit;
use super::loom_models::{chan, next, value};
use crate::shim::model_with;
use crate::wait::loom_models::{Count, block_on, poll};

#[test]
fn loom_reserve_cancelled_v_grant() {
    model_with(3, || {
        let (tx, rx) = chan(1);
        assert!(tx.try_send(value(1)).is_ok());
        let ((_, leaves), (count, stays)) = (Count::new(), Count::new());
        let (mut reserve, mut send) = (Box::pin(tx.reserve()), Box::pin(tx.send(value(2))));
        assert!(poll(reserve.as_mut(), &leaves).is_pending());
        assert!(poll(send.as_mut(), &stays).is_pending());
        let receiver = {
            let rx = rx.clone();
            thread::spawn(move || next(&rx))
        };
        drop(reserve);
        assert_eq!(receiver.join().unwrap(), Some(1));
        // Whichever came first, the place is the send's now.
        assert_eq!(count.get(), 1);
        assert!(poll(send.as_mut(), &stays).is_ready());
        assert_eq!(next(&rx), Some(2));
        drop(send);
    });
}

#[test]
fn loom_permit_dropped_v_send_cancelled() {
    model_with(3, || {
        let (tx, rx) = chan(1);
        let permit_tx = tx.clone();
        let (_, waker) = Count::new();
        let permit = permit_tx.try_reserve().unwrap();
        let mut send = Box::pin(tx.send(value(1)));
        assert!(poll(send.as_mut(), &waker).is_pending());
        std::mem::forget(permit);
        let dropper = thread::spawn(move || drop(Permit::new(&permit_tx.chan)));
        drop(send);
        dropper.join().unwrap();
        let received = next(&rx);
        assert!(received.is_none_or(|n| n == 1));
        assert!(tx.try_send(value(2)).is_ok(), "the place is free again");
        assert_eq!(next(&rx), Some(2));
    });
}

#[test]
fn loom_permit_v_cancel_at_capacity_0() {
    model_with(3, || {
        let (tx, rx) = chan(0);
        let permit_tx = tx.clone();
        let (_, waker) = Count::new();
        let mut recv = Box::pin(rx.recv());
        assert!(poll(recv.as_mut(), &waker).is_pending());
        std::mem::forget(permit_tx.try_reserve().unwrap());
        let user = thread::spawn(move || {
            let permit = Permit::new(&permit_tx.chan);
            assert!(permit.send(value(7)).is_ok());
        });
        drop(recv);
        user.join().unwrap();
        assert_eq!(next(&rx), Some(7));
        assert!(tx.try_send(value(8)).is_err());
    });
}

#[test]
fn loom_permit_v_close() {
    model_with(3, || {
        let (tx, rx) = chan(1);
        let closer = thread::spawn(move || rx.close());
        if let Ok(permit) = block_on(tx.reserve()) {
            let _sent_or_back = permit.send(value(1));
        }
        assert!(closer.join().unwrap());
        assert!(tx.try_reserve().is_err());
    });
}

/// A value that waits behind a permit is found while the permit is given up.
#[test]
fn loom_look_v_permit_given_up() {
    model_with(3, || {
        let (tx, rx) = chan(1);
        let permit_tx = tx.clone();
        std::mem::forget(permit_tx.try_reserve().unwrap());
        let (_, waker) = Count::new();
        let mut send = Box::pin(tx.send(value(1)));
        assert!(poll(send.as_mut(), &waker).is_pending());
        let dropper = thread::spawn(move || drop(Permit::new(&permit_tx.chan)));
        assert_eq!(next(&rx), Some(1));
        dropper.join().unwrap();
        assert!(poll(send.as_mut(), &waker).is_ready());
    });
}
