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

use super::ring::Buf;
use crate::error::{RecvError, SendError};
use crate::wait::lock::Face;
use crate::wait::queue::Queue;
use crate::wait::waiter::How;
use crate::wait::wakes::Wakes;

/// Bits of the face: a receive would not wait; a send would not wait; closed. The length stands above them.
pub(super) const READABLE: u32 = 1;
pub(super) const WRITABLE: u32 = 2;
pub(super) const CLOSED: u32 = 4;
const LEN_SHIFT: u32 = 3;
/// The length that the face shows for itself and everything longer.
pub(super) const LEN_MAX: u32 = u32::MAX >> LEN_SHIFT;

pub(super) fn face_len(face: u32) -> u32 {
    face >> LEN_SHIFT
}

/// What lies in the sudog of a sender.
#[derive(Debug, Default)]
pub enum SendSlot<T> {
    /// The value to send.
    Value(T),
    /// A wish for a permit.
    Reserve,
    /// Nothing (any more).
    #[default]
    Taken,
}

impl<T> SendSlot<T> {
    /// The value of a send that did not happen.
    pub(super) fn take(&mut self) -> T {
        match std::mem::take(self) {
            SendSlot::Value(value) => value,
            _ => unreachable!("the value of a send is given away once"),
        }
    }
}

/// What lies in the sudog of a receiver.
#[derive(Debug)]
pub struct RecvSlot<T> {
    pub(super) value: Option<T>,
    seq: u64,
}

impl<T> Default for RecvSlot<T> {
    #[inline(always)]
    fn default() -> Self {
        RecvSlot {
            value: None,
            seq: 0,
        }
    }
}

/// Everything under the lock.
pub struct Inner<T> {
    buf: Buf<T>,
    cap: usize,
    closed: bool,
    reserved: usize,
    /// Number of the last value handed to a waiting receiver.
    handed: u64,
    returned: VecDeque<(u64, T)>,
    pub(super) sendq: Queue<SendSlot<T>>,
    pub(super) recvq: Queue<RecvSlot<T>>,
    /// Those who wait for the close.
    pub(super) closeq: Queue<()>,
    pub(super) counts: Counts,
}

/// What has happened on a channel since it was made.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Counts {
    pub(super) sent: u64,
    pub(super) received: u64,
    pub(super) send_waits: u64,
    pub(super) recv_waits: u64,
}

/// What the last receiver leaves behind, to be dropped without the lock.
pub(super) type Rest<T> = (Option<Buf<T>>, VecDeque<(u64, T)>);

impl<T> Face for Inner<T> {
    #[inline(always)]
    fn face(&self) -> u32 {
        let len = self.len();
        let readable = len > 0 || self.closed || !self.sendq.is_empty();
        let writable = self.closed || self.has_room() || self.has_taker();
        u32::from(readable) * READABLE
            | u32::from(writable) * WRITABLE
            | u32::from(self.closed) * CLOSED
            | (len.min(LEN_MAX as usize) as u32) << LEN_SHIFT
    }
}

impl<T> Inner<T> {
    pub(super) fn new(buf: Buf<T>, cap: usize) -> Self {
        Inner {
            buf,
            cap,
            closed: false,
            reserved: 0,
            handed: 0,
            returned: VecDeque::new(),
            sendq: Queue::new(),
            recvq: Queue::new(),
            closeq: Queue::new(),
            counts: Counts::default(),
        }
    }

    pub(super) fn cap(&self) -> usize {
        self.cap
    }

    pub(super) fn is_closed(&self) -> bool {
        self.closed
    }

    /// Values that are there to be received.
    #[inline(always)]
    pub(super) fn len(&self) -> usize {
        self.buf.len() + self.returned.len()
    }

    #[inline(always)]
    fn has_room(&self) -> bool {
        self.len() + self.reserved < self.cap
    }

    /// Whether a receiver waits that no permit has a claim on.
    #[inline(always)]
    fn has_taker(&self) -> bool {
        !self.recvq.is_empty() && (self.cap > 0 || self.recvq.len() > self.reserved)
    }

    // ---- send: closed, a waiting receiver, room, else wait

    #[inline(always)]
    pub(super) fn send(
        &mut self,
        slot: &mut SendSlot<T>,
        wakes: &mut Wakes,
        will_wait: bool,
    ) -> Option<Result<(), SendError<T>>> {
        if self.closed {
            return Some(Err(SendError(slot.take())));
        }
        if self.has_taker() && self.hand_over(slot, wakes) {
            self.counts.sent += 1;
            return Some(Ok(()));
        }
        if self.has_room() {
            self.buf.push(slot.take());
            self.counts.sent += 1;
            return Some(Ok(()));
        }
        self.counts.send_waits += u64::from(will_wait);
        None
    }

    /// Gives the value to the first receiver that can be claimed.
    #[inline(always)]
    fn hand_over(&mut self, slot: &mut SendSlot<T>, wakes: &mut Wakes) -> bool {
        let Some(mut receiver) = self.recvq.pop_claim() else {
            return false;
        };
        self.counts.received += 1;
        self.handed += 1;
        *receiver.payload() = RecvSlot {
            value: Some(slot.take()),
            seq: self.handed,
        };
        receiver.complete(How::Given, wakes);
        true
    }

    // ---- receive: what came back, the buffer, a waiting sender, closed, else wait

