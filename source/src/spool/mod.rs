//! Pages on the disk, numbered: what the master has not confirmed survives every break of
//! the network, and the end of the source itself.
//!
//! Reading order: `segment` (one file), `marks` (what the master has), `shelf` (all files,
//! and which may go), `keeper` (the thread that writes), `remains` (what an earlier run
//! left). The whole backlog goes in; `backlog` asks for what memory no longer holds.

pub mod keeper;
pub mod marks;
pub mod remains;
pub mod segment;
pub mod shelf;

use std::fs::{File, TryLockError};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use stream::ogg::Page;
use tracing::{info, warn};

use crate::pages::Made;
use keeper::{Job, Keeper};
use marks::{Holes, Mark, Marks};
use remains::Remains;
use segment::{Content, Segment};
use shelf::{Limits, Report, Shelf};

/// The file with the marks.
const MARKS: &str = "marks.toml";

/// Held by the source that uses the spool.
const LOCK: &str = "lock";

/// So much may wait for the disk: a minute and a half of pages. Beyond it pages stay in
/// memory only.
const JOBS_MAX: usize = 512;

/// Reading pages back may take this long; a disk that hangs must not stop the stream.
const READ_MAX: Duration = Duration::from_secs(5);

/// At the end, the disk may take this long to take the last pages.
const CLOSE_MAX: Duration = Duration::from_secs(2);

/// What the thread and those who ask it share.
#[derive(Debug)]
pub struct Common {
    shelf: Mutex<Shelf>,
    is_writing: AtomicBool,
}

/// A spool of the running source.
#[derive(Debug)]
pub struct Spool {
    folder: PathBuf,
    common: Arc<Common>,
    jobs: SyncSender<Job>,
    ended: Mutex<Receiver<()>>,
    /// The number of this run's logical stream.
    link: u32,
    is_slow: AtomicBool,
    /// Freed with the program, however it ends.
    _lock: File,
}

impl Common {
    /// Looks at what there is. Never keep the guard over a wait.
    pub fn shelf(&self) -> MutexGuard<'_, Shelf> {
        self.shelf.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn set_writing(&self, is_writing: bool) {
        self.is_writing.store(is_writing, Relaxed);
    }
}

impl Spool {
    /// Opens the folder, made if it is not there, for a run whose logical stream has the
    /// serial number `serial`. Also gives what earlier runs left and is still to be sent.
    ///
    /// # Errors
    /// When it cannot be used; names the folder and the remedy.
    pub fn open(
        folder: &Path,
        limits: Limits,
        catch_up: Duration,
        serial: u32,
    ) -> anyhow::Result<(Self, Vec<Remains>)> {
        let shown = folder.display();
        let lock = lock(folder)?;
        let mut shelf = Shelf {
            segments: mended(folder)
                .with_context(|| format!("the spool {shown} cannot be read; {REMEDY}"))?,
            marks: read_marks(folder),
            limits,
        };
        let remains = remains::find(folder, &mut shelf, catch_up);
        let numbers = shelf.marks.links.iter().map(|mark| mark.number);
        let link = numbers.chain(shelf.links()).max().unwrap_or_default() + 1;
        shelf.marks.set(Mark {
            number: link,
            serial,
            is_confirmed: true,
            acknowledged: 0,
            holes: Holes::default(),
        });
        let n_bytes = shelf.report(link).n_bytes;
        info!(n_bytes, "spool: {shown}, {n_bytes} bytes from earlier runs");
        let common = Arc::new(Common {
            shelf: Mutex::new(shelf),
            is_writing: AtomicBool::new(true),
        });
        let (jobs, received) = sync_channel(JOBS_MAX);
        let (done, ended) = sync_channel(1);
        let keeper = Keeper::new(folder.to_owned(), common.clone(), link);
        std::thread::Builder::new()
            .name("spool".to_owned())
            .spawn(move || {
                keeper.run(&received);
                let _ = done.send(());
            })
            .context("no thread for the spool")?;
        let spool = Self {
            folder: folder.to_owned(),
            common,
            jobs,
            ended: Mutex::new(ended),
            link,
            is_slow: AtomicBool::new(false),
            _lock: lock,
        };
        Ok((spool, remains))
    }

