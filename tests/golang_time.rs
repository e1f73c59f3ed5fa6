//! What Go's own tests of timers, sleeping and tickers check, checked of this crate: one module for each function, named as in
//! Go, its file above the first of them. The behaviours are Go's, the code is not.
//!
//! A clock is only ever asked for lower bounds, so a loaded machine makes these tests slow and not wrong. What must not
//! happen is tested with timers that are an hour away.

#![cfg(feature = "rt")]

mod common;

use common::alloc::{self, Counting};
use common::watch;
use gochan::time::{Ticker, Timer};
use gochan::{
    Context, Runtime, after, block_on, chan, go, select, sleep, sleep_until, tick, timeout,
};
use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

#[global_allocator]
static COUNTING: Counting = Counting;

const MS: Duration = Duration::from_millis(1);
const HOUR: Duration = Duration::from_secs(3600);

fn runtime(workers: usize) -> Runtime {
    Runtime::builder().workers(workers).build().unwrap()
}

/// Runs a future to its end on each kind of place there is: this crate's runtime, a plain thread, tokio.
fn everywhere<F: Future<Output = ()> + Send + 'static>(make: impl Fn() -> F) {
    runtime(1).block_on(make());
    let rt = runtime(2);
    rt.go(make()).wait().unwrap();
    block_on(make());
    futures::executor::block_on(make());
    let tokio = tokio::runtime::Builder::new_current_thread();
    { tokio }.build().unwrap().block_on(make());
}

// src/time/sleep_test.go
mod test_sleep {
    use super::*;

    #[test]
    fn sleep_lasts_at_least_as_long_as_asked() {
        everywhere(|| async {
            for d in [Duration::ZERO, MS / 10, MS, 3 * MS] {
                let begin = Instant::now();
                sleep(d).await;
                assert!(begin.elapsed() >= d);
                let until = Instant::now() + d;
                sleep_until(until).await;
                assert!(Instant::now() >= until);
            }
        });
    }
}

mod after_func_starvation {
    use super::*;

    /// Two tasks that hand a value to and fro all the time do not keep a timer's function from being called, on one worker.
    #[test]
    fn is_called_among_busy_tasks() {
        watch(|| {
            let rt = runtime(1);
            rt.block_on(async {
                let (ctx, _cancel) = Context::background().with_timeout(5 * MS);
                let (stop, stopped) = chan::<()>(0);
                let _after = ctx.after_func(move || drop(stop));
                let (ping, pinged) = chan::<()>(0);
                let (pong, ponged) = chan::<()>(0);
                let other = go(async move {
                    while pinged.recv().await.is_ok() && pong.send(()).await.is_ok() {}
                });
                while stopped.try_recv().is_err_and(|error| error.is_empty()) {
                    ping.send(()).await.unwrap();
                    ponged.recv().await.unwrap();
                }
                drop((ping, ponged));
                other.await.unwrap();
            });
        });
    }
}

mod test_after {
    use super::*;

    #[test]
    fn after_and_tick_are_not_early() {
        everywhere(|| async {
            let begin = Instant::now();
            let due = after(2 * MS).recv().await.unwrap();
            assert!(due >= begin + 2 * MS && Instant::now() >= due);
            let ticks = tick(MS);
            for n in 1..5 {
                assert!(ticks.recv().await.unwrap() >= begin + 2 * MS + n * MS);
            }
        });
    }
}

mod after_queuing {
    use super::*;

    #[test]
    fn timers_made_in_any_order_are_due_in_theirs() {
        let rt = runtime(2);
        rt.block_on(async {
            let begin = Instant::now();
            let (tx, rx) = chan(0);
            for slot in [5u32, 3, 6, 6, 6, 1, 1, 2, 7, 9, 4, 8, 0] {
                let tx = tx.clone();
                go(async move {
                    let due = after(slot * MS).recv().await.unwrap();
                    tx.send((due, slot)).await.unwrap();
                });
            }
            drop(tx);
            let mut all = Vec::new();
            while let Ok((due, slot)) = rx.recv().await {
                assert!(due >= begin + slot * MS && Instant::now() >= due);
                all.push(slot);
            }
            all.sort_unstable();
            assert_eq!(all, [0, 1, 1, 2, 3, 4, 5, 6, 6, 6, 7, 8, 9]);
        });
    }
}

mod timer_stop_stress {
    use super::*;

    #[test]
    fn stopped_timers_never_tick() {
        let rt = runtime(2);
        let tasks: Vec<_> = (0..100)
            .map(|_| {
                rt.go(async {
                    let timer = Timer::new(HOUR);
                    let waited = timeout(MS, timer.recv()).await;
                    assert!(timer.stop());
                    assert!(waited.is_err());
                    assert!(timeout(MS, timer.recv()).await.is_err());
                })
            })
            .collect();
        tasks.into_iter().for_each(|task| task.wait().unwrap());
    }
}

