//! SIGHUP: the settings are read again while the program runs. All of them hold, or none.
//!
//! What they are and what is done with them is the program's own affair.

use std::io;
use std::sync::Arc;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tracing::{error, info, warn};

use crate::config::{ConfigError, Differences};
use crate::shutdown::{Shutdown, notify_ready, notify_reloading};

/// The signal that asks for it. From now on it does not end the program.
///
/// # Errors
/// When the system does not let us have it.
pub fn asked() -> io::Result<Signal> {
    signal(SignalKind::hangup())
}

/// Has the settings read `again` whenever that is asked for, until the program ends.
pub async fn watch<F>(mut asked: Signal, shutdown: Shutdown, again: F)
where
    F: Fn() -> Result<Differences, ConfigError> + Send + Sync + 'static,
{
    let again = Arc::new(again);
    while let Some(Some(())) = shutdown.unless_requested(asked.recv()).await {
        notify_reloading();
        let read = Arc::clone(&again);
        match tokio::task::spawn_blocking(move || read()).await {
            Ok(Ok(differences)) => tell(&differences),
            Ok(Err(complaint)) => error!("{complaint}; everything stays as it was"),
            Err(_) => error!("reading the settings again panicked; everything stays as it was"),
        }
        notify_ready();
    }
}

fn tell(differences: &Differences) {
    match differences.changed.as_slice() {
        [] => info!("the settings were read again: nothing else holds now"),
        changed => info!(
            "the settings were read again: {} changed",
            changed.join(", ")
        ),
    }
    if !differences.waiting.is_empty() {
        warn!(
            "{} changed, too, and hold only in a program that begins anew: at the next restart, or \
             upgrade (SIGUSR2) where there is one",
            differences.waiting.join(", ")
        );
    }
}
