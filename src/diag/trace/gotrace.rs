//! A trace in the format of Go's execution traces: tasks are its goroutines; a thread is one of its threads and, for it, a
//! processor of its own.
//!
//! What it is not: exact to the nanosecond. Go's reader puts events in order by their time, so each has one of its own, a nanosecond
//! after the one before where the clock tells no difference.
//!
//! 1. A thread's processor is there before its first event and never leaves it.
//! 2. A task has a number that grows by one with each start and each wake-up; the reader goes by that, not by time.
//! 3. Regions nest: one that ends before an inner one takes that one out for a moment. Region ends that somebody else brought about are
//!    written when the task runs next.

mod wire;

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::io::{self, Write};

use self::wire::{Ev, Frame, Wire};
use super::Site;
use super::replay::{Begin, Do, Replay, Step, play};
use super::value::{Trace, TraceWait, TraceWhat};
use crate::hook::{ObjId, WaitClass, WaitReason};

/// The time of the trace's beginning: 0 is none for the reader.
const EPOCH: u64 = 1_000;
/// The thread of what happened nowhere.
const OUTSIDE: u64 = 0;
const NO_THREAD: u64 = u64::MAX;
const PROC_RUNNING: u64 = 1;
const GO_RUNNABLE: u64 = 1;
const GO_RUNNING: u64 = 2;

impl Trace {
    /// The trace in the format of Go's execution traces, version 2, for `go tool trace` of Go 1.23 and later.
    ///
    /// Tasks are goroutines, named by their functions; each thread is a processor. The stacks are those of
    /// [`to_perfetto`](Trace::to_perfetto): the reason of a wait at its place, regions, and the task's function at the place where
    /// it was spawned. So the goroutine analysis, the blocking profiles and the scheduler latency profile show this program's
    /// places. Regions and logs are Go's user regions and logs; a task's name and labels are its label.
    ///
    /// ```console
    /// $ go tool trace demo.trace                             # in the browser
    /// $ go tool trace -pprof=sync demo.trace > sync.pprof    # blocking on channels and locks
    /// ```
    ///
    /// # Examples
    ///
    /// ```
    /// let recorder = gochan::diag::trace::Recorder::start().unwrap();
    /// gochan::run(async { gochan::yield_now().await });
    /// let file = std::env::temp_dir().join("doc.trace");
    /// std::fs::write(file, recorder.snapshot().to_go_trace()).unwrap();
    /// ```
    pub fn to_go_trace(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        // A vector takes everything.
        let _ = self.write_go_trace(&mut bytes);
        bytes
    }

    /// Writes what [`to_go_trace`](Trace::to_go_trace) gives.
    ///
    /// # Errors
    ///
    /// Those of the writer.
    pub fn write_go_trace(&self, out: &mut impl Write) -> io::Result<()> {
        let replay = play(self);
        let mut writer = Writer {
            wire: Wire::default(),
            trace: self,
            now: EPOCH,
            threads: HashMap::new(),
            tasks: HashMap::new(),
        };
        writer.begin(&replay);
        replay.steps.iter().for_each(|step| writer.step(step));
        writer.wire.write(out)
    }
}

struct Writer<'t> {
    wire: Wire,
    trace: &'t Trace,
    /// The time of the last event.
    now: u64,
    /// Whom each thread runs.
    threads: HashMap<u64, Option<ObjId>>,
    tasks: HashMap<ObjId, Task>,
}

/// A task as Go's reader knows it.
#[derive(Default)]
struct Task {
    seq: u64,
    is_labeled: bool,
    /// The regions that it is in, and those that were written, the outermost first.
    regions: Vec<(&'static str, Option<Site>)>,
    written: Vec<&'static str>,
}

impl Task {
    fn next_seq(&mut self) -> u64 {
        self.seq += 1;
        self.seq
    }
}

impl Writer<'_> {
    fn begin(&mut self, replay: &Replay<'_>) {
        for (task, known) in &self.trace.tasks {
            let regions = known.regions.iter().filter(|region| region.2.is_none());
            let regions = regions.map(|(name, site, _)| (*name, *site)).collect();
            let task = self.tasks.entry(*task).or_default();
            task.regions = regions;
        }
        for (task, begin) in &replay.begin {
            let stack = self.stack(*task, None);
            match begin {
                Begin::Runnable => {
                    let args = [task.number(), NO_THREAD, GO_RUNNABLE, stack];
                    self.event(OUTSIDE, Ev::GoStatusStack, &args);
                }
                Begin::Running(thread) => self.is_running(*thread, *task, stack),
                // As if it had begun now: of one that waits already Go's reader does not take the reason.
                Begin::Waiting(wait) => {
                    self.is_running(OUTSIDE, *task, stack);
                    self.block(OUTSIDE, *task, wait);
                }
            }
        }
    }

    fn is_running(&mut self, thread: u64, task: ObjId, stack: u64) {
        let args = [task.number(), thread, GO_RUNNING, stack];
        self.event(thread, Ev::GoStatusStack, &args);
        self.threads.insert(thread, Some(task));
    }

    fn step(&mut self, step: &Step<'_>) {
        let Step { thread, task, .. } = *step;
        // Each event later than the last: the reader sorts by time.
        self.now = self.now.max(EPOCH + step.at_ns);
        match &step.what {
            Do::Create { parent } => self.create(thread, task, *parent),
            Do::Start => self.start(thread, task),
            Do::Yield => {
                let (reason, stack) = (self.wire.string("yield"), self.stack(task, None));
                self.event(thread, Ev::GoStop, &[reason, stack]);
                self.threads.insert(thread, None);
            }
            Do::Block { wait, .. } => self.block(thread, task, wait),
            Do::Unblock { by, .. } => {
                let stack = self.stack(*by, None);
                let seq = self.tasks.entry(task).or_default().next_seq();
                self.event(thread, Ev::GoUnblock, &[task.number(), seq, stack]);
            }
            Do::End { .. } => {
                self.event(thread, Ev::GoDestroy, &[]);
                self.threads.insert(thread, None);
                self.tasks.remove(&task);
            }
            Do::Say(what) => self.say(thread, task, what),
        }
    }

