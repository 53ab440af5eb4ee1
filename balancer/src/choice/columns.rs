//! What is known of all relays, one array for each thing. Pure.
//!
//! A choice looks at every relay. Side by side in memory, several are looked at by each
//! instruction.

use super::asker::{Family, Listener};
use super::continents;
use super::policy::Policy;
use super::reason::Gates;
use crate::base_url::Scheme;
use crate::place::{Country, Spot};

/// What a relay does with a mount.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Carries {
    /// It does not know the mount.
    #[default]
    No,
    /// It knows the mount but no sound arrives.
    Silent,
    /// A listener who comes now hears something.
    OnAir,
}

/// What a relay's address is good for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Offers(u8);

impl Offers {
    const HTTP: u8 = 1;
    const HTTPS: u8 = 2;
    const V4: u8 = 4;
    const V6: u8 = 8;
    const FAMILIES: u8 = Self::V4 | Self::V6;
    /// Of each family, so far to the left: it has such addresses, but probes got nothing over them.
    const DOWN: u8 = 2;

    /// An address with this scheme that resolves to these families.
    pub fn new(scheme: Scheme, has_v4: bool, has_v6: bool) -> Self {
        let scheme = Self::of_scheme(scheme);
        let v4 = if has_v4 { Self::V4 } else { 0 };
        let v6 = if has_v6 { Self::V6 } else { 0 };
        Self(scheme | v4 | v6)
    }

    /// The same, but nobody gets anything over IPv4, or over IPv6.
    #[must_use]
    pub fn with_down(self, v4: bool, v6: bool) -> Self {
        let v4 = if v4 { Self::V4 } else { 0 };
        let v6 = if v6 { Self::V6 } else { 0 };
        let down = self.0 & (v4 | v6);
        Self(self.0 & !down | down << Self::DOWN)
    }

    /// What a listener cannot do without.
    pub fn needed(listener: &Listener) -> Self {
        let family = match listener.family {
            Family::Any | Family::PrefersV6 => 0,
            Family::V4 => Self::V4,
            Family::V6 => Self::V6,
        };
        Self(Self::of_scheme(listener.scheme) | family)
    }

    /// Whether it has all of this.
    pub fn has(self, needed: Self) -> bool {
        self.0 & needed.0 == needed.0
    }

    /// Whether a family is needed that is there and down.
    pub(super) fn is_down_for(self, needed: Self) -> bool {
        self.0 & (needed.0 & Self::FAMILIES) << Self::DOWN != 0
    }

    pub(super) fn has_scheme(self, scheme: Scheme) -> bool {
        self.0 & Self::of_scheme(scheme) != 0
    }

    pub(super) fn has_v6(self) -> bool {
        self.0 & Self::V6 != 0
    }

    fn of_scheme(scheme: Scheme) -> u8 {
        match scheme {
            Scheme::Http => Self::HTTP,
            Scheme::Https => Self::HTTPS,
        }
    }
}

/// How well a place is known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Known {
    #[default]
    Nothing,
    /// The country; the point is its middle.
    Country,
    Point,
    /// It is near to everybody.
    Everywhere,
}

/// A spot, ready to be compared with thousands.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Site {
    pub(super) known: Known,
    /// On the unit sphere.
    pub(super) at: [f32; 3],
    /// 0: unknown.
    pub(super) country: u16,
    /// 0: unknown.
    pub(super) continent: u8,
    /// 0: unknown.
    pub(super) system: u32,
    /// 0: unknown.
    pub(super) prefix: u64,
}

