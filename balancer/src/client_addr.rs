//! How a listener came to us, when proxies stand between, and which network he is from. Pure.
//!
//! Headers of a peer that is not a trusted proxy say nothing: anybody can write them.

use core::net::IpAddr;

use ipnet::IpNet;
use stream::client_addr::came_through_tls;
pub use stream::client_addr::{HOPS_MAX, client_address};

use crate::base_url::Scheme;

/// How the listener spoke to the outermost trusted proxy.
pub fn client_scheme(peer: IpAddr, forwarded_proto: Option<&str>, trusted: &[IpNet]) -> Scheme {
    let said: Vec<&str> = forwarded_proto.into_iter().collect();
    match came_through_tls(peer, &said, trusted) {
        true => Scheme::Https,
        false => Scheme::Http,
    }
}

/// A number that stays the same for listeners of one network (/24 or /48).
pub fn client_key(address: IpAddr) -> u64 {
    match address.to_canonical() {
        IpAddr::V4(address) => u64::from(address.to_bits() >> 8),
        IpAddr::V6(address) => u64::try_from(address.to_bits() >> 80).unwrap_or(0) | 1 << 63,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
