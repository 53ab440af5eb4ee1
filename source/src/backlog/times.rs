//! Where each page of a logical stream ends in time, in samples. Pure.

use std::collections::VecDeque;

/// The times of so many pages are remembered, more than two hours of them. Older pages count
/// as being as old as the oldest that is remembered.
const TIMES_MAX: usize = 40_000;

/// The ends of pages, without holes.
#[derive(Debug, Default)]
pub(super) struct Times {
    /// Each page's own granule position, unless no packet ends on it; the first is that of the
    /// page numbered `from`.
    ends: VecDeque<i64>,
    from: u64,
}

impl Times {
    /// The page before the one numbered `first` ends there.
    pub(super) fn before(first: u64, end: i64) -> Self {
        Self {
            ends: VecDeque::from([end]),
            from: first.saturating_sub(1),
        }
    }

    /// The next page has this granule position.
    pub(super) fn add(&mut self, granule: i64) {
        self.ends.push_back(self.newest().max(granule));
        if self.ends.len() > TIMES_MAX {
            self.ends.pop_front();
            self.from += 1;
        }
    }

    /// The end of the newest page.
    pub(super) fn newest(&self) -> i64 {
        self.ends.back().copied().unwrap_or(0)
    }

    /// Where this page begins.
    pub(super) fn beginning(&self, sequence: u64) -> i64 {
        let at = sequence.saturating_sub(1).saturating_sub(self.from);
        let at = usize::try_from(at).unwrap_or(usize::MAX);
        let end = self.ends.get(at).copied();
        end.unwrap_or_else(|| self.newest())
    }

    /// As [`Self::first_from`]; 0 if all that is remembered is as young, and so what was before.
    pub(super) fn young_from(&self, sample: i64) -> u64 {
        let first = self.first_from(sample);
        if first == self.from { 0 } else { first }
    }

    /// The oldest page that ends there or later.
    pub(super) fn first_from(&self, sample: i64) -> u64 {
        self.from + self.ends.partition_point(|end| *end < sample) as u64
    }
}
