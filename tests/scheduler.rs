//! What the scheduler says of itself: counters, the trace in Go's format, why threads were started, how late timers fire.

use gochan::{Runtime, blocking, go, yield_now};
use std::future::Future;
use std::pin::pin;
use std::process::{Command, Output};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, mpsc};
use std::task::{Context, Waker};
use std::time::Duration;

fn runtime(workers: usize) -> Runtime {
    Runtime::builder().workers(workers).build().unwrap()
}

/// Waits until all workers sleep: then their counts are exact.
fn settle(rt: &Runtime) -> gochan::RuntimeMetrics {
    loop {
        let metrics = rt.metrics();
        if metrics.idle_workers == metrics.workers.len() && metrics.global_queue == 0 {
            return metrics;
        }
        std::thread::yield_now();
    }
}

// === counters ===

#[test]
fn polls_yields_and_handed_over_tasks_are_counted() {
    let rt = runtime(1);
    let before = settle(&rt).workers[0];
    rt.go(async {
        for _ in 0..100 {
            yield_now().await;
        }
        // Each is next as soon as it is spawned, and the one that spawned it waits.
        for _ in 0..50 {
            go(async {}).await.unwrap();
        }
    })
    .wait()
    .unwrap();
    let after = settle(&rt).workers[0];
    // The first poll and one after each yield and each join; and the children's.
    assert_eq!(after.polls - before.polls, 1 + 100 + 50 + 50);
    assert_eq!(after.yields - before.yields, 100);
    assert_eq!(after.next_hits - before.next_hits, 50);
    assert!(after.parks > before.parks);
    assert!(after.busy > before.busy);
    assert_eq!(
        (after.queue, after.has_next, after.overflows),
        (0, false, 0)
    );
}

#[test]
fn overflows_are_counted() {
    let rt = runtime(1);
    rt.go(async {
        // The ring holds 256, and one is next: one more takes half of the ring along, and so does the 129th after it.
        let handles: Vec<_> = (0..257 + 129 + 100).map(|_| go(async {})).collect();
        for handle in handles {
            handle.await.unwrap();
        }
    })
    .wait()
    .unwrap();
    assert_eq!(settle(&rt).workers[0].overflows, 2);
}

#[test]
fn steals_are_counted() {
    let rt = runtime(2);
    let done = Arc::new(AtomicUsize::new(0));
    let seen = Arc::clone(&done);
    rt.go(async move {
        for _ in 0..100 {
            let done = Arc::clone(&done);
            drop(go(async move {
                done.fetch_add(1, SeqCst);
            }));
        }
        // Whatever is not next can only be stolen, or taken over.
        while done.load(SeqCst) < 99 {
            std::thread::yield_now();
        }
    })
    .wait()
    .unwrap();
    let metrics = settle(&rt);
    assert_eq!(seen.load(SeqCst), 100);
    let steals: u64 = metrics.workers.iter().map(|worker| worker.steals).sum();
    let threads = metrics.threads;
    assert!(steals > 0 || threads > 2, "nobody stole: {metrics:?}");
    let misses: u64 = metrics
        .workers
        .iter()
        .map(|worker| worker.steal_misses)
        .sum();
    assert!(misses > 0, "they searched before they slept");
}

#[test]
fn the_metrics_of_here() {
    let rt = runtime(3);
    let metrics = rt.block_on(async { gochan::metrics() }).unwrap();
    assert_eq!(metrics.workers.len(), 3);
    assert_eq!(metrics.max_threads, 3 + 512);
}

// === threads ===

#[test]
fn threads_are_counted_by_what_they_were_started_for() {
    let rt = Runtime::builder()
        .workers(1)
        .max_threads(8)
        .build()
        .unwrap();
    let (tx, rx) = mpsc::channel::<()>();
    let line = line!() + 1;
    let call = rt.go(async move { blocking(|| rx.recv()) });
    // It runs only on another thread.
    rt.go(async {}).wait().unwrap();
    tx.send(()).unwrap();
    call.wait().unwrap().unwrap();
    let created = rt.metrics().threads_created;
    let own = created.iter().find(|(site, _)| site.is_none());
    assert_eq!(own.map(|(_, count)| *count), Some(1), "{created:?}");
    let by_call = created
        .iter()
        .find(|(site, _)| site.is_some_and(|site| site.line() == line));
    assert_eq!(by_call.map(|(_, count)| *count), Some(1), "{created:?}");
}

