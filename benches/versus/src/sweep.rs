//! The runner: every (row, peer, workers) in a process of its own, in rounds.
//!
//! 1. A round goes row by row, the peers of a row one after the other, so that they meet the same weather; the peer
//!    that begins moves on by one each round.
//! 2. One run at a time, and the runner sleeps meanwhile: both processors belong to what is measured.
//! 3. The thermometer is read between runs; a run between two different readings counts for neither place.
//! 4. At the end, peers without a sample of the place that their row counts are run again.

use crate::protocol::{Listed, Reading};
use crate::results::{GOCHAN, Results, Sample};
use crate::thermo::Place;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, IsTerminal, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

/// A run that takes longer is ended and counts as failed.
const RUN_LIMIT: Duration = Duration::from_secs(60);
/// How often those without a sample that counts are tried again.
const MAKE_UPS: u32 = 2;
/// In a short sweep, a run longer than this by a peer this far behind the best is not repeated.
const LONG_RUN: Duration = Duration::from_millis(700);
const FAR_BEHIND: f64 = 3.0;

pub struct Settings {
    pub rounds: u32,
    pub sample_ms: u64,
    pub samples: u64,
    /// No round is begun that would likely end after this, and no run at all after it.
    pub budget: Duration,
    /// Measure peers that are slow and far behind only once.
    pub short: bool,
}

/// What to run: for each case and worker count, who takes part.
#[derive(Default)]
pub struct Plan {
    rows: BTreeMap<(String, Reverse<usize>), Vec<Run>>,
}

#[derive(Clone)]
struct Run {
    program: PathBuf,
    listed: Listed,
}

/// What came of it.
#[derive(Default)]
pub struct Outcome {
    pub results: Results,
    pub failures: Vec<String>,
}

impl Plan {
    pub fn add(&mut self, program: &Path, listed: Listed) {
        let row = self
            .rows
            .entry((listed.case.clone(), Reverse(listed.workers)))
            .or_default();
        row.push(Run {
            program: program.to_owned(),
            listed,
        });
    }

    /// Keeps only rows that gochan takes part in.
    pub fn retain_gochans(&mut self) {
        self.rows
            .retain(|_, row| row.iter().any(|run| run.listed.peer == GOCHAN));
    }

    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }
}

/// Runs the plan; `csv` gets every sample as it comes.
pub fn sweep(plan: &Plan, settings: &Settings, csv: Option<Box<dyn Write>>) -> io::Result<Outcome> {
    let mut sweep = Sweep {
        settings,
        csv,
        start: Instant::now(),
        place: Place::now(),
        runs: 0,
        given_up: BTreeSet::new(),
        outcome: Outcome::default(),
    };
    warn_if_busy();
    let mut longest = Duration::ZERO;
    for round in 0..settings.rounds {
        if sweep.start.elapsed() + longest > settings.budget {
            eprintln!(
                "{round} rounds fit into the time; {} were asked for",
                settings.rounds
            );
            break;
        }
        let began = Instant::now();
        sweep.round(plan, round)?;
        longest = longest.max(began.elapsed());
    }
    for again in 0..MAKE_UPS {
        sweep.make_up(plan, settings.rounds + again)?;
    }
    sweep.csv.as_mut().map(Write::flush).transpose()?;
    Ok(sweep.outcome)
}

struct Sweep<'a> {
    settings: &'a Settings,
    csv: Option<Box<dyn Write>>,
    start: Instant,
    /// The last reading of the thermometer.
    place: Place,
    runs: usize,
    /// Peers not measured again in a row: too slow and too far behind, or failed.
    given_up: BTreeSet<(String, usize, String)>,
    outcome: Outcome,
}

