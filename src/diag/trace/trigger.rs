//! What takes a snapshot when something is wrong, and not again and again while it is.

use std::cell::Cell;
use std::fmt;
#[cfg(all(unix, feature = "diag"))]
use std::io;
#[cfg(all(unix, feature = "diag"))]
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Weak};
use std::thread;
use std::time::{Duration, Instant};

use ::parking_lot::Mutex;

use super::recorder::Recorder;
use super::value::Trace;

/// Takes a snapshot of a [`Recorder`] when it is [fired](Trigger::fire), and gives it to a function of yours, with the reason.
///
/// After that it does nothing for a while, a minute unless [`cool_down`](Trigger::cool_down) says otherwise: what is wrong is often
/// wrong many times, and the first time tells most. Clones are the same trigger. The recorder runs for as long as there is one.
///
/// # Examples
///
/// ```
/// use gochan::diag::trace::Recorder;
///
/// let recorder = Recorder::start().unwrap();
/// let trigger = recorder.trigger(|reason, trace| {
///     eprintln!("{reason}: {} events in {:?}", trace.events().len(), trace.length());
///     # #[cfg(feature = "diag")]
///     std::fs::write(std::env::temp_dir().join("incident.pftrace"), trace.to_perfetto()).unwrap();
/// });
/// trigger.on_panic();
///
/// // An answer took too long:
/// assert!(trigger.fire("slow answer"));
/// assert!(!trigger.fire("slow answer"), "not yet again");
/// ```
#[derive(Clone)]
pub struct Trigger(Arc<Inner>);

std::thread_local! {
    /// The function runs on this thread: a panic of it is no reason to run it.
    static ACTING: Cell<bool> = const { Cell::new(false) };
}

type Act = dyn Fn(&str, &Trace) + Send + Sync;

struct Inner {
    recorder: Recorder,
    act: Box<Act>,
    state: Mutex<State>,
    #[cfg(all(unix, feature = "diag"))]
    signals: Mutex<Vec<Ear>>,
}

#[derive(Debug)]
struct State {
    cool_down: Duration,
    fired: Option<Instant>,
    /// How often it did something, and how often it was too early for that.
    count: u64,
    held_back: u64,
}

impl Recorder {
    /// What gives a snapshot to `act` when it is fired, together with the reason.
    ///
    /// ```
    /// let recorder = gochan::diag::trace::Recorder::start().unwrap();
    /// let trigger = recorder.trigger(|reason, trace| println!("{reason}: {:?}", trace.length()));
    /// trigger.fire("by hand");
    /// ```
    pub fn trigger(&self, act: impl Fn(&str, &Trace) + Send + Sync + 'static) -> Trigger {
        Trigger(Arc::new(Inner {
            recorder: self.clone(),
            act: Box::new(act),
            state: Mutex::new(State {
                cool_down: Duration::from_secs(60),
                fired: None,
                count: 0,
                held_back: 0,
            }),
            #[cfg(all(unix, feature = "diag"))]
            signals: Mutex::default(),
        }))
    }
}

impl Trigger {
    /// For how long nothing happens after it did something.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// let recorder = gochan::diag::trace::Recorder::start().unwrap();
    /// let trigger = recorder.trigger(|_, _| ()).cool_down(Duration::ZERO);
    /// assert!(trigger.fire("one") && trigger.fire("two"));
    /// ```
    #[must_use = "it is the trigger"]
    pub fn cool_down(self, cool_down: Duration) -> Trigger {
        self.0.state.lock().cool_down = cool_down;
        self
    }

    /// Takes a snapshot and runs the function, on this thread. False: it is too early after the last time.
    ///
    /// # Panics
    ///
    /// Those of the function come through.
    pub fn fire(&self, reason: &str) -> bool {
        self.0.fire(reason)
    }

    /// How often it did something, and how often it was too early for that.
    ///
    /// ```
    /// let recorder = gochan::diag::trace::Recorder::start().unwrap();
    /// let trigger = recorder.trigger(|_, _| ());
    /// trigger.fire("one");
    /// trigger.fire("two");
    /// assert_eq!(trigger.counts(), (1, 1));
    /// ```
    pub fn counts(&self) -> (u64, u64) {
        let state = self.0.state.lock();
        (state.count, state.held_back)
    }

