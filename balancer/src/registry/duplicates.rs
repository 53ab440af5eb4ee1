//! Who asked a moment ago, so that the same player that asks twice is recognized. Pure.
//!
//! VLC and Safari open two or three connections for one listener: they must all go to the same
//! relay. And who comes back although he was sent somewhere did not get there: he goes elsewhere.
//! Holds no address: only numbers that say nothing without a key that dies with the program.

use std::collections::{HashMap, VecDeque};
use std::hash::{BuildHasherDefault, Hasher};
use std::time::{Duration, Instant};

/// Requests of one player this close together are one listener's.
const SAME_MAX: Duration = Duration::from_secs(2);
/// A player that comes back within this time may not have got where he was sent.
const BACK_MAX: Duration = Duration::from_secs(30);
/// More players are not remembered: the oldest is forgotten.
pub const PLAYERS_MAX: usize = 100_000;
/// Nobody can be kept from more relays than this.
const RELAYS_MAX: usize = 4;

/// Players that asked within the last half minute.
#[derive(Debug, Default)]
pub struct Duplicates {
    players: HashMap<u64, Player, BuildHasherDefault<Hashed>>,
    /// In the order of their first redirect.
    order: VecDeque<(u64, Instant)>,
}

/// Players' numbers are hashes already, with a key that nobody else knows.
#[derive(Debug, Default)]
struct Hashed(u64);

impl Hasher for Hashed {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write_u64(&mut self, number: u64) {
        self.0 = number;
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }
}

/// What one player was answered.
#[derive(Debug)]
pub struct Player {
    /// The relay he was sent to.
    pub relay: usize,
    /// His ticket's serial number there.
    pub serial: u32,
    /// When.
    pub at: Instant,
    /// Relays that he did not get to.
    pub missed: Vec<usize>,
    /// Which entry of its playlist the player asked for.
    entry: u32,
    /// It asks for another one now: what it was sent to has ended.
    has_turned: bool,
}

/// What a player's last redirect says about this request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Again {
    /// He is not known.
    No,
    /// It is the same listener, whose player asks twice.
    Same {
        /// The relay he was sent to.
        relay: usize,
    },
    /// He was sent there a while ago.
    Back {
        /// The relay he was sent to.
        relay: usize,
        /// His ticket's serial number there.
        serial: u32,
    },
}

impl Duplicates {
    /// What is known of a player that asks for this entry of its playlist. If that is another one
    /// than before, it is no second request for the same sound, however soon it comes.
    pub fn look(&mut self, caller: u64, entry: u32, now: Instant) -> Again {
        let Some(player) = self.players.get_mut(&caller) else {
            return Again::No;
        };
        player.has_turned |= player.entry != entry;
        player.entry = entry;
        let (relay, serial) = (player.relay, player.serial);
        match now.saturating_duration_since(player.at) {
            ago if ago <= SAME_MAX && !player.has_turned => Again::Same { relay },
            ago if ago <= BACK_MAX => Again::Back { relay, serial },
            _ => Again::No,
        }
    }

    /// Relays that a player did not get to within the last half minute.
    pub fn missed(&self, caller: u64) -> &[usize] {
        self.players
            .get(&caller)
            .map_or(&[], |player| player.missed.as_slice())
    }

    /// He did not get to this relay. `true`: that was not known.
    pub fn miss(&mut self, caller: u64, relay: usize) -> bool {
        let Some(player) = self.players.get_mut(&caller) else {
            return false;
        };
        if player.missed.contains(&relay) {
            return false;
        }
        if player.missed.len() == RELAYS_MAX {
            player.missed.remove(0);
        }
        player.missed.push(relay);
        true
    }

    /// He is sent to this relay, with this ticket, for this entry of his playlist.
    pub fn note(&mut self, caller: u64, relay: usize, (serial, entry): (u32, u32), now: Instant) {
        self.forget(now);
        let player = self.players.entry(caller).or_insert_with(|| {
            self.order.push_back((caller, now));
            Player {
                relay,
                serial,
                at: now,
                missed: Vec::new(),
                entry,
                has_turned: false,
            }
        });
        (player.relay, player.serial, player.at) = (relay, serial, now);
        player.entry = entry;
        player.has_turned = false;
    }

    /// Who was sent for the last time long ago goes; who came again is looked at again later.
    fn forget(&mut self, now: Instant) {
        while let Some((caller, noted)) = self.order.front().copied() {
            let is_crowded = self.order.len() >= PLAYERS_MAX;
            if now.saturating_duration_since(noted) <= BACK_MAX && !is_crowded {
                return;
            }
            self.order.pop_front();
            let last = self.players.get(&caller).map(|player| player.at);
            match last {
                Some(at) if at > noted && !is_crowded => self.order.push_back((caller, at)),
                _ => {
                    self.players.remove(&caller);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn another_entry_of_a_playlist_is_no_second_request() {
        let start = Instant::now();
        let mut players = Duplicates::default();
        players.note(7, 1, (11, 0), start);
        assert!(matches!(players.look(7, 0, start), Again::Same { .. }));
        let back = Again::Back {
            relay: 1,
            serial: 11,
        };
        assert_eq!(players.look(7, 1, start), back);
        assert_eq!(players.look(7, 1, start), back, "he has not been sent");
        players.note(7, 2, (12, 1), start);
        assert!(matches!(players.look(7, 1, start), Again::Same { .. }));
    }

    #[test]
    fn a_player_is_the_same_for_two_seconds_and_known_for_thirty() {
        let start = Instant::now();
        let mut duplicates = Duplicates::default();
        assert_eq!(duplicates.look(1, 0, start), Again::No);
        duplicates.note(1, 7, (9, 0), start);
        let (relay, serial) = (7, 9);
        let mut look = |seconds: f64| duplicates.look(1, 0, start + SECOND.mul_f64(seconds));
        assert_eq!(look(0.0), Again::Same { relay });
        assert_eq!(look(2.0), Again::Same { relay });
        assert_eq!(look(2.1), Again::Back { relay, serial });
        assert_eq!(look(30.0), Again::Back { relay, serial });
        assert_eq!(look(30.1), Again::No);
        assert_eq!(duplicates.look(2, 0, start), Again::No);
    }

    #[test]
    fn missed_relays_are_remembered_as_long_as_the_player() {
        let start = Instant::now();
        let mut duplicates = Duplicates::default();
        duplicates.note(1, 7, (1, 0), start);
        assert!(duplicates.miss(1, 7) && !duplicates.miss(1, 7));
        duplicates.note(1, 8, (1, 0), start + 20 * SECOND);
        assert_eq!(duplicates.missed(1), [7]);
        duplicates.note(2, 8, (2, 0), start + 45 * SECOND);
        assert_eq!(duplicates.missed(1), [7], "he came again after 20 s");
        duplicates.note(2, 8, (3, 0), start + 76 * SECOND);
        assert!(duplicates.missed(1).is_empty());
        assert_eq!(duplicates.players.len(), 1);
    }

    #[test]
    fn a_crowd_is_remembered_up_to_a_limit() {
        let start = Instant::now();
        let mut duplicates = Duplicates::default();
        for caller in 0..PLAYERS_MAX as u64 + 1_000 {
            duplicates.note(caller, 0, (0, 0), start);
        }
        assert!(duplicates.players.len() <= PLAYERS_MAX);
        assert_eq!(duplicates.players.len(), duplicates.order.len());
        assert_eq!(duplicates.look(0, 0, start), Again::No);
    }
}
