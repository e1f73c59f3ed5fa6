//! What tasks say of themselves (regions, labels, logs), and the flight recorder, on real programs.

use gochan::diag::trace::{Recorder, Status, Trace, TraceEvent, TraceWhat};
use gochan::diag::{self, TaskInfo, dump};
use gochan::hook::{ObjId, WaitReason};
use gochan::{Runtime, chan, go, select, task};
use std::collections::HashSet;
use std::panic::Location;
use std::sync::{Arc, Barrier, Mutex};
use std::thread;
use std::time::{Duration, Instant};

/// What the dump says of one of `tasks`, once `good` is content with it. Others run meanwhile.
async fn until_any(tasks: &[ObjId], good: impl Fn(&TaskInfo) -> bool) -> TaskInfo {
    let begin = Instant::now();
    loop {
        let dump = dump();
        let mut seen = tasks.iter().filter_map(|id| dump.task(*id));
        if let Some(task) = seen.find(|task| good(task)) {
            return task.clone();
        }
        assert!(begin.elapsed() < Duration::from_secs(60), "{dump}");
        gochan::yield_now().await;
    }
}

async fn until(id: ObjId, good: impl Fn(&TaskInfo) -> bool) -> TaskInfo {
    until_any(&[id], good).await
}

fn waits(task: &TaskInfo) -> bool {
    task.wait.is_some()
}

fn region_names(task: &TaskInfo) -> Vec<&'static str> {
    task.regions.iter().map(|region| region.name).collect()
}

#[test]
fn regions_last_across_waits_and_nest() {
    gochan::run(async {
        let (tx, rx) = chan::<()>(0);
        let task = go(async move {
            let request = diag::region!("request");
            let parse = diag::region!("parse");
            rx.recv().await.unwrap();
            drop(parse);
            let _answer = diag::region!("answer");
            rx.recv().await.unwrap();
            drop(request);
            rx.recv().await.unwrap();
        });
        let line = line!() - 8;
        let seen = until(task.id(), waits).await;
        assert_eq!(region_names(&seen), ["request", "parse"]);
        let site = seen.regions[1].site.unwrap();
        assert_eq!((site.file(), site.line()), (file!(), line));
        assert!(seen.regions[0].since_ns >= seen.regions[1].since_ns);
        tx.send(()).await.unwrap();
        let answers = |task: &TaskInfo| region_names(task) == ["request", "answer"];
        until(task.id(), answers).await;
        tx.send(()).await.unwrap();
        until(task.id(), |task| region_names(task) == ["answer"]).await;
        tx.send(()).await.unwrap();
        task.await.unwrap();
    });
}

#[test]
fn a_region_is_of_the_task_that_began_it() {
    gochan::run(async {
        let (give, take) = chan(0);
        let (tx, rx) = chan::<()>(0);
        let keeper = go(async move {
            give.send(diag::region!("lent")).await.unwrap();
            rx.recv().await.unwrap_err();
        });
        let lent = take.recv().await.unwrap();
        assert_eq!(lent.task(), keeper.id());
        let lends = |task: &TaskInfo| region_names(task) == ["lent"];
        until(keeper.id(), lends).await;
        drop(lent);
        until(keeper.id(), |task| task.regions.is_empty()).await;
        drop(tx);
        keeper.await.unwrap();
    });
}

#[test]
fn regions_and_labels_end_with_their_task() {
    gochan::run(async {
        let task = go(async {
            diag::label("tenant", "eu");
            diag::label("user", "17");
            diag::label("tenant", "us");
            let _whole = diag::region!("whole");
            std::future::pending::<()>().await;
        });
        let seen = until(task.id(), waits).await;
        let labels: Vec<_> = seen.labels.iter().map(|(k, v)| (&**k, &**v)).collect();
        assert_eq!(labels, [("tenant", "us"), ("user", "17")]);
        assert_eq!(region_names(&seen), ["whole"]);
        let text = seen.to_string();
        assert!(
            text.contains("\tlabels tenant=\"us\", user=\"17\"\n"),
            "{text}"
        );
        task.abort();
        assert!(task.await.is_err());
        // Whoever has the record next has nothing of it.
        let next = go(std::future::pending::<()>());
        let seen = until(next.id(), waits).await;
        assert!(seen.labels.is_empty() && seen.regions.is_empty());
        next.abort();
    });
}

