//! Models of a deadline that passes while a peer does the operation. The time is made by hand and has already come.

use super::*;
use crate::chan::chan;
use crate::time::driver::Driver;
use crate::time::driver::tests::alarm;
use crate::time::enter;
use crate::time::tests::{MS, poll};
use ::loom::thread;

fn check(model: impl Fn() + Send + Sync + 'static) {
    let mut builder = ::loom::model::Builder::new();
    builder.preemption_bound = builder.preemption_bound.or(Some(3));
    builder.max_branches = 10_000;
    builder.check(model);
}

#[test]
fn loom_deadline_of_a_receive_v_send() {
    check(|| {
        let driver = Driver::by_hand();
        let _in = enter(&driver);
        let (_, waker) = alarm();
        let (tx, rx) = chan(0);
        let mut recv = pin!(rx.recv_timeout(MS));
        assert!(poll(recv.as_mut(), &waker).is_pending());
        driver.set_hand(MS);
        let sending = thread::spawn(move || tx.try_send(7).is_ok());
        let received = poll(recv, &waker);
        let sent = sending.join().unwrap();
        let expected = if sent {
            Ok(7)
        } else {
            received_nothing(&received)
        };
        assert_eq!(received, Poll::Ready(expected));
    });
}

/// The sender's drop may come before the deadline is seen.
fn received_nothing(
    received: &Poll<Result<i32, RecvTimeoutError>>,
) -> Result<i32, RecvTimeoutError> {
    match received {
        Poll::Ready(Err(error)) => Err(*error),
        other => panic!("{other:?}"),
    }
}

#[test]
fn loom_deadline_of_a_send_v_receive() {
    check(|| {
        let driver = Driver::by_hand();
        let _in = enter(&driver);
        let (_, waker) = alarm();
        let (tx, rx) = chan(0);
        let mut send = pin!(tx.send_timeout(7, MS));
        assert!(poll(send.as_mut(), &waker).is_pending());
        driver.set_hand(MS);
        let receiving = {
            let rx = rx.clone();
            thread::spawn(move || rx.try_recv().ok())
        };
        let sent = poll(send, &waker);
        match receiving.join().unwrap() {
            Some(7) => assert_eq!(sent, Poll::Ready(Ok(()))),
            None => assert_eq!(sent, Poll::Ready(Err(SendTimeoutError::Timeout(7)))),
            other => panic!("{other:?}"),
        }
    });
}
