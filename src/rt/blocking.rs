//! `blocking`: a synchronous call inside a task that holds nobody up.
//!
//! What it is not: a pool that the closure is sent to. It runs right here, in the middle of the poll, and may borrow. What
//! moves is the worker's slot, as in Go around a system call (`entersyscall`, `exitsyscall` and `handoffp` in
//! `src/runtime/proc.go`):
//!
//! ```text
//! the worker has queued work    another thread goes on with the slot at once; taken back if none has come when the call ends
//! it has none                   the slot stays, and the monitor hands it off when the call lasts (`sysmon`)
//! a wait of this crate          handed off at once: it waits because it has to
//! ```
//! A thread that has lost its slot does without for the rest of the poll: what it wakes and spawns goes to the global queue.
//! Then it waits for another slot ([`threads`](super::threads)).

use std::panic::Location;

use super::context;
use super::threads::Threads;
use super::worker::Worker;
use crate::clock;
use crate::hook::record::Record;
use crate::hook::{WaitReason, current};
use crate::shim::has_heavy_barrier;

/// Calls `f`, which may block the thread, without holding up other tasks.
///
/// Inside a task, another thread takes over the worker's slot until `f` returns, or until the end of this poll, so the
/// number of tasks that run at the same time stays what it was: at once if other tasks wait for the worker, and some ten
/// microseconds later if none does. Outside of tasks it just calls `f`. Follows Go's system calls (`entersyscall` in
/// `src/runtime/proc.go`).
///
/// A hand-over costs some microseconds: use it for reading files, for locks held long, for calls into libraries that
/// wait; not for what always takes less than that.
///
/// If the runtime has as many threads as it [may have](crate::Builder::max_threads), or the system has no more, `f` is called all
/// the same. The worker is then held up by it until a thread is free, and a dump says so of the task.
///
/// # Cancellation
///
/// A call that has begun runs to its end; a task aborted meanwhile is dropped after it.
///
/// # Panics
///
/// A panic of `f` goes on into the task.
///
/// # Examples
///
/// ```
/// gochan::run(async {
///     let text = String::from("as well as it gets");
///     let words = gochan::blocking(|| text.split(' ').count());
///     assert_eq!(words, 5);
/// });
/// ```
#[track_caller]
pub fn blocking<R>(f: impl FnOnce() -> R) -> R {
    let site = Location::caller();
    context::with(|worker| {
        let Some(worker) = worker else {
            let _noted = current::enter_blocking(WaitReason::Blocking, site);
            return f();
        };
        let call = Call::enter(worker, site);
        let _noted = current::enter_blocking(call.reason(), site);
        f()
    })
}

/// A call that may block, from a thread of the runtime. What is to be done for the slot when it ends is done by the drop.
struct Call<'a> {
    worker: &'a Worker,
    slot: Slot,
}

/// What has become of the slot.
enum Slot {
    /// There was none.
    None,
    /// It is here, and may be taken away.
    Kept,
    /// Here, although others wait for it: there is no thread.
    Stuck,
    /// Handed off.
    Given(usize),
}

impl<'a> Call<'a> {
    fn enter(worker: &'a Worker, site: &'static Location<'static>) -> Call<'a> {
        let slot = match worker.is_wanted() {
            None => Slot::None,
            // What cannot be taken away must not stay: a timer or a socket may be what the call waits for.
            Some(wanted) if wanted || !has_heavy_barrier() => Call::give(worker, site),
            Some(_) => Slot::Kept,
        };
        let offers = matches!(slot, Slot::Kept | Slot::Stuck);
        // A call inside a call is a part of the outer one.
        let slot = match offers && !worker.seat().enter_call() {
            true => Slot::None,
            false => slot,
        };
        if offers {
            worker.shared().idle.nap.hurry();
        }
        clock::skip_none();
        Call { worker, slot }
    }

    fn give(worker: &Worker, site: &'static Location<'static>) -> Slot {
        let Some(core) = worker.take_core() else {
            return Slot::None;
        };
        let slot = core.slot();
        match Threads::give(worker.shared(), core, Some(site)) {
            Ok(()) => Slot::Given(slot),
            Err(refused) => {
                worker.put_core(refused.core);
                Slot::Stuck
            }
        }
    }

    fn reason(&self) -> WaitReason {
        match self.slot {
            Slot::Stuck => WaitReason::BlockingNoThread,
            _ => WaitReason::Blocking,
        }
    }
}

impl Drop for Call<'_> {
    fn drop(&mut self) {
        match self.slot {
            Slot::None => {}
            Slot::Kept | Slot::Stuck => self.worker.seat().leave_call(),
            Slot::Given(slot) => {
                if let Some(core) = self.worker.shared().threads.take_back(slot) {
                    self.worker.put_core(core);
                }
            }
        }
        if !matches!(self.slot, Slot::None) && self.worker.seat().is_filled() {
            clock::skip_again();
        }
    }
}

/// Gives this thread's slot, if it has one, to another thread. Every blocking wait of this crate does so before it sleeps.
pub(super) fn hand_off() {
    context::with(|worker| {
        let Some((worker, core)) = worker.and_then(|worker| Some((worker, worker.take_core()?)))
        else {
            return;
        };
        // The wait that is about to sleep.
        let seen = current::record().and_then(Record::snapshot);
        let site = seen.and_then(|seen| seen.wait?.site);
        match Threads::give(worker.shared(), core, site) {
            Ok(()) => clock::skip_none(),
            Err(refused) => worker.put_core(refused.core),
        }
    });
}
