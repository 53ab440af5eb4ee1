//! When a change was made, so that of two that were made at two balancers the later one counts. Pure.

use std::collections::{BTreeSet, HashMap};

use serde::{Deserialize, Serialize};

use super::changes::{Changes, Entry};
use super::overlay::Stamps;
use crate::registry::RELAYS_MAX;

/// So many relays' changes are told apart; beyond that the oldest are forgotten of relays that are
/// as if nobody had ever changed them.
pub const STAMPS_MAX: usize = 2 * RELAYS_MAX;
/// No change is made so many milliseconds after 1970: it would be the year 10889.
const MS_MAX: u64 = 1 << 48;
/// A word on a quarantine that is older, in milliseconds, is not carried out any more: probes have
/// found out anew how the relay is.
pub const VERDICT_LIFE_MS: u64 = 60_000;

/// A change of another balancer that was made so many milliseconds from now is not believed, and one
/// of our own counts as made now.
const AHEAD_MAX_MS: u64 = 24 * 3_600_000;
/// A clock that says an earlier time, the beginning of 2026, has not been set yet: nothing is
/// measured by it.
const CLOCK_MIN_MS: u64 = 1_767_225_600_000;

/// When a change was made, in milliseconds since 1970, and at which balancer. Later than all that
/// were known there, whatever its clock says.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct Stamp(u64, u32);

impl Stamp {
    /// Nobody knows when.
    pub fn is_none(&self) -> bool {
        *self == Self::default()
    }

    /// No clock is as wrong as that.
    pub fn is_possible(self) -> bool {
        self.0 < MS_MAX
    }
}

/// What the operator said of a relay's quarantine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Verdict {
    /// When.
    stamp: Stamp,
    /// He put it away; else he released it.
    pub is_put_away: bool,
}

impl Verdict {
    pub(super) fn new(stamp: Stamp, is_put_away: bool) -> Self {
        Self { stamp, is_put_away }
    }

    fn is_young(self, now_ms: u64) -> bool {
        self.stamp.0.saturating_add(VERDICT_LIFE_MS) >= now_ms
    }
}

impl Changes {
    /// The stamp of a change that is made now: later than all that are known.
    pub(super) fn next_stamp(&self, now_ms: u64) -> Stamp {
        let after = self.newest_stamp().0.saturating_add(1);
        Stamp(now_ms.max(after).min(MS_MAX - 1), self.author)
    }

    /// The latest of all.
    pub(super) fn newest_stamp(&self) -> Stamp {
        let said = self.verdicts.values().map(|verdict| verdict.stamp);
        let noted = self.journal.iter().map(|entry| entry.stamp);
        let ordered = self.stamps.values().map(Stamps::newest);
        let all = ordered.chain(said).chain(noted);
        all.max().unwrap_or_default()
    }

    pub(super) fn stamp_all(&mut self, name: &str, stamp: Stamp) {
        self.stamps.insert(name.to_owned(), Stamps::all(stamp));
        self.forget_stamps();
    }

    pub(super) fn say(&mut self, name: &str, verdict: Verdict) {
        self.verdicts.insert(name.to_owned(), verdict);
        self.forget_stamps();
    }

    /// What the operator said of quarantines that `before` does not know, and a moment ago.
    pub fn verdicts_since(&self, before: &Self, now_ms: u64) -> Vec<(String, Verdict)> {
        let is_new = |(name, verdict): &(&String, &Verdict)| {
            verdict.is_young(now_ms) && before.verdicts.get(*name) < Some(*verdict)
        };
        let news = self.verdicts.iter().filter(is_new);
        news.map(|(name, verdict)| (name.clone(), *verdict))
            .collect()
    }

    /// Of whom he said something that is too old to be carried out.
    pub fn verdicts_too_late(&self, before: &Self, now_ms: u64) -> Vec<String> {
        let is_late = |(name, verdict): &(&String, &Verdict)| {
            !verdict.is_young(now_ms) && before.verdicts.get(*name) < Some(*verdict)
        };
        let late = self.verdicts.iter().filter(is_late);
        late.map(|(name, _)| name.clone()).collect()
    }

