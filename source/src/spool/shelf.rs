//! All segments of a spool: which there are, which may go, what is still to be had. Pure.

use std::ops::Range;
use std::time::Duration;

use super::marks::{Mark, Marks};
use super::segment::Segment;

/// Pages that the master has are kept until so much newer sound is there: it may fall down
/// and come back without them.
pub const ACKNOWLEDGED_KEPT: Duration = Duration::from_secs(60);

/// How much a spool may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// In sound.
    pub length: Duration,
    /// In bytes.
    pub n_bytes: u64,
}

/// What there is, oldest first.
#[derive(Debug)]
pub struct Shelf {
    /// Oldest first.
    pub segments: Vec<Segment>,
    /// What the master has.
    pub marks: Marks,
    /// How much there may be.
    pub limits: Limits,
}

/// What others are shown of a spool.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// How many bytes are on the disk.
    pub n_bytes: u64,
    /// How many pages the master did not get and an archive can still have.
    pub n_for_archive: u64,
    /// How many pages of this run neither the master nor an archive will ever get.
    pub n_lost: u64,
    /// The disk takes pages.
    pub is_writing: bool,
}

impl Shelf {
    /// Adds a segment, or what has become of it.
    pub fn put(&mut self, segment: Segment) {
        let is_same =
            |old: &Segment| old.link == segment.link && old.pages.start == segment.pages.start;
        match self.segments.iter_mut().rev().find(|old| is_same(old)) {
            Some(old) => *old = segment,
            None => self.segments.push(segment),
        }
    }

    /// Takes out what has to go and what nobody needs.
    pub fn take_surplus(&mut self) -> Vec<Segment> {
        let mut n_bytes: u64 = self.segments.iter().map(|s| s.n_bytes).sum();
        let mut length: Duration = self.segments.iter().map(|s| s.length).sum();
        let mut gone = Vec::new();
        let all = std::mem::take(&mut self.segments);
        let n_all = all.len();
        for (at, segment) in all.into_iter().enumerate() {
            // The newest one is being written.
            let is_too_much = n_bytes > self.limits.n_bytes || length > self.limits.length;
            let rest = length.saturating_sub(segment.length);
            let is_done = rest >= ACKNOWLEDGED_KEPT && self.is_done(&segment);
            if at + 1 < n_all && (is_too_much || is_done) {
                n_bytes -= segment.n_bytes;
                length = rest;
                gone.push(segment);
            } else {
                self.segments.push(segment);
            }
        }
        self.forget();
        gone
    }

    /// Forgets the marks of logical streams of which nothing is left, but for the newest.
    fn forget(&mut self) {
        let newest = self.marks.links.iter().map(|mark| mark.number).max();
        let segments = &self.segments;
        self.marks.links.retain(|mark| {
            Some(mark.number) == newest || segments.iter().any(|s| s.link == mark.number)
        });
    }

    /// The master has all of it.
    fn is_done(&self, segment: &Segment) -> bool {
        self.marks.find(segment.link).is_some_and(|mark| {
            mark.acknowledged >= segment.pages.end && mark.holes.n_within(&segment.pages) == 0
        })
    }

    /// The segment that holds this page.
    pub fn find(&self, link: u32, sequence: u64) -> Option<&Segment> {
        let mut segments = self.segments.iter();
        segments.find(|s| s.link == link && s.pages.contains(&sequence))
    }

    /// The first page at or behind this one that is there.
    pub fn first_from(&self, link: u32, sequence: u64) -> Option<u64> {
        let segments = self.segments.iter();
        segments
            .filter(|s| s.link == link && s.pages.end > sequence)
            .map(|s| s.pages.start.max(sequence))
            .min()
    }

    /// The pages of a logical stream from this one on that are missing at the master and stand in
    /// one segment.
    pub fn next_missing(&self, link: u32, sequence: u64) -> Option<Range<u64>> {
        let holes = &self.marks.find(link)?.holes;
        let mut at = sequence;
        while let Some(hole) = holes.next_from(at) {
            if let Some(first) = self.first_from(link, hole.start)
                && first < hole.end
            {
                let end = self.find(link, first)?.pages.end;
                return Some(first..end.min(hole.end));
            }
            at = hole.end;
        }
        None
    }

    /// Where a logical stream begins and ends here.
    pub fn extent(&self, link: u32) -> Option<Range<u64>> {
        let mut segments = self.segments.iter().filter(|s| s.link == link);
        let first = segments.next()?;
        let end = segments.map(|s| s.pages.end).max();
        Some(first.pages.start..end.unwrap_or(first.pages.end).max(first.pages.end))
    }

    /// The logical streams that there is something of, oldest first.
    pub fn links(&self) -> Vec<u32> {
        let mut links: Vec<_> = self.segments.iter().map(|s| s.link).collect();
        links.dedup();
        links
    }

    /// What others are shown, `link` being the one of this run.
    pub fn report(&self, link: u32) -> Report {
        let n_kept = |mark: &Mark| -> u64 {
            let segments = self.segments.iter().filter(|s| s.link == mark.number);
            segments.map(|s| mark.holes.n_within(&s.pages)).sum()
        };
        let n_lost = self
            .marks
            .find(link)
            .map_or(0, |mark| mark.holes.n_pages().saturating_sub(n_kept(mark)));
        Report {
            n_bytes: self.segments.iter().map(|s| s.n_bytes).sum(),
            n_for_archive: self.marks.links.iter().map(n_kept).sum(),
            n_lost,
            is_writing: true,
        }
    }
}
