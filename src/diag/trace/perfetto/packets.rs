//! Packets, one after the other, to a writer: with names that are written once.

use std::collections::HashMap;
use std::io::{self, Write};

use prost::Message;

use super::messages::{CLOCK_BOOTTIME, CLOCK_REALTIME};
use super::messages::{
    Clock, ClockSnapshot, DebugAnnotation, Interned, InternedData, PACKET, SEQ_CLEARED, SEQ_NEEDED,
    TracePacket, TrackDescriptor, TrackEvent,
};

/// All packets are of one sequence, which is what numbers of names are valid in.
const SEQUENCE: u32 = 1;

pub(super) struct Packets<W> {
    out: W,
    buffer: Vec<u8>,
    names: Names,
    categories: Names,
    keys: Names,
    texts: Names,
    /// Nanoseconds since 1970 at the beginning of the trace.
    begin: u64,
}

/// The names of one sort, with numbers from 1.
#[derive(Default)]
struct Names {
    numbers: HashMap<String, u64>,
    new: Vec<Interned>,
}

/// What an event says besides its name.
pub(super) enum Value<'a> {
    Number(u64),
    /// Written once.
    Name(&'a str),
    Text(&'a str),
}

impl Names {
    fn number(&mut self, name: &str) -> u64 {
        if let Some(number) = self.numbers.get(name) {
            return *number;
        }
        let number = self.numbers.len() as u64 + 1;
        self.numbers.insert(name.to_owned(), number);
        self.new.push(Interned {
            iid: Some(number),
            name: Some(name.to_owned()),
        });
        number
    }
}

impl<W: Write> Packets<W> {
    pub(super) fn begin(out: W, begin: u64) -> io::Result<Packets<W>> {
        let mut packets = Packets {
            out,
            buffer: Vec::new(),
            names: Names::default(),
            categories: Names::default(),
            keys: Names::default(),
            texts: Names::default(),
            begin,
        };
        let clocks = [CLOCK_BOOTTIME, CLOCK_REALTIME].map(|id| Clock {
            clock_id: Some(id),
            timestamp: Some(begin),
        });
        packets.write(TracePacket {
            clock_snapshot: Some(ClockSnapshot {
                clocks: clocks.to_vec(),
            }),
            sequence_flags: Some(SEQ_CLEARED),
            ..packet()
        })?;
        Ok(packets)
    }

    pub(super) fn track(&mut self, track: TrackDescriptor) -> io::Result<()> {
        self.write(TracePacket {
            track_descriptor: Some(track),
            ..packet()
        })
    }

    pub(super) fn event(&mut self, at_ns: u64, event: TrackEvent) -> io::Result<()> {
        let new = InternedData {
            event_categories: std::mem::take(&mut self.categories.new),
            event_names: std::mem::take(&mut self.names.new),
            debug_annotation_names: std::mem::take(&mut self.keys.new),
            debug_annotation_string_values: std::mem::take(&mut self.texts.new),
        };
        let is_new = new != InternedData::default();
        self.write(TracePacket {
            timestamp: Some(self.begin + at_ns),
            track_event: Some(event),
            interned_data: is_new.then_some(new),
            sequence_flags: Some(SEQ_NEEDED),
            ..packet()
        })
    }

    pub(super) fn name(&mut self, name: &str) -> Option<u64> {
        Some(self.names.number(name))
    }

    pub(super) fn category(&mut self, name: &str) -> Vec<u64> {
        vec![self.categories.number(name)]
    }

    pub(super) fn says(&mut self, key: &str, value: Value<'_>) -> DebugAnnotation {
        let mut says = DebugAnnotation {
            name_iid: Some(self.keys.number(key)),
            ..DebugAnnotation::default()
        };
        match value {
            Value::Number(number) => says.uint_value = Some(number),
            Value::Name(name) => says.string_value_iid = Some(self.texts.number(name)),
            Value::Text(text) => says.string_value = Some(text.to_owned()),
        }
        says
    }

    pub(super) fn finish(mut self) -> io::Result<()> {
        self.out.flush()
    }

    fn write(&mut self, packet: TracePacket) -> io::Result<()> {
        self.buffer.clear();
        self.buffer.push(PACKET);
        // It fails only if there is no room, and a vector has room.
        let _ = packet.encode_length_delimited(&mut self.buffer);
        self.out.write_all(&self.buffer)
    }
}

fn packet() -> TracePacket {
    TracePacket {
        trusted_packet_sequence_id: Some(SEQUENCE),
        ..TracePacket::default()
    }
}
