//! Read back: what was written is what Perfetto's rules ask for.

use std::collections::{HashMap, HashSet};

use prost::Message;

use super::messages::{InternedData, PerfettoTrace, TracePacket};
use super::*;
use crate::diag::trace::replay::tests::{
    chan, end as ends, exit, park, ready, receives, spawn, start, start_after, task, trace,
};
use crate::diag::trace::value::{Held, Last, TraceTask};

/// What was read, after it was found to be in order.
struct Read {
    packets: Vec<TracePacket>,
    names: HashMap<u64, String>,
}

fn read(trace: &Trace) -> Read {
    let bytes = trace.to_perfetto();
    let packets = PerfettoTrace::decode(&bytes[..]).unwrap().packet;
    let mut tracks = HashSet::new();
    let mut numbers: [HashMap<u64, String>; 4] = Default::default();
    let mut open: HashMap<u64, u32> = HashMap::new();
    let mut flows: HashMap<u64, u64> = HashMap::new();
    let mut ended = HashSet::new();
    let mut last = 0;
    for packet in &packets {
        if let Some(track) = &packet.track_descriptor {
            let parent = track
                .parent_uuid
                .is_none_or(|parent| tracks.contains(&parent));
            assert!(parent, "{track:?}");
            assert!(
                tracks.insert(track.uuid.unwrap()),
                "{track:?} is there twice"
            );
        }
        if let Some(data) = &packet.interned_data {
            learn(data, &mut numbers);
        }
        let Some(event) = &packet.track_event else {
            continue;
        };
        let at = packet.timestamp.unwrap();
        assert!(at >= last, "out of order");
        last = at;
        assert!(tracks.contains(&event.track_uuid.unwrap()), "{event:?}");
        knows(event, &numbers);
        let depth = open.entry(event.track_uuid.unwrap()).or_default();
        match event.r#type.unwrap() {
            SLICE_BEGIN => *depth += 1,
            SLICE_END => *depth = depth.checked_sub(1).expect("an end without a beginning"),
            COUNTER => assert!(event.counter_value.is_some()),
            _ => {}
        }
        for flow in &event.flow_ids {
            assert_eq!(flows.insert(*flow, at), None, "a flow begins once");
        }
        for flow in &event.terminating_flow_ids {
            assert!(flows[flow] <= at);
            assert!(ended.insert(*flow), "a flow ends once");
        }
    }
    Read {
        packets,
        names: std::mem::take(&mut numbers[1]),
    }
}

fn learn(data: &InternedData, numbers: &mut [HashMap<u64, String>; 4]) {
    let all = [
        &data.event_categories,
        &data.event_names,
        &data.debug_annotation_names,
        &data.debug_annotation_string_values,
    ];
    for (known, new) in numbers.iter_mut().zip(all) {
        for name in new {
            let old = known.insert(name.iid.unwrap(), name.name.clone().unwrap());
            assert_eq!(old, None, "a number is given once");
        }
    }
}

fn knows(event: &TrackEvent, numbers: &[HashMap<u64, String>; 4]) {
    let [categories, names, keys, texts] = numbers;
    assert!(
        event
            .category_iids
            .iter()
            .all(|n| categories.contains_key(n))
    );
    assert!(event.name_iid.is_none_or(|n| names.contains_key(&n)));
    for says in &event.debug_annotations {
        assert!(keys.contains_key(&says.name_iid.unwrap()));
        assert!(says.string_value_iid.is_none_or(|n| texts.contains_key(&n)));
    }
}

impl Read {
    fn track(&self, name: &str) -> u64 {
        let mut tracks = self
            .packets
            .iter()
            .filter_map(|p| p.track_descriptor.as_ref());
        let track = tracks.find(|track| track.name.as_deref() == Some(name));
        track
            .unwrap_or_else(|| panic!("no track {name}"))
            .uuid
            .unwrap()
    }

    /// The children of a track.
    fn below(&self, parent: u64) -> Option<u64> {
        let mut tracks = self
            .packets
            .iter()
            .filter_map(|p| p.track_descriptor.as_ref());
        tracks.find(|track| track.parent_uuid == Some(parent))?.uuid
    }

    fn events(&self, track: u64) -> impl Iterator<Item = (u64, &TrackEvent)> {
        let events = self.packets.iter();
        let events = events.filter_map(|p| Some((p.timestamp?, p.track_event.as_ref()?)));
        events.filter(move |(_, event)| event.track_uuid == Some(track))
    }

