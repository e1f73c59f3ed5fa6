//! What the keeper, the one sleeping worker that sleeps with a timeout, looks after: timers, and workers stuck in a poll.
//!
//! What it is not: a thread (Go's sysmon is one, `src/runtime/proc.go`). A runtime whose workers are all busy needs no
//! watching: each looks at the timers itself, and nobody is there who could take over.
//!
//! A task in `runnext` is its worker's alone: it is handed over without a fence and nobody is woken for it. When its
//! worker then stays in one long poll, the keeper takes it. Stuck means: the same tick at two looks.
//!
//! 1. Looks are 50 us apart and then twice as far each time, up to 10 ms, while nothing moves them back: an idle worker
//!    beside a busy one costs a hundred short wakes a second.

use std::time::{Duration, Instant};

use super::shared::Shared;
use crate::task::Runnable;

const SHORTEST: Duration = Duration::from_micros(50);
const LONGEST: Duration = Duration::from_millis(10);

/// The looks of one sleep.
pub(super) struct Watch {
    slot: usize,
    interval: Duration,
    /// When to look again.
    look_at: Option<Instant>,
    /// The ticks at the last look.
    ticks: Vec<u32>,
    stuck: Option<usize>,
}

impl Watch {
    pub(super) fn new(slot: usize) -> Watch {
        Watch {
            slot,
            interval: SHORTEST,
            look_at: None,
            ticks: Vec::new(),
            stuck: None,
        }
    }

    /// Whether a timer is due, or a worker stuck that has something to give. For whoever is not the keeper: no.
    pub(super) fn is_due(&mut self, shared: &Shared) -> bool {
        if !shared.idle.is_keeper(self.slot) {
            return false;
        }
        let now = Instant::now();
        if shared.driver.next().is_some_and(|at| at <= now) {
            return true;
        }
        if self.look_at.is_some_and(|at| at <= now) {
            self.look_at = None;
            self.stuck = self.look(shared);
        }
        self.stuck.is_some()
    }

    /// How long to sleep.
    pub(super) fn timeout(&mut self, shared: &Shared) -> Option<Duration> {
        if !shared.idle.is_keeper(self.slot) {
            return None;
        }
        let watched = shared.idle.somebody_is_awake();
        let timer = shared.driver.next();
        if !watched && timer.is_none() {
            self.look_at = None;
            return None;
        }
        let now = Instant::now();
        if !watched {
            self.look_at = None;
        } else if self.look_at.is_none() {
            self.look_at = now.checked_add(self.interval);
            self.interval = (self.interval * 2).min(LONGEST);
        }
        let until = [timer, self.look_at].into_iter().flatten().min();
        until.map(|at| at.saturating_duration_since(now))
    }

    /// A worker that has not moved since the last look and has something to give.
    fn look(&mut self, shared: &Shared) -> Option<usize> {
        let ticks: Vec<_> = shared.queues.iter().map(|queue| queue.tick()).collect();
        let before = std::mem::replace(&mut self.ticks, ticks);
        let moved = |slot: usize| before.get(slot) != self.ticks.get(slot);
        let mut others = (0..self.ticks.len()).filter(|&slot| slot != self.slot);
        others.find(|&slot| !moved(slot) && shared.queues[slot].has_next())
    }

    /// The task that the stuck worker would have run next.
    pub(super) fn take_stuck(&mut self, shared: &Shared) -> Option<Runnable> {
        shared.queues[self.stuck.take()?].steal_next()
    }
}
