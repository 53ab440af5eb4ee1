//! What happens, moment after moment: people ask, go, and are let in or not. Pure but for the
//! clock that measures how long a choice takes.
//!
//! Time is made up: a minute of it passes as fast as it can be worked out.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::rc::Rc;
use std::time::{Duration, Instant};

use fastrand::Rng;

use super::ground::Ground;
use super::outcome::{FAR_KM, Load, Outcome};
use super::policy::{Asker, Kind, News, Policy, Sent};
use super::scene::{Arrival, Scene, way};

/// News of a relay take this long.
const NEWS_DELAY: Duration = Duration::from_millis(200);
/// Nobody is sent back more often: some players follow for ever.
const BOUNCES_MAX: usize = 2;

/// A balancer without a free slot looks again after this, …
const LOOK_AGAIN: Duration = Duration::from_millis(250);
/// … and turns somebody away after this.
const HOLD_MAX: Duration = Duration::from_secs(8);

/// How it is run.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Terms {
    pub(crate) kind: Kind,
    /// Relays say something once in this time.
    pub(crate) interval: Duration,
    /// Balancers, each with a part of the listeners.
    pub(crate) n_balancers: usize,
    pub(crate) seed: u64,
}

struct World<'a> {
    scene: &'a Scene,
    ground: Rc<Ground>,
    balancers: Vec<Box<dyn Policy>>,
    relays: Vec<Relay>,
    events: BinaryHeap<Reverse<(Duration, u64, Event)>>,
    n_events: u64,
    /// Free slots at relays that let people in.
    n_free: u64,
    interval: Duration,
    chance: Rng,
    outcome: Outcome,
    thinking: Duration,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
struct Relay {
    n_listeners: u32,
    n_news: u64,
    n_direct: u64,
    n_bounced: u64,
    /// By balancer.
    admitted: Vec<Vec<u32>>,
}

