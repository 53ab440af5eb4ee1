//! Whether a relay gets rid of its bytes, and whether that tells anything about the uplink.
//! Pure: time comes in.

use std::time::{Duration, Instant};

/// Bytes that have not been sent for this long mean that a relay is held up.
const HELD_UP: Duration = Duration::from_millis(100);
/// A new relay gets its burst first; so long it may be behind without being counted.
const SETTLE_MAX: Duration = Duration::from_secs(5);
/// One that was given up is counted again when it has kept up for this long …
const KEPT_UP: Duration = Duration::from_secs(10);
/// … and after this time in any case: its trouble may have become that of the uplink.
const GIVEN_UP_MAX: Duration = Duration::from_secs(120);

/// One relay's way out.
#[derive(Debug)]
pub(super) struct WayOut {
    standing: Standing,
    /// Since when there have been unsent bytes, or none.
    since: Instant,
    has_unsent: bool,
}

#[derive(Debug)]
enum Standing {
    /// Has not had all there was yet.
    New(Instant),
    Counts,
    /// Is behind though listeners gave way.
    GivenUp(Instant),
}

/// What a relay tells about the uplink.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tells {
    /// Nothing: it is new, or has trouble of its own.
    Nothing,
    /// Its bytes get out.
    KeepsUp,
    /// They do not.
    HeldUp,
}

impl WayOut {
    /// A relay that came at `now`.
    pub(super) fn new(now: Instant) -> Self {
        Self {
            standing: Standing::New(now),
            since: now,
            has_unsent: true,
        }
    }

    /// At `now` there are bytes that have not been sent, or there are none.
    pub(super) fn look(&mut self, has_unsent: bool, now: Instant) -> Tells {
        if has_unsent != self.has_unsent {
            (self.has_unsent, self.since) = (has_unsent, now);
        }
        let time = now.saturating_duration_since(self.since);
        let counts = match self.standing {
            Standing::Counts => true,
            Standing::New(came) => !has_unsent || now.saturating_duration_since(came) >= SETTLE_MAX,
            Standing::GivenUp(at) => {
                let has_kept_up = !has_unsent && time >= KEPT_UP;
                has_kept_up || now.saturating_duration_since(at) >= GIVEN_UP_MAX
            }
        };
        if !counts {
            return Tells::Nothing;
        }
        self.standing = Standing::Counts;
        if has_unsent && time >= HELD_UP {
            Tells::HeldUp
        } else {
            Tells::KeepsUp
        }
    }

    /// Listeners gave way and it did not help.
    pub(super) fn give_up(&mut self, now: Instant) {
        let time = now.saturating_duration_since(self.since);
        if self.has_unsent && time >= HELD_UP {
            self.standing = Standing::GivenUp(now);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a relay tells when it was looked at every 50 ms; `unsent` says when it had bytes
    /// to send, in milliseconds after it came.
    fn tells(at_ms: u64, unsent: impl Fn(u64) -> bool, given_up_at: Option<u64>) -> Tells {
        let came = Instant::now();
        let mut way_out = WayOut::new(came);
        let mut last = Tells::Nothing;
        for ms in (0..=at_ms).step_by(50) {
            let now = came + Duration::from_millis(ms);
            last = way_out.look(unsent(ms), now);
            if given_up_at == Some(ms) {
                way_out.give_up(now);
            }
        }
        last
    }

    #[test]
    fn a_new_relay_may_take_its_burst_first_but_not_for_ever() {
        assert_eq!(tells(4_900, |_| true, None), Tells::Nothing);
        assert_eq!(tells(5_000, |_| true, None), Tells::HeldUp);
        assert_eq!(tells(500, |ms| ms < 500, None), Tells::KeepsUp);
    }

    #[test]
    fn a_moment_with_unsent_bytes_is_not_worth_a_word() {
        assert_eq!(tells(1_050, |ms| ms >= 1_000, None), Tells::KeepsUp);
        assert_eq!(tells(1_100, |ms| ms >= 1_000, None), Tells::HeldUp);
        // Every page leaves late, but none stays.
        let flickers = |ms: u64| ms.is_multiple_of(100);
        for at in [900, 950, 1_000] {
            assert_eq!(tells(at, flickers, None), Tells::KeepsUp);
        }
    }

    #[test]
    fn one_that_was_given_up_counts_again_when_it_has_kept_up_or_after_two_minutes() {
        let late = |ms| (1_000..3_000).contains(&ms);
        assert_eq!(tells(2_500, late, Some(2_000)), Tells::Nothing);
        assert_eq!(tells(12_900, late, Some(2_000)), Tells::Nothing);
        assert_eq!(tells(13_000, late, Some(2_000)), Tells::KeepsUp);
        let always_late = |ms| ms >= 1_000;
        assert_eq!(tells(121_900, always_late, Some(2_000)), Tells::Nothing);
        assert_eq!(tells(122_000, always_late, Some(2_000)), Tells::HeldUp);
    }

    #[test]
    fn one_that_keeps_up_is_not_given_up_with_the_others() {
        assert_eq!(tells(2_050, |ms| ms < 100, Some(2_000)), Tells::KeepsUp);
    }
}
