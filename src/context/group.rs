//! `ErrGroup::with_context`: a group whose first error cancels a context.
//!
//! What it is not: the group (`sync::errgroup`), which knows no contexts. Here the two meet.

use std::error::Error;
use std::fmt;

use super::Context;
use super::cancel::cause_of;
use crate::sync::ErrGroup;
use crate::sync::errgroup::Ending;

impl<E: fmt::Display + 'static> ErrGroup<E> {
    /// A group with a context of its own, below `ctx`: cancelled when the first task fails or panics, when the group has
    /// been waited for, or when its last handle is dropped; whatever comes first. Follows `errgroup.WithContext`.
    ///
    /// The cause of the context is then the text of the error; the error itself comes out of [`wait`](Self::wait). To have
    /// more than the text, use [`with_context_cause`](Self::with_context_cause). The context's
    /// [`cancellation`](Context::cancellation) names the line that spawned the task that failed.
    ///
    /// ```
    /// use gochan::{Context, select, sync::ErrGroup};
    ///
    /// gochan::run(async {
    ///     let (group, ctx) = ErrGroup::with_context(&Context::background());
    ///     group.go(async move {
    ///         // Goes on until another part fails.
    ///         ctx.done().await;
    ///         Ok(())
    ///     }).await;
    ///     group.go(async { Err("no such file") }).await;
    ///     assert_eq!(group.wait().await, Err("no such file"));
    /// });
    /// ```
    #[must_use]
    #[track_caller]
    pub fn with_context(ctx: &Context) -> (ErrGroup<E>, Context) {
        ErrGroup::with_context_cause(ctx, E::to_string)
    }
}

impl<E: 'static> ErrGroup<E> {
    /// As [`with_context`](Self::with_context), for any type of error: `cause` makes the cause of the context from the first
    /// one. So [`Context::cause`] can be what went wrong itself, as in Go, and not only its text: an error that can be cloned,
    /// or a share of one.
    ///
    /// ```
    /// use gochan::{Context, sync::ErrGroup};
    /// use std::io::{Error, ErrorKind};
    /// use std::sync::Arc;
    ///
    /// gochan::run(async {
    ///     let parent = Context::background();
    ///     let (group, ctx) = ErrGroup::with_context_cause(&parent, |error: &Arc<Error>| error.clone());
    ///     group.go(async { Err(Arc::new(Error::from(ErrorKind::NotFound))) }).await;
    ///     assert_eq!(group.wait().await.unwrap_err().kind(), ErrorKind::NotFound);
    ///     let cause = ctx.cause().unwrap();
    ///     assert_eq!(cause.downcast_ref::<Arc<Error>>().unwrap().kind(), ErrorKind::NotFound);
    /// });
    /// ```
    ///
    /// # Panics
    /// If `cause` does, the group ends as if a task had panicked with that.
    #[must_use]
    #[track_caller]
    pub fn with_context_cause<C>(
        ctx: &Context,
        cause: impl Fn(&E) -> C + Send + Sync + 'static,
    ) -> (ErrGroup<E>, Context)
    where
        C: Into<Box<dyn Error + Send + Sync>>,
    {
        let (ctx, cancel) = ctx.with_cancel_cause();
        let on_end = move |how: Ending<'_, E>, site| {
            let cause = match how {
                Ending::Error(error) => Some(cause_of(cause(error))),
                Ending::Panic(text) => Some(cause_of(text)),
                Ending::Over => None,
            };
            cancel.cancel_at(cause, site);
        };
        (ErrGroup::with_end(Some(Box::new(on_end))), ctx)
    }
}
