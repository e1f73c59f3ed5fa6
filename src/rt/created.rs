//! What threads were started for, in all runtimes of the process together, also in those that are gone.
//!
//! What it is not: a list of threads. It counts, by reasons and places.

use std::panic::Location;

use ::parking_lot::Mutex;

type Site = &'static Location<'static>;

/// Why a thread was started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reason {
    /// A runtime was built.
    Worker,
    /// A worker was taken over from a blocking call, or from a task that would not end its poll.
    Spare,
    /// The monitor of a runtime that was built.
    Monitor,
}

/// Threads that were started for one reason in one place.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Created {
    pub(crate) reason: Reason,
    pub(crate) site: Site,
    pub(crate) count: u64,
}

static CREATED: Mutex<Vec<Created>> = Mutex::new(Vec::new());

/// One more.
pub(super) fn count(reason: Reason, site: Site) {
    let mut created = CREATED.lock();
    let mut known = created.iter_mut();
    match known.find(|known| known.reason == reason && known.site == site) {
        Some(known) => known.count += 1,
        None => created.push(Created {
            reason,
            site,
            count: 1,
        }),
    }
}

/// All that were ever started.
pub(crate) fn all() -> Vec<Created> {
    CREATED.lock().clone()
}
