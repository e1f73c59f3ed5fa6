//! A trace gone through once more, so that each task is in one state at a time: what formats are written from.
//!
//! What it is not: a look at the events themselves. Those are as they were told; here a wait begins when its poll ends, a task that
//! runs was runnable before, and one that nobody mentions was in one state all the time.
//!
//! ```text
//!             Create              Start                 End
//! (nobody) ----------> Runnable ----------> Running ----------> (nobody)
//!                        ^  ^                |    |
//!                        |  +-----Yield------+    | Block
//!                        +------Unblock--- Waiting <+
//! ```
//!
//! 1. The steps of a task follow the picture, from the state that [`Replay::begin`] gives it.
//! 2. A thread runs one task at a time: one that is polled inside of another one's poll interrupts that one.
//! 3. Steps are in the order of time.

use std::collections::HashMap;

use super::value::{Last, Trace, TraceEvent, TraceWait, TraceWhat};
use crate::hook::{Kind, ObjId, WaitReason};

/// Threads that had no ring of their own: each of their polls is on a thread of its own, from this number on.
const LANES: u64 = 1 << 32;

pub(super) struct Replay<'t> {
    /// The tasks that there were at the beginning, by number.
    pub(super) begin: Vec<(ObjId, Begin)>,
    pub(super) steps: Vec<Step<'t>>,
}

/// What a task did when the trace began.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Begin {
    Runnable,
    /// On this thread.
    Running(u64),
    Waiting(TraceWait),
}

#[derive(Debug)]
pub(super) struct Step<'t> {
    pub(super) at_ns: u64,
    pub(super) thread: u64,
    /// Whom it is about; none for what is about nobody.
    pub(super) task: ObjId,
    pub(super) what: Do<'t>,
}

#[derive(Debug, PartialEq)]
pub(super) enum Do<'t> {
    Create {
        parent: ObjId,
    },
    Start,
    Block {
        wait: TraceWait,
        arms: &'t [TraceWait],
    },
    Yield,
    Unblock {
        by: ObjId,
        /// When it was told, which may be before the task had begun to wait.
        told_ns: u64,
    },
    End {
        panicked: bool,
        aborted: bool,
    },
    /// Something that changes no state.
    Say(&'t TraceWhat),
}

#[derive(Clone, Copy)]
enum Now<'t> {
    Runnable,
    Running {
        thread: u64,
        wait: Option<(TraceWait, &'t [TraceWait])>,
        woken: Option<Woken>,
    },
    /// Since then, by which step.
    Waiting {
        since: u64,
        step: usize,
    },
    /// Its last poll is over, by which step.
    Ended {
        step: usize,
    },
}

/// The end of a wait that was told while the task ran.
#[derive(Clone, Copy)]
struct Woken {
    by: ObjId,
    thread: u64,
    told_ns: u64,
    wait: TraceWait,
}

/// A wait of which nothing is known.
const FOREIGN: TraceWait = TraceWait {
    reason: WaitReason::Foreign,
    object: ObjId::NONE,
    made: None,
    site: None,
};

struct Player<'t> {
    replay: Replay<'t>,
    tasks: HashMap<ObjId, Now<'t>>,
    /// Whom each thread runs, the outermost first.
    running: HashMap<u64, Vec<ObjId>>,
}

/// Goes through it.
pub(super) fn play(trace: &Trace) -> Replay<'_> {
    let mut player = Player {
        replay: Replay {
            begin: Vec::new(),
            steps: Vec::new(),
        },
        tasks: HashMap::new(),
        running: HashMap::new(),
    };
    player.begin(trace);
    trace.events.iter().for_each(|event| player.event(event));
    let mut replay = player.replay;
    // Stable: what happens at the same time stays in order.
    replay.steps.sort_by_key(|step| step.at_ns);
    replay
}

impl<'t> Player<'t> {
    /// What everybody did at first, by the first that is told of them; who is in no event did the same until the end.
    fn begin(&mut self, trace: &'t Trace) {
        let mut begin: HashMap<ObjId, Option<Begin>> = HashMap::new();
        for event in &trace.events {
            let task = event.task();
            if is_task(task) && changes_state(&event.what) {
                begin.entry(task).or_insert_with(|| first_state(event));
            }
        }
        for (task, known) in &trace.tasks {
            if let (true, Some(last)) = (is_task(*task), known.last) {
                begin.entry(*task).or_insert(Some(match last {
                    Last::Runnable => Begin::Runnable,
                    Last::Running => Begin::Running(LANES + task.number()),
                    Last::Waiting(wait) => Begin::Waiting(wait),
                }));
            }
        }
        let begin = begin.into_iter();
        let mut begin: Vec<_> = begin
            .filter_map(|(task, begin)| Some((task, begin?)))
            .collect();
        begin.sort_unstable_by_key(|(task, _)| *task);
        for (task, begin) in &mut begin {
            let now = self.begin_as(*task, begin);
            self.tasks.insert(*task, now);
        }
        self.replay.begin = begin;
    }

