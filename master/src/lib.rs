//! The master: the only one who writes logs. It takes pages from sources, puts them in order
//! and fans them out; relays first.
//!
//! Reading order: `config`, `house` (which connection goes where), `credentials`, `ingest`
//! (one source's PUT), `lasting` and `reread` (other settings around the same mounts), `ticks` (the
//! clock of those who look after them), `disk` (logs that outlive the program), `archive` (the same as
//! recordings), `standby` (a second master; what it copies is in `recorded`, `promote` is the command),
//! `routes` (pages), `speakers` (who may say something of a mount: `metadata`, `orders`, `told`).

mod acknowledge;
mod archive;
mod body;
pub mod config;
mod credentials;
mod directory;
mod disk;
mod dump;
mod fallback;
mod hooks;
mod house;
pub mod import;
mod ingest;
mod lasting;
mod metadata;
mod orders;
pub mod promote;
mod recorded;
mod refuse;
mod reread;
mod routes;
mod shoutcast;
mod speakers;
mod stand_in;
mod standby;
mod ticks;
mod told;

use std::os::fd::AsFd;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use stream::current::Current;
use stream::handover::{self, Giver, Heir, Succession};
use stream::http::door;
use stream::http::tls::Tls;
use stream::mount::Gap;
use stream::reload;
use stream::shutdown::Shutdown;
use tokio::net::TcpListener;
use tracing::{info, warn};

use config::Config;
use disk::Disk;
use house::{Files, Master};
use lasting::Lasting;
use stand_in::Player;
use ticks::Ticks;

/// What it is called.
pub const PROGRAM: &str = "plenum-master";

/// How often mounts are looked over whose source is away.
const SWEEP_EVERY: Duration = Duration::from_secs(1);

/// How often filler is written where it is due.
const FILL_EVERY: Duration = Duration::from_millis(500);

/// Runs a master behind `listeners` until `shutdown` is requested.
///
/// # Errors
/// When the system gives no thread or no epoll to serve with, the certificate is of no use,
/// another master uses the state directory, or another program was to hand over and did not.
pub async fn run(
    listeners: Vec<TcpListener>,
    (config, file): (Config, Option<PathBuf>),
    succession: Succession,
    shutdown: Shutdown,
) -> std::io::Result<()> {
    let (asked, hangup) = (handover::asked()?, reload::asked()?);
    let own = listeners.iter().map(|at| at.as_fd().try_clone_to_owned());
    let own = own.collect::<std::io::Result<_>>()?;
    let fanout = Arc::new(config.knobs().fanout(&shutdown)?);
    let tls = Tls::start(config.tls.as_ref(), &shutdown).map_err(std::io::Error::other)?;
    let (keep, listen) = (config.knobs().keep(), config.listen.clone());
    let (folder, retentions) = (config.state_directory(), config.retentions());
    let kept = retentions.clone();
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
    let files = Files::load(&config).map_err(std::io::Error::other)?;
    let lasting = Lasting::new(
        &config,
        Arc::clone(&fanout),
        tls.clone(),
        (disk, kept),
        trail,
        shutdown.clone(),
    );
    let (table, desk, reign) = (&lasting.table, &lasting.desk, &lasting.trail);
    let (table, desk, reign) = (Arc::clone(table), Arc::clone(desk), Arc::clone(reign));
    let master = Arc::new(Current::new(Master::new(config, files, lasting)));
    let player = master.now().begin(found, &mut estate);
    let giver = Giver {
        program: PROGRAM,
        launch: succession.launch,
        listen,
        listeners: own,
        table,
        fanout,
        desk: Some(desk),
        reign: Some(reign),
        lock,
        feeding: estate.feed(&shutdown),
        shutdown: shutdown.clone(),
    };
    giver.start(asked);
    start_watches(&master, player, &shutdown);
    let renewed = Arc::clone(&master);
    let again = move || reread::settings(&renewed, file.as_deref());
    shutdown.spawn("reload", reload::watch(hangup, shutdown.clone(), again));
    succession.ready.say();
    door::serve(listeners, master, tls, estate.porch, shutdown).await
}

/// Starts what looks after the mounts from time to time.
fn start_watches(master: &Arc<Current<Master>>, player: Player, shutdown: &Shutdown) {
    let (of, until) = (|| Arc::clone(master), || shutdown.clone());
    shutdown.spawn("sweep", sweep(of(), until()));
    if master.now().config().shoutcast.is_some() {
        shoutcast::start(master, shutdown);
    }
    shutdown.spawn("directory", directory::watch(of(), until()));
    shutdown.spawn("dumps", dump::watch(of(), until()));
    shutdown.spawn("hooks", hooks::watch(of(), until()));
    shutdown.spawn("fallback", fallback::watch(of(), until()));
    shutdown.spawn("fallback files", stand_in::watch(of(), player, until()));
    shutdown.spawn("filler", fill(of(), until()));
}

/// Removes mounts whose source has been away for too long.
async fn sweep(masters: Arc<Current<Master>>, shutdown: Shutdown) {
    let mut ticks = Ticks::every(SWEEP_EVERY, &shutdown);
    while ticks.next().await {
        let master = masters.now();
        if !master.trail().is_master() {
            // What is copied goes when the other master says so.
            continue;
        }
        let hold = master.config().hold();
        for path in master.desk().sweep(hold, Instant::now()) {
            info!(
                "removed {path}: its source has been away for {} s",
                hold.as_secs()
            );
        }
    }
}

/// Keeps time on mounts whose source is away or silent.
async fn fill(masters: Arc<Current<Master>>, shutdown: Shutdown) {
    let mut ticks = Ticks::every(FILL_EVERY, &shutdown);
    while ticks.next().await {
        let master = masters.now();
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
