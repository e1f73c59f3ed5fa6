//! Places that events are summed up by: of waits, of holds. All of it lives for ever, so that a key is a few words.
//!
//! What it is not: unique. The same line may have two addresses, in two parts of the program that were compiled apart;
//! whoever reads merges them ([`Merged`]).

use std::collections::HashMap;
use std::hash::{Hash, Hasher};
use std::panic::Location;

use super::lineage::{Lineages, Link};
use super::living;
use super::look::{Seen, class_name};
use super::value::{Frame, Label, Profile, Sample};
use crate::hook::record::Record;
use crate::hook::{Kind, ObjId, WaitReason, current};

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

/// A task's function at the place where the task was spawned, the regions that it is in, and who spawned it: the number of a chain.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Origin(usize);

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
    /// Of the task `id`; what its record says, as long as it is that task's, if nothing else is known.
    pub(super) fn of(record: Option<&'static Record>, id: ObjId) -> Origin {
        let recorded = || {
            let known = record.and_then(|record| record.origin(id));
            let (name, spawned) = known.unwrap_or_default();
            living::number(Link::Task(name, spawned), 0)
        };
        Origin(living::chain_of(id).unwrap_or_else(recorded))
    }

    /// Of whoever runs here.
    pub(super) fn current() -> Origin {
        Origin::of(current::record(), current::id())
    }

    /// Of what a look has shown.
    pub(super) fn seen(seen: &Seen, lineages: &Lineages) -> Origin {
        Origin(living::adopt(lineages, seen.lineage))
    }

    /// Of somebody of whom nothing is known.
    pub(super) fn unknown() -> Origin {
        Origin(living::number(Link::Task(None, None), 0))
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
    std::iter::once(leaf)
        .chain(living::frames(origin.0))
        .collect()
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
