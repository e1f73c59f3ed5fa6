//! The dump in the form of Go's goroutine dumps (`debug=2`), for tools that read those. Follows `goroutineheader`,
//! `traceback` and `printcreatedby` in Go's `src/runtime/traceback.go`.
//!
//! ```text
//! goroutine 18 [chan receive, 14 minutes] {tenant: eu}:
//! pipeline::digest::{{closure}}()
//!     src/main.rs:44 +0x0
//! created by pipeline::main::{{closure}} in goroutine 1
//!     src/main.rs:30 +0x0
//! ```
//!
//! What it is not: all there is to say. Go's form has no objects, no holders and no times below a minute.

use std::collections::HashMap;
use std::fmt::{self, Display, Formatter, Write as _};
use std::io;

use super::text::streamed;
use super::words::At;
use super::{Dump, TaskInfo, TaskState};
use crate::hook::ObjId;

/// Threads are numbered from here, so that they do not take the numbers of tasks.
const THREADS: u64 = 1 << 32;
const MINUTE_NS: u64 = 60_000_000_000;

impl Dump {
    /// The dump as Go prints its goroutines: with SIGQUIT, a panic, or `/debug/pprof/goroutine?debug=2`.
    ///
    /// A task is a goroutine of the same number. A thread inside a blocking wait is one that is locked to its thread; its number
    /// is 2³² more than its own. The function is the type of the task's future; its line is where the task waits.
    ///
    /// # Examples
    ///
    /// ```
    /// gochan::run(async {
    ///     gochan::go(gochan::sleep(std::time::Duration::from_secs(60)));
    ///     let text = gochan::diag::dump().to_go_text();
    ///     assert!(text.starts_with("goroutine "));
    /// });
    /// ```
    pub fn to_go_text(&self) -> String {
        GoText::new(self).to_string()
    }

    /// Writes what [`to_go_text`](Dump::to_go_text) gives, piece by piece.
    ///
    /// ```
    /// gochan::diag::dump().write_go_text(&mut std::io::stdout()).unwrap();
    /// ```
    ///
    /// # Errors
    /// Those of `out`.
    pub fn write_go_text<W: io::Write + ?Sized>(&self, out: &mut W) -> io::Result<()> {
        let text = GoText::new(self);
        streamed(out, |out| write!(out, "{text}"))
    }
}

struct GoText<'a> {
    dump: &'a Dump,
    /// The functions of tasks, for those that they have spawned.
    functions: HashMap<ObjId, &'static str>,
}

impl<'a> GoText<'a> {
    fn new(dump: &'a Dump) -> Self {
        let tasks = dump.tasks.iter();
        GoText {
            dump,
            functions: tasks
                .filter_map(|task| Some((task.id, task.type_name?)))
                .collect(),
        }
    }

    fn block(&self, task: &TaskInfo, f: &mut Formatter<'_>) -> fmt::Result {
        header(task, f)?;
        match task.state {
            TaskState::Running => {
                f.write_str("\tgoroutine running on other thread; stack unavailable\n")?;
            }
            _ => frame(task, f)?,
        }
        let Some(spawned) = task.spawned else {
            return Ok(());
        };
        let by = task.parent.and_then(|parent| self.functions.get(&parent));
        write!(f, "created by {}", by.unwrap_or(&"gochan::go"))?;
        if let Some(parent) = task.parent {
            write!(f, " in goroutine {}", parent.number())?;
        }
        write!(f, "\n\t{} +0x0\n", At(spawned))
    }
}

impl Display for GoText<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        for (n, task) in self.dump.tasks.iter().enumerate() {
            if n > 0 {
                f.write_char('\n')?;
            }
            self.block(task, f)?;
        }
        Ok(())
    }
}

fn header(task: &TaskInfo, f: &mut Formatter<'_>) -> fmt::Result {
    let first = if task.is_thread() { THREADS } else { 0 };
    let reason = task.wait.as_ref().map(|wait| wait.reason.as_str());
    let word = reason.unwrap_or(task.state.as_str());
    write!(f, "goroutine {} [{word}", first + task.id.number())?;
    if let minutes @ 1.. = task.waited() / MINUTE_NS {
        write!(f, ", {minutes} minutes")?;
    }
    if task.is_thread() {
        f.write_str(", locked to thread")?;
    }
    f.write_char(']')?;
    labels(task, f)?;
    f.write_str(":\n")
}

/// ` {key: value, k2: "another value"}`
fn labels(task: &TaskInfo, f: &mut Formatter<'_>) -> fmt::Result {
    let mut labels: Vec<_> = task.labels.iter().collect();
    labels.sort_unstable();
    for (n, (key, value)) in labels.iter().enumerate() {
        f.write_str(if n == 0 { " {" } else { ", " })?;
        quoted(key, f)?;
        f.write_str(": ")?;
        quoted(value, f)?;
    }
    match labels.is_empty() {
        true => Ok(()),
        false => f.write_char('}'),
    }
}

/// As it is if it is a plain word, else in quotes and with Go's escapes.
fn quoted(text: &str, f: &mut Formatter<'_>) -> fmt::Result {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '/' | '_');
    if !text.is_empty() && text.chars().all(plain) {
        return f.write_str(text);
    }
    f.write_char('"')?;
    for c in text.chars() {
        match c {
            '\'' => f.write_char(c)?,
            // Go has no braces there.
            _ if c.escape_debug().nth(1) == Some('u') => match u32::from(c) {
                n @ ..0x80 => write!(f, "\\x{n:02x}")?,
                n @ 0x80..0x1_0000 => write!(f, "\\u{n:04x}")?,
                n => write!(f, "\\U{n:08x}")?,
            },
            _ => write!(f, "{}", c.escape_debug())?,
        }
    }
    f.write_char('"')
}

/// Where it waits, or, if that is not known, where it was spawned.
fn frame(task: &TaskInfo, f: &mut Formatter<'_>) -> fmt::Result {
    let function = task.type_name.unwrap_or("gochan::thread");
    writeln!(f, "{function}()")?;
    let wait = task.wait.as_ref();
    match wait.and_then(|wait| wait.site).or(task.spawned) {
        Some(site) => writeln!(f, "\t{} +0x0", At(site)),
        None => writeln!(f, "\t??:0 +0x0"),
    }
}

#[cfg(test)]
mod tests;
