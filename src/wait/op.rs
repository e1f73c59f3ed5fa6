//! Waiting, written once: what a primitive supplies (`Op`) and the one future that waits for it (`Park`).
//!
//! What it is not: a primitive: what an operation does, and which of its cases are plain, is the `Op`'s business. Nor a select: that is `select/`, which
//! drives the same `Op`s through `Case`.
//!
//! ```text
//! stage     word           sudog        what drop does                 what poll does
//! Fresh     IDLE           unlinked     nothing                        attempt; else enqueue, park -> Parked
//! Parked    PARKED         linked       unlink                         look; new waker: replace it under the lock
//! Parked    DONE|Given     unlinked     `abandon` the payload (R7)     collect -> Over
//! Parked    DONE|Closed    unlinked     nothing                        collect -> Over
//! Over      -              unlinked     nothing                        panic
//! ```
//! Invariants
//! 1. Nothing happens before the first poll (rule R8): a `Fresh` operation is plain data and may be moved.
//! 2. From the first `Pending` on, the memory stays put until drop (pinning), and drop unlinks: so a linked sudog and
//!    its waiter are always alive.
//! 3. A foreign waker is cloned before and dropped after the lock, never under it (rule R1).

#![allow(unsafe_code)]

use std::mem::MaybeUninit;
use std::panic::Location;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use super::lock::{Locked, Object};
use super::note::told_from;
pub(crate) use super::note::{note, out_of_budget};
use super::queue::{Queue, Sudog};
use super::reason::WaitReason;
use super::waiter::{How, Seen, Slot, Waiter};
use super::wakes::Wakes;
use crate::hook::{self, Note, current};
use crate::shim::{LOOKS, spin_loop};

/// What a look without the lock saw of an object.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Look(pub(crate) usize, pub(crate) usize, pub(crate) u32);

/// One blocking operation of a primitive, in small answers.
pub trait Op: Clone {
    /// What the object's lock guards.
    type Inner;
    /// What lies in the sudog: the value to send, the room for the one to receive.
    type Payload;
    /// What the operation returns.
    type Output;
    /// Why its waiter waits.
    const REASON: WaitReason;

    /// The object waited for.
    fn object(&self) -> &Object<Self::Inner>;

    /// The line that waits.
    fn site(&self) -> &'static Location<'static>;

    /// The queue its waiters stand in.
    fn queue<'q>(&self, inner: &'q mut Self::Inner) -> &'q mut Queue<Self::Payload>;

    /// Whether `attempt` may succeed, as far as can be seen without the lock, and what was seen: two looks that saw the
    /// same found the object unchanged between them.
    fn look(&self) -> (bool, Look);

    /// Whether a peer may make `attempt` succeed without having seen us in the queue, so that a thread may look again a
    /// little later instead of being queued.
    fn comes_unasked(&self) -> bool {
        false
    }

    /// Whether it waits beside another operation of the same poll. If that one has recorded its wait, it says more.
    #[inline(always)]
    fn is_beside(&self) -> bool {
        false
    }

    /// A waiter was queued or unqueued by somebody who does not know the primitive; called under the lock. Nothing for those
    /// that note nothing about their queue beside it.
    #[inline(always)]
    fn changed(&self, _inner: &mut Self::Inner) {}

    /// A waiter has left the queue unserved: if it was in the way of others, they go on.
    fn left(&self, inner: &mut Self::Inner, _wakes: &mut Wakes) {
        self.changed(inner);
    }

    /// Whether the operation can be done now and is nobody else's business: no waiter is to be served or told.
    #[inline(always)]
    fn is_plain(&self, _inner: &Self::Inner, _payload: &Self::Payload) -> bool {
        false
    }

    /// Does it, after `is_plain` under the same hold. Apart from `attempt` so that what comes out of it is written
    /// where the caller wants it, and copied nowhere before.
    #[inline(always)]
    fn do_plain(&self, _inner: &mut Self::Inner, _payload: &mut Self::Payload) -> Self::Output {
        unreachable!("`is_plain` has not said so")
    }

    /// Does the operation now, or says that it cannot be done now.
    fn attempt(
        &self,
        inner: &mut Self::Inner,
        payload: &mut Self::Payload,
        wakes: &mut Wakes,
    ) -> Poll<Self::Output>;

    /// The waiter is polled although nobody has decided its wait. If a peer has woken it to look for itself, it does.
    #[inline(always)]
    fn retry(&self, _inner: &mut Self::Inner, _payload: &mut Self::Payload) -> Poll<Self::Output> {
        Poll::Pending
    }

    /// `attempt` has just failed and the lock is still held: the waiter is about to be queued.
    #[inline(always)]
    fn before_wait(&self, _inner: &mut Self::Inner, _wakes: &mut Wakes) {}

    /// The result of a wait that a peer has decided.
    fn collect(&self, payload: &mut Self::Payload, how: How) -> Self::Output;

    /// What a peer gave is not wanted any more: passes it on (rule R7).
    fn abandon(&self, inner: &mut Self::Inner, payload: &mut Self::Payload, wakes: &mut Wakes);
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Fresh,
    Parked,
    Over,
}

