//! What a request for a mount gets: a fresh start, or exactly the bytes that follow what the
//! caller already has. Pure.
//!
//! Plain HTTP: `If-Range` names the log, `Range` the offset (RFC 9110 §13.1.5 and §14.2,
//! RFC 8673 for ranges that end far in the future).

use super::epoch::Epoch;
use super::ring::Ring;

/// The last position a caller names who wants everything to come (RFC 8673 §2).
pub const FOR_EVER: u64 = i64::MAX as u64;

/// What the caller asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wish {
    /// From about now.
    Join,
    /// The bytes `first..=last` of the log `epoch`.
    Resume {
        /// The log the caller has part of.
        epoch: Epoch,
        /// The first byte he does not have.
        first: u64,
        /// The last byte he wants.
        last: u64,
    },
}

/// What he gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// 200 and a burst.
    Join,
    /// 206 and exactly these bytes.
    Exact {
        /// The first byte.
        first: u64,
        /// The last byte, inclusive.
        last: u64,
    },
    /// 416: he claims to have bytes that do not exist yet.
    Ahead {
        /// The offset of the next byte to come.
        head: u64,
    },
}

impl Wish {
    /// Reads the two headers. Whatever is not a resume we understand is a fresh start: players
    /// send `Range: bytes=0-` and mean "play" (no `If-Range`, no resume).
    pub fn parse(range: Option<&str>, if_range: Option<&str>) -> Self {
        Self::parse_resume(range, if_range).unwrap_or(Self::Join)
    }

    fn parse_resume(range: Option<&str>, if_range: Option<&str>) -> Option<Self> {
        let epoch = parse_etag(if_range?)?;
        let span = range?.trim().strip_prefix("bytes=")?;
        let (first, last) = span.split_once('-')?;
        let first = parse_position(first)?;
        let last = if last.is_empty() {
            FOR_EVER
        } else {
            // No log is longer.
            parse_position(last)?.min(FOR_EVER)
        };
        (first <= last).then_some(Self::Resume { epoch, first, last })
    }
}

/// The epoch in an entity tag as we write it: `"<32 hexadecimal digits>"`.
pub fn parse_etag(text: &str) -> Option<Epoch> {
    text.trim()
        .strip_prefix('"')?
        .strip_suffix('"')?
        .parse()
        .ok()
}

fn parse_position(text: &str) -> Option<u64> {
    if text.is_empty() || !text.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    text.parse().ok()
}

/// Decides what `wish` gets from this ring.
pub fn decide(ring: &Ring, wish: Wish) -> Answer {
    match wish {
        Wish::Resume { epoch, first, last } if epoch == ring.epoch() => {
            if first > ring.head() {
                Answer::Ahead { head: ring.head() }
            } else if first >= ring.oldest() {
                Answer::Exact { first, last }
            } else {
                Answer::Join
            }
        }
        _ => Answer::Join,
    }
}
