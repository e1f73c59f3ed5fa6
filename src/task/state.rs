//! The state word of a task: six flags and a count, and every change that may happen to them.
//!
//! What it is not: memory management. Nothing here touches the task; each change returns an action, and whoever made
//! the change must carry it out. There is no unsafe code in this file.
//!
//! ```text
//! ACTIVE      The task is in a run queue, on its way there, or being polled. Whoever set it (the spawner, a waker) must
//!             see to it that the task reaches a queue; it passes on with the task and is given up at the end of the
//!             poll. It pins the cell. At most one party holds it, and only that party may touch the future, `owed`, the
//!             queue link and the record.
//! NOTIFIED    Woken while ACTIVE: poll once more. Only ever set together with ACTIVE; taken at the end of a poll.
//! DONE        The future is dropped and the output is in its place (or was dropped). Never cleared. DONE with ACTIVE:
//!             the worker is still busy taking the join waker.
//! JOIN        A JoinHandle exists. It pins the cell. Set at birth, cleared once. Once DONE, the output is the handle's.
//! JOIN_WAKER  The join slot holds a waker and belongs to the task. Without it, and before DONE, the slot is the
//!             handle's. Set and cleared by the handle before DONE, cleared by the change that sets DONE.
//! ABORT       Somebody wants the task cancelled: its next poll drops the future instead of polling it.
//! count       References held by wakers. References made in the task's own poll are not counted until its end (`owed`), so a
//!             waker dropped elsewhere meanwhile may take the count below zero: it wraps, and ACTIVE pins the cell.
//! ```
//!
//! 1. The cell is freed by whoever makes a change after which DONE is set, ACTIVE and JOIN are not, and count is 0.
//! 2. A task that is not DONE is never freed, whatever its count: the registry (its record) refers to it.
//! 3. A wake is always one read-modify-write, also when NOTIFIED is already set: the poll that answers it must see what
//!    the waker did before. A wake that finds the task queued therefore costs one poll too many at times.
//! 4. No change at the start of a poll: ACTIVE was handed over through the queue.
//!
//! ORDERING: all changes release what their maker did and acquire what the makers before them did. The pairs that matter:
//! `end_poll` -> `wake` that sets ACTIVE (the next poll sees this poll's writes, through the queue's own pair), `wake` ->
//! `end_poll` (a NOTIFIED poll sees the waker's writes), `finish` -> `snapshot` of the handle (the output), and every
//! change that gives up a reference -> the one that frees.

use crate::shim::{AtomicUsize, Ordering};
use Ordering::{AcqRel, Acquire, Relaxed};

const ACTIVE: usize = 1 << 0;
const NOTIFIED: usize = 1 << 1;
const DONE: usize = 1 << 2;
const JOIN: usize = 1 << 3;
const JOIN_WAKER: usize = 1 << 4;
const ABORT: usize = 1 << 5;
/// One reference held by a waker.
const ONE: usize = 1 << 6;

/// The state word. All changes are read-modify-writes.
pub(crate) struct State(AtomicUsize);

/// What the word said at one moment.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Snapshot(usize);

/// What a waker or an abort has to do with the task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub(crate) enum Wake {
    /// It was idle, and ACTIVE is now the caller's: put it into a run queue.
    Push,
    /// Nothing: it runs, waits in a queue, or is done.
    Nothing,
    /// That was the last reference: free the cell.
    Free,
}

/// What follows a poll that said Pending.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub(crate) enum EndPoll {
    /// It waits. The cell may be gone: do not touch it again.
    Idle,
    /// It was woken meanwhile. ACTIVE is still the caller's: queue it again.
    Again,
}

/// How far a finished task is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub(crate) enum Finish {
    /// Nobody will take the output: drop it, then call again. Nothing has changed yet.
    DropOutput,
    /// DONE. Take the join waker, then call [`State::release`], then wake.
    TakeWaker,
    /// DONE, others still refer to the cell: do not touch it again.
    Kept,
    /// DONE and nobody refers to the cell: free it.
    Free,
}

