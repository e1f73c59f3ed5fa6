//! What the scheduler says of itself: counters, the trace in Go's format, why threads were started, how late timers fire.

use gochan::{Runtime, blocking, go, yield_now};
use std::future::Future;
use std::pin::pin;
use std::process::{Command, Output};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, mpsc};
use std::task::{Context, Waker};
use std::time::{Duration, Instant};

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
    let mut tries = 0;
    let (before, after) = loop {
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
        let after = settle(&rt);
        // A machine that holds a poll up has the slot taken over, and what that poll does is another's then; or it ends the time
        // slice that a task inherits from the one that spawned it.
        let handed_over = after.workers[0].next_hits - before.next_hits;
        if after.threads == 1 && (handed_over == 50 || tries == 100) {
            break (before, after.workers[0]);
        }
        tries += 1;
    };
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

// === more and fewer workers ===

/// Waits until all threads but so many are spare: the workers that were too many have ended.
fn settle_on(rt: &Runtime, workers: usize) {
    loop {
        let metrics = rt.metrics();
        if metrics.threads - metrics.spare_threads == workers {
            return;
        }
        std::thread::yield_now();
    }
}

/// How many of some tasks were in a poll at the same time.
#[derive(Default)]
struct AtOnce {
    now: AtomicUsize,
    most: AtomicUsize,
}

impl AtOnce {
    fn poll(&self) {
        let now = self.now.fetch_add(1, SeqCst) + 1;
        self.most.fetch_max(now, SeqCst);
        std::thread::yield_now();
        self.now.fetch_sub(1, SeqCst);
    }
}

#[test]
fn fewer_workers_run_fewer_tasks_at_once() {
    let rt = runtime(4);
    let (seen, over) = (
        Arc::new(AtOnce::default()),
        Arc::new(AtomicBool::new(false)),
    );
    let tasks: Vec<_> = (0..16)
        .map(|_| {
            let (seen, over) = (Arc::clone(&seen), Arc::clone(&over));
            rt.go(async move {
                let mut rounds = 0;
                while !over.load(SeqCst) {
                    seen.poll();
                    rounds += 1;
                    yield_now().await;
                }
                rounds
            })
        })
        .collect();
    assert_eq!(rt.set_max_procs(1).unwrap(), 4);
    assert_eq!((rt.workers(), rt.metrics().workers.len()), (1, 1));
    settle_on(&rt, 1);
    // A poll that the machine holds up has its slot taken over, and its task then is one more: so there is more than one try.
    loop {
        seen.most.store(0, SeqCst);
        let polls = rt.metrics().workers[0].polls;
        while rt.metrics().workers[0].polls < polls + 1_000 {
            std::thread::yield_now();
        }
        if seen.most.load(SeqCst) == 1 {
            break;
        }
    }
    over.store(true, SeqCst);
    for task in tasks {
        assert!(task.wait().unwrap() > 0, "each has gone on");
    }
}

#[test]
fn more_workers_run_more_tasks_at_once() {
    let rt = runtime(1);
    assert_eq!(rt.set_max_procs(5).unwrap(), 1);
    assert_eq!(rt.metrics().max_threads, 5 + 512);
    // Until each of them has had a poll.
    while rt.metrics().workers.iter().any(|worker| worker.polls == 0) {
        let together = Arc::new(std::sync::Barrier::new(5));
        let tasks: Vec<_> = (0..5)
            .map(|_| {
                let together = Arc::clone(&together);
                rt.go(async move { together.wait().is_leader() })
            })
            .collect();
        let leaders = tasks
            .into_iter()
            .filter_map(|task| task.wait().unwrap().then_some(()));
        assert_eq!(leaders.count(), 1);
    }
    assert_eq!(rt.metrics().workers.len(), 5);
}

