//! The first poll of an operation that most often can be done without the lock of its object.
//!
//! What it is not: the operation. It says how to be done; here it is asked once, and waits if the answer is no.

use std::pin::Pin;
use std::task::{Context, Poll};

use crate::hook::current;
use crate::wait::op::{Op, Park, out_of_budget};

/// Polls `park`; at the first time `around` the lock, if that works.
#[inline(always)]
pub(super) fn poll_around<O: Op>(
    mut park: Pin<&mut Park<O>>,
    cx: &mut Context<'_>,
    around: impl FnOnce(&O) -> Option<O::Output>,
) -> Poll<O::Output> {
    if !park.is_fresh() {
        return park.poll(cx);
    }
    if !current::spend_budget() {
        return out_of_budget(cx, park.op().site());
    }
    match around(park.op()) {
        Some(out) => {
            park.as_mut().over();
            Poll::Ready(out)
        }
        None => park.poll_slow(cx),
    }
}
