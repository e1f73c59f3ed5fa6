//! The `_ctx` forms of the room `sync`.
//!
//! What they are not: operations of their own. Each is the operation under [`Context::run`]: polled before the context is
//! asked, and dropped when that has ended, which passes on what it was granted meanwhile. A barrier has let others go for it
//! by then, which cannot be passed on, so it is asked first ([`Withdraw`]).

use std::panic::Location;
use std::pin::Pin;

use super::ops::{WithContext, Withdraw};
use super::{Context, Run};
use crate::error::ContextError;
use crate::sync::barrier::{BarrierFuture, BarrierWaitResult};
use crate::sync::cond::{CondFuture, CondWhileFuture};
use crate::sync::mutex::LockFuture;
use crate::sync::once_cell::OnceFuture;
use crate::sync::rwmutex::{ReadFuture, WriteFuture};
use crate::sync::semaphore::AcquireFuture;
use crate::sync::waitgroup::WaitGroupFuture;
use crate::sync::{
    Barrier, Cond, Mutex, MutexGuard, Once, OnceCell, RwMutex, Semaphore, WaitGroup,
};

impl WaitGroup {
    /// Waits until the count is zero, or until `ctx` ends. See [`wait`](Self::wait).
    ///
    /// # Errors
    ///
    /// The context has ended.
    ///
    /// # Examples
    ///
    /// ```
    /// use gochan::{Context, ContextError, sync::WaitGroup};
    ///
    /// gochan::run(async {
    ///     let (ctx, cancel) = Context::background().with_cancel();
    ///     let group = WaitGroup::new();
    ///     let token = group.token();
    ///     cancel.cancel();
    ///     assert_eq!(group.wait_ctx(&ctx).await, Err(ContextError::Canceled));
    ///     drop(token);
    ///     assert_eq!(group.wait_ctx(&ctx).await, Ok(()));
    /// });
    /// ```
    #[track_caller]
    pub fn wait_ctx<'a, 'c>(&'a self, ctx: &'c Context) -> Run<'c, WaitGroupFuture<'a>> {
        ctx.run(self.wait())
    }
}

impl Withdraw for BarrierFuture<'_> {
    type Outcome = Result<BarrierWaitResult, ContextError>;

    fn completed(output: Self::Output) -> Self::Outcome {
        Ok(output)
    }

    fn withdraw(self: Pin<&mut Self>, error: ContextError) -> Self::Outcome {
        self.cancel().ok_or(error)
    }
}

impl Barrier {
    /// Waits until enough have come, or until `ctx` ends; then it has not counted as one of them. See [`wait`](Self::wait).
    ///
    /// # Errors
    ///
    /// The context has ended.
    #[track_caller]
    pub fn wait_ctx<'a, 'c>(&'a self, ctx: &'c Context) -> WithContext<'c, BarrierFuture<'a>> {
        WithContext::new(self.wait(), ctx, Location::caller())
    }
}

impl<T> OnceCell<T> {
    /// Waits for the value, or until `ctx` ends. See [`wait`](Self::wait).
    ///
    /// # Errors
    ///
    /// The context has ended.
    #[track_caller]
    pub fn wait_ctx<'a, 'c>(&'a self, ctx: &'c Context) -> Run<'c, OnceFuture<'a, T>> {
        ctx.run(self.wait())
    }
}

impl Once {
    /// Waits until it has been done, or until `ctx` ends. See [`wait`](Self::wait).
    ///
    /// # Errors
    ///
    /// The context has ended.
    #[track_caller]
    pub fn wait_ctx<'a, 'c>(&'a self, ctx: &'c Context) -> Run<'c, OnceFuture<'a, ()>> {
        ctx.run(self.wait())
    }
}

