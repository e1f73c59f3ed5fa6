//! How one row is measured inside its own process: calibration, samples, figures.
//!
//! Not here: which rows exist (`registry`), and who starts the processes (`sweep`).
//!
//! 1. A case is asked for about `n` operations and answers with the time and the count of those it really did, so
//!    that a case may round up to whole batches.
//! 2. Calibration makes one sample last about `VERSUS_MS` milliseconds; `VERSUS_SAMPLES` samples follow.
//! 3. Processor time over wall time during the samples is reported as `cores`: spinning counts as work.

use crate::process::cpu_time;
use std::time::{Duration, Instant};

/// What one call of a case did.
#[derive(Clone, Copy)]
pub struct Spent {
    pub time: Duration,
    pub ops: u64,
}

impl Spent {
    /// `ops` operations since `start`.
    pub fn since(start: Instant, ops: u64) -> Spent {
        Spent {
            time: start.elapsed(),
            ops,
        }
    }

    fn ns_per_op(self) -> f64 {
        self.time.as_nanos() as f64 / self.ops as f64
    }
}

/// A case bound to its peer and worker count: does about `n` operations.
pub type Operation = Box<dyn FnMut(u64) -> Spent>;

/// A named result of a case that is one measurement and not a loop.
pub struct Figure {
    pub name: &'static str,
    pub unit: &'static str,
    pub value: f64,
}

impl Figure {
    pub fn new(name: &'static str, unit: &'static str, value: f64) -> Figure {
        Figure { name, unit, value }
    }
}

/// Samples in nanoseconds per operation, and how many cores were busy for them.
pub struct Measured {
    pub samples: Vec<f64>,
    pub cores: f64,
}

/// Calibrates `op`, then takes the samples.
pub fn repeated(mut op: Operation) -> Measured {
    let n = calibrate(&mut op, Duration::from_millis(setting("VERSUS_MS", 20)));
    sample(op, n, setting("VERSUS_SAMPLES", 3))
}

/// A whole program: one run to warm up, two that count.
pub fn whole(mut op: Operation) -> Measured {
    op(1);
    sample(op, 1, 2)
}

/// The value below which the share `p` of all lies; sorts its input.
pub fn percentile(values: &mut [i64], p: f64) -> f64 {
    values.sort_unstable();
    values[(p * (values.len() - 1) as f64) as usize] as f64
}

fn sample(mut op: Operation, n: u64, samples: u64) -> Measured {
    let (cpu, start) = (cpu_time(), Instant::now());
    let samples = (0..samples).map(|_| op(n).ns_per_op()).collect();
    let cores = (cpu_time() - cpu).as_secs_f64() / start.elapsed().as_secs_f64();
    Measured { samples, cores }
}

/// Finds the count that lasts about `target`: raised at most a hundredfold a step, so that a cold first guess cannot
/// make the second one endless.
fn calibrate(op: &mut Operation, target: Duration) -> u64 {
    let mut n = 64;
    loop {
        let spent = op(n);
        let fitting = (target.as_nanos() as f64 / spent.ns_per_op().max(0.1)) as u64;
        if spent.time >= target.mul_f64(0.7) {
            return fitting.max(1);
        }
        n = fitting.clamp(n + 1, n * 100);
    }
}

fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name)
        .ok()
        .and_then(|v| v.parse().ok())
        .unwrap_or(default)
}
