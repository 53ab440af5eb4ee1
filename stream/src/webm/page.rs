//! What stands in a log of WebM: the head of a link, and clusters, each of which is whole. Pure.
//!
//! Only a master writes them. A head is an EBML header, the opening of a segment without end, Info
//! and Tracks, and ends with these. A cluster has a known length. Both have a Void element, which
//! players skip, with their place in the log: serial number, sequence number, the time of the
//! newest block, and whether a decoder may begin here. So they are numbered as Ogg pages are, and
//! whoever copies a log sees where he is from any page on.

use std::time::Duration;

use bytes::Bytes;

use super::ebml::{self, Look, Opening};
use super::tracks::{Kind, Track, are_alike, tracks};
use crate::ogg::{HEADERS_BYTES_MAX, Stamp};

/// The longest block that is taken: a key frame of a large picture.
pub const BLOCK_BYTES_MAX: usize = 2 * 1024 * 1024;
/// The longest cluster in a log: what is gathered before a block, and that block.
pub const CLUSTER_BYTES_MAX: usize = BLOCK_BYTES_MAX + 64 * 1024;

/// The opening of a cluster as it is written here: four bytes for the length.
const OPENING_BYTES: usize = 8;
/// Timestamp: opening and eight bytes.
const TIMESTAMP_BYTES: usize = 10;
/// Void: opening, serial number, sequence number, time, flags.
const STAMP_BYTES: usize = 2 + STAMP_CONTENT_BYTES;
const STAMP_CONTENT_BYTES: usize = 4 + 4 + 8 + 1;
/// Where the blocks of a cluster begin.
pub(super) const CLUSTER_HEAD_BYTES: usize = OPENING_BYTES + TIMESTAMP_BYTES + STAMP_BYTES;

const FLAG_JOIN: u8 = 1;
/// A segment whose length is not known.
const SEGMENT_OPENING: [u8; 12] = [
    0x18, 0x53, 0x80, 0x67, 0x01, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
];

/// Whether a page begins so that is a head or a cluster.
pub(crate) fn begins(bytes: &[u8]) -> bool {
    let begins = |id: u32| bytes.starts_with(&id.to_be_bytes());
    begins(ebml::EBML) || begins(ebml::CLUSTER)
}

/// How long the page is that begins here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Length {
    /// So many bytes are needed to tell.
    Needs(usize),
    /// None begins here.
    Damaged,
    Bytes(usize),
}

/// The length of the head or cluster of a log that begins here.
pub(super) fn length(bytes: &[u8]) -> Length {
    match ebml::opening(bytes) {
        Look::More => Length::Needs(bytes.len() + 1),
        Look::Opening(opening)
            if opening.id == ebml::CLUSTER && opening.n_bytes == OPENING_BYTES =>
        {
            element(&opening, CLUSTER_BYTES_MAX).map_or(Length::Damaged, Length::Bytes)
        }
        Look::Opening(opening) if opening.id == ebml::EBML => head_length(bytes, &opening),
        Look::Opening(_) | Look::Damaged => Length::Damaged,
    }
}

fn head_length(bytes: &[u8], ebml: &Opening) -> Length {
    let Some(mut at) = element(ebml, HEADERS_BYTES_MAX) else {
        return Length::Damaged;
    };
    at += SEGMENT_OPENING.len() + STAMP_BYTES;
    for id in [ebml::INFO, ebml::TRACKS] {
        let ahead = bytes.get(at..).unwrap_or_default();
        let opening = match ebml::opening(ahead) {
            Look::More => return Length::Needs(bytes.len().max(at) + 1),
            Look::Opening(opening) if opening.id == id => opening,
            Look::Opening(_) | Look::Damaged => return Length::Damaged,
        };
        let Some(n_bytes) = element(&opening, HEADERS_BYTES_MAX.saturating_sub(at)) else {
            return Length::Damaged;
        };
        at += n_bytes;
        if at > HEADERS_BYTES_MAX {
            return Length::Damaged;
        }
    }
    Length::Bytes(at)
}

/// How long a whole element is, if that is known and not too much.
pub(super) fn element(opening: &Opening, n_bytes_max: usize) -> Option<usize> {
    let n_content = usize::try_from(opening.n_content?).ok()?;
    let n_bytes = opening.n_bytes.checked_add(n_content)?;
    (n_bytes <= n_bytes_max).then_some(n_bytes)
}

/// Whether these bytes are exactly one head or one cluster, as a master writes it.
pub(crate) fn is_whole(bytes: &[u8]) -> bool {
    if length(bytes) != Length::Bytes(bytes.len()) {
        return false;
    }
    if bytes.starts_with(&ebml::EBML.to_be_bytes()) {
        return Head::parse(bytes).is_some();
    }
    let Some(blocks) = bytes.get(CLUSTER_HEAD_BYTES..) else {
        return false;
    };
    let is_head = bytes[OPENING_BYTES..].starts_with(&[0xe7, 0x88])
        && bytes[OPENING_BYTES + TIMESTAMP_BYTES..].starts_with(&void());
    let blocks_bytes: usize = ebml::elements(blocks)
        .take_while(|(id, ..)| matches!(*id, ebml::SIMPLE_BLOCK | ebml::BLOCK_GROUP))
        .map(|(_, whole, _)| whole.len())
        .sum();
    is_head && !blocks.is_empty() && blocks_bytes == blocks.len()
}

