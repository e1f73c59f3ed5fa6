//! The context that users hold: a node of the tree, if it can end, and a list of values, if it has some.
//!
//! What it is not: something with a lock of its own. Making one below another locks the node above for a moment; asking
//! whether it has ended is one load.

use std::error::Error;
use std::fmt;
use std::panic::Location;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::cancel::{CancelCauseHandle, CancelHandle, cause_of};
use super::deadline;
use super::tree::{Node, Ref, Site};
use super::value::{Key, Link};
use crate::clock;
use crate::error::{Cause, ContextError};
use crate::hook::{ObjId, object};

/// How long something may go on, who may call it off, and what goes with it: Go's `context.Context`
/// (`src/context/context.go`).
///
/// A context is made from another one, so contexts are a tree. When one ends, everything below it ends with it. It is passed
/// by reference down the calls that work for one job; a clone costs two counts.
///
/// What is dropped leaves the tree at once: a context is there as long as somebody has it, its [`CancelHandle`], or one below
/// it.
///
/// ```
/// use gochan::{Context, ContextError, go, sleep};
/// use std::time::Duration;
///
/// gochan::run(async {
///     let (job, cancel) = Context::background().with_timeout(Duration::from_secs(5));
///     let steps: Vec<_> = (0..3)
///         .map(|_| {
///             let (step, _) = job.with_cancel();
///             go(async move { step.run(sleep(Duration::from_secs(60))).await })
///         })
///         .collect();
///     cancel.cancel();
///     for step in steps {
///         assert_eq!(step.await.unwrap(), Err(ContextError::Canceled));
///     }
/// });
/// ```
///
/// There is no context made from none, at which Go panics:
///
/// ```compile_fail
/// fn below(parent: Option<gochan::Context>) -> gochan::Context {
///     parent.with_cancel().0
/// }
/// ```
#[derive(Clone)]
pub struct Context {
    node: Option<Ref>,
    values: Option<Arc<Link>>,
    root: Root,
}

/// What stands at the top.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Root {
    Background,
    Todo,
}

impl Context {
    /// The context at the top: it never ends and has no value. As Go's `context.Background`.
    ///
    /// ```
    /// use gochan::Context;
    ///
    /// assert_eq!(Context::background().err(), None);
    /// assert_eq!(Context::background().to_string(), "context.Background");
    /// ```
    pub const fn background() -> Context {
        Context::top(Root::Background)
    }

    /// As [`background`](Self::background), where it is not clear yet which context to use. As Go's `context.TODO`.
    ///
    /// ```
    /// assert_eq!(gochan::Context::todo().to_string(), "context.TODO");
    /// ```
    pub const fn todo() -> Context {
        Context::top(Root::Todo)
    }

    const fn top(root: Root) -> Context {
        Context {
            node: None,
            values: None,
            root,
        }
    }

    pub(super) fn node(&self) -> Option<&Ref> {
        self.node.as_ref()
    }

    /// This context's values with another node.
    fn over(&self, node: Ref) -> Context {
        Context {
            node: Some(node),
            values: self.values.clone(),
            root: self.root,
        }
    }

    /// A context below this one, and the handle that cancels it. As Go's `context.WithCancel`.
    ///
    /// ```
    /// use gochan::Context;
    ///
    /// let (job, cancel_job) = Context::background().with_cancel();
    /// let (step, cancel_step) = job.with_cancel();
    /// cancel_step.cancel();
    /// assert!(step.is_done() && !job.is_done());
    ///
    /// let (step, _) = job.with_cancel();
    /// cancel_job.cancel();
    /// assert!(step.is_done());
    /// ```
    #[track_caller]
    pub fn with_cancel(&self) -> (Context, CancelHandle) {
        let (ctx, node) = self.below(Location::caller());
        (ctx, CancelHandle::new(node))
    }

