//! TCP: a stream, and how to connect one.
//!
//! What it is not: the listener (`listener`), nor reading and writing (`stream`, `methods`).

use std::fmt;
use std::future::Future;
use std::io::{self, IoSlice, IoSliceMut};
use std::net::{Shutdown, SocketAddr};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
use std::panic::Location;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use mio::net::TcpStream as Raw;

use super::future::{IoFuture, IoOp};
use super::halves::{self, Duplex, OwnedReadHalf, OwnedWriteHalf, ReadHalf, WriteHalf};
use super::lookup::{LookupHost, ToSocketAddrs, lookup_host};
use super::methods::stream_methods;
use super::socket::{Left, Socket};
use super::stream::{
    ReadExactOp, ReadOp, ReadVectoredOp, ReadableOp, Stream, WritableOp, WriteAllOp, WriteOp,
    WriteVectoredOp,
};
use super::traits::{ReadHandle, WriteHandle};
use super::{Read, ReadExact, ReadVectored, Readable, Writable, Write, WriteAll, WriteVectored};
use crate::hook::ArmNote;
use crate::rt::{Site, Wait, Way};

/// A TCP connection.
///
/// All operations take `&self`: one task may read while another writes, through an [`Arc`](std::sync::Arc) or as
/// [halves](Self::into_split). Dropping it closes the connection.
///
/// It works on any executor, and on threads by [`wait`](IoFuture::wait); see [`net`](crate::net) for who wakes it.
///
/// # Examples
///
/// ```
/// use gochan::net::{TcpListener, TcpStream};
///
/// # gochan::run(async {
/// let listener = TcpListener::bind("127.0.0.1:0")?;
/// let addr = listener.local_addr();
/// gochan::go(async move {
///     let (peer, _) = listener.accept().await?;
///     peer.write_all(b"hello").await
/// });
/// let stream = TcpStream::connect(addr).await?;
/// let mut buf = [0; 5];
/// stream.read_exact(&mut buf).await?;
/// assert_eq!(&buf, b"hello");
/// # Ok::<(), std::io::Error>(())
/// # }).unwrap();
/// ```
pub struct TcpStream {
    pub(super) stream: Stream<Raw>,
    read: Wait,
    write: Wait,
}

stream_methods!(
    TcpStream,
    Raw,
    "# let listener = gochan::net::TcpListener::bind(\"127.0.0.1:0\")?;\n\
     # let connect = gochan::net::TcpStream::connect(listener.local_addr());\n\
     # let connect = gochan::go(connect);\n\
     # let (a, _) = listener.accept().await?;\n\
     # let b = connect.await.unwrap()?;"
);

impl TcpStream {
    pub(super) fn new(io: Raw, name: &str, site: Site) -> io::Result<TcpStream> {
        Ok(TcpStream::of(Socket::new(io, name, site)?))
    }

    fn of(socket: Socket<Raw>) -> TcpStream {
        TcpStream {
            stream: Stream(socket),
            read: Wait::default(),
            write: Wait::default(),
        }
    }

    /// Connects to `addr`. A name is looked up first ([`lookup_host`]); of several addresses the first that answers is
    /// taken.
    ///
    /// # Cancellation
    ///
    /// Dropping it closes the half-open connection.
    ///
    /// # Errors
    ///
    /// Of the last address that was tried; of the look-up; `InvalidInput` if there was no address.
    ///
    /// # Examples
    ///
    /// ```
    /// # gochan::run(async {
    /// let nobody = gochan::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr();
    /// let error = gochan::net::TcpStream::connect(nobody).await.unwrap_err();
    /// assert_eq!(error.kind(), std::io::ErrorKind::ConnectionRefused);
    /// # });
    /// ```
    #[track_caller]
    pub fn connect(addr: impl ToSocketAddrs) -> Connect {
        Connect {
            lookup: Some(lookup_host(addr)),
            left: Vec::new().into_iter(),
            dial: None,
            error: None,
            site: Location::caller(),
        }
    }

    /// Takes over a stream of the standard library.
    ///
    /// # Errors
    ///
    /// The system's, if it cannot be made not to block or cannot be registered.
    #[track_caller]
    pub fn from_std(stream: std::net::TcpStream) -> io::Result<TcpStream> {
        stream.set_nonblocking(true)?;
        let name = match stream.peer_addr() {
            Ok(peer) => name(peer),
            Err(_) => "tcp".into(),
        };
        TcpStream::new(Raw::from_std(stream), &name, Location::caller())
    }

    /// Gives the stream to the standard library. It does not block until you say so.
    pub fn into_std(self) -> std::net::TcpStream {
        self.stream.0.into_io().into()
    }

    /// Looks at what there is to read, and leaves it there. Else as [`read`](Self::read).
    ///
    /// # Cancellation
    ///
    /// It takes nothing in any case.
    ///
    /// # Errors
    ///
    /// As for `read`.
    #[track_caller]
    pub fn peek<'a>(&'a self, buf: &'a mut [u8]) -> Peek<'a> {
        IoFuture::new(PeekOp { stream: self, buf })
    }

