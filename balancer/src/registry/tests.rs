//! Reports in, redirects out, by a clock that the test turns.

use stream::lease::Lease;
use stream::report::Place;

use super::*;
use crate::checked_report::Carried;
use crate::choice::{Excluded, Listener};
use crate::place::{Country, Spot};

const STALE: Duration = Duration::from_secs(4);
pub(super) const RUN: u32 = 77;
const SECOND: Duration = Duration::from_secs(1);

pub(super) fn registration(name: &str) -> Registration {
    Registration {
        name: name.to_owned(),
        token: Some(TokenDigest::of(&format!("token of {name}"))),
        url: None,
        spot: Spot::default(),
        orders: Orders::default(),
    }
}

pub(super) fn with(
    registrations: Vec<Registration>,
    stale_after: Duration,
    start: Instant,
) -> Registry {
    let origin = Origin {
        run: RUN,
        at: start,
        second: 1_000_000,
    };
    let mut registry = Registry::new(registrations, stale_after, Policy::default(), origin);
    for at in 0..registry.relays.len() {
        // What is not about trust is about relays that have proved themselves.
        registry.relays[at].trust.vouch();
    }
    registry
}

fn registry(names: &[&str], start: Instant) -> Registry {
    let registrations = names.iter().map(|name| registration(name)).collect();
    with(registrations, STALE, start)
}

pub(super) fn report(sequence: u64, listeners: u32, slots: u32) -> CheckedReport {
    let carried = Carried {
        content_type: "application/ogg".to_owned(),
        is_on_air: true,
        is_stood_in: false,
        listeners,
    };
    CheckedReport {
        url: BaseUrl::parse("http://relay.example:8000").unwrap(),
        run: "first".to_owned(),
        sequence,
        slots,
        listeners,
        is_draining: false,
        place: None,
        mounts: [(live(), carried)].into(),
        arrivals: None,
        lease: None,
    }
}

pub(super) fn live() -> MountPath {
    MountPath::parse("/live.ogg").unwrap()
}

fn send(registry: &mut Registry, now: Instant) -> Result<usize, Excluded> {
    let sent = registry.send(&Listener::somebody(), &live(), now);
    sent.map(|sent| sent.relay)
        .map_err(|miss| miss.expect("there are relays"))
}

#[test]
fn nobody_is_sent_to_a_relay_that_has_not_reported_lately() {
    let start = Instant::now();
    let mut registry = registry(&["a"], start);
    assert_eq!(send(&mut registry, start), Err(Excluded::Unheard));
    registry.take(0, report(1, 0, 10), start).unwrap();
    assert_eq!(send(&mut registry, start), Ok(0));
    let late = start + STALE;
    assert_eq!(send(&mut registry, late - Duration::from_millis(1)), Ok(0));
    assert_eq!(send(&mut registry, late), Err(Excluded::Stale));
    registry.take(0, report(2, 0, 10), late).unwrap();
    assert_eq!(
        send(&mut registry, late),
        Err(Excluded::Stale),
        "once is chance"
    );
    registry.take(0, report(3, 0, 10), late + SECOND).unwrap();
    assert_eq!(send(&mut registry, late + SECOND), Ok(0));
}

#[test]
fn listeners_on_their_way_take_places_until_a_report_can_have_counted_them() {
    let start = Instant::now();
    let mut registry = registry(&["a"], start);
    registry.take(0, report(1, 7, 10), start).unwrap();
    for _ in 0..3 {
        assert_eq!(send(&mut registry, start), Ok(0));
    }
    assert_eq!(send(&mut registry, start), Err(Excluded::Full));
    registry.take(0, report(2, 8, 10), start + SECOND).unwrap();
    assert_eq!(send(&mut registry, start + SECOND), Err(Excluded::Full));
    registry
        .take(0, report(3, 8, 10), start + 3 * SECOND)
        .unwrap();
    assert_eq!(send(&mut registry, start + 3 * SECOND), Err(Excluded::Full));
    let policy = Policy::default();
    // They have tickets, which may take that long.
    let settled = start + policy.hold + policy.report_way;
    for (sequence, before) in (4..).zip([2 * SECOND, SECOND]) {
        let now = settled.checked_sub(before).unwrap();
        registry.take(0, report(sequence, 8, 10), now).unwrap();
    }
    let before = settled.checked_sub(SECOND).unwrap();
    assert_eq!(send(&mut registry, before), Err(Excluded::Full));
    registry.take(0, report(6, 8, 10), settled).unwrap();
    assert_eq!(send(&mut registry, settled), Ok(0));
    assert_eq!(send(&mut registry, settled), Ok(0));
    assert_eq!(send(&mut registry, settled), Err(Excluded::Full));
}

