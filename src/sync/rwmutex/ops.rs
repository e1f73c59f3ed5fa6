//! Waiting to read and to write: two `Op`s and the futures around them, for borrowed and for shared mutexes.
//!
//! What they are not: the rules of who goes first (`raw.rs`). A future tries the word first; only who has to wait, or
//! finds somebody waiting, goes to the queues.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use pin_project_lite::pin_project;

use super::raw::{Queues, Raw, Site};
use super::{
    OwnedRwMutexReadGuard, OwnedRwMutexWriteGuard, RwMutex, RwMutexReadGuard, RwMutexWriteGuard,
};
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

/// A way to a mutex: a borrow, or a share of it. Makes the guards.
#[allow(private_interfaces)]
pub trait Way: Clone {
    /// Held to read.
    type Read;
    /// Held to write.
    type Write;
    #[doc(hidden)]
    fn raw(&self) -> &Raw;
    #[doc(hidden)]
    fn read_guard(self, note: Hold) -> Self::Read;
    #[doc(hidden)]
    fn write_guard(self, note: Hold) -> Self::Write;
}

#[allow(private_interfaces)]
impl<'a, T: ?Sized> Way for &'a RwMutex<T> {
    type Read = RwMutexReadGuard<'a, T>;
    type Write = RwMutexWriteGuard<'a, T>;
    #[inline(always)]
    fn raw(&self) -> &Raw {
        &self.raw
    }
    #[inline(always)]
    fn read_guard(self, note: Hold) -> Self::Read {
        RwMutexReadGuard::new(self, note)
    }
    #[inline(always)]
    fn write_guard(self, note: Hold) -> Self::Write {
        RwMutexWriteGuard::new(self, note)
    }
}

#[allow(private_interfaces)]
impl<T: ?Sized> Way for Arc<RwMutex<T>> {
    type Read = OwnedRwMutexReadGuard<T>;
    type Write = OwnedRwMutexWriteGuard<T>;
    #[inline(always)]
    fn raw(&self) -> &Raw {
        &self.raw
    }
    fn read_guard(self, note: Hold) -> Self::Read {
        OwnedRwMutexReadGuard::new(self, note)
    }
    fn write_guard(self, note: Hold) -> Self::Write {
        OwnedRwMutexWriteGuard::new(self, note)
    }
}

/// Reads.
#[derive(Clone, Copy)]
pub struct ReadOp<W> {
    way: W,
    site: Site,
}

/// Writes.
#[derive(Clone, Copy)]
pub struct WriteOp<W> {
    way: W,
    site: Site,
}

/// What both answer alike.
macro_rules! op_common {
    ($queue:ident) => {
        type Inner = Queues;
        type Payload = Wish;

        #[inline(always)]
        fn object(&self) -> &Object<Queues> {
            &self.way.raw().queues
        }

        #[inline(always)]
        fn site(&self) -> Site {
            self.site
        }

        fn queue<'q>(&self, queues: &'q mut Queues) -> &'q mut Queue<Wish> {
            &mut queues.$queue
        }

        fn comes_unasked(&self) -> bool {
            // The holder may leave before it sees us in a queue.
            true
        }

        fn changed(&self, queues: &mut Queues) {
            // `attempt` has marked that somebody is queued before it said Pending.
            self.way.raw().sync(queues);
        }

        fn left(&self, queues: &mut Queues, wakes: &mut Wakes) {
            self.way.raw().left(queues, wakes);
        }
    };
}

impl<W: Way> Op for ReadOp<W> {
    type Output = W::Read;
    const REASON: WaitReason = WaitReason::RwMutexRead;
    op_common!(readers);

    fn look(&self) -> (bool, Look) {
        let seen = self.way.raw().word();
        // With the mark it can only be said under the lock; a reader that may not go on leaves it as it was.
        (!seen.is_writer(), seen.look())
    }

    fn attempt(&self, queues: &mut Queues, wish: &mut Wish, _: &mut Wakes) -> Poll<W::Read> {
        match self.way.raw().read_attempt(queues, self.site, wish) {
            true => Poll::Ready(self.way.clone().read_guard(wish.take())),
            false => Poll::Pending,
        }
    }

    fn before_wait(&self, queues: &mut Queues, _: &mut Wakes) {
        queues.read_waits += 1;
    }

    fn collect(&self, wish: &mut Wish, _: How) -> W::Read {
        self.way.clone().read_guard(wish.take())
    }

    fn abandon(&self, queues: &mut Queues, wish: &mut Wish, wakes: &mut Wakes) {
        *wish = Wish::default();
        self.way.raw().end_read_locked(queues, wakes);
    }
}

impl<W: Way> Op for WriteOp<W> {
    type Output = W::Write;
    const REASON: WaitReason = WaitReason::RwMutexWrite;
    op_common!(writers);

    fn look(&self) -> (bool, Look) {
        let seen = self.way.raw().word();
        (seen.is_free(), seen.look())
    }

