//! The ways to one relay, by IPv4 and by IPv6, and whether listeners may take them. Pure.

use std::collections::BTreeMap;
use std::time::Instant;

use stream::mount::MountPath;

use super::finding::{Evidence, Family, Finding};
use super::health::{Change, Health};
use super::judge::Newest;

/// What is known of the ways to one relay.
#[derive(Clone, Debug, Default)]
pub struct Ways {
    known: BTreeMap<Family, Health>,
    before: BTreeMap<(Family, MountPath), Newest>,
}

impl Ways {
    /// The relay has addresses of these families, and these mounts, and no others.
    pub fn keep(&mut self, families: &[Family], mounts: &[MountPath]) {
        self.known.retain(|family, _| families.contains(family));
        let is_there = |(family, mount): &(Family, MountPath)| {
            families.contains(family) && mounts.contains(mount)
        };
        self.before.retain(|key, _| is_there(key));
    }

    /// Takes what a round of probes found. Says whether the relay as a whole is out, or back.
    pub fn note(&mut self, family: Family, finding: Finding, now: Instant) -> Change {
        let was_out = self.is_out();
        self.known.entry(family).or_default().note(finding, now);
        match (was_out, self.is_out()) {
            (false, true) => Change::Out,
            (true, false) => Change::Back,
            _ => Change::None,
        }
    }

    /// Nobody may be sent there: what it serves is wrong, or no way leads to it.
    pub fn is_out(&self) -> bool {
        let mut out = self.known.values().filter_map(Health::out);
        let serves_wrong = out.any(|out| out.evidence.fault.is_about_bytes());
        let is_open = |health: &Health| health.out().is_none();
        serves_wrong || (!self.known.is_empty() && !self.known.values().any(is_open))
    }

    /// What speaks against the way over this family: nobody who needs it may be sent there.
    pub fn out(&self, family: Family) -> Option<&Evidence> {
        let out = self.known.get(&family)?.out()?;
        Some(&out.evidence)
    }

    /// What speaks against it, if it is out on any way.
    pub fn evidence(&self) -> Option<(&Evidence, Instant)> {
        let mut out = self.known.values().filter_map(Health::out);
        out.next().map(|out| (&out.evidence, out.since))
    }

    /// What was found last, by family.
    pub fn last(&self) -> impl Iterator<Item = (Family, &Finding)> {
        let known = self.known.iter();
        known.filter_map(|(family, health)| Some((*family, health.last()?)))
    }

    /// Look again soon.
    pub fn is_in_doubt(&self) -> bool {
        self.known.values().any(Health::is_in_doubt)
    }

    /// The newest page that the probe before found.
    pub fn before(&self, family: Family, mount: &MountPath) -> Option<Newest> {
        self.before.get(&(family, mount.clone())).copied()
    }

    /// Remembers the newest page that a probe found.
    pub fn remember(&mut self, family: Family, mount: MountPath, newest: Newest) {
        let before = self.before.entry((family, mount)).or_insert(newest);
        // One that stands still is known by since when it does.
        if before.serial != newest.serial || newest.sequence > before.sequence {
            *before = newest;
        }
    }
}

/// What several probes of one way come to: the worst that any of them found.
pub fn worst(findings: Vec<Finding>) -> Option<Finding> {
    let badness = |finding: &Finding| match finding {
        Finding::Unclear(_) => 0,
        Finding::Good { is_compared: true } => 1,
        Finding::Good { is_compared: false } => 2,
        Finding::Soft(_) => 3,
        Finding::Hard(_) => 4,
    };
    findings.into_iter().max_by_key(badness)
}

#[cfg(test)]
mod tests {
    use super::super::finding::Fault;
    use super::*;

    const GOOD: Finding = Finding::Good { is_compared: true };

    fn hard(fault: Fault) -> Finding {
        Finding::Hard(Evidence {
            fault,
            mount: MountPath::parse("/live.ogg").unwrap(),
            address: "192.0.2.1:8000".to_owned(),
            family: Family::Ipv4,
            what: "nothing came".to_owned(),
            status: None,
            difference: None,
            at: jiff::Timestamp::UNIX_EPOCH,
        })
    }

    #[test]
    fn one_broken_way_closes_only_itself() {
        let (mut ways, now) = (Ways::default(), Instant::now());
        assert_eq!(ways.note(Family::Ipv4, GOOD, now), Change::None);
        assert_eq!(
            ways.note(Family::Ipv6, hard(Fault::Refused), now),
            Change::None
        );
        assert!(ways.out(Family::Ipv6).is_some() && ways.out(Family::Ipv4).is_none());
        assert_eq!(
            ways.note(Family::Ipv4, hard(Fault::Refused), now),
            Change::Out
        );
        assert!(ways.is_out());
    }

    #[test]
    fn wrong_bytes_on_one_way_close_both() {
        let (mut ways, now) = (Ways::default(), Instant::now());
        ways.note(Family::Ipv4, GOOD, now);
        let change = ways.note(Family::Ipv6, hard(Fault::WrongBytes), now);
        assert_eq!(change, Change::Out);
        assert!(ways.is_out());
    }

    #[test]
    fn a_way_that_is_gone_is_forgotten() {
        let (mut ways, now) = (Ways::default(), Instant::now());
        ways.note(Family::Ipv4, GOOD, now);
        ways.note(Family::Ipv6, hard(Fault::WrongBytes), now);
        ways.keep(&[Family::Ipv4], &[]);
        assert!(!ways.is_out() && ways.evidence().is_none());
        ways.keep(&[], &[]);
        assert!(!ways.is_out(), "nothing is known, so nothing is wrong");
    }

    #[test]
    fn the_worst_of_several_findings_counts() {
        let unclear = Finding::Unclear("silent".to_owned());
        let wrong = hard(Fault::WrongBytes);
        assert_eq!(worst(vec![unclear.clone(), GOOD]), Some(GOOD));
        assert_eq!(worst(vec![GOOD, wrong.clone(), GOOD]), Some(wrong));
        assert_eq!(worst(vec![unclear.clone()]), Some(unclear));
        assert_eq!(worst(vec![]), None);
    }
}
