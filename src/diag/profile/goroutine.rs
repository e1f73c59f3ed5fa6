//! The profile `goroutine`: what every task does at this moment.
//!
//! What it is not: a sum. Each task is a sample of its own, for each has waited for its own time.

use super::lineage::Lineages;
use super::look::{Seen, look, object_name};
use super::value::{Label, Profile, Sample};
use crate::clock;
use crate::hook::{ObjId, label, object};

/// Every task, and every thread inside a blocking wait of this crate: where it is, and how long it has waited there.
///
/// The name is Go's, so that what asks for `goroutine` finds it. One value, `goroutine/count`. Labels:
///
/// | label | says |
/// |---|---|
/// | `state` | `running`, `runnable` or `waiting` |
/// | `wait_reason` | why it waits, in Go's words |
/// | `idle` | `true` if its wait is marked as [one that may take long](crate::diag::idle_ok) |
/// | `object` | what it waits for, as the dump writes it: `chan#7 "jobs"`; of a select what the first four arms wait for |
/// | `class` | where that was made |
/// | `name` | the name of the task or thread |
/// | `wait_ns` | how long it has waited, a number |
/// | any other | the task's own [labels](crate::diag::label) |
///
/// Nobody is stopped or polled for it; as [`dump`](crate::diag::dump) it may be taken at any time, and each task is shown as it was at one moment,
/// not all of them at the same.
///
/// ```
/// gochan::run(async {
///     let profile = gochan::diag::profile::goroutine();
///     let running = |sample: &gochan::diag::profile::Sample| sample.has("state", "running");
///     assert!(profile.total_of("goroutine", running) >= 1, "we run");
/// });
/// ```
pub fn goroutine() -> Profile {
    let mut lineages = Lineages::default();
    let mut profile = Profile::new(&[("goroutine", "count")]);
    let seen = look(&mut lineages, ObjId::NONE);
    let now = clock::ticks();
    let sample = |seen: &Seen| Sample {
        stack: seen.doing().stack(&lineages),
        labels: labels(seen, now),
        values: vec![1],
    };
    profile.samples = seen.iter().map(sample).collect();
    profile
}

fn labels(seen: &Seen, now: u64) -> Vec<Label> {
    let mut labels = seen.doing().labels();
    if let Some(name) = object::name(seen.task.id) {
        labels.push(Label::text("name", name.to_string()));
    }
    let own = label::of(seen.task.id).into_iter();
    labels.extend(own.map(|(key, value)| Label::own(&key, &value)));
    let Some(wait) = &seen.task.wait else {
        return labels;
    };
    let objects = match wait.arm_count {
        0 => vec![wait.object],
        _ => wait.arms.iter().map(|arm| arm.object).collect(),
    };
    let names = objects.into_iter().filter(|id| !id.is_none());
    labels.extend(names.map(|id| Label::text("object", object_name(id))));
    let waited = clock::ticks_to_ns(now.saturating_sub(wait.since));
    labels.push(Label::ns("wait_ns", waited));
    labels
}
