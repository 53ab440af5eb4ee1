//! How others choose, from what is known of their formulas. Chance comes in as an argument.
//!
//! None of them knows more than the relays' last news; all but one forget their own redirects.

use std::collections::VecDeque;
use std::rc::Rc;
use std::time::Duration;

use fastrand::Rng;
use stream::report::Receipt;

use super::ground::Ground;
use super::policy::{Asker, News, Policy, Sent};

/// A redirect may be missing in news this much younger than it.
const ARRIVAL: Duration = Duration::from_secs(5);
/// mirrorbits: mirrors this much farther than the nearest are as good as near.
const NEAR_FACTOR: f32 = 1.5;

/// What relays last said, and where they are.
#[derive(Debug)]
pub(crate) struct View {
    ground: Rc<Ground>,
    relays: Vec<Seen>,
    chance: Rng,
}

#[derive(Clone, Copy, Debug, Default)]
struct Seen {
    slots: u32,
    listeners: u32,
}

impl Seen {
    fn free(self) -> u32 {
        self.slots.saturating_sub(self.listeners)
    }

    fn used(self) -> f64 {
        f64::from(self.listeners) / f64::from(self.slots.max(1))
    }
}

impl View {
    /// Nothing was said yet.
    pub(crate) fn new(ground: Rc<Ground>, seed: u64) -> Self {
        Self {
            relays: vec![Seen::default(); ground.relays.len()],
            ground,
            chance: Rng::with_seed(seed),
        }
    }

    fn hear(&mut self, relay: usize, news: &News) {
        self.relays[relay] = Seen {
            slots: news.slots,
            listeners: news.listeners,
        };
    }

    /// Relays with a free slot, as far as they have said.
    fn open(&self) -> impl Iterator<Item = (usize, Seen)> {
        let all = self.relays.iter().copied().enumerate();
        all.filter(|(_, seen)| seen.free() > 0)
    }

    fn nearest(&self, spot: usize, is_open: impl Fn(usize) -> bool) -> Option<usize> {
        let km = self.ground.from(spot);
        let open = (0..km.len()).filter(|relay| is_open(*relay));
        open.min_by(|a, b| km[*a].total_cmp(&km[*b]))
    }

    /// One of them, each as often as it weighs.
    fn draw(&mut self, weights: &[f32]) -> Option<usize> {
        let all: f32 = weights.iter().sum();
        let mut point = self.chance.f32() * all;
        for (at, weight) in weights.iter().enumerate().filter(|(_, w)| **w > 0.0) {
            point -= weight;
            if point < 0.0 {
                return Some(at);
            }
        }
        weights.iter().position(|weight| *weight > 0.0)
    }
}

/// Of several the first one: the order of a database, or of a file.
fn first_max(relays: impl Iterator<Item = (usize, Seen)>, by: fn(Seen) -> f64) -> Option<usize> {
    let better = |best: Option<(usize, f64)>, (at, seen)| match best {
        Some((_, value)) if value >= by(seen) => best,
        _ => Some((at, by(seen))),
    };
    relays.fold(None, better).map(|(at, _)| at)
}

macro_rules! hears_only {
    ($choose:ident) => {
        fn hear(&mut self, relay: usize, news: &News, _: Duration) -> Option<Receipt> {
            self.0.hear(relay, news);
            None
        }

        fn send(&mut self, who: &Asker, _: Duration) -> Option<Sent> {
            let relay = self.$choose(who)?;
            Some(Sent { relay, serial: 0 })
        }
    };
}

/// django-icecast-balancer 0.1.4: mounts with `slots > 0` of the same country, `order_by('-slots')`;
/// without any, those of the world.
pub(crate) struct Django2011(pub(crate) View);

impl Django2011 {
    fn choose(&mut self, who: &Asker) -> Option<usize> {
        let view = &self.0;
        let country = view.ground.spots[who.spot].country;
        let same = |(relay, _): &(usize, Seen)| view.ground.relays[*relay].country == country;
        let free = |seen: Seen| f64::from(seen.free());
        first_max(view.open().filter(same), free).or_else(|| first_max(view.open(), free))
    }
}

impl Policy for Django2011 {
    hears_only!(choose);
}

/// mirrorbits, `http/selection.go`: load does not come in.
pub(crate) struct Mirrorbits(pub(crate) View);

