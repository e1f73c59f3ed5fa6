//! What an operation writes down when it says Pending: who waits for what, or that it only gives way.
//!
//! What it is not: the wait. `op.rs` decides that there is one.

use std::panic::Location;
use std::task::{Context, Poll};

use super::op::Op;
use super::reason::WaitReason;
use crate::clock;
use crate::hook::{Note, ObjId, current};

/// The slice is used up: lets others run first.
#[cold]
pub(crate) fn out_of_budget<T>(cx: &mut Context<'_>, site: &'static Location<'static>) -> Poll<T> {
    let since = clock::ticks();
    let (reason, object) = (WaitReason::Preempted, ObjId::NONE);
    current::park(&Note {
        task: current::task_id(),
        reason,
        object,
        made: None,
        site,
        since,
    });
    current::yield_park(cx.waker());
    Poll::Pending
}

/// Who waits for what, for the record and the hooks.
#[inline(always)]
pub(crate) fn note<O: Op>(op: &O, since: u64) -> Note {
    let object = op.object();
    Note {
        task: current::task_id(),
        reason: O::REASON,
        object: object.id(),
        made: Some(object.made()),
        site: op.site(),
        since,
    }
}

/// A wait as those hear of it who listen to its end: one that is nudged has ended for them, and begins `again`.
pub(crate) fn told_from(note: Note, again: bool) -> Note {
    match again {
        true => Note {
            since: clock::ticks(),
            ..note
        },
        false => note,
    }
}