/// A worker that becomes one too many has tasks in its ring, and one that is next: they run on the other, which was busy.
#[test]
fn tasks_of_a_worker_that_is_too_many_go_on_elsewhere() {
    for _ in 0..20 {
        let rt = runtime(2);
        let done = Arc::new(AtomicUsize::new(0));
        let (busy, free) = (
            Arc::new(AtomicBool::new(false)),
            Arc::new(AtomicBool::new(false)),
        );
        let (is_busy, freed) = (Arc::clone(&busy), Arc::clone(&free));
        let other = rt.go(async move {
            is_busy.store(true, SeqCst);
            while !freed.load(SeqCst) {
                std::thread::yield_now();
            }
        });
        while !busy.load(SeqCst) {
            std::thread::yield_now();
        }
        let count = Arc::clone(&done);
        let spawner = rt.go(async move {
            for _ in 0..100 {
                let count = Arc::clone(&count);
                drop(go(async move {
                    count.fetch_add(1, SeqCst);
                }));
            }
            gochan::set_max_procs(1).unwrap()
        });
        assert_eq!(spawner.wait().unwrap(), 2);
        free.store(true, SeqCst);
        other.wait().unwrap();
        while done.load(SeqCst) < 100 {
            std::thread::yield_now();
        }
        assert_eq!(settle(&rt).workers.len(), 1);
    }
}

/// Timers that were set while there were many workers fire when there is one, whichever was to look after them.
#[test]
fn timers_survive_their_keeper() {
    let rt = runtime(4);
    for workers in [1, 3, 2, 1, 4, 1] {
        let sleepers: Vec<_> = (1..20)
            .map(|n| rt.go(gochan::sleep(Duration::from_millis(n))))
            .collect();
        rt.set_max_procs(workers).unwrap();
        for sleeper in sleepers {
            sleeper.wait().unwrap();
        }
    }
    assert_eq!(settle(&rt).timers, 0);
}

/// Up and down, from several sides at once and from inside, while tasks are made: none is lost, and the count is what it was last.
#[test]
fn the_number_may_change_at_any_time() {
    const TASKS: usize = 2_000;
    let rt = Arc::new(runtime(2));
    let done = Arc::new(AtomicUsize::new(0));
    let changing: Vec<_> = (0..2)
        .map(|side| {
            let rt = Arc::clone(&rt);
            std::thread::spawn(move || {
                for n in 0..100 {
                    let workers = 1 + (n * 7 + side * 3) % 6;
                    let before = rt.set_max_procs(workers).unwrap();
                    assert!((1..=6).contains(&before));
                }
            })
        })
        .collect();
    for n in 0..TASKS {
        let done = Arc::clone(&done);
        drop(rt.go(async move {
            if n % 50 == 0 {
                gochan::set_max_procs(1 + n % 4).unwrap();
            }
            go(async { yield_now().await }).await.unwrap();
            if n % 64 == 0 {
                gochan::sleep(Duration::from_micros(50)).await;
            }
            done.fetch_add(1, SeqCst);
        }));
    }
    for one in changing {
        one.join().unwrap();
    }
    while done.load(SeqCst) < TASKS {
        std::thread::yield_now();
    }
    rt.set_max_procs(3).unwrap();
    assert_eq!(settle(&rt).workers.len(), 3);
    // A thread that had its slot taken over in a task's last poll may yet have to say that this is done.
    while rt.num_tasks() > 0 {
        std::thread::yield_now();
    }
}

/// More than there are threads to be had: as many as there are, and it says why.
#[test]
fn workers_beyond_the_limits_are_refused() {
    let rt = runtime(2);
    assert_eq!(
        rt.set_max_procs(0).unwrap_err().to_string(),
        "a runtime needs at least one worker"
    );
    let error = rt.set_max_procs(32_768).unwrap_err();
    assert_eq!(
        error.to_string(),
        "32768 are more workers than a runtime can have"
    );
    assert_eq!(rt.workers(), 2);
    // The limit of threads is never below the number of workers.
    let rt = Runtime::builder()
        .workers(1)
        .max_threads(2)
        .build()
        .unwrap();
    assert_eq!(rt.metrics().max_threads, 2);
    rt.set_max_procs(3).unwrap();
    assert_eq!(rt.metrics().max_threads, 3);
    rt.set_max_procs(1).unwrap();
    assert_eq!(rt.metrics().max_threads, 2);
}

