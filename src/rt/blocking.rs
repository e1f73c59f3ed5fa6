//! `blocking`: a synchronous call inside a task that holds nobody up.
//!
//! What it is not: a pool that the closure is sent to. It runs right here, in the middle of the poll, and may borrow. What
//! moves is the worker's slot: another thread goes on with it at once, as Go does around a system call (`entersyscallblock`
//! and `handoffp` in `src/runtime/proc.go`). This thread has no slot for the rest of the poll: what it wakes and spawns goes
//! to the global queue. Then it waits for another slot ([`threads`](super::threads)).

use std::panic::Location;

use super::context;
use super::threads::Threads;
use crate::hook::current;

/// Calls `f`, which may block the thread, without holding up other tasks.
///
/// Inside a task, another thread takes over the worker's slot for as long as the rest of this poll takes, so the number
/// of tasks that run at the same time stays what it was. Outside of tasks it just calls `f`.
///
/// The hand-over costs some microseconds: use it for reading files, for locks held long, for calls into libraries that
/// wait; not for what takes less than that.
///
/// If the system has no more threads, `f` is called all the same, and the worker is then held up by it.
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
    hand_off();
    let _noted = current::enter_blocking(Location::caller());
    f()
}

/// Gives this thread's slot, if it has one, to another thread. Every blocking wait of this crate does so before it sleeps.
pub(super) fn hand_off() {
    context::with(|worker| {
        let Some((worker, core)) = worker.and_then(|worker| Some((worker, worker.take_core()?)))
        else {
            return;
        };
        if let Err(refused) = Threads::give(worker.shared(), core) {
            worker.put_core(refused.core);
        }
    });
}
