//! What a program says into the recording: regions, logs, counters.

use std::fmt::{self, Write};

use super::event::{Event, TEXT, What, tag, text_words};
use super::ring::Words;
use super::rings;
use crate::clock;
use crate::hook::intern::{NAMES, SITES};
use crate::hook::{ObjId, current, object};

/// Slots of text that a log has at most.
const TEXTS: usize = 15;
/// Bytes of a log that are kept.
const LONGEST: usize = TEXTS * TEXT;

/// Writes a line into the recording, in the name of the current task: `category` says of what sort, `message` what.
///
/// While no [`Recorder`](crate::diag::trace::Recorder) runs it costs a nanosecond, and `message` is not formatted. 465 bytes of it are kept.
/// As Go's `runtime/trace.Log`.
///
/// # Examples
///
/// ```
/// use gochan::diag;
///
/// let recorder = diag::trace::Recorder::start().unwrap();
/// gochan::run(async {
///     let order = 17;
///     diag::log("order", format_args!("order {order} is paid"));
/// });
/// let trace = recorder.snapshot();
/// let logs = trace.events().iter().filter_map(|event| event.message());
/// assert_eq!(logs.collect::<Vec<_>>(), ["order 17 is paid"]);
/// ```
#[inline]
pub fn log(category: &'static str, message: impl fmt::Display) {
    if rings::are_on() {
        write_log(category, &message);
    }
}

/// Writes the value of a counter into the recording: a curve beside the tasks.
///
/// While no [`Recorder`](crate::diag::trace::Recorder) runs it costs a nanosecond.
///
/// # Examples
///
/// ```
/// gochan::diag::counter("orders waiting", 17);
/// ```
#[inline]
pub fn counter(name: &'static str, value: i64) {
    if rings::are_on() {
        write_counter(name, value as u64);
    }
}

#[cold]
fn write_counter(name: &'static str, value: u64) {
    rings::write(Event {
        small: (value >> 56) as u8,
        site: NAMES.number(name),
        c: value,
        ..Event::new(What::Counter, clock::ticks())
    });
}

#[cold]
fn write_log(category: &'static str, message: &dyn fmt::Display) {
    // The message is foreign code, and runs before anything is written.
    let mut text = Text::default();
    let _ = write!(text, "{message}");
    let event = Event {
        site: NAMES.number(category),
        a: tag(current::id()),
        ..Event::new(What::Log, clock::ticks())
    };
    text.write_after(event);
}

/// The name of a task that has just ended, or a snapshot would not know it.
#[cold]
pub(super) fn name(task: ObjId, now: u64) {
    if let Some(name) = object::name(task) {
        let mut text = Text::default();
        let _ = text.write_str(&name);
        text.write_after(Event {
            a: tag(task),
            ..Event::new(What::Named, now)
        });
    }
}

/// `who` begins or ends a region.
#[inline]
pub(in crate::diag) fn region(begins: bool, who: ObjId, name: u16, site: Option<super::Site>) {
    if rings::are_on() {
        write_region(begins, who, name, site);
    }
}

#[cold]
fn write_region(begins: bool, who: ObjId, name: u16, site: Option<super::Site>) {
    let what = match begins {
        true => What::RegionBegin,
        false => What::RegionEnd,
    };
    rings::write(Event {
        site: name,
        a: tag(who),
        c: site.map_or(0, |site| SITES.number(site)).into(),
        ..Event::new(what, clock::ticks())
    });
}

/// As much of a text as is kept, cut between characters.
struct Text {
    bytes: [u8; LONGEST],
    len: usize,
}

impl Default for Text {
    fn default() -> Text {
        Text {
            bytes: [0; LONGEST],
            len: 0,
        }
    }
}

impl Text {
    /// Writes an event, and the text behind it.
    fn write_after(&self, event: Event) {
        let mut words: [Words; 1 + TEXTS] = [[0; 4]; 1 + TEXTS];
        let c = self.len as u64;
        words[0] = Event { c, ..event }.words();
        let texts = self.bytes[..self.len].chunks(TEXT);
        let count = texts.len();
        for (place, bytes) in words[1..].iter_mut().zip(texts) {
            *place = text_words(bytes);
        }
        rings::write_all(&words[..=count]);
    }
}

impl Write for Text {
    fn write_str(&mut self, more: &str) -> fmt::Result {
        let room = LONGEST - self.len;
        let fits = (0..=room.min(more.len()))
            .rev()
            .find(|at| more.is_char_boundary(*at))
            .unwrap_or(0);
        self.bytes[self.len..self.len + fits].copy_from_slice(&more.as_bytes()[..fits]);
        self.len += fits;
        // What is full stays full, or a shorter piece would follow a gap.
        match fits == more.len() {
            true => Ok(()),
            false => Err(fmt::Error),
        }
    }
}

#[cfg(all(test, not(gochan_loom)))]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_cut_between_characters() {
        let mut text = Text::default();
        text.write_str(&"x".repeat(LONGEST - 1)).unwrap();
        text.write_str("é").unwrap_err();
        assert_eq!(text.len, LONGEST - 1);
        text.write_str("y").unwrap();
        assert_eq!(text.len, LONGEST);
        text.write_str("").unwrap();
        text.write_str("z").unwrap_err();
    }
}