mod sleep_zero_deadlock {
    use super::*;

    #[test]
    fn sleep_zero_among_garbage_and_channels() {
        let rt = runtime(2);
        rt.block_on(async {
            let (tx, rx) = chan(0);
            let other = go(async move {
                for _ in 0..100 {
                    sleep(Duration::ZERO).await;
                    let (tx, rx) = chan::<u8>(1);
                    drop((tx, rx));
                }
                tx.send(true).await.unwrap();
            });
            for _ in 0..100 {
                sleep(Duration::ZERO).await;
            }
            assert_eq!(rx.recv().await, Ok(true));
            other.await.unwrap();
        });
    }

    /// A task that only sleeps for no time must not keep the others from running.
    #[test]
    fn sleep_zero_in_a_loop_starves_nobody() {
        let rt = runtime(1);
        rt.block_on(async {
            let (tx, rx) = chan::<()>(0);
            let busy = go(async move {
                while rx.try_recv().is_err() {
                    sleep(Duration::ZERO).await;
                }
            });
            tx.send(()).await.unwrap_or_default();
            drop(tx);
            busy.abort();
            let _ = busy.await;
        });
    }
}

mod reset {
    use super::*;

    /// A timer set later before it was due is not due before that; one whose tick was received was not pending.
    #[test]
    fn counts_from_the_reset() {
        everywhere(|| async {
            let timer = Timer::new(2 * MS);
            sleep(MS).await;
            let begin = Instant::now();
            assert!(timer.reset(3 * MS), "due or not, nobody has received it");
            assert!(timer.recv().await >= begin + 3 * MS);
            assert!(!timer.reset(MS));
            assert!(timer.stop());
        });
    }
}

mod overflow_sleep {
    use super::*;

    #[test]
    fn far_futures_do_not_come_before_near_ones() {
        everywhere(|| async {
            for far in [
                Duration::MAX,
                Duration::from_secs(i64::MAX as u64),
                Duration::from_nanos(u64::MAX),
                Duration::from_secs(1 << 33),
            ] {
                select! {
                    _ = after(far).recv() => unreachable!(),
                    _ = sleep(far) => unreachable!(),
                    _ = Timer::new(far).recv() => unreachable!(),
                    _ = Ticker::new(far).tick() => unreachable!(),
                    _ = tick(far).recv() => unreachable!(),
                    _ = sleep(MS) => {}
                }
                assert_eq!(timeout(far, async { 1 }).await, Ok(1));
            }
        });
    }
}

mod stop_result {
    use super::*;

    #[test]
    fn is_either_received_or_stopped() {
        received_or_taken_back(|timer| timer.stop());
    }
}

mod reset_result {
    use super::*;

    #[test]
    fn is_either_received_or_reset() {
        received_or_taken_back(|timer| timer.reset(HOUR));
    }
}

/// A stop or reset that says it was in time has prevented the tick, any other has not.
fn received_or_taken_back(take_back: fn(&Timer) -> bool) {
    let rt = runtime(2);
    rt.block_on(async move {
        for round in 0..400u32 {
            let timer = Arc::new(Timer::new(Duration::from_micros(u64::from(round % 40))));
            let receiver = {
                let timer = Arc::clone(&timer);
                go(async move { timeout(20 * MS, timer.recv()).await.is_ok() })
            };
            let stopper = {
                let timer = Arc::clone(&timer);
                go(async move {
                    for _ in 0..round % 7 {
                        gochan::yield_now().await;
                    }
                    take_back(&timer)
                })
            };
            let (received, stopped) = (receiver.await.unwrap(), stopper.await.unwrap());
            assert_ne!(received, stopped, "round {round}");
        }
    });
}

mod concurrent_timer_reset_stop {
    use super::*;

    #[test]
    fn many_reset_and_stop_one_timer() {
        let rt = runtime(2);
        let timer = Arc::new(Timer::new(HOUR));
        let tasks: Vec<_> = (0..8)
            .map(|n| {
                let timer = Arc::clone(&timer);
                rt.go(async move {
                    for i in 0..1_000u32 {
                        match (n + i) % 4 {
                            0 => drop(timer.stop()),
                            1 => drop(timeout(Duration::ZERO, timer.recv()).await),
                            2 => drop(timer.reset(Duration::ZERO)),
                            _ => drop(timer.reset(HOUR)),
                        }
                        if i % 50 == 0 {
                            gochan::yield_now().await;
                        }
                    }
                })
            })
            .collect();
        tasks.into_iter().for_each(|task| task.wait().unwrap());
        timer.reset(MS);
        timer.recv().wait();
    }
}

