//! Who holds what, as slices: each lock that was waited for has a track, or several if several hold it at a time.
//!
//! 1. On a track one hold is over before the next begins.
//! 2. Ends and beginnings are in the order of time; of those at the same time ends come first.

use std::collections::{HashMap, VecDeque};
use std::io::{self, Write};

use super::messages::SLICE_BEGIN;
use super::packets::Value;
use super::tracks::Track;
use super::{Writer, end};
use crate::diag::trace::Site;
use crate::diag::trace::value::{Trace, TraceWhat};
use crate::hook::{Kind, ObjId};

#[derive(Clone, Copy)]
struct Hold {
    object: ObjId,
    who: ObjId,
    site: Option<Site>,
    from: u64,
    /// None: it goes on.
    until: Option<u64>,
}

/// A hold begins or ends.
pub(super) struct Mark {
    at: u64,
    begins: bool,
    lane: usize,
    hold: Hold,
}

/// All of them, first ones first.
pub(super) fn marks(trace: &Trace) -> VecDeque<Mark> {
    let mut holds = holds(trace);
    holds.sort_by_key(|hold| hold.from);
    // Of each object when each of its tracks is free.
    let mut lanes: HashMap<ObjId, Vec<u64>> = HashMap::new();
    let mut marks = Vec::new();
    for hold in holds {
        let lanes = lanes.entry(hold.object).or_default();
        let lane = lanes.iter().position(|free| *free <= hold.from);
        let lane = lane.unwrap_or_else(|| {
            lanes.push(0);
            lanes.len() - 1
        });
        lanes[lane] = hold.until.unwrap_or(u64::MAX);
        let mark = |at, begins| Mark {
            at,
            begins,
            lane,
            hold,
        };
        marks.push(mark(hold.from, true));
        marks.extend(hold.until.map(|until| mark(until, false)));
    }
    marks.sort_by_key(|mark| (mark.at, mark.begins));
    marks.into()
}

fn holds(trace: &Trace) -> Vec<Hold> {
    let ended = trace.events.iter().filter_map(|event| match event.what {
        TraceWhat::Hold {
            task,
            object,
            site,
            held_ns,
        } => {
            let from = event.at_ns.saturating_sub(held_ns);
            Some(Hold {
                object,
                who: task,
                site,
                from,
                // A slice that takes no time cannot be told from its end.
                until: Some(event.at_ns.max(from + 1)),
            })
        }
        _ => None,
    });
    let lasting = trace.held.iter().map(|held| Hold {
        object: held.object,
        who: held.who,
        site: held.site,
        from: held.since_ns,
        until: None,
    });
    ended.chain(lasting).collect()
}

impl<W: Write> Writer<'_, W> {
    /// Those up to a time, that one included.
    pub(super) fn holds_until(&mut self, at: u64) -> io::Result<()> {
        while self.marks.front().is_some_and(|mark| mark.at <= at) {
            if let Some(mark) = self.marks.pop_front() {
                self.mark(&mark)?;
            }
        }
        Ok(())
    }

    fn mark(&mut self, mark: &Mark) -> io::Result<()> {
        let (trace, hold) = (self.trace, &mark.hold);
        let name = || match mark.lane {
            0 => format!("{} holder", trace.object(hold.object)),
            n => format!("{} holder {}", trace.object(hold.object), n + 1),
        };
        let track = self.object(Track::Holder(hold.object, mark.lane), false, name)?;
        if !mark.begins {
            return self.out.event(mark.at, end(track));
        }
        let who = match hold.who.kind() {
            _ if hold.who.is_none() => "a thread".to_owned(),
            Kind::Task => trace.title(hold.who),
            _ => format!("thread {}", hold.who.number()),
        };
        let mut event = self.event(track, SLICE_BEGIN, &who, "hold");
        let object = trace.object(hold.object);
        let mut says = vec![("object", Value::Name(&object))];
        let site = hold
            .site
            .map(|site| format!("{}:{}", site.file(), site.line()));
        says.extend(site.iter().map(|site| ("acquired", Value::Name(site))));
        if hold.who.kind() == Kind::Task {
            says.push(("task", Value::Number(hold.who.number())));
        }
        for (key, value) in says {
            event.debug_annotations.push(self.out.says(key, value));
        }
        self.out.event(mark.at, event)
    }
}
