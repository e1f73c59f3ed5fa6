//! Read back by the rules of Go's reader (`src/internal/trace/order.go`), as far as we write what it knows.

use super::*;
use crate::diag::trace::replay::tests::{
    chan, end, exit, park, ready, receives, spawn, start, start_after, task, trace,
};
use crate::diag::trace::value::TraceTask;
use std::collections::HashSet;

struct Read {
    strings: HashMap<u64, String>,
    /// Frames as (function, file, line), the innermost first.
    stacks: HashMap<u64, Vec<(String, String, u64)>>,
    /// Time, thread, event, arguments; in the order of time.
    events: Vec<(u64, u64, u8, Vec<u64>)>,
}

struct Bytes<'a>(&'a [u8]);

impl Bytes<'_> {
    fn byte(&mut self) -> u8 {
        let (first, rest) = self.0.split_first().expect("there is more");
        self.0 = rest;
        *first
    }

    fn number(&mut self) -> u64 {
        let mut number = 0;
        for shift in (0..).step_by(7) {
            let byte = self.byte();
            number |= u64::from(byte & 0x7F) << shift;
            if byte < 0x80 {
                break;
            }
        }
        number
    }

    fn take(&mut self, len: u64) -> &[u8] {
        let (first, rest) = self.0.split_at(len as usize);
        self.0 = rest;
        first
    }
}

/// How many arguments follow the time.
fn arguments(event: u8) -> usize {
    match event {
        17 => 0,
        39 => 1,
        13 | 16 | 19 | 20 => 2,
        14 | 21 | 42 | 43 => 3,
        44 | 48 => 4,
        _ => panic!("event {event} is not one of ours"),
    }
}

fn read(trace: &Trace) -> Read {
    let bytes = trace.to_go_trace();
    let mut bytes = Bytes(bytes.strip_prefix(b"go 1.23 trace\0\0\0").unwrap());
    let mut read = Read {
        strings: HashMap::from([(0, String::new())]),
        stacks: HashMap::from([(0, Vec::new())]),
        events: Vec::new(),
    };
    let mut stacks = Vec::new();
    while !bytes.0.is_empty() {
        assert_eq!(bytes.byte(), Ev::Batch as u8);
        assert_eq!(bytes.number(), 1, "one generation");
        let (thread, mut at, len) = (bytes.number(), bytes.number(), bytes.number());
        assert!(len <= 64 << 10);
        let mut batch = Bytes(bytes.take(len));
        match batch.0[0] {
            4 => read_strings(&mut batch, &mut read),
            2 => read_stacks(&mut batch, &mut stacks),
            8 => assert_eq!(batch.0.len(), 6),
            _ => {
                while !batch.0.is_empty() {
                    let event = batch.byte();
                    at += batch.number();
                    let args = (0..arguments(event)).map(|_| batch.number()).collect();
                    read.events.push((at, thread, event, args));
                }
            }
        }
    }
    for (number, frames) in stacks {
        let text = |frame: [u64; 3]| {
            let [function, file, line] = frame;
            (
                read.strings[&function].clone(),
                read.strings[&file].clone(),
                line,
            )
        };
        let frames = frames.into_iter().map(text).collect();
        assert!(read.stacks.insert(number, frames).is_none());
    }
    read.events.sort_by_key(|event| event.0);
    check(&read);
    read
}

fn read_strings(batch: &mut Bytes<'_>, read: &mut Read) {
    batch.byte();
    while !batch.0.is_empty() {
        assert_eq!(batch.byte(), Ev::String as u8);
        let (number, len) = (batch.number(), batch.number());
        assert!(len <= 1 << 10);
        let text = String::from_utf8(batch.take(len).to_vec()).unwrap();
        assert!(read.strings.insert(number, text).is_none());
    }
}

fn read_stacks(batch: &mut Bytes<'_>, stacks: &mut Vec<(u64, Vec<[u64; 3]>)>) {
    batch.byte();
    while !batch.0.is_empty() {
        assert_eq!(batch.byte(), Ev::Stack as u8);
        let (number, len) = (batch.number(), batch.number());
        let mut frame = || {
            assert_ne!(batch.number(), 0, "an address");
            [batch.number(), batch.number(), batch.number()]
        };
        stacks.push((number, (0..len).map(|_| frame()).collect()));
    }
}

