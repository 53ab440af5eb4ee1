//! Who asked a moment ago, so that the same player that asks twice is recognized. Pure.
//!
//! VLC and Safari open two or three connections for one listener: they must all go to the same
//! relay. And who comes back although he was sent somewhere did not get there: he goes elsewhere.
//! Holds no address: only numbers that say nothing without a key that dies with the program.

use std::mem::{swap, take};
use std::time::{Duration, Instant};

use hashbrown::HashTable;

/// Requests of one player this close together are one listener's.
const SAME_MAX: Duration = Duration::from_secs(2);
/// A player that comes back within this time may not have got where he was sent.
const BACK_MAX: Duration = Duration::from_secs(30);
/// More players are not remembered: those who came first are forgotten, half of all at once.
pub const PLAYERS_MAX: usize = 131_072;
/// Nobody can be kept from more relays than this.
const RELAYS_MAX: usize = 4;

/// Players that asked within the last half minute, and some who asked before.
///
/// Nobody is looked for to be forgotten: who has not come again when another half minute is over,
/// or too many are there, goes with all like him.
#[derive(Debug, Default)]
pub struct Duplicates {
    young: HashTable<Player>,
    /// Since when the young ones came.
    since: Option<Instant>,
    /// Who came in the time before.
    old: HashTable<Player>,
}

/// What one player was answered. Nothing in it needs to be given back. Small enough that it lies in
/// one line of the processor's cache or two: in a crowd each of them is a wait for memory.
#[derive(Clone, Copy, Debug)]
struct Player {
    /// Who it is: a hash already, with a key that nobody else knows.
    caller: u64,
    /// When.
    at: Instant,
    /// The relay he was sent to.
    relay: u32,
    /// His ticket's serial number there.
    serial: u32,
    /// Which entry of its playlist the player asked for.
    entry: u32,
    /// It asks for another one now: what it was sent to has ended.
    has_turned: bool,
    missed: Missed,
}

/// Relays that a player did not get to.
#[derive(Clone, Copy, Debug, Default)]
pub struct Missed {
    relays: [u32; RELAYS_MAX],
    n_relays: u8,
}

impl Missed {
    /// Their places, the first one first.
    pub fn relays(&self) -> impl Iterator<Item = usize> {
        let relays = self.relays.iter().take(usize::from(self.n_relays));
        relays.map(|relay| *relay as usize)
    }

    /// `true`: that was not known.
    fn add(&mut self, relay: usize) -> bool {
        if self.relays().any(|known| known == relay) {
            return false;
        }
        if usize::from(self.n_relays) == RELAYS_MAX {
            self.relays.rotate_left(1);
            self.n_relays -= 1;
        }
        if let Some(free) = self.relays.get_mut(usize::from(self.n_relays)) {
            *free = place(relay);
            self.n_relays += 1;
        }
        true
    }
}

