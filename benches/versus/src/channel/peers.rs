//! The channel peers, each a few one-line answers to `Channel`.
//!
//! tokio's, async-channel and crossfire have no capacity 0 (crossfire quietly makes it 1): `roster` keeps them out of
//! the unbuffered rows. kanal is not `Selectable`: dropping its receive future drops a message handed to it.

use super::{Channel, ManyReceivers, ManySenders, Received, Selectable, Sent};
use std::future::Future;
use tokio_util::sync::CancellationToken;

/// A peer whose send and receive futures both give a `Result`, as all but tokio's do.
macro_rules! channel {
    (
        $(#[$doc:meta])* $peer:ident: $sender:ty, $receiver:ty;
        open $open:path; send $send:ident; recv |$rx:ident| $recv:expr;
        try_send |$try_tx:ident, $v:ident| $try_send:expr; try_recv |$try_rx:ident| $try_recv:expr;
    ) => {
        $(#[$doc])*
        pub struct $peer;

        impl Channel for $peer {
            type Sender<T: Send + Unpin + 'static> = $sender;
            type Receiver<T: Send + Unpin + 'static> = $receiver;

            fn open<T: Send + Unpin + 'static>(capacity: usize) -> (Self::Sender<T>, Self::Receiver<T>) {
                $open(capacity)
            }
            #[inline]
            fn send<T: Send + Unpin + 'static>(tx: &mut Self::Sender<T>, v: T) -> impl Future<Output = bool> + Send {
                Sent { inner: tx.$send(v) }
            }
            #[inline]
            fn recv<T: Send + Unpin + 'static>($rx: &mut Self::Receiver<T>) -> impl Future<Output = Option<T>> + Send {
                $recv
            }
            #[inline]
            fn try_send<T: Send + Unpin + 'static>($try_tx: &mut Self::Sender<T>, $v: T) -> bool {
                $try_send
            }
            #[inline]
            fn try_recv<T: Send + Unpin + 'static>($try_rx: &mut Self::Receiver<T>) -> Option<T> {
                $try_recv
            }
        }
    };
}

channel! {
    TokioMpsc: tokio::sync::mpsc::Sender<T>, tokio::sync::mpsc::Receiver<T>;
    open tokio::sync::mpsc::channel; send send; recv |rx| rx.recv();
    try_send |tx, v| tx.try_send(v).is_ok(); try_recv |rx| rx.try_recv().ok();
}
channel! {
    Flume: flume::Sender<T>, flume::Receiver<T>;
    open flume::bounded; send send_async; recv |rx| Received { inner: rx.recv_async() };
    try_send |tx, v| tx.try_send(v).is_ok(); try_recv |rx| rx.try_recv().ok();
}
channel! {
    AsyncChannel: async_channel::Sender<T>, async_channel::Receiver<T>;
    open async_channel::bounded; send send; recv |rx| Received { inner: rx.recv() };
    try_send |tx, v| tx.try_send(v).is_ok(); try_recv |rx| rx.try_recv().ok();
}
channel! {
    Kanal: kanal::AsyncSender<T>, kanal::AsyncReceiver<T>;
    open kanal::bounded_async; send send; recv |rx| Received { inner: rx.recv() };
    try_send |tx, v| tx.as_sync().try_send(v).unwrap_or(false);
    try_recv |rx| rx.as_sync().try_recv().ok().flatten();
}
channel! {
    CrossfireMpmc: crossfire::MAsyncTx<crossfire::mpmc::Array<T>>, crossfire::MAsyncRx<crossfire::mpmc::Array<T>>;
    open crossfire::mpmc::bounded_async; send send; recv |rx| Received { inner: rx.recv() };
    try_send |tx, v| tx.try_send(v).is_ok(); try_recv |rx| rx.try_recv().ok();
}
channel! {
    CrossfireMpsc: crossfire::MAsyncTx<crossfire::mpsc::Array<T>>, crossfire::AsyncRx<crossfire::mpsc::Array<T>>;
    open crossfire::mpsc::bounded_async; send send; recv |rx| Received { inner: rx.recv() };
    try_send |tx, v| tx.try_send(v).is_ok(); try_recv |rx| rx.try_recv().ok();
}
channel! {
    CrossfireSpsc: crossfire::AsyncTx<crossfire::spsc::Array<T>>, crossfire::AsyncRx<crossfire::spsc::Array<T>>;
    open crossfire::spsc::bounded_async; send send; recv |rx| Received { inner: rx.recv() };
    try_send |tx, v| tx.try_send(v).is_ok(); try_recv |rx| rx.try_recv().ok();
}

macro_rules! many {
    ($($peer:ident)*: senders) => {
        $(impl ManySenders for $peer {
            fn another_sender<T: Send + Unpin + 'static>(tx: &Self::Sender<T>) -> Self::Sender<T> {
                tx.clone()
            }
        })*
    };
    ($($peer:ident)*: receivers) => {
        $(impl ManyReceivers for $peer {
            fn another_receiver<T: Send + Unpin + 'static>(rx: &Self::Receiver<T>) -> Self::Receiver<T> {
                rx.clone()
            }
        })*
    };
}
many!(TokioMpsc Flume AsyncChannel Kanal CrossfireMpmc CrossfireMpsc: senders);
many!(Flume AsyncChannel Kanal CrossfireMpmc: receivers);

/// The Rust peers have no select of their own for tasks: tokio's macro serves all, on either executor, with
/// tokio-util's token for stopping.
macro_rules! select_by_tokio {
    ($($peer:ident)*) => {
        $(impl Selectable for $peer {
            type Stop = CancellationToken;

            fn never_stop() -> CancellationToken {
                CancellationToken::new()
            }
            #[inline]
            async fn recv_of_2<T: Send + Unpin + 'static>(
                a: &mut Self::Receiver<T>,
                b: &mut Self::Receiver<T>,
            ) -> Option<T> {
                tokio::select! { v = Self::recv(a) => v, v = Self::recv(b) => v }
            }
            #[inline]
            async fn recv_of_4<T: Send + Unpin + 'static>([a, b, c, d]: &mut [Self::Receiver<T>; 4]) -> Option<T> {
                tokio::select! {
                    v = Self::recv(a) => v,
                    v = Self::recv(b) => v,
                    v = Self::recv(c) => v,
                    v = Self::recv(d) => v,
                }
            }
            #[inline]
            async fn recv_or_stop<T: Send + Unpin + 'static>(
                rx: &mut Self::Receiver<T>,
                stop: &mut CancellationToken,
            ) -> Option<T> {
                tokio::select! { v = Self::recv(rx) => v, () = stop.cancelled() => panic!("nobody said stop") }
            }
        })*
    };
}
select_by_tokio!(TokioMpsc Flume AsyncChannel CrossfireMpsc);
