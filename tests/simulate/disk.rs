//! A master's disk: what the real scribe says is written some time later, and a kill finds it half
//! written.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use fastrand::Rng;
use stream::log::account::Account;
use stream::log::restore::{Chain, Restored};
use stream::log::scribe::{Scribe, SegmentMax};
use stream::log::segment::{Damage, RECORD_BYTES, Segment};
use stream::log::sink::Appended;
use stream::log::{Epoch, Keep, Sink};
use stream::mount::{Mount, Sinks};
use stream::ogg::Page;

/// After it was full, the disk is left alone for this long.
const RETRY_AFTER: Duration = Duration::from_secs(10);
/// When the first page came, by the wall clock.
const START_MS: i64 = 1_790_000_000_000;

/// The disk, shared by those who write to it.
#[derive(Clone, Debug)]
pub(crate) struct Disk(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    start: Instant,
    now: Instant,
    /// Nothing is kept; pages are only seen.
    is_missing: bool,
    is_full: bool,
    lag: Duration,
    segment_max: SegmentMax,
    orders: VecDeque<(Instant, Order)>,
    files: Vec<Files>,
    /// The log that can be continued, and whether filler may follow.
    described: Option<(Epoch, bool)>,
    /// The number of the newest segment that was given up.
    failed: u64,
    number: u64,
    /// What was appended since somebody looked.
    seen: Vec<(Epoch, u64, Page)>,
}

#[derive(Debug)]
struct Files {
    epoch: Epoch,
    number: u64,
    offset: u64,
    index: Vec<u8>,
    pages: Vec<u8>,
}

#[derive(Debug)]
enum Order {
    Begin(Files, bool),
    Page(u64, Page, [u8; RECORD_BYTES]),
    Filling(bool),
}

impl Disk {
    /// An empty one. What is written to it is there after `lag`.
    pub(crate) fn new(start: Instant, lag: Duration, segment_max: SegmentMax) -> Self {
        Self(Arc::new(Mutex::new(State {
            start,
            now: start,
            is_missing: false,
            is_full: false,
            lag,
            segment_max,
            orders: VecDeque::new(),
            files: Vec::new(),
            described: None,
            failed: 0,
            number: 0,
            seen: Vec::new(),
        })))
    }

    /// Writes what is due, and gives what was appended to the log since the last time.
    pub(crate) fn step(&self, now: Instant) -> Vec<(Epoch, u64, Page)> {
        let mut state = self.state();
        state.now = now;
        while state.orders.front().is_some_and(|(due, _)| *due <= now) {
            if let Some((_, order)) = state.orders.pop_front() {
                state.obey(order);
            }
        }
        std::mem::take(&mut state.seen)
    }

    /// The master is killed: some of what waits is still written, the last of it perhaps in part.
    pub(crate) fn fall(&self, chance: &mut Rng) {
        let mut state = self.state();
        let n_written = chance.usize(0..=state.orders.len());
        for _ in 0..n_written {
            if let Some((_, order)) = state.orders.pop_front() {
                state.obey(order);
            }
        }
        if let Some((_, order)) = state.orders.pop_front()
            && chance.bool()
        {
            state.obey_in_part(order, chance);
        }
        state.orders.clear();
    }

    /// Somebody has taken the disk out, or put one in.
    pub(crate) fn set_missing(&self, is_missing: bool) {
        let mut state = self.state();
        state.is_missing = is_missing;
        state.files.clear();
        state.described = None;
    }

    /// There is no room any more, or there is again.
    pub(crate) fn set_full(&self, is_full: bool) {
        self.state().is_full = is_full;
    }

