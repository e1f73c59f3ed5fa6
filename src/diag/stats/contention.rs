//! What has happened to those who had to wait for something, and for how long it was held.
//!
//! What it is not: shared. It lies in a table, under that one's lock; what users get is a copy.
//!
//! 1. `waits` is the number of the waits counted in `wait_times`, and `wait_total` their sum.

use std::panic::Location;
use std::time::Duration;

use crate::hook::Ready;
use crate::sync::Histogram;

type Site = &'static Location<'static>;

/// Places of one object that have their own numbers; all further ones share the last.
const SITES: usize = 8;

/// Waits for something, and holds of it.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Contention {
    /// Operations that had to wait, and have come to the end of it.
    pub contended: u64,
    /// Waits that have ended: more than `contended` if some were woken for a lock that somebody else was faster to take.
    pub waits: u64,
    /// How long they took together.
    pub wait_total: Duration,
    /// The longest of them.
    pub wait_max: Duration,
    /// How often they took how long.
    pub wait_times: Histogram,
    /// The most that stood in its queue when one more came, that one included.
    pub depth_max: u32,
    /// Waits that ended with what was waited for in hand: a value, a permit, a lock. The others were woken to try again.
    pub hand_overs: u64,
    /// How often a lock went from one mode to the other: hand over to the first, or let newcomers in.
    pub mode_switches: u64,
    /// Of locks and permits: holds that have ended, by the place where they began, counted from the first wait on.
    pub holds: Vec<Holds>,
}

/// Holds that began in one place.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Holds {
    /// Where it was acquired. `None`: the places beyond the first few, together.
    pub site: Option<Site>,
    /// How many have ended.
    pub count: u64,
    /// How long they took together.
    pub total: Duration,
    /// The longest of them.
    pub max: Duration,
    /// How often they took how long.
    pub times: Histogram,
}

impl Contention {
    /// Operations on a lock or semaphore that got it, waiting or not, and have given it back. Not known of other things.
    ///
    /// ```
    /// assert_eq!(gochan::diag::stats::Contention::default().operations(), 0);
    /// ```
    pub fn operations(&self) -> u64 {
        self.holds.iter().map(|holds| holds.count).sum()
    }

    /// A wait has ended.
    pub(super) fn add_wait(&mut self, event: &Ready) {
        let waited = Duration::from_nanos(event.waited_ns);
        self.contended += u64::from(!event.more.again);
        self.waits += 1;
        self.wait_total += waited;
        self.wait_max = self.wait_max.max(waited);
        self.wait_times.count_one(event.waited_ns);
        self.depth_max = self.depth_max.max(event.more.depth);
        self.hand_overs += u64::from(event.more.handed);
    }

    /// A hold has ended.
    pub(super) fn add_hold(&mut self, site: Option<Site>, ns: u64) {
        let held = Duration::from_nanos(ns);
        let holds = self.holds_at(site);
        holds.count += 1;
        holds.total += held;
        holds.max = holds.max.max(held);
        holds.times.count_one(ns);
    }

    /// Adds what was counted elsewhere.
    pub(super) fn merge(&mut self, other: &Contention) {
        self.contended += other.contended;
        self.waits += other.waits;
        self.wait_total += other.wait_total;
        self.wait_max = self.wait_max.max(other.wait_max);
        self.wait_times.merge(&other.wait_times);
        self.depth_max = self.depth_max.max(other.depth_max);
        self.hand_overs += other.hand_overs;
        self.mode_switches += other.mode_switches;
        for theirs in &other.holds {
            let holds = self.holds_at(theirs.site);
            holds.count += theirs.count;
            holds.total += theirs.total;
            holds.max = holds.max.max(theirs.max);
            holds.times.merge(&theirs.times);
        }
    }

    fn holds_at(&mut self, site: Option<Site>) -> &mut Holds {
        let full = self.holds.len() >= SITES;
        let known = self.holds.iter().position(|holds| holds.site == site);
        let at = known.or_else(|| {
            let shared = self.holds.iter().position(|holds| holds.site.is_none());
            full.then(|| shared.unwrap_or(SITES))
        });
        let at = at.unwrap_or(self.holds.len());
        if at == self.holds.len() {
            let site = site.filter(|_| !full);
            self.holds.push(Holds {
                site,
                ..Holds::default()
            });
        }
        &mut self.holds[at]
    }
}

#[cfg(all(test, not(gochan_loom)))]
mod tests {
    use super::*;

    #[track_caller]
    fn here() -> Site {
        Location::caller()
    }

    fn sites() -> Vec<Site> {
        // Each in a column of its own.
        vec![
            here(),
            here(),
            here(),
            here(),
            here(),
            here(),
            here(),
            here(),
            here(),
            here(),
        ]
    }

    #[test]
    fn places_beyond_the_first_few_share_one() {
        let mut all = Contention::default();
        for (n, site) in sites().into_iter().enumerate() {
            all.add_hold(Some(site), n as u64);
            all.add_hold(Some(site), n as u64);
        }
        assert_eq!(all.holds.len(), SITES + 1);
        assert_eq!(all.operations(), 20);
        let shared = all.holds.last().unwrap();
        assert_eq!((shared.site, shared.count), (None, 4));
        assert_eq!(shared.total, Duration::from_nanos(2 * (8 + 9)));
        assert_eq!(shared.max, Duration::from_nanos(9));
    }

    #[test]
    fn what_is_merged_is_the_sum() {
        let (mut one, mut two) = (Contention::default(), Contention::default());
        let sites = sites();
        for (n, site) in sites.iter().enumerate() {
            one.add_hold(Some(site), 1);
            two.add_hold(Some(sites[sites.len() - 1 - n]), 2);
        }
        (one.depth_max, two.depth_max) = (3, 2);
        (one.waits, two.waits) = (5, 6);
        one.merge(&two);
        assert_eq!((one.depth_max, one.waits, one.operations()), (3, 11, 20));
        let total: Duration = one.holds.iter().map(|holds| holds.total).sum();
        assert_eq!(total, Duration::from_nanos(30));
        assert_eq!(one.holds.len(), SITES + 1, "no more than there may be");
    }
}
