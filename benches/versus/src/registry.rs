//! Every (row, peer) this program can measure.
//!
//! A row is a case name such as `A04_stream_1to1_buf128`; an entry is that case bound to one peer, with the worker
//! counts it runs at. The Go program next door keeps a registry of its own; `protocol` is what both speak.

use crate::measure::{self, Figure, Operation};
use crate::protocol::{Listed, Reading};

/// Two workers, and one.
pub const BOTH: &[usize] = &[2, 1];
/// Two workers: one alone would say nothing new.
pub const TWO: &[usize] = &[2];
/// One worker: nothing to share.
pub const ONE: &[usize] = &[1];

/// Rounds of a row that may be measured as often as one likes.
const UNLIMITED: u32 = 99;

/// The worker count to what then does the work.
enum Work {
    /// A loop, calibrated.
    Repeated(Box<dyn Fn(usize) -> Operation>),
    /// A program of fixed size.
    Whole(Box<dyn Fn(usize) -> Operation>),
    /// One measurement with named figures.
    Figures(Box<dyn Fn(usize) -> Vec<Figure>>),
}

struct Entry {
    case: &'static str,
    peer: &'static str,
    workers: &'static [usize],
    max_rounds: u32,
    work: Work,
}

#[derive(Default)]
pub struct Registry {
    entries: Vec<Entry>,
}

impl Registry {
    pub fn repeated(
        &mut self,
        case: &'static str,
        peer: &'static str,
        workers: &'static [usize],
        work: impl Fn(usize) -> Operation + 'static,
    ) {
        self.add(
            case,
            peer,
            workers,
            UNLIMITED,
            Work::Repeated(Box::new(work)),
        );
    }

    pub fn whole(
        &mut self,
        case: &'static str,
        peer: &'static str,
        workers: &'static [usize],
        work: impl Fn(usize) -> Operation + 'static,
    ) {
        self.add(case, peer, workers, UNLIMITED, Work::Whole(Box::new(work)));
    }

    /// `max_rounds`: such rows take long, and are steady enough after a few.
    pub fn figures(
        &mut self,
        case: &'static str,
        peer: &'static str,
        workers: &'static [usize],
        max_rounds: u32,
        work: impl Fn(usize) -> Vec<Figure> + 'static,
    ) {
        self.add(
            case,
            peer,
            workers,
            max_rounds,
            Work::Figures(Box::new(work)),
        );
    }

    pub fn list(&self) -> impl Iterator<Item = Listed> + '_ {
        self.entries.iter().flat_map(|e| {
            e.workers.iter().map(|&workers| Listed {
                case: e.case.to_owned(),
                peer: e.peer.to_owned(),
                workers,
                max_rounds: e.max_rounds,
            })
        })
    }

    /// Measures one entry; `None` when there is no such case for that peer.
    pub fn run(&self, case: &str, peer: &str, workers: usize) -> Option<Vec<Reading>> {
        let entry = self
            .entries
            .iter()
            .find(|e| e.case == case && e.peer == peer)?;
        let reading = |case: String, unit: &str, values: Vec<f64>| Reading {
            case,
            peer: peer.to_owned(),
            workers,
            unit: unit.to_owned(),
            values,
        };
        let timed = |m: measure::Measured| {
            vec![
                reading(case.to_owned(), "ns", m.samples),
                reading(case.to_owned(), "cores", vec![m.cores]),
            ]
        };
        Some(match &entry.work {
            Work::Repeated(bind) => timed(measure::repeated(bind(workers))),
            Work::Whole(bind) => timed(measure::whole(bind(workers))),
            Work::Figures(take) => take(workers)
                .into_iter()
                .map(|f| reading(format!("{case}:{}", f.name), f.unit, vec![f.value]))
                .collect(),
        })
    }

    fn add(
        &mut self,
        case: &'static str,
        peer: &'static str,
        workers: &'static [usize],
        max_rounds: u32,
        work: Work,
    ) {
        debug_assert!(
            !self
                .entries
                .iter()
                .any(|e| e.case == case && e.peer == peer),
            "{case} has {peer} twice"
        );
        self.entries.push(Entry {
            case,
            peer,
            workers,
            max_rounds,
            work,
        });
    }
}
