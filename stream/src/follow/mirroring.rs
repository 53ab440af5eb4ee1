//! One mount, mirrored: asks for it where it is to be had, and makes one log of what comes.
//!
//! Over each way it opens a second connection when the first falls silent, and keeps whichever
//! delivers. Ways on standby are asked while pages are late on the others.

mod apart;

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::{mpsc, watch};
use tokio::time::sleep_until;
use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};

use super::merge::{Place, Rhythm};
use super::pull::{Beginning, Have, News};
use super::ruling::Wanted;
use super::trail::Trail;
use super::upstream::Upstream;
use super::ways::{Asking, Way};
use crate::handover::{Part, Stage, Verdict};
use crate::log::account::Step;
use crate::log::{Epoch, Keep};
use crate::mount::{Mirror, MountTable, Sinks};
use crate::ogg::Page;
use crate::shutdown::Shutdown;

/// A mount is taken off the air when for this long neither a page came nor an upstream answered a
/// new connection: a source that sends a page every five seconds is slow, not gone.
const OFF_AIR_AFTER: Duration = Duration::from_secs(4);
/// News that wait to be worked on; then the connection waits.
const NEWS_QUEUED_MAX: usize = 64;
/// Ways that are not on standby have to go without a break for so long before the others are let
/// go.
const STEADY_MIN: Duration = Duration::from_secs(10);
/// After this long without a page another log is taken, even from a lesser upstream …
const OTHER_LOG_AFTER: Duration = Duration::from_secs(3);
/// … and after this long one that was left before.
const OLD_LOG_AFTER: Duration = Duration::from_secs(10);
/// So many logs that were left are remembered.
const LEFT_MAX: usize = 8;

/// What a mirror needs of its node.
#[derive(Debug, Clone)]
pub(super) struct Means {
    pub(super) upstreams: Vec<Arc<Upstream>>,
    pub(super) trail: Arc<Trail>,
    pub(super) table: Arc<MountTable>,
    pub(super) keep: Keep,
    pub(super) sinks: Option<Arc<dyn Sinks>>,
    pub(super) shutdown: Shutdown,
}

/// A mirror at work.
pub(super) struct Mirroring {
    means: Means,
    wanted: watch::Receiver<Wanted>,
    stop: CancellationToken,
    mirror: Option<Mirror>,
    ways: Vec<Way>,
    /// The way that brought the newest page.
    from: usize,
    is_standby_called: bool,
    rhythm: Rhythm,
    /// Logs that were left for others.
    left: Vec<Epoch>,
    telling: mpsc::Sender<(u64, News)>,
    news: mpsc::Receiver<(u64, News)>,
    n_pulls: u64,
    heard: Instant,
    /// When a connection was last answered by one who hears from a master.
    answered: Instant,
}

impl Mirroring {
    pub(super) fn new(
        means: Means,
        wanted: watch::Receiver<Wanted>,
        stop: CancellationToken,
        mut mirror: Option<Mirror>,
    ) -> Self {
        let now = Instant::now();
        if let Some(mirror) = &mut mirror {
            mirror.write_down(means.sinks.as_ref());
        }
        let (telling, news) = mpsc::channel(NEWS_QUEUED_MAX);
        let ways = means.upstreams.iter().map(Arc::clone);
        Self {
            ways: ways.map(|upstream| Way::new(upstream, now)).collect(),
            means,
            wanted,
            stop,
            mirror,
            from: 0,
            is_standby_called: false,
            rhythm: Rhythm::default(),
            left: Vec::new(),
            telling,
            news,
            n_pulls: 0,
            heard: now,
            answered: now,
        }
    }

