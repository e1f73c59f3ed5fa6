//! The channel itself, after Go's hchan (runtime/chan.go): a buffer, a queue of senders, a queue of receivers, one lock.
//!
//! What it is not: handles, futures or counts of handles; those are in `mod.rs` and `ops.rs`. Here are the state and the
//! straight-line cases, all of them under the lock.
//!
//! Invariants, true whenever the lock is free
//! 1. `recvq` or `sendq` is empty, but for places of one select that stands on both sides, and for a channel of
//!    capacity 0 with permits out: there a receiver waits for the permit's value while senders queue behind it.
//! 2. Values in the buffer or in `returned` imply that no receiver is queued.
//! 3. Room (`len + reserved < cap`) implies that no sender is queued.
//! 4. `closed` implies that all queues are empty, and never goes back.
//! 5. `returned` is sorted by `seq`, the number of the value in the order it was handed out: values that came back from
//!    dropped receivers are received again first, and in their old order.
//!
//! A permit (`reserve`) is a claim on one place: of the buffer, or, at capacity 0, of a waiting receiver. Should that
//! receiver leave before the permit is used, the value goes to `returned` and the next receive takes it.

use std::collections::VecDeque;
use std::task::Poll;

use super::gate::{CLOSED, Gate, RECVQ, RESERVED, RETURNED, SENDQ};
use super::ring::Buf;
use super::slot::{RecvSlot, SendSlot};
use crate::error::{RecvError, SendError};
use crate::wait::queue::Queue;
use crate::wait::waiter::How;
use crate::wait::wakes::Wakes;

/// Everything under the lock, but for the words of the gate.
pub struct Inner<T> {
    buf: Buf<T>,
    cap: usize,
    reserved: usize,
    returned: VecDeque<(usize, T)>,
    pub(super) sendq: Queue<SendSlot<T>>,
    pub(super) recvq: Queue<RecvSlot<T>>,
    /// Those who wait for the close.
    pub(super) closeq: Queue<()>,
    /// Values that went straight from a sender to a receiver.
    handed: usize,
    /// Values that came back and are counted a second time by the gate.
    again: usize,
    /// Values that nobody received, because the last receiver went.
    dropped: usize,
    pub(super) send_waits: u64,
    pub(super) recv_waits: u64,
}

/// What the last receiver leaves behind, to be dropped without the lock.
pub(super) type Rest<T> = (Buf<T>, VecDeque<(usize, T)>);

impl<T> Inner<T> {
    pub(super) fn new(buf: Buf<T>) -> Self {
        Inner {
            cap: buf.capacity(),
            buf,
            reserved: 0,
            returned: VecDeque::new(),
            sendq: Queue::new(),
            recvq: Queue::new(),
            closeq: Queue::new(),
            handed: 0,
            again: 0,
            dropped: 0,
            send_waits: 0,
            recv_waits: 0,
        }
    }

    /// Values sent and received so far.
    pub(super) fn counts(&self, gate: &Gate) -> (u64, u64) {
        let sent = gate
            .tail()
            .wrapping_add(self.handed)
            .wrapping_sub(self.again);
        let received = gate
            .head()
            .wrapping_add(self.handed)
            .wrapping_sub(self.again + self.dropped);
        (sent as u64, received as u64)
    }

    /// Brings the flags up to date; to be called before the unlock by whoever has touched more than the buffer.
    pub(super) fn sync(&self, gate: &Gate) {
        let flags = (gate.held_flags() & CLOSED)
            | (u32::from(!self.recvq.is_empty()) * RECVQ)
            | (u32::from(!self.sendq.is_empty()) * SENDQ)
            | (u32::from(self.reserved > 0) * RESERVED)
            | (u32::from(!self.returned.is_empty()) * RETURNED);
        gate.set_flags(flags);
    }

    /// As `sync`, where only receivers have come or gone.
    #[inline(always)]
    pub(super) fn sync_recvq(&self, gate: &Gate) {
        gate.set_flag(RECVQ, !self.recvq.is_empty());
    }

