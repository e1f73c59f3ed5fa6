//! Channels: Go's, with two handle types, values that always come back, and operations that are futures.
//!
//! | file | noun |
//! |---|---|
//! | `hchan.rs` | the state under the lock and its straight-line cases |
//! | `gate.rs`, `listed.rs` | what it shows without the lock |
//! | `ring.rs` | the buffer |
//! | `slot.rs` | a value on its way, in a sudog |
//! | `ops.rs` | the waiting operations and their futures |
//! | `sender.rs`, `receiver.rs`, `weak.rs`, `permit.rs`, `iter.rs`, `stream.rs` | what users hold |
//!
//! A channel serves tasks of this runtime, tasks of any other executor and plain threads at the same time: an
//! operation knows only the `Waker` of whoever polls it.

mod gate;
mod hchan;
mod iter;
mod listed;
mod ops;
mod permit;
mod receiver;
mod ring;
mod sender;
mod slot;
mod stream;
mod weak;

use std::marker::PhantomPinned;
use std::panic::Location;

use crate::hook::Kind;
use crate::hook::listed::Listing;
use crate::shim::{Arc, AtomicUsize, Ordering::*};
use crate::wait::lock::Object;
use crate::wait::op::Look;
use crate::wait::wakes::Wakes;
use gate::Gate;
use hchan::Inner;
use ring::{Buf, Ring};

pub use iter::{Drain, IntoIter, Iter, TryIter};
pub use ops::{ClosedFuture, RecvFuture, ReserveFuture, SendFuture};
pub use permit::Permit;
pub use receiver::{Receiver, RecvManyFuture};
pub use sender::Sender;
pub use stream::RecvStream;
pub use weak::{WeakReceiver, WeakSender};

/// A channel and the number of its handles. The handles share it through an `Arc`.
pub(crate) struct HChan<T> {
    /// First, so that it is dropped first.
    listing: Listing,
    gate: Gate,
    object: Object<Inner<T>>,
    cap: usize,
    senders: AtomicUsize,
    receivers: AtomicUsize,
    /// A dump reaches it by its address (see `listed.rs`).
    _pin: PhantomPinned,
}

/// Numbers of a channel at one moment, from [`Sender::stats`] or [`Receiver::stats`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ChanStats {
    /// Values that are there to be received.
    pub len: usize,
    /// Values that fit; `None`: without limit.
    pub capacity: Option<usize>,
    /// Values sent since the channel was made.
    pub sent: u64,
    /// Values received since the channel was made.
    pub received: u64,
    /// Sends that had to wait.
    pub send_waits: u64,
    /// Receives that had to wait.
    pub recv_waits: u64,
}

/// Makes a channel for `capacity` values; 0 makes a rendezvous: a send completes when a receiver has been given the
/// value.
///
/// Values and waiters are served first in, first out; nobody overtakes a queued waiter. Follows Go's `make(chan T, n)`
/// (runtime/chan.go), but for two things: the channel closes when its last sender is dropped, and a send to a closed
/// channel returns its value in an error.
///
/// ```
/// use gochan::chan;
/// let (tx, rx) = chan(2);
/// tx.send_blocking("a").unwrap();
/// tx.send_blocking("b").unwrap();
/// drop(tx);
/// assert_eq!(rx.iter().collect::<Vec<_>>(), ["a", "b"]);
/// ```
///
/// # Panics
/// If `capacity` values are more than the address space or the allocator can hold, with Go's words: "makechan: size out
/// of range".
#[track_caller]
pub fn chan<T>(capacity: usize) -> (Sender<T>, Receiver<T>) {
    // One value less than `unbounded` uses as its mark; only values of size zero get this far.
    let ring = Ring::new(capacity.min(usize::MAX - 1)).unwrap_or_else(|| {
        panic!(
            "makechan: size out of range: {capacity} values of {} bytes each",
            size_of::<T>()
        )
    });
    make(Buf::Ring(ring), Location::caller())
}

/// Makes a channel without limit: a send never waits. Memory follows the number of values and is given back when they
/// have been received.
///
/// ```
/// let (tx, rx) = gochan::unbounded();
/// for n in 0..1000 {
///     tx.try_send(n).unwrap();
/// }
/// assert_eq!(rx.drain().sum::<i32>(), 499_500);
/// ```
#[track_caller]
pub fn unbounded<T>() -> (Sender<T>, Receiver<T>) {
    make(Buf::unbounded(), Location::caller())
}

/// A receiver that never has anything and never closes: Go's nil channel.
///
/// ```
/// let rx = gochan::never::<u8>();
/// assert!(rx.try_recv().unwrap_err().is_empty());
/// ```
#[track_caller]
pub fn never<T>() -> Receiver<T> {
    let chan = HChan::new(Buf::none(), Location::caller());
    // The one sender that is counted is held by nobody, so the channel can never be closed from that side.
    Receiver {
        chan: Arc::new(chan),
    }
}

fn make<T>(buf: Buf<T>, made: &'static Location<'static>) -> (Sender<T>, Receiver<T>) {
    let chan = Arc::new(HChan::new(buf, made));
    (Sender { chan: chan.clone() }, Receiver { chan })
}

impl<T> HChan<T> {
    fn new(buf: Buf<T>, made: &'static Location<'static>) -> Self {
        let cap = buf.capacity();
        let object = Object::new(Inner::new(buf), Kind::Chan, made);
        HChan {
            listing: Listing::new(),
            gate: Gate::new(),
            object,
            cap,
            senders: AtomicUsize::new(1),
            receivers: AtomicUsize::new(1),
            _pin: PhantomPinned,
        }
    }

