//! Go's timer: one tick, which can be stopped and set again.

use super::source::Source;
use super::tick::TickFuture;
use crate::hook::ObjId;
use std::panic::Location;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// One tick at a time, which can be stopped and set again: Go's `time.Timer`, as of Go 1.23 (`src/time/sleep.go`).
///
/// The tick stays until somebody receives it. After [`stop`](Self::stop) or [`reset`](Self::reset) has returned nobody
/// receives a tick from before. Several tasks may share a timer (in an `Arc`, or borrowed); each tick goes to one of
/// them, whoever has waited longest first.
///
/// Dropping the timer stops it. Where the time limit of a single operation is all that is wanted,
/// [`timeout`](crate::timeout) is simpler.
///
/// # Examples
///
/// ```
/// use gochan::time::Timer;
/// use std::time::{Duration, Instant};
///
/// let begin = Instant::now();
/// let timer = Timer::new(Duration::from_millis(2));
/// let due = timer.recv().wait(); // in a task: timer.recv().await
/// assert!(due >= begin + Duration::from_millis(2) && due <= Instant::now());
///
/// assert!(!timer.reset(Duration::from_secs(60)));
/// assert!(timer.stop());
/// ```
#[derive(Debug)]
pub struct Timer {
    source: Arc<Source>,
}

impl Timer {
    /// A timer that ticks once, `duration` from now. A duration of zero is due at once; one that ends beyond the last moment
    /// an [`Instant`] can name never is.
    #[track_caller]
    pub fn new(duration: Duration) -> Timer {
        Timer {
            source: Source::new(duration, None, Location::caller()),
        }
    }

    /// Waits for the tick and yields the moment at which it was due. On a timer that is stopped, or whose tick was
    /// received, it waits until the timer is reset.
    ///
    /// # Cancellation
    ///
    /// Safe at any time: a tick that was not returned is still there for the next who asks.
    #[track_caller]
    pub fn recv(&self) -> TickFuture<'_> {
        TickFuture::new(&self.source, Location::caller())
    }

    /// Sets the tick to `duration` from now, as [`new`](Self::new) does. True if the timer was pending: its tick was still to
    /// come, or had come and nobody had received it.
    ///
    /// # Examples
    ///
    /// ```
    /// use gochan::time::Timer;
    /// use std::time::{Duration, Instant};
    ///
    /// let timer = Timer::new(Duration::ZERO);
    /// let begin = Instant::now();
    /// assert!(timer.reset(Duration::from_millis(2)), "the first tick was not received");
    /// assert!(timer.recv().wait() >= begin + Duration::from_millis(2), "and never will be");
    /// assert!(!timer.reset(Duration::ZERO));
    /// ```
    pub fn reset(&self, duration: Duration) -> bool {
        self.source.reset(duration, None)
    }

    /// Takes the tick back. True if the timer was pending: its tick was still to come, or had come and nobody had received
    /// it.
    pub fn stop(&self) -> bool {
        self.source.stop()
    }

    /// When the tick is due; `None` if the timer is stopped, its tick received, or its moment never comes.
    ///
    /// ```
    /// use gochan::time::Timer;
    /// use std::time::Duration;
    ///
    /// let timer = Timer::new(Duration::from_secs(1));
    /// assert!(timer.deadline().is_some());
    /// timer.stop();
    /// assert_eq!(timer.deadline(), None);
    /// ```
    pub fn deadline(&self) -> Option<Instant> {
        self.source.deadline()
    }

    /// The timer's number, as dumps and hooks show it.
    pub fn id(&self) -> ObjId {
        self.source.id()
    }
}

impl Drop for Timer {
    fn drop(&mut self) {
        self.source.stop();
    }
}
