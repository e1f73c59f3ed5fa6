//! Stage 1: finds the files below a directory, in the byte order of their whole paths.
//!
//! A directory sorts as its name with a slash, so that the walk itself yields the order that sorting all paths would
//! give, and holds no more than the listings of the directories it is in. Symbolic links are not followed, so a loop of them
//! ends where it begins; what is neither file nor directory is passed over, as by `find -type f`.

use crate::collect::{Progress, Sum};
use gochan::{Sender, blocking};
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::{fs, io};

/// A file to be read, with its place in the output.
pub(crate) struct Job {
    pub(crate) index: u64,
    pub(crate) path: PathBuf,
}

/// A file or, if `is_dir`, a directory.
struct Entry {
    name: OsString,
    is_dir: bool,
}

/// What is left to do in a directory.
struct Level {
    dir: PathBuf,
    entries: std::vec::IntoIter<Entry>,
}

/// Sends every file below `root` to `jobs`, and every directory that cannot be listed to `sums` as an error.
pub(crate) async fn walk(
    root: PathBuf,
    jobs: Sender<Job>,
    sums: Sender<Sum>,
    progress: Arc<Progress>,
) {
    let mut index = 0;
    let mut levels = Vec::new();
    let mut next = Some(root);
    loop {
        if let Some(dir) = next.take() {
            let (entries, error) = blocking(|| list(&dir));
            if let Some(error) = error {
                let sum = Sum::failed(index, dir.clone(), error);
                index += 1;
                if sums.send(sum).await.is_err() {
                    return;
                }
            }
            let entries = entries.into_iter();
            levels.push(Level { dir, entries });
        }
        let Some(level) = levels.last_mut() else {
            return;
        };
        match level.entries.next() {
            None => drop(levels.pop()),
            Some(entry) if entry.is_dir => next = Some(level.dir.join(entry.name)),
            Some(entry) => {
                let path = level.dir.join(entry.name);
                progress.found();
                if jobs.send(Job { index, path }).await.is_err() {
                    return;
                }
                index += 1;
            }
        }
    }
}

/// The files and directories in `dir` in order, and why there are not more of them, if that is so.
fn list(dir: &Path) -> (Vec<Entry>, Option<io::Error>) {
    let mut entries = Vec::new();
    let error = fill(dir, &mut entries).err();
    entries.sort_unstable_by(|a, b| key(a).cmp(key(b)));
    (entries, error)
}

fn fill(dir: &Path, entries: &mut Vec<Entry>) -> io::Result<()> {
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        let kind = entry.file_type()?;
        if kind.is_file() || kind.is_dir() {
            entries.push(Entry {
                name: entry.file_name(),
                is_dir: kind.is_dir(),
            });
        }
    }
    Ok(())
}

fn key(entry: &Entry) -> impl Iterator<Item = &u8> {
    let slash: &[u8] = if entry.is_dir { b"/" } else { b"" };
    entry.name.as_encoded_bytes().iter().chain(slash)
}
