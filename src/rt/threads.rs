//! The threads of a runtime: as many as hold slots, and those that have lost theirs to a blocking call or a long poll.
//!
//! What it is not: a pool of work. A thread is here for a core ([`super::core::Core`]), Go's P; one that has lost its core
//! finishes its poll without and then waits a while for the next core to be handed off, as Go's idle Ms do.
//!
//! ```text
//!                 own: a blocking call (Threads::give)
//! with a core --------------------------------------------> without, in a poll --poll ends--> spare --> with a core
//!      |          sysmon: a long poll, a long call (retake)                                      |
//!      +-- runtime closes: core retired --> ended <------ IDLE_LIMIT over, or runtime closes ----+
//! ```
//!
//! 1. A core is in one place: in a thread's seat, in a sleeping worker's hands, in [`Spares`], on the shelf because there are to be
//!    [fewer workers](super::procs) now, or retired.
//! 2. `live` counts the threads that are not ended. Who ends last while the runtime closes buries it.
//! 3. Every thread ever started is joined by [`Threads::join`], or was joined before by another one.
//! 4. A core changes hands by another's will only under the lock and before the runtime closes: none is under way when the
//!    last thread looks for what is left.

use std::collections::BTreeMap;
use std::io;
use std::panic::Location;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use super::context;
use super::core::Core;
use super::created;
use super::idle::Idle;
use super::parker::Parker;
use super::seat::Taker;
use super::shared::Shared;
use super::slots::Slots;
use super::spares::{Call, Spares};
use super::sysmon::Sysmon;
use super::worker::Worker;
use crate::shim::{Arc, Mutex, ThreadId};
use crate::time;
use crate::util::tell;

/// How long a thread without a core waits for one. As Go, which never ends them, but kinder to programs that block once.
const IDLE_LIMIT: Duration = Duration::from_secs(10);
/// Threads beside the workers, at most: in blocking calls, in long polls, or spare.
const BESIDES: usize = 512;

pub(super) struct Threads {
    name: String,
    /// How many there may be, if the runtime's builder said so.
    most: Option<usize>,
    state: Mutex<State>,
    /// Whoever waits for their end: one at a time, or the second would find nobody to wait for.
    joining: Mutex<()>,
}

struct State {
    spares: Spares<Box<Core>>,
    seats: Vec<Seated>,
    #[expect(clippy::vec_box, reason = "as they are handed on")]
    retired: Vec<Box<Core>>,
    handles: Vec<JoinHandle<()>>,
    /// Of slots that there are not to be now, empty.
    shelf: BTreeMap<usize, Box<Core>>,
    live: usize,
    limit: usize,
    started: usize,
    /// What threads were started for, and how many.
    created: Vec<(Site, u64)>,
}

/// What a thread is wanted for: a place in a task, or nothing but the runtime itself.
pub(super) type Site = Option<&'static Location<'static>>;

/// The threads in numbers.
pub(super) struct Count {
    pub(super) live: usize,
    pub(super) spare: usize,
    pub(super) limit: usize,
    pub(super) created: Vec<(Site, u64)>,
}

/// A thread, as others see it.
#[derive(Clone)]
pub(super) struct Seated {
    pub(super) taker: Taker<Core>,
    pub(super) thread: Option<ThreadId>,
}

/// There is no thread to be had.
pub(super) struct Refused {
    pub(super) core: Box<Core>,
    pub(super) error: io::Error,
}

impl Threads {
    /// At most `most` threads at a time, but never fewer than workers.
    pub(super) fn new(name: String, workers: usize, most: Option<usize>) -> Threads {
        Threads {
            name,
            most,
            state: Mutex::new(State {
                spares: Spares::new(),
                seats: Vec::new(),
                retired: Vec::new(),
                handles: Vec::new(),
                shelf: BTreeMap::new(),
                live: 0,
                limit: limit(workers, most),
                started: 0,
                created: Vec::new(),
            }),
            joining: Mutex::new(()),
        }
    }

    // === cores change hands ===

