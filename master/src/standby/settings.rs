//! The settings of a standby: whom it stands by.

use std::path::PathBuf;
use std::sync::Arc;

use serde::Deserialize;
use stream::config::ConfigError;
use stream::follow::Upstream;
use stream::outward::Server;
use stream::secret::Secret;

/// The master that is copied until this one is promoted.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StandbyConfig {
    /// Its address, without path.
    pub master: String,
    /// The relay user there.
    #[serde(default = "default_user")]
    pub user: String,
    /// The relay password there.
    pub password: Secret,
    /// Certificates in PEM that vouch for it, besides those of this machine.
    pub ca_file: Option<PathBuf>,
}

fn default_user() -> String {
    "relay".to_owned()
}

impl StandbyConfig {
    /// Refuses what cannot work.
    pub(crate) fn check(&self) -> Result<(), ConfigError> {
        self.server().check("[standby]", "master")
    }

    /// The way there.
    pub(crate) fn upstream(&self) -> Arc<Upstream> {
        let upstream = Upstream::new(self.server(), &self.user, Some(&self.password));
        Arc::new(upstream.recorded())
    }

    fn server(&self) -> Server<'_> {
        Server {
            url: &self.master,
            ca_file: self.ca_file.as_deref(),
        }
    }
}
