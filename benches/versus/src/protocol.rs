//! The lines by which a measuring program and the runner speak. Any program that answers these two takes part:
//!
//! ```text
//! PROGRAM list                     case,peer,workers,max_rounds
//! PROGRAM run CASE PEER WORKERS    case,peer,workers,unit,sample,sample,...
//! ```
//!
//! A run may answer with several lines: its figures as `CASE:figure`, its busy cores under the unit `cores`. It ends
//! with a status other than 0 when its counts or sums do not come out.

use std::fmt;
use std::str::FromStr;

/// One line of `list`.
#[derive(Clone, Debug, PartialEq)]
pub struct Listed {
    pub case: String,
    pub peer: String,
    pub workers: usize,
    pub max_rounds: u32,
}

/// One line of `run`.
#[derive(Clone, Debug, PartialEq)]
pub struct Reading {
    pub case: String,
    pub peer: String,
    pub workers: usize,
    pub unit: String,
    pub values: Vec<f64>,
}

/// The line that could not be read.
#[derive(Debug)]
pub struct Malformed(String);

impl Malformed {
    pub fn line(line: &str) -> Malformed {
        Malformed(line.to_owned())
    }
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "not a line of the protocol: {:?}", self.0)
    }
}

impl std::error::Error for Malformed {}

impl fmt::Display for Listed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{},{},{},{}",
            self.case, self.peer, self.workers, self.max_rounds
        )
    }
}

impl FromStr for Listed {
    type Err = Malformed;

    fn from_str(line: &str) -> Result<Self, Malformed> {
        let parse = || {
            let mut fields = line.split(',');
            Some(Listed {
                case: fields.next()?.to_owned(),
                peer: fields.next()?.to_owned(),
                workers: fields.next()?.parse().ok()?,
                max_rounds: fields.next()?.parse().ok()?,
            })
        };
        parse().ok_or_else(|| Malformed::line(line))
    }
}

impl fmt::Display for Reading {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{},{},{},{}",
            self.case, self.peer, self.workers, self.unit
        )?;
        self.values.iter().try_for_each(|v| write!(f, ",{v:.3}"))
    }
}

impl FromStr for Reading {
    type Err = Malformed;

    fn from_str(line: &str) -> Result<Self, Malformed> {
        let parse = || {
            let mut fields = line.split(',');
            Some(Reading {
                case: fields.next()?.to_owned(),
                peer: fields.next()?.to_owned(),
                workers: fields.next()?.parse().ok()?,
                unit: fields.next()?.to_owned(),
                values: fields.map(|v| v.parse().ok()).collect::<Option<_>>()?,
            })
        };
        parse()
            .filter(|r: &Reading| !r.values.is_empty())
            .ok_or_else(|| Malformed::line(line))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_come_back_as_they_went() {
        let reading = Reading {
            case: "D05_wake_idle:p50".into(),
            peer: "async-channel@smol".into(),
            workers: 2,
            unit: "ns".into(),
            values: vec![1.5, 200.25],
        };
        assert_eq!(reading.to_string().parse::<Reading>().unwrap(), reading);
        let listed = Listed {
            case: "A01".into(),
            peer: "go".into(),
            workers: 1,
            max_rounds: 99,
        };
        assert_eq!(listed.to_string().parse::<Listed>().unwrap(), listed);
    }

    #[test]
    fn a_run_without_samples_is_malformed() {
        assert!("A01,go,2,ns".parse::<Reading>().is_err());
        assert!("A01,go,2,ns,fast".parse::<Reading>().is_err());
    }
}
