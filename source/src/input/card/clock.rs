//! The time that a card's sound is compared with. Pure: the time comes in as an argument.
//!
//! It goes as the clock does while this program runs. While the program stands still (it was
//! stopped, its machine was paused or swapped), no page leaves it either, and after two seconds
//! a master fills the time with silence of its own. Silence for the same time from here would be
//! heard after that, and everybody would stay that much later; so time stops here, too.

use std::time::Duration;

/// Of the time that the program stood still, so much counts: as long as a master waits before it
/// fills (`filler_after_seconds`), so that listeners have again what they had in hand.
const STILL_MAX: Duration = Duration::from_secs(2);

/// The clock of one card.
#[derive(Debug, Default)]
pub(super) struct Clock {
    /// When somebody looked last, who looks all the time.
    looked: Option<Duration>,
    /// What was left out before `stood`.
    left_out: Duration,
    /// From when to when time stood last.
    stood: Option<(Duration, Duration)>,
}

impl Clock {
    /// Somebody looks. Returns how much time is left out, if the program has stood still since
    /// he looked last.
    pub(super) fn look(&mut self, now: Duration) -> Option<Duration> {
        let before = self.looked.replace(now)?;
        let from = before + STILL_MAX;
        if now <= from {
            return None;
        }
        self.left_out += self.last_stood();
        self.stood = Some((from, now));
        Some(now - from)
    }

    /// How much time had counted then. Of what was before the last time but one that the program
    /// stood still nothing is asked any more.
    pub(super) fn counted(&self, at: Duration) -> Duration {
        let left_out = match self.stood {
            Some((from, until)) if at > from => at.min(until) - from,
            _ => Duration::ZERO,
        };
        at.saturating_sub(self.left_out + left_out)
    }

    fn last_stood(&self) -> Duration {
        self.stood
            .map_or(Duration::ZERO, |(from, until)| until - from)
    }
}

#[cfg(test)]
mod tests {
    use super::super::timeline::Timeline;
    use super::*;

    const RATE: u32 = 48_000;
    const PERIOD: u64 = 960;

    const fn ms(n: u64) -> Duration {
        Duration::from_millis(n)
    }

    /// A card that delivers 20 ms at a time, and a program that stands still for each of `still`
    /// milliseconds, after four seconds each, and loses what the card has meanwhile. Returns how
    /// many milliseconds of silence that has led to. `is_late`: the card says nothing at once.
    fn silence_ms(still: &[u64], is_late: bool) -> u64 {
        let (mut clock, mut timeline) = (Clock::default(), Timeline::new(RATE));
        let (mut now, mut silence) = (0, 0);
        for still in still.iter().chain(&[0]) {
            for _ in 0..200 {
                now += 20;
                clock.look(ms(now));
                silence += timeline.arrived(clock.counted(ms(now)), PERIOD, false);
            }
            now += still;
            clock.look(ms(now));
            // What was captured before it stood still is taken up after that.
            silence += timeline.arrived(clock.counted(ms(now - still + 20)), PERIOD, false);
            now += 20;
            clock.look(ms(now));
            silence += if is_late && *still > 0 {
                timeline.overdue(clock.counted(ms(now)))
            } else {
                timeline.arrived(clock.counted(ms(now)), PERIOD, *still > 0)
            };
        }
        silence * 1000 / u64::from(RATE)
    }

    #[test]
    fn what_a_master_has_filled_is_not_silence_once_more() {
        for is_late in [false, true] {
            for still in [5_000, 25_000, 3_600_000] {
                let silence = silence_ms(&[still], is_late);
                assert!(silence.abs_diff(2_000) < 50, "{still}: {silence}");
            }
            let silence = silence_ms(&[5_000, 25_000, 3_000], is_late);
            assert!(silence.abs_diff(6_000) < 150, "{silence}");
        }
    }

    #[test]
    fn a_program_that_stands_still_for_a_moment_leaves_out_nothing() {
        for still in [1_000, 1_900] {
            let silence = silence_ms(&[still], false);
            assert!(silence.abs_diff(still) < 50, "{still}: {silence}");
        }
    }

    #[test]
    fn sound_that_was_kept_while_the_program_stood_still_gets_no_silence() {
        let (mut clock, mut timeline) = (Clock::default(), Timeline::new(RATE));
        let mut silence = 0;
        for n in 1..=1_000 {
            let at = ms(20 * n);
            // For four seconds nobody looks, and then at all that has come.
            if !(200..400).contains(&n) {
                clock.look(at);
            }
            if n == 399 {
                clock.look(at);
                for n in 200..400 {
                    silence += timeline.arrived(clock.counted(ms(20 * n)), PERIOD, false);
                }
            } else if !(200..400).contains(&n) {
                silence += timeline.arrived(clock.counted(at), PERIOD, false);
            }
        }
        assert_eq!(silence, 0);
    }

    #[test]
    fn time_never_goes_back() {
        let mut clock = Clock::default();
        for at in [0, 10, 5_010, 5_020, 30_000] {
            clock.look(ms(at));
        }
        let counted: Vec<_> = (0..40_000).map(|at| clock.counted(ms(at))).collect();
        // What is asked: from the last time on that it stood still.
        assert!(counted[5_020..].is_sorted());
        assert_eq!(counted[40_000 - 1], ms(40_000 - 1 - 3_000 - 22_980));
    }
}
