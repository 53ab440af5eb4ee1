//! One Ogg page, whole and checked (RFC 3533 §6); or what stands for it in a log of another format:
//! a portion of whole frames of MP3 or AAC, a cluster of WebM. Pure.
//!
//! Knows nothing of codecs: what the packets mean is `headers` and `vorbis`.

use std::fmt;

use bytes::Bytes;

use super::crc;
use super::format::Format;
use crate::mpeg::{Frame, frame};
use crate::webm;

/// Bytes before the segment table (RFC 3533 §6).
pub const HEADER_BYTES: usize = 27;
/// The most segments a page can have.
pub const SEGMENTS_MAX: usize = 255;
/// The longest possible page: header, 255 lacing values, 255 segments of 255 bytes.
pub const PAGE_BYTES_MAX: usize = HEADER_BYTES + SEGMENTS_MAX + SEGMENTS_MAX * 255;
/// Every Ogg page begins with these bytes.
pub const CAPTURE: [u8; 4] = *b"OggS";

/// Every frame of MP3 and AAC begins with this byte.
const FRAME_START: u8 = 0xff;

const FLAG_CONTINUED: u8 = 0x01;
const FLAG_FIRST: u8 = 0x02;
const FLAG_LAST: u8 = 0x04;

/// A whole page whose length and checksum are right. Cheap to clone: clones share the bytes.
#[derive(Clone, PartialEq, Eq)]
pub struct Page {
    bytes: Bytes,
}

/// What a page says of its place in the logical stream (RFC 3533 §6, fields 3 to 6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp {
    /// Which logical stream.
    pub serial: u32,
    /// Counts the pages of the logical stream, from 0, wrapping.
    pub sequence: u32,
    /// The granule position of the last packet that ends here; −1 when none does.
    pub granule: i64,
    /// The first packet began on an earlier page; of WebM: no decoder can begin here.
    pub is_continued: bool,
    /// Beginning of the logical stream (`bos`).
    pub is_first: bool,
    /// End of the logical stream (`eos`).
    pub is_last: bool,
}

impl Stamp {
    /// What stands for a place where there is none.
    const OF_FRAMES: Self = Self {
        serial: 0,
        sequence: 0,
        granule: 0,
        is_continued: false,
        is_first: false,
        is_last: true,
    };
}

/// Why bytes are not a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Damage {
    /// They do not begin with `OggS`.
    NoCapture,
    /// The structure version is not 0.
    Version,
    /// Fewer or more bytes than the segment table says.
    Length,
    /// The checksum does not fit.
    Checksum,
    /// No frame of MP3 or AAC begins here that another one follows.
    NoFrame,
    /// No part of WebM begins here that may.
    NoCluster,
    /// The header of WebM does not say what is in it.
    NoTracks,
    /// A block or a header of WebM is longer than any that is taken.
    TooLong,
}

impl Page {
    /// Takes bytes that are exactly one page.
    ///
    /// # Errors
    /// Says what is damaged.
    pub fn parse(bytes: Bytes) -> Result<Self, Damage> {
        if bytes.first() == Some(&FRAME_START) {
            return Self::of_frames(bytes).ok_or(Damage::NoFrame);
        }
        if webm::page::begins(&bytes) {
            let page = webm::page::is_whole(&bytes).then_some(Self { bytes });
            return page.ok_or(Damage::NoCluster);
        }
        if !bytes.starts_with(&CAPTURE) {
            return Err(Damage::NoCapture);
        }
        if bytes.get(4).is_some_and(|version| *version != 0) {
            return Err(Damage::Version);
        }
        if length(&bytes) != Some(bytes.len()) {
            return Err(Damage::Length);
        }
        let page = Self { bytes };
        if checksum(&page.bytes) != page.u32_at(22) {
            return Err(Damage::Checksum);
        }
        Ok(page)
    }

    /// Takes bytes that are whole frames of one kind. `None`: they are not, or are too many.
    pub(crate) fn of_frames(bytes: Bytes) -> Option<Self> {
        (bytes.len() <= PAGE_BYTES_MAX && frame::whole(&bytes).is_some()).then_some(Self { bytes })
    }

    /// Whether it is a portion of frames, and no Ogg page.
    pub fn is_frames(&self) -> bool {
        self.bytes.first() == Some(&FRAME_START)
    }

    /// Whether it is the head of a link of WebM or one of its clusters.
    pub fn is_webm(&self) -> bool {
        webm::page::begins(&self.bytes)
    }

    /// Whether it is an Ogg page.
    pub fn is_ogg(&self) -> bool {
        !self.is_frames() && !self.is_webm()
    }

