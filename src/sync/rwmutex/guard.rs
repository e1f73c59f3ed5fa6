//! The guards: access to the value while the mutex is held, and its release when they are dropped.
//!
//! What they are not: the way to the mutex (`ops.rs`). A guard exists exactly as long as its keep, unless it is forgotten:
//! then the hold lasts for ever.
//!
//! Invariants
//! 1. A guard that reads owns one reader of the word; a guard that writes owns WRITER. The note says so to dumps.
//! 2. `data` points into the mutex's value, which lives and stays as long as the borrow or the share of the mutex.
//! 3. A mapped guard that writes can not be downgraded: it may point into a `Cell` that other readers would change.

#![allow(unsafe_code)]

use std::fmt;
use std::marker::PhantomData;
use std::mem::ManuallyDrop;
use std::ops::{Deref, DerefMut};
use std::ptr::NonNull;
use std::sync::Arc;

use super::RwMutex;
use super::raw::Raw;
use crate::hook::holder::Hold;
use crate::sync::unlock::unlock;

/// What keeps the mutex there: a borrow of it, or a share.
trait Keep {
    fn raw(&self) -> &Raw;
}

impl Keep for &Raw {
    #[inline(always)]
    fn raw(&self) -> &Raw {
        self
    }
}

impl<T: ?Sized> Keep for Arc<RwMutex<T>> {
    #[inline(always)]
    fn raw(&self) -> &Raw {
        &self.raw
    }
}

/// The value, held to read; made by [`RwMutex::read`]. Dropped, it gives the mutex back.
#[must_use = "the mutex is given back as soon as the guard is dropped"]
pub struct RwMutexReadGuard<'a, T: ?Sized> {
    keep: &'a Raw,
    data: NonNull<T>,
    note: Hold,
    _value: PhantomData<&'a T>,
}

/// The value, held to write; made by [`RwMutex::write`]. Dropped, it gives the mutex back.
#[must_use = "the mutex is given back as soon as the guard is dropped"]
pub struct RwMutexWriteGuard<'a, T: ?Sized> {
    keep: &'a Raw,
    data: NonNull<T>,
    note: Hold,
    _value: PhantomData<&'a mut T>,
}

/// A part of the value, held to write; made by [`RwMutexWriteGuard::map`]. Dropped, it gives the mutex back.
#[must_use = "the mutex is given back as soon as the guard is dropped"]
pub struct MappedRwMutexWriteGuard<'a, T: ?Sized> {
    keep: &'a Raw,
    data: NonNull<T>,
    note: Hold,
    _value: PhantomData<&'a mut T>,
}

/// The value of a shared mutex, or a part `U` of it, held to read; made by [`RwMutex::read_owned`].
#[must_use = "the mutex is given back as soon as the guard is dropped"]
pub struct OwnedRwMutexReadGuard<T: ?Sized, U: ?Sized = T> {
    keep: Arc<RwMutex<T>>,
    data: NonNull<U>,
    note: Hold,
}

/// The value of a shared mutex, held to write; made by [`RwMutex::write_owned`].
#[must_use = "the mutex is given back as soon as the guard is dropped"]
pub struct OwnedRwMutexWriteGuard<T: ?Sized> {
    keep: Arc<RwMutex<T>>,
    data: NonNull<T>,
    note: Hold,
    _value: PhantomData<fn(T) -> T>,
}

/// A part `U` of the value of a shared mutex, held to write; made by [`OwnedRwMutexWriteGuard::map`].
#[must_use = "the mutex is given back as soon as the guard is dropped"]
pub struct OwnedMappedRwMutexWriteGuard<T: ?Sized, U: ?Sized> {
    keep: Arc<RwMutex<T>>,
    data: NonNull<U>,
    note: Hold,
    _value: PhantomData<fn(U) -> U>,
}

// === making and turning them ===

impl<'a, T: ?Sized> RwMutexReadGuard<'a, T> {
    #[inline(always)]
    pub(super) fn new(mutex: &'a RwMutex<T>, note: Hold) -> Self {
        RwMutexReadGuard {
            keep: &mutex.raw,
            data: mutex.data(),
            note,
            _value: PhantomData,
        }
    }

