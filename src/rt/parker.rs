//! How a worker's thread sleeps: parked by the system or, when it is the one to wait for sockets, in the poller.
//!
//! What it is not: the decision who sleeps ([`idle`](super::idle)), nor the poller: it knows of that only how to
//! interrupt it.
//!
//! ```text
//! word      meaning                                        who leaves it
//! EMPTY     nobody wants anything                          owner -> POLLING; others -> NUDGED, WOKEN
//! POLLING   the thread is in the poller, or about to be    owner -> EMPTY; others -> NUDGED, WOKEN, and interrupt
//! NUDGED    look around, and go on sleeping                owner -> EMPTY; others -> WOKEN
//! WOKEN     it was taken out of the sleepers: get up       owner -> EMPTY
//! ```
//! 1. Whoever changes POLLING interrupts the poller, nobody else does: a wake of a thread that is not in there costs no
//!    write to the poller's descriptor.
//! 2. The owner enters POLLING only in its [`Turn`] of the poller, and keeps that until it is out: an interrupt ends this thread's
//!    wait and not, before that has begun, somebody else's look.
//! 3. A wake or nudge that comes before the sleep has begun is in the word, or in the token of the thread's unpark.
//!
//! Ordering pair: `wake` and `nudge` (Release) -> `take` (Acquire): what the waker did, above all that the thread is out of
//! the sleepers, or that there is an earlier timer.

use std::sync::OnceLock;
use std::time::Duration;

#[cfg(any(feature = "net", test))]
use super::turn::Turn;
use crate::shim::{Arc, AtomicU32, Ordering, park, thread};
use Ordering::{AcqRel, Acquire, Relaxed};

const EMPTY: u32 = 0;
const POLLING: u32 = 1;
const NUDGED: u32 = 2;
const WOKEN: u32 = 3;

/// Ends the wait of the thread that is in the poller.
pub(super) type Interrupt = Box<dyn Fn() + Send + Sync>;

/// How a worker's thread sleeps.
pub(super) struct Parker {
    word: AtomicU32,
    thread: thread::Thread,
    interrupt: OnceLock<Interrupt>,
}

impl Parker {
    /// For the calling thread.
    pub(super) fn new() -> Arc<Parker> {
        Arc::new(Parker {
            word: AtomicU32::new(EMPTY),
            thread: thread::current(),
            interrupt: OnceLock::new(),
        })
    }

    /// Ends the sleep for good.
    pub(super) fn wake(&self) {
        let before = self.word.swap(WOKEN, AcqRel);
        self.stir(before);
    }

    /// Makes the thread look around and go on sleeping.
    pub(super) fn nudge(&self) {
        let nudged = |word| (word != WOKEN).then_some(NUDGED);
        // Woken, it looks around anyway.
        if let Ok(before) = self.word.fetch_update(AcqRel, Relaxed, nudged) {
            self.stir(before);
        }
    }

    fn stir(&self, before: u32) {
        if before != POLLING {
            self.thread.unpark();
        } else if let Some(interrupt) = self.interrupt.get() {
            // Set before POLLING was.
            interrupt();
        }
    }

    /// Sleeps until woken, nudged or timed out, or for no reason. True: woken.
    pub(super) fn park(&self, timeout: Option<Duration>) -> bool {
        if self.word.load(Acquire) == EMPTY {
            park(timeout);
        }
        self.take()
    }

    /// The same in the poller: `poll` waits there, and `interrupt`, always the same one, makes it return.
    ///
    /// If it is another one's turn, that one looks without waiting, or is a keeper that has just been interrupted. Or it is the keeper
    /// by now, for we were woken after we had seen that it is us: so we must not wait for it where nobody can wake us, and park for
    /// `busy` at most.
    #[cfg(any(feature = "net", test))]
    pub(super) fn park_polling<T>(
        &self,
        turn: &Turn<T>,
        busy: Duration,
        interrupt: impl FnOnce() -> Interrupt,
        poll: impl FnOnce(&mut T),
    ) -> bool {
        let slept = turn.try_with(|engine| {
            self.interrupt.get_or_init(interrupt);
            let enter = self.word.compare_exchange(EMPTY, POLLING, AcqRel, Acquire);
            if enter.is_ok() {
                poll(engine);
            }
            self.take()
        });
        slept.unwrap_or_else(|| self.park(Some(busy)))
    }

    /// Whether the thread was woken; a nudge is forgotten.
    pub(super) fn take(&self) -> bool {
        // ORDERING: Acquire pairs with `wake` and `nudge`, as the header says.
        self.word.swap(EMPTY, AcqRel) == WOKEN
    }
}

impl std::fmt::Debug for Parker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Parker")
            .field("thread", &self.thread)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