/// A relay's place in the list, in half the memory: there are never so many.
fn place(relay: usize) -> u32 {
    u32::try_from(relay).unwrap_or(u32::MAX)
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
        let Some(player) = self.player(caller, now) else {
            return Again::No;
        };
        player.has_turned |= player.entry != entry;
        player.entry = entry;
        let (relay, serial) = (player.relay as usize, player.serial);
        let ago = now.saturating_duration_since(player.at);
        if ago <= SAME_MAX && !player.has_turned {
            Again::Same { relay }
        } else {
            Again::Back { relay, serial }
        }
    }

    /// Relays that a player did not get to within the last half minute.
    pub fn missed(&mut self, caller: u64, now: Instant) -> Missed {
        let player = self.player(caller, now);
        player.map_or_else(Missed::default, |player| player.missed)
    }

    /// He did not get to this relay. `true`: that was not known.
    pub fn miss(&mut self, caller: u64, relay: usize, now: Instant) -> bool {
        let player = self.player(caller, now);
        player.is_some_and(|player| player.missed.add(relay))
    }

    /// He is sent to this relay, with this ticket, for this entry of his playlist.
    pub fn note(&mut self, caller: u64, relay: usize, (serial, entry): (u32, u32), now: Instant) {
        self.grow_old(now);
        let mut player = Player {
            caller,
            at: now,
            relay: place(relay),
            serial,
            entry,
            has_turned: false,
            missed: Missed::default(),
        };
        if let Some(known) = self.young.find_mut(caller, |other| other.caller == caller) {
            if now.saturating_duration_since(known.at) <= BACK_MAX {
                player.missed = known.missed;
            }
            *known = player;
            return;
        }
        if let Ok(known) = self.old.find_entry(caller, |other| other.caller == caller) {
            let (known, _) = known.remove();
            if now.saturating_duration_since(known.at) <= BACK_MAX {
                player.missed = known.missed;
            }
        }
        self.young
            .insert_unique(caller, player, |player| player.caller);
    }

    /// When it is time for it, the young ones are the old ones.
    fn grow_old(&mut self, now: Instant) {
        let since = *self.since.get_or_insert(now);
        let is_time = now.saturating_duration_since(since) > BACK_MAX;
        if is_time || self.young.len() >= PLAYERS_MAX / 2 {
            self.since = Some(now);
            swap(&mut self.young, &mut self.old);
            // A crowd's memory is kept as long as crowds come.
            if self.young.is_empty() {
                take(&mut self.young);
            }
            self.young.clear();
        }
    }

    /// One who was sent somewhere within the last half minute.
    fn player(&mut self, caller: u64, now: Instant) -> Option<&mut Player> {
        let is_it = |player: &Player| player.caller == caller;
        let Self { young, old, .. } = self;
        let player = young.find_mut(caller, is_it);
        let player = player.or_else(|| old.find_mut(caller, is_it))?;
        (now.saturating_duration_since(player.at) <= BACK_MAX).then_some(player)
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
        assert!(duplicates.miss(1, 7, start) && !duplicates.miss(1, 7, start));
        duplicates.note(1, 8, (1, 0), start + 20 * SECOND);
        let missed = |duplicates: &mut Duplicates, seconds| {
            let missed = duplicates.missed(1, start + seconds * SECOND);
            missed.relays().collect::<Vec<_>>()
        };
        assert_eq!(missed(&mut duplicates, 20), [7]);
        duplicates.note(2, 8, (2, 0), start + 45 * SECOND);
        assert_eq!(missed(&mut duplicates, 45), [7], "he came again after 20 s");
        assert!(missed(&mut duplicates, 51).is_empty());
        duplicates.note(2, 8, (3, 0), start + 76 * SECOND);
        assert_eq!(duplicates.young.len() + duplicates.old.len(), 1);
    }

    #[test]
    fn who_comes_late_in_one_half_minute_is_known_in_the_next() {
        let start = Instant::now();
        let mut duplicates = Duplicates::default();
        duplicates.note(1, 7, (1, 0), start);
        duplicates.note(2, 7, (2, 0), start + 29 * SECOND);
        duplicates.note(3, 7, (3, 0), start + 31 * SECOND);
        let back = |serial| Again::Back { relay: 7, serial };
        assert_eq!(duplicates.look(1, 0, start + 32 * SECOND), Again::No);
        assert_eq!(duplicates.look(2, 0, start + 58 * SECOND), back(2));
        duplicates.note(2, 8, (4, 0), start + 58 * SECOND);
        duplicates.note(3, 7, (5, 0), start + 70 * SECOND);
        let back = Again::Back {
            relay: 8,
            serial: 4,
        };
        assert_eq!(duplicates.look(2, 0, start + 80 * SECOND), back);
    }

    #[test]
    fn players_grow_old_together_and_take_along_what_they_missed() {
        let start = Instant::now();
        let mut duplicates = Duplicates::default();
        let at = |seconds| start + seconds * SECOND;
        duplicates.note(1, 7, (1, 0), at(0));
        duplicates.note(2, 7, (2, 0), at(29));
        assert!(duplicates.miss(2, 7, at(30)));
        // The first of a new half minute, and those who come soon after him.
        for (caller, seconds) in [(3, 31), (4, 32), (5, 33)] {
            duplicates.note(caller, 7, (3, 0), at(seconds));
        }
        assert_ne!(duplicates.look(3, 0, at(34)), Again::No);
        duplicates.note(2, 8, (4, 0), at(35));
        assert!(duplicates.missed(2, at(35)).relays().eq([7]));
        // Who comes again too late has missed nothing.
        duplicates.note(6, 7, (5, 0), at(60));
        assert!(duplicates.miss(5, 7, at(60)));
        duplicates.note(5, 8, (6, 0), at(64));
        assert_eq!(duplicates.missed(5, at(64)).relays().count(), 0);
    }

    #[test]
    fn the_relays_missed_last_are_remembered() {
        let start = Instant::now();
        let mut duplicates = Duplicates::default();
        duplicates.note(1, 0, (1, 0), start);
        for relay in 0..6 {
            assert!(duplicates.miss(1, relay, start));
        }
        assert!(duplicates.missed(1, start).relays().eq([2, 3, 4, 5]));
        assert!(!duplicates.miss(2, 0, start), "nobody knows him");
    }

    #[test]
    fn a_crowd_is_remembered_up_to_a_limit() {
        let start = Instant::now();
        let mut duplicates = Duplicates::default();
        let n_players = PLAYERS_MAX as u64 + 1_000;
        for caller in 0..n_players {
            duplicates.note(caller, 0, (0, 0), start);
            assert!(duplicates.young.len() + duplicates.old.len() <= PLAYERS_MAX);
        }
        assert_eq!(duplicates.look(0, 0, start), Again::No);
        let last = (n_players - PLAYERS_MAX as u64 / 2)..n_players;
        for caller in last {
            assert_ne!(duplicates.look(caller, 0, start), Again::No, "{caller}");
        }
    }
}
