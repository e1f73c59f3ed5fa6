//! The profiles that listen to events, `block` and `mutex`: their sums are what an observer of the same waits has counted.

use super::pprof::{go_tool_pprof, has_line};
use gochan::diag::profile::{self, Profile, Sample};
use gochan::diag::{set_block_profile_rate, set_mutex_profile_fraction};
use gochan::hook::{self, Events, ObjId, Ready, Subscriber, Subscription};
use gochan::sync::mutex::MutexGuard;
use gochan::sync::{Mutex, RwMutex, Semaphore, WaitGroup};
use gochan::{Runtime, chan, go, select, yield_now};
use std::collections::HashMap;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Waker};
use std::time::{Duration, Instant};

const FILE: &str = "tests/profiles/contention.rs";

/// The rates are the process's: whoever sets them has this.
static TURN: std::sync::Mutex<()> = std::sync::Mutex::new(());

/// Both profiles are on, with these rates, while `body` runs.
fn with_rates(block: u64, mutex: u32, body: impl FnOnce()) {
    struct Off;
    impl Drop for Off {
        fn drop(&mut self) {
            set_block_profile_rate(0);
            set_mutex_profile_fraction(0);
        }
    }
    let turn = TURN.lock().unwrap_or_else(|poison| poison.into_inner());
    let off = Off;
    set_block_profile_rate(block);
    assert_eq!(set_mutex_profile_fraction(mutex), 0);
    body();
    drop(off);
    drop(turn);
}

/// Counts the waits of this file itself: how many and how long, by line and reason, and by object.
#[derive(Default)]
struct Witness(std::sync::Mutex<Seen>);

