//! Channel operations that give up at a moment.
//!
//! Each is the operation itself with an alarm beside it. The operation is polled first; when the alarm has elapsed the
//! operation is withdrawn from its queue, and if a peer was faster its result counts: nothing is lost at the deadline.

use super::alarm::Alarm;
use crate::chan::{Receiver, RecvFuture, SendFuture, Sender};
use crate::error::{RecvError, RecvTimeoutError, SendError, SendTimeoutError};
use crate::hook::current as running;
use crate::wait::{op, parker};
use pin_project_lite::pin_project;
use std::future::Future;
use std::panic::Location;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

impl<T> Sender<T> {
    /// Sends a value, waiting for at most `duration`, counted from this call. With zero it is tried once.
    ///
    /// # Errors
    ///
    /// The time is up, or the channel is closed; the value comes back.
    ///
    /// # Cancellation
    ///
    /// As [`send`](Self::send): dropped before it completes, it has sent nothing and drops its value.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// let (tx, rx) = gochan::chan(1);
    /// let limit = Duration::from_millis(1);
    /// assert!(tx.send_timeout("a", limit).wait().is_ok()); // in a task: .await
    /// let late = tx.send_timeout("b", limit).wait().unwrap_err();
    /// assert!(late.is_timeout());
    /// assert_eq!(late.into_inner(), "b");
    /// # drop(rx);
    /// ```
    #[track_caller]
    pub fn send_timeout(&self, value: T, duration: Duration) -> SendTimeoutFuture<'_, T> {
        let alarm = Alarm::after(duration, Location::caller());
        let send = self.send(value);
        SendTimeoutFuture { send, alarm }
    }

    /// Sends a value, waiting until `deadline` at the latest. See [`send_timeout`](Self::send_timeout).
    ///
    /// # Errors
    ///
    /// The deadline has passed, or the channel is closed; the value comes back.
    ///
    /// # Cancellation
    ///
    /// As [`send`](Self::send): dropped before it completes, it has sent nothing and drops its value.
    #[track_caller]
    pub fn send_deadline(&self, value: T, deadline: Instant) -> SendTimeoutFuture<'_, T> {
        let alarm = Alarm::at(Some(deadline), Location::caller());
        let send = self.send(value);
        SendTimeoutFuture { send, alarm }
    }
}

impl<T> Receiver<T> {
    /// Receives a value, waiting for at most `duration`, counted from this call. With zero it is tried once.
    ///
    /// # Errors
    ///
    /// The time is up, or the channel is closed and empty.
    ///
    /// # Cancellation
    ///
    /// Safe at any time, as [`recv`](Self::recv).
    ///
    /// # Examples
    ///
    /// ```
    /// use gochan::RecvTimeoutError;
    /// use std::time::Duration;
    ///
    /// let (tx, rx) = gochan::chan::<u8>(0);
    /// let limit = Duration::from_millis(1);
    /// assert_eq!(rx.recv_timeout(limit).wait(), Err(RecvTimeoutError::Timeout)); // in a task: .await
    /// drop(tx);
    /// assert_eq!(rx.recv_timeout(limit).wait(), Err(RecvTimeoutError::Closed));
    /// ```
    #[track_caller]
    pub fn recv_timeout(&self, duration: Duration) -> RecvTimeoutFuture<'_, T> {
        let alarm = Alarm::after(duration, Location::caller());
        let recv = self.recv();
        RecvTimeoutFuture { recv, alarm }
    }

    /// Receives a value, waiting until `deadline` at the latest. See [`recv_timeout`](Self::recv_timeout).
    ///
    /// # Errors
    ///
    /// The deadline has passed, or the channel is closed and empty.
    ///
    /// # Cancellation
    ///
    /// Safe at any time, as [`recv`](Self::recv).
    #[track_caller]
    pub fn recv_deadline(&self, deadline: Instant) -> RecvTimeoutFuture<'_, T> {
        let alarm = Alarm::at(Some(deadline), Location::caller());
        let recv = self.recv();
        RecvTimeoutFuture { recv, alarm }
    }
}