    /// No clock that is looked after is so much faster; what is changed next would be later still.
    pub fn is_ahead_of(&self, now_ms: u64) -> bool {
        self.newest_stamp().0 > now_ms.saturating_add(AHEAD_MAX_MS)
    }

    /// What was changed here under a clock that was days ahead counts as changed now, in the order
    /// in which it was: no other balancer would take it, and nothing that is changed later at
    /// another would count. `true`: there was something.
    pub fn lower(&mut self, now_ms: u64) -> bool {
        if !self.is_ahead_of(now_ms) || now_ms < CLOCK_MIN_MS {
            return false;
        }
        let (near, far): (BTreeSet<Stamp>, BTreeSet<Stamp>) = self
            .all_stamps()
            .partition(|stamp| stamp.0 <= now_ms.saturating_add(AHEAD_MAX_MS));
        let newest = near.last().map_or(0, |stamp| stamp.0).max(now_ms);
        let lowered: HashMap<Stamp, Stamp> = (newest + 1..)
            .zip(far)
            .map(|(ms, stamp)| (stamp, Stamp(ms, stamp.1)))
            .collect();
        let lower = |stamp: &mut Stamp| {
            if let Some(now) = lowered.get(stamp) {
                *stamp = *now;
            }
        };
        self.stamps
            .values_mut()
            .flat_map(Stamps::each)
            .for_each(lower);
        self.verdicts
            .values_mut()
            .for_each(|verdict| lower(&mut verdict.stamp));
        for entry in &mut self.journal {
            if let Some(now) = lowered.get(&entry.stamp) {
                (entry.stamp, entry.at) = (*now, now.0 / 1_000);
            }
        }
        self.journal.make_contiguous().sort();
        self.version = self.version.saturating_add(1);
        true
    }

    /// Whether something of what was changed by this entry still holds, as far as anybody knows.
    pub fn is_in_force(&self, entry: &Entry) -> bool {
        let stamps = self.stamps.get(&entry.relay);
        let mut ordered = stamps.copied().unwrap_or_default();
        let said = self.verdicts.get(&entry.relay);
        let is_it = |stamp: Stamp| stamp == entry.stamp;
        entry.stamp.is_none()
            || ordered.each().into_iter().any(|stamp| is_it(*stamp))
            || said.is_some_and(|verdict| is_it(verdict.stamp))
    }

    fn all_stamps(&self) -> impl Iterator<Item = Stamp> {
        let said = self.verdicts.values().map(|verdict| verdict.stamp);
        let noted = self.journal.iter().map(|entry| entry.stamp);
        let ordered = self.stamps.values().copied();
        let ordered = ordered.flat_map(|mut stamps| stamps.each().map(|stamp| *stamp));
        ordered.chain(said).chain(noted)
    }

    /// Keeps the tables within their limits.
    pub(super) fn forget_stamps(&mut self) {
        let n_over = self.verdicts.len().saturating_sub(STAMPS_MAX);
        let all = self.verdicts.iter();
        for name in oldest(all.map(|(name, verdict)| (name, verdict.stamp)), n_over) {
            self.verdicts.remove(&name);
        }
        let n_over = self.stamps.len().saturating_sub(STAMPS_MAX);
        let plain = self.stamps.iter().filter(|(name, _)| self.is_plain(name));
        for name in oldest(plain.map(|(name, stamps)| (name, stamps.newest())), n_over) {
            self.stamps.remove(&name);
        }
    }

    fn is_plain(&self, name: &str) -> bool {
        let is_known = self.orders.contains_key(name) || self.added.contains_key(name);
        !is_known && !self.removed.contains(name)
    }
}

