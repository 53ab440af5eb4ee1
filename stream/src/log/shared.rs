//! One log for one writer and many cursors. A cursor is an offset: it costs no memory of its
//! own and no copy of the sound.

use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use bytes::Bytes;

use super::Epoch;
use super::account::{Account, Step, Trace};
use super::resume::{Answer, Wish, decide};
use super::ring::{Copied, FellBehind, Join, Keep, Kept, Ring};
use crate::ogg::{Link, Page, Stray};

/// Somebody who sleeps until a page comes.
pub trait Wake: Send + Sync + fmt::Debug {
    /// Wakes him. Called for every page: must be quick and never wait.
    fn wake(&self);
}

/// A ring that one side appends to and all others read.
#[derive(Debug)]
pub struct Log {
    epoch: Epoch,
    // A std mutex: held for microseconds, never over an await.
    ring: Mutex<Ring>,
    head: AtomicU64,
    has_ended: AtomicBool,
    sleepers: Mutex<Vec<Weak<dyn Wake>>>,
}

impl Log {
    /// An empty log that begins at `offset`.
    pub fn new(epoch: Epoch, offset: u64, keep: Keep) -> Arc<Self> {
        Arc::new(Self {
            epoch,
            ring: Mutex::new(Ring::new(epoch, offset, keep)),
            head: AtomicU64::new(offset),
            has_ended: AtomicBool::new(false),
            sleepers: Mutex::default(),
        })
    }

    /// The log of a ring that was read back.
    pub(super) fn restored(ring: Ring) -> Arc<Self> {
        Arc::new(Self {
            epoch: ring.epoch(),
            head: AtomicU64::new(ring.head()),
            ring: Mutex::new(ring),
            has_ended: AtomicBool::new(false),
            sleepers: Mutex::default(),
        })
    }

    /// Which log this is.
    pub fn epoch(&self) -> Epoch {
        self.epoch
    }

    /// The offset of the next byte to come.
    pub fn head(&self) -> u64 {
        self.head.load(Ordering::Acquire)
    }

    /// The current link, once its headers are complete.
    pub fn link(&self) -> Option<Arc<Link>> {
        self.ring().link().cloned()
    }

    /// The newest page that is kept.
    pub(super) fn newest(&self) -> Option<Page> {
        self.ring().newest().cloned()
    }

    /// Nothing will be appended any more: another log has taken its place, or its mount is gone.
    pub fn has_ended(&self) -> bool {
        self.has_ended.load(Ordering::Acquire)
    }

    /// Wakes `sleeper` at every page from now on, once, however often he asks.
    pub fn wake_on_append(&self, sleeper: &Arc<impl Wake + 'static>) {
        let sleeper: Weak<dyn Wake> = Arc::downgrade(sleeper) as Weak<dyn Wake>;
        let mut sleepers = self.sleepers();
        sleepers.retain(|other| other.strong_count() > 0 && !other.ptr_eq(&sleeper));
        sleepers.push(sleeper);
    }

    /// Collects bytes from `offset` on and returns the offset behind them: see [`Ring::read`].
    ///
    /// # Errors
    /// When `offset` is older than the ring.
    pub fn read(
        &self,
        offset: u64,
        n_bytes_max: usize,
        n_pieces_max: usize,
        found: &mut Vec<Bytes>,
    ) -> Result<u64, FellBehind> {
        if offset == self.head() {
            return Ok(offset);
        }
        self.ring().read(offset, n_bytes_max, n_pieces_max, found)
    }

    /// As [`Self::read`], for somebody who is being sent this log: he also gets what comes before a
    /// stretch that was skipped meanwhile, and goes on with [`Self::behind_skip`].
    ///
    /// # Errors
    /// When `offset` is older than that.
    pub fn read_on(
        &self,
        offset: u64,
        n_bytes_max: usize,
        n_pieces_max: usize,
        found: &mut Vec<Bytes>,
    ) -> Result<u64, FellBehind> {
        if offset == self.head() {
            return Ok(offset);
        }
        let ring = self.ring();
        let read = ring.read(offset, n_bytes_max, n_pieces_max, found);
        read.or_else(|behind| {
            let passed = ring.read_passed(offset, n_bytes_max, n_pieces_max, found);
            passed.ok_or(behind)
        })
    }

    /// Pages from `offset` on, with what is known of them: see [`Ring::kept`].
    ///
    /// # Errors
    /// When `offset` is older than the ring.
    pub fn kept(&self, offset: u64, n_bytes_max: usize) -> Result<Vec<Kept>, FellBehind> {
        self.ring().kept(offset, n_bytes_max)
    }

    /// What must be known to go on with the oldest page that is kept, and all pages from there on.
    pub(super) fn tail(&self) -> (Account, Vec<Kept>) {
        self.ring().tail()
    }

    /// When the byte at `offset` arrived. `None`: it is not kept, or has not come yet.
    pub fn arrival(&self, offset: u64) -> Option<Instant> {
        self.ring().arrival(offset)
    }

