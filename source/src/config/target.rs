//! Where a stream goes: a mount on a server, and the right to publish it.

use std::fmt;

use stream::config::ConfigError;
use stream::secret::Secret;
use url::Url;

/// A spool's folder has a name of at most so many letters.
const FOLDER_NAME_MAX: usize = 200;

/// A mount on a server, and the right to publish it.
#[derive(Clone, Debug)]
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
}

impl Target {
    /// What the URL under `key` names, for this user.
    pub(super) fn new(
        key: &str,
        url: &str,
        user: &str,
        password: &Secret,
    ) -> Result<Self, ConfigError> {
        let (host, port, path) = place(key, url)?;
        Ok(Self {
            host,
            port,
            path,
            user: user.to_owned(),
            password: password.clone(),
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
        write!(f, "http://{}:{}{}", self.host, self.port, self.path)
    }
}

/// Host, port and path of the URL to send to.
fn place(key: &str, text: &str) -> Result<(String, u16, String), ConfigError> {
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
    match url.scheme() {
        "http" => {}
        "https" => {
            return complain(
                "https is not supported yet by this version; use http:// (over a VPN or an \
                 SSH tunnel where the way is not trusted)",
            );
        }
        _ => return complain(&format!("begins with neither http nor https; {example}")),
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
    Ok((host.to_owned(), port, url.path().to_owned()))
}
