//! The one future of all operations on sockets, and its place in a select.
//!
//! What it is not: an operation. [`IoOp`] is; it says what to try and on which socket.
//!
//! ```text
//! state      among the waiters    what drop does
//! fresh      no                   nothing
//! waiting    yes                  leaves them
//! done       no                   nothing; polled again it panics
//! ```
//! Nothing that an operation has not returned is lost: an attempt that takes bytes from the socket is the last one, and its
//! result is what the poll returns.

use std::fmt;
use std::future::Future;
use std::io;
use std::panic::Location;
use std::pin::Pin;
use std::task::{Context, Poll};

use crate::hook::{ArmNote, current};
use crate::rt::{Site, Wait};
use crate::wait::IdleOk;
use crate::wait::case::Arm;
use crate::wait::op::out_of_budget;
use crate::wait::parker;
use crate::wait::polled::{Tried, TriedCase};

/// An operation on a socket. Implemented by this crate only.
#[doc(hidden)]
#[allow(private_interfaces)]
pub trait IoOp {
    /// What it returns.
    type Output;

    /// Tries, or waits.
    fn attempt(
        &mut self,
        wait: &mut Wait,
        cx: &mut Context<'_>,
        site: Site,
    ) -> Poll<io::Result<Self::Output>>;

    /// Waits no more.
    fn leave(&mut self, wait: &mut Wait);

    /// What it waits for.
    fn arm_note(&self, site: Site) -> ArmNote;

    /// Records the wait that [`attempt`](Self::attempt) has begun.
    fn park(&self, wait: &Wait, site: Site);
}

/// An operation on a socket as a future, and as an arm of [`select!`](crate::select!), by value or as `&mut`.
///
/// # Cancellation
///
/// Dropping it, or losing a select, takes nothing from the socket: what it would have returned is still there.
#[must_use = "futures do nothing unless awaited"]
pub struct IoFuture<O: IoOp> {
    op: O,
    wait: Wait,
    site: Site,
    done: bool,
}

// Nothing in it is pinned.
impl<O: IoOp> Unpin for IoFuture<O> {}

impl<O: IoOp> IoFuture<O> {
    #[track_caller]
    pub(super) fn new(op: O) -> Self {
        IoFuture {
            op,
            wait: Wait::default(),
            site: Location::caller(),
            done: false,
        }
    }

    /// Blocks this thread until the operation is done. Not for tasks: it would block their worker.
    ///
    /// # Errors
    ///
    /// As awaiting it.
    pub fn wait(self) -> io::Result<O::Output> {
        parker::block_on(self)
    }

    /// Marks the wait as no sign of trouble, however long it takes: a dump does not list it, and it is never among the oldest
    /// waits. For an `accept`, or the read at the beginning of a request.
    ///
    /// ```no_run
    /// # gochan::run(async {
    /// # let listener = gochan::net::TcpListener::bind("127.0.0.1:0")?;
    /// let (stream, peer) = listener.accept().idle_ok().await?;
    /// # Ok::<(), std::io::Error>(()) });
    /// ```
    pub fn idle_ok(self) -> IdleOk<Self> {
        IdleOk::new(self)
    }

    fn try_or_wait(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<O::Output>> {
        assert!(!self.done, "an operation was polled after it had completed");
        let done = self.op.attempt(&mut self.wait, cx, self.site);
        self.done = done.is_ready();
        done
    }
}

impl<O: IoOp> Future for IoFuture<O> {
    type Output = io::Result<O::Output>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        if !current::spend_budget() {
            return out_of_budget(cx, this.site);
        }
        let done = this.try_or_wait(cx);
        if done.is_pending() {
            this.op.park(&this.wait, this.site);
        }
        done
    }
}

impl<O: IoOp> Drop for IoFuture<O> {
    fn drop(&mut self) {
        self.op.leave(&mut self.wait);
    }
}

impl<O: IoOp> fmt::Debug for IoFuture<O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IoFuture")
            .field("object", &self.op.arm_note(self.site).object)
            .field("site", &self.site)
            .field("done", &self.done)
            .finish()
    }
}

// In a select, owned or lent. Not by way of `BorrowMut`: then the compiler could not see that a task with such a select is Send.
macro_rules! arm {
    ([$($life:lifetime)?] $arm:ty) => {
        impl<$($life,)? O: IoOp> Tried for $arm {
            type Output = io::Result<O::Output>;

            fn note(&self) -> ArmNote {
                self.op.arm_note(self.site)
            }

            fn attempt(&mut self, cx: &mut Context<'_>) -> Poll<Self::Output> {
                self.try_or_wait(cx)
            }

            fn retire(&mut self) {
                self.op.leave(&mut self.wait);
            }
        }

        impl<$($life,)? O: IoOp> Arm for $arm {
            type Output = io::Result<O::Output>;
            type Case = TriedCase<$arm>;

            fn into_case(self) -> Self::Case {
                assert!(
                    !self.done,
                    "an operation in `select!` has already completed"
                );
                TriedCase::new(self)
            }
        }
    };
}
arm!([] IoFuture<O>);
arm!(['a] &'a mut IoFuture<O>);
