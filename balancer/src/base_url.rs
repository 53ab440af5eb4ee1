//! The address of a server: scheme, host and port, and nothing behind them. Pure.
//!
//! A `Location` is only ever built from one of these and a [`stream::mount::MountPath`].

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use url::{Host, Url};

/// Longer addresses are refused.
pub const BASE_URL_BYTES_MAX: usize = 256;

/// How a listener speaks to a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Scheme {
    /// Plain.
    Http,
    /// Encrypted.
    Https,
}

impl Scheme {
    /// As it stands in a URL.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }
}

/// `http://host:port`, checked. Has no user, no path, no query and no slash at its end. Every
/// redirect holds one, so clones share what is in it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(try_from = "String", into = "String")]
pub struct BaseUrl(Arc<Parts>);

#[derive(Debug, PartialEq, Eq)]
struct Parts {
    text: String,
    scheme: Scheme,
    host: Host,
    port: u16,
}

impl BaseUrl {
    /// Takes a URL that names a server and nothing on it.
    ///
    /// # Errors
    /// Says what is wrong with it.
    pub fn parse(text: &str) -> Result<Self, String> {
        if text.len() > BASE_URL_BYTES_MAX {
            return Err(format!("is longer than {BASE_URL_BYTES_MAX} bytes"));
        }
        let url = Url::parse(text)
            .map_err(|error| format!("is not a URL ({error}), write http://host:port"))?;
        let scheme = match url.scheme() {
            "http" => Scheme::Http,
            "https" => Scheme::Https,
            other => {
                return Err(format!(
                    "begins with `{other}:`, only http:// and https:// work"
                ));
            }
        };
        if !url.username().is_empty() || url.password().is_some() {
            return Err("names a user or password, which would be shown to everybody".to_owned());
        }
        if !matches!(url.path(), "" | "/") || url.query().is_some() || url.fragment().is_some() {
            return Err("has something behind host and port, write http://host:port".to_owned());
        }
        let host = match url.host() {
            Some(host) => host.to_owned(),
            None => return Err("names no host, write http://host:port".to_owned()),
        };
        let shown_port = match url.port() {
            Some(0) => return Err("has port 0, which nobody can reach".to_owned()),
            Some(port) => format!(":{port}"),
            None => String::new(),
        };
        let usual_port = match scheme {
            Scheme::Http => 80,
            Scheme::Https => 443,
        };
        Ok(Self(Arc::new(Parts {
            text: format!("{}://{host}{shown_port}", scheme.as_str()),
            scheme,
            host,
            port: url.port().unwrap_or(usual_port),
        })))
    }

    /// `http://host:port`, without a slash at the end.
    pub fn as_str(&self) -> &str {
        &self.0.text
    }

    /// How one speaks to it.
    pub fn scheme(&self) -> Scheme {
        self.0.scheme
    }

    /// Host and port as they stand in a `Host` header.
    pub fn authority(&self) -> &str {
        let start = self.0.scheme.as_str().len() + "://".len();
        self.0.text.get(start..).unwrap_or_default()
    }

    /// The port, also where the address does not name it.
    pub fn port(&self) -> u16 {
        self.0.port
    }

    /// The name or address of the machine.
    pub fn host(&self) -> &Host {
        &self.0.host
    }
}

impl TryFrom<String> for BaseUrl {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        Self::parse(&text)
    }
}

impl From<BaseUrl> for String {
    fn from(url: BaseUrl) -> Self {
        url.0.text.clone()
    }
}

impl fmt::Display for BaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str) -> Result<String, String> {
        BaseUrl::parse(text).map(String::from)
    }

    #[test]
    fn a_server_is_taken_and_written_in_one_way() {
        for (given, kept) in [
            ("http://relay.example:8000", "http://relay.example:8000"),
            ("http://relay.example:8000/", "http://relay.example:8000"),
            ("HTTPS://Relay.Example:443", "https://relay.example"),
            ("http://[2001:db8::1]:8000", "http://[2001:db8::1]:8000"),
            ("http://bücher.example", "http://xn--bcher-kva.example"),
        ] {
            assert_eq!(check(given).as_deref(), Ok(kept), "{given}");
        }
    }

    #[test]
    fn it_knows_its_authority_and_its_port() {
        for (text, authority, port) in [
            ("http://relay.example", "relay.example", 80),
            ("https://relay.example", "relay.example", 443),
            ("https://relay.example:8443/", "relay.example:8443", 8443),
            ("http://[2001:db8::1]:8000", "[2001:db8::1]:8000", 8000),
        ] {
            let url = BaseUrl::parse(text).unwrap();
            assert_eq!((url.authority(), url.port()), (authority, port), "{text}");
        }
    }

    #[test]
    fn anything_more_or_less_than_a_server_is_refused() {
        let long = format!("http://{}.example", "a".repeat(300));
        for (text, complaint) in [
            ("", "is not a URL"),
            ("relay.example:8000", "only http:// and https://"),
            ("//evil.example", "is not a URL"),
            ("javascript:alert(1)", "only http:// and https://"),
            ("http://", "is not a URL"),
            ("http://user@relay.example", "user or password"),
            ("http://user:pw@relay.example", "user or password"),
            ("http://relay.example/live.ogg", "behind host and port"),
            ("http://relay.example/?x", "behind host and port"),
            ("http://relay.example/#x", "behind host and port"),
            ("http://relay.example:0", "port 0"),
            ("http://relay.example\r\nX: y", "is not a URL"),
            (long.as_str(), "longer than"),
        ] {
            let refused = check(text).unwrap_err();
            assert!(refused.contains(complaint), "{text}: {refused}");
        }
    }
}
