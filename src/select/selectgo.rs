//! The decision: which of several cases goes on, now or when a peer says so. After Go's selectgo (runtime/select.go).
//!
//! What it is not: generic, or a future. It works on a slice of cases that lies on the caller's stack for one poll;
//! `mod.rs` has the futures, `macros.rs` the syntax.
//!
//! The passes
//! 1. *Look*, in a fresh uniform order, each case by itself: without its lock if that shows that it is not ready,
//!    else under its lock. The first that can go on wins. Polled cases register their waker here.
//! 2. With `default`: make sure that there was one instant at which no case was ready. That takes a
//!    second look at each without its lock; only if something moved, all locks.
//! 3. Without: lock all objects in address order, look again, and enqueue on all of them before unlocking. Until then
//!    nobody sees us, so a match needs one claim, the other side's.
//! 4. Woken: the peer has claimed the waiter for one case and done its operation. Leave the other queues.
//!
//! Invariants
//! 1. An effect happens if and only if its case is returned: passes 1 and 3 stop at the first success, pass 4 collects
//!    the one case that the word names.
//! 2. Before the memory goes away, and before another case may win, every queue case has been unlinked *under its lock*:
//!    a peer that popped it and lost the claim is inside that lock while it still looks at us.
//! 3. No foreign code runs while a lock is held: polled cases are polled in pass 1 only, foreign wakers cloned before
//!    pass 3 and dropped after it.
//! 4. An effectful case is polled only while no queue can decide for another one: the waiter is withdrawn first.
//!
//! ```text
//! stage     word              cases          next
//! Fresh     IDLE              unlinked       won or default -> Over; else enqueue -> Parked
//! Parked    PARKED            linked         a pure polled case is ready, withdrawn -> Over; effectful: -> Fresh
//! Parked    CLAIMED           winner is not  (a peer is inside a lock) as DONE, after taking all locks once
//! Parked    DONE|how|case     winner is not  unlink the losers, collect -> Over
//! ```

#![allow(unsafe_code)]

use std::panic::Location;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use super::look::{self, Sight};
use crate::clock;
use crate::hook::{self, ArmNote, Note, WaitReason, current};
use crate::wait::case::{Kind, RawCase};
use crate::wait::op::{Look, out_of_budget};
use crate::wait::waiter::{How, Seen, Slot, Waiter};
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

/// What a poll comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Won {
    Case(usize),
    Default,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Fresh,
    Parked,
    Over,
}

/// In which order the cases are looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Order {
    Written,
    Shuffled,
    /// Shuffled but for the last one, which is a limit of time and wins only if no other case does.
    LastStays,
}

impl Order {
    #[inline(always)]
    pub(super) fn new(biased: bool) -> Self {
        if biased {
            Order::Written
        } else {
            Order::Shuffled
        }
    }
}

/// The state of a select between polls.
#[derive(Debug)]
pub(super) struct Core {
    stage: Stage,
    order: Order,
    default: bool,
    since: u64,
    site: &'static Location<'static>,
    waiter: Waiter,
}

impl Core {
    #[inline(always)]
    pub(super) fn new(order: Order, default: bool, site: &'static Location<'static>) -> Self {
        Core {
            stage: Stage::Fresh,
            order,
            default,
            since: 0,
            site,
            waiter: Waiter::new(),
        }
    }

    pub(super) fn is_parked(&self) -> bool {
        self.stage == Stage::Parked
    }

    pub(super) fn set_biased(&mut self) {
        self.order = Order::Written;
    }

    /// Makes one that is over, or was left, ready for another wait.
    pub(super) fn renew(&mut self, site: &'static Location<'static>) {
        debug_assert!(!self.is_parked());
        self.stage = Stage::Fresh;
        self.since = 0;
        self.site = site;
        self.waiter.word.reset();
    }

    pub(super) fn poll(&mut self, table: &mut Table<'_, '_>, cx: &mut Context<'_>) -> Poll<Won> {
        match self.stage {
            Stage::Fresh if !current::spend_budget() => out_of_budget(cx, self.site),
            Stage::Fresh => self.start(table, cx),
            Stage::Parked => self.resume(table, cx),
            Stage::Over => panic!("a select was polled after it had completed"),
        }
    }

    pub(super) fn is_fresh(&self) -> bool {
        self.stage == Stage::Fresh
    }

    fn start(&mut self, table: &mut Table<'_, '_>, cx: &mut Context<'_>) -> Poll<Won> {
        look::shuffle(table.order, self.order);
        let (won, quiet) = table.look(cx);
        match won {
            Some(case) => self.finish(Won::Case(case), table),
            None if self.default && quiet && table.is_unmoved() => self.finish(Won::Default, table),
            None => self.go_on(table, cx),
        }
    }