    /// Reads the log back that can go on.
    pub(crate) fn restore(&self, keep: Keep, now: Instant) -> Result<Option<Restored>, String> {
        let mut state = self.state();
        let now_ms = state.wall_ms(now);
        let Some((epoch, may_be_filled)) = state.described else {
            state.files.clear();
            return Ok(None);
        };
        state.files.retain(|files| files.epoch == epoch);
        let mut chain = Chain::new();
        let mut n_heads = Vec::new();
        for files in state.files.iter().rev() {
            if !chain.wants_more(keep) {
                break;
            }
            let read = Segment::read(
                &Bytes::from(files.index.clone()),
                &Bytes::from(files.pages.clone()),
            );
            let segment = match read {
                Err(Damage::Unwritten) => continue,
                Err(damage) => return Err(damage.to_string()),
                Ok(segment) => segment,
            };
            let (offset, n_head_bytes) = (segment.head.offset, segment.n_head_bytes);
            let offsets = segment.pages.iter().map(|(record, _)| record.offset);
            let offsets: Vec<u64> = offsets.collect();
            if !chain.push_older(segment) {
                break;
            }
            n_heads.push((offset, n_head_bytes, offsets));
        }
        let restored = chain
            .restore(keep, now, now_ms)
            .map_err(|damage| damage.to_string())?;
        let Some(mut restored) = restored.filter(|restored| restored.log().head() > 0) else {
            return Ok(None);
        };
        if may_be_filled {
            restored.writer.suspect_filler();
        }
        state.cut(&n_heads, restored.log().head());
        Ok(Some(restored))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn wall_ms(&self, now: Instant) -> i64 {
        let age = (now - self.start).as_millis();
        START_MS + i64::try_from(age).unwrap_or_default()
    }

    fn obey(&mut self, order: Order) {
        if self.is_full {
            self.failed = self.number;
            self.described = None;
            return;
        }
        match order {
            Order::Begin(files, may_be_filled) if files.number > self.failed => {
                self.described = Some((files.epoch, may_be_filled));
                self.files.push(files);
            }
            Order::Page(number, page, record) if number > self.failed => {
                if let Some(files) = self.files.last_mut().filter(|files| files.number == number) {
                    files.pages.extend_from_slice(page.bytes());
                    files.index.extend_from_slice(&record);
                }
            }
            Order::Filling(may_follow) => {
                if let Some((_, may_be_filled)) = &mut self.described {
                    *may_be_filled = may_follow;
                }
            }
            Order::Begin(..) | Order::Page(..) => {}
        }
    }

    fn obey_in_part(&mut self, order: Order, chance: &mut Rng) {
        match order {
            Order::Begin(mut files, _) => {
                files.index.truncate(chance.usize(..files.index.len()));
                self.files.push(files);
            }
            Order::Page(number, page, record) => {
                let Some(files) = self.files.last_mut().filter(|files| files.number == number)
                else {
                    return;
                };
                let n_bytes = chance.usize(..=page.len());
                files.pages.extend_from_slice(&page.bytes()[..n_bytes]);
                if n_bytes == page.len() {
                    let n_bytes = chance.usize(..RECORD_BYTES);
                    files.index.extend_from_slice(&record[..n_bytes]);
                }
            }
            Order::Filling(_) => {}
        }
    }

    /// What lies behind `head` is cut off, as a master does when it starts.
    fn cut(&mut self, reads: &[(u64, usize, Vec<u64>)], head: u64) {
        self.files.retain(|files| files.offset < head);
        for (offset, n_head_bytes, offsets) in reads {
            let Some(files) = self.files.iter_mut().find(|files| files.offset == *offset) else {
                continue;
            };
            let n_kept = offsets.partition_point(|offset| *offset < head);
            let end = offsets.get(n_kept).copied().unwrap_or(head).min(head);
            let n_bytes = usize::try_from(end - offset).unwrap_or(usize::MAX);
            files.pages.truncate(n_bytes);
            files.index.truncate(n_head_bytes + n_kept * RECORD_BYTES);
        }
    }
}

impl Sinks for Disk {
    fn open(&self, mount: &Arc<Mount>, account: Account) -> Option<Box<dyn Sink>> {
        let epoch = mount.log().epoch();
        let segment_max = self.state().segment_max;
        Some(Box::new(Pen {
            disk: self.clone(),
            epoch,
            scribe: Scribe::new(epoch, account, segment_max),
            given_up: None,
            number: 0,
            may_be_filled: false,
        }))
    }
}

/// Writes one log down.
#[derive(Debug)]
struct Pen {
    disk: Disk,
    epoch: Epoch,
    scribe: Scribe,
    given_up: Option<Instant>,
    number: u64,
    may_be_filled: bool,
}

impl Sink for Pen {
    fn appended(&mut self, page: &Page, appended: Appended) {
        let mut state = self.disk.state();
        state.seen.push((self.epoch, appended.offset, page.clone()));
        if state.is_missing {
            return;
        }
        if self.number > 0 && self.given_up.is_none() && state.failed >= self.number {
            self.scribe.give_up();
            self.given_up = Some(appended.at);
        }
        if let Some(since) = self.given_up {
            if appended.at.saturating_duration_since(since) < RETRY_AFTER {
                self.scribe.pass(page, &appended);
                return;
            }
            self.given_up = None;
        }
        let arrived_ms = state.wall_ms(appended.at);
        let Some(line) = self.scribe.take(page, &appended, arrived_ms) else {
            return;
        };
        let due = appended.at + state.lag;
        if let Some(head) = line.begins {
            state.number += 1;
            self.number = state.number;
            let files = Files {
                epoch: self.epoch,
                number: self.number,
                offset: head.offset,
                index: head.encode(),
                pages: Vec::new(),
            };
            state
                .orders
                .push_back((due, Order::Begin(files, self.may_be_filled)));
        }
        let order = Order::Page(self.number, page.clone(), line.record.encode());
        state.orders.push_back((due, order));
    }

    fn filling(&mut self, may_follow: bool) {
        self.may_be_filled = may_follow;
        let mut state = self.disk.state();
        let due = state.now + state.lag;
        state.orders.push_back((due, Order::Filling(may_follow)));
    }

    fn described(&mut self) {}

    fn removed(&mut self) {}
}
