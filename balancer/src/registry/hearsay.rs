//! What other balancers hold against relays, and how far that is believed. Pure.
//!
//! A relay that is in quarantine at another balancer gets nobody here, until that one takes it back
//! or falls silent, or our own probes found the relay good twice. But one who accuses most relays is
//! ill himself, perhaps cut off: then nobody is put away on his word.

use std::collections::BTreeMap;
use std::time::Instant;

use super::{Registry, Relay};

/// How far others are believed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Belief {
    /// Wholly.
    #[default]
    All,
    /// Not at all: more than half of the relays that are good here would be put away.
    None,
}

impl Registry {
    /// Takes what other balancers hold against relays, by name. Of the others they say nothing.
    pub fn hear(&mut self, said: &BTreeMap<String, String>, now: Instant) -> Belief {
        let belief = self.belief(said, now);
        for at in 0..self.relays.len() {
            let relay = &mut self.relays[at];
            let what = said.get(relay.name()).map(String::as_str);
            // What our own eyes have refuted stays so while it is said.
            let counts = belief == Belief::All || relay.health.knows_better();
            if relay.health.hear(what.filter(|_| counts)) {
                self.refresh(at, now);
            }
        }
        belief
    }

    /// What we ourselves hold against relays: name and reason.
    pub fn accusations(&self, now: Instant) -> Vec<(String, String)> {
        let there = self.relays.iter().filter(|relay| !relay.is_removed);
        let accused = there.filter_map(|relay| {
            let what = relay.accusation(now)?;
            Some((relay.name().to_owned(), what.to_owned()))
        });
        accused.collect()
    }

    fn belief(&self, said: &BTreeMap<String, String>, now: Instant) -> Belief {
        if said.is_empty() {
            return Belief::All;
        }
        let is_good = |relay: &&Relay| {
            !relay.is_removed && relay.is_fresh(now) && relay.accusation(now).is_none()
        };
        let good = self.relays.iter().filter(is_good);
        let (mut n_good, mut n_accused) = (0_usize, 0_usize);
        for relay in good {
            n_good += 1;
            let is_accused = said.contains_key(relay.name()) && !relay.health.knows_better();
            n_accused += usize::from(is_accused);
        }
        match n_accused * 2 > n_good {
            true => Belief::None,
            false => Belief::All,
        }
    }
}
