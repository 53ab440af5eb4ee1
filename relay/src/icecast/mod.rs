//! Mirrors other people's Icecast. It knows no offsets, so its streams become logs here, written
//! as a master writes them; what comes twice after a break is known by its pages, or its frames.
//!
//! Reading order: `listing` (which mounts there are), `copying` (one of them), `pull` (a connection),
//! `titles` (what stands between its frames), `joint` and `frames` (where it goes on). No filler:
//! after a break shorter than Icecast's burst nothing is missing.

mod copying;
mod frames;
mod joint;
mod listing;
mod pull;
mod titles;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use reqwest::Client;
use stream::follow::Tally;
use stream::follow::upstream::client;
use stream::mount::{Desk, MountPath, MountTable};
use stream::shutdown::Shutdown;
use tokio::time::{interval, timeout};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::config::IcecastConfig;
use copying::Copying;

/// How often the list of mounts is asked for.
const LIST_EVERY: Duration = Duration::from_secs(5);
/// It is there within this time or not at all.
const LIST_MAX: Duration = Duration::from_secs(10);

/// What is needed to copy from it.
#[derive(Clone, Debug)]
struct Means {
    client: Client,
    config: IcecastConfig,
    tally: Arc<Tally>,
    desk: Arc<Desk>,
    table: Arc<MountTable>,
    shutdown: Shutdown,
}

/// The one who copies all mounts.
#[derive(Debug)]
pub(crate) struct Copier {
    means: Means,
    hold: Duration,
    copies: HashMap<MountPath, CancellationToken>,
    complaint: String,
}

impl Copier {
    pub(crate) fn new(
        config: &IcecastConfig,
        tally: Arc<Tally>,
        desk: Arc<Desk>,
        table: Arc<MountTable>,
        hold: Duration,
        shutdown: Shutdown,
    ) -> Self {
        Self {
            means: Means {
                client: client(config.server()),
                config: config.clone(),
                tally,
                desk,
                table,
                shutdown,
            },
            hold,
            copies: HashMap::new(),
            complaint: String::new(),
        }
    }

    /// Copies until the program stops. An Icecast that is not there yet is waited for.
    pub(crate) async fn run(mut self) {
        let shutdown = self.means.shutdown.clone();
        let work = async {
            let mut tick = interval(LIST_EVERY);
            loop {
                tick.tick().await;
                self.look().await;
            }
        };
        shutdown.unless_requested(work).await;
    }

    async fn look(&mut self) {
        let late = || Err(format!("no whole list within {} s", LIST_MAX.as_secs()));
        let listed = timeout(LIST_MAX, listing::mounts(&self.means)).await;
        let listed = listed.unwrap_or_else(|_| late());
        self.means.tally.listed(listed.is_ok());
        let listed = match listed {
            Ok(listed) => {
                if !std::mem::take(&mut self.complaint).is_empty() {
                    info!(
                        "Icecast at {} lists its mounts again",
                        self.means.config.url
                    );
                }
                listed
            }
            Err(why) => {
                if self.complaint != why {
                    warn!(
                        "no list of mounts from Icecast at {}: {why}",
                        self.means.config.url
                    );
                    self.complaint = why;
                }
                Vec::new()
            }
        };
        for path in self.means.desk.sweep(self.hold, Instant::now()) {
            info!("removed {path}: silent for {} s", self.hold.as_secs());
            if let Some(stop) = self.copies.remove(&path) {
                stop.cancel();
            }
        }
        // One that is not listed is not gone, as long as anybody may still listen to it.
        let table = &self.means.table;
        self.copies.retain(|path, stop| {
            let is_kept = listed.contains(path) || table.find(path).is_some();
            if !is_kept {
                stop.cancel();
            }
            is_kept
        });
        for path in listed {
            self.copies.entry(path.clone()).or_insert_with(|| {
                let stop = CancellationToken::new();
                let copying = Copying::new(self.means.clone(), path, stop.clone());
                self.means.shutdown.spawn("copy", copying.run());
                stop
            });
        }
    }
}
