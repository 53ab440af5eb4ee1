//! Makes pages of a log of the WebM that a source sends, however the network sliced it. Pure.
//!
//! The source's clusters may be long, of unknown length, and begin anywhere; its blocks go into
//! clusters of our own: short ones, a new one at every key frame. Cues, tags and attachments are
//! left out. After damage it looks for the next cluster.

use std::collections::VecDeque;
use std::time::Duration;

use super::ebml::{self, BLOCK_GROUP, CLUSTER, EBML, INFO, LEFT_OUT, Look, Opening, SEGMENT};
use super::ebml::{SIMPLE_BLOCK, TIMESTAMP, TRACKS};
use super::gathering::{Block, Gathering, opening};
use super::page::{BLOCK_BYTES_MAX, Head, element};
use crate::ogg::{Damage, Found, HEADERS_BYTES_MAX, Link, Page};

/// A cluster is complete when it lasts so long.
const GATHERED_MAX: Duration = Duration::from_millis(150);
/// What is left out is not believed to be longer.
const LEFT_OUT_BYTES_MAX: u64 = 64 * 1024 * 1024;
/// After damage so much more is looked at at once.
const LOOK_BYTES: usize = 4096;

/// Finds blocks in bytes that arrive in any portions.
#[derive(Debug, Default)]
pub struct Framer {
    /// The element that is still arriving; after damage perhaps several.
    held: Vec<u8>,
    /// So much of what is left out is still to come.
    n_left_out: u64,
    /// After damage: nothing is believed before the next cluster, or header.
    is_lost: bool,
    /// The parts of a head that is not complete.
    header: Header,
    head: Option<Head>,
    /// When the present cluster of the source begins.
    time: Option<u64>,
    gathering: Gathering,
    ready: VecDeque<Page>,
}

#[derive(Debug, Default)]
struct Header {
    /// The whole element; of the other two what is in them.
    ebml: Option<Vec<u8>>,
    info: Option<Vec<u8>>,
    tracks: Option<Vec<u8>>,
}

/// What comes next.
enum Next {
    /// So many bytes are needed.
    Needs(usize),
    Damaged(Damage),
    /// Only the opening of a segment or cluster counts.
    Enter(Opening),
    LeaveOut(Opening, u64),
    /// So many bytes are a whole element.
    Whole(Opening, usize),
}

impl Framer {
    /// A framer that has seen nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// One for a source in the middle of its stream, whose mount is in this link.
    pub fn within(link: &Link) -> Self {
        Self {
            head: Head::parse(&link.prefix),
            ..Self::default()
        }
    }

    /// Takes bytes from the front of `input` until something is found. `None`: all of `input` was
    /// taken and more is needed.
    pub fn next(&mut self, input: &mut &[u8]) -> Option<Found> {
        loop {
            if let Some(page) = self.ready.pop_front() {
                return Some(Found::Page(page));
            }
            self.leave_out(input);
            if self.n_left_out > 0 {
                return None;
            }
            match self.look() {
                Next::Needs(n_bytes) => {
                    let n_missing = n_bytes.saturating_sub(self.held.len());
                    let (taken, rest) = input.split_at(n_missing.min(input.len()));
                    self.held.extend_from_slice(taken);
                    *input = rest;
                    if taken.len() < n_missing {
                        return None;
                    }
                }
                Next::Damaged(why) => return Some(self.resynchronise(why, input)),
                Next::Enter(opening) => {
                    self.held.drain(..opening.n_bytes);
                    if opening.id == CLUSTER {
                        (self.time, self.is_lost) = (None, false);
                    }
                }
                Next::LeaveOut(opening, n_bytes) => {
                    self.held.drain(..opening.n_bytes);
                    self.n_left_out = n_bytes;
                }
                Next::Whole(opening, n_bytes) => {
                    let rest = self.held.split_off(n_bytes);
                    let whole = std::mem::replace(&mut self.held, rest);
                    if let Err(why) = self.take(&opening, &whole) {
                        return Some(Found::Junk { n_bytes, why });
                    }
                }
            }
        }
    }

    /// The stream has ended: what is gathered is a cluster.
    pub fn finish(&mut self) -> Option<Page> {
        self.ready.pop_front().or_else(|| self.end_cluster())
    }

    /// What has come and is not given out yet, so that another framer can go on with it.
    pub fn held(&self) -> Vec<u8> {
        let mut bytes = self.gathering.as_sent();
        if let Some(ebml) = &self.header.ebml {
            bytes.extend_from_slice(ebml);
        }
        let parts = [(INFO, &self.header.info), (TRACKS, &self.header.tracks)];
        for (id, part) in parts {
            if let Some(part) = part {
                ebml::open(&mut bytes, id, part.len());
                bytes.extend_from_slice(part);
            }
        }
        if let Some(time) = self.time {
            bytes.extend_from_slice(&opening(time));
        } else if self.head.is_some() {
            // A cluster whose time is still to come.
            bytes.extend_from_slice(&opening(0)[..5]);
        }
        if let Ok(n_bytes @ 1..) = usize::try_from(self.n_left_out) {
            ebml::open(&mut bytes, ebml::VOID, n_bytes);
        }
        bytes.extend_from_slice(&self.held);
        bytes
    }

