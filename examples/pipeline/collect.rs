//! Stage 4: puts the digests back into the order of the walk and prints them as `sha256sum` does.
//!
//! What comes early waits in a map: a digest and its path, never contents. Lines are printed as soon as all before them are
//! there; the output is flushed whenever nothing more is at hand.

use gochan::{Receiver, blocking};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::collections::BTreeMap;
use std::io::{self, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// The digest and length of a file, or why there is none.
pub(crate) struct Sum {
    pub(crate) index: u64,
    pub(crate) path: PathBuf,
    pub(crate) outcome: io::Result<([u8; 32], u64)>,
}

impl Sum {
    pub(crate) fn failed(index: u64, path: PathBuf, error: io::Error) -> Sum {
        Sum {
            index,
            path,
            outcome: Err(error),
        }
    }
}

/// How far the program is: counters for everybody, and a bar where standard error is a terminal.
pub(crate) struct Progress {
    pub(crate) found: AtomicU64,
    pub(crate) printed: AtomicU64,
    pub(crate) bytes: AtomicU64,
    pub(crate) failed: AtomicU64,
    bar: ProgressBar,
}

impl Progress {
    pub(crate) fn new() -> Progress {
        let target = match io::stderr().is_terminal() {
            true => ProgressDrawTarget::stderr(),
            false => ProgressDrawTarget::hidden(),
        };
        let style = "{bar:40} {human_pos}/{human_len} files  {msg}  {elapsed}";
        let style = ProgressStyle::with_template(style).expect("a valid template");
        let bar = ProgressBar::with_draw_target(Some(0), target).with_style(style);
        let zero = || AtomicU64::new(0);
        Progress {
            found: zero(),
            printed: zero(),
            bytes: zero(),
            failed: zero(),
            bar,
        }
    }

    pub(crate) fn found(&self) {
        self.bar.set_length(self.found.fetch_add(1, Relaxed) + 1);
    }

    pub(crate) fn end(&self) {
        self.bar.finish_and_clear();
    }

    /// Runs `print` with the bar out of the way.
    fn aside<R>(&self, on_terminal: bool, print: impl FnOnce() -> R) -> R {
        if on_terminal {
            self.bar.suspend(print)
        } else {
            print()
        }
    }
}

/// Prints what comes from `sums`, in order, until the channel closes. The error is that of the output.
pub(crate) async fn collect(sums: Receiver<Sum>, progress: &Progress) -> io::Result<()> {
    let (mut next, mut early, mut lines) = (0, BTreeMap::new(), Lines::new(progress));
    while let Ok(sum) = sums.recv().await {
        early.insert(sum.index, sum);
        while let Some(sum) = early.remove(&next) {
            lines.add(sum)?;
            next += 1;
        }
        if sums.is_empty() {
            lines.flush()?;
        }
    }
    lines.flush()
}

/// Lines on their way to standard output.
struct Lines<'a> {
    text: Vec<u8>,
    count: u64,
    progress: &'a Progress,
    on_terminal: bool,
}

impl<'a> Lines<'a> {
    const ENOUGH: usize = 32 << 10;

    fn new(progress: &'a Progress) -> Lines<'a> {
        let on_terminal = io::stdout().is_terminal();
        Lines {
            text: Vec::new(),
            count: 0,
            progress,
            on_terminal,
        }
    }

    fn add(&mut self, sum: Sum) -> io::Result<()> {
        match sum.outcome {
            Ok((digest, len)) => {
                line(&mut self.text, &digest, &sum.path);
                self.count += 1;
                self.progress.bytes.fetch_add(len, Relaxed);
            }
            Err(error) => {
                self.progress.failed.fetch_add(1, Relaxed);
                self.progress.aside(true, || complain(&sum.path, &error));
            }
        }
        if self.text.len() >= Self::ENOUGH {
            self.flush()
        } else {
            Ok(())
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.text.is_empty() {
            return Ok(());
        }
        let mut out = io::stdout().lock();
        let text = &self.text;
        self.progress.aside(self.on_terminal, || {
            blocking(|| out.write_all(text).and_then(|()| out.flush()))
        })?;
        self.text.clear();
        let printed = self.progress.printed.fetch_add(self.count, Relaxed) + self.count;
        self.count = 0;
        let bytes = indicatif::HumanBytes(self.progress.bytes.load(Relaxed));
        self.progress.bar.set_message(bytes.to_string());
        self.progress.bar.set_position(printed);
        Ok(())
    }
}

/// One line of `sha256sum`: a name with a backslash, newline or carriage return is escaped, and a backslash before the digest
/// says so.
fn line(out: &mut Vec<u8>, digest: &[u8; 32], path: &Path) {
    let name = path.as_os_str().as_encoded_bytes();
    if name.iter().any(|b| matches!(b, b'\\' | b'\n' | b'\r')) {
        out.push(b'\\');
    }
    for byte in digest {
        out.extend(format!("{byte:02x}").bytes());
    }
    out.extend(b"  ");
    for &byte in name {
        match byte {
            b'\\' => out.extend(b"\\\\"),
            b'\n' => out.extend(b"\\n"),
            b'\r' => out.extend(b"\\r"),
            _ => out.push(byte),
        }
    }
    out.push(b'\n');
}

/// Names a path on standard error, byte for byte, with what is wrong with it.
pub(crate) fn complain(path: &Path, error: &dyn std::fmt::Display) {
    let mut text = b"pipeline: ".to_vec();
    text.extend(path.as_os_str().as_encoded_bytes());
    text.extend(format!(": {error}\n").bytes());
    // Where standard error is gone there is nobody to tell.
    let _ = io::stderr().write_all(&text);
}