    /// As `sync`, where only senders have come or gone.
    #[inline(always)]
    pub(super) fn sync_sendq(&self, gate: &Gate) {
        gate.set_flag(SENDQ, !self.sendq.is_empty());
    }

    #[inline(always)]
    fn has_room(&self, gate: &Gate) -> bool {
        gate.held_len() + self.reserved < self.cap
    }

    /// Whether a receiver waits that no permit has a claim on.
    fn has_taker(&self) -> bool {
        !self.recvq.is_empty() && (self.cap > 0 || self.recvq.len() > self.reserved)
    }

    #[inline(always)]
    fn push(&mut self, gate: &Gate, value: T) {
        self.buf.push(value);
        gate.one_in();
    }

    // ---- the plain cases: a ring has a place or a value, and nobody waits or has a claim

    #[inline(always)]
    pub(super) fn can_push(&self, gate: &Gate) -> bool {
        // What has come back takes up room as well.
        gate.held_flags() & (CLOSED | RESERVED | RECVQ | RETURNED) == 0 && self.buf.ring_has_room()
    }

    /// After `can_push`.
    #[inline(always)]
    pub(super) fn push_plain(&mut self, gate: &Gate, value: impl FnOnce() -> T) {
        let ring = self.buf.ring().expect("a ring has a place");
        ring.push_with(value);
        gate.one_in();
    }

    #[inline(always)]
    pub(super) fn can_pop(&self, gate: &Gate) -> bool {
        gate.held_flags() & (SENDQ | RETURNED) == 0 && self.buf.ring_has_value()
    }

    /// After `can_pop`.
    #[inline(always)]
    pub(super) fn pop_plain(&mut self, gate: &Gate) -> T {
        let value = self.buf.ring().expect("a ring has a value").pop();
        gate.out(1);
        value
    }

    // ---- send: closed, a waiting receiver, room, else wait

    #[inline(always)]
    pub(super) fn send(
        &mut self,
        gate: &Gate,
        slot: &mut SendSlot<T>,
        wakes: &mut Wakes,
    ) -> Poll<Result<(), SendError<T>>> {
        let flags = gate.held_flags();
        if flags & (CLOSED | RESERVED) != 0 {
            return self.send_rare(gate, slot, wakes);
        }
        if flags & RECVQ != 0 {
            let taken = self.hand_over(slot, wakes);
            self.sync_recvq(gate);
            if taken {
                return Poll::Ready(Ok(()));
            }
        }
        if gate.held_len() < self.buf.capacity() {
            self.push(gate, slot.take());
            return Poll::Ready(Ok(()));
        }
        Poll::Pending
    }

    /// Closed, or with permits out.
    #[cold]
    fn send_rare(
        &mut self,
        gate: &Gate,
        slot: &mut SendSlot<T>,
        wakes: &mut Wakes,
    ) -> Poll<Result<(), SendError<T>>> {
        if gate.held_flags() & CLOSED != 0 {
            return Poll::Ready(Err(SendError(slot.take())));
        }
        if self.has_taker() {
            let taken = self.hand_over(slot, wakes);
            self.sync(gate);
            if taken {
                return Poll::Ready(Ok(()));
            }
        }
        if self.has_room(gate) {
            self.push(gate, slot.take());
            return Poll::Ready(Ok(()));
        }
        Poll::Pending
    }

    #[inline(always)]
    fn hand_over(&mut self, slot: &mut SendSlot<T>, wakes: &mut Wakes) -> bool {
        hand_over(&mut self.recvq, &mut self.handed, slot, wakes)
    }

    // ---- receive: what came back, the buffer, a waiting sender, closed, else wait

    #[inline(always)]
    pub(super) fn recv(&mut self, gate: &Gate, wakes: &mut Wakes) -> Poll<Result<T, RecvError>> {
        let flags = gate.held_flags();
        if flags & (SENDQ | RETURNED) != 0 {
            return self.recv_queued(gate, wakes);
        }
        if gate.held_len() > 0 {
            gate.out(1);
            return Poll::Ready(Ok(self.buf.pop()));
        }
        match flags & CLOSED {
            0 => Poll::Pending,
            _ => Poll::Ready(Err(RecvError)),
        }
    }

