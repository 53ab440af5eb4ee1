//! What must be known to go on with a log at one offset: the header pages of the link it is in,
//! and how far each of its logical streams has come. Pure.
//!
//! Kept while a log is written down, so that a segment on disk can begin anywhere; and kept
//! again while it is read back, so that ring and splice go on where they were.

use std::sync::Arc;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::splice::SERIALS_KEPT;
use crate::mpeg::Sniffer;
use crate::ogg::{Found, Link, Links, Page, Role, Stamp, Stray};

/// What the splice knows of a logical stream beyond what its pages say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trace {
    /// The serial number that the source gave it.
    pub source_serial: u32,
    /// The number of the page that the source is to send next.
    pub source_sequence_next: u32,
    /// Sound of it has come.
    pub has_sound: bool,
    /// Something is missing in front of its next page.
    pub has_hole: bool,
    /// Filler went in: the next packet of sound has to be led up to.
    #[serde(default)]
    pub is_bridge_due: bool,
    /// How its time differs from the source's.
    #[serde(default)]
    pub shift: Shift,
}

/// What the master of a log knows of a page beyond its bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Step {
    /// What the splice knows behind it. `None`: nobody says, or the log itself ended the stream.
    pub trace: Option<Trace>,
    /// Another page follows that belongs to it: only both together are a whole step.
    pub is_unfinished: bool,
}

/// What the time of the log is ahead of the source's, in samples: filler, less what was lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Shift {
    /// So much.
    Known(i64),
    /// Filler went in, so much of it since the newest page of the source: the next page of sound
    /// will show it.
    Due(u64),
}

impl Default for Shift {
    fn default() -> Self {
        Self::Known(0)
    }
}

/// One logical stream of the current link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StreamAccount {
    /// What is on its `bos` page.
    pub first_packets: Bytes,
    /// The stamp of its newest page, with the newest granule position known.
    pub newest: Stamp,
    /// What the splice knows.
    pub trace: Trace,
}

/// Where a log stands.
#[derive(Clone, Debug, Default)]
pub struct Account {
    links: Links,
    offset: u64,
    link_start: u64,
    streams: Vec<StreamAccount>,
    is_past_first_pages: bool,
    serials_used: Vec<u32>,
}

/// An account that contradicts itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Contradiction {
    /// The prefix is not the header pages of one link.
    Prefix,
    /// A stream has no `bos` page in the prefix.
    Stream,
}

impl Account {
    /// The account of a log that is still empty.
    pub fn new() -> Self {
        Self::default()
    }

    /// The account of a log that begins at `offset`, where nothing is known of its link.
    pub(super) fn at(offset: u64) -> Self {
        Self {
            offset,
            link_start: offset,
            ..Self::default()
        }
    }

    /// Takes a header page that lies before the log's first offset.
    ///
    /// # Errors
    /// When the page does not fit the headers so far.
    pub(super) fn learn_header(&mut self, page: &Page) -> Result<(), Stray> {
        self.links.take(page)?;
        let stamp = page.stamp();
        if stamp.is_first {
            self.begin(page, Trace::unknown(page.serial()));
        }
        self.is_past_first_pages |= !stamp.is_first;
        // Until another page of it comes, nobody can go on with the stream.
        for stream in &mut self.streams {
            stream.newest.is_last = true;
        }
        Ok(())
    }

    /// Puts in what the splice knows now of each logical stream.
    pub(super) fn learn_traces(&mut self, trace: impl Fn(u32) -> Option<Trace>) {
        for stream in &mut self.streams {
            stream.trace = trace(stream.newest.serial).unwrap_or(stream.trace);
        }
    }

    /// An account that begins at `offset`, within a link (with all its header pages in `prefix`, or
    /// half of them), or where one begins (with neither prefix nor streams).
    ///
    /// # Errors
    /// When the parts do not fit each other.
    pub fn within(
        offset: u64,
        link_start: u64,
        prefix: &Bytes,
        streams: impl Iterator<Item = (Stamp, Trace)>,
        serials_used: Vec<u32>,
    ) -> Result<Self, Contradiction> {
        let mut account = Self {
            offset,
            link_start,
            serials_used,
            ..Self::default()
        };
        let headers = header_pages(prefix).ok_or(Contradiction::Prefix)?;
        for page in &headers {
            account
                .links
                .take(page)
                .map_err(|_| Contradiction::Prefix)?;
        }
        let is_half = account.links.current().is_none();
        for (newest, trace) in streams {
            let bos = headers
                .iter()
                .find(|page| page.stamp().is_first && page.serial() == newest.serial)
                .ok_or(Contradiction::Stream)?;
            account.streams.push(StreamAccount {
                first_packets: Bytes::copy_from_slice(bos.body()),
                newest,
                trace,
            });
        }
        let is_past = |page: &Page| !is_half || !page.stamp().is_first;
        // Sound may be what ends the headers.
        let sounds = |stream: &StreamAccount| stream.newest.granule > 0;
        account.is_past_first_pages =
            headers.iter().any(is_past) || account.streams.iter().any(sounds);
        Ok(account)
    }

