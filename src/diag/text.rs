//! The dump as text: a headline, what is known to stand in the way, the waits by place, then every task in the form of Go's
//! goroutine dumps, then what is waited for.
//!
//! ```text
//! gochan dump: 4 tasks (3 waiting, 0 runnable, 1 running), 0 threads in blocking waits; taken in 82µs
//! !! mutex#7 "jobs", made at src/main.rs:20 is held by task 7 "writer" for 3.2s, acquired at src/main.rs:60, which waits 3.1s ...
//!    1 waits for it: task 18 "digest" at src/main.rs:44
//!
//! waits by place:
//!   1 task [sync.Mutex.Lock], 3.1s, at src/main.rs:44, on mutex#7 "jobs", made at src/main.rs:20, spawned at src/main.rs:30, 3.4s ago
//!
//! task 18 "digest" [sync.Mutex.Lock, 3.1s]:
//!     on mutex#7 "jobs", made at src/main.rs:20
//!     held by task 7 "writer" for 3.2s, acquired at src/main.rs:60
//!     5 waiters, starving
//!     waits at src/main.rs:44
//!     in region "parse" for 3.3s, begun at src/main.rs:41
//!     labels tenant="eu"
//!     spawned at src/main.rs:30 by task 1 "main", pipeline::digest::{{closure}}
//!     last woken by task 4, 17 polls
//! ```
//!
//! Tasks that wait alike (same reason, object's place, await place) share one paragraph when they are more than [`FOLD`], and
//! those whose wait is marked as idle have none.

mod object;
mod task;

use std::collections::HashMap;
use std::fmt::{self, Display, Formatter};
use std::io;

use super::group::Alike;
use super::words::{At, Count, Time, Who, crowd};
use super::{Dump, Group, TaskInfo, TaskState, VerdictKind, Wait};

/// More than this many alike are folded.
const FOLD: usize = 8;
/// Verdicts that are told: the worst.
const VERDICTS: usize = 4;
/// Places that are told: those where most wait.
const PLACES: usize = 40;

impl Dump {
    /// Writes the text, which is that of its `Display`, piece by piece: however many tasks there are, it is never in memory
    /// as a whole.
    ///
    /// ```
    /// gochan::diag::dump().write_text(&mut std::io::stdout()).unwrap();
    /// ```
    ///
    /// # Errors
    /// Those of `out`.
    pub fn write_text<W: io::Write + ?Sized>(&self, out: &mut W) -> io::Result<()> {
        streamed(out, |out| write!(out, "{self}"))
    }
}

/// Lets `write` write in small pieces, and gives them to `out` in large ones.
pub(super) fn streamed<W: io::Write + ?Sized>(
    out: &mut W,
    write: impl FnOnce(&mut dyn io::Write) -> io::Result<()>,
) -> io::Result<()> {
    let mut buffered = io::BufWriter::with_capacity(1 << 16, out);
    write(&mut buffered)?;
    io::Write::flush(&mut buffered)
}

impl Display for Dump {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        headline(self, f)?;
        verdicts(self, f)?;
        places(&self.groups, f)?;
        tasks(&self.tasks, f)?;
        object::all(&self.objects, f)
    }
}

fn headline(dump: &Dump, f: &mut Formatter<'_>) -> fmt::Result {
    let count = |state| {
        let tasks = dump.tasks.iter().filter(|task| !task.is_thread());
        tasks.filter(|task| task.state == state).count()
    };
    let threads = dump.tasks.iter().filter(|task| task.is_thread()).count();
    writeln!(
        f,
        "gochan dump: {} ({} waiting, {} runnable, {} running), {} in blocking waits; taken in {}",
        Count(dump.tasks.len() - threads, "task"),
        count(TaskState::Waiting),
        count(TaskState::Runnable),
        count(TaskState::Running),
        Count(threads, "thread"),
        Time(u64::try_from(dump.took.as_nanos()).unwrap_or(u64::MAX)),
    )
}

fn verdicts(dump: &Dump, f: &mut Formatter<'_>) -> fmt::Result {
    for verdict in dump.verdicts.iter().take(VERDICTS) {
        let mark = match verdict.kind {
            VerdictKind::OldWait => "~ ",
            VerdictKind::SendersWait => "! ",
            _ => "!!",
        };
        for (n, line) in verdict.lines.iter().enumerate() {
            writeln!(f, "{} {line}", if n == 0 { mark } else { "  " })?;
        }
    }
    match dump.verdicts.len().saturating_sub(VERDICTS) {
        0 => Ok(()),
        more => writeln!(f, "   and {more} more of the kind"),
    }
}

fn places(groups: &[Group], f: &mut Formatter<'_>) -> fmt::Result {
    let (idle, busy): (Vec<_>, Vec<_>) = groups.iter().partition(|group| group.idle);
    if !groups.is_empty() {
        writeln!(f, "\nwaits by place:")?;
    }
    for group in busy.iter().take(PLACES) {
        writeln!(f, "  {group}")?;
    }
    if let Some(more @ 1..) = busy.len().checked_sub(PLACES) {
        writeln!(f, "  and {} more", Count(more, "place"))?;
    }
    if idle.is_empty() {
        return Ok(());
    }
    let all = idle.iter().map(|group| group.count).sum();
    let threads = idle.iter().map(|group| group.threads).sum();
    let places = Count(idle.len(), "place");
    writeln!(f, "  idle, as marked: {} in {places}", crowd(all, threads))
}

/// The line of the group, as among the waits by place.
impl Display for Group {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{} [{}]", crowd(self.count, self.threads), self.reason)?;
        match self.count {
            1 => write!(f, ", {}", Time(self.oldest_ns))?,
            _ => write!(
                f,
                ", oldest {}, median {}",
                Time(self.oldest_ns),
                Time(self.median_ns)
            )?,
        }
        if let Some(site) = self.site {
            write!(f, ", at {}", At(site))?;
        }
        self.on(f)?;
        match self.spawned {
            Some(spawned) => write!(f, ", spawned at {}, {} ago", At(spawned), Time(self.age_ns)),
            None => Ok(()),
        }
    }
}

impl Group {
    fn on(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match (&self.object, self.kind) {
            (Some(object), _) => write!(f, ", on {object}"),
            (None, Some(kind)) => match self.made {
                Some(made) => write!(f, ", on {} {kind}s made at {}", self.objects, At(made)),
                None => write!(f, ", on {} {kind}s", self.objects),
            },
            (None, None) => Ok(()),
        }
    }
}

fn tasks(all: &[TaskInfo], f: &mut Formatter<'_>) -> fmt::Result {
    let mut groups: HashMap<Alike, Vec<&TaskInfo>> = HashMap::new();
    for task in all {
        if let Some(wait) = foldable(task) {
            groups.entry(Alike::of(wait)).or_default().push(task);
        }
    }
    for task in all {
        // The group is told at its longest wait, which comes first.
        let group = foldable(task).and_then(|wait| groups.get(&Alike::of(wait)));
        match group {
            _ if task.wait.as_ref().is_some_and(|wait| wait.idle) => {}
            Some(group) if group.len() > FOLD => {
                if group[0].id == task.id {
                    task::folded(group, f)?;
                }
            }
            _ => write!(f, "\n{task}")?,
        }
    }
    Ok(())
}

/// The wait of a task that may be told together with others: not of one that waits for itself.
fn foldable(task: &TaskInfo) -> Option<&Wait> {
    task.wait.as_ref().filter(|wait| wait.again.is_none())
}

#[cfg(test)]
pub(super) mod testing;
#[cfg(test)]
mod tests;
