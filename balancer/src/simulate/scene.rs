//! Who comes when, and which relays there are: all that is decided before anybody is sent
//! anywhere. Chance comes in as an argument.
//!
//! Every policy meets the same scene: the same people at the same moments with the same luck.

use std::time::Duration;

use fastrand::Rng;
use stream::report::Place;

use super::people::{People, Share};
use crate::place::{Country, Spot};

/// What is simulated.
#[derive(Clone, Debug)]
pub(crate) struct Scene {
    /// As it stands above tables.
    pub(crate) name: String,
    pub(crate) relays: Vec<Site>,
    /// Where listeners can be.
    pub(crate) spots: Vec<Spot>,
    /// In the order of time.
    pub(crate) arrivals: Vec<Arrival>,
    /// Everybody comes within this.
    pub(crate) span: Duration,
}

/// A relay before anybody comes.
#[derive(Clone, Debug)]
pub(crate) struct Site {
    pub(crate) name: String,
    pub(crate) spot: Spot,
    pub(crate) slots: u32,
    /// Listeners it has already.
    pub(crate) taken: u32,
    /// It says that all is well and lets nobody in.
    pub(crate) is_black_hole: bool,
    /// From this moment on it does so.
    pub(crate) turns_black: Option<Duration>,
    /// Somebody has seen that listeners get there.
    pub(crate) is_proved: bool,
}

/// A listener.
#[derive(Clone, Debug)]
pub(crate) struct Arrival {
    /// When, from the beginning.
    pub(crate) at: Duration,
    /// Where he is, by place in the list of spots.
    pub(crate) spot: usize,
    /// Names his network.
    pub(crate) key: u64,
    /// How long he takes from the redirect to the relay; `None`: he never gets there.
    pub(crate) way: Option<Duration>,
    /// The relay he goes to without asking anybody.
    pub(crate) direct: Option<usize>,
}

/// How many come, in which time, from where, and what is wrong with them or with relays.
#[derive(Clone, Debug)]
pub(crate) struct Crowd {
    pub(crate) n_listeners: usize,
    pub(crate) span: Duration,
    pub(crate) shares: Vec<Share>,
    /// The share of those who ask and never come.
    pub(crate) lost: f64,
    /// The share of those who go to a relay by themselves.
    pub(crate) direct: f64,
    /// The share of relays that let nobody in.
    pub(crate) black_holes: f64,
    /// The share of relays that let nobody in any more from the middle of the time on.
    pub(crate) black_later: f64,
    /// Nobody has tried the relays.
    pub(crate) is_unproved: bool,
}

/// The scenes that are built in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum BuiltIn {
    /// 13 relays with 2,500 slots; 2,000 listeners in a minute, most of them in Germany
    A,
    /// 300 relays with 60,044 slots all over the world; 50,000 listeners in five minutes
    B,
    /// 5,000 relays with 1,249,000 slots; a million listeners in ten minutes
    C,
}

/// So much of a listener's way is always needed, …
const WAY_MIN: Duration = Duration::from_millis(50);
/// … and this much more on average (exponential).
const WAY_MEAN_MORE: f64 = 0.4;
/// So many take 5 to 20 seconds.
const SLOW: f64 = 0.005;
/// What relays of volunteers have: many small ones, a few large ones.
const SIZES: [u32; 10] = [20, 50, 50, 100, 100, 100, 200, 200, 500, 1000];
/// Where half of all relays are hosted.
const HOSTERS: [&str; 10] = ["DE", "NL", "FR", "FI", "GB", "PL", "SE", "CH", "AT", "CZ"];
/// Who listens in scene A; one in a hundred is anywhere.
const NATIONAL: [&str; 6] = ["DE=85", "AT=4", "CH=4", "NL=2", "FR=2", "US=2"];
/// Scene A: slots, degrees north and east, country.
const SMALL: [(u32, f64, f64, &str); 13] = [
    (1000, 50.1, 8.7, "DE"),
    (500, 49.5, 11.1, "DE"),
    (300, 52.4, 4.9, "NL"),
    (200, 52.5, 13.4, "DE"),
    (150, 48.1, 11.6, "DE"),
    (100, 48.9, 2.4, "FR"),
    (75, 53.6, 10.0, "DE"),
    (50, 40.7, -74.0, "US"),
    (50, 50.9, 7.0, "DE"),
    (30, 51.3, 12.4, "DE"),
    (20, 48.8, 9.2, "DE"),
    (15, 51.0, 13.7, "DE"),
    (10, 52.4, 9.7, "DE"),
];

