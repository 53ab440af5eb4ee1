//! The choice: one look at every relay, and a second one at those that may win. Pure.

use std::cmp::Reverse;

use super::columns::{Carries, Columns, Known, Offers};
use super::policy::Policy;
use super::terms::{Asker, EARTH_RADIUS_KM};
use super::verdict::Question;

/// Relays whose utilisations fall into the same one of so many steps are equally empty: else a
/// network would hardly ever get the same relay twice.
const UTILISATION_STEPS: f32 = 20.0;

/// Sums of a few thousand kilometres are not more exact than this.
const ROUNDING_KM: f32 = 1.0;

/// The relay that wins, by its place in the list. What is written to `scratch` is of no use
/// afterwards: it only saves asking for memory.
pub(super) fn choose(
    columns: &Columns,
    question: &Question,
    policy: &Policy,
    scratch: &mut Vec<f32>,
) -> Option<usize> {
    let asker = Asker::new(question.listener, policy);
    let needed = Offers::needed(question.listener);
    at_least(columns, &asker, scratch);
    let mut limit = f32::INFINITY;
    let mut ties: Vec<(usize, f32)> = Vec::new();
    let relays = scratch.iter().zip(question.carries).enumerate();
    for (at, (at_least_km, carries)) in relays {
        // Most are too far away, whatever else speaks for them.
        if *at_least_km > limit {
            continue;
        }
        let is_able = columns.gates[at].is_open()
            && *carries == Carries::OnAir
            && columns.offers[at].has(needed)
            && question.excluded.iter().all(|(out, _)| *out != at);
        if !is_able {
            continue;
        }
        let total = asker.terms(columns, at).total_km();
        if total <= limit && total < f32::INFINITY {
            limit = limit.min(total + policy.tie_km);
            ties.push((at, total));
        }
    }
    let ties = ties.iter().filter(|(_, total)| *total <= limit);
    ties.map(|(at, _)| *at).min_by_key(|at| {
        let rank = rank(columns.names[*at], question.listener.key);
        (step(columns.utilisation[*at]), Reverse(rank), *at)
    })
}

/// What every relay comes to at least: the straight line through the Earth is shorter than the way
/// around it, and what is left out is never negative.
fn at_least(columns: &Columns, asker: &Asker, km: &mut Vec<f32>) {
    let n = columns.len();
    km.clear();
    // His point is not where he is, or a border may be worth less than nothing.
    if asker.site.known != Known::Point || asker.pairs.is_some() {
        km.resize(n, f32::NEG_INFINITY);
        return;
    }
    km.resize(n, 0.0);
    let [here_x, here_y, here_z] = asker.site.at;
    let policy = asker.policy;
    let bonus = policy.same_system_km.max(policy.same_prefix_km) + ROUNDING_KM;
    let (x, y, z) = (&columns.x[..n], &columns.y[..n], &columns.z[..n]);
    let (price, health, bias) = (
        &columns.price_km[..n],
        &columns.health_km[..n],
        &columns.bias_km[..n],
    );
    for at in 0..n {
        let (dx, dy, dz) = (x[at] - here_x, y[at] - here_y, z[at] - here_z);
        let straight = EARTH_RADIUS_KM * (dx * dx + dy * dy + dz * dz).sqrt();
        // One that is no number is ignored by `max`.
        let distance = straight.max(policy.near_km);
        km[at] = distance + price[at] + health[at] - bias[at] - bonus;
    }
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
