//! The last seconds of pages of one mount, by offset. Pure: time comes in.
//!
//! Does no I/O and never waits. One log of bytes: offsets only rise, and the byte at an
//! offset is the same at the master and at every relay.

mod copy;
mod kept;
mod skipped;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;

use super::account::{Account, Step, Trace, header_pages};
use super::epoch::Epoch;
use crate::ogg::{Format, Link, Links, Page, Role, Stamp, Stray};

pub use copy::Copied;
pub use kept::Kept;
use skipped::Skipped;

/// How much a ring keeps: whichever limit is reached first.
#[derive(Clone, Copy, Debug)]
pub struct Keep {
    /// Pages that arrived longer ago are dropped.
    pub time: Duration,
    /// With more bytes than this the oldest pages are dropped.
    pub n_bytes: usize,
}

impl Default for Keep {
    fn default() -> Self {
        Self {
            time: Duration::from_secs(60),
            n_bytes: 16 * 1024 * 1024,
        }
    }
}

/// The recent part of a log.
#[derive(Debug)]
pub struct Ring {
    epoch: Epoch,
    keep: Keep,
    entries: VecDeque<Entry>,
    n_bytes: usize,
    head: u64,
    skipped: Option<Skipped>,
    /// What stood before the skipped stretch, for those who had not been sent all of it.
    passed: VecDeque<Entry>,
    links: Links,
    /// Offset of the first header page of the current link.
    link_start: u64,
    /// Whether the headers of any link have been complete: before, there is nothing to hear.
    has_begun: bool,
    /// The newest stamp of each logical stream that has not ended.
    open: Vec<Stamp>,
    /// What must be known to go on with the oldest page.
    tail: Account,
}

#[derive(Debug)]
struct Entry {
    offset: u64,
    page: Page,
    arrived: Instant,
    is_join_point: bool,
    step: Step,
}

/// Where a new listener starts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Join {
    /// Sent first; not part of the log. Empty when the headers follow in the log itself.
    pub prefix: Bytes,
    /// The first byte of the log that he gets.
    pub offset: u64,
}

/// The bytes a cursor wants are gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FellBehind {
    /// How many bytes before the oldest one that is kept.
    pub n_bytes: u64,
}

impl Ring {
    /// An empty ring of a log that begins at `offset` (0 at a master; where it joined, at a
    /// relay).
    pub fn new(epoch: Epoch, offset: u64, keep: Keep) -> Self {
        Self {
            epoch,
            keep,
            entries: VecDeque::new(),
            n_bytes: 0,
            head: offset,
            skipped: None,
            passed: VecDeque::new(),
            links: Links::new(),
            link_start: offset,
            has_begun: false,
            open: Vec::new(),
            tail: Account::at(offset),
        }
    }

    /// The ring of a log that stands where `account` says; what came before is appended next.
    ///
    /// # Errors
    /// When the account's header pages are none.
    pub(super) fn restored(epoch: Epoch, keep: Keep, account: &Account) -> Result<Self, Stray> {
        let mut ring = Self::new(epoch, account.offset(), keep);
        for page in &header_pages(&account.headers()).unwrap_or_default() {
            ring.learn_header(page)?;
        }
        ring.link_start = account.link_start();
        // A link that begins later than the log is not its first.
        ring.has_begun |= account.link_start() > 0;
        let newest = account.streams().iter().map(|stream| stream.newest);
        ring.open = newest.filter(|stamp| !stamp.is_last).collect();
        ring.tail = account.clone();
        Ok(ring)
    }

    /// Takes header pages that lie before the ring's first offset: the prefix a relay got.
    ///
    /// # Errors
    /// When the page does not fit the headers so far.
    pub fn learn_header(&mut self, page: &Page) -> Result<(), Stray> {
        self.links.take(page)?;
        self.has_begun |= self.links.current().is_some();
        self.tail.learn_header(page)
    }

    /// Appends a page of which nothing is known but its bytes: see [`Self::append_step`].
    ///
    /// # Errors
    /// As there.
    pub fn append(&mut self, page: &Page, now: Instant) -> Result<(), Stray> {
        self.append_step(page, Step::default(), now)
    }

