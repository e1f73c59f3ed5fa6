//! The bytes of Go's execution trace, version 2: numbers in seven bits a byte, tables of strings and stacks, batches of events.
//! The format is that of Go 1.23, which every later Go reads: `src/internal/trace/tracev2/events.go` and
//! `src/internal/trace/{batch,generation}.go`.
//!
//! 1. An event of a thread is not before the one before it; its time is written as the difference.
//! 2. No batch is longer than [`BATCH`], no string longer than [`STRING`]: the reader refuses longer ones.
//! 3. Every string, frame and stack has one number, from 1; 0 is the empty one.

use std::collections::{BTreeMap, HashMap};
use std::io::{self, Write};

use crate::diag::trace::Site;

const HEADER: &[u8; 16] = b"go 1.23 trace\0\0\0";
const BATCH: usize = 64 << 10;
/// An event, or an entry of a table, is never longer. A string is at most [`STRING`].
const LONGEST: usize = 2 << 10;
const STRING: usize = 1 << 10;
/// The reader knows of one stretch of tracing, which has this number.
const GENERATION: u64 = 1;
/// The thread of tables.
const NO_THREAD: u64 = u64::MAX;

/// What events and tables begin with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Ev {
    Batch = 1,
    Stacks = 2,
    Stack = 3,
    Strings = 4,
    String = 5,
    Frequency = 8,
    ProcStatus = 13,
    GoCreate = 14,
    GoStart = 16,
    GoDestroy = 17,
    GoStop = 19,
    GoBlock = 20,
    GoUnblock = 21,
    GoLabel = 39,
    UserRegionBegin = 42,
    UserRegionEnd = 43,
    UserLog = 44,
    GoStatusStack = 48,
}

/// A function and a place in it.
pub(super) type Frame = (String, Option<Site>);

#[derive(Default)]
pub(super) struct Wire {
    strings: Table<String>,
    /// Function, file, line.
    frames: Table<(u64, u64, u64)>,
    /// Of frames, the innermost first.
    stacks: Table<Vec<u64>>,
    threads: BTreeMap<u64, Thread>,
}

/// Numbers from 1.
struct Table<T> {
    numbers: HashMap<T, u64>,
    all: Vec<T>,
}

#[derive(Default)]
struct Thread {
    /// Whole batches.
    done: Vec<u8>,
    batch: Vec<u8>,
    /// When the batch began, and its last event.
    since: u64,
    last: u64,
}

impl<T> Default for Table<T> {
    fn default() -> Table<T> {
        Table {
            numbers: HashMap::new(),
            all: Vec::new(),
        }
    }
}

impl<T: Clone + Eq + std::hash::Hash> Table<T> {
    fn number(&mut self, it: T) -> u64 {
        if let Some(number) = self.numbers.get(&it) {
            return *number;
        }
        self.all.push(it.clone());
        let number = self.all.len() as u64;
        self.numbers.insert(it, number);
        number
    }
}

impl Wire {
    pub(super) fn string(&mut self, text: &str) -> u64 {
        if text.is_empty() {
            return 0;
        }
        let mut end = text.len().min(STRING);
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        self.strings.number(text[..end].to_owned())
    }

    /// The innermost frame first.
    pub(super) fn stack(&mut self, frames: &[Frame]) -> u64 {
        const DEEPEST: usize = 128;
        let mut stack = Vec::new();
        for (function, site) in frames.iter().take(DEEPEST) {
            let function = self.string(function);
            let file = self.string(site.map_or("?", |site| site.file()));
            let line = site.map_or(0, |site| site.line());
            stack.push(self.frames.number((function, file, line.into())));
        }
        match stack.is_empty() {
            true => 0,
            false => self.stacks.number(stack),
        }
    }

    /// An event of a thread. `at` is not before its last.
    pub(super) fn event(&mut self, thread: u64, at: u64, event: Ev, args: &[u64]) {
        let number = thread;
        let thread = self.threads.entry(thread).or_default();
        if thread.batch.len() + LONGEST > BATCH {
            thread.end_batch(number);
        }
        if thread.batch.is_empty() {
            (thread.since, thread.last) = (at, at);
        }
        thread.batch.push(event as u8);
        put(&mut thread.batch, at - thread.last);
        thread.last = at;
        for arg in args {
            put(&mut thread.batch, *arg);
        }
    }

    pub(super) fn write(mut self, out: &mut impl Write) -> io::Result<()> {
        out.write_all(HEADER)?;
        for (number, thread) in &mut self.threads {
            thread.end_batch(*number);
            out.write_all(&thread.done)?;
        }
        // Nanoseconds.
        let mut frequency = vec![Ev::Frequency as u8];
        put(&mut frequency, 1_000_000_000);
        write_batch(out, NO_THREAD, 1, &frequency)?;
        self.write_strings(out)?;
        self.write_stacks(out)
    }

    fn write_strings(&self, out: &mut impl Write) -> io::Result<()> {
        let all = (1..).zip(&self.strings.all);
        write_table(out, Ev::Strings, all, |(number, text), to| {
            to.push(Ev::String as u8);
            put(to, number);
            put(to, text.len() as u64);
            to.extend_from_slice(text.as_bytes());
        })
    }

    fn write_stacks(&self, out: &mut impl Write) -> io::Result<()> {
        let all = (1..).zip(&self.stacks.all);
        write_table(out, Ev::Stacks, all, |(number, stack), to| {
            to.push(Ev::Stack as u8);
            put(to, number);
            put(to, stack.len() as u64);
            for frame in stack {
                let (function, file, line) = self.frames.all[*frame as usize - 1];
                // The number of a frame stands for its address.
                for number in [*frame, function, file, line] {
                    put(to, number);
                }
            }
        })
    }
}

impl Thread {
    fn end_batch(&mut self, number: u64) {
        if !self.batch.is_empty() {
            // A vector takes everything.
            let _ = write_batch(&mut self.done, number, self.since, &self.batch);
            self.batch.clear();
        }
    }
}

fn write_batch(out: &mut impl Write, thread: u64, since: u64, batch: &[u8]) -> io::Result<()> {
    let mut head = vec![Ev::Batch as u8];
    for number in [GENERATION, thread, since, batch.len() as u64] {
        put(&mut head, number);
    }
    out.write_all(&head)?;
    out.write_all(batch)
}

/// In as many batches as it takes.
fn write_table<T>(
    out: &mut impl Write,
    kind: Ev,
    entries: impl Iterator<Item = T>,
    put_entry: impl Fn(T, &mut Vec<u8>),
) -> io::Result<()> {
    let mut batch = vec![kind as u8];
    for entry in entries {
        if batch.len() + LONGEST > BATCH {
            write_batch(out, NO_THREAD, 1, &batch)?;
            batch.truncate(1);
        }
        put_entry(entry, &mut batch);
    }
    write_batch(out, NO_THREAD, 1, &batch)
}

/// Seven bits a byte, the lowest first.
fn put(to: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        to.push(number as u8 | 0x80);
        number >>= 7;
    }
    to.push(number as u8);
}
