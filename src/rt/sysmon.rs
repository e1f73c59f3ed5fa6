//! The monitor: a thread of the runtime that works for no slot and watches those that do, as Go's `sysmon` (`src/runtime/proc.go`).
//!
//! What it is not: a timer, or a place to run tasks. It only looks, and moves what is held up.
//!
//! What it does about the poll that a slot is in, by how long that has lasted:
//! ```text
//! two looks, in a call of `blocking`   another thread takes the slot over (Go's `retake` of a P in a system call)
//! two looks            if its worker is the keeper of timers and sockets, a sleeping one takes over from it
//! two looks            the task in `runnext`, which else is its worker's alone, goes to the global queue if a worker sleeps
//! LONG                 another thread takes the slot over: ring, `runnext`, timers (Go preempts; a future cannot be)
//! -                    sockets are looked at if no worker has for 10 ms
//! LONG, then 10 times  the long poll is told: to subscribers, and to dumps for as long as it lasts
//! ```
//!
//! 1. It looks from outside: at the record of the task that a slot polls, which is never unmapped. The same record with the same
//!    task and number of polls at two looks means the same poll in between. Polls pay nothing for it.
//! 2. Nothing foreign runs on its thread: what subscribers are to know goes to the [`teller`](super::teller), wakers that are not
//!    ours to a worker ([`left`](super::left)).
//! 3. Its looks are 20 us to 10 ms apart, as Go's: short ones after it had something to do, for a while. While all workers sleep
//!    it sleeps too ([`nap`](super::nap)), unless a poll goes on beside them: it says what time it is (`clock::stamp`).
//! 4. A poll whose slot was taken over is watched until it is over, by its record alone.

use std::time::{Duration, Instant};

use super::core::Core;
use super::debug::{Debug, debug};
use super::parker::Parker;
use super::schedtrace::Trace;
use super::shared::Shared;
use super::teller::{News, Teller};
use super::threads::{AbortOnPanic, Seated, Threads};
use crate::clock;
use crate::hook::record::{Record, State};
use crate::hook::{self, LongPoll, LongPollCause, ObjId, long};
use crate::shim::{Arc, ThreadId};
use crate::task;
use crate::wait::wakes::Wakes;

const SHORTEST: Duration = Duration::from_micros(20);
const LONGEST: Duration = Duration::from_millis(10);
/// The first look after a nap.
const AFTER_NAP: Duration = Duration::from_millis(1);
/// So many looks in vain, and it looks less often.
const PATIENCE: u32 = 50;
/// So many looks in vain at workers that all sleep, and it sleeps too. Whoever wakes often need not wake it each time.
const BEFORE_NAP: u32 = 3;
/// A poll that lasts longer holds others up.
const LONG: Duration = Duration::from_millis(10);
/// A timer that is due for longer is somebody else's to fire.
const LATE: Duration = Duration::from_millis(1);

pub(super) struct Sysmon {
    shared: Arc<Shared>,
    looks: Vec<Look>,
    stuck: Vec<Stuck>,
    pace: Pace,
    debug: Debug,
    teller: Teller,
    /// When it began to trace, and when the next line is due.
    traced: Option<(Instant, Instant)>,
}

/// One poll of one task.
#[derive(Clone, Copy)]
struct Poll {
    record: &'static Record,
    task: ObjId,
    number: u64,
}

/// What was seen of a slot.
#[derive(Clone, Copy, Default)]
struct Look {
    poll: Option<Poll>,
    /// Since when that poll has been seen.
    since: Option<Instant>,
    /// The thread that is at it, and its processor time then.
    thread: Option<(ThreadId, Duration)>,
    /// The blocking call that its thread is in.
    call: Option<u32>,
}

/// A long poll.
struct Stuck {
    poll: Poll,
    since: Instant,
    thread: Option<(ThreadId, Duration)>,
    taken_over: bool,
    /// When it is told for the next time.
    tell_after: Duration,
}

impl Poll {
    fn of(record: &'static Record) -> Poll {
        Poll {
            record,
            task: record.id(),
            number: record.polls(),
        }
    }

