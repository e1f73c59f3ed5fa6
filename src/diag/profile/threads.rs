//! The profile `threadcreate`: what threads were started for.

use super::place::Merged;
use super::value::{Frame, Profile};
use crate::rt::created::{self, Reason};

/// The threads that runtimes have started since the program began, by the place that they were started for; those that have ended
/// too. One value, `threadcreate/count`, as in Go.
///
/// | leaf | place |
/// |---|---|
/// | `worker` | where the runtime was built; of the default one that is in this crate |
/// | `spare` | the call of `blocking`, or the blocking wait, whose worker was taken over, or where a task was spawned that would not end its poll |
/// | `monitor` | where the runtime was built |
///
/// ```
/// let rt = gochan::Runtime::builder().workers(3).build()?;
/// let profile = gochan::diag::profile::threadcreate();
/// assert!(profile.total("threadcreate") >= 3);
/// # Ok::<(), gochan::BuildError>(())
/// ```
pub fn threadcreate() -> Profile {
    let mut profile = Profile::new(&[("threadcreate", "count")]);
    let mut merged = Merged::default();
    for created in created::all() {
        let what = match created.reason {
            Reason::Worker => "worker",
            Reason::Spare => "spare",
            Reason::Monitor => "monitor",
        };
        let stack = vec![Frame::leaf(what, created.site)];
        merged.add(stack, Vec::new(), 0, &[created.count as f64]);
    }
    merged.into(&mut profile);
    profile
}
