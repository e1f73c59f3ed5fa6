//! Models of the channel: who gets a value, and who is told, when two or three threads meet.
//!
//! What they are not: models of waiting itself (`wait/tests/loom.rs`) or of selects (`select/tests/loom.rs`).
//!
//! Values are tracked: one that is lost or dropped twice fails the model, whatever the assertions say.

use std::task::Poll::{self, Ready};

use ::loom::alloc::Track;
use ::loom::thread;

use super::{Receiver, Sender};
use crate::error::{RecvError, SendError, TryRecvError};
use crate::shim::model_with;
use crate::wait::loom_models::{Count, block_on, poll};

pub(super) type Value = Track<u32>;
type Received = Result<Value, RecvError>;

pub(super) fn value(n: u32) -> Value {
    Track::new(n)
}

pub(super) fn chan(capacity: usize) -> (Sender<Value>, Receiver<Value>) {
    crate::chan(capacity)
}

/// What was received, as a number.
fn number(received: Received) -> Option<u32> {
    received.ok().map(Track::into_inner)
}

fn polled(received: Poll<Received>) -> Poll<Option<u32>> {
    received.map(number)
}

/// What is in the channel, without waiting.
pub(super) fn next(rx: &Receiver<Value>) -> Option<u32> {
    rx.try_recv().ok().map(Track::into_inner)
}

// === hand-over ===

fn one_sends_one_receives(capacity: usize) {
    model_with(3, move || {
        let (tx, rx) = chan(capacity);
        let sender = thread::spawn(move || block_on(tx.send(value(1))).is_ok());
        assert_eq!(number(block_on(rx.recv())), Some(1));
        assert!(sender.join().unwrap());
        assert_eq!(rx.try_recv().unwrap_err(), TryRecvError::Closed);
    });
}

#[test]
fn loom_rendezvous() {
    one_sends_one_receives(0);
}

#[test]
fn loom_one_place() {
    one_sends_one_receives(1);
}

#[test]
fn loom_two_through_one_place() {
    model_with(2, || {
        let (tx, rx) = chan(1);
        let sender = thread::spawn(move || {
            assert!(block_on(tx.send(value(1))).is_ok());
            assert!(block_on(tx.send(value(2))).is_ok());
        });
        assert_eq!(number(block_on(rx.recv())), Some(1));
        assert_eq!(number(block_on(rx.recv())), Some(2));
        sender.join().unwrap();
    });
}

#[test]
fn loom_two_senders_one_receiver() {
    model_with(2, || {
        let (tx, rx) = chan(0);
        let other = tx.clone();
        let sender = thread::spawn(move || block_on(other.send(value(1))).is_ok());
        let (_, waker) = Count::new();
        let mut send = Box::pin(tx.send(value(2)));
        assert!(poll(send.as_mut(), &waker).is_pending());
        let sum = number(block_on(rx.recv())).unwrap() + number(block_on(rx.recv())).unwrap();
        assert_eq!(sum, 3);
        assert!(poll(send.as_mut(), &waker).is_ready());
        assert!(sender.join().unwrap());
    });
}

#[test]
fn loom_two_receivers_one_sender() {
    model_with(2, || {
        let (tx, rx) = chan(0);
        let other = rx.clone();
        let taker = thread::spawn(move || number(block_on(other.recv())).unwrap());
        let (_, waker) = Count::new();
        let mut recv = Box::pin(rx.recv());
        assert!(poll(recv.as_mut(), &waker).is_pending());
        assert!(block_on(tx.send(value(1))).is_ok());
        assert!(block_on(tx.send(value(2))).is_ok());
        let Ready(Some(mine)) = polled(poll(recv.as_mut(), &waker)) else {
            panic!("both were given");
        };
        assert_eq!(mine + taker.join().unwrap(), 3);
    });
}

// === close ===

/// A receiver waits; a sender and the close race.
#[test]
fn loom_close_v_send_v_receive() {
    for capacity in [0, 1] {
        model_with(3, move || {
            let (tx, rx) = chan(capacity);
            let (count, waker) = Count::new();
            let mut recv = Box::pin(rx.recv());
            assert!(poll(recv.as_mut(), &waker).is_pending());
            let closer = rx.clone();
            let closer = thread::spawn(move || assert!(closer.close()));
            let other = tx.clone();
            let sender = thread::spawn(move || match other.try_send(value(1)) {
                Ok(()) => true,
                Err(error) => {
                    assert!(error.is_closed());
                    assert_eq!(error.into_inner().into_inner(), 1);
                    false
                }
            });
            let sent = sender.join().unwrap();
            closer.join().unwrap();
            assert_eq!(count.get(), 1);
            let received = polled(poll(recv.as_mut(), &waker));
            assert_eq!(received, Ready(sent.then_some(1)));
            assert_eq!(next(&rx), None);
        });
    }
}

