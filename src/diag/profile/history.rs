//! Who held what lately: for each object that somebody has waited for, its last holds, to tell who a wait was due to.
//!
//! What it is not: complete. The oldest of many holds are forgotten, and so are objects that nobody has waited for lately.
//!
//! 1. A wait is charged in full: to the holds that it outlasted, each for the time in which it kept the waiter waiting, and
//!    what no known hold covers to [`Charge::Unknown`].
//! 2. Of holds at the same time, readers', the one that ended last has the time that they share.
//! 3. The time between a release and the end of the wait that it led to, or the next hold, is the released one's.

use std::collections::{HashMap, VecDeque};

use ::parking_lot::Mutex;

use super::place::Hold;
use crate::hook::ObjId;

const SHARDS: usize = 16;
/// Objects of one shard.
const OBJECTS: usize = 64;
/// Holds of one object.
const HOLDS: usize = 32;

/// All objects' histories.
pub(super) struct Histories([Mutex<Option<Shard>>; SHARDS]);

type Shard = HashMap<ObjId, History>;

/// One object's.
#[derive(Debug, Default)]
pub(super) struct History {
    /// Oldest release first.
    holds: VecDeque<Past>,
    /// When somebody last began to wait, in ticks.
    waited: u64,
}

/// A hold that has ended; times in ticks.
#[derive(Clone, Copy, Debug)]
pub(super) struct Past {
    pub(super) since: u64,
    pub(super) until: u64,
    pub(super) hold: Hold,
}

/// Who a part of a wait is charged to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Charge {
    Hold(Hold),
    Unknown,
}

impl Histories {
    pub(super) const fn new() -> Histories {
        Histories([const { Mutex::new(None) }; SHARDS])
    }

    fn shard(&self, object: ObjId) -> &Mutex<Option<Shard>> {
        &self.0[(object.number() as usize) % SHARDS]
    }

    /// Somebody waits for the object: its holds are to be remembered from now on.
    pub(super) fn waits(&self, object: ObjId, now: u64) {
        let mut shard = self.shard(object).lock();
        let shard = shard.get_or_insert_with(|| HashMap::with_capacity(OBJECTS));
        if shard.len() >= OBJECTS && !shard.contains_key(&object) {
            forget_one(shard);
        }
        shard.entry(object).or_default().waited = now;
    }

    /// A hold of the object has ended.
    pub(super) fn released(&self, object: ObjId, past: Past) {
        let mut shard = self.shard(object).lock();
        if let Some(history) = shard.as_mut().and_then(|shard| shard.get_mut(&object)) {
            history.add(past);
        }
    }

    /// Charges a wait for the object from `since` until `until`: tells `charge` who for how many ticks, the last one
    /// first.
    pub(super) fn charge(
        &self,
        object: ObjId,
        since: u64,
        until: u64,
        charge: impl FnMut(Charge, u64),
    ) {
        let shard = self.shard(object).lock();
        let known = shard.as_ref().and_then(|shard| shard.get(&object));
        known
            .unwrap_or(&History::default())
            .charge(since, until, charge);
    }

    #[cfg(all(test, not(gochan_loom)))]
    fn len(&self) -> usize {
        let len = |shard: &Mutex<Option<Shard>>| shard.lock().as_ref().map_or(0, HashMap::len);
        self.0.iter().map(len).sum()
    }
}

/// The object that nobody has waited for for longest.
fn forget_one(shard: &mut Shard) {
    let oldest = shard.iter().min_by_key(|(_, history)| history.waited);
    if let Some(object) = oldest.map(|(object, _)| *object) {
        shard.remove(&object);
    }
}

impl History {
    fn add(&mut self, past: Past) {
        if self.holds.len() >= HOLDS {
            self.holds.pop_front();
        }
        self.holds.push_back(past);
    }

    fn charge(&self, since: u64, until: u64, mut charge: impl FnMut(Charge, u64)) {
        let mut left = until;
        for past in self.holds.iter().rev() {
            if left <= since || past.until <= since {
                break;
            }
            let begin = past.since.max(since);
            if begin < left {
                charge(Charge::Hold(past.hold), left - begin);
                left = begin;
            }
        }
        if left > since {
            charge(Charge::Unknown, left - since);
        }
    }
}