/// A task's regions may begin on different threads, and are shown in the order of their age.
#[test]
fn a_region_that_begins_later_is_younger_on_whatever_thread() {
    let (tx, rx) = chan::<()>(0);
    let begin = || {
        let (start, started) = std::sync::mpsc::channel::<()>();
        let (tell, told) = std::sync::mpsc::channel();
        let rx = rx.clone();
        let thread = thread::spawn(move || {
            gochan::block_on(async {
                // It has looked at the clock by now.
                tell.send(ObjId::NONE).unwrap();
                started.recv().unwrap();
                let region = diag::region!("now");
                tell.send(region.task()).unwrap();
                rx.recv().await.unwrap_err();
            });
        });
        told.recv().unwrap();
        (start, told, thread)
    };
    let (second, first) = (begin(), begin());
    let ids = [&first, &second].map(|(start, told, _)| {
        start.send(()).unwrap();
        told.recv().unwrap()
    });
    let dump = loop {
        let dump = dump();
        let waits = |id: &ObjId| dump.task(*id).is_some_and(waits);
        if ids.iter().all(waits) {
            break dump;
        }
        thread::yield_now();
    };
    let [older, younger] = ids.map(|id| dump.task(id).unwrap().regions[0].since_ns);
    assert!(younger <= older, "{younger} and {older}");
    drop(tx);
    for (_, _, thread) in [first, second] {
        thread.join().unwrap();
    }
}

#[test]
fn a_thread_has_regions_too() {
    let (tx, rx) = chan::<()>(0);
    let (id_tx, id_rx) = chan::<ObjId>(1);
    let waiter = thread::spawn(move || {
        let region = diag::region!("setup");
        diag::label("role", "waiter");
        id_tx.try_send(region.task()).unwrap();
        rx.recv().wait().unwrap_err();
    });
    let id = id_rx.recv().wait().unwrap();
    let seen = gochan::block_on(until(id, waits));
    assert_eq!(region_names(&seen), ["setup"]);
    assert_eq!(&*seen.labels[0].1, "waiter");
    drop(tx);
    waiter.join().unwrap();
}

// === the recorder ===

/// One recorder at a time: so one test at a time.
static TURN: Mutex<()> = Mutex::new(());

/// What is recorded while `run` runs.
fn record<R>(run: impl FnOnce() -> R) -> (R, Trace, Status) {
    let _turn = TURN.lock().unwrap_or_else(|panicked| panicked.into_inner());
    let recorder = Recorder::start().unwrap();
    let result = run();
    (result, recorder.snapshot(), recorder.status())
}

/// What the trace says of the task. Not that a poll was long, as any is when the machine gives its processor to others.
fn of(trace: &Trace, task: ObjId) -> Vec<&TraceEvent> {
    let events = trace.events().iter();
    let is_long = |event: &TraceEvent| matches!(event.what, TraceWhat::LongPoll { .. });
    events
        .filter(|event| event.task() == task && !is_long(event))
        .collect()
}

fn is_at(site: Option<&'static Location<'static>>, line: u32) -> bool {
    site.is_some_and(|site| site.file() == file!() && site.line() == line)
}

/// It is told while it lasts, so within the poll: here the poll lasts until it was.
#[test]
fn a_long_poll_is_told_within_it() {
    let _turn = TURN.lock().unwrap_or_else(|panicked| panicked.into_inner());
    let recorder = Recorder::start().unwrap();
    let runtime = Runtime::builder().workers(1).build().unwrap();
    let (release, released) = std::sync::mpsc::channel::<()>();
    let task = runtime.go(async move {
        gochan::yield_now().await;
        released.recv().unwrap();
        gochan::yield_now().await;
    });
    let id = task.id();
    // That of the poll that is held up here: any poll is long if the machine gives its processor to others.
    let second_is_long = |trace: &Trace| {
        let events = trace.events().iter();
        let events: Vec<_> = events.filter(|event| event.task() == id).cloned().collect();
        let starts = |event: &TraceEvent| matches!(event.what, TraceWhat::PollStart { .. });
        let is_long = |event: &TraceEvent| matches!(event.what, TraceWhat::LongPoll { .. });
        let first = events.iter().position(starts)?;
        let second = first + 1 + events[first + 1..].iter().position(starts)?;
        let at = second + events[second..].iter().position(is_long)?;
        Some((events, second, at))
    };
    let begin = Instant::now();
    while second_is_long(&recorder.snapshot()).is_none() {
        assert!(
            begin.elapsed() < Duration::from_secs(60),
            "it is never told"
        );
        thread::yield_now();
    }
    release.send(()).unwrap();
    task.wait().unwrap();
    let (events, second, first) = second_is_long(&recorder.snapshot()).unwrap();
    let ends = |event: &TraceEvent| matches!(event.what, TraceWhat::PollEnd { .. });
    let end = second + events[second..].iter().position(ends).unwrap();
    assert!(first < end, "told before the poll was over: {events:#?}");
    let TraceWhat::LongPoll { lasted_ns, .. } = events[first].what else {
        unreachable!()
    };
    assert!(lasted_ns >= 10_000_000, "{lasted_ns}");
}

