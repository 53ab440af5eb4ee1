//! The ways to a mount: for each upstream its connections, and when it is asked again.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::merge::Held;
use super::pull::{Beginning, Have, News, Pull};
use super::tally::Tally;
use super::trail::Trail;
use super::upstream::Upstream;
use crate::backoff::Backoff;
use crate::mount::MountPath;
use crate::shutdown::Shutdown;

/// A way from which nothing came for this long gets a second connection.
const SILENCE_MAX: Duration = Duration::from_secs(3);
/// Connections at once for one mount over one way.
const PULLS_MAX: usize = 2;
/// One that brought other bytes than ours is left alone for so long.
const QUARANTINE: Duration = Duration::from_secs(60);

/// So many answers without a page of ours mean that its bytes are others.
const MISFITS_MAX: u8 = 2;

/// One upstream, as one mount sees it.
pub(super) struct Way {
    upstream: Arc<Upstream>,
    pub(super) pulls: Vec<Open>,
    backoff: Backoff,
    /// While it is wanted and there is no connection.
    retry_at: Option<Instant>,
    /// When its newest page came, whether or not it was news.
    pub(super) heard: Instant,
    /// Since when its pages have come without a break.
    steady_since: Option<Instant>,
    quarantined_until: Option<Instant>,
    /// Answers, one after another, in which no page began where ours does.
    n_misfits: u8,
    /// The last complaint, so that it is made once and not at every attempt.
    complaint: String,
}

/// A connection.
pub(super) struct Open {
    pub(super) number: u64,
    stop: CancellationToken,
    started: Instant,
    pub(super) beginning: Option<Beginning>,
    pub(super) held: Held,
}

/// What a new connection needs.
pub(super) struct Asking<'a> {
    pub(super) path: &'a MountPath,
    pub(super) have: Option<Have>,
    pub(super) trail: &'a Arc<Trail>,
    pub(super) telling: &'a mpsc::Sender<(u64, News)>,
    pub(super) shutdown: &'a Shutdown,
}

impl Way {
    pub(super) fn new(upstream: Arc<Upstream>, now: Instant) -> Self {
        Self {
            upstream,
            pulls: Vec::new(),
            backoff: Backoff::new(),
            retry_at: None,
            heard: now,
            steady_since: None,
            quarantined_until: None,
            n_misfits: 0,
            complaint: String::new(),
        }
    }

    pub(super) fn url(&self) -> &str {
        self.upstream.url()
    }

    pub(super) fn tally(&self) -> &Tally {
        self.upstream.tally()
    }

    pub(super) fn is_standby(&self) -> bool {
        self.upstream.is_standby()
    }

    pub(super) fn is_quarantined(&self, now: Instant) -> bool {
        self.quarantined_until.is_some_and(|until| now < until)
    }

    /// Leaves it alone for a while.
    pub(super) fn quarantine(&mut self, now: Instant) {
        self.quarantined_until = Some(now + QUARANTINE);
        self.upstream.tally().quarantine(now + QUARANTINE);
        self.let_go();
    }

    /// Closes its connections, and asks for none.
    pub(super) fn let_go(&mut self) {
        for pull in self.pulls.drain(..) {
            pull.stop.cancel();
        }
        self.retry_at = None;
        self.steady_since = None;
        self.complaint.clear();
    }

    /// Closes its connections, and asks for another at once.
    pub(super) fn begin_anew(&mut self, now: Instant) {
        self.let_go();
        self.retry_at = Some(now);
    }

    /// Wants it: asks, unless it is being asked or waited for.
    pub(super) fn want(&mut self, now: Instant) {
        if self.pulls.is_empty() && self.retry_at.is_none() {
            self.heard = now;
            self.retry_at = Some(now);
        }
    }

    /// There is reason to believe that it works again.
    pub(super) fn hasten(&mut self, now: Instant) {
        if self.retry_at.is_some() {
            self.retry_at = Some(now);
        }
    }

    /// When something is due though no news come. `None`: it is not wanted.
    pub(super) fn due(&self) -> Option<Instant> {
        if self.retry_at.is_some() {
            return self.retry_at;
        }
        // The silence has lasted too long: of the way, and of its newest connection.
        let newest = self.pulls.iter().map(|pull| pull.started).max()?;
        Some(newest.max(self.heard) + SILENCE_MAX)
    }

    /// Opens a connection, in place of the oldest if there are too many.
    pub(super) fn ask(&mut self, number: u64, asking: &Asking<'_>, now: Instant) {
        self.retry_at = None;
        while self.pulls.len() >= PULLS_MAX {
            self.pulls.remove(0).stop.cancel();
        }
        let pull = Pull {
            number,
            upstream: Arc::clone(&self.upstream),
            trail: Arc::clone(asking.trail),
            path: asking.path.clone(),
            have: asking.have,
            news: asking.telling.clone(),
        };
        let stop = CancellationToken::new();
        let stopped = stop.clone();
        asking.shutdown.spawn("pull", async move {
            stopped.run_until_cancelled(pull.run()).await;
        });
        self.pulls.push(Open {
            number,
            stop,
            started: now,
            beginning: None,
            held: Held::default(),
        });
    }

    /// A connection is over. Returns whether that is worth a line in the log: it was the last, and
    /// this has not been said.
    pub(super) fn end_pull(&mut self, at: usize, why: &str, now: Instant, chance: f64) -> bool {
        self.pulls.remove(at).stop.cancel();
        if !self.pulls.is_empty() {
            return false;
        }
        self.retry_at = Some(now + self.backoff.next(chance));
        let is_new = self.complaint != why;
        if is_new {
            why.clone_into(&mut self.complaint);
        }
        is_new
    }

    /// A page came over it. `patience`: what time between pages is no break.
    pub(super) fn hear(&mut self, patience: Duration, now: Instant) {
        if self.steady_since.is_none() || now.saturating_duration_since(self.heard) > patience {
            self.steady_since = Some(now);
        }
        self.heard = now;
        self.n_misfits = 0;
    }

    /// In its answer no page begins where ours does. `true`: again, so it was not damaged on the
    /// way.
    pub(super) fn is_misfit_again(&mut self) -> bool {
        self.n_misfits = self.n_misfits.saturating_add(1);
        self.n_misfits >= MISFITS_MAX
    }

    /// For how long pages have come over it without a break.
    pub(super) fn steady_for(&self, patience: Duration, now: Instant) -> Duration {
        let is_heard = now.saturating_duration_since(self.heard) <= patience;
        let since = self.steady_since.filter(|_| is_heard);
        since.map_or(Duration::ZERO, |since| now.saturating_duration_since(since))
    }

    /// This connection has all there is: the other one is not needed. Returns whether something
    /// was complained of that is over now.
    pub(super) fn keep_only(&mut self, at: usize) -> bool {
        self.backoff.reset();
        if self.pulls.len() > 1 {
            let kept = self.pulls.swap_remove(at);
            for other in self.pulls.drain(..) {
                other.stop.cancel();
            }
            self.pulls.push(kept);
        }
        !std::mem::take(&mut self.complaint).is_empty()
    }
}
