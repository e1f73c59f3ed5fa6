//! What `select!` sees of an operation: `Arm`, the operation before the wait, and `Case`, its place during it.
//!
//! What it is not: the select. `select/selectgo.rs` decides; here every kind of operation learns to be tried, queued,
//! withdrawn and collected by somebody else.
//!
//! Two kinds of case:
//! * queue cases (`OpCase`, `Lent`): an `Op` with an object, a lock and a queue. They are tried and queued under the
//!   object's lock and completed by a peer.
//! * polled cases (timers, joins, foreign futures): `poll_ready` registers a waker and says whether the case could win
//!   now; `Case::take` makes it happen. What `poll_ready` does must be invisible as long as the case has not won, except
//!   for cases that say they are `EFFECTFUL` (a foreign future, which advances when it is polled).
//!
//! Invariants
//! 1. A case is queued at most in one queue, by the select whose pinned memory it lies in.
//! 2. A queue case has an output exactly when it has won; `take` moves it out once.
//! 3. A `Lent` case that did not win puts the payload back into the operation it was lent from when it is dropped, also
//!    when the select is dropped in mid-wait. It never queues the lender's own sudog: the lender is not pinned.

#![allow(unsafe_code)]

use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use super::lock::Object;
use super::op::{Look, Op, Park};
use super::queue::Sudog;
use super::waiter::{How, Waiter};
use super::wakes::Wakes;
use crate::hook::ArmNote;

/// Something that can stand in an arm of [`select!`](crate::select!): the futures that this crate's operations return,
/// `&mut` of them, `Option` of an arm, and [`fut(future)`](crate::fut).
///
/// The methods of `Case` are the select's business and may change in any release.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be an arm of `select!`",
    label = "not an operation of this crate",
    note = "wrap a foreign future in `fut(...)`; `.await` a value that is needed before the select"
)]
pub trait Arm {
    /// What the arm yields when it wins.
    type Output;
    /// The arm while it is waited for.
    #[doc(hidden)]
    type Case: Case<Output = Self::Output>;
    /// Hands the arm to a select.
    #[doc(hidden)]
    fn into_case(self) -> Self::Case;
}

/// An arm that is being waited for. Implemented by this crate's operations only.
#[doc(hidden)]
pub trait Case: RawCase {
    type Output;
    /// Makes the case's effect happen (polled cases) and returns its output. Called once, on the winner.
    fn take(self: Pin<&mut Self>) -> Self::Output;
}

/// How a case takes part.
#[doc(hidden)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Tried and queued under the lock at this address.
    Queue(usize),
    /// Polled. `effectful`: polling it may do something that cannot be undone.
    Polled { effectful: bool },
    /// Never ready (`None`, a nil channel).
    Never,
}

/// The object-safe side of a case. Methods of the other kind than the case's own do nothing.
///
/// # Safety
/// `enqueue` keeps the waiter's address; `leave` must end that under the lock. Implementations are in this crate.
#[doc(hidden)]
#[allow(private_interfaces)]
pub unsafe trait RawCase {
    fn kind(&self) -> Kind;
    /// What the arm waits for, for the dump.
    fn arm_note(&self) -> ArmNote;

    /// Whether a look under the lock is worth it, and a word that changes whenever the answer may.
    fn peek(&self) -> (bool, Look) {
        (true, Look::default())
    }
    fn lock(&self) {}
    /// # Safety
    /// The calling thread holds the lock.
    unsafe fn unlock(&self) {}
    /// Tries the operation; on success the case has won.
    ///
    /// # Safety
    /// The calling thread holds the lock, by `lock` on this case or another of the same object.
    unsafe fn attempt(self: Pin<&mut Self>, _wakes: &mut Wakes) -> bool {
        false
    }
    /// What the operation does for others because it is about to wait.
    ///
    /// # Safety
    /// As for `attempt`.
    unsafe fn before_wait(self: Pin<&mut Self>, _wakes: &mut Wakes) {}
    /// Enters the queue; with `wakes` after `before_wait`.
    ///
    /// # Safety
    /// As for `attempt`; the case is not queued; `waiter` lives until the case has left the queue, or is the one that
    /// DONE names.
    unsafe fn enqueue(
        self: Pin<&mut Self>,
        _waiter: *const Waiter,
        _case: u16,
        _wakes: Option<&mut Wakes>,
    ) {
    }
    /// Leaves the queue, under its lock. A peer that had popped the case is through with it then.
    ///
    /// # Safety
    /// The case has been queued, if it can be; the calling thread holds no lock.
    unsafe fn leave(self: Pin<&mut Self>) {}
    /// A peer has decided the wait for this case: it has won.
    ///
    /// # Safety
    /// DONE with this case was read with Acquire.
    unsafe fn collect(self: Pin<&mut Self>, _how: How) {}
    /// Passes on what a peer gave to a select that is being dropped.
    ///
    /// # Safety
    /// As for `collect`, and the lock is held.
    unsafe fn abandon(self: Pin<&mut Self>, _wakes: &mut Wakes) {}

