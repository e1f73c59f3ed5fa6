//! Waiting for the end of a context.
//!
//! What it is not: a channel. Go's `Done()` returns one that gets closed; here the node has a queue of its own for those who
//! wait, and its end completes all of them in one hold of the lock.

use std::fmt;
use std::future::Future;
use std::panic::Location;
use std::pin::Pin;
use std::task::{Context as TaskContext, Poll, Waker};

use pin_project_lite::pin_project;

use super::Context;
use super::tree::{Inner, Node, Site};
use crate::clock;
use crate::error::ContextError;
use crate::hook::{Note, ObjId, WaitReason, current};
use crate::wait::IdleOk;
use crate::wait::case::{Arm, Lent, OpCase};
use crate::wait::lock::Object;
use crate::wait::op::{Look, Op, Park};
use crate::wait::parker;
use crate::wait::queue::Queue;
use crate::wait::waiter::How;
use crate::wait::wakes::Wakes;

/// Waits for the end.
#[derive(Clone, Copy)]
pub struct DoneOp<'a> {
    node: &'a Node,
    site: Site,
    /// It stands beside another wait of the same poll, which says more.
    beside: bool,
}

impl Op for DoneOp<'_> {
    type Inner = Inner;
    type Payload = ();
    type Output = ContextError;
    const REASON: WaitReason = WaitReason::ContextDone;

    fn object(&self) -> &Object<Inner> {
        &self.node.object
    }

    fn site(&self) -> Site {
        self.site
    }

    fn queue<'q>(&self, inner: &'q mut Inner) -> &'q mut Queue<()> {
        &mut inner.waiters
    }

    fn look(&self) -> (bool, Look) {
        let ended = !self.node.state.is_live();
        (ended, Look(usize::from(ended), 0, 0))
    }

    fn is_beside(&self) -> bool {
        self.beside
    }

    fn attempt(&self, _: &mut Inner, _: &mut (), _: &mut Wakes) -> Poll<ContextError> {
        self.node.state.error().map_or(Poll::Pending, Poll::Ready)
    }

    fn collect(&self, _: &mut (), _: How) -> ContextError {
        let error = self.node.state.error();
        error.expect("who waits for the end is woken by it")
    }

    fn abandon(&self, _: &mut Inner, _: &mut (), _: &mut Wakes) {
        // The end stays; there is nothing to pass on.
    }
}

pin_project! {
    /// Waits for the end of a context, made by [`Context::done`]. It yields the context's error.
    ///
    /// It is an arm of [`select!`](crate::select!), by value and as `&mut`. On a context that never ends it is Go's nil
    /// channel: never ready.
    ///
    /// # Cancellation
    ///
    /// Safe at any time.
    #[must_use = "futures do nothing unless awaited"]
    pub struct DoneFuture<'a> {
        #[pin]
        park: Option<Park<DoneOp<'a>>>,
        site: Site,
        beside: bool,
        // The waker that the queue has, if it is that of a task of ours.
        queued: WakerId,
    }
}

impl Context {
    /// Waits until the context has ended: cancelled, past its deadline, or because one above it has. Yields its
    /// [`err`](Self::err).
    ///
    /// Once its waker is queued, polling it again in a task of this crate takes no lock. Follows Go's `Context.Done` (`src/context/context.go`).
    ///
    /// # Cancellation
    ///
    /// Safe at any time.
    ///
    /// # Examples
    ///
    /// ```
    /// use gochan::{Context, ContextError, chan, go, select};
    ///
    /// gochan::run(async {
    ///     let (tx, rx) = chan::<u32>(0);
    ///     let (ctx, cancel) = Context::background().with_cancel();
    ///     let worker = go(async move {
    ///         select! {
    ///             n = rx.recv() => Ok(n),
    ///             error = ctx.done() => Err(error),
    ///         }
    ///     });
    ///     cancel.cancel();
    ///     assert_eq!(worker.await.unwrap(), Err(ContextError::Canceled));
    ///     # drop(tx);
    /// });
    /// ```
    #[track_caller]
    pub fn done(&self) -> DoneFuture<'_> {
        DoneFuture::new(self, Location::caller(), false)
    }

    /// As [`done`](Self::done), blocking this thread meanwhile. Not for tasks: it would block their worker.
    ///
    /// ```
    /// use gochan::{Context, ContextError};
    /// use std::time::Duration;
    ///
    /// let (ctx, _cancel) = Context::background().with_timeout(Duration::from_millis(1));
    /// assert_eq!(ctx.done_blocking(), ContextError::DeadlineExceeded);
    /// ```
    #[track_caller]
    pub fn done_blocking(&self) -> ContextError {
        self.done().wait()
    }
}

