//! What holders have: the value, until they drop it.
//!
//! What they are not: proof of who holds it. A guard may be sent to another task; the dump names the one who acquired it.
//!
//! 1. A guard exists exactly while its mutex is LOCKED in its name. Its drop unlocks.
//! 2. The one living guard of a mutex is the only way to its value: from a shared guard come shared borrows, from an
//!    exclusive one exclusive borrows. A mapped guard points into the value, which stays where it is while it is locked.

#![allow(unsafe_code)]

use std::fmt;
use std::marker::PhantomData;
use std::mem::ManuallyDrop;
use std::ops::{Deref, DerefMut};
use std::ptr::NonNull;
use std::sync::Arc;

use super::{Mutex, RawMutex};
use crate::hook::holder::Hold;
use crate::sync::unlock::unlock;

/// A locked mutex. Unlocks when dropped.
///
/// It may be held across awaits and sent to other tasks. Leaked (`mem::forget`), it leaves the mutex locked for ever.
#[must_use = "a guard that is dropped at once unlocks at once"]
#[clippy::has_significant_drop]
pub struct MutexGuard<'a, T: ?Sized> {
    mutex: &'a Mutex<T>,
    hold: Hold,
    /// It is as good as this: `Send` and `Sync` as it is, and no more variant.
    _value: PhantomData<&'a mut T>,
}

/// A locked mutex that the guard keeps alive. Unlocks when dropped.
///
/// It may be held across awaits and sent to other tasks. Leaked (`mem::forget`), it leaves the mutex locked for ever.
#[must_use = "a guard that is dropped at once unlocks at once"]
#[clippy::has_significant_drop]
pub struct OwnedMutexGuard<T: ?Sized> {
    mutex: Arc<Mutex<T>>,
    hold: Hold,
    /// `Send` and `Sync` as the value.
    _value: PhantomData<T>,
}

/// A part of the value of a locked mutex, from [`MutexGuard::map`]. Unlocks when dropped.
#[must_use = "a guard that is dropped at once unlocks at once"]
#[clippy::has_significant_drop]
pub struct MappedMutexGuard<'a, T: ?Sized> {
    raw: &'a RawMutex,
    hold: Hold,
    value: NonNull<T>,
    _value: PhantomData<&'a mut T>,
}

// SAFETY: it is a `&mut T` and a mutex that any thread may unlock.
unsafe impl<T: ?Sized + Send> Send for MappedMutexGuard<'_, T> {}
// SAFETY: shared, it is a `&T`.
unsafe impl<T: ?Sized + Sync> Sync for MappedMutexGuard<'_, T> {}

impl<'a, T: ?Sized> MutexGuard<'a, T> {
    #[inline(always)]
    pub(super) fn new(mutex: &'a Mutex<T>, hold: Hold) -> Self {
        MutexGuard {
            mutex,
            hold,
            _value: PhantomData,
        }
    }

    /// The mutex that it locks.
    pub fn mutex(this: &Self) -> &'a Mutex<T> {
        this.mutex
    }

    /// Goes on with a part of the value alone.
    ///
    /// ```
    /// use gochan::sync::{Mutex, MutexGuard};
    ///
    /// let pair = Mutex::new((1, "one"));
    /// let mut number = MutexGuard::map(pair.lock_blocking(), |pair| &mut pair.0);
    /// *number = 2;
    /// drop(number);
    /// assert_eq!(pair.into_inner(), (2, "one"));
    /// ```
    pub fn map<U: ?Sized>(
        mut this: Self,
        part: impl FnOnce(&mut T) -> &mut U,
    ) -> MappedMutexGuard<'a, U> {
        let value = NonNull::from(part(&mut *this));
        this.mapped(value)
    }

    /// Goes on with a part of the value alone, if there is one; else with the whole.
    ///
    /// # Errors
    /// The guard, if `part` found nothing.
    pub fn try_map<U: ?Sized>(
        mut this: Self,
        part: impl FnOnce(&mut T) -> Option<&mut U>,
    ) -> Result<MappedMutexGuard<'a, U>, Self> {
        match part(&mut *this).map(NonNull::from) {
            Some(value) => Ok(this.mapped(value)),
            None => Err(this),
        }
    }

    fn mapped<U: ?Sized>(self, value: NonNull<U>) -> MappedMutexGuard<'a, U> {
        let this = ManuallyDrop::new(self);
        MappedMutexGuard {
            raw: &this.mutex.raw,
            hold: this.hold,
            value,
            _value: PhantomData,
        }
    }
}

