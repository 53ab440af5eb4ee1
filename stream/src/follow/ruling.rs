//! Which of several lists of mounts rules, and who is asked for a mount. Pure.
//!
//! The list of the highest reign rules; of these the one nearest to its master. It alone says what
//! was removed. The others say what else there is, and who else has it. Whom the operator does not
//! let rule raises no reign and removes nothing: a sibling could say anything.

use std::time::{Duration, Instant};

use super::trail::{Above, NODES_MAX, Trail};
use crate::mount::{Catalog, CatalogMount, MountPath};

/// A reign that nobody has said for so long is forgotten when a lower one is heard: who said it may
/// have been promoted by mistake. Longer than a master takes to start again.
const REIGN_KEPT: Duration = Duration::from_secs(30);

/// What is to be thought of an upstream, by its newest list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// It has not said anything yet.
    Unknown,
    /// Its list comes from a master.
    Good,
    /// It hears from no master at present; it may still have pages.
    CutOff,
    /// It follows us.
    Loop,
    /// Too many nodes are between it and its master.
    TooFar,
    /// Another master has taken over from its own.
    Deposed,
}

/// One who has a mount.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Carrier {
    /// Which upstream.
    pub(super) upstream: usize,
    /// That it answers says that the mount is alive: it hears from a master itself.
    pub(super) is_good: bool,
}

/// A mount that is to be mirrored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Wanted {
    pub(super) about: CatalogMount,
    /// Who has it, the best first.
    pub(super) carriers: Vec<Carrier>,
}

/// The newest list of each upstream.
#[derive(Debug)]
pub(super) struct Lists {
    own: String,
    lists: Vec<Newest>,
    /// The highest that was heard of lately.
    reign: u64,
    /// When somebody said it, or there was nobody yet who could have.
    reign_heard: Instant,
    /// What this node knew of itself; nothing lower is believed.
    reign_min: u64,
}

#[derive(Debug, Default)]
struct Newest {
    may_rule: bool,
    catalog: Option<Catalog>,
    is_heard: bool,
}

impl Lists {
    /// No lists yet, of upstreams that may rule or not; `trail` is what this node knows.
    pub(super) fn new(trail: &Trail, may_rule: &[bool], now: Instant) -> Self {
        let is_alone = may_rule.len() == 1;
        let none = |may_rule: &bool| Newest {
            may_rule: *may_rule || is_alone,
            ..Newest::default()
        };
        Self {
            own: trail.own().to_owned(),
            lists: may_rule.iter().map(none).collect(),
            reign: trail.reign(),
            reign_heard: now,
            reign_min: trail.reign(),
        }
    }

    /// Takes a list. `false`: it is older than one that came before.
    pub(super) fn take(&mut self, upstream: usize, catalog: Catalog, now: Instant) -> bool {
        let newest = &mut self.lists[upstream];
        newest.is_heard = true;
        if let Some(known) = &newest.catalog
            && known.run == catalog.run
            && known.version > catalog.version
        {
            return false;
        }
        newest.catalog = Some(catalog);
        if let Some(said) = self.said(upstream)
            && said >= self.reign
        {
            (self.reign, self.reign_heard) = (said, now);
        }
        true
    }

    /// Forgets a reign that nobody says any more. `true`: a lower one counts from now on.
    pub(super) fn forget(&mut self, now: Instant) -> bool {
        let said = (0..self.lists.len()).filter_map(|n| self.said(n)).max();
        let Some(said) = said.map(|said| said.max(self.reign_min)) else {
            return false;
        };
        let is_old = now.saturating_duration_since(self.reign_heard) > REIGN_KEPT;
        if said >= self.reign || !is_old {
            return false;
        }
        (self.reign, self.reign_heard) = (said, now);
        true
    }

    /// The reign that an upstream says now, if that may count. One that names us follows us: what
    /// it says of reigns, we said. One that hears from no master only remembers it.
    fn said(&self, upstream: usize) -> Option<u64> {
        let newest = &self.lists[upstream];
        let is_ours = matches!(self.standing(upstream), Standing::Loop | Standing::TooFar);
        if !newest.may_rule || !newest.is_heard || is_ours {
            return None;
        }
        let catalog = newest.catalog.as_ref()?;
        let is_cut_off = catalog.trail.as_ref().is_some_and(Vec::is_empty);
        (!is_cut_off).then_some(catalog.reign)
    }

