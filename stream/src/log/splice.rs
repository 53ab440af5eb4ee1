//! Joins what sources send into one faultless chain of pages. Pure. Only a master does this.
//!
//! Page sequence numbers come out contiguous for each logical stream whatever came in; a
//! source that returns with the stream it had goes on where it stopped, with doubled pages
//! dropped; a link that was left open is ended before the next begins. While a source is away
//! the splice can write filler in its place; when is not decided here but in `filler`.

use std::collections::HashMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::account::{Account, Trace};
use super::logical::Logical;
use crate::ogg::{Measure, Page, granule};

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
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Pages that came a second time and were dropped.
    pub n_doubled: u64,
    /// Pages that never came, by the source's own numbers.
    pub n_missing: u64,
    /// Pages dropped because they belong to no logical stream that has begun, or continue a
    /// packet whose beginning is lost.
    pub n_stray: u64,
}

impl Splice {
    /// The writer of a log that is still empty.
    pub fn new() -> Self {
        Self::default()
    }

    /// The writer of a log that stands where `account` says. `measures` have followed its streams,
    /// by their serial numbers.
    pub fn restored(account: &Account, mut measures: HashMap<u32, Measure>) -> Self {
        let open = account.streams().iter().map(|stream| {
            let measure = measures.remove(&stream.newest.serial);
            let measure = measure.unwrap_or_else(|| Measure::new(&stream.first_packets));
            Logical::restored(stream, measure)
        });
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
        open.find_map(|logical| logical.trace_of(serial))
    }

    /// Takes one page as the source sent it and appends the pages to write to `out`. `chance`
    /// gives serial numbers: the source's own is not used, because it may come again in a log
    /// that follows this one, and listeners are taken along from log to log. Returns how long
    /// what was written lasts, where that is known.
    pub fn take(
        &mut self,
        page: &Page,
        mut chance: impl FnMut() -> u32,
        out: &mut Vec<Page>,
    ) -> Duration {
        let stamp = page.stamp();
        if self.begins_with(page) {
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
            return Duration::ZERO;
        };
        let ahead = stamp.sequence.wrapping_sub(logical.source_sequence_next);
        if ahead > u32::MAX / 2 || logical.has_ended {
            self.counts.n_doubled += 1;
            return Duration::ZERO;
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
            return Duration::ZERO;
        }
        self.is_past_first_pages |= !stamp.is_first;
        let n_samples = logical.write(page, out);
        duration(n_samples, logical.fillable_rate_hertz())
    }

    /// Whether the page begins another logical stream than those that are open.
    pub fn begins_with(&self, page: &Page) -> bool {
        let is_known = || self.open.iter().any(|logical| logical.begins_with(page));
        page.stamp().is_first && !is_known()
    }

    /// Writes filler that lasts at least `length`, at most one packet more: silence in the
    /// logical stream that is open. Returns how long it lasts; nothing where there are several
    /// streams, or one that has no sound yet, has ended or is of an unknown codec.
    pub fn fill(&mut self, length: Duration, out: &mut Vec<Page>) -> Duration {
        let [logical] = &mut self.open[..] else {
            return Duration::ZERO;
        };
        let Some(rate_hertz) = logical.fillable_rate_hertz() else {
            return Duration::ZERO;
        };
        let n_samples = granule::samples(length, rate_hertz);
        duration(logical.fill(n_samples, out), Some(rate_hertz))
    }

    /// Lets the link end with the newest page of `out`, and begins another one with these headers,
    /// in which the same stream goes on: no sample is missing or comes twice. `false`: not behind
    /// this page, or there are several streams.
    pub fn part(
        &mut self,
        headers: &[Page],
        mut chance: impl FnMut() -> u32,
        out: &mut Vec<Page>,
    ) -> bool {
        let can_part = |logical: &Logical| out.last().is_some_and(|p| logical.can_part_behind(p));
        if !matches!(&self.open[..], [logical] if can_part(logical)) {
            return false;
        }
        let serial = self.new_serial(&mut chance);
        if let ([logical], Some(last)) = (&mut self.open[..], out.pop()) {
            logical.part_behind(&last, serial, headers, out);
        }
        true
    }

    /// Whether filler can be written.
    pub fn can_fill(&self) -> bool {
        matches!(&self.open[..], [logical] if logical.fillable_rate_hertz().is_some())
    }

    /// How much filler stands behind the newest page of a source's stream.
    pub fn filled(&self, source_serial: u32) -> Duration {
        let mut open = self.open.iter();
        let logical = open.find(|logical| logical.source_serial == source_serial);
        logical.map_or(Duration::ZERO, |logical| {
            duration(logical.n_filled(), logical.fillable_rate_hertz())
        })
    }

    /// The sequence number that the source's stream goes on with, for one who comes back. Also
    /// of a stream that has ended, so that its source knows that nothing is missing.
    pub fn wanted(&self, source_serial: u32) -> Option<u32> {
        self.open
            .iter()
            .find(|logical| logical.source_serial == source_serial)
            .map(|logical| logical.source_sequence_next)
    }

    /// Whether the page only ends its stream, and brings no sound.
    pub fn is_mere_end(&self, page: &Page) -> bool {
        let stamp = page.stamp();
        let mut open = self.open.iter();
        let logical = open.find(|logical| logical.source_serial == stamp.serial);
        stamp.is_last && logical.is_some_and(|logical| !logical.goes_on_to(stamp.granule))
    }

    /// Whether a source's stream has come to its end, and nothing has begun since.
    pub fn has_ended(&self, source_serial: u32) -> bool {
        let mut open = self.open.iter();
        open.any(|logical| logical.source_serial == source_serial && logical.has_ended)
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

    /// What is known of each logical stream of the link, by its serial number in the log.
    pub fn traces(&self) -> Vec<(u32, Trace)> {
        let traces = self.open.iter();
        traces
            .map(|logical| (logical.serial, logical.trace()))
            .collect()
    }

    /// Counts on from there.
    pub(super) fn count_from(&mut self, counts: Counts) {
        self.counts = counts;
    }

    fn begin(&mut self, page: &Page, chance: &mut impl FnMut() -> u32) {
        let stamp = page.stamp();
        // A `bos` page with the serial number of a stream in this very link replaces it.
        self.open
            .retain(|logical| logical.source_serial != stamp.serial);
        let serial = self.new_serial(chance);
        self.open.push(Logical::new(page, serial));
    }

    fn new_serial(&mut self, chance: &mut impl FnMut() -> u32) -> u32 {
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
        serial
    }
}

fn duration(n_samples: u64, rate_hertz: Option<u32>) -> Duration {
    let granule = i64::try_from(n_samples).ok();
    let time = granule.and_then(|granule| granule::time(granule, rate_hertz?));
    time.unwrap_or_default()
}
