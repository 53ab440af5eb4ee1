//! Where a picture of Theora can be joined: its key frames, and what they make of granule positions
//! (Theora I §A.2.3). Pure.
//!
//! Does not decode pictures.

use super::page::{Page, Stamp};

/// Says that a packet is no frame but a header.
const FLAG_HEADER: u8 = 0x80;
/// Says that a frame needs the one before it.
const FLAG_INTER: u8 = 0x40;

/// What the identification header says of granule positions (Theora I §6.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frames {
    /// So many bits at the end count the frames since the key frame; the others are its number.
    shift: u32,
}

impl Frames {
    /// Reads the first packet of a stream of Theora. `None`: it is not one.
    pub fn parse(packet: &[u8]) -> Option<Self> {
        let rest = packet.strip_prefix(b"\x80theora")?;
        let [high, low] = *rest.get(33..35)?.first_chunk()?;
        let shift = u32::from(high & 3) << 3 | u32::from(low >> 5);
        Some(Self { shift })
    }

    /// The granule position of the frame behind the one with `granule`.
    fn next(self, granule: i64, is_key: bool) -> i64 {
        if !is_key {
            return granule.saturating_add(1);
        }
        let since = granule & ((1 << self.shift) - 1);
        let number = (granule >> self.shift)
            .saturating_add(since)
            .saturating_add(1);
        number.checked_shl(self.shift).unwrap_or(granule)
    }

    /// The page as several, if a key frame begins in the middle of it: each of them begins there.
    /// `granule`: that of the page before. Their sequence numbers are all the same.
    pub fn parts(self, page: &Page, granule: i64) -> Vec<Page> {
        let whole = page.stamp();
        let (mut lacing, mut body) = (page.lacing(), page.body());
        let mut parts = Vec::new();
        let mut stamp = Stamp {
            granule: granule.max(0),
            is_last: false,
            ..whole
        };
        let (mut n_segments, mut n_bytes) = (0, 0);
        for (n, (packet, _)) in page.packets().enumerate() {
            let begins_here = n > 0 || !whole.is_continued;
            let is_key = begins_here && is_key_frame(packet);
            if is_key && n > 0 {
                let (segments, later) = lacing.split_at(n_segments);
                let (bytes, rest) = body.split_at(n_bytes);
                parts.push(Page::build(stamp, segments, bytes));
                (lacing, body, n_segments, n_bytes) = (later, rest, 0, 0);
                (stamp.is_first, stamp.is_continued) = (false, false);
            }
            stamp.granule = self.next(stamp.granule, is_key);
            n_segments += packet.len() / 255 + 1;
            n_bytes += packet.len();
        }
        if parts.is_empty() {
            return vec![page.clone()];
        }
        let (granule, is_last) = (whole.granule, whole.is_last);
        parts.push(Page::build(
            Stamp {
                granule,
                is_last,
                ..stamp
            },
            lacing,
            body,
        ));
        parts
    }
}

/// Whether a decoder can begin with this page: the first that is on it is a key frame.
pub fn begins_with_key_frame(page: &Page) -> bool {
    let first = page.packets().next();
    !page.stamp().is_continued && first.is_some_and(|(packet, _)| is_key_frame(packet))
}

fn is_key_frame(packet: &[u8]) -> bool {
    packet
        .first()
        .is_some_and(|first| first & (FLAG_HEADER | FLAG_INTER) == 0)
}
