//! Thresholds: rules that say when something is wrong, who is told, and [`health`](Watch::health) for a load balancer.
//!
//! What it is not: a diagnosis. A rule compares a number with a limit; what is behind it, a [`dump`](super::dump()) says.
//!
//! ```
//! use gochan::diag::watch::{Change, Rule, Watch};
//! use std::time::Duration;
//!
//! let watch = Watch::builder()
//!     .rule(Rule::tasks_above(10_000))
//!     .rule(Rule::wait_above(Duration::from_secs(30)))
//!     .rule(Rule::lock_held_above(Duration::from_secs(5)))
//!     .subscribe(|alert| match alert.change {
//!         Change::Raised => eprintln!("{alert}\n{}", gochan::diag::dump()),
//!         Change::Cleared => eprintln!("{alert}"),
//!     })
//!     .start()?;
//! assert!(watch.health().is_ok());
//! # Ok::<(), std::io::Error>(())
//! ```
//!
//! A rule that is broken is *raised* for its subject (a lock, a task, a place), and *cleared* when the number has fallen below
//! the rule's lower limit: in between nothing changes, so that a number that swings around a limit is told once. A subject
//! that comes back within the [cool-down](Builder::cool_down) is not told again, but is in the health all the same. As in
//! Erlang's `system_monitor`, with its pair of limits for `long_message_queue`, but for any number of subscribers.
//
// Inside: `rule` is a limit and what it is compared with, `observed` is one look at all tasks, `state` is what is raised.
// Here: the builder, the thread that looks.

use std::collections::VecDeque;
use std::fmt;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use ::parking_lot::Mutex;

mod observed;
mod rule;
mod state;

pub use self::rule::{Rule, Subject};
pub use self::state::{Alert, Change};

use self::observed::{Looks, Observed};
use self::state::State;
use super::trace::Trigger;

type Told = Box<dyn Fn(&Alert) + Send + Sync>;

/// What to watch, and whom to tell. From [`Watch::builder`].
#[must_use = "a builder does nothing until `start`"]
pub struct Builder {
    rules: Vec<Rule>,
    subscribers: Vec<Told>,
    every: Duration,
    cool_down: Duration,
}

impl Builder {
    /// Adds a rule.
    pub fn rule(mut self, rule: Rule) -> Builder {
        self.rules.push(rule);
        self
    }

    /// Tells `told` of every alert, on the watch's own thread. A panic of it goes to the panic hook and no further.
    pub fn subscribe(mut self, told: impl Fn(&Alert) + Send + Sync + 'static) -> Builder {
        self.subscribers.push(Box::new(told));
        self
    }

    /// Fires `trigger` when something is raised, with the alert as the reason: the recording of what led there is taken while it is
    /// still in memory. The trigger's own cool-down applies as well.
    ///
    /// ```
    /// use gochan::diag::{trace::Recorder, watch::{Rule, Watch}};
    /// use std::time::Duration;
    ///
    /// let recorder = Recorder::start().unwrap();
    /// let trigger = recorder.trigger(|reason, trace| eprintln!("{reason}: {:?}", trace.length()));
    /// let limit = Rule::long_poll_above(Duration::from_millis(50));
    /// let watch = Watch::builder().rule(limit).fire(&trigger).start()?;
    /// # drop(watch);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn fire(self, trigger: &Trigger) -> Builder {
        let trigger = trigger.clone();
        self.subscribe(move |alert| {
            if alert.change == Change::Raised {
                trigger.fire(&alert.to_string());
            }
        })
    }

    /// How often to look: once a second, if nothing else is said. A look costs the watch's thread some hundred nanoseconds a
    /// task, and the tasks nothing.
    ///
    /// # Panics
    ///
    /// If it is zero.
    pub fn every(mut self, period: Duration) -> Builder {
        assert!(!period.is_zero(), "a watch that never rests");
        self.every = period;
        self
    }

    /// For how long not to tell again of what was told: a minute, if nothing else is said.
    pub fn cool_down(mut self, time: Duration) -> Builder {
        self.cool_down = time;
        self
    }

    /// Begins to look, until the [`Watch`] is dropped.
    ///
    /// # Errors
    ///
    /// When no thread can be started.
    pub fn start(self) -> io::Result<Watch> {
        let latency = self.rules.iter().any(Rule::wants_latency);
        let shared = Arc::new(Shared {
            state: Mutex::new(State::new(self.rules, self.cool_down)),
            subscribers: self.subscribers,
            looks: Mutex::new(Looks::new(latency)),
            news: Mutex::default(),
        });
        let (stop, stopped) = mpsc::channel();
        let (watched, every) = (Arc::clone(&shared), self.every);
        let run = move || {
            while stopped.recv_timeout(every) == Err(RecvTimeoutError::Timeout) {
                watched.check();
            }
        };
        let thread = thread::Builder::new()
            .name("gochan-watch".into())
            .spawn(run)?;
        Ok(Watch {
            shared,
            stop: Some(stop),
            thread: Some(thread),
        })
    }
}