/// The future of a single operation.
#[must_use = "futures do nothing unless awaited"]
#[repr(C)]
pub(crate) struct Park<O: Op> {
    /// First, so that its payload is: see `chan/slot.rs`.
    sudog: Sudog<O::Payload>,
    stage: Stage,
    op: O,
    /// Written when the operation parks: most never do.
    waiter: MaybeUninit<Waiter>,
    since: MaybeUninit<u64>,
}

impl<O: Op> Park<O> {
    #[inline(always)]
    pub(crate) fn new(op: O, payload: O::Payload) -> Self {
        Park {
            stage: Stage::Fresh,
            op,
            waiter: MaybeUninit::uninit(),
            since: MaybeUninit::uninit(),
            sudog: Sudog::new(payload),
        }
    }

    pub(crate) fn op(&self) -> &O {
        &self.op
    }

    /// Takes the operation apart, to wait elsewhere.
    ///
    /// # Panics
    /// If it has completed.
    pub(crate) fn into_parts(self) -> (O, O::Payload) {
        assert!(
            self.stage == Stage::Fresh,
            "an operation in `select!` has already completed"
        );
        let this = std::mem::ManuallyDrop::new(self);
        // SAFETY: `this` is never dropped, so each field is read out once; a fresh operation is plain data
        // (invariant 1). Waiter and time are not written yet, and the other fields have no drop glue.
        let (op, sudog) = unsafe { (std::ptr::read(&this.op), std::ptr::read(&this.sudog)) };
        (op, sudog.into_payload())
    }

    /// Access to the payload of an operation that is not queued (fresh or over).
    pub(crate) fn payload_mut(&mut self) -> &mut O::Payload {
        assert!(
            self.stage != Stage::Parked,
            "an operation that is being waited for was used elsewhere"
        );
        // SAFETY: not parked, so no peer knows the sudog; `&mut self` is its owner. The pointer outlives the closure
        // only as long as the borrow of `self`.
        unsafe { &mut *self.sudog.payload(|p| p as *mut O::Payload) }
    }

    /// As `payload_mut`, of an operation that stays pinned.
    #[cfg_attr(not(feature = "rt"), allow(dead_code))]
    pub(crate) fn payload_pinned(self: Pin<&mut Self>) -> &mut O::Payload {
        // SAFETY: nothing is moved out of `self`; a payload that no peer knows may be moved.
        unsafe { self.get_unchecked_mut() }.payload_mut()
    }

    pub(crate) fn is_over(&self) -> bool {
        self.stage == Stage::Over
    }

    /// Not polled yet: for a fast path in front of it.
    #[inline(always)]
    pub(crate) fn is_fresh(&self) -> bool {
        self.stage == Stage::Fresh
    }

    /// As `set_over`, of an operation that stays pinned and is not queued: its fast path has done it.
    #[inline(always)]
    pub(crate) fn over(self: Pin<&mut Self>) {
        debug_assert!(self.stage != Stage::Parked);
        // SAFETY: nothing is moved out of `self`.
        unsafe { self.get_unchecked_mut() }.stage = Stage::Over;
    }

