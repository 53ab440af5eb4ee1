//! Everything that is known of a relay, for the operator alone: on his page and as JSON.

use std::collections::HashMap;
use std::time::Instant;

use serde::Serialize;

use crate::balancer::Balancer;
use crate::probe::finding::Family;
use crate::registry::{Orders, Relay};
use crate::status::{RelayStatus, Status};

/// One relay.
#[derive(Debug, Serialize)]
pub struct Facts {
    /// What everybody may know.
    #[serde(flatten)]
    pub relay: RelayStatus,
    /// Where the relay stands written.
    pub origin: Origin,
    /// What the operator wants of it.
    pub orders: Orders,
    /// Why it is in quarantine; null: it is not.
    pub quarantine: Option<Quarantine>,
    /// Over which kinds of addresses it is reached: IPv4, then IPv6.
    pub families: Vec<FamilyFacts>,
    /// Listeners that come a second without being sent.
    pub direct_per_second: f64,
    /// It says who came, so that it can be noticed if nobody does.
    pub names_arrivals: bool,
}

/// A relay that gets nobody because something is wrong with it.
#[derive(Debug, Serialize)]
pub struct Quarantine {
    /// The evidence.
    pub evidence: String,
    /// How much longer it lasts at least; null: until it is found good, or released.
    pub seconds_left: Option<u64>,
}

/// One kind of address of a relay.
#[derive(Debug, Serialize)]
pub struct FamilyFacts {
    /// Which.
    pub family: Family,
    /// Whether its host has such addresses; null: it was not looked up.
    pub is_there: Option<bool>,
    /// Why nobody who needs it is sent there; null: they are.
    pub evidence: Option<String>,
}

/// Where a relay stands written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Origin {
    /// In balancer.toml.
    File,
    /// It was added at run time.
    Desk,
}

impl Facts {
    /// All relays that are in use, in their order.
    pub fn all(balancer: &Balancer) -> Vec<Self> {
        let now = Instant::now();
        let status = Status::of(balancer, now);
        let registry = balancer.registry();
        let relays = registry.relays(now);
        let by_name: HashMap<&str, &Relay> = relays.map(|(_, one, _)| (one.name(), one)).collect();
        // One that was removed in between is left out.
        let pair = |relay: RelayStatus| {
            let own = *by_name.get(relay.name.as_str())?;
            let in_file = balancer.config().orders_in_file(&relay.name).is_some();
            Some(Self::of_one(relay, own, in_file, now))
        };
        status.relays.into_iter().filter_map(pair).collect()
    }

    /// The relay of that name.
    pub fn of(balancer: &Balancer, name: &str) -> Option<Self> {
        Self::all(balancer)
            .into_iter()
            .find(|facts| facts.relay.name == name)
    }

    fn of_one(relay: RelayStatus, own: &Relay, in_file: bool, now: Instant) -> Self {
        let left = |until: Instant| until.saturating_duration_since(now).as_secs();
        Self {
            relay,
            origin: if in_file { Origin::File } else { Origin::Desk },
            orders: own.orders(),
            quarantine: own.quarantine(now).map(|(evidence, until)| Quarantine {
                evidence: evidence.to_owned(),
                seconds_left: until.map(left),
            }),
            families: Family::ALL
                .map(|family| FamilyFacts::of(own, family))
                .into(),
            direct_per_second: own.direct_per_second(),
            names_arrivals: own.names_arrivals(),
        }
    }
}

impl FamilyFacts {
    fn of(relay: &Relay, family: Family) -> Self {
        Self {
            family,
            is_there: relay.families().has(family),
            evidence: relay.families().down(family).map(str::to_owned),
        }
    }
}
