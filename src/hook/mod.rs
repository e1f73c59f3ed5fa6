//! The waist: every wait and every wake passes here, and whoever wants to know of them subscribes here.
//!
//! A [`Subscriber`] is told when a task is spawned, polled, begins to wait, is made ready and ends: with the reason, the
//! object, the place in the source, and who woke whom. While nobody subscribes, an event costs one relaxed load.
//!
//! ```
//! use gochan::hook::{self, Park, Subscriber};
//!
//! struct Printer;
//!
//! impl Subscriber for Printer {
//!     fn on_park(&self, event: &Park<'_>) {
//!         eprintln!("{} waits: {} at {}", event.task, event.reason, event.site);
//!     }
//! }
//!
//! let printing = hook::subscribe(Printer);
//! // ... run the program ...
//! drop(printing);
//! ```
// Inside: `record` is what a dump reads of a task, `registry` is where records live, `current` is who runs on this
// thread, `holder` is who holds what, `long` is who keeps its thread for too long, `counted` is how many are in a group, `object` are the tags and names of what can be
// waited for, `region` and `label` are what a task says of itself, `intern` gives numbers to what lives for ever,
// `listed` is what channels say of themselves,
// `sink` are the recorders of this crate, `subscriber` is the delivery of events to everybody else.
//
// Primitives know `current` and the two words `on` and `ready`; executors know all of it. Nothing here knows a
// primitive, a task or a recorder.

pub(crate) mod counted;
pub(crate) mod current;
pub(crate) mod holder;
pub(crate) mod intern;
pub(crate) mod label;
pub(crate) mod listed;
pub(crate) mod long;
pub(crate) mod object;
pub(crate) mod record;
pub(crate) mod region;
pub(crate) mod registry;
pub(crate) mod sink;
mod subscriber;
pub(crate) mod type_name;

#[cfg(all(test, gochan_loom))]
mod model;

use std::panic::Location;
// The mask is the real machine's under loom as well: nobody subscribes in a model.
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

use crate::clock;

pub use self::long::{LongPoll, LongPollCause};
pub use self::object::{Kind, ObjId, name};
pub use self::subscriber::{
    Events, Exit, Park, PollEnd, PollStart, Ready, Spawn, Subscriber, Subscription, dropped_events,
    subscribe,
};
pub use crate::wait::reason::{WaitClass, WaitReason};

#[cfg(feature = "rt")]
pub(crate) use self::subscriber::stolen;
pub(crate) use self::subscriber::{
    exited, is_subscribed, long_poll, long_poll_seen, mode_changed, poll_ended, poll_started,
    ready, released, spawned,
};

/// The atomics that records are made of. Always the real machine's, so that records outlive the runs of a model; the
/// model of the record itself (`model`) compiles `record.rs` a second time over loom's.
mod words {
    pub(super) use std::sync::atomic::{AtomicPtr, AtomicU32, AtomicU64, Ordering, fence};
}

/// One wait, as the one who waits describes it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Note {
    /// [`current::task_id`] of the one who waits.
    pub(crate) task: u64,
    pub(crate) reason: WaitReason,
    pub(crate) object: ObjId,
    /// Where the object was made.
    pub(crate) made: Option<&'static Location<'static>>,
    /// Where the operation was called.
    pub(crate) site: &'static Location<'static>,
    /// When the wait began, in ticks.
    pub(crate) since: u64,
}

/// A wait that has ended, for those who listen.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Woken {
    pub(crate) note: Note,
    pub(crate) more: More,
}

/// What the recorders of this crate are told of a wait beside its [`Note`].
#[derive(Clone, Copy)]
pub(crate) struct More {
    /// Of the one who waits, if it has one.
    pub(crate) waiter: Option<&'static record::Record>,
    /// How many waited in that queue when it began to, itself included; 0: not known.
    pub(crate) depth: u32,
    /// It was woken before, found that somebody else was faster, and has waited on.
    pub(crate) again: bool,
    /// It has what it waited for. If not, it was only woken to look.
    pub(crate) handed: bool,
    /// When the wait began, in ticks.
    pub(crate) since: u64,
}

impl std::fmt::Debug for More {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("..")
    }
}

impl Woken {
    /// Whoever runs here waits.
    pub(crate) fn new(note: Note) -> Woken {
        let more = More {
            waiter: current::record(),
            depth: 0,
            again: false,
            handed: true,
            since: note.since,
        };
        Woken { note, more }
    }
}

/// One arm of a select that waits: what it wants of which object, and where.
///
/// The direction is in the reason: [`WaitReason::ChanRecv`] or [`WaitReason::ChanSend`] for channels.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct ArmNote {
    /// What the arm waits for.
    pub reason: WaitReason,
    /// The object it waits on.
    pub object: ObjId,
    /// Where that object was made, if it says so.
    pub made: Option<&'static Location<'static>>,
    /// Where the arm's operation was called.
    pub site: &'static Location<'static>,
}

impl ArmNote {
    /// An arm that never comes, as Go's nil channel.
    pub(crate) const NIL: ArmNote = ArmNote {
        reason: WaitReason::ChanRecvNil,
        object: ObjId::NONE,
        made: None,
        site: Location::caller(),
    };
}

pub(crate) const SPAWN: u32 = 1 << 0;
pub(crate) const PARK: u32 = 1 << 1;
pub(crate) const READY: u32 = 1 << 2;
pub(crate) const POLL_START: u32 = 1 << 3;
pub(crate) const POLL_END: u32 = 1 << 4;
pub(crate) const EXIT: u32 = 1 << 5;
pub(crate) const LONG_POLL: u32 = 1 << 6;
// For sinks only: they happen where a lock may be held, or where a microsecond is much.
pub(crate) const RELEASE: u32 = 1 << 7;
pub(crate) const STEAL: u32 = 1 << 8;
pub(crate) const MODE: u32 = 1 << 9;

/// Whether anything is recorded at all. Not under the private cfg `gochan_off`, against which the cost of recording is
/// measured: such a program runs as always, and says nothing.
pub(crate) const RECORDED: bool = !cfg!(gochan_off);

/// About now, in ticks, for a record; exactly now while somebody listens.
#[inline]
pub(crate) fn stamp() -> u64 {
    // ORDERING: Relaxed: as in `on`.
    match RECORDED && MASK.load(Relaxed) != 0 {
        true => clock::ticks(),
        false => clock::stamp(),
    }
}

/// The events that somebody listens to.
static MASK: AtomicU32 = AtomicU32::new(0);

/// Whether somebody listens to this event.
#[inline(always)]
pub(crate) fn on(event: u32) -> bool {
    // ORDERING: Relaxed: a subscriber is told what happens from some moment soon after `subscribe` on; nothing that it
    // reads is published by the mask.
    RECORDED && MASK.load(Relaxed) & event != 0
}
