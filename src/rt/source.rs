//! A socket as the scheduler sees it, Go's `pollDesc`: whether it is readable and writable, who waits for that, until when.
//!
//! What it is not: the socket. The descriptor and what is done with it are `net`'s; nothing here makes a system call.
//!
//! Each of the two directions has a word of flags and a lock around its waiters and its deadline:
//!
//! ```text
//! flag      meaning                                                    set by            cleared by
//! READY     an attempt may succeed; a hint, never a promise            poller, new       an attempt that took all, or would block
//! HUNG_UP   no attempt blocks any more: end of stream, or an error     poller            an attempt that would block
//! EXPIRED   the deadline has passed                                    timer, owner      a new deadline
//! CLOSED    the owner has closed the socket                            owner             nobody
//! ASTRAY    its poller is gone; whoever looks moves it to another      the runtime's end the move
//! ```
//! The rest of the word counts the poller's events: an attempt clears READY only if none has come since it looked
//! ([`Direction::used_up`]), so that an event in between is not lost. The poller reports changes only (edges).
//!
//! Invariants
//! 1. Who finds nothing to do enters the waiters and looks at the word again, in one hold of the lock; who sets a flag takes
//!    the waiters out afterwards. One of the two sees the other (rule R5).
//! 2. No foreign code under the lock: wakers are cloned before, and woken and dropped after it. A timer is registered and
//!    taken out under it: the driver's lock comes after ours.
//! 3. A deadline that has passed is EXPIRED when its timer has been fired or the owner has set one in the past; as in Go
//!    it then ends attempts that could have succeeded, and those that wait.
//!
//! Follows `src/runtime/netpoll.go`. There each direction has one waiter, and callers queue for it with a lock around each
//! read and write; here all of them wait, are woken, and try again.

use std::panic::Location;
use std::sync::{Arc, Weak};
use std::task::{Poll, Waker};
use std::time::Instant;

use crate::clock;
use crate::hook::object::Tag;
use crate::hook::{ArmNote, Kind, Note, ObjId, WaitReason, current};
use crate::shim::{AtomicU32, Mutex, Ordering};
use crate::time::{self, Action, Entry, Fire};
use crate::wait::waiter::{Slot, Waited};
use crate::wait::wakes::Wakes;
use Ordering::{AcqRel, Acquire, Relaxed};

const READY: u32 = 1 << 0;
const HUNG_UP: u32 = 1 << 1;
const EXPIRED: u32 = 1 << 2;
const CLOSED: u32 = 1 << 3;
const ASTRAY: u32 = 1 << 4;
/// One event of the poller. After 2^27 of them the count is what it was: an attempt that began then and would block only
/// now takes the last one to be old.
const EVENT: u32 = 1 << 5;

/// The line of source that waits.
pub(crate) type Site = &'static Location<'static>;

/// Reading or writing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    Read = 0,
    Write = 1,
}

/// A socket's two directions, and its name for dumps.
pub(crate) struct Source {
    tag: Tag,
    made: Site,
    ways: [Direction; 2],
}

/// One direction.
pub(crate) struct Direction {
    word: AtomicU32,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// Most sockets have one task that reads and one that writes.
    first: Option<Waiting>,
    more: Vec<Waiting>,
    last_ticket: u32,
    deadline: Option<Box<Deadline>>,
}

struct Waiting {
    ticket: u32,
    slot: Slot,
}

struct Deadline {
    at: Instant,
    /// `None`: the timer has left the driver.
    entry: Option<Entry>,
}

/// An operation's wait, between its polls. It outlives neither the operation nor the source.
#[derive(Debug, Default)]
pub(crate) struct Wait {
    /// Of the last entry among the waiters; 0 is none.
    ticket: u32,
    since: u64,
}

/// What an attempt was allowed by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Seen(u32);

/// Why there is no use in waiting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stop {
    /// The deadline has passed.
    Expired,
    /// The socket was closed by its owner.
    Closed,
    /// The poller is gone: register with another one.
    Astray,
}

// === impl Source ===

impl Source {
    /// Not known to any poller yet. Both directions are ready until somebody finds that they are not.
    pub(crate) fn new(made: Site) -> Arc<Source> {
        Arc::new(Source {
            tag: Tag::new(Kind::Io),
            made,
            ways: [Direction::new(), Direction::new()],
        })
    }

    pub(crate) fn way(&self, way: Way) -> &Direction {
        &self.ways[way as usize]
    }

    /// The line that made the socket.
    pub(crate) fn made(&self) -> Site {
        self.made
    }

    pub(crate) fn id(&self) -> ObjId {
        self.tag.id()
    }

    /// What dumps call it.
    pub(crate) fn set_name(&self, name: &str) {
        self.tag.set_name(name);
    }

    pub(crate) fn name(&self) -> Option<Arc<str>> {
        self.tag.name()
    }

    pub(crate) fn arm_note(&self, site: Site) -> ArmNote {
        ArmNote {
            reason: WaitReason::IoWait,
            object: self.id(),
            made: Some(self.made),
            site,
        }
    }

