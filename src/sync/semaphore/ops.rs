//! Waiting for permits: one `Op` and the futures around it, for borrowed and for shared semaphores.
//!
//! What it is not: the rules of who is served (`semaphore.rs`). A future tries the word first; only who has to wait, or
//! finds somebody waiting, goes to the queue.

use std::fmt;
use std::future::Future;
use std::panic::Location;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use pin_project_lite::pin_project;

use super::state::Took;
use super::{OwnedSemaphorePermit, Semaphore, SemaphorePermit, Waiting};
use crate::error::AcquireError;
use crate::hook::holder::Hold;
use crate::sync::around::{Around, poll_around};
use crate::sync::wish::Wish;
use crate::wait::case::{Arm, Lent, OpCase};
use crate::wait::lock::Object;
use crate::wait::op::{Look, Op, Park};
use crate::wait::parker;
use crate::wait::queue::Queue;
use crate::wait::reason::WaitReason;
use crate::wait::waiter::How;
use crate::wait::wakes::Wakes;

type Site = &'static Location<'static>;

/// A way to a semaphore: a borrow, or a share of it. Makes the permits.
#[allow(private_interfaces)]
pub trait Way: Clone {
    /// What is held.
    type Permit;
    #[doc(hidden)]
    fn semaphore(&self) -> &Semaphore;
    #[doc(hidden)]
    fn permit(self, n: u64, note: Hold) -> Self::Permit;
}

#[allow(private_interfaces)]
impl<'a> Way for &'a Semaphore {
    type Permit = SemaphorePermit<'a>;
    #[inline(always)]
    fn semaphore(&self) -> &Semaphore {
        self
    }
    #[inline(always)]
    fn permit(self, n: u64, note: Hold) -> SemaphorePermit<'a> {
        SemaphorePermit::new(self, n, note)
    }
}

#[allow(private_interfaces)]
impl Way for Arc<Semaphore> {
    type Permit = OwnedSemaphorePermit;
    #[inline(always)]
    fn semaphore(&self) -> &Semaphore {
        self
    }
    fn permit(self, n: u64, note: Hold) -> OwnedSemaphorePermit {
        OwnedSemaphorePermit::new(self, n, note)
    }
}

/// What lies in the queue for one who waits: how many it wants, and the note that it will hold them.
#[derive(Debug, Default)]
pub struct Ask {
    pub(super) n: u64,
    pub(super) wish: Wish,
}

/// Takes permits.
#[derive(Clone, Copy)]
pub struct AcquireOp<W> {
    way: W,
    n: u64,
    site: Site,
}

impl<W: Way> Around for AcquireOp<W> {
    #[inline(always)]
    fn around(&self) -> Option<Result<W::Permit, AcquireError>> {
        let note = self.way.semaphore().take(self.n, self.site)?;
        Some(Ok(self.way.clone().permit(self.n, note)))
    }
}

impl<W: Way> Op for AcquireOp<W> {
    type Inner = Waiting;
    type Payload = Ask;
    type Output = Result<W::Permit, AcquireError>;
    const REASON: WaitReason = WaitReason::SemAcquire;

    #[inline(always)]
    fn object(&self) -> &Object<Waiting> {
        &self.way.semaphore().waiting
    }

    #[inline(always)]
    fn site(&self) -> Site {
        self.site
    }

