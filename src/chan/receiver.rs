//! The receiving handle.

use std::future::Future;
use std::panic::Location;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use pin_project_lite::pin_project;

use super::slot::RecvSlot;
use super::{Drain, HChan, Iter, RecvFuture, RecvStream, TryIter, WeakReceiver};
use crate::error::{RecvError, TryRecvError};
use crate::shim::Arc;
use crate::wait::parker;
use crate::wait::wakes::Wakes;

/// The receiving side of a channel, made by [`chan`](crate::chan()) or [`unbounded`](crate::unbounded).
///
/// Cloned freely: each value goes to one receiver. When the last one is dropped the channel is closed and what was in
/// it is dropped.
pub struct Receiver<T> {
    pub(super) chan: Arc<HChan<T>>,
}

impl<T> Receiver<T> {
    /// Receives a value; waits while there is none.
    ///
    /// Follows Go's `<-ch` (runtime/chan.go, chanrecv): values that are in a closed channel are still received.
    ///
    /// ```
    /// # gochan::block_on(async {
    /// let (tx, rx) = gochan::chan(1);
    /// tx.send('x').await.unwrap();
    /// drop(tx);
    /// assert_eq!(rx.recv().await, Ok('x'));
    /// assert_eq!(rx.recv().await, Err(gochan::RecvError));
    /// # });
    /// ```
    ///
    /// # Errors
    /// The channel is closed and empty.
    ///
    /// # Cancellation
    /// Safe at any time: a value that was already handed to it goes to the next waiting receiver, else back to the
    /// front of the channel.
    #[track_caller]
    #[inline(always)]
    pub fn recv(&self) -> RecvFuture<'_, T> {
        RecvFuture::new(&self.chan, Location::caller(), RecvSlot::default())
    }

    /// Receives a value if one is there. Takes no lock when none is.
    ///
    /// ```
    /// let (tx, rx) = gochan::chan(1);
    /// assert!(rx.try_recv().unwrap_err().is_empty());
    /// tx.try_send(1).unwrap();
    /// assert_eq!(rx.try_recv(), Ok(1));
    /// ```
    ///
    /// # Errors
    /// Nothing there now, or closed and empty.
    #[inline(always)]
    pub fn try_recv(&self) -> Result<T, TryRecvError> {
        if self.chan.gate.is_surely_empty() {
            return Err(TryRecvError::Empty);
        }
        let mut inner = self.chan.object.lock();
        if inner.can_pop(&self.chan.gate) {
            return Ok(inner.pop_plain(&self.chan.gate));
        }
        let mut wakes = Wakes::new();
        let received = inner.recv(&self.chan.gate, &mut wakes);
        drop(inner);
        wakes.fire();
        match received {
            Poll::Ready(Ok(value)) => Ok(value),
            Poll::Ready(Err(closed)) => Err(closed.into()),
            Poll::Pending => Err(TryRecvError::Empty),
        }
    }

    /// Receives a value, blocking this thread meanwhile. Not for tasks: it would block their worker.
    ///
    /// # Errors
    /// The channel is closed and empty.
    #[inline]
    #[track_caller]
    pub fn recv_blocking(&self) -> Result<T, RecvError> {
        match self.try_recv() {
            Ok(value) => Ok(value),
            Err(TryRecvError::Closed) => Err(RecvError),
            Err(TryRecvError::Empty) => self.recv().wait(),
        }
    }

    /// Receives up to `limit` values into `into`: waits for the first, takes what else is there. Returns their number;
    /// 0: closed and empty, or `limit` is 0. In [`select!`](crate::select!) write `fut(rx.recv_many(..))`.
    ///
    /// ```
    /// # gochan::block_on(async {
    /// let (tx, rx) = gochan::unbounded();
    /// (0..5).for_each(|n| tx.try_send(n).unwrap());
    /// let mut got = Vec::new();
    /// assert_eq!(rx.recv_many(&mut got, 3).await, 3);
    /// assert_eq!(got, [0, 1, 2]);
    /// # });
    /// ```
    ///
    /// # Cancellation
    /// Safe at any time: until it completes it has taken nothing.
    #[track_caller]
    pub fn recv_many<'a>(&'a self, into: &'a mut Vec<T>, limit: usize) -> RecvManyFuture<'a, T> {
        RecvManyFuture {
            first: RecvFuture::new(&self.chan, Location::caller(), RecvSlot::default()),
            rx: self,
            into,
            limit,
        }
    }

    /// What is in the channel at this moment, without waiting.
    pub fn drain(&self) -> Drain<'_, T> {
        Drain::new(self)
    }

    /// Receives until the channel is closed and empty, blocking this thread.
    #[track_caller]
    pub fn iter(&self) -> Iter<'_, T> {
        Iter::new(self)
    }

    /// Receives while something is there, without waiting.
    pub fn try_iter(&self) -> TryIter<'_, T> {
        TryIter::new(self)
    }

    /// The values as a `futures_core::Stream`, which ends when the channel is closed and empty.
    #[track_caller]
    pub fn stream(&self) -> RecvStream<'_, T> {
        RecvStream::new(self, Location::caller())
    }

    /// Marks receives on this channel as no sign of trouble, however long they wait: those of workers that wait for work. A
    /// dump counts them in one line and does not list them, and they are never among the oldest waits; the same goes for a
    /// select with such a receive. It stays so for all receivers of the channel.
    ///
    /// ```
    /// let (jobs, rx) = gochan::chan::<u64>(16);
    /// let rx = rx.named("jobs").idle_ok();
    /// # drop((jobs, rx));
    /// ```
    #[must_use]
    pub fn idle_ok(self) -> Self {
        self.chan.object.tag().set_idle();
        self
    }

    /// A handle that does not keep the channel open.
    pub fn downgrade(&self) -> WeakReceiver<T> {
        WeakReceiver {
            chan: self.chan.clone(),
        }
    }

    /// Moves what is there into `into`, up to `limit` values. The room is made without the lock.
    fn take_more(&self, into: &mut Vec<T>, limit: usize) -> usize {
        let mut taken = 0;
        while taken < limit && !self.chan.gate.is_surely_empty() {
            let batch = self.chan.gate.len().clamp(1, limit - taken);
            into.reserve(batch);
            let got = self.take_batch(into, batch);
            taken += got;
            if got < batch {
                break;
            }
        }
        taken
    }

    fn take_batch(&self, into: &mut Vec<T>, batch: usize) -> usize {
        let mut wakes = Wakes::new();
        let mut inner = self.chan.object.lock();
        let mut got = 0;
        while got < batch
            && let Poll::Ready(Ok(value)) = inner.recv(&self.chan.gate, &mut wakes)
        {
            into.push(value);
            got += 1;
        }
        drop(inner);
        wakes.fire();
        got
    }

    /// Whether nothing will ever come.
    pub(super) fn is_over(&self) -> bool {
        self.chan.is_closed() && self.is_empty()
    }
}

