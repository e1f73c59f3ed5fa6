//! The ways into a runtime: `go`, `run`, `block_on`, and which runtime they mean.
//!
//! A thread's runtime is the one whose `block_on` it is in, else the one whose worker it is, else the default one, which
//! starts when it is first needed and never ends.

use std::future::Future;
use std::panic::{Location, resume_unwind};
use std::sync::OnceLock;

use super::shared::Shared;
use super::{Runtime, blocking, context};
use crate::shim::Arc;
use crate::task::{Builder, JoinError, JoinHandle, Spawn};
use crate::wait::parker;

static DEFAULT: OnceLock<Runtime> = OnceLock::new();

/// The default runtime, started now if it was not.
pub(super) fn default() -> &'static Arc<Shared> {
    let start = || match Runtime::builder().build() {
        Ok(runtime) => {
            crate::time::set_default_provider(|| Arc::clone(&default().driver));
            runtime
        }
        Err(error) => panic!("gochan's default runtime did not start: {error}"),
    };
    DEFAULT.get_or_init(start).shared()
}

/// The default runtime if it runs.
pub(super) fn default_if_started() -> Option<&'static Arc<Shared>> {
    DEFAULT.get().map(Runtime::shared)
}

/// The poller that serves this thread: that of its runtime or, where there is none or `refused` says that it is at its end,
/// that of the default runtime, which this starts if need be.
#[cfg(feature = "net")]
pub(crate) fn poller(refused: bool) -> std::io::Result<Arc<super::Poller>> {
    match context::shared().filter(|_| !refused) {
        Some(shared) => shared.poller(),
        None => default().poller(),
    }
}

/// Spawns a task: `future` runs on the workers from now on, whether or not anybody awaits its handle.
///
/// Inside a task it becomes one of the same runtime and goes first when the spawning task waits. Outside of any runtime it
/// becomes one of the default runtime, which this starts if need be. Follows Go's `go` statement (`newproc` in
/// `src/runtime/proc.go`).
///
/// # Cancellation
///
/// Dropping the handle lets the task go on by itself. [`JoinHandle::abort`] ends it.
///
/// # Panics
///
/// A panic in the task comes out of its handle. Outside of any runtime, if the default runtime cannot be started.
///
/// # Examples
///
/// ```
/// gochan::run(async {
///     let handles: Vec<_> = (0..10).map(|n| gochan::go(async move { n * n })).collect();
///     let mut sum = 0;
///     for handle in handles {
///         sum += handle.await.unwrap();
///     }
///     assert_eq!(sum, 285);
/// });
/// ```
#[track_caller]
pub fn go<F>(future: F) -> JoinHandle<F::Output>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    here(future, Spawn::new(Location::caller()))
}

impl Builder<'_> {
    /// Spawns the task as [`gochan::go`](go) does.
    ///
    /// ```
    /// # gochan::run(async {
    /// gochan::task::Builder::new().name("greeter").go(async { println!("hello") }).await.unwrap();
    /// # });
    /// ```
    #[track_caller]
    pub fn go<F>(self, future: F) -> JoinHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        let mut spawn = Spawn::new(Location::caller());
        spawn.name = self.name_given();
        here(future, spawn)
    }
}

/// Spawns in the runtime of this thread.
pub(super) fn here<F>(future: F, spawn: Spawn<'_>) -> JoinHandle<F::Output>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    if let Some(entered) = context::entered() {
        return remote(&entered, future, spawn);
    }
    context::with(|worker| {
        let Some(worker) = worker else {
            return remote(default(), future, spawn);
        };
        let (task, handle) = Shared::make(worker.shared(), future, spawn);
        if let Err(task) = worker.push_new(task) {
            worker.shared().start(task);
        }
        handle
    })
}

/// Has `func` called in a task of its own, as if `go` stood at `site`.
pub(super) fn call(func: crate::context::Func, site: &'static Location<'static>) {
    drop(here(async move { func() }, Spawn::new(site)));
}

/// Spawns in `shared` from a thread that is not its worker, or is treated as if it were not.
pub(super) fn remote<F>(shared: &Arc<Shared>, future: F, spawn: Spawn<'_>) -> JoinHandle<F::Output>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    let (task, handle) = Shared::make(shared, future, spawn);
    shared.start(task);
    handle
}

/// Runs the main job of a program: `future` as a task of the default runtime, while the calling thread waits for it.
///
/// Tasks that are still there when it is done are left to themselves; they end with the process, as goroutines do when
/// `main` returns. Inside a task of any runtime, the worker's slot is handed to another thread first, as by
/// [`blocking`](crate::blocking).
///
/// # Panics
///
/// If `future` panics, with the same payload; if the default runtime cannot be started.
///
/// # Examples
///
/// ```
/// let answer = gochan::run(async { gochan::go(async { 42 }).await.unwrap() });
/// assert_eq!(answer, 42);
/// ```
#[track_caller]
pub fn run<F>(future: F) -> F::Output
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    let handle = remote(default(), future, Spawn::new(Location::caller()));
    match handle.wait() {
        Ok(value) => value,
        Err(error) => match error.try_into_panic() {
            Ok(panic) => resume_unwind(panic),
            Err(cancelled) => unreachable!("nobody aborts the main job: {cancelled}"),
        },
    }
}

/// Runs `future` on the calling thread until it is done, for plain threads: the bridge into the world of tasks.
///
/// It needs no runtime. The future need not be `Send` and may borrow. Inside a task, the worker's slot is handed to another
/// thread first, as by [`blocking`](crate::blocking).
///
/// ```
/// let handle = gochan::go(async { 42 });
/// assert_eq!(gochan::block_on(handle).unwrap(), 42);
/// ```
pub fn block_on<F: Future>(future: F) -> F::Output {
    blocking(|| parker::block_on(future))
}

impl<T> JoinHandle<T> {
    /// Blocks the calling thread until the task is done: for plain threads. Inside a task use `.await`.
    ///
    /// # Errors
    ///
    /// As awaiting the handle.
    ///
    /// ```
    /// let handle = gochan::go(async { 6 * 7 });
    /// assert_eq!(handle.wait().unwrap(), 42);
    /// ```
    pub fn wait(self) -> Result<T, JoinError> {
        block_on(self)
    }
}

/// The number of tasks of this thread's runtime that are not done. Spawning and ending ones may or may not be counted.
///
/// ```
/// gochan::run(async {
///     let before = gochan::num_tasks();
///     let sleeper = gochan::go(std::future::pending::<()>());
///     assert_eq!(gochan::num_tasks(), before + 1);
///     sleeper.abort();
/// });
/// ```
pub fn num_tasks() -> usize {
    let own = context::shared().map(|shared| shared.num_tasks());
    own.or_else(|| Some(default_if_started()?.num_tasks()))
        .unwrap_or(0)
}
