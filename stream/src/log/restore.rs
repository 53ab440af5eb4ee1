//! From the segments of a log on disk back to a log that goes on where it was. Pure: time comes
//! in.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;

use super::account::{Account, Step, header_pages};
use super::ring::{Keep, Ring};
use super::segment::{Damage, Record, Segment};
use super::shared::Log;
use super::splice::Splice;
use super::writer::Writer;
use crate::ogg::{Measure, Page};

/// A log that can go on.
#[derive(Debug)]
pub struct Restored {
    /// Its writer.
    pub writer: Writer,
    /// Where it stands, for the one who writes it down further.
    pub account: Account,
    /// Pages in the ring.
    pub n_pages: usize,
}

/// The segments at the end of a log, collected from the newest back.
#[derive(Debug, Default)]
pub struct Chain {
    /// The oldest first.
    segments: VecDeque<Segment>,
}

impl Chain {
    /// No segments yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// No segment was of use yet.
    pub fn is_empty(&self) -> bool {
        self.segments.is_empty()
    }

    /// Adds the segment before those that are there. `false`: it does not belong to them, nor do
    /// any before it.
    pub fn push_older(&mut self, segment: Segment) -> bool {
        let fits = self.segments.front().is_none_or(|next| {
            next.head.epoch == segment.head.epoch
                && next.head.offset == segment.end()
                && !next.head.follows_hole
        });
        if fits {
            self.segments.push_front(segment);
        }
        fits
    }

    /// Whether an older segment is of use to a ring that keeps so much.
    pub fn wants_more(&self, keep: Keep) -> bool {
        let Some(oldest) = self.segments.front() else {
            return true;
        };
        if oldest.head.follows_hole || oldest.head.offset == 0 {
            return false;
        }
        let mut pages = self.pages();
        let first = pages.next().map(|(record, _)| record.arrived_ms);
        let last = pages.next_back().map(|(record, _)| record.arrived_ms);
        let span_ms = last.zip(first).map_or(0, |(last, first)| last - first);
        let n_bytes: usize = self.pages().map(|(_, page)| page.len()).sum();
        span_ms < i64::try_from(keep.time.as_millis()).unwrap_or(i64::MAX) && n_bytes < keep.n_bytes
    }

    fn pages(&self) -> impl DoubleEndedIterator<Item = &(Record, Page)> {
        self.segments.iter().flat_map(|segment| &segment.pages)
    }

    /// Makes the log. It ends with the last whole step; what lies behind is not counted, and the
    /// writer knows that somebody may have heard it. `now` and `now_ms` are the same moment.
    ///
    /// # Errors
    /// When the pages contradict what the head of their segment says.
    pub fn restore(
        mut self,
        keep: Keep,
        now: Instant,
        now_ms: i64,
    ) -> Result<Option<Restored>, Damage> {
        self.cut_half_steps();
        let Some(oldest) = self.segments.front() else {
            return Ok(None);
        };
        let epoch = oldest.head.epoch;
        let mut account = oldest.head.account()?;
        let mut ring = Ring::restored(epoch, keep, &account)
            .map_err(|stray| Damage::Head(stray.to_string()))?;
        let arrivals = Arrivals::new(keep, now, now_ms, self.pages());
        let mut measures = HashMap::new();
        for page in header_pages(&oldest.head.prefix).unwrap_or_default() {
            follow(&mut measures, &page);
        }
        let mut n_pages = 0;
        for (record, page) in self.pages() {
            follow(&mut measures, page);
            let step = Step::from(record);
            let taken = account.take(page, step.trace).map(drop);
            let appended = taken.and_then(|()| ring.append_step(page, step, arrivals.of(record)));
            appended.map_err(|_| Damage::Page(n_pages))?;
            n_pages += 1;
        }
        let splice = Splice::restored(&account, measures);
        let log = Log::restored(ring);
        Ok(Some(Restored {
            writer: Writer::restored(log, splice, now),
            account,
            n_pages,
        }))
    }

    /// What was appended in one step is kept as one, or not at all.
    fn cut_half_steps(&mut self) {
        while let Some(newest) = self.segments.back_mut() {
            let is_half = |page: &(Record, Page)| page.0.is_unfinished;
            while newest.pages.last().is_some_and(is_half) {
                newest.pages.pop();
            }
            if !newest.pages.is_empty() || self.segments.len() == 1 {
                return;
            }
            // An empty segment says no more than the end of the one before it.
            self.segments.pop_back();
        }
    }
}

/// Makes the log of a ring that was copied: see [`Copied`](super::Copied). `now` and `now_ms` are
/// the same moment.
///
/// # Errors
/// When it is not whole.
pub fn from_copy(
    index: &Bytes,
    pages: &Bytes,
    keep: Keep,
    now: Instant,
    now_ms: i64,
) -> Result<Restored, Damage> {
    let segment = Segment::read(index, pages)?;
    if segment.is_torn {
        return Err(Damage::Page(segment.pages.len()));
    }
    let mut chain = Chain::new();
    chain.push_older(segment);
    chain.restore(keep, now, now_ms)?.ok_or(Damage::Unwritten)
}

/// Follows each logical stream, by its serial number, as the splice did.
pub(super) fn follow(measures: &mut HashMap<u32, Measure>, page: &Page) {
    if page.stamp().is_first {
        measures.insert(page.serial(), Measure::new(page.body()));
    }
    if let Some(measure) = measures.get_mut(&page.serial()) {
        measure.take(page);
    }
}

/// Turns the wall clock's times of arrival into those of the clock that never jumps.
struct Arrivals {
    now: Instant,
    keep: Keep,
    newest_ms: i64,
    newest_age: Duration,
}

impl Arrivals {
    fn new<'a>(
        keep: Keep,
        now: Instant,
        now_ms: i64,
        pages: impl Iterator<Item = &'a (Record, Page)>,
    ) -> Self {
        let newest_ms = pages.map(|(record, _)| record.arrived_ms).max();
        let newest_ms = newest_ms.unwrap_or(now_ms);
        Self {
            now,
            keep,
            newest_ms,
            // If the wall clock was put forward meanwhile, the ring would be emptied at once.
            newest_age: age(now_ms, newest_ms).min(keep.time),
        }
    }

    fn of(&self, record: &Record) -> Instant {
        let before_newest = age(self.newest_ms, record.arrived_ms).min(self.keep.time * 2);
        self.now
            .checked_sub(self.newest_age + before_newest)
            .unwrap_or(self.now)
    }
}

/// From then until now, or nothing if the clock says otherwise.
fn age(now_ms: i64, then_ms: i64) -> Duration {
    let age_ms = now_ms.saturating_sub(then_ms);
    Duration::from_millis(u64::try_from(age_ms).unwrap_or(0))
}

impl Restored {
    /// The log.
    pub fn log(&self) -> &Arc<Log> {
        self.writer.log()
    }
}
