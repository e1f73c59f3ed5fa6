//! Waits that are alike, together: the same reason, at the same place, for things that were made at the same place.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hash, Hasher};
use std::panic::Location;
use std::sync::Arc;

use super::ids::{IdSet, Spread};
use super::{Object, TaskInfo, Wait};
use crate::hook::{Kind, ObjId, WaitReason};

type Site = &'static Location<'static>;
type Place = Option<(&'static str, u32, u32)>;

/// Tasks and threads that wait alike.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Group {
    /// Why they wait.
    pub reason: WaitReason,
    /// Where the operation was called.
    pub site: Option<Site>,
    /// For what, if it is one thing for all of them. Of selects, that of the first arm.
    pub object: Option<Arc<Object>>,
    /// How many things they wait for.
    pub objects: usize,
    /// What sort of things these are.
    pub kind: Option<Kind>,
    /// Where those were made.
    pub made: Option<Site>,
    /// Where they were spawned, if it was one place for all of them.
    pub spawned: Option<Site>,
    /// How long ago the first of them was spawned, in nanoseconds; 0 of threads.
    pub age_ns: u64,
    /// How many they are.
    pub count: usize,
    /// How many of them are threads, not tasks.
    pub threads: usize,
    /// The longest wait, in nanoseconds.
    pub oldest_ns: u64,
    /// The median of the waits, in nanoseconds.
    pub median_ns: u64,
    /// Who has waited longest.
    pub oldest: ObjId,
    /// The waits were marked as no sign of trouble.
    pub idle: bool,
}

/// By what tasks that wait alike have in common.
pub(super) type Likes<T> = HashMap<Alike, T, BuildHasherDefault<Spread>>;

/// What tasks that wait alike have in common.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Alike {
    reason: WaitReason,
    made: Place,
    site: Place,
    idle: bool,
}

impl Hash for Alike {
    /// Without the names of the files: two places seldom have line and column in common.
    fn hash<H: Hasher>(&self, to: &mut H) {
        let line = |place: Place| {
            place.map_or(0, |(_, line, column)| {
                u64::from(line) << 16 ^ u64::from(column)
            })
        };
        let places = line(self.made).rotate_left(32) ^ line(self.site);
        to.write_u64(places << 8 ^ (self.reason as u64) << 1 ^ u64::from(self.idle));
    }
}

impl Alike {
    pub(super) fn of(wait: &Wait) -> Alike {
        let place = |site: Option<Site>| site.map(|site| (site.file(), site.line(), site.column()));
        Alike {
            reason: wait.reason,
            made: place(first_object(wait).and_then(|object| object.made)),
            site: place(wait.site),
            idle: wait.idle,
        }
    }
}

/// What it waits for; of a select, what its first arm does.
pub(super) fn first_object(wait: &Wait) -> Option<&Arc<Object>> {
    let first = wait.arms.first().and_then(|arm| arm.object.as_ref());
    wait.object.as_ref().or(first)
}

impl Group {
    /// All groups, most members first. `tasks` has the longest waits first.
    pub(super) fn all(tasks: &[TaskInfo]) -> Vec<Group> {
        let mut alike: Likes<Vec<(&TaskInfo, &Wait)>> = Likes::default();
        for task in tasks {
            if let Some(wait) = &task.wait {
                alike.entry(Alike::of(wait)).or_default().push((task, wait));
            }
        }
        let mut groups: Vec<_> = alike
            .values()
            .filter_map(|group| Group::of(group))
            .collect();
        groups.sort_by_key(|group| {
            (
                group.idle,
                Reverse((group.count, group.oldest_ns)),
                group.oldest,
            )
        });
        groups
    }

    /// Longest waits first; `None` without any.
    fn of(members: &[(&TaskInfo, &Wait)]) -> Option<Group> {
        let &(oldest, wait) = members.first()?;
        let object = first_object(wait);
        let spawned = oldest.spawned;
        let (mut ids, mut same) = (IdSet::default(), true);
        let (mut age_ns, mut threads) = (0, 0);
        // One look at each: they lie far apart.
        for (task, wait) in members {
            ids.extend(first_object(wait).map(|object| object.id));
            same &= task.spawned == spawned;
            age_ns = task.age_ns.max(age_ns);
            threads += usize::from(task.is_thread());
        }
        Some(Group {
            reason: wait.reason,
            site: wait.site,
            object: object.filter(|_| ids.len() == 1).cloned(),
            objects: ids.len(),
            kind: object.map(|object| object.id.kind()),
            made: object.and_then(|object| object.made),
            spawned: spawned.filter(|_| same),
            age_ns,
            count: members.len(),
            threads,
            oldest_ns: wait.waited_ns,
            median_ns: members[members.len() / 2].1.waited_ns,
            oldest: oldest.id,
            idle: wait.idle,
        })
    }
}
