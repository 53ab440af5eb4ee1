//! One log for one writer and many cursors. A cursor is an offset: it costs no memory of its
//! own and no copy of the sound.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::sync::watch;

use super::resume::{Answer, Wish, decide};
use super::ring::{FellBehind, Join, Keep, Ring};
use super::{Epoch, Splice};
use crate::ogg::{Link, Page, Stray};

/// A ring that one side appends to and all others read.
#[derive(Debug)]
pub struct Log {
    epoch: Epoch,
    // A std mutex: held for microseconds, never over an await.
    ring: Mutex<Ring>,
    state: watch::Sender<State>,
}

/// What a cursor waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct State {
    /// The offset of the next byte to come.
    pub head: u64,
    /// Nothing will be appended any more.
    pub has_ended: bool,
}

impl Log {
    /// An empty log that begins at `offset`.
    pub fn new(epoch: Epoch, offset: u64, keep: Keep) -> Arc<Self> {
        Arc::new(Self {
            epoch,
            ring: Mutex::new(Ring::new(epoch, offset, keep)),
            state: watch::Sender::new(State {
                head: offset,
                has_ended: false,
            }),
        })
    }

    /// Which log this is.
    pub fn epoch(&self) -> Epoch {
        self.epoch
    }

    /// The offset of the next byte to come.
    pub fn head(&self) -> u64 {
        self.state.borrow().head
    }

    /// The current link, once its headers are complete.
    pub fn link(&self) -> Option<Arc<Link>> {
        self.ring().link().cloned()
    }

    /// Tells of every change.
    pub fn watch(&self) -> watch::Receiver<State> {
        self.state.subscribe()
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

    /// Decides what a caller gets, and where his cursor starts.
    pub fn open(self: &Arc<Self>, wish: Wish, burst: Duration) -> Option<(Answer, Cursor, Bytes)> {
        let ring = self.ring();
        let answer = decide(&ring, wish);
        let Join { prefix, offset } = match answer {
            Answer::Exact { first, .. } => Join {
                prefix: Bytes::new(),
                offset: first,
            },
            Answer::Join | Answer::Ahead { .. } => ring.join(burst)?,
        };
        drop(ring);
        let cursor = Cursor {
            log: Arc::clone(self),
            offset,
            state: self.state.subscribe(),
        };
        Some((answer, cursor, prefix))
    }

    /// Appends a page that arrived at `now`. Only the mount's publisher calls this.
    pub(crate) fn append(&self, page: &Page, now: Instant) -> Result<(), Stray> {
        let mut ring = self.ring();
        ring.append(page, now)?;
        let head = ring.head();
        drop(ring);
        self.state.send_modify(|state| state.head = head);
        Ok(())
    }

    pub(crate) fn learn_header(&self, page: &Page) -> Result<(), Stray> {
        self.ring().learn_header(page)
    }

    pub(crate) fn skip_to(&self, offset: u64) {
        let mut ring = self.ring();
        ring.skip_to(offset);
        let head = ring.head();
        drop(ring);
        self.state.send_modify(|state| state.head = head);
    }

    pub(crate) fn end(&self) {
        self.state.send_modify(|state| state.has_ended = true);
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
    state: watch::Receiver<State>,
}

impl Cursor {
    /// The next byte it wants.
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// The log it reads.
    pub fn log(&self) -> &Arc<Log> {
        &self.log
    }

    /// Collects the next bytes, at most about `n_bytes_max`, and moves behind them. Nothing
    /// collected: nothing new yet.
    ///
    /// # Errors
    /// When the bytes it wants have left the ring.
    pub fn read(&mut self, n_bytes_max: usize, found: &mut Vec<Bytes>) -> Result<(), FellBehind> {
        self.offset = self.log.ring().read(self.offset, n_bytes_max, found)?;
        Ok(())
    }

    /// Waits until there is more than it has read. `false`: it has read all there will ever
    /// be. Cancel safe.
    pub async fn grown(&mut self) -> bool {
        let offset = self.offset;
        match self
            .state
            .wait_for(|state| state.head > offset || state.has_ended)
            .await
        {
            Ok(state) => state.head > offset,
            Err(_) => false,
        }
    }

    /// Jumps over what it missed, to the newest page boundary. Returns the header pages that
    /// have to go first, when the link it was in is over.
    pub fn jump_to_live_edge(&mut self, link_start_known: u64) -> Bytes {
        let ring = self.log.ring();
        let is_same_link = ring.link_start() == link_start_known;
        self.offset = ring.live_edge();
        match ring.link() {
            Some(link) if !is_same_link => link.prefix.clone(),
            _ => Bytes::new(),
        }
    }

    /// Offset of the first header page of the log's current link: tells links apart.
    pub fn link_start(&self) -> u64 {
        self.log.ring().link_start()
    }

    /// How long ago the next byte it wants arrived.
    pub fn lag(&self, now: Instant) -> Duration {
        self.log.ring().age(self.offset, now)
    }
}

/// The one who may append to a mastered log: the log and the memory of its chain.
#[derive(Debug)]
pub struct Writer {
    log: Arc<Log>,
    splice: Splice,
    out: Vec<Page>,
}

impl Writer {
    /// The writer of a new log.
    pub fn new(epoch: Epoch, keep: Keep) -> Self {
        Self {
            log: Log::new(epoch, 0, keep),
            splice: Splice::new(),
            out: Vec::new(),
        }
    }

    /// The log it writes.
    pub fn log(&self) -> &Arc<Log> {
        &self.log
    }

    /// The memory of the chain.
    pub fn splice(&self) -> &Splice {
        &self.splice
    }

    /// Takes a page from the source, puts it right and appends it.
    ///
    /// # Errors
    /// When no decoder could make sense of the page where it stands.
    pub fn take(
        &mut self,
        page: &Page,
        now: Instant,
        chance: impl FnMut() -> u32,
    ) -> Result<(), Stray> {
        self.splice.take(page, chance, &mut self.out);
        let mut result = Ok(());
        for page in self.out.drain(..) {
            let appended = self.log.append(&page, now);
            result = result.and(appended);
        }
        result
    }

    /// Ends the link that is open, if one is: a source said good-bye, or will not come back.
    pub fn end_link(&mut self, now: Instant) {
        self.splice.end_link(&mut self.out);
        for page in self.out.drain(..) {
            // An `eos` page of a link whose headers never came has nowhere to go.
            let _ = self.log.append(&page, now);
        }
    }
}
