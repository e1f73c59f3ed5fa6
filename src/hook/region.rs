//! Regions: what a task says that it is doing, in the words of its program.
//!
//! What it is not: part of a task's record. A region is a hold (`holder`), of a thing that nobody waits for: a dump finds
//! it at any time, and it ends on whatever thread its guard is dropped.
//!
//! ```text
//! tag of a region:   Kind::Region | a number of the thread's own, 38 bits | number of the name, 16 bits
//! ```
//!
//! 1. Of two regions of a task that began at the same time, as far as the clock tells, they began on the same thread, and
//!    the inner one has the higher number.

use std::cell::Cell;
use std::panic::Location;

use super::holder::{Hold, Holding};
use super::intern::NAMES;
use super::object::{Kind, ObjId};
use crate::clock;

type Site = &'static Location<'static>;

const NAME_BITS: u32 = 16;
const ORDER: u64 = (1 << 38) - 1;

thread_local! {
    static NEXT: Cell<u64> = const { Cell::new(0) };
}

/// A region that has begun.
#[derive(Debug)]
#[must_use = "a region that is not closed is shown for ever"]
pub(crate) struct Open(Hold);

/// A region as a reader sees it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Seen {
    pub(crate) who: ObjId,
    pub(crate) name: &'static str,
    pub(crate) site: Option<Site>,
    /// When it began, in ticks.
    pub(crate) since: u64,
    order: u64,
}

/// Whoever runs here begins a region; `name` is a number of [`NAMES`].
#[inline]
pub(crate) fn open(name: u16, site: Site) -> Open {
    let order = NEXT.with(|next| next.replace(next.get().wrapping_add(1))) & ORDER;
    let number = order << NAME_BITS | u64::from(name);
    // Holds go by the thread's last reading. A task's regions may begin on different threads and are shown in their order: so this
    // is one.
    clock::ticks();
    Open(Hold::acquired(ObjId::of(Kind::Region, number), site))
}

/// As [`open`], for a region of which no place is known.
#[cfg(feature = "tracing")]
pub(crate) fn open_nowhere(name: u16) -> Open {
    open(name, nowhere())
}

/// Stands for no place.
fn nowhere() -> Site {
    #[track_caller]
    fn here() -> Site {
        Location::caller()
    }
    here()
}

impl Open {
    /// Who began it.
    pub(crate) fn who(&self) -> ObjId {
        self.0.who()
    }

    /// Any thread may.
    #[inline]
    pub(crate) fn close(self) {
        self.0.released();
    }
}

impl Seen {
    /// The region that `held` is; `None` if it is something else.
    pub(crate) fn of(held: &Holding) -> Option<Seen> {
        if held.what.kind() != Kind::Region {
            return None;
        }
        let number = held.what.number();
        Some(Seen {
            who: held.who,
            name: NAMES.get(number as u16).unwrap_or("?"),
            site: held.site.filter(|site| *site != nowhere()),
            since: held.since,
            order: number >> NAME_BITS,
        })
    }

    /// Outermost first.
    pub(crate) fn rank(&self) -> (u64, u64) {
        (self.since, self.order)
    }
}
