//! The profiles that look at all tasks: `goroutine` and `wall`.

use super::pprof::{go_tool_pprof, has_line};
use gochan::diag;
use gochan::diag::profile::{self, LabelValue, Profile, Sample};
use gochan::{Receiver, Runtime, chan, go, select, task};
use std::time::Duration;

const FILE: &str = "tests/profiles/look.rs";

async fn consumer(rx: Receiver<u64>) {
    rx.recv().await.unwrap_err();
}
const CONSUMER_WAITS: u32 = line!() - 2;

async fn parent(rx: Receiver<u64>) {
    let _outer = diag::region!("all the work");
    go(consumer(rx)).await.unwrap();
}
const PARENT_SPAWNS: u32 = line!() - 2;

async fn worker(rx: Receiver<u64>) {
    diag::label("tenant", "eu");
    let _outer = diag::region!("request");
    let _inner = diag::region!("parse");
    rx.recv().await.unwrap_err();
}
const INNER: u32 = line!() - 3;

fn one_worker() -> Runtime {
    Runtime::builder().workers(1).build().unwrap()
}

/// Takes the profile until `good` is content.
fn until(good: impl Fn(&Profile) -> bool) -> Profile {
    loop {
        let profile = profile::goroutine();
        if good(&profile) {
            return profile;
        }
        std::thread::yield_now();
    }
}

fn consumes(sample: &Sample) -> bool {
    sample.is_at(FILE, CONSUMER_WAITS)
}

fn text<'a>(sample: &'a Sample, key: &str) -> Option<&'a str> {
    let label = sample.labels.iter().find(|label| label.key == key)?;
    match &label.value {
        LabelValue::Text(text) => Some(text),
        _ => None,
    }
}

/// One task that waits, and the one that spawned it.
fn blocked(body: impl FnOnce(&Sample, &Profile)) {
    let rt = one_worker();
    let (tx, rx) = chan::<u64>(0);
    let rx = rx.named("orders");
    let named = task::Builder::new().name("the parent");
    let waits = named.go(parent(rx));
    let profile = until(|profile| profile.samples.iter().any(consumes));
    body(
        profile.samples.iter().find(|s| consumes(s)).unwrap(),
        &profile,
    );
    drop(tx);
    rt.block_on(waits).unwrap();
}

#[test]
fn a_stack_is_the_wait_the_task_and_its_creators() {
    blocked(|sample, profile| {
        let frames: Vec<_> = sample
            .stack
            .iter()
            .map(|f| (&*f.function, f.line))
            .collect();
        let waits = format!("chan receive at {FILE}:{CONSUMER_WAITS}");
        assert_eq!(frames[0], (&*waits, CONSUMER_WAITS));
        assert_eq!(frames[1], ("profiles::look::consumer", PARENT_SPAWNS));
        assert_eq!(frames[2].0, "profiles::look::parent");
        assert_eq!(profile.types[0].name, "goroutine");
        assert_eq!(sample.values, [1]);
    });
}

