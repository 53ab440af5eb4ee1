//! Merges the encoder's small pages into pages bounded by time. Pure.
//!
//! The encoder is told to close a page every four packets (at most 85 ms), because its
//! own paging goes by bytes: digital silence would make pages of more than five seconds,
//! and listeners would starve. Small pages cost bytes, so several become one here. What
//! is inside the packets does not matter.

use std::time::Duration;

use stream::ogg::{Page, Stamp};

/// A page is closed as soon as it holds this much sound. The last small page that goes in
/// adds at most 85 ms, so no page is longer than 285 ms.
pub const PAGE_TARGET: Duration = Duration::from_millis(200);

/// The most segments a page can have (RFC 3533 §6, field 9).
const SEGMENTS_MAX: usize = 255;

/// How many packets a Vorbis stream begins with that carry no sound (Vorbis I §4.2).
const N_HEADER_PACKETS: usize = 3;

/// A page that is ready to be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Made {
    /// Carries what a decoder must know first, no sound.
    Header(Page),
    /// Carries sound.
    Sound(Page),
}

/// Takes the encoder's pages in order and gives fewer, longer ones. One logical stream.
#[derive(Debug)]
pub struct Merger {
    target_samples: i64,
    n_header_packets_missing: usize,
    sequence: u32,
    /// Where the last page given out ended.
    granule: i64,
    held: Option<Held>,
}

/// The page that is being put together.
#[derive(Debug)]
struct Held {
    stamp: Stamp,
    lacing: Vec<u8>,
    body: Vec<u8>,
}

impl Merger {
    /// A merger for a stream of `rate` samples a second.
    pub fn new(rate: u32) -> Self {
        let target = u128::from(rate) * PAGE_TARGET.as_millis() / 1000;
        Self {
            target_samples: i64::try_from(target).unwrap_or(i64::MAX),
            n_header_packets_missing: N_HEADER_PACKETS,
            sequence: 0,
            granule: 0,
            held: None,
        }
    }

    /// Takes the encoder's next page; `give` gets each page that is thereby finished.
    pub fn push(&mut self, page: &Page, mut give: impl FnMut(Made)) {
        let stamp = page.stamp();
        if self.n_header_packets_missing > 0 {
            // Header pages stay as they are: the first alone on its page, sound on a new
            // one (Vorbis I §A.2). Their sequence numbers are already right.
            self.n_header_packets_missing = self
                .n_header_packets_missing
                .saturating_sub(page.n_packets_ended());
            self.sequence = stamp.sequence.wrapping_add(1);
            give(Made::Header(page.clone()));
            return;
        }
        if let Some(full) = self.held.take_if(|held| !held.has_room_for(page)) {
            give(Made::Sound(self.close(&full)));
        }
        let held = self.held.get_or_insert_with(|| Held::empty(stamp));
        held.append(page, stamp);
        let is_due = held.stamp.granule - self.granule >= self.target_samples;
        if is_due || stamp.is_last {
            self.flush(give);
        }
    }

    /// Gives the page that is being put together, however short it is.
    pub fn flush(&mut self, mut give: impl FnMut(Made)) {
        if let Some(held) = self.held.take() {
            give(Made::Sound(self.close(&held)));
        }
    }

    fn close(&mut self, held: &Held) -> Page {
        let stamp = Stamp {
            sequence: self.sequence,
            ..held.stamp
        };
        self.sequence = self.sequence.wrapping_add(1);
        self.granule = self.granule.max(stamp.granule);
        Page::build(stamp, &held.lacing, &held.body)
    }
}

impl Made {
    /// The page, whatever it carries.
    pub fn page(&self) -> &Page {
        match self {
            Self::Header(page) | Self::Sound(page) => page,
        }
    }
}

impl Held {
    fn empty(first: Stamp) -> Self {
        Self {
            stamp: Stamp {
                granule: -1,
                is_last: false,
                ..first
            },
            lacing: Vec::new(),
            body: Vec::new(),
        }
    }

    fn has_room_for(&self, page: &Page) -> bool {
        self.lacing.len() + page.lacing().len() <= SEGMENTS_MAX
    }

    fn append(&mut self, page: &Page, stamp: Stamp) {
        self.lacing.extend_from_slice(page.lacing());
        self.body.extend_from_slice(page.body());
        self.stamp.is_last = stamp.is_last;
        if stamp.granule >= 0 {
            self.stamp.granule = stamp.granule;
        }
    }
}

#[cfg(test)]
mod tests;
