//! Waiting for the first of several operations: `select!`, `select_blocking!`, the function [`select`](crate::select()).
//!
//! | file | noun |
//! |---|---|
//! | `selectgo.rs` | the decision, not generic |
//! | `mod.rs` | the futures, and the list of cases they are generic over |
//! | `fut.rs` | any foreign future as an arm |
//! | `macros.rs` | the syntax |
//! | `tuple.rs`, `list.rs` | the twins without macro: a tuple of arms, a list of arms |
//!
//! The law: an arm's effect happens if and only if the select returns that arm; losers leave no trace in any queue.

#![allow(unsafe_code)]

mod fut;
mod selectgo;

use std::convert::Infallible;
use std::future::Future;
use std::mem::MaybeUninit;
use std::panic::Location;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use pin_project_lite::pin_project;

use crate::wait::case::{Arm, Case};
use crate::wait::op::Look;
use selectgo::{Core, Dyn, Table, Won};

pub use fut::{Fut, fut};

/// A list of cases: one, and the rest.
#[doc(hidden)]
#[derive(Debug)]
pub struct Cons<H, T> {
    head: H,
    tail: T,
}

/// The empty list of cases.
#[doc(hidden)]
#[derive(Debug)]
pub struct Nil;

/// What a list of cases yields: the first one's output, or what the rest yields.
#[doc(hidden)]
#[derive(Debug)]
pub enum Either<L, R> {
    Left(L),
    Right(R),
}

/// Puts an arm in front of a list.
#[doc(hidden)]
#[inline(always)]
pub fn cons<A: Arm, T: Cases>(arm: A, tail: T) -> Cons<A::Case, T> {
    Cons {
        head: arm.into_case(),
        tail,
    }
}

/// A list of cases of different types.
#[doc(hidden)]
pub trait Cases {
    /// A nest of [`Either`].
    type Output;
    /// How many.
    const LEN: usize;
    /// Hands each case to `to`, in order.
    fn each<'a>(self: Pin<&'a mut Self>, to: &mut dyn FnMut(Dyn<'a>));
    /// The output of the winner.
    fn take(self: Pin<&mut Self>, index: usize) -> Self::Output;
}

impl Cases for Nil {
    type Output = Infallible;
    const LEN: usize = 0;
    #[inline(always)]
    fn each<'a>(self: Pin<&'a mut Self>, _: &mut dyn FnMut(Dyn<'a>)) {}
    fn take(self: Pin<&mut Self>, _: usize) -> Infallible {
        unreachable!("the winner is one of the cases")
    }
}

impl<H: Case, T: Cases> Cons<H, T> {
    #[inline(always)]
    fn split(self: Pin<&mut Self>) -> (Pin<&mut H>, Pin<&mut T>) {
        // SAFETY: both fields are structurally pinned and never moved out.
        unsafe {
            let this = self.get_unchecked_mut();
            (
                Pin::new_unchecked(&mut this.head),
                Pin::new_unchecked(&mut this.tail),
            )
        }
    }
}

impl<H: Case, T: Cases> Cases for Cons<H, T> {
    type Output = Either<H::Output, T::Output>;
    const LEN: usize = 1 + T::LEN;

    #[inline(always)]
    fn each<'a>(self: Pin<&'a mut Self>, to: &mut dyn FnMut(Dyn<'a>)) {
        let (head, tail) = self.split();
        to(head);
        tail.each(to);
    }

