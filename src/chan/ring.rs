//! The buffer of a channel: a ring of fixed size, or blocks that come and go.
//!
//! What it is not: synchronised, or aware of waiters. It lives under the channel's lock.
//!
//! Invariants
//! 1. `Ring`: the `len` slots from `head` on, wrapping at the end, hold values; the others hold none.
//! 2. `Blocks`: the slots `read..` of the first block up to `..write` of the last hold values; `len` counts them.
//! 3. A burst gives its memory back: an emptied block is freed, but for one that is kept for the next push.

#![allow(unsafe_code)]

use std::alloc::{Layout, alloc, handle_alloc_error};
use std::mem::MaybeUninit;
use std::ptr::NonNull;

type Slots<T> = Box<[MaybeUninit<T>]>;

/// A first-in first-out buffer.
pub(crate) enum Buf<T> {
    /// Of a fixed size.
    Ring(Ring<T>),
    /// Without limit.
    Blocks(Box<Blocks<T>>),
}

impl<T> Buf<T> {
    /// No room, no memory.
    pub(crate) fn none() -> Self {
        Buf::Ring(Ring {
            slots: Box::default(),
            head: 0,
            len: 0,
        })
    }

    pub(crate) fn unbounded() -> Self {
        Buf::Blocks(Box::new(Blocks::new()))
    }

    /// Values that fit.
    #[inline(always)]
    pub(crate) fn capacity(&self) -> usize {
        match self {
            Buf::Ring(ring) => ring.slots.len(),
            Buf::Blocks(_) => usize::MAX,
        }
    }

    /// The buffer if it is a ring, for those who move a value straight into or out of it: where two ways meet, the
    /// compiler would have it wait in a place between.
    #[inline(always)]
    pub(super) fn ring(&mut self) -> Option<&mut Ring<T>> {
        match self {
            Buf::Ring(ring) => Some(ring),
            Buf::Blocks(_) => None,
        }
    }

    /// Whether a ring has a place.
    #[inline(always)]
    pub(super) fn ring_has_room(&self) -> bool {
        matches!(self, Buf::Ring(ring) if ring.len < ring.slots.len())
    }

    /// Whether a ring has a value.
    #[inline(always)]
    pub(super) fn ring_has_value(&self) -> bool {
        matches!(self, Buf::Ring(ring) if ring.len > 0)
    }

    /// The caller has made sure that there is room.
    #[inline(always)]
    pub(crate) fn push(&mut self, value: T) {
        match self {
            Buf::Ring(ring) => ring.push(value),
            Buf::Blocks(blocks) => blocks.push(value),
        }
    }

    fn is_empty(&self) -> bool {
        match self {
            Buf::Ring(ring) => ring.len == 0,
            Buf::Blocks(blocks) => blocks.len == 0,
        }
    }

    /// The caller has made sure that there is a value.
    #[inline(always)]
    pub(crate) fn pop(&mut self) -> T {
        match self {
            Buf::Ring(ring) => ring.pop(),
            Buf::Blocks(blocks) => blocks.pop(),
        }
    }
}

/// A ring of fixed size, allocated once.
pub(crate) struct Ring<T> {
    slots: Slots<T>,
    head: usize,
    len: usize,
}

impl<T> Ring<T> {
    /// `None`: no such amount of memory.
    pub(crate) fn new(capacity: usize) -> Option<Self> {
        Some(Ring {
            slots: new_slots(capacity)?,
            head: 0,
            len: 0,
        })
    }

    #[inline(always)]
    fn push(&mut self, value: T) {
        self.push_with(|| value);
    }

    /// `value` cannot fail. It is moved last, straight from and to where it lies, with no store between that could be of it.
    #[inline(always)]
    pub(super) fn push_with(&mut self, value: impl FnOnce() -> T) {
        let end = self.head + self.len;
        let at = match end.checked_sub(self.slots.len()) {
            Some(wrapped) => wrapped,
            None => end,
        };
        let place = &mut self.slots[at];
        self.len += 1;
        place.write(value());
    }

    #[inline(always)]
    pub(super) fn pop(&mut self) -> T {
        assert!(
            self.len > 0,
            "the caller has made sure that there is a value"
        );
        let at = self.head;
        self.head = match at + 1 {
            end if end == self.slots.len() => 0,
            next => next,
        };
        self.len -= 1;
        // SAFETY: `len` was above 0, so the slot at the old `head` holds a value (invariant 1) and has left the range.
        unsafe { self.slots[at].assume_init_read() }
    }
}

