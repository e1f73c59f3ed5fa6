//! A trace in Perfetto's format.
//!
//! ```text
//! process
//!   thread 1 "gochan-1"       a slice for each poll, named by its task's function; instants "wake", which the flows begin at
//!   tasks
//!     task 18 "digest"        one slice after the other: running, runnable, or why it waits
//!       regions               nested as the program nests them
//!   counters
//!     runnable tasks, waiting: chan receive, the program's own
//!   objects
//!     chan#7 "orders" waiters
//!     mutex#3 holder          a slice for each hold, named by the task
//! ```
//!
//! 1. Packets are in the order of time.
//! 2. On a track slices nest: a thread runs one task at a time, a task is in one state at a time, and a region that ends before an
//!    inner one takes that one out for a moment.
//! 3. A flow has its own number, one beginning and one end: from where a wait's end was told to the poll that follows.

mod holds;
mod messages;
mod packets;
mod queries;
mod tracks;

use std::collections::{HashMap, VecDeque};
use std::io::{self, Write};
use std::time::UNIX_EPOCH;

use self::holds::Mark;
use self::messages::{COUNTER, Callstack, Frame, INSTANT, SLICE_BEGIN, SLICE_END, TrackEvent};
use self::packets::{Packets, Value};
use self::tracks::{RUNNABLE, Track, Tracks};
use super::Site;
use super::replay::{Begin, Do, Replay, Step, play};
use super::value::{Trace, TraceWait, TraceWhat};
use crate::hook::{Kind, ObjId, WaitReason};

impl Trace {
    /// The trace in Perfetto's format: <https://ui.perfetto.dev> shows it, and its `trace_processor` answers questions in SQL.
    ///
    /// Each thread is a track with a slice for each poll, each task one with what it did: running, runnable, or waiting, with Go's
    /// words for why. A slice of waiting says on what object, and its stack has the place of the wait, the regions that the
    /// task is in, and its function at the place where it was spawned. Arrows lead from whoever ended a wait to the poll that
    /// followed. Locks that were waited for have tracks of their own with a slice for each hold, and who held it. Counters: runnable
    /// tasks, tasks that wait for each reason, tasks that wait for a named object, and [`counter`](crate::diag::counter)s.
    ///
    /// [`PERFETTO_QUERIES`](Trace::PERFETTO_QUERIES) are questions to begin with.
    ///
    /// # Examples
    ///
    /// ```
    /// let recorder = gochan::diag::trace::Recorder::start().unwrap();
    /// gochan::run(async { gochan::yield_now().await });
    /// let file = std::env::temp_dir().join("doc.pftrace");
    /// std::fs::write(file, recorder.snapshot().to_perfetto()).unwrap();
    /// ```
    pub fn to_perfetto(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        // A vector takes everything.
        let _ = self.write_perfetto(&mut bytes);
        bytes
    }

    /// Writes what [`to_perfetto`](Trace::to_perfetto) gives, piece by piece: give it a buffered writer.
    ///
    /// # Errors
    ///
    /// Those of the writer.
    pub fn write_perfetto(&self, out: &mut impl Write) -> io::Result<()> {
        let taken = self.taken.duration_since(UNIX_EPOCH).unwrap_or_default();
        let taken = u64::try_from(taken.as_nanos()).unwrap_or(u64::MAX);
        let replay = play(self);
        let mut writer = Writer {
            out: Packets::begin(out, taken.saturating_sub(self.length_ns))?,
            trace: self,
            known: Tracks::default(),
            open: HashMap::new(),
            regions: HashMap::new(),
            flows: HashMap::new(),
            waiters: HashMap::new(),
            waiting: HashMap::new(),
            marks: holds::marks(self),
            last_flow: 0,
            runnable: 0,
        };
        writer.tracks(&replay)?;
        writer.begin(&replay)?;
        for step in &replay.steps {
            writer.holds_until(step.at_ns)?;
            writer.step(step)?;
        }
        writer.holds_until(u64::MAX)?;
        writer.out.finish()
    }
}

