//! The choice explained: for every relay what speaks for and against it. Pure.

use std::cmp::Reverse;

use super::asker::Listener;
use super::columns::{Carries, Columns, Offers};
use super::policy::Policy;
use super::reason::{Excluded, Gate};
use super::scan::{self, Scratch};
use super::terms::{Asker, Terms};

/// What came out for one relay.
#[derive(Clone, Debug, PartialEq)]
pub struct Verdict {
    /// Everything that puts it out of the question; empty: it is not. The first one is the one
    /// to look at first.
    pub excluded: Vec<Excluded>,
    /// What it would cost to send the listener there.
    pub terms: Terms,
    /// Share of its usable slots that are taken or promised, 0 to 1.
    pub utilisation: f32,
    /// Of those that are as good, the least wins.
    among_equals: (u32, Reverse<u64>),
}

/// The places in the list of the first `n_max` who can take him: whom he is sent to, whom if that
/// one were not there, and so on.
pub fn in_order(verdicts: &[Verdict], policy: &Policy, n_max: usize) -> Vec<usize> {
    let all = verdicts.iter().enumerate();
    let able = all.filter(|(_, verdict)| verdict.excluded.is_empty());
    let mut left: Vec<_> = able
        .map(|(at, verdict)| (verdict.terms.total_km(), verdict.among_equals, at))
        .collect();
    left.sort_by(|(a, ..), (b, ..)| a.total_cmp(b));
    let mut order = Vec::new();
    while order.len() < n_max
        && let Some((least, ..)) = left.first()
    {
        let limit = least + policy.tie_km;
        let equals = left.iter().take_while(|(total, ..)| *total <= limit);
        let first = equals
            .enumerate()
            .min_by_key(|(_, (_, among_equals, at))| (*among_equals, *at));
        let Some((next, (.., at))) = first else {
            break;
        };
        order.push(*at);
        left.remove(next);
    }
    order
}

/// A listener's question about one mount.
#[derive(Clone, Copy, Debug)]
pub struct Question<'a> {
    /// Who asks.
    pub listener: &'a Listener,
    /// What each relay does with the mount.
    pub carries: &'a [Carries],
    /// Relays that are out of the question for him alone, and why.
    pub excluded: &'a [(usize, Excluded)],
}

impl Question<'_> {
    /// The relay that wins, by its place in the list. `scratch` saves asking for memory.
    pub fn choose(
        &self,
        columns: &Columns,
        policy: &Policy,
        scratch: &mut Scratch,
    ) -> Option<usize> {
        scan::choose(columns, self, policy, scratch)
    }

    /// One verdict for each relay, in their order.
    pub fn verdicts(&self, columns: &Columns, policy: &Policy) -> Vec<Verdict> {
        let asker = Asker::new(self.listener, policy);
        let verdict = |at: usize| {
            let terms = asker.terms(columns, at);
            Verdict {
                excluded: self.reasons(columns, at, &terms),
                terms,
                utilisation: columns.utilisation[at],
                among_equals: scan::among_equals(columns, at, self.listener.key),
            }
        };
        (0..columns.len()).map(verdict).collect()
    }

    /// Of all relays that are excluded, the reason of the one that came closest to being sent to:
    /// full is closer than not on air, and so on. `None` when there are no relays at all.
    pub fn closest_miss(&self, columns: &Columns, policy: &Policy) -> Option<Excluded> {
        let asker = Asker::new(self.listener, policy);
        let first = |at| {
            let terms = asker.terms(columns, at);
            self.reasons(columns, at, &terms).into_iter().min()
        };
        (0..columns.len()).filter_map(first).max()
    }

    fn reasons(&self, columns: &Columns, at: usize, terms: &Terms) -> Vec<Excluded> {
        let gates = columns.gates[at];
        let mut reasons: Vec<_> = gates.reasons().collect();
        if !gates.has(Gate::Removed) && !gates.has(Gate::Unheard) {
            match self.carries.get(at).copied().unwrap_or_default() {
                Carries::No => reasons.push(Excluded::NoMount),
                Carries::Silent => reasons.push(Excluded::NotOnAir),
                Carries::OnAir => {}
            }
            let (offers, needed) = (columns.offers[at], Offers::needed(self.listener));
            if !offers.has_scheme(self.listener.scheme) {
                reasons.push(Excluded::WrongScheme);
            } else if offers.is_down_for(needed) {
                reasons.push(Excluded::FamilyDown);
            } else if !offers.has(needed) {
                reasons.push(Excluded::WrongFamily);
            }
        }
        if terms.country_km == f32::INFINITY {
            reasons.push(Excluded::CountryDenied);
        }
        let own = self.excluded.iter().filter(|(relay, _)| *relay == at);
        reasons.extend(own.map(|(_, reason)| *reason));
        reasons
    }
}
