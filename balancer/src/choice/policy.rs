//! What counts how much. Pure.
//!
//! Everything is in kilometres: a relay wins whose distance, dearness and other drawbacks, in
//! kilometres, are the fewest. The figures come from simulations of flash crowds; most of them
//! can be halved or doubled without much change.

use std::time::Duration;

use super::pairs::Pairs;

/// The figures of a choice. The default is what the balancer uses.
#[derive(Clone, Debug, PartialEq)]
pub struct Policy {
    /// Whoever is nearer than this is as near as that: databases err by it.
    pub near_km: f32,
    /// What the last slot of a relay costs at any demand. The first one costs nothing.
    pub full_km: f32,
    /// How late the price begins to rise.
    pub steepness: f32,
    /// Totals no further apart than this are equal: then the emptier relay wins, then always
    /// the same one for the same network.
    pub tie_km: f32,
    /// Another country of the same continent.
    pub neighbour_km: f32,
    /// Another continent.
    pub abroad_km: f32,
    /// Off for the same autonomous system.
    pub same_system_km: f32,
    /// Off for the same announced prefix.
    pub same_prefix_km: f32,
    /// A relay all of whose listeners complain.
    pub ill_km: f32,
    /// A listener who came over IPv6 would have to go on over IPv4.
    pub other_family_km: f32,
    /// How far away a relay counts of which nobody knows where it is.
    pub unknown_km: f32,
    /// The operator's word on listeners of one country at relays in another.
    pub pairs: Pairs,
    /// A listener with a ticket comes within this time, or is taken for one without.
    pub hold: Duration,
    /// A listener whom nobody confirms has come within this time.
    pub arrival: Duration,
    /// A report is no older than this when it arrives.
    pub report_way: Duration,
    /// So many may be on their way to a relay that has not proved yet that listeners get there.
    pub window_first: u32,
    /// The same after it has swallowed some.
    pub window_again: u32,
    /// How long a relay that swallows listeners gets none; four times as long each time, up to …
    pub quarantine_first: Duration,
    /// … this.
    pub quarantine_max: Duration,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            near_km: 100.0,
            full_km: 2_000.0,
            steepness: 6.0,
            tie_km: 25.0,
            neighbour_km: 150.0,
            abroad_km: 600.0,
            same_system_km: 200.0,
            same_prefix_km: 300.0,
            ill_km: 2_000.0,
            other_family_km: 500.0,
            unknown_km: 1_000.0,
            pairs: Pairs::default(),
            hold: Duration::from_secs(10),
            arrival: Duration::from_secs(5),
            report_way: Duration::from_secs(1),
            window_first: 2,
            window_again: 1,
            quarantine_first: Duration::from_secs(60),
            quarantine_max: Duration::from_secs(3_600),
        }
    }
}

impl Policy {
    /// What the next slot of a relay costs of which this share is taken, where scarcity adds so
    /// much to the last one.
    pub fn price_km(&self, utilisation: f32, scarcity_km: f32) -> f32 {
        let utilisation = utilisation.clamp(0.0, 1.0);
        let rise = (self.steepness * utilisation).exp() - 1.0;
        self.full_km * rise / (self.steepness.exp() - 1.0) + scarcity_km * utilisation
    }
}
