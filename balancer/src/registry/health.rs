//! How well a relay does by the word of probes and of listeners who came back. Pure.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// So many bad probes in a row, and a relay gets nobody.
const BAD_MAX: u32 = 3;
/// So many good ones in a row, and it gets listeners again.
const GOOD_MIN: u32 = 2;
/// Fewer networks that complain say nothing: an office is one.
const COMPLAINTS_MIN: usize = 3;
/// So many are remembered; with as many, all of its listeners complain.
const COMPLAINTS_MAX: usize = 10;
/// For so long.
const COMPLAINT_LIFE: Duration = Duration::from_secs(300);

/// What came out of a probe: somebody listened to the relay as listeners do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Probe {
    /// The right sound came in time.
    Good,
    /// It did not: what was seen. A few in a row count.
    Bad(String),
    /// Something else was served: what was seen. One counts.
    Wrong(String),
}

/// What is known of one relay.
#[derive(Debug, Default)]
pub struct Health {
    n_good: u32,
    n_bad: u32,
    /// What was seen; while it is there, the relay gets nobody.
    evidence: Option<Evidence>,
    complaints: VecDeque<Complaint>,
    /// What another balancer says.
    hearsay: Option<Hearsay>,
}

/// Why somebody is in quarantine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Evidence {
    /// What was seen.
    pub what: String,
    /// Since when it counts.
    pub since: Instant,
}

/// Another balancer has the relay in quarantine.
#[derive(Debug)]
struct Hearsay {
    what: String,
    /// Our own good probes in a row, since we heard it.
    n_good: u32,
}

#[derive(Debug)]
struct Complaint {
    network: u64,
    at: Instant,
}

impl Health {
    /// Takes what came out of a probe. `true`: it now gets listeners, or none, unlike before.
    pub fn probed(&mut self, probe: Probe, now: Instant) -> bool {
        let was_up = self.evidence.is_none();
        match probe {
            Probe::Good => {
                self.n_bad = 0;
                self.n_good = self.n_good.saturating_add(1);
                if let Some(hearsay) = &mut self.hearsay {
                    hearsay.n_good = hearsay.n_good.saturating_add(1);
                }
                if self.n_good >= GOOD_MIN {
                    self.evidence = None;
                }
            }
            Probe::Bad(what) => {
                self.see_bad();
                self.n_bad = self.n_bad.saturating_add(1);
                if self.n_bad >= BAD_MAX {
                    self.accuse(what, now);
                }
            }
            Probe::Wrong(what) => {
                self.accuse(what, now);
            }
        }
        was_up != self.evidence.is_none()
    }

    /// It gets nobody until two good probes, or [`Health::lift`].
    pub fn accuse(&mut self, what: String, now: Instant) {
        self.see_bad();
        let since = self
            .evidence
            .as_ref()
            .map_or(now, |evidence| evidence.since);
        self.evidence = Some(Evidence { what, since });
    }

    /// The operator, or whoever accused it, takes it back.
    pub fn lift(&mut self) {
        *self = Self::default();
    }

    /// Why it gets nobody, if so.
    pub fn evidence(&self) -> Option<&Evidence> {
        self.evidence.as_ref()
    }

    /// Another balancer has it in quarantine for this reason; `None`: no other has. `true`: that is
    /// another than before.
    pub fn hear(&mut self, what: Option<&str>) -> bool {
        match (&mut self.hearsay, what) {
            (None, None) => return false,
            (Some(hearsay), Some(what)) if hearsay.what == what => return false,
            // Newer evidence of the same: our own probes go on counting.
            (Some(hearsay), Some(what)) => what.clone_into(&mut hearsay.what),
            (hearsay, what) => {
                *hearsay = what.map(|what| Hearsay {
                    what: what.to_owned(),
                    n_good: 0,
                });
            }
        }
        true
    }

    /// What another balancer says; it counts until our own eyes have seen otherwise.
    pub fn hearsay(&self) -> Option<&str> {
        let hearsay = self.hearsay.as_ref()?;
        (hearsay.n_good < GOOD_MIN).then_some(hearsay.what.as_str())
    }