#[test]
fn labels_say_what_is_waited_for() {
    blocked(|sample, _| {
        assert_eq!(text(sample, "state"), Some("waiting"));
        assert_eq!(text(sample, "wait_reason"), Some("chan receive"));
        let object = text(sample, "object").unwrap();
        assert!(object.starts_with("chan#") && object.ends_with(r#" "orders""#));
        assert!(
            text(sample, "class")
                .unwrap()
                .starts_with("chan made at tests/")
        );
        let waited = sample.labels.iter().find(|label| label.key == "wait_ns");
        let ns = LabelValue::Number(0, "nanoseconds");
        let is_ns = |value| std::mem::discriminant(value) == std::mem::discriminant(&ns);
        assert!(waited.is_some_and(|label| is_ns(&label.value)));
        let joins =
            |sample: &Sample| sample.has("wait_reason", "join") && sample.has("name", "the parent");
        until(|profile| profile.total_of("goroutine", joins) >= 1);
    });
}

#[test]
fn regions_stand_between_the_wait_and_the_task() {
    let rt = one_worker();
    let (tx, rx) = chan::<u64>(0);
    let task = rt.go(worker(rx));
    let ours = |sample: &Sample| {
        sample.is_at(FILE, INNER) && sample.has("tenant", "eu") && sample.has("state", "waiting")
    };
    let profile = until(|profile| profile.samples.iter().any(ours));
    let sample = profile.samples.iter().find(|s| ours(s)).unwrap();
    let names: Vec<_> = sample.stack.iter().map(|frame| &*frame.function).collect();
    assert_eq!(names[1..], ["parse", "request", "profiles::look::worker"]);
    let wall = profile::wall(Duration::from_millis(5), 1_000);
    assert!(wall.total_of("samples", |sample| sample.is_at(FILE, INNER)) > 0);
    drop(tx);
    rt.block_on(task).unwrap();
}

#[test]
fn a_select_names_its_objects() {
    let rt = one_worker();
    let (tx, rx) = chan::<u64>(0);
    let (other_tx, other) = chan::<u64>(0);
    let ids = [rx.id(), other.id()];
    let selects = rt.go(async move {
        select! { _ = rx.recv() => {}, _ = other.recv() => {} }
    });
    let waits = |sample: &Sample| ids.iter().all(|id| sample.has("object", &id.to_string()));
    until(|profile| profile.total_of("goroutine", waits) == 1);
    drop((tx, other_tx));
    rt.block_on(selects).unwrap();
}

#[test]
fn go_reads_the_goroutines() {
    blocked(|_, profile| {
        let line = format!("look.rs:{CONSUMER_WAITS}");
        if let Some(top) = go_tool_pprof(profile, &["-top"]) {
            assert!(top.contains("Type: goroutine"), "{top}");
            assert!(has_line(&top, &["chan receive at", &line]), "{top}");
            assert!(has_line(&top, &["profiles::look::consumer"]), "{top}");
        }
        if let Some(traces) = go_tool_pprof(profile, &["-traces", "-lines"]) {
            assert!(
                has_line(&traces, &["wait_reason:", "chan receive"]),
                "{traces}"
            );
            assert!(has_line(&traces, &["state:", "waiting"]), "{traces}");
            let spawned = format!("look.rs:{PARENT_SPAWNS}");
            assert!(
                has_line(&traces, &["profiles::look::consumer", &spawned]),
                "{traces}"
            );
        }
    });
}

async fn sits(rx: Receiver<u64>) {
    rx.recv().await.unwrap_err();
}
const SITS: u32 = line!() - 2;

/// A task that is there all the while is charged with all of the time, to the nanosecond.
#[test]
fn wall_charges_all_of_the_time() {
    let rt = one_worker();
    let (tx, rx) = chan::<u64>(0);
    let task = rt.go(sits(rx));
    let sits = |sample: &Sample| sample.is_at(FILE, SITS);
    until(|profile| profile.samples.iter().any(sits));
    let wall = profile::wall(Duration::from_millis(30), 200);
    assert_eq!(wall.total_of("time", sits), wall.duration.as_nanos() as u64);
    let looks = wall.total_of("samples", sits);
    assert!(looks >= 1);
    assert!(
        wall.duration >= Duration::from_millis(30),
        "as long as it was to last"
    );
    if let Some(top) = go_tool_pprof(&wall, &["-top"]) {
        assert!(
            top.contains("Type: time") && top.contains("Duration: "),
            "{top}"
        );
        assert!(
            has_line(&top, &["chan receive at", &format!("look.rs:{SITS}")]),
            "{top}"
        );
    }
    if let Some(traces) = go_tool_pprof(&wall, &["-traces"]) {
        assert!(has_line(&traces, &["profiles::look::sits"]), "{traces}");
    }
    drop(tx);
    rt.block_on(task).unwrap();
}

async fn taker() -> Profile {
    profile::wall(Duration::from_millis(5), 1_000)
}

#[test]
fn wall_leaves_its_caller_out() {
    let rt = one_worker();
    let wall = rt.block_on(async { go(taker()).await.unwrap() });
    let is_taker = |sample: &Sample| {
        let mut stack = sample.stack.iter();
        stack.any(|frame| frame.function == "profiles::look::taker")
    };
    assert_eq!(wall.total_of("samples", is_taker), 0, "{wall:#?}");
    assert!(wall.total_of("samples", |sample| sample.has("wait_reason", "join")) > 0);
}

#[test]
fn threads_are_where_their_runtime_was_built_and_their_worker_was_blocked() {
    let rt = Runtime::builder().workers(3).build().unwrap();
    let built = line!() - 1;
    let gate = std::sync::Arc::new(std::sync::Barrier::new(2));
    let theirs = gate.clone();
    let one = one_worker();
    let blocks = one.go(async move {
        go(async move { gate.wait() });
        gochan::blocking(|| theirs.wait());
    });
    let blocked = line!() - 2;
    one.block_on(blocks).unwrap();
    let profile = profile::threadcreate();
    let count = |what: &str, line| {
        let leaf = format!("{what} at {FILE}:{line}");
        profile.total_of("threadcreate", |sample| sample.stack[0].function == leaf)
    };
    assert_eq!((count("worker", built), count("monitor", built)), (3, 1));
    assert_eq!(count("spare", blocked), 1);
    if let Some(top) = go_tool_pprof(&profile, &["-top"]) {
        assert!(top.contains("Type: threadcreate"), "{top}");
        assert!(
            has_line(&top, &["worker at", &format!("look.rs:{built}")]),
            "{top}"
        );
    }
    if let Some(traces) = go_tool_pprof(&profile, &["-traces"]) {
        let spare = format!("look.rs:{blocked}");
        assert!(has_line(&traces, &["spare at", &spare]), "{traces}");
    }
    drop(rt);
}

#[test]
fn idle_waits_are_marked_and_not_pending() {
    let rt = one_worker();
    let (tx, rx) = chan::<u64>(0);
    let task = rt.go(async move { gochan::diag::idle_ok(idles(rx)).await });
    let ours = |sample: &Sample| sample.is_at(FILE, IDLES) && sample.has("idle", "true");
    until(|profile| profile.total_of("goroutine", ours) == 1);
    let pending = |sample: &Sample| sample.is_at(FILE, IDLES);
    assert_eq!(profile::block().total_of("pending", pending), 0);
    drop(tx);
    rt.block_on(task).unwrap();
}

async fn idles(rx: Receiver<u64>) {
    rx.recv().await.unwrap_err();
}
const IDLES: u32 = line!() - 2;
