//! What the operating system is asked for directly: a barrier on all threads at once, and the processor time of another thread.
//!
//! What it is not: needed. Where a system has neither, workers' slots are not taken over and a long poll does not say whether
//! it ran; the rest is the same.
//!
//! The barrier: [`light_barrier`] and [`heavy_barrier`] together order as two SeqCst fences do. On Linux the light one stops only
//! the compiler, and the heavy one makes the kernel run a full barrier on every thread of this process that is running
//! (`membarrier(2)`, private expedited, since 4.14). Elsewhere both are fences.
#![allow(unsafe_code)]

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

#[cfg(all(target_os = "linux", not(miri)))]
mod sys {
    use std::sync::atomic::{Ordering::SeqCst, compiler_fence};
    use std::time::Duration;

    use super::Promise;

    static PROMISE: Promise = Promise::new();

    fn membarrier(command: libc::c_int) -> bool {
        // SAFETY: the call takes two numbers and touches no memory of ours.
        unsafe { libc::syscall(libc::SYS_membarrier, command, 0, 0) == 0 }
    }

    fn run() -> bool {
        membarrier(libc::MEMBARRIER_CMD_PRIVATE_EXPEDITED as _)
    }

    pub(super) fn has_heavy() -> bool {
        PROMISE.holds(|| membarrier(libc::MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED as _))
    }

    pub(super) fn try_heavy() -> bool {
        has_heavy() && PROMISE.test(run)
    }

    pub(super) fn heavy() {
        assert!(run(), "the kernel ran this barrier a moment ago");
    }

    #[inline(always)]
    pub(super) fn light() {
        compiler_fence(SeqCst);
    }

    pub(super) fn this_thread() -> Option<u32> {
        // SAFETY: it has no arguments and cannot fail.
        u32::try_from(unsafe { libc::gettid() }).ok()
    }

    /// The clock's number is made from the thread's as `pthread_getcpuclockid` makes it: the thread, of this process, on CPU.
    pub(super) fn cpu_time(thread: u32) -> Option<Duration> {
        let clock = !(thread as libc::clockid_t) << 3 | 0b110;
        let mut time = libc::timespec {
            tv_sec: 0,
            tv_nsec: 0,
        };
        // SAFETY: `time` is a place for the answer. The kernel refuses the number of a thread that is gone.
        let done = unsafe { libc::clock_gettime(clock, &mut time) } == 0;
        let secs = u64::try_from(time.tv_sec).ok()?;
        done.then(|| Duration::new(secs, time.tv_nsec as u32))
    }

    /// The third field of the thread's `stat`, after its name in brackets, which may hold anything.
    pub(super) fn wants_cpu(thread: u32) -> Option<bool> {
        let stat = std::fs::read_to_string(format!("/proc/self/task/{thread}/stat")).ok()?;
        let state = stat.rsplit_once(") ")?.1.chars().next()?;
        Some(state == 'R')
    }
}

#[cfg(not(all(target_os = "linux", not(miri))))]
mod sys {
    use std::sync::atomic::{Ordering::SeqCst, fence};
    use std::time::Duration;

    pub(super) fn has_heavy() -> bool {
        true
    }

    pub(super) fn try_heavy() -> bool {
        true
    }

    pub(super) fn heavy() {
        fence(SeqCst);
    }

    #[inline(always)]
    pub(super) fn light() {
        fence(SeqCst);
    }

    pub(super) fn this_thread() -> Option<u32> {
        None
    }

    pub(super) fn cpu_time(_: u32) -> Option<Duration> {
        None
    }

    pub(super) fn wants_cpu(_: u32) -> Option<bool> {
        None
    }
}

/// What the kernel has promised once, until it is seen to break it: a process may be put into a sandbox when it runs already.
#[cfg_attr(not(all(target_os = "linux", not(miri))), allow(dead_code))]
struct Promise {
    given: OnceLock<bool>,
    broken: AtomicBool,
}

#[cfg_attr(not(all(target_os = "linux", not(miri))), allow(dead_code))]
impl Promise {
    const fn new() -> Promise {
        Promise {
            given: OnceLock::new(),
            broken: AtomicBool::new(false),
        }
    }

    /// Whether it was given, asked for now if it was not, and not broken.
    fn holds(&self, ask: impl FnOnce() -> bool) -> bool {
        *self.given.get_or_init(ask) && !self.broken.load(Relaxed)
    }

    /// Whether it is kept this time. Once it was not, it is trusted no more.
    fn test(&self, keep: impl FnOnce() -> bool) -> bool {
        let kept = keep();
        if !kept {
            self.broken.store(true, Relaxed);
        }
        kept
    }
}

/// Whether there is a [`heavy_barrier`] on this machine.
pub(crate) fn has_heavy_barrier() -> bool {
    sys::has_heavy()
}

/// Whether there is one now: it has just been run. To be asked for before what only the barrier can make good.
pub(crate) fn try_heavy_barrier() -> bool {
    sys::try_heavy()
}

/// The rare side's half of a store-load race. Only where [`try_heavy_barrier`] has just said so.
pub(crate) fn heavy_barrier() {
    sys::heavy();
}

/// The frequent side's half.
#[inline(always)]
pub(crate) fn light_barrier() {
    sys::light();
}

/// A thread of this process, as the system numbers it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ThreadId(u32);

impl ThreadId {
    /// The calling thread.
    pub(crate) fn current() -> Option<ThreadId> {
        sys::this_thread().map(ThreadId)
    }

    /// How long it has run on a processor.
    pub(crate) fn cpu_time(self) -> Option<Duration> {
        sys::cpu_time(self.0)
    }

    /// Whether it runs, or would if there were a processor for it; else it sleeps in the kernel.
    pub(crate) fn wants_cpu(self) -> Option<bool> {
        sys::wants_cpu(self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_promise_that_was_broken_is_trusted_no_more() {
        let promise = Promise::new();
        assert!(promise.holds(|| true));
        assert!(promise.holds(|| unreachable!("it is asked for once")));
        assert!(promise.test(|| true) && promise.holds(|| false));
        assert!(!promise.test(|| false));
        assert!(!promise.holds(|| true));
        assert!(!Promise::new().holds(|| false));
    }
}
