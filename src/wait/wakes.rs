//! Wakers taken under a lock, to be fired after it.
//!
//! What it is not: a queue. It lives on the stack of one operation: filled while a lock is held, fired when it is not
//! (rule R1), and the only way a waiter is ever woken (rule R4).
//!
//! Invariants
//! 1. Everything put in is fired exactly once, also when an earlier waker panics.
//! 2. One waker costs no allocation, with or without somebody who listens; more (close, drop of the last handle) spill into
//!    a vector.

use std::mem::ManuallyDrop;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::task::Waker;

use super::waiter::{Slot, Waited};
use crate::{clock, hook};

/// Wakers to fire once the lock is gone.
///
/// It is used in place and never moved, and its fields have no drop of their own: moving sixteen bytes of which eight
/// have just been written costs a failed store forwarding, and a drop that is called for nothing a call, on the way of
/// every operation that wakes nobody.
#[must_use = "the waiters in it sleep for ever unless it is fired"]
#[derive(Debug)]
pub struct Wakes {
    first: ManuallyDrop<Option<Waker>>,
    rest: ManuallyDrop<Option<Rest>>,
}

/// What there is beside one waker.
#[derive(Debug)]
enum Rest {
    /// Somebody listens.
    Note(Box<Waited>),
    More(Box<More>),
}

#[derive(Debug, Default)]
struct More {
    wakers: Vec<Waker>,
    // In the boxes they come in, which are used again.
    #[allow(clippy::vec_box)]
    notes: Vec<Box<Waited>>,
}

impl Wakes {
    #[inline(always)]
    pub(crate) fn new() -> Self {
        Wakes {
            first: ManuallyDrop::new(None),
            rest: ManuallyDrop::new(None),
        }
    }

    /// Takes what a completed waiter leaves behind.
    #[inline(always)]
    pub(crate) fn take(&mut self, slot: &mut Slot) {
        self.take_case(slot, 0);
    }

    /// The same of a waiter with several cases, of which one has won.
    #[inline(always)]
    pub(crate) fn take_case(&mut self, slot: &mut Slot, case: u16) {
        self.take_from(slot, case, true);
    }

    /// What a waiter leaves that is only woken to look.
    pub(crate) fn take_nudged(&mut self, slot: &mut Slot) {
        self.take_from(slot, 0, false);
    }

    #[inline(always)]
    fn take_from(&mut self, slot: &mut Slot, case: u16, handed: bool) {
        if let Some(waited) = slot.note.take() {
            self.tell(waited.ended_by(case, handed));
        }
        if let Some(waker) = slot.waker.take() {
            self.push(waker);
        }
    }

    #[inline(always)]
    pub(crate) fn push(&mut self, waker: Waker) {
        if self.first.is_none() {
            *self.first = Some(waker);
        } else {
            self.more().wakers.push(waker);
        }
    }

    #[cold]
    fn tell(&mut self, note: Box<Waited>) {
        match *self.rest {
            None => *self.rest = Some(Rest::Note(note)),
            Some(_) => self.more().notes.push(note),
        }
    }

    #[cold]
    fn more(&mut self) -> &mut More {
        if !matches!(*self.rest, Some(Rest::More(_))) {
            let more = Box::new(More::from(self.rest.take()));
            *self.rest = Some(Rest::More(more));
        }
        match &mut *self.rest {
            Some(Rest::More(more)) => more,
            _ => unreachable!("it was just put there"),
        }
    }

    #[cfg_attr(not(feature = "rt"), allow(dead_code))]
    pub(crate) fn is_empty(&self) -> bool {
        self.first.is_none()
    }

    /// Whether firing them calls nothing foreign: no subscriber listens, and each waker is one that `is_own` says so of.
    #[cfg_attr(not(feature = "rt"), allow(dead_code))]
    pub(crate) fn are_silent(&self, is_own: impl Fn(&Waker) -> bool) -> bool {
        let (more, notes): (&[Waker], _) = match &*self.rest {
            None => (&[], false),
            Some(Rest::Note(_)) => (&[], true),
            Some(Rest::More(more)) => (&more.wakers, !more.notes.is_empty()),
        };
        if notes && hook::is_subscribed(hook::READY) {
            return false;
        }
        self.first.iter().chain(more).all(is_own)
    }

    /// Takes out the wakers for which `stays` is false, for somebody else to fire.
    #[cfg_attr(not(feature = "rt"), allow(dead_code))]
    pub(crate) fn split_off(&mut self, stays: impl Fn(&Waker) -> bool) -> Wakes {
        let first = self.first.take();
        let more = More::from(self.rest.take());
        more.notes.into_iter().for_each(|note| self.tell(note));
        let mut gone = Wakes::new();
        for waker in first.into_iter().chain(more.wakers) {
            match stays(&waker) {
                true => self.push(waker),
                false => gone.push(waker),
            }
        }
        gone
    }

    /// Wakes everybody, oldest first. The caller holds no lock.
    #[inline(always)]
    pub(crate) fn fire(&mut self) {
        if self.rest.is_some() {
            return self.fire_all();
        }
        if self.first.is_some()
            && let Some(waker) = self.first.take()
        {
            wake(waker);
        }
    }

    #[cold]
    fn fire_all(&mut self) {
        let first = self.first.take();
        match self.rest.take() {
            Some(Rest::Note(note)) => {
                note.tell();
                first.into_iter().for_each(wake);
            }
            rest => {
                let more = More::from(rest);
                more.notes.into_iter().for_each(Waited::tell);
                first.into_iter().chain(more.wakers).for_each(wake);
            }
        }
        // A waker may have taken its time.
        clock::far();
    }
}

impl From<Option<Rest>> for More {
    fn from(rest: Option<Rest>) -> More {
        match rest {
            None => More::default(),
            Some(Rest::Note(note)) => More {
                notes: vec![note],
                ..More::default()
            },
            Some(Rest::More(more)) => *more,
        }
    }
}

impl Drop for Wakes {
    /// Something is inside only when a panic unwinds past the one who would have fired it.
    #[inline(always)]
    fn drop(&mut self) {
        self.fire();
    }
}

/// Wakes one. A waker is foreign code: were its panic let through, it would take along the value that our caller has
/// just received, and strand the waiters behind it. The panic hook has reported it.
#[inline(always)]
fn wake(waker: Waker) {
    if let Err(panic) = catch_unwind(AssertUnwindSafe(|| waker.wake())) {
        // Its drop is foreign code too.
        std::mem::forget(panic);
    }
}
