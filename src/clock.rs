//! The recorders' clock: a counter that costs a few nanoseconds to read, and its conversion to nanoseconds.
//!
//! What it is not: the clock of timers. Those compare [`Instant`]s; this one only stamps when a wait began, so a tick
//! means nothing until [`ticks_to_ns`] has turned a difference of two into time.
//!
//! On x86-64 a tick is a cycle of the time stamp counter, provided that CPUID promises that it runs at one rate in
//! every power state (invariant TSC, leaf 0x8000_0007). Elsewhere a tick is a nanosecond of [`Instant`].
//!
//! 1. `SOURCE` is decided once and never changes.
//! 2. The rate is measured between the first use of the clock (`ORIGIN`) and a later moment. It is refined each time
//!    that window has doubled and kept once the window is [`ENOUGH`], where the error is far below one in a million.
//! 3. No function here panics: counters that run backwards between cores give 0, overlong times saturate.
#![allow(unsafe_code)]

use std::cell::Cell;
use std::sync::OnceLock;
// The clock is the same machine under loom: statics that models share and that decide nothing in them.
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use Ordering::{Acquire, Relaxed, Release};

const UNKNOWN: u8 = 0;
const COUNTER: u8 = 1;
const INSTANT: u8 = 2;

/// The shortest window a rate is taken from: two readings that are off by 25 ns each make it good to 0.05 %.
const SHORTEST: Duration = Duration::from_micros(100);
/// A window after which the rate is kept.
const ENOUGH: Duration = Duration::from_secs(1);
/// A window in which the machine may have slept, while the counter ran and [`Instant`] did not.
const DOUBTFUL: Duration = Duration::from_secs(60);

static SOURCE: AtomicU8 = AtomicU8::new(UNKNOWN);
static ORIGIN: OnceLock<Reading> = OnceLock::new();
/// Nanoseconds per tick, 32 bits before and 32 after the point.
static RATE: AtomicU64 = AtomicU64::new(ONE);
/// The tick from which on the rate is to be measured again. 0: never measured.
static REFINE_AT: AtomicU64 = AtomicU64::new(0);
const ONE: u64 = 1 << 32;

/// A line of its own: everybody reads it all the time.
#[repr(align(128))]
struct Line(AtomicU64);

/// What the monitor of some runtime said last, in ticks.
static ROUGH: Line = Line(AtomicU64::new(0));
/// Stamps between two readings, at the least and at the most.
const SKIPS: u8 = 7;
const MOST_SKIPS: u8 = 63;
/// How old, in ticks, the last reading may be at the next one for more stamps to be skipped: some 10 us.
const FRESH: u64 = 1 << 15;

thread_local! {
    static RECENT: Cell<u64> = const { Cell::new(0) };
    /// Stamps until the next reading, and from one reading to the next.
    static LEFT: Cell<u8> = const { Cell::new(0) };
    static STRIDE: Cell<u8> = const { Cell::new(0) };
    /// Since the last reading only our own code ran, and not much of it.
    static NEAR: Cell<bool> = const { Cell::new(false) };
}

/// Both clocks at one moment.
#[derive(Clone, Copy)]
struct Reading {
    tick: u64,
    at: Instant,
}

/// Now, in ticks. Only differences mean anything, and only through [`ticks_to_ns`].
#[inline]
pub(crate) fn ticks() -> u64 {
    let now = if SOURCE.load(Relaxed) == COUNTER {
        counter()
    } else {
        ticks_slow()
    };
    RECENT.with(|recent| recent.set(now));
    now
}

/// About now, in ticks, for a record: on a worker that polls, one in 8 to 64 stamps is a reading, the fewer the closer they
/// follow each other. Those in between say what the last one said, or what the monitor said since, which looks after 10 ms
/// at the latest. Where nobody [skips](skip_some) it is a reading.
#[inline]
pub(crate) fn stamp() -> u64 {
    if cfg!(gochan_off) {
        return recent();
    }
    LEFT.with(|left| match left.get().checked_sub(1) {
        Some(fewer) => {
            left.set(fewer);
            // ORDERING: Relaxed: a number that stands for itself.
            let now = roughly();
            RECENT.with(|recent| recent.set(now));
            now
        }
        None => {
            let before = recent();
            let now = ticks();
            left.set(stride(now.saturating_sub(before)));
            now
        }
    })
}

