//! What every relay last said, and how many listeners are on their way to it. Pure.
//!
//! The table's size is fixed by the configuration: a report can fill an entry, never make
//! one. Holds nothing of any listener.

use std::collections::{BTreeSet, VecDeque};
use std::time::{Duration, Instant};

use stream::mount::MountPath;
use url::Host;

use crate::base_url::BaseUrl;
use crate::checked_report::CheckedReport;
use crate::choose::{Candidate, Carries, Choice, Listener, choose};
use crate::place::Spot;
use crate::reservations::Reservations;

/// Earlier runs that are remembered of each relay; the oldest is forgotten.
const FORMER_RUNS_MAX: usize = 8;

/// What the operator says of a relay.
#[derive(Clone, Debug)]
pub struct Registration {
    /// Its name.
    pub name: String,
    /// The only address it may report.
    pub url: Option<BaseUrl>,
    /// Where it is; stronger than what it reports.
    pub spot: Spot,
}

/// All relays, in the order of the configuration.
#[derive(Debug)]
pub struct Registry {
    relays: Vec<Relay>,
    stale_after: Duration,
}

/// One relay.
#[derive(Debug)]
pub struct Relay {
    registration: Registration,
    last: Option<Last>,
    former_runs: VecDeque<String>,
    reservations: Reservations,
    /// Where a database says that its host is.
    host_spot: Spot,
    /// The outcome of operator, report and database.
    spot: Spot,
    /// What the log was told last.
    told: State,
}

#[derive(Debug)]
struct Last {
    report: CheckedReport,
    received: Instant,
}

/// Why a report is not taken although it makes sense.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The operator fixed another address.
    OtherUrl {
        /// The fixed one.
        fixed: BaseUrl,
    },
    /// A later report of the same run is already there.
    OldSequence {
        /// Of the report that is there.
        last: u64,
    },
    /// A newer run of the relay has taken its place: two programs share one token.
    FormerRun,
}

/// How a relay stands, in a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Has never reported.
    Unheard,
    /// Has not reported lately.
    Stale,
    /// Wants no new listeners.
    Draining,
    /// All its places are taken or promised.
    Full,
    /// Takes listeners.
    Open,
}

impl Registry {
    /// A registry in which nobody has reported yet.
    pub fn new(registrations: Vec<Registration>, stale_after: Duration) -> Self {
        let relay = |registration: Registration| Relay {
            spot: registration.spot,
            registration,
            last: None,
            former_runs: VecDeque::new(),
            reservations: Reservations::default(),
            host_spot: Spot::default(),
            told: State::Unheard,
        };
        Self {
            relays: registrations.into_iter().map(relay).collect(),
            stale_after,
        }
    }

    /// Takes a report of the relay at place `at`. `true`: it has a new address.
    ///
    /// # Errors
    /// When the report contradicts the operator or an earlier report.
    pub fn take(
        &mut self,
        at: usize,
        report: CheckedReport,
        now: Instant,
    ) -> Result<bool, Refusal> {
        self.relays[at].take(report, now)
    }

    /// Chooses a relay for `listener` and counts him as on his way to it.
    pub fn send(
        &mut self,
        listener: &Listener,
        mount: &MountPath,
        now: Instant,
    ) -> (Choice, Option<BaseUrl>) {
        let (choice, url) = self.ask(listener, mount, now);
        if let Some(at) = choice.chosen {
            self.relays[at].reservations.add(now);
        }
        (choice, url)
    }

    /// As [`Registry::send`], but nobody is on his way.
    pub fn ask(
        &self,
        listener: &Listener,
        mount: &MountPath,
        now: Instant,
    ) -> (Choice, Option<BaseUrl>) {
        let candidates: Vec<_> = self
            .relays
            .iter()
            .map(|relay| relay.candidate(mount, now, self.stale_after))
            .collect();
        let choice = choose(listener, &candidates);
        let url = choice.chosen.and_then(|at| candidates[at].url).cloned();
        (choice, url)
    }

    /// Every relay with its state.
    pub fn relays(&self, now: Instant) -> impl Iterator<Item = (&Relay, State)> {
        self.relays
            .iter()
            .map(move |relay| (relay, relay.state(now, self.stale_after)))
    }

    /// Every mount in any relay's last report, on air or not.
    pub fn mounts(&self) -> BTreeSet<&MountPath> {
        let reports = self.relays.iter().filter_map(Relay::report);
        reports.flat_map(|report| report.mounts.keys()).collect()
    }

    /// Whether any relay's last report has the mount, on air or not.
    pub fn knows(&self, mount: &MountPath) -> bool {
        let mut reports = self.relays.iter().filter_map(Relay::report);
        reports.any(|report| report.mounts.contains_key(mount))
    }

    /// Every mount that some relay has on air.
    pub fn mounts_on_air(&self, now: Instant) -> BTreeSet<&MountPath> {
        let fresh = self
            .relays
            .iter()
            .filter(|relay| relay.is_fresh(now, self.stale_after))
            .filter_map(Relay::report);
        fresh
            .flat_map(|report| &report.mounts)
            .filter(|(_, carried)| carried.is_on_air)
            .map(|(path, _)| path)
            .collect()
    }

