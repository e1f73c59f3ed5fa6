//! Any future under a context.

use std::future::{Future, IntoFuture};
use std::panic::Location;
use std::pin::Pin;
use std::task::{Context as TaskContext, Poll};

use pin_project_lite::pin_project;

use super::Context;
use super::done::DoneFuture;
use super::tree::Site;
use crate::error::ContextError;
use crate::hook::current;
use crate::wait::{op, parker};

pin_project! {
    /// A future that runs until a context ends, made by [`Context::run`] and the operations whose names end in `_ctx`.
    ///
    /// # Cancellation
    ///
    /// As safe to drop as the future inside.
    #[derive(Debug)]
    #[must_use = "futures do nothing unless awaited"]
    pub struct Run<'c, F> {
        // Gone as soon as the context has ended, so that it stands in nobody's queue any more.
        #[pin]
        future: Option<F>,
        #[pin]
        done: DoneFuture<'c>,
        site: Site,
    }
}

impl Context {
    /// Runs `future` until this context ends.
    ///
    /// The future is polled first: if it is ready it wins, also when the context has ended. What it waits for is what dumps
    /// show.
    ///
    /// # Errors
    ///
    /// The context has ended. The future has been dropped.
    ///
    /// # Cancellation
    ///
    /// As safe to drop as the future inside.
    ///
    /// # Examples
    ///
    /// ```
    /// use gochan::{Context, ContextError};
    /// use std::time::Duration;
    ///
    /// gochan::block_on(async {
    ///     let (ctx, _cancel) = Context::background().with_timeout(Duration::from_millis(1));
    ///     assert_eq!(ctx.run(async { 7 }).await, Ok(7));
    ///     let late = ctx.run(std::future::pending::<()>()).await;
    ///     assert_eq!(late, Err(ContextError::DeadlineExceeded));
    /// });
    /// ```
    #[track_caller]
    pub fn run<F: IntoFuture>(&self, future: F) -> Run<'_, F::IntoFuture> {
        let site = Location::caller();
        Run {
            future: Some(future.into_future()),
            done: DoneFuture::new(self, site, true),
            site,
        }
    }
}

impl<F: Future> Run<'_, F> {
    /// Blocks this thread until the future is done or the context has ended. Not for tasks: it would block their worker.
    ///
    /// # Errors
    ///
    /// The context has ended.
    pub fn wait(self) -> Result<F::Output, ContextError> {
        parker::block_on(self)
    }
}

impl<F: Future> Future for Run<'_, F> {
    type Output = Result<F::Output, ContextError>;

    fn poll(self: Pin<&mut Self>, cx: &mut TaskContext<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        // With nothing left of the slice the future could not show that it is ready, and would lose unfairly.
        if current::budget() == 0 {
            return op::out_of_budget(cx, this.site);
        }
        let future = this.future.as_mut().as_pin_mut();
        let future = future.expect("polled again after its context had ended");
        if let Poll::Ready(output) = future.poll(cx) {
            return Poll::Ready(Ok(output));
        }
        let ended = poll_end(this.done, cx);
        if ended.is_ready() {
            this.future.set(None);
        }
        ended.map(Err)
    }
}

/// Whether the context has ended, asked by an operation that has just said Pending. It needs no budget for that: an
/// operation that uses all of it in every poll must not outlive its context.
pub(super) fn poll_end(
    done: Pin<&mut DoneFuture<'_>>,
    cx: &mut TaskContext<'_>,
) -> Poll<ContextError> {
    if let Some(error) = done.error() {
        current::spend_budget();
        return Poll::Ready(error);
    }
    done.poll(cx)
}
