//! A 4-ary min-heap of deadlines, each with a value and a key to find it again.
//!
//! It is not a clock and not a lock: time is a plain `u64` (the driver's nanoseconds) and the driver's mutex is around it.
//! Four children a node, as Go's timers: half the depth of a binary heap, and the children of a node are 64 bytes.
//!
//! ```text
//! items    the order: (when, age, slot) of 16 bytes        sifted
//! places   slot -> index in `items`, 4 bytes               written at each step of a sift: small, so that it stays cached
//! slots    slot -> generation and value                    touched when a timer comes, goes, or is looked at
//! ```
//! Invariants
//! 1. `items[i]` is not before its parent `items[(i - 1) / 4]` in the order (when, age).
//! 2. An item is live, and then `places[items[i].slot] == i`: a key is found in one step; or its timer was stopped, and its `slot` is
//!    [`STOPPED`]. There are as many slots as live items.
//! 3. The first item is live. A stopped one is taken out when it comes first, or with all others once they are more than the live
//!    ones: stopping costs a few stores, as most timers are stopped long before they are due (lazy deletion, as in Go's timers).
//! 4. `seq` is never given out twice. It is the generation of a key: a key whose timer has left finds nothing, even when
//!    its slot has a new tenant. Its low half is the item's `age`: equal deadlines leave in the order they came, as long as
//!    fewer than 2^31 timers lie between them.

use slab::Slab;

/// Children of a node.
const ARITY: usize = 4;

/// Below this capacity memory is not given back: a handful of timers comes and goes all the time.
const KEEP: usize = 64;

/// In place of the slot of a timer that was stopped.
const STOPPED: u32 = u32::MAX;

/// Where a timer is, for as long as it is in the heap.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Key {
    slot: usize,
    seq: u64,
}

#[derive(Clone, Copy)]
struct Item {
    when: u64,
    age: u32,
    slot: u32,
}

impl Item {
    fn before(&self, other: &Item) -> bool {
        let older = (self.age.wrapping_sub(other.age) as i32) < 0;
        self.when < other.when || (self.when == other.when && older)
    }
}

struct Slot<V> {
    seq: u64,
    value: V,
}

pub(crate) struct Heap<V> {
    items: Vec<Item>,
    places: Vec<u32>,
    slots: Slab<Slot<V>>,
    next_seq: u64,
    /// Items whose timers were stopped.
    stopped: usize,
}

impl<V> Heap<V> {
    pub(crate) const fn new() -> Self {
        Heap {
            items: Vec::new(),
            places: Vec::new(),
            slots: Slab::new(),
            next_seq: 0,
            stopped: 0,
        }
    }

    /// Timers that were neither taken out nor stopped.
    pub(crate) fn len(&self) -> usize {
        self.slots.len()
    }

    /// The earliest deadline.
    pub(crate) fn first(&self) -> Option<u64> {
        self.items.first().map(|item| item.when)
    }

    /// Every timer that comes later than this call has a sequence number of at least this.
    pub(crate) fn horizon(&self) -> u64 {
        self.next_seq
    }

    /// # Panics
    ///
    /// At 2^32 timers.
    pub(crate) fn insert(&mut self, when: u64, value: V) -> Key {
        let seq = self.take_seq();
        let slot = self.slots.insert(Slot { seq, value });
        let item = Item {
            when,
            age: seq as u32,
            slot: u32::try_from(slot)
                .ok()
                .filter(|slot| *slot != STOPPED)
                .expect("fewer than 2^32 timers"),
        };
        if self.places.len() <= slot {
            self.places.resize(slot + 1, 0);
        }
        self.items.push(item);
        self.sift_up(self.items.len() - 1, item);
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
        let item = Item {
            when,
            ..self.items[at]
        };
        self.sift(at, item);
        self.bury();
        true
    }

    /// Stops a timer.
    pub(crate) fn remove(&mut self, key: Key) -> Option<V> {
        let at = self.place(key)?;
        self.items[at].slot = STOPPED;
        self.stopped += 1;
        let value = self.slots.remove(key.slot).value;
        self.bury();
        Some(value)
    }

