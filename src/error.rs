//! Every public error of the crate on one page.
//!
//! An error of an operation that takes a value gives the value back. `Debug` never needs `T: Debug`.

use std::error::Error;
use std::fmt;

/// The channel is closed; the value comes back.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct SendError<T>(pub T);

/// Why [`Sender::try_send`](crate::Sender::try_send) did not send; the value comes back.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum TrySendError<T> {
    /// No room, and no receiver waits.
    Full(T),
    /// The channel is closed.
    Closed(T),
}

/// Why a send with a deadline did not send; the value comes back.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum SendTimeoutError<T> {
    /// The deadline passed first.
    Timeout(T),
    /// The channel is closed.
    Closed(T),
}

/// The channel is closed and empty.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecvError;

/// Why [`Receiver::try_recv`](crate::Receiver::try_recv) has nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TryRecvError {
    /// Nothing there now.
    Empty,
    /// The channel is closed and empty.
    Closed,
}

/// Why a receive with a deadline has nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecvTimeoutError {
    /// The deadline passed first.
    Timeout,
    /// The channel is closed and empty.
    Closed,
}

/// Why [`Semaphore::acquire`](crate::sync::Semaphore::acquire) has no permits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(usize)] // a word, as what stands in its place in a result: a byte there would have the rest copied askew
pub enum AcquireError {
    /// The semaphore is closed.
    Closed,
    /// It has fewer permits in all.
    TooMany,
}

/// Why [`Semaphore::try_acquire`](crate::sync::Semaphore::try_acquire) has no permits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TryAcquireError {
    /// The semaphore is closed.
    Closed,
    /// Too few are there now, or others wait for them.
    NoPermits,
}

impl fmt::Display for AcquireError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            AcquireError::Closed => "the semaphore is closed",
            AcquireError::TooMany => "the semaphore has fewer permits than were asked for",
        })
    }
}

impl fmt::Display for TryAcquireError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            TryAcquireError::Closed => "the semaphore is closed",
            TryAcquireError::NoPermits => "no permits are there",
        })
    }
}

impl Error for AcquireError {}
impl Error for TryAcquireError {}

/// The time limit of a [`timeout`](crate::timeout) has passed.
#[cfg(feature = "rt")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Elapsed(pub(crate) ());

#[cfg(feature = "rt")]
impl fmt::Display for Elapsed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the time limit has passed")
    }
}

#[cfg(feature = "rt")]
impl Error for Elapsed {}

#[cfg(feature = "rt")]
impl From<Elapsed> for std::io::Error {
    fn from(elapsed: Elapsed) -> Self {
        std::io::Error::new(std::io::ErrorKind::TimedOut, elapsed)
    }
}

/// Why a [`Context`](crate::Context) has ended.
///
/// ```
/// use gochan::ContextError;
///
/// assert_eq!(ContextError::Canceled.to_string(), "context canceled");
/// assert_eq!(ContextError::DeadlineExceeded.to_string(), "context deadline exceeded");
/// ```
#[cfg(feature = "rt")]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ContextError {
    /// It was cancelled, or one above it was.
    Canceled,
    /// Its deadline has passed, or that of one above it.
    DeadlineExceeded,
}

/// Why a [`Context`](crate::Context) was cancelled: any error, shared.
#[cfg(feature = "rt")]
pub type Cause = std::sync::Arc<dyn Error + Send + Sync>;

#[cfg(feature = "rt")]
impl ContextError {
    /// Whether this is `Canceled`.
    pub fn is_canceled(&self) -> bool {
        *self == ContextError::Canceled
    }

    /// Whether this is `DeadlineExceeded`.
    pub fn is_deadline_exceeded(&self) -> bool {
        *self == ContextError::DeadlineExceeded
    }
}

#[cfg(feature = "rt")]
impl fmt::Display for ContextError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            ContextError::Canceled => "context canceled",
            ContextError::DeadlineExceeded => "context deadline exceeded",
        })
    }
}

#[cfg(feature = "rt")]
impl Error for ContextError {}

#[cfg(feature = "rt")]
impl From<ContextError> for std::io::Error {
    fn from(error: ContextError) -> Self {
        let kind = match error {
            // Not `Interrupted`: callers try those again.
            ContextError::Canceled => std::io::ErrorKind::Other,
            ContextError::DeadlineExceeded => std::io::ErrorKind::TimedOut,
        };
        std::io::Error::new(kind, error)
    }
}

/// Why a send under a [`Context`](crate::Context) did not send; the value comes back.
#[cfg(feature = "rt")]
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum SendContextError<T> {
    /// The context was cancelled.
    Canceled(T),
    /// The context's deadline has passed.
    DeadlineExceeded(T),
    /// The channel is closed.
    Closed(T),
}

