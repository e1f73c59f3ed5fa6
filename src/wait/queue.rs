//! The queue of places, and the place: `Queue<P>` and `Sudog<P>` (Go's waitq and sudog, runtime/chan.go).
//!
//! What it is not: a policy. It links, unlinks, pops and claims; what a payload means is the primitive's business.
//! All pointer work of waiting is here.
//!
//! A sudog lies inside the pinned future of its owner, so a wait allocates nothing; the price is that it must be out
//! of the queue before that future's memory goes away.
//!
//! ```text
//! Queue { head, tail } ->  Sudog { payload, prev, next, linked, who, case }  <->  Sudog ...  ->  null
//!                                                      |
//!                                                      v  Waiter { word, slot { waker, note } }
//! ```
//! Invariants
//! 1. `head`, `tail`, `prev`, `next`, `linked` are touched only with `&mut Queue` in hand, which exists only under the
//!    object's lock (rule R3).
//! 2. `linked` is true exactly while the sudog is in the list.
//! 3. The links are written when the sudog is pushed and not read before. `who`, `case` and `shared` are written by the owner before it links and are constant while linked.
//! 4. `payload` belongs to the lock's holder while linked, to the claiming peer until DONE, to the owner otherwise.
//! 5. A linked sudog and its waiter are alive: the owner's drop unlinks first, and pinning keeps the memory until then.

#![allow(unsafe_code)]

use std::marker::{PhantomData, PhantomPinned};
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::ptr::NonNull;
use std::task::Waker;

use super::waiter::{How, Seen, Slot, Waited, Waiter};
use super::wakes::Wakes;
use crate::shim::UnsafeCell;

/// One place in one queue.
#[repr(C)]
pub(crate) struct Sudog<P> {
    node: UnsafeCell<Node<P>>,
    _pin: PhantomPinned,
}

#[repr(C)]
struct Node<P> {
    payload: P,
    /// Written when the sudog is first linked: most operations never are, and should not pay for it.
    links: MaybeUninit<Links<P>>,
}

struct Links<P> {
    prev: Option<NonNull<Sudog<P>>>,
    next: Option<NonNull<Sudog<P>>>,
    who: *const Waiter,
    case: u16,
    shared: bool,
    linked: bool,
}

// SAFETY: a sudog is a value of `P` and pointers whose targets are used only under the queue's lock (invariants 1, 5);
// moving it to another thread moves the value.
unsafe impl<P: Send> Send for Sudog<P> {}
// SAFETY: `&Sudog` alone gives no access: every accessor wants `&mut Queue` or unique ownership of the operation.
unsafe impl<P: Send> Sync for Sudog<P> {}

impl<P> Sudog<P> {
    #[inline(always)]
    pub(crate) fn new(payload: P) -> Self {
        let node = Node {
            links: MaybeUninit::uninit(),
            payload,
        };
        Sudog {
            node: UnsafeCell::new(node),
            _pin: PhantomPinned,
        }
    }

    /// The payload, for its owner while no peer can reach it: not linked, or linked under the lock that is held.
    ///
    /// # Safety
    /// The caller owns the operation and either the sudog is not linked and not claimed, or its queue's lock is held.
    #[inline(always)]
    pub(crate) unsafe fn payload<R>(&self, f: impl FnOnce(&mut P) -> R) -> R {
        // SAFETY: invariant 4, promised by the caller.
        self.node
            .with_mut(|node| f(unsafe { &mut (*node).payload }))
    }

    pub(crate) fn into_payload(self) -> P {
        self.node.into_inner().payload
    }
}

/// First in, first out; intrusive.
#[derive(Debug)]
pub struct Queue<P> {
    head: Option<NonNull<Sudog<P>>>,
    tail: Option<NonNull<Sudog<P>>>,
    len: usize,
}

// SAFETY: the pointed-to sudogs hold values of `P` that a holder of the queue moves out on its own thread.
unsafe impl<P: Send> Send for Queue<P> {}

impl<P> Queue<P> {
    pub(crate) const fn new() -> Self {
        Queue {
            head: None,
            tail: None,
            len: 0,
        }
    }

    #[inline(always)]
    pub(crate) fn is_empty(&self) -> bool {
        self.head.is_none()
    }

    /// Places in the queue, those of selects that were won elsewhere included.
    #[inline(always)]
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// Waiters that may still be claimed, as far as can be seen: without selects that were won elsewhere. Several places
    /// of one select stand side by side, and count once.
    pub(crate) fn live(&self) -> usize {
        let (mut count, mut at, mut before) = (0, self.head, std::ptr::null());
        while let Some(this) = at {
            // SAFETY: linked, so alive and ours under the lock (invariants 1, 3, 5).
            let (who, shared) = with_links(this, |links| {
                at = links.next;
                (links.who, links.shared)
            });
            // SAFETY: the waiter lives as long as the sudog that names it (invariant 5).
            let live = !shared || unsafe { !(*who).word.is_taken() };
            count += usize::from(live && !std::ptr::eq(before, who));
            before = who;
        }
        count
    }

