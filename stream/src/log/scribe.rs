//! Says what is to be written down of a log as it grows: where a segment begins, and the record of
//! each page. Pure: files are others' business.

use std::time::{Duration, Instant};

use super::Epoch;
use super::account::Account;
use super::segment::{Head, Record};
use super::sink::Appended;
use crate::ogg::{Page, Role};

/// A new segment begins after so much time, and after so many bytes.
#[derive(Clone, Copy, Debug)]
pub struct SegmentMax {
    /// Time.
    pub time: Duration,
    /// Bytes.
    pub n_bytes: u64,
}

/// Follows a log.
#[derive(Debug)]
pub struct Scribe {
    epoch: Epoch,
    account: Account,
    segment_max: SegmentMax,
    segment: Option<Open>,
    /// The bytes before the next segment are not on disk.
    has_hole: bool,
}

#[derive(Debug)]
struct Open {
    began: Instant,
    n_bytes: u64,
}

/// What to write.
#[derive(Debug)]
pub struct Line {
    /// Begin this segment first.
    pub begins: Option<Head>,
    /// The page's record.
    pub record: Record,
}

impl Scribe {
    /// Follows the log `epoch` from where `account` stands.
    pub fn new(epoch: Epoch, account: Account, segment_max: SegmentMax) -> Self {
        Self {
            epoch,
            account,
            segment_max,
            segment: None,
            has_hole: false,
        }
    }

    /// What is to be written for this page, which arrived at `arrived_ms` by the wall clock.
    /// `None`: nothing, for no segment can begin here.
    pub fn take(&mut self, page: &Page, appended: &Appended, arrived_ms: i64) -> Option<Line> {
        if appended.offset != self.account.offset() {
            self.account.skip_to(appended.offset);
            self.give_up();
        }
        let may_begin = self.account.prefix().is_some() && self.is_full(appended.at);
        let within = may_begin.then(|| Head::of(self.epoch, &self.account, self.has_hole));
        let offset = self.account.offset();
        let role = self.account.take(page, appended.trace).ok()?;
        let begins = if matches!(role, Role::Start) {
            Some(Head::of_link(
                self.epoch,
                offset,
                &self.account,
                self.has_hole,
            ))
        } else {
            within
        };
        if begins.is_some() {
            self.has_hole = false;
            self.segment = Some(Open {
                began: appended.at,
                n_bytes: 0,
            });
        }
        let Some(segment) = &mut self.segment else {
            self.has_hole = true;
            return None;
        };
        segment.n_bytes += page.len() as u64;
        let trace = self.account.trace(page.serial()).unwrap_or_default();
        let is_unfinished = appended.is_unfinished;
        Some(Line {
            begins,
            record: Record::of(page, appended.offset, arrived_ms, trace, is_unfinished),
        })
    }

    /// Follows a page that is not going to be written.
    pub fn pass(&mut self, page: &Page, appended: &Appended) {
        self.give_up();
        self.account.skip_to(appended.offset);
        let _ = self.account.take(page, appended.trace);
    }

    /// What was written last may be missing: the next segment follows a hole.
    pub fn give_up(&mut self) {
        self.segment = None;
        self.has_hole = true;
    }

    fn is_full(&self, now: Instant) -> bool {
        self.segment.as_ref().is_none_or(|segment| {
            now.saturating_duration_since(segment.began) >= self.segment_max.time
                || segment.n_bytes >= self.segment_max.n_bytes
        })
    }
}
