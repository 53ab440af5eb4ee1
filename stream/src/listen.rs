//! Where a program listens: at one address, or at several, all of them alike. Pure.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use serde::de::{Error, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};

/// A program listens at no more addresses than this.
pub const ADDRESSES_MAX: usize = 8;

/// Addresses such as `0.0.0.0:8000` or `[::]:8000` (which takes IPv4, too): at least one, and none
/// within another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listen(Vec<SocketAddr>);

impl Listen {
    /// These addresses.
    ///
    /// # Errors
    /// Says why they cannot be listened at together.
    pub fn new(addresses: Vec<SocketAddr>) -> Result<Self, String> {
        if addresses.is_empty() {
            return Err("`listen` names no address; write such as \"0.0.0.0:8000\"".to_owned());
        }
        if addresses.len() > ADDRESSES_MAX {
            let n = addresses.len();
            return Err(format!(
                "`listen` names {n} addresses, at most {ADDRESSES_MAX} work"
            ));
        }
        for (n, one) in addresses.iter().enumerate() {
            let mut others = addresses.iter().skip(n + 1);
            if let Some(other) = others.find(|other| takes(one, other) || takes(other, one)) {
                return Err(format!(
                    "`listen` names {one} and {other}, and one of them takes what comes to the \
                     other; leave one out"
                ));
            }
        }
        Ok(Self(addresses))
    }

    /// The same, and another one. If one of them takes all that comes there, nothing changes; if it is
    /// the other way round, it takes the place of that one.
    ///
    /// # Errors
    /// When there are too many.
    pub fn and(&self, address: SocketAddr) -> Result<Self, String> {
        if self.0.iter().any(|one| takes(one, &address)) {
            return Ok(self.clone());
        }
        let place = self.0.iter().position(|one| takes(&address, one));
        let others = self.0.iter().filter(|one| !takes(&address, one));
        let mut all: Vec<SocketAddr> = others.copied().collect();
        all.insert(place.unwrap_or(all.len()), address);
        Self::new(all)
    }

    /// The first of them, by which the program says where it is.
    pub fn first(&self) -> SocketAddr {
        let first = self.0.first().copied();
        first.unwrap_or_else(|| SocketAddr::from(([0, 0, 0, 0], 8000)))
    }

    /// All of them.
    pub fn all(&self) -> &[SocketAddr] {
        &self.0
    }
}

/// Whether whoever listens at `one` takes what comes to `other`.
fn takes(one: &SocketAddr, other: &SocketAddr) -> bool {
    let is_within = match one.ip() {
        ip if ip == other.ip() => true,
        ip if ip == IpAddr::V6(Ipv6Addr::UNSPECIFIED) => true,
        ip => ip.is_unspecified() && other.is_ipv4() && ip.is_ipv4(),
    };
    // The system gives different ports for 0.
    one.port() == other.port() && one.port() != 0 && is_within
}

impl From<SocketAddr> for Listen {
    fn from(address: SocketAddr) -> Self {
        Self(vec![address])
    }
}

impl fmt::Display for Listen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, address) in self.0.iter().enumerate() {
            let comma = if n == 0 { "" } else { ", " };
            write!(f, "{comma}{address}")?;
        }
        Ok(())
    }
}

impl<'de> Deserialize<'de> for Listen {
    fn deserialize<D: Deserializer<'de>>(value: D) -> Result<Self, D::Error> {
        value.deserialize_any(OneOrMore)
    }
}

struct OneOrMore;

impl<'de> Visitor<'de> for OneOrMore {
    type Value = Listen;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an address and a port such as \"0.0.0.0:8000\", or a list of them")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Listen, E> {
        address(text).map(Listen::from)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Listen, A::Error> {
        let mut addresses = Vec::new();
        while let Some(text) = list.next_element::<String>()? {
            addresses.push(address(&text)?);
        }
        Listen::new(addresses).map_err(Error::custom)
    }
}

fn address<E: Error>(text: &str) -> Result<SocketAddr, E> {
    text.parse().map_err(|_| {
        Error::custom(format!(
            "`listen` wants an address in digits and a port, such as \"0.0.0.0:8000\" or \
             \"[::]:8000\", not {text:?}"
        ))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Deserialize)]
    struct Settings {
        listen: Listen,
    }

    fn read(listen: &str) -> Result<String, String> {
        let read: Result<Settings, _> = toml::from_str(&format!("listen = {listen}"));
        let read = read.map_err(|error| error.message().to_owned())?;
        assert_eq!(read.listen.first(), read.listen.all()[0]);
        Ok(read.listen.to_string())
    }

    #[test]
    fn one_address_and_a_list_of_addresses_are_read() {
        for (text, listen) in [
            ("\"0.0.0.0:8000\"", "0.0.0.0:8000"),
            ("[\"[::]:8000\"]", "[::]:8000"),
            (
                "[\"[::]:8000\", \"0.0.0.0:8443\"]",
                "[::]:8000, 0.0.0.0:8443",
            ),
            ("[\"127.0.0.1:80\", \"[::1]:80\"]", "127.0.0.1:80, [::1]:80"),
            ("[\"0.0.0.0:80\", \"[::1]:80\"]", "0.0.0.0:80, [::1]:80"),
            (
                "[\"127.0.0.1:0\", \"127.0.0.1:0\"]",
                "127.0.0.1:0, 127.0.0.1:0",
            ),
        ] {
            assert_eq!(read(text).as_deref(), Ok(listen), "{text}");
        }
    }

    #[test]
    fn an_address_is_added_where_none_takes_what_comes_there() {
        let at = |text: &str| text.parse::<SocketAddr>().unwrap();
        let listen = Listen::from(at("0.0.0.0:80"));
        let listen = listen.and(at("127.0.0.1:80")).unwrap();
        assert_eq!(listen.to_string(), "0.0.0.0:80");
        let listen = listen.and(at("127.0.0.1:81")).unwrap();
        let listen = listen.and(at("[::1]:80")).unwrap();
        assert_eq!(listen.to_string(), "0.0.0.0:80, 127.0.0.1:81, [::1]:80");
        let listen = listen.and(at("[::]:80")).unwrap();
        assert_eq!(listen.to_string(), "[::]:80, 127.0.0.1:81");
        let many = (1..=6).try_fold(listen, |listen, port| {
            listen.and(SocketAddr::from(([0, 0, 0, 0], port)))
        });
        let too_many = many.unwrap().and(at("0.0.0.0:7"));
        assert!(too_many.unwrap_err().contains("at most 8 work"));
    }

    #[test]
    fn what_cannot_be_listened_at_is_refused_in_words() {
        let ports = (1..=9).map(|port| format!("\"0.0.0.0:{port}\""));
        let many = format!("[{}]", ports.collect::<Vec<_>>().join(", "));
        for (text, word) in [
            (many.as_str(), "at most 8 work"),
            ("[]", "no address"),
            ("8000", "an address and a port"),
            ("\"localhost:8000\"", "not \"localhost:8000\""),
            ("[\"0.0.0.0\"]", "not \"0.0.0.0\""),
            ("[8000]", "invalid type"),
            ("[\"[::]:80\", \"127.0.0.1:80\"]", "leave one out"),
            ("[\"127.0.0.1:80\", \"0.0.0.0:80\"]", "leave one out"),
            (
                "[\"[::1]:80\", \"1.2.3.4:81\", \"[::1]:80\"]",
                "leave one out",
            ),
        ] {
            let complaint = read(text).unwrap_err();
            assert!(complaint.contains(word), "{text}: {complaint}");
        }
    }
}
