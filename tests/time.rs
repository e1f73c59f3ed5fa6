//! Time as users meet it: selects, drops in every state, strange wakers, other executors and threads. Go's behaviours are in
//! `golang_time.rs`.
//!
//! A clock is only ever asked for lower bounds, so a loaded machine makes these tests slow and not wrong. What must not
//! happen is tested with timers that are an hour away.

use gochan::hook::{self, Events, Kind, Park, Ready, Subscriber, WaitReason};
use gochan::time::{Elapsed, Sleep, TickFuture, Ticker, Timeout, Timer, timeout_at};
use gochan::{
    RecvTimeoutError, Runtime, SendTimeoutError, after, block_on, chan, go, never, select,
    select_blocking, sleep, tick, timeout,
};
use std::future::{Future, pending};
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};
use std::time::{Duration, Instant};

const MS: Duration = Duration::from_millis(1);
const HOUR: Duration = Duration::from_secs(3600);

fn runtime(workers: usize) -> Runtime {
    Runtime::builder().workers(workers).build().unwrap()
}

fn poll<F: Future>(future: Pin<&mut F>, waker: &Waker) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(waker))
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

// === in selects ===

#[test]
fn every_timer_is_an_arm() {
    everywhere(|| async {
        let rx = never::<()>();
        let timer = Timer::new(MS);
        let ticker = Ticker::new(MS);
        let mut wins = [0; 4];
        let mut pinned = pin!(sleep(3 * MS));
        let mut lent = sleep(4 * MS);
        while wins.contains(&0) {
            select! {
                _ = rx.recv() => unreachable!(),
                _ = timer.recv() => wins[0] += 1,
                _ = ticker.tick() => wins[1] += 1,
                _ = pinned.as_mut(), if wins[2] == 0 => wins[2] += 1,
                _ = &mut lent, if wins[3] == 0 => wins[3] += 1,
                default(HOUR) => unreachable!(),
            }
        }
        assert_eq!(wins[0], 1);
        assert!(wins[1] >= 1);
    });
}

/// However often the tick loses, in the end it has been received exactly once.
#[test]
fn a_tick_that_loses_a_select_is_still_there() {
    let rt = runtime(2);
    rt.block_on(async {
        let (tx, rx) = chan(0);
        let sender = go(async move { while tx.send(()).await.is_ok() {} });
        for _ in 0..200 {
            let timer = Timer::new(Duration::ZERO);
            let mut lost = 0;
            loop {
                select! {
                    _ = rx.recv() => lost += 1,
                    _ = timer.recv() => break,
                }
            }
            assert!(!timer.stop());
            assert!(lost < 1_000, "a fair select comes to it sooner");
        }
        drop(rx);
        sender.await.unwrap();
    });
}

#[test]
fn a_lent_tick_survives_the_selects_it_loses() {
    everywhere(|| async {
        let timer = Timer::new(2 * MS);
        let mut recv = timer.recv();
        let ticks = tick(MS / 4);
        let mut lost = 0;
        loop {
            select! {
                _ = &mut recv => break,
                _ = ticks.recv() => lost += 1,
            }
        }
        assert!(lost < 1_000);
        assert!(!timer.stop());
    });
}

#[test]
fn selects_of_threads() {
    let (tx, rx) = chan::<u8>(0);
    let won = select_blocking! {
        _ = rx.recv() => 0,
        _ = sleep(MS) => 1,
        _ = after(HOUR).recv() => 2,
    };
    assert_eq!(won, 1);
    drop(tx);
}

// === time limits ===

/// Always ready, and never done.
async fn busy() {
    let (tx, rx) = chan(1);
    loop {
        tx.send(1).await.unwrap();
        rx.recv().await.unwrap();
    }
}

// tokio #4291
#[test]
fn a_limit_ends_what_never_waits() {
    everywhere(|| async {
        // On another executor nothing makes an always ready future give way: ours yield there as any would.
        let give_way = async {
            loop {
                gochan::yield_now().await;
            }
        };
        assert!(timeout(MS, give_way).await.is_err());
    });
    for workers in [1, 2] {
        runtime(workers).block_on(async {
            assert_eq!(go(timeout(MS, busy())).await.unwrap(), Err(elapsed()));
        });
    }
}

/// The error, which users cannot make.
fn elapsed() -> Elapsed {
    timeout(Duration::ZERO, pending::<()>()).wait().unwrap_err()
}