    /// Marks a borrowed operation as completed by somebody else (a select).
    pub(crate) fn set_over(&mut self) {
        self.stage = Stage::Over;
    }

    /// For a thread, in front of the wait: the operation, if it can be done now or, where that may come by itself, in
    /// the next few microseconds. A peer on another core that is at work has by then done not one but many, and both
    /// go on in batches, where the queue would hand over one by one.
    #[inline(always)]
    pub(crate) fn at_once(&mut self) -> Option<O::Output> {
        if self.stage == Stage::Fresh
            && self.op.look().0
            && let Poll::Ready(out) = self.attempt()
        {
            return Some(out);
        }
        self.soon()
    }

    #[inline(never)]
    fn soon(&mut self) -> Option<O::Output> {
        if self.stage != Stage::Fresh || !self.op.comes_unasked() {
            return None;
        }
        for turn in 0..LOOKS {
            (0..32 << turn).for_each(|_| spin_loop());
            if self.op.look().0
                && let Poll::Ready(out) = self.attempt()
            {
                return Some(out);
            }
        }
        None
    }

    /// Of a fresh operation.
    #[inline(always)]
    fn attempt(&mut self) -> Poll<O::Output> {
        let mut wakes = Wakes::new();
        let mut inner = self.op.object().lock();
        // SAFETY: fresh, so not linked; we own it.
        let out = unsafe {
            self.sudog
                .payload(|p| self.op.attempt(&mut inner, p, &mut wakes))
        };
        drop(inner);
        if out.is_ready() {
            self.stage = Stage::Over;
        }
        wakes.fire();
        out
    }

    #[inline(always)]
    pub(crate) fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<O::Output> {
        // SAFETY: nothing is moved out of `this`; the sudog and the waiter stay where they are.
        let this = unsafe { self.get_unchecked_mut() };
        match this.stage {
            Stage::Fresh => this.start(cx),
            Stage::Parked => this.resume(cx),
            Stage::Over => panic!("an operation was polled after it had completed"),
        }
    }

