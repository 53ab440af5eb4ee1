//! How much farther the last listeners were sent than they had to be. Pure.
//!
//! The same listeners, the same relays, the places that are free and those that these listeners
//! took: which assignment makes the sum of all distances least? What was done is one of the
//! assignments that could have been, so the best one is never worse.

use std::collections::{BTreeMap, HashMap};
use std::time::Instant;

use crate::base_url::Scheme;
use crate::choice::{Excluded, Family, Listener};
use crate::desk::past::Regret;
use crate::desk::recent::{Cell, Redirect};
use crate::place::Spot;
use crate::registry::Registry;
use crate::simulate::optimum::{Problem, solve};
use stream::mount::MountPath;
use stream::ticket::Bounced;

/// So many different kinds of listeners are compared: from one cell, to one mount. Those of
/// further ones are left out.
pub const KINDS_MAX: usize = 200;
/// Stands for a relay that could not have been chosen: farther than any on the globe.
const OUT_METRES: i32 = 100_000_000;

/// What a listener wants, from where.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Wish<'a> {
    cell: Cell,
    mount: &'a MountPath,
    is_https: bool,
}

/// Listeners of one cell who want the same.
#[derive(Debug)]
pub struct Kind {
    /// How many of them were sent to which relay.
    pub sent: BTreeMap<usize, i64>,
    /// How far each relay is; none: it could not have been chosen.
    pub metres: Vec<Option<i32>>,
}

/// What of the sample can be compared: each kind of listener, and how many of it were sent to
/// which relay.
pub fn kinds<'a>(
    sample: &'a [Redirect],
    places: &HashMap<String, usize>,
) -> BTreeMap<Wish<'a>, BTreeMap<usize, i64>> {
    let mut kinds: BTreeMap<Wish, BTreeMap<usize, i64>> = BTreeMap::new();
    for redirect in sample {
        let Some(relay) = places.get(&redirect.relay) else {
            continue;
        };
        let wish = Wish {
            cell: redirect.cell,
            mount: &redirect.mount,
            is_https: redirect.scheme == Scheme::Https,
        };
        if kinds.len() < KINDS_MAX || kinds.contains_key(&wish) {
            *kinds.entry(wish).or_default().entry(*relay).or_default() += 1;
        }
    }
    kinds
}

/// How far each relay is from the middle of a cell, for those who want this mount.
pub fn metres(registry: &mut Registry, wish: Wish, now: Instant) -> Vec<Option<i32>> {
    let listener = Listener {
        scheme: if wish.is_https {
            Scheme::Https
        } else {
            Scheme::Http
        },
        family: Family::Any,
        spot: Spot {
            place: Some(wish.cell.middle()),
            ..Spot::default()
        },
        key: 0,
        caller: None,
        bounced: Bounced::default(),
        left: None,
        entry: 0,
    };
    let (_, verdicts) = registry.explain(&listener, wish.mount, now);
    let is_momentary = |why: &Excluded| matches!(why, Excluded::Full | Excluded::Unproven);
    let distance = |(at, verdict): (usize, crate::choice::Verdict)| {
        let relay = registry.relay(at)?;
        let is_able = verdict.excluded.iter().all(is_momentary);
        let km = listener.spot.distance_km(relay.spot())?;
        is_able.then(|| as_metres(km))
    };
    verdicts.into_iter().enumerate().map(distance).collect()
}

