//! What was measured, as it is kept in `target/bench/*.json`, and its middle. Pure.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use clap::ValueEnum;
use serde::{Deserialize, Serialize};

use crate::machine::Machine;
use crate::outcome::Outcome;
use crate::subjects::Subject;

/// What is done to the servers.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Ord, PartialEq, PartialOrd, Serialize, ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Scenario {
    /// Listeners come one after another and stay: what does one of them cost?
    Steady,
    /// Thousands come at the same moment: when do they hear sound?
    Crowd,
    /// As many as one process may have sockets
    Held,
    /// Nobody listens: what does the server do all day?
    Idle,
    /// Listeners go and others come, for a long time: does the server keep its size?
    Churn,
}

/// One run of one server.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct Record {
    /// The bitrate.
    pub(crate) kbits: u32,
    /// The server.
    pub(crate) subject: Subject,
    /// Counted from 1.
    pub(crate) round: usize,
    /// What the swarm says.
    pub(crate) outcome: Outcome,
}

/// All runs of a scenario.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct Records {
    /// What was done.
    pub(crate) scenario: Scenario,
    /// To how many listeners.
    pub(crate) n_listeners: usize,
    /// How long each measurement took, in seconds.
    pub(crate) seconds: u64,
    /// On which machine, when.
    pub(crate) machine: Machine,
    /// Every run, in the order in which it was made.
    pub(crate) records: Vec<Record>,
}

/// What each server went through at one bitrate, one outcome a round.
pub(crate) type Group<'a> = Vec<(Subject, Vec<&'a Outcome>)>;

/// The least, the middle and the most of several rounds.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Middle {
    /// The least.
    pub(crate) min: f64,
    /// The middle.
    pub(crate) median: f64,
    /// The most.
    pub(crate) max: f64,
}

impl Scenario {
    /// As it stands in file names.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Steady => "steady",
            Self::Crowd => "crowd",
            Self::Held => "held",
            Self::Idle => "idle",
            Self::Churn => "churn",
        }
    }
}

impl Middle {
    /// Of these values. `None`: there are none.
    pub(crate) fn of(values: impl IntoIterator<Item = f64>) -> Option<Self> {
        let mut values: Vec<_> = values.into_iter().collect();
        values.sort_unstable_by(f64::total_cmp);
        let (min, max) = (*values.first()?, *values.last()?);
        let (low, high) = (values[(values.len() - 1) / 2], values[values.len() / 2]);
        Some(Self {
            min,
            median: low.midpoint(high),
            max,
        })
    }
}

impl Records {
    /// The runs by bitrate, the highest first, and by server, as they were first run.
    pub(crate) fn groups(&self) -> Vec<(u32, Group<'_>)> {
        let mut groups: BTreeMap<Reverse<u32>, Group<'_>> = BTreeMap::new();
        for record in &self.records {
            let group = groups.entry(Reverse(record.kbits)).or_default();
            let known = group.iter_mut().find(|(s, _)| *s == record.subject);
            match known {
                Some((_, outcomes)) => outcomes.push(&record.outcome),
                None => group.push((record.subject, vec![&record.outcome])),
            }
        }
        let groups = groups.into_iter();
        groups.map(|(kbits, group)| (kbits.0, group)).collect()
    }

    /// How many rounds there were.
    pub(crate) fn n_rounds(&self) -> usize {
        let rounds = self.records.iter().map(|record| record.round);
        rounds.max().unwrap_or(0)
    }
}

/// Processor time per listener-second, of several runs.
pub(crate) fn cost(outcomes: &[&Outcome]) -> Option<Middle> {
    let servers = outcomes.iter().filter_map(|o| o.hold.server.as_ref());
    Middle::of(servers.map(|server| server.us_per_listener_second))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_middle_of_rounds_is_found() {
        let middle = |values: &[f64]| Middle::of(values.iter().copied()).map(|m| m.median);
        assert_eq!(middle(&[]), None);
        assert_eq!(middle(&[7.0]), Some(7.0));
        assert_eq!(middle(&[9.0, 1.0, 5.0]), Some(5.0));
        assert_eq!(middle(&[9.0, 1.0, 5.0, 6.0]), Some(5.5));
    }
}
