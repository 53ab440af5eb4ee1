//! How far every relay is from every spot of a scene, worked out once. Pure.

use super::optimum::{Problem, Solution, solve};
use super::scene::Scene;
use crate::place::Spot;

/// Relays and the distances to them.
#[derive(Debug)]
pub(crate) struct Ground {
    n_relays: usize,
    /// Spot after spot.
    km: Vec<f32>,
    /// Spots and relays by country, for those who only know countries.
    pub(crate) spots: Vec<Spot>,
    pub(crate) relays: Vec<Spot>,
}

impl Ground {
    /// Of a scene.
    pub(crate) fn of(scene: &Scene) -> Self {
        let relays: Vec<_> = scene.relays.iter().map(|relay| relay.spot).collect();
        let mut is_used = vec![false; scene.spots.len()];
        for arrival in &scene.arrivals {
            is_used[arrival.spot] = true;
        }
        let mut km = vec![0.0; scene.spots.len() * relays.len()];
        let rows = km.chunks_mut(relays.len().max(1)).zip(&scene.spots);
        for ((row, spot), _) in rows.zip(&is_used).filter(|(_, is_used)| **is_used) {
            for (km, relay) in row.iter_mut().zip(&relays) {
                *km = spot.distance_km(relay).unwrap_or_default() as f32;
            }
        }
        Self {
            n_relays: relays.len(),
            km,
            spots: scene.spots.clone(),
            relays,
        }
    }

    /// From a spot to every relay.
    pub(crate) fn from(&self, spot: usize) -> &[f32] {
        &self.km[spot * self.n_relays..][..self.n_relays]
    }

    /// Where everybody who asks should go. Relays that let nobody in are no use, and slots that
    /// those take who do not ask are not to be had.
    pub(crate) fn optimum(&self, scene: &Scene, step: &mut dyn FnMut()) -> Solution {
        let mut supply = vec![0; self.spots.len()];
        for arrival in scene.arrivals.iter().filter(|a| a.direct.is_none()) {
            supply[arrival.spot] += 1;
        }
        let mut n_direct = vec![0; self.n_relays];
        for at in scene.arrivals.iter().filter_map(|a| a.direct) {
            n_direct[at] += 1;
        }
        // Neighbours in the list are neighbours on the globe: so it is solved faster.
        let mut order: Vec<_> = (0..self.n_relays).collect();
        order.sort_by_key(|relay| around(&self.relays[*relay]));
        let slots = order.iter().map(|at| match &scene.relays[*at] {
            hole if hole.is_black_hole => 0,
            relay => {
                let taken = relay.taken.saturating_add(n_direct[*at]);
                i64::from(relay.slots.saturating_sub(taken))
            }
        });
        let rows = self.km.chunks(self.n_relays.max(1));
        let metres = rows.flat_map(|row| order.iter().map(|at| (row[*at] * 1000.0) as i32));
        let problem = Problem {
            supply,
            slots: slots.collect(),
            metres: metres.collect(),
        };
        solve(&problem, step)
    }
}

/// A place on a curve that fills the globe (Morton 1966): the bits of both degrees, by turns.
fn around(spot: &Spot) -> u32 {
    let Some(place) = spot.place else {
        return 0;
    };
    let bits = |part: f64| {
        let number = (part * f64::from(u16::MAX)) as u16;
        (0..16).fold(0, |sum, bit| {
            sum | u32::from(number >> bit & 1) << (2 * bit)
        })
    };
    bits((place.latitude + 90.0) / 180.0) | bits((place.longitude + 180.0) / 360.0) << 1
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use stream::report::Place;

    use super::super::scene::{Arrival, Site};
    use super::*;

    #[test]
    fn a_slot_that_somebody_takes_without_asking_is_not_the_best_one_for_who_asks() {
        let spot = |latitude| Spot {
            place: Some(Place {
                latitude,
                longitude: 0.0,
            }),
            ..Spot::default()
        };
        let relay = |latitude| Site {
            name: String::new(),
            spot: spot(latitude),
            slots: 1,
            taken: 0,
            is_black_hole: false,
            turns_black: None,
            is_proved: true,
        };
        let arrival = |direct| Arrival {
            at: Duration::ZERO,
            spot: 0,
            key: 0,
            way: Some(Duration::ZERO),
            direct,
        };
        let mut scene = Scene {
            name: String::new(),
            relays: vec![relay(0.0), relay(9.0)],
            spots: vec![spot(0.0)],
            arrivals: vec![arrival(None)],
            span: Duration::ZERO,
        };
        let km = |scene: &Scene| Ground::of(scene).optimum(scene, &mut || ()).metres / 1000;
        assert_eq!(km(&scene), 0);
        scene.arrivals.push(arrival(Some(0)));
        assert_eq!(km(&scene), 1000);
    }
}
