//! The dump as JSON. The structures below are the format; the value's own fields may change without it.
//!
//! A field that is not there or `null` means "none" or "not known". New fields may come at any time; whatever changes the
//! meaning of old ones raises [`VERSION`].

use std::collections::BTreeMap;
use std::panic::Location;
use std::time::UNIX_EPOCH;

use serde::{Serialize, Serializer};

use super::dump::{Again, Arm, Dump, Holder, Object, RegionInfo, TaskInfo, Wait};
use crate::hook::{LongPoll, ObjId};

const VERSION: u32 = 1;

impl Dump {
    /// The dump as one JSON object.
    ///
    /// ```json
    /// {
    ///   "version": 1,
    ///   "taken_unix_ns": 1790000000000000000, "took_ns": 31000,
    ///   "tasks": [
    ///     {
    ///       "id": "task#18", "kind": "task", "number": 18, "name": "digest",
    ///       "state": "waiting",
    ///       "wait": {
    ///         "reason": "chan receive", "class": "chan", "waited_ns": 5200000000,
    ///         "object": {
    ///           "id": "chan#7", "kind": "chan", "number": 7, "name": "jobs",
    ///           "made": { "file": "src/main.rs", "line": 20, "column": 20 },
    ///           "holders": [], "count": null, "waiters": 1, "mode": null
    ///         },
    ///         "site": { "file": "src/main.rs", "line": 44, "column": 12 },
    ///         "arms": [], "arm_count": 0, "again": null
    ///       },
    ///       "long_poll": null,
    ///       "spawned": { "file": "src/main.rs", "line": 30, "column": 9 },
    ///       "parent": "task#1", "age_ns": 5300000000,
    ///       "type_name": "pipeline::digest::{{closure}}",
    ///       "runtime": 1, "polls": 17, "woken_by": "task#4",
    ///       "regions": [{ "name": "parse", "site": { "file": "src/main.rs", "line": 41, "column": 17 }, "since_ns": 5200000000 }],
    ///       "labels": { "tenant": "eu" }, "unstable": false
    ///     }
    ///   ]
    /// }
    /// ```
    ///
    /// * `state` is `running`, `runnable` or `waiting`; `wait` is there only for the last.
    /// * A task that has been in one poll for more than 10 ms has `long_poll`: `{ "lasted_ns", "cause", "after", "object",
    ///   "taken_over" }`; `after` is where it waited last, `cause` what its thread does.
    /// * `kind` of a plain thread inside a blocking wait is `thread`; it has no `spawned`, `parent` and `type_name`.
    /// * An arm of a select is `{ "reason", "object", "site" }`; the first four are listed and all are counted.
    /// * Who holds a lock or a permit is `{ "id", "kind", "number", "name", "gone", "site", "held_ns" }`.
    /// * `again` is there if it waits for a lock that it has acquired itself: `{ "reads", "site", "behind" }`; `reads` if it
    ///   asks to read what it acquired before, `behind` the writers that came in between, `site` where it acquired it.
    /// * Times ending in `_ns` are nanoseconds.
    /// * The order is that of [`Dump::tasks`]. New fields may be added to this version; other changes raise it.
    ///
    /// # Examples
    ///
    /// ```
    /// gochan::run(async {
    ///     let json = gochan::diag::dump().to_json();
    ///     assert!(json.starts_with(r#"{"version":1,"#));
    /// });
    /// ```
    pub fn to_json(&self) -> String {
        // Only a map with keys that are no strings, or a failing `Serialize`, could make this fail; we have neither.
        serde_json::to_string(self).unwrap_or_default()
    }
}

/// In the format of [`Dump::to_json`].
impl Serialize for Dump {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let since_epoch = self.taken.duration_since(UNIX_EPOCH).unwrap_or_default();
        DumpJson {
            version: VERSION,
            taken_unix_ns: u64::try_from(since_epoch.as_nanos()).unwrap_or(u64::MAX),
            took_ns: u64::try_from(self.took.as_nanos()).unwrap_or(u64::MAX),
            tasks: self.tasks.iter().map(TaskJson::from).collect(),
        }
        .serialize(serializer)
    }
}

#[derive(Serialize)]
struct DumpJson<'a> {
    version: u32,
    taken_unix_ns: u64,
    took_ns: u64,
    tasks: Vec<TaskJson<'a>>,
}

#[derive(Serialize)]
struct TaskJson<'a> {
    #[serde(flatten)]
    id: IdJson,
    name: Option<&'a str>,
    state: &'static str,
    wait: Option<WaitJson<'a>>,
    long_poll: Option<LongPollJson>,
    spawned: Option<PlaceJson>,
    parent: Option<String>,
    age_ns: u64,
    type_name: Option<&'static str>,
    runtime: u32,
    polls: u64,
    woken_by: Option<String>,
    regions: Vec<RegionJson>,
    labels: BTreeMap<&'a str, &'a str>,
    unstable: bool,
}

#[derive(Serialize)]
struct RegionJson {
    name: &'static str,
    site: Option<PlaceJson>,
    since_ns: u64,
}

#[derive(Serialize)]
struct LongPollJson {
    lasted_ns: u64,
    cause: Option<String>,
    after: Option<PlaceJson>,
    object: Option<IdJson>,
    taken_over: bool,
}

