//! Taking a snapshot: from what the rings hold to a [`Trace`], in the order of time, with who the tasks are.
//!
//! 1. The rings are copied first, the tasks' records are read afterwards: whoever is in an event and lives is in the records.
//! 2. The trace begins at the latest of the beginnings of the rings that were written over, so that nothing is missing in it. What
//!    other rings know of an earlier time serves to name tasks.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use super::event::{End, Event, TEXT, UNKNOWN, What, text_of, untag, whole_time};
use super::ring::Words;
use super::rings::{self, Part, Thread};
use super::value::{Held, Last, Trace, TraceEvent, TraceTask, TraceWait, TraceWhat};
use super::waited;
use crate::clock;
use crate::hook::holder::{self, Holding};
use crate::hook::intern::{NAMES, SITES};
use crate::hook::record::{Snapshot, State};
use crate::hook::{Kind, ObjId, WaitReason, label, object, region, registry};

/// Everything of the last `window`.
pub(super) fn take(window: Duration) -> Trace {
    let (parts, threads) = rings::copy();
    let taken = SystemTime::now();
    let now = clock::ticks();
    let mut seen = Vec::new();
    registry::for_each(|record| seen.extend(record.snapshot()));
    let mut reader = Reader::new(now, window, &parts);
    parts.iter().for_each(|part| reader.read(part));
    reader.finish(taken, threads, &seen)
}

struct Reader {
    /// In ticks.
    now: u64,
    begin: u64,
    events: Vec<(u64, TraceEvent)>,
    tasks: HashMap<ObjId, TraceTask>,
}

impl Reader {
    fn new(now: u64, window: Duration, parts: &[Part]) -> Reader {
        let window = u64::try_from(window.as_nanos()).unwrap_or(u64::MAX);
        let times = |part: &Part| -> Vec<u64> {
            let events = part.copied.events.iter().filter_map(Event::of);
            events.map(|event| whole_time(event.at, now)).collect()
        };
        let recent = |at: &u64| clock::ticks_to_ns(now.saturating_sub(*at)) <= window;
        let mut first = now;
        let mut complete = 0;
        for part in parts {
            let times = times(part);
            // Not always the first one: who takes a ring says so after it has looked at the clock for its event.
            first = first.min(times.iter().copied().filter(recent).min().unwrap_or(now));
            if part.copied.overwritten > 0 {
                complete = complete.max(times.first().copied().unwrap_or(now));
            }
        }
        Reader {
            now,
            begin: first.max(complete),
            events: Vec::new(),
            tasks: HashMap::new(),
        }
    }

    /// Nanoseconds since the beginning.
    fn ns(&self, at: u64) -> u64 {
        clock::ticks_to_ns(at.saturating_sub(self.begin))
    }

    fn read(&mut self, part: &Part) {
        let mut thread = part.thread;
        let markers = part.copied.events.iter().filter_map(Event::of);
        if let Some(first) = markers.into_iter().find(|event| event.what == What::Thread) {
            thread = first.b;
        }
        let mut words = part.copied.events.iter().peekable();
        while let Some(word) = words.next() {
            let Some(event) = Event::of(word) else {
                continue;
            };
            if event.what == What::Thread {
                thread = event.a;
                continue;
            }
            let mut more = || words.next_if(|word| follows(word));
            let Some(what) = self.what(&event, &mut more) else {
                continue;
            };
            let at = whole_time(event.at, self.now);
            if at >= self.begin {
                let at_ns = self.ns(at);
                self.events.push((
                    at,
                    TraceEvent {
                        at_ns,
                        thread,
                        what,
                    },
                ));
            }
        }
    }

