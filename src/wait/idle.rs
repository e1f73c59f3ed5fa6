//! Waits that are no sign of trouble: a worker without work waits as long as it likes.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use pin_project_lite::pin_project;

use crate::hook::current;

pin_project! {
    /// A future whose wait is no sign of trouble, made by `idle_ok` of an operation or by
    /// [`diag::idle_ok`](crate::diag::idle_ok).
    ///
    /// # Cancellation
    /// As the future in it.
    #[derive(Debug)]
    #[must_use = "futures do nothing unless awaited"]
    pub struct IdleOk<F> {
        #[pin]
        inner: F,
    }
}

impl<F> IdleOk<F> {
    pub(crate) fn new(inner: F) -> IdleOk<F> {
        IdleOk { inner }
    }
}

impl<F: Future> Future for IdleOk<F> {
    type Output = F::Output;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let polled = self.project().inner.poll(cx);
        if polled.is_pending() {
            current::mark_idle();
        }
        polled
    }
}
