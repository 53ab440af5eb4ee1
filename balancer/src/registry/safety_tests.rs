//! The proof in `reservations`, put to the test: whatever the delays, no relay is ever given more
//! listeners than it has slots.

use std::collections::BTreeSet;

use fastrand::Rng;
use stream::report::{Admitted, Arrivals};

use super::tests::{RUN, live, registration, report, with};
use super::*;
use crate::choice::Listener;

const STEP: Duration = Duration::from_millis(50);

/// A relay as it really is.
#[derive(Default)]
struct Real {
    slots: u32,
    present: u32,
    /// Tickets that came and were not told in a report that arrived.
    untold: Vec<u32>,
    seen: BTreeSet<u32>,
    sequence: u64,
    next_report: Duration,
}

/// A listener or a report on its way.
enum Coming {
    Listener {
        relay: usize,
        serial: u32,
    },
    Report {
        relay: usize,
        report: Box<CheckedReport>,
    },
}

struct World {
    registry: Registry,
    random: Rng,
    start: Instant,
    now: Duration,
    relays: Vec<Real>,
    coming: Vec<(Duration, Coming)>,
    is_named: bool,
    report_every_max: f64,
    n_sent: u32,
}

impl World {
    fn new(seed: u64, is_named: bool) -> Self {
        let mut random = Rng::with_seed(seed);
        let start = Instant::now();
        let relays: Vec<_> = (0..random.usize(1..5))
            .map(|_| Real {
                slots: random.u32(1..30),
                ..Real::default()
            })
            .collect();
        let names = (0..relays.len()).map(|n| registration(&n.to_string()));
        let never_stale = Duration::from_secs(100_000);
        Self {
            registry: with(names.collect(), never_stale, start),
            start,
            now: Duration::ZERO,
            relays,
            coming: Vec::new(),
            is_named,
            report_every_max: [0.3, 3.0, 30.0][random.usize(0..3)],
            n_sent: 0,
            random,
        }
    }

    fn run(mut self) -> u32 {
        let crowds = [0.02, 0.2, 0.9];
        let mut crowd = 0.2;
        for _ in 0..4_000 {
            self.now += STEP;
            if self.random.f64() < 0.005 {
                crowd = crowds[self.random.usize(0..3)];
            }
            self.arrive();
            for at in 0..self.relays.len() {
                self.leave_and_report(at);
            }
            if self.random.f64() < crowd {
                self.send();
            }
        }
        self.n_sent
    }

    fn send(&mut self) {
        // Some are the same player, and some only look like it.
        let caller = self.random.bool().then(|| self.random.u64(0..20));
        let listener = Listener {
            caller,
            key: self.random.u64(0..5),
            ..Listener::somebody()
        };
        let Ok(sent) = self
            .registry
            .send(&listener, &live(), self.start + self.now)
        else {
            return;
        };
        self.n_sent += 1;
        let policy = self.registry.policy();
        let longest = if self.is_named {
            policy.hold
        } else {
            policy.arrival
        };
        let delay = longest.mul_f64(self.random.f64().powi(3));
        if self.random.f64() < 0.9 {
            let relay = sent.relay;
            let serial = sent.ticket.unwrap().1.serial;
            self.coming
                .push((self.now + delay, Coming::Listener { relay, serial }));
        }
    }

    fn arrive(&mut self) {
        let now = self.now;
        let is_due = |(at, _): &mut (Duration, Coming)| *at <= now;
        let due: Vec<_> = self.coming.extract_if(.., is_due).collect();
        for (_, coming) in due {
            match coming {
                Coming::Listener { relay, serial } => {
                    let real = &mut self.relays[relay];
                    real.present += 1;
                    assert!(real.present <= real.slots, "relay {relay} is full");
                    if real.seen.insert(serial) {
                        real.untold.push(serial);
                    }
                }
                Coming::Report { relay, report } => {
                    let told = report.arrivals.clone();
                    let taken = self.registry.take(relay, *report, self.start + now);
                    if taken.is_ok() {
                        let told = told.into_iter().flat_map(|arrivals| arrivals.admitted);
                        let told: BTreeSet<u32> = told
                            .flat_map(|admitted| admitted.serials)
                            .map(|(first, _)| first)
                            .collect();
                        self.relays[relay]
                            .untold
                            .retain(|serial| !told.contains(serial));
                    }
                }
            }
        }
    }

    fn leave_and_report(&mut self, relay: usize) {
        let real = &mut self.relays[relay];
        if real.present > 0 && self.random.f64() < 0.02 {
            real.present -= 1;
        }
        if self.now < real.next_report {
            return;
        }
        let pause = Duration::from_secs_f64(self.random.f64() * self.report_every_max);
        real.next_report = self.now + pause;
        real.sequence += 1;
        let mut report = report(real.sequence, real.present, real.slots);
        report.arrivals = self.is_named.then(|| Arrivals {
            admitted: vec![Admitted {
                run: RUN,
                serials: real
                    .untold
                    .iter()
                    .map(|serial| (*serial, *serial))
                    .collect(),
            }],
            ..Arrivals::default()
        });
        let way = self.registry.policy().report_way.mul_f64(self.random.f64());
        if self.random.f64() < 0.8 {
            let report = Box::new(report);
            self.coming
                .push((self.now + way, Coming::Report { relay, report }));
        }
    }
}

#[test]
fn no_relay_that_names_arrivals_is_ever_given_more_listeners_than_slots() {
    let n_sent: u32 = (0..200).map(|seed| World::new(seed, true).run()).sum();
    assert!(n_sent > 10_000, "{n_sent}");
}

#[test]
fn no_relay_that_only_counts_is_ever_given_more_listeners_than_slots() {
    let n_sent: u32 = (0..200).map(|seed| World::new(seed, false).run()).sum();
    assert!(n_sent > 10_000, "{n_sent}");
}
