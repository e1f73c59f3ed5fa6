//! The word of a wait group: how many are out, and whether somebody waits for them.
//!
//! ```text
//! 63..33 generation     32..1 counter     0 WAITERS
//!
//! counter  WAITERS   meaning                                            who leaves it
//! 0        0         nobody is out; a wait is over at once              add -> counter > 0
//! n        0         n are out                                          add, done; a wait sets WAITERS
//! n        1         n are out, somebody waits or did                   add, done
//! 0        1         the last one has left and is about to wake them    release -> WAITERS clear
//! ```
//! Invariants
//! 1. WAITERS is set only under the lock of the group's queue, and only while the counter is above 0. It may stay when
//!    those who waited have left: it says "look into the queue", not "somebody is there".
//! 2. The counter leaves (0, WAITERS) only after the queue was looked into under its lock.
//! 3. The generation is the number of times that members were added: a word that is the same at two looks has not changed
//!    between them. It wraps after 2^31 times.
//! 4. A change that is refused has changed nothing, not even for a moment: a `done` that counts first and looks then
//!    would, when it is one too many, hide the 0 from who is about to wake the waiters.
//!
//! Ordering pair: a change (Release) -> `is_zero`, `start_wait` (Acquire): who sees 0 sees what all members did, for all
//! changes form one release sequence.

use crate::shim::{AtomicU64, Ordering::*};
use crate::wait::op::Look;

const WAITERS: u64 = 1;
const MEMBER: u64 = 1 << 1;
/// Stands at the top, so that it wraps by itself.
const GENERATION: u64 = 1 << 33;
const MAX: i64 = i32::MAX as i64;

/// The word.
#[derive(Debug)]
pub(super) struct State(AtomicU64);

/// What a change of the counter leaves to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "waiters may have to be woken"]
pub(super) enum Change {
    /// Nothing.
    Done,
    /// It came down to 0 and somebody waits: `release` them.
    Release,
    /// Not done: the last one has just left, and those who wait for that may still be queued. Look there first.
    Busy,
}

/// A change that is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refused {
    Negative,
    Overflow,
}

impl State {
    pub(super) fn new() -> State {
        State(AtomicU64::new(0))
    }

    #[inline]
    pub(super) fn counter(&self) -> u32 {
        // ORDERING: Acquire, see `is_zero`.
        counter(self.0.load(Acquire))
    }

    /// Whether nobody is out.
    #[inline]
    pub(super) fn is_zero(&self) -> bool {
        self.counter() == 0
    }

    pub(super) fn look(&self) -> (bool, Look) {
        // ORDERING: Acquire: who acts on a look sees what the members did before they left.
        let word = self.0.load(Acquire);
        let (high, low) = ((word >> 32) as usize, word as u32);
        (counter(word) == 0, Look(high, 0, low & !(WAITERS as u32)))
    }

    /// Adds `delta` to the counter.
    #[inline]
    pub(super) fn add(&self, delta: i64) -> Result<Change, Refused> {
        let mut old = self.0.load(Relaxed);
        loop {
            let (new, change) = added(old, delta)?;
            // ORDERING: Release: what this member did is seen by who sees the counter at 0. Acquire: who brings it there
            // passes on, by the queue's lock and DONE, what all others did.
            match self.0.compare_exchange_weak(old, new, AcqRel, Relaxed) {
                Ok(_) => return Ok(change),
                Err(now) => old = now,
            }
        }
    }

    /// Somebody is about to be queued; under the lock. False: nobody is out, there is nothing to wait for.
    #[must_use]
    pub(super) fn start_wait(&self) -> bool {
        // ORDERING: Acquire, see `is_zero`.
        let mut old = self.0.load(Acquire);
        while counter(old) > 0 && old & WAITERS == 0 {
            // ORDERING: Relaxed for the bit: whoever acts on it takes the lock, which we hold until we are queued.
            match self
                .0
                .compare_exchange_weak(old, old | WAITERS, Acquire, Acquire)
            {
                Ok(_) => return true,
                Err(now) => old = now,
            }
        }
        counter(old) > 0
    }

