//! One mount, mirrored: keeps a connection to the master, opens a second one beside it when the
//! first falls silent, and keeps whichever delivers.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::{mpsc, watch};
use tokio::time::sleep_until;
use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};

use super::pull::{Beginning, Have, News, Pull};
use super::upstream::Upstream;
use crate::backoff::Backoff;
use crate::handover::{Part, Stage, Verdict};
use crate::log::Keep;
use crate::mount::{CatalogMount, Mirror, MountTable, Start};
use crate::ogg::Page;
use crate::shutdown::Shutdown;

/// A mount on air from which nothing came for this long is fetched by a second connection.
const SILENCE_MAX: Duration = Duration::from_secs(3);
/// A mount is taken off the air when for this long neither a page came nor the master answered a
/// new connection: a source that sends a page every five seconds is slow, not gone.
const OFF_AIR_AFTER: Duration = Duration::from_secs(4);
/// News that wait to be worked on; then the connection waits.
const NEWS_QUEUED_MAX: usize = 64;
/// Connections at once for one mount.
const PULLS_MAX: usize = 2;

/// What a mirror needs of the relay.
#[derive(Debug, Clone)]
pub(super) struct Means {
    pub(super) upstream: Arc<Upstream>,
    pub(super) table: Arc<MountTable>,
    pub(super) keep: Keep,
    pub(super) shutdown: Shutdown,
}

/// A mirror at work.
pub(super) struct Mirroring {
    means: Means,
    wanted: watch::Receiver<CatalogMount>,
    stop: CancellationToken,
    mirror: Option<Mirror>,
    pulls: Vec<Open>,
    telling: mpsc::Sender<(u64, News)>,
    news: mpsc::Receiver<(u64, News)>,
    n_pulls: u64,
    backoff: Backoff,
    retry_at: Option<Instant>,
    heard: Instant,
    /// When a connection was last answered.
    answered: Instant,
    /// The last complaint, so that it is made once and not at every attempt.
    complaint: String,
}

struct Open {
    number: u64,
    stop: CancellationToken,
    started: Instant,
    beginning: Option<Beginning>,
}

impl Mirroring {
    pub(super) fn new(
        means: Means,
        wanted: watch::Receiver<CatalogMount>,
        stop: CancellationToken,
        mirror: Option<Mirror>,
    ) -> Self {
        let now = Instant::now();
        let (telling, news) = mpsc::channel(NEWS_QUEUED_MAX);
        Self {
            means,
            wanted,
            stop,
            mirror,
            pulls: Vec::new(),
            telling,
            news,
            n_pulls: 0,
            backoff: Backoff::new(),
            retry_at: Some(now),
            heard: now,
            answered: now,
            complaint: String::new(),
        }
    }

    /// Mirrors until it is stopped or the relay is.
    pub(super) async fn run(mut self) {
        let mut member = self.means.shutdown.freeze().join(Stage::Writers);
        loop {
            let wake = tokio::time::Instant::from_std(self.next_wake());
            let shutdown = self.means.shutdown.clone();
            tokio::select! {
                Some((number, news)) = self.news.recv() => self.take(number, news),
                changed = self.wanted.changed() => {
                    if changed.is_err() {
                        break;
                    }
                    self.listed();
                }
                () = sleep_until(wake) => self.wake(),
                () = member.asked() => {
                    if member.arrive(Part::Nothing).await == Verdict::Leave {
                        break;
                    }
                }
                () = self.stop.cancelled() => break,
                () = shutdown.requested() => break,
            }
        }
        for pull in &self.pulls {
            pull.stop.cancel();
        }
    }

    /// The master says something new of the mount.
    fn listed(&mut self) {
        self.say_about();
        if self.retry_at.is_some() && self.is_expected() {
            self.retry_at = Some(Instant::now());
        }
    }

    /// When something is due though no news come.
    fn next_wake(&self) -> Instant {
        let due = self.retry_at.unwrap_or_else(|| self.silence_ends());
        // The mount has to be taken off the air meanwhile.
        if self.is_said_on_air() {
            due.min(self.alive_at() + OFF_AIR_AFTER)
        } else {
            due
        }
    }

    /// When the silence has lasted too long: of the log, and of the newest connection.
    fn silence_ends(&self) -> Instant {
        let newest = self.pulls.iter().map(|pull| pull.started).max();
        newest.map_or(self.heard, |newest| newest.max(self.heard)) + SILENCE_MAX
    }

    /// The last sign of life from the master.
    fn alive_at(&self) -> Instant {
        self.heard.max(self.answered)
    }

    fn is_said_on_air(&self) -> bool {
        self.mirror
            .as_ref()
            .is_some_and(|mirror| mirror.mount().is_moving())
    }

    /// Whether the master has pages coming, of sound or of filler.
    fn is_expected(&self) -> bool {
        let wanted = self.wanted.borrow();
        wanted.is_on_air || wanted.is_filled
    }

