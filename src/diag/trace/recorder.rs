//! The flight recorder: it writes down what happens, all the time, and forgets what is old.
//!
//! What it is not: a file. What it remembers is read by [`Recorder::snapshot`].

use std::fmt;
use std::sync::Arc;
use std::thread::available_parallelism;
use std::time::Duration;

use super::event::{End, Event, UNKNOWN, What, tag};
use super::log;
use super::ring::Words;
use super::rings;
use super::snapshot;
use super::value::Trace;
use super::waited;
use crate::error::AlreadyRecording;
use crate::hook::intern::{NAMES, SITES};
use crate::hook::record::Record;
use crate::hook::sink::{self, Begun, Place, Released, Sink, Stolen};
use crate::hook::{self, Exit, LongPoll, ObjId, Park, Ready, Spawn, current};

/// The fewest events of a ring.
const FEWEST: usize = 64;
/// Rings that are expected besides those of the workers.
const OTHERS: usize = 4;

const EVENTS: u32 = hook::SPAWN
    | hook::PARK
    | hook::READY
    | hook::POLL_START
    | hook::POLL_END
    | hook::EXIT
    | hook::LONG_POLL
    | hook::STEAL
    | hook::RELEASE;

/// A flight recorder: while it lives, everything that tasks do is written down, and the most recent part is kept.
///
/// What happens in a program that misbehaves is asked for afterwards, when it is too late to begin to record. So let one
/// run all the time, and take a [`snapshot`](Recorder::snapshot) when something is wrong: by hand, or by a
/// [`Trigger`](super::Trigger). It costs some ten nanoseconds an event and a fixed amount of memory. As Go's
/// `runtime/trace.FlightRecorder`.
///
/// One recorder runs at a time. Its clones are the same one; recording ends with the last of them.
///
/// # Examples
///
/// ```
/// use gochan::diag::trace::Recorder;
/// use gochan::{chan, go};
///
/// let recorder = Recorder::start().unwrap();
/// gochan::run(async {
///     let (tx, rx) = chan::<u64>(0);
///     let task = go(async move { rx.recv().await });
///     tx.send(1).await.unwrap();
///     task.await.unwrap().unwrap();
/// });
/// let trace = recorder.snapshot();
/// assert!(!trace.events().is_empty());
/// # #[cfg(feature = "diag")]
/// std::fs::write(std::env::temp_dir().join("demo.pftrace"), trace.to_perfetto()).unwrap();
/// ```
#[derive(Clone)]
#[must_use = "recording ends when the recorder is dropped"]
pub struct Recorder(Arc<Running>);

/// How to record: see [`Recorder::builder`].
#[derive(Clone, Copy, Debug)]
#[must_use = "nothing is recorded before `start`"]
pub struct Builder {
    window: Duration,
    max_bytes: usize,
}

/// What a [`Recorder`] has done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Status {
    /// Events written since it was started. Each arm of a select and each 31 bytes of a log's text count as one.
    pub written: u64,
    /// Of these, those that newer ones were written over.
    pub overwritten: u64,
    /// Events that were not written, because several threads without memory of their own recorded at the same time.
    pub dropped: u64,
    /// Memory that is taken for events, in bytes.
    pub bytes: u64,
}

struct Running {
    window: Duration,
}

impl Recorder {
    /// Starts recording: events of the last 10 seconds, as far as 10 MiB hold them.
    ///
    /// # Errors
    ///
    /// [`AlreadyRecording`] if a recorder runs.
    pub fn start() -> Result<Recorder, AlreadyRecording> {
        Recorder::builder().start()
    }

    /// A recorder with other limits.
    ///
    /// ```
    /// use gochan::diag::trace::Recorder;
    /// use std::time::Duration;
    ///
    /// let recorder = Recorder::builder()
    ///     .window(Duration::from_secs(60))
    ///     .max_bytes(64 << 20)
    ///     .start()
    ///     .unwrap();
    /// assert_eq!(recorder.status().dropped, 0);
    /// ```
    pub fn builder() -> Builder {
        Builder {
            window: Duration::from_secs(10),
            max_bytes: 10 << 20,
        }
    }

    /// What is remembered now. Recording goes on, and nobody waits for it.
    ///
    /// The trace begins where the memory of every thread begins: what one thread still remembers of an earlier time, and
    /// another does not, is left out.
    pub fn snapshot(&self) -> Trace {
        snapshot::take(self.0.window)
    }

    /// How much was written, overwritten and dropped.
    ///
    /// ```
    /// let recorder = gochan::diag::trace::Recorder::start().unwrap();
    /// let status = recorder.status();
    /// assert!(status.bytes <= 10 << 20);
    /// ```
    pub fn status(&self) -> Status {
        let (written, overwritten, dropped, bytes) = rings::counts();
        Status {
            written,
            overwritten,
            dropped,
            bytes,
        }
    }
}

impl Builder {
    /// Events that are older than this are left out of snapshots.
    pub fn window(self, window: Duration) -> Builder {
        Builder { window, ..self }
    }

    /// The memory for events, of all threads together, in bytes. Each thread that records has a part of it; threads for which
    /// nothing is left share one.
    pub fn max_bytes(self, max_bytes: usize) -> Builder {
        Builder { max_bytes, ..self }
    }

