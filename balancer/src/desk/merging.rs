//! Makes one of what was changed at two balancers: of each relay the later change counts. Pure.
//!
//! It does not matter in which order they learn of each other, how often, or over whom: in the end
//! all have the same. So nothing needs to be locked, and whoever was cut off only merges when he is
//! back.

use std::collections::BTreeSet;

use serde::Serialize;

use super::changes::{Added, Changes, Entry, JOURNAL_MAX};
use super::overlay::{Overlay, Stamps, is_later};

/// Whether a relay is there, as far as it is not as in `balancer.toml`.
#[derive(PartialEq, Serialize)]
struct Presence<'a> {
    added: Option<&'a Added>,
    is_removed: bool,
}

impl Changes {
    /// Takes over what is later at another balancer.
    pub fn merge(&mut self, other: &Self) {
        for name in other.names() {
            self.merge_relay(name, other);
        }
        for (name, verdict) in &other.verdicts {
            if self.verdicts.get(name) < Some(verdict) {
                self.verdicts.insert(name.clone(), *verdict);
            }
        }
        let all: BTreeSet<&Entry> = self.journal.iter().chain(&other.journal).collect();
        let n_old = all.len().saturating_sub(JOURNAL_MAX);
        let journal = all.into_iter().skip(n_old).cloned().collect();
        self.journal = journal;
        self.version = self.version.max(other.version);
        self.forget_stamps();
    }

    /// Whether nothing is changed here that another does not know, nor the other way round.
    pub fn is_same(&self, other: &Self) -> bool {
        let author = self.author;
        *self
            == Self {
                author,
                ..other.clone()
            }
    }

    fn names(&self) -> BTreeSet<&String> {
        let stamped = self.stamps.keys().chain(&self.removed);
        stamped
            .chain(self.orders.keys())
            .chain(self.added.keys())
            .collect()
    }

    fn merge_relay(&mut self, name: &str, other: &Self) {
        let others = other.stamps.get(name).copied().unwrap_or_default();
        let mut stamps = self.stamps.get(name).copied().unwrap_or_default();
        let mut overlay = self.orders.get(name).copied().unwrap_or_default();
        let wishes = other.orders.get(name).copied().unwrap_or_default();
        overlay.merge(&mut stamps, &wishes, &others);
        if is_later(
            (&self.presence(name), stamps.presence),
            (&other.presence(name), others.presence),
        ) {
            stamps.presence = others.presence;
            self.be_there_as(name, other);
        }
        if overlay == Overlay::default() {
            self.orders.remove(name);
        } else {
            self.orders.insert(name.to_owned(), overlay);
        }
        if stamps != Stamps::default() {
            self.stamps.insert(name.to_owned(), stamps);
        }
    }

