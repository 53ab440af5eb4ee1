//! One who listens and writes down what he gets. Where his connection ends he can go on at the
//! offset he has reached, at the same server or at another, as a web player does.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use tests::ear::Ear;
use tests::heard::Heard;
use tests::http::Request;
use tests::wait::{eventually, until};

use crate::stage::{PATIENCE, RATE, Stage};

/// A page of filler is smaller, one of the programme is larger.
const FILLER_BYTES_MAX: usize = 600;
/// For ever, as RFC 8673 has it.
const FOR_EVER: u64 = i64::MAX as u64;

/// Where somebody listens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum At {
    Master,
    Relay(usize),
}

/// One who listens.
#[derive(Debug)]
pub(crate) struct Listener {
    pub(crate) at: At,
    ear: Ear,
    began: Instant,
    /// What came over connections that have ended, cut to whole pages.
    earlier: Heard,
    /// How often he went on over a new connection.
    pub(crate) n_resumed: usize,
}

/// All that he got, as if over one connection.
#[derive(Debug)]
pub(crate) struct Account {
    pub(crate) at: At,
    pub(crate) heard: Heard,
    pub(crate) began: Instant,
    pub(crate) n_resumed: usize,
    /// When this account was taken, by the same clock as its pages.
    pub(crate) until: Duration,
}

impl Listener {
    pub(crate) fn new(at: At, ear: Ear) -> Self {
        Self {
            at,
            began: ear.began(),
            ear,
            earlier: Heard::default(),
            n_resumed: 0,
        }
    }

    pub(crate) fn has_ended(&self) -> bool {
        self.ear.heard().has_ended
    }

    pub(crate) fn wait_for_seconds(&self, seconds: f64, deadline: Duration) -> Result<()> {
        self.ear
            .wait_for_samples((seconds * f64::from(RATE)) as i64, deadline)
    }

    /// Goes on, as soon as it can, with the page behind the last whole one. When the first byte
    /// of the answer was there.
    pub(crate) fn go_on(&mut self, stage: &Stage, at: At) -> Result<Instant> {
        self.go_on_within(stage, at, PATIENCE)
    }

    /// As [`Self::go_on`], with another deadline.
    pub(crate) fn go_on_within(
        &mut self,
        stage: &Stage,
        at: At,
        deadline: Duration,
    ) -> Result<Instant> {
        let (tag, offset) = {
            let heard = self.ear.heard();
            let tag = heard.head.header("etag").context("no ETag")?.to_owned();
            let (start, _) = heard.log()?;
            let prefix = heard.head.number("stream-prefix")?;
            let end = heard.pages.last().map_or(prefix, |page| page.end as u64);
            (tag, start + end.saturating_sub(prefix))
        };
        let url = stage.mount_at(at);
        let dress = |request: Request| {
            let range = format!("bytes={offset}-{FOR_EVER}");
            request.header("If-Range", &tag).header("Range", &range)
        };
        let ear = stage.crowd.inside(|| {
            eventually(deadline, &format!("{url} goes on at {offset}"), || {
                let ear = Ear::listen_with(&url, dress)?;
                ensure!(ear.heard().head.status == 206, "not 206");
                Ok(ear)
            })
        })?;
        let answered = Instant::now();
        let before = std::mem::replace(&mut self.ear, ear);
        let start = before.began() - self.began;
        append(&mut self.earlier, before.stop(), start);
        (self.at, self.n_resumed) = (at, self.n_resumed + 1);
        Ok(answered)
    }

    /// Waits until the last page of the programme has come, or he has been sent away, and gives
    /// all that he got.
    pub(crate) fn finish(self) -> Account {
        let is_over = || {
            let heard = self.ear.heard();
            heard.has_ended || heard.pages.last().is_some_and(|page| page.stamp.is_last)
        };
        let _ = until(PATIENCE, "the end", is_over);
        self.stop()
    }

    /// Gives all that he got so far.
    pub(crate) fn stop(mut self) -> Account {
        let start = self.ear.began() - self.began;
        // Read before he hangs up: that would look like an end.
        let has_ended = self.ear.heard().has_ended;
        append(&mut self.earlier, self.ear.stop(), start);
        self.earlier.has_ended = has_ended;
        Account {
            at: self.at,
            began: self.began,
            n_resumed: self.n_resumed,
            until: self.began.elapsed(),
            heard: self.earlier,
        }
    }
}

/// What came over one more connection, whose times count from `start`.
fn append(all: &mut Heard, mut part: Heard, start: Duration) {
    let n_whole = part.pages.last().map_or(0, |page| page.end);
    let base = all.body.len();
    all.body
        .extend_from_slice(&part.body[..n_whole.min(part.body.len())]);
    for page in &mut part.pages {
        page.at += start;
        page.end += base;
    }
    all.pages.append(&mut part.pages);
    all.n_junk += part.n_junk;
    if all.head.status == 0 {
        all.head = part.head;
    }
}

impl Account {
    /// When the first page of the programme, and not of silence, came after this moment.
    pub(crate) fn back(&self, since: Instant) -> Option<Duration> {
        let mut programme = self
            .heard
            .sound()
            .filter(|page| page.n_bytes > FILLER_BYTES_MAX);
        let page = programme.find(|page| self.began + page.at > since)?;
        Some(self.began + page.at - since)
    }

    /// Seconds of filler: what small pages cover, but for the last.
    pub(crate) fn filler_seconds(&self) -> f64 {
        let pairs = self.heard.pages.windows(2);
        let filler = pairs.filter(|pair| {
            let is_one = pair[0].stamp.serial == pair[1].stamp.serial && pair[0].is_sound();
            is_one
                && pair[1].is_sound()
                && !pair[1].stamp.is_last
                && pair[1].n_bytes <= FILLER_BYTES_MAX
        });
        let n_samples: i64 = filler
            .map(|pair| pair[1].stamp.granule - pair[0].stamp.granule)
            .sum();
        n_samples as f64 / f64::from(RATE)
    }
}
