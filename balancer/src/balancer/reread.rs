//! The settings, read again while the balancer runs (SIGHUP): all of them hold, or none.

use std::path::Path;
use std::time::Instant;

use stream::config::{ConfigError, Differences};

use super::Balancer;
use crate::config::Config;

impl Balancer {
    /// Reads the settings again, and the databases beside them. The settings hold when this
    /// returns; after an error nothing of them has changed.
    ///
    /// # Errors
    /// Says what is wrong with them.
    pub fn reread(&self, file: Option<&Path>) -> Result<Differences, ConfigError> {
        self.reread_geo.notify_one();
        let before = self.config();
        let mut config = Config::load(file)?;
        let differences = config.put_back(&before);
        let (policy, stale_after) = (config.policy(), config.report_stale());
        self.config.set(config);
        self.registry().follow(policy, stale_after, Instant::now());
        // Relays are as the file and the operator's changes say together.
        self.settle();
        let is_his = |key: &String| key.split('.').next() == Some("operator");
        if differences.changed.iter().any(is_his) {
            // Who signed in with another password is out.
            self.desk().sessions().close_all();
        }
        // New relays have to be looked up; polls and probes look for themselves.
        self.moved.notify_one();
        Ok(differences)
    }
}
