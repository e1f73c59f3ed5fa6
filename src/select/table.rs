//! What a select works on for one poll: its cases, and room to order, lock and look at them.
//!
//! What it is not: the decision, or its state between polls; those are in `selectgo.rs`. Whoever polls lays the table:
//! on the stack for a fixed number of cases, in vectors for a list.
//!
//! 1. `order`, `locks` and `looks` are as long as there are cases. What is in them does not outlive the poll.
//! 2. `locks` is what `lock_all` wrote last: the queue cases by the address of their object, those of one object in
//!    poll order, and `Held` says how many.

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
    pub(super) locks: &'t mut [u16],
    /// What pass 1 saw of each without its lock.
    pub(super) looks: &'t mut [Look],
}

/// Which entries of `Table::locks` are in use; the proof that `lock_all` has run.
#[derive(Clone, Copy)]
pub(super) struct Held(usize);

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
                Sight::Unready => {}
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
        let mut n = 0;
        // In poll order, so that of two cases of one object either may be the first in its queue.
        for &i in &*self.order {
            if let Kind::Queue(_) = self.cases[usize::from(i)].kind() {
                self.locks[n] = i;
                n += 1;
            }
        }
        self.sort_locks(n);
        for at in 0..n {
            if self.is_first_of_object(at) {
                self.cases[usize::from(self.locks[at])].lock();
            }
        }
        Held(n)
    }

    /// By address. Few are sorted by insertion, which is what the general sort does with them after some preparation.
    #[inline(always)]
    fn sort_locks(&mut self, n: usize) {
        const FEW: usize = 8;
        if n > FEW {
            return self.sort_many_locks(n);
        }
        for end in 1..n {
            let (last, addr) = (self.locks[end], self.addr(end));
            let mut at = end;
            while at > 0 && self.addr(at - 1) > addr {
                self.locks[at] = self.locks[at - 1];
                at -= 1;
            }
            self.locks[at] = last;
        }
    }

    #[cold]
    fn sort_many_locks(&mut self, n: usize) {
        let cases = &*self.cases;
        self.locks[..n].sort_unstable_by_key(|&i| address(&cases[usize::from(i)]));
    }

    fn addr(&self, at: usize) -> usize {
        address(&self.cases[usize::from(self.locks[at])])
    }

    fn is_first_of_object(&self, at: usize) -> bool {
        at == 0 || self.addr(at - 1) != self.addr(at)
    }

    pub(super) fn unlock_all(&mut self, held: Held) {
        for at in (0..held.0).rev() {
            if self.is_first_of_object(at) {
                // SAFETY: `lock_all` has taken the lock of each first case on this thread.
                unsafe { self.cases[usize::from(self.locks[at])].unlock() };
            }
        }
    }

    pub(super) fn try_all(&mut self, _held: Held, wakes: &mut Wakes) -> Option<usize> {
        for &i in &*self.order {
            let case = &mut self.cases[usize::from(i)];
            // SAFETY: all locks are held (`_held`).
            if matches!(case.kind(), Kind::Queue(_)) && unsafe { case.as_mut().attempt(wakes) } {
                return Some(usize::from(i));
            }
        }
        None
    }

    pub(super) fn enqueue_all(&mut self, held: Held, waiter: &Waiter, wakes: &mut Wakes) {
        let locks = &self.locks[..held.0];
        // First for all, while none of ours is queued: what a case does for others must not be done for us.
        for &i in locks {
            // SAFETY: all locks are held.
            unsafe { self.cases[usize::from(i)].as_mut().before_wait(wakes) };
        }
        for &i in locks {
            // SAFETY: all locks are held; the waiter lies in the same pinned select as the cases, which unlinks them
            // before it goes.
            unsafe { self.cases[usize::from(i)].as_mut().enqueue(waiter, i) };
        }
    }

    /// Unlinks all queue cases but the winner, each under its own lock.
    pub(super) fn unlink_all(&mut self, winner: Option<u16>) {
        for (i, case) in self.cases.iter_mut().enumerate() {
            if winner == Some(i as u16) || !matches!(case.kind(), Kind::Queue(_)) {
                continue;
            }
            let mut wakes = Wakes::new();
            case.lock();
            // SAFETY: the lock is held for both calls.
            unsafe {
                case.as_mut().unlink(&mut wakes);
                case.unlock();
            }
            wakes.fire();
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

fn address(case: &Dyn<'_>) -> usize {
    match case.kind() {
        Kind::Queue(addr) => addr,
        _ => unreachable!("only queue cases are listed for locking"),
    }
}
