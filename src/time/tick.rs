//! Receiving from a timer or a ticker: the future, and the arm of a select.

use super::alarm::Site;
use super::source::{Source, Taken};
use crate::clock;
use crate::hook::{ArmNote, Note, WaitReason, current as running};
use crate::wait::case::Arm;
use crate::wait::polled::{Polled, PolledCase};
use crate::wait::waiter::Slot;
use crate::wait::{op, parker};
use pin_project_lite::pin_project;
use std::borrow::BorrowMut;
use std::future::Future;
use std::marker::PhantomPinned;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Instant;

/// A wish for one tick.
#[derive(Debug)]
pub struct Pull<'a> {
    source: &'a Arc<Source>,
    /// Its place among those who wait.
    ticket: Option<u64>,
    /// What a select has seen; given back if the select goes elsewhere.
    taken: Option<Taken>,
    site: Site,
    since: u64,
}

impl Pull<'_> {
    fn look(&mut self, waker: &Waker) -> bool {
        if self.taken.is_none() {
            self.taken = self.source.take(&mut self.ticket);
        }
        if self.taken.is_some() {
            return true;
        }
        if self.ticket.is_none() {
            self.since = clock::ticks();
        }
        let slot = Slot {
            waker: Some(waker.clone()),
            note: Slot::note_of(|| self.note()),
        };
        self.source.wait(&mut self.ticket, slot);
        false
    }

    fn take(&mut self) -> Instant {
        let taken = self.taken.take();
        taken
            .expect("a tick is taken after a look that found one")
            .at
    }

    fn give_back(&mut self) {
        if let Some(taken) = self.taken.take() {
            self.source.give_back(taken);
        }
    }

    fn note(&self) -> Note {
        let ArmNote {
            reason,
            object,
            made,
            site,
        } = self.arm_note();
        Note {
            task: running::task_id(),
            reason,
            object,
            made,
            site,
            since: self.since,
        }
    }

    fn arm_note(&self) -> ArmNote {
        ArmNote {
            reason: WaitReason::Timer,
            object: self.source.id(),
            made: Some(self.source.made()),
            site: self.site,
        }
    }
}

impl Drop for Pull<'_> {
    fn drop(&mut self) {
        self.source.leave(&mut self.ticket);
        self.give_back();
    }
}

pin_project! {
    /// A wait for a tick, made by [`Timer::recv`](super::Timer::recv) and [`Ticker::tick`](super::Ticker::tick). It yields
    /// the moment at which the tick was due.
    ///
    /// It is an arm of [`select!`](crate::select!), by value and as `&mut`. Polled after it has completed it waits for the
    /// next tick.
    ///
    /// # Cancellation
    ///
    /// Safe at any time: a tick that was not returned is still there for the next who asks.
    #[derive(Debug)]
    #[must_use = "futures do nothing unless awaited"]
    pub struct TickFuture<'a> {
        pull: Pull<'a>,
        #[pin]
        pinned: PhantomPinned,
    }
}

impl<'a> TickFuture<'a> {
    pub(super) fn new(source: &'a Arc<Source>, site: Site) -> TickFuture<'a> {
        let pull = Pull {
            source,
            ticket: None,
            taken: None,
            site,
            since: 0,
        };
        TickFuture {
            pull,
            pinned: PhantomPinned,
        }
    }

    /// Blocks this thread until there is a tick. Not for tasks: it would block their worker.
    pub fn wait(self) -> Instant {
        parker::block_on(self)
    }
}

impl Future for TickFuture<'_> {
    type Output = Instant;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Instant> {
        let pull = self.project().pull;
        // Before anything is taken: a poll that says Pending holds no tick.
        if running::budget() == 0 {
            return op::out_of_budget(cx, pull.site);
        }
        if pull.look(cx.waker()) {
            running::spend_budget();
            return Poll::Ready(pull.take());
        }
        running::park(&pull.note());
        Poll::Pending
    }
}

/// A wait for a tick in a select.
#[doc(hidden)]
#[derive(Debug)]
pub struct TickArm<'a, P: BorrowMut<Pull<'a>>>(P, std::marker::PhantomData<Pull<'a>>);

impl<'a, P: BorrowMut<Pull<'a>>> Polled for TickArm<'a, P> {
    type Output = Instant;

    fn note(&self) -> ArmNote {
        self.0.borrow().arm_note()
    }

    fn look(&mut self, waker: &Waker) -> bool {
        self.0.borrow_mut().look(waker)
    }

    fn take(&mut self) -> Instant {
        self.0.borrow_mut().take()
    }

    fn retire(&mut self) {
        let pull = self.0.borrow_mut();
        pull.source.leave(&mut pull.ticket);
    }
}

impl<'a, P: BorrowMut<Pull<'a>>> Drop for TickArm<'a, P> {
    fn drop(&mut self) {
        // Taken, and then another case won: invisible.
        self.0.borrow_mut().give_back();
    }
}

impl<'a> Arm for TickFuture<'a> {
    type Output = Instant;
    type Case = PolledCase<TickArm<'a, Pull<'a>>>;

    fn into_case(self) -> Self::Case {
        PolledCase(TickArm(self.pull, std::marker::PhantomData))
    }
}

impl<'a, 'b> Arm for &'b mut TickFuture<'a> {
    type Output = Instant;
    type Case = PolledCase<TickArm<'a, &'b mut Pull<'a>>>;

    fn into_case(self) -> Self::Case {
        PolledCase(TickArm(&mut self.pull, std::marker::PhantomData))
    }
}

impl<'a, 'b> Arm for Pin<&'b mut TickFuture<'a>> {
    type Output = Instant;
    type Case = PolledCase<TickArm<'a, &'b mut Pull<'a>>>;

    fn into_case(self) -> Self::Case {
        PolledCase(TickArm(self.project().pull, std::marker::PhantomData))
    }
}
