//! Whether listeners may be sent to a relay, after all that probes found. Pure.
//!
//! One hard finding or three soft ones in a row put it out; two good ones in a row bring it back.
//! One that is put out again and again stays out longer each time. A lost probe alone does nothing.

use std::time::{Duration, Instant};

use super::finding::{Evidence, Finding};

/// So many soft findings in a row put a relay out.
pub const SOFT_MAX: u32 = 3;
/// So many good ones in a row bring it back.
pub const GOOD_NEEDED: u32 = 2;
/// How long it stays out at least, from the second time on; twice as long each time, …
pub const QUARANTINE: Duration = Duration::from_secs(60);
/// … up to this.
pub const QUARANTINE_MAX: Duration = Duration::from_secs(3600);
/// After this long without being out, it is as if it had never been.
pub const FORGIVEN_AFTER: Duration = Duration::from_secs(3600);

/// What is known of one way to one relay.
#[derive(Clone, Debug, Default)]
pub struct Health {
    n_soft: u32,
    n_good: u32,
    n_times_out: u32,
    out: Option<Out>,
    up_since: Option<Instant>,
    last: Option<Finding>,
}

/// Why and since when it is out.
#[derive(Clone, Debug)]
pub struct Out {
    /// What put it out.
    pub evidence: Evidence,
    /// When.
    pub since: Instant,
    /// It does not come back before.
    pub until: Instant,
}

/// What a finding changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// Nothing.
    None,
    /// Nobody is sent there from now on.
    Out,
    /// It is back.
    Back,
}

impl Health {
    /// Takes what a probe found at `now`.
    pub fn note(&mut self, finding: Finding, now: Instant) -> Change {
        let change = match &finding {
            Finding::Unclear(_) => Change::None,
            Finding::Good { is_compared } => self.good(*is_compared, now),
            Finding::Soft(evidence) => {
                self.n_good = 0;
                self.n_soft += 1;
                match self.n_soft >= SOFT_MAX {
                    true => self.put_out(evidence, now),
                    false => Change::None,
                }
            }
            Finding::Hard(evidence) => self.put_out(evidence, now),
        };
        self.last = Some(finding);
        change
    }

    /// Why it is out, if it is.
    pub fn out(&self) -> Option<&Out> {
        self.out.as_ref()
    }

    /// The newest finding.
    pub fn last(&self) -> Option<&Finding> {
        self.last.as_ref()
    }

    /// It is not clear yet what it is: look again soon.
    pub fn is_in_doubt(&self) -> bool {
        match self.out {
            None => self.n_soft > 0,
            Some(_) => self.n_good > 0,
        }
    }

    fn good(&mut self, is_compared: bool, now: Instant) -> Change {
        self.n_soft = 0;
        let Some(out) = &self.out else {
            let up_since = *self.up_since.get_or_insert(now);
            if now.saturating_duration_since(up_since) >= FORGIVEN_AFTER {
                self.n_times_out = 0;
            }
            return Change::None;
        };
        if out.evidence.fault.is_about_bytes() && !is_compared {
            return Change::None;
        }
        self.n_good += 1;
        if self.n_good < GOOD_NEEDED || now < out.until {
            return Change::None;
        }
        self.out = None;
        self.up_since = Some(now);
        Change::Back
    }

    fn put_out(&mut self, evidence: &Evidence, now: Instant) -> Change {
        (self.n_good, self.n_soft) = (0, 0);
        if let Some(out) = &mut self.out {
            // The newest evidence is the one to look at.
            out.evidence = evidence.clone();
            return Change::None;
        }
        self.n_times_out = self.n_times_out.saturating_add(1);
        self.out = Some(Out {
            evidence: evidence.clone(),
            since: now,
            until: now + quarantine(self.n_times_out),
        });
        Change::Out
    }
}

/// How long it stays out at least, when it is out for the `n`th time.
fn quarantine(n: u32) -> Duration {
    match n {
        0 | 1 => Duration::ZERO,
        n => {
            let factor = 2_u32.saturating_pow(n - 2);
            QUARANTINE.saturating_mul(factor).min(QUARANTINE_MAX)
        }
    }
}

