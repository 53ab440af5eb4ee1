//! Who is asking, when proxies stand between: the right-most hop that is not ours. Pure.
//!
//! Headers of a peer that is not a trusted proxy say nothing: anybody can write them.

use core::net::{IpAddr, SocketAddr};

use ipnet::IpNet;

/// No more hops than this are looked at, from the right.
pub const HOPS_MAX: usize = 16;

/// The caller's address. `forwarded_for` are the `X-Forwarded-For` headers in the order
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

/// Whether the caller came to the outermost trusted proxy through TLS. `forwarded_proto` are the
/// `X-Forwarded-Proto` headers in the order they came; the last word counts.
pub fn came_through_tls(peer: IpAddr, forwarded_proto: &[&str], trusted: &[IpNet]) -> bool {
    let last = forwarded_proto
        .last()
        .and_then(|header| header.rsplit(',').next());
    let is_https = last.is_some_and(|word| word.trim().eq_ignore_ascii_case("https"));
    is_https && is_trusted(peer.to_canonical(), trusted)
}

/// Whether an address is one of these networks'.
pub fn is_trusted(address: IpAddr, trusted: &[IpNet]) -> bool {
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
    fn only_a_trusted_proxy_can_say_that_it_was_https() {
        let trusted = ["10.0.0.0/8".parse().unwrap()];
        let is_tls =
            |peer: &str, said: &[&str]| came_through_tls(peer.parse().unwrap(), said, &trusted);
        assert!(is_tls("10.1.2.3", &["https"]) && is_tls("::ffff:10.1.2.3", &["http, HTTPS"]));
        assert!(is_tls("10.1.2.3", &["http", "https"]));
        for said in [
            &["https, http"][..],
            &["https", "http"],
            &["gopher"],
            &[""],
            &[],
        ] {
            assert!(!is_tls("10.1.2.3", said), "{said:?}");
        }
        assert!(!is_tls("198.51.100.7", &["https"]));
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
}
