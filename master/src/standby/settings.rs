//! The settings of a standby: whom it stands by.

use std::sync::Arc;

use serde::Deserialize;
use stream::config::{ConfigError, check_base_url};
use stream::follow::Upstream;
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
}

fn default_user() -> String {
    "relay".to_owned()
}

impl StandbyConfig {
    /// Refuses what cannot work.
    pub(crate) fn check(&self) -> Result<(), ConfigError> {
        check_base_url("standby.master", &self.master)?;
        if self.master.starts_with("https://") {
            return Err(ConfigError::new(
                "`standby.master` is an https address, which this version cannot speak yet: use \
                 http, through a tunnel if the way is not to be trusted"
                    .to_owned(),
            ));
        }
        Ok(())
    }

    /// The way there.
    pub(crate) fn upstream(&self) -> Arc<Upstream> {
        let upstream = Upstream::new(&self.master, &self.user, Some(&self.password));
        Arc::new(upstream.recorded())
    }
}