    /// Registers the waker and says whether the case could win now.
    fn poll_ready(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> bool {
        false
    }
    /// The select stops waiting: forget the registered waker.
    fn retire(self: Pin<&mut Self>) -> Option<Waker> {
        None
    }
}

/// An operation of a queue, as a case.
#[doc(hidden)]
pub struct OpCase<O: Op> {
    op: O,
    /// Pending: it has not won.
    out: Poll<O::Output>,
    sudog: Sudog<O::Payload>,
}

impl<O: Op> OpCase<O> {
    #[inline(always)]
    fn new(op: O, payload: O::Payload) -> Self {
        OpCase {
            op,
            out: Poll::Pending,
            sudog: Sudog::new(payload),
        }
    }

    #[inline(always)]
    fn object(&self) -> &Object<O::Inner> {
        self.op.object()
    }

    /// Splits the pinned case: the sudog stays pinned, the output may move.
    #[inline(always)]
    #[allow(clippy::type_complexity)]
    fn split(self: Pin<&mut Self>) -> (&O, &mut Poll<O::Output>, Pin<&Sudog<O::Payload>>) {
        // SAFETY: the sudog is structurally pinned and never moved; op and out are plain data.
        unsafe {
            let this = self.get_unchecked_mut();
            (&this.op, &mut this.out, Pin::new_unchecked(&this.sudog))
        }
    }
}

// SAFETY: the waiter's address is kept in the sudog only, and `leave` takes that out of the queue.
#[allow(private_interfaces)]
unsafe impl<O: Op> RawCase for OpCase<O> {
    #[inline(always)]
    fn kind(&self) -> Kind {
        Kind::Queue(std::ptr::from_ref(self.object()).addr())
    }

    fn arm_note(&self) -> ArmNote {
        let object = self.object();
        let (reason, made) = (O::REASON, Some(object.made()));
        ArmNote {
            reason,
            object: object.id(),
            made,
            site: self.op.site(),
        }
    }

    #[inline(always)]
    fn peek(&self) -> (bool, Look) {
        self.op.look()
    }

    #[inline(always)]
    fn lock(&self) {
        self.object().raw_lock();
    }

    #[inline(always)]
    unsafe fn unlock(&self) {
        // SAFETY: promised by the caller.
        unsafe { self.object().raw_unlock() }
    }

    #[inline(always)]
    unsafe fn attempt(self: Pin<&mut Self>, wakes: &mut Wakes) -> bool {
        let (op, out, sudog) = self.split();
        // SAFETY: the lock is held; a case that is being tried is not queued.
        unsafe {
            let inner = op.object().inner();
            sudog.payload(|p| {
                *out = match op.is_plain(inner, p) {
                    true => Poll::Ready(op.do_plain(inner, p)),
                    false => op.attempt(inner, p, wakes),
                }
            });
        }
        out.is_ready()
    }

    unsafe fn before_wait(self: Pin<&mut Self>, wakes: &mut Wakes) {
        // SAFETY: the lock is held.
        self.op.before_wait(unsafe { self.object().inner() }, wakes);
    }

    unsafe fn enqueue(
        self: Pin<&mut Self>,
        waiter: *const Waiter,
        case: u16,
        wakes: Option<&mut Wakes>,
    ) {
        let (op, _, sudog) = self.split();
        // SAFETY: the lock is held; the sudog is pinned with its select, which unlinks it before it goes.
        unsafe {
            let inner = op.object().inner();
            if let Some(wakes) = wakes {
                op.before_wait(inner, wakes);
            }
            op.queue(inner).push(sudog, waiter, case, true);
            op.changed(inner);
        }
    }

