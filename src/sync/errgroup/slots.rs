//! How many tasks of a group may run at a time: slots, first come first served.
//!
//! What it is not: a semaphore for users. A slot is held by the task that is spawned with it, not by whoever waited for it,
//! and with no slots at all one waits for ever, as in Go.
//!
//! Invariants, true whenever the lock is free
//! 1. Free slots imply that nobody is queued: a slot that is given back goes to the first who waits.
//! 2. Free slots, those in hand, and those given and not collected are as many as there were.

use std::panic::Location;
use std::sync::Arc;
use std::task::Poll;

use crate::hook::holder::Hold;
use crate::hook::{Kind, ObjId};
use crate::wait::lock::Object;
use crate::wait::op::{Look, Op};
use crate::wait::queue::Queue;
use crate::wait::reason::WaitReason;
use crate::wait::waiter::How;
use crate::wait::wakes::Wakes;

type Site = &'static Location<'static>;

/// The slots of a group.
pub(crate) struct Slots {
    object: Object<Inner>,
}

/// What lies under the lock.
#[derive(Debug)]
pub(crate) struct Inner {
    free: usize,
    queue: Queue<()>,
}

impl Slots {
    pub(super) fn new(limit: usize, made: Site) -> Slots {
        let inner = Inner {
            free: limit,
            queue: Queue::new(),
        };
        Slots {
            object: Object::new(inner, Kind::Semaphore, made),
        }
    }

    /// A slot, if one is free.
    pub(crate) fn try_acquire(self: &Arc<Self>) -> Option<Slot> {
        let taken = self.object.lock().take();
        taken.then(|| Slot::new(self.clone()))
    }
}

impl Inner {
    fn take(&mut self) -> bool {
        let free = self.free > 0;
        self.free -= usize::from(free);
        free
    }

    /// Invariant 1.
    fn give_back(&mut self, wakes: &mut Wakes) {
        match self.queue.pop_claim() {
            Some(next) => next.complete(How::Given, wakes),
            None => self.free += 1,
        }
    }
}

/// One slot. Free again when it is dropped.
pub(crate) struct Slot {
    slots: Arc<Slots>,
    hold: Option<Hold>,
}

impl Slot {
    fn new(slots: Arc<Slots>) -> Slot {
        Slot { slots, hold: None }
    }

    /// The task that has it from now on, for dumps.
    pub(super) fn held_by(&mut self, task: ObjId, site: Site) {
        self.hold = Some(Hold::acquired_for(self.slots.object.id(), task, site));
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.hold.take().into_iter().for_each(Hold::released);
        let mut wakes = Wakes::new();
        self.slots.object.lock().give_back(&mut wakes);
        wakes.fire();
    }
}

/// Waits for a slot.
#[derive(Clone)]
pub(crate) struct SlotOp {
    pub(crate) slots: Arc<Slots>,
    pub(crate) site: Site,
}

impl Op for SlotOp {
    type Inner = Inner;
    type Payload = ();
    type Output = Slot;
    const REASON: WaitReason = WaitReason::SemAcquire;

    fn object(&self) -> &Object<Inner> {
        &self.slots.object
    }

    fn site(&self) -> Site {
        self.site
    }

    fn queue<'q>(&self, inner: &'q mut Inner) -> &'q mut Queue<()> {
        &mut inner.queue
    }

    fn look(&self) -> (bool, Look) {
        // How many are free is known under the lock only.
        (true, Look::default())
    }

    fn attempt(&self, inner: &mut Inner, _: &mut (), _: &mut Wakes) -> Poll<Slot> {
        match inner.take() {
            true => Poll::Ready(Slot::new(self.slots.clone())),
            false => Poll::Pending,
        }
    }

    fn collect(&self, _: &mut (), _: How) -> Slot {
        Slot::new(self.slots.clone())
    }

    fn abandon(&self, inner: &mut Inner, _: &mut (), wakes: &mut Wakes) {
        inner.give_back(wakes);
    }
}
