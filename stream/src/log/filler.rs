//! When a log needs filler: while nothing comes, it is never more than so much behind the
//! clock. Pure: time comes in.
//!
//! What counts is how far the sound that was written reaches, not when pages come: a page of
//! five seconds covers five seconds, and what a source sends ahead covers the time it is ahead.
//! What the filler is made of is in `logical`, of MP3 and AAC in `mpeg/silence`.

use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::ago::Ago;

/// Of sound that is ahead of the clock so much counts; players need not hold more.
const AHEAD_MAX: Duration = Duration::from_secs(10);
/// A log that is further behind while its source sends too little counts as so far behind.
const BEHIND_MAX: Duration = Duration::from_secs(2);
/// Being ahead or behind is forgotten by one part in so many of the time that passes, which is
/// more than any clock of a source is wrong.
const FORGET_ONE_IN: u32 = 50;
/// Filler does not begin before nothing has come for this long besides the length of the newest
/// page, however slowly pages come.
const QUIET_MIN: Duration = Duration::from_secs(1);
/// A source that has come back is given this long to send, once in a gap.
const GRACE: Duration = Duration::from_secs(1);
/// After a restart of the master its source is given this long to come back: longer than it waits
/// between two attempts. It has all that is missing.
const RESTART_GRACE: Duration = Duration::from_secs(8);
/// The most filler that is written at once; what is missing beyond it is given up.
const FILL_MAX: Duration = Duration::from_secs(30);

/// How far the sound of a log reaches.
#[derive(Debug, Default)]
pub struct Clock(Option<Reach>);

#[derive(Debug)]
struct Reach {
    /// What was written lasts until then, for one who has played it from its first sample on.
    until: Instant,
    /// When the newest page with sound came from the source.
    came: Instant,
    /// How long that page lasts.
    newest: Duration,
    /// In this gap the source has come back then.
    greeted: Option<Instant>,
    /// Filler since the newest page.
    filled: Duration,
    /// No filler before then.
    rest: Option<Instant>,
}

/// A clock as it is handed to another program.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ClockState(Option<ReachState>);

#[derive(Clone, Debug, Serialize, Deserialize)]
struct ReachState {
    until: Ago,
    came: Ago,
    newest: Duration,
    greeted: Option<Ago>,
    filled: Duration,
    rest: Option<Ago>,
}

impl Clock {
    /// As it stands at `now`.
    pub fn state(&self, now: Instant) -> ClockState {
        let ago = |at| Ago::of(at, now);
        ClockState(self.0.as_ref().map(|reach| ReachState {
            until: ago(reach.until),
            came: ago(reach.came),
            newest: reach.newest,
            greeted: reach.greeted.map(ago),
            filled: reach.filled,
            rest: reach.rest.map(ago),
        }))
    }

    /// A clock that goes on from where another stood at `now`.
    pub fn of(state: &ClockState, now: Instant) -> Self {
        let at = |ago: Ago| ago.at(now);
        Self(state.0.as_ref().map(|state| Reach {
            until: at(state.until),
            came: at(state.came),
            newest: state.newest,
            greeted: state.greeted.map(at),
            filled: state.filled,
            rest: state.rest.map(at),
        }))
    }

    /// The clock of a log that was read back from disk at `now`.
    pub fn restored(now: Instant) -> Self {
        Self(Some(Reach {
            until: now,
            came: now,
            newest: Duration::ZERO,
            greeted: None,
            filled: Duration::ZERO,
            rest: Some(now + RESTART_GRACE),
        }))
    }

    /// A page of the source was written that lasts so long; not at all, if it holds headers.
    pub fn sounded(&mut self, length: Duration, now: Instant) {
        if length.is_zero() {
            if let Some(reach) = &mut self.0 {
                (reach.greeted, reach.filled) = (None, Duration::ZERO);
            }
            return;
        }
        let until = match &self.0 {
            None => now,
            Some(reach) => reach.until_forgetful(now),
        };
        let latest = now + AHEAD_MAX.max(length);
        self.0 = Some(Reach {
            until: (until + length).min(latest),
            came: now,
            newest: length,
            greeted: None,
            filled: Duration::ZERO,
            rest: None,
        });
    }

    /// A source has the seat of the mount and will send.
    pub fn greeted(&mut self, now: Instant) {
        if let Some(reach) = &mut self.0 {
            reach.greeted.get_or_insert(now);
        }
    }

    /// A source has come back in this gap and has sent nothing yet.
    pub fn is_greeted(&self) -> bool {
        self.0.as_ref().is_some_and(|reach| reach.greeted.is_some())
    }

