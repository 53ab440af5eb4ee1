//! One listener's question for a mount: whom his ticket, his query and his player's memory rule
//! out, and where he is sent.

use stream::mount::MountPath;
use stream::ticket::split_query;

use crate::balancer::{Balancer, Intent, Nowhere, Target};
use crate::choice::Listener;
use crate::playlist;

/// Where a listener goes who asks with this query, and with which query: what was asked of us is
/// for nobody else. Waits as [`Balancer::send`] does.
///
/// # Errors
/// Says why nowhere.
pub(crate) async fn listen(
    balancer: &Balancer,
    listener: &mut Listener,
    mount: &MountPath,
    query: &str,
    intent: Intent,
) -> Result<(Target, String), Nowhere> {
    if query.is_empty() {
        let target = balancer.send(listener, mount, intent).await?;
        return Ok((target, String::new()));
    }
    let (ticket, query) = split_query(query);
    if let Some(ticket) = ticket {
        listener.bounced = balancer.returned(ticket);
    }
    let (left, query) = playlist::split_left(&query);
    listener.entry = playlist::entry(&query);
    listener.left = left.and_then(|url| balancer.registry().reached_at(&url));
    let target = balancer.send(listener, mount, intent).await?;
    Ok((target, query))
}
