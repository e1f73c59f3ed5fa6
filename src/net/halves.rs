//! The two halves of a stream.
//!
//! What it is not: a way to read and write at once; a stream's own methods take `&self`. Halves are for those who want
//! something to call their own, and for I/O traits, which want `&mut`.

use std::fmt;
use std::net::Shutdown;
use std::ops::Deref;
use std::sync::Arc;

use super::stream::{Raw, Stream};
use super::traits::{ReadHandle, WriteHandle};
use crate::rt::{Wait, Way};

/// A stream that can be split.
#[doc(hidden)]
pub trait Duplex {
    type Raw: Raw;
    fn stream(&self) -> &Stream<Self::Raw>;
}

macro_rules! half {
    ($(#[$doc:meta])* $name:ident $(<$life:lifetime>)?, $stream:ty, $way:ident, $handle:ident, $part:ident, $end:expr) => {
        $(#[$doc])*
        pub struct $name<$($life,)? T: Duplex> {
            stream: $stream,
            /// Of the I/O traits.
            wait: Wait,
            /// Made whole again.
            reunited: bool,
        }

        impl<$($life,)? T: Duplex> $name<$($life,)? T> {
            pub(super) fn new(stream: $stream) -> Self {
                $name { stream, wait: Wait::default(), reunited: false }
            }
        }

        impl<$($life,)? T: Duplex> Deref for $name<$($life,)? T> {
            type Target = T;

            fn deref(&self) -> &T {
                &self.stream
            }
        }

        #[allow(private_interfaces)]
        impl<$($life,)? T: Duplex> $handle for $name<$($life,)? T> {
            type Raw = T::Raw;

            fn $part(&mut self) -> (&Stream<T::Raw>, &mut Wait) {
                (self.stream.stream(), &mut self.wait)
            }
        }

        impl<$($life,)? T: Duplex> Drop for $name<$($life,)? T> {
            fn drop(&mut self) {
                let stream = self.stream.stream();
                stream.0.leave(Way::$way, &mut self.wait);
                let end: fn(&Stream<T::Raw>) = $end;
                if !self.reunited {
                    end(stream);
                }
            }
        }

        impl<$($life,)? T: Duplex + fmt::Debug> fmt::Debug for $name<$($life,)? T> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_tuple(stringify!($name)).field(&self.stream).finish()
            }
        }
    };
}

half!(
    /// The reading half of a stream, borrowed from it by `split`. All methods of the stream are there.
    ReadHalf<'a>, &'a T, Read, ReadHandle, reading, |_| ()
);
half!(
    /// The writing half of a stream, borrowed from it by `split`. All methods of the stream are there.
    WriteHalf<'a>, &'a T, Write, WriteHandle, writing, |_| ()
);
half!(
    /// The reading half of a stream, made by `into_split`. All methods of the stream are there.
    OwnedReadHalf, Arc<T>, Read, ReadHandle, reading, |_| ()
);
half!(
    /// The writing half of a stream, made by `into_split`. All methods of the stream are there.
    ///
    /// When it is dropped, the writing side of the stream is shut down: the peer reads to the end.
    OwnedWriteHalf, Arc<T>, Write, WriteHandle, writing,
    // It fails when the connection is over, which is as good.
    |stream| drop(stream.shutdown(Shutdown::Write))
);

pub(super) fn owned<T: Duplex>(stream: T) -> (OwnedReadHalf<T>, OwnedWriteHalf<T>) {
    let stream = Arc::new(stream);
    (
        OwnedReadHalf::new(Arc::clone(&stream)),
        OwnedWriteHalf::new(stream),
    )
}

/// The halves are not of one stream: see [`OwnedReadHalf::reunite`].
#[derive(Debug)]
pub struct ReuniteError<T: Duplex>(pub OwnedReadHalf<T>, pub OwnedWriteHalf<T>);

impl<T: Duplex> fmt::Display for ReuniteError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the halves are of different streams")
    }
}

impl<T: Duplex + fmt::Debug> std::error::Error for ReuniteError<T> {}

impl<T: Duplex> OwnedReadHalf<T> {
    /// Makes the stream whole again.
    ///
    /// # Errors
    ///
    /// If `write` is the half of another stream: both come back.
    ///
    /// ```
    /// # gochan::run(async {
    /// use gochan::net::UnixStream;
    /// let (a, b) = UnixStream::pair()?;
    /// let (reader, writer) = a.into_split();
    /// let a = reader.reunite(writer).unwrap();
    /// a.write_all(b"x").await?;
    /// assert_eq!(b.read(&mut [0; 2]).await?, 1);
    /// # Ok::<(), std::io::Error>(())
    /// # }).unwrap();
    /// ```
    pub fn reunite(mut self, mut write: OwnedWriteHalf<T>) -> Result<T, ReuniteError<T>> {
        if !Arc::ptr_eq(&self.stream, &write.stream) {
            return Err(ReuniteError(self, write));
        }
        (self.reunited, write.reunited) = (true, true);
        let stream = Arc::clone(&self.stream);
        drop((self, write));
        Ok(Arc::into_inner(stream).expect("the two halves were all there was"))
    }
}
