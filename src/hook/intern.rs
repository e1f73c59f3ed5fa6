//! Small numbers for places in the source and for names that live for ever, so that either fits into two bytes.
//!
//! What it is not: a map of strings. Two equal names at two addresses may have two numbers.
//!
//! 1. A number is given once and never changes. 0 is nobody's: the table is full around the place where it belongs.
//! 2. A place of the table is written once, by whoever comes first; looking there afterwards is two loads.
//! 3. There is no table before its first number is asked for.

use std::panic::Location;
// Numbers decide nothing in a model: these are the real machine's under loom as well.
use std::sync::OnceLock;

/// A power of two, and no more than fits into 16 bits.
const PLACES: usize = 1 << 14;
/// Places that are looked at before a number is refused.
const TRIES: usize = 64;

/// What has numbers.
pub(crate) trait Interned: 'static {
    fn address(&self) -> usize;
    fn is_same(&self, other: &Self) -> bool;
}

impl Interned for Location<'static> {
    fn address(&self) -> usize {
        std::ptr::from_ref(self).addr()
    }
    fn is_same(&self, other: &Self) -> bool {
        std::ptr::eq(self, other)
    }
}

impl Interned for str {
    fn address(&self) -> usize {
        self.as_ptr().addr() ^ self.len()
    }
    fn is_same(&self, other: &Self) -> bool {
        std::ptr::eq(self, other)
    }
}

/// The numbers of one sort of things.
pub(crate) struct Table<T: ?Sized + 'static>(OnceLock<Box<[OnceLock<&'static T>]>>);

/// Of places in the source.
pub(crate) static SITES: Table<Location<'static>> = Table::new();
/// Of names.
pub(crate) static NAMES: Table<str> = Table::new();

impl<T: ?Sized + Interned> Table<T> {
    const fn new() -> Table<T> {
        Table(OnceLock::new())
    }

    /// The number of `it`, now and for ever.
    #[inline]
    pub(crate) fn number(&self, it: &'static T) -> u16 {
        let table = self.0.get_or_init(Table::<T>::places);
        let first = place_of(it.address());
        for step in 0..TRIES {
            let place = (first + step) % PLACES;
            let here = *table[place].get_or_init(|| it);
            if here.is_same(it) {
                return place as u16 + 1;
            }
        }
        0
    }

    /// Who has this number.
    pub(crate) fn get(&self, number: u16) -> Option<&'static T> {
        let place = usize::from(number).checked_sub(1)?;
        self.0.get()?.get(place)?.get().copied()
    }

    #[cold]
    fn places() -> Box<[OnceLock<&'static T>]> {
        (0..PLACES).map(|_| OnceLock::new()).collect()
    }
}

/// Fibonacci hashing: neighbours in memory are far apart in the table.
fn place_of(address: usize) -> usize {
    const GOLDEN: u64 = 0x9E37_79B9_7F4A_7C15;
    let mixed = (address as u64).wrapping_mul(GOLDEN);
    (mixed >> (64 - PLACES.trailing_zeros())) as usize
}

#[cfg(all(test, not(gochan_loom)))]
mod tests {
    use super::*;
    use std::collections::HashMap;

    #[test]
    fn a_number_is_one_things_for_ever() {
        static TABLE: Table<str> = Table::new();
        let text: &'static str = "abcdefghijklmnopqrstuvwxyz";
        let parts: Vec<&'static str> = (0..text.len())
            .flat_map(|begin| (begin + 1..=text.len()).map(move |end| &text[begin..end]))
            .collect();
        let ask = || -> Vec<u16> { parts.iter().map(|part| TABLE.number(part)).collect() };
        let numbers = std::thread::scope(|scope| {
            let others: Vec<_> = (0..4).map(|_| scope.spawn(ask)).collect();
            let mine = ask();
            for other in others {
                assert_eq!(other.join().unwrap(), mine);
            }
            mine
        });
        let by_number: HashMap<u16, &str> = numbers.iter().copied().zip(parts.clone()).collect();
        assert_eq!(by_number.len(), parts.len(), "two have the same number");
        for (number, part) in by_number {
            assert_ne!(number, 0);
            assert!(std::ptr::eq(TABLE.get(number).unwrap(), part));
        }
        assert_eq!(TABLE.get(0), None);
    }

    #[test]
    fn a_full_table_refuses_and_keeps_what_it_has() {
        static TABLE: Table<str> = Table::new();
        let text: &'static str = String::from_utf8(vec![b'x'; 200]).unwrap().leak();
        let parts = (0..text.len())
            .flat_map(|begin| (begin + 1..=text.len()).map(move |end| &text[begin..end]));
        let mut given = HashMap::new();
        let mut refused = 0;
        for part in parts {
            match TABLE.number(part) {
                0 => refused += 1,
                number => assert_eq!(given.insert(number, part), None),
            }
        }
        assert!(refused > 0, "more than there are places");
        for (number, part) in given {
            assert_eq!(TABLE.number(part), number);
        }
    }

    #[test]
    fn a_place_in_the_source_comes_back() {
        static TABLE: Table<Location<'static>> = Table::new();
        let here = Location::caller();
        let number = TABLE.number(here);
        assert!(std::ptr::eq(TABLE.get(number).unwrap(), here));
    }
}
