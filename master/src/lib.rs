//! The master: the only one who writes logs. It takes pages from sources, puts them in order
//! and fans them out; relays first.
//!
//! Reading order: `config`, `house` (which connection goes where), `credentials`, `ingest`
//! (one source's PUT), `catalog` (what relays follow), `disk` (logs that outlive the program),
//! `archive` (the same as recordings), `routes` (pages).

mod acknowledge;
mod archive;
mod body;
mod catalog;
pub mod config;
mod credentials;
mod disk;
mod house;
mod ingest;
mod refuse;
mod routes;

use std::sync::Arc;
use std::time::{Duration, Instant};

use stream::http::door;
use stream::http::tls::Tls;
use stream::mount::Gap;
use stream::shutdown::Shutdown;
use tokio::net::TcpListener;
use tokio::time::{MissedTickBehavior, interval};
use tracing::{info, warn};

use config::Config;
use house::Master;

/// How often mounts are looked over whose source is away.
const SWEEP_EVERY: Duration = Duration::from_secs(1);

/// How often filler is written where it is due.
const FILL_EVERY: Duration = Duration::from_millis(500);

/// Runs a master behind `listener` until `shutdown` is requested.
///
/// # Errors
/// When the system gives no thread or no epoll to serve with, the certificate is of no use, or
/// another master uses the state directory.
pub async fn run(listener: TcpListener, config: Config, shutdown: Shutdown) -> std::io::Result<()> {
    let fanout = Arc::new(config.knobs().fanout(&shutdown)?);
    let tls = Tls::start(config.tls.as_ref(), &shutdown).map_err(std::io::Error::other)?;
    let hold = config.hold();
    let (keep, retentions) = (config.knobs().keep(), config.retentions());
    let mut disk = disk::open(config.state_directory(), keep, retentions, &shutdown)?;
    let found = std::mem::take(&mut disk.found);
    let master = Master::new(config, fanout, tls.as_deref(), disk, shutdown.clone());
    let master = Arc::new(master);
    for log in found {
        master.restore(log);
    }
    shutdown.spawn("sweep", sweep(Arc::clone(&master), hold, shutdown.clone()));
    shutdown.spawn("filler", fill(Arc::clone(&master), shutdown.clone()));
    door::serve(listener, master, tls, shutdown).await
}

/// Removes mounts whose source has been away for too long.
async fn sweep(master: Arc<Master>, hold: Duration, shutdown: Shutdown) {
    let mut clock = interval(SWEEP_EVERY);
    clock.set_missed_tick_behavior(MissedTickBehavior::Delay);
    while shutdown.unless_requested(clock.tick()).await.is_some() {
        for path in master.desk().sweep(hold, Instant::now()) {
            info!(
                "removed {path}: its source has been away for {} s",
                hold.as_secs()
            );
        }
    }
}

/// Keeps time on mounts whose source is away or silent.
async fn fill(master: Arc<Master>, shutdown: Shutdown) {
    let mut clock = interval(FILL_EVERY);
    clock.set_missed_tick_behavior(MissedTickBehavior::Delay);
    while shutdown.unless_requested(clock.tick()).await.is_some() {
        let behind_max = |path: &_| master.config().filler_after(path);
        for gap in master.desk().fill(behind_max, Instant::now()) {
            match gap {
                Gap::Began(path) => warn!("nothing comes on {path}: filler stands in"),
                Gap::Ended(path, length) => info!(
                    "{path} is back: {:.1} s of filler stood in",
                    length.as_secs_f64()
                ),
            }
        }
    }
}
