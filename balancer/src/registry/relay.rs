//! One relay: what it said, what the operator says, and what came of sending listeners there. Pure.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use stream::lease::LEASE_LIFE;
use stream::ticket::TicketKey;

use super::direct::Direct;
use super::families::Families;
use super::health::Health;
use super::orders::Orders;
use super::reservations::Reservations;
use super::trust::Trust;
use super::{Registration, State};
use crate::base_url::BaseUrl;
use crate::checked_report::CheckedReport;
use crate::choice::{Gate, Gates, Load, Offers, Policy};
use crate::place::Spot;
use crate::token::TokenDigest;

/// A relay that fell silent while it ran is back after so many reports.
pub(super) const REPORTS_BACK_MIN: u32 = 2;
/// What speaks against a relay that lets nobody in.
const SWALLOWING: &str = "listeners who were sent there did not arrive";

/// One relay.
#[derive(Debug)]
pub struct Relay {
    pub(super) registration: Registration,
    pub(super) key: Option<TicketKey>,
    pub(super) orders: Orders,
    pub(super) is_removed: bool,
    pub(super) health: Health,
    pub(super) trust: Trust,
    pub(super) reservations: Reservations,
    pub(super) last: Option<Last>,
    pub(super) former_runs: VecDeque<String>,
    pub(super) direct: Direct,
    /// So many listeners it lets this balancer send, if there are others.
    pub(super) lent: Option<u32>,
    /// It sent somebody back since its last report.
    pub(super) is_brimful: bool,
    /// Where a database says that its host is.
    pub(super) host_spot: Spot,
    /// The outcome of operator, report and database.
    spot: Spot,
    pub(super) families: Families,
    /// What the log was told last.
    pub(super) told: State,
}

/// The last report.
#[derive(Debug)]
pub(super) struct Last {
    pub(super) report: CheckedReport,
    /// No later than the moment that it tells of.
    pub(super) of: Instant,
    pub(super) received: Instant,
    /// Without another one it counts for so long.
    pub(super) life: Duration,
    /// How many came in time, one after another.
    pub(super) n_in_time: u32,
}

impl Relay {
    pub(super) fn new(registration: Registration, policy: &Policy) -> Self {
        Self {
            key: registration.token.map(|token| token.ticket_key()),
            orders: registration.orders,
            is_removed: false,
            health: Health::default(),
            trust: Trust::new(policy),
            reservations: Reservations::default(),
            last: None,
            former_runs: VecDeque::new(),
            direct: Direct::default(),
            lent: None,
            is_brimful: false,
            host_spot: Spot::default(),
            spot: registration.spot,
            families: Families::default(),
            told: State::Unheard,
            registration,
        }
    }

    /// The name its operator gave it.
    pub fn name(&self) -> &str {
        &self.registration.name
    }