/// A sender waits; a receiver and the close race.
#[test]
fn loom_close_v_receive_v_send() {
    for capacity in [0, 1] {
        model_with(3, move || {
            let (tx, rx) = chan(capacity);
            for _ in 0..capacity {
                assert!(tx.try_send(value(0)).is_ok());
            }
            let (count, waker) = Count::new();
            let mut send = Box::pin(tx.send(value(1)));
            assert!(poll(send.as_mut(), &waker).is_pending());
            let other = rx.clone();
            let closer = thread::spawn(move || assert!(other.close()));
            let other = rx.clone();
            let receiver = thread::spawn(move || next(&other));
            let first = receiver.join().unwrap();
            closer.join().unwrap();
            assert_eq!(count.get(), 1);
            let received = [first, next(&rx), next(&rx)];
            let received: Vec<_> = received.into_iter().flatten().collect();
            let sent = match poll(send.as_mut(), &waker) {
                Ready(Ok(())) => vec![1],
                Ready(Err(SendError(back))) => {
                    assert_eq!(back.into_inner(), 1);
                    vec![]
                }
                Poll::Pending => panic!("decided by the receiver or the close"),
            };
            let buffered = vec![0; capacity];
            assert_eq!(received, [buffered, sent].concat());
        });
    }
}

#[test]
fn loom_close_v_wait_for_it() {
    model_with(3, || {
        let (tx, rx) = chan(0);
        let closer = thread::spawn(move || rx.close());
        block_on(tx.closed());
        assert!(tx.is_closed());
        assert!(closer.join().unwrap());
    });
}

#[test]
fn loom_last_receiver_v_send() {
    for capacity in [0, 1] {
        model_with(3, move || {
            let (tx, rx) = chan(capacity);
            let dropper = thread::spawn(move || drop(rx));
            // What was sent in time is dropped with the receiver; the value knows if it is not.
            let sent = block_on(tx.send(value(1))).is_ok();
            assert!(!sent || capacity == 1);
            dropper.join().unwrap();
            assert!(tx.try_send(value(2)).unwrap_err().is_closed());
            assert!(tx.is_empty());
        });
    }
}

#[test]
fn loom_last_sender_v_receive() {
    model_with(3, || {
        let (tx, rx) = chan(1);
        let sender = thread::spawn(move || {
            assert!(tx.try_send(value(1)).is_ok());
        });
        assert_eq!(number(block_on(rx.recv())), Some(1));
        assert_eq!(number(block_on(rx.recv())), None);
        sender.join().unwrap();
    });
}

#[test]
fn loom_last_sender_v_upgrade() {
    model_with(3, || {
        let (tx, rx) = chan(1);
        let weak = tx.downgrade();
        let dropper = thread::spawn(move || drop(tx));
        if let Some(tx) = weak.upgrade() {
            assert!(!rx.is_closed());
            assert!(tx.try_send(value(1)).is_ok());
            assert_eq!(next(&rx), Some(1));
        }
        dropper.join().unwrap();
        assert_eq!(rx.try_recv().unwrap_err(), TryRecvError::Closed);
        assert!(weak.upgrade().is_none());
    });
}

// === what comes back ===

#[test]
fn loom_cancel_v_hand_off() {
    for capacity in [0, 1] {
        model_with(3, move || {
            let (tx, rx) = chan(capacity);
            let ((_, leaves), (count, stays)) = (Count::new(), Count::new());
            let (mut first, mut second) = (Box::pin(rx.recv()), Box::pin(rx.recv()));
            assert!(poll(first.as_mut(), &leaves).is_pending());
            assert!(poll(second.as_mut(), &stays).is_pending());
            // Not the last handle: a close would tell the second before the value comes back.
            let other = tx.clone();
            let sender = thread::spawn(move || other.try_send(value(7)).is_ok());
            drop(first);
            assert!(sender.join().unwrap(), "somebody waits all the time");
            assert_eq!(count.get(), 1);
            assert_eq!(polled(poll(second.as_mut(), &stays)), Ready(Some(7)));
        });
    }
}

