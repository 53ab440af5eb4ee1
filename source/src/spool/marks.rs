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
