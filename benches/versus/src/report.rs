//! The report on stdout: one table, the speed lines of the bar, the geometric mean.

use crate::bar::{self, LEVEL, LONGEST_WAIT, PARKED_BYTES, Promise, WITHIN};
use crate::results::{GOCHAN, Row, Standing, geometric_mean};
use crate::thermo::Place;
use std::collections::BTreeMap;
use std::io::{self, Write};

const GROUPS: [(char, &str); 8] = [
    ('A', "channels between tasks"),
    ('B', "channels between threads"),
    ('C', "select"),
    ('D', "scheduler and memory"),
    ('E', "sync"),
    ('F', "time and cancellation"),
    ('H', "sockets"),
    ('P', "the machine itself"),
];

const HEADINGS: [&str; 7] = ["row", "w", "unit", GOCHAN, "best peer", "ratio", "go"];

/// What a report needs besides the rows.
#[derive(Default)]
pub struct Remarks {
    /// Cases that gochan takes no part in, by what it lacks for them.
    pub without_gochan: BTreeMap<&'static str, Vec<String>>,
    /// Why there is no Go, if there is none.
    pub no_go: Option<String>,
    /// There is no `wrk`, but rows that need it were asked for.
    pub no_wrk: bool,
    /// Runs that failed, with the reason.
    pub failures: Vec<String>,
}

/// Writes it all; the geometric mean is the last line.
pub fn write(out: &mut impl Write, rows: &[Row], remarks: &Remarks) -> io::Result<()> {
    table(out, rows)?;
    notes(out, rows, remarks)?;
    speed_lines(out, rows)?;
    match geometric_mean(rows) {
        Some(mean) => writeln!(out, "geometric mean over all rows: {mean:.2}"),
        None => writeln!(out, "geometric mean over all rows: n/a"),
    }
}

/// Three significant digits, thousands as k and millions as M.
pub fn number(x: f64) -> String {
    let (x, suffix) = match x.abs() {
        a if a >= 999_500.0 => (x / 1e6, "M"),
        a if a >= 9_995.0 => (x / 1e3, "k"),
        _ => (x, ""),
    };
    let digits = match x.abs() {
        a if a >= 99.95 => 0,
        a if a >= 9.995 => 1,
        _ => 2,
    };
    format!("{x:.digits$}{suffix}")
}

impl Row {
    /// What the reader must know before comparing this row with another.
    pub fn mark(&self) -> &'static str {
        if self.place == Place::Far { " far" } else { "" }
    }
}

fn table(out: &mut impl Write, rows: &[Row]) -> io::Result<()> {
    let lines: Vec<[String; 7]> = rows.iter().map(cells).collect();
    let mut widths = HEADINGS.map(str::len);
    for line in &lines {
        for (width, cell) in widths.iter_mut().zip(line) {
            *width = (*width).max(cell.chars().count());
        }
    }
    write_line(
        out,
        &HEADINGS.map(str::to_owned),
        &widths,
        "the others, best first",
    )?;
    let mut group = None;
    for (row, line) in rows.iter().zip(&lines) {
        let letter = row.case.chars().next();
        if letter != group {
            group = letter;
            let title = GROUPS
                .iter()
                .find(|g| Some(g.0) == letter)
                .map_or("others", |g| g.1);
            writeln!(out, "-- {} {title}", letter.unwrap_or('?'))?;
        }
        write_line(out, line, &widths, &others(row))?;
    }
    writeln!(out)
}

fn write_line(
    out: &mut impl Write,
    cells: &[String; 7],
    widths: &[usize; 7],
    rest: &str,
) -> io::Result<()> {
    let mut line = String::new();
    for (i, (cell, &width)) in cells.iter().zip(widths).enumerate() {
        let numeric = (3..=6).contains(&i) && i != 4;
        line += &if numeric {
            format!("{cell:>width$}  ")
        } else {
            format!("{cell:<width$}  ")
        };
    }
    writeln!(out, "{}", (line + rest).trim_end())
}

fn cells(row: &Row) -> [String; 7] {
    let busy = |s: &Standing| match s.cores {
        Some(cores) if row.workers > 1 => format!("{} {cores:.1}c", number(s.median)),
        _ => number(s.median),
    };
    let best = row.best_peer().map(|s| format!("{} {}", s.peer, busy(s)));
    let go = row.standings.iter().find(|s| is_go(&s.peer)).map(busy);
    [
        row.case.clone(),
        format!("{}{}", row.workers, row.mark()),
        row.unit.clone(),
        row.gochan().map_or("-".into(), busy),
        best.unwrap_or("-".into()),
        row.ratio().map_or(String::new(), |r| format!("{r:.2}")),
        go.unwrap_or("-".into()),
    ]
}

