//! The methods that TCP and Unix streams share, written once, each with its documentation.
//!
//! What it is not: code that does anything; that is in `stream`.

/// For a type that holds a `Stream` in `stream` and two `Wait`s in `read` and `write`. `$pair` makes two of them, `a` and
/// `b`, connected with each other, in an example.
macro_rules! stream_methods {
    ($type:ident, $raw:ty, $pair:literal) => {
        impl $type {
            /// Reads what there is, at most what fits into `buf`, and waits while there is nothing. Zero is the end of the
            /// stream: the peer has shut down its writing side.
            ///
            /// Any number of tasks may read at once: each byte goes to one of them.
            ///
            /// # Cancellation
            ///
            /// A read that is dropped, or loses a select, has taken nothing from the stream.
            ///
            /// # Errors
            ///
            /// The system's, such as a reset by the peer; [`TimedOut`](std::io::ErrorKind::TimedOut) when the
            /// [deadline](Self::set_read_deadline) passes.
            ///
            /// # Examples
            ///
            /// ```
            /// # gochan::run(async {
            #[doc = $pair]
            /// a.write_all(b"ping").await?;
            /// let mut buf = [0; 16];
            /// let n = b.read(&mut buf).await?;
            /// assert_eq!(&buf[..n], b"ping");
            /// # Ok::<(), std::io::Error>(())
            /// # }).unwrap();
            /// ```
            #[track_caller]
            pub fn read<'a>(&'a self, buf: &'a mut [u8]) -> Read<'a, $raw> {
                IoFuture::new(ReadOp::new(&self.stream, buf))
            }

            /// As [`read`](Self::read), into several buffers in turn.
            ///
            /// # Cancellation
            ///
            /// As for `read`.
            ///
            /// # Errors
            ///
            /// As for `read`.
            #[track_caller]
            pub fn read_vectored<'a>(
                &'a self,
                bufs: &'a mut [IoSliceMut<'a>],
            ) -> ReadVectored<'a, $raw> {
                IoFuture::new(ReadVectoredOp::new(&self.stream, bufs))
            }

            /// Reads until `buf` is full.
            ///
            /// # Cancellation
            ///
            /// What a dropped one had read is in the buffer, and how much that was is not known. In a `select!` use
            /// [`read`](Self::read).
            ///
            /// # Errors
            ///
            /// As for `read`, and [`UnexpectedEof`](std::io::ErrorKind::UnexpectedEof) if the stream ends before.
            #[track_caller]
            pub fn read_exact<'a>(&'a self, buf: &'a mut [u8]) -> ReadExact<'a, $raw> {
                IoFuture::new(ReadExactOp::new(&self.stream, buf, 0))
            }

            /// Writes as much of `buf` as the system takes now, and waits while it takes nothing. Returns how much it took.
            ///
            /// # Cancellation
            ///
            /// A write that is dropped, or loses a select, has written nothing.
            ///
            /// # Errors
            ///
            /// The system's, such as [`BrokenPipe`](std::io::ErrorKind::BrokenPipe) when the peer is gone;
            /// [`TimedOut`](std::io::ErrorKind::TimedOut) when the [deadline](Self::set_write_deadline) passes.
            ///
            /// # Examples
            ///
            /// ```
            /// # gochan::run(async {
            #[doc = $pair]
            /// assert_eq!(a.write(b"ping").await?, 4);
            /// # drop(b);
            /// # Ok::<(), std::io::Error>(())
            /// # }).unwrap();
            /// ```
            #[track_caller]
            pub fn write<'a>(&'a self, buf: &'a [u8]) -> Write<'a, $raw> {
                IoFuture::new(WriteOp::new(&self.stream, buf))
            }

            /// As [`write`](Self::write), from several buffers in turn.
            ///
            /// # Cancellation
            ///
            /// As for `write`.
            ///
            /// # Errors
            ///
            /// As for `write`.
            #[track_caller]
            pub fn write_vectored<'a>(
                &'a self,
                bufs: &'a [IoSlice<'a>],
            ) -> WriteVectored<'a, $raw> {
                IoFuture::new(WriteVectoredOp::new(&self.stream, bufs))
            }

            /// Writes all of `buf`, as Go's `Conn.Write` does.
            ///
            /// # Cancellation
            ///
            /// A dropped one may have written a part, and how much that was is not known. In a `select!` use
            /// [`write`](Self::write).
            ///
            /// # Errors
            ///
            /// As for `write`.
            #[track_caller]
            pub fn write_all<'a>(&'a self, buf: &'a [u8]) -> WriteAll<'a, $raw> {
                IoFuture::new(WriteAllOp::new(&self.stream, buf, 0))
            }

            /// Waits until there is something to read, or the end of the stream.
            ///
            /// # Cancellation
            ///
            /// It takes nothing in any case.
            ///
            /// # Errors
            ///
            /// [`TimedOut`](std::io::ErrorKind::TimedOut) when the deadline passes.
            #[track_caller]
            pub fn readable(&self) -> Readable<'_, $raw> {
                IoFuture::new(ReadableOp::new(&self.stream))
            }

            /// Waits until a write would not have to wait.
            ///
            /// # Cancellation
            ///
            /// It writes nothing in any case.
            ///
            /// # Errors
            ///
            /// [`TimedOut`](std::io::ErrorKind::TimedOut) when the deadline passes.
            #[track_caller]
            pub fn writable(&self) -> Writable<'_, $raw> {
                IoFuture::new(WritableOp::new(&self.stream))
            }

            /// Shuts down reading, writing, or both, for all who use the stream. Those who wait are woken: reads find the
            /// end of the stream, writes an error.
            ///
            /// # Errors
            ///
            /// The system's.
            ///
            /// ```
            /// # gochan::run(async {
            #[doc = $pair]
            /// a.shutdown(std::net::Shutdown::Write)?;
            /// assert_eq!(b.read(&mut [0; 16]).await?, 0);
            /// # Ok::<(), std::io::Error>(())
            /// # }).unwrap();
            /// ```
            pub fn shutdown(&self, how: Shutdown) -> io::Result<()> {
                self.stream.shutdown(how)
            }

            /// Until when reads may wait: those that wait at that moment, and all later ones, fail with
            /// [`TimedOut`](std::io::ErrorKind::TimedOut), even if there is something to read. Another deadline, or `None`,
            /// brings the stream back to life. As Go's `SetReadDeadline`; a moment in the past is a way to end the
            /// reads of others.
            ///
            /// ```
            /// use std::io::ErrorKind;
            /// use std::time::{Duration, Instant};
            ///
            /// # gochan::run(async {
            #[doc = $pair]
            /// b.set_read_deadline(Some(Instant::now() + Duration::from_millis(5)));
            /// let late = b.read(&mut [0; 16]).await.unwrap_err();
            /// assert_eq!(late.kind(), ErrorKind::TimedOut);
            /// assert_eq!(late.to_string(), "i/o timeout");
            ///
            /// b.set_read_deadline(None);
            /// a.write_all(b"still here").await?;
            /// assert_eq!(b.read(&mut [0; 16]).await?, 10);
            /// # Ok::<(), std::io::Error>(())
            /// # }).unwrap();
            /// ```
            pub fn set_read_deadline(&self, at: Option<Instant>) {
                self.stream.set_deadline(&[Way::Read], at);
            }

            /// Until when writes may wait. See [`set_read_deadline`](Self::set_read_deadline).
            pub fn set_write_deadline(&self, at: Option<Instant>) {
                self.stream.set_deadline(&[Way::Write], at);
            }

            /// Until when reads and writes may wait. See [`set_read_deadline`](Self::set_read_deadline).
            pub fn set_deadline(&self, at: Option<Instant>) {
                self.stream.set_deadline(&[Way::Read, Way::Write], at);
            }

            /// Splits the stream into a half that reads and one that writes, for functions that want one of them
            /// by `&mut`. The methods of the stream itself need no halves: they take `&self`.
            ///
            /// ```
            /// # gochan::run(async {
            #[doc = $pair]
            /// let (reader, writer) = a.split();
            /// gochan::go(async move { b.write_all(b"hello").await });
            /// writer.write_all(b"good day").await?;
            /// assert_eq!(reader.read(&mut [0; 16]).await?, 5);
            /// # Ok::<(), std::io::Error>(())
            /// # }).unwrap();
            /// ```
            pub fn split(&self) -> (ReadHalf<'_, $type>, WriteHalf<'_, $type>) {
                (ReadHalf::new(self), WriteHalf::new(self))
            }

            /// As [`split`](Self::split), into halves that can go to different tasks. When the writing one is dropped, the
            /// writing side of the stream is shut down.
            pub fn into_split(self) -> (OwnedReadHalf<$type>, OwnedWriteHalf<$type>) {
                halves::owned(self)
            }
        }

        impl AsFd for $type {
            fn as_fd(&self) -> BorrowedFd<'_> {
                self.stream.0.io().as_fd()
            }
        }

        impl AsRawFd for $type {
            fn as_raw_fd(&self) -> RawFd {
                self.stream.0.io().as_raw_fd()
            }
        }

        impl fmt::Debug for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                let socket = self.stream.0.source();
                f.debug_tuple(stringify!($type)).field(socket).finish()
            }
        }

        impl Duplex for $type {
            type Raw = $raw;

            fn stream(&self) -> &Stream<$raw> {
                &self.stream
            }
        }

        #[allow(private_interfaces)]
        impl ReadHandle for $type {
            type Raw = $raw;

            fn reading(&mut self) -> (&Stream<$raw>, &mut Wait) {
                (&self.stream, &mut self.read)
            }
        }

        #[allow(private_interfaces)]
        impl WriteHandle for $type {
            type Raw = $raw;

            fn writing(&mut self) -> (&Stream<$raw>, &mut Wait) {
                (&self.stream, &mut self.write)
            }
        }
    };
}
pub(super) use stream_methods;
