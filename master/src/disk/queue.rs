//! Where pages wait for the disk. The one who publishes never does: when the disk is too slow, the
//! pages are not written, and the stream goes on.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use stream::log::account::Account;
use stream::log::scribe::{Scribe, SegmentMax};
use stream::log::segment::RECORD_BYTES;
use stream::log::sink::Appended;
use stream::log::{Epoch, Sink};
use stream::mount::{Mount, Sinks};
use stream::ogg::Page;
use stream::shutdown::Shutdown;
use tracing::warn;

use super::folder::Folder;
use super::writing::{Hand, Kept};

/// Orders that wait for the disk, of all mounts.
const ORDERS_QUEUED_MAX: usize = 4096;
/// Bytes of one mount that wait for the disk.
const BYTES_QUEUED_MAX: usize = 1024 * 1024;
/// After giving up, the disk is left alone for this long.
const RETRY_AFTER: Duration = Duration::from_secs(60);
/// A new segment begins after this time …
const SEGMENT_TIME_MAX: Duration = Duration::from_secs(600);
/// … and after so many bytes.
const SEGMENT_BYTES_MAX: u64 = 16 * 1024 * 1024;

/// What the thread that writes is told.
#[derive(Debug)]
pub(super) enum Order {
    /// Begin a segment.
    Begin {
        track: Arc<Track>,
        number: u64,
        offset: u64,
        head: Vec<u8>,
    },
    /// Write a page into the segment of this number.
    Page {
        track: Arc<Track>,
        number: u64,
        page: Page,
        record: [u8; RECORD_BYTES],
    },
    /// Say anew what is said of the mount.
    Describe(Arc<Track>),
    /// Say whether filler may follow what is there.
    Filling(Arc<Track>, bool),
    /// Nobody will go on with this log.
    Remove(Arc<Track>),
}

/// One log on its way to the disk, seen from both sides of the queue.
#[derive(Debug)]
pub(super) struct Track {
    pub(super) mount: Arc<Mount>,
    pub(super) epoch: Epoch,
    pub(super) folder: PathBuf,
    pub(super) n_queued: AtomicUsize,
    /// The number of the newest segment that was given up.
    failed: AtomicU64,
    /// It was complained of and is not well again.
    has_complained: AtomicBool,
    /// On disk it is said that filler may follow. Only the one who writes changes it.
    pub(super) may_be_filled: AtomicBool,
}

impl Track {
    /// Gives up the segment of this number; complains once, until it is well again.
    pub(super) fn fail(&self, number: u64, why: &dyn fmt::Display) {
        self.failed.store(number, Ordering::Release);
        let counts = self.mount.counts();
        counts.n_disk_failures.fetch_add(1, Ordering::Relaxed);
        if !self.has_complained.swap(true, Ordering::Relaxed) {
            warn!(
                "{} is not written to disk any more: {why}; the stream goes on, and the disk is \
                 tried again every {} s",
                self.mount.path(),
                RETRY_AFTER.as_secs()
            );
        }
    }

    pub(super) fn has_failed(&self, number: u64) -> bool {
        self.failed.load(Ordering::Acquire) >= number
    }

    /// Whether it was complained of until now.
    pub(super) fn is_well_again(&self) -> bool {
        self.has_complained.swap(false, Ordering::Relaxed)
    }
}

/// Takes the pages of all mounts.
#[derive(Debug)]
pub(super) struct Queue {
    folder: Arc<Folder>,
    orders: SyncSender<Order>,
}

impl Queue {
    /// Starts the thread that writes. So much is kept.
    pub(super) fn start(folder: Folder, kept: Kept, shutdown: &Shutdown) -> std::io::Result<Self> {
        let folder = Arc::new(folder);
        let (orders, taken) = sync_channel(ORDERS_QUEUED_MAX);
        let is_stopping = Arc::new(AtomicBool::new(false));
        let hand = Hand::new(Arc::clone(&folder), kept, taken, Arc::clone(&is_stopping));
        let (ended, end) = tokio::sync::oneshot::channel();
        std::thread::Builder::new()
            .name("disk".to_owned())
            .spawn(move || {
                hand.run();
                let _ = ended.send(());
            })?;
        let requested = shutdown.clone();
        shutdown.spawn("disk", async move {
            requested.requested().await;
            is_stopping.store(true, Ordering::Release);
            let _ = end.await;
        });
        Ok(Self { folder, orders })
    }
}

