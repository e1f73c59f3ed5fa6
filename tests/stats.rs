//! Statistics of contention on real programs: what was counted is what an observer of the same waits has counted.

use gochan::diag::stats::{self, By, ObjectStats, Stats};
use gochan::hook::{self, Events, Kind, ObjId, Ready, Subscriber};
use gochan::sync::mutex::MutexGuard;
use gochan::sync::{Mutex, Semaphore};
use gochan::{Runtime, chan, go, select, yield_now};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

/// Counts the waits for each object: how many, how long together, the longest.
#[derive(Default)]
struct Witness(std::sync::Mutex<HashMap<ObjId, (u64, u64, u64)>>);

impl Subscriber for Witness {
    fn events(&self) -> Events {
        Events::READY
    }
    fn on_ready(&self, event: &Ready) {
        let mut seen = self.0.lock().unwrap();
        let sum = seen.entry(event.object).or_default();
        sum.0 += 1;
        sum.1 += event.waited_ns;
        sum.2 = sum.2.max(event.waited_ns);
    }
}

fn runtime(workers: usize) -> Runtime {
    Runtime::builder().workers(workers).build().unwrap()
}

fn of(stats: &Stats, id: ObjId) -> Option<&ObjectStats> {
    stats.objects.iter().find(|object| object.id == id)
}

async fn add(mutex: Arc<Mutex<u32>>) {
    *mutex.lock().await += 1;
}

async fn queue(mutex: &Mutex<u32>, waiters: usize) {
    while mutex.stats().waiters.len() < waiters {
        yield_now().await;
    }
}

#[test]
fn the_sums_are_those_of_a_witness() {
    let witness = Arc::new(Witness::default());
    let subscription = hook::subscribe(Arc::clone(&witness));
    let recording = stats::record();
    let mutex = Arc::new(Mutex::new(0));
    let (tx, rx) = chan::<u32>(2);
    let chan_id = rx.id();
    let rt = runtime(2);
    let adders: Vec<_> = (0..8)
        .map(|_| {
            let (mutex, tx) = (mutex.clone(), tx.clone());
            rt.go(async move {
                for n in 0..100 {
                    let mut held = mutex.lock().await;
                    yield_now().await;
                    *held += 1;
                    MutexGuard::unlock(held);
                    tx.send(n).await.unwrap();
                }
            })
        })
        .collect();
    let receiver = rt.go(async move { while rx.recv().await.is_ok() {} });
    drop(tx);
    for adder in adders {
        rt.block_on(adder).unwrap();
    }
    rt.block_on(receiver).unwrap();
    drop((recording, subscription));
    let stats = stats::snapshot();
    let seen = witness.0.lock().unwrap();
    for id in [mutex.id(), chan_id] {
        let counted = &of(&stats, id).unwrap().contention;
        let (waits, total, longest) = seen[&id];
        assert_eq!(counted.waits, waits);
        assert_eq!(counted.wait_times.count(), waits);
        assert_eq!(counted.wait_total, Duration::from_nanos(total));
        assert_eq!(counted.wait_max, Duration::from_nanos(longest));
        assert!(counted.contended <= waits && counted.contended > 0);
        assert!(
            (1..=8).contains(&counted.depth_max),
            "{}",
            counted.depth_max
        );
        let classes = stats.classes.iter();
        let class = classes.filter(|class| class.kind == id.kind());
        assert!(class.map(|class| class.contention.waits).sum::<u64>() >= waits);
    }
}

/// On one worker, so that each step is known.
fn one_contended_lock(waiters: usize) -> (ObjId, u32, u32) {
    let recording = stats::record();
    let rt = runtime(1);
    let mutex = Arc::new(Mutex::new(0));
    let made = line!() - 1;
    let id = mutex.id();
    let held_at = line!() + 3;
    rt.block_on(rt.go(async move {
        // Held here.
        let held = mutex.lock().await;
        let tasks: Vec<_> = (0..waiters).map(|_| go(add(mutex.clone()))).collect();
        queue(&mutex, waiters).await;
        drop(held);
        for task in tasks {
            task.await.unwrap();
        }
        drop(mutex.lock().await);
    }))
    .unwrap();
    drop(recording);
    (id, made, held_at)
}

#[test]
fn an_object_knows_its_waits_its_holds_and_its_queue() {
    let (id, made, held_at) = one_contended_lock(3);
    let stats = stats::snapshot();
    let object = of(&stats, id).unwrap();
    let sum = &object.contention;
    assert_eq!((object.kind, object.waiting), (Kind::Mutex, 0));
    assert_eq!(object.made.unwrap().line(), made);
    assert_eq!((sum.contended, sum.depth_max), (3, 3));
    assert_eq!(sum.wait_times.count(), sum.waits);
    // The lock that others waited for is one of them, and those of the waiters, and the last one, which nobody waited for.
    let holds = |line| {
        let at = sum
            .holds
            .iter()
            .filter(|holds| holds.site.unwrap().line() == line);
        at.map(|holds| (holds.count, holds.times.count())).next()
    };
    assert_eq!(sum.operations(), 5, "{sum:?}");
    assert_eq!(holds(held_at), Some((1, 1)), "{sum:?}");
}