    #[inline(always)]
    pub(super) fn recv(
        &mut self,
        wakes: &mut Wakes,
        will_wait: bool,
    ) -> Option<Result<T, RecvError>> {
        let value = match self.take(wakes) {
            None if !self.sendq.is_empty() => self.take_from_sender(wakes, will_wait),
            value => value,
        };
        match value {
            Some(value) => {
                self.counts.received += 1;
                Some(Ok(value))
            }
            None if self.closed => Some(Err(RecvError)),
            None => {
                self.counts.recv_waits += u64::from(will_wait);
                None
            }
        }
    }

    /// A value that is there; the place it leaves goes to the first sender.
    #[inline(always)]
    fn take(&mut self, wakes: &mut Wakes) -> Option<T> {
        let value = match self.returned.is_empty() {
            true => self.buf.pop()?,
            false => self.returned.pop_front()?.1,
        };
        if !self.sendq.is_empty() {
            self.refill(wakes);
        }
        Some(value)
    }

    /// Lets queued senders in while there is room (invariant 3).
    fn refill(&mut self, wakes: &mut Wakes) {
        while self.has_room() {
            let Some(mut sender) = self.sendq.pop_claim() else {
                return;
            };
            match std::mem::take(sender.payload()) {
                SendSlot::Value(value) => {
                    self.buf.push(value);
                    self.counts.sent += 1;
                }
                SendSlot::Reserve => self.reserved += 1,
                SendSlot::Taken => unreachable!("a queued sender has something to send"),
            }
            sender.complete(How::Given, wakes);
        }
    }

    /// Capacity 0: straight from the first sender. A wish for a permit is granted on the strength of the receiver that
    /// will wait, and that receiver then waits for the permit's value.
    fn take_from_sender(&mut self, wakes: &mut Wakes, will_wait: bool) -> Option<T> {
        let reserve = self.sendq.peek(|slot| matches!(slot, SendSlot::Reserve))?;
        if reserve && !will_wait {
            return None;
        }
        let mut sender = self.sendq.pop_claim()?;
        let slot = std::mem::take(sender.payload());
        sender.complete(How::Given, wakes);
        match slot {
            SendSlot::Value(value) => {
                self.counts.sent += 1;
                Some(value)
            }
            _ => {
                self.reserved += 1;
                None
            }
        }
    }

    // ---- permits

    pub(super) fn reserve(&mut self, will_wait: bool) -> Option<Result<(), SendError<()>>> {
        if self.closed {
            return Some(Err(SendError(())));
        }
        if self.has_taker() && self.cap == 0 || self.has_room() {
            self.reserved += 1;
            return Some(Ok(()));
        }
        self.counts.send_waits += u64::from(will_wait);
        None
    }

    /// Uses a permit.
    pub(super) fn send_reserved(
        &mut self,
        value: T,
        wakes: &mut Wakes,
    ) -> Result<(), SendError<T>> {
        self.reserved -= 1;
        if self.closed {
            return Err(SendError(value));
        }
        let mut slot = SendSlot::Value(value);
        if self.recvq.is_empty() || !self.hand_over(&mut slot, wakes) {
            match self.cap {
                0 => self.give_back(self.handed, slot.take()),
                _ => self.buf.push(slot.take()),
            }
        }
        self.counts.sent += 1;
        Ok(())
    }

    /// Gives a permit up: what it kept from the queued senders is theirs now.
    pub(super) fn unreserve(&mut self, wakes: &mut Wakes) {
        self.reserved -= 1;
        if self.cap > 0 {
            return self.refill(wakes);
        }
        while !self.sendq.is_empty() && self.has_taker() {
            let Some(mut sender) = self.sendq.pop_claim() else {
                return;
            };
            let mut slot = std::mem::take(sender.payload());
            sender.complete(How::Given, wakes);
            if matches!(slot, SendSlot::Reserve) {
                self.reserved += 1;
                continue;
            }
            self.counts.sent += 1;
            if !self.hand_over(&mut slot, wakes) {
                // The takers were selects that have just gone elsewhere.
                self.give_back(self.handed, slot.take());
            }
        }
    }

    // ---- what comes back

    /// A receiver was given a value and is dropped without having looked: the next one gets it (rule R7).
    pub(super) fn abandon(&mut self, slot: &mut RecvSlot<T>, wakes: &mut Wakes) {
        let Some(value) = slot.value.take() else {
            return;
        };
        self.counts.received -= 1;
        let mut again = SendSlot::Value(value);
        if self.recvq.is_empty() || !self.hand_over(&mut again, wakes) {
            self.give_back(slot.seq, again.take());
        }
    }

    #[cold]
    fn give_back(&mut self, seq: u64, value: T) {
        let at = self.returned.partition_point(|(other, _)| *other <= seq);
        self.returned.insert(at, (seq, value));
    }

    // ---- close

    /// Completes everybody who waits, in one hold of the lock (rule R6). False: it was closed before.
    pub(super) fn close(&mut self, wakes: &mut Wakes) -> bool {
        if std::mem::replace(&mut self.closed, true) {
            return false;
        }
        while let Some(receiver) = self.recvq.pop_claim() {
            receiver.complete(How::Closed, wakes);
        }
        while let Some(sender) = self.sendq.pop_claim() {
            sender.complete(How::Closed, wakes);
        }
        while let Some(watcher) = self.closeq.pop_claim() {
            watcher.complete(How::Closed, wakes);
        }
        true
    }

    /// Nobody will ever receive: hands out everything that is left, to be dropped without the lock.
    pub(super) fn take_rest(&mut self) -> Rest<T> {
        let empty = Buf::Blocks(super::ring::Blocks::new());
        (
            Some(std::mem::replace(&mut self.buf, empty)),
            std::mem::take(&mut self.returned),
        )
    }
}
