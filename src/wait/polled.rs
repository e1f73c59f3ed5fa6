//! A case that is polled instead of queued, for operations that need no unsafe code of their own: timers, joins.
//!
//! What it is not: for foreign futures. Looking here must be invisible until the case has won.

#![allow(unsafe_code)]

use std::pin::Pin;
#[cfg(feature = "net")]
use std::task::Poll;
use std::task::{Context, Waker};

use super::case::{Case, Kind, RawCase};
use crate::hook::ArmNote;

/// What a polled operation answers as an arm of a select.
pub trait Polled {
    /// What the arm yields.
    type Output;

    /// What it waits for.
    fn note(&self) -> ArmNote;

    /// Whether it could go on now; if not, `waker` is woken when that changes. After a yes nobody else can have what
    /// was seen, until [`take`](Self::take) or the drop, which gives it back.
    fn look(&mut self, waker: &Waker) -> bool;

    /// It has won: after a [`look`](Self::look) that said yes.
    fn take(&mut self) -> Self::Output;

    /// The select waits no more: it forgets the waker.
    fn retire(&mut self);
}

/// A [`Polled`] operation in a select; dropped in mid-wait, it retires it.
#[doc(hidden)]
#[derive(Debug)]
pub struct PolledCase<P: Polled>(pub(crate) P);

// The operation is never pinned: it is told to look and no more.
impl<P: Polled> Unpin for PolledCase<P> {}

// SAFETY: never queued.
#[allow(private_interfaces)]
unsafe impl<P: Polled> RawCase for PolledCase<P> {
    fn kind(&self) -> Kind {
        Kind::Polled { effectful: false }
    }

    fn arm_note(&self) -> ArmNote {
        self.0.note()
    }

    fn poll_ready(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> bool {
        self.0.look(cx.waker())
    }

    fn retire(mut self: Pin<&mut Self>) -> Option<Waker> {
        self.0.retire();
        None
    }
}

impl<P: Polled> Case for PolledCase<P> {
    type Output = P::Output;

    fn take(mut self: Pin<&mut Self>) -> P::Output {
        self.0.take()
    }
}

impl<P: Polled> Drop for PolledCase<P> {
    fn drop(&mut self) {
        self.0.retire();
    }
}

/// What an operation answers as an arm of a select that can only try: a read takes what there is the moment it looks.
#[cfg(feature = "net")]
pub trait Tried {
    /// What the arm yields.
    type Output;

    /// What it waits for.
    fn note(&self) -> ArmNote;

    /// Does it now, or sees to it that the waker is woken when it is worth another try. Not called after it was done.
    fn attempt(&mut self, cx: &mut Context<'_>) -> Poll<Self::Output>;

    /// The select waits no more: it forgets the waker.
    fn retire(&mut self);
}

/// A [`Tried`] operation in a select; dropped in mid-wait, it retires it.
#[cfg(feature = "net")]
#[doc(hidden)]
#[derive(Debug)]
pub struct TriedCase<T: Tried>(T, Option<T::Output>);

#[cfg(feature = "net")]
impl<T: Tried> TriedCase<T> {
    pub(crate) fn new(tried: T) -> Self {
        TriedCase(tried, None)
    }
}

// As above: it is told to try and no more.
#[cfg(feature = "net")]
impl<T: Tried> Unpin for TriedCase<T> {}

// SAFETY: never queued.
#[cfg(feature = "net")]
#[allow(private_interfaces)]
unsafe impl<T: Tried> RawCase for TriedCase<T> {
    /// The select polls it only while no queue can decide for another case, and takes the first that is done.
    fn kind(&self) -> Kind {
        Kind::Polled { effectful: true }
    }

    fn arm_note(&self) -> ArmNote {
        self.0.note()
    }

    fn poll_ready(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> bool {
        let this = &mut *self;
        if let Poll::Ready(out) = this.0.attempt(cx) {
            this.1 = Some(out);
        }
        this.1.is_some()
    }

    fn retire(mut self: Pin<&mut Self>) -> Option<Waker> {
        self.0.retire();
        None
    }
}

#[cfg(feature = "net")]
impl<T: Tried> Case for TriedCase<T> {
    type Output = T::Output;

    fn take(mut self: Pin<&mut Self>) -> T::Output {
        self.1.take().expect("the winning case has an output")
    }
}

#[cfg(feature = "net")]
impl<T: Tried> Drop for TriedCase<T> {
    fn drop(&mut self) {
        self.0.retire();
    }
}
