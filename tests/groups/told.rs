//! What the dump says of those who wait for a group, a cell or a barrier.

use gochan::diag::{TaskInfo, Wait, dump};
use gochan::hook::{Kind, ObjId};
use gochan::sync::{Barrier, OnceCell, WaitGroup};
use gochan::task;
use std::panic::Location;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// The task, once it waits.
fn waiting(id: ObjId) -> (TaskInfo, Wait) {
    let begin = Instant::now();
    loop {
        let dump = dump();
        if let Some(task) = dump.task(id)
            && let Some(wait) = &task.wait
        {
            return (task.clone(), wait.clone());
        }
        assert!(begin.elapsed() < Duration::from_secs(60), "{dump}");
        std::thread::yield_now();
    }
}

fn is_at(site: Option<&'static Location<'static>>, line: u32) -> bool {
    site.is_some_and(|site| site.file() == file!() && site.line() == line)
}

#[test]
fn which_members_have_not_finished() {
    let wg = WaitGroup::new().named("digests");
    let made = line!() - 1;
    wg.add(1);
    let (stop, stopped) = gochan::chan::<()>(0);
    let member = wg.go(async move { _ = stopped.recv().await });
    let spawned = line!() - 1;
    let token = wg.token();
    let taken = line!() - 1;
    let group = wg.clone();
    let waiter = gochan::go(async move { group.wait().await });
    let awaited = line!() - 1;

    let (task, wait) = waiting(waiter.id());
    assert_eq!(wait.reason.as_str(), "sync.WaitGroup.Wait");
    assert!(is_at(wait.site, awaited));
    let object = wait.object.unwrap();
    assert_eq!((object.id, object.id.kind()), (wg.id(), Kind::WaitGroup));
    assert_eq!(object.name.as_deref(), Some("digests"));
    assert!(is_at(object.made, made));
    assert_eq!((object.count, object.waiters), (Some(3), 1));
    let mut kept: Vec<_> = object
        .holders
        .iter()
        .map(|one| (one.id, one.site))
        .collect();
    kept.sort_by_key(|(_, site)| site.map(Location::line));
    assert_eq!(kept.len(), 2, "one was counted by hand");
    assert_eq!(kept[0].0, member.id());
    assert!(is_at(kept[0].1, spawned));
    assert_eq!(kept[1].0.kind(), Kind::Thread);
    assert!(is_at(kept[1].1, taken));
    let text = task.to_string();
    let line = format!("\tkept by task {} for ", member.id().number());
    assert!(text.contains(&line), "{text}");
    assert!(text.contains("\t1 waiter, 3 not done\n"), "{text}");
    // The task is what the user wrote, not our wrapper of it.
    let dump = dump();
    let shown = dump.task(member.id()).unwrap();
    assert!(
        shown
            .type_name
            .unwrap()
            .contains("which_members_have_not_finished")
    );
    assert!(is_at(shown.spawned, spawned));

    drop(stop);
    member.wait().unwrap();
    let (_, wait) = waiting(waiter.id());
    let object = wait.object.unwrap();
    assert_eq!((object.count, object.holders.len()), (Some(2), 1));
    drop(token);
    wg.done();
    waiter.wait().unwrap();
}

#[test]
fn who_initialises() {
    let cell = Arc::new(OnceCell::<u8>::new().named("config"));
    let (stop, stopped) = gochan::chan::<()>(0);
    let first = cell.clone();
    let loader = task::Builder::new().name("loader").go(async move {
        first
            .get_or_init(|| async {
                _ = stopped.recv().await;
                1
            })
            .await;
    });
    let begun = line!() - 6;
    waiting(loader.id());
    let second = cell.clone();
    let waiter = gochan::go(async move { *second.get_or_init(|| async { 2 }).await });
    let (task, wait) = waiting(waiter.id());
    assert_eq!(wait.reason.as_str(), "once");
    let object = wait.object.unwrap();
    assert_eq!((object.id, object.id.kind()), (cell.id(), Kind::Once));
    assert_eq!(object.holders.len(), 1);
    assert_eq!(object.holders[0].id, loader.id());
    assert!(is_at(object.holders[0].site, begun));
    let text = task.to_string();
    assert!(text.contains("\tbeing initialised by task "), "{text}");
    assert!(text.contains("\"loader\" for "), "{text}");
    drop(stop);
    assert_eq!(waiter.wait().unwrap(), 1);
    loader.wait().unwrap();
}

#[test]
fn who_is_at_the_barrier() {
    let barrier = Arc::new(Barrier::new(3).named("phase"));
    let waits = |_| {
        let barrier = barrier.clone();
        gochan::go(async move { barrier.wait().await })
    };
    let tasks: Vec<_> = (0..2).map(waits).collect();
    for task in &tasks {
        waiting(task.id());
    }
    let (_, wait) = waiting(tasks[0].id());
    assert_eq!(wait.reason.as_str(), "barrier");
    let object = wait.object.unwrap();
    assert_eq!(object.id.kind(), Kind::Barrier);
    assert_eq!((object.name.as_deref(), object.waiters), (Some("phase"), 2));
    assert!(barrier.wait_blocking().is_leader());
    for task in tasks {
        assert!(!task.wait().unwrap().is_leader());
    }
}
