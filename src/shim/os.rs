//! What the operating system is asked for directly: a barrier on all threads at once, and the processor time of another thread.
//!
//! What it is not: needed. Where a system has neither, workers' slots are not taken over and a long poll does not say whether
//! it ran; the rest is the same.
//!
//! The barrier: [`light_barrier`] and [`heavy_barrier`] together order as two SeqCst fences do. On Linux the light one stops only
//! the compiler, and the heavy one makes the kernel run a full barrier on every thread of this process that is running
//! (`membarrier(2)`, private expedited, since 4.14). Elsewhere both are fences.
#![allow(unsafe_code)]

use std::time::Duration;

#[cfg(all(target_os = "linux", not(miri)))]
mod sys {
    use std::sync::OnceLock;
    use std::sync::atomic::{Ordering::SeqCst, compiler_fence};
    use std::time::Duration;

    static REGISTERED: OnceLock<bool> = OnceLock::new();

    fn membarrier(command: libc::c_int) -> bool {
        // SAFETY: the call takes two numbers and touches no memory of ours.
        unsafe { libc::syscall(libc::SYS_membarrier, command, 0, 0) == 0 }
    }

    pub(super) fn has_heavy() -> bool {
        *REGISTERED.get_or_init(|| membarrier(libc::MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED as _))
    }

    pub(super) fn heavy() {
        let done = membarrier(libc::MEMBARRIER_CMD_PRIVATE_EXPEDITED as _);
        assert!(done, "the kernel has promised this barrier");
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

/// Whether there is a [`heavy_barrier`] on this machine.
pub(crate) fn has_heavy_barrier() -> bool {
    sys::has_heavy()
}

/// The rare side's half of a store-load race. Only where [`has_heavy_barrier`] said so.
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
