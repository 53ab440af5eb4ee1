//! One mount of an Icecast, copied: a connection, a second one beside it when the first falls
//! silent, and a publisher who writes what is new.

use std::time::{Duration, Instant};

use stream::backoff::Backoff;
use stream::handover::{Part, Stage, Verdict};
use stream::log::Epoch;
use stream::mount::{Claimant, Facts, Mount, MountPath, Publisher};
use stream::ogg::Page;
use tokio::sync::mpsc;
use tokio::time::sleep_until;
use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};

use super::Means;
use super::frames::FrameJoint;
use super::joint::{Joint, Memory, Step};
use super::pull::{News, Telling, pull};
use super::titles::Said;

/// After this long without a page a second connection is opened beside the first.
const SILENCE_MAX: Duration = Duration::from_secs(3);
/// After this long the mount is off the air.
const OFF_AIR_AFTER: Duration = Duration::from_secs(4);
/// Connections at once for one mount.
const PULLS_MAX: usize = 2;
/// News that wait to be worked on; then the connection waits.
const NEWS_QUEUED_MAX: usize = 64;
/// So much of what is here is compared with a burst of MP3 or AAC.
const TAIL_BYTES_MAX: usize = 1024 * 1024;

/// A copy at work.
pub(super) struct Copying {
    means: Means,
    path: MountPath,
    stop: CancellationToken,
    facts: Facts,
    publisher: Option<Publisher>,
    said: Option<Said>,
    memory: Memory,
    pulls: Vec<Pull>,
    telling: mpsc::Sender<(u64, News)>,
    news: mpsc::Receiver<(u64, News)>,
    n_pulls: u64,
    backoff: Backoff,
    retry_at: Option<Instant>,
    heard: Instant,
    complaint: String,
}

struct Pull {
    number: u64,
    stop: CancellationToken,
    started: Instant,
    joint: Joint,
    frames: FrameJoint,
}

impl Copying {
    pub(super) fn new(means: Means, path: MountPath, stop: CancellationToken) -> Self {
        let now = Instant::now();
        let (telling, news) = mpsc::channel(NEWS_QUEUED_MAX);
        Self {
            means,
            path,
            stop,
            facts: Facts::default(),
            publisher: None,
            said: None,
            memory: Memory::default(),
            pulls: Vec::new(),
            telling,
            news,
            n_pulls: 0,
            backoff: Backoff::new(),
            retry_at: Some(now),
            heard: now,
            complaint: String::new(),
        }
    }

