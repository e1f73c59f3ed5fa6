//! Who spawned whom: chains of tasks by their functions and the places where they were spawned, then the regions that the
//! last of them is in; each chain kept once.
//!
//! What it is not: a list of tasks. Two tasks with the same function, place, creators and regions are of one lineage.
//!
//! 1. A number stands for the same chain for ever; 0 is the empty one.
//! 2. What is above a link has a smaller number than it has.

use std::collections::HashMap;
use std::panic::Location;

use super::value::Frame;

type Site = &'static Location<'static>;

/// What is above this is cut off.
const DEEPEST: usize = 32;

/// One link of a chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Link {
    /// A task's function at the place where the task was spawned; a thread has neither.
    Task(Option<&'static str>, Option<Site>),
    /// A region by its name, and where it began.
    Region(&'static str, Option<Site>),
}

/// All chains.
#[derive(Debug, Default)]
pub(super) struct Lineages {
    chains: Vec<(Link, usize)>,
    known: HashMap<(Link, usize), usize>,
}

impl Lineages {
    /// The number of the chain that goes on with `link` below the chain `above`.
    pub(super) fn number(&mut self, link: Link, above: usize) -> usize {
        *self.known.entry((link, above)).or_insert_with(|| {
            self.chains.push((link, above));
            self.chains.len()
        })
    }

    /// The same if it is known or there are fewer than `most` chains. Else a region is left out, and of a task the chain is that of
    /// `link` alone, if there are fewer than twice as many; else 0.
    pub(super) fn number_within(&mut self, link: Link, above: usize, most: usize) -> usize {
        let count = self.chains.len();
        match (self.known.get(&(link, above)), link) {
            (Some(number), _) => *number,
            (None, _) if count < most => self.number(link, above),
            (None, Link::Region(..)) => above,
            (None, Link::Task(..)) => match self.known.get(&(link, 0)) {
                Some(alone) => *alone,
                None if count < 2 * most => self.number(link, 0),
                None => 0,
            },
        }
    }

    /// The part of the chain that ends with `link`, if that is in it.
    pub(super) fn part_to(&self, link: Link, chain: usize) -> Option<usize> {
        let mut at = chain;
        while let Some((here, above)) = at.checked_sub(1).and_then(|at| self.chains.get(at)) {
            if *here == link {
                return Some(at);
            }
            at = *above;
        }
        None
    }

    /// The links of a chain, innermost first.
    pub(super) fn links(&self, number: usize) -> impl Iterator<Item = Link> + '_ {
        let mut at = number;
        let chain = std::iter::from_fn(move || {
            let &(link, above) = self.chains.get(at.checked_sub(1)?)?;
            at = above;
            Some(link)
        });
        chain.take(DEEPEST)
    }

    /// The frames of a chain, innermost first.
    pub(super) fn frames(&self, number: usize) -> impl Iterator<Item = Frame> + '_ {
        self.links(number).map(|link| link.frame())
    }

    /// The chain above the regions that it ends with.
    pub(super) fn without_regions(&self, number: usize) -> usize {
        let mut at = number;
        while let Some((Link::Region(..), above)) =
            at.checked_sub(1).and_then(|at| self.chains.get(at))
        {
            at = *above;
        }
        at
    }
}

impl Link {
    pub(super) fn frame(&self) -> Frame {
        match *self {
            Link::Task(Some(name), site) => Frame::at(function(name), site),
            Link::Task(None, Some(site)) => Frame::at("task", Some(site)),
            Link::Task(None, None) => Frame::at("thread", None),
            Link::Region(name, site) => Frame::at(name, site),
        }
    }
}

/// The name of an `async fn` is that of its future without the closure that it is made of.
fn function(type_name: &'static str) -> &'static str {
    type_name.strip_suffix("::{{closure}}").unwrap_or(type_name)
}

#[cfg(all(test, not(gochan_loom)))]
mod tests {
    use super::*;

    fn link(name: &'static str) -> Link {
        Link::Task(Some(name), Some(Location::caller()))
    }

    #[test]
    fn a_chain_is_kept_once() {
        let mut all = Lineages::default();
        let (a, b) = (link("a"), link("b::{{closure}}"));
        let root = all.number(a, 0);
        let child = all.number(b, root);
        assert_eq!(all.number(b, root), child);
        assert_ne!(all.number(b, 0), child, "other creators, another chain");
        let names: Vec<_> = all.frames(child).map(|frame| frame.function).collect();
        assert_eq!(names, ["b", "a"]);
        assert_eq!(all.frames(0).count(), 0);
    }

    #[test]
    fn a_long_chain_is_cut() {
        let mut all = Lineages::default();
        let last = (0..2 * DEEPEST).fold(0, |above, _| all.number(link("a"), above));
        assert_eq!(all.frames(last).count(), DEEPEST);
    }
}
