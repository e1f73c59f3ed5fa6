//! The text, paragraph by paragraph, of dumps made by hand.

use super::testing::{here, id, object, plain, task, waiting};
use super::*;
use crate::diag::{Arm, Buffer, Holder, Object, Queued, RegionInfo, Verdict};
use crate::hook::{Kind, WaitReason};
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use task::HOLDERS;

fn time(ns: u64) -> String {
    Time(ns).to_string()
}

#[test]
fn times_have_two_or_three_figures() {
    let told: Vec<_> = [
        0,
        999,
        1_000,
        3_456,
        12_345,
        999_999,
        1_000_000,
        59_999_999_999,
        60_000_000_000,
        200_000_000_000,
        7_500_000_000_000,
        273_600_000_000_000,
    ]
    .map(time)
    .into();
    let expected = [
        "0ns", "999ns", "1.0µs", "3.4µs", "12µs", "999µs", "1.0ms", "59s", "1m00s", "3m20s",
        "2h05m", "3d04h",
    ];
    assert_eq!(told, expected);
    assert_eq!(time(u64::MAX), "213503d23h");
}

#[test]
fn a_task_that_waits() {
    let task = TaskInfo {
        name: Some("digest".into()),
        state: TaskState::Waiting,
        wait: Some(waiting(
            WaitReason::ChanRecv,
            5_230_000_000,
            Some(object(Kind::Chan, 7, Some("jobs"))),
        )),
        parent: Some(id(Kind::Task, 1)),
        type_name: Some("pipeline::digest::{{closure}}"),
        woken_by: Some(id(Kind::Task, 4)),
        polls: 17,
        regions: vec![
            RegionInfo {
                name: "request",
                site: Some(here()),
                since_ns: 7_000_000_000,
            },
            RegionInfo {
                name: "parse",
                site: None,
                since_ns: 6_000_000_000,
            },
        ],
        labels: vec![("tenant".into(), "eu".into()), ("n".into(), "1".into())],
        ..task(18)
    };
    let expected = "\
task 18 \"digest\" [chan receive, 5.2s]:
\ton chan#7 \"jobs\", made at PLACE
\twaits at PLACE
\tin region \"parse\" for 6.0s
\tin region \"request\" for 7.0s, begun at PLACE
\tlabels tenant=\"eu\", n=\"1\"
\tspawned at PLACE by task 1, 1m01s ago, pipeline::digest::{{closure}}
\tlast woken by task 4, 17 polls
";
    assert_eq!(plain(task), expected);
}

#[test]
fn a_lock_says_who_holds_it() {
    let holder = |number, name: Option<&str>, gone| Holder {
        id: id(Kind::Task, number),
        name: name.map(Into::into),
        gone,
        site: Some(here()),
        held_ns: 3_210_000_000,
    };
    let lock = Object {
        holders: vec![holder(7, Some("writer"), false), holder(8, None, true)],
        waiters: 5,
        mode: Some("starving"),
        ..object(Kind::Mutex, 3, Some("cache"))
    };
    let wait = |reason, lock: &Object| waiting(reason, 3_100_000_000, Some(lock.clone()));
    let task = |wait| TaskInfo {
        state: TaskState::Waiting,
        wait: Some(wait),
        ..task(2)
    };
    let expected = "\
task 2 [sync.Mutex.Lock, 3.1s]:
\ton mutex#3 \"cache\", made at PLACE
\theld by task 7 \"writer\" for 3.2s, acquired at PLACE
\theld by task 8, which is gone, for 3.2s, acquired at PLACE
\t5 waiters, starving
\twaits at PLACE
\tspawned at PLACE, 1m01s ago
\t1 poll
";
    assert_eq!(plain(task(wait(WaitReason::MutexLock, &lock))), expected);

    let readers = Object {
        holders: (0..6).map(|n| holder(n, None, false)).collect(),
        mode: None,
        ..lock
    };
    let text = plain(task(wait(WaitReason::RwMutexWrite, &readers)));
    assert_eq!(text.matches("held by").count(), HOLDERS);
    assert!(text.contains("\tand by 2 more\n\t5 waiters\n"));

    let group = Object {
        holders: vec![holder(7, None, false)],
        count: Some(3),
        waiters: 1,
        ..object(Kind::WaitGroup, 4, None)
    };
    let text = plain(task(wait(WaitReason::WaitGroupWait, &group)));
    let expected = "\tkept by task 7 for 3.2s, counted at PLACE\n\t1 waiter, 3 not done\n";
    assert!(text.contains(expected), "{text}");
}

