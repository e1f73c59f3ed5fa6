//! Stage 2: reads files in chunks. Opening and reading block, so they run in `gochan::blocking`, which gives the worker's place
//! to somebody else meanwhile.
//!
//! A file of at most one chunk goes to the digest as a whole; a longer one as a channel of further chunks. What is in memory at
//! any time is thus bounded by the capacities of the channels, whatever the tree.

use crate::collect::Sum;
use crate::walk::Job;
use gochan::{Receiver, Sender, blocking, chan};
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

const CHUNK: usize = 256 << 10;
/// Chunks of one long file that may wait for its digest.
const AHEAD: usize = 2;

/// A file to be digested: its first chunk and, for a long one, where the others come from.
pub(crate) struct Contents {
    pub(crate) index: u64,
    pub(crate) path: PathBuf,
    pub(crate) first: Vec<u8>,
    pub(crate) rest: Option<Receiver<io::Result<Vec<u8>>>>,
}

/// Reads the files of `jobs` for `files`; what cannot be opened goes to `sums` as an error. `slow` is added to each file.
pub(crate) async fn read(
    jobs: Receiver<Job>,
    files: Sender<Contents>,
    sums: Sender<Sum>,
    slow: Duration,
) {
    while let Ok(Job { index, path }) = jobs.recv().await {
        let opened = blocking(|| {
            // sleep: plays a slow disk.
            thread::sleep(slow);
            open(&path)
        });
        let sent = match opened {
            Err(error) => sums.send(Sum::failed(index, path, error)).await.is_ok(),
            Ok((first, None)) => files
                .send(Contents {
                    index,
                    path,
                    first,
                    rest: None,
                })
                .await
                .is_ok(),
            Ok((first, Some(file))) => {
                let (chunks, rest) = chan(AHEAD);
                let rest = Some(rest.named("chunks"));
                files
                    .send(Contents {
                        index,
                        path,
                        first,
                        rest,
                    })
                    .await
                    .is_ok()
                    && stream(file, chunks).await
            }
        };
        if !sent {
            return;
        }
    }
}

/// Sends the rest of `file`, up to its end or the first error. False when nobody listens any more.
async fn stream(mut file: File, chunks: Sender<io::Result<Vec<u8>>>) -> bool {
    loop {
        let chunk = blocking(|| chunk(&mut file, CHUNK));
        let last = chunk.as_ref().map_or(true, |c| c.len() < CHUNK);
        if chunks.send(chunk).await.is_err() {
            return false;
        }
        if last {
            return true;
        }
    }
}

/// The first chunk of a file, and the file if there may be more of it.
fn open(path: &Path) -> io::Result<(Vec<u8>, Option<File>)> {
    let mut file = File::open(path)?;
    let first = chunk(&mut file, CHUNK)?;
    let more = first.len() == CHUNK;
    Ok((first, more.then_some(file)))
}

/// The next `size` bytes of `file`; fewer only at its end.
fn chunk(file: &mut File, size: usize) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    file.take(size as u64).read_to_end(&mut bytes)?;
    Ok(bytes)
}
