//! Models of the record: the same file once more, over loom's atomics.
//!
//! The record that runs in other models is made of the real machine's atomics, so that it costs them no interleavings
//! and outlives their runs.

use std::panic::Location;

use super::{ArmNote, Note, ObjId, RECORDED, object, sink, type_name};
use crate::shim as words;
use crate::wait::reason::WaitReason;
use words::{Arc, thread};

#[allow(dead_code)]
#[path = "record.rs"]
mod record;

use record::{Birth, Record, Snapshot, State};

fn birth(id: u64) -> Birth<'static> {
    Birth {
        id: ObjId::from_raw(id),
        name: None,
        site: None,
        parent: ObjId::from_raw(100 * id),
        runtime: 0,
        type_name: None,
    }
}

/// A wait whose fields follow from `n`.
fn wait(n: u64) -> Note {
    Note {
        task: 0,
        reason: WaitReason::from_number(n as u8).unwrap(),
        object: ObjId::from_raw(n),
        made: None,
        site: Location::caller(),
        since: 10 * n,
    }
}

/// Poll `n` records wait `n`.
fn check_wait(seen: &Snapshot) {
    if let Some(wait) = &seen.wait {
        let n = wait.object.raw();
        assert_eq!(wait.since, 10 * n, "two waits mixed");
        assert_eq!(wait.reason as u64, n, "two waits mixed");
        assert!(seen.polls >= n, "a wait without its poll");
    }
}

fn model(run: impl Fn() + Sync + Send + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound.get_or_insert(2);
    builder.check(run);
}

/// Takes a snapshot on another thread while `write` goes on here.
fn against(record: &Arc<Record>, look: fn(Option<Snapshot>), write: impl FnOnce(&Record)) {
    let shared = Arc::clone(record);
    let reader = thread::spawn(move || look(shared.snapshot()));
    write(record);
    reader.join().unwrap();
}

#[test]
fn loom_record_never_mixes_two_waits() {
    let look = |seen: Option<Snapshot>| check_wait(&seen.expect("it lives"));
    model(move || {
        let record = Arc::new(Record::new());
        record.spawned(&birth(1), 0);
        record.start_poll();
        record.park(&wait(1));
        against(&record, look, |record| {
            record.start_poll();
            record.park(&wait(2));
        });
    });
}

/// What a wait's time becomes when it ends is not its time.
#[test]
fn loom_record_end_of_wait_is_not_its_begin() {
    let look = |seen: Option<Snapshot>| {
        let seen = seen.expect("it lives");
        check_wait(&seen);
        assert!(seen.runnable_since.is_none_or(|since| since != 10));
    };
    model(move || {
        let record = Arc::new(Record::new());
        record.spawned(&birth(1), 0);
        record.start_poll();
        record.park(&wait(1));
        against(&record, look, |record| {
            record.runnable(ObjId::from_raw(7), 77);
            record.start_poll();
        });
    });
}

#[test]
fn loom_record_never_mixes_two_lives() {
    let look = |seen: Option<Snapshot>| {
        let Some(seen) = seen else { return };
        let id = seen.id.raw();
        assert_eq!(seen.parent.raw(), 100 * id, "two lives mixed");
        check_wait(&seen);
        if let Some(wait) = &seen.wait {
            assert_eq!(wait.object.raw(), id, "another life's wait");
        }
    };
    model(move || {
        let record = Arc::new(Record::new());
        record.spawned(&birth(1), 0);
        record.start_poll();
        record.park(&wait(1));
        against(&record, look, |record| {
            record.finish();
            record.spawned(&birth(2), 0);
        });
    });
}

/// The right to write passes from a worker to a waker and on to the next worker, each time by an acquiring step.
#[test]
fn loom_record_writers_take_turns() {
    use words::{AtomicBool, Ordering};
    model(|| {
        let record = Arc::new(Record::new());
        let mine = Arc::new(AtomicBool::new(false));
        record.spawned(&birth(1), 0);
        let (next, turn) = (Arc::clone(&record), Arc::clone(&mine));
        let waker = thread::spawn(move || {
            if turn.load(Ordering::Acquire) {
                next.runnable(ObjId::from_raw(7), 77);
                next.start_poll();
                next.park(&wait(2));
            }
        });
        record.start_poll();
        record.park(&wait(1));
        mine.store(true, Ordering::Release);
        let seen = record.snapshot().expect("it lives");
        check_wait(&seen);
        waker.join().unwrap();
        let seen = record.snapshot().expect("it lives");
        assert!(!seen.unstable);
        assert_eq!(seen.state, State::Waiting);
        assert_eq!(seen.wait.unwrap().object.raw(), seen.polls);
    });
}
