//! What a shard counts: joins, closes by reason, how far behind the source its listeners are,
//! time spent serving. Never who they are.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::seat::Seat;

/// Why somebody is not served any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Closed {
    /// He went.
    Gone,
    /// He has all the bytes he asked for.
    Complete,
    /// He took nothing for too long, or fell behind twice within a minute.
    TooSlow,
    /// The mount was removed.
    MountRemoved,
    /// The program is stopping.
    Stopping,
    /// The operator ended his connection.
    Dismissed,
}

/// The reasons, in the order they are shown.
pub const REASONS: [(Closed, &str); 6] = [
    (Closed::Gone, "gone"),
    (Closed::Complete, "complete"),
    (Closed::TooSlow, "too_slow"),
    (Closed::MountRemoved, "mount_removed"),
    (Closed::Stopping, "stopping"),
    (Closed::Dismissed, "dismissed"),
];

/// Upper ends of the buckets of lag, in milliseconds.
const LAG_MS: [u64; 10] = [
    50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000, 30_000, 60_000,
];
/// Upper ends of the buckets of the time to the first page, in milliseconds.
const FIRST_PAGE_MS: [u64; 9] = [1, 5, 10, 25, 50, 100, 250, 1_000, 5_000];

/// Counts of one shard since its start.
#[derive(Debug)]
pub struct Figures {
    closes: [AtomicU64; REASONS.len()],
    busy_us: AtomicU64,
    n_tls: AtomicU64,
    /// Of these, relays.
    n_tls_relays: AtomicU64,
    lag: Histogram,
    first_page: Histogram,
}

/// How often a time fell between two bounds.
#[derive(Debug)]
pub struct Histogram {
    bounds_ms: &'static [u64],
    /// One more than bounds: the last is for all above.
    counts: Vec<AtomicU64>,
    sum_us: AtomicU64,
}

/// Counts of all shards, as they are handed to another program. How many are served through TLS is
/// not among them: these stay.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct FiguresState {
    closes: Vec<u64>,
    busy_us: u64,
    lag: HistogramState,
    first_page: HistogramState,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct HistogramState {
    counts: Vec<u64>,
    sum_us: u64,
}

impl FiguresState {
    /// Adds what one shard has counted.
    pub(super) fn add(&mut self, figures: &Figures) {
        add(&mut self.closes, &figures.closes);
        self.busy_us += figures.busy_us.load(Ordering::Relaxed);
        for (state, histogram) in [
            (&mut self.lag, &figures.lag),
            (&mut self.first_page, &figures.first_page),
        ] {
            add(&mut state.counts, &histogram.counts);
            state.sum_us += histogram.sum_us.load(Ordering::Relaxed);
        }
    }
}

fn add(sums: &mut Vec<u64>, counts: &[AtomicU64]) {
    sums.resize(counts.len(), 0);
    for (sum, count) in sums.iter_mut().zip(counts) {
        *sum += count.load(Ordering::Relaxed);
    }
}

/// A histogram at one moment.
#[derive(Clone, Debug, PartialEq)]
pub struct Snapshot {
    /// Upper end in seconds, and how many fell below it but not below the one before.
    pub buckets: Vec<(f64, u64)>,
    /// All of them added up, in seconds.
    pub sum: f64,
    /// How many.
    pub count: u64,
}

impl Histogram {
    fn new(bounds_ms: &'static [u64]) -> Self {
        let counts = (0..=bounds_ms.len()).map(|_| AtomicU64::new(0)).collect();
        Self {
            bounds_ms,
            counts,
            sum_us: AtomicU64::new(0),
        }
    }

    fn add(&self, time: Duration) {
        let us = u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        let at = self.bounds_ms.partition_point(|bound| bound * 1_000 < us);
        self.counts[at].fetch_add(1, Ordering::Relaxed);
        self.sum_us.fetch_add(us, Ordering::Relaxed);
    }

    /// What it holds now.
    pub fn snapshot(&self) -> Snapshot {
        let counts: Vec<u64> = self
            .counts
            .iter()
            .map(|n| n.load(Ordering::Relaxed))
            .collect();
        #[expect(clippy::cast_precision_loss, reason = "bounds are small")]
        let ends = self
            .bounds_ms
            .iter()
            .map(|ms| *ms as f64 / 1_000.0)
            .chain([f64::MAX]);
        Snapshot {
            count: counts.iter().sum(),
            buckets: ends.zip(counts).collect(),
            sum: Duration::from_micros(self.sum_us.load(Ordering::Relaxed)).as_secs_f64(),
        }
    }
}

