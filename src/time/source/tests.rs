//! Timers and tickers, poll by poll, with a clock made by hand. Behaviours: Go's `src/time/sleep_test.go`, `tick_test.go`.

use super::*;
use crate::time::driver::Driver;
use crate::time::driver::tests::{alarm, alarm_then};
use crate::time::tests::{Budget, MS, poll};
use crate::time::{Ticker, Timer, enter};
use crate::wait::case::{Arm, Case, RawCase};
use std::pin::{Pin, pin};
use std::sync::atomic::Ordering::Relaxed;
use std::task::{Context, Poll, Waker};

/// A driver that is this thread's, and the moment it starts from.
macro_rules! by_hand {
    ($driver:ident, $start:ident) => {
        let $driver = Driver::by_hand();
        let _in = enter(&$driver);
        let $start = current::now();
    };
}

fn woken<F>(alarm: &crate::time::driver::tests::Alarm<F>) -> usize {
    alarm.wakes.load(Relaxed)
}

/// What a receive finds right now.
fn got(timer: &Timer) -> Option<Instant> {
    match poll(pin!(timer.recv()), Waker::noop()) {
        Poll::Ready(at) => Some(at),
        Poll::Pending => None,
    }
}

fn ticked(ticker: &Ticker) -> Option<Instant> {
    match poll(pin!(ticker.tick()), Waker::noop()) {
        Poll::Ready(at) => Some(at),
        Poll::Pending => None,
    }
}

#[test]
fn a_timer_ticks_once() {
    by_hand!(driver, start);
    let timer = Timer::new(2 * MS);
    assert_eq!(got(&timer), None);
    driver.advance(2 * MS);
    assert_eq!(got(&timer), Some(start + 2 * MS));
    driver.advance(100 * MS);
    assert_eq!(got(&timer), None);
}

#[test]
fn a_tick_is_dated_when_it_was_due_however_late_it_is_received() {
    by_hand!(driver, start);
    let timer = Timer::new(2 * MS);
    driver.advance(50 * MS);
    assert_eq!(got(&timer), Some(start + 2 * MS));
}

#[test]
fn a_timer_nobody_waits_for_is_not_in_the_driver() {
    by_hand!(driver, _start);
    let timer = Timer::new(2 * MS);
    timer.reset(3 * MS);
    assert_eq!(driver.timers(), 0);
    let (_, waker) = alarm();
    let mut recv = Box::pin(timer.recv());
    assert!(poll(recv.as_mut(), &waker).is_pending());
    assert_eq!(driver.timers(), 1);
    timer.stop();
    assert_eq!(driver.timers(), 0);
    timer.reset(MS);
    assert_eq!(driver.timers(), 1);
    drop(recv);
    driver.advance(MS);
    assert_eq!(driver.timers(), 0);
    assert!(got(&timer).is_some());
}

#[test]
fn a_waiting_receiver_is_woken_at_the_moment() {
    by_hand!(driver, start);
    let (wakes, waker) = alarm();
    let timer = Timer::new(2 * MS);
    let mut recv = pin!(timer.recv());
    assert!(poll(recv.as_mut(), &waker).is_pending());
    driver.advance(MS);
    assert_eq!(woken(&wakes), 0);
    driver.advance(MS);
    assert_eq!(woken(&wakes), 1);
    assert_eq!(poll(recv, &waker), Poll::Ready(start + 2 * MS));
}

// Go: TestReset, TestResetResult, TestStopResult, TestZeroTimer
#[test]
fn stop_and_reset_say_whether_a_tick_was_still_to_be_had() {
    by_hand!(driver, start);
    let timer = Timer::new(MS);
    assert!(timer.reset(2 * MS), "to come");
    driver.advance(2 * MS);
    assert!(timer.reset(MS), "come, not received");
    driver.advance(MS);
    assert_eq!(got(&timer), Some(start + 3 * MS));
    assert!(!timer.reset(MS), "received");
    assert!(timer.stop(), "to come");
    assert!(!timer.stop(), "stopped");
    assert!(!timer.reset(Duration::ZERO), "stopped");
    assert!(timer.stop(), "due at once, not received");
    assert!(!timer.reset(Duration::MAX));
    assert!(timer.reset(MS), "never to come is to come");
    assert_eq!(timer.deadline(), Some(start + 4 * MS));
}