    /// Hands `core` to a spare thread, or to a new one. When there is none to be had it comes back.
    pub(super) fn give(shared: &Arc<Shared>, core: Box<Core>, site: Site) -> Result<(), Refused> {
        let mut state = shared.threads.state.lock();
        let slot = core.slot();
        if let Err(error) = shared.threads.room(&state) {
            return Err(Refused { core, error });
        }
        let call = state.spares.leave(core);
        if let Err((mut state, error)) = answer(shared, state, call, site) {
            // It is still there: the lock was held all the time.
            let core = state.spares.take_back(|core| core.slot() == slot);
            let core = core.expect("nobody took it");
            return Err(Refused { core, error });
        }
        Ok(())
    }

    /// Takes the core of a thread that is `still` held up, and hands it to another one; `seen` looks at it on the way, while it is
    /// nobody's. `None`: it was not there, or there is no thread for it.
    pub(super) fn retake<R>(
        shared: &Arc<Shared>,
        seat: &Taker<Core>,
        still: impl FnOnce() -> bool,
        site: Site,
        seen: impl FnOnce(&Core) -> R,
    ) -> Option<R> {
        let mut state = shared.threads.state.lock();
        shared.threads.room(&state).ok()?;
        // What its thread was seen in may be over since, and then it is needed where it is.
        if !still() {
            return None;
        }
        let mut core = seat.take()?;
        let seen = seen(&core);
        // It is not, for as long as no thread has it: others must be woken instead.
        let searched = core.stop_searching();
        let call = state.spares.leave(core);
        // Should the system refuse a thread, it stays with the spares until one comes: see `call_again`.
        drop(answer(shared, state, call, site));
        if searched && shared.idle.end_search() && shared.has_work() {
            shared.idle.wake_one();
        }
        Some(seen)
    }

    /// Tries once more to start a thread for a core that none could be started for.
    pub(super) fn call_again(shared: &Arc<Shared>) {
        let mut state = shared.threads.state.lock();
        if shared.threads.room(&state).is_ok() {
            let call = state.spares.call();
            drop(answer(shared, state, call, None));
        }
    }

    /// The core of this slot, if it was handed off and nobody has come for it yet.
    pub(super) fn take_back(&self, slot: usize) -> Option<Box<Core>> {
        let mut state = self.state.lock();
        state.spares.take_back(|core| core.slot() == slot)
    }

    /// Whether one more core would find a thread.
    fn room(&self, state: &State) -> io::Result<()> {
        state.check_open()?;
        match state.live >= state.limit && !state.spares.has_spare() {
            true => Err(io::Error::other("the runtime's threads are all taken")),
            false => Ok(()),
        }
    }

    // === a thread without a core ===

    /// Waits a while for a core. `None`: the thread is to end.
    fn wait_for_core(&self, parker: &Arc<Parker>) -> Option<Box<Core>> {
        let until = Instant::now() + IDLE_LIMIT;
        let mut state = self.state.lock();
        loop {
            if let Some(mut core) = state.spares.take() {
                // What the thread before polls is not this one's poll.
                core.local.clear_polled();
                return Some(core);
            }
            if state.spares.is_closed() {
                return None;
            }
            state.spares.wait(parker);
            drop(state);
            let woken = sleep_until(parker, until);
            state = self.state.lock();
            if woken {
                state.spares.arrive();
            } else if state.spares.withdraw(parker) {
                return None;
            } else {
                // Its wake is on the way, and must not end another sleep.
                drop(state);
                while !parker.park(None) {}
                state = self.state.lock();
                state.spares.arrive();
            }
        }
    }

    // === more and fewer ===

    /// There are to be so many workers: those that are too many [lay their cores down](Self::lay_down) when they notice.
    pub(super) fn shrink(&self, slots: &Slots, workers: usize) {
        let mut state = self.state.lock();
        state.limit = limit(workers, self.most);
        slots.set(workers, slots.span());
    }

