//! The alarm: one deadline of one future.
//!
//! It is not a future: it knows nothing of budgets, and records a wait only when told to. [`Sleep`](super::Sleep) is an
//! alarm and nothing else; a timeout, and an operation with a deadline, is another future with an alarm beside it.
//!
//! ```text
//! state      with a driver?    who leaves it
//! Idle       no                poll -> Armed, or Elapsed if the deadline has passed
//! Armed      yes               poll -> Elapsed; retire, reset, drop -> out of the driver
//! Elapsed    no                reset
//! ```
//! Invariants
//! 1. Nothing is registered before the first poll.
//! 2. An alarm without a deadline (further away than an [`Instant`] can say) never elapses and is never registered.
//! 3. It has elapsed if its driver has fired it or its deadline has passed, whichever is seen first: a driver that is
//!    behind its time holds nobody up.

use super::current;
use super::driver::{Action, Entry, Look};
use crate::clock;
use crate::hook::{ArmNote, Kind, Note, ObjId, WaitReason, current as running};
use crate::wait::waiter::Slot;
use std::panic::Location;
use std::task::Waker;
use std::time::{Duration, Instant};

pub(super) type Site = &'static Location<'static>;

/// One deadline of one future.
#[derive(Debug)]
pub struct Alarm {
    deadline: Option<Instant>,
    state: State,
    /// [`ObjId::NONE`] until it is first waited for.
    id: ObjId,
    site: Site,
    since: u64,
}

#[derive(Debug)]
enum State {
    Idle,
    Armed(Entry),
    Elapsed,
}

impl Alarm {
    pub(super) fn after(duration: Duration, site: Site) -> Alarm {
        let mut alarm = Alarm::at(current::now().checked_add(duration), site);
        if duration.is_zero() {
            alarm.state = State::Elapsed;
        }
        alarm
    }

    pub(super) fn at(deadline: Option<Instant>, site: Site) -> Alarm {
        Alarm {
            deadline,
            state: State::Idle,
            id: ObjId::NONE,
            site,
            since: 0,
        }
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        self.deadline
    }

    pub(super) fn site(&self) -> Site {
        self.site
    }

    pub(super) fn is_elapsed(&self) -> bool {
        matches!(self.state, State::Elapsed) || self.is_due()
    }

    fn is_due(&self) -> bool {
        self.deadline.is_some_and(|at| current::now() >= at)
    }

    /// Whether it has elapsed; if not, `waker` will be woken when it does.
    pub(super) fn poll(&mut self, waker: &Waker) -> bool {
        match &mut self.state {
            State::Elapsed => true,
            State::Idle => self.arm(waker),
            State::Armed(entry) => match entry.look(waker) {
                Look::Fired => self.elapse(),
                Look::Waiting if self.is_due() => self.elapse(),
                Look::Waiting => false,
                Look::Shut => self.arm(waker),
            },
        }
    }

    /// Records that the one who is being polled waits for this alarm.
    pub(super) fn park(&self) {
        running::park(&self.note());
    }

    /// The same, unless what is polled beside the alarm has recorded its own wait: that says more.
    pub(super) fn park_if_nobody_did(&self) {
        if !running::is_parked() {
            self.park();
        }
    }

    /// Moves the deadline. An alarm that is armed stays so, in the same place of the same driver.
    pub(super) fn reset(&mut self, deadline: Option<Instant>) {
        self.deadline = deadline;
        match (&self.state, deadline) {
            (State::Armed(entry), Some(at)) if entry.change(at) => {}
            _ => self.state = State::Idle,
        }
    }

    /// Leaves the driver. The next poll registers again.
    pub(super) fn retire(&mut self) {
        if let State::Armed(_) = self.state {
            self.state = State::Idle;
        }
    }

    fn arm(&mut self, waker: &Waker) -> bool {
        if self.is_due() {
            return self.elapse();
        }
        let Some(deadline) = self.deadline else {
            self.begin_wait();
            return false;
        };
        self.begin_wait();
        let slot = Slot {
            waker: Some(waker.clone()),
            note: Slot::note_of(|| self.note()),
        };
        self.state = State::Armed(current::register(deadline, Action::Wake(slot)));
        false
    }

    /// Gives what is waited for a number, and notes when the wait began.
    pub(super) fn begin_wait(&mut self) {
        if self.id.is_none() {
            self.id = ObjId::fresh(Kind::Timer);
        }
        self.since = clock::ticks();
    }

    fn elapse(&mut self) -> bool {
        self.state = State::Elapsed;
        true
    }

    fn note(&self) -> Note {
        Note {
            task: running::task_id(),
            reason: WaitReason::Sleep,
            object: self.id,
            made: Some(self.site),
            site: self.site,
            since: self.since,
        }
    }

    pub(super) fn arm_note(&self) -> ArmNote {
        ArmNote {
            reason: WaitReason::Sleep,
            object: self.id,
            made: Some(self.site),
            site: self.site,
        }
    }
}
