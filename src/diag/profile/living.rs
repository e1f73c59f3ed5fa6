//! Who spawned each living task, and the regions that it is in, as chains: kept as things happen while a profile listens, so that an
//! event knows its whole stack.
//!
//! What it is not: a look. A look finds chains of those who are there; here a chain is known after its creators have ended.
//!
//! 1. A task has an entry from its spawn, or from the switch of a profile, until its end; none while no profile listens. One that ends
//!    just while the switch looks may keep its entry until no profile listens.
//! 2. A number stands for the same chain for ever. There are at most [`MOST`] chains, and as many of one link: of further ones
//!    regions are left out, then the creators, then all.
//! 3. The lock of the chains may be taken inside that of a shard, never the other way round. Nothing foreign runs under either.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use ::parking_lot::Mutex;

use super::lineage::{Lineages, Link};
use super::look::look;
use super::value::Frame;
use crate::diag::ids::Ids;
use crate::hook::{ObjId, Spawn};

const SHARDS: usize = 16;
const MOST: usize = 1 << 14;

static LISTENS: AtomicBool = AtomicBool::new(false);
static CHAINS: Mutex<Option<Lineages>> = Mutex::new(None);
static LIVING: [Mutex<Option<Ids<usize>>>; SHARDS] = [const { Mutex::new(None) }; SHARDS];

fn shard(task: ObjId) -> &'static Mutex<Option<Ids<usize>>> {
    &LIVING[(task.number() as usize) % SHARDS]
}

/// The chain that goes on with `link`. Of tasks that spawn their like each is in it once, or it would grow with every
/// generation.
pub(super) fn number(link: Link, above: usize) -> usize {
    let mut chains = CHAINS.lock();
    let chains = chains.get_or_insert_default();
    let part = match link {
        Link::Task(..) => chains.part_to(link, above),
        Link::Region(..) => None,
    };
    part.unwrap_or_else(|| chains.number_within(link, above, MOST))
}

/// The same chain as that of another list.
pub(super) fn adopt(lineages: &Lineages, lineage: usize) -> usize {
    let links: Vec<_> = lineages.links(lineage).collect();
    links
        .iter()
        .rev()
        .fold(0, |above, link| number(*link, above))
}

/// Innermost first.
pub(super) fn frames(chain: usize) -> Vec<Frame> {
    let chains = CHAINS.lock();
    chains
        .iter()
        .flat_map(|chains| chains.frames(chain))
        .collect()
}

/// That of a living task, if it is known.
pub(super) fn chain_of(task: ObjId) -> Option<usize> {
    shard(task).lock().as_ref()?.get(&task).copied()
}

// === what happens ===

/// A profile listens from now on: what there is already is looked at once.
pub(super) fn begin() {
    LISTENS.store(true, Relaxed);
    let mut lineages = Lineages::default();
    for seen in look(&mut lineages, ObjId::NONE) {
        set(seen.task.id, adopt(&lineages, seen.lineage));
    }
}

/// Nobody listens any more. Chains stay, for sums go by them.
pub(super) fn end() {
    LISTENS.store(false, Relaxed);
    LIVING.iter().for_each(|shard| *shard.lock() = None);
}

fn set(task: ObjId, chain: usize) {
    let mut shard = shard(task).lock();
    shard.get_or_insert_default().insert(task, chain);
}

pub(super) fn spawned(event: &Spawn) {
    let creator = chain_of(event.parent).map_or(0, own_of);
    let link = Link::Task(Some(event.type_name), Some(event.site));
    set(event.task, number(link, creator));
}

pub(super) fn ended(task: ObjId) {
    let mut shard = shard(task).lock();
    if let Some(living) = shard.as_mut() {
        living.remove(&task);
    }
}

/// Without regions: those are not of whom a task spawns.
fn own_of(chain: usize) -> usize {
    let chains = CHAINS.lock();
    chains
        .as_ref()
        .map_or(0, |chains| chains.without_regions(chain))
}

