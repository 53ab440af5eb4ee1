//! A relay and balancers that know nothing of each other, in random weather: reports and answers
//! late or lost, listeners late or lost, balancers that start anew. Never one listener too many.

use super::*;

const STEP: Duration = Duration::from_millis(100);
/// The relay waits so long for an answer, and a report may be under way for longer.
const ANSWER_MAX: Duration = Duration::from_secs(3);

/// A redirect: its number, when it was issued, and when its listener comes, if ever.
type Redirect = (u64, Instant, Option<Instant>);

#[derive(Default)]
struct Balancer {
    run: u32,
    open: Vec<(u64, Instant)>,
    lease: Lease,
    taken: Option<(u64, Instant)>,
    /// No report gets through to it until then.
    cut: Option<Instant>,
}

/// A report on its way to a balancer.
struct Report {
    to: usize,
    sequence: u64,
    of: Instant,
    arrives: Option<Instant>,
    is_answer_lost: bool,
    lease: Lease,
    came: Vec<u64>,
    given_up: Instant,
}

struct World {
    random: fastrand::Rng,
    now: Instant,
    slots: u32,
    listeners: u32,
    leases: Leases,
    balancers: Vec<Balancer>,
    travelling: Vec<(u32, Redirect)>,
    came: Vec<u64>,
    reports: Vec<Report>,
    n_sent: u64,
    n_runs: u32,
    /// Of a hundred reports, answers and listeners so many are lost.
    lost: u32,
}

impl World {
    fn new(seed: u64, slots: u32, n_balancers: usize, lost: u32) -> Self {
        let now = Instant::now();
        let mut world = Self {
            random: fastrand::Rng::with_seed(seed),
            now,
            slots,
            listeners: 0,
            leases: Leases::new(n_balancers, now),
            balancers: Vec::new(),
            travelling: Vec::new(),
            came: Vec::new(),
            reports: Vec::new(),
            n_sent: 0,
            n_runs: 0,
            lost,
        };
        for _ in 0..n_balancers {
            let run = world.next_run();
            world.balancers.push(Balancer {
                run,
                ..Balancer::default()
            });
        }
        world
    }

    fn next_run(&mut self) -> u32 {
        self.n_runs += 1;
        self.n_runs
    }

    fn is_lost(&mut self) -> bool {
        self.random.u32(..100) < self.lost
    }

    fn report(&mut self, to: usize) {
        if self
            .reports
            .iter()
            .any(|r| r.to == to && r.given_up > self.now)
        {
            return;
        }
        let lease = self.leases.lend(to, self.slots, self.listeners, self.now);
        let delay = Duration::from_millis(match self.lost {
            0 => 10,
            _ if self.random.u32(..10) == 0 => self.random.u64(..9_900),
            _ => self.random.u64(..300),
        });
        let is_cut = self.balancers[to].cut.is_some_and(|until| self.now < until);
        let (is_report_lost, is_answer_lost) = (self.is_lost() || is_cut, self.is_lost());
        self.reports.push(Report {
            to,
            sequence: self.n_sent + 1,
            of: self.now,
            arrives: (!is_report_lost).then(|| self.now + delay),
            is_answer_lost,
            lease,
            came: self.came.clone(),
            given_up: self.now + ANSWER_MAX,
        });
        self.n_sent += 1;
    }

    fn deliver(&mut self) {
        let now = self.now;
        let (due, rest): (Vec<_>, Vec<_>) = std::mem::take(&mut self.reports)
            .into_iter()
            .partition(|report| report.arrives.is_some_and(|at| at <= now));
        self.reports = rest;
        self.reports
            .retain(|report| report.arrives.is_some() || report.given_up > now);
        for report in due {
            let balancer = &mut self.balancers[report.to];
            if balancer
                .taken
                .is_some_and(|(last, _)| last > report.sequence)
            {
                continue;
            }
            balancer.taken = Some((report.sequence, now));
            balancer.lease = report.lease;
            balancer.open.retain(|(number, issued)| {
                !report.came.contains(number) && *issued + TRAVEL_MAX >= report.of
            });
            let (run, n_open) = (balancer.run, balancer.open.len());
            let is_answered = !report.is_answer_lost && report.given_up > now;
            if is_answered {
                let n_open = u32::try_from(n_open).unwrap();
                self.leases.settle(report.to, run, n_open, now);
            }
        }
    }

    fn send(&mut self, at: usize) {
        let never_comes = self.is_lost();
        let late = Duration::from_millis(if self.lost == 0 {
            50
        } else {
            self.random.u64(..9_900)
        });
        let balancer = &mut self.balancers[at];
        let is_fresh = balancer
            .taken
            .is_some_and(|(_, at)| self.now - at < LEASE_LIFE);
        let room = if balancer.lease.run == balancer.run {
            balancer.lease.slots
        } else {
            0
        };
        if !is_fresh || balancer.open.len() >= usize::try_from(room).unwrap() {
            return;
        }
        let number = self.random.u64(..);
        balancer.open.push((number, self.now));
        let comes = (!never_comes).then(|| self.now + late);
        self.travelling
            .push((balancer.run, (number, self.now, comes)));
    }

