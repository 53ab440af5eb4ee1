//! Who wins, and why the others do not.

use stream::report::Place;

use super::*;

/// One relay a line: name, distance, taken/slots, and what is special about it.
struct Relays(Vec<Line>);

struct Line {
    name: String,
    spot: Spot,
    taken: u64,
    slots: u32,
    special: Vec<String>,
}

impl Relays {
    fn parse(text: &str) -> Self {
        let line = |line: &str| {
            let mut words = line.split_whitespace().map(str::to_owned);
            let name = words.next().unwrap();
            let spot = north_by(&words.next().unwrap());
            let places = words.next().unwrap();
            let (taken, slots) = places.split_once('/').unwrap();
            Line {
                name,
                spot,
                taken: taken.parse().unwrap(),
                slots: slots.parse().unwrap(),
                special: words.collect(),
            }
        };
        Self(text.lines().map(line).collect())
    }

    fn candidates<'a>(&'a self, http: &'a BaseUrl, https: &'a BaseUrl) -> Vec<Candidate<'a>> {
        let lines = self.0.iter();
        lines.map(|line| line.candidate(http, https)).collect()
    }
}

impl Line {
    fn candidate<'a>(&'a self, http: &'a BaseUrl, https: &'a BaseUrl) -> Candidate<'a> {
        let is = |word: &str| self.special.iter().any(|special| special == word);
        Candidate {
            name: &self.name,
            url: Some(if is("https") { https } else { http }),
            is_fresh: !is("stale"),
            is_draining: is("draining"),
            carries: match (is("nomount"), is("silent")) {
                (true, _) => Carries::No,
                (_, true) => Carries::Silent,
                _ => Carries::OnAir,
            },
            slots: self.slots,
            taken: self.taken,
            spot: &self.spot,
        }
    }
}

/// `30km`: so far north of the place where the test's listener is. `?`: unknown.
fn north_by(text: &str) -> Spot {
    let place = text.strip_suffix("km").map(|km| Place {
        latitude: km.parse::<f64>().unwrap() / 111.195,
        longitude: 0.0,
    });
    Spot {
        place,
        country: None,
    }
}

fn answer<T>(relays: &str, listener: &Listener, read: impl Fn(&Choice, &[Candidate]) -> T) -> T {
    let http = BaseUrl::parse("http://relay.example").unwrap();
    let https = BaseUrl::parse("https://relay.example").unwrap();
    let relays = Relays::parse(relays);
    let candidates = relays.candidates(&http, &https);
    read(&choose(listener, &candidates), &candidates)
}

fn listener(at: &str) -> Listener {
    Listener {
        scheme: Scheme::Http,
        spot: north_by(at),
        key: 7,
        sent_back_by: Vec::new(),
    }
}

fn name(choice: &Choice, candidates: &[Candidate]) -> Option<String> {
    choice.chosen.map(|at| candidates[at].name.to_owned())
}

fn check(relays: &str, at: &str, expected: &str) {
    let chosen = answer(relays, &listener(at), name).unwrap_or_else(|| "nobody".to_owned());
    assert_eq!(chosen, expected, "{relays}");
}

#[test]
fn the_nearest_relay_with_a_free_place_wins() {
    check(
        "berlin 30km 0/10\nparis 900km 0/10\ntokyo 9000km 0/10",
        "0km",
        "berlin",
    );
    check(
        "berlin 30km 10/10\nparis 900km 9/10\ntokyo 9000km 0/10",
        "0km",
        "paris",
    );
    check(
        "berlin 30km 11/10\nparis 900km 10/10\ntokyo 9000km 9/10",
        "0km",
        "tokyo",
    );
}

#[test]
fn among_those_about_as_near_the_emptier_one_wins() {
    check("berlin 30km 5/10\nleipzig 120km 400/1000", "0km", "leipzig");
    check("berlin 30km 5/10\nfar 131km 0/1000", "0km", "berlin");
    check("lyon 400km 9/10\nparis 590km 1/10", "0km", "paris");
    check("lyon 400km 9/10\noslo 610km 1/10", "0km", "lyon");
}

#[test]
fn it_is_the_share_that_counts_and_not_the_number() {
    check("big 10km 600/1000\nsmall 10km 3/10", "0km", "small");
}

#[test]
fn without_a_place_only_the_load_decides() {
    check("a 30km 5/10\nb 9000km 4/10", "?", "b");
    check("a ? 5/10\nb ? 4/10", "0km", "b");
    check("a ? 5/10\nb ? 4/10", "?", "b");
}