    fn note(&self, site: Site, since: u64) -> Note {
        Note {
            task: current::task_id(),
            reason: WaitReason::IoWait,
            object: self.id(),
            made: Some(self.made),
            site,
            since,
        }
    }

    /// Says in `way` that nothing more is to be waited for: the owner has closed the socket.
    pub(crate) fn close(&self) {
        for way in &self.ways {
            way.raise(CLOSED);
            way.set_no_deadline();
        }
    }

    /// Its poller is gone.
    pub(super) fn go_astray(&self) {
        for way in &self.ways {
            way.raise(ASTRAY);
        }
    }

    /// It has another one.
    pub(crate) fn settle(&self) {
        for way in &self.ways {
            way.word.fetch_and(!ASTRAY, AcqRel);
        }
    }

    /// After that: what the old one had to report is found by trying.
    pub(crate) fn try_anew(&self) {
        for way in &self.ways {
            way.raise(READY);
        }
    }

    /// Sets the deadline of one direction: `None` is no deadline.
    pub(crate) fn set_deadline(self: &Arc<Self>, way: Way, at: Option<Instant>) {
        match at {
            None => self.way(way).set_no_deadline(),
            Some(at) if at <= time::now() => {
                self.way(way).set_no_deadline();
                self.way(way).raise(EXPIRED);
            }
            Some(at) => self.way(way).set_timer(at, || self.expiry(way)),
        }
    }

    fn expiry(self: &Arc<Self>, way: Way) -> Action {
        let source = Arc::downgrade(self);
        Action::Fire(Arc::new(Expiry { source, way }))
    }

    /// Waits in `way`, unless there is something to do. `Ok`: try now, and come back if that would have blocked.
    pub(crate) fn poll_ready(
        &self,
        way: Way,
        wait: &mut Wait,
        waker: &Waker,
        site: Site,
    ) -> Poll<Result<Seen, Stop>> {
        let direction = self.way(way);
        if let Some(answer) = direction.look() {
            return Poll::Ready(answer);
        }
        if wait.since == 0 {
            wait.since = clock::ticks();
        }
        let since = wait.since;
        let note = || Slot::note_of(|| self.note(site, since));
        match direction.enter(wait, waker, note, Direction::look) {
            Some(answer) => Poll::Ready(answer),
            None => Poll::Pending,
        }
    }

    /// Waits in `way` for nothing but a reason to give up.
    pub(crate) fn poll_stop(
        &self,
        way: Way,
        wait: &mut Wait,
        waker: &Waker,
        site: Site,
    ) -> Option<Stop> {
        let since = clock::ticks();
        let note = || Slot::note_of(|| self.note(site, since));
        let look = |direction: &Direction| match direction.look() {
            Some(Err(stop)) if stop != Stop::Astray => Some(stop),
            _ => None,
        };
        self.way(way).enter(wait, waker, note, look)
    }

    /// Records that the one who is being polled waits here.
    pub(crate) fn park(&self, wait: &Wait, site: Site) {
        current::park(&self.note(site, wait.since));
    }
}

impl std::fmt::Debug for Source {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.id())?;
        match self.name() {
            Some(name) => write!(f, " {name}"),
            None => Ok(()),
        }
    }
}

// === impl Direction ===

impl Direction {
    fn new() -> Direction {
        Direction {
            word: AtomicU32::new(READY),
            state: Mutex::new(State::default()),
        }
    }

    /// `None`: wait.
    #[inline]
    fn look(&self) -> Option<Result<Seen, Stop>> {
        // ORDERING: Acquire pairs with `raise`: who reports something has done it before.
        let word = self.word.load(Acquire);
        match word & (EVENT - 1) {
            0 => None,
            flags if flags & !(READY | HUNG_UP) == 0 => Some(Ok(Seen(word))),
            flags => Some(Err(stop(flags))),
        }
    }

    /// An attempt has taken all there was: there is nothing more to do until the next event, unless the stream has ended.
    #[inline]
    pub(crate) fn used_up(&self, seen: Seen) {
        self.clear(seen, READY);
    }

    /// An attempt would have blocked: whatever was said of an end is not so.
    #[inline]
    pub(crate) fn blocked(&self, seen: Seen) {
        self.clear(seen, READY | HUNG_UP);
    }

    #[inline]
    fn clear(&self, Seen(word): Seen, flags: u32) {
        // ORDERING: Relaxed: fails if an event has come since `look`; else nothing is said to anybody.
        let _ = self
            .word
            .compare_exchange(word, word & !flags, Relaxed, Relaxed);
    }

    /// Enters the waiters, unless `look` finds that there is something to do after all.
    fn enter<R>(
        &self,
        wait: &mut Wait,
        waker: &Waker,
        note: impl FnOnce() -> Option<Box<Waited>>,
        look: impl FnOnce(&Direction) -> Option<R>,
    ) -> Option<R> {
        let mut new = Some(Slot {
            waker: Some(waker.clone()),
            note: note(),
        });
        let mut state = self.state.lock();
        // INVARIANT 1: whoever raises a flag from here on takes the lock after us.
        let answer = look(self);
        if answer.is_none() {
            state.put(wait, &mut new);
        }
        drop(state);
        drop(new); // The one before, or ours for nothing: a waker's drop is foreign code.
        answer
    }