    fn presence(&self, name: &str) -> Option<Presence<'_>> {
        let presence = Presence {
            added: self.added.get(name),
            is_removed: self.removed.contains(name),
        };
        let is_some = presence.added.is_some() || presence.is_removed;
        is_some.then_some(presence)
    }

    fn be_there_as(&mut self, name: &str, other: &Self) {
        match other.added.get(name) {
            Some(added) => {
                self.added.insert(name.to_owned(), added.clone());
            }
            None => {
                self.added.remove(name);
            }
        }
        if other.removed.contains(name) {
            self.removed.insert(name.to_owned());
        } else {
            self.removed.remove(name);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::desk::changes::Change;
    use crate::desk::changes::tests::{FILE, bias};
    use crate::registry::Orders;
    use crate::token::TokenDigest;

    fn balancer(author: u32) -> Changes {
        Changes {
            author,
            ..Changes::default()
        }
    }

    fn merged(one: &Changes, other: &Changes) -> Changes {
        let mut both = one.clone();
        both.merge(other);
        both.check().unwrap();
        both
    }

    #[test]
    fn two_operators_at_two_balancers_lose_nothing_of_each_other() {
        let (mut one, mut other) = (balancer(1), balancer(2));
        one.make("a", bias(10.0), FILE, 2, 1_000).unwrap();
        other.make("b", Change::Remove, FILE, 2, 1_000).unwrap();
        let both = merged(&one, &other);
        assert_eq!(both.orders["a"].bias_km, Some(10.0));
        assert!(both.removed.contains("b") && both.journal.len() == 2);
        assert!(both.is_same(&merged(&other, &one)));
    }

    #[test]
    fn of_two_wishes_the_later_one_counts_also_one_that_lets_the_file_decide() {
        let mut one = balancer(1);
        one.make("a", bias(10.0), FILE, 1, 1_000).unwrap();
        let mut other = merged(&balancer(2), &one);
        // Its clock is behind, but it knows what it changes.
        other.make("a", bias(0.0), FILE, 1, 10).unwrap();
        assert!(other.orders.is_empty());
        let both = merged(&one, &other);
        assert!(both.orders.is_empty(), "{both:?}");
        one.make("a", bias(20.0), FILE, 1, 2_000).unwrap();
        assert_eq!(merged(&one, &other).orders["a"].bias_km, Some(20.0));
    }

    #[test]
    fn one_disables_a_relay_while_the_other_limits_it_and_both_hold() {
        let (mut one, mut other) = (balancer(1), balancer(2));
        let disabled = Orders {
            is_disabled: true,
            ..Orders::default()
        };
        let limited = Orders {
            slots_max: Some(9),
            ..Orders::default()
        };
        one.make("a", Change::Order(disabled.into()), FILE, 1, 5)
            .unwrap();
        other
            .make("a", Change::Order(limited.into()), FILE, 1, 5)
            .unwrap();
        let orders = merged(&one, &other).orders_of("a", FILE);
        assert!(orders.is_disabled && orders.slots_max == Some(9));
    }

    #[test]
    fn what_was_changed_by_an_older_program_is_merged_too() {
        let (mut one, mut other) = (balancer(0), balancer(0));
        for (changes, name) in [(&mut one, "a"), (&mut other, "b")] {
            changes.make(name, bias(5.0), FILE, 1, 0).unwrap();
            changes.stamps.clear();
        }
        let both = merged(&one, &other);
        assert!(both.orders.contains_key("a") && both.orders.contains_key("b"));
    }

    /// Somebody at one of three balancers does something to one of four relays, or two of them
    /// learn of each other.
    type Step = (usize, usize, u8, u64, usize);

    fn step(balancers: &mut [Changes], (at, relay, what, at_ms, from): Step) {
        let name = ["a", "b", "c", "d"][relay];
        let in_file = FILE.filter(|_| relay < 2);
        let change = match what {
            0 => bias(f32::from(u16::try_from(at_ms % 5).unwrap())),
            1 => Change::Remove,
            2 => Change::Restore,
            3 => Change::PutAway,
            4 => Change::Release,
            5 => Change::Add(Added {
                token_sha256: TokenDigest::of(&format!("{at} {at_ms}")),
                url: None,
                place: None,
                country: None,
            }),
            _ => {
                let other = balancers[from].clone();
                balancers[at].merge(&other);
                return;
            }
        };
        // What cannot be is refused, and changes nothing.
        let _ = balancers[at].make(name, change, in_file, 4, at_ms);
    }

    proptest! {
        #[test]
        fn all_balancers_agree_in_the_end_whoever_speaks_to_whom(
            steps in proptest::collection::vec(
                (0..3_usize, 0..4_usize, 0..9_u8, 0..3_u64, 0..3_usize), 0..40),
        ) {
            let mut all: Vec<_> = (0..3).map(balancer).collect();
            for one in steps {
                step(&mut all, one);
            }
            let [a, b, c] = [&all[0], &all[1], &all[2]];
            let forward = merged(&merged(a, b), c);
            let backward = merged(&merged(c, b), a);
            let nested = merged(a, &merged(b, c));
            prop_assert!(forward.is_same(&backward), "{forward:?}\n{backward:?}");
            prop_assert!(forward.is_same(&nested));
            prop_assert!(merged(&forward, b).is_same(&forward), "again is nothing new");
            let text = serde_json::to_string(&forward).unwrap();
            let read: Changes = serde_json::from_str(&text).unwrap();
            prop_assert!(read.is_same(&forward));
        }
    }
}
