//! Waiting for something to become true, with a deadline. Nothing here sleeps and hopes.

use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};

/// How often a condition is looked at.
pub const LOOK_EVERY: Duration = Duration::from_millis(20);

/// Looks until `look` gives something, at most `deadline`. Whatever `look` complains of
/// last is part of the complaint.
///
/// # Errors
/// When the deadline passes first.
pub fn eventually<T>(
    deadline: Duration,
    what: &str,
    mut look: impl FnMut() -> Result<T>,
) -> Result<T> {
    let start = Instant::now();
    loop {
        match look() {
            Ok(found) => return Ok(found),
            Err(last) if start.elapsed() >= deadline => {
                bail!("{what}: not within {deadline:?}; the last try said: {last:#}")
            }
            Err(_) => sleep(LOOK_EVERY),
        }
    }
}

/// As [`eventually`], for a plain yes or no.
///
/// # Errors
/// When it does not become true before the deadline.
pub fn until(deadline: Duration, what: &str, mut is_true: impl FnMut() -> bool) -> Result<()> {
    eventually(deadline, what, || {
        if is_true() { Ok(()) } else { bail!("not yet") }
    })
}