    /// Mirrors until it is stopped or the program is.
    pub(super) async fn run(mut self) {
        self.review(Instant::now());
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
                () = self.stop.cancelled() => {
                    self.mirror.iter_mut().for_each(Mirror::removed);
                    break;
                }
                () = shutdown.requested() => break,
            }
        }
        self.ways.iter_mut().for_each(Way::let_go);
    }

    /// The lists say something new of the mount.
    fn listed(&mut self) {
        let now = Instant::now();
        self.say_about();
        self.review(now);
        if self.is_expected() {
            self.ways.iter_mut().for_each(|way| way.hasten(now));
        }
    }

    /// When something is due though no news come.
    fn next_wake(&self) -> Instant {
        let due = self.ways.iter().filter_map(Way::due);
        let held = self.held().map(|(_, _, until)| until);
        let late = (!self.is_standby_called && self.has_standby()).then(|| self.late_at());
        // The mount has to be taken off the air meanwhile.
        let off_air = self
            .is_said_on_air()
            .then(|| self.alive_at() + OFF_AIR_AFTER);
        let all = due.chain(held).chain(late).chain(off_air);
        all.min().unwrap_or_else(|| Instant::now() + OFF_AIR_AFTER)
    }

    /// When the next page is late.
    fn late_at(&self) -> Instant {
        self.heard + self.rhythm.patience()
    }

    fn has_standby(&self) -> bool {
        self.ways.iter().any(Way::is_standby)
    }

    /// The last sign of life.
    fn alive_at(&self) -> Instant {
        self.heard.max(self.answered)
    }

    fn is_said_on_air(&self) -> bool {
        self.mirror
            .as_ref()
            .is_some_and(|mirror| mirror.mount().is_moving())
    }

    /// Whether there are pages to come, of sound or of filler.
    fn is_expected(&self) -> bool {
        let wanted = self.wanted.borrow();
        wanted.about.is_on_air || wanted.about.is_filled
    }

    fn wake(&mut self) {
        self.say_about();
        let now = Instant::now();
        if !self.is_expected() && self.mirror.is_some() {
            // The source is away and nothing fills in: silence is as it should be.
            self.heard = now;
            self.ways.iter_mut().for_each(|way| way.heard = now);
        }
        if let Some((way, at, until)) = self.held()
            && until <= now
        {
            self.give_up(way, at, now);
            self.take_held();
        }
        self.review(now);
        for way in 0..self.ways.len() {
            if self.ways[way].due().is_some_and(|due| due <= now) {
                self.ask(way, now);
            }
        }
    }

    /// Decides over which ways the mount is wanted.
    fn review(&mut self, now: Instant) {
        let carriers = self.wanted.borrow().carriers.clone();
        let may = |way: &Way, n: usize| {
            carriers.iter().any(|carrier| carrier.upstream == n) && !way.is_quarantined(now)
        };
        let (patience, was_called) = (self.rhythm.patience(), self.is_standby_called);
        let mut hot = (0..)
            .zip(&self.ways)
            .filter(|(n, way)| may(way, *n) && !way.is_standby())
            .map(|(_, way)| way);
        if self.late_at() <= now && (self.is_expected() || self.mirror.is_none()) {
            self.is_standby_called = true;
        } else if hot.any(|way| way.steady_for(patience, now) >= STEADY_MIN) {
            self.is_standby_called = false;
        }
        if was_called != self.is_standby_called && self.has_standby() && self.mirror.is_some() {
            self.say_standby();
        }
        for (n, way) in self.ways.iter_mut().enumerate() {
            let is_wanted = may(way, n) && (!way.is_standby() || self.is_standby_called);
            if is_wanted {
                way.want(now);
            } else {
                way.let_go();
            }
        }
    }

    fn ask(&mut self, way: usize, now: Instant) {
        if !self.ways[way].pulls.is_empty() {
            let path = &self.wanted.borrow().about.path;
            debug!("{path} is silent, asking a second time");
        }
        self.n_pulls += 1;
        let from = |mirror: &Mirror| match mirror.newest() {
            // Over several ways one page is fetched again: it shows that both have the same.
            Some(newest) if self.ways.len() > 1 => newest,
            _ => mirror.head(),
        };
        let have = self.mirror.as_ref().map(|mirror| Have {
            epoch: mirror.epoch(),
            from: from(mirror),
        });
        let asking = Asking {
            path: &self.wanted.borrow().about.path.clone(),
            have,
            trail: &self.means.trail,
            telling: &self.telling,
            shutdown: &self.means.shutdown,
        };
        self.ways[way].ask(self.n_pulls, &asking, now);
    }

    fn take(&mut self, number: u64, news: News) {
        let is_it = |way: &Way| way.pulls.iter().position(|pull| pull.number == number);
        let mut ways = self.ways.iter().enumerate();
        let Some((way, at)) = ways.find_map(|(n, way)| Some((n, is_it(way)?))) else {
            return;
        };
        match news {
            News::Start(beginning) => {
                self.ways[way].pulls[at].beginning = Some(beginning);
                let carriers = &self.wanted.borrow().carriers;
                if carriers.iter().any(|c| c.upstream == way && c.is_good) {
                    self.answered = Instant::now();
                }
            }
            News::Page { offset, page, step } => {
                self.take_page((way, at), offset, page, step);
                self.take_held();
            }
            News::Misfit if self.ways[way].is_misfit_again() => self.differs(way, Instant::now()),
            News::Misfit => {}
            News::End(why) => self.end_pull((way, at), &why),
        }
    }

    fn end_pull(&mut self, (way, at): (usize, usize), why: &str) {
        let (now, path) = (Instant::now(), self.wanted.borrow().about.path.clone());
        let way = &mut self.ways[way];
        if way.end_pull(at, why, now, fastrand::f64()) {
            warn!("lost {path} at {}: {why}", way.url());
        }
    }

    fn take_page(&mut self, (way, at): (usize, usize), offset: u64, page: Page, step: Step) {
        let Some(beginning) = self.ways[way].pulls[at].beginning.clone() else {
            return;
        };
        let now = Instant::now();
        let has_same = |mirror: &Mirror| mirror.epoch() == beginning.epoch;
        if !self.mirror.as_ref().is_some_and(has_same) {
            if !self.may_change_log(way, beginning.epoch, now) {
                return self.end_pull((way, at), "it has another log, which is not followed now");
            }
            if !self.open(
                &Beginning {
                    offset,
                    ..beginning
                },
                now,
            ) {
                return self.end_pull((way, at), "the mirror cannot be opened");
            }
        }
        let Some(mirror) = &self.mirror else {
            return;
        };
        let head = mirror.head();
        match Place::of(offset, page.len(), head) {
            Place::Across => match self.cut_at(&page, offset, head) {
                Some(page) => self.append((way, at), &page, step, now),
                None => self.differs(way, now),
            },
            Place::Below if mirror.has(offset, &page) == Some(false) => self.differs(way, now),
            Place::Below => {
                let has_all = offset + page.len() as u64 == head;
                self.ways[way].tally().double(now);
                self.hear((way, at), has_all, now);
            }
            Place::Next => self.append((way, at), &page, step, now),
            Place::Above => {
                let is_held = self.ways[way].pulls[at].held.keep(offset, page, step, now);
                if !is_held || !self.has_other_way(way, now) {
                    self.give_up(way, at, now);
                }
            }
        }
    }

    /// Appends the next page.
    fn append(&mut self, (way, at): (usize, usize), page: &Page, step: Step, now: Instant) {
        let Some(mirror) = &mut self.mirror else {
            return;
        };
        if let Err(stray) = mirror.append_step(page, step, now) {
            // Never from an honest master. Without its headers the log is of no use: begin again.
            self.end_pull((way, at), &format!("broken Ogg: {stray}"));
            return self.begin_anew(now);
        }
        self.rhythm.beat(now.saturating_duration_since(self.heard));
        (self.heard, self.from) = (now, way);
        self.ways[way].tally().take(now);
        self.hear((way, at), true, now);
        self.say_about();
        if self.is_standby_called {
            self.review(now);
        }
    }

    fn hear(&mut self, (way, at): (usize, usize), has_all: bool, now: Instant) {
        let way = &mut self.ways[way];
        way.hear(self.rhythm.patience(), now);
        if has_all && way.keep_only(at) {
            info!("{} is back", self.wanted.borrow().about.path);
        }
    }
}
