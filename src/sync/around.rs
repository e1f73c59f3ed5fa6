//! The first poll of an operation that most often can be done without the lock of its object.
//!
//! What it is not: the operation. It says how to be done; here it is asked once, and waits if the answer is no.

use std::pin::Pin;
use std::task::{Context, Poll};

use crate::hook::current;
use crate::wait::op::{Op, Park, out_of_budget};

/// An operation that can be tried without the lock.
pub(super) trait Around: Op {
    /// Does it now, if that works. A method and no closure, for those that are called in two places are called indeed:
    /// what comes out would pass through memory, in other pieces than it is read in, which costs more than the rest.
    fn around(&self) -> Option<Self::Output>;
}

/// Polls `park`; at the first time around the lock, if that works. What comes out of the wait, which is not inlined,
/// lies in memory; `anew` puts it together again, so that what comes around need not.
#[inline(always)]
pub(super) fn poll_around<O: Around>(
    mut park: Pin<&mut Park<O>>,
    cx: &mut Context<'_>,
    anew: impl FnOnce(O::Output) -> O::Output,
) -> Poll<O::Output> {
    if !park.is_fresh() {
        return slow(park, cx, Park::poll).map(anew);
    }
    if !current::spend_budget() {
        return out_of_budget(cx, park.op().site());
    }
    match park.op().around() {
        Some(out) => {
            park.as_mut().over();
            Poll::Ready(out)
        }
        None => slow(park, cx, Park::poll_slow).map(anew),
    }
}

#[inline(never)]
fn slow<O: Op>(
    park: Pin<&mut Park<O>>,
    cx: &mut Context<'_>,
    poll: impl FnOnce(Pin<&mut Park<O>>, &mut Context<'_>) -> Poll<O::Output>,
) -> Poll<O::Output> {
    poll(park, cx)
}
