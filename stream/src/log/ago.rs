//! A moment as another program understands it, which has another clock: how long ago it is. Pure.

use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

/// So many microseconds ago; below 0: in so many.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ago(i64);

impl Ago {
    /// How long ago `at` is.
    pub fn of(at: Instant, now: Instant) -> Self {
        let micros = |time: Duration| i64::try_from(time.as_micros()).unwrap_or(i64::MAX);
        let past = micros(now.saturating_duration_since(at));
        Self(past - micros(at.saturating_duration_since(now)))
    }

    /// When that was.
    pub fn at(self, now: Instant) -> Instant {
        let time = Duration::from_micros(self.0.unsigned_abs());
        if self.0 < 0 {
            now.checked_add(time).unwrap_or(now)
        } else {
            now.checked_sub(time).unwrap_or(now)
        }
    }
}
