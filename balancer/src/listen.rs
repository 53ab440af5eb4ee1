//! One listener's question for a mount: whom his ticket, his query and his player's memory rule
//! out, and where he is sent.

use stream::mount::MountPath;
use stream::ticket::split_query;

use crate::balancer::{Balancer, Intent, Nowhere, Target};
use crate::choice::Listener;
use crate::playlist;

/// Where a listener goes, and with which query.
#[derive(Debug)]
pub(crate) struct Way {
    /// The server.
    pub(crate) target: Target,
    /// What was asked of us and is for nobody else is left out.
    pub(crate) query: String,
}

/// Sends a listener who asks with this query. Waits as [`Balancer::send`] does.
///
/// # Errors
/// Says why nowhere.
pub(crate) async fn listen(
    balancer: &Balancer,
    listener: &mut Listener,
    mount: &MountPath,
    query: &str,
    intent: Intent,
) -> Result<Way, Nowhere> {
    let (ticket, query) = split_query(query);
    if let Some(ticket) = ticket {
        listener.bounced = balancer.returned(ticket);
    }
    let (left, query) = playlist::split_left(&query);
    listener.entry = playlist::entry(&query);
    {
        let mut registry = balancer.registry();
        registry.turn(listener, mount);
        listener.left = left.and_then(|url| registry.reached_at(&url));
    }
    let target = balancer.send(listener, mount, intent).await?;
    Ok(Way { target, query })
}
