//! What a request says of the one who asks.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use axum::extract::ConnectInfo;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName};
use stream::client_addr::is_trusted;

use crate::balancer::Balancer;
use crate::base_url::Scheme;
use crate::choice::{Family, Listener};
use crate::client_addr::{client_address, client_scheme};
use crate::playlist::is_plain_host;
use crate::serve::ThroughTls;

/// The one who asks, in the words of his request.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Asked<'a> {
    /// Who is at the other end of the connection.
    pub(crate) peer: IpAddr,
    /// Whether the connection is encrypted.
    pub(crate) is_tls: bool,
    /// All headers of that name, in their order.
    pub(crate) forwarded_for: Vec<&'a str>,
    /// The last header of that name.
    pub(crate) forwarded_proto: Option<&'a str>,
    /// Whom he asks: the first header of that name.
    pub(crate) host: Option<&'a str>,
    /// What his player calls itself: the first header of that name.
    pub(crate) agent: &'a str,
}

impl<'a> Asked<'a> {
    /// Out of a request to the router. A router that is served without saying so knows nobody's
    /// place.
    pub(crate) fn of(request: &'a Parts) -> Self {
        let peer = request.extensions.get::<ConnectInfo<SocketAddr>>();
        let unknown = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
        let headers = request.headers.iter();
        let asked = Self::read(
            peer.map_or(unknown, |ConnectInfo(peer)| peer.ip()),
            headers.map(|(name, value)| (name.as_str(), value.as_bytes())),
        );
        Self {
            is_tls: request.extensions.get::<ThroughTls>().is_some(),
            ..asked
        }
    }

    /// Out of headers in their order, in any case.
    pub(crate) fn read(peer: IpAddr, headers: impl Iterator<Item = (&'a str, &'a [u8])>) -> Self {
        let (mut host, mut agent) = (None, None);
        let (mut forwarded_for, mut forwarded_proto) = (Vec::new(), None);
        for (name, value) in headers {
            let is = |other: &str| name.eq_ignore_ascii_case(other);
            match name.len() {
                4 if is("host") => host = host.or(Some(value)),
                10 if is("user-agent") => agent = agent.or(Some(value)),
                // One that is no text ends the search like any other nonsense.
                15 if is("x-forwarded-for") => forwarded_for.push(text(value).unwrap_or("?")),
                17 if is("x-forwarded-proto") => forwarded_proto = text(value),
                _ => {}
            }
        }
        Self {
            peer,
            is_tls: false,
            forwarded_for,
            forwarded_proto,
            host: host.and_then(text),
            agent: agent.and_then(text).unwrap_or_default(),
        }
    }

    /// How he came in.
    pub(crate) fn scheme(&self, balancer: &Balancer) -> Scheme {
        let config = balancer.config();
        let trusted = &config.trusted_proxies;
        // A proxy that comes by TLS says itself how the listener came to it.
        let is_said = self.forwarded_proto.is_some();
        if self.is_tls && !(is_said && is_trusted(self.peer.to_canonical(), trusted)) {
            return Scheme::Https;
        }
        client_scheme(self.peer, self.forwarded_proto, trusted)
    }

    /// The link listeners know this balancer by, without a path.
    pub(crate) fn public_base(&self, balancer: &Balancer) -> Option<String> {
        if let Some(url) = &balancer.config().public_url {
            return Some(url.to_string());
        }
        let host = self.host.filter(|host| is_plain_host(host))?;
        Some(format!("{}://{host}", self.scheme(balancer).as_str()))
    }

    /// As a listener.
    pub(crate) fn listener(&self, balancer: &Balancer) -> Listener {
        let config = balancer.config();
        let trusted = &config.trusted_proxies;
        let address = client_address(self.peer, &self.forwarded_for, trusted);
        let mut listener = balancer.listener(address, self.scheme(balancer), self.agent);
        if let Some(family) = self.host.and_then(family_of_host) {
            listener.family = family;
        }
        listener
    }
}

/// A header's value, if it is plain text.
fn text(value: &[u8]) -> Option<&str> {
    let is_plain = |byte: &u8| matches!(byte, b'\t' | b' '..=b'~');
    let is_text = value.iter().all(is_plain);
    std::str::from_utf8(value).ok().filter(|_| is_text)
}

/// The first header of this name, if it is plain text.
pub(crate) fn word(headers: &HeaderMap, name: HeaderName) -> Option<&str> {
    text(headers.get(name)?.as_bytes())
}

/// Whoever asks a bare address can surely reach addresses like it, and nothing else is sure.
fn family_of_host(host: &str) -> Option<Family> {
    if host.starts_with('[') {
        return Some(Family::V6);
    }
    let name = host.split(':').next().unwrap_or_default();
    name.parse::<Ipv4Addr>().is_ok().then_some(Family::V4)
}
