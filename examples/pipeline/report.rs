//! The wait report: who waited for what, and which stage holds the rest up.
//!
//! A stage is all tasks of one name. It is at work while one of its polls runs; what it does inside `gochan::blocking` is its work
//! as well, for that is where its disk or its processor is slow. It waits from a park to the ready that ends it. The rest of
//! its life it is ready: it could run, and no worker is free.
//!
//! By the utilisation law of queueing networks the stage whose tasks are at work for the largest share of the time bounds the
//! throughput of all; work piles up before it, so that others wait to send to it.

use gochan::hook::{
    self, Events, Exit, ObjId, Park, PollEnd, PollStart, Ready, Spawn, Subscriber, WaitReason,
};
use indicatif::HumanCount;
use std::collections::{BTreeMap, HashMap};
use std::fmt::Write;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

/// How often, and how long in all.
#[derive(Clone, Copy, Default)]
struct Waits(u64, Duration);

impl Waits {
    fn add(&mut self, other: Waits) {
        *self = Waits(self.0 + other.0, self.1 + other.1);
    }

    fn show(self) -> String {
        format!(
            "{:>9} waits {:>9.3} s",
            HumanCount(self.0).to_string(),
            self.1.as_secs_f64()
        )
    }
}

/// All tasks of one name.
#[derive(Default)]
struct Stage {
    tasks: u32,
    life: Duration,
    work: Duration,
    /// How long others waited to send, until a task of this stage took what they had or made room for it.
    held: Duration,
    waits: BTreeMap<(WaitReason, String), Waits>,
}

struct Task {
    stage: usize,
    born: Instant,
    poll: Option<Instant>,
    wait: Option<(WaitReason, ObjId, Instant)>,
}

#[derive(Default)]
struct Book {
    stages: Vec<(String, Stage)>,
    tasks: HashMap<ObjId, Task>,
}

/// Keeps the book while it is subscribed; see [`Recorder::report`].
#[derive(Default)]
pub(crate) struct Recorder(Mutex<Book>);

impl Recorder {
    pub(crate) fn subscribe() -> (Arc<Recorder>, hook::Subscription) {
        let recorder = Arc::new(Recorder::default());
        let subscription = hook::subscribe(Arc::clone(&recorder));
        (recorder, subscription)
    }

    fn book(&self) -> MutexGuard<'_, Book> {
        self.0.lock().expect("nothing panics with the book in hand")
    }

    /// The report so far. Waits that still go on count up to now.
    pub(crate) fn report(&self) -> String {
        let mut book = self.book();
        let running: Vec<ObjId> = book.tasks.keys().copied().collect();
        for task in running {
            book.close(task);
        }
        book.text()
    }
}

impl Subscriber for Recorder {
    fn events(&self) -> Events {
        Events::ALL
    }

    fn on_spawn(&self, event: &Spawn) {
        if let Some(name) = hook::name(event.task) {
            self.book().open(event.task, &name);
        }
    }

    fn on_poll_start(&self, event: &PollStart) {
        if let Some(task) = self.book().tasks.get_mut(&event.task) {
            task.poll = Some(Instant::now());
            // A task that gave way, or used its slice up, is not told ready: it was all the time.
            task.wait = None;
        }
    }

    fn on_poll_end(&self, event: &PollEnd) {
        self.book().worked(event.task);
    }

    fn on_park(&self, event: &Park<'_>) {
        if let Some(task) = self.book().tasks.get_mut(&event.task) {
            task.wait = Some((event.reason, event.object, Instant::now()));
        }
    }

    fn on_ready(&self, event: &Ready) {
        let waited = Duration::from_nanos(event.waited_ns);
        let mut book = self.book();
        book.waited(event.task, event.reason, event.object, waited);
        if event.reason == WaitReason::ChanSend {
            book.held(event.by, waited);
        }
    }

    fn on_exit(&self, event: &Exit) {
        self.book().close(event.task);
    }
}

impl Book {
    fn open(&mut self, task: ObjId, name: &str) {
        let stage = self
            .stages
            .iter()
            .position(|(n, _)| n == name)
            .unwrap_or_else(|| {
                self.stages.push((name.to_owned(), Stage::default()));
                self.stages.len() - 1
            });
        self.stages[stage].1.tasks += 1;
        self.tasks.insert(
            task,
            Task {
                stage,
                born: Instant::now(),
                poll: None,
                wait: None,
            },
        );
    }

