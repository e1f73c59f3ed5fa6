//! The poller: how the workers of one runtime learn that a socket has become readable or writable. Go's netpoll.
//!
//! What it is not: a thread. The workers look into it:
//!
//! ```text
//! who                                        how                                            Go
//! the keeper, the one sleeping worker        waits in it until the next timer ([`Poller::sleep`])   `netpoll(delay)`
//!   that sleeps with a timeout
//! a searching worker, at each turn           without waiting ([`Poller::try_collect`])              `netpoll(0)` in `findRunnable`
//! a busy worker, when it looks at timers     without waiting, 0.5 ms after the last look            -
//! whoever watches busy workers               without waiting, if nobody has for a while             sysmon
//!   ([`Poller::is_stale`])
//! ```
//! The others sleep as without sockets. It is made when the first socket is registered ([`Place`]); until then the workers
//! load a word that says so, where they have nothing to do or look at the time.
//!
//! Nouns: a *source* ([`Source`]) is a registered socket; its *token* is its place in `sources`, and what the system
//! gives back with an event. Whoever waits for the source is woken as by anything else: its task goes to the run queue of
//! the worker that looked, and to the global queue if that was no worker.
//!
//! Invariants
//! 1. One thread at a time is in the system's call: it has the [`Turn`] of `engine`, for which nobody waits. Locks in order: `sources`, a
//!    source's.
//! 2. No foreign code under a lock: wakers are collected, and fired by the caller, who has left the poller by then.
//! 3. Every source in `sources` is registered with the system, for changes in both directions, from [`add`](Poller::add) to
//!    [`remove`](Poller::remove) or [`shut`](Poller::shut).
//! 4. A token may have been given to another socket since the system reported it. Then that one is told of
//!    something that is not so, tries, and waits again: readiness is a hint.
//! 5. The interrupt is written only while the keeper is in here ([`Parker`]). What it leaves behind when the keeper leaves
//!    for another reason at that moment ends one later wait for nothing.
//!
//! `mio` rather than `polling`: one system call a look, edges, and no timer descriptor to be set each time.

use std::os::fd::{AsFd, BorrowedFd, RawFd};
use std::sync::OnceLock;
use std::time::Duration;
use std::{fmt, io};

use mio::event::Event;
use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Registry, Token, Waker as Alarm};
use rustix::event::{PollFd, PollFlags, Timespec};
use slab::Slab;

use super::parker::Parker;
use super::source::{Source, Way};
use super::turn::Turn;
use crate::clock;
use crate::shim::{Arc, AtomicU64, Mutex, Ordering::Relaxed};
use crate::wait::wakes::Wakes;

/// Until a keeper that finds somebody else in the poller tries again.
const BUSY: Duration = Duration::from_micros(50);
/// Events taken in one look; what is more comes with the next.
const EVENTS: usize = 256;
/// A busy worker looks that often at most.
const DUE_NS: u64 = 500_000;
/// The token of the interrupt.
const INTERRUPT: Token = Token(usize::MAX);
/// A sleep that is shorter ends to the microsecond, a longer one at first to the millisecond.
const FINE: Duration = Duration::from_millis(10);

/// As in Go's sysmon.
const STALE_NS: u64 = 10_000_000;

/// The poller's place in a runtime, empty at first.
pub(super) struct Place(OnceLock<Arc<Poller>>);

/// The poller of one runtime.
pub(crate) struct Poller {
    registry: Registry,
    engine: Turn<Engine>,
    alarm: std::sync::Arc<Alarm>,
    sources: Mutex<Sources>,
    /// When somebody last looked, in ticks.
    looked: AtomicU64,
}

struct Engine {
    poll: Poll,
    events: Events,
}

#[derive(Default)]
struct Sources {
    slab: Slab<std::sync::Arc<Source>>,
    shut: bool,
}

// === impl Place ===

impl Place {
    pub(super) const fn new() -> Place {
        Place(OnceLock::new())
    }

    /// The poller, if there are sockets.
    #[inline]
    pub(super) fn get(&self) -> Option<&Poller> {
        self.0.get().map(|poller| &**poller)
    }

    /// The poller, made now if there was none: then the keeper has to be told.
    pub(super) fn get_or_make(&self) -> io::Result<(&Arc<Poller>, bool)> {
        if let Some(poller) = self.0.get() {
            return Ok((poller, false));
        }
        let new = Poller::new()?;
        Ok((self.0.get_or_init(|| new), true))
    }
}

// === impl Poller ===

impl Poller {
    fn new() -> io::Result<Arc<Poller>> {
        let poll = Poll::new()?;
        let registry = poll.registry().try_clone()?;
        let alarm = std::sync::Arc::new(Alarm::new(&registry, INTERRUPT)?);
        let events = Events::with_capacity(EVENTS);
        Ok(Arc::new(Poller {
            registry,
            engine: Turn::new(Engine { poll, events }),
            alarm,
            sources: Mutex::new(Sources::default()),
            looked: AtomicU64::new(clock::ticks()),
        }))
    }

