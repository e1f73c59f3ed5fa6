//! `cargo versus`: gochan measured against Go and the Rust peers, in one table. README.md says how to read it.
//!
//! One binary in two parts. As a measuring program it answers `list` and `run` (`protocol`, `registry`, `measure`,
//! `cases`, with the peers in `executor` and `channel`). As the runner it starts itself and the Go program once for
//! every row, peer and round (`sweep`, `golang`) and reports (`results`, `report`, `bar`).

#[macro_use]
mod roster;

mod bar;
mod cases;
mod channel;
mod executor;
mod golang;
mod measure;
mod overhead;
mod process;
mod protocol;
mod registry;
mod report;
mod results;
mod sweep;
mod thermo;

use clap::{Args, Parser, Subcommand};
use overhead::Level;
use protocol::Listed;
use regex::Regex;
use registry::Registry;
use report::Remarks;
use results::{GOCHAN, Results};
use std::collections::{BTreeMap, BTreeSet};
use std::error::Error;
use std::fs::File;
use std::io::{BufWriter, Write, stdout};
use std::path::PathBuf;
use std::process::{ExitCode, exit};
use std::time::Duration;
use sweep::{Plan, Settings};

#[cfg(feature = "mimalloc")]
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// What a measuring process ends with when a count or sum does not come out.
const MISCOUNTED: i32 = 101;

/// Measures gochan against Go and the Rust peers.
#[derive(Parser)]
#[command(name = "cargo versus", args_conflicts_with_subcommands = true)]
struct Arguments {
    #[command(subcommand)]
    command: Option<What>,
    #[command(flatten)]
    sweep: SweepArguments,
}

#[derive(Args)]
struct SweepArguments {
    /// Less than four minutes: fewer rounds, and only rows that gochan takes part in
    #[arg(long)]
    quick: bool,
    /// Only rows that match
    #[arg(long, value_name = "REGEX")]
    only: Option<Regex>,
    /// Only peers that match; gochan always takes part
    #[arg(long, value_name = "REGEX")]
    peers: Option<Regex>,
    /// How often each row is measured [default: 8, with --quick 3]
    #[arg(long, value_name = "N")]
    rounds: Option<u32>,
    /// What each level of diagnosis costs, instead of the comparison with others
    #[arg(long, conflicts_with_all = ["quick", "only", "peers"])]
    overhead: bool,
    /// Write every sample to this file as well
    #[arg(long, value_name = "FILE")]
    csv: Option<PathBuf>,
}

#[derive(Subcommand)]
enum What {
    /// List all rows of the Rust side: case,peer,workers,max_rounds
    List,
    /// Measure one row in this process: case,peer,workers,unit,samples
    Run {
        case: String,
        peer: String,
        workers: usize,
    },
    /// One-way nanoseconds of a cache line between the first two processors
    Thermo,
    /// Report once more what --csv has written, any number of files together
    Report { files: Vec<PathBuf> },
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let done = match arguments.command {
        Some(What::List) => list(),
        Some(What::Run {
            case,
            peer,
            workers,
        }) => run(&case, &peer, workers),
        Some(What::Thermo) => thermo(),
        Some(What::Report { files }) => report_files(&files),
        None if arguments.sweep.overhead => overhead_table(&arguments.sweep),
        None => sweep_and_report(&arguments.sweep),
    };
    done.unwrap_or_else(|e| {
        eprintln!("versus: {e}");
        ExitCode::from(2)
    })
}

fn rows() -> Registry {
    let mut rows = Registry::default();
    cases::register(&mut rows);
    rows
}

fn list() -> Result<ExitCode, Box<dyn Error>> {
    for entry in rows().list() {
        println!("{entry}");
    }
    Ok(ExitCode::SUCCESS)
}

fn thermo() -> Result<ExitCode, Box<dyn Error>> {
    match thermo::one_way_ns() {
        Some(ns) => println!("{ns:.1}"),
        None => println!("only one processor"),
    }
    Ok(ExitCode::SUCCESS)
}

fn run(case: &str, peer: &str, workers: usize) -> Result<ExitCode, Box<dyn Error>> {
    // A task's panic must end the run, whatever its executor makes of panics.
    let print = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        print(panic);
        exit(MISCOUNTED);
    }));
    crossfire::detect_backoff_cfg();
    // A level of diagnosis is a peer of its own.
    let level = Level::of(peer);
    level.map_or(Ok(()), Level::begin)?;
    let who = if level.is_some() { GOCHAN } else { peer };
    let readings = rows()
        .run(case, who, workers)
        .ok_or_else(|| format!("no case {case} for {peer}"))?;
    for mut reading in readings {
        peer.clone_into(&mut reading.peer);
        println!("{reading}");
    }
    stdout().flush()?;
    // What is still parked is not torn down.
    exit(0)
}