    fn what<'w>(
        &mut self,
        event: &Event,
        more: &mut impl FnMut() -> Option<&'w Words>,
    ) -> Option<TraceWhat> {
        let task = untag(event.a);
        Some(match event.what {
            What::Nothing | What::Thread | What::Arm | What::Text => return None,
            What::Spawn => {
                let known = self.tasks.entry(task).or_default();
                known.site = SITES.get(event.site);
                known.type_name = NAMES.get(event.c as u16);
                TraceWhat::Spawn {
                    task,
                    parent: untag(event.b),
                }
            }
            What::Named => {
                let name = text(event.c as usize, more);
                self.tasks.entry(task).or_default().name = Some(name.into());
                return None;
            }
            What::PollStart => TraceWhat::PollStart {
                task,
                runnable_ns: (event.small != UNKNOWN).then(|| clock::ticks_to_ns(event.c)),
                after: event.small.checked_sub(1).and_then(WaitReason::from_number),
            },
            What::PollEnd => TraceWhat::PollEnd {
                task,
                done: event.small == End::Done as u8,
            },
            What::Park => TraceWhat::Park {
                task,
                wait: wait(event, event.c as u16)?,
                arms: std::iter::from_fn(more)
                    .filter_map(Event::of)
                    .filter_map(|arm| wait(&arm, arm.c as u16))
                    .collect(),
            },
            What::Ready => TraceWhat::Ready {
                task,
                by: untag(event.c),
                wait: wait(event, 0)?,
            },
            What::Exit => TraceWhat::Exit {
                task,
                panicked: event.small & 1 != 0,
                aborted: event.small & 2 != 0,
            },
            What::LongPoll => TraceWhat::LongPoll {
                task,
                after: SITES.get(event.site),
                lasted_ns: event.c,
            },
            What::RegionBegin => TraceWhat::RegionBegin {
                task,
                name: NAMES.get(event.site).unwrap_or("?"),
                site: SITES.get(event.c as u16),
            },
            What::RegionEnd => TraceWhat::RegionEnd {
                task,
                name: NAMES.get(event.site).unwrap_or("?"),
            },
            What::Log => TraceWhat::Log {
                task,
                category: NAMES.get(event.site).unwrap_or("?"),
                message: text(event.c as usize, more),
            },
            What::Counter => TraceWhat::Counter {
                name: NAMES.get(event.site).unwrap_or("?"),
                value: (event.c | u64::from(event.small) << 56) as i64,
            },
            What::Hold => TraceWhat::Hold {
                task,
                object: untag(event.b),
                site: SITES.get(event.site),
                held_ns: clock::ticks_to_ns(event.c),
            },
            What::Steal => TraceWhat::Steal {
                by: event.a,
                from: event.b,
                tasks: event.c,
            },
        })
    }

    fn finish(mut self, taken: SystemTime, threads: Vec<Thread>, seen: &[Snapshot]) -> Trace {
        // Stable: what one thread did in one tick stays in order.
        self.events.sort_by_key(|(at, _)| *at);
        seen.iter().for_each(|seen| self.add_living(seen));
        let held = self.add_held();
        let length_ns = self.ns(self.now);
        let events: Vec<_> = self.events.into_iter().map(|(_, event)| event).collect();
        let used = |number| events.iter().any(|event| event.thread == number);
        let threads = threads.into_iter().filter(|thread| used(thread.number));
        Trace {
            taken,
            length_ns,
            names: names(&events, &self.tasks, &held),
            held,
            threads: threads.collect(),
            events,
            tasks: self.tasks,
        }
    }

    /// What a record says of its task.
    fn add_living(&mut self, seen: &Snapshot) {
        if seen.spawned_at > self.now || seen.state == State::Idle {
            return;
        }
        let last = match (seen.state, &seen.wait) {
            (State::Waiting, Some(wait)) if wait.since <= self.now => Last::Waiting(TraceWait {
                reason: wait.reason,
                object: if wait.arm_count == 0 {
                    wait.object
                } else {
                    ObjId::NONE
                },
                made: wait.made,
                site: wait.site,
            }),
            (State::Running, _) => Last::Running,
            _ => Last::Runnable,
        };
        let task = self.tasks.entry(seen.id).or_default();
        task.name = object::name(seen.id);
        task.site = seen.spawned;
        task.type_name = seen.type_name;
        task.labels = label::of(seen.id);
        task.last = Some(last);
    }

    /// The regions of tasks, and of all else that is held what others have waited for.
    fn add_held(&mut self) -> Vec<Held> {
        let all = holder::all();
        self.add_regions(&all);
        let waited = all.iter().filter(|held| waited::is_for(held.what));
        let waited = waited.filter(|held| held.since <= self.now);
        let held = waited.map(|held| Held {
            object: held.what,
            who: held.who,
            site: held.site,
            since_ns: self.ns(held.since),
        });
        held.collect()
    }

    fn add_regions(&mut self, held: &[Holding]) {
        let mut open: Vec<_> = held.iter().filter_map(region::Seen::of).collect();
        open.sort_unstable_by_key(region::Seen::rank);
        for region in open.iter().filter(|region| region.since <= self.now) {
            let began = (region.since >= self.begin).then(|| self.ns(region.since));
            if let Some(task) = self.tasks.get_mut(&region.who) {
                task.regions.push((region.name, region.site, began));
            }
        }
    }
}

/// Whether it is part of the event before it.
fn follows(words: &Words) -> bool {
    text_of(words).is_some() || Event::of(words).is_some_and(|event| event.what == What::Arm)
}

fn wait(event: &Event, made: u16) -> Option<TraceWait> {
    Some(TraceWait {
        reason: event.reason()?,
        object: untag(event.b),
        made: SITES.get(made),
        site: SITES.get(event.site),
    })
}

fn text<'w>(len: usize, more: &mut impl FnMut() -> Option<&'w Words>) -> String {
    let mut bytes: Vec<u8> = Vec::with_capacity(len.next_multiple_of(TEXT));
    while bytes.len() < len {
        match more().and_then(text_of) {
            Some(text) => bytes.extend(text),
            None => break,
        }
    }
    bytes.truncate(len);
    String::from_utf8_lossy(&bytes).into_owned()
}

/// The names of all objects in the events, and of those that tasks wait for.
fn names(
    events: &[TraceEvent],
    tasks: &HashMap<ObjId, TraceTask>,
    held: &[Held],
) -> HashMap<ObjId, Arc<str>> {
    let parked = events.iter().filter_map(|event| match &event.what {
        TraceWhat::Park { wait, .. } | TraceWhat::Ready { wait, .. } => Some(wait.object),
        TraceWhat::Hold { object, .. } => Some(*object),
        _ => None,
    });
    let waiting = tasks.values().filter_map(|task| match task.last {
        Some(Last::Waiting(wait)) => Some(wait.object),
        _ => None,
    });
    let held = held.iter().map(|held| held.object);
    let mut objects: Vec<_> = parked.chain(waiting).chain(held).collect();
    objects.sort_unstable();
    objects.dedup();
    let named = objects
        .into_iter()
        .filter(|id| id.kind() != Kind::Task && !id.is_none());
    named
        .filter_map(|id| Some((id, object::name(id)?)))
        .collect()
}