#[expect(clippy::cast_possible_truncation, reason = "17 fits")]
const fn void() -> [u8; 2] {
    [ebml::VOID as u8, 0x80 | STAMP_CONTENT_BYTES as u8]
}

/// Where the stamp of a page begins that is whole.
fn stamp_at(bytes: &[u8]) -> Option<usize> {
    match ebml::opening(bytes) {
        Look::Opening(opening) if opening.id == ebml::CLUSTER => {
            Some(OPENING_BYTES + TIMESTAMP_BYTES)
        }
        Look::Opening(opening) => {
            Some(element(&opening, HEADERS_BYTES_MAX)? + SEGMENT_OPENING.len())
        }
        Look::More | Look::Damaged => None,
    }
}

/// What a whole page says of its place in the log. The granule position is the time of its newest
/// block, 0 for a head; a cluster with which no decoder may begin is one that is continued.
pub(crate) fn stamp(bytes: &[u8]) -> Stamp {
    let content = stamp_at(bytes).and_then(|at| bytes.get(at + 2..)?.first_chunk());
    let content: [u8; STAMP_CONTENT_BYTES] = content.copied().unwrap_or_default();
    let number = |from: usize, to: usize| ebml::number(&content[from..to]).unwrap_or_default();
    Stamp {
        serial: u32::try_from(number(0, 4)).unwrap_or_default(),
        sequence: u32::try_from(number(4, 8)).unwrap_or_default(),
        granule: i64::try_from(number(8, 16)).unwrap_or(i64::MAX),
        is_continued: content[16] & FLAG_JOIN == 0,
        is_first: false,
        is_last: false,
    }
}

/// The same page with another stamp. A cluster's blocks move in time with its newest one.
pub(crate) fn restamped(bytes: &[u8], new: Stamp) -> Vec<u8> {
    let mut all = bytes.to_vec();
    let moved = new.granule.saturating_sub(stamp(bytes).granule);
    let is_cluster = bytes.starts_with(&ebml::CLUSTER.to_be_bytes());
    if let Some(time) = all.get_mut(OPENING_BYTES + 2..OPENING_BYTES + TIMESTAMP_BYTES)
        && is_cluster
    {
        let before = ebml::number(time).unwrap_or_default();
        let after = before.saturating_add_signed(moved);
        time.copy_from_slice(&after.to_be_bytes());
    }
    if let Some(at) = stamp_at(bytes)
        && let Some(place) = all.get_mut(at..at + STAMP_BYTES)
    {
        place.copy_from_slice(&stamp_bytes(new));
    }
    all
}

fn stamp_bytes(stamp: Stamp) -> [u8; STAMP_BYTES] {
    let mut bytes = [0; STAMP_BYTES];
    bytes[..2].copy_from_slice(&void());
    bytes[2..6].copy_from_slice(&stamp.serial.to_be_bytes());
    bytes[6..10].copy_from_slice(&stamp.sequence.to_be_bytes());
    bytes[10..18].copy_from_slice(&stamp.granule.max(0).to_be_bytes());
    bytes[18] = if stamp.is_continued { 0 } else { FLAG_JOIN };
    bytes
}

/// The time at which a whole cluster begins, in ticks.
pub(crate) fn time(bytes: &[u8]) -> Option<u64> {
    let time = bytes.get(OPENING_BYTES + 2..OPENING_BYTES + TIMESTAMP_BYTES)?;
    let is_cluster = bytes.starts_with(&ebml::CLUSTER.to_be_bytes());
    ebml::number(time).filter(|_| is_cluster)
}

/// A cluster of these blocks, numbered as if it were the first. `None`: they are too much.
pub(super) fn cluster(time: u64, newest: i64, may_join: bool, blocks: &[u8]) -> Option<Bytes> {
    let n_content = TIMESTAMP_BYTES + STAMP_BYTES + blocks.len();
    let n_bytes = u32::try_from(n_content).ok().filter(|n| *n < 1 << 28)?;
    let mut bytes = Vec::with_capacity(OPENING_BYTES + n_content);
    bytes.extend_from_slice(&ebml::CLUSTER.to_be_bytes());
    bytes.extend_from_slice(&(n_bytes | 1 << 28).to_be_bytes());
    bytes.extend_from_slice(&[0xe7, 0x88]);
    bytes.extend_from_slice(&time.to_be_bytes());
    bytes.extend_from_slice(&stamp_bytes(Stamp {
        serial: 0,
        sequence: 0,
        granule: newest,
        is_continued: !may_join,
        is_first: false,
        is_last: false,
    }));
    bytes.extend_from_slice(blocks);
    (bytes.len() <= CLUSTER_BYTES_MAX).then(|| bytes.into())
}

