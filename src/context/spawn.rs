//! Where the functions of [`Context::after_func`](super::Context::after_func) run: each in a task of its own.
//!
//! What it is not: an executor. The one there is names itself here ([`set_spawner`]); before any has started, a function gets
//! a thread of its own.

use std::sync::OnceLock;
use std::thread;

use super::tree::Site;

/// What is to be called once.
pub(crate) type Func = Box<dyn FnOnce() + Send>;

static SPAWNER: OnceLock<fn(Func, Site)> = OnceLock::new();

/// Names what starts a task that calls a function. The first call counts.
pub(crate) fn set_spawner(spawn: fn(Func, Site)) {
    let _ = SPAWNER.set(spawn);
}

/// Calls `func` in a task of its own.
#[cold]
pub(super) fn start(func: Func, site: Site) {
    match SPAWNER.get() {
        Some(spawn) => spawn(func, site),
        None => drop(
            thread::Builder::new()
                .name("gochan-after-func".into())
                .spawn(func)
                .expect("failed to start a thread for a context's function"),
        ),
    }
}