    /// Appends a page that arrived at `now` and drops what is too old.
    ///
    /// # Errors
    /// When the page belongs to no link of the chain; nothing is appended then.
    pub fn append_step(&mut self, page: &Page, step: Step, now: Instant) -> Result<(), Stray> {
        let role = self.links.take(page)?;
        self.has_begun |= self.links.current().is_some();
        if matches!(role, Role::Start) {
            self.link_start = self.head;
            self.open.clear();
        }
        let stamp = page.stamp();
        self.open.retain(|open| open.serial != stamp.serial);
        if !stamp.is_last {
            self.open.push(stamp);
        }
        let is_join_point = match &role {
            Role::Data(link) => link.is_join_point(page),
            _ => page.is_frames(),
        };
        self.entries.push_back(Entry {
            offset: self.head,
            page: page.clone(),
            arrived: now,
            is_join_point,
            step,
        });
        self.head += page.len() as u64;
        self.n_bytes += page.len();
        self.drop_old(now);
        Ok(())
    }

    fn drop_old(&mut self, now: Instant) {
        self.drop_passed(now);
        while self.entries.len() > 1 {
            let Some(oldest) = self.entries.front() else {
                return;
            };
            if !self.is_too_old(oldest, now) {
                return;
            }
            let Some(oldest) = self.entries.pop_front() else {
                return;
            };
            self.n_bytes -= oldest.page.len();
            self.forget(&oldest);
        }
    }

    fn is_too_old(&self, oldest: &Entry, now: Instant) -> bool {
        let is_old = now.saturating_duration_since(oldest.arrived) > self.keep.time;
        is_old || self.n_bytes > self.keep.n_bytes
    }

    /// The oldest page is not part of what can be gone on with any more.
    fn forget(&mut self, oldest: &Entry) {
        // What was part of the log once is so again.
        let _ = take(&mut self.tail, &oldest.page, oldest.step);
    }

    /// Which log this is.
    pub fn epoch(&self) -> Epoch {
        self.epoch
    }

    /// The offset of the next byte to come.
    pub fn head(&self) -> u64 {
        self.head
    }

    /// The oldest offset that can still be read.
    pub fn oldest(&self) -> u64 {
        self.entries.front().map_or(self.head, |entry| entry.offset)
    }

    /// Bytes kept now.
    pub fn n_bytes(&self) -> usize {
        self.n_bytes
    }

    /// When the oldest page arrived that is kept.
    pub fn oldest_arrival(&self) -> Option<Instant> {
        self.entries.front().map(|entry| entry.arrived)
    }

    /// When the newest page arrived.
    pub fn newest_arrival(&self) -> Option<Instant> {
        self.entries.back().map(|entry| entry.arrived)
    }

    /// The newest page that is kept.
    pub(super) fn newest(&self) -> Option<&Page> {
        self.entries.back().map(|entry| &entry.page)
    }

    /// The current link, once its headers are complete.
    pub fn link(&self) -> Option<&Arc<Link>> {
        self.links.current()
    }

    /// Where a listener starts who wants the last `burst` of the current link.
    ///
    /// The burst is counted back from the newest page, so that one who joins while the source
    /// is away gets sound at once too. It never reaches back into an earlier link: many players
    /// stumble where one link follows another. It is longer where key frames are rare. `None`: the
    /// headers of the first link are not complete yet.
    pub fn join(&self, burst: Duration) -> Option<Join> {
        if !self.has_begun {
            return None;
        }
        let link = self.link();
        let newest = self.newest_arrival();
        let from = newest.and_then(|newest| newest.checked_sub(burst));
        let points = || {
            let entries = self.entries.iter().rev();
            let in_link = entries.take_while(|entry| entry.offset >= self.link_start);
            in_link.filter(|entry| entry.is_join_point)
        };
        let point = points()
            .take_while(|entry| from.is_none_or(|from| entry.arrived >= from))
            .last()
            .or_else(|| points().next());
        match (point, link) {
            (Some(entry), Some(link)) => Some(Join {
                prefix: link.prefix.clone(),
                offset: entry.offset,
            }),
            // The link's first pages are in the ring: they bring their own headers.
            (None, _) if self.reaches(self.link_start) => Some(Join {
                prefix: Bytes::new(),
                offset: self.link_start,
            }),
            (None, Some(link)) => Some(Join {
                prefix: link.prefix.clone(),
                offset: self.head,
            }),
            (_, None) => None,
        }
    }

