//! Finds out where relays are, and over which families of addresses they and the master are
//! reached: the addresses of their hosts, asked of the resolver and the databases.
//!
//! One task does this for all of them, one after the other, so names that do not resolve
//! cost nobody else anything. What was known of such a name stays.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use stream::shutdown::Shutdown;
use tracing::{info, warn};
use url::Host;

use crate::balancer::Balancer;

/// How long the resolver may take for one name.
const LOOKUP_TIME_MAX: Duration = Duration::from_secs(2);
/// Everybody is looked up again after this long: names move.
const LOOKUP_INTERVAL: Duration = Duration::from_secs(60);

/// What is said of a name that leads nowhere.
const NO_ADDRESS: &str =
    "it has no address, so look at its name, or give its place in balancer.toml";

/// Keeps what is known of hosts true until the program ends.
pub(crate) async fn watch(balancer: Arc<Balancer>, shutdown: Shutdown) {
    let mut complaints = Complaints::default();
    loop {
        if let Some(overflow) = balancer.overflow() {
            let host = overflow.url().host();
            let Some(found) = shutdown.unless_requested(resolve(host)).await else {
                return;
            };
            if let Some(found) = complaints.heed(host, found) {
                overflow.set_families(found.has_v4, found.has_v6);
            }
        }
        let hosts = balancer.registry().hosts();
        let master = balancer.overflow().map(|overflow| overflow.url().host());
        complaints.keep(hosts.iter().map(|(_, host)| host).chain(master));
        for (at, host) in hosts {
            let Some(found) = shutdown.unless_requested(resolve(&host)).await else {
                return;
            };
            if let Some(found) = complaints.heed(&host, found) {
                let spot = balancer.geo().spot(found.address);
                let mut registry = balancer.registry();
                registry.locate(at, &host, spot);
                registry.set_families(at, &host, found.has_v4, found.has_v6);
            }
        }
        let pause = tokio::time::timeout(LOOKUP_INTERVAL, balancer.moved.notified());
        if shutdown.unless_requested(pause).await.is_none() {
            return;
        }
    }
}

/// What the addresses of a host say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Found {
    /// The first of IPv4, or else the first: of that one it is looked up where it is.
    address: IpAddr,
    has_v4: bool,
    has_v6: bool,
}

impl Found {
    fn of(addresses: &[IpAddr]) -> Option<Self> {
        let first_v4 = addresses.iter().find(|address| address.is_ipv4());
        Some(Self {
            address: *first_v4.or_else(|| addresses.first())?,
            has_v4: first_v4.is_some(),
            has_v6: addresses.iter().any(IpAddr::is_ipv6),
        })
    }
}

/// What was said of names without addresses: once, until they have some or something else is wrong.
#[derive(Debug, Default)]
struct Complaints(BTreeMap<String, String>);

impl Complaints {
    /// Says what is new of a host.
    fn heed(&mut self, host: &Host, found: Result<Found, String>) -> Option<Found> {
        let name = host.to_string();
        match found {
            Ok(found) => {
                if self.0.remove(&name).is_some() {
                    info!("the host {name} has an address again");
                }
                Some(found)
            }
            Err(why) => {
                if self.is_new(&name, &why) {
                    warn!("where the host {name} is is not known: {why}");
                }
                None
            }
        }
    }

    fn is_new(&mut self, name: &str, why: &str) -> bool {
        self.0.insert(name.to_owned(), why.to_owned()).as_deref() != Some(why)
    }

    /// Forgets hosts that are none of these.
    fn keep<'a>(&mut self, hosts: impl Iterator<Item = &'a Host>) {
        if self.0.is_empty() {
            return;
        }
        let names: Vec<String> = hosts.map(Host::to_string).collect();
        self.0.retain(|name, _| names.contains(name));
    }
}

/// # Errors
/// Says why nobody knows at the moment.
async fn resolve(host: &Host) -> Result<Found, String> {
    let none = || NO_ADDRESS.to_owned();
    let name = match host {
        Host::Ipv4(address) => return Found::of(&[(*address).into()]).ok_or_else(none),
        Host::Ipv6(address) => return Found::of(&[(*address).into()]).ok_or_else(none),
        Host::Domain(name) => name.as_str(),
    };
    let lookup = tokio::time::timeout(LOOKUP_TIME_MAX, tokio::net::lookup_host((name, 0)));
    match lookup.await {
        Ok(Ok(addresses)) => {
            let addresses: Vec<IpAddr> = addresses.map(|socket| socket.ip()).collect();
            Found::of(&addresses).ok_or_else(none)
        }
        Ok(Err(error)) => Err(format!("{NO_ADDRESS}: {error}")),
        Err(_) => Err(format!("no answer to its name within {LOOKUP_TIME_MAX:?}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(addresses: &[&str], expected: Option<(&str, bool, bool)>) {
        let addresses: Vec<IpAddr> = addresses.iter().map(|text| text.parse().unwrap()).collect();
        let expected = expected.map(|(address, has_v4, has_v6)| Found {
            address: address.parse().unwrap(),
            has_v4,
            has_v6,
        });
        assert_eq!(Found::of(&addresses), expected, "{addresses:?}");
    }

    #[test]
    fn every_address_of_a_host_counts_and_the_first_of_ipv4_says_where_it_is() {
        check(&[], None);
        check(&["192.0.2.1"], Some(("192.0.2.1", true, false)));
        check(
            &["2001:db8::1", "2001:db8::2"],
            Some(("2001:db8::1", false, true)),
        );
        check(
            &["2001:db8::1", "192.0.2.1"],
            Some(("192.0.2.1", true, true)),
        );
    }

    #[tokio::test]
    async fn a_name_that_does_not_resolve_says_nothing() {
        let host = |name: &str| Host::Domain(name.to_owned());
        assert!(resolve(&host("nowhere.invalid")).await.is_err());
        assert!(resolve(&host("localhost")).await.is_ok());
    }

    #[test]
    fn a_name_that_does_not_resolve_is_complained_of_once_until_it_does() {
        let host = |name: &str| Host::Domain(name.to_owned());
        let found = Found::of(&["192.0.2.1".parse().unwrap()]).unwrap();
        let mut complaints = Complaints::default();
        assert!(complaints.is_new("a.example", "no address"));
        assert!(!complaints.is_new("a.example", "no address"));
        assert!(complaints.is_new("b.example", "no address"));
        assert!(complaints.is_new("a.example", "no answer"));
        assert_eq!(complaints.heed(&host("a.example"), Ok(found)), Some(found));
        assert!(complaints.is_new("a.example", "no answer"));
        complaints.keep([host("a.example")].iter());
        assert!(!complaints.is_new("a.example", "no answer"));
        assert!(complaints.is_new("b.example", "no address"), "forgotten");
    }
}
