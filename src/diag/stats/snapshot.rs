//! The statistics as a value.
//!
//! What it is not: one moment. Objects are read one after the other.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::panic::Location;
use std::sync::Arc;
use std::time::Duration;

use super::contention::Contention;
use super::recorder::{TABLE, is_contention};
use super::table::Class;
use crate::clock;
use crate::hook::{Kind, ObjId, object, registry};

type Site = &'static Location<'static>;

/// What was counted so far, from [`snapshot`].
///
/// Its `Display` is for people: the ten classes with the longest waits.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Stats {
    /// The objects with the longest waits, longest first; also those that somebody waits for now. Of objects that are gone
    /// the numbers stay.
    pub objects: Vec<ObjectStats>,
    /// The same by the place where objects were made, all objects together, longest waits first.
    pub classes: Vec<ClassStats>,
    /// What belongs to none of the classes, because there were too many.
    pub others: Contention,
    /// How many classes that are.
    pub classes_left_out: u64,
}

/// What was counted of one object.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ObjectStats {
    /// Its tag.
    pub id: ObjId,
    /// What it is.
    pub kind: Kind,
    /// The name it was given, if it is still there.
    pub name: Option<Arc<str>>,
    /// Where it was made, if it said so.
    pub made: Option<Site>,
    /// Tasks and threads that wait for it now.
    pub waiting: usize,
    /// How long the one has waited that waits longest.
    pub waiting_longest: Duration,
    /// The waits that have ended, and the holds.
    pub contention: Contention,
}

/// What was counted of all objects that were made in one place.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ClassStats {
    /// What they are.
    pub kind: Kind,
    /// Where they were made, if they said so.
    pub made: Option<Site>,
    /// How many of them were waited for. One that was forgotten among many and waited for again counts again.
    pub objects: u64,
    /// Tasks and threads that wait for one of them now.
    pub waiting: usize,
    /// The waits that have ended, and the holds.
    pub contention: Contention,
}

/// What [`Stats::top`] goes by: the largest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum By {
    /// How long all waits took together.
    WaitTotal,
    /// The longest wait.
    WaitMax,
    /// How many waits have ended.
    Waits,
    /// Who waits now.
    Waiting,
    /// The longest queue.
    Depth,
    /// For how long it was held, all together.
    HoldTotal,
    /// The longest hold.
    HoldMax,
}

impl By {
    fn number(self, sum: &Contention, waiting: usize) -> u128 {
        let holds = sum.holds.iter();
        match self {
            By::WaitTotal => sum.wait_total.as_nanos(),
            By::WaitMax => sum.wait_max.as_nanos(),
            By::Waits => sum.waits.into(),
            By::Waiting => waiting as u128,
            By::Depth => sum.depth_max.into(),
            By::HoldTotal => holds.map(|holds| holds.total.as_nanos()).sum(),
            By::HoldMax => holds.map(|holds| holds.max.as_nanos()).max().unwrap_or(0),
        }
    }
}

impl Stats {
    /// The same with the `most` objects and the `most` classes that have the most of something, in that order. What the other classes
    /// have goes to [`others`](Stats::others), so that the sums stay.
    ///
    /// ```
    /// use gochan::diag::stats::{self, By};
    ///
    /// let worst = stats::snapshot().top(By::HoldMax, 5);
    /// assert!(worst.objects.len() <= 5 && worst.classes.len() <= 5);
    /// ```
    #[must_use]
    pub fn top(mut self, by: By, most: usize) -> Stats {
        let of_object = |one: &ObjectStats| by.number(&one.contention, one.waiting);
        self.objects
            .sort_by_cached_key(|one| Reverse(of_object(one)));
        self.objects.truncate(most);
        let of_class = |class: &ClassStats| by.number(&class.contention, class.waiting);
        self.classes
            .sort_by_cached_key(|class| Reverse(of_class(class)));
        for class in self.classes.drain(most.min(self.classes.len())..) {
            self.others.merge(&class.contention);
            self.classes_left_out += 1;
        }
        self
    }
}

/// What was counted while something [recorded](super::record), since the program began, and who waits now.
///
/// ```
/// let stats = gochan::diag::stats::snapshot();
/// assert_eq!(stats.classes_left_out, 0);
/// ```
pub fn snapshot() -> Stats {
    let (counted, folded) = TABLE.read();
    let mut waiting = waiting();
    let mut objects: Vec<_> = counted
        .into_iter()
        .map(|(id, entry)| {
            let now = waiting.remove(&id).unwrap_or_default();
            object_stats(id, entry.made.or(now.made), entry.contention, &now)
        })
        .collect();
    objects.extend(
        waiting
            .into_iter()
            .map(|(id, now)| object_stats(id, now.made, Contention::default(), &now)),
    );
    let mut classes: HashMap<Class, ClassStats> = HashMap::new();
    for (class, (count, contention)) in folded.classes {
        let sum = class_of(&mut classes, class);
        sum.objects += count;
        sum.contention.merge(&contention);
    }
    for one in &objects {
        let sum = class_of(&mut classes, (one.kind, one.made));
        sum.objects += 1;
        sum.waiting += one.waiting;
        sum.contention.merge(&one.contention);
    }
    let mut classes: Vec<_> = classes.into_values().collect();
    let rank = |sum: &Contention, waiting| Reverse((sum.wait_total, waiting));
    objects.sort_by_key(|one| rank(&one.contention, one.waiting));
    classes.sort_by_key(|class| rank(&class.contention, class.waiting));
    Stats {
        objects,
        classes,
        others: folded.others,
        classes_left_out: folded.classes_left_out,
    }
}

/// Who waits for an object now.
#[derive(Default)]
struct Waiting {
    made: Option<Site>,
    count: usize,
    longest: Duration,
}

fn waiting() -> HashMap<ObjId, Waiting> {
    let mut all: HashMap<ObjId, Waiting> = HashMap::new();
    let now = clock::ticks();
    registry::for_each(|record| {
        let wait = record.snapshot().and_then(|seen| seen.wait);
        let Some(wait) = wait.filter(|wait| is_contention(wait.reason)) else {
            return;
        };
        let waited = clock::ticks_to_ns(now.saturating_sub(wait.since));
        let mut objects: Vec<_> = match wait.arm_count {
            0 => vec![(wait.object, wait.made)],
            _ => wait.arms.iter().map(|arm| (arm.object, arm.made)).collect(),
        };
        objects.sort_unstable_by_key(|(object, _)| *object);
        objects.dedup_by_key(|(object, _)| *object);
        for (object, made) in objects.into_iter().filter(|(object, _)| !object.is_none()) {
            let waiting = all.entry(object).or_default();
            waiting.made = made;
            waiting.count += 1;
            waiting.longest = waiting.longest.max(Duration::from_nanos(waited));
        }
    });
    all
}

fn object_stats(
    id: ObjId,
    made: Option<Site>,
    contention: Contention,
    now: &Waiting,
) -> ObjectStats {
    ObjectStats {
        id,
        kind: id.kind(),
        name: object::name(id),
        made,
        waiting: now.count,
        waiting_longest: now.longest,
        contention,
    }
}

fn class_of(classes: &mut HashMap<Class, ClassStats>, class: Class) -> &mut ClassStats {
    classes.entry(class).or_insert_with(|| ClassStats {
        kind: class.0,
        made: class.1,
        objects: 0,
        waiting: 0,
        contention: Contention::default(),
    })
}
