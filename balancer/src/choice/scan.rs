//! The choice: one look at every relay. Pure.

use std::cmp::Reverse;

use super::columns::{Carries, Columns, Offers};
use super::policy::Policy;
use super::terms::{Asker, between_km};
use super::verdict::Question;

/// Relays whose utilisations fall into the same one of so many steps are equally empty: else a
/// network would hardly ever get the same relay twice.
const UTILISATION_STEPS: f32 = 20.0;

/// The relay that wins, by its place in the list. What is written to `totals` is of no use
/// afterwards: it only saves asking for memory.
pub(super) fn choose(
    columns: &Columns,
    question: &Question,
    policy: &Policy,
    totals: &mut Vec<f32>,
) -> Option<usize> {
    let listener = question.listener;
    let asker = Asker::new(listener, policy);
    measure(columns, asker.site.at, totals);
    for (at, _) in question.excluded {
        if let Some(total) = totals.get_mut(*at) {
            *total = f32::INFINITY;
        }
    }
    let least = add_up(
        columns,
        question.carries,
        Offers::needed(listener),
        &asker,
        totals,
    );
    if least == f32::INFINITY {
        return None;
    }
    let limit = least + policy.tie_km;
    let ties = totals
        .iter()
        .enumerate()
        .filter(|(_, total)| **total <= limit);
    ties.map(|(at, _)| at).min_by_key(|at| {
        let rank = rank(columns.names[*at], listener.key);
        (step(columns.utilisation[*at]), Reverse(rank), *at)
    })
}

/// The distance from a point to every relay.
fn measure(columns: &Columns, from: [f32; 3], km: &mut Vec<f32>) {
    km.clear();
    let points = columns.x.iter().zip(&columns.y).zip(&columns.z);
    km.extend(points.map(|((x, y), z)| between_km(from, [*x, *y, *z])));
}

/// Makes sums of the distances, and gives the least one. Whoever cannot take the listener, or
/// had no distance, comes to infinity.
fn add_up(
    columns: &Columns,
    carries: &[Carries],
    needed: Offers,
    asker: &Asker,
    totals: &mut [f32],
) -> f32 {
    let mut least = f32::INFINITY;
    let relays = totals.iter_mut().zip(carries).zip(&columns.gates);
    for (at, ((total, carries), gates)) in relays.enumerate() {
        let is_able = gates.is_open()
            && *carries == Carries::OnAir
            && columns.offers[at].has(needed)
            && *total < f32::INFINITY;
        *total = if is_able {
            asker.terms(columns, at, *total).total_km()
        } else {
            f32::INFINITY
        };
        least = least.min(*total);
    }
    // Fewer are known of a mount than there are relays: the rest does not carry it.
    for total in totals.iter_mut().skip(carries.len()) {
        *total = f32::INFINITY;
    }
    least
}

fn step(utilisation: f32) -> u32 {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "0 to 1 times a small number"
    )]
    let step = (utilisation.clamp(0.0, 1.0) * UTILISATION_STEPS) as u32;
    step
}

/// Rendezvous hashing: each network has its own order of all relays, and a relay that comes or
/// goes changes it for nobody else.
fn rank(name: u64, key: u64) -> u64 {
    let mut hash = name ^ key.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    hash ^= hash >> 33;
    hash = hash.wrapping_mul(0xff51_afd7_ed55_8ccd);
    hash ^= hash >> 33;
    hash = hash.wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    hash ^ hash >> 33
}