impl fmt::Debug for Builder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builder")
            .field("rules", &self.rules)
            .field("subscribers", &self.subscribers.len())
            .field("every", &self.every)
            .field("cool_down", &self.cool_down)
            .finish()
    }
}

/// Rules that are looked after, by a thread of its own that answers also when every worker is stuck.
///
/// Dropping it ends the thread, after the look that is under way.
#[must_use = "dropping the watch ends it"]
pub struct Watch {
    shared: Arc<Shared>,
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

struct Shared {
    state: Mutex<State>,
    subscribers: Vec<Told>,
    looks: Mutex<Looks>,
    news: Mutex<News>,
}

/// What is still to be told, oldest first.
#[derive(Default)]
struct News {
    alerts: VecDeque<Alert>,
    /// Somebody is at it, and will go on until there is nothing left.
    telling: bool,
}

impl Watch {
    /// A watch without rules yet.
    pub fn builder() -> Builder {
        Builder {
            rules: Vec::new(),
            subscribers: Vec::new(),
            every: Duration::from_secs(1),
            cool_down: Duration::from_secs(60),
        }
    }

    /// What was raised at the last look and has not been cleared since.
    ///
    /// ```
    /// use gochan::diag::watch::{Health, Rule, Watch};
    ///
    /// let watch = Watch::builder().rule(Rule::tasks_above(1_000_000)).start()?;
    /// let status = match watch.health() {
    ///     Health::Ok => 200,
    ///     Health::Degraded(_) => 503,
    /// };
    /// assert_eq!(status, 200);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn health(&self) -> Health {
        let raised = self.shared.state.lock().raised();
        match raised.is_empty() {
            true => Health::Ok,
            false => Health::Degraded(raised),
        }
    }

    /// Looks now, instead of waiting for the next time, and tells whoever is to be told on this thread. If another thread is
    /// just telling, that one goes on with these, so that everybody is told in the order in which things happened.
    pub fn check(&self) -> Health {
        self.shared.check();
        self.health()
    }
}

impl Shared {
    fn check(&self) {
        // Held for the whole look: two of them must not note their changes in another order than they saw them.
        let mut looks = self.looks.lock();
        let seen = looks.look();
        self.learn(&seen);
        drop(looks);
        self.tell();
    }

    fn learn(&self, seen: &Observed) {
        let alerts = self.state.lock().update(seen, Instant::now());
        self.news.lock().alerts.extend(alerts);
    }

    /// Tells all that is to be told, unless somebody is just doing so: one at a time, or the order would be lost. A subscriber may
    /// be the one that has looked.
    fn tell(&self) {
        if std::mem::replace(&mut self.news.lock().telling, true) {
            return;
        }
        while let Some(alert) = self.next() {
            self.subscribers
                .iter()
                .for_each(|told| guarded(told, &alert));
        }
    }

    fn next(&self) -> Option<Alert> {
        let mut news = self.news.lock();
        let next = news.alerts.pop_front();
        news.telling = next.is_some();
        next
    }
}

fn guarded(told: &Told, alert: &Alert) {
    // The panic hook has reported it. A payload that panics as it is dropped is given up.
    if let Err(payload) = catch_unwind(AssertUnwindSafe(|| told(alert))) {
        let drop = AssertUnwindSafe(|| drop(payload));
        let _ = catch_unwind(drop).map_err(std::mem::forget);
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        drop(self.stop.take());
        let Some(thread) = self.thread.take() else {
            return;
        };
        // A subscriber may be the one that drops it.
        if thread.thread().id() != thread::current().id() {
            // Its panics were caught: it ends well.
            let _ = thread.join();
        }
    }
}

impl fmt::Debug for Watch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watch")
            .field("health", &self.health())
            .finish_non_exhaustive()
    }
}

/// Whether anything is raised. From [`Watch::health`].
#[derive(Clone, Debug)]
pub enum Health {
    /// Nothing is.
    Ok,
    /// These are, oldest first.
    Degraded(Vec<Alert>),
}

impl Health {
    /// Whether nothing is raised.
    pub fn is_ok(&self) -> bool {
        matches!(self, Health::Ok)
    }
}

/// `ok`, or `degraded` and a line for each reason.
impl fmt::Display for Health {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Health::Ok => write!(f, "ok"),
            Health::Degraded(alerts) => {
                write!(f, "degraded")?;
                alerts.iter().try_for_each(|alert| write!(f, "\n{alert}"))
            }
        }
    }
}

#[cfg(all(test, not(gochan_loom)))]
mod tests;
