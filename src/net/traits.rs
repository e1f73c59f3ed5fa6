//! Our streams as the ecosystem's: `futures-io`'s traits.
//!
//! What it is not: another way to read. Each goes to the same attempt as the method of that name. tokio's and hyper's traits
//! are in files of their own, behind features.
//!
//! The traits' methods are polls without a caller: the line that a dump shows for such a wait is the one that made the
//! stream. A handle keeps its place among the socket's waiters between two polls, whoever polls: the last one is woken.

use std::io::{self, IoSlice, IoSliceMut};
use std::net::Shutdown;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_io::{AsyncRead, AsyncWrite};

use super::halves::{Duplex, OwnedReadHalf, OwnedWriteHalf, ReadHalf, WriteHalf};
use super::stream::{Raw, Stream};
use super::{TcpStream, UnixStream};
use crate::rt::Wait;

/// What reads by `&mut`.
pub(super) trait ReadHandle {
    type Raw: Raw;
    fn reading(&mut self) -> (&Stream<Self::Raw>, &mut Wait);
}

/// What writes by `&mut`.
pub(super) trait WriteHandle {
    type Raw: Raw;
    fn writing(&mut self) -> (&Stream<Self::Raw>, &mut Wait);
}

/// The end of what is written. A connection that is over is as good.
pub(super) fn close<S: Raw>(stream: &Stream<S>) -> Poll<io::Result<()>> {
    Poll::Ready(match stream.shutdown(Shutdown::Write) {
        Err(error) if error.kind() == io::ErrorKind::NotConnected => Ok(()),
        done => done,
    })
}

macro_rules! reads {
    ($([$($g:tt)*] $type:ty),* $(,)?) => {$(
        impl<$($g)*> AsyncRead for $type {
            fn poll_read(
                mut self: Pin<&mut Self>,
                cx: &mut Context<'_>,
                buf: &mut [u8],
            ) -> Poll<io::Result<usize>> {
                let (stream, wait) = self.reading();
                stream.poll_read(wait, cx, stream.made(), buf)
            }

            fn poll_read_vectored(
                mut self: Pin<&mut Self>,
                cx: &mut Context<'_>,
                bufs: &mut [IoSliceMut<'_>],
            ) -> Poll<io::Result<usize>> {
                let (stream, wait) = self.reading();
                stream.poll_read_vectored(wait, cx, stream.made(), bufs)
            }
        }
    )*};
}

macro_rules! writes {
    ($([$($g:tt)*] $type:ty),* $(,)?) => {$(
        impl<$($g)*> AsyncWrite for $type {
            fn poll_write(
                mut self: Pin<&mut Self>,
                cx: &mut Context<'_>,
                buf: &[u8],
            ) -> Poll<io::Result<usize>> {
                let (stream, wait) = self.writing();
                stream.poll_write(wait, cx, stream.made(), buf)
            }

            fn poll_write_vectored(
                mut self: Pin<&mut Self>,
                cx: &mut Context<'_>,
                bufs: &[IoSlice<'_>],
            ) -> Poll<io::Result<usize>> {
                let (stream, wait) = self.writing();
                stream.poll_write_vectored(wait, cx, stream.made(), bufs)
            }

            fn poll_flush(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
                Poll::Ready(Ok(()))
            }

            fn poll_close(mut self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
                close(self.writing().0)
            }
        }
    )*};
}

reads!([] TcpStream, [] UnixStream, [T: Duplex] OwnedReadHalf<T>, [T: Duplex] ReadHalf<'_, T>);
writes!([] TcpStream, [] UnixStream, [T: Duplex] OwnedWriteHalf<T>, [T: Duplex] WriteHalf<'_, T>);
