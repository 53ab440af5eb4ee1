//! Who asked a moment ago, so that the same player that asks twice is recognized. Pure.
//!
//! VLC and Safari open two or three connections for one listener: they must all go to the same
//! relay. And who comes back although he was sent somewhere did not get there: he goes elsewhere.
//! Holds no address: only numbers that say nothing without a key that dies with the program.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use hashbrown::HashTable;

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
    /// In the order of their first redirect. Everybody new is put at one end and forgotten at the
    /// other, and the processor has both at hand.
    players: VecDeque<Player>,
    /// The number of the first of them; each has the number after the one before.
    first: u32,
    /// The numbers of all, to be found by who it is. Four bytes for each: of a crowd's players
    /// little more than this is ever looked at.
    numbers: HashTable<u32>,
}

/// What one player was answered.
#[derive(Debug)]
struct Player {
    /// Who it is: a hash already, with a key that nobody else knows.
    caller: u64,
    /// The relay he was sent to.
    relay: usize,
    /// His ticket's serial number there.
    serial: u32,
    /// When.
    at: Instant,
    /// Since when he stands where he stands.
    since: Instant,
    /// Relays that he did not get to.
    missed: Vec<usize>,
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
        let Some(player) = self.player(caller) else {
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
        let at = self.place(caller);
        at.map_or(&[], |at| self.players[at].missed.as_slice())
    }

    /// He did not get to this relay. `true`: that was not known.
    pub fn miss(&mut self, caller: u64, relay: usize) -> bool {
        let Some(player) = self.player(caller) else {
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
        let Some(player) = self.player(caller) else {
            return self.push(Player {
                caller,
                relay,
                serial,
                at: now,
                since: now,
                missed: Vec::new(),
                entry,
                has_turned: false,
            });
        };
        (player.relay, player.serial, player.at) = (relay, serial, now);
        player.entry = entry;
        player.has_turned = false;
    }

    /// Who was sent for the last time long ago goes; who came again is looked at again later.
    fn forget(&mut self, now: Instant) {
        while let Some(player) = self.players.front() {
            let is_crowded = self.players.len() >= PLAYERS_MAX;
            if now.saturating_duration_since(player.since) <= BACK_MAX && !is_crowded {
                return;
            }
            let is_back = player.at > player.since && !is_crowded;
            let Some(player) = self.pop() else {
                return;
            };
            if is_back {
                let since = player.at;
                self.push(Player { since, ..player });
            }
        }
    }

    fn push(&mut self, player: Player) {
        let Self {
            players,
            first,
            numbers,
        } = self;
        let number = first.wrapping_add(place_of(players.len()));
        let caller = player.caller;
        players.push_back(player);
        numbers.insert_unique(caller, number, |number| {
            players[offset(*number, *first)].caller
        });
    }

    fn pop(&mut self) -> Option<Player> {
        let player = self.players.pop_front()?;
        let number = self.first;
        self.first = number.wrapping_add(1);
        if let Ok(entry) = self
            .numbers
            .find_entry(player.caller, |other| *other == number)
        {
            entry.remove();
        }
        Some(player)
    }

    fn place(&self, caller: u64) -> Option<usize> {
        let place = |number: &u32| offset(*number, self.first);
        let number = self.numbers.find(caller, |number| {
            self.players[place(number)].caller == caller
        })?;
        Some(place(number))
    }

    fn player(&mut self, caller: u64) -> Option<&mut Player> {
        let at = self.place(caller)?;
        self.players.get_mut(at)
    }
}

/// Where a number stands in the row that begins with `first`.
fn offset(number: u32, first: u32) -> usize {
    number.wrapping_sub(first) as usize
}

/// There are never more than [`PLAYERS_MAX`].
fn place_of(n_players: usize) -> u32 {
    u32::try_from(n_players).unwrap_or(u32::MAX)
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
        assert_eq!(duplicates.players.len(), duplicates.numbers.len());
        assert_eq!(duplicates.look(0, 0, start), Again::No);
    }
}