    fn begin_as(&mut self, task: ObjId, begin: &mut Begin) -> Now<'t> {
        match *begin {
            Begin::Running(thread) => {
                let others = self.running.entry(thread).or_default();
                if others.is_empty() {
                    others.push(task);
                    return running(thread);
                }
                // One of the two is polled inside of the other's poll; which one, nobody knows.
                *begin = Begin::Runnable;
                Now::Runnable
            }
            Begin::Runnable => Now::Runnable,
            Begin::Waiting(_) => Now::Waiting {
                since: 0,
                step: usize::MAX,
            },
        }
    }

    fn event(&mut self, event: &'t TraceEvent) {
        let at = event.at_ns;
        match &event.what {
            TraceWhat::Spawn { task, parent } => {
                if !self.tasks.contains_key(task) {
                    self.step(at, event.thread, *task, Do::Create { parent: *parent });
                    self.tasks.insert(*task, Now::Runnable);
                }
            }
            TraceWhat::PollStart {
                task,
                runnable_ns,
                after,
            } => {
                let since = at.saturating_sub(runnable_ns.unwrap_or(0));
                let queued = runnable_ns.is_some() && after.is_none();
                self.start(event, *task, since, queued);
            }
            TraceWhat::PollEnd { task, done } => self.stop(event, *task, *done),
            TraceWhat::Park { task, wait, arms } if is_task(*task) => {
                self.park(*task, *wait, arms);
            }
            TraceWhat::Ready { task, by, wait } if is_task(*task) => {
                let woken = Woken {
                    by: *by,
                    thread: event.thread,
                    told_ns: at,
                    wait: *wait,
                };
                self.ready(at, *task, woken);
            }
            TraceWhat::Exit {
                task,
                panicked,
                aborted,
            } => self.exit(*task, *panicked, *aborted),
            what => self.step(at, event.thread, event.task(), Do::Say(what)),
        }
    }

    fn step(&mut self, at_ns: u64, thread: u64, task: ObjId, what: Do<'t>) {
        self.replay.steps.push(Step {
            at_ns,
            thread,
            task,
            what,
        });
    }

    fn start(&mut self, event: &TraceEvent, task: ObjId, since: u64, queued: bool) {
        let at = event.at_ns;
        let thread = lane(event.thread, task);
        match self.tasks.get(&task).copied() {
            Some(Now::Runnable) => {}
            Some(Now::Waiting { step, .. }) if queued && step != usize::MAX => {
                // It did not wait, it gave way.
                self.replay.steps[step].what = Do::Yield;
            }
            Some(Now::Waiting { since: blocked, .. }) => {
                // Woken by something that is not ours.
                let told_ns = since.max(blocked);
                let by = ObjId::NONE;
                self.step(told_ns, 0, task, Do::Unblock { by, told_ns });
            }
            Some(Now::Running { thread, .. }) => {
                self.leave(at, thread, task, Do::Yield);
            }
            Some(Now::Ended { .. }) => return,
            // Its spawn was dropped.
            None => self.step(
                at,
                thread,
                task,
                Do::Create {
                    parent: ObjId::NONE,
                },
            ),
        }
        let others = self.running.entry(thread).or_default();
        let outer = others.last().copied();
        others.push(task);
        if let Some(outer) = outer {
            self.step(at, thread, outer, Do::Yield);
        }
        self.step(at, thread, task, Do::Start);
        self.tasks.insert(task, running(thread));
    }

    /// A poll is over.
    fn stop(&mut self, event: &TraceEvent, task: ObjId, done: bool) {
        let at = event.at_ns;
        let Some(Now::Running {
            thread,
            wait,
            woken,
        }) = self.tasks.get(&task).copied()
        else {
            return;
        };
        if done {
            let (panicked, aborted) = (false, false);
            let step = self.leave(at, thread, task, Do::End { panicked, aborted });
            self.tasks.insert(task, Now::Ended { step });
            return;
        }
        let (wait, arms) = match (wait, woken) {
            (None, Some(_)) => {
                self.leave(at, thread, task, Do::Yield);
                self.tasks.insert(task, Now::Runnable);
                return;
            }
            (wait, _) => wait.unwrap_or((FOREIGN, &[])),
        };
        let step = self.leave(at, thread, task, Do::Block { wait, arms });
        let step = if wait == FOREIGN { step } else { usize::MAX };
        self.tasks.insert(task, Now::Waiting { since: at, step });
        if let Some(woken) = woken {
            self.ready(at, task, woken);
        }
    }

    /// `task` does `what` and is on the thread no more. Whom it has interrupted goes on. The number of the step.
    fn leave(&mut self, at: u64, thread: u64, task: ObjId, what: Do<'t>) -> usize {
        let stack = self.running.entry(thread).or_default();
        let inner = stack.last() == Some(&task);
        stack.retain(|other| *other != task);
        let outer = stack.last().copied().filter(|_| inner);
        let by = stack.last().copied().filter(|_| !inner);
        if let Some(by) = by {
            // It is interrupted at the moment, and comes back for its end only.
            self.step(at, thread, by, Do::Yield);
            self.step(at, thread, task, Do::Start);
        }
        let step = self.replay.steps.len();
        self.step(at, thread, task, what);
        if let Some(next) = by.or(outer) {
            self.step(at, thread, next, Do::Start);
        }
        step
    }

    fn park(&mut self, task: ObjId, new: TraceWait, arms: &'t [TraceWait]) {
        if let Some(Now::Running { wait, woken, .. }) = self.tasks.get_mut(&task) {
            *wait = Some((new, arms));
            // Told before the wait that it ends; else it is the end of an earlier one.
            *woken = woken.filter(|woken| woken.wait.site == new.site);
        }
    }

    fn ready(&mut self, at: u64, task: ObjId, told: Woken) {
        let Some(now) = self.tasks.get_mut(&task) else {
            return;
        };
        match now {
            Now::Running { woken, .. } => *woken = Some(told),
            Now::Waiting { since, .. } => {
                let at = at.max(*since);
                *now = Now::Runnable;
                let Woken { by, told_ns, .. } = told;
                self.step(at, told.thread, task, Do::Unblock { by, told_ns });
            }
            Now::Runnable | Now::Ended { .. } => {}
        }
    }

    fn exit(&mut self, task: ObjId, is_panicked: bool, is_aborted: bool) {
        let Some(Now::Ended { step }) = self.tasks.get(&task).copied() else {
            return;
        };
        self.tasks.remove(&task);
        if let Do::End { panicked, aborted } = &mut self.replay.steps[step].what {
            (*panicked, *aborted) = (is_panicked, is_aborted);
        }
    }
}

