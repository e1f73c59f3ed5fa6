//! What lies in a queue for one who waits to be handed something: the note that it will hold it.
//!
//! What it is not: the hold. Until it is [`granted`](Wish::granted) no dump shows it; dropped, it is as if it had never
//! been.

use crate::hook::ObjId;
use crate::hook::holder::Hold;
use std::panic::Location;

/// The note of one who waits, made before it is queued.
#[derive(Debug, Default)]
pub struct Wish {
    note: Option<Hold>,
    /// It was woken, without being given anything, to look for itself.
    nudged: bool,
}

impl Wish {
    /// Whoever runs here is about to wait for `id`, at `now` in ticks.
    pub(super) fn wanted(id: ObjId, site: &'static Location<'static>, now: u64) -> Wish {
        Wish::acquired(Hold::wanted(id, site, now))
    }

    /// It is there already.
    pub(super) fn acquired(note: Hold) -> Wish {
        let (note, nudged) = (Some(note), false);
        Wish { note, nudged }
    }

    /// It is handed over at `now`: for whoever does, under the lock of the object.
    pub(super) fn granted(&self, now: u64) {
        self.note.iter().for_each(|note| note.granted(now));
    }

    /// The note, for the guard.
    pub(super) fn take(&mut self) -> Hold {
        self.note.take().expect("who waited has a note")
    }

    /// Since when it waits, in ticks.
    pub(super) fn since(&self) -> u64 {
        self.note.as_ref().map_or(u64::MAX, Hold::since)
    }

    pub(super) fn nudge(&mut self) {
        self.nudged = true;
    }

    pub(super) fn is_nudged(&self) -> bool {
        self.nudged
    }

    /// Whether it was nudged; it is no more.
    pub(super) fn unnudge(&mut self) -> bool {
        std::mem::take(&mut self.nudged)
    }
}

impl Drop for Wish {
    #[inline(always)]
    fn drop(&mut self) {
        if let Some(note) = self.note {
            note.given_up();
        }
    }
}
