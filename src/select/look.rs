//! Pass 1 of a select, case by case: what can be seen of a case without its lock, and what comes of trying it.
//!
//! What it is not: tied to how the cases are stored. The futures run it over their own list of types, compiled into one
//! piece of code each; `selectgo.rs` runs it over its table. Most selects end here, without a table.
//!
//! 1. A look that finds a case unready takes no lock and writes nothing shared.
//! 2. No lock is held when it returns.

#![allow(unsafe_code)]

use std::pin::Pin;
use std::task::Context;

use crate::util::rng;
use crate::wait::case::{Kind, RawCase};
use crate::wait::op::Look;
use crate::wait::wakes::Wakes;

/// In which order the cases are looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Order {
    Written,
    Shuffled,
    /// Shuffled but for the last one, which is a limit of time and wins only if no other case does.
    LastStays,
}

impl Order {
    #[inline(always)]
    pub(super) fn new(biased: bool) -> Self {
        if biased {
            Order::Written
        } else {
            Order::Shuffled
        }
    }
}

/// What a look came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Sight {
    /// It could go on, and has: it is the winner.
    Won,
    /// Seen to be unready, without its lock.
    Unready,
    /// Polled, and not ready: it has the waker, and is not to be polled again in this pass.
    Asked,
    /// It looked ready, but was not under its lock.
    Busy,
}

/// Looks at one case; a polled one registers its waker.
#[inline(always)]
pub(super) fn look<C: RawCase + ?Sized>(
    mut case: Pin<&mut C>,
    cx: &mut Context<'_>,
    seen: &mut Look,
) -> Sight {
    match case.kind() {
        Kind::Never => Sight::Unready,
        Kind::Polled { .. } => match case.as_mut().poll_ready(cx) {
            true => Sight::Won,
            false => Sight::Asked,
        },
        Kind::Queue(_) => {
            let (ready, now) = case.peek();
            *seen = now;
            match ready {
                false => Sight::Unready,
                true if try_now(case) => Sight::Won,
                true => Sight::Busy,
            }
        }
    }
}

/// 1 if a case may be ready as far as can be seen without its lock and without polling it, else 0.
#[inline(always)]
pub(super) fn candidate<C: RawCase + ?Sized>(case: &C, seen: &mut Look) -> u64 {
    match case.kind() {
        Kind::Never => 0,
        Kind::Polled { .. } => 1,
        Kind::Queue(_) => {
            let (ready, now) = case.peek();
            *seen = now;
            u64::from(ready)
        }
    }
}

/// One of `len` cases, each with the same chance.
#[inline(always)]
pub(super) fn any(len: usize) -> usize {
    rng::below(len as u32) as usize
}

/// One of the candidates, a bit each of `len`: a uniform choice of those that `how` leaves to chance.
#[inline(always)]
pub(super) fn pick(left: u64, len: usize, how: Order) -> usize {
    let all_but_last = left & !(1 << (len - 1));
    match how {
        Order::Shuffled => uniform(left, len),
        Order::LastStays if all_but_last != 0 => uniform(all_but_last, len),
        Order::Written | Order::LastStays => left.trailing_zeros() as usize,
    }
}

#[inline(always)]
fn uniform(mut left: u64, len: usize) -> usize {
    if left & (left - 1) != 0 {
        let skip = rng::below(left.count_ones());
        // Without a branch on what is random: it could not be foretold.
        for turn in 0..len as u32 - 1 {
            let without_first = left & (left - 1);
            left = if turn < skip { without_first } else { left };
        }
    }
    left.trailing_zeros() as usize
}

/// What is seen of a case that is unready, without its lock and without polling it. `None`: it may be ready.
#[inline(always)]
pub(super) fn quiet<C: RawCase + ?Sized>(case: &C) -> Option<Look> {
    match case.kind() {
        Kind::Never => Some(Look::default()),
        Kind::Polled { .. } => None,
        Kind::Queue(_) => match case.peek() {
            (false, seen) => Some(seen),
            (true, _) => None,
        },
    }
}

/// Tries one case under its own lock.
#[inline(always)]
fn try_now<C: RawCase + ?Sized>(mut case: Pin<&mut C>) -> bool {
    let mut wakes = Wakes::new();
    case.lock();
    // SAFETY: the lock is held for both calls.
    let won = unsafe {
        let won = case.as_mut().attempt(&mut wakes);
        case.unlock();
        won
    };
    wakes.fire();
    won
}

/// Whether a case still looks as it did. Cases that all do held what was seen of them all at one instant, the end of
/// the first pass.
#[inline(always)]
pub(super) fn is_unmoved<C: RawCase + ?Sized>(case: &C, seen: &Look) -> bool {
    !matches!(case.kind(), Kind::Queue(_)) || case.peek().1 == *seen
}

/// Fills `order` with a uniform permutation (Fisher and Yates) of the cases that `how` leaves to chance.
#[inline(always)]
pub(super) fn shuffle(order: &mut [u16], how: Order) {
    let shuffled = match how {
        Order::Written => 0,
        Order::Shuffled => order.len(),
        Order::LastStays => order.len() - 1,
    };
    for i in 0..order.len() {
        let j = if i > 0 && i < shuffled {
            rng::below(i as u32 + 1) as usize
        } else {
            i
        };
        order[i] = order[j];
        order[j] = i as u16;
    }
}
