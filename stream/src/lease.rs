//! How a relay shares its free slots out among several balancers, so that all of them together
//! never send it more listeners than it has room for. Pure.
//!
//! The balancers need not know of each other. With each report the relay lends one of them some
//! slots, and that one sends no more listeners than these until the next report.
//!
//! Why that is safe: let `out` of a balancer be what the relay keeps here for it. Then no more than
//! `out` listeners can still come through it, because at every moment one of these holds:
//!
//! * It has taken the report with the newest lease. It sends only while its open redirects (those
//!   that may come after the moment of the report) are fewer than the lease, and `out` is the lease
//!   or its open redirects, whichever is more, less those who have come since.
//! * It may or may not have taken it: no answer came. `out` is the larger of both leases, less
//!   those who have come since.
//! * It has started anew and knows nothing of its open redirects. A lease names the run of the
//!   program it is for, so it has none until the relay has heard of the new run; what the old
//!   one may have sent stays counted in `out` until it is too late to come.
//! * It is silent. It sends nobody on a lease older than [`LEASE_LIFE`], and whoever it sent comes
//!   soon or never, so after [`LEASE_GONE`] `out` is nought.
//!
//! The relay lends no more than its slots, less its listeners, less all `out`. A listener who comes
//! goes over from `out` to the listeners, one who leaves makes room. So listeners and all `out`
//! together are never more than the slots. Who comes without a balancer can break that; balancers
//! keep some slots free for him.

use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

/// A balancer sends nobody on a lease that it got longer ago than this.
pub const LEASE_LIFE: Duration = Duration::from_secs(15);
/// Whom a balancer has sent comes within this time, or counts as one whom nobody sent.
pub const TRAVEL_MAX: Duration = Duration::from_secs(10);
/// A lease that nobody answered is over after this time: the report may take 10 s to arrive, then
/// it is good for [`LEASE_LIFE`], and the last listener takes [`TRAVEL_MAX`].
pub const LEASE_GONE: Duration = Duration::from_secs(36);
/// Who has let a report wait for an answer for so long gets nothing until he answers. How seldom he
/// wants to hear is not his silence: with many relays that is every 10 s.
const SILENT_AFTER: Duration = Duration::from_secs(5);
/// What is over when shares are rounded down belongs to each balancer in turn for so long.
const TURN: Duration = Duration::from_secs(2);
/// In this time half of the listeners who came through a balancer are forgotten.
const DEMAND_HALVES: Duration = Duration::from_secs(30);

/// What a report lends the balancer that gets it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Lease {
    /// The run of the balancer that may use it; 0: none that the relay knows of.
    pub run: u32,
    /// So many listeners may come through it after the moment of the report.
    pub slots: u32,
}

/// What a relay has lent to whom.
#[derive(Debug)]
pub struct Leases {
    holders: Vec<Holder>,
    began: Instant,
}

/// One balancer.
#[derive(Debug)]
struct Holder {
    run: u32,
    /// So many listeners may still come through it.
    out: u32,
    /// The same of its former run, and when they are too late.
    before: Option<(u32, u32, Instant)>,
    /// The lease of the report under way, and who came since.
    asked: Option<(u32, u32)>,
    /// It may have got a lease at this moment.
    lent: Instant,
    /// Its oldest report without an answer is of this moment; `None`: it has answered.
    unanswered: Option<Instant>,
    /// Listeners who came through it lately, and as of when.
    demand: f64,
    demand_of: Instant,
}

impl Leases {
    /// For so many balancers, none of which has been heard of.
    pub fn new(n_balancers: usize, now: Instant) -> Self {
        let holder = |_| Holder {
            run: 0,
            out: 0,
            before: None,
            asked: None,
            lent: now,
            unanswered: None,
            demand: 0.0,
            demand_of: now,
        };
        Self {
            holders: (0..n_balancers).map(holder).collect(),
            began: now,
        }
    }

    /// The lease in a report to balancer `at` that tells of this moment.
    pub fn lend(&mut self, at: usize, slots: u32, listeners: u32, now: Instant) -> Lease {
        for holder in &mut self.holders {
            holder.expire(now);
        }
        let room = slots.saturating_sub(listeners);
        let kept = self.kept_for_unheard(room, now);
        let n_out = self.holders.iter().map(|holder| holder.n_out(kept));
        let spare = room.saturating_sub(n_out.fold(0, u32::saturating_add));
        let target = self.share(at, room, kept, now);
        let holder = &mut self.holders[at];
        // One who does not answer gets nothing until he does, so that what he has can end.
        let lease = if holder.is_silent(now) {
            0
        } else {
            holder.lent = now;
            target.min(holder.out.saturating_add(spare))
        };
        holder.out = holder.out.max(lease);
        holder.asked = Some((lease, 0));
        holder.unanswered = holder.unanswered.or(Some(now));
        Lease {
            run: holder.run,
            slots: lease,
        }
    }

