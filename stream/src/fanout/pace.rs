//! When whom is due: a wheel of ticks, each with those who are served in it. Pure.
//!
//! Everybody is due once per pace, and joiners are put where the wheel is emptiest, so that the
//! load is flat though they came in a crowd.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// The length of a tick. Nobody is served more than this too late.
pub const TICK: Duration = Duration::from_millis(20);
/// Ticks in the wheel: the longest pace is one less.
const TICKS: usize = 256;
/// Listeners who came one after the other are due together, up to so many: the kernel keeps their
/// sockets side by side, so that looking at one brings the next into the cache.
const NEIGHBOURS_MAX: usize = 32;
/// The longest time between two writes to one listener.
pub const PACE_MAX: Duration = Duration::from_millis(20 * (TICKS as u64 - 1));

/// How often somebody is served.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Pace {
    /// Every page as it comes. Relays, and listeners who pay for it in the server's time.
    EachPage,
    /// Once in so many ticks, 1 to 255.
    Ticks(u8),
}

/// Somebody in the wheel: his place in the shard's array, and which of those who sat there.
pub(super) type Ticket = (u32, u32);

/// Who is due when.
#[derive(Debug)]
pub(super) struct Wheel {
    ticks: Vec<Vec<Ticket>>,
    now: usize,
    n_tickets: usize,
    /// Where the last joiner was put, for which pace, and how many came there in a row.
    last_join: Option<LastJoin>,
}

#[derive(Clone, Copy, Debug)]
struct LastJoin {
    at: usize,
    pace: u8,
    n_in_a_row: usize,
}

impl Pace {
    /// The pace nearest to a time; zero is every page.
    pub fn of(time: Duration) -> Self {
        if time.is_zero() {
            return Self::EachPage;
        }
        let ticks = (time.as_millis() + TICK.as_millis() / 2) / TICK.as_millis();
        let ticks = ticks.clamp(1, TICKS as u128 - 1);
        Self::Ticks(u8::try_from(ticks).unwrap_or(u8::MAX))
    }
}

impl Wheel {
    pub(super) fn new() -> Self {
        Self {
            ticks: vec![Vec::new(); TICKS],
            now: 0,
            n_tickets: 0,
            last_join: None,
        }
    }

    /// Whether nobody is in it.
    pub(super) fn is_empty(&self) -> bool {
        self.n_tickets == 0
    }

    /// Puts a joiner beside the one before him, or into the emptiest of the ticks within his pace.
    pub(super) fn join(&mut self, ticket: Ticket, pace: u8) {
        let pace = pace.max(1);
        let beside = self
            .last_join
            .filter(|last| last.pace == pace && last.n_in_a_row < NEIGHBOURS_MAX);
        let mut join = beside.unwrap_or_else(|| LastJoin {
            at: self.emptiest(pace),
            pace,
            n_in_a_row: 0,
        });
        join.n_in_a_row += 1;
        self.last_join = Some(join);
        self.ticks[join.at].push(ticket);
        self.n_tickets += 1;
    }

    /// The emptiest tick within a pace, and of those the last: it stays ahead longest.
    fn emptiest(&self, pace: u8) -> usize {
        (1..=usize::from(pace))
            .rev()
            .map(|ahead| (self.now + ahead) % TICKS)
            .min_by_key(|at| self.ticks[*at].len())
            .unwrap_or(self.now)
    }

    /// Puts one who has just been served into the tick in which he is due again.
    pub(super) fn again(&mut self, ticket: Ticket, pace: u8) {
        let at = (self.now + usize::from(pace.max(1))) % TICKS;
        self.ticks[at].push(ticket);
        self.n_tickets += 1;
    }

    /// Goes on by one tick and takes out who is due. `empty` gives back a used vector.
    pub(super) fn turn(&mut self, empty: Vec<Ticket>) -> Vec<Ticket> {
        debug_assert!(empty.is_empty());
        self.now = (self.now + 1) % TICKS;
        let due = std::mem::replace(&mut self.ticks[self.now], empty);
        self.n_tickets -= due.len();
        self.last_join = self.last_join.filter(|last| last.at != self.now);
        due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_crowd_is_spread_over_the_pace_and_stays_spread() {
        let mut wheel = Wheel::new();
        for n in 0..4_800 {
            wheel.join((n, 0), 50);
        }
        for round in 0..3 {
            for tick in 0..50 {
                let due = wheel.turn(Vec::new());
                assert_eq!(due.len(), 96, "round {round} tick {tick}");
                let in_a_row = |pair: &[Ticket]| pair[1].0 == pair[0].0 + 1;
                assert_eq!(due.windows(2).filter(|pair| in_a_row(pair)).count(), 93);
                for ticket in due {
                    wheel.again(ticket, 50);
                }
            }
        }
    }

    #[test]
    fn everybody_is_due_once_per_pace() {
        let mut wheel = Wheel::new();
        wheel.join((1, 0), 1);
        wheel.join((2, 0), 255);
        let mut seen = [0, 0];
        for _ in 0..255 {
            for ticket in wheel.turn(Vec::new()) {
                seen[ticket.0 as usize - 1] += 1;
                wheel.again(ticket, [1, 255][ticket.0 as usize - 1]);
            }
        }
        assert_eq!(seen, [255, 1]);
    }

    #[test]
    fn a_time_becomes_the_nearest_pace() {
        assert_eq!(Pace::of(Duration::ZERO), Pace::EachPage);
        assert_eq!(Pace::of(Duration::from_millis(1)), Pace::Ticks(1));
        assert_eq!(Pace::of(Duration::from_secs(1)), Pace::Ticks(50));
        assert_eq!(Pace::of(Duration::from_secs(3600)), Pace::Ticks(255));
        assert_eq!(Pace::of(PACE_MAX), Pace::Ticks(255));
    }
}
