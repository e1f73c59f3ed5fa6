//! Rules on made-up looks, and the thread's part on the real ones.

use super::*;
use crate::hook::{Kind, ObjId, WaitReason};
use std::collections::HashMap;
use std::panic::Location;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

fn tasks(tasks: u64) -> Observed {
    Observed {
        tasks,
        ..Observed::default()
    }
}

fn told(state: &mut State, seen: &Observed, now: Instant) -> Vec<(Change, Subject, u64)> {
    let alerts = state.update(seen, now).into_iter();
    alerts
        .map(|alert| (alert.change, alert.subject, alert.number))
        .collect()
}

const ALL: Subject = Subject::Process;

#[test]
fn between_the_limits_nothing_changes() {
    let now = Instant::now();
    let mut state = State::new(vec![Rule::tasks_above(100).until(50)], Duration::ZERO);
    assert_eq!(told(&mut state, &tasks(100), now), [], "not above");
    assert_eq!(
        told(&mut state, &tasks(101), now),
        [(Change::Raised, ALL, 101)]
    );
    assert_eq!(told(&mut state, &tasks(900), now), [], "told already");
    assert_eq!(state.raised()[0].number, 900, "but up to date");
    assert_eq!(told(&mut state, &tasks(51), now), [], "not low enough");
    assert_eq!(told(&mut state, &tasks(101), now), []);
    assert_eq!(
        told(&mut state, &tasks(50), now),
        [(Change::Cleared, ALL, 50)]
    );
    assert!(state.raised().is_empty());
}

#[test]
fn who_comes_back_soon_is_not_told_again_but_is_there() {
    let (now, minute) = (Instant::now(), Duration::from_secs(60));
    let mut state = State::new(vec![Rule::tasks_above(10)], minute);
    assert_eq!(told(&mut state, &tasks(11), now).len(), 1);
    assert_eq!(told(&mut state, &tasks(0), now).len(), 1);
    assert_eq!(told(&mut state, &tasks(11), now + minute / 2), []);
    assert_eq!(state.raised().len(), 1);
    assert_eq!(
        told(&mut state, &tasks(0), now + minute / 2),
        [],
        "as quietly as it came"
    );
    assert_eq!(told(&mut state, &tasks(11), now + minute).len(), 1);
}

#[test]
fn each_subject_has_its_own_state() {
    let locks: Vec<_> = (0..3).map(|_| ObjId::fresh(Kind::Mutex)).collect();
    let held = |times: &[u64]| Observed {
        held: locks
            .iter()
            .zip(times)
            .map(|(lock, ns)| (Subject::Object(*lock), *ns))
            .collect(),
        ..Observed::default()
    };
    let limit = Duration::from_nanos(100);
    let mut state = State::new(vec![Rule::lock_held_above(limit)], Duration::ZERO);
    let now = Instant::now();
    let first = told(&mut state, &held(&[500, 50, 200]), now);
    let expected =
        [(0, 500), (2, 200)].map(|(n, ns)| (Change::Raised, Subject::Object(locks[n]), ns));
    assert_eq!(first, expected, "the longest first");
    // Released and forgotten: the number is 0.
    let second = told(&mut state, &held(&[600, 101]), now);
    assert_eq!(
        second,
        [
            (Change::Cleared, Subject::Object(locks[2]), 0),
            (Change::Raised, Subject::Object(locks[1]), 101)
        ]
    );
}

#[test]
fn a_rule_has_so_many_subjects_and_no_more() {
    let held = Observed {
        held: (0..1_000)
            .map(|n| (Subject::Object(ObjId::from_raw(n)), 10 + n))
            .collect(),
        ..Observed::default()
    };
    let mut state = State::new(vec![Rule::lock_held_above(Duration::ZERO)], Duration::ZERO);
    let first = told(&mut state, &held, Instant::now());
    assert_eq!((first.len(), state.raised().len()), (64, 64));
    assert_eq!(first[0].2, 1_009, "the worst ones");
    assert_eq!(told(&mut state, &held, Instant::now()), []);
}

#[test]
fn growth_is_growth_at_each_look() {
    let (here, there) = (Location::caller(), std::panic::Location::caller());
    let look = |spawned: &[[u64; 2]]| {
        let each = |[a, b]: &[u64; 2]| HashMap::from([(here, *a), (there, *b)]);
        Observed {
            spawned: spawned.iter().rev().map(each).collect(),
            ..Observed::default()
        }
    };
    let grown = |spawned: &[[u64; 2]]| {
        let mut grown = look(spawned).growth(2);
        grown.sort();
        grown.into_iter().map(|(_, by)| by).collect::<Vec<_>>()
    };
    assert!(grown(&[[1, 0], [5, 0]]).is_empty(), "too few looks");
    assert_eq!(grown(&[[1, 9], [5, 9], [7, 9]]), [6]);
    assert!(
        grown(&[[1, 9], [5, 9], [5, 9]]).is_empty(),
        "it stands still"
    );
    assert_eq!(
        grown(&[[9, 9], [0, 9], [3, 9], [4, 9]]),
        [4],
        "of the last looks only"
    );
}

