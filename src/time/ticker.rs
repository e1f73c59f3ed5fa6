//! Go's ticker: a tick every so often.

use super::source::Source;
use super::tick::TickFuture;
use crate::hook::ObjId;
use std::panic::Location;
use std::sync::Arc;
use std::time::Duration;

/// A tick every `period`: Go's `time.Ticker` (`src/time/tick.go`, `src/runtime/time.go`).
///
/// It keeps its phase: however late a tick is received, those after it are due at whole periods from the start. Ticks that
/// come while one is waiting to be received are dropped, so a slow reader is not flooded. After [`stop`](Self::stop) or
/// [`reset`](Self::reset) has returned nobody receives a tick from before. Several tasks may share a ticker; each tick
/// goes to one of them, whoever has waited longest first.
///
/// Dropping the ticker stops it.
///
/// # Examples
///
/// ```
/// use gochan::time::Ticker;
/// use std::time::Duration;
///
/// let period = Duration::from_millis(1);
/// let ticker = Ticker::new(period);
/// let first = ticker.tick().wait(); // in a task: ticker.tick().await
/// let second = ticker.tick().wait();
/// assert!(second - first >= period);
/// assert_eq!((second - first).as_nanos() % period.as_nanos(), 0);
/// ```
#[derive(Debug)]
pub struct Ticker {
    source: Arc<Source>,
}

impl Ticker {
    /// A ticker whose first tick is due one `period` from now.
    ///
    /// # Panics
    ///
    /// If `period` is zero: "non-positive interval for NewTicker".
    #[track_caller]
    pub fn new(period: Duration) -> Ticker {
        assert!(!period.is_zero(), "non-positive interval for NewTicker");
        Ticker {
            source: Source::new(period, Some(period), Location::caller()),
        }
    }

    /// Waits for the next tick and yields the moment at which it was due. While the ticker is stopped, waits until it is
    /// reset.
    ///
    /// # Cancellation
    ///
    /// Safe at any time: a tick that was not returned is still there for the next who asks.
    #[track_caller]
    pub fn tick(&self) -> TickFuture<'_> {
        TickFuture::new(&self.source, Location::caller())
    }

    /// Goes on with another period: the next tick is due one `period` from now. A stopped ticker runs again.
    ///
    /// # Panics
    ///
    /// If `period` is zero: "non-positive interval for Ticker.Reset".
    ///
    /// # Examples
    ///
    /// ```
    /// use gochan::time::Ticker;
    /// use std::time::{Duration, Instant};
    ///
    /// let ticker = Ticker::new(Duration::from_secs(60));
    /// let begin = Instant::now();
    /// ticker.reset(Duration::from_millis(1));
    /// assert!(ticker.tick().wait() >= begin + Duration::from_millis(1));
    /// ```
    #[track_caller]
    pub fn reset(&self, period: Duration) {
        assert!(!period.is_zero(), "non-positive interval for Ticker.Reset");
        self.source.reset(period, Some(period));
    }

    /// Ends the ticking. Those who wait for a tick go on waiting.
    pub fn stop(&self) {
        self.source.stop();
    }

    /// The ticker's number, as dumps and hooks show it.
    pub fn id(&self) -> ObjId {
        self.source.id()
    }
}

impl Drop for Ticker {
    fn drop(&mut self) {
        self.source.stop();
    }
}
