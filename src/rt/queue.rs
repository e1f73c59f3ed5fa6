//! The run queue of one worker: a ring of 256 tasks, and `runnext`, the one that goes before them.
//!
//! What it is not: a place for waiting. A push that finds no room gives half of the ring to the global queue.
//!
//! ```text
//!            head                    tail
//!             v                       v                the owner pushes at tail and pops at head;
//!   . . . . . A B C D E F G H I J K L . . . . .        a thief takes the older half at head in one step
//! ```
//!
//! 1. Only the owner, who holds the [`Local`], moves `tail`, writes slots and puts tasks into `runnext`.
//! 2. `head` only grows, by a compare-and-swap. Who moves it owns the tasks it passed over.
//! 3. A slot is overwritten only after `head` has passed it. A thief that copied an overwritten slot fails to move `head`.
//! 4. `head <= tail <= head + CAP`; both count on and on and wrap, a slot's place is the rest by CAP.
//! 5. Words that thieves read all the time (`head`, `tail`) and words that only the watcher reads now and then
//!    (`runnext`, `polled`) lie on lines of their own: a thief at the ring does not slow a ping-pong over `runnext`.
//! 6. A runtime of one worker has no thieves: its owner pops without a locked instruction, as long as the queue is `alone`. Who wants
//!    to have thieves clears that first, and waits until the owner has seen it ([`Queue::share`]).
//!
//! ORDERING pairs: `tail` stored Release by push / loaded Acquire by a thief: it sees the slots and the tasks in them.
//! `head` moved Release by a thief / loaded Acquire by push: the slots were read before they are overwritten. `runnext`
//! stored Release by the owner / taken Acquire by a thief: it sees the task. All of Go's `runqput`, `runqget`,
//! `runqgrab` and `runqsteal` (`src/runtime/proc.go`), with the same roles.
#![allow(unsafe_code)]

use std::ptr::{self, NonNull};

use crossbeam_utils::CachePadded;

use crate::hook::record::Record;
use crate::shim::{Arc, AtomicBool, AtomicPtr, AtomicU64, AtomicUsize, Ordering, RING, owned};
use crate::task::{Header, Runnable};
use Ordering::{AcqRel, Acquire, Relaxed, Release};

const CAP: usize = RING;

/// A run queue as everybody sees it.
pub(super) struct Queue {
    ends: CachePadded<Ends>,
    owner: CachePadded<OwnerLine>,
    slots: Box<[AtomicPtr<Header>]>,
}

struct Ends {
    head: AtomicUsize,
    tail: AtomicUsize,
}

/// What the owner writes with every task and others read rarely.
struct OwnerLine {
    runnext: AtomicPtr<Header>,
    /// The record of the task that the owner polls, or polled last; null while it sleeps.
    polled: AtomicPtr<Record>,
    spawned: AtomicU64,
    finished: AtomicU64,
    /// There are no thieves.
    alone: AtomicBool,
}

/// The owner's end of a run queue. There is one per queue; it moves from thread to thread with the worker's slot.
pub(super) struct Local {
    queue: Arc<Queue>,
}

/// A queue, and the right to own it. `alone`: nobody steals from it before it is [shared](Queue::share).
pub(super) fn queue(alone: bool) -> (Arc<Queue>, Local) {
    let queue = Arc::new(Queue {
        ends: CachePadded::new(Ends {
            head: AtomicUsize::new(0),
            tail: AtomicUsize::new(0),
        }),
        owner: CachePadded::new(OwnerLine {
            runnext: AtomicPtr::new(ptr::null_mut()),
            polled: AtomicPtr::new(ptr::null_mut()),
            spawned: AtomicU64::new(0),
            finished: AtomicU64::new(0),
            alone: AtomicBool::new(alone),
        }),
        slots: (0..CAP).map(|_| AtomicPtr::new(ptr::null_mut())).collect(),
    });
    let local = Local {
        queue: Arc::clone(&queue),
    };
    (queue, local)
}

/// The older half of a ring that was full, and the task for which there was no room.
pub(super) struct Spilled<'a> {
    queue: &'a Queue,
    next: usize,
    end: usize,
    last: Option<Runnable>,
}

impl Iterator for Spilled<'_> {
    type Item = Runnable;

    fn next(&mut self) -> Option<Runnable> {
        if self.next == self.end {
            return self.last.take();
        }
        let raw = self.queue.slot(self.next).load(Relaxed);
        self.next = self.next.wrapping_add(1);
        // SAFETY: invariant 2: `overflow` moved head over it.
        unsafe { take(raw) }
    }
}

/// # Safety
/// The caller owns the task: it has just taken it out of the queue.
unsafe fn take(raw: *mut Header) -> Option<Runnable> {
    // SAFETY: it was put there by `into_raw`, and the caller says that it is out now.
    NonNull::new(raw).map(|raw| unsafe { Runnable::from_raw(raw) })
}

// === impl Local ===

