//! What has come from an upstream, counted, and how it stands: for status and metrics.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use serde::Serialize;

/// An upstream from which a page came within this time delivers.
const DELIVERING_MAX: Duration = Duration::from_secs(3);

/// How an upstream stands, over all mounts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum UpstreamState {
    /// Pages come from it.
    Delivering,
    /// It answers, and no pages are asked for, or there are none.
    StandingBy,
    /// It does not answer.
    Away,
    /// It brought other bytes, and is left alone for a while.
    Quarantined,
}

impl UpstreamState {
    /// All of them.
    pub const ALL: [Self; 4] = [
        Self::Delivering,
        Self::StandingBy,
        Self::Away,
        Self::Quarantined,
    ];

    /// As status and metrics call it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Delivering => "delivering",
            Self::StandingBy => "standing_by",
            Self::Away => "away",
            Self::Quarantined => "quarantined",
        }
    }
}

/// What has come from one upstream, over all mounts.
#[derive(Debug)]
pub struct Tally {
    url: String,
    n_taken: AtomicU64,
    n_doubled: AtomicU64,
    seen: Mutex<Seen>,
}

#[derive(Debug, Default)]
struct Seen {
    page: Option<Instant>,
    is_listed: bool,
    quarantined_until: Option<Instant>,
}

impl Tally {
    /// Nothing yet. `url` is shown to everybody; it has no password in it.
    pub fn new(url: &str) -> Self {
        Self {
            url: url.to_owned(),
            n_taken: AtomicU64::new(0),
            n_doubled: AtomicU64::new(0),
            seen: Mutex::default(),
        }
    }

    /// Its address.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// A page came that was missing.
    pub fn take(&self, now: Instant) {
        self.n_taken.fetch_add(1, Ordering::Relaxed);
        self.seen().page = Some(now);
    }

    /// A page came that was there already.
    pub fn double(&self, now: Instant) {
        self.n_doubled.fetch_add(1, Ordering::Relaxed);
        self.seen().page = Some(now);
    }

    /// Whether its list of mounts is heard.
    pub fn listed(&self, is_listed: bool) {
        self.seen().is_listed = is_listed;
    }

    /// It is left alone until then.
    pub(super) fn quarantine(&self, until: Instant) {
        self.seen().quarantined_until = Some(until);
    }

    /// How it stands.
    pub fn state(&self, now: Instant) -> UpstreamState {
        let seen = self.seen();
        let is_heard = |page| now.saturating_duration_since(page) <= DELIVERING_MAX;
        if seen.quarantined_until.is_some_and(|until| now < until) {
            UpstreamState::Quarantined
        } else if seen.page.is_some_and(is_heard) {
            UpstreamState::Delivering
        } else if seen.is_listed {
            UpstreamState::StandingBy
        } else {
            UpstreamState::Away
        }
    }

    /// Pages that came from it first.
    pub fn n_taken(&self) -> u64 {
        self.n_taken.load(Ordering::Relaxed)
    }

    /// Pages that came from it and were there already.
    pub fn n_doubled(&self) -> u64 {
        self.n_doubled.load(Ordering::Relaxed)
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_upstream_delivers_stands_by_is_away_or_is_left_alone() {
        let (tally, now) = (Tally::new("http://a:8000"), Instant::now());
        assert_eq!(tally.state(now), UpstreamState::Away);
        tally.listed(true);
        assert_eq!(tally.state(now), UpstreamState::StandingBy);
        tally.take(now);
        tally.double(now);
        assert_eq!(tally.state(now), UpstreamState::Delivering);
        let later = now + DELIVERING_MAX * 2;
        assert_eq!(tally.state(later), UpstreamState::StandingBy);
        tally.quarantine(later);
        assert_eq!(tally.state(now), UpstreamState::Quarantined);
        tally.listed(false);
        assert_eq!(tally.state(later), UpstreamState::Away);
        assert_eq!((tally.n_taken(), tally.n_doubled()), (1, 1));
    }
}
