//! The only door to atomics, cells, locks, threads and thread-locals, so that the same code runs on the real machine
//! and under loom.
//!
//! What it is not: a place for policy. Both sides offer the same names with the same meaning:
//! * `UnsafeCell::with/with_mut` hand out raw pointers, so that loom sees every access;
//! * `Mutex::lock` returns the guard itself: our locks are never poisoned;
//! * `yield_now`/`spin_loop` are the only ways to wait without parking.

#[cfg(gochan_loom)]
mod loom;
#[cfg(all(not(gochan_loom), feature = "rt"))]
mod os;
#[cfg(not(gochan_loom))]
mod std;

#[cfg(gochan_loom)]
pub(crate) use self::loom::*;
#[cfg(all(not(gochan_loom), feature = "rt"))]
pub(crate) use self::os::*;
#[cfg(not(gochan_loom))]
pub(crate) use self::std::*;
