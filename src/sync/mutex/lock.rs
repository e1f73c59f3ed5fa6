//! The wait for a mutex: `LockOp`, and the futures around it.
//!
//! What they are not: the mutex's logic (`raw.rs`) or the waiting (`wait/op.rs`). The futures try the fast path first, and
//! spin for a moment where that pays.

use std::fmt;
use std::future::Future;
use std::panic::Location;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use pin_project_lite::pin_project;

use super::guard::{MutexGuard, OwnedMutexGuard};
use super::raw::{Inner, LockSlot};
use super::{Mutex, RawMutex};
use crate::hook::current;
use crate::hook::holder::Hold;
use crate::wait::case::{Arm, Lent, OpCase};
use crate::wait::lock::Object;
use crate::wait::op::{Look, Op, Park, out_of_budget};
use crate::wait::parker;
use crate::wait::queue::Queue;
use crate::wait::reason::WaitReason;
use crate::wait::waiter::How;
use crate::wait::wakes::Wakes;

type Site = &'static Location<'static>;

/// What a lock operation is made of: the way to its mutex, and what it makes of a hold.
macro_rules! lock_op {
    ($name:ident<$($lt:lifetime,)? T>, $mutex:ty, $guard:ty, $new:path) => {
        /// Locks.
        pub struct $name<$($lt,)? T: ?Sized> {
            mutex: $mutex,
            site: Site,
        }

        impl<$($lt,)? T: ?Sized> Clone for $name<$($lt,)? T> {
            #[inline(always)]
            fn clone(&self) -> Self {
                $name { mutex: self.mutex.clone(), site: self.site }
            }
        }

        impl<$($lt,)? T: ?Sized> $name<$($lt,)? T> {
            #[inline(always)]
            fn raw(&self) -> &RawMutex {
                &self.mutex.raw
            }

            #[inline(always)]
            fn guard(&self, hold: Hold) -> $guard {
                $new(self.mutex.clone(), hold)
            }
        }

        impl<$($lt,)? T: ?Sized> Op for $name<$($lt,)? T> {
            type Inner = Inner;
            type Payload = LockSlot;
            type Output = $guard;
            const REASON: WaitReason = WaitReason::MutexLock;

            #[inline(always)]
            fn object(&self) -> &Object<Inner> {
                &self.raw().object
            }

            #[inline(always)]
            fn site(&self) -> Site {
                self.site
            }

            #[inline(always)]
            fn queue<'q>(&self, inner: &'q mut Inner) -> &'q mut Queue<LockSlot> {
                &mut inner.queue
            }

            #[inline(always)]
            fn look(&self) -> (bool, Look) {
                let seen = self.raw().state();
                (seen.is_open(), Look(seen.bits() as usize, 0, 0))
            }

            fn comes_unasked(&self) -> bool {
                true
            }

            #[inline(always)]
            fn changed(&self, inner: &mut Inner) {
                self.raw().changed(inner);
            }

            fn left(&self, inner: &mut Inner, wakes: &mut Wakes) {
                self.raw().left(inner, wakes);
            }

            #[inline(always)]
            fn attempt(&self, _: &mut Inner, slot: &mut LockSlot, _: &mut Wakes) -> Poll<$guard> {
                match self.raw().attempt(slot, self.site) {
                    Some(hold) => Poll::Ready(self.guard(hold)),
                    None => Poll::Pending,
                }
            }

            #[inline(always)]
            fn retry(&self, inner: &mut Inner, slot: &mut LockSlot) -> Poll<$guard> {
                match self.raw().retry(inner, slot) {
                    Some(hold) => Poll::Ready(self.guard(hold)),
                    None => Poll::Pending,
                }
            }

            #[inline(always)]
            fn collect(&self, slot: &mut LockSlot, _: How) -> $guard {
                self.guard(slot.take_hold())
            }

            fn abandon(&self, inner: &mut Inner, slot: &mut LockSlot, wakes: &mut Wakes) {
                self.raw().abandon(inner, slot, wakes);
            }
        }
    };
}