#[test]
fn asking_takes_no_place() {
    let start = Instant::now();
    let mut registry = registry(&["a"], start);
    registry.take(0, report(1, 9, 10), start).unwrap();
    for _ in 0..3 {
        assert!(registry.ask(&Listener::somebody(), &live(), start).is_ok());
    }
    assert_eq!(send(&mut registry, start), Ok(0));
}

#[test]
fn an_older_report_of_the_same_run_is_refused_and_a_new_run_starts_over() {
    let now = Instant::now();
    let mut registry = registry(&["a"], now);
    registry.take(0, report(5, 0, 10), now).unwrap();
    for old in [4, 5] {
        let refused = registry.take(0, report(old, 0, 10), now);
        assert_eq!(refused, Err(Refusal::OldSequence { last: 5 }));
    }
    let mut second = report(1, 0, 10);
    second.run = "second".to_owned();
    assert!(!registry.take(0, second, now).unwrap().is_moved);
    assert_eq!(
        registry.take(0, report(6, 0, 10), now),
        Err(Refusal::FormerRun),
        "the replaced run does not take turns with the new one"
    );
}

#[test]
fn a_fixed_address_cannot_be_reported_away() {
    let now = Instant::now();
    let fixed = BaseUrl::parse("http://fixed.example").unwrap();
    let mut registration = registration("a");
    registration.url = Some(fixed.clone());
    let mut registry = with(vec![registration], STALE, now);
    assert_eq!(
        registry.take(0, report(1, 0, 10), now),
        Err(Refusal::OtherUrl {
            fixed: fixed.clone()
        })
    );
    let mut right = report(1, 0, 10);
    right.url = fixed;
    assert!(registry.take(0, right, now).unwrap().is_moved);
}

#[test]
fn the_operator_knows_best_where_a_relay_is_then_the_relay_then_the_database() {
    let place = |latitude| Place {
        latitude,
        longitude: 0.0,
    };
    let database = Spot {
        place: Some(place(3.0)),
        country: Country::parse("DE"),
        ..Spot::default()
    };
    let now = Instant::now();
    let spot = |fixed: Spot, reported: Option<Place>| {
        let mut registration = registration("a");
        registration.spot = fixed;
        let mut registry = with(vec![registration], STALE, now);
        let mut report = report(1, 0, 10);
        report.place = reported;
        let host = report.url.host().clone();
        registry.take(0, report, now).unwrap();
        registry.locate(0, &host, database);
        *registry.relays[0].spot()
    };
    let fixed = Spot {
        place: Some(place(1.0)),
        ..Spot::default()
    };
    assert_eq!(spot(fixed, Some(place(2.0))), fixed);
    let reported = spot(Spot::default(), Some(place(2.0)));
    assert_eq!(
        (reported.place, reported.country),
        (Some(place(2.0)), database.country)
    );
    assert_eq!(spot(Spot::default(), None), database);
    let everywhere = Spot {
        is_everywhere: true,
        ..Spot::default()
    };
    assert_eq!(spot(everywhere, Some(place(2.0))), everywhere);
}

#[test]
fn a_place_found_for_a_host_that_moved_is_ignored() {
    let now = Instant::now();
    let mut registry = registry(&["a"], now);
    registry.take(0, report(1, 0, 10), now).unwrap();
    let old_host = registry.hosts()[0].1.clone();
    let mut moved = report(2, 0, 10);
    moved.url = BaseUrl::parse("http://192.0.2.1:8000").unwrap();
    assert!(registry.take(0, moved, now).unwrap().is_moved);
    let spot = Spot {
        country: Country::parse("DE"),
        ..Spot::default()
    };
    registry.locate(0, &old_host, spot);
    assert!(registry.relays[0].spot().is_unknown());
}

#[test]
fn every_change_of_state_is_told_once() {
    let start = Instant::now();
    let mut registry = registry(&["a", "b"], start);
    assert_eq!(registry.changes(start), []);
    registry.take(0, report(1, 0, 1), start).unwrap();
    let told = |from, to| vec![("a".to_owned(), from, to)];
    assert_eq!(registry.changes(start), told(State::Unheard, State::Open));
    assert_eq!(registry.changes(start), []);
    send(&mut registry, start).unwrap();
    assert_eq!(registry.changes(start), [], "full is no news");
    assert_eq!(
        registry.changes(start + STALE),
        told(State::Open, State::Stale)
    );
}

/// 13 relays with 2,500 places, as in the first balancer of this kind, where 43 % of 2,000
/// listeners were turned away at the door while 1,400 places were free.
const CROWD_SLOTS: [u32; 13] = [1000, 500, 300, 200, 150, 100, 100, 50, 50, 20, 10, 10, 10];

