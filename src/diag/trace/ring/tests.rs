//! The ring on the real machine. Every word of event n is made from n, so that a mixture shows.

use super::*;
use std::sync::atomic::AtomicBool;
use std::thread;

fn event(n: u64) -> Words {
    [n, n.wrapping_mul(3), !n, n << 7]
}

fn check(copied: &Copied) {
    let first = copied.overwritten;
    for (n, words) in (first..).zip(&copied.events) {
        assert_eq!(*words, event(n));
    }
}

#[test]
fn a_ring_that_is_not_full_has_all() {
    let ring = Ring::new(8);
    assert!(ring.copy().events.is_empty());
    (0..5).for_each(|n| ring.write(event(n)));
    let copied = ring.copy();
    check(&copied);
    assert_eq!((copied.events.len(), copied.overwritten), (5, 0));
    assert_eq!(ring.counts(), (5, 0));
}

#[test]
fn a_full_ring_has_the_last_ones() {
    let ring = Ring::new(8);
    (0..21).for_each(|n| ring.write(event(n)));
    let copied = ring.copy();
    check(&copied);
    // The slot of the oldest one is the next to be written, and nobody can tell that its writer has not begun.
    assert_eq!(copied.events.len(), 7);
    assert_eq!(copied.events[0], event(14));
    assert_eq!(ring.counts(), (21, 13));
}

#[test]
fn a_copy_never_mixes_events() {
    let ring = Ring::new(64);
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            let numbers = (0..).take_while(|_| !stop.load(Relaxed));
            numbers.for_each(|n| ring.write(event(n)));
        });
        let mut copies = 0;
        let mut seen = 0;
        while copies < 2_000 || seen < 10_000 {
            let copied = ring.copy();
            check(&copied);
            copies += 1;
            seen += copied.events.len();
        }
        stop.store(true, Relaxed);
    });
}
