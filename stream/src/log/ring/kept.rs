//! What others than listeners ask of a ring: whole pages with what is known of them, and where
//! somebody goes on who has everything. Pure.

use std::cmp::Ordering;
use std::time::Instant;

use bytes::Bytes;

use super::{Entry, FellBehind, Join, Ring};
use crate::log::account::{Account, Step};
use crate::log::resume::Wish;
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

    /// What must be known to go on with the oldest page, and all pages.
    pub(in crate::log) fn tail(&self) -> (Account, Vec<Kept>) {
        let kept = self.entries.iter().map(Entry::kept);
        (self.tail.clone(), kept.collect())
    }

    /// Where somebody goes on who has everything up to `offset`, if what follows there was skipped.
    pub fn behind_skip(&self, offset: u64) -> Option<u64> {
        let skipped = self.skipped?;
        (skipped.from == offset && skipped.to >= self.oldest()).then_some(skipped.to)
    }

    /// Where somebody starts who asks for what was skipped and misses nothing but that. He may have
    /// more of it, from another master, or ask for the page before it once more, as a relay does
    /// that compares.
    pub(in crate::log) fn join_behind_skip(&self, wish: Wish) -> Option<Join> {
        let Wish::Resume { epoch, first, .. } = wish else {
            return None;
        };
        let skipped = self.skipped.filter(|_| epoch == self.epoch)?;
        let is_there = first == skipped.newest || (skipped.from..skipped.to).contains(&first);
        let offset = self.behind_skip(skipped.from).filter(|_| is_there)?;
        let link = self.link()?;
        // Of an earlier link there are no header pages any more.
        let prefix = match offset.cmp(&self.link_start) {
            Ordering::Less => return None,
            Ordering::Equal => Bytes::new(),
            Ordering::Greater => link.prefix.clone(),
        };
        Some(Join { prefix, offset })
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