    /// As [`with_cancel`](Self::with_cancel), with a handle that says why. As Go's `context.WithCancelCause`.
    ///
    /// ```
    /// use gochan::Context;
    ///
    /// let (ctx, cancel) = Context::background().with_cancel_cause();
    /// cancel.cancel(std::io::Error::other("disk on fire"));
    /// let cause = ctx.cause().unwrap();
    /// assert!(cause.downcast_ref::<std::io::Error>().is_some());
    /// assert_eq!(ctx.err().unwrap().to_string(), "context canceled");
    /// ```
    #[track_caller]
    pub fn with_cancel_cause(&self) -> (Context, CancelCauseHandle) {
        let (ctx, node) = self.below(Location::caller());
        (ctx, CancelCauseHandle::new(node))
    }

    #[inline(always)]
    fn below(&self, site: Site) -> (Context, Ref) {
        let (node, handle) = Node::below(self.node(), self.deadline(), None, site);
        (self.over(node), handle)
    }

    /// A context below this one that ends at `deadline`, if nothing ends it before. One that has passed ends it at once; a
    /// deadline of this context that is earlier stays the deadline. As Go's `context.WithDeadline`.
    ///
    /// ```
    /// use gochan::{Context, ContextError};
    /// use std::time::Instant;
    ///
    /// let (ctx, _cancel) = Context::background().with_deadline(Instant::now());
    /// assert_eq!(ctx.err(), Some(ContextError::DeadlineExceeded));
    /// assert_eq!(ctx.err().unwrap().to_string(), "context deadline exceeded");
    /// ```
    #[track_caller]
    pub fn with_deadline(&self, deadline: Instant) -> (Context, CancelHandle) {
        self.until(Some(deadline), None, Location::caller())
    }

    /// As [`with_deadline`](Self::with_deadline); the deadline's passing has this cause. As Go's
    /// `context.WithDeadlineCause`.
    #[track_caller]
    pub fn with_deadline_cause(
        &self,
        deadline: Instant,
        cause: impl Into<Box<dyn Error + Send + Sync>>,
    ) -> (Context, CancelHandle) {
        self.until(Some(deadline), Some(cause_of(cause)), Location::caller())
    }

    /// A context below this one that ends after `duration`, counted from this call, if nothing ends it before. With zero it
    /// ends at once; with a duration that ends beyond the last moment an [`Instant`] can name it has no limit. As Go's
    /// `context.WithTimeout`.
    ///
    /// ```
    /// use gochan::Context;
    /// use std::time::Duration;
    ///
    /// let (ctx, _cancel) = Context::background().with_timeout(Duration::from_secs(60));
    /// assert!(ctx.deadline().is_some() && !ctx.is_done());
    /// let (ctx, _cancel) = Context::background().with_timeout(Duration::MAX);
    /// assert_eq!(ctx.deadline(), None);
    /// ```
    #[track_caller]
    pub fn with_timeout(&self, duration: Duration) -> (Context, CancelHandle) {
        let deadline = crate::time::now().checked_add(duration);
        self.until(deadline, None, Location::caller())
    }

    /// As [`with_timeout`](Self::with_timeout); the passing of the time has this cause. As Go's
    /// `context.WithTimeoutCause`.
    ///
    /// ```
    /// use gochan::Context;
    /// use std::time::Duration;
    ///
    /// let (ctx, _cancel) = Context::background().with_timeout_cause(Duration::ZERO, "too slow");
    /// assert_eq!(ctx.cause().unwrap().to_string(), "too slow");
    /// ```
    #[track_caller]
    pub fn with_timeout_cause(
        &self,
        duration: Duration,
        cause: impl Into<Box<dyn Error + Send + Sync>>,
    ) -> (Context, CancelHandle) {
        let deadline = crate::time::now().checked_add(duration);
        self.until(deadline, Some(cause_of(cause)), Location::caller())
    }

    fn until(
        &self,
        deadline: Option<Instant>,
        cause: Option<Cause>,
        site: Site,
    ) -> (Context, CancelHandle) {
        let above = self.deadline();
        let (node, handle) = match deadline {
            // As in Go: the one above ends it, and its cause counts.
            Some(deadline) if above.is_none_or(|above| deadline <= above) => {
                deadline::node(self.node(), deadline, cause, site)
            }
            _ => Node::below(self.node(), above, None, site),
        };
        (self.over(node), CancelHandle::new(handle))
    }

