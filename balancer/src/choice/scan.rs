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

/// Relays are looked at so many at a time, or not at all.
const BLOCK: usize = 32;

/// Memory for a choice. What is in it is of no use afterwards: it only saves asking for more.
#[derive(Debug, Default)]
pub struct Scratch {
    /// What each relay comes to at least.
    km: Vec<f32>,
    /// The least of these, for each block of relays.
    least: Vec<f32>,
    /// Those that may win, and what they come to.
    ties: Vec<(usize, f32)>,
}

/// The relay that wins, by its place in the list.
pub(super) fn choose(
    columns: &Columns,
    question: &Question,
    policy: &Policy,
    scratch: &mut Scratch,
) -> Option<usize> {
    let asker = Asker::new(question.listener, policy);
    let needed = Offers::needed(question.listener);
    let Scratch { km, least, ties } = scratch;
    at_least(columns, &asker, km);
    least.clear();
    least.extend(km.chunks(BLOCK).map(least_of));
    let blocks = least.iter().enumerate();
    let nearest = blocks.clone().min_by(|(_, a), (_, b)| a.total_cmp(b));
    let mut limit = f32::INFINITY;
    ties.clear();
    // The nearest ones first, and once more: then the others are seen to be too far at a glance.
    for (block, least_km) in nearest.into_iter().chain(blocks) {
        if *least_km > limit {
            continue;
        }
        let first = block * BLOCK;
        let carries = question.carries.get(first..).unwrap_or_default();
        let relays = km[first..].iter().zip(carries).take(BLOCK);
        for (at, (at_least_km, carries)) in (first..).zip(relays) {
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
    }
    let ties = ties.iter().filter(|(_, total)| *total <= limit);
    ties.map(|(at, _)| *at)
        .min_by_key(|at| (among_equals(columns, *at, question.listener.key), *at))
}

/// Of those that are as good, the least wins: the emptier one, and of those the network's own.
pub(super) fn among_equals(columns: &Columns, at: usize, key: u64) -> (u32, Reverse<u64>) {
    let rank = rank(columns.names[at], key);
    (step(columns.utilisation[at]), Reverse(rank))
}

/// What every relay comes to at least: the straight line through the Earth is shorter than the way
/// around it, and what is left out is never negative.
fn at_least(columns: &Columns, asker: &Asker, km: &mut Vec<f32>) {
    let n = columns.len();
    km.clear();
    // A border may be worth less than nothing.
    if asker.pairs.is_some() {
        km.resize(n, f32::NEG_INFINITY);
        return;
    }
    km.resize(n, 0.0);
    let [here_x, here_y, here_z] = asker.site.at;
    let policy = asker.policy;
    let bonus = asker.network_km_max() + ROUNDING_KM;
    let (x, y, z) = (&columns.x[..n], &columns.y[..n], &columns.z[..n]);
    let (price, health, bias) = (
        &columns.price_km[..n],
        &columns.health_km[..n],
        &columns.bias_km[..n],
    );
    // His point, if there is one, is not where he is.
    if asker.site.known != Known::Point {
        for at in 0..n {
            km[at] = price[at] + health[at] - bias[at] - bonus;
        }
        return;
    }
    for at in 0..n {
        let (dx, dy, dz) = (x[at] - here_x, y[at] - here_y, z[at] - here_z);
        let straight = EARTH_RADIUS_KM * (dx * dx + dy * dy + dz * dz).sqrt();
        // One that is no number is ignored by `max`.
        let distance = straight.max(policy.near_km);
        km[at] = distance + price[at] + health[at] - bias[at] - bonus;
    }
}

fn least_of(km: &[f32]) -> f32 {
    let min = |a: f32, b: &f32| if *b < a { *b } else { a };
    km.iter().fold(f32::INFINITY, min)
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