    /// Links a place at the tail.
    ///
    /// # Safety
    /// `sudog` is not linked; it and `who` stay where they are until it has been unlinked or its waiter is DONE.
    /// `shared` says that `who` stands in more than one queue.
    #[inline(always)]
    pub(crate) unsafe fn push(
        &mut self,
        sudog: Pin<&Sudog<P>>,
        who: *const Waiter,
        case: u16,
        shared: bool,
    ) {
        let this = NonNull::from(sudog.get_ref());
        let links = Links {
            prev: self.tail,
            next: None,
            who,
            case,
            shared,
            linked: true,
        };
        // SAFETY: not linked, so the owner (our caller) is the only one with access; invariant 3 is set up here.
        with(this, |node| unsafe { (*node).links.write(links) });
        match self.tail {
            // SAFETY: linked nodes are alive (invariant 5) and ours by `&mut self` (invariant 1).
            Some(tail) => with_links(tail, |links| links.next = Some(this)),
            None => self.head = Some(this),
        }
        self.tail = Some(this);
        self.len += 1;
    }

    /// Takes a place out, wherever it stands. False: it was not in.
    #[inline(always)]
    pub(crate) fn unlink(&mut self, sudog: Pin<&Sudog<P>>) -> bool {
        let this = NonNull::from(sudog.get_ref());
        // SAFETY: the lock is held (`&mut self`), which guards `linked` (invariant 1).
        let linked = with_links(this, |links| links.linked);
        if linked {
            self.remove(this);
        }
        linked
    }

    fn remove(&mut self, this: NonNull<Sudog<P>>) {
        // SAFETY: `this` is linked, hence alive (invariant 5), and ours by `&mut self` (invariant 1).
        let (prev, next) = with_links(this, |links| {
            links.linked = false;
            (links.prev.take(), links.next.take())
        });
        match prev {
            // SAFETY: a neighbour in the list is linked: as above.
            Some(prev) => with_links(prev, |links| links.next = next),
            None => self.head = next,
        }
        match next {
            // SAFETY: a neighbour in the list is linked: as above.
            Some(next) => with_links(next, |links| links.prev = prev),
            None => self.tail = prev,
        }
        self.len -= 1;
    }

    /// As `pop_claim`, but only a place whose payload is wanted; the first live one that is not ends the search, unless
    /// it may go `past` such.
    #[inline(always)]
    pub(crate) fn pop_claim_if(
        &mut self,
        wanted: impl Fn(&P) -> bool,
        past: bool,
    ) -> Option<Claimed<'_, P>> {
        let mut at = self.head;
        while let Some(this) = at {
            // SAFETY: linked, so alive and ours under the lock (invariants 1, 3, 4, 5).
            let (who, shared) = with_links(this, |links| {
                at = links.next;
                (links.who, links.shared)
            });
            // SAFETY: as above.
            let fits = with(this, |node| wanted(unsafe { &(*node).payload }));
            // SAFETY: the waiter lives as long as the sudog that names it (invariant 5).
            let who = unsafe { &*who };
            if !fits && (!shared || !who.word.is_taken()) {
                match past {
                    true => continue,
                    false => return None,
                }
            }
            self.remove(this);
            if fits && (!shared || who.word.claim()) {
                return Some(Claimed {
                    sudog: this,
                    _queue: PhantomData,
                });
            }
        }
        None
    }

    /// The first place, which stays where it is. It may be one of a select that was won elsewhere.
    #[inline(always)]
    pub(crate) fn first(&mut self) -> Option<First<'_, P>> {
        let sudog = self.head?;
        Some(First {
            sudog,
            _queue: PhantomData,
        })
    }

    /// Shows all payloads to `look`, first to last.
    pub(crate) fn for_each(&mut self, mut look: impl FnMut(&P)) {
        let mut at = self.head;
        while let Some(this) = at {
            // SAFETY: linked, so alive, and payload and links are ours under the lock (invariants 1, 4, 5).
            with(this, |node| look(unsafe { &(*node).payload }));
            at = with_links(this, |links| links.next);
        }
    }

    /// Pops places until one can be claimed. Those of selects that another case has won fall out on the way.
    #[inline(always)]
    pub(crate) fn pop_claim(&mut self) -> Option<Claimed<'_, P>> {
        while let Some(this) = self.head {
            self.remove(this);
            // SAFETY: it was linked a moment ago and its owner cannot unlink, and so cannot leave, without our lock.
            let (who, shared) = with_links(this, |links| (links.who, links.shared));
            // SAFETY: the waiter lives as long as the sudog that names it (invariant 5).
            if !shared || unsafe { (*who).word.claim() } {
                return Some(Claimed {
                    sudog: this,
                    _queue: PhantomData,
                });
            }
        }
        None
    }
}

#[inline(always)]
fn with<P, R>(sudog: NonNull<Sudog<P>>, f: impl FnOnce(*mut Node<P>) -> R) -> R {
    // SAFETY: every caller in this file names why the sudog is alive; only a shared reference to the cell is made.
    unsafe { sudog.as_ref() }.node.with_mut(f)
}

