//! The thermometer: how far apart the machine's first two processors are right now.
//!
//! A virtual machine may find its processors on one last-level cache for a while and on two after that. A cache line
//! then takes 25 ns or 200 ns from one to the other, and everything that passes work between workers changes by two
//! to four times. Nothing else shows it, so each run is tagged by a cache-line ping-pong before and after.
//!
//! The reading is the median over short stretches: a thread that loses its processor for a while spoils one stretch.

use crate::process::{allowed_cpus, pin_to};
use std::hint::spin_loop;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::*};
use std::time::{Duration, Instant};

/// One-way nanoseconds below which the two processors count as near.
pub const NEAR_NS: f64 = 60.0;

const STRETCHES: usize = 21;
const TRIPS: u64 = 1000;

/// Where the two processors were during a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// One last-level cache, or only one processor at all.
    Near,
    Far,
    /// Changed during the run, which therefore counts for neither.
    Mixed,
}

impl Place {
    pub fn name(self) -> &'static str {
        match self {
            Place::Near => "near",
            Place::Far => "far",
            Place::Mixed => "mixed",
        }
    }

    pub fn named(name: &str) -> Option<Place> {
        [Place::Near, Place::Far, Place::Mixed]
            .into_iter()
            .find(|p| p.name() == name)
    }

    /// The tag of a run from the readings before and after it.
    pub fn during(before: Place, after: Place) -> Place {
        if before == after {
            before
        } else {
            Place::Mixed
        }
    }

    pub fn now() -> Place {
        match one_way_ns() {
            Some(ns) if ns >= NEAR_NS => Place::Far,
            _ => Place::Near,
        }
    }
}

/// One-way transfer of a cache line between the first two processors, in nanoseconds; `None` with only one.
pub fn one_way_ns() -> Option<f64> {
    let [first, second, ..] = allowed_cpus()[..] else {
        return None;
    };
    let mut ns: Vec<f64> = ping_pong(first, second, STRETCHES, TRIPS)
        .iter()
        .map(|d| d.as_nanos() as f64 / (2 * TRIPS) as f64)
        .collect();
    ns.sort_by(f64::total_cmp);
    Some(ns[ns.len() / 2])
}

/// Round trips of one word between two bound threads: the time of each stretch of `trips`.
pub fn ping_pong(first: usize, second: usize, stretches: usize, trips: u64) -> Vec<Duration> {
    /// Alone on its line, and on the one fetched with it.
    #[repr(align(128))]
    struct Line(AtomicU64);

    let word = &Line(AtomicU64::new(0));
    let up = &AtomicBool::new(false);
    let total = trips * stretches as u64;
    // Word 0: not begun. 2i+1: the asker's i-th. 2i+2: its answer.
    let answer = move || {
        pin_to(second);
        up.store(true, Release);
        for i in 0..total {
            while word.0.load(Acquire) != 2 * i + 1 {
                spin_loop();
            }
            word.0.store(2 * i + 2, Release);
        }
    };
    let ask = move || {
        pin_to(first);
        while !up.load(Acquire) {
            std::thread::yield_now();
        }
        let mut next = 0..total;
        let stretch = |_| {
            let start = Instant::now();
            for i in next.by_ref().take(trips as usize) {
                word.0.store(2 * i + 1, Release);
                while word.0.load(Acquire) != 2 * i + 2 {
                    spin_loop();
                }
            }
            start.elapsed()
        };
        (0..stretches).map(stretch).collect()
    };
    // Both on threads of their own, so that the caller stays unbound.
    std::thread::scope(|s| {
        s.spawn(answer);
        s.spawn(ask)
            .join()
            .expect("the asking thread does not panic")
    })
}
