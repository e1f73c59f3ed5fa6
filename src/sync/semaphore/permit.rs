//! Permits in hand: they go back when they are dropped.
//!
//! What they are not: bound to who acquired them. They may be sent, split, merged, and given back by anybody.
//!
//! Invariant: the permits of all these, those that are there and those that were forgotten are what the semaphore has.

use std::mem::{ManuallyDrop, take};
use std::panic::Location;
use std::sync::Arc;

use super::Semaphore;
use crate::hook::holder::Hold;

/// Permits of a [`Semaphore`]. Dropped, they go back.
#[derive(Debug)]
#[must_use = "permits go back as soon as this is dropped"]
pub struct SemaphorePermit<'a> {
    semaphore: &'a Semaphore,
    n: u64,
    note: Hold,
}

/// Permits of a shared [`Semaphore`], which they keep alive. Dropped, they go back.
#[derive(Debug)]
#[must_use = "permits go back as soon as this is dropped"]
pub struct OwnedSemaphorePermit {
    semaphore: Arc<Semaphore>,
    n: u64,
    note: Hold,
}

macro_rules! permit {
    ($name:ident [$($life:lifetime)?] $way:ty, $same:expr, $share:expr) => {
        impl $(<$life>)? $name $(<$life>)? {
            #[inline(always)]
            pub(super) fn new(semaphore: $way, n: u64, note: Hold) -> Self {
                $name { semaphore, n, note }
            }

            /// How many permits these are.
            pub fn count(&self) -> usize {
                self.n as usize
            }

            /// Keeps the permits from the semaphore until somebody gives as many back with
            /// [`Semaphore::release`]: for those who acquire in one place and release in another, as Go does.
            pub fn forget(mut self) {
                self.semaphore.forget(take(&mut self.n));
            }

            /// Takes `n` of the permits apart. `None`: there are not that many.
            #[track_caller]
            pub fn split(&mut self, n: usize) -> Option<Self> {
                let n = n as u64;
                self.n = self.n.checked_sub(n)?;
                let note = Hold::acquired(self.semaphore.id(), Location::caller());
                Some($name { semaphore: ($share)(&self.semaphore), n, note })
            }

            /// Adds the permits of `other`.
            ///
            /// # Panics
            /// If they are of another semaphore.
            #[track_caller]
            pub fn merge(&mut self, mut other: Self) {
                assert!(
                    ($same)(&self.semaphore, &other.semaphore),
                    "semaphore: permits of two semaphores merged"
                );
                self.n += take(&mut other.n);
            }
        }

        impl $(<$life>)? Drop for $name $(<$life>)? {
            #[inline(always)]
            fn drop(&mut self) {
                self.note.released();
                if self.n > 0 {
                    self.semaphore.give(self.n);
                }
            }
        }
    };
}

permit!(SemaphorePermit['a] &'a Semaphore, |a: &&Semaphore, b: &&Semaphore| std::ptr::eq(*a, *b), |s: &&'a Semaphore| *s);
permit!(OwnedSemaphorePermit[] Arc<Semaphore>, Arc::ptr_eq, Arc::clone);

impl<'a> SemaphorePermit<'a> {
    /// The same, put together from its parts: these may lie in registers, where the whole would lie in memory.
    #[inline(always)]
    pub(super) fn anew(self) -> Self {
        let this = ManuallyDrop::new(self);
        SemaphorePermit::new(this.semaphore, this.n, this.note)
    }

    /// The semaphore they are of.
    pub fn semaphore(&self) -> &'a Semaphore {
        self.semaphore
    }
}

impl OwnedSemaphorePermit {
    /// The semaphore they are of.
    pub fn semaphore(&self) -> &Arc<Semaphore> {
        &self.semaphore
    }
}
