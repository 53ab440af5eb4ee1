//! What is run: scenarios, servers, numbers. Pure.

use std::time::Duration;

use crate::records::Scenario;
use crate::subjects::Subject;

/// One scenario with all its numbers.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) scenario: Scenario,
    pub(crate) kbits: Vec<u32>,
    /// In the order in which they take turns.
    pub(crate) subjects: Vec<Subject>,
    pub(crate) n_listeners: usize,
    /// Those who are there before.
    pub(crate) n_before: usize,
    /// Joins a second; 0 is all at once.
    pub(crate) rate: u32,
    /// Those who go, and those who come in their place, a second.
    pub(crate) churn: u32,
    pub(crate) settle: Duration,
    pub(crate) seconds: Duration,
    pub(crate) patience: Duration,
    pub(crate) n_rounds: usize,
}

/// How much time may be spent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Effort {
    /// A quarter of an hour for the two most important scenarios.
    Quick,
    /// About an hour for all.
    Full,
}

const PACED: [Subject; 8] = [
    Subject::Plenum500ms,
    Subject::Plenum1s,
    Subject::Plenum2s,
    Subject::Icecast2,
    Subject::Nginx,
    Subject::Bare1s,
    Subject::Bare2s,
    Subject::BarePage,
];
const ONE_OF_EACH: [Subject; 4] = [
    Subject::Plenum1s,
    Subject::Icecast2,
    Subject::Nginx,
    Subject::Bare1s,
];
/// Patience ends before a minute of TCP's repeated knocking is over.
const PATIENCE: Duration = Duration::from_secs(60);
const PATIENCE_QUICK: Duration = Duration::from_secs(10);

impl Effort {
    /// The scenarios that are run if none is asked for. Churn takes an hour of its own.
    pub(crate) fn scenarios(self) -> &'static [Scenario] {
        match self {
            Self::Quick => &[Scenario::Steady, Scenario::Crowd],
            Self::Full => &[
                Scenario::Steady,
                Scenario::Crowd,
                Scenario::Held,
                Scenario::Idle,
            ],
        }
    }
}

impl Plan {
    /// The numbers of a scenario.
    pub(crate) fn of(scenario: Scenario, effort: Effort) -> Self {
        let is_full = effort == Effort::Full;
        let patience = if is_full { PATIENCE } else { PATIENCE_QUICK };
        let common = Self {
            scenario,
            kbits: vec![128],
            subjects: ONE_OF_EACH.to_vec(),
            n_listeners: 0,
            n_before: 0,
            rate: 1000,
            churn: 0,
            settle: Duration::from_secs(if is_full { 5 } else { 3 }),
            seconds: Duration::from_secs(if is_full { 15 } else { 8 }),
            patience,
            n_rounds: 3,
        };
        match scenario {
            Scenario::Steady => Self {
                kbits: if is_full { vec![128, 64] } else { vec![128] },
                subjects: PACED.to_vec(),
                n_listeners: if is_full { 10_000 } else { 5_000 },
                ..common
            },
            Scenario::Crowd => Self {
                kbits: vec![64],
                n_listeners: 5_000,
                n_before: 500,
                rate: 0,
                seconds: Duration::from_secs(5),
                ..common
            },
            Scenario::Held => Self {
                subjects: vec![Subject::Plenum1s, Subject::Bare1s],
                n_listeners: 19_500,
                rate: 1500,
                ..common
            },
            Scenario::Idle => Self {
                seconds: Duration::from_secs(30),
                ..common
            },
            Scenario::Churn => Self {
                subjects: vec![Subject::Plenum1s],
                n_listeners: 2_000,
                rate: 500,
                churn: 100,
                seconds: Duration::from_secs(3600),
                n_rounds: 1,
                ..common
            },
        }
    }
}
