//! The runtime as a value: how it is built, entered and shut down.

use std::fmt;
use std::future::Future;
use std::panic::Location;

use super::context;
use super::created::{self, Reason};
use super::idle::MAX_WORKERS;
use super::shared::Shared;
use super::threads::Threads;
use super::{blocking, spawn};
use crate::error::BuildError;
use crate::shim::Arc;
use crate::task::{JoinHandle, Spawn};
use crate::wait::parker;

/// The environment variable that says how many workers a runtime has when its builder does not.
const MAXPROCS: &str = "GOCHAN_MAXPROCS";

/// An executor: worker threads, their run queues and their timers.
///
/// Most programs need none of their own: [`gochan::go`](crate::go) and [`gochan::run`](crate::run) use a default runtime that
/// is started on first use and lives as long as the process.
///
/// Dropping a runtime shuts it down, as [`shutdown`](Self::shutdown).
///
/// # Examples
///
/// ```
/// use gochan::Runtime;
///
/// let rt = Runtime::builder().workers(2).name("numbers").build()?;
/// let sum = rt.go(async { (1..=10).sum::<u32>() });
/// assert_eq!(rt.block_on(sum).unwrap(), 55);
/// rt.shutdown();
/// # Ok::<(), gochan::BuildError>(())
/// ```
pub struct Runtime {
    shared: Arc<Shared>,
}

/// Says what a [`Runtime`] is to be like: see [`Runtime::builder`].
#[derive(Clone, Debug, Default)]
#[must_use = "a builder does nothing until `build`"]
pub struct Builder {
    workers: Option<usize>,
    name: Option<String>,
    max_threads: Option<usize>,
}

impl Builder {
    /// How many tasks run at the same time: one on each worker. At least 1.
    ///
    /// Without it, it is the number in the environment variable `GOCHAN_MAXPROCS`, and without that one the number of
    /// processors that the process may use, as with Go's `GOMAXPROCS`. [`Runtime::set_max_procs`] changes it later.
    pub fn workers(self, workers: usize) -> Builder {
        Builder {
            workers: Some(workers),
            ..self
        }
    }

    /// What its threads are called: `name-1`, `name-2` and so on. Without it `gochan-1`...
    pub fn name(self, name: impl Into<String>) -> Builder {
        Builder {
            name: Some(name.into()),
            ..self
        }
    }

    /// How many threads it may have at the same time, beside the one that watches them: those of the workers, and those that
    /// are inside of [`blocking`](crate::blocking) calls and long polls. Without it 512 more than there are workers. Never less than
    /// there are workers.
    ///
    /// When they are all taken, the next call of [`blocking`](crate::blocking) holds its worker up: dumps give its wait the
    /// reason `blocking (no thread left)`.
    pub fn max_threads(self, threads: usize) -> Builder {
        Builder {
            max_threads: Some(threads),
            ..self
        }
    }

    /// Starts the runtime.
    ///
    /// # Errors
    ///
    /// [`BuildError`] if the number of workers, here or in the environment, is not one, or if the system has no more
    /// threads to give.
    ///
    /// ```
    /// use gochan::Runtime;
    ///
    /// let error = Runtime::builder().workers(0).build().unwrap_err();
    /// assert_eq!(error.to_string(), "a runtime needs at least one worker");
    /// ```
    #[track_caller]
    pub fn build(self) -> Result<Runtime, BuildError> {
        let site = Location::caller();
        let workers = match self.workers {
            Some(workers) => check(workers)?,
            None => default_workers()?,
        };
        let name = self.name.unwrap_or_else(|| "gochan".into());
        let (shared, cores) = Shared::new(workers, name, self.max_threads);
        // Dropped with an error, it ends the threads that have been started.
        let runtime = Runtime { shared };
        for core in cores {
            let given = Threads::give(&runtime.shared, core, None);
            given.map_err(|refused| BuildError::Thread(refused.error))?;
            created::count(Reason::Worker, site);
        }
        Threads::start_sysmon(&runtime.shared).map_err(BuildError::Thread)?;
        created::count(Reason::Monitor, site);
        Ok(runtime)
    }
}

