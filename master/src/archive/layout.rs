//! The bytes of a recording's file: header pages, then the pages of the log with numbers and time
//! that begin at the file's beginning, then an end. No page changes its length, so where each byte
//! stands is known without reading them.

use std::io;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use stream::log::account::header_pages;
use stream::ogg::{Codec, Measure, Page, Stamp};

use super::fills::{self, Fill, cover};
use super::session::Session;
use super::stretch::Stretch;
use super::weave::weave;

/// So many pages at the beginning are looked at to find out when it is.
const PAGES_AHEAD_MAX: usize = 64;
/// So many pages at the end are looked at to find out what has to be ended.
const PAGES_BACK_MAX: u64 = 256;

/// A recording's file.
#[derive(Clone, Debug)]
pub(super) struct Layout {
    /// In order.
    pub(super) pieces: Vec<Piece>,
    /// How long it is.
    pub(super) n_bytes: u64,
    /// Two files with one tag are the same, byte for byte.
    pub(super) tag: String,
    /// There is more in it than headers.
    pub(super) has_sound: bool,
}

/// A piece of it.
#[derive(Clone, Debug)]
pub(super) enum Piece {
    /// Bytes that are known.
    Made(Bytes),
    /// Pages in a file on disk.
    Run(Run),
}

/// Whole pages in a file.
#[derive(Clone, Debug)]
pub(super) struct Run {
    pub(super) file: PathBuf,
    /// Where they begin in it.
    pub(super) from: u64,
    pub(super) n_bytes: u64,
    pub(super) change: Change,
}

/// What is added to each page's numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Change {
    /// To its page sequence number, wrapping.
    pub(super) sequence: u32,
    /// To its granule position, where it has one.
    pub(super) granule: i64,
    /// Its serial number becomes this one.
    pub(super) serial: Option<u32>,
}

impl Layout {
    /// The file of a recording, with what was back-filled of it. `is_over`: no more of it will come
    /// live.
    ///
    /// # Errors
    /// When it cannot be read.
    pub(super) fn of(session: &Session, fills: &[Fill], is_over: bool) -> io::Result<Self> {
        let (Some(first), Some(last)) = (session.stretches.first(), session.stretches.last())
        else {
            return Err(io::Error::other("a recording without a page"));
        };
        let beginning = beginning(first, fills)?;
        let is_single = n_streams(&beginning) == 1;
        let change = change(first, &beginning);
        let fills = if is_single { fills } else { &[] };
        let woven = weave(session, change, fills, is_over)?;
        let mut pieces = Vec::new();
        if !first.begins_link {
            pieces.push(Piece::Made(first.head.prefix.clone()));
        }
        pieces.extend(woven.pieces);
        let newest = match woven.last {
            Some(last) => vec![last],
            None => newest(last, n_streams(&beginning), woven.change)?,
        };
        pieces.push(Piece::Made(ending(&newest, &beginning)));
        let n_bytes = pieces.iter().map(Piece::n_bytes).sum();
        let (start, n_pieces) = (first.head.offset, pieces.len());
        Ok(Self {
            has_sound: newest.iter().any(|stamp| stamp.granule > 0),
            pieces,
            n_bytes,
            tag: format!("\"{}-{start}-{n_bytes}-{n_pieces}\"", session.name),
        })
    }

    /// The file of a logical stream of which nothing came live, from the files in a mount's folder.
    /// `None`: there is none.
    ///
    /// # Errors
    /// When it cannot be read.
    pub(super) fn of_fills(mount: &Path, serial: u32) -> io::Result<Option<Self>> {
        let fills = fills::all(mount);
        let own = || fills.iter().filter(|fill| fill.serial == serial);
        let Some(first) = own().map(|fill| fill.pages.start).min() else {
            return Ok(None);
        };
        let prefix = fills::headers(mount, serial)?;
        let mut beginning = header_pages(&prefix).unwrap_or_default();
        let n_headers = beginning.len() as u64;
        let mut pieces = vec![Piece::Made(prefix)];
        let mut change = Change::default();
        let mut last = None;
        let mut next = Some(first);
        while let Some(from) = next {
            let until = fills::reach(&fills, serial, from);
            for (fill, pages) in cover(&fills, serial, from..until).unwrap_or_default() {
                if last.is_none() {
                    beginning.push(fill.page(from)?);
                    change = Change {
                        sequence: low(n_headers).wrapping_sub(low(first)),
                        granule: -began(&beginning).unwrap_or(0),
                        serial: None,
                    };
                }
                last = Some(change.of(fill.page(pages.end - 1)?.stamp()));
                let (from, n_bytes) = fill.place(&pages)?;
                pieces.push(Piece::Run(Run {
                    file: fill.file.clone(),
                    from,
                    n_bytes,
                    change,
                }));
            }
            next = own()
                .map(|fill| fill.pages.start)
                .filter(|start| *start > until)
                .min();
        }
        let last: Vec<Stamp> = last.into_iter().collect();
        pieces.push(Piece::Made(ending(&last, &beginning)));
        let n_bytes = pieces.iter().map(Piece::n_bytes).sum();
        let tag = format!("\"fill-{serial:08x}-{first}-{n_bytes}\"");
        Ok(Some(Self {
            has_sound: !last.is_empty(),
            pieces,
            n_bytes,
            tag,
        }))
    }
}

