//! What a select works on for one poll: its cases, and room to order, lock and look at them.
//!
//! What it is not: the decision, or its state between polls; those are in `selectgo.rs`. Whoever polls lays the table:
//! on the stack for a fixed number of cases, in vectors for a list.
//!
//! 1. `order`, `places` and `looks` are as long as there are cases. What is in them does not outlive the poll.
//! 2. `places` is what `lock_all` wrote last: the queue cases by the address of their object, those of one object in
//!    poll order (or any, where there are many), and `Held` says how many.

#![allow(unsafe_code)]

use std::pin::Pin;
use std::task::{Context, Waker};

use super::look::{self, Order, Sight};
use crate::wait::case::{Kind, RawCase};
use crate::wait::op::Look;
use crate::wait::waiter::Waiter;
use crate::wait::wakes::Wakes;

/// A case, as the select sees it.
pub(super) type Dyn<'a> = Pin<&'a mut (dyn RawCase + 'a)>;

/// Room for one poll: the cases, and three tables as long as they are many.
pub(super) struct Table<'t, 'a> {
    pub(super) cases: &'t mut [Dyn<'a>],
    /// Poll order.
    pub(super) order: &'t mut [u16],
    /// Queue cases by the address of their object.
    pub(super) places: &'t mut [Place],
    /// What pass 1 saw of each without its lock.
    pub(super) looks: &'t mut [Look],
}

/// A queue case, and the address of its object.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Place {
    object: usize,
    case: u16,
}

/// The proof that `lock_all` has run: how many places it wrote, and how many locks it took.
#[derive(Clone, Copy)]
pub(super) struct Held {
    places: usize,
    objects: usize,
}

impl Held {
    /// Whether no case stands in a queue.
    pub(super) fn is_empty(self) -> bool {
        self.places == 0
    }
}

impl Table<'_, '_> {
    /// Passes 1 and 2. `doubtful`: what a look without the lock says of some case may be wrong.
    pub(super) fn try_each(
        &mut self,
        order: Order,
        doubtful: bool,
        cx: &mut Context<'_>,
    ) -> Option<usize> {
        look::shuffle(self.order, order);
        match self.look(cx) {
            (None, true) if !doubtful && self.is_unmoved() => None,
            (None, _) => self.look_at_once(),
            (won, _) => won,
        }
    }

    /// Pass 1. The case that could go on, and whether every other one was seen to be unready without its lock.
    pub(super) fn look(&mut self, cx: &mut Context<'_>) -> (Option<usize>, bool) {
        let mut quiet = true;
        for &i in &*self.order {
            let i = usize::from(i);
            match look::look(self.cases[i].as_mut(), cx, &mut self.looks[i]) {
                Sight::Won => return (Some(i), false),
                Sight::Unready | Sight::Asked => {}
                Sight::Busy => quiet = false,
            }
        }
        (None, quiet)
    }

    pub(super) fn is_unmoved(&self) -> bool {
        let mut seen = self.cases.iter().zip(&*self.looks);
        seen.all(|(case, look)| look::is_unmoved(&**case, look))
    }

    /// One look at all queue cases at one instant.
    #[cold]
    pub(super) fn look_at_once(&mut self) -> Option<usize> {
        let mut wakes = Wakes::new();
        let held = self.lock_all();
        let won = self.try_all(held, &mut wakes);
        self.unlock_all(held);
        wakes.fire();
        won
    }

    /// Locks every object once, in address order: two selects can never wait for each other's locks.
    pub(super) fn lock_all(&mut self) -> Held {
        let mut places = 0;
        // In poll order, so that of two cases of one object either may be the first in its queue.
        for &case in &*self.order {
            if let Kind::Queue(object) = self.cases[usize::from(case)].kind() {
                self.places[places] = Place { object, case };
                places += 1;
            }
        }
        self.places[..places].sort_unstable_by_key(|place| place.object);
        let mut objects = 0;
        for at in 0..places {
            if self.is_first_of_object(at) {
                self.cases[usize::from(self.places[at].case)].lock();
                objects += 1;
            }
        }
        Held { places, objects }
    }

    fn is_first_of_object(&self, at: usize) -> bool {
        at == 0 || self.places[at - 1].object != self.places[at].object
    }

    pub(super) fn unlock_all(&mut self, held: Held) {
        for at in (0..held.places).rev() {
            if self.is_first_of_object(at) {
                // SAFETY: `lock_all` has taken the lock of each first case on this thread.
                unsafe { self.cases[usize::from(self.places[at].case)].unlock() };
            }
        }
    }

    pub(super) fn try_all(&mut self, _held: Held, wakes: &mut Wakes) -> Option<usize> {
        for &i in &*self.order {
            // SAFETY: all locks are held (`_held`); a case without one is not to be tried and says no.
            if unsafe { self.cases[usize::from(i)].as_mut().attempt(wakes) } {
                return Some(usize::from(i));
            }
        }
        None
    }

    /// Before it waits, a case may do something for those who wait already, who must not be another case of ours: where
    /// two have one object, all do so before any is queued.
    pub(super) fn enqueue_all(&mut self, held: Held, waiter: &Waiter, wakes: &mut Wakes) {
        let twice = held.objects < held.places;
        let places = &self.places[..held.places];
        if twice {
            for &Place { case, .. } in places {
                // SAFETY: all locks are held.
                unsafe { self.cases[usize::from(case)].as_mut().before_wait(wakes) };
            }
        }
        for &Place { case, .. } in places {
            let wakes = (!twice).then_some(&mut *wakes);
            let this = self.cases[usize::from(case)].as_mut();
            // SAFETY: all locks are held; the waiter lies in the same pinned select as the cases, which leave their
            // queues before it goes.
            unsafe { this.enqueue(waiter, case, wakes) };
        }
    }

    /// Takes all cases but the winner out of their queues, each under its own lock.
    pub(super) fn leave_all(&mut self, winner: Option<u16>) {
        for (i, case) in self.cases.iter_mut().enumerate() {
            if winner != Some(i as u16) {
                // SAFETY: the select is parked, so all queue cases have been queued; no lock is held.
                unsafe { case.as_mut().leave() };
            }
        }
    }

    /// Polled cases forget their wakers, which are dropped here, where no lock is held.
    #[inline(always)]
    pub(super) fn retire_all(&mut self) {
        for case in self.cases.iter_mut() {
            if let Kind::Polled { .. } = case.kind() {
                drop::<Option<Waker>>(case.as_mut().retire());
            }
        }
    }
}
