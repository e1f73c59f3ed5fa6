//! The tree: nodes that can be cancelled, who owns them, and who is below whom.
//!
//! What it is not: the context that users hold. Nor are there values here, nor nodes for the background: a `Context` is a
//! reference to a node, if it can be cancelled at all, and a list of values beside it.
//!
//! ```text
//!            refs: handles, contexts, children, a walk
//!               |
//!             Node  { state, parent: Ref --------------------> Node (above) }
//!               |                                               ^
//!               +- Object<Inner> { waiters, children, verdict, extra }
//!                                             |
//!                                             v  head ... tail, through `links` of the nodes below; owns none of them
//! ```
//! Invariants
//! 1. `links` of a node are touched only with `&mut Children` of the node above in hand, which exists only under the lock
//!    of that node. A root's are never touched.
//! 2. A linked node is alive: whoever drops its last reference unlinks it, under the lock of the node above, before it is
//!    freed. Its count may be zero already; then nobody can get a reference any more (`Children::next`).
//! 3. A node that has ended is linked no more once its last reference is gone: it is unlinked by a walk that has met it, or
//!    by its canceller, and all of them hold a reference meanwhile, and run nothing foreign that could unwind past it. A
//!    node that is made below one that has ended is never linked.
//! 4. A reference to a node keeps all nodes above alive. So `parent` is always valid.
//! 5. A [`Weak`] holds a node's pointer only as long as the node is not freed: `free` takes it out first.
//! 6. No node's lock is taken while another one's is held, and nothing foreign runs under any.
//! 7. A node that has ended stays linked until all below it has ended: so whoever comes from above finds what is left to be
//!    done, and helps.
//! 8. Nothing here recurses: neither the walk down ([`walk`]) nor the end of a long chain ([`free`]).
//!
//! Ordering pair: a reference's end (Release) -> the fence (Acquire) of the last one: `free` sees all that was done.

#![allow(unsafe_code)]

use std::ops::Deref;
use std::panic::Location;
use std::ptr::NonNull;
use std::sync::Arc;
use std::time::Instant;

use super::extra::Extra;
use super::state::{End, State};
use crate::error::Cause;
use crate::hook::Kind;
use crate::shim::{AtomicUsize, Mutex, Ordering::*, Tracked, UnsafeCell, fence};
use crate::wait::lock::Object;
use crate::wait::queue::Queue;
use crate::wait::waiter::How;
use crate::wait::wakes::Wakes;

pub(super) type Site = &'static Location<'static>;

/// One context that can be cancelled.
#[derive(Debug)]
pub(super) struct Node {
    pub(super) state: State,
    pub(super) object: Object<Inner>,
    /// The earliest of its own and those above.
    pub(super) deadline: Option<Instant>,
    parent: Option<Ref>,
    /// Of a node that a timer knows.
    weak: Option<Arc<Weak>>,
    links: UnsafeCell<Links>,
    _tracked: Tracked,
    refs: AtomicUsize,
}

/// What a node's lock guards.
#[derive(Debug)]
pub struct Inner {
    pub(super) waiters: Queue<()>,
    pub(super) children: Children,
    /// Of a node that was cancelled itself.
    verdict: Option<Verdict>,
    pub(super) extra: Option<Box<Extra>>,
}

/// Why, where and by whom.
#[derive(Clone, Debug)]
pub(super) struct Verdict {
    pub(super) cause: Option<Cause>,
    pub(super) site: Site,
    /// `current::task_id` of whoever cancelled; 0 for nobody's task.
    pub(super) task: u64,
    /// In ticks.
    pub(super) at: u64,
}

#[derive(Debug)]
struct Links {
    prev: Option<NonNull<Node>>,
    next: Option<NonNull<Node>>,
    linked: bool,
}

// SAFETY: `links` and the pointers in it are used only under the lock of the node above (invariants 1, 2), all else of a
// node is `Send` and `Sync` by itself.
unsafe impl Send for Node {}
// SAFETY: as above.
unsafe impl Sync for Node {}

