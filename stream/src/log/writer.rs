//! The one who may write a mastered log: source and filler through the splice into the log, and
//! what was written to the one who keeps it on disk. Time and chance come in.

use std::sync::Arc;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::account::Step;
use super::clusters::Clusters;
use super::filler::{Clock, ClockState};
use super::retitling::{Retitling, RetitlingState};
use super::ring::Keep;
use super::shared::Log;
use super::sink::{Appended, Sink};
use super::splice::Counts;
use super::{Epoch, Splice};
use crate::mpeg::{Bridge, Silence, bridge};
use crate::ogg::{Page, Stray, Tags};

/// So far behind the place where a log was read back from disk, others may have pages of it that
/// the disk has not.
pub const DOUBT_BYTES: u64 = 1024 * 1024;
/// So many bytes are skipped when the log cannot go on with those very pages. More than can ever
/// have been written without being on disk.
pub const SKIP_BYTES: u64 = 64 * 1024 * 1024;
/// So long before filler is due a sink is told of it: longer than the time from one look at what is
/// due to the next.
const ANNOUNCED_BEFORE: Duration = Duration::from_secs(1);

/// The one who may append to a mastered log: the log, the memory of its chain, and the one who
/// writes it down.
#[derive(Debug)]
pub struct Writer {
    log: Arc<Log>,
    splice: Splice,
    clusters: Clusters,
    clock: Clock,
    filler: Duration,
    retitling: Retitling,
    bridge: Bridge,
    /// The sink was told that filler may follow, or a link for a title.
    is_announced: bool,
    out: Vec<Page>,
    sink: Option<Box<dyn Sink>>,
    doubt: Doubt,
}

/// What others may have heard of a log behind the place where it was read back from disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Doubt {
    /// Nothing that is not here.
    None,
    /// The source's very next pages.
    Sound { restored_at: u64 },
    /// Anything else: there may have been filler, or the source has gone on elsewhere.
    Any { restored_at: u64 },
}

/// What a writer knows that its log does not say, as it is handed to another program.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct WriterState {
    clock: ClockState,
    filler: Duration,
    is_announced: bool,
    doubt: Doubt,
    counts: Counts,
    #[serde(default)]
    clusters: Clusters,
    #[serde(default)]
    retitling: RetitlingState,
    #[serde(default)]
    bridge: Bridge,
}

impl Writer {
    /// What it knows at `now`.
    pub fn state(&self, now: Instant) -> WriterState {
        WriterState {
            clock: self.clock.state(now),
            filler: self.filler,
            is_announced: self.is_announced,
            doubt: self.doubt,
            counts: self.splice.counts(),
            clusters: self.clusters.clone(),
            retitling: self.retitling.state(now),
            bridge: self.bridge.clone(),
        }
    }

    /// Goes on where another writer of the same log stood at `now`.
    pub fn go_on(&mut self, state: &WriterState, now: Instant) {
        self.clock = Clock::of(&state.clock, now);
        self.filler = state.filler;
        self.doubt = state.doubt;
        self.splice.count_from(state.counts);
        self.clusters = state.clusters.clone();
        self.retitling = Retitling::of(&state.retitling, now);
        self.bridge = state.bridge.clone();
        self.announce(state.is_announced);
    }

    /// The writer of a new log.
    pub fn new(epoch: Epoch, keep: Keep) -> Self {
        Self::of(Log::new(epoch, 0, keep), Splice::new())
    }

    /// The writer of a log that was read back from disk, at `now`.
    pub(super) fn restored(log: Arc<Log>, splice: Splice, now: Instant) -> Self {
        let restored_at = log.head();
        Self {
            doubt: Doubt::Sound { restored_at },
            clock: Clock::restored(now),
            clusters: Clusters::restored(log.newest().map(|page| page.stamp())),
            ..Self::of(log, splice)
        }
    }

