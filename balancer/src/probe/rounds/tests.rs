//! What a round's findings change: for whom a relay is out, and what its operator gets to see.

use super::super::finding::Fault;
use super::*;
use crate::checked_report::CheckedReport;
use crate::choice::{Excluded, Family as Needs, Listener, Verdict};
use crate::config::Config;
use crate::desk::facts::Facts;
use crate::desk::single;
use crate::geo::Geo;
use crate::language::Language;

const GOOD: Finding = Finding::Good { is_compared: true };

/// The probes of a relay whose name was not looked up, so it may have both families.
fn rounds() -> Rounds {
    let text = "[[relay]]\nname = \"a\"\ntoken = \"token of a, long\"\n";
    let config: Config = toml::from_str(text).unwrap();
    let balancer = Arc::new(Balancer::new(config, Geo::open(&[]).unwrap()));
    let report = serde_json::json!({
        "url": "http://a.example:8000", "run": "first", "sequence": 1, "slots": 10, "listeners": 0,
        "draining": false,
        "mounts": [{"path": "/live.ogg", "content_type": "application/ogg", "is_on_air": true,
                    "epoch": "00ff", "offset": 4711, "listeners": 0}],
    });
    let report = CheckedReport::parse(report.to_string().as_bytes()).unwrap();
    balancer.take(0, report).unwrap();
    Rounds {
        caller: Caller::new(AGENT, Shutdown::new()),
        turns: Arc::new(Semaphore::new(1)),
        at: 0,
        name: "a".to_owned(),
        interval: IDLE_INTERVAL,
        n_rounds: 0,
        complaint: None,
        balancer,
    }
}

fn refused(family: Family) -> Finding {
    Finding::Hard(Evidence {
        fault: Fault::Refused,
        mount: mount(),
        address: "[2001:db8::1]:8000".to_owned(),
        family,
        what: "nobody answers there".to_owned(),
        status: None,
        difference: None,
        at: Timestamp::UNIX_EPOCH,
    })
}

fn mount() -> MountPath {
    MountPath::parse("/live.ogg").unwrap()
}

impl Rounds {
    /// Why one who needs this family is not sent there; empty: he is.
    fn excluded(&self, family: Needs) -> Vec<Excluded> {
        self.verdict(family).excluded
    }

    fn verdict(&self, family: Needs) -> Verdict {
        let listener = Listener {
            family,
            ..Listener::somebody()
        };
        let mut registry = self.balancer.registry();
        let (_, mut verdicts) = registry.explain(&listener, &mount(), Instant::now());
        verdicts.remove(0)
    }

    /// What the operator sees of it.
    fn page(&self) -> String {
        let facts = Facts::of(&self.balancer, "a").unwrap();
        single::content(Language::English.words(), &facts)
    }
}

#[test]
fn a_dead_family_is_out_for_who_needs_it_with_evidence_until_two_good_probes() {
    let rounds = rounds();
    rounds.note(Family::Ipv4, GOOD);
    assert_eq!(rounds.excluded(Needs::V6), []);
    rounds.note(Family::Ipv6, refused(Family::Ipv6));
    assert_eq!(rounds.excluded(Needs::V6), [Excluded::FamilyDown]);
    assert_eq!(rounds.excluded(Needs::V4), []);
    assert_eq!(rounds.excluded(Needs::PrefersV6), []);
    let page = rounds.page();
    let evidence = "/live.ogg at [2001:db8::1]:8000: nobody answers there";
    assert!(
        page.contains(evidence) && page.contains("value=\"release\""),
        "{page}"
    );
    rounds.note(Family::Ipv6, GOOD);
    assert_eq!(rounds.excluded(Needs::V6), [Excluded::FamilyDown]);
    rounds.note(Family::Ipv4, GOOD);
    rounds.note(Family::Ipv6, GOOD);
    assert_eq!(rounds.excluded(Needs::V6), []);
    assert!(!rounds.page().contains(evidence));
}

#[test]
fn who_would_rather_use_a_dead_family_is_sent_elsewhere_if_that_is_not_far() {
    let rounds = rounds();
    let family_km = || rounds.verdict(Needs::PrefersV6).terms.family_km;
    assert_eq!(family_km(), 0.0);
    rounds.note(Family::Ipv4, GOOD);
    rounds.note(Family::Ipv6, refused(Family::Ipv6));
    assert_eq!(family_km(), 500.0);
}

#[test]
fn the_operator_releases_a_family_until_the_next_bad_probe() {
    let rounds = rounds();
    rounds.note(Family::Ipv4, GOOD);
    rounds.note(Family::Ipv6, refused(Family::Ipv6));
    rounds.balancer.registry().release(0, Instant::now());
    assert_eq!(rounds.excluded(Needs::V6), []);
    rounds.note(Family::Ipv6, GOOD);
    assert_eq!(rounds.excluded(Needs::V6), []);
    rounds.note(Family::Ipv6, refused(Family::Ipv6));
    assert_eq!(rounds.excluded(Needs::V6), [Excluded::FamilyDown]);
}

#[test]
fn when_both_families_are_dead_the_relay_is_in_quarantine_and_one_that_is_back_opens_it() {
    let rounds = rounds();
    for family in Family::ALL {
        rounds.note(family, refused(family));
    }
    assert!(rounds.excluded(Needs::Any).contains(&Excluded::Quarantined));
    rounds.note(Family::Ipv4, GOOD);
    rounds.note(Family::Ipv4, GOOD);
    assert_eq!(rounds.excluded(Needs::V4), []);
    assert_eq!(rounds.excluded(Needs::V6), [Excluded::FamilyDown]);
}
