//! A channel between tasks as a peer. The peers themselves stand in `channel/peers.rs`.
//!
//! 1. A channel is closed by dropping its senders; `send` then gives false and `recv` none.
//! 2. What a peer cannot do it does not implement: no second receiver, no `ManyReceivers`. A peer whose receive
//!    future may lose a message when dropped is not `Selectable`.

mod gochan;
mod peers;

pub use self::gochan::Gochan;
pub use self::peers::*;

use pin_project_lite::pin_project;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

/// What is sent: a number, and as many words more as the row asks for.
pub trait Message: Copy + Send + Unpin + 'static {
    const BLANK: Self;
    fn stamp(&mut self, number: u64);
    fn number(&self) -> u64;
}

impl Message for u64 {
    const BLANK: u64 = 0;
    fn stamp(&mut self, number: u64) {
        *self = number;
    }
    fn number(&self) -> u64 {
        *self
    }
}

impl<const WORDS: usize> Message for [u64; WORDS] {
    const BLANK: Self = [0; WORDS];
    fn stamp(&mut self, number: u64) {
        self[0] = number;
    }
    fn number(&self) -> u64 {
        self[0]
    }
}

pub trait Channel: 'static {
    type Sender<T: Send + Unpin + 'static>: Send + 'static;
    type Receiver<T: Send + Unpin + 'static>: Send + 'static;

    fn open<T: Send + Unpin + 'static>(capacity: usize) -> (Self::Sender<T>, Self::Receiver<T>);
    fn send<T: Send + Unpin + 'static>(
        tx: &mut Self::Sender<T>,
        v: T,
    ) -> impl Future<Output = bool> + Send;
    fn recv<T: Send + Unpin + 'static>(
        rx: &mut Self::Receiver<T>,
    ) -> impl Future<Output = Option<T>> + Send;
    fn try_send<T: Send + Unpin + 'static>(tx: &mut Self::Sender<T>, v: T) -> bool;
    fn try_recv<T: Send + Unpin + 'static>(rx: &mut Self::Receiver<T>) -> Option<T>;

    /// Whatever is there already in one of two channels. A peer without a select of its own with a default looks at
    /// one, then at the other.
    #[inline]
    fn try_recv_either<T: Send + Unpin + 'static>(
        a: &mut Self::Receiver<T>,
        b: &mut Self::Receiver<T>,
    ) -> impl Future<Output = Option<T>> + Send {
        std::future::ready(Self::try_recv(a).or_else(|| Self::try_recv(b)))
    }
}

pub trait ManySenders: Channel {
    fn another_sender<T: Send + Unpin + 'static>(tx: &Self::Sender<T>) -> Self::Sender<T>;
}

pub trait ManyReceivers: ManySenders {
    fn another_receiver<T: Send + Unpin + 'static>(rx: &Self::Receiver<T>) -> Self::Receiver<T>;
}

/// May take part in a select: a receive that loses leaves its message in the channel.
pub trait Selectable: ManySenders {
    /// Says to stop. In these rows nobody does; the price is looking.
    type Stop: Send;

    fn never_stop() -> Self::Stop;

    fn recv_of_2<T: Send + Unpin + 'static>(
        a: &mut Self::Receiver<T>,
        b: &mut Self::Receiver<T>,
    ) -> impl Future<Output = Option<T>> + Send;

    fn recv_of_4<T: Send + Unpin + 'static>(
        from: &mut [Self::Receiver<T>; 4],
    ) -> impl Future<Output = Option<T>> + Send;

    /// Receives unless told to stop, made anew for every message as one writes it in a loop.
    fn recv_or_stop<T: Send + Unpin + 'static>(
        rx: &mut Self::Receiver<T>,
        stop: &mut Self::Stop,
    ) -> impl Future<Output = Option<T>> + Send;
}

pin_project! {
    /// Whether an operation succeeded, without another async block's copy of the value around it.
    pub struct Sent<F> { #[pin] inner: F }
}

impl<F: Future<Output = Result<(), E>>, E> Future for Sent<F> {
    type Output = bool;

    #[inline(always)]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<bool> {
        Poll::Ready(ready!(self.project().inner.poll(cx)).is_ok())
    }
}

pin_project! {
    /// The value received if any, likewise.
    pub struct Received<F> { #[pin] inner: F }
}

impl<F: Future<Output = Result<T, E>>, T, E> Future for Received<F> {
    type Output = Option<T>;

    #[inline(always)]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<T>> {
        Poll::Ready(ready!(self.project().inner.poll(cx)).ok())
    }
}