#[test]
fn a_life_is_told_in_order() {
    // With one worker each poll is over before the next begins.
    let runtime = Runtime::builder().workers(1).build().unwrap();
    let (ids, trace, status) = record(|| {
        let all = runtime.go(async {
            let me = task::current().unwrap().id();
            let (tx, rx) = chan::<u64>(0);
            let chan_id = rx.id();
            let task = go(async move { rx.recv().await.unwrap() });
            let id = task.id();
            while !dump().task(id).is_some_and(waits) {
                gochan::yield_now().await;
            }
            tx.send(7).await.unwrap();
            task.await.unwrap();
            (me, id, chan_id)
        });
        all.wait().unwrap()
    });
    let awaited = line!() - 11;
    let (me, id, chan_id) = ids;
    let events = of(&trace, id);
    assert!(events.is_sorted_by_key(|event| event.at_ns));
    let [spawned, first, parked, waiting, ready, second, done, exit] = &events[..] else {
        panic!("{events:#?}");
    };
    assert!(matches!(spawned.what, TraceWhat::Spawn { parent, .. } if parent == me));
    assert!(matches!(
        first.what,
        TraceWhat::PollStart {
            after: None,
            runnable_ns: Some(_),
            ..
        }
    ));
    let TraceWhat::Park { wait, arms, .. } = &parked.what else {
        panic!("{parked:?}");
    };
    assert_eq!((wait.reason, wait.object), (WaitReason::ChanRecv, chan_id));
    assert!(is_at(wait.site, awaited) && is_at(wait.made, awaited - 2));
    assert!(arms.is_empty());
    assert!(matches!(
        waiting.what,
        TraceWhat::PollEnd { done: false, .. }
    ));
    let TraceWhat::Ready { by, wait, .. } = &ready.what else {
        panic!("{ready:?}");
    };
    assert_eq!(
        (*by, wait.reason, wait.object),
        (me, WaitReason::ChanRecv, chan_id)
    );
    assert!(is_at(wait.site, awaited));
    assert!(matches!(
        second.what,
        TraceWhat::PollStart {
            after: Some(WaitReason::ChanRecv),
            ..
        }
    ));
    assert!(matches!(done.what, TraceWhat::PollEnd { done: true, .. }));
    assert!(matches!(
        exit.what,
        TraceWhat::Exit {
            panicked: false,
            aborted: false,
            ..
        }
    ));
    assert!(first.thread != 0 && first.thread == parked.thread);
    assert_eq!((status.overwritten, status.dropped), (0, 0));
    assert!(status.written >= trace.events().len() as u64);
}

#[test]
fn every_way_to_end_and_to_give_way() {
    let (ids, trace, _) = record(|| {
        gochan::run(async {
            let panics = go(async { std::panic::resume_unwind(Box::new(())) });
            let aborted = go(std::future::pending::<()>());
            until(aborted.id(), waits).await;
            aborted.abort();
            let yields = go(gochan::yield_now());
            let ids = [panics.id(), aborted.id(), yields.id()];
            let _: Result<(), _> = panics.await;
            aborted.await.unwrap_err();
            yields.await.unwrap();
            ids
        })
    });
    let [panics, aborts, yields] = ids.map(|id| of(&trace, id));
    let last = |events: &[&TraceEvent]| events.last().unwrap().what.clone();
    assert!(matches!(
        last(&panics),
        TraceWhat::Exit { panicked: true, .. }
    ));
    assert!(matches!(
        last(&aborts),
        TraceWhat::Exit { aborted: true, .. }
    ));
    let again = yields.iter().filter_map(|event| match event.what {
        TraceWhat::PollStart { after, .. } => Some(after),
        _ => None,
    });
    assert_eq!(again.collect::<Vec<_>>(), [None, None]);
}

