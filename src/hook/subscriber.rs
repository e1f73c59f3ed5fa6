//! Who is told of what happens, and the telling.
//!
//! 1. No lock of ours is held while a subscriber runs, and none of the house either: callers raise events only where
//!    they hold nothing.
//! 2. A subscriber's panic ends in here. What it unwinds through is only its own code.
//! 3. Events that a subscriber raises itself, on its own thread, are dropped and counted: it may send, wait and spawn
//!    without hearing of it for ever.
//! 4. Everything but the look at the mask is off the hot path.

use std::cell::Cell;
use std::fmt;
use std::panic::{AssertUnwindSafe, Location, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};

use ::parking_lot::RwLock;

use super::object::ObjId;
use super::record::Record;
use super::sink::{self, Begun, Made, Released, Stolen};
use super::{
    ArmNote, EXIT, LONG_POLL, LongPoll, MASK, MODE, More, Note, PARK, POLL_END, POLL_START, READY,
    RELEASE, SPAWN, STEAL, Woken, current,
};
use crate::clock;
use crate::wait::reason::WaitReason;

// === events ===

/// A task was spawned; it has not run yet.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Spawn {
    /// The new task.
    pub task: ObjId,
    /// The task that spawned it; none if it was no task.
    pub parent: ObjId,
    /// Where it was spawned.
    pub site: &'static Location<'static>,
    /// The type of its future.
    pub type_name: &'static str,
}

/// A task or thread begins to wait.
///
/// A task that is polled again while the wait goes on says so again, with the same object and site. When another thread
/// ends the wait at once, its [`Ready`] may be told before this.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Park<'a> {
    /// The one who waits; none if it is a task of another executor.
    pub task: ObjId,
    /// For what.
    pub reason: WaitReason,
    /// On which object; none for a select, whose objects are in `arms`.
    pub object: ObjId,
    /// Where that object was made, if it says so.
    pub made: Option<&'static Location<'static>>,
    /// Where the operation that waits was called.
    pub site: &'static Location<'static>,
    /// The arms of a select, in the order of the source; else empty.
    pub arms: &'a [ArmNote],
}

/// A wait has ended: the one who waited is about to be woken.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Ready {
    /// The one who waited; none if it is a task of another executor.
    pub task: ObjId,
    /// Who ended the wait; none if it was no task.
    pub by: ObjId,
    /// For what it had waited. In a select, the reason of the select.
    pub reason: WaitReason,
    /// On which object it had waited; in a select, that of the arm that won.
    pub object: ObjId,
    /// Where that object was made, if it says so; not of a select.
    pub made: Option<&'static Location<'static>>,
    /// Where the operation that waited was called.
    pub site: &'static Location<'static>,
    /// How long it had waited, in nanoseconds. Who is woken in vain, because somebody else was faster, waits anew from then on.
    pub waited_ns: u64,
    pub(crate) more: More,
}

/// A poll of a task begins.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct PollStart {
    /// The task.
    pub task: ObjId,
}

/// A poll of a task is over.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct PollEnd {
    /// The task.
    pub task: ObjId,
    /// Whether it was the last poll: the task is done.
    pub done: bool,
}

/// A task has ended: it returned, panicked or was aborted.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Exit {
    /// The task.
    pub task: ObjId,
    /// Whether it ended in a panic.
    pub panicked: bool,
    /// Whether it was aborted.
    pub aborted: bool,
}

/// A set of events, to say which ones a [`Subscriber`] wants.
///
/// ```
/// use gochan::hook::Events;
///
/// let waits = Events::PARK | Events::READY;
/// assert!(waits.contains(Events::PARK));
/// assert!(!waits.contains(Events::ALL));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Events(u32);

