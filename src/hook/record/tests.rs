//! The record on the real machine: what a reader sees of a life, alone and against a writer. Its models are in `hook/model.rs`.

use super::*;
use crate::hook::object::Kind;
use std::mem::{align_of, offset_of, size_of};
use std::sync::atomic::AtomicBool;
use std::thread;

fn here() -> Site {
    Location::caller()
}

/// Four places to tell apart.
fn sites() -> [Site; 4] {
    [
        here_1(),
        Location::caller(),
        here(),
        ArmNote::NIL.site, // in another file
    ]
}

#[track_caller]
fn here_1() -> Site {
    Location::caller()
}

fn birth(id: u64) -> Birth<'static> {
    Birth {
        id: ObjId::from_raw(id),
        name: None,
        site: Some(sites()[id as usize % 4]),
        parent: ObjId::from_raw(id + 7),
        runtime: id as u32,
        type_name: Some(TypeName::of::<Vec<u8>>()),
    }
}

/// A wait all of whose fields follow from `n`.
fn wait(n: u64) -> Note {
    let sites = sites();
    Note {
        task: 0,
        reason: WaitReason::ALL[n as usize % WaitReason::ALL.len()],
        object: ObjId::from_raw(n),
        made: Some(sites[n as usize % 4]),
        site: sites[(n / 2) as usize % 4],
        since: n.wrapping_mul(3),
    }
}

fn arms(n: u64) -> [ArmNote; ARMS] {
    array::from_fn(|i| {
        let note = wait(n + i as u64);
        ArmNote {
            reason: note.reason,
            object: note.object,
            made: note.made,
            site: note.site,
        }
    })
}

/// Every field of a wait that is [`wait`]'s or, with arms, [`arms`]'.
fn check(seen: &WaitSnapshot) {
    let n = seen.object.raw();
    let told = wait(n);
    assert_eq!(seen.reason, told.reason);
    assert_eq!(seen.made, told.made);
    assert_eq!(seen.site, Some(told.site));
    assert_eq!(seen.since, told.since);
    let count = usize::from(seen.arm_count);
    let seen_arms: Vec<_> = seen.arms.iter().collect();
    assert_eq!(seen_arms.len(), count.min(ARMS));
    for (seen, told) in seen_arms.iter().zip(arms(n)) {
        assert_eq!(seen.object, told.object);
        assert_eq!(seen.reason, told.reason);
        assert_eq!(seen.made, told.made);
        assert_eq!(seen.site, told.site);
    }
}

#[test]
fn a_record_is_three_cache_lines_and_polls_touch_one() {
    assert_eq!(size_of::<Record>(), 192);
    assert_eq!(align_of::<Record>(), 64);
    assert!(offset_of!(Record, id) + size_of::<u64>() <= 64);
    assert_eq!(size_of::<Option<&Record>>(), size_of::<usize>());
}

#[test]
fn a_life_as_the_reader_sees_it() {
    let record = Record::new();
    assert!(record.snapshot().is_none());

    record.spawned(&birth(5), 11);
    let seen = record.snapshot().unwrap();
    assert_eq!(seen.id, ObjId::from_raw(5));
    assert_eq!(seen.state, State::Runnable);
    assert_eq!(seen.parent, ObjId::from_raw(12));
    assert_eq!(seen.spawned, birth(5).site);
    assert_eq!(seen.spawned_at, 11);
    assert_eq!(seen.runtime, 5);
    assert_eq!(seen.type_name, Some("alloc::vec::Vec<u8>"));
    assert!(seen.wait.is_none() && !seen.unstable);
    assert!(seen.woken_by.is_none());

    record.start_poll();
    assert_eq!(record.state(), State::Running);
    assert!(!record.is_parked());
    record.park(&wait(8));
    assert!(record.is_parked());
    let seen = record.snapshot().unwrap();
    assert_eq!((seen.state, seen.polls), (State::Waiting, 1));
    check(&seen.wait.unwrap());

    record.runnable(ObjId::from_raw(4), 50);
    let seen = record.snapshot().unwrap();
    assert_eq!(seen.state, State::Runnable);
    assert_eq!(seen.woken_by, ObjId::from_raw(4));
    assert!(seen.wait.is_none());
    assert_eq!(seen.runnable_since, Some(50));
    let made = record.made_runnable();
    assert_eq!((made.at, made.after), (50, Some(wait(8).reason)));

    record.start_poll();
    record.requeued(60);
    assert_eq!(record.snapshot().unwrap().runnable_since, Some(60));
    assert_eq!(record.made_runnable().after, None, "it only gave way");
    record.start_poll();
    record.park_foreign(99);
    let seen = record.snapshot().unwrap();
    assert_eq!(seen.polls, 3);
    let foreign = seen.wait.unwrap();
    assert_eq!(foreign.reason, WaitReason::Foreign);
    assert_eq!((foreign.site, foreign.since), (None, 99));

    record.finish();
    assert!(record.snapshot().is_none());
    record.spawned(&birth(6), 0);
    let seen = record.snapshot().unwrap();
    assert_eq!((seen.polls, seen.state), (0, State::Runnable));
    assert!(seen.woken_by.is_none());
}

