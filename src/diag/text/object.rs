//! What is waited for: one line each, and the first of those who wait or hold.

use std::collections::HashMap;
use std::fmt::{self, Display, Formatter};
use std::sync::Arc;

use super::task::{Holds, words};
use super::{At, FOLD, Time, Who};
use crate::diag::verdict::fill;
use crate::diag::{Object, Queued};
use crate::hook::{Kind, object};

/// Holders and waiters of one thing that are named.
const NAMED: usize = 4;

/// All of them; those that were made at one place and say nothing special together, when they are many.
pub(super) fn all(objects: &[Arc<Object>], f: &mut Formatter<'_>) -> fmt::Result {
    if !objects.is_empty() {
        writeln!(f, "\nobjects:")?;
    }
    let mut places = HashMap::new();
    for object in objects {
        *places.entry(place(object)).or_insert(0usize) += 1;
    }
    for object in objects {
        match places.get_mut(&place(object)) {
            Some(0) => {}
            Some(count) if *count > FOLD => {
                many(object, *count, f)?;
                *count = 0;
            }
            _ => write!(f, "{}", Told(object))?,
        }
    }
    Ok(())
}

type Place<'a> = (Kind, Option<(&'a str, u32, u32)>);

fn place(object: &Object) -> Place<'_> {
    let made = object.made;
    let made = made.map(|made| (made.file(), made.line(), made.column()));
    (object.id.kind(), made)
}

fn many(first: &Object, count: usize, f: &mut Formatter<'_>) -> fmt::Result {
    write!(f, "{count} {}s", first.id.kind())?;
    match first.made {
        Some(made) => writeln!(f, " made at {}; with the longest queue:", At(made))?,
        None => writeln!(f, "; with the longest queue:")?,
    }
    write!(f, "{}", Told(first))
}

/// One object with what is known of it.
struct Told<'a>(&'a Object);

impl Display for Told<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let object = self.0;
        write!(f, "{object}")?;
        if let Some(buffer) = &object.buffer {
            write!(f, "{}", fill(buffer))?;
        }
        if let Some(count) = object.count {
            write!(f, ", {count} not done")?;
        }
        match object.mode {
            Some(mode) => writeln!(f, ", {mode}")?,
            None => writeln!(f)?,
        }
        let (holds, acquired) = words(object.id.kind());
        for holder in object.holders.iter().take(NAMED) {
            writeln!(f, "\t{holds} {}", Holds(holder, acquired))?;
        }
        more(object.holders.len(), f)?;
        for queued in object.queue.iter().take(NAMED) {
            writeln!(f, "\t{queued}")?;
        }
        more(object.queue.len(), f)
    }
}

fn more(count: usize, f: &mut Formatter<'_>) -> fmt::Result {
    match count.saturating_sub(NAMED) {
        0 => Ok(()),
        more => writeln!(f, "\tand {more} more"),
    }
}

/// As in the queue of its object.
impl Display for Queued {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let name = object::name(self.id);
        let who = Who(self.id, name.as_deref());
        write!(f, "{who} waits {} [{}]", Time(self.waited_ns), self.reason)?;
        match self.site {
            Some(site) => write!(f, " at {}", At(site)),
            None => Ok(()),
        }
    }
}
