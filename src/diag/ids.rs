//! Maps by tags, which are numbers that nobody chooses: one multiplication spreads them well enough.

use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasherDefault, Hasher};

use crate::hook::ObjId;

pub(super) type Ids<T> = HashMap<ObjId, T, BuildHasherDefault<Spread>>;
pub(super) type IdSet = HashSet<ObjId, BuildHasherDefault<Spread>>;

/// Fibonacci hashing (Knuth, The Art of Computer Programming, 6.4), the high bits folded down.
#[derive(Default)]
pub(super) struct Spread(u64);

impl Hasher for Spread {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write_u64(&mut self, number: u64) {
        let spread = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        self.0 = spread ^ spread >> 32;
    }

    /// Tags are hashed as one number; this is for whatever else there may be.
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_u64(self.0.rotate_left(8) ^ u64::from(*byte));
        }
    }
}