/// A thread in a blocking call counts: there are as many workers then as there are threads for, and more once it is through.
#[test]
fn without_a_thread_there_are_as_many_workers_as_there_are_threads_for() {
    let rt = Runtime::builder()
        .workers(1)
        .max_threads(3)
        .build()
        .unwrap();
    let (let_go, gate) = mpsc::channel::<()>();
    let (begun, begin) = mpsc::channel();
    let call = rt.go(async move {
        // Somebody waits for the slot, so that it is handed over at once.
        drop(go(async {}));
        blocking(|| {
            begun.send(()).unwrap();
            gate.recv().unwrap();
        });
    });
    begin.recv().unwrap();
    let error = rt.set_max_procs(4).unwrap_err();
    assert_eq!(
        error.to_string(),
        "no thread for a worker: the runtime's threads are all taken"
    );
    // One for the call, two for workers, the third of which would have been the fourth.
    assert_eq!((rt.workers(), rt.metrics().workers.len()), (2, 2));
    let together = Arc::new(std::sync::Barrier::new(2));
    let both = [Arc::clone(&together), together].map(|place| {
        rt.go(async move {
            place.wait();
        })
    });
    for one in both {
        one.wait().unwrap();
    }
    let_go.send(()).unwrap();
    call.wait().unwrap();
    // The call's thread waits for another slot, or will soon.
    while rt.metrics().spare_threads == 0 {
        std::thread::yield_now();
    }
    assert_eq!(rt.set_max_procs(3).unwrap(), 2);
    assert_eq!(settle(&rt).workers.len(), 3);
}

/// While the runtime is shutting down there is no thread for another worker.
#[test]
fn a_runtime_at_its_end_takes_no_more_workers() {
    let rt = runtime(1);
    let (begun, begin) = mpsc::channel();
    let (told, tell) = mpsc::channel();
    rt.go(async move {
        begun.send(()).unwrap();
        // It closes some time after it has been asked to.
        let error = loop {
            if let Err(error) = gochan::set_max_procs(gochan::max_procs() % 4 + 1) {
                break error;
            }
        };
        told.send((error.to_string(), gochan::max_procs())).unwrap();
    });
    begin.recv().unwrap();
    rt.shutdown();
    let (error, workers) = tell.recv().unwrap();
    assert_eq!(
        error,
        "no thread for a worker: the runtime is shutting down"
    );
    assert!((1..=4).contains(&workers));
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

/// Whom many timers wake at one moment finds room with the worker that fires them: it does not fire more than that at once, and
/// nobody lands in the global queue, behind all who are woken later.
#[test]
fn many_timers_at_one_moment_spill_nobody() {
    const MANY: usize = 2_000;
    let rt = runtime(1);
    let spilled = |rt: &Runtime| settle(rt).workers[0].overflows;
    let in_one_moment = Instant::now() + Duration::from_millis(200);
    let sleepers: Vec<_> = (0..MANY)
        .map(|_| rt.go(gochan::sleep_until(in_one_moment)))
        .collect();
    let before = spilled(&rt);
    sleepers
        .into_iter()
        .for_each(|sleeper| sleeper.wait().unwrap());
    assert_eq!(spilled(&rt) - before, 0);
}

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
fn schedtrace_follows_the_number_of_workers() {
    if is_child() {
        let rt = runtime(1);
        rt.set_max_procs(3).unwrap();
        rt.block_on(gochan::sleep(Duration::from_millis(250)));
        rt.set_max_procs(2).unwrap();
        return rt.block_on(gochan::sleep(Duration::from_millis(250)));
    }
    let out = child("schedtrace_follows_the_number_of_workers", "schedtrace=50");
    let text = String::from_utf8(out.stderr).unwrap();
    let mut seen: Vec<u64> = text
        .lines()
        .filter(|line| line.starts_with("SCHED"))
        .map(|mut line| head(&mut line).1)
        .collect();
    seen.dedup();
    assert_eq!(seen.last(), Some(&2), "{text}");
    assert!(seen.contains(&3), "{text}");
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
    // A machine that held a poll up has made us start another thread.
    let task = lines.find(|line| !line.starts_with("  M")).unwrap();
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
