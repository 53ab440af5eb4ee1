//! Who wins, and why the others do not.

use proptest::prelude::*;
use stream::report::Place;

use super::*;
use crate::base_url::Scheme;
use crate::place::{Country, Spot};

/// One relay a line: name, where it is, how full, and what is special about it.
struct Relays {
    names: Vec<String>,
    columns: Columns,
    carries: Vec<Carries>,
    policy: Policy,
}

impl Relays {
    fn parse(text: &str) -> Self {
        let mut relays = Self {
            names: Vec::new(),
            columns: Columns::default(),
            carries: Vec::new(),
            policy: Policy::default(),
        };
        for (at, line) in text.lines().enumerate() {
            let words: Vec<&str> = line.split_whitespace().collect();
            relays.columns.push(words[0]);
            relays.names.push(words[0].to_owned());
            relays.columns.set_spot(at, &spot(words[1]));
            let utilisation = words[2].strip_suffix('%').unwrap().parse::<f32>().unwrap() / 100.0;
            relays.put(at, utilisation, &words[3..]);
        }
        relays
    }

    fn put(&mut self, at: usize, utilisation: f32, special: &[&str]) {
        let is = |word: &str| special.contains(&word);
        let value = |key: &str| {
            let mut values = special.iter().filter_map(|word| word.strip_prefix(key));
            values.next().map_or(0.0, |value| value.parse().unwrap())
        };
        let gates = Gates::default()
            .with(Gate::Stale, is("stale"))
            .with(Gate::Draining, is("draining"))
            .with(Gate::Quarantined, is("quarantined"))
            .with(Gate::Full, is("full"));
        let load = Load { gates, utilisation };
        self.columns.set_load(at, load, 0.0, &self.policy);
        let scheme = if is("https") {
            Scheme::Https
        } else {
            Scheme::Http
        };
        let offers = Offers::new(scheme, !is("v6only"), is("v6") || is("v6only"));
        self.columns.set_offers(at, offers);
        self.columns
            .set_merits(at, value("bias="), value("ill="), &self.policy);
        self.carries.push(match (is("nomount"), is("silent")) {
            (true, _) => Carries::No,
            (_, true) => Carries::Silent,
            _ => Carries::OnAir,
        });
    }

    fn question<'a>(&'a self, listener: &'a Listener) -> Question<'a> {
        Question {
            listener,
            carries: &self.carries,
            excluded: &[],
        }
    }

    fn chosen(&self, listener: &Listener) -> Option<&str> {
        let question = self.question(listener);
        let at = question.choose(&self.columns, &self.policy, &mut Scratch::default())?;
        Some(&self.names[at])
    }
}

/// `30km`: so far north of the place where the test's listener is; `DE`: a country; `30km/DE`
/// both; `30km/DE/3320` an autonomous system, too; `?`: unknown.
fn spot(text: &str) -> Spot {
    let mut spot = Spot::default();
    for part in text.split('/') {
        if part == "everywhere" {
            spot.is_everywhere = true;
        } else if let Some(km) = part.strip_suffix("km") {
            spot.place = Some(Place {
                latitude: km.parse::<f64>().unwrap() / 111.195,
                longitude: 0.0,
            });
        } else if let Ok(number) = part.parse() {
            spot.asn = Some(number);
        } else {
            spot.country = Country::parse(part);
        }
    }
    spot
}

fn listener(at: &str) -> Listener {
    Listener {
        spot: spot(at),
        key: 7,
        ..Listener::somebody()
    }
}

#[track_caller]
fn check(relays: &str, at: &str, expected: &str) {
    let parsed = Relays::parse(relays);
    let chosen = parsed.chosen(&listener(at));
    assert_eq!(chosen.unwrap_or("nobody"), expected, "{relays}");
}

#[test]
fn the_nearest_relay_that_takes_listeners_wins() {
    let three = "berlin 30km 0%\nparis 900km 0%\ntokyo 9000km 0%";
    check(three, "0km", "berlin");
    for reason in [
        "full",
        "stale",
        "draining",
        "quarantined",
        "silent",
        "nomount",
        "https",
    ] {
        let without = three.replacen("0%", &format!("0% {reason}"), 1);
        check(&without, "0km", "paris");
    }
    check("berlin 30km 0% full", "0km", "nobody");
}

#[test]
fn a_relay_becomes_dear_as_it_fills_and_the_next_one_takes_over_before_it_is_full() {
    let mut chosen = Vec::new();
    for percent in 0..100 {
        let relays = format!("berlin 0km {percent}%\nparis 900km 10%");
        let relays = Relays::parse(&relays);
        chosen.push(relays.chosen(&listener("0km")).unwrap() == "berlin");
    }
    let n_berlin = chosen.iter().filter(|is_berlin| **is_berlin).count();
    assert!((60..90).contains(&n_berlin), "{n_berlin}");
    assert!(chosen.is_sorted_by(|a, b| a >= b), "it never turns back");
}

