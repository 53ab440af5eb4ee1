//! What the source is doing at the moment: written by those who do it, shown by `progress`.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::desk::meter::Reading;

/// How the uplink stands with the server.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Link {
    /// Trying to reach the server, or asking whether it takes the stream.
    #[default]
    Connecting,
    /// The server takes the stream.
    OnAir,
    /// It failed; the next attempt comes soon.
    Waiting,
}

/// Shared by all threads and tasks of the program.
#[derive(Debug, Default)]
pub struct Status {
    link: Mutex<Link>,
    level: Mutex<Reading>,
    samples: AtomicU64,
    bytes_sent: AtomicU64,
    n_connections: AtomicU64,
}

impl Status {
    /// Nothing has happened yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// How the uplink stands.
    pub fn link(&self) -> Link {
        *self.link.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The uplink's state has changed.
    pub fn set_link(&self, link: Link) {
        if link == Link::OnAir {
            self.n_connections.fetch_add(1, Relaxed);
        }
        *self.link.lock().unwrap_or_else(PoisonError::into_inner) = link;
    }

    /// The level since the last call.
    pub fn take_level(&self) -> Reading {
        std::mem::take(&mut *self.level.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Adds a reading of the meter.
    pub fn add_level(&self, reading: Reading) {
        let mut level = self.level.lock().unwrap_or_else(PoisonError::into_inner);
        *level = level.and_then(reading);
    }

    /// The length of everything encoded so far.
    pub fn encoded(&self) -> Duration {
        let micros = self.samples.load(Relaxed).saturating_mul(1_000_000);
        Duration::from_micros(micros / u64::from(crate::encoder::RATE))
    }

    /// So many more samples a channel were encoded.
    pub fn add_samples(&self, n_samples: usize) {
        self.samples.fetch_add(n_samples as u64, Relaxed);
    }

    /// Bytes of sound given to the network, over all connections.
    pub fn bytes_sent(&self) -> u64 {
        self.bytes_sent.load(Relaxed)
    }

    /// So many more bytes were given to the network.
    pub fn add_bytes(&self, n_bytes: usize) {
        self.bytes_sent.fetch_add(n_bytes as u64, Relaxed);
    }

    /// How often the server took the stream.
    pub fn n_connections(&self) -> u64 {
        self.n_connections.load(Relaxed)
    }
}
