//! `ErrGroup::go`: tasks that are members of a group that may fail.
//!
//! What it is not: the group (`sync::errgroup`), which knows no tasks. Here the two meet: the task holds its membership, and
//! tells it how it ended.

use std::fmt;
use std::future::Future;
use std::panic::{AssertUnwindSafe, Location, catch_unwind};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use pin_project_lite::pin_project;

use super::spawn::here;
use crate::hook::type_name::TypeName;
use crate::sync::ErrGroup;
use crate::sync::errgroup::{Member, Slot, SlotOp};
use crate::task::Spawn;
use crate::util::CatchUnwind;
use crate::wait::op::Park;
use crate::wait::parker;

type Site = &'static Location<'static>;

impl<E: Send + 'static> ErrGroup<E> {
    /// Spawns a task of the group; with a [limit](Self::set_limit), waits until one more may run.
    ///
    /// The task is spawned when the returned future is awaited, not before; without a limit that does not wait.
    ///
    /// # Cancellation
    /// Safe at any time: dropped before it completes, it has spawned nothing and drops the task's future.
    ///
    /// ```
    /// use gochan::{Context, sync::ErrGroup};
    ///
    /// gochan::run(async {
    ///     let (group, ctx) = ErrGroup::with_context(&Context::background());
    ///     group.set_limit(2);
    ///     for part in 1..=8 {
    ///         let ctx = ctx.clone();
    ///         group.go(async move {
    ///             match part {
    ///                 _ if ctx.is_done() => Ok(()),
    ///                 5 => Err("the fifth is broken"),
    ///                 _ => Ok(()),
    ///             }
    ///         }).await;
    ///     }
    ///     assert_eq!(group.wait().await, Err("the fifth is broken"));
    ///     assert_eq!(ctx.cause().unwrap().to_string(), "the fifth is broken");
    /// });
    /// ```
    #[track_caller]
    pub fn go<F>(&self, future: F) -> GroupGo<'_, E, F>
    where
        F: Future<Output = Result<(), E>> + Send + 'static,
    {
        GroupGo {
            group: self,
            future: Some(future),
            begun: false,
            slot: None,
            site: Location::caller(),
        }
    }

    /// As [`go`](Self::go), from a thread, which it blocks while there is no slot. Not for tasks.
    #[track_caller]
    pub fn go_blocking<F>(&self, future: F)
    where
        F: Future<Output = Result<(), E>> + Send + 'static,
    {
        parker::block_on(self.go(future));
    }

    /// Spawns a task of the group if that needs no wait.
    ///
    /// # Errors
    /// As many tasks run as the [limit](Self::set_limit) allows; the future comes back.
    #[track_caller]
    pub fn try_go<F>(&self, future: F) -> Result<(), F>
    where
        F: Future<Output = Result<(), E>> + Send + 'static,
    {
        let slot = self.slots().map(|slots| slots.try_acquire());
        if let Some(None) = slot {
            return Err(future);
        }
        let slot = slot.flatten();
        spawn(self, future, slot, Location::caller());
        Ok(())
    }
}

fn spawn<E, F>(group: &ErrGroup<E>, future: F, slot: Option<Slot>, site: Site)
where
    E: Send + 'static,
    F: Future<Output = Result<(), E>> + Send + 'static,
{
    let mut spawn = Spawn::new(site);
    spawn.type_name = Some(TypeName::of::<F>());
    let part = Part {
        future: Some(CatchUnwind::new(future)),
        member: Some(group.enter(spawn.id, slot, site)),
    };
    drop(here(part, spawn));
}

pin_project! {
    /// A task and its membership. The order counts: what the task held is gone before the group hears of its end.
    struct Part<E, F> {
        #[pin]
        future: Option<CatchUnwind<F>>,
        member: Option<Member<E>>,
    }
}

impl<E, F: Future<Output = Result<(), E>>> Future for Part<E, F> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let mut this = self.project();
        let future = this.future.as_mut().as_pin_mut().expect("it runs");
        let ended = ready!(future.poll(cx));
        let dropped = catch_unwind(AssertUnwindSafe(|| this.future.set(None)));
        let member = this.member.take().expect("it runs");
        member.end(ended, dropped);
        Poll::Ready(())
    }
}

pin_project! {
    /// A task that is about to be spawned, made by [`ErrGroup::go`].
    ///
    /// # Cancellation
    /// Safe at any time: dropped before it completes, it has spawned nothing and drops the task's future.
    #[must_use = "the task is spawned when this is awaited"]
    pub struct GroupGo<'a, E, F> {
        group: &'a ErrGroup<E>,
        future: Option<F>,
        begun: bool,
        #[pin]
        slot: Option<Park<SlotOp>>,
        site: Site,
    }
}

impl<E, F> Future for GroupGo<'_, E, F>
where
    E: Send + 'static,
    F: Future<Output = Result<(), E>> + Send + 'static,
{
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let mut this = self.project();
        if !std::mem::replace(this.begun, true) {
            // The limit that counts is that of now.
            let (slots, site) = (this.group.slots(), *this.site);
            let slot = slots.map(|slots| Park::new(SlotOp { slots, site }, ()));
            this.slot.set(slot);
        }
        let slot = match this.slot.as_pin_mut() {
            None => None,
            Some(slot) => Some(ready!(slot.poll(cx))),
        };
        let future = this.future.take();
        let future = future.expect("an operation was polled after it had completed");
        spawn(this.group, future, slot, this.site);
        Poll::Ready(())
    }
}

impl<E, F> fmt::Debug for GroupGo<'_, E, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GroupGo")
            .field("group", self.group)
            .field("spawned", &self.future.is_none())
            .finish()
    }
}