    /// Slices as `begin name` and `end`, counters as their values.
    fn told(&self, track: u64) -> Vec<String> {
        let told = |(at, event): (u64, &TrackEvent)| match event.r#type.unwrap() {
            SLICE_END => format!("{at} end"),
            COUNTER => format!("{at} {}", event.counter_value.unwrap()),
            _ => format!("{at} {}", self.names[&event.name_iid.unwrap()]),
        };
        self.events(track).map(told).collect()
    }
}

fn named(mut trace: Trace) -> Trace {
    trace.names.insert(chan(7), "orders".into());
    let known = TraceTask {
        name: Some("digest".into()),
        type_name: Some("shop::digest"),
        site: Some(std::panic::Location::caller()),
        ..TraceTask::default()
    };
    trace.tasks.insert(task(2), known);
    // The file begins in 1970, and after that.
    trace.taken += std::time::Duration::from_nanos(trace.length_ns);
    trace
}

#[test]
fn a_task_has_a_line_of_what_it_does() {
    let wait = receives(chan(7));
    let site = wait.site.unwrap();
    let read = read(&named(trace(vec![
        (1, 1, start(1)),
        (2, 1, spawn(2, 1)),
        (5, 2, start(2)),
        (6, 2, park(2, wait)),
        (7, 2, ends(2, false)),
        (8, 1, ready(2, 1, wait)),
        (9, 2, start_after(2, 1)),
        (10, 2, ends(2, true)),
        (10, 2, exit(2, false)),
    ])));
    let line = read.track("task 2 \"digest\"");
    let expected = [
        "2 runnable",
        "5 end",
        "5 running",
        "7 end",
        "7 chan receive",
        "8 end",
        "8 runnable",
        "9 end",
        "9 running",
        "10 end",
    ];
    assert_eq!(read.told(line), expected);
    let (_, waits) = read.events(line).nth(4).unwrap();
    let frames = &waits.callstack.as_ref().unwrap().frames;
    let functions: Vec<_> = frames
        .iter()
        .map(|f| f.function_name.clone().unwrap())
        .collect();
    assert_eq!(
        functions,
        ["shop::digest", "chan receive"],
        "outermost first"
    );
    assert_eq!(frames[1].source_file.as_deref(), Some(site.file()));
    assert_eq!(frames[1].line_number, Some(site.line()));
    // The polls, on their threads, and the arrow from one to the next.
    let threads = read
        .packets
        .iter()
        .filter_map(|p| p.track_descriptor.as_ref());
    let threads: Vec<_> = threads
        .filter(|t| t.thread.is_some())
        .map(|t| t.uuid.unwrap())
        .collect();
    assert_eq!(read.told(threads[0]), ["1 task", "2 spawn", "8 wake"]);
    let polls = ["5 shop::digest", "7 end", "9 shop::digest", "10 end"];
    assert_eq!(read.told(threads[1]), polls);
    let (_, wake) = read.events(threads[0]).last().unwrap();
    let (_, poll) = read.events(threads[1]).nth(2).unwrap();
    assert_eq!(wake.flow_ids, poll.terminating_flow_ids);
    assert_eq!(wake.flow_ids.len(), 1);
    let waiters = read.track("chan#7 \"orders\" waiters");
    assert_eq!(read.told(waiters), ["7 1", "8 0"]);
    let runnable = read.track("runnable tasks");
    let counts = ["0 1", "1 0", "2 1", "5 0", "8 1", "9 0"];
    assert_eq!(read.told(runnable), counts);
}

#[test]
fn regions_nest_whatever_the_program_does() {
    let begin = |name| TraceWhat::RegionBegin {
        task: task(2),
        name,
        site: None,
    };
    let over = |name| TraceWhat::RegionEnd {
        task: task(2),
        name,
    };
    let mut trace = named(trace(vec![
        (1, 1, start(2)),
        (2, 1, begin("outer")),
        (3, 1, begin("inner")),
        (4, 1, over("outer")),
        (5, 1, over("before")),
        (6, 1, over("inner")),
        (7, 1, over("unknown")),
    ]));
    let known = trace.tasks.get_mut(&task(2)).unwrap();
    known.regions = vec![("before", None, None), ("inner", None, Some(3))];
    let read = read(&trace);
    let line = read.below(read.track("task 2 \"digest\"")).unwrap();
    let expected = [
        "0 before", "2 outer", "3 inner", "4 end", "4 end", "4 inner", "5 end", "5 end", "5 inner",
        "6 end",
    ];
    assert_eq!(read.told(line), expected);
}

#[test]
fn those_in_no_event_are_there_all_the_time() {
    let mut trace = named(trace(Vec::new()));
    let known = trace.tasks.get_mut(&task(2)).unwrap();
    known.last = Some(Last::Waiting(receives(chan(7))));
    let read = read(&trace);
    assert_eq!(
        read.told(read.track("task 2 \"digest\"")),
        ["0 chan receive"]
    );
    assert_eq!(read.told(read.track("chan#7 \"orders\" waiters")), ["0 1"]);
}