    /// The same, put together from its parts: these may lie in registers, where the whole would lie in memory.
    #[inline(always)]
    pub(super) fn anew(self) -> Self {
        let this = ManuallyDrop::new(self);
        RwMutexReadGuard {
            keep: this.keep,
            data: this.data,
            note: this.note,
            _value: PhantomData,
        }
    }

    /// Goes on with a part of the value.
    ///
    /// ```
    /// use gochan::sync::{RwMutex, RwMutexReadGuard};
    ///
    /// let pair = RwMutex::new((1, "one"));
    /// let word = RwMutexReadGuard::map(pair.read_blocking(), |pair| &pair.1);
    /// assert_eq!(*word, "one");
    /// ```
    pub fn map<U: ?Sized>(this: Self, part: impl FnOnce(&T) -> &U) -> RwMutexReadGuard<'a, U> {
        let data = NonNull::from(part(&this));
        let this = ManuallyDrop::new(this);
        RwMutexReadGuard {
            keep: this.keep,
            data,
            note: this.note,
            _value: PhantomData,
        }
    }
}

impl<'a, T: ?Sized> RwMutexWriteGuard<'a, T> {
    #[inline(always)]
    pub(super) fn new(mutex: &'a RwMutex<T>, note: Hold) -> Self {
        RwMutexWriteGuard {
            keep: &mutex.raw,
            data: mutex.data(),
            note,
            _value: PhantomData,
        }
    }

    /// The same, put together from its parts: these may lie in registers, where the whole would lie in memory.
    #[inline(always)]
    pub(super) fn anew(self) -> Self {
        let this = ManuallyDrop::new(self);
        RwMutexWriteGuard {
            keep: this.keep,
            data: this.data,
            note: this.note,
            _value: PhantomData,
        }
    }

    /// Goes on with a part of the value.
    ///
    /// ```
    /// use gochan::sync::{RwMutex, RwMutexWriteGuard};
    ///
    /// let pair = RwMutex::new((1, "one"));
    /// let mut number = RwMutexWriteGuard::map(pair.write_blocking(), |pair| &mut pair.0);
    /// *number += 1;
    /// drop(number);
    /// assert_eq!(pair.into_inner(), (2, "one"));
    /// ```
    pub fn map<U: ?Sized>(
        mut this: Self,
        part: impl FnOnce(&mut T) -> &mut U,
    ) -> MappedRwMutexWriteGuard<'a, U> {
        let data = NonNull::from(part(&mut this));
        let this = ManuallyDrop::new(this);
        MappedRwMutexWriteGuard {
            keep: this.keep,
            data,
            note: this.note,
            _value: PhantomData,
        }
    }

    /// Goes on reading, with no writer in between. Readers that wait come along; writers wait on.
    ///
    /// ```
    /// use gochan::sync::{RwMutex, RwMutexWriteGuard};
    ///
    /// let mutex = RwMutex::new(1);
    /// let mut writing = mutex.write_blocking();
    /// *writing = 2;
    /// let reading = RwMutexWriteGuard::downgrade(writing);
    /// assert_eq!((*reading, *mutex.try_read().unwrap()), (2, 2));
    /// ```
    pub fn downgrade(this: Self) -> RwMutexReadGuard<'a, T> {
        let this = ManuallyDrop::new(this);
        this.keep.downgrade();
        RwMutexReadGuard {
            keep: this.keep,
            data: this.data,
            note: this.note,
            _value: PhantomData,
        }
    }
}

impl<'a, T: ?Sized> MappedRwMutexWriteGuard<'a, T> {
    /// Goes on with a part of the part.
    pub fn map<U: ?Sized>(
        mut this: Self,
        part: impl FnOnce(&mut T) -> &mut U,
    ) -> MappedRwMutexWriteGuard<'a, U> {
        let data = NonNull::from(part(&mut this));
        let this = ManuallyDrop::new(this);
        MappedRwMutexWriteGuard {
            keep: this.keep,
            data,
            note: this.note,
            _value: PhantomData,
        }
    }
}

impl<T: ?Sized> OwnedRwMutexReadGuard<T> {
    pub(super) fn new(keep: Arc<RwMutex<T>>, note: Hold) -> Self {
        let data = keep.data();
        OwnedRwMutexReadGuard { keep, data, note }
    }
}

