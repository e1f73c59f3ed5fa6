//! Who sleeps, who searches, who is woken: the protocol by which no runnable task is left while a worker sleeps.
//!
//! What it is not: a lock around work. The words here say only how many workers there are, how many of those are awake, and how
//! many of these search.
//!
//! # States of a worker
//!
//! ```text
//! busy        polls tasks of its own queue            awake
//! searching   has none and looks at the others        awake, searching
//! asleep      in `sleepers`, its thread parked,       -
//!             or the keeper's in the poller
//! ```
//! busy -> searching ([`Idle::start_search`], only while less than half of those awake search), searching -> busy
//! ([`Idle::end_search`]), both -> asleep ([`Idle::sleep`]), asleep -> searching by a waker ([`Idle::wake_one`]) or by
//! itself ([`Idle::leave`]). One of the sleepers is the *keeper*: it alone sleeps with a timeout, for the timers. It is the
//! last to be woken for work, and when it leaves by itself it appoints another. Once there are sockets it sleeps in their
//! poller ([`parker`](super::parker)); if it leaves because of them it stays keeper while it is awake, and the others sleep
//! on. Who goes to sleep meanwhile takes over from it: there is a keeper among the sleepers whenever one of them is younger than
//! the keeper's leave. When a keeper that is awake stays in one poll, the monitor [relieves](Idle::relieve) it.
//!
//! # To post work
//!
//! 1. Put the task into a queue that others look at (a ring or the global queue).
//! 2. SeqCst fence. 3. Look at the word: if nobody searches and somebody sleeps, wake one, who counts as searching from
//!    that moment on.
//!
//! # To sleep
//!
//! 1. Enter `sleepers` and leave the word's counts, in one hold of the lock.
//! 2. SeqCst fence. 3. Look at all queues once more. If there is work, leave `sleepers` again, unless somebody has
//!    already taken us out: then a wake is on its way. Else park.
//!
//! # To stop searching with work in hand
//!
//! 1. Leave the count of those who search. 2. If that was the last one: SeqCst fence, look at all queues, and wake one
//!    sleeper if there is more work.
//!
//! # Why no wake is lost
//!
//! Take a push P, and suppose that no worker is awake afterwards which will look at its queue. Consider P's look at the
//! word, step 3. If it saw a sleeper and nobody searching, it woke one, who looks. If it saw somebody searching, take
//! the last of those to stop: its change of the word comes after P's look in the word's order, so P's fence comes before
//! the stopper's fence, and the stopper sees the task when it looks at the queues (to sleep: step 3; with work in hand:
//! step 2). If it saw everybody awake, then some worker W goes to sleep later than that look, or is busy for good; the
//! same fences make W see the task in its step 3. So the task is seen, or all workers are busy; those who become idle
//! look at every queue before they sleep. The two fences are the store-load race that Acquire and Release cannot win:
//! each side writes its own word and then reads the other's.
//!
//! A worker that [retires](Idle::retire), because there are to be fewer, puts its tasks into the global queue first and then does as
//! one that stops searching: it leaves the counts, fences, and looks at all queues.
//!
//! The queue P's owner pushes to without this protocol (`runnext`, and the ring when the number of its tasks does not
//! grow) is left to its owner and, when that one is stuck, to the monitor ([`sysmon`](super::sysmon)).
//!
//! This is Go's protocol of spinning Ms ("worker thread parking/unparking" in `src/runtime/proc.go`); there the submitter
//! is `wakep` and the second look is in `findRunnable`.

use super::nap::Nap;
use super::parker::Parker;
use crate::shim::{Arc, AtomicU64, AtomicUsize, Mutex, Ordering, fence};
use Ordering::{AcqRel, Relaxed, SeqCst};

/// One worker that searches, in the lowest 16 bits of the word.
const SEARCHING: u64 = 1;
/// One worker that is awake, in the 16 above.
const AWAKE: u64 = 1 << 16;
/// One worker, in the rest.
const WORKER: u64 = 1 << 32;
/// The most workers a runtime can have.
pub(super) const MAX_WORKERS: usize = (1 << 15) - 1;

