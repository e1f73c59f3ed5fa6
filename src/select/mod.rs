//! Waiting for the first of several operations: `select!`, `select_blocking!`, the function [`select`](crate::select()).
//!
//! | file | noun |
//! |---|---|
//! | `look.rs` | the first pass, case by case |
//! | `table.rs` | the cases of one poll, locked and queued |
//! | `selectgo.rs` | the decision, not generic |
//! | `mod.rs` | the futures, and the list of cases they are generic over |
//! | `fut.rs` | any foreign future as an arm |
//! | `macros.rs` | the syntax |
//! | `tuple.rs`, `list.rs` | the twins without macro: a tuple of arms, a list of arms |
//!
//! The law: an arm's effect happens if and only if the select returns that arm; losers leave no trace in any queue.

#![allow(unsafe_code)]

mod fut;
mod list;
mod look;
mod macros;
mod selectgo;
mod table;
mod tuple;

use std::convert::Infallible;
use std::future::Future;
use std::mem::MaybeUninit;
use std::panic::Location;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use pin_project_lite::pin_project;

use crate::wait::case::{Arm, Case};
use crate::wait::op::Look;
use look::{Order, Sight};
use selectgo::{Core, Won};
use table::{Dyn, Place, Table};

pub use fut::{Fut, fut};
pub use list::{Next, SelectList};
pub use tuple::{
    Arms, Sel2, Sel3, Sel4, Sel5, Sel6, Sel7, Sel8, Sel9, Sel10, Sel11, Sel12, select, try_select,
};

/// A list of cases: those so far, and one more.
#[doc(hidden)]
#[derive(Debug)]
pub struct Snoc<I, L> {
    init: I,
    last: L,
}

/// The empty list of cases.
#[doc(hidden)]
#[derive(Debug)]
pub struct Nil;

/// What a list of cases yields: the output of the last one, or what those before it yield.
#[doc(hidden)]
#[derive(Debug)]
pub enum Either<L, R> {
    Left(L),
    Right(R),
}

impl Nil {
    /// A list of one arm.
    #[doc(hidden)]
    #[inline(always)]
    pub fn arm<A: Arm>(self, arm: A) -> Snoc<Nil, A::Case> {
        let (init, last) = (self, arm.into_case());
        Snoc { init, last }
    }
}

impl<I, L> Snoc<I, L> {
    /// The list with one more arm behind.
    #[doc(hidden)]
    #[inline(always)]
    pub fn arm<A: Arm>(self, arm: A) -> Snoc<Self, A::Case> {
        let (init, last) = (self, arm.into_case());
        Snoc { init, last }
    }
}

