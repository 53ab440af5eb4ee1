//! Tickets, windows, orders, quarantine and players that ask twice, by a clock that the test turns.

use stream::report::{Admitted, Arrivals};
use stream::ticket::Bounced;

use super::tests::{RUN, live, registration, report, with};
use super::*;
use crate::checked_report::Carried;
use crate::choice::{Excluded, Listener};

const SECOND: Duration = Duration::from_secs(1);
const STALE: Duration = Duration::from_secs(1_000);

/// Relays with these numbers of slots that have proved themselves, if `is_proven`, and the moment
/// of their first reports.
pub(super) fn relays(slots: &[u32], is_proven: bool) -> (Registry, Instant) {
    let start = Instant::now();
    let names = (0..slots.len()).map(|at| registration(&at.to_string()));
    let mut registry = if is_proven {
        with(names.collect(), STALE, start)
    } else {
        let origin = Origin {
            run: RUN,
            at: start,
            second: 0,
        };
        let policy = Policy {
            window_first: 4,
            ..Policy::default()
        };
        Registry::new(names.collect(), STALE, policy, origin)
    };
    for (at, slots) in slots.iter().enumerate() {
        registry.take(at, named(1, 0, *slots, &[]), start).unwrap();
    }
    (registry, start)
}

/// A report that names these tickets.
pub(super) fn named(
    sequence: u64,
    listeners: u32,
    slots: u32,
    serials: &[(u32, u32)],
) -> CheckedReport {
    CheckedReport {
        arrivals: Some(Arrivals {
            direct: 0,
            bounced: 0,
            admitted: vec![Admitted {
                run: RUN,
                serials: serials.to_vec(),
            }],
        }),
        ..report(sequence, listeners, slots)
    }
}

pub(super) fn send(
    registry: &mut Registry,
    now: Instant,
) -> Result<(usize, u32), Option<Excluded>> {
    send_from(1, registry, now)
}

/// The same for somebody of this network.
fn send_from(
    key: u64,
    registry: &mut Registry,
    now: Instant,
) -> Result<(usize, u32), Option<Excluded>> {
    let somebody = Listener {
        key,
        ..Listener::somebody()
    };
    let sent = registry.send(&somebody, &live(), now)?;
    let (key, ticket) = sent.ticket.as_ref().unwrap();
    assert_eq!((ticket.run, ticket.relay), (RUN, key.relay()));
    Ok((sent.relay, ticket.serial))
}

#[test]
fn who_is_named_takes_one_slot_at_once_and_who_is_not_two_until_he_must_have_come() {
    let (mut registry, start) = relays(&[10], true);
    let serials: Vec<_> = (0..4)
        .map(|_| send(&mut registry, start).unwrap().1)
        .collect();
    assert_eq!(serials, [1, 2, 3, 4]);
    let now = start + SECOND;
    registry
        .take(0, named(2, 3, 10, &[(1, 2), (4, 4)]), now)
        .unwrap();
    assert_eq!(
        registry.relays[0].taken(),
        4,
        "three are there, one is on his way"
    );
    let others = Admitted {
        run: RUN + 1,
        serials: vec![(3, 3)],
    };
    let mut of_another_run = named(3, 3, 10, &[]);
    of_another_run.arrivals.as_mut().unwrap().admitted = vec![others];
    registry.take(0, of_another_run, now + SECOND).unwrap();
    assert_eq!(registry.relays[0].taken(), 4);
    let policy = Policy::default();
    let late = start + policy.hold + policy.report_way;
    registry
        .take(0, named(4, 3, 10, &[]), late - SECOND / 100)
        .unwrap();
    assert_eq!(registry.relays[0].taken(), 4, "he may still come");
    registry.take(0, named(5, 3, 10, &[]), late).unwrap();
    assert_eq!(registry.relays[0].taken(), 3);
}

#[test]
fn time_alone_frees_no_slot() {
    let (mut registry, start) = relays(&[2], true);
    send(&mut registry, start).unwrap();
    send(&mut registry, start).unwrap();
    let late = start + 600 * SECOND;
    assert_eq!(send(&mut registry, late), Err(Some(Excluded::Full)));
}

#[test]
fn a_new_relay_gets_few_listeners_at_once_and_more_as_they_arrive() {
    let (mut registry, start) = relays(&[1_000], false);
    let (mut n_sent, mut now) = (Vec::new(), start);
    for round in 0..8 {
        let mut serials = Vec::new();
        while serials.len() < 5_000 {
            match send(&mut registry, now) {
                Ok((_, serial)) => serials.push(serial),
                Err(miss) => {
                    assert!(matches!(miss, Some(Excluded::Unproven | Excluded::Full)));
                    break;
                }
            }
        }
        n_sent.push(serials.len());
        now += SECOND;
        let stretch = (serials[0], *serials.last().unwrap());
        registry
            .take(0, named(2 + round, 0, 1_000, &[stretch]), now)
            .unwrap();
    }
    assert_eq!(n_sent, [4, 8, 16, 32, 64, 128, 256, 512]);
}

