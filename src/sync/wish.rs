//! What lies in a queue for one who waits to be handed something: the note that it will hold it.
//!
//! What it is not: the hold. Until it is [`granted`](Wish::granted) no dump shows it; dropped, it is as if it had never
//! been.

use crate::hook::ObjId;
use crate::hook::holder::Hold;
use std::panic::Location;

/// The note of one who waits, made before it is queued.
#[derive(Debug, Default)]
pub struct Wish(Option<Hold>);

impl Wish {
    /// Whoever runs here is about to wait for `id`.
    pub(super) fn wanted(id: ObjId, site: &'static Location<'static>) -> Wish {
        Wish(Some(Hold::wanted(id, site)))
    }

    /// Whoever runs here has it already.
    pub(super) fn acquired(id: ObjId, site: &'static Location<'static>) -> Wish {
        Wish(Some(Hold::acquired(id, site)))
    }

    /// It is handed over: for whoever does, under the lock of the object.
    pub(super) fn granted(&self) {
        self.0.iter().for_each(Hold::granted);
    }

    /// The note, for the guard.
    pub(super) fn take(&mut self) -> Hold {
        self.0.take().expect("who waited has a note")
    }
}

impl Drop for Wish {
    #[inline(always)]
    fn drop(&mut self) {
        if let Some(note) = self.0.take() {
            note.released();
        }
    }
}
