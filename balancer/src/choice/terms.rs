//! Each summand of a choice, in kilometres. Pure.

use serde::Serialize;

use super::asker::{Family, Listener};
use super::columns::{Columns, Known, Site};
use super::pairs::Row;
use super::policy::Policy;

/// The Earth's mean radius.
pub(super) const EARTH_RADIUS_KM: f32 = 6_371.0;

/// What speaks for and against sending a listener to a relay. The smallest sum wins.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Terms {
    /// How far it is, but at least what databases err by; 0: nobody knows where he is.
    pub distance_km: f32,
    /// How dear its next slot is.
    pub price_km: f32,
    /// Another country, or the operator's word on the two.
    pub country_km: f32,
    /// Negative: the same autonomous system or prefix.
    pub network_km: f32,
    /// He would have to change from IPv6 to IPv4.
    pub family_km: f32,
    /// Listeners came back from there.
    pub health_km: f32,
    /// Negative: what the operator gives it.
    pub bias_km: f32,
}

impl Terms {
    /// The sum.
    pub fn total_km(&self) -> f32 {
        let merits = self.health_km + self.bias_km;
        self.distance_km
            + self.price_km
            + self.country_km
            + self.network_km
            + self.family_km
            + merits
    }
}

/// A listener, ready to be compared with thousands of relays.
#[derive(Debug)]
pub(super) struct Asker<'a> {
    pub(super) site: Site,
    pub(super) prefers_v6: bool,
    pub(super) pairs: Option<&'a Row>,
    pub(super) policy: &'a Policy,
}

impl<'a> Asker<'a> {
    pub(super) fn new(listener: &Listener, policy: &'a Policy) -> Self {
        let site = Site::of(&listener.spot);
        Self {
            site,
            prefers_v6: matches!(listener.family, Family::PrefersV6),
            pairs: policy.pairs.row(site.country),
            policy,
        }
    }

    /// The distance that counts.
    fn distance_km(&self, relay: &Site) -> f32 {
        let km = match (self.site.known, relay.known) {
            (Known::Nothing, _) => return 0.0,
            (_, Known::Everywhere) => 0.0,
            (_, Known::Nothing) => self.policy.unknown_km,
            (Known::Point, Known::Point) => between_km(self.site.at, relay.at),
            _ if self.site.country != 0 && self.site.country == relay.country => 0.0,
            _ => between_km(self.site.at, relay.at),
        };
        km.max(self.policy.near_km)
    }

    /// Infinite: the operator does not want it.
    fn country_km(&self, relay: &Site) -> f32 {
        if let Some(km) = self.pairs.and_then(|row| row.get(&relay.country)) {
            return *km;
        }
        let is_everywhere = relay.known == Known::Everywhere;
        if is_everywhere || self.site.country == 0 || self.site.country == relay.country {
            0.0
        } else if relay.continent == 0 || self.site.continent == relay.continent {
            self.policy.neighbour_km
        } else {
            self.policy.abroad_km
        }
    }

    fn network_km(&self, relay: &Site) -> f32 {
        if self.site.prefix != 0 && self.site.prefix == relay.prefix {
            -self.policy.same_prefix_km
        } else if self.site.system != 0 && self.site.system == relay.system {
            -self.policy.same_system_km
        } else {
            0.0
        }
    }

    /// The most that can be taken off for the same network.
    pub(super) fn network_km_max(&self) -> f32 {
        let of = |number: u64, km: f32| if number == 0 { 0.0 } else { km };
        let prefix = of(self.site.prefix, self.policy.same_prefix_km);
        let system = of(self.site.system.into(), self.policy.same_system_km);
        prefix.max(system).max(0.0)
    }

    /// The terms of a relay.
    pub(super) fn terms(&self, columns: &Columns, at: usize) -> Terms {
        let relay = &columns.sites[at];
        let is_far = self.prefers_v6 && !columns.offers[at].has_v6();
        Terms {
            distance_km: self.distance_km(relay),
            price_km: columns.price_km[at],
            country_km: self.country_km(relay),
            network_km: self.network_km(relay),
            family_km: if is_far {
                self.policy.other_family_km
            } else {
                0.0
            },
            health_km: columns.health_km[at],
            bias_km: -columns.bias_km[at],
        }
    }
}

/// How far apart two points on the unit sphere are.
fn between_km(here: [f32; 3], there: [f32; 3]) -> f32 {
    let [x, y, z] = [here[0] - there[0], here[1] - there[1], here[2] - there[2]];
    2.0 * EARTH_RADIUS_KM * arcsine((x * x + y * y + z * z).sqrt() * 0.5)
}

/// Of 0 to 1, exact to 2·10⁻⁸ (Abramowitz and Stegun 4.4.46), and faster than the library's.
fn arcsine(x: f32) -> f32 {
    const A: [f32; 8] = [
        std::f32::consts::FRAC_PI_2,
        -0.214_598_8,
        0.088_978_99,
        -0.050_174_305,
        0.030_891_88,
        -0.017_088_126,
        0.006_670_09,
        -0.001_262_491_1,
    ];
    let x = x.min(1.0);
    let sum = A.iter().rev().fold(0.0, |sum, a| sum * x + a);
    std::f32::consts::FRAC_PI_2 - (1.0 - x).sqrt() * sum
}