/// A task begins a region.
#[inline]
pub(in crate::diag) fn region_began(task: ObjId, name: &'static str, site: Option<Site>) {
    if LISTENS.load(Relaxed) {
        change(task, |chain| number(Link::Region(name, site), chain));
    }
}

/// A task is out of its innermost region of that name.
#[inline]
pub(in crate::diag) fn region_ended(task: ObjId, name: &'static str) {
    if LISTENS.load(Relaxed) {
        change(task, |chain| without(chain, name));
    }
}

#[cold]
fn change(task: ObjId, change: impl FnOnce(usize) -> usize) {
    let mut shard = shard(task).lock();
    if let Some(chain) = shard.as_mut().and_then(|living| living.get_mut(&task)) {
        *chain = change(*chain);
    }
}

fn without(chain: usize, name: &str) -> usize {
    let links: Vec<_> = match &*CHAINS.lock() {
        Some(chains) => chains.links(chain).collect(),
        None => return chain,
    };
    let is_it = |link: &Link| matches!(link, Link::Region(known, _) if *known == name);
    let Some(at) = links.iter().position(is_it) else {
        return chain;
    };
    let rest = links.iter().enumerate().rev().filter(|(n, _)| *n != at);
    rest.fold(0, |above, (_, link)| number(*link, above))
}

type Site = &'static std::panic::Location<'static>;

#[cfg(all(test, not(gochan_loom)))]
mod tests {
    use super::*;
    use std::panic::Location;

    fn task(chain: &[&'static str]) -> usize {
        chain.iter().fold(0, |above, name| {
            let link = match name.strip_prefix('r') {
                Some(_) => Link::Region(name, None),
                None => Link::Task(Some(name), Some(Location::caller())),
            };
            number(link, above)
        })
    }

    fn names(chain: usize) -> Vec<String> {
        frames(chain)
            .into_iter()
            .map(|frame| frame.function.into_owned())
            .collect()
    }

    #[test]
    fn regions_come_and_go_wherever_they_are() {
        let chain = task(&["main", "digest", "r1", "r2", "r1"]);
        assert_eq!(names(without(chain, "r1")), ["r2", "r1", "digest", "main"]);
        assert_eq!(names(without(chain, "r2")), ["r1", "r1", "digest", "main"]);
        assert_eq!(without(chain, "r3"), chain);
        assert_eq!(names(own_of(chain)), ["digest", "main"]);
    }

    #[test]
    fn a_chain_of_another_list_is_the_same_here() {
        let mut others = Lineages::default();
        let site = Some(Location::caller());
        let root = others.number(Link::Task(Some("a"), site), 0);
        let child = others.number(Link::Task(Some("b"), site), root);
        let adopted = adopt(&others, child);
        assert_eq!(names(adopted), ["b", "a"]);
        assert_eq!(adopt(&others, child), adopted);
    }

    #[test]
    fn there_are_never_too_many_chains() {
        let mut all = Lineages::default();
        let link = |name| Link::Task(Some(name), None);
        let root = all.number_within(link("r"), 0, 2);
        let second = all.number_within(link("r"), root, 2);
        assert_eq!(all.number_within(link("r"), second, 2), root, "no room");
        let region = Link::Region("r", None);
        assert_eq!(
            all.number_within(region, second, 2),
            second,
            "it is left out"
        );
        assert_eq!(all.number_within(link("r"), root, 2), second, "it is known");
        for name in ["a", "b"] {
            let alone = all.number_within(link(name), second, 2);
            assert_eq!(all.links(alone).collect::<Vec<_>>(), [link(name)]);
        }
        assert_eq!(all.number_within(link("c"), second, 2), 0, "nor alone");
    }

    #[test]
    fn generations_of_the_same_are_one() {
        let site = Some(Location::caller());
        let link = |name| Link::Task(Some(name), site);
        let (mut chain, root) = (0, number(link("main"), 0));
        let both = number(link("tock"), number(link("tick"), root));
        for _ in 0..100 {
            chain = number(link("tick"), if chain == 0 { root } else { chain });
            chain = number(link("tock"), chain);
            assert_eq!(chain, both);
        }
        assert_eq!(names(chain), ["tock", "tick", "main"]);
    }
}