/// What a walk and a cancellation leave to be done without any lock.
#[derive(Debug)]
pub(super) struct Fallout {
    pub(super) wakes: Wakes,
    #[expect(clippy::vec_box, reason = "taken out under a lock as it is")]
    pub(super) extras: Vec<Box<Extra>>,
    /// Nodes with a cause, which is foreign when it is dropped.
    pub(super) gone: Vec<Ref>,
}

/// What `Node::end` has found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub(super) enum Ended {
    /// It had ended before: whoever did that may still be at work below.
    Before,
    /// There is nothing below.
    Alone,
    /// The nodes below are still to be told.
    WithChildren,
}

impl Node {
    /// A new node below `parent`, with two references to it. Below one that has ended it is born so. `weak` will point
    /// to it.
    pub(super) fn below(
        parent: Option<&Ref>,
        deadline: Option<Instant>,
        weak: Option<Arc<Weak>>,
        made: Site,
    ) -> (Ref, Ref) {
        let inner = Inner {
            waiters: Queue::new(),
            children: Children::new(),
            verdict: None,
            extra: None,
        };
        let links = Links {
            prev: None,
            next: None,
            linked: false,
        };
        let node = Box::new(Node {
            state: State::live(),
            object: Object::new(inner, Kind::Context, made),
            deadline,
            parent: parent.cloned(),
            weak,
            links: UnsafeCell::new(links),
            _tracked: Tracked::default(),
            refs: AtomicUsize::new(2),
        });
        let node = NonNull::from(Box::leak(node));
        let node = (Ref(node), Ref(node));
        if let Some(weak) = &node.0.weak {
            *weak.0.lock() = Some(node.0.0);
        }
        if let Some(parent) = parent {
            parent.adopt(&node.0);
        }
        node
    }

    #[inline(always)]
    fn adopt(&self, child: &Ref) {
        let mut inner = self.object.lock();
        match self.state.legacy() {
            None => inner.children.push(child),
            Some(end) => {
                drop(inner);
                let born = child.state.end(end);
                debug_assert!(born, "nobody else knows it");
            }
        }
    }

    /// Ends this node, takes its waiters' wakers, and what is to be done afterwards.
    #[inline(always)]
    pub(super) fn end(&self, end: End, verdict: Option<Verdict>, fallout: &mut Fallout) -> Ended {
        let mut inner = self.object.lock();
        if !self.state.end(end) {
            return Ended::Before;
        }
        inner.verdict = verdict;
        while let Some(waiter) = inner.waiters.pop_claim() {
            waiter.complete(How::Closed, &mut fallout.wakes);
        }
        if let Some(extra) = inner.extra.take() {
            fallout.extras.push(extra);
        }
        match inner.children.is_empty() {
            true => Ended::Alone,
            false => Ended::WithChildren,
        }
    }

    /// Leaves the node above.
    pub(super) fn leave(&self) {
        if let Some(parent) = &self.parent {
            parent.object.lock().children.unlink(NonNull::from(self));
        }
    }

    /// The node whose own handle or deadline ended this one, and its verdict.
    pub(super) fn verdict(&self) -> Option<(&Node, Verdict)> {
        self.state.error()?;
        let mut at = self;
        while at.state.is_inherited() {
            at = at.parent.as_ref()?;
        }
        let verdict = at.object.lock().verdict.clone()?;
        Some((at, verdict))
    }
}