fn report_files(files: &[PathBuf]) -> Result<ExitCode, Box<dyn Error>> {
    let mut results = Results::default();
    for file in files {
        for line in std::fs::read_to_string(file)?.lines() {
            results.add(&line.parse()?);
        }
    }
    report::write(&mut stdout().lock(), &results.rows(), &Remarks::default())?;
    Ok(ExitCode::SUCCESS)
}

fn sweep_and_report(arguments: &SweepArguments) -> Result<ExitCode, Box<dyn Error>> {
    let mut remarks = Remarks::default();
    let plan = plan(arguments, &mut remarks)?;
    let csv = arguments.csv.as_ref().map(File::create).transpose()?;
    let csv = csv.map(|file| Box::new(BufWriter::new(file)) as Box<dyn Write>);
    let outcome = sweep::sweep(&plan, &settings(arguments), csv)?;
    remarks.failures = outcome.failures;
    report::write(&mut stdout().lock(), &outcome.results.rows(), &remarks)?;
    Ok(if remarks.failures.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn overhead_table(arguments: &SweepArguments) -> Result<ExitCode, Box<dyn Error>> {
    let plan = overhead::plan(&std::env::current_exe()?)?;
    let rounds = arguments.rounds.unwrap_or(overhead::rounds());
    let settings = Settings {
        rounds,
        budget: Duration::MAX,
        short: false,
        ..settings(arguments)
    };
    let outcome = sweep::sweep(&plan, &settings, None)?;
    overhead::write(&mut stdout().lock(), &outcome.results.rows())?;
    for failure in &outcome.failures {
        println!("failed: {failure}");
    }
    Ok(if outcome.failures.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// Both programs' entries as far as they are asked for; remarks on who is missing.
fn plan(arguments: &SweepArguments, remarks: &mut Remarks) -> Result<Plan, Box<dyn Error>> {
    let matches =
        |pattern: &Option<Regex>, text: &str| pattern.as_ref().is_none_or(|p| p.is_match(text));
    let wanted = |entry: &Listed| {
        !entry.case.starts_with('G')
            && matches(&arguments.only, &entry.case)
            && (entry.peer == GOCHAN || matches(&arguments.peers, &entry.peer))
    };
    let this = std::env::current_exe()?;
    let own: Vec<Listed> = rows().list().filter(wanted).collect();
    remarks.without_gochan = cases_without_gochan(&own);
    remarks.no_wrk = matches(&arguments.only, "H03_http_64conn") && !cases::http::has_wrk();

    let mut plan = Plan::default();
    own.into_iter().for_each(|entry| plan.add(&this, entry));
    if matches(&arguments.peers, "go") {
        match golang::build(this.parent().ok_or("this program lies in no directory")?) {
            Ok((program, go)) => go
                .into_iter()
                .filter(wanted)
                .for_each(|entry| plan.add(&program, entry)),
            Err(reason) => {
                eprintln!("no Go: {reason}");
                remarks.no_go = Some(reason);
            }
        }
    }
    if arguments.quick {
        plan.retain_gochans();
    }
    if plan.is_empty() {
        return Err("no row matches".into());
    }
    Ok(plan)
}

fn settings(arguments: &SweepArguments) -> Settings {
    let (rounds, sample_ms, minutes) = if arguments.quick {
        (3, 12, 3.6)
    } else {
        (8, 20, 14.0)
    };
    // Who asks for a number of rounds gets them.
    let budget = if arguments.rounds.is_some() {
        Duration::MAX
    } else {
        Duration::from_secs_f64(60.0 * minutes)
    };
    Settings {
        rounds: arguments.rounds.unwrap_or(rounds),
        sample_ms,
        samples: 3,
        budget,
        short: arguments.quick,
    }
}

/// By what gochan lacks for them. The physics rows have no peers, so nobody is missing there.
fn cases_without_gochan(entries: &[Listed]) -> BTreeMap<&'static str, Vec<String>> {
    let with: BTreeSet<&str> = entries
        .iter()
        .filter(|e| e.peer == GOCHAN)
        .map(|e| e.case.as_str())
        .collect();
    let all: BTreeSet<&str> = entries
        .iter()
        .map(|e| e.case.as_str())
        .filter(|c| !c.starts_with('P'))
        .collect();
    let mut without: BTreeMap<_, Vec<String>> = BTreeMap::new();
    for &case in all.difference(&with) {
        without
            .entry(cases::awaited(case))
            .or_default()
            .push(case.to_owned());
    }
    without
}