/// How many stamps to skip after a reading that is `age` younger than the last one.
#[inline]
fn stride(age: u64) -> u8 {
    STRIDE.with(|stride| {
        let next = match (stride.get(), age < FRESH) {
            (0, _) => 0,
            (now, true) => (2 * now + 1).min(MOST_SKIPS),
            (_, false) => SKIPS,
        };
        stride.set(next);
        next
    })
}

/// As [`ticks`], unless it was just asked: several events of one moment share a reading.
pub(crate) fn near() -> u64 {
    match NEAR.with(Cell::get) {
        true => recent(),
        false => ticks(),
    }
}

/// What comes now is of the moment of the last reading, until somebody says [`far`] or [`stale`].
pub(crate) fn set_near() {
    NEAR.with(|near| near.set(true));
}

/// What comes now takes time: a poll, or somebody else's waker.
pub(crate) fn far() {
    NEAR.with(|near| near.set(false));
}

/// The thread's time goes on without stamps, as while it sleeps: the next one is a reading.
#[inline]
pub(crate) fn stale() {
    LEFT.with(|left| left.set(0));
    far();
}

/// This thread polls one task after the other, until the guard is dropped.
#[cfg_attr(not(feature = "rt"), allow(dead_code))]
pub(crate) fn skip_some() -> Skipping {
    STRIDE.with(|stride| stride.set(SKIPS));
    Skipping(())
}

/// See [`skip_some`].
#[must_use = "dropping it ends it"]
pub(crate) struct Skipping(());

impl Drop for Skipping {
    fn drop(&mut self) {
        skip_none();
    }
}

/// This thread may be in a poll that nobody watches, and so no monitor be awake: each stamp is a reading, until it
/// [skips](skip_again) some again or its [guard](skip_some) is renewed.
#[cfg_attr(not(feature = "rt"), allow(dead_code))]
pub(crate) fn skip_none() {
    STRIDE.with(|stride| stride.set(0));
    stale();
}

/// After [`skip_none`], on a worker.
#[cfg_attr(not(feature = "rt"), allow(dead_code))]
pub(crate) fn skip_again() {
    STRIDE.with(|stride| stride.set(SKIPS));
    stale();
}

/// For the monitor: all threads may know what time it is.
#[cfg_attr(not(feature = "rt"), allow(dead_code))]
pub(crate) fn tell_all() {
    ROUGH.0.store(ticks(), Relaxed);
}

/// What this thread read last, or what the monitor said since.
#[inline]
pub(crate) fn roughly() -> u64 {
    recent().max(ROUGH.0.load(Relaxed))
}

/// What [`ticks`] last said on this thread: for whoever can do with that and not with the cost of a reading.
#[inline]
pub(crate) fn recent() -> u64 {
    RECENT.with(Cell::get)
}

/// A difference of ticks as nanoseconds, exact to better than 0.1 %. The first call in a process may spin for up to
/// 0.1 ms.
pub(crate) fn ticks_to_ns(delta: u64) -> u64 {
    scaled(delta, rate(ticks))
}

/// As [`ticks_to_ns`], for who has just read `now`.
pub(crate) fn ticks_to_ns_at(delta: u64, now: u64) -> u64 {
    scaled(delta, rate(|| now))
}

#[inline]
fn scaled(delta: u64, rate: u64) -> u64 {
    let ns = (u128::from(delta) * u128::from(rate)) >> 32;
    u64::try_from(ns).unwrap_or(u64::MAX)
}

/// As [`ticks_to_ns`], for comparing with a limit: the rate is not refined for it, so that it takes no reading.
#[inline]
pub(crate) fn ticks_to_ns_roughly(delta: u64) -> u64 {
    // ORDERING: as in `rate`.
    if REFINE_AT.load(Acquire) == 0 {
        measure();
    }
    scaled(delta, RATE.load(Relaxed))
}

/// Nanoseconds from the tick `since` until now; 0 for a tick that is yet to come.
pub(crate) fn ns_since(since: u64) -> u64 {
    ticks_to_ns(ticks().saturating_sub(since))
}

// === the source ===