#[test]
fn what_a_program_says() {
    let said = vec![
        (
            3,
            1,
            TraceWhat::Counter {
                name: "depth",
                value: -4,
            },
        ),
        (
            4,
            1,
            TraceWhat::Log {
                task: task(2),
                category: "order",
                message: "17 is paid".into(),
            },
        ),
    ];
    let read = read(&trace(said));
    assert_eq!(read.told(read.track("depth")), ["3 -4"]);
    let mut logs = read.packets.iter().filter_map(|p| p.track_event.as_ref());
    let log = logs.find(|event| event.r#type == Some(INSTANT)).unwrap();
    let message = &log.debug_annotations[0].string_value;
    assert_eq!(message.as_deref(), Some("17 is paid"));
}

fn hold(task_number: u64, object: ObjId, held_ns: u64) -> TraceWhat {
    TraceWhat::Hold {
        task: task(task_number),
        object,
        site: Some(std::panic::Location::caller()),
        held_ns,
    }
}

#[test]
fn holders_are_slices_and_never_two_on_a_line() {
    let (one, many) = (ObjId::of(Kind::Mutex, 3), ObjId::of(Kind::Semaphore, 4));
    let mut trace = named(trace(vec![
        (10, 1, hold(1, one, 9)),
        (12, 1, hold(2, many, 8)),
        (13, 1, hold(2, one, 3)),
        (14, 1, hold(1, many, 8)),
        (20, 1, hold(1, many, 8)),
    ]));
    trace.names.insert(one, "ledger".into());
    trace.held = vec![Held {
        object: one,
        who: task(1),
        site: None,
        since_ns: 15,
    }];
    let read = read(&trace);
    let ledger = read.track("mutex#3 \"ledger\" holder");
    let digest = "task 2 \"digest\"";
    let expected = [
        "1 task 1",
        "10 end",
        &format!("10 {digest}"),
        "13 end",
        "15 task 1",
    ];
    assert_eq!(read.told(ledger), expected);
    let expected = [&format!("4 {digest}"), "12 end", "12 task 1", "20 end"];
    assert_eq!(read.told(read.track("semaphore#4 holder")), expected);
    assert_eq!(
        read.told(read.track("semaphore#4 holder 2")),
        ["6 task 1", "14 end"]
    );
}

#[test]
fn each_reason_to_wait_has_a_counter() {
    let wait = receives(chan(7));
    let read = read(&trace(vec![
        (1, 1, start(1)),
        (2, 1, park(1, wait)),
        (3, 1, ends(1, false)),
        (4, 1, start(2)),
        (5, 1, park(2, wait)),
        (6, 1, ends(2, false)),
        (8, 2, ready(1, 0, wait)),
    ]));
    let waiting = read.track("waiting: chan receive");
    assert_eq!(read.told(waiting), ["3 1", "6 2", "8 1"]);
}

/// The words between single quotes: tracks, categories and arguments.
#[test]
fn queries_ask_for_what_is_written() {
    let wait = receives(chan(7));
    let told = vec![
        (1, 1, start(1)),
        (2, 1, park(1, wait)),
        (3, 1, ends(1, false)),
        (8, 2, ready(1, 2, wait)),
        (9, 1, start_after(1, 1)),
        (9, 1, hold(1, ObjId::of(Kind::Mutex, 3), 2)),
    ];
    let bytes = trace(told).to_perfetto();
    let packets = PerfettoTrace::decode(&bytes[..]).unwrap().packet;
    let data = packets
        .iter()
        .filter_map(|packet| packet.interned_data.as_ref());
    let interned = data.flat_map(|data| {
        let keys = data.debug_annotation_names.iter();
        let keys = keys.map(|key| format!("debug.{}", key.name.as_deref().unwrap()));
        let names = data.event_categories.iter().chain(&data.event_names);
        keys.chain(names.map(|name| name.name.clone().unwrap()))
    });
    let tracks = packets
        .iter()
        .filter_map(|packet| packet.track_descriptor.as_ref());
    let tracks = tracks.filter_map(|track| track.name.clone());
    let written: Vec<_> = interned.chain(tracks).collect();
    for (about, query) in Trace::PERFETTO_QUERIES {
        for word in query.split('\'').skip(1).step_by(2) {
            let is = |written: &String| match word.strip_suffix('*') {
                Some(begin) => written.starts_with(begin),
                None => written == word,
            };
            assert!(
                written.iter().any(is),
                "{about}: {word:?} is not in {written:?}"
            );
        }
    }
}
