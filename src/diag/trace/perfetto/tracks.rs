//! The tracks: which there are, and how they are described, each once and before its first event.

use std::collections::HashMap;
use std::io::{self, Write};

use super::Writer;
use super::messages::{
    CounterDescriptor, MERGE_BY_KEY, MERGE_NONE, ORDER_EXPLICIT, ProcessDescriptor,
    ThreadDescriptor, TrackDescriptor,
};
use crate::diag::trace::replay::Replay;
use crate::hook::{Kind, ObjId, WaitReason};

/// Up to so many tasks have a line each; of more, those that were spawned in one place share lines.
const LINES: usize = 2_000;
const PROCESS: u64 = 1;
const TASKS: u64 = 2;
const COUNTERS: u64 = 3;
/// The counter of runnable tasks.
pub(super) const RUNNABLE: u64 = 4;
const OBJECTS: u64 = 5;

/// The numbers of all other tracks.
#[derive(Default)]
pub(super) struct Tracks {
    numbers: HashMap<Track, u64>,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Track {
    Thread(u64),
    Task(ObjId),
    Regions(ObjId),
    Waiters(ObjId),
    /// If there are several at a time, each has its own.
    Holder(ObjId, usize),
    Waiting(WaitReason),
    Counter(&'static str),
}

impl Tracks {
    /// Its number, and whether it is new.
    fn number(&mut self, track: Track) -> (u64, bool) {
        let next = OBJECTS + 1 + self.numbers.len() as u64;
        let number = *self.numbers.entry(track).or_insert(next);
        (number, number == next)
    }
}

impl<W: Write> Writer<'_, W> {
    /// The process, the groups, and all tasks.
    pub(super) fn tracks(&mut self, replay: &Replay<'_>) -> io::Result<()> {
        let name = std::env::args_os().next().unwrap_or_default();
        self.out.track(TrackDescriptor {
            process: Some(ProcessDescriptor {
                pid: Some(pid()),
                process_name: Some(name.to_string_lossy().into_owned()),
            }),
            ..track(PROCESS, None, None)
        })?;
        let group = |number, name: &str, rank| TrackDescriptor {
            sibling_order_rank: Some(rank),
            ..track(number, Some(PROCESS), Some(name.into()))
        };
        self.out.track(TrackDescriptor {
            child_ordering: Some(ORDER_EXPLICIT),
            ..group(TASKS, "tasks", 1)
        })?;
        self.out.track(group(COUNTERS, "counters", 2))?;
        self.out.track(group(OBJECTS, "objects", 3))?;
        self.out.track(TrackDescriptor {
            counter: Some(CounterDescriptor {
                unit_name: Some("tasks".into()),
            }),
            ..track(RUNNABLE, Some(COUNTERS), Some("runnable tasks".into()))
        })?;
        let tasks = tasks(replay);
        let many = tasks.len() > LINES;
        let mut tasks = tasks.into_iter();
        tasks.try_for_each(|task| self.describe_task(task, many))
    }

    fn describe_task(&mut self, task: ObjId, many: bool) -> io::Result<()> {
        let number = self.task(task);
        let known = self.trace.tasks.get(&task);
        let site = known.and_then(|known| known.site);
        let place = site.map(|site| format!("spawned at {}:{}", site.file(), site.line()));
        let labels = known.map_or(&[][..], |known| &known.labels);
        let labels = labels.iter().map(|(key, value)| format!("{key}={value}"));
        let says: Vec<_> = place.iter().cloned().chain(labels).collect();
        self.out.track(TrackDescriptor {
            sibling_order_rank: Some(i32::try_from(task.number()).unwrap_or(i32::MAX)),
            sibling_merge_behavior: Some(if many { MERGE_BY_KEY } else { MERGE_NONE }),
            sibling_merge_key: place.filter(|_| many),
            description: (!says.is_empty()).then(|| says.join(", ")),
            ..track(number, Some(TASKS), Some(self.trace.title(task)))
        })
    }

    pub(super) fn task(&mut self, task: ObjId) -> u64 {
        self.known.number(Track::Task(task)).0
    }

    pub(super) fn thread(&mut self, thread: u64) -> io::Result<u64> {
        let (number, is_new) = self.known.number(Track::Thread(thread));
        if is_new {
            let mut known = self.trace.threads.iter();
            let known = known.find(|known| known.number == thread);
            let tid = known.and_then(|known| known.tid);
            let name = match known.and_then(|known| known.name.as_deref()) {
                Some(name) => name.to_owned(),
                None if known.is_none() => "other threads".to_owned(),
                None => format!("thread {thread}"),
            };
            self.out.track(TrackDescriptor {
                thread: Some(ThreadDescriptor {
                    pid: Some(pid()),
                    // Numbers of the system are small; ours must not be taken for one of them.
                    tid: Some(tid.unwrap_or(thread + (1 << 40)).cast_signed()),
                    thread_name: Some(name),
                }),
                ..track(number, Some(PROCESS), None)
            })?;
        }
        Ok(number)
    }

    pub(super) fn counter(
        &mut self,
        counter: Track,
        name: impl FnOnce() -> String,
    ) -> io::Result<u64> {
        let (number, is_new) = self.known.number(counter);
        if is_new {
            self.out.track(TrackDescriptor {
                counter: Some(CounterDescriptor { unit_name: None }),
                ..track(number, Some(COUNTERS), Some(name()))
            })?;
        }
        Ok(number)
    }

    /// A track of an object: of numbers, or of slices.
    pub(super) fn object(
        &mut self,
        object: Track,
        counts: bool,
        name: impl FnOnce() -> String,
    ) -> io::Result<u64> {
        let (number, is_new) = self.known.number(object);
        if is_new {
            self.out.track(TrackDescriptor {
                counter: counts.then_some(CounterDescriptor { unit_name: None }),
                ..track(number, Some(OBJECTS), Some(name()))
            })?;
        }
        Ok(number)
    }

    pub(super) fn regions_of(&mut self, task: ObjId) -> io::Result<u64> {
        let (number, is_new) = self.known.number(Track::Regions(task));
        if is_new {
            let parent = self.task(task);
            let name = Some("regions".to_owned());
            self.out.track(track(number, Some(parent), name))?;
        }
        Ok(number)
    }
}

/// All that there are, by number.
fn tasks(replay: &Replay<'_>) -> Vec<ObjId> {
    let mut tasks: Vec<_> = replay.begin.iter().map(|(task, _)| *task).collect();
    tasks.extend(replay.steps.iter().map(|step| step.task));
    tasks.retain(|task| task.kind() == Kind::Task && !task.is_none());
    tasks.sort_unstable();
    tasks.dedup();
    tasks
}

fn pid() -> i32 {
    std::process::id().cast_signed()
}

fn track(number: u64, parent: Option<u64>, name: Option<String>) -> TrackDescriptor {
    TrackDescriptor {
        uuid: Some(number),
        parent_uuid: parent,
        name,
        ..TrackDescriptor::default()
    }
}