/// Ends everything below `root`, which has ended. Depth first, in the order in which the nodes were made; it finds its way
/// back by `parent`, so it needs no memory of its own. Where others walk as well they share the work, and each of them
/// returns when all is done (invariant 7), whoever did it.
#[cold]
pub(super) fn walk(root: &Ref, fallout: &mut Fallout) {
    let mut at = root.clone();
    // Below `at`: it has ended, and all that is below it.
    let mut over: Option<Ref> = None;
    loop {
        // Bound first: the lock is free again in the body.
        let child = at.object.lock().children.next(over.as_ref());
        if let Some(over) = over.take()
            && !over.state.is_inherited()
        {
            fallout.gone.push(over);
        }
        if let Some(child) = child {
            // Not that of `root`: between them there may be one that somebody else has ended.
            let end = at.state.legacy().expect("the walk is below what has ended");
            if child.end(end, None, fallout) == Ended::Alone {
                over = Some(child);
            } else {
                // The count of `at` stays raised until the walk comes back.
                std::mem::forget(std::mem::replace(&mut at, child));
            }
        } else if at == *root {
            return;
        } else {
            let above = at.parent.as_ref().map(|parent| parent.0);
            // SAFETY: below `root` the walk came down from the node above and has kept a reference to it, which is
            // taken up again here, once.
            let above = Ref(above.expect("below the root there is one above"));
            over = Some(std::mem::replace(&mut at, above));
        }
    }
}

// === references ===

/// A counted reference to a node.
#[derive(Debug)]
pub(super) struct Ref(NonNull<Node>);

// SAFETY: as an `Arc<Node>`: `Node` is Send and Sync.
unsafe impl Send for Ref {}
// SAFETY: as above.
unsafe impl Sync for Ref {}

impl Ref {
    /// A reference to a node that may be on its way out.
    ///
    /// # Safety
    /// The node's memory is there until this returns.
    unsafe fn upgrade(node: NonNull<Node>) -> Option<Ref> {
        // SAFETY: promised by the caller.
        let refs = &unsafe { node.as_ref() }.refs;
        // ORDERING: Relaxed: the caller has the node from under a lock, and with it all that was written before.
        let mut seen = refs.load(Relaxed);
        while seen != 0 {
            match refs.compare_exchange_weak(seen, seen + 1, Relaxed, Relaxed) {
                Ok(_) => return Some(Ref(node)),
                Err(now) => seen = now,
            }
        }
        None
    }

    /// Gives the reference up. `Some`: it was the last one, and the node is the caller's to free.
    #[inline(always)]
    fn release(self) -> Option<NonNull<Node>> {
        let node = std::mem::ManuallyDrop::new(self).0;
        // SAFETY: the reference keeps the node up to the subtraction.
        // ORDERING: Release: what was done with this reference happens before the node is freed.
        if unsafe { node.as_ref() }.refs.fetch_sub(1, Release) != 1 {
            return None;
        }
        // ORDERING: Acquire pairs with the Release of all other references.
        fence(Acquire);
        Some(node)
    }
}

impl Deref for Ref {
    type Target = Node;
    #[inline(always)]
    fn deref(&self) -> &Node {
        // SAFETY: a reference keeps its node, and nobody makes a `&mut` to one that has references.
        unsafe { self.0.as_ref() }
    }
}

impl PartialEq for Ref {
    fn eq(&self, other: &Ref) -> bool {
        self.0 == other.0
    }
}

impl Clone for Ref {
    #[inline(always)]
    fn clone(&self) -> Ref {
        // ORDERING: Relaxed, as in `Arc`: this reference keeps the count above zero meanwhile.
        if self.refs.fetch_add(1, Relaxed) > isize::MAX as usize {
            std::process::abort(); // Only leaked references get there.
        }
        Ref(self.0)
    }
}

impl Drop for Ref {
    #[inline(always)]
    fn drop(&mut self) {
        if let Some(node) = Ref(self.0).release() {
            // SAFETY: the last reference is gone.
            unsafe { free(node) }
        }
    }
}

/// Frees a node, and those above that only it kept.
///
/// # Safety
/// The last reference to the node was released by the caller.
#[inline(never)]
unsafe fn free(mut node: NonNull<Node>) {
    loop {
        // SAFETY: nobody has a reference; a walk or a sibling may still reach it through the list of the node above.
        let gone = unsafe { node.as_ref() };
        if gone.state.is_live() {
            gone.leave();
        }
        if let Some(weak) = &gone.weak {
            *weak.0.lock() = None;
        }
        // SAFETY: out of the list (invariants 2, 3) and no weak pointer's any more, so nobody reaches it; it was made by
        // `Box`.
        let mut gone = unsafe { Box::from_raw(node.as_ptr()) };
        let above = gone.parent.take();
        // What was to be done at the end is dropped here, and that is foreign code; `above` survives its panic.
        drop(gone);
        match above.and_then(Ref::release) {
            Some(next) => node = next,
            None => return,
        }
    }
}