#[test]
fn a_select_says_what_it_waits_for() {
    let (ids, trace, _) = record(|| {
        gochan::run(async {
            let (tx, rx) = chan::<u64>(0);
            let (full, _never) = chan::<u64>(0);
            let objects = [rx.id(), full.id()];
            let task = go(async move {
                select! {
                    _ = rx.recv() => {}
                    _ = full.send(1) => {}
                }
            });
            until(task.id(), waits).await;
            let id = task.id();
            tx.send(1).await.unwrap();
            task.await.unwrap();
            (id, objects)
        })
    });
    let (id, objects) = ids;
    let select = of(&trace, id)
        .into_iter()
        .find_map(|event| match &event.what {
            TraceWhat::Park { wait, arms, .. } => Some((wait.reason, arms.clone())),
            _ => None,
        });
    let (reason, arms) = select.unwrap();
    assert_eq!(reason, WaitReason::Select);
    assert_eq!(
        arms.iter().map(|arm| arm.object).collect::<Vec<_>>(),
        objects
    );
    let reasons = [WaitReason::ChanRecv, WaitReason::ChanSend];
    assert_eq!(
        arms.iter().map(|arm| arm.reason).collect::<Vec<_>>(),
        reasons
    );
}

#[test]
fn what_a_program_says_is_in_the_trace() {
    struct Never;
    impl std::fmt::Display for Never {
        fn fmt(&self, _: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            panic!("formatted, and nobody records");
        }
    }
    let long = "ä".repeat(400);
    let text = long.clone();
    let (id, trace, _) = record(|| {
        gochan::run(async move {
            diag::log("order", format_args!("{} is paid", 17));
            diag::log("long", &text);
            diag::log("empty", "");
            let _region = diag::region!("pay");
            diag::counter("depth", -3);
            diag::counter("depth", i64::MAX);
            task::current().unwrap().id()
        })
    });
    {
        let _turn = TURN.lock().unwrap_or_else(|panicked| panicked.into_inner());
        diag::log("order", Never);
    }
    let events = of(&trace, id);
    let logs: Vec<_> = events.iter().filter_map(|event| event.message()).collect();
    assert_eq!(logs[0], "17 is paid");
    assert!(
        long.starts_with(logs[1]) && logs[1].len() >= 460,
        "{}",
        logs[1]
    );
    assert_eq!(logs[2..], [""]);
    let regions: Vec<_> = events
        .iter()
        .filter_map(|event| match event.what {
            TraceWhat::RegionBegin { name, .. } => Some((name, true)),
            TraceWhat::RegionEnd { name, .. } => Some((name, false)),
            _ => None,
        })
        .collect();
    assert_eq!(regions, [("pay", true), ("pay", false)]);
    let counters = trace.events().iter().filter_map(|event| match event.what {
        TraceWhat::Counter {
            name: "depth",
            value,
            ..
        } => Some(value),
        _ => None,
    });
    assert_eq!(counters.collect::<Vec<_>>(), [-3, i64::MAX]);
}

#[test]
fn one_recorder_runs_at_a_time() {
    let _turn = TURN.lock().unwrap_or_else(|panicked| panicked.into_inner());
    let recorder = Recorder::start().unwrap();
    Recorder::start().unwrap_err();
    let same = recorder.clone();
    drop(recorder);
    diag::log("test", "one");
    Recorder::builder().start().unwrap_err();
    let logs = |trace: &Trace| trace.events().iter().filter_map(|e| e.message()).count();
    assert_eq!(logs(&same.snapshot()), 1);
    drop(same);
    diag::log("test", "two");
    let next = Recorder::start().unwrap();
    assert_eq!(logs(&next.snapshot()), 0, "it remembers another one's");
    diag::log("test", "three");
    assert_eq!(logs(&next.snapshot()), 1);
}