fn running<'t>(thread: u64) -> Now<'t> {
    Now::Running {
        thread,
        wait: None,
        woken: None,
    }
}

fn is_task(id: ObjId) -> bool {
    id.kind() == Kind::Task && !id.is_none()
}

fn lane(thread: u64, task: ObjId) -> u64 {
    match thread {
        0 => LANES + task.number(),
        _ => thread,
    }
}

fn changes_state(what: &TraceWhat) -> bool {
    matches!(
        what,
        TraceWhat::Spawn { .. }
            | TraceWhat::PollStart { .. }
            | TraceWhat::PollEnd { .. }
            | TraceWhat::Park { .. }
            | TraceWhat::Ready { .. }
            | TraceWhat::Exit { .. }
    )
}

/// What a task did before the first that is told of it. `None`: there was none.
fn first_state(event: &TraceEvent) -> Option<Begin> {
    let runs = Begin::Running(lane(event.thread, event.task()));
    Some(match &event.what {
        TraceWhat::Spawn { .. } => return None,
        TraceWhat::Ready { wait, .. } => Begin::Waiting(*wait),
        TraceWhat::PollStart {
            runnable_ns: Some(runnable_ns),
            after: Some(reason),
            ..
        } if *runnable_ns < event.at_ns => Begin::Waiting(TraceWait {
            reason: *reason,
            ..FOREIGN
        }),
        TraceWhat::PollStart { .. } => Begin::Runnable,
        _ => runs,
    })
}

#[cfg(all(test, not(gochan_loom)))]
pub(super) mod tests;
