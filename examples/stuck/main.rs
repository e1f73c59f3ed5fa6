//! Five classic programs that stand still, and what the dump says of them.
//!
//! ```console
//! cargo run --example stuck lock-across-await
//! cargo run --example stuck slow-consumer --format dot | dot -Tsvg > waits.svg
//! ```
//!
//! The first lines of each dump name the line to blame. Nothing in the programs helps with that: what is waited for, by whom,
//! since when and where is recorded at every wait.

mod programs;

use clap::{Parser, ValueEnum};
use std::io;

/// Runs a program that stands still, and prints the dump of it.
#[derive(Parser)]
struct Args {
    /// Which one.
    #[arg(value_enum)]
    program: programs::Program,
    /// In which form.
    #[arg(long, value_enum, default_value = "text")]
    format: Format,
}

#[derive(Clone, Copy, ValueEnum)]
enum Format {
    /// For people.
    Text,
    /// For programs, by `schema/dump-1.schema.json`.
    Json,
    /// As Go's goroutine dumps.
    Go,
    /// The waits-for graph, for Graphviz.
    Dot,
}

fn main() -> io::Result<()> {
    let args = Args::parse();
    let dump = gochan::run(programs::dump_of(args.program));
    let mut out = io::stdout().lock();
    match args.format {
        Format::Text => dump.write_text(&mut out),
        Format::Json => dump.write_json(&mut out),
        Format::Go => dump.write_go_text(&mut out),
        Format::Dot => dump.write_dot(&mut out),
    }
}
