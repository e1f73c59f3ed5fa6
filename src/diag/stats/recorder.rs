//! The recorder: counts in the table what the waist tells.
//!
//! 1. It listens while there is a [`Recording`]; what was counted stays.

use ::parking_lot::Mutex;

use super::table::Table;
use crate::clock;
use crate::hook::sink::{self, Place, Released, Sink};
use crate::hook::{Kind, MODE, ObjId, PARK, Park, READY, RELEASE, Ready, WaitClass, WaitReason};

pub(super) static TABLE: Table = Table::new();
static RECORDINGS: Mutex<usize> = Mutex::new(0);

/// Counts contention until the [`Recording`] is dropped: what is waited for in channels, selects, locks, groups, conditions and contexts. There may be several
/// recordings; they share what they see, and [`snapshot`](super::snapshot()) shows it, also afterwards.
///
/// It costs a look at a table for each wait that ends and for each lock that is given back. Its memory is limited: the thousand objects with the longest
/// waits have their own numbers, the others are counted by the place where they were made.
#[must_use = "dropping the recording ends it"]
pub fn record() -> Recording {
    let mut recordings = RECORDINGS.lock();
    *recordings += 1;
    if *recordings == 1 {
        sink::attach(Place::Stats, &Recorder, PARK | READY | RELEASE | MODE);
    }
    Recording(())
}

/// Contention is counted as long as this lives. See [`record`].
#[derive(Debug)]
#[must_use = "dropping the recording ends it"]
pub struct Recording(());

impl Drop for Recording {
    fn drop(&mut self) {
        let mut recordings = RECORDINGS.lock();
        *recordings -= 1;
        if *recordings == 0 {
            sink::attach(Place::Stats, &Recorder, 0);
        }
    }
}

/// Whether who waits so waits because of others who use the same thing.
pub(super) fn is_contention(reason: WaitReason) -> bool {
    matches!(reason.class(), WaitClass::Chan | WaitClass::Sync)
}

struct Recorder;

/// Whether it can be held.
fn is_lock(object: ObjId) -> bool {
    let kind = object.kind();
    matches!(kind, Kind::Mutex | Kind::RwMutex | Kind::Semaphore)
}

impl Sink for Recorder {
    /// The hold that it waits for ends before the wait does.
    fn park(&self, event: &Park<'_>, _: u64) {
        let arms = event.arms.iter().map(|arm| (arm.object, arm.made));
        let all = std::iter::once((event.object, event.made)).chain(arms);
        for (object, made) in all.filter(|(object, _)| is_lock(*object)) {
            TABLE.change(object, |entry| entry.made = entry.made.or(made));
        }
    }

    fn ready(&self, event: &Ready, _: u64) {
        if is_contention(event.reason) && !event.object.is_none() {
            TABLE.change(event.object, |entry| {
                entry.made = entry.made.or(event.made);
                entry.contention.add_wait(event);
            });
        }
    }

    fn release(&self, event: &Released, now: u64) {
        TABLE.change_known(event.object, |entry| {
            let held = clock::ticks_to_ns(now.saturating_sub(event.since));
            entry.contention.add_hold(event.acquired, held);
        });
    }

    fn mode(&self, object: ObjId, _: u64) {
        TABLE.change(object, |entry| entry.contention.mode_switches += 1);
    }
}
