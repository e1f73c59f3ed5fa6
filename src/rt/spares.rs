//! The exchange between threads that have no core and cores that have no thread, under one lock of [`threads`](super::threads).
//!
//! What it is not: a queue of work. A core lies here for as long as its next thread takes to come.
//!
//! ```text
//!                 leave                    take
//! core    -------------------> here -----------------> with a thread
//!                                |                       take_back: the thread that left it
//! thread  spare (in `asleep`) -- leave --> coming -- take --> with a core, or a spare again
//! ```
//!
//! 1. For each core here somebody is coming: a spare that was woken, or a thread that was started. If the system gives none, the
//!    core waits for the first thread that is done with its blocking call, and the monitor [calls](Spares::call) again.
//! 2. A spare is woken once, by whoever took it out of `asleep`, and always comes back to the lock then: its parker is used for
//!    other sleeps, which a wake too many would end.
//! 3. Once closed, nothing comes in any more.

use super::parker::Parker;
use crate::shim::Arc;

pub(super) struct Spares<T> {
    /// Threads that wait for a core; the one that came last goes first.
    asleep: Vec<Arc<Parker>>,
    /// Cores that wait for a thread.
    here: Vec<T>,
    coming: usize,
    closed: bool,
}

/// What is to be done for a core that was left here.
#[must_use]
pub(super) enum Call {
    /// Wake this spare: when the lock is released.
    Wake(Arc<Parker>),
    /// Start a thread, and say [`Spares::gone`] if that fails.
    Start,
    /// Nothing: somebody is on his way.
    Nobody,
}

impl<T> Spares<T> {
    pub(super) fn new() -> Spares<T> {
        Spares {
            asleep: Vec::new(),
            here: Vec::new(),
            coming: 0,
            closed: false,
        }
    }

    /// Whether there is a thread for one more core without starting one.
    pub(super) fn has_spare(&self) -> bool {
        !self.asleep.is_empty() || self.coming > self.here.len()
    }

    /// Leaves a core for the next thread.
    pub(super) fn leave(&mut self, core: T) -> Call {
        debug_assert!(!self.closed);
        self.here.push(core);
        self.call()
    }

    /// For cores that nobody is coming for, because no thread could be started: there may be one now.
    pub(super) fn call(&mut self) -> Call {
        if self.coming >= self.here.len() {
            return Call::Nobody;
        }
        self.coming += 1;
        self.asleep.pop().map_or(Call::Start, Call::Wake)
    }

    /// Somebody who was coming is here.
    pub(super) fn arrive(&mut self) {
        self.coming -= 1;
    }

    /// The thread that was to be started does not come.
    pub(super) fn gone(&mut self) {
        self.coming -= 1;
    }

    /// A core for a thread that has none.
    pub(super) fn take(&mut self) -> Option<T> {
        self.here.pop()
    }

    /// The core that `is_mine` knows, if nobody has come for it yet.
    pub(super) fn take_back(&mut self, is_mine: impl Fn(&T) -> bool) -> Option<T> {
        let at = self.here.iter().position(is_mine)?;
        Some(self.here.swap_remove(at))
    }

    /// A thread waits for a core from now on, until it is woken.
    pub(super) fn wait(&mut self, parker: &Arc<Parker>) {
        debug_assert!(!self.closed && self.here.is_empty());
        self.asleep.push(Arc::clone(parker));
    }

    /// A thread no longer waits. False: it has been woken, and must come.
    pub(super) fn withdraw(&mut self, parker: &Arc<Parker>) -> bool {
        let at = self
            .asleep
            .iter()
            .position(|other| Arc::ptr_eq(other, parker));
        at.map(|at| self.asleep.remove(at)).is_some()
    }

    /// Ends it: the spares to be woken, and the cores for which nobody comes in time.
    pub(super) fn close(&mut self) -> (Vec<Arc<Parker>>, Vec<T>) {
        self.closed = true;
        self.coming += self.asleep.len();
        (
            std::mem::take(&mut self.asleep),
            std::mem::take(&mut self.here),
        )
    }

    pub(super) fn asleep(&self) -> usize {
        self.asleep.len()
    }

    pub(super) fn is_closed(&self) -> bool {
        self.closed
    }
}

#[cfg(test)]
mod tests;