    /// What it is a page of.
    pub fn format(&self) -> Format {
        match self.frame() {
            Some(frame) => Format::Frames(frame.sound),
            None if self.is_webm() => Format::Webm,
            None => Format::Ogg,
        }
    }

    /// The first of its frames, if it is a portion of them.
    pub fn frame(&self) -> Option<Frame> {
        self.is_frames()
            .then(|| Frame::parse(&self.bytes))
            .flatten()
    }

    /// Two portions of frames out of one, the first of so many bytes. `None`: it cannot be cut
    /// there.
    pub(crate) fn split_at(&self, n_bytes: usize) -> Option<(Self, Self)> {
        if !self.is_frames() || n_bytes >= self.len() {
            return None;
        }
        let before = Self::of_frames(self.bytes.slice(..n_bytes))?;
        Some((before, Self::of_frames(self.bytes.slice(n_bytes..))?))
    }

    /// Bytes that the framer has looked at already: one page, length and checksum right.
    pub(super) fn checked(bytes: Bytes) -> Self {
        debug_assert!(
            Self::parse(bytes.clone()).is_ok(),
            "the framer checks pages"
        );
        Self { bytes }
    }

    /// Makes a page from lacing values and the bytes they describe.
    ///
    /// # Panics
    /// When there are more than 255 lacing values or they do not add up to the body:
    /// a mistake in our own code, never in input.
    pub fn build(stamp: Stamp, lacing: &[u8], body: &[u8]) -> Self {
        assert!(
            lacing.len() <= SEGMENTS_MAX,
            "a page has at most 255 segments"
        );
        let total: usize = lacing.iter().map(|n| usize::from(*n)).sum();
        assert_eq!(total, body.len(), "lacing values add up to the body");
        let mut bytes = Vec::with_capacity(HEADER_BYTES + lacing.len() + body.len());
        bytes.extend_from_slice(&CAPTURE);
        bytes.push(0);
        bytes.push(flags(&stamp));
        bytes.extend_from_slice(&stamp.granule.to_le_bytes());
        bytes.extend_from_slice(&stamp.serial.to_le_bytes());
        bytes.extend_from_slice(&stamp.sequence.to_le_bytes());
        bytes.extend_from_slice(&[0; 4]);
        #[expect(
            clippy::cast_possible_truncation,
            reason = "checked above: at most 255"
        )]
        bytes.push(lacing.len() as u8);
        bytes.extend_from_slice(lacing);
        bytes.extend_from_slice(body);
        seal(&mut bytes);
        Self {
            bytes: bytes.into(),
        }
    }

    /// A page that ends the logical stream whose newest page has the stamp `last`.
    ///
    /// RFC 3533 §4 would allow a page without packets, but validators complain about one: it
    /// holds `packet`, at most 254 bytes, whose sound lies behind the last granule position.
    pub fn end_of(last: &Stamp, packet: &[u8]) -> Self {
        let stamp = Stamp {
            sequence: last.sequence.wrapping_add(1),
            granule: last.granule.max(0),
            is_continued: false,
            is_first: false,
            is_last: true,
            ..*last
        };
        let n_bytes = u8::try_from(packet.len().min(254)).unwrap_or_default();
        Self::build(stamp, &[n_bytes], &packet[..usize::from(n_bytes)])
    }

    /// The same packets with another stamp and a new checksum. Costs a copy, unless the
    /// stamp is the one it has.
    pub fn restamped(&self, stamp: Stamp) -> Self {
        if stamp == self.stamp() || self.is_frames() {
            return self.clone();
        }
        if self.is_webm() {
            let bytes = webm::page::restamped(&self.bytes, stamp).into();
            return Self { bytes };
        }
        let mut bytes = self.bytes.to_vec();
        bytes[5] = flags(&stamp);
        bytes[6..14].copy_from_slice(&stamp.granule.to_le_bytes());
        bytes[14..18].copy_from_slice(&stamp.serial.to_le_bytes());
        bytes[18..22].copy_from_slice(&stamp.sequence.to_le_bytes());
        seal(&mut bytes);
        Self {
            bytes: bytes.into(),
        }
    }

    /// The page as it goes over the wire.
    pub fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// How many bytes, at most [`PAGE_BYTES_MAX`]; of WebM [`webm::CLUSTER_BYTES_MAX`].
    #[expect(clippy::len_without_is_empty, reason = "a page is never empty")]
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Its place in the logical stream; of frames, which say nothing of it, always the same.
    pub fn stamp(&self) -> Stamp {
        if self.is_frames() {
            return Stamp::OF_FRAMES;
        }
        if self.is_webm() {
            return webm::page::stamp(&self.bytes);
        }
        let mut granule = [0; 8];
        granule.copy_from_slice(&self.bytes[6..14]);
        let flags = self.bytes[5];
        Stamp {
            serial: self.serial(),
            sequence: self.u32_at(18),
            granule: i64::from_le_bytes(granule),
            is_continued: flags & FLAG_CONTINUED != 0,
            is_first: flags & FLAG_FIRST != 0,
            is_last: flags & FLAG_LAST != 0,
        }
    }

    /// Which logical stream it belongs to.
    pub fn serial(&self) -> u32 {
        if !self.is_ogg() {
            return self.stamp().serial;
        }
        self.u32_at(14)
    }

    /// The checksum it carries, which is right; where it carries none, that of its bytes.
    pub fn checksum(&self) -> u32 {
        if !self.is_ogg() {
            return crc::update(0, &self.bytes);
        }
        self.u32_at(22)
    }

    /// The segment table: one lacing value a segment (RFC 3533 §6, field 9).
    pub fn lacing(&self) -> &[u8] {
        if !self.is_ogg() {
            return &[];
        }
        &self.bytes[HEADER_BYTES..HEADER_BYTES + usize::from(self.bytes[26])]
    }

    /// Everything behind the segment table.
    pub fn body(&self) -> &[u8] {
        if !self.is_ogg() {
            return &self.bytes;
        }
        &self.bytes[HEADER_BYTES + usize::from(self.bytes[26])..]
    }

    /// How many packets end on this page.
    pub fn n_packets_ended(&self) -> usize {
        self.lacing().iter().filter(|n| **n < 255).count()
    }

    /// The packets, or parts of packets, on this page: bytes, and whether they end here.
    pub fn packets(&self) -> impl Iterator<Item = (&[u8], bool)> {
        let mut lacing = self.lacing();
        let mut body = self.body();
        std::iter::from_fn(move || {
            if lacing.is_empty() {
                return None;
            }
            let n = lacing.iter().take_while(|n| **n == 255).count();
            let (segments, ends) = if n < lacing.len() {
                (n + 1, true)
            } else {
                (n, false)
            };
            let (now, later) = lacing.split_at(segments);
            lacing = later;
            let (packet, rest) = body.split_at(now.iter().map(|n| usize::from(*n)).sum());
            body = rest;
            Some((packet, ends))
        })
    }

    fn u32_at(&self, at: usize) -> u32 {
        let mut four = [0; 4];
        four.copy_from_slice(&self.bytes[at..at + 4]);
        u32::from_le_bytes(four)
    }
}

