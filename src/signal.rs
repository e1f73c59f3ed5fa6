//! The process's signals as channels: Ctrl-C and its like.
//!
//! As Go's `os/signal`: [`notify`] gives a receiver that gets the signals from then on. A signal that comes while the one
//! before has not been received is dropped. While anybody has asked for a signal, it no longer does to the process what it
//! does by default, and it goes on not doing so when the receiver is dropped.
//!
//! ```no_run
//! use gochan::{Context, select};
//!
//! # async fn serve(_: Context) {}
//! gochan::run(async {
//!     let (ctx, cancel) = Context::background().with_cancel();
//!     let interrupt = gochan::signal::ctrl_c()?;
//!     let server = gochan::go(serve(ctx));
//!     let _ = interrupt.recv().await;
//!     eprintln!("stopping");
//!     cancel.cancel();
//!     server.await.unwrap();
//!     Ok::<(), std::io::Error>(())
//! })
//! # .unwrap();
//! ```
// What it is not: a handler. What runs in the handler is signal-hook's: it writes a byte into a socket, which a task of ours
// reads. The task ends, and takes the socket out of the handler, when the receivers are gone.

use std::fmt;
use std::io;
use std::os::unix::net::UnixStream as Raw;

use signal_hook::consts;
use signal_hook::low_level::{pipe, unregister};

use crate::chan::{Receiver, Sender, chan};
use crate::net::UnixStream;
use crate::task::Builder;

/// A signal by its number.
///
/// ```
/// use gochan::signal::Signal;
///
/// assert_eq!(Signal::TERM.to_string(), "SIGTERM");
/// assert_eq!(Signal::from_number(15), Signal::TERM);
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Signal(i32);

macro_rules! signals {
    ($($(#[$doc:meta])* $name:ident = $const:ident;)*) => {
        impl Signal {
            $($(#[$doc])* pub const $name: Signal = Signal(consts::$const);)*

            fn name(self) -> Option<&'static str> {
                match self { $(Signal::$name => Some(stringify!($const)),)* _ => None }
            }
        }
    };
}

signals! {
    /// Ctrl-C.
    INT = SIGINT;
    /// Please end.
    TERM = SIGTERM;
    /// The terminal is gone; for servers by custom: read your settings again.
    HUP = SIGHUP;
    /// Ctrl-\.
    QUIT = SIGQUIT;
    /// For the program to give a meaning.
    USR1 = SIGUSR1;
    /// For the program to give a meaning.
    USR2 = SIGUSR2;
    /// A child process has ended.
    CHLD = SIGCHLD;
    /// The terminal has another size.
    WINCH = SIGWINCH;
}

impl Signal {
    /// The signal with this number.
    pub const fn from_number(number: i32) -> Signal {
        Signal(number)
    }

    /// Its number.
    pub const fn number(self) -> i32 {
        self.0
    }
}

impl fmt::Display for Signal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => f.pad(name),
            None => write!(f, "signal {}", self.0),
        }
    }
}

impl fmt::Debug for Signal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Receives Ctrl-C (`SIGINT`) from now on. See [`notify`].
///
/// # Errors
///
/// As [`notify`].
#[track_caller]
pub fn ctrl_c() -> io::Result<Receiver<Signal>> {
    notify(&[Signal::INT])
}

/// Receives these signals from now on, as Go's `signal.Notify` with a channel of capacity 1.
///
/// A task of this thread's runtime brings them, and with that runtime they end.
///
/// # Errors
///
/// The system's, such as for want of descriptors; `InvalidInput` for a signal that cannot be caught.
///
/// # Examples
///
/// ```
/// use gochan::signal::{self, Signal};
///
/// gochan::run(async {
///     let signals = signal::notify(&[Signal::USR1, Signal::HUP])?;
///     // Somebody sends one to this process.
/// #   signal_hook::low_level::raise(Signal::USR1.number())?;
///     assert_eq!(signals.recv().await, Ok(Signal::USR1));
///     Ok::<(), std::io::Error>(())
/// })
/// .unwrap();
/// ```
#[track_caller]
pub fn notify(signals: &[Signal]) -> io::Result<Receiver<Signal>> {
    let (tx, rx) = chan(1);
    for signal in signals {
        if consts::FORBIDDEN.contains(&signal.0) {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        let (ours, theirs) = Raw::pair()?;
        let bell = UnixStream::from_std(ours)?;
        let handler = pipe::register(signal.0, theirs)?;
        let (signal, tx) = (*signal, tx.clone());
        drop(Builder::new().name("signal").go(async move {
            // Also when the task is dropped in mid-wait.
            let _registered = Registered(handler);
            forward(signal, &bell, &tx).await;
        }));
    }
    Ok(rx)
}

/// The handler knows a socket, until this is dropped.
struct Registered(signal_hook::SigId);

impl Drop for Registered {
    fn drop(&mut self) {
        unregister(self.0);
    }
}

/// Until nobody receives any more.
async fn forward(signal: Signal, bell: &UnixStream, tx: &Sender<Signal>) {
    let mut buf = [0; 64];
    loop {
        let rung = crate::select! {
            rung = bell.read(&mut buf) => rung,
            _ = tx.closed() => return,
        };
        if !matches!(rung, Ok(1..)) {
            return;
        }
        // A signal that was not fetched is as good as this one.
        let _ = tx.try_send(signal);
    }
}
