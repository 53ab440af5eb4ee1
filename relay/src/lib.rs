//! The relay: mirrors every mount of a master byte for byte and serves it to listeners. Comes
//! back by itself, whatever broke; needs no disk and keeps no listener's address.
//!
//! Reading order: `config`, `catalog` (which mounts there are), `mirror` (one of them),
//! `pull` (one connection to the master), `house` (listeners and pages), `report` (what the
//! balancer is told).

mod catalog;
pub mod config;
mod house;
mod mirror;
mod pull;
mod report;
mod upstream;

use std::sync::Arc;

use stream::http::door;
use stream::http::tls::Tls;
use stream::mount::{MountTable, Slots};
use stream::shutdown::Shutdown;
use tokio::net::TcpListener;

use config::Config;
use house::Relay;

/// Runs a relay behind `listener` until `shutdown` is requested.
///
/// # Errors
/// When the system gives no thread or no epoll to serve with, or the certificate is of no use.
pub async fn run(listener: TcpListener, config: Config, shutdown: Shutdown) -> std::io::Result<()> {
    let fanout = Arc::new(config.knobs().fanout(&shutdown)?);
    let tls = Tls::start(config.tls.as_ref(), &shutdown).map_err(std::io::Error::other)?;
    let table = Arc::new(MountTable::new());
    let slots = Slots::new(config.slots.listeners, 0);
    let upstream = Arc::new(upstream::Upstream::new(&config));
    let follower = catalog::Follower::new(&config, upstream, Arc::clone(&table), shutdown.clone());
    shutdown.spawn("catalog", follower.run());
    if let Some(balancer) = &config.balancer {
        let reporter = report::Reporter::new(&config, balancer, Arc::clone(&table), slots.clone());
        shutdown.spawn("report", reporter.run(shutdown.clone()));
    }
    let relay = Relay::new(
        &config,
        table,
        slots,
        fanout,
        tls.as_deref(),
        shutdown.clone(),
    );
    door::serve(listener, Arc::new(relay), tls, shutdown).await
}