    /// The host of each relay that has reported, and the relay's place in the list.
    pub fn hosts(&self) -> Vec<(usize, Host)> {
        let host = |(at, relay): (usize, &Relay)| Some((at, relay.url()?.host().clone()));
        self.relays.iter().enumerate().filter_map(host).collect()
    }

    /// A database says that the relay at place `at` is here, if `host` still is its host.
    pub fn locate(&mut self, at: usize, host: &Host, spot: Spot) {
        let relay = &mut self.relays[at];
        if relay.url().is_some_and(|url| url.host() == host) {
            relay.host_spot = spot;
            relay.settle_spot();
        }
    }

    /// Relays whose state is another than at the last call: name, before, now. Full counts as
    /// open here: near the brim a relay goes back and forth every second.
    pub fn changes(&mut self, now: Instant) -> Vec<(String, State, State)> {
        let mut changes = Vec::new();
        for relay in &mut self.relays {
            let state = match relay.state(now, self.stale_after) {
                State::Full => State::Open,
                state => state,
            };
            if state != relay.told {
                changes.push((relay.registration.name.clone(), relay.told, state));
                relay.told = state;
            }
        }
        changes
    }
}

impl Relay {
    /// The name its operator gave it.
    pub fn name(&self) -> &str {
        &self.registration.name
    }

    /// Where listeners reach it, since it reported.
    pub fn url(&self) -> Option<&BaseUrl> {
        Some(&self.last.as_ref()?.report.url)
    }

    /// Its last report.
    pub fn report(&self) -> Option<&CheckedReport> {
        Some(&self.last.as_ref()?.report)
    }

    /// How old its last report is.
    pub fn report_age(&self, now: Instant) -> Option<Duration> {
        Some(now.saturating_duration_since(self.last.as_ref()?.received))
    }

    /// Listeners that may be on their way.
    pub fn n_reserved(&self) -> u64 {
        self.reservations.count()
    }

    /// Where it is, as far as anybody knows.
    pub fn spot(&self) -> &Spot {
        &self.spot
    }

    /// Upper bound of its listeners.
    pub fn taken(&self) -> u64 {
        let listeners = self.report().map_or(0, |report| report.listeners);
        u64::from(listeners) + self.reservations.count()
    }

    fn take(&mut self, report: CheckedReport, now: Instant) -> Result<bool, Refusal> {
        if let Some(fixed) = self
            .registration
            .url
            .as_ref()
            .filter(|url| **url != report.url)
        {
            return Err(Refusal::OtherUrl {
                fixed: fixed.clone(),
            });
        }
        if self.former_runs.contains(&report.run) {
            return Err(Refusal::FormerRun);
        }
        if let Some(last) = self.last.as_ref().map(|last| &last.report) {
            if last.run != report.run {
                self.former_runs.push_back(last.run.clone());
                if self.former_runs.len() > FORMER_RUNS_MAX {
                    self.former_runs.pop_front();
                }
            } else if report.sequence <= last.sequence {
                return Err(Refusal::OldSequence {
                    last: last.sequence,
                });
            }
        }
        let is_moved = self.url() != Some(&report.url);
        if is_moved {
            self.host_spot = Spot::default();
        }
        self.reservations.settle(now);
        self.last = Some(Last {
            report,
            received: now,
        });
        self.settle_spot();
        Ok(is_moved)
    }

    /// Operator before report before database. When the operator gives a point, he
    /// distrusts the database, so its country does not count either.
    fn settle_spot(&mut self) {
        let fixed = self.registration.spot;
        let reported = Spot {
            place: self.report().and_then(|report| report.place),
            country: None,
        };
        self.spot = match fixed.place {
            Some(_) => fixed,
            None => fixed.or(reported).or(self.host_spot),
        };
    }

    fn is_fresh(&self, now: Instant, stale_after: Duration) -> bool {
        self.report_age(now).is_some_and(|age| age < stale_after)
    }

    fn state(&self, now: Instant, stale_after: Duration) -> State {
        let Some(report) = self.report() else {
            return State::Unheard;
        };
        if !self.is_fresh(now, stale_after) {
            State::Stale
        } else if report.is_draining {
            State::Draining
        } else if self.taken() >= u64::from(report.slots) {
            State::Full
        } else {
            State::Open
        }
    }

    fn candidate(&self, mount: &MountPath, now: Instant, stale_after: Duration) -> Candidate<'_> {
        let report = self.report();
        let carried = report.and_then(|report| report.mounts.get(mount));
        Candidate {
            name: self.name(),
            url: self.url(),
            is_fresh: self.is_fresh(now, stale_after),
            is_draining: report.is_some_and(|report| report.is_draining),
            carries: match carried {
                None => Carries::No,
                Some(mount) if mount.is_on_air => Carries::OnAir,
                Some(_) => Carries::Silent,
            },
            slots: report.map_or(0, |report| report.slots),
            taken: self.taken(),
            spot: &self.spot,
        }
    }
}

impl State {
    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unheard => "never heard of",
            Self::Stale => "silent",
            Self::Draining => "draining",
            Self::Full => "full",
            Self::Open => "open",
        }
    }

    /// Whether it reported lately.
    pub fn is_fresh(self) -> bool {
        !matches!(self, Self::Unheard | Self::Stale)
    }
}

#[cfg(test)]
mod tests;
