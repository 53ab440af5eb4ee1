//! Who could serve a mount to the one who asks, the best one first. Pure.

use std::collections::BTreeMap;

use serde::Serialize;
use stream::mount::MountPath;

use crate::choice::Excluded;
use crate::explain::{Explanation, RANKED_MAX, RelayExplanation};
use crate::status::{RelayStatus, Status};

/// No more relays than this are listed of either kind.
const RELAYS_MAX: usize = RANKED_MAX;
/// So many stand in the head of an answer: whoever wants more reads the list.
const LINKS_MAX: usize = 3;

/// The answer of `/live.json`.
#[derive(Debug, Serialize)]
pub struct Ranking {
    /// What he asked about.
    pub mount: MountPath,
    /// The link that stays.
    pub link: String,
    /// Those that could take him, the first one first.
    pub relays: Vec<Ranked>,
    /// Those that could not.
    pub excluded: Vec<Out>,
}

/// A relay that could take him.
#[derive(Debug, Serialize)]
pub struct Ranked {
    /// Its name.
    pub name: String,
    /// The mount there.
    pub url: String,
    /// Its country, if anybody knows.
    pub country: Option<String>,
    /// How it comes to its place.
    pub reasons: RelayExplanation,
}

/// A relay that could not.
#[derive(Debug, Serialize)]
pub struct Out {
    /// Its name.
    pub name: String,
    /// Why.
    pub excluded: Vec<Excluded>,
}

impl Ranking {
    /// What comes of an explanation. `link` is the balancer's own.
    pub fn of(status: &Status, explanation: Explanation, link: String) -> Self {
        let Explanation { mount, relays, .. } = explanation;
        let mut ranking = Self {
            relays: Vec::new(),
            excluded: Vec::new(),
            link,
            mount,
        };
        let all: BTreeMap<_, _> = status.relays.iter().map(|it| (&it.name, it)).collect();
        for reasons in relays {
            if let Some(relay) = all.get(&reasons.name) {
                ranking.add(reasons, relay);
            }
        }
        let n_before = |ranked: &Ranked| ranked.reasons.n_before;
        ranking
            .relays
            .sort_by_key(|ranked| n_before(ranked).unwrap_or(usize::MAX));
        ranking.relays.truncate(RELAYS_MAX);
        ranking
    }

    fn add(&mut self, reasons: RelayExplanation, relay: &RelayStatus) {
        let name = relay.name.clone();
        match &relay.url {
            Some(url) if reasons.excluded.is_empty() => self.relays.push(Ranked {
                url: format!("{url}{}", self.mount),
                country: relay.place.and_then(|spot| spot.country).map(String::from),
                name,
                reasons,
            }),
            _ if self.excluded.len() < RELAYS_MAX => self.excluded.push(Out {
                name,
                excluded: reasons.excluded,
            }),
            _ => {}
        }
    }

    /// The addresses at the relays themselves, for devices that take no redirect.
    pub fn direct_links(&self) -> Vec<String> {
        let urls = self.relays.iter().map(|relay| relay.url.clone());
        urls.take(LINKS_MAX).collect()
    }

    /// The same as the value of a `Link` header (RFC 6249 §3), empty if there are none.
    pub fn link_header(&self) -> String {
        let links = (1..).zip(self.relays.iter().take(LINKS_MAX));
        let links = links.map(|(n, relay)| {
            let country = relay.country.iter().map(|it| it.to_ascii_lowercase());
            let geo: String = country.map(|it| format!("; geo={it}")).collect();
            format!("<{}>; rel=duplicate; pri={n}{geo}", relay.url)
        });
        links.collect::<Vec<_>>().join(", ")
    }
}