    fn create(&mut self, thread: u64, task: ObjId, parent: ObjId) {
        let new = self.stack(task, None);
        let mut creator: Vec<Frame> = vec![("gochan::go".into(), self.spawned(task))];
        if !parent.is_none() {
            creator.extend(self.trace.frames(parent, &[], None));
        }
        let creator = self.wire.stack(&creator);
        self.event(thread, Ev::GoCreate, &[task.number(), new, creator]);
    }

    fn start(&mut self, thread: u64, task: ObjId) {
        let seq = self.tasks.entry(task).or_default().next_seq();
        self.event(thread, Ev::GoStart, &[task.number(), seq]);
        self.threads.insert(thread, Some(task));
        self.label(thread, task);
        self.write_regions(thread, task);
    }

    fn block(&mut self, thread: u64, task: ObjId, wait: &TraceWait) {
        let reason = self.wire.string(&reason(wait.reason));
        let stack = self.stack(task, Some(wait));
        self.event(thread, Ev::GoBlock, &[reason, stack]);
        self.threads.insert(thread, None);
    }

    fn say(&mut self, thread: u64, task: ObjId, what: &TraceWhat) {
        match what {
            TraceWhat::RegionBegin { name, site, .. } => {
                let known = self.tasks.entry(task).or_default();
                known.regions.push((name, *site));
            }
            TraceWhat::RegionEnd { name, .. } => {
                let known = self.tasks.entry(task).or_default();
                let place = known.regions.iter().rposition(|open| open.0 == *name);
                place.map(|place| known.regions.remove(place));
            }
            TraceWhat::Log {
                category, message, ..
            } if self.runs(thread, task) => {
                let (key, value) = (self.wire.string(category), self.wire.string(message));
                let stack = self.stack(task, None);
                self.event(thread, Ev::UserLog, &[0, key, value, stack]);
            }
            _ => return,
        }
        if self.runs(thread, task) {
            self.write_regions(thread, task);
        }
    }

    fn runs(&self, thread: u64, task: ObjId) -> bool {
        self.threads.get(&thread) == Some(&Some(task))
    }

    /// Tells the reader what regions a task is in that runs.
    fn write_regions(&mut self, thread: u64, task: ObjId) {
        let known = self.tasks.entry(task).or_default();
        let names: Vec<_> = known.regions.iter().map(|region| region.0).collect();
        let same = names.iter().zip(&known.written);
        let same = same.take_while(|(name, written)| name == written).count();
        let over = known.written.split_off(same);
        known.written.clone_from(&names);
        for name in over.iter().rev() {
            let args = [0, self.wire.string(name), 0];
            self.event(thread, Ev::UserRegionEnd, &args);
        }
        for name in &names[same..] {
            let args = [0, self.wire.string(name), self.stack(task, None)];
            self.event(thread, Ev::UserRegionBegin, &args);
        }
    }

    /// Once, when it runs first.
    fn label(&mut self, thread: u64, task: ObjId) {
        let is_labeled = &mut self.tasks.entry(task).or_default().is_labeled;
        if std::mem::replace(is_labeled, true) {
            return;
        }
        let Some(known) = self.trace.tasks.get(&task) else {
            return;
        };
        let name = known.name.as_deref().map(str::to_owned);
        let labels = known
            .labels
            .iter()
            .map(|(key, value)| format!("{key}={value}"));
        let label: Vec<_> = name.into_iter().chain(labels).collect();
        if !label.is_empty() {
            let label = self.wire.string(&label.join(", "));
            self.event(thread, Ev::GoLabel, &[label]);
        }
    }

    fn stack(&mut self, task: ObjId, wait: Option<&TraceWait>) -> u64 {
        if task.is_none() {
            return 0;
        }
        let regions = self
            .tasks
            .get(&task)
            .map_or(&[][..], |known| &known.regions);
        let frames = self.trace.frames(task, regions, wait);
        self.wire.stack(&frames)
    }

    fn spawned(&self, task: ObjId) -> Option<Site> {
        self.trace.tasks.get(&task)?.site
    }

    fn event(&mut self, thread: u64, event: Ev, args: &[u64]) {
        if let Entry::Vacant(new) = self.threads.entry(thread) {
            new.insert(None);
            // Its own processor, of the same number.
            self.now += 1;
            let args = [thread, PROC_RUNNING];
            self.wire.event(thread, self.now, Ev::ProcStatus, &args);
        }
        self.now += 1;
        self.wire.event(thread, self.now, event, args);
    }
}

/// The reason of a wait, so that Go's profiles find it: those of blocking look for "chan", "select" and "sync", that of the network
/// for "network".
fn reason(reason: WaitReason) -> String {
    let words = reason.as_str();
    let has = |word| words.contains(word);
    match reason.class() {
        WaitClass::Io => "network".to_owned(),
        WaitClass::Sync if !has("sync") => format!("sync ({words})"),
        WaitClass::Chan if !has("chan") && !has("select") => format!("chan ({words})"),
        _ => words.to_owned(),
    }
}

#[cfg(all(test, not(gochan_loom)))]
mod tests;
