//! The heap against an ordered map, driven by bytes: the same check serves the tests and the fuzzer.

use super::{ARITY, Heap, KEEP, Key, STOPPED};
use std::collections::BTreeMap;

/// Near deadlines collide often; the far ones sit at the end of time.
fn when(byte: u8) -> u64 {
    match byte {
        250.. => u64::MAX - u64::from(255 - byte),
        b => u64::from(b) / 4,
    }
}

fn assert_sound(heap: &Heap<u64>) {
    for (i, item) in heap.items.iter().enumerate() {
        assert!(
            i == 0 || !item.before(&heap.items[(i - 1) / ARITY]),
            "heap order"
        );
        if item.slot == STOPPED {
            assert!(i > 0, "the first is live");
            continue;
        }
        let slot = item.slot as usize;
        assert_eq!(heap.places[slot] as usize, i, "place");
        assert_eq!(heap.slots[slot].seq as u32, item.age, "generation");
    }
    assert_eq!(heap.slots.len() + heap.stopped, heap.items.len());
    assert!(heap.stopped <= heap.slots.len() + KEEP);
}

/// Plays `script` (two bytes a step) on the heap and on a map ordered by (when, age).
pub(crate) fn play(script: &[u8]) {
    let mut heap = Heap::new();
    let mut model: BTreeMap<(u64, u64), Key> = BTreeMap::new();
    let mut keys: Vec<(Key, u64)> = Vec::new(); // every key ever given, with its age
    let mut age = 0;
    for step in script.chunks_exact(2) {
        let (op, arg) = (step[0], step[1]);
        match op % 8 {
            0..=2 => {
                let key = heap.insert(when(arg), age);
                model.insert((when(arg), age), key);
                keys.push((key, age));
                age += 1;
            }
            3 | 4 if !keys.is_empty() => {
                let (key, age) = keys[usize::from(arg) % keys.len()];
                let here = model.keys().find(|k| k.1 == age).copied();
                assert_eq!(heap.get_mut(key).copied(), here.map(|_| age));
                assert_eq!(heap.remove(key), here.map(|_| age));
                here.map(|k| model.remove(&k));
            }
            5 if !keys.is_empty() => {
                let (key, age) = keys[usize::from((op / 8) ^ arg) % keys.len()];
                let here = model.keys().find(|k| k.1 == age).copied();
                assert_eq!(heap.change(key, when(arg)), here.is_some());
                if let Some(key) = here.and_then(|k| model.remove(&k)) {
                    model.insert((when(arg), age), key);
                }
            }
            6 => {
                let horizon = heap.horizon().saturating_sub(u64::from(op / 8));
                let due = model.keys().next().copied();
                let due = due.filter(|&(w, a)| w <= when(arg) && a < horizon);
                assert_eq!(heap.pop_due_if(when(arg), horizon, |_| true), due);
                due.map(|k| model.remove(&k));
            }
            7 if arg < 8 => {
                let mut out = Vec::new();
                heap.sweep(|age| age % 3 == u64::from(op / 8) % 3, &mut out);
                let dead: Vec<_> = model
                    .keys()
                    .filter(|k| k.1 % 3 == u64::from(op / 8) % 3)
                    .copied()
                    .collect();
                out.sort_unstable();
                let mut ages: Vec<_> = dead.iter().map(|k| k.1).collect();
                ages.sort_unstable();
                assert_eq!(out, ages);
                dead.iter().for_each(|k| _ = model.remove(k));
            }
            _ => {
                let first = model.pop_first().map(|(k, _)| k);
                assert_eq!(heap.pop(), first);
            }
        }
        assert_eq!(heap.len(), model.len());
        assert_eq!(heap.first(), model.keys().next().map(|k| k.0));
        assert_sound(&heap);
    }
    while let Some((k, _)) = model.pop_first() {
        assert_eq!(heap.pop(), Some(k));
    }
    assert_eq!(heap.pop(), None);
}

/// SplitMix64: scripts that are the same in every run.
#[cfg(test)]
fn script(mut seed: u64, len: usize) -> Vec<u8> {
    let mut out = Vec::with_capacity(len + 8);
    while out.len() < len {
        seed = seed.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = seed;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        out.extend((z ^ (z >> 31)).to_le_bytes());
    }
    out
}

#[test]
fn equals_an_ordered_map() {
    for seed in 0..200 {
        play(&script(seed, 1_000));
    }
}

/// Long runs of inserts, then of everything: depth four and more.
#[test]
fn equals_an_ordered_map_when_deep() {
    let mut bytes = script(7, 1_600);
    bytes.iter_mut().step_by(2).for_each(|op| *op &= !7);
    bytes.extend(script(8, 1_600));
    play(&bytes);
}

#[test]
fn equal_deadlines_leave_in_order_of_arrival() {
    let mut heap = Heap::new();
    (0..100).for_each(|n| _ = heap.insert(5, n));
    for n in 0..100 {
        assert_eq!(heap.pop(), Some((5, n)));
    }
}

#[test]
fn a_key_does_not_find_the_next_tenant_of_its_slot() {
    let mut heap = Heap::new();
    let old = heap.insert(1, 'a');
    assert_eq!(heap.pop(), Some((1, 'a')));
    let new = heap.insert(1, 'b');
    assert_eq!(old.slot, new.slot);
    assert_eq!(heap.get_mut(old), None);
    assert!(!heap.change(old, 9));
    assert_eq!(heap.remove(old), None);
    assert_eq!(heap.remove(new), Some('b'));
}

#[test]
fn stopped_timers_are_never_many_more_than_live_ones() {
    const MANY: u64 = 4_000;
    let mut heap = Heap::new();
    let keys: Vec<_> = (0..MANY).map(|n| heap.insert(n * 7919 % MANY, n)).collect();
    let (stopped, live) = keys.split_at(MANY as usize * 9 / 10);
    for key in stopped {
        assert!(heap.remove(*key).is_some());
        assert!(heap.items.len() <= 2 * heap.len() + KEEP);
    }
    assert_sound(&heap);
    assert_eq!(heap.len(), live.len());
    let order = std::iter::from_fn(|| heap.pop());
    let mut left: Vec<_> = (MANY * 9 / 10..MANY)
        .map(|n| (n * 7919 % MANY, n))
        .collect();
    left.sort_unstable();
    assert!(order.eq(left));
}

#[test]
fn gives_the_memory_of_a_burst_back() {
    let mut heap = Heap::new();
    let keys: Vec<_> = (0..10_000).map(|n| heap.insert(n, ())).collect();
    assert!(heap.items.capacity() >= 10_000);
    keys.iter().for_each(|&k| _ = heap.remove(k));
    assert!(heap.items.capacity() <= 2 * super::KEEP);
    assert!(heap.slots.capacity() <= 2 * super::KEEP);
    assert!(heap.places.capacity() <= 2 * super::KEEP);
}