#[test]
fn no_stale_tick_after_stop_or_reset() {
    by_hand!(driver, start);
    let (wakes, waker) = alarm();
    let timer = Timer::new(MS);
    driver.advance(MS);
    timer.stop();
    assert_eq!(got(&timer), None, "stopped when due");
    timer.reset(MS);
    let mut recv = pin!(timer.recv());
    assert!(poll(recv.as_mut(), &waker).is_pending());
    driver.advance(MS);
    assert_eq!(woken(&wakes), 1);
    timer.stop();
    assert!(
        poll(recv.as_mut(), &waker).is_pending(),
        "stopped between wake and poll"
    );
    timer.reset(5 * MS);
    driver.advance(2 * MS);
    assert!(poll(recv.as_mut(), &waker).is_pending());
    timer.reset(MS);
    driver.advance(MS);
    timer.reset(MS);
    assert!(
        poll(recv.as_mut(), &waker).is_pending(),
        "reset between wake and poll"
    );
    driver.advance(MS);
    assert_eq!(poll(recv, &waker), Poll::Ready(start + 6 * MS));
}

// Go: TestTimerModifiedEarlier
#[test]
fn a_waiting_receiver_follows_every_reset() {
    by_hand!(driver, start);
    let (wakes, waker) = alarm();
    let timer = Timer::new(Duration::from_secs(1 << 40));
    let mut recv = pin!(timer.recv());
    assert!(poll(recv.as_mut(), &waker).is_pending());
    timer.reset(Duration::MAX);
    assert_eq!(driver.advance(MS), driver.next());
    timer.reset(MS); // earlier
    assert_eq!(driver.advance(MS / 2), Some(start + 2 * MS));
    timer.reset(MS / 4); // earlier still, while armed for later
    assert_eq!(driver.next(), Some(start + MS + MS * 3 / 4));
    timer.reset(3 * MS); // later, while armed for earlier
    driver.advance(MS);
    assert_eq!(woken(&wakes), 0, "a driver that fires early wakes nobody");
    timer.stop();
    driver.advance(10 * MS);
    assert_eq!(woken(&wakes), 0);
    timer.reset(Duration::ZERO); // at once
    driver.advance(Duration::ZERO);
    assert_eq!(woken(&wakes), 1);
    let at = start + MS + MS / 2 + MS + 10 * MS;
    assert_eq!(poll(recv, &waker), Poll::Ready(at));
}

// Go: TestMultiWakeupTimer
#[test]
fn one_tick_goes_to_one_of_many() {
    by_hand!(driver, start);
    let (wakes, waker) = alarm();
    let timer = Timer::new(MS);
    let mut all: Vec<_> = (0..3).map(|_| Box::pin(timer.recv())).collect();
    for round in 1..=3u32 {
        for recv in &mut all {
            assert!(poll(recv.as_mut(), &waker).is_pending());
        }
        driver.advance(MS);
        let at = start + round * MS;
        let ready: Vec<_> = all
            .iter_mut()
            .map(|recv| poll(recv.as_mut(), &waker))
            .collect();
        assert_eq!(ready[0], Poll::Ready(at));
        assert!(ready[1..].iter().all(Poll::is_pending));
        drop(all.remove(0));
        timer.reset(MS);
    }
    assert_eq!(woken(&wakes), 3 + 2 + 1);
}

// Go: TestMultiWakeupTicker
#[test]
fn nobody_who_waits_on_a_ticker_is_passed_by_for_ever() {
    by_hand!(driver, _start);
    let ticker = Ticker::new(MS);
    let order = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
    let wakers: Vec<Waker> = (0..3)
        .map(|n| {
            let order = order.clone();
            alarm_then(move || order.lock().unwrap().push(n)).1
        })
        .collect();
    let mut all: Vec<_> = (0..3).map(|_| Box::pin(ticker.tick())).collect();
    let mut ticks = [0; 3];
    for n in 0..3 {
        assert!(poll(all[n].as_mut(), &wakers[n]).is_pending());
    }
    for _ in 0..9 {
        driver.advance(MS);
        // A run queue: they are polled in the order in which they were woken, and who has a tick asks for another.
        let queue = std::mem::take(&mut *order.lock().unwrap());
        assert_eq!(queue.len(), 3);
        for n in queue {
            if poll(all[n].as_mut(), &wakers[n]).is_ready() {
                ticks[n] += 1;
                // Asked for another tick, it stands behind those who still wait for this one.
                assert!(poll(all[n].as_mut(), &wakers[n]).is_pending());
            }
        }
    }
    assert_eq!(ticks, [3; 3]);
}

#[test]
fn a_receiver_that_is_dropped_after_its_wake_takes_no_tick_with_it() {
    by_hand!(driver, start);
    let (_, waker) = alarm();
    let timer = Timer::new(MS);
    let mut first = Box::pin(timer.recv());
    let mut second = pin!(timer.recv());
    assert!(poll(first.as_mut(), &waker).is_pending());
    assert!(poll(second.as_mut(), &waker).is_pending());
    driver.advance(MS);
    drop(first);
    assert_eq!(poll(second, &waker), Poll::Ready(start + MS));
}

