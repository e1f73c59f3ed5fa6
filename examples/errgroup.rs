//! Reads and hashes files, several at a time; the first error ends the whole job.
//!
//! ```console
//! cargo run --release --example errgroup -- --limit 8 src/*.rs
//! ```
//!
//! Go's example of `golang.org/x/sync/errgroup`: a group of tasks with a limit, under a context that the first error
//! cancels, so that what has not begun does not begin. Prints `digest  path` in the order of the arguments, and nothing
//! if anything went wrong.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::{Arc, Mutex};

use clap::Parser;
use gochan::Context;
use gochan::sync::ErrGroup;
use sha2::{Digest, Sha256};

/// Prints the SHA-256 of files; if one cannot be read, says which, and nothing else.
#[derive(Parser)]
struct Args {
    /// Files read at the same time.
    #[arg(long, default_value_t = 4)]
    limit: usize,
    /// What to read.
    #[arg(required = true)]
    files: Vec<PathBuf>,
}

type Error = Box<dyn std::error::Error + Send + Sync>;

fn main() -> ExitCode {
    let args = Args::parse();
    match gochan::run(digests(args.files, args.limit.max(1))) {
        Ok(lines) => {
            lines.iter().for_each(|line| println!("{line}"));
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("errgroup: {error}");
            ExitCode::FAILURE
        }
    }
}

pub(crate) async fn digests(files: Vec<PathBuf>, limit: usize) -> Result<Vec<String>, Error> {
    let (group, ctx) = ErrGroup::<Error>::with_context(&Context::background());
    group.set_limit(limit);
    let lines = Arc::new(Mutex::new(vec![String::new(); files.len()]));
    for (n, file) in files.into_iter().enumerate() {
        if ctx.is_done() {
            // What is left cannot mend it.
            break;
        }
        let (ctx, lines) = (ctx.clone(), lines.clone());
        let part = async move {
            let digest = gochan::blocking(|| digest(&file, &ctx))?;
            lines.lock().unwrap()[n] = format!("{digest}  {}", file.display());
            Ok(())
        };
        // Waits for one of the others, if there are `limit`.
        group.go(part).await;
    }
    group.wait().await?;
    Ok(std::mem::take(&mut *lines.lock().unwrap()))
}

/// The digest of a file, unless the job is called off on the way.
fn digest(path: &Path, ctx: &Context) -> Result<String, Error> {
    let named = |error: std::io::Error| format!("{}: {error}", path.display());
    let mut file = std::fs::File::open(path).map_err(named)?;
    let (mut hasher, mut block) = (Sha256::new(), vec![0; 64 << 10]);
    loop {
        if let Some(error) = ctx.err() {
            return Err(error.into());
        }
        match file.read(&mut block).map_err(named)? {
            0 => break,
            n => hasher.update(&block[..n]),
        }
    }
    let digest = hasher.finalize();
    Ok(digest.iter().map(|byte| format!("{byte:02x}")).collect())
}
