//! `Barrier`: a meeting point for a fixed number of tasks or threads, again and again.
//!
//! What it is not: in Go's library; there one is made of a `WaitGroup`.
//!
//! Invariants, true whenever the lock is free
//! 1. All who are queued are of the generation that is gathering; they are fewer than `n`.
//! 2. Whoever makes it `n` is the leader: it lets all others go in one hold of the lock (rule R6), in the order in which
//!    they came, and the next generation begins with an empty queue. So nobody of the next one can be taken for this one.
//! 3. A wait that is dropped before that was never there. One that is let go and dropped then has taken part: the others
//!    have gone on.
//!
//! The place of a `select!` that is won elsewhere is still queued for a moment. It is not counted, as far as can be seen
//! under the lock; should it be won elsewhere at that very moment, it has taken part just before.

use std::fmt;
use std::panic::Location;
use std::pin::Pin;
use std::task::Poll;

use super::named::named_future;
use crate::hook::{Kind, ObjId};
use crate::shim::const_fn;
use crate::wait::lock::Object;
use crate::wait::op::{Look, Op};
use crate::wait::queue::Queue;
use crate::wait::reason::WaitReason;
use crate::wait::waiter::How;
use crate::wait::wakes::Wakes;

type Site = &'static Location<'static>;

/// Lets a number of tasks or threads go on together: each waits until all have come. One of them, the last to come, is the
/// leader. Then it begins anew.
///
/// As the standard library's `Barrier`, for tasks and threads at the same time. A [dump](crate::diag::dump) shows who is
/// there already and since when.
///
/// ```
/// use gochan::sync::Barrier;
/// use std::sync::Arc;
///
/// gochan::run(async {
///     let barrier = Arc::new(Barrier::new(3));
///     let phases: Vec<_> = (0..3)
///         .map(|_| {
///             let barrier = barrier.clone();
///             gochan::go(async move { barrier.wait().await.is_leader() })
///         })
///         .collect();
///     let mut leaders = 0;
///     for phase in phases {
///         leaders += u32::from(phase.await.unwrap());
///     }
///     assert_eq!(leaders, 1);
/// });
/// ```
pub struct Barrier {
    n: usize,
    object: Object<Inner>,
}

/// What lies under the lock.
#[derive(Debug)]
pub struct Inner {
    queue: Queue<()>,
    generation: u64,
}

/// Numbers of a barrier at one moment, from [`Barrier::stats`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct BarrierStats {
    /// How many it lets go together.
    pub n: usize,
    /// How many have come and wait for the others.
    pub waiting: usize,
    /// How often all have come.
    pub generation: u64,
}

/// What a wait at a [`Barrier`] ends with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct BarrierWaitResult {
    leader: bool,
}

impl BarrierWaitResult {
    /// Whether this was the last to come: the one of each round.
    pub fn is_leader(&self) -> bool {
        self.leader
    }
}

impl Barrier {
    const_fn! {
        /// A barrier for `n` at a time. One for 0 is one for 1: each who comes goes on, as leader.
        #[must_use]
        #[track_caller]
        pub fn new(n: usize) -> Barrier {
            let inner = Inner { queue: Queue::new(), generation: 0 };
            let object = Object::new(inner, Kind::Barrier, Location::caller());
            Barrier { n, object }
        }
    }

    /// Waits until all have come.
    ///
    /// # Cancellation
    /// Safe at any time: dropped before all have come, it is as if this one had not. Dropped after that, the others have
    /// gone on.
    #[track_caller]
    pub fn wait(&self) -> BarrierFuture<'_> {
        let site = Location::caller();
        BarrierFuture::new(WaitOp {
            barrier: self,
            site,
        })
    }

    /// Waits until all have come, blocking this thread. Not for tasks: it would block their worker.
    ///
    /// ```
    /// let barrier = gochan::sync::Barrier::new(2);
    /// std::thread::scope(|scope| {
    ///     let other = scope.spawn(|| barrier.wait_blocking());
    ///     let first = barrier.wait_blocking().is_leader();
    ///     assert_ne!(first, other.join().unwrap().is_leader());
    /// });
    /// ```
    #[track_caller]
    pub fn wait_blocking(&self) -> BarrierWaitResult {
        self.wait().wait()
    }

    /// What is going on at the barrier.
    pub fn stats(&self) -> BarrierStats {
        let inner = self.object.lock();
        BarrierStats {
            n: self.n,
            waiting: inner.queue.live(),
            generation: inner.generation,
        }
    }

    /// Gives the barrier a name, which dumps and reports show.
    #[must_use]
    pub fn named(self, name: &str) -> Self {
        self.object.tag().set_name(name);
        self
    }

    /// The barrier's name.
    pub fn name(&self) -> Option<std::sync::Arc<str>> {
        self.object.tag().name()
    }

    /// The barrier's number, as dumps and hooks show it.
    pub fn id(&self) -> ObjId {
        self.object.id()
    }
}

impl Inner {
    /// One more is here: lets all go if it is the last.
    fn arrive(&mut self, n: usize, wakes: &mut Wakes) -> bool {
        let all = self.queue.len() + 1 >= n && self.queue.live() + 1 >= n;
        if all {
            self.generation += 1;
            while let Some(waiter) = self.queue.pop_claim() {
                waiter.complete(How::Given, wakes);
            }
        }
        all
    }
}

/// Waits for the others.
#[derive(Clone, Copy)]
pub struct WaitOp<'a> {
    barrier: &'a Barrier,
    site: Site,
}

impl Op for WaitOp<'_> {
    type Inner = Inner;
    type Payload = ();
    type Output = BarrierWaitResult;
    const REASON: WaitReason = WaitReason::Barrier;

    fn object(&self) -> &Object<Inner> {
        &self.barrier.object
    }

    fn site(&self) -> Site {
        self.site
    }

    fn queue<'q>(&self, inner: &'q mut Inner) -> &'q mut Queue<()> {
        &mut inner.queue
    }

    fn look(&self) -> (bool, Look) {
        // How many are here is known under the lock only.
        (true, Look::default())
    }

    fn attempt(&self, inner: &mut Inner, _: &mut (), wakes: &mut Wakes) -> Poll<BarrierWaitResult> {
        match inner.arrive(self.barrier.n, wakes) {
            true => Poll::Ready(BarrierWaitResult { leader: true }),
            false => Poll::Pending,
        }
    }

    fn collect(&self, _: &mut (), _: How) -> BarrierWaitResult {
        BarrierWaitResult { leader: false }
    }

    fn abandon(&self, _: &mut Inner, _: &mut (), _: &mut Wakes) {
        // It has taken part; the others have gone on.
    }
}

named_future!(
    /// A wait for the others, made by [`Barrier::wait`].
    ///
    /// # Cancellation
    /// Safe at any time: dropped before all have come, it is as if this one had not. Dropped after that, the others have
    /// gone on.
    BarrierFuture,
    WaitOp,
    (),
    BarrierWaitResult
);

impl BarrierFuture<'_> {
    /// Waits no more. `Some`: all had come.
    pub(crate) fn cancel(self: Pin<&mut Self>) -> Option<BarrierWaitResult> {
        self.project().park.cancel()
    }
}

impl fmt::Debug for Barrier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = f.debug_struct("Barrier");
        out.field("id", &format_args!("{}", self.id()));
        if let Some(name) = self.name() {
            out.field("name", &name);
        }
        out.field("n", &self.n).finish_non_exhaustive()
    }
}

#[cfg(all(test, gochan_loom))]
#[path = "tests/loom_barrier.rs"]
mod loom_models;
