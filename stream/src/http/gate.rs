//! Who may connect at all, and which proxies are believed when they say whom they speak for. Pure.

use std::net::IpAddr;

use ipnet::IpNet;
use serde::{Deserialize, Deserializer};

use super::head::Head;
use crate::client_addr::{came_through_tls, client_address, is_trusted};
use crate::config::ConfigError;

/// The most networks in each list: all of them are looked at for every connection.
const NETWORKS_MAX: usize = 4096;

/// Lists of networks, such as `192.0.2.0/24`, `2001:db8::/32`, or an address alone.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Gate {
    /// Only these may connect; empty: everybody.
    #[serde(deserialize_with = "networks")]
    pub allow: Vec<IpNet>,
    /// These may not, whatever else is said.
    #[serde(deserialize_with = "networks")]
    pub deny: Vec<IpNet>,
    /// These are believed when they say for whom they connect.
    #[serde(deserialize_with = "networks")]
    pub trusted_proxies: Vec<IpNet>,
}

impl Gate {
    /// Refuses what is too long to be looked through for every connection.
    ///
    /// # Errors
    /// Names the list.
    pub fn check(&self) -> Result<(), ConfigError> {
        let lists = [
            ("allow", &self.allow),
            ("deny", &self.deny),
            ("trusted_proxies", &self.trusted_proxies),
        ];
        match lists.iter().find(|(_, list)| list.len() > NETWORKS_MAX) {
            Some((key, _)) => Err(ConfigError::new(format!(
                "`{key}` in [access] has more than {NETWORKS_MAX} networks: join some of them"
            ))),
            None => Ok(()),
        }
    }

    /// Whether somebody with this address may come in.
    pub fn admits(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        let is_in = |list: &[IpNet]| list.iter().any(|network| network.contains(&address));
        !is_in(&self.deny) && (self.allow.is_empty() || is_in(&self.allow))
    }

    /// Whether what he says of others is believed.
    pub fn trusts(&self, address: IpAddr) -> bool {
        is_trusted(address.to_canonical(), &self.trusted_proxies)
    }

    /// Whether his connection is taken: a proxy's is, since it is another's who is judged.
    pub fn opens(&self, peer: IpAddr) -> bool {
        self.trusts(peer) || self.admits(peer)
    }

    /// How the one came who is behind a request from `peer`, if that is known. `None`: he may not
    /// come in.
    pub(super) fn came(&self, peer: Option<IpAddr>, head: &Head) -> Option<Came> {
        let Some(peer) = peer else {
            return Some(Came::default());
        };
        let said = head.all("x-forwarded-proto");
        Some(Came {
            from: Some(self.behind(peer, head)?),
            is_secure: came_through_tls(peer, &said, &self.trusted_proxies),
        })
    }

    /// Who is behind a request that came from `peer`. `None`: he may not come in.
    pub fn behind(&self, peer: IpAddr, head: &Head) -> Option<IpAddr> {
        if self.trusted_proxies.is_empty() {
            return Some(peer.to_canonical());
        }
        let hops = head.all("x-forwarded-for");
        let address = client_address(peer, &hops, &self.trusted_proxies);
        self.admits(address).then_some(address)
    }
}

/// How somebody came, as far as it is known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Came {
    /// His address: for whoever is asked whether he may listen, and for nobody else.
    pub from: Option<IpAddr>,
    /// Through TLS, to a trusted proxy that says so.
    pub is_secure: bool,
}

fn networks<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<IpNet>, D::Error> {
    let words = Vec::<String>::deserialize(deserializer)?;
    words
        .iter()
        .map(|word| {
            let network = word.parse().or_else(|_| word.parse().map(IpAddr::into));
            network.map_err(|_| {
                serde::de::Error::custom(format!(
                    "{word:.60?} is no network; it looks like 192.0.2.0/24, 2001:db8::/32 or \
                     192.0.2.1"
                ))
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gate(text: &str) -> Gate {
        toml::from_str(text).unwrap()
    }

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn head(lines: &str) -> Head {
        let text = format!("GET / HTTP/1.1\r\n{lines}\r\n");
        Head::parse(text.as_bytes()).unwrap().unwrap()
    }

    #[test]
    fn deny_wins_and_an_empty_allow_is_everybody() {
        let all = gate("");
        assert!(all.admits(ip("198.51.100.7")) && !all.trusts(ip("127.0.0.1")));
        let some = gate("allow = [\"10.0.0.0/8\", \"2001:db8::/32\"]\ndeny = [\"10.0.0.9\"]");
        assert!(some.admits(ip("10.0.0.8")) && some.admits(ip("::ffff:10.0.0.8")));
        assert!(!some.admits(ip("10.0.0.9")) && !some.admits(ip("::ffff:10.0.0.9")));
        assert!(some.admits(ip("2001:db8::1")) && !some.admits(ip("198.51.100.7")));
    }

    #[test]
    fn behind_a_proxy_the_listener_is_judged_and_a_stranger_speaks_for_himself_only() {
        let gate = gate("deny = [\"198.51.100.7\"]\ntrusted_proxies = [\"127.0.0.0/8\"]");
        let proxy = ip("::ffff:127.0.0.1");
        assert!(gate.opens(proxy) && !gate.opens(ip("198.51.100.7")));
        let barred = head("X-Forwarded-For: 198.51.100.7\r\n");
        assert_eq!(gate.behind(proxy, &barred), None);
        let feigned = head("X-Forwarded-For: 198.51.100.7\r\nX-Forwarded-For: 192.0.2.1\r\n");
        assert_eq!(gate.behind(proxy, &feigned), Some(ip("192.0.2.1")));
        let secure = head("X-Forwarded-For: 192.0.2.1\r\nX-Forwarded-Proto: https\r\n");
        let came = gate.came(Some(proxy), &secure).unwrap();
        assert_eq!((came.from, came.is_secure), (Some(ip("192.0.2.1")), true));
        assert!(
            !gate
                .came(Some(ip("203.0.113.5")), &secure)
                .unwrap()
                .is_secure
        );
        let two = "X-Forwarded-Proto: http\r\nX-Forwarded-Proto: https\r\n";
        assert!(gate.came(Some(proxy), &head(two)).unwrap().is_secure);
        assert_eq!(gate.came(Some(proxy), &barred), None);
        let stranger = ip("203.0.113.5");
        assert_eq!(gate.behind(stranger, &barred), Some(stranger));
    }

    #[test]
    fn what_is_no_network_is_refused_by_name() {
        let complaint = toml::from_str::<Gate>("deny = [\"10.0.0.0/33\"]").unwrap_err();
        assert!(complaint.to_string().contains("10.0.0.0/33"), "{complaint}");
    }
}