    #[inline(always)]
    fn look_to_send(&self) -> (bool, Look) {
        self.gate.look_to_send(self.cap)
    }

    #[inline(always)]
    fn look_to_recv(&self) -> (bool, Look) {
        self.gate.look_to_recv()
    }

    #[inline(always)]
    fn look_to_close(&self) -> (bool, Look) {
        self.gate.look_to_close()
    }

    fn is_closed(&self) -> bool {
        self.gate.look_to_close().0
    }

    fn capacity(&self) -> Option<usize> {
        (self.cap != usize::MAX).then_some(self.cap)
    }

    fn close(&self) -> bool {
        let mut wakes = Wakes::new();
        let first = self.object.lock().close(&self.gate, &mut wakes);
        wakes.fire();
        first
    }

    fn stats(&self) -> ChanStats {
        let inner = self.object.lock();
        let (sent, received) = inner.counts(&self.gate);
        ChanStats {
            len: self.gate.held_len(),
            capacity: self.capacity(),
            sent,
            received,
            send_waits: inner.send_waits,
            recv_waits: inner.recv_waits,
        }
    }

    /// A side's last handle is gone.
    fn drop_handle(&self, count: &AtomicUsize) -> bool {
        // ORDERING: AcqRel: the last one sees everything the others did with their handles.
        count.fetch_sub(1, AcqRel) == 1
    }

    #[cold]
    fn drop_last_receiver(&self) {
        let mut wakes = Wakes::new();
        let rest = {
            let mut inner = self.object.lock();
            inner.close(&self.gate, &mut wakes);
            inner.take_rest(&self.gate)
        };
        wakes.fire();
        // `T`'s drop is foreign code: it runs without the lock (rule R1).
        drop(rest);
    }
}

impl<T> std::fmt::Debug for HChan<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let id = self.object.id();
        let mut out = f.debug_struct("chan");
        out.field("id", &format_args!("{id}"));
        if let Some(name) = self.object.tag().name() {
            out.field("name", &name);
        }
        out.field("len", &self.gate.len())
            .field("closed", &self.is_closed())
            .finish_non_exhaustive()
    }
}

/// What senders and receivers can both say of their channel.
macro_rules! handle {
    ($name:ident, $count:ident) => {
        impl<T> $name<T> {
            /// Closes the channel. Values that are in it can still be received; sends fail; everybody who waits is
            /// told. False: it was closed before.
            ///
            /// Unlike Go's `close`, closing twice is no panic.
            pub fn close(&self) -> bool {
                self.chan.close()
            }

            /// Whether the channel is closed: by `close`, or because one side's last handle is gone.
            pub fn is_closed(&self) -> bool {
                self.chan.is_closed()
            }

            /// The number of values that are there to be received. Takes no lock.
            pub fn len(&self) -> usize {
                self.chan.gate.len()
            }

            /// Whether no value is there. Takes no lock.
            pub fn is_empty(&self) -> bool {
                self.len() == 0
            }

            /// Whether there is no room for another value. A rendezvous channel is always full, one without limit
            /// never.
            pub fn is_full(&self) -> bool {
                self.capacity().is_some_and(|cap| self.len() >= cap)
            }

            /// The number of values that fit; `None`: without limit.
            pub fn capacity(&self) -> Option<usize> {
                self.chan.capacity()
            }

            /// Whether two handles belong to one channel.
            pub fn same_channel(&self, other: &$name<T>) -> bool {
                Arc::ptr_eq(&self.chan, &other.chan)
            }

            /// The number of senders.
            pub fn sender_count(&self) -> usize {
                // ORDERING: Relaxed, a number that may be old when it is read.
                self.chan.senders.load(Relaxed)
            }

            /// The number of receivers.
            pub fn receiver_count(&self) -> usize {
                // ORDERING: Relaxed, a number that may be old when it is read.
                self.chan.receivers.load(Relaxed)
            }

            /// Gives the channel a name, which dumps and reports show.
            #[must_use]
            pub fn named(self, name: &str) -> Self {
                self.chan.object.tag().set_name(name);
                self
            }

            /// The channel's name.
            pub fn name(&self) -> Option<std::sync::Arc<str>> {
                self.chan.object.tag().name()
            }

            /// The channel's number, as dumps and hooks show it.
            pub fn id(&self) -> crate::hook::ObjId {
                self.chan.object.id()
            }

            /// What has happened on the channel.
            pub fn stats(&self) -> ChanStats {
                self.chan.stats()
            }
        }

        impl<T> Clone for $name<T> {
            fn clone(&self) -> Self {
                // ORDERING: Relaxed: this handle keeps the count above zero meanwhile.
                self.chan.$count.fetch_add(1, Relaxed);
                $name {
                    chan: self.chan.clone(),
                }
            }
        }

        impl<T> std::fmt::Debug for $name<T> {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.debug_tuple(stringify!($name)).field(&self.chan).finish()
            }
        }

        // A panic cannot leave the channel half-changed: no foreign code runs under its lock.
        impl<T> std::panic::UnwindSafe for $name<T> {}
        impl<T> std::panic::RefUnwindSafe for $name<T> {}
    };
}

handle!(Sender, senders);
handle!(Receiver, receivers);

#[cfg(all(test, gochan_loom))]
#[path = "tests/loom.rs"]
mod loom_models;

#[cfg(all(test, gochan_loom))]
#[path = "tests/loom_permit.rs"]
mod loom_permit_models;
