//! When a source counts as silent: by the bytes that come from it, and by how long it usually lets one
//! wait for them. Pure.
//!
//! ffmpeg sends a page a second, and MP3 of 32 kbit/s through its buffer every 8 s: of two encoders
//! that stand in for each other neither may take the mount from the other between two pages.

use std::time::{Duration, Instant};

/// Whoever has sent something within this time is not silent.
pub const SILENCE_MIN: Duration = Duration::from_secs(1);
/// Nor is who has let one wait for so many times less lately.
const GAPS: u32 = 3;
/// Whoever has sent nothing for this long is silent, whatever is usual with him.
pub const SILENCE_MAX: Duration = Duration::from_secs(10);
/// Gaps are remembered for this long, and for twice as long at most.
const LATELY: Duration = Duration::from_secs(15);
/// What comes sooner after what was before belongs to it.
const GAP_MIN: Duration = Duration::from_millis(20);
/// Of whom fewer gaps are known, and who has been heard for less than a second, is taken to send once
/// a second.
const GAPS_KNOWN_MIN: u32 = 3;

/// How a source has been heard.
#[derive(Clone, Debug)]
pub(super) struct Hearing {
    began: Instant,
    last: Instant,
    n_gaps: u32,
    /// The longest gap since `since`, and that of the time before.
    longest: [Duration; 2],
    since: Instant,
}

impl Hearing {
    /// One who has just come.
    pub(super) fn new(now: Instant) -> Self {
        Self {
            began: now,
            last: now,
            n_gaps: 0,
            longest: [Duration::ZERO; 2],
            since: now,
        }
    }

    /// Something came from him.
    pub(super) fn heard(&mut self, now: Instant) {
        let gap = now.saturating_duration_since(self.last);
        self.last = now;
        if gap < GAP_MIN {
            return;
        }
        self.n_gaps = self.n_gaps.saturating_add(1);
        if now.saturating_duration_since(self.since) >= LATELY {
            self.longest = [Duration::ZERO, self.longest[0]];
            self.since = now;
        }
        self.longest[0] = self.longest[0].max(gap);
    }

    /// When something came from him last; before that: when he came.
    pub(super) fn last(&self) -> Instant {
        self.last
    }

    /// Whether he makes room for another one with his credentials.
    pub(super) fn is_silent(&self, now: Instant) -> bool {
        now.saturating_duration_since(self.last) >= self.patience()
    }

    fn patience(&self) -> Duration {
        let [now, before] = self.longest;
        let known = now.max(before);
        let lasted = self.last.saturating_duration_since(self.began);
        let is_known = self.n_gaps >= GAPS_KNOWN_MIN || lasted >= SILENCE_MIN;
        let usual = if is_known {
            known
        } else {
            known.max(SILENCE_MIN)
        };
        (usual * GAPS).clamp(SILENCE_MIN, SILENCE_MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Heard every `gap` for `time`.
    fn heard(gap: Duration, time: Duration) -> (Hearing, Instant) {
        let mut now = Instant::now();
        let end = now + time;
        let mut hearing = Hearing::new(now);
        while now < end {
            now += gap;
            hearing.heard(now);
            // What is behind it comes at once.
            hearing.heard(now + Duration::from_millis(1));
        }
        (hearing, now)
    }

    #[test]
    fn who_sends_often_is_silent_after_a_second_and_who_sends_seldom_later() {
        for (gap_ms, silent_ms) in [
            (20, 1_000),
            (200, 1_000),
            (500, 1_500),
            (1_000, 3_000),
            (8_000, 10_000),
        ] {
            let gap = Duration::from_millis(gap_ms);
            let (hearing, now) = heard(gap, Duration::from_secs(60));
            let silent = now + Duration::from_millis(silent_ms);
            assert!(
                !hearing.is_silent(silent - Duration::from_millis(50)),
                "{gap:?}"
            );
            assert!(
                hearing.is_silent(silent + Duration::from_millis(50)),
                "{gap:?}"
            );
        }
    }

    #[test]
    fn of_whom_little_is_known_is_given_time_and_a_long_gap_is_forgotten() {
        let now = Instant::now();
        let hearing = Hearing::new(now);
        assert!(!hearing.is_silent(now + Duration::from_millis(2_900)));
        assert!(hearing.is_silent(now + Duration::from_secs(3)));
        let (mut hearing, mut now) = heard(Duration::from_millis(200), Duration::from_secs(5));
        now += Duration::from_secs(3);
        hearing.heard(now);
        assert!(!hearing.is_silent(now + Duration::from_secs(5)));
        for _ in 0..200 {
            now += Duration::from_millis(200);
            hearing.heard(now);
        }
        assert!(hearing.is_silent(now + Duration::from_millis(1_050)));
    }
}