#[test]
fn limits_hold_and_let_through() {
    everywhere(|| async {
        let begin = Instant::now();
        assert_eq!(timeout(2 * MS, pending::<()>()).await, Err(elapsed()));
        assert!(begin.elapsed() >= 2 * MS);
        assert_eq!(timeout(HOUR, async { 5 }).await, Ok(5));
        assert_eq!(timeout_at(begin, async { 6 }).await, Ok(6));
        let nested = timeout(HOUR, timeout(MS, timeout(HOUR, pending::<()>()))).await;
        assert_eq!(nested, Ok(Err(elapsed())));
    });
    assert_eq!(elapsed().to_string(), "the time limit has passed");
    let error: std::io::Error = elapsed().into();
    assert_eq!(error.kind(), std::io::ErrorKind::TimedOut);
}

/// A limit that has passed stands in nobody's way, also while the `Timeout` is still there.
#[test]
fn a_future_whose_time_is_up_is_gone() {
    use gochan::sync::Mutex;
    let mutex = Mutex::new(());
    gochan::block_on(async {
        let held = mutex.lock().await;
        let mut late = pin!(timeout(MS, mutex.lock()));
        assert_eq!(late.as_mut().await.map(drop), Err(elapsed()));
        assert!(late.as_ref().get_ref().get_ref().is_none());
        assert!(mutex.stats().waiters.is_empty());
        drop(held);
        assert!(mutex.try_lock().is_some());
    });
    let inner = timeout(HOUR, std::future::ready(7)).into_inner();
    assert_eq!(inner.map(std::future::Ready::into_inner), Some(7));
}

#[test]
fn operations_with_a_limit() {
    everywhere(|| async {
        let (tx, rx) = chan(0);
        let late = tx.send_timeout("v", MS).await;
        assert_eq!(late, Err(SendTimeoutError::Timeout("v")));
        assert_eq!(rx.recv_timeout(MS).await, Err(RecvTimeoutError::Timeout));
        assert_eq!(
            rx.recv_deadline(Instant::now()).await,
            Err(RecvTimeoutError::Timeout)
        );
        let rx2 = rx.clone();
        let thread = std::thread::spawn(move || rx2.recv_timeout(HOUR).wait());
        assert_eq!(tx.send_timeout("w", HOUR).await, Ok(()));
        assert_eq!(thread.join().unwrap(), Ok("w"));
        rx.close();
        assert_eq!(
            tx.send_timeout("x", HOUR).await,
            Err(SendTimeoutError::Closed("x"))
        );
        assert_eq!(rx.recv_timeout(HOUR).await, Err(RecvTimeoutError::Closed));
    });
}

/// Conservation at the deadline: what was not sent comes back, and what was sent is received.
#[test]
fn no_value_is_lost_or_doubled_at_a_deadline() {
    let rt = runtime(2);
    rt.block_on(async {
        for cap in [0, 1] {
            let (tx, rx) = chan(cap);
            let senders: Vec<_> = (0..4u64)
                .map(|n| {
                    let tx = tx.clone();
                    go(async move {
                        let mut sent = Vec::new();
                        for i in 0..500 {
                            let limit = Duration::from_micros((i * 7 + n) % 40);
                            match tx.send_timeout(n * 1_000 + i, limit).await {
                                Ok(()) => sent.push(n * 1_000 + i),
                                Err(back) => assert_eq!(back.into_inner(), n * 1_000 + i),
                            }
                        }
                        sent
                    })
                })
                .collect();
            drop(tx);
            let receivers: Vec<_> = (0..2u64)
                .map(|n| {
                    let rx = rx.clone();
                    go(async move {
                        let mut got = Vec::new();
                        for i in 0.. {
                            match rx
                                .recv_timeout(Duration::from_micros((i * 3 + n) % 30))
                                .await
                            {
                                Ok(value) => got.push(value),
                                Err(RecvTimeoutError::Timeout) => {}
                                Err(RecvTimeoutError::Closed) => break,
                            }
                        }
                        got
                    })
                })
                .collect();
            let (mut sent, mut got) = (Vec::new(), Vec::new());
            for task in senders {
                sent.extend(task.await.unwrap());
            }
            for task in receivers {
                got.extend(task.await.unwrap());
            }
            sent.sort_unstable();
            got.sort_unstable();
            assert_eq!(sent, got);
        }
    });
}

