//! The profile `mutex`: whose holds of locks others have waited for, and how long things were held.
//!
//! What it is not: a count of what the waiters did. They are in `block`.
//!
//! 1. What was waited for is charged when a wait ends, from the [`Histories`] of holds; what goes on is added by who reads.
//! 2. With a fraction of n one wait in n is charged, n times over, and one hold in n counted; histories know all holds.

use std::collections::HashMap;

use super::history::{Charge, Histories, Past};
use super::lineage::Lineages;
use super::look::{Seen, look};
use super::place::{ById, Hold, Merged, Origin};
use super::table::{Sum, Table};
use super::value::{Frame, Profile};
use crate::clock;
use crate::hook::holder::{self, Holding};
use crate::hook::sink::Released;
use crate::hook::{Kind, ObjId, Park, Ready};
use crate::util::rng;

static HISTORIES: Histories = Histories::new();
/// What others have waited, by who made them wait. `None`: not known.
static DELAYS: Table<Option<Hold>> = Table::new();
/// For how long something was held, by where it was acquired.
static HOLDS: Table<Hold> = Table::new();

/// Whom others have waited for since [`set_mutex_profile_fraction`](crate::diag::set_mutex_profile_fraction) switched this on: who held
/// mutexes, read-write mutexes and semaphores, for how long, and what that has cost the others.
///
/// | value | is |
/// |---|---|
/// | `contentions/count` | waits that ended by a release from here |
/// | `delay/nanoseconds` | what others have waited because of what was held here |
/// | `holds/count`, `hold/nanoseconds` | holds that have ended, waited for or not, and how long they were |
/// | `pending/count`, `pending_delay/nanoseconds` | waits that go on, and what they have waited because of what is or was held here |
///
/// The first two are Go's, and pprof shows `delay` if it is not asked for another. The leaf of a stack is the line of the release, where it was one
/// of its own ([`MutexGuard::unlock`](crate::sync::mutex::MutexGuard::unlock)); a guard that is dropped has no line, then it is the line
/// where it was acquired. `hold` is always at the line where it was acquired.
///
/// A wait that outlasts several holds is charged to each of them for its part, so that the sum of all delays is the sum of
/// all waits. Of more than 32 holds the oldest, and holds from before somebody waited for the object, are `a holder that is
/// not known`. Follows `SetMutexProfileFraction` and the profile `mutex` of Go (`src/runtime/mprof.go`), which approximates the parts.
///
/// ```
/// use gochan::{diag, go, sync::Mutex, yield_now};
/// use std::sync::Arc;
///
/// diag::set_mutex_profile_fraction(1);
/// gochan::run(async {
///     let mutex = Arc::new(Mutex::new(0));
///     let held = mutex.lock().await;
///     let theirs = Arc::clone(&mutex);
///     let waits = go(async move { *theirs.lock().await += 1 });
///     while mutex.stats().waiters.is_empty() {
///         yield_now().await;
///     }
///     drop(held);
///     waits.await.unwrap();
/// });
/// diag::set_mutex_profile_fraction(0);
/// let profile = diag::profile::mutex();
/// assert!(profile.total("contentions") >= 1 && profile.total("holds") >= 2);
/// ```
pub fn mutex() -> Profile {
    let mut profile = Profile::new(&[
        ("contentions", "count"),
        ("delay", "nanoseconds"),
        ("holds", "count"),
        ("hold", "nanoseconds"),
        ("pending", "count"),
        ("pending_delay", "nanoseconds"),
    ]);
    profile.default_type = Some("delay");
    let mut merged = Merged::default();
    let (delays, more_delays) = DELAYS.read();
    for (hold, sum) in delays {
        add(&mut merged, hold, 0, sum);
    }
    let (holds, more_holds) = HOLDS.read();
    for (hold, sum) in holds {
        add(&mut merged, Some(hold), 2, sum);
    }
    for (first, sum) in [(0, more_delays), (2, more_holds)] {
        if sum != Sum::default() {
            let stack = vec![Frame::at("other places", None)];
            merged.add(stack, Vec::new(), first, &[sum.count, sum.ns]);
        }
    }
    add_pending(&mut merged);
    merged.into(&mut profile);
    profile
}

fn add(merged: &mut Merged, hold: Option<Hold>, first: usize, sum: Sum) {
    let stack = match hold {
        Some(hold) => hold.stack(),
        None => vec![Frame::at("a holder that is not known", None)],
    };
    merged.add(stack, Vec::new(), first, &[sum.count, sum.ns]);
}

/// Charges the waits that go on: to who holds it now, and what was before that to those before.
fn add_pending(merged: &mut Merged) {
    let mut lineages = Lineages::default();
    let seen = look(&mut lineages, ObjId::NONE);
    let now = clock::ticks();
    let by_id: HashMap<ObjId, &Seen> = seen.iter().map(|seen| (seen.task.id, seen)).collect();
    let mut held: HashMap<ObjId, Holding> = HashMap::new();
    for holding in holder::all().into_iter().filter(|held| is_lock(held.what)) {
        let first = held.entry(holding.what).or_insert(holding);
        if holding.since < first.since {
            *first = holding;
        }
    }
    for wait in seen.iter().filter_map(|seen| seen.task.wait.as_ref()) {
        let Some(holding) = held.get(&wait.object).filter(|_| wait.arm_count == 0) else {
            continue;
        };
        let began = holding.since.clamp(wait.since, now.max(wait.since));
        let holder = by_id.get(&holding.who);
        let origin = holder.map_or_else(Origin::unknown, |seen| Origin::seen(seen, &lineages));
        let hold = hold_of(holding.what, holding.site, None, origin);
        add(merged, Some(hold), 4, sum(1.0, now.saturating_sub(began)));
        HISTORIES.charge(wait.object, wait.since, began, |charge, ticks| {
            add(merged, charged(charge), 4, sum(0.0, ticks));
        });
    }
}

