//! A plain thread that waits: drives one future, asleep between its wakes.
//!
//! What it is not: an executor. It runs the future of one blocking call on the calling thread.
//!
//! ```text
//! state      meaning                                   who leaves it
//! EMPTY      nobody woke us                            owner -> ASLEEP; waker -> WOKEN
//! ASLEEP     the thread sleeps or is about to          waker -> WOKEN and unpark
//! WOKEN      a wake has come since the last poll       owner -> EMPTY
//! ```
//! Before it sleeps a thread spins for some microseconds: a hand-off between two running threads takes 0.1 us, 1 us on
//! processors far apart, through the kernel's sleep 25 us (measured, futex wake of an idle core). It yields soon for the
//! first time, then ever later: should the peer stand on the same processor, that is what lets it run.
//!
//! Ordering pair: wake (Release swap of WOKEN) -> owner (Acquire swap to EMPTY).

use std::cell::Cell;
use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Instant;

use crate::hook::current;
use crate::shim::{self, AtomicU8, Ordering::*, SPINS, YIELDS, thread, thread_local};

const EMPTY: u8 = 0;
const ASLEEP: u8 = 1;
const WOKEN: u8 = 2;

/// Runs a future to its end on this thread.
pub(crate) fn block_on<F: Future>(future: F) -> F::Output {
    let future = pin!(future);
    run(future, None).expect("without a deadline only the future ends the wait")
}

/// The same, but gives up at the deadline. The future keeps its state.
#[cfg_attr(not(feature = "rt"), allow(dead_code))]
pub(crate) fn block_on_until<F: Future>(
    future: Pin<&mut F>,
    deadline: Option<Instant>,
) -> Option<F::Output> {
    run(future, deadline)
}

/// What an executor wants done on a thread that is about to sleep: its thread may be needed for other tasks.
static BEFORE_SLEEP: OnceLock<fn()> = OnceLock::new();

/// Names it. The first call counts.
#[cfg_attr(not(feature = "rt"), allow(dead_code))]
pub(crate) fn set_before_sleep(give_way: fn()) {
    let _ = BEFORE_SLEEP.set(give_way);
}

struct Parker {
    state: AtomicU8,
    thread: thread::Thread,
}

impl Wake for Parker {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        // ORDERING: Release publishes what the waker's thread did; the owner's Acquire swap in `slept` sees it.
        if self.state.swap(WOKEN, AcqRel) == ASLEEP {
            self.thread.unpark();
        }
    }
}

thread_local! {
    /// This thread's parker while no wait uses it. A wait inside a wait (a `poll` that blocks) makes its own: with
    /// a shared one the inner wait would swallow the outer one's wake.
    static SPARE: Cell<Option<(Arc<Parker>, Waker)>> = const { Cell::new(None) };
}

fn run<F: Future>(mut future: Pin<&mut F>, deadline: Option<Instant>) -> Option<F::Output> {
    let (parker, waker) = take_spare();
    let waiting = current::enter_thread();
    let mut cx = Context::from_waker(&waker);
    let out = loop {
        // ORDERING: Acquire: a wake that is swallowed here is answered by the poll below, which must see what the
        // waker published before its Release swap.
        parker.state.swap(EMPTY, Acquire);
        waiting.start_poll();
        if let Poll::Ready(out) = future.as_mut().poll(&mut cx) {
            break Some(out);
        }
        if !parker.wait(deadline) {
            break None;
        }
    };
    // Fails only while the thread's locals are torn down; then there is nothing to save.
    let _ = SPARE.try_with(|spare| spare.set(Some((parker, waker))));
    out
}

fn take_spare() -> (Arc<Parker>, Waker) {
    SPARE
        .try_with(Cell::take)
        .ok()
        .flatten()
        .unwrap_or_else(|| {
            let parker = Arc::new(Parker {
                state: AtomicU8::new(EMPTY),
                thread: thread::current(),
            });
            (parker.clone(), Waker::from(parker))
        })
}

impl Parker {
    /// False: the deadline has passed and nobody woke us.
    fn wait(&self, deadline: Option<Instant>) -> bool {
        self.spin() || self.sleep(deadline)
    }

    fn spin(&self) -> bool {
        for turn in 0..YIELDS {
            for _ in 0..SPINS << turn {
                // ORDERING: Acquire pairs with the swap in `wake_by_ref`.
                if self.state.load(Acquire) == WOKEN {
                    return true;
                }
                shim::spin_loop();
            }
            shim::yield_now();
        }
        false
    }

    fn sleep(&self, deadline: Option<Instant>) -> bool {
        if let Some(give_way) = BEFORE_SLEEP.get() {
            give_way();
        }
        // ORDERING: AcqRel: on WOKEN we see what the waker published.
        if self
            .state
            .compare_exchange(EMPTY, ASLEEP, AcqRel, Acquire)
            .is_err()
        {
            return true;
        }
        loop {
            let left = deadline.map(|at| at.saturating_duration_since(Instant::now()));
            if left.is_some_and(|left| left.is_zero()) {
                // ORDERING: Acquire as above, should the wake have come just now.
                return self.state.swap(EMPTY, Acquire) == WOKEN;
            }
            shim::park(left);
            // ORDERING: Acquire pairs with the swap in `wake_by_ref`. `park` may return for no reason.
            if self.state.load(Acquire) == WOKEN {
                return true;
            }
        }
    }
}
