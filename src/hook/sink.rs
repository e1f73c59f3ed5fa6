//! The recorders of this crate, told of events before any [`Subscriber`](super::Subscriber): no lock, no allocation, and
//! one reading of the clock for all of them.
//!
//! What it is not: a public door. A sink runs wherever an event happens, also where locks of ours are held, so it is our
//! own code: it takes no lock but its own, wakes nobody, raises no events and does not panic.
//!
//! 1. Each recorder has its [`Place`], for ever; what changes is which events the place wants. Its sink stays known once
//!    it was attached, so a delivery that is under way when its place wants no more still finds it.
//! 2. `WANTED_BY[event]` is written under the lock of the subscribers' list only, and the common mask after it.
// Not every recorder looks at every field.
#![allow(dead_code)]

use std::panic::Location;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

use super::object::ObjId;
use super::record::Record;
use super::subscriber::{Exit, Park, Ready, Spawn};
use super::{LongPoll, subscriber};
use crate::wait::reason::WaitReason;

/// Where a recorder is attached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// Latencies.
    Latency,
    /// Statistics of contention.
    Stats,
    /// Profiles.
    Profile,
    /// The flight recorder.
    Trace,
    #[cfg(test)]
    Test,
}

const PLACES: usize = 5;
/// Events have the bits below this one.
const EVENTS: usize = 10;

/// Somebody's hold of something has ended.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Released {
    /// What was held.
    pub(crate) object: ObjId,
    /// Who acquired it.
    pub(crate) holder: ObjId,
    /// Where.
    pub(crate) acquired: Option<&'static Location<'static>>,
    /// When, in ticks, to about a poll.
    pub(crate) since: u64,
    /// Where it was released, if somebody said so.
    pub(crate) released: Option<&'static Location<'static>>,
}

/// A task's poll begins.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Begun {
    /// The task's record, which already says that it runs.
    pub(crate) record: &'static Record,
    /// How it came to be runnable.
    pub(crate) ready: Option<Made>,
}

/// How a task became runnable.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Made {
    /// When, in ticks.
    pub(crate) at: u64,
    /// By the end of which wait. `None`: it was spawned, or gave way.
    pub(crate) after: Option<WaitReason>,
}

/// A worker took tasks out of another's queue.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stolen {
    /// The number of the worker that took them.
    pub(crate) by: u32,
    /// The number of the other.
    pub(crate) from: u32,
    /// How many.
    pub(crate) tasks: u32,
}

/// A recorder of this crate. `now` is in ticks.
#[allow(unused_variables)]
pub(crate) trait Sink: Sync {
    fn spawn(&self, event: &Spawn, now: u64) {}
    fn park(&self, event: &Park<'_>, now: u64) {}
    /// On the thread that ends the wait; there may be no record behind `event.task`.
    fn ready(&self, event: &Ready, now: u64) {}
    fn poll_start(&self, event: &Begun, now: u64) {}
    fn poll_end(&self, task: ObjId, done: bool, now: u64) {}
    fn exit(&self, event: &Exit, now: u64) {}
    fn long_poll(&self, event: &LongPoll, now: u64) {}
    /// May be told under the lock of the object.
    fn release(&self, event: &Released, now: u64) {}
    /// How the object works has changed. Told under the lock of the object.
    fn mode(&self, object: ObjId, now: u64) {}
    fn steal(&self, event: &Stolen, now: u64) {}
}

static SINKS: [OnceLock<&'static dyn Sink>; PLACES] = [const { OnceLock::new() }; PLACES];
/// Of each event, the places that want it: a bit each.
static WANTED_BY: [AtomicU32; EVENTS] = [const { AtomicU32::new(0) }; EVENTS];

/// `sink` is told of `events` from now on; of none if that is 0. A place has one sink for ever.
pub(crate) fn attach(place: Place, sink: &'static dyn Sink, events: u32) {
    SINKS[place as usize].get_or_init(|| sink);
    let bit = 1 << place as u32;
    subscriber::change_mask(|| {
        for (event, wanted_by) in WANTED_BY.iter().enumerate() {
            // ORDERING: Relaxed: one writer at a time, and who is told a little late is told.
            let others = wanted_by.load(Relaxed) & !bit;
            let wants = events >> event & 1 != 0;
            wanted_by.store(if wants { others | bit } else { others }, Relaxed);
        }
    });
}

/// What all places want together.
pub(super) fn wanted() -> u32 {
    let bits = WANTED_BY.iter().enumerate();
    bits.fold(0, |all, (event, wanted_by)| {
        all | u32::from(wanted_by.load(Relaxed) != 0) << event
    })
}

/// Tells those who want it.
#[inline]
pub(super) fn tell(event: u32, now: u64, tell: impl Fn(&dyn Sink, u64)) {
    let mut places = WANTED_BY[event.trailing_zeros() as usize].load(Relaxed);
    while places != 0 {
        if let Some(sink) = SINKS[places.trailing_zeros() as usize].get() {
            tell(*sink, now);
        }
        places &= places - 1;
    }
}

#[cfg(all(test, not(gochan_loom)))]
mod tests;
