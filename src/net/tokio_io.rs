//! tokio's I/O traits on our streams, with the feature `tokio-io`: for libraries that ask for `AsyncRead` and `AsyncWrite` of
//! tokio's kind. Nothing of tokio's runtime is used.
//!
//! What it is not: another way to read. Each goes to the same attempt as the method of that name.
#![allow(unsafe_code)]

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::halves::{Duplex, OwnedReadHalf, OwnedWriteHalf, ReadHalf, WriteHalf};
use super::traits::{ReadHandle, WriteHandle, close};
use super::{TcpStream, UnixStream};

macro_rules! reads {
    ($([$($g:tt)*] $type:ty),*) => {$(
        impl<$($g)*> AsyncRead for $type {
            fn poll_read(
                mut self: Pin<&mut Self>,
                cx: &mut Context<'_>,
                buf: &mut ReadBuf<'_>,
            ) -> Poll<io::Result<()>> {
                let (stream, wait) = self.reading();
                // SAFETY: what is initialised in it stays so: the system writes bytes and nothing is taken back.
                let room = unsafe { buf.unfilled_mut() };
                let done = ready!(stream.poll_read_uninit(wait, cx, stream.made(), room))?;
                // SAFETY: the system has just written that many bytes at its beginning.
                unsafe { buf.assume_init(done) };
                buf.advance(done);
                Poll::Ready(Ok(()))
            }
        }
    )*};
}

macro_rules! writes {
    ($([$($g:tt)*] $type:ty),*) => {$(
        impl<$($g)*> AsyncWrite for $type {
            fn poll_write(
                mut self: Pin<&mut Self>,
                cx: &mut Context<'_>,
                buf: &[u8],
            ) -> Poll<io::Result<usize>> {
                let (stream, wait) = self.writing();
                stream.poll_write(wait, cx, stream.made(), buf)
            }

            fn is_write_vectored(&self) -> bool {
                true
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

            fn poll_shutdown(mut self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
                close(self.writing().0)
            }
        }
    )*};
}

reads!([] TcpStream, [] UnixStream, [T: Duplex] OwnedReadHalf<T>, [T: Duplex] ReadHalf<'_, T>);
writes!([] TcpStream, [] UnixStream, [T: Duplex] OwnedWriteHalf<T>, [T: Duplex] WriteHalf<'_, T>);
