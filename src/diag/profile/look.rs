//! One look at all records, for profiles: who is where, and of what lineage.
//!
//! What it is not: a dump. It does not ask who waits for whom, for it may come a hundred times a second.

use std::collections::HashMap;
use std::panic::Location;

use super::lineage::{Lineages, Link};
use super::value::{Frame, Label};
use crate::diag::TaskState;
use crate::diag::look::is_idle;
use crate::hook::record::{Snapshot, State, WaitSnapshot};
use crate::hook::{Kind, ObjId, WaitReason, holder, object, region, registry};

type Site = &'static Location<'static>;

/// One task, or thread inside a wait.
#[derive(Clone, Debug)]
pub(super) struct Seen {
    pub(super) task: Snapshot,
    pub(super) lineage: usize,
}

/// What is the same for tasks that do the same in the same place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Doing {
    pub(super) state: TaskState,
    pub(super) reason: Option<WaitReason>,
    /// Where it waits; of one that runs, where it has waited last.
    pub(super) site: Option<Site>,
    /// Kind and origin of what it waits for.
    pub(super) class: Option<(Kind, Option<Site>)>,
    /// It is marked as one that may take long.
    pub(super) idle: bool,
    pub(super) lineage: usize,
}

/// Looks at all records but that of `me`.
pub(super) fn look(lineages: &mut Lineages, me: ObjId) -> Vec<Seen> {
    let mut seen = Vec::new();
    registry::for_each(|record| seen.extend(record.snapshot()));
    seen.retain(|task| !matches!(task.state, State::Free | State::Idle) && task.id != me);
    let mut seen = number(seen, lineages);
    add_regions(&mut seen, lineages);
    seen
}

/// Regions are further links, of their task alone: not of those that it spawns.
fn add_regions(seen: &mut [Seen], lineages: &mut Lineages) {
    let held = holder::all();
    let mut regions: Vec<_> = held.iter().filter_map(region::Seen::of).collect();
    if regions.is_empty() {
        return;
    }
    regions.sort_unstable_by_key(|region| (region.who, region.rank()));
    for seen in seen {
        let begin = regions.partition_point(|region| region.who < seen.task.id);
        let own = regions[begin..].iter();
        for region in own.take_while(|region| region.who == seen.task.id) {
            seen.lineage = lineages.number(Link::Region(region.name, region.site), seen.lineage);
        }
    }
}

/// Numbers the lineages of tasks that were seen together.
fn number(seen: Vec<Snapshot>, lineages: &mut Lineages) -> Vec<Seen> {
    let place: HashMap<ObjId, usize> = (0..seen.len()).map(|at| (seen[at].id, at)).collect();
    let mut known = vec![None; seen.len()];
    let mut up = Vec::new();
    for at in 0..seen.len() {
        // Up to the first whose lineage is known, or whose creator is gone, then down again.
        let mut next = Some(at);
        while let Some(at) = next.filter(|at| known[*at].is_none()) {
            up.push(at);
            next = place.get(&seen[at].parent).copied();
        }
        let mut above = next.and_then(|at| known[at]).unwrap_or(0);
        while let Some(at) = up.pop() {
            above = lineages.number(link(&seen[at]), above);
            known[at] = Some(above);
        }
    }
    let lineage = |at: usize| known[at].unwrap_or(0);
    let numbered = seen.into_iter().enumerate().map(|(at, task)| Seen {
        task,
        lineage: lineage(at),
    });
    numbered.collect()
}

fn link(task: &Snapshot) -> Link {
    Link::Task(task.type_name, task.spawned)
}

impl Seen {
    pub(super) fn doing(&self) -> Doing {
        let wait = self.task.wait.as_ref();
        let after = self.task.after.map(|(_, site)| site);
        Doing {
            state: match self.task.state {
                State::Waiting => TaskState::Waiting,
                State::Runnable => TaskState::Runnable,
                _ => TaskState::Running,
            },
            reason: wait.map(|wait| wait.reason),
            site: wait.map_or(after, |wait| wait.site),
            class: wait.and_then(class),
            idle: wait.is_some_and(is_idle),
            lineage: self.lineage,
        }
    }
}

/// Of a select that waits for one thing only, or for several of one class, that is what it waits for.
pub(super) fn class(wait: &WaitSnapshot) -> Option<(Kind, Option<Site>)> {
    let some = |id: ObjId, made| (!id.is_none()).then_some((id.kind(), made));
    if wait.arm_count == 0 {
        return some(wait.object, wait.made);
    }
    let mut arms = wait.arms.iter();
    let first = arms.next().and_then(|arm| some(arm.object, arm.made))?;
    let all = usize::from(wait.arm_count) <= wait.arms.len();
    (all && arms.all(|arm| some(arm.object, arm.made) == Some(first))).then_some(first)
}

impl Doing {
    /// Leaf first.
    pub(super) fn stack(&self, lineages: &Lineages) -> Vec<Frame> {
        let what = match (self.state, self.reason) {
            (TaskState::Running, _) => "running since its wait",
            (_, Some(reason)) => reason.as_str(),
            (state, None) => state.as_str(),
        };
        let leaf = self.site.map(|site| Frame::leaf(what, site));
        leaf.into_iter()
            .chain(lineages.frames(self.lineage))
            .collect()
    }

    pub(super) fn labels(&self) -> Vec<Label> {
        let mut labels = vec![Label::text("state", self.state.as_str())];
        if let Some(reason) = self.reason {
            labels.push(Label::text("wait_reason", reason.as_str()));
        }
        if self.idle {
            labels.push(Label::text("idle", "true"));
        }
        if let Some((kind, made)) = self.class {
            labels.push(Label::text("class", class_name(kind, made)));
        }
        labels
    }
}

/// `chan made at src/main.rs:20`.
pub(super) fn class_name(kind: Kind, made: Option<Site>) -> String {
    match made {
        Some(site) => format!("{kind} made at {}:{}", site.file(), site.line()),
        None => kind.to_string(),
    }
}

/// `chan#7 "jobs"`, as in the dump.
pub(super) fn object_name(id: ObjId) -> String {
    match object::name(id) {
        Some(name) => format!("{id} {name:?}"),
        None => id.to_string(),
    }
}

#[cfg(all(test, not(gochan_loom)))]
mod tests;
