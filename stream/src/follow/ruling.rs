//! Which of several lists of mounts rules, and who is asked for a mount. Pure.
//!
//! The list of the highest reign rules; of these the one nearest to its master. It alone says what
//! was removed. The others say what else there is, and who else has it.

use super::trail::{Above, NODES_MAX, Trail};
use crate::mount::{Catalog, CatalogMount, MountPath};

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
    /// The highest that was ever heard of.
    reign: u64,
}

#[derive(Debug, Default)]
struct Newest {
    catalog: Option<Catalog>,
    is_heard: bool,
}

impl Lists {
    /// No lists yet, of so many upstreams; `trail` is what this node knows.
    pub(super) fn new(trail: &Trail, n_upstreams: usize) -> Self {
        Self {
            own: trail.own().to_owned(),
            lists: (0..n_upstreams).map(|_| Newest::default()).collect(),
            reign: trail.reign(),
        }
    }

    /// Takes a list. `false`: it is older than one that came before.
    pub(super) fn take(&mut self, upstream: usize, catalog: Catalog) -> bool {
        let newest = &mut self.lists[upstream];
        newest.is_heard = true;
        if let Some(known) = &newest.catalog
            && known.run == catalog.run
            && known.version > catalog.version
        {
            return false;
        }
        newest.catalog = Some(catalog);
        // One that names us follows us: what it says of reigns, we said.
        if !matches!(self.standing(upstream), Standing::Loop | Standing::TooFar) {
            let said = self.lists[upstream].catalog.as_ref();
            self.reign = self.reign.max(said.map_or(0, |catalog| catalog.reign));
        }
        true
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

    /// What the ruling list names as removed.
    pub(super) fn removed(&self) -> &[MountPath] {
        let ruling = self.ruling().and_then(|n| self.lists[n].catalog.as_ref());
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
        heard.sort_by_key(|n| self.lists[*n].catalog.as_ref().map(distance));
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
mod tests {
    use super::*;
    use crate::mount::Facts;

    fn me() -> Trail {
        Trail::of_follower("me".to_owned())
    }

    fn path(text: &str) -> MountPath {
        MountPath::parse(text).unwrap()
    }

    /// The list of the last node of `trail`, with these mounts.
    fn list(trail: &[&str], reign: u64, mounts: &[&str], removed: &[&str]) -> Catalog {
        Catalog {
            run: (*trail.last().unwrap_or(&"nobody")).to_owned(),
            version: 1,
            reign,
            trail: Some(trail.iter().map(|node| (*node).to_owned()).collect()),
            mounts: mounts
                .iter()
                .map(|mount| CatalogMount {
                    path: path(mount),
                    is_on_air: true,
                    is_filled: false,
                    title: None,
                    title_url: None,
                    facts: Facts::default(),
                })
                .collect(),
            removed: removed.iter().map(|mount| path(mount)).collect(),
        }
    }

    fn carriers(lists: &Lists, mount: &str) -> Vec<usize> {
        let carriers = lists.carriers(&path(mount));
        carriers.iter().map(|carrier| carrier.upstream).collect()
    }

    #[test]
    fn the_master_rules_wherever_it_stands_and_a_sibling_while_it_is_away() {
        let mut lists = Lists::new(&me(), 2);
        lists.take(0, list(&["master", "sibling"], 0, &["/a", "/b"], &[]));
        assert_eq!(lists.ruling(), Some(0));
        lists.take(1, list(&["master"], 0, &["/a"], &["/b"]));
        assert_eq!(lists.ruling(), Some(1));
        let wanted = lists.wanted();
        assert_eq!(wanted.len(), 1, "the master removed /b: {wanted:?}");
        assert_eq!(carriers(&lists, "/a"), [1, 0]);
        lists.lose(1);
        assert_eq!(lists.ruling(), Some(0));
        assert_eq!(lists.wanted().len(), 2, "nobody says that /b was removed");
        assert_eq!(carriers(&lists, "/a"), [1, 0], "it is asked all the same");
    }

    #[test]
    fn a_mount_that_only_one_upstream_lists_is_mirrored_from_there() {
        let mut lists = Lists::new(&me(), 2);
        lists.take(0, list(&["master"], 0, &["/a"], &[]));
        lists.take(1, list(&["another"], 0, &["/b"], &[]));
        assert_eq!(lists.wanted().len(), 2);
        assert_eq!(carriers(&lists, "/b"), [1]);
    }

    #[test]
    fn one_who_follows_us_or_is_too_far_off_is_not_followed() {
        let mut lists = Lists::new(&me(), 2);
        lists.take(0, list(&["master", "me", "sibling"], 9, &["/a"], &[]));
        assert_eq!(lists.standing(0), Standing::Loop);
        lists.take(1, list(&["master", "a", "b", "c", "d"], 0, &["/a"], &[]));
        assert_eq!(lists.standing(1), Standing::TooFar);
        assert_eq!((lists.ruling(), carriers(&lists, "/a")), (None, vec![]));
        lists.take(1, list(&["master", "a", "b", "c"], 0, &["/a"], &[]));
        assert_eq!(lists.ruling(), Some(1), "what we said of reigns is no news");
        let mut own = Lists::new(&me(), 1);
        own.take(0, list(&["me"], 0, &["/a"], &[]));
        assert_eq!(own.standing(0), Standing::Loop);
    }

    #[test]
    fn a_node_without_a_master_rules_nobody_but_may_have_pages() {
        let mut lists = Lists::new(&me(), 2);
        lists.take(0, list(&["master"], 0, &["/a"], &[]));
        lists.take(1, list(&[], 0, &["/a"], &["/a"]));
        lists.lose(0);
        assert_eq!((lists.ruling(), lists.removed().len()), (None, 0));
        assert_eq!(carriers(&lists, "/a"), [0, 1]);
        assert_eq!(lists.above(), Above::CutOff { reign: 0 });
    }

    #[test]
    fn a_master_that_was_replaced_is_not_heard_any_more() {
        let mut lists = Lists::new(&me(), 2);
        lists.take(0, list(&["old"], 1, &["/a"], &[]));
        lists.take(1, list(&["new"], 2, &["/a"], &[]));
        assert_eq!(lists.standing(0), Standing::Deposed);
        lists.lose(1);
        let mut back = list(&["old again"], 1, &["/a"], &["/a"]);
        back.version = 9;
        lists.take(0, back);
        assert_eq!((lists.ruling(), carriers(&lists, "/a")), (None, vec![1]));
    }

    #[test]
    fn an_older_list_of_the_same_run_changes_nothing() {
        let mut lists = Lists::new(&me(), 1);
        let mut newer = list(&["master"], 0, &["/a"], &[]);
        newer.version = 2;
        assert!(lists.take(0, newer));
        assert!(!lists.take(0, list(&["master"], 0, &[], &["/a"])));
        assert_eq!(lists.wanted().len(), 1);
    }
}
