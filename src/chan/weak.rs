//! Handles that do not keep a channel open.

use super::{HChan, Receiver, Sender};
use crate::shim::{Arc, AtomicUsize, Ordering::*};

/// One more handle, unless the count has reached zero: a side that is gone stays gone.
fn one_more(count: &AtomicUsize) -> bool {
    // ORDERING: Relaxed: the count alone decides; the channel's state is reached through its lock.
    count
        .fetch_update(Relaxed, Relaxed, |n| (n > 0).then_some(n + 1))
        .is_ok()
}

macro_rules! weak {
    ($(#[$doc:meta])* $name:ident, $strong:ident, $count:ident) => {
        $(#[$doc])*
        pub struct $name<T> {
            pub(super) chan: Arc<HChan<T>>,
        }

        impl<T> $name<T> {
            #[doc = concat!("A [`", stringify!($strong), "`], if one is still alive.")]
            pub fn upgrade(&self) -> Option<$strong<T>> {
                one_more(&self.chan.$count).then(|| $strong { chan: self.chan.clone() })
            }
        }

        impl<T> Clone for $name<T> {
            fn clone(&self) -> Self {
                $name { chan: self.chan.clone() }
            }
        }

        impl<T> std::fmt::Debug for $name<T> {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.debug_tuple(stringify!($name)).field(&self.chan).finish()
            }
        }
    };
}

weak!(
    /// A sender that does not keep the channel open, from [`Sender::downgrade`].
    WeakSender,
    Sender,
    senders
);

weak!(
    /// A receiver that does not keep the channel open, from [`Receiver::downgrade`].
    WeakReceiver,
    Receiver,
    receivers
);

#[cfg(feature = "rt")]
impl<T> Sender<T> {
    /// Gives the handle up without closing the channel, which from now on only its receivers close. What it leaves can
    /// always be upgraded.
    pub(crate) fn leave_open(self) -> WeakSender<T> {
        // ORDERING: Relaxed: this handle keeps the count above zero, and what it adds is never taken away.
        self.chan.senders.fetch_add(1, Relaxed);
        self.downgrade()
    }
}

#[cfg(feature = "rt")]
impl<T> WeakSender<T> {
    pub(crate) fn is_closed(&self) -> bool {
        self.chan.is_closed()
    }
}
