//! What is written is read back as pprof reads it.

use super::*;
use std::io::Read;
use std::time::Duration;

fn frame(function: &str, file: &'static str, line: u32) -> Frame {
    Frame {
        function: function.to_owned().into(),
        file,
        line,
    }
}

/// Two stacks with a root in common.
fn profile() -> Profile {
    let root = || frame("main", "src/main.rs", 3);
    let mut profile = Profile::new(&[("contentions", "count"), ("delay", "nanoseconds")]);
    profile.duration = Duration::from_nanos(17);
    profile.comments.push("a word".to_owned());
    profile.samples = vec![
        Sample {
            stack: vec![frame("chan send", "src/a.rs", 7), root()],
            labels: vec![Label::text("state", "waiting"), Label::ns("wait_ns", 5)],
            values: vec![1, 20],
        },
        Sample {
            stack: vec![frame("chan send", "src/a.rs", 8), root()],
            labels: Vec::new(),
            values: vec![u64::MAX, 0],
        },
    ];
    profile
}

fn read(bytes: &[u8]) -> ProfileMessage {
    let mut raw = Vec::new();
    let mut gzip = flate2::read::GzDecoder::new(bytes);
    gzip.read_to_end(&mut raw).expect("it is gzip");
    ProfileMessage::decode(&raw[..]).expect("it is a profile")
}

#[test]
fn a_profile_is_read_back() {
    let back = read(&profile().to_bytes());
    let word = |at: i64| back.string_table[at as usize].as_str();
    let types: Vec<_> = back
        .sample_type
        .iter()
        .map(|t| (word(t.r#type), word(t.unit)))
        .collect();
    assert_eq!(types, [("contentions", "count"), ("delay", "nanoseconds")]);
    let place = |id: &u64| {
        let location = &back.location[*id as usize - 1];
        assert_eq!((location.id, location.mapping_id), (*id, 1));
        let line = location.line[0];
        let function = back.function[line.function_id as usize - 1];
        assert_eq!(function.id, line.function_id);
        (word(function.name), word(function.filename), line.line)
    };
    let stacks: Vec<Vec<_>> = back
        .sample
        .iter()
        .map(|sample| sample.location_id.iter().map(place).collect())
        .collect();
    let main = ("main", "src/main.rs", 3);
    assert_eq!(stacks[0], [("chan send", "src/a.rs", 7), main]);
    assert_eq!(stacks[1], [("chan send", "src/a.rs", 8), main]);
    assert_eq!(back.sample[0].value, [1, 20]);
    assert_eq!(
        back.sample[1].value,
        [i64::MAX, 0],
        "as much as there is room for"
    );
    let labels = &back.sample[0].label;
    assert_eq!(
        (word(labels[0].key), word(labels[0].str)),
        ("state", "waiting")
    );
    assert_eq!(
        (word(labels[1].key), labels[1].num, word(labels[1].num_unit)),
        ("wait_ns", 5, "nanoseconds")
    );
    assert_eq!(back.duration_nanos, 17);
    assert_eq!(word(back.comment[0]), "a word");
}

#[test]
fn everything_is_written_once() {
    let back = read(&profile().to_bytes());
    assert_eq!(back.string_table[0], "");
    let mut strings = back.string_table.clone();
    strings.sort();
    strings.dedup();
    assert_eq!(strings.len(), back.string_table.len());
    assert_eq!((back.function.len(), back.location.len()), (2, 3));
}

#[test]
fn pprof_need_not_look_into_the_binary() {
    let back = read(&profile().to_bytes());
    let mapping = back.mapping[0];
    assert!(mapping.has_functions && mapping.has_filenames && mapping.has_line_numbers);
    assert_eq!((mapping.id, back.mapping.len()), (1, 1));
}
