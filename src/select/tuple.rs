//! The twin of `select!` without a macro: a tuple of arms, and an enum that says which one it was.
//!
//! What it is not: another select. A tuple of cases is a list of cases like the one that the macro builds, and `Select`
//! waits for either.

#![allow(unsafe_code)]

use std::pin::{Pin, pin};
use std::task::{Context, Waker};

use super::look::{self, Order, Sight};
use super::table::Dyn;
use super::{Cases, Select, with_table};
use crate::wait::case::{Arm, Case};
use crate::wait::op::Look;

/// A tuple of two to twelve operations for [`select`](select()) and [`try_select`].
///
/// Its output is [`Sel2`] for two, [`Sel3`] for three, and so on.
pub trait Arms {
    /// Which arm has won, and what it yields.
    type Output;
    #[doc(hidden)]
    type Cases: Cases<Output = Self::Output>;
    #[doc(hidden)]
    fn into_cases(self) -> Self::Cases;
}

macro_rules! tuples {
    ($($(#[$doc:meta])* $name:ident { $($arm:ident = $index:tt),* })*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum $name<$($arm),*> {
            $(
                #[doc = concat!("The arm with index ", stringify!($index), ".")]
                $arm($arm),
            )*
        }

        impl<$($arm: Case),*> Cases for ($($arm,)*) {
            type Output = $name<$($arm::Output),*>;
            const LEN: usize = [$($index),*].len();

            #[inline(always)]
            fn each<'a>(self: Pin<&'a mut Self>, to: &mut impl FnMut(Dyn<'a>)) {
                // SAFETY: the elements are structurally pinned; nothing is moved out.
                let this = unsafe { self.get_unchecked_mut() };
                $(
                    // SAFETY: pinned with the tuple.
                    to(unsafe { Pin::new_unchecked(&mut this.$index) });
                )*
            }

            #[inline(always)]
            fn candidates(&self, seen: &mut [Look]) -> u64 {
                0 $(| look::candidate(&self.$index, &mut seen[$index]) << $index)*
            }

            #[inline(always)]
            fn look(self: Pin<&mut Self>, index: usize, cx: &mut Context<'_>, seen: &mut Look) -> Sight {
                // SAFETY: the elements are structurally pinned; nothing is moved out.
                let this = unsafe { self.get_unchecked_mut() };
                match index {
                    // SAFETY: pinned with the tuple.
                    $($index => look::look(unsafe { Pin::new_unchecked(&mut this.$index) }, cx, seen),)*
                    _ => unreachable!("an index of a case"),
                }
            }

            #[inline(always)]
            fn are_quiet(&self, others: impl FnOnce() -> bool) -> bool {
                let seen = ($(
                    match look::quiet(&self.$index) {
                        Some(seen) => seen,
                        None => return false,
                    },
                )*);
                others() $(&& look::is_unmoved(&self.$index, &seen.$index))*
            }

            #[inline(always)]
            fn is_unmoved(&self, seen: &[Look]) -> bool {
                true $(&& look::is_unmoved(&self.$index, &seen[$index]))*
            }

            #[inline(always)]
            fn take(self: Pin<&mut Self>, index: usize) -> Self::Output {
                // SAFETY: the elements are structurally pinned; nothing is moved out.
                let this = unsafe { self.get_unchecked_mut() };
                match index {
                    // SAFETY: pinned with the tuple.
                    $($index => $name::$arm(unsafe { Pin::new_unchecked(&mut this.$index) }.take()),)*
                    _ => unreachable!("the winner is one of the cases"),
                }
            }
        }

        impl<$($arm: Arm),*> Arms for ($($arm,)*) {
            type Output = $name<$($arm::Output),*>;
            type Cases = ($($arm::Case,)*);

            #[inline(always)]
            fn into_cases(self) -> Self::Cases {
                ($(self.$index.into_case(),)*)
            }
        }
    )*};
}

