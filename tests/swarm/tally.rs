//! What is counted while a swarm listens. Pure.

use std::time::Duration;

use crate::outcome::{Lags, Outcome, Spread};

/// Times of one kind that are kept; later ones are left out.
const TIMES_MAX: usize = 2_000_000;

/// What a listener is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Group {
    /// A relay.
    Relay,
    /// A listener who is there before the crowd.
    Before,
    /// One of the crowd.
    Crowd,
    /// One who comes in the place of another.
    Churned,
}

/// Times of one kind, in milliseconds.
#[derive(Debug, Default)]
pub(crate) struct Times(Vec<f32>);

/// All counts.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    /// What is simply counted is counted where it is written.
    pub(crate) outcome: Outcome,
    /// Bytes that came.
    pub(crate) n_bytes: u64,
    /// The crowd has begun to come.
    pub(crate) is_crowded: bool,
    first_byte: Times,
    first_audio: Times,
    lag_relays: Times,
    lag_before_alone: Times,
    lag_before: Times,
    lag_crowd: Times,
}

impl Times {
    fn add(&mut self, time: Duration) {
        if self.0.len() < TIMES_MAX {
            self.0.push(time.as_secs_f32() * 1000.0);
        }
    }

    fn spread(&mut self) -> Spread {
        self.0.sort_unstable_by(f32::total_cmp);
        let at = |percent: usize| {
            let rank = (self.0.len() * percent).div_ceil(100).max(1) - 1;
            self.0.get(rank).copied().map_or(0.0, f64::from)
        };
        Spread {
            n: self.0.len(),
            p50_ms: at(50),
            p99_ms: at(99),
            max_ms: at(100),
        }
    }
}

impl Tally {
    /// The answer's first byte came, so long after the connection was begun.
    pub(crate) fn first_byte(&mut self, group: Group, time: Duration) {
        if matches!(group, Group::Crowd | Group::Churned) {
            self.first_byte.add(time);
        }
    }

    /// The first page with sound is whole.
    pub(crate) fn first_audio(&mut self, group: Group, time: Duration) {
        if matches!(group, Group::Crowd | Group::Churned) {
            self.first_audio.add(time);
        }
        match group {
            Group::Churned => self.outcome.n_churned_heard += 1,
            _ => self.outcome.n_heard += 1,
        }
    }

    /// A page came so long after the first who got it.
    pub(crate) fn lag(&mut self, group: Group, lag: Duration) {
        let times = match group {
            Group::Relay => &mut self.lag_relays,
            Group::Before if self.is_crowded => &mut self.lag_before,
            Group::Before => &mut self.lag_before_alone,
            Group::Crowd | Group::Churned => &mut self.lag_crowd,
        };
        times.add(lag);
    }

    /// All of it.
    pub(crate) fn finish(mut self) -> Outcome {
        self.outcome.first_byte = self.first_byte.spread();
        self.outcome.first_audio = self.first_audio.spread();
        self.outcome.lag = Lags {
            relays: self.lag_relays.spread(),
            before_alone: self.lag_before_alone.spread(),
            before: self.lag_before.spread(),
            crowd: self.lag_crowd.spread(),
        };
        self.outcome
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spread_tells_the_middle_and_the_end() {
        let spread = Times((1..=200_u8).rev().map(f32::from).collect()).spread();
        assert_eq!(
            (spread.n, spread.p50_ms, spread.p99_ms, spread.max_ms),
            (200, 100.0, 198.0, 200.0)
        );
        assert_eq!(Times(Vec::new()).spread(), Spread::default());
        assert!((Times(vec![3.0]).spread().p50_ms - 3.0).abs() < f64::EPSILON);
    }
}
