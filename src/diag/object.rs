//! What is waited for, as the dump shows it: who holds it, who waits, and what it says of itself.

use std::panic::Location;
use std::sync::Arc;

use crate::hook::{ObjId, WaitReason};

type Site = &'static Location<'static>;

/// Something that is waited for, or held.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Object {
    /// Its tag, which has its kind.
    pub id: ObjId,
    /// The name it was given.
    pub name: Option<Arc<str>>,
    /// Where it was made; of a task, where it was spawned. `None` also for a lock that is held and not waited for.
    pub made: Option<Site>,
    /// Who holds it, longest first: of locks and permits. Of a wait group: who has not finished, as far as it was not
    /// counted by hand.
    pub holders: Vec<Holder>,
    /// Of a wait group: how many have not finished.
    pub count: Option<usize>,
    /// How many of the dump's tasks and threads wait for it.
    pub waiters: usize,
    /// Those, in the order in which they began to: with a select once for each of its first four arms that waits here.
    pub queue: Vec<Queued>,
    /// How it works at the moment, where that is not as always: `starving` of a mutex that hands over instead of
    /// letting newcomers in.
    pub mode: Option<&'static str>,
    /// Of a channel that has been waited for.
    pub buffer: Option<Buffer>,
}

/// What a channel says of itself. Each number is right by itself; they were read one after the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Buffer {
    /// Values that are there to be received.
    pub len: usize,
    /// Values that fit; `None`: without limit.
    pub capacity: Option<usize>,
    /// Handles to send with.
    pub senders: usize,
    /// Handles to receive with.
    pub receivers: usize,
    /// Whether it is closed.
    pub closed: bool,
}

/// Somebody who waits for an object.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Queued {
    /// The task or thread.
    pub id: ObjId,
    /// What it wants of the object.
    pub reason: WaitReason,
    /// How long it has waited, in nanoseconds.
    pub waited_ns: u64,
    /// Where the operation was called.
    pub site: Option<Site>,
}

/// Somebody who holds something that others wait for.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Holder {
    /// The task that acquired it, or the thread. [`ObjId::NONE`]: a thread that was about to end.
    pub id: ObjId,
    /// The name of that task or thread.
    pub name: Option<Arc<str>>,
    /// Whether that task or thread is gone, and has left what it held to somebody else or to nobody.
    pub gone: bool,
    /// Where it was acquired.
    pub site: Option<Site>,
    /// How long ago, in nanoseconds.
    pub held_ns: u64,
}

impl Object {
    /// Those who want this of it, longest wait first.
    pub(super) fn waiting(&self, reason: WaitReason) -> impl Iterator<Item = &Queued> {
        self.queue.iter().filter(move |q| q.reason == reason)
    }
}
