//! What a report changes at its relay. Pure.

use std::collections::{BTreeMap, HashSet};
use std::time::{Duration, Instant};

use stream::mount::MountPath;
use stream::report::Arrivals;

use super::families::Families;
use super::networks::Networks;
use super::relay::{Last, REPORTS_BACK_MIN, Relay};
use super::reservations::Lost;
use crate::base_url::BaseUrl;
use crate::checked_report::{Carried, CheckedReport};
use crate::choice::Policy;
use crate::place::Spot;

/// Earlier runs that are remembered of each relay; the oldest is forgotten.
const FORMER_RUNS_MAX: usize = 8;
/// So many lost reports in a row are silence.
pub(super) const REPORTS_LOST_MAX: u32 = 3;

/// Why a report is not taken although it makes sense.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The operator fixed another address.
    OtherUrl {
        /// The fixed one.
        fixed: BaseUrl,
    },
    /// A later report of the same run is already there.
    OldSequence {
        /// Of the report that is there.
        last: u64,
    },
    /// A newer run of the relay has taken its place: two programs share one token.
    FormerRun,
}

/// What was found out by asking a server that does not report: an Icecast.
#[derive(Clone, Debug, PartialEq)]
pub struct Polled {
    /// How many listeners it could serve.
    pub slots: u32,
    /// How many it serves.
    pub listeners: u32,
    /// What it carries.
    pub mounts: BTreeMap<MountPath, Carried>,
    /// When it was asked: the answer tells of no earlier moment.
    pub asked: Instant,
    /// When it will be asked again.
    pub every: Duration,
}

/// What has become of a report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Taken {
    /// The relay has a new address.
    pub is_moved: bool,
    /// It swallowed listeners and gets none for a while.
    pub is_put_away: bool,
}

impl Relay {
    pub(super) fn take(
        &mut self,
        report: CheckedReport,
        life: Duration,
        (run, networks): (u32, &mut Networks),
        policy: &Policy,
        now: Instant,
    ) -> Taken {
        let is_new_run = self.report().is_none_or(|last| last.run != report.run);
        if is_new_run && let Some(last) = &self.last {
            self.former_runs.push_back(last.report.run.clone());
            if self.former_runs.len() > FORMER_RUNS_MAX {
                self.former_runs.pop_front();
            }
        }
        let of = now.checked_sub(policy.report_way).unwrap_or(now);
        let is_put_away = match &report.arrivals {
            Some(arrivals) => {
                let known = (run, networks);
                self.settle_named(arrivals, report.slots, of, known, policy, now)
            }
            // Its tickets were made for a relay that names them.
            None => self.settle_nameless(
                (report.listeners, report.slots),
                of,
                policy.hold,
                networks,
                policy,
                now,
            ),
        };
        let lease = report.lease;
        let is_moved = self.replace(report, of, life, is_new_run, now);
        self.lent = lease.map(|lease| if lease.run == run { lease.slots } else { 0 });
        Taken {
            is_moved,
            is_put_away,
        }
    }

    pub(super) fn take_polled(
        &mut self,
        url: BaseUrl,
        polled: Polled,
        networks: &mut Networks,
        policy: &Policy,
        now: Instant,
    ) -> Taken {
        let (listeners, slots) = (polled.listeners, polled.slots);
        let said = (listeners, slots);
        let asked = polled.asked;
        let is_put_away = self.settle_nameless(said, asked, policy.arrival, networks, policy, now);
        let life = polled.every.saturating_mul(REPORTS_LOST_MAX);
        let report = CheckedReport {
            url,
            run: String::new(),
            sequence: 0,
            slots,
            listeners,
            is_draining: false,
            place: None,
            mounts: polled.mounts,
            arrivals: None,
            lease: None,
        };
        let is_moved = self.replace(report, polled.asked, life, false, now);
        Taken {
            is_moved,
            is_put_away,
        }
    }

    /// Whether it contradicts the operator or an earlier report.
    pub(super) fn check(&self, report: &CheckedReport) -> Result<(), Refusal> {
        let fixed = self.registration.url.as_ref();
        if let Some(fixed) = fixed.filter(|url| **url != report.url) {
            let fixed = fixed.clone();
            return Err(Refusal::OtherUrl { fixed });
        }
        if self.former_runs.contains(&report.run) {
            return Err(Refusal::FormerRun);
        }
        match self.report() {
            Some(last) if last.run == report.run && report.sequence <= last.sequence => {
                let last = last.sequence;
                Err(Refusal::OldSequence { last })
            }
            _ => Ok(()),
        }
    }

