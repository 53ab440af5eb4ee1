//! Free ports on 127.0.0.1 for programs that are about to start.

use std::collections::BTreeSet;
use std::net::TcpListener;
use std::sync::{Mutex, PoisonError};

use anyhow::{Result, bail};

/// Below the range from which the kernel takes ports for outgoing connections, so that
/// nobody else gets one of these by chance between the test and the program's start.
const PORTS: std::ops::Range<u16> = 12_000..32_000;
/// So many ports are tried before giving up.
const TRIES_MAX: usize = 1000;

static GIVEN: Mutex<BTreeSet<u16>> = Mutex::new(BTreeSet::new());

/// A port that nobody listens on and that this process has not given away before.
///
/// # Errors
/// When none was found.
pub fn free() -> Result<u16> {
    let mut given = GIVEN.lock().unwrap_or_else(PoisonError::into_inner);
    for _ in 0..TRIES_MAX {
        let port = fastrand::u16(PORTS);
        if !given.contains(&port) && is_free(port) {
            given.insert(port);
            return Ok(port);
        }
    }
    bail!("no free port among {TRIES_MAX} tried in {PORTS:?}")
}

/// Whether a program could listen on this port now.
pub fn is_free(port: u16) -> bool {
    TcpListener::bind(("127.0.0.1", port)).is_ok()
}
