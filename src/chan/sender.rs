//! The sending handle.

use std::panic::Location;
use std::task::Poll;

use super::slot::SendSlot;
use super::{ClosedFuture, HChan, Permit, ReserveFuture, SendFuture, WeakSender};
use crate::error::{SendError, TrySendError};
use crate::shim::Arc;
use crate::wait::wakes::Wakes;

/// The sending side of a channel, made by [`chan`](crate::chan()) or [`unbounded`](crate::unbounded).
///
/// Cloned freely; when the last one is dropped the channel is closed.
pub struct Sender<T> {
    pub(super) chan: Arc<HChan<T>>,
}

impl<T> Sender<T> {
    /// Sends a value; waits while there is neither room nor, at capacity 0, a receiver.
    ///
    /// At capacity 0 `Ok` means that a receiver was given the value. Follows Go's `ch <- v` (runtime/chan.go, chansend).
    ///
    /// ```
    /// # gochan::block_on(async {
    /// let (tx, rx) = gochan::chan(1);
    /// tx.send(7).await.unwrap();
    /// assert_eq!(rx.recv().await, Ok(7));
    /// drop(rx);
    /// assert_eq!(tx.send(8).await.unwrap_err().into_inner(), 8);
    /// # });
    /// ```
    ///
    /// # Errors
    /// The channel is closed; the value comes back.
    ///
    /// # Cancellation
    /// Dropped before it completes, it has sent nothing and drops the value; see [`SendFuture`] for ways to keep it.
    #[track_caller]
    #[inline(always)]
    pub fn send(&self, value: T) -> SendFuture<'_, T> {
        SendFuture::new(&self.chan, Location::caller(), SendSlot::value(value))
    }

    /// Sends a value if that needs no wait.
    ///
    /// ```
    /// let (tx, rx) = gochan::chan(1);
    /// tx.try_send(1).unwrap();
    /// assert!(tx.try_send(2).unwrap_err().is_full());
    /// # drop(rx);
    /// ```
    ///
    /// # Errors
    /// No room (at capacity 0: no waiting receiver), or closed; the value comes back.
    #[inline(always)]
    pub fn try_send(&self, value: T) -> Result<(), TrySendError<T>> {
        if !self.chan.look_to_send().0 {
            return Err(TrySendError::Full(value));
        }
        let mut inner = self.chan.object.lock();
        if inner.can_push(&self.chan.gate) {
            inner.push_plain(&self.chan.gate, || value);
            return Ok(());
        }
        let mut wakes = Wakes::new();
        let mut slot = SendSlot::value(value);
        let sent = inner.send(&self.chan.gate, &mut slot, &mut wakes);
        drop(inner);
        wakes.fire();
        match sent {
            Poll::Ready(sent) => sent.map_err(TrySendError::from),
            Poll::Pending => Err(TrySendError::Full(slot.take())),
        }
    }

    /// Sends a value, blocking this thread meanwhile. Not for tasks: it would block their worker.
    ///
    /// # Errors
    /// The channel is closed; the value comes back.
    #[inline]
    #[track_caller]
    pub fn send_blocking(&self, value: T) -> Result<(), SendError<T>> {
        match self.try_send(value) {
            Ok(()) => Ok(()),
            Err(TrySendError::Closed(value)) => Err(SendError(value)),
            Err(TrySendError::Full(value)) => self.send(value).wait(),
        }
    }

    /// Waits for a place and takes a [`Permit`] for it, so that a value can be made when it is sure to be sent, or be
    /// kept when a `select!` is lost.
    ///
    /// ```
    /// # gochan::block_on(async {
    /// let (tx, rx) = gochan::chan(1);
    /// let permit = tx.reserve().await.unwrap();
    /// assert!(tx.try_send(0).is_err());
    /// permit.send(1).unwrap();
    /// assert_eq!(rx.recv().await, Ok(1));
    /// # });
    /// ```
    ///
    /// # Errors
    /// The channel is closed.
    ///
    /// # Cancellation
    /// Safe at any time.
    #[track_caller]
    pub fn reserve(&self) -> ReserveFuture<'_, T> {
        ReserveFuture::new(&self.chan, Location::caller(), SendSlot::reserve())
    }

    /// Takes a permit if that needs no wait.
    ///
    /// # Errors
    /// No place, or closed.
    pub fn try_reserve(&self) -> Result<Permit<'_, T>, TrySendError<()>> {
        match self.chan.object.lock().reserve(&self.chan.gate) {
            Poll::Ready(Ok(())) => Ok(Permit::new(&self.chan)),
            Poll::Ready(Err(error)) => Err(error.into()),
            Poll::Pending => Err(TrySendError::Full(())),
        }
    }

    /// Waits until the channel is closed, which it also is when the last receiver is gone.
    ///
    /// # Cancellation
    /// Safe at any time.
    #[track_caller]
    pub fn closed(&self) -> ClosedFuture<'_, T> {
        ClosedFuture::new(&self.chan, Location::caller(), ())
    }

    /// A handle that does not keep the channel open.
    pub fn downgrade(&self) -> WeakSender<T> {
        WeakSender {
            chan: self.chan.clone(),
        }
    }
}

impl<T> Drop for Sender<T> {
    fn drop(&mut self) {
        if self.chan.drop_handle(&self.chan.senders) {
            self.chan.close();
        }
    }
}
