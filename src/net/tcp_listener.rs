//! The TCP listener.
//!
//! What it is not: how accepting works; that is in `listener`.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::panic::Location;
use std::time::Instant;

use mio::net::TcpListener as Raw;

use super::future::IoFuture;
use super::listener::{AcceptOp, Listener};

/// Waiting for a connection, made by [`TcpListener::accept`].
pub type Accept = IoFuture<AcceptOp<Raw>>;

/// A socket that listens for TCP connections. Dropping it stops that.
///
/// # Examples
///
/// An echo server that ends with its context:
///
/// ```
/// use gochan::net::TcpListener;
/// use gochan::{Context, go, select};
/// use std::io;
///
/// async fn serve(ctx: Context, listener: TcpListener) -> io::Result<()> {
///     loop {
///         let peer = select! {
///             peer = listener.accept() => peer?.0,
///             _ = ctx.done() => return Ok(()),
///         };
///         go(async move {
///             let mut buf = [0; 1024];
///             loop {
///                 match peer.read(&mut buf).await? {
///                     0 => return Ok::<(), io::Error>(()),
///                     n => peer.write_all(&buf[..n]).await?,
///                 }
///             }
///         });
///     }
/// }
///
/// # use gochan::net::TcpStream;
/// # gochan::run(async {
/// # let (ctx, cancel) = Context::background().with_cancel();
/// # let listener = TcpListener::bind("127.0.0.1:0")?;
/// # let addr = listener.local_addr();
/// # let server = go(serve(ctx, listener));
/// # let stream = TcpStream::connect(addr).await?;
/// # stream.write_all(b"hello").await?;
/// # let mut buf = [0; 5];
/// # stream.read_exact(&mut buf).await?;
/// # assert_eq!(&buf, b"hello");
/// # cancel.cancel();
/// # server.await.unwrap()
/// # }).unwrap();
/// ```
pub struct TcpListener {
    listener: Listener<Raw>,
    addr: SocketAddr,
}

impl TcpListener {
    /// Listens at `addr`; port 0 is a free one. Addresses that linger after a connection that has ended are taken
    /// (`SO_REUSEADDR`), up to 1024 connections wait for [`accept`](Self::accept).
    ///
    /// Give it an address: the look-up of a name would block the thread.
    ///
    /// # Errors
    ///
    /// The system's.
    ///
    /// # Panics
    ///
    /// Outside of any runtime, if the default runtime cannot be started.
    #[track_caller]
    pub fn bind(addr: impl std::net::ToSocketAddrs) -> io::Result<TcpListener> {
        let none = io::Error::new(io::ErrorKind::InvalidInput, "no address to listen at");
        let mut result = Err(none);
        for addr in addr.to_socket_addrs()? {
            match Raw::bind(addr) {
                Ok(io) => return Self::new(io, Location::caller()),
                Err(error) => result = Err(error),
            }
        }
        result
    }

    fn new(io: Raw, site: &'static Location<'static>) -> io::Result<TcpListener> {
        let addr = io.local_addr()?;
        let listener = Listener::new(io, &format!("tcp listener {addr}"), site)?;
        Ok(TcpListener { listener, addr })
    }

    /// Takes over a listener of the standard library, such as one with options set by `socket2`.
    ///
    /// # Errors
    ///
    /// The system's, if it cannot be made not to block or cannot be registered.
    #[track_caller]
    pub fn from_std(listener: std::net::TcpListener) -> io::Result<TcpListener> {
        listener.set_nonblocking(true)?;
        TcpListener::new(Raw::from_std(listener), Location::caller())
    }

    /// Waits for a connection. Any number of tasks may wait at once.
    ///
    /// When the process or the system has no descriptors (`EMFILE`, `ENFILE`) or memory left it does not fail: it says so on
    /// standard error, sleeps from 5 ms up to a second, and tries again, as Go's HTTP server does. A connection that the
    /// peer has given up before it could be accepted is passed over.
    ///
    /// # Cancellation
    ///
    /// An accept that is dropped, or loses a select, has accepted nothing.
    ///
    /// # Errors
    ///
    /// [`NotConnected`](std::io::ErrorKind::NotConnected) when the listener is [closed](Self::close), also for those
    /// that wait already; [`TimedOut`](std::io::ErrorKind::TimedOut) when the [deadline](Self::set_deadline) passes; else the
    /// system's.
    #[track_caller]
    pub fn accept(&self) -> Accept {
        IoFuture::new(self.listener.accept())
    }

    /// Stops listening. All who wait in [`accept`](Self::accept), and all later ones, get an error. False: it was closed
    /// before.
    ///
    /// ```
    /// # gochan::run(async {
    /// let listener = std::sync::Arc::new(gochan::net::TcpListener::bind("127.0.0.1:0")?);
    /// let waiting = listener.accept();
    /// let waiting = gochan::go(waiting);
    /// listener.close();
    /// let error = waiting.await.unwrap().unwrap_err();
    /// assert_eq!(error.to_string(), "use of closed network connection");
    /// # Ok::<(), std::io::Error>(())
    /// # }).unwrap();
    /// ```
    pub fn close(&self) -> bool {
        self.listener.close()
    }

    /// Until when [`accept`](Self::accept) may wait; see
    /// [`TcpStream::set_read_deadline`](super::TcpStream::set_read_deadline).
    pub fn set_deadline(&self, at: Option<Instant>) {
        self.listener.set_deadline(at);
    }

    /// The address it listens at, with the port that the system chose.
    pub fn local_addr(&self) -> SocketAddr {
        self.addr
    }
}

impl fmt::Debug for TcpListener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("TcpListener")
            .field(self.listener.source())
            .finish()
    }
}
