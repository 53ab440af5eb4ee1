//! What every relay last said, and how many listeners are on their way to it. Pure.
//!
//! Relays have places in a list, which stay theirs while the program runs. A report can fill an
//! entry, never make one. Holds no address: of a listener on his way it knows when he was sent, and a
//! short number of his network (/24, /48).
//!
//! Reading order: `reservations` (why nobody is sent to a full relay), `trust` (nor to one that
//! serves nobody), `relay` and `taking` (all that is known of one, and what a report changes),
//! `sending` (who is sent where), `duplicates` (players that ask twice), `sweeping` (what changes by
//! itself). Beside them: `demand`, `direct`, `families`, `health`, `hearsay`, `hosts`,
//! `orders`, `mounts`, `networks` (whose word against a relay counts).

use std::collections::{BTreeSet, HashMap};
use std::time::{Duration, Instant};

use stream::mount::MountPath;
use stream::report::Receipt;
use stream::secret::HOW_TO_MAKE_ONE;
use stream::ticket::RelayId;

use crate::base_url::BaseUrl;
use crate::checked_report::CheckedReport;
use crate::choice::{Columns, Policy, Scratch};
use crate::token::TokenDigest;

mod demand;
pub mod direct;
pub mod duplicates;
mod families;
pub mod health;
mod hearsay;
mod hosts;
mod mounts;
pub mod networks;
mod orders;
mod registration;
mod relay;
pub mod reservations;
mod sending;
mod state;
mod sweeping;
mod taking;
pub mod trust;

use demand::Demand;
use duplicates::Duplicates;
pub use families::Families;
pub use health::{Health, Probe};
pub use hearsay::Belief;
pub use mounts::MOUNTS_MAX;
use mounts::Mounts;
use networks::Networks;
pub use orders::Orders;
pub use registration::{Origin, Registration};
pub use relay::Relay;
pub use sending::Sent;
pub use state::State;
use taking::REPORTS_LOST_MAX;
pub use taking::{Polled, Refusal, Taken};

/// More relays than this are refused.
pub const RELAYS_MAX: usize = 10_000;
/// Reports that come because nothing changed are to cost no more than so many a second in all.
const REPORTS_PER_SECOND: u32 = 500;
/// A relay is asked to report at least this often, …
const REPORT_EVERY_MAX: Duration = Duration::from_secs(10);
/// … and no more often than this if nothing changes.
const REPORT_EVERY_MIN: Duration = Duration::from_secs(1);

/// All relays.
#[derive(Debug)]
pub struct Registry {
    relays: Vec<Relay>,
    columns: Columns,
    mounts: Mounts,
    ids: HashMap<RelayId, usize>,
    duplicates: Duplicates,
    networks: Networks,
    policy: Policy,
    stale_after: Duration,
    origin: Origin,
    swept: Instant,
    demand: Demand,
    scratch: Scratch,
}

impl Registry {
    /// A registry in which nobody has reported yet.
    pub fn new(
        registrations: Vec<Registration>,
        stale_after: Duration,
        policy: Policy,
        origin: Origin,
    ) -> Self {
        let mut registry = Self {
            relays: Vec::new(),
            columns: Columns::default(),
            mounts: Mounts::default(),
            ids: HashMap::new(),
            duplicates: Duplicates::default(),
            networks: Networks::default(),
            policy,
            stale_after,
            swept: origin.at,
            demand: Demand::default(),
            origin,
            scratch: Scratch::default(),
        };
        for registration in registrations {
            // The settings were checked for what is refused here.
            let _ = registry.add(registration, origin.at);
        }
        registry
    }

    /// One more relay. Returns its place in the list; that of a removed one is used again.
    ///
    /// # Errors
    /// A sentence, when there are too many, or its name or token is another's.
    pub fn add(&mut self, registration: Registration, now: Instant) -> Result<usize, String> {
        let name = &registration.name;
        if self.find(name).is_some() {
            return Err(format!(
                "two relays are named `{name}`, give each a name of its own"
            ));
        }
        let relay = Relay::new(registration, &self.policy);
        // Four bytes made of a token, so two tokens can have the same by a rare chance, too.
        if relay
            .key
            .as_ref()
            .is_some_and(|key| self.ids.contains_key(&key.relay()))
        {
            return Err(format!(
                "relay `{}` has the token of another relay; {HOW_TO_MAKE_ONE}",
                relay.name()
            ));
        }
        if self.ids.len().max(self.relays.len()) >= RELAYS_MAX && !self.has_removed() {
            return Err(format!("at most {RELAYS_MAX} relays work"));
        }
        let free = self.relays.iter().position(|relay| relay.is_removed);
        let at = free.unwrap_or(self.relays.len());
        if let Some(key) = &relay.key {
            self.ids.insert(key.relay(), at);
        }
        if free.is_some() {
            self.columns.rename(at, relay.name());
            self.relays[at] = relay;
        } else {
            self.columns.push(relay.name());
            self.relays.push(relay);
        }
        self.columns.set_spot(at, self.relays[at].spot());
        self.refresh(at, now);
        Ok(at)
    }

