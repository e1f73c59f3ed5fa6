//! Groups that know how many are in them, so that a dump can say it of a group that is waited for.
//!
//! What it is not: the list of who they are, which is `holder`: some are counted by hand and have no name.

use std::collections::BTreeMap;
use std::sync::Weak;

use ::parking_lot::Mutex;

use super::object::ObjId;

/// Something with a number of members.
pub(crate) trait Counted: Send + Sync {
    /// How many are in it at the moment. Takes no lock.
    fn count(&self) -> usize;
}

static GROUPS: Mutex<BTreeMap<u64, Weak<dyn Counted>>> = Mutex::new(BTreeMap::new());

/// A group is there, until it [leaves](leave).
pub(crate) fn enter(id: ObjId, group: Weak<dyn Counted>) {
    GROUPS.lock().insert(id.raw(), group);
}

/// The group is about to go. One that never entered may say so too.
pub(crate) fn leave(id: ObjId) {
    // Dropped without the lock: it may free the group's memory.
    let left = GROUPS.lock().remove(&id.raw());
    drop(left);
}

/// How many are in the group.
pub(crate) fn count(id: ObjId) -> Option<usize> {
    let group = GROUPS.lock().get(&id.raw()).cloned();
    // Perhaps the last who has it: dropped without the lock, which it takes to leave.
    Some(group?.upgrade()?.count())
}

#[cfg(all(test, not(gochan_loom)))]
mod tests {
    use super::*;
    use crate::hook::Kind;
    use std::sync::Arc;

    struct Three;

    impl Counted for Three {
        fn count(&self) -> usize {
            3
        }
    }

    #[test]
    fn a_group_is_counted_until_it_is_gone() {
        let id = ObjId::fresh(Kind::WaitGroup);
        assert_eq!(count(id), None);
        let group = Arc::new(Three);
        let weak = Arc::downgrade(&group);
        enter(id, weak);
        assert_eq!(count(id), Some(3));
        drop(group);
        assert_eq!(count(id), None);
        leave(id);
        leave(id);
    }
}
