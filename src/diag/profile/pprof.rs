//! The format of pprof: protobuf messages, gzipped. Fields and numbers are those of `profile.proto` in
//! <https://github.com/google/pprof/tree/main/proto>.
//!
//! What it is not: a symbolizer. Locations have no addresses; the one mapping says that functions, files and lines are
//! there, so that pprof does not look for them in a binary.
//!
//! 1. `string_table[0]` is empty; each string, function and location is written once and has the number of its place, from 1
//!    for functions and locations.
//! 2. `system_name` is left out: pprof takes what has one, and no other name, for a mangled C++ name and shortens it.

use std::collections::HashMap;
use std::io::{self, Write};
use std::time::{SystemTime, UNIX_EPOCH};

use flate2::Compression;
use flate2::write::GzEncoder;
use prost::Message;

use super::value::{Frame, Label, LabelValue, Profile, Sample, ValueType};

#[derive(Clone, PartialEq, Message)]
struct ProfileMessage {
    #[prost(message, repeated, tag = "1")]
    sample_type: Vec<ValueTypeMessage>,
    #[prost(message, repeated, tag = "2")]
    sample: Vec<SampleMessage>,
    #[prost(message, repeated, tag = "3")]
    mapping: Vec<MappingMessage>,
    #[prost(message, repeated, tag = "4")]
    location: Vec<LocationMessage>,
    #[prost(message, repeated, tag = "5")]
    function: Vec<FunctionMessage>,
    #[prost(string, repeated, tag = "6")]
    string_table: Vec<String>,
    #[prost(int64, tag = "9")]
    time_nanos: i64,
    #[prost(int64, tag = "10")]
    duration_nanos: i64,
    #[prost(message, optional, tag = "11")]
    period_type: Option<ValueTypeMessage>,
    #[prost(int64, tag = "12")]
    period: i64,
    #[prost(int64, repeated, tag = "13")]
    comment: Vec<i64>,
    #[prost(int64, tag = "14")]
    default_sample_type: i64,
}

#[derive(Clone, Copy, PartialEq, Message)]
struct ValueTypeMessage {
    #[prost(int64, tag = "1")]
    r#type: i64,
    #[prost(int64, tag = "2")]
    unit: i64,
}

#[derive(Clone, PartialEq, Message)]
struct SampleMessage {
    #[prost(uint64, repeated, tag = "1")]
    location_id: Vec<u64>,
    #[prost(int64, repeated, tag = "2")]
    value: Vec<i64>,
    #[prost(message, repeated, tag = "3")]
    label: Vec<LabelMessage>,
}

#[derive(Clone, Copy, PartialEq, Message)]
struct LabelMessage {
    #[prost(int64, tag = "1")]
    key: i64,
    #[prost(int64, tag = "2")]
    str: i64,
    #[prost(int64, tag = "3")]
    num: i64,
    #[prost(int64, tag = "4")]
    num_unit: i64,
}

#[derive(Clone, Copy, PartialEq, Message)]
struct MappingMessage {
    #[prost(uint64, tag = "1")]
    id: u64,
    #[prost(int64, tag = "5")]
    filename: i64,
    #[prost(bool, tag = "7")]
    has_functions: bool,
    #[prost(bool, tag = "8")]
    has_filenames: bool,
    #[prost(bool, tag = "9")]
    has_line_numbers: bool,
}

#[derive(Clone, PartialEq, Message)]
struct LocationMessage {
    #[prost(uint64, tag = "1")]
    id: u64,
    #[prost(uint64, tag = "2")]
    mapping_id: u64,
    #[prost(message, repeated, tag = "4")]
    line: Vec<LineMessage>,
}

#[derive(Clone, Copy, PartialEq, Message)]
struct LineMessage {
    #[prost(uint64, tag = "1")]
    function_id: u64,
    #[prost(int64, tag = "2")]
    line: i64,
}

#[derive(Clone, Copy, PartialEq, Message)]
struct FunctionMessage {
    #[prost(uint64, tag = "1")]
    id: u64,
    #[prost(int64, tag = "2")]
    name: i64,
    #[prost(int64, tag = "4")]
    filename: i64,
}

impl Profile {
    /// Writes it in pprof's format, gzipped, as `go tool pprof` and all who read that format want it.
    ///
    /// ```no_run
    /// let mut file = std::fs::File::create("goroutine.pb.gz")?;
    /// gochan::diag::profile::goroutine().write_to(&mut file)?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// Those of `out`.
    pub fn write_to(&self, out: &mut impl Write) -> io::Result<()> {
        let mut gzip = GzEncoder::new(out, Compression::fast());
        gzip.write_all(&message(self).encode_to_vec())?;
        gzip.finish()?;
        Ok(())
    }

