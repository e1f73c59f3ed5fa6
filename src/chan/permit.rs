//! The right to send one value.

use super::HChan;
use crate::error::SendError;
use crate::wait::wakes::Wakes;

/// One place of a channel, kept for one value: from [`Sender::reserve`](crate::Sender::reserve).
///
/// Dropped unused it gives the place to the next sender. Leaked (`mem::forget`), it keeps the place for ever, and
/// nothing worse.
#[must_use = "a permit that is dropped gives its place away"]
pub struct Permit<'a, T> {
    chan: &'a HChan<T>,
}

impl<'a, T> Permit<'a, T> {
    pub(super) fn new(chan: &'a HChan<T>) -> Self {
        Permit { chan }
    }

    /// Sends the value, without a wait.
    ///
    /// At capacity 0 the place is a receiver that waits; if it has left meanwhile, the next receive takes the value.
    ///
    /// # Errors
    /// The channel was closed meanwhile; the value comes back.
    pub fn send(self, value: T) -> Result<(), SendError<T>> {
        let chan = self.chan;
        std::mem::forget(self);
        let mut wakes = Wakes::new();
        let sent = chan
            .object
            .lock()
            .send_reserved(&chan.gate, value, &mut wakes);
        wakes.fire();
        sent
    }
}

impl<T> Drop for Permit<'_, T> {
    fn drop(&mut self) {
        let mut wakes = Wakes::new();
        self.chan
            .object
            .lock()
            .unreserve(&self.chan.gate, &mut wakes);
        wakes.fire();
    }
}

impl<T> std::fmt::Debug for Permit<'_, T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Permit").field(self.chan).finish()
    }
}