mod timer_modified_earlier {
    use super::*;

    #[test]
    fn a_timer_that_is_set_earlier_ticks_earlier() {
        everywhere(|| async {
            let begin = Instant::now();
            for far in [HOUR, 1_000_000 * HOUR, Duration::MAX] {
                let timer = Timer::new(far);
                let mut recv = pin!(timer.recv());
                assert!(timeout(MS, recv.as_mut()).await.is_err());
                assert!(timer.reset(MS));
                assert!(recv.await >= begin + MS);
                assert!(!timer.reset(HOUR));
            }
        });
    }
}

mod adjust_timers {
    use super::*;

    #[test]
    fn timers_that_are_stopped_and_reset_at_random_all_end() {
        let rt = runtime(2);
        rt.block_on(async {
            let mut seed = 1u64;
            let mut random = move |n: u64| {
                seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                (seed >> 33) % n
            };
            let mut timers: Vec<(Timer, u32)> = (0..60)
                .map(|n| (Timer::new(Duration::from_micros(random(3_000))), n))
                .collect();
            while !timers.is_empty() {
                let n = random(timers.len() as u64) as usize;
                let (timer, left) = &mut timers[n];
                match random(5) {
                    0 => drop(timer.stop()),
                    1 | 2 => drop(timer.reset(Duration::from_micros(random(3_000)))),
                    3 => drop(timer.reset(HOUR)),
                    _ => {
                        timer.reset(Duration::from_micros(random(300)));
                        timer.recv().await;
                        *left = left.saturating_sub(10);
                        if *left == 0 {
                            timers.remove(n);
                        }
                    }
                }
            }
        });
    }
}

mod zero_timer {
    use super::*;

    #[test]
    fn timers_of_no_duration_tick() {
        everywhere(|| async {
            let timer = Timer::new(Duration::ZERO);
            timer.recv().await;
            for _ in 0..1_000 {
                assert!(!timer.reset(Duration::ZERO));
                timer.recv().await;
                Timer::new(Duration::ZERO).recv().await;
            }
            assert!(after(Duration::ZERO).recv().await.is_ok());
        });
    }
}

mod multi_wakeup_timer {
    use super::*;

    #[test]
    fn one_of_many_has_a_tick() {
        let rt = runtime(2);
        rt.block_on(async {
            let timer = Arc::new(Timer::new(HOUR));
            let (tx, rx) = chan(0);
            for n in 0..10 {
                let (timer, tx) = (Arc::clone(&timer), tx.clone());
                go(async move {
                    timer.recv().await;
                    tx.send(n).await.unwrap();
                });
            }
            drop(tx);
            for _ in 0..10 {
                timer.reset(MS);
                rx.recv().await.unwrap();
                assert!(!timer.stop(), "nobody else had this tick");
            }
            assert!(rx.recv().await.is_err());
        });
    }
}

mod multi_wakeup_ticker {
    use super::*;

    #[test]
    fn all_of_many_have_their_turn_at_a_ticker() {
        let rt = runtime(1);
        rt.block_on(async {
            let ticker = Arc::new(Ticker::new(MS / 10));
            let tasks: Vec<_> = (0..4)
                .map(|_| {
                    let ticker = Arc::clone(&ticker);
                    go(async move {
                        for _ in 0..10 {
                            ticker.tick().await;
                        }
                    })
                })
                .collect();
            for task in tasks {
                task.await.unwrap();
            }
        });
    }
}

// src/time/tick_test.go
mod ticker {
    use super::*;

    #[test]
    fn a_ticker_keeps_its_phase() {
        everywhere(|| async {
            let period = 2 * MS;
            let ticker = Ticker::new(period);
            let begin = Instant::now();
            let first = ticker.tick().await;
            let mut last = first;
            for n in 1..6 {
                if n == 3 {
                    sleep(2 * period).await; // a slow reader
                }
                let at = ticker.tick().await;
                assert!(at > last && Instant::now() >= at);
                assert_eq!((at - first).as_nanos() % period.as_nanos(), 0);
                last = at;
            }
            assert!(begin.elapsed() >= 6 * period);
            ticker.stop();
            assert!(timeout(2 * period, ticker.tick()).await.is_err());
            ticker.reset(MS);
            ticker.tick().await;
        });
    }
}

mod teardown {
    use super::*;

