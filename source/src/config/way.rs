//! `[[uplink]]`: the ways on which one stream goes to the master, and what is checked about them.

use std::fmt;
use std::net::IpAddr;
use std::path::Path;

use serde::Deserialize;
use stream::config::ConfigError;
use stream::mount::sitting::UPLINKS_MAX;
use stream::outward::{TlsConnector, connector};
use stream::secret::Secret;

use super::target::{self, Target};

/// So many masters may stand in for the first.
const SPARES_MAX: usize = 4;

/// The kernel's names of network interfaces have at most so many bytes.
const INTERFACE_BYTES_MAX: usize = 15;

/// One `[[uplink]]`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Uplink {
    /// An interface or a local address. Empty: whatever the system takes.
    pub bind: String,
    /// Another address of the same master and mount. Empty: `url`.
    pub url: String,
    /// Used only while no other uplink delivers.
    pub standby: bool,
}

/// One way to the master.
#[derive(Clone, Debug)]
pub struct Way {
    /// Over which network; `None`: whatever the system takes.
    pub bind: Option<Bind>,
    /// Used only while no other way delivers.
    pub is_standby: bool,
    /// The masters as they are reached this way, the first first.
    pub targets: Vec<Target>,
}

/// Where connections begin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Bind {
    /// At this address of ours; the system decides by it which network it takes.
    Address(IpAddr),
    /// On this interface.
    Interface(String),
}

/// Where all ways lead: the master, those that stand in for it, and as whom.
#[derive(Clone, Copy)]
pub(super) struct Ends<'a> {
    pub(super) url: &'a str,
    pub(super) spare_urls: &'a [String],
    pub(super) user: &'a str,
    pub(super) password: &'a Secret,
    /// How all of them are called, if it is through TLS.
    pub(super) tls: Option<&'a TlsConnector>,
}

impl Way {
    /// How it is called: its interface or address, or the master's at its end.
    pub fn name(&self) -> String {
        match (&self.bind, self.targets.first()) {
            (Some(bind), _) => bind.to_string(),
            (None, Some(target)) => target.authority(),
            (None, None) => String::new(),
        }
    }
}

impl fmt::Display for Bind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(address) => address.fmt(f),
            Self::Interface(name) => f.write_str(name),
        }
    }
}

/// How the masters are called, if one of their addresses asks for TLS. An empty `ca_file` is none.
pub(super) fn tls<'a>(
    mut urls: impl Iterator<Item = &'a String>,
    ca_file: Option<&Path>,
) -> Result<Option<TlsConnector>, ConfigError> {
    let ca_file = ca_file.filter(|file| !file.as_os_str().is_empty());
    if urls.any(|url| target::is_tls(url)) {
        let tls = connector(ca_file);
        return tls
            .map(Some)
            .map_err(|why| ConfigError::new(format!("`ca_file`: {why}")));
    }
    if ca_file.is_none() {
        return Ok(None);
    }
    Err(ConfigError::new(
        "`ca_file` vouches for masters that are called through TLS, but `url` begins with http: \
         write https there, or take `ca_file` out",
    ))
}

/// The ways that are configured; one, if none is.
pub(super) fn ways(uplinks: &[Uplink], ends: Ends<'_>) -> Result<Vec<Way>, ConfigError> {
    let complain = |what: String| Err(ConfigError::new(what));
    if uplinks.len() > UPLINKS_MAX {
        return complain(format!("there are more than {UPLINKS_MAX} `[[uplink]]`"));
    }
    if ends.spare_urls.len() > SPARES_MAX {
        return complain(format!("`spare_urls` has more than {SPARES_MAX} entries"));
    }
    for (n, uplink) in uplinks.iter().enumerate() {
        let is_same = |other: &Uplink| (&other.bind, &other.url) == (&uplink.bind, &uplink.url);
        if uplinks[..n].iter().any(is_same) {
            return complain(
                "two `[[uplink]]` go the same way and would fail together; give each an \
                 interface or address of its own (`bind`), or another `url`"
                    .to_owned(),
            );
        }
    }
    if !uplinks.is_empty() && uplinks.iter().all(|uplink| uplink.standby) {
        return complain("every `[[uplink]]` has `standby`; one has to be without".to_owned());
    }
    let only = [Uplink::default()];
    let uplinks = if uplinks.is_empty() { &only } else { uplinks };
    uplinks.iter().map(|uplink| way(uplink, ends)).collect()
}

fn way(uplink: &Uplink, ends: Ends<'_>) -> Result<Way, ConfigError> {
    let target = |key, url| Target::new(key, url, ends.user, ends.password, ends.tls);
    let mut targets = vec![if uplink.url.is_empty() {
        target("url", ends.url)?
    } else {
        target("url", &uplink.url)?
    }];
    for url in ends.spare_urls {
        targets.push(target("spare_urls", url)?);
    }
    Ok(Way {
        bind: bind(&uplink.bind)?,
        is_standby: uplink.standby,
        targets,
    })
}

fn bind(text: &str) -> Result<Option<Bind>, ConfigError> {
    if text.is_empty() {
        return Ok(None);
    }
    if let Ok(address) = text.trim_matches(['[', ']']).parse() {
        return Ok(Some(Bind::Address(address)));
    }
    let is_odd = |c: char| c.is_whitespace() || c.is_control() || c == '/';
    if text.len() > INTERFACE_BYTES_MAX || text.contains(is_odd) {
        return Err(ConfigError::new(format!(
            "`bind` = {text:?} is neither an address nor an interface; `ip -brief address` shows \
             what there is"
        )));
    }
    Ok(Some(Bind::Interface(text.to_owned())))
}