#[test]
fn the_oldest_wait_is_that_of_a_reason() {
    let seen = Observed {
        oldest: HashMap::from([
            (WaitReason::Sleep, 900),
            (WaitReason::MutexLock, 300),
            (WaitReason::ChanRecv, 50),
        ]),
        ..Observed::default()
    };
    let limit = Duration::from_nanos(100);
    let mut state = State::new(vec![Rule::wait_above(limit)], Duration::ZERO);
    let lock = Subject::Reason(WaitReason::MutexLock);
    assert_eq!(
        told(&mut state, &seen, Instant::now()),
        [(Change::Raised, lock, 300)]
    );
    let sleep = Rule::wait_for_above(WaitReason::Sleep, limit);
    let mut state = State::new(vec![sleep], Duration::ZERO);
    let sleep = Subject::Reason(WaitReason::Sleep);
    assert_eq!(
        told(&mut state, &seen, Instant::now()),
        [(Change::Raised, sleep, 900)]
    );
}

#[test]
fn alerts_are_lines() {
    let mut state = State::new(vec![Rule::tasks_above(10)], Duration::ZERO);
    let alert = state.update(&tasks(11), Instant::now())[0];
    assert_eq!(alert.to_string(), "all tasks: 11 tasks (limit: 10 tasks)");
    let alert = state.update(&tasks(3), Instant::now())[0];
    assert_eq!(
        alert.to_string(),
        "over: all tasks: 3 tasks (limit: 10 tasks)"
    );
}

/// Several subscribers, of which one panics; the watch goes on, and is dropped by one of them.
#[test]
fn everybody_is_told() {
    static CALLS: AtomicUsize = AtomicUsize::new(0);
    let count = |_: &Alert| {
        CALLS.fetch_add(1, Relaxed);
    };
    let nothing = Rule::wait_for_above(WaitReason::SelectNoCases, Duration::ZERO);
    let watch = Watch::builder()
        .every(Duration::from_secs(3_600))
        .rule(nothing)
        .subscribe(count)
        .subscribe(|_| panic!("a subscriber"))
        .subscribe(count)
        .start()
        .unwrap();
    assert!(watch.check().is_ok());
    let seen = Observed {
        oldest: HashMap::from([(WaitReason::SelectNoCases, 7)]),
        ..Observed::default()
    };
    let alerts = watch.shared.state.lock().update(&seen, Instant::now());
    assert_eq!(alerts.len(), 1);
    assert!(!watch.health().is_ok());
    assert_eq!(watch.health().to_string().lines().count(), 2);
    // The next real look clears it.
    assert!(watch.check().is_ok());
    assert_eq!(CALLS.load(Relaxed), 2);
}

/// While one thread tells of a raising another one sees that it is over, and has nobody told before the first is through.
#[test]
fn everybody_is_told_in_order() {
    static TOLD: Mutex<Vec<(u8, Change)>> = Mutex::new(Vec::new());
    let (begun, told) = mpsc::channel::<()>();
    let (go_on, seen) = mpsc::channel::<()>();
    let seen = Mutex::new(seen);
    let watch = Watch::builder()
        .every(Duration::from_secs(3_600))
        .rule(Rule::tasks_above(10))
        .subscribe(move |alert| {
            TOLD.lock().push((1, alert.change));
            if alert.change == Change::Raised {
                begun.send(()).unwrap();
                seen.lock().recv().unwrap();
            }
        })
        .subscribe(|alert| TOLD.lock().push((2, alert.change)))
        .start()
        .unwrap();
    let shared = &watch.shared;
    thread::scope(|scope| {
        scope.spawn(|| {
            shared.learn(&tasks(11));
            shared.tell();
        });
        told.recv().unwrap();
        shared.learn(&tasks(0));
        shared.tell();
        go_on.send(()).unwrap();
    });
    let (raised, cleared) = (Change::Raised, Change::Cleared);
    let told = TOLD.lock();
    assert_eq!(
        *told,
        [(1, raised), (2, raised), (1, cleared), (2, cleared)]
    );
}
