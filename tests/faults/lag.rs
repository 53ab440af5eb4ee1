//! How much later a page comes at one listener than at another. Pure.

use std::collections::HashMap;
use std::time::Duration;

use crate::listener::Account;

/// For each page with sound that both got while it was made, sorted.
pub(crate) fn lags(first: &Account, second: &Account) -> Vec<Duration> {
    let name = |stamp: &stream::ogg::Stamp| (stamp.serial, stamp.sequence);
    let first_at: HashMap<_, _> = first
        .heard
        .sound()
        .map(|page| (name(&page.stamp), first.began + page.at))
        .collect();
    // What came in the burst is as late as the listener.
    let live = |at: Duration| at > Duration::from_millis(1500);
    let pages = second.heard.sound().filter(|page| live(page.at));
    let mut lags: Vec<_> = pages
        .filter_map(|page| {
            let here = first_at.get(&name(&page.stamp))?;
            Some((second.began + page.at).saturating_duration_since(*here))
        })
        .collect();
    lags.sort();
    lags
}
