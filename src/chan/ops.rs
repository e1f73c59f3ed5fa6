//! The waiting operations of a channel: send, reserve, receive, wait for the close. Each is an `Op` and a named future.
//!
//! What they are not: the channel's logic (`hchan.rs`) or the waiting (`wait/op.rs`). An `Op` says which queue, which
//! case of the channel, and what a decided wait yields.

use std::fmt;
use std::future::Future;
use std::panic::Location;
use std::pin::Pin;
use std::task::{Context, Poll};

use pin_project_lite::pin_project;

use super::hchan::Inner;
use super::slot::{RecvSlot, SendSlot};
use super::{HChan, Permit};
use crate::error::{RecvError, SendError};
use crate::wait::IdleOk;
use crate::wait::case::{Arm, Lent, OpCase};
use crate::wait::lock::Object;
use crate::wait::op::{Look, Op, Park};
use crate::wait::queue::Queue;
use crate::wait::reason::WaitReason;
use crate::wait::waiter::How;
use crate::wait::{parker, wakes::Wakes};

type Site = &'static Location<'static>;

/// An `Op` that is a reference to a channel and the line that uses it.
macro_rules! channel_op {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        pub struct $name<'a, T> {
            chan: &'a HChan<T>,
            site: Site,
        }

        impl<T> Clone for $name<'_, T> {
            fn clone(&self) -> Self {
                *self
            }
        }

        impl<T> Copy for $name<'_, T> {}
    };
}

channel_op!(
    /// Sends a value.
    SendOp
);
channel_op!(
    /// Takes a value.
    RecvOp
);
channel_op!(
    /// Takes a permit to send.
    ReserveOp
);
channel_op!(
    /// Waits for the close.
    ClosedOp
);

/// What every channel operation answers alike.
macro_rules! channel_op_common {
    ($queue:ident, $look:ident, $sync:ident) => {
        type Inner = Inner<T>;

        #[inline(always)]
        fn object(&self) -> &Object<Inner<T>> {
            &self.chan.object
        }

        #[inline(always)]
        fn site(&self) -> Site {
            self.site
        }

        #[inline(always)]
        fn queue<'q>(&self, inner: &'q mut Inner<T>) -> &'q mut Queue<Self::Payload> {
            &mut inner.$queue
        }

        #[inline(always)]
        fn look(&self) -> (bool, Look) {
            self.chan.$look()
        }

        #[inline(always)]
        fn changed(&self, inner: &mut Inner<T>) {
            inner.$sync(&self.chan.gate);
        }
    };
}

impl<T> Op for SendOp<'_, T> {
    type Payload = SendSlot<T>;
    type Output = Result<(), SendError<T>>;
    const REASON: WaitReason = WaitReason::ChanSend;
    channel_op_common!(sendq, look_to_send, sync_sendq);

    #[inline(always)]
    fn comes_unasked(&self) -> bool {
        // Not at a rendezvous: one of the two must be queued.
        self.chan.cap > 0
    }

    #[inline(always)]
    fn is_plain(&self, inner: &Inner<T>, payload: &SendSlot<T>) -> bool {
        inner.can_push(&self.chan.gate) && payload.has_value()
    }

    #[inline(always)]
    fn do_plain(&self, inner: &mut Inner<T>, payload: &mut SendSlot<T>) -> Self::Output {
        inner.push_plain(&self.chan.gate, || payload.take());
        Ok(())
    }

    #[inline(always)]
    fn attempt(
        &self,
        inner: &mut Inner<T>,
        payload: &mut SendSlot<T>,
        wakes: &mut Wakes,
    ) -> Poll<Self::Output> {
        if payload.is_spent() {
            // It was lent to a select that was dropped after a receiver had taken the value.
            return Poll::Ready(Ok(()));
        }
        inner.send(&self.chan.gate, payload, wakes)
    }

    fn before_wait(&self, inner: &mut Inner<T>, _: &mut Wakes) {
        if inner.send_waits == 0 {
            self.chan.list();
        }
        inner.send_waits += 1;
    }

    #[inline(always)]
    fn collect(&self, payload: &mut SendSlot<T>, how: How) -> Self::Output {
        match how {
            How::Given => Ok(()),
            How::Closed => Err(SendError(payload.take())),
        }
    }

    fn abandon(&self, _: &mut Inner<T>, _: &mut SendSlot<T>, _: &mut Wakes) {
        // Given means sent: the value is with its receiver.
    }
}