#[derive(Default)]
struct Seen {
    by_line: HashMap<(u32, &'static str), (u64, u64)>,
    by_object: HashMap<ObjId, (u64, u64)>,
}

impl Subscriber for Witness {
    fn events(&self) -> Events {
        Events::READY
    }
    fn on_ready(&self, event: &Ready) {
        if event.site.file() != FILE {
            return;
        }
        let seen = &mut *self.0.lock().unwrap();
        let place = (event.site.line(), event.reason.as_str());
        for sum in [
            &mut *seen.by_line.entry(place).or_default(),
            &mut *seen.by_object.entry(event.object).or_default(),
        ] {
            sum.0 += 1;
            sum.1 += event.waited_ns;
        }
    }
}

fn witness() -> (Arc<Witness>, Subscription) {
    let witness = Arc::new(Witness::default());
    let subscription = hook::subscribe(Arc::clone(&witness));
    (witness, subscription)
}

fn two_workers() -> Runtime {
    Runtime::builder().workers(2).build().unwrap()
}

fn one_worker() -> Runtime {
    Runtime::builder().workers(1).build().unwrap()
}

/// Not farther from each other than a hundredth.
fn is_near(a: u64, b: u64) -> bool {
    a.abs_diff(b) * 100 <= a.max(b)
}

fn is_at(line: u32) -> impl Fn(&Sample) -> bool {
    move |sample| sample.is_at(FILE, line)
}

/// Tasks that get in each other's way in every way there is.
async fn scripted() {
    let mutex = Arc::new(Mutex::new(0));
    let rw = Arc::new(RwMutex::new(0));
    let permits = Arc::new(Semaphore::new(1));
    let (tx, rx) = chan::<u32>(0);
    let (done, end) = chan::<u32>(0);
    let group = Arc::new(WaitGroup::new());
    for _ in 0..8 {
        let (mutex, rw, permits, tx) = (mutex.clone(), rw.clone(), permits.clone(), tx.clone());
        group.go(async move {
            for n in 0..50 {
                let mut held = mutex.lock().await;
                yield_now().await;
                *held += 1;
                MutexGuard::unlock(held);
                let read = rw.read().await;
                yield_now().await;
                drop(read);
                *rw.write().await += 1;
                drop(permits.acquire().await.unwrap());
                tx.send(n).await.unwrap();
            }
        });
    }
    drop(tx);
    let consumer = go(async move {
        loop {
            select! {
                got = rx.recv() => if got.is_err() { break },
                _ = end.recv() => {}
            }
        }
    });
    group.wait().await;
    drop(done);
    consumer.await.unwrap();
}

#[test]
fn block_sums_are_exact_at_rate_1() {
    with_rates(1, 0, || {
        let (witness, subscription) = witness();
        // Other tests run the same script, before this one or after it.
        let before = profile::block();
        let rt = two_workers();
        rt.block_on(async { go(scripted()).await.unwrap() });
        drop(rt);
        drop(subscription);
        let profile = profile::block();
        let seen = witness.0.lock().unwrap();
        let reasons: Vec<_> = seen.by_line.keys().map(|(_, reason)| *reason).collect();
        for reason in ["sync.Mutex.Lock", "select", "sync.WaitGroup.Wait"] {
            assert!(reasons.contains(&reason), "{reasons:?}");
        }
        for (&(line, reason), &(count, ns)) in &seen.by_line {
            let here = |s: &Sample| s.is_at(FILE, line) && s.has("wait_reason", reason);
            assert_eq!(
                profile.total_of("contentions", here) - before.total_of("contentions", here),
                count,
                "{reason} {line}"
            );
            assert_eq!(
                profile.total_of("delay", here) - before.total_of("delay", here),
                ns,
                "{reason} {line}"
            );
        }
    });
}

#[test]
fn mutex_charges_are_all_of_the_waits() {
    with_rates(0, 1, || {
        let (witness, subscription) = witness();
        let before = profile::mutex();
        let rt = two_workers();
        rt.block_on(async { go(scripted()).await.unwrap() });
        drop(rt);
        drop(subscription);
        let after = profile::mutex();
        let sums = [
            hook::Kind::Mutex,
            hook::Kind::RwMutex,
            hook::Kind::Semaphore,
        ];
        let seen = witness.0.lock().unwrap();
        let of_locks = seen
            .by_object
            .iter()
            .filter(|(object, _)| sums.contains(&object.kind()));
        let (count, ns) = of_locks.fold((0, 0), |sum, (_, one)| (sum.0 + one.0, sum.1 + one.1));
        assert!(count > 0);
        let grown = |name| after.total(name) - before.total(name);
        assert_eq!(grown("contentions"), count);
        assert!(is_near(grown("delay"), ns), "{} {ns}", grown("delay"));
        // Each of 8 tasks has held each of them 50 times, once more to read.
        assert!(grown("holds") >= 8 * 50 * 4, "{}", grown("holds"));
    });
}

/// What was added to the profile by `body`, which runs on one worker, so that what it does has one order.
fn grown(
    value: &str,
    at: u32,
    read: fn() -> Profile,
    body: impl Future<Output = ()> + Send + 'static,
) -> u64 {
    let before = read().total_of(value, is_at(at));
    let rt = one_worker();
    rt.block_on(rt.go(body)).unwrap();
    read().total_of(value, is_at(at)) - before
}

async fn lock(mutex: Arc<Mutex<u32>>) {
    *mutex.lock().await += 1;
}
const LOCKS: u32 = line!() - 2;

async fn waits_for(mutex: &Mutex<u32>, waiters: usize) {
    while mutex.stats().waiters.len() < waiters {
        yield_now().await;
    }
}

#[test]
fn the_line_of_an_unlock_is_charged() {
    with_rates(0, 1, || {
        let (witness, subscription) = witness();
        let at = line!() + 6;
        let delay = grown("delay", at, profile::mutex, async {
            let mutex = Arc::new(Mutex::new(0));
            let held = mutex.lock().await;
            let waiter = go(lock(mutex.clone()));
            waits_for(&mutex, 1).await;
            MutexGuard::unlock(held);
            waiter.await.unwrap();
        });
        drop(subscription);
        let waited = witness.0.lock().unwrap().by_line[&(LOCKS, "sync.Mutex.Lock")].1;
        assert!(is_near(delay, waited), "{delay} {waited}");
        let profile = profile::mutex();
        let sample = profile
            .samples
            .iter()
            .find(|sample| sample.is_at(FILE, at))
            .unwrap();
        let leaf = format!("mutex released at {FILE}:{at}");
        assert_eq!(sample.stack[0].function, leaf);
        assert_eq!(sample.values[0], 1, "one wait");
        assert_eq!(
            profile.total_of("holds", is_at(at)),
            0,
            "holds are where they began"
        );
        assert!(profile.total_of("holds", is_at(at - 3)) >= 1);
    });
}

#[test]
fn the_line_of_a_lock_is_charged_for_a_drop() {
    with_rates(0, 1, || {
        let at = line!() + 3;
        let body = async {
            let mutex = Arc::new(Mutex::new(0));
            let held = mutex.lock().await;
            let waiters = [go(lock(mutex.clone())), go(lock(mutex.clone()))];
            waits_for(&mutex, 2).await;
            drop(held);
            for waiter in waiters {
                waiter.await.unwrap();
            }
        };
        let count = grown("contentions", at, profile::mutex, body);
        // The second one was let in by the first.
        assert_eq!(count, 1);
    });
}

#[test]
fn readers_and_permits_are_charged_as_well() {
    with_rates(0, 1, || {
        let at = line!() + 3;
        let count = grown("contentions", at, profile::mutex, async {
            let rw = Arc::new(RwMutex::new(0));
            let read = rw.read().await;
            let theirs = rw.clone();
            let writer = go(async move { *theirs.write().await += 1 });
            while rw.stats().waiting_writers == 0 {
                yield_now().await;
            }
            drop(read);
            writer.await.unwrap();
        });
        assert_eq!(count, 1);
        let at = line!() + 3;
        let count = grown("contentions", at, profile::mutex, async {
            let permits = Arc::new(Semaphore::new(1));
            let permit = permits.acquire().await.unwrap();
            let theirs = permits.clone();
            let waiter = go(async move { drop(theirs.acquire().await.unwrap()) });
            while permits.stats().waiting == 0 {
                yield_now().await;
            }
            drop(permit);
            waiter.await.unwrap();
        });
        assert_eq!(count, 1);
    });
}

#[test]
fn waits_that_go_on_are_there_although_nothing_listens() {
    let turn = TURN.lock().unwrap_or_else(|poison| poison.into_inner());
    let rt = one_worker();
    let mutex = Arc::new(Mutex::new(0));
    let held = mutex.lock_blocking();
    let here = line!() - 1;
    let waiter = rt.go(stuck(mutex.clone()));
    rt.block_on(waits_for(&mutex, 1));
    let block = profile::block();
    assert_eq!(block.total_of("pending", is_at(STUCK)), 1);
    assert!(block.total_of("pending_delay", is_at(STUCK)) > 0);
    assert_eq!(block.total_of("contentions", is_at(STUCK)), 0);
    let sample = block.samples.iter().find(|s| s.is_at(FILE, STUCK)).unwrap();
    assert_eq!(sample.stack[1].function, "profiles::contention::stuck");
    let mutexes = profile::mutex();
    assert_eq!(mutexes.total_of("pending", is_at(here)), 1);
    assert!(mutexes.total_of("pending_delay", is_at(here)) > 0);
    drop(held);
    rt.block_on(waiter).unwrap();
    let block = profile::block();
    assert_eq!(block.total_of("pending", is_at(STUCK)), 0);
    assert_eq!(block.total_of("contentions", is_at(STUCK)), 0, "it is off");
    drop(turn);
}

async fn stuck(mutex: Arc<Mutex<u32>>) {
    *mutex.lock().await += 1;
}
const STUCK: u32 = line!() - 2;

#[test]
fn a_fraction_counts_as_often_as_it_stands_for() {
    with_rates(0, 4, || {
        let before = profile::mutex();
        let rt = two_workers();
        rt.block_on(async { go(scripted()).await.unwrap() });
        let after = profile::mutex();
        for name in ["contentions", "holds"] {
            assert_eq!((after.total(name) - before.total(name)) % 4, 0, "{name}");
        }
        assert!(
            after.total("holds") > before.total("holds"),
            "some of 1,600"
        );
    });
}

#[test]
fn a_rate_takes_the_long_ones_and_some_of_the_others() {
    with_rates(u64::MAX, 0, || {
        let count = grown("contentions", SHORT, profile::block, async {
            let (tx, rx) = chan::<u32>(0);
            let waiter = go(short(rx));
            yield_now().await;
            tx.send(1).await.unwrap();
            waiter.await.unwrap();
        });
        assert_eq!(count, 0, "one in five hundred years");
    });
}

async fn short(rx: gochan::Receiver<u32>) {
    rx.recv().await.unwrap();
}
const SHORT: u32 = line!() - 2;

#[test]
fn go_reads_them() {
    with_rates(1, 1, || {
        let rt = two_workers();
        rt.block_on(async { go(scripted()).await.unwrap() });
        let function = "profiles::contention::scripted";
        let (block, mutex) = (profile::block(), profile::mutex());
        for (profile, leaf) in [
            (&block, "sync.Mutex.Lock at"),
            (&mutex, "mutex released at"),
        ] {
            let Some(top) = go_tool_pprof(profile, &["-top"]) else {
                return;
            };
            assert!(top.contains("Type: delay"), "{top}");
            assert!(has_line(&top, &[leaf, "contention.rs:"]), "{top}");
            assert!(has_line(&top, &[function]), "{top}");
            let traces = go_tool_pprof(profile, &["-traces", "-sample_index=contentions"]);
            let traces = traces.unwrap();
            assert!(has_line(&traces, &[leaf, "contention.rs:"]), "{traces}");
        }
        let pending = go_tool_pprof(&block, &["-top", "-sample_index=pending_delay"]);
        assert!(pending.unwrap().contains("Type: pending_delay"));
    });
}

/// One waiter that is woken for a mutex that a newcomer is faster to take. `None`: it was handed over, for the waiter had waited too long.
fn woken_in_vain() -> Option<(Vec<u64>, u64)> {
    let witness = Arc::new(Waits::default());
    let subscription = hook::subscribe(Arc::clone(&witness));
    let mutex = Mutex::new(0);
    let held = mutex.lock_blocking();
    let begin = Instant::now();
    let mut waits = pin!(mutex.lock());
    let mut cx = Context::from_waker(Waker::noop());
    assert!(waits.as_mut().poll(&mut cx).is_pending());
    while begin.elapsed() < Duration::from_micros(300) {
        std::hint::spin_loop();
    }
    drop(held);
    let newcomer = mutex.try_lock()?;
    assert!(waits.as_mut().poll(&mut cx).is_pending());
    drop(newcomer);
    assert!(waits.as_mut().poll(&mut cx).is_ready());
    let elapsed = begin.elapsed().as_nanos() as u64;
    drop(subscription);
    let waits = witness.0.lock().unwrap();
    Some((waits.get(&mutex.id()).cloned()?, elapsed))
}

/// The lengths of all waits, by object.
#[derive(Default)]
struct Waits(std::sync::Mutex<HashMap<ObjId, Vec<u64>>>);

impl Subscriber for Waits {
    fn events(&self) -> Events {
        Events::READY
    }
    fn on_ready(&self, event: &Ready) {
        let mut all = self.0.lock().unwrap();
        all.entry(event.object).or_default().push(event.waited_ns);
    }
}

#[test]
fn a_wait_that_was_woken_in_vain_is_told_in_two_parts() {
    let (waits, elapsed) = std::iter::repeat_with(woken_in_vain)
        .flatten()
        .next()
        .unwrap();
    assert_eq!(waits.len(), 2);
    let told: u64 = waits.iter().sum();
    assert!(told <= elapsed + elapsed / 100, "{waits:?} of {elapsed}");
}

/// Both stacks of a wait for a lock go up to who spawned the task, which has ended long ago, with the regions on the way.
#[test]
fn stacks_have_regions_and_creators() {
    async fn creator(mutex: Arc<Mutex<u32>>) -> [gochan::JoinHandle<()>; 2] {
        let _region = gochan::diag::region!("not of those that it spawns");
        let (have, had) = chan(0);
        let lock = Arc::clone(&mutex);
        let holder = go(async move {
            let outer = gochan::diag::region!("settle");
            let inner = gochan::diag::region!("book");
            drop(outer);
            let held = lock.lock().await;
            have.send(()).await.unwrap();
            while lock.stats().waiters.is_empty() {
                yield_now().await;
            }
            drop((held, inner));
        });
        had.recv().await.unwrap();
        let waiter = go(async move {
            let _region = gochan::diag::region!("pay");
            *mutex.lock().await += 1;
        });
        [holder, waiter]
    }
    with_rates(1, 1, || {
        let rt = Runtime::builder().workers(1).build().unwrap();
        let both = rt.go(creator(Arc::new(Mutex::new(0)))).wait().unwrap();
        for task in both {
            task.wait().unwrap();
        }
        let stack_of = |profile: &Profile, region: &str| {
            let mut samples = profile.samples.iter();
            let is_in =
                |sample: &&Sample| sample.stack.iter().any(|frame| frame.function == region);
            let sample = samples
                .find(is_in)
                .unwrap_or_else(|| panic!("no {region} in {profile:?}"));
            let functions = sample.stack.iter().map(|frame| frame.function.to_string());
            functions.collect::<Vec<_>>()
        };
        let task = "profiles::contention::stacks_have_regions_and_creators::creator";
        for (profile, region) in [(profile::block(), "pay"), (profile::mutex(), "book")] {
            let stack = stack_of(&profile, region);
            let own = format!("{task}::{{{{closure}}}}");
            assert_eq!(stack[1], region, "{stack:?}");
            assert!(stack[2].starts_with(&own), "{stack:?}");
            assert_eq!(stack[3..], [task], "{stack:?}");
        }
    });
}
