//! What is raised, and what is told of it.
//!
//! What it is not: a clock or a look. It gets both, so that the same looks at the same times always tell the same.
//!
//! ```text
//! state of (rule, subject)    number above raise        between       at clear or below
//! not there                   raised, told              -             -
//! raised                      -                         -             cleared, told if the raising was
//! ```
//! 1. A rule has at most [`MOST`] subjects raised at a time: the first ones. The others are not told, and not remembered.
//! 2. A raising is not told within the cool-down of the last one of the same subject that was; its clearing then neither.

use std::collections::HashMap;
use std::fmt;
use std::time::{Duration, Instant, SystemTime};

use super::observed::Observed;
use super::rule::{Rule, Subject};

const MOST: usize = 64;

/// Whether something has begun or ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// The number is above the rule's limit.
    Raised,
    /// It has fallen to the rule's lower limit.
    Cleared,
}

/// A rule that was broken, or is kept again.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Alert {
    /// The rule.
    pub rule: Rule,
    /// By what.
    pub subject: Subject,
    /// Whether it begins or ends.
    pub change: Change,
    /// The number that was seen: of tasks, or of nanoseconds.
    pub number: u64,
    /// When it was raised.
    pub since: SystemTime,
}

/// One line for a log.
impl fmt::Display for Alert {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.change == Change::Cleared {
            write!(f, "over: ")?;
        }
        write!(f, "{}: ", self.subject)?;
        self.rule.words(self.number, f)?;
        write!(f, " (limit: ")?;
        self.rule.words(self.rule.raise, f)?;
        write!(f, ")")
    }
}

struct Raised {
    alert: Alert,
    told: bool,
}

/// All rules, and what is raised of each.
pub(super) struct State {
    rules: Vec<(Rule, Vec<Raised>)>,
    cool_down: Duration,
    /// When each was told last; as long as that matters.
    told: HashMap<(usize, Subject), Instant>,
}

impl State {
    pub(super) fn new(rules: Vec<Rule>, cool_down: Duration) -> State {
        State {
            rules: rules.into_iter().map(|rule| (rule, Vec::new())).collect(),
            cool_down,
            told: HashMap::new(),
        }
    }

    /// What is raised, oldest first.
    pub(super) fn raised(&self) -> Vec<Alert> {
        let all = self.rules.iter().flat_map(|(_, raised)| raised);
        let mut all: Vec<_> = all.map(|raised| raised.alert).collect();
        all.sort_by_key(|alert| alert.since);
        all
    }

    /// What is to be told after this look.
    pub(super) fn update(&mut self, seen: &Observed, now: Instant) -> Vec<Alert> {
        let cool_down = self.cool_down;
        self.told
            .retain(|_, last| now.saturating_duration_since(*last) < cool_down);
        let mut news = Vec::new();
        for (n, (rule, raised)) in self.rules.iter_mut().enumerate() {
            let numbers: HashMap<_, _> = rule.numbers(seen).into_iter().collect();
            clear(rule, raised, &numbers, &mut news);
            let mut above: Vec<_> = numbers.iter().filter(|(_, n)| **n > rule.raise).collect();
            above.sort_by_key(|(subject, number)| (std::cmp::Reverse(**number), **subject));
            for (&subject, &number) in above {
                if raised.iter().any(|one| one.alert.subject == subject) || raised.len() >= MOST {
                    continue;
                }
                let told = !self.told.contains_key(&(n, subject));
                let alert = Alert {
                    rule: *rule,
                    subject,
                    change: Change::Raised,
                    number,
                    since: SystemTime::now(),
                };
                raised.push(Raised { alert, told });
                if told {
                    self.told.insert((n, subject), now);
                    news.push(alert);
                }
            }
        }
        news
    }
}

/// Takes out what is over, and brings the others' numbers up to date.
fn clear(
    rule: &Rule,
    raised: &mut Vec<Raised>,
    numbers: &HashMap<Subject, u64>,
    news: &mut Vec<Alert>,
) {
    raised.retain_mut(|one| {
        one.alert.number = numbers.get(&one.alert.subject).copied().unwrap_or(0);
        let over = one.alert.number <= rule.clear;
        if over && one.told {
            news.push(Alert {
                change: Change::Cleared,
                ..one.alert
            });
        }
        !over
    });
}
