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

use std::convert::Infallible;
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

/// A way to a cell: a reference, or a share in something that holds it.
pub(in crate::sync) trait CellRef: Clone {
    /// What the cell holds.
    type Value;

    /// The cell.
    fn cell(&self) -> &OnceCell<Self::Value>;
}

impl<T> CellRef for &OnceCell<T> {
    type Value = T;

    #[inline]
    fn cell(&self) -> &OnceCell<T> {
        self
    }
}

/// The right to initialise a cell. Dropped, it goes to the next who waits for it.
pub(in crate::sync) struct Turn<C: CellRef> {
    cell: C,
    hold: Option<Hold>,
}

impl<C: CellRef> Turn<C> {
    fn new(cell: C) -> Self {
        Turn { cell, hold: None }
    }

    /// Whoever runs here is about to use it: dumps show that. Not under the lock.
    pub(super) fn noted(mut self, site: Site) -> Self {
        self.hold = Some(Hold::acquired(self.cell.cell().object.id(), site));
        self
    }

    fn unnoted(&mut self) {
        self.hold.take().into_iter().for_each(Hold::released);
    }

    /// Gives the cell its value and tells everybody.
    pub(super) fn fill(mut self, value: C::Value) {
        self.unnoted();
        let cell = self.cell.cell();
        let set = cell.value.set(value);
        debug_assert!(set.is_ok(), "who has the turn is the only one who sets it");
        let mut wakes = Wakes::new();
        cell.object.lock().end(&mut wakes);
        wakes.fire();
    }
}

impl<C: CellRef> Drop for Turn<C> {
    fn drop(&mut self) {
        self.unnoted();
        let cell = self.cell.cell();
        if cell.is_initialized() {
            return;
        }
        let mut wakes = Wakes::new();
        cell.object.lock().pass_turn(&mut wakes);
        wakes.fire();
    }
}

/// What a wait for the turn ends with.
pub(in crate::sync) enum Entry<C: CellRef> {
    /// The caller has the turn.
    Turn(Turn<C>),
    /// The value is there.
    There,
}

/// Waits for the value or for the turn to make it.
#[derive(Clone, Copy)]
pub(in crate::sync) struct TurnOp<C> {
    pub(super) cell: C,
    pub(super) site: Site,
}

impl<C: CellRef> Op for TurnOp<C> {
    type Inner = Inner;
    type Payload = ();
    type Output = Entry<C>;
    const REASON: WaitReason = WaitReason::Once;

    fn object(&self) -> &Object<Inner> {
        &self.cell.cell().object
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

    fn attempt(&self, inner: &mut Inner, _: &mut (), _: &mut Wakes) -> Poll<Entry<C>> {
        if self.cell.cell().is_initialized() {
            return Poll::Ready(Entry::There);
        }
        if inner.running {
            return Poll::Pending;
        }
        inner.running = true;
        Poll::Ready(Entry::Turn(Turn::new(self.cell.clone())))
    }

    fn collect(&self, _: &mut (), how: How) -> Entry<C> {
        match how {
            How::Given => Entry::Turn(Turn::new(self.cell.clone())),
            How::Closed => Entry::There,
        }
    }

    fn abandon(&self, inner: &mut Inner, _: &mut (), wakes: &mut Wakes) {
        inner.pass_turn(wakes);
    }
}

pin_project! {
    /// An initialisation, whatever makes its future and whatever that yields.
    pub(in crate::sync) struct Init<C, F, Fut>
    where
        C: CellRef,
    {
        #[pin]
        park: Park<TurnOp<C>>,
        init: Option<F>,
        // Before the turn, so that it is dropped before it (invariant 2).
        #[pin]
        future: Option<Fut>,
        turn: Option<Turn<C>>,
    }
}

impl<C: CellRef, F, Fut: Future> Init<C, F, Fut> {
    pub(in crate::sync) fn new(cell: C, init: F, site: Site) -> Self {
        Init {
            park: Park::new(TurnOp { cell, site }, ()),
            init: Some(init),
            future: None,
            turn: None,
        }
    }

    /// `make` begins the work; `split` says what its output means.
    pub(in crate::sync) fn poll<E>(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        make: impl FnOnce(F) -> Fut,
        split: impl FnOnce(Fut::Output) -> Result<C::Value, E>,
    ) -> Poll<Result<(), E>> {
        let mut this = self.project();
        if this.turn.is_none() {
            if this.park.op().cell.cell().is_initialized() {
                return Poll::Ready(Ok(()));
            }
            match ready!(this.park.as_mut().poll(cx)) {
                Entry::There => return Poll::Ready(Ok(())),
                Entry::Turn(turn) => {
                    // Invariant 1: a panic of what the user gave us drops the turn.
                    let turn = turn.noted(this.park.op().site);
                    let init = this.init.take().expect("a turn comes once");
                    this.future.set(Some(make(init)));
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
                init: Init<&'a OnceCell<T>, F, Fut>,
                cell: &'a OnceCell<T>,
            }
        }

        impl<'a, T, F, Fut: Future> $name<'a, T, F, Fut> {
            pub(super) fn new(cell: &'a OnceCell<T>, init: F, site: Site) -> Self {
                let init = Init::new(cell, init, site);
                $name { init, cell }
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
        let this = self.project();
        let ok = Ok::<T, Infallible>;
        let Ok(()) = ready!(this.init.poll(cx, |init| init(), ok));
        Poll::Ready(there(this.cell))
    }
}

impl<'a, T, F, Fut, E> Future for GetOrTryInit<'a, T, F, Fut>
where
    F: FnOnce() -> Fut,
    Fut: Future<Output = Result<T, E>>,
{
    type Output = Result<&'a T, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<&'a T, E>> {
        let this = self.project();
        let filled = ready!(this.init.poll(cx, |init| init(), |output| output));
        Poll::Ready(filled.map(|()| there(this.cell)))
    }
}

/// The value of a cell that has been initialised.
pub(super) fn there<T>(cell: &OnceCell<T>) -> &T {
    cell.get()
        .expect("the value is there when somebody is told so")
}
