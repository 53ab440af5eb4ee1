//! How long to wait before trying again. Pure: chance comes in as an argument.

use std::time::Duration;

/// The steps of the wait, in milliseconds; the last one repeats for ever.
const STEPS_MS: [u64; 7] = [0, 250, 500, 1_000, 2_000, 4_000, 5_000];

/// Every wait is multiplied by a number drawn from this range, so that a crowd that lost
/// the same server does not return in step. The upper end is below 1 so that the longest
/// wait and the new connection together stay within 5 s.
const JITTER: std::ops::Range<f64> = 0.5..0.85;

/// Counts failures and says how long to wait after each.
#[derive(Clone, Debug, Default)]
pub struct Backoff {
    n_failures: usize,
}

impl Backoff {
    /// A backoff that has seen no failure.
    pub fn new() -> Self {
        Self::default()
    }

    /// The wait after one more failure. `chance` is a number from 0 (inclusive) to 1.
    pub fn next(&mut self, chance: f64) -> Duration {
        let step_ms = STEPS_MS[self.n_failures.min(STEPS_MS.len() - 1)];
        self.n_failures = self.n_failures.saturating_add(1);
        let factor = JITTER.start + (JITTER.end - JITTER.start) * chance.clamp(0.0, 1.0);
        Duration::from_millis(step_ms).mul_f64(factor)
    }

    /// How many failures in a row.
    pub fn n_failures(&self) -> usize {
        self.n_failures
    }

    /// It worked: the next failure starts from the shortest wait again.
    pub fn reset(&mut self) {
        self.n_failures = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn first_retry_is_at_once() {
        assert_eq!(Backoff::new().next(0.9), Duration::ZERO);
    }

    #[test]
    fn waits_never_reach_five_seconds() {
        let mut backoff = Backoff::new();
        for _ in 0..100 {
            assert!(backoff.next(1.0) < Duration::from_millis(4_300));
        }
        assert!(backoff.next(0.0) >= Duration::from_millis(2_500));
    }

    #[test]
    fn success_starts_over() {
        let mut backoff = Backoff::new();
        for _ in 0..9 {
            backoff.next(0.5);
        }
        backoff.reset();
        assert_eq!(backoff.next(0.5), Duration::ZERO);
    }
}
