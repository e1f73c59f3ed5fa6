//! A turn: something that one thread at a time may use and that nobody waits for, as the poller's system call.
//!
//! What it is not: a lock. Who finds it taken goes away and does something else; there is nothing to sleep on, and so no way to
//! sleep where one's own wake does not arrive.
//!
//! ```text
//! word     who leaves it
//! free     who takes it     -> taken
//! taken    who has it       -> free, when its closure is over
//! ```
//!
//! 1. The cell is touched by the one who changed the word from free to taken, until it changes it back.
//!
//! ORDERING pair: freed (Release) / taken (Acquire): who has it sees all that the one before did.
#![allow(unsafe_code)]

use crate::shim::{AtomicBool, Ordering, UnsafeCell};
use Ordering::{Acquire, Relaxed, Release};

pub(super) struct Turn<T> {
    taken: AtomicBool,
    cell: UnsafeCell<T>,
}

// SAFETY: what is inside goes from thread to thread, one of which has it at a time (invariant 1).
unsafe impl<T: Send> Sync for Turn<T> {}

/// Frees it when dropped.
struct Taken<'a>(&'a AtomicBool);

impl Drop for Taken<'_> {
    fn drop(&mut self) {
        // ORDERING: Release: who takes it next sees what we did.
        self.0.store(false, Release);
    }
}

impl<T> Turn<T> {
    pub(super) fn new(item: T) -> Turn<T> {
        Turn {
            taken: AtomicBool::new(false),
            cell: UnsafeCell::new(item),
        }
    }

    /// Uses it, unless somebody else does.
    pub(super) fn try_with<R>(&self, f: impl FnOnce(&mut T) -> R) -> Option<R> {
        let _taken = self.try_take()?;
        // SAFETY: we have taken it, and `_taken` frees it after this.
        Some(self.cell.with_mut(|item| f(unsafe { &mut *item })))
    }

    #[must_use]
    fn try_take(&self) -> Option<Taken<'_>> {
        // ORDERING: Acquire pairs with the drop of the one before.
        let taken = self
            .taken
            .compare_exchange(false, true, Acquire, Relaxed)
            .is_ok();
        taken.then(|| Taken(&self.taken))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shim::{Arc, model, thread};

    /// Loom's cell fails if two are at it at the same time, or one does not see what the other did.
    #[test]
    fn loom_one_at_a_time() {
        model(|| {
            let turn = Arc::new(Turn::new(0));
            let other = Arc::clone(&turn);
            let trying = thread::spawn(move || other.try_with(|n| *n += 1).is_some());
            let had = turn.try_with(|n| *n += 1).is_some();
            let both = u32::from(had) + u32::from(trying.join().unwrap());
            assert!(both > 0, "it was free for the first");
            assert_eq!(turn.try_with(|n| *n), Some(both));
        });
    }

    #[test]
    fn a_panic_frees_it() {
        let turn = Turn::new(());
        let panics = std::panic::AssertUnwindSafe(|| {
            turn.try_with(|()| {
                assert!(turn.try_with(|()| ()).is_none(), "it is taken");
                std::panic::resume_unwind(Box::new("in its turn"))
            })
        });
        let caught: Result<Option<()>, _> = std::panic::catch_unwind(panics);
        assert!(caught.is_err());
        assert!(turn.try_with(|()| ()).is_some());
    }
}
