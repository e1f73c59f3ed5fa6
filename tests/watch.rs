//! Thresholds on real programs: what is wrong is raised with its subject, and cleared when it is over.

use gochan::diag::watch::{Alert, Change, Health, Rule, Subject, Watch};
use gochan::hook::WaitReason;
use gochan::{Runtime, chan, go};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::thread;
use std::time::{Duration, Instant};

/// Looks are ours alone: the watch's own come once an hour.
fn watch(rule: Rule) -> Watch {
    let hour = Duration::from_secs(3_600);
    Watch::builder().every(hour).rule(rule).start().unwrap()
}

/// The one alert about `wanted`, once there is one.
fn raised(watch: &Watch, wanted: Subject) -> Alert {
    let begin = Instant::now();
    loop {
        if let Health::Degraded(alerts) = watch.check()
            && let Some(alert) = alerts.into_iter().find(|alert| alert.subject == wanted)
        {
            assert_eq!(alert.change, Change::Raised);
            return alert;
        }
        assert!(
            begin.elapsed() < Duration::from_secs(60),
            "{}",
            gochan::diag::dump()
        );
        thread::yield_now();
    }
}

fn cleared(watch: &Watch, wanted: Subject) {
    let begin = Instant::now();
    while let Health::Degraded(alerts) = watch.check()
        && alerts.iter().any(|alert| alert.subject == wanted)
    {
        assert!(begin.elapsed() < Duration::from_secs(60), "{alerts:?}");
        thread::yield_now();
    }
}

#[test]
fn a_channel_that_is_full() {
    let (tx, rx) = chan::<u64>(1);
    let channel = Subject::Object(rx.id());
    let watch = watch(Rule::channel_full_above(Duration::from_nanos(1)));
    let sender = go(async move {
        tx.send(1).await.unwrap();
        tx.send(2).await.unwrap();
    });
    let alert = raised(&watch, channel);
    assert!(alert.number > 1);
    assert_eq!(rx.recv_blocking(), Ok(1));
    sender.wait().unwrap();
    cleared(&watch, channel);
}

#[test]
fn a_lock_that_others_wait_for() {
    let lock = Arc::new(gochan::sync::Mutex::new(()));
    let subject = Subject::Object(lock.id());
    let watch = watch(Rule::lock_held_above(Duration::from_nanos(1)));
    let held = lock.lock_blocking();
    assert!(watch.check().is_ok(), "nobody waits for it");
    let other = Arc::clone(&lock);
    let waiter = go(async move { drop(other.lock().await) });
    raised(&watch, subject);
    drop(held);
    waiter.wait().unwrap();
    cleared(&watch, subject);
}

#[test]
fn a_poll_that_does_not_end() {
    let end = Arc::new(AtomicBool::new(false));
    let over = Arc::clone(&end);
    let runtime = Runtime::builder().workers(1).build().unwrap();
    let spinner = runtime.go(async move {
        while !over.load(Relaxed) {
            std::hint::spin_loop();
        }
    });
    let watch = watch(Rule::long_poll_above(Duration::from_nanos(1)));
    let subject = Subject::Task(spinner.id());
    let alert = raised(&watch, subject);
    assert!(alert.number >= 10_000_000, "{alert}");
    end.store(true, Relaxed);
    spinner.wait().unwrap();
    cleared(&watch, subject);
}

#[test]
fn a_place_that_spawns_and_spawns() {
    let (stop, stopped) = chan::<()>(0);
    let watch = watch(Rule::growth_above(2, 3).until(0));
    let spawn = || {
        let stopped = stopped.clone();
        go(async move { stopped.recv().await })
    };
    let first = spawn();
    let site = gochan::diag::dump()
        .task(first.id())
        .unwrap()
        .spawned
        .unwrap();
    let mut tasks = vec![first];
    for _ in 0..4 {
        tasks.push(spawn());
        watch.check();
    }
    raised_now(&watch, Subject::Spawned(site));
    drop(stop);
    watch.check();
    tasks
        .into_iter()
        .for_each(|task| assert!(task.wait().is_ok()));
    cleared(&watch, Subject::Spawned(site));
}