const NOBODY: usize = usize::MAX;

pub(super) struct Idle {
    word: AtomicU64,
    /// The slot of the keeper among the sleepers, or NOBODY. Changes under the lock only.
    keeper: AtomicUsize,
    sleepers: Mutex<Vec<Sleeper>>,
    /// The monitor's: over when somebody wakes while all slept.
    pub(super) nap: Nap,
}

struct Sleeper {
    slot: usize,
    parker: Arc<Parker>,
}

#[derive(Clone, Copy)]
struct Counts(u64);

impl Counts {
    fn searching(self) -> u64 {
        self.0 % AWAKE
    }
    fn awake(self) -> u64 {
        self.0 % WORKER / AWAKE
    }
    fn workers(self) -> u64 {
        self.0 / WORKER
    }
    fn asleep(self) -> u64 {
        self.workers() - self.awake()
    }
}

impl Idle {
    /// All workers are awake and busy.
    pub(super) fn new(workers: usize) -> Idle {
        debug_assert!(workers <= MAX_WORKERS);
        Idle {
            word: AtomicU64::new(workers as u64 * (WORKER + AWAKE)),
            keeper: AtomicUsize::new(NOBODY),
            sleepers: Mutex::new(Vec::with_capacity(workers)),
            nap: Nap::new(),
        }
    }

    fn counts(&self) -> Counts {
        Counts(self.word.load(Relaxed))
    }

    fn wants_searcher(&self) -> bool {
        let counts = self.counts();
        counts.searching() == 0 && counts.asleep() > 0
    }

    /// Whether a worker other than the one that asks, which sleeps, is awake.
    pub(super) fn somebody_is_awake(&self) -> bool {
        self.counts().awake() > 0
    }

    /// How many workers are awake, and how many of these search.
    pub(super) fn awake_and_searching(&self) -> (usize, usize) {
        let counts = self.counts();
        (counts.awake() as usize, counts.searching() as usize)
    }

    /// Whether a worker is asleep.
    pub(super) fn somebody_sleeps(&self) -> bool {
        self.counts().asleep() > 0
    }

    // === posting work ===

    /// Work was put where others find it: sees to it that somebody looks.
    #[inline]
    pub(super) fn wake_one(&self) {
        // ORDERING: the pusher's half of the race with a sleeper's or stopper's second look; see the header.
        fence(SeqCst);
        if self.wants_searcher() {
            self.wake_one_slow();
        }
    }

    #[cold]
    fn wake_one_slow(&self) {
        let mut sleepers = self.sleepers.lock();
        if !self.wants_searcher() {
            return;
        }
        let keeper = self.keeper.load(Relaxed);
        let Some(at) = sleepers
            .iter()
            .rposition(|s| s.slot != keeper)
            .or(sleepers.len().checked_sub(1))
        else {
            return;
        };
        let all_slept = self.counts().awake() == 0;
        let sleeper = self.remove(&mut sleepers, at);
        drop(sleepers);
        sleeper.parker.wake();
        if all_slept {
            // There was nobody to watch. Now there is.
            self.nap.end();
        }
    }

    fn keeper_of(&self, sleepers: &[Sleeper]) -> Option<Arc<Parker>> {
        let keeper = sleepers.iter().find(|s| self.is_keeper(s.slot));
        keeper.map(|keeper| Arc::clone(&keeper.parker))
    }

    /// Takes a sleeper out; it searches from now on.
    fn remove(&self, sleepers: &mut Vec<Sleeper>, at: usize) -> Sleeper {
        let sleeper = sleepers.remove(at);
        // ORDERING: the lock orders these among their likes; the fences of the protocol do the rest.
        self.word.fetch_add(SEARCHING + AWAKE, AcqRel);
        if self.keeper.load(Relaxed) == sleeper.slot {
            self.keeper.store(NOBODY, Relaxed);
        }
        sleeper
    }