    /// Whether those in the queue are to be let go; under the lock. Once for each time that the counter came to 0.
    #[must_use]
    pub(super) fn end_wait(&self) -> bool {
        let old = self.0.load(Relaxed);
        // ORDERING: Relaxed: at (0, WAITERS) nobody changes the word without the lock (invariant 2).
        counter(old) == 0
            && old & WAITERS != 0
            && self
                .0
                .compare_exchange(old, old & !WAITERS, AcqRel, Relaxed)
                .is_ok()
    }
}

fn counter(word: u64) -> u32 {
    (word / MEMBER) as u32
}

/// The word after `delta` more, and what is to be done then.
#[inline]
fn added(old: u64, delta: i64) -> Result<(u64, Change), Refused> {
    let before = i64::from(counter(old));
    let after = before.checked_add(delta).ok_or(Refused::Overflow)?;
    match after {
        ..0 => return Err(Refused::Negative),
        0..=MAX => {}
        _ => return Err(Refused::Overflow),
    }
    let waited_for = old & WAITERS != 0;
    if before == 0 && after > 0 && waited_for {
        return Ok((old, Change::Busy));
    }
    let generation = if delta > 0 { GENERATION } else { 0 };
    let new = old
        .wrapping_add((delta as u64).wrapping_mul(MEMBER))
        .wrapping_add(generation);
    let change = match after == 0 && before > 0 && waited_for {
        true => Change::Release,
        false => Change::Done,
    };
    Ok((new, change))
}

#[cfg(all(test, not(gochan_loom)))]
mod tests {
    use super::*;

    fn word(counter: u64, generation: u64, waiters: u64) -> u64 {
        generation << 33 | counter << 1 | waiters
    }

    #[test]
    fn changes() {
        assert_eq!(added(word(0, 3, 0), 2), Ok((word(2, 4, 0), Change::Done)));
        assert_eq!(added(word(2, 3, 1), -1), Ok((word(1, 3, 1), Change::Done)));
        assert_eq!(added(word(2, 3, 0), -2), Ok((word(0, 3, 0), Change::Done)));
        let last = Ok((word(0, 3, 1), Change::Release));
        assert_eq!(added(word(1, 3, 1), -1), last);
        assert_eq!(added(word(0, 3, 1), 1), Ok((word(0, 3, 1), Change::Busy)));
        assert_eq!(added(word(0, 3, 0), 0), Ok((word(0, 3, 0), Change::Done)));
        assert_eq!(added(word(0, 3, 1), 0), Ok((word(0, 3, 1), Change::Done)));
    }

    #[test]
    fn the_generation_wraps_and_stays_in_its_bits() {
        let all = (1 << 31) - 1;
        assert_eq!(added(word(1, all, 1), 1), Ok((word(2, 0, 1), Change::Done)));
    }

    #[test]
    fn the_counter_has_ends() {
        let full = word(MAX as u64, 0, 0);
        assert_eq!(added(full, 1), Err(Refused::Overflow));
        assert_eq!(added(full, i64::MAX), Err(Refused::Overflow));
        let filled = word(MAX as u64, 1, 0);
        assert_eq!(added(word(0, 0, 0), MAX), Ok((filled, Change::Done)));
        assert_eq!(added(word(0, 0, 0), MAX + 1), Err(Refused::Overflow));
        assert_eq!(added(word(0, 0, 0), -1), Err(Refused::Negative));
        assert_eq!(added(word(3, 0, 1), i64::MIN), Err(Refused::Negative));
    }

    #[test]
    fn a_wait_ends_once() {
        let state = State::new();
        assert!(!state.start_wait(), "nobody is out");
        assert_eq!(state.add(1), Ok(Change::Done));
        assert!(state.start_wait() && state.start_wait());
        assert!(!state.end_wait(), "one is out");
        assert_eq!(state.add(-1), Ok(Change::Release));
        assert_eq!(state.add(1), Ok(Change::Busy));
        assert!(state.end_wait());
        assert!(!state.end_wait());
        assert_eq!(state.add(1), Ok(Change::Done));
    }
}
