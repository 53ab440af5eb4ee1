//! A log from the disk, from a moment on, page after page as it was heard: across segments, links
//! and holes, up to where the disk has it now.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use stream::log::segment::Record;
use stream::ogg::Page;

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

/// Where a tape begins.
#[derive(Debug)]
pub(super) struct Start {
    pub(super) tape: Tape,
    /// The header pages that have to be heard first.
    pub(super) prefix: Bytes,
    /// The offset of its first page.
    pub(super) offset: u64,
    /// When that page came, in milliseconds since 1970.
    pub(super) first_ms: i64,
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

impl Start {
    /// The place in the log in this folder where somebody begins who wants to hear it from this
    /// moment on: the first page that came then or later and begins with a whole packet. Before the
    /// oldest it is the oldest. `None`: nothing of it is on disk.
    ///
    /// # Errors
    /// When it cannot be read.
    pub(super) fn find(log: &Path, from_ms: i64) -> io::Result<Option<Self>> {
        let mut offsets = match folder::offsets(log) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            offsets => offsets?,
        };
        offsets.reverse();
        // Each segment begins later than the one before.
        let (mut known, mut beyond) = (0, offsets.len());
        while beyond - known > 1 {
            let middle = usize::midpoint(known, beyond);
            let looked = Stretch::look(log, offsets[middle])?;
            if looked.is_some_and(|stretch| stretch.first_ms <= from_ms) {
                known = middle;
            } else {
                beyond = middle;
            }
        }
        for offset in &offsets[known.min(offsets.len())..] {
            let Some(stretch) = Stretch::look(log, *offset)? else {
                continue;
            };
            if let Some(start) = Self::within(log, stretch, from_ms)? {
                return Ok(Some(start));
            }
        }
        Ok(None)
    }

    /// `None`: no such page is in this segment.
    fn within(log: &Path, stretch: Stretch, from_ms: i64) -> io::Result<Option<Self>> {
        let n_pages = usize::try_from(stretch.n_pages).unwrap_or(usize::MAX);
        let records = stretch.records(0, n_pages)?;
        let Ok(mut account) = stretch.head.account() else {
            return Ok(None);
        };
        let begins_link = stretch.begins_link;
        for (number, record) in records.iter().enumerate() {
            let is_header = account.prefix().is_none();
            let is_early = record.arrived_ms < from_ms;
            if is_early && !is_header {
                continue;
            }
            let page = stretch.page(record)?;
            let is_link_start = number == 0 && begins_link;
            if !is_early && (is_link_start || (!is_header && is_join_point(&page))) {
                let prefix = account.prefix().filter(|_| !is_link_start);
                return Ok(Some(Self {
                    prefix: prefix.cloned().unwrap_or_default(),
                    offset: record.offset,
                    first_ms: record.arrived_ms,
                    tape: Tape::new(log, stretch, number as u64, record)?,
                }));
            }
            if is_header && account.take(&page, Some(record.trace)).is_err() {
                return Ok(None);
            }
        }
        Ok(None)
    }
}

fn is_join_point(page: &Page) -> bool {
    let stamp = page.stamp();
    !stamp.is_first && !stamp.is_continued && stamp.granule >= 0
}

impl Tape {
    fn new(log: &Path, stretch: Stretch, next: u64, record: &Record) -> io::Result<Self> {
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