    /// Balancer `at` has taken the last report. It is in this run, and has so many open redirects.
    /// `true`: it could not use the lease, and should get another report at once.
    pub fn settle(&mut self, at: usize, run: u32, n_open: u32, now: Instant) -> bool {
        let holder = &mut self.holders[at];
        holder.unanswered = None;
        let asked = holder.asked.take();
        if run == holder.run {
            if let Some((lease, n_came)) = asked {
                holder.out = lease.max(n_open).saturating_sub(n_came);
            }
            return false;
        }
        if holder.run != 0 {
            let left = holder.n_out(0);
            holder.before = Some((holder.run, left, now + LEASE_GONE));
        }
        holder.run = run;
        // It may have begun to send before it knew of leases.
        holder.out = n_open;
        holder.lent = now;
        true
    }

    /// A listener has come whom a balancer in this run sent.
    pub fn came(&mut self, run: u32, now: Instant) {
        for holder in &mut self.holders {
            if holder.run == run && run != 0 {
                holder.out = holder.out.saturating_sub(1);
                if let Some((_, n_came)) = &mut holder.asked {
                    *n_came += 1;
                }
                holder.demand = holder.demand_at(now) + 1.0;
                holder.demand_of = now;
                return;
            }
            if let Some((former, left, _)) = &mut holder.before
                && *former == run
            {
                *left = left.saturating_sub(1);
                return;
            }
        }
    }

    /// A balancer that this program has not heard of may still send on a lease of the program that
    /// was here before, so an equal part is kept for it at first. (It may have had more: then the
    /// last of those it sends are sent back.)
    fn kept_for_unheard(&self, room: u32, now: Instant) -> u32 {
        let n = u32::try_from(self.holders.len()).unwrap_or(u32::MAX);
        let is_over = now.saturating_duration_since(self.began) > LEASE_GONE;
        if is_over { 0 } else { room / n.max(1) }
    }

    /// What balancer `at` should get: of what no silent one and no former run holds, half in equal
    /// parts, half by who sent how many. All shares together are what there is.
    fn share(&self, at: usize, room: u32, kept: u32, now: Instant) -> u32 {
        let (mut left, mut demand, mut heard) = (room, 0.0, Vec::new());
        for (other, holder) in self.holders.iter().enumerate() {
            if other != at && holder.is_silent(now) {
                left = left.saturating_sub(holder.n_out(kept));
            } else {
                left = left.saturating_sub(holder.n_before());
                demand += holder.demand_at(now) + 1.0;
                heard.push(other);
            }
        }
        let n_heard = f64::from(u32::try_from(heard.len()).unwrap_or(u32::MAX));
        let part = |at: usize| {
            let own = (self.holders[at].demand_at(now) + 1.0) / demand;
            floor(f64::from(left) * (0.5 / n_heard + 0.5 * own))
        };
        let turns = now.saturating_duration_since(self.began).as_secs() / TURN.as_secs();
        let turn = usize::try_from(turns).unwrap_or(0) % heard.len();
        if heard[turn] == at {
            let others = heard.iter().filter(|other| **other != at);
            others.fold(left, |left, other| left.saturating_sub(part(*other)))
        } else {
            part(at)
        }
    }
}

impl Holder {
    fn n_out(&self, kept_for_unheard: u32) -> u32 {
        let unheard = if self.run == 0 { kept_for_unheard } else { 0 };
        let out = self.out.saturating_add(self.n_before());
        out.max(unheard)
    }

    fn n_before(&self) -> u32 {
        self.before.map_or(0, |(_, left, _)| left)
    }

    fn is_silent(&self, now: Instant) -> bool {
        let is_late = |since| now.saturating_duration_since(since) > SILENT_AFTER;
        self.run == 0 || self.unanswered.is_some_and(is_late)
    }

    fn expire(&mut self, now: Instant) {
        if now.saturating_duration_since(self.lent) > LEASE_GONE {
            self.out = 0;
            self.asked = None;
        }
        self.before = self
            .before
            .filter(|(_, left, until)| *left > 0 && now < *until);
    }

    fn demand_at(&self, now: Instant) -> f64 {
        let age = now.saturating_duration_since(self.demand_of);
        self.demand * 0.5_f64.powf(age.as_secs_f64() / DEMAND_HALVES.as_secs_f64())
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a part of a u32"
)]
fn floor(part: f64) -> u32 {
    part as u32
}

#[cfg(test)]
mod tests;