impl BuiltIn {
    /// Its listeners, if nothing else is asked for.
    pub(crate) fn crowd(self) -> Crowd {
        let (n_listeners, seconds) = match self {
            Self::A => (2_000, 60),
            Self::B => (50_000, 300),
            Self::C => (1_000_000, 600),
        };
        let national = NATIONAL
            .into_iter()
            .filter_map(|share| Share::parse(share).ok());
        Crowd {
            n_listeners,
            span: Duration::from_secs(seconds),
            shares: match self {
                Self::A => national.collect(),
                Self::B | Self::C => Vec::new(),
            },
            lost: 0.03,
            direct: 0.0,
            black_holes: 0.0,
            black_later: 0.0,
            is_unproved: false,
        }
    }

    /// Its relays.
    pub(crate) fn relays(self, chance: &mut Rng) -> Vec<Site> {
        match self {
            Self::A => SMALL.iter().enumerate().map(small).collect(),
            Self::B => volunteers(300, 60_044, chance),
            Self::C => volunteers(5_000, 1_249_000, chance),
        }
    }

    /// As it stands above tables.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::A => "A",
            Self::B => "B",
            Self::C => "C",
        }
    }
}

impl Scene {
    /// Draws the listeners.
    ///
    /// # Errors
    /// When the shares make no sense.
    pub(crate) fn draw(
        name: String,
        mut relays: Vec<Site>,
        crowd: &Crowd,
        chance: &mut Rng,
    ) -> Result<Self, String> {
        let people = People::of_the_world(&crowd.shares)?;
        for relay in &mut relays {
            relay.is_proved = !crowd.is_unproved;
        }
        let n_black_holes = (crowd.black_holes * relays.len() as f64).round() as usize;
        for at in chance.choose_multiple(0..relays.len(), n_black_holes) {
            relays[at].is_black_hole = true;
            relays[at].is_proved = false;
        }
        // Nothing is drawn where it is not asked for: the same seed stays the same crowd.
        if crowd.black_later > 0.0 {
            let n_later = (crowd.black_later * relays.len() as f64).round() as usize;
            for at in chance.choose_multiple(0..relays.len(), n_later) {
                relays[at].turns_black = Some(crowd.span / 2);
            }
        }
        let mut moments: Vec<_> = (0..crowd.n_listeners)
            .map(|_| crowd.span.mul_f64(chance.f64()))
            .collect();
        moments.sort_unstable();
        let arrivals = moments.into_iter().map(|at| Arrival {
            at,
            spot: people.draw(chance),
            key: chance.u64(..),
            way: (chance.f64() >= crowd.lost).then(|| way(chance)),
            direct: (chance.f64() < crowd.direct).then(|| by_slots(&relays, chance)),
        });
        Ok(Self {
            arrivals: arrivals.collect(),
            name,
            relays,
            spots: people.spots().to_vec(),
            span: crowd.span,
        })
    }
}

/// How long a listener takes from a redirect to a relay.
pub(crate) fn way(chance: &mut Rng) -> Duration {
    if chance.f64() < SLOW {
        return Duration::from_secs_f64(5.0 + 15.0 * chance.f64());
    }
    WAY_MIN + Duration::from_secs_f64(-WAY_MEAN_MORE * (1.0 - chance.f64()).ln())
}

fn by_slots(relays: &[Site], chance: &mut Rng) -> usize {
    let all: u64 = relays.iter().map(|relay| u64::from(relay.slots)).sum();
    let mut point = chance.u64(..all.max(1));
    for (at, relay) in relays.iter().enumerate() {
        let slots = u64::from(relay.slots);
        if point < slots {
            return at;
        }
        point -= slots;
    }
    0
}

