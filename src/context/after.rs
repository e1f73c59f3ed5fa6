//! Functions that are called when a context has ended.

use std::panic::Location;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use super::Context;
use super::spawn;
use super::tree::Ref;

impl Context {
    /// Has `f` called in a task of its own once this context has ended; at once if it has. On a context that never ends `f`
    /// is dropped.
    ///
    /// The task is one of the runtime in which the context is cancelled, or of the default one; before any runtime has
    /// started it is a thread. If `f` may block for long, use [`blocking`](crate::blocking) in it. A runtime that is shutting
    /// down drops `f` uncalled, as it drops its tasks.
    ///
    /// The context keeps `f`: if `f` has a clone of the context, or of one below it, each keeps the other until the context
    /// ends or `f` is [stopped](AfterFunc::stop).
    ///
    /// Follows Go's `context.AfterFunc` (`src/context/context.go`), but for this: a context is there as long as somebody has
    /// it, a handle of it, one below it, or what this returns; when nobody has it can never end, and `f` is dropped.
    ///
    /// # Examples
    ///
    /// ```
    /// use gochan::Context;
    ///
    /// let (ctx, cancel) = Context::background().with_cancel();
    /// let (tx, rx) = gochan::chan(1);
    /// let _stop = ctx.after_func(move || tx.try_send("over").unwrap());
    /// cancel.cancel();
    /// assert_eq!(rx.recv_blocking(), Ok("over"));
    /// ```
    #[track_caller]
    pub fn after_func(&self, f: impl FnOnce() + Send + 'static) -> AfterFunc {
        let site = Location::caller();
        let func = Box::new(f);
        let Some(node) = self.node().cloned() else {
            return AfterFunc(Armed::Never(AtomicBool::new(true)));
        };
        let mut inner = node.object.lock();
        if node.state.is_live() {
            let key = inner.extra.get_or_insert_default().add(func, site);
            drop(inner);
            return AfterFunc(Armed::At(node, key));
        }
        drop(inner);
        spawn::start(func, site);
        AfterFunc(Armed::Never(AtomicBool::new(false)))
    }
}

/// A function that will be called when a context has ended, made by [`Context::after_func`].
///
/// Dropping it changes nothing for the function.
#[derive(Debug)]
pub struct AfterFunc(Armed);

#[derive(Debug)]
enum Armed {
    At(Ref, u64),
    /// It is never called any more, by a context that never ends (true until it is stopped) or has ended.
    Never(AtomicBool),
}

impl AfterFunc {
    /// Takes the function back. True: it will not be called. False: it was stopped before, or it has been called, is being
    /// called or will be in a moment; this does not wait for it.
    ///
    /// ```
    /// use gochan::Context;
    ///
    /// let (ctx, cancel) = Context::background().with_cancel();
    /// let stop = ctx.after_func(|| panic!("never called"));
    /// assert!(stop.stop());
    /// assert!(!stop.stop());
    /// cancel.cancel();
    /// ```
    pub fn stop(&self) -> bool {
        match &self.0 {
            Armed::Never(pending) => pending.swap(false, Relaxed),
            Armed::At(node, key) => {
                let mut inner = node.object.lock();
                let func = inner.extra.as_mut().and_then(|extra| extra.remove(*key));
                drop(inner);
                func.is_some() // And dropped without the lock.
            }
        }
    }
}