/// The length of the page that begins here, as soon as enough of it is there to know.
pub(super) fn length(bytes: &[u8]) -> Option<usize> {
    let n_segments = usize::from(*bytes.get(HEADER_BYTES - 1)?);
    let table = bytes.get(HEADER_BYTES..HEADER_BYTES + n_segments)?;
    let body: usize = table.iter().map(|n| usize::from(*n)).sum();
    Some(HEADER_BYTES + n_segments + body)
}

/// The checksum that the page should carry: over all bytes, the checksum's own four as 0.
pub(super) fn checksum(bytes: &[u8]) -> u32 {
    let crc = crc::update(0, &bytes[..22]);
    crc::update(crc::update(crc, &[0; 4]), &bytes[26..])
}

fn seal(bytes: &mut [u8]) {
    let crc = checksum(bytes);
    bytes[22..26].copy_from_slice(&crc.to_le_bytes());
}

fn flags(stamp: &Stamp) -> u8 {
    let mut flags = 0;
    if stamp.is_continued {
        flags |= FLAG_CONTINUED;
    }
    if stamp.is_first {
        flags |= FLAG_FIRST;
    }
    if stamp.is_last {
        flags |= FLAG_LAST;
    }
    flags
}

impl fmt::Debug for Page {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Page({} bytes, {:?})", self.len(), self.stamp())
    }
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoCapture => "no OggS at its start",
            Self::Version => "unknown page version",
            Self::Length => "length does not fit the segment table",
            Self::Checksum => "checksum does not fit",
            Self::NoFrame => "no frame of MP3 or AAC that another follows",
            Self::NoCluster => "no part of WebM that may stand there",
            Self::NoTracks => "a header of WebM that names no tracks",
            Self::TooLong => "a block of more than 2 MiB, or a header of more than 512 KiB",
        })
    }
}