#[test]
fn a_select_shows_its_first_arms_and_counts_all() {
    let record = Record::new();
    record.spawned(&birth(1), 0);
    record.park_select(&wait(20), &arms(20)[..3]);
    let seen = record.snapshot().unwrap().wait.unwrap();
    assert_eq!(seen.arm_count, 3);
    check(&seen);

    let many: Vec<_> = (0..3).flat_map(|n| arms(40 + 4 * n)).collect();
    record.park_select(&wait(40), &many);
    let seen = record.snapshot().unwrap().wait.unwrap();
    assert_eq!(seen.arm_count, 12);
    check(&seen);

    // A plain wait after it shows none of them.
    record.park(&wait(3));
    let seen = record.snapshot().unwrap().wait.unwrap();
    assert_eq!(seen.arm_count, 0);
    check(&seen);
}

#[test]
fn a_name_ends_with_the_task() {
    let record = Record::new();
    let id = ObjId::fresh(Kind::Task);
    let birth = Birth {
        id,
        name: Some("digest"),
        ..birth(1)
    };
    record.spawned(&birth, 0);
    assert_eq!(crate::hook::object::name(id).as_deref(), Some("digest"));
    record.finish();
    assert_eq!(crate::hook::object::name(id), None);
}

#[test]
fn a_wait_being_written_is_left_out() {
    let record = Record::new();
    record.spawned(&birth(9), 0);
    record.park(&wait(1));
    let seq = record.begin();
    let seen = record.snapshot().unwrap();
    assert!(seen.unstable && seen.wait.is_none());
    assert_eq!(seen.id, ObjId::from_raw(9));
    record.end(seq);
    assert!(!record.snapshot().unwrap().unstable);
}

/// The writer's end, also when a look panics.
struct Stops<'a>(&'a AtomicBool);

impl Drop for Stops<'_> {
    fn drop(&mut self) {
        self.0.store(true, Relaxed);
    }
}

/// Runs `write` in a loop on another thread while this one takes snapshots until it has seen `enough` waits.
fn against_a_writer(mut write: impl FnMut(&Record, u64) + Send, look: impl Fn(&Snapshot)) {
    let record = Record::new();
    let stop = AtomicBool::new(false);
    let enough = if cfg!(miri) { 20 } else { 20_000 };
    thread::scope(|scope| {
        scope.spawn(|| {
            for n in 1.. {
                write(&record, n);
                if stop.load(Relaxed) {
                    break;
                }
            }
        });
        let looks = Stops(&stop);
        let (mut waits, mut tries) = (0, 0_u64);
        // A writer that never pauses may spoil most looks, never all.
        while waits < enough && tries < 1_000 * enough {
            tries += 1;
            if let Some(seen) = record.snapshot() {
                look(&seen);
                waits += u64::from(seen.wait.is_some());
            }
        }
        drop(looks);
        assert!(waits > 0, "not one of {tries} looks was good");
    });
}

#[test]
fn a_snapshot_never_mixes_two_waits() {
    let write = |record: &Record, n: u64| {
        if n == 1 {
            record.spawned(&birth(1), 0);
        }
        record.start_poll();
        match n % 3 {
            0 => record.park_select(&wait(n), &arms(n)[..1 + n as usize % ARMS]),
            _ => record.park(&wait(n)),
        }
        if n.is_multiple_of(2) {
            record.runnable(ObjId::from_raw(n), n);
        }
    };
    against_a_writer(write, |seen| {
        assert_eq!(seen.id, ObjId::from_raw(1));
        seen.wait.iter().for_each(check);
    });
}

#[test]
fn a_snapshot_never_mixes_two_lives() {
    let write = |record: &Record, n: u64| {
        record.spawned(&birth(n), n);
        record.start_poll();
        record.park(&wait(n));
        record.finish();
    };
    against_a_writer(write, |seen| {
        let n = seen.id.raw();
        let told = birth(n);
        assert_eq!(seen.parent, told.parent);
        assert_eq!(seen.spawned, told.site);
        assert_eq!(seen.spawned_at, n);
        assert_eq!(seen.runtime, told.runtime);
        if let Some(wait) = &seen.wait {
            assert_eq!(wait.object.raw(), n, "another life's wait");
            check(wait);
        }
    });
}

#[test]
fn nothing_is_shown_before_the_birth() {
    let record = Record::new();
    record.spawned(&birth(1), 100);
    let seen = record.snapshot().unwrap();
    assert_eq!(seen.runnable_since, Some(100));
    record.start_poll();
    let told = wait(1);
    assert!(told.since < 100);
    record.park(&told);
    let seen = record.snapshot().unwrap();
    assert_eq!(seen.wait.unwrap().since, 100);
}
