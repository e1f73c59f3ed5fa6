//! Sleeping: the future that completes at a moment.

use super::alarm::Alarm;
use super::current;
use crate::hook::{ArmNote, current as running};
use crate::wait::case::Arm;
use crate::wait::polled::{Polled, PolledCase};
use crate::wait::{op, parker};
use pin_project_lite::pin_project;
use std::borrow::BorrowMut;
use std::future::{Future, poll_fn};
use std::marker::PhantomPinned;
use std::panic::Location;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

/// Waits until `duration` has passed, counted from this call.
///
/// It never completes early. How late it completes depends on the operating system, which wakes threads up to some 0.1 ms
/// late when it has nothing else to do, and on the tasks that are ahead in the run queue. A duration of zero waits for
/// nothing and completes at the first poll. A duration that ends beyond the last moment an [`Instant`] can name, such as
/// [`Duration::MAX`], never ends.
///
/// Follows Go's `time.Sleep` (`src/time/sleep.go`, `src/runtime/time.go`).
///
/// # Cancellation
///
/// Dropping the future ends the wait and takes the timer out of the runtime.
///
/// # Examples
///
/// ```
/// use std::time::{Duration, Instant};
///
/// let begin = Instant::now();
/// // On a thread: `wait`. In a task: `gochan::sleep(..).await`.
/// gochan::sleep(Duration::from_millis(2)).wait();
/// assert!(begin.elapsed() >= Duration::from_millis(2));
/// ```
#[track_caller]
pub fn sleep(duration: Duration) -> Sleep {
    Sleep::new(Alarm::after(duration, Location::caller()))
}

/// Waits until the moment `deadline`; one that has passed completes at the first poll.
///
/// See [`sleep`] for how exact it is.
///
/// # Cancellation
///
/// Dropping the future ends the wait and takes the timer out of the runtime.
///
/// # Examples
///
/// ```
/// use std::time::{Duration, Instant};
///
/// let deadline = Instant::now() + Duration::from_millis(2);
/// gochan::sleep_until(deadline).wait();
/// assert!(Instant::now() >= deadline);
/// ```
#[track_caller]
pub fn sleep_until(deadline: Instant) -> Sleep {
    Sleep::new(Alarm::at(Some(deadline), Location::caller()))
}

/// [`sleep`] as if it stood at `site`.
#[cfg(feature = "net")]
pub(crate) fn sleep_at(duration: Duration, site: &'static Location<'static>) -> Sleep {
    Sleep::new(Alarm::after(duration, site))
}

pin_project! {
    /// A wait for a moment, made by [`sleep`] and [`sleep_until`].
    ///
    /// It is an arm of [`select!`](crate::select!), by value, as `&mut sleep`, and pinned as `sleep.as_mut()`. Polled after it has completed, it
    /// completes again, until it is [`reset`](Sleep::reset).
    ///
    /// # Cancellation
    ///
    /// Dropping it ends the wait and takes the timer out of the runtime.
    ///
    /// It is not `Unpin`:
    ///
    /// ```compile_fail
    /// fn unpin<T: Unpin>(_: T) {}
    /// unpin(gochan::sleep(std::time::Duration::ZERO));
    /// ```
    #[derive(Debug)]
    #[must_use = "futures do nothing unless awaited"]
    pub struct Sleep {
        pub(super) alarm: Alarm,
        #[pin]
        pinned: PhantomPinned,
    }
}

impl Sleep {
    pub(super) fn new(alarm: Alarm) -> Sleep {
        Sleep {
            alarm,
            pinned: PhantomPinned,
        }
    }

    /// The moment at which it completes; `None` if that is never.
    ///
    /// ```
    /// use std::time::{Duration, Instant};
    ///
    /// assert!(gochan::sleep(Duration::from_secs(1)).deadline() > Some(Instant::now()));
    /// assert_eq!(gochan::sleep(Duration::MAX).deadline(), None);
    /// ```
    pub fn deadline(&self) -> Option<Instant> {
        self.alarm.deadline()
    }

    /// Whether the moment has come.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// assert!(gochan::sleep(Duration::ZERO).is_elapsed());
    /// assert!(!gochan::sleep(Duration::from_secs(1)).is_elapsed());
    /// ```
    pub fn is_elapsed(&self) -> bool {
        self.alarm.is_elapsed()
    }

    /// Moves the moment to `duration` from now. Whoever waits goes on waiting; one that has completed can be awaited
    /// again.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::pin::pin;
    /// use std::time::Duration;
    ///
    /// let mut idle = pin!(gochan::sleep(Duration::ZERO));
    /// assert!(idle.is_elapsed());
    /// idle.as_mut().reset(Duration::from_secs(60));
    /// assert!(!idle.is_elapsed());
    /// ```
    pub fn reset(self: Pin<&mut Self>, duration: Duration) {
        let deadline = current::now().checked_add(duration);
        self.project().alarm.reset(deadline);
    }

    /// As [`reset`](Self::reset), to a moment.
    pub fn reset_until(self: Pin<&mut Self>, deadline: Instant) {
        self.project().alarm.reset(Some(deadline));
    }

    /// Blocks this thread until the moment has come. Not for tasks: it would block their worker.
    pub fn wait(self) {
        let mut alarm = self.alarm;
        alarm.begin_wait();
        // The thread keeps the time itself: no driver is asked.
        let look = poll_fn(|_| {
            if alarm.is_elapsed() {
                return Poll::Ready(());
            }
            alarm.park();
            Poll::Pending
        });
        parker::block_on_until(pin!(look), alarm.deadline());
    }
}

/// A sleep in a select.
#[doc(hidden)]
#[derive(Debug)]
pub struct SleepArm<A>(A);

impl<A: BorrowMut<Alarm>> Polled for SleepArm<A> {
    type Output = ();

    fn note(&self) -> ArmNote {
        self.0.borrow().arm_note()
    }

    fn look(&mut self, waker: &Waker) -> bool {
        self.0.borrow_mut().poll(waker)
    }

    fn take(&mut self) {}

    fn retire(&mut self) {
        self.0.borrow_mut().retire();
    }
}

impl Arm for Sleep {
    type Output = ();
    type Case = PolledCase<SleepArm<Alarm>>;

    fn into_case(self) -> Self::Case {
        PolledCase(SleepArm(self.alarm))
    }
}

impl<'a> Arm for &'a mut Sleep {
    type Output = ();
    type Case = PolledCase<SleepArm<&'a mut Alarm>>;

    fn into_case(self) -> Self::Case {
        PolledCase(SleepArm(&mut self.alarm))
    }
}

impl<'a> Arm for Pin<&'a mut Sleep> {
    type Output = ();
    type Case = PolledCase<SleepArm<&'a mut Alarm>>;

    fn into_case(self) -> Self::Case {
        PolledCase(SleepArm(self.project().alarm))
    }
}

impl Future for Sleep {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let alarm = self.project().alarm;
        if !alarm.poll(cx.waker()) {
            alarm.park();
            return Poll::Pending;
        }
        if !running::spend_budget() {
            return op::out_of_budget(cx, alarm.site());
        }
        Poll::Ready(())
    }
}
