//! What the shards count: joins, closes by reason, time spent serving.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::seat::Closed;

/// The reasons, in the order they are shown.
pub const REASONS: [(Closed, &str); 5] = [
    (Closed::Gone, "gone"),
    (Closed::Complete, "complete"),
    (Closed::TooSlow, "too_slow"),
    (Closed::MountRemoved, "mount_removed"),
    (Closed::Stopping, "stopping"),
];

/// Counts of one shard since its start.
#[derive(Debug)]
pub struct Figures {
    closes: HashMap<Closed, AtomicU64>,
    busy_us: AtomicU64,
}

impl Default for Figures {
    fn default() -> Self {
        Self {
            closes: REASONS
                .iter()
                .map(|(reason, _)| (*reason, AtomicU64::new(0)))
                .collect(),
            busy_us: AtomicU64::new(0),
        }
    }
}

impl Figures {
    pub(super) fn closed(&self, reason: Closed) {
        if let Some(count) = self.closes.get(&reason) {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }

    pub(super) fn busy(&self, time: Duration) {
        let us = u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        self.busy_us.fetch_add(us, Ordering::Relaxed);
    }

    /// How many were closed for this reason.
    pub fn n_closed(&self, reason: Closed) -> u64 {
        self.closes
            .get(&reason)
            .map_or(0, |count| count.load(Ordering::Relaxed))
    }

    /// How long the shard has been at work, without waiting.
    pub fn busy_time(&self) -> Duration {
        Duration::from_micros(self.busy_us.load(Ordering::Relaxed))
    }
}
