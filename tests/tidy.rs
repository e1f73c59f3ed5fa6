//! The house rules, held by reading the sources.
//!
//! * A file of `src/` uses its own room, the neighbours listed for it, and lower floors; never a higher one.
//! * `unsafe` stands only in the listed files, each with its reason; a file that no longer needs it leaves the list.
//! * Every file says in a `//!` header what it is. A file of `src/` has at most 400 lines of code.
//! * No placeholder, ignored test or note of work to do; no sleeping test without a reason.
//!
//! `tidy/source.rs` reads the files, `tidy/bad_input.rs` feeds every checker with what it must complain about.

#[path = "tidy/bad_input.rs"]
mod bad_input;
#[path = "tidy/source.rs"]
mod source;

use source::{code_of, modules, uses, words};
use std::fs;
use std::path::{Path, PathBuf};

/// A room of the house: its floor, and whom it sees on that floor.
struct Room(&'static str, u8, &'static [&'static str]);

const ROOMS: &[Room] = &[
    Room("shim", 0, &[]),
    Room("util", 0, &["shim"]),
    Room("clock", 0, &["shim", "util"]),
    Room("hook", 1, &["wait"]),
    Room("wait", 1, &["hook"]),
    Room("chan", 2, &[]),
    Room("select", 2, &[]),
    Room("task", 2, &[]),
    Room("sync", 2, &[]),
    Room("time", 3, &["context"]),
    Room("context", 3, &["time"]),
    Room("rt", 4, &["net"]),
    Room("net", 4, &["rt"]),
    Room("signal", 4, &["rt", "net"]),
    Room("diag", 5, &[]),
];

/// The files that may hold `unsafe`, and why each needs it.
const UNSAFE: &[(&str, &str)] = &[
    (
        "src/shim/loom.rs",
        "hands loom's mutex guard over by value, as loom's condition variable wants it; reads words past loom's book-keeping",
    ),
    (
        "src/shim/os.rs",
        "calls the operating system: a barrier on all threads, a thread's processor time",
    ),
    (
        "src/rt/seat.rs",
        "lends a core to its thread, and takes it away from there, by a pair of barriers",
    ),
    (
        "src/rt/turn.rs",
        "lends what is inside to the one thread that has taken the word",
    ),
    (
        "src/rt/seat/tests.rs",
        "counts in loom's cell, to see who is at the core at the same time",
    ),
    ("src/clock.rs", "reads the processor's time stamp counter"),
    (
        "src/hook/record.rs",
        "keeps a `&'static` in an atomic word, so that a dump can read it at any time",
    ),
    (
        "src/hook/listed.rs",
        "keeps the addresses of channels that have been waited for, and reads their numbers while they live",
    ),
    (
        "src/chan/listed.rs",
        "turns the address of a listed channel back into the channel",
    ),
    (
        "src/wait/lock.rs",
        "the byte lock: hands out what it guards, by guard and by hand",
    ),
    (
        "src/wait/queue.rs",
        "turns pointers to waiting nodes into references, under the lock of their queue",
    ),
    (
        "src/wait/op.rs",
        "pins the node that others point to, and drops it when nobody does",
    ),
    (
        "src/wait/case.rs",
        "the contract of a case with its select: who may call what under which lock",
    ),
    (
        "src/chan/ring.rs",
        "keeps values in memory that is not always initialised",
    ),
    (
        "src/chan/slot.rs",
        "a value that is there or not, without the copies of an `Option`",
    ),
    (
        "src/select/mod.rs",
        "pins the cases of a list in place, and lends them as a slice",
    ),
    ("src/select/fut.rs", "promises a select never to be queued"),
    (
        "src/select/look.rs",
        "tries a single case under its lock, by the contract of a case",
    ),
    (
        "src/select/selectgo.rs",
        "parks, collects and abandons cases, by the contract of a case",
    ),
    (
        "src/select/table.rs",
        "locks, queues and unlinks all cases, by the contract of a case",
    ),
    ("src/select/tuple.rs", "pins the cases of a tuple in place"),
    (
        "src/task/raw.rs",
        "the task cell: one allocation for any future, shared by reference counts of its own",
    ),
    (
        "src/wait/polled.rs",
        "implements the unsafe trait of cases for operations that are only polled",
    ),
    (
        "src/context/tree.rs",
        "follows the links of the tree, under the lock of the node above, and counts references",
    ),
    (
        "src/task/joint.rs",
        "reads the output and the join slot of the cell when the state says they are its own",
    ),
    ("src/task/waker.rs", "a waker is a pointer to the task cell"),
    (
        "src/net/hyper.rs",
        "fills the buffers that hyper lends, which need not be initialised",
    ),
    (
        "src/net/tokio_io.rs",
        "fills the buffers that tokio's readers lend, which need not be initialised",
    ),
    ("src/rt/queue.rs", "takes tasks out of a ring of pointers"),
    (
        "src/sync/rwmutex.rs",
        "a value that only guards reach: says when it may be shared",
    ),
    (
        "src/sync/rwmutex/guard.rs",
        "the guards: references to the value for as long as the mutex is held",
    ),
    (
        "src/sync/rwmutex/loom.rs",
        "a value that loom watches, behind the mutex under test",
    ),
    (
        "src/rt/context.rs",
        "finds the worker on this thread's stack from a thread-local pointer",
    ),
    (
        "src/sync/mutex.rs",
        "shares a value that one holder at a time reaches",
    ),
    (
        "src/sync/mutex/guard.rs",
        "hands out the value of a mutex to the one who has locked it",
    ),
    (
        "src/sync/tests/loom_mutex.rs",
        "looks into loom's cell, and sends a guard to a thread that is joined before its mutex goes",
    ),
    (
        "tests/common/alloc.rs",
        "an allocator that counts is a `GlobalAlloc`",
    ),
    (
        "tests/common/waker.rs",
        "a waker that acts on clone and on drop needs a vtable of its own",
    ),
];

const CODE_LINES: usize = 400;

// === The checkers: each takes a file's name and text and says what is wrong ===

fn floors(file: &str, text: &str) -> Vec<String> {
    // A room's models may bring in whom the room is for.
    if file.contains("/tests/") {
        return Vec::new();
    }
    let Some(name) = modules(file).first().copied() else {
        return Vec::new();
    };
    if name == "error" {
        let used = uses(file, &code_of(text)).iter().map(|u| u.1).next();
        return used
            .map(|line| format!("{file}:{line}: error is below every floor and uses nobody"))
            .into_iter()
            .collect();
    }
    let Some(room) = ROOMS.iter().find(|r| r.0 == name) else {
        return vec![format!(
            "{file}: room `{name}` has no floor; give it one in tests/tidy.rs"
        )];
    };
    let code = code_of(text);
    let wrong = |to: &str| match ROOMS.iter().find(|r| r.0 == to) {
        _ if to == name || to == "error" => None,
        None => Some(format!(
            "names `crate::{to}`; inside the house say which room it is in"
        )),
        Some(r) if r.1 >= room.1 && !room.2.contains(&to) => Some(format!(
            "{name} (floor {}) uses {to} (floor {})",
            room.1, r.1
        )),
        Some(_) => None,
    };
    uses(file, &code)
        .iter()
        .filter(|u| !u.2 || ROOMS.iter().any(|r| r.0 == u.0))
        .filter_map(|u| Some(format!("{file}:{}: {}", u.1, wrong(u.0)?)))
        .collect()
}

fn unsafe_words(file: &str, text: &str) -> Vec<String> {
    let code = code_of(text);
    let listed = UNSAFE.iter().any(|(f, _)| *f == file);
    let first = words(&code).iter().find(|w| w.0 == "unsafe").map(|w| w.1);
    match (listed, first) {
        (false, Some(line)) => vec![format!(
            "{file}:{line}: holds `unsafe` and is not on the list in tests/tidy.rs"
        )],
        (true, None) => vec![format!(
            "{file}: is on the list of unsafe files and holds none; take it off"
        )],
        _ => Vec::new(),
    }
}

fn header(file: &str, text: &str) -> Vec<String> {
    match text.lines().next() {
        Some(first) if first.starts_with("//! ") && first.len() > "//! x".len() => Vec::new(),
        _ => vec![format!(
            "{file}:1: has no `//!` header that says what it is"
        )],
    }
}

/// Lines of code: no comments, no blank lines, no inline test modules.
fn code_lines(text: &str) -> usize {
    let code = code_of(text);
    let (mut count, mut depth, mut until, mut armed) = (0, 0usize, None, false);
    for line in code.lines().filter(|l| !l.trim().is_empty()) {
        let cfg_test = line.contains("#[cfg(") && line.contains("test");
        armed |= cfg_test;
        let start = depth;
        depth = (depth + line.matches('{').count()).saturating_sub(line.matches('}').count());
        if armed && until.is_none() && depth > start {
            until = Some(start);
        }
        if until.is_none() && !armed {
            count += 1;
        }
        if until == Some(depth) || (until.is_none() && armed && line.trim_end().ends_with(';')) {
            (until, armed) = (None, false);
        }
    }
    count
}

fn is_test(file: &str) -> bool {
    file.starts_with("tests/") || file.ends_with("/tests.rs")
}

fn size(file: &str, text: &str) -> Vec<String> {
    match code_lines(text) {
        n if n > CODE_LINES && !is_test(file) => vec![format!(
            "{file}: {n} lines of code, more than {CODE_LINES}: two nouns?"
        )],
        _ => Vec::new(),
    }
}

/// Work that pretends to be done. Spelled in halves here, so that this page may pass its own check.
fn stubs(file: &str, text: &str) -> Vec<String> {
    let code = code_of(text);
    let mut out = Vec::new();
    for (n, (raw, bare)) in text.lines().zip(code.lines()).enumerate() {
        let bare: String = bare.split_whitespace().collect();
        for sign in [
            concat!("to", "do!"),
            concat!("unimple", "mented!"),
            concat!("#[ig", "nore"),
        ] {
            if bare.contains(sign) {
                out.push(format!("{file}:{}: `{sign}`", n + 1));
            }
        }
        if [
            concat!("FIX", "ME"),
            concat!("TO", "DO"),
            concat!("X", "XX"),
        ]
        .iter()
        // Go's context of that name is none.
        .any(|sign| raw.replace(concat!("context.TO", "DO"), "").contains(sign))
        {
            out.push(format!("{file}:{}: a note of work not done", n + 1));
        }
    }
    out
}

/// A sleep in a test hides a race, unless a `// sleep:` on its line or the one above says why it does not.
fn sleeps(file: &str, text: &str) -> Vec<String> {
    if !is_test(file) {
        return Vec::new();
    }
    let lines: Vec<&str> = text.lines().collect();
    let says_why = |n: usize| {
        lines[n].contains("// sleep: ") || (n > 0 && lines[n - 1].contains("// sleep: "))
    };
    let code = code_of(text);
    let sleeping = code
        .lines()
        .enumerate()
        .filter(|(_, l)| l.contains("thread::sleep"));
    sleeping
        .filter(|(n, _)| !says_why(*n))
        .map(|(n, _)| format!("{file}:{}: thread::sleep without a `// sleep: why`", n + 1))
        .collect()
}

// === The house as it stands ===

fn rust_files(dir: &Path, out: &mut Vec<PathBuf>) {
    let Ok(entries) = fs::read_dir(dir) else {
        return;
    };
    for entry in entries.map(|e| e.expect("a readable directory")) {
        let path = entry.path();
        if path.is_dir() && path.file_name().is_some_and(|n| n != "target") {
            rust_files(&path, out);
        } else if path.extension().is_some_and(|e| e == "rs") {
            out.push(path);
        }
    }
}

/// Runs `check` on every Rust file below `dirs`, and fails with all complaints at once.
fn check_all(dirs: &[&str], check: fn(&str, &str) -> Vec<String>) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = Vec::new();
    for dir in dirs {
        rust_files(&root.join(dir), &mut files);
    }
    assert!(!files.is_empty(), "no sources below {dirs:?}");
    let mut complaints = Vec::new();
    for path in files {
        let text = fs::read_to_string(&path).expect("a readable source file");
        let name = path
            .strip_prefix(root)
            .expect("below the root")
            .to_string_lossy()
            .replace('\\', "/");
        complaints.extend(check(&name, &text));
    }
    complaints.sort();
    assert!(complaints.is_empty(), "\n{}\n", complaints.join("\n"));
}

const EVERYWHERE: &[&str] = &["src", "tests", "examples", "benches", "fuzz"];

#[test]
fn no_file_looks_up_a_floor() {
    check_all(&["src"], floors);
}

#[test]
fn unsafe_stands_only_where_listed() {
    check_all(EVERYWHERE, unsafe_words);
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let gone: Vec<_> = UNSAFE
        .iter()
        .filter(|(f, _)| !root.join(f).exists())
        .collect();
    assert!(gone.is_empty(), "listed, but not there: {gone:?}");
    let front = fs::read_to_string(root.join("src/lib.rs")).expect("src/lib.rs");
    assert!(
        front.contains("#![deny(unsafe_code)]"),
        "src/lib.rs must deny unsafe code"
    );
}

#[test]
fn every_file_says_what_it_is() {
    check_all(EVERYWHERE, header);
}

#[test]
fn one_file_is_one_noun() {
    check_all(&["src"], size);
}

#[test]
fn nothing_pretends_to_be_done() {
    check_all(EVERYWHERE, stubs);
}

#[test]
fn no_test_sleeps_without_a_reason() {
    check_all(&["tests", "src"], sleeps);
}
