//! What others than listeners ask of a ring: whole pages with what is known of them. Pure.

use std::time::{Duration, Instant};

use super::{Entry, FellBehind, Ring};
use crate::log::account::{Account, Step};
use crate::ogg::Page;

/// A page of a log, where it is, and what its master knows of it.
#[derive(Clone, Debug)]
pub struct Kept {
    /// Where it begins.
    pub offset: u64,
    /// The page.
    pub page: Page,
    /// When it arrived.
    pub arrived: Instant,
    /// What its master knows of it.
    pub step: Step,
}

impl Ring {
    /// Pages from `offset` on, of about `n_bytes_max` in all (one page more at most).
    ///
    /// # Errors
    /// When `offset` is older than the ring.
    pub fn kept(&self, offset: u64, n_bytes_max: usize) -> Result<Vec<Kept>, FellBehind> {
        if offset < self.oldest() {
            return Err(FellBehind {
                n_bytes: self.oldest() - offset,
            });
        }
        let first = self.entries.partition_point(|entry| entry.end() <= offset);
        let mut n_bytes = 0;
        let entries = self.entries.range(first..).take_while(|entry| {
            let is_wanted = n_bytes < n_bytes_max;
            n_bytes += entry.page.len();
            is_wanted
        });
        Ok(entries.map(Entry::kept).collect())
    }

    /// With this burst one who asks for so much begins no later: where there is a picture, at the
    /// key frame before, if it is kept.
    pub fn burst_from_key_frame(&self, burst: Duration) -> Duration {
        let newest = self.newest_arrival().filter(|_| {
            let link = self.link();
            link.is_some_and(|link| link.has_video())
        });
        let Some((newest, from)) = newest.and_then(|at| Some((at, at.checked_sub(burst)?))) else {
            return burst;
        };
        let in_link = self.entries.iter().rev();
        let mut in_link = in_link.take_while(|entry| entry.offset >= self.link_start);
        let before = in_link.find(|entry| entry.is_join_point && entry.arrived <= from);
        before.map_or(burst, |entry| newest.duration_since(entry.arrived))
    }

    /// What must be known to go on with the oldest page, and all pages.
    pub(in crate::log) fn tail(&self) -> (Account, Vec<Kept>) {
        let kept = self.entries.iter().map(Entry::kept);
        (self.tail.clone(), kept.collect())
    }
}

impl Entry {
    fn kept(&self) -> Kept {
        Kept {
            offset: self.offset,
            page: self.page.clone(),
            arrived: self.arrived,
            step: self.step,
        }
    }
}
