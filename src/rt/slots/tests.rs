//! Slots are found where they were made, up to the last one that there can be.

use super::*;

#[test]
fn every_slot_has_a_place_of_its_own() {
    let mut next = (0, 0);
    for slot in 0..MAX_WORKERS {
        assert_eq!(place(slot), next);
        next.1 += 1;
        if next.1 == 1 << next.0 {
            next = (next.0 + 1, 0);
        }
    }
    assert_eq!(next, (ROOMS, 0), "the last room is full");
}

#[test]
fn slots_come_and_stay() {
    let (slots, locals) = Slots::new(3);
    assert_eq!((locals.len(), slots.workers(), slots.span()), (3, 3, 3));
    let first = slots.at(0) as *const Slot;
    for slot in 3..20 {
        assert!(!slots.is_made(slot));
        drop(slots.make(slot, false));
        assert!(slots.is_made(slot));
    }
    assert!(std::ptr::eq(first, slots.at(0)));
    assert_eq!(slots.made().count(), 20);
    assert_eq!(slots.from(0).count(), 3, "nobody looks at the others yet");
    slots.set(5, 20);
    assert_eq!(slots.from(7).count(), 20);
    assert!(std::ptr::eq(slots.from(7).nth(13).unwrap().1, first));
}
