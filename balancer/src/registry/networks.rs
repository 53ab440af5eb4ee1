//! Networks whose listeners came, or did not come, where they were sent. Pure.
//!
//! One who does not come speaks against the relay. A network of which one after another does not
//! come, and nobody comes anywhere, speaks against itself: a program asks there, and follows no
//! redirect. So only the first one counts, until somebody from there has come, or there was an hour
//! without a word.
//! Holds no address: short numbers of networks, and when.

use std::collections::HashMap;
use std::mem::{swap, take};
use std::time::{Duration, Instant};

/// For so long after the last one who did not come, nobody else of his network counts.
const SILENT_FOR: Duration = Duration::from_secs(3_600);
/// More networks are not remembered: half of them, those that came first, are forgotten.
pub const NETWORKS_MAX: usize = 65_536;

/// What is known of networks.
#[derive(Debug, Default)]
pub struct Networks {
    young: HashMap<u32, Known>,
    /// Since when the young ones came.
    since: Option<Instant>,
    old: HashMap<u32, Known>,
}

/// When it was noticed last that somebody of a network came, and that somebody did not, since then.
#[derive(Clone, Copy, Debug, Default)]
struct Known {
    came: Option<Instant>,
    stayed_away: Option<Instant>,
}

impl Networks {
    /// Somebody of this network has come.
    pub fn come(&mut self, network: u32, now: Instant) {
        *self.at(network, now) = Known {
            came: Some(now),
            stayed_away: None,
        };
    }

    /// Somebody of this network, who was sent at that moment, did not come. Whether it counts.
    pub fn stay_away(&mut self, network: u32, sent: Instant, now: Instant) -> bool {
        let counts = self.counts(network, sent, now);
        self.at(network, now).stayed_away = Some(now);
        counts
    }

    /// Whether it counts if somebody of this network, who was sent at that moment, does not come.
    pub fn counts(&self, network: u32, sent: Instant, now: Instant) -> bool {
        let last = self.known(network).and_then(|known| known.stayed_away);
        let is_first = last.is_none_or(|last| now.saturating_duration_since(last) > SILENT_FOR);
        is_first || self.has_come_since(network, sent)
    }

    /// Whether somebody else of this network has come since.
    pub fn has_come_since(&self, network: u32, sent: Instant) -> bool {
        let came = self.known(network).and_then(|known| known.came);
        came.is_some_and(|came| came >= sent)
    }

    fn known(&self, network: u32) -> Option<&Known> {
        let young = self.young.get(&network);
        young.or_else(|| self.old.get(&network))
    }

    fn at(&mut self, network: u32, now: Instant) -> &mut Known {
        let since = *self.since.get_or_insert(now);
        let is_time = now.saturating_duration_since(since) > SILENT_FOR;
        if is_time || self.young.len() >= NETWORKS_MAX / 2 {
            self.since = Some(now);
            swap(&mut self.young, &mut self.old);
            take(&mut self.young);
        }
        let before = self.old.remove(&network);
        self.young
            .entry(network)
            .or_insert_with(|| before.unwrap_or_default())
    }
}

/// A shorter number of a network. That two have the same is a rare chance, and costs little.
#[expect(
    clippy::cast_possible_truncation,
    reason = "both halves are in the lower one"
)]
pub fn short(key: u64) -> u32 {
    (key ^ (key >> 32)) as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_is_heard_once_and_again_when_somebody_came_or_it_was_silent() {
        let start = Instant::now();
        let mut networks = Networks::default();
        assert!(networks.stay_away(1, start, start) && networks.stay_away(2, start, start));
        let late = start + SILENT_FOR;
        assert!(!networks.stay_away(1, start, late));
        let late = late + SILENT_FOR;
        assert!(!networks.stay_away(1, start, late), "it goes on");
        networks.come(1, late);
        assert!(networks.stay_away(1, late, late), "others come");
        assert!(networks.stay_away(1, late, late), "still");
        let later = late + Duration::from_secs(1);
        assert!(!networks.stay_away(1, later, later), "who came was before");
        let late = later + SILENT_FOR + Duration::from_secs(1);
        assert!(networks.counts(1, late, late));
        assert!(networks.stay_away(1, late, late));
        assert!(!networks.counts(1, late, late));
    }

    #[test]
    fn no_more_networks_are_remembered_than_there_is_room_for() {
        let start = Instant::now();
        let mut networks = Networks::default();
        for network in 0..200_000 {
            assert!(networks.stay_away(network, start, start));
            assert!(networks.young.len() + networks.old.len() <= NETWORKS_MAX);
        }
        assert!(!networks.stay_away(199_999, start, start));
    }
}