    /// The other end's address.
    ///
    /// # Errors
    ///
    /// The system's.
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.stream.0.io().peer_addr()
    }

    /// This end's address.
    ///
    /// # Errors
    ///
    /// The system's.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.stream.0.io().local_addr()
    }

    /// Whether small writes are sent at once. Off at first, as in Rust's standard library; Go turns it on.
    ///
    /// # Errors
    ///
    /// The system's.
    pub fn nodelay(&self) -> io::Result<bool> {
        self.stream.0.io().nodelay()
    }

    /// Sends small writes at once (`TCP_NODELAY`), or collects them.
    ///
    /// # Errors
    ///
    /// The system's.
    pub fn set_nodelay(&self, nodelay: bool) -> io::Result<()> {
        self.stream.0.io().set_nodelay(nodelay)
    }

    /// Asks the peer whether it is still there after so long without a word, and again every so long; `None` is never.
    ///
    /// For other options hand the stream to [`socket2::SockRef`](https://docs.rs/socket2/0.6/socket2/struct.SockRef.html).
    ///
    /// # Errors
    ///
    /// The system's.
    ///
    /// ```
    /// use std::time::Duration;
    /// # gochan::run(async {
    /// # let listener = gochan::net::TcpListener::bind("127.0.0.1:0")?;
    /// # let stream = gochan::net::TcpStream::connect(listener.local_addr()).await?;
    /// stream.set_keepalive(Some(Duration::from_secs(15)))?;
    /// assert_eq!(stream.keepalive()?, Some(Duration::from_secs(15)));
    /// # Ok::<(), std::io::Error>(())
    /// # }).unwrap();
    /// ```
    pub fn set_keepalive(&self, every: Option<Duration>) -> io::Result<()> {
        let socket = socket2::SockRef::from(self);
        match every {
            None => socket.set_keepalive(false),
            Some(every) => {
                let times = socket2::TcpKeepalive::new()
                    .with_time(every)
                    .with_interval(every);
                socket.set_tcp_keepalive(&times)
            }
        }
    }

    /// After how long without a word the peer is asked whether it is still there; `None` if never.
    ///
    /// # Errors
    ///
    /// The system's.
    pub fn keepalive(&self) -> io::Result<Option<Duration>> {
        let socket = socket2::SockRef::from(self);
        match socket.keepalive()? {
            true => socket.tcp_keepalive_time().map(Some),
            false => Ok(None),
        }
    }
}

/// How a dump calls a connection.
pub(super) fn name(peer: SocketAddr) -> String {
    format!("tcp {peer}")
}

/// A look at what there is to read, made by [`TcpStream::peek`].
pub type Peek<'a> = IoFuture<PeekOp<'a>>;

#[doc(hidden)]
#[derive(Debug)]
pub struct PeekOp<'a> {
    stream: &'a TcpStream,
    buf: &'a mut [u8],
}

#[allow(private_interfaces)]
impl IoOp for PeekOp<'_> {
    type Output = usize;

    fn attempt(
        &mut self,
        wait: &mut Wait,
        cx: &mut Context<'_>,
        site: Site,
    ) -> Poll<io::Result<usize>> {
        let (socket, buf) = (&self.stream.stream.0, &mut *self.buf);
        socket.poll_try(Way::Read, wait, cx, site, |io| {
            Ok((io.peek(buf)?, Left::Perhaps))
        })
    }

    fn leave(&mut self, wait: &mut Wait) {
        self.stream.stream.0.leave(Way::Read, wait);
    }

    fn arm_note(&self, site: Site) -> ArmNote {
        self.stream.stream.0.arm_note(site)
    }

    fn park(&self, wait: &Wait, site: Site) {
        self.stream.stream.0.source().park(wait, site);
    }
}

/// A connection that is being made, by [`TcpStream::connect`].
///
/// # Cancellation
///
/// Dropping it closes the half-open connection.
#[derive(Debug)]
#[must_use = "futures do nothing unless awaited"]
pub struct Connect {
    lookup: Option<LookupHost>,
    left: std::vec::IntoIter<SocketAddr>,
    dial: Option<(Socket<Raw>, Wait)>,
    error: Option<io::Error>,
    site: Site,
}

impl Connect {
    /// Blocks this thread until it is connected. Not for tasks: it would block their worker.
    ///
    /// # Errors
    ///
    /// As awaiting it.
    pub fn wait(self) -> io::Result<TcpStream> {
        crate::wait::parker::block_on(self)
    }

    /// Goes on with the next address. `None`: there is none.
    fn next(&mut self) -> Option<()> {
        let addr = self.left.next()?;
        let dial = Raw::connect(addr).and_then(|io| Socket::new(io, &name(addr), self.site));
        match dial {
            Ok(socket) => self.dial = Some((socket, Wait::default())),
            Err(error) => self.error = Some(error),
        }
        Some(())
    }

    fn failed(&mut self) -> io::Error {
        let none = || io::Error::new(io::ErrorKind::InvalidInput, "no address to connect to");
        self.error.take().unwrap_or_else(none)
    }
}

impl Future for Connect {
    type Output = io::Result<TcpStream>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        if let Some(lookup) = &mut this.lookup {
            let found = std::task::ready!(Pin::new(lookup).poll(cx));
            this.lookup = None;
            this.left = found?;
        }
        loop {
            if let Some((socket, wait)) = &mut this.dial {
                let done = socket.poll(Way::Write, wait, cx, this.site, connected);
                let done = std::task::ready!(done);
                let socket = this.dial.take().map(|(socket, _)| socket);
                match (done, socket) {
                    (Ok(()), Some(socket)) => return Poll::Ready(Ok(TcpStream::of(socket))),
                    (Err(error), _) => this.error = Some(error),
                    (Ok(()), None) => {}
                }
            } else if this.next().is_none() {
                return Poll::Ready(Err(this.failed()));
            }
        }
    }
}

fn connected(io: &Raw) -> io::Result<((), Left)> {
    if let Some(error) = io.take_error()? {
        return Err(error);
    }
    match io.peer_addr() {
        Ok(_) => Ok(((), Left::Perhaps)),
        Err(error) if error.kind() == io::ErrorKind::NotConnected => {
            Err(io::ErrorKind::WouldBlock.into())
        }
        Err(error) => Err(error),
    }
}
