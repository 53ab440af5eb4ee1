//! This balancer in a simulation: the registry that serves real listeners, with made-up reports
//! and a made-up time.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use stream::mount::MountPath;
use stream::report::{Admitted, Arrivals, Receipt};
use stream::secret::Secret;
use stream::ticket::{Bounced, Ticket, TicketKey, Way};

use super::policy::{Asker, News, Policy, Sent};
use super::scene::{Scene, Site};
use crate::base_url::{BaseUrl, Scheme};
use crate::checked_report::{Carried, CheckedReport};
use crate::choice::{self, Family, Listener};
use crate::place::Spot;
use crate::registry::{Orders, Origin, Probe, Registration, Registry};
use crate::token::TokenDigest;

/// A relay that missed this many reports is left alone.
const MISSED_MAX: u32 = 3;
/// What everybody listens to.
const MOUNT: &str = "/live.ogg";
/// It begins at this Unix second, some time in 2026.
const SECOND: u32 = 1_790_000_000;

/// The registry with its surroundings.
#[derive(Debug)]
pub(crate) struct Ours {
    registry: Registry,
    spots: Vec<Spot>,
    relays: Vec<Known>,
    mount: Option<MountPath>,
    run: u32,
    began: Instant,
}

#[derive(Debug)]
struct Known {
    key: TicketKey,
    url: Option<BaseUrl>,
}

impl Ours {
    /// Nothing was reported yet. `run` tells several balancers apart.
    pub(crate) fn new(scene: &Scene, interval: Duration, run: u32) -> Self {
        let began = Instant::now();
        let token = |at: usize| Secret::given(format!("token of relay {at}"));
        let known = |(at, _): (usize, &Site)| Known {
            key: TicketKey::of(&token(at)),
            url: BaseUrl::parse(&format!("http://relay-{at}.example")).ok(),
        };
        let registration = |(at, site): (usize, &Site)| Registration {
            name: site.name.clone(),
            token: Some(TokenDigest::of(token(at).expose())),
            url: None,
            spot: site.spot,
            orders: Orders::default(),
        };
        let sites = || scene.relays.iter().enumerate();
        let origin = Origin {
            run,
            at: began,
            second: SECOND,
        };
        let mut registry = Registry::new(
            sites().map(registration).collect(),
            interval * MISSED_MAX,
            choice::Policy::default(),
            origin,
        );
        for (at, _) in sites().filter(|(_, site)| site.is_proved) {
            registry.probed(at, Probe::Good, began);
        }
        Self {
            registry,
            spots: scene.spots.clone(),
            relays: sites().map(known).collect(),
            mount: MountPath::parse(MOUNT).ok(),
            run,
            began,
        }
    }

    /// Whom he is not to be sent to, by the ticket with which the last relay sent him back.
    fn bounced(&mut self, who: &Asker, now: Instant) -> Bounced {
        let Some((relay, serial)) = who.sent_back_by.last() else {
            return Bounced::default();
        };
        let ids = who
            .sent_back_by
            .iter()
            .map(|(at, _)| self.relays[*at].key.relay());
        let bounced = ids.fold(Bounced::default(), |all, id| all.with(id).unwrap_or(all));
        let key = &self.relays[*relay].key;
        let ticket = Ticket {
            way: Way::Back,
            relay: key.relay(),
            run: self.run,
            serial: *serial,
            second: self.second(now),
            bounced,
        };
        let text = key.write(&ticket);
        self.registry.returned(&text, now)
    }

    fn second(&self, now: Instant) -> u32 {
        let later = now.saturating_duration_since(self.began).as_secs();
        SECOND + u32::try_from(later).unwrap_or(0)
    }
}

impl Policy for Ours {
    fn hear(&mut self, relay: usize, news: &News, now: Duration) -> Option<Receipt> {
        let url = self.relays[relay].url.clone()?;
        let carried = Carried {
            content_type: "application/ogg".to_owned(),
            is_on_air: true,
            is_stood_in: false,
            listeners: news.listeners,
        };
        let admitted = Admitted {
            run: self.run,
            serials: stretches(&news.admitted),
        };
        let report = CheckedReport {
            url,
            run: "simulated".to_owned(),
            sequence: news.sequence,
            slots: news.slots,
            listeners: news.listeners,
            is_draining: false,
            place: None,
            mounts: BTreeMap::from_iter(self.mount.clone().map(|mount| (mount, carried))),
            arrivals: Some(Arrivals {
                direct: news.n_direct,
                bounced: news.n_bounced,
                admitted: vec![admitted],
            }),
            lease: news.lease,
        };
        // Its sequence only grows and its address never changes: nothing to refuse.
        let _ = self.registry.take(relay, report, self.began + now);
        Some(self.registry.receipt(relay))
    }

    fn send(&mut self, who: &Asker, now: Duration) -> Option<Sent> {
        let now = self.began + now;
        let listener = Listener {
            scheme: Scheme::Http,
            family: Family::Any,
            spot: self.spots[who.spot],
            key: who.key,
            caller: Some(who.key),
            bounced: self.bounced(who, now),
            left: None,
            entry: 0,
        };
        let mount = self.mount.as_ref()?;
        let sent = self.registry.send(&listener, mount, now).ok()?;
        Some(Sent {
            relay: sent.relay,
            serial: sent.ticket.map_or(0, |(_, ticket)| ticket.serial),
        })
    }

    fn is_holding(&self) -> bool {
        true
    }

    fn is_bounced(&self) -> bool {
        true
    }
}

/// First and last of each row of numbers without a hole.
fn stretches(serials: &[u32]) -> Vec<(u32, u32)> {
    let mut serials = serials.to_vec();
    serials.sort_unstable();
    let mut stretches: Vec<(u32, u32)> = Vec::new();
    for serial in serials {
        match stretches.last_mut() {
            Some((_, last)) if serial <= last.saturating_add(1) => *last = serial,
            _ => stretches.push((serial, serial)),
        }
    }
    stretches
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn serials_become_stretches_without_a_hole() {
        assert_eq!(stretches(&[]), []);
        assert_eq!(stretches(&[7, 5, 6, 9, 9, 1]), [(1, 1), (5, 7), (9, 9)]);
        assert_eq!(stretches(&[u32::MAX]), [(u32::MAX, u32::MAX)]);
    }
}
