//! Models of the ring: the same file once more, over loom's atomics.

use crate::shim as words;
use words::{Arc, thread};

#[allow(dead_code)]
#[path = "ring.rs"]
mod ring;

use ring::{Copied, Ring, Words};

fn event(n: u64) -> Words {
    [n, n + 100, n + 200, n + 300]
}

fn check(copied: &Copied) {
    for (n, words) in (copied.overwritten..).zip(&copied.events) {
        assert_eq!(*words, event(n), "a mixture, or another one's place");
    }
}

fn model(run: impl Fn() + Sync + Send + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound.get_or_insert(2);
    builder.check(run);
}

/// The writer comes round while the reader copies.
#[test]
fn loom_ring_a_copy_has_no_mixtures() {
    model(|| {
        let ring = Arc::new(Ring::new(2));
        ring.write(event(0));
        let shared = Arc::clone(&ring);
        let writer = thread::spawn(move || (1..4).for_each(|n| shared.write(event(n))));
        check(&ring.copy());
        writer.join().unwrap();
        let last = ring.copy();
        check(&last);
        assert_eq!((last.overwritten, last.events.len()), (3, 1));
    });
}

/// A ring goes from one thread to the next under a lock, and the reader copies meanwhile.
#[test]
fn loom_ring_changes_hands() {
    use words::Mutex;
    model(|| {
        let ring = Arc::new(Ring::new(2));
        let free = Arc::new(Mutex::new(0));
        let write = |ring: &Ring, next: &Mutex<u64>| {
            let mut next = next.lock();
            ring.write(event(*next));
            *next += 1;
        };
        let (shared, turn) = (Arc::clone(&ring), Arc::clone(&free));
        let other = thread::spawn(move || {
            write(&shared, &turn);
            write(&shared, &turn);
        });
        write(&ring, &free);
        check(&ring.copy());
        other.join().unwrap();
        let last = ring.copy();
        check(&last);
        assert_eq!((last.overwritten, last.events.len()), (2, 1));
    });
}
