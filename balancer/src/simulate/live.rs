//! Relays as they are: read from what a balancer's `/api/v1/status` says.

use std::path::Path;

use anyhow::{Context, Result, ensure};
use serde::Deserialize;
use stream::report::Place;

use super::scene::Site;
use crate::place::{Country, Spot, checked};

/// What is needed of the answer; all the rest may change.
#[derive(Deserialize)]
struct Status {
    relays: Vec<Relay>,
}

#[derive(Deserialize)]
struct Relay {
    name: String,
    slots: u32,
    #[serde(default)]
    listeners: u32,
    #[serde(default)]
    state: String,
    place: Option<Where>,
}

#[derive(Deserialize)]
struct Where {
    latitude: Option<f64>,
    longitude: Option<f64>,
    country: Option<Country>,
}

/// States of relays that nobody is sent to.
const CLOSED: [&str; 3] = ["silent", "draining", "never heard of"];

/// Reads a file.
///
/// # Errors
/// When it is not such an answer, or no relay in it takes listeners.
pub(crate) fn read(file: &Path) -> Result<Vec<Site>> {
    let text =
        std::fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
    let status: Status = serde_json::from_str(&text).with_context(|| {
        format!(
            "{} is not what a balancer's /api/v1/status says",
            file.display()
        )
    })?;
    let relays = status.relays.into_iter();
    let open = relays.filter(|relay| relay.slots > 0 && !CLOSED.contains(&relay.state.as_str()));
    let sites: Vec<_> = open.map(site).collect();
    ensure!(
        !sites.is_empty(),
        "no relay in {} takes listeners",
        file.display()
    );
    Ok(sites)
}

fn site(relay: Relay) -> Site {
    let spot = relay.place.map_or_else(Spot::default, |place| Spot {
        place: place.point(),
        country: place.country,
        ..Spot::default()
    });
    Site {
        name: relay.name,
        spot,
        slots: relay.slots,
        taken: relay.listeners.min(relay.slots),
        is_black_hole: false,
        turns_black: None,
        is_proved: true,
    }
}

impl Where {
    fn point(&self) -> Option<Place> {
        let place = Place {
            latitude: self.latitude?,
            longitude: self.longitude?,
        };
        checked(place).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Result<Vec<Site>> {
        let file = tempfile::NamedTempFile::new()?;
        std::fs::write(file.path(), text)?;
        read(file.path())
    }

    #[test]
    fn only_relays_that_take_listeners_are_kept() {
        let sites = of(r#"{"version": "9", "relays": [
            {"name": "a", "state": "open", "slots": 10, "listeners": 3, "new": 1,
             "place": {"latitude": 52.5, "longitude": 13.4, "country": "DE"}},
            {"name": "b", "state": "draining", "slots": 10, "listeners": 3, "place": null},
            {"name": "c", "state": "full", "slots": 10, "listeners": 12, "place": {"country": "US"}},
            {"name": "d", "state": "open", "slots": 0, "listeners": 0, "place": null}]}"#)
        .unwrap();
        let names: Vec<_> = sites.iter().map(|site| site.name.as_str()).collect();
        assert_eq!(names, ["a", "c"]);
        assert_eq!((sites[0].taken, sites[1].taken), (3, 10));
        assert_eq!(sites[0].spot.place.unwrap().latitude, 52.5);
        assert!(sites[1].spot.place.is_none());
    }

    #[test]
    fn anything_else_is_refused_with_its_name() {
        for text in ["", "[]", "{\"relays\": 1}", "{\"relays\": []}"] {
            let refused = format!("{:#}", of(text).unwrap_err());
            assert!(
                refused.contains("/tmp/") || refused.contains("tmp"),
                "{refused}"
            );
        }
    }
}