    fn arrive(&mut self) {
        let now = self.now;
        let (come, rest): (Vec<_>, Vec<_>) = std::mem::take(&mut self.travelling)
            .into_iter()
            .partition(|(_, (_, _, comes))| comes.is_some_and(|at| at <= now));
        self.travelling = rest;
        for (run, (number, ..)) in come {
            self.listeners += 1;
            self.came.push(number);
            self.leases.came(run, now);
            assert!(
                self.listeners <= self.slots,
                "{} listeners on {} slots",
                self.listeners,
                self.slots
            );
        }
    }

    fn restart(&mut self, at: usize) {
        let run = self.next_run();
        self.balancers[at] = Balancer {
            run,
            ..Balancer::default()
        };
    }

    /// So many steps, in each of which every balancer tries to send so many.
    fn go(&mut self, n_steps: usize, n_each: usize, is_wild: bool) {
        self.go_in(n_steps, n_each, 1, is_wild);
    }

    /// The same, but only in one step of `rush` each.
    fn go_in(&mut self, n_steps: usize, n_each: usize, rush: u32, is_wild: bool) {
        for _ in 0..n_steps {
            self.now += STEP;
            self.arrive();
            self.deliver();
            for at in 0..self.balancers.len() {
                if self.random.u32(..5) == 0 {
                    self.report(at);
                }
                let is_rush = self.random.u32(..rush) == 0;
                for _ in 0..if is_rush { n_each } else { 0 } {
                    self.send(at);
                }
                if is_wild && self.random.u32(..200) == 0 {
                    self.restart(at);
                }
                if is_wild && self.random.u32(..300) == 0 {
                    let seconds = self.random.u64(5..60);
                    self.balancers[at].cut = Some(self.now + Duration::from_secs(seconds));
                }
            }
            if is_wild && self.random.u32(..4) == 0 {
                self.listeners -= self.random.u32(..=self.listeners / 4);
            }
            if is_wild && self.random.u32(..400) == 0 {
                // Everything stands still for a while.
                self.now += Duration::from_secs(self.random.u64(..20));
                self.arrive();
            }
        }
    }
}

#[test]
fn never_one_listener_too_many_in_any_weather() {
    for seed in 0..300 {
        let mut random = fastrand::Rng::with_seed(seed);
        let (slots, n_balancers) = (random.u32(1..60), random.usize(1..5));
        let lost = random.u32(..40);
        let (n_each, rush) = [(3, 1), (20, 20), (60, 100)][random.usize(..3)];
        World::new(seed, slots, n_balancers, lost).go_in(1_500, n_each, rush, true);
    }
}

#[test]
fn in_good_weather_every_slot_is_used_whoever_sends() {
    for n_balancers in 1..5 {
        let mut world = World::new(7, 50, n_balancers, 0);
        world.go(300, 1, false);
        assert_eq!(world.listeners, 50, "{n_balancers} balancers");
        // Only the last one has anybody to send.
        let mut world = World::new(8, 50, n_balancers, 0);
        for _ in 0..900 {
            world.go(1, 0, false);
            world.send(n_balancers - 1);
        }
        assert_eq!(world.listeners, 50, "one of {n_balancers} balancers");
    }
}

#[test]
fn the_slots_of_a_dead_balancer_come_back() {
    let mut world = World::new(9, 40, 2, 0);
    world.go(20, 0, false);
    assert!(world.balancers[1].lease.slots >= 15);
    // It is still reported to, in vain.
    let never = world.now + Duration::from_secs(3_600);
    world.balancers[1].cut = Some(never);
    for _ in 0..500 {
        world.go(1, 0, false);
        world.send(0);
    }
    assert_eq!(world.listeners, 40);
}

#[test]
fn a_balancer_that_started_anew_sends_nobody_before_it_has_a_lease_of_its_own() {
    let mut world = World::new(10, 40, 2, 0);
    world.go(100, 0, false);
    world.restart(0);
    let old = world.leases.lend(0, 40, 0, world.now);
    assert_ne!(old.run, world.balancers[0].run);
    let run = world.balancers[0].run;
    assert!(world.leases.settle(0, run, 0, world.now));
    let lease = world.leases.lend(0, 40, 0, world.now);
    assert_eq!(lease.run, run);
    assert_eq!(
        lease.slots, 0,
        "what the former run may have sent still counts"
    );
    let later = world.now + LEASE_GONE + Duration::from_secs(1);
    assert!(!world.leases.settle(0, run, 0, later));
    assert!(world.leases.lend(0, 40, 0, later).slots >= 19);
}

#[test]
fn a_balancer_that_claims_nonsense_costs_only_slots() {
    let now = Instant::now();
    let mut leases = Leases::new(2, now);
    leases.settle(0, 1, u32::MAX, now);
    leases.settle(1, 2, u32::MAX, now);
    assert!(leases.lend(0, 10, 0, now).slots <= 10);
    leases.came(99, now);
    leases.came(0, now);
    assert_eq!(leases.lend(1, 0, 10, now).slots, 0);
}

#[test]
fn a_balancer_that_wants_to_hear_seldom_is_lent_its_part_all_the_same() {
    let start = Instant::now();
    let mut leases = Leases::new(2, start);
    let both = [(0, 1), (1, 2)];
    for (at, run) in both {
        leases.settle(at, run, 0, start);
    }
    for n in 1..10 {
        let now = start + n * Duration::from_secs(10);
        for (at, run) in both {
            let lent = leases.lend(at, 40, 0, now).slots;
            assert_eq!(lent, 20, "balancer {at} after {n} reports");
            leases.settle(at, run, 0, now);
        }
    }
}