    #[test]
    fn tickers_come_and_go() {
        everywhere(|| async {
            for _ in 0..3 {
                let ticker = Ticker::new(MS);
                ticker.tick().await;
                drop(Ticker::new(HOUR));
                drop(tick(MS));
            }
        });
    }
}

mod test_tick {
    use super::*;

    #[test]
    fn tick_of_nothing_never_comes() {
        let never = tick(Duration::ZERO);
        assert!(never.recv_timeout(MS).wait().is_err());
    }
}

mod new_ticker_lt_zero_duration {
    use super::*;

    #[test]
    #[should_panic(expected = "non-positive interval for NewTicker")]
    fn a_ticker_without_period() {
        Ticker::new(Duration::ZERO);
    }
}

mod ticker_reset_lt_zero_duration {
    use super::*;

    #[test]
    #[should_panic(expected = "non-positive interval for Ticker.Reset")]
    fn a_ticker_reset_to_no_period() {
        Ticker::new(MS).reset(Duration::ZERO);
    }
}

mod test_chan {
    use super::*;

    #[test]
    fn nothing_stale_after_stop_and_reset() {
        everywhere(|| async {
            let timer = Timer::new(Duration::ZERO);
            sleep(MS).await;
            assert!(timer.reset(HOUR), "due and not received");
            select! {
                _ = timer.recv() => unreachable!("stale"),
                default => {}
            }
            timer.reset(Duration::ZERO);
            sleep(MS).await;
            assert!(timer.stop());
            select! {
                _ = timer.recv() => unreachable!("stale"),
                default(MS) => {}
            }
            timer.reset(Duration::ZERO);
            timer.recv().await;
            assert!(!timer.stop());
        });
    }

    /// Go's timer channels show len and cap 0 however many ticks are due. Here there is nothing to count: a receive that is
    /// tried gets the one tick that waits, and the next gets none.
    #[test]
    fn one_tick_waits_at_most() {
        everywhere(|| async {
            let ticker = Ticker::new(MS / 10);
            let timer = Timer::new(Duration::ZERO);
            sleep(2 * MS).await;
            ticker.reset(HOUR);
            let mut got = 0;
            loop {
                select! {
                    _ = ticker.tick() => unreachable!("stale"),
                    _ = timer.recv() => got += 1,
                    default => break,
                }
            }
            assert_eq!(got, 1);
        });
    }

    /// A `select` with a default, a reset, a stop and a receive from everywhere at once: every tick is of its time.
    #[test]
    fn receives_race_with_resets() {
        watch(|| {
            let rt = runtime(2);
            rt.block_on(async {
                let timer = Arc::new(Timer::new(HOUR));
                let resetter = go({
                    let timer = Arc::clone(&timer);
                    async move {
                        for _ in 0..2_000 {
                            timer.reset(Duration::ZERO);
                            gochan::yield_now().await;
                            timer.stop();
                        }
                    }
                });
                while !resetter.is_finished() {
                    select! {
                        due = timer.recv() => assert!(due <= Instant::now()),
                        default => gochan::yield_now().await,
                    }
                }
                resetter.await.unwrap();
                assert!(!timer.stop());
            });
        });
    }
}

mod manual_ticker {
    use super::*;

    /// Go lets a program make a Ticker by hand and checks that nothing crashes; here there is none that was not started. In
    /// every state it can be in, stop, reset and drop may come in any order and any number.
    #[test]
    fn stop_and_reset_in_any_state() {
        let ticker = Ticker::new(HOUR);
        for _ in 0..2 {
            ticker.stop();
            ticker.stop();
            ticker.reset(MS);
            ticker.reset(HOUR);
        }
        ticker.reset(MS);
        ticker.tick().wait();
        ticker.stop();
        drop(ticker);
        drop(Ticker::new(MS));
    }
}

mod timer_gc {
    use super::*;

    /// What nobody refers to any more is gone, however far away its moment is.
    #[test]
    fn nothing_stays_behind() {
        watch(|| {
            let make = || {
                for _ in 0..1_000 {
                    let mut sleeping = pin!(sleep(HOUR));
                    assert!(common::waker::poll_once(sleeping.as_mut()).is_pending());
                    let timer = Timer::new(HOUR);
                    let mut tick_of = pin!(timer.recv());
                    assert!(common::waker::poll_once(tick_of.as_mut()).is_pending());
                    drop((Ticker::new(HOUR), after(HOUR), tick(HOUR)));
                    drop(Context::background().with_timeout(HOUR));
                }
            };
            make();
            let before = alloc::bytes();
            (0..10).for_each(|_| make());
            let grown = alloc::bytes() - before;
            assert!(grown < 100_000, "{grown} bytes more");
        });
    }
}
