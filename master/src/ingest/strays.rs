//! Notices a source that sends pages without the headers of their stream: it is taken, and nobody can
//! hear it. Encoders do so that reconnect in the middle of their stream, to a master that does not
//! know it. Pure.

use std::time::{Duration, Instant};

/// Pages are looked at when the source has been there for so long.
const LOOK_AFTER: Duration = Duration::from_secs(5);
/// Fewer pages say nothing.
const PAGES_MIN: u64 = 3;

/// A source, until it is known whether it can be heard.
#[derive(Debug)]
pub(super) struct Strays {
    began: Instant,
    /// How many pages that belong nowhere there had been on the mount before.
    n_before: u64,
    is_known: bool,
}

impl Strays {
    pub(super) fn new(n_before: u64, now: Instant) -> Self {
        Self {
            began: now,
            n_before,
            is_known: false,
        }
    }

    /// `true`, once: all of so many pages belong to no stream. `n_stray` counts those of the mount.
    pub(super) fn are_all(
        &mut self,
        n_pages: u64,
        n_stray: impl FnOnce() -> u64,
        now: Instant,
    ) -> bool {
        let is_early = now.saturating_duration_since(self.began) < LOOK_AFTER;
        if self.is_known || is_early || n_pages < PAGES_MIN {
            return false;
        }
        self.is_known = true;
        n_stray().saturating_sub(self.n_before) >= n_pages
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_of_strays_is_told_of_once_and_no_other_source() {
        let began = Instant::now();
        let later = began + LOOK_AFTER;
        let mut strays = Strays::new(7, began);
        assert!(!strays.are_all(5, || 12, began), "too early");
        assert!(!strays.are_all(2, || 9, later), "too few");
        assert!(strays.are_all(5, || 12, later));
        assert!(!strays.are_all(6, || 13, later), "it has been said");
        let mut heard = Strays::new(7, began);
        assert!(!heard.are_all(5, || 11, later), "one page was taken");
        assert!(!heard.are_all(9, || 100, later), "it is known to be heard");
    }
}
