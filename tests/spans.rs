//! Spans of the `tracing` crate on tasks of ours: they are regions, also while their task waits.

use gochan::diag::trace::Recorder;
use gochan::diag::{Spans, TaskInfo, dump};
use gochan::hook::ObjId;
use gochan::{chan, go};
use std::sync::Once;
use std::time::{Duration, Instant};
use tracing::{Instrument as _, info, info_span};
use tracing_subscriber::layer::SubscriberExt as _;

/// For all threads of this process.
fn listen() {
    static LISTENS: Once = Once::new();
    LISTENS.call_once(|| {
        let spans = Spans::new().label("tenant").label("attempt");
        let subscriber = tracing_subscriber::registry().with(spans);
        tracing::subscriber::set_global_default(subscriber).unwrap();
    });
}

/// The task, once it waits and is in these regions.
fn until(id: ObjId, regions: &[&str]) -> TaskInfo {
    let begin = Instant::now();
    loop {
        let dump = dump();
        if let Some(task) = dump.task(id)
            && task.wait.is_some()
            && task
                .regions
                .iter()
                .map(|region| region.name)
                .eq(regions.iter().copied())
        {
            return task.clone();
        }
        assert!(begin.elapsed() < Duration::from_secs(60), "{dump}");
        std::thread::yield_now();
    }
}

fn labels(task: &TaskInfo) -> Vec<(&str, &str)> {
    let labels = task.labels.iter();
    labels.map(|(key, value)| (&**key, &**value)).collect()
}

#[test]
fn a_task_that_waits_is_in_its_spans() {
    listen();
    let (tx, rx) = chan::<()>(0);
    let inner = rx.clone();
    let parse = async move { inner.recv().await }.instrument(info_span!("parse"));
    let request = async move {
        parse.await.unwrap();
        rx.recv().await.unwrap();
    };
    let span = info_span!("request", tenant = "eu", attempt = 3, size = 17);
    let task = go(async move {
        request.instrument(span).await;
        "done"
    });
    let seen = until(task.id(), &["request", "parse"]);
    assert_eq!(labels(&seen), [("tenant", "eu"), ("attempt", "3")]);
    assert!(
        seen.regions.iter().all(|region| region.site.is_none()),
        "not in our own source"
    );
    tx.send(()).wait().unwrap();
    until(task.id(), &["request"]);
    tx.send(()).wait().unwrap();
    assert_eq!(task.wait().unwrap(), "done");
}

#[test]
fn a_span_that_is_closed_is_no_region_any_more() {
    listen();
    let (tx, rx) = chan::<()>(0);
    let task = go(async move {
        let span = info_span!("short", attempt = tracing::field::Empty);
        span.in_scope(|| ());
        span.in_scope(|| span.record("attempt", 1));
        rx.recv().await.unwrap();
        drop(span);
        rx.recv().await.unwrap();
    });
    let seen = until(task.id(), &["short"]);
    assert_eq!(labels(&seen), [("attempt", "1")]);
    tx.send(()).wait().unwrap();
    until(task.id(), &[]);
    tx.send(()).wait().unwrap();
    task.wait().unwrap();
}

#[test]
fn a_span_is_of_who_entered_it_last() {
    listen();
    let span = info_span!("shared");
    let (tx, rx) = chan::<()>(0);
    let enter = || {
        let (span, rx) = (span.clone(), rx.clone());
        go(async move {
            span.in_scope(|| ());
            rx.recv().await.ok();
        })
    };
    let first = enter();
    until(first.id(), &["shared"]);
    let second = enter();
    until(second.id(), &["shared"]);
    until(first.id(), &[]);
    drop(span);
    drop(tx);
    first.wait().unwrap();
    second.wait().unwrap();
}

#[test]
fn events_are_in_the_recording() {
    listen();
    let recorder = Recorder::start().unwrap();
    go(async { info!(order = 17, "paid") }).wait().unwrap();
    let trace = recorder.snapshot();
    let said: Vec<_> = trace
        .events()
        .iter()
        .filter_map(|event| event.message())
        .collect();
    assert_eq!(said, ["paid order=17"]);
}

/// Two layers, each with a label of its own: neither takes away what the other keeps.
#[test]
fn two_layers_share_a_span() {
    let layers = tracing_subscriber::registry()
        .with(Spans::new().label("tenant"))
        .with(Spans::new().label("user"));
    tracing::subscriber::with_default(layers, || {
        let (tx, rx) = chan::<()>(0);
        let (id_tx, id_rx) = chan::<ObjId>(1);
        let dispatch = tracing::dispatcher::get_default(Clone::clone);
        let waiter = std::thread::spawn(move || {
            tracing::dispatcher::with_default(&dispatch, || {
                let _span = info_span!("request", tenant = "eu", user = "gopher").entered();
                let region = gochan::diag::region!("inner");
                id_tx.try_send(region.task()).unwrap();
                rx.recv().wait().unwrap_err();
            });
        });
        let seen = until(id_rx.recv().wait().unwrap(), &["request", "inner"]);
        assert_eq!(labels(&seen), [("tenant", "eu"), ("user", "gopher")]);
        drop(tx);
        waiter.join().unwrap();
    });
}