/// What the end of a JoinHandle asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub(crate) enum DropJoin {
    /// The output is still there, and the caller's to take. Nothing has changed yet.
    Output,
    /// Others still refer to the cell: do not touch it again.
    Kept,
    /// Free the cell.
    Free,
}

/// The task is done; the change was not made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct IsDone;

// === impl Snapshot ===

impl Snapshot {
    pub(crate) fn is_active(self) -> bool {
        self.0 & ACTIVE != 0
    }
    pub(crate) fn is_notified(self) -> bool {
        self.0 & NOTIFIED != 0
    }
    pub(crate) fn is_done(self) -> bool {
        self.0 & DONE != 0
    }
    pub(crate) fn has_join(self) -> bool {
        self.0 & JOIN != 0
    }
    pub(crate) fn has_join_waker(self) -> bool {
        self.0 & JOIN_WAKER != 0
    }
    pub(crate) fn is_aborted(self) -> bool {
        self.0 & ABORT != 0
    }
    pub(crate) fn count(self) -> isize {
        (self.0 as isize) >> ONE.trailing_zeros()
    }
    /// Invariant 1.
    fn is_free(self) -> bool {
        self.0 & !(NOTIFIED | JOIN_WAKER | ABORT) == DONE
    }
    fn set(self, flags: usize) -> Snapshot {
        Snapshot(self.0 | flags)
    }
    fn unset(self, flags: usize) -> Snapshot {
        Snapshot(self.0 & !flags)
    }
    fn add(self, refs: isize) -> Snapshot {
        Snapshot(self.0.wrapping_add((refs as usize).wrapping_mul(ONE)))
    }
}

impl std::fmt::Debug for Snapshot {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let flags = ["ACTIVE", "NOTIFIED", "DONE", "JOIN", "JOIN_WAKER", "ABORT"];
        let set = flags
            .iter()
            .enumerate()
            .filter(|(i, _)| self.0 >> i & 1 == 1);
        let names: Vec<_> = set.map(|(_, name)| *name).collect();
        write!(f, "{}+{}", names.join("|"), self.count())
    }
}

// === impl State ===

impl State {
    /// A task about to be queued for the first time, with or without a JoinHandle.
    pub(crate) fn new(join: bool) -> State {
        State(AtomicUsize::new(ACTIVE | if join { JOIN } else { 0 }))
    }

    pub(crate) fn snapshot(&self) -> Snapshot {
        Snapshot(self.0.load(Acquire))
    }

    /// Applies `change` until it sticks; `None` leaves the word as it is.
    #[inline(always)]
    fn update<A>(&self, mut change: impl FnMut(Snapshot) -> (Option<Snapshot>, A)) -> A {
        let mut seen = self.0.load(Acquire);
        loop {
            let (next, action) = change(Snapshot(seen));
            let Some(next) = next else { return action };
            match self.0.compare_exchange_weak(seen, next.0, AcqRel, Acquire) {
                Ok(_) => return action,
                Err(now) => seen = now,
            }
        }
    }

    // --- wakers

    /// A waker is used up: its reference and the wake in one step.
    #[inline]
    pub(crate) fn wake_by_value(&self) -> Wake {
        self.update(|s| {
            let next = s.add(-1);
            if s.is_done() {
                let free = next.is_free();
                (Some(next), if free { Wake::Free } else { Wake::Nothing })
            } else if s.is_active() {
                (Some(next.set(NOTIFIED)), Wake::Nothing)
            } else {
                (Some(next.set(ACTIVE)), Wake::Push)
            }
        })
    }

    /// A wake that leaves the waker as it is.
    #[inline]
    pub(crate) fn wake_by_ref(&self) -> Wake {
        self.update(|s| {
            if s.is_done() {
                (None, Wake::Nothing)
            } else if s.is_active() {
                (Some(s.set(NOTIFIED)), Wake::Nothing)
            } else {
                (Some(s.set(ACTIVE)), Wake::Push)
            }
        })
    }