/// The limit is reached: the call holds its worker up, the dump says so, and when a thread is free it goes on.
#[test]
fn without_a_thread_a_blocking_call_says_so() {
    let rt = Runtime::builder()
        .workers(1)
        .max_threads(1)
        .build()
        .unwrap();
    let (tx, rx) = mpsc::channel::<()>();
    let (begun, begin) = mpsc::channel();
    let call = rt.go(async move {
        drop(go(async {}));
        blocking(|| {
            begun.send(()).unwrap();
            rx.recv().unwrap();
        });
    });
    begin.recv().unwrap();
    let dump = gochan::diag::dump();
    let wait = dump.task(call.id()).unwrap().wait.as_ref().unwrap();
    assert_eq!(wait.reason.as_str(), "blocking (no thread left)");
    assert!(wait.site.unwrap().file().ends_with("scheduler.rs"));
    assert_eq!(rt.metrics().threads, 1);
    tx.send(()).unwrap();
    call.wait().unwrap();
    rt.go(async {}).wait().unwrap();
}

/// Short calls for which nobody waits keep their slot: no thread is started for them.
#[test]
fn short_calls_start_no_threads() {
    let rt = runtime(1);
    rt.go(async {
        for _ in 0..1000 {
            blocking(|| ());
        }
    })
    .wait()
    .unwrap();
    let metrics = rt.metrics();
    assert!(metrics.threads <= 2, "{metrics:?}");
}

// === timers ===

/// Each of a great many timers wakes its own task, once.
#[test]
fn timers_wake_nobody_else() {
    const SLEEPERS: usize = 20_000;
    let rt = runtime(2);
    let before: u64 = settle(&rt).workers.iter().map(|worker| worker.polls).sum();
    let deadline = std::time::Instant::now() + Duration::from_millis(300);
    let all: Vec<_> = (0..SLEEPERS)
        .map(|_| rt.go(gochan::sleep_until(deadline)))
        .collect();
    for one in all {
        one.wait().unwrap();
    }
    let metrics = settle(&rt);
    let after: u64 = metrics.workers.iter().map(|worker| worker.polls).sum();
    assert_eq!(metrics.timers, 0);
    let late = metrics.timer_lateness.count();
    // On a machine as slow as that some begin only when the moment has come, and never wait.
    assert!(late <= SLEEPERS as u64);
    assert_eq!(after - before, SLEEPERS as u64 + late);
}

/// A million timers are pending; they go without having fired, and leave nothing.
#[test]
fn a_million_timers_are_pending() {
    const TIMERS: usize = 1_000_000;
    let rt = runtime(1);
    let counted = rt.block_on(async {
        let mut cx = Context::from_waker(Waker::noop());
        let hour = Duration::from_secs(3600);
        let mut all: Vec<_> = (0..TIMERS as u64)
            .map(|n| {
                Box::pin(gochan::sleep(
                    hour + Duration::from_micros(n * 7919 % 1_000_003),
                ))
            })
            .collect();
        for one in &mut all {
            assert!(one.as_mut().poll(&mut cx).is_pending());
        }
        let pending = gochan::metrics().unwrap().timers;
        // Others come, fire and go among them.
        for _ in 0..10 {
            gochan::sleep(Duration::from_micros(50)).await;
        }
        assert!(pin!(gochan::sleep(hour)).poll(&mut cx).is_pending());
        drop(all);
        (pending, gochan::metrics().unwrap().timers)
    });
    assert_eq!(counted, (TIMERS, 0));
    assert_eq!(rt.metrics().timer_lateness.count(), 10);
}

// === the trace ===

/// Runs the test of that name in a process of its own, with this setting.
fn child(test: &str, debug: &str) -> Output {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", test, "--nocapture"])
        .env("GOCHAN_TEST_CHILD", "1")
        .env("GOCHAN_DEBUG", debug)
        .output()
        .unwrap()
}

fn is_child() -> bool {
    std::env::var_os("GOCHAN_TEST_CHILD").is_some()
}

/// A number, after the word and its equals sign.
fn field(line: &mut &str, before: &str) -> u64 {
    let rest = line
        .strip_prefix(before)
        .unwrap_or_else(|| panic!("no {before:?} at {line:?}"));
    let end = rest
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(rest.len());
    *line = &rest[end..];
    rest[..end].parse().unwrap()
}

