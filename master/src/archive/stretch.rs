//! One segment on disk, looked at without reading all of it: what stands at its beginning, how far
//! it goes, and when its pages came. May be the one that is being written.

use std::fs::File;
use std::io::{self, ErrorKind, Read};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use bytes::Bytes;
use stream::log::account::{Account, Shift, Trace};
use stream::log::segment::{HEAD_BYTES_MAX, Head, RECORD_BYTES, Record};
use stream::ogg::{Codec, PAGE_BYTES_MAX, Page, granule};

use crate::disk::folder;

/// A head is looked for in so many bytes first: more than the header pages of our own source take.
const HEAD_BYTES_USUAL: u64 = 16 * 1024;
/// So many records are looked at, at once, for the end of filler.
const FILLER_RECORDS: u64 = 256;
/// So many records at the end may be torn.
const TORN_MAX: u64 = 4;

/// One segment.
#[derive(Clone, Debug)]
pub(super) struct Stretch {
    /// Its bytes and its index.
    pub(super) files: [PathBuf; 2],
    /// What was known where it begins.
    pub(super) head: Head,
    /// Its link begins with it: the header pages are in it.
    pub(super) begins_link: bool,
    /// How far the logical stream had come where it begins, if it counts samples.
    pub(super) time: Option<Duration>,
    /// The source's stream where it begins. `None`: there are several, or none.
    pub(super) source: Option<Source>,
    n_head_bytes: u64,
    /// How many pages it has.
    pub(super) n_pages: u64,
    /// The offset behind the last of them.
    pub(super) end: u64,
    /// When the first came, in milliseconds since 1970.
    pub(super) first_ms: i64,
    /// When the last came.
    pub(super) last_ms: i64,
}

impl Stretch {
    /// Looks at the segment that begins at `offset` in the folder of a log. `None`: there is no page
    /// in it yet, or it is gone.
    ///
    /// # Errors
    /// When it cannot be read, or is damaged.
    pub(super) fn look(log: &Path, offset: u64) -> io::Result<Option<Self>> {
        let files = folder::segment(log, offset);
        let index = match File::open(&files[1]) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            index => index?,
        };
        let Some((head, n_head_bytes)) = head(&index)? else {
            return Ok(None);
        };
        let n_records = index.metadata()?.len().saturating_sub(n_head_bytes) / RECORD_BYTES as u64;
        let account = head
            .account()
            .map_err(|why| io::Error::other(why.to_string()))?;
        let mut stretch = Self {
            begins_link: head.prefix.is_empty(),
            time: time(&account),
            source: match account.streams() {
                [stream] => Some(source(&stream.trace)),
                _ => None,
            },
            end: head.offset,
            files,
            head,
            n_head_bytes,
            n_pages: 0,
            first_ms: 0,
            last_ms: 0,
        };
        let Some(first) = stretch.read(&index, 0, 1)?.pop() else {
            return Ok(None);
        };
        if stretch.begins_link {
            stretch.source = Some((first.trace.source_serial, 0, Some(0)));
        }
        for n_pages in (n_records.saturating_sub(TORN_MAX).max(1)..=n_records).rev() {
            if let Some(last) = stretch.read(&index, n_pages - 1, 1)?.pop() {
                stretch.n_pages = n_pages;
                stretch.end = last.offset + u64::from(last.n_bytes);
                stretch.first_ms = first.arrived_ms;
                stretch.last_ms = last.arrived_ms;
                return Ok(Some(stretch));
            }
        }
        Err(damaged(&stretch.files[1]))
    }

    /// The records of at most `n` pages, from the one numbered `from` on.
    ///
    /// # Errors
    /// When they cannot be read.
    pub(super) fn records(&self, from: u64, n: usize) -> io::Result<Vec<Record>> {
        self.read(&File::open(&self.files[1])?, from, n)
    }

    /// As [`Self::records`], from the open index; also what came after it was looked at.
    pub(super) fn read(&self, index: &File, from: u64, n: usize) -> io::Result<Vec<Record>> {
        let mut bytes = vec![0; n * RECORD_BYTES];
        let at = self.n_head_bytes + from * RECORD_BYTES as u64;
        let n_bytes = read_at(index, &mut bytes, at)?;
        let records = bytes[..n_bytes].chunks_exact(RECORD_BYTES);
        Ok(records.map_while(Record::decode).collect())
    }

    /// The page of a record.
    ///
    /// # Errors
    /// When it cannot be read, or is damaged.
    pub(super) fn page(&self, record: &Record) -> io::Result<Page> {
        let n_bytes = (record.n_bytes as usize).min(PAGE_BYTES_MAX);
        let mut bytes = vec![0; n_bytes];
        let at = record.offset.saturating_sub(self.head.offset);
        File::open(&self.files[0])?.read_exact_at(&mut bytes, at)?;
        Page::parse(bytes.into()).map_err(|_| damaged(&self.files[0]))
    }

    /// Whether it goes on in the same link where that one ends.
    pub(super) fn goes_on(&self, before: &Self) -> bool {
        before.end == self.head.offset && before.head.link_start == self.head.link_start
    }

    /// How many bytes its pages have.
    pub(super) fn n_bytes(&self) -> u64 {
        self.end - self.head.offset
    }

    /// Leaves out the filler at its end, and what ends the stream behind it. `false`: there is nothing
    /// else in it.
    ///
    /// # Errors
    /// When it cannot be read.
    pub(super) fn cut_filler(&mut self) -> io::Result<bool> {
        let index = File::open(&self.files[1])?;
        while self.n_pages > 0 {
            let from = self.n_pages.saturating_sub(FILLER_RECORDS);
            let n = usize::try_from(self.n_pages - from).unwrap_or(0);
            let records = self.read(&index, from, n)?;
            if records.len() < n {
                return Err(damaged(&self.files[1]));
            }
            let is_filler = |record: &Record| matches!(record.trace.shift, Shift::Due(n) if n > 0);
            if let Some(at) = records.iter().rposition(|record| !is_filler(record)) {
                let last = &records[at];
                self.n_pages = from + at as u64 + 1;
                self.end = last.offset + u64::from(last.n_bytes);
                self.last_ms = last.arrived_ms;
                return Ok(true);
            }
            self.n_pages = from;
        }
        Ok(false)
    }

    /// The source's stream where the segment ends.
    ///
    /// # Errors
    /// When it cannot be read.
    pub(super) fn last_source(&self) -> io::Result<Option<Source>> {
        let last = self.records(self.n_pages.saturating_sub(1), 1)?.pop();
        Ok(last.map(|last| source(&last.trace)))
    }

    /// As it is, but for the header pages, which take most of its memory.
    pub(super) fn without_headers(mut self) -> Self {
        self.head.prefix = Bytes::new();
        self
    }
}