    /// It says whom it admitted.
    fn settle_named(
        &mut self,
        arrivals: &Arrivals,
        slots: u32,
        of: Instant,
        (run, networks): (u32, &mut Networks),
        policy: &Policy,
        now: Instant,
    ) -> bool {
        let ours = arrivals
            .admitted
            .iter()
            .filter(|admitted| admitted.run == run);
        let stretches = ours.flat_map(|admitted| &admitted.serials);
        let n_arrived = stretches
            .map(|stretch| {
                let came = |network| networks.come(network, now);
                self.reservations.admit(*stretch, came)
            })
            .sum();
        let last_issue = of.checked_sub(policy.hold);
        let lost = last_issue.map_or_else(Lost::default, |issue| {
            let counts = |network, sent| networks.stay_away(network, sent, now);
            self.reservations.expire(issue, counts)
        });
        self.direct.note(arrivals.direct, now);
        // Hardly any report takes as long as it may; to be wrong costs little here.
        let likely = now.checked_sub(policy.report_way / 3).unwrap_or(of);
        // Of a network of which nobody comes the first one says as much as all.
        let mut heard = HashSet::new();
        let waiting = self.reservations.waiting(likely).rev();
        let waiting = waiting.filter(|(network, age)| {
            let sent = likely.checked_sub(*age).unwrap_or(likely);
            networks.has_come_since(*network, sent)
                || (networks.counts(*network, sent, now) && heard.insert(*network))
        });
        let waiting = waiting.map(|(_, age)| age);
        let trust = &mut self.trust;
        trust.settle(n_arrived, lost.n, slots, policy, now)
            || trust.watch(n_arrived, lost, waiting, policy, now)
    }

    /// It only says how many it has. What became of those who were sent, and came within `longest`
    /// or never, shows in that.
    fn settle_nameless(
        &mut self,
        (listeners, slots): (u32, u32),
        of: Instant,
        longest: Duration,
        networks: &mut Networks,
        policy: &Policy,
        now: Instant,
    ) -> bool {
        let last_issue = of.checked_sub(longest);
        let mut sent = Vec::new();
        if let Some(issue) = last_issue {
            self.reservations.expire(issue, |network, at| {
                sent.push((network, at));
                true
            });
        }
        let n_sent = u32::try_from(sent.len()).unwrap_or(u32::MAX);
        let Some(last) = &self.last else {
            return false;
        };
        let n_more = listeners.saturating_sub(last.report.listeners);
        let since_last = of.saturating_duration_since(last.of);
        // Who came may still be open here: he is only known to have come when he must have.
        let n_open = u32::try_from(self.reservations.count()).unwrap_or(u32::MAX);
        let n_possible = n_sent.saturating_add(n_open);
        self.direct
            .suspect(u64::from(n_more.saturating_sub(n_possible)), since_last);
        let n_arrived = n_more.min(n_possible);
        // Others may have left in between, so whoever is not seen to come is only missed if
        // hardly anybody is there.
        let is_swallowed = n_arrived == 0 && n_sent > listeners.saturating_mul(4);
        let n_lost = if is_swallowed {
            let sent = sent.into_iter();
            let counted = sent.filter(|(network, at)| networks.stay_away(*network, *at, now));
            u32::try_from(counted.count()).unwrap_or(u32::MAX)
        } else {
            0
        };
        self.trust.settle(n_arrived, n_lost, slots, policy, now)
    }

    /// Returns whether it has another address than before.
    fn replace(
        &mut self,
        report: CheckedReport,
        of: Instant,
        life: Duration,
        is_new_run: bool,
        now: Instant,
    ) -> bool {
        let n_in_time = match &self.last {
            Some(last) if self.is_in_time(now) => last.n_in_time.saturating_add(1),
            // Whoever was started anew does not waver.
            None => REPORTS_BACK_MIN,
            Some(_) if is_new_run => REPORTS_BACK_MIN,
            Some(_) => 1,
        };
        let is_moved = self.url() != Some(&report.url);
        self.is_brimful = false;
        self.last = Some(Last {
            report,
            of,
            received: now,
            life,
            n_in_time,
        });
        if is_moved {
            self.host_spot = Spot::default();
            self.families = Families::of(self.url().map(BaseUrl::host));
        }
        self.settle_spot();
        is_moved
    }
}
