//! Keeps what the choice looks at up to date: when something is heard, and when time passes. Pure.

use std::time::{Duration, Instant};

use super::Registry;

/// What changes by the passing of time alone is looked at this often with so many relays or fewer;
/// with more of them more seldom, so that it costs no more. Who is chosen is looked at in any case.
const SWEEP_EVERY_MIN: Duration = Duration::from_millis(100);
/// See [`SWEEP_EVERY_MIN`].
const SWEPT_AT_ONCE: u32 = 500;

impl Registry {
    /// How often what changes by the passing of time alone is looked at.
    pub(super) fn sweep_every(&self) -> Duration {
        let n = u32::try_from(self.relays.len()).unwrap_or(u32::MAX);
        SWEEP_EVERY_MIN.max(SWEEP_EVERY_MIN.saturating_mul(n) / SWEPT_AT_ONCE)
    }

    /// Brings the columns of one relay up to date.
    pub(super) fn refresh(&mut self, at: usize, now: Instant) {
        let relay = &mut self.relays[at];
        let load = relay.load(&self.policy, now);
        let illness = relay.health.illness(now);
        self.columns
            .set_load(at, load, self.demand.scarcity_km(), &self.policy);
        self.columns
            .set_merits(at, relay.orders.bias_km, illness, &self.policy);
        self.columns.set_offers(at, relay.offers());
    }

    /// Brings the columns of all relays up to date.
    pub(super) fn sweep(&mut self, now: Instant) {
        self.weigh(now);
        for at in 0..self.relays.len() {
            self.refresh(at, now);
        }
        self.swept = now;
    }
}
