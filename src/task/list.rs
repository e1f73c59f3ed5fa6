//! A first-in-first-out list of runnable tasks, linked through the tasks themselves: no allocation, any length.
//!
//! What it is not: shared. A list belongs to one thread, or lies under a lock.
//!
//! 1. A task is in at most one list, and the list holds its ACTIVE flag.
//! 2. `last` is the end of the chain that starts at `first`; both are there, or neither is.
#![allow(unsafe_code)]

use std::ptr::NonNull;

use super::raw::{Header, Runnable};

/// A list of runnable tasks. Whoever drops one that is not empty strands its tasks.
#[derive(Debug, Default)]
pub(crate) struct TaskList {
    first: Option<Runnable>,
    last: Option<NonNull<Header>>,
    len: usize,
}

// SAFETY: `last` points to a task that the list itself holds, and a Runnable may go to any thread.
unsafe impl Send for TaskList {}

impl TaskList {
    pub(crate) const fn new() -> TaskList {
        TaskList {
            first: None,
            last: None,
            len: 0,
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.len
    }

    pub(crate) fn push_back(&mut self, task: Runnable) {
        let raw = NonNull::new(task.into_raw());
        self.hang_on(raw, raw, 1);
    }

    /// Puts all of `other` behind what is here.
    pub(crate) fn append(&mut self, mut other: TaskList) {
        let first = other
            .first
            .take()
            .and_then(|task| NonNull::new(task.into_raw()));
        if first.is_some() {
            self.hang_on(first, other.last, other.len);
        }
    }

    pub(crate) fn pop_front(&mut self) -> Option<Runnable> {
        let task = self.first.take()?;
        // SAFETY: the list holds the task, and with it the link.
        self.first = task.link().with_mut(|link| unsafe { (*link).take() });
        if self.first.is_none() {
            self.last = None;
        }
        self.len -= 1;
        Some(task)
    }

    /// Hangs a chain of `len` tasks on the end.
    fn hang_on(
        &mut self,
        first: Option<NonNull<Header>>,
        last: Option<NonNull<Header>>,
        len: usize,
    ) {
        // SAFETY: the callers have just taken the chain from a Runnable, which goes on as this one.
        let first = first.map(|raw| unsafe { Runnable::from_raw(raw) });
        match self.last {
            None => self.first = first,
            Some(end) => {
                // SAFETY: `end` is in the list, which holds it and its link; as a Runnable it is only looked at here.
                let end = std::mem::ManuallyDrop::new(unsafe { Runnable::from_raw(end) });
                end.link().with_mut(|link| unsafe { *link = first });
            }
        }
        self.last = last;
        self.len += len;
    }
}
