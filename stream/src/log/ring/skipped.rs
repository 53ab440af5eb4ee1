//! A stretch of a log that has no bytes, and those who come to it: who has everything before it goes
//! on behind it, and who was not sent everything yet gets that first. Pure: time comes in.

use std::cmp::Ordering;
use std::time::Instant;

use bytes::Bytes;

use super::{Join, Ring, collect};
use crate::log::resume::Wish;

/// The newest stretch without bytes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Skipped {
    /// Where the page before it began.
    newest: u64,
    from: u64,
    to: u64,
}

impl Ring {
    /// Goes on at a later offset because the bytes between were never received. Who had everything
    /// goes on there, and who was being sent what comes before it gets that first.
    pub fn skip_to(&mut self, offset: u64) {
        if offset <= self.head {
            return;
        }
        let before = self.skipped.filter(|before| before.to == self.head);
        let newest = self.entries.back().map_or(self.head, |entry| entry.offset);
        let (newest, from) = before.map_or((newest, self.head), |s| (s.newest, s.from));
        self.skipped = Some(Skipped {
            newest,
            from,
            to: offset,
        });
        if before.is_none() {
            let entries = std::mem::take(&mut self.entries);
            for entry in &entries {
                self.forget(entry);
            }
            let older = std::mem::replace(&mut self.passed, entries);
            self.n_bytes -= older.iter().map(|entry| entry.page.len()).sum::<usize>();
        }
        self.head = offset;
        self.tail.skip_to(offset);
    }

    /// What comes before the skipped stretch is dropped first when there is too much.
    pub(super) fn drop_passed(&mut self, now: Instant) {
        let is_too_old = |ring: &Self| {
            let oldest = ring.passed.front();
            oldest.is_some_and(|oldest| ring.is_too_old(oldest, now))
        };
        while is_too_old(self) {
            let Some(oldest) = self.passed.pop_front() else {
                return;
            };
            self.n_bytes -= oldest.page.len();
        }
    }

    /// As [`Self::read`], of what comes before the skipped stretch. `None`: it is not kept.
    pub fn read_passed(
        &self,
        offset: u64,
        n_bytes_max: usize,
        n_pieces_max: usize,
        found: &mut Vec<Bytes>,
    ) -> Option<u64> {
        let (oldest, newest) = self.passed.front().zip(self.passed.back())?;
        let is_there = (oldest.offset..newest.end()).contains(&offset);
        is_there.then(|| collect(&self.passed, offset, n_bytes_max, n_pieces_max, found))
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
