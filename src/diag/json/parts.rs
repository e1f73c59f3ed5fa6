//! The parts of the JSON format: one structure each, field by field as they are written.

use std::collections::BTreeMap;
use std::marker::PhantomData;
use std::panic::Location;
use std::sync::Arc;

use serde::{Serialize, Serializer};

use crate::diag::{
    Again, Arm, Buffer, Group, Holder, Object, Queued, RegionInfo, TaskInfo, Verdict, Wait,
};
use crate::hook::{Kind, LongPoll, ObjId};

/// A list, each item of which is turned into its part when it is written.
pub(super) struct Each<'a, T, J>(&'a [T], PhantomData<J>);

impl<'a, T, J> Each<'a, T, J> {
    pub(super) fn new(items: &'a [T]) -> Self {
        Each(items, PhantomData)
    }
}

impl<'a, T, J: Serialize + From<&'a T>> Serialize for Each<'a, T, J> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.iter().map(J::from))
    }
}

#[derive(Serialize)]
pub(super) struct TaskJson<'a> {
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
    regions: Each<'a, RegionInfo, RegionJson>,
    labels: BTreeMap<&'a str, &'a str>,
    runnable_ns: Option<u64>,
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
    object: Option<NamedJson<'a>>,
    site: Option<PlaceJson>,
    arms: Vec<ArmJson<'a>>,
    arm_count: usize,
    again: Option<AgainJson>,
    idle: bool,
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
    object: Option<NamedJson<'a>>,
    site: Option<PlaceJson>,
}

/// What is waited for, named; what else is known of it is among the objects.
#[derive(Serialize)]
struct NamedJson<'a> {
    #[serde(flatten)]
    id: IdJson,
    name: Option<&'a str>,
    made: Option<PlaceJson>,
}

#[derive(Serialize)]
pub(super) struct ObjectJson<'a> {
    #[serde(flatten)]
    named: NamedJson<'a>,
    holders: Each<'a, Holder, HolderJson<'a>>,
    count: Option<usize>,
    waiters: usize,
    queue: Each<'a, Queued, QueuedJson>,
    mode: Option<&'static str>,
    buffer: Option<BufferJson>,
}

#[derive(Serialize)]
struct QueuedJson {
    #[serde(flatten)]
    id: IdJson,
    reason: &'static str,
    waited_ns: u64,
    site: Option<PlaceJson>,
}

#[derive(Serialize)]
struct BufferJson {
    len: usize,
    capacity: Option<usize>,
    senders: usize,
    receivers: usize,
    closed: bool,
}

#[derive(Serialize)]
pub(super) struct VerdictJson<'a> {
    kind: &'static str,
    subject: IdJson,
    site: Option<PlaceJson>,
    lasted_ns: u64,
    lines: &'a [String],
}

#[derive(Serialize)]
pub(super) struct GroupJson<'a> {
    reason: &'static str,
    class: String,
    site: Option<PlaceJson>,
    object: Option<NamedJson<'a>>,
    objects: usize,
    kind: Option<&'static str>,
    made: Option<PlaceJson>,
    spawned: Option<PlaceJson>,
    age_ns: u64,
    count: usize,
    threads: usize,
    oldest_ns: u64,
    median_ns: u64,
    oldest: String,
    idle: bool,
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
            regions: Each::new(&task.regions),
            labels: task.labels.iter().map(|(k, v)| (&**k, &**v)).collect(),
            runnable_ns: task.runnable_ns,
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
            object: wait.object.as_deref().map(NamedJson::from),
            site: wait.site.map(PlaceJson::from),
            arms: wait.arms.iter().map(ArmJson::from).collect(),
            arm_count: wait.arm_count,
            again: wait.again.as_ref().map(AgainJson::from),
            idle: wait.idle,
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
            object: arm.object.as_deref().map(NamedJson::from),
            site: arm.site.map(PlaceJson::from),
        }
    }
}

impl<'a> From<&'a Object> for NamedJson<'a> {
    fn from(object: &'a Object) -> Self {
        NamedJson {
            id: object.id.into(),
            name: object.name.as_deref(),
            made: object.made.map(PlaceJson::from),
        }
    }
}

impl<'a> From<&'a Arc<Object>> for ObjectJson<'a> {
    fn from(object: &'a Arc<Object>) -> Self {
        ObjectJson {
            named: (&**object).into(),
            holders: Each::new(&object.holders),
            count: object.count,
            waiters: object.waiters,
            queue: Each::new(&object.queue),
            mode: object.mode,
            buffer: object.buffer.map(BufferJson::from),
        }
    }
}

impl From<&Queued> for QueuedJson {
    fn from(queued: &Queued) -> Self {
        QueuedJson {
            id: queued.id.into(),
            reason: queued.reason.as_str(),
            waited_ns: queued.waited_ns,
            site: queued.site.map(PlaceJson::from),
        }
    }
}

impl From<Buffer> for BufferJson {
    fn from(buffer: Buffer) -> Self {
        BufferJson {
            len: buffer.len,
            capacity: buffer.capacity,
            senders: buffer.senders,
            receivers: buffer.receivers,
            closed: buffer.closed,
        }
    }
}

impl<'a> From<&'a Verdict> for VerdictJson<'a> {
    fn from(verdict: &'a Verdict) -> Self {
        VerdictJson {
            kind: verdict.kind.as_str(),
            subject: verdict.subject.into(),
            site: verdict.site.map(PlaceJson::from),
            lasted_ns: verdict.lasted_ns,
            lines: &verdict.lines,
        }
    }
}

impl<'a> From<&'a Group> for GroupJson<'a> {
    fn from(group: &'a Group) -> Self {
        GroupJson {
            reason: group.reason.as_str(),
            class: group.reason.class().to_string(),
            site: group.site.map(PlaceJson::from),
            object: group.object.as_deref().map(NamedJson::from),
            objects: group.objects,
            kind: group.kind.map(Kind::as_str),
            made: group.made.map(PlaceJson::from),
            spawned: group.spawned.map(PlaceJson::from),
            age_ns: group.age_ns,
            count: group.count,
            threads: group.threads,
            oldest_ns: group.oldest_ns,
            median_ns: group.median_ns,
            oldest: group.oldest.to_string(),
            idle: group.idle,
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