/// The links of a sudog that has been linked, under its queue's lock or between claim and DONE.
#[inline(always)]
fn with_links<P, R>(sudog: NonNull<Sudog<P>>, f: impl FnOnce(&mut Links<P>) -> R) -> R {
    // SAFETY: every caller names why the links are its own; `push` has written them.
    with(sudog, |node| f(unsafe { (*node).links.assume_init_mut() }))
}

/// The first place of a queue whose lock is held.
pub(crate) struct First<'q, P> {
    sudog: NonNull<Sudog<P>>,
    _queue: PhantomData<&'q mut Queue<P>>,
}

impl<P> First<'_, P> {
    /// Whether its waiter stands in several queues.
    pub(crate) fn is_shared(&self) -> bool {
        with_links(self.sudog, |links| links.shared)
    }

    pub(crate) fn payload(&mut self) -> &mut P {
        // SAFETY: linked, so alive, and the payload is that of the lock's holder (invariants 4, 5).
        let payload = with(self.sudog, |node| unsafe {
            NonNull::from(&mut (*node).payload)
        });
        // SAFETY: as above; the borrow of `self` keeps a second one out.
        unsafe { &mut *payload.as_ptr() }
    }

    /// Wakes its waiter, which is not in other queues, without deciding its wait: it stays first, looks for itself, and
    /// brings a new waker if it has to go on waiting.
    pub(crate) fn nudge(self, wakes: &mut Wakes) {
        debug_assert!(!self.is_shared());
        // SAFETY: linked: the waiter lives (invariant 5), and its slot is that of the lock's holder as long as nobody has
        // claimed it, which needs the lock for a waiter in a single queue.
        let who = with_links(self.sudog, |links| unsafe { &*links.who });
        // SAFETY: as above.
        who.slot
            .with_mut(|slot| wakes.take_nudged(unsafe { &mut *slot }));
    }
}

/// A place won by the holder of its queue's lock: out of the queue, not yet decided.
#[must_use = "a claimed waiter must be completed"]
pub(crate) struct Claimed<'q, P> {
    sudog: NonNull<Sudog<P>>,
    _queue: PhantomData<&'q mut Queue<P>>,
}

impl<P> Claimed<'_, P> {
    /// The payload, to be filled or emptied.
    #[inline(always)]
    pub(crate) fn payload(&mut self) -> &mut P {
        // SAFETY: between claim and DONE the payload is ours (invariant 4), and the owner cannot leave before DONE.
        let payload = with(self.sudog, |node| unsafe {
            NonNull::from(&mut (*node).payload)
        });
        // SAFETY: as above; the borrow of `self` keeps a second one out.
        unsafe { &mut *payload.as_ptr() }
    }

    /// Decides the wait and takes the waker along. The waiter may be gone when this returns.
    #[inline(always)]
    pub(crate) fn complete(self, how: How, wakes: &mut Wakes) {
        // SAFETY: claimed and not DONE: the sudog is alive and its fields constant (invariant 3).
        let (who, case) = with_links(self.sudog, |links| (links.who, links.case));
        // SAFETY: the waiter lives until DONE is stored; that store is the last touch (rule R2).
        let who = unsafe { &*who };
        // SAFETY: the slot is the claimer's until DONE.
        who.slot
            .with_mut(|slot| wakes.take_case(unsafe { &mut *slot }, case));
        who.word.done(case, how);
    }
}

/// The owner's side of the slot.
impl Waiter {
    /// Writes waker and note. Returns the waker that was there, to be dropped without a lock.
    ///
    /// # Safety
    /// The caller owns the wait, and either it is in no queue or the locks of all its queues are held and it is not
    /// claimed.
    #[inline(always)]
    pub(crate) unsafe fn set_slot(
        &self,
        waker: Option<Waker>,
        note: Option<Box<Waited>>,
    ) -> Option<Waker> {
        self.slot.with_mut(|slot| {
            // SAFETY: nobody else can reach the slot, promised by the caller.
            let slot: &mut Slot = unsafe { &mut *slot };
            slot.note = note;
            std::mem::replace(&mut slot.waker, waker)
        })
    }

    /// Whether it was nudged, and has not said anew that it waits.
    ///
    /// # Safety
    /// As for `set_slot`, while it is in a queue.
    pub(crate) unsafe fn is_nudged(&self) -> bool {
        // SAFETY: nobody else can reach the slot, promised by the caller.
        self.slot
            .with_mut(|slot| unsafe { (*slot).waker.is_none() })
    }

    /// Takes the waker back, when the wait is over or withdrawn.
    ///
    /// # Safety
    /// As for `set_slot`, or the word was read as DONE.
    #[inline(always)]
    pub(crate) unsafe fn take_waker(&self) -> Option<Waker> {
        // SAFETY: nobody else can reach the slot, promised by the caller.
        self.slot.with_mut(|slot| unsafe { (*slot).waker.take() })
    }

    /// True once a peer has decided this wait.
    pub(crate) fn is_done(&self) -> bool {
        matches!(self.word.load(), Seen::Done { .. })
    }
}
