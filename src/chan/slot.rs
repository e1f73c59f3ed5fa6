//! What lies in the sudogs of a channel: the value a sender brings, the room a receiver has for one.
//!
//! What it is not: synchronised. A slot belongs to whoever its sudog belongs to (`wait/queue.rs`).
//!
//! Invariants
//! 1. `SendSlot`: `value` is initialised exactly while `holds` is `VALUE`. `RecvSlot`: `value` and `seq`, while `FULL`.
//! 2. A value is copied once on each of its ways: into the slot, and out of it to where it is wanted. Hence no `Option`,
//!    whose `take` makes a copy of the whole to look at its tag.
//!
//! The tags are not one byte repeated, such as zero: the compiler would take the store of one together with the uninitialised
//! bytes behind it and clear the lot, the size of a value, in each operation.
//!
//! A value lies first in its slot, the slot first in its sudog, that first in `Park`, and `repr(C)` keeps it so: an
//! operation is moved into its task's future in pieces of sixteen bytes from its start, and a piece that straddles two
//! that were stored a moment ago makes the processor wait for both (64 bytes through a channel: 22 ns instead of 46).

#![allow(unsafe_code)]

use std::mem::MaybeUninit;

const VALUE: u32 = 0x0102;
const RESERVE: u32 = 0x0203;
const NOTHING: u32 = 0x0304;
const FULL: u32 = 0x0405;
const EMPTY: u32 = 0x0506;

/// What lies in the sudog of a sender.
#[repr(C)]
pub struct SendSlot<T> {
    value: MaybeUninit<T>,
    holds: u32,
}

impl<T> SendSlot<T> {
    /// The value to send.
    #[inline(always)]
    pub(super) fn value(value: T) -> Self {
        SendSlot {
            holds: VALUE,
            value: MaybeUninit::new(value),
        }
    }

    /// A wish for a permit.
    pub(super) fn reserve() -> Self {
        SendSlot {
            holds: RESERVE,
            value: MaybeUninit::uninit(),
        }
    }

    #[inline(always)]
    pub(super) fn has_value(&self) -> bool {
        self.holds == VALUE
    }

    #[inline(always)]
    pub(super) fn is_reserve(&self) -> bool {
        self.holds == RESERVE
    }

    /// The value has gone already.
    #[inline(always)]
    pub(super) fn is_spent(&self) -> bool {
        self.holds == NOTHING
    }

    /// The value, which the caller knows to be there.
    #[inline(always)]
    pub(super) fn take(&mut self) -> T {
        assert!(self.has_value(), "the value of a send is given away once");
        self.holds = NOTHING;
        // SAFETY: `holds` said that it is there (invariant 1), and does not any more.
        unsafe { self.value.assume_init_read() }
    }
}

impl<T> Default for SendSlot<T> {
    #[inline(always)]
    fn default() -> Self {
        SendSlot {
            holds: NOTHING,
            value: MaybeUninit::uninit(),
        }
    }
}

impl<T> Drop for SendSlot<T> {
    #[inline(always)]
    fn drop(&mut self) {
        if std::mem::needs_drop::<T>() && self.has_value() {
            // SAFETY: invariant 1; nobody uses it afterwards.
            unsafe { self.value.assume_init_drop() }
        }
    }
}

/// What lies in the sudog of a receiver.
#[repr(C)]
pub struct RecvSlot<T> {
    value: MaybeUninit<T>,
    /// When the value was handed out.
    seq: MaybeUninit<usize>,
    holds: u32,
}

impl<T> RecvSlot<T> {
    #[inline(always)]
    pub(super) fn fill(&mut self, seq: usize, value: T) {
        debug_assert!(self.holds == EMPTY, "a receiver is given one value");
        self.seq.write(seq);
        self.value.write(value);
        self.holds = FULL;
    }

    /// The value, which the caller knows to be there.
    #[inline(always)]
    pub(super) fn take(&mut self) -> T {
        assert!(self.holds == FULL, "a sender has filled the slot");
        self.holds = EMPTY;
        // SAFETY: `holds` said that it is there (invariant 1), and does not any more.
        unsafe { self.value.assume_init_read() }
    }

    /// When the value was handed out, if there is one.
    pub(super) fn seq(&self) -> Option<usize> {
        // SAFETY: invariant 1.
        (self.holds == FULL).then(|| unsafe { self.seq.assume_init() })
    }
}

impl<T> Default for RecvSlot<T> {
    #[inline(always)]
    fn default() -> Self {
        RecvSlot {
            holds: EMPTY,
            seq: MaybeUninit::uninit(),
            value: MaybeUninit::uninit(),
        }
    }
}

impl<T> Drop for RecvSlot<T> {
    #[inline(always)]
    fn drop(&mut self) {
        if std::mem::needs_drop::<T>() && self.holds == FULL {
            // SAFETY: invariant 1; nobody uses it afterwards.
            unsafe { self.value.assume_init_drop() }
        }
    }
}