    /// What is kept of its token, if it sends reports.
    pub fn token(&self) -> Option<TokenDigest> {
        self.registration.token
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

    /// What the operator wants of it.
    pub fn orders(&self) -> Orders {
        self.orders
    }

    /// How it does by the word of probes and listeners.
    pub fn health(&self) -> &Health {
        &self.health
    }

    /// Whether listeners get there.
    pub fn trust(&self) -> &Trust {
        &self.trust
    }

    /// Why it is in quarantine, and until when if that is known.
    pub fn quarantine(&self, now: Instant) -> Option<(&str, Option<Instant>)> {
        let seen = self.health.evidence();
        let seen = seen.map(|evidence| (evidence.what.as_str(), None));
        let heard = || Some((self.health.hearsay()?, None));
        seen.or_else(heard).or_else(|| {
            let until = self.trust.quarantined_until(now)?;
            Some((SWALLOWING, Some(until)))
        })
    }

    /// What we ourselves hold against it.
    pub(super) fn accusation(&self, now: Instant) -> Option<&str> {
        let seen = self.health.evidence().map(|seen| seen.what.as_str());
        let is_swallowing =
            || Some(SWALLOWING).filter(|_| self.trust.quarantined_until(now).is_some());
        seen.or_else(is_swallowing)
    }

    /// How many listeners come a second without being sent.
    pub fn direct_per_second(&self) -> f64 {
        self.direct.per_second()
    }

    /// It says whose tickets it admitted.
    pub fn names_arrivals(&self) -> bool {
        self.report()
            .is_some_and(|report| report.arrivals.is_some())
    }

    /// Upper bound of its listeners.
    pub fn taken(&self) -> u64 {
        let listeners = self.report().map_or(0, |report| report.listeners);
        u64::from(listeners) + self.reservations.count()
    }

    /// Slots that balancers may use: what it has, or the operator allows, without those that are
    /// kept for listeners who come without being sent.
    pub(super) fn places(&self, policy: &Policy, now: Instant) -> u32 {
        let reserve = |last| self.reserve(last, policy, now);
        let last = self.last.as_ref();
        last.map_or(0, |last| self.allowed(last).saturating_sub(reserve(last)))
    }

    /// Slots that this balancer may use: all places, or those it is lent.
    pub fn usable(&self, policy: &Policy, now: Instant) -> u32 {
        match (&self.last, self.lent) {
            (Some(last), Some(lent)) => {
                let reserve = self.reserve(last, policy, now);
                let lent = self.lent_places(last, lent, reserve, now);
                self.allowed(last).min(lent)
            }
            _ => self.places(policy, now),
        }
    }

    fn allowed(&self, last: &Last) -> u32 {
        let slots = last.report.slots;
        self.orders.slots_max.map_or(slots, |max| max.min(slots))
    }

    fn reserve(&self, last: &Last, policy: &Policy, now: Instant) -> u32 {
        let unknown = now.saturating_duration_since(last.of) + policy.arrival;
        self.direct.reserve(unknown)
    }

    /// Its listeners and those it lets this balancer send. Each balancer keeps its part of the
    /// reserve free.
    fn lent_places(&self, last: &Last, lent: u32, reserve: u32, now: Instant) -> u32 {
        let Last {
            report, received, ..
        } = last;
        if now.saturating_duration_since(*received) >= LEASE_LIFE {
            return 0;
        }
        let room = u64::from(report.slots.saturating_sub(report.listeners)).max(1);
        let part = (u64::from(reserve) * u64::from(lent)).div_ceil(room);
        let lent = u64::from(lent).saturating_sub(part);
        report
            .listeners
            .saturating_add(u32::try_from(lent).unwrap_or(0))
    }

    /// How it stands, for the choice.
    pub(super) fn load(&self, policy: &Policy, now: Instant) -> Load {
        let (taken, usable) = (self.taken(), self.usable(policy, now));
        let n_reserved = self.reservations.count();
        let window = self.trust.window().map(u64::from);
        let is_full = taken >= u64::from(usable) || self.is_brimful || self.reservations.is_full();
        // While it has not proved itself, its next slots are all it has: they become dear.
        let within_window = window.map(|window| taken - n_reserved + window);
        // How dear it is says how full the house is, and not only with those whom we have sent.
        let places = u64::from(self.places(policy, now)).min(within_window.unwrap_or(u64::MAX));
        #[expect(
            clippy::cast_precision_loss,
            reason = "a share needs no more than 24 bits"
        )]
        let utilisation = if taken >= places || self.trust.is_doubted() {
            1.0
        } else {
            (self.expected(usable, places) / places as f32).min(1.0)
        };
        let is_draining = self.report().is_some_and(|report| report.is_draining);
        let gates = Gates::default()
            .with(Gate::Removed, self.is_removed)
            .with(Gate::Unheard, self.last.is_none())
            .with(Gate::Stale, self.last.is_some() && !self.is_fresh(now))
            .with(Gate::Disabled, self.orders.is_disabled)
            .with(Gate::Draining, is_draining || self.orders.is_draining)
            .with(Gate::Quarantined, self.quarantine(now).is_some())
            .with(
                Gate::Unproven,
                !is_full && window.is_some_and(|window| n_reserved >= window),
            )
            .with(Gate::Full, self.last.is_some() && is_full);
        Load { gates, utilisation }
    }

    /// Its listeners, those whom we have sent, and as many from each other balancer, for each part
    /// of what is free that it was lent.
    #[expect(
        clippy::cast_precision_loss,
        reason = "a share needs no more than 24 bits"
    )]
    fn expected(&self, usable: u32, places: u64) -> f32 {
        let listeners = u64::from(self.report().map_or(0, |report| report.listeners));
        let free = places.saturating_sub(listeners) as f32;
        let ours = u64::from(usable).saturating_sub(listeners).max(1) as f32;
        let n_parts = match self.lent {
            Some(_) => (free / ours).max(1.0),
            None => 1.0,
        };
        listeners as f32 + self.reservations.count() as f32 * n_parts
    }

    /// What its address is good for.
    pub(super) fn offers(&self) -> Offers {
        let offers = |url: &BaseUrl| self.families.offers(url.scheme());
        self.url().map(offers).unwrap_or_default()
    }

    /// Over which families of addresses listeners get there.
    pub fn families(&self) -> &Families {
        &self.families
    }

    /// The relay sent the listener with this ticket back.
    pub(super) fn bounce(&mut self, serial: u32) {
        if self.reservations.bounce(serial) {
            self.is_brimful = true;
            // Whoever sends somebody back, lets others in.
            self.trust.see();
        }
    }

    /// A database, or the resolver, says this of its host.
    pub(super) fn locate(&mut self, spot: Spot) {
        self.host_spot = spot;
        self.settle_spot();
    }

    /// Operator before report before database. When the operator gives a point, he
    /// distrusts the database, so its country does not count either.
    pub(super) fn settle_spot(&mut self) {
        let fixed = self.registration.spot;
        if fixed.is_everywhere {
            self.spot = fixed;
            return;
        }
        let reported = Spot {
            place: self.report().and_then(|report| report.place),
            ..Spot::default()
        };
        self.spot = match fixed.place {
            Some(_) => Spot {
                asn: fixed.asn.or(self.host_spot.asn),
                prefix: self.host_spot.prefix,
                ..fixed
            },
            None => fixed.or(reported).or(self.host_spot),
        };
    }

    pub(super) fn is_in_time(&self, now: Instant) -> bool {
        self.last
            .as_ref()
            .is_some_and(|last| now.saturating_duration_since(last.received) < last.life)
    }

    /// It reports, and did not fall silent just before.
    pub(super) fn is_fresh(&self, now: Instant) -> bool {
        let is_back = |last: &Last| last.n_in_time >= REPORTS_BACK_MIN;
        self.is_in_time(now) && self.last.as_ref().is_some_and(is_back)
    }

    /// How it stands, in a word.
    pub fn state(&self, policy: &Policy, now: Instant) -> State {
        let gates = self.load(policy, now).gates;
        let first = [
            (Gate::Removed, State::Removed),
            (Gate::Unheard, State::Unheard),
            (Gate::Stale, State::Stale),
            (Gate::Disabled, State::Disabled),
            (Gate::Draining, State::Draining),
            (Gate::Quarantined, State::Quarantined),
            (Gate::Full, State::Full),
        ]
        .into_iter()
        .find(|(gate, _)| gates.has(*gate));
        first.map_or(State::Open, |(_, state)| state)
    }
}
