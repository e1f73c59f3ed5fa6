//! Tasks: futures that an executor runs, cheap enough to have a million of.
//!
//! [`go`](crate::go) spawns one; [`Builder`] spawns one with a name. The [`JoinHandle`] gives what the task returned, or
//! says in a [`JoinError`] why it returned nothing.
//!
//! ```
//! use gochan::task;
//!
//! gochan::run(async {
//!     let worker = task::Builder::new().name("adder").go(async { 1 + 1 });
//!     assert_eq!(worker.await.unwrap(), 2);
//! });
//! ```
// Inside, in reading order: `state` is the word that says what a task is and who may do what; `raw` is the cell and all its
// pointer work; `waker` and `joint` are the two kinds of reference to it, `join` is the second one's public face and `arm` its place in
// a select. Nothing here knows the executor: tasks are queued through `raw::Schedule`, and `rt` adds `Builder::go` and `JoinHandle::wait`.

mod arm;
mod join;
mod joint;
mod raw;
mod state;
mod waker;

use std::future::Future;
use std::panic::Location;
use std::sync::Arc as StdArc;

pub use self::join::{JoinError, JoinHandle};
pub(crate) use self::raw::{Header, Outcome, Place, Runnable, Schedule, claim};
#[cfg_attr(not(feature = "rt"), allow(unused_imports))]
pub(crate) use self::waker::is_own_waker;

use crate::hook::record::Birth;
use crate::hook::type_name::TypeName;
use crate::hook::{self, Kind, ObjId, current, object, registry};

/// What is known of a task before it is there.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Spawn<'a> {
    pub(crate) id: ObjId,
    pub(crate) name: Option<&'a str>,
    pub(crate) site: &'static Location<'static>,
    /// The number of the runtime in records.
    pub(crate) runtime: u32,
    /// The type to show, where the future is but a wrapper around it.
    pub(crate) type_name: Option<&'static TypeName>,
}

impl<'a> Spawn<'a> {
    pub(crate) fn new(site: &'static Location<'static>) -> Spawn<'a> {
        Spawn {
            id: ObjId::fresh(Kind::Task),
            name: None,
            site,
            runtime: 0,
            type_name: None,
        }
    }
}

/// Makes a task that waits for its first poll. The caller queues it on `sched`, whose pointer must be that of an Arc that
/// lives until the task is done.
pub(crate) fn spawn<F, S>(
    future: F,
    sched: *const S,
    spawn: Spawn<'_>,
) -> (Runnable, JoinHandle<F::Output>)
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
    S: Schedule,
{
    let id = spawn.id;
    let type_name = spawn.type_name.unwrap_or(TypeName::of::<F>());
    let record = registry::acquire();
    let parent = current::id();
    let birth = Birth {
        id,
        name: spawn.name,
        site: Some(spawn.site),
        parent,
        runtime: spawn.runtime,
        type_name: Some(type_name),
    };
    record.spawned(&birth, hook::stamp());
    if hook::on(hook::SPAWN) {
        hook::spawned(hook::Spawn {
            task: id,
            parent,
            site: spawn.site,
            type_name: type_name.as_str(),
        });
    }
    let (task, joint) = raw::cell(future, sched, record);
    (task, JoinHandle::new(joint, id, spawn.site))
}

/// The task that runs on this thread right now; `None` outside of tasks.
///
/// ```
/// gochan::run(async {
///     let me = gochan::task::current().expect("we are in a task");
///     assert!(me.name().is_none());
/// });
/// assert!(gochan::task::current().is_none());
/// ```
pub fn current() -> Option<Current> {
    let id = current::id();
    (!id.is_none() && id.kind() == Kind::Task).then_some(Current { id })
}

/// A task, as it sees itself: see [`current`].
#[derive(Clone, Debug)]
pub struct Current {
    id: ObjId,
}

impl Current {
    /// The task's tag, as in dumps and events.
    pub fn id(&self) -> ObjId {
        self.id
    }

    /// The name that the task was given by [`Builder::name`].
    pub fn name(&self) -> Option<StdArc<str>> {
        object::name(self.id)
    }
}

/// Spawns a task that has more to be said of it than its future.
///
/// ```
/// use gochan::task;
///
/// gochan::run(async {
///     let named = task::Builder::new().name("reader");
///     let handle = named.go(async { task::current().unwrap().name() });
///     assert_eq!(handle.await.unwrap().as_deref(), Some("reader"));
/// });
/// ```
#[derive(Clone, Debug, Default)]
#[must_use = "a builder does nothing until `go`"]
pub struct Builder<'a> {
    name: Option<&'a str>,
}

impl<'a> Builder<'a> {
    /// A task without a name.
    pub fn new() -> Self {
        Self::default()
    }

    /// What dumps and events call the task.
    pub fn name(self, name: &'a str) -> Self {
        Builder { name: Some(name) }
    }

    pub(crate) fn name_given(&self) -> Option<&'a str> {
        self.name
    }
}

#[cfg(test)]
mod tests;
