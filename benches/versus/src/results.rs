//! What was measured, merged into rows: medians, who is best, and the ratio to gochan.
//!
//! 1. Samples of different places (near, far) are never mixed. A row counts the near ones when gochan and a peer have
//!    some, else the far ones; a peer without samples of that place is named and left out of the comparison. Bytes
//!    are the same everywhere and count as near.
//! 2. A ratio above 1 means gochan is ahead, whichever way the unit points.

use crate::protocol::{Malformed, Reading};
use crate::thermo::Place;
use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

pub const GOCHAN: &str = "gochan";

/// The unit under which busy cores are reported.
const CORES: &str = "cores";

/// The unit of memory.
const BYTES: &str = "B";

/// Figures of which more is better.
const HIGHER_IS_BETTER: [&str; 2] = [":acq_total", ":min_share"];

/// One reading and when it was taken: one line of the CSV file.
#[derive(Clone, Debug)]
pub struct Sample {
    pub round: u32,
    pub place: Place,
    pub reading: Reading,
}

/// All samples, by row and peer.
#[derive(Default)]
pub struct Results {
    rows: BTreeMap<Key, BTreeMap<String, Cell>>,
    cores: BTreeMap<(String, usize, String), Cell>,
}

#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    case: String,
    /// Two workers before one.
    workers: Reverse<usize>,
    unit: String,
}

/// One peer's samples in one row, by place.
#[derive(Default)]
struct Cell(BTreeMap<Place, Vec<f64>>);

/// One line of the table.
pub struct Row {
    pub case: String,
    pub workers: usize,
    pub unit: String,
    pub place: Place,
    /// Best first, gochan among them.
    pub standings: Vec<Standing>,
    /// Peers with samples of the other place only.
    pub left_out: Vec<String>,
}

#[derive(Clone, Debug)]
pub struct Standing {
    pub peer: String,
    pub median: f64,
    /// Processor time over wall time, where the row reports it.
    pub cores: Option<f64>,
}

impl Results {
    pub fn add(&mut self, sample: &Sample) {
        let Reading {
            case,
            peer,
            workers,
            unit,
            values,
        } = &sample.reading;
        let cell = if unit == CORES {
            self.cores
                .entry((case.clone(), *workers, peer.clone()))
                .or_default()
        } else {
            let key = Key {
                case: case.clone(),
                workers: Reverse(*workers),
                unit: unit.clone(),
            };
            self.rows
                .entry(key)
                .or_default()
                .entry(peer.clone())
                .or_default()
        };
        // Memory takes as much room wherever the processors are.
        let place = if unit == BYTES {
            Place::Near
        } else {
            sample.place
        };
        cell.0.entry(place).or_default().extend(values);
    }

    pub fn rows(&self) -> Vec<Row> {
        self.rows
            .iter()
            .filter_map(|(key, peers)| self.row(key, peers))
            .collect()
    }

    /// The median of one peer over all its samples wherever they were taken, and that of the row's best.
    pub fn rough_medians(&self, case: &str, workers: usize, peer: &str) -> Option<(f64, f64)> {
        let (_, peers) = self
            .rows
            .iter()
            .find(|(k, _)| k.case == case && k.workers.0 == workers)?;
        let rough = |cell: &Cell| median(cell.0.values().flatten().copied().collect());
        let best = peers.values().filter_map(rough).min_by(f64::total_cmp)?;
        Some((peers.get(peer).and_then(rough)?, best))
    }

    /// Whether a peer has a sample of this place in a row of a case where places matter.
    pub fn has(&self, case: &str, workers: usize, peer: &str, place: Place) -> bool {
        self.rows.iter().any(|(key, peers)| {
            key.workers.0 == workers
                && key.unit != BYTES
                && key.case.split(':').next() == Some(case)
                && peers
                    .get(peer)
                    .is_some_and(|cell| cell.0.contains_key(&place))
        })
    }

    fn row(&self, key: &Key, peers: &BTreeMap<String, Cell>) -> Option<Row> {
        let place = [Place::Near, Place::Far]
            .into_iter()
            .max_by_key(|&p| comparable(peers, p))?;
        let (mut standings, mut left_out) = (Vec::new(), Vec::new());
        for (peer, cell) in peers {
            match cell.median(place) {
                Some(median) => standings.push(Standing {
                    peer: peer.clone(),
                    median,
                    cores: self
                        .cores
                        .get(&(key.case.clone(), key.workers.0, peer.clone()))
                        .and_then(|cores| cores.median(place)),
                }),
                None => left_out.push(peer.clone()),
            }
        }
        standings.sort_by(|a, b| a.median.total_cmp(&b.median));
        if higher_is_better(&key.case) {
            standings.reverse();
        }
        (!standings.is_empty()).then(|| Row {
            case: key.case.clone(),
            workers: key.workers.0,
            unit: key.unit.clone(),
            place,
            standings,
            left_out,
        })
    }
}

/// How much can be compared at a place; near wins a draw. First: whether gochan can be, and with anyone.
fn comparable(peers: &BTreeMap<String, Cell>, place: Place) -> (bool, bool, bool) {
    let has = |cell: &Cell| cell.0.contains_key(&place);
    let gochan = peers.get(GOCHAN).is_some_and(has);
    let others = peers.iter().any(|(peer, cell)| peer != GOCHAN && has(cell));
    (gochan && others, gochan || others, place == Place::Near)
}

fn higher_is_better(case: &str) -> bool {
    HIGHER_IS_BETTER.iter().any(|figure| case.ends_with(figure))
}

impl Cell {
    fn median(&self, place: Place) -> Option<f64> {
        self.0.get(&place).and_then(|values| median(values.clone()))
    }
}

impl Row {
    pub fn gochan(&self) -> Option<&Standing> {
        self.standings.iter().find(|s| s.peer == GOCHAN)
    }

    pub fn best_peer(&self) -> Option<&Standing> {
        self.standings.iter().find(|s| s.peer != GOCHAN)
    }

    /// Best peer over gochan, or gochan over best peer where more is better. None unless both are positive.
    pub fn ratio(&self) -> Option<f64> {
        let (gochan, best) = (self.gochan()?.median, self.best_peer()?.median);
        let ratio = if higher_is_better(&self.case) {
            gochan / best
        } else {
            best / gochan
        };
        (gochan > 0.0 && best > 0.0).then_some(ratio)
    }
}

pub fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    let (half, odd) = (values.len() / 2, values.len() % 2 == 1);
    match values[..] {
        [] => None,
        _ if odd => Some(values[half]),
        _ => Some((values[half - 1] + values[half]) / 2.0),
    }
}

/// The geometric mean of the ratios of all rows that have one.
pub fn geometric_mean(rows: &[Row]) -> Option<f64> {
    let logs: Vec<f64> = rows.iter().filter_map(Row::ratio).map(f64::ln).collect();
    (!logs.is_empty()).then(|| (logs.iter().sum::<f64>() / logs.len() as f64).exp())
}

impl fmt::Display for Sample {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{},{},{}", self.round, self.place.name(), self.reading)
    }
}

impl FromStr for Sample {
    type Err = Malformed;

    fn from_str(line: &str) -> Result<Self, Malformed> {
        let parse = || {
            let (round, rest) = line.split_once(',')?;
            let (place, reading) = rest.split_once(',')?;
            Some(Sample {
                round: round.parse().ok()?,
                place: Place::named(place)?,
                reading: reading.parse().ok()?,
            })
        };
        parse().ok_or_else(|| Malformed::line(line))
    }
}

#[cfg(test)]
mod tests;
