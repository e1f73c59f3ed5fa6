//! What tasks and threads agree by when they do not pass values: groups, initialisation, meeting points.
//!
//! | you want | look at |
//! |---|---|
//! | to wait until others are done | [`WaitGroup`] |
//! | to do something once | [`Once`], [`OnceCell`] |
//! | to go on together | [`Barrier`] |
//!
//! Everything here serves tasks of this runtime, tasks of any other executor and plain threads at the same time. Every
//! wait is a future that can be dropped at any await, an arm of [`select!`](crate::select!), and has a form for threads.

pub mod barrier;
mod named;
pub mod once;
pub mod once_cell;
pub mod waitgroup;

pub use barrier::Barrier;
pub use once::Once;
pub use once_cell::OnceCell;
pub use waitgroup::WaitGroup;