    fn worked(&mut self, id: ObjId) {
        let Some(task) = self.tasks.get_mut(&id) else {
            return;
        };
        if let Some(start) = task.poll.take() {
            self.stages[task.stage].1.work += start.elapsed();
        }
    }

    fn waited(&mut self, id: ObjId, reason: WaitReason, object: ObjId, time: Duration) {
        let Some(task) = self.tasks.get_mut(&id) else {
            return;
        };
        task.wait = None;
        let stage = &mut self.stages[task.stage].1;
        if reason == WaitReason::Blocking {
            stage.work += time;
            return;
        }
        let name = hook::name(object).map_or_else(|| object.to_string(), |n| n.to_string());
        stage
            .waits
            .entry((reason, name))
            .or_default()
            .add(Waits(1, time));
    }

    fn held(&mut self, by: ObjId, time: Duration) {
        if let Some(task) = self.tasks.get(&by) {
            self.stages[task.stage].1.held += time;
        }
    }

    fn close(&mut self, id: ObjId) {
        self.worked(id);
        if let Some((reason, object, since)) = self.tasks.get(&id).and_then(|t| t.wait) {
            self.waited(id, reason, object, since.elapsed());
        }
        if let Some(task) = self.tasks.remove(&id) {
            self.stages[task.stage].1.life += task.born.elapsed();
        }
    }

    fn text(&self) -> String {
        let mut out = String::from("stage     tasks  at work    ready  waiting\n");
        for (name, stage) in &self.stages {
            let _ = writeln!(out, "{}", stage.row(name));
        }
        out.push_str("channel     to send                        to receive\n");
        for (name, [send, receive]) in self.channels() {
            let _ = writeln!(out, "{name:<8}  {}  {}", send.show(), receive.show());
        }
        out.push_str(&self.verdict());
        out
    }

    /// What was waited for on each channel, by the name of the channel: to send, to receive.
    fn channels(&self) -> BTreeMap<&str, [Waits; 2]> {
        let mut channels: BTreeMap<&str, [Waits; 2]> = BTreeMap::new();
        for ((reason, name), waits) in self.stages.iter().flat_map(|(_, s)| &s.waits) {
            let way = match reason {
                WaitReason::ChanSend => 0,
                WaitReason::ChanRecv => 1,
                _ => continue,
            };
            channels.entry(name).or_default()[way].add(*waits);
        }
        channels
    }

    /// One sentence: the stage that bounds all, and what shows it.
    fn verdict(&self) -> String {
        let busiest = self
            .stages
            .iter()
            .max_by(|a, b| a.1.share(a.1.work).total_cmp(&b.1.share(b.1.work)));
        let Some((name, stage)) = busiest else {
            return "No stage has run.\n".into();
        };
        let evidence = match stage.held {
            Duration::ZERO => String::new(),
            held => format!(
                ", while others waited {:.3} s to send to it",
                held.as_secs_f64()
            ),
        };
        let share = stage.share(stage.work);
        let own = stage.share(stage.waiting());
        format!(
            "The {name} stage holds the rest up: it was at work {share:.0} % of the time and waited {own:.0} %{evidence}.\n"
        )
    }
}

impl Stage {
    /// In percent of the stage's life.
    fn share(&self, part: Duration) -> f64 {
        100.0 * part.as_secs_f64() / self.life.as_secs_f64().max(1e-9)
    }

    fn waiting(&self) -> Duration {
        self.waits.values().map(|w| w.1).sum()
    }

    fn row(&self, name: &str) -> String {
        let (work, waiting) = (self.share(self.work), self.share(self.waiting()));
        let ready = (100.0 - work - waiting).max(0.0);
        let mut row = format!(
            "{name:<8} {:>6} {work:>7.1}% {ready:>7.1}% {waiting:>7.1}%",
            self.tasks
        );
        for ((reason, object), waits) in &self.waits {
            let _ = write!(row, "\n    {} {reason} on {object}", waits.show());
        }
        row
    }
}