impl<T: ?Sized, U: ?Sized> OwnedRwMutexReadGuard<T, U> {
    /// Goes on with a part of the value.
    pub fn map<V: ?Sized>(this: Self, part: impl FnOnce(&U) -> &V) -> OwnedRwMutexReadGuard<T, V> {
        let data = NonNull::from(part(&this));
        let note = this.note;
        let keep = Self::into_keep(this);
        OwnedRwMutexReadGuard { keep, data, note }
    }
}

impl<T: ?Sized> OwnedRwMutexWriteGuard<T> {
    pub(super) fn new(keep: Arc<RwMutex<T>>, note: Hold) -> Self {
        OwnedRwMutexWriteGuard {
            data: keep.data(),
            keep,
            note,
            _value: PhantomData,
        }
    }

    /// Goes on with a part of the value.
    pub fn map<U: ?Sized>(
        mut this: Self,
        part: impl FnOnce(&mut T) -> &mut U,
    ) -> OwnedMappedRwMutexWriteGuard<T, U> {
        let data = NonNull::from(part(&mut this));
        OwnedMappedRwMutexWriteGuard {
            data,
            note: this.note,
            keep: Self::into_keep(this),
            _value: PhantomData,
        }
    }

    /// Goes on reading, with no writer in between; see [`RwMutexWriteGuard::downgrade`].
    pub fn downgrade(this: Self) -> OwnedRwMutexReadGuard<T> {
        let (data, note) = (this.data, this.note);
        this.keep.raw.downgrade();
        let keep = Self::into_keep(this);
        OwnedRwMutexReadGuard { keep, data, note }
    }
}

impl<T: ?Sized, U: ?Sized> OwnedMappedRwMutexWriteGuard<T, U> {
    /// Goes on with a part of the part.
    pub fn map<V: ?Sized>(
        mut this: Self,
        part: impl FnOnce(&mut U) -> &mut V,
    ) -> OwnedMappedRwMutexWriteGuard<T, V> {
        let data = NonNull::from(part(&mut this));
        OwnedMappedRwMutexWriteGuard {
            data,
            note: this.note,
            keep: Self::into_keep(this),
            _value: PhantomData,
        }
    }
}

// === what they all do ===

macro_rules! reads {
    ([$($gen:tt)*] $guard:ty, $target:ident) => {
        impl<$($gen)*> Deref for $guard {
            type Target = $target;
            #[inline(always)]
            fn deref(&self) -> &$target {
                // SAFETY: invariants 1 and 2: nobody writes while the mutex is held, and the value is there.
                unsafe { self.data.as_ref() }
            }
        }

        impl<$($gen)*> fmt::Debug for $guard where $target: fmt::Debug {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                (**self).fmt(f)
            }
        }

        impl<$($gen)*> fmt::Display for $guard where $target: fmt::Display {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                (**self).fmt(f)
            }
        }
    };
}

macro_rules! writes {
    ([$($gen:tt)*] $guard:ty, $target:ident) => {
        reads!([$($gen)*] $guard, $target);

        impl<$($gen)*> DerefMut for $guard {
            #[inline(always)]
            fn deref_mut(&mut self) -> &mut $target {
                // SAFETY: invariants 1 and 2: nobody else has access while a writer holds the mutex.
                unsafe { self.data.as_mut() }
            }
        }

        impl<$($gen)*> Drop for $guard {
            #[inline(always)]
            fn drop(&mut self) {
                self.keep.raw().end_write(self.note);
            }
        }
    };
}

macro_rules! owned {
    ([$($gen:tt)*] $guard:ty) => {
        impl<$($gen)*> $guard {
            fn into_keep(this: Self) -> Arc<RwMutex<T>> {
                let this = ManuallyDrop::new(this);
                // SAFETY: `this` is never dropped, so the share is read out once.
                unsafe { std::ptr::read(&this.keep) }
            }

            /// The mutex it belongs to.
            pub fn mutex(this: &Self) -> &Arc<RwMutex<T>> {
                &this.keep
            }
        }
    };
}

