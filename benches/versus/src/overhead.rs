//! `cargo versus --overhead`: what each level of diagnosis costs, against a program in which nothing is recorded at all.
//!
//! 1. A level is a peer here, by the name `gochan+LEVEL`; the default level is `gochan`. Each measures in a process of its
//!    own, in the same sweep as the others.
//! 2. `gochan+off` is another program: this one, compiled with the private cfg `gochan_off`, in a target directory of its own.
//! 3. A process says which level it measures only if it really is at it: a program compiled with the wrong cfg refuses.

use crate::protocol::Listed;
use crate::results::{GOCHAN, Row, Standing};
use crate::sweep::Plan;
use std::error::Error;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::Command;

/// Case and workers.
const ROWS: [(&str, usize); 8] = [
    ("A01_pingpong_unbuf", 1),
    ("A01_pingpong_unbuf", 2),
    ("G01_pingpong_5us", 1),
    ("D01_spawn_join_one", 1),
    ("D01_spawn_join_batch10k", 2),
    ("E01_mutex_uncontended", 1),
    ("E02_mutex_8tasks_tiny", 2),
    ("E02_mutex_8tasks_yield", 2),
];

/// What the default level may cost more than none, as a factor.
const BARS: [(&str, f64); 3] = [
    ("A01_pingpong_unbuf", 1.10),
    ("G01_pingpong_5us", 1.03),
    ("D01_spawn_join", 1.10),
];
const ROUNDS: u32 = 16;

/// A level of diagnosis.
#[derive(Clone, Copy, PartialEq)]
pub enum Level {
    Off,
    Basic,
    Latency,
    Stats,
    Profiles,
    Recorder,
}

/// With the words for the table.
const LEVELS: [(Level, &str, &str); 6] = [
    (Level::Off, "off", "nothing is recorded"),
    (
        Level::Basic,
        "",
        "the default: who waits, for what, since when, where; who holds what",
    ),
    (
        Level::Latency,
        "latency",
        "and histograms of scheduling latency and polls",
    ),
    (
        Level::Stats,
        "stats",
        "the default and statistics of contention",
    ),
    (
        Level::Profiles,
        "profiles",
        "the default and the profiles block and mutex, as Go's tests take them",
    ),
    (
        Level::Recorder,
        "recorder",
        "the default and the flight recorder",
    ),
];

impl Level {
    /// The level that the peer's name asks for, if it is one of gochan.
    pub fn of(peer: &str) -> Option<Level> {
        let suffix = peer.strip_prefix(GOCHAN)?;
        let suffix = suffix.strip_prefix('+').unwrap_or(suffix);
        LEVELS
            .iter()
            .find(|level| level.1 == suffix)
            .map(|level| level.0)
    }

    /// Puts this process at the level, for as long as it lasts.
    pub fn begin(self) -> Result<(), String> {
        if (self == Level::Off) != cfg!(gochan_off) {
            return Err("compiled for another level".into());
        }
        match self {
            Level::Off | Level::Basic => {}
            Level::Latency => std::mem::forget(gochan::diag::latency::record()),
            Level::Stats => std::mem::forget(gochan::diag::stats::record()),
            Level::Profiles => {
                gochan::diag::set_block_profile_rate(10_000);
                gochan::diag::set_mutex_profile_fraction(10);
            }
            Level::Recorder => {
                let recorder = gochan::diag::trace::Recorder::start();
                std::mem::forget(recorder.map_err(|e| e.to_string())?);
            }
        }
        Ok(())
    }
}

/// The rows at all levels.
pub fn plan(this: &Path) -> Result<Plan, Box<dyn Error>> {
    let off = build_off(this)?;
    let mut plan = Plan::default();
    for (case, workers) in ROWS {
        for (level, name, _) in LEVELS {
            let program = if level == Level::Off { &off } else { this };
            let peer = if name.is_empty() {
                GOCHAN.to_owned()
            } else {
                format!("{GOCHAN}+{name}")
            };
            let listed = Listed {
                case: case.to_owned(),
                peer,
                workers,
                max_rounds: ROUNDS,
            };
            plan.add(program, listed);
        }
    }
    Ok(plan)
}

pub const fn rounds() -> u32 {
    ROUNDS
}

/// The program without recording, beside this one.
fn build_off(this: &Path) -> Result<PathBuf, Box<dyn Error>> {
    let target = this
        .ancestors()
        .nth(2)
        .ok_or("this program lies in no target directory")?
        .join("off");
    eprintln!(
        "building the program without recording in {}",
        target.display()
    );
    let manifest = concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml");
    let status = Command::new("cargo")
        .args([
            "build",
            "--release",
            "--manifest-path",
            manifest,
            "--target-dir",
        ])
        .arg(&target)
        .args(["--config", "build.rustflags=['--cfg','gochan_off']"])
        .status()?;
    if !status.success() {
        return Err(format!("cargo ended with {status}").into());
    }
    Ok(target.join("release/versus"))
}

/// The table in Markdown, and the lines of the bar.
pub fn write(out: &mut impl Write, rows: &[Row]) -> io::Result<()> {
    let rows: Vec<_> = rows.iter().filter(|row| row.unit == "ns").collect();
    write!(out, "| level |")?;
    for row in &rows {
        write!(out, " {} w{} |", row.case, row.workers)?;
    }
    writeln!(out)?;
    writeln!(out, "|---|{}", "---|".repeat(rows.len()))?;
    for (level, name, words) in LEVELS {
        let name = if name.is_empty() { "basic" } else { name };
        write!(out, "| **{name}**: {words} |")?;
        for row in &rows {
            match at(row, level) {
                Some(own) => write!(out, " {} |", cell(own.median, row, level))?,
                None => write!(out, " - |")?,
            }
        }
        writeln!(out)?;
    }
    writeln!(out)?;
    rows.iter().try_for_each(|row| bars(out, row))
}

/// Nanoseconds, and the factor to those of a program without recording.
fn cell(ns: f64, row: &Row, level: Level) -> String {
    match at(row, Level::Off) {
        Some(off) if level != Level::Off => format!("{ns:.1} ns, x{:.2}", ns / off.median),
        _ => format!("{ns:.1} ns"),
    }
}

fn at(row: &Row, level: Level) -> Option<&Standing> {
    row.standings
        .iter()
        .find(|standing| Level::of(&standing.peer) == Some(level))
}

fn bars(out: &mut impl Write, row: &Row) -> io::Result<()> {
    let bar = BARS.iter().find(|(case, _)| row.case.starts_with(case));
    if let (Some((_, bar)), Some(off), Some(basic)) =
        (bar, at(row, Level::Off), at(row, Level::Basic))
    {
        let factor = basic.median / off.median;
        let word = if factor <= *bar { "held  " } else { "MISSED" };
        writeln!(
            out,
            "{word} {} w{}: default x{factor:.3} of off, bar x{bar:.2}",
            row.case, row.workers
        )?;
    }
    Ok(())
}
