//! Follows the master's list of mounts and keeps a mirror for each. The list is pushed, not
//! polled; what is missing in it is not gone, only what it names as removed.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::BytesMut;
use reqwest::Response;
use tokio::sync::watch;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::mirroring::{Means, Mirroring};
use super::upstream::{Upstream, ask, reason};
use crate::backoff::Backoff;
use crate::log::Keep;
use crate::mount::catalog::LINE_BYTES_MAX;
use crate::mount::{Catalog, CatalogMount, Mirror, MountPath, MountTable};
use crate::shutdown::Shutdown;

/// The master says something every second; this long without a word means it is gone.
const SILENCE_MAX: Duration = Duration::from_secs(3);

/// The one who follows the list.
#[derive(Debug)]
pub struct Follower {
    means: Means,
    hold: Duration,
    mirrors: HashMap<MountPath, Running>,
    /// Run and version of the newest list.
    seen: Option<(String, u64)>,
    complaint: String,
}

#[derive(Debug)]
struct Running {
    wanted: watch::Sender<CatalogMount>,
    /// The run of the master that last listed it.
    run: String,
    /// When the master last listed it.
    listed: Instant,
    stop: CancellationToken,
}

impl Follower {
    /// One who mirrors every mount of `upstream` into `table`, keeps as much of each as `keep`
    /// says, and lets go of one that has been silent for `hold`.
    pub fn new(
        upstream: Arc<Upstream>,
        table: Arc<MountTable>,
        keep: Keep,
        hold: Duration,
        shutdown: Shutdown,
    ) -> Self {
        Self {
            means: Means {
                upstream,
                table,
                keep,
                shutdown,
            },
            hold,
            mirrors: HashMap::new(),
            seen: None,
            complaint: String::new(),
        }
    }

    /// Goes on with mirrors that the program before this one had.
    #[must_use]
    pub fn resuming(mut self, mirrors: Vec<Mirror>) -> Self {
        for mirror in mirrors {
            let mount = CatalogMount::of(mirror.mount());
            self.begin(mount, "", Some(mirror));
        }
        self
    }

    /// Follows until the program stops. A master that is not there yet is waited for.
    pub async fn run(mut self) {
        let mut backoff = Backoff::new();
        let shutdown = self.means.shutdown.clone();
        let work = async {
            loop {
                let why = self.follow(&mut backoff).await;
                if self.complaint != why {
                    warn!(
                        "the list of mounts at {} is lost: {why}",
                        self.means.upstream.url()
                    );
                    self.complaint = why;
                }
                self.sweep();
                sleep(backoff.next(fastrand::f64())).await;
            }
        };
        shutdown.unless_requested(work).await;
    }

    /// Follows one connection; returns why it ended.
    async fn follow(&mut self, backoff: &mut Backoff) -> String {
        let mut answer = match ask(self.means.upstream.get("/api/v1/catalog?follow")).await {
            Ok(answer) => answer,
            Err(why) => return why,
        };
        let mut read = BytesMut::new();
        loop {
            let line = match next_line(&mut answer, &mut read).await {
                Ok(line) => line,
                Err(why) => return why,
            };
            match Catalog::parse(&line) {
                Ok(catalog) => {
                    backoff.reset();
                    if !self.complaint.is_empty() || self.seen.is_none() {
                        info!(
                            "following the list of mounts at {}",
                            self.means.upstream.url()
                        );
                        self.complaint.clear();
                    }
                    self.apply(catalog);
                    self.sweep();
                }
                Err(why) => return format!("a line of it makes no sense: {why}"),
            }
        }
    }

    fn apply(&mut self, catalog: Catalog) {
        let is_old = self
            .seen
            .as_ref()
            .is_some_and(|(run, version)| *run == catalog.run && *version > catalog.version);
        if is_old {
            return;
        }
        for path in &catalog.removed {
            if let Some(running) = self.mirrors.remove(path) {
                info!("the master removed {path}");
                running.stop.cancel();
                self.means.table.remove(path);
            }
        }
        for mount in catalog.mounts {
            self.keep(mount, &catalog.run);
        }
        self.seen = Some((catalog.run, catalog.version));
    }

    fn keep(&mut self, mount: CatalogMount, run: &str) {
        if let Some(running) = self.mirrors.get_mut(&mount.path) {
            // A master that has just come back is worth trying at once.
            let is_back = running.run != run;
            run.clone_into(&mut running.run);
            running.listed = Instant::now();
            running.wanted.send_if_modified(|wanted| {
                let has_changed = is_back || *wanted != mount;
                *wanted = mount;
                has_changed
            });
            return;
        }
        self.begin(mount, run, None);
    }

    fn begin(&mut self, mount: CatalogMount, run: &str, mirror: Option<Mirror>) {
        let path = mount.path.clone();
        let (wanted, watched) = watch::channel(mount);
        let stop = CancellationToken::new();
        let mirroring = Mirroring::new(self.means.clone(), watched, stop.clone(), mirror);
        self.means.shutdown.spawn("mirror", mirroring.run());
        self.mirrors.insert(
            path,
            Running {
                wanted,
                run: run.to_owned(),
                listed: Instant::now(),
                stop,
            },
        );
    }

    /// Lets go of mounts that have been silent for longer than listeners are kept, unless the
    /// master still holds them: then only their source is away.
    fn sweep(&mut self) {
        let now = Instant::now();
        let is_over = |since: Instant| now.duration_since(since) > self.hold;
        for mount in self.means.table.all() {
            let is_silent = mount.away_for(now).is_some_and(|away| away > self.hold);
            let running = self.mirrors.get(mount.path());
            if is_silent && running.is_none_or(|running| is_over(running.listed)) {
                info!(
                    "removed {}: silent for {} s",
                    mount.path(),
                    self.hold.as_secs()
                );
                if let Some(running) = self.mirrors.remove(mount.path()) {
                    running.stop.cancel();
                }
                self.means.table.remove(mount.path());
            }
        }
    }
}

/// The next line of the list, heartbeats included.
async fn next_line(answer: &mut Response, read: &mut BytesMut) -> Result<BytesMut, String> {
    loop {
        if let Some(end) = read.iter().position(|b| *b == b'\n') {
            return Ok(read.split_to(end + 1));
        }
        if read.len() > LINE_BYTES_MAX {
            return Err(format!("a line has more than {LINE_BYTES_MAX} bytes"));
        }
        match timeout(SILENCE_MAX, answer.chunk()).await {
            Err(_) => return Err(format!("silent for {} s", SILENCE_MAX.as_secs())),
            Ok(Err(error)) => return Err(reason(&error)),
            Ok(Ok(None)) => return Err("it ended".to_owned()),
            Ok(Ok(Some(chunk))) => read.extend_from_slice(&chunk),
        }
    }
}
