//! F01, F02, F06: timers. One operation of F01 is one timer made, started and dropped; F02 is how late sleepers wake; F06 is
//! what each of a million pending timers costs.

use crate::executor::Executor;
use crate::measure::{Figure, Spent, percentile};
use crate::process::{cpu_time, resident_bytes};
use crate::registry::{ONE, Registry, TWO};
use std::future::Future;
use std::pin::pin;
use std::task::{Context, Waker};
use std::time::{Duration, Instant};

const HOUR: Duration = Duration::from_secs(3600);
/// Timers that wait while others come and go.
const PENDING: u64 = 100_000;

/// Sleepers, how often each sleeps, and for how long.
const SLEEPERS: u64 = 100_000;
const NAPS: usize = 3;
const SHORTEST_NAP: Duration = Duration::from_millis(10);
const NAP_RANGE_NS: u64 = 90_000_000;

const MILLION: usize = 1_000_000;

pub fn register(rows: &mut Registry) {
    executors!(enter_executor!(
        rows,
        repeated,
        "F01_timer_create_stop",
        ONE,
        create_stop()
    ));
    executors!(enter_executor!(
        rows,
        repeated,
        "F01_timer_create_stop_100k_pending",
        ONE,
        create_stop_crowded()
    ));
    executors!(enter_executor_figures!(
        rows,
        2,
        "F02_sleep2ms_idle",
        TWO,
        sleep_idle()
    ));
    executors!(enter_executor_figures!(
        rows,
        3,
        "F02_sleepers100k",
        TWO,
        sleepers()
    ));
    executors!(enter_executor_figures!(
        rows,
        2,
        "F06_timers1m",
        TWO,
        a_million()
    ));
}

/// Polls once, which is what starts a timer in Rust, and drops.
fn start_and_drop<E: Executor>(d: Duration, cx: &mut Context<'_>) {
    assert!(pin!(E::sleep(d)).poll(cx).is_pending());
}

async fn create_stop<E: Executor>(n: u64) -> Spent {
    let mut cx = Context::from_waker(Waker::noop());
    let start = Instant::now();
    for _ in 0..n {
        start_and_drop::<E>(HOUR, &mut cx);
    }
    Spent::since(start, n)
}

async fn create_stop_crowded<E: Executor>(n: u64) -> Spent {
    let mut cx = Context::from_waker(Waker::noop());
    let mut pending = Vec::new();
    for i in 0..PENDING {
        let mut sleep = Box::pin(E::sleep(HOUR + Duration::from_millis(i)));
        assert!(sleep.as_mut().poll(&mut cx).is_pending());
        pending.push(sleep);
    }
    let among_them = HOUR + Duration::from_millis(PENDING / 2);
    let start = Instant::now();
    for _ in 0..n {
        start_and_drop::<E>(among_them, &mut cx);
    }
    let spent = Spent::since(start, n);
    drop(pending);
    spent
}

/// One sleeper in a program that does nothing else.
async fn sleep_idle<E: Executor>() -> Vec<Figure> {
    let nap = Duration::from_millis(2);
    let mut late = Vec::new();
    for _ in 0..100 {
        late.push(nap_lateness::<E>(nap).await);
    }
    vec![
        Figure::new("p50", "ns", percentile(&mut late, 0.5)),
        Figure::new("p99", "ns", percentile(&mut late, 0.99)),
    ]
}

/// `late3`: the third nap alone, when the burst of spawning is over.
async fn sleepers<E: Executor>() -> Vec<Figure> {
    let (cpu, start) = (cpu_time(), Instant::now());
    let mut joins = Vec::new();
    for seed in 0..SLEEPERS {
        joins.push(E::spawn(async move {
            let mut random = XorShift::new(seed);
            let mut late = [0; NAPS];
            for late in &mut late {
                let nap = SHORTEST_NAP + Duration::from_nanos(random.next() % NAP_RANGE_NS);
                *late = nap_lateness::<E>(nap).await;
            }
            late
        }));
    }
    let (mut all, mut third) = (Vec::new(), Vec::new());
    for join in joins {
        let late = join.await;
        all.extend(late);
        third.push(late[NAPS - 1]);
    }
    let (wall, cpu) = (start.elapsed(), cpu_time() - cpu);
    let us = |ns: f64| ns / 1e3;
    vec![
        Figure::new(
            "cpu_per_sleep",
            "ns",
            cpu.as_nanos() as f64 / all.len() as f64,
        ),
        Figure::new("wall", "ms", wall.as_nanos() as f64 / 1e6),
        Figure::new("late_p50", "us", us(percentile(&mut all, 0.5))),
        Figure::new("late_p99", "us", us(percentile(&mut all, 0.99))),
        Figure::new("late3_p50", "us", us(percentile(&mut third, 0.5))),
        Figure::new("late3_p99", "us", us(percentile(&mut third, 0.99))),
    ]
}

/// Started in no order of their deadlines, dropped in the order of their start.
async fn a_million<E: Executor>() -> Vec<Figure> {
    let mut cx = Context::from_waker(Waker::noop());
    let mut random = XorShift::new(7);
    let (mut pending, before) = (Vec::with_capacity(MILLION), resident_bytes());
    let start = Instant::now();
    for _ in 0..MILLION {
        let after = HOUR + Duration::from_nanos(random.next() % 3_600_000_000_000);
        let mut sleep = Box::pin(E::sleep(after));
        assert!(sleep.as_mut().poll(&mut cx).is_pending());
        pending.push(sleep);
    }
    let started = start.elapsed();
    let bytes = resident_bytes() - before;
    let start = Instant::now();
    drop(pending);
    let each = |time: Duration| time.as_nanos() as f64 / MILLION as f64;
    vec![
        Figure::new("start", "ns", each(started)),
        Figure::new("stop", "ns", each(start.elapsed())),
        Figure::new("bytes", "B", bytes / MILLION as f64),
    ]
}

/// Nanoseconds from when the sleep should have ended to when its task went on.
async fn nap_lateness<E: Executor>(nap: Duration) -> i64 {
    let start = Instant::now();
    E::sleep(nap).await;
    let late = start.elapsed().as_nanos() as i64 - nap.as_nanos() as i64;
    assert!(late >= 0, "woken {} ns early", -late);
    late
}

/// Marsaglia's generator with shifts 13, 7, 17.
struct XorShift(u64);

impl XorShift {
    fn new(seed: u64) -> XorShift {
        XorShift(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15).wrapping_add(1))
    }

    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }
}