/// A list of cases of different types.
#[doc(hidden)]
pub trait Cases {
    /// Which case has won, and what it yields.
    type Output;
    /// How many.
    const LEN: usize;
    /// Hands each case to `to`, in order.
    fn each<'a>(self: Pin<&'a mut Self>, to: &mut impl FnMut(Dyn<'a>));
    /// Which cases may be ready, a bit each, and what was seen of those that are not.
    fn candidates(&self, seen: &mut [Look]) -> u64;
    /// Pass 1 for one case.
    fn look(self: Pin<&mut Self>, index: usize, cx: &mut Context<'_>, seen: &mut Look) -> Sight;
    /// Whether all cases and, in between, `others` are seen to be unready twice and unmoved, without their locks.
    fn are_quiet(&self, others: impl FnOnce() -> bool) -> bool;
    /// Whether all cases still look as they did.
    fn is_unmoved(&self, seen: &[Look]) -> bool;
    /// The output of the winner.
    fn take(self: Pin<&mut Self>, index: usize) -> Self::Output;
}

impl Cases for Nil {
    type Output = Infallible;
    const LEN: usize = 0;
    #[inline(always)]
    fn each<'a>(self: Pin<&'a mut Self>, _: &mut impl FnMut(Dyn<'a>)) {}
    fn look(self: Pin<&mut Self>, _: usize, _: &mut Context<'_>, _: &mut Look) -> Sight {
        Sight::Unready
    }
    #[inline(always)]
    fn candidates(&self, _: &mut [Look]) -> u64 {
        0
    }
    #[inline(always)]
    fn are_quiet(&self, others: impl FnOnce() -> bool) -> bool {
        others()
    }
    #[inline(always)]
    fn is_unmoved(&self, _: &[Look]) -> bool {
        true
    }
    fn take(self: Pin<&mut Self>, _: usize) -> Infallible {
        unreachable!("the winner is one of the cases")
    }
}

impl<I: Cases, L: Case> Snoc<I, L> {
    #[inline(always)]
    fn split(self: Pin<&mut Self>) -> (Pin<&mut I>, Pin<&mut L>) {
        // SAFETY: both fields are structurally pinned and never moved out.
        unsafe {
            let this = self.get_unchecked_mut();
            (
                Pin::new_unchecked(&mut this.init),
                Pin::new_unchecked(&mut this.last),
            )
        }
    }
}

impl<I: Cases, L: Case> Cases for Snoc<I, L> {
    type Output = Either<I::Output, L::Output>;
    const LEN: usize = I::LEN + 1;

    #[inline(always)]
    fn each<'a>(self: Pin<&'a mut Self>, to: &mut impl FnMut(Dyn<'a>)) {
        let (init, last) = self.split();
        init.each(to);
        to(last);
    }

    #[inline(always)]
    fn candidates(&self, seen: &mut [Look]) -> u64 {
        self.init.candidates(seen) | look::candidate(&self.last, &mut seen[I::LEN]) << I::LEN
    }

    #[inline(always)]
    fn look(self: Pin<&mut Self>, index: usize, cx: &mut Context<'_>, seen: &mut Look) -> Sight {
        let (init, last) = self.split();
        if index == I::LEN {
            look::look(last, cx, seen)
        } else {
            init.look(index, cx, seen)
        }
    }

    #[inline(always)]
    fn are_quiet(&self, others: impl FnOnce() -> bool) -> bool {
        // Nested, so that what was seen stays in registers.
        let seen = look::quiet(&self.last);
        seen.is_some_and(|seen| self.init.are_quiet(others) && look::is_unmoved(&self.last, &seen))
    }

    #[inline(always)]
    fn is_unmoved(&self, seen: &[Look]) -> bool {
        look::is_unmoved(&self.last, &seen[I::LEN]) && self.init.is_unmoved(seen)
    }

    #[inline(always)]
    fn take(self: Pin<&mut Self>, index: usize) -> Self::Output {
        let (init, last) = self.split();
        if index == I::LEN {
            Either::Right(last.take())
        } else {
            Either::Left(init.take(index))
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
        9..=16 => with_table_of::<16, C, R>(cases, f),
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
    let (mut order, mut places) = ([0; N], [Place::default(); N]);
    let mut looks = [Look::default(); N];
    f(&mut Table {
        cases,
        order: &mut order[..len],
        places: &mut places[..len],
        looks: &mut looks[..len],
    })
}

/// The first poll. A select that need not wait ends in it without a table.
#[inline(always)]
fn start<C: Cases>(core: &mut Core, cases: Pin<&mut C>, cx: &mut Context<'_>) -> Poll<Won> {
    match C::LEN {
        0..=2 => start_of::<2, C>(core, cases, cx),
        3..=4 => start_of::<4, C>(core, cases, cx),
        5..=8 => start_of::<8, C>(core, cases, cx),
        9..=16 => start_of::<16, C>(core, cases, cx),
        _ => start_of::<64, C>(core, cases, cx),
    }
}

#[inline(always)]
fn start_of<const N: usize, C: Cases>(
    core: &mut Core,
    mut cases: Pin<&mut C>,
    cx: &mut Context<'_>,
) -> Poll<Won> {
    if core.begin(cx).is_none() {
        return Poll::Pending;
    }
    if core.has_default() && cases.are_quiet(|| true) {
        // Nothing to choose from: the order does not matter.
        core.end();
        return Poll::Ready(Won::Default);
    }
    let mut looks = [Look::default(); N];
    let mut asked = 0;
    if C::LEN > 2 && core.is_shuffled() {
        // Where many arms are ready, as under load, the first one drawn is: then the others, which other cores are
        // at work on, are not touched. A second draw among the ready ones leaves each the same chance.
        let index = look::any(C::LEN);
        match cases.as_mut().look(index, cx, &mut looks[index]) {
            Sight::Won => {
                core.end();
                return Poll::Ready(Won::Case(index));
            }
            Sight::Asked => asked = 1 << index,
            Sight::Unready | Sight::Busy => {}
        }
    }
    let mut left = match core.is_biased() {
        // What one case does when it is looked at may make a later one ready, whose turn it then is.
        true => first_bits(C::LEN),
        false => cases.candidates(&mut looks) & !asked,
    };
    let (mut tried, mut quiet) = (0, true);
    while left != 0 {
        if core.has_limit() && left == 1 << (C::LEN - 1) {
            // It wins only if no other does, and another may have become ready meanwhile.
            left |= cases.candidates(&mut looks) & !tried;
        }
        let index = core.pick(left, C::LEN);
        left &= !(1 << index);
        tried |= 1 << index;
        match cases.as_mut().look(index, cx, &mut looks[index]) {
            Sight::Won => {
                core.end();
                return Poll::Ready(Won::Case(index));
            }
            Sight::Unready | Sight::Asked => {}
            Sight::Busy => quiet = false,
        }
    }
    if core.has_default() && quiet && cases.is_unmoved(&looks) {
        core.end();
        return Poll::Ready(Won::Default);
    }
    with_table(cases, |table| {
        core.shuffle(table.order);
        core.go_on(table, cx)
    })
}

fn first_bits(count: usize) -> u64 {
    match count {
        0 => 0,
        _ => u64::MAX >> (64 - count),
    }
}

pin_project! {
    /// Waits for the first of several operations, made by [`select`](select()).
    ///
    /// # Cancellation
    /// Safe at any time: no arm has happened, and what a peer had already given to one goes to the next who waits; only a
    /// send that a receiver has already taken stays sent.
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
    #[doc(hidden)]
    #[track_caller]
    #[inline(always)]
    pub fn new(biased: bool, cases: C) -> Self {
        let order = Order::new(biased);
        Select {
            core: Core::new(order, false, Location::caller()),
            cases,
        }
    }

    /// The last case is a limit of time: it wins only if no other case does.
    #[doc(hidden)]
    #[track_caller]
    #[inline(always)]
    pub fn timed(biased: bool, cases: C) -> Self {
        let order = if biased {
            Order::Written
        } else {
            Order::LastStays
        };
        Select {
            core: Core::new(order, false, Location::caller()),
            cases,
        }
    }

    /// Looks at the arms in the order of the tuple, instead of a random one.
    #[inline(always)]
    pub fn biased(mut self) -> Self {
        self.core.set_biased();
        self
    }

    #[inline(always)]
    fn poll_won(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<C::Output>> {
        let mut this = self.project();
        let core = this.core;
        let won = if core.is_fresh() {
            ready!(start(core, this.cases.as_mut(), cx))
        } else {
            ready!(with_table(this.cases.as_mut(), |table| core.poll(table, cx)))
        };
        Poll::Ready(match won {
            Won::Case(index) => Some(this.cases.take(index)),
            Won::Default => None,
        })
    }

    /// Blocks this thread until an arm wins. Not for tasks: it would block their worker.
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
        let order = Order::new(biased);
        let core = Core::new(order, true, Location::caller());
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

impl<C: Cases> std::fmt::Debug for SelectOr<C> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.select.fmt(f)
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

/// The output of an arm that has no pattern, or `_`: dropped before the body runs.
#[doc(hidden)]
#[inline(always)]
pub fn ignore<T>(_: T) {}

/// One entry for each arm.
#[doc(hidden)]
pub const fn at_most_32(arms: &[()]) {
    assert!(
        arms.len() <= 32,
        "select: more than 32 arms; `SelectList` takes any number"
    );
}

#[cfg(all(test, not(gochan_loom)))]
mod tests;

#[cfg(all(test, gochan_loom))]
#[path = "tests/loom.rs"]
mod loom_models;