/// Numbers of pages wrap.
fn low(number: u64) -> u32 {
    u32::try_from(number & u64::from(u32::MAX)).unwrap_or(0)
}

impl Piece {
    /// How long it is.
    pub(super) fn n_bytes(&self) -> u64 {
        match self {
            Self::Made(bytes) => bytes.len() as u64,
            Self::Run(run) => run.n_bytes,
        }
    }
}

impl Change {
    /// The stamp of a page in the file.
    pub(super) fn of(self, stamp: Stamp) -> Stamp {
        let has_time = stamp.granule > 0;
        Stamp {
            serial: self.serial.unwrap_or(stamp.serial),
            sequence: stamp.sequence.wrapping_add(self.sequence),
            granule: if has_time {
                stamp.granule.saturating_add(self.granule).max(0)
            } else {
                stamp.granule
            },
            ..stamp
        }
    }
}

/// The first pages: the header pages, and some that follow.
fn beginning(first: &Stretch, fills: &[Fill]) -> io::Result<Vec<Page>> {
    let mut pages = header_pages(&first.head.prefix).unwrap_or_default();
    for record in first.records(0, PAGES_AHEAD_MAX)? {
        let page = first.page(&record)?;
        if page.stamp().granule <= 0 {
            pages.push(page);
            continue;
        }
        let (serial, here) = (
            record.trace.source_serial,
            record.trace.source_sequence_next,
        );
        // The source may have sent later what comes before.
        let from = pages.len() as u64;
        let earlier = cover(fills, serial, from..u64::from(here).saturating_sub(1));
        pages.push(match earlier.as_deref() {
            Some([(fill, _), ..]) if first.begins_link => fill.page(from)?,
            _ => page,
        });
        break;
    }
    Ok(pages)
}

/// What makes the file begin at 0. Where there is more than one logical stream their times belong
/// together, and nothing is changed.
fn change(first: &Stretch, beginning: &[Page]) -> Change {
    if n_streams(beginning) != 1 {
        return Change::default();
    }
    let account = first.head.account().ok();
    let before = account.and_then(|account| Some(account.streams().first()?.newest));
    let began = began(beginning).or_else(|| before.map(|newest| newest.granule));
    let n_headers = header_pages(&first.head.prefix).map_or(0, |pages| pages.len());
    Change {
        sequence: before.map_or(0, |newest| {
            low(n_headers as u64).wrapping_sub(newest.sequence.wrapping_add(1))
        }),
        granule: -began.unwrap_or(0).max(0),
        serial: None,
    }
}

/// When the first sound begins, by the time of its page and how long that lasts, where it is known.
fn began(beginning: &[Page]) -> Option<i64> {
    let mut measure = Measure::new(beginning.first()?.body());
    let n_samples: u64 = beginning.iter().map(|page| measure.take(page)).sum();
    measure.rate_hertz()?;
    let ended = beginning.iter().map(|page| page.stamp().granule).max()?;
    Some(ended.saturating_sub_unsigned(n_samples).max(0))
}

fn n_streams(beginning: &[Page]) -> usize {
    let firsts = beginning.iter().filter(|page| page.stamp().is_first);
    firsts.count()
}

/// The stamps, as they stand in the file, of the last page of each logical stream, with the last
/// time known.
fn newest(last: &Stretch, n_streams: usize, change: Change) -> io::Result<Vec<Stamp>> {
    let from = last.n_pages.saturating_sub(PAGES_BACK_MAX);
    let records = last.records(from, usize::try_from(last.n_pages - from).unwrap_or(0))?;
    let mut newest: Vec<Stamp> = Vec::new();
    for record in records.iter().rev() {
        let stamp = change.of(last.page(record)?.stamp());
        match newest.iter_mut().find(|known| known.serial == stamp.serial) {
            Some(known) => known.granule = known.granule.max(stamp.granule),
            None => newest.push(stamp),
        }
        let n_known = newest.iter().filter(|known| known.granule >= 0).count();
        if n_known >= n_streams {
            break;
        }
    }
    Ok(newest)
}

/// The pages that end what is still open behind these.
fn ending(newest: &[Stamp], beginning: &[Page]) -> Bytes {
    let open = newest.iter().filter(|stamp| !stamp.is_last);
    let pages = open.filter_map(|stamp| {
        let is_its = |page: &&Page| page.stamp().is_first && page.serial() == stamp.serial;
        let bos = beginning.iter().find(is_its)?;
        let packet = Codec::of(bos.body()).silent_packet();
        Some(Page::end_of(stamp, packet))
    });
    let bytes: Vec<u8> = pages.flat_map(|page| page.bytes().to_vec()).collect();
    bytes.into()
}
