//! Joins what sources send into one faultless chain of pages. Pure. Only a master does this.
//!
//! Page sequence numbers come out contiguous for each logical stream whatever came in; a
//! source that returns with the stream it had goes on where it stopped, with doubled pages
//! dropped; a link that was left open is ended before the next begins.

use super::account::{Account, StreamAccount, Trace};
use crate::ogg::{Codec, Page, Stamp};

/// Serial numbers of this many earlier logical streams are not used again.
pub(super) const SERIALS_KEPT: usize = 64;

/// The writer's memory of the chain it has written.
#[derive(Debug, Default)]
pub struct Splice {
    open: Vec<Logical>,
    /// Whether the current link has come to its first page that is not a `bos` page.
    is_past_first_pages: bool,
    serials_used: Vec<u32>,
    counts: Counts,
}

/// What was put right.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Pages that came a second time and were dropped.
    pub n_doubled: u64,
    /// Pages that never came, by the source's own numbers.
    pub n_missing: u64,
    /// Pages dropped because they belong to no logical stream that has begun, or continue a
    /// packet whose beginning is lost.
    pub n_stray: u64,
}

#[derive(Debug)]
struct Logical {
    source_serial: u32,
    serial: u32,
    first_packets: Vec<u8>,
    source_sequence_next: u32,
    sequence_next: u32,
    /// The stamp of its newest page as written, with the newest granule position known.
    newest: Stamp,
    has_ended: bool,
    /// Sound of it has come: what is missing from now on was lost, not sent before our time.
    has_sound: bool,
    has_hole: bool,
}

impl Splice {
    /// The writer of a log that is still empty.
    pub fn new() -> Self {
        Self::default()
    }

    /// The writer of a log that stands where `account` says.
    pub fn restored(account: &Account) -> Self {
        let open = account.streams().iter().map(Logical::restored);
        Self {
            open: open.collect(),
            is_past_first_pages: account.is_past_first_pages(),
            serials_used: account.serials_used().to_vec(),
            counts: Counts::default(),
        }
    }

    /// What is known of the logical stream with this serial number in the log. `None`: it is not
    /// part of the current link any more.
    pub fn trace(&self, serial: u32) -> Option<Trace> {
        let mut open = self.open.iter();
        let logical = open.find(|logical| logical.serial == serial)?;
        Some(Trace {
            source_serial: logical.source_serial,
            source_sequence_next: logical.source_sequence_next,
            has_sound: logical.has_sound,
            has_hole: logical.has_hole,
        })
    }

    /// Takes one page as the source sent it and appends the pages to write to `out`. `chance`
    /// gives serial numbers: the source's own is not used, because it may come again in a log
    /// that follows this one, and listeners are taken along from log to log.
    pub fn take(&mut self, page: &Page, mut chance: impl FnMut() -> u32, out: &mut Vec<Page>) {
        let stamp = page.stamp();
        if stamp.is_first && !self.is_same_stream(page) {
            if self.is_past_first_pages {
                self.end_link(out);
            }
            self.begin(page, &mut chance);
        }
        let Some(logical) = self
            .open
            .iter_mut()
            .find(|l| l.source_serial == stamp.serial)
        else {
            self.counts.n_stray += 1;
            return;
        };
        let ahead = stamp.sequence.wrapping_sub(logical.source_sequence_next);
        if ahead > u32::MAX / 2 || logical.has_ended {
            self.counts.n_doubled += 1;
            return;
        }
        if logical.has_sound {
            self.counts.n_missing += u64::from(ahead);
        }
        logical.has_sound |= stamp.granule > 0;
        logical.has_hole |= ahead > 0;
        logical.source_sequence_next = stamp.sequence.wrapping_add(1);
        if logical.has_hole && stamp.is_continued {
            // The beginning of its first packet is lost; glued to whatever came before, it
            // would be noise.
            self.counts.n_stray += 1;
            return;
        }
        self.is_past_first_pages |= !stamp.is_first;
        out.push(logical.stamp(page, &stamp));
    }

    /// The sequence number that the source's stream goes on with, for one who comes back. Also
    /// of a stream that has ended, so that its source knows that nothing is missing.
    pub fn wanted(&self, source_serial: u32) -> Option<u32> {
        self.open
            .iter()
            .find(|logical| logical.source_serial == source_serial)
            .map(|logical| logical.source_sequence_next)
    }

    /// Ends every logical stream that is still open, with an empty `eos` page.
    pub fn end_link(&mut self, out: &mut Vec<Page>) {
        for logical in self.open.iter_mut().filter(|logical| !logical.has_ended) {
            out.push(logical.end());
        }
        self.open.clear();
        self.is_past_first_pages = false;
    }

    /// What was put right so far.
    pub fn counts(&self) -> Counts {
        self.counts
    }

    fn is_same_stream(&self, page: &Page) -> bool {
        self.open.iter().any(|logical| {
            logical.source_serial == page.serial()
                && logical.first_packets == page.body()
                && !logical.has_ended
        })
    }

    fn begin(&mut self, page: &Page, chance: &mut impl FnMut() -> u32) {
        let stamp = page.stamp();
        // A `bos` page with the serial number of a stream in this very link replaces it.
        self.open
            .retain(|logical| logical.source_serial != stamp.serial);
        let mut serial = chance();
        for _ in 0..SERIALS_KEPT {
            if !self.serials_used.contains(&serial) {
                break;
            }
            serial = chance();
        }
        if self.serials_used.len() == SERIALS_KEPT {
            self.serials_used.remove(0);
        }
        self.serials_used.push(serial);
        self.open.push(Logical {
            source_serial: stamp.serial,
            serial,
            first_packets: page.body().to_vec(),
            source_sequence_next: stamp.sequence,
            sequence_next: 0,
            newest: Stamp {
                serial,
                granule: 0,
                ..stamp
            },
            has_ended: false,
            has_sound: false,
            has_hole: false,
        });
    }
}

impl Logical {
    fn restored(account: &StreamAccount) -> Self {
        Self {
            source_serial: account.trace.source_serial,
            serial: account.newest.serial,
            first_packets: account.first_packets.to_vec(),
            source_sequence_next: account.trace.source_sequence_next,
            sequence_next: account.newest.sequence.wrapping_add(1),
            newest: account.newest,
            has_ended: account.newest.is_last,
            has_sound: account.trace.has_sound,
            has_hole: account.trace.has_hole,
        }
    }

    fn stamp(&mut self, page: &Page, stamp: &Stamp) -> Page {
        let written = Stamp {
            serial: self.serial,
            sequence: self.sequence_next,
            ..*stamp
        };
        self.sequence_next = self.sequence_next.wrapping_add(1);
        self.has_hole = false;
        self.has_ended = stamp.is_last;
        self.newest = Stamp {
            granule: written.granule.max(self.newest.granule),
            ..written
        };
        page.restamped(written)
    }

    fn end(&mut self) -> Page {
        self.has_ended = true;
        let codec = Codec::of(&self.first_packets);
        Page::end_of(&self.newest, codec.silent_packet())
    }
}