tuples! {
    /// The output of a [`select`](select()) of two arms.
    Sel2 { A = 0, B = 1 }
    /// The output of a [`select`](select()) of three arms.
    Sel3 { A = 0, B = 1, C = 2 }
    /// The output of a [`select`](select()) of four arms.
    Sel4 { A = 0, B = 1, C = 2, D = 3 }
    /// The output of a [`select`](select()) of five arms.
    Sel5 { A = 0, B = 1, C = 2, D = 3, E = 4 }
    /// The output of a [`select`](select()) of six arms.
    Sel6 { A = 0, B = 1, C = 2, D = 3, E = 4, F = 5 }
    /// The output of a [`select`](select()) of seven arms.
    Sel7 { A = 0, B = 1, C = 2, D = 3, E = 4, F = 5, G = 6 }
    /// The output of a [`select`](select()) of eight arms.
    Sel8 { A = 0, B = 1, C = 2, D = 3, E = 4, F = 5, G = 6, H = 7 }
    /// The output of a [`select`](select()) of nine arms.
    Sel9 { A = 0, B = 1, C = 2, D = 3, E = 4, F = 5, G = 6, H = 7, I = 8 }
    /// The output of a [`select`](select()) of ten arms.
    Sel10 { A = 0, B = 1, C = 2, D = 3, E = 4, F = 5, G = 6, H = 7, I = 8, J = 9 }
    /// The output of a [`select`](select()) of eleven arms.
    Sel11 { A = 0, B = 1, C = 2, D = 3, E = 4, F = 5, G = 6, H = 7, I = 8, J = 9, K = 10 }
    /// The output of a [`select`](select()) of twelve arms.
    Sel12 { A = 0, B = 1, C = 2, D = 3, E = 4, F = 5, G = 6, H = 7, I = 8, J = 9, K = 10, L = 11 }
}

/// Waits for the first of several operations, given as a tuple; the twin of [`select!`](crate::select!) that is no macro.
///
/// The laws are those of [`select!`](crate::select!), and anything that can be an arm there can be one here: operations
/// of this crate, `&mut` of them, `Option` of them, [`fut(future)`](crate::fut). The answer is an ordinary enum.
///
/// ```
/// use gochan::{Sel2, chan, select};
///
/// # gochan::block_on(async {
/// let (tx, rx) = chan(1);
/// let (_keep, stop) = chan::<()>(0);
/// tx.send(7).await.unwrap();
/// match select((rx.recv(), stop.recv())).await {
///     Sel2::A(n) => assert_eq!(n, Ok(7)),
///     Sel2::B(_) => unreachable!("nobody stops us"),
/// }
/// # });
/// ```
///
/// From a plain thread, and in the written order:
///
/// ```
/// use gochan::{Sel3, chan, select};
///
/// let (tx, rx) = chan(1);
/// let mut send = tx.send("kept");
/// tx.try_send("first").unwrap();
/// let won = select((&mut send, rx.recv(), rx.recv())).biased().wait();
/// assert_eq!(won, Sel3::B(Ok("first")));
/// assert_eq!(send.into_inner(), Some("kept"));
/// ```
///
/// # Cancellation
/// As for [`select!`](crate::select!#cancellation).
///
/// # Panics
/// If an operation passed as `&mut` has already completed.
#[track_caller]
#[inline(always)]
pub fn select<A: Arms>(arms: A) -> Select<A::Cases> {
    Select::new(false, arms.into_cases())
}

/// Does the first of several operations that can be done now, if one can; `select!` with a `default`, as a function.
///
/// It never waits, so it is the same for tasks and threads. A foreign future in [`fut`](crate::fut) is polled once.
///
/// ```
/// use gochan::{Sel2, chan, try_select};
///
/// let (tx, rx) = chan(1);
/// assert_eq!(try_select((tx.send(1), rx.recv())), Some(Sel2::A(Ok(()))));
/// assert_eq!(try_select((tx.send(2), rx.recv())), Some(Sel2::B(Ok(1))));
/// assert_eq!(try_select((rx.recv(), gochan::never::<()>().recv())), None);
/// ```
///
/// # Panics
/// If an operation passed as `&mut` has already completed.
pub fn try_select<A: Arms>(arms: A) -> Option<A::Output> {
    let mut cases = pin!(arms.into_cases());
    let mut cx = Context::from_waker(Waker::noop());
    let won = with_table(cases.as_mut(), |table| {
        let won = table.try_each(Order::Shuffled, false, &mut cx);
        table.retire_all();
        won
    });
    won.map(|index| cases.take(index))
}
