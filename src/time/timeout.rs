//! A future with a time limit.

use super::alarm::Alarm;
use crate::error::Elapsed;
use crate::hook::current as running;
use crate::wait::{op, parker};
use pin_project_lite::pin_project;
use std::future::{Future, poll_fn};
use std::panic::Location;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

/// Runs `future` for at most `duration`, counted from this call.
///
/// The future is polled first: if it is ready it wins, however late it is. With a duration of zero it is polled once; with
/// one that never ends (see [`sleep`](crate::sleep)) there is no limit.
///
/// What Go does with `select` and `time.After`.
///
/// # Errors
///
/// [`Elapsed`] when the time is up. The future is dropped then, not only with the [`Timeout`]: it stands in no queue any
/// more.
///
/// # Cancellation
///
/// As safe to drop as the future inside.
///
/// # Examples
///
/// ```
/// use gochan::{chan, timeout};
/// use std::time::Duration;
///
/// let (tx, rx) = chan(1);
/// let limit = Duration::from_millis(2);
/// assert!(timeout(limit, rx.recv()).wait().is_err());
/// tx.try_send(7).unwrap();
/// assert_eq!(timeout(limit, rx.recv()).wait(), Ok(Ok(7)));
/// ```
#[track_caller]
pub fn timeout<F: Future>(duration: Duration, future: F) -> Timeout<F> {
    Timeout {
        future: Some(future),
        alarm: Alarm::after(duration, Location::caller()),
    }
}

/// Runs `future` until `deadline` at the latest. See [`timeout`].
///
/// # Errors
///
/// [`Elapsed`] when the deadline has passed.
///
/// # Cancellation
///
/// As safe to drop as the future inside.
///
/// # Examples
///
/// ```
/// use gochan::time::timeout_at;
/// use std::future::{pending, ready};
/// use std::time::Instant;
///
/// let past = Instant::now();
/// assert!(timeout_at(past, pending::<()>()).wait().is_err());
/// assert_eq!(timeout_at(past, ready(1)).wait(), Ok(1));
/// ```
#[track_caller]
pub fn timeout_at<F: Future>(deadline: Instant, future: F) -> Timeout<F> {
    Timeout {
        future: Some(future),
        alarm: Alarm::at(Some(deadline), Location::caller()),
    }
}

pin_project! {
    /// A future with a time limit, made by [`timeout`] and [`timeout_at`].
    ///
    /// # Cancellation
    ///
    /// As safe to drop as the future inside.
    #[derive(Debug)]
    #[must_use = "futures do nothing unless awaited"]
    pub struct Timeout<F> {
        // Gone as soon as the time is up, so that it stands in nobody's queue any more.
        #[pin]
        future: Option<F>,
        alarm: Alarm,
    }
}

impl<F> Timeout<F> {
    /// The future inside; `None` if the time was up.
    pub fn get_ref(&self) -> Option<&F> {
        self.future.as_ref()
    }

    /// The future inside; `None` if the time was up.
    pub fn get_mut(&mut self) -> Option<&mut F> {
        self.future.as_mut()
    }

    /// The future inside, with no limit any more; `None` if the time was up.
    pub fn into_inner(self) -> Option<F> {
        self.future
    }
}

impl<F: Future> Timeout<F> {
    /// Blocks this thread until the future is done or the time is up. Not for tasks: it would block their worker.
    ///
    /// # Errors
    ///
    /// [`Elapsed`] when the time is up.
    pub fn wait(self) -> Result<F::Output, Elapsed> {
        let mut alarm = self.alarm;
        alarm.begin_wait();
        let future = self.future;
        let mut future = pin!(future.expect("the time was up before"));
        // The thread keeps the time itself. It looks at it after each poll, too: a future that wakes itself all the time
        // never lets it sleep until the deadline.
        let look = poll_fn(|cx| match future.as_mut().poll(cx) {
            Poll::Ready(output) => Poll::Ready(Ok(output)),
            Poll::Pending if alarm.is_elapsed() => Poll::Ready(Err(Elapsed(()))),
            Poll::Pending => {
                alarm.park_if_nobody_did();
                Poll::Pending
            }
        });
        parker::block_on_until(pin!(look), alarm.deadline()).unwrap_or(Err(Elapsed(())))
    }
}

impl<F: Future> Future for Timeout<F> {
    type Output = Result<F::Output, Elapsed>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        // With nothing left of the slice the future could not show that it is ready, and would lose unfairly.
        if running::budget() == 0 {
            return op::out_of_budget(cx, this.alarm.site());
        }
        let future = this.future.as_mut().as_pin_mut();
        let future = future.expect("polled again after its time was up");
        if let Poll::Ready(output) = future.poll(cx) {
            return Poll::Ready(Ok(output));
        }
        // The alarm asks for no budget: a future that uses all of it in every poll must not outlive its deadline.
        if this.alarm.poll(cx.waker()) {
            running::spend_budget();
            this.future.set(None);
            return Poll::Ready(Err(Elapsed(())));
        }
        this.alarm.park_if_nobody_did();
        Poll::Pending
    }
}