#[test]
fn a_receiver_that_is_dropped_while_it_waits_leaves_no_waker() {
    by_hand!(driver, start);
    let (wakes, waker) = alarm();
    let timer = Timer::new(MS);
    let mut recv = Box::pin(timer.recv());
    assert!(poll(recv.as_mut(), &waker).is_pending());
    drop((recv, waker));
    assert_eq!(Arc::strong_count(&wakes), 1);
    driver.advance(MS);
    assert_eq!((woken(&wakes), got(&timer)), (0, Some(start + MS)));
}

#[test]
fn a_forgotten_receiver_strands_nobody() {
    by_hand!(driver, start);
    let (wakes, waker) = alarm();
    let timer = Timer::new(MS);
    let mut forgotten = Box::pin(timer.recv());
    assert!(poll(forgotten.as_mut(), &waker).is_pending());
    std::mem::forget(forgotten);
    let mut recv = pin!(timer.recv());
    assert!(poll(recv.as_mut(), &waker).is_pending());
    driver.advance(MS);
    assert_eq!(woken(&wakes), 2);
    assert_eq!(poll(recv, &waker), Poll::Ready(start + MS));
}

#[test]
fn a_poll_without_budget_takes_nothing() {
    by_hand!(driver, start);
    let timer = Timer::new(MS);
    driver.advance(MS);
    let _budget = Budget::of(0);
    assert_eq!(got(&timer), None);
    let _more = Budget::of(1);
    assert_eq!(got(&timer), Some(start + MS));
    timer.reset(Duration::ZERO);
    assert_eq!(got(&timer), None, "the first receive has used it");
}

// Go: TestTicker, TestTeardown
#[test]
fn a_ticker_ticks_until_it_is_stopped() {
    by_hand!(driver, start);
    let ticker = Ticker::new(2 * MS);
    for n in 1..5 {
        assert_eq!(ticked(&ticker), None);
        driver.advance(2 * MS);
        assert_eq!(ticked(&ticker), Some(start + n * 2 * MS));
    }
    ticker.stop();
    driver.advance(100 * MS);
    assert_eq!(ticked(&ticker), None);
    ticker.reset(3 * MS);
    driver.advance(3 * MS);
    assert_eq!(ticked(&ticker), Some(start + 111 * MS));
}

#[test]
fn a_slow_reader_has_one_tick_and_the_phase_is_kept() {
    by_hand!(driver, start);
    let ticker = Ticker::new(10 * MS);
    driver.advance(35 * MS);
    assert_eq!(ticked(&ticker), Some(start + 10 * MS), "the oldest");
    assert_eq!(ticked(&ticker), None, "those after it were dropped");
    driver.advance(4 * MS);
    assert_eq!(ticked(&ticker), None);
    driver.advance(MS);
    assert_eq!(ticked(&ticker), Some(start + 40 * MS), "in phase");
    driver.advance(10 * MS);
    assert_eq!(ticked(&ticker), Some(start + 50 * MS), "on the dot");
}

#[test]
fn no_stale_tick_after_a_tickers_reset() {
    by_hand!(driver, start);
    let ticker = Ticker::new(2 * MS);
    driver.advance(3 * MS);
    ticker.reset(5 * MS);
    assert_eq!(ticked(&ticker), None);
    driver.advance(5 * MS);
    assert_eq!(ticked(&ticker), Some(start + 8 * MS));
}

#[test]
fn the_next_tick_is_gos() {
    let due = Instant::now();
    let next = |period: u64, late: u64| {
        let (period, late) = (Duration::from_nanos(period), Duration::from_nanos(late));
        next_tick(due, period, due + late).unwrap() - due
    };
    for period in [1, 2, 3, 7, 1_000_000_000, 12_345_678_901] {
        for late in [0, 1, 2, 6, 7, 999_999_999, 1_000_000_000, 98_765_432_109] {
            let go = period * (1 + late / period);
            assert_eq!(
                next(period, late),
                Duration::from_nanos(go),
                "{period} {late}"
            );
        }
    }
    assert_eq!(next_tick(due, Duration::MAX, due), None);
    let century = Duration::from_secs(100 * 365 * 86_400);
    assert_eq!(next_tick(due, century, due + MS), Some(due + century));
}

#[test]
fn tickers_of_no_period_are_refused_in_gos_words() {
    let panic = |f: fn()| {
        let payload = std::panic::catch_unwind(f).unwrap_err();
        payload
            .downcast_ref::<&str>()
            .map(|text| text.to_string())
            .unwrap()
    };
    let new = panic(|| drop(Ticker::new(Duration::ZERO)));
    assert_eq!(new, "non-positive interval for NewTicker");
    let reset = panic(|| Ticker::new(MS).reset(Duration::ZERO));
    assert_eq!(reset, "non-positive interval for Ticker.Reset");
}