/// Who is where: as the reader puts it together.
fn check(read: &Read) {
    let mut tasks: HashMap<u64, (&str, u64)> = HashMap::new();
    let mut runs: HashMap<u64, Option<u64>> = HashMap::new();
    let mut regions: HashMap<u64, Vec<u64>> = HashMap::new();
    let mut last = 0;
    for (at, thread, event, args) in &read.events {
        assert!(*at > last, "each at its own time");
        last = *at;
        if *event == 13 {
            assert_eq!(args[..], [*thread, 1]);
            assert_eq!(runs.insert(*thread, None), None);
            continue;
        }
        let running = runs[thread];
        let mut goes = |task: u64, from: &str, to| {
            let (state, _) = tasks[&task];
            assert_eq!(state, from, "task {task}");
            tasks.get_mut(&task).unwrap().0 = to;
        };
        let stack = match event {
            48 => {
                let to = if args[2] == 1 { "runnable" } else { "running" };
                assert_eq!(tasks.insert(args[0], (to, 0)), None);
                if to == "running" {
                    runs.insert(*thread, Some(args[0]));
                }
                args[3]
            }
            14 => {
                assert_eq!(tasks.insert(args[0], ("runnable", 0)), None);
                assert!(read.stacks.contains_key(&args[1]));
                args[2]
            }
            16 => {
                assert_eq!(running, None);
                goes(args[0], "runnable", "running");
                runs.insert(*thread, Some(args[0]));
                0
            }
            19 | 20 => {
                let to = if *event == 19 { "runnable" } else { "waiting" };
                goes(running.unwrap(), "running", to);
                assert!(read.strings.contains_key(&args[0]));
                runs.insert(*thread, None);
                args[1]
            }
            17 => {
                tasks.remove(&running.unwrap()).unwrap();
                runs.insert(*thread, None);
                0
            }
            21 => {
                goes(args[0], "waiting", "runnable");
                args[2]
            }
            42 => {
                regions.entry(running.unwrap()).or_default().push(args[1]);
                args[2]
            }
            43 => {
                let innermost = regions.get_mut(&running.unwrap()).unwrap().pop();
                assert_eq!(innermost, Some(args[1]));
                0
            }
            44 => {
                running.unwrap();
                args[3]
            }
            _ => 0,
        };
        if let 16 | 21 = event {
            let seq = &mut tasks.get_mut(&args[0]).unwrap().1;
            *seq += 1;
            assert_eq!(*seq, args[1], "its number");
        }
        assert!(read.stacks.contains_key(&stack));
    }
}

impl Read {
    fn told(&self) -> Vec<String> {
        let told = self
            .events
            .iter()
            .map(|(_, thread, event, args)| match event {
                13 => format!("{thread}: processor"),
                14 => format!("{thread}: creates {}", args[0]),
                16 => format!("{thread}: starts {}", args[0]),
                17 => format!("{thread}: destroys"),
                19 => format!("{thread}: {}", self.strings[&args[0]]),
                20 => format!(
                    "{thread}: {}{}",
                    self.strings[&args[0]],
                    self.place(args[1])
                ),
                21 => format!("{thread}: readies {}", args[0]),
                39 => format!("{thread}: label {}", self.strings[&args[0]]),
                42 => format!("{thread}: begins {}", self.strings[&args[1]]),
                43 => format!("{thread}: ends {}", self.strings[&args[1]]),
                44 => format!(
                    "{thread}: says {}: {}",
                    self.strings[&args[1]], self.strings[&args[2]]
                ),
                _ => format!("{thread}: status {} of {}", args[2], args[0]),
            });
        told.collect()
    }

    fn place(&self, stack: u64) -> String {
        let frames = self.stacks[&stack].iter().map(|frame| frame.0.as_str());
        format!(" in {}", frames.collect::<Vec<_>>().join(" < "))
    }
}

fn known(mut trace: Trace) -> Trace {
    let known = TraceTask {
        name: Some("digest".into()),
        type_name: Some("shop::digest"),
        labels: vec![("tenant".into(), "eu".into())],
        ..TraceTask::default()
    };
    trace.tasks.insert(task(2), known);
    trace
}

#[test]
fn a_life() {
    let wait = receives(chan(7));
    let read = read(&known(trace(vec![
        (1, 1, start(1)),
        (2, 1, spawn(2, 1)),
        (5, 2, start(2)),
        (6, 2, park(2, wait)),
        (7, 2, end(2, false)),
        (8, 1, ready(2, 1, wait)),
        (9, 2, start_after(2, 1)),
        (10, 2, end(2, true)),
        (10, 2, exit(2, false)),
    ])));
    let expected = [
        "0: processor",
        "0: status 1 of 1",
        "1: processor",
        "1: starts 1",
        "1: creates 2",
        "2: processor",
        "2: starts 2",
        "2: label digest, tenant=eu",
        "2: chan receive in chan receive < shop::digest",
        "1: readies 2",
        "2: starts 2",
        "2: destroys",
    ];
    assert_eq!(read.told(), expected);
    let site = wait.site.unwrap();
    let leaf = (
        "chan receive".to_owned(),
        site.file().to_owned(),
        u64::from(site.line()),
    );
    assert!(
        read.stacks
            .values()
            .any(|stack| stack.first() == Some(&leaf))
    );
}

