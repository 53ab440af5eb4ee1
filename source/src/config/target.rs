//! Where a stream goes: a mount on a server, and the right to publish it.

use std::fmt;

use stream::config::ConfigError;
use stream::outward::TlsConnector;
use stream::secret::Secret;
use url::Url;

/// A spool's folder has a name of at most so many letters.
const FOLDER_NAME_MAX: usize = 200;

/// A mount on a server, and the right to publish it.
#[derive(Clone)]
pub struct Target {
    /// Name or address of the server.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// The mount, percent-encoded, such as `/live.ogg`.
    pub path: String,
    /// Who is publishing.
    pub user: String,
    /// The user's password.
    pub password: Secret,
    /// Whose certificates are believed there. `None`: it is called in the clear.
    pub tls: Option<TlsConnector>,
}

impl Target {
    /// What the URL under `key` names, for this user.
    pub(super) fn new(
        key: &str,
        url: &str,
        user: &str,
        password: &Secret,
        tls: Option<&TlsConnector>,
    ) -> Result<Self, ConfigError> {
        let (is_tls, host, port, path) = place(key, url)?;
        if is_tls != tls.is_some() {
            return Err(ConfigError::new(format!(
                "`{key}` = {url}: of `url`, `spare_urls` and the `url` of each `[[uplink]]` some \
                 begin with https and some with http, where the password would go in the clear; \
                 write https everywhere"
            )));
        }
        Ok(Self {
            host,
            port,
            path,
            user: user.to_owned(),
            password: password.clone(),
            tls: tls.cloned(),
        })
    }

    /// The value of the `Host` header.
    pub fn authority(&self) -> String {
        format!("{}:{}", self.host, self.port)
    }

    /// What the folder of this mount's spool is called.
    pub(super) fn folder_name(&self) -> String {
        let name = format!("{}_{}{}", self.host, self.port, self.path);
        let is_plain = |c: char| c.is_ascii_alphanumeric() || ".-_".contains(c);
        let plain = name.chars().map(|c| if is_plain(c) { c } else { '_' });
        plain.take(FOLDER_NAME_MAX).collect()
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.tls.is_some() { "https" } else { "http" };
        write!(f, "{scheme}://{}:{}{}", self.host, self.port, self.path)
    }
}

impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self} as {}", self.user)
    }
}

/// Whether this is the address of a server that is called through TLS.
pub(super) fn is_tls(url: &str) -> bool {
    Url::parse(url).is_ok_and(|url| url.scheme() == "https")
}

/// Whether the URL to send to asks for TLS; its host, port and path.
fn place(key: &str, text: &str) -> Result<(bool, String, u16, String), ConfigError> {
    let example = "write it like http://radio.example:8000/live.ogg";
    // The URL itself is not repeated before it is known to hold no password.
    let url = Url::parse(text)
        .map_err(|error| ConfigError::new(format!("`{key}` is no URL ({error}); {example}")))?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err(ConfigError::new(format!(
            "`{key}` holds a user or password, which others could read; take them out and set \
             `user` and `password` in source.toml, or the environment variable \
             PLENUM_SOURCE__PASSWORD",
        )));
    }
    let complain = |what: &str| Err(ConfigError::new(format!("`{key}` = {text}: {what}")));
    if !matches!(url.scheme(), "http" | "https") {
        return complain(&format!("begins with neither http nor https; {example}"));
    }
    let Some(host) = url.host_str().filter(|host| !host.is_empty()) else {
        return complain(&format!("names no host; {example}"));
    };
    if url.path() == "/" {
        return complain(&format!("names no mount after the host; {example}"));
    }
    if url.query().is_some() || url.fragment().is_some() {
        return complain("a mount has no ? and no # part; take it out");
    }
    let port = url.port_or_known_default().unwrap_or(80);
    let is_tls = url.scheme() == "https";
    Ok((is_tls, host.to_owned(), port, url.path().to_owned()))
}
