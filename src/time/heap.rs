//! A 4-ary min-heap of deadlines, each with a value and a key to find it again.
//!
//! It is not a clock and not a lock: time is a plain `u64` (the driver's nanoseconds) and the driver's mutex is around it.
//! Four children a node, as Go's timers: half the depth of a binary heap, and the children of a node lie in two cache lines.
//!
//! Invariants
//! 1. `items[i]` is not before its parent `items[(i - 1) / 4]` in the order (when, seq).
//! 2. `slots[items[i].slot].at == i` for every `i`, and there are as many slots as items: a key is found in one step and
//!    leaves in O(log n).
//! 3. `seq` is never given out twice. It is the tie-break (equal deadlines leave in the order they came) and the
//!    generation of a key: a key whose timer has left finds nothing, even when its slot has a new tenant.

use slab::Slab;

/// Children of a node.
const ARITY: usize = 4;

/// Below this capacity memory is not given back: a handful of timers comes and goes all the time.
const KEEP: usize = 64;

/// Where a timer is, for as long as it is in the heap.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Key {
    slot: usize,
    seq: u64,
}

#[derive(Clone, Copy)]
struct Item {
    when: u64,
    seq: u64,
    slot: usize,
}

impl Item {
    fn before(&self, other: &Item) -> bool {
        (self.when, self.seq) < (other.when, other.seq)
    }
}

struct Slot<V> {
    seq: u64,
    at: usize,
    value: V,
}

pub(crate) struct Heap<V> {
    items: Vec<Item>,
    slots: Slab<Slot<V>>,
    next_seq: u64,
}

impl<V> Heap<V> {
    pub(crate) const fn new() -> Self {
        Heap {
            items: Vec::new(),
            slots: Slab::new(),
            next_seq: 0,
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.items.len()
    }

    /// The earliest deadline.
    pub(crate) fn first(&self) -> Option<u64> {
        self.items.first().map(|item| item.when)
    }

    /// Every timer that comes later than this call has a sequence number of at least this.
    pub(crate) fn horizon(&self) -> u64 {
        self.next_seq
    }

    pub(crate) fn insert(&mut self, when: u64, value: V) -> Key {
        let seq = self.take_seq();
        let at = self.items.len();
        let slot = self.slots.insert(Slot { seq, at, value });
        self.items.push(Item { when, seq, slot });
        self.sift_up(at);
        Key { slot, seq }
    }

    /// The value of a timer that is still in the heap.
    pub(crate) fn get_mut(&mut self, key: Key) -> Option<&mut V> {
        let slot = self.slots.get_mut(key.slot)?;
        (slot.seq == key.seq).then_some(&mut slot.value)
    }

    /// Moves a timer to another deadline. It keeps its key, and its age among equals.
    pub(crate) fn change(&mut self, key: Key, when: u64) -> bool {
        let Some(at) = self.place(key) else {
            return false;
        };
        self.items[at].when = when;
        let at = self.sift_up(at);
        self.sift_down(at);
        true
    }

    pub(crate) fn remove(&mut self, key: Key) -> Option<V> {
        let at = self.place(key)?;
        Some(self.take(at).1)
    }

    /// Takes out the earliest timer if it is due at `now` and older than `horizon`.
    pub(crate) fn pop_due(&mut self, now: u64, horizon: u64) -> Option<(u64, V)> {
        let first = self.items.first()?;
        (first.when <= now && first.seq < horizon).then(|| self.take(0))
    }

    /// Takes out the earliest timer.
    pub(crate) fn pop(&mut self) -> Option<(u64, V)> {
        (!self.items.is_empty()).then(|| self.take(0))
    }

    /// Takes out every timer that `dead` says is of no more use, into `out`.
    #[cold]
    pub(crate) fn sweep(&mut self, mut dead: impl FnMut(&V) -> bool, out: &mut Vec<V>) {
        let gone: Vec<Key> = self
            .slots
            .iter()
            .filter(|(_, s)| dead(&s.value))
            .map(|(slot, s)| Key { slot, seq: s.seq })
            .collect();
        out.extend(gone.into_iter().filter_map(|key| self.remove(key)));
    }

    fn take_seq(&mut self) -> u64 {
        // 2^64 timers are never made: no wrap.
        let seq = self.next_seq;
        self.next_seq += 1;
        seq
    }

    fn place(&self, key: Key) -> Option<usize> {
        let slot = self.slots.get(key.slot)?;
        (slot.seq == key.seq).then_some(slot.at)
    }

    fn take(&mut self, at: usize) -> (u64, V) {
        let item = self.items.swap_remove(at);
        let value = self.slots.remove(item.slot).value;
        if at < self.items.len() {
            // The last leaf has come here from another subtree: it may belong above as well as below.
            self.settle(at);
            let at = self.sift_up(at);
            self.sift_down(at);
        }
        self.give_back();
        (item.when, value)
    }

    fn sift_up(&mut self, mut at: usize) -> usize {
        while at > 0 {
            let parent = (at - 1) / ARITY;
            if !self.items[at].before(&self.items[parent]) {
                break;
            }
            self.items.swap(at, parent);
            self.settle(at);
            at = parent;
        }
        self.settle(at);
        at
    }

    fn sift_down(&mut self, mut at: usize) {
        while let Some(child) = self.least_child(at) {
            if !self.items[child].before(&self.items[at]) {
                break;
            }
            self.items.swap(at, child);
            self.settle(at);
            at = child;
        }
        self.settle(at);
    }

    fn least_child(&self, at: usize) -> Option<usize> {
        let from = ARITY * at + 1;
        let to = (from + ARITY).min(self.items.len());
        (from..to).reduce(|a, b| {
            if self.items[b].before(&self.items[a]) {
                b
            } else {
                a
            }
        })
    }

    /// INVARIANT 2: tells the slot of the item at `at` where that item is now.
    fn settle(&mut self, at: usize) {
        let slot = self.items[at].slot;
        self.slots[slot].at = at;
    }

    /// Gives the memory of a burst back: the order's by halves, the slots' down to the last tenant, all of it at the end.
    fn give_back(&mut self) {
        let (len, cap) = (self.items.len(), self.items.capacity());
        if cap > KEEP && len < cap / 4 {
            self.items.shrink_to(cap / 2);
            self.slots.shrink_to_fit();
        }
        if len == 0 && self.slots.capacity() > KEEP {
            self.slots = Slab::new();
        }
    }
}

#[cfg(any(test, fuzzing))]
pub(crate) mod tests;