pin_project! {
    /// A receive of several values, made by [`Receiver::recv_many`].
    ///
    /// # Cancellation
    /// Safe at any time: until it completes it has taken nothing.
    #[must_use = "futures do nothing unless awaited"]
    #[derive(Debug)]
    pub struct RecvManyFuture<'a, T> {
        #[pin]
        first: RecvFuture<'a, T>,
        rx: &'a Receiver<T>,
        into: &'a mut Vec<T>,
        limit: usize,
    }
}

impl<T> RecvManyFuture<'_, T> {
    /// Blocks this thread until the receive is done.
    pub fn wait(self) -> usize {
        parker::block_on(self)
    }
}

impl<T> Future for RecvManyFuture<'_, T> {
    type Output = usize;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<usize> {
        let this = self.project();
        if *this.limit == 0 {
            return Poll::Ready(0);
        }
        // Before the first value is taken, so that a panic of the allocation loses nothing.
        this.into.reserve(1);
        let Ok(value) = ready!(this.first.poll(cx)) else {
            return Poll::Ready(0);
        };
        this.into.push(value);
        Poll::Ready(1 + this.rx.take_more(this.into, *this.limit - 1))
    }
}

impl<T> Drop for Receiver<T> {
    fn drop(&mut self) {
        if self.chan.drop_handle(&self.chan.receivers) {
            self.chan.drop_last_receiver();
        }
    }
}