    /// Takes the next page of the log. Without a `trace` the old one still holds: the log itself
    /// ended the stream.
    ///
    /// # Errors
    /// As the ring does: the page is not part of the log then.
    pub fn take(&mut self, page: &Page, trace: Option<Trace>) -> Result<Role, Stray> {
        let role = self.links.take(page)?;
        let stamp = page.stamp();
        if matches!(role, Role::Start) {
            self.link_start = self.offset;
            self.streams.clear();
            self.is_past_first_pages = false;
        }
        if stamp.is_first {
            self.begin(page, trace.unwrap_or_default());
        }
        self.is_past_first_pages |= !stamp.is_first;
        let mut streams = self.streams.iter_mut();
        if let Some(stream) = streams.find(|stream| stream.newest.serial == stamp.serial) {
            stream.newest = Stamp {
                granule: stamp.granule.max(stream.newest.granule),
                ..stamp
            };
            stream.trace = trace.unwrap_or(stream.trace);
        }
        self.offset += page.len() as u64;
        Ok(role)
    }

    fn begin(&mut self, page: &Page, trace: Trace) {
        let stamp = page.stamp();
        // The splice, too, replaces a stream by another with the same number.
        self.streams
            .retain(|stream| stream.trace.source_serial != trace.source_serial);
        self.streams.push(StreamAccount {
            first_packets: Bytes::copy_from_slice(page.body()),
            newest: Stamp {
                granule: 0,
                ..stamp
            },
            trace,
        });
        self.serials_used.retain(|used| *used != stamp.serial);
        if self.serials_used.len() >= SERIALS_KEPT {
            self.serials_used.remove(0);
        }
        self.serials_used.push(stamp.serial);
    }

    /// Goes on at a later offset.
    pub fn skip_to(&mut self, offset: u64) {
        self.offset = self.offset.max(offset);
    }

    /// The offset of the next byte to come.
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// Where the current link begins.
    pub fn link_start(&self) -> u64 {
        self.link_start
    }

    /// The current link, once its headers are complete.
    pub fn link(&self) -> Option<&Arc<Link>> {
        self.links.current()
    }

    /// All header pages of the current link, once they have come; before, nothing.
    pub fn prefix(&self) -> Option<&Bytes> {
        self.links.current().map(|link| &link.prefix)
    }

    /// The header pages of the current link that have come, whether they are all or not.
    pub(super) fn headers(&self) -> Bytes {
        self.prefix()
            .map_or_else(|| self.links.half(), Bytes::clone)
    }

    /// The logical streams of the current link.
    pub fn streams(&self) -> &[StreamAccount] {
        &self.streams
    }

    /// The trace of the logical stream with this serial number in the log.
    pub fn trace(&self, serial: u32) -> Option<Trace> {
        let mut streams = self.streams.iter();
        let found = streams.find(|stream| stream.newest.serial == serial)?;
        Some(found.trace)
    }

    /// Whether the current link has come to its first page that is not a `bos` page.
    pub fn is_past_first_pages(&self) -> bool {
        self.is_past_first_pages
    }

    /// The newest serial numbers of the log.
    pub fn serials_used(&self) -> &[u32] {
        &self.serials_used
    }
}

/// The pages in `bytes`. `None`: they are not whole pages and nothing else.
pub fn header_pages(bytes: &Bytes) -> Option<Vec<Page>> {
    let mut framer = Sniffer::trusting();
    let mut input: &[u8] = bytes;
    let mut pages = Vec::new();
    while let Some(found) = framer.next(&mut input) {
        let Found::Page(page) = found else {
            return None;
        };
        pages.push(page);
    }
    framer.held().is_empty().then_some(pages)
}

impl Trace {
    /// Of a stream of which no more is known than its serial number.
    pub(super) fn unknown(serial: u32) -> Self {
        Self {
            source_serial: serial,
            ..Self::default()
        }
    }
}

impl std::fmt::Display for Contradiction {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Prefix => "its header pages are not those of one link",
            Self::Stream => "it speaks of a stream that has no header pages",
        })
    }
}
