//! What was put right of what one uplink sent, and of all that came to its mount.

use std::sync::atomic::Ordering;

use super::Publisher;
use crate::log::splice::Counts;

impl Publisher {
    /// What was put right of what he sent.
    pub fn counts(&self) -> Counts {
        self.counts
    }

    /// Counts on from there: another program counted until then.
    pub fn count_from(&mut self, counts: Counts) {
        self.counts = counts;
    }

    /// A page of his was taken: with it the log went from `before` to `after`.
    pub(super) fn count(&mut self, before: Counts, after: Counts) {
        self.counts.n_doubled += after.n_doubled.saturating_sub(before.n_doubled);
        self.counts.n_missing += after.n_missing.saturating_sub(before.n_missing);
        self.counts.n_stray += after.n_stray.saturating_sub(before.n_stray);
        let in_all = &self.mount.counts().n_pages_missing;
        in_all.store(after.n_missing, Ordering::Relaxed);
    }
}
