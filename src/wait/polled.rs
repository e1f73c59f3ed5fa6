//! A case that is polled instead of queued, for operations that need no unsafe code of their own: timers, joins.
//!
//! What it is not: for foreign futures. Looking here must be invisible until the case has won.

#![allow(unsafe_code)]

use std::pin::Pin;
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
