//! A player that starts with one second of sound and plays it as time goes by. Pure.
//!
//! Decodes nothing: granule positions say how much sound has come.

use std::time::{Duration, Instant};

/// Sound that has to be there before it plays, at the start and after each silence.
const START_WITH: Duration = Duration::from_secs(1);

/// What the player is doing.
#[derive(Clone, Copy, Debug)]
enum State {
    /// Waits for sound: since when it has been silent, if it has played before.
    Waits(Option<Instant>),
    /// Began at this moment, at this place of the sound.
    Plays(Instant, Duration),
}

/// One player.
#[derive(Debug)]
pub(crate) struct Player {
    state: State,
    /// How much sound has come, and how much of it was played when it last began to wait.
    received: Duration,
    played: Duration,
    /// The current link's first position, and what had come before it.
    link: Option<(Duration, Duration)>,
    n_stalls: u64,
    stalled: Duration,
}

impl Player {
    /// A player that has got nothing.
    pub(crate) fn new() -> Self {
        Self {
            state: State::Waits(None),
            received: Duration::ZERO,
            played: Duration::ZERO,
            link: None,
            n_stalls: 0,
            stalled: Duration::ZERO,
        }
    }

    /// Positions begin anew.
    pub(crate) fn next_link(&mut self) {
        self.link = None;
    }

    /// Sound up to `position` of the link came at `now`.
    pub(crate) fn take(&mut self, position: Duration, now: Instant) {
        self.look(now);
        let (first, before) = *self.link.get_or_insert((position, self.received));
        self.received = self.received.max(before + position.saturating_sub(first));
        if let State::Waits(silent_since) = self.state
            && self.received - self.played >= START_WITH
        {
            if let Some(since) = silent_since {
                self.stalled += now.saturating_duration_since(since);
            }
            self.state = State::Plays(now, self.played);
        }
    }

    /// Notices that the sound ran out before `now`.
    fn look(&mut self, now: Instant) {
        let State::Plays(began, place) = self.state else {
            return;
        };
        let ran_out = began + (self.received - place);
        if ran_out < now {
            self.n_stalls += 1;
            self.played = self.received;
            self.state = State::Waits(Some(ran_out));
        }
    }

    /// How often it fell silent, and for how long in all, until it ends at `now`.
    pub(crate) fn finish(mut self, now: Instant) -> (u64, Duration) {
        self.look(now);
        if let State::Waits(Some(since)) = self.state {
            self.stalled += now.saturating_duration_since(since);
        }
        (self.n_stalls, self.stalled)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Sound positions with arrival times, both in milliseconds; the end; stalls; silence.
    fn check(pages: &[(u64, u64)], end: u64, n_stalls: u64, silent_ms: u64) {
        let start = Instant::now();
        let mut player = Player::new();
        for (position, arrival) in pages {
            let position = Duration::from_millis(5_000 + position);
            player.take(position, start + Duration::from_millis(*arrival));
        }
        let found = player.finish(start + Duration::from_millis(end));
        assert_eq!(found, (n_stalls, Duration::from_millis(silent_ms)));
    }

    #[test]
    fn sound_in_time_never_stalls() {
        let pages: Vec<_> = (0..100).map(|n| (n * 250, n * 250)).collect();
        check(&pages, 25_000, 0, 0);
    }

    #[test]
    fn waiting_for_the_first_second_is_no_stall() {
        check(&[(0, 0), (500, 9_000)], 20_000, 0, 0);
    }

    #[test]
    fn sound_that_comes_too_late_is_a_stall_until_a_second_is_there_again() {
        // One second plays from 0 to 1000; the next second is whole at 4000.
        let pages = [(0, 0), (1_000, 0), (1_500, 3_000), (2_000, 4_000)];
        check(&pages, 4_500, 1, 3_000);
    }

    #[test]
    fn sound_that_ends_is_a_stall() {
        check(&[(0, 0), (2_000, 0)], 5_000, 1, 3_000);
    }

    #[test]
    fn positions_may_begin_anew() {
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        let mut player = Player::new();
        player.take(Duration::from_secs(100), at(0));
        player.take(Duration::from_secs(102), at(0));
        player.next_link();
        player.take(Duration::ZERO, at(1_000));
        player.take(Duration::from_secs(2), at(1_000));
        assert_eq!(player.finish(at(3_900)), (0, Duration::ZERO));
    }
}
