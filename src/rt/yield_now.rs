//! Giving way.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use crate::hook::current;

/// Lets others run first: the task goes to the end of its worker's run queue.
///
/// As Go's `runtime.Gosched`, but to the local queue (Go's internal `goyield`). In a task of another executor it wakes itself
/// and waits.
///
/// # Cancellation
///
/// Dropping it loses nothing.
///
/// # Examples
///
/// ```
/// gochan::run(async {
///     let other = gochan::go(async { println!("second") });
///     gochan::yield_now().await;
///     other.await.unwrap();
/// });
/// ```
pub fn yield_now() -> YieldNow {
    YieldNow { gave_way: false }
}

/// The future of [`yield_now`].
#[derive(Debug)]
#[must_use = "futures do nothing unless awaited"]
pub struct YieldNow {
    gave_way: bool,
}

impl Future for YieldNow {
    type Output = ();

    #[inline]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if std::mem::replace(&mut self.gave_way, true) {
            return Poll::Ready(());
        }
        current::yield_park(cx.waker());
        Poll::Pending
    }
}
