//! Sends and receives with a time limit, poll by poll, with a clock made by hand.

use super::*;
use crate::chan;
use crate::time::driver::Driver;
use crate::time::driver::tests::alarm;
use crate::time::tests::{Budget, MS, poll};
use crate::time::{current, enter};
use std::sync::atomic::Ordering::Relaxed;

#[test]
fn a_value_comes_back_at_the_deadline() {
    let driver = Driver::by_hand();
    let _in = enter(&driver);
    let (wakes, waker) = alarm();
    let (tx, rx) = chan(0);
    let mut send = pin!(tx.send_timeout(Box::new(7), MS));
    assert!(poll(send.as_mut(), &waker).is_pending());
    driver.advance(MS);
    assert_eq!(wakes.wakes.load(Relaxed), 1);
    assert_eq!(
        poll(send, &waker),
        Poll::Ready(Err(SendTimeoutError::Timeout(Box::new(7))))
    );
    assert!(
        rx.try_recv().unwrap_err().is_empty(),
        "it has left the queue"
    );
    let mut recv = pin!(rx.recv_timeout(MS));
    assert!(poll(recv.as_mut(), &waker).is_pending());
    driver.advance(MS);
    assert_eq!(
        poll(recv, &waker),
        Poll::Ready(Err(RecvTimeoutError::Timeout))
    );
    assert!(
        tx.try_send(Box::new(8)).unwrap_err().is_full(),
        "it has left the queue"
    );
    assert_eq!(driver.timers(), 0);
}

#[test]
fn what_was_handed_over_before_the_deadline_counts() {
    let driver = Driver::by_hand();
    let _in = enter(&driver);
    let (_, waker) = alarm();
    let (tx, rx) = chan(0);
    let mut send = pin!(tx.send_timeout(1, MS));
    assert!(poll(send.as_mut(), &waker).is_pending());
    assert_eq!(rx.try_recv(), Ok(1));
    driver.advance(MS);
    assert_eq!(poll(send, &waker), Poll::Ready(Ok(())));
    let mut recv = pin!(rx.recv_timeout(MS));
    assert!(poll(recv.as_mut(), &waker).is_pending());
    tx.try_send(2).unwrap();
    driver.advance(MS);
    assert_eq!(poll(recv, &waker), Poll::Ready(Ok(2)));
    assert_eq!(driver.timers(), 0);
}

#[test]
fn a_deadline_that_has_passed_still_allows_one_try() {
    let driver = Driver::by_hand();
    let _in = enter(&driver);
    let (_, waker) = alarm();
    let (tx, rx) = chan(1);
    let past = current::now();
    driver.advance(MS);
    assert_eq!(
        poll(pin!(tx.send_deadline(1, past)), &waker),
        Poll::Ready(Ok(()))
    );
    let full = SendTimeoutError::Timeout(2);
    assert_eq!(
        poll(pin!(tx.send_timeout(2, Duration::ZERO)), &waker),
        Poll::Ready(Err(full))
    );
    assert_eq!(
        poll(pin!(rx.recv_deadline(past)), &waker),
        Poll::Ready(Ok(1))
    );
    let empty = RecvTimeoutError::Timeout;
    assert_eq!(
        poll(pin!(rx.recv_timeout(Duration::ZERO)), &waker),
        Poll::Ready(Err(empty))
    );
}

#[test]
fn without_budget_it_is_not_given_up_untried() {
    let driver = Driver::by_hand();
    let _in = enter(&driver);
    let (_, waker) = alarm();
    let (tx, rx) = chan(1);
    tx.try_send(1).unwrap();
    let mut recv = pin!(rx.recv_timeout(Duration::ZERO));
    let _budget = Budget::of(0);
    assert!(poll(recv.as_mut(), &waker).is_pending());
    let mut send = pin!(tx.send_timeout(2, Duration::ZERO));
    assert!(poll(send.as_mut(), &waker).is_pending());
    running::set_budget(2);
    assert_eq!(poll(recv, &waker), Poll::Ready(Ok(1)));
    assert_eq!(poll(send, &waker), Poll::Ready(Ok(())));
}

#[test]
fn a_close_ends_it_before_the_deadline() {
    let driver = Driver::by_hand();
    let _in = enter(&driver);
    let (wakes, waker) = alarm();
    let (tx, rx) = chan(0);
    let mut send = pin!(tx.send_timeout(1, MS));
    assert!(poll(send.as_mut(), &waker).is_pending());
    rx.close();
    assert_eq!(wakes.wakes.load(Relaxed), 1);
    assert_eq!(
        poll(send, &waker),
        Poll::Ready(Err(SendTimeoutError::Closed(1)))
    );
    assert_eq!(
        poll(pin!(rx.recv_timeout(MS)), &waker),
        Poll::Ready(Err(RecvTimeoutError::Closed))
    );
}

#[test]
fn dropped_in_any_state_it_leaves_nothing() {
    let driver = Driver::by_hand();
    let _in = enter(&driver);
    let (_, waker) = alarm();
    let (tx, rx) = chan(0);
    drop(tx.send_timeout(1, MS));
    {
        let mut recv = pin!(rx.recv_timeout(MS));
        assert!(poll(recv.as_mut(), &waker).is_pending());
    }
    {
        let mut recv = pin!(rx.recv_timeout(MS));
        assert!(poll(recv.as_mut(), &waker).is_pending());
        tx.try_send(2).unwrap();
        driver.advance(MS);
    }
    assert_eq!(rx.try_recv(), Ok(2), "what it was given is still there");
    assert_eq!(driver.timers(), 0);
}

#[test]
fn threads_keep_the_time_themselves() {
    let (tx, rx) = chan(0);
    let begin = Instant::now();
    let back = tx.send_timeout("v", 2 * MS).wait().unwrap_err();
    assert_eq!(back.into_inner(), "v");
    assert!(
        rx.recv_deadline(begin + 4 * MS)
            .wait()
            .unwrap_err()
            .is_timeout()
    );
    assert!(begin.elapsed() >= 4 * MS);
    std::thread::scope(|s| {
        s.spawn(|| tx.send_timeout("w", Duration::MAX).wait().unwrap());
        assert_eq!(rx.recv_timeout(Duration::MAX).wait(), Ok("w"));
    });
    drop(tx);
    assert!(
        rx.recv_timeout(Duration::MAX)
            .wait()
            .unwrap_err()
            .is_closed()
    );
}
