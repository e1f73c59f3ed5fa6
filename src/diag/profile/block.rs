//! The profile `block`: where tasks have waited for each other, and for how long.
//!
//! What it is not: a profile of all waits. Sleeping and waiting for the outside world is nobody's fault; they are in `wall`.

use super::lineage::Lineages;
use super::look::{Seen, class, look};
use super::place::{ById, Merged, Origin, Wait};
use super::table::{Sum, Table};
use super::value::{Frame, Profile};
use crate::clock;
use crate::hook::record::WaitSnapshot;
use crate::hook::{ObjId, Ready, WaitClass, WaitReason};
use crate::util::rng;

static WAITS: Table<Wait> = Table::new();

/// Where tasks have waited for each other since [`set_block_profile_rate`](crate::diag::set_block_profile_rate) switched this on:
/// in channels, selects, locks, groups, joins; and those that wait at this moment.
///
/// | value | is |
/// |---|---|
/// | `contentions/count` | waits that have ended |
/// | `delay/nanoseconds` | how long they took |
/// | `pending/count` | waits that go on |
/// | `pending_delay/nanoseconds` | how long they have taken so far |
///
/// The first two are Go's, and pprof shows `delay` if it is not asked for another (`-sample_index=pending_delay`). In Go's profile a program
/// that is stuck has nothing, for its waits never end; here it has the other two, at any rate. Labels: `wait_reason`, and `class`, where what is waited for
/// was made. The stack is the operation, the regions that
/// its task was in, the task's function where it was spawned, and those who spawned it.
///
/// Waits that go on and are [marked as idle](crate::diag::idle_ok) are left out.
///
/// A task that was woken for a lock that somebody else then was faster to take waits anew from then on, which makes two
/// waits of it, as in Go. Waits whose futures are dropped before they end are not counted.
///
/// Follows `SetBlockProfileRate` and the profile `block` of Go (`src/runtime/mprof.go`).
///
/// ```
/// use gochan::{chan, diag, go, yield_now};
///
/// diag::set_block_profile_rate(1);
/// gochan::run(async {
///     let (tx, rx) = chan(0);
///     let waits = go(async move { rx.recv().await });
///     tx.send(1).await.unwrap();
///     waits.await.unwrap().unwrap();
/// });
/// diag::set_block_profile_rate(0);
/// let profile = diag::profile::block();
/// assert!(profile.total("contentions") >= 1, "one of the two came first");
/// ```
pub fn block() -> Profile {
    let mut profile = Profile::new(&[
        ("contentions", "count"),
        ("delay", "nanoseconds"),
        ("pending", "count"),
        ("pending_delay", "nanoseconds"),
    ]);
    profile.default_type = Some("delay");
    let mut merged = Merged::default();
    let (ended, others) = WAITS.read();
    for (wait, sum) in ended {
        merged.add(wait.stack(), wait.labels(), 0, &[sum.count, sum.ns]);
    }
    if others != Sum::default() {
        let stack = vec![Frame::at("other places", None)];
        merged.add(stack, Vec::new(), 0, &[others.count, others.ns]);
    }
    let mut lineages = Lineages::default();
    let seen = look(&mut lineages, ObjId::NONE);
    let now = clock::ticks();
    for (wait, since) in seen
        .iter()
        .filter(|seen| !seen.doing().idle)
        .filter_map(|seen| pending(seen, &lineages))
    {
        let ns = clock::ticks_to_ns(now.saturating_sub(since)) as f64;
        merged.add(wait.stack(), wait.labels(), 2, &[1.0, ns]);
    }
    merged.into(&mut profile);
    profile
}

/// Whether it is waited for somebody else in here.
fn is_blocking(reason: WaitReason) -> bool {
    match reason.class() {
        WaitClass::Chan | WaitClass::Sync => true,
        _ => reason == WaitReason::Join,
    }
}

fn pending(seen: &Seen, lineages: &Lineages) -> Option<(Wait, u64)> {
    let task = &seen.task;
    let wait: &WaitSnapshot = task.wait.as_ref().filter(|wait| is_blocking(wait.reason))?;
    let place = Wait {
        reason: wait.reason,
        site: wait.site.map(ById),
        class: class(wait).map(|(kind, made)| (kind, made.map(ById))),
        origin: Origin::seen(seen, lineages),
    };
    Some((place, wait.since))
}

/// A wait has ended; the rate is in nanoseconds, and not 0.
pub(super) fn ready(event: &Ready, rate: u64) {
    if !is_blocking(event.reason) {
        return;
    }
    let Some(sum) = sampled(event.waited_ns, rate, rng::next) else {
        return;
    };
    let some = (!event.object.is_none()).then(|| event.object.kind());
    let wait = Wait {
        reason: event.reason,
        site: Some(ById(event.site)),
        class: some.map(|kind| (kind, event.made.map(ById))),
        origin: Origin::of(event.more.waiter, event.task),
    };
    WAITS.add(wait, sum);
}

/// What a wait counts for: those shorter than the rate are taken with a chance that grows with their length, and stand for
/// those that were not. So the sums are right on average, whatever the lengths, and exact for a rate of 1; as in Go since 1.17.
fn sampled(ns: u64, rate: u64, random: impl FnOnce() -> u64) -> Option<Sum> {
    let (ns, rate) = (ns.max(1), rate.max(1));
    if ns >= rate {
        let ns = ns as f64;
        return Some(Sum { count: 1.0, ns });
    }
    (random() % rate < ns).then(|| Sum {
        count: rate as f64 / ns as f64,
        ns: rate as f64,
    })
}

#[cfg(all(test, not(gochan_loom)))]
mod tests {
    use super::*;

    #[test]
    fn at_rate_1_everything_counts_as_it_is() {
        for ns in [1, 2, 1_000, u64::from(u32::MAX)] {
            let sum = sampled(ns, 1, || panic!("nothing is left to chance")).unwrap();
            assert_eq!((sum.count, sum.ns), (1.0, ns as f64));
        }
        assert_eq!(sampled(0, 1, || 0).unwrap().count, 1.0);
    }

    /// Over all that chance may say, count and time come out as they were.
    #[test]
    fn samples_are_unbiased() {
        const RATE: u64 = 1_000;
        for ns in [1, 10, 333, 999, 1_000, 5_000] {
            let mut all = Sum::default();
            for chance in 0..RATE {
                all.add(sampled(ns, RATE, || chance).unwrap_or_default());
            }
            let (count, time) = (all.count / RATE as f64, all.ns / RATE as f64);
            assert!((count - 1.0).abs() < 1e-9, "{ns}: {count}");
            assert!((time - ns as f64).abs() < 1e-6, "{ns}: {time}");
        }
    }
}