    unsafe fn leave(self: Pin<&mut Self>) {
        let (op, _, sudog) = self.split();
        let mut wakes = Wakes::new();
        let mut inner = op.object().lock();
        if op.queue(&mut inner).unlink(sudog) {
            op.left(&mut inner, &mut wakes);
        }
        drop(inner);
        wakes.fire();
    }

    unsafe fn collect(self: Pin<&mut Self>, how: How) {
        let (op, out, sudog) = self.split();
        // SAFETY: DONE was read: the peer is through with the payload.
        *out = Poll::Ready(unsafe { sudog.payload(|p| op.collect(p, how)) });
    }

    unsafe fn abandon(self: Pin<&mut Self>, wakes: &mut Wakes) {
        let (op, _, sudog) = self.split();
        // SAFETY: DONE was read, the payload is ours; the lock is held.
        unsafe {
            let inner = op.object().inner();
            sudog.payload(|p| op.abandon(inner, p, wakes));
        }
    }
}

impl<O: Op> Case for OpCase<O> {
    type Output = O::Output;
    #[inline(always)]
    fn take(self: Pin<&mut Self>) -> O::Output {
        match std::mem::replace(self.split().1, Poll::Pending) {
            Poll::Ready(out) => out,
            Poll::Pending => unreachable!("the winning case has an output"),
        }
    }
}

impl<O: Op> Arm for Park<O> {
    type Output = O::Output;
    type Case = OpCase<O>;
    #[inline(always)]
    fn into_case(self) -> OpCase<O> {
        let (op, payload) = self.into_parts();
        OpCase::new(op, payload)
    }
}

/// A queue case lent by an operation that stays outside of the select and gets its payload back if it loses.
#[doc(hidden)]
pub struct Lent<'a, O: Op>
where
    O::Payload: Default,
{
    case: OpCase<O>,
    home: &'a mut Park<O>,
}

impl<'a, O: Op> Arm for &'a mut Park<O>
where
    O::Payload: Default,
{
    type Output = O::Output;
    type Case = Lent<'a, O>;
    fn into_case(self) -> Lent<'a, O> {
        assert!(
            !self.is_over(),
            "an operation in `select!` has already completed"
        );
        let payload = std::mem::take(self.payload_mut());
        Lent {
            case: OpCase::new(self.op().clone(), payload),
            home: self,
        }
    }
}

impl<O: Op> Lent<'_, O>
where
    O::Payload: Default,
{
    #[inline(always)]
    fn case(self: Pin<&mut Self>) -> Pin<&mut OpCase<O>> {
        // SAFETY: `case` is structurally pinned.
        unsafe { self.map_unchecked_mut(|this| &mut this.case) }
    }
}

// SAFETY: delegates to `OpCase`.
#[allow(private_interfaces)]
unsafe impl<O: Op> RawCase for Lent<'_, O>
where
    O::Payload: Default,
{
    fn kind(&self) -> Kind {
        self.case.kind()
    }
    fn arm_note(&self) -> ArmNote {
        self.case.arm_note()
    }
    fn peek(&self) -> (bool, Look) {
        self.case.peek()
    }
    fn lock(&self) {
        self.case.lock();
    }
    unsafe fn unlock(&self) {
        // SAFETY: promised by the caller.
        unsafe { self.case.unlock() }
    }
    unsafe fn attempt(self: Pin<&mut Self>, wakes: &mut Wakes) -> bool {
        // SAFETY: promised by the caller.
        unsafe { self.case().attempt(wakes) }
    }
    unsafe fn before_wait(self: Pin<&mut Self>, wakes: &mut Wakes) {
        // SAFETY: promised by the caller.
        unsafe { self.case().before_wait(wakes) }
    }
    unsafe fn enqueue(
        self: Pin<&mut Self>,
        waiter: *const Waiter,
        case: u16,
        wakes: Option<&mut Wakes>,
    ) {
        // SAFETY: promised by the caller.
        unsafe { self.case().enqueue(waiter, case, wakes) }
    }
    unsafe fn leave(self: Pin<&mut Self>) {
        // SAFETY: promised by the caller.
        unsafe { self.case().leave() }
    }
    unsafe fn collect(self: Pin<&mut Self>, how: How) {
        // SAFETY: promised by the caller.
        unsafe { self.case().collect(how) }
    }
    unsafe fn abandon(self: Pin<&mut Self>, wakes: &mut Wakes) {
        // SAFETY: promised by the caller.
        unsafe { self.case().abandon(wakes) }
    }
}