    /// Fires at every panic, with its message as the reason: those of tasks, which are caught, too. The panic hook of before still
    /// runs, first. The function runs on a thread of its own, for which the one that panics waits: it must not need what that one may
    /// hold.
    ///
    /// It lasts as long as a clone of this trigger.
    pub fn on_panic(&self) {
        let trigger = Arc::downgrade(&self.0);
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            before(panic);
            if !ACTING.get() {
                fire_apart(&trigger, format!("{panic}"));
            }
        }));
    }

    /// Fires when the process is sent this signal, by its number: on a thread of its own, which is there as long as a clone of this
    /// trigger. The signal no longer does to the process what it does by default, and goes on not doing so afterwards.
    ///
    /// # Errors
    ///
    /// Those of the system, and signals that cannot be caught.
    ///
    /// # Panics
    ///
    /// If it is one of the signals of faults, or one of those that cannot be caught.
    #[cfg(all(unix, feature = "diag"))]
    #[cfg_attr(docsrs, doc(cfg(feature = "diag")))]
    pub fn on_signal(&self, signal: i32) -> io::Result<()> {
        let mut signals = signal_hook::iterator::Signals::new([signal])?;
        let handle = signals.handle();
        let trigger = Arc::downgrade(&self.0);
        let wait = move || {
            for signal in signals.forever() {
                let Some(trigger) = trigger.upgrade() else {
                    return;
                };
                // A panic was reported, and there may be more signals. A payload that panics as it is dropped is given up.
                let fire = AssertUnwindSafe(|| trigger.fire(&format!("signal {signal}")));
                if let Err(payload) = catch_unwind(fire) {
                    let drop = AssertUnwindSafe(|| drop(payload));
                    let _ = catch_unwind(drop).map_err(std::mem::forget);
                }
            }
        };
        let builder = thread::Builder::new().name("gochan-trigger".into());
        let thread = Some(builder.spawn(wait)?);
        self.0.signals.lock().push(Ear { handle, thread });
        Ok(())
    }
}

/// A thread that waits for a signal. It ends when this is dropped.
#[cfg(all(unix, feature = "diag"))]
struct Ear {
    handle: signal_hook::iterator::Handle,
    thread: Option<thread::JoinHandle<()>>,
}

#[cfg(all(unix, feature = "diag"))]
impl Drop for Ear {
    fn drop(&mut self) {
        self.handle.close();
        // It may be the one that was left with the last of the trigger.
        let thread = self.thread.take();
        if let Some(thread) = thread.filter(|it| it.thread().id() != thread::current().id()) {
            // Panics of the function were caught: it ends well.
            let _ = thread.join();
        }
    }
}

impl Inner {
    fn fire(&self, reason: &str) -> bool {
        if !self.state.lock().is_due() {
            return false;
        }
        (self.act)(reason, &self.recorder.snapshot());
        true
    }
}

impl State {
    fn is_due(&mut self) -> bool {
        let is_due = self
            .fired
            .is_none_or(|fired| fired.elapsed() >= self.cool_down);
        if is_due {
            self.fired = Some(Instant::now());
            self.count += 1;
        } else {
            self.held_back += 1;
        }
        is_due
    }
}

/// A panic of the function on a thread that panics already would be the end of the process.
fn fire_apart(trigger: &Weak<Inner>, reason: String) {
    let Some(trigger) = trigger.upgrade() else {
        return;
    };
    let fire = move || {
        ACTING.set(true);
        trigger.fire(&reason)
    };
    if let Ok(thread) = thread::Builder::new().spawn(fire) {
        let _ = thread.join();
    }
}

impl fmt::Debug for Trigger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (count, held_back) = self.counts();
        f.debug_struct("Trigger")
            .field("recorder", &self.0.recorder)
            .field("count", &count)
            .field("held_back", &held_back)
            .finish_non_exhaustive()
    }
}
