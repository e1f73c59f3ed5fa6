//! The switches of the profiles that listen to events, and the recorder behind them.
//!
//! 1. Nothing listens while both rates are 0. They are written under `SWITCH`, with what is listened to.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};

use ::parking_lot::Mutex;

use super::{block, living, mutex};
use crate::hook::sink::{self, Place, Released, Sink};
use crate::hook::{EXIT, Exit, PARK, Park, READY, RELEASE, Ready, SPAWN, Spawn};

static BLOCK: AtomicU64 = AtomicU64::new(0);
static MUTEX: AtomicU32 = AtomicU32::new(0);
/// What is listened to.
static LISTENED: AtomicU32 = AtomicU32::new(0);
static SWITCH: Mutex<()> = Mutex::new(());

/// Switches the profile [`block`](crate::diag::profile::block) on, or off with 0: of the waits shorter than `ns` nanoseconds one is taken for every `ns` that
/// they take together, and all longer ones. 1 takes everything, and the sums are exact then; at other rates they are right on
/// average. As Go's `SetBlockProfileRate`.
///
/// It may be changed at any time; what was counted stays. Off, as at the beginning, it costs nothing.
///
/// ```
/// gochan::diag::set_block_profile_rate(10_000);
/// // ... run the program ...
/// gochan::diag::set_block_profile_rate(0);
/// println!("{} ns", gochan::diag::profile::block().total("delay"));
/// ```
pub fn set_block_profile_rate(ns: u64) {
    let switch = SWITCH.lock();
    BLOCK.store(ns, Relaxed);
    listen();
    drop(switch);
}

/// Switches the profile [`mutex`](crate::diag::profile::mutex) on, or off with 0: one wait in `n` is charged, and counts `n` times. Says what it was before.
/// As Go's `SetMutexProfileFraction`, but for negative numbers.
///
/// It may be changed at any time; what was counted stays. Off, as at the beginning, it costs nothing; on, every release of a lock costs a look at
/// a table.
///
/// ```
/// assert_eq!(gochan::diag::set_mutex_profile_fraction(5), 0);
/// assert_eq!(gochan::diag::set_mutex_profile_fraction(0), 5);
/// ```
pub fn set_mutex_profile_fraction(n: u32) -> u32 {
    let switch = SWITCH.lock();
    let before = MUTEX.swap(n, Relaxed);
    listen();
    drop(switch);
    before
}

/// The caller has `SWITCH`.
fn listen() {
    let block = match BLOCK.load(Relaxed) {
        0 => 0,
        _ => SPAWN | EXIT | READY,
    };
    let mutex = match MUTEX.load(Relaxed) {
        0 => 0,
        _ => SPAWN | EXIT | PARK | READY | RELEASE,
    };
    let before = LISTENED.swap(block | mutex, Relaxed);
    sink::attach(Place::Profile, &Recorder, block | mutex);
    match (before, block | mutex) {
        (0, 1..) => living::begin(),
        (1.., 0) => living::end(),
        _ => {}
    }
}

struct Recorder;

impl Sink for Recorder {
    fn spawn(&self, event: &Spawn, _: u64) {
        living::spawned(event);
    }

    fn exit(&self, event: &Exit, _: u64) {
        living::ended(event.task);
    }

    fn park(&self, event: &Park<'_>, now: u64) {
        if MUTEX.load(Relaxed) != 0 {
            mutex::parked(event, now);
        }
    }

    fn ready(&self, event: &Ready, now: u64) {
        let rate = BLOCK.load(Relaxed);
        if rate != 0 {
            block::ready(event, rate);
        }
        let fraction = MUTEX.load(Relaxed);
        if fraction != 0 {
            mutex::ready(event, now, fraction);
        }
    }

    fn release(&self, event: &Released, now: u64) {
        let fraction = MUTEX.load(Relaxed);
        if fraction != 0 {
            mutex::released(event, now, fraction);
        }
    }
}
