//! What a channel shows to those who look without its lock: three words.
//!
//! What it is not: the truth under the lock, though it is never behind it. The fast paths keep it up to date by the very
//! stores that do their work; it costs them nothing extra.
//!
//! Invariants
//! 1. All three are stored only by the lock's holder. `tail` counts the values that ever entered the buffer (or came
//!    back), `head` those that left it: both only grow, `tail - head` is the length.
//! 2. `flags` says which of the rare things are so; its upper bits count its stores. A channel whose three words are the
//!    same at two looks has not changed between them.
//!
//! Why a look without the lock is true at one instant. Full: a sender loads `tail` before `head`, which both only grow:
//! a difference of the capacity was there at the load of `head`, unless `head` had passed the old `tail` by then; `flags` comes last: a channel that is open later was open then, a full one has no queued receiver, and
//! at capacity 0 nobody could be served while none was queued. Empty: a receiver loads `head` before `tail`; equal
//! means empty at the load of `tail`, since `head` never passes `tail`. But a holder who takes a value and lets the
//! first queued sender in shows an empty buffer meanwhile, and the queue as empty afterwards: so the flags must be
//! the same before and after, by their count too. Who looks at everything twice, as selects do, knows that anyway.
//!
//! Ordering pair: stores Release, loads Acquire: who acts on a look sees what the holder did before.

use crate::shim::{AtomicU32, AtomicUsize, Ordering::*, owned, owned_u32};
use crate::wait::op::Look;

/// Closed, for good.
pub(super) const CLOSED: u32 = 1;
/// A receiver is queued.
pub(super) const RECVQ: u32 = 2;
/// A sender is queued.
pub(super) const SENDQ: u32 = 4;
/// A permit is out.
pub(super) const RESERVED: u32 = 8;
/// Values have come back from dropped receivers.
pub(super) const RETURNED: u32 = 16;
const FLAG_BITS: u32 = 8;
const FLAG_MASK: u32 = (1 << FLAG_BITS) - 1;

/// The words.
#[derive(Debug)]
pub(crate) struct Gate {
    tail: AtomicUsize,
    head: AtomicUsize,
    flags: AtomicU32,
}

impl Gate {
    pub(super) fn new() -> Self {
        Gate {
            tail: AtomicUsize::new(0),
            head: AtomicUsize::new(0),
            flags: AtomicU32::new(0),
        }
    }

    // ---- for the holder of the lock. ORDERING: its own loads are Relaxed, it is the only one who stores.

    #[inline(always)]
    pub(super) fn tail(&self) -> usize {
        owned(&self.tail)
    }

    #[inline(always)]
    pub(super) fn head(&self) -> usize {
        owned(&self.head)
    }

    #[inline(always)]
    pub(super) fn held_len(&self) -> usize {
        self.tail().wrapping_sub(self.head())
    }

    #[inline(always)]
    pub(super) fn held_flags(&self) -> u32 {
        owned_u32(&self.flags) & FLAG_MASK
    }

    #[inline(always)]
    pub(super) fn one_in(&self) {
        self.tail.store(self.tail().wrapping_add(1), Release);
    }

    #[inline(always)]
    pub(super) fn out(&self, n: usize) {
        self.head.store(self.head().wrapping_add(n), Release);
    }

    #[inline(always)]
    pub(super) fn set_flag(&self, flag: u32, on: bool) {
        let old = owned_u32(&self.flags);
        let new = if on { old | flag } else { old & !flag };
        if new != old {
            self.flags.store(new.wrapping_add(1 << FLAG_BITS), Release);
        }
    }

    pub(super) fn set_flags(&self, flags: u32) {
        let old = owned_u32(&self.flags);
        if old & FLAG_MASK != flags {
            self.flags.store(
                (old & !FLAG_MASK).wrapping_add(1 << FLAG_BITS) | flags,
                Release,
            );
        }
    }

    // ---- for everybody

    /// Whether there is surely nothing to receive now: neither a value, nor a queued sender, nor the close.
    #[inline(always)]
    pub(super) fn is_surely_empty(&self) -> bool {
        let before = self.flags.load(Acquire);
        let (ready, Look(_, _, after)) = self.look_to_recv();
        !ready && before == after
    }

    /// Whether a receive may find something, and the words; no answer by itself (see above), only the same twice is.
    #[inline(always)]
    pub(super) fn look_to_recv(&self) -> (bool, Look) {
        let head = self.head.load(Acquire);
        let tail = self.tail.load(Acquire);
        let flags = self.flags.load(Acquire);
        let ready = (tail != head) | (flags & (CLOSED | SENDQ | RETURNED) != 0);
        (ready, Look(tail, head, flags))
    }

    /// Whether a send may find room or a receiver, and the words.
    #[inline(always)]
    pub(super) fn look_to_send(&self, cap: usize) -> (bool, Look) {
        let tail = self.tail.load(Acquire);
        let head = self.head.load(Acquire);
        let flags = self.flags.load(Acquire);
        let room = has_room(tail, head, cap);
        (
            room | (flags & (CLOSED | RECVQ) != 0),
            Look(tail, head, flags),
        )
    }

    /// Whether the channel is closed, and the words.
    pub(super) fn look_to_close(&self) -> (bool, Look) {
        let (_, look) = self.look_to_recv();
        (look.2 & CLOSED != 0, look)
    }

    /// The length: exact while nobody else works on the channel, and never more than was there during the call.
    pub(super) fn len(&self) -> usize {
        let tail = self.tail.load(Acquire);
        let head = self.head.load(Acquire);
        // Values may have come and gone between the loads; what is left of those counted by `tail` is there still.
        let left = tail.wrapping_sub(head);
        if left as isize >= 0 { left } else { 0 }
    }
}

/// Whether there was room at some time between the loads of `tail` and, later, `head`. A `head` that has passed the old
/// `tail` means that others have sent and received meanwhile, each of which they had room for.
#[inline(always)]
fn has_room(tail: usize, head: usize, cap: usize) -> bool {
    let len = tail.wrapping_sub(head);
    len < cap || (len as isize) < 0
}

#[cfg(all(test, not(gochan_loom)))]
mod tests {
    use super::has_room;

    #[test]
    fn room() {
        assert!(has_room(0, 0, 1));
        assert!(!has_room(1, 0, 1));
        assert!(!has_room(0, 0, 0));
        assert!(has_room(0, usize::MAX, 2), "the counters wrap");
        assert!(!has_room(1, usize::MAX, 2));
        // `head` was loaded after others had sent and received.
        assert!(has_room(0, 1, 2));
        assert!(has_room(usize::MAX, 3, 1));
        assert!(has_room(0, 1, usize::MAX));
    }
}