    /// The first poll behind a fast path that has taken the operation from the slice and not done it.
    pub(crate) fn poll_slow(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<O::Output> {
        debug_assert!(self.stage == Stage::Fresh);
        // SAFETY: nothing is moved out of `this`; the sudog and the waiter stay where they are.
        unsafe { self.get_unchecked_mut() }.begin(cx)
    }

    #[inline(always)]
    fn start(&mut self, cx: &mut Context<'_>) -> Poll<O::Output> {
        if !current::spend_budget() {
            return out_of_budget(cx, self.op.site());
        }
        self.begin(cx)
    }

    #[inline(always)]
    fn begin(&mut self, cx: &mut Context<'_>) -> Poll<O::Output> {
        let op = self.op.clone();
        let mut inner = op.object().lock();
        // SAFETY: fresh, so not linked; we own it.
        if unsafe { self.sudog.payload(|p| op.is_plain(&inner, p)) } {
            self.stage = Stage::Over;
            // SAFETY: as above.
            return Poll::Ready(unsafe { self.sudog.payload(|p| op.do_plain(&mut inner, p)) });
        }
        self.meet(inner, cx)
    }

    /// Others are concerned: somebody to be served, or to be waited for.
    #[inline(never)]
    fn meet(&mut self, mut inner: Locked<'_, O::Inner>, cx: &mut Context<'_>) -> Poll<O::Output> {
        let op = self.op.clone();
        let mut wakes = Wakes::new();
        // SAFETY: fresh, so not linked; we own it.
        let out = unsafe {
            self.sudog
                .payload(|p| op.attempt(&mut inner, p, &mut wakes))
        };
        if out.is_pending() {
            return self.wait(inner, &mut wakes, cx);
        }
        drop(inner);
        self.stage = Stage::Over;
        wakes.fire();
        out
    }

    /// The waker of the task that is being polled is ours: its clone may run under the lock. A foreign one is cloned
    /// without it, and then the attempt is made again.
    #[inline(always)]
    fn wait(
        &mut self,
        mut inner: Locked<'_, O::Inner>,
        wakes: &mut Wakes,
        cx: &mut Context<'_>,
    ) -> Poll<O::Output> {
        if !current::is_own_waker(cx.waker()) {
            drop(inner);
            wakes.fire();
            return self.start_foreign(cx.waker().clone());
        }
        let note = self.enqueue(&mut inner, cx.waker().clone(), wakes);
        drop(inner);
        self.parked(&note, wakes)
    }

    #[cold]
    fn start_foreign(&mut self, waker: Waker) -> Poll<O::Output> {
        let op = self.op.clone();
        let mut wakes = Wakes::new();
        let mut inner = op.object().lock();
        // SAFETY: fresh, so not linked; we own it.
        let out = unsafe {
            self.sudog
                .payload(|p| op.attempt(&mut inner, p, &mut wakes))
        };
        if out.is_ready() {
            drop(inner);
            self.stage = Stage::Over;
            wakes.fire();
            return out;
        }
        let note = self.enqueue(&mut inner, waker, &mut wakes);
        drop(inner);
        self.parked(&note, &mut wakes)
    }

    #[inline(always)]
    fn parked(&mut self, note: &Note, wakes: &mut Wakes) -> Poll<O::Output> {
        self.stage = Stage::Parked;
        self.since.write(note.since);
        wakes.fire();
        self.record(note);
        Poll::Pending
    }

    #[inline(always)]
    fn record(&self, note: &Note) {
        if !self.op.is_beside() || !current::is_parked() {
            current::park(note);
        }
    }

    #[inline(always)]
    fn enqueue(
        &mut self,
        inner: &mut Locked<'_, O::Inner>,
        waker: Waker,
        wakes: &mut Wakes,
    ) -> Note {
        let note = note(&self.op, hook::stamp());
        self.op.before_wait(inner, wakes);
        let told = Slot::note_in_queue(|| (note, self.op.queue(inner).len() + 1, false));
        let waiter = self.waiter.write(Waiter::parked(waker, told));
        // SAFETY: fresh until now, so nobody else knows waiter and sudog; both are pinned with `self`, and `leave`
        // unlinks before they go (invariant 2).
        unsafe {
            let sudog = Pin::new_unchecked(&self.sudog);
            self.op.queue(inner).push(sudog, waiter, 0, false);
        }
        self.op.changed(inner);
        note
    }

    /// Of an operation that is parked.
    #[inline(always)]
    fn waiter(&self) -> &Waiter {
        debug_assert!(self.stage == Stage::Parked);
        // SAFETY: written by `enqueue` before the stage became Parked.
        unsafe { self.waiter.assume_init_ref() }
    }

    #[inline(always)]
    fn resume(&mut self, cx: &mut Context<'_>) -> Poll<O::Output> {
        match self.waiter().word.load() {
            Seen::Done { how, .. } => Poll::Ready(self.collect(how)),
            _ => self.stay(cx),
        }
    }

    #[inline(always)]
    fn collect(&mut self, how: How) -> O::Output {
        self.stage = Stage::Over;
        // SAFETY: DONE was read with Acquire: the peer is through with the payload.
        unsafe { self.sudog.payload(|p| self.op.collect(p, how)) }
    }

    /// Polled although nobody has decided: perhaps by another task, so the waker is renewed.
    #[cold]
    #[inline(never)]
    fn stay(&mut self, cx: &mut Context<'_>) -> Poll<O::Output> {
        // Cloned for nothing when it is the same; a peer may be taking ours, so it cannot be compared without the lock.
        let waker = cx.waker().clone();
        let op = self.op.clone();
        let mut inner = op.object().lock();
        if let Seen::Done { how, .. } = self.waiter().word.load() {
            drop(inner);
            return Poll::Ready(self.collect(how));
        }
        // SAFETY: the lock is held.
        let out = unsafe { self.sudog.payload(|p| op.retry(&mut inner, p)) };
        if out.is_ready() {
            self.take_out(inner);
            return out;
        }
        // SAFETY: written by `parked`, as the waiter.
        let since = unsafe { self.since.assume_init() };
        let note = note(&self.op, since);
        // SAFETY: the lock of the only queue is held and the wait is not decided, here and below.
        let again = unsafe { self.waiter().is_nudged() };
        let told = Slot::note_in_queue(|| {
            let waiting = self.op.queue(&mut inner).len();
            (told_from(note, again), waiting, again)
        });
        // SAFETY: as above.
        let old = unsafe { self.waiter().set_slot(Some(waker), told) };
        drop(inner);
        drop(old);
        self.record(&note);
        Poll::Pending
    }

    /// Polled again with the waker that the queue has: whether it just goes on waiting. Takes no lock.
    #[cfg_attr(not(feature = "rt"), allow(dead_code))]
    pub(crate) fn goes_on(&self) -> bool {
        let waits = self.stage == Stage::Parked && !self.waiter().is_done();
        if waits {
            // SAFETY: written by `parked`, as the waiter.
            self.record(&note(&self.op, unsafe { self.since.assume_init() }));
        }
        waits
    }

    /// Leaves the queue after a retry that succeeded.
    fn take_out(&mut self, mut inner: Locked<'_, O::Inner>) {
        // SAFETY: pinned since it was linked (invariant 2).
        let sudog = unsafe { Pin::new_unchecked(&self.sudog) };
        let linked = self.op.queue(&mut inner).unlink(sudog);
        debug_assert!(linked);
        self.op.changed(&mut inner);
        drop(inner);
        // Before the foreign drop of the waker, which may panic.
        self.stage = Stage::Over;
        // SAFETY: written when it parked, and out of the only queue: no peer will come.
        unsafe { self.waiter.assume_init_drop() };
    }

    /// Ends the wait from the owner's side. `Some`: a peer had already decided it.
    pub(crate) fn cancel(self: Pin<&mut Self>) -> Option<O::Output> {
        // SAFETY: nothing is moved out of `this`.
        let this = unsafe { self.get_unchecked_mut() };
        if this.stage == Stage::Parked
            && let Some(how) = this.withdraw(&mut Wakes::new(), false)
        {
            return Some(this.collect(how));
        }
        this.stage = Stage::Over;
        None
    }

    /// Leaves the queue, or finds out how the wait was decided; with `pass_on`, what was given goes to somebody else.
    fn withdraw(&mut self, wakes: &mut Wakes, pass_on: bool) -> Option<How> {
        let op = self.op.clone();
        let mut inner = op.object().lock();
        // SAFETY: pinned since it was linked (invariant 2).
        let linked = self
            .op
            .queue(&mut inner)
            .unlink(unsafe { Pin::new_unchecked(&self.sudog) });
        if linked {
            self.op.left(&mut inner, wakes);
            drop(inner);
            // Before the foreign drop of the waker, which may panic.
            self.stage = Stage::Over;
            // SAFETY: written when it parked, and out of the only queue: no peer will come. A wait that was decided has
            // lost waker and note to the peer and needs no drop.
            unsafe { self.waiter.assume_init_drop() };
            return None;
        }
        let Seen::Done { how, .. } = self.waiter().word.load() else {
            unreachable!("a single waiter that is out of its queue has been decided under its lock")
        };
        if pass_on && how == How::Given {
            // SAFETY: DONE, so the payload is ours.
            unsafe {
                self.sudog
                    .payload(|p| self.op.abandon(&mut inner, p, wakes))
            };
        }
        Some(how)
    }

    #[cold]
    #[inline(never)]
    fn leave(&mut self) {
        let mut wakes = Wakes::new();
        self.withdraw(&mut wakes, true);
        wakes.fire();
    }
}

impl<O: Op> Drop for Park<O> {
    #[inline(always)]
    fn drop(&mut self) {
        if self.stage == Stage::Parked {
            self.leave();
        }
    }
}

impl<O: Op> std::fmt::Debug for Park<O> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct(O::REASON.as_str())
            .field("object", &self.op.object().id())
            .field("site", &self.op.site())
            .field("stage", &self.stage)
            .finish()
    }
}