#[cfg(test)]
mod tests {
    use stream::mount::MountPath;

    use super::super::finding::{Family, Fault};
    use super::*;

    const GOOD: Finding = Finding::Good { is_compared: true };
    const HEARD: Finding = Finding::Good { is_compared: false };

    fn evidence(fault: Fault) -> Evidence {
        Evidence {
            fault,
            mount: MountPath::parse("/live.ogg").unwrap(),
            address: "192.0.2.1:8000".to_owned(),
            family: Family::Ipv4,
            what: "nothing came".to_owned(),
            status: None,
            difference: None,
            at: jiff::Timestamp::UNIX_EPOCH,
        }
    }

    fn soft() -> Finding {
        Finding::Soft(evidence(Fault::Late))
    }

    fn hard(fault: Fault) -> Finding {
        Finding::Hard(evidence(fault))
    }

    /// One finding a second, and what each changed.
    fn check(findings: &[Finding], expected: &[Change]) -> Health {
        let (mut health, start) = (Health::default(), Instant::now());
        let changes: Vec<_> = (0..)
            .zip(findings)
            .map(|(n, finding)| health.note(finding.clone(), start + Duration::from_secs(n)))
            .collect();
        assert_eq!(changes, expected, "{findings:?}");
        health
    }

    #[test]
    fn one_lost_probe_or_two_do_nothing_and_three_in_a_row_do() {
        use Change::{None, Out};
        check(&[soft(), soft(), GOOD, soft(), soft()], &[None; 5]);
        check(&[soft(), soft(), soft()], &[None, None, Out]);
        let unclear = Finding::Unclear("the master is silent".to_owned());
        let health = check(&[soft(), unclear, soft(), soft()], &[None, None, None, Out]);
        assert_eq!(health.out().unwrap().evidence.fault, Fault::Late);
    }

    #[test]
    fn one_hard_finding_puts_it_out_and_two_good_ones_bring_it_back() {
        use Change::{Back, None, Out};
        let refused = hard(Fault::Refused);
        check(
            &[refused.clone(), GOOD, refused, GOOD, GOOD, GOOD],
            &[Out, None, None, None, Back, None],
        );
    }

    #[test]
    fn who_served_wrong_bytes_comes_back_only_after_bytes_were_compared() {
        use Change::{Back, None, Out};
        let wrong = hard(Fault::WrongBytes);
        check(
            &[wrong, HEARD, HEARD, HEARD, GOOD, GOOD],
            &[Out, None, None, None, None, Back],
        );
        check(&[hard(Fault::Refused), HEARD, HEARD], &[Out, None, Back]);
    }

    #[test]
    fn who_falls_again_and_again_stays_out_longer_each_time() {
        let (mut health, mut now) = (Health::default(), Instant::now());
        let mut stays = Vec::new();
        for _ in 0..9 {
            assert_eq!(health.note(hard(Fault::Refused), now), Change::Out);
            let since = now;
            while health.note(GOOD, now) != Change::Back {
                now += Duration::from_secs(10);
            }
            stays.push((now - since).as_secs());
        }
        assert_eq!(stays, [10, 60, 120, 240, 480, 960, 1920, 3600, 3600]);
    }

    #[test]
    fn after_an_hour_all_is_forgiven() {
        let (mut health, start) = (Health::default(), Instant::now());
        for n in 0..5 {
            let now = start + n * QUARANTINE_MAX * 3;
            assert_eq!(health.note(hard(Fault::Refused), now), Change::Out);
            assert_eq!(health.note(GOOD, now), Change::None);
            assert_eq!(health.note(GOOD, now), Change::Back, "time {n}");
            health.note(GOOD, now + FORGIVEN_AFTER);
        }
    }

    #[test]
    fn in_doubt_one_looks_again_soon() {
        let mut health = Health::default();
        let now = Instant::now();
        assert!(!health.is_in_doubt());
        health.note(soft(), now);
        assert!(health.is_in_doubt());
        health.note(hard(Fault::Refused), now);
        assert!(!health.is_in_doubt());
        health.note(GOOD, now);
        assert!(health.is_in_doubt());
    }
}
