//! UDP: datagrams.
//!
//! What it is not: a stream. Each send and receive is one datagram, whole or cut off.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
use std::panic::Location;
use std::task::{Context, Poll};
use std::time::Instant;

use mio::net::UdpSocket as Raw;

use super::future::{IoFuture, IoOp};
use super::socket::{Left, Socket};
use crate::hook::ArmNote;
use crate::rt::{Site, Wait, Way};

/// A UDP socket. All operations take `&self`.
///
/// # Examples
///
/// ```
/// use gochan::net::UdpSocket;
///
/// # gochan::run(async {
/// let a = UdpSocket::bind("127.0.0.1:0")?;
/// let b = UdpSocket::bind("127.0.0.1:0")?;
/// a.send_to(b"hello", b.local_addr()?).await?;
/// let mut buf = [0; 16];
/// let (n, from) = b.recv_from(&mut buf).await?;
/// assert_eq!((&buf[..n], from), (&b"hello"[..], a.local_addr()?));
/// # Ok::<(), std::io::Error>(())
/// # }).unwrap();
/// ```
pub struct UdpSocket(Socket<Raw>);

impl UdpSocket {
    /// A socket at `addr`; port 0 is a free one. Give it an address: the look-up of a name would block the thread.
    ///
    /// # Errors
    ///
    /// The system's.
    #[track_caller]
    pub fn bind(addr: impl std::net::ToSocketAddrs) -> io::Result<UdpSocket> {
        UdpSocket::from_std(std::net::UdpSocket::bind(addr)?)
    }

    /// Takes over a socket of the standard library.
    ///
    /// # Errors
    ///
    /// The system's, if it cannot be made not to block or cannot be registered.
    #[track_caller]
    pub fn from_std(socket: std::net::UdpSocket) -> io::Result<UdpSocket> {
        socket.set_nonblocking(true)?;
        let name = format!("udp {}", socket.local_addr()?);
        let io = Raw::from_std(socket);
        Ok(UdpSocket(Socket::new(io, &name, Location::caller())?))
    }

    /// Sets the peer of [`send`](Self::send) and [`recv`](Self::recv). Datagrams of others are not received any more.
    ///
    /// # Errors
    ///
    /// The system's.
    ///
    /// ```
    /// use gochan::net::UdpSocket;
    ///
    /// # gochan::run(async {
    /// let a = UdpSocket::bind("127.0.0.1:0")?;
    /// let b = UdpSocket::bind("127.0.0.1:0")?;
    /// a.connect(b.local_addr()?)?;
    /// b.connect(a.local_addr()?)?;
    /// a.send(b"hello").await?;
    /// assert_eq!(b.recv(&mut [0; 16]).await?, 5);
    /// # Ok::<(), std::io::Error>(())
    /// # }).unwrap();
    /// ```
    pub fn connect(&self, peer: SocketAddr) -> io::Result<()> {
        self.0.io().connect(peer)
    }

    /// Receives a datagram and tells whose it is. What does not fit into `buf` is cut off.
    ///
    /// # Cancellation
    ///
    /// A receive that is dropped, or loses a select, has received nothing.
    ///
    /// # Errors
    ///
    /// The system's; [`TimedOut`](io::ErrorKind::TimedOut) when the [deadline](Self::set_read_deadline) passes.
    #[track_caller]
    pub fn recv_from<'a>(&'a self, buf: &'a mut [u8]) -> RecvFrom<'a> {
        IoFuture::new(RecvFromOp {
            socket: &self.0,
            buf,
            peek: false,
        })
    }

    /// As [`recv_from`](Self::recv_from), but the datagram stays where it is.
    ///
    /// # Cancellation
    ///
    /// It takes nothing in any case.
    ///
    /// # Errors
    ///
    /// As there.
    #[track_caller]
    pub fn peek_from<'a>(&'a self, buf: &'a mut [u8]) -> RecvFrom<'a> {
        IoFuture::new(RecvFromOp {
            socket: &self.0,
            buf,
            peek: true,
        })
    }

    /// Receives a datagram of the peer that was set by [`connect`](Self::connect).
    ///
    /// # Cancellation
    ///
    /// As [`recv_from`](Self::recv_from).
    ///
    /// # Errors
    ///
    /// As there.
    #[track_caller]
    pub fn recv<'a>(&'a self, buf: &'a mut [u8]) -> Recv<'a> {
        IoFuture::new(RecvOp {
            socket: &self.0,
            buf,
        })
    }