    /// Takes out the earliest timer if it is due at `now`, older than `horizon`, and `fits`.
    pub(crate) fn pop_due_if(
        &mut self,
        now: u64,
        horizon: u64,
        fits: impl Fn(&V) -> bool,
    ) -> Option<(u64, V)> {
        let first = self.items.first()?;
        let slot = &self.slots[first.slot as usize];
        let due = first.when <= now && slot.seq < horizon && fits(&slot.value);
        due.then(|| self.take_first())
    }

    /// Takes out the earliest timer.
    pub(crate) fn pop(&mut self) -> Option<(u64, V)> {
        (!self.items.is_empty()).then(|| self.take_first())
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
        (slot.seq == key.seq).then_some(self.places[key.slot] as usize)
    }

    fn take_first(&mut self) -> (u64, V) {
        let item = self.drop_first();
        let value = self.slots.remove(item.slot as usize).value;
        self.bury();
        (item.when, value)
    }

    fn drop_first(&mut self) -> Item {
        let first = self.items[0];
        let last = self.items.pop().expect("there is a first one");
        if !self.items.is_empty() {
            self.sift_down(0, last);
        }
        first
    }

    /// Invariant 3, after a change.
    fn bury(&mut self) {
        let live = self.slots.len();
        if self.stopped > live + KEEP || (live == 0 && self.stopped > 0) {
            self.bury_all();
        }
        let mut in_a_row = 0;
        while self.items.first().is_some_and(|item| item.slot == STOPPED) {
            if in_a_row == KEEP && self.stopped > live / 8 {
                // All at once takes less time than one by one.
                self.bury_all();
                break;
            }
            self.drop_first();
            self.stopped -= 1;
            in_a_row += 1;
        }
        self.give_back();
    }

    /// Each time it is paid for by as many stops as there are live timers.
    #[cold]
    fn bury_all(&mut self) {
        self.items.retain(|item| item.slot != STOPPED);
        self.stopped = 0;
        for (at, item) in self.items.iter().enumerate() {
            self.places[item.slot as usize] = at as u32;
        }
        let inner = self.items.len().saturating_sub(1).div_ceil(ARITY);
        (0..inner)
            .rev()
            .for_each(|at| self.sift_down(at, self.items[at]));
    }

    /// Puts `item` where it belongs, given that `at` is free. Coming from another subtree it may belong above as well as
    /// below.
    fn sift(&mut self, at: usize, item: Item) {
        if self.sift_up(at, item) == at {
            self.sift_down(at, item);
        }
    }

    fn sift_up(&mut self, mut at: usize, item: Item) -> usize {
        while at > 0 {
            let parent = (at - 1) / ARITY;
            if !item.before(&self.items[parent]) {
                break;
            }
            self.put(at, self.items[parent]);
            at = parent;
        }
        self.put(at, item);
        at
    }

    fn sift_down(&mut self, mut at: usize, item: Item) {
        while let Some(child) = self.least_child(at) {
            if !self.items[child].before(&item) {
                break;
            }
            self.put(at, self.items[child]);
            at = child;
        }
        self.put(at, item);
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

    /// INVARIANT 2.
    fn put(&mut self, at: usize, item: Item) {
        self.items[at] = item;
        // An index fits, as a slot does.
        if item.slot != STOPPED {
            self.places[item.slot as usize] = at as u32;
        }
    }

    /// Gives the memory of a burst back: the order's by halves, the slots' down to the last tenant, all of it at the end.
    fn give_back(&mut self) {
        let (len, cap) = (self.items.len(), self.items.capacity());
        if (cap > KEEP && len < cap / 4) || (len == 0 && self.slots.capacity() > KEEP) {
            self.shrink(cap);
        }
    }

    #[cold]
    fn shrink(&mut self, cap: usize) {
        self.items.shrink_to(cap / 2);
        self.slots.shrink_to_fit();
        self.places.truncate(self.slots.capacity());
        self.places.shrink_to_fit();
    }
}

#[cfg(any(test, fuzzing))]
pub(crate) mod tests;
