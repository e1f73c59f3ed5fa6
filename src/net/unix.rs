//! Unix sockets: streams and listeners that have a path for an address.
//!
//! What it is not: reading, writing and accepting, which they share with TCP (`stream`, `methods`, `listener`).

use std::fmt;
use std::io::{self, IoSlice, IoSliceMut};
use std::net::Shutdown;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
use std::os::unix::net::SocketAddr;
use std::panic::Location;
use std::path::Path;
use std::time::Instant;

use mio::net::UnixListener as RawListener;
use mio::net::UnixStream as Raw;

use super::future::IoFuture;
use super::halves::{self, Duplex, OwnedReadHalf, OwnedWriteHalf, ReadHalf, WriteHalf};
use super::listener::{AcceptOp, Listener};
use super::methods::stream_methods;
use super::socket::Socket;
use super::stream::{
    ReadExactOp, ReadOp, ReadVectoredOp, ReadableOp, Stream, WritableOp, WriteAllOp, WriteOp,
    WriteVectoredOp,
};
use super::traits::{ReadHandle, WriteHandle};
use super::{Read, ReadExact, ReadVectored, Readable, Writable, Write, WriteAll, WriteVectored};
use crate::rt::{Site, Wait, Way};

/// Waiting for a connection, made by [`UnixListener::accept`].
pub type AcceptUnix = IoFuture<AcceptOp<RawListener>>;

/// A connection between processes of one machine. As [`TcpStream`](super::TcpStream).
pub struct UnixStream {
    pub(super) stream: Stream<Raw>,
    read: Wait,
    write: Wait,
}

stream_methods!(
    UnixStream,
    Raw,
    "# let (a, b) = gochan::net::UnixStream::pair()?;"
);

impl UnixStream {
    pub(super) fn new(io: Raw, name: &str, site: Site) -> io::Result<UnixStream> {
        Ok(UnixStream {
            stream: Stream(Socket::new(io, name, site)?),
            read: Wait::default(),
            write: Wait::default(),
        })
    }

    /// Connects to the listener at `path`. It does not wait: the system says at once whether there is one.
    ///
    /// # Errors
    ///
    /// The system's; `WouldBlock` if the listener's queue is full.
    #[track_caller]
    pub fn connect(path: impl AsRef<Path>) -> io::Result<UnixStream> {
        let path = path.as_ref();
        UnixStream::new(Raw::connect(path)?, &named(Some(path)), Location::caller())
    }

    /// Two streams that are connected with each other.
    ///
    /// # Errors
    ///
    /// The system's.
    ///
    /// ```
    /// # gochan::run(async {
    /// let (a, b) = gochan::net::UnixStream::pair()?;
    /// a.write_all(b"hello").await?;
    /// assert_eq!(b.read(&mut [0; 16]).await?, 5);
    /// # Ok::<(), std::io::Error>(())
    /// # }).unwrap();
    /// ```
    #[track_caller]
    pub fn pair() -> io::Result<(UnixStream, UnixStream)> {
        let (a, b) = Raw::pair()?;
        let site = Location::caller();
        let name = named(None);
        Ok((
            UnixStream::new(a, &name, site)?,
            UnixStream::new(b, &name, site)?,
        ))
    }

    /// Takes over a stream of the standard library.
    ///
    /// # Errors
    ///
    /// The system's, if it cannot be made not to block or cannot be registered.
    #[track_caller]
    pub fn from_std(stream: std::os::unix::net::UnixStream) -> io::Result<UnixStream> {
        stream.set_nonblocking(true)?;
        let name = stream
            .peer_addr()
            .map_or_else(|_| named(None), |p| name(&p));
        UnixStream::new(Raw::from_std(stream), &name, Location::caller())
    }

    /// Gives the stream to the standard library. It does not block until you say so.
    pub fn into_std(self) -> std::os::unix::net::UnixStream {
        self.stream.0.into_io().into()
    }

    /// The other end's address, if it has one.
    ///
    /// # Errors
    ///
    /// The system's.
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.stream.0.io().peer_addr()
    }

    /// This end's address, if it has one.
    ///
    /// # Errors
    ///
    /// The system's.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.stream.0.io().local_addr()
    }
}

/// How a dump calls a connection with that peer.
pub(super) fn name(peer: &SocketAddr) -> String {
    named(peer.as_pathname())
}

fn named(path: Option<&Path>) -> String {
    match path {
        Some(path) => format!("unix {}", path.display()),
        None => "unix".into(),
    }
}

/// A socket that listens at a path. Dropping it stops that, and leaves the file where it is.
///
/// # Examples
///
/// ```
/// use gochan::net::{UnixListener, UnixStream};
///
/// # gochan::run(async {
/// # let dir = std::env::temp_dir().join(format!("gochan-doc-{}", std::process::id()));
/// # std::fs::create_dir_all(&dir)?;
/// let path = dir.join("socket");
/// let listener = UnixListener::bind(&path)?;
/// let a = UnixStream::connect(&path)?;
/// let (b, _) = listener.accept().await?;
/// a.write_all(b"hello").await?;
/// assert_eq!(b.read(&mut [0; 16]).await?, 5);
/// # std::fs::remove_dir_all(&dir)?;
/// # Ok::<(), std::io::Error>(())
/// # }).unwrap();
/// ```
pub struct UnixListener(Listener<RawListener>);

impl UnixListener {
    /// Listens at `path`, which must not be there yet.
    ///
    /// # Errors
    ///
    /// The system's.
    #[track_caller]
    pub fn bind(path: impl AsRef<Path>) -> io::Result<UnixListener> {
        let path = path.as_ref();
        let name = format!("unix listener {}", path.display());
        let listener = Listener::new(RawListener::bind(path)?, &name, Location::caller());
        listener.map(UnixListener)
    }

    /// Waits for a connection: as [`TcpListener::accept`](super::TcpListener::accept).
    ///
    /// # Cancellation
    ///
    /// An accept that is dropped, or loses a select, has accepted nothing.
    ///
    /// # Errors
    ///
    /// As there.
    #[track_caller]
    pub fn accept(&self) -> AcceptUnix {
        IoFuture::new(self.0.accept())
    }

    /// Stops listening: as [`TcpListener::close`](super::TcpListener::close).
    pub fn close(&self) -> bool {
        self.0.close()
    }

    /// Until when [`accept`](Self::accept) may wait.
    pub fn set_deadline(&self, at: Option<Instant>) {
        self.0.set_deadline(at);
    }
}

impl fmt::Debug for UnixListener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("UnixListener")
            .field(self.0.source())
            .finish()
    }
}
