//! Sleeping and time limits, poll by poll, with a clock made by hand.

use super::driver::Driver;
use super::driver::tests::{alarm, alarm_then};
use super::*;
use crate::hook::current as running;
use std::future::{pending, poll_fn, ready};
use std::pin::{Pin, pin};
use std::sync::atomic::Ordering::Relaxed;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

pub(super) const MS: Duration = Duration::from_millis(1);

pub(super) fn poll<F: Future>(future: Pin<&mut F>, waker: &Waker) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(waker))
}

/// Gives operations a budget, and takes it away again.
pub(super) struct Budget(u32);

impl Budget {
    pub(super) fn of(operations: u32) -> Budget {
        let before = Budget(running::budget());
        running::set_budget(operations);
        before
    }
}

impl Drop for Budget {
    fn drop(&mut self) {
        running::set_budget(self.0);
    }
}

#[test]
fn a_sleep_wakes_once_at_its_moment() {
    let driver = Driver::by_hand();
    let _in = enter(&driver);
    let (wakes, waker) = alarm();
    let mut s = pin!(sleep(2 * MS));
    assert_eq!(driver.timers(), 0, "nothing happens before the first poll");
    assert!(poll(s.as_mut(), &waker).is_pending());
    driver.advance(MS);
    assert!(poll(s.as_mut(), &waker).is_pending());
    assert_eq!(wakes.wakes.load(Relaxed), 0);
    driver.advance(MS);
    assert_eq!(wakes.wakes.load(Relaxed), 1);
    assert!(s.is_elapsed());
    assert!(poll(s.as_mut(), &waker).is_ready());
    assert!(poll(s.as_mut(), &waker).is_ready(), "and stays complete");
    assert_eq!(driver.timers(), 0);
}

#[test]
fn a_sleep_counts_from_its_call() {
    let driver = Driver::by_hand();
    let _in = enter(&driver);
    let (_, waker) = alarm();
    let s = sleep(MS);
    driver.advance(MS);
    assert!(poll(pin!(s), &waker).is_ready());
}

#[test]
fn a_driver_that_is_late_holds_no_sleep_up() {
    let driver = Driver::by_hand();
    let _in = enter(&driver);
    let (_, waker) = alarm();
    let mut s = pin!(sleep(MS));
    assert!(poll(s.as_mut(), &waker).is_pending());
    driver.set_hand(MS);
    assert!(poll(s.as_mut(), &waker).is_ready());
    assert_eq!(driver.timers(), 0);
}

#[test]
fn a_sleep_that_fired_is_over_whatever_the_clock_says() {
    let driver = Driver::by_hand();
    let _in = enter(&driver);
    let (_, waker) = alarm();
    let mut s = pin!(sleep(MS));
    assert!(poll(s.as_mut(), &waker).is_pending());
    driver.fire_due(current::now() + MS);
    assert!(poll(s.as_mut(), &waker).is_ready());
}

#[test]
fn zero_and_the_past_complete_at_the_first_poll_and_cost_budget() {
    let driver = Driver::by_hand();
    let _in = enter(&driver);
    let (wakes, waker) = alarm();
    let _budget = Budget::of(2);
    let past = current::now();
    driver.advance(MS);
    assert!(poll(pin!(sleep(Duration::ZERO)), &waker).is_ready());
    assert!(poll(pin!(sleep_until(past)), &waker).is_ready());
    let mut third = pin!(sleep(Duration::ZERO));
    assert!(poll(third.as_mut(), &waker).is_pending());
    assert_eq!(wakes.wakes.load(Relaxed), 1, "it has woken itself");
    running::set_budget(1);
    assert!(poll(third.as_mut(), &waker).is_ready());
}