/// A pointer to a node that does not keep it: for timers.
#[derive(Debug, Default)]
pub(super) struct Weak(Mutex<Option<NonNull<Node>>>);

// SAFETY: the pointer is followed only under the lock, where `free` takes it out before the node goes.
unsafe impl Send for Weak {}
// SAFETY: as above.
unsafe impl Sync for Weak {}

impl Weak {
    /// The node, if somebody still has it.
    pub(super) fn upgrade(&self) -> Option<Ref> {
        let node = self.0.lock();
        // SAFETY: it is not freed before `free` had the lock that is held here.
        node.and_then(|node| unsafe { Ref::upgrade(node) })
    }
}

// === the list of those below ===

/// The nodes below one, in the order in which they were made; intrusive.
#[derive(Debug)]
pub(super) struct Children {
    head: Option<NonNull<Node>>,
    tail: Option<NonNull<Node>>,
    len: usize,
}

// SAFETY: the nodes are Send and Sync, and the pointers are followed only under the lock that guards the list.
unsafe impl Send for Children {}

impl Children {
    fn new() -> Self {
        Children {
            head: None,
            tail: None,
            len: 0,
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.head.is_none()
    }

    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// Links a node at the tail. It is new: nobody has linked it before.
    #[inline(always)]
    fn push(&mut self, child: &Ref) {
        let this = child.0;
        let prev = self.tail.replace(this);
        // SAFETY: `child` keeps it.
        unsafe {
            links(this, |links| {
                links.prev = prev;
                links.linked = true;
            });
        }
        match prev {
            // SAFETY: linked, so alive (invariant 2).
            Some(prev) => unsafe { links(prev, |links| links.next = Some(this)) },
            None => self.head = Some(this),
        }
        self.len += 1;
    }

    /// Takes a node out, if it is in.
    #[inline(always)]
    fn unlink(&mut self, this: NonNull<Node>) {
        // SAFETY: the caller has the node; the lock is held (invariant 1).
        let (linked, prev, next) = unsafe {
            links(this, |links| {
                let linked = std::mem::replace(&mut links.linked, false);
                (linked, links.prev.take(), links.next.take())
            })
        };
        if !linked {
            return;
        }
        match prev {
            // SAFETY: a neighbour in the list is linked, so alive (invariant 2).
            Some(prev) => unsafe { links(prev, |links| links.next = next) },
            None => self.head = next,
        }
        match next {
            // SAFETY: a neighbour in the list is linked, so alive (invariant 2).
            Some(next) => unsafe { links(next, |links| links.prev = prev) },
            None => self.tail = prev,
        }
        self.len -= 1;
    }

    /// The oldest node that still has an owner; it stays in. `over` is taken out before, if somebody else has not done it.
    fn next(&mut self, over: Option<&Ref>) -> Option<Ref> {
        if let Some(over) = over {
            self.unlink(over.0);
        }
        while let Some(first) = self.head {
            // SAFETY: it is linked: whoever frees it needs the lock that is held here (invariant 2).
            if let Some(child) = unsafe { Ref::upgrade(first) } {
                return Some(child);
            }
            self.unlink(first);
        }
        None
    }
}

/// The links of a node.
///
/// # Safety
/// The node is alive, and the lock of the node above is held.
#[inline(always)]
unsafe fn links<R>(node: NonNull<Node>, f: impl FnOnce(&mut Links) -> R) -> R {
    // SAFETY: alive, by the caller.
    let node = unsafe { node.as_ref() };
    // SAFETY: the lock guards it, by the caller; `f` does not get here again.
    node.links.with_mut(|links| f(unsafe { &mut *links }))
}
