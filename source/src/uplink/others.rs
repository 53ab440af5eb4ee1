//! What the uplinks of one stream have to know of each other: whether one that stands by is
//! needed, and whether the master still answers anybody.

use std::time::{Duration, Instant};

use stream::shutdown::Shutdown;
use tokio::time::sleep;

use super::carry::Load;
use crate::status::Link;

/// One that stands by begins when no other has delivered for this long. Masters acknowledge
/// four times a second.
const NEEDED_AFTER: Duration = Duration::from_millis(750);

/// It stops when another has delivered for this long.
const NEEDLESS_AFTER: Duration = Duration::from_secs(10);

/// How often it looks.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// Another uplink of this stream is on air, and what it sends arrives within `patience`.
pub(super) fn delivers(load: Load<'_>, patience: Duration) -> bool {
    others(load).any(|n| is_delivering(load, n, patience))
}

/// One of those for which this one stands by delivers.
fn is_needless(load: Load<'_>) -> bool {
    // A server that cannot join what comes over several connections takes only one of them.
    let is_only_one_taken = load.backlog.is_unconfirmed();
    let is_standby = load.ways[load.uplink].is_standby;
    let mut waited_for =
        others(load).filter(|n| is_only_one_taken || (is_standby && !load.ways[*n].is_standby));
    waited_for.any(|n| is_delivering(load, n, NEEDED_AFTER))
}

fn others(load: Load<'_>) -> impl Iterator<Item = usize> {
    (0..load.ways.len()).filter(move |n| *n != load.uplink)
}

fn is_delivering(load: Load<'_>, uplink: usize, patience: Duration) -> bool {
    load.status.link(uplink) == Link::OnAir && load.backlog.stalled(uplink) < patience
}

/// Stands by until this uplink is needed, or the program is told to stop.
pub(super) async fn stand_by(load: Load<'_>, shutdown: &Shutdown) {
    if !load.ways[load.uplink].is_standby && !is_needless(load) {
        return;
    }
    let mut needed_since = Instant::now();
    loop {
        let is_on_air = |n| load.status.link(n) == Link::OnAir;
        if is_needless(load) {
            load.status.set_link(load.uplink, Link::StandingBy);
            needed_since = Instant::now();
        } else if others(load).any(is_on_air)
            || needed_since.elapsed() >= NEEDED_AFTER
            || shutdown.is_requested()
        {
            // One that is on air and does not deliver has been silent for as long already.
            return;
        }
        sleep(LOOK_EVERY).await;
    }
}

/// Ends when one that stands by is not needed any more. For others it does not end.
pub(super) async fn needless(load: Load<'_>) {
    if !load.ways[load.uplink].is_standby {
        return std::future::pending().await;
    }
    let mut needless_since: Option<Instant> = None;
    loop {
        sleep(LOOK_EVERY).await;
        if !is_needless(load) {
            needless_since = None;
        } else if needless_since.get_or_insert_with(Instant::now).elapsed() >= NEEDLESS_AFTER {
            return;
        }
    }
}

/// Ends when the uplinks have gone to another master than this one's.
pub(super) async fn moved(load: Load<'_>) {
    while load.status.master() == load.master {
        sleep(LOOK_EVERY).await;
    }
}
