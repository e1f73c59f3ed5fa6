//! Who has been waited for: the objects with the longest waits one by one, the others together by where they were made.
//!
//! What it is not: a list of objects. One that is gone stays until others have waited for longer.
//!
//! 1. A shard has at most [`OBJECTS`]. When one more comes, those half with the shortest waits are added to their classes.
//! 2. There are at most [`CLASSES`] of those; the half with the shortest waits is then added to `others`.
//! 3. Nothing is lost: each wait is counted in one object, in one folded class or in `others`.
//! 4. Each shard has its own lock, and may take that of the folded ones inside. Nothing foreign runs under either.

use std::collections::HashMap;
use std::hash::Hash;
use std::panic::Location;
use std::time::Duration;

use ::parking_lot::Mutex;

use super::contention::Contention;
use crate::hook::{Kind, ObjId};

type Site = &'static Location<'static>;

const SHARDS: usize = 16;
/// Of one shard.
const OBJECTS: usize = 64;
const CLASSES: usize = 512;

/// A kind of objects, and where they are made.
pub(super) type Class = (Kind, Option<Site>);

/// One object.
#[derive(Clone, Debug, Default)]
pub(super) struct Entry {
    pub(super) made: Option<Site>,
    pub(super) contention: Contention,
}

/// Objects that have no entry of their own any more.
#[derive(Clone, Debug, Default)]
pub(super) struct Folded {
    /// How often one was folded, and what was counted.
    pub(super) classes: HashMap<Class, (u64, Contention)>,
    pub(super) others: Contention,
    /// How many classes were added to `others`.
    pub(super) classes_left_out: u64,
}

pub(super) struct Table {
    shards: [Mutex<Option<HashMap<ObjId, Entry>>>; SHARDS],
    folded: Mutex<Option<Folded>>,
}

impl Table {
    pub(super) const fn new() -> Table {
        Table {
            shards: [const { Mutex::new(None) }; SHARDS],
            folded: Mutex::new(None),
        }
    }

    fn shard(&self, object: ObjId) -> &Mutex<Option<HashMap<ObjId, Entry>>> {
        &self.shards[(object.number() as usize) % SHARDS]
    }

    /// Changes the object's entry, which is new if there was none.
    pub(super) fn change(&self, object: ObjId, change: impl FnOnce(&mut Entry)) {
        let mut shard = self.shard(object).lock();
        let shard = shard.get_or_insert_with(|| HashMap::with_capacity(OBJECTS));
        if shard.len() >= OBJECTS && !shard.contains_key(&object) {
            self.fold(shard);
        }
        change(shard.entry(object).or_default());
    }

    /// Changes the object's entry, if there is one.
    pub(super) fn change_known(&self, object: ObjId, change: impl FnOnce(&mut Entry)) {
        let mut shard = self.shard(object).lock();
        if let Some(entry) = shard.as_mut().and_then(|shard| shard.get_mut(&object)) {
            change(entry);
        }
    }

    /// A copy of everything.
    pub(super) fn read(&self) -> (Vec<(ObjId, Entry)>, Folded) {
        let mut objects = Vec::new();
        for shard in &self.shards {
            let shard = shard.lock();
            let entries = shard.iter().flatten();
            objects.extend(entries.map(|(object, entry)| (*object, entry.clone())));
        }
        (objects, self.folded.lock().clone().unwrap_or_default())
    }

    #[cold]
    fn fold(&self, shard: &mut HashMap<ObjId, Entry>) {
        let waits = |entry: &Entry| entry.contention.wait_total;
        let least = take_least(shard, waits);
        let mut folded = self.folded.lock();
        let folded = folded.get_or_insert_default();
        for (object, entry) in least {
            let class = (object.kind(), entry.made);
            folded.add(class, &entry.contention);
        }
    }
}

impl Folded {
    fn add(&mut self, class: Class, contention: &Contention) {
        if self.classes.len() >= CLASSES && !self.classes.contains_key(&class) {
            let least = take_least(&mut self.classes, |sum| sum.1.wait_total);
            for (_, (_, contention)) in least {
                self.others.merge(&contention);
                self.classes_left_out += 1;
            }
        }
        let sum = self.classes.entry(class).or_default();
        sum.0 += 1;
        sum.1.merge(contention);
    }
}

/// The half of them with the shortest waits.
fn take_least<K: Copy + Eq + Hash, V>(
    all: &mut HashMap<K, V>,
    waits: impl Fn(&V) -> Duration,
) -> Vec<(K, V)> {
    let mut order: Vec<_> = all
        .iter()
        .map(|(key, value)| (waits(value), *key))
        .collect();
    order.sort_unstable_by_key(|(waits, _)| *waits);
    order.truncate(order.len() / 2);
    let least = order.into_iter();
    least
        .filter_map(|(_, key)| all.remove_entry(&key))
        .collect()
}

#[cfg(all(test, not(gochan_loom)))]
mod tests {
    use super::*;

    fn wait(table: &Table, object: ObjId, made: Option<Site>, ns: u64) {
        table.change(object, |entry| {
            entry.made = made;
            entry.contention.waits += 1;
            entry.contention.wait_total += Duration::from_nanos(ns);
        });
    }

    #[test]
    fn the_longest_waits_stay_and_nothing_is_lost() {
        let table = Table::new();
        let long = ObjId::fresh(Kind::Mutex);
        wait(&table, long, None, u64::from(u32::MAX));
        let many = 4 * SHARDS * OBJECTS;
        for n in 0..many {
            wait(&table, ObjId::fresh(Kind::Chan), None, n as u64);
        }
        let (objects, folded) = table.read();
        assert!(objects.len() <= SHARDS * OBJECTS);
        assert!(objects.iter().any(|(object, _)| *object == long));
        let chans = &folded.classes[&(Kind::Chan, None)];
        assert_eq!(objects.len() as u64 + chans.0, many as u64 + 1);
        let kept = objects.iter().filter(|(object, _)| *object != long);
        let kept: Duration = kept.map(|(_, entry)| entry.contention.wait_total).sum();
        let all = (many * (many - 1) / 2) as u64;
        assert_eq!(kept + chans.1.wait_total, Duration::from_nanos(all));
    }

    #[test]
    fn classes_are_limited_too() {
        let mut folded = Folded::default();
        let one = Contention {
            waits: 1,
            ..Contention::default()
        };
        // Places in the source are few; these are made up.
        let site = || -> Site { Box::leak(Box::new(*Location::caller())) };
        let kinds = [Kind::Mutex, Kind::Chan, Kind::RwMutex];
        for kind in kinds {
            folded.add((kind, None), &one);
            folded.add((kind, Some(site())), &one);
        }
        assert_eq!((folded.classes.len(), folded.others.waits), (6, 0));
        let mut classes: HashMap<u32, Contention> = (0..CLASSES as u32)
            .map(|n| {
                (
                    n,
                    Contention {
                        wait_total: Duration::from_nanos(n.into()),
                        ..one.clone()
                    },
                )
            })
            .collect();
        let least = take_least(&mut classes, |sum| sum.wait_total);
        assert_eq!((least.len(), classes.len()), (CLASSES / 2, CLASSES / 2));
        assert!(least.iter().all(|(n, _)| *n < CLASSES as u32 / 2));
    }

    #[test]
    fn what_is_not_known_is_not_changed() {
        let table = Table::new();
        table.change_known(ObjId::fresh(Kind::Mutex), |_| panic!("it is not there"));
        assert!(table.read().0.is_empty());
    }
}
