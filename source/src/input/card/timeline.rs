//! Keeps sound from a card in step with the clock: how much silence belongs where sound
//! is missing. Pure: the time comes in as an argument.
//!
//! A card that lost sound says so, if at all, without saying how much. So the frames that
//! arrived are compared with the time that passed. How far they lag behind it (the
//! deficit) wavers with every callback but has a firm lower edge, the baseline: it is the
//! time the sound takes through the driver. A deficit that stays above it is a hole.

use std::time::Duration;

/// A card that has delivered nothing for this long is helped out with silence.
const STALL: Duration = Duration::from_millis(500);

/// Once it is, silence goes on in steps of this length.
const STALL_STEP: Duration = Duration::from_millis(20);

/// A hole that nobody reported is believed when the deficit was this much above the
/// baseline ...
const HOLE: Duration = Duration::from_millis(100);

/// ... for this long without a break.
const HOLE_LASTS: Duration = Duration::from_secs(1);

/// The card's clock may be slower than ours: the baseline gives way so fast. Cards are
/// within 0.01 %.
const DRIFT: f64 = 0.0005;

/// The account of one card: frames against time since its start.
#[derive(Debug)]
pub(super) struct Timeline {
    rate: f64,
    /// Frames of sound and silence so far.
    n_frames: u64,
    /// The lowest deficit, in frames. `None` before the first sound.
    baseline: Option<f64>,
    /// Since when the deficit has been high, and the least that it was above the baseline.
    high: Option<(Duration, f64)>,
    /// How many frames came at once last.
    n_last: u64,
    /// Nothing has arrived since silence took over.
    is_stalled: bool,
}

impl Timeline {
    /// An account that starts now, in frames of so many a second.
    pub(super) fn new(rate: u32) -> Self {
        Self {
            rate: f64::from(rate),
            n_frames: 0,
            baseline: None,
            high: None,
            n_last: 0,
            is_stalled: false,
        }
    }

    /// Frames have arrived. Returns how many frames of silence belong before them.
    /// `is_hole`: the card said that it lost something.
    pub(super) fn arrived(&mut self, now: Duration, n_frames: u64, is_hole: bool) -> u64 {
        self.n_frames += n_frames;
        self.n_last = n_frames;
        self.is_stalled = false;
        let deficit = self.deficit(now);
        let Some(baseline) = self.baseline else {
            self.baseline = Some(deficit);
            return 0;
        };
        let above = deficit - baseline;
        let silence = if is_hole {
            whole(above)
        } else {
            self.unreported(now, above)
        };
        self.n_frames += silence;
        if silence > 0 {
            self.high = None;
        }
        self.baseline = Some((baseline + DRIFT * float(n_frames)).min(self.deficit(now)));
        silence
    }

    /// Nothing has arrived. Returns how many frames of silence to go on with.
    pub(super) fn overdue(&mut self, now: Duration) -> u64 {
        let above = self.deficit(now) - self.baseline.unwrap_or_default();
        let wait = if self.is_stalled {
            STALL_STEP.as_secs_f64() * self.rate
        } else {
            (STALL.as_secs_f64() * self.rate).max(4.0 * float(self.n_last))
        };
        if above < wait {
            return 0;
        }
        self.is_stalled = true;
        let silence = whole(above);
        self.n_frames += silence;
        self.high = None;
        silence
    }

    /// A hole that nobody reported: the deficit has been high for long enough.
    fn unreported(&mut self, now: Duration, above: f64) -> u64 {
        if above < HOLE.as_secs_f64() * self.rate {
            self.high = None;
            return 0;
        }
        let (since, least) = self.high.get_or_insert((now, above));
        *least = least.min(above);
        if now.saturating_sub(*since) < HOLE_LASTS {
            return 0;
        }
        whole(*least)
    }

    /// How many frames the sound is behind the clock.
    fn deficit(&self, now: Duration) -> f64 {
        now.as_secs_f64() * self.rate - float(self.n_frames)
    }
}

#[expect(clippy::cast_precision_loss, reason = "2^53 frames are 6000 years")]
fn float(n_frames: u64) -> f64 {
    n_frames as f64
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "negative and broken numbers become 0, which is meant"
)]
fn whole(n_frames: f64) -> u64 {
    n_frames.max(0.0) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATE: u32 = 48_000;
    const PERIOD: u64 = 1024;

    /// A card that delivers a period whenever one is full, on the clock `n_frames / RATE`
    /// plus a wavering delay. Returns the silence that `skip` frames lost at `at` lead to.
    fn check(at: u64, skip: u64, is_reported: bool, ppm: f64) -> u64 {
        let mut timeline = Timeline::new(RATE);
        let mut silence = 0;
        let mut lost = 0;
        for n in 1..3_000_u64 {
            let is_hole = n == at;
            lost += if is_hole { skip } else { 0 };
            let delay = float(n * 7919 % 13) / 1000.0;
            let seconds = float(n * PERIOD + lost) / f64::from(RATE) * (1.0 + ppm * 1e-6);
            let now = Duration::from_secs_f64(seconds + delay);
            silence += timeline.arrived(now, PERIOD, is_hole && is_reported);
        }
        silence
    }

    #[test]
    fn a_card_that_loses_nothing_gets_no_silence() {
        for ppm in [0.0, 100.0, -100.0] {
            assert_eq!(check(0, 0, false, ppm), 0, "{ppm} ppm");
        }
    }

    #[test]
    fn a_reported_hole_is_filled_to_within_the_jitter() {
        let silence = check(1000, 4800, true, 50.0);
        assert!(silence.abs_diff(4800) < 700, "{silence}");
    }

    #[test]
    fn a_hole_that_nobody_reported_is_filled_when_it_is_a_large_one() {
        let silence = check(1000, 19_200, false, -50.0);
        assert!(silence.abs_diff(19_200) < 700, "{silence}");
    }

    #[test]
    fn a_card_that_stops_is_followed_by_silence_in_real_time() {
        let mut timeline = Timeline::new(RATE);
        let mut silence = 0;
        for n in 1..=100 {
            timeline.arrived(Duration::from_millis(20 * n), 960, false);
        }
        for n in 1..=1000 {
            silence += timeline.overdue(Duration::from_millis(2000 + 10 * n));
        }
        assert!(silence.abs_diff(480_000) < 1_500, "{silence}");
        // It comes back: no more silence, no jump.
        for n in 1..=100 {
            let now = Duration::from_millis(12_000 + 20 * n);
            assert_eq!(timeline.arrived(now, 960, false) / 24_000, 0);
        }
    }
}