#[test]
fn memory_is_bounded_and_what_is_lost_is_counted() {
    const BYTES: usize = 64 << 10;
    let _turn = TURN.lock().unwrap_or_else(|panicked| panicked.into_inner());
    let recorder = Recorder::builder().max_bytes(BYTES).start().unwrap();
    gochan::run(async {
        let tasks: Vec<_> = (0..4)
            .map(|_| {
                go(async {
                    for _ in 0..2_000 {
                        gochan::yield_now().await;
                    }
                })
            })
            .collect();
        for task in tasks {
            task.await.unwrap();
        }
    });
    let (status, trace) = (recorder.status(), recorder.snapshot());
    assert!(status.bytes <= BYTES as u64, "{status:?}");
    assert!(status.written >= 16_000, "{status:?}");
    assert!(status.overwritten > 0 && status.overwritten < status.written);
    assert!(trace.events().len() <= BYTES / 32);
    assert!(!trace.events().is_empty());
}

#[test]
fn threads_that_end_give_their_memory_back() {
    let ((), trace, status) = record(|| {
        for n in 0..40 {
            thread::spawn(move || diag::log("thread", n))
                .join()
                .unwrap();
        }
        // All at the same time: more than there is memory for shares what there is.
        let gate = Arc::new(Barrier::new(64));
        let together: Vec<_> = (0..64)
            .map(|n| {
                let gate = Arc::clone(&gate);
                thread::spawn(move || {
                    gate.wait();
                    diag::log("together", n);
                    gate.wait();
                })
            })
            .collect();
        for thread in together {
            thread.join().unwrap();
        }
    });
    assert!(status.bytes <= 10 << 20);
    let logs = |sort: &str| -> Vec<(u64, String)> {
        let logs = trace.events().iter().filter_map(|event| match &event.what {
            TraceWhat::Log {
                category, message, ..
            } if *category == sort => Some((event.thread, message.clone())),
            _ => None,
        });
        logs.collect()
    };
    let apart = logs("thread");
    let numbers: Vec<_> = apart
        .iter()
        .map(|(_, n)| n.parse::<u32>().unwrap())
        .collect();
    assert_eq!(numbers, (0..40).collect::<Vec<_>>());
    let threads: HashSet<_> = apart.iter().map(|(thread, _)| *thread).collect();
    assert_eq!(threads.len(), 40, "each has a number of its own");
    // A log that is dropped takes its text along.
    let together = logs("together").len() as u64;
    assert_eq!(together + status.dropped / 2, 64);
}

// === the formats, read by others ===

/// Channels, locks, regions, logs, a task that was there before and one that never ends.
fn busy_program() -> Trace {
    let _turn = TURN.lock().unwrap_or_else(|panicked| panicked.into_inner());
    gochan::run(async {
        let (before_tx, before_rx) = chan::<u64>(0);
        let before = go(async move { before_rx.recv().await });
        until(before.id(), waits).await;
        let recorder = Recorder::start().unwrap();
        let (tx, rx) = chan::<u64>(0);
        let lock = Arc::new(gochan::sync::Mutex::new(0).named("ledger"));
        let workers: Vec<_> = (0..4)
            .map(|n| {
                let (rx, lock) = (rx.clone(), Arc::clone(&lock));
                task::Builder::new()
                    .name(&format!("worker {n}"))
                    .go(async move {
                        while let Ok(job) = rx.recv().await {
                            let _region = diag::region!("post");
                            let mut sum = lock.lock().await;
                            gochan::yield_now().await;
                            *sum += job;
                            diag::log("job", job);
                        }
                    })
            })
            .collect();
        let never = go(std::future::pending::<()>());
        let held = lock.lock().await;
        tx.send(1_000).await.unwrap();
        let locks = |task: &TaskInfo| {
            let wait = task.wait.as_ref();
            wait.is_some_and(|wait| wait.reason == WaitReason::MutexLock)
        };
        let ids: Vec<_> = workers.iter().map(|worker| worker.id()).collect();
        until_any(&ids, locks).await;
        drop(held);
        for job in 0..200 {
            tx.send(job).await.unwrap();
        }
        before_tx.send(1).await.unwrap();
        drop(tx);
        for worker in workers {
            worker.await.unwrap();
        }
        before.await.unwrap().unwrap();
        let trace = recorder.snapshot();
        never.abort();
        trace
    })
}

#[cfg(feature = "diag")]
mod formats {
    use super::*;
    use std::ffi::OsString;
    use std::path::{Path, PathBuf};
    use std::process::Command;

    fn go_tool() -> Option<OsString> {
        let go = std::env::var_os("GO").unwrap_or_else(|| "go".into());
        let version = Command::new(&go).arg("version").output();
        let found = version.is_ok_and(|out| out.status.success()).then_some(go);
        if found.is_none() {
            eprintln!("skipped: no Go here to read the trace (GO, PATH)");
        }
        found
    }

