//! Sums by place, for events: many threads add, now and then somebody reads.
//!
//! What it is not: unlimited. A shard that is full adds up what is new in `others`.
//!
//! 1. Each shard has its own lock, held for one look at a map that never grows beyond [`PLACES`]; nothing foreign runs
//!    under it.
//! 2. Nothing is lost: what was added is in one of the sums or in `others`.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};

use ::parking_lot::Mutex;

const SHARDS: usize = 16;
/// Of one shard.
const PLACES: usize = 256;

/// A number of events and what they took together, in nanoseconds. A sampled event stands for several, hence the
/// fractions; sums of whole numbers are exact up to 2^53, a hundred days.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Sum {
    pub(super) count: f64,
    pub(super) ns: f64,
}

impl Sum {
    pub(super) fn add(&mut self, other: Sum) {
        self.count += other.count;
        self.ns += other.ns;
    }

    /// As if all of it had been `times` times.
    pub(super) fn times(self, times: f64) -> Sum {
        Sum {
            count: self.count * times,
            ns: self.ns * times,
        }
    }
}

/// Sums by `K`.
pub(super) struct Table<K> {
    shards: [Mutex<Shard<K>>; SHARDS],
}

struct Shard<K> {
    /// `None` until something is added.
    sums: Option<HashMap<K, Sum>>,
    others: Sum,
}

impl<K: Copy + Eq + Hash> Table<K> {
    pub(super) const fn new() -> Table<K> {
        Table {
            shards: [const {
                Mutex::new(Shard {
                    sums: None,
                    others: Sum {
                        count: 0.0,
                        ns: 0.0,
                    },
                })
            }; SHARDS],
        }
    }

    pub(super) fn add(&self, key: K, sum: Sum) {
        let mut hasher = DefaultHasher::new();
        key.hash(&mut hasher);
        let shard = (hasher.finish() >> 32) as usize % SHARDS;
        self.shards[shard].lock().add(key, sum);
    }

    /// All sums, in no order, and that of what had no room.
    pub(super) fn read(&self) -> (Vec<(K, Sum)>, Sum) {
        let (mut all, mut others) = (Vec::new(), Sum::default());
        for shard in &self.shards {
            let shard = shard.lock();
            let sums = shard.sums.iter().flatten();
            all.extend(sums.map(|(key, sum)| (*key, *sum)));
            others.add(shard.others);
        }
        (all, others)
    }
}

impl<K: Eq + Hash> Shard<K> {
    fn add(&mut self, key: K, sum: Sum) {
        // All the room that it will ever need, at once.
        let sums = self
            .sums
            .get_or_insert_with(|| HashMap::with_capacity(PLACES));
        let full = sums.len() >= PLACES;
        match sums.get_mut(&key) {
            Some(known) => known.add(sum),
            None if full => self.others.add(sum),
            None => drop(sums.insert(key, sum)),
        }
    }
}

#[cfg(all(test, not(gochan_loom)))]
mod tests {
    use super::*;

    const ONE: Sum = Sum {
        count: 1.0,
        ns: 10.0,
    };

    #[test]
    fn what_has_no_room_is_with_the_others() {
        let table = Table::new();
        let keys = 3 * SHARDS * PLACES;
        (0..keys).for_each(|key| table.add(key, ONE));
        (0..keys).for_each(|key| table.add(key, ONE));
        let (sums, others) = table.read();
        assert!(sums.len() <= SHARDS * PLACES && others.count > 0.0);
        assert!(
            sums.iter().all(|(_, sum)| sum.count == 2.0),
            "a place once had stays"
        );
        let mut all = others;
        sums.iter().for_each(|(_, sum)| all.add(*sum));
        assert_eq!((all.count, all.ns), (2.0 * keys as f64, 20.0 * keys as f64));
    }

    #[test]
    fn threads_add_at_the_same_time() {
        static TABLE: Table<u64> = Table::new();
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| (0..1_000).for_each(|n| TABLE.add(n % 10, ONE)));
            }
        });
        let (sums, others) = TABLE.read();
        assert_eq!((sums.len(), others), (10, Sum::default()));
        assert!(sums.iter().all(|(_, sum)| sum.count == 400.0));
    }
}