#[test]
fn far_ticks_never_come() {
    by_hand!(driver, _start);
    let timer = Timer::new(Duration::MAX);
    let ticker = Ticker::new(Duration::MAX);
    driver.advance(Duration::from_secs(1 << 32));
    assert_eq!((got(&timer), ticked(&ticker)), (None, None));
    assert_eq!(timer.deadline(), None);
    assert!(timer.stop());
}

// === in a select ===

fn ready<C: RawCase>(case: Pin<&mut C>, waker: &Waker) -> bool {
    case.poll_ready(&mut Context::from_waker(waker))
}

#[test]
fn an_arm_that_loses_leaves_its_tick() {
    by_hand!(driver, start);
    let (wakes, waker) = alarm();
    let timer = Timer::new(MS);
    driver.advance(MS);
    let mut other = pin!(timer.recv());
    {
        let mut case = pin!(timer.recv().into_case());
        assert!(ready(case.as_mut(), &waker));
        assert!(poll(other.as_mut(), &waker).is_pending(), "spoken for");
        case.as_mut().retire();
        assert!(
            poll(other.as_mut(), &waker).is_pending(),
            "until the case is gone"
        );
    }
    assert_eq!(woken(&wakes), 1);
    assert_eq!(poll(other, &waker), Poll::Ready(start + MS));
}

#[test]
fn an_arm_that_wins_takes_its_tick() {
    by_hand!(driver, start);
    let (_, waker) = alarm();
    let timer = Timer::new(MS);
    let mut case = Box::pin(timer.recv().into_case());
    assert!(!ready(case.as_mut(), &waker));
    driver.advance(MS);
    assert!(ready(case.as_mut(), &waker));
    case.as_mut().retire();
    assert_eq!(case.as_mut().take(), start + MS);
    drop(case);
    assert_eq!(got(&timer), None);
}

#[test]
fn what_an_arm_gives_back_late_is_gone() {
    by_hand!(driver, start);
    let (_, waker) = alarm();
    let timer = Timer::new(MS);
    driver.advance(MS);
    let mut case = Box::pin(timer.recv().into_case());
    assert!(ready(case.as_mut(), &waker));
    assert!(!timer.stop());
    drop(case);
    assert_eq!(got(&timer), None, "no stale tick");
    let ticker = Ticker::new(MS);
    driver.advance(MS);
    let mut case = Box::pin(ticker.tick().into_case());
    assert!(ready(case.as_mut(), &waker));
    driver.advance(MS);
    assert_eq!(ticked(&ticker), Some(start + 3 * MS));
    drop(case);
    assert_eq!(ticked(&ticker), None, "the order of ticks is kept");
}

#[test]
fn a_lent_arm_that_loses_keeps_nothing() {
    by_hand!(driver, start);
    let (wakes, waker) = alarm();
    let timer = Timer::new(MS);
    let mut recv = timer.recv();
    {
        let mut case = pin!((&mut recv).into_case());
        assert!(!ready(case.as_mut(), &waker));
        case.as_mut().retire();
    }
    driver.advance(MS);
    assert_eq!(woken(&wakes), 0, "no waker is left behind");
    {
        let mut case = pin!((&mut recv).into_case());
        assert!(ready(case.as_mut(), &waker));
    }
    assert_eq!(got(&timer), Some(start + MS), "its tick is for everybody");
    timer.reset(MS);
    assert!(poll(pin!(recv), &waker).is_pending());
}

#[test]
fn a_source_whose_runtime_ends_goes_on_elsewhere() {
    let (first, second) = (Driver::by_hand(), Driver::by_hand());
    let (wakes, waker) = alarm();
    let outer = enter(&first);
    let timer = Timer::new(Duration::from_secs(60));
    let mut recv = pin!(timer.recv());
    assert!(poll(recv.as_mut(), &waker).is_pending());
    drop(outer);
    let _in = enter(&second);
    first.shut();
    assert_eq!((first.timers(), second.timers(), woken(&wakes)), (0, 1, 0));
    second.advance(Duration::from_secs(120));
    assert_eq!(woken(&wakes), 1);
    assert!(poll(recv, &waker).is_ready());
}

#[test]
fn wakers_may_come_back_to_the_timer() {
    by_hand!(driver, _start);
    let timer = std::sync::Arc::new(Timer::new(MS));
    let inner = timer.clone();
    let (wakes, waker) = alarm_then(move || {
        inner.reset(MS);
        inner.stop();
        assert_eq!(got(&inner), None);
        inner.reset(MS);
    });
    let mut recv = pin!(timer.recv());
    assert!(poll(recv.as_mut(), &waker).is_pending());
    driver.advance(MS);
    driver.advance(MS);
    assert!(woken(&wakes) >= 1);
    assert!(poll(recv, &waker).is_ready());
}
