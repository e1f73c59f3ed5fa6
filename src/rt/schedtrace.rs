//! The scheduler's trace: Go's lines of `GODEBUG=schedtrace=N,scheddetail=1`, field for field, so that what reads Go's reads these.
//!
//! What it is not: a snapshot. The workers go on while it is written.
//!
//! Go's fields come first, in Go's order (`schedtrace` in `src/runtime/proc.go`); those of things that do not exist here are 0,
//! `false` or `nil`. Ours follow at the end of the line. A P is a slot, an M a thread, a G a task.

use std::fmt::{self, Display, Formatter};
use std::time::Duration;

use super::metrics::{self, RuntimeMetrics};
use super::shared::Shared;
use crate::hook::record::{Snapshot, State};
use crate::hook::{ObjId, WaitReason, registry};

/// One entry of the trace.
pub(super) struct Trace<'a> {
    pub(super) shared: &'a Shared,
    /// Since the first line.
    pub(super) at: Duration,
    pub(super) detail: bool,
}

impl Display for Trace<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let seen = metrics::of(self.shared);
        write!(
            f,
            "SCHED {}ms: gomaxprocs={} idleprocs={} threads={} spinningthreads={} needspinning=0 idlethreads={} runqueue={}",
            self.at.as_millis(),
            seen.workers.len(),
            seen.idle_workers,
            // The monitor is one, as Go's.
            seen.threads + 1,
            seen.searching_workers,
            seen.spare_threads + seen.idle_workers,
            seen.global_queue,
        )?;
        if self.detail {
            write!(
                f,
                " gcwaiting=false nmidlelocked=0 stopwait=0 sysmonwait=false"
            )?;
            ours(&seen, f)?;
            return self.details(&seen, f);
        }
        write!(f, " [")?;
        for worker in &seen.workers {
            write!(f, " {}", worker.queue)?;
        }
        write!(f, " ] schedticks=[ ")?;
        for worker in &seen.workers {
            write!(f, "{} ", worker.polls)?;
        }
        write!(f, "]")?;
        ours(&seen, f)
    }
}

/// What Go does not say.
fn ours(seen: &RuntimeMetrics, f: &mut Formatter<'_>) -> fmt::Result {
    let sum = |of: fn(&metrics::WorkerMetrics) -> u64| seen.workers.iter().map(of).sum::<u64>();
    writeln!(
        f,
        " tasks={} timers={} nexts={} yields={} steals={} misses={} overflows={} parks={}",
        seen.tasks,
        seen.timers,
        sum(|worker| worker.next_hits),
        sum(|worker| worker.yields),
        sum(|worker| worker.steals),
        sum(|worker| worker.steal_misses),
        sum(|worker| worker.overflows),
        sum(|worker| worker.parks),
    )
}

impl Trace<'_> {
    fn details(&self, seen: &RuntimeMetrics, f: &mut Formatter<'_>) -> fmt::Result {
        let seats = self.shared.threads.slots();
        let thread_of = |slot: usize| seats.iter().position(|seat| *seat == Some(slot));
        let running = |slot: usize| {
            let task = self.shared.slots.at(slot).queue.polled()?;
            (task.state() == State::Running).then(|| task.id())
        };
        for (slot, worker) in seen.workers.iter().enumerate() {
            let thread = thread_of(slot);
            let status = u8::from(thread.is_some());
            writeln!(
                f,
                "  P{slot}: status={status} schedtick={} syscalltick=0 m={} runqsize={} gfreecnt=0 timerslen={} nexts={} steals={} parks={} busy={}ms",
                worker.polls,
                Or(thread),
                worker.queue,
                // The timers are the runtime's, not a slot's.
                if slot == 0 { seen.timers } else { 0 },
                worker.next_hits,
                worker.steals,
                worker.parks,
                worker.busy.as_millis(),
            )?;
        }
        for (thread, slot) in seats.iter().enumerate() {
            let task = slot.and_then(running);
            writeln!(
                f,
                "  M{thread}: p={} curg={} mallocing=0 throwing=0 preemptoff= locks=0 dying=0 spinning=false blocked={} lockedg=nil",
                Or(*slot),
                Or(task.map(ObjId::number)),
                slot.is_none(),
            )?;
        }
        let mut tasks = Vec::new();
        registry::for_each(|record| tasks.extend(record.snapshot()));
        tasks.retain(|task| task.runtime == self.shared.id);
        tasks.sort_by_key(|task| task.id.number());
        for task in &tasks {
            let slot = (0..seen.workers.len()).find(|slot| running(*slot) == Some(task.id));
            let thread = slot.and_then(thread_of);
            let (status, reason) = status(task);
            let id = task.id.number();
            writeln!(
                f,
                "  G{id}: status={status}({reason}) m={} lockedm=nil",
                Or(thread)
            )?;
        }
        Ok(())
    }
}

/// Go's number of the state, and the reason of the wait.
fn status(task: &Snapshot) -> (u8, &'static str) {
    let reason = task
        .wait
        .as_ref()
        .map_or("", |wait| WaitReason::as_str(wait.reason));
    match task.state {
        State::Runnable => (1, reason),
        State::Running => (2, reason),
        State::Waiting => (4, reason),
        State::Free | State::Idle => (0, reason),
    }
}

/// A number, or Go's `nil`.
struct Or<T>(Option<T>);

impl<T: Display> Display for Or<T> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Some(number) => number.fmt(f),
            None => f.write_str("nil"),
        }
    }
}
