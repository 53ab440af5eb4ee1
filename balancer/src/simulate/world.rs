//! What happens, moment after moment: people ask, go, and are let in or not. Pure but for the
//! clock that measures how long a choice takes.
//!
//! Time is made up: a minute of it passes as fast as it can be worked out.

use std::rc::Rc;
use std::time::{Duration, Instant};

use fastrand::Rng;
use stream::report::Receipt;

use super::agenda::Agenda;
use super::ground::Ground;
use super::outcome::{FAR_KM, Load, Outcome};
use super::policy::{Asker, Kind, News, Policy, Sent};
use super::relay::{Door, Relay, run_of};
use super::scene::{Arrival, Scene, way};

/// News of a relay take this long, and so does the answer.
const NEWS_DELAY: Duration = Duration::from_millis(200);
/// A balancer that could not use what it was lent hears again after this, as from real relays.
const NEWS_SOON: Duration = Duration::from_millis(200);
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
    agenda: Agenda<Event>,
    /// Free slots at relays that let people in.
    n_free: u64,
    interval: Duration,
    chance: Rng,
    outcome: Outcome,
    thinking: Duration,
}

/// What a relay tells all balancers, and how long that takes.
#[derive(Debug)]
struct Look {
    relay: usize,
    news: Vec<News>,
    delay: Duration,
}

#[derive(Debug)]
enum Event {
    /// All relays look at themselves.
    Look,
    /// One does, since a balancer could not use what it was lent.
    LookAgain(usize),
    /// What one saw arrives.
    News(Look),
    /// What the balancers say to that arrives.
    Answers(usize, Vec<Option<Receipt>>, Duration),
    /// A relay lets nobody in any more.
    TurnBlack(usize),
    /// Somebody asks a balancer.
    Ask(Person),
    /// Somebody is at a relay's door.
    Knock(Person, usize, u32),
}

#[derive(Debug)]
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
            .make(scene, ground, terms.interval, (seed, run_of(at)))
    };
    let is_lending = terms.n_balancers > 1 && terms.kind == Kind::Plenum;
    let began = Instant::now();
    let relays = scene.relays.iter();
    let relays = relays.map(|site| Relay::new(site, terms.n_balancers, is_lending, began));
    let relays: Vec<_> = relays.collect();
    let mut world = World {
        scene,
        ground: Rc::clone(ground),
        balancers: (0..terms.n_balancers).map(make).collect(),
        agenda: Agenda::new(),
        n_free: relays.iter().map(Relay::n_free).sum(),
        relays,
        interval: terms.interval,
        chance: Rng::with_seed(terms.seed ^ 0x5eed),
        outcome: Outcome {
            badly_served: vec![0; scene.spots.len()],
            ..Outcome::default()
        },
        thinking: Duration::ZERO,
    };
    for (relay, site) in scene.relays.iter().enumerate() {
        if let Some(moment) = site.turns_black {
            world.agenda.plan(moment, Event::TurnBlack(relay));
        }
    }
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
    /// All that happens before `moment`.
    fn until(&mut self, moment: Duration) {
        while let Some((now, event)) = self.agenda.next_before(moment) {
            match event {
                Event::Look => self.look(now, NEWS_DELAY),
                Event::LookAgain(relay) => self.look_at(now, relay, NEWS_DELAY),
                Event::News(look) => self.tell(now, look),
                Event::Answers(relay, receipts, delay) => self.answer(now, relay, &receipts, delay),
                Event::TurnBlack(relay) => {
                    self.n_free -= self.relays[relay].n_free();
                    self.relays[relay].turn_black();
                }
                Event::Ask(person) => self.ask(now, person),
                Event::Knock(person, relay, serial) => self.knock(now, person, relay, serial),
            }
        }
    }

    /// All relays say how they stand, and will do so again as long as people come.
    fn look(&mut self, now: Duration, delay: Duration) {
        for relay in 0..self.relays.len() {
            self.look_at(now, relay, delay);
        }
        if now + self.interval <= self.scene.span {
            self.agenda.plan(now + self.interval, Event::Look);
        }
    }

    fn look_at(&mut self, now: Duration, relay: usize, delay: Duration) {
        let news = self.relays[relay].news(now);
        let look = Look { relay, news, delay };
        if delay == Duration::ZERO {
            self.tell(now, look);
        } else {
            self.agenda.plan(now + delay, Event::News(look));
        }
    }

    /// The balancers hear what a relay saw.
    fn tell(&mut self, now: Duration, Look { relay, news, delay }: Look) {
        let balancers = self.balancers.iter_mut().zip(&news);
        let receipts = balancers.map(|(balancer, news)| balancer.hear(relay, news, now));
        let receipts: Vec<_> = receipts.collect();
        if delay == Duration::ZERO {
            self.answer(now, relay, &receipts, delay);
        } else if receipts.iter().any(Option::is_some) {
            let answers = Event::Answers(relay, receipts, delay);
            self.agenda.plan(now + delay, answers);
        }
    }

    /// A relay hears what the balancers say to its news.
    fn answer(
        &mut self,
        now: Duration,
        relay: usize,
        receipts: &[Option<Receipt>],
        delay: Duration,
    ) {
        if !self.relays[relay].settle(receipts, now) {
            return;
        }
        if delay == Duration::ZERO {
            self.look_at(now, relay, delay);
        } else {
            self.agenda.plan(now + NEWS_SOON, Event::LookAgain(relay));
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
        match self.relays[relay].walk_in() {
            Door::Seated => self.n_free -= 1,
            Door::Full | Door::Swallowed => self.outcome.n_direct_rejected += 1,
        }
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
                return self.agenda.plan(now + LOOK_AGAIN, Event::Ask(person));
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
                let knock = Event::Knock(person, relay, serial);
                self.agenda.plan(now + first, knock);
            }
            Some(_) => {
                let again = way(&mut self.chance);
                let knock = Event::Knock(person, relay, serial);
                self.agenda.plan(now + again, knock);
            }
        }
    }

    fn knock(&mut self, now: Duration, mut person: Person, relay: usize, serial: u32) {
        match self.relays[relay].knock(person.balancer, serial, now) {
            Door::Swallowed => self.outcome.n_swallowed += 1,
            Door::Seated => {
                self.n_free -= 1;
                self.outcome.n_served += 1;
                let spot = self.scene.arrivals[person.who].spot;
                let km = self.ground.from(spot)[relay];
                self.outcome.km += f64::from(km);
                self.outcome.badly_served[spot] += u64::from(km > FAR_KM);
            }
            Door::Full => {
                let is_bounced = self.balancers[person.balancer].is_bounced();
                if !is_bounced || person.sent_back_by.len() >= BOUNCES_MAX {
                    return self.reject(self.scene.arrivals[person.who].spot);
                }
                self.outcome.n_bounces += 1;
                person.sent_back_by.push((relay, serial));
                let again = way(&mut self.chance);
                self.agenda.plan(now + again, Event::Ask(person));
            }
        }
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
            listeners: state.n_listeners(),
        });
        self.outcome.loads = load.collect();
        let n_choices = self.outcome.n_choices.max(1) as f64;
        self.outcome.us_per_choice = self.thinking.as_secs_f64() * 1e6 / n_choices;
        self.outcome
    }
}