    /// What [`write_to`](Self::write_to) writes.
    ///
    /// ```
    /// let bytes = gochan::diag::profile::goroutine().to_bytes();
    /// assert_eq!(bytes[..2], [0x1f, 0x8b], "gzip");
    /// ```
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        self.write_to(&mut bytes)
            .expect("a vector takes what it is given");
        bytes
    }
}

fn message(profile: &Profile) -> ProfileMessage {
    let mut tables = Tables::new();
    let sample_type: Vec<_> = profile.types.iter().map(|t| tables.value_type(t)).collect();
    let sample = profile.samples.iter().map(|s| tables.sample(s)).collect();
    let comment = profile.comments.iter().map(|c| tables.string(c)).collect();
    let default_sample_type = tables.string(profile.default_type.unwrap_or_default());
    let exe = std::env::current_exe().unwrap_or_default();
    let mapping = MappingMessage {
        id: 1,
        filename: tables.string(&exe.to_string_lossy()),
        has_functions: true,
        has_filenames: true,
        has_line_numbers: true,
    };
    ProfileMessage {
        period_type: sample_type.first().copied(),
        sample_type,
        sample,
        mapping: vec![mapping],
        location: tables.locations,
        function: tables.functions,
        string_table: tables.strings,
        time_nanos: unix_nanos(profile.taken),
        duration_nanos: profile.duration.as_nanos().try_into().unwrap_or(i64::MAX),
        period: 1,
        comment,
        default_sample_type,
    }
}

fn unix_nanos(time: SystemTime) -> i64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    since.as_nanos().try_into().unwrap_or(i64::MAX)
}

fn signed(value: u64) -> i64 {
    value.try_into().unwrap_or(i64::MAX)
}

/// What the messages refer to by number.
struct Tables {
    strings: Vec<String>,
    functions: Vec<FunctionMessage>,
    locations: Vec<LocationMessage>,
    string_at: HashMap<String, i64>,
    function_at: HashMap<(i64, i64), u64>,
    location_at: HashMap<(u64, u32), u64>,
}

impl Tables {
    fn new() -> Tables {
        Tables {
            strings: vec![String::new()],
            functions: Vec::new(),
            locations: Vec::new(),
            string_at: HashMap::from([(String::new(), 0)]),
            function_at: HashMap::new(),
            location_at: HashMap::new(),
        }
    }

    fn string(&mut self, text: &str) -> i64 {
        if let Some(at) = self.string_at.get(text) {
            return *at;
        }
        let at = self.strings.len() as i64;
        self.strings.push(text.to_owned());
        self.string_at.insert(text.to_owned(), at);
        at
    }

    fn value_type(&mut self, kind: &ValueType) -> ValueTypeMessage {
        ValueTypeMessage {
            r#type: self.string(kind.name),
            unit: self.string(kind.unit),
        }
    }

    fn sample(&mut self, sample: &Sample) -> SampleMessage {
        SampleMessage {
            location_id: sample.stack.iter().map(|f| self.location(f)).collect(),
            value: sample.values.iter().copied().map(signed).collect(),
            label: sample.labels.iter().map(|l| self.label(l)).collect(),
        }
    }

    fn label(&mut self, label: &Label) -> LabelMessage {
        let key = self.string(&label.key);
        let (str, num, num_unit) = match &label.value {
            LabelValue::Text(text) => (self.string(text), 0, 0),
            LabelValue::Number(number, unit) => (0, signed(*number), self.string(unit)),
        };
        LabelMessage {
            key,
            str,
            num,
            num_unit,
        }
    }

    fn location(&mut self, frame: &Frame) -> u64 {
        let function_id = self.function(frame);
        let locations = &mut self.locations;
        let at = self.location_at.entry((function_id, frame.line));
        *at.or_insert_with(|| {
            let id = locations.len() as u64 + 1;
            let line = i64::from(frame.line);
            locations.push(LocationMessage {
                id,
                mapping_id: 1,
                line: vec![LineMessage { function_id, line }],
            });
            id
        })
    }

    fn function(&mut self, frame: &Frame) -> u64 {
        let (name, filename) = (self.string(&frame.function), self.string(frame.file));
        let functions = &mut self.functions;
        *self.function_at.entry((name, filename)).or_insert_with(|| {
            let id = functions.len() as u64 + 1;
            functions.push(FunctionMessage { id, name, filename });
            id
        })
    }
}

#[cfg(all(test, not(gochan_loom)))]
mod tests;
