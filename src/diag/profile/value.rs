//! A profile as a value: samples, each with a stack, labels and one number of each sort.
//!
//! What it is not: a format. `pprof` writes it.
//!
//! 1. Each sample has as many values as the profile has types.
//! 2. Stacks are leaf first.

use std::borrow::Cow;
use std::panic::Location;
use std::time::{Duration, SystemTime};

/// Samples of where tasks are or were, as pprof knows them.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Profile {
    /// When it was taken; of one that took a while, when it began.
    pub taken: SystemTime,
    /// How long that took; zero for a look at one moment.
    pub duration: Duration,
    /// What the values of each sample mean.
    pub types: Vec<ValueType>,
    /// The samples, in no order.
    pub samples: Vec<Sample>,
    /// The type that is meant if nothing else is said; else the last one.
    pub default_type: Option<&'static str>,
    /// What else is to be said, such as what was left out.
    pub comments: Vec<String>,
}

/// What a number of a sample means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ValueType {
    /// What is counted, such as `delay`.
    pub name: &'static str,
    /// In what, such as `nanoseconds`.
    pub unit: &'static str,
}

/// One stack, and what was counted there.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Sample {
    /// Leaf first.
    pub stack: Vec<Frame>,
    /// What tells it from other samples with the same stack.
    pub labels: Vec<Label>,
    /// One number for each of the profile's types.
    pub values: Vec<u64>,
}

/// A place in a stack.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Frame {
    /// A task's function, or what is done here.
    pub function: Cow<'static, str>,
    /// The source file; empty if it is not known.
    pub file: &'static str,
    /// The line in it, from 1.
    pub line: u32,
}

/// A key with a value.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Label {
    /// Such as `wait_reason`.
    pub key: Cow<'static, str>,
    /// Its value.
    pub value: LabelValue,
}

/// What a label says.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum LabelValue {
    /// A text.
    Text(Cow<'static, str>),
    /// A number, and its unit.
    Number(u64, &'static str),
}

impl Profile {
    pub(super) fn new(types: &[(&'static str, &'static str)]) -> Profile {
        let types = types.iter().map(|&(name, unit)| ValueType { name, unit });
        Profile {
            taken: SystemTime::now(),
            duration: Duration::ZERO,
            types: types.collect(),
            samples: Vec::new(),
            default_type: None,
            comments: Vec::new(),
        }
    }

    /// The sum of all values of the type with this name; 0 if there is no such type.
    ///
    /// ```
    /// let profile = gochan::diag::profile::goroutine();
    /// assert_eq!(profile.total("goroutine"), profile.samples.len() as u64);
    /// assert_eq!(profile.total("none of that name"), 0);
    /// ```
    pub fn total(&self, name: &str) -> u64 {
        self.total_of(name, |_| true)
    }

    /// As [`total`](Self::total), of the samples that `which` picks.
    pub fn total_of(&self, name: &str, which: impl Fn(&Sample) -> bool) -> u64 {
        let Some(at) = self.types.iter().position(|kind| kind.name == name) else {
            return 0;
        };
        let picked = self.samples.iter().filter(|sample| which(sample));
        picked.map(|sample| sample.values[at]).sum()
    }
}

impl Sample {
    /// Whether it has a label `key` that says `text`.
    pub fn has(&self, key: &str, text: &str) -> bool {
        let is = |value: &LabelValue| matches!(value, LabelValue::Text(said) if said == text);
        self.labels
            .iter()
            .any(|label| label.key == key && is(&label.value))
    }

    /// Whether a frame of its stack is this line of a file whose path ends like that.
    pub fn is_at(&self, file: &str, line: u32) -> bool {
        let mut stack = self.stack.iter();
        stack.any(|frame| frame.line == line && frame.file.ends_with(file))
    }
}

impl Frame {
    /// `function` at `site`.
    pub(super) fn at(
        function: impl Into<Cow<'static, str>>,
        site: Option<&'static Location<'static>>,
    ) -> Frame {
        Frame {
            function: function.into(),
            file: site.map_or("", |site| site.file()),
            line: site.map_or(0, |site| site.line()),
        }
    }

    /// The leaf of a stack: something is done or waited for at `site`.
    pub(super) fn leaf(what: &str, site: &'static Location<'static>) -> Frame {
        let name = format!("{what} at {}:{}", site.file(), site.line());
        Frame::at(name, Some(site))
    }
}

impl Label {
    pub(super) fn text(key: &'static str, text: impl Into<Cow<'static, str>>) -> Label {
        Label {
            key: key.into(),
            value: LabelValue::Text(text.into()),
        }
    }

    /// One that the program has chosen.
    pub(super) fn own(key: &str, text: &str) -> Label {
        Label {
            key: key.to_owned().into(),
            value: LabelValue::Text(text.to_owned().into()),
        }
    }

    pub(super) fn ns(key: &'static str, ns: u64) -> Label {
        Label {
            key: key.into(),
            value: LabelValue::Number(ns, "nanoseconds"),
        }
    }
}