fn small((at, (slots, latitude, longitude, country)): (usize, &(u32, f64, f64, &str))) -> Site {
    let place = Place {
        latitude: *latitude,
        longitude: *longitude,
    };
    site(at, place, Country::parse(country), *slots)
}

fn site(at: usize, place: Place, country: Option<Country>, slots: u32) -> Site {
    Site {
        name: format!("relay-{}", at + 1),
        spot: Spot {
            place: Some(place),
            country,
            ..Spot::default()
        },
        slots,
        taken: 0,
        is_black_hole: false,
        turns_black: None,
        is_proved: true,
    }
}

/// Half of them with European hosters, half wherever people are; so many slots together.
fn volunteers(n_relays: usize, n_slots: u32, chance: &mut Rng) -> Vec<Site> {
    let hosters = HOSTERS.into_iter().filter_map(Country::parse);
    let hosters = People::of(&hosters.collect::<Vec<_>>());
    // Without shares there is nothing to refuse.
    let world = People::of_the_world(&[]).unwrap_or_else(|_| hosters.clone());
    let mut relays: Vec<_> = (0..n_relays)
        .map(|at| {
            let people = if at % 2 == 0 { &hosters } else { &world };
            let spot = people.spots()[people.draw(chance)];
            let middle = spot.place.unwrap_or(Place {
                latitude: 0.0,
                longitude: 0.0,
            });
            let place = Place {
                latitude: (middle.latitude + chance.f64() - 0.5).clamp(-89.0, 89.0),
                longitude: (middle.longitude + chance.f64() - 0.5).clamp(-179.0, 179.0),
            };
            let size = SIZES[chance.usize(..SIZES.len())];
            site(at, place, spot.country, size)
        })
        .collect();
    scale(&mut relays, n_slots);
    relays
}

fn scale(relays: &mut [Site], n_slots: u32) {
    let drawn: f64 = relays.iter().map(|relay| f64::from(relay.slots)).sum();
    let (mut exact, mut given) = (0.0, 0);
    for relay in relays {
        exact += f64::from(relay.slots) * f64::from(n_slots) / drawn;
        let until = exact.round() as u32;
        relay.slots = until - given;
        given = until;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_scenes_have_the_slots_they_are_said_to_have() {
        for (scene, n_relays, n_slots) in [
            (BuiltIn::A, 13, 2_500),
            (BuiltIn::B, 300, 60_044),
            (BuiltIn::C, 5_000, 1_249_000),
        ] {
            let relays = scene.relays(&mut Rng::with_seed(1));
            assert_eq!(relays.len(), n_relays);
            assert_eq!(relays.iter().map(|relay| relay.slots).sum::<u32>(), n_slots);
            assert!(relays.iter().all(|relay| relay.slots > 0));
        }
    }

    #[test]
    fn a_seed_makes_the_same_scene_again_and_troubles_are_as_frequent_as_asked_for() {
        let crowd = Crowd {
            direct: 0.1,
            black_holes: 0.05,
            ..BuiltIn::B.crowd()
        };
        let draw = |seed| {
            let mut chance = Rng::with_seed(seed);
            let relays = BuiltIn::B.relays(&mut chance);
            Scene::draw("B".to_owned(), relays, &crowd, &mut chance).unwrap()
        };
        let (scene, again, other) = (draw(1), draw(1), draw(2));
        assert_eq!(
            format!("{:?}", scene.arrivals),
            format!("{:?}", again.arrivals)
        );
        assert_ne!(scene.arrivals[0].key, other.arrivals[0].key);
        let share = |is: fn(&Arrival) -> bool| {
            scene.arrivals.iter().filter(|arrival| is(arrival)).count() as f64 / 50_000.0
        };
        assert!((share(|a| a.way.is_none()) - 0.03).abs() < 0.005);
        assert!((share(|a| a.direct.is_some()) - 0.1).abs() < 0.01);
        assert!((share(|a| a.way.is_some_and(|way| way.as_secs() >= 5)) - 0.005).abs() < 0.002);
        let holes = scene.relays.iter().filter(|relay| relay.is_black_hole);
        assert_eq!(holes.count(), 15);
    }
}
