//! Where somebody is, and how far that is from somebody else. Pure.
//!
//! A spot may be a point, a country, both or nothing at all: databases differ.

use std::fmt;

use serde::{Deserialize, Serialize};
use stream::report::Place;

use crate::centroids;

/// The Earth's mean radius.
const EARTH_RADIUS_KM: f64 = 6_371.0;

/// A country by its two letters (ISO 3166-1 alpha-2), in capitals.
#[derive(Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(try_from = "String", into = "String")]
pub struct Country([u8; 2]);

impl Country {
    /// The greatest [`Country::index`].
    pub const INDEX_MAX: u16 = 26 * 26;

    /// Takes two letters.
    pub fn parse(text: &str) -> Option<Self> {
        let letters: [u8; 2] = text.as_bytes().try_into().ok()?;
        letters
            .iter()
            .all(u8::is_ascii_alphabetic)
            .then(|| Self(letters.map(|letter| letter.to_ascii_uppercase())))
    }

    /// A small number for it, from 1 on.
    pub fn index(self) -> u16 {
        let [a, b] = self.0.map(|letter| u16::from(letter - b'A'));
        1 + 26 * a + b
    }

    /// Whether there is such a country.
    pub fn is_known(self) -> bool {
        centroids::middle(self.0).is_some()
    }

    /// The two letters.
    pub fn letters(self) -> [u8; 2] {
        self.0
    }
}

impl TryFrom<String> for Country {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        Self::parse(&text).ok_or_else(|| "is not a country, write two letters such as DE".into())
    }
}

impl From<Country> for String {
    fn from(country: Country) -> Self {
        country.to_string()
    }
}

impl fmt::Display for Country {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b] = self.0.map(char::from);
        write!(f, "{a}{b}")
    }
}

impl fmt::Debug for Country {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Country({self})")
    }
}

/// What is known of where somebody is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Spot {
    /// The point, if it is known.
    #[serde(flatten)]
    pub place: Option<Place>,
    /// The country, if it is known.
    pub country: Option<Country>,
    /// The number of the autonomous system, if it is known.
    pub asn: Option<u32>,
    /// A number that addresses of one announced prefix share, if it is known. Shown to nobody.
    #[serde(skip)]
    pub prefix: Option<u64>,
    /// A relay with one address in many places (anycast): it is near to everybody.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub is_everywhere: bool,
}

/// Where a relay is that is in no single place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Location {
    /// Its address leads everybody to a place near him (anycast).
    Any,
}

impl Spot {
    /// What is known here, completed by `other` where nothing is.
    pub fn or(self, other: Self) -> Self {
        Self {
            place: self.place.or(other.place),
            country: self.country.or(other.country),
            asn: self.asn.or(other.asn),
            prefix: self.prefix.or(other.prefix),
            is_everywhere: self.is_everywhere || other.is_everywhere,
        }
    }

    /// Whether nothing is known.
    pub fn is_unknown(&self) -> bool {
        let is_nowhere = self.place.is_none() && self.country.is_none();
        is_nowhere && self.asn.is_none() && !self.is_everywhere
    }

    /// How far apart two spots are, in kilometres. `None`: nobody knows, also of what is everywhere.
    ///
    /// Where one of them is known by its country only, the same country is no distance and
    /// another one is as far as its middle.
    pub fn distance_km(&self, other: &Self) -> Option<f64> {
        if self.is_everywhere || other.is_everywhere {
            return None;
        }
        if let (Some(here), Some(there)) = (self.place, other.place) {
            return Some(haversine_km(here, there));
        }
        if self.country.is_some() && self.country == other.country {
            return Some(0.0);
        }
        Some(haversine_km(self.middle()?, other.middle()?))
    }

    /// The point, or the middle of the country.
    pub fn middle(&self) -> Option<Place> {
        self.place
            .or_else(|| centroids::middle(self.country?.letters()))
    }
}

/// A place that lies on the globe.
///
/// # Errors
/// Names the coordinate that does not.
pub fn checked(place: Place) -> Result<Place, String> {
    for (name, degrees, limit) in [
        ("latitude", place.latitude, 90.0),
        ("longitude", place.longitude, 180.0),
    ] {
        if !(degrees.is_finite() && degrees.abs() <= limit) {
            return Err(format!(
                "{name} is not between -{limit} and {limit} degrees"
            ));
        }
    }
    Ok(place)
}

fn haversine_km(from: Place, to: Place) -> f64 {
    let (latitude, longitude) = (
        (to.latitude - from.latitude).to_radians(),
        (to.longitude - from.longitude).to_radians(),
    );
    let cosines = from.latitude.to_radians().cos() * to.latitude.to_radians().cos();
    let h = (latitude / 2.0).sin().powi(2) + cosines * (longitude / 2.0).sin().powi(2);
    2.0 * EARTH_RADIUS_KM * h.clamp(0.0, 1.0).sqrt().asin()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spot(text: &str) -> Spot {
        let mut spot = Spot::default();
        for word in text.split_whitespace() {
            match word.split_once(',') {
                Some((latitude, longitude)) => {
                    spot.place = Some(Place {
                        latitude: latitude.parse().unwrap(),
                        longitude: longitude.parse().unwrap(),
                    });
                }
                None => spot.country = Country::parse(word),
            }
        }
        spot
    }

    fn check(here: &str, there: &str, km: Option<f64>) {
        let found = spot(here).distance_km(&spot(there));
        match (found, km) {
            (Some(found), Some(km)) => {
                assert!(
                    (found - km).abs() <= 1.0 + km * 0.02,
                    "{here} to {there}: {found}"
                );
            }
            _ => assert_eq!(found, km, "{here} to {there}"),
        }
    }

    #[test]
    fn points_are_as_far_apart_as_on_the_globe() {
        check("52.52,13.40", "48.86,2.35", Some(878.0));
        check("52.52,13.40", "35.68,139.69", Some(8_918.0));
        check("0,179.5", "0,-179.5", Some(111.0));
        check("90,0", "-90,0", Some(20_015.0));
    }

    #[test]
    fn the_same_country_is_near_and_a_neighbour_nearer_than_another_continent() {
        check("DE", "52.52,13.40 DE", Some(0.0));
        check("52.52,13.40 DE", "DE", Some(0.0));
        let far = |to: &str| spot("DE").distance_km(&spot(to)).unwrap();
        assert!(far("AT") < far("US"));
        assert!(far("48.86,2.35 FR") < far("35.68,139.69 JP"));
    }

    #[test]
    fn nothing_known_is_no_distance_at_all() {
        check("", "52.52,13.40", None);
        check("DE", "", None);
        check("QQ", "DE", None);
        let everywhere = Spot {
            is_everywhere: true,
            ..spot("DE")
        };
        assert_eq!(spot("DE").distance_km(&everywhere), None);
        let nothing_else = Spot {
            is_everywhere: true,
            ..Spot::default()
        };
        assert!(!everywhere.is_unknown() && !nothing_else.is_unknown());
        assert!(Spot::default().is_unknown());
    }

    #[test]
    fn only_places_on_the_globe_are_taken() {
        let place = |latitude, longitude| {
            checked(Place {
                latitude,
                longitude,
            })
        };
        assert!(place(90.0, -180.0).is_ok());
        assert!(place(90.1, 0.0).unwrap_err().contains("latitude"));
        assert!(place(0.0, f64::NAN).unwrap_err().contains("longitude"));
        assert!(place(f64::INFINITY, 0.0).is_err());
    }
}
