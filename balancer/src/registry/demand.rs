//! How many slots will be wanted soon, and so how dear they are before they are short. Pure.
//!
//! Who comes early takes what is nearest, and who comes late has to go far: in a crowd that costs
//! everybody together more than if the early ones had gone a little farther. So slots become
//! dearer with the demand that is to be expected, and by as much as relays are apart: a nation's
//! relays compete for a few hundred kilometres, the world's for thousands. In quiet times slots
//! cost next to nothing and the nearest relay wins.

use std::time::{Duration, Instant};

use super::Registry;
use crate::choice::Gate;

/// How far the present rate is carried on.
const HORIZON_SECONDS: f32 = 300.0;
/// A change of the rate counts more than half after this time.
const MEMORY_SECONDS: f32 = 5.0;
/// Free slots count by this power of the share of them that will be wanted: who goes far to spare
/// a slot that nobody will want has gone far for nothing, and forecasts often come to less.
const POWER: i32 = 3;
/// More balancers than this do not share the listeners.
const BALANCERS_MAX: f32 = 64.0;
/// What the last slot costs when all will be wanted, in parts of the relays' spread. Simulated
/// crowds come nearest to the best possible with 1.2 to 2.
const PER_SPREAD: f32 = 1.6;
/// The Earth's mean radius.
const EARTH_RADIUS_KM: f32 = 6_371.0;

/// What is known of the demand.
#[derive(Debug, Default)]
pub(super) struct Demand {
    n_sent: u32,
    per_second: f32,
    scarcity_km: f32,
}

/// Slots of relays that can be reached, and where they are on average.
#[derive(Debug, Default)]
struct Supply {
    slots: f32,
    taken: f32,
    /// Free slots, whoever may send listeners there.
    free: f32,
    /// Of them, those that we may use.
    ours: f32,
    /// The sum of points on the unit sphere, weighted by slots.
    middle: [f32; 3],
    n_placed: f32,
}

impl Demand {
    /// One more was sent.
    pub(super) fn note(&mut self) {
        self.n_sent = self.n_sent.saturating_add(1);
    }

    /// What the last slot of a relay costs because others will want it.
    pub(super) fn scarcity_km(&self) -> f32 {
        self.scarcity_km
    }

    fn weigh(&mut self, supply: &Supply, elapsed: Duration) {
        let seconds = elapsed.as_secs_f32();
        if seconds > 0.0 {
            let keep = (-seconds / MEMORY_SECONDS).exp();
            let lately = small(self.n_sent.into()) / seconds;
            self.per_second = self.per_second * keep + lately * (1.0 - keep);
            self.n_sent = 0;
        }
        let coming = self.per_second * supply.n_balancers() * HORIZON_SECONDS;
        let wanted = (coming / (supply.slots - supply.taken).max(1.0)).min(1.0);
        let taken = (supply.taken / supply.slots.max(1.0)).min(1.0);
        let share = taken + (1.0 - taken) * wanted.powi(POWER);
        self.scarcity_km = PER_SPREAD * supply.spread_km() * share;
    }
}

impl Supply {
    /// How many balancers there seem to be, if all send as many as we do: relays lend each of them
    /// a part of what is free.
    fn n_balancers(&self) -> f32 {
        (self.free / self.ours.max(1.0)).clamp(1.0, BALANCERS_MAX)
    }

    /// The root of the mean square of the distance between two slots, through the Earth.
    fn spread_km(&self) -> f32 {
        let n_placed = self.n_placed.max(1.0);
        let [x, y, z] = self.middle.map(|sum| sum / n_placed);
        let from_middle = (1.0 - (x * x + y * y + z * z)).max(0.0);
        EARTH_RADIUS_KM * (2.0 * from_middle).sqrt()
    }
}

