//! The map of relays: dots over the outline of the world, the larger the more places. Pure.

use std::collections::BTreeMap;
use std::fmt::Write;

use super::{escaped, files, load_class};
use crate::centroids;
use crate::language::Language;
use crate::place::Spot;
use crate::status::RelayStatus;

/// More dots than this nobody can tell apart; the largest are shown.
const DOTS_MAX: usize = 300;
/// So many names stand at one dot.
const NAMES_MAX: usize = 10;
/// Units a degree, and what is shown: as `tests/browser/world.mjs` draws the outline.
const UNITS: f64 = 5.0;
const VIEW: &str = "-900 -420 1800 710";
/// Radius of the smallest and of the largest dot.
const RADIUS: [f64; 2] = [20.0, 60.0];

/// Relays within the same degree.
#[derive(Debug, Default)]
struct Dot<'a> {
    names: Vec<&'a str>,
    n_relays: usize,
    listeners: u64,
    slots: u64,
    /// Places that somebody who comes now could get.
    free: u64,
}

/// The map of all relays whose place is known; empty if none is.
pub(super) fn write(html: &mut String, relays: &[RelayStatus], language: Language) {
    let dots = dots(relays);
    if dots.is_empty() {
        return;
    }
    let _ = write!(
        html,
        "<figure>\n<div class=\"map\"><img src=\"{}world.svg\" alt=\"\" width=\"1800\" height=\"710\">\n\
         <svg viewBox=\"{VIEW}\" aria-hidden=\"true\">\n",
        *files::FOLDER
    );
    for ((latitude, longitude), dot) in &dots {
        write_dot(html, *latitude, *longitude, dot);
    }
    let _ = writeln!(
        html,
        "</svg></div>\n<figcaption>{} <b class=\"few\">● {}</b> <b class=\"many\">● {}</b> \
         <b class=\"none\">● {}</b></figcaption>\n</figure>",
        escaped(language.word("map")),
        escaped(language.word("few")),
        escaped(language.word("many")),
        escaped(language.word("none")),
    );
}

type Places<'a> = Vec<((i32, i32), Dot<'a>)>;

/// The largest dots, the smaller ones last, so that they lie on top.
fn dots(relays: &[RelayStatus]) -> Places<'_> {
    let mut found: BTreeMap<(i32, i32), Dot> = BTreeMap::new();
    for relay in relays.iter().filter(|relay| relay.fresh) {
        let Some((latitude, longitude)) = relay.place.as_ref().and_then(degrees) else {
            continue;
        };
        let dot = found.entry((latitude, longitude)).or_default();
        dot.n_relays += 1;
        if dot.names.len() < NAMES_MAX {
            dot.names.push(&relay.name);
        }
        dot.listeners += u64::from(relay.listeners);
        dot.slots += u64::from(relay.slots);
        dot.free += relay.free;
    }
    let mut dots: Vec<_> = found.into_iter().collect();
    dots.sort_by_key(|(_, dot)| std::cmp::Reverse(dot.slots));
    dots.truncate(DOTS_MAX);
    dots
}

/// The degree in which a relay stands, or the middle of its country.
#[expect(clippy::cast_possible_truncation, reason = "degrees are below 181")]
fn degrees(spot: &Spot) -> Option<(i32, i32)> {
    let middle = || centroids::middle(spot.country?.letters());
    let place = spot.place.or_else(middle)?;
    Some((
        place.latitude.round() as i32,
        place.longitude.round() as i32,
    ))
}

fn write_dot(html: &mut String, latitude: i32, longitude: i32, dot: &Dot) {
    let (x, y) = (f64::from(longitude) * UNITS, -f64::from(latitude) * UNITS);
    let [least, most] = RADIUS;
    let radius = (least + share_root(dot.slots)).min(most);
    let more = match dot.n_relays - dot.names.len() {
        0 => String::new(),
        n => format!(" + {n}"),
    };
    let _ = writeln!(
        html,
        "<circle class=\"{}\" cx=\"{x:.0}\" cy=\"{y:.0}\" r=\"{radius:.0}\">\
         <title>{}{more}: {} / {}</title></circle>",
        load_class(dot.slots.saturating_sub(dot.free), dot.slots),
        escaped(&dot.names.join(", ")),
        dot.listeners,
        dot.slots,
    );
}

/// The area grows with the places.
#[expect(clippy::cast_precision_loss, reason = "it is a radius")]
fn share_root(slots: u64) -> f64 {
    (slots as f64).sqrt()
}