#[derive(Serialize)]
struct WaitJson<'a> {
    reason: &'static str,
    class: String,
    waited_ns: u64,
    object: Option<ObjectJson<'a>>,
    site: Option<PlaceJson>,
    arms: Vec<ArmJson<'a>>,
    arm_count: usize,
    again: Option<AgainJson>,
}

#[derive(Serialize)]
struct AgainJson {
    reads: bool,
    site: Option<PlaceJson>,
    behind: Vec<String>,
}

#[derive(Serialize)]
struct ArmJson<'a> {
    reason: &'static str,
    object: Option<ObjectJson<'a>>,
    site: Option<PlaceJson>,
}

#[derive(Serialize)]
struct ObjectJson<'a> {
    #[serde(flatten)]
    id: IdJson,
    name: Option<&'a str>,
    made: Option<PlaceJson>,
    holders: Vec<HolderJson<'a>>,
    count: Option<usize>,
    waiters: usize,
    mode: Option<&'static str>,
}

#[derive(Serialize)]
struct HolderJson<'a> {
    #[serde(flatten)]
    id: IdJson,
    name: Option<&'a str>,
    gone: bool,
    site: Option<PlaceJson>,
    held_ns: u64,
}

#[derive(Serialize)]
struct IdJson {
    id: String,
    kind: &'static str,
    number: u64,
}

#[derive(Serialize)]
struct PlaceJson {
    file: &'static str,
    line: u32,
    column: u32,
}

impl<'a> From<&'a TaskInfo> for TaskJson<'a> {
    fn from(task: &'a TaskInfo) -> Self {
        TaskJson {
            id: task.id.into(),
            name: task.name.as_deref(),
            state: task.state.as_str(),
            wait: task.wait.as_ref().map(WaitJson::from),
            long_poll: task.long_poll.as_ref().map(LongPollJson::from),
            spawned: task.spawned.map(PlaceJson::from),
            parent: task.parent.map(|id| id.to_string()),
            age_ns: task.age_ns,
            type_name: task.type_name,
            runtime: task.runtime,
            polls: task.polls,
            woken_by: task.woken_by.map(|id| id.to_string()),
            regions: task.regions.iter().map(RegionJson::from).collect(),
            labels: task.labels.iter().map(|(k, v)| (&**k, &**v)).collect(),
            unstable: task.unstable,
        }
    }
}

impl From<&RegionInfo> for RegionJson {
    fn from(region: &RegionInfo) -> Self {
        RegionJson {
            name: region.name,
            site: region.site.map(PlaceJson::from),
            since_ns: region.since_ns,
        }
    }
}

impl From<&LongPoll> for LongPollJson {
    fn from(poll: &LongPoll) -> Self {
        LongPollJson {
            lasted_ns: poll.lasted_ns,
            cause: poll.cause.map(|cause| cause.to_string()),
            after: poll.after.map(PlaceJson::from),
            object: (!poll.object.is_none()).then(|| poll.object.into()),
            taken_over: poll.taken_over,
        }
    }
}

impl<'a> From<&'a Wait> for WaitJson<'a> {
    fn from(wait: &'a Wait) -> Self {
        WaitJson {
            reason: wait.reason.as_str(),
            class: wait.reason.class().to_string(),
            waited_ns: wait.waited_ns,
            object: wait.object.as_ref().map(ObjectJson::from),
            site: wait.site.map(PlaceJson::from),
            arms: wait.arms.iter().map(ArmJson::from).collect(),
            arm_count: wait.arm_count,
            again: wait.again.as_ref().map(AgainJson::from),
        }
    }
}

impl From<&Again> for AgainJson {
    fn from(own: &Again) -> Self {
        AgainJson {
            reads: own.reads,
            site: own.site.map(PlaceJson::from),
            behind: own.behind.iter().map(ObjId::to_string).collect(),
        }
    }
}

impl<'a> From<&'a Arm> for ArmJson<'a> {
    fn from(arm: &'a Arm) -> Self {
        ArmJson {
            reason: arm.reason.as_str(),
            object: arm.object.as_ref().map(ObjectJson::from),
            site: arm.site.map(PlaceJson::from),
        }
    }
}

impl<'a> From<&'a Object> for ObjectJson<'a> {
    fn from(object: &'a Object) -> Self {
        ObjectJson {
            id: object.id.into(),
            name: object.name.as_deref(),
            made: object.made.map(PlaceJson::from),
            holders: object.holders.iter().map(HolderJson::from).collect(),
            count: object.count,
            waiters: object.waiters,
            mode: object.mode,
        }
    }
}

impl<'a> From<&'a Holder> for HolderJson<'a> {
    fn from(holder: &'a Holder) -> Self {
        HolderJson {
            id: holder.id.into(),
            name: holder.name.as_deref(),
            gone: holder.gone,
            site: holder.site.map(PlaceJson::from),
            held_ns: holder.held_ns,
        }
    }
}

impl From<ObjId> for IdJson {
    fn from(id: ObjId) -> Self {
        IdJson {
            id: id.to_string(),
            kind: id.kind().as_str(),
            number: id.number(),
        }
    }
}

impl From<&'static Location<'static>> for PlaceJson {
    fn from(site: &'static Location<'static>) -> Self {
        PlaceJson {
            file: site.file(),
            line: site.line(),
            column: site.column(),
        }
    }
}

#[cfg(test)]
mod tests;
