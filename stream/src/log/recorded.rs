//! A log as another master is told it: each page behind its record, so that he could go on with
//! it. Pure: bytes in, bytes out.

use std::time::Instant;

use bytes::{Buf, Bytes, BytesMut};

use super::account::{Step, Trace, header_pages};
use super::ring::Kept;
use super::segment::{RECORD_BYTES, Record};
use crate::ogg::Page;
use crate::webm::CLUSTER_BYTES_MAX;

/// How pages are written. `now` and `now_ms` are the same moment.
pub fn encode(pages: &[Kept], now: Instant, now_ms: i64) -> Bytes {
    let n_bytes: usize = pages
        .iter()
        .map(|kept| RECORD_BYTES + kept.page.len())
        .sum();
    let mut bytes = BytesMut::with_capacity(n_bytes);
    for kept in pages {
        let age = now.saturating_duration_since(kept.arrived).as_millis();
        let arrived_ms = now_ms.saturating_sub(i64::try_from(age).unwrap_or(i64::MAX));
        let trace = kept.step.trace.unwrap_or_default();
        let is_unfinished = kept.step.is_unfinished;
        let record = Record::of(&kept.page, kept.offset, arrived_ms, trace, is_unfinished);
        bytes.extend_from_slice(&record.encode());
        bytes.extend_from_slice(kept.page.bytes());
    }
    bytes.freeze()
}

/// How header pages are written that come first and are not part of the log.
pub fn encode_prefix(prefix: &Bytes) -> Bytes {
    let pages = header_pages(prefix).unwrap_or_default();
    let mut bytes = BytesMut::new();
    for page in &pages {
        bytes.extend_from_slice(&Record::of(page, 0, 0, Trace::default(), false).encode());
        bytes.extend_from_slice(page.bytes());
    }
    bytes.freeze()
}

/// Reads what [`encode`] has written, in any portions.
#[derive(Debug, Default)]
pub struct Reader {
    held: BytesMut,
}

/// What was read makes no sense.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Damaged;

impl Reader {
    /// Adds bytes.
    pub fn push(&mut self, bytes: &[u8]) {
        self.held.extend_from_slice(bytes);
    }

    /// The next page, once all of it is there.
    ///
    /// # Errors
    /// When record or page are damaged, or do not belong together.
    pub fn take(&mut self) -> Result<Option<(Record, Page)>, Damaged> {
        if self.held.len() < RECORD_BYTES {
            return Ok(None);
        }
        let record = Record::decode(&self.held[..RECORD_BYTES]).ok_or(Damaged)?;
        let n_bytes = usize::try_from(record.n_bytes).map_err(|_| Damaged)?;
        if n_bytes > CLUSTER_BYTES_MAX {
            return Err(Damaged);
        }
        if self.held.len() < RECORD_BYTES + n_bytes {
            return Ok(None);
        }
        self.held.advance(RECORD_BYTES);
        let bytes = Bytes::copy_from_slice(&self.held[..n_bytes]);
        self.held.advance(n_bytes);
        let page = Page::parse(bytes).map_err(|_| Damaged)?;
        if page.len() != n_bytes || page.checksum() != record.checksum {
            return Err(Damaged);
        }
        Ok(Some((record, page)))
    }
}

impl From<&Record> for Step {
    fn from(record: &Record) -> Self {
        // Behind any page of a source its next one has a number.
        let is_said = record.trace != Trace::default();
        Self {
            trace: is_said.then_some(record.trace),
            is_unfinished: record.is_unfinished,
        }
    }
}
