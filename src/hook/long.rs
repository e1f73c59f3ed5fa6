//! Long polls: tasks that have kept a worker's thread to themselves for too long and still do, as the monitor saw them.
//!
//! What it is not: a history. An entry lasts for one poll, and a reader believes it only as long as that poll does.

use std::fmt;
use std::panic::Location;
use std::time::Instant;

use ::parking_lot::Mutex;

use super::object::{ObjId, name};
use super::record::{Snapshot, State};

/// A poll that takes too long, told while it lasts. See [`Subscriber::on_long_poll`](super::Subscriber::on_long_poll).
///
/// Its `Display` is the line for a log.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct LongPoll {
    /// The task that is being polled.
    pub task: ObjId,
    /// Where it was spawned.
    pub spawned: Option<&'static Location<'static>>,
    /// The type of its future.
    pub type_name: Option<&'static str>,
    /// Where it called the operation that it waited for last, which has returned since. `None`: it has not waited yet, or
    /// for a future that is not of this crate.
    pub after: Option<&'static Location<'static>>,
    /// What that operation waited on; of a select, what its first arm did.
    pub object: ObjId,
    /// For how long the poll has lasted at least, in nanoseconds.
    pub lasted_ns: u64,
    /// What its thread did meanwhile, where the system tells.
    pub cause: Option<LongPollCause>,
    /// Whether another thread has taken over the worker's slot, so that other tasks go on.
    pub taken_over: bool,
    /// Which one of the task's polls it is.
    pub(crate) number: u64,
}

/// What the thread of a [`LongPoll`] did for most of the time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum LongPollCause {
    /// It ran: the task computes.
    Running,
    /// It slept in the kernel: the task waits in a call that blocks the thread. [`blocking`](crate::blocking) is for those.
    Asleep,
    /// It wanted to run, and the kernel ran others: the machine is too busy.
    Descheduled,
}

impl fmt::Display for LongPollCause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            LongPollCause::Running => "running",
            LongPollCause::Asleep => "asleep in the kernel",
            LongPollCause::Descheduled => "descheduled by the kernel",
        })
    }
}

impl fmt::Display for LongPoll {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "long poll: task {}", self.task.number())?;
        if let Some(name) = name(self.task) {
            write!(f, " {name:?}")?;
        }
        if let Some(site) = self.spawned {
            write!(f, ", spawned at {}:{},", site.file(), site.line())?;
        }
        write!(f, " in one poll for {} ms", self.lasted_ns / 1_000_000)?;
        if let Some(cause) = self.cause {
            write!(f, ", {cause}")?;
        }
        match self.after {
            Some(site) => write!(f, ", after its wait at {}:{}", site.file(), site.line()),
            None => Ok(()),
        }
    }
}

/// One poll of one task.
#[derive(Clone, Copy, Debug)]
struct Entry {
    poll: LongPoll,
    polls: u64,
    since: Instant,
}

static LONG: Mutex<Vec<Entry>> = Mutex::new(Vec::new());

/// The poll that `seen` shows has lasted since then. What comes back describes it.
pub(crate) fn note(
    seen: &Snapshot,
    since: Instant,
    cause: Option<LongPollCause>,
    taken_over: bool,
) -> LongPoll {
    let (object, after) = match seen.after {
        Some((object, site)) => (object, Some(site)),
        None => (ObjId::NONE, None),
    };
    let poll = LongPoll {
        task: seen.id,
        spawned: seen.spawned,
        type_name: seen.type_name,
        after,
        object,
        lasted_ns: elapsed(since),
        cause,
        taken_over,
        number: seen.polls,
    };
    let entry = Entry {
        poll,
        polls: seen.polls,
        since,
    };
    let mut long = LONG.lock();
    long.retain(|other| other.poll.task != seen.id);
    long.push(entry);
    poll
}

/// The task's long poll is over.
pub(crate) fn over(task: ObjId) {
    LONG.lock().retain(|entry| entry.poll.task != task);
}

/// The long poll that `seen` is in, with the time that it has lasted by now.
pub(crate) fn of(seen: &Snapshot) -> Option<LongPoll> {
    if seen.state != State::Running {
        return None;
    }
    let long = LONG.lock();
    let entry = long
        .iter()
        .find(|entry| entry.poll.task == seen.id && entry.polls == seen.polls)?;
    Some(LongPoll {
        lasted_ns: elapsed(entry.since),
        ..entry.poll
    })
}

fn elapsed(since: Instant) -> u64 {
    u64::try_from(since.elapsed().as_nanos()).unwrap_or(u64::MAX)
}
