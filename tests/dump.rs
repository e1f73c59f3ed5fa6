//! The dump of real programs: tasks that are stuck in every way there is, and what is said of them.

use gochan::diag::{Dump, TaskInfo, TaskState, Wait, dump};
use gochan::hook::{Kind, ObjId};
use gochan::{Runtime, chan, go, select, task};
use std::collections::HashSet;
use std::panic::Location;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Barrier};
use std::thread;
use std::time::{Duration, Instant};

/// Looks until `good` is content with a dump.
fn until(good: impl Fn(&Dump) -> bool) -> Dump {
    let begin = Instant::now();
    loop {
        let dump = dump();
        if good(&dump) {
            return dump;
        }
        assert!(begin.elapsed() < Duration::from_secs(60), "{dump}");
        thread::yield_now();
    }
}

/// The task, once it waits.
fn waiting(id: ObjId) -> (TaskInfo, Wait) {
    let waits = |dump: &Dump| dump.task(id).is_some_and(|task| task.wait.is_some());
    let task = until(waits).task(id).unwrap().clone();
    assert_eq!(task.state, TaskState::Waiting);
    let wait = task.wait.clone().unwrap();
    (task, wait)
}

fn one_worker() -> Runtime {
    Runtime::builder().workers(1).build().unwrap()
}

/// Whether `site` is in this file, in line `line`.
fn is_at(site: Option<&'static Location<'static>>, line: u32) -> bool {
    site.is_some_and(|site| site.file() == file!() && site.line() == line)
}

#[test]
fn stuck_in_a_receive() {
    let (tx, rx) = chan::<u64>(0);
    let made = line!() - 1;
    let rx = rx.named("orders");
    let chan_id = rx.id();
    let stuck = task::Builder::new().name("digest").go(async move {
        let _ = rx.recv().await;
    });
    let (spawned, awaited) = (line!() - 3, line!() - 2);
    let (task, wait) = waiting(stuck.id());
    assert_eq!(task.name.as_deref(), Some("digest"));
    assert!(is_at(task.spawned, spawned));
    assert_eq!(task.parent, None);
    assert_eq!(task.polls, 1);
    assert!(task.type_name.unwrap().contains("stuck_in_a_receive"));
    assert!(!task.is_thread() && !task.unstable);
    assert_eq!(wait.reason.as_str(), "chan receive");
    assert!(is_at(wait.site, awaited));
    let object = wait.object.unwrap();
    assert_eq!((object.id, object.id.kind()), (chan_id, Kind::Chan));
    assert_eq!(object.name.as_deref(), Some("orders"));
    assert!(is_at(object.made, made));
    assert!(wait.arms.is_empty() && wait.arm_count == 0);

    let text = task.to_string();
    let chan = format!("\ton {chan_id} \"orders\", made at {}:{made}\n", file!());
    assert!(text.contains(&chan), "{text}");
    let place = format!("\twaits at {}:{awaited}\n", file!());
    assert!(text.contains(&place), "{text}");

    tx.send_blocking(1).unwrap();
    stuck.wait().unwrap();
    assert!(dump().task(task.id).is_none(), "it is done");
}

#[test]
fn stuck_in_a_send() {
    let (tx, rx) = chan::<u64>(1);
    let stuck = go(async move {
        tx.send(1).await.unwrap();
        let _ = tx.send(2).await;
    });
    let awaited = line!() - 2;
    let (task, wait) = waiting(stuck.id());
    assert_eq!(wait.reason.as_str(), "chan send");
    assert!(is_at(wait.site, awaited));
    assert_eq!(wait.object.unwrap().id, rx.id());
    assert_eq!(task.name, None);
    drop(rx);
    stuck.wait().unwrap();
}