    fn is_same(&self, other: &Poll) -> bool {
        std::ptr::eq(self.record, other.record)
            && self.task == other.task
            && self.number == other.number
    }

    /// Whether it goes on, and its thread is in it of its own: not in a call of `blocking`, say.
    fn lasts(&self) -> bool {
        self.is_same(&Poll::of(self.record)) && self.record.state() == State::Running
    }
}

// === the thread ===

impl Sysmon {
    pub(super) fn new(shared: Arc<Shared>) -> Sysmon {
        Sysmon {
            shared,
            looks: Vec::new(),
            stuck: Vec::new(),
            pace: Pace::default(),
            debug: debug(),
            teller: Teller::new(),
            traced: None,
        }
    }

    pub(super) fn run(mut self) {
        let _bomb = AbortOnPanic;
        let parker = Parker::new();
        self.shared.idle.nap.enter(&parker);
        while !self.shared.is_closing() {
            self.sleep(&parker);
            clock::tell_all();
            let now = Instant::now();
            let mut busy = false;
            self.looks.resize(self.shared.slots.span(), Look::default());
            for slot in 0..self.looks.len() {
                busy |= self.look(slot, now);
            }
            Threads::call_again(&self.shared);
            self.look_at_timers(now);
            self.look_at_sockets();
            self.tell(now);
            self.trace(now);
            self.pace.done(busy, self.shared.idle.somebody_is_awake());
        }
        for stuck in &self.stuck {
            long::over(stuck.poll.task);
        }
    }

    fn sleep(&mut self, parker: &Parker) {
        let idle = &self.shared.idle;
        if self.pace.is_over() && self.stuck.is_empty() && !idle.somebody_is_awake() {
            self.looks.fill(Look::default());
            let is_awake = || idle.somebody_is_awake() || self.shared.is_closing();
            idle.nap.deep(parker, self.trace_in(), is_awake);
            self.pace.start(AFTER_NAP);
        } else {
            let long = self.pace.delay > SHORTEST * 4;
            let delay = self.pace.delay.min(self.trace_in().unwrap_or(LONGEST));
            let delay = delay.min(self.timer_in().unwrap_or(LONGEST));
            if idle.nap.short(parker, delay, long) {
                self.pace.start(SHORTEST);
            }
        }
    }

    // === a look ===

    /// True: something was moved.
    fn look(&mut self, slot: usize, now: Instant) -> bool {
        let queue = &self.shared.slots.at(slot).queue;
        let poll = queue.polled().map(Poll::of);
        let look = &mut self.looks[slot];
        let same = poll
            .zip(look.poll)
            .is_some_and(|(new, old)| new.is_same(&old));
        if !same {
            *look = Look {
                poll,
                since: Some(now),
                ..Look::default()
            };
            return false;
        }
        let lasted = look
            .since
            .map_or(Duration::ZERO, |since| now.saturating_duration_since(since));
        if look.thread.is_none() {
            look.thread = cpu_time(&self.shared, slot);
        }
        // First: the slot may not be to be had, and then somebody else has to look after timers and sockets.
        self.shared.idle.relieve(slot);
        if lasted >= LONG {
            return self.take_over(slot);
        }
        self.retake_call(slot) || self.free_next(slot)
    }

    /// Hands the slot of a thread off that has been in the same blocking call for two looks. As in Go not if nobody would have
    /// anything to do with it.
    fn retake_call(&mut self, slot: usize) -> bool {
        let shared = &self.shared;
        let Some(seat) = shared.threads.seat_of(slot) else {
            return false;
        };
        let call = seat.taker.call();
        let same = call.is_some() && self.looks[slot].call == call;
        self.looks[slot].call = call;
        let wanted = shared.has_work() || shared.slots.at(slot).queue.has_next();
        let still = || seat.taker.holds_slot(slot) && seat.taker.call() == call;
        same && (wanted || !shared.idle.somebody_sleeps()) && self.retake(slot, &seat, still)
    }