// === bad ends ===

#[test]
fn tasks_are_aborted_while_they_wait_for_time() {
    let rt = runtime(2);
    let tasks: Vec<_> = (0..100)
        .map(|n| {
            rt.go(async move {
                match n % 5 {
                    0 => sleep(HOUR).await,
                    1 => drop(timeout(HOUR, pending::<()>()).await),
                    2 => _ = Timer::new(HOUR).recv().await,
                    3 => _ = Ticker::new(HOUR).tick().await,
                    _ => drop(after(HOUR).recv().await),
                }
            })
        })
        .collect();
    sleep(MS).wait();
    tasks.iter().for_each(gochan::JoinHandle::abort);
    for task in tasks {
        assert!(task.wait().unwrap_err().is_cancelled());
    }
}

#[test]
fn a_runtime_may_end_before_its_timers() {
    let timer = Arc::new(Timer::new(HOUR));
    let ticks = {
        let rt = runtime(2);
        for _ in 0..10 {
            let timer = Arc::clone(&timer);
            rt.go(async move { _ = timer.recv().await });
            rt.go(sleep(HOUR));
        }
        rt.block_on(async {
            sleep(MS).await;
            tick(MS)
        })
    };
    // The runtime has gone; its ticker and its timer are served elsewhere.
    ticks.recv_blocking().unwrap();
    ticks.recv_blocking().unwrap();
    timer.reset(MS);
    timer.recv().wait();
}

#[test]
fn a_sleep_goes_from_runtime_to_runtime() {
    let mut sleeping = Box::pin(sleep(20 * MS));
    let begin = Instant::now();
    for _ in 0..3 {
        runtime(1).block_on(async { timeout(MS, sleeping.as_mut()).await.unwrap_or_default() });
    }
    block_on(sleeping.as_mut());
    sleeping.as_mut().reset(MS);
    futures::executor::block_on(sleeping.as_mut());
    assert!(begin.elapsed() >= MS);
}

/// Does as it is told at every wake.
struct Then<F>(F);

impl<F: Fn() + Send + Sync + 'static> Wake for Then<F> {
    fn wake(self: Arc<Self>) {
        (self.0)();
    }
}

fn waker(f: impl Fn() + Send + Sync + 'static) -> Waker {
    Waker::from(Arc::new(Then(f)))
}

#[test]
fn strange_wakers() {
    let (tx, rx) = chan::<u8>(10);
    let timer = Arc::new(Timer::new(HOUR));
    let held: Arc<Mutex<Vec<Pin<Box<Sleep>>>>> = Arc::default();
    let wakers: Vec<Waker> = vec![
        waker(|| panic!("a waker of the user's")),
        {
            let (tx, timer) = (tx.clone(), Arc::clone(&timer));
            waker(move || {
                tx.try_send(1).unwrap();
                timer.reset(HOUR);
                timer.stop();
                sleep(MS / 10).wait();
                drop(after(MS));
            })
        },
        {
            let held = Arc::clone(&held);
            waker(move || drop(std::mem::take(&mut *held.lock().unwrap())))
        },
    ];
    for waker in &wakers {
        let mut sleeping = Box::pin(sleep(2 * MS));
        assert!(poll(sleeping.as_mut(), waker).is_pending());
        held.lock().unwrap().push(sleeping);
    }
    let mut last = Box::pin(sleep(2 * MS));
    assert!(poll(last.as_mut(), &waker(move || tx.try_send(2).unwrap())).is_pending());
    // Whoever drives may do so on several threads.
    while rx.recv_blocking() != Ok(2) {}
    last.as_mut().reset(Duration::ZERO);
    assert!(poll(last.as_mut(), Waker::noop()).is_ready());
}

#[test]
fn forgotten_futures_hold_nobody_up() {
    let timer = Timer::new(HOUR);
    for _ in 0..3 {
        let mut forgotten = Box::pin(timer.recv());
        assert!(poll(forgotten.as_mut(), Waker::noop()).is_pending());
        std::mem::forget(forgotten);
        let mut forgotten = Box::pin(sleep(MS));
        assert!(poll(forgotten.as_mut(), Waker::noop()).is_pending());
        std::mem::forget(forgotten);
    }
    timer.reset(MS);
    timer.recv().wait();
}

