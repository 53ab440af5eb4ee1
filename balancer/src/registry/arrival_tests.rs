//! Who never comes, comes again, or comes from a relay that he has left.

use super::behaviour_tests::{named, player, relays, send};
use stream::lease::Lease;
use stream::report::Place;

use super::tests::{live, registration, report};
use super::*;
use crate::choice::Listener;
use crate::place::Country;

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn a_crowd_that_is_over_is_no_silence_though_some_of_it_never_came() {
    let (mut registry, start) = relays(&[1_000], true);
    let mut sequence = 1;
    // A hundred in ten seconds; every tenth never comes.
    for second in 1..=30 {
        let now = start + second * SECOND;
        let mut came = Vec::new();
        for n in 0..10 {
            if second <= 10 {
                let serial = send(&mut registry, now).unwrap().1;
                came.extend((n != 0).then_some((serial, serial)));
            }
        }
        sequence += 1;
        let report = named(sequence, 90, 1_000, &came);
        let taken = registry.take(0, report, now + SECOND / 2).unwrap();
        assert!(!taken.is_put_away, "after {second} s");
    }
    assert!(send(&mut registry, start + 31 * SECOND).is_ok());
}

#[test]
fn what_a_refused_report_says_of_mounts_is_forgotten() {
    let (mut registry, start) = relays(&[10], true);
    let other = MountPath::parse("/other.ogg").unwrap();
    let mut late = named(1, 0, 10, &[]);
    let carried = late.mounts[&live()].clone();
    late.mounts.insert(other.clone(), carried);
    assert!(registry.take(0, late, start).is_err(), "it is an old one");
    assert!(!registry.knows(&other) && registry.knows(&live()));
}

#[test]
fn a_player_that_is_first_met_at_a_later_entry_of_its_list_may_ask_twice() {
    let (mut registry, start) = relays(&[100, 100], true);
    let again = Listener {
        entry: 1,
        ..player(1, 1)
    };
    let mut ask = || registry.send(&again, &live(), start).unwrap().relay;
    assert_eq!(ask(), ask());
}

#[test]
fn who_left_a_relay_goes_elsewhere_if_he_can_and_was_not_sent_back() {
    let (mut registry, start) = relays(&[100, 1], true);
    let leaver = Listener {
        left: Some(0),
        ..player(1, 1)
    };
    let sent = registry.send(&leaver, &live(), start).unwrap();
    let (_, ticket) = sent.ticket.unwrap();
    assert_eq!((sent.relay, ticket.bounced.count()), (1, 0));
    let sent = registry.send(&leaver, &live(), start).unwrap();
    assert_eq!(sent.relay, 0, "the other one is full");
}

#[test]
fn a_relay_of_which_only_the_country_is_known_makes_the_others_slots_no_cheaper() {
    let scarcity = |country: Option<Country>| {
        let (mut registry, now) = relays(&[10, 10], true);
        for (at, longitude) in [(0, 0.0), (1, 90.0)] {
            let mut somewhere = report(2, 9, 10);
            somewhere.place = Some(Place {
                latitude: 0.0,
                longitude,
            });
            registry.take(at, somewhere, now).unwrap();
        }
        let mut vague = registration("vague");
        vague.spot.country = country;
        let at = registry.add(vague, now).unwrap();
        registry.take(at, report(1, 0, 1), now).unwrap();
        let listener = Listener::somebody();
        // Whoever asks brings everything up to date.
        let _ = registry.explain(&listener, &live(), now + SECOND);
        registry.demand.scarcity_km()
    };
    let known = scarcity(Country::parse("DE"));
    assert!(known > 1_000.0, "{known} km");
    assert_eq!(known.to_bits(), scarcity(None).to_bits());
}

#[test]
fn a_relay_is_as_dear_as_if_each_other_balancer_had_sent_as_many() {
    let (mut registry, now) = relays(&[100], true);
    let run = registry.receipt(0).run;
    let take = |registry: &mut Registry, slots: u32, sequence| {
        let lease = Some(Lease { run, slots });
        let lent = CheckedReport {
            lease,
            ..report(sequence, 50, 100)
        };
        registry.take(0, lent, now).unwrap();
        registry.relays[0].load(&registry.policy, now).utilisation
    };
    let is_half = |utilisation: f32| (utilisation - 0.5).abs() < 0.001;
    assert!(
        is_half(take(&mut registry, 50, 2)),
        "half full, and nobody was sent"
    );
    assert!(
        is_half(take(&mut registry, 10, 3)),
        "however little of it is lent"
    );
    // A fifth of what is free is lent, so there are four more balancers.
    for n_sent in 0_u16..10 {
        let load = registry.relays[0].load(&registry.policy, now);
        let part = f32::from(50 + 5 * n_sent) / 100.0;
        assert!((load.utilisation - part).abs() < 0.001, "{load:?}");
        send(&mut registry, now).unwrap();
    }
    assert!(send(&mut registry, now).is_err(), "no more is lent");
    assert!(
        (take(&mut registry, 0, 4) - 1.0).abs() < 0.001,
        "nothing left to lend"
    );
}
