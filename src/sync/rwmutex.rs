//! A value that many may read at a time, or one may write: Go's `sync.RWMutex` (src/sync/rwmutex.go) with its value inside.
//!
//! What it is not: re-entrant. Who reads and asks to read again may wait for a writer that waits for the first read;
//! [`diag::dump`](crate::diag::dump) names all three then.
//!
//! | file | noun |
//! |---|---|
//! | `word.rs` | the state, and how it changes |
//! | `raw.rs` | the queues, and who goes on when somebody leaves |
//! | `ops.rs` | the futures |
//! | `guard.rs` | the guards |
//!
//! 1. `value` is reached only through guards, and by `&mut` or `self`.

#![allow(unsafe_code)]

mod guard;
mod ops;
mod raw;
mod word;

use std::cell::UnsafeCell;
use std::fmt;
use std::panic::Location;
use std::ptr::NonNull;
use std::sync::Arc;

pub use guard::{
    MappedRwMutexWriteGuard, OwnedMappedRwMutexWriteGuard, OwnedRwMutexReadGuard,
    OwnedRwMutexWriteGuard, RwMutexReadGuard, RwMutexWriteGuard,
};
pub use ops::{OwnedReadFuture, OwnedWriteFuture, ReadFuture, WriteFuture};

use crate::hook::ObjId;
use crate::shim::const_fn;
use crate::sync::Histogram;
use raw::Raw;

/// A value that many may read at a time, or one may write.
///
/// Follows Go's `sync.RWMutex` (src/sync/rwmutex.go): a writer that waits holds off new readers, and the readers that
/// have come while somebody wrote all run before the next writer. So neither side can starve the other. Writers are
/// served in order; as in Go, one that waited for another writer is woken to look for itself, and for a millisecond
/// newcomers may be faster. It is not poisoned: a panic gives it back.
///
/// Use it from tasks of any executor (`read().await`) and from plain threads (`read_blocking()`), also of the same
/// mutex at the same time. Reading or writing costs one atomic instruction to begin and one to end if nobody waits.
///
/// # Deadlocks
/// As in Go, who already reads must not ask to read again: if a writer has come in between, each waits for the other.
/// A [dump](crate::diag::dump) shows that, and who holds what everybody waits for, where it was taken and since when.
///
/// # Examples
///
/// ```
/// use gochan::sync::RwMutex;
///
/// static LIMITS: RwMutex<Vec<u32>> = RwMutex::new(Vec::new());
///
/// gochan::run(async {
///     LIMITS.write().await.push(7);
///     let (a, b) = (LIMITS.read().await, LIMITS.try_read().unwrap());
///     assert_eq!(*a, *b);
/// });
/// ```
pub struct RwMutex<T: ?Sized> {
    raw: Raw,
    value: UnsafeCell<T>,
}

// SAFETY: readers on several threads share `&T` (Sync), a writer on any thread may replace and drop it (Send).
unsafe impl<T: ?Sized + Send + Sync> Sync for RwMutex<T> {}
// SAFETY: moving the mutex moves the value.
unsafe impl<T: ?Sized + Send> Send for RwMutex<T> {}
// A panic gives the mutex back like any end of a guard; what it left of the value is the user's business, as in Go.
impl<T: ?Sized> std::panic::UnwindSafe for RwMutex<T> {}
impl<T: ?Sized> std::panic::RefUnwindSafe for RwMutex<T> {}

/// What is known of a mutex at one moment, from [`RwMutex::stats`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct RwMutexStats {
    /// How many read.
    pub readers: usize,
    /// Whether somebody writes.
    pub writer: bool,
    /// How many wait to read.
    pub waiting_readers: usize,
    /// How many wait to write.
    pub waiting_writers: usize,
    /// Reads that had to wait since the mutex was made.
    pub read_waits: u64,
    /// Writes that had to wait since the mutex was made.
    pub write_waits: u64,
    /// How long they took, of both kinds, up to their turn.
    pub wait_times: Histogram,
}

impl<T> RwMutex<T> {
    const_fn! {
        /// A mutex that nobody holds.
        #[track_caller]
        pub fn new(value: T) -> Self {
            RwMutex {
                raw: Raw::new(Location::caller()),
                value: UnsafeCell::new(value),
            }
        }
    }

    /// The value.
    pub fn into_inner(self) -> T {
        self.value.into_inner()
    }

    /// Gives the mutex a name, which dumps and reports show.
    #[must_use]
    pub fn named(self, name: &str) -> Self {
        self.raw.queues.tag().set_name(name);
        self
    }
}