    /// One waker more.
    #[inline]
    pub(crate) fn add_ref(&self) {
        // ORDERING: Relaxed: a reference is made from a reference, which keeps the cell alive until this one counts.
        let before = Snapshot(self.0.fetch_add(ONE, Relaxed));
        if before.count() >= isize::MAX / ONE as isize / 2 {
            // Only leaked wakers get here; a wrapped count would free a cell in use.
            std::process::abort();
        }
    }

    /// One waker less. True: free the cell.
    #[inline]
    #[must_use]
    pub(crate) fn drop_ref(&self) -> bool {
        let before = Snapshot(self.0.fetch_sub(ONE, AcqRel));
        before.add(-1).is_free()
    }

    /// Asks for the end of the task. Also how the shutdown of a runtime claims an idle one.
    pub(crate) fn abort(&self) -> Wake {
        self.update(|s| {
            if s.is_done() {
                (None, Wake::Nothing)
            } else if s.is_active() {
                (Some(s.set(ABORT | NOTIFIED)), Wake::Nothing)
            } else {
                (Some(s.set(ABORT | ACTIVE)), Wake::Push)
            }
        })
    }

    // --- the worker that polls

    /// The poll said Pending. Settles the references made and dropped in it (`owed`).
    #[inline]
    pub(crate) fn end_poll(&self, owed: isize) -> EndPoll {
        self.update(|s| {
            debug_assert!(s.is_active() && !s.is_done());
            if s.is_notified() {
                (Some(s.unset(NOTIFIED).add(owed)), EndPoll::Again)
            } else {
                (Some(s.unset(ACTIVE).add(owed)), EndPoll::Idle)
            }
        })
    }

    /// The future is gone and, if `output`, the output is in its place.
    #[inline]
    pub(crate) fn finish(&self, owed: isize, output: bool) -> Finish {
        self.update(|s| {
            debug_assert!(s.is_active() && !s.is_done());
            if output && !s.has_join() {
                return (None, Finish::DropOutput);
            }
            let next = s.unset(NOTIFIED | JOIN_WAKER).set(DONE).add(owed);
            if s.has_join_waker() {
                return (Some(next), Finish::TakeWaker);
            }
            let next = next.unset(ACTIVE);
            let free = next.is_free();
            (Some(next), if free { Finish::Free } else { Finish::Kept })
        })
    }

    /// The join waker is taken: gives ACTIVE up. True: free the cell.
    #[must_use]
    pub(crate) fn release(&self) -> bool {
        let before = Snapshot(self.0.fetch_and(!ACTIVE, AcqRel));
        debug_assert!(before.is_active() && before.is_done());
        before.unset(ACTIVE).is_free()
    }

    // --- the JoinHandle

    /// The handle has filled the join slot and gives it to the task.
    pub(crate) fn set_join_waker(&self) -> Result<(), IsDone> {
        self.update(|s| {
            debug_assert!(s.has_join() && !s.has_join_waker());
            if s.is_done() {
                (None, Err(IsDone))
            } else {
                (Some(s.set(JOIN_WAKER)), Ok(()))
            }
        })
    }

    /// The handle takes the join slot back.
    pub(crate) fn unset_join_waker(&self) -> Result<(), IsDone> {
        self.update(|s| {
            if s.is_done() {
                (None, Err(IsDone))
            } else {
                debug_assert!(s.has_join() && s.has_join_waker());
                (Some(s.unset(JOIN_WAKER)), Ok(()))
            }
        })
    }

    /// The handle goes, having emptied the join slot. `taken`: the output is already out.
    #[inline]
    pub(crate) fn drop_join(&self, taken: bool) -> DropJoin {
        self.update(|s| {
            debug_assert!(s.has_join());
            if s.is_done() && !taken {
                return (None, DropJoin::Output);
            }
            let next = s.unset(JOIN);
            if next.is_free() {
                // The handle's was the last reference, so nobody is left to race with: no need to write.
                return (None, DropJoin::Free);
            }
            debug_assert!(s.is_done() || !s.has_join_waker());
            (Some(next), DropJoin::Kept)
        })
    }
}

impl std::fmt::Debug for State {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.snapshot().fmt(f)
    }
}