    /// Senders wait, or values have come back.
    #[inline(never)]
    fn recv_queued(&mut self, gate: &Gate, wakes: &mut Wakes) -> Poll<Result<T, RecvError>> {
        if let Some(value) = self.take(gate, wakes) {
            return Poll::Ready(Ok(value));
        }
        if !self.sendq.is_empty() {
            let value = self.take_from_sender(wakes);
            self.sync(gate);
            if let Some(value) = value {
                return Poll::Ready(Ok(value));
            }
        }
        if gate.held_flags() & CLOSED != 0 {
            return Poll::Ready(Err(RecvError));
        }
        Poll::Pending
    }

    /// A value that is there; the place it leaves goes to the first sender.
    fn take(&mut self, gate: &Gate, wakes: &mut Wakes) -> Option<T> {
        if gate.held_len() == 0 {
            return None;
        }
        let value = match self.returned.pop_front() {
            Some((_, value)) => value,
            None => self.buf.pop(),
        };
        gate.out(1);
        self.refill(gate, wakes);
        self.sync(gate);
        Some(value)
    }

    /// Lets queued senders in while there is room (invariant 3).
    fn refill(&mut self, gate: &Gate, wakes: &mut Wakes) {
        while self.has_room(gate) {
            let Some(mut sender) = self.sendq.pop_claim() else {
                return;
            };
            let slot = sender.payload();
            if slot.is_reserve() {
                self.reserved += 1;
            } else {
                // Not `push`: the claim borrows the queue.
                self.buf.push(slot.take());
                gate.one_in();
            }
            sender.complete(How::Given, wakes);
        }
    }

    /// Capacity 0: straight from the first sender, if it has its value already.
    fn take_from_sender(&mut self, wakes: &mut Wakes) -> Option<T> {
        let mut sender = self.sendq.pop_claim_if(SendSlot::has_value, self.cap > 0)?;
        let value = sender.payload().take();
        sender.complete(How::Given, wakes);
        self.handed += 1;
        Some(value)
    }

    /// A receiver is about to be queued. At capacity 0 the first wish for a permit is granted on its strength, and it
    /// will be given the permit's value.
    pub(super) fn before_recv_wait(&mut self, gate: &Gate, wakes: &mut Wakes) {
        self.recv_waits += 1;
        if self.cap == 0 && !self.sendq.is_empty() {
            self.grant_first(gate, wakes);
        }
    }

    #[cold]
    fn grant_first(&mut self, gate: &Gate, wakes: &mut Wakes) {
        if let Some(mut sender) = self.sendq.pop_claim_if(SendSlot::is_reserve, false) {
            *sender.payload() = SendSlot::default();
            sender.complete(How::Given, wakes);
            self.reserved += 1;
        }
        self.sync(gate);
    }

    // ---- permits

    pub(super) fn reserve(&mut self, gate: &Gate) -> Poll<Result<(), SendError<()>>> {
        if gate.held_flags() & CLOSED != 0 {
            return Poll::Ready(Err(SendError(())));
        }
        if self.cap == 0 && self.has_taker() || self.has_room(gate) {
            self.reserved += 1;
            self.sync(gate);
            return Poll::Ready(Ok(()));
        }
        Poll::Pending
    }

    /// Uses a permit.
    pub(super) fn send_reserved(
        &mut self,
        gate: &Gate,
        value: T,
        wakes: &mut Wakes,
    ) -> Result<(), SendError<T>> {
        self.reserved -= 1;
        let result = if gate.held_flags() & CLOSED != 0 {
            Err(SendError(value))
        } else {
            let mut slot = SendSlot::value(value);
            if self.recvq.is_empty() || !self.hand_over(&mut slot, wakes) {
                match self.cap {
                    0 => give_back(&mut self.returned, gate, self.handed + 1, slot.take()),
                    _ => self.push(gate, slot.take()),
                }
            }
            Ok(())
        };
        self.settle(gate, wakes);
        result
    }

