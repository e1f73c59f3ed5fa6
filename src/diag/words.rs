//! The small words of all texts: who, where, how many, how long. Everything is named as `kind#number "name"` and
//! `file:line`, so that one search finds it in all outputs.

use std::fmt::{self, Display, Formatter};
use std::panic::Location;

use crate::hook::{Kind, ObjId};

/// `task 18 "digest"`, `chan#7 "jobs"`.
pub(super) struct Who<'a>(pub(super) ObjId, pub(super) Option<&'a str>);

impl Display for Who<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Who(id, name) = self;
        match id.kind() {
            kind @ (Kind::Task | Kind::Thread) => write!(f, "{kind} {}", id.number())?,
            _ => write!(f, "{id}")?,
        }
        match name {
            Some(name) => write!(f, " {name:?}"),
            None => Ok(()),
        }
    }
}

/// `src/main.rs:20`
pub(super) struct At(pub(super) &'static Location<'static>);

impl Display for At {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.0.file(), self.0.line())
    }
}

/// `3 tasks`
pub(super) struct Count(pub(super) usize, pub(super) &'static str);

impl Display for Count {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let s = if self.0 == 1 { "" } else { "s" };
        write!(f, "{} {}{s}", self.0, self.1)
    }
}

/// Nanoseconds in two or three figures: `812ns`, `3.4µs`, `12ms`, `5.2s`, `3m20s`, `2h05m`, `3d04h`.
pub(super) struct Time(pub(super) u64);

impl Display for Time {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        const SECOND: u64 = 1_000_000_000;
        const MINUTE: u64 = 60 * SECOND;
        const HOUR: u64 = 60 * MINUTE;
        const DAY: u64 = 24 * HOUR;
        let ns = self.0;
        let decimal = |f: &mut Formatter<'_>, unit: u64, name| {
            // Cut, not rounded: a wait of 59.99s is not one of 60.0s.
            let tenths = ns / (unit / 10);
            match tenths {
                ..100 => write!(f, "{}.{}{name}", tenths / 10, tenths % 10),
                _ => write!(f, "{}{name}", tenths / 10),
            }
        };
        match ns {
            ..1_000 => write!(f, "{ns}ns"),
            1_000..1_000_000 => decimal(f, 1_000, "µs"),
            1_000_000..SECOND => decimal(f, 1_000_000, "ms"),
            SECOND..MINUTE => decimal(f, SECOND, "s"),
            MINUTE..HOUR => write!(f, "{}m{:02}s", ns / MINUTE, ns % MINUTE / SECOND),
            HOUR..DAY => write!(f, "{}h{:02}m", ns / HOUR, ns % HOUR / MINUTE),
            _ => write!(f, "{}d{:02}h", ns / DAY, ns % DAY / HOUR),
        }
    }
}

/// How many tasks, blocked threads, or both.
pub(super) fn crowd(all: usize, threads: usize) -> Count {
    let what = match threads {
        0 => "task",
        n if n == all => "blocked thread",
        _ => "task or blocked thread",
    };
    Count(all, what)
}