impl<O: Op> Case for Lent<'_, O>
where
    O::Payload: Default,
{
    type Output = O::Output;
    fn take(mut self: Pin<&mut Self>) -> O::Output {
        let out = self.as_mut().case().take();
        // SAFETY: only the plain flag of the lender is changed.
        unsafe { self.get_unchecked_mut() }.home.set_over();
        out
    }
}

impl<O: Op> Drop for Lent<'_, O>
where
    O::Payload: Default,
{
    fn drop(&mut self) {
        if self.home.is_over() {
            return;
        }
        // SAFETY: the select has unlinked the case before it drops it, and it did not win: the payload is ours.
        *self.home.payload_mut() = unsafe { self.case.sudog.payload(std::mem::take) };
    }
}

/// `Option<arm>`: `None` is Go's nil channel.
impl<A: Arm> Arm for Option<A> {
    type Output = A::Output;
    type Case = Option<A::Case>;
    #[inline(always)]
    fn into_case(self) -> Option<A::Case> {
        self.map(A::into_case)
    }
}

// SAFETY: delegates to the case inside; `None` is never queued.
#[allow(private_interfaces)]
unsafe impl<C: RawCase> RawCase for Option<C> {
    #[inline(always)]
    fn kind(&self) -> Kind {
        self.as_ref().map_or(Kind::Never, C::kind)
    }
    fn arm_note(&self) -> ArmNote {
        self.as_ref().map_or(ArmNote::NIL, C::arm_note)
    }
    fn peek(&self) -> (bool, Look) {
        self.as_ref().map_or((false, Look::default()), C::peek)
    }
    fn lock(&self) {
        self.iter().for_each(C::lock);
    }
    unsafe fn unlock(&self) {
        // SAFETY: promised by the caller.
        self.iter().for_each(|case| unsafe { case.unlock() });
    }
    unsafe fn attempt(self: Pin<&mut Self>, wakes: &mut Wakes) -> bool {
        // SAFETY: promised by the caller.
        self.as_pin_mut()
            .is_some_and(|case| unsafe { case.attempt(wakes) })
    }
    unsafe fn before_wait(self: Pin<&mut Self>, wakes: &mut Wakes) {
        if let Some(case) = self.as_pin_mut() {
            // SAFETY: promised by the caller.
            unsafe { case.before_wait(wakes) }
        }
    }
    unsafe fn enqueue(
        self: Pin<&mut Self>,
        waiter: *const Waiter,
        index: u16,
        wakes: Option<&mut Wakes>,
    ) {
        if let Some(case) = self.as_pin_mut() {
            // SAFETY: promised by the caller.
            unsafe { case.enqueue(waiter, index, wakes) }
        }
    }
    unsafe fn leave(self: Pin<&mut Self>) {
        if let Some(case) = self.as_pin_mut() {
            // SAFETY: promised by the caller.
            unsafe { case.leave() }
        }
    }
    unsafe fn collect(self: Pin<&mut Self>, how: How) {
        if let Some(case) = self.as_pin_mut() {
            // SAFETY: promised by the caller.
            unsafe { case.collect(how) }
        }
    }
    unsafe fn abandon(self: Pin<&mut Self>, wakes: &mut Wakes) {
        if let Some(case) = self.as_pin_mut() {
            // SAFETY: promised by the caller.
            unsafe { case.abandon(wakes) }
        }
    }
    fn poll_ready(self: Pin<&mut Self>, cx: &mut Context<'_>) -> bool {
        self.as_pin_mut().is_some_and(|case| case.poll_ready(cx))
    }
    fn retire(self: Pin<&mut Self>) -> Option<Waker> {
        self.as_pin_mut().and_then(C::retire)
    }
}

impl<C: Case> Case for Option<C> {
    type Output = C::Output;
    fn take(self: Pin<&mut Self>) -> C::Output {
        self.as_pin_mut().expect("a `None` arm never wins").take()
    }
}