fn raised_now(watch: &Watch, wanted: Subject) {
    match watch.health() {
        Health::Degraded(alerts) if alerts.iter().any(|alert| alert.subject == wanted) => {}
        other => panic!("{other}"),
    }
}

#[test]
fn how_long_tasks_wait_for_a_worker() {
    let watch = watch(Rule::scheduling_p99_above(Duration::ZERO));
    go(async {}).wait().unwrap();
    raised(&watch, Subject::Process);
}

/// What may wait for as long as it likes, and what may not.
#[test]
fn idle_waits_are_left_out() {
    let watch = watch(Rule::wait_for_above(
        WaitReason::Barrier,
        Duration::from_nanos(1),
    ));
    let barrier = Arc::new(gochan::sync::Barrier::new(3));
    let waits = |idle: bool| {
        let barrier = Arc::clone(&barrier);
        go(async move {
            match idle {
                true => gochan::diag::idle_ok(barrier.wait()).await.is_leader(),
                false => barrier.wait().await.is_leader(),
            }
        })
    };
    let idle = waits(true);
    let begin = Instant::now();
    while gochan::diag::dump().task(idle.id()).unwrap().wait.is_none() {
        assert!(begin.elapsed() < Duration::from_secs(60));
        thread::yield_now();
    }
    assert!(watch.check().is_ok());
    let other = waits(false);
    raised(&watch, Subject::Reason(WaitReason::Barrier));
    barrier.wait_blocking();
    assert!(idle.wait().is_ok() && other.wait().is_ok());
}

/// On the watch's own thread, by its own clock.
#[test]
fn it_looks_by_itself() {
    static TOLD: AtomicUsize = AtomicUsize::new(0);
    let (_tx, rx) = chan::<u64>(0);
    let waiter = go(async move { rx.recv().await });
    let watch = Watch::builder()
        .every(Duration::from_millis(1))
        .rule(Rule::tasks_above(0))
        .subscribe(|alert| {
            assert_eq!(thread::current().name(), Some("gochan-watch"), "{alert}");
            TOLD.fetch_add(1, Relaxed);
        })
        .start()
        .unwrap();
    while TOLD.load(Relaxed) == 0 {
        thread::yield_now();
    }
    assert!(!watch.health().is_ok());
    waiter.abort();
}

/// A channel that is full fires the trigger, with the alert as the reason and what led there.
#[test]
fn a_threshold_takes_the_recording() {
    let recorder = gochan::diag::trace::Recorder::start().unwrap();
    let (tell, told) = std::sync::mpsc::channel();
    let trigger = recorder.trigger(move |reason, trace| {
        tell.send((reason.to_owned(), trace.events().len()))
            .unwrap();
    });
    // Channels of other tests may be full as well.
    let trigger = trigger.cool_down(Duration::ZERO);
    let (tx, rx) = chan::<u64>(0);
    let rx = rx.named("full");
    let watch = Watch::builder()
        .every(Duration::from_secs(3_600))
        .rule(Rule::channel_full_above(Duration::from_nanos(1)))
        .fire(&trigger)
        .start()
        .unwrap();
    let channel = Subject::Object(rx.id());
    let sender = go(async move { tx.send(1).await });
    raised(&watch, channel);
    let mut alerts = told.iter();
    let (reason, events) = alerts.find(|alert| alert.0.contains("\"full\"")).unwrap();
    assert!(reason.contains(": full for "), "{reason}");
    assert!(events > 0, "the recording is empty");
    assert_eq!(rx.recv().wait(), Ok(1));
    sender.wait().unwrap().unwrap();
    cleared(&watch, channel);
    drop((watch, trigger));
    let own = told.iter().filter(|alert| alert.0.contains("\"full\""));
    assert_eq!(own.count(), 0, "its end is no reason");
}