impl<T> Op for RecvOp<'_, T> {
    type Payload = RecvSlot<T>;
    type Output = Result<T, RecvError>;
    const REASON: WaitReason = WaitReason::ChanRecv;
    channel_op_common!(recvq, look_to_recv, sync_recvq);

    #[inline(always)]
    fn comes_unasked(&self) -> bool {
        // Not at a rendezvous: one of the two must be queued.
        self.chan.cap > 0
    }

    #[inline(always)]
    fn is_plain(&self, inner: &Inner<T>, _: &RecvSlot<T>) -> bool {
        inner.can_pop(&self.chan.gate)
    }

    #[inline(always)]
    fn do_plain(&self, inner: &mut Inner<T>, _: &mut RecvSlot<T>) -> Self::Output {
        Ok(inner.pop_plain(&self.chan.gate))
    }

    #[inline(always)]
    fn attempt(
        &self,
        inner: &mut Inner<T>,
        _: &mut RecvSlot<T>,
        wakes: &mut Wakes,
    ) -> Poll<Self::Output> {
        inner.recv(&self.chan.gate, wakes)
    }

    #[inline(always)]
    fn before_wait(&self, inner: &mut Inner<T>, wakes: &mut Wakes) {
        if inner.recv_waits == 0 {
            self.chan.list();
        }
        inner.before_recv_wait(&self.chan.gate, wakes);
    }

    #[inline(always)]
    fn collect(&self, payload: &mut RecvSlot<T>, how: How) -> Self::Output {
        match how {
            How::Given => Ok(payload.take()),
            How::Closed => Err(RecvError),
        }
    }

    fn abandon(&self, inner: &mut Inner<T>, payload: &mut RecvSlot<T>, wakes: &mut Wakes) {
        inner.abandon(&self.chan.gate, payload, wakes);
    }
}

impl<'a, T> Op for ReserveOp<'a, T> {
    type Payload = SendSlot<T>;
    type Output = Result<Permit<'a, T>, SendError<()>>;
    const REASON: WaitReason = WaitReason::ChanSend;
    channel_op_common!(sendq, look_to_send, sync_sendq);

    #[inline(always)]
    fn comes_unasked(&self) -> bool {
        // Not at a rendezvous: one of the two must be queued.
        self.chan.cap > 0
    }

    fn attempt(
        &self,
        inner: &mut Inner<T>,
        payload: &mut SendSlot<T>,
        _: &mut Wakes,
    ) -> Poll<Self::Output> {
        // It may have been lent to a select that never gave it back.
        *payload = SendSlot::reserve();
        let granted = inner.reserve(&self.chan.gate);
        granted.map(|granted| granted.map(|()| Permit::new(self.chan)))
    }

    fn before_wait(&self, inner: &mut Inner<T>, _: &mut Wakes) {
        if inner.send_waits == 0 {
            self.chan.list();
        }
        inner.send_waits += 1;
    }

    fn collect(&self, _: &mut SendSlot<T>, how: How) -> Self::Output {
        match how {
            How::Given => Ok(Permit::new(self.chan)),
            How::Closed => Err(SendError(())),
        }
    }

    fn abandon(&self, inner: &mut Inner<T>, _: &mut SendSlot<T>, wakes: &mut Wakes) {
        inner.unreserve(&self.chan.gate, wakes);
    }

    fn left(&self, inner: &mut Inner<T>, wakes: &mut Wakes) {
        inner.settle(&self.chan.gate, wakes);
    }
}

impl<T> Op for ClosedOp<'_, T> {
    type Payload = ();
    type Output = ();
    const REASON: WaitReason = WaitReason::ChanClosed;
    channel_op_common!(closeq, look_to_close, sync);

    fn attempt(&self, _: &mut Inner<T>, _: &mut (), _: &mut Wakes) -> Poll<()> {
        match self.chan.is_closed() {
            true => Poll::Ready(()),
            false => Poll::Pending,
        }
    }

    fn before_wait(&self, _: &mut Inner<T>, _: &mut Wakes) {
        self.chan.list();
    }

    fn collect(&self, _: &mut (), _: How) {}

    fn abandon(&self, _: &mut Inner<T>, _: &mut (), _: &mut Wakes) {
        // The close stays; there is nothing to pass on.
    }
}

