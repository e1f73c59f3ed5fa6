//! The threads of a runtime: as many as hold slots, and those that have lost theirs to a blocking call.
//!
//! What it is not: a pool of work. A thread is here for a core ([`super::worker::Core`]), Go's P; a blocked thread finishes its
//! poll without one and then waits a while for the next core to be handed off, as Go's idle Ms do.
//!
//! ```text
//! with a core --blocking call--> blocked, in a poll --poll ends--> spare --given a core--> with a core
//!      |                                                             |
//!      +-- runtime closes: core retired --> ended <-- IDLE_LIMIT over, or runtime closes
//! ```
//!
//! 1. A core is in one place: with a thread, with a spare that is waking up, or retired.
//! 2. `live` counts the threads that are not ended. Who ends last while the runtime closes buries it.
//! 3. Every thread ever started is joined by [`Threads::join`], or was joined before by another one.

use std::io;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use super::context;
use super::parker::Parker;
use super::shared::Shared;
use super::worker::{Core, Worker};
use crate::shim::{Arc, Mutex};
use crate::time;

/// How long a thread without a core waits for one. As Go, which never ends them, but kinder to programs that block once.
const IDLE_LIMIT: Duration = Duration::from_secs(10);

pub(super) struct Threads {
    name: String,
    state: Mutex<State>,
}

#[derive(Default)]
#[expect(
    clippy::vec_box,
    reason = "cores live in boxes and are handed on as they are"
)]
struct State {
    spares: Vec<Arc<Spare>>,
    retired: Vec<Box<Core>>,
    handles: Vec<JoinHandle<()>>,
    live: usize,
    started: usize,
    closing: bool,
}

/// A thread that waits for a core.
struct Spare {
    parker: Arc<Parker>,
    core: Mutex<Option<Box<Core>>>,
}

/// The system gave us no thread.
pub(super) struct Refused {
    pub(super) core: Box<Core>,
    pub(super) error: io::Error,
}

impl Threads {
    pub(super) fn new(name: String) -> Threads {
        Threads {
            name,
            state: Mutex::new(State::default()),
        }
    }

    /// Hands `core` to a spare thread, or to a new one. When the system has no thread to give it comes back.
    pub(super) fn give(shared: &Arc<Shared>, core: Box<Core>) -> Result<(), Refused> {
        let mut state = shared.threads.state.lock();
        let spare = state.spares.pop();
        if let Some(spare) = spare {
            drop(state);
            *spare.core.lock() = Some(core);
            spare.parker.wake();
            return Ok(());
        }
        state.reap();
        state.started += 1;
        let name = format!("{}-{}", shared.threads.name, state.started);
        // Under the lock: whoever joins all threads must not find this one alive and without a handle.
        let handle = start(shared, core, name)?;
        state.live += 1;
        state.handles.push(handle);
        Ok(())
    }

    /// Waits a while for a core. `None`: the thread is to end.
    fn wait_for_core(&self, parker: &Arc<Parker>) -> Option<Box<Core>> {
        let spare = Arc::new(Spare {
            parker: Arc::clone(parker),
            core: Mutex::new(None),
        });
        let mut state = self.state.lock();
        if state.closing {
            return None;
        }
        state.spares.push(Arc::clone(&spare));
        drop(state);
        let until = Instant::now() + IDLE_LIMIT;
        loop {
            let left = until.saturating_duration_since(Instant::now());
            if spare.parker.park(Some(left)) {
                return spare.core.lock().take();
            }
            if left.is_zero() && self.withdraw(&spare) {
                return None;
            }
        }
    }

    /// Takes a spare out. False: it has been given a core already.
    fn withdraw(&self, spare: &Arc<Spare>) -> bool {
        let mut state = self.state.lock();
        let at = state
            .spares
            .iter()
            .position(|other| Arc::ptr_eq(other, spare));
        at.map(|at| state.spares.remove(at)).is_some()
    }

    fn retire(&self, core: Box<Core>) {
        self.state.lock().retired.push(core);
    }

    #[expect(clippy::vec_box, reason = "as they were retired")]
    pub(super) fn take_retired(&self) -> Vec<Box<Core>> {
        std::mem::take(&mut self.state.lock().retired)
    }

    /// This thread is about to end. True: it is the last, and the runtime closes.
    fn leave(&self) -> bool {
        let mut state = self.state.lock();
        state.live -= 1;
        state.live == 0 && state.closing
    }

    /// Sends the spares home.
    pub(super) fn close(&self) {
        let mut state = self.state.lock();
        state.closing = true;
        let spares = std::mem::take(&mut state.spares);
        drop(state);
        for spare in spares {
            spare.parker.wake();
        }
    }

    /// Waits until all threads are gone. Not to be called on one of them.
    pub(super) fn join(&self) {
        loop {
            let handles = std::mem::take(&mut self.state.lock().handles);
            if handles.is_empty() && self.state.lock().live == 0 {
                return;
            }
            for handle in handles {
                // Its panic is a bug of ours and has been reported; the others must still be waited for.
                let _ = handle.join();
            }
        }
    }
}

impl State {
    /// Joins the threads that are through already.
    fn reap(&mut self) {
        for at in (0..self.handles.len()).rev() {
            if self.handles[at].is_finished() {
                let _ = self.handles.swap_remove(at).join();
            }
        }
    }
}

fn start(shared: &Arc<Shared>, core: Box<Core>, name: String) -> Result<JoinHandle<()>, Refused> {
    // The closure is gone when the thread cannot be started; the core must not be.
    let place = Arc::new(Mutex::new(Some(core)));
    let (theirs, shared) = (Arc::clone(&place), Arc::clone(shared));
    let started = thread::Builder::new().name(name).spawn(move || {
        let core = theirs.lock().take();
        live(shared, core.expect("it was put there for this thread"));
    });
    started.map_err(|error| Refused {
        core: place.lock().take().expect("the thread never ran"),
        error,
    })
}

/// The life of a thread.
fn live(shared: Arc<Shared>, core: Box<Core>) {
    let _bomb = AbortOnPanic;
    let _driver = time::enter(&shared.driver);
    let worker = Worker::new(Arc::clone(&shared), core);
    context::enter_worker(&worker, || {
        loop {
            worker.run();
            if let Some(core) = worker.take_core() {
                shared.threads.retire(core);
                break;
            }
            match shared.threads.wait_for_core(worker.parker()) {
                Some(core) => worker.put_core(core),
                None => break,
            }
        }
        if shared.threads.leave() {
            shared.bury();
        }
    });
}

/// A panic in the scheduler itself would strand its tasks without a word. Tasks' own panics do not get here.
struct AbortOnPanic;

impl Drop for AbortOnPanic {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("gochan: a worker panicked outside of its tasks: this is a bug, giving up");
            std::process::abort();
        }
    }
}