    fn run(go: &OsString, args: &[&str], file: &Path) -> Vec<u8> {
        let mut command = Command::new(go);
        let out = command.arg("tool").args(args).arg(file).output().unwrap();
        let complaints = String::from_utf8_lossy(&out.stderr);
        assert!(out.status.success(), "{args:?}: {complaints}");
        out.stdout
    }

    fn file(name: &str) -> PathBuf {
        let name = format!("gochan-{}-{name}", std::process::id());
        std::env::temp_dir().join(name)
    }

    fn text(bytes: Vec<u8>) -> String {
        String::from_utf8(bytes).unwrap()
    }

    /// The stacks of a profile that Go's tool makes of the trace.
    fn stacks(go: &OsString, profile: &str, trace: &Path) -> String {
        let path = file(profile);
        std::fs::write(
            &path,
            run(go, &["trace", &format!("-pprof={profile}")], trace),
        )
        .unwrap();
        let stacks = text(run(go, &["pprof", "-traces", "-lines"], &path));
        std::fs::remove_file(path).unwrap();
        stacks
    }

    #[test]
    fn gos_trace_tool_reads_it() {
        let Some(go) = go_tool() else { return };
        let path = file("go.trace");
        std::fs::write(&path, busy_program().to_go_trace()).unwrap();
        let events = text(run(&go, &["trace", "-d=parsed"], &path));
        let has = |words: &[&str]| {
            let line = events
                .lines()
                .any(|line| words.iter().all(|word| line.contains(word)));
            assert!(line, "{words:?} is in no line of\n{events}");
        };
        has(&[
            "StateTransition",
            "Running->Waiting",
            "Reason=\"chan receive\"",
        ]);
        has(&[
            "StateTransition",
            "Running->Waiting",
            "Reason=\"sync.Mutex.Lock\"",
        ]);
        has(&["StateTransition", "Running->Runnable", "Reason=\"yield\""]);
        has(&["RegionBegin", "\"post\""]);
        has(&["RegionEnd", "\"post\""]);
        has(&["Log", "\"job\"", "\"17\""]);
        has(&["Label", "worker 3"]);
        has(&["tests/trace.rs"]);
        // Blocking on channels and locks, and the latency of the scheduler: our functions and places.
        let sync = stacks(&go, "sync", &path);
        for words in [
            "chan receive",
            "sync.Mutex.Lock",
            "busy_program",
            "tests/trace.rs:",
        ] {
            assert!(sync.contains(words), "no {words} in\n{sync}");
        }
        let sched = stacks(&go, "sched", &path);
        assert!(sched.contains("busy_program"), "{sched}");
        std::fs::remove_file(path).unwrap();
    }

    #[test]
    fn both_formats_are_written_piece_by_piece_as_in_one() {
        let trace = busy_program();
        let (mut perfetto, mut go) = (Vec::new(), Vec::new());
        trace.write_perfetto(&mut perfetto).unwrap();
        trace.write_go_trace(&mut go).unwrap();
        assert!(perfetto == trace.to_perfetto() && go == trace.to_go_trace());
        assert!(go.starts_with(b"go 1.23 trace\0\0\0"));
    }
}

#[test]
fn a_trigger_fires_once_in_a_while() {
    let _turn = TURN.lock().unwrap_or_else(|panicked| panicked.into_inner());
    let recorder = Recorder::start().unwrap();
    let seen = Arc::new(Mutex::new(Vec::new()));
    let keep = Arc::clone(&seen);
    let trigger = recorder.trigger(move |reason, trace| {
        let logs = trace.events().iter().filter_map(|event| event.message());
        keep.lock().unwrap().push((reason.to_owned(), logs.count()));
    });
    drop(recorder);
    diag::log("test", "one");
    assert!(trigger.fire("first"));
    assert!(!trigger.fire("second"));
    let trigger = trigger.cool_down(Duration::ZERO);
    diag::log("test", "two");
    assert!(trigger.clone().fire("third"));
    let told = std::mem::take(&mut *seen.lock().unwrap());
    assert_eq!(told, [("first".to_owned(), 1), ("third".to_owned(), 2)]);
    assert_eq!(trigger.counts(), (2, 1));
    drop(trigger);
    drop(Recorder::start().unwrap());
}