    /// There is to be one worker more: its core, if it is not with a thread yet.
    pub(super) fn grow(&self, slots: &Slots, idle: &Idle) -> io::Result<Option<Box<Core>>> {
        let mut state = self.state.lock();
        state.check_open()?;
        let slot = slots.workers();
        let mut shelved = state.shelf.remove(&slot);
        shelved.iter_mut().for_each(|core| core.begin());
        let core = match slots.is_made(slot) {
            true => shelved,
            false => Some(Box::new(Core::new(slot, slots.make(slot, false)))),
        };
        if core.is_some() {
            idle.join();
        }
        state.limit = limit(slot + 1, self.most);
        slots.set(slot + 1, slots.span().max(slot + 1));
        Ok(core)
    }

    /// A core whose worker does not go on: for good if the runtime closes, else because there are to be fewer of them. It comes back
    /// if that is no longer so.
    pub(super) fn lay_down(&self, shared: &Shared, mut core: Box<Core>) -> Option<Box<Core>> {
        let mut state = self.state.lock();
        if state.spares.is_closed() {
            state.retired.push(core);
            return None;
        }
        let slot = core.slot();
        let workers = shared.workers();
        if slot < workers {
            return Some(core);
        }
        shared.inject.extend(core.drain());
        let searching = core.end(shared);
        state.shelf.insert(slot, core);
        let mut span = shared.slots.span();
        while span > workers && state.shelf.contains_key(&(span - 1)) {
            span -= 1;
        }
        shared.slots.set(workers, span);
        drop(state);
        shared.idle.retire(slot, searching);
        if shared.has_work() {
            shared.idle.wake_one();
        }
        None
    }

    /// Waits until each thread has been seen without a borrow of its core.
    pub(super) fn outlast_borrows(&self) {
        let state = self.state.lock();
        for seat in &state.seats {
            seat.taker.outlast_borrow();
        }
    }

    #[expect(clippy::vec_box, reason = "as they were retired")]
    pub(super) fn take_retired(&self) -> Vec<Box<Core>> {
        std::mem::take(&mut self.state.lock().retired)
    }

    // === coming and going ===

    /// A thread is here, called by a core.
    fn enter(&self, worker: &Worker) {
        let seated = Seated {
            taker: worker.taker(),
            thread: ThreadId::current(),
        };
        let mut state = self.state.lock();
        state.seats.push(seated);
        state.spares.arrive();
    }

    /// This thread is about to end. True: it is the last, and the runtime closes.
    fn leave(&self, worker: &Worker) -> bool {
        let mut state = self.state.lock();
        state.seats.retain(|seat| !seat.taker.is_of(worker.seat()));
        state.live -= 1;
        state.live == 0 && state.spares.is_closed()
    }

    /// Who holds this slot's core, if it is in a seat.
    pub(super) fn seat_of(&self, slot: usize) -> Option<Seated> {
        let state = self.state.lock();
        let mut seats = state.seats.iter();
        let label = u32::try_from(slot).ok()?;
        seats.find(|seat| seat.taker.holds(label)).cloned()
    }

    /// Which slot each thread holds.
    pub(super) fn slots(&self) -> Vec<Option<usize>> {
        let state = self.state.lock();
        let slot = |seat: &Seated| seat.taker.label().map(|label| label as usize);
        state.seats.iter().map(slot).collect()
    }

    pub(super) fn count(&self) -> Count {
        let state = self.state.lock();
        Count {
            live: state.live,
            spare: state.spares.asleep(),
            limit: state.limit,
            created: state.created.clone(),
        }
    }

    /// Starts the monitor, which is joined as all others.
    pub(super) fn start_sysmon(shared: &Arc<Shared>) -> io::Result<()> {
        let name = format!("{}-sysmon", shared.threads.name);
        let mut state = shared.threads.state.lock();
        let monitor = Sysmon::new(Arc::clone(shared));
        let handle = thread::Builder::new().name(name).spawn(|| monitor.run())?;
        state.handles.push(handle);
        Ok(())
    }

    /// Starts a thread that says what the monitor has seen. It is the monitor that calls: nobody has joined all threads yet.
    pub(super) fn start_teller(
        shared: &Arc<Shared>,
        run: impl FnOnce() + Send + 'static,
    ) -> io::Result<()> {
        let name = format!("{}-teller", shared.threads.name);
        let mut state = shared.threads.state.lock();
        let handle = thread::Builder::new().name(name).spawn(run)?;
        state.handles.push(handle);
        Ok(())
    }