#[test]
fn a_relay_that_swallows_listeners_gets_hardly_any_of_many() {
    let (mut registry, start) = relays(&[100_000, 100_000], false);
    let (mut n_swallowed, mut n_good, mut present) = (0, 0, 0);
    for second in 1..=600_u32 {
        let now = start + second * SECOND;
        let mut good = Vec::new();
        for _ in 0..20 {
            match send(&mut registry, now) {
                Ok((0, _)) => n_swallowed += 1,
                Ok((_, serial)) => good.push((serial, serial)),
                Err(miss) => assert!(second < 5, "{miss:?}"),
            }
        }
        n_good += good.len();
        present += u32::try_from(good.len()).unwrap();
        let sequence = u64::from(second) + 1;
        registry
            .take(0, named(sequence, 0, 100_000, &[]), now)
            .unwrap();
        registry
            .take(1, named(sequence, present, 100_000, &good), now)
            .unwrap();
    }
    assert!((1..=16).contains(&n_swallowed), "{n_swallowed} of {n_good}");
    assert!(n_good > 11_900, "{n_good}");
    let (why, until) = registry.relays[0].quarantine(start + 600 * SECOND).unwrap();
    assert!(why.contains("did not arrive") && until.is_some());
}

pub(super) fn player(caller: u64, network: u64) -> Listener {
    Listener {
        caller: Some(caller),
        key: network,
        ..Listener::somebody()
    }
}

#[test]
fn a_player_that_comes_back_without_having_been_there_goes_elsewhere() {
    let (mut registry, start) = relays(&[100, 100, 100], true);
    let ask = |registry: &mut Registry, seconds: u32| {
        let now = start + seconds * SECOND;
        let sent = registry.send(&player(1, 1), &live(), now).unwrap();
        (sent.relay, sent.ticket.unwrap().1.serial)
    };
    let first = ask(&mut registry, 0);
    assert_eq!(
        ask(&mut registry, 2).0,
        first.0,
        "VLC opens a second connection"
    );
    assert_eq!(registry.relays[first.0].taken(), 2);
    let second = ask(&mut registry, 3);
    assert_ne!(second.0, first.0);
    let third = ask(&mut registry, 6);
    assert!(third.0 != first.0 && third.0 != second.0);
    // He was there: so he may go there again.
    let serial = third.1;
    let now = start + 7 * SECOND;
    registry
        .take(third.0, named(2, 1, 100, &[(serial, serial)]), now)
        .unwrap();
    assert_eq!(ask(&mut registry, 9).0, third.0);
    // Whoever has nowhere else to go is sent where he was.
    let (mut registry, start) = relays(&[100], true);
    for seconds in [0, 5, 10] {
        let now = start + seconds * SECOND;
        assert!(registry.send(&player(1, 1), &live(), now).is_ok());
    }
}

#[test]
fn who_asks_twice_takes_a_second_slot_until_it_is_known_whether_he_is_two() {
    let (mut registry, start) = relays(&[100], true);
    let mut ask = || {
        let sent = registry.send(&player(1, 1), &live(), start).unwrap();
        sent.ticket.unwrap().1.serial
    };
    assert_eq!([ask(), ask(), ask()], [1, 2, 3]);
    let now = start + SECOND;
    registry.take(0, named(2, 2, 100, &[(1, 2)]), now).unwrap();
    assert_eq!(registry.relays[0].taken(), 3, "the third may be on his way");
    let policy = Policy::default();
    let late = start + policy.hold + policy.report_way;
    registry.take(0, named(3, 2, 100, &[]), late).unwrap();
    assert_eq!(registry.relays[0].taken(), 2);
}

#[test]
fn only_when_three_networks_come_back_the_relay_pays_for_it() {
    let (mut registry, start) = relays(&[100, 100], true);
    let health_km = |registry: &mut Registry, now| {
        let (_, verdicts) = registry.explain(&Listener::somebody(), &live(), now);
        verdicts[0].terms.health_km
    };
    for network in 0..3 {
        registry.order(
            0,
            Orders {
                bias_km: 5_000.0,
                ..Orders::default()
            },
            start,
        );
        for caller in 0..5 {
            let listener = player(100 * network + caller, network);
            assert_eq!(registry.send(&listener, &live(), start).unwrap().relay, 0);
            let later = start + 3 * SECOND;
            assert_eq!(health_km(&mut registry, later), 0.0, "{network}");
            if network < 2 || caller == 0 {
                assert_eq!(registry.send(&listener, &live(), later).unwrap().relay, 1);
            }
            if network == 2 {
                assert_eq!(health_km(&mut registry, later), 600.0);
                return;
            }
        }
    }
}

#[test]
fn some_slots_are_kept_for_those_who_come_directly() {
    let (mut registry, start) = relays(&[100], true);
    let mut now = start;
    for second in 1..=300 {
        now = start + u32::try_from(second).unwrap() * SECOND;
        let mut report = named(1 + second, 50, 100, &[]);
        report.arrivals.as_mut().unwrap().direct = second;
        registry.take(0, report, now).unwrap();
    }
    let usable = registry.relays[0].usable(&Policy::default(), now);
    assert_eq!(
        usable,
        100 - 11,
        "one a second, of the last 6 s nothing is known"
    );
    let later = registry.relays[0].usable(&Policy::default(), now + 24 * SECOND);
    assert_eq!(later, 100 - 41, "of 30 s");
}