#[test]
fn stuck_in_a_select() {
    let (in_tx, in_rx) = chan::<u64>(0);
    let (out_tx, out_rx) = chan::<u64>(0);
    let ids = (in_rx.id(), out_tx.id());
    let first = line!() + 4;
    let stuck = go(async move {
        select! {
            biased;
            _ = in_rx.recv() => (),
            _ = out_tx.send(5) => (),
            _ = gochan::sleep(Duration::from_secs(3_600)) => (),
        }
    });
    let (_, wait) = waiting(stuck.id());
    assert_eq!(wait.reason.as_str(), "select");
    assert!(wait.object.is_none());
    assert_eq!(wait.site.unwrap().file(), file!());
    assert_eq!(wait.arm_count, 3);
    let arms: Vec<_> = wait.arms.iter().collect();
    assert_eq!(
        arms.iter()
            .map(|arm| arm.reason.as_str())
            .collect::<Vec<_>>(),
        ["chan receive", "chan send", "sleep"]
    );
    assert_eq!(arms[0].object.as_ref().unwrap().id, ids.0);
    assert_eq!(arms[1].object.as_ref().unwrap().id, ids.1);
    assert!(arms[0].object.as_ref().unwrap().made.is_some());
    for (arm, line) in arms.iter().zip(first..) {
        assert!(is_at(arm.site, line), "{arm}");
    }
    drop((in_tx, out_rx));
    stuck.wait().unwrap();
}

#[test]
fn an_arm_that_is_not_there() {
    let (tx, rx) = chan::<u64>(0);
    let stuck = go(async move {
        let no = false.then(|| rx.recv());
        select! {
            biased;
            _ = no => unreachable!(),
            _ = rx.recv() => (),
        }
    });
    let (_, wait) = waiting(stuck.id());
    let nil = &wait.arms[0];
    assert!(nil.object.is_none() && nil.site.is_none());
    assert_eq!(nil.to_string(), "chan receive (nil chan)");
    drop(tx);
    stuck.wait().unwrap();
}

#[test]
fn stuck_in_a_join_of_a_sleeper() {
    let sleeper = task::Builder::new().name("sleeper");
    let sleeper = sleeper.go(gochan::sleep(Duration::from_secs(3_600)));
    let slept = line!() - 1;
    let id = sleeper.id();
    let stuck = go(async move { sleeper.await.unwrap_err().is_cancelled() });
    let (_, wait) = waiting(stuck.id());
    assert_eq!(wait.reason.as_str(), "join");
    let object = wait.object.unwrap();
    assert_eq!((object.id, object.name.as_deref()), (id, Some("sleeper")));
    assert!(is_at(object.made, slept));

    let (_, wait) = waiting(id);
    assert_eq!(wait.reason.as_str(), "sleep");
    assert!(is_at(wait.site, slept));
    assert_eq!(wait.object.unwrap().id.kind(), Kind::Timer);
    stuck.abort();
    assert!(stuck.wait().unwrap_err().is_cancelled());
}

#[test]
fn stuck_in_something_foreign() {
    let stuck = go(std::future::pending::<()>());
    let (task, wait) = waiting(stuck.id());
    assert_eq!(wait.reason.as_str(), "foreign");
    assert!(wait.object.is_none() && wait.site.is_none());
    assert!(task.to_string().contains(" [foreign, "));
    stuck.abort();
}

#[test]
fn inside_a_blocking_call() {
    let (tx, rx) = std::sync::mpsc::channel();
    let calls = go(async move {
        let got: u64 = gochan::blocking(|| rx.recv().unwrap());
        gochan::yield_now().await;
        got
    });
    let called = line!() - 4;
    let (_, wait) = waiting(calls.id());
    assert_eq!(wait.reason.as_str(), "blocking");
    assert!(is_at(wait.site, called));
    tx.send(3).unwrap();
    assert_eq!(calls.wait().unwrap(), 3);
}

#[test]
fn who_woke_it_and_who_spawned_it() {
    let rt = one_worker();
    let (tx, rx) = chan::<u64>(0);
    let (gate_tx, gate_rx) = chan::<()>(0);
    let (tell, told) = std::sync::mpsc::channel();
    let parent = rt.go(async move {
        let receiver = go(async move { while rx.recv().await.is_ok() {} });
        tell.send(receiver.id()).unwrap();
        gate_rx.recv().await.unwrap_err();
        tx.send(1).await.unwrap();
        // Kept alive, so that the receiver goes on to wait.
        (tx, receiver)
    });
    let parent_id = parent.id();
    let receiver = told.recv().unwrap();
    let (task, _) = waiting(receiver);
    assert_eq!((task.parent, task.woken_by), (Some(parent_id), None));
    drop(gate_tx);
    let (tx, handle) = parent.wait().unwrap();
    let again = |dump: &Dump| {
        let task = dump.task(receiver).unwrap();
        task.wait.is_some() && task.polls == 2
    };
    let dump = until(again);
    let task = dump.task(receiver).unwrap();
    assert_eq!(task.woken_by, Some(parent_id));
    let line = format!("\tlast woken by task {}, 2 polls\n", parent_id.number());
    assert!(task.to_string().contains(&line), "{task}");
    drop(tx);
    handle.wait().unwrap();
}

