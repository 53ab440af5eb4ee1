//! The thread that writes logs to disk: all mounts', one page after the other. May be as slow as
//! the disk is.
//!
//! A page is handed to the kernel as it comes and not forced to the disk: what the kernel has
//! survives the end of the program, however it ends. A segment is forced to the disk when it is
//! closed, so that a power failure costs the last stretch at most.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use stream::log::Epoch;
use stream::log::segment::RECORD_BYTES;
use stream::ogg::Page;
use tracing::{info, warn};

use super::clock::{Change, Reading, STEADY_AFTER, Watch};
use super::folder::{self, Description, Folder};
use super::queue::{Order, Track};
use super::{keeping, load};
use crate::archive::Retentions;

/// How often it looks up from its work.
const LOOK_UP_EVERY: Duration = Duration::from_millis(200);
/// How often old segments are looked for.
const TIDY_EVERY: Duration = Duration::from_secs(60);
/// Writing on after the program was told to stop ends here.
const STOP_MAX: Duration = Duration::from_secs(5);

/// How much stays on disk.
pub(super) struct Kept {
    /// Of a log that can be continued, for a restart.
    pub(super) kept: Duration,
    /// Of each mount, as a recording.
    pub(super) retentions: Retentions,
}

/// The one who writes.
pub(super) struct Hand {
    folder: Arc<Folder>,
    kept: Kept,
    orders: Receiver<Order>,
    is_stopping: Arc<AtomicBool>,
    open: HashMap<Epoch, Open>,
    tidied: Option<Instant>,
    looked_up: Instant,
    watch: Watch,
}

/// A segment that is being written.
struct Open {
    track: Arc<Track>,
    number: u64,
    pages: File,
    index: File,
}

impl Hand {
    pub(super) fn new(
        folder: Arc<Folder>,
        kept: Kept,
        orders: Receiver<Order>,
        is_stopping: Arc<AtomicBool>,
    ) -> Self {
        Self {
            folder,
            kept,
            orders,
            is_stopping,
            open: HashMap::new(),
            tidied: None,
            looked_up: Instant::now(),
            watch: Watch::new(Instant::now(), Timestamp::now()),
        }
    }

    /// Writes until the program stops and nothing is left to write.
    pub(super) fn run(mut self) {
        let mut stop_at = None;
        loop {
            let is_idle = match self.orders.recv_timeout(LOOK_UP_EVERY) {
                Ok(order) => {
                    self.obey(order);
                    false
                }
                Err(RecvTimeoutError::Timeout) => true,
                Err(RecvTimeoutError::Disconnected) => break,
            };
            if self.is_stopping.load(Ordering::Acquire) {
                let stop_at = *stop_at.get_or_insert_with(|| Instant::now() + STOP_MAX);
                if is_idle || Instant::now() >= stop_at {
                    break;
                }
            }
            if self.looked_up.elapsed() >= LOOK_UP_EVERY {
                self.looked_up = Instant::now();
                self.close_failed();
            }
            if self.tidied.is_none_or(|at| at.elapsed() >= TIDY_EVERY) {
                self.tidied = Some(Instant::now());
                let Kept { kept, retentions } = &self.kept;
                let reading = self.watch.look(Instant::now(), Timestamp::now());
                tell(reading);
                keeping::tidy(&self.folder.mounts(), *kept, retentions, reading);
            }
        }
        for (_, open) in self.open.drain() {
            open.close();
        }
    }

    fn obey(&mut self, order: Order) {
        match order {
            Order::Begin {
                track,
                number,
                offset,
                head,
            } => self.begin(&track, number, offset, &head),
            Order::Page {
                track,
                number,
                page,
                record,
            } => self.write(&track, number, &page, &record),
            Order::Describe(track) => {
                // What is not listed has no segment yet, or was given up.
                if self.open.contains_key(&track.epoch)
                    && let Err(error) = describe(&track)
                {
                    warn!("log.json in {} is old: {error}", track.folder.display());
                }
            }
            Order::Filling(track, may_follow) => self.mark(&track, may_follow),
            Order::Remove(track) => {
                if let Some(open) = self.open.remove(&track.epoch) {
                    open.close();
                }
                load::forget(&track.folder);
            }
        }
    }