    /// The operation waits no more.
    #[inline]
    pub(crate) fn leave(&self, wait: &mut Wait) {
        if wait.ticket != 0 {
            self.leave_slow(wait);
        }
        wait.since = 0;
    }

    fn leave_slow(&self, wait: &mut Wait) {
        let gone = self.state.lock().take_out(wait.ticket);
        wait.ticket = 0;
        drop(gone);
    }

    /// Sets a flag, and wakes everybody.
    fn raise(&self, flag: u32) {
        let mut wakes = Wakes::new();
        self.raise_into(flag, &mut wakes);
        wakes.fire();
    }

    fn raise_into(&self, flag: u32, wakes: &mut Wakes) {
        // ORDERING: Release: see `look`.
        self.word.fetch_or(flag, AcqRel);
        self.state.lock().take_all(wakes);
    }

    /// An event of the poller.
    pub(super) fn report(&self, hung_up: bool, wakes: &mut Wakes) {
        let flags = if hung_up { READY | HUNG_UP } else { READY };
        let count = |word: u32| Some((word | flags).wrapping_add(EVENT));
        // ORDERING: Release: see `look`.
        let _ = self.word.fetch_update(AcqRel, Relaxed, count);
        self.state.lock().take_all(wakes);
    }

    // === the deadline ===

    fn set_no_deadline(&self) {
        let mut state = self.state.lock();
        let gone = state.deadline.take();
        // ORDERING: under the lock, after the timer is out: nobody sets it again.
        self.word.fetch_and(!EXPIRED, AcqRel);
        drop(state);
        drop(gone);
    }

    fn set_timer(&self, at: Instant, action: impl FnOnce() -> Action) {
        let mut state = self.state.lock();
        self.word.fetch_and(!EXPIRED, AcqRel);
        if let Some(deadline) = &mut state.deadline {
            deadline.at = at;
            if deadline.entry.as_ref().is_some_and(|e| e.change(at)) {
                return;
            }
        }
        let entry = Some(time::register(at, action()));
        state.deadline = Some(Box::new(Deadline { at, entry }));
    }

    /// The timer has gone off, or its driver is shut.
    fn expire(&self, now: Instant, again: impl FnOnce() -> Action) {
        let mut wakes = Wakes::new();
        let mut state = self.state.lock();
        let Some(deadline) = &mut state.deadline else {
            return;
        };
        if deadline.at > now {
            // Moved meanwhile, or sent to another driver.
            deadline.entry = Some(time::register(deadline.at, again()));
            return;
        }
        deadline.entry = None;
        // ORDERING: Release: see `look`.
        self.word.fetch_or(EXPIRED, AcqRel);
        state.take_all(&mut wakes);
        drop(state);
        wakes.fire();
    }
}

#[cold]
fn stop(flags: u32) -> Stop {
    if flags & CLOSED != 0 {
        Stop::Closed
    } else if flags & EXPIRED != 0 {
        Stop::Expired
    } else {
        Stop::Astray
    }
}

// === impl State ===

impl State {
    /// Enters, or renews what is there. What it replaces comes back in `new`.
    fn put(&mut self, wait: &mut Wait, new: &mut Option<Slot>) {
        if let Some(slot) = self.find(wait.ticket) {
            if let Some(new) = new {
                std::mem::swap(slot, new);
            }
            return;
        }
        self.last_ticket = self.last_ticket.wrapping_add(1).max(1);
        wait.ticket = self.last_ticket;
        let waiting = new.take().map(|slot| Waiting {
            ticket: wait.ticket,
            slot,
        });
        match self.first {
            None => self.first = waiting,
            Some(_) => self.more.extend(waiting),
        }
    }

    fn find(&mut self, ticket: u32) -> Option<&mut Slot> {
        let mut all = self.first.iter_mut().chain(&mut self.more);
        all.find(|w| w.ticket == ticket).map(|w| &mut w.slot)
    }

    fn take_out(&mut self, ticket: u32) -> Option<Waiting> {
        if self.first.as_ref().is_some_and(|w| w.ticket == ticket) {
            return self.first.take();
        }
        let at = self.more.iter().position(|w| w.ticket == ticket)?;
        Some(self.more.swap_remove(at))
    }

    fn take_all(&mut self, wakes: &mut Wakes) {
        for mut waiting in self.first.take().into_iter().chain(self.more.drain(..)) {
            wakes.take(&mut waiting.slot);
        }
    }
}

// === the timer of a deadline ===

struct Expiry {
    source: Weak<Source>,
    way: Way,
}

impl Fire for Expiry {
    fn fire(self: Arc<Self>, _due: Instant, now: Instant) {
        if let Some(source) = self.source.upgrade() {
            source.way(self.way).expire(now, || Action::Fire(self));
        }
    }

    fn is_dead(&self) -> bool {
        self.source.strong_count() == 0
    }
}

#[cfg(test)]
mod tests;
