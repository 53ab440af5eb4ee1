//! The relay: mirrors every mount of a master byte for byte and serves it to listeners. Comes
//! back by itself, whatever broke; needs no disk and keeps no listener's address.
//!
//! Reading order: `config`, `stream::follow` (what is mirrored), `house` (listeners and pages),
//! `report` (what the balancer is told).

pub mod config;
mod house;
mod report;

use std::sync::Arc;

use stream::follow::{Follower, Upstream};
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
    let follower = Follower::new(
        Arc::new(upstream(&config)),
        Arc::clone(&table),
        config.knobs().keep(),
        config.hold(),
        shutdown.clone(),
    );
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

fn upstream(config: &Config) -> Upstream {
    let master = config.master.as_ref();
    Upstream::new(
        master.map_or("", |master| &master.url),
        master.map_or("", |master| &master.user),
        master.map(|master| &master.password),
    )
}