    fn begin(&mut self, track: &Arc<Track>, number: u64, offset: u64, head: &[u8]) {
        if let Some(before) = self.open.remove(&track.epoch) {
            before.close();
        }
        if track.has_failed(number) {
            return;
        }
        let begun = begin(track, offset, head);
        // Whatever was said before is of an older log, and must not be believed.
        match begun.and_then(|files| describe(track).map(|()| files)) {
            Ok((pages, index)) => {
                let open = Open {
                    track: Arc::clone(track),
                    number,
                    pages,
                    index,
                };
                self.open.insert(track.epoch, open);
            }
            Err(error) => self.fail(track, number, &error),
        }
    }

    fn write(&mut self, track: &Arc<Track>, number: u64, page: &Page, record: &[u8; RECORD_BYTES]) {
        track.n_queued.fetch_sub(page.len(), Ordering::Relaxed);
        if track.has_failed(number) {
            return self.close_failed();
        }
        let open = self.open.get_mut(&track.epoch);
        let Some(open) = open.filter(|open| open.number == number) else {
            return;
        };
        // First the page, then its record: a record without its page would be a promise.
        let written = open
            .pages
            .write_all(page.bytes())
            .and_then(|()| open.index.write_all(record));
        if let Err(error) = written {
            return self.fail(track, number, &error);
        }
        let counts = track.mount.counts();
        counts
            .n_bytes_to_disk
            .fetch_add(page.len() as u64, Ordering::Relaxed);
        if track.is_well_again() {
            info!("{} is written to disk again", track.mount.path());
        }
    }

    /// The mark that filler may follow is on disk before the first of it, and is gone only when all
    /// of it is there.
    fn mark(&mut self, track: &Arc<Track>, may_follow: bool) {
        track.may_be_filled.store(may_follow, Ordering::Relaxed);
        let Some(open) = self.open.get(&track.epoch) else {
            return;
        };
        let number = open.number;
        let is_there = if may_follow { Ok(()) } else { open.sync() };
        if let Err(error) = is_there.and_then(|()| describe(track)) {
            self.fail(track, number, &error);
        }
    }

    fn fail(&mut self, track: &Arc<Track>, number: u64, error: &io::Error) {
        track.fail(number, error);
        self.open.remove(&track.epoch);
        load::forget(&track.folder);
    }

    /// A log of which something is missing must not be continued from here.
    fn close_failed(&mut self) {
        self.open.retain(|_, open| {
            let has_failed = open.track.has_failed(open.number);
            if has_failed {
                load::forget(&open.track.folder);
            }
            !has_failed
        });
    }
}

/// What there is to say of the clock.
fn tell(reading: Reading) {
    let minutes = STEADY_AFTER.as_secs() / 60;
    match reading.change {
        Some(Change::Set(seconds)) => warn!(
            "the clock was set by {seconds:+.0} s: no recording is deleted for its age until it \
             has gone steadily for {minutes} minutes"
        ),
        Some(Change::Steady) => info!(
            "the clock has gone steadily for {minutes} minutes: `keep_hours` is followed again"
        ),
        None => {}
    }
}

fn describe(track: &Track) -> io::Result<()> {
    let description = Description {
        path: track.mount.path().clone(),
        epoch: track.epoch,
        facts: track.mount.facts(),
        may_be_filled: track.may_be_filled.load(Ordering::Relaxed),
    };
    description.write(&track.folder)
}

fn begin(track: &Track, offset: u64, head: &[u8]) -> io::Result<(File, File)> {
    let log = folder::log_folder(&track.folder, track.epoch);
    std::fs::create_dir_all(&log)?;
    let [pages, index] = folder::segment(&log, offset);
    let pages = File::create(pages)?;
    let mut index = File::create(index)?;
    index.write_all(head)?;
    Ok((pages, index))
}

impl Open {
    fn close(self) {
        if let Err(error) = self.sync() {
            warn!(
                "the end of a segment of {} may be missing: {error}",
                self.track.mount.path()
            );
        }
    }

    fn sync(&self) -> io::Result<()> {
        self.pages.sync_data()?;
        self.index.sync_data()
    }
}
