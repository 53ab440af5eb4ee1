//! Puts what was back-filled into a recording, in the place of the silence that stood in for it:
//! where a page of the source is missing in the log and all that is missing was sent later, the
//! filler goes out and the pages go in, and what follows has the source's own time again.

use std::io;
use std::ops::Range;

use stream::log::account::Shift;
use stream::log::segment::Record;
use stream::ogg::Stamp;

use super::fills::{Fill, cover, reach};
use super::layout::{Change, Piece, Run};
use super::session::Session;
use super::stretch::Stretch;

/// The pages of a recording.
#[derive(Debug)]
pub(super) struct Woven {
    pub(super) pieces: Vec<Piece>,
    /// What is added to the numbers of the log's last pages.
    pub(super) change: Change,
    /// The last page, as it stands in the file, if it is not one of the log's.
    pub(super) last: Option<Stamp>,
}

/// Follows the log from its first page to its last.
struct Weaver<'a> {
    fills: &'a [Fill],
    serial: u32,
    change: Change,
    /// The number of the source's next page.
    expected: u64,
    /// So much the time of the log is ahead of the source's, where that is known.
    shift: Option<i64>,
    done: Vec<Run>,
    /// Filler behind the newest page of the source.
    pending: Vec<Run>,
    n_pending: u32,
}

/// The pages of a recording, each changed by `change`. `is_over`: no more of it will come live.
///
/// # Errors
/// When something cannot be read.
pub(super) fn weave(
    session: &Session,
    change: Change,
    fills: &[Fill],
    is_over: bool,
) -> io::Result<Woven> {
    let stretches = &session.stretches;
    let source = stretches.first().and_then(|first| first.source);
    let (serial, expected, shift) = source.unwrap_or((0, 0, None));
    let is_filled = source.is_some() && fills.iter().any(|fill| fill.serial == serial);
    let mut weaver = Weaver {
        fills,
        serial,
        change,
        expected,
        shift,
        done: Vec::new(),
        pending: Vec::new(),
        n_pending: 0,
    };
    let mut last = None;
    for (n, stretch) in stretches.iter().enumerate() {
        if !is_filled {
            weaver.done.push(Run::whole(stretch, change));
            continue;
        }
        let next = stretches.get(n + 1);
        weaver.follow(stretch, next)?;
    }
    if is_filled && is_over {
        last = weaver.end(stretches.last())?;
    }
    weaver.keep_pending();
    Ok(Woven {
        pieces: weaver.done.into_iter().map(Piece::Run).collect(),
        change: weaver.change,
        last,
    })
}

