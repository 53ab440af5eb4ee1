//! Who is asking, when proxies stand between: the right-most hop that is not ours. Pure.
//!
//! Headers of a peer that is not a trusted proxy say nothing: anybody can write them.

use core::net::{IpAddr, SocketAddr};

use ipnet::IpNet;

use crate::base_url::Scheme;

/// No more hops than this are looked at, from the right.
pub const HOPS_MAX: usize = 16;

/// The listener's address. `forwarded_for` are the `X-Forwarded-For` headers in the order
/// they came.
pub fn client_address(peer: IpAddr, forwarded_for: &[&str], trusted: &[IpNet]) -> IpAddr {
    let mut address = peer.to_canonical();
    let hops = forwarded_for
        .iter()
        .rev()
        .flat_map(|header| header.rsplit(','))
        .take(HOPS_MAX);
    for hop in hops {
        if !is_trusted(address, trusted) {
            break;
        }
        // Nonsense from a trusted proxy: the proxy is the last thing that is known.
        let Some(before) = parse_hop(hop.trim()) else {
            break;
        };
        address = before;
    }
    address
}

/// How the listener spoke to the outermost trusted proxy.
pub fn client_scheme(peer: IpAddr, forwarded_proto: Option<&str>, trusted: &[IpNet]) -> Scheme {
    let word = forwarded_proto
        .and_then(|value| value.rsplit(',').next())
        .map(str::trim);
    match word {
        Some(word)
            if word.eq_ignore_ascii_case("https") && is_trusted(peer.to_canonical(), trusted) =>
        {
            Scheme::Https
        }
        _ => Scheme::Http,
    }
}

/// A number that stays the same for listeners of one network (/24 or /48).
pub fn client_key(address: IpAddr) -> u64 {
    match address.to_canonical() {
        IpAddr::V4(address) => u64::from(address.to_bits() >> 8),
        IpAddr::V6(address) => u64::try_from(address.to_bits() >> 80).unwrap_or(0) | 1 << 63,
    }
}

fn is_trusted(address: IpAddr, trusted: &[IpNet]) -> bool {
    trusted.iter().any(|network| network.contains(&address))
}

/// `192.0.2.1`, `192.0.2.1:4711`, `2001:db8::1` or `[2001:db8::1]:4711`.
fn parse_hop(text: &str) -> Option<IpAddr> {
    let address = text
        .parse::<IpAddr>()
        .or_else(|_| text.parse::<SocketAddr>().map(|socket| socket.ip()))
        .ok()?;
    Some(address.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(peer: &str, forwarded_for: &[&str], expected: &str) {
        let trusted = ["127.0.0.0/8", "10.0.0.0/8", "2001:db8:1::/48"].map(|n| n.parse().unwrap());
        let found = client_address(peer.parse().unwrap(), forwarded_for, &trusted);
        assert_eq!(
            found,
            expected.parse::<IpAddr>().unwrap(),
            "{peer} {forwarded_for:?}"
        );
    }

    #[test]
    fn a_stranger_cannot_say_who_he_is() {
        check("198.51.100.7", &[], "198.51.100.7");
        check("198.51.100.7", &["1.1.1.1"], "198.51.100.7");
        check("::ffff:198.51.100.7", &["1.1.1.1"], "198.51.100.7");
    }

    #[test]
    fn the_rightmost_hop_that_is_not_ours_counts() {
        check("10.1.2.3", &["198.51.100.7"], "198.51.100.7");
        check("10.1.2.3", &["1.1.1.1, 198.51.100.7"], "198.51.100.7");
        check("10.1.2.3", &["1.1.1.1", "198.51.100.7"], "198.51.100.7");
        check(
            "10.1.2.3",
            &["1.1.1.1, 198.51.100.7, 10.9.9.9"],
            "198.51.100.7",
        );
        check("::ffff:10.1.2.3", &["::ffff:198.51.100.7"], "198.51.100.7");
        check("10.1.2.3", &["198.51.100.7:4711"], "198.51.100.7");
        check("2001:db8:1::5", &["[2001:db8:9::1]:4711"], "2001:db8:9::1");
        check("10.1.2.3", &["10.0.0.1, 10.0.0.2"], "10.0.0.1");
    }

    #[test]
    fn nonsense_ends_the_search_at_the_last_known_hop() {
        check("10.1.2.3", &["unknown"], "10.1.2.3");
        check("10.1.2.3", &[""], "10.1.2.3");
        check("10.1.2.3", &["198.51.100.7, fe80::1%eth0"], "10.1.2.3");
        check(
            "10.1.2.3",
            &["198.51.100.7, <script>, 10.9.9.9"],
            "10.9.9.9",
        );
        let many = vec!["10.0.0.9"; 500].join(",");
        check("10.1.2.3", &[&many], "10.0.0.9");
    }

    #[test]
    fn only_a_trusted_proxy_can_say_that_it_was_https() {
        let trusted = ["10.0.0.0/8".parse().unwrap()];
        let scheme = |peer: &str, proto| client_scheme(peer.parse().unwrap(), proto, &trusted);
        assert_eq!(scheme("10.1.2.3", Some("https")), Scheme::Https);
        assert_eq!(scheme("10.1.2.3", Some("http, HTTPS")), Scheme::Https);
        assert_eq!(scheme("10.1.2.3", Some("https, http")), Scheme::Http);
        assert_eq!(scheme("10.1.2.3", Some("gopher")), Scheme::Http);
        assert_eq!(scheme("10.1.2.3", None), Scheme::Http);
        assert_eq!(scheme("198.51.100.7", Some("https")), Scheme::Http);
    }

    #[test]
    fn neighbours_in_one_network_share_a_key() {
        let key = |text: &str| client_key(text.parse().unwrap());
        assert_eq!(key("198.51.100.7"), key("198.51.100.200"));
        assert_ne!(key("198.51.100.7"), key("198.51.101.7"));
        assert_eq!(key("2001:db8:1::1"), key("2001:db8:1:ffff::1"));
        assert_ne!(key("2001:db8:1::1"), key("2001:db8:2::1"));
        assert_eq!(key("::ffff:198.51.100.7"), key("198.51.100.7"));
    }
}