impl Mirrorbits {
    fn choose(&mut self, who: &Asker) -> Option<usize> {
        let ground = &self.0.ground;
        let km = ground.from(who.spot);
        let country = ground.spots[who.spot].country;
        let farthest = km.iter().copied().fold(0.0, f32::max).trunc();
        let nearest = km.iter().copied().fold(f32::INFINITY, f32::min);
        let weights = km.iter().zip(&ground.relays).map(|(km, relay)| {
            let is_primary = country.is_some() && relay.country == country;
            let mut score = farthest - km + 1.0;
            if *km <= nearest * NEAR_FACTOR {
                let more = farthest - km;
                score += if is_primary { more / 2.0 } else { more };
            } else if is_primary {
                score += farthest - km * 5.0;
            }
            (score.max(1.0) - farthest).max(0.0)
        });
        let weights: Vec<f32> = weights.collect();
        self.0
            .draw(&weights)
            .or_else(|| self.0.nearest(who.spot, |_| true))
    }
}

impl Policy for Mirrorbits {
    hears_only!(choose);
}

/// Icecast-KH's slaves, or several addresses behind one name.
pub(crate) struct Random(pub(crate) View);

impl Random {
    fn choose(&mut self, _: &Asker) -> Option<usize> {
        let n_relays = self.0.relays.len();
        (n_relays > 0).then(|| self.0.chance.usize(..n_relays))
    }
}

impl Policy for Random {
    hears_only!(choose);
}

/// R-a-dio's balancer: the most of `1 - 2L / (L + Max)` is the one for all.
pub(crate) struct Radio(pub(crate) View);

impl Radio {
    fn choose(&mut self, _: &Asker) -> Option<usize> {
        let score = |seen: Seen| {
            let (listeners, most) = (f64::from(seen.listeners), f64::from(seen.slots));
            1.0 - 2.0 * listeners / (listeners + most).max(1.0)
        };
        first_max(self.0.relays.iter().copied().enumerate(), score)
    }
}

impl Policy for Radio {
    hears_only!(choose);
}

/// unclesamwk/icecast-balancer.
pub(crate) struct LeastListeners(pub(crate) View);

impl LeastListeners {
    fn choose(&mut self, _: &Asker) -> Option<usize> {
        let fewest = |seen: Seen| -f64::from(seen.listeners);
        first_max(self.0.relays.iter().copied().enumerate(), fewest)
    }
}

impl Policy for LeastListeners {
    hears_only!(choose);
}

/// Mitzenmacher's power of two choices, on old news.
pub(crate) struct TwoChoices(pub(crate) View);

impl TwoChoices {
    fn choose(&mut self, _: &Asker) -> Option<usize> {
        let n_relays = self.0.relays.len();
        let mut draw = || (n_relays > 0).then(|| self.0.chance.usize(..n_relays));
        let two = [draw()?, draw()?].map(|relay| (relay, self.0.relays[relay]));
        let open = two.into_iter().filter(|(_, seen)| seen.free() > 0);
        first_max(open, |seen| -seen.used())
    }
}

impl Policy for TwoChoices {
    hears_only!(choose);
}

/// At random, weighted.
pub(crate) struct Weighted(pub(crate) View);

impl Weighted {
    fn choose(&mut self, _: &Asker) -> Option<usize> {
        let weights: Vec<f32> = self
            .0
            .relays
            .iter()
            .map(|seen| seen.free() as f32)
            .collect();
        self.0.draw(&weights)
    }
}

impl Policy for Weighted {
    hears_only!(choose);
}

/// Distance, and only the last news.
pub(crate) struct Nearest(pub(crate) View);

impl Nearest {
    fn choose(&mut self, who: &Asker) -> Option<usize> {
        let view = &self.0;
        view.nearest(who.spot, |relay| view.relays[relay].free() > 0)
    }
}

impl Policy for Nearest {
    hears_only!(choose);
}

/// Distance, and an upper bound of listeners; no price.
pub(crate) struct NearestReserved {
    view: View,
    /// When each relay was last sent somebody.
    sent: Vec<VecDeque<Duration>>,
}

impl NearestReserved {
    /// Nobody was sent yet.
    pub(crate) fn new(view: View) -> Self {
        Self {
            sent: vec![VecDeque::new(); view.relays.len()],
            view,
        }
    }
}

impl Policy for NearestReserved {
    fn hear(&mut self, relay: usize, news: &News, now: Duration) -> Option<Receipt> {
        self.view.hear(relay, news);
        let sent = &mut self.sent[relay];
        while sent.front().is_some_and(|at| *at + ARRIVAL <= now) {
            sent.pop_front();
        }
        None
    }

    fn send(&mut self, who: &Asker, now: Duration) -> Option<Sent> {
        let is_open = |relay: usize| {
            let seen = self.view.relays[relay];
            (seen.listeners as usize + self.sent[relay].len()) < seen.slots as usize
        };
        let relay = self.view.nearest(who.spot, is_open)?;
        self.sent[relay].push_back(now);
        Some(Sent { relay, serial: 0 })
    }
}
