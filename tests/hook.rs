//! The hook interface on real programs. Subscribers hear of the whole process, so each test looks at its own tasks only.

use gochan::hook::{
    self, Exit, Kind, ObjId, Park, PollEnd, PollStart, Ready, Spawn, Subscriber, Subscription,
    WaitReason,
};
use gochan::{Runtime, chan, go, select, task};
use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

/// An event, without what is borrowed.
#[derive(Clone, Debug)]
enum Event {
    Spawn(Spawn),
    Park(ObjId, WaitReason, ObjId, Vec<ObjId>),
    Ready(Ready),
    PollStart(ObjId),
    PollEnd(ObjId, bool),
    Exit(Exit),
}

use Event::*;

impl Event {
    fn task(&self) -> ObjId {
        match self {
            Spawn(event) => event.task,
            Ready(event) => event.task,
            Exit(event) => event.task,
            Park(task, ..) | PollStart(task) | PollEnd(task, _) => *task,
        }
    }
}

/// Writes everything down.
#[derive(Default)]
struct Diary(Mutex<Vec<Event>>, Mutex<HashMap<ObjId, Instant>>);

impl Diary {
    fn begin() -> (Arc<Diary>, Subscription) {
        let diary = Arc::new(Diary::default());
        let subscription = hook::subscribe(Arc::clone(&diary));
        (diary, subscription)
    }

    fn add(&self, event: Event) {
        self.0.lock().unwrap().push(event);
    }

    /// What was written of this task.
    fn of(&self, task: ObjId) -> Vec<Event> {
        let events = self.0.lock().unwrap();
        let own = events.iter().filter(|event| event.task() == task);
        own.cloned().collect()
    }

    /// When it was told of the task's last wait.
    fn parked_at(&self, task: ObjId) -> Instant {
        self.1.lock().unwrap()[&task]
    }

    fn readies(&self, task: ObjId) -> Vec<Ready> {
        let ready = |event| match event {
            Ready(event) => Some(event),
            _ => None,
        };
        self.of(task).into_iter().filter_map(ready).collect()
    }

    /// Waits until the last event of the task is written.
    fn until_exit(&self, task: ObjId) -> Vec<Event> {
        let begin = Instant::now();
        loop {
            let events = self.of(task);
            if let Some(Exit(_)) = events.last() {
                return events;
            }
            assert!(begin.elapsed() < Duration::from_secs(60), "{events:?}");
            thread::yield_now();
        }
    }
}

impl Subscriber for Diary {
    fn on_spawn(&self, event: &hook::Spawn) {
        self.add(Spawn(*event));
    }
    fn on_park(&self, event: &hook::Park<'_>) {
        let arms = event.arms.iter().map(|arm| arm.object).collect();
        self.1.lock().unwrap().insert(event.task, Instant::now());
        self.add(Park(event.task, event.reason, event.object, arms));
    }
    fn on_ready(&self, event: &hook::Ready) {
        self.add(Ready(*event));
    }
    fn on_poll_start(&self, event: &hook::PollStart) {
        self.add(PollStart(event.task));
    }
    fn on_poll_end(&self, event: &hook::PollEnd) {
        self.add(PollEnd(event.task, event.done));
    }
    fn on_exit(&self, event: &hook::Exit) {
        self.add(Exit(*event));
    }
}

fn one_worker() -> Runtime {
    Runtime::builder().workers(1).build().unwrap()
}

/// Every end of a wait belongs to a beginning: same reason and object, nothing else of that task in between.
fn check_pairs(events: &[Event]) {
    let mut open: HashMap<ObjId, (WaitReason, ObjId, Vec<ObjId>)> = HashMap::new();
    for event in events {
        match event {
            Park(task, reason, object, arms) => {
                open.insert(*task, (*reason, *object, arms.clone()));
            }
            Ready(event) => {
                let (reason, object, arms) = open.remove(&event.task).expect("ready, not parked");
                assert_eq!(event.reason, reason);
                assert!(event.object == object || arms.contains(&event.object));
                assert!(event.waited_ns > 0);
            }
            _ => {}
        }
    }
}

