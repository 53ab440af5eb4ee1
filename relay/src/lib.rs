//! The relay: mirrors every mount of a master byte for byte and serves it to listeners. Comes
//! back by itself, whatever broke; needs no disk and keeps no listener's address.
//!
//! Reading order: `config`, `stream::follow` (what is mirrored), `house` (listeners and pages),
//! `report` (what the balancer is told).

pub mod config;
mod house;
mod report;

use std::os::fd::AsFd;
use std::sync::Arc;

use stream::follow::{Follower, Upstream};
use stream::handover::{self, Giver, Heir, Succession};
use stream::http::door;
use stream::http::tls::Tls;
use stream::mount::{MountTable, Slots};
use stream::shutdown::Shutdown;
use tokio::net::TcpListener;

use config::Config;
use house::Relay;

/// What it is called.
pub const PROGRAM: &str = "plenum-relay";

/// Runs a relay behind `listener` until `shutdown` is requested.
///
/// # Errors
/// When the system gives no thread or no epoll to serve with, the certificate is of no use, or
/// another program was to hand over and did not.
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
    let table = Arc::new(MountTable::new());
    let slots = Slots::new(config.slots.listeners, 0);
    let mut estate = Heir::inherit(succession.heir, config.knobs().keep()).await?;
    let mirrors = estate.mirrors(&table);
    let follower = Follower::new(
        Arc::new(upstream(&config)),
        Arc::clone(&table),
        config.knobs().keep(),
        config.hold(),
        shutdown.clone(),
    )
    .resuming(mirrors);
    shutdown.spawn("catalog", follower.run());
    estate.seat(&slots, &fanout);
    if let Some(balancer) = &config.balancer {
        let reporter = report::Reporter::new(&config, balancer, Arc::clone(&table), slots.clone());
        shutdown.spawn("report", reporter.run(shutdown.clone()));
    }
    let giver = Giver {
        program: PROGRAM,
        launch: succession.launch,
        listen: config.listen,
        listener: own,
        table: Arc::clone(&table),
        fanout: Arc::clone(&fanout),
        desk: None,
        lock: None,
        feeding: estate.feed(&shutdown),
        shutdown: shutdown.clone(),
    };
    let relay = Relay::new(
        &config,
        table,
        slots,
        fanout,
        tls.as_deref(),
        shutdown.clone(),
    );
    giver.start(asked);
    door::serve(listener, Arc::new(relay), tls, estate.porch, shutdown).await
}

fn upstream(config: &Config) -> Upstream {
    let master = config.master.as_ref();
    Upstream::new(
        master.map_or("", |master| &master.url),
        master.map_or("", |master| &master.user),
        master.map(|master| &master.password),
    )
}