/// What the head of a link says.
#[derive(Clone, Debug)]
pub struct Head {
    /// `webm` or `matroska`.
    doc_type: Vec<u8>,
    /// How long a tick is.
    tick: Duration,
    /// Picture and sound, in the order in which they stand there.
    pub tracks: Vec<Track>,
    tracks_content: Bytes,
}

impl Head {
    /// Reads a head as a master writes it.
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        if !bytes.starts_with(&ebml::EBML.to_be_bytes()) {
            return None;
        }
        let (_, ebml, content) = ebml::elements(bytes).next()?;
        let doc_type = ebml::find(content, ebml::DOC_TYPE)?;
        let segment = bytes.get(ebml.len()..)?.strip_prefix(&SEGMENT_OPENING)?;
        let mut parts = ebml::elements(segment).map(|(id, _, content)| (id, content));
        let (_, place) = parts.next().filter(|(id, _)| *id == ebml::VOID)?;
        let (_, info) = parts.next().filter(|(id, _)| *id == ebml::INFO)?;
        let (_, tracks) = parts.next().filter(|(id, _)| *id == ebml::TRACKS)?;
        let is_stamp = place.len() == STAMP_CONTENT_BYTES && segment.starts_with(&void());
        let head = Self::of(doc_type, info, tracks)?;
        (is_stamp && parts.next().is_none()).then_some(head)
    }

    fn of(doc_type: &[u8], info: &[u8], tracks_content: &[u8]) -> Option<Self> {
        let scale = ebml::find(info, ebml::TIMESTAMP_SCALE).and_then(ebml::number);
        Some(Self {
            doc_type: doc_type.to_vec(),
            // RFC 9559 §5.1.2.9: else a millisecond.
            tick: Duration::from_nanos(scale.unwrap_or(1_000_000).max(1)),
            tracks: tracks(tracks_content)?,
            tracks_content: Bytes::copy_from_slice(tracks_content),
        })
    }

    /// The head of a link as it stands in a log, of the EBML header of a source and the content of
    /// its Info and Tracks. `None`: they make no sense, or are too much.
    pub(super) fn build(ebml: &[u8], info: &[u8], tracks: &[u8]) -> Option<(Self, Bytes)> {
        let (.., content) = ebml::elements(ebml).next()?;
        let head = Self::of(ebml::find(content, ebml::DOC_TYPE)?, info, tracks)?;
        let mut kept = Vec::with_capacity(info.len());
        for (id, whole, _) in ebml::elements(info) {
            // A stream has no length; and without it the checksum is wrong.
            if !matches!(id, ebml::DURATION | ebml::CRC_32 | ebml::VOID) {
                kept.extend_from_slice(whole);
            }
        }
        let mut bytes = ebml.to_vec();
        bytes.extend_from_slice(&SEGMENT_OPENING);
        bytes.extend_from_slice(&stamp_bytes(Stamp {
            serial: 0,
            sequence: 0,
            granule: 0,
            is_continued: true,
            is_first: false,
            is_last: false,
        }));
        for (id, content) in [(ebml::INFO, kept.as_slice()), (ebml::TRACKS, tracks)] {
            ebml::open(&mut bytes, id, content.len());
            bytes.extend_from_slice(content);
        }
        (bytes.len() <= HEADERS_BYTES_MAX).then(|| (head, bytes.into()))
    }

    /// Whether there is a picture.
    pub fn has_video(&self) -> bool {
        self.video().is_some()
    }

    /// The number of the first track with a picture.
    pub(super) fn video(&self) -> Option<u64> {
        let mut tracks = self.tracks.iter();
        tracks
            .find(|track| track.kind == Kind::Video)
            .map(|track| track.number)
    }

    /// How many ticks last at least so long.
    pub(crate) fn ticks(&self, time: Duration) -> u64 {
        let ticks = time.as_nanos().div_ceil(self.tick.as_nanos().max(1));
        u64::try_from(ticks).unwrap_or(u64::MAX)
    }

    /// The media type of what it is the head of.
    pub fn media_type(&self) -> &'static str {
        match (self.doc_type.starts_with(b"webm"), self.has_video()) {
            (true, true) => "video/webm",
            (true, false) => "audio/webm",
            (false, true) => "video/x-matroska",
            (false, false) => "audio/x-matroska",
        }
    }

    /// Whether both count time in the same ticks.
    pub(crate) fn counts_like(&self, other: &Self) -> bool {
        self.tick == other.tick
    }

    /// Whether a player that has the one goes on with what the other is the head of.
    pub(crate) fn is_like(&self, other: &Self) -> bool {
        self.doc_type == other.doc_type
            && self.counts_like(other)
            && are_alike(&self.tracks_content, &other.tracks_content)
    }
}