    /// When the oldest page arrived that is kept.
    pub fn oldest_arrival(&self) -> Option<Instant> {
        self.ring().oldest_arrival()
    }

    /// Offset of the first header page of the current link: tells links apart.
    pub fn link_start(&self) -> u64 {
        self.ring().link_start()
    }

    /// Where somebody goes on who has everything up to `offset`, if what follows there was skipped.
    pub fn behind_skip(&self, offset: u64) -> Option<u64> {
        self.ring().behind_skip(offset)
    }

    /// Where somebody goes on who has to jump over what he missed, and the header pages that have
    /// to go first when the link he was in is over.
    pub fn live_edge(&self, link_start_known: u64) -> (u64, Bytes) {
        let ring = self.ring();
        let is_same_link = ring.link_start() == link_start_known;
        let prefix = match ring.link() {
            Some(link) if !is_same_link => link.prefix.clone(),
            _ => Bytes::new(),
        };
        (ring.live_edge(), prefix)
    }

    /// How long ago the newest page arrived.
    pub fn silence(&self, now: Instant) -> Option<Duration> {
        self.ring()
            .newest_arrival()
            .map(|at| now.saturating_duration_since(at))
    }

    /// Bytes kept now.
    pub fn n_bytes(&self) -> usize {
        self.ring().n_bytes()
    }

    /// With this burst one who asks for so much begins no later, where there is a picture: see
    /// [`Ring::burst_from_key_frame`].
    pub fn burst_from_key_frame(&self, burst: Duration) -> Duration {
        self.ring().burst_from_key_frame(burst)
    }

    /// Decides what a caller gets, and where his cursor starts.
    pub fn open(self: &Arc<Self>, wish: Wish, burst: Duration) -> Option<(Answer, Cursor, Bytes)> {
        let ring = self.ring();
        let answer = decide(&ring, wish);
        let Join { prefix, offset } = match answer {
            Answer::Exact { first, .. } => Join {
                prefix: Bytes::new(),
                offset: first,
            },
            Answer::Join | Answer::Ahead { .. } => match ring.join_behind_skip(wish) {
                Some(join) => join,
                None => ring.join(burst)?,
            },
        };
        let cursor = Cursor {
            log: Arc::clone(self),
            offset,
            link_start: ring.link_start(),
        };
        Some((answer, cursor, prefix))
    }

    /// A cursor that somebody had before.
    pub(crate) fn cursor(self: &Arc<Self>, offset: u64, link_start: u64) -> Cursor {
        Cursor {
            log: Arc::clone(self),
            offset,
            link_start,
        }
    }

    /// All that is kept, to go on with elsewhere: see [`Ring::copy`].
    pub(crate) fn copy(&self, traces: &[(u32, Trace)], now: Instant, now_ms: i64) -> Copied {
        let trace = |serial| {
            let found = traces.iter().find(|(other, _)| *other == serial);
            found.map(|(_, trace)| *trace)
        };
        self.ring().copy(trace, now, now_ms)
    }

    /// Appends a page that arrived at `now`. Only the mount's one writer calls this, or its mirror.
    pub(crate) fn append(&self, page: &Page, step: Step, now: Instant) -> Result<(), Stray> {
        let mut ring = self.ring();
        ring.append_step(page, step, now)?;
        self.moved(ring);
        Ok(())
    }

    pub(crate) fn learn_header(&self, page: &Page) -> Result<(), Stray> {
        self.ring().learn_header(page)
    }

    pub(crate) fn skip_to(&self, offset: u64) {
        let mut ring = self.ring();
        ring.skip_to(offset);
        self.moved(ring);
    }

    pub(crate) fn end(&self) {
        self.has_ended.store(true, Ordering::Release);
        self.wake_all();
    }

    fn moved(&self, ring: MutexGuard<'_, Ring>) {
        // Before others may read: whoever has a page knows of a head behind it.
        self.head.store(ring.head(), Ordering::Release);
        drop(ring);
        self.wake_all();
    }

    fn wake_all(&self) {
        for sleeper in self.sleepers().iter().filter_map(Weak::upgrade) {
            sleeper.wake();
        }
    }

    fn sleepers(&self) -> MutexGuard<'_, Vec<Weak<dyn Wake>>> {
        self.sleepers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The bytes that end the current link for a listener who is about to be moved elsewhere.
    pub fn farewell(&self) -> Bytes {
        let pages = self.ring().farewell();
        pages
            .iter()
            .flat_map(|page| page.bytes().iter().copied())
            .collect()
    }

    fn ring(&self) -> MutexGuard<'_, Ring> {
        // A panic elsewhere cannot leave the ring half changed in a way that matters more
        // than going silent would.
        self.ring.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Somebody's place in a log.
#[derive(Debug)]
pub struct Cursor {
    log: Arc<Log>,
    offset: u64,
    link_start: u64,
}

impl Cursor {
    /// The log it reads.
    pub fn log(&self) -> &Arc<Log> {
        &self.log
    }

    /// The next byte it wants.
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// Offset of the first header page of the link it is in.
    pub fn link_start(&self) -> u64 {
        self.link_start
    }
}