    /// Another balancer still says it, and our own eyes have seen otherwise.
    pub fn knows_better(&self) -> bool {
        self.hearsay.is_some() && self.hearsay().is_none()
    }

    fn see_bad(&mut self) {
        self.n_good = 0;
        if let Some(hearsay) = &mut self.hearsay {
            hearsay.n_good = 0;
        }
    }

    /// A listener of this network came back without having been there.
    pub fn complain(&mut self, network: u64, now: Instant) {
        self.forget(now);
        if self.complaints.iter().any(|known| known.network == network) {
            return;
        }
        if self.complaints.len() == COMPLAINTS_MAX {
            self.complaints.pop_front();
        }
        self.complaints.push_back(Complaint { network, at: now });
    }

    /// 0: nobody complains; 1: everybody.
    pub fn illness(&mut self, now: Instant) -> f32 {
        self.forget(now);
        let n = self.complaints.len();
        if n < COMPLAINTS_MIN {
            return 0.0;
        }
        #[expect(clippy::cast_precision_loss, reason = "no more than ten")]
        let illness = n as f32 / COMPLAINTS_MAX as f32;
        illness
    }

    fn forget(&mut self, now: Instant) {
        let is_old = |known: &Complaint| now.saturating_duration_since(known.at) >= COMPLAINT_LIFE;
        while self.complaints.front().is_some_and(is_old) {
            self.complaints.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_bad_probe_is_nothing_three_are_and_two_good_ones_make_up_for_it() {
        let now = Instant::now();
        let mut health = Health::default();
        let bad = || Probe::Bad("nothing came within 5 s".to_owned());
        assert!(!health.probed(bad(), now) && !health.probed(bad(), now));
        assert!(!health.probed(Probe::Good, now), "the count begins again");
        assert!(!health.probed(bad(), now) && !health.probed(bad(), now));
        assert!(health.probed(bad(), now), "down");
        assert_eq!(health.evidence().unwrap().what, "nothing came within 5 s");
        assert!(!health.probed(Probe::Good, now));
        assert!(health.probed(Probe::Good, now), "up");
        let wrong = Probe::Wrong("other bytes at 4711".to_owned());
        assert!(health.probed(wrong, now), "one is enough");
    }

    #[test]
    fn the_word_of_another_balancer_counts_until_our_own_eyes_saw_twice() {
        let now = Instant::now();
        let mut health = Health::default();
        health.probed(Probe::Good, now);
        health.probed(Probe::Good, now);
        assert!(health.hear(Some("old sound")));
        assert_eq!(health.hearsay(), Some("old sound"));
        health.probed(Probe::Good, now);
        health.probed(Probe::Bad("late".to_owned()), now);
        health.probed(Probe::Good, now);
        assert!(health.hear(Some("older sound")), "newer evidence");
        assert!(!health.hear(Some("older sound")));
        assert_eq!(health.hearsay(), Some("older sound"));
        health.probed(Probe::Good, now);
        assert!(health.hearsay().is_none() && health.knows_better());
        health.probed(Probe::Wrong("other bytes".to_owned()), now);
        assert!(health.hearsay().is_some() && health.evidence().is_some());
        assert!(health.hear(None) && !health.hear(None));
        assert!(health.hearsay().is_none() && !health.knows_better());
    }

    #[test]
    fn one_network_that_complains_is_an_office_and_three_are_an_illness() {
        let start = Instant::now();
        let mut health = Health::default();
        for _ in 0..100 {
            health.complain(1, start);
            health.complain(2, start);
        }
        assert_eq!(health.illness(start), 0.0);
        for network in 3..100 {
            health.complain(network, start);
        }
        assert_eq!(health.illness(start), 1.0);
        assert_eq!(health.complaints.len(), COMPLAINTS_MAX);
        assert_eq!(health.illness(start + COMPLAINT_LIFE), 0.0);
    }
}
