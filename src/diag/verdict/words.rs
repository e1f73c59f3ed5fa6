//! Verdicts in words: who, what, where and for how long.
//!
//! What it is not: a finding. Those are made in `verdict`.

use std::fmt::Write as _;

use super::{NAMED, Site};
use crate::diag::words::{At, Count, Time, Who};
use crate::diag::{Buffer, Holder, Object, Queued, Wait};
use crate::hook::{LongPoll, object};

/// `chan#3 "ledger", made at src/main.rs:10 (buffer 64/64, 2 senders, 1 receiver)`
pub(super) fn named(object: &Object) -> String {
    let facts = object.buffer.as_ref().map(fill);
    format!("{object}{}", facts.unwrap_or_default())
}

pub(super) fn who(holder: &Holder) -> String {
    match holder.id.is_none() {
        true => "a thread".to_owned(),
        false => Who(holder.id, holder.name.as_deref()).to_string(),
    }
}

pub(super) fn at(line: &mut String, site: Option<Site>) {
    if let Some(site) = site {
        write!(line, " at {}", At(site)).ok();
    }
}

pub(super) fn held(line: &mut String, holder: &Holder) {
    write!(line, " for {}, acquired", Time(holder.held_ns)).ok();
    at(line, holder.site);
}

/// `, which waits 5.2s [chan receive] at src/main.rs:33 on chan#8 "audit", made at src/main.rs:20 (no buffer, ...)`
pub(super) fn waits(begin: &str, wait: &Wait) -> String {
    let mut line = format!("{begin} {} [{}]", Time(wait.waited_ns), wait.reason);
    at(&mut line, wait.site);
    let first = wait.arms.first().and_then(|arm| arm.object.as_ref());
    if let Some(object) = wait.object.as_ref().or(first) {
        write!(line, " on {}", named(object)).ok();
    }
    line
}

/// ` (buffer 64/64, 2 senders, 1 receiver)`
pub(in crate::diag) fn fill(buffer: &Buffer) -> String {
    let len = buffer.len;
    let fill = match buffer.capacity {
        Some(0) => "no buffer".to_owned(),
        Some(capacity) => format!("buffer {len}/{capacity}"),
        None => format!("buffer {len}, without limit"),
    };
    let sides = (
        Count(buffer.senders, "sender"),
        Count(buffer.receivers, "receiver"),
    );
    let closed = if buffer.closed { ", closed" } else { "" };
    format!(" ({fill}, {}, {}{closed})", sides.0, sides.1)
}

pub(super) fn queue(waiting: &[Queued]) -> String {
    let (count, verb) = match waiting.len() {
        1 => ("1".to_owned(), "waits"),
        n => (n.to_string(), "wait"),
    };
    let mut line = format!("{count} {verb} for it:");
    for (n, queued) in waiting.iter().take(NAMED).enumerate() {
        let comma = if n == 0 { "" } else { "," };
        let name = object::name(queued.id);
        write!(line, "{comma} {}", Who(queued.id, name.as_deref())).ok();
        at(&mut line, queued.site);
    }
    if let Some(more @ 1..) = waiting.len().checked_sub(NAMED) {
        write!(line, ", and {more} more").ok();
    }
    line
}

/// Where a long poll came from, and what its thread does.
pub(super) fn since(poll: &LongPoll) -> String {
    let mut line = String::new();
    if let Some(cause) = poll.cause {
        write!(line, ", {cause}").ok();
    }
    if let Some(site) = poll.after {
        write!(line, ", after its wait at {}", At(site)).ok();
    }
    line
}
