//! The balancer: sends each listener to a relay near him that has room. Carries no audio.
//!
//! Reading order: `choice` (who wins, and why), `registry` (what relays said, and why nobody is
//! sent to a full one), `balancer` (all of it together), `waiting` (a listener bears a moment
//! when all is full), `listen` (one listener's question), `routes` (who may ask what), `quick`
//! (nearly all of them, without the router), `serve` (the connections), `hall` (who of them makes
//! room). Pure parts beside them:
//! `checked_report`, `base_url`, `place`, `centroids`, `client_addr`, `playlist`, `answer`.
//! `share` tells other balancers what the operator and probes know.
//! `simulate` lets a crowd come in memory, to see what all this is worth.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context;
use stream::config::ConfigError;
use stream::http::tls::Tls;
use stream::reload;
use stream::shutdown::{Shutdown, notify_ready};
use tokio::net::TcpListener;
use tracing::{info, warn};

pub mod answer;
mod asked;
pub mod balancer;
pub mod base_url;
mod call;
pub mod centroids;
pub mod checked_report;
pub mod choice;
pub mod client_addr;
pub mod config;
pub mod desk;
pub mod explain;
pub mod geo;
pub mod hall;
pub mod html;
pub mod icecast;
pub mod language;
mod linger;
mod listen;
mod locate;
pub mod metrics;
mod openapi;
pub mod overflow;
pub mod pages;
pub mod place;
pub mod playlist;
mod poll;
pub mod probe;
mod quick;
pub mod ranking;
pub mod registry;
pub mod routes;
pub mod serve;
pub mod share;
pub mod simulate;
pub mod snapshot;
pub mod status;
pub mod token;
pub mod waiting;
mod watch;

use balancer::Balancer;
use config::Config;
use desk::keeping::Desk;
use geo::Geo;

/// Runs a balancer until `shutdown` is requested. Its connections and watchers are tasks of
/// `shutdown`, to be drained by the caller. SIGHUP has its settings read again from `file`.
///
/// # Errors
/// A [`ConfigError`] when a geo file is missing or broken; otherwise when the process cannot
/// have its signals.
pub async fn run(
    listener: TcpListener,
    (config, file): (Config, Option<PathBuf>),
    shutdown: Shutdown,
) -> anyhow::Result<()> {
    let hangup = reload::asked().context("cannot listen for SIGHUP")?;
    let geo = open_geo(&config).map_err(ConfigError::new)?;
    let desk = Desk::open(&config).map_err(ConfigError::new)?;
    let address = listener
        .local_addr()
        .context("cannot tell the address of the listening socket")?;
    tell_start(&config, address);
    let tls = Tls::start(config.tls.as_ref(), &shutdown)?;
    let balancer = Arc::new(Balancer::with_desk(config, geo, desk));
    start_tasks(&balancer, &shutdown);
    let renewed = Arc::clone(&balancer);
    let again = move || renewed.reread(file.as_deref());
    shutdown.spawn("reload", reload::watch(hangup, shutdown.clone(), again));
    notify_ready();
    let front = quick::Open {
        balancer: Arc::clone(&balancer),
        tls,
    };
    serve::serve(listener, routes::router(balancer), front, shutdown).await;
    Ok(())
}

/// The databases that the settings ask for.
///
/// # Errors
/// Names the file that is missing or broken.
pub fn open_geo(config: &Config) -> Result<Geo, String> {
    let geo = Geo::open(&config.geo_files)?;
    Ok(match config.geo_builtin {
        true => geo.with_builtin(),
        false => geo,
    })
}

fn tell_start(config: &Config, address: std::net::SocketAddr) {
    let n_relays = config.relay.len();
    info!(
        n_relays,
        "balancer listens on {address} for {n_relays} relays"
    );
    match (&config.master, n_relays) {
        (None, 0) => warn!("there is no [[relay]] and no [master]: nobody can be sent anywhere"),
        (Some(master), 0) => warn!(
            "there is no [[relay]]: everybody is sent to the master {}",
            master.url
        ),
        _ => {}
    }
}

fn start_tasks(balancer: &Arc<Balancer>, shutdown: &Shutdown) {
    shutdown.spawn(
        "geo",
        geo::watch::watch(Arc::clone(balancer), shutdown.clone()),
    );
    shutdown.spawn(
        "watch",
        watch::watch(Arc::clone(balancer), shutdown.clone()),
    );
    shutdown.spawn(
        "minutes",
        desk::minutes::write(Arc::clone(balancer), shutdown.clone()),
    );
    shutdown.spawn(
        "locate",
        locate::watch(Arc::clone(balancer), shutdown.clone()),
    );
    if let Some(interval) = balancer.config().probe_interval() {
        let rounds = probe::rounds::watch(Arc::clone(balancer), interval, shutdown.clone());
        shutdown.spawn("probes", rounds);
        if let Some(master) = balancer.config().compare_with().cloned() {
            let following = probe::follow::watch(Arc::clone(balancer), master, shutdown.clone());
            shutdown.spawn("truths", following);
        }
    }
    if balancer.share().is_some() {
        let sharing = share::watch(Arc::clone(balancer), shutdown.clone());
        shutdown.spawn("share", sharing);
    }
    shutdown.spawn("polls", poll::watch(Arc::clone(balancer), shutdown.clone()));
    if balancer.overflow().is_some() {
        let (balancer, until) = (Arc::clone(balancer), shutdown.clone());
        shutdown.spawn("master", async move {
            if let Some(overflow) = balancer.overflow() {
                overflow.watch(until).await;
            }
        });
    }
}