    fn wake(&mut self) {
        self.say_about();
        let now = Instant::now();
        match self.retry_at {
            Some(at) if at <= now => {
                self.retry_at = None;
                self.start_pull(now);
            }
            Some(_) => {}
            // The source is away and nothing fills in: silence is as it should be.
            None if !self.is_expected() => self.heard = now,
            None if self.silence_ends() <= now => {
                debug!(
                    "{} is silent, asking a second time",
                    self.wanted.borrow().path
                );
                self.start_pull(now);
            }
            None => {}
        }
    }

    fn start_pull(&mut self, now: Instant) {
        while self.pulls.len() >= PULLS_MAX {
            self.pulls.remove(0).stop.cancel();
        }
        self.n_pulls += 1;
        let path = self.wanted.borrow().path.clone();
        let pull = Pull {
            number: self.n_pulls,
            upstream: Arc::clone(&self.means.upstream),
            path,
            have: self.mirror.as_ref().map(|m| Have {
                epoch: m.epoch(),
                head: m.head(),
            }),
            news: self.telling.clone(),
        };
        let stop = CancellationToken::new();
        let stopped = stop.clone();
        self.means.shutdown.spawn("pull", async move {
            stopped.run_until_cancelled(pull.run()).await;
        });
        self.pulls.push(Open {
            number: self.n_pulls,
            stop,
            started: now,
            beginning: None,
        });
    }

    fn take(&mut self, number: u64, news: News) {
        let Some(at) = self.pulls.iter().position(|pull| pull.number == number) else {
            return;
        };
        match news {
            News::Start(beginning) => {
                self.pulls[at].beginning = Some(beginning);
                self.answered = Instant::now();
            }
            News::Page { offset, page } => self.take_page(at, offset, &page),
            News::End(why) => self.end_pull(at, &why),
        }
    }

    fn end_pull(&mut self, at: usize, why: &str) {
        self.pulls.remove(at).stop.cancel();
        if !self.pulls.is_empty() {
            return;
        }
        let wait = self.backoff.next(fastrand::f64());
        self.retry_at = Some(Instant::now() + wait);
        if self.complaint != why {
            warn!(
                "lost {} at {}: {why}",
                self.wanted.borrow().path,
                self.means.upstream.url()
            );
            why.clone_into(&mut self.complaint);
        }
    }

    fn take_page(&mut self, at: usize, offset: u64, page: &Page) {
        let Some(beginning) = self.pulls[at].beginning.clone() else {
            return;
        };
        let now = Instant::now();
        let is_same = self
            .mirror
            .as_ref()
            .is_some_and(|m| m.epoch() == beginning.epoch);
        if !is_same && !self.open(&beginning, now) {
            return self.end_pull(at, "the mirror cannot be opened");
        }
        let Some(mirror) = &mut self.mirror else {
            return;
        };
        if offset < mirror.head() {
            return;
        }
        if offset > mirror.head() && !mirror.is_in_link(&beginning.prefix) {
            // Another link began in the part that was missed.
            self.mirror = None;
            return self.take_page(at, offset, page);
        }
        if offset > mirror.head() {
            let path = mirror.mount().path().clone();
            warn!(
                "{} bytes of {path} were lost: the break was too long",
                offset - mirror.head()
            );
            mirror.skip_to(offset);
        }
        if let Err(stray) = mirror.append(page, now) {
            // Never from an honest master. Without its headers the log is of no use: begin again.
            self.mirror = None;
            return self.end_pull(at, &format!("broken Ogg: {stray}"));
        }
        self.heard = now;
        self.backoff.reset();
        self.keep_only(at);
        self.say_about();
    }

    /// This connection delivers: the other one is not needed.
    fn keep_only(&mut self, at: usize) {
        if self.pulls.len() > 1 {
            let kept = self.pulls.swap_remove(at);
            for other in self.pulls.drain(..) {
                other.stop.cancel();
            }
            self.pulls.push(kept);
        }
        if !self.complaint.is_empty() {
            info!("{} is back", self.wanted.borrow().path);
            self.complaint.clear();
        }
    }

    fn open(&mut self, beginning: &Beginning, now: Instant) -> bool {
        let wanted = self.wanted.borrow().clone();
        let start = Start {
            epoch: beginning.epoch,
            offset: beginning.offset,
            prefix: &beginning.prefix,
            keep: self.means.keep,
        };
        match Mirror::open(&self.means.table, &wanted.path, &wanted.facts, start, now) {
            Ok(mirror) => {
                info!("mirroring {} from offset {}", wanted.path, beginning.offset);
                self.mirror = Some(mirror);
                true
            }
            Err(why) => {
                warn!("cannot mirror {}: {why}", wanted.path);
                false
            }
        }
    }

    /// Tells the mount whether it is on air: its source is there, and so is the sound.
    fn say_about(&self) {
        let Some(mirror) = &self.mirror else { return };
        let now = Instant::now();
        let wanted = self.wanted.borrow();
        let is_heard = now.duration_since(self.alive_at()) < OFF_AIR_AFTER;
        mirror.set_about(&wanted, is_heard, now);
    }
}
