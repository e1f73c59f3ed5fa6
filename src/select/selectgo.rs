//! The decision: which of several cases goes on, now or when a peer says so. After Go's selectgo (runtime/select.go).
//!
//! What it is not: generic, or a future. It works on a table of cases that lies on the caller's stack for one poll;
//! `table.rs` says how they are locked and queued, `mod.rs` has the futures, `macros.rs` the syntax.
//!
//! The passes
//! 1. *Look*, in a fresh uniform order, each case by itself: without its lock if that shows that it is not ready,
//!    else under its lock. The first that can go on wins. Polled cases register their waker here. Futures that
//!    are not biased first sort out which cases are seen to be unready, and draw from the others: the same distribution
//!    for less guessing of the processor's.
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
//! 3. No foreign code runs while a lock is held: cases are polled before pass 3, foreign wakers cloned before it and
//!    dropped after it.
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
use std::task::{Context, Poll};

use super::look::{self, Order};
use super::table::{Dyn, Held, Table};
use crate::hook::{self, ArmNote, Note, WaitReason, current};
use crate::wait::case::Kind;
use crate::wait::op::out_of_budget;
use crate::wait::waiter::{How, Seen, Slot, Waited, Waiter};
use crate::wait::wakes::Wakes;

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

/// The state of a select between polls.
#[derive(Debug)]
pub(super) struct Core {
    stage: Stage,
    order: Order,
    default: bool,
    since: u64,
    site: &'static Location<'static>,
    /// From the first wait on.
    waiter: Option<Waiter>,
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
            waiter: None,
        }
    }

    pub(super) fn is_parked(&self) -> bool {
        self.stage == Stage::Parked
    }

    pub(super) fn set_biased(&mut self) {
        self.order = Order::Written;
    }

    pub(super) fn is_biased(&self) -> bool {
        self.order == Order::Written
    }

    pub(super) fn is_shuffled(&self) -> bool {
        self.order == Order::Shuffled
    }

    /// Its last case is a limit of time.
    pub(super) fn has_limit(&self) -> bool {
        self.order == Order::LastStays
    }

    /// Makes one that is over, or was left, ready for another wait.
    pub(super) fn renew(&mut self, site: &'static Location<'static>) {
        debug_assert!(!self.is_parked());
        self.stage = Stage::Fresh;
        self.since = 0;
        self.site = site;
        self.waiter = None;
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
    pub(super) fn pick(&self, left: u64, len: usize) -> usize {
        look::pick(left, len, self.order)
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
                self.since = hook::stamp();
            }
            let note = self.ready_note(table);
            // Once it is there it stays in its place: a select is pinned when it waits.
            let waiter = self.waiter.get_or_insert_with(Waiter::new);
            // SAFETY: in no queue, so nobody else knows the waiter.
            unsafe { waiter.set_slot(Some(waker), note) };
            waiter.word.start_parked();
            self.stage = Stage::Parked;
            table.enqueue_all(held, waiter, &mut wakes);
        }
        table.unlock_all(held);
        wakes.fire();
        drop(foreign);
        match won {
            Some(case) => self.finish(Won::Case(case), table),
            None => self.park(table, held),
        }
    }

    /// Of a select that has waited.
    fn waiter(&self) -> &Waiter {
        self.waiter
            .as_ref()
            .expect("a select that waits has a waiter")
    }

    fn resume(&mut self, table: &mut Table<'_, '_>, cx: &mut Context<'_>) -> Poll<Won> {
        if let Seen::Done { case, how } = self.waiter().word.load() {
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
        table.leave_all(Some(case));
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
        if self.waiter().is_done() {
            table.unlock_all(held);
            return self.resume(table, cx);
        }
        // SAFETY: the locks of all its queues are held and it is not decided, so no peer is at the slot.
        let old = unsafe { self.waiter().set_slot(Some(waker), self.ready_note(table)) };
        table.unlock_all(held);
        drop(old);
        self.park(table, held)
    }

    /// Takes the waiter and all cases out of the queues. `Some`: a peer had decided it.
    fn withdraw(&mut self, table: &mut Table<'_, '_>) -> Option<(u16, How)> {
        let mine = self.waiter().word.withdraw();
        // Takes every lock once, so a peer that was between claim and DONE is through afterwards.
        table.leave_all(None);
        // Before the foreign drop of the waker, which may panic.
        self.stage = Stage::Over;
        if mine {
            // SAFETY: out of all queues: nobody else knows the waiter.
            drop(unsafe { self.waiter().take_waker() });
            return None;
        }
        match self.waiter().word.load() {
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

    fn ready_note(&self, table: &Table<'_, '_>) -> Option<Box<Waited>> {
        let object = |case: &Dyn<'_>| {
            let arm = case.arm_note();
            (arm.object, arm.made)
        };
        Slot::note_of_select(|| (self.note(), table.cases.iter().map(object).collect()))
    }

    fn park(&self, table: &Table<'_, '_>, held: Held) -> Poll<Won> {
        const INLINE: usize = 8;
        let mut note = self.note();
        if held.is_empty() && table.cases.iter().all(|case| case.kind() == Kind::Never) {
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
