//! An initialisation as it runs: the wait for the turn, the turn, and the future of whoever has it.
//!
//! ```text
//! stage      turn park    future   turn     what drop does
//! fresh      Fresh        -        -        nothing
//! waiting    Parked       -        -        leaves the queue; a turn given meanwhile is passed on
//! running    Over         there    held     drops the future, then passes the turn on
//! over       Over         -        -        nothing
//! ```
//! Invariants
//! 1. The turn is out of the structure while foreign code of this initialisation runs: a panic drops it on its way, and
//!    the next one tries at once.
//! 2. The future goes before the turn: two initialisers never run at the same time.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use pin_project_lite::pin_project;

use super::{Inner, OnceCell, Site};
use crate::hook::holder::Hold;
use crate::wait::lock::Object;
use crate::wait::op::{Look, Op, Park};
use crate::wait::queue::Queue;
use crate::wait::reason::WaitReason;
use crate::wait::waiter::How;
use crate::wait::wakes::Wakes;

/// The right to initialise a cell. Dropped, it goes to the next who waits for it.
pub(super) struct Turn<'a, T> {
    cell: &'a OnceCell<T>,
    hold: Option<Hold>,
}

impl<'a, T> Turn<'a, T> {
    fn new(cell: &'a OnceCell<T>) -> Self {
        Turn { cell, hold: None }
    }

    /// Whoever runs here is about to use it: dumps show that. Not under the lock.
    pub(super) fn noted(mut self, site: Site) -> Self {
        self.hold = Some(Hold::acquired(self.cell.object.id(), site));
        self
    }

    /// Gives the cell its value and tells everybody.
    pub(super) fn fill(self, value: T) -> &'a T {
        let mut this = std::mem::ManuallyDrop::new(self);
        this.hold.take().into_iter().for_each(Hold::released);
        let cell = this.cell;
        let set = cell.value.set(value);
        debug_assert!(set.is_ok(), "who has the turn is the only one who sets it");
        let mut wakes = Wakes::new();
        cell.object.lock().end(&mut wakes);
        wakes.fire();
        cell.get().expect("it was set a moment ago")
    }
}

impl<T> Drop for Turn<'_, T> {
    fn drop(&mut self) {
        self.hold.take().into_iter().for_each(Hold::released);
        let mut wakes = Wakes::new();
        self.cell.object.lock().pass_turn(&mut wakes);
        wakes.fire();
    }
}

/// What a wait for the turn ends with.
pub(super) enum Entry<'a, T> {
    Turn(Turn<'a, T>),
    There(&'a T),
}

/// Waits for the value or for the turn to make it.
pub(super) struct TurnOp<'a, T> {
    pub(super) cell: &'a OnceCell<T>,
    pub(super) site: Site,
}

impl<T> Clone for TurnOp<'_, T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for TurnOp<'_, T> {}

impl<'a, T> Op for TurnOp<'a, T> {
    type Inner = Inner;
    type Payload = ();
    type Output = Entry<'a, T>;
    const REASON: WaitReason = WaitReason::Once;

    fn object(&self) -> &Object<Inner> {
        &self.cell.object
    }

    fn site(&self) -> Site {
        self.site
    }

    fn queue<'q>(&self, inner: &'q mut Inner) -> &'q mut Queue<()> {
        &mut inner.turnq
    }

    fn look(&self) -> (bool, Look) {
        // Whether somebody has the turn is known under the lock only.
        (true, Look::default())
    }

    fn changed(&self, _: &mut Inner) {}

    fn attempt(&self, inner: &mut Inner, _: &mut (), _: &mut Wakes) -> Poll<Entry<'a, T>> {
        if let Some(value) = self.cell.get() {
            return Poll::Ready(Entry::There(value));
        }
        if inner.running {
            return Poll::Pending;
        }
        inner.running = true;
        Poll::Ready(Entry::Turn(Turn::new(self.cell)))
    }

    fn before_wait(&self, _: &mut Inner, _: &mut Wakes) {}

    fn collect(&self, _: &mut (), how: How) -> Entry<'a, T> {
        match how {
            How::Given => Entry::Turn(Turn::new(self.cell)),
            How::Closed => {
                let value = self.cell.get();
                Entry::There(value.expect("those who wait are told when the value is there"))
            }
        }
    }

    fn abandon(&self, inner: &mut Inner, _: &mut (), wakes: &mut Wakes) {
        inner.pass_turn(wakes);
    }
}