impl Weaver<'_> {
    /// Goes on to the end of a segment.
    fn follow(&mut self, stretch: &Stretch, next: Option<&Stretch>) -> io::Result<()> {
        let after = match next {
            Some(next) => next.source,
            None => stretch.last_source()?,
        };
        let Some((_, until, shift)) = after else {
            self.keep_pending();
            self.done.push(Run::whole(stretch, self.change));
            return Ok(());
        };
        let is_near = |fill: &Fill| {
            let pages = &fill.pages;
            fill.serial == self.serial && pages.start <= until && pages.end >= self.expected
        };
        if self.fills.iter().any(is_near) {
            return self.walk(stretch);
        }
        self.keep_pending();
        self.done.push(Run::whole(stretch, self.change));
        (self.expected, self.shift) = (until, shift);
        Ok(())
    }

    fn walk(&mut self, stretch: &Stretch) -> io::Result<()> {
        let n_pages = usize::try_from(stretch.n_pages).unwrap_or(usize::MAX);
        for record in stretch.records(0, n_pages)? {
            let next = u64::from(record.trace.source_sequence_next);
            // What leads up to a page of the source came with it, in one step.
            let is_sound = next > self.expected && !record.is_unfinished;
            if !is_sound {
                let run = Run::of(stretch, &record, self.change);
                add(&mut self.pending, run);
                self.n_pending += 1;
                continue;
            }
            let missing = self.expected..next - 1;
            if missing.is_empty() || !self.mend(stretch, &record, missing)? {
                self.keep_pending();
            }
            add(&mut self.done, Run::of(stretch, &record, self.change));
            self.expected = next;
            self.shift = match record.trace.shift {
                Shift::Known(shift) => Some(shift),
                Shift::Due(_) => None,
            };
        }
        Ok(())
    }

    /// Puts what is missing in front of this page into its place. `false`: it is not all there.
    fn mend(
        &mut self,
        stretch: &Stretch,
        record: &Record,
        missing: Range<u64>,
    ) -> io::Result<bool> {
        let (Some(before), Shift::Known(after)) = (self.shift, record.trace.shift) else {
            return Ok(false);
        };
        let behind = stretch.page(record)?.stamp();
        let n_missing = missing.end - missing.start;
        if self.put_in(missing, behind, before)?.is_none() {
            return Ok(false);
        }
        let n_more = u32::try_from(n_missing).unwrap_or(0);
        let change = &mut self.change;
        change.sequence = change.sequence.wrapping_add(n_more);
        change.sequence = change.sequence.wrapping_sub(self.n_pending);
        change.granule = change.granule.saturating_add(before.saturating_sub(after));
        self.pending.clear();
        self.n_pending = 0;
        Ok(true)
    }

    /// Puts what is missing at the end into its place. Gives the stamp of the last page then.
    fn end(&mut self, last: Option<&Stretch>) -> io::Result<Option<Stamp>> {
        let missing = self.expected..reach(self.fills, self.serial, self.expected);
        let (Some(last), Some(before), false) = (last, self.shift, missing.is_empty()) else {
            return Ok(None);
        };
        let Some(record) = last.records(last.n_pages - 1, 1)?.pop() else {
            return Ok(None);
        };
        let newest = last.page(&record)?.stamp();
        let behind = Stamp {
            sequence: newest.sequence.wrapping_add(1),
            ..newest
        };
        let stamp = self.put_in(missing, behind, before)?;
        self.pending.clear();
        self.n_pending = 0;
        Ok(stamp)
    }

    /// Puts pages into the place of the filler in front of the log's page `behind`.
    /// Gives the stamp of the last of them, as it stands in the file; `None`: not all are there.
    fn put_in(
        &mut self,
        missing: Range<u64>,
        behind: Stamp,
        shift: i64,
    ) -> io::Result<Option<Stamp>> {
        let Some(parts) = cover(self.fills, self.serial, missing.clone()) else {
            return Ok(None);
        };
        let first = behind
            .sequence
            .wrapping_sub(self.n_pending)
            .wrapping_add(self.change.sequence);
        let change = Change {
            sequence: first.wrapping_sub(u32::try_from(missing.start).unwrap_or(0)),
            granule: self.change.granule.saturating_add(shift),
            serial: Some(behind.serial),
        };
        let mut stamp = None;
        for (fill, pages) in parts {
            let (from, n_bytes) = fill.place(&pages)?;
            self.done.push(Run {
                file: fill.file.clone(),
                from,
                n_bytes,
                change,
            });
            if pages.end == missing.end {
                stamp = Some(change.of(fill.page(pages.end - 1)?.stamp()));
            }
        }
        Ok(stamp)
    }

    /// The filler stays.
    fn keep_pending(&mut self) {
        for run in self.pending.drain(..) {
            add(&mut self.done, run);
        }
        self.n_pending = 0;
    }
}

/// Adds pages; what follows on what is there becomes one with it.
fn add(runs: &mut Vec<Run>, run: Run) {
    match runs.last_mut() {
        Some(last)
            if last.file == run.file
                && last.change == run.change
                && last.from + last.n_bytes == run.from =>
        {
            last.n_bytes += run.n_bytes;
        }
        _ => runs.push(run),
    }
}

impl Run {
    fn whole(stretch: &Stretch, change: Change) -> Self {
        Self {
            file: stretch.files[0].clone(),
            from: 0,
            n_bytes: stretch.n_bytes(),
            change,
        }
    }

    fn of(stretch: &Stretch, record: &Record, change: Change) -> Self {
        Self {
            file: stretch.files[0].clone(),
            from: record.offset.saturating_sub(stretch.head.offset),
            n_bytes: u64::from(record.n_bytes),
            change,
        }
    }
}