    /// Gives a task that only its stuck worker may run to those who have nothing to do.
    fn free_next(&self, slot: usize) -> bool {
        let shared = &self.shared;
        let queue = &shared.slots.at(slot).queue;
        // A queue without thieves is not to be stolen from; nobody could run the task either.
        if queue.is_alone() || !shared.idle.somebody_sleeps() {
            return false;
        }
        let Some(task) = queue.steal_next() else {
            // What lies in the ring may have been queued without a wake: its worker was to get to it soon.
            if queue.len() > 0 {
                shared.idle.wake_one();
            }
            return false;
        };
        shared.inject.push(task);
        shared.idle.wake_one();
        true
    }

    /// Hands the slot of a thread that is stuck to another one.
    fn take_over(&mut self, slot: usize) -> bool {
        let Some(seat) = self.shared.threads.seat_of(slot) else {
            return false;
        };
        let poll = self.looks[slot].poll;
        let still = || {
            let lasts = poll.is_some_and(|poll| poll.is_same(&Poll::of(poll.record)));
            lasts && seat.taker.holds_slot(slot)
        };
        let taken_over = self.retake(slot, &seat, still);
        if !taken_over && let Some(poll) = self.looks[slot].poll {
            // No thread for it, or the poll has just ended. If not, it is told all the same.
            self.watch(slot, poll, false);
            self.free_next(slot);
        }
        taken_over
    }

    /// Takes the core from where it is. From now on nobody sees by the slot what the thread does that had it.
    fn retake(&mut self, slot: usize, seat: &Seated, still: impl FnOnce() -> bool) -> bool {
        let polled = |core: &Core| core.polled().map(Poll::of);
        // The call that it is in, or where the task was spawned that does not end its poll.
        let seen = self.looks[slot]
            .poll
            .and_then(|poll| poll.record.snapshot());
        let site = seen.and_then(|seen| seen.wait.and_then(|wait| wait.site).or(seen.spawned));
        let Some(poll) = Threads::retake(&self.shared, &seat.taker, still, site, polled) else {
            return false;
        };
        if let Some(poll) = poll {
            // It may be a later one than that which was looked at.
            self.watch(slot, poll, true);
        }
        self.looks[slot] = Look::default();
        true
    }

    /// Watches a poll by its record.
    fn watch(&mut self, slot: usize, poll: Poll, taken_over: bool) {
        let look = &self.looks[slot];
        let seen = look.poll.is_some_and(|seen| seen.is_same(&poll));
        let since = look.since.filter(|_| seen).unwrap_or_else(Instant::now);
        let thread = look.thread.filter(|_| seen);
        let mut known = self.stuck.iter_mut();
        match known.find(|stuck| stuck.poll.is_same(&poll)) {
            Some(stuck) => stuck.taken_over = taken_over,
            None if poll.lasts() => self.stuck.push(Stuck {
                poll,
                since,
                thread,
                taken_over,
                tell_after: LONG,
            }),
            None => {}
        }
    }

    // === timers and sockets ===

    /// A keeper that has left for sockets looks after timers while it is awake; if it does not get to it, one that sleeps does.
    fn look_at_timers(&self, now: Instant) {
        let next = self.shared.driver.next();
        if next.is_some_and(|at| now.saturating_duration_since(at) >= LATE) {
            self.shared.idle.relieve_any();
        }
    }

    /// How long it is until the next timer is late, if its keeper is awake.
    fn timer_in(&self) -> Option<Duration> {
        if !self.shared.idle.keeper_is_awake() {
            return None;
        }
        let left = self
            .shared
            .driver
            .next()?
            .saturating_duration_since(Instant::now());
        Some(left + LATE)
    }

    /// If no worker has for a while. Tasks are queued at once; wakers that are not ours, and subscribers, might keep the monitor from its
    /// work, so a worker calls them.
    fn look_at_sockets(&self) {
        let Some(poller) = self.shared.poller.get().filter(|poller| poller.is_stale()) else {
            return;
        };
        let mut wakes = Wakes::new();
        poller.try_collect(&mut wakes);
        let foreign = wakes.split_off(task::is_own_waker);
        if wakes.are_silent(|_| true) {
            wakes.fire();
        } else {
            self.leave(wakes);
        }
        if !foreign.is_empty() {
            self.leave(foreign);
        }
    }

