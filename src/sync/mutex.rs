//! A mutual exclusion lock, after Go's `sync.Mutex`: its two modes, its fairness, and a guard in place of `Unlock`.
//!
//! | file | noun |
//! |---|---|
//! | `mutex/state.rs` | the word: one step at a time |
//! | `mutex/late.rs` | whether the waiter that was nudged has waited for too long |
//! | `mutex/raw.rs` | lock, unlock and hand-over, without the value |
//! | `mutex/lock.rs` | the wait: `LockOp` and its futures |
//! | `mutex/guard.rs` | what holders have |
//!
//! The value is touched by whoever holds the lock, through a guard, and by who has the mutex to itself (`&mut`).

#![allow(unsafe_code)]

mod guard;
mod late;
mod lock;
mod raw;
mod state;

use std::cell::UnsafeCell;
use std::fmt;
use std::panic::{Location, RefUnwindSafe, UnwindSafe};
use std::sync::Arc;
use std::time::Duration;

pub use self::guard::{MappedMutexGuard, MutexGuard, OwnedMutexGuard};
pub use self::lock::{LockFuture, LockOwnedFuture};
use self::raw::RawMutex;
use crate::clock;
use crate::hook::{ObjId, holder};
use crate::shim::const_fn;
use crate::sync::histogram::Histogram;

/// A mutual exclusion lock for tasks and threads, which may be held across an await.
///
/// It follows Go's `sync.Mutex` (`internal/sync/mutex.go`). Who waits is served first in, first out, but a newcomer that
/// is running already may take a free mutex before a waiter has woken up: that is what makes it fast. Once a waiter has
/// waited for more than a millisecond the mutex is handed over in strict order, until the waits are short again. Such
/// [`stats`](Self::stats) are kept of waits only; a lock that nobody waits for costs two atomic instructions.
///
/// There is no poisoning: a panic drops its guards, and the mutex is free.
///
/// ```
/// use gochan::sync::Mutex;
///
/// static COUNT: Mutex<u64> = Mutex::new(0);
///
/// gochan::run(async {
///     let mut count = COUNT.lock().await;
///     *count += 1;
///     assert!(COUNT.try_lock().is_none());
/// });
/// assert_eq!(*COUNT.lock_blocking(), 1);
/// ```
pub struct Mutex<T: ?Sized> {
    raw: RawMutex,
    /// Not the shim's, which loom knows for values of known size only: a model puts loom's cell inside.
    value: UnsafeCell<T>,
}

// SAFETY: the value is reached by one holder at a time, whoever that is: sharing the mutex moves the value from thread
// to thread, hence `T: Send`.
unsafe impl<T: ?Sized + Send> Sync for Mutex<T> {}
// SAFETY: moving the mutex moves the value.
unsafe impl<T: ?Sized + Send> Send for Mutex<T> {}

// A panic leaves the value as the holder left it; that is the rule of this mutex, and no memory is at stake.
impl<T: ?Sized> UnwindSafe for Mutex<T> {}
impl<T: ?Sized> RefUnwindSafe for Mutex<T> {}

/// How a mutex treats those who wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum MutexMode {
    /// Newcomers may take a free mutex before the first waiter does.
    Normal,
    /// The mutex is handed over to the first waiter.
    Starving,
}

/// Numbers of a mutex at one moment, from [`Mutex::stats`].
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct MutexStats {
    /// Whether somebody holds it.
    pub locked: bool,
    /// How it treats those who wait.
    pub mode: MutexMode,
    /// The task or thread that acquired it; [`ObjId::NONE`] if nobody has it, or that is not known.
    pub holder: ObjId,
    /// Where it was acquired.
    pub acquired: Option<&'static Location<'static>>,
    /// How long it has been held.
    pub held: Duration,
    /// The tasks and threads that wait, in their order.
    pub waiters: Vec<ObjId>,
    /// Locks that had to wait in the queue.
    pub contended: u64,
    /// How long those waited, together.
    pub wait_total: Duration,
    /// The longest of these waits.
    pub wait_max: Duration,
    /// How often they took how long.
    pub wait_times: Histogram,
    /// How long it was held, together, by holders that woke a waiter or handed over when they unlocked. In a task such a
    /// hold counts from when its worker last looked at the clock, which is at most a time slice before.
    pub hold_total: Duration,
    /// The longest of these holds.
    pub hold_max: Duration,
    /// How often they took how long.
    pub hold_times: Histogram,
    /// How often it went from one mode to the other.
    pub mode_switches: u64,
}