impl<T: ?Sized> RwMutex<T> {
    /// Takes it to read; waits while somebody writes or waits to write.
    ///
    /// ```
    /// # gochan::block_on(async {
    /// let mutex = gochan::sync::RwMutex::new(5);
    /// assert_eq!(*mutex.read().await, 5);
    /// # });
    /// ```
    ///
    /// # Cancellation
    /// Safe at any time: a turn that was already given is given back.
    #[track_caller]
    #[inline(always)]
    pub fn read(&self) -> ReadFuture<'_, T> {
        ReadFuture::new(self, Location::caller())
    }

    /// Takes it to write; waits while somebody else has it.
    ///
    /// ```
    /// # gochan::block_on(async {
    /// let mutex = gochan::sync::RwMutex::new(5);
    /// *mutex.write().await += 1;
    /// assert_eq!(mutex.into_inner(), 6);
    /// # });
    /// ```
    ///
    /// # Cancellation
    /// Safe at any time: a turn that was already given goes to the next who waits. Readers that a waiting writer held
    /// off go on when it leaves.
    #[track_caller]
    #[inline(always)]
    pub fn write(&self) -> WriteFuture<'_, T> {
        WriteFuture::new(self, Location::caller())
    }

    /// Takes it to read if nobody writes or waits to write.
    #[track_caller]
    #[inline]
    pub fn try_read(&self) -> Option<RwMutexReadGuard<'_, T>> {
        let site = Location::caller();
        let note = self.raw.or_unmarked(|| self.raw.try_read(site));
        note.map(|note| RwMutexReadGuard::new(self, note))
    }

    /// Takes it to write if nobody has it.
    #[track_caller]
    #[inline]
    pub fn try_write(&self) -> Option<RwMutexWriteGuard<'_, T>> {
        let site = Location::caller();
        let note = self.raw.or_unmarked(|| self.raw.try_write(site));
        note.map(|note| RwMutexWriteGuard::new(self, note))
    }

    /// Takes it to read, blocking this thread meanwhile. Not for tasks: it would block their worker.
    #[track_caller]
    #[inline]
    pub fn read_blocking(&self) -> RwMutexReadGuard<'_, T> {
        self.read().wait()
    }

    /// Takes it to write, blocking this thread meanwhile. Not for tasks: it would block their worker.
    #[track_caller]
    #[inline]
    pub fn write_blocking(&self) -> RwMutexWriteGuard<'_, T> {
        self.write().wait()
    }

    /// As [`read`](Self::read), with a guard that keeps the mutex alive and borrows nothing.
    ///
    /// ```
    /// # use std::sync::Arc;
    /// # gochan::block_on(async {
    /// let mutex = Arc::new(gochan::sync::RwMutex::new(5));
    /// let guard = mutex.clone().read_owned().await;
    /// gochan::go(async move { assert_eq!(*guard, 5) }).await.unwrap();
    /// # });
    /// ```
    ///
    /// # Cancellation
    /// As of [`read`](Self::read).
    #[track_caller]
    pub fn read_owned(self: Arc<Self>) -> OwnedReadFuture<T> {
        OwnedReadFuture::new(self, Location::caller())
    }

    /// As [`write`](Self::write), with a guard that keeps the mutex alive and borrows nothing.
    ///
    /// # Cancellation
    /// As of [`write`](Self::write).
    #[track_caller]
    pub fn write_owned(self: Arc<Self>) -> OwnedWriteFuture<T> {
        OwnedWriteFuture::new(self, Location::caller())
    }

    /// As [`try_read`](Self::try_read), with a guard that keeps the mutex alive. The share comes back if it fails.
    ///
    /// # Errors
    /// Somebody writes or waits to write.
    #[track_caller]
    pub fn try_read_owned(self: Arc<Self>) -> Result<OwnedRwMutexReadGuard<T>, Arc<Self>> {
        let site = Location::caller();
        match self.raw.or_unmarked(|| self.raw.try_read(site)) {
            Some(note) => Ok(OwnedRwMutexReadGuard::new(self, note)),
            None => Err(self),
        }
    }

    /// As [`try_write`](Self::try_write), with a guard that keeps the mutex alive. The share comes back if it fails.
    ///
    /// # Errors
    /// Somebody has it.
    #[track_caller]
    pub fn try_write_owned(self: Arc<Self>) -> Result<OwnedRwMutexWriteGuard<T>, Arc<Self>> {
        let site = Location::caller();
        match self.raw.or_unmarked(|| self.raw.try_write(site)) {
            Some(note) => Ok(OwnedRwMutexWriteGuard::new(self, note)),
            None => Err(self),
        }
    }

    /// The value, of a mutex that is not shared.
    pub fn get_mut(&mut self) -> &mut T {
        self.value.get_mut()
    }

    /// The mutex's name.
    pub fn name(&self) -> Option<Arc<str>> {
        self.raw.queues.tag().name()
    }

    /// The mutex's number, as dumps and hooks show it.
    pub fn id(&self) -> ObjId {
        self.raw.queues.id()
    }

    /// Who holds it and waits for it now, and how often somebody had to wait.
    pub fn stats(&self) -> RwMutexStats {
        let queues = self.raw.queues.lock();
        let seen = self.raw.word();
        RwMutexStats {
            readers: if seen.is_writer() {
                0
            } else {
                seen.readers() as usize
            },
            writer: seen.is_writer(),
            waiting_readers: queues.readers.len(),
            waiting_writers: queues.writers.len(),
            read_waits: queues.read_waits,
            write_waits: queues.write_waits,
            wait_times: queues.wait_times.clone(),
        }
    }

    fn data(&self) -> NonNull<T> {
        // SAFETY: a cell in a borrowed mutex is nowhere near null.
        unsafe { NonNull::new_unchecked(self.value.get()) }
    }
}

impl<T: Default> Default for RwMutex<T> {
    #[track_caller]
    fn default() -> Self {
        RwMutex::new(T::default())
    }
}

impl<T> From<T> for RwMutex<T> {
    #[track_caller]
    fn from(value: T) -> Self {
        RwMutex::new(value)
    }
}

impl<T: ?Sized + fmt::Debug> fmt::Debug for RwMutex<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = f.debug_struct("RwMutex");
        out.field("id", &self.id());
        if let Some(name) = self.name() {
            out.field("name", &name);
        }
        match self.try_read() {
            Some(value) => out.field("value", &&*value),
            None => out.field("value", &format_args!("<locked>")),
        };
        out.finish()
    }
}

#[cfg(all(test, gochan_loom))]
#[path = "rwmutex/loom.rs"]
mod loom_models;
