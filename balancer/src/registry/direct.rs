//! Slots that are kept free for listeners who come to a relay without being sent. Pure.
//!
//! They come independently of each other, so in a time in which n are expected, hardly ever more
//! than n + 2√n come.

use std::time::{Duration, Instant};

/// How long ago weighs a third.
const MEMORY: Duration = Duration::from_secs(60);
/// Listeners who came a thousand a second are a mistake.
const RATE_MAX: f64 = 1_000.0;

/// How many come without being sent.
#[derive(Debug, Default)]
pub struct Direct {
    per_second: f64,
    last: Option<Last>,
}

#[derive(Debug)]
struct Last {
    count: u64,
    at: Instant,
}

impl Direct {
    /// A report says how many have come since the relay's start.
    pub fn note(&mut self, count: u64, at: Instant) {
        let last = self.last.replace(Last { count, at });
        let Some(last) = last.filter(|last| last.count <= count) else {
            return;
        };
        self.learn(
            small(count - last.count),
            at.saturating_duration_since(last.at),
        );
    }

    /// A report that counts nobody has so many more listeners than it should have. No more can be
    /// known of a server that is not ours.
    pub fn suspect(&mut self, n_more: u64, since_last: Duration) {
        self.learn(small(n_more), since_last);
    }

    fn learn(&mut self, n: f64, during: Duration) {
        let seconds = during.as_secs_f64();
        if seconds <= 0.0 {
            return;
        }
        let weight = 1.0 - (-seconds / MEMORY.as_secs_f64()).exp();
        let rate = (n / seconds).min(RATE_MAX);
        self.per_second += weight * (rate - self.per_second);
    }

    /// How many a second.
    pub fn per_second(&self) -> f64 {
        self.per_second
    }

    /// Slots to keep free, if the last report knows nothing of the last `unknown`.
    pub fn reserve(&self, unknown: Duration) -> u32 {
        let expected = self.per_second * unknown.as_secs_f64();
        // Fewer than one in twenty such times: nobody is turned away for that.
        if expected < 0.05 {
            return 0;
        }
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "positive, and far below what u32 holds, or as much as it holds"
        )]
        let reserve = (expected + 2.0 * expected.sqrt()).ceil() as u32;
        reserve
    }
}

#[expect(
    clippy::cast_precision_loss,
    reason = "a rate needs no more than 53 bits"
)]
fn small(n: u64) -> f64 {
    n as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn what_is_kept_free_follows_how_many_come_and_how_little_is_known() {
        let start = Instant::now();
        let mut direct = Direct::default();
        assert_eq!(direct.reserve(60 * SECOND), 0);
        for second in 0..600 {
            direct.note(2 * u64::from(second), start + second * SECOND);
        }
        assert!((direct.per_second() - 2.0).abs() < 0.01, "{direct:?}");
        assert_eq!(direct.reserve(8 * SECOND), 24, "16 + 2·√16");
        assert!(direct.reserve(60 * SECOND) > 120);
        direct.note(0, start + 700 * SECOND);
        assert!(
            (direct.per_second() - 2.0).abs() < 0.01,
            "a restart is no crowd"
        );
    }

    #[test]
    fn a_report_that_makes_no_sense_does_not_close_a_relay_for_ever() {
        let start = Instant::now();
        let mut direct = Direct::default();
        direct.note(0, start);
        direct.note(u64::MAX, start);
        direct.note(u64::MAX, start + SECOND);
        direct.suspect(u64::MAX, SECOND);
        assert!(direct.per_second() <= RATE_MAX);
        for second in 2..900 {
            direct.note(u64::MAX, start + second * SECOND);
        }
        assert_eq!(direct.reserve(10 * SECOND), 0);
    }
}
