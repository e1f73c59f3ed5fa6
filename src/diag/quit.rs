//! The dump on a signal, as Go prints its goroutines on SIGQUIT.
//!
//! A thread of its own takes it and writes it, straight to the descriptor: neither a worker nor the lock of Rust's standard
//! error is needed, so that it comes even when every worker is stuck while it prints.

use std::fs::File;
use std::io;
use std::os::fd::AsFd;
use std::thread;

use ::parking_lot::Mutex;
use signal_hook::consts::SIGQUIT;
use signal_hook::iterator::Signals;

use super::dump;

static INSTALLED: Mutex<bool> = Mutex::new(false);

/// From now on SIGQUIT (Ctrl-\\ in a terminal, `kill -QUIT`) writes the dump to standard error, and the program goes on.
///
/// It comes from a thread of its own, which nothing in the program can hold up: also when all workers are stuck. In contrast to
/// Go's the program does not end. Calling it again changes nothing.
///
/// # Errors
///
/// The system's, for want of descriptors or threads.
///
/// # Examples
///
/// ```
/// # #[cfg(unix)]
/// gochan::diag::install_signal_dump()?;
/// # Ok::<(), std::io::Error>(())
/// ```
pub fn install_signal_dump() -> io::Result<()> {
    let mut installed = INSTALLED.lock();
    if !*installed {
        let out = File::from(io::stderr().as_fd().try_clone_to_owned()?);
        let signals = Signals::new([SIGQUIT])?;
        let writer = thread::Builder::new().name("gochan-dump".into());
        writer.spawn(move || write_at_each(signals, out))?;
        *installed = true;
    }
    Ok(())
}

fn write_at_each(mut signals: Signals, mut out: File) {
    for _ in signals.forever() {
        // There is nobody to tell if it cannot be written.
        let _ = dump().write_text(&mut out);
    }
}