reads!(['a, T: ?Sized] RwMutexReadGuard<'a, T>, T);
reads!([T: ?Sized, U: ?Sized] OwnedRwMutexReadGuard<T, U>, U);
writes!(['a, T: ?Sized] RwMutexWriteGuard<'a, T>, T);
writes!(['a, T: ?Sized] MappedRwMutexWriteGuard<'a, T>, T);
writes!([T: ?Sized] OwnedRwMutexWriteGuard<T>, T);
writes!([T: ?Sized, U: ?Sized] OwnedMappedRwMutexWriteGuard<T, U>, U);
owned!([T: ?Sized, U: ?Sized] OwnedRwMutexReadGuard<T, U>);
owned!([T: ?Sized] OwnedRwMutexWriteGuard<T>);
owned!([T: ?Sized, U: ?Sized] OwnedMappedRwMutexWriteGuard<T, U>);

unlock!([T: ?Sized] RwMutexReadGuard<'_, T>);
unlock!([T: ?Sized] RwMutexWriteGuard<'_, T>);
unlock!([T: ?Sized] MappedRwMutexWriteGuard<'_, T>);
unlock!([T: ?Sized, U: ?Sized] OwnedRwMutexReadGuard<T, U>);
unlock!([T: ?Sized] OwnedRwMutexWriteGuard<T>);
unlock!([T: ?Sized, U: ?Sized] OwnedMappedRwMutexWriteGuard<T, U>);

impl<T: ?Sized> Drop for RwMutexReadGuard<'_, T> {
    #[inline(always)]
    fn drop(&mut self) {
        self.keep.raw().end_read(self.note);
    }
}

impl<T: ?Sized, U: ?Sized> Drop for OwnedRwMutexReadGuard<T, U> {
    fn drop(&mut self) {
        self.keep.raw().end_read(self.note);
    }
}

// SAFETY: a guard is `&T` and may give the mutex back from any thread.
unsafe impl<T: ?Sized + Sync> Send for RwMutexReadGuard<'_, T> {}
// SAFETY: `&guard` gives `&T`.
unsafe impl<T: ?Sized + Sync> Sync for RwMutexReadGuard<'_, T> {}
// SAFETY: a guard is `&mut T`; downgraded on its new thread it is `&T` beside readers of the old one, hence `Sync`.
unsafe impl<T: ?Sized + Send + Sync> Send for RwMutexWriteGuard<'_, T> {}
// SAFETY: `&guard` gives `&T`.
unsafe impl<T: ?Sized + Sync> Sync for RwMutexWriteGuard<'_, T> {}
// SAFETY: a guard is `&mut T`. Its mutex may be used on both threads then, as if it were `Sync`, but not the value.
unsafe impl<T: ?Sized + Send> Send for MappedRwMutexWriteGuard<'_, T> {}
// SAFETY: `&guard` gives `&T`.
unsafe impl<T: ?Sized + Sync> Sync for MappedRwMutexWriteGuard<'_, T> {}
// SAFETY: a share of the mutex and access to its value or a part of it: both bounds of an `Arc<RwMutex<T>>`, and `&U`.
unsafe impl<T: ?Sized + Send + Sync, U: ?Sized + Sync> Send for OwnedRwMutexReadGuard<T, U> {}
// SAFETY: as above.
unsafe impl<T: ?Sized + Send + Sync, U: ?Sized + Sync> Sync for OwnedRwMutexReadGuard<T, U> {}
// SAFETY: a share of the mutex and `&mut T`.
unsafe impl<T: ?Sized + Send + Sync> Send for OwnedRwMutexWriteGuard<T> {}
// SAFETY: a share of the mutex and `&T`.
unsafe impl<T: ?Sized + Send + Sync> Sync for OwnedRwMutexWriteGuard<T> {}
// SAFETY: a share of the mutex and `&mut U`.
unsafe impl<T: ?Sized + Send + Sync, U: ?Sized + Send> Send for OwnedMappedRwMutexWriteGuard<T, U> {}
// SAFETY: a share of the mutex and `&U`.
unsafe impl<T: ?Sized + Send + Sync, U: ?Sized + Sync> Sync for OwnedMappedRwMutexWriteGuard<T, U> {}
