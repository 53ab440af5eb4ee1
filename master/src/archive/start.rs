//! Where somebody begins who goes back in a log on disk: at a moment, and where there is a picture
//! at the key frame before it.

use std::io;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use stream::log::account::Account;
use stream::log::segment::Record;
use stream::ogg::{Link, Page};

use super::stretch::Stretch;
use super::tape::Tape;
use crate::disk::folder;

/// A key frame is looked for so long before the moment; if there is none, the first one behind it
/// counts.
const KEY_FRAME_BEFORE_MS_MAX: i64 = 30_000;
/// And in no more segments than these, the one with the moment in it the first.
const SEGMENTS_LOOKED_AT_MAX: usize = 2;

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

/// The pages of a segment, and how its link begins.
struct Inside {
    records: Vec<Record>,
    /// So many pages at its beginning are headers.
    n_headers: usize,
    /// What is known behind them.
    account: Account,
}

impl Start {
    /// The place in the log in this folder where somebody begins who wants to hear it from this
    /// moment on: the first page that came then or later and begins with a whole packet. Before the
    /// oldest it is the oldest. Where there is a picture it is the key frame at the moment or before
    /// it. `None`: nothing of it is on disk.
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
        let known = known.min(offsets.len());
        let until_known = offsets.get(..=known).unwrap_or_default();
        if let Some(start) = Self::key_frame_before(log, until_known, from_ms)? {
            return Ok(Some(start));
        }
        for offset in &offsets[known..] {
            let Some(stretch) = Stretch::look(log, *offset)? else {
                continue;
            };
            if let Some(start) = Self::within(log, stretch, from_ms)? {
                return Ok(Some(start));
            }
        }
        Ok(None)
    }

    /// The newest key frame that had come at this moment, in the last of these segments or the one
    /// before it. `None`: there is none so near, or no picture, or nothing had come yet.
    fn key_frame_before(log: &Path, offsets: &[u64], from_ms: i64) -> io::Result<Option<Self>> {
        let mut behind: Option<Stretch> = None;
        for offset in offsets.iter().rev().take(SEGMENTS_LOOKED_AT_MAX) {
            let Some(stretch) = Stretch::look(log, *offset)? else {
                return Ok(None);
            };
            // Nobody goes back into another link, or past what is missing on the disk.
            let is_next = |next: &Stretch| next.goes_on(&stretch);
            if !behind.as_ref().is_none_or(is_next) {
                return Ok(None);
            }
            let Some(inside) = Inside::of(&stretch)? else {
                return Ok(None);
            };
            let Some(link) = inside.link().filter(|link| link.has_video()).cloned() else {
                return Ok(None);
            };
            let sent = inside.records.iter().enumerate().skip(inside.n_headers);
            for (number, record) in sent
                .rev()
                .filter(|(_, record)| record.arrived_ms <= from_ms)
            {
                if record.arrived_ms < from_ms - KEY_FRAME_BEFORE_MS_MAX {
                    return Ok(None);
                }
                if link.is_join_point(&stretch.page(record)?) {
                    let prefix = link.prefix.clone();
                    return Self::at(log, stretch, (number, record), prefix).map(Some);
                }
            }
            behind = Some(stretch);
        }
        Ok(None)
    }

    /// `None`: no such page is in this segment.
    fn within(log: &Path, stretch: Stretch, from_ms: i64) -> io::Result<Option<Self>> {
        let Some(inside) = Inside::of(&stretch)? else {
            return Ok(None);
        };
        for (number, record) in inside.records.iter().enumerate() {
            if record.arrived_ms < from_ms {
                continue;
            }
            if number == 0 && stretch.begins_link {
                return Self::at(log, stretch, (number, record), Bytes::new()).map(Some);
            }
            let Some(link) = inside.link().filter(|_| number >= inside.n_headers) else {
                continue;
            };
            let page = stretch.page(record)?;
            if !page.stamp().is_first && link.is_join_point(&page) {
                let prefix = link.prefix.clone();
                return Self::at(log, stretch, (number, record), prefix).map(Some);
            }
        }
        Ok(None)
    }

    fn at(
        log: &Path,
        stretch: Stretch,
        (number, record): (usize, &Record),
        prefix: Bytes,
    ) -> io::Result<Self> {
        Ok(Self {
            prefix,
            offset: record.offset,
            first_ms: record.arrived_ms,
            tape: Tape::new(log, stretch, number as u64, record)?,
        })
    }
}

impl Inside {
    /// `None`: it contradicts itself.
    fn of(stretch: &Stretch) -> io::Result<Option<Self>> {
        let n_pages = usize::try_from(stretch.n_pages).unwrap_or(usize::MAX);
        let records = stretch.records(0, n_pages)?;
        let Ok(mut account) = stretch.head.account() else {
            return Ok(None);
        };
        let mut n_headers = 0;
        for record in &records {
            if account.link().is_some() {
                break;
            }
            let page: Page = stretch.page(record)?;
            if account.take(&page, Some(record.trace)).is_err() {
                return Ok(None);
            }
            n_headers += 1;
        }
        Ok(Some(Self {
            records,
            n_headers,
            account,
        }))
    }

    fn link(&self) -> Option<&Arc<Link>> {
        self.account.link()
    }
}
