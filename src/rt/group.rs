//! `WaitGroup::go`: tasks that are members of a group.
//!
//! What it is not: the group (`sync::waitgroup`), which knows no tasks. Here the two meet: the task holds a token.

use std::future::Future;
use std::panic::Location;
use std::pin::Pin;
use std::task::{Context, Poll};

use pin_project_lite::pin_project;

use super::spawn::here;
use crate::hook::type_name::TypeName;
use crate::sync::WaitGroup;
use crate::sync::waitgroup::Token;
use crate::task::{JoinHandle, Spawn};

impl WaitGroup {
    /// Spawns a task that is a member of the group until it ends, in whatever way. As [`gochan::go`](crate::go), with
    /// `add(1)` before and `done()` after it. Follows Go's `WaitGroup.Go` (src/sync/waitgroup.go).
    ///
    /// The member leaves when the task's future has been dropped, with all that it held. A task that panics leaves too;
    /// the panic has been reported by then and comes out of the handle. (In Go the panic ends the program before a `Wait`
    /// can return.) To have it come out of the wait, use an
    /// [`ErrGroup`](crate::sync::ErrGroup).
    ///
    /// # Panics
    /// As [`add`](Self::add), and as [`gochan::go`](crate::go).
    ///
    /// ```
    /// gochan::run(async {
    ///     let wg = gochan::sync::WaitGroup::new();
    ///     let sum = wg.go(async { 2 + 2 });
    ///     wg.go(async { println!("not awaited") });
    ///     wg.wait().await;
    ///     assert_eq!(sum.await.unwrap(), 4);
    /// });
    /// ```
    #[track_caller]
    pub fn go<F>(&self, future: F) -> JoinHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        let site = Location::caller();
        let mut spawn = Spawn::new(site);
        spawn.type_name = Some(TypeName::of::<F>());
        let _token = self.token_of(spawn.id, site);
        here(Member { future, _token }, spawn)
    }
}

pin_project! {
    /// A task and its membership. The order counts: what the task held is gone before the group hears of its end.
    struct Member<F> {
        #[pin]
        future: F,
        _token: Token,
    }
}

impl<F: Future> Future for Member<F> {
    type Output = F::Output;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        self.project().future.poll(cx)
    }
}