#[test]
fn databases_err_so_near_is_near_and_the_emptier_one_wins_there() {
    check("a 10km 40%\nb 90km 20%", "0km", "b");
    check("a 10km 20%\nb 90km 40%", "0km", "a");
}

#[test]
fn the_first_in_order_is_who_is_chosen_and_the_next_who_would_be_without_him() {
    let text = "a 10km 0%\nb 20km 0%\nc 90km 1%\nd 30km 30%\ne 900km 0%\nf 5km 0% full";
    let relays = Relays::parse(text);
    let mut first = [0; 6];
    for key in 0..300 {
        let listener = Listener {
            key,
            ..listener("0km")
        };
        let question = relays.question(&listener);
        let verdicts = question.verdicts(&relays.columns, &relays.policy);
        let order = in_order(&verdicts, &relays.policy, 10);
        let mut excluded = Vec::new();
        for at in &order {
            let question = Question {
                excluded: &excluded,
                ..question
            };
            let chosen = question.choose(&relays.columns, &relays.policy, &mut Scratch::default());
            assert_eq!(chosen, Some(*at), "{key}: {order:?}");
            excluded.push((*at, Excluded::NotReached));
        }
        assert_eq!(order.len(), 5, "the full one is none");
        assert_eq!(in_order(&verdicts, &relays.policy, 2), order[..2]);
        first[order[0]] += 1;
    }
    assert!(first[..3].iter().all(|n| *n > 50), "{first:?}");
}

#[test]
fn borders_count_and_continents_more() {
    check("fr 500km/FR 0%\nde 600km/DE 0%", "0km/DE", "de");
    check("fr 500km/FR 0%\nde 700km/DE 0%", "0km/DE", "fr");
    check("ma 500km/MA 0%\nfr 900km/FR 0%", "0km/ES", "fr");
    check("fr FR 0%\nde DE 0%\njp JP 0%", "DE", "de");
    check("us US 0%\njp JP 0%", "DE", "us");
}

#[test]
fn the_same_network_is_worth_a_detour() {
    check("near 300km 0%\nsame 450km//3320 0%", "0km//3320", "same");
    check("near 300km 0%\nsame 550km//3320 0%", "0km//3320", "near");
    check("near 300km 0%\nother 450km//1 0%", "0km//3320", "near");
}

#[test]
fn the_operator_has_the_last_word() {
    check("a 300km 0%\nb 500km 0% bias=300", "0km", "b");
    check("a 300km 0% bias=-300\nb 500km 0%", "0km", "b");
    let pairs = |text: &str| {
        let pair = |line: &str| {
            let words: Vec<&str> = line.split(' ').collect();
            Pair {
                listeners: Country::parse(words[0]).unwrap(),
                relays: Country::parse(words[1]).unwrap(),
                km: words[2].parse().ok(),
                deny: words[2] == "deny",
            }
        };
        let pairs: Vec<Pair> = text.lines().map(pair).collect();
        Pairs::new(&pairs)
    };
    let mut relays = Relays::parse("br 500km/BR 0%\nus 1500km/US 0%");
    let chile = listener("0km/CL");
    assert_eq!(relays.chosen(&chile), Some("br"));
    relays.policy.pairs = pairs("CL BR 2000\nBR CL 5");
    assert_eq!(relays.chosen(&chile), Some("us"));
    relays.policy.pairs = pairs("CL BR deny\nCL US deny");
    assert_eq!(relays.chosen(&chile), None);
    let question = relays.question(&chile);
    let miss = question.closest_miss(&relays.columns, &relays.policy);
    assert_eq!(miss, Some(Excluded::CountryDenied));
}

#[test]
fn a_relay_that_listeners_come_back_from_is_avoided_but_not_at_any_price() {
    check("a 10km 0% ill=0.5\nb 900km 0%", "0km", "b");
    check("a 10km 0% ill=0.5\nb 1500km 0%", "0km", "a");
}

#[test]
fn nobody_is_sent_where_he_cannot_reach() {
    let relays = Relays::parse("v4 10km 0%\nv6 500km 0% v6only\nboth 900km 0% v6");
    for (family, expected) in [
        (Family::Any, "v4"),
        (Family::V4, "v4"),
        (Family::V6, "v6"),
        (Family::PrefersV6, "v6"),
    ] {
        let listener = Listener {
            family,
            ..listener("0km")
        };
        assert_eq!(relays.chosen(&listener), Some(expected), "{family:?}");
    }
}

#[test]
fn a_relay_that_is_everywhere_is_near_to_everybody_and_behind_no_border() {
    check("any everywhere 0%\nfar 200km/DE 0%", "0km/DE", "any");
    check("any everywhere/US 0%\nfar 200km/DE 0%", "0km/DE", "any");
    check("any everywhere 20%\nhere 0km/DE 10%", "0km/DE", "here");
    check("any everywhere 0%\nfr FR 0%", "DE", "any");
    check("any everywhere 20%\nfar 9000km 10%", "?", "far");
    check("any everywhere 99%\nfar 900km/DE 0%", "0km/DE", "far");
}