impl Events {
    /// [`Subscriber::on_spawn`].
    pub const SPAWN: Events = Events(SPAWN);
    /// [`Subscriber::on_park`].
    pub const PARK: Events = Events(PARK);
    /// [`Subscriber::on_ready`].
    pub const READY: Events = Events(READY);
    /// [`Subscriber::on_poll_start`].
    pub const POLL_START: Events = Events(POLL_START);
    /// [`Subscriber::on_poll_end`].
    pub const POLL_END: Events = Events(POLL_END);
    /// [`Subscriber::on_exit`].
    pub const EXIT: Events = Events(EXIT);
    /// [`Subscriber::on_long_poll`].
    pub const LONG_POLL: Events = Events(LONG_POLL);
    /// All of them.
    pub const ALL: Events = Events(SPAWN | PARK | READY | POLL_START | POLL_END | EXIT | LONG_POLL);

    /// Whether all of `others` are in this set.
    pub const fn contains(self, others: Events) -> bool {
        self.0 & others.0 == others.0
    }
}

impl std::ops::BitOr for Events {
    type Output = Events;

    fn bitor(self, other: Events) -> Events {
        Events(self.0 | other.0)
    }
}

// === subscribers ===

/// Somebody who is told what tasks do.
///
/// The methods run on the thread on which the event happens, in the middle of it: between a wait's beginning and the
/// task's giving way, or between a value's arrival and its receiver's wake-up. They hold nobody's lock, so they may do
/// anything, also send and spawn; what they raise thereby is not delivered ([`dropped_events`]). The faster they are
/// the less they disturb.
///
/// # Panics
///
/// A panic of a subscriber goes to the panic hook and no further.
///
/// # Examples
///
/// ```
/// use gochan::hook::{self, Events, Ready, Subscriber};
/// use std::sync::Arc;
/// use std::sync::atomic::{AtomicU64, Ordering};
///
/// /// The time spent waiting, all tasks together.
/// #[derive(Default)]
/// struct Waited(AtomicU64);
///
/// impl Subscriber for Waited {
///     fn events(&self) -> Events {
///         Events::READY
///     }
///     fn on_ready(&self, event: &Ready) {
///         self.0.fetch_add(event.waited_ns, Ordering::Relaxed);
///     }
/// }
///
/// let waited = Arc::new(Waited::default());
/// let subscription = hook::subscribe(Arc::clone(&waited));
/// // ... run the program ...
/// drop(subscription);
/// println!("waited {} ns", waited.0.load(Ordering::Relaxed));
/// ```
pub trait Subscriber: Send + Sync + 'static {
    /// Which events to deliver; asked once, by [`subscribe`]. Those that nobody wants cost nothing.
    fn events(&self) -> Events {
        Events::ALL
    }

    /// A task was spawned.
    fn on_spawn(&self, event: &Spawn) {
        let _ = event;
    }

    /// A task or thread begins to wait.
    fn on_park(&self, event: &Park<'_>) {
        let _ = event;
    }

    /// A wait has ended.
    fn on_ready(&self, event: &Ready) {
        let _ = event;
    }

    /// A poll begins.
    fn on_poll_start(&self, event: &PollStart) {
        let _ = event;
    }

    /// A poll is over.
    fn on_poll_end(&self, event: &PollEnd) {
        let _ = event;
    }

    /// A task has ended.
    fn on_exit(&self, event: &Exit) {
        let _ = event;
    }

    /// A poll has lasted for more than 10 ms and goes on. Told again after 100 ms, 1 s and so on.
    ///
    /// This one runs on a thread of the runtime's own that does nothing else, and which the runtime's end waits for. The poll may be
    /// over by then. Who blocks it hears no more: 64 long polls are kept, later ones left out.
    fn on_long_poll(&self, event: &LongPoll) {
        let _ = event;
    }
}

impl<S: Subscriber + ?Sized> Subscriber for Arc<S> {
    fn events(&self) -> Events {
        (**self).events()
    }
    fn on_spawn(&self, event: &Spawn) {
        (**self).on_spawn(event);
    }
    fn on_park(&self, event: &Park<'_>) {
        (**self).on_park(event);
    }
    fn on_ready(&self, event: &Ready) {
        (**self).on_ready(event);
    }
    fn on_poll_start(&self, event: &PollStart) {
        (**self).on_poll_start(event);
    }
    fn on_poll_end(&self, event: &PollEnd) {
        (**self).on_poll_end(event);
    }
    fn on_exit(&self, event: &Exit) {
        (**self).on_exit(event);
    }
    fn on_long_poll(&self, event: &LongPoll) {
        (**self).on_long_poll(event);
    }
}

