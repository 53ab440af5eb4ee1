//! What others find out about relays' hosts: where they are, and over which families of addresses
//! listeners get there. Pure.

use url::Host;

use super::{Registry, Relay};
use crate::place::Spot;
use crate::probe::finding::Family;

impl Registry {
    /// The host of each relay that has reported, and the relay's place in the list.
    pub fn hosts(&self) -> Vec<(usize, Host)> {
        let relays = self.relays.iter().enumerate();
        let relays = relays.filter(|(_, relay)| !relay.is_removed);
        let host = |(at, relay): (usize, &Relay)| Some((at, relay.url()?.host().clone()));
        relays.filter_map(host).collect()
    }

    /// A database says that the relay at place `at` is here, if `host` still is its host.
    pub fn locate(&mut self, at: usize, host: &Host, spot: Spot) {
        if self.is_at(at, host) {
            let relay = &mut self.relays[at];
            relay.locate(spot);
            self.columns.set_spot(at, relay.spot());
        }
    }

    /// The host of the relay at place `at`, if it still is its host, has IPv4 or IPv6 addresses.
    pub fn set_families(&mut self, at: usize, host: &Host, has_v4: bool, has_v6: bool) {
        if self.is_at(at, host) {
            let relay = &mut self.relays[at];
            relay.families.look_up(has_v4, has_v6);
            self.columns.set_offers(at, relay.offers());
        }
    }

    /// Probes got nothing from the relay at place `at` over this family, for this reason; `None`:
    /// they do get something.
    pub fn put_down(&mut self, at: usize, family: Family, evidence: Option<String>) {
        let relay = &mut self.relays[at];
        relay.families.put_down(family, evidence);
        self.columns.set_offers(at, relay.offers());
    }

    fn is_at(&self, at: usize, host: &Host) -> bool {
        let url = self.relays.get(at).and_then(Relay::url);
        url.is_some_and(|url| url.host() == host)
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::super::tests::{live, registration, report, with};
    use super::*;
    use crate::base_url::BaseUrl;
    use crate::choice::{Excluded, Family as Needs, Listener};

    /// Why somebody who needs this family is not sent to the only relay, if so.
    fn why(registry: &mut Registry, family: Needs) -> Option<Excluded> {
        let listener = Listener {
            family,
            ..Listener::somebody()
        };
        let sent = registry.ask(&listener, &live(), Instant::now());
        sent.err().flatten()
    }

    #[test]
    fn a_name_may_have_both_families_until_it_is_looked_up_and_so_may_another_name() {
        let now = Instant::now();
        let mut registry = with(vec![registration("a")], Duration::from_secs(300), now);
        registry.take(0, report(1, 0, 10), now).unwrap();
        let host = registry.hosts()[0].1.clone();
        assert_eq!(why(&mut registry, Needs::V6), None);
        registry.set_families(0, &host, true, false);
        assert_eq!(why(&mut registry, Needs::V6), Some(Excluded::WrongFamily));
        assert_eq!(why(&mut registry, Needs::V4), None);
        registry.set_families(0, &host, false, true);
        assert_eq!(why(&mut registry, Needs::V4), Some(Excluded::WrongFamily));
        registry.put_down(0, Family::Ipv6, Some("nobody answers".to_owned()));
        assert_eq!(why(&mut registry, Needs::V6), Some(Excluded::FamilyDown));
        // What reports say changes nothing of that, unless it is another address.
        registry.take(0, report(2, 0, 10), now).unwrap();
        assert_eq!(why(&mut registry, Needs::V6), Some(Excluded::FamilyDown));
        let mut moved = report(3, 0, 10);
        moved.url = BaseUrl::parse("http://elsewhere.example:8000").unwrap();
        registry.take(0, moved, now).unwrap();
        registry.set_families(0, &host, false, false);
        for family in [Needs::V4, Needs::V6] {
            assert_eq!(why(&mut registry, family), None, "{family:?}");
        }
        let mut bare = report(4, 0, 10);
        bare.url = BaseUrl::parse("http://[2001:db8::1]:8000").unwrap();
        registry.take(0, bare, now).unwrap();
        assert_eq!(why(&mut registry, Needs::V4), Some(Excluded::WrongFamily));
        assert_eq!(why(&mut registry, Needs::V6), None);
    }
}
