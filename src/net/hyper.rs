//! hyper on this runtime: the I/O traits of our streams, an [`Executor`] and a [`Timer`].
//!
//! With the feature `hyper`. A server for one connection:
//!
//! ```
//! use gochan::net::hyper::Timer;
//! use gochan::net::{TcpListener, TcpStream};
//! use hyper::server::conn::http1;
//! use hyper::service::service_fn;
//! use hyper::{Request, Response, body::Incoming};
//! use std::convert::Infallible;
//!
//! async fn hello(_: Request<Incoming>) -> Result<Response<String>, Infallible> {
//!     Ok(Response::new("hello\n".into()))
//! }
//!
//! # gochan::run(async {
//! let listener = TcpListener::bind("127.0.0.1:0")?;
//! # let client = TcpStream::connect(listener.local_addr());
//! # let client = gochan::go(async move {
//! #     let client = client.await.unwrap();
//! #     client.write_all(b"GET / HTTP/1.0\r\n\r\n").await.unwrap();
//! #     let mut buf = [0; 12];
//! #     client.read_exact(&mut buf).await.unwrap();
//! #     assert_eq!(&buf, b"HTTP/1.0 200");
//! # });
//! let (stream, _) = listener.accept().await?;
//! http1::Builder::new()
//!     .timer(Timer::new())
//!     .serve_connection(stream, service_fn(hello))
//!     .await
//!     .unwrap();
//! # client.await.unwrap();
//! # Ok::<(), std::io::Error>(())
//! # }).unwrap();
//! ```
// What it is not: an HTTP server. Each trait goes to what is there already.
#![allow(unsafe_code)]

use std::future::Future;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use ::hyper::rt::{self, ReadBufCursor};

use super::halves::{Duplex, OwnedReadHalf, OwnedWriteHalf};
use super::traits::{ReadHandle, WriteHandle, close};
use super::{TcpStream, UnixStream};
use crate::time::Sleep;

macro_rules! reads {
    ($([$($g:tt)*] $type:ty),*) => {$(
        impl<$($g)*> rt::Read for $type {
            fn poll_read(
                mut self: Pin<&mut Self>,
                cx: &mut Context<'_>,
                mut buf: ReadBufCursor<'_>,
            ) -> Poll<io::Result<()>> {
                let (stream, wait) = self.reading();
                // SAFETY: what is initialised in it stays so: the system writes bytes and nothing is taken back.
                let room = unsafe { buf.as_mut() };
                let done = ready!(stream.poll_read_uninit(wait, cx, stream.made(), room))?;
                // SAFETY: the system has just written that many bytes at its beginning.
                unsafe { buf.advance(done) };
                Poll::Ready(Ok(()))
            }
        }
    )*};
}

macro_rules! writes {
    ($([$($g:tt)*] $type:ty),*) => {$(
        impl<$($g)*> rt::Write for $type {
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

reads!([] TcpStream, [] UnixStream, [T: Duplex] OwnedReadHalf<T>);
writes!([] TcpStream, [] UnixStream, [T: Duplex] OwnedWriteHalf<T>);

/// Runs hyper's futures as tasks of this thread's runtime, by [`go`](crate::go).
#[derive(Clone, Copy, Debug, Default)]
pub struct Executor(());

impl Executor {
    /// The same as any other.
    pub fn new() -> Executor {
        Executor(())
    }
}

impl<F> rt::Executor<F> for Executor
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    fn execute(&self, future: F) {
        drop(crate::rt::go(future));
    }
}

/// Gives hyper the runtime's timers, for its time limits on headers and idle connections.
#[derive(Clone, Copy, Debug, Default)]
pub struct Timer(());

impl Timer {
    /// The same as any other.
    pub fn new() -> Timer {
        Timer(())
    }
}

impl rt::Timer for Timer {
    fn sleep(&self, duration: Duration) -> Pin<Box<dyn rt::Sleep>> {
        Box::pin(Nap(Box::pin(crate::time::sleep(duration))))
    }

    fn sleep_until(&self, deadline: Instant) -> Pin<Box<dyn rt::Sleep>> {
        Box::pin(Nap(Box::pin(crate::time::sleep_until(deadline))))
    }

    fn reset(&self, sleep: &mut Pin<Box<dyn rt::Sleep>>, deadline: Instant) {
        match sleep.as_mut().downcast_mut_pin::<Nap>() {
            Some(mut nap) => nap.0.as_mut().reset_until(deadline),
            None => *sleep = self.sleep_until(deadline),
        }
    }
}

/// One of our sleeps as one of hyper's.
struct Nap(Pin<Box<Sleep>>);

impl Future for Nap {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        self.0.as_mut().poll(cx)
    }
}

impl rt::Sleep for Nap {}
