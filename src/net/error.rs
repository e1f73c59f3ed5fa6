//! The errors that are ours: a deadline that has passed, a socket that is closed.
//!
//! What it is not: the system's errors, which come out as they are.

use std::{error, fmt, io};

use crate::rt::Stop;

/// What is inside of our own [`io::Error`]s, with Go's words (`internal/poll/fd.go`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Own(&'static str);

impl fmt::Display for Own {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl error::Error for Own {}

/// Why there is no use in waiting.
#[cold]
pub(super) fn of(stop: Stop) -> io::Error {
    match stop {
        Stop::Expired => io::Error::new(io::ErrorKind::TimedOut, Own("i/o timeout")),
        Stop::Closed | Stop::Astray => closed(),
    }
}

/// The owner has closed it.
#[cold]
pub(super) fn closed() -> io::Error {
    let text = "use of closed network connection";
    io::Error::new(io::ErrorKind::NotConnected, Own(text))
}