    #[inline(always)]
    fn take(self: Pin<&mut Self>, index: usize) -> Self::Output {
        let (head, tail) = self.split();
        match index {
            0 => Either::Left(head.take()),
            _ => Either::Right(tail.take(index - 1)),
        }
    }
}

/// Lays the cases and the tables of one poll on the stack, in a size that fits.
#[inline(always)]
fn with_table<C: Cases, R>(cases: Pin<&mut C>, f: impl FnOnce(&mut Table<'_, '_>) -> R) -> R {
    const {
        assert!(C::LEN <= 64, "a select has at most 64 arms");
    }
    match C::LEN {
        0..=2 => with_table_of::<2, C, R>(cases, f),
        3..=4 => with_table_of::<4, C, R>(cases, f),
        5..=8 => with_table_of::<8, C, R>(cases, f),
        _ => with_table_of::<64, C, R>(cases, f),
    }
}

#[inline(always)]
fn with_table_of<const N: usize, C: Cases, R>(
    cases: Pin<&mut C>,
    f: impl FnOnce(&mut Table<'_, '_>) -> R,
) -> R {
    let mut room: [MaybeUninit<Dyn<'_>>; N] = [const { MaybeUninit::uninit() }; N];
    let mut len = 0;
    cases.each(&mut |case| {
        room[len].write(case);
        len += 1;
    });
    // SAFETY: the first `len` entries have just been written; they have no drop glue.
    let cases = unsafe { &mut *(&raw mut room[..len] as *mut [Dyn<'_>]) };
    let (mut order, mut locks, mut looks) = ([0; N], [0; N], [Look::default(); N]);
    f(&mut Table {
        cases,
        order: &mut order[..len],
        locks: &mut locks[..len],
        looks: &mut looks[..len],
    })
}

pin_project! {
    /// Waits for the first of several arms; what `select!` awaits.
    ///
    /// # Cancellation
    /// Safe at any time: no arm has happened, and what a peer gave to one goes to the next waiter.
    #[doc(hidden)]
    #[must_use = "futures do nothing unless awaited"]
    pub struct Select<C: Cases> {
        core: Core,
        #[pin]
        cases: C,
    }

    impl<C: Cases> PinnedDrop for Select<C> {
        fn drop(this: Pin<&mut Self>) {
            let this = this.project();
            if this.core.is_parked() {
                let core = this.core;
                with_table(this.cases, |table| core.leave(table));
            }
        }
    }
}

impl<C: Cases> Select<C> {
    /// `biased`: look in the written order.
    #[track_caller]
    #[inline(always)]
    pub fn new(biased: bool, cases: C) -> Self {
        Select {
            core: Core::new(biased, false, Location::caller()),
            cases,
        }
    }

    #[inline(always)]
    fn poll_won(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<C::Output>> {
        let mut this = self.project();
        let core = this.core;
        let won = ready!(with_table(this.cases.as_mut(), |table| core.poll(table, cx)));
        Poll::Ready(match won {
            Won::Case(index) => Some(this.cases.take(index)),
            Won::Default => None,
        })
    }

    /// Blocks this thread until an arm wins.
    pub fn wait(self) -> C::Output {
        crate::wait::parker::block_on(self)
    }
}

impl<C: Cases> Future for Select<C> {
    type Output = C::Output;
    #[inline(always)]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<C::Output> {
        self.poll_won(cx)
            .map(|won| won.expect("without a default an arm wins"))
    }
}

pin_project! {
    /// A select with a `default`: what no arm that is ready now comes to. `None` is the default.
    #[doc(hidden)]
    #[must_use = "futures do nothing unless awaited"]
    pub struct SelectOr<C: Cases> {
        #[pin]
        select: Select<C>,
    }
}

impl<C: Cases> SelectOr<C> {
    /// `biased`: look in the written order.
    #[track_caller]
    #[inline(always)]
    pub fn new(biased: bool, cases: C) -> Self {
        let core = Core::new(biased, true, Location::caller());
        SelectOr {
            select: Select { core, cases },
        }
    }

    /// Never blocks a thread.
    pub fn wait(self) -> Option<C::Output> {
        crate::wait::parker::block_on(self)
    }
}

impl<C: Cases> Future for SelectOr<C> {
    type Output = Option<C::Output>;
    #[inline(always)]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.project().select.poll_won(cx)
    }
}

impl<C: Cases> std::fmt::Debug for Select<C> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Select")
            .field("arms", &C::LEN)
            .field("core", &self.core)
            .finish()
    }
}