#[test]
fn a_select_lists_its_arms() {
    let arm = |reason, object: Option<Object>| Arm {
        reason,
        object: object.map(Arc::new),
        site: (reason != WaitReason::ChanRecvNil).then(|| here()),
    };
    let wait = Wait {
        arms: vec![
            arm(
                WaitReason::ChanRecv,
                Some(object(Kind::Chan, 7, Some("jobs"))),
            ),
            arm(WaitReason::Foreign, None),
            arm(WaitReason::ChanRecvNil, None),
            arm(WaitReason::Sleep, Some(object(Kind::Timer, 9, None))),
        ],
        arm_count: 6,
        again: None,
        ..waiting(WaitReason::Select, 1_500_000, None)
    };
    let task = TaskInfo {
        state: TaskState::Waiting,
        wait: Some(wait),
        ..task(2)
    };
    let expected = "\
task 2 [select, 1.5ms]:
\twaits at PLACE
\t\tchan receive at PLACE on chan#7 \"jobs\", made at PLACE
\t\tforeign at PLACE
\t\tchan receive (nil chan)
\t\tsleep at PLACE on timer#9, made at PLACE
\t\tand 2 more
\tspawned at PLACE, 1m01s ago
\t1 poll
";
    assert_eq!(plain(task), expected);
}

#[test]
fn threads_and_joins_and_the_restless() {
    let joined = object(Kind::Task, 5, Some("worker"));
    let place = joined.made;
    let thread = TaskInfo {
        id: id(Kind::Thread, 1),
        name: Some("main".into()),
        state: TaskState::Waiting,
        wait: Some(Wait {
            site: place,
            ..waiting(WaitReason::Join, 900, Some(joined))
        }),
        spawned: None,
        polls: 2,
        ..task(0)
    };
    let expected = "\
thread 1 \"main\" [join, 900ns, blocked thread]:
\ton task 5 \"worker\", spawned at PLACE
\t2 polls
";
    assert_eq!(plain(thread), expected);

    let restless = TaskInfo {
        unstable: true,
        ..task(3)
    };
    assert!(plain(restless).contains("1 poll, waits anew all the time\n"));
}

fn dump(tasks: Vec<TaskInfo>) -> Dump {
    Dump {
        taken: SystemTime::UNIX_EPOCH,
        took: Duration::from_micros(12),
        verdicts: Vec::new(),
        groups: Group::all(&tasks),
        tasks,
        objects: Vec::new(),
    }
}

#[test]
fn more_than_eight_alike_are_folded() {
    let wait = waiting(WaitReason::ChanSend, 0, None);
    let spawned = Some(here());
    let chan = object(Kind::Chan, 3, None);
    let alike = |n: u64| TaskInfo {
        spawned,
        state: TaskState::Waiting,
        wait: Some(Wait {
            waited_ns: 1_000 * (100 - n),
            object: Some(Arc::new(Object {
                id: id(Kind::Chan, 3 + n % 2),
                ..chan.clone()
            })),
            ..wait.clone()
        }),
        ..task(10 + n)
    };
    let eight: Vec<_> = (0..8).map(alike).collect();
    assert_eq!(plain(dump(eight)).matches("[chan send, ").count(), 8);

    let mut nine: Vec<_> = (0..9).map(alike).collect();
    nine.push(task(1));
    let expected = "\
gochan dump: 10 tasks (9 waiting, 0 runnable, 1 running), 0 threads in blocking waits; taken in 12µs

waits by place:
  9 tasks [chan send], oldest 100µs, median 96µs, at PLACE, on 2 chans made at PLACE, spawned at PLACE, 1m01s ago

9 tasks [chan send, 100µs to 92µs]:
\ton 2 chans made at PLACE
\twait at PLACE
\tspawned at PLACE
\tthe longest waiting: task 10 task 11 task 12 task 13 task 14 task 15 task 16 task 17, and 1 more

task 1 [running]:
\tspawned at PLACE, 1m01s ago
\t1 poll
";
    assert_eq!(plain(dump(nine)), expected);
}

