//! A log from the disk, from a moment on, page after page as it was heard: across segments, links
//! and holes, up to where the disk has it now.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use stream::log::segment::Record;

use super::stretch::Stretch;
use crate::disk::folder;

/// So many pages are read at once, …
const PAGES_MAX: usize = 32;
/// … and about so many bytes.
const BYTES_MAX: u64 = 64 * 1024;
/// A page lasts at most so long: in a pause of the source nobody has to wait.
const PAGE_MS_MAX: i64 = 1000;

/// Somebody's place in a log on disk.
#[derive(Debug)]
pub(super) struct Tape {
    log: PathBuf,
    open: Open,
    /// The number of the next page in its segment.
    next: u64,
    /// When the newest page came that was read.
    newest_ms: i64,
}

#[derive(Debug)]
struct Open {
    stretch: Stretch,
    pages: File,
    index: File,
}

/// Pages from a tape.
#[derive(Debug)]
pub(super) struct Portion {
    pub(super) bytes: Vec<u8>,
    /// Where in the log they begin.
    pub(super) from: u64,
    /// Where they end.
    pub(super) to: u64,
    /// How long it took until they had come.
    pub(super) span_ms: i64,
}

impl Tape {
    /// One that begins with this page, the one numbered `next` in its segment.
    pub(super) fn new(
        log: &Path,
        stretch: Stretch,
        next: u64,
        record: &Record,
    ) -> io::Result<Self> {
        Ok(Self {
            log: log.to_owned(),
            open: Open::new(stretch)?,
            next,
            newest_ms: record.arrived_ms,
        })
    }

    /// The next pages. `None`: the disk has no more yet.
    ///
    /// # Errors
    /// When it cannot be read.
    pub(super) fn next(&mut self) -> io::Result<Option<Portion>> {
        loop {
            let Open { stretch, index, .. } = &self.open;
            let records = stretch.read(index, self.next, PAGES_MAX)?;
            if !records.is_empty() {
                return self.take(&records).map(Some);
            }
            let Some(following) = self.following()? else {
                return Ok(None);
            };
            // What was written last was written before the next segment was begun.
            if !self
                .open
                .stretch
                .read(&self.open.index, self.next, 1)?
                .is_empty()
            {
                continue;
            }
            self.open = Open::new(following)?;
            self.next = 0;
        }
    }

    fn take(&mut self, records: &[Record]) -> io::Result<Portion> {
        let mut n_bytes = 0;
        let mut span_ms = 0;
        let mut n_taken = 0;
        for record in records {
            n_bytes += u64::from(record.n_bytes);
            span_ms += record
                .arrived_ms
                .saturating_sub(self.newest_ms)
                .clamp(0, PAGE_MS_MAX);
            self.newest_ms = record.arrived_ms;
            n_taken += 1;
            if n_bytes >= BYTES_MAX {
                break;
            }
        }
        let from = records.first().map_or(0, |first| first.offset);
        let mut bytes = vec![0; usize::try_from(n_bytes).unwrap_or(0)];
        let at = from.saturating_sub(self.open.stretch.head.offset);
        self.open.pages.read_exact_at(&mut bytes, at)?;
        self.next += n_taken;
        Ok(Portion {
            bytes,
            from,
            to: from + n_bytes,
            span_ms,
        })
    }

    /// The segment behind this one, if there is a page in it.
    fn following(&self) -> io::Result<Option<Stretch>> {
        let here = self.open.stretch.head.offset;
        let offsets = folder::offsets(&self.log)?;
        let next = offsets.into_iter().rfind(|offset| *offset > here);
        next.map_or(Ok(None), |offset| Stretch::look(&self.log, offset))
    }
}

impl Open {
    fn new(stretch: Stretch) -> io::Result<Self> {
        let [pages, index] = &stretch.files;
        Ok(Self {
            pages: File::open(pages)?,
            index: File::open(index)?,
            stretch,
        })
    }
}