/// Why a receive under a [`Context`](crate::Context) has nothing.
#[cfg(feature = "rt")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecvContextError {
    /// The context was cancelled.
    Canceled,
    /// The context's deadline has passed.
    DeadlineExceeded,
    /// The channel is closed and empty.
    Closed,
}

#[cfg(feature = "rt")]
impl<T> SendContextError<T> {
    pub(crate) fn ended(value: T, error: ContextError) -> Self {
        match error {
            ContextError::Canceled => SendContextError::Canceled(value),
            ContextError::DeadlineExceeded => SendContextError::DeadlineExceeded(value),
        }
    }

    /// The value that was not sent.
    pub fn into_inner(self) -> T {
        match self {
            SendContextError::Canceled(value)
            | SendContextError::DeadlineExceeded(value)
            | SendContextError::Closed(value) => value,
        }
    }

    /// How the context has ended, if that is why.
    pub fn context(&self) -> Option<ContextError> {
        match self {
            SendContextError::Canceled(_) => Some(ContextError::Canceled),
            SendContextError::DeadlineExceeded(_) => Some(ContextError::DeadlineExceeded),
            SendContextError::Closed(_) => None,
        }
    }

    /// Whether the channel is closed.
    pub fn is_closed(&self) -> bool {
        self.context().is_none()
    }
}

#[cfg(feature = "rt")]
impl RecvContextError {
    /// How the context has ended, if that is why.
    pub fn context(&self) -> Option<ContextError> {
        match self {
            RecvContextError::Canceled => Some(ContextError::Canceled),
            RecvContextError::DeadlineExceeded => Some(ContextError::DeadlineExceeded),
            RecvContextError::Closed => None,
        }
    }

    /// Whether the channel is closed and empty.
    pub fn is_closed(&self) -> bool {
        self.context().is_none()
    }
}

#[cfg(feature = "rt")]
impl From<ContextError> for RecvContextError {
    fn from(error: ContextError) -> Self {
        match error {
            ContextError::Canceled => RecvContextError::Canceled,
            ContextError::DeadlineExceeded => RecvContextError::DeadlineExceeded,
        }
    }
}

#[cfg(feature = "rt")]
impl From<RecvError> for RecvContextError {
    fn from(RecvError: RecvError) -> Self {
        RecvContextError::Closed
    }
}

#[cfg(feature = "rt")]
impl<T> From<SendError<T>> for SendContextError<T> {
    fn from(error: SendError<T>) -> Self {
        SendContextError::Closed(error.0)
    }
}

#[cfg(feature = "rt")]
impl<T> fmt::Debug for SendContextError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.context() {
            Some(error) => write!(f, "{error:?}(..)"),
            None => f.write_str("Closed(..)"),
        }
    }
}

#[cfg(feature = "rt")]
impl<T> fmt::Display for SendContextError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.context() {
            Some(error) => error.fmt(f),
            None => f.write_str(CLOSED_SEND),
        }
    }
}

#[cfg(feature = "rt")]
impl fmt::Display for RecvContextError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.context() {
            Some(error) => error.fmt(f),
            None => f.write_str(CLOSED_RECV),
        }
    }
}

#[cfg(feature = "rt")]
impl<T> Error for SendContextError<T> {}

#[cfg(feature = "rt")]
impl Error for RecvContextError {}

const CLOSED_SEND: &str = "sending on a closed channel";
const CLOSED_RECV: &str = "receiving on a closed and empty channel";

impl<T> SendError<T> {
    /// The value that was not sent.
    pub fn into_inner(self) -> T {
        self.0
    }
}

/// The two variants of a value-carrying error, written once.
macro_rules! value_error {
    ($name:ident, $first:ident, $is_first:ident, $text:literal) => {
        impl<T> $name<T> {
            /// The value that was not sent.
            pub fn into_inner(self) -> T {
                match self {
                    $name::$first(value) | $name::Closed(value) => value,
                }
            }

            #[doc = concat!("Whether this is `", stringify!($first), "`.")]
            pub fn $is_first(&self) -> bool {
                matches!(self, $name::$first(_))
            }

            /// Whether the channel is closed.
            pub fn is_closed(&self) -> bool {
                matches!(self, $name::Closed(_))
            }
        }

        impl<T> fmt::Debug for $name<T> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(match self {
                    $name::$first(_) => concat!(stringify!($first), "(..)"),
                    $name::Closed(_) => "Closed(..)",
                })
            }
        }

        impl<T> fmt::Display for $name<T> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(if self.is_closed() { CLOSED_SEND } else { $text })
            }
        }

        impl<T> Error for $name<T> {}

        impl<T> From<SendError<T>> for $name<T> {
            fn from(error: SendError<T>) -> Self {
                $name::Closed(error.0)
            }
        }
    };
}