#[cfg(all(test, not(gochan_loom)))]
mod tests {
    use super::*;
    use crate::diag::profile::place::Origin;
    use crate::hook::Kind;

    /// A hold that is told from others by its kind.
    fn past(kind: Kind, since: u64, until: u64) -> Past {
        let hold = Hold {
            kind,
            site: None,
            released: false,
            origin: Origin::default(),
        };
        Past { since, until, hold }
    }

    fn charges(holds: &[Past], since: u64, until: u64) -> Vec<(Option<Kind>, u64)> {
        let mut history = History::default();
        holds.iter().for_each(|past| history.add(*past));
        let mut charges = Vec::new();
        history.charge(since, until, |charge, ticks| {
            let kind = match charge {
                Charge::Hold(hold) => Some(hold.kind),
                Charge::Unknown => None,
            };
            charges.push((kind, ticks));
        });
        assert_eq!(charges.iter().map(|c| c.1).sum::<u64>(), until - since);
        charges
    }

    const A: Kind = Kind::Mutex;
    const B: Kind = Kind::RwMutex;

    #[test]
    fn each_hold_has_the_time_that_it_took() {
        // It came while A had it, and B was next.
        let holds = [past(A, 0, 30), past(B, 30, 100)];
        assert_eq!(charges(&holds, 10, 100), [(Some(B), 70), (Some(A), 20)]);
    }

    #[test]
    fn what_was_over_before_is_charged_with_nothing() {
        let holds = [past(A, 0, 30), past(B, 35, 100)];
        assert_eq!(charges(&holds, 40, 100), [(Some(B), 60)]);
        assert_eq!(charges(&holds, 30, 100), [(Some(B), 65), (None, 5)]);
    }

    #[test]
    fn a_gap_is_that_of_the_release_before_it() {
        let holds = [past(A, 0, 30), past(B, 50, 60)];
        assert_eq!(charges(&holds, 10, 64), [(Some(B), 14), (Some(A), 40)]);
    }

    #[test]
    fn of_readers_the_last_one_is_charged() {
        let holds = [past(A, 10, 50), past(B, 0, 60)];
        assert_eq!(charges(&holds, 20, 60), [(Some(B), 40)]);
        let holds = [past(B, 0, 50), past(A, 40, 60)];
        assert_eq!(charges(&holds, 20, 60), [(Some(A), 20), (Some(B), 20)]);
    }

    #[test]
    fn what_is_not_known_is_charged_to_nobody() {
        assert_eq!(charges(&[], 0, 5), [(None, 5)]);
        let many: Vec<_> = (0..2 * HOLDS as u64)
            .map(|n| past(A, 10 * n, 10 * n + 10))
            .collect();
        let until = 20 * HOLDS as u64;
        let charged = charges(&many, 0, until);
        assert_eq!(charged.last(), Some(&(None, until / 2)));
        assert_eq!(charged.len(), HOLDS + 1);
    }

    #[test]
    fn there_are_never_too_many() {
        let all = Histories::new();
        let objects: Vec<_> = (0..2 * SHARDS * OBJECTS).map(|_| ObjId::fresh(A)).collect();
        for (now, object) in objects.iter().enumerate() {
            all.waits(*object, now as u64);
            all.released(*object, past(A, 0, 10));
            assert!(all.len() <= SHARDS * OBJECTS);
        }
        let charge = |object: ObjId| {
            let mut to = Vec::new();
            all.charge(object, 0, 10, |charge, _| to.push(charge));
            to
        };
        let (oldest, newest) = (objects[0], *objects.last().unwrap());
        assert_eq!(charge(oldest), [Charge::Unknown], "forgotten");
        assert_eq!(charge(newest), [Charge::Hold(past(A, 0, 10).hold)]);
        all.released(oldest, past(A, 0, 10));
        assert_eq!(charge(oldest), [Charge::Unknown], "nobody waits for it");
    }
}
