//! A ring as the two files of a segment, for a program that goes on with it elsewhere. Pure: time
//! comes in.

use std::time::Instant;

use super::{Entry, Ring};
use crate::log::account::Trace;
use crate::log::segment::{Head, Record};

/// All that a ring holds: what [`crate::log::segment::Segment::read`] reads.
#[derive(Debug, Default)]
pub struct Copied {
    /// Head and records.
    pub index: Vec<u8>,
    /// The pages.
    pub pages: Vec<u8>,
}

impl Ring {
    /// Copies it; `trace` is what the splice knows now of a logical stream. `now` and `now_ms` are
    /// the same moment.
    pub(in crate::log) fn copy(
        &self,
        trace: impl Fn(u32) -> Option<Trace>,
        now: Instant,
        now_ms: i64,
    ) -> Copied {
        let mut account = self.tail.clone();
        account.learn_traces(&trace);
        let begins_link = account.prefix().is_none() && account.streams().is_empty();
        let head = if begins_link {
            Head::of_link(self.epoch, account.offset(), &account, false)
        } else {
            // Also between the header pages of a link: their source may take its time, and the first
            // of them has left the ring.
            Head::of(self.epoch, &account, false)
        };
        let mut copied = Copied {
            index: head.encode(),
            pages: Vec::with_capacity(self.n_bytes),
        };
        for Entry {
            offset,
            page,
            arrived,
            step,
            ..
        } in &self.entries
        {
            let age_ms = now.saturating_duration_since(*arrived).as_millis();
            let arrived_ms = now_ms.saturating_sub(i64::try_from(age_ms).unwrap_or(i64::MAX));
            // Behind its newest page it may know more than it did then.
            let is_newest = self.open.contains(&page.stamp());
            let now_known = is_newest.then(|| trace(page.serial())).flatten();
            let known = now_known.or(step.trace);
            let known = known.unwrap_or_else(|| Trace::unknown(page.serial()));
            let record = Record::of(page, *offset, arrived_ms, known, step.is_unfinished);
            copied.index.extend_from_slice(&record.encode());
            copied.pages.extend_from_slice(page.bytes());
        }
        copied
    }
}