    fn of(log: Arc<Log>, splice: Splice) -> Self {
        Self {
            log,
            splice,
            clusters: Clusters::default(),
            clock: Clock::default(),
            filler: Duration::ZERO,
            retitling: Retitling::default(),
            bridge: Bridge::default(),
            is_announced: false,
            out: Vec::new(),
            sink: None,
            doubt: Doubt::None,
        }
    }

    /// Filler may have been written behind what was read back, or a link for a title.
    pub fn suspect_filler(&mut self) {
        self.suspect_any();
    }

    fn suspect_any(&mut self) {
        if let Doubt::Sound { restored_at } = self.doubt {
            self.doubt = Doubt::Any { restored_at };
        }
    }

    /// Tells `sink` of every page from now on.
    pub fn set_sink(&mut self, sink: Option<Box<dyn Sink>>) {
        self.sink = sink;
    }

    /// The one who is told of every page.
    pub fn sink(&mut self) -> Option<&mut (dyn Sink + 'static)> {
        self.sink.as_deref_mut()
    }

    /// The log it writes.
    pub fn log(&self) -> &Arc<Log> {
        &self.log
    }

    /// The memory of the chain.
    pub fn splice(&self) -> &Splice {
        &self.splice
    }

    /// Takes a page from the source, puts it right and appends it.
    ///
    /// # Errors
    /// When no decoder could make sense of the page where it stands.
    pub fn take(
        &mut self,
        page: &Page,
        now: Instant,
        mut chance: impl FnMut() -> u32,
    ) -> Result<(), Stray> {
        let link = self.log.link();
        let link = link.as_deref();
        if link.is_some_and(|link| link.format() != page.format()) {
            return Err(Stray::OtherFormat);
        }
        if page.is_frames() {
            return self.take_frames(page, now);
        }
        if page.is_webm() {
            self.out.extend(self.clusters.take(page, link, chance));
            return self.append(false, now);
        }
        if self.is_filled() && self.splice.begins_with(page) {
            self.fill_up(now);
        }
        let stamp = page.stamp();
        let wanted = self.splice.wanted(stamp.serial);
        // An end without sound may have been put there by a source that died and came back.
        let is_own = !stamp.is_first && !self.splice.is_mere_end(page);
        let is_next = is_own && wanted == Some(stamp.sequence);
        let length = self.splice.take(page, &mut chance, &mut self.out);
        if self.out.is_empty() {
            if !is_next && self.splice.wanted(stamp.serial) != wanted {
                // It is left out and was not the next: nor is what follows it.
                self.suspect_any();
            }
            return Ok(());
        }
        self.clock.sounded(length, now);
        let parts = self
            .retitling
            .part(&mut self.splice, link, now, chance, &mut self.out);
        let appended = self.append(is_next && !parts, now);
        self.announce(self.retitling.is_due());
        appended
    }

    /// Takes a portion of MP3 or AAC: none is missing or comes twice.
    fn take_frames(&mut self, page: &Page, now: Instant) -> Result<(), Stray> {
        if self.is_filled() && self.clock.is_greeted() {
            self.fill_up(now);
        }
        self.out.push(self.bridge.cross(page));
        self.clock.sounded(bridge::length(page), now);
        self.announce(false);
        self.append(false, now)
    }

    /// Begins a link with these tags soon: behind a page of the source that comes a second from
    /// now or later. A newer title before that takes the place of this one.
    pub fn retitle(&mut self, tags: Tags, now: Instant) {
        self.retitling.ask(tags, self.log.link().as_deref(), now);
        if self.retitling.is_due() {
            self.announce(true);
        }
    }

    /// Whether a title waits for its link.
    #[cfg(test)]
    pub(super) fn is_title_due(&self) -> bool {
        self.retitling.is_due()
    }

    /// Appends filler where the log would be more than `behind_max` behind the clock. A sink is
    /// told first, and has until the next time to write that down; and after a stop of the whole
    /// program, what a source has sent meanwhile can be read until then.
    pub fn fill(&mut self, behind_max: Duration, now: Instant) {
        let soon = behind_max.saturating_sub(ANNOUNCED_BEFORE);
        if !self.is_announced {
            if self.can_fill() && self.clock.due(soon, now).is_some() {
                self.announce(true);
            }
        } else if let Some(due) = self.clock.due(behind_max, now) {
            self.fill_for(due, now);
        }
    }

