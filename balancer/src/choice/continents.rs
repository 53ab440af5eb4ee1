//! On which continent a country lies. Pure.

use std::sync::LazyLock;

use crate::place::Country;

/// A continent. Its number is 1 or more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Continent {
    /// With its islands.
    Africa = 1,
    /// With the islands around it.
    Antarctica,
    /// With Turkey and the Caucasus.
    Asia,
    /// With all of Russia.
    Europe,
    /// With Central America and the Caribbean.
    NorthAmerica,
    /// With Australia.
    Oceania,
    /// Without the Caribbean.
    SouthAmerica,
}

/// By the number of a country: every listener's is looked up.
static CONTINENTS: LazyLock<[Option<Continent>; Country::INDEX_MAX as usize + 1]> =
    LazyLock::new(|| {
        let mut continents = [None; Country::INDEX_MAX as usize + 1];
        for (continent, countries) in COUNTRIES {
            for country in countries.split_ascii_whitespace() {
                if let Some(country) = Country::parse(country) {
                    continents[usize::from(country.index())] = Some(continent);
                }
            }
        }
        continents
    });

/// The continent of a country.
pub fn of(country: Country) -> Option<Continent> {
    CONTINENTS[usize::from(country.index())]
}

/// ISO 3166-1 alpha-2 and XK.
const COUNTRIES: [(Continent, &str); 7] = [
    (
        Continent::Africa,
        "AO BF BI BJ BW CD CF CG CI CM CV DJ DZ EG EH ER ET GA GH GM GN GQ GW KE KM LR LS \
         LY MA MG ML MR MU MW MZ NA NE NG RE RW SC SD SH SL SN SO SS ST SZ TD TG TN TZ UG \
         YT ZA ZM ZW",
    ),
    (Continent::Antarctica, "AQ BV GS HM TF"),
    (
        Continent::Asia,
        "AE AF AM AZ BD BH BN BT CC CN CX GE HK ID IL IN IO IQ IR JO JP KG KH KP KR KW KZ \
         LA LB LK MM MN MO MV MY NP OM PH PK PS QA SA SG SY TH TJ TL TM TR TW UZ VN YE",
    ),
    (
        Continent::Europe,
        "AD AL AT AX BA BE BG BY CH CY CZ DE DK EE ES FI FO FR GB GG GI GR HR HU IE IM IS \
         IT JE LI LT LU LV MC MD ME MK MT NL NO PL PT RO RS RU SE SI SJ SK SM UA VA XK",
    ),
    (
        Continent::NorthAmerica,
        "AG AI AW BB BL BM BQ BS BZ CA CR CU CW DM DO GD GL GP GT HN HT JM KN KY LC MF MQ \
         MS MX NI PA PM PR SV SX TC TT US VC VG VI",
    ),
    (
        Continent::Oceania,
        "AS AU CK FJ FM GU KI MH MP NC NF NR NU NZ PF PG PN PW SB TK TO TV UM VU WF WS",
    ),
    (
        Continent::SouthAmerica,
        "AR BO BR CL CO EC FK GF GY PE PY SR UY VE",
    ),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::centroids;

    #[test]
    fn every_country_that_has_a_middle_has_one_continent() {
        let all: Vec<&str> = COUNTRIES
            .iter()
            .flat_map(|(_, countries)| countries.split(' '))
            .collect();
        for letters in &all {
            let n = all.iter().filter(|other| *other == letters).count();
            assert_eq!(n, 1, "{letters}");
            let letters: [u8; 2] = letters.as_bytes().try_into().unwrap();
            assert!(centroids::middle(letters).is_some(), "{letters:?}");
        }
        assert_eq!(all.len(), 250);
        for (country, continent) in [
            ("AD", Some(Continent::Europe)),
            ("CL", Some(Continent::SouthAmerica)),
            ("ZW", Some(Continent::Africa)),
            ("AA", None),
            ("ZZ", None),
        ] {
            assert_eq!(of(Country::parse(country).unwrap()), continent, "{country}");
        }
    }
}
