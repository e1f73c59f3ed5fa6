//! The words that all formats use for tasks, objects and places.

use super::Site;
use super::value::{Trace, TraceWait};
use crate::hook::{Kind, ObjId};

impl Trace {
    /// `task 18 "digest"`, else with its function.
    pub(super) fn title(&self, task: ObjId) -> String {
        let known = self.tasks.get(&task);
        let name = known.and_then(|known| known.name.as_deref());
        let function = known.and_then(|known| known.type_name);
        let number = task.number();
        match (name, function) {
            (Some(name), _) => format!("task {number} {name:?}"),
            (None, Some(function)) => format!("task {number} {function}"),
            (None, None) => format!("task {number}"),
        }
    }

    /// The function of a task: the type of its future.
    pub(super) fn function(&self, task: ObjId) -> String {
        let known = self.tasks.get(&task);
        match known.and_then(|known| known.type_name) {
            Some(name) => name.to_owned(),
            None => "task".to_owned(),
        }
    }

    /// `chan#7 "jobs"`, as in the dump.
    pub(super) fn object(&self, id: ObjId) -> String {
        let name = match id.kind() {
            Kind::Task => self.tasks.get(&id).and_then(|task| task.name.as_ref()),
            _ => self.names.get(&id),
        };
        match name {
            Some(name) => format!("{id} {name:?}"),
            None => id.to_string(),
        }
    }

    /// `chan receive on chan#7 "jobs" at src/main.rs:40`.
    pub(super) fn describe(&self, wait: &TraceWait) -> String {
        let mut text = wait.reason.to_string();
        if !wait.object.is_none() {
            text += &format!(" on {}", self.object(wait.object));
        }
        if let Some(site) = wait.site {
            text += &format!(" at {}:{}", site.file(), site.line());
        }
        text
    }

    /// The stack of a task that waits, the innermost frame first: why at the place of the wait, the regions it is in, its
    /// function at the place where it was spawned.
    pub(super) fn frames(
        &self,
        task: ObjId,
        regions: &[(&'static str, Option<Site>)],
        wait: Option<&TraceWait>,
    ) -> Vec<(String, Option<Site>)> {
        let leaf = wait.map(|wait| (wait.reason.to_string(), wait.site));
        let regions = regions.iter().rev();
        let regions = regions.map(|(name, site)| ((*name).to_owned(), *site));
        let spawned = self.tasks.get(&task).and_then(|known| known.site);
        let root = (self.function(task), spawned);
        leaf.into_iter().chain(regions).chain([root]).collect()
    }
}
