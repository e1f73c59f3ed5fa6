//! Channels that the time sends on: [`after`] and [`tick`].
//!
//! They are ordinary channels of capacity 1 with no sender that anybody holds, so they never close by themselves. What
//! sends is a timer in the driver. It ends when it finds the channel closed, which is when the last receiver is gone; until
//! then it may stay in the driver for its period, or be swept out with others of its kind.

use super::current;
use super::driver::{Action, Fire};
use super::source::next_tick;
use crate::chan::{Receiver, WeakSender, chan};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// A channel on which one value comes, `duration` from now: the moment at which it was due.
///
/// As with Go's `time.After` (`src/time/sleep.go`) the channel then stays open and empty: a second receive waits for
/// ever. Dropping the last receiver takes the timer out of the runtime.
///
/// # Examples
///
/// ```
/// use std::time::{Duration, Instant};
///
/// let begin = Instant::now();
/// let rx = gochan::after(Duration::from_millis(2));
/// assert!(rx.recv_blocking().unwrap() >= begin + Duration::from_millis(2));
/// assert!(rx.try_recv().unwrap_err().is_empty());
/// ```
#[track_caller]
pub fn after(duration: Duration) -> Receiver<Instant> {
    start(duration, None)
}

/// A channel on which a value comes every `period`: the moment at which it was due.
///
/// One tick waits to be received; those that come meanwhile are dropped, and the next keeps its phase. With a period of zero
/// nothing ever comes, as with Go's `time.Tick` (`src/time/tick.go`). Dropping the last receiver ends the ticking. A
/// [`Ticker`](crate::time::Ticker) can also be stopped and reset.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
///
/// let rx = gochan::tick(Duration::from_millis(1));
/// let (first, second) = (rx.recv_blocking().unwrap(), rx.recv_blocking().unwrap());
/// assert!(second - first >= Duration::from_millis(1));
/// ```
#[track_caller]
pub fn tick(period: Duration) -> Receiver<Instant> {
    if period.is_zero() {
        return crate::chan::never();
    }
    start(period, Some(period))
}

#[track_caller]
fn start(first: Duration, period: Option<Duration>) -> Receiver<Instant> {
    let due = current::now().checked_add(first);
    let (tx, rx) = chan(1);
    let feed = Arc::new(Feed {
        tx: tx.leave_open(),
        period,
    });
    if let Some(due) = due {
        feed.arm(due);
    }
    rx
}

/// What sends.
struct Feed {
    tx: WeakSender<Instant>,
    period: Option<Duration>,
}

impl Feed {
    fn arm(self: Arc<Self>, due: Instant) {
        current::register(due, Action::Fire(self)).detach();
    }
}

impl Fire for Feed {
    fn fire(self: Arc<Self>, due: Instant, now: Instant) {
        if now < due {
            return self.arm(due); // The driver is shut.
        }
        let Some(tx) = self.tx.upgrade() else {
            return;
        };
        let closed = tx.try_send(due).is_err_and(|error| error.is_closed());
        let next = self.period.and_then(|period| next_tick(due, period, now));
        if let (false, Some(next)) = (closed, next) {
            self.arm(next);
        }
    }

    fn is_dead(&self) -> bool {
        self.tx.is_closed()
    }
}

#[cfg(test)]
mod tests;
