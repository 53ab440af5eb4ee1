//! Where listeners are: the addresses of the world, in cells of two degrees. Chance comes in as an argument.
//!
//! Listeners of a cell are all in its middle, as far as a simulation can tell.

use fastrand::Rng;
use stream::report::Place;

use crate::place::{Country, Spot};

/// Made by whoever refreshes the embedded database; its first lines say from what.
const CELLS: &str = include_str!("people.txt");

/// A crowd to draw from.
#[derive(Clone, Debug)]
pub(crate) struct People {
    spots: Vec<Spot>,
    /// Of each spot: its own weight and those before it.
    sums: Vec<f64>,
}

/// A share of a crowd comes from one country.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Share {
    country: Country,
    percent: f64,
}

impl Share {
    /// `DE=85`: of a hundred listeners 85 are in Germany.
    ///
    /// # Errors
    /// When it is not that.
    pub fn parse(text: &str) -> Result<Self, String> {
        let complaint = || format!("`{text}` is not like DE=85, a country and a percentage");
        let (country, percent) = text.split_once('=').ok_or_else(complaint)?;
        let country = Country::parse(country).ok_or_else(complaint)?;
        let percent: f64 = percent.parse().map_err(|_| complaint())?;
        if !(0.0..=100.0).contains(&percent) {
            return Err(complaint());
        }
        Ok(Self { country, percent })
    }
}

impl People {
    /// All people with an address, but for `shares`, whose countries are as strong as they say.
    ///
    /// # Errors
    /// When the shares are more than everybody, or nobody lives in one.
    pub(crate) fn of_the_world(shares: &[Share]) -> Result<Self, String> {
        let cells = CELLS.lines().filter_map(cell);
        let (spots, weights): (Vec<_>, Vec<_>) = cells.unzip();
        let shared: f64 = shares.iter().map(|share| share.percent).sum();
        if shared > 100.0 {
            return Err(format!("the shares are {shared} % together"));
        }
        let of = |country: Option<Country>| -> f64 {
            let cells = spots.iter().zip(&weights);
            let own = cells.filter(|(spot, _)| spot.country == country);
            own.map(|(_, weight)| weight).sum()
        };
        let own: Vec<f64> = shares.iter().map(|share| of(Some(share.country))).collect();
        if let Some(at) = own.iter().position(|weight| *weight == 0.0) {
            return Err(format!("nobody is known to live in {}", shares[at].country));
        }
        let all: f64 = weights.iter().sum();
        let others = all - own.iter().sum::<f64>();
        let factor = |spot: &Spot| {
            let share = shares.iter().position(|s| Some(s.country) == spot.country);
            share.map_or((100.0 - shared) / others, |at| shares[at].percent / own[at])
        };
        let weighted = spots.iter().zip(&weights);
        let mut sum = 0.0;
        let sums = weighted.map(|(spot, weight)| {
            sum += weight * factor(spot);
            sum
        });
        let sums = sums.collect();
        Ok(Self { spots, sums })
    }

    /// Only those in some countries.
    pub(crate) fn of(countries: &[Country]) -> Self {
        let cells = CELLS.lines().filter_map(cell);
        let mut people = Self {
            spots: Vec::new(),
            sums: Vec::new(),
        };
        let mut sum = 0.0;
        for (spot, weight) in cells {
            if spot
                .country
                .is_some_and(|country| countries.contains(&country))
            {
                sum += weight;
                people.spots.push(spot);
                people.sums.push(sum);
            }
        }
        people
    }

    /// All spots there are.
    pub(crate) fn spots(&self) -> &[Spot] {
        &self.spots
    }

    /// One of them, by his spot's place in the list.
    pub(crate) fn draw(&self, chance: &mut Rng) -> usize {
        let all = self.sums.last().copied().unwrap_or_default();
        let point = chance.f64() * all;
        let at = self.sums.partition_point(|sum| *sum <= point);
        at.min(self.spots.len().saturating_sub(1))
    }
}

/// `DE 52.5 13.4 7511`
fn cell(line: &str) -> Option<(Spot, f64)> {
    let mut words = line.split_whitespace();
    let country = Country::parse(words.next()?)?;
    let mut number = || words.next()?.parse::<f64>().ok();
    let (latitude, longitude, weight) = (number()?, number()?, number()?);
    let place = Place {
        latitude,
        longitude,
    };
    let spot = Spot {
        place: Some(place),
        country: Some(country),
        ..Spot::default()
    };
    Some((spot, weight))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn share_of(people: &People, country: &str) -> f64 {
        let mut chance = Rng::with_seed(1);
        let country = Country::parse(country);
        let drawn = (0..100_000).map(|_| people.spots()[people.draw(&mut chance)].country);
        drawn.filter(|drawn| *drawn == country).count() as f64 / 1000.0
    }

    #[test]
    fn every_line_of_the_list_is_taken() {
        let lines = CELLS.lines().filter(|line| !line.starts_with('#'));
        assert_eq!(lines.count(), CELLS.lines().filter_map(cell).count());
    }

    #[test]
    fn a_country_is_as_strong_as_asked_for() {
        let shares = [
            Share::parse("DE=85").unwrap(),
            Share::parse("AT=5").unwrap(),
        ];
        let people = People::of_the_world(&shares).unwrap();
        for (country, percent) in [("DE", 85.0), ("AT", 5.0)] {
            let found = share_of(&people, country);
            assert!((found - percent).abs() < 0.5, "{country}: {found}");
        }
        let world = People::of_the_world(&[]).unwrap();
        assert!((30.0..50.0).contains(&share_of(&world, "US")));
    }

    #[test]
    fn shares_that_cannot_be_are_refused() {
        for text in ["", "DE", "DE=x", "DE=-1", "DE=101", "DEU=5", "DE=NaN"] {
            assert!(Share::parse(text).is_err(), "{text}");
        }
        let shares = |text: &str| [Share::parse(text).unwrap(), Share::parse("FR=60").unwrap()];
        assert!(People::of_the_world(&shares("DE=60")).is_err());
        assert!(People::of_the_world(&shares("QQ=6")).is_err());
    }
}