    /// For the futures, which look at their cases themselves at first. `None`: the slice is used up, say Pending.
    #[inline(always)]
    pub(super) fn begin(&self, cx: &mut Context<'_>) -> Option<()> {
        if !current::spend_budget() {
            let _: Poll<()> = out_of_budget(cx, self.site);
            return None;
        }
        Some(())
    }

    /// That look was the end.
    #[inline(always)]
    pub(super) fn end(&mut self) {
        self.stage = Stage::Over;
    }

    pub(super) fn has_default(&self) -> bool {
        self.default
    }

    /// Pass 1 found nothing, and no instant at which nothing was ready. The table needs an order.
    pub(super) fn go_on(&mut self, table: &mut Table<'_, '_>, cx: &mut Context<'_>) -> Poll<Won> {
        if !self.default {
            return self.queue(table, cx);
        }
        let won = table.look_at_once();
        self.finish(won.map_or(Won::Default, Won::Case), table)
    }

    #[inline(always)]
    pub(super) fn shuffle(&self, order: &mut [u16]) {
        look::shuffle(order, self.order);
    }

    /// Pass 3.
    fn queue(&mut self, table: &mut Table<'_, '_>, cx: &mut Context<'_>) -> Poll<Won> {
        let own = current::is_own_waker(cx.waker());
        let mut foreign = (!own).then(|| cx.waker().clone());
        let mut wakes = Wakes::new();
        let held = table.lock_all();
        let won = table.try_all(held, &mut wakes);
        if won.is_none() {
            let waker = foreign.take().unwrap_or_else(|| cx.waker().clone());
            if self.since == 0 {
                self.since = clock::ticks();
            }
            // SAFETY: in no queue, so nobody else knows the waiter.
            unsafe { self.waiter.set_slot(Some(waker), self.ready_note()) };
            self.waiter.word.start_parked();
            self.stage = Stage::Parked;
            table.enqueue_all(held, &self.waiter, &mut wakes);
        }
        table.unlock_all(held);
        wakes.fire();
        drop(foreign);
        match won {
            Some(case) => self.finish(Won::Case(case), table),
            None => self.park(table),
        }
    }

    fn resume(&mut self, table: &mut Table<'_, '_>, cx: &mut Context<'_>) -> Poll<Won> {
        if let Seen::Done { case, how } = self.waiter.word.load() {
            return self.decided(table, case, how);
        }
        let mut effectful = false;
        look::shuffle(table.order, self.order);
        for i in 0..table.cases.len() {
            let i = usize::from(table.order[i]);
            match table.cases[i].kind() {
                Kind::Polled { effectful: true } => effectful = true,
                Kind::Polled { .. } if table.cases[i].as_mut().poll_ready(cx) => {
                    return self.polled_won(table, i);
                }
                _ => {}
            }
        }
        if !effectful {
            return self.stay(table, cx);
        }
        // Polling it may do something, so nobody may decide for another case meanwhile: out of all queues, start over.
        match self.withdraw(table) {
            Some((case, how)) => self.collect(table, case, how),
            None => {
                self.stage = Stage::Fresh;
                self.start(table, cx)
            }
        }
    }

    /// A pure polled case is ready; it wins unless a peer was faster.
    fn polled_won(&mut self, table: &mut Table<'_, '_>, i: usize) -> Poll<Won> {
        match self.withdraw(table) {
            Some((case, how)) => self.collect(table, case, how),
            None => self.finish(Won::Case(i), table),
        }
    }

    /// Pass 4.
    fn decided(&mut self, table: &mut Table<'_, '_>, case: u16, how: How) -> Poll<Won> {
        table.unlink_all(Some(case));
        self.collect(table, case, how)
    }

    fn collect(&mut self, table: &mut Table<'_, '_>, case: u16, how: How) -> Poll<Won> {
        let case = usize::from(case);
        // SAFETY: DONE with this case was read with Acquire.
        unsafe { table.cases[case].as_mut().collect(how) };
        self.finish(Won::Case(case), table)
    }

    /// Nothing decided: perhaps another task polls now, so the waker is renewed under the locks of all queues.
    #[cold]
    fn stay(&mut self, table: &mut Table<'_, '_>, cx: &mut Context<'_>) -> Poll<Won> {
        let waker = cx.waker().clone();
        let held = table.lock_all();
        if self.waiter.is_done() {
            table.unlock_all(held);
            return self.resume(table, cx);
        }
        // SAFETY: the locks of all its queues are held and it is not decided, so no peer is at the slot.
        let old = unsafe { self.waiter.set_slot(Some(waker), self.ready_note()) };
        table.unlock_all(held);
        drop(old);
        self.park(table)
    }

