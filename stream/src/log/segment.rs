//! The two files of a segment, a stretch of a log on disk: the log's bytes as they are, and an
//! index that says what is needed to go on. Pure: bytes in, bytes out.
//!
//! The index is a head (what was known where the segment begins, and the header pages a decoder
//! needs) and then one record of [`RECORD_BYTES`] a page. Head and records carry a checksum each;
//! a page has its own. A page is written before its record, so whatever is cut off at the end,
//! by a kill or a full disk, leaves a prefix that is whole.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::Epoch;
use super::account::{Account, Shift, Trace};
use crate::ogg::{Page, Stamp, crc};

/// What an index begins with: what it is, and the version of the format.
const MAGIC: [u8; 8] = *b"PLENUM1\n";
/// A record has this many bytes.
pub const RECORD_BYTES: usize = 48;
/// Magic and two lengths.
const LENGTHS_BYTES: usize = MAGIC.len() + 8;
/// A head is not believed to be longer than this.
pub const HEAD_BYTES_MAX: usize = 1024 * 1024;
/// The checksum begins with this, so that a stretch of zeros is no record.
const CHECKSUM_START: u32 = u32::MAX;

const FLAG_UNFINISHED: u32 = 1;
const FLAG_SOUND: u32 = 2;
const FLAG_HOLE: u32 = 4;
const FLAG_BRIDGE_DUE: u32 = 8;
const FLAG_SHIFT_DUE: u32 = 16;

/// What was known where a segment begins.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head {
    /// Which log.
    pub epoch: Epoch,
    /// The offset of the segment's first byte.
    pub offset: u64,
    /// Where its link begins.
    pub link_start: u64,
    /// The bytes before it are not on disk.
    pub follows_hole: bool,
    streams: Vec<StreamLine>,
    serials_used: Vec<u32>,
    /// All header pages of the link before it.
    #[serde(skip)]
    pub prefix: Bytes,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct StreamLine {
    serial: u32,
    sequence: u32,
    granule: i64,
    is_last: bool,
    #[serde(flatten)]
    trace: Trace,
}

/// What the index says of a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Record {
    /// Where in the log it begins.
    pub offset: u64,
    /// When it arrived, in milliseconds since 1970.
    pub arrived_ms: i64,
    /// Its length.
    pub n_bytes: u32,
    /// Its checksum.
    pub checksum: u32,
    /// What the splice knew behind it.
    pub trace: Trace,
    /// It was appended together with the page that follows: the one without the other is half a
    /// step.
    pub is_unfinished: bool,
}

/// A segment as it was read back.
#[derive(Clone, Debug)]
pub struct Segment {
    /// Its head.
    pub head: Head,
    /// How many bytes of the index the head takes.
    pub n_head_bytes: usize,
    /// Its pages.
    pub pages: Vec<(Record, Page)>,
    /// Something behind the last page was cut off.
    pub is_torn: bool,
}

/// Why a segment cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Damage {
    /// Nothing had been written yet but a part of its head.
    Unwritten,
    /// The head is no head.
    Head(String),
    /// The page of this number, or its record, is damaged, and others follow.
    Page(usize),
}

impl Head {
    /// A segment that begins where `account` stands: within a link. On disk all its header pages
    /// have come.
    pub fn of(epoch: Epoch, account: &Account, follows_hole: bool) -> Self {
        let streams = account.streams().iter().map(|stream| StreamLine {
            serial: stream.newest.serial,
            sequence: stream.newest.sequence,
            granule: stream.newest.granule,
            is_last: stream.newest.is_last,
            trace: stream.trace,
        });
        Self {
            epoch,
            offset: account.offset(),
            link_start: account.link_start(),
            follows_hole,
            streams: streams.collect(),
            serials_used: account.serials_used().to_vec(),
            prefix: account.headers(),
        }
    }

    /// A segment that begins where a link begins: its header pages are in the segment itself.
    pub fn of_link(epoch: Epoch, offset: u64, account: &Account, follows_hole: bool) -> Self {
        Self {
            epoch,
            offset,
            link_start: offset,
            follows_hole,
            streams: Vec::new(),
            serials_used: account.serials_used().to_vec(),
            prefix: Bytes::new(),
        }
    }

