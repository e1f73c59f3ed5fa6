//! Listening: what TCP and Unix listeners share, and what happens when the process has no descriptor left.
//!
//! What it is not: public. `tcp_listener` and `unix` give it their names.
//!
//! 1. The descriptor is closed when the listener is closed or dropped and the last accept has seen that: an accept holds
//!    the socket up, as Go's `fdmutex` does.
//! 2. An accept that fails for want of descriptors or memory leaves the connection in the system's queue, for which no
//!    event will come again. So it sleeps, 5 ms at first and twice as long each time up to a second, and tries again, as
//!    Go's `net/http` does (`Server.Serve` in `src/net/http/server.go`; hyper's old server slept a second each time).
//!    It says so on standard error each time it goes to sleep.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::os::fd::AsRawFd;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use rustix::io::Errno;

use super::error;
use super::future::IoOp;
use super::socket::{Left, Socket};
use super::{TcpStream, UnixStream};
use crate::hook::{ArmNote, current};
use crate::rt::{Site, Source, Wait, Way};
use crate::shim::Mutex;
use crate::time::Sleep;
use crate::util::tell;

const FIRST_NAP: Duration = Duration::from_millis(5);
const LONGEST_NAP: Duration = Duration::from_secs(1);

/// A system's listener that does not block.
#[doc(hidden)]
pub trait RawListener: AsRawFd {
    /// What it accepts.
    type Stream;
    /// Who is on the other end.
    type Peer;
    /// The next connection, registered.
    fn accept(&self, site: Site) -> io::Result<(Self::Stream, Self::Peer)>;
}

impl RawListener for mio::net::TcpListener {
    type Stream = TcpStream;
    type Peer = SocketAddr;

    fn accept(&self, site: Site) -> io::Result<(TcpStream, SocketAddr)> {
        let (io, peer) = mio::net::TcpListener::accept(self)?;
        Ok((TcpStream::new(io, &super::tcp::name(peer), site)?, peer))
    }
}

impl RawListener for mio::net::UnixListener {
    type Stream = UnixStream;
    type Peer = std::os::unix::net::SocketAddr;

    fn accept(&self, site: Site) -> io::Result<(UnixStream, Self::Peer)> {
        let (io, peer) = mio::net::UnixListener::accept(self)?;
        Ok((UnixStream::new(io, &super::unix::name(&peer), site)?, peer))
    }
}

/// A registered listener, until it is closed.
#[derive(Debug)]
pub(super) struct Listener<L> {
    socket: Mutex<Option<Arc<Socket<L>>>>,
    source: Arc<Source>,
}

impl<L: RawListener> Listener<L> {
    pub(super) fn new(io: L, name: &str, site: Site) -> io::Result<Listener<L>> {
        let socket = Socket::new(io, name, site)?;
        Ok(Listener {
            source: Arc::clone(socket.source()),
            socket: Mutex::new(Some(Arc::new(socket))),
        })
    }

    pub(super) fn accept(&self) -> AcceptOp<L> {
        AcceptOp {
            socket: self.socket.lock().clone(),
            source: Arc::clone(&self.source),
            nap: None,
            pause: FIRST_NAP,
        }
    }

    /// Ends it for everybody. False: that was done before.
    pub(super) fn close(&self) -> bool {
        let socket = self.socket.lock().take();
        self.source.close();
        // Here, or where the last accept ends.
        socket.is_some()
    }

    pub(super) fn set_deadline(&self, at: Option<Instant>) {
        self.source.set_deadline(Way::Read, at);
    }

    pub(super) fn source(&self) -> &Source {
        &self.source
    }
}

impl<L> Drop for Listener<L> {
    fn drop(&mut self) {
        // Accepts that are still waited for hold the socket, and are to know.
        self.source.close();
    }
}

/// Waiting for a connection.
#[doc(hidden)]
#[derive(Debug)]
pub struct AcceptOp<L> {
    /// `None`: it was closed before the call.
    socket: Option<Arc<Socket<L>>>,
    source: Arc<Source>,
    /// The process has no descriptors left.
    nap: Option<Pin<Box<Sleep>>>,
    pause: Duration,
}

impl<L: RawListener> AcceptOp<L> {
    /// Sleeps, and says why.
    #[cold]
    fn rest(&mut self, error: &io::Error, site: Site) {
        let (socket, pause) = (&self.source, self.pause);
        tell(format_args!(
            "gochan: accept on {socket:?} at {site}: {error}; retrying in {pause:?}\n"
        ));
        self.nap = Some(Box::pin(crate::time::sleep_at(pause, site)));
        self.pause = (2 * pause).min(LONGEST_NAP);
    }
}

#[allow(private_interfaces)]
impl<L: RawListener> IoOp for AcceptOp<L> {
    type Output = (L::Stream, L::Peer);

    fn attempt(
        &mut self,
        wait: &mut Wait,
        cx: &mut Context<'_>,
        site: Site,
    ) -> Poll<io::Result<Self::Output>> {
        loop {
            let Some(socket) = &self.socket else {
                return Poll::Ready(Err(error::closed()));
            };
            if let Some(nap) = &mut self.nap {
                // A deadline and a close are answered in the nap as well.
                if nap.as_mut().poll(cx).is_pending() {
                    return socket.poll_stop(Way::Read, wait, cx, site);
                }
                self.nap = None;
            }
            let done = socket.poll_try(Way::Read, wait, cx, site, |io| {
                Ok((io.accept(site)?, Left::Perhaps))
            });
            match done {
                Poll::Ready(Err(error)) if is_want(&error) => self.rest(&error, site),
                Poll::Ready(Err(error)) if is_of_the_peer(&error) => {}
                done => return done,
            }
        }
    }

    fn leave(&mut self, wait: &mut Wait) {
        self.source.way(Way::Read).leave(wait);
        self.nap = None;
    }

    fn arm_note(&self, site: Site) -> ArmNote {
        self.source.arm_note(site)
    }

    fn park(&self, wait: &Wait, site: Site) {
        // The nap has said what it is.
        if !current::is_parked() {
            self.source.park(wait, site);
        }
    }
}

/// The process, or the system, has none left.
fn is_want(error: &io::Error) -> bool {
    let wants = [Errno::MFILE, Errno::NFILE, Errno::NOBUFS, Errno::NOMEM];
    Errno::from_io_error(error).is_some_and(|errno| wants.contains(&errno))
}

/// The connection was gone before it was accepted: the next one may be good.
fn is_of_the_peer(error: &io::Error) -> bool {
    let gone = [
        io::ErrorKind::ConnectionAborted,
        io::ErrorKind::ConnectionReset,
    ];
    gone.contains(&error.kind())
}
