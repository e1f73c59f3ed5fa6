//! `SelectList`: its indices, and that nothing is lost when a wait is given up.

use std::cell::Cell;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use gochan::select::Next;
use gochan::{RecvError, SelectList, SendError, chan, fut, never};
use static_assertions::{assert_impl_all, assert_not_impl_any};
use tokio_test::{assert_pending, assert_ready_eq, task};

assert_impl_all!(SelectList<'static, Cell<u8>>: Send, Unpin);
assert_impl_all!(Next<'static, 'static, Cell<u8>>: Send);
assert_not_impl_any!(SelectList<'static, u8>: Sync);
assert_not_impl_any!(Next<'static, 'static, u8>: Unpin);
// Its arms hold no output before they win, and then it is the caller's.
assert_impl_all!(SelectList<'static, Rc<u8>>: Send);

#[test]
fn an_index_is_free_when_its_arm_has_won() {
    let (tx, rx) = chan(3);
    let mut list = SelectList::new().biased();
    assert_eq!([(); 3].map(|()| list.push(rx.recv())), [0, 1, 2]);
    (0..3).for_each(|n| tx.try_send(n).unwrap());
    assert_eq!(list.try_next(), Some((0, Ok(0))));
    assert_eq!(list.wait(), (1, Ok(1)));
    assert_eq!(list.len(), 1);
    assert_eq!(list.push(rx.recv()), 1);
    assert_eq!(list.push(rx.recv()), 0);
    assert_eq!(list.push(rx.recv()), 3);
    assert!(list.remove(2) && !list.remove(2) && !list.remove(4));
    assert_eq!(list.try_next(), Some((0, Ok(2))));
    assert_eq!(list.try_next(), None);
    list.clear();
    assert!(list.is_empty());
    assert_eq!(list.push(rx.recv()), 0);
}

#[test]
fn an_empty_list_waits_for_ever() {
    let mut list = SelectList::<()>::new();
    assert_eq!(list.try_next(), None);
    let mut next = task::spawn(list.next());
    assert_pending!(next.poll());
    assert_pending!(next.poll());
}

/// A wait that is given up leaves no place in any queue, and the arms can be waited for again.
#[test]
fn arms_outlive_a_wait() {
    let (tx, rx) = chan::<&str>(0);
    let mut list = SelectList::new();
    list.push_map(tx.send("kept"), |sent| sent.map(|()| "sent"));
    list.push_map(rx.recv(), |got| Ok(got.unwrap()));
    for _ in 0..2 {
        let mut next = task::spawn(list.next());
        assert_pending!(next.poll());
        drop(next);
        assert!(tx.try_send("nobody").is_err());
        assert!(rx.try_recv().is_err());
    }
    let mut next = task::spawn(list.next());
    assert_pending!(next.poll());
    assert_eq!(rx.try_recv(), Ok("kept"));
    assert_ready_eq!(next.poll(), (0, Ok("sent")));
    drop(next);
    let mut next = task::spawn(list.next());
    assert_pending!(next.poll());
    tx.try_send("got").unwrap();
    assert_ready_eq!(next.poll(), (1, Ok("got")));
}

/// A value that was handed to a wait that is given up goes to the next receiver; the arm is as new.
#[test]
fn what_was_given_goes_on() {
    let (tx, rx) = chan::<u8>(0);
    let mut list = SelectList::new();
    list.push(rx.recv());
    let mut next = task::spawn(list.next());
    assert_pending!(next.poll());
    let mut other = task::spawn(rx.recv());
    assert_pending!(other.poll());
    tx.try_send(1).unwrap();
    drop(next);
    assert_ready_eq!(other.poll(), Ok(1));
    assert_eq!(list.try_next(), None);
    let mut next = task::spawn(list.next());
    assert_pending!(next.poll());
    tx.try_send(2).unwrap();
    assert_ready_eq!(next.poll(), (0, Ok(2)));
}

/// A permit that was granted to a wait that is given up is given back; the arm waits for another.
#[test]
fn a_permit_goes_back() {
    let (tx, rx) = chan::<u8>(1);
    tx.try_send(1).unwrap();
    let mut list = SelectList::new();
    list.push_map(tx.reserve(), |permit| permit.unwrap().send(2).unwrap());
    for _ in 0..2 {
        let mut next = task::spawn(list.next());
        assert_pending!(next.poll());
        assert_eq!(rx.try_recv(), Ok(1));
        drop(next);
        tx.try_send(1).expect("the place is free again");
    }
    let mut next = task::spawn(list.next());
    assert_pending!(next.poll());
    assert_eq!(rx.try_recv(), Ok(1));
    assert_ready_eq!(next.poll(), (0, ()));
    assert_eq!(rx.try_recv(), Ok(2));
}

/// A send that was taken while the wait was given up has happened: the next call says so, whichever it is.
#[test]
fn a_send_that_was_taken_is_reported() {
    for by_try in [true, false] {
        let (tx, rx) = chan::<u8>(0);
        let (full, _keep) = chan::<u8>(0);
        let mut list = SelectList::new();
        list.push(full.send(0));
        list.push(tx.send(7));
        let mut next = task::spawn(list.next());
        assert_pending!(next.poll());
        assert_eq!(rx.try_recv(), Ok(7));
        drop(next);
        if by_try {
            assert_eq!(list.try_next(), Some((1, Ok(()))));
            assert_eq!(list.try_next(), None);
        } else {
            assert_ready_eq!(task::spawn(list.next()).poll(), (1, Ok(())));
        }
        assert!(rx.try_recv().is_err(), "sent twice");
    }
}

#[test]
fn a_close_is_seen_after_a_wait() {
    let (tx, rx) = chan::<u8>(0);
    let mut list = SelectList::new().biased();
    list.push_map(tx.send(3), |sent| sent.unwrap_err() == SendError(3));
    list.push_map(rx.recv(), |got| got == Err(RecvError));
    let mut next = task::spawn(list.next());
    assert_pending!(next.poll());
    tx.close();
    drop(next);
    assert_eq!(list.wait(), (0, true));
    assert_eq!(list.wait(), (1, true));
}

/// A leaked wait is left by whatever comes next; the list may have moved meanwhile.
#[test]
fn a_wait_is_leaked() {
    let quiet = never::<u8>();
    let (tx, rx) = chan::<u8>(0);
    let waiting = || {
        let mut list = SelectList::new();
        list.push(rx.recv());
        let mut next = Box::pin(list.next());
        let mut cx = Context::from_waker(Waker::noop());
        assert!(next.as_mut().poll(&mut cx).is_pending());
        std::mem::forget(next);
        Box::new(list)
    };
    drop(waiting());
    assert!(tx.try_send(1).is_err());
    let mut list = waiting();
    tx.try_send(2).unwrap();
    // It was handed to the leaked wait, which ends here; the value is back in the channel and is received again.
    assert_eq!(list.push(quiet.recv()), 1);
    assert_eq!(list.try_next(), Some((0, Ok(2))));
    let mut list = waiting();
    tx.try_send(3).unwrap();
    assert!(list.remove(0));
    assert_eq!(rx.try_recv(), Ok(3));
}

/// Foreign futures that lose stay in the list and go on.
#[test]
fn foreign_futures_go_on() {
    let (tx, rx) = chan::<u8>(1);
    let mut polls = 0;
    let slow = std::future::poll_fn(move |_| {
        polls += 1;
        if polls < 3 {
            return Poll::Pending;
        }
        Poll::Ready(Ok(100 + polls))
    });
    let mut list = SelectList::new().biased();
    list.push(fut(slow));
    list.push(rx.recv());
    tx.try_send(1).unwrap();
    assert_eq!(list.wait(), (1, Ok(1)));
    assert_eq!(list.try_next(), None);
    assert_eq!(list.wait(), (0, Ok(103)));
}

#[test]
#[should_panic = "at most 65,535 arms"]
fn it_can_be_full() {
    let rx = never::<()>();
    let mut list: SelectList<'_, _> = (0..65_535).map(|_| rx.recv()).collect();
    assert_eq!(list.len(), SelectList::<()>::MAX_ARMS);
    let mut next = task::spawn(list.next());
    assert_pending!(next.poll());
    drop(next);
    list.push(rx.recv());
}