    /// The number of this run's logical stream.
    pub fn link(&self) -> u32 {
        self.link
    }

    /// Keeps a page, if the disk is fast enough. Waits for nothing.
    pub fn add(&self, made: Made) {
        match self.jobs.try_send(Job::Page(made)) {
            Ok(()) => self.is_slow.store(false, Relaxed),
            Err(TrySendError::Full(_)) => {
                if !self.is_slow.swap(true, Relaxed) {
                    warn!(
                        "the disk of the spool {} is too slow: the stream goes on with what \
                         memory holds",
                        self.folder.display()
                    );
                }
            }
            Err(TrySendError::Disconnected(_)) => {}
        }
    }

    /// Sets what is known of a logical stream.
    pub fn mark(&self, link: u32, acknowledged: u64, holes: &Holes, is_confirmed: bool) {
        {
            let mut shelf = self.common.shelf();
            let Some(mut mark) = shelf.marks.find(link).cloned() else {
                return;
            };
            mark.acknowledged = acknowledged;
            mark.holes = holes.clone();
            mark.is_confirmed = is_confirmed;
            shelf.marks.set(mark);
        }
        // When it does not fit, the next mark brings it, or the next segment.
        let _ = self.jobs.try_send(Job::Marks);
    }

    /// The holes of a logical stream.
    pub fn holes(&self, link: u32) -> Holes {
        let shelf = self.common.shelf();
        shelf
            .marks
            .find(link)
            .map(|mark| mark.holes.clone())
            .unwrap_or_default()
    }

    /// The oldest logical stream of which something is missing at the master and can still be had:
    /// its number and its serial number.
    pub fn first_with_hole(&self) -> Option<(u32, u32)> {
        let shelf = self.common.shelf();
        let links = shelf.marks.links.iter().filter(|mark| mark.is_confirmed);
        let found = links.filter(|mark| shelf.next_missing(mark.number, 0).is_some());
        let oldest = found.min_by_key(|mark| mark.number)?;
        Some((oldest.number, oldest.serial))
    }

    /// The pages of a logical stream from this one on that are missing at the master and stand here
    /// in one file.
    pub fn next_missing(&self, link: u32, sequence: u64) -> Option<Range<u64>> {
        self.common.shelf().next_missing(link, sequence)
    }

    /// The master has these pages of an earlier run now.
    pub fn forget_hole(&self, link: u32, pages: &Range<u64>) {
        {
            let mut shelf = self.common.shelf();
            let Some(mut mark) = shelf.marks.find(link).cloned() else {
                return;
            };
            mark.holes.remove(pages);
            shelf.marks.set(mark);
        }
        let _ = self.jobs.try_send(Job::Marks);
    }

    /// What an earlier run left, up to page `end`, will not be sent live. Gives how many pages
    /// that are.
    pub fn give_up(&self, link: u32, end: u64) -> u64 {
        let n_pages = remains::give_up(&mut self.common.shelf(), link, end);
        let _ = self.jobs.try_send(Job::Marks);
        n_pages
    }

    /// How things stand.
    pub fn report(&self) -> Report {
        Report {
            is_writing: self.common.is_writing.load(Relaxed),
            ..self.common.shelf().report(self.link)
        }
    }