#[test]
fn waits_and_their_ends_come_in_pairs_and_say_who_woke_whom() {
    const ROUNDS: u64 = 100;
    let (diary, subscription) = Diary::begin();
    let (ping_tx, ping_rx) = chan::<u64>(0);
    let (pong_tx, pong_rx) = chan::<u64>(0);
    let rt = one_worker();
    let pong = rt.go(async move {
        while let Ok(n) = ping_rx.recv().await {
            pong_tx.send(n).await.unwrap();
        }
    });
    let pong_id = pong.id();
    let ping = rt.go(async move {
        for n in 0..ROUNDS {
            ping_tx.send(n).await.unwrap();
            assert_eq!(pong_rx.recv().await, Ok(n));
        }
        pong_rx.id()
    });
    let ping_id = ping.id();
    ping.wait().unwrap();
    pong.wait().unwrap();
    diary.until_exit(pong_id);
    drop(subscription);

    for (task, other) in [(ping_id, pong_id), (pong_id, ping_id)] {
        let events = diary.of(task);
        check_pairs(&events);
        let readies = diary.readies(task);
        assert!(readies.len() as u64 >= ROUNDS / 2, "{}", readies.len());
        for ready in readies {
            assert_eq!(ready.by, other);
            assert!(ready.site.file() == file!());
            assert_eq!(ready.object.kind(), Kind::Chan);
        }
    }
}

#[test]
fn a_tasks_life() {
    let (diary, _subscription) = Diary::begin();
    let rt = one_worker();
    let spawner = rt.go(async {
        let child = go(async { gochan::yield_now().await });
        let site = line!() - 1;
        let id = child.id();
        child.await.unwrap();
        (id, site)
    });
    let parent = spawner.id();
    let (task, site) = spawner.wait().unwrap();
    let events = diary.until_exit(task);
    let Spawn(spawn) = &events[0] else {
        panic!("{events:?}")
    };
    assert_eq!((spawn.task, spawn.parent), (task, parent));
    assert_eq!((spawn.site.file(), spawn.site.line()), (file!(), site));
    assert!(spawn.type_name.contains("a_tasks_life"));
    assert!(
        matches!(
            events[1..],
            [
                PollStart(_),
                PollEnd(_, false),
                PollStart(_),
                PollEnd(_, true),
                Exit(_)
            ]
        ),
        "{events:?}"
    );
    let Some(Exit(exit)) = events.last() else {
        unreachable!()
    };
    assert!(!exit.panicked && !exit.aborted);
}

#[test]
fn ends_that_are_not_returns() {
    let (diary, _subscription) = Diary::begin();
    let panics = go(async { std::panic::resume_unwind(Box::new("on purpose")) });
    let id = panics.id();
    panics.wait().unwrap_err();
    let Some(Exit(exit)) = diary.until_exit(id).pop() else {
        unreachable!()
    };
    assert!(exit.panicked && !exit.aborted);

    let aborted = go(std::future::pending::<()>());
    let id = aborted.id();
    aborted.abort();
    aborted.wait().unwrap_err();
    let Some(Exit(exit)) = diary.until_exit(id).pop() else {
        unreachable!()
    };
    assert!(exit.aborted && !exit.panicked);
}

#[test]
fn a_select_tells_of_all_its_arms_and_of_the_one_that_won() {
    let (diary, _subscription) = Diary::begin();
    let (tx, rx) = chan::<u64>(0);
    let (_other_tx, other_rx) = chan::<u64>(0);
    let ids = vec![other_rx.id(), rx.id()];
    let rt = one_worker();
    let selects = rt.go(async move {
        select! {
            _ = other_rx.recv() => unreachable!(),
            value = rx.recv() => value,
        }
    });
    let id = selects.id();
    let sends = rt.go(async move { tx.send(3).await });
    let by = sends.id();
    assert_eq!(selects.wait().unwrap(), Ok(3));
    sends.wait().unwrap().unwrap();
    let events = diary.until_exit(id);
    let parked = events.iter().find_map(|event| match event {
        Park(_, reason, object, arms) => Some((*reason, *object, arms.clone())),
        _ => None,
    });
    assert_eq!(parked, Some((WaitReason::Select, ObjId::NONE, ids.clone())));
    check_pairs(&events);
    let readies = diary.readies(id);
    assert_eq!(readies.len(), 1);
    assert_eq!((readies[0].by, readies[0].object), (by, ids[1]));
    assert_eq!(readies[0].reason, WaitReason::Select);
}

