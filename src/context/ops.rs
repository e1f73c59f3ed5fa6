//! The `_ctx` forms: every waiting operation of the crate, until a context ends.
//!
//! Each is the operation itself with the context's end beside it. The operation is polled first; when the context has ended
//! it is withdrawn from its queue, and if a peer was faster its result counts: nothing is lost at the end. Operations with
//! nothing to give back, and no error of their own to say it with, are a [`Run`].

use std::future::Future;
use std::panic::Location;
use std::pin::Pin;
use std::task::{Context as TaskContext, Poll};
use std::time::{Duration, Instant};

use pin_project_lite::pin_project;

use super::Context;
use super::done::DoneFuture;
use super::run::{Run, poll_end};
use super::tree::Site;
use crate::chan::{
    ClosedFuture, Permit, Receiver, RecvFuture, RecvManyFuture, ReserveFuture, SendFuture, Sender,
};
use crate::error::{ContextError, RecvContextError, RecvError, SendContextError, SendError};
use crate::hook::current;
use crate::task::JoinHandle;
use crate::time::{Sleep, TickFuture, Ticker, Timer, sleep, sleep_until};
use crate::wait::{op, parker};

/// An operation that can be taken back while it waits.
pub trait Withdraw: Future {
    /// What comes of it under a context.
    type Outcome;
    /// It has completed.
    fn completed(output: Self::Output) -> Self::Outcome;
    /// The context has ended: takes it back, unless a peer was faster.
    fn withdraw(self: Pin<&mut Self>, error: ContextError) -> Self::Outcome;
}

impl<T> Withdraw for SendFuture<'_, T> {
    type Outcome = Result<(), SendContextError<T>>;

    fn completed(output: Self::Output) -> Self::Outcome {
        output.map_err(SendContextError::from)
    }

    fn withdraw(mut self: Pin<&mut Self>, error: ContextError) -> Self::Outcome {
        if let Some(sent) = self.as_mut().cancel() {
            return Self::completed(sent);
        }
        let value = self.reclaim();
        let value = value.expect("a send that was withdrawn still has its value");
        Err(SendContextError::ended(value, error))
    }
}

impl<'a, T> Withdraw for ReserveFuture<'a, T> {
    type Outcome = Result<Permit<'a, T>, SendContextError<()>>;

    fn completed(output: Self::Output) -> Self::Outcome {
        output.map_err(|SendError(())| SendContextError::Closed(()))
    }

    fn withdraw(self: Pin<&mut Self>, error: ContextError) -> Self::Outcome {
        match self.cancel() {
            Some(granted) => Self::completed(granted),
            None => Err(SendContextError::ended((), error)),
        }
    }
}

impl<T> Withdraw for RecvFuture<'_, T> {
    type Outcome = Result<T, RecvContextError>;

    fn completed(output: Self::Output) -> Self::Outcome {
        output.map_err(|RecvError| RecvContextError::Closed)
    }

    fn withdraw(self: Pin<&mut Self>, error: ContextError) -> Self::Outcome {
        match self.cancel() {
            Some(received) => Self::completed(received),
            None => Err(error.into()),
        }
    }
}

pin_project! {
    /// An operation that waits until a context ends, made by those operations of [`Sender`], [`Receiver`] and
    /// [`Barrier`](crate::sync::Barrier) whose names end in `_ctx`.
    ///
    /// # Cancellation
    ///
    /// As the operation without the context: dropped before it completes, a send has sent nothing and drops its value, a
    /// value handed to a receive goes to the next waiting receiver, else back to the front of the channel.
    #[derive(Debug)]
    #[must_use = "futures do nothing unless awaited"]
    pub struct WithContext<'c, F> {
        #[pin]
        operation: F,
        #[pin]
        done: DoneFuture<'c>,
        site: Site,
    }
}