impl<'a> DoneFuture<'a> {
    /// Marks the wait as no sign of trouble, however long it takes: a dump does not list it, and it is never among the oldest
    /// waits.
    ///
    /// ```
    /// # use gochan::{Context, ContextError};
    /// # gochan::run(async {
    /// let (ctx, cancel) = Context::background().with_cancel();
    /// cancel.cancel();
    /// assert_eq!(ctx.done().idle_ok().await, ContextError::Canceled);
    /// # });
    /// ```
    pub fn idle_ok(self) -> IdleOk<Self> {
        IdleOk::new(self)
    }

    pub(super) fn new(ctx: &'a Context, site: Site, beside: bool) -> DoneFuture<'a> {
        let op = ctx.node().map(|node| DoneOp { node, site, beside });
        DoneFuture {
            park: op.map(|op| Park::new(op, ())),
            site,
            beside,
            queued: WakerId::NONE,
        }
    }

    /// Blocks this thread until the context has ended. Not for tasks: it would block their worker.
    pub fn wait(self) -> ContextError {
        match self.error() {
            Some(error) => error,
            None => parker::block_on(self),
        }
    }

    /// The error of a context that has ended: one load.
    pub(super) fn error(&self) -> Option<ContextError> {
        self.park.as_ref()?.op().node.state.error()
    }
}

impl Future for DoneFuture<'_> {
    type Output = ContextError;

    fn poll(self: Pin<&mut Self>, cx: &mut TaskContext<'_>) -> Poll<ContextError> {
        let this = self.project();
        let Some(park) = this.park.as_pin_mut() else {
            // Beside another wait it has nothing to say.
            if !*this.beside {
                park_for_ever(this.site);
            }
            return Poll::Pending;
        };
        let waker = WakerId::of(cx.waker());
        if *this.queued == waker && park.goes_on() {
            return Poll::Pending;
        }
        // Foreign code runs in there and may panic: until it is through nobody knows which waker the queue has.
        *this.queued = WakerId::NONE;
        let polled = park.poll(cx);
        // The clone of a foreign waker, which is what the queue has, need not look like it.
        if polled.is_pending() && current::is_own_waker(cx.waker()) {
            *this.queued = waker;
        }
        polled
    }
}

#[cold]
fn park_for_ever(site: Site) {
    current::park(&Note {
        task: current::task_id(),
        reason: WaitReason::ChanRecvNil,
        object: ObjId::NONE,
        made: None,
        site,
        since: clock::ticks(),
    });
}

/// Which waker of a task it is, to be compared with others. It keeps nothing: while the queue has a clone of that waker, no
/// other task can come to have its data and vtable.
#[derive(Clone, Copy, PartialEq, Eq)]
struct WakerId(usize, usize);

impl WakerId {
    const NONE: WakerId = WakerId(0, 0);

    fn of(waker: &Waker) -> WakerId {
        WakerId(
            waker.data().addr(),
            std::ptr::from_ref(waker.vtable()).addr(),
        )
    }
}

impl<'a> Arm for DoneFuture<'a> {
    type Output = ContextError;
    type Case = Option<OpCase<DoneOp<'a>>>;

    fn into_case(self) -> Self::Case {
        self.park.into_case()
    }
}

impl<'a, 'b> Arm for &'b mut DoneFuture<'a> {
    type Output = ContextError;
    type Case = Option<Lent<'b, DoneOp<'a>>>;

    fn into_case(self) -> Self::Case {
        self.park.as_mut().into_case()
    }
}

impl fmt::Debug for DoneFuture<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.park {
            Some(park) => park.fmt(f),
            None => write!(f, "context done (never), at {}", self.site),
        }
    }
}