    /// Nothing is heard from an upstream any more. What it said last is remembered.
    pub(super) fn lose(&mut self, upstream: usize) {
        self.lists[upstream].is_heard = false;
    }

    /// What is to be thought of an upstream.
    pub(super) fn standing(&self, upstream: usize) -> Standing {
        let Some(catalog) = &self.lists[upstream].catalog else {
            return Standing::Unknown;
        };
        let nodes = catalog.trail.as_deref();
        if catalog.run == self.own || nodes.is_some_and(|nodes| nodes.contains(&self.own)) {
            Standing::Loop
        } else if nodes.is_some_and(|nodes| nodes.len() > NODES_MAX) {
            Standing::TooFar
        } else if catalog.reign < self.reign {
            Standing::Deposed
        } else if nodes.is_some_and(<[_]>::is_empty) {
            Standing::CutOff
        } else {
            Standing::Good
        }
    }

    /// The upstream whose list rules, if one is heard that comes from a master.
    pub(super) fn ruling(&self) -> Option<usize> {
        self.heard().next()
    }

    /// What that list says of the nodes above us.
    pub(super) fn above(&self) -> Above {
        let ruling = self.ruling().and_then(|n| self.lists[n].catalog.as_ref());
        match ruling {
            Some(catalog) => Above::Nodes {
                nodes: trail(catalog),
                reign: self.reign,
            },
            None => Above::CutOff { reign: self.reign },
        }
    }

    /// The mounts that are to be mirrored, each with the name of the run that lists it.
    pub(super) fn wanted(&self) -> Vec<(Wanted, String)> {
        let mut wanted: Vec<(Wanted, String)> = Vec::new();
        let removed = self.removed();
        for catalog in self.heard().filter_map(|n| self.lists[n].catalog.as_ref()) {
            for mount in &catalog.mounts {
                let is_known = wanted.iter().any(|(w, _)| w.about.path == mount.path);
                if is_known || removed.contains(&mount.path) {
                    continue;
                }
                let carriers = self.carriers(&mount.path);
                let about = mount.clone();
                wanted.push((Wanted { about, carriers }, catalog.run.clone()));
            }
        }
        wanted
    }

    /// What the ruling list names as removed, if it may.
    pub(super) fn removed(&self) -> &[MountPath] {
        let ruling = self.ruling().map(|n| &self.lists[n]);
        let ruling = ruling.filter(|newest| newest.may_rule);
        let ruling = ruling.and_then(|newest| newest.catalog.as_ref());
        ruling.map_or(&[], |catalog| &catalog.removed)
    }

    /// Who has a mount, by what was heard last of each; the nearest to its master first.
    pub(super) fn carriers(&self, path: &MountPath) -> Vec<Carrier> {
        let mut carriers: Vec<(usize, Carrier)> = (0..self.lists.len())
            .filter_map(|upstream| {
                let is_good = match self.standing(upstream) {
                    Standing::Good => true,
                    Standing::CutOff => false,
                    _ => return None,
                };
                let catalog = self.lists[upstream].catalog.as_ref()?;
                let has_it = catalog.mounts.iter().any(|mount| mount.path == *path);
                let carrier = Carrier { upstream, is_good };
                has_it.then(|| (distance(catalog), carrier))
            })
            .collect();
        carriers.sort_by_key(|(distance, carrier)| (!carrier.is_good, *distance));
        carriers.into_iter().map(|(_, carrier)| carrier).collect()
    }

    /// The upstreams that are heard and hear from a master, the ruling one first.
    fn heard(&self) -> impl Iterator<Item = usize> {
        let mut heard: Vec<usize> = (0..self.lists.len())
            .filter(|n| self.lists[*n].is_heard && self.standing(*n) == Standing::Good)
            .collect();
        heard.sort_by_key(|n| {
            let newest = &self.lists[*n];
            (!newest.may_rule, newest.catalog.as_ref().map(distance))
        });
        heard.into_iter()
    }
}

/// A master of an older version does not say that it is one.
fn trail(catalog: &Catalog) -> Vec<String> {
    let own = || vec![catalog.run.clone()];
    catalog.trail.clone().unwrap_or_else(own)
}

/// How many nodes its list has come through.
fn distance(catalog: &Catalog) -> usize {
    catalog.trail.as_ref().map_or(1, Vec::len)
}

#[cfg(test)]
mod tests;