impl Site {
    pub(super) fn of(spot: &Spot) -> Self {
        let known = match (spot.place, spot.middle()) {
            _ if spot.is_everywhere => Known::Everywhere,
            (Some(_), _) => Known::Point,
            (None, Some(_)) => Known::Country,
            (None, None) => Known::Nothing,
        };
        Self {
            known,
            at: spot.middle().map(on_sphere).unwrap_or_default(),
            country: spot.country.map_or(0, Country::index),
            continent: spot
                .country
                .and_then(continents::of)
                .map_or(0, |continent| continent as u8),
            system: spot.asn.unwrap_or(0),
            prefix: spot.prefix.unwrap_or(0),
        }
    }
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "a metre on the globe is all that is wanted"
)]
fn on_sphere(place: stream::report::Place) -> [f32; 3] {
    let (latitude, longitude) = (place.latitude.to_radians(), place.longitude.to_radians());
    [
        (latitude.cos() * longitude.cos()) as f32,
        (latitude.cos() * longitude.sin()) as f32,
        latitude.sin() as f32,
    ]
}

/// How a relay stands at the moment.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Load {
    /// Why it takes nobody.
    pub gates: Gates,
    /// Share of its usable slots that are taken or promised.
    pub utilisation: f32,
}

/// All relays.
#[derive(Debug, Default)]
pub struct Columns {
    pub(super) x: Vec<f32>,
    pub(super) y: Vec<f32>,
    pub(super) z: Vec<f32>,
    pub(super) sites: Vec<Site>,
    pub(super) offers: Vec<Offers>,
    pub(super) gates: Vec<Gates>,
    pub(super) utilisation: Vec<f32>,
    pub(super) price_km: Vec<f32>,
    pub(super) health_km: Vec<f32>,
    pub(super) bias_km: Vec<f32>,
    pub(super) names: Vec<u64>,
}

impl Columns {
    /// One more relay, of which nothing is known but its name.
    pub fn push(&mut self, name: &str) {
        self.x.push(0.0);
        self.y.push(0.0);
        self.z.push(0.0);
        self.sites.push(Site::default());
        self.offers.push(Offers::default());
        self.gates.push(Gates::default());
        self.utilisation.push(0.0);
        self.price_km.push(0.0);
        self.health_km.push(0.0);
        self.bias_km.push(0.0);
        self.names.push(hash(name));
    }

    /// How many.
    pub fn len(&self) -> usize {
        self.names.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.names.is_empty()
    }

    /// Another relay takes this place in the list.
    pub fn rename(&mut self, at: usize, name: &str) {
        self.names[at] = hash(name);
    }

    /// Where a relay is.
    pub fn set_spot(&mut self, at: usize, spot: &Spot) {
        let site = Site::of(spot);
        let is_point = site.known == Known::Point;
        // No number: how far away the others are is told by more than their points.
        [self.x[at], self.y[at], self.z[at]] = if is_point { site.at } else { [f32::NAN; 3] };
        self.sites[at] = site;
    }

    /// What its address is good for.
    pub fn set_offers(&mut self, at: usize, offers: Offers) {
        self.offers[at] = offers;
    }

    /// How it stands, and what scarcity adds to the price of its last slot.
    pub fn set_load(&mut self, at: usize, load: Load, scarcity_km: f32, policy: &Policy) {
        self.gates[at] = load.gates;
        self.utilisation[at] = load.utilisation;
        self.price_km[at] = policy.price_km(load.utilisation, scarcity_km);
    }

    /// What the operator gives it, and what listeners' complaints (0 to 1 of them) cost it.
    pub fn set_merits(&mut self, at: usize, bias_km: f32, illness: f32, policy: &Policy) {
        self.bias_km[at] = bias_km;
        self.health_km[at] = policy.ill_km * illness.clamp(0.0, 1.0);
    }

    /// Where a relay is on the unit sphere, if anybody knows.
    pub fn point(&self, at: usize) -> Option<[f32; 3]> {
        let is_known = self.sites[at].known == Known::Point;
        is_known.then(|| [self.x[at], self.y[at], self.z[at]])
    }

    /// Why it takes nobody.
    pub fn gates(&self, at: usize) -> Gates {
        self.gates[at]
    }
}

/// FNV-1a, because it must be the same in every version and on every machine.
fn hash(name: &str) -> u64 {
    name.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}
