//! gochan's channels, with its own `select!`.

use super::{Channel, ManyReceivers, ManySenders, Received, Selectable, Sent};
use gochan::{Receiver, Sender, select};
use std::future::Future;

pub struct Gochan;

impl Channel for Gochan {
    type Sender<T: Send + Unpin + 'static> = Sender<T>;
    type Receiver<T: Send + Unpin + 'static> = Receiver<T>;

    fn open<T: Send + Unpin + 'static>(capacity: usize) -> (Sender<T>, Receiver<T>) {
        gochan::chan(capacity)
    }

    #[inline]
    fn send<T: Send + Unpin + 'static>(
        tx: &mut Sender<T>,
        v: T,
    ) -> impl Future<Output = bool> + Send {
        Sent { inner: tx.send(v) }
    }

    #[inline]
    fn recv<T: Send + Unpin + 'static>(
        rx: &mut Receiver<T>,
    ) -> impl Future<Output = Option<T>> + Send {
        Received { inner: rx.recv() }
    }

    #[inline]
    fn try_send<T: Send + Unpin + 'static>(tx: &mut Sender<T>, v: T) -> bool {
        tx.try_send(v).is_ok()
    }

    #[inline]
    fn try_recv<T: Send + Unpin + 'static>(rx: &mut Receiver<T>) -> Option<T> {
        rx.try_recv().ok()
    }

    #[inline]
    async fn try_recv_either<T: Send + Unpin + 'static>(
        a: &mut Receiver<T>,
        b: &mut Receiver<T>,
    ) -> Option<T> {
        select! {
            v = a.recv() => v.ok(),
            v = b.recv() => v.ok(),
            default => None,
        }
    }
}

impl ManySenders for Gochan {
    fn another_sender<T: Send + Unpin + 'static>(tx: &Sender<T>) -> Sender<T> {
        tx.clone()
    }
}

impl ManyReceivers for Gochan {
    fn another_receiver<T: Send + Unpin + 'static>(rx: &Receiver<T>) -> Receiver<T> {
        rx.clone()
    }
}

impl Selectable for Gochan {
    /// What a context's `done` is too: a channel that would be closed. The sender keeps it open.
    type Stop = (Sender<()>, Receiver<()>);

    fn never_stop() -> Self::Stop {
        gochan::chan(0)
    }

    #[inline]
    async fn recv_of_2<T: Send + Unpin + 'static>(
        a: &mut Receiver<T>,
        b: &mut Receiver<T>,
    ) -> Option<T> {
        select! {
            v = a.recv() => v.ok(),
            v = b.recv() => v.ok(),
        }
    }

    #[inline]
    async fn recv_of_4<T: Send + Unpin + 'static>(
        [a, b, c, d]: &mut [Receiver<T>; 4],
    ) -> Option<T> {
        select! {
            v = a.recv() => v.ok(),
            v = b.recv() => v.ok(),
            v = c.recv() => v.ok(),
            v = d.recv() => v.ok(),
        }
    }

    #[inline]
    async fn recv_or_stop<T: Send + Unpin + 'static>(
        rx: &mut Receiver<T>,
        (_, stop): &mut Self::Stop,
    ) -> Option<T> {
        select! {
            v = rx.recv() => v.ok(),
            _ = stop.recv() => panic!("nobody said stop"),
        }
    }
}