/// A joiner is woken by the task that it has joined.
#[test]
fn woken_by_a_tasks_end() {
    let rt = one_worker();
    let (tx, rx) = chan::<u64>(0);
    let (gate_tx, gate_rx) = chan::<()>(0);
    let first = rt.go(async move { gate_rx.recv().await.is_ok() });
    let first_id = first.id();
    let joins = rt.go(async move {
        first.await.unwrap();
        let _ = rx.recv().await;
    });
    assert_eq!(waiting(joins.id()).1.reason.as_str(), "join");
    drop(gate_tx);
    let goes_on = |dump: &Dump| {
        let wait = dump.task(joins.id()).unwrap().wait.as_ref();
        wait.is_some_and(|wait| wait.reason.as_str() == "chan receive")
    };
    let dump = until(goes_on);
    assert_eq!(dump.task(joins.id()).unwrap().woken_by, Some(first_id));
    drop(tx);
    joins.wait().unwrap();
}

#[test]
fn a_blocked_thread() {
    let (tx, rx) = chan::<u64>(0);
    let chan_id = rx.id();
    let thread = thread::Builder::new().name("plain thread".into());
    let thread = thread.spawn(move || rx.recv_blocking()).unwrap();
    let awaited = line!() - 1;
    let on_it = |task: &&TaskInfo| {
        let object = task.wait.as_ref().and_then(|wait| wait.object.as_ref());
        object.is_some_and(|object| object.id == chan_id)
    };
    let dump = until(|dump| dump.tasks.iter().any(|task| on_it(&task)));
    let found = dump.tasks.iter().find(on_it).unwrap();
    assert!(found.is_thread());
    assert_eq!(found.name.as_deref(), Some("plain thread"));
    assert_eq!(found.spawned, None);
    let wait = found.wait.as_ref().unwrap();
    assert_eq!(wait.reason.as_str(), "chan receive");
    assert!(is_at(wait.site, awaited));
    let text = found.to_string();
    assert!(text.contains("\"plain thread\" [chan receive, "), "{text}");
    assert!(text.contains(", blocked thread]:"), "{text}");
    let id = found.id;
    tx.send_blocking(1).unwrap();
    assert_eq!(thread.join().unwrap(), Ok(1));
    assert!(gochan::diag::dump().task(id).is_none());
}

#[test]
fn a_thread_that_has_waited_is_not_listed() {
    let (tx, rx) = chan::<u64>(0);
    let sender = thread::spawn(move || tx.send_blocking(1).unwrap());
    rx.recv_blocking().unwrap();
    sender.join().unwrap();
    let me = thread::current();
    let named = |task: &&TaskInfo| task.is_thread() && task.name.as_deref() == me.name();
    assert!(dump().tasks.iter().find(named).is_none());
}

#[test]
fn running_runnable_and_a_wedged_worker() {
    let rt = one_worker();
    let (wedged, go_on) = (Arc::new(Barrier::new(2)), Arc::new(AtomicBool::new(false)));
    let (at, on) = (Arc::clone(&wedged), Arc::clone(&go_on));
    let runs = rt.go(async move {
        at.wait();
        while !on.load(Relaxed) {
            thread::yield_now();
        }
    });
    wedged.wait();
    let queued = rt.go(async {});
    // The only worker is stuck; the dump needs nobody's help.
    let dump = dump();
    assert_eq!(dump.task(runs.id()).unwrap().state, TaskState::Running);
    assert_eq!(dump.task(queued.id()).unwrap().state, TaskState::Runnable);
    assert!(dump.task(queued.id()).unwrap().wait.is_none());
    go_on.store(true, Relaxed);
    queued.wait().unwrap();
}

