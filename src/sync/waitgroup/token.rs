//! One member of a wait group, as a value: it leaves when it is dropped.

use std::fmt;
use std::panic::Location;
use std::sync::Arc;

use super::Group;
use crate::hook::ObjId;
use crate::hook::holder::Hold;

/// Keeps a [`WaitGroup`](super::WaitGroup) from being done until it is dropped; made by
/// [`token`](super::WaitGroup::token).
///
/// Leaked (`mem::forget`), it keeps the group for ever; the dump then shows where it was made.
///
/// ```
/// let wg = gochan::sync::WaitGroup::new();
/// let token = wg.token();
/// assert_eq!(wg.count(), 1);
/// token.done();
/// assert_eq!(wg.count(), 0);
/// ```
#[must_use = "a token that is dropped at once keeps nobody waiting"]
pub struct Token {
    group: Arc<Group>,
    hold: Hold,
}

impl Token {
    /// For whoever runs now.
    #[track_caller]
    pub(super) fn new(group: Arc<Group>, site: &'static Location<'static>) -> Token {
        group.add(1);
        let hold = Hold::acquired(group.object.id(), site);
        Token { group, hold }
    }

    /// For a task that is about to be spawned.
    #[track_caller]
    #[cfg_attr(not(feature = "rt"), allow(dead_code))]
    pub(super) fn for_task(
        group: Arc<Group>,
        task: ObjId,
        site: &'static Location<'static>,
    ) -> Token {
        group.add(1);
        let hold = Hold::acquired_for(group.object.id(), task, site);
        Token { group, hold }
    }

    /// The member is done: as dropping the token, but it reads well.
    pub fn done(self) {}
}

impl Drop for Token {
    fn drop(&mut self) {
        // First, so that nobody who is woken finds this member in a dump.
        self.hold.released();
        self.group.leave();
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Token").field(&self.group).finish()
    }
}