#[cold]
fn ticks_slow() -> u64 {
    let origin = origin();
    if SOURCE.load(Relaxed) == COUNTER {
        counter()
    } else {
        nanos(origin.at.elapsed())
    }
}

#[cold]
fn origin() -> Reading {
    *ORIGIN.get_or_init(|| {
        let (source, reading) = if has_counter() {
            (COUNTER, read_both(counter))
        } else {
            (
                INSTANT,
                Reading {
                    tick: 0,
                    at: Instant::now(),
                },
            )
        };
        SOURCE.store(source, Relaxed);
        reading
    })
}

#[cfg(all(target_arch = "x86_64", not(miri)))]
#[inline(always)]
fn counter() -> u64 {
    // SAFETY: every x86-64 processor has the instruction, and an operating system that forbids it to programs kills
    // them at once, it does not hand out garbage.
    unsafe { core::arch::x86_64::_rdtsc() }
}

#[cfg(all(target_arch = "x86_64", not(miri)))]
fn has_counter() -> bool {
    const POWER: u32 = 0x8000_0007;
    const INVARIANT_TSC: u32 = 1 << 8;
    // CPUID itself is there on every x86-64; it became a safe function after our oldest compiler.
    #[allow(unused_unsafe)]
    // SAFETY: CPUID only reads, and leaf 0x8000_0000 tells whether the second leaf exists.
    unsafe {
        let highest = core::arch::x86_64::__cpuid(0x8000_0000).eax;
        highest >= POWER && core::arch::x86_64::__cpuid(POWER).edx & INVARIANT_TSC != 0
    }
}

#[cfg(not(all(target_arch = "x86_64", not(miri))))]
fn counter() -> u64 {
    0
}

#[cfg(not(all(target_arch = "x86_64", not(miri))))]
fn has_counter() -> bool {
    false
}

// === the rate ===

fn rate(now: impl Fn() -> u64) -> u64 {
    // ORDERING: pairs with the Release in `measure`: who sees a measured window also sees the rate it gave.
    let refine_at = REFINE_AT.load(Acquire);
    if refine_at != u64::MAX && (refine_at == 0 || now() >= refine_at) {
        measure();
    }
    RATE.load(Relaxed)
}

#[cold]
fn measure() {
    let from = origin();
    if SOURCE.load(Relaxed) != COUNTER {
        REFINE_AT.store(u64::MAX, Release);
        return;
    }
    let to = reading_after(from.at + SHORTEST);
    let window = to.at.saturating_duration_since(from.at);
    let mut rate = rate_between(from, to);
    if window > DOUBTFUL {
        // A fresh short window is less exact, yet right when the machine slept in the long one.
        let fresh = rate_between(to, reading_after(to.at + SHORTEST));
        if rate.abs_diff(fresh) > fresh / 100 {
            rate = fresh;
        }
    }
    RATE.store(rate, Relaxed);
    let next = if window >= ENOUGH {
        u64::MAX
    } else {
        to.tick.saturating_add(to.tick.saturating_sub(from.tick))
    };
    REFINE_AT.store(next, Release);
}

fn rate_between(from: Reading, to: Reading) -> u64 {
    let ns = nanos(to.at.saturating_duration_since(from.at));
    let ticks = to.tick.saturating_sub(from.tick);
    let rate = (u128::from(ns) << 32).checked_div(u128::from(ticks));
    rate.and_then(|r| u64::try_from(r).ok())
        .unwrap_or(ONE)
        .max(1)
}

fn reading_after(at: Instant) -> Reading {
    while Instant::now() < at {
        std::hint::spin_loop();
    }
    read_both(counter)
}

/// The best of a few tries, so that a thread switched out in between does not spoil the pair.
fn read_both(counter: fn() -> u64) -> Reading {
    let try_once = || {
        let before = counter();
        let at = Instant::now();
        let gap = counter().saturating_sub(before);
        let tick = before.saturating_add(gap / 2);
        (gap, Reading { tick, at })
    };
    let mut best = try_once();
    for _ in 0..4 {
        let next = try_once();
        if next.0 < best.0 {
            best = next;
        }
    }
    best.1
}

fn nanos(d: Duration) -> u64 {
    u64::try_from(d.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
