//! Programs that ask and never follow, by a clock that the test turns.

use super::behaviour_tests::{named, player, relays};
use super::tests::live;
use super::*;
use crate::choice::Listener;

const SECOND: Duration = Duration::from_secs(1);

/// So many ask in each of 240 seconds, one after another, from these networks, as another player
/// each time, and nobody comes. How often relays were put away, or in doubt.
fn nobody_follows(n_relays: usize, n_networks: u64) -> (usize, usize) {
    let (mut registry, start) = relays(&vec![100; n_relays], true);
    let (mut n_put_away, mut n_doubted, mut caller) = (0, 0, 0);
    for second in 1..=240 {
        let now = start + second * SECOND;
        for _ in 0..3 {
            caller += 1;
            let _ = registry.send(&player(caller, caller % n_networks), &live(), now);
        }
        for at in 0..n_relays {
            let report = named(u64::from(second) + 1, 0, 100, &[]);
            let taken = registry.take(at, report, now).unwrap();
            n_put_away += usize::from(taken.is_put_away);
            n_doubted += usize::from(registry.relays[at].trust.is_doubted());
        }
    }
    (n_put_away, n_doubted)
}

#[test]
fn one_network_that_never_follows_puts_no_relay_away_and_in_no_doubt() {
    for n_relays in [1, 2, 3] {
        assert_eq!(nobody_follows(n_relays, 1), (0, 0), "{n_relays} relays");
    }
}

#[test]
fn a_relay_to_which_nobody_gets_from_many_networks_is_put_away() {
    for n_relays in [1, 3] {
        let (n_put_away, n_doubted) = nobody_follows(n_relays, 1_000);
        assert!(n_put_away >= n_relays && n_doubted > 0, "{n_relays} relays");
    }
}

#[test]
fn a_network_that_is_seen_elsewhere_speaks_against_a_relay_again() {
    let (mut registry, start) = relays(&[100, 100], true);
    let put_away = (1..=240_u32).find(|second| {
        let now = start + *second * SECOND;
        let mut came = Vec::new();
        for left in [0, 1] {
            let caller = u64::from(*second) * 2 + left;
            let listener = Listener {
                left: usize::try_from(left).ok(),
                ..player(caller, 1)
            };
            let sent = registry.send(&listener, &live(), now).unwrap();
            let serial = sent.ticket.unwrap().1.serial;
            came.extend((sent.relay == 1).then_some((serial, serial)));
        }
        let sequence = u64::from(*second) + 1;
        let report = named(sequence, 0, 100, &came);
        registry.take(1, report, now + SECOND / 4).unwrap();
        let report = named(sequence, 0, 100, &[]);
        let taken = registry.take(0, report, now + SECOND / 2).unwrap();
        taken.is_put_away
    });
    assert!(put_away.is_some_and(|second| second < 30), "{put_away:?}");
}