    /// Registers a socket. `None`: the runtime is at its end, look for another.
    pub(crate) fn add(
        &self,
        fd: RawFd,
        source: &std::sync::Arc<Source>,
    ) -> io::Result<Option<usize>> {
        let mut sources = self.sources.lock();
        if sources.shut {
            return Ok(None);
        }
        let token = sources.slab.insert(std::sync::Arc::clone(source));
        // Under the lock: with `shut` it is either registered and led astray, or refused.
        let both = Interest::READABLE | Interest::WRITABLE;
        let added = self
            .registry
            .register(&mut SourceFd(&fd), Token(token), both);
        if let Err(error) = added {
            drop(sources.slab.try_remove(token));
            return Err(error);
        }
        Ok(Some(token))
    }

    /// Takes a socket out, before its descriptor is closed.
    pub(crate) fn remove(&self, fd: RawFd, token: usize) {
        let mut sources = self.sources.lock();
        if sources.shut {
            return;
        }
        // Fails if the descriptor is none any more, which was not our doing.
        let _ = self.registry.deregister(&mut SourceFd(&fd));
        let gone = sources.slab.try_remove(token);
        drop(sources);
        drop(gone);
    }

    /// The runtime has no workers any more: all sockets are to go to another poller.
    pub(super) fn shut(&self) {
        let mut sources = self.sources.lock();
        sources.shut = true;
        let astray = std::mem::take(&mut sources.slab);
        drop(sources);
        for (_, source) in astray {
            source.go_astray();
        }
    }

    /// Whether its sockets are to go elsewhere.
    pub(crate) fn is_shut(&self) -> bool {
        self.sources.lock().shut
    }

    // === looking ===

    /// Looks without waiting, unless somebody else is at it: who was waited for goes to `wakes`.
    pub(super) fn try_collect(&self, wakes: &mut Wakes) {
        self.engine
            .try_with(|engine| self.look(engine, Some(Duration::ZERO), wakes));
    }

    /// Waits until there is an event, `parker` is woken or nudged, or the time is over. True: woken.
    pub(super) fn sleep(
        &self,
        parker: &Parker,
        timeout: Option<Duration>,
        wakes: &mut Wakes,
    ) -> bool {
        let busy = timeout.map_or(BUSY, |left| left.min(BUSY));
        parker.park_polling(
            &self.engine,
            busy,
            || {
                let alarm = std::sync::Arc::clone(&self.alarm);
                // It fails only when the counter behind it is full: then the poller returns anyway.
                Box::new(move || drop(alarm.wake()))
            },
            |engine| self.wait(engine, timeout, wakes),
        )
    }

    /// The system rounds a wait up to milliseconds. So most of it is slept as it comes, and what is left then to the point.
    fn wait(&self, engine: &mut Engine, timeout: Option<Duration>, wakes: &mut Wakes) {
        match timeout {
            Some(left) if left < FINE => {
                nap(self.registry.as_fd(), left);
                self.look(engine, Some(Duration::ZERO), wakes);
            }
            Some(long) => {
                let whole =
                    Duration::from_millis(u64::try_from(long.as_millis()).unwrap_or(u64::MAX));
                self.look(engine, Some(whole), wakes);
            }
            None => self.look(engine, None, wakes),
        }
    }

    fn look(&self, engine: &mut Engine, timeout: Option<Duration>, wakes: &mut Wakes) {
        let Engine { poll, events } = engine;
        match poll.poll(events, timeout) {
            Ok(()) if events.is_empty() => {}
            Ok(()) => self.report(events, wakes),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            // The descriptor is ours and good: this is the end of the world, and to go on would be to spin.
            Err(error) => panic!("the poller failed: {error}"),
        }
        self.looked.store(clock::ticks(), Relaxed);
    }

    fn report(&self, events: &Events, wakes: &mut Wakes) {
        let sources = self.sources.lock();
        let all = events.iter().filter(|event| event.token() != INTERRUPT);
        for event in all {
            if let Some(source) = sources.slab.get(event.token().0) {
                tell(source, event, wakes);
            }
        }
    }

    /// Whether a busy worker should look: what waits in its queue goes before what has just come, but not for long.
    pub(super) fn is_due(&self) -> bool {
        clock::ns_since(self.looked.load(Relaxed)) >= DUE_NS
    }

    /// Whether nobody has looked for a while. For whoever watches the workers.
    pub(super) fn is_stale(&self) -> bool {
        clock::ns_since(self.looked.load(Relaxed)) >= STALE_NS
    }
}

fn tell(source: &Source, event: &Event, wakes: &mut Wakes) {
    let (no_more_in, no_more_out) = (event.is_read_closed(), event.is_write_closed());
    let error = event.is_error();
    if event.is_readable() || no_more_in || error {
        source.way(Way::Read).report(no_more_in, wakes);
    }
    if event.is_writable() || no_more_out || error {
        source.way(Way::Write).report(no_more_out, wakes);
    }
}

/// Waits for an event, without taking it.
fn nap(poller: BorrowedFd<'_>, timeout: Duration) {
    let timeout = Timespec {
        tv_sec: i64::try_from(timeout.as_secs()).unwrap_or(i64::MAX),
        tv_nsec: timeout.subsec_nanos().into(),
    };
    // A signal ends it early, and the caller looks at the time again.
    let _ = rustix::event::poll(
        &mut [PollFd::from_borrowed_fd(poller, PollFlags::IN)],
        Some(&timeout),
    );
}

impl fmt::Debug for Poller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sources = self.sources.try_lock().map(|s| s.slab.len());
        f.debug_struct("Poller").field("sockets", &sources).finish()
    }
}
