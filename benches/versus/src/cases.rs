//! The rows: what is measured, one file a group of letters. The definitions (counts, capacities, what a peer may
//! use) are shared with the Go program and must change in both.
//!
//! Every case checks that what it sent is what it got: a case that miscounts panics, and the run fails.

mod busy;
mod cancel;
mod channel;
mod echo;
mod fairness;
pub mod http;
mod memory;
mod mutex;
mod physics;
mod rwlock;
mod scheduler;
mod select;
mod semaphore;
mod thread;
mod thread_select;
mod timer;
mod waitgroup;

use crate::registry::Registry;

pub fn register(rows: &mut Registry) {
    physics::register(rows);
    channel::register(rows);
    thread::register(rows);
    select::register(rows);
    thread_select::register(rows);
    scheduler::register(rows);
    memory::register(rows);
    mutex::register(rows);
    rwlock::register(rows);
    waitgroup::register(rows);
    semaphore::register(rows);
    fairness::register(rows);
    timer::register(rows);
    cancel::register(rows);
    echo::register(rows);
    http::register(rows);
    busy::register(rows);
}

/// What gochan has yet to get before it can take part in a case.
pub fn awaited(case: &str) -> &'static str {
    match case.get(..3) {
        Some("F03" | "F04" | "F05") => "context",
        _ if case.starts_with('E') => "sync",
        _ => "API for them",
    }
}

/// 0 + 1 + ... + (n - 1).
fn sum_below(n: u64) -> u64 {
    n * (n - 1) / 2
}

/// `n` operations dealt to `hands`, at least one each.
fn share(n: u64, hands: u64) -> u64 {
    (n / hands).max(1)
}
