//! Traces made by hand, and what is made of them.

use super::*;
use crate::diag::trace::value::TraceTask;
use std::time::SystemTime;

pub(in crate::diag::trace) fn task(number: u64) -> ObjId {
    ObjId::of(Kind::Task, number)
}

pub(in crate::diag::trace) fn chan(number: u64) -> ObjId {
    ObjId::of(Kind::Chan, number)
}

#[track_caller]
pub(in crate::diag::trace) fn receives(object: ObjId) -> TraceWait {
    TraceWait {
        reason: WaitReason::ChanRecv,
        object,
        made: None,
        site: Some(std::panic::Location::caller()),
    }
}

/// Each at its time, on its thread.
pub(in crate::diag::trace) fn trace(events: Vec<(u64, u64, TraceWhat)>) -> Trace {
    let event = |(at_ns, thread, what)| TraceEvent {
        at_ns,
        thread,
        what,
    };
    Trace {
        taken: SystemTime::UNIX_EPOCH,
        length_ns: 1_000,
        events: events.into_iter().map(event).collect(),
        threads: Vec::new(),
        tasks: HashMap::new(),
        names: HashMap::new(),
        held: Vec::new(),
    }
}

pub(in crate::diag::trace) fn spawn(n: u64, parent: u64) -> TraceWhat {
    let (task, parent) = (task(n), task(parent));
    TraceWhat::Spawn { task, parent }
}

pub(in crate::diag::trace) fn start(n: u64) -> TraceWhat {
    TraceWhat::PollStart {
        task: task(n),
        runnable_ns: Some(1),
        after: None,
    }
}

pub(in crate::diag::trace) fn start_after(n: u64, runnable_ns: u64) -> TraceWhat {
    TraceWhat::PollStart {
        task: task(n),
        runnable_ns: Some(runnable_ns),
        after: Some(WaitReason::Join),
    }
}

pub(in crate::diag::trace) fn end(n: u64, done: bool) -> TraceWhat {
    let task = task(n);
    TraceWhat::PollEnd { task, done }
}

pub(in crate::diag::trace) fn exit(n: u64, panicked: bool) -> TraceWhat {
    TraceWhat::Exit {
        task: task(n),
        panicked,
        aborted: false,
    }
}

pub(in crate::diag::trace) fn park(n: u64, wait: TraceWait) -> TraceWhat {
    TraceWhat::Park {
        task: task(n),
        wait,
        arms: Vec::new(),
    }
}

pub(in crate::diag::trace) fn ready(n: u64, by: u64, wait: TraceWait) -> TraceWhat {
    let (task, by) = (task(n), task(by));
    TraceWhat::Ready { task, by, wait }
}

/// Follows the picture, and the threads.
pub(in crate::diag::trace) fn check(replay: &Replay<'_>) {
    let mut states: HashMap<ObjId, &str> = HashMap::new();
    let mut threads: HashMap<u64, ObjId> = HashMap::new();
    for (task, begin) in &replay.begin {
        let state = match begin {
            Begin::Runnable => "runnable",
            Begin::Waiting(_) => "waiting",
            Begin::Running(thread) => {
                assert_eq!(threads.insert(*thread, *task), None, "two on one thread");
                "running"
            }
        };
        assert_eq!(states.insert(*task, state), None);
    }
    let mut last = 0;
    for step in &replay.steps {
        assert!(step.at_ns >= last, "out of order");
        last = step.at_ns;
        let task = step.task;
        let (from, to) = match &step.what {
            Do::Create { .. } => (None, Some("runnable")),
            Do::Start => (Some("runnable"), Some("running")),
            Do::Yield => (Some("running"), Some("runnable")),
            Do::Block { .. } => (Some("running"), Some("waiting")),
            Do::Unblock { .. } => (Some("waiting"), Some("runnable")),
            Do::End { .. } => (Some("running"), None),
            Do::Say(_) => continue,
        };
        assert_eq!(states.get(&task).copied(), from, "{step:?}");
        if from == Some("running") {
            assert_eq!(threads.remove(&step.thread), Some(task), "{step:?}");
        }
        if to == Some("running") {
            assert_eq!(threads.insert(step.thread, task), None, "{step:?}");
        }
        match to {
            Some(to) => states.insert(task, to),
            None => states.remove(&task),
        };
    }
}

/// The steps in short, and whether they are in order.
fn told(trace: &Trace) -> Vec<String> {
    let replay = play(trace);
    check(&replay);
    let begin = replay.begin.iter().map(|(task, begin)| {
        let state = match begin {
            Begin::Runnable => "runnable".to_owned(),
            Begin::Running(thread) => format!("running on {thread}"),
            Begin::Waiting(wait) => format!("waiting: {}", wait.reason),
        };
        format!("{} {state}", task.number())
    });
    let steps = replay.steps.iter().map(|step| {
        let what = match &step.what {
            Do::Create { parent } => format!("created by {}", parent.number()),
            Do::Start => format!("starts on {}", step.thread),
            Do::Block { wait, .. } => format!("blocks: {}", wait.reason),
            Do::Yield => "yields".to_owned(),
            Do::Unblock { by, told_ns } => format!("ready by {}, told {told_ns}", by.number()),
            Do::End { panicked: true, .. } => "panics".to_owned(),
            Do::End { .. } => "ends".to_owned(),
            Do::Say(_) => "says".to_owned(),
        };
        format!("{} {} {what}", step.at_ns, step.task.number())
    });
    begin.chain(steps).collect()
}