#[test]
fn loom_cancel_v_hand_off_with_nobody_else() {
    for capacity in [0, 1] {
        model_with(3, move || {
            let (tx, rx) = chan(capacity);
            let (_, waker) = Count::new();
            let mut recv = Box::pin(rx.recv());
            assert!(poll(recv.as_mut(), &waker).is_pending());
            let sender = {
                let tx = tx.clone();
                thread::spawn(move || tx.try_send(value(7)).is_ok())
            };
            drop(recv);
            let sent = sender.join().unwrap();
            assert!(sent || capacity == 0);
            assert_eq!(rx.len(), usize::from(sent));
            assert_eq!(next(&rx), sent.then_some(7));
            assert!(rx.is_empty());
        });
    }
}

#[test]
fn loom_values_come_back_in_their_order() {
    model_with(3, || {
        let (tx, rx) = chan(0);
        let (_, waker) = Count::new();
        let (mut first, mut second) = (Box::pin(rx.recv()), Box::pin(rx.recv()));
        assert!(poll(first.as_mut(), &waker).is_pending());
        assert!(poll(second.as_mut(), &waker).is_pending());
        assert!(tx.try_send(value(1)).is_ok());
        let other = tx.clone();
        let sender = thread::spawn(move || other.try_send(value(2)).is_ok());
        drop(first);
        // Not if the second had been given the first's value by then.
        let sent = sender.join().unwrap();
        drop(second);
        let left = (next(&rx), next(&rx), next(&rx));
        assert_eq!(left, (Some(1), sent.then_some(2), None));
        let count = 1 + u64::from(sent);
        assert_eq!((tx.stats().sent, tx.stats().received), (count, count));
    });
}

#[test]
fn loom_send_cancelled_v_receive() {
    for capacity in [0, 1] {
        model_with(3, move || {
            let (tx, rx) = chan(capacity);
            for n in 0..capacity {
                assert!(tx.try_send(value(n as u32)).is_ok());
            }
            let (_, waker) = Count::new();
            let mut send = Box::pin(tx.send(value(7)));
            assert!(poll(send.as_mut(), &waker).is_pending());
            let receiver = {
                let rx = rx.clone();
                thread::spawn(move || next(&rx))
            };
            drop(send);
            let received = (receiver.join().unwrap(), next(&rx), next(&rx));
            let possible = match capacity {
                0 => matches!(received, (Some(7) | None, None, None)),
                _ => matches!(received, (Some(0), Some(7) | None, None)),
            };
            assert!(possible, "{received:?}");
        });
    }
}

// === looks without the lock ===

/// What was there all the time is found, wherever it moves meanwhile.
#[test]
fn loom_look_v_refill() {
    model_with(3, || {
        let (tx, rx) = chan(1);
        let other = rx.clone();
        assert!(tx.try_send(value(1)).is_ok());
        let (_, waker) = Count::new();
        let mut send = Box::pin(tx.send(value(2)));
        assert!(poll(send.as_mut(), &waker).is_pending());
        let receiver = thread::spawn(move || next(&other));
        let found = next(&rx);
        let other = receiver.join().unwrap();
        assert_eq!(found.unwrap() + other.unwrap(), 3);
    });
}

/// There is room all the time, until the close.
#[test]
fn loom_look_to_send_v_receive_and_close() {
    model_with(3, || {
        let (tx, rx) = chan(2);
        assert!(tx.try_send(value(1)).is_ok());
        let receiver = thread::spawn(move || {
            let got = next(&rx);
            rx.close();
            got
        });
        if let Err(error) = tx.try_send(value(2)) {
            assert!(error.is_closed());
        }
        assert_eq!(receiver.join().unwrap(), Some(1));
        assert!(tx.try_send(value(3)).unwrap_err().is_closed());
    });
}

#[test]
fn loom_length_is_never_more_than_there_was() {
    model_with(3, || {
        let (tx, rx) = chan(2);
        let other = rx.clone();
        let worker = thread::spawn(move || {
            for n in 0..3 {
                assert!(tx.try_send(value(n)).is_ok());
                assert_eq!(next(&other), Some(n));
            }
        });
        assert!(rx.len() <= 1);
        worker.join().unwrap();
        assert_eq!(rx.len(), 0);
    });
}

/// There is room all the time, though the counters pass each other between two looks at them. The worker's operations are
/// those that do not look first: loom keeps one look of each word, and theirs would hide ours.
#[test]
fn loom_look_to_send_v_send_and_receive() {
    model_with(3, || {
        let (tx, rx) = chan(2);
        let (other, taker) = (tx.clone(), rx.clone());
        let worker = thread::spawn(move || {
            let (_, waker) = Count::new();
            assert!(poll(std::pin::pin!(other.send(value(1))), &waker).is_ready());
            polled(poll(std::pin::pin!(taker.recv()), &waker))
        });
        assert!(tx.try_send(value(2)).is_ok());
        assert!(worker.join().unwrap().is_ready());
        drop(rx);
    });
}