    // === searching ===

    /// Whether a worker without work may search: while fewer than half of those awake do.
    pub(super) fn start_search(&self) -> bool {
        let counts = self.counts();
        if 2 * counts.searching() >= counts.awake() {
            return false;
        }
        // A few too many at once do no harm.
        self.word.fetch_add(SEARCHING, AcqRel);
        true
    }

    /// A searching worker has found work. True: it was the last, and must look whether there is more.
    #[must_use]
    pub(super) fn end_search(&self) -> bool {
        let before = Counts(self.word.fetch_sub(SEARCHING, AcqRel));
        debug_assert!(before.searching() > 0);
        let last = before.searching() == 1;
        if last {
            // ORDERING: the stopper's half of the race with a pusher.
            fence(SeqCst);
        }
        last
    }

    // === sleeping ===

    /// Enters the sleepers. The caller looks at all queues before it parks.
    pub(super) fn sleep(&self, slot: usize, parker: &Arc<Parker>, searching: bool) {
        let mut sleepers = self.sleepers.lock();
        let absent = !sleepers.iter().any(|other| self.is_keeper(other.slot));
        sleepers.push(Sleeper {
            slot,
            parker: Arc::clone(parker),
        });
        let gone = AWAKE + if searching { SEARCHING } else { 0 };
        self.word.fetch_sub(gone, AcqRel);
        // Nobody, or somebody awake: what is due before that one has time to look is for us.
        if absent {
            self.keeper.store(slot, Relaxed);
        }
        drop(sleepers);
        // ORDERING: the sleeper's half of the race with a pusher.
        fence(SeqCst);
    }

    /// Leaves the sleepers by its own will, to search. False: somebody has taken it out, and its wake is on its way.
    pub(super) fn leave(&self, slot: usize) -> bool {
        let mut sleepers = self.sleepers.lock();
        let Some(at) = sleepers.iter().position(|s| s.slot == slot) else {
            return false;
        };
        let was_keeper = self.is_keeper(slot);
        let all_slept = self.counts().awake() == 0;
        self.remove(&mut sleepers, at);
        let heir = if was_keeper { sleepers.last() } else { None };
        let heir = heir.map(|heir| {
            self.keeper.store(heir.slot, Relaxed);
            Arc::clone(&heir.parker)
        });
        drop(sleepers);
        if let Some(heir) = heir {
            heir.nudge();
        }
        if all_slept {
            self.nap.end();
        }
        true
    }

    /// As [`leave`](Self::leave), because of sockets. The keeper stays what it is: it will be back in the poller in a moment,
    /// and to wake another worker for that moment would cost more than what there is to do.
    pub(super) fn leave_for_sockets(&self, slot: usize) -> bool {
        let mut sleepers = self.sleepers.lock();
        let Some(at) = sleepers.iter().position(|s| s.slot == slot) else {
            return false;
        };
        let keeper = self.keeper.load(Relaxed);
        let all_slept = self.counts().awake() == 0;
        self.remove(&mut sleepers, at);
        self.keeper.store(keeper, Relaxed);
        drop(sleepers);
        if all_slept {
            self.nap.end();
        }
        true
    }

    /// The worker of this slot stays in one poll: if it is the keeper, another one is from now on.
    pub(super) fn relieve(&self, slot: usize) {
        if self.is_keeper(slot) {
            self.appoint(slot);
        }
    }

    /// The same, whichever it is.
    pub(super) fn relieve_any(&self) {
        let slot = self.keeper.load(Relaxed);
        if slot != NOBODY {
            self.appoint(slot);
        }
    }

    /// Whether the keeper is one that has left for sockets, and others sleep.
    pub(super) fn keeper_is_awake(&self) -> bool {
        let sleepers = self.sleepers.lock();
        let keeper = self.keeper.load(Relaxed) != NOBODY;
        keeper && !sleepers.is_empty() && self.keeper_of(&sleepers).is_none()
    }

