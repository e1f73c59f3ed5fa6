//! A receiver as a `Stream`.

use std::panic::Location;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures_core::Stream;
use pin_project_lite::pin_project;

use super::slot::RecvSlot;
use super::{Receiver, RecvFuture};

pin_project! {
    /// The values of a channel as a stream, which ends when the channel is closed and empty: from
    /// [`Receiver::stream`].
    ///
    /// # Cancellation
    /// Safe at any time, as [`RecvFuture`] is.
    #[must_use = "streams do nothing unless polled"]
    #[derive(Debug)]
    pub struct RecvStream<'a, T> {
        rx: &'a Receiver<T>,
        site: &'static Location<'static>,
        #[pin]
        recv: Option<RecvFuture<'a, T>>,
    }
}

impl<'a, T> RecvStream<'a, T> {
    pub(super) fn new(rx: &'a Receiver<T>, site: &'static Location<'static>) -> Self {
        RecvStream {
            rx,
            site,
            recv: None,
        }
    }
}

impl<T> Stream for RecvStream<'_, T> {
    type Item = T;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<T>> {
        let mut this = self.project();
        if this.recv.is_none() {
            this.recv.set(Some(RecvFuture::new(
                &this.rx.chan,
                this.site,
                RecvSlot::default(),
            )));
        }
        let recv = this.recv.as_mut().as_pin_mut().expect("it was just set");
        let value = ready!(recv.poll(cx)).ok();
        this.recv.set(None);
        Poll::Ready(value)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (0, self.rx.is_over().then_some(0))
    }
}
