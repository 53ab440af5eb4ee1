//! Who got which page first, and whether all others got the same one. Pure.

use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant};

use bytes::Bytes;
use stream::ogg::Page;

/// Pages that are remembered; the oldest are forgotten first.
const PAGES_MAX: usize = 16 * 1024;
/// How many bytes at a page's start are compared: its checksum is among them and covers all.
const START_BYTES: usize = 27;

/// What names a page: the log, the logical stream, the place in it.
type Key = (u64, u32, u32);

#[derive(Debug)]
struct First {
    at: Instant,
    offset: Option<u64>,
    start: Bytes,
}

/// All pages of late.
#[derive(Debug, Default)]
pub(crate) struct Arrivals {
    known: HashMap<Key, First>,
    order: VecDeque<Key>,
}

/// What is known of a page that came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Arrival {
    /// When somebody got it first.
    pub(crate) first_at: Instant,
    /// How long after that it came here.
    pub(crate) lag: Duration,
    /// Same bytes, same offset.
    pub(crate) is_same: bool,
}

impl Arrivals {
    /// Notes a page of the log `epoch` that came at `now`.
    pub(crate) fn note(
        &mut self,
        epoch: u64,
        page: &Page,
        offset: Option<u64>,
        now: Instant,
    ) -> Arrival {
        let stamp = page.stamp();
        let key = (epoch, stamp.serial, stamp.sequence);
        let start = page.bytes().get(..START_BYTES).unwrap_or_default();
        if let Some(first) = self.known.get(&key) {
            let is_there = first.offset.is_none() || offset.is_none() || first.offset == offset;
            return Arrival {
                first_at: first.at,
                lag: now.saturating_duration_since(first.at),
                is_same: is_there && first.start == start,
            };
        }
        if self.order.len() == PAGES_MAX
            && let Some(oldest) = self.order.pop_front()
        {
            self.known.remove(&oldest);
        }
        self.order.push_back(key);
        let first = First {
            at: now,
            offset,
            start: Bytes::copy_from_slice(start),
        };
        self.known.insert(key, first);
        Arrival {
            first_at: now,
            lag: Duration::ZERO,
            is_same: true,
        }
    }
}
