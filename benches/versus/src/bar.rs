//! The speed lines of the bar: what gochan promises, row by row, and whether this run held it.
//!
//! Level with the best peer where the field is measured most (unbuffered ping-pong, buffered one to one, uncontended
//! send and receive, spawn and join, yield), and in locks and contexts: uncontended and among 8 and 64, readers and
//! writers, groups of a thousand, semaphores, a child context, a cancel of ten thousand; in sockets, a hundred thousand
//! sleepers and a million timers; within 1.5 times of it in every
//! other row of channels (A, B), select (C) and scheduler (D); a task parked on a receive in 512 bytes; nobody waits
//! for 10 ms beside a hog.

use crate::report::number;
use crate::results::Row;
use std::fmt;

/// Rows that must be level, by how they begin.
const LEVEL_ROWS: [&str; 20] = [
    "A01_pingpong_unbuf",
    "A03_stream_1to1_buf",
    "A04_stream_1to1_buf",
    "A08_local",
    "A12_stream_1to1_buf",
    "D01_spawn_join",
    "D02_yield",
    "E01_mutex",
    "E02_mutex_8tasks",
    "E02_mutex_64tasks",
    "E03_rwmutex_90_10",
    "E04_waitgroup_1000",
    "E05_sem",
    "F02_sleepers100k:",
    "F03_ctx_child_cancel",
    "F04_cancel_fanout10k",
    "F06_timers1m:",
    "H01_echo",
    "H02_mem_idle_conn",
    "H03_http",
];
/// Rows that must come within a factor: every other one of these groups.
const WITHIN_GROUPS: [char; 4] = ['A', 'B', 'C', 'D'];
/// The bytes of parked tasks have a bar of their own.
const BYTES: &str = ":bytes_per_task";
const BYTES_ROW: &str = "D06_mem_recv_parked:bytes_per_task";
/// One who never rests and eight who want a lock.
const WAIT_ROW: &str = "E07_hog_8waiters:max_wait";

/// Two rows closer than this repeat in either order.
pub const LEVEL: f64 = 0.95;
pub const WITHIN: f64 = 1.5;
pub const PARKED_BYTES: f64 = 512.0;
/// Microseconds.
pub const LONGEST_WAIT: f64 = 10_000.0;

#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Promise {
    Level,
    Within,
    Bytes,
    Wait,
}

/// What a row is held to, if anything.
pub fn promise(case: &str) -> Option<Promise> {
    if LEVEL_ROWS.iter().any(|row| case.starts_with(row)) {
        Some(Promise::Level)
    } else if case == BYTES_ROW {
        Some(Promise::Bytes)
    } else if case == WAIT_ROW {
        Some(Promise::Wait)
    } else {
        (case.starts_with(WITHIN_GROUPS) && !case.ends_with(BYTES)).then_some(Promise::Within)
    }
}

/// One promise and how it went.
pub struct Line<'a> {
    pub promise: Promise,
    row: &'a Row,
}

/// The lines of all rows in which gochan takes part and has something to be measured by.
pub fn lines(rows: &[Row]) -> Vec<Line<'_>> {
    let all = rows.iter().filter_map(|row| {
        Some(Line {
            promise: promise(&row.case)?,
            row,
        })
    });
    all.filter(|line| line.verdict().is_some()).collect()
}

impl Line<'_> {
    pub fn held(&self) -> bool {
        self.verdict() == Some(true)
    }

    /// `None`: nothing to compare with.
    fn verdict(&self) -> Option<bool> {
        match self.promise {
            Promise::Level => self.row.ratio().map(|r| r >= LEVEL),
            Promise::Within => self.row.ratio().map(|r| r >= 1.0 / WITHIN),
            Promise::Bytes => self.row.gochan().map(|s| s.median <= PARKED_BYTES),
            Promise::Wait => self.row.gochan().map(|s| s.median < LONGEST_WAIT),
        }
    }
}

impl fmt::Display for Line<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Row {
            case,
            workers,
            unit,
            ..
        } = self.row;
        let verdict = if self.held() { "PASS" } else { "MISS" };
        let ratio = self
            .row
            .ratio()
            .map_or(String::new(), |r| format!("{r:.2}"));
        write!(f, "{verdict}  {case:<37} w{workers}  {ratio:>5}")?;
        for standing in self.row.gochan().into_iter().chain(self.row.best_peer()) {
            write!(f, "  {} {} {unit}", standing.peer, number(standing.median))?;
        }
        f.write_str(self.row.mark())?;
        match self.row.left_out.join(", ") {
            none if none.is_empty() => Ok(()),
            left_out => write!(f, " (not compared: {left_out})"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_promise_finds_its_rows() {
        assert_eq!(promise("A01_pingpong_unbuf"), Some(Promise::Level));
        assert_eq!(promise("A01_pingpong_buf1"), Some(Promise::Within));
        assert_eq!(promise("A04_stream_1to1_buf128"), Some(Promise::Level));
        assert_eq!(promise("D05_wake_idle:p50"), Some(Promise::Within));
        assert_eq!(
            promise("D06_mem_recv_parked:bytes_per_task"),
            Some(Promise::Bytes)
        );
        assert_eq!(promise("D06_mem_bare:bytes_per_task"), None);
        assert_eq!(promise("E01_mutex_uncontended"), Some(Promise::Level));
        assert_eq!(promise("E02_mutex_2tasks_tiny"), None);
        assert_eq!(promise("E05_sem_4of8_yield"), Some(Promise::Level));
        assert_eq!(promise("E07_hog_8waiters:max_wait"), Some(Promise::Wait));
        assert_eq!(promise("F01_timer_create_stop"), None);
        assert_eq!(promise("F06_timers1m:start"), Some(Promise::Level));
        assert_eq!(promise("H01_echo_64B_64conn"), Some(Promise::Level));
    }
}
