//! The executor: worker threads that run tasks, steal from each other, and sleep when there is nothing to do.
//!
//! Go's G/M/P shape: a task is a G, a thread an M, and a worker's slot with its run queue a P.
// Inside, in reading order: `queue` is a slot's run queue, `slots` all of them, `inject` the global one, `idle` the protocol of sleeping and
// waking, `parker` how a thread sleeps, `poller` and `source` sockets as the workers see them, `turn` whose it is to look, `core` a worker's slot, `worker` the loop, `seat` where
// it keeps its slot, `threads` the threads and who holds which slot, `spares` the exchange between them, `sysmon` the thread that
// watches them, `nap` its sleep and `teller` who says what it has seen, `shared` what they share and the end of it, `context` which of it a thread belongs to.
// `counters` is what slots have done, `metrics` shows it as a value, `schedtrace` as Go's lines, `debug` says which of them.
// `procs` how many slots there are, `spawn`, `group`, `errgroup`, `blocking`,
// `builder` and `yield_now` are the public face.

mod blocking;
mod builder;
mod context;
mod core;
mod counters;
pub(crate) mod created;
mod debug;
mod errgroup;
mod group;
mod idle;
mod inject;
mod left;
mod metrics;
mod nap;
mod parker;
#[cfg(not(feature = "net"))]
#[path = "no_poller.rs"]
mod poller;
#[cfg(feature = "net")]
mod poller;
mod procs;
mod queue;
mod schedtrace;
mod seat;
mod shared;
mod slots;
#[cfg(feature = "net")]
mod source;
mod spares;
mod spawn;
mod sysmon;
mod teller;
mod threads;
#[cfg(any(feature = "net", test))]
mod turn;
mod worker;
mod yield_now;

pub use self::blocking::blocking;
pub use self::builder::{Builder, Runtime};
pub use self::metrics::{RuntimeMetrics, WorkerMetrics, metrics};
#[cfg(feature = "net")]
pub(crate) use self::poller::Poller;
pub use self::procs::{max_procs, set_max_procs};
#[cfg(feature = "net")]
pub(crate) use self::source::{Site, Source, Stop, Wait, Way};
#[cfg(feature = "net")]
pub(crate) use self::spawn::poller;
pub use self::spawn::{block_on, go, num_tasks, run};
pub use self::yield_now::{YieldNow, yield_now};