    /// Sends the spares home.
    pub(super) fn close(&self) {
        let mut state = self.state.lock();
        let (asleep, left) = state.spares.close();
        state.retired.extend(left);
        drop(state);
        for parker in asleep {
            parker.wake();
        }
    }

    /// Waits until all threads are gone. Not to be called on one of them.
    pub(super) fn join(&self) {
        let _one = self.joining.lock();
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

type Locked<'a> = crate::shim::MutexGuard<'a, State>;

/// Sees to it that a thread comes for the core that was left, and unlocks. If none can be started, the lock comes back.
fn answer<'a>(
    shared: &Arc<Shared>,
    mut state: Locked<'a>,
    call: Call,
    site: Site,
) -> Result<(), (Locked<'a>, io::Error)> {
    match call {
        Call::Nobody => {}
        Call::Wake(parker) => {
            drop(state);
            parker.wake();
        }
        Call::Start => {
            state.reap();
            state.started += 1;
            let name = format!("{}-{}", shared.threads.name, state.started);
            // Under the lock: whoever joins all threads must not find this one alive and without a handle.
            let theirs = Arc::clone(shared);
            match thread::Builder::new()
                .name(name)
                .spawn(move || live(theirs))
            {
                Ok(handle) => {
                    state.live += 1;
                    state.note_created(site);
                    if let Some(site) = site {
                        created::count(created::Reason::Spare, site);
                    }
                    state.handles.push(handle);
                }
                Err(error) => {
                    state.spares.gone();
                    return Err((state, error));
                }
            }
        }
    }
    Ok(())
}

fn limit(workers: usize, most: Option<usize>) -> usize {
    most.map_or(workers + BESIDES, |threads| threads.max(workers))
}

/// True: woken.
fn sleep_until(parker: &Arc<Parker>, until: Instant) -> bool {
    loop {
        let left = until.saturating_duration_since(Instant::now());
        if parker.park(Some(left)) {
            return true;
        }
        if left.is_zero() {
            return false;
        }
    }
}

impl State {
    fn check_open(&self) -> io::Result<()> {
        match self.spares.is_closed() {
            true => Err(io::Error::other("the runtime is shutting down")),
            false => Ok(()),
        }
    }

    fn note_created(&mut self, site: Site) {
        match self.created.iter_mut().find(|(other, _)| *other == site) {
            Some((_, count)) => *count += 1,
            None => self.created.push((site, 1)),
        }
    }

    /// Joins the threads that are through already.
    fn reap(&mut self) {
        for at in (0..self.handles.len()).rev() {
            if self.handles[at].is_finished() {
                let _ = self.handles.swap_remove(at).join();
            }
        }
    }
}

/// The life of a thread.
fn live(shared: Arc<Shared>) {
    let _bomb = AbortOnPanic;
    let _driver = time::enter(&shared.driver);
    let worker = Worker::new(Arc::clone(&shared));
    shared.threads.enter(&worker);
    context::enter_worker(&worker, || {
        let mut mine = None;
        while let Some(core) = mine
            .take()
            .or_else(|| shared.threads.wait_for_core(worker.parker()))
        {
            worker.put_core(core);
            worker.run();
            let core = worker.take_core();
            mine = core.and_then(|core| shared.threads.lay_down(&shared, core));
        }
        if shared.threads.leave(&worker) {
            shared.bury();
        }
    });
}

/// A panic in the scheduler itself would strand its tasks without a word. Tasks' own panics do not get here.
pub(super) struct AbortOnPanic;

impl Drop for AbortOnPanic {
    fn drop(&mut self) {
        if std::thread::panicking() {
            tell(format_args!(
                "gochan: a worker panicked outside of its tasks: this is a bug, giving up\n"
            ));
            std::process::abort();
        }
    }
}

#[cfg(all(test, not(gochan_loom)))]
mod tests;