    /// Gives a permit up: what it kept from the queued senders is theirs now.
    pub(super) fn unreserve(&mut self, gate: &Gate, wakes: &mut Wakes) {
        self.reserved -= 1;
        self.settle(gate, wakes);
    }

    /// A claim was given up, or a wish for one that stood in the way: queued senders that may go on now do.
    pub(super) fn settle(&mut self, gate: &Gate, wakes: &mut Wakes) {
        self.refill(gate, wakes);
        while !self.sendq.is_empty() && self.has_taker() {
            // With a buffer a permit stands for room, of which there is none.
            let rendezvous = self.cap == 0;
            let wanted = |slot: &SendSlot<T>| rendezvous || slot.has_value();
            let Some(mut sender) = self.sendq.pop_claim_if(wanted, false) else {
                break;
            };
            let mut slot = std::mem::take(sender.payload());
            if slot.is_reserve() {
                self.reserved += 1;
            } else if !hand_over(&mut self.recvq, &mut self.handed, &mut slot, wakes) {
                // The takers were selects that have just gone elsewhere.
                give_back(&mut self.returned, gate, self.handed + 1, slot.take());
            }
            // Last: it runs at once, and its value must be there by then.
            sender.complete(How::Given, wakes);
        }
        self.sync(gate);
    }

    // ---- what comes back

    /// A receiver was given a value and is dropped without having looked: the next one gets it (rule R7).
    pub(super) fn abandon(&mut self, gate: &Gate, slot: &mut RecvSlot<T>, wakes: &mut Wakes) {
        let Some(seq) = slot.seq() else {
            return;
        };
        let mut again = SendSlot::value(slot.take());
        self.again += 1;
        if self.recvq.is_empty() || !self.hand_over(&mut again, wakes) {
            give_back(&mut self.returned, gate, seq, again.take());
        }
        self.sync(gate);
    }

    // ---- close

    /// Completes everybody who waits, in one hold of the lock (rule R6). False: it was closed before.
    pub(super) fn close(&mut self, gate: &Gate, wakes: &mut Wakes) -> bool {
        if gate.held_flags() & CLOSED != 0 {
            return false;
        }
        // First of all: who is told of the close runs at once, and may ask.
        gate.set_flags(gate.held_flags() | CLOSED);
        while let Some(receiver) = self.recvq.pop_claim() {
            receiver.complete(How::Closed, wakes);
        }
        while let Some(sender) = self.sendq.pop_claim() {
            sender.complete(How::Closed, wakes);
        }
        while let Some(watcher) = self.closeq.pop_claim() {
            watcher.complete(How::Closed, wakes);
        }
        self.sync(gate);
        true
    }

    /// Nobody will ever receive: hands out everything that is left, to be dropped without the lock.
    pub(super) fn take_rest(&mut self, gate: &Gate) -> Rest<T> {
        let left = gate.held_len();
        self.dropped += left;
        gate.out(left);
        let empty = Buf::none();
        let rest = (
            std::mem::replace(&mut self.buf, empty),
            std::mem::take(&mut self.returned),
        );
        self.sync(gate);
        rest
    }
}

/// Gives the value to the first receiver that can be claimed.
#[inline(always)]
fn hand_over<T>(
    recvq: &mut Queue<RecvSlot<T>>,
    handed: &mut usize,
    slot: &mut SendSlot<T>,
    wakes: &mut Wakes,
) -> bool {
    let Some(mut receiver) = recvq.pop_claim() else {
        return false;
    };
    *handed += 1;
    receiver.payload().fill(*handed, slot.take());
    receiver.complete(How::Given, wakes);
    true
}

/// Puts a value that came back among the others of its kind, at its old place (invariant 5).
fn give_back<T>(returned: &mut VecDeque<(usize, T)>, gate: &Gate, seq: usize, value: T) {
    let at = returned.partition_point(|(other, _)| *other <= seq);
    returned.insert(at, (seq, value));
    gate.one_in();
}
