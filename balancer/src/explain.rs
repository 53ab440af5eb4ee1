//! Where somebody would be sent, and why not elsewhere, for those who ask.

use std::collections::HashMap;
use std::time::Instant;

use serde::Serialize;
use stream::mount::MountPath;

use crate::balancer::Balancer;
use crate::choice::{Excluded, Listener, Terms, Verdict, in_order};
use crate::place::Spot;

/// Of no more relays than these it is said in which order he would be sent there.
pub const RANKED_MAX: usize = 100;

/// The answer of `/api/v1/explain`.
#[derive(Debug, Serialize)]
pub struct Explanation {
    /// What he asked about.
    pub mount: MountPath,
    /// How he came in.
    pub scheme: &'static str,
    /// Where the databases say he is.
    pub place: Option<Spot>,
    /// The relay he would be sent to.
    pub chosen: Option<String>,
    /// Why this one, and why not the others.
    pub relays: Vec<RelayExplanation>,
}

/// One relay, seen from the one who asks.
#[derive(Debug, Serialize)]
pub struct RelayExplanation {
    /// Its name.
    pub name: String,
    /// Everything that puts it out of the question; empty: it is not.
    pub excluded: Vec<Excluded>,
    /// How far away it is; null: nobody knows, or it is everywhere.
    pub distance_km: Option<f64>,
    /// Share of its usable slots that are taken or promised, 0 to 1.
    pub utilisation: f32,
    /// The sum of the terms. The smallest one wins; of those hardly larger, the emptiest.
    pub total_km: f32,
    /// What speaks for and against it.
    pub terms: Terms,
    /// He would be sent to so many others before; none: he would not be sent here, or to a
    /// hundred others before.
    #[serde(skip)]
    pub n_before: Option<usize>,
}

impl Explanation {
    /// What the choice would be for `listener`.
    pub fn of(balancer: &Balancer, listener: &Listener, mount: &MountPath, now: Instant) -> Self {
        let mut registry = balancer.registry();
        let (chosen, verdicts) = registry.explain(listener, mount, now);
        let order = in_order(&verdicts, registry.policy(), RANKED_MAX);
        let order: HashMap<usize, usize> = order.into_iter().zip(0..).collect();
        let name = |at| registry.relay(at).map(|relay| relay.name().to_owned());
        let relay = |(at, verdict): (usize, Verdict)| {
            let relay = registry.relay(at)?;
            Some(RelayExplanation {
                name: relay.name().to_owned(),
                excluded: verdict.excluded,
                distance_km: listener.spot.distance_km(relay.spot()),
                utilisation: verdict.utilisation,
                total_km: verdict.terms.total_km(),
                terms: verdict.terms,
                n_before: order.get(&at).copied(),
            })
        };
        Self {
            mount: mount.clone(),
            scheme: listener.scheme.as_str(),
            place: Some(listener.spot).filter(|spot| !spot.is_unknown()),
            chosen: chosen.and_then(name),
            relays: verdicts.into_iter().enumerate().filter_map(relay).collect(),
        }
    }
}