impl<T> Mutex<T> {
    const_fn! {
        /// An unlocked mutex around `value`.
        ///
        /// ```
        /// use gochan::sync::Mutex;
        ///
        /// static NAMES: Mutex<Vec<String>> = Mutex::new(Vec::new());
        /// NAMES.lock_blocking().push("gopher".into());
        /// ```
        #[track_caller]
        pub fn new(value: T) -> Mutex<T> {
            Mutex {
                raw: RawMutex::new(Location::caller()),
                value: UnsafeCell::new(value),
            }
        }
    }

    /// The value.
    ///
    /// ```
    /// assert_eq!(gochan::sync::Mutex::new(7).into_inner(), 7);
    /// ```
    pub fn into_inner(self) -> T {
        self.value.into_inner()
    }
}

impl<T: ?Sized> Mutex<T> {
    /// Locks; waits while somebody else has the mutex.
    ///
    /// In a task of this crate's executor it gives way now and then, so that a task that locks and unlocks all the time
    /// keeps nobody from running.
    ///
    /// ```
    /// # gochan::run(async {
    /// let mutex = gochan::sync::Mutex::new(String::new());
    /// mutex.lock().await.push_str("held across an ");
    /// let mut text = mutex.lock().await;
    /// gochan::yield_now().await;
    /// text.push_str("await");
    /// assert_eq!(*text, "held across an await");
    /// # });
    /// ```
    ///
    /// As in Go, a task that locks a mutex which it holds already waits for ever. The [dump](crate::diag::dump) then
    /// names it as both waiter and holder.
    ///
    /// # Cancellation
    /// Safe at any time: a mutex that was handed over to it goes to the next waiter.
    #[track_caller]
    #[inline(always)]
    pub fn lock(&self) -> LockFuture<'_, T> {
        LockFuture::new(self, Location::caller())
    }

    /// Locks if nobody has the mutex and nobody starves for it.
    ///
    /// ```
    /// let mutex = gochan::sync::Mutex::new(1);
    /// let guard = mutex.try_lock().unwrap();
    /// assert!(mutex.try_lock().is_none());
    /// drop(guard);
    /// assert_eq!(*mutex.try_lock().unwrap(), 1);
    /// ```
    #[track_caller]
    #[inline]
    pub fn try_lock(&self) -> Option<MutexGuard<'_, T>> {
        let hold = self.raw.try_lock(Location::caller())?;
        Some(MutexGuard::new(self, hold))
    }

    /// Locks, blocking this thread meanwhile. Not for tasks: it would block their worker.
    ///
    /// ```
    /// let mutex = gochan::sync::Mutex::new(0);
    /// std::thread::scope(|s| {
    ///     for _ in 0..4 {
    ///         s.spawn(|| *mutex.lock_blocking() += 1);
    ///     }
    /// });
    /// assert_eq!(mutex.into_inner(), 4);
    /// ```
    #[track_caller]
    #[inline]
    pub fn lock_blocking(&self) -> MutexGuard<'_, T> {
        match self.try_lock() {
            Some(guard) => guard,
            None => self.lock().wait(),
        }
    }

    /// As [`lock`](Self::lock), with a guard that keeps the mutex alive instead of borrowing it.
    ///
    /// ```
    /// # gochan::run(async {
    /// use gochan::{go, sync::Mutex};
    /// use std::sync::Arc;
    ///
    /// let mutex = Arc::new(Mutex::new(1));
    /// let guard = mutex.clone().lock_owned().await;
    /// go(async move { drop(guard) }).await.unwrap();
    /// assert!(mutex.try_lock().is_some());
    /// # });
    /// ```
    ///
    /// # Cancellation
    /// Safe at any time: a mutex that was handed over to it goes to the next waiter.
    #[track_caller]
    pub fn lock_owned(self: Arc<Self>) -> LockOwnedFuture<T> {
        LockOwnedFuture::new(self, Location::caller())
    }

    /// As [`try_lock`](Self::try_lock), with a guard that keeps the mutex alive instead of borrowing it.
    #[track_caller]
    pub fn try_lock_owned(self: Arc<Self>) -> Option<OwnedMutexGuard<T>> {
        let hold = self.raw.try_lock(Location::caller())?;
        Some(OwnedMutexGuard::new(self, hold))
    }

    /// The value, without a lock: nobody else can have the mutex.
    pub fn get_mut(&mut self) -> &mut T {
        self.value.get_mut()
    }

    /// Whether somebody has the mutex at this moment.
    pub fn is_locked(&self) -> bool {
        self.raw.state().is_locked()
    }

    /// Gives the mutex a name, which dumps and reports show.
    ///
    /// ```
    /// let cache = gochan::sync::Mutex::new(0).named("cache");
    /// assert_eq!(cache.name().as_deref(), Some("cache"));
    /// ```
    #[must_use]
    pub fn named(self, name: &str) -> Self
    where
        T: Sized,
    {
        self.raw.object.tag().set_name(name);
        self
    }

    /// The mutex's name.
    pub fn name(&self) -> Option<Arc<str>> {
        self.raw.object.tag().name()
    }

    /// The mutex's number, as dumps and hooks show it.
    pub fn id(&self) -> ObjId {
        self.raw.object.id()
    }

    /// Who has it, who waits, and what has happened to those who had to wait.
    ///
    /// ```
    /// let mutex = gochan::sync::Mutex::new(());
    /// let guard = mutex.lock_blocking();
    /// assert!(mutex.stats().locked);
    /// drop(guard);
    /// assert_eq!(mutex.stats().contended, 0);
    /// ```
    pub fn stats(&self) -> MutexStats {
        let time = |ticks| Duration::from_nanos(clock::ticks_to_ns(ticks));
        let state = self.raw.state();
        let holding = holder::all()
            .into_iter()
            .find(|held| held.what == self.id());
        let holding = holding.filter(|_| state.is_locked());
        let (waiters, counts) = self.raw.waiters();
        MutexStats {
            locked: state.is_locked(),
            mode: match state.is_starving() {
                true => MutexMode::Starving,
                false => MutexMode::Normal,
            },
            holder: holding.map_or(ObjId::NONE, |held| held.who),
            acquired: holding.and_then(|held| held.site),
            held: holding.map_or(Duration::ZERO, |held| {
                Duration::from_nanos(clock::ns_since(held.since))
            }),
            waiters,
            contended: counts.contended,
            wait_total: time(counts.wait_total),
            wait_max: time(counts.wait_max),
            wait_times: counts.waits,
            hold_total: time(counts.hold_total),
            hold_max: time(counts.hold_max),
            hold_times: counts.holds,
            mode_switches: counts.switches,
        }
    }
}

impl<T: Default> Default for Mutex<T> {
    #[track_caller]
    fn default() -> Self {
        Mutex::new(T::default())
    }
}

impl<T> From<T> for Mutex<T> {
    #[track_caller]
    fn from(value: T) -> Self {
        Mutex::new(value)
    }
}

impl<T: ?Sized + fmt::Debug> fmt::Debug for Mutex<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = f.debug_struct("Mutex");
        out.field("id", &self.id());
        if let Some(name) = self.name() {
            out.field("name", &name);
        }
        match self.try_lock() {
            Some(guard) => out.field("value", &&*guard),
            None => out.field("value", &format_args!("<locked>")),
        };
        out.finish()
    }
}

#[cfg(all(test, gochan_loom))]
#[path = "tests/loom_mutex.rs"]
mod loom_models;