    fn leave_out(&mut self, input: &mut &[u8]) {
        let n_here = usize::try_from(self.n_left_out).unwrap_or(usize::MAX);
        let n_held = n_here.min(self.held.len());
        self.held.drain(..n_held);
        let (_, rest) = input.split_at((n_here - n_held).min(input.len()));
        self.n_left_out -= (n_held + input.len() - rest.len()) as u64;
        *input = rest;
    }

    fn look(&self) -> Next {
        if self.is_lost && !may_begin(&self.held) {
            return Next::Damaged(Damage::NoCluster);
        }
        let opening = match ebml::opening(&self.held) {
            Look::More => return Next::Needs(self.held.len() + 1),
            Look::Damaged => return Next::Damaged(Damage::NoCluster),
            Look::Opening(opening) => opening,
        };
        let n_bytes_max = match opening.id {
            SEGMENT => return Next::Enter(opening),
            CLUSTER if self.head.is_some() => return Next::Enter(opening),
            EBML | INFO | TRACKS => HEADERS_BYTES_MAX,
            TIMESTAMP => 16,
            SIMPLE_BLOCK | BLOCK_GROUP if self.time.is_some() => BLOCK_BYTES_MAX,
            id if LEFT_OUT.contains(&id) => {
                let n_bytes = opening.n_content.filter(|n| *n <= LEFT_OUT_BYTES_MAX);
                return n_bytes.map_or(Next::Damaged(Damage::TooLong), |n| {
                    Next::LeaveOut(opening, n)
                });
            }
            _ => return Next::Damaged(Damage::NoCluster),
        };
        match element(&opening, n_bytes_max) {
            None => Next::Damaged(Damage::TooLong),
            Some(n_bytes) if n_bytes > self.held.len() => Next::Needs(n_bytes),
            Some(n_bytes) => Next::Whole(opening, n_bytes),
        }
    }

    fn take(&mut self, opening: &Opening, whole: &[u8]) -> Result<(), Damage> {
        let content = &whole[opening.n_bytes..];
        match opening.id {
            EBML => {
                self.is_lost = false;
                let ended = self.end_cluster();
                self.ready.extend(ended);
                self.header = Header {
                    ebml: Some(whole.to_vec()),
                    ..Header::default()
                };
            }
            INFO if self.header.ebml.is_some() => self.header.info = Some(content.to_vec()),
            TRACKS if self.header.ebml.is_some() => self.header.tracks = Some(content.to_vec()),
            TIMESTAMP => self.time = ebml::number(content),
            SIMPLE_BLOCK | BLOCK_GROUP => {
                let time = self.time.ok_or(Damage::NoCluster)?;
                let block = Block::read(opening.id, whole, content, time);
                self.gather(&block.ok_or(Damage::NoCluster)?);
            }
            // A second Info or Tracks says nothing new.
            _ => {}
        }
        self.begin_link()
    }

    /// All parts of a head are there: it is the next page.
    fn begin_link(&mut self) -> Result<(), Damage> {
        let header = &self.header;
        if let (Some(ebml), Some(info), Some(tracks)) = (&header.ebml, &header.info, &header.tracks)
        {
            let built = Head::build(ebml, info, tracks);
            self.header = Header::default();
            let (head, bytes) = built.ok_or(Damage::NoTracks)?;
            self.ready.push_back(Page::parse(bytes)?);
            (self.head, self.time) = (Some(head), None);
        }
        Ok(())
    }

    fn gather(&mut self, block: &Block<'_>) {
        let video = self.head.as_ref().and_then(Head::video);
        if self.gathering.ends_before(block, video) {
            let ended = self.end_cluster();
            self.ready.extend(ended);
        }
        self.gathering.add(block, video);
        let ticks_max = self
            .head
            .as_ref()
            .map_or(0, |head| head.ticks(GATHERED_MAX));
        if self.gathering.n_ticks() >= ticks_max {
            let ended = self.end_cluster();
            self.ready.extend(ended);
        }
    }

    fn end_cluster(&mut self) -> Option<Page> {
        let video = self.head.as_ref().and_then(Head::video);
        self.gathering.end(video)
    }

    /// Steps past a false beginning and drops all before the next cluster, or header.
    fn resynchronise(&mut self, why: Damage, input: &mut &[u8]) -> Found {
        let (taken, rest) = input.split_at(input.len().min(LOOK_BYTES));
        self.held.extend_from_slice(taken);
        *input = rest;
        let begins = |at: &usize| self.held.get(*at..).is_some_and(may_begin);
        let n_bytes = (1..self.held.len()).find(begins).unwrap_or(self.held.len());
        self.held.drain(..n_bytes);
        (self.time, self.is_lost) = (None, true);
        Found::Junk { n_bytes, why }
    }
}

/// Whether a cluster or a header may begin here, as far as the bytes go.
fn may_begin(bytes: &[u8]) -> bool {
    [CLUSTER, EBML].iter().any(|id| {
        let id = id.to_be_bytes();
        let n_bytes = bytes.len().min(id.len());
        bytes[..n_bytes] == id[..n_bytes]
    })
}
