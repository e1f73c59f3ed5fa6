//! Cancelling, and the handles that may.
//!
//! What it is not: the walk over the tree ([`tree`](super::tree)). What is done here is done without a lock: the wakers of
//! all who waited anywhere below are fired when the whole subtree has ended, so whoever is woken sees all of it ended. As in
//! Go a cancel returns when that is so, also where others cancel at the same time.

use std::error::Error;
use std::fmt;
use std::panic::Location;

use super::state::End;
use super::tree::{Ended, Fallout, Ref, Site, Verdict, walk};
use crate::clock;
use crate::error::Cause;
use crate::hook::current;

/// Ends a node, if it has not ended yet, and all below it.
pub(super) fn cancel(node: &Ref, end: End, cause: Option<Cause>, site: Site) {
    if !node.state.is_live() {
        return help(node);
    }
    let verdict = Verdict {
        cause,
        site,
        // A deadline is nobody's doing, whoever finds that it has passed.
        task: match end {
            End::EXCEEDED => 0,
            _ => current::task_id(),
        },
        at: clock::ticks(),
    };
    let mut fallout = Fallout::new();
    match node.end(end, Some(verdict), &mut fallout) {
        Ended::Before => return help(node),
        Ended::Alone => {}
        Ended::WithChildren => walk(node, &mut fallout),
    }
    node.leave();
    fallout.settle();
}

/// Somebody else has ended the node, and may still be at work below it.
#[cold]
fn help(node: &Ref) {
    if !node.object.lock().children.is_empty() {
        let mut fallout = Fallout::new();
        walk(node, &mut fallout);
        fallout.settle();
    }
}

/// Whatever can be said as the cause of a cancellation.
pub(super) fn cause_of(cause: impl Into<Box<dyn Error + Send + Sync>>) -> Cause {
    Cause::from(cause.into())
}

/// Cancels the context that it was made with: Go's `CancelFunc` (`src/context/context.go`).
///
/// Dropping it cancels nothing, as forgetting to call it does not in Go; see [`drop_guard`](Self::drop_guard). Clones
/// cancel the same context. While a handle is there the context can be cancelled, whoever else has dropped it.
///
/// ```
/// use gochan::{Context, ContextError};
///
/// let (ctx, cancel) = Context::background().with_cancel();
/// assert_eq!(ctx.err(), None);
/// cancel.cancel();
/// cancel.cancel(); // It has ended already: nothing happens.
/// assert_eq!(ctx.err(), Some(ContextError::Canceled));
/// ```
#[derive(Clone)]
pub struct CancelHandle {
    node: Ref,
}

/// As [`CancelHandle`], and says why: Go's `CancelCauseFunc` (`src/context/context.go`).
///
/// ```
/// use gochan::{Context, ContextError};
///
/// let (ctx, cancel) = Context::background().with_cancel_cause();
/// cancel.cancel("the client went away");
/// assert_eq!(ctx.err(), Some(ContextError::Canceled));
/// assert_eq!(ctx.cause().unwrap().to_string(), "the client went away");
/// ```
#[derive(Clone)]
pub struct CancelCauseHandle {
    node: Ref,
}

impl CancelHandle {
    pub(super) fn new(node: Ref) -> CancelHandle {
        CancelHandle { node }
    }

    /// Cancels the context and all below it: their `err` is [`Canceled`](crate::ContextError::Canceled) and whoever waits for
    /// their end is woken. No lock is held while anybody is woken. A context that has ended stays as it is. All below has
    /// ended when this returns, also if somebody else is cancelling at the same time.
    ///
    /// The line of this call and the task that makes it are kept: [`Context::cancellation`](super::Context::cancellation).
    #[track_caller]
    pub fn cancel(&self) {
        cancel(&self.node, End::CANCELED, None, Location::caller());
    }

    /// A guard that cancels the context when it is dropped: Go's `defer cancel()`.
    ///
    /// ```
    /// use gochan::Context;
    ///
    /// let (ctx, cancel) = Context::background().with_cancel();
    /// let guard = cancel.drop_guard();
    /// drop(guard);
    /// assert!(ctx.is_done());
    /// ```
    #[track_caller]
    pub fn drop_guard(self) -> DropGuard {
        DropGuard {
            handle: Some(self),
            site: Location::caller(),
        }
    }
}

impl CancelCauseHandle {
    pub(super) fn new(node: Ref) -> CancelCauseHandle {
        CancelCauseHandle { node }
    }

    /// Cancels the context and all below it, because of `cause`: any error, or a text. A context that has ended stays as it
    /// is, with its cause.
    #[track_caller]
    pub fn cancel(&self, cause: impl Into<Box<dyn Error + Send + Sync>>) {
        let site = Location::caller();
        match self.node.state.is_live() {
            true => cancel(&self.node, End::CANCELED, Some(cause_of(cause)), site),
            false => help(&self.node),
        }
    }

    /// As [`cancel`](Self::cancel), in the name of another line.
    pub(super) fn cancel_at(&self, cause: Option<Cause>, site: Site) {
        cancel(&self.node, End::CANCELED, cause, site);
    }

    /// The same handle for those who have no cause to give.
    pub fn without_cause(self) -> CancelHandle {
        CancelHandle::new(self.node)
    }
}

/// Cancels a context when it is dropped, made by [`CancelHandle::drop_guard`].
#[must_use = "dropped at once, it cancels at once"]
pub struct DropGuard {
    handle: Option<CancelHandle>,
    site: Site,
}

impl DropGuard {
    /// The handle, and nothing is cancelled.
    pub fn disarm(mut self) -> CancelHandle {
        self.handle.take().expect("it is there until the drop")
    }
}

impl Drop for DropGuard {
    fn drop(&mut self) {
        if let Some(handle) = self.handle.take() {
            cancel(&handle.node, End::CANCELED, None, self.site);
        }
    }
}

macro_rules! debug {
    ($($name:ident = |$this:ident| $node:expr;)*) => {$(
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                let $this = self;
                let node: Option<&Ref> = $node;
                let mut out = f.debug_struct(stringify!($name));
                if let Some(node) = node {
                    out.field("context", &node.object.id()).field("err", &node.state.error());
                }
                out.finish()
            }
        }
    )*};
}

debug! {
    CancelHandle = |this| Some(&this.node);
    CancelCauseHandle = |this| Some(&this.node);
    DropGuard = |this| this.handle.as_ref().map(|handle| &handle.node);
}

// Foreign code runs without any lock, so a panic leaves nothing half-changed.
impl std::panic::UnwindSafe for Ref {}
impl std::panic::RefUnwindSafe for Ref {}
