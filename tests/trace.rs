//! What tasks say of themselves (regions, labels, logs), and the flight recorder, on real programs.

use gochan::diag::{self, TaskInfo, dump};
use gochan::hook::ObjId;
use gochan::{chan, go};
use std::thread;
use std::time::{Duration, Instant};

/// What the dump says of the task, once `good` is content with it.
fn until(id: ObjId, good: impl Fn(&TaskInfo) -> bool) -> TaskInfo {
    let begin = Instant::now();
    loop {
        let dump = dump();
        if let Some(task) = dump.task(id).filter(|task| good(task)) {
            return task.clone();
        }
        assert!(begin.elapsed() < Duration::from_secs(60), "{dump}");
        thread::yield_now();
    }
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
        let seen = until(task.id(), waits);
        assert_eq!(region_names(&seen), ["request", "parse"]);
        let site = seen.regions[1].site.unwrap();
        assert_eq!((site.file(), site.line()), (file!(), line));
        assert!(seen.regions[0].since_ns >= seen.regions[1].since_ns);
        tx.send(()).await.unwrap();
        let answers = |task: &TaskInfo| region_names(task) == ["request", "answer"];
        until(task.id(), answers);
        tx.send(()).await.unwrap();
        until(task.id(), |task| region_names(task) == ["answer"]);
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
        until(keeper.id(), lends);
        drop(lent);
        until(keeper.id(), |task| task.regions.is_empty());
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
        let seen = until(task.id(), waits);
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
        let seen = until(next.id(), waits);
        assert!(seen.labels.is_empty() && seen.regions.is_empty());
        next.abort();
    });
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
    let seen = until(id_rx.recv().wait().unwrap(), waits);
    assert_eq!(region_names(&seen), ["setup"]);
    assert_eq!(&*seen.labels[0].1, "waiter");
    drop(tx);
    waiter.join().unwrap();
}