/// Compares the redirects of a sample, which is this `share` of all, with the best assignment.
/// `free`: places at each relay. `None`: nothing can be compared.
pub fn compare(kinds: &[Kind], free: &[u64], share: f64) -> Option<Regret> {
    let n_relays = free.len();
    let mut slots = vec![0_i64; n_relays];
    let (mut supply, mut all_metres) = (Vec::new(), Vec::new());
    let (mut n_redirects, mut sum) = (0_i64, 0_i64);
    for kind in kinds {
        let mut row: Vec<i32> = (0..n_relays)
            .map(|at| kind.metres.get(at).copied().flatten().unwrap_or(OUT_METRES))
            .collect();
        let mut n = 0;
        for (relay, sent) in &kind.sent {
            // A relay that has left meanwhile, or whose place nobody knows, tells nothing.
            let Some(metres) = row.get_mut(*relay).filter(|metres| **metres < OUT_METRES) else {
                continue;
            };
            n += sent;
            sum += sent * i64::from(*metres);
            slots[*relay] += sent;
        }
        n_redirects += n;
        supply.push(n);
        all_metres.append(&mut row);
    }
    if n_redirects == 0 {
        return None;
    }
    for (slots, free) in slots.iter_mut().zip(free) {
        *slots += part(*free, share);
    }
    let best = solve(
        &Problem {
            supply,
            slots,
            metres: all_metres,
        },
        &mut || (),
    );
    Some(Regret {
        n_redirects: usize::try_from(n_redirects).unwrap_or(usize::MAX),
        mean_km: mean_km(sum, n_redirects),
        best_km: mean_km(best.metres, n_redirects),
    })
}

/// Of the places that are free the sample gets its share.
#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    reason = "places at one relay, times at most 1"
)]
fn part(free: u64, share: f64) -> i64 {
    (free as f64 * share.clamp(0.0, 1.0)).floor() as i64
}

#[expect(clippy::cast_possible_truncation, reason = "at most half the globe")]
fn as_metres(km: f64) -> i32 {
    (km * 1_000.0).clamp(0.0, 21_000_000.0) as i32
}

#[expect(clippy::cast_precision_loss, reason = "a mean")]
fn mean_km(metres: i64, n: i64) -> f64 {
    metres as f64 / 1_000.0 / n as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(sent: &[(usize, i64)], km: &[i32]) -> Kind {
        Kind {
            sent: sent.iter().copied().collect(),
            metres: km
                .iter()
                .map(|km| (*km >= 0).then_some(km * 1_000))
                .collect(),
        }
    }

    fn check(kinds: &[Kind], free: &[u64], share: f64, n: usize, mean: f64, best: f64) {
        let regret = compare(kinds, free, share).unwrap();
        assert_eq!(regret.n_redirects, n);
        assert!((regret.mean_km - mean).abs() < 1e-9, "{regret:?}");
        assert!((regret.best_km - best).abs() < 1e-9, "{regret:?}");
    }

    #[test]
    fn what_was_done_is_compared_with_the_best_that_could_be_done() {
        // Ten near relay 0 were sent to relay 1, though relay 0 has room for all, or for four.
        let far = || [kind(&[(1, 10)], &[100, 400])];
        check(&far(), &[50, 0], 1.0, 10, 400.0, 100.0);
        check(&far(), &[4, 0], 1.0, 10, 400.0, 280.0);
        check(&far(), &[0, 0], 1.0, 10, 400.0, 400.0);
        // Crossed over: both could be near without any free place.
        let crossed = [kind(&[(1, 5)], &[10, 1_000]), kind(&[(0, 5)], &[1_000, 10])];
        check(&crossed, &[0, 0], 1.0, 10, 1_000.0, 10.0);
    }

    #[test]
    fn a_sample_gets_only_its_share_of_what_is_free() {
        let far = [kind(&[(1, 10)], &[100, 400])];
        check(&far, &[40, 0], 0.1, 10, 400.0, 280.0);
    }

    #[test]
    fn nobody_could_have_been_sent_where_he_could_not_be_heard() {
        let far = [kind(&[(1, 10)], &[-1, 400])];
        check(&far, &[50, 0], 1.0, 10, 400.0, 400.0);
        assert_eq!(compare(&[kind(&[(0, 3)], &[-1, 400])], &[9, 9], 1.0), None);
        assert_eq!(compare(&[], &[], 1.0), None);
    }
}