/// The fields that all of Go's lines begin with: when, the processors, the idle ones.
fn head(line: &mut &str) -> (u64, u64, u64) {
    let at = field(line, "SCHED ");
    let procs = field(line, "ms: gomaxprocs=");
    let idle = field(line, " idleprocs=");
    for word in [
        "threads",
        "spinningthreads",
        "needspinning",
        "idlethreads",
        "runqueue",
    ] {
        field(line, &format!(" {word}="));
    }
    (at, procs, idle)
}

#[test]
fn schedtrace_is_go_s() {
    if is_child() {
        let rt = runtime(2);
        return rt.block_on(gochan::sleep(Duration::from_millis(450)));
    }
    let out = child("schedtrace_is_go_s", "schedtrace=100");
    let text = String::from_utf8(out.stderr).unwrap();
    let lines: Vec<_> = text
        .lines()
        .filter(|line| line.starts_with("SCHED"))
        .collect();
    assert!(lines.len() >= 2, "{text}");
    let mut before = None;
    for mut line in lines {
        let (at, procs, idle) = head(&mut line);
        assert!(before.is_none_or(|before| at >= before + 100) && procs == 2 && idle <= 2);
        before = Some(at);
        line = line.strip_prefix(" [").unwrap();
        field(&mut line, " ");
        field(&mut line, " ");
        line = line.strip_prefix(" ] schedticks=[").unwrap();
        field(&mut line, " ");
        field(&mut line, " ");
        line = line.strip_prefix(" ]").unwrap();
        assert!(line.starts_with(" tasks="), "ours follow: {line}");
    }
}

#[test]
fn scheddetail_is_go_s() {
    if is_child() {
        let rt = runtime(1);
        drop(rt.go(std::future::pending::<()>()));
        return rt.block_on(gochan::sleep(Duration::from_millis(250)));
    }
    let out = child("scheddetail_is_go_s", "schedtrace=100,scheddetail=1");
    let text = String::from_utf8(out.stderr).unwrap();
    let mut lines = text.lines().skip_while(|line| !line.starts_with("SCHED"));
    let mut line = lines.next().unwrap();
    head(&mut line);
    assert!(
        line.starts_with(" gcwaiting=false nmidlelocked=0 stopwait=0 sysmonwait=false"),
        "{line}"
    );
    let mut slot = lines.next().unwrap();
    for word in ["  P0: status", " schedtick", " syscalltick"] {
        field(&mut slot, &format!("{word}="));
    }
    slot = slot.strip_prefix(" m=").unwrap();
    slot = &slot[slot.find(' ').unwrap()..];
    for word in ["runqsize", "gfreecnt", "timerslen"] {
        field(&mut slot, &format!(" {word}="));
    }
    let thread = lines.next().unwrap();
    assert!(thread.starts_with("  M0: p="), "{thread}");
    assert!(thread.ends_with(" lockedg=nil"), "{thread}");
    let task = lines.next().unwrap();
    assert!(task.starts_with("  G"), "{task}");
    assert!(
        task.ends_with(": status=4(foreign) m=nil lockedm=nil"),
        "{task}"
    );
}

#[test]
fn long_polls_are_printed_if_wanted() {
    if is_child() {
        let rt = runtime(1);
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let stuck = rt.go(async move {
            while !stopped.load(SeqCst) {
                std::thread::yield_now();
            }
        });
        // It is shown in the dump once it was told.
        let id = stuck.id();
        while gochan::diag::dump()
            .task(id)
            .is_none_or(|task| task.long_poll.is_none())
        {
            std::thread::yield_now();
        }
        stop.store(true, SeqCst);
        stuck.wait().unwrap();
        return rt.shutdown();
    }
    let out = child("long_polls_are_printed_if_wanted", "longpoll=1");
    let text = String::from_utf8(out.stderr).unwrap();
    assert!(
        text.contains("gochan: long poll: task ") && text.contains("scheduler.rs:"),
        "{text}"
    );
}

#[test]
fn a_bad_setting_is_named_and_nothing_fails() {
    if is_child() {
        runtime(1).go(async {}).wait().unwrap();
        return;
    }
    let out = child(
        "a_bad_setting_is_named_and_nothing_fails",
        "schedtrace=often,x=1",
    );
    let text = String::from_utf8(out.stderr).unwrap();
    assert!(out.status.success(), "{text}");
    assert!(
        text.contains(r#"gochan: GOCHAN_DEBUG: schedtrace must be a number of milliseconds, and is "often"; it is ignored"#),
        "{text}"
    );
    assert!(text.contains(r#"there is no setting "x""#), "{text}");
}