    fn leave(&self, wakes: Wakes) {
        self.shared.left.put(wakes);
        self.shared.idle.wake_one();
    }

    // === long polls ===

    /// Tells of the long polls whose time has come, and forgets those that are over.
    fn tell(&mut self, now: Instant) {
        let print = self.debug.longpoll;
        self.stuck.retain_mut(|stuck| {
            let lasts = stuck.poll.lasts();
            if !lasts {
                long::over(stuck.poll.task);
            } else if now.saturating_duration_since(stuck.since) >= stuck.tell_after
                && let Some(event) = stuck.note()
            {
                if print {
                    let text = format!("gochan: {event}\n");
                    self.teller.tell(&self.shared, News::Text(text));
                }
                if hook::on(hook::LONG_POLL) {
                    hook::long_poll_seen(&event);
                }
                if hook::is_subscribed(hook::LONG_POLL) {
                    self.teller.tell(&self.shared, News::LongPoll(event));
                }
            }
            lasts
        });
    }

    // === the trace ===

    /// Prints a line each period.
    fn trace(&mut self, now: Instant) {
        let Some(period) = self.debug.schedtrace else {
            return;
        };
        let (begun, next) = *self.traced.get_or_insert((now, now + period));
        if now < next {
            return;
        }
        self.traced = Some((begun, now + period));
        let trace = Trace {
            shared: &self.shared,
            at: now - begun,
            detail: self.debug.scheddetail,
        };
        let text = trace.to_string();
        self.teller.tell(&self.shared, News::Text(text));
    }

    /// How long it is to the next line.
    fn trace_in(&self) -> Option<Duration> {
        let period = self.debug.schedtrace?;
        Some(self.traced.map_or(period, |(_, next)| {
            next.saturating_duration_since(Instant::now())
        }))
    }
}

impl Stuck {
    /// Notes it for dumps, and returns what is to be told. `None`: it is over.
    fn note(&mut self) -> Option<LongPoll> {
        let lasted = self.since.elapsed();
        while self.tell_after <= lasted {
            self.tell_after *= 10;
        }
        let seen = self.poll.record.snapshot();
        let own = |seen: &hook::record::Snapshot| {
            seen.id == self.poll.task && seen.polls == self.poll.number
        };
        let (seen, cause) = (seen.filter(own)?, self.cause(lasted));
        Some(long::note(&seen, self.since, cause, self.taken_over))
    }

    /// What most of the time went to.
    fn cause(&self, lasted: Duration) -> Option<LongPollCause> {
        let (thread, before) = self.thread?;
        let ran = thread.cpu_time()?.saturating_sub(before);
        if ran * 2 >= lasted {
            return Some(LongPollCause::Running);
        }
        Some(match thread.wants_cpu()? {
            true => LongPollCause::Descheduled,
            false => LongPollCause::Asleep,
        })
    }
}

/// The thread that works for this slot, and how long it has run by now.
fn cpu_time(shared: &Shared, slot: usize) -> Option<(ThreadId, Duration)> {
    let thread = shared.threads.seat_of(slot)?.thread?;
    Some((thread, thread.cpu_time()?))
}

// === how often ===

struct Pace {
    delay: Duration,
    /// Looks in vain since it last was set.
    vain: u32,
    /// Looks since somebody was awake.
    alone: u32,
}

impl Default for Pace {
    fn default() -> Pace {
        Pace {
            delay: AFTER_NAP,
            vain: 0,
            alone: 0,
        }
    }
}

impl Pace {
    fn start(&mut self, delay: Duration) {
        *self = Pace {
            delay,
            ..Pace::default()
        };
    }

    /// A round of looks is done.
    fn done(&mut self, busy: bool, awake: bool) {
        self.alone = if awake { 0 } else { self.alone + 1 };
        if busy {
            return self.start(SHORTEST);
        }
        self.vain += 1;
        if self.vain > PATIENCE || self.delay >= AFTER_NAP {
            self.delay = (self.delay * 2).min(LONGEST);
        }
    }

    /// Whether it is time for a nap.
    fn is_over(&self) -> bool {
        self.alone >= BEFORE_NAP
    }
}
