//! The graph, line by line.

use super::*;
use crate::diag::text::testing::{here, id, object, plain, task, waiting};
use crate::diag::{Group, TaskState};
use crate::hook::WaitReason;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

fn dump(tasks: Vec<TaskInfo>, objects: Vec<Arc<Object>>) -> Dump {
    Dump {
        taken: SystemTime::UNIX_EPOCH,
        took: Duration::ZERO,
        verdicts: Vec::new(),
        groups: Group::all(&tasks),
        tasks,
        objects,
    }
}

fn held(mut lock: Object, number: u64) -> Arc<Object> {
    lock.holders = vec![Holder {
        id: id(Kind::Task, number),
        name: None,
        gone: false,
        site: Some(here()),
        held_ns: 5_000_000_000,
    }];
    Arc::new(lock)
}

fn waits(number: u64, lock: &Arc<Object>) -> TaskInfo {
    TaskInfo {
        state: TaskState::Waiting,
        wait: Some(Wait {
            object: Some(Arc::clone(lock)),
            ..waiting(WaitReason::MutexLock, 2_000_000_000, None)
        }),
        ..task(number)
    }
}

/// The lines of the graph, with the places left out.
fn lines(dump: &Dump) -> Vec<String> {
    let graph = plain(dump.to_dot());
    graph.lines().map(|line| line.trim().to_owned()).collect()
}

#[test]
fn two_who_wait_for_each_other() {
    let a = held(object(Kind::Mutex, 1, Some("a \"lock\"")), 2);
    let b = held(object(Kind::Mutex, 2, None), 1);
    let tasks = vec![waits(1, &a), waits(2, &b), task(3)];
    let expected = [
        "digraph gochan {",
        "rankdir=LR;",
        r#""task#1" [shape=box, label="task 1\nsync.Mutex.Lock, 2.0s"];"#,
        r#""task#1" -> "mutex#1" [label="PLACE"];"#,
        r#""task#2" [shape=box, label="task 2\nsync.Mutex.Lock, 2.0s"];"#,
        r#""task#2" -> "mutex#2" [label="PLACE"];"#,
        r#""mutex#1" [label="mutex#1 \"a \\\"lock\\\"\"\nPLACE"];"#,
        r#""mutex#1" -> "task#2" [style=dashed, label="held 5.0s\nPLACE"];"#,
        r#""mutex#2" [label="mutex#2\nPLACE"];"#,
        r#""mutex#2" -> "task#1" [style=dashed, label="held 5.0s\nPLACE"];"#,
        "}",
    ];
    assert_eq!(lines(&dump(tasks, vec![a, b])), expected);
}

#[test]
fn a_crowd_is_one_node_and_its_holder_another() {
    let lock = held(object(Kind::Mutex, 1, None), 99);
    let mut tasks: Vec<_> = (1..=9).map(|number| waits(number, &lock)).collect();
    let site = Some(here());
    for task in &mut tasks {
        task.wait.as_mut().unwrap().site = site;
    }
    tasks.push(task(99));
    let graph = lines(&dump(tasks.clone(), vec![Arc::clone(&lock)]));
    let crowd = r#""task#1" [shape=box, label="9 tasks\nsync.Mutex.Lock, up to 2.0s"];"#;
    assert!(graph.contains(&crowd.to_owned()), "{graph:#?}");
    assert!(graph.contains(&r#""task#99" [shape=box, label="task 99\nrunning"];"#.to_owned()));
    assert!(!graph.iter().any(|line| line.starts_with("\"task#2\"")));

    tasks.remove(0);
    let graph = lines(&dump(tasks, vec![lock]));
    assert_eq!(
        graph
            .iter()
            .filter(|line| line.contains("-> \"mutex#1\""))
            .count(),
        8
    );
}