    /// The relay whose token this is. It is found by what the token is hashed to, so the time it
    /// takes says nothing of other tokens.
    pub fn relay_of_token(&self, token: &str) -> Option<usize> {
        let token = TokenDigest::of(token);
        let at = *self.ids.get(&token.ticket_key().relay())?;
        (self.relays[at].token() == Some(token)).then_some(at)
    }

    /// The answer to a report of the relay at place `at`.
    pub fn receipt(&self, at: usize) -> Receipt {
        let every = self.report_every().as_millis();
        Receipt {
            next_report_ms: u64::try_from(every).unwrap_or(u64::MAX),
            arrivals: true,
            drain: self.relays[at].orders.is_draining,
            run: self.origin.run,
            open: u32::try_from(self.relays[at].n_reserved()).unwrap_or(u32::MAX),
        }
    }

    /// Takes a relay out of the list. Its listeners stay where they are.
    pub fn remove(&mut self, at: usize, now: Instant) {
        let relay = &mut self.relays[at];
        relay.is_removed = true;
        if let Some(key) = &relay.key {
            self.ids.remove(&key.relay());
        }
        self.mounts.change(at, relay.report(), None);
        self.refresh(at, now);
    }

    /// The place of the relay with this name.
    pub fn find(&self, name: &str) -> Option<usize> {
        let is_it = |relay: &Relay| !relay.is_removed && relay.name() == name;
        self.relays.iter().position(is_it)
    }

    /// The relay at a place; not one that was removed.
    pub fn relay(&self, at: usize) -> Option<&Relay> {
        self.relays.get(at).filter(|relay| !relay.is_removed)
    }

    /// Other figures of the operator hold from now on.
    pub fn follow(&mut self, policy: Policy, stale_after: Duration, now: Instant) {
        (self.policy, self.stale_after) = (policy, stale_after);
        self.sweep(now);
    }

    /// The operator says something else of a relay, which is the same one by its token: of where it
    /// is, or what address it may report.
    pub fn register_anew(&mut self, at: usize, registration: Registration, now: Instant) {
        let relay = &mut self.relays[at];
        relay.registration = registration;
        relay.settle_spot();
        self.columns.set_spot(at, relay.spot());
        self.refresh(at, now);
    }

    /// What the operator says of a relay.
    pub fn registration(&self, at: usize) -> Option<&Registration> {
        self.relay(at).map(|relay| &relay.registration)
    }

    /// What the operator wants of a relay from now on.
    pub fn order(&mut self, at: usize, orders: Orders, now: Instant) {
        self.relays[at].orders = orders;
        self.refresh(at, now);
    }

    /// Puts a relay away until somebody lifts that, or two good probes do.
    pub fn quarantine(&mut self, at: usize, evidence: String, now: Instant) {
        self.relays[at].health.accuse(evidence, now);
        self.refresh(at, now);
    }

    /// Lets a relay have listeners again, whatever put it away: few at first.
    pub fn lift(&mut self, at: usize, now: Instant) {
        self.relays[at].health.lift();
        self.relays[at].trust.lift();
        self.refresh(at, now);
    }

    /// As [`Registry::lift`], by the operator: also what probes hold against it over one family.
    pub fn release(&mut self, at: usize, now: Instant) {
        self.relays[at].families.lift();
        self.lift(at, now);
    }

    /// Somebody has listened to a relay as listeners do. `true`: it now gets listeners, or none,
    /// unlike before.
    pub fn probed(&mut self, at: usize, probe: Probe, now: Instant) -> bool {
        let relay = &mut self.relays[at];
        let is_good = probe == Probe::Good;
        let is_news = relay.health.probed(probe, now);
        if is_good && relay.health.evidence().is_none() {
            relay.trust.vouch();
        }
        self.refresh(at, now);
        is_news
    }