impl Registry {
    /// Finds out anew how dear slots are.
    pub(super) fn weigh(&mut self, now: Instant) {
        let mut supply = Supply::default();
        for (at, relay) in self.relays.iter().enumerate() {
            let gates = self.columns.gates(at);
            let is_out = [Gate::Disabled, Gate::Draining, Gate::Quarantined]
                .iter()
                .any(|gate| gates.has(*gate));
            if relay.is_removed || is_out || !relay.is_fresh(now) {
                continue;
            }
            let places = u64::from(relay.places(&self.policy, now));
            let usable = u64::from(relay.usable(&self.policy, now));
            let (slots, taken) = (small(places), relay.taken());
            supply.slots += slots;
            supply.taken += small(taken);
            supply.free += small(places.saturating_sub(taken));
            supply.ours += small(usable.saturating_sub(taken));
            if let Some(point) = self.columns.point(at) {
                supply.n_placed += slots;
                for (sum, part) in supply.middle.iter_mut().zip(point) {
                    *sum += slots * part;
                }
            }
        }
        let elapsed = now.saturating_duration_since(self.swept);
        self.demand.weigh(&supply, elapsed);
    }
}

#[expect(
    clippy::cast_precision_loss,
    reason = "a share needs no more than 24 bits"
)]
fn small(n: u64) -> f32 {
    n as f32
}

#[cfg(test)]
mod tests {
    use super::*;

    fn supply(points: &[[f32; 3]], slots: f32, taken: f32) -> Supply {
        let mut supply = Supply {
            slots,
            taken,
            ..Supply::default()
        };
        for point in points {
            supply.n_placed += 1.0;
            for (sum, part) in supply.middle.iter_mut().zip(point) {
                *sum += part;
            }
        }
        supply
    }

    #[test]
    fn relays_in_one_place_have_no_spread_and_the_poles_the_widest() {
        let spread = |points: &[[f32; 3]]| supply(points, 2.0, 0.0).spread_km();
        assert!(spread(&[[1.0, 0.0, 0.0]; 2]) < 10.0);
        let poles = spread(&[[0.0, 0.0, 1.0], [0.0, 0.0, -1.0]]);
        assert!((poles - 9_010.0).abs() < 10.0, "{poles}");
        assert!(spread(&[]) < 10_000.0);
    }

    fn world(taken: f32) -> Supply {
        supply(&[[0.0, 0.0, 1.0], [0.0, 0.0, -1.0]], 1_000.0, taken)
    }

    fn scarcity_km(demand: &mut Demand, world: &Supply, per_tenth: usize, seconds: usize) -> f32 {
        for _ in 0..10 * seconds {
            (0..per_tenth).for_each(|_| demand.note());
            demand.weigh(world, Duration::from_millis(100));
        }
        demand.scarcity_km()
    }

    #[test]
    fn slots_are_cheap_in_quiet_times_and_dear_in_a_crowd() {
        let mut demand = Demand::default();
        let quiet = scarcity_km(&mut demand, &world(100.0), 0, 1);
        let half = scarcity_km(&mut demand, &world(500.0), 0, 1);
        let crowded = scarcity_km(&mut demand, &world(100.0), 2, 10);
        assert!((1_400.0..1_500.0).contains(&quiet), "{quiet}");
        assert!((1.9..2.1).contains(&(crowded / half)), "{half} {crowded}");
        assert!((14_000.0..15_000.0).contains(&crowded), "{crowded}");
        let later = scarcity_km(&mut demand, &world(100.0), 0, 100);
        assert!((later - quiet).abs() < 1.0, "{later}");
    }

    #[test]
    fn a_crowd_that_asks_four_balancers_is_four_times_what_each_of_them_sees() {
        // 800 of 1,000 slots would be wanted, or 200.
        let km = |ours| {
            let world = Supply {
                free: 1_000.0,
                ours,
                ..world(0.0)
            };
            let mut demand = Demand {
                per_second: 200.0 / HORIZON_SECONDS,
                ..Demand::default()
            };
            demand.weigh(&world, Duration::ZERO);
            demand.scarcity_km()
        };
        let (four, one) = (km(250.0), km(1_000.0));
        assert!((63.0..65.0).contains(&(four / one)), "{one} {four}");
        assert!(km(0.0) >= four, "nothing lent is no reason to panic");
    }
}