impl<'c, F: Withdraw> WithContext<'c, F> {
    pub(super) fn new(operation: F, ctx: &'c Context, site: Site) -> WithContext<'c, F> {
        WithContext {
            operation,
            done: DoneFuture::new(ctx, site, true),
            site,
        }
    }

    /// Blocks this thread until the operation is done or the context has ended. Not for tasks: it would block their worker.
    ///
    /// # Errors
    ///
    /// As awaiting it.
    pub fn wait(self) -> F::Outcome {
        parker::block_on(self)
    }
}

impl<F: Withdraw> Future for WithContext<'_, F> {
    type Output = F::Outcome;

    fn poll(self: Pin<&mut Self>, cx: &mut TaskContext<'_>) -> Poll<F::Outcome> {
        let mut this = self.project();
        // It is tried before it gives up, and the first try needs budget.
        if current::budget() == 0 {
            return op::out_of_budget(cx, this.site);
        }
        if let Poll::Ready(output) = this.operation.as_mut().poll(cx) {
            return Poll::Ready(F::completed(output));
        }
        poll_end(this.done, cx).map(|error| this.operation.withdraw(error))
    }
}

impl<T> Sender<T> {
    /// Sends a value, waiting until `ctx` ends. It is tried once even if that has happened.
    ///
    /// # Errors
    ///
    /// The context has ended, or the channel is closed; the value comes back.
    ///
    /// # Cancellation
    ///
    /// As [`send`](Self::send): dropped before it completes, it has sent nothing and drops its value.
    ///
    /// # Examples
    ///
    /// ```
    /// use gochan::{Context, SendContextError, chan};
    ///
    /// # gochan::block_on(async {
    /// let (tx, rx) = chan(1);
    /// let (ctx, cancel) = Context::background().with_cancel();
    /// tx.send_ctx("a", &ctx).await.unwrap();
    /// cancel.cancel();
    /// assert_eq!(tx.send_ctx("b", &ctx).await, Err(SendContextError::Canceled("b")));
    /// # drop(rx);
    /// # });
    /// ```
    #[track_caller]
    pub fn send_ctx<'a, 'c>(
        &'a self,
        value: T,
        ctx: &'c Context,
    ) -> WithContext<'c, SendFuture<'a, T>> {
        WithContext::new(self.send(value), ctx, Location::caller())
    }

    /// Takes a permit to send, waiting until `ctx` ends. See [`reserve`](Self::reserve).
    ///
    /// # Errors
    ///
    /// The context has ended, or the channel is closed.
    ///
    /// # Cancellation
    ///
    /// Safe at any time: a permit that was already granted is given back.
    #[track_caller]
    pub fn reserve_ctx<'a, 'c>(
        &'a self,
        ctx: &'c Context,
    ) -> WithContext<'c, ReserveFuture<'a, T>> {
        WithContext::new(self.reserve(), ctx, Location::caller())
    }

    /// Waits for the close of the channel until `ctx` ends. See [`closed`](Self::closed).
    ///
    /// # Errors
    ///
    /// The context has ended.
    #[track_caller]
    pub fn closed_ctx<'a, 'c>(&'a self, ctx: &'c Context) -> Run<'c, ClosedFuture<'a, T>> {
        ctx.run(self.closed())
    }
}

impl<T> Receiver<T> {
    /// Receives a value, waiting until `ctx` ends. It is tried once even if that has happened.
    ///
    /// # Errors
    ///
    /// The context has ended, or the channel is closed and empty.
    ///
    /// # Cancellation
    ///
    /// Safe at any time, as [`recv`](Self::recv).
    ///
    /// # Examples
    ///
    /// ```
    /// use gochan::{Context, RecvContextError, chan};
    /// use std::time::Duration;
    ///
    /// # gochan::block_on(async {
    /// let (tx, rx) = chan(1);
    /// let (ctx, _cancel) = Context::background().with_timeout(Duration::from_millis(1));
    /// assert_eq!(rx.recv_ctx(&ctx).await, Err(RecvContextError::DeadlineExceeded));
    /// tx.try_send(7).unwrap();
    /// assert_eq!(rx.recv_ctx(&ctx).await, Ok(7), "it was there");
    /// # });
    /// ```
    #[track_caller]
    pub fn recv_ctx<'a, 'c>(&'a self, ctx: &'c Context) -> WithContext<'c, RecvFuture<'a, T>> {
        WithContext::new(self.recv(), ctx, Location::caller())
    }

