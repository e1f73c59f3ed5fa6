//! Values that say how many of them are left: the instrument of the conservation law.

use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

/// Makes values and knows, for each, how often it was dropped.
#[derive(Clone, Default)]
pub(crate) struct Mint(Arc<Ledger>);

#[derive(Default)]
struct Ledger {
    drops: Mutex<Vec<usize>>,
    live: AtomicUsize,
}

impl Mint {
    pub(crate) fn new() -> Mint {
        Mint::default()
    }

    /// The next value; they are numbered from 0.
    pub(crate) fn make(&self) -> Coin {
        let mut drops = self.0.drops.lock().unwrap();
        let n = drops.len();
        drops.push(0);
        self.0.live.fetch_add(1, Ordering::SeqCst);
        Coin {
            n,
            ledger: self.0.clone(),
        }
    }

    /// How many were made and not dropped.
    pub(crate) fn live(&self) -> usize {
        self.0.live.load(Ordering::SeqCst)
    }

    /// How many were made.
    pub(crate) fn made(&self) -> usize {
        self.0.drops.lock().unwrap().len()
    }

    /// How often value `n` was dropped.
    pub(crate) fn drops_of(&self, n: usize) -> usize {
        self.0.drops.lock().unwrap()[n]
    }

    /// Fails unless every value that was made was dropped exactly once.
    #[track_caller]
    pub(crate) fn assert_all_dropped_once(&self) {
        let drops = self.0.drops.lock().unwrap();
        for (n, count) in drops.iter().enumerate() {
            assert_eq!(*count, 1, "value {n} was dropped {count} times");
        }
    }
}

/// A value of a [`Mint`].
pub(crate) struct Coin {
    n: usize,
    ledger: Arc<Ledger>,
}

impl Coin {
    pub(crate) fn n(&self) -> usize {
        self.n
    }
}

impl Drop for Coin {
    fn drop(&mut self) {
        if let Ok(mut drops) = self.ledger.drops.lock() {
            drops[self.n] += 1;
        }
        self.ledger.live.fetch_sub(1, Ordering::SeqCst);
    }
}

impl fmt::Debug for Coin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Coin({})", self.n)
    }
}

impl PartialEq<usize> for Coin {
    fn eq(&self, n: &usize) -> bool {
        self.n == *n
    }
}

impl PartialEq for Coin {
    fn eq(&self, other: &Coin) -> bool {
        self.n == other.n
    }
}
