//! The settings, read again while the master runs (SIGHUP): another master is put around the same
//! mounts and behind the same door. Who is connected notices nothing.

use std::path::Path;
use std::time::Instant;

use stream::config::{ConfigError, Differences};
use stream::current::Current;
use stream::http::CERTIFICATE;

use tracing::warn;

use crate::config::Config;
use crate::fallback;
use crate::house::{Files, Master};

/// Reads the settings again. They hold when this returns; after an error nothing has changed.
///
/// # Errors
/// Says what is wrong with them.
pub(crate) fn settings(
    master: &Current<Master>,
    file: Option<&Path>,
) -> Result<Differences, ConfigError> {
    let before = master.now();
    let mut config = Config::load(file)?;
    let mut differences = config.put_back(before.config());
    for remark in config.remarks() {
        warn!("{remark}");
    }
    let mut files = Files::load(&config)?;
    differences.changed.extend(files.follow(&before, &config));
    if let Some(tls) = &before.lasting().tls
        && tls.certificates().renew()
    {
        differences.changed.push(CERTIFICATE.to_owned());
    }
    before.lasting().follow(&config, before.config());
    master.set(Master::new(config, files, before.lasting().clone()));
    fallback::review(&master.now(), Instant::now());
    Ok(differences)
}