/// The hook is the whole process's: in a process of its own.
#[test]
fn a_panic_and_a_signal_are_reasons() {
    let me = std::env::current_exe().unwrap();
    let child = std::process::Command::new(me)
        .args(["--exact", "the_child_that_panics", "--nocapture"])
        .env("GOCHAN_TEST_CHILD", "1")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&child.stdout).into_owned();
    assert!(
        child.status.success(),
        "{said}{}",
        String::from_utf8_lossy(&child.stderr)
    );
    let has = |words: &str| assert!(said.contains(words), "no {words:?} in\n{said}");
    has("fired: panicked at tests/trace.rs");
    has("too many orders");
    #[cfg(all(unix, feature = "diag"))]
    has("fired: signal");
}

#[test]
fn the_child_that_panics() {
    if std::env::var_os("GOCHAN_TEST_CHILD").is_none() {
        return;
    }
    let recorder = Recorder::start().unwrap();
    let trigger = recorder.trigger(|reason, trace| {
        assert!(!trace.events().is_empty());
        println!("fired: {reason}");
        panic!("a panic of the function is no reason to run it");
    });
    let trigger = trigger.cool_down(Duration::ZERO);
    trigger.on_panic();
    let task = gochan::run(async { go(async { panic!("too many orders") }).await });
    let _: gochan::JoinError = task.map(|(): ()| ()).unwrap_err();
    assert_eq!(trigger.counts(), (1, 0));
    #[cfg(all(unix, feature = "diag"))]
    {
        let (tx, rx) = std::sync::mpsc::channel();
        let quiet = recorder.trigger(move |reason, _| tx.send(reason.to_owned()).unwrap());
        quiet.on_signal(signal_hook::consts::SIGUSR1).unwrap();
        signal_hook::low_level::raise(signal_hook::consts::SIGUSR1).unwrap();
        println!("fired: {}", rx.recv().unwrap());
        // Nobody is left to listen.
        drop(quiet);
        signal_hook::low_level::raise(signal_hook::consts::SIGUSR1).unwrap();
        assert!(rx.recv().is_err());
        #[cfg(target_os = "linux")]
        while threads_named("gochan-trigger") > 0 {
            thread::yield_now();
        }
    }
}

/// The kernel still lists a thread for a moment after it was joined.
#[cfg(target_os = "linux")]
fn threads_named(name: &str) -> usize {
    let threads = std::fs::read_dir("/proc/self/task").unwrap();
    let names = threads.map(|thread| std::fs::read_to_string(thread.unwrap().path().join("comm")));
    names
        .filter(|read| read.as_ref().is_ok_and(|read| read.trim_end() == name))
        .count()
}

/// Of a lock that others wait for each hold is there, with who had it and where; of one that nobody waits for none is.
#[test]
fn holds_of_what_others_wait_for() {
    use gochan::sync::Mutex;
    let [wanted, alone] = [(); 2].map(|()| Arc::new(Mutex::new(0)));
    let (lock, other) = (Arc::clone(&wanted), Arc::clone(&alone));
    let ((holder, waiter, line), trace, _) = record(move || {
        let rt = Runtime::builder().workers(1).build().unwrap();
        let all = rt.go(async move {
            let line = line!() + 1;
            let held = lock.lock().await;
            *other.lock().await += 1;
            let theirs = Arc::clone(&lock);
            let waiter = go(async move { *theirs.lock().await += 1 });
            let id = waiter.id();
            while lock.stats().waiters.is_empty() {
                gochan::yield_now().await;
            }
            drop(held);
            waiter.await.unwrap();
            (task::current().unwrap().id(), id, line)
        });
        all.wait().unwrap()
    });
    let of_lock = |id: ObjId| {
        let holds = trace
            .events()
            .iter()
            .filter_map(move |event| match event.what {
                TraceWhat::Hold {
                    task,
                    object,
                    site,
                    held_ns,
                    ..
                } if object == id => Some((task, site, held_ns)),
                _ => None,
            });
        holds.collect::<Vec<_>>()
    };
    let holds = of_lock(wanted.id());
    let who: Vec<_> = holds.iter().map(|hold| hold.0).collect();
    assert_eq!(who, [holder, waiter]);
    assert!(is_at(holds[0].1, line) && holds[0].2 > 0, "{holds:?}");
    assert!(of_lock(alone.id()).is_empty());
}
