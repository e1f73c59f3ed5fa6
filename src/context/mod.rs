//! Contexts: who may call a job off, until when it may go on, and what goes with it.
//!
//! | to | use | Go |
//! |---|---|---|
//! | begin | [`Context::background`], [`Context::todo`] | the same |
//! | be able to call something off | [`Context::with_cancel`], [`Context::with_cancel_cause`] | the same |
//! | set a time limit | [`Context::with_timeout`], [`Context::with_deadline`], `_cause` | the same |
//! | wait until it is called off | [`Context::done`], [`Context::done_blocking`] | `<-ctx.Done()` |
//! | end a future then | [`Context::run`], the operations whose names end in `_ctx` | `select` with `ctx.Done()` |
//! | ask | [`Context::err`], [`Context::cause`], [`Context::cancellation`], [`Context::deadline`] | `Err`, `context.Cause`, `Deadline` |
//! | do something then | [`Context::after_func`] | `context.AfterFunc` |
//! | end the other parts of a job with the first that fails | [`ErrGroup::with_context`](crate::sync::ErrGroup::with_context) | `errgroup.WithContext` |
//! | pass values along | [`Context::with_value`], [`Context::value`], [`Key`] | `WithValue`, `Value` |
//! | go on regardless | [`Context::without_cancel`] | the same |
//!
//! Contexts work in tasks of this runtime, in tasks of any other executor and on plain threads. Cancelling a context ends
//! everything below it, however deep, in one walk; then whoever waited is woken. Asking one that is alive takes no lock.
//!
//! ```
//! use gochan::{Context, chan, go, select};
//! use std::time::Duration;
//!
//! gochan::run(async {
//!     let (ctx, cancel) = Context::background().with_timeout(Duration::from_secs(5));
//!     let (tx, rx) = chan::<u64>(0);
//!     let adder = go({
//!         let ctx = ctx.clone();
//!         async move {
//!             let mut sum = 0;
//!             loop {
//!                 select! {
//!                     n = rx.recv() => sum += n.unwrap(),
//!                     error = ctx.done() => return (sum, error.to_string()),
//!                 }
//!             }
//!         }
//!     });
//!     for n in 1..=3 {
//!         tx.send(n).await.unwrap();
//!     }
//!     cancel.cancel();
//!     assert_eq!(adder.await.unwrap(), (6, "context canceled".to_string()));
//! });
//! ```
// Inside: `tree` is who is below whom and the walk that ends a subtree, `state` is the word of one node, `extra` is what only
// some nodes have, `deadline` the timer, `after` and `spawn` the functions to be called. `ctx` is what users hold, `cancel` their
// handles, `value` the values, `done` waiting for the end, `run` and `ops` operations under a context, `group` a group with one.

mod after;
mod cancel;
mod ctx;
mod deadline;
mod done;
mod extra;
mod group;
mod ops;
mod run;
mod spawn;
mod state;
mod sync;
mod tree;
mod value;

pub use crate::error::{Cause, ContextError};
pub use after::AfterFunc;
pub use cancel::{CancelCauseHandle, CancelHandle, DropGuard};
pub use ctx::{Cancellation, Context};
pub use done::DoneFuture;
pub use ops::{WithContext, sleep_ctx, sleep_until_ctx};
pub use run::Run;
pub use value::Key;

pub(crate) use spawn::{Func, set_spawner};

#[cfg(all(test, gochan_loom))]
#[path = "tests/loom.rs"]
mod loom_models;