#[test]
fn objects_of_one_place_are_one_class() {
    let (one, made, _) = one_contended_lock(1);
    let (two, ..) = one_contended_lock(2);
    let stats = stats::snapshot();
    let of_place = |class: &&stats::ClassStats| {
        class
            .made
            .is_some_and(|site| site.line() == made && site.file() == file!())
    };
    let class = stats.classes.iter().find(of_place).unwrap();
    let waits = |id| of(&stats, id).unwrap().contention.waits;
    assert!(class.objects >= 2);
    assert!(class.contention.waits >= waits(one) + waits(two));
    let text = stats.to_string();
    assert!(text.starts_with("gochan contention: "), "{text}");
    assert!(
        text.contains(&format!("mutex made at {}:{made}: ", file!())),
        "{text}"
    );
}

#[test]
fn those_who_wait_now_are_there_although_nothing_records() {
    let rt = runtime(1);
    let permits = Arc::new(Semaphore::new(1).named("door"));
    let permit = rt.block_on(permits.acquire()).unwrap();
    let theirs = Arc::clone(&permits);
    let (id, waits) = (permits.id(), move || theirs.stats().waiting);
    let own = Arc::clone(&permits);
    let waiter = rt.go(async move { drop(own.acquire().await.unwrap()) });
    let object = loop {
        let stats = stats::snapshot();
        let object = of(&stats, id).filter(|_| waits() == 1);
        // Its wait has only just begun: a look at the same tick finds no time gone.
        if let Some(object) = object.filter(|object| object.waiting_longest > Duration::ZERO) {
            break object.clone();
        }
        std::thread::yield_now();
    };
    assert_eq!((object.waiting, object.name.as_deref()), (1, Some("door")));
    assert_eq!(object.contention.waits, 0);
    drop(permit);
    rt.block_on(waiter).unwrap();
}

#[test]
fn a_select_counts_for_the_object_that_won() {
    let recording = stats::record();
    let rt = runtime(1);
    let (tx, rx) = chan::<u32>(0);
    let (other_tx, other) = chan::<u32>(0);
    let (id, other_id) = (rx.id(), other.id());
    let selects = rt.go(async move {
        select! { _ = rx.recv() => {}, _ = other.recv() => {} }
    });
    rt.block_on(rt.go(async move {
        while of(&stats::snapshot(), id).is_none_or(|object| object.waiting == 0) {
            yield_now().await;
        }
        tx.send(1).await.unwrap();
        drop(other_tx);
    }))
    .unwrap();
    rt.block_on(selects).unwrap();
    drop(recording);
    let stats = stats::snapshot();
    let object = of(&stats, id).unwrap();
    assert_eq!(
        (object.contention.waits, object.contention.hand_overs),
        (1, 1)
    );
    assert_eq!(object.made.map(|site| site.file()), Some(file!()));
    assert!(of(&stats, other_id).is_none_or(|object| object.contention.waits == 0));
}

/// Two locks, of which one makes more wait and the other makes wait longer.
#[test]
fn the_worst_by_choice() {
    let recording = stats::record();
    let rt = runtime(1);
    let (often, long) = (Arc::new(Mutex::new(0)), Arc::new(Mutex::new(0)));
    rt.block_on(async {
        for (mutex, waiters) in [(&often, 5), (&long, 1)] {
            let held = mutex.lock().await;
            let adders: Vec<_> = (0..waiters).map(|_| go(add(Arc::clone(mutex)))).collect();
            queue(mutex, waiters).await;
            drop(held);
            for adder in adders {
                adder.await.unwrap();
            }
        }
        // Held for longer than all that was before took.
        let held = long.lock().await;
        let waits = go(add(Arc::clone(&long)));
        queue(&long, 1).await;
        let so_far = stats::snapshot();
        let longest = |one: &ObjectStats| one.contention.holds.iter().map(|holds| holds.max).max();
        let longest = so_far.objects.iter().filter_map(longest).max().unwrap();
        let begin = std::time::Instant::now();
        while begin.elapsed() <= 2 * longest {
            yield_now().await;
        }
        drop(held);
        waits.await.unwrap();
    });
    drop(recording);
    let all = stats::snapshot();
    let [first, second] = [&often, &long].map(|mutex| mutex.id());
    let place = |by: By, id| {
        let top = all.clone().top(by, usize::MAX);
        top.objects
            .iter()
            .position(|object| object.id == id)
            .unwrap()
    };
    assert!(place(By::Waits, first) < place(By::Waits, second));
    assert!(place(By::Depth, first) < place(By::Depth, second));
    assert!(place(By::HoldMax, second) < place(By::HoldMax, first));

    let waits = |stats: &Stats| {
        let classes = stats.classes.iter().map(|class| class.contention.waits);
        classes.sum::<u64>() + stats.others.waits
    };
    let top = all.clone().top(By::Waits, 1);
    assert_eq!((top.objects.len(), top.classes.len()), (1, 1));
    assert_eq!(waits(&top), waits(&all), "nothing is lost");
    let left_out = (all.classes.len() - 1) as u64;
    assert_eq!(top.classes_left_out, all.classes_left_out + left_out);
}