    /// As it stands in the file.
    pub fn encode(&self) -> Vec<u8> {
        let words = serde_json::to_vec(self).unwrap_or_default();
        let mut bytes = MAGIC.to_vec();
        for part in [words.as_slice(), &self.prefix] {
            let n_bytes = u32::try_from(part.len()).unwrap_or(u32::MAX);
            bytes.extend_from_slice(&n_bytes.to_le_bytes());
        }
        bytes.extend_from_slice(&words);
        bytes.extend_from_slice(&self.prefix);
        seal(&mut bytes);
        bytes
    }

    /// Reads the head at the beginning of an index, and its length. `None`: it is not whole.
    ///
    /// # Errors
    /// Says why it is none.
    pub fn decode(index: &Bytes) -> Result<Option<(Self, usize)>, String> {
        let n_same = MAGIC.len().min(index.len());
        if index[..n_same] != MAGIC[..n_same] {
            return Err("it is no index of this version".to_owned());
        }
        if index.len() < LENGTHS_BYTES {
            return Ok(None);
        }
        let n_words = u32_at(index, MAGIC.len()) as usize;
        let n_prefix = u32_at(index, MAGIC.len() + 4) as usize;
        let n_content = LENGTHS_BYTES
            .saturating_add(n_words)
            .saturating_add(n_prefix);
        if n_content > HEAD_BYTES_MAX {
            return Err(format!("its head claims {n_content} bytes"));
        }
        if index.len() < n_content + 4 {
            return Ok(None);
        }
        if !is_sealed(&index[..n_content + 4]) {
            return Err("the checksum of its head is wrong".to_owned());
        }
        let words = &index[LENGTHS_BYTES..LENGTHS_BYTES + n_words];
        let mut head: Self = serde_json::from_slice(words).map_err(|error| error.to_string())?;
        head.prefix = index.slice(LENGTHS_BYTES + n_words..n_content);
        Ok(Some((head, n_content + 4)))
    }

    /// What was known here.
    ///
    /// # Errors
    /// When it contradicts itself.
    pub fn account(&self) -> Result<Account, Damage> {
        let streams = self.streams.iter().map(|line| {
            let newest = Stamp {
                serial: line.serial,
                sequence: line.sequence,
                granule: line.granule,
                is_continued: false,
                is_first: false,
                is_last: line.is_last,
            };
            (newest, line.trace)
        });
        let serials_used = self.serials_used.clone();
        Account::within(
            self.offset,
            self.link_start,
            &self.prefix,
            streams,
            serials_used,
        )
        .map_err(|why| Damage::Head(why.to_string()))
    }
}

impl Record {
    /// The record of a page.
    pub fn of(
        page: &Page,
        offset: u64,
        arrived_ms: i64,
        trace: Trace,
        is_unfinished: bool,
    ) -> Self {
        Self {
            offset,
            arrived_ms,
            n_bytes: u32::try_from(page.len()).unwrap_or(u32::MAX),
            checksum: page.checksum(),
            trace,
            is_unfinished,
        }
    }

    /// As it stands in the file.
    pub fn encode(&self) -> [u8; RECORD_BYTES] {
        let trace = &self.trace;
        let (is_shift_due, shift) = match trace.shift {
            Shift::Known(shift) => (false, shift.cast_unsigned()),
            Shift::Due(n_filled) => (true, n_filled),
        };
        let flags = [
            (self.is_unfinished, FLAG_UNFINISHED),
            (trace.has_sound, FLAG_SOUND),
            (trace.has_hole, FLAG_HOLE),
            (trace.is_bridge_due, FLAG_BRIDGE_DUE),
            (is_shift_due, FLAG_SHIFT_DUE),
        ];
        let set = flags.iter().filter(|(is_set, _)| *is_set);
        let flags: u32 = set.map(|(_, flag)| flag).sum();
        let mut bytes = Vec::with_capacity(RECORD_BYTES);
        bytes.extend_from_slice(&self.offset.to_le_bytes());
        bytes.extend_from_slice(&self.arrived_ms.to_le_bytes());
        for word in [
            self.n_bytes,
            self.checksum,
            trace.source_serial,
            trace.source_sequence_next,
            flags,
        ] {
            bytes.extend_from_slice(&word.to_le_bytes());
        }
        bytes.extend_from_slice(&shift.to_le_bytes());
        seal(&mut bytes);
        let mut record = [0; RECORD_BYTES];
        record.copy_from_slice(&bytes);
        record
    }