lock_op!(
    LockOp<'a, T>,
    &'a Mutex<T>,
    MutexGuard<'a, T>,
    MutexGuard::new
);
lock_op!(
    LockOwnedOp<T>,
    Arc<Mutex<T>>,
    OwnedMutexGuard<T>,
    OwnedMutexGuard::new
);

/// A named future around a `Park`, with a fast path in front; also an arm of `select!` by value and by `&mut`.
macro_rules! lock_future {
    ($(#[$doc:meta])* $name:ident<$($lt:lifetime,)? T>, $op:ty, $lent:lifetime, $mutex:ty, $guard:ty) => {
        pin_project! {
            $(#[$doc])*
            #[must_use = "futures do nothing unless awaited"]
            pub struct $name<$($lt,)? T: ?Sized> {
                #[pin]
                park: Park<$op>,
            }
        }

        impl<$($lt,)? T: ?Sized> Future for $name<$($lt,)? T> {
            type Output = $guard;

            #[inline(always)]
            fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<$guard> {
                let mut park = self.project().park;
                if !park.is_fresh() {
                    return park.poll(cx);
                }
                let op = park.op();
                if !current::spend_budget() {
                    return out_of_budget(cx, op.site);
                }
                let hold = match op.raw().lock(op.site) {
                    Some(hold) => Some(hold),
                    None => op.raw().spin(op.site),
                };
                let Some(hold) = hold else {
                    return park.poll_slow(cx);
                };
                let guard = op.guard(hold);
                park.as_mut().over();
                Poll::Ready(guard)
            }
        }

        impl<$($lt,)? T: ?Sized> $name<$($lt,)? T> {
            /// Blocks this thread until the mutex is locked. Not for tasks: it would block their worker.
            #[inline]
            pub fn wait(mut self) -> $guard {
                match self.park.at_once() {
                    Some(guard) => guard,
                    None => parker::block_on(self),
                }
            }
        }

        impl<$($lt,)? T: ?Sized> Arm for $name<$($lt,)? T> {
            type Output = $guard;
            type Case = OpCase<$op>;

            #[inline(always)]
            fn into_case(self) -> Self::Case {
                self.park.into_case()
            }
        }

        impl<$lent, $($lt,)? T: ?Sized> Arm for &$lent mut $name<$($lt,)? T> {
            type Output = $guard;
            type Case = Lent<$lent, $op>;

            fn into_case(self) -> Self::Case {
                (&mut self.park).into_case()
            }
        }

        impl<$($lt,)? T: ?Sized> fmt::Debug for $name<$($lt,)? T> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.park.fmt(f)
            }
        }
    };
}

lock_future!(
    /// A lock in progress, made by [`Mutex::lock`].
    ///
    /// # Cancellation
    /// Safe at any time: a mutex that was handed over to it goes to the next waiter.
    LockFuture<'a, T>, LockOp<'a, T>, 'b, &'a Mutex<T>, MutexGuard<'a, T>
);

lock_future!(
    /// A lock in progress, made by [`Mutex::lock_owned`].
    ///
    /// # Cancellation
    /// Safe at any time: a mutex that was handed over to it goes to the next waiter.
    LockOwnedFuture<T>, LockOwnedOp<T>, 'b, Arc<Mutex<T>>, OwnedMutexGuard<T>
);

impl<'a, T: ?Sized> LockFuture<'a, T> {
    #[inline(always)]
    pub(in crate::sync) fn new(mutex: &'a Mutex<T>, site: Site) -> Self {
        LockFuture {
            park: Park::new(LockOp { mutex, site }, LockSlot::default()),
        }
    }
}

impl<T: ?Sized> LockOwnedFuture<T> {
    pub(super) fn new(mutex: Arc<Mutex<T>>, site: Site) -> Self {
        LockOwnedFuture {
            park: Park::new(LockOwnedOp { mutex, site }, LockSlot::default()),
        }
    }
}
