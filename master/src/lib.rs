//! The master: the only one who writes logs. It takes pages from sources, puts them in order
//! and fans them out; relays first.
//!
//! Reading order: `config`, `house` (which connection goes where), `credentials`, `ingest`
//! (one source's PUT), `disk` (logs that outlive the program), `archive` (the same as recordings),
//! `standby` (a second master; what it copies is in `recorded`, `promote` is the command), `routes`
//! (pages).

mod acknowledge;
mod archive;
mod body;
pub mod config;
mod credentials;
mod disk;
mod fallback;
mod hooks;
mod house;
pub mod import;
mod ingest;
mod metadata;
pub mod promote;
mod recorded;
mod refuse;
mod routes;
mod shoutcast;
mod standby;

use std::os::fd::AsFd;
use std::sync::Arc;
use std::time::{Duration, Instant};

use stream::handover::{self, Giver, Heir, Member, Part, Stage, Succession, Verdict};
use stream::http::door;
use stream::http::guard::Guard;
use stream::http::tls::Tls;
use stream::mount::Gap;
use stream::shutdown::Shutdown;
use tokio::net::TcpListener;
use tokio::time::{Interval, MissedTickBehavior, interval};
use tracing::{info, warn};

use config::Config;
use disk::Disk;
use house::Master;

/// What it is called.
pub const PROGRAM: &str = "plenum-master";

/// How often mounts are looked over whose source is away.
const SWEEP_EVERY: Duration = Duration::from_secs(1);

/// How often filler is written where it is due.
const FILL_EVERY: Duration = Duration::from_millis(500);

/// Runs a master behind `listener` until `shutdown` is requested.
///
/// # Errors
/// When the system gives no thread or no epoll to serve with, the certificate is of no use,
/// another master uses the state directory, or another program was to hand over and did not.
pub async fn run(
    listener: TcpListener,
    config: Config,
    succession: Succession,
    shutdown: Shutdown,
) -> std::io::Result<()> {
    let asked = handover::asked()?;
    let own = listener.as_fd().try_clone_to_owned()?;
    let fanout = Arc::new(config.knobs().fanout(&shutdown)?);
    let tls = Tls::start(config.tls.as_ref(), &shutdown).map_err(std::io::Error::other)?;
    let (hold, keep, listen) = (config.hold(), config.knobs().keep(), config.listen);
    let (folder, retentions) = (config.state_directory(), config.retentions());
    let is_heir = succession.heir.is_some();
    let mut estate = Heir::inherit(succession.heir, keep).await?;
    let inherited = estate.lock.take();
    let mut disk = match disk::open(folder, inherited, keep, retentions, &shutdown) {
        Err(error) if is_heir => {
            // It is too late to go back.
            warn!("{error}; logs are kept in memory only");
            Disk::default()
        }
        disk => disk?,
    };
    let (mut found, lock) = (std::mem::take(&mut disk.found), disk.lock.take());
    if is_heir {
        // Whatever an heir finds elsewhere is older than what it has.
        found.clear();
    }
    let trail = standby::trail_at_start(&config, estate.reign).await;
    let guard = Guard::new(&config.mount).map_err(std::io::Error::other)?;
    let master = Master::new(
        config,
        guard,
        Arc::clone(&fanout),
        tls.as_deref(),
        disk,
        trail,
        shutdown.clone(),
    );
    let master = Arc::new(master);
    master.begin(found, &mut estate);
    let giver = Giver {
        program: PROGRAM,
        launch: succession.launch,
        listen,
        listener: own,
        table: Arc::clone(master.table()),
        fanout,
        desk: Some(Arc::clone(master.desk())),
        reign: Some(Arc::clone(master.trail())),
        lock,
        feeding: estate.feed(&shutdown),
        shutdown: shutdown.clone(),
    };
    giver.start(asked);
    shutdown.spawn("sweep", sweep(Arc::clone(&master), hold, shutdown.clone()));
    if master.config().shoutcast.is_some() {
        let above = shoutcast::listen(Arc::clone(&master), shutdown.clone());
        shutdown.spawn("shoutcast", above);
    }
    shutdown.spawn("hooks", hooks::watch(Arc::clone(&master), shutdown.clone()));
    let watched = fallback::watch(Arc::clone(&master), shutdown.clone());
    shutdown.spawn("fallback", watched);
    shutdown.spawn("filler", fill(Arc::clone(&master), shutdown.clone()));
    door::serve(listener, master, tls, estate.porch, shutdown).await
}

/// Removes mounts whose source has been away for too long.
async fn sweep(master: Arc<Master>, hold: Duration, shutdown: Shutdown) {
    let mut clock = interval(SWEEP_EVERY);
    clock.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut member = shutdown.freeze().join(Stage::Writers);
    while is_time(&mut clock, &mut member, &shutdown).await {
        if !master.trail().is_master() {
            // What is copied goes when the other master says so.
            continue;
        }
        for path in master.desk().sweep(hold, Instant::now()) {
            info!(
                "removed {path}: its source has been away for {} s",
                hold.as_secs()
            );
        }
    }
}

/// Waits for the next tick, and while everything stands still. `false`: there is no more to do here.
pub(crate) async fn is_time(
    clock: &mut Interval,
    member: &mut Member,
    shutdown: &Shutdown,
) -> bool {
    loop {
        tokio::select! {
            () = shutdown.requested() => return false,
            () = member.asked() => {
                if member.arrive(Part::Nothing).await == Verdict::Leave {
                    return false;
                }
            }
            _ = clock.tick() => return true,
        }
    }
}

/// Keeps time on mounts whose source is away or silent.
async fn fill(master: Arc<Master>, shutdown: Shutdown) {
    let mut clock = interval(FILL_EVERY);
    clock.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut member = shutdown.freeze().join(Stage::Writers);
    while is_time(&mut clock, &mut member, &shutdown).await {
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