#[test]
fn far_futures_never_come() {
    let driver = Driver::by_hand();
    let _in = enter(&driver);
    let (wakes, waker) = alarm();
    for d in [
        Duration::MAX,
        Duration::from_secs(u64::MAX),
        Duration::from_secs(u64::MAX / 2),
        Duration::from_secs(i64::MAX as u64),
        Duration::from_secs(1 << 40),
    ] {
        let mut s = pin!(sleep(d));
        assert!(poll(s.as_mut(), &waker).is_pending());
        driver.advance(Duration::from_secs(1 << 30));
        assert!(poll(s.as_mut(), &waker).is_pending());
        assert!(!s.is_elapsed());
    }
    assert_eq!(wakes.wakes.load(Relaxed), 0);
}

#[test]
fn a_dropped_sleep_leaves_nothing_behind_in_any_state() {
    let driver = Driver::by_hand();
    let _in = enter(&driver);
    let (wakes, waker) = alarm();
    drop(sleep(MS));
    {
        let mut waiting = pin!(sleep(MS));
        assert!(poll(waiting.as_mut(), &waker).is_pending());
        assert_eq!(driver.timers(), 1);
    }
    assert_eq!(driver.timers(), 0);
    {
        let mut fired = pin!(sleep(MS));
        assert!(poll(fired.as_mut(), &waker).is_pending());
        driver.advance(MS);
    }
    assert_eq!(wakes.wakes.load(Relaxed), 1);
    drop(waker);
    assert_eq!(std::sync::Arc::strong_count(&wakes), 1);
}

#[test]
fn reset_moves_a_sleep_in_every_state() {
    let driver = Driver::by_hand();
    let _in = enter(&driver);
    let (wakes, waker) = alarm();
    let mut s = pin!(sleep(5 * MS));
    s.as_mut().reset(3 * MS); // Idle
    assert!(poll(s.as_mut(), &waker).is_pending());
    s.as_mut().reset(6 * MS); // Armed, later
    driver.advance(5 * MS);
    assert!(poll(s.as_mut(), &waker).is_pending());
    s.as_mut().reset(MS / 2); // Armed, earlier than before by the clock
    driver.advance(MS / 2);
    assert_eq!(wakes.wakes.load(Relaxed), 1);
    s.as_mut().reset(MS); // fired, not yet seen
    assert!(poll(s.as_mut(), &waker).is_pending());
    driver.advance(MS);
    assert!(poll(s.as_mut(), &waker).is_ready());
    s.as_mut().reset(MS); // Elapsed
    assert!(poll(s.as_mut(), &waker).is_pending());
    s.as_mut().reset(Duration::MAX); // Armed, to never
    assert_eq!(driver.timers(), 0);
    assert!(poll(s.as_mut(), &waker).is_pending());
    s.as_mut().reset_until(current::now());
    assert!(poll(s.as_mut(), &waker).is_ready());
}

#[test]
fn a_sleep_whose_runtime_ends_goes_on_elsewhere() {
    let (first, second) = (Driver::by_hand(), Driver::by_hand());
    let (wakes, waker) = alarm();
    let mut s = {
        let _in = enter(&first);
        let mut s = Box::pin(sleep(Duration::from_secs(60)));
        assert!(poll(s.as_mut(), &waker).is_pending());
        s
    };
    first.shut();
    assert_eq!(wakes.wakes.load(Relaxed), 1);
    let _in = enter(&second);
    assert!(poll(s.as_mut(), &waker).is_pending());
    // The epochs of the two differ a little.
    second.advance(Duration::from_secs(120));
    assert_eq!(wakes.wakes.load(Relaxed), 2);
    assert!(poll(s.as_mut(), &waker).is_ready());
}

#[test]
fn a_waker_that_drops_its_own_sleep() {
    let driver = Driver::by_hand();
    let _in = enter(&driver);
    let slot = std::sync::Arc::new(std::sync::Mutex::new(None));
    let inner = slot.clone();
    let (wakes, waker) = alarm_then(move || drop(inner.lock().unwrap().take()));
    let mut s = Box::pin(sleep(MS));
    assert!(poll(s.as_mut(), &waker).is_pending());
    *slot.lock().unwrap() = Some(s);
    driver.advance(MS);
    assert!(slot.lock().unwrap().is_none());
    assert_eq!(wakes.wakes.load(Relaxed), 1);
}