    /// How much filler is due, if the log is not to be more than `behind_max` behind the clock.
    pub fn due(&mut self, behind_max: Duration, now: Instant) -> Option<Duration> {
        let reach = self.0.as_mut()?;
        let quiet = now.saturating_duration_since(reach.came);
        let is_resting = reach.rest.is_some_and(|until| now < until);
        if is_resting || quiet < reach.newest + QUIET_MIN {
            return None;
        }
        let is_expected = reach
            .greeted
            .is_some_and(|greeted| now.saturating_duration_since(greeted) < GRACE);
        let behind_max = behind_max + if is_expected { GRACE } else { Duration::ZERO };
        let due = reach.give_up_beyond(reach.behind(now).saturating_sub(behind_max));
        (!due.is_zero()).then_some(due)
    }

    /// How much filler is due to one who begins now and has nothing of what is missing.
    pub fn all_due(&mut self, now: Instant) -> Duration {
        let reach = self.0.as_mut();
        reach.map_or(Duration::ZERO, |reach| {
            reach.give_up_beyond(reach.behind(now))
        })
    }

    /// Filler was written that lasts so long.
    pub fn filled(&mut self, length: Duration) {
        if let Some(reach) = &mut self.0 {
            reach.until += length;
            reach.filled += length;
        }
    }

    /// How much filler there is since the newest page of the source.
    pub fn n_filled(&self) -> Duration {
        self.0.as_ref().map_or(Duration::ZERO, |reach| reach.filled)
    }

    /// How far the log is behind the clock.
    #[cfg(test)]
    pub fn behind(&self, now: Instant) -> Duration {
        self.0
            .as_ref()
            .map_or(Duration::ZERO, |reach| reach.behind(now))
    }
}

impl Reach {
    fn behind(&self, now: Instant) -> Duration {
        now.saturating_duration_since(self.until)
    }

    /// So much of what is due as is written at once; the rest is given up.
    fn give_up_beyond(&mut self, due: Duration) -> Duration {
        self.until += due.saturating_sub(FILL_MAX);
        due.min(FILL_MAX)
    }