struct Entry {
    subscriber: Box<dyn Subscriber>,
    events: u32,
    panics: AtomicU64,
}

type List = Arc<[Arc<Entry>]>;

static LIST: RwLock<Option<List>> = RwLock::new(None);
/// What the list wants.
static LISTED: AtomicU32 = AtomicU32::new(0);
static DROPPED: AtomicU64 = AtomicU64::new(0);

std::thread_local! {
    /// A subscriber runs on this thread.
    static INSIDE: Cell<bool> = const { Cell::new(false) };
}

/// Tells `subscriber` of everything from now on, until the [`Subscription`] is dropped. There may be several.
pub fn subscribe(subscriber: impl Subscriber) -> Subscription {
    let events = subscriber.events().0;
    let entry = Arc::new(Entry {
        subscriber: Box::new(subscriber),
        events,
        panics: AtomicU64::new(0),
    });
    let new = Arc::clone(&entry);
    change_list(|old| old.iter().cloned().chain([new]).collect());
    Subscription(entry)
}

/// How many events nobody was told of, because a [`Subscriber`] raised them itself while it ran.
///
/// ```
/// assert_eq!(gochan::hook::dropped_events(), 0);
/// ```
pub fn dropped_events() -> u64 {
    DROPPED.load(Relaxed)
}

/// Keeps a [`Subscriber`] subscribed; dropping it unsubscribes.
///
/// A delivery that is already under way on another thread still ends after the drop.
#[must_use = "dropping the subscription ends it"]
pub struct Subscription(Arc<Entry>);

impl Subscription {
    /// How often the subscriber has panicked.
    pub fn panics(&self) -> u64 {
        self.0.panics.load(Relaxed)
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        let mine = &self.0;
        change_list(|old| {
            old.iter()
                .filter(|entry| !Arc::ptr_eq(entry, mine))
                .cloned()
                .collect()
        });
    }
}

impl fmt::Debug for Subscription {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Subscription")
            .field("events", &Events(self.0.events))
            .field("panics", &self.panics())
            .finish_non_exhaustive()
    }
}

/// Replaces the list by what `change` makes of it. The old list goes after the lock does, for it may hold the last
/// reference to a subscriber.
fn change_list(change: impl FnOnce(&[Arc<Entry>]) -> Vec<Arc<Entry>>) {
    let mut list = LIST.write();
    let new = change(list.as_deref().unwrap_or_default());
    let mask = new.iter().fold(0, |mask, entry| mask | entry.events);
    LISTED.store(mask, Relaxed);
    MASK.store(mask | sink::wanted(), Relaxed);
    let new = (!new.is_empty()).then(|| new.into());
    let old = std::mem::replace(&mut *list, new);
    drop(list);
    drop(old);
}

/// Sinks want something else after `change`.
pub(super) fn change_mask(change: impl FnOnce()) {
    let list = LIST.write();
    change();
    MASK.store(LISTED.load(Relaxed) | sink::wanted(), Relaxed);
    drop(list);
}

// === delivery ===

#[cold]
pub(crate) fn spawned(event: Spawn) {
    sink::tell(SPAWN, clock::ticks(), |sink, now| sink.spawn(&event, now));
    deliver(SPAWN, |subscriber| subscriber.on_spawn(&event));
}

#[cold]
pub(super) fn parked(note: &Note, arms: &[ArmNote]) {
    let event = Park {
        task: ObjId::from_raw(note.task),
        reason: note.reason,
        object: note.object,
        made: note.made,
        site: note.site,
        arms,
    };
    sink::tell(PARK, note.since, |sink, now| sink.park(&event, now));
    deliver(PARK, |subscriber| subscriber.on_park(&event));
}