    /// How much filler there is in the log in all, from its beginning.
    pub fn filler(&self) -> Duration {
        self.filler
    }

    /// Filler is the newest in the log.
    pub fn is_filled(&self) -> bool {
        !self.clock.n_filled().is_zero()
    }

    /// A source has this writer from now on.
    pub fn greet(&mut self, now: Instant) {
        self.clock.greeted(now);
    }

    /// A source begins again with a stream that is called as the one before.
    pub fn begin_again(&mut self, now: Instant) {
        if self.is_filled() {
            self.fill_up(now);
        }
        self.end_link(now);
    }

    /// This source has nothing of what the log is behind by: it begins now.
    fn fill_up(&mut self, now: Instant) {
        let due = self.clock.all_due(now);
        self.fill_for(due, now);
    }

    /// Ends the link that is open, if one is: a source said good-bye, or will not come back. Frames
    /// have no links: there no filler comes any more.
    pub fn end_link(&mut self, now: Instant) {
        if self.log.newest().is_some_and(|page| page.is_frames()) {
            self.clock = Clock::default();
        }
        self.splice.end_link(&mut self.out);
        // An `eos` page of a link whose headers never came has nowhere to go.
        let _ = self.append(false, now);
    }

    fn fill_for(&mut self, length: Duration, now: Instant) {
        let filled = match self.silence() {
            Some(silence) => {
                self.bridge.begin();
                silence.write(length, &mut self.out)
            }
            None => self.splice.fill(length, &mut self.out),
        };
        self.clock.filled(filled);
        self.filler += filled;
        // Its link is there, or nothing would have been written.
        let _ = self.append(false, now);
    }

    fn can_fill(&self) -> bool {
        self.splice.can_fill() || self.silence().is_some()
    }

    /// What goes on behind the newest frames, where the log is of frames.
    fn silence(&self) -> Option<Silence> {
        self.log.newest().as_ref().and_then(Silence::behind)
    }

    fn announce(&mut self, may_follow: bool) {
        if std::mem::replace(&mut self.is_announced, may_follow) != may_follow
            && let Some(sink) = &mut self.sink
        {
            sink.filling(may_follow);
        }
    }

    /// Appends what is in `out`. `is_next`: it is the page that follows the newest in the source's
    /// own stream, so that it comes out the same however often it is spliced.
    fn append(&mut self, is_next: bool, now: Instant) -> Result<(), Stray> {
        if !self.out.is_empty() {
            self.leave_doubt(is_next);
        }
        let mut result = Ok(());
        let n_pages = self.out.len();
        for (n, page) in self.out.drain(..).enumerate() {
            let offset = self.log.head();
            let step = Step {
                trace: self.splice.trace(page.serial()),
                is_unfinished: n + 1 < n_pages,
            };
            let appended = self.log.append(&page, step, now);
            result = result.and(appended);
            if let (Ok(()), Some(sink)) = (appended, &mut self.sink) {
                sink.appended(&page, Appended::new(offset, step, now));
            }
        }
        result
    }

    /// Somebody may have heard pages that were not on disk yet when the program ended. Where the
    /// source sends them again they come out the same, byte for byte. Anything else must not stand
    /// at their offsets: one offset never means two bytes.
    fn leave_doubt(&mut self, is_next: bool) {
        let restored_at = match self.doubt {
            Doubt::None => return,
            Doubt::Sound { .. } if is_next => return,
            Doubt::Sound { restored_at } | Doubt::Any { restored_at } => restored_at,
        };
        self.doubt = Doubt::None;
        if self.log.head() < restored_at.saturating_add(DOUBT_BYTES) {
            self.log.skip_to(restored_at.saturating_add(SKIP_BYTES));
        }
    }
}
