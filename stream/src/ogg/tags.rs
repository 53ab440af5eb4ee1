//! The header pages of a link, made anew with other tags: so a title in the middle of a stream
//! becomes a link of its own (RFC 3533 §4). Vorbis, Opus and FLAC. Pure.
//!
//! Only the comment header is written anew, and of that only title and artist. The sound is others'
//! business: see `log/logical`.

use serde::{Deserialize, Serialize};

use super::codec::Codec;
use super::link::HEADERS_BYTES_MAX;
use super::page::{Page, SEGMENTS_MAX, Stamp};
use super::vorbis::{text, u32_le};

/// A FLAC metadata block begins with its kind, this one for comments, and three bytes of length
/// (RFC 9639 §8.1).
const FLAC_COMMENTS: u8 = 4;
/// Whether a FLAC metadata block is the last one, besides its kind.
const FLAC_LAST: u8 = 0x80;
/// Where `OpusHead` says how much of the beginning is not played (RFC 7845 §5.1).
const PRE_SKIP: std::ops::Range<usize> = 10..12;

/// What plays, as it goes into a stream. Without control characters, not too long.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tags {
    /// `TITLE`.
    pub title: Option<String>,
    /// `ARTIST`.
    pub artist: Option<String>,
}

/// The header pages that begin a link with these tags, but are otherwise like `headers`, those of
/// another link; who writes them gives them a serial number of their own. `None`: there are several streams in it, or one of another
/// codec, or its headers contradict themselves or are too long.
pub fn headers(headers: &[Page], tags: &Tags) -> Option<Vec<Page>> {
    let mut packets = packets(headers)?;
    let (first, others) = packets.split_first_mut()?;
    let comments = others.first_mut()?;
    *comments = match Codec::of(first) {
        Codec::Vorbis(_) => behind(b"\x03vorbis", comments, tags)?,
        Codec::Opus { .. } => {
            // The sound goes on; nothing of its beginning is to be left out.
            first.get_mut(PRE_SKIP)?.fill(0);
            behind(b"OpusTags", comments, tags)?
        }
        Codec::Flac => flac(comments, tags)?,
        _ => return None,
    };
    let made = pages(&packets)?;
    let n_bytes: usize = made.iter().map(Page::len).sum();
    (n_bytes <= HEADERS_BYTES_MAX).then_some(made)
}

/// Whether these begin the same stream, one of them perhaps in a link that a title began.
pub fn begin_alike(one: &[u8], other: &[u8]) -> bool {
    let apart = |packet: &[u8]| {
        let at = match Codec::of(packet) {
            Codec::Opus { .. } if packet.len() >= PRE_SKIP.end => PRE_SKIP,
            _ => 0..0,
        };
        (packet[..at.start].to_vec(), packet[at.end..].to_vec())
    };
    one == other || one.len() == other.len() && apart(one) == apart(other)
}

/// The list in a block of comments of FLAC.
pub(super) fn flac_comments(block: &[u8]) -> Option<&[u8]> {
    let (head, list) = block.split_first_chunk::<4>()?;
    (head[0] & !FLAC_LAST == FLAC_COMMENTS).then_some(list)
}

/// Whether a packet is the last header of a FLAC stream.
pub(super) fn ends_flac_headers(packet: &[u8]) -> bool {
    // Sound begins with 14 ones (RFC 9639 §9.1).
    packet
        .first()
        .is_some_and(|kind| kind & FLAC_LAST != 0 && *kind != 0xff)
}

/// All packets of pages that hold whole ones of one stream.
fn packets(pages: &[Page]) -> Option<Vec<Vec<u8>>> {
    let serial = pages.first()?.serial();
    let mut packets = Vec::new();
    let mut open = Vec::new();
    for page in pages {
        if page.serial() != serial || !page.is_ogg() {
            return None;
        }
        for (part, ends) in page.packets() {
            open.extend_from_slice(part);
            if ends {
                packets.push(std::mem::take(&mut open));
            }
        }
    }
    open.is_empty().then_some(packets)
}

/// The first packet has a page of its own (RFC 3533 §4), the others follow it.
fn pages(packets: &[Vec<u8>]) -> Option<Vec<Page>> {
    let (first, others) = packets.split_at_checked(1)?;
    let mut pages: Vec<Page> = Vec::new();
    for group in [first, others] {
        let lacing: Vec<u8> = group
            .iter()
            .flat_map(|packet| lacing(packet.len()))
            .collect();
        let body = group.concat();
        let mut body = &body[..];
        let mut is_continued = false;
        for lacing in lacing.chunks(SEGMENTS_MAX) {
            let n_bytes = lacing.iter().map(|n| usize::from(*n)).sum();
            let (now, later) = body.split_at_checked(n_bytes)?;
            body = later;
            let is_end = lacing.iter().any(|n| *n < 255);
            let stamp = Stamp {
                serial: 0,
                sequence: u32::try_from(pages.len()).ok()?,
                granule: if is_end { 0 } else { -1 },
                is_continued,
                is_first: pages.is_empty(),
                is_last: false,
            };
            is_continued = lacing.last() == Some(&255);
            pages.push(Page::build(stamp, lacing, now));
        }
    }
    (lacing(packets.first()?.len()).count() <= SEGMENTS_MAX).then_some(pages)
}

fn lacing(n_bytes: usize) -> impl Iterator<Item = u8> {
    let rest = u8::try_from(n_bytes % 255).unwrap_or_default();
    std::iter::repeat_n(255, n_bytes / 255).chain([rest])
}

fn behind(signature: &[u8], packet: &[u8], tags: &Tags) -> Option<Vec<u8>> {
    let list = packet.strip_prefix(signature)?;
    Some([signature, &retagged(list, tags)?].concat())
}

fn flac(block: &[u8], tags: &Tags) -> Option<Vec<u8>> {
    let list = retagged(flac_comments(block)?, tags)?;
    let [0, length @ ..] = u32::try_from(list.len()).ok()?.to_be_bytes() else {
        return None;
    };
    Some([&block[..1], &length, &list].concat())
}

/// A list of comments (Vorbis I §5.2.1) with these tags first, then whatever else was in it and
/// behind it, byte for byte.
fn retagged(list: &[u8], tags: &Tags) -> Option<Vec<u8>> {
    let mut rest = list;
    let vendor = text(&mut rest)?;
    let mut comments = Vec::new();
    let own = [("TITLE", &tags.title), ("ARTIST", &tags.artist)];
    for (name, value) in own {
        if let Some(value) = value {
            comments.push(format!("{name}={value}").into_bytes());
        }
    }
    for _ in 0..u32_le(&mut rest)? {
        let comment = text(&mut rest)?;
        let is_own = own.iter().any(|(name, _)| {
            let named = comment.split_at_checked(name.len());
            named.is_some_and(|(start, value)| {
                start.eq_ignore_ascii_case(name.as_bytes()) && value.starts_with(b"=")
            })
        });
        if !is_own {
            comments.push(comment.to_vec());
        }
    }
    let mut made = Vec::with_capacity(list.len());
    put(&mut made, vendor)?;
    made.extend_from_slice(&u32::try_from(comments.len()).ok()?.to_le_bytes());
    for comment in &comments {
        put(&mut made, comment)?;
    }
    made.extend_from_slice(rest);
    Some(made)
}

fn put(made: &mut Vec<u8>, text: &[u8]) -> Option<()> {
    made.extend_from_slice(&u32::try_from(text.len()).ok()?.to_le_bytes());
    made.extend_from_slice(text);
    Some(())
}

#[cfg(test)]
mod tests;
