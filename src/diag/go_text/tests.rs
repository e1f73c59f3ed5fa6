//! Go's grammar, read back line by line.

use super::*;
use crate::diag::text::testing::{here, id, task, waiting};
use crate::diag::{Group, Wait};
use crate::hook::{Kind, WaitReason};
use std::time::{Duration, SystemTime};

fn dump(tasks: Vec<TaskInfo>) -> Dump {
    Dump {
        taken: SystemTime::UNIX_EPOCH,
        took: Duration::ZERO,
        verdicts: Vec::new(),
        groups: Group::all(&tasks),
        tasks,
        objects: Vec::new(),
    }
}

/// One goroutine as a reader of Go's dumps sees it: number, what is in the brackets, labels, frames, creator.
#[derive(Debug, Default, PartialEq)]
struct Block {
    number: u64,
    state: Vec<String>,
    labels: Option<String>,
    frames: Vec<(String, String, u32)>,
    unavailable: bool,
    created: Option<(String, Option<u64>, String, u32)>,
}

fn pattern(text: &str) -> regex::Regex {
    regex::Regex::new(text).unwrap()
}

/// Reads `text` by the grammar that Go's traceback.go prints, and fails at the first line that is not in it.
fn read(text: &str) -> Vec<Block> {
    let header = pattern(r"^goroutine ([0-9]+) \[([^\]]+)\](?: \{(.+)\})?:$");
    let file = pattern(r"^\t(.+):([0-9]+) \+0x[0-9a-f]+$");
    let created = pattern(r"^created by (.+?)(?: in goroutine ([0-9]+))?$");
    let place = |line: &str| {
        let found = file.captures(line).unwrap_or_else(|| panic!("{line:?}"));
        (found[1].to_owned(), found[2].parse::<u32>().unwrap())
    };
    let mut blocks = Vec::new();
    for paragraph in text.split("\n\n") {
        let mut lines = paragraph.lines();
        let first = lines.next().unwrap();
        let found = header
            .captures(first)
            .unwrap_or_else(|| panic!("{first:?}"));
        let mut block = Block {
            number: found[1].parse().unwrap(),
            state: found[2].split(", ").map(str::to_owned).collect(),
            labels: found.get(3).map(|labels| labels.as_str().to_owned()),
            ..Block::default()
        };
        while let Some(line) = lines.next() {
            if line == "\tgoroutine running on other thread; stack unavailable" {
                block.unavailable = true;
            } else if let Some(by) = created.captures(line) {
                let (file, line) = place(lines.next().unwrap());
                let parent = by.get(2).map(|n| n.as_str().parse().unwrap());
                block.created = Some((by[1].to_owned(), parent, file, line));
                assert_eq!(lines.next(), None, "it is the last frame");
            } else {
                let function = line.strip_suffix("()").unwrap();
                let (file, line) = place(lines.next().unwrap());
                block.frames.push((function.to_owned(), file, line));
            }
        }
        blocks.push(block);
    }
    blocks
}

#[test]
fn it_reads_as_gos() {
    let site = here();
    let file = site.file().to_owned();
    let parent = TaskInfo {
        type_name: Some("pipeline::main::{{closure}}"),
        spawned: Some(site),
        ..task(1)
    };
    let child = TaskInfo {
        state: TaskState::Waiting,
        wait: Some(Wait {
            site: Some(site),
            ..waiting(WaitReason::ChanRecv, 14 * MINUTE_NS + 59, None)
        }),
        type_name: Some("pipeline::digest<(u8, u8)>::{{closure}}"),
        parent: Some(id(Kind::Task, 1)),
        spawned: Some(site),
        labels: vec![
            ("tenant".into(), "eu/1".into()),
            ("path".into(), "a \"b\"\n\u{7f}ü\u{200b}'".into()),
        ],
        ..task(18)
    };
    let thread = TaskInfo {
        id: id(Kind::Thread, 3),
        state: TaskState::Waiting,
        wait: Some(Wait {
            site: None,
            ..waiting(WaitReason::Select, 59_999_999_999, None)
        }),
        spawned: None,
        ..task(0)
    };
    let orphan = TaskInfo {
        state: TaskState::Runnable,
        type_name: Some("orphan"),
        spawned: Some(site),
        parent: Some(id(Kind::Task, 99)),
        ..task(5)
    };
    let blocks = read(&dump(vec![child, parent, thread, orphan]).to_go_text());
    let line = site.line();
    let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
    let expected = vec![
        Block {
            number: 18,
            state: words(&["chan receive", "14 minutes"]),
            labels: Some(r#"path: "a \"b\"\n\x7fü\u200b'", tenant: eu/1"#.into()),
            frames: vec![(
                "pipeline::digest<(u8, u8)>::{{closure}}".into(),
                file.clone(),
                line,
            )],
            unavailable: false,
            created: Some((
                "pipeline::main::{{closure}}".into(),
                Some(1),
                file.clone(),
                line,
            )),
        },
        Block {
            number: 1,
            state: words(&["running"]),
            unavailable: true,
            created: Some(("gochan::go".into(), None, file.clone(), line)),
            ..Block::default()
        },
        Block {
            number: (1 << 32) + 3,
            state: words(&["select", "locked to thread"]),
            frames: vec![("gochan::thread".into(), "??".into(), 0)],
            ..Block::default()
        },
        Block {
            number: 5,
            state: words(&["runnable"]),
            frames: vec![("orphan".into(), file.clone(), line)],
            created: Some(("gochan::go".into(), Some(99), file, line)),
            ..Block::default()
        },
    ];
    assert_eq!(blocks, expected);
}

/// Whatever runs at the moment, in other tests too.
#[cfg(feature = "rt")]
#[test]
fn a_dump_of_this_very_program_reads_as_gos() {
    let (tx, rx) = crate::chan::chan::<u8>(0);
    let stuck = crate::rt::go(async move { rx.recv().await });
    let text = loop {
        let dump = crate::diag::dump();
        if dump
            .task(stuck.id())
            .is_some_and(|task| task.wait.is_some())
        {
            break dump.to_go_text();
        }
        std::thread::yield_now();
    };
    let blocks = read(&text);
    let own = blocks
        .iter()
        .find(|block| block.number == stuck.id().number())
        .unwrap();
    assert_eq!(own.state, ["chan receive"]);
    assert!(own.frames[0].1.ends_with("go_text/tests.rs"));
    drop(tx);
    stuck.wait().unwrap().unwrap_err();
}
