//! Finds out where relays are: their host's address, asked of the databases.
//!
//! One task does this for all of them, one after the other, so names that do not resolve
//! cost nobody else anything.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use stream::shutdown::Shutdown;
use tracing::warn;
use url::Host;

use crate::balancer::Balancer;

/// How long the resolver may take for one name.
const LOOKUP_TIME_MAX: Duration = Duration::from_secs(2);
/// Everybody is looked up again after this long: names move.
const LOOKUP_INTERVAL: Duration = Duration::from_secs(60);

/// Keeps the relays' places true until the program ends.
pub(crate) async fn watch(balancer: Arc<Balancer>, shutdown: Shutdown) {
    loop {
        let hosts = balancer.registry().hosts();
        for (at, host) in hosts {
            let Some(address) = shutdown.unless_requested(resolve(&host)).await else {
                return;
            };
            if let Some(address) = address {
                let spot = balancer.geo().spot(address);
                balancer.registry().locate(at, &host, spot);
            }
        }
        let pause = tokio::time::timeout(LOOKUP_INTERVAL, balancer.moved.notified());
        if shutdown.unless_requested(pause).await.is_none() {
            return;
        }
    }
}

/// The first IPv4 address of a host, or else its first address.
async fn resolve(host: &Host) -> Option<IpAddr> {
    let name = match host {
        Host::Ipv4(address) => return Some((*address).into()),
        Host::Ipv6(address) => return Some((*address).into()),
        Host::Domain(name) => name.as_str(),
    };
    let lookup = tokio::time::timeout(LOOKUP_TIME_MAX, tokio::net::lookup_host((name, 0)));
    match lookup.await {
        Ok(Ok(addresses)) => {
            let addresses: Vec<IpAddr> = addresses.map(|socket| socket.ip()).collect();
            let first_v4 = addresses.iter().find(|address| address.is_ipv4());
            first_v4.or_else(|| addresses.first()).copied()
        }
        Ok(Err(error)) => {
            warn!("the relay host {name} has no address, so its place is unknown: {error}");
            None
        }
        Err(_) => {
            warn!("the relay host {name} could not be looked up in {LOOKUP_TIME_MAX:?}");
            None
        }
    }
}
