//! Recordings are the process's, so these tests take turns; what other tests' runtimes do meanwhile is counted too, so
//! they ask for at least what they did themselves.

use super::*;
use crate::hook::record::Record;
use crate::hook::{WaitReason, sink::Made};

static TURN: Mutex<()> = Mutex::new(());

fn begun(record: &'static Record, ns_ago: u64, after: Option<WaitReason>) -> (Begun, u64) {
    // Ticks are nanoseconds or shorter; a rate is known once somebody asked.
    let now = clock::ticks();
    let per_tick = clock::ticks_to_ns(1 << 32);
    let ticks = (u128::from(ns_ago) << 32) / u128::from(per_tick);
    let at = now.saturating_sub(ticks as u64);
    let ready = Some(Made { at, after });
    (Begun { record, ready }, now)
}

/// One of a kind more than before, and in which bucket.
fn more(before: &Latency, after: &Latency) -> Vec<Duration> {
    let count = |of: &Latency, at: Duration| {
        let bucket = of.times.buckets().find(|(times, _)| times.start == at);
        bucket.map_or(0, |(_, count)| count)
    };
    let new = after
        .times
        .buckets()
        .filter(|(times, n)| *n > count(before, times.start));
    new.map(|(times, _)| times.start).collect()
}

fn is_near(starts: &[Duration], ns: u64) -> bool {
    starts.iter().any(|start| {
        let start = start.as_nanos() as u64;
        start <= ns && ns - start <= ns / 4
    })
}

#[test]
fn a_poll_is_counted_by_how_it_came_to_run() {
    let _turn = TURN.lock();
    let record = registry::acquire();
    let minute = 60_000_000_000;
    let before = read().0;
    let (event, now) = begun(record, minute, Some(WaitReason::MutexLock));
    Recorder.poll_start(&event, now);
    Recorder.poll_end(ObjId::NONE, false, now);
    // An end without a beginning says nothing.
    Recorder.poll_end(ObjId::NONE, false, now);
    let (event, now) = begun(record, 3 * minute, Some(WaitReason::ChanRecv));
    Recorder.poll_start(&event, now);
    let after = read().0;
    let scheduling = more(&before.scheduling, &after.scheduling);
    assert!(
        is_near(&scheduling, minute) && is_near(&scheduling, 3 * minute),
        "{scheduling:?}"
    );
    let lock = more(&before.lock_wake, &after.lock_wake);
    assert!(
        is_near(&lock, minute) && !is_near(&lock, 3 * minute),
        "{lock:?}"
    );
    assert!(after.scheduling.max >= Duration::from_secs(179));
    assert!(after.scheduling.total >= before.scheduling.total + Duration::from_secs(239));
    assert!(after.poll.times.count() > before.poll.times.count());
    registry::release(record);
}

/// As much as one that runs at last, and only while it waits.
#[test]
fn who_waits_is_counted_in() {
    let _turn = TURN.lock();
    let record = registry::acquire();
    let hour = 3_600_000_000_000;
    let birth = crate::hook::record::Birth {
        id: ObjId::fresh(crate::hook::Kind::Task),
        name: None,
        site: None,
        parent: ObjId::NONE,
        runtime: 0,
        type_name: None,
    };
    let (event, _) = begun(record, hour, None);
    let before = latencies();
    record.spawned(&birth, event.ready.unwrap().at);
    let stuck = latencies();
    assert!(stuck.waiting >= 1);
    assert!(stuck.scheduling.max > Duration::from_secs(600));
    record.start_poll();
    let runs = latencies();
    assert_eq!(
        runs.scheduling.max,
        before.scheduling.max.max(runs.scheduling.max)
    );
    record.finish();
    registry::release(record);
}

#[test]
fn several_recordings_end_with_the_last() {
    let _turn = TURN.lock();
    let (first, second) = (record(), record());
    assert!(crate::hook::on(POLL_START));
    drop(first);
    assert_eq!(*RECORDERS.lock(), 1);
    assert!(crate::hook::on(POLL_START));
    drop(second);
    assert_eq!(*RECORDERS.lock(), 0);
}

#[test]
fn a_long_poll_is_counted_once_however_often_it_is_told() {
    let _turn = TURN.lock();
    let site = std::panic::Location::caller();
    let mut poll = LongPoll {
        task: ObjId::fresh(crate::hook::Kind::Task),
        spawned: Some(site),
        type_name: None,
        after: None,
        object: ObjId::NONE,
        lasted_ns: 10_000_000,
        cause: None,
        taken_over: false,
        number: 4,
    };
    let count = || long_polls().into_iter().find(|(at, _)| *at == Some(site));
    Recorder.long_poll(&poll, 0);
    poll.lasted_ns *= 10;
    Recorder.long_poll(&poll, 0);
    assert_eq!(count(), Some((Some(site), 1)));
    poll.number = 5;
    Recorder.long_poll(&poll, 0);
    assert_eq!(count(), Some((Some(site), 2)));
}