    /// When the byte at `offset` arrived. `None`: it is not kept, or has not come yet.
    pub fn arrival(&self, offset: u64) -> Option<Instant> {
        let at = self.entries.partition_point(|entry| entry.end() <= offset);
        self.entries
            .get(at)
            .filter(|entry| entry.offset <= offset)
            .map(|entry| entry.arrived)
    }

    /// The first page boundary at which somebody who already has this link's headers may go on
    /// who has to jump over what he missed.
    pub fn live_edge(&self) -> u64 {
        self.entries
            .iter()
            .rev()
            .take_while(|entry| entry.offset >= self.link_start)
            .find(|entry| entry.is_join_point)
            .map_or(self.head, |entry| entry.offset)
    }

    /// Offset of the first header page of the current link.
    pub fn link_start(&self) -> u64 {
        self.link_start
    }

    /// The pages that would end the current link here, for listeners who are about to be moved
    /// to another log. Not part of this log.
    pub fn farewell(&self) -> Vec<Page> {
        let Some(link) = self.link().filter(|link| link.format() == Format::Ogg) else {
            return Vec::new();
        };
        let streams = link.streams.iter();
        streams
            .filter_map(|facts| {
                let last = self.open.iter().find(|open| open.serial == facts.serial)?;
                Some(Page::end_of(last, facts.codec.silent_packet()))
            })
            .collect()
    }

    fn reaches(&self, offset: u64) -> bool {
        offset >= self.oldest() && offset < self.head
    }

    /// Collects bytes from `offset` on, at most about `n_bytes_max` (one page more at most) in at
    /// most `n_pieces_max` pieces, without copying them, and returns the offset behind them.
    ///
    /// # Errors
    /// When `offset` is older than the ring.
    pub fn read(
        &self,
        offset: u64,
        n_bytes_max: usize,
        n_pieces_max: usize,
        found: &mut Vec<Bytes>,
    ) -> Result<u64, FellBehind> {
        if offset < self.oldest() {
            return Err(FellBehind {
                n_bytes: self.oldest() - offset,
            });
        }
        Ok(collect(
            &self.entries,
            offset,
            n_bytes_max,
            n_pieces_max,
            found,
        ))
    }
}

/// Collects bytes from `offset` on out of entries that follow one another, and returns the offset
/// behind them.
fn collect(
    entries: &VecDeque<Entry>,
    offset: u64,
    n_bytes_max: usize,
    n_pieces_max: usize,
    found: &mut Vec<Bytes>,
) -> u64 {
    let first = entries.partition_point(|entry| entry.end() <= offset);
    let mut at = offset;
    let mut n_bytes = 0;
    for entry in entries.range(first..).take(n_pieces_max) {
        if n_bytes >= n_bytes_max {
            break;
        }
        // Only the first can begin in the middle of a page.
        let skip = usize::try_from(at - entry.offset).unwrap_or(usize::MAX);
        let piece = entry.page.bytes().slice(skip.min(entry.page.len())..);
        n_bytes += piece.len();
        at = entry.end();
        found.push(piece);
    }
    at
}

/// Goes on behind a page, of which perhaps no more is known than what it says itself.
fn take(account: &mut Account, page: &Page, step: Step) -> Result<Role, Stray> {
    let is_first = page.stamp().is_first;
    let unknown = is_first.then(|| Trace::unknown(page.serial()));
    account.take(page, step.trace.or(unknown))
}

impl Entry {
    fn end(&self) -> u64 {
        self.offset + self.page.len() as u64
    }
}