#[test]
fn a_life() {
    let wait = receives(chan(7));
    let trace = trace(vec![
        (1, 1, spawn(2, 1)),
        (5, 2, start(2)),
        (6, 2, park(2, wait)),
        (7, 2, end(2, false)),
        (8, 1, ready(2, 1, wait)),
        (9, 2, start_after(2, 1)),
        (10, 2, end(2, true)),
        (10, 2, exit(2, true)),
    ]);
    let expected = [
        "1 2 created by 1",
        "5 2 starts on 2",
        "7 2 blocks: chan receive",
        "8 2 ready by 1, told 8",
        "9 2 starts on 2",
        "10 2 panics",
    ];
    assert_eq!(told(&trace), expected);
}

#[test]
fn a_wait_that_is_over_before_its_poll() {
    let wait = receives(chan(7));
    let polls = |first, second| {
        trace(vec![
            (1, 2, start(2)),
            (2, 1, first),
            (3, 2, second),
            (5, 2, end(2, false)),
            (9, 2, start_after(2, 4)),
        ])
    };
    let expected = [
        "2 runnable",
        "1 2 starts on 2",
        "5 2 blocks: chan receive",
        "5 2 ready by 1, told 2",
        "9 2 starts on 2",
    ];
    // The other thread is faster than the poll with its note.
    assert_eq!(told(&polls(ready(2, 1, wait), park(2, wait))), expected);
    let expected = expected.map(|line| line.replace("told 2", "told 3"));
    assert_eq!(told(&polls(park(2, wait), ready(2, 1, wait))), expected);
}

#[test]
fn a_thread_that_waits_inside_of_a_poll() {
    let (inner, outer) = (receives(chan(7)), receives(chan(8)));
    let trace = trace(vec![
        (1, 2, start(2)),
        (2, 2, park(2, inner)),
        (3, 1, ready(2, 1, inner)),
        (4, 2, park(2, outer)),
        (5, 2, end(2, false)),
    ]);
    let expected = ["2 runnable", "1 2 starts on 2", "5 2 blocks: chan receive"];
    assert_eq!(told(&trace), expected);
}

#[test]
fn who_says_nothing_gave_way_or_waits_for_others() {
    let trace = trace(vec![
        (1, 1, start(2)),
        (2, 1, end(2, false)),
        (3, 1, start(2)),
        (4, 1, end(2, false)),
        (90, 1, start_after(2, 20)),
        (91, 1, end(2, false)),
    ]);
    let expected = [
        "2 runnable",
        "1 2 starts on 1",
        "2 2 yields",
        "3 2 starts on 1",
        "4 2 blocks: foreign",
        "70 2 ready by 0, told 70",
        "90 2 starts on 1",
        "91 2 blocks: foreign",
    ];
    assert_eq!(told(&trace), expected);
}

#[test]
fn what_was_before_the_trace() {
    let wait = receives(chan(7));
    let mut trace = trace(vec![
        (1, 3, park(5, wait)),
        (2, 4, ready(6, 0, wait)),
        (3, 3, end(5, false)),
        (4, 1, start(7)),
        (50, 1, end(7, true)),
        (60, 1, start_after(8, 5)),
    ]);
    let lives = |last| TraceTask {
        last: Some(last),
        ..TraceTask::default()
    };
    trace.tasks.insert(task(9), lives(Last::Waiting(wait)));
    trace.tasks.insert(task(10), lives(Last::Running));
    // Events say more than what it did at the end.
    trace.tasks.insert(task(5), lives(Last::Runnable));
    let expected = [
        "5 running on 3",
        "6 waiting: chan receive",
        "7 runnable",
        "8 waiting: join",
        "9 waiting: chan receive",
        "10 running on 4294967306",
        "2 6 ready by 0, told 2",
        "3 5 blocks: chan receive",
        "4 7 starts on 1",
        "50 7 ends",
        "55 8 ready by 0, told 55",
        "60 8 starts on 1",
    ];
    assert_eq!(told(&trace), expected);
}

#[test]
fn a_poll_inside_of_a_poll_interrupts_it() {
    let trace = trace(vec![
        (1, 1, start(2)),
        (2, 1, start(3)),
        (3, 1, end(3, true)),
        (4, 1, end(2, true)),
    ]);
    let expected = [
        "2 runnable",
        "3 runnable",
        "1 2 starts on 1",
        "2 2 yields",
        "2 3 starts on 1",
        "3 3 ends",
        "3 2 starts on 1",
        "4 2 ends",
    ];
    assert_eq!(told(&trace), expected);
}

/// Threads that share a ring may drop events, and clocks of two cores may differ by some ticks.
#[test]
fn whatever_is_missing_every_task_is_in_one_state() {
    let wait = receives(chan(7));
    let all = [
        spawn(2, 1),
        spawn(3, 1),
        start(2),
        start(3),
        start_after(2, 9),
        start_after(3, 9),
        park(2, wait),
        ready(2, 3, wait),
        ready(3, 2, wait),
        end(2, false),
        end(3, false),
        end(2, true),
        end(3, true),
        exit(2, false),
        exit(3, true),
    ];
    let mut state = 1_u64;
    let mut random = |below: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state % below as u64) as usize
    };
    for _ in 0..20_000 {
        let event = |n: u64, random: &mut dyn FnMut(usize) -> usize| {
            (n * 3, random(3) as u64, all[random(all.len())].clone())
        };
        let length = 1 + random(16) as u64;
        let events = (0..length).map(|n| event(n, &mut random)).collect();
        check(&play(&trace(events)));
    }
}