    /// Reads a record. `None`: it is damaged.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        if bytes.len() != RECORD_BYTES || !is_sealed(bytes) {
            return None;
        }
        let (flags, shift) = (u32_at(bytes, 32), u64_at(bytes, 36));
        Some(Self {
            offset: u64_at(bytes, 0),
            arrived_ms: u64_at(bytes, 8).cast_signed(),
            n_bytes: u32_at(bytes, 16),
            checksum: u32_at(bytes, 20),
            trace: Trace {
                source_serial: u32_at(bytes, 24),
                source_sequence_next: u32_at(bytes, 28),
                has_sound: flags & FLAG_SOUND != 0,
                has_hole: flags & FLAG_HOLE != 0,
                is_bridge_due: flags & FLAG_BRIDGE_DUE != 0,
                shift: if flags & FLAG_SHIFT_DUE != 0 {
                    Shift::Due(shift)
                } else {
                    Shift::Known(shift.cast_signed())
                },
            },
            is_unfinished: flags & FLAG_UNFINISHED != 0,
        })
    }
}

impl Segment {
    /// Reads a segment back, as far as it is whole.
    ///
    /// # Errors
    /// When something is damaged that cannot have been cut off.
    pub fn read(index: &Bytes, pages: &Bytes) -> Result<Self, Damage> {
        let (head, n_head_bytes) = match Head::decode(index) {
            Err(why) => return Err(Damage::Head(why)),
            Ok(Some(found)) => found,
            Ok(None) if pages.is_empty() => return Err(Damage::Unwritten),
            Ok(None) => return Err(Damage::Head("its head is cut off".to_owned())),
        };
        let records = &index[n_head_bytes..];
        let n_whole = records.len() / RECORD_BYTES;
        let record = |n: usize| Record::decode(&records[n * RECORD_BYTES..(n + 1) * RECORD_BYTES]);
        let mut found = Vec::with_capacity(n_whole);
        let mut at = 0;
        for n in 0..n_whole {
            let expected = head.offset.checked_add(at as u64);
            let page = record(n)
                .filter(|record| Some(record.offset) == expected)
                .and_then(|record| Some((record, page_at(pages, at, &record)?)));
            let Some((record, page)) = page else {
                break;
            };
            at += page.len();
            found.push((record, page));
        }
        let is_followed = (found.len() + 1..n_whole).any(|n| {
            // A page that lost its end to a power failure has records, but no bytes.
            record(n).is_some_and(|record| is_there(pages, head.offset, &record))
        });
        if is_followed {
            return Err(Damage::Page(found.len()));
        }
        Ok(Self {
            is_torn: found.len() * RECORD_BYTES < records.len() || at < pages.len(),
            head,
            n_head_bytes,
            pages: found,
        })
    }

    /// The offset behind its last page.
    pub fn end(&self) -> u64 {
        self.pages
            .last()
            .map_or(self.head.offset, |(record, page)| {
                record.offset + page.len() as u64
            })
    }
}

fn page_at(pages: &Bytes, at: usize, record: &Record) -> Option<Page> {
    let n_bytes = usize::try_from(record.n_bytes).ok()?;
    let end = at.checked_add(n_bytes.min(crate::webm::CLUSTER_BYTES_MAX))?;
    if end > pages.len() {
        return None;
    }
    let page = Page::parse(pages.slice(at..end)).ok()?;
    (page.len() == n_bytes && page.checksum() == record.checksum).then_some(page)
}

/// Whether the page of this record is there and whole.
fn is_there(pages: &Bytes, start: u64, record: &Record) -> bool {
    record
        .offset
        .checked_sub(start)
        .and_then(|at| usize::try_from(at).ok())
        .is_some_and(|at| page_at(pages, at, record).is_some())
}

/// Appends the checksum of what is there.
fn seal(bytes: &mut Vec<u8>) {
    let checksum = crc::update(CHECKSUM_START, bytes);
    bytes.extend_from_slice(&checksum.to_le_bytes());
}

fn is_sealed(bytes: &[u8]) -> bool {
    let Some((content, checksum)) = bytes.split_last_chunk::<4>() else {
        return false;
    };
    crc::update(CHECKSUM_START, content).to_le_bytes() == *checksum
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    let mut four = [0; 4];
    four.copy_from_slice(&bytes[at..at + 4]);
    u32::from_le_bytes(four)
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    let mut eight = [0; 8];
    eight.copy_from_slice(&bytes[at..at + 8]);
    u64::from_le_bytes(eight)
}

impl std::fmt::Display for Damage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Unwritten => f.write_str("nothing was written to it"),
            Self::Head(why) => f.write_str(why),
            Self::Page(n) => write!(f, "page {n} in it is damaged, and others follow"),
        }
    }
}