value_error!(TrySendError, Full, is_full, "sending on a full channel");
value_error!(
    SendTimeoutError,
    Timeout,
    is_timeout,
    "timed out sending on a channel"
);

impl<T> fmt::Debug for SendError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SendError(..)")
    }
}

impl<T> fmt::Display for SendError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(CLOSED_SEND)
    }
}

impl<T> Error for SendError<T> {}

/// The two variants of an error without a value, written once.
macro_rules! plain_error {
    ($name:ident, $first:ident, $is_first:ident, $text:literal) => {
        impl $name {
            #[doc = concat!("Whether this is `", stringify!($first), "`.")]
            pub fn $is_first(&self) -> bool {
                *self == $name::$first
            }

            /// Whether the channel is closed and empty.
            pub fn is_closed(&self) -> bool {
                *self == $name::Closed
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(if self.is_closed() { CLOSED_RECV } else { $text })
            }
        }

        impl Error for $name {}

        impl From<RecvError> for $name {
            fn from(RecvError: RecvError) -> Self {
                $name::Closed
            }
        }
    };
}

plain_error!(
    TryRecvError,
    Empty,
    is_empty,
    "receiving on an empty channel"
);
plain_error!(
    RecvTimeoutError,
    Timeout,
    is_timeout,
    "timed out receiving on a channel"
);

impl fmt::Display for RecvError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(CLOSED_RECV)
    }
}

impl Error for RecvError {}

/// A value that a [`OnceCell`](crate::sync::OnceCell) did not take.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum SetError<T> {
    /// The cell has a value already.
    Set(T),
    /// Somebody initialises the cell at this moment.
    Initializing(T),
}

impl<T> SetError<T> {
    /// The value that was not taken.
    pub fn into_inner(self) -> T {
        match self {
            SetError::Set(value) | SetError::Initializing(value) => value,
        }
    }

    /// Whether the cell has a value already.
    pub fn is_set(&self) -> bool {
        matches!(self, SetError::Set(_))
    }

    /// Whether somebody initialises the cell.
    pub fn is_initializing(&self) -> bool {
        matches!(self, SetError::Initializing(_))
    }
}

impl<T> fmt::Debug for SetError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            SetError::Set(_) => "Set(..)",
            SetError::Initializing(_) => "Initializing(..)",
        })
    }
}

impl<T> fmt::Display for SetError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            SetError::Set(_) => "setting a cell that has a value",
            SetError::Initializing(_) => "setting a cell that is being initialised",
        })
    }
}

impl<T> Error for SetError<T> {}

/// A flight recorder runs already; there is one at a time.
///
/// ```
/// use gochan::diag::trace::Recorder;
///
/// let first = Recorder::start().unwrap();
/// let error = Recorder::start().unwrap_err();
/// assert_eq!(error.to_string(), "a flight recorder runs already");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct AlreadyRecording(());

impl AlreadyRecording {
    pub(crate) fn new() -> AlreadyRecording {
        AlreadyRecording(())
    }
}

impl fmt::Display for AlreadyRecording {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a flight recorder runs already")
    }
}

impl Error for AlreadyRecording {}

/// Why a runtime could not be started.
#[cfg(feature = "rt")]
#[derive(Debug)]
#[non_exhaustive]
pub enum BuildError {
    /// No workers were asked for.
    NoWorkers,
    /// More workers were asked for than a runtime can have.
    TooManyWorkers(usize),
    /// The environment variable `GOCHAN_MAXPROCS` is no number of workers; this is what it holds.
    BadMaxProcs(String),
    /// The system has no more threads to give.
    Thread(std::io::Error),
}

#[cfg(feature = "rt")]
impl fmt::Display for BuildError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            BuildError::NoWorkers => f.write_str("a runtime needs at least one worker"),
            BuildError::TooManyWorkers(n) => {
                write!(f, "{n} are more workers than a runtime can have")
            }
            BuildError::BadMaxProcs(text) => {
                write!(
                    f,
                    "GOCHAN_MAXPROCS must be a number of workers, at least 1, and is {text:?}"
                )
            }
            BuildError::Thread(error) => write!(f, "no thread for a worker: {error}"),
        }
    }
}

#[cfg(feature = "rt")]
impl Error for BuildError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            BuildError::Thread(error) => Some(error),
            _ => None,
        }
    }
}
