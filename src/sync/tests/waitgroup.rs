//! A wait group between the change that ends a round and its `release`: a moment that is not to be had from outside.

use super::*;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::{Context, Waker};

fn poll<F: Future>(future: Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

#[test]
fn to_come_then_is_misuse_while_somebody_waits() {
    let wg = WaitGroup::new();
    wg.add(1);
    let mut waits = Box::pin(wg.wait());
    assert!(poll(waits.as_mut()).is_pending());
    assert_eq!(wg.group().state.add(-1), Ok(Change::Release));
    catch_unwind(AssertUnwindSafe(|| wg.add(1))).expect_err("somebody waits");
    wg.group().release();
    assert!(poll(waits.as_mut()).is_ready());
}

#[test]
fn to_come_then_is_fine_if_only_a_select_is_left_that_was_won_elsewhere() {
    let wg = WaitGroup::new();
    wg.add(1);
    let (tx, rx) = crate::chan::<u8>(1);
    let mut select = Box::pin(crate::select((wg.wait(), rx.recv())));
    assert!(poll(select.as_mut()).is_pending());
    tx.try_send(7).unwrap();
    assert_eq!(wg.group().state.add(-1), Ok(Change::Release));
    wg.add(1);
    wg.group().release();
    assert_eq!(wg.count(), 1);
    assert!(poll(select.as_mut()).is_ready());
    let mut waits = Box::pin(wg.wait());
    assert!(poll(waits.as_mut()).is_pending());
    wg.done();
    assert!(poll(waits.as_mut()).is_ready());
}
