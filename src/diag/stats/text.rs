//! The statistics as text: the classes with the longest waits, two lines or more each.
//!
//! ```text
//! gochan contention: 512 waits for 7 objects, 3.2s together
//! mutex made at src/main.rs:20: 300 waits, 2.9s together, half below 8.1ms, 99% below 14ms, longest 15ms
//!     1 object, 2 waiting now, at most 7 in the queue, 12 handed over, 3 mode changes
//!     held 400 times from src/main.rs:30, 3.1s together, half below 8.0ms, longest 15ms
//! ```

use std::fmt::{self, Display, Formatter};
use std::time::Duration;

use super::contention::{Contention, Holds};
use super::snapshot::{ClassStats, Stats};
use crate::diag::words::{At, Count, Time};

/// Classes that are told.
const TOLD: usize = 10;

impl Display for Stats {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let sum = |of: fn(&ClassStats) -> u64| self.classes.iter().map(of).sum::<u64>();
        let waits = sum(|class| class.contention.waits) + self.others.waits;
        let classes = self.classes.iter().map(|class| class.contention.wait_total);
        let total = classes.sum::<Duration>() + self.others.wait_total;
        writeln!(
            f,
            "gochan contention: {} for {}, {} together",
            Count(waits as usize, "wait"),
            Count(sum(|class| class.objects) as usize, "object"),
            time(total),
        )?;
        for class in self.classes.iter().take(TOLD) {
            write!(f, "{class}")?;
        }
        match self.classes.len().saturating_sub(TOLD) {
            0 => Ok(()),
            more => writeln!(f, "and {more} more places"),
        }
    }
}

impl Display for ClassStats {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.kind)?;
        if let Some(site) = self.made {
            write!(f, " made at {}", At(site))?;
        }
        let sum = &self.contention;
        write!(f, ": {}", Count(sum.waits as usize, "wait"))?;
        if sum.waits > 0 {
            let (half, most) = (sum.wait_times.quantile(0.5), sum.wait_times.quantile(0.99));
            write!(f, ", {} together", time(sum.wait_total))?;
            write!(f, ", half below {}, 99% below {}", time(half), time(most))?;
            write!(f, ", longest {}", time(sum.wait_max))?;
        }
        write!(f, "\n\t{}", Count(self.objects as usize, "object"))?;
        write!(f, ", {} waiting now", self.waiting)?;
        numbers(sum, f)?;
        sum.holds.iter().try_for_each(|holds| held(holds, f))
    }
}

fn numbers(sum: &Contention, f: &mut Formatter<'_>) -> fmt::Result {
    if sum.depth_max > 0 {
        write!(f, ", at most {} in the queue", sum.depth_max)?;
    }
    if sum.hand_overs > 0 {
        write!(f, ", {} handed over", sum.hand_overs)?;
    }
    match sum.mode_switches {
        0 => writeln!(f),
        n => writeln!(f, ", {}", Count(n as usize, "mode change")),
    }
}

fn held(holds: &Holds, f: &mut Formatter<'_>) -> fmt::Result {
    write!(f, "\theld {}", Count(holds.count as usize, "time"))?;
    match holds.site {
        Some(site) => write!(f, " from {}", At(site))?,
        None => write!(f, " from elsewhere")?,
    }
    let half = holds.times.quantile(0.5);
    write!(
        f,
        ", {} together, half below {}",
        time(holds.total),
        time(half)
    )?;
    writeln!(f, ", longest {}", time(holds.max))
}

fn time(time: Duration) -> Time {
    Time(u64::try_from(time.as_nanos()).unwrap_or(u64::MAX))
}