/// Room for `count` values, without a copy of it on the stack. `None` where the allocator refuses.
fn new_slots<T>(count: usize) -> Option<Slots<T>> {
    let layout = Layout::array::<T>(count).ok()?;
    let start = if layout.size() == 0 {
        NonNull::dangling()
    } else {
        // SAFETY: the layout is not of size zero.
        NonNull::new(unsafe { alloc(layout) }.cast::<MaybeUninit<T>>())?
    };
    // SAFETY: `start` is memory for `count` values, allocated with the layout that a box of them frees with (dangling
    // for size zero, as a box wants it); `MaybeUninit` needs no initialisation.
    Some(unsafe { Box::from_raw(NonNull::slice_from_raw_parts(start, count).as_ptr()) })
}

struct Block<T> {
    slots: Slots<T>,
    next: Option<Box<Block<T>>>,
}

/// A list of blocks.
pub(crate) struct Blocks<T> {
    first: Option<Box<Block<T>>>,
    /// The last block of the list that starts at `first`.
    last: Option<NonNull<Block<T>>>,
    spare: Option<Box<Block<T>>>,
    read: usize,
    write: usize,
    len: usize,
}

// SAFETY: `last` points into the list owned by `first`; the whole moves as one.
unsafe impl<T: Send> Send for Blocks<T> {}

impl<T> Blocks<T> {
    /// Values a block: about a page of them, and no less than one, however large they are.
    pub(crate) const SLOTS: usize = {
        let size = if size_of::<T>() == 0 {
            1
        } else {
            size_of::<T>()
        };
        let fit = 4096 / size;
        if fit == 0 {
            1
        } else if fit > 64 {
            64
        } else {
            fit
        }
    };

    pub(crate) fn new() -> Self {
        Blocks {
            first: None,
            last: None,
            spare: None,
            read: 0,
            write: Self::SLOTS,
            len: 0,
        }
    }

    fn push(&mut self, value: T) {
        if self.write == Self::SLOTS {
            self.grow();
        }
        let last = self.last.expect("a block was just made sure of");
        // SAFETY: `last` is in the list we own exclusively (`&mut self`), and no other reference to it is alive.
        unsafe { (*last.as_ptr()).slots[self.write].write(value) };
        self.write += 1;
        self.len += 1;
    }

    #[cold]
    fn grow(&mut self) {
        let mut block = self.spare.take().unwrap_or_else(|| {
            let slots = new_slots(Self::SLOTS).unwrap_or_else(|| {
                handle_alloc_error(Layout::array::<T>(Self::SLOTS).expect("at most a few pages"))
            });
            Box::new(Block { slots, next: None })
        });
        let at = NonNull::from(&mut *block);
        match self.last {
            // SAFETY: as in `push`.
            Some(last) => unsafe { (*last.as_ptr()).next = Some(block) },
            None => (self.first, self.read) = (Some(block), 0),
        }
        (self.last, self.write) = (Some(at), 0);
    }

    pub(super) fn pop(&mut self) -> T {
        assert!(
            self.len > 0,
            "the caller has made sure that there is a value"
        );
        let first = self.first.as_mut().expect("a value lies in a block");
        // SAFETY: `len > 0`, so the slot at `read` of the first block holds a value (invariant 2).
        let value = unsafe { first.slots[self.read].assume_init_read() };
        self.read += 1;
        self.len -= 1;
        if self.len == 0 {
            // Everything read: the only block left starts over.
            (self.read, self.write) = (0, 0);
        } else if self.read == Self::SLOTS {
            self.retire();
        }
        value
    }

    /// The first block is read to its end and there is another: it becomes the spare one, an older spare is freed.
    #[cold]
    fn retire(&mut self) {
        let mut block = self.first.take().expect("the block just read");
        self.first = block.next.take();
        self.spare = Some(block);
        self.read = 0;
    }
}

impl<T> Drop for Buf<T> {
    fn drop(&mut self) {
        // A panicking drop of one value leaves the rest to the guard's own drop.
        struct Rest<'a, T>(&'a mut Buf<T>);
        impl<T> Drop for Rest<'_, T> {
            fn drop(&mut self) {
                while !self.0.is_empty() {
                    let value = self.0.pop();
                    drop(value);
                }
            }
        }
        let rest = Rest(self);
        while !rest.0.is_empty() {
            let value = rest.0.pop();
            drop(value);
        }
    }
}