    /// Sends a datagram to `peer`.
    ///
    /// # Cancellation
    ///
    /// A send that is dropped, or loses a select, has sent nothing.
    ///
    /// # Errors
    ///
    /// The system's; [`TimedOut`](io::ErrorKind::TimedOut) when the [deadline](Self::set_write_deadline) passes.
    #[track_caller]
    pub fn send_to<'a>(&'a self, buf: &'a [u8], peer: SocketAddr) -> Send<'a> {
        IoFuture::new(SendOp {
            socket: &self.0,
            buf,
            peer: Some(peer),
        })
    }

    /// Sends a datagram to the peer that was set by [`connect`](Self::connect).
    ///
    /// # Cancellation
    ///
    /// As [`send_to`](Self::send_to).
    ///
    /// # Errors
    ///
    /// As there.
    #[track_caller]
    pub fn send<'a>(&'a self, buf: &'a [u8]) -> Send<'a> {
        IoFuture::new(SendOp {
            socket: &self.0,
            buf,
            peer: None,
        })
    }

    /// Until when receives may wait; see [`TcpStream::set_read_deadline`](super::TcpStream::set_read_deadline).
    pub fn set_read_deadline(&self, at: Option<Instant>) {
        self.0.set_deadline(Way::Read, at);
    }

    /// Until when sends may wait.
    pub fn set_write_deadline(&self, at: Option<Instant>) {
        self.0.set_deadline(Way::Write, at);
    }

    /// Its own address.
    ///
    /// # Errors
    ///
    /// The system's.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.0.io().local_addr()
    }
}

impl AsFd for UdpSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.io().as_fd()
    }
}

impl AsRawFd for UdpSocket {
    fn as_raw_fd(&self) -> RawFd {
        self.0.io().as_raw_fd()
    }
}

impl fmt::Debug for UdpSocket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("UdpSocket").field(self.0.source()).finish()
    }
}

/// Waiting for a datagram of anybody, made by [`UdpSocket::recv_from`].
pub type RecvFrom<'a> = IoFuture<RecvFromOp<'a>>;
/// Waiting for a datagram of the peer, made by [`UdpSocket::recv`].
pub type Recv<'a> = IoFuture<RecvOp<'a>>;
/// Sending a datagram, made by [`UdpSocket::send`] and [`UdpSocket::send_to`].
pub type Send<'a> = IoFuture<SendOp<'a>>;

#[doc(hidden)]
#[derive(Debug)]
pub struct RecvFromOp<'a> {
    socket: &'a Socket<Raw>,
    buf: &'a mut [u8],
    peek: bool,
}

#[doc(hidden)]
#[derive(Debug)]
pub struct RecvOp<'a> {
    socket: &'a Socket<Raw>,
    buf: &'a mut [u8],
}

#[doc(hidden)]
#[derive(Debug)]
pub struct SendOp<'a> {
    socket: &'a Socket<Raw>,
    buf: &'a [u8],
    peer: Option<SocketAddr>,
}

macro_rules! op {
    ($op:ident, $way:ident, $out:ty, |$this:ident, $io:ident| $attempt:expr) => {
        #[allow(private_interfaces)]
        impl IoOp for $op<'_> {
            type Output = $out;

            fn attempt(
                &mut self,
                wait: &mut Wait,
                cx: &mut Context<'_>,
                site: Site,
            ) -> Poll<io::Result<$out>> {
                let $this = self;
                let socket = $this.socket;
                socket.poll_try(Way::$way, wait, cx, site, |$io| {
                    Ok(($attempt, Left::Perhaps))
                })
            }

            fn leave(&mut self, wait: &mut Wait) {
                self.socket.leave(Way::$way, wait);
            }

            fn arm_note(&self, site: Site) -> ArmNote {
                self.socket.arm_note(site)
            }

            fn park(&self, wait: &Wait, site: Site) {
                self.socket.source().park(wait, site);
            }
        }
    };
}

op!(
    RecvFromOp,
    Read,
    (usize, SocketAddr),
    |this, io| match this.peek {
        true => io.peek_from(this.buf)?,
        false => io.recv_from(this.buf)?,
    }
);
op!(RecvOp, Read, usize, |this, io| io.recv(this.buf)?);
op!(SendOp, Write, usize, |this, io| match this.peer {
    Some(peer) => io.send_to(this.buf, peer)?,
    None => io.send(this.buf)?,
});