#[test]
fn a_hundred_thousand_sleeps() {
    let rt = runtime(2);
    let woken = Arc::new(AtomicUsize::new(0));
    let tasks: Vec<_> = (0..100_000u64)
        .map(|n| {
            let woken = Arc::clone(&woken);
            rt.go(async move {
                let begin = Instant::now();
                let d = Duration::from_micros(n * 7919 % 5_000);
                sleep(d).await;
                assert!(begin.elapsed() >= d);
                woken.fetch_add(1, SeqCst);
            })
        })
        .collect();
    tasks.into_iter().for_each(|task| task.wait().unwrap());
    assert_eq!(woken.load(SeqCst), 100_000);
}

// === what is known of those who wait ===

#[derive(Default)]
struct Log(Mutex<Vec<(WaitReason, Kind, u32, bool)>>);

impl Subscriber for Log {
    fn events(&self) -> Events {
        Events::PARK | Events::READY
    }
    fn on_park(&self, e: &Park<'_>) {
        if e.site.file() == file!() {
            let entry = (e.reason, e.object.kind(), e.site.line(), false);
            self.0.lock().unwrap().push(entry);
        }
    }
    fn on_ready(&self, e: &Ready) {
        if e.site.file() == file!() {
            assert!(e.waited_ns > 0);
            let entry = (e.reason, e.object.kind(), e.site.line(), true);
            self.0.lock().unwrap().push(entry);
        }
    }
}

#[test]
fn waits_say_what_for_and_where() {
    let rt = runtime(1);
    // On a machine that stands still for so long a wait may be over before it begins.
    let mut long = MS;
    loop {
        let log = Arc::new(Log::default());
        let subscription = hook::subscribe(Arc::clone(&log));
        let line = line!();
        let task = async move {
            sleep(long).await; // line + 2
            let timer = Timer::new(long);
            timer.recv().await; // line + 4
            let _ = timeout(long, pending::<()>()).await; // line + 5
            let (_tx, rx) = chan::<u8>(0);
            let _ = rx.recv_timeout(long).await; // line + 7
        };
        rt.go(task).wait().unwrap();
        drop(subscription);
        let log = log.0.lock().unwrap();
        let of = |n: u32| -> Vec<_> {
            let here = log.iter().filter(|e| e.2 == line + n);
            here.map(|e| (e.0, e.1, e.3)).collect()
        };
        long *= 2;
        if long < 1_000 * MS && [2, 4, 5, 7].iter().any(|&n| of(n).len() < 2) {
            continue;
        }
        let sleep = |ready| (WaitReason::Sleep, Kind::Timer, ready);
        let timer = |ready| (WaitReason::Timer, Kind::Timer, ready);
        let recv = (WaitReason::ChanRecv, Kind::Chan, false);
        assert_eq!(of(2), [sleep(false), sleep(true)]);
        assert_eq!(of(4), [timer(false), timer(true)]);
        assert_eq!(of(5), [sleep(false), sleep(true)]);
        // The receive says more than the limit beside it, which still is what ends the wait; then it looks once more.
        assert_eq!(of(7), [recv, sleep(true), recv]);
        return;
    }
}

// === facts of types ===

static_assertions::assert_impl_all!(Sleep: Send, Sync);
static_assertions::assert_impl_all!(Timer: Send, Sync);
static_assertions::assert_impl_all!(Ticker: Send, Sync);
static_assertions::assert_impl_all!(TickFuture<'static>: Send, Sync);
static_assertions::assert_impl_all!(Timeout<Sleep>: Send, Sync);
static_assertions::assert_impl_all!(gochan::time::SendTimeoutFuture<'static, Vec<u8>>: Send);
static_assertions::assert_impl_all!(gochan::time::RecvTimeoutFuture<'static, Vec<u8>>: Send);
static_assertions::assert_not_impl_any!(Sleep: Unpin);
static_assertions::assert_not_impl_any!(TickFuture<'static>: Unpin);

#[test]
fn sizes() {
    assert!(size_of::<Sleep>() <= 88, "{}", size_of::<Sleep>());
    assert!(
        size_of::<TickFuture<'_>>() <= 80,
        "{}",
        size_of::<TickFuture<'_>>()
    );
    assert_eq!(size_of::<Timer>(), size_of::<usize>());
}
