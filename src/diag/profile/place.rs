//! Places that events are summed up by: of waits, of holds. All of it lives for ever, so that a key is a few words.
//!
//! What it is not: unique. The same line may have two addresses, in two parts of the program that were compiled apart;
//! whoever reads merges them ([`Merged`]).

use std::collections::HashMap;
use std::hash::{Hash, Hasher};
use std::panic::Location;

use super::lineage::Link;
use super::look::class_name;
use super::value::{Frame, Label, Profile, Sample};
use crate::hook::record::Record;
use crate::hook::{Kind, ObjId, WaitReason, current};

type Site = &'static Location<'static>;

/// Something static, by its address.
#[derive(Debug)]
pub(super) struct ById<T: ?Sized + 'static>(pub(super) &'static T);

impl<T: ?Sized> Clone for ById<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T: ?Sized> Copy for ById<T> {}

impl<T: ?Sized> PartialEq for ById<T> {
    fn eq(&self, other: &Self) -> bool {
        std::ptr::eq(self.0, other.0)
    }
}

impl<T: ?Sized> Eq for ById<T> {}

impl<T: ?Sized> Hash for ById<T> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        std::ptr::from_ref(self.0).hash(state);
    }
}

/// A task's function, and where the task was spawned.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Origin {
    name: Option<ById<str>>,
    spawned: Option<ById<Location<'static>>>,
}

/// Where somebody waits, and for what.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Wait {
    pub(super) reason: WaitReason,
    pub(super) site: Option<ById<Location<'static>>>,
    /// Of what is waited for.
    pub(super) class: Option<(Kind, Option<ById<Location<'static>>>)>,
    pub(super) origin: Origin,
}

/// Where somebody held what others waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Hold {
    pub(super) kind: Kind,
    /// Where it was released, if somebody said so, else where it was acquired.
    pub(super) site: Option<ById<Location<'static>>>,
    pub(super) released: bool,
    pub(super) origin: Origin,
}

impl Origin {
    /// Of the task `id`, as long as the record is that task's.
    pub(super) fn of(record: Option<&'static Record>, id: ObjId) -> Origin {
        let known = record.and_then(|record| record.origin(id));
        known.map_or_else(Origin::default, |(name, spawned)| {
            Origin::new(name, spawned)
        })
    }

    /// Of whoever runs here.
    pub(super) fn current() -> Origin {
        Origin::of(current::record(), current::id())
    }

    pub(super) fn new(name: Option<&'static str>, spawned: Option<Site>) -> Origin {
        Origin {
            name: name.map(ById),
            spawned: spawned.map(ById),
        }
    }

    fn frame(&self) -> Frame {
        let (name, spawned) = (self.name.map(|id| id.0), self.spawned.map(|id| id.0));
        Link::Task(name, spawned).frame()
    }
}

impl Wait {
    /// Leaf first.
    pub(super) fn stack(&self) -> Vec<Frame> {
        stack(self.reason.as_str(), self.site, &self.origin)
    }

    pub(super) fn labels(&self) -> Vec<Label> {
        let class = self.class.map(|(kind, made)| {
            let name = class_name(kind, made.map(|id| id.0));
            Label::text("class", name)
        });
        let reason = Label::text("wait_reason", self.reason.as_str());
        std::iter::once(reason).chain(class).collect()
    }
}

impl Hold {
    /// Leaf first.
    pub(super) fn stack(&self) -> Vec<Frame> {
        let word = if self.released {
            "released"
        } else {
            "acquired"
        };
        stack(&format!("{} {word}", self.kind), self.site, &self.origin)
    }
}

fn stack(what: &str, site: Option<ById<Location<'static>>>, origin: &Origin) -> Vec<Frame> {
    let leaf = match site {
        Some(site) => Frame::leaf(what, site.0),
        None => Frame::at(what.to_owned(), None),
    };
    vec![leaf, origin.frame()]
}

/// Samples that look alike become one.
#[derive(Debug, Default)]
pub(super) struct Merged(HashMap<(Vec<Frame>, Vec<Label>), Vec<f64>>);

impl Merged {
    /// Adds to the values of the sample with this stack and these labels, from the value `first` on.
    pub(super) fn add(
        &mut self,
        stack: Vec<Frame>,
        labels: Vec<Label>,
        first: usize,
        values: &[f64],
    ) {
        let sums = self.0.entry((stack, labels)).or_default();
        sums.resize(sums.len().max(first + values.len()), 0.0);
        for (sum, value) in sums[first..].iter_mut().zip(values) {
            *sum += value;
        }
    }

    /// Puts all samples into the profile.
    pub(super) fn into(self, profile: &mut Profile) {
        let types = profile.types.len();
        profile.samples = self
            .0
            .into_iter()
            .map(|((stack, labels), mut sums)| {
                sums.resize(types, 0.0);
                let values = sums.into_iter().map(|sum| sum.round() as u64).collect();
                Sample {
                    stack,
                    labels,
                    values,
                }
            })
            .collect();
    }
}