pin_project! {
    /// An initialisation, whatever its future yields.
    pub(super) struct Init<'a, T, F, Fut> {
        cell: &'a OnceCell<T>,
        #[pin]
        park: Park<TurnOp<'a, T>>,
        init: Option<F>,
        // Before the turn, so that it is dropped before it (invariant 2).
        #[pin]
        future: Option<Fut>,
        turn: Option<Turn<'a, T>>,
    }
}

impl<'a, T, F, Fut> Init<'a, T, F, Fut>
where
    F: FnOnce() -> Fut,
    Fut: Future,
{
    pub(super) fn new(cell: &'a OnceCell<T>, init: F, site: Site) -> Self {
        Init {
            cell,
            park: Park::new(TurnOp { cell, site }, ()),
            init: Some(init),
            future: None,
            turn: None,
        }
    }

    /// `split` says what the future's output means.
    fn poll<E>(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        split: impl FnOnce(Fut::Output) -> Result<T, E>,
    ) -> Poll<Result<&'a T, E>> {
        let mut this = self.project();
        if this.turn.is_none() {
            if let Some(value) = this.cell.get() {
                return Poll::Ready(Ok(value));
            }
            match ready!(this.park.as_mut().poll(cx)) {
                Entry::There(value) => return Poll::Ready(Ok(value)),
                Entry::Turn(turn) => {
                    let init = this.init.take().expect("a turn comes once");
                    // Invariant 1: a panic of `init` drops the turn.
                    let turn = turn.noted(this.park.op().site);
                    this.future.set(Some(init()));
                    *this.turn = Some(turn);
                }
            }
        }
        // Invariant 1.
        let turn = this.turn.take().expect("we have the turn");
        let future = this.future.as_mut().as_pin_mut();
        let Poll::Ready(output) = future.expect("it runs").poll(cx) else {
            *this.turn = Some(turn);
            return Poll::Pending;
        };
        this.future.set(None);
        Poll::Ready(split(output).map(|value| turn.fill(value)))
    }
}

/// A future around an `Init`.
macro_rules! init_future {
    ($(#[$doc:meta])* $name:ident) => {
        pin_project! {
            $(#[$doc])*
            ///
            /// # Cancellation
            /// Safe at any time. Dropped while the initialiser runs, that is dropped too, and the next who waits makes its
            /// own.
            #[must_use = "futures do nothing unless awaited"]
            pub struct $name<'a, T, F, Fut> {
                #[pin]
                init: Init<'a, T, F, Fut>,
            }
        }

        impl<'a, T, F, Fut> $name<'a, T, F, Fut> {
            pub(super) fn new(init: Init<'a, T, F, Fut>) -> Self {
                $name { init }
            }
        }

        impl<T, F, Fut> fmt::Debug for $name<'_, T, F, Fut> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.init.park.fmt(f)
            }
        }
    };
}

init_future!(
    /// The value of a cell, made by [`OnceCell::get_or_init`].
    GetOrInit
);
init_future!(
    /// The value of a cell or an error, made by [`OnceCell::get_or_try_init`].
    GetOrTryInit
);

impl<'a, T, F, Fut> Future for GetOrInit<'a, T, F, Fut>
where
    F: FnOnce() -> Fut,
    Fut: Future<Output = T>,
{
    type Output = &'a T;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<&'a T> {
        let ok = Ok::<T, std::convert::Infallible>;
        self.project().init.poll(cx, ok).map(|value| match value {
            Ok(value) => value,
            Err(never) => match never {},
        })
    }
}

impl<'a, T, F, Fut, E> Future for GetOrTryInit<'a, T, F, Fut>
where
    F: FnOnce() -> Fut,
    Fut: Future<Output = Result<T, E>>,
{
    type Output = Result<&'a T, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<&'a T, E>> {
        self.project().init.poll(cx, |output| output)
    }
}