fn time(account: &Account) -> Option<Duration> {
    account.streams().iter().find_map(|stream| {
        let rate_hertz = Codec::of(&stream.first_packets).rate_hertz()?;
        granule::time(stream.newest.granule, rate_hertz)
    })
}

/// A source's logical stream: its serial number, the number of its next page, and how much the log
/// is ahead of its time, where that is known.
pub(super) type Source = (u32, u64, Option<i64>);

fn source(trace: &Trace) -> Source {
    let shift = match trace.shift {
        Shift::Known(shift) => Some(shift),
        Shift::Due(_) => None,
    };
    let next = u64::from(trace.source_sequence_next);
    (trace.source_serial, next, shift)
}

/// All segments of a log, the oldest first. What cannot be read is left out.
pub(super) fn all(log: &Path) -> io::Result<Vec<Stretch>> {
    let mut offsets = folder::offsets(log)?;
    offsets.reverse();
    let looked = offsets
        .into_iter()
        .map(|offset| Stretch::look(log, offset).unwrap_or_default());
    Ok(looked.flatten().collect())
}

/// `None`: there is no whole head yet.
fn head(index: &File) -> io::Result<Option<(Head, u64)>> {
    for n_bytes_max in [HEAD_BYTES_USUAL, HEAD_BYTES_MAX as u64 + 4] {
        let mut bytes = Vec::new();
        let mut index = index;
        io::Seek::rewind(&mut index)?;
        index.take(n_bytes_max).read_to_end(&mut bytes)?;
        let is_all = (bytes.len() as u64) < n_bytes_max;
        let found = Head::decode(&Bytes::from(bytes)).map_err(io::Error::other)?;
        if found.is_some() || is_all {
            return Ok(found.map(|(head, n_bytes)| (head, n_bytes as u64)));
        }
    }
    Ok(None)
}

/// Reads until `bytes` is full or the file ends.
fn read_at(file: &File, bytes: &mut [u8], at: u64) -> io::Result<usize> {
    let mut n_read = 0;
    while n_read < bytes.len() {
        match file.read_at(&mut bytes[n_read..], at + n_read as u64) {
            Ok(0) => break,
            Ok(n_bytes) => n_read += n_bytes,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(n_read)
}

pub(super) fn damaged(file: &Path) -> io::Error {
    io::Error::other(format!("{} is damaged", file.display()))
}
