//! A socket and its registration with a runtime's poller: what every kind of socket here is made of.
//!
//! What it is not: a protocol. It tries what it is given, and waits when that would have blocked.
//!
//! 1. The registration is taken out before the descriptor is closed: it is the first field.
//! 2. A socket belongs to the poller of the runtime that the thread which made it was in, else to that of the default
//!    runtime. When its runtime ends, whoever uses it next takes it to another one, as timers do.
//! 3. An attempt is made only when the source has said that it may succeed, and none is made under a lock.

use std::io;
use std::os::fd::{AsRawFd, RawFd};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;

use super::error;
use crate::hook::{ArmNote, current};
use crate::rt::{self, Poller, Site, Source, Stop, Wait, Way};
use crate::shim::Mutex;
use crate::wait::op::out_of_budget;

/// A socket that is registered.
#[derive(Debug)]
pub(super) struct Socket<S> {
    place: Place,
    io: S,
}

/// A descriptor's registration; it ends when this is dropped.
#[derive(Debug)]
struct Place {
    fd: RawFd,
    source: Arc<Source>,
    home: Mutex<Home>,
}

#[derive(Debug)]
struct Home {
    poller: crate::shim::Arc<Poller>,
    token: usize,
}

/// What an attempt that went well leaves behind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Left {
    /// There may be more to be had.
    Perhaps,
    /// It took all there was, or filled all room: the next attempt would block until the system reports anew.
    Nothing,
}

impl Left {
    /// After a stream has done `done` of `wanted` bytes.
    pub(super) fn after(done: usize, wanted: usize) -> Left {
        match done {
            // The end of the stream is there for ever.
            0 => Left::Perhaps,
            _ if done < wanted => Left::Nothing,
            _ => Left::Perhaps,
        }
    }
}

impl<S: AsRawFd> Socket<S> {
    /// Registers `io`, which does not block.
    pub(super) fn new(io: S, name: &str, site: Site) -> io::Result<Socket<S>> {
        let source = Source::new(site);
        source.set_name(name);
        let fd = io.as_raw_fd();
        let home = Mutex::new(Home::find(fd, &source)?);
        let place = Place { fd, source, home };
        Ok(Socket { place, io })
    }
}

impl<S> Socket<S> {
    pub(super) fn io(&self) -> &S {
        &self.io
    }

    pub(super) fn source(&self) -> &Arc<Source> {
        &self.place.source
    }

    /// Takes it out of the poller. The descriptor stays as it is.
    pub(super) fn into_io(self) -> S {
        self.io
    }

    pub(super) fn arm_note(&self, site: Site) -> ArmNote {
        self.source().arm_note(site)
    }

    pub(super) fn set_deadline(&self, way: Way, at: Option<Instant>) {
        self.source().set_deadline(way, at);
    }

    /// The operation waits no more.
    pub(super) fn leave(&self, way: Way, wait: &mut Wait) {
        self.source().way(way).leave(wait);
    }

    /// Tries until it does not block, or waits.
    pub(super) fn poll_try<R>(
        &self,
        way: Way,
        wait: &mut Wait,
        cx: &mut Context<'_>,
        site: Site,
        mut attempt: impl FnMut(&S) -> io::Result<(R, Left)>,
    ) -> Poll<io::Result<R>> {
        let source = &*self.place.source;
        let direction = source.way(way);
        loop {
            let seen = match source.poll_ready(way, wait, cx.waker(), site) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Ok(seen)) => seen,
                Poll::Ready(Err(Stop::Astray)) => {
                    self.place.move_home()?;
                    continue;
                }
                Poll::Ready(Err(stop)) => {
                    direction.leave(wait);
                    return Poll::Ready(Err(error::of(stop)));
                }
            };
            let done = match attempt(&self.io) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    direction.blocked(seen);
                    continue;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => Err(error),
                Ok((done, left)) => {
                    if left == Left::Nothing {
                        direction.used_up(seen);
                    }
                    Ok(done)
                }
            };
            direction.leave(wait);
            return Poll::Ready(done);
        }
    }

    /// Waits for nothing but a reason to give up, while the socket is left alone.
    pub(super) fn poll_stop<R>(
        &self,
        way: Way,
        wait: &mut Wait,
        cx: &mut Context<'_>,
        site: Site,
    ) -> Poll<io::Result<R>> {
        match self.source().poll_stop(way, wait, cx.waker(), site) {
            Some(stop) => Poll::Ready(Err(error::of(stop))),
            None => Poll::Pending,
        }
    }

    /// [`poll_try`](Self::poll_try) as a poll of its own: spends the budget, and records the wait.
    pub(super) fn poll<R>(
        &self,
        way: Way,
        wait: &mut Wait,
        cx: &mut Context<'_>,
        site: Site,
        attempt: impl FnMut(&S) -> io::Result<(R, Left)>,
    ) -> Poll<io::Result<R>> {
        if !current::spend_budget() {
            return out_of_budget(cx, site);
        }
        let done = self.poll_try(way, wait, cx, site, attempt);
        if done.is_pending() {
            self.source().park(wait, site);
        }
        done
    }
}

impl Place {
    /// It was said that its poller is gone. Of several who find that out one moves it; who finds it moved already has only seen
    /// what was said late of the old one.
    #[cold]
    fn move_home(&self) -> io::Result<()> {
        let mut home = self.home.lock();
        loop {
            if home.poller.is_shut() {
                *home = Home::find(self.fd, &self.source)?;
            }
            // What the new one says of its own end, after it was shut, must not be taken back.
            self.source.settle();
            if !home.poller.is_shut() {
                break;
            }
        }
        drop(home);
        self.source.try_anew();
        Ok(())
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let home = self.home.lock();
        home.poller.remove(self.fd, home.token);
        drop(home);
        self.source.close();
    }
}

impl Home {
    fn find(fd: RawFd, source: &Arc<Source>) -> io::Result<Home> {
        let mut refused = false;
        loop {
            let poller = rt::poller(refused)?;
            if let Some(token) = poller.add(fd, source)? {
                return Ok(Home { poller, token });
            }
            // This thread's runtime is at its end. The default one has none.
            refused = true;
        }
    }
}