#[test]
fn sleeps_and_joins() {
    const TIME: Duration = Duration::from_millis(50);
    let (diary, _subscription) = Diary::begin();
    let rt = one_worker();
    let joins = rt.go(async {
        let sleeper = go(async {
            let begin = Instant::now();
            gochan::sleep(TIME).await;
            begin
        });
        let id = sleeper.id();
        (id, sleeper.await.unwrap())
    });
    let joins_id = joins.id();
    let (sleeper, begin) = joins.wait().unwrap();
    diary.until_exit(sleeper);
    diary.until_exit(joins_id);

    let slept = diary.readies(sleeper);
    assert_eq!(slept.len(), 1);
    assert_eq!(slept[0].reason, WaitReason::Sleep);
    assert!(slept[0].by.is_none(), "a timer is nobody");
    // The timer was set after `begin`, and the wait had begun when it was told of.
    let waited = Duration::from_nanos(slept[0].waited_ns);
    let until_told = diary.parked_at(sleeper) - begin;
    assert!(waited + until_told >= TIME, "{waited:?} + {until_told:?}");
    assert!(waited <= begin.elapsed(), "{slept:?}");

    let joined = diary.readies(joins_id);
    assert_eq!(joined.len(), 1);
    assert_eq!(joined[0].reason, WaitReason::Join);
    assert_eq!((joined[0].object, joined[0].by), (sleeper, sleeper));
    check_pairs(&diary.of(joins_id));
}

#[test]
fn a_thread_that_waits_is_told_of_too() {
    let (diary, _subscription) = Diary::begin();
    let (tx, rx) = chan::<u64>(0);
    let chan_id = rx.id();
    let thread = thread::spawn(move || rx.recv_blocking());
    let parked = || {
        let events = diary.0.lock().unwrap();
        events.iter().find_map(|event| match event {
            Park(task, _, object, _) if *object == chan_id => Some(*task),
            _ => None,
        })
    };
    let begin = Instant::now();
    let waiter = loop {
        if let Some(waiter) = parked() {
            break waiter;
        }
        assert!(begin.elapsed() < Duration::from_secs(60));
        thread::yield_now();
    };
    assert_eq!(waiter.kind(), Kind::Thread);
    let sends = go(async move { tx.send(1).await });
    let by = sends.id();
    sends.wait().unwrap().unwrap();
    assert_eq!(thread.join().unwrap(), Ok(1));
    let readies = diary.readies(waiter);
    assert_eq!(readies.len(), 1);
    assert_eq!((readies[0].by, readies[0].object), (by, chan_id));
}

/// One that uses channels and tasks itself, in the middle of each event, and one that panics.
#[test]
fn subscribers_may_send_and_spawn_and_even_panic() {
    struct Busy(gochan::Sender<ObjId>);
    impl Subscriber for Busy {
        fn on_park(&self, event: &Park<'_>) {
            let _ = self.0.try_send(event.task);
            drop(go(async { gochan::yield_now().await }));
        }
        fn on_ready(&self, event: &Ready) {
            let _ = self.0.try_send(event.task);
        }
    }
    struct Bad;
    impl Subscriber for Bad {
        fn on_poll_start(&self, _: &PollStart) {
            std::panic::resume_unwind(Box::new("bad"));
        }
        fn on_poll_end(&self, _: &PollEnd) {
            std::panic::resume_unwind(Box::new("bad"));
        }
    }
    let (events_tx, events_rx) = gochan::unbounded();
    let busy = hook::subscribe(Busy(events_tx));
    let bad = hook::subscribe(Bad);
    let (tx, rx) = chan::<u64>(0);
    let rt = one_worker();
    let sum = rt.go(async move {
        let mut sum = 0;
        while let Ok(n) = rx.recv().await {
            sum += n;
        }
        (sum, task::current().unwrap().id())
    });
    rt.block_on(async move {
        for n in 0..100 {
            tx.send(n).await.unwrap();
        }
    });
    let (sum, id) = sum.wait().unwrap();
    assert_eq!(sum, 4_950);
    assert!(bad.panics() > 0);
    drop(bad);
    drop(busy);
    let told: Vec<_> = std::iter::from_fn(|| events_rx.try_recv().ok()).collect();
    assert!(told.contains(&id));
    assert!(hook::dropped_events() > 0, "the spawns in the middle of it");
}

#[test]
fn nobody_is_told_after_the_end_of_the_subscription() {
    let (diary, subscription) = Diary::begin();
    drop(subscription);
    let task = go(async { gochan::yield_now().await });
    let id = task.id();
    task.wait().unwrap();
    assert!(diary.of(id).is_empty());
}