impl Local {
    fn slot(&self, at: usize) -> &AtomicPtr<Header> {
        self.queue.slot(at)
    }

    /// Puts `task` behind all others. When there is no room, `spill` is given the older half and `task` instead, and must
    /// take them all.
    #[inline]
    pub(super) fn push(&mut self, task: Runnable, spill: impl FnOnce(Spilled<'_>)) {
        let ends = &*self.queue.ends;
        // ORDERING: Relaxed: only we store it.
        let tail = owned(&ends.tail);
        // ORDERING: pairs with the Release of a thief: it has read the slots that we are about to reuse.
        let head = ends.head.load(Acquire);
        if tail.wrapping_sub(head) < CAP {
            self.slot(tail).store(task.into_raw(), Relaxed);
            // ORDERING: Release: who sees the new tail sees the slot and the task.
            ends.tail.store(tail.wrapping_add(1), Release);
        } else {
            self.overflow(task, head, spill);
        }
    }

    #[cold]
    fn overflow(&mut self, task: Runnable, head: usize, spill: impl FnOnce(Spilled<'_>)) {
        let half = head.wrapping_add(CAP / 2);
        let ends = &*self.queue.ends;
        // ORDERING: Relaxed: we wrote the slots ourselves, and on failure the next push looks again.
        if ends
            .head
            .compare_exchange(head, half, Release, Relaxed)
            .is_err()
        {
            // Thieves were here: now there is room.
            return self.push(task, spill);
        }
        spill(Spilled {
            queue: &self.queue,
            next: head,
            end: half,
            last: Some(task),
        });
    }

    /// The oldest task of the ring.
    #[inline]
    pub(super) fn pop(&mut self) -> Option<Runnable> {
        let ends = &*self.queue.ends;
        // ORDERING: Relaxed: only we store tail; of head any value will do, the exchange below tells the truth.
        let tail = owned(&ends.tail);
        let mut head = ends.head.load(Relaxed);
        loop {
            if head == tail {
                return None;
            }
            let raw = self.slot(head).load(Relaxed);
            let next = head.wrapping_add(1);
            if self.queue.is_alone() {
                ends.head.store(next, Relaxed);
            } else if let Err(now) = ends
                .head
                .compare_exchange_weak(head, next, Release, Relaxed)
            {
                // ORDERING: Release: a thief that sees this head sees our tail as well. We wrote the slot ourselves.
                head = now;
                continue;
            }
            // SAFETY: invariant 2.
            return unsafe { take(raw) };
        }
    }

    /// Tasks in the ring. Thieves may make it fewer at any time.
    pub(super) fn len(&self) -> usize {
        self.queue.len()
    }

    pub(super) fn has_next(&self) -> bool {
        self.queue.has_next()
    }

    /// Makes `task` the next one if nobody is; else gives it back.
    #[inline]
    pub(super) fn put_next(&mut self, task: Runnable) -> Result<(), Runnable> {
        let runnext = &self.queue.owner.runnext;
        // ORDERING: Relaxed: we alone fill it, so empty is the truth.
        if !runnext.load(Relaxed).is_null() {
            return Err(task);
        }
        // ORDERING: Release: a thief that takes it sees the task.
        runnext.store(task.into_raw(), Release);
        Ok(())
    }

    /// Makes `task` the next one and returns the one that was.
    #[inline]
    pub(super) fn replace_next(&mut self, task: Runnable) -> Option<Runnable> {
        let Err(task) = self.put_next(task) else {
            return None;
        };
        // ORDERING: Release as in `put_next`; what we get is our own, or the null of a thief.
        let runnext = &self.queue.owner.runnext;
        let before = if self.queue.is_alone() {
            let before = runnext.load(Relaxed);
            runnext.store(task.into_raw(), Relaxed);
            before
        } else {
            runnext.swap(task.into_raw(), AcqRel)
        };
        // SAFETY: we took it out.
        unsafe { take(before) }
    }

    /// Takes the next one.
    #[inline]
    pub(super) fn take_next(&mut self) -> Option<Runnable> {
        let runnext = &self.queue.owner.runnext;
        // ORDERING: Relaxed: as in `put_next`.
        let next = runnext.load(Relaxed);
        if next.is_null() {
            return None;
        }
        if self.queue.is_alone() {
            runnext.store(ptr::null_mut(), Relaxed);
        } else {
            // ORDERING: Relaxed: it is our own, or a thief has it.
            runnext
                .compare_exchange(next, ptr::null_mut(), Relaxed, Relaxed)
                .ok()?;
        }
        // SAFETY: we took it out.
        unsafe { take(next) }
    }

    /// Takes the older half of `victim`'s ring: the oldest task to run, the others to this ring, which must be empty.
    pub(super) fn steal_from(&mut self, victim: &Queue) -> Option<Runnable> {
        debug_assert_eq!(self.len(), 0);
        // ORDERING: Relaxed: only we store it.
        let base = owned(&self.queue.ends.tail);
        loop {
            // ORDERING: Acquire on head before tail: tail is then at least as new, so head is not beyond it.
            let head = victim.ends.head.load(Acquire);
            // ORDERING: pairs with the Release in push: we see slots and tasks up to tail.
            let tail = victim.ends.tail.load(Acquire);
            let len = tail.wrapping_sub(head);
            if len == 0 {
                return None;
            }
            let half = len - len / 2;
            if half > CAP / 2 {
                continue; // head moved between the two loads
            }
            for at in 0..half {
                let raw = victim.slot(head.wrapping_add(at)).load(Relaxed);
                // Beyond tail: nobody reads it there until we publish it.
                self.slot(base.wrapping_add(at)).store(raw, Relaxed);
            }
            let next = head.wrapping_add(half);
            // ORDERING: Release pairs with the Acquire of head in push: our reads of the slots come before its writes.
            if victim
                .ends
                .head
                .compare_exchange(head, next, AcqRel, Relaxed)
                .is_ok()
            {
                return self.keep_stolen(base, half);
            }
        }
    }

    /// Publishes `count` stolen tasks that lie from `base` on, but for the first, which is returned.
    fn keep_stolen(&mut self, base: usize, count: usize) -> Option<Runnable> {
        let first = self.slot(base).load(Relaxed);
        for at in 1..count {
            let raw = self.slot(base.wrapping_add(at)).load(Relaxed);
            self.slot(base.wrapping_add(at - 1)).store(raw, Relaxed);
        }
        // ORDERING: Release: as in push.
        let tail = base.wrapping_add(count - 1);
        self.queue.ends.tail.store(tail, Release);
        // SAFETY: we moved the victim's head over it.
        unsafe { take(first) }
    }

    /// Tells whoever watches whose poll begins.
    #[inline]
    pub(super) fn set_polled(&mut self, record: &'static Record) {
        let record = ptr::from_ref(record).cast_mut();
        self.queue.owner.polled.store(record, Relaxed);
    }

    pub(super) fn polled(&self) -> Option<&'static Record> {
        self.queue.polled()
    }

    /// Tells whoever watches that the owner goes to sleep.
    pub(super) fn clear_polled(&mut self) {
        self.queue.owner.polled.store(ptr::null_mut(), Relaxed);
    }

    pub(super) fn count_spawned(&mut self) {
        bump(&self.queue.owner.spawned);
    }

    pub(super) fn count_finished(&mut self) {
        bump(&self.queue.owner.finished);
    }
}

/// One more, in a word that only we write.
#[inline]
fn bump(count: &AtomicU64) {
    count.store(count.load(Relaxed).wrapping_add(1), Relaxed);
}

// === impl Queue ===

impl Queue {
    fn slot(&self, at: usize) -> &AtomicPtr<Header> {
        &self.slots[at % CAP]
    }