    /// Takes the waiter and all cases out of the queues. `Some`: a peer had decided it.
    fn withdraw(&mut self, table: &mut Table<'_, '_>) -> Option<(u16, How)> {
        let mine = self.waiter.word.withdraw();
        // Takes every lock once, so a peer that was between claim and DONE is through afterwards.
        table.unlink_all(None);
        if mine {
            // SAFETY: out of all queues: nobody else knows the waiter.
            drop(unsafe { self.waiter.take_waker() });
            return None;
        }
        match self.waiter.word.load() {
            Seen::Done { case, how } => Some((case, how)),
            _ => unreachable!("a waiter that could not be withdrawn has been decided"),
        }
    }

    #[inline(always)]
    fn finish(&mut self, won: Won, table: &mut Table<'_, '_>) -> Poll<Won> {
        self.stage = Stage::Over;
        table.retire_all();
        Poll::Ready(won)
    }

    /// Stops waiting, in mid-wait. Whether a peer had given something, which goes to somebody else if it can.
    #[cold]
    pub(super) fn leave(&mut self, table: &mut Table<'_, '_>) -> bool {
        self.stage = Stage::Over;
        let given = self.withdraw(table).filter(|(_, how)| *how == How::Given);
        if let Some((case, _)) = given {
            let mut wakes = Wakes::new();
            let case = &mut table.cases[usize::from(case)];
            case.lock();
            // SAFETY: DONE with this case was read with Acquire; the lock is held for both calls.
            unsafe {
                case.as_mut().abandon(&mut wakes);
                case.unlock();
            }
            wakes.fire();
        }
        table.retire_all();
        given.is_some()
    }

    fn note(&self) -> Note {
        let object = hook::ObjId::NONE;
        let (task, reason) = (current::task_id(), WaitReason::Select);
        Note {
            task,
            reason,
            object,
            made: None,
            site: self.site,
            since: self.since,
        }
    }

    fn ready_note(&self) -> Option<Box<Note>> {
        Slot::note_of(|| self.note())
    }

    fn park(&self, table: &Table<'_, '_>) -> Poll<Won> {
        const INLINE: usize = 8;
        let mut note = self.note();
        if table.cases.iter().all(|case| case.kind() == Kind::Never) {
            note.reason = WaitReason::SelectNoCases;
        }
        let mut few = [ArmNote::NIL; INLINE];
        if table.cases.len() > INLINE && hook::on(hook::PARK) {
            // A listener gets them all; the record keeps but a few, and then nothing is allocated.
            let all: Vec<_> = table.cases.iter().map(|case| case.arm_note()).collect();
            current::park_select(&note, &all);
        } else {
            let arms = table
                .cases
                .iter()
                .zip(&mut few)
                .map(|(case, arm)| *arm = case.arm_note())
                .count();
            current::park_select(&note, &few[..arms]);
        }
        Poll::Pending
    }
}

/// Which entries of `Table::locks` are in use; the proof that `lock_all` has run.
#[derive(Clone, Copy)]
struct Held(usize);

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
    fn look(&mut self, cx: &mut Context<'_>) -> (Option<usize>, bool) {
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

    fn is_unmoved(&self) -> bool {
        let mut seen = self.cases.iter().zip(&*self.looks);
        seen.all(|(case, look)| look::is_unmoved(&**case, look))
    }

    /// One look at all queue cases at one instant.
    #[cold]
    fn look_at_once(&mut self) -> Option<usize> {
        let mut wakes = Wakes::new();
        let held = self.lock_all();
        let won = self.try_all(held, &mut wakes);
        self.unlock_all(held);
        wakes.fire();
        won
    }

    /// Locks every object once, in address order: two selects can never wait for each other's locks.
    fn lock_all(&mut self) -> Held {
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

    fn unlock_all(&mut self, held: Held) {
        for at in (0..held.0).rev() {
            if self.is_first_of_object(at) {
                // SAFETY: `lock_all` has taken the lock of each first case on this thread.
                unsafe { self.cases[usize::from(self.locks[at])].unlock() };
            }
        }
    }

    fn try_all(&mut self, _held: Held, wakes: &mut Wakes) -> Option<usize> {
        for &i in &*self.order {
            let case = &mut self.cases[usize::from(i)];
            // SAFETY: all locks are held (`_held`).
            if matches!(case.kind(), Kind::Queue(_)) && unsafe { case.as_mut().attempt(wakes) } {
                return Some(usize::from(i));
            }
        }
        None
    }

    fn enqueue_all(&mut self, held: Held, waiter: &Waiter, wakes: &mut Wakes) {
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
    fn unlink_all(&mut self, winner: Option<u16>) {
        for (i, case) in self.cases.iter_mut().enumerate() {
            if winner == Some(i as u16) || !matches!(case.kind(), Kind::Queue(_)) {
                continue;
            }
            case.lock();
            // SAFETY: the lock is held for both calls.
            unsafe {
                case.as_mut().unlink();
                case.unlock();
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

fn address(case: &Dyn<'_>) -> usize {
    match case.kind() {
        Kind::Queue(addr) => addr,
        _ => unreachable!("only queue cases are listed for locking"),
    }
}
