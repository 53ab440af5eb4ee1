//! Whether the time of day can be believed: a clock that is set is wrong before, or after, and what
//! is deleted for its age does not come back. Pure.

use std::time::{Duration, Instant};

use jiff::Timestamp;

/// A clock that moves otherwise than time does by more than this, between two looks, was set.
pub(super) const JUMP_MIN: Duration = Duration::from_secs(10);
/// A clock that was not set for so long is believed; so long, too, after the program's start.
pub(super) const STEADY_AFTER: Duration = Duration::from_secs(3600);

/// One who looks at the clock now and then.
pub(super) struct Watch {
    looked: Instant,
    clock: Timestamp,
    /// It was not set since.
    steady_since: Instant,
    /// It was set, and is not believed yet.
    was_set: bool,
}

/// What the clock says.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reading {
    pub(super) clock: Timestamp,
    /// Recordings may be deleted for their age by it.
    pub(super) is_steady: bool,
    /// What there is to say.
    pub(super) change: Option<Change>,
}

/// A change that is worth a line.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Change {
    /// It was set, forward by so many seconds.
    Set(f64),
    /// It was set, and is believed again.
    Steady,
}

impl Watch {
    pub(super) fn new(now: Instant, clock: Timestamp) -> Self {
        Self {
            looked: now,
            clock,
            steady_since: now,
            was_set: false,
        }
    }

    pub(super) fn look(&mut self, now: Instant, clock: Timestamp) -> Reading {
        let gone = now.saturating_duration_since(self.looked).as_secs_f64();
        let moved = clock.duration_since(self.clock).as_secs_f64();
        (self.looked, self.clock) = (now, clock);
        let jump = moved - gone;
        let mut change = None;
        if jump.abs() > JUMP_MIN.as_secs_f64() {
            self.steady_since = now;
            if !std::mem::replace(&mut self.was_set, true) {
                change = Some(Change::Set(jump));
            }
        }
        let is_steady = now.saturating_duration_since(self.steady_since) >= STEADY_AFTER;
        if is_steady && std::mem::take(&mut self.was_set) {
            change = Some(Change::Steady);
        }
        Reading {
            clock,
            is_steady,
            change,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);
    const DAY: Duration = Duration::from_secs(86_400);

    #[test]
    fn a_clock_is_believed_when_it_was_not_set_for_an_hour() {
        let (start, day) = (Instant::now(), Timestamp::now());
        let mut watch = Watch::new(start, day);
        let mut at = |minute: u32, clock: Timestamp| {
            let reading = watch.look(start + minute * MINUTE, clock + minute * MINUTE);
            (reading.is_steady, reading.change)
        };
        for minute in 0..60 {
            assert_eq!(at(minute, day), (false, None), "{minute}");
        }
        assert_eq!(at(60, day), (true, None));
        // A little more or less is how clocks are kept right.
        assert_eq!(at(61, day + Duration::from_secs(5)), (true, None));
        let (steady, change) = at(62, day + DAY);
        assert!(!steady && matches!(change, Some(Change::Set(by)) if by > 86_000.0));
        // Right again: said already.
        assert_eq!(at(63, day), (false, None));
        assert_eq!(at(122, day), (false, None));
        assert_eq!(at(123, day), (true, Some(Change::Steady)));
        let (steady, change) = at(124, day - DAY);
        assert!(!steady && matches!(change, Some(Change::Set(by)) if by < -86_000.0));
    }
}