    /// Instead of `slot`, unless that one sleeps.
    #[cold]
    fn appoint(&self, slot: usize) {
        let sleepers = self.sleepers.lock();
        if !self.is_keeper(slot) || self.keeper_of(&sleepers).is_some() {
            return;
        }
        let heir = sleepers.last();
        self.keeper.store(heir.map_or(NOBODY, |s| s.slot), Relaxed);
        let heir = heir.map(|heir| Arc::clone(&heir.parker));
        drop(sleepers);
        if let Some(heir) = heir {
            heir.nudge();
        }
    }

    pub(super) fn is_keeper(&self, slot: usize) -> bool {
        self.keeper.load(Relaxed) == slot
    }

    /// Lets the keeper look at the time again. A worker that asks looks itself, when it has nothing else to do: if the keeper
    /// is awake it is left alone then.
    pub(super) fn nudge_keeper(&self, by_worker: bool) {
        // ORDERING: against a keeper that looks at the earliest deadline before it parks: our caller has stored a new one,
        // and the keeper has fenced since it announced itself. One that is awake announces itself under the lock later.
        fence(SeqCst);
        let slot = self.keeper.load(Relaxed);
        if slot == NOBODY {
            return;
        }
        let sleepers = self.sleepers.lock();
        let keeper = self.keeper_of(&sleepers);
        drop(sleepers);
        match keeper {
            Some(keeper) => keeper.nudge(),
            None if !by_worker => self.appoint(slot),
            None => {}
        }
    }

    // === more and fewer ===

    /// There is one worker more. It is awake.
    pub(super) fn join(&self) {
        let mut sleepers = self.sleepers.lock();
        let before = Counts(self.word.fetch_add(WORKER + AWAKE, AcqRel));
        let room = before.workers() as usize + 1 - sleepers.len();
        sleepers.reserve(room);
    }

    /// A worker that is awake, and searches or not, is one no longer. Its caller has left its tasks to others, and now looks for
    /// work in all queues once more.
    pub(super) fn retire(&self, slot: usize, searching: bool) {
        let gone = WORKER + AWAKE + if searching { SEARCHING } else { 0 };
        self.word.fetch_sub(gone, AcqRel);
        self.relieve(slot);
        // ORDERING: as in `end_search`.
        fence(SeqCst);
    }

    /// Wakes the sleepers of this slot and of those after it, that they may retire.
    pub(super) fn oust(&self, from: usize) {
        let mut sleepers = self.sleepers.lock();
        let all_slept = self.counts().awake() == 0;
        let mut ousted = Vec::new();
        for at in (0..sleepers.len()).rev() {
            if sleepers[at].slot >= from {
                ousted.push(self.remove(&mut sleepers, at));
            }
        }
        let heir = sleepers
            .last()
            .filter(|_| self.keeper.load(Relaxed) == NOBODY)
            .map(|heir| {
                self.keeper.store(heir.slot, Relaxed);
                Arc::clone(&heir.parker)
            });
        drop(sleepers);
        heir.inspect(|heir| heir.nudge());
        for sleeper in &ousted {
            sleeper.parker.wake();
        }
        if all_slept && !ousted.is_empty() {
            self.nap.end();
        }
    }

    /// Wakes everybody, for the end.
    pub(super) fn wake_all(&self) {
        loop {
            let mut sleepers = self.sleepers.lock();
            let Some(at) = sleepers.len().checked_sub(1) else {
                return;
            };
            let sleeper = self.remove(&mut sleepers, at);
            drop(sleepers);
            sleeper.parker.wake();
        }
    }
}

impl std::fmt::Debug for Idle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let counts = self.counts();
        f.debug_struct("Idle")
            .field("awake", &counts.awake())
            .field("searching", &counts.searching())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
