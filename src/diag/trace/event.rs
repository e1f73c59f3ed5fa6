//! An event in four words.
//!
//! ```text
//!         lowest byte        the other 56 bits
//! w0      what               when, in ticks of the clock, cut to 56 bits
//! w1      small              a
//! w2      site, upper half   b
//! w3      site, lower half   c
//! ```
//!
//! `a`, `b` and `c` are tags (48 bits number, 8 bits kind) or plain numbers, as [`What`] says. `site` is a number of
//! [`SITES`](crate::hook::intern::SITES), or of `NAMES` for what has a name.

use super::ring::Words;
use crate::hook::{ObjId, WaitReason};

const LOW: u64 = (1 << 56) - 1;
#[cfg(test)]
const NUMBER: u64 = (1 << 48) - 1;

macro_rules! whats {
    ($($(#[$doc:meta])* $name:ident,)*) => {
        /// What happened, and what the event's fields say of it.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[repr(u8)]
        pub(super) enum What {
            $($(#[$doc])* $name,)*
        }

        impl What {
            const ALL: &'static [What] = &[$(What::$name,)*];
        }
    };
}

whats! {
    /// Not an event: a slot that was never written.
    Nothing,
    /// From here on the ring is that of thread `a`; it was that of thread `b`.
    Thread,
    /// `a` was spawned by `b` at `site`; `c` is the number of its type's name.
    Spawn,
    /// A poll of `a` begins, after it was runnable for `c` ticks; `small` is 0 if it was not in a wait before, else one more than the
    /// reason, or [`UNKNOWN`].
    PollStart,
    /// A poll of `a` is over; `small` is an [`End`].
    PollEnd,
    /// `a` waits for `b` at `site`, because of reason `small`; `c` is the place where `b` was made, and above 16 bits the number of
    /// arms.
    Park,
    /// An arm of the select before: reason `small`, object `b`, at `site`.
    Arm,
    /// The wait of `a` for `b` at `site` because of `small` has ended, by the doing of `c`.
    Ready,
    /// `a` has ended; `small` is 1 for a panic, 2 for an abort.
    Exit,
    /// `a` has been in one poll for `c` nanoseconds; its last wait was at `site`, for `b`.
    LongPoll,
    /// `a` begins the region named `site`, at the place `c`.
    RegionBegin,
    /// `a` is out of the region named `site`.
    RegionEnd,
    /// `a` says something of the sort named `site`: `c` bytes, in the texts that follow.
    Log,
    /// `a`, which has just ended, was named so: `c` bytes, in the texts that follow.
    Named,
    /// 31 bytes of text.
    Text,
    /// The counter named `site` is at `c`, 64 bits of which the upper eight are `small`.
    Counter,
    /// This thread took over the tasks that it runs next: `c` of them.
    Steal,
    /// `a` has held `b` for `c` ticks, and gives it back; it was acquired at `site`.
    Hold,
}

/// Of a poll: how it came to begin was not told.
pub(super) const UNKNOWN: u8 = u8::MAX;

/// How a poll ended, as far as the recorder saw.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum End {
    /// The task waits for something, and said for what if it is of ours; or it gave way.
    Pending,
    /// The last one.
    Done,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Event {
    pub(super) what: What,
    pub(super) small: u8,
    pub(super) site: u16,
    pub(super) at: u64,
    pub(super) a: u64,
    pub(super) b: u64,
    pub(super) c: u64,
}

impl Event {
    #[inline(always)]
    pub(super) fn new(what: What, at: u64) -> Event {
        Event {
            what,
            small: 0,
            site: 0,
            at,
            a: 0,
            b: 0,
            c: 0,
        }
    }

    #[inline(always)]
    pub(super) fn words(self) -> Words {
        let [upper, lower] = self.site.to_be_bytes();
        [
            word(self.what as u8, self.at),
            word(self.small, self.a),
            word(upper, self.b),
            word(lower, self.c),
        ]
    }

    /// `None` for a text, and for what is no event.
    pub(super) fn of(words: &Words) -> Option<Event> {
        let what = *What::ALL.get(usize::from(small(words[0])))?;
        let site = u16::from_be_bytes([small(words[2]), small(words[3])]);
        (!matches!(what, What::Nothing | What::Text)).then_some(Event {
            what,
            small: small(words[1]),
            site,
            at: words[0] >> 8,
            a: words[1] >> 8,
            b: words[2] >> 8,
            c: words[3] >> 8,
        })
    }

    pub(super) fn reason(&self) -> Option<WaitReason> {
        WaitReason::from_number(self.small)
    }
}

#[inline(always)]
fn word(small: u8, rest: u64) -> u64 {
    rest << 8 | u64::from(small)
}

fn small(word: u64) -> u8 {
    word as u8
}

/// A tag in 56 bits: its kind, which is on top, below its number.
#[inline(always)]
pub(super) fn tag(id: ObjId) -> u64 {
    id.raw().rotate_left(8)
}

pub(super) fn untag(tag: u64) -> ObjId {
    ObjId::from_raw(tag.rotate_right(8))
}

/// The time that a cut one stands for: the last such one that is not after `now`.
pub(super) fn whole_time(at: u64, now: u64) -> u64 {
    let age = now.wrapping_sub(at) & LOW;
    // A little after `now` is possible: the reader looked at the clock before the writer did.
    match age > LOW / 2 {
        true => now.saturating_add((at.wrapping_sub(now)) & LOW),
        false => now.saturating_sub(age),
    }
}

// === texts ===

/// Bytes in one slot of text.
pub(super) const TEXT: usize = 31;

pub(super) fn text_words(bytes: &[u8]) -> Words {
    let mut all = [0; 32];
    all[0] = What::Text as u8;
    let len = bytes.len().min(TEXT);
    all[1..=len].copy_from_slice(&bytes[..len]);
    let mut words = all.chunks_exact(8);
    std::array::from_fn(|_| {
        let word = words.next().map(|word| word.try_into().unwrap_or_default());
        u64::from_le_bytes(word.unwrap_or_default())
    })
}

/// The bytes of a text, without an end.
pub(super) fn text_of(words: &Words) -> Option<[u8; TEXT]> {
    let mut text = [0; TEXT];
    let bytes = words.iter().flat_map(|word| word.to_le_bytes());
    for (place, byte) in text.iter_mut().zip(bytes.skip(1)) {
        *place = byte;
    }
    (small(words[0]) == What::Text as u8).then_some(text)
}

#[cfg(all(test, not(gochan_loom)))]
mod tests {
    use super::*;
    use crate::hook::Kind;

    #[test]
    fn every_field_comes_back() {
        for (number, what) in What::ALL.iter().enumerate() {
            assert_eq!(*what as usize, number);
        }
        let event = Event {
            what: What::Ready,
            small: 0xFE,
            site: 0xABCD,
            at: LOW - 5,
            a: LOW,
            b: 0x0000_1234_5678_00FF,
            c: 1,
        };
        assert_eq!(Event::of(&event.words()), Some(event));
        assert_eq!(Event::of(&[0; 4]), None);
        assert_eq!(Event::of(&[u64::MAX; 4]), None);
    }

    #[test]
    fn a_tag_comes_back() {
        for id in [
            ObjId::NONE,
            ObjId::of(Kind::Task, 7),
            ObjId::of(Kind::Barrier, NUMBER),
        ] {
            assert_eq!(untag(tag(id)), id);
        }
    }

    #[test]
    fn a_time_comes_back_whole() {
        let now = (7 << 56) + 5;
        for at in [now, now - 1, now - 100, now + 3] {
            assert_eq!(whole_time(at & LOW, now), at);
        }
        assert_eq!(whole_time(3, 5), 3);
    }

    #[test]
    fn a_text_comes_back() {
        let all = b"0123456789012345678901234567890";
        let words = text_words(all);
        assert_eq!(text_of(&words).unwrap(), *all);
        assert_eq!(Event::of(&words), None);
        assert_eq!(&text_of(&text_words(b"ab")).unwrap()[..3], b"ab\0");
        assert_eq!(text_of(&Event::new(What::Exit, 1).words()), None);
    }
}