impl Runtime {
    /// A runtime to be described: workers, name.
    pub fn builder() -> Builder {
        Builder::default()
    }

    /// Spawns a task in this runtime, from anywhere.
    ///
    /// ```
    /// let rt = gochan::Runtime::builder().workers(1).build()?;
    /// let handle = rt.go(async { "done" });
    /// assert_eq!(handle.wait().unwrap(), "done");
    /// # Ok::<(), gochan::BuildError>(())
    /// ```
    #[track_caller]
    pub fn go<F>(&self, future: F) -> JoinHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        spawn::remote(&self.shared, future, Spawn::new(Location::caller()))
    }

    /// Runs `future` on the calling thread until it is done. Tasks that it spawns run on the workers.
    ///
    /// The future need not be `Send` and may borrow. On a worker's thread, inside a task, the worker's slot is handed to
    /// another thread first, as by [`blocking`](crate::blocking).
    ///
    /// ```
    /// let rt = gochan::Runtime::builder().workers(1).build()?;
    /// let numbers = [1, 2, 3];
    /// let sum = rt.block_on(async {
    ///     let (a, rest) = numbers.split_first().unwrap();
    ///     a + gochan::go(async { 10 }).await.unwrap() + rest.len() as i32
    /// });
    /// assert_eq!(sum, 13);
    /// # Ok::<(), gochan::BuildError>(())
    /// ```
    pub fn block_on<F: Future>(&self, future: F) -> F::Output {
        let _runtime = context::enter(&self.shared);
        let _timers = crate::time::enter(&self.shared.driver);
        blocking(|| parker::block_on(future))
    }

    /// Ends the runtime: drops all of its tasks where they are, and waits until its threads are gone.
    ///
    /// A poll that is running, and a call of [`blocking`](crate::blocking), is waited for. Then every task is dropped that
    /// has not ended, by one of the runtime's threads; its handle says that it was cancelled. Wakers of such tasks do
    /// nothing from then on. Tasks that are spawned meanwhile, by the destructors of others, are dropped without having
    /// run.
    ///
    /// Called on one of the runtime's own threads, from inside a task, it does not wait: the runtime then ends after
    /// the poll that called it.
    pub fn shutdown(self) {
        drop(self);
    }

    /// The number of workers, as it was [set](Self::set_max_procs) last.
    pub fn workers(&self) -> usize {
        self.shared.workers()
    }

    /// The number of tasks that are not done. Spawning and ending ones may or may not be counted.
    pub fn num_tasks(&self) -> usize {
        self.shared.num_tasks()
    }

    pub(super) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }
}

impl Drop for Runtime {
    fn drop(&mut self) {
        self.shared.close();
        let own =
            context::with(|worker| worker.is_some_and(|w| w.belongs_to(Arc::as_ptr(&self.shared))));
        if !own {
            blocking(|| self.shared.threads.join());
        }
    }
}

impl fmt::Debug for Runtime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.shared.fmt(f)
    }
}

pub(super) fn check(workers: usize) -> Result<usize, BuildError> {
    match workers {
        0 => Err(BuildError::NoWorkers),
        1..=MAX_WORKERS => Ok(workers),
        _ => Err(BuildError::TooManyWorkers(workers)),
    }
}

/// How many workers a runtime has that does not say.
pub(super) fn default_workers() -> Result<usize, BuildError> {
    let Some(text) = std::env::var_os(MAXPROCS) else {
        return Ok(std::thread::available_parallelism()
            .map_or(1, usize::from)
            .min(MAX_WORKERS));
    };
    let number = text.to_str().and_then(|text| text.trim().parse().ok());
    number
        .and_then(|workers| check(workers).ok())
        .ok_or_else(|| BuildError::BadMaxProcs(text.to_string_lossy().into_owned()))
}
