//! P: what the machine itself allows (peer `hw`), as far as it helps to read the other rows: the price of a cache
//! line from one processor to the other, of an atomic addition, of a lock and unlock.

use crate::executor::on_threads;
use crate::measure::Spent;
use crate::process::{allowed_cpus, pin_to};
use crate::registry::{Registry, TWO};
use crate::thermo::ping_pong;
use std::hint::{black_box, spin_loop};
use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::*};
use std::thread;
use std::time::Instant;

pub fn register(rows: &mut Registry) {
    if let [first, second, ..] = allowed_cpus()[..] {
        rows.repeated(
            "P01_cacheline_oneway",
            "hw",
            TWO,
            on_threads(move |n| cache_line(first, second, n)),
        );
        rows.repeated(
            "P02_atomic_add_2cores",
            "hw",
            TWO,
            on_threads(move |n| add_contended(first, second, n)),
        );
    }
    rows.repeated("P02_atomic_add_local", "hw", TWO, on_threads(add_local));
    rows.repeated("P02_spinlock_pair_local", "hw", TWO, on_threads(lock_local));
}

fn cache_line(first: usize, second: usize, n: u64) -> Spent {
    // A round trip is two operations.
    Spent {
        time: ping_pong(first, second, 1, n)[0],
        ops: 2 * n,
    }
}

fn add_local(n: u64) -> Spent {
    let word = AtomicU64::new(0);
    let start = Instant::now();
    for _ in 0..n {
        black_box(&word).fetch_add(1, AcqRel);
    }
    let spent = Spent::since(start, n);
    assert_eq!(word.into_inner(), n);
    spent
}

fn lock_local(n: u64) -> Spent {
    let locked = AtomicBool::new(false);
    let start = Instant::now();
    for _ in 0..n {
        let locked = black_box(&locked);
        while locked
            .compare_exchange_weak(false, true, Acquire, Relaxed)
            .is_err()
        {
            spin_loop();
        }
        locked.store(false, Release);
    }
    Spent::since(start, n)
}

fn add_contended(first: usize, second: usize, n: u64) -> Spent {
    let word = AtomicU64::new(0);
    let both = Barrier::new(2);
    let each = n / 2 + 1;
    let add = |cpu| {
        pin_to(cpu);
        both.wait();
        let start = Instant::now();
        (0..each).for_each(|_| _ = word.fetch_add(1, AcqRel));
        start.elapsed()
    };
    let time = thread::scope(|s| {
        let other = s.spawn(|| add(second));
        let mine = s
            .spawn(|| add(first))
            .join()
            .expect("the first adder ends well");
        mine.max(other.join().expect("the second adder ends well"))
    });
    assert_eq!(word.into_inner(), 2 * each);
    Spent {
        time,
        ops: 2 * each,
    }
}