#[test]
fn a_ready_future_beats_an_elapsed_limit() {
    let driver = Driver::by_hand();
    let _in = enter(&driver);
    let (_, waker) = alarm();
    assert_eq!(
        poll(pin!(timeout(Duration::ZERO, ready(1))), &waker),
        Poll::Ready(Ok(1))
    );
    let mut t = pin!(timeout(MS, async {
        let mut first = true;
        poll_fn(|_| {
            if std::mem::take(&mut first) {
                Poll::Pending
            } else {
                Poll::Ready(2)
            }
        })
        .await
    }));
    assert!(poll(t.as_mut(), &waker).is_pending());
    driver.advance(MS);
    assert_eq!(poll(t, &waker), Poll::Ready(Ok(2)));
}

#[test]
fn a_limit_ends_a_future_that_is_not_ready() {
    let driver = Driver::by_hand();
    let _in = enter(&driver);
    let (wakes, waker) = alarm();
    assert!(poll(pin!(timeout(Duration::ZERO, pending::<()>())), &waker).is_ready());
    let mut t = pin!(timeout(MS, pending::<()>()));
    assert!(poll(t.as_mut(), &waker).is_pending());
    driver.advance(MS);
    assert_eq!(wakes.wakes.load(Relaxed), 1);
    assert_eq!(poll(t, &waker), Poll::Ready(Err(Elapsed(()))));
    let mut never = pin!(timeout(Duration::MAX, pending::<()>()));
    assert!(poll(never.as_mut(), &waker).is_pending());
    assert_eq!(driver.timers(), 0);
}

/// Always has something to do, and stops only when its slice is used up.
async fn busy() {
    loop {
        poll_fn(|cx| {
            if running::spend_budget() {
                return Poll::Ready(());
            }
            cx.waker().wake_by_ref();
            Poll::Pending
        })
        .await;
    }
}

#[test]
fn a_limit_ends_a_future_that_uses_all_of_its_budget() {
    let driver = Driver::by_hand();
    let _in = enter(&driver);
    let (_, waker) = alarm();
    let mut t = pin!(timeout(MS, busy()));
    let _budget = Budget::of(100);
    assert!(poll(t.as_mut(), &waker).is_pending());
    driver.set_hand(MS);
    running::set_budget(100);
    assert!(poll(t.as_mut(), &waker).is_ready());
}

#[test]
fn a_limit_without_budget_lets_its_future_try_first() {
    let driver = Driver::by_hand();
    let _in = enter(&driver);
    let (wakes, waker) = alarm();
    let (tx, rx) = crate::chan(1);
    tx.try_send(1).unwrap();
    let mut t = pin!(timeout(Duration::ZERO, rx.recv()));
    let _budget = Budget::of(0);
    assert!(poll(t.as_mut(), &waker).is_pending());
    assert_eq!(wakes.wakes.load(Relaxed), 1);
    running::set_budget(1);
    assert_eq!(poll(t, &waker), Poll::Ready(Ok(Ok(1))));
}

#[test]
fn limits_that_have_passed_cost_budget() {
    let (_, waker) = alarm();
    let _budget = Budget::of(1);
    assert!(poll(pin!(timeout(Duration::ZERO, pending::<()>())), &waker).is_ready());
    assert!(poll(pin!(timeout(Duration::ZERO, pending::<()>())), &waker).is_pending());
}

#[test]
fn threads_wait_without_a_driver() {
    let driver = Driver::by_hand();
    let begin = Instant::now();
    sleep(2 * MS).wait();
    sleep_until(begin).wait();
    assert_eq!(timeout(2 * MS, pending::<()>()).wait(), Err(Elapsed(())));
    assert!(begin.elapsed() >= 4 * MS);
    assert_eq!(timeout(Duration::MAX, ready(3)).wait(), Ok(3));
    let always_awake = poll_fn(|cx| {
        cx.waker().wake_by_ref();
        Poll::<()>::Pending
    });
    assert!(timeout(2 * MS, always_awake).wait().is_err());
    assert_eq!(driver.timers(), 0);
}