#[test]
fn those_that_wait_elsewhere_are_not_folded() {
    let other = |n: u64| TaskInfo {
        state: TaskState::Waiting,
        // A place of its own each: the column counts.
        wait: Some(Wait {
            site: Some([here(), here()][n as usize % 2]),
            ..waiting(WaitReason::ChanRecv, 1_000, None)
        }),
        ..task(n)
    };
    let text = plain(dump((1..=12).map(other).collect()));
    assert_eq!(text.matches("[chan receive, ").count(), 12);
}

#[test]
fn idle_waits_are_counted_and_not_listed() {
    let idle = |n: u64| TaskInfo {
        state: TaskState::Waiting,
        wait: Some(Wait {
            idle: n < 3,
            ..waiting(WaitReason::ChanRecv, 1_000, None)
        }),
        ..task(n)
    };
    let text = plain(dump((1..=3).map(idle).collect()));
    let places = "\
waits by place:
  1 task [chan receive], 1.0µs, at PLACE, spawned at PLACE, 1m01s ago
  idle, as marked: 2 tasks in 1 place

task 3 [chan receive, 1.0µs]:
";
    assert!(text.contains(places), "{text}");
    assert!(
        !text.contains("task 1 ") && !text.contains("task 2 "),
        "{text}"
    );
}

#[test]
fn verdicts_come_first_and_the_worst_of_them_only() {
    let verdict = |kind, line: &str| Verdict {
        kind,
        subject: id(Kind::Task, 1),
        site: None,
        lasted_ns: 1,
        lines: vec![line.to_owned(), "because".to_owned()],
    };
    let verdicts = [
        VerdictKind::OwnLock,
        VerdictKind::SendersWait,
        VerdictKind::OldWait,
        VerdictKind::OldWait,
        VerdictKind::OldWait,
    ];
    let dump = Dump {
        verdicts: verdicts.map(|kind| verdict(kind, kind.as_str())).to_vec(),
        ..dump(Vec::new())
    };
    let expected = "\
!! own_lock
   because
!  senders_wait
   because
~  old_wait
   because
~  old_wait
   because
   and 1 more of the kind
";
    assert_eq!(plain(dump).split_once('\n').unwrap().1, expected);
}

#[test]
fn objects_tell_of_their_queue() {
    let queued = |number, reason| Queued {
        id: id(Kind::Task, number),
        reason,
        waited_ns: 5_000_000_000 - number,
        site: Some(here()),
    };
    let chan = Object {
        waiters: 6,
        queue: (1..=6).map(|n| queued(n, WaitReason::ChanSend)).collect(),
        buffer: Some(Buffer {
            len: 2,
            capacity: Some(2),
            senders: 1,
            receivers: 3,
            closed: false,
        }),
        ..object(Kind::Chan, 7, Some("jobs"))
    };
    let dump = Dump {
        objects: vec![Arc::new(chan.clone())],
        ..dump(Vec::new())
    };
    let expected = "
objects:
chan#7 \"jobs\", made at PLACE (buffer 2/2, 1 sender, 3 receivers)
\ttask 1 waits 4.9s [chan send] at PLACE
\ttask 2 waits 4.9s [chan send] at PLACE
\ttask 3 waits 4.9s [chan send] at PLACE
\ttask 4 waits 4.9s [chan send] at PLACE
\tand 2 more
";
    assert_eq!(plain(&dump).split_once('\n').unwrap().1, expected);

    let many = (1..=9).map(|_| Arc::new(chan.clone())).collect();
    let dump = Dump {
        objects: many,
        ..dump
    };
    let text = plain(dump);
    assert!(
        text.contains("9 chans made at PLACE; with the longest queue:\nchan#7"),
        "{text}"
    );
    assert_eq!(text.matches("chan#7").count(), 1);
}