#[test]
fn a_wait_that_began_before_has_its_reason_and_place() {
    let wait = receives(chan(7));
    let read = read(&known(trace(vec![(8, 3, ready(2, 0, wait))])));
    let expected = [
        "0: processor",
        "0: status 2 of 2",
        "0: chan receive in chan receive < shop::digest",
        "3: processor",
        "3: readies 2",
    ];
    assert_eq!(read.told(), expected);
}

#[test]
fn regions_end_while_their_task_runs() {
    let begin = |name| TraceWhat::RegionBegin {
        task: task(2),
        name,
        site: None,
    };
    let over = |name| TraceWhat::RegionEnd {
        task: task(2),
        name,
    };
    let wait = receives(chan(7));
    let read = read(&trace(vec![
        (1, 1, start(2)),
        (2, 1, begin("outer")),
        (3, 1, begin("inner")),
        (4, 1, over("outer")),
        (5, 1, park(2, wait)),
        (6, 1, end(2, false)),
        (7, 2, over("inner")),
        (8, 2, ready(2, 0, wait)),
        (9, 1, start_after(2, 1)),
    ]));
    let expected = [
        "1: starts 2",
        "1: begins outer",
        "1: begins inner",
        "1: ends inner",
        "1: ends outer",
        "1: begins inner",
        "1: chan receive in chan receive < inner < task",
        "2: processor",
        "2: readies 2",
        "1: starts 2",
        "1: ends inner",
    ];
    assert_eq!(read.told()[3..], expected);
}

#[test]
fn what_a_program_says() {
    let long = "é".repeat(700);
    let log = |message: &str| TraceWhat::Log {
        task: task(2),
        category: "order",
        message: message.to_owned(),
    };
    let read = read(&trace(vec![
        (1, 1, start(2)),
        (2, 1, log("paid")),
        (3, 1, log(&long)),
        (4, 2, log("on a thread that does not run the task")),
    ]));
    let told = read.told();
    assert_eq!(told[4], "1: says order: paid");
    assert_eq!(told[5], format!("1: says order: {}", "é".repeat(512)));
    assert_eq!(told.len(), 6);
}

#[test]
fn many_batches() {
    let wait = receives(chan(7));
    let mut events = vec![(1, 1, spawn(2, 0))];
    for n in 1..20_000 {
        events.push((10 * n, 1, if n == 1 { start(2) } else { start_after(2, 1) }));
        events.push((10 * n + 1, 1, park(2, wait)));
        events.push((10 * n + 2, 1, end(2, false)));
        events.push((10 * n + 3, 2, ready(2, 0, wait)));
    }
    let read = read(&trace(events));
    assert!(read.events.len() > 59_000);
    let kinds: HashSet<_> = read.events.iter().map(|event| event.2).collect();
    assert_eq!(kinds, HashSet::from([13, 14, 16, 20, 21]));
}

/// Whatever the replay gives.
#[test]
fn whatever_is_missing_the_rules_hold() {
    let wait = receives(chan(7));
    let all = [
        spawn(2, 1),
        spawn(3, 2),
        start(2),
        start(3),
        start_after(2, 9),
        start_after(3, 9),
        park(2, wait),
        ready(2, 3, wait),
        ready(3, 2, wait),
        end(2, false),
        end(3, false),
        end(2, true),
        end(3, true),
        exit(2, false),
    ];
    for seed in 0..2_000_u64 {
        let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
        let mut random = |below: usize| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (state % below as u64) as usize
        };
        let events = (1..20).map(|n| (n * 3, random(3) as u64, all[random(all.len())].clone()));
        read(&trace(events.collect()));
    }
}

#[test]
fn reasons_are_found_by_gos_profiles() {
    let words = |of: WaitReason| reason(of);
    assert_eq!(words(WaitReason::ChanRecv), "chan receive");
    assert_eq!(words(WaitReason::ContextDone), "chan (context done)");
    assert_eq!(words(WaitReason::MutexLock), "sync.Mutex.Lock");
    assert_eq!(words(WaitReason::SemAcquire), "sync (semacquire)");
    assert_eq!(words(WaitReason::IoWait), "network");
    assert_eq!(words(WaitReason::Sleep), "sleep");
}