impl Sweep<'_> {
    fn round(&mut self, plan: &Plan, round: u32) -> io::Result<()> {
        for row in plan.rows.values() {
            let first = round as usize % row.len();
            for run in row[first..].iter().chain(&row[..first]) {
                if round < run.listed.max_rounds {
                    self.run(run, round)?;
                }
            }
        }
        self.say(
            &format!("round {} of {}", round + 1, self.settings.rounds),
            true,
        );
        Ok(())
    }

    /// Runs again whoever lacks samples of the place that the row will count.
    fn make_up(&mut self, plan: &Plan, round: u32) -> io::Result<()> {
        for row in plan.rows.values() {
            let counts = self.place_to_fill(row);
            for run in row {
                if !self.has(run, counts) && self.start.elapsed() < self.settings.budget {
                    self.run(run, round)?;
                }
            }
        }
        Ok(())
    }

    /// Near, if anyone of the row has been there or all could go now; else far.
    fn place_to_fill(&self, row: &[Run]) -> Place {
        if self.place == Place::Near || row.iter().any(|run| self.has(run, Place::Near)) {
            Place::Near
        } else {
            Place::Far
        }
    }

    fn has(&self, run: &Run, place: Place) -> bool {
        let Listed {
            case,
            workers,
            peer,
            ..
        } = &run.listed;
        self.outcome.results.has(case, *workers, peer, place)
    }

    fn run(&mut self, run: &Run, round: u32) -> io::Result<()> {
        let Listed {
            case,
            peer,
            workers,
            ..
        } = &run.listed;
        let id = (case.clone(), *workers, peer.clone());
        if self.given_up.contains(&id) {
            return Ok(());
        }
        self.say(
            &format!("round {}: {case} {peer} w{workers}", round + 1),
            false,
        );
        let began = Instant::now();
        let answer = measure(run, self.settings);
        let took = began.elapsed();
        let after = Place::now();
        let place = Place::during(self.place, after);
        self.place = after;
        self.runs += 1;
        match answer {
            Ok(readings) => {
                for reading in readings {
                    self.keep(Sample {
                        round,
                        place,
                        reading,
                    })?;
                }
                if self.settings.short && took > LONG_RUN && self.is_far_behind(&run.listed) {
                    self.given_up.insert(id);
                }
            }
            Err(reason) => {
                let failure = format!("{case} {peer} w{workers}: {reason}");
                self.say(&format!("FAILED {failure}"), true);
                self.outcome.failures.push(failure);
                self.given_up.insert(id);
            }
        }
        Ok(())
    }

    fn keep(&mut self, sample: Sample) -> io::Result<()> {
        if let Some(csv) = &mut self.csv {
            writeln!(csv, "{sample}")?;
        }
        self.outcome.results.add(&sample);
        Ok(())
    }

    fn is_far_behind(&self, run: &Listed) -> bool {
        let medians = self
            .outcome
            .results
            .rough_medians(&run.case, run.workers, &run.peer);
        run.peer != GOCHAN && medians.is_some_and(|(own, best)| own > FAR_BEHIND * best)
    }

    /// Progress, on stderr: a line that stays, or one that the next overwrites on a terminal.
    fn say(&self, what: &str, stays: bool) {
        let seconds = self.start.elapsed().as_secs();
        let failed = self.outcome.failures.len();
        let line = format!(
            "{seconds:>4} s  {} runs, {failed} failed, {}  {what}",
            self.runs,
            self.place.name()
        );
        if io::stderr().is_terminal() {
            eprint!("\r\x1b[K{line}{}", if stays { "\n" } else { "" });
        } else if stays {
            eprintln!("{line}");
        }
    }
}

/// One run in its own process.
fn measure(run: &Run, settings: &Settings) -> Result<Vec<Reading>, String> {
    let Listed {
        case,
        peer,
        workers,
        ..
    } = &run.listed;
    let mut child = Command::new(&run.program)
        .args(["run", case, peer, &workers.to_string()])
        .env("VERSUS_MS", settings.sample_ms.to_string())
        .env("VERSUS_SAMPLES", settings.samples.to_string())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .map_err(|e| format!("cannot start {}: {e}", run.program.display()))?;
    let text = output_of(&mut child)?;
    let status = child.wait().map_err(|e| e.to_string())?;
    if !status.success() {
        return Err(format!("ended with {status}"));
    }
    let readings: Result<Vec<Reading>, _> = text.lines().map(str::parse).collect();
    readings.map_err(|e| e.to_string()).and_then(|r| {
        if r.is_empty() {
            Err("said nothing".into())
        } else {
            Ok(r)
        }
    })
}

/// All that the child writes until it closes its output, which it does by ending.
fn output_of(child: &mut Child) -> Result<String, String> {
    let mut stdout = child.stdout.take().expect("piped above");
    let (tx, rx) = mpsc::channel();
    thread::spawn(move || {
        let mut text = String::new();
        let read = stdout.read_to_string(&mut text).map(|_| text);
        // Nobody listens any more when the child took too long.
        let _ = tx.send(read);
    });
    match rx.recv_timeout(RUN_LIMIT) {
        Ok(read) => read.map_err(|e| e.to_string()),
        Err(_) => {
            // Either fails only if the child has just ended by itself.
            let _ = child.kill();
            let _ = child.wait();
            Err(format!("no end after {} s", RUN_LIMIT.as_secs()))
        }
    }
}

fn warn_if_busy() {
    let text = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let load: f64 = text
        .split(' ')
        .next()
        .and_then(|l| l.parse().ok())
        .unwrap_or(0.0);
    if load > 0.5 {
        eprintln!(
            "this machine is not idle (load {load}): rows that need two processors will be off"
        );
    }
}