fn is_lock(object: ObjId) -> bool {
    let kind = object.kind();
    !object.is_none() && matches!(kind, Kind::Mutex | Kind::RwMutex | Kind::Semaphore)
}

fn charged(charge: Charge) -> Option<Hold> {
    match charge {
        Charge::Hold(hold) => Some(hold),
        Charge::Unknown => None,
    }
}

fn sum(count: f64, ticks: u64) -> Sum {
    let ns = clock::ticks_to_ns(ticks) as f64;
    Sum { count, ns }
}

type Site = Option<&'static std::panic::Location<'static>>;

fn hold_of(object: ObjId, acquired: Site, released: Site, origin: Origin) -> Hold {
    Hold {
        kind: object.kind(),
        site: released.or(acquired).map(ById),
        released: released.is_some(),
        origin,
    }
}

// === the events ===

pub(super) fn parked(event: &Park<'_>, now: u64) {
    let arms = event.arms.iter().map(|arm| arm.object);
    let objects = std::iter::once(event.object).chain(arms);
    objects
        .filter(|object| is_lock(*object))
        .for_each(|object| HISTORIES.waits(object, now));
}

/// The fraction is not 0.
pub(super) fn ready(event: &Ready, now: u64, fraction: u32) {
    if !is_lock(event.object) {
        return;
    }
    let Some(times) = sampled(fraction, rng::below) else {
        return;
    };
    let since = event.more.since;
    // The wait counts once, for who ended it.
    let mut count = 1.0;
    HISTORIES.charge(event.object, since, now, |charge, ticks| {
        let part = sum(std::mem::take(&mut count), ticks);
        DELAYS.add(charged(charge), part.times(times));
    });
}

/// How many events one that is taken stands for, if this one is: one in `fraction`.
fn sampled(fraction: u32, below: impl FnOnce(u32) -> u32) -> Option<f64> {
    (below(fraction) == 0).then_some(f64::from(fraction))
}

/// The fraction is not 0.
pub(super) fn released(event: &Released, now: u64, fraction: u32) {
    if !is_lock(event.object) {
        return;
    }
    let origin = Origin::current();
    let hold = hold_of(event.object, event.acquired, event.released, origin);
    let past = Past {
        since: event.since,
        until: now,
        hold,
    };
    HISTORIES.released(event.object, past);
    if let Some(times) = sampled(fraction, rng::below) {
        let held = sum(1.0, now.saturating_sub(event.since));
        let acquired = hold_of(event.object, event.acquired, None, origin);
        HOLDS.add(acquired, held.times(times));
    }
}

#[cfg(all(test, not(gochan_loom)))]
mod tests {
    use super::*;
    use crate::hook::{More, WaitReason};
    use std::panic::Location;

    /// Over all that chance may say, count and time come out as they were.
    #[test]
    fn samples_are_unbiased() {
        for fraction in [1, 2, 5, 100] {
            let mut all = Sum::default();
            for chance in 0..fraction {
                let below = |limit| {
                    assert_eq!(limit, fraction);
                    chance
                };
                if let Some(times) = sampled(fraction, below) {
                    all.add(sum(1.0, 1_000).times(times));
                }
            }
            let (one, n) = (sum(1.0, 1_000), f64::from(fraction));
            assert_eq!((all.count / n, all.ns / n), (one.count, one.ns));
        }
    }

    #[track_caller]
    fn place() -> Site {
        Some(Location::caller())
    }

    fn total<K: Copy + Eq + std::hash::Hash>(table: &Table<K>, which: impl Fn(&K) -> bool) -> Sum {
        let mut total = Sum::default();
        let (all, _) = table.read();
        all.iter()
            .filter(|(key, _)| which(key))
            .for_each(|(_, sum)| total.add(*sum));
        total
    }

    /// One wait and one hold in two are taken, and stand for both.
    #[test]
    fn one_that_is_taken_counts_for_those_that_are_not() {
        const TIMES: u32 = 2;
        let (object, acquired) = (ObjId::fresh(Kind::Mutex), place());
        let here = |hold: &Hold| hold.site == acquired.map(ById);
        let release = Released {
            object,
            holder: ObjId::NONE,
            acquired,
            since: 1_000,
            released: None,
        };
        let more = More {
            waiter: None,
            depth: 0,
            again: false,
            handed: true,
            since: 1_500,
        };
        let wait = Ready {
            task: ObjId::NONE,
            by: ObjId::NONE,
            reason: WaitReason::MutexLock,
            object,
            made: None,
            site: Location::caller(),
            waited_ns: 0,
            more,
        };
        HISTORIES.waits(object, 1_000);
        let holds = || total(&HOLDS, here);
        let waits = || total(&DELAYS, |hold| hold.as_ref().is_some_and(here));
        taken_or_not(holds, sum(1.0, 1_000), || released(&release, 2_000, TIMES));
        taken_or_not(waits, sum(1.0, 500), || ready(&wait, 2_000, TIMES));
    }

    /// Each time either nothing is added or twice the one event; sooner or later it is.
    fn taken_or_not(all: impl Fn() -> Sum, one: Sum, event: impl Fn()) {
        let mut before = all();
        loop {
            event();
            let after = all();
            if after != before {
                before.add(one);
                before.add(one);
                return assert_eq!(after, before);
            }
        }
    }
}