impl Sinks for Queue {
    fn open(&self, mount: &Arc<Mount>, account: Account) -> Option<Box<dyn Sink>> {
        let Some(folder) = self.folder.mount(mount.path()) else {
            warn!(
                "{} is not written to disk: its path is too long",
                mount.path()
            );
            return None;
        };
        let epoch = mount.log().epoch();
        let segment_max = SegmentMax {
            time: SEGMENT_TIME_MAX,
            n_bytes: SEGMENT_BYTES_MAX,
        };
        let track = Track {
            mount: Arc::clone(mount),
            epoch,
            folder,
            n_queued: AtomicUsize::new(0),
            failed: AtomicU64::new(0),
            has_complained: AtomicBool::new(false),
            may_be_filled: AtomicBool::new(false),
        };
        Some(Box::new(Waiting {
            scribe: Scribe::new(epoch, account, segment_max),
            track: Arc::new(track),
            orders: self.orders.clone(),
            number: 0,
            given_up: None,
            is_left_out: false,
        }))
    }
}

/// One mount's end of the queue.
#[derive(Debug)]
struct Waiting {
    scribe: Scribe,
    track: Arc<Track>,
    orders: SyncSender<Order>,
    /// Of the newest segment.
    number: u64,
    given_up: Option<Instant>,
    /// It was said that this log is not written down.
    is_left_out: bool,
}

impl Sink for Waiting {
    fn appended(&mut self, page: &Page, appended: Appended) {
        if !page.is_ogg() {
            return self.leave_out(page);
        }
        if self.number > 0 && self.given_up.is_none() && self.track.has_failed(self.number) {
            self.give_up(appended.at);
        }
        if let Some(since) = self.given_up {
            if appended.at.saturating_duration_since(since) < RETRY_AFTER {
                self.scribe.pass(page, &appended);
                return;
            }
            self.given_up = None;
        }
        let arrived_ms = Timestamp::now().as_millisecond();
        let Some(line) = self.scribe.take(page, &appended, arrived_ms) else {
            return;
        };
        if let Some(head) = line.begins {
            self.number += 1;
            let begin = Order::Begin {
                track: Arc::clone(&self.track),
                number: self.number,
                offset: head.offset,
                head: head.encode(),
            };
            if self.orders.try_send(begin).is_err() {
                return self.complain(appended.at);
            }
        }
        let n_queued = &self.track.n_queued;
        let n_before = n_queued.fetch_add(page.len(), Ordering::Relaxed);
        let order = Order::Page {
            track: Arc::clone(&self.track),
            number: self.number,
            page: page.clone(),
            record: line.record.encode(),
        };
        if n_before >= BYTES_QUEUED_MAX || self.orders.try_send(order).is_err() {
            n_queued.fetch_sub(page.len(), Ordering::Relaxed);
            self.complain(appended.at);
        }
    }

    fn filling(&mut self, may_follow: bool) {
        let order = Order::Filling(Arc::clone(&self.track), may_follow);
        // Unsaid, the mark would be missing: then nobody may go on with the log at all.
        if self.orders.try_send(order).is_err() && self.number > 0 && self.given_up.is_none() {
            self.complain(Instant::now());
        }
    }

    fn described(&mut self) {
        let _ = self
            .orders
            .try_send(Order::Describe(Arc::clone(&self.track)));
    }

    fn removed(&mut self) {
        let _ = self.orders.try_send(Order::Remove(Arc::clone(&self.track)));
    }
}

impl Waiting {
    /// Only Ogg is written down.
    fn leave_out(&mut self, page: &Page) {
        if !std::mem::replace(&mut self.is_left_out, true) {
            warn!(
                "{} is {}, which is not written to disk: there is no recording of it, and after a \
                 restart of the master it begins anew",
                self.track.mount.path(),
                page.format().name()
            );
        }
    }

    fn complain(&mut self, now: Instant) {
        self.track.fail(self.number, &"the disk is too slow");
        self.give_up(now);
    }

    fn give_up(&mut self, now: Instant) {
        self.scribe.give_up();
        self.given_up = Some(now);
    }
}