impl<T: ?Sized> OwnedMutexGuard<T> {
    #[inline(always)]
    pub(super) fn new(mutex: Arc<Mutex<T>>, hold: Hold) -> Self {
        OwnedMutexGuard {
            mutex,
            hold,
            _value: PhantomData,
        }
    }
}

impl<'a, T: ?Sized> MappedMutexGuard<'a, T> {
    /// Goes on with a part of the part alone.
    pub fn map<U: ?Sized>(
        mut this: Self,
        part: impl FnOnce(&mut T) -> &mut U,
    ) -> MappedMutexGuard<'a, U> {
        let value = NonNull::from(part(&mut *this));
        let this = ManuallyDrop::new(this);
        MappedMutexGuard {
            raw: this.raw,
            hold: this.hold,
            value,
            _value: PhantomData,
        }
    }
}

impl<T: ?Sized> Drop for MutexGuard<'_, T> {
    #[inline(always)]
    fn drop(&mut self) {
        self.mutex.raw.unlock(self.hold);
    }
}

impl<T: ?Sized> Drop for OwnedMutexGuard<T> {
    #[inline(always)]
    fn drop(&mut self) {
        self.mutex.raw.unlock(self.hold);
    }
}

impl<T: ?Sized> Drop for MappedMutexGuard<'_, T> {
    #[inline(always)]
    fn drop(&mut self) {
        self.raw.unlock(self.hold);
    }
}

macro_rules! guard {
    ($name:ident<$($lt:lifetime,)? T>, |$this:ident| $value:expr) => {
        impl<T: ?Sized> Deref for $name<$($lt,)? T> {
            type Target = T;

            #[inline(always)]
            fn deref(&self) -> &T {
                let $this = self;
                // SAFETY: locked in this guard's name (invariant 1), which is borrowed: nobody else changes it.
                unsafe { &*$value }
            }
        }

        impl<T: ?Sized> DerefMut for $name<$($lt,)? T> {
            #[inline(always)]
            fn deref_mut(&mut self) -> &mut T {
                let $this = self;
                // SAFETY: locked in this guard's name (invariant 1), which is borrowed exclusively (invariant 2).
                unsafe { &mut *$value }
            }
        }

        impl<T: ?Sized + fmt::Debug> fmt::Debug for $name<$($lt,)? T> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(&**self, f)
            }
        }

        impl<T: ?Sized + fmt::Display> fmt::Display for $name<$($lt,)? T> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(&**self, f)
            }
        }
    };
}

unlock!(
    ///
    /// ```
    /// use gochan::sync::{Mutex, MutexGuard};
    ///
    /// let mutex = Mutex::new(1);
    /// let guard = mutex.lock_blocking();
    /// MutexGuard::unlock(guard);
    /// assert!(mutex.try_lock().is_some());
    /// ```
    [T: ?Sized] MutexGuard<'_, T>
);
unlock!([T: ?Sized] OwnedMutexGuard<T>);
unlock!([T: ?Sized] MappedMutexGuard<'_, T>);

guard!(MutexGuard<'_, T>, |this| this.mutex.value.get());
guard!(OwnedMutexGuard<T>, |this| this.mutex.value.get());
guard!(MappedMutexGuard<'_, T>, |this| this.value.as_ptr());
