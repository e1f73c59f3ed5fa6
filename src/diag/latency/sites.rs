//! Where the tasks were spawned that kept a worker to themselves for too long, and how many polls of each did.
//!
//! 1. At most [`MOST`] places are kept apart; what comes later is counted under no place.

use std::collections::HashMap;
use std::panic::Location;

use ::parking_lot::Mutex;

use crate::hook::{LongPoll, ObjId};

type Site = Option<&'static Location<'static>>;

const MOST: usize = 256;

#[derive(Default)]
struct Counted {
    by_site: HashMap<Site, u64>,
    /// The number of the poll that was counted last, of each task: it is told again while it lasts.
    last: HashMap<ObjId, u64>,
}

static COUNTED: Mutex<Option<Counted>> = Mutex::new(None);

/// How many polls lasted for more than 10 ms, by the place where their tasks were spawned: those that came while latencies
/// were [recorded](super::record), most first. `None` for the place: it is not known, or there were too many.
///
/// ```
/// assert!(gochan::diag::latency::long_polls().is_empty());
/// ```
pub fn long_polls() -> Vec<(Option<&'static Location<'static>>, u64)> {
    let counted = COUNTED.lock();
    let counts = counted.iter().flat_map(|counted| &counted.by_site);
    let mut counts: Vec<_> = counts.map(|(site, count)| (*site, *count)).collect();
    counts.sort_by_key(|(site, count)| (std::cmp::Reverse(*count), *site));
    counts
}

/// A poll is too long, told for the first time or again.
pub(super) fn count(event: &LongPoll) {
    let mut counted = COUNTED.lock();
    let counted = counted.get_or_insert_default();
    if counted.last.len() >= MOST {
        counted.last.clear();
    }
    if counted.last.insert(event.task, event.number) == Some(event.number) {
        return;
    }
    let sites = &mut counted.by_site;
    let known = sites.len() < MOST || sites.contains_key(&event.spawned);
    *sites.entry(event.spawned.filter(|_| known)).or_default() += 1;
}
