//! One log out of pages that come over several ways, by offset. Pure.
//!
//! What is at the head is appended, whoever brings it. What is below must be what we have. What is
//! above is held for a moment: another way may still bring what is missing before it.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::log::account::Step;
use crate::ogg::Page;

/// Bytes of one way that are held; then what is missing before them is given up.
const HELD_BYTES_MAX: usize = 1024 * 1024;
/// So long they are held.
const HELD_MAX: Duration = Duration::from_secs(2);
/// A page that is late by this is missed.
const LATE: Duration = Duration::from_millis(500);
/// Longer times between pages are breaks, not the source's habit.
const RHYTHM_MAX: Duration = Duration::from_secs(2);

/// Where a page belongs in a log that has come to its head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// It should be there already.
    Below,
    /// It is the next one.
    Next,
    /// Something is missing before it.
    Above,
    /// It is there in part: whoever sent it cut the same bytes into other pages.
    Across,
}

impl Place {
    /// The place of a page of so many bytes.
    pub(super) fn of(offset: u64, n_bytes: usize, head: u64) -> Self {
        let end = offset.saturating_add(n_bytes as u64);
        match offset {
            _ if offset == head => Self::Next,
            _ if offset > head => Self::Above,
            _ if end <= head => Self::Below,
            _ => Self::Across,
        }
    }
}

/// Pages of one connection that came before what is missing.
#[derive(Debug, Default)]
pub(super) struct Held {
    pages: VecDeque<(u64, Page, Step)>,
    n_bytes: usize,
    since: Option<Instant>,
}

impl Held {
    /// Holds a page. `false`: there are too many.
    pub(super) fn keep(&mut self, offset: u64, page: Page, step: Step, now: Instant) -> bool {
        self.n_bytes += page.len();
        self.pages.push_back((offset, page, step));
        self.since.get_or_insert(now);
        self.n_bytes <= HELD_BYTES_MAX
    }

    /// The next page that is not above `head` any more.
    pub(super) fn take(&mut self, head: u64) -> Option<(u64, Page, Step)> {
        let (offset, ..) = self.pages.front()?;
        if *offset > head {
            return None;
        }
        let (offset, page, step) = self.pages.pop_front()?;
        self.n_bytes -= page.len();
        if self.pages.is_empty() {
            self.since = None;
        }
        Some((offset, page, step))
    }

    /// The first page that is held.
    pub(super) fn first(&self) -> Option<u64> {
        self.pages.front().map(|(offset, ..)| *offset)
    }

    /// When what is missing is given up.
    pub(super) fn until(&self) -> Option<Instant> {
        self.since.map(|since| since + HELD_MAX)
    }
}

/// How often pages come, and when the next one is late.
#[derive(Debug, Default)]
pub(super) struct Rhythm(Duration);

impl Rhythm {
    /// The next page came after `interval`.
    pub(super) fn beat(&mut self, interval: Duration) {
        if interval <= RHYTHM_MAX {
            self.0 = interval.max(self.0 * 15 / 16);
        }
    }

    /// A page that takes longer than this is late.
    pub(super) fn patience(&self) -> Duration {
        self.0 + LATE
    }
}

#[cfg(test)]
mod tests;