    fn queue<'q>(&self, waiting: &'q mut Waiting) -> &'q mut Queue<Ask> {
        &mut waiting.queue
    }

    fn look(&self) -> (bool, Look) {
        let semaphore = self.way.semaphore();
        let seen = semaphore.word.load();
        // What will be refused may go on as well.
        let may = seen.is_closed() || seen.permits() >= self.n || self.n > semaphore.size();
        (may, seen.look())
    }

    fn comes_unasked(&self) -> bool {
        // Somebody may give permits back before it sees us in the queue.
        true
    }

    fn changed(&self, _: &mut Waiting) {
        // `attempt` has marked that somebody is queued before it said Pending; `left` takes the mark away.
    }

    fn left(&self, waiting: &mut Waiting, wakes: &mut Wakes) {
        self.way.semaphore().settle(waiting, wakes);
    }

    fn attempt(&self, waiting: &mut Waiting, ask: &mut Ask, _: &mut Wakes) -> Poll<Self::Output> {
        let semaphore = self.way.semaphore();
        match semaphore.attempt(waiting, self.n, self.site, ask)? {
            Took::All => Poll::Ready(Ok(self.way.clone().permit(self.n, ask.wish.take()))),
            Took::None => Poll::Pending,
            Took::Closed => Poll::Ready(Err(AcquireError::Closed)),
        }
    }

    fn before_wait(&self, waiting: &mut Waiting, _: &mut Wakes) {
        waiting.waits += 1;
    }

    fn collect(&self, ask: &mut Ask, how: How) -> Self::Output {
        match how {
            How::Given => Ok(self.way.clone().permit(self.n, ask.wish.take())),
            How::Closed => Err(AcquireError::Closed),
        }
    }

    fn abandon(&self, waiting: &mut Waiting, ask: &mut Ask, wakes: &mut Wakes) {
        *ask = Ask::default();
        self.way.semaphore().give_locked(waiting, self.n, wakes);
    }
}

/// A named future around a `Park`, which tries the word first and is an arm of `select!` by value and by `&mut`.
macro_rules! future {
    ($(#[$doc:meta])* $name:ident [$($life:lifetime)?] $way:ty, $permit:ty, $anew:expr) => {
        pin_project! {
            $(#[$doc])*
            #[must_use = "futures do nothing unless awaited"]
            pub struct $name $(<$life>)? {
                #[pin]
                park: Park<AcquireOp<$way>>,
            }
        }

        impl $(<$life>)? $name $(<$life>)? {
            #[inline(always)]
            pub(super) fn new(way: $way, n: usize, site: Site) -> Self {
                let n = n as u64;
                $name { park: Park::new(AcquireOp { way, n, site }, Ask::default()) }
            }

            /// Blocks this thread until the permits are there. Not for tasks: it would block their worker.
            ///
            /// # Errors
            /// As of the future.
            #[inline]
            pub fn wait(mut self) -> Result<$permit, AcquireError> {
                if let Some(permit) = self.park.op().around() {
                    return permit;
                }
                match self.park.at_once() {
                    Some(permit) => permit,
                    None => parker::block_on(self),
                }
            }
        }

        impl $(<$life>)? Future for $name $(<$life>)? {
            type Output = Result<$permit, AcquireError>;

            #[inline(always)]
            fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
                poll_around(self.project().park, cx, |out| out.map($anew))
            }
        }

        impl $(<$life>)? Arm for $name $(<$life>)? {
            type Output = Result<$permit, AcquireError>;
            type Case = OpCase<AcquireOp<$way>>;

            fn into_case(self) -> Self::Case {
                self.park.into_case()
            }
        }

        impl<'m $(, $life)?> Arm for &'m mut $name $(<$life>)? {
            type Output = Result<$permit, AcquireError>;
            type Case = Lent<'m, AcquireOp<$way>>;

            fn into_case(self) -> Self::Case {
                (&mut self.park).into_case()
            }
        }

        impl $(<$life>)? fmt::Debug for $name $(<$life>)? {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.park.fmt(f)
            }
        }
    };
}

future!(
    /// A wish for permits, made by [`Semaphore::acquire`].
    ///
    /// # Cancellation
    /// Safe at any time: permits that were already given are given back. If it was the first in the queue, those behind
    /// it go on.
    AcquireFuture['a] &'a Semaphore, SemaphorePermit<'a>, SemaphorePermit::anew
);
future!(
    /// A wish for permits, made by [`Semaphore::acquire_owned`].
    ///
    /// # Cancellation
    /// As of an [`AcquireFuture`].
    OwnedAcquireFuture[] Arc<Semaphore>, OwnedSemaphorePermit, std::convert::identity
);
