//! Does a listener's time go on as the clock does? Pure.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use crate::listener::Account;
use crate::stage::RATE;

/// Pages of so much time are looked at before and after: the least late of them counts.
const WINDOW: Duration = Duration::from_secs(3);

/// By how many seconds pages came later after `to` than before `from`, for what they are.
pub(crate) fn drift(account: &Account, from: Instant, to: Instant) -> Result<f64> {
    let mut lates = Vec::new();
    let (mut ready, mut before) = (0, None);
    for page in account.heard.sound() {
        let (serial, granule) = (page.stamp.serial, page.stamp.granule);
        ready += match before {
            None => 0,
            Some((last, _)) if last != serial => granule,
            Some((_, last)) => granule - last,
        };
        before = Some((serial, granule));
        let late = page.at.as_secs_f64() - ready as f64 / f64::from(RATE);
        lates.push((account.began + page.at, late));
    }
    let least = |from: Instant, to: Instant| {
        let there = lates.iter().filter(|(at, _)| (from..to).contains(at));
        there.map(|(_, late)| *late).min_by(f64::total_cmp)
    };
    let early = least(from.checked_sub(WINDOW).unwrap_or(from), from);
    let late = least(to, to + WINDOW);
    Ok(late.context("pages after")? - early.context("pages before")?)
}