    /// Where it is.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The pages of a logical stream from `sequence` on that stand in one file, and its header
    /// pages, or else the number of the next page that can be had.
    ///
    /// # Errors
    /// The number of the next page that is there, if any.
    pub async fn read(&self, link: u32, sequence: u64) -> Result<Content, Option<u64>> {
        let found = self.common.shelf().find(link, sequence).cloned();
        let beyond = || self.common.shelf().first_from(link, sequence + 1);
        let Some(segment) = found else {
            return Err(beyond());
        };
        let folder = self.folder.clone();
        let reading = tokio::task::spawn_blocking(move || read(&folder, &segment));
        let mut content = match tokio::time::timeout(READ_MAX, reading).await {
            Ok(Ok(Ok(content))) => content,
            _ => Content::default(),
        };
        let pages = &mut content.pages;
        pages.retain(|page| u64::from(page.stamp().sequence) >= sequence);
        let is_it = |page: &Page| u64::from(page.stamp().sequence) == sequence;
        if pages.first().is_some_and(is_it) {
            return Ok(content);
        }
        warn!(
            "page {sequence} cannot be read from the spool {}",
            self.folder.display()
        );
        Err(beyond())
    }

    /// Waits until everything is written, not for long.
    pub fn close(&self) {
        let deadline = Instant::now() + CLOSE_MAX;
        while let Err(TrySendError::Full(_)) = self.jobs.try_send(Job::End) {
            if Instant::now() > deadline {
                return;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        let ended = self.ended.lock().unwrap_or_else(PoisonError::into_inner);
        let _ = ended.recv_timeout(CLOSE_MAX);
    }
}

const REMEDY: &str = "name another folder with `spool` or --spool, or none with --no-spool";

fn lock(folder: &Path) -> anyhow::Result<File> {
    let shown = folder.display();
    std::fs::create_dir_all(folder)
        .with_context(|| format!("the spool {shown} cannot be made; {REMEDY}"))?;
    let lock = File::options()
        .write(true)
        .create(true)
        .truncate(false)
        .open(folder.join(LOCK))
        .with_context(|| format!("the spool {shown} cannot be written; {REMEDY}"))?;
    match lock.try_lock() {
        Ok(()) => Ok(lock),
        Err(TryLockError::WouldBlock) => {
            bail!("the spool {shown} is used by another source that runs now; {REMEDY}")
        }
        Err(TryLockError::Error(error)) => {
            Err(error).with_context(|| format!("the spool {shown} cannot be locked; {REMEDY}"))
        }
    }
}

/// All segments in the folder, those that were being written mended.
fn mended(folder: &Path) -> std::io::Result<Vec<Segment>> {
    let mut segments = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let n_bytes = entry.metadata().map_or(0, |metadata| metadata.len());
        let name = entry.file_name();
        let Some(segment) = Segment::parse(&name.to_string_lossy(), n_bytes) else {
            continue;
        };
        if segment.is_closed {
            segments.push(segment);
            continue;
        }
        match segment.mend(folder) {
            Ok(mended) => segments.extend(mended),
            Err(error) => warn!("the spool's {} is left out: {error}", name.display()),
        }
    }
    segments.sort_by_key(|segment| (segment.link, segment.pages.start));
    Ok(segments)
}

/// Without marks everything counts as not acknowledged: the master knows better.
fn read_marks(folder: &Path) -> Marks {
    let text = std::fs::read_to_string(folder.join(MARKS)).unwrap_or_default();
    toml::from_str(&text).unwrap_or_else(|error| {
        warn!(
            "the spool's {MARKS} in {} is damaged: {error}",
            folder.display()
        );
        Marks::default()
    })
}

fn read(folder: &Path, segment: &Segment) -> std::io::Result<Content> {
    match segment.read(folder) {
        Ok(content) => Ok(content),
        // It was closed, and so renamed, a moment ago: its name begins the same.
        Err(error) => {
            let begin = segment.name();
            let begin = begin.strip_suffix("open.ogg").ok_or(error)?;
            let entries = std::fs::read_dir(folder)?.filter_map(Result::ok);
            let mut names = entries.map(|e| e.file_name().to_string_lossy().into_owned());
            let name = names.find(|name| name.starts_with(begin));
            let renamed = name.and_then(|name| Segment::parse(&name, 0));
            let renamed = renamed.ok_or(std::io::ErrorKind::NotFound)?;
            renamed.read(folder)
        }
    }
}

#[cfg(test)]
mod tests;
