//! Which driver serves here: the one of the runtime whose worker this thread is, else the default.
//!
//! The default is whatever [`set_default_provider`] names; while nobody has named one, or when that one is shut, it is a
//! driver with a thread of its own, started when the first such timer waits. Nobody shuts that one.

use super::driver::{Action, Driver, Entry};
use crate::shim::Arc;
use std::cell::RefCell;
use std::marker::PhantomData;
use std::sync::OnceLock;
use std::thread;
use std::time::Instant;

// Not the shim's: the models hand their drivers over by name.
thread_local! {
    static CURRENT: RefCell<Option<Arc<Driver>>> = const { RefCell::new(None) };
}

static PROVIDER: OnceLock<fn() -> Arc<Driver>> = OnceLock::new();

/// Names the driver for threads that have entered none. The first call counts.
pub(crate) fn set_default_provider(provider: fn() -> Arc<Driver>) {
    let _ = PROVIDER.set(provider);
}

/// Makes `driver` this thread's until the guard is dropped; then the one before it is again.
pub(crate) fn enter(driver: &Arc<Driver>) -> Enter {
    let new = Some(Arc::clone(driver));
    Enter {
        before: CURRENT.with(|current| current.replace(new)),
        here: PhantomData,
    }
}

/// Keeps a driver entered. It stays on its thread.
#[must_use]
pub(crate) struct Enter {
    before: Option<Arc<Driver>>,
    here: PhantomData<*const ()>,
}

impl Drop for Enter {
    fn drop(&mut self) {
        let before = self.before.take();
        let gone = CURRENT.with(|current| current.replace(before));
        drop(gone); // It may be the driver's last reference: not while the cell is borrowed.
    }
}

/// Registers with the driver that serves this thread.
pub(crate) fn register(deadline: Instant, action: Action) -> Entry {
    // A thread whose locals are gone is treated as any that has entered nothing.
    let entered = CURRENT.try_with(|current| current.borrow().clone());
    let action = match entered.ok().flatten() {
        Some(driver) => match Entry::new(driver, deadline, action) {
            Ok(entry) => return entry,
            Err(action) => action,
        },
        None => action,
    };
    register_default(deadline, action)
}

/// The time by which timers of this thread are judged.
pub(crate) fn now() -> Instant {
    #[cfg(test)]
    if let Some(now) = CURRENT.with(|c| c.borrow().as_ref()?.hand()) {
        return now;
    }
    Instant::now()
}

#[cold]
fn register_default(deadline: Instant, action: Action) -> Entry {
    let action = match PROVIDER.get() {
        Some(provider) => match Entry::new(provider(), deadline, action) {
            Ok(entry) => return entry,
            Err(action) => action,
        },
        None => action,
    };
    match Entry::new(own_thread(), deadline, action) {
        Ok(entry) => entry,
        Err(_) => unreachable!("nobody shuts the driver that has its own thread"),
    }
}

#[cold]
fn own_thread() -> Arc<Driver> {
    static DRIVER: OnceLock<Arc<Driver>> = OnceLock::new();
    let driver = DRIVER.get_or_init(|| {
        let driver = Driver::new();
        let driven = Arc::clone(&driver);
        let thread = thread::Builder::new()
            .name("gochan-timer".into())
            .spawn(move || drive(&driven))
            .expect("failed to start the timer thread");
        let thread = thread.thread().clone();
        // A thread's unpark is kept for its next park: the deadline it reports cannot be missed.
        driver.set_unpark(Box::new(move || thread.unpark()));
        driver
    });
    Arc::clone(driver)
}

fn drive(driver: &Driver) -> ! {
    loop {
        match driver.fire_due(Instant::now()) {
            None => thread::park(),
            Some(next) => {
                thread::park_timeout(next.saturating_duration_since(Instant::now()));
            }
        }
    }
}
