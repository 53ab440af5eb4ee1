//! Blocks that wait to become a cluster of the log. Pure.

use super::ebml::{self, BLOCK, REFERENCE_BLOCK, SIMPLE_BLOCK, Varint};
use super::page::{BLOCK_BYTES_MAX, CLUSTER_BYTES_MAX, cluster};
use crate::ogg::Page;

/// Of a SimpleBlock: it decodes without any before it.
const FLAG_KEY: u8 = 0x80;
/// More than this is not gathered.
const GATHERED_BYTES_MAX: usize = CLUSTER_BYTES_MAX - BLOCK_BYTES_MAX - 1024;

/// One block, as its source sent it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Block<'a> {
    /// The whole element.
    bytes: &'a [u8],
    /// Where in it the time stands, in ticks after its cluster.
    time_at: usize,
    track: u64,
    is_key: bool,
    /// In ticks after the beginning of the stream.
    time: i64,
}

impl<'a> Block<'a> {
    /// Reads a SimpleBlock or BlockGroup of a cluster that begins at `cluster_time`. `None`: it
    /// makes no sense.
    pub(super) fn read(
        id: u32,
        bytes: &'a [u8],
        content: &'a [u8],
        cluster_time: u64,
    ) -> Option<Self> {
        let content_at = bytes.len() - content.len();
        let (at, block, is_key) = if id == SIMPLE_BLOCK {
            (content_at, content, None)
        } else {
            let (at, block) = ebml::place(content, BLOCK)?;
            // RFC 9559 §10.2: it is a key frame when it refers to no other block.
            let is_key = ebml::find(content, REFERENCE_BLOCK).is_none();
            (content_at + at, block, Some(is_key))
        };
        let Varint::Number { n_bytes, value } = ebml::varint(block) else {
            return None;
        };
        let [high, low, flags] = *block.get(n_bytes..)?.first_chunk()?;
        let after = i64::from(i16::from_be_bytes([high, low]));
        Some(Self {
            bytes,
            time_at: at + n_bytes,
            track: value?,
            is_key: is_key.unwrap_or(flags & FLAG_KEY != 0),
            time: i64::try_from(cluster_time).ok()?.checked_add(after)?,
        })
    }
}

/// What is gathered.
#[derive(Debug, Default)]
pub(super) struct Gathering {
    bytes: Vec<u8>,
    blocks: Vec<Gathered>,
    /// The times of the earliest and of the latest block.
    span: Option<(i64, i64)>,
    /// Whether the first block with a picture is a key frame; `None`: there is none yet.
    begins_with_key: Option<bool>,
}

/// A block that is gathered: where it begins, where its time stands, and when it is.
#[derive(Clone, Copy, Debug)]
struct Gathered {
    start: usize,
    time_at: usize,
    time: i64,
}

impl Gathering {
    /// Whether a cluster has to end before this block: a decoder may begin with it, what is there
    /// is much, or so far away that its time cannot be said.
    pub(super) fn ends_before(&self, block: &Block<'_>, video: Option<u64>) -> bool {
        let begins = video == Some(block.track) && block.is_key && self.begins_with_key.is_some();
        let is_much = self.bytes.len() + block.bytes.len() > GATHERED_BYTES_MAX;
        self.span.is_some_and(|(first, newest)| {
            let is_far = |other: i64| i16::try_from(block.time.saturating_sub(other)).is_err();
            begins || is_much || is_far(first) || is_far(newest)
        })
    }

    /// Adds a block.
    pub(super) fn add(&mut self, block: &Block<'_>, video: Option<u64>) {
        let start = self.bytes.len();
        self.blocks.push(Gathered {
            start,
            time_at: start + block.time_at,
            time: block.time,
        });
        self.bytes.extend_from_slice(block.bytes);
        let (first, newest) = self.span.unwrap_or((block.time, block.time));
        self.span = Some((first.min(block.time), newest.max(block.time)));
        if video == Some(block.track) {
            self.begins_with_key.get_or_insert(block.is_key);
        }
    }

    /// How many ticks there are from its first to its last block.
    pub(super) fn n_ticks(&self) -> u64 {
        self.span
            .map_or(0, |(first, newest)| newest.abs_diff(first))
    }

    /// The cluster. Where there is a picture, a decoder may begin with it if its first picture is
    /// a key frame, whatever sound comes before. `None`: nothing was gathered.
    pub(super) fn end(&mut self, video: Option<u64>) -> Option<Page> {
        let all = std::mem::take(self);
        let (first, newest) = all.span?;
        let (first, mut bytes) = (first.max(0), all.bytes);
        for block in &all.blocks {
            // What is before the beginning of the stream is so by less than a cluster.
            let after = i16::try_from(block.time.saturating_sub(first)).unwrap_or(i16::MIN);
            let place = bytes.get_mut(block.time_at..block.time_at + 2)?;
            place.copy_from_slice(&after.to_be_bytes());
        }
        let may_join = video.is_none() || all.begins_with_key == Some(true);
        let page = cluster(first.unsigned_abs(), newest, may_join, &bytes)?;
        Page::parse(page).ok()
    }

    /// What is there, as a source could have sent it: each block in a cluster without end.
    pub(super) fn as_sent(&self) -> Vec<u8> {
        let mut sent = Vec::new();
        let ends = self.blocks.iter().skip(1).map(|block| block.start);
        let ends = ends.chain([self.bytes.len()]);
        for (block, end) in self.blocks.iter().zip(ends) {
            sent.extend_from_slice(&opening(block.time.max(0).unsigned_abs()));
            let at = sent.len() + block.time_at - block.start;
            sent.extend_from_slice(self.bytes.get(block.start..end).unwrap_or_default());
            let after = i16::try_from(block.time.min(0)).unwrap_or(i16::MIN);
            if let Some(place) = sent.get_mut(at..at + 2) {
                place.copy_from_slice(&after.to_be_bytes());
            }
        }
        sent
    }
}

/// The beginning of a cluster without end at this time.
pub(super) fn opening(time: u64) -> [u8; 15] {
    let mut bytes = [0; 15];
    bytes[..4].copy_from_slice(&ebml::CLUSTER.to_be_bytes());
    bytes[4..7].copy_from_slice(&[0xff, 0xe7, 0x88]);
    bytes[7..].copy_from_slice(&time.to_be_bytes());
    bytes
}