type RegionFrame = (&'static str, Option<Site>);

struct Writer<'t, W> {
    out: Packets<W>,
    trace: &'t Trace,
    known: Tracks,
    /// What waits each task is in, if it waits.
    open: HashMap<ObjId, Option<TraceWait>>,
    /// The regions that each task is in, the outermost first.
    regions: HashMap<ObjId, Vec<RegionFrame>>,
    /// Flows that are to end in the next poll of a task.
    flows: HashMap<ObjId, u64>,
    /// Tasks that wait for a named object.
    waiters: HashMap<ObjId, i64>,
    /// Tasks that wait for each reason.
    waiting: HashMap<WaitReason, i64>,
    /// Of holds, those to come.
    marks: VecDeque<Mark>,
    last_flow: u64,
    runnable: i64,
}

// === events ===

impl<W: Write> Writer<'_, W> {
    fn begin(&mut self, replay: &Replay<'_>) -> io::Result<()> {
        self.begin_regions()?;
        for (task, begin) in &replay.begin {
            match begin {
                Begin::Runnable => {
                    self.enter(0, *task, "runnable", "task", None, &[])?;
                    self.runnable += 1;
                }
                Begin::Running(thread) => self.run(0, *thread, *task)?,
                Begin::Waiting(wait) => self.wait(0, *task, wait, &[])?,
            }
        }
        self.count_runnable(0, 0)
    }

    /// Those that began before the trace, and are not over at its end.
    fn begin_regions(&mut self) -> io::Result<()> {
        let mut tasks: Vec<_> = self.trace.tasks.iter().collect();
        tasks.sort_unstable_by_key(|(id, _)| **id);
        for (task, known) in tasks {
            for (name, site, _) in known.regions.iter().filter(|region| region.2.is_none()) {
                self.region(0, *task, (name, *site), true)?;
            }
        }
        Ok(())
    }

    fn step(&mut self, step: &Step<'_>) -> io::Result<()> {
        let Step {
            at_ns: at, thread, ..
        } = *step;
        match &step.what {
            Do::Create { parent } => {
                let says = [("parent", parent.number())];
                let says = says.into_iter().filter(|(_, number)| *number != 0);
                let says: Vec<_> = says.map(|(key, n)| (key, Value::Number(n))).collect();
                self.instant(at, thread, "spawn", says, None)?;
                self.enter(at, step.task, "runnable", "task", None, &[])?;
                self.count_runnable(at, 1)
            }
            Do::Start => {
                self.leave(at, step.task)?;
                self.run(at, thread, step.task)?;
                self.count_runnable(at, -1)
            }
            Do::Yield => {
                self.stop(at, thread, step.task)?;
                self.enter(at, step.task, "runnable", "task", None, &[])?;
                self.count_runnable(at, 1)
            }
            Do::Block { wait, arms } => {
                self.stop(at, thread, step.task)?;
                self.wait(at, step.task, wait, arms)
            }
            Do::Unblock { by, .. } => {
                self.wake(at, thread, step.task, *by)?;
                self.leave(at, step.task)?;
                self.enter(at, step.task, "runnable", "task", None, &[])?;
                self.count_runnable(at, 1)
            }
            Do::End { panicked, aborted } => {
                self.stop(at, thread, step.task)?;
                self.open.remove(&step.task);
                match (panicked, aborted) {
                    (true, _) => self.instant(at, thread, "panic", Vec::new(), None),
                    (_, true) => self.instant(at, thread, "aborted", Vec::new(), None),
                    _ => Ok(()),
                }
            }
            Do::Say(what) => self.say(at, thread, step.task, what),
        }
    }

    /// Begins a slice on the task's own track.
    fn enter(
        &mut self,
        at: u64,
        task: ObjId,
        name: &str,
        category: &str,
        wait: Option<TraceWait>,
        says: &[(&str, Value<'_>)],
    ) -> io::Result<()> {
        let number = self.task(task);
        let mut event = self.event(number, SLICE_BEGIN, name, category);
        for (key, value) in says {
            let value = match value {
                Value::Number(number) => Value::Number(*number),
                Value::Name(name) => Value::Name(name),
                Value::Text(text) => Value::Text(text),
            };
            event.debug_annotations.push(self.out.says(key, value));
        }
        event.callstack = wait.map(|wait| self.stack(task, &wait));
        self.open.insert(task, wait);
        self.out.event(at, event)
    }

    /// Ends the slice on the task's own track.
    fn leave(&mut self, at: u64, task: ObjId) -> io::Result<()> {
        if let Some(Some(wait)) = self.open.remove(&task) {
            self.count_waiters(at, wait.object, -1)?;
            self.count_waiting(at, wait.reason, -1)?;
        }
        let number = self.task(task);
        self.out.event(at, end(number))
    }

    fn run(&mut self, at: u64, thread: u64, task: ObjId) -> io::Result<()> {
        self.enter(at, task, "running", "task", None, &[])?;
        let number = self.thread(thread)?;
        let name = self.trace.function(task);
        let mut event = self.event(number, SLICE_BEGIN, &name, "poll");
        let says = self.out.says("task", Value::Number(task.number()));
        event.debug_annotations.push(says);
        event.terminating_flow_ids.extend(self.flows.remove(&task));
        self.out.event(at, event)
    }

    fn stop(&mut self, at: u64, thread: u64, task: ObjId) -> io::Result<()> {
        let number = self.thread(thread)?;
        self.out.event(at, end(number))?;
        self.leave(at, task)
    }

    fn wait(
        &mut self,
        at: u64,
        task: ObjId,
        wait: &TraceWait,
        arms: &[TraceWait],
    ) -> io::Result<()> {
        let object = self.trace.object(wait.object);
        let arms: Vec<_> = arms.iter().map(|arm| self.trace.describe(arm)).collect();
        let arms = arms.join("; ");
        let [made, site] = [wait.made, wait.site]
            .map(|place| place.map(|place| format!("{}:{}", place.file(), place.line())));
        let mut says = Vec::new();
        if !wait.object.is_none() {
            says.push(("object", Value::Name(&object)));
        }
        says.extend(made.iter().map(|made| ("made", Value::Name(made))));
        says.extend(site.iter().map(|site| ("at", Value::Name(site))));
        if !arms.is_empty() {
            says.push(("arms", Value::Name(&arms)));
        }
        let reason = wait.reason.as_str();
        self.enter(at, task, reason, "wait", Some(*wait), &says)?;
        self.count_waiting(at, wait.reason, 1)?;
        self.count_waiters(at, wait.object, 1)
    }

    fn wake(&mut self, at: u64, thread: u64, task: ObjId, by: ObjId) -> io::Result<()> {
        self.last_flow += 1;
        let flow = self.last_flow;
        self.flows.insert(task, flow);
        let mut says = vec![("task", Value::Number(task.number()))];
        if !by.is_none() {
            says.push(("by", Value::Number(by.number())));
        }
        self.instant(at, thread, "wake", says, Some(flow))
    }

    fn instant(
        &mut self,
        at: u64,
        thread: u64,
        name: &str,
        says: Vec<(&str, Value<'_>)>,
        flow: Option<u64>,
    ) -> io::Result<()> {
        let number = self.thread(thread)?;
        let mut event = self.event(number, INSTANT, name, "scheduler");
        for (key, value) in says {
            event.debug_annotations.push(self.out.says(key, value));
        }
        event.flow_ids.extend(flow);
        self.out.event(at, event)
    }

    fn say(&mut self, at: u64, thread: u64, task: ObjId, what: &TraceWhat) -> io::Result<()> {
        match what {
            TraceWhat::RegionBegin { name, site, .. } => self.region(at, task, (name, *site), true),
            TraceWhat::RegionEnd { name, .. } => self.region(at, task, (name, None), false),
            TraceWhat::Counter { name, value } => {
                let number = self.counter(Track::Counter(name), || (*name).to_owned())?;
                self.value(at, number, *value)
            }
            TraceWhat::Log {
                category, message, ..
            } => {
                let says = vec![("message", Value::Text(message))];
                self.instant(at, thread, category, says, None)
            }
            TraceWhat::LongPoll {
                after, lasted_ns, ..
            } => {
                let after = after.map(|site| format!("{}:{}", site.file(), site.line()));
                let mut says = vec![
                    ("task", Value::Number(task.number())),
                    ("lasted_ns", Value::Number(*lasted_ns)),
                ];
                says.extend(after.iter().map(|after| ("after", Value::Name(after))));
                self.instant(at, thread, "long poll", says, None)
            }
            TraceWhat::Steal { by, from, tasks } => {
                let says = [("by", *by), ("from", *from), ("tasks", *tasks)];
                let says = says.map(|(key, number)| (key, Value::Number(number)));
                self.instant(at, thread, "steal", says.into(), None)
            }
            _ => Ok(()),
        }
    }

    fn region(
        &mut self,
        at: u64,
        task: ObjId,
        region: RegionFrame,
        begins: bool,
    ) -> io::Result<()> {
        if task.is_none() || task.kind() != Kind::Task {
            return Ok(());
        }
        let number = self.regions_of(task)?;
        let open = self.regions.entry(task).or_default();
        if begins {
            open.push(region);
            let event = self.event(number, SLICE_BEGIN, region.0, "region");
            return self.out.event(at, event);
        }
        // One whose beginning is not in the trace has no slice to end.
        let Some(place) = open.iter().rposition(|open| open.0 == region.0) else {
            return Ok(());
        };
        let inner = open.split_off(place + 1);
        open.pop();
        open.extend(&inner);
        for _ in 0..=inner.len() {
            self.out.event(at, end(number))?;
        }
        for (name, _) in inner {
            let event = self.event(number, SLICE_BEGIN, name, "region");
            self.out.event(at, event)?;
        }
        Ok(())
    }

    fn count_runnable(&mut self, at: u64, more: i64) -> io::Result<()> {
        self.runnable += more;
        self.value(at, RUNNABLE, self.runnable)
    }

    fn count_waiting(&mut self, at: u64, reason: WaitReason, more: i64) -> io::Result<()> {
        let name = || format!("waiting: {reason}");
        let number = self.counter(Track::Waiting(reason), name)?;
        let count = self.waiting.entry(reason).or_default();
        *count += more;
        let count = *count;
        self.value(at, number, count)
    }

    /// Of objects that have a name.
    fn count_waiters(&mut self, at: u64, object: ObjId, more: i64) -> io::Result<()> {
        if !self.trace.names.contains_key(&object) {
            return Ok(());
        }
        let trace = self.trace;
        let name = || format!("{} waiters", trace.object(object));
        let number = self.object(Track::Waiters(object), true, name)?;
        let count = self.waiters.entry(object).or_default();
        *count += more;
        let count = *count;
        self.value(at, number, count)
    }

    fn value(&mut self, at: u64, track: u64, value: i64) -> io::Result<()> {
        let event = TrackEvent {
            r#type: Some(COUNTER),
            track_uuid: Some(track),
            counter_value: Some(value),
            ..TrackEvent::default()
        };
        self.out.event(at, event)
    }

    fn event(&mut self, track: u64, kind: i32, name: &str, category: &str) -> TrackEvent {
        TrackEvent {
            r#type: Some(kind),
            track_uuid: Some(track),
            name_iid: self.out.name(name),
            category_iids: self.out.category(category),
            ..TrackEvent::default()
        }
    }

    /// The function where it was spawned, the regions, the place of the wait.
    fn stack(&self, task: ObjId, wait: &TraceWait) -> Callstack {
        let regions = self.regions.get(&task).map_or(&[][..], |open| open);
        let frames = self.trace.frames(task, regions, Some(wait));
        let frame = |(function, site): (String, Option<Site>)| Frame {
            function_name: Some(function),
            source_file: site.map(|site| site.file().to_owned()),
            line_number: site.map(|site| site.line()),
        };
        Callstack {
            frames: frames.into_iter().rev().map(frame).collect(),
        }
    }
}

fn end(track: u64) -> TrackEvent {
    TrackEvent {
        r#type: Some(SLICE_END),
        track_uuid: Some(track),
        ..TrackEvent::default()
    }
}

#[cfg(all(test, not(gochan_loom)))]
mod tests;
