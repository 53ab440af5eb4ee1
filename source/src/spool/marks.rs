//! What the master has of each logical stream, and what it will never get live. Pure.

use std::ops::Range;

use serde::{Deserialize, Serialize};

/// So many holes are told apart; beyond that the two oldest become one, with what is between
/// them: an archive that gets pages twice takes them by their numbers.
const HOLES_MAX: usize = 64;

/// What is known of all logical streams in a spool.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default)]
pub struct Marks {
    /// Oldest first.
    #[serde(rename = "link")]
    pub links: Vec<Mark>,
}

/// What is known of one logical stream.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub struct Mark {
    /// Counts the logical streams of a spool.
    pub number: u32,
    /// Its serial number.
    pub serial: u32,
    /// The server says what it has; another one is believed to have what was sent.
    #[serde(default = "yes")]
    pub is_confirmed: bool,
    /// The page sequence number behind what the server has.
    pub acknowledged: u64,
    /// What it did not get and will not get live.
    #[serde(default)]
    pub holes: Holes,
}

/// Ranges of page sequence numbers, in order, apart from each other.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(transparent)]
pub struct Holes(Vec<Range<u64>>);

fn yes() -> bool {
    true
}

impl Marks {
    /// The mark of a logical stream, if there is one.
    pub fn find(&self, number: u32) -> Option<&Mark> {
        self.links.iter().find(|mark| mark.number == number)
    }

    /// Sets the mark of a logical stream.
    pub fn set(&mut self, mark: Mark) {
        match self.links.iter_mut().find(|old| old.number == mark.number) {
            Some(old) => *old = mark,
            None => self.links.push(mark),
        }
    }
}

impl Holes {
    /// Adds a range, which may touch or cover others.
    pub fn add(&mut self, range: Range<u64>) {
        if range.is_empty() {
            return;
        }
        let mut whole = range;
        self.0.retain(|hole| {
            let is_apart = hole.end < whole.start || whole.end < hole.start;
            if !is_apart {
                whole = whole.start.min(hole.start)..whole.end.max(hole.end);
            }
            is_apart
        });
        let at = self.0.partition_point(|hole| hole.start < whole.start);
        self.0.insert(at, whole);
        if self.0.len() > HOLES_MAX {
            let oldest = self.0.remove(0);
            self.0[0].start = oldest.start;
        }
    }

    /// Takes a range out: it is not missing any more.
    pub fn remove(&mut self, range: &Range<u64>) {
        let rest = self.0.drain(..).flat_map(|hole| {
            let before = hole.start..hole.end.min(range.start);
            let after = hole.start.max(range.end)..hole.end;
            [before, after]
        });
        self.0 = rest.filter(|hole| hole.start < hole.end).collect();
    }

    /// What is missing first from this page on.
    pub fn next_from(&self, sequence: u64) -> Option<Range<u64>> {
        let hole = self.0.iter().find(|hole| hole.end > sequence)?;
        Some(hole.start.max(sequence)..hole.end)
    }

    /// How many pages are missing within `range`.
    pub fn n_within(&self, range: &Range<u64>) -> u64 {
        self.0
            .iter()
            .map(|hole| {
                let end = hole.end.min(range.end);
                end.saturating_sub(hole.start.max(range.start))
            })
            .sum()
    }

    /// How many pages are missing.
    pub fn n_pages(&self) -> u64 {
        self.n_within(&(0..u64::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_filled_is_taken_out_of_holes_from_either_side_and_from_the_middle() {
        let mut holes = Holes::default();
        holes.add(10..20);
        holes.add(30..40);
        holes.remove(&(0..12));
        holes.remove(&(15..17));
        holes.remove(&(18..33));
        holes.remove(&(50..60));
        assert_eq!(holes.0, [12..15, 17..18, 33..40]);
        assert_eq!(holes.next_from(0), Some(12..15));
        assert_eq!(holes.next_from(13), Some(13..15));
        assert_eq!(holes.next_from(15), Some(17..18));
        holes.remove(&(0..39));
        assert_eq!(holes.next_from(20), Some(39..40));
        holes.remove(&(39..40));
        assert_eq!(holes.next_from(0), None);
    }
}