    fn attempt(&self, queues: &mut Queues, wish: &mut Wish, _: &mut Wakes) -> Poll<W::Write> {
        match self.way.raw().write_attempt(queues, self.site, wish) {
            true => Poll::Ready(self.way.clone().write_guard(wish.take())),
            false => Poll::Pending,
        }
    }

    fn retry(&self, queues: &mut Queues, wish: &mut Wish) -> Poll<W::Write> {
        match self.way.raw().write_retry(queues, wish) {
            true => Poll::Ready(self.way.clone().write_guard(wish.take())),
            false => Poll::Pending,
        }
    }

    fn before_wait(&self, queues: &mut Queues, _: &mut Wakes) {
        queues.write_waits += 1;
    }

    fn collect(&self, wish: &mut Wish, _: How) -> W::Write {
        self.way.clone().write_guard(wish.take())
    }

    fn abandon(&self, queues: &mut Queues, wish: &mut Wish, wakes: &mut Wakes) {
        *wish = Wish::default();
        self.way.raw().end_write_locked(queues, wakes);
    }
}

/// A named future around a `Park`, which tries the word first and is an arm of `select!` by value and by `&mut`.
macro_rules! future {
    (
        $(#[$doc:meta])* $name:ident [$($life:lifetime)?] $way:ty,
        $op:ident, $guard:ty, $anew:expr
    ) => {
        pin_project! {
            $(#[$doc])*
            #[must_use = "futures do nothing unless awaited"]
            pub struct $name<$($life,)? T> where T: ?Sized {
                #[pin]
                park: Park<$op<$way>>,
            }
        }

        impl<$($life,)? T: ?Sized> $name<$($life,)? T> {
            #[inline(always)]
            pub(super) fn new(way: $way, site: Site) -> Self {
                $name { park: Park::new($op { way, site }, Wish::default()) }
            }

            /// Blocks this thread until the mutex is held. Not for tasks: it would block their worker.
            #[inline]
            pub fn wait(mut self) -> $guard {
                if let Some(guard) = self.park.op().around() {
                    return guard;
                }
                match self.park.at_once() {
                    Some(guard) => guard,
                    None => parker::block_on(self),
                }
            }
        }

        impl<$($life,)? T: ?Sized> Future for $name<$($life,)? T> {
            type Output = $guard;

            #[inline(always)]
            fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<$guard> {
                poll_around(self.project().park, cx, $anew)
            }
        }

        impl<$($life,)? T: ?Sized> Arm for $name<$($life,)? T> {
            type Output = $guard;
            type Case = OpCase<$op<$way>>;

            fn into_case(self) -> Self::Case {
                self.park.into_case()
            }
        }

        impl<'m, $($life,)? T: ?Sized> Arm for &'m mut $name<$($life,)? T> {
            type Output = $guard;
            type Case = Lent<'m, $op<$way>>;

            fn into_case(self) -> Self::Case {
                (&mut self.park).into_case()
            }
        }

        impl<$($life,)? T: ?Sized> fmt::Debug for $name<$($life,)? T> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.park.fmt(f)
            }
        }
    };
}

future!(
    /// A wish to read, made by [`RwMutex::read`].
    ///
    /// # Cancellation
    /// Safe at any time: a turn that was already given is given back.
    ReadFuture['a] &'a RwMutex<T>, ReadOp, RwMutexReadGuard<'a, T>, RwMutexReadGuard::anew
);
future!(
    /// A wish to write, made by [`RwMutex::write`].
    ///
    /// # Cancellation
    /// Safe at any time: a turn that was already given goes to the next who waits. Readers that a waiting writer held
    /// off go on when it leaves.
    WriteFuture['a] &'a RwMutex<T>, WriteOp, RwMutexWriteGuard<'a, T>, RwMutexWriteGuard::anew
);
future!(
    /// A wish to read, made by [`RwMutex::read_owned`].
    ///
    /// # Cancellation
    /// As of a [`ReadFuture`].
    OwnedReadFuture[] Arc<RwMutex<T>>, ReadOp, OwnedRwMutexReadGuard<T>, std::convert::identity
);
future!(
    /// A wish to write, made by [`RwMutex::write_owned`].
    ///
    /// # Cancellation
    /// As of a [`WriteFuture`].
    OwnedWriteFuture[] Arc<RwMutex<T>>, WriteOp, OwnedRwMutexWriteGuard<T>, std::convert::identity
);

impl<W: Way> Around for ReadOp<W> {
    #[inline(always)]
    fn around(&self) -> Option<W::Read> {
        let raw = self.way.raw();
        let note = raw.try_read(self.site);
        let note = note.or_else(|| raw.soon(|| raw.try_read(self.site)))?;
        Some(self.way.clone().read_guard(note))
    }
}

impl<W: Way> Around for WriteOp<W> {
    #[inline(always)]
    fn around(&self) -> Option<W::Write> {
        let raw = self.way.raw();
        let note = raw.try_write(self.site);
        let note = note.or_else(|| raw.soon(|| raw.try_write(self.site)))?;
        Some(self.way.clone().write_guard(note))
    }
}
