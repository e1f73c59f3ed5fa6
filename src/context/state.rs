//! The state of one context: alive, or ended and how. One word, read without a lock.
//!
//! What it is not: the reason. Cause, place and time are in the node, under its lock.
//!
//! ```text
//! bits                      meaning                                  who writes it
//! LIVE                      nobody has cancelled it                  -
//! CANCELED | EXCEEDED       ended, by its own handle or deadline     `end`, under the node's lock, once
//! the same | INHERITED      ended because the context above did      `end` under the lock, or before anybody knows it
//! ```
//! Invariants
//! 1. It ends once and never goes back. Only holders of the node's lock write, so load and store make a change.
//! 2. The context above one that ended with INHERITED has ended as well.
//!
//! Ordering pair: the store in `end` (Release) -> `error`, `is_inherited` (Acquire): who sees the end sees what its
//! canceller did before it, and the ends above.

use crate::error::ContextError;
use crate::shim::{AtomicU32, Ordering::*};

const LIVE: u32 = 0;
const CANCELED: u32 = 1;
const EXCEEDED: u32 = 2;
const ERROR: u32 = 3;
const INHERITED: u32 = 4;

/// The state word.
#[derive(Debug)]
pub(super) struct State(AtomicU32);

/// How a context ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct End(u32);

impl End {
    pub(super) const CANCELED: End = End(CANCELED);
    pub(super) const EXCEEDED: End = End(EXCEEDED);
}

impl State {
    pub(super) fn live() -> State {
        State(AtomicU32::new(LIVE))
    }

    /// The error, if it has ended: one load.
    #[inline(always)]
    pub(super) fn error(&self) -> Option<ContextError> {
        // ORDERING: Acquire pairs with the Release in `end`.
        match self.0.load(Acquire) & ERROR {
            LIVE => None,
            CANCELED => Some(ContextError::Canceled),
            _ => Some(ContextError::DeadlineExceeded),
        }
    }

    #[inline(always)]
    pub(super) fn is_live(&self) -> bool {
        self.error().is_none()
    }

    /// How those below end because this one has.
    pub(super) fn legacy(&self) -> Option<End> {
        // ORDERING: Acquire: what is born ended shows the end above it to whoever asks for the cause.
        let word = self.0.load(Acquire);
        (word & ERROR != LIVE).then_some(End(word & ERROR | INHERITED))
    }

    /// Whether it ended because the one above did.
    pub(super) fn is_inherited(&self) -> bool {
        // ORDERING: Acquire pairs with the Release in `end`: invariant 2 holds for what is read next.
        self.0.load(Acquire) & INHERITED != 0
    }

    /// Ends it. False: it has ended before. The caller holds the node's lock, or nobody else knows the node.
    #[must_use]
    #[inline(always)]
    pub(super) fn end(&self, end: End) -> bool {
        // ORDERING: Relaxed: all writers hold the lock.
        let word = self.0.load(Relaxed);
        if word & ERROR != LIVE {
            return false;
        }
        // ORDERING: Release publishes what the canceller did before, and the ends above, to whoever sees the end.
        self.0.store(end.0, Release);
        true
    }
}
