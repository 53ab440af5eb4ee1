//! Whom a relay mirrors: a master and other upstreams, or an Icecast.

use std::path::{Path, PathBuf};

use serde::Deserialize;
use stream::mount::MountPath;
use stream::outward::Server;
use stream::secret::Secret;

/// The master to mirror.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MasterConfig {
    /// Its address, without path.
    pub url: String,
    /// The relay user there.
    #[serde(default = "default_user")]
    pub user: String,
    /// The relay password there.
    pub password: Secret,
    /// Certificates in PEM that vouch for it, besides those of this machine.
    pub ca_file: Option<PathBuf>,
}

/// Another relay, or another master, that has the same mounts.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UpstreamConfig {
    /// Its address, without path.
    pub url: String,
    /// The relay user there.
    #[serde(default = "default_user")]
    pub user: String,
    /// The relay password there.
    pub password: Secret,
    /// Pages are fetched from it only while they are late elsewhere.
    #[serde(default = "yes")]
    pub standby: bool,
    /// It is a master, which may take over from the others, and not a sibling.
    #[serde(default)]
    pub may_rule: bool,
    /// Certificates in PEM that vouch for it, besides those of this machine.
    pub ca_file: Option<PathBuf>,
}

/// An Icecast to mirror.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IcecastConfig {
    /// Its address, without path.
    pub url: String,
    /// The relay user there.
    #[serde(default = "default_user")]
    pub user: String,
    /// The relay password there; without it, mounts are learned from its public status.
    pub password: Option<Secret>,
    /// The mounts to mirror; empty: all that it lists.
    #[serde(default)]
    pub mounts: Vec<MountPath>,
    /// Certificates in PEM that vouch for it, besides those of this machine.
    pub ca_file: Option<PathBuf>,
}

impl MasterConfig {
    /// Where it is, and who vouches for it.
    pub(crate) fn server(&self) -> Server<'_> {
        server(&self.url, self.ca_file.as_deref())
    }
}

impl UpstreamConfig {
    /// Where it is, and who vouches for it.
    pub(crate) fn server(&self) -> Server<'_> {
        server(&self.url, self.ca_file.as_deref())
    }
}

impl IcecastConfig {
    /// Where it is, and who vouches for it.
    pub(crate) fn server(&self) -> Server<'_> {
        server(&self.url, self.ca_file.as_deref())
    }
}

fn server<'a>(url: &'a str, ca_file: Option<&'a Path>) -> Server<'a> {
    Server { url, ca_file }
}

pub(super) fn default_user() -> String {
    "relay".to_owned()
}

fn yes() -> bool {
    true
}