    /// Starts recording.
    ///
    /// # Errors
    ///
    /// [`AlreadyRecording`] if a recorder runs.
    pub fn start(self) -> Result<Recorder, AlreadyRecording> {
        if !rings::start(slots(self.max_bytes), self.max_bytes as u64) {
            return Err(AlreadyRecording::new());
        }
        sink::attach(Place::Trace, &Tap, EVENTS);
        Ok(Recorder(Arc::new(Running {
            window: self.window,
        })))
    }
}

/// Slots of each ring: a power of two, so that there is one for each worker and some others.
fn slots(max_bytes: usize) -> usize {
    let threads = available_parallelism().map_or(1, |n| n.get()) + OTHERS;
    let slots = max_bytes / size_of::<Words>() / threads;
    let below = (slots + 1).next_power_of_two() / 2;
    below.max(FEWEST)
}

impl Drop for Running {
    fn drop(&mut self) {
        sink::attach(Place::Trace, &Tap, 0);
        rings::stop();
    }
}

impl fmt::Debug for Recorder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Recorder")
            .field("window", &self.0.window)
            .field("status", &self.status())
            .finish()
    }
}

// === what happens, as events ===

/// Listens to the hook.
struct Tap;

impl Sink for Tap {
    fn spawn(&self, spawn: &Spawn, now: u64) {
        rings::write(Event {
            site: SITES.number(spawn.site),
            a: tag(spawn.task),
            b: tag(spawn.parent),
            c: NAMES.number(spawn.type_name).into(),
            ..Event::new(What::Spawn, now)
        });
    }

    fn park(&self, park: &Park<'_>, now: u64) {
        waited::note(park);
        let made = park.made.map_or(0, |made| SITES.number(made));
        let event = Event {
            small: park.reason as u8,
            site: SITES.number(park.site),
            a: tag(park.task),
            b: tag(park.object),
            c: u64::from(made) | (park.arms.len() as u64) << 16,
            ..Event::new(What::Park, now)
        };
        match park.arms {
            [] => rings::write(event),
            arms => park_select(event, arms),
        }
    }

    fn ready(&self, ready: &Ready, now: u64) {
        rings::write(Event {
            small: ready.reason as u8,
            site: SITES.number(ready.site),
            a: tag(ready.task),
            b: tag(ready.object),
            c: tag(ready.by),
            ..Event::new(What::Ready, now)
        });
    }

    fn poll_start(&self, begun: &Begun, now: u64) {
        let (small, c) = match begun.ready {
            Some(made) => (
                made.after.map_or(0, |reason| 1 + reason as u8),
                now.saturating_sub(made.at),
            ),
            None => (UNKNOWN, 0),
        };
        rings::write(Event {
            small,
            a: tag(begun.record.id()),
            c,
            ..Event::new(What::PollStart, now)
        });
    }

    fn poll_end(&self, task: ObjId, done: bool, now: u64) {
        let end = if done { End::Done } else { End::Pending };
        rings::write(Event {
            small: end as u8,
            a: tag(task),
            ..Event::new(What::PollEnd, now)
        });
    }

    fn exit(&self, exit: &Exit, now: u64) {
        rings::write(Event {
            small: u8::from(exit.panicked) | u8::from(exit.aborted) << 1,
            a: tag(exit.task),
            ..Event::new(What::Exit, now)
        });
        if current::record().is_some_and(Record::is_named) {
            log::name(exit.task, now);
        }
    }

    fn long_poll(&self, poll: &LongPoll, now: u64) {
        rings::write(Event {
            site: poll.after.map_or(0, |site| SITES.number(site)),
            a: tag(poll.task),
            b: tag(poll.object),
            c: poll.lasted_ns,
            ..Event::new(What::LongPoll, now)
        });
    }

    /// Of what nobody waits for there are too many, and nothing to tell.
    fn release(&self, held: &Released, now: u64) {
        if waited::is_for(held.object) {
            rings::write(Event {
                site: held.acquired.map_or(0, |site| SITES.number(site)),
                a: tag(held.holder),
                b: tag(held.object),
                c: now.saturating_sub(held.since),
                ..Event::new(What::Hold, now)
            });
        }
    }

    fn steal(&self, stolen: &Stolen, now: u64) {
        rings::write(Event {
            a: stolen.by.into(),
            b: stolen.from.into(),
            c: stolen.tasks.into(),
            ..Event::new(What::Steal, now)
        });
    }
}

/// The first arms of a select follow it.
#[cold]
fn park_select(event: Event, arms: &[hook::ArmNote]) {
    const ARMS: usize = 4;
    let mut words = [event.words(); 1 + ARMS];
    let shown = arms.len().min(ARMS);
    for (place, arm) in words[1..].iter_mut().zip(arms) {
        *place = Event {
            small: arm.reason as u8,
            site: SITES.number(arm.site),
            b: tag(arm.object),
            c: arm.made.map_or(0, |made| SITES.number(made)).into(),
            ..Event::new(What::Arm, event.at)
        }
        .words();
    }
    rings::write_all(&words[..=shown]);
}