/// The names of the `n` oldest.
fn oldest<'a>(all: impl Iterator<Item = (&'a String, Stamp)>, n: usize) -> Vec<String> {
    if n == 0 {
        return Vec::new();
    }
    let mut all: Vec<_> = all.map(|(name, when)| (when, name)).collect();
    all.sort_unstable();
    let oldest = all.into_iter().take(n);
    oldest.map(|(_, name)| name.clone()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::desk::changes::Change;
    use crate::desk::changes::tests::{FILE, bias};

    #[test]
    fn a_change_is_later_than_all_that_are_known_whatever_the_clock_says() {
        let mut changes = Changes::default();
        changes.make("a", Change::PutAway, FILE, 1, 9_000).unwrap();
        changes.make("a", Change::Release, FILE, 1, 5_000).unwrap();
        let news = changes.verdicts_since(&Changes::default(), 5_000);
        assert_eq!(news.len(), 1);
        assert!(!news[0].1.is_put_away && news[0].1.stamp.0 == 9_001);
        assert!(changes.verdicts_since(&changes, 5_000).is_empty());
        let later = 9_002 + VERDICT_LIFE_MS;
        assert!(
            changes
                .verdicts_since(&Changes::default(), later)
                .is_empty()
        );
        changes.stamp_all("b", Stamp(u64::MAX, 0));
        assert!(changes.check().unwrap_err().contains("thousands of years"));
        assert!(changes.next_stamp(0).is_possible());
    }

    #[test]
    fn what_was_changed_under_a_clock_far_ahead_counts_as_changed_now_and_is_taken_by_others() {
        const DAY: u64 = 24 * 3_600_000;
        let now = CLOCK_MIN_MS + 300 * DAY;
        let (mut wrong, mut right) = (Changes::default(), Changes::default());
        (wrong.author, right.author) = (1, 2);
        right.make("a", bias(1.0), FILE, 1, now - 5_000).unwrap();
        wrong.make("b", bias(7.0), FILE, 1, now - DAY).unwrap();
        let near = now + DAY / 2;
        wrong.make("c", bias(9.0), FILE, 1, near).unwrap();
        let ahead = now + 40 * DAY;
        wrong.make("a", bias(2.0), FILE, 1, ahead).unwrap();
        wrong.make("a", bias(3.0), FILE, 1, ahead + 9).unwrap();
        wrong
            .make("b", Change::Release, FILE, 1, ahead + 20)
            .unwrap();
        let (before, version) = (wrong.clone(), wrong.version);
        assert!(!wrong.lower(1_000) && !right.lower(now), "nothing is ahead");
        assert_eq!(wrong, before, "a clock at 1970 changes nothing");
        assert!(wrong.lower(now) && !wrong.lower(now));
        assert!(!wrong.is_ahead_of(now) && wrong.check().is_ok() && wrong.version > version);
        assert!(wrong.stamps["b"].newest().0 == now - DAY, "that was right");
        let said: Vec<_> = wrong.journal.iter().map(|entry| &*entry.what).collect();
        let told: Vec<_> = before.journal.iter().map(|entry| &*entry.what).collect();
        assert_eq!(said, told, "in the same order");
        let mut made = wrong.journal.iter().rev().take(3);
        assert!(made.all(|entry| entry.stamp.0 > near && entry.at == entry.stamp.0 / 1_000));
        right.merge(&wrong);
        let km = |changes: &Changes| changes.orders_of("a", FILE).bias_km;
        assert!((km(&right) - 3.0).abs() < 0.1);
        right.make("a", bias(4.0), FILE, 1, now + 1_000).unwrap();
        wrong.merge(&right);
        assert!((km(&wrong) - 4.0).abs() < 0.1, "what is later counts again");
    }

    #[test]
    fn what_a_later_change_has_replaced_is_not_in_force() {
        let mut changes = Changes::default();
        changes.make("a", bias(55.0), FILE, 1, 10).unwrap();
        changes.make("a", bias(56.0), FILE, 1, 20).unwrap();
        changes.make("a", Change::PutAway, FILE, 1, 30).unwrap();
        let in_force = changes.journal.iter();
        let in_force: Vec<_> = in_force.map(|entry| changes.is_in_force(entry)).collect();
        assert_eq!(in_force, [false, true, true]);
    }

    #[test]
    fn the_oldest_are_forgotten_but_never_one_that_still_says_something() {
        let mut changes = Changes::default();
        changes.make("kept", bias(1.0), FILE, 1, 1).unwrap();
        for n in 0..STAMPS_MAX {
            let stamps = Stamps::all(Stamp(10 + n as u64, 0));
            changes.stamps.insert(format!("r{n}"), stamps);
        }
        changes.forget_stamps();
        assert_eq!(changes.stamps.len(), STAMPS_MAX);
        assert!(changes.stamps.contains_key("kept") && !changes.stamps.contains_key("r0"));
    }
}