    /// This context with a value more, under the type `K`; one that was there under the same type is hidden. As Go's
    /// `context.WithValue`, but a key's type says what its value is.
    ///
    /// ```
    /// use gochan::context::{Context, Key};
    ///
    /// struct RequestId;
    /// impl Key for RequestId {
    ///     type Value = u64;
    /// }
    ///
    /// let ctx = Context::background().with_value::<RequestId>(17);
    /// assert_eq!(ctx.value::<RequestId>(), Some(&17));
    /// assert_eq!(Context::background().value::<RequestId>(), None);
    /// ```
    ///
    /// What is no key is refused by the compiler, where Go panics:
    ///
    /// ```compile_fail
    /// struct NoKey;
    /// gochan::Context::background().with_value::<NoKey>(17);
    /// ```
    pub fn with_value<K: Key>(&self, value: K::Value) -> Context {
        Context {
            node: self.node.clone(),
            values: Some(Link::push::<K>(value, self.values.clone())),
            root: self.root,
        }
    }

    /// The values of this context, in one that never ends. As Go's `context.WithoutCancel`.
    ///
    /// ```
    /// use gochan::Context;
    ///
    /// let (ctx, cancel) = Context::background().with_cancel();
    /// let cleanup = ctx.without_cancel();
    /// cancel.cancel();
    /// assert!(ctx.is_done() && !cleanup.is_done());
    /// ```
    pub fn without_cancel(&self) -> Context {
        Context {
            node: None,
            values: self.values.clone(),
            root: self.root,
        }
    }

    /// Why the context has ended; `None` while it has not. One load.
    ///
    /// ```
    /// use gochan::{Context, ContextError};
    ///
    /// let (ctx, cancel) = Context::background().with_cancel();
    /// assert_eq!(ctx.err(), None);
    /// cancel.cancel();
    /// assert_eq!(ctx.err(), Some(ContextError::Canceled));
    /// ```
    #[inline]
    pub fn err(&self) -> Option<ContextError> {
        self.node()?.state.error()
    }

    /// Whether the context has ended. One load.
    #[inline]
    pub fn is_done(&self) -> bool {
        self.err().is_some()
    }

    /// What its canceller gave as the cause; [`err`](Self::err) if that was nothing; `None` while the context has not
    /// ended. As Go's `context.Cause`: of a context that ended because one above it did, it is the cause of that one.
    ///
    /// ```
    /// use gochan::Context;
    ///
    /// let (job, cancel) = Context::background().with_cancel_cause();
    /// let (step, cancel_step) = job.with_cancel();
    /// assert!(step.cause().is_none());
    /// cancel.cancel("no money left");
    /// cancel_step.cancel();
    /// assert_eq!(step.cause().unwrap().to_string(), "no money left");
    /// ```
    pub fn cause(&self) -> Option<Cause> {
        self.cancellation().map(|how| how.cause)
    }

    /// How the context has ended: why, where, by which task, and how long ago; `None` while it has not.
    ///
    /// ```
    /// use gochan::Context;
    ///
    /// let (job, cancel) = Context::background().with_cancel();
    /// let (step, _) = job.with_cancel();
    /// cancel.cancel();
    /// let how = step.cancellation().unwrap();
    /// assert_eq!(how.site.line(), line!() - 2);
    /// assert_eq!(how.context, job.id());
    /// println!("{how}");
    /// ```
    pub fn cancellation(&self) -> Option<Cancellation> {
        let node = self.node()?;
        let error = node.state.error()?;
        let (at, verdict) = node.verdict()?;
        Some(Cancellation {
            error,
            cause: verdict.cause.unwrap_or_else(|| Arc::new(error)),
            context: at.object.id(),
            site: verdict.site,
            task: (verdict.task != 0).then(|| ObjId::from_raw(verdict.task)),
            ago: Duration::from_nanos(clock::ns_since(verdict.at)),
        })
    }