    /// Takes a report of the relay at place `at`.
    ///
    /// # Errors
    /// When the report contradicts the operator or an earlier report.
    pub fn take(
        &mut self,
        at: usize,
        report: CheckedReport,
        now: Instant,
    ) -> Result<Taken, Refusal> {
        let life = self.stale_after.max(self.report_every() * REPORTS_LOST_MAX);
        let relay = &mut self.relays[at];
        relay.check(&report)?;
        self.mounts.change(at, relay.report(), Some(&report));
        let known = (self.origin.run, &mut self.networks);
        let taken = relay.take(report, life, known, &self.policy, now);
        self.columns.set_spot(at, relay.spot());
        self.refresh(at, now);
        Ok(taken)
    }

    /// Takes what was found out by asking the relay at place `at`, which is reached at `url`.
    pub fn take_polled(&mut self, at: usize, url: BaseUrl, polled: Polled, now: Instant) -> Taken {
        let relay = &mut self.relays[at];
        let before = relay.report().cloned();
        let taken = relay.take_polled(url, polled, &mut self.networks, &self.policy, now);
        self.mounts.change(at, before.as_ref(), relay.report());
        self.columns.set_spot(at, relay.spot());
        self.refresh(at, now);
        taken
    }

    /// How often a relay is to report if nothing changes: the fewer there are, the sooner it is
    /// noticed when one dies.
    pub fn report_every(&self) -> Duration {
        let n = u32::try_from(self.relays.len()).unwrap_or(u32::MAX);
        (REPORT_EVERY_MIN * n / REPORTS_PER_SECOND).clamp(REPORT_EVERY_MIN, REPORT_EVERY_MAX)
    }

    /// The figures of the choice.
    pub fn policy(&self) -> &Policy {
        &self.policy
    }

    /// Slots that are neither taken nor promised, at relays that take listeners.
    pub fn n_free(&self, now: Instant) -> u64 {
        (0..self.relays.len())
            .map(|at| self.n_free_at(at, now))
            .sum()
    }

    /// The same of the relay at place `at`.
    pub fn n_free_at(&self, at: usize, now: Instant) -> u64 {
        if !self.columns.gates(at).is_open() {
            return 0;
        }
        let relay = &self.relays[at];
        let free = u64::from(relay.usable(&self.policy, now)).saturating_sub(relay.taken());
        // Whoever is let in beyond the window comes in vain, and has to queue anew.
        let within_window = relay.trust.window().map_or(u64::MAX, |window| {
            u64::from(window).saturating_sub(relay.n_reserved())
        });
        free.min(within_window)
    }

    fn has_removed(&self) -> bool {
        self.relays.iter().any(|relay| relay.is_removed)
    }

    /// Every relay with its place and how it stands.
    pub fn relays(&self, now: Instant) -> impl Iterator<Item = (usize, &Relay, State)> {
        let relays = self.relays.iter().enumerate();
        relays
            .filter(|(_, relay)| !relay.is_removed)
            .map(move |(at, relay)| (at, relay, relay.state(&self.policy, now)))
    }

    /// Every mount that some relay knows.
    pub fn mounts(&self) -> BTreeSet<&MountPath> {
        self.mounts.all()
    }

    /// Whether some relay has this mount in its last report.
    pub fn knows(&self, mount: &MountPath) -> bool {
        self.mounts.has(mount)
    }

    /// Whether relays have had other mounts, and never this one.
    pub fn is_strange(&self, mount: &MountPath) -> bool {
        self.mounts.is_strange(mount)
    }

    /// Every mount that some relay has on air, or another one in its stead.
    pub fn mounts_on_air(&self, now: Instant) -> BTreeSet<&MountPath> {
        let fresh = self.relays.iter().filter(|relay| relay.is_fresh(now));
        fresh
            .filter_map(Relay::report)
            .flat_map(|report| &report.mounts)
            .filter(|(_, carried)| carried.is_heard())
            .map(|(path, _)| path)
            .collect()
    }

    /// Relays whose state is another than at the last call: name, before, now. Full counts as
    /// open here: near the brim a relay goes back and forth every second.
    pub fn changes(&mut self, now: Instant) -> Vec<(String, State, State)> {
        let mut changes = Vec::new();
        for relay in &mut self.relays {
            let state = match relay.state(&self.policy, now) {
                State::Full => State::Open,
                state => state,
            };
            if state != relay.told {
                changes.push((relay.name().to_owned(), relay.told, state));
                relay.told = state;
            }
        }
        changes
    }
}

#[cfg(test)]
mod arrival_tests;
#[cfg(test)]
mod behaviour_tests;
#[cfg(test)]
mod network_tests;
#[cfg(test)]
mod ordered_tests;
#[cfg(test)]
mod safety_tests;
#[cfg(test)]
mod tests;
