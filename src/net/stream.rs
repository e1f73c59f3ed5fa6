//! A stream of bytes in both directions: what TCP and Unix streams share.
//!
//! What it is not: public. `tcp` and `unix` give it their names, `halves` splits it, `traits` shows it to others.
//!
//! 1. A read takes bytes from the system only in the poll that returns them.
//! 2. After a read or write that did less than it could have, the system has nothing more at the moment: the next one waits at
//!    once instead of asking. An end of the stream is never missed by that: the poller has said so, or will.

use std::io::{self, IoSlice, IoSliceMut, Read, Write};
#[cfg(any(feature = "hyper", feature = "tokio-io"))]
use std::mem::MaybeUninit;
use std::net::Shutdown;
use std::os::fd::{AsFd, AsRawFd};
use std::task::{Context, Poll};
use std::time::Instant;

use rustix::event::{PollFd, PollFlags, Timespec};

use super::future::IoOp;
use super::socket::{Left, Socket};
use crate::hook::ArmNote;
use crate::rt::{Site, Wait, Way};

/// A system's stream that does not block.
#[doc(hidden)]
pub trait Raw: AsFd + AsRawFd + Send + Sync {
    fn read(&self, buf: &mut [u8]) -> io::Result<usize>;
    /// Into memory that need not be initialised: as many bytes of it as this returns are, afterwards.
    #[cfg(any(feature = "hyper", feature = "tokio-io"))]
    fn read_uninit(&self, buf: &mut [MaybeUninit<u8>]) -> io::Result<usize> {
        let (done, _) = rustix::io::read(self, buf)?;
        Ok(done.len())
    }
    fn read_vectored(&self, bufs: &mut [IoSliceMut<'_>]) -> io::Result<usize>;
    fn write(&self, buf: &[u8]) -> io::Result<usize>;
    fn write_vectored(&self, bufs: &[IoSlice<'_>]) -> io::Result<usize>;
    fn shutdown(&self, how: Shutdown) -> io::Result<()>;
}

macro_rules! raw {
    ($($stream:ty),*) => {$(
        impl Raw for $stream {
            fn read(&self, buf: &mut [u8]) -> io::Result<usize> {
                Read::read(&mut &*self, buf)
            }
            fn read_vectored(&self, bufs: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
                Read::read_vectored(&mut &*self, bufs)
            }
            fn write(&self, buf: &[u8]) -> io::Result<usize> {
                Write::write(&mut &*self, buf)
            }
            fn write_vectored(&self, bufs: &[IoSlice<'_>]) -> io::Result<usize> {
                Write::write_vectored(&mut &*self, bufs)
            }
            fn shutdown(&self, how: Shutdown) -> io::Result<()> {
                <$stream>::shutdown(self, how)
            }
        }
    )*};
}
raw!(mio::net::TcpStream, mio::net::UnixStream);

/// A registered stream.
#[doc(hidden)]
#[derive(Debug)]
pub struct Stream<S>(pub(super) Socket<S>);

impl<S: Raw> Stream<S> {
    pub(super) fn poll_read(
        &self,
        wait: &mut Wait,
        cx: &mut Context<'_>,
        site: Site,
        buf: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        let room = buf.len();
        self.0.poll(Way::Read, wait, cx, site, |io| {
            let done = io.read(buf)?;
            Ok((done, Left::after(done, room)))
        })
    }

    #[cfg(any(feature = "hyper", feature = "tokio-io"))]
    pub(super) fn poll_read_uninit(
        &self,
        wait: &mut Wait,
        cx: &mut Context<'_>,
        site: Site,
        buf: &mut [MaybeUninit<u8>],
    ) -> Poll<io::Result<usize>> {
        let room = buf.len();
        self.0.poll(Way::Read, wait, cx, site, |io| {
            let done = io.read_uninit(buf)?;
            Ok((done, Left::after(done, room)))
        })
    }

    pub(super) fn poll_read_vectored(
        &self,
        wait: &mut Wait,
        cx: &mut Context<'_>,
        site: Site,
        bufs: &mut [IoSliceMut<'_>],
    ) -> Poll<io::Result<usize>> {
        self.0.poll(Way::Read, wait, cx, site, |io| {
            Ok((io.read_vectored(bufs)?, Left::Perhaps))
        })
    }

    pub(super) fn poll_write(
        &self,
        wait: &mut Wait,
        cx: &mut Context<'_>,
        site: Site,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.0.poll(Way::Write, wait, cx, site, |io| {
            let done = io.write(buf)?;
            Ok((done, Left::after(done, buf.len())))
        })
    }

    pub(super) fn poll_write_vectored(
        &self,
        wait: &mut Wait,
        cx: &mut Context<'_>,
        site: Site,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.0.poll(Way::Write, wait, cx, site, |io| {
            Ok((io.write_vectored(bufs)?, Left::Perhaps))
        })
    }

    /// The line that made the stream, for waits without one of their own.
    pub(super) fn made(&self) -> Site {
        self.0.source().made()
    }

    pub(super) fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        self.0.io().shutdown(how)
    }

    pub(super) fn set_deadline(&self, ways: &[Way], at: Option<Instant>) {
        for way in ways {
            self.0.set_deadline(*way, at);
        }
    }
}

/// An operation in one direction of a stream: what they have in common. What has nothing to do is done at once, as in Go,
/// whether the stream is ready or not: `at_once`.
macro_rules! op {
    ($(#[$doc:meta])* $name:ident, $way:ident, ($($field:ident: $type:ty),*) -> $out:ty, $at_once:expr, $attempt:expr) => {
        $(#[$doc])*
        #[doc(hidden)]
        #[derive(Debug)]
        pub struct $name<'a, S> {
            stream: &'a Stream<S>,
            $($field: $type,)*
        }

        impl<'a, S> $name<'a, S> {
            pub(super) fn new(stream: &'a Stream<S>, $($field: $type),*) -> Self {
                $name { stream, $($field),* }
            }
        }

        #[allow(private_interfaces)]
        impl<S: Raw> IoOp for $name<'_, S> {
            type Output = $out;

            fn attempt(
                &mut self,
                wait: &mut Wait,
                cx: &mut Context<'_>,
                site: Site,
            ) -> Poll<io::Result<$out>> {
                let Self { stream, $($field),* } = self;
                let at_once = $at_once;
                let done: Option<$out> = at_once($(&mut *$field),*);
                if let Some(out) = done {
                    return Poll::Ready(Ok(out));
                }
                let attempt = $attempt;
                stream.0.poll_try(Way::$way, wait, cx, site, |io| attempt(io, $($field),*))
            }

            fn leave(&mut self, wait: &mut Wait) {
                self.stream.0.leave(Way::$way, wait);
            }

            fn arm_note(&self, site: Site) -> ArmNote {
                self.stream.0.arm_note(site)
            }

            fn park(&self, wait: &Wait, site: Site) {
                self.stream.0.source().park(wait, site);
            }
        }
    };
}

op!(ReadOp, Read, (buf: &'a mut [u8]) -> usize, |buf: &mut &mut [u8]| buf.is_empty().then_some(0), |io: &S, buf: &mut &mut [u8]| {
    let done = io.read(buf)?;
    Ok((done, Left::after(done, buf.len())))
});

op!(ReadVectoredOp, Read, (bufs: &'a mut [IoSliceMut<'a>]) -> usize,
    |bufs: &mut &mut [IoSliceMut<'_>]| bufs.iter().all(|buf| buf.is_empty()).then_some(0),
    |io: &S, bufs: &mut &mut [IoSliceMut<'_>]| Ok((io.read_vectored(bufs)?, Left::Perhaps)));

op!(WriteOp, Write, (buf: &'a [u8]) -> usize, |buf: &mut &[u8]| buf.is_empty().then_some(0), |io: &S, buf: &mut &[u8]| {
    let done = io.write(buf)?;
    Ok((done, Left::after(done, buf.len())))
});

op!(WriteVectoredOp, Write, (bufs: &'a [IoSlice<'a>]) -> usize,
    |bufs: &mut &[IoSlice<'_>]| bufs.iter().all(|buf| buf.is_empty()).then_some(0),
    |io: &S, bufs: &mut &[IoSlice<'_>]| Ok((io.write_vectored(bufs)?, Left::Perhaps)));

op!(
    /// Asks the system only whether there is something.
    ReadableOp, Read, () -> (), || None, |io: &S| is_ready(io, Way::Read));

op!(WritableOp, Write, () -> (), || None, |io: &S| is_ready(io, Way::Write));

op!(ReadExactOp, Read, (buf: &'a mut [u8], done: usize) -> (), |buf: &mut &mut [u8], _: &mut usize| buf.is_empty().then_some(()), |io: &S, buf: &mut &mut [u8], done: &mut usize| {
    while *done < buf.len() {
        match io.read(&mut buf[*done..])? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            n => *done += n,
        }
    }
    Ok(((), Left::Perhaps))
});

op!(WriteAllOp, Write, (buf: &'a [u8], done: usize) -> (), |buf: &mut &[u8], _: &mut usize| buf.is_empty().then_some(()), |io: &S, buf: &mut &[u8], done: &mut usize| {
    while *done < buf.len() {
        match io.write(&buf[*done..])? {
            0 => return Err(io::ErrorKind::WriteZero.into()),
            n => *done += n,
        }
    }
    Ok(((), Left::Perhaps))
});

/// A look at the descriptor itself: the source's word is a hint only.
fn is_ready<S: AsFd>(io: &S, way: Way) -> io::Result<((), Left)> {
    let flags = match way {
        Way::Read => PollFlags::IN,
        Way::Write => PollFlags::OUT,
    };
    let mut fds = [PollFd::new(io, flags)];
    match rustix::event::poll(&mut fds, Some(&Timespec::default()))? {
        0 => Err(io::ErrorKind::WouldBlock.into()),
        _ => Ok(((), Left::Perhaps)),
    }
}
