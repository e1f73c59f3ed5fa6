//! The SHA-256 of every file below a directory, as `sha256sum` prints it, and a report of who waited for whom.
//!
//! ```console
//! cargo run --release --example pipeline -- DIR [--workers N] [--slow-digest MS] [--slow-read MS] [--timeout S]
//! ```
//!
//! ```text
//! walk --paths--> read --files--> digest --sums--> collect --> standard output
//! (1 task)        (N tasks)       (N tasks)        (1 task)
//! ```
//!
//! The channels are bounded, so a slow stage slows those before it down instead of filling the memory. The paths are those of
//! `find DIR -type f`, sorted by their bytes. Closing is the only signal between stages: it ends them one after the other,
//! whether the walk is over or the context of the whole job has ended: by Ctrl-C, or because its time is up.
//!
//! Exit codes: 0 all done; 1 something could not be read, or the output is gone; 2 no such directory, or wrong arguments; 124
//! stopped by `--timeout`; 130 stopped by Ctrl-C.

mod collect;
mod digest;
mod read;
mod report;
mod walk;

use clap::Parser;
use collect::{Progress, complain};
use gochan::task::Builder;
use gochan::{Context, ContextError, chan, select, timeout};
use indicatif::{HumanBytes, HumanCount};
use std::fs;
use std::io;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::process::{ExitCode, exit};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

/// Prints the SHA-256 of every file below DIR, as sha256sum does, in the order of their paths.
#[derive(Parser)]
#[command(name = "pipeline")]
struct Args {
    /// The directory
    dir: PathBuf,
    /// Worker threads, reading tasks and digesting tasks [default: one of each per core]
    #[arg(long, value_name = "N")]
    workers: Option<NonZeroUsize>,
    /// Makes the digest of each file slower
    #[arg(long, value_name = "MS", default_value_t = 0)]
    slow_digest: u64,
    /// Makes the reading of each file slower
    #[arg(long, value_name = "MS", default_value_t = 0)]
    slow_read: u64,
    /// Stops after so many seconds, as Ctrl-C does
    #[arg(long, value_name = "S", value_parser = seconds)]
    timeout: Option<Duration>,
}

fn seconds(text: &str) -> Result<Duration, String> {
    let seconds: f64 = text
        .parse()
        .map_err(|_| "not a number of seconds".to_owned())?;
    Duration::try_from_secs_f64(seconds).map_err(|error| error.to_string())
}

/// How long what is under way may take to end once the job is stopped.
const GRACE: Duration = Duration::from_millis(500);
const TIMED_OUT: i32 = 124;
const INTERRUPTED: i32 = 130;

fn main() -> ExitCode {
    let args = Args::parse();
    match fs::metadata(&args.dir) {
        Ok(found) if found.is_dir() => {}
        Ok(_) => return refuse(&args, &"Not a directory"),
        Err(error) => return refuse(&args, &error),
    }
    let workers = args
        .workers
        .map_or_else(gochan::max_procs, NonZeroUsize::get);
    let runtime = match gochan::Runtime::builder().workers(workers).build() {
        Ok(runtime) => runtime,
        Err(error) => return refuse(&args, &error),
    };
    let (job, cancel) = Context::background().with_cancel_cause();
    let (job, _) = job.with_timeout_cause(args.timeout.unwrap_or(Duration::MAX), "--timeout");
    if let Err(error) = ctrlc::set_handler(move || cancel.cancel("Ctrl-C")) {
        eprintln!("pipeline: Ctrl-C will end it at once: {error}");
    }

    let (recorder, subscription) = report::Recorder::subscribe();
    let progress = Arc::new(Progress::new());
    let start = Instant::now();
    let end = runtime.block_on(pipeline(&args, workers, Arc::clone(&progress), job.clone()));
    let took = start.elapsed();
    drop(subscription);

    let count = |n: &std::sync::atomic::AtomicU64| HumanCount(n.load(Relaxed));
    let bytes = HumanBytes(progress.bytes.load(Relaxed));
    let (found, printed) = (count(&progress.found), count(&progress.printed));
    if let (End::Stopped(_), Some(by)) = (&end, job.cause()) {
        eprintln!(
            "pipeline: stopped by {by}: {printed} of the {found} files found so far are printed, {bytes}"
        );
    }
    eprintln!(
        "wait report: {printed} files, {bytes} in {:.3} s on {workers} workers",
        took.as_secs_f64()
    );
    eprint!("{}", recorder.report());
    match end {
        // Not through the runtime's drop: a read that hangs must not hold the exit up.
        End::Stopped(ContextError::Canceled) => exit(INTERRUPTED),
        End::Stopped(ContextError::DeadlineExceeded) => exit(TIMED_OUT),
        End::Complete(Err(error)) => {
            complain("standard output".as_ref(), &error);
            ExitCode::FAILURE
        }
        End::Complete(Ok(())) if progress.failed.load(Relaxed) > 0 => ExitCode::FAILURE,
        End::Complete(Ok(())) => ExitCode::SUCCESS,
    }
}

fn refuse(args: &Args, error: &dyn std::fmt::Display) -> ExitCode {
    complain(&args.dir, error);
    ExitCode::from(2)
}

enum End {
    Complete(io::Result<()>),
    Stopped(ContextError),
}

/// Sets the stages up and waits for the last one, or for the end of `job`.
async fn pipeline(args: &Args, width: usize, progress: Arc<Progress>, job: Context) -> End {
    let (paths_in, paths) = chan(64);
    let (files_in, files) = chan(2 * width);
    let (sums_in, sums) = chan(64);
    let (paths, files, sums) = (
        paths.named("paths"),
        files.named("files"),
        sums.named("sums"),
    );
    let (slow_read, slow_digest) = (
        Duration::from_millis(args.slow_read),
        Duration::from_millis(args.slow_digest),
    );

    let walk = walk::walk(
        args.dir.clone(),
        paths_in,
        sums_in.clone(),
        Arc::clone(&progress),
    );
    let mut stages = vec![Builder::new().name("walk").go(walk)];
    for _ in 0..width {
        let read = read::read(paths.clone(), files_in.clone(), sums_in.clone(), slow_read);
        stages.push(Builder::new().name("read").go(read));
    }
    for _ in 0..width {
        let digest = digest::digest(files.clone(), sums_in.clone(), slow_digest);
        stages.push(Builder::new().name("digest").go(digest));
    }
    // Only the stages hold the channels now, so that each one ends when those before it have.
    let (paths_left, sums_left) = (paths.downgrade(), sums.downgrade());
    drop((paths, files_in, files, sums_in));
    let bar = Arc::clone(&progress);
    let mut collect = Builder::new()
        .name("collect")
        .go(async move { collect::collect(sums, &bar).await });

    let collected = select! {
        collected = &mut collect => collected,
        error = job.done() => {
            let _ = paths_left.upgrade().map(|paths| paths.close());
            let _ = sums_left.upgrade().map(|sums| sums.close());
            // What is complete is still printed, unless the output hangs.
            if timeout(GRACE, collect).await.is_ok() {
                progress.end();
            }
            return End::Stopped(error);
        }
    };
    progress.end();
    for stage in stages {
        stage.await.expect("a stage that panicked has said so");
    }
    End::Complete(collected.expect("collect does not panic"))
}