/// A wait has ended, by the doing of the one that runs here. No lock may be held.
#[cold]
pub(crate) fn ready(woken: &Woken) {
    let now = clock::near();
    let note = &woken.note;
    let event = Ready {
        task: ObjId::from_raw(note.task),
        by: current::id(),
        reason: note.reason,
        object: note.object,
        made: note.made,
        site: note.site,
        waited_ns: clock::ticks_to_ns_at(now.saturating_sub(note.since), now),
        more: woken.more,
    };
    sink::tell(READY, now, |sink, now| sink.ready(&event, now));
    clock::set_near();
    deliver(READY, |subscriber| subscriber.on_ready(&event));
}

/// `ready` is what the record said before the poll began.
#[cold]
pub(crate) fn poll_started(record: &'static Record, ready: Option<Made>) {
    let event = Begun { record, ready };
    sink::tell(POLL_START, clock::near(), |sink, now| {
        sink.poll_start(&event, now);
    });
    clock::far();
    let task = record.id();
    deliver(POLL_START, |subscriber| {
        subscriber.on_poll_start(&PollStart { task })
    });
}

#[cold]
pub(crate) fn poll_ended(task: ObjId, done: bool) {
    sink::tell(POLL_END, clock::ticks(), |sink, now| {
        sink.poll_end(task, done, now);
    });
    clock::set_near();
    let event = PollEnd { task, done };
    deliver(POLL_END, |subscriber| subscriber.on_poll_end(&event));
}

#[cold]
pub(crate) fn exited(event: Exit) {
    sink::tell(EXIT, clock::near(), |sink, now| sink.exit(&event, now));
    deliver(EXIT, |subscriber| subscriber.on_exit(&event));
}

/// For sinks, at once: their clock runs on.
#[cold]
pub(crate) fn long_poll_seen(event: &LongPoll) {
    sink::tell(LONG_POLL, clock::ticks(), |sink, now| {
        sink.long_poll(event, now);
    });
}

/// For subscribers, on a thread that has time.
#[cold]
pub(crate) fn long_poll(event: LongPoll) {
    deliver(LONG_POLL, |subscriber| subscriber.on_long_poll(&event));
}

/// For sinks only: the caller may hold a lock.
#[cold]
pub(crate) fn released(event: Released) {
    sink::tell(RELEASE, clock::ticks(), |sink, now| {
        sink.release(&event, now)
    });
}

/// For sinks only: the caller may hold a lock.
#[cold]
pub(crate) fn mode_changed(object: ObjId) {
    sink::tell(MODE, clock::ticks(), |sink, now| sink.mode(object, now));
}

/// For sinks only.
#[cold]
#[cfg(feature = "rt")]
pub(crate) fn stolen(by: usize, from: usize, tasks: usize) {
    let [by, from, tasks] = [by, from, tasks].map(|n| n as u32);
    let event = Stolen { by, from, tasks };
    sink::tell(STEAL, clock::ticks(), |sink, now| sink.steal(&event, now));
}

/// Whether a subscriber, and not a sink alone, listens to this event.
pub(crate) fn is_subscribed(event: u32) -> bool {
    LISTED.load(Relaxed) & event != 0
}

fn deliver(event: u32, tell: impl Fn(&dyn Subscriber)) {
    if !is_subscribed(event) {
        return;
    }
    // What runs now takes its time.
    clock::far();
    if INSIDE.replace(true) {
        DROPPED.fetch_add(1, Relaxed);
        return;
    }
    let list = LIST.read().clone();
    for entry in list.as_deref().unwrap_or_default() {
        if entry.events & event != 0 {
            guarded(entry, || tell(&*entry.subscriber));
        }
    }
    // The list may meanwhile be the last to know a subscriber, whose drop is as foreign as its methods.
    let _ = catch_unwind(AssertUnwindSafe(|| drop(list))).map_err(std::mem::forget);
    INSIDE.set(false);
}

fn guarded(entry: &Entry, call: impl FnOnce()) {
    let Err(payload) = catch_unwind(AssertUnwindSafe(call)) else {
        return;
    };
    entry.panics.fetch_add(1, Relaxed);
    // A payload may panic as it is dropped; that one's payload is given up.
    let _ = catch_unwind(AssertUnwindSafe(|| drop(payload))).map_err(std::mem::forget);
}

#[cfg(all(test, not(gochan_loom)))]
mod tests;
