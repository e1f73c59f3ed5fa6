//! What only some contexts have: a timer, and functions to call at the end.
//!
//! What it is not: in the node itself. Most contexts have neither, so it is one pointer there. It is touched under the
//! node's lock while the node lives; whoever ends the node takes it out and has it for himself.

use std::panic::{AssertUnwindSafe, catch_unwind};

use super::spawn::{self, Func};
use super::tree::{Fallout, Site};
use crate::time::Entry;
use crate::wait::wakes::Wakes;

/// What a node has besides.
#[derive(Debug, Default)]
pub(super) struct Extra {
    /// The timer of its deadline. Dropped, it goes off no more.
    pub(super) timer: Option<Entry>,
    funcs: Vec<Waiting>,
    next_key: u64,
}

/// A function that waits for the end.
struct Waiting {
    key: u64,
    site: Site,
    func: Func,
}

impl Extra {
    /// Keeps a function; the key takes it out again.
    pub(super) fn add(&mut self, func: Func, site: Site) -> u64 {
        let key = self.next_key;
        self.next_key += 1;
        self.funcs.push(Waiting { key, site, func });
        key
    }

    /// Takes a function out, if it is still there.
    #[must_use]
    pub(super) fn remove(&mut self, key: u64) -> Option<Func> {
        let place = self.funcs.binary_search_by_key(&key, |waiting| waiting.key);
        Some(self.funcs.remove(place.ok()?).func)
    }

    /// The context has ended.
    fn settle(self) {
        guarded(|| drop(self.timer));
        for waiting in self.funcs {
            guarded(|| spawn::start(waiting.func, waiting.site));
        }
    }
}

/// Foreign code is dropped in there, and a thread may not start: a panic must not take along the functions behind it. The
/// panic hook has reported it.
fn guarded(f: impl FnOnce()) {
    if let Err(panic) = catch_unwind(AssertUnwindSafe(f)) {
        // Its drop is foreign code too.
        std::mem::forget(panic);
    }
}

impl Fallout {
    #[inline(always)]
    pub(super) fn new() -> Fallout {
        Fallout {
            wakes: Wakes::new(),
            extras: Vec::new(),
            gone: Vec::new(),
        }
    }

    /// Does what is left to be done. The caller holds no lock.
    #[inline(always)]
    pub(super) fn settle(&mut self) {
        self.wakes.fire();
        for extra in self.extras.drain(..) {
            extra.settle();
        }
    }
}

impl std::fmt::Debug for Waiting {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "the function of {}", self.site)
    }
}