pin_project! {
    /// A send with a time limit, made by [`Sender::send_timeout`] and [`Sender::send_deadline`].
    ///
    /// # Cancellation
    ///
    /// Dropped before it completes, it has sent nothing and drops its value.
    #[derive(Debug)]
    #[must_use = "futures do nothing unless awaited"]
    pub struct SendTimeoutFuture<'a, T> {
        #[pin]
        send: SendFuture<'a, T>,
        alarm: Alarm,
    }
}

pin_project! {
    /// A receive with a time limit, made by [`Receiver::recv_timeout`] and [`Receiver::recv_deadline`].
    ///
    /// # Cancellation
    ///
    /// Safe at any time: a value that was already handed to it goes to the next waiting receiver, else back to the
    /// front of the channel.
    #[derive(Debug)]
    #[must_use = "futures do nothing unless awaited"]
    pub struct RecvTimeoutFuture<'a, T> {
        #[pin]
        recv: RecvFuture<'a, T>,
        alarm: Alarm,
    }
}

impl<T> SendTimeoutFuture<'_, T> {
    /// Blocks this thread until the value is sent or the time is up. Not for tasks: it would block their worker.
    ///
    /// # Errors
    ///
    /// The time is up, or the channel is closed; the value comes back.
    pub fn wait(self) -> Result<(), SendTimeoutError<T>> {
        let mut send = pin!(self.send);
        match parker::block_on_until(send.as_mut(), self.alarm.deadline()) {
            Some(sent) => sent.map_err(SendTimeoutError::from),
            None => give_up_send(send),
        }
    }
}

impl<T> RecvTimeoutFuture<'_, T> {
    /// Blocks this thread until a value is there or the time is up. Not for tasks: it would block their worker.
    ///
    /// # Errors
    ///
    /// The time is up, or the channel is closed and empty.
    pub fn wait(self) -> Result<T, RecvTimeoutError> {
        let mut recv = pin!(self.recv);
        match parker::block_on_until(recv.as_mut(), self.alarm.deadline()) {
            Some(received) => received.map_err(RecvTimeoutError::from),
            None => give_up_recv(recv),
        }
    }
}

fn give_up_send<T>(mut send: Pin<&mut SendFuture<'_, T>>) -> Result<(), SendTimeoutError<T>> {
    if let Some(sent) = send.as_mut().cancel() {
        return sent.map_err(|SendError(value)| SendTimeoutError::Closed(value));
    }
    let value = send.reclaim();
    Err(SendTimeoutError::Timeout(
        value.expect("a send that was withdrawn still has its value"),
    ))
}

fn give_up_recv<T>(recv: Pin<&mut RecvFuture<'_, T>>) -> Result<T, RecvTimeoutError> {
    match recv.cancel() {
        Some(received) => received.map_err(|RecvError| RecvTimeoutError::Closed),
        None => Err(RecvTimeoutError::Timeout),
    }
}

impl<T> Future for SendTimeoutFuture<'_, T> {
    type Output = Result<(), SendTimeoutError<T>>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        // It is tried before it gives up, and the first try needs budget.
        if running::budget() == 0 {
            return op::out_of_budget(cx, this.alarm.site());
        }
        if let Poll::Ready(sent) = this.send.as_mut().poll(cx) {
            return Poll::Ready(sent.map_err(SendTimeoutError::from));
        }
        if this.alarm.poll(cx.waker()) {
            return Poll::Ready(give_up_send(this.send));
        }
        Poll::Pending
    }
}

impl<T> Future for RecvTimeoutFuture<'_, T> {
    type Output = Result<T, RecvTimeoutError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        // It is tried before it gives up, and the first try needs budget.
        if running::budget() == 0 {
            return op::out_of_budget(cx, this.alarm.site());
        }
        if let Poll::Ready(received) = this.recv.as_mut().poll(cx) {
            return Poll::Ready(received.map_err(RecvTimeoutError::from));
        }
        if this.alarm.poll(cx.waker()) {
            return Poll::Ready(give_up_recv(this.recv));
        }
        Poll::Pending
    }
}

#[cfg(all(test, gochan_loom))]
mod loom;
#[cfg(test)]
mod tests;
