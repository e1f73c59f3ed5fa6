//! Places are found, given back, and never given to two.

use super::*;
use crate::hook::object::{Kind, ObjId};
use crate::hook::record::Birth;
use std::collections::HashSet;
use std::ptr;
use std::thread;

fn birth() -> Birth<'static> {
    Birth {
        id: ObjId::fresh(Kind::Task),
        name: None,
        site: None,
        parent: ObjId::NONE,
        runtime: 0,
        type_name: None,
    }
}

#[test]
fn records_in_use_are_distinct_and_listed() {
    let records: Vec<_> = (0..500).map(|_| acquire()).collect();
    let births: Vec<_> = records.iter().map(|_| birth()).collect();
    for (record, birth) in records.iter().zip(&births) {
        record.spawned(birth, 0);
    }
    let mut listed = HashSet::new();
    for_each(|record| {
        if let Some(seen) = record.snapshot() {
            assert!(listed.insert(seen.id), "listed twice");
        }
    });
    assert!(births.iter().all(|birth| listed.contains(&birth.id)));
    records.into_iter().for_each(release);
    for_each(|record| {
        let id = record.id();
        assert!(births.iter().all(|birth| birth.id != id));
    });
}

#[test]
fn a_record_given_back_is_the_next_one_given_out() {
    let record = acquire();
    record.spawned(&birth(), 0);
    release(record);
    let again = acquire();
    assert!(ptr::eq(record, again));
    release(again);
}

#[test]
fn threads_that_end_give_their_records_back() {
    let take = || {
        let records: Vec<_> = (0..40).map(|_| acquire()).collect();
        records.iter().for_each(|record| release(record));
        records
    };
    // Another test may take some of them at once, but not every time.
    let all_are_free = || {
        let taken = thread::spawn(take).join().unwrap();
        let free = &COMMON.lock().free;
        let is_free = |record: &&Record| free.iter().any(|there| ptr::eq(*there, *record));
        taken.iter().all(is_free)
    };
    assert!((0..1_000).any(|_| all_are_free()));
}

#[test]
fn records_travel_between_threads_and_never_to_two() {
    let (tx, rx) = std::sync::mpsc::sync_channel::<(&'static Record, ObjId)>(100);
    let consumer = thread::spawn(move || {
        for (record, id) in rx {
            assert_eq!(record.id(), id);
            release(record);
        }
    });
    let producers: Vec<_> = (0..3)
        .map(|_| {
            let tx = tx.clone();
            thread::spawn(move || {
                for _ in 0..if cfg!(miri) { 100 } else { 20_000 } {
                    let record = acquire();
                    assert!(record.id().is_none(), "taken already");
                    let birth = birth();
                    record.spawned(&birth, 0);
                    tx.send((record, birth.id)).unwrap();
                }
            })
        })
        .collect();
    drop(tx);
    for thread in producers.into_iter().chain([consumer]) {
        thread.join().unwrap();
    }
}

#[test]
fn a_thread_whose_stack_is_gone_still_gets_and_gives() {
    struct Late;
    impl Drop for Late {
        fn drop(&mut self) {
            let record = acquire();
            record.spawned(&birth(), 0);
            release(record);
        }
    }
    thread_local!(static LATE: Late = const { Late });
    thread::spawn(|| {
        // Registered first, so dropped after the stack, on the platforms that drop in reverse; fine on the others.
        LATE.with(|_| ());
        release(acquire());
    })
    .join()
    .unwrap();
}
