//! Sockets: TCP, UDP and Unix, over the runtime's own poller.
//!
//! | to | use | Go |
//! |---|---|---|
//! | serve | [`TcpListener`], [`UnixListener`] | `net.Listen` |
//! | connect | [`TcpStream::connect`], [`UnixStream::connect`] | `net.Dial` |
//! | send datagrams | [`UdpSocket`] | `net.ListenPacket` |
//! | give up at a moment | [`TcpStream::set_deadline`] and its like | `Conn.SetDeadline` |
//! | find addresses | [`lookup_host`] | `net.LookupHost` |
//!
//! Every operation is a future and an arm of [`select!`](crate::select!), and takes `&self`. One that is dropped, or loses
//! a select, has taken nothing and sent nothing, except where its page says otherwise. A task that waits here shows in
//! [dumps](crate::diag::dump) as "IO wait", with the peer's address and the line that waits.
//!
//! ```
//! use gochan::net::{TcpListener, TcpStream};
//! use gochan::select;
//! use std::time::Duration;
//!
//! # gochan::run(async {
//! let listener = TcpListener::bind("127.0.0.1:0")?;
//! let client = TcpStream::connect(listener.local_addr()).await?;
//! let (peer, _) = listener.accept().await?;
//! client.write_all(b"hello").await?;
//! let mut buf = [0; 16];
//! select! {
//!     n = peer.read(&mut buf) => assert_eq!(&buf[..n?], b"hello"),
//!     _ = gochan::sleep(Duration::from_secs(60)) => panic!("nothing came"),
//! }
//! # Ok::<(), std::io::Error>(())
//! # }).unwrap();
//! ```
//!
//! # Who wakes whom
//!
//! There is no thread for sockets: the workers of the runtime look after them, as Go's do. A socket belongs to the runtime
//! in which it was made: that of the worker or [`block_on`](crate::Runtime::block_on) that makes it. One that is made
//! anywhere else, in a task of another executor or on a plain thread, belongs to the default runtime, which is started for
//! it; its workers then wake whoever waits. When a runtime ends, its sockets go on with another one.
//!
//! # Other crates
//!
//! Streams and their halves implement `futures-io`'s `AsyncRead` and `AsyncWrite`; tokio's traits with the feature
//! `tokio-io`, hyper's with the feature `hyper`. All of them implement [`AsFd`](std::os::fd::AsFd): options that have no
//! method here are set with `socket2::SockRef`.
// Inside, in reading order: `socket` is a descriptor and its registration, `future` the one future of all operations, `stream`,
// `listener` and `udp` the operations, `methods` their public face, `tcp`, `tcp_listener` and `unix` the types, `halves` and
// `traits` other shapes of a stream, `lookup` and `error` what they are. The poller and the waiting are `rt`'s.

mod error;
mod future;
mod halves;
#[cfg(feature = "hyper")]
pub mod hyper;
mod listener;
mod lookup;
mod methods;
mod socket;
mod stream;
mod tcp;
mod tcp_listener;
#[cfg(feature = "tokio-io")]
mod tokio_io;
mod traits;
mod udp;
mod unix;

pub use self::future::IoFuture;
pub use self::halves::{OwnedReadHalf, OwnedWriteHalf, ReadHalf, ReuniteError, WriteHalf};
pub use self::lookup::{LookupHost, ToSocketAddrs, lookup_host};
pub use self::tcp::{Connect, Peek, TcpStream};
pub use self::tcp_listener::{Accept, TcpListener};
pub use self::udp::{Recv, RecvFrom, Send, UdpSocket};
pub use self::unix::{AcceptUnix, UnixListener, UnixStream};

/// Reading from a stream.
pub type Read<'a, S> = IoFuture<stream::ReadOp<'a, S>>;
/// Reading from a stream into several buffers.
pub type ReadVectored<'a, S> = IoFuture<stream::ReadVectoredOp<'a, S>>;
/// Reading from a stream until the buffer is full.
pub type ReadExact<'a, S> = IoFuture<stream::ReadExactOp<'a, S>>;
/// Waiting for something to read.
pub type Readable<'a, S> = IoFuture<stream::ReadableOp<'a, S>>;
/// Writing to a stream.
pub type Write<'a, S> = IoFuture<stream::WriteOp<'a, S>>;
/// Writing to a stream from several buffers.
pub type WriteVectored<'a, S> = IoFuture<stream::WriteVectoredOp<'a, S>>;
/// Writing all of a buffer to a stream.
pub type WriteAll<'a, S> = IoFuture<stream::WriteAllOp<'a, S>>;
/// Waiting for room to write.
pub type Writable<'a, S> = IoFuture<stream::WritableOp<'a, S>>;