    /// Receives up to `limit` values, waiting for the first until `ctx` ends. See [`recv_many`](Self::recv_many).
    ///
    /// # Errors
    ///
    /// The context has ended.
    #[track_caller]
    pub fn recv_many_ctx<'a, 'c>(
        &'a self,
        into: &'a mut Vec<T>,
        limit: usize,
        ctx: &'c Context,
    ) -> Run<'c, RecvManyFuture<'a, T>> {
        ctx.run(self.recv_many(into, limit))
    }
}

/// Waits until `duration` has passed, counted from this call, or `ctx` ends. See [`sleep`](crate::sleep).
///
/// # Errors
///
/// The context has ended.
///
/// # Examples
///
/// ```
/// use gochan::{Context, ContextError, sleep_ctx};
/// use std::time::Duration;
///
/// # gochan::block_on(async {
/// let (ctx, cancel) = Context::background().with_cancel();
/// assert_eq!(sleep_ctx(Duration::from_millis(1), &ctx).await, Ok(()));
/// cancel.cancel();
/// let long = sleep_ctx(Duration::from_secs(3600), &ctx);
/// assert_eq!(long.await, Err(ContextError::Canceled));
/// # });
/// ```
#[track_caller]
pub fn sleep_ctx(duration: Duration, ctx: &Context) -> Run<'_, Sleep> {
    ctx.run(sleep(duration))
}

/// Waits until the moment `deadline`, or until `ctx` ends. See [`sleep_until`](crate::sleep_until).
///
/// # Errors
///
/// The context has ended.
#[track_caller]
pub fn sleep_until_ctx(deadline: Instant, ctx: &Context) -> Run<'_, Sleep> {
    ctx.run(sleep_until(deadline))
}

impl Timer {
    /// Waits for the tick until `ctx` ends. See [`recv`](Self::recv).
    ///
    /// # Errors
    ///
    /// The context has ended.
    #[track_caller]
    pub fn recv_ctx<'a, 'c>(&'a self, ctx: &'c Context) -> Run<'c, TickFuture<'a>> {
        ctx.run(self.recv())
    }
}

impl Ticker {
    /// Waits for the next tick until `ctx` ends. See [`tick`](Self::tick).
    ///
    /// # Errors
    ///
    /// The context has ended.
    ///
    /// # Examples
    ///
    /// ```
    /// use gochan::{Context, time::Ticker};
    /// use std::time::Duration;
    ///
    /// # gochan::block_on(async {
    /// let (ctx, _cancel) = Context::background().with_timeout(Duration::from_millis(5));
    /// let ticker = Ticker::new(Duration::from_millis(1));
    /// let mut ticks = 0;
    /// while ticker.tick_ctx(&ctx).await.is_ok() {
    ///     ticks += 1;
    /// }
    /// assert!(ctx.is_done() && ticks <= 5);
    /// # });
    /// ```
    #[track_caller]
    pub fn tick_ctx<'a, 'c>(&'a self, ctx: &'c Context) -> Run<'c, TickFuture<'a>> {
        ctx.run(self.tick())
    }
}

impl<T> JoinHandle<T> {
    /// Waits for the end of the task until `ctx` ends. The task goes on, and so does the handle.
    ///
    /// # Errors
    ///
    /// The context has ended. Inside: as awaiting the handle.
    ///
    /// # Examples
    ///
    /// ```
    /// use gochan::{Context, ContextError, go};
    ///
    /// gochan::run(async {
    ///     let (ctx, cancel) = Context::background().with_cancel();
    ///     let mut sleeper = go(std::future::pending::<()>());
    ///     cancel.cancel();
    ///     assert_eq!(sleeper.join_ctx(&ctx).await.unwrap_err(), ContextError::Canceled);
    ///     sleeper.abort();
    ///     assert!(sleeper.await.unwrap_err().is_cancelled());
    /// });
    /// ```
    #[track_caller]
    pub fn join_ctx<'a, 'c>(&'a mut self, ctx: &'c Context) -> Run<'c, &'a mut JoinHandle<T>> {
        ctx.run(self)
    }
}