#[test]
fn a_relay_of_unknown_place_competes_with_the_nearest_ones() {
    check(
        "near 10km 5/10\nunknown ? 4/10\nfar 900km 0/10",
        "0km",
        "unknown",
    );
    check(
        "near 10km 4/10\nunknown ? 5/10\nfar 900km 0/10",
        "0km",
        "near",
    );
    check(
        "near 10km 10/10\nunknown ? 10/10\nfar 900km 0/10",
        "0km",
        "far",
    );
}

#[test]
fn a_relay_that_cannot_take_anybody_never_wins() {
    for special in ["stale", "draining", "silent", "nomount", "https"] {
        check(
            &format!("near 10km 0/10 {special}\nfar 9000km 9/10"),
            "0km",
            "far",
        );
        check(&format!("only 10km 0/10 {special}"), "0km", "nobody");
    }
    check("none 10km 0/0", "0km", "nobody");
    check("full 10km 10/10", "0km", "nobody");
}

#[test]
fn a_full_relay_far_away_does_not_stretch_what_is_near() {
    check(
        "here 1000km 10/10\nnext 2000km 5/10\nbeyond 3100km 0/10",
        "0km",
        "next",
    );
}

#[test]
fn a_listener_over_https_goes_to_https_only() {
    let over_https = Listener {
        scheme: Scheme::Https,
        ..listener("0km")
    };
    let relays = "plain 10km 0/10\nsafe 900km 9/10 https";
    assert_eq!(answer(relays, &over_https, name).as_deref(), Some("safe"));
    let miss = answer("plain 10km 0/10", &over_https, |choice, _| {
        choice.closest_miss()
    });
    assert_eq!(miss, Some(Excluded::WrongScheme));
}

#[test]
fn a_listener_who_was_sent_back_is_not_sent_there_again() {
    let sent_back = Listener {
        sent_back_by: vec![BaseUrl::parse("http://relay.example/").unwrap()],
        ..listener("0km")
    };
    let miss = answer("full 10km 0/10", &sent_back, |choice, _| {
        choice.closest_miss()
    });
    assert_eq!(miss, Some(Excluded::SentBack));
}

#[test]
fn every_exclusion_has_its_reason_and_the_closest_miss_is_the_one_told() {
    let relays = "a 1km 0/9 stale\nb 1km 0/9 nomount\nc 1km 0/9 silent\n\
                  d 1km 0/9 draining\ne 1km 0/9 https\nf 1km 9/9";
    let (reasons, miss) = answer(relays, &listener("0km"), |choice, _| {
        let reasons: Vec<_> = choice.verdicts.iter().map(|v| v.excluded).collect();
        (reasons, choice.closest_miss())
    });
    use Excluded::{Draining, Full, NoMount, NotOnAir, Stale, WrongScheme};
    let expected = [Stale, NoMount, NotOnAir, Draining, WrongScheme, Full].map(Some);
    assert_eq!(reasons, expected);
    assert_eq!(miss, Some(Full));
}

#[test]
fn no_relays_at_all_is_nobody_and_no_miss() {
    let choice = choose(&listener("0km"), &[]);
    assert_eq!((choice.chosen, choice.closest_miss()), (None, None));
}

#[test]
fn equals_share_the_networks_and_each_network_stays_where_it_is() {
    let relays = "a 10km 1/10\nb 10km 1/10\nc 10km 1/10";
    let of = |key| {
        let listener = Listener {
            key,
            ..listener("0km")
        };
        answer(relays, &listener, name).unwrap()
    };
    let all: Vec<String> = (0..300).map(of).collect();
    for relay in ["a", "b", "c"] {
        let n = all.iter().filter(|chosen| *chosen == relay).count();
        assert!((60..=140).contains(&n), "{relay}: {n} of 300");
    }
    assert_eq!(all, (0..300).map(of).collect::<Vec<_>>());
}

#[test]
fn a_relay_that_leaves_moves_only_its_own_networks() {
    for key in 0..100 {
        let listener = Listener {
            key,
            ..listener("0km")
        };
        let three = answer("a 1km 1/10\nb 1km 1/10\nc 1km 1/10", &listener, name).unwrap();
        let two = answer("a 1km 1/10\nb 1km 1/10", &listener, name).unwrap();
        assert!(three == "c" || three == two, "{key}: {three} then {two}");
    }
}