/// A named future around a `Park`, which is also an arm of `select!` by value and by `&mut`.
macro_rules! channel_future {
    ($(#[$doc:meta])* $name:ident, $op:ident, $output:ty) => {
        pin_project! {
            $(#[$doc])*
            #[must_use = "futures do nothing unless awaited"]
            pub struct $name<'a, T> {
                #[pin]
                park: Park<$op<'a, T>>,
            }
        }

        impl<'a, T> $name<'a, T> {
            #[inline(always)]
            pub(super) fn new(chan: &'a HChan<T>, site: Site, payload: <$op<'a, T> as Op>::Payload) -> Self {
                $name { park: Park::new($op { chan, site }, payload) }
            }

            /// Blocks this thread until the operation is done. Not for tasks: it would block their worker.
            #[inline]
            pub fn wait(mut self) -> $output {
                match self.park.at_once() {
                    Some(output) => output,
                    None => parker::block_on(self),
                }
            }

            /// Ends the wait from this side: the output if a peer was faster.
            #[allow(dead_code)] // of those with a deadline form
            pub(crate) fn cancel(self: Pin<&mut Self>) -> Option<$output> {
                self.project().park.cancel()
            }
        }

        impl<'a, T> Future for $name<'a, T> {
            type Output = $output;

            #[inline(always)]
            fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<$output> {
                self.project().park.poll(cx)
            }
        }

        impl<'a, T> Arm for $name<'a, T> {
            type Output = $output;
            type Case = OpCase<$op<'a, T>>;

            #[inline(always)]
            fn into_case(self) -> Self::Case {
                self.park.into_case()
            }
        }

        impl<'a, 'b, T> Arm for &'b mut $name<'a, T> {
            type Output = $output;
            type Case = Lent<'b, $op<'a, T>>;

            fn into_case(self) -> Self::Case {
                (&mut self.park).into_case()
            }
        }

        impl<T> fmt::Debug for $name<'_, T> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.park.fmt(f)
            }
        }
    };
}

channel_future!(
    /// A send in progress, made by [`Sender::send`](crate::Sender::send).
    ///
    /// # Cancellation
    /// Dropped before it completes, it has sent nothing and drops its value. To keep the value, pass `&mut send` to
    /// `select!` and call [`into_inner`](SendFuture::into_inner) afterwards, or use
    /// [`reserve`](crate::Sender::reserve).
    SendFuture,
    SendOp,
    Result<(), SendError<T>>
);

channel_future!(
    /// A receive in progress, made by [`Receiver::recv`](crate::Receiver::recv).
    ///
    /// # Cancellation
    /// Safe at any time: a value that was already handed to it goes to the next waiting receiver, else back to the
    /// front of the channel.
    RecvFuture,
    RecvOp,
    Result<T, RecvError>
);

channel_future!(
    /// A wish for a permit, made by [`Sender::reserve`](crate::Sender::reserve).
    ///
    /// # Cancellation
    /// Safe at any time: a permit that was already granted is given back.
    ReserveFuture,
    ReserveOp,
    Result<Permit<'a, T>, SendError<()>>
);

channel_future!(
    /// Waits for the close of a channel, made by [`Sender::closed`](crate::Sender::closed).
    ///
    /// # Cancellation
    /// Safe at any time.
    ClosedFuture,
    ClosedOp,
    ()
);

impl<T> RecvFuture<'_, T> {
    /// Marks the wait as no sign of trouble, however long it takes: a dump does not list it, and it is never among the oldest
    /// waits. For a receiver whose every wait is of that kind, also in `select!`, see
    /// [`Receiver::idle_ok`](crate::Receiver::idle_ok).
    ///
    /// ```
    /// # gochan::block_on(async {
    /// let (tx, rx) = gochan::chan(1);
    /// tx.send("job").await.unwrap();
    /// assert_eq!(rx.recv().idle_ok().await, Ok("job"));
    /// # });
    /// ```
    pub fn idle_ok(self) -> IdleOk<Self> {
        IdleOk::new(self)
    }
}

impl<T> SendFuture<'_, T> {
    /// The value of a send that has not happened: before the first poll, or after a `select!` that it lost.
    ///
    /// `None` if the value has been sent.
    ///
    /// # Panics
    /// If the send has been polled by itself and is still being waited for.
    pub fn into_inner(mut self) -> Option<T> {
        left(self.park.payload_mut())
    }

    /// The value of a send whose wait was [cancelled](Self::cancel).
    #[cfg_attr(not(feature = "rt"), allow(dead_code))]
    pub(crate) fn reclaim(self: Pin<&mut Self>) -> Option<T> {
        left(self.project().park.payload_pinned())
    }
}

fn left<T>(slot: &mut SendSlot<T>) -> Option<T> {
    slot.has_value().then(|| slot.take())
}