/// All that no column of their own shows.
fn others(row: &Row) -> String {
    let best = row.best_peer().map(|s| s.peer.as_str());
    let shown = |peer: &str| peer == GOCHAN || Some(peer) == best || is_go(peer);
    let rest = row.standings.iter().filter(|s| !shown(&s.peer));
    let mut list: Vec<String> = rest
        .map(|s| format!("{} {}", s.peer, number(s.median)))
        .collect();
    if !row.left_out.is_empty() {
        list.push(format!(
            "(no {} sample: {})",
            row.place.name(),
            row.left_out.join(", ")
        ));
    }
    list.join("; ")
}

fn is_go(peer: &str) -> bool {
    peer == "go" || peer.starts_with("go-")
}

fn notes(out: &mut impl Write, rows: &[Row], remarks: &Remarks) -> io::Result<()> {
    writeln!(
        out,
        "Medians; ratio = best peer / gochan, above 1 gochan is ahead; 1.3c = cores kept busy, spinning included."
    )?;
    let far = rows.iter().filter(|row| row.place == Place::Far).count();
    if far > 0 {
        writeln!(
            out,
            "{far} rows have only far samples (the two processors were far apart): compare them with far rows only."
        )?;
    }
    for (awaited, cases) in &remarks.without_gochan {
        writeln!(
            out,
            "No gochan, which has no {awaited} yet, in: {}.",
            cases.join(", ")
        )?;
    }
    if let Some(reason) = &remarks.no_go {
        writeln!(out, "No Go in this table: {reason}.")?;
    }
    if remarks.no_wrk {
        writeln!(out, "No H03 in this table: no `wrk` found.")?;
    }
    for failure in &remarks.failures {
        writeln!(out, "FAILED  {failure}")?;
    }
    writeln!(out)
}

fn speed_lines(out: &mut impl Write, rows: &[Row]) -> io::Result<()> {
    let lines = bar::lines(rows);
    writeln!(
        out,
        "speed lines of the bar: {} of {} hold",
        lines.iter().filter(|l| l.held()).count(),
        lines.len()
    )?;
    let sections = [
        (
            Promise::Level,
            format!("level with the best peer (a ratio of {LEVEL} or more counts as level)"),
        ),
        (
            Promise::Within,
            format!(
                "within {WITHIN}x of the best peer (a ratio of {:.2} or more)",
                1.0 / WITHIN
            ),
        ),
        (
            Promise::Bytes,
            format!("a task parked on a receive in {PARKED_BYTES} bytes"),
        ),
        (
            Promise::Wait,
            format!("the longest wait for a lock beside a hog under {LONGEST_WAIT} us"),
        ),
    ];
    for (promise, title) in sections {
        let lines: Vec<_> = lines.iter().filter(|l| l.promise == promise).collect();
        if !lines.is_empty() {
            writeln!(out, "{title}:")?;
        }
        for line in lines {
            writeln!(out, "  {line}")?;
        }
    }
    writeln!(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::results::Results;

    #[test]
    fn numbers_keep_three_digits() {
        let texts = [
            0.5,
            9.994,
            47.84,
            182.4,
            1903.0,
            23_200.0,
            998_000.0,
            28_300_000.0,
        ]
        .map(number);
        assert_eq!(
            texts,
            [
                "0.50", "9.99", "47.8", "182", "1903", "23.2k", "998k", "28.3M"
            ]
        );
    }

    #[test]
    fn the_last_line_is_the_geometric_mean() {
        let mut results = Results::default();
        for line in [
            "0,near,A01_pingpong_unbuf,gochan,2,ns,100",
            "0,near,A01_pingpong_unbuf,kanal,2,ns,150",
        ] {
            results.add(&line.parse().unwrap());
        }
        let mut out = Vec::new();
        write(&mut out, &results.rows(), &Remarks::default()).unwrap();
        let text = String::from_utf8(out).unwrap();
        assert_eq!(
            text.lines().last(),
            Some("geometric mean over all rows: 1.50")
        );
        assert!(text.contains("  PASS  A01_pingpong_unbuf"));
    }
}