    /// `until`, nearer to `now` by what is forgotten.
    fn until_forgetful(&self, now: Instant) -> Instant {
        let forgotten = now.saturating_duration_since(self.came) / FORGET_ONE_IN;
        let ahead = self.until.saturating_duration_since(now);
        let behind = self.behind(now).min(BEHIND_MAX);
        let (ahead, behind) = (
            ahead.saturating_sub(forgotten),
            behind.saturating_sub(forgotten),
        );
        (now + ahead).checked_sub(behind).unwrap_or(now)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const AFTER: Duration = Duration::from_secs(2);
    const TICK: Duration = Duration::from_millis(500);

    fn seconds(n: f64) -> Duration {
        Duration::from_secs_f64(n)
    }

    /// Ticks from `from` to `to` seconds after `start`; gives how much filler went in.
    fn tick(clock: &mut Clock, start: Instant, from: f64, to: f64) -> f64 {
        let before = clock.n_filled();
        let mut at = seconds(from);
        while at <= seconds(to) {
            if let Some(due) = clock.due(AFTER, start + at) {
                clock.filled(due);
            }
            at += TICK;
        }
        (clock.n_filled() - before).as_secs_f64()
    }

    #[test]
    fn filler_begins_when_the_log_is_two_seconds_behind_and_keeps_it_there() {
        let (mut clock, start) = (Clock::default(), Instant::now());
        assert_eq!(
            tick(&mut clock, start, 0.0, 60.0),
            0.0,
            "nothing was there yet"
        );
        clock.sounded(seconds(0.2), start);
        assert_eq!(tick(&mut clock, start, 0.0, 2.2), 0.0);
        let filled = tick(&mut clock, start, 2.5, 8.0);
        assert!((filled - 5.8).abs() < 1e-6, "{filled}");
        assert_eq!(clock.behind(start + seconds(8.0)), AFTER);
        // What the source still has of these two seconds brings the log back to the clock.
        clock.sounded(seconds(2.0), start + seconds(8.1));
        assert!(clock.behind(start + seconds(8.1)) < seconds(0.11));
        assert_eq!(clock.n_filled(), Duration::ZERO);
    }

    #[test]
    fn a_page_of_five_seconds_every_five_seconds_is_not_filled_over() {
        let (mut clock, start) = (Clock::default(), Instant::now());
        for n in 0..50 {
            let at = f64::from(n) * 5.44;
            clock.sounded(seconds(5.44), start + seconds(at));
            assert_eq!(tick(&mut clock, start, at, at + 5.43), 0.0, "page {n}");
        }
    }

    #[test]
    fn what_was_sent_ahead_covers_the_time_it_is_ahead_and_no_drift_adds_up() {
        let start = Instant::now();
        // A sound card that is 2 % fast or slow is broken; filler must not show it.
        for speed in [0.98, 0.999, 1.0, 1.001, 1.02] {
            let mut clock = Clock::default();
            let mut at = 0.0;
            for _ in 0..100_000 {
                at += 0.2 / speed;
                clock.sounded(seconds(0.2), start + seconds(at));
                assert_eq!(clock.due(AFTER, start + seconds(at + 0.19 / speed)), None);
            }
            let filled = tick(&mut clock, start, at, at + 20.0);
            assert!((17.0..18.5).contains(&filled), "{speed}: {filled}");
        }
        let mut clock = Clock::default();
        for n in 0..45 {
            clock.sounded(seconds(0.2), start + seconds(f64::from(n) * 0.001));
        }
        assert_eq!(tick(&mut clock, start, 0.5, 10.5), 0.0);
        assert!(tick(&mut clock, start, 11.0, 20.0) > 8.0);
    }

    #[test]
    fn a_trickle_is_not_filled_however_far_behind_it_is() {
        let (mut clock, start) = (Clock::default(), Instant::now());
        for n in 0..1_000 {
            let at = f64::from(n);
            clock.sounded(seconds(0.2), start + seconds(at));
            assert_eq!(tick(&mut clock, start, at, at + 0.99), 0.0);
        }
    }

    #[test]
    fn a_source_that_has_come_back_is_waited_for_a_second_and_once() {
        let (mut clock, start) = (Clock::default(), Instant::now());
        clock.sounded(seconds(0.2), start);
        tick(&mut clock, start, 0.0, 8.0);
        clock.greeted(start + seconds(8.1));
        assert_eq!(clock.due(AFTER, start + seconds(9.0)), None);
        clock.greeted(start + seconds(9.05));
        let due = clock.due(AFTER, start + seconds(9.2)).unwrap();
        assert!(due > seconds(1.0), "{due:?}");
    }

    #[test]
    fn after_a_restart_the_source_has_eight_seconds_to_come_back() {
        let start = Instant::now();
        let mut clock = Clock::restored(start);
        assert_eq!(clock.due(AFTER, start + seconds(7.9)), None);
        assert_eq!(clock.due(AFTER, start + seconds(8.0)), Some(seconds(6.0)));
        clock.sounded(seconds(0.2), start + seconds(1.0));
        assert!(clock.due(AFTER, start + seconds(5.0)).is_some());
    }

    #[test]
    fn after_an_endless_stop_only_half_a_minute_is_filled_at_once() {
        let (mut clock, start) = (Clock::default(), Instant::now());
        clock.sounded(seconds(0.2), start);
        let late = start + seconds(100_000.0);
        assert_eq!(clock.due(AFTER, late), Some(FILL_MAX));
        clock.filled(FILL_MAX);
        assert_eq!(clock.due(AFTER, late), None);
        assert_eq!(clock.behind(late), AFTER);
        // One who begins then has nothing of the rest.
        let later = late + seconds(100_000.0);
        assert_eq!(clock.all_due(later), FILL_MAX);
        clock.filled(FILL_MAX);
        assert_eq!(clock.behind(later), Duration::ZERO);
        assert_eq!(clock.all_due(later + seconds(3.0)), seconds(3.0));
    }

    proptest! {
        #[test]
        fn while_nothing_comes_the_log_keeps_behind_the_clock_by_no_more_than_it_may(
            pages in proptest::collection::vec((0.0f64..3.0, 0.01f64..6.0), 1..50),
            gap in 0.0f64..100.0,
        ) {
            let (mut clock, start) = (Clock::default(), Instant::now());
            let mut at = 0.0;
            let mut newest = 0.0;
            for (wait, length) in pages {
                at += wait;
                newest = length;
                clock.sounded(seconds(length), start + seconds(at));
                prop_assert!(clock.behind(start + seconds(at)) <= BEHIND_MAX);
            }
            tick(&mut clock, start, at, at + gap);
            let end = start + seconds(at + gap);
            let quiet = seconds(newest) + QUIET_MIN;
            let allowed = AFTER.max(BEHIND_MAX + quiet) + TICK;
            prop_assert!(clock.behind(end) <= allowed);
            prop_assert!(clock.n_filled() <= seconds(gap) + BEHIND_MAX);
        }
    }
}
