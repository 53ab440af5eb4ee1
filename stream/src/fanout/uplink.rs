//! A budget of bytes a second for listeners, so that the uplink never fills up with them and
//! relays find it free. Pure but for atomics: time comes in.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Unused budget is kept for this long: the burst that may go out at once.
const SAVED: Duration = Duration::from_millis(100);
/// Of the configured uplink this much is given out; the rest is for headers, acknowledgements and
/// what is not measured here.
const SHARE: f64 = 0.9;

/// The uplink of a program, shared by its shards.
#[derive(Debug)]
pub struct Uplink {
    /// 0: not limited.
    bytes_per_second: u64,
    began: Instant,
    /// Microseconds since `began` up to which budget has been given out.
    filled_us: AtomicU64,
    budget: AtomicI64,
}

impl Uplink {
    /// An uplink of so many bits a second; 0 is one without limit.
    #[expect(
        clippy::cast_precision_loss,
        reason = "an uplink stays below 2^53 bits a second"
    )]
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a share of a u64"
    )]
    pub fn new(bits_per_second: u64, now: Instant) -> Self {
        Self {
            bytes_per_second: (bits_per_second as f64 * SHARE / 8.0) as u64,
            began: now,
            filled_us: AtomicU64::new(0),
            budget: AtomicI64::new(0),
        }
    }

    /// Whether listeners may be served now. Relays never ask.
    pub(super) fn has_room(&self, now: Instant) -> bool {
        if self.bytes_per_second == 0 {
            return true;
        }
        self.fill(now);
        self.budget.load(Ordering::Relaxed) > 0
    }

    /// Bytes went out, to whomever: what relays take is not there for listeners.
    pub(super) fn spend(&self, n_bytes: usize) {
        if self.bytes_per_second > 0 {
            let n_bytes = i64::try_from(n_bytes).unwrap_or(i64::MAX);
            self.budget.fetch_sub(n_bytes, Ordering::Relaxed);
        }
    }

    fn fill(&self, now: Instant) {
        let now_us = micros(now.saturating_duration_since(self.began));
        let filled_us = self.filled_us.load(Ordering::Relaxed);
        // One shard fills for each stretch of time; the others see that it was done.
        let is_mine = now_us > filled_us
            && self
                .filled_us
                .compare_exchange(filled_us, now_us, Ordering::Relaxed, Ordering::Relaxed)
                .is_ok();
        if !is_mine {
            return;
        }
        let earned = self.bytes_for(now_us - filled_us);
        let saved_max = self.bytes_for(micros(SAVED));
        let budget = self
            .budget
            .fetch_add(earned, Ordering::Relaxed)
            .saturating_add(earned);
        if budget > saved_max {
            self.budget.fetch_sub(budget - saved_max, Ordering::Relaxed);
        }
    }

    fn bytes_for(&self, us: u64) -> i64 {
        let bytes = u128::from(self.bytes_per_second) * u128::from(us) / 1_000_000;
        i64::try_from(bytes).unwrap_or(i64::MAX)
    }
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What listeners get in ten seconds of an uplink of 8 Mbit/s (1 MB/s, 0.9 given out) of
    /// which relays take `relays` bytes in each 10 ms.
    fn listeners_get(relays: usize) -> usize {
        let began = Instant::now();
        let uplink = Uplink::new(8_000_000, began);
        let mut n_sent = 0;
        for step in 0..1_000 {
            let now = began + Duration::from_millis(10 * step);
            uplink.spend(relays);
            while uplink.has_room(now) {
                uplink.spend(1_000);
                n_sent += 1_000;
            }
        }
        n_sent
    }

    #[test]
    fn listeners_get_what_relays_leave() {
        assert!(
            (8_900_000..9_100_000).contains(&listeners_get(0)),
            "{}",
            listeners_get(0)
        );
        assert!((3_900_000..4_100_000).contains(&listeners_get(5_000)));
        assert!(listeners_get(10_000) < 100_000);
    }

    #[test]
    fn without_a_limit_there_is_always_room() {
        let uplink = Uplink::new(0, Instant::now());
        uplink.spend(usize::MAX);
        assert!(uplink.has_room(Instant::now()));
    }
}