    /// Tasks in the ring, at some moment.
    pub(super) fn len(&self) -> usize {
        let head = self.ends.head.load(Acquire);
        let tail = self.ends.tail.load(Acquire);
        tail.wrapping_sub(head)
    }

    pub(super) fn has_next(&self) -> bool {
        !self.owner.runnext.load(Relaxed).is_null()
    }

    /// Whether nobody may steal from it.
    #[inline]
    pub(super) fn is_alone(&self) -> bool {
        self.owner.alone.load(Relaxed)
    }

    /// There will be thieves. They may come when the owner has been seen outside of a borrow of its core after this
    /// ([`Taker::outlast_borrow`](super::seat::Taker::outlast_borrow)).
    pub(super) fn share(&self) {
        self.owner.alone.store(false, Relaxed);
    }

    /// Takes the owner's next task, for whoever has seen the owner stuck in a long poll.
    pub(super) fn steal_next(&self) -> Option<Runnable> {
        let next = self.owner.runnext.load(Relaxed);
        if next.is_null() {
            return None;
        }
        // ORDERING: Acquire pairs with the Release in `put_next`: we see the task.
        let taken = self
            .owner
            .runnext
            .compare_exchange(next, ptr::null_mut(), Acquire, Relaxed);
        // SAFETY: we took it out. That it may be another one than we saw first, at the same place, does not matter.
        taken.ok().and_then(|raw| unsafe { take(raw) })
    }

    /// Whom the owner polls, or polled last. The record tells whether it still does.
    pub(super) fn polled(&self) -> Option<&'static Record> {
        // SAFETY: null, or a `&'static Record` that `set_polled` was given.
        unsafe { self.owner.polled.load(Relaxed).as_ref() }
    }

    /// Tasks spawned on and finished by this slot.
    pub(super) fn counts(&self) -> (u64, u64) {
        let finished = self.owner.finished.load(Relaxed);
        (self.owner.spawned.load(Relaxed), finished)
    }
}

impl std::fmt::Debug for Queue {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Queue")
            .field("len", &self.len())
            .field("runnext", &self.has_next())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
