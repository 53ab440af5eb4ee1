//! The thread that writes the spool: nobody waits for it, so that a slow or full disk never
//! stops the stream. What it cannot write is kept in memory only, as long as it is.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use stream::ogg::Page;
use tracing::{info, warn};

use super::segment::{Open, Segment};
use super::{Common, MARKS};
use crate::pages::Made;

/// What was written is brought onto the disk itself this often: a loss of power costs no
/// more.
const SYNC_EVERY: Duration = Duration::from_secs(2);

/// The marks are written at most this often.
const MARKS_EVERY: Duration = Duration::from_millis(250);

/// After an error the disk is left alone for so long.
const RETRY: Duration = Duration::from_secs(10);

/// What the thread is given to do.
#[derive(Debug)]
pub enum Job {
    /// Keep this page.
    Page(Made),
    /// The marks have changed.
    Marks,
    /// Finish.
    End,
}

/// The thread's own.
#[derive(Debug)]
pub struct Keeper {
    folder: PathBuf,
    common: Arc<Common>,
    link: u32,
    headers: Vec<Page>,
    open: Option<Open>,
    /// Where the last page ended, in samples.
    granule: i64,
    failed: Option<Instant>,
    synced: Instant,
    is_synced: bool,
    marked: Instant,
    is_marked: bool,
}

impl Keeper {
    /// Keeps the pages of the logical stream `link`.
    pub fn new(folder: PathBuf, common: Arc<Common>, link: u32) -> Self {
        let now = Instant::now();
        Self {
            folder,
            common,
            link,
            headers: Vec::new(),
            open: None,
            granule: 0,
            failed: None,
            synced: now,
            is_synced: true,
            marked: now,
            is_marked: false,
        }
    }

    /// Works until it is told that it was all.
    pub fn run(mut self, jobs: &Receiver<Job>) {
        loop {
            match jobs.recv_timeout(MARKS_EVERY) {
                Ok(Job::Page(Made::Header(page))) => self.headers.push(page),
                Ok(Job::Page(Made::Sound(page))) => self.keep(&page),
                Ok(Job::Marks) => self.is_marked = false,
                Err(RecvTimeoutError::Timeout) => {}
                Ok(Job::End) | Err(RecvTimeoutError::Disconnected) => break,
            }
            let now = Instant::now();
            if !self.is_marked && now - self.marked >= MARKS_EVERY {
                self.marked = now;
                self.tidy();
            }
            if !self.is_synced && now - self.synced >= SYNC_EVERY {
                self.synced = now;
                self.sync();
            }
        }
        self.is_synced = false;
        self.sync();
        self.close();
        self.tidy();
    }

    fn keep(&mut self, page: &Page) {
        let began = self.granule;
        self.granule = began.max(page.stamp().granule);
        if self.failed.is_some_and(|failed| failed.elapsed() < RETRY) {
            return;
        }
        match self.write(page, began) {
            Ok(()) => {
                self.is_synced = false;
                if self.failed.take().is_some() {
                    info!("the spool {} takes pages again", self.folder.display());
                }
            }
            Err(error) => self.fail(&error),
        }
    }

    fn write(&mut self, page: &Page, began: i64) -> std::io::Result<()> {
        if self.open.as_ref().is_none_or(|open| !open.takes(page)) {
            self.close();
            self.tidy();
        }
        let mut open = match self.open.take() {
            Some(open) => open,
            None => Open::create(&self.folder, &self.headers, page, self.link, began)?,
        };
        let outcome = open.add(page);
        self.common.shelf().put(open.segment.clone());
        self.open = Some(open);
        outcome
    }

    fn fail(&mut self, error: &std::io::Error) {
        if self.failed.is_none() {
            let folder = self.folder.display();
            warn!(
                "the spool {folder} takes no pages ({error}): the stream goes on with what \
                 memory holds; make room there, or name another folder with --spool"
            );
        }
        self.failed = Some(Instant::now());
        self.close();
        self.tidy();
    }

    fn close(&mut self) {
        let Some(open) = self.open.take() else {
            return;
        };
        let before = open.segment.clone();
        match open.close(&self.folder) {
            Ok(closed) if closed.pages.is_empty() => {
                let is_it = |s: &Segment| s.link == before.link && s.pages == before.pages;
                self.common.shelf().segments.retain(|s| !is_it(s));
            }
            Ok(closed) => self.common.shelf().put(closed),
            Err(error) => {
                // Still to be read under its first name; mended at the next start.
                warn!(
                    "a file in the spool {} stays open: {error}",
                    self.folder.display()
                );
            }
        }
    }

    /// Throws away what has to go, writes the marks down, and says how things stand.
    fn tidy(&mut self) {
        let surplus = self.common.shelf().take_surplus();
        for segment in surplus {
            let _ = std::fs::remove_file(self.folder.join(segment.name()));
        }
        let marks = self.common.shelf().marks.clone();
        let text = toml::to_string(&marks).unwrap_or_default();
        let new = self.folder.join(format!("{MARKS}.new"));
        let written = std::fs::write(&new, text)
            .and_then(|()| std::fs::rename(&new, self.folder.join(MARKS)));
        // A full disk is complained about when a page does not fit.
        self.is_marked = written.is_ok();
        self.common.set_writing(self.failed.is_none());
    }

    fn sync(&mut self) {
        if let Some(open) = &self.open
            && let Err(error) = open.sync()
        {
            self.fail(&error);
        }
        self.is_synced = true;
    }
}