/// Listeners that have been sent out and not arrived yet: when, and at which relay.
struct Crowd {
    on_the_way: Vec<(Instant, usize)>,
    present: [u32; 13],
    rejected: u32,
}

impl Crowd {
    fn arrive(&mut self, now: Instant) {
        self.on_the_way.retain(|(arrival, relay)| {
            if *arrival > now {
                return true;
            }
            if self.present[*relay] < CROWD_SLOTS[*relay] {
                self.present[*relay] += 1;
            } else {
                self.rejected += 1;
            }
            false
        });
    }
}

/// Sends `n` listeners within `during`, while relays report every `report_every`, each report
/// 200 ms old when it arrives. Gives how many were turned away at a relay and by us.
fn crowd(n: u32, during: Duration, report_every: Duration, seed: u64) -> (u32, u32) {
    let names: Vec<String> = (0..13).map(|n| format!("relay-{n}")).collect();
    let registrations = names.iter().map(|name| registration(name)).collect();
    let start = Instant::now();
    let mut registry = with(registrations, report_every * 3, start);
    let mut random = fastrand::Rng::with_seed(seed);
    let tick = Duration::from_millis(10);
    let mut crowd = Crowd {
        on_the_way: Vec::new(),
        present: [0; 13],
        rejected: 0,
    };
    let mut in_flight: Option<(Instant, [u32; 13])> = None;
    let (mut sequence, mut n_sent, mut unserved) = (0, 0, 0);
    let mut now = start;
    let mut next_report = start;
    while n_sent < n || !crowd.on_the_way.is_empty() {
        crowd.arrive(now);
        if now >= next_report {
            next_report += report_every;
            in_flight = Some((now + Duration::from_millis(200), crowd.present));
        }
        if let Some((_, counts)) = in_flight.take_if(|(arrival, _)| *arrival <= now) {
            sequence += 1;
            for (at, listeners) in counts.into_iter().enumerate() {
                let report = report(sequence, listeners, CROWD_SLOTS[at]);
                registry.take(at, report, now).unwrap();
            }
        }
        let due = (now - start).as_secs_f64() / during.as_secs_f64() * f64::from(n);
        while f64::from(n_sent) < due.min(f64::from(n)) {
            n_sent += 1;
            match send(&mut registry, now) {
                Ok(relay) => {
                    let delay = Duration::from_secs_f64(0.05 + 4.7 * random.f64().powi(6));
                    crowd.on_the_way.push((now + delay, relay));
                }
                Err(_) => unserved += 1,
            }
        }
        now += tick;
    }
    (crowd.rejected, unserved)
}

#[test]
fn two_thousand_listeners_in_a_minute_all_find_a_place_though_reports_are_old() {
    for seconds in [1, 10, 60] {
        let (rejected, unserved) = crowd(2_000, 60 * SECOND, seconds * SECOND, 1);
        // Before the first report, 200 ms after the start, there is nobody to send them to.
        assert_eq!(rejected, 0, "reports every {seconds} s");
        assert!(unserved <= 8, "reports every {seconds} s: {unserved}");
    }
}

#[test]
fn a_crowd_larger_than_all_places_fills_them_and_nobody_is_sent_in_vain() {
    for seed in 0..5 {
        let (rejected, unserved) = crowd(3_000, 20 * SECOND, SECOND, seed);
        assert_eq!(rejected, 0, "seed {seed}");
        assert!(unserved >= 500, "seed {seed}: {unserved}");
    }
}

#[test]
fn where_there_are_other_balancers_no_more_are_sent_than_the_relay_lends() {
    let start = Instant::now();
    let mut registry = registry(&["a"], start);
    let run = registry.receipt(0).run;
    let mut sequence = 0;
    let mut take = |registry: &mut Registry, listeners, lease: Lease, now| {
        sequence += 1;
        let report = CheckedReport {
            lease: Some(lease),
            ..report(sequence, listeners, 1_000)
        };
        registry.take(0, report, now).unwrap();
    };
    let sent = |registry: &mut Registry, now| {
        (0..50)
            .take_while(|_| registry.send(&Listener::somebody(), &live(), now).is_ok())
            .count()
    };
    take(&mut registry, 10, Lease::default(), start);
    assert_eq!(sent(&mut registry, start), 0, "for nobody");
    let slots = 4;
    take(
        &mut registry,
        10,
        Lease {
            run: run + 1,
            slots,
        },
        start,
    );
    assert_eq!(sent(&mut registry, start), 0, "for a former run");
    take(&mut registry, 10, Lease { run, slots }, start);
    assert_eq!(sent(&mut registry, start), 4);
    assert_eq!(registry.receipt(0).open, 4);
    take(&mut registry, 12, Lease { run, slots: 6 }, start);
    assert_eq!(sent(&mut registry, start), 2, "four are on their way");
}