impl<T: ?Sized> Mutex<T> {
    /// Locks, waiting until `ctx` ends. See [`lock`](Self::lock).
    ///
    /// # Errors
    ///
    /// The context has ended.
    ///
    /// # Examples
    ///
    /// ```
    /// use gochan::{Context, ContextError, sync::Mutex};
    ///
    /// # gochan::block_on(async {
    /// let (ctx, cancel) = Context::background().with_cancel();
    /// let mutex = Mutex::new(1);
    /// let held = mutex.lock_ctx(&ctx).await.unwrap();
    /// cancel.cancel();
    /// assert_eq!(mutex.lock_ctx(&ctx).await.unwrap_err(), ContextError::Canceled);
    /// # drop(held);
    /// # });
    /// ```
    #[track_caller]
    pub fn lock_ctx<'a, 'c>(&'a self, ctx: &'c Context) -> Run<'c, LockFuture<'a, T>> {
        ctx.run(self.lock())
    }
}

impl Cond {
    /// Waits for a signal until `ctx` ends; then the mutex stays unlocked. See [`wait`](Self::wait).
    ///
    /// # Errors
    ///
    /// The context has ended. A signal that came for this wait alone goes to the next waiter.
    ///
    /// # Examples
    ///
    /// ```
    /// use gochan::sync::{Cond, Mutex};
    /// use gochan::{Context, ContextError};
    ///
    /// # gochan::block_on(async {
    /// let (ctx, cancel) = Context::background().with_cancel();
    /// let (ready, changed) = (Mutex::new(false), Cond::new());
    /// cancel.cancel();
    /// let ended = changed.wait_ctx(ready.lock().await, &ctx).await;
    /// assert_eq!(ended.unwrap_err(), ContextError::Canceled);
    /// assert!(!ready.is_locked());
    /// # });
    /// ```
    #[track_caller]
    pub fn wait_ctx<'a, 'c, T: ?Sized>(
        &'a self,
        guard: MutexGuard<'a, T>,
        ctx: &'c Context,
    ) -> Run<'c, CondFuture<'a, T>> {
        ctx.run(self.wait(guard))
    }

    /// Waits until `condition` is false, or until `ctx` ends; then the mutex stays unlocked. See
    /// [`wait_while`](Self::wait_while).
    ///
    /// # Errors
    ///
    /// The context has ended.
    #[track_caller]
    pub fn wait_while_ctx<'a, 'c, T: ?Sized, F: FnMut(&mut T) -> bool>(
        &'a self,
        guard: MutexGuard<'a, T>,
        condition: F,
        ctx: &'c Context,
    ) -> Run<'c, CondWhileFuture<'a, T, F>> {
        ctx.run(self.wait_while(guard, condition))
    }
}

impl<T: ?Sized> RwMutex<T> {
    /// Locks to read, waiting until `ctx` ends. See [`read`](Self::read).
    ///
    /// # Errors
    ///
    /// The context has ended.
    #[track_caller]
    pub fn read_ctx<'a, 'c>(&'a self, ctx: &'c Context) -> Run<'c, ReadFuture<'a, T>> {
        ctx.run(self.read())
    }

    /// Locks to write, waiting until `ctx` ends. See [`write`](Self::write).
    ///
    /// # Errors
    ///
    /// The context has ended.
    #[track_caller]
    pub fn write_ctx<'a, 'c>(&'a self, ctx: &'c Context) -> Run<'c, WriteFuture<'a, T>> {
        ctx.run(self.write())
    }
}

impl Semaphore {
    /// Takes a permit, waiting until `ctx` ends. See [`acquire`](Self::acquire).
    ///
    /// # Errors
    ///
    /// The context has ended.
    #[track_caller]
    pub fn acquire_ctx<'a, 'c>(&'a self, ctx: &'c Context) -> Run<'c, AcquireFuture<'a>> {
        ctx.run(self.acquire())
    }

    /// Takes `n` permits, waiting until `ctx` ends. See [`acquire_many`](Self::acquire_many).
    ///
    /// # Errors
    ///
    /// The context has ended.
    #[track_caller]
    pub fn acquire_many_ctx<'a, 'c>(
        &'a self,
        n: usize,
        ctx: &'c Context,
    ) -> Run<'c, AcquireFuture<'a>> {
        ctx.run(self.acquire_many(n))
    }
}
