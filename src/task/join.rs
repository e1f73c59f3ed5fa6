//! The handle of a task: how its result, its panic or its cancellation comes out.
//!
//! What it is not: a hold on the task. A task runs to its end without a handle just as well.
//!
//! What it may do to the task is in [`joint`](super::joint).

use std::any::Any;
use std::fmt;
use std::future::Future;
use std::panic::{Location, RefUnwindSafe, UnwindSafe};
use std::pin::Pin;
use std::task::{Context, Poll};

use ::parking_lot::Mutex;

use super::joint::Joint;
use crate::hook::{self, ArmNote, Note, ObjId, WaitReason, current};

/// The handle of a task: awaiting it gives what the task returned.
///
/// Dropping the handle detaches the task, which goes on by itself, as a goroutine does. To end it use
/// [`abort`](Self::abort).
///
/// It is an arm of [`select!`](crate::select!): by value, which detaches the task if the arm loses, and as `&mut handle`.
///
/// # Errors
///
/// [`JoinError`] if the task panicked or was aborted, or if its runtime was shut down before it ended.
///
/// # Cancellation
///
/// Dropping a handle that is being awaited loses nothing but the result.
///
/// # Panics
///
/// Polled again after it gave its result, the handle panics.
///
/// # Examples
///
/// ```
/// gochan::run(async {
///     let handle = gochan::go(async { 6 * 7 });
///     assert_eq!(handle.await.unwrap(), 42);
/// });
/// ```
pub struct JoinHandle<T> {
    pub(super) joint: Joint<T>,
    id: ObjId,
    site: &'static Location<'static>,
    /// When the wait began, in ticks; 0 before it does.
    since: u64,
}

impl<T> UnwindSafe for JoinHandle<T> {}
impl<T> RefUnwindSafe for JoinHandle<T> {}
impl<T> Unpin for JoinHandle<T> {}

impl<T> JoinHandle<T> {
    pub(super) fn new(joint: Joint<T>, id: ObjId, site: &'static Location<'static>) -> Self {
        JoinHandle {
            joint,
            id,
            site,
            since: 0,
        }
    }

    /// Ends the task: its future is dropped at the await where it is, by one of its runtime's workers, and the handle
    /// gives an error for which [`JoinError::is_cancelled`] holds.
    ///
    /// A task that is being polled is ended after that poll, and if that was its last one it ends as usual. Aborting a
    /// task that is done does nothing.
    ///
    /// ```
    /// # gochan::run(async {
    /// let handle = gochan::go(std::future::pending::<()>());
    /// handle.abort();
    /// assert!(handle.await.unwrap_err().is_cancelled());
    /// # });
    /// ```
    pub fn abort(&self) {
        self.joint.abort();
    }

    /// Whether the task is done, so that awaiting the handle would not wait.
    ///
    /// ```
    /// # gochan::run(async {
    /// let handle = gochan::go(std::future::pending::<()>());
    /// assert!(!handle.is_finished());
    /// # });
    /// ```
    pub fn is_finished(&self) -> bool {
        self.joint.is_done()
    }

    /// The task's tag, as in dumps and events. No other task of this process ever has the same.
    ///
    /// ```
    /// # gochan::run(async {
    /// let handle = gochan::go(async { gochan::task::current().unwrap().id() });
    /// let id = handle.id();
    /// assert_eq!(handle.await.unwrap(), id);
    /// # });
    /// ```
    pub fn id(&self) -> ObjId {
        self.id
    }
}

impl<T> Future for JoinHandle<T> {
    type Output = Result<T, JoinError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        let polled = this.joint.poll(cx.waker());
        if polled.is_pending() {
            this.note_wait();
        }
        polled
    }
}

impl<T> JoinHandle<T> {
    pub(super) fn arm_note(&self) -> ArmNote {
        ArmNote {
            reason: WaitReason::Join,
            object: self.id,
            made: None,
            site: self.site,
        }
    }

    fn note_wait(&mut self) {
        if self.since == 0 {
            self.since = hook::stamp();
        }
        current::park(&Note {
            task: current::task_id(),
            reason: WaitReason::Join,
            object: self.id,
            made: None,
            site: self.site,
            since: self.since,
        });
    }
}

impl<T> fmt::Debug for JoinHandle<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JoinHandle")
            .field("id", &self.id)
            .field("finished", &self.is_finished())
            .finish_non_exhaustive()
    }
}

/// Why a task gave no result: it panicked, or it was cancelled.
///
/// ```
/// # gochan::run(async {
/// let handle = gochan::go(async { panic!("no luck") });
/// let error = handle.await.unwrap_err();
/// assert!(error.is_panic());
/// assert!(error.to_string().ends_with("panicked: no luck"));
/// assert_eq!(*error.into_panic().downcast::<&str>().unwrap(), "no luck");
/// # });
/// ```
pub struct JoinError {
    id: ObjId,
    cause: Cause,
}

enum Cause {
    Cancelled,
    /// Payloads are Send but not Sync: the lock makes looking at one by shared reference sound.
    Panic(Mutex<Box<dyn Any + Send>>),
}

impl JoinError {
    pub(super) fn cancelled(id: ObjId) -> JoinError {
        JoinError {
            id,
            cause: Cause::Cancelled,
        }
    }

    pub(super) fn panic(id: ObjId, panic: Box<dyn Any + Send>) -> JoinError {
        JoinError {
            id,
            cause: Cause::Panic(Mutex::new(panic)),
        }
    }

    /// Whether the task panicked.
    pub fn is_panic(&self) -> bool {
        matches!(self.cause, Cause::Panic(_))
    }

    /// Whether the task was aborted, or its runtime shut down before it ended.
    pub fn is_cancelled(&self) -> bool {
        matches!(self.cause, Cause::Cancelled)
    }

    /// What the task panicked with, to look into or to go on with ([`std::panic::resume_unwind`]).
    ///
    /// # Panics
    ///
    /// If the task did not panic.
    pub fn into_panic(self) -> Box<dyn Any + Send + 'static> {
        self.try_into_panic()
            .expect("the task was cancelled, it did not panic")
    }

    /// As [`into_panic`](Self::into_panic), for errors of either kind.
    ///
    /// # Errors
    ///
    /// The error itself, if the task did not panic.
    pub fn try_into_panic(self) -> Result<Box<dyn Any + Send + 'static>, JoinError> {
        match self.cause {
            Cause::Panic(panic) => Ok(panic.into_inner()),
            Cause::Cancelled => Err(self),
        }
    }

    /// The task that ended so.
    pub fn id(&self) -> ObjId {
        self.id
    }
}

impl fmt::Display for JoinError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Cause::Panic(panic) = &self.cause else {
            return write!(f, "{} was cancelled", self.id);
        };
        write!(f, "{} panicked", self.id)?;
        match message(&**panic.lock()) {
            Some(text) => write!(f, ": {text}"),
            None => Ok(()),
        }
    }
}

impl fmt::Debug for JoinError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "JoinError({self})")
    }
}

impl std::error::Error for JoinError {}

/// The text of a panic that has one.
fn message(panic: &(dyn Any + Send)) -> Option<&str> {
    let text = panic.downcast_ref::<&'static str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str))
}