    /// When the context ends at the latest; `None` if there is no limit. One load.
    ///
    /// ```
    /// use gochan::Context;
    /// use std::time::{Duration, Instant};
    ///
    /// let soon = Instant::now() + Duration::from_secs(1);
    /// let (ctx, _) = Context::background().with_deadline(soon);
    /// let (below, _) = ctx.with_timeout(Duration::from_secs(60));
    /// assert_eq!(below.deadline(), Some(soon));
    /// ```
    #[inline]
    pub fn deadline(&self) -> Option<Instant> {
        self.node()?.deadline
    }

    /// The value under the type `K`: of those that were given here or above, the last. The time grows with the number of
    /// values, not of contexts.
    pub fn value<K: Key>(&self) -> Option<&K::Value> {
        Link::find::<K>(self.values.as_ref())
    }

    /// Gives the context a name, which dumps and reports show. One that never ends takes none: nobody waits for it.
    ///
    /// ```
    /// use gochan::Context;
    ///
    /// let (ctx, _cancel) = Context::background().with_cancel();
    /// let ctx = ctx.named("request");
    /// assert_eq!(ctx.name().as_deref(), Some("request"));
    /// ```
    #[must_use]
    pub fn named(self, name: &str) -> Context {
        if let Some(node) = self.node() {
            node.object.tag().set_name(name);
        }
        self
    }

    /// The context's name.
    pub fn name(&self) -> Option<Arc<str>> {
        self.node()?.object.tag().name()
    }

    /// The context's number, as dumps and hooks show it; [`ObjId::NONE`] if it never ends.
    pub fn id(&self) -> ObjId {
        self.node().map_or(ObjId::NONE, |node| node.object.id())
    }

    /// How many contexts stand directly below this one and may still end.
    ///
    /// ```
    /// use gochan::Context;
    ///
    /// let (job, _cancel) = Context::background().with_cancel();
    /// let (step, _) = job.with_cancel();
    /// assert_eq!(job.child_count(), 1);
    /// drop(step);
    /// assert_eq!(job.child_count(), 0);
    /// ```
    pub fn child_count(&self) -> usize {
        self.node()
            .map_or(0, |node| node.object.lock().children.len())
    }
}

impl std::panic::UnwindSafe for Context {}
impl std::panic::RefUnwindSafe for Context {}

/// Go's words for the two that never end, else the number and the name.
impl fmt::Display for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.node.is_none() {
            return f.pad(match self.root {
                Root::Background => "context.Background",
                Root::Todo => "context.TODO",
            });
        }
        write!(f, "{}", self.id())?;
        match self.name() {
            Some(name) => write!(f, " {name:?}"),
            None => Ok(()),
        }
    }
}

impl fmt::Debug for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Context({self}")?;
        if let Some(error) = self.err() {
            write!(f, ", {error}")?;
        }
        if let Some(deadline) = self.deadline() {
            write!(f, ", deadline {deadline:?}")?;
        }
        f.write_str(")")
    }
}

/// How a context has ended, from [`Context::cancellation`]. Its `Display` is one line with all of it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Cancellation {
    /// What [`Context::err`] says.
    pub error: ContextError,
    /// What [`Context::cause`] says.
    pub cause: Cause,
    /// The context that was cancelled or past its deadline: the one that was asked, or one above it.
    pub context: ObjId,
    /// The line that cancelled it, or that set the deadline.
    pub site: Site,
    /// The task that cancelled it; `None` if it was the deadline, or no task.
    pub task: Option<ObjId>,
    /// How long ago.
    pub ago: Duration,
}

impl fmt::Display for Cancellation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.error)?;
        let cause = self.cause.to_string();
        if cause != self.error.to_string() {
            write!(f, ": {cause}")?;
        }
        write!(f, "; {}", self.context)?;
        if let Some(name) = object::name(self.context) {
            write!(f, " {:?}", &*name)?;
        }
        write!(f, " at {}:{}", self.site.file(), self.site.line())?;
        if let Some(task) = self.task {
            write!(f, " by {task}")?;
        }
        write!(f, ", {:?} ago", self.ago)
    }
}