#[test]
fn who_is_nowhere_goes_where_there_is_most_room() {
    check("a 10km/DE 30%\nb 9000km/JP 10%\nc ? 20%", "?", "b");
    // And a relay that is nowhere is neither the nearest nor the last.
    check("near 300km 0%\nnowhere ? 0%\nfar 3000km 0%", "0km", "near");
    check(
        "near 300km 90%\nnowhere ? 0%\nfar 3000km 0%",
        "0km",
        "nowhere",
    );
}

#[test]
fn the_same_network_gets_the_same_relay_and_all_together_all_of_them() {
    let text: Vec<String> = (0..10).map(|n| format!("relay-{n} 10km 2%")).collect();
    let relays = Relays::parse(&text.join("\n"));
    let fewer = Relays::parse(&text[1..].join("\n"));
    let mut n_of_first = 0;
    for key in 0..1_000 {
        let listener = Listener {
            key,
            ..listener("0km")
        };
        let chosen = relays.chosen(&listener).unwrap();
        assert_eq!(relays.chosen(&listener), Some(chosen));
        if chosen == "relay-0" {
            n_of_first += 1;
        } else {
            assert_eq!(fewer.chosen(&listener), Some(chosen), "he need not move");
        }
    }
    assert!((60..140).contains(&n_of_first), "{n_of_first}");
}

fn some_spot() -> impl Strategy<Value = Spot> {
    let country = prop_oneof![
        Just(None),
        "[DFJU][ERPS]".prop_map(|text| Country::parse(&text))
    ];
    let place = prop_oneof![
        Just(None),
        (-90.0..90.0, -180.0..180.0).prop_map(|(latitude, longitude)| Some(Place {
            latitude,
            longitude
        }))
    ];
    (
        place,
        country,
        prop::option::of(0_u32..3),
        prop::option::of(0_u64..3),
        prop::bool::weighted(0.1),
    )
        .prop_map(|(place, country, asn, prefix, is_everywhere)| Spot {
            place,
            country,
            asn,
            prefix,
            is_everywhere,
        })
}

proptest! {
    #[test]
    fn the_explanation_explains_the_choice(
        at in some_spot(),
        key in any::<u64>(),
        relays in prop::collection::vec((some_spot(), 0.0_f32..1.0, 0_u8..5, -500.0_f32..500.0), 0..100),
    ) {
        let mut all = Relays::parse("");
        for (n, (spot, utilisation, gate, bias)) in relays.iter().enumerate() {
            all.columns.push(&n.to_string());
            all.names.push(n.to_string());
            all.columns.set_spot(n, spot);
            let special = ["", "full", "silent", "v6", "https"][usize::from(*gate)];
            all.put(n, *utilisation, &[special, &format!("bias={bias}")]);
        }
        let listener = Listener { spot: at, key, ..listener("?") };
        let question = all.question(&listener);
        let chosen = question.choose(&all.columns, &all.policy, &mut Scratch::default());
        let verdicts = question.verdicts(&all.columns, &all.policy);
        let able = || verdicts.iter().filter(|verdict| verdict.excluded.is_empty());
        let least = able().map(|v| v.terms.total_km()).fold(f32::INFINITY, f32::min);
        match chosen {
            None => {
                prop_assert_eq!(able().count(), 0);
                let miss = question.closest_miss(&all.columns, &all.policy);
                let first = verdicts.iter().filter_map(|v| v.excluded.iter().min()).max();
                prop_assert_eq!(miss.as_ref(), first);
            }
            Some(at) => {
                prop_assert!(verdicts[at].excluded.is_empty());
                prop_assert!(verdicts[at].terms.total_km() <= least + all.policy.tie_km + 0.1);
                prop_assert!(verdicts[at].terms.total_km().is_finite());
            }
        }
    }

    #[test]
    fn distances_are_those_on_the_globe(
        here in (-90.0..90.0_f64, -180.0..180.0_f64),
        there in (-90.0..90.0_f64, -180.0..180.0_f64),
    ) {
        let spot = |(latitude, longitude)| Spot {
            place: Some(Place { latitude, longitude }),
            ..Spot::default()
        };
        let mut relays = Relays::parse("a ? 0%");
        relays.columns.set_spot(0, &spot(there));
        let listener = Listener { spot: spot(here), ..listener("?") };
        let verdicts = relays.question(&listener).verdicts(&relays.columns, &relays.policy);
        let exact = spot(here).distance_km(&spot(there)).unwrap().max(100.0);
        let error = (f64::from(verdicts[0].terms.distance_km) - exact).abs();
        prop_assert!(error < 0.2 + exact * 1e-4, "{error} km of {exact}");
    }
}
