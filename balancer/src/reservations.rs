//! The redirects to one relay that its last report cannot have counted yet. Pure.
//!
//! A listener needs up to [`ARRIVAL_MAX`] from his 302 to the relay's count. So when a
//! report arrives at t0, redirects issued after t0 − [`ARRIVAL_MAX`] may be missing in it
//! and are added to it. The sum is an upper bound of the listeners at any age of the
//! report: who left only lowers it, who arrived after t0 was redirected after
//! t0 − [`ARRIVAL_MAX`]. Keeping the bound below the slots therefore means that nobody
//! is sent to a full relay, however old the report is. A listener counted twice (already
//! in the report, and still here) costs a free slot for [`ARRIVAL_MAX`], never a rejection.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// How long a listener takes, at most, from his redirect to the relay's count.
pub const ARRIVAL_MAX: Duration = Duration::from_secs(5);

/// Redirects this close together share an entry, so the queue is short at any rate:
/// at most (age of the report + [`ARRIVAL_MAX`]) / this.
const BUCKET: Duration = Duration::from_millis(100);

/// Counts redirects by the time they were issued.
#[derive(Debug, Default)]
pub struct Reservations {
    buckets: VecDeque<Bucket>,
    n_redirects: u64,
}

#[derive(Debug)]
struct Bucket {
    first: Instant,
    last: Instant,
    n_redirects: u64,
}

impl Reservations {
    /// One more listener was sent.
    pub fn add(&mut self, now: Instant) {
        self.n_redirects += 1;
        match self.buckets.back_mut() {
            Some(bucket) if now.saturating_duration_since(bucket.first) < BUCKET => {
                bucket.n_redirects += 1;
                bucket.last = bucket.last.max(now);
            }
            _ => self.buckets.push_back(Bucket {
                first: now,
                last: now,
                n_redirects: 1,
            }),
        }
    }

    /// A report arrived at `received`: whoever was sent long enough before is in it.
    pub fn settle(&mut self, received: Instant) {
        while let Some(bucket) = self.buckets.front() {
            if received.saturating_duration_since(bucket.last) < ARRIVAL_MAX {
                break;
            }
            self.n_redirects -= bucket.n_redirects;
            self.buckets.pop_front();
        }
    }

    /// How many listeners may be on their way.
    pub fn count(&self) -> u64 {
        self.n_redirects
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_redirect_counts_until_a_report_comes_in_long_enough_after_it() {
        let start = Instant::now();
        let mut reservations = Reservations::default();
        reservations.add(start);
        reservations.settle(start + ARRIVAL_MAX - Duration::from_millis(1));
        assert_eq!(reservations.count(), 1);
        reservations.settle(start + ARRIVAL_MAX);
        assert_eq!(reservations.count(), 0);
    }

    #[test]
    fn no_redirect_is_forgotten_early_because_it_shares_an_entry() {
        let start = Instant::now();
        let late = start + Duration::from_millis(99);
        let mut reservations = Reservations::default();
        reservations.add(start);
        reservations.add(late);
        reservations.settle(start + ARRIVAL_MAX);
        assert_eq!(reservations.count(), 2);
        reservations.settle(late + ARRIVAL_MAX);
        assert_eq!(reservations.count(), 0);
    }

    #[test]
    fn a_million_redirects_take_few_entries() {
        let start = Instant::now();
        let mut reservations = Reservations::default();
        for n in 0..1_000_000 {
            reservations.add(start + Duration::from_micros(9 * n));
        }
        assert_eq!(reservations.count(), 1_000_000);
        assert!(
            reservations.buckets.len() <= 91,
            "{}",
            reservations.buckets.len()
        );
    }
}