#[test]
fn looking_changes_nothing() {
    let (tx, rx) = chan::<u64>(0);
    let stuck = go(async move { rx.recv().await });
    let (first, wait) = waiting(stuck.id());
    for _ in 0..10 {
        let dump = dump();
        let again = dump.task(stuck.id()).unwrap();
        assert_eq!(again.polls, first.polls);
        assert!(again.wait.as_ref().unwrap().waited_ns >= wait.waited_ns);
        assert!(again.age_ns >= again.wait.as_ref().unwrap().waited_ns);
    }
    tx.send_blocking(1).unwrap();
    assert_eq!(stuck.wait().unwrap(), Ok(1));
}

#[test]
fn who_stays_is_there_once_while_others_come_and_go() {
    let rt = Runtime::builder().workers(2).build().unwrap();
    let (tx, rx) = chan::<u64>(0);
    let stay: Vec<_> = (0..500)
        .map(|_| {
            let rx = rx.clone();
            rt.go(async move { rx.recv().await.unwrap_err() })
        })
        .collect();
    let stop = Arc::new(AtomicBool::new(false));
    let stopped = Arc::clone(&stop);
    let churn = rt.go(async move {
        while !stopped.load(Relaxed) {
            go(async { gochan::yield_now().await }).await.unwrap();
        }
    });
    until(|dump| {
        let waiting: HashSet<_> = dump
            .tasks
            .iter()
            .filter(|task| task.wait.is_some())
            .map(|task| task.id)
            .collect();
        stay.iter().all(|task| waiting.contains(&task.id()))
    });
    for _ in 0..100 {
        let dump = dump();
        let mut ids: Vec<_> = dump.tasks.iter().map(|task| task.id).collect();
        ids.sort_unstable();
        for task in &stay {
            let here = ids.partition_point(|id| *id < task.id());
            assert_eq!(ids.get(here), Some(&task.id()));
            assert_ne!(ids.get(here + 1), Some(&task.id()));
        }
    }
    let text = dump().to_string();
    assert!(text.contains("\n500 tasks [chan receive, "), "{text}");
    stop.store(true, Relaxed);
    churn.wait().unwrap();
    drop(tx);
    stay.into_iter().for_each(|task| _ = task.wait().unwrap());
}

#[test]
fn the_longest_wait_comes_first() {
    let rt = one_worker();
    let (tx, rx) = chan::<u64>(0);
    let wait = || {
        let rx = rx.clone();
        let task = rt.go(async move { rx.recv().await.is_ok() });
        waiting(task.id());
        // A worker that has slept looks at the clock; one that is busy may tell the same time for two waits.
        rt.go(gochan::sleep(Duration::from_millis(1)))
            .wait()
            .unwrap();
        task
    };
    let tasks: Vec<_> = (0..5).map(|_| wait()).collect();
    let dump = dump();
    let order: Vec<_> = dump
        .tasks
        .iter()
        .filter_map(|seen| tasks.iter().position(|task| task.id() == seen.id))
        .collect();
    assert_eq!(order, [0, 1, 2, 3, 4]);
    drop(tx);
    tasks.into_iter().for_each(|task| _ = task.wait().unwrap());
}

#[cfg(feature = "diag")]
#[test]
fn the_json_of_a_stuck_program() {
    let (tx, rx) = chan::<u64>(0);
    let rx = rx.named("näme \"quoted\"\n");
    let stuck = go(async move { rx.recv().await });
    waiting(stuck.id());
    let json: serde_json::Value = serde_json::from_str(&dump().to_json()).unwrap();
    assert_eq!(json["schema"], "gochan.dump/1");
    let tasks = json["tasks"].as_array().unwrap();
    let id = stuck.id().to_string();
    let task = tasks.iter().find(|task| task["id"] == *id).unwrap();
    assert_eq!(task["state"], "waiting");
    assert_eq!(task["wait"]["reason"], "chan receive");
    assert_eq!(task["wait"]["object"]["kind"], "chan");
    assert_eq!(task["wait"]["object"]["name"], "näme \"quoted\"\n");
    assert_eq!(task["wait"]["site"]["file"], file!());
    assert!(task["wait"]["waited_ns"].as_u64().unwrap() > 0);
    drop(tx);
    stuck.wait().unwrap().unwrap_err();
}