/// What a relay sees when it looks at itself.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Look {
    relay: usize,
    state: Relay,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Event {
    /// All relays look at themselves.
    Look,
    /// What one saw arrives.
    News(Look),
    /// Somebody asks a balancer.
    Ask(Person),
    /// Somebody is at a relay's door.
    Knock(Person, usize, u32),
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Person {
    who: usize,
    balancer: usize,
    sent_back_by: Vec<(usize, u32)>,
    /// Since when he waits for a balancer's answer.
    since: Option<Duration>,
}

/// Lets a scene happen. `step` is told how many listeners have asked, now and then.
pub(crate) fn run(
    scene: &Scene,
    ground: &Rc<Ground>,
    terms: Terms,
    step: &mut dyn FnMut(usize),
) -> Outcome {
    let make = |at: usize| {
        let seed = terms.seed.wrapping_add(at as u64);
        terms
            .kind
            .make(scene, ground, terms.interval, (seed, at as u32 + 1))
    };
    let relay = |n_listeners: u32| Relay {
        n_listeners,
        n_news: 0,
        n_direct: 0,
        n_bounced: 0,
        admitted: vec![Vec::new(); terms.n_balancers],
    };
    let open = scene.relays.iter().filter(|relay| !relay.is_black_hole);
    let mut world = World {
        scene,
        ground: Rc::clone(ground),
        balancers: (0..terms.n_balancers).map(make).collect(),
        relays: scene.relays.iter().map(|site| relay(site.taken)).collect(),
        events: BinaryHeap::new(),
        n_events: 0,
        n_free: open
            .map(|site| u64::from(site.slots.saturating_sub(site.taken)))
            .sum(),
        interval: terms.interval,
        chance: Rng::with_seed(terms.seed ^ 0x5eed),
        outcome: Outcome {
            badly_served: vec![0; scene.spots.len()],
            ..Outcome::default()
        },
        thinking: Duration::ZERO,
    };
    world.look(Duration::ZERO, Duration::ZERO);
    for (who, arrival) in scene.arrivals.iter().enumerate() {
        world.until(arrival.at);
        world.arrive(who, arrival);
        if who.is_multiple_of(1000) {
            step(who);
        }
    }
    world.until(Duration::MAX);
    world.outcome()
}

impl World<'_> {
    fn plan(&mut self, at: Duration, event: Event) {
        self.n_events += 1;
        self.events.push(Reverse((at, self.n_events, event)));
    }

    /// All that happens before `moment`.
    fn until(&mut self, moment: Duration) {
        while let Some(Reverse((at, ..))) = self.events.peek()
            && *at < moment
        {
            if let Some(Reverse((now, _, event))) = self.events.pop() {
                self.happen(now, event);
            }
        }
    }

    fn happen(&mut self, now: Duration, event: Event) {
        match event {
            Event::Look => self.look(now, NEWS_DELAY),
            Event::News(look) => self.tell(now, look),
            Event::Ask(person) => self.ask(now, person),
            Event::Knock(person, relay, serial) => self.knock(now, person, relay, serial),
        }
    }

    /// All relays say how they stand, and will do so again as long as people come.
    fn look(&mut self, now: Duration, delay: Duration) {
        for relay in 0..self.relays.len() {
            let state = &mut self.relays[relay];
            state.n_news += 1;
            let look = Look {
                relay,
                state: state.clone(),
            };
            state.admitted.iter_mut().for_each(Vec::clear);
            let news = Event::News(look);
            match delay {
                Duration::ZERO => self.happen(now, news),
                delay => self.plan(now + delay, news),
            }
        }
        if now + self.interval <= self.scene.span {
            self.plan(now + self.interval, Event::Look);
        }
    }

    /// The balancers hear what a relay saw.
    fn tell(&mut self, now: Duration, Look { relay, state }: Look) {
        for (balancer, admitted) in self.balancers.iter_mut().zip(state.admitted) {
            let news = News {
                slots: self.scene.relays[relay].slots,
                listeners: state.n_listeners,
                admitted,
                n_direct: state.n_direct,
                n_bounced: state.n_bounced,
                sequence: state.n_news,
            };
            balancer.hear(relay, &news, now);
        }
    }

    fn arrive(&mut self, who: usize, arrival: &Arrival) {
        let person = Person {
            who,
            balancer: self.chance.usize(..self.balancers.len()),
            sent_back_by: Vec::new(),
            since: None,
        };
        match arrival.direct {
            None => {
                self.outcome.n_asked += 1;
                self.ask(arrival.at, person);
            }
            Some(relay) => {
                self.outcome.n_direct += 1;
                self.walk_in(relay);
            }
        }
    }

    /// Somebody who asked nobody.
    fn walk_in(&mut self, relay: usize) {
        let site = &self.scene.relays[relay];
        let state = &mut self.relays[relay];
        if site.is_black_hole || state.n_listeners >= site.slots {
            self.outcome.n_direct_rejected += 1;
            return;
        }
        state.n_listeners += 1;
        state.n_direct += 1;
        self.n_free -= 1;
    }

    fn ask(&mut self, now: Duration, mut person: Person) {
        let arrival = &self.scene.arrivals[person.who];
        let asker = Asker {
            spot: arrival.spot,
            key: arrival.key,
            sent_back_by: &person.sent_back_by,
        };
        let started = Instant::now();
        let sent = self.balancers[person.balancer].send(&asker, now);
        self.thinking += started.elapsed();
        self.outcome.n_choices += 1;
        let Some(Sent { relay, serial }) = sent else {
            let since = *person.since.get_or_insert(now);
            let is_patient = self.balancers[person.balancer].is_holding();
            if is_patient && now < since + HOLD_MAX {
                return self.plan(now + LOOK_AGAIN, Event::Ask(person));
            }
            return self.reject(arrival.spot);
        };
        if let Some(since) = person.since.take() {
            self.outcome.n_held += 1;
            self.outcome.held_most = self.outcome.held_most.max((now - since).as_secs_f64());
        }
        match arrival.way {
            None => self.outcome.n_lost += 1,
            Some(first) if person.sent_back_by.is_empty() => {
                self.plan(now + first, Event::Knock(person, relay, serial));
            }
            Some(_) => {
                let again = way(&mut self.chance);
                self.plan(now + again, Event::Knock(person, relay, serial));
            }
        }
    }

    fn knock(&mut self, now: Duration, mut person: Person, relay: usize, serial: u32) {
        let site = &self.scene.relays[relay];
        if site.is_black_hole {
            self.outcome.n_swallowed += 1;
            return;
        }
        let state = &mut self.relays[relay];
        if state.n_listeners < site.slots {
            state.n_listeners += 1;
            state.admitted[person.balancer].push(serial);
            self.n_free -= 1;
            self.outcome.n_served += 1;
            let spot = self.scene.arrivals[person.who].spot;
            let km = self.ground.from(spot)[relay];
            self.outcome.km += f64::from(km);
            self.outcome.badly_served[spot] += u64::from(km > FAR_KM);
            return;
        }
        let is_bounced = self.balancers[person.balancer].is_bounced();
        if is_bounced && person.sent_back_by.len() < BOUNCES_MAX {
            self.outcome.n_bounces += 1;
            person.sent_back_by.push((relay, serial));
            self.relays[relay].n_bounced += 1;
            let again = way(&mut self.chance);
            return self.plan(now + again, Event::Ask(person));
        }
        self.reject(self.scene.arrivals[person.who].spot);
    }

    fn reject(&mut self, spot: usize) {
        self.outcome.badly_served[spot] += 1;
        self.outcome.n_rejected += 1;
        self.outcome.n_rejected_while_free += u64::from(self.n_free > 0);
    }

    fn outcome(mut self) -> Outcome {
        let relays = self.scene.relays.iter().zip(&self.relays);
        let load = relays.map(|(site, state)| Load {
            name: site.name.clone(),
            slots: site.slots,
            listeners: state.n_listeners,
        });
        self.outcome.loads = load.collect();
        let n_choices = self.outcome.n_choices.max(1) as f64;
        self.outcome.us_per_choice = self.thinking.as_secs_f64() * 1e6 / n_choices;
        self.outcome
    }
}
