//! Lists that agree, contradict each other, and lie.

use super::*;
use crate::mount::Facts;

impl Lists {
    fn take_now(&mut self, upstream: usize, catalog: Catalog) -> bool {
        self.take(upstream, catalog, now())
    }
}

fn now() -> Instant {
    Instant::now()
}

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
    let mut lists = Lists::new(&me(), &[true, true], now());
    lists.take_now(0, list(&["master", "sibling"], 0, &["/a", "/b"], &[]));
    assert_eq!(lists.ruling(), Some(0));
    lists.take_now(1, list(&["master"], 0, &["/a"], &["/b"]));
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
    let mut lists = Lists::new(&me(), &[true, true], now());
    lists.take_now(0, list(&["master"], 0, &["/a"], &[]));
    lists.take_now(1, list(&["another"], 0, &["/b"], &[]));
    assert_eq!(lists.wanted().len(), 2);
    assert_eq!(carriers(&lists, "/b"), [1]);
}

#[test]
fn one_who_follows_us_or_is_too_far_off_is_not_followed() {
    let mut lists = Lists::new(&me(), &[true, true], now());
    lists.take_now(0, list(&["master", "me", "sibling"], 9, &["/a"], &[]));
    assert_eq!(lists.standing(0), Standing::Loop);
    lists.take_now(1, list(&["master", "a", "b", "c", "d"], 0, &["/a"], &[]));
    assert_eq!(lists.standing(1), Standing::TooFar);
    assert_eq!((lists.ruling(), carriers(&lists, "/a")), (None, vec![]));
    lists.take_now(1, list(&["master", "a", "b", "c"], 0, &["/a"], &[]));
    assert_eq!(lists.ruling(), Some(1), "what we said of reigns is no news");
    let mut own = Lists::new(&me(), &[true], now());
    own.take_now(0, list(&["me"], 0, &["/a"], &[]));
    assert_eq!(own.standing(0), Standing::Loop);
}

#[test]
fn a_node_without_a_master_rules_nobody_but_may_have_pages() {
    let mut lists = Lists::new(&me(), &[true, true], now());
    lists.take_now(0, list(&["master"], 0, &["/a"], &[]));
    lists.take_now(1, list(&[], 0, &["/a"], &["/a"]));
    lists.lose(0);
    assert_eq!((lists.ruling(), lists.removed().len()), (None, 0));
    assert_eq!(carriers(&lists, "/a"), [0, 1]);
    assert_eq!(lists.above(), Above::CutOff { reign: 0 });
}

#[test]
fn a_master_that_was_replaced_is_not_heard_any_more() {
    let mut lists = Lists::new(&me(), &[true, true], now());
    lists.take_now(0, list(&["old"], 1, &["/a"], &[]));
    lists.take_now(1, list(&["new"], 2, &["/a"], &[]));
    assert_eq!(lists.standing(0), Standing::Deposed);
    lists.lose(1);
    let mut back = list(&["old again"], 1, &["/a"], &["/a"]);
    back.version = 9;
    lists.take_now(0, back);
    assert_eq!((lists.ruling(), carriers(&lists, "/a")), (None, vec![1]));
}

#[test]
fn who_may_not_rule_deposes_nobody_and_removes_nothing() {
    for (reign, removed) in [(u64::MAX, &[][..]), (5, &["/a"])] {
        let mut lists = Lists::new(&me(), &[true, false], now());
        lists.take_now(0, list(&["master", "near"], 0, &["/a"], &[]));
        lists.take_now(1, list(&["forger"], reign, &["/a"], removed));
        assert_eq!(lists.standing(0), Standing::Good);
        assert_eq!((lists.ruling(), carriers(&lists, "/a").len()), (Some(0), 2));
        lists.lose(0);
        assert_eq!(lists.ruling(), Some(1), "it stands in for the master");
        assert_eq!((lists.removed(), lists.wanted().len()), (&[][..], 1));
        let Above::Nodes { reign, .. } = lists.above() else {
            panic!("nobody rules");
        };
        assert_eq!(reign, 0, "nor is it handed on");
    }
    let mut lists = Lists::new(&me(), &[false], now());
    lists.take_now(0, list(&["master"], 1, &[], &["/a"]));
    let heard = (lists.reign, lists.removed().len());
    assert_eq!(heard, (1, 1), "there is nobody else");
}

#[test]
fn a_reign_that_nobody_says_any_more_is_forgotten_when_a_lower_one_is_heard() {
    let start = now();
    let at = |seconds| start + Duration::from_secs(seconds);
    let mut lists = Lists::new(&me(), &[true, true], start);
    lists.take(1, list(&["new"], 2, &["/a"], &[]), at(5));
    lists.lose(1);
    assert!(!lists.forget(at(99)), "nobody says anything");
    lists.take(0, list(&["old"], 1, &["/a"], &[]), at(20));
    assert!(!lists.forget(at(35)) && lists.ruling().is_none());
    assert!(lists.forget(at(36)) && !lists.forget(at(37)));
    assert_eq!((lists.ruling(), lists.reign), (Some(0), 1));
    lists.take(1, list(&["new again"], 2, &["/a"], &[]), at(40));
    assert_eq!(lists.ruling(), Some(1));
    assert!(!lists.forget(at(70)), "it was heard a moment ago");
    lists.take(1, list(&[], 2, &["/a"], &[]), at(71));
    assert!(lists.forget(at(71)), "it is only remembered");
    // A standby never goes below what it has on its disk.
    let standby = Trail::new("me".to_owned(), Above::CutOff { reign: 3 });
    let mut lists = Lists::new(&standby, &[true], start);
    lists.take(0, list(&["master"], 2, &["/a"], &[]), start);
    assert!(!lists.forget(at(99)));
}

#[test]
fn an_older_list_of_the_same_run_changes_nothing() {
    let mut lists = Lists::new(&me(), &[true], now());
    let mut newer = list(&["master"], 0, &["/a"], &[]);
    newer.version = 2;
    assert!(lists.take_now(0, newer));
    assert!(!lists.take_now(0, list(&["master"], 0, &[], &["/a"])));
    assert_eq!(lists.wanted().len(), 1);
}
