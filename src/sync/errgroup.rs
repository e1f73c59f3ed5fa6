//! `ErrGroup`: tasks that do the parts of one job; the first error ends it (`golang.org/x/sync/errgroup`).
//!
//! What it is not: the spawning, which is in `rt/errgroup.rs`, nor the cancelling, which is in `context/group.rs`: this room
//! knows neither tasks nor contexts. Here are the count, the limit and the outcome.
//!
//! ```text
//! ErrGroup -> Handle -> Shared { members, slots, outcome, on_end }  <- Member, in each task
//! ```
//! Invariants
//! 1. A member has told its outcome, and given its slot back, before it leaves the count: whoever has waited sees it.
//! 2. The first panic and the first error are kept, all others dropped; a panic counts for more.
//! 3. No foreign code runs under a lock: values of `E` and payloads are moved in and out, and dropped outside.

mod slots;

use std::any::Any;
use std::fmt;
use std::future::Future;
use std::panic::{AssertUnwindSafe, Location, catch_unwind, resume_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use pin_project_lite::pin_project;

use super::waitgroup::{Token, WaitGroup, WaitGroupFuture};
use crate::hook::ObjId;
use crate::shim::Mutex;
use crate::wait::parker;

pub(crate) use slots::{Slot, SlotOp, Slots};

type Site = &'static Location<'static>;
type Panic = Box<dyn Any + Send>;

/// More tasks than that at a time are no limit.
const UNLIMITED: usize = 1 << 30;

/// Tasks that do the parts of one job and may fail. Follows `golang.org/x/sync/errgroup`.
///
/// [`wait`](Self::wait) ends when all tasks have, with the first error. A group made
/// [`with_context`](Self::with_context) cancels its `Context` then, so that the others may stop early. A
/// [limit](Self::set_limit) says how many tasks run at a time. A panic in a task comes out of `wait`, with its payload; it
/// cancels the context as an error does. (In Go it ends the program.)
///
/// A clone is another handle of the same group, for tasks that spawn further ones. When the last handle is dropped, the
/// group's context is cancelled; its tasks go on until they see that, or to their end, as goroutines do.
///
/// ```
/// use gochan::sync::ErrGroup;
///
/// gochan::run(async {
///     let group = ErrGroup::new();
///     for part in ["1", "2", "x", "4"] {
///         group.go(async move { part.parse::<u32>().map(drop) }).await;
///     }
///     assert_eq!(group.wait().await.unwrap_err().to_string(), "invalid digit found in string");
/// });
/// ```
pub struct ErrGroup<E> {
    handle: Arc<Handle<E>>,
}

/// What the handles of one group share; not its tasks.
struct Handle<E> {
    shared: Arc<Shared<E>>,
}

struct Shared<E> {
    members: WaitGroup,
    slots: Mutex<Option<Arc<Slots>>>,
    outcome: Mutex<Outcome<E>>,
    on_end: Option<OnEnd<E>>,
}

/// What has gone wrong so far.
struct Outcome<E> {
    failed: bool,
    error: Option<E>,
    panic: Option<Panic>,
}

/// Why a group's context ends.
pub(crate) enum Ending<'a, E> {
    /// A task has failed, the first one.
    Error(&'a E),
    /// A task has panicked, and nothing had gone wrong before.
    Panic(&'a str),
    /// All are done, or nobody wants to know.
    Over,
}

/// Told how a group ends, and which line that goes back to.
pub(crate) type OnEnd<E> = Box<dyn Fn(Ending<'_, E>, Site) + Send + Sync>;

impl<E> ErrGroup<E> {
    /// A group without a context and without a limit.
    #[must_use]
    #[track_caller]
    pub fn new() -> Self {
        ErrGroup::with_end(None)
    }

    #[track_caller]
    pub(crate) fn with_end(on_end: Option<OnEnd<E>>) -> Self {
        let shared = Arc::new(Shared {
            members: WaitGroup::new(),
            slots: Mutex::new(None),
            outcome: Mutex::new(Outcome {
                failed: false,
                error: None,
                panic: None,
            }),
            on_end,
        });
        let handle = Arc::new(Handle { shared });
        ErrGroup { handle }
    }

    fn shared(&self) -> &Arc<Shared<E>> {
        &self.handle.shared
    }

    /// Lets at most `limit` tasks run at a time from now on; `None` is without limit, and so is what cannot be counted.
    /// With a limit of 0 no task can be added.
    ///
    /// # Panics
    /// While tasks of the group run, with Go's words: "errgroup: modify limit while 3 goroutines in the group are still
    /// active".
    #[track_caller]
    pub fn set_limit(&self, limit: impl Into<Option<usize>>) {
        let shared = self.shared();
        let active = shared.members.count();
        assert!(
            active == 0,
            "errgroup: modify limit while {active} goroutines in the group are still active"
        );
        let limit = limit.into().filter(|limit| *limit < UNLIMITED);
        let slots = limit.map(|limit| Arc::new(Slots::new(limit, Location::caller())));
        let old = std::mem::replace(&mut *shared.slots.lock(), slots);
        drop(old);
    }

    pub(crate) fn slots(&self) -> Option<Arc<Slots>> {
        self.shared().slots.lock().clone()
    }

    /// A task is about to be spawned.
    pub(crate) fn enter(&self, task: ObjId, mut slot: Option<Slot>, site: Site) -> Member<E> {
        if let Some(slot) = &mut slot {
            slot.held_by(task, site);
        }
        Member {
            ended: false,
            site,
            _slot: slot,
            _token: self.shared().members.token_of(task, site),
            shared: Arc::clone(self.shared()),
        }
    }

    /// Waits until all tasks are done.
    ///
    /// Then the group's context is cancelled, if it was not. The group may be used again.
    ///
    /// In [`select!`](crate::select!) write `fut(group.wait())`.
    ///
    /// # Errors
    /// The first that a task returned. It is given out once: a second wait finds nothing wrong.
    ///
    /// # Panics
    /// If a task panicked, with its payload. If the runtime of a task was shut down before the task was done. As
    /// [`WaitGroup::wait`], if tasks come while the end of others is being waited for.
    ///
    /// # Cancellation
    /// Safe at any time.
    #[track_caller]
    pub fn wait(&self) -> ErrGroupFuture<'_, E> {
        ErrGroupFuture {
            members: self.shared().members.wait(),
            group: self,
            site: Location::caller(),
        }
    }

    /// As [`wait`](Self::wait), blocking this thread. Not for tasks: it would block their worker.
    ///
    /// # Errors
    /// As [`wait`](Self::wait).
    #[track_caller]
    pub fn wait_blocking(&self) -> Result<(), E> {
        self.wait().wait()
    }

    /// How many tasks are not done.
    pub fn count(&self) -> usize {
        self.shared().members.count()
    }

    /// Gives the group a name, which dumps and reports show.
    #[must_use]
    pub fn named(self, name: &str) -> Self {
        self.shared().members.set_name(name);
        self
    }

    /// The group's name.
    pub fn name(&self) -> Option<Arc<str>> {
        self.shared().members.name()
    }

    /// The group's number, as dumps and hooks show it: that of the wait group inside.
    pub fn id(&self) -> ObjId {
        self.shared().members.id()
    }

    fn finish(&self, site: Site) -> Result<(), E> {
        let shared = self.shared();
        shared.end(Ending::Over, site);
        let (panic, error) = {
            let mut outcome = shared.outcome.lock();
            outcome.failed = false;
            (outcome.panic.take(), outcome.error.take())
        };
        if let Some(panic) = panic {
            drop(error);
            resume_unwind(panic);
        }
        error.map_or(Ok(()), Err)
    }
}

impl<E> Shared<E> {
    fn end(&self, how: Ending<'_, E>, site: Site) {
        if let Some(on_end) = &self.on_end {
            on_end(how, site);
        }
    }

    fn failed(&self, error: E, site: Site) {
        let first = {
            let mut outcome = self.outcome.lock();
            !std::mem::replace(&mut outcome.failed, true)
        };
        if !first {
            return;
        }
        // The error's own words are foreign code. Nobody waits it out before we leave the count, so it is not missed.
        let tell = AssertUnwindSafe(|| self.end(Ending::Error(&error), site));
        let told = catch_unwind(tell);
        self.outcome.lock().error = Some(error);
        if let Err(panic) = told {
            self.end(Ending::Panic(text_of(&*panic)), site);
            self.keep(panic);
        }
    }

    fn panicked(&self, panic: Panic, site: Site) {
        let first = !std::mem::replace(&mut self.outcome.lock().failed, true);
        if first {
            self.end(Ending::Panic(text_of(&*panic)), site);
        }
        self.keep(panic);
    }

    /// For who waits, if it is the first one.
    fn keep(&self, panic: Panic) {
        let mut outcome = self.outcome.lock();
        let late = match outcome.panic {
            Some(_) => Some(panic),
            None => {
                outcome.panic = Some(panic);
                None
            }
        };
        drop(outcome);
        // Its drop is foreign code and may panic as well.
        std::mem::forget(late);
    }
}

/// The text of a panic that has one.
fn text_of(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&'static str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("a task has panicked")
}

/// A task of a group, as the group sees it.
pub(crate) struct Member<E> {
    ended: bool,
    site: Site,
    // In this order: the slot is given back before the group is told (invariant 1).
    _slot: Option<Slot>,
    _token: Token,
    shared: Arc<Shared<E>>,
}

impl<E> Member<E> {
    /// The task's future has ended so, and is gone; its drop may have panicked.
    pub(crate) fn end(mut self, how: Result<Result<(), E>, Panic>, dropped: Result<(), Panic>) {
        self.ended = true;
        if let Err(panic) = dropped {
            self.shared.panicked(panic, self.site);
        }
        match how {
            Ok(Ok(())) => {}
            Ok(Err(error)) => self.shared.failed(error, self.site),
            Err(panic) => self.shared.panicked(panic, self.site),
        }
    }
}

impl<E> Drop for Member<E> {
    fn drop(&mut self) {
        if !self.ended {
            let lost = "errgroup: the runtime was shut down before all tasks were done";
            self.shared.panicked(Box::new(lost), self.site);
        }
    }
}

impl<E> Drop for Handle<E> {
    fn drop(&mut self) {
        self.shared.end(Ending::Over, self.shared.members.made());
    }
}

impl<E> Clone for ErrGroup<E> {
    /// Another handle of the same group.
    fn clone(&self) -> Self {
        let handle = Arc::clone(&self.handle);
        ErrGroup { handle }
    }
}

impl<E> Default for ErrGroup<E> {
    #[track_caller]
    fn default() -> Self {
        ErrGroup::new()
    }
}

impl<E> fmt::Debug for ErrGroup<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = f.debug_struct("ErrGroup");
        out.field("id", &format_args!("{}", self.id()));
        if let Some(name) = self.name() {
            out.field("name", &name);
        }
        out.field("count", &self.count()).finish_non_exhaustive()
    }
}

pin_project! {
    /// A wait for the end of a group, made by [`ErrGroup::wait`].
    ///
    /// # Cancellation
    /// Safe at any time.
    #[must_use = "futures do nothing unless awaited"]
    pub struct ErrGroupFuture<'a, E> {
        #[pin]
        members: WaitGroupFuture<'a>,
        group: &'a ErrGroup<E>,
        site: Site,
    }
}

impl<E> ErrGroupFuture<'_, E> {
    /// Blocks this thread until the wait is over. Not for tasks: it would block their worker.
    ///
    /// # Errors
    /// As [`ErrGroup::wait`].
    pub fn wait(self) -> Result<(), E> {
        parker::block_on(self)
    }
}

impl<E> Future for ErrGroupFuture<'_, E> {
    type Output = Result<(), E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), E>> {
        let this = self.project();
        ready!(this.members.poll(cx));
        Poll::Ready(this.group.finish(this.site))
    }
}

impl<E> fmt::Debug for ErrGroupFuture<'_, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.members.fmt(f)
    }
}

#[cfg(all(test, gochan_loom))]
#[path = "tests/loom_errgroup.rs"]
mod loom_models;
