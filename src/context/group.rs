//! `ErrGroup::with_context`: a group whose first error cancels a context.
//!
//! What it is not: the group (`sync::errgroup`), which knows no contexts. Here the two meet.

use std::fmt;

use super::Context;
use crate::sync::ErrGroup;
use crate::sync::errgroup::Ending;

impl<E: fmt::Display + 'static> ErrGroup<E> {
    /// A group with a context of its own, below `ctx`: cancelled when the first task fails or panics, when the group has
    /// been waited for, or when its last handle is dropped; whatever comes first. Follows `errgroup.WithContext`.
    ///
    /// The cause of the context is then the text of the error; the error itself comes out of [`wait`](Self::wait). Its
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
        let (ctx, cancel) = ctx.with_cancel_cause();
        let on_end = move |how: Ending<'_, E>, site| {
            let cause = match how {
                Ending::Error(error) => Some(error.to_string()),
                Ending::Panic(text) => Some(text.to_owned()),
                Ending::Over => None,
            };
            cancel.cancel_at(cause, site);
        };
        (ErrGroup::with_end(Some(Box::new(on_end))), ctx)
    }
}