impl Default for Figures {
    fn default() -> Self {
        Self {
            closes: Default::default(),
            busy_us: AtomicU64::new(0),
            n_tls: AtomicU64::new(0),
            n_tls_relays: AtomicU64::new(0),
            lag: Histogram::new(&LAG_MS),
            first_page: Histogram::new(&FIRST_PAGE_MS),
        }
    }
}

impl Figures {
    pub(super) fn closed(&self, reason: Closed) {
        if let Some(at) = REASONS.iter().position(|(other, _)| *other == reason) {
            self.closes[at].fetch_add(1, Ordering::Relaxed);
        }
    }

    pub(super) fn joined(&self, seat: &Seat) {
        for count in self.counts_of(seat) {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }

    pub(super) fn left(&self, seat: &Seat) {
        for count in self.counts_of(seat) {
            count.fetch_sub(1, Ordering::Relaxed);
        }
    }

    fn counts_of(&self, seat: &Seat) -> impl Iterator<Item = &AtomicU64> {
        let tls = seat.wire.is_tls().then_some(&self.n_tls);
        let relay = seat.comes_back().then_some(&self.n_tls_relays);
        tls.into_iter().chain(relay)
    }

    /// Counts on from there.
    pub(super) fn count_from(&self, state: &FiguresState) {
        let histograms = [
            (&self.lag, &state.lag),
            (&self.first_page, &state.first_page),
        ];
        for (histogram, state) in histograms {
            count_from(&histogram.counts, &state.counts);
            histogram.sum_us.fetch_add(state.sum_us, Ordering::Relaxed);
        }
        count_from(&self.closes, &state.closes);
        self.busy_us.fetch_add(state.busy_us, Ordering::Relaxed);
    }

    pub(super) fn busy(&self, time: Duration) {
        let us = u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        self.busy_us.fetch_add(us, Ordering::Relaxed);
    }

    pub(super) fn sent_late_by(&self, lag: Duration) {
        self.lag.add(lag);
    }

    pub(super) fn joined_after(&self, time: Duration) {
        self.first_page.add(time);
    }

    /// How many were closed for this reason.
    pub fn n_closed(&self, reason: Closed) -> u64 {
        let at = REASONS.iter().position(|(other, _)| *other == reason);
        at.map_or(0, |at| self.closes[at].load(Ordering::Relaxed))
    }

    /// How many are being served through TLS.
    pub fn n_tls(&self) -> u64 {
        self.n_tls.load(Ordering::Relaxed)
    }

    /// How many would have to stay if all others were handed over: relays come back.
    pub(crate) fn n_staying(&self) -> u64 {
        let n_relays = self.n_tls_relays.load(Ordering::Relaxed);
        self.n_tls().saturating_sub(n_relays)
    }

    /// How long the shard has been at work, without waiting.
    pub fn busy_time(&self) -> Duration {
        Duration::from_micros(self.busy_us.load(Ordering::Relaxed))
    }

    /// How old the oldest byte of each write was, counted from its arrival here. The burst of a
    /// joiner is not counted.
    pub fn lag(&self) -> &Histogram {
        &self.lag
    }

    /// From a connection's arrival at the door to its first page.
    pub fn first_page(&self) -> &Histogram {
        &self.first_page
    }
}

fn count_from(counts: &[AtomicU64], from: &[u64]) {
    for (count, n) in counts.iter().zip(from) {
        count.fetch_add(*n, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_fall_into_the_bucket_that_ends_above_them() {
        let histogram = Histogram::new(&[10, 100]);
        for ms in [0, 10, 11, 100, 5_000] {
            histogram.add(Duration::from_millis(ms));
        }
        let snapshot = histogram.snapshot();
        let counts: Vec<u64> = snapshot.buckets.iter().map(|(_, n)| *n).collect();
        assert_eq!((counts, snapshot.count), (vec![2, 2, 1], 5));
        assert!((snapshot.sum - 5.121).abs() < 1e-9);
    }
}