#[test]
fn an_icecast_that_is_asked_is_sent_listeners_as_well() {
    let start = Instant::now();
    let mut icecast = registration("icecast");
    icecast.token = None;
    let origin = Origin {
        run: RUN,
        at: start,
        second: 0,
    };
    let mut registry = Registry::new(vec![icecast], 4 * SECOND, Policy::default(), origin);
    let carried = Carried {
        content_type: "application/ogg".to_owned(),
        is_on_air: true,
        is_stood_in: false,
        listeners: 0,
    };
    let url = BaseUrl::parse("http://icecast.example:8000").unwrap();
    let poll = |registry: &mut Registry, listeners, seconds: u32| {
        let polled = Polled {
            slots: 10,
            listeners,
            mounts: [(live(), carried.clone())].into(),
            asked: start + seconds * SECOND,
            every: 15 * SECOND,
        };
        registry.take_polled(0, url.clone(), polled, start + seconds * SECOND);
    };
    poll(&mut registry, 0, 0);
    registry.probed(0, Probe::Good, start);
    let ask = |registry: &mut Registry, now| registry.send(&Listener::somebody(), &live(), now);
    for _ in 0..10 {
        let sent = ask(&mut registry, start).unwrap();
        assert!(sent.ticket.is_none() && sent.url == url);
    }
    let now = start + 44 * SECOND;
    let miss = ask(&mut registry, now).err();
    assert_eq!(miss, Some(Some(Excluded::Full)));
    poll(&mut registry, 4, 44);
    let n_more = (0..20).filter(|_| ask(&mut registry, now).is_ok());
    assert_eq!(n_more.count(), 6);
    let silent = now + 45 * SECOND;
    let miss = ask(&mut registry, silent).err();
    assert_eq!(miss, Some(Some(Excluded::Stale)));
}

#[test]
fn many_relays_report_less_often_and_are_given_more_time() {
    for (n_relays, every) in [
        (1, 1),
        (13, 1),
        (500, 1),
        (1_000, 2),
        (5_000, 10),
        (9_000, 10),
    ] {
        let start = Instant::now();
        let names = (0..n_relays).map(|at| registration(&at.to_string()));
        let mut registry = with(names.collect(), 4 * SECOND, start);
        assert_eq!(registry.report_every(), every * SECOND, "{n_relays}");
        registry.take(0, named(1, 0, 10, &[]), start).unwrap();
        let end = start + (3 * every * SECOND).max(4 * SECOND);
        assert!(send(&mut registry, end - SECOND / 10).is_ok());
        assert_eq!(send(&mut registry, end), Err(Some(Excluded::Stale)));
    }
}

#[test]
fn an_old_ticket_back_says_nothing() {
    let (mut registry, start) = relays(&[10], true);
    let sent = registry.send(&Listener::somebody(), &live(), start);
    let (key, ticket) = sent.unwrap().ticket.unwrap();
    let back = key.write(&stream::ticket::Ticket {
        way: stream::ticket::Way::Back,
        bounced: Bounced::default().with(key.relay()).unwrap(),
        ..ticket
    });
    assert_eq!(registry.returned(&back, start + 121 * SECOND).count(), 0);
    assert_eq!(registry.relays[0].taken(), 1);
    assert_eq!(registry.returned(&back, start + 120 * SECOND).count(), 1);
    assert_eq!(registry.relays[0].taken(), 0);
}

#[test]
fn a_good_relay_at_which_nobody_arrives_any_more_is_the_last_choice_and_then_none() {
    let (mut registry, start) = relays(&[100], true);
    let (_, first) = send_from(1, &mut registry, start).unwrap();
    send_from(2, &mut registry, start).unwrap();
    let price = |registry: &Registry, now| {
        let load = registry.relays[0].load(&registry.policy, now);
        (load.gates.is_open(), load.utilisation)
    };
    let now = start + 3 * SECOND;
    registry.take(0, named(2, 0, 100, &[]), now).unwrap();
    assert_eq!(price(&registry, now), (true, 1.0), "both are late");
    send_from(3, &mut registry, now).expect("there is no other one");
    let now = now + SECOND;
    let came = named(3, 1, 100, &[(first, first)]);
    registry.take(0, came, now).unwrap();
    assert!(price(&registry, now).1 < 0.1, "somebody came");
    send_from(4, &mut registry, now).unwrap();
    send_from(5, &mut registry, now).unwrap();
    // All four who are on their way never come.
    let late = now + 20 * SECOND;
    let taken = registry.take(0, named(4, 1, 100, &[]), late).unwrap();
    assert!(taken.is_put_away);
    let miss = send(&mut registry, late);
    assert_eq!(miss, Err(Some(Excluded::Quarantined)));
}