    /// Copies until it is stopped or the program is.
    pub(super) async fn run(mut self) {
        let shutdown = self.means.shutdown.clone();
        let mut member = shutdown.freeze().join(Stage::Writers);
        loop {
            let wake = tokio::time::Instant::from_std(self.next_wake());
            tokio::select! {
                Some((number, news)) = self.news.recv() => self.take(number, news),
                () = sleep_until(wake) => self.wake(Instant::now()),
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

    fn next_wake(&self) -> Instant {
        let due = self.retry_at.unwrap_or_else(|| self.silence_ends());
        if self.publisher.is_some() {
            due.min(self.heard + OFF_AIR_AFTER)
        } else {
            due
        }
    }

    fn silence_ends(&self) -> Instant {
        let newest = self.pulls.iter().map(|pull| pull.started).max();
        newest.map_or(self.heard, |newest| newest.max(self.heard)) + SILENCE_MAX
    }

    fn wake(&mut self, now: Instant) {
        if self.heard + OFF_AIR_AFTER <= now {
            // The mount and its listeners stay; who comes back goes on in the same log.
            self.publisher = None;
        }
        if self.retry_at.unwrap_or_else(|| self.silence_ends()) <= now {
            self.ask(now);
        }
    }

    fn ask(&mut self, now: Instant) {
        self.retry_at = None;
        while self.pulls.len() >= PULLS_MAX {
            self.pulls.remove(0).stop.cancel();
        }
        self.n_pulls += 1;
        let number = self.n_pulls;
        let telling = Telling::new(number, self.telling.clone());
        let request = (self.means.client).get(format!("{}{}", self.means.config.url, self.path));
        let request = request.header("Icy-MetaData", "1");
        let stop = CancellationToken::new();
        let stopped = stop.clone();
        let work = async move {
            let why = pull(request, &telling).await;
            let _ = telling.say(News::End(why)).await;
        };
        self.means.shutdown.spawn("pull", async move {
            stopped.run_until_cancelled(work).await;
        });
        self.pulls.push(Pull {
            number,
            stop,
            started: now,
            joint: Joint::default(),
            frames: FrameJoint::default(),
        });
    }

    fn take(&mut self, number: u64, news: News) {
        let Some(at) = self.pulls.iter().position(|pull| pull.number == number) else {
            return;
        };
        match news {
            News::Start(facts) => self.facts = *facts,
            News::Title(said) => {
                self.said = Some(said);
                self.tell_title();
            }
            News::Page(page) => self.take_page(at, &page),
            News::End(why) => self.end_pull(at, &why),
        }
    }

    fn end_pull(&mut self, at: usize, why: &str) {
        self.pulls.remove(at).stop.cancel();
        if !self.pulls.is_empty() {
            return;
        }
        self.retry_at = Some(Instant::now() + self.backoff.next(fastrand::f64()));
        if self.complaint != why {
            warn!("lost {} at {}: {why}", self.path, self.means.config.url);
            why.clone_into(&mut self.complaint);
        }
    }

    fn take_page(&mut self, at: usize, page: &Page) {
        let now = Instant::now();
        self.heard = now;
        self.backoff.reset();
        // The newer connection has what the older one has not brought yet.
        for older in self.pulls.drain(..at) {
            older.stop.cancel();
        }
        if page.is_frames() {
            return self.take_frames(page, now);
        }
        let headers = match self.pulls[0].joint.look(page, &self.memory, now) {
            Step::Pass => return self.means.tally.double(now),
            Step::Take => Vec::new(),
            Step::Begin(headers) if headers.is_empty() => {
                return self.end_pull(0, "its pages belong to no stream that has begun");
            }
            Step::Begin(headers) => headers,
        };
        if let Err(why) = self.write(&headers, page, now) {
            // What it sends now cannot be joined to what there is: begin again.
            self.memory.clear();
            return self.end_pull(0, &why);
        }
        self.taken(now);
    }

    fn taken(&mut self, now: Instant) {
        self.means.tally.take(now);
        if !self.complaint.is_empty() {
            info!("{} is back", self.path);
            self.complaint.clear();
        }
    }

    /// Takes a portion of MP3 or AAC: what of it is not here.
    fn take_frames(&mut self, page: &Page, now: Instant) {
        let (table, path) = (&self.means.table, &self.path);
        let tail = || table.find(path).map_or(Vec::new(), |mount| tail(&mount));
        let pages = self.pulls[0].frames.look(page, now, tail);
        if pages.is_empty() {
            return self.means.tally.double(now);
        }
        for page in pages {
            if let Err(why) = self.write(&[], &page, now) {
                return self.end_pull(0, &why);
            }
        }
        self.taken(now);
    }

    fn tell_title(&self) {
        if let (Some(publisher), Some(said)) = (&self.publisher, &self.said) {
            self.means.table.say(publisher.mount(), |playing| {
                playing.set_title(Some(&said.title));
                playing.set_url(said.url.as_deref());
            });
        }
    }

    /// Writes a page, after `headers` if it begins another stream.
    fn write(&mut self, headers: &[Page], page: &Page, now: Instant) -> Result<(), String> {
        if self.publisher.is_none() {
            self.publisher = Some(self.claim(now)?);
            self.tell_title();
        }
        let Some(publisher) = &mut self.publisher else {
            return Err("nobody may write it".to_owned());
        };
        // After an upgrade it is the log that knows how far the stream has come.
        let goes_on = self.memory.is_empty() && publisher.wanted(page.serial()).is_some();
        let headers = if goes_on { &[] } else { headers };
        if !headers.is_empty() {
            debug!("{} begins another stream", self.path);
            publisher.end_link(now);
            self.memory.clear();
        }
        publisher.heard(now);
        for page in headers.iter().chain([page]) {
            publisher
                .take(page, now, || fastrand::u32(..))
                .map_err(|stray| format!("broken sound: {stray}"))?;
            if !page.is_frames() {
                self.memory.keep(page);
            }
        }
        Ok(())
    }

    fn claim(&self, now: Instant) -> Result<Publisher, String> {
        let claimant = Claimant {
            user: self.means.config.url.clone(),
            login: 0,
            serial: None,
            uplink: 0,
        };
        let (desk, epoch) = (&self.means.desk, Epoch::new(fastrand::u128(..)));
        let claimed = desk.claim(&self.path, &claimant, self.facts.clone(), epoch, now);
        let publisher = claimed.map_err(|refusal| format!("it cannot be written: {refusal:?}"))?;
        info!("copying {}", self.path);
        Ok(publisher)
    }
}

/// The newest pages of a mount.
fn tail(mount: &Mount) -> Vec<Page> {
    let log = mount.log();
    let n_bytes = log.n_bytes().min(TAIL_BYTES_MAX) as u64;
    let kept = log.kept(log.head().saturating_sub(n_bytes), TAIL_BYTES_MAX);
    let pages = kept.unwrap_or_default().into_iter();
    pages.map(|kept| kept.page).collect()
}
