//! `Once`: something that is done once (Go's sync/once.go): a [`OnceCell`] without a value.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use pin_project_lite::pin_project;

use super::once_cell::{GetOrInit, OnceCell, OnceFuture};
use crate::hook::ObjId;
use crate::shim::const_fn;

/// Does something once. Follows Go's `sync.Once` (src/sync/once.go), but for one thing: if what is done panics or is
/// dropped on its way, the next who asks for it tries again. In Go a call that panics counts as done.
///
/// ```
/// use gochan::sync::Once;
///
/// static SETUP: Once = Once::new();
///
/// gochan::run(async {
///     for _ in 0..3 {
///         SETUP.call_once(|| async { println!("once") }).await;
///     }
///     assert!(SETUP.is_completed());
/// });
/// ```
pub struct Once {
    cell: OnceCell<()>,
}

impl Once {
    const_fn! {
        /// Nothing is done yet.
        #[must_use]
        #[track_caller]
        pub fn new() -> Once {
            Once { cell: OnceCell::new() }
        }
    }

    /// Runs the future that `f` makes, unless that was done before; if somebody does it already, waits for that.
    ///
    /// When it returns it has been done, by whomever.
    ///
    /// # Cancellation
    /// Safe at any time. Dropped while its future runs, that is dropped too, and the next who waits makes its own.
    ///
    /// # Panics
    /// If `f` or its future panics; the next who waits tries.
    #[track_caller]
    #[inline]
    pub fn call_once<F, Fut>(&self, f: F) -> CallOnce<'_, F, Fut>
    where
        F: FnOnce() -> Fut,
        Fut: Future<Output = ()>,
    {
        CallOnce {
            init: self.cell.get_or_init(f),
        }
    }

    /// As [`call_once`](Self::call_once), blocking this thread. Not for tasks: it would block their worker.
    ///
    /// # Panics
    /// If `f` panics; the next who waits tries.
    #[track_caller]
    pub fn call_once_blocking(&self, f: impl FnOnce()) {
        self.cell.get_or_init_blocking(f);
    }

    /// Whether it has been done. Never waits.
    #[inline]
    pub fn is_completed(&self) -> bool {
        self.cell.is_initialized()
    }

    /// Waits until it has been done, by whomever.
    ///
    /// # Cancellation
    /// Safe at any time.
    #[track_caller]
    pub fn wait(&self) -> OnceFuture<'_, ()> {
        self.cell.wait()
    }

    /// As [`wait`](Self::wait), blocking this thread. Not for tasks: it would block their worker.
    #[track_caller]
    pub fn wait_blocking(&self) {
        self.cell.wait_blocking();
    }

    /// Gives it a name, which dumps and reports show.
    #[must_use]
    pub fn named(self, name: &str) -> Self {
        Once {
            cell: self.cell.named(name),
        }
    }

    /// Its name.
    pub fn name(&self) -> Option<std::sync::Arc<str>> {
        self.cell.name()
    }

    /// Its number, as dumps and hooks show it.
    pub fn id(&self) -> ObjId {
        self.cell.id()
    }
}

impl Default for Once {
    #[track_caller]
    fn default() -> Self {
        Once::new()
    }
}

impl fmt::Debug for Once {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = f.debug_struct("Once");
        out.field("id", &format_args!("{}", self.id()));
        if let Some(name) = self.name() {
            out.field("name", &name);
        }
        out.field("completed", &self.is_completed())
            .finish_non_exhaustive()
    }
}

pin_project! {
    /// A call that is done once, made by [`Once::call_once`].
    ///
    /// # Cancellation
    /// Safe at any time. Dropped while its future runs, that is dropped too, and the next who waits makes its own.
    #[must_use = "futures do nothing unless awaited"]
    #[derive(Debug)]
    pub struct CallOnce<'a, F, Fut> {
        #[pin]
        init: GetOrInit<'a, (), F, Fut>,
    }
}

impl<F, Fut> Future for CallOnce<'_, F, Fut>
where
    F: FnOnce() -> Fut,
    Fut: Future<Output = ()>,
{
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        ready!(self.project().init.poll(cx));
        Poll::Ready(())
    }
}
